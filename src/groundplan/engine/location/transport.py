"""Least-cost service of all rows from open sites of given capacity, demand split where it pays.

Every row starts at its cheapest open site; what overflows moves along shortest paths over the
*sites*, an arc from j to k being the row at j that is cheapest to move to k. That is successive
shortest paths on the transportation problem with its rows contracted, exact, and quick where the
sites are few against the rows.

Where that must end early, what still overflows goes to the cheapest sites with room, which serves
all rows at a higher cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.capacity_problem import CapacityProblem

__all__ = ["Transport", "never", "open_costs"]

#: Steps of the shortest paths, sites times sites, between two looks at the clock.
WORK_A_LOOK = 20_000_000
#: What a run of paths ends with: all served, what overflows has nowhere to go, more paths needed.
SERVED, STUCK, MORE = 0, 1, 2


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
def _place(each, demand, amount, load):
    """Put every row at its cheapest site; returns false where a row has none."""
    n, m = each.shape
    for i in range(n):
        best = -1
        for k in range(m):
            if each[i, k] < np.inf and (best < 0 or each[i, k] < each[i, best]):
                best = k
        if best < 0:
            return False
        amount[i, best] = demand[i]
        load[best] += demand[i]
    return True


@jit
def _move(each, capacity, amount, height, load, arc, who, paths):
    """Move what overflows along at most `paths` shortest paths; returns how that ended.

    `height` comes as zeros and `arc` as those of all sites at first; all arrays go on from call to
    call. The differences of `height` are the prices of the sites' capacities.
    """
    m = each.shape[1]
    over = 0
    for k in range(m):
        over += max(0, load[k] - capacity[k])
    far = np.empty(m)
    before = np.empty(m, np.int64)
    done = np.empty(m, np.bool_)
    stale = np.empty(m, np.bool_)
    for _ in range(paths):
        if over == 0:
            return SERVED
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
            return STUCK
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
    return SERVED if over == 0 else MORE


@jit
def _all_arcs(each, amount, arc, who):
    for k in range(each.shape[1]):
        _arcs(k, each, amount, arc, who)


@jit
def _shed(each, capacity, amount, load):
    """Move what each site holds too much to sites with room, cheapest first; returns the rest."""
    n, m = each.shape
    rows = np.empty(n, np.int64)
    # site that a row would go to: -1 not looked for, -2 there is none
    to = np.empty(n, np.int64)
    rest = 0
    for j in range(m):
        if load[j] <= capacity[j]:
            continue
        count = 0
        for i in range(n):
            if amount[i, j] > 0:
                rows[count] = i
                to[count] = -1
                count += 1
        while load[j] > capacity[j]:
            best = -1
            least = np.inf
            for c in range(count):
                i, k = rows[c], to[c]
                if amount[i, j] == 0 or k == -2:
                    continue
                if k < 0 or load[k] >= capacity[k]:
                    k = -2
                    for e in range(m):
                        if (
                            load[e] < capacity[e]
                            and each[i, e] < np.inf
                            and (k < 0 or each[i, e] < each[i, k])
                        ):
                            k = e
                    to[c] = k
                if k >= 0 and each[i, k] - each[i, j] < least:
                    least = each[i, k] - each[i, j]
                    best = c
            if best < 0:
                rest += load[j] - capacity[j]
                break
            i, k = rows[best], to[best]
            part = min(amount[i, j], load[j] - capacity[j], capacity[k] - load[k])
            amount[i, j] -= part
            amount[i, k] += part
            load[j] -= part
            load[k] += part
    return rest


def open_costs(problem: CapacityProblem, sites: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n_row, n_open) costs per unit of demand, infinite where not allowed."""
    out = np.full((problem.n_row, sites.size), np.inf)
    _fill_costs(sites, problem.site_ptr, problem.row, problem.cost, problem.demand, out)
    return out


def never() -> bool:
    """Ask for no end."""
    return False


@dataclass(frozen=True)
class Service:
    """How one set of sites serves all rows: what it costs, who serves whom, unit prices."""

    key: bytes
    cost: float
    row: NDArray[np.int64]
    at: NDArray[np.int64]
    part: NDArray[np.int64]
    unit: NDArray[np.float64]


class Transport:
    """Service from open sites, remembering what sets of sites cost.

    Exact, unless `halt` says that it must end: then service costs more than it need.

    Parameters
    ----------
    problem : CapacityProblem
    fee : (n_site,) float64, optional
        Costs of the sites; the service of the set that is cheapest with them is remembered.
    halt : callable
        Polled between batches of paths.
    """

    def __init__(
        self,
        problem: CapacityProblem,
        fee: NDArray[np.float64] | None = None,
        halt: Callable[[], bool] = never,
    ) -> None:
        self.problem = problem
        self.fee = np.zeros(problem.n_site) if fee is None else fee
        self.halt = halt
        self.known: dict[bytes, float] = {}
        self.kept: Service | None = None
        self.least = np.inf

    def solve(
        self, opened: NDArray[np.bool_]
    ) -> tuple[float, NDArray[np.int64] | None, NDArray[np.float64]]:
        """Return the cost of service (infinite: none exists), (n_row, n_open) amounts, unit prices.

        The prices of capacity are those of the open sites, per unit, zero where room is left.
        """
        p = self.problem
        key = np.packbits(opened).tobytes()
        sites = np.flatnonzero(opened)
        if self.kept is not None and self.kept.key == key:
            amount = np.zeros((p.n_row, sites.size), np.int64)
            amount[self.kept.row, self.kept.at] = self.kept.part
            return self.kept.cost, amount, self.kept.unit
        height = np.zeros(sites.size)
        if int(p.capacity[sites].sum()) < int(p.demand.sum()):
            return np.inf, None, height
        each = open_costs(p, sites)
        amount = np.zeros(each.shape, np.int64)
        served = self.serve(each, p.capacity[sites], amount, height)
        if served is None:
            return np.inf, None, height
        amount = served
        cost = float((np.where(amount > 0, each, 0.0) * amount).sum())
        unit = height.max(initial=0.0) - height
        total = cost + float(self.fee[opened].sum())
        if total < self.least:
            row, at = np.nonzero(amount)
            self.least = total
            self.kept = Service(key, cost, row, at, amount[row, at], unit)
        return cost, amount, unit

    def serve(
        self,
        each: NDArray[np.float64],
        room: NDArray[np.int64],
        amount: NDArray[np.int64],
        height: NDArray[np.float64],
    ) -> NDArray[np.int64] | None:
        """Return the amounts of a service, none where none exists or it is not known in time."""
        n, m = each.shape
        load = np.zeros(m, np.int64)
        if not _place(each, self.problem.demand, amount, load):
            return None
        if (load <= room).all():
            return amount
        arc, who = np.empty((m, m)), np.empty((m, m), np.int64)
        _all_arcs(each, amount, arc, who)
        paths = max(1, WORK_A_LOOK // (m * m + n))
        is_pressed = False
        while True:
            if not is_pressed and self.halt():
                quick = amount.copy()
                if _shed(each, room, quick, load.copy()) == 0:
                    return quick
                if np.isfinite(self.least):
                    return None
                # without any plan, one is worth more than the time
                is_pressed = True
            ended = _move(each, room, amount, height, load, arc, who, paths)
            if ended == SERVED:
                return amount
            if ended == STUCK:
                return None

    def cost(self, opened: NDArray[np.bool_]) -> float:
        """Return the cost of service from open sites."""
        key = np.packbits(opened).tobytes()
        if key not in self.known:
            self.known[key] = self.solve(opened)[0]
        return self.known[key]
