r"""Prices of rows: subgradient steps on a core of sites, the core chosen anew by pricing.

For any prices ``lam >= 0`` every plan that covers all rows costs at least

.. math:: L(\lambda) = \sum_i \lambda_i - \sum_j (s_j - f_j)^+, \qquad
          s_j = \sum_{i \in j} \lambda_i .

Steps follow Held and Karp with Camerini, Fratta and Maffioli's deflection; the core and its
pricing follow Caprara, Fischetti and Toth 1999, doi 10.1287/opre.47.5.730.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.location.setcover_lists import Lists

__all__ = ["Prices", "climb", "core_sites", "reduced_costs", "start_prices"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Steps before the first pricing, and after a core that proved too small.
STRETCH = 10
#: Share of the last direction in the next one.
DEFLECT = 0.5
#: Sites per row that every core holds.
PER_ROW = 5


@jit
def _reduced_costs(lo, hi, indptr, indices, cost, lam, out):
    for j in range(lo, hi):
        total = cost[j] * 1.0
        for q in range(indptr[j], indptr[j + 1]):
            total -= lam[indices[q]]
        out[j] = total


def reduced_costs(lists: Lists, cost: IntArray, lam: FloatArray) -> FloatArray:
    """Return ``f_j - s_j``."""
    out = np.empty(lists.n_site)
    ranges = chunks(lists.n_site, 16)
    spread(_reduced_costs, ranges, lists.site_indptr, lists.site_indices, cost, lam, out)
    return out


@jit
def _cheapest(row_indptr, row_indices, key, per_row, take):
    """Mark the `per_row` sites of least key of every row."""
    top = np.empty(per_row, np.int64)
    for i in range(row_indptr.size - 1):
        size = 0
        for q in range(row_indptr[i], row_indptr[i + 1]):
            j = row_indices[q]
            if size == per_row and key[j] >= key[top[size - 1]]:
                continue
            at = size if size < per_row else size - 1
            while at > 0 and key[top[at - 1]] > key[j]:
                top[at] = top[at - 1]
                at -= 1
            top[at] = j
            if size < per_row:
                size += 1
        for t in range(size):
            take[top[t]] = True


def core_sites(lists: Lists, key: FloatArray, per_row: int, below: float) -> IntArray:
    """Return the sites with key under `below`, and the `per_row` least of every row."""
    take = key < below
    _cheapest(lists.row_indptr, lists.row_indices, key, per_row, take)
    return np.flatnonzero(take)


@jit
def _follow(it, bound, sub, lam, best_lam, direction, upper, pace, best, low, high, deflect):
    """Step `it` from prices of known bound and subgradient; mends the pace every 20 steps.

    Returns pace, best bound, least and largest bound since the pace was last mended, and whether
    there was a direction to go.
    """
    low = min(low, bound)
    high = max(high, bound)
    if bound > best:
        best = bound
        best_lam[:] = lam
    norm = 0.0
    for i in range(lam.size):
        s = sub[i] + deflect * direction[i]
        if lam[i] == 0.0 and s < 0.0:
            s = 0.0
        direction[i] = s
        norm += s * s
    if norm < 1e-12:
        return pace, best, low, high, False
    step = pace * max(upper - bound, 1e-6 * abs(upper)) / norm
    for i in range(lam.size):
        lam[i] = max(0.0, lam[i] + step * direction[i])
    if (it + 1) % 20 == 0:
        if high - low > 0.01 * abs(high):
            pace *= 0.5
        elif high - low < 0.001 * abs(high):
            pace *= 1.5
        low = np.inf
        high = -np.inf
    return pace, best, low, high, True


@jit
def _climb(
    core, indptr, indices, cost, lam, best_lam, direction, upper, pace, best, steps, deflect
):
    """Take `steps` steps; returns (pace, best bound on the core)."""
    m = lam.size
    sub = np.empty(m)
    low = np.inf
    high = -np.inf
    for it in range(steps):
        bound = 0.0
        for i in range(m):
            sub[i] = 1.0
            bound += lam[i]
        for t in range(core.size):
            j = core[t]
            r = cost[j] * 1.0
            for q in range(indptr[j], indptr[j + 1]):
                r -= lam[indices[q]]
            if r < 0.0:
                bound += r
                for q in range(indptr[j], indptr[j + 1]):
                    sub[indices[q]] -= 1.0
        pace, best, low, high, is_moving = _follow(
            it, bound, sub, lam, best_lam, direction, upper, pace, best, low, high, deflect
        )
        if not is_moving:
            break
    return pace, best


@dataclass
class Prices:
    """Best prices found, their bound in doubles over all sites, and the moving ones."""

    lam: FloatArray
    best: FloatArray
    bound: float
    pace: float = 0.1
    core: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))


def start_prices(lists: Lists, cost: IntArray) -> Prices:
    """Return first prices: of each row the least cost per row among its sites."""
    size = np.maximum(1, np.diff(lists.site_indptr))
    share = cost / size
    lam = np.full(lists.n_row, np.inf)
    if lists.row_indices.size:
        lam = np.minimum.reduceat(share[lists.row_indices], lists.row_indptr[:-1])
    core = core_sites(lists, share, PER_ROW, -np.inf)
    return Prices(lam, lam.copy(), float(lam.sum()), core=core)


def bound_of(reduced: FloatArray, lam: FloatArray) -> float:
    """Return the bound of prices whose reduced costs are given."""
    return float(lam.sum() + np.minimum(reduced, 0.0).sum())


def climb(
    lists: Lists,
    cost: IntArray,
    prices: Prices,
    upper: float,
    steps: int,
    *,
    tolerance: float = 2e-4,
    look: Callable[[Prices], bool] = lambda _: False,
) -> bool:
    """Raise the bound by at most `steps` steps, pricing all sites after every stretch of them.

    The stretch grows while the bound on the core agrees with the bound over all sites (Caprara,
    Fischetti and Toth's rule) and falls back to `STRETCH` when it does not.

    Parameters
    ----------
    upper : float
        Cost of a known plan.
    tolerance : float
        Relative gain over 300 steps below which to end.
    look : callable
        Called after every stretch; true ends.

    Returns
    -------
    bool
        Whether it ended by itself and not by `look`.
    """
    small = lists.n_site <= 4 * lists.n_row
    direction = np.zeros(lists.n_row)
    # a whole number would be another kernel to compile
    upper = float(upper)
    if small:
        prices.core = np.arange(lists.n_site)
    stretch, done, mark, marked = STRETCH, 0, prices.bound, 0
    while done < steps:
        best = prices.lam.copy()
        prices.pace, core_bound = _climb(
            prices.core, lists.site_indptr, lists.site_indices, cost, prices.lam, best, direction,
            upper, prices.pace, -np.inf, stretch, DEFLECT,
        )  # fmt: skip
        done += stretch
        reduced = reduced_costs(lists, cost, best)
        bound = bound_of(reduced, best)
        if bound > prices.bound:
            prices.bound, prices.best = bound, best
        apart = (core_bound - bound) / max(1.0, upper)
        stretch = STRETCH if apart > 0.2 else min(100, stretch * (5 if apart <= 0.02 else 2))
        if not small:
            now = reduced_costs(lists, cost, prices.lam)
            prices.core = core_sites(lists, now, PER_ROW, 0.1 * float(cost.min()))
        if look(prices):
            return False
        if done - marked >= 300:
            if prices.bound - mark < tolerance * abs(prices.bound) and apart <= 0.02:
                return True
            mark, marked = prices.bound, done
    return True
