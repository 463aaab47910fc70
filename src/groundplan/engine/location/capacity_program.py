"""A first plan by a mixed-integer program, where rounding found none; or the proof of none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_problem import CapacityProblem
from groundplan.engine.location.relaxation import Relaxation

__all__ = ["find_plan"]

BoolArray = NDArray[np.bool_]
#: Branchings after which the mixed-integer solver gives up.
NODES = 20_000


def find_plan(
    problem: CapacityProblem,
    candidate: BoolArray,
    old: BoolArray,
    at_most: int,
    *,
    whole: bool,
    nodes: int = NODES,
    halt: Callable[[], bool] | None = None,
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
    found = program.solve_whole(cost.size if whole else p.n_site, nodes)
    if found is None:
        if program.is_infeasible():
            return None
        raise TimeoutError
    place = np.full(p.n_row, -1, np.int32)
    most = np.argsort(found[p.n_site :], kind="stable")
    place[rows[most]] = sites[most]
    return (found[: p.n_site] > 0.5) & candidate, place
