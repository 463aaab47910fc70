"""Rows that each have one of the open sites: shifts, exchanges, and annealing of them.

Which sites are open is given; sites that hold too much pay a penalty, so that the walk may cross
plans that do not fit.
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["SHIFTS_ONLY", "anneal_rows", "fit_rows", "settle_rows"]

#: Rounds of shifts where no exchanges are wanted: those take long where sites serve many rows.
SHIFTS_ONLY = 20


@jit
def next_state(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def list_nearest(cost, opened, n_open, near):
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
def excess(load, capacity):
    return max(0, load - capacity)


@jit
def settle(cost, demand, capacity, penalty, opened, n_open, near, place, load, rounds_max):
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
            leave = excess(load[a] - d, here) - excess(load[a], here)
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
                    + penalty * (leave + excess(load[b] + d, there) - excess(load[b], there))
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
                            excess(load[a] + step, here)
                            - excess(load[a], here)
                            + excess(load[b] - step, there)
                            - excess(load[b], there)
                        )
                    if change < -1e-9:
                        place[i] = b
                        place[k] = a
                        load[a] += step
                        load[b] -= step
                        better = True
                        break


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
    list_nearest(cost, opened, m, near)
    load = np.zeros(m + 1, np.int64)
    for i in range(place.size):
        load[place[i]] += demand[i]
    settle(cost, demand, capacity, penalty, opened, m, near, place, load, rounds_max)
    over = 0
    for e in range(m):
        over += excess(load[e], capacity[e])
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
        over += excess(load[e], capacity[e])
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
        state = next_state(state)
        i = np.int64(state % np.uint64(n))
        state = next_state(state)
        b = near[i, np.int64(state % np.uint64(near.shape[1]))]
        a = place[i]
        if b < 0 or b == a or not cost[i, b] < np.inf:
            continue
        k = np.int64(-1)
        if load[b] + demand[i] > capacity[b]:
            # a row of the fuller site comes back in exchange
            for _try in range(12):
                state = next_state(state)
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
            excess(load[a] - step, capacity[a])
            - excess(load[a], capacity[a])
            + excess(load[b] + step, capacity[b])
            - excess(load[b], capacity[b])
        )
        state = next_state(state)
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
