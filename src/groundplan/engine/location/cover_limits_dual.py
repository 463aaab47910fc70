r"""Prices of rows in set covering within limits: subgradient steps over what the limits allow.

At prices ``lam`` the best choice within the limits is exact (`check_cover_limits`), so the steps
are in ``lam`` alone: up for rows that the choice leaves open, down for rows that it covers more
than once. The best bound is that of the linear relaxation, since the choices have whole corners.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.setcover_dual import DEFLECT, Prices, _follow
from groundplan.engine.location.setcover_lists import Lists

__all__ = ["GroupLayout", "climb_within"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
#: Steps between two looks; steps over which the gain is judged.
STRETCH, JUDGED = 50, 300
#: How far above its bound a part without a known plan is taken to cost, as a share.
AHEAD = 0.05


class GroupLayout:
    """Sites group by group, with their limits.

    Parameters
    ----------
    limits : Limits
        In the numbers of the sites.

    Attributes
    ----------
    ptr, site : (n_group + 2,) int64, (n_site,) int32
    least, most : (n_group + 1,) int64
    """

    def __init__(self, limits: Limits) -> None:
        self.site = np.argsort(limits.group, kind="stable").astype(np.int32)
        group = limits.group[self.site]
        self.ptr = np.searchsorted(group, np.arange(limits.least.size + 1)).astype(np.int64)
        self.least, self.most = limits.least, limits.most


@jit
def _choose(ptr, site, least, most, gain, work, taken):
    """Take the best choice within the limits; returns what it gains."""
    total = 0.0
    for g in range(ptr.size - 1):
        a, b = ptr[g], ptr[g + 1]
        above = 0
        for q in range(a, b):
            work[q] = gain[site[q]]
            if work[q] > 0.0:
                above += 1
        bar = 0.0
        ties = 0
        if above > most[g] or above < least[g]:
            n = min(b - a, most[g] if above > most[g] else least[g])
            bar = np.inf
            if n > 0:
                bar = np.partition(work[a:b], b - a - n)[b - a - n]
                ties = n
                for q in range(a, b):
                    if work[q] > bar:
                        ties -= 1
        for q in range(a, b):
            v = work[q]
            taken[site[q]] = v > bar
            if v == bar and ties > 0:
                ties -= 1
                taken[site[q]] = True
            if taken[site[q]]:
                total += v
    return total


@jit
def _climb_within(
    ptr, site, least, most, indptr, indices, cost, lam, best_lam, direction, upper, pace, best,
    steps, deflect,
):  # fmt: skip
    """Take `steps` steps; returns (pace, best bound)."""
    m = lam.size
    n = cost.size
    sub = np.empty(m)
    gain = np.empty(n)
    work = np.empty(n)
    taken = np.empty(n, np.bool_)
    low = np.inf
    high = -np.inf
    for it in range(steps):
        bound = 0.0
        for i in range(m):
            sub[i] = 1.0
            bound += lam[i]
        for j in range(n):
            v = -1.0 * cost[j]
            for q in range(indptr[j], indptr[j + 1]):
                v += lam[indices[q]]
            gain[j] = v
        bound -= _choose(ptr, site, least, most, gain, work, taken)
        for j in range(n):
            if taken[j]:
                for q in range(indptr[j], indptr[j + 1]):
                    sub[indices[q]] -= 1.0
        pace, best, low, high, is_moving = _follow(
            it, bound, sub, lam, best_lam, direction, upper, pace, best, low, high, deflect
        )
        if not is_moving:
            break
    return pace, best


def climb_within(
    lists: Lists,
    cost: IntArray,
    layout: GroupLayout,
    prices: Prices,
    upper: float,
    steps: int,
    *,
    tolerance: float = 1e-4,
    look: Callable[[Prices], bool] = lambda _: False,
) -> None:
    """Raise the bound by at most `steps` steps; `look` is asked after every stretch of them.

    Parameters
    ----------
    upper : float
        Cost of a known plan, minus infinity where none is known.
    tolerance : float
        Relative gain over 300 steps below which to end.
    """
    direction = np.zeros(lists.n_row)
    mark, marked = prices.bound, 0
    for done in range(STRETCH, steps + STRETCH, STRETCH):
        low = prices.bound if np.isfinite(prices.bound) else float(prices.lam.sum())
        aim = max(upper, low + AHEAD * abs(low)) if upper <= low else upper
        prices.pace, prices.bound = _climb_within(
            layout.ptr, layout.site, layout.least, layout.most, lists.site_indptr,
            lists.site_indices, cost, prices.lam, prices.best, direction, aim, prices.pace,
            prices.bound, STRETCH, DEFLECT,
        )  # fmt: skip
        if look(prices):
            return
        if done - marked >= JUDGED:
            if prices.bound - mark < tolerance * max(abs(prices.bound), 1e-9):
                return
            mark, marked = prices.bound, done
