"""Lazy greedy: add by marginal weight per cost, drop by loss per cost, on integer cover counts.

Gains only fall while sites are added and losses only grow while sites are dropped (submodularity),
so a stale key on top of a heap is refreshed and pushed back instead of updating every key.
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["cover_counts", "covered_weight", "drop_to_budget", "fill_greedily"]


@jit
def cover_counts(site_indptr, site_indices, chosen, count):
    """Write how many chosen sites cover each row; raise past what the counts can hold."""
    count[:] = 0
    for j in range(chosen.size):
        if chosen[j]:
            for q in range(site_indptr[j], site_indptr[j + 1]):
                i = site_indices[q]
                if count[i] == 32767:
                    raise OverflowError("a row is covered by more than 32,767 chosen sites")
                count[i] += 1


@jit
def covered_weight(lo, hi, count, weight):
    """Return the weight of the rows ``lo..hi`` that are covered at least once."""
    total = 0
    for i in range(lo, hi):
        if count[i] > 0:
            total += weight[i]
    return total


@jit
def sift(key, item, size, c):
    while True:
        m = 2 * c + 1
        if m >= size:
            break
        # ties go to the lower site number, so that the result has one meaning
        if m + 1 < size and (
            key[m + 1] > key[m] or (key[m + 1] == key[m] and item[m + 1] < item[m])
        ):
            m += 1
        if key[m] < key[c] or (key[m] == key[c] and item[m] > item[c]):
            break
        key[m], key[c] = key[c], key[m]
        item[m], item[c] = item[c], item[m]
        c = m


@jit
def marginal_score(j, site_indptr, site_indices, weight, count, at):
    total = 0
    for q in range(site_indptr[j], site_indptr[j + 1]):
        i = site_indices[q]
        if count[i] == at:
            total += weight[i]
    return total


@jit
def fill_greedily(site_indptr, site_indices, weight, cost, budget, chosen, count):
    """Add sites by gain per cost while the budget lasts; returns what is left of it.

    Parameters
    ----------
    site_indptr, site_indices : CSR site -> rows
    weight : (n_row,) int64
    cost : (n_site,) int64
        > 0.
    budget : int
        What may be spent on top of the sites already chosen.
    chosen : (n_site,) bool
        Written in place.
    count : (n_row,) int16
        Cover counts of `chosen`, written in place.
    """
    n = cost.size
    key = np.empty(n, np.float64)
    item = np.empty(n, np.int32)
    size = 0
    for j in range(n):
        if not chosen[j] and cost[j] <= budget:
            gain = marginal_score(j, site_indptr, site_indices, weight, count, 0)
            if gain > 0:
                key[size] = gain / cost[j]
                item[size] = j
                size += 1
    for c in range(size // 2 - 1, -1, -1):
        sift(key, item, size, c)
    while size > 0:
        j = item[0]
        gain = marginal_score(j, site_indptr, site_indices, weight, count, 0)
        fresh = gain / cost[j]
        if gain == 0 or cost[j] > budget:
            size -= 1
            key[0] = key[size]
            item[0] = item[size]
        elif fresh == key[0]:
            chosen[j] = True
            budget -= cost[j]
            for q in range(site_indptr[j], site_indptr[j + 1]):
                count[site_indices[q]] += 1
            size -= 1
            key[0] = key[size]
            item[0] = item[size]
        else:
            key[0] = fresh
        sift(key, item, size, 0)
    return budget


@jit
def drop_to_budget(site_indptr, site_indices, weight, cost, excess, chosen, count):
    """Drop sites by least loss per cost until at least `excess` is saved; returns the rest."""
    n = cost.size
    key = np.empty(n, np.float64)
    item = np.empty(n, np.int32)
    size = 0
    for j in range(n):
        if chosen[j]:
            key[size] = -(marginal_score(j, site_indptr, site_indices, weight, count, 1) / cost[j])
            item[size] = j
            size += 1
    for c in range(size // 2 - 1, -1, -1):
        sift(key, item, size, c)
    while excess > 0 and size > 0:
        j = item[0]
        fresh = -(marginal_score(j, site_indptr, site_indices, weight, count, 1) / cost[j])
        if fresh == key[0]:
            chosen[j] = False
            excess -= cost[j]
            for q in range(site_indptr[j], site_indptr[j + 1]):
                count[site_indices[q]] -= 1
            size -= 1
            key[0] = key[size]
            item[0] = item[size]
        else:
            key[0] = fresh
        sift(key, item, size, 0)
    return excess
