"""Rows of a capacitated problem put together in groups that see the sites alike.

No coordinates are asked for: what a row costs per unit of demand from a few sites far apart tells
where it is. Groups come from halving, each time along the site that tells its rows apart most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.capacity_problem import CapacityProblem

__all__ = ["group_problem", "group_rows"]

#: Sites whose costs tell where a row is.
LANDMARKS = 12
#: Pairs looked at together.
PIECE = 1 << 18
#: A group may be served by a site that may serve this share of its demand.
ALLOWED_SHARE = 0.5


def landmark_costs(problem: CapacityProblem) -> NDArray[np.float64]:
    """Return (n_row, n_landmark) costs per unit; pairs that are not allowed cost the dearest."""
    dearest = 0.0
    # by pieces: an array of all pairs costs more to lay out than to fill
    for a in range(0, problem.row.size, PIECE):
        part = slice(a, a + PIECE)
        each = problem.cost[part] / problem.demand[problem.row[part]]
        dearest = max(dearest, float(each.max()))
    table = np.full((problem.n_row, min(LANDMARKS, problem.n_site)), dearest)
    # each next site is the one whose rows the earlier ones see least
    seen = np.full(problem.n_row, np.inf)
    site = int(np.diff(problem.site_ptr).argmax())
    for k in range(table.shape[1]):
        pairs = slice(problem.site_ptr[site], problem.site_ptr[site + 1])
        rows = problem.row[pairs]
        table[rows, k] = problem.cost[pairs] / problem.demand[rows]
        seen = np.minimum(seen, table[:, k])
        far = int(seen.argmax())
        pair = problem.pair_number(np.full(problem.n_site, far), np.arange(problem.n_site))
        away = np.where(pair >= 0, problem.cost[pair] / problem.demand[far], np.inf)
        site = int(away.argmin())
    return table


def group_rows(problem: CapacityProblem, count: int) -> NDArray[np.int64]:
    """Return the group of each row: at most about `count` of nearly equal demand."""
    table = landmark_costs(problem)
    group = np.zeros(problem.n_row, np.int64)
    waiting: list[tuple[NDArray[Any], int]] = [(np.arange(problem.n_row), count)]
    made = 0
    while waiting:
        rows, parts = waiting.pop()
        spread = np.ptp(table[rows], axis=0)
        axis = int(spread.argmax())
        if parts <= 1 or rows.size == 1 or spread[axis] <= 0.0:
            group[rows] = made
            made += 1
            continue
        rows = rows[np.argsort(table[rows, axis], kind="stable")]
        load = np.cumsum(problem.demand[rows])
        left = parts // 2
        cut = int(np.searchsorted(load, load[-1] * left / parts)) + 1
        cut = min(cut, rows.size - 1)
        waiting += [(rows[:cut], left), (rows[cut:], parts - left)]
    return group


@jit
def _add_up(ptr, row, cost, demand, group, load, total):
    """Add up what each site may serve of each group, and what all of that would cost."""
    for j in range(ptr.size - 1):
        for q in range(ptr[j], ptr[j + 1]):
            g = group[row[q]]
            load[j, g] += demand[row[q]]
            total[j, g] += cost[q]


def group_problem(problem: CapacityProblem, group: NDArray[np.int64]) -> CapacityProblem:
    """Return the problem whose rows are the groups; costs are those of what may be served."""
    n = int(group.max()) + 1
    demand = np.zeros(n, np.int64)
    np.add.at(demand, group, problem.demand)
    load, cost = np.zeros(n * problem.n_site), np.zeros(n * problem.n_site)
    table = (problem.n_site, n)
    _add_up(
        problem.site_ptr, problem.row, problem.cost, problem.demand.astype(np.float64), group,
        load.reshape(table), cost.reshape(table),
    )  # fmt: skip
    share = load / np.tile(demand, problem.n_site)
    best = share.reshape(problem.n_site, n).max(axis=0)
    keep = (load > 0) & (share >= np.minimum(ALLOWED_SHARE, np.tile(best, problem.n_site)))
    number = np.flatnonzero(keep)
    return CapacityProblem.from_pairs(
        number % n, number // n, cost[number] / share[number], demand, problem.capacity,
        problem.opening_cost,
    )  # fmt: skip
