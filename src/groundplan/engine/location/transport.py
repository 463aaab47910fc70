"""Least-cost service of all rows from open sites of given capacity, demand split where it pays.

Every row starts at its cheapest open site; what overflows moves along shortest paths over the
*sites*, an arc from j to k being the row at j that is cheapest to move to k. That is successive
shortest paths on the transportation problem with its rows contracted, exact, and quick where the
sites are few against the rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.capacity_problem import CapacityProblem

__all__ = ["Transport", "open_costs"]


@jit
def _fill_costs(sites, ptr, row, cost, demand, out):
    for e in range(sites.size):
        j = sites[e]
        for q in range(ptr[j], ptr[j + 1]):
            out[row[q], e] = cost[q] / demand[row[q]]


@jit
def _arcs(j, each, amount, arc, who):
    """Find for site j the row that is cheapest to move to each other site."""
    m = each.shape[1]
    for k in range(m):
        arc[j, k] = np.inf
        who[j, k] = -1
    for i in range(each.shape[0]):
        if amount[i, j] > 0:
            here = each[i, j]
            for k in range(m):
                step = each[i, k] - here
                if step < arc[j, k]:
                    arc[j, k] = step
                    who[j, k] = i
    arc[j, j] = np.inf


@jit
def _move(each, demand, capacity, amount, height):
    """Serve every row; returns 0, or 1 where what overflows has nowhere to go.

    `height` comes as zeros; its differences are the prices of the sites' capacities.
    """
    n, m = each.shape
    load = np.zeros(m, np.int64)
    for i in range(n):
        best = -1
        for k in range(m):
            if each[i, k] < np.inf and (best < 0 or each[i, k] < each[i, best]):
                best = k
        if best < 0:
            return 1
        amount[i, best] = demand[i]
        load[best] += demand[i]
    over = 0
    for k in range(m):
        over += max(0, load[k] - capacity[k])
    if over == 0:
        return 0
    arc = np.empty((m, m))
    who = np.empty((m, m), np.int64)
    for k in range(m):
        _arcs(k, each, amount, arc, who)
    far = np.empty(m)
    before = np.empty(m, np.int64)
    done = np.empty(m, np.bool_)
    stale = np.empty(m, np.bool_)
    while over > 0:
        for k in range(m):
            far[k] = 0.0 if load[k] > capacity[k] else np.inf
            before[k] = -1
            done[k] = False
        # sources may differ in height: paths start from each at its own
        for k in range(m):
            if far[k] == 0.0:
                far[k] = -height[k]
        least = np.inf
        for k in range(m):
            least = min(least, far[k])
        for k in range(m):
            far[k] -= least
        end = -1
        while True:
            at = -1
            for k in range(m):
                if not done[k] and far[k] < np.inf and (at < 0 or far[k] < far[at]):
                    at = k
            if at < 0:
                break
            done[at] = True
            if load[at] < capacity[at]:
                end = at
                break
            for k in range(m):
                if not done[k] and arc[at, k] < np.inf:
                    step = max(0.0, arc[at, k] + height[at] - height[k])
                    if far[at] + step < far[k]:
                        far[k] = far[at] + step
                        before[k] = at
        if end < 0:
            return 1
        limit = far[end]
        for k in range(m):
            height[k] += min(far[k], limit) if done[k] else limit
        part = capacity[end] - load[end]
        k = end
        while before[k] >= 0:
            j = before[k]
            part = min(part, amount[who[j, k], j])
            k = j
        part = min(part, load[k] - capacity[k])
        over -= part
        load[k] -= part
        load[end] += part
        for k in range(m):
            stale[k] = False
        k = end
        while before[k] >= 0:
            j = before[k]
            i = who[j, k]
            amount[i, j] -= part
            amount[i, k] += part
            if amount[i, j] == 0:
                stale[j] = True
            # what came to k may leave it again
            for e in range(m):
                step = each[i, e] - each[i, k]
                if e != k and step < arc[k, e]:
                    arc[k, e] = step
                    who[k, e] = i
            k = j
        for j in range(m):
            if stale[j]:
                _arcs(j, each, amount, arc, who)
    return 0


def open_costs(problem: CapacityProblem, sites: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n_row, n_open) costs per unit of demand, infinite where not allowed."""
    out = np.full((problem.n_row, sites.size), np.inf)
    _fill_costs(sites, problem.site_ptr, problem.row, problem.cost, problem.demand, out)
    return out


class Transport:
    """Exact service from open sites, remembering what sets of sites cost."""

    def __init__(self, problem: CapacityProblem) -> None:
        self.problem = problem
        self.known: dict[bytes, float] = {}

    def solve(
        self, opened: NDArray[np.bool_]
    ) -> tuple[float, NDArray[np.int64] | None, NDArray[np.float64]]:
        """Return the cost of service (infinite: none exists), (n_row, n_open) amounts, unit prices.

        The prices of capacity are those of the open sites, per unit, zero where room is left.
        """
        p = self.problem
        sites = np.flatnonzero(opened)
        height = np.zeros(sites.size)
        if int(p.capacity[sites].sum()) < int(p.demand.sum()):
            return np.inf, None, height
        each = open_costs(p, sites)
        amount = np.zeros(each.shape, np.int64)
        if _move(each, p.demand, p.capacity[sites], amount, height):
            return np.inf, None, height
        cost = float((np.where(amount > 0, each, 0.0) * amount).sum())
        return cost, amount, height.max(initial=0.0) - height

    def cost(self, opened: NDArray[np.bool_]) -> float:
        """Return the cost of service from open sites."""
        key = np.packbits(opened).tobytes()
        if key not in self.known:
            self.known[key] = self.solve(opened)[0]
        return self.known[key]
