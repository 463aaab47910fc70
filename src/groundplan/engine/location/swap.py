r"""Annealing by swaps that keep the budget, on tables of what every site would gain or lose.

For sites that overlap widely a plan cannot be cut into windows. Here one plan is annealed as a
whole: a move puts a site in the place of a chosen one, mostly of one that it shares a row with.
Tables make a refused move cheap: ``score[j]`` is the weight that site j alone covers, if chosen, or
would add, if not, and the change by a swap is ``score[j] - score[o]`` plus the weight that only o
covers and j covers too. The budget holds after every move, so nothing has to be repaired
(cf. Resende and Werneck 2007, doi 10.1007/s10479-006-0154-0, for such tables of the p-median).
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["anneal_swaps"]


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def _draw(state, n):
    """Return a number below n from the upper bits of the state."""
    return np.int64((state >> np.uint64(11)) % np.uint64(n))


@jit
def _choose(
    j, site_indptr, site_indices, row_indptr, row_indices, weight, count, owner, sole, score
):  # fmt: skip
    mine = np.int64(0)
    for q in range(site_indptr[j], site_indptr[j + 1]):
        i = site_indices[q]
        if count[i] == 0:
            for e in range(row_indptr[i], row_indptr[i + 1]):
                score[row_indices[e]] -= weight[i]
            mine += weight[i]
            sole[i] = j
        elif count[i] == 1:
            score[sole[i]] -= weight[i]
            sole[i] = -1
        count[i] += 1
        owner[i] ^= j
    score[j] = mine


@jit
def _leave(
    j, site_indptr, site_indices, row_indptr, row_indices, weight, count, owner, sole, score
):  # fmt: skip
    mine = np.int64(0)
    for q in range(site_indptr[j], site_indptr[j + 1]):
        i = site_indices[q]
        count[i] -= 1
        owner[i] ^= j
        if count[i] == 0:
            for e in range(row_indptr[i], row_indptr[i + 1]):
                score[row_indices[e]] += weight[i]
            mine += weight[i]
            sole[i] = -1
        elif count[i] == 1:
            # where one chosen site covers the row, its number is all that remains
            sole[i] = owner[i]
            score[sole[i]] += weight[i]
    score[j] = mine


@jit
def anneal_swaps(
    site_indptr, site_indices, row_indptr, row_indices, weight, cost, budget, is_even,
    moves, hot, cold, seed, chosen,
):  # fmt: skip
    """Anneal a plan within its budget; returns the value of the best plan of the colder half.

    Parameters
    ----------
    cost, budget : (n_site,) int64, int
    is_even : bool
        All sites cost the same.
    moves : int
    hot, cold : float
        First and last temperature, in units of weight.
    seed : uint64
    chosen : (n_site,) bool
        A plan within the budget; the best plan of the colder half on return.
    """
    n, m = site_indptr.size - 1, row_indptr.size - 1
    count = np.zeros(m, np.int32)
    owner = np.zeros(m, np.int32)
    sole = np.full(m, -1, np.int32)
    score = np.zeros(n, np.int64)
    plan = np.empty(n, np.int32)
    size = 0
    spent = np.int64(0)
    value = np.int64(0)
    for j in range(n):
        for q in range(site_indptr[j], site_indptr[j + 1]):
            score[j] += weight[site_indices[q]]
    for j in range(n):
        if chosen[j]:
            value += score[j]
            _choose(
                j, site_indptr, site_indices, row_indptr, row_indices, weight, count,
                owner, sole, score,
            )  # fmt: skip
            plan[size] = j
            size += 1
            spent += cost[j]
    best = np.int64(-1)
    best_plan = plan.copy()
    best_size = 0
    state = seed
    heat = hot
    step = 1024
    cool = (cold / hot) ** (step / max(1.0, float(moves)))
    for move in range(moves):
        if move % step == 0:
            heat *= cool
        state = _next(state)
        kind = state >> np.uint64(60)
        state = _next(state)
        if size == 0 or kind == np.uint64(0):
            j = _draw(state, n)
            place = np.int64(-1)
        else:
            place = _draw(state, size)
            o = np.int64(plan[place])
            state = _next(state)
            i = site_indices[site_indptr[o] + _draw(state, site_indptr[o + 1] - site_indptr[o])]
            state = _next(state)
            at = row_indptr[i] + _draw(state, row_indptr[i + 1] - row_indptr[i])
            j = int(row_indices[at])
        state = _next(state)
        uniform = np.float64(state >> np.uint64(11)) * (1.0 / 9007199254740992.0)
        slack = -np.log(uniform + 1e-300) * heat
        if place >= 0 and not is_even and kind == np.uint64(1):
            # where costs differ a dear site may have to replace several
            if score[plan[place]] < slack:
                o = np.int64(plan[place])
                _leave(
                    o, site_indptr, site_indices, row_indptr, row_indices, weight, count, owner,
                    sole, score,
                )  # fmt: skip
                value -= score[o]
                spent -= cost[o]
                chosen[o] = False
                size -= 1
                plan[place] = plan[size]
            continue
        if chosen[j]:
            continue
        if spent + cost[j] > budget:
            if size == 0:
                continue
            if place < 0:
                state = _next(state)
                place = _draw(state, size)
            o = np.int64(plan[place])
            if spent - cost[o] + cost[j] > budget:
                continue
            change = score[j] - score[o]
            for q in range(site_indptr[j], site_indptr[j + 1]):
                i = site_indices[q]
                if sole[i] == o:
                    change += weight[i]
            if change <= -slack:
                continue
            plan[place] = j
        else:
            o = np.int64(-1)
            change = score[j]
            plan[size] = j
            size += 1
        # the new one first: rows that both cover then move over without touching other sites
        _choose(
            j, site_indptr, site_indices, row_indptr, row_indices, weight, count, owner, sole, score
        )
        spent += cost[j]
        chosen[j] = True
        if o >= 0:
            _leave(
                o, site_indptr, site_indices, row_indptr, row_indices, weight, count, owner, sole,
                score,
            )  # fmt: skip
            spent -= cost[o]
            chosen[o] = False
        value += change
        if value > best and 2 * move >= moves:
            best = value
            best_size = size
            best_plan[:size] = plan[:size]
    if best < 0:
        return value
    chosen[:] = False
    for k in range(best_size):
        chosen[best_plan[k]] = True
    return best
