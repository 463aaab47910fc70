"""A walk over plans of a fixed number of sites that looks for one which covers every row.

Row weighting as for set covering (Gao, Weise and Li 2015, doi 10.1016/j.ejor.2015.05.038), here
with the number of sites held fixed.
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["walk"]


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def walk(row_indptr, row_indices, site_indptr, site_indices, chosen, moves, seed):
    """Exchange sites of a plan of fixed size until every row is covered; returns uncovered rows.

    The site whose loss weighs least leaves, one that covers a random uncovered row enters, and
    rows that stay uncovered gain weight, so that the walk does not circle.
    """
    n = row_indptr.size - 1
    m = site_indptr.size - 1
    weight = np.ones(n, np.int64)
    count = np.zeros(n, np.int32)
    score = np.zeros(m, np.int64)
    stamp = np.zeros(m, np.int64)
    open_row = np.empty(n, np.int64)
    where = np.full(n, -1, np.int64)
    opened = np.empty(m, np.int64)
    n_open = 0
    left = 0
    for j in range(m):
        if chosen[j]:
            for q in range(site_indptr[j], site_indptr[j + 1]):
                count[site_indices[q]] += 1
            opened[n_open] = j
            n_open += 1
    for i in range(n):
        if count[i] == 0:
            open_row[left] = i
            where[i] = left
            left += 1
    # score: weight lost by closing an open site, gained by opening a closed one
    for i in range(n):
        if count[i] <= 1:
            for q in range(row_indptr[i], row_indptr[i + 1]):
                j = row_indices[q]
                if count[i] == 0 or chosen[j]:
                    score[j] += 1
    state = seed
    for move in range(1, moves + 1):
        if left == 0 or n_open == 0:
            break
        out = 0
        for e in range(1, n_open):
            a = opened[e]
            b = opened[out]
            if score[a] < score[b] or (score[a] == score[b] and stamp[a] < stamp[b]):
                out = e
        for turn in range(2):
            if turn == 0:
                j = opened[out]
                by = -1
            else:
                state = _next(state)
                i = open_row[np.int64(state % np.uint64(left))]
                j = -1
                for q in range(row_indptr[i], row_indptr[i + 1]):
                    k = row_indices[q]
                    if (
                        not chosen[k]
                        and stamp[k] != move
                        and (
                            j < 0
                            or score[k] > score[j]
                            or (score[k] == score[j] and stamp[k] < stamp[j])
                        )
                    ):
                        j = k
                if j < 0:
                    j = opened[out]
                by = 1
            chosen[j] = by > 0
            stamp[j] = move
            if by > 0:
                opened[out] = j
            for q in range(site_indptr[j], site_indptr[j + 1]):
                i = site_indices[q]
                count[i] += by
                if by > 0 and count[i] == 1:
                    # covered now: others gain nothing here, j alone holds it
                    for t in range(row_indptr[i], row_indptr[i + 1]):
                        if row_indices[t] != j:
                            score[row_indices[t]] -= weight[i]
                    left -= 1
                    last = open_row[left]
                    open_row[where[i]] = last
                    where[last] = where[i]
                    where[i] = -1
                elif by > 0 and count[i] == 2:
                    for t in range(row_indptr[i], row_indptr[i + 1]):
                        k = row_indices[t]
                        if k != j and chosen[k]:
                            score[k] -= weight[i]
                    score[j] -= weight[i]
                elif by > 0:
                    score[j] -= weight[i]
                elif count[i] == 0:
                    for t in range(row_indptr[i], row_indptr[i + 1]):
                        if row_indices[t] != j:
                            score[row_indices[t]] += weight[i]
                    open_row[left] = i
                    where[i] = left
                    left += 1
                elif count[i] == 1:
                    for t in range(row_indptr[i], row_indptr[i + 1]):
                        k = row_indices[t]
                        if k != j and chosen[k]:
                            score[k] += weight[i]
            if by > 0:
                # recount what closing j would lose: only rows it alone covers
                total = 0
                for q in range(site_indptr[j], site_indptr[j + 1]):
                    if count[site_indices[q]] == 1:
                        total += weight[site_indices[q]]
                score[j] = total
            else:
                total = 0
                for q in range(site_indptr[j], site_indptr[j + 1]):
                    if count[site_indices[q]] == 0:
                        total += weight[site_indices[q]]
                score[j] = total
        for e in range(left):
            i = open_row[e]
            weight[i] += 1
            for q in range(row_indptr[i], row_indptr[i + 1]):
                score[row_indices[q]] += 1
    return left
