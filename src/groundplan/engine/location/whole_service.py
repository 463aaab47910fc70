"""Plans in which every row has one site: shifts, exchanges, relocations, and seeded disturbances.

The state is a list of open sites and the site of each row; sites that hold too much pay a penalty,
so that the walk may cross plans that do not fit. Only plans that fit are kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.capacity_problem import CapacityProblem
from groundplan.engine.location.whole_rows import excess, list_nearest, next_state, settle

__all__ = ["dense_costs", "search_whole"]

#: Open sites nearest to a row that shifts and exchanges look at.
NEAR = 6


@jit
def _relocate(cost, fee, capacity, penalty, opened, n_open, fixed, is_open, usable, place, load):
    """Move each open site to the place that serves its rows best."""
    n, m = cost.shape
    total = np.empty(m)
    moved = False
    for e in range(n_open):
        if fixed[opened[e]]:
            continue
        total[:] = 0.0
        for i in range(n):
            if place[i] == e:
                for j in range(m):
                    total[j] += cost[i, j]
        j0 = opened[e]
        best = j0
        least = total[j0] + fee[j0] + penalty * excess(load[e], capacity[j0]) - 1e-9
        for j in range(m):
            if usable[j] and not is_open[j]:
                c = total[j] + fee[j] + penalty * excess(load[e], capacity[j])
                if c < least:
                    least = c
                    best = j
        if best != j0:
            is_open[j0] = False
            is_open[best] = True
            opened[e] = best
            moved = True
    return moved


@jit
def _improve(
    cost, fee, demand, capacity, penalty, opened, n_open, fixed, is_open, usable, near, place, load
):
    """Put rows at their best open sites, then shift, exchange and relocate; returns the cost."""
    n = cost.shape[0]
    for _ in range(20):
        list_nearest(cost, opened, n_open, near)
        for i in range(n):
            if place[i] < 0:
                place[i] = near[i, 0]
        load[:] = 0
        for i in range(n):
            load[place[i]] += demand[i]
        settle(cost, demand, capacity, penalty, opened, n_open, near, place, load, 50)
        if not _relocate(
            cost, fee, capacity, penalty, opened, n_open, fixed, is_open, usable, place, load
        ):
            break
    total = 0.0
    for i in range(n):
        total += cost[i, opened[place[i]]]
    for e in range(n_open):
        total += fee[opened[e]]
        total += penalty * excess(load[e], capacity[opened[e]])
    return total


@jit
def search_whole(
    cost, fee, demand, capacity, penalty, fixed, usable, at_most, near_sites, start, tries, seed,
    best_place, best_cost,
):  # fmt: skip
    """Disturb and improve a plan `tries` times; the best plan that fits goes to `best_place`.

    Parameters
    ----------
    cost : (n_row, n_site) float64
        Pairs that are not allowed cost more than any plan.
    fee : (n_site,) float64
    fixed, usable : (n_site,) bool
        Sites that stand open, and those that may be opened.
    near_sites : (n_row, k) int32
        Sites that a disturbance around a row may open.
    start : (n_site,) bool
    best_place : (n_row,) int32
        Changed in place where `best_cost` is beaten.

    Returns
    -------
    float
        Cost of the best plan.
    """
    n, m = cost.shape
    state = seed
    limit = min(m, at_most)
    for j in range(m):
        limit += fixed[j]
    opened = np.zeros(m + 1, np.int64)
    n_open = 0
    is_open = np.zeros(m, np.bool_)
    for j in range(m):
        if fixed[j] or start[j]:
            opened[n_open] = j
            n_open += 1
            is_open[j] = True
    near = np.full((n, NEAR), -1, np.int64)
    place = np.full(n, -1, np.int64)
    load = np.zeros(m + 1, np.int64)
    now = np.inf
    old_opened = opened.copy()
    old_place = place.copy()
    old_open = n_open
    by_count = True
    for j in range(m):
        by_count = by_count and (fee[j] == 0.0 or not usable[j])
    for turn in range(tries + 1):
        if turn > 0:
            state = next_state(state)
            i = np.int64(state % np.uint64(n))
            state = next_state(state)
            j = near_sites[i, np.int64(state % np.uint64(near_sites.shape[1]))]
            state = next_state(state)
            at = np.int64(state % np.uint64(n_open))
            state = next_state(state)
            kind = np.int64(0 if by_count else state % np.uint64(4))
            if turn % 2 == 0:
                at = place[i]
            closes = not fixed[opened[at]] and n_open > 1
            opens = usable[j] and not is_open[j]
            if kind == 1:
                opens = False
            if kind == 2 and n_open < limit:
                closes = False
            if opens and not closes and n_open >= limit:
                continue
            if not opens and not closes:
                continue
            if closes:
                is_open[opened[at]] = False
                for k in range(n):
                    if place[k] == at:
                        place[k] = -1
                if not opens:
                    n_open -= 1
                    opened[at] = opened[n_open]
                    for k in range(n):
                        if place[k] == n_open:
                            place[k] = at
            if opens:
                spot = at if closes else n_open
                opened[spot] = j
                is_open[j] = True
                if not closes:
                    n_open += 1
                for k in range(n):
                    if place[k] < 0 or cost[k, j] < cost[k, opened[place[k]]]:
                        place[k] = spot
                # rows of the closed site look for themselves
                if closes:
                    for k in range(n):
                        if old_place[k] == at:
                            place[k] = -1
        value = _improve(
            cost,
            fee,
            demand,
            capacity,
            penalty,
            opened,
            n_open,
            fixed,
            is_open,
            usable,
            near,
            place,
            load,
        )
        fits = True
        for e in range(n_open):
            fits = fits and load[e] <= capacity[opened[e]]
        if fits and value < best_cost - 1e-9:
            best_cost = value
            for k in range(n):
                best_place[k] = opened[place[k]]
        state = next_state(state)
        luck = np.float64(state >> np.uint64(11)) / 9007199254740992.0
        slack = 0.004 * (1.0 - turn / (tries + 1)) * luck * luck
        if value <= now * (1.0 + slack) or turn == 0:
            now = value
            old_opened[:] = opened
            old_place[:] = place
            old_open = n_open
        else:
            opened[:] = old_opened
            place[:] = old_place
            n_open = old_open
            is_open[:] = False
            for e in range(n_open):
                is_open[opened[e]] = True
    return best_cost


def dense_costs(problem: CapacityProblem) -> tuple[NDArray[np.float64], float]:
    """Return the table of costs, pairs not allowed priced out, and the penalty of one unit over."""
    steep = float((problem.cost / problem.demand[problem.row]).max(initial=1.0))
    worst = 4.0 * steep * float(problem.demand.max()) + float(problem.opening_cost.max(initial=0))
    table = np.full((problem.n_row, problem.n_site), 10.0 * worst)
    table[problem.row, problem.site_of_pair()] = problem.cost
    return table, steep
