"""Plans in which every row has one site: shifts, exchanges, relocations, and seeded disturbances.

The state is a list of open sites and the site of each row; sites that hold too much pay a penalty,
so that the walk may cross plans that do not fit. Only plans that fit are kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.capacity_problem import CapacityProblem

__all__ = ["anneal_rows", "dense_costs", "fit_rows", "search_whole", "settle_rows"]

#: Open sites nearest to a row that shifts and exchanges look at.
NEAR = 6
#: Rounds of shifts where no exchanges are wanted: those take long where sites serve many rows.
SHIFTS_ONLY = 20


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def _nearest(cost, opened, n_open, near):
    """List for each row its cheapest open sites, by their place in `opened`."""
    for i in range(cost.shape[0]):
        m = 0
        for e in range(n_open):
            c = cost[i, opened[e]]
            k = m
            while k > 0 and cost[i, opened[near[i, k - 1]]] > c:
                k -= 1
            if k < near.shape[1]:
                last = min(m, near.shape[1] - 1)
                for t in range(last, k, -1):
                    near[i, t] = near[i, t - 1]
                near[i, k] = e
                m = min(m + 1, near.shape[1])
        for t in range(m, near.shape[1]):
            near[i, t] = -1


@jit
def _over(load, capacity):
    return max(0, load - capacity)


@jit
def _settle(cost, demand, capacity, penalty, opened, n_open, near, place, load, rounds_max):
    """Shift rows and exchange pairs until neither helps."""
    n = cost.shape[0]
    first = np.empty(n_open + 1, np.int64)
    listed = np.empty(n, np.int64)
    better = True
    rounds = 0
    while better and rounds < rounds_max:
        better = False
        rounds += 1
        for i in range(n):
            a = place[i]
            d = demand[i]
            here = capacity[opened[a]]
            leave = _over(load[a] - d, here) - _over(load[a], here)
            best = -1
            most = -1e-9
            for t in range(near.shape[1]):
                b = near[i, t]
                if b < 0:
                    break
                if b == a:
                    continue
                there = capacity[opened[b]]
                change = (
                    cost[i, opened[b]]
                    - cost[i, opened[a]]
                    + penalty * (leave + _over(load[b] + d, there) - _over(load[b], there))
                )
                if change < most:
                    most = change
                    best = b
            if best >= 0:
                load[a] -= d
                load[best] += d
                place[i] = best
                better = True
        if rounds_max == SHIFTS_ONLY:
            continue
        first[:] = 0
        for i in range(n):
            first[place[i] + 1] += 1
        for e in range(n_open):
            first[e + 1] += first[e]
        at = first[:-1].copy()
        for i in range(n):
            listed[at[place[i]]] = i
            at[place[i]] += 1
        for i in range(n):
            for t in range(near.shape[1]):
                b = near[i, t]
                a = place[i]
                if b < 0:
                    break
                if b == a:
                    continue
                gain = cost[i, opened[a]] - cost[i, opened[b]]
                for q in range(first[b], first[b + 1]):
                    k = listed[q]
                    if place[k] != b:
                        continue
                    change = cost[k, opened[a]] - cost[k, opened[b]] - gain
                    step = demand[k] - demand[i]
                    if step != 0:
                        here = capacity[opened[a]]
                        there = capacity[opened[b]]
                        change += penalty * (
                            _over(load[a] + step, here)
                            - _over(load[a], here)
                            + _over(load[b] - step, there)
                            - _over(load[b], there)
                        )
                    if change < -1e-9:
                        place[i] = b
                        place[k] = a
                        load[a] += step
                        load[b] -= step
                        better = True
                        break


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
        least = total[j0] + fee[j0] + penalty * _over(load[e], capacity[j0]) - 1e-9
        for j in range(m):
            if usable[j] and not is_open[j]:
                c = total[j] + fee[j] + penalty * _over(load[e], capacity[j])
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
        _nearest(cost, opened, n_open, near)
        for i in range(n):
            if place[i] < 0:
                place[i] = near[i, 0]
        load[:] = 0
        for i in range(n):
            load[place[i]] += demand[i]
        _settle(cost, demand, capacity, penalty, opened, n_open, near, place, load, 50)
        if not _relocate(
            cost, fee, capacity, penalty, opened, n_open, fixed, is_open, usable, place, load
        ):
            break
    total = 0.0
    for i in range(n):
        total += cost[i, opened[place[i]]]
    for e in range(n_open):
        total += fee[opened[e]]
        total += penalty * _over(load[e], capacity[opened[e]])
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
            state = _next(state)
            i = np.int64(state % np.uint64(n))
            state = _next(state)
            j = near_sites[i, np.int64(state % np.uint64(near_sites.shape[1]))]
            state = _next(state)
            at = np.int64(state % np.uint64(n_open))
            state = _next(state)
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
        state = _next(state)
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


@jit
def settle_rows(cost, demand, capacity, penalty, near, place, rounds_max):
    """Shift and exchange rows of a given plan until neither helps; returns what does not fit.

    Parameters
    ----------
    cost : (n_row, n_open) float64
        Infinite where a pair is not allowed.
    penalty : float
        Of a unit held too much.
    near : (n_row, k) int64
        Filled with the cheapest sites of each row.
    place : (n_row,) int64
        Changed in place.
    rounds_max : int
        `SHIFTS_ONLY` leaves out exchanges.
    """
    m = cost.shape[1]
    opened = np.arange(m)
    _nearest(cost, opened, m, near)
    load = np.zeros(m + 1, np.int64)
    for i in range(place.size):
        load[place[i]] += demand[i]
    _settle(cost, demand, capacity, penalty, opened, m, near, place, load, rounds_max)
    over = 0
    for e in range(m):
        over += _over(load[e], capacity[e])
    return over


@jit
def fit_rows(cost, demand, capacity, order, place):
    """Give rows in turn the cheapest site that has room for them; returns how many found none.

    Parameters
    ----------
    cost : (n_row, n_open) float64
        Infinite where a pair is not allowed.
    order : (n_row,) int64
    place : (n_row,) int64
        Filled.
    """
    left = capacity.copy()
    lost = 0
    for i in order:
        best = -1
        for e in range(left.size):
            if (
                left[e] >= demand[i]
                and cost[i, e] < np.inf
                and (best < 0 or cost[i, e] < cost[i, best])
            ):
                best = e
        if best < 0:
            lost += 1
        else:
            left[best] -= demand[i]
            place[i] = best
    return lost


@jit
def anneal_rows(
    cost, demand, capacity, penalty, heat, near, place, moves, seed, best_place, best_cost
):
    """Shift and exchange rows at random, worse ones passing at `heat`; returns the least cost.

    Plans that fit and beat `best_cost` go to `best_place`.
    """
    n, m = cost.shape
    load = np.zeros(m, np.int64)
    value = 0.0
    for r in range(n):
        load[place[r]] += demand[r]
        value += cost[r, place[r]]
    over = 0
    for e in range(m):
        over += _over(load[e], capacity[e])
    # rows that look at a site are those that may come back from it
    first = np.zeros(m + 1, np.int64)
    for r in range(n):
        for t in range(near.shape[1]):
            if near[r, t] >= 0:
                first[near[r, t] + 1] += 1
    for e in range(m):
        first[e + 1] += first[e]
    around = np.empty(first[m], np.int64)
    at = first[:-1].copy()
    for r in range(n):
        for t in range(near.shape[1]):
            if near[r, t] >= 0:
                around[at[near[r, t]]] = r
                at[near[r, t]] += 1
    state = seed
    for _ in range(moves):
        state = _next(state)
        i = np.int64(state % np.uint64(n))
        state = _next(state)
        b = near[i, np.int64(state % np.uint64(near.shape[1]))]
        a = place[i]
        if b < 0 or b == a or not cost[i, b] < np.inf:
            continue
        k = np.int64(-1)
        if load[b] + demand[i] > capacity[b]:
            # a row of the fuller site comes back in exchange
            for _try in range(12):
                state = _next(state)
                c = around[first[b] + np.int64(state % np.uint64(first[b + 1] - first[b]))]
                if place[c] == b and cost[c, a] < np.inf:
                    k = c
                    break
        step = demand[i]
        change = cost[i, b] - cost[i, a]
        if k >= 0:
            step -= demand[k]
            change += cost[k, a] - cost[k, b]
        more = (
            _over(load[a] - step, capacity[a])
            - _over(load[a], capacity[a])
            + _over(load[b] + step, capacity[b])
            - _over(load[b], capacity[b])
        )
        state = _next(state)
        uniform = np.float64(state >> np.uint64(11)) * (1.0 / 9007199254740992.0)
        if change + penalty * more <= -heat * np.log(uniform + 1e-300):
            place[i] = b
            if k >= 0:
                place[k] = a
            load[a] -= step
            load[b] += step
            value += change
            over += more
            if over == 0 and value < best_cost - 1e-9:
                best_cost = value
                best_place[:] = place
    return best_cost


def dense_costs(problem: CapacityProblem) -> tuple[NDArray[np.float64], float]:
    """Return the table of costs, pairs not allowed priced out, and the penalty of one unit over."""
    steep = float((problem.cost / problem.demand[problem.row]).max(initial=1.0))
    worst = 4.0 * steep * float(problem.demand.max()) + float(problem.opening_cost.max(initial=0))
    table = np.full((problem.n_row, problem.n_site), 10.0 * worst)
    table[problem.row, problem.site_of_pair()] = problem.cost
    return table, steep
