"""Plans by mixed-integer programs: a first one, where rounding found none, and a better one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_problem import CapacityProblem
from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.relaxation import Relaxation

__all__ = ["find_better", "find_plan"]

BoolArray = NDArray[np.bool_]
#: Branchings after which the mixed-integer solver gives up: looking for any plan, and a better one.
NODES, NODES_BETTER = 20_000, 300


def find_plan(
    problem: CapacityProblem,
    candidate: BoolArray,
    old: BoolArray,
    at_most: int,
    *,
    whole: bool,
    nodes: int = NODES,
    halt: Callable[[], bool] | None = None,
    limits: Limits | None = None,
) -> tuple[BoolArray, NDArray[np.int32]] | None:
    """Return open sites and the site of each row, or none where it is proven that there is none.

    Raises
    ------
    TimeoutError
        Where neither was found in `nodes` branchings, or `halt` ended the search.
    """
    p = problem
    site = p.site_of_pair()
    pair = np.flatnonzero((candidate | old)[site])
    x = p.n_site + np.arange(pair.size)
    rows, sites = p.row[pair], site[pair]
    y = np.arange(p.n_site)
    r = np.concatenate([rows, p.n_row + sites, p.n_row + y, np.full(p.n_site, p.n_row + p.n_site)])
    c = np.concatenate([x, x, y, y])
    v = np.concatenate([
        np.ones(pair.size), p.demand[rows], -p.capacity, candidate
    ]).astype(np.float64)  # fmt: skip
    order = np.lexsort((c, r))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(r, minlength=p.n_row + p.n_site + 1))])
    low = np.concatenate([np.ones(p.n_row), np.full(p.n_site + 1, -np.inf)])
    high = np.concatenate([np.ones(p.n_row), np.zeros(p.n_site), [float(at_most)]])
    cost = np.concatenate([np.where(candidate, p.opening_cost, 0.0), p.cost[pair]])
    upper = np.ones(cost.size)
    upper[: p.n_site] = candidate | old
    lower = np.zeros(cost.size)
    lower[: p.n_site] = old
    program = Relaxation(cost, lower, upper, indptr, c[order], v[order], low, high, halt)
    limit_groups(program, candidate, limits)
    found = program.solve_whole(cost.size if whole else p.n_site, nodes)
    if found is None:
        if program.is_infeasible():
            return None
        raise TimeoutError
    place = np.full(p.n_row, -1, np.int32)
    most = np.argsort(found[p.n_site :], kind="stable")
    place[rows[most]] = sites[most]
    return (found[: p.n_site] > 0.5) & candidate, place


def limit_groups(program: Relaxation, candidate: BoolArray, limits: Limits | None) -> None:
    """Add the limits on the new sites of each group to a program whose first columns are sites."""
    if limits is None:
        return
    for sign, bound in ((1.0, limits.most), (-1.0, -limits.least)):
        site = np.flatnonzero(candidate & (limits.group < limits.n_group))
        site = site[np.argsort(limits.group[site], kind="stable")]
        size = np.bincount(limits.group[site], minlength=limits.n_group)
        indptr = np.concatenate([[0], np.cumsum(size)])
        program.add_rows(indptr, site, np.full(site.size, sign), bound[:-1].astype(float))


def find_better(
    problem: CapacityProblem,
    pair: NDArray[np.int64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    fee: NDArray[np.float64],
    candidate: BoolArray,
    at_most: int,
    *,
    nodes: int = NODES_BETTER,
    halt: Callable[[], bool] | None = None,
    limits: Limits | None = None,
) -> NDArray[np.int32] | None:
    """Return the site of each row in the best plan found, none where there is none.

    Every row has one site, out of the pairs given; the rows ``x_ij <= y_j`` are all there.

    Parameters
    ----------
    problem : CapacityProblem
    pair : (n,) int64
        Pairs that the program may use.
    lower, upper : (n_site,) float64
        1 and 1 for sites that stand, 0 and 0 for those that stay closed.
    fee : (n_site,) float64
        Cost of each site.
    candidate : (n_site,) bool
        New sites, of which at most `at_most` may open.
    at_most : int
    limits : Limits, optional
        On the groups of sites.
    """
    p = problem
    n, m, k = p.n_row, p.n_site, pair.size
    rows, sites = p.row[pair], p.site_of_pair()[pair]
    x, y, number = m + np.arange(k), np.arange(m), np.arange(k)
    r = np.concatenate([rows, n + sites, n + y, np.full(m, n + m), *[n + m + 1 + number] * 2])
    c = np.concatenate([x, x, y, y, x, sites])
    v = np.concatenate([
        np.ones(k), p.demand[rows], -p.capacity, candidate, np.ones(k), np.full(k, -1.0)
    ]).astype(np.float64)  # fmt: skip
    order = np.lexsort((c, r))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(r, minlength=n + m + 1 + k))])
    program = Relaxation(
        np.concatenate([fee, p.cost[pair]]), np.concatenate([lower, np.zeros(k)]),
        np.concatenate([upper, np.ones(k)]), indptr, c[order], v[order],
        np.concatenate([np.ones(n), np.full(m + 1 + k, -np.inf)]),
        np.concatenate([np.ones(n), np.zeros(m), [float(at_most)], np.zeros(k)]), halt,
    )  # fmt: skip
    limit_groups(program, candidate, limits)
    found = program.solve_whole(m + k, nodes)
    if found is None:
        return None
    place = np.full(n, -1, np.int32)
    most = np.argsort(found[m:], kind="stable")
    place[rows[most]] = sites[most]
    load = np.bincount(place[place >= 0], p.demand[place >= 0], minlength=m)
    return place if (place >= 0).all() and (load <= p.capacity).all() else None
