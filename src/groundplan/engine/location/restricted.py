r"""The best plan made of some sites alone: a sweep at the prices of that small program.

Good plans of a city are arrangements that agree in one region and not in another, and near each
lie a great many that differ by slight shifts. Both are sets of sites: those of several plans (cf.
tour merging: Cook and Seymour 2003, doi 10.1287/ijoc.15.3.233.16078), or those of one plan with
what could stand in the place of each (cf. kernel search: Angelelli, Mansini and Speranza 2010,
doi 10.1016/j.cor.2010.02.002). The linear program of so few sites is strong: its bound exceeds the
best plan by a fraction of the price of a site, where that of all sites does so by several. A sweep
that drops what has lost more (`sweep`) then ends within a fraction of a second, and with the best
of all plans made of these sites where none of its partial choices had to leave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import DENOMINATOR
from groundplan.engine.location.linear import solve_linear
from groundplan.engine.location.merge import restrict
from groundplan.engine.location.pairs import fill_pairs
from groundplan.engine.location.program import Program
from groundplan.engine.location.strip import of_interest, sweep_order
from groundplan.engine.location.sweep_run import (
    Effort,
    LateError,
    Sweep,
    SweepPrices,
    TooWideError,
)

__all__ = ["Found", "list_near", "search_near", "search_sites"]

IntArray = NDArray[np.int64]
#: Most sites of a restricted program.
SITES_MAX = 2_000
#: How far a search goes among the sites of several plans, and among those near one.
AMONG, BESIDE = Effort(20_000, 6_000_000), Effort(10_000, 2_000_000)
#: Sites that may stand in the place of each chosen one: at first, and how their number grows.
NEAR, NEAR_GROWTH = 6, 1.2


@dataclass(frozen=True)
class Found:
    """What a restricted search came to.

    Attributes
    ----------
    plan : (n,) int64 or None
        Chosen sites, ascending, where they are worth more than what was to beat.
    value : int
        Of the plan, or what was to beat.
    is_exact : bool
        No plan of these sites is better.
    """

    plan: IntArray | None
    value: int
    is_exact: bool


def _price(small: Program, halt: Callable[[], bool]) -> SweepPrices | None:
    """Return whole prices from the linear relaxation; none where it was not solved."""
    solved = solve_linear(small, halt)
    if solved is None:
        return None
    whole = small.weight * DENOMINATOR
    price = np.minimum((solved[0] * DENOMINATOR).astype(np.int64), whole)
    unit = int(solved[1] * DENOMINATOR)
    score = np.add.reduceat(price[small.site_indices], small.site_indptr[:-1])
    reduced = score - unit * small.cost
    return SweepPrices(whole, price, reduced, small.cost, small.budget, unit)


def search_sites(
    program: Program,
    site: NDArray[np.integer],
    value: int,
    halt: Callable[[], bool],
    effort: Effort = AMONG,
) -> Found:
    """Search the plans made of some sites for one that is worth more than `value`.

    Parameters
    ----------
    program : Program
        All sites cost the same.
    site : (n,) int
        Sites of the program, none twice.
    value : int
        What is to beat.
    halt : callable
        Asked now and then whether to give up.
    effort : Effort, optional
    """
    nothing = Found(None, value, is_exact=False)
    if not 0 < site.size <= SITES_MAX:
        return nothing
    free = np.sort(site).astype(np.int32)
    small = restrict(program, free, np.zeros(program.n_site, bool))
    prices = _price(small, halt)
    if prices is None:
        return nothing
    kept = int((prices.whole - prices.price).sum())
    bound = kept + int(np.maximum(prices.reduced, 0).sum()) + prices.unit * prices.budget
    limit = bound - (value + 1) * DENOMINATOR + 1
    order, degree, dead = of_interest(small, prices, sweep_order(small), limit)
    limit -= dead
    if limit <= 0 or not order.size:
        return Found(None, value, is_exact=True)
    sweep = Sweep(small, prices, order, degree)
    rest, most = np.zeros(order.size, np.int64), np.full(order.size, limit)
    try:
        proven, _ = sweep.lose(rest, most, limit, effort, halt, counts=True)
    except (LateError, TooWideError):
        return nothing
    if sweep.found is None or sweep.found >= limit:
        return Found(None, value, is_exact=proven >= limit)
    plan = np.sort(free[order[sweep.choice]]).astype(np.int64)
    # lists that hash alike would be one row of the small program: valued on the whole one
    served = np.zeros(program.n_row, bool)
    for j in plan:
        served[program.site_indices[program.site_indptr[j] : program.site_indptr[j + 1]]] = True
    worth = int(program.weight[served].sum())
    if worth <= value:
        return nothing
    return Found(plan, worth, is_exact=proven >= sweep.found)


def list_near(program: Program, plan: IntArray, many: int) -> IntArray:
    """Return the sites of a plan and, for each, the best `many` in its place, ascending."""
    p = program
    count, owner = np.zeros(p.n_row, np.int32), np.zeros(p.n_row, np.int32)
    gain, shared = np.zeros(p.n_site, np.int32), np.zeros((plan.size, p.n_site), np.int32)
    fill_pairs(
        p.site_indptr, p.site_indices.view(np.uint32), p.row_indptr,
        p.row_indices.view(np.uint32), p.weight.astype(np.int32), plan, count, owner, gain, shared,
    )  # fmt: skip
    many = min(many, p.n_site - plan.size)
    chosen = np.zeros(p.n_site, bool)
    chosen[plan] = True
    other = np.flatnonzero(~chosen)
    # no two keys are equal, so who is among the best does not depend on how they are sorted
    rank = np.arange(other.size)[::-1]
    near = chosen
    for line in shared:
        key = (gain[other].astype(np.int64) + line[other]) * other.size + rank
        near[other[np.argpartition(-key, many - 1)[:many]]] = True
    return np.flatnonzero(near)


def search_near(
    program: Program, plan: IntArray, value: int, halt: Callable[[], bool]
) -> tuple[IntArray, int]:
    """Return the plan that a descent over ever wider neighbourhoods ends with, and its value.

    Where a plan is the best one made of its sites and their `NEAR` best replacements, more of them
    are let in, until a search does not end exactly.
    """
    many = NEAR
    while not halt():
        near = list_near(program, plan, many)
        if near.size > SITES_MAX or near.size == plan.size:
            break
        found = search_sites(program, near, value, halt, BESIDE)
        if found.plan is not None:
            plan, value = fill(program, found.plan, plan.size), found.value
        elif found.is_exact and near.size < program.n_site:
            many = int(many * NEAR_GROWTH) + 1
        else:
            break
    return plan, value


def fill(program: Program, plan: IntArray, size: int) -> IntArray:
    """Return a plan of `size` sites: places left are free to move, at first the first sites."""
    if plan.size >= size:
        return plan
    others = np.setdiff1d(np.arange(program.n_site), plan)
    return np.sort(np.concatenate([plan, others[: size - plan.size]]))
