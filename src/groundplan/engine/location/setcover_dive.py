"""Diving: fix promising sites, price what remains, fix again; then free the doubtful ones.

The three phases (prices, priced greedy, fixing) and the refining that follows are those of
Caprara, Fischetti and Toth 1999, doi 10.1287/opre.47.5.730; each residual problem is also searched
by row weighting.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.setcover_dual import Prices, climb, reduced_costs
from groundplan.engine.location.setcover_lists import Lists, narrow
from groundplan.engine.location.setcover_search import (
    cover_counts,
    cover_greedily,
    drop_redundant,
    start_walk,
    walk,
)

__all__ = ["dive", "refine"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Prices along the way at which a greedy plan is made in every phase.
TRIES = 8
#: Relative change of the prices with which a dive begins.
SHAKE = 0.1
#: Moves of the search in every residual problem.
MOVES = 4_000


def worth_fixing(lists: Lists, cost: IntArray, lam: FloatArray) -> BoolArray:
    """Return sites to fix: those that pay for themselves alone, then a few greedy ones."""
    pays = reduced_costs(lists, cost, lam) < -1e-3
    twice = cover_counts(lists, pays) > 1
    row = np.repeat(np.arange(lists.n_row), np.diff(lists.row_indptr))
    pays[lists.row_indices[twice[row]]] = False
    return cover_greedily(lists, cost, lam, start=pays, picks=max(1, lists.n_row // 200))


def dive(
    lists: Lists,
    cost: IntArray,
    lam: FloatArray,
    upper: int,
    seed: int,
    halt: Callable[[], bool],
) -> tuple[BoolArray | None, int]:
    """Look for a plan of cost under `upper`; returns it with its cost, or None and `upper`."""
    rows, sites = np.arange(lists.n_row), np.arange(lists.n_site)
    here, price = lists, cost
    fixed = np.zeros(lists.n_site, np.bool_)
    best: BoolArray | None = None
    spent = 0
    first = True
    while here.n_row and not halt():
        prices = Prices(lam.copy(), lam.copy(), -np.inf)
        climb(here, price, prices, upper - spent, 600 if first else 200, tolerance=1e-3)
        if spent + np.ceil(prices.bound - 1e-6) >= upper:
            break
        local, least = None, upper - spent
        for k in range(TRIES):
            if k:
                climb(here, price, prices, upper - spent, 10, tolerance=0.0)
            plan = cover_greedily(here, price, prices.lam if k else prices.best)
            value = int(price[plan].sum())
            if local is None or value < least:
                local, least = plan, min(least, value)
        if local is not None:
            search = start_walk(here, price, local, seed + here.n_row)
            walk(search, MOVES, int(np.ceil(prices.bound - 1e-6)))
            if search.value + spent < upper:
                best = fixed.copy()
                best[sites[search.best]] = True
                drop_redundant(lists, cost, best)
                upper = int(cost[best].sum())
        take = worth_fixing(here, price, prices.best)
        fixed[sites[take]] = True
        spent = int(cost[fixed].sum())
        if spent >= upper:
            break
        free = cover_counts(here, take) == 0
        lam = prices.best[free]
        keep = ~take
        here = narrow(here, np.flatnonzero(free), np.flatnonzero(keep))
        rows, sites, price = rows[free], sites[keep], price[keep]
        some = np.diff(here.site_indptr) > 0
        here = narrow(here, np.arange(here.n_row), np.flatnonzero(some))
        sites, price = sites[some], price[some]
        first = False
    if not here.n_row and spent < upper:
        best = fixed
        drop_redundant(lists, cost, best)
        upper = int(cost[best].sum())
    return best, upper


def refine(
    lists: Lists,
    cost: IntArray,
    lam: FloatArray,
    plan: BoolArray,
    share: float,
    seed: int,
    halt: Callable[[], bool],
) -> tuple[BoolArray, int]:
    """Fix the sites of a plan that look right, over `share` of the rows, and dive for the rest.

    A site's doubt is its reduced cost (where positive) and, for each of its rows, the price paid
    more than once: ``lam_i (K_i - 1) / K_i`` with K_i sites of the plan on it.
    """
    value = int(cost[plan].sum())
    count = cover_counts(lists, plan)
    over = lam * (count - 1) / np.maximum(1, count)
    mine = np.flatnonzero(plan)
    paid = reduced_costs(lists, -np.zeros(lists.n_site, np.int64), over)
    doubt = np.maximum(reduced_costs(lists, cost, lam), 0.0) - paid
    covered = np.zeros(lists.n_row, np.bool_)
    fixed = np.zeros(lists.n_site, np.bool_)
    for j in mine[np.argsort(doubt[mine], kind="stable")]:
        if covered.sum() >= share * lists.n_row:
            break
        fixed[j] = True
        covered[lists.site_indices[lists.site_indptr[j] : lists.site_indptr[j + 1]]] = True
    free = np.flatnonzero(~covered)
    rest = narrow(lists, free, np.arange(lists.n_site))
    some = np.flatnonzero((np.diff(rest.site_indptr) > 0) & ~fixed)
    rest = narrow(rest, np.arange(rest.n_row), some)
    spent = int(cost[fixed].sum())
    rng = np.random.Generator(np.random.Philox(key=[seed, 12]))
    shaken = lam[free] * rng.uniform(1.0 - SHAKE, 1.0 + SHAKE, free.size)
    found, _ = dive(rest, cost[some], shaken, value - spent, seed, halt)
    if found is None:
        return plan, value
    better = fixed
    better[some[found]] = True
    drop_redundant(lists, cost, better)
    return better, int(cost[better].sum())
