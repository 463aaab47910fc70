r"""Annealing by swaps on a table of pairs: what every swap would change, at hand.

``gain[j]`` is the weight that site j would add, ``shared[s, j]`` the weight that only the s-th
chosen site o covers and j covers too. A swap of o for j changes the value by
``gain[j] + shared[s, j] - shared[s, o]``: three numbers, where `swap.py` walks over the rows of j.
A refused move, by far the most at low temperatures, then costs some 20 ns whatever the size of the
sites; an accepted one walks the rows that one of both covers alone and the sites of those of them
that change hands. Fast interchange of the p-median keeps the same table (Resende and Werneck 2007,
doi 10.1016/j.ejor.2005.05.049).

All sites cost the same here, and the plan always holds as many as it began with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit

__all__ = ["PAIRS_MAX", "QUANTILES", "fits_pairs", "walk_pairs"]

#: Entries of the table: 16 MiB for each plan annealed at the same time.
PAIRS_MAX = 4_000_000
#: Quantiles of the exponential law that a loss is compared with.
QUANTILES = 4096


def fits_pairs(weight: NDArray[np.int64], n_site: int, size: int) -> bool:
    """Return whether a table for `size` chosen sites is small enough and its sums fit 32 bits."""
    return size * n_site <= PAIRS_MAX and int(weight.sum()) < 2**31


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def _below(state, n):
    """Return a number below n < 2**32 from the upper half of the state."""
    return np.int64(((state >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@jit
def fill_pairs(site_indptr, site_indices, row_indptr, row_indices, weight, plan, count, owner,
               gain, shared):  # fmt: skip
    """Fill counts, owners and both tables, all zero before, for a plan; returns its value."""
    for s in range(plan.size):
        for q in range(site_indptr[plan[s]], site_indptr[plan[s] + 1]):
            count[site_indices[q]] += 1
            owner[site_indices[q]] ^= s
    value = np.int64(0)
    for i in range(count.size):
        sites = row_indices[row_indptr[i] : row_indptr[i + 1]]
        if count[i] == 0:
            for k in sites:
                gain[k] += weight[i]
            continue
        value += weight[i]
        if count[i] == 1:
            line = shared[owner[i]]
            for k in sites:
                line[k] += weight[i]
    return value


@jit
def swap_pair(s, o, j, site_indptr, site_indices, row_indptr, row_indices, weight, count, owner,
              gain, shared):  # fmt: skip
    """Put site j in the place s of site o and keep counts, owners and both tables.

    Rows that both cover stay as they are: the sorted rows of both are walked side by side. Where
    one chosen site covers a row, `owner` is its place; it is the exclusive or of all of them.
    """
    a, a_end = site_indptr[o], site_indptr[o + 1]
    b, b_end = site_indptr[j], site_indptr[j + 1]
    last = np.uint32(4294967295)
    line = shared[s]
    while a < a_end or b < b_end:
        left = site_indices[a] if a < a_end else last
        right = site_indices[b] if b < b_end else last
        if left == right:
            a += 1
            b += 1
            continue
        i = min(left, right)
        w = weight[i]
        sites = row_indices[row_indptr[i] : row_indptr[i + 1]]
        if left < right:
            a += 1
            count[i] -= 1
            owner[i] ^= s
            if count[i] == 0:
                for k in sites:
                    gain[k] += w
                    line[k] -= w
            elif count[i] == 1:
                other = shared[owner[i]]
                for k in sites:
                    other[k] += w
            continue
        b += 1
        if count[i] == 0:
            for k in sites:
                gain[k] -= w
                line[k] += w
        elif count[i] == 1:
            other = shared[owner[i]]
            for k in sites:
                other[k] -= w
        count[i] += 1
        owner[i] ^= s


@jit
def walk_pairs(
    site_indptr, site_indices, row_indptr, row_indices, weight, moves, hot, cold, seed, slack,
    plan, chosen, count, owner, gain, shared, value, best, best_plan,
):  # fmt: skip
    """Make moves from one temperature to another; returns the value, and the best one seen.

    Parameters
    ----------
    site_indptr, row_indptr : int64
    site_indices, row_indices : uint32
        Rows of each site in rising order, sites of each row; without sign, so that no index is
        tested for being negative.
    weight : (n_row,) int32
    moves : int
    hot, cold : float
        First and last temperature, in units of weight.
    seed : uint64
        Not 0.
    slack : (QUANTILES,) float64
        Losses that are allowed, each as often, at a temperature of 1.
    plan : (n_chosen,) int64
        The chosen sites, at least one, none twice, each with a row.
    chosen, count, owner, gain, shared
        As `fill_pairs` left them; like `plan` they stand where the moves end on return.
    value, best : int
        Of the plan, and what a plan must exceed to be kept in `best_plan`.
    best_plan : (n_chosen,) int64
    """
    n, size = site_indptr.size - 1, plan.size
    state = seed
    heat = hot
    step = 1024
    cool = (cold / hot) ** (step / max(1.0, float(moves)))
    for move in range(moves):
        if move % step == 0:
            heat *= cool
        state = _next(state)
        s = _below(state, size)
        o = plan[s]
        is_any = state & np.uint64(15) == np.uint64(0)
        state = _next(state)
        if is_any:
            j = _below(state, n)
        else:
            q = site_indptr[o] + _below(state, site_indptr[o + 1] - site_indptr[o])
            i = site_indices[q]
            state = _next(state)
            e = row_indptr[i] + _below(state, row_indptr[i + 1] - row_indptr[i])
            j = np.int64(row_indices[e])
        if chosen[j]:
            continue
        change = gain[j] + shared[s, j] - shared[s, o]
        if change < 0 and -change > slack[state & np.uint64(QUANTILES - 1)] * heat:
            continue
        swap_pair(
            s, o, j, site_indptr, site_indices, row_indptr, row_indices, weight, count, owner,
            gain, shared,
        )  # fmt: skip
        plan[s] = j
        chosen[o] = False
        chosen[j] = True
        value += change
        if value > best:
            best = value
            best_plan[:] = plan
    return value, best
