r"""Prices of groups of sites: the part of the bound's steps that limits change.

A step chooses ``0 <= y <= 1`` within the budget and within ``l_g <= sum_{j in g} y_j <= u_g``. With
a price mu of the budget and ``nu_g`` of each group it is ``clip(z - tau (mu f + nu_g), 0, 1)``; nu
is found for each group and mu around them, by safeguarded Newton steps. What the best choice of
whole sites scores is exact: groups are a partition, so the ``l_g`` best of each group and then the
best of all that the caps still allow are the best choice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.check_limits import Limits, ranks

__all__ = ["GroupChoice", "count_price", "follow_groups", "group_prices", "moved"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
#: Evaluations in the search for the price of a budget; any price gives a valid bound.
TURNS = 40
#: Windows and annealing: a limit that is not kept and has no price gets this share of a typical
#: one; prices move by at most this share at a time.
FIRST_PRICE, STEP = 0.02, 0.05
#: Relative error of a count or of the budget at which a price is found.
CLOSE = 1e-6


@jit
def _respond(a, b, site, z, tau, cost, mu, nu):
    """Return sites and money of a group at its prices, and how fast both fall."""
    n = 0.0
    spent = 0.0
    slope = 0.0
    cross = 0.0
    steep = 0.0
    for q in range(a, b):
        j = site[q]
        v = z[j] - tau[j] * (mu * cost[j] + nu)
        if v >= 1.0:
            n += 1.0
            spent += cost[j]
        elif v > 0.0:
            n += v
            spent += cost[j] * v
            slope += tau[j]
            cross += tau[j] * cost[j]
            steep += tau[j] * cost[j] * cost[j]
    return n, spent, slope, cross, steep


@jit
def _settle(a, b, site, z, tau, cost, mu, least, most, begin):
    """Return the price at which a group has as many sites as its limits allow."""
    n = _respond(a, b, site, z, tau, cost, mu, 0.0)[0]
    if least <= n <= most:
        return 0.0
    target = most if n > most else least
    sign = 1.0 if n > most else -1.0
    lo = 0.0
    hi = np.inf
    nu = max(0.0, sign * begin)
    for _ in range(100):
        n, _spent, slope, _cross, _steep = _respond(a, b, site, z, tau, cost, mu, sign * nu)
        over = sign * (n - target)
        if abs(over) <= 1e-6 * max(1.0, target):
            break
        if over > 0.0:
            lo = nu
        else:
            hi = nu
        new = nu + over / slope if slope > 0.0 else -1.0
        if not lo < new < hi:
            new = 0.5 * (lo + hi) if hi < np.inf else max(2.0 * nu, 1e-9)
        nu = new
    return sign * nu


@jit
def project_groups(ptr, site, z, tau, cost, budget, least, most, mu, nu):
    """Find the prices of the groups, written to `nu`, and return that of the budget."""
    last = ptr.size - 2
    lo = 0.0
    hi = np.inf
    for turn in range(100):
        spent = 0.0
        fall = 0.0
        for g in range(last + 1):
            a, b = ptr[g], ptr[g + 1]
            if g < last:
                nu[g] = _settle(a, b, site, z, tau, cost, mu, least[g], most[g], nu[g])
            _n, money, slope, cross, steep = _respond(a, b, site, z, tau, cost, mu, nu[g])
            spent += money
            fall += steep
            if nu[g] != 0.0 and slope > 0.0:
                fall -= cross * cross / slope
        if (mu == 0.0 and spent <= budget) or abs(spent - budget) <= 1e-6 * budget:
            break
        if spent > budget:
            lo = mu
        else:
            hi = mu
        new = mu + (spent - budget) / fall if fall > 0.0 else -1.0
        if not lo < new < hi:
            new = 0.5 * (lo + hi) if hi < np.inf else max(2.0 * mu, 1e-9)
            if turn == 0 and spent < budget:
                new = 0.0
        mu = new
    return mu


class GroupChoice:
    """What may be chosen under limits: projection for the steps, best choice for the bound.

    Parameters
    ----------
    limits : Limits
        In the numbers of the sites given.
    cost : (n_site,) int64
    budget : int

    Attributes
    ----------
    mu : float
    nu : (n_group + 1,) float64
        Prices of the last projection, where the next one begins.
    """

    def __init__(self, limits: Limits, cost: IntArray, budget: int) -> None:
        self.limits, self.cost, self.budget = limits, cost.astype(np.float64), float(budget)
        self.site = np.argsort(limits.group, kind="stable").astype(np.int32)
        n = limits.least.size
        self.ptr = np.searchsorted(limits.group[self.site], np.arange(n + 1)).astype(np.int64)
        self.is_even = bool(cost.size and cost.min() == cost.max())
        self.least, self.most_of = limits.least.astype(float), limits.most.astype(float)
        self.mu, self.nu = 0.0, np.zeros(n)

    def dues(self, z: FloatArray, tau: FloatArray) -> FloatArray:
        """Return what each site pays, so that ``clip(z - tau dues)`` keeps budget and limits."""
        self.mu = float(
            project_groups(
                self.ptr, self.site, z, tau, self.cost, self.budget, self.least, self.most_of,
                self.mu, self.nu,
            )
        )  # fmt: skip
        return self.mu * self.cost + self.nu[self.limits.group]

    def most(self, score: FloatArray) -> tuple[float, float]:
        """Return the most that a choice within budget and limits scores, and the budget's price."""
        if self.is_even:
            mu = count_price(self.limits, score, int(self.budget // self.cost[0]))
            mu /= float(self.cost[0])
            return self.value(score, mu)[0], mu
        return self.search(score)

    def value(self, score: FloatArray, mu: float) -> tuple[float, float]:
        """Return the bound on any choice at a price of the budget, and what is left of it."""
        over = score - mu * self.cost
        site, rank = self.ranked(over)
        group = self.limits.group[site]
        take = rank < self.limits.least[group]
        take |= (rank < self.limits.most[group]) & (over[site] > 0.0)
        taken = site[take]
        return mu * self.budget + float(over[taken].sum()), self.budget - float(
            self.cost[taken].sum()
        )

    def search(self, score: FloatArray) -> tuple[float, float]:
        """Return the least bound over the prices of a budget; it is convex in the price."""
        low, high, mu = 0.0, np.inf, self.mu
        first = 1e-6 + 0.1 * float(np.abs(score).mean()) / float(self.cost.mean())
        best, at = np.inf, 0.0
        for _ in range(TURNS):
            value, left = self.value(score, mu)
            if value < best:
                best, at = value, mu
            if left >= 0.0:
                high = mu
            else:
                low = mu
            if (left >= 0.0 and mu == 0.0) or high - low <= CLOSE * high:
                break
            mu = 0.5 * (low + high) if high < np.inf else max(2.0 * mu, first)
        return best, at

    def ranked(self, over: FloatArray) -> tuple[IntArray, IntArray]:
        """Return the sites group by group, best first, and their places in the group."""
        site = np.lexsort((-over, self.limits.group))
        return site, ranks(self.limits.group[site])


def count_price(limits: Limits, score: NDArray[Any], p: int) -> Any:
    """Return the price of a site at which the best p within the limits are chosen."""
    site = np.lexsort((-score, limits.group))
    group = limits.group[site]
    rank = ranks(group)
    free = score[site[(rank >= limits.least[group]) & (rank < limits.most[group])]]
    room = p - int(limits.least.sum())
    if free.size <= room or not free.size:
        return 0
    if room <= 0:
        room = 1
    return max(0, np.partition(free, free.size - room)[free.size - room].item())


def group_prices(limits: Limits, over: NDArray[Any]) -> NDArray[Any]:
    """Return the price of each group at which its best sites are as many as the limits allow.

    Parameters
    ----------
    over : (n_site,) int64 or float64
        Scores less the sites' costs at the budget's price.
    """
    site = np.lexsort((-over, limits.group))
    group = limits.group[site]
    start = np.searchsorted(group, np.arange(limits.least.size + 1))
    out = np.zeros(limits.least.size, over.dtype)
    is_whole = np.issubdtype(over.dtype, np.integer)
    for g in range(limits.n_group):
        mine = over[site[start[g] : start[g + 1]]]
        low, high = int(limits.least[g]), int(limits.most[g])
        if mine.size > high and mine[high] > 0:
            # anywhere between the last one in and the first one out
            both = mine[high - 1] + mine[high] if high else 2 * mine[0]
            out[g] = both // 2 if is_whole else 0.5 * both
        elif low and mine[low - 1] < 0:
            out[g] = mine[low - 1]
    return out


def moved(price: float, over: float, first: float) -> float:
    """Return a price >= 0 raised where there is too much of something, lowered where too little."""
    if over > 0.0:
        price = max(price, first)
    return price * (1.0 + min(STEP, max(-STEP, 2.0 * over)))


def follow_groups(limits: Limits, held: IntArray, nu: FloatArray, typical: float) -> None:
    """Move the prices of the groups towards what a plan holds, in place."""
    first = FIRST_PRICE * typical
    for g in range(limits.n_group):
        low, high, n = int(limits.least[g]), int(limits.most[g]), int(held[g])
        if nu[g] < 0.0 or (nu[g] == 0.0 and n < low):
            nu[g] = -moved(-float(nu[g]), (low - n) / max(1, low), first)
        else:
            nu[g] = moved(float(nu[g]), (n - high) / max(1, high), first)
