"""Annealing at the price of the budget, in stripes that cannot touch each other.

State: chosen sites and cover counts. A move flips a site (gain - mu f, or mu f - loss) or swaps it
with a chosen site that covers one of its rows. Stripes are the bands of the program, wider than
two reaches and worked in two colours: stripes of one colour share no row and run side by side
without locks. Random numbers depend on seed, sweep and stripe alone.
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["anneal_stripe"]


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def _sum_at(j, indptr, indices, weight, count, level):
    total = 0
    for q in range(indptr[j], indptr[j + 1]):
        i = indices[q]
        if count[i] == level:
            total += weight[i]
    return total


@jit
def _add(j, indptr, indices, count, step):
    for q in range(indptr[j], indptr[j + 1]):
        count[indices[q]] += step


@jit
def anneal_stripe(
    lo, hi, site_indptr, site_indices, row_indptr, row_indices, weight, cost, mu, heat,
    seed, chosen, count,
):  # fmt: skip
    """Try as many moves as the stripe ``lo..hi`` has sites; returns the accepted ones."""
    if hi <= lo:
        return 0
    n = np.uint64(hi - lo)
    state = seed
    accepted = 0
    for _ in range(hi - lo):
        state = _next(state)
        j = lo + np.int64(state % n)
        state = _next(state)
        uniform = np.float64(state >> np.uint64(11)) * (1.0 / 9007199254740992.0)
        slack = -np.log(uniform + 1e-300) * heat
        if chosen[j]:
            loss = _sum_at(j, site_indptr, site_indices, weight, count, 1)
            if mu * cost[j] - loss > -slack:
                chosen[j] = False
                _add(j, site_indptr, site_indices, count, -1)
                accepted += 1
            continue
        gain = _sum_at(j, site_indptr, site_indices, weight, count, 0)
        if gain - mu * cost[j] > -slack:
            chosen[j] = True
            _add(j, site_indptr, site_indices, count, 1)
            accepted += 1
            continue
        # swap with a chosen site that covers one of its rows
        size = site_indptr[j + 1] - site_indptr[j]
        if size == 0:
            continue
        state = _next(state)
        i = site_indices[site_indptr[j] + np.int64(state % np.uint64(size))]
        degree = row_indptr[i + 1] - row_indptr[i]
        state = _next(state)
        offset = np.int64(state % np.uint64(degree))
        other = -1
        for e in range(degree):
            c = row_indices[row_indptr[i] + (offset + e) % degree]
            if chosen[c] and lo <= c < hi:
                other = c
                break
        if other < 0:
            continue
        loss = _sum_at(other, site_indptr, site_indices, weight, count, 1)
        _add(other, site_indptr, site_indices, count, -1)
        gain = _sum_at(j, site_indptr, site_indices, weight, count, 0)
        if gain - loss - mu * (cost[j] - cost[other]) > -slack:
            _add(j, site_indptr, site_indices, count, 1)
            chosen[j] = True
            chosen[other] = False
            accepted += 1
        else:
            _add(other, site_indptr, site_indices, count, 1)
    return accepted
