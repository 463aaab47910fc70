r"""Which partial choices of a sweep another one beats whatever comes.

Two states that differ in one open site, e in one and d in the other, differ in what any future
loses by at most

.. math:: D(e, d) = \sum_{i \in e \setminus d} \lambda_i
                  + \sum_{i \in d \setminus e} (w_i - \lambda_i)

over the rows that sites to come still reach: a row that e covers alone may be covered once more,
one that d covers alone may end uncovered. Where the state with e has lost less by D(e, d) or more,
the one with d leaves. In place of d or e there may be no site. Near the end of a site's time few of
its rows are open and D is small: then the many states that differ by a slight shift of one site
become one long before their masks are equal.
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["drop_dominated"]

#: States looked at that differ from one in a given site.
LOOKS = 32
#: Entries of the table a state may take: its open sites and one.
ENTRIES = 12


@jit
def _mix(value):
    """Return the bits of a number well mixed."""
    value = (value + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@jit
def _differ(sites, n, j, indptr, indices, whole, price, last):
    """Return D between the first `n` of the open sites; index n stands for no site."""
    paid = np.zeros((n + 1, n + 1), np.int64)
    dead = np.zeros((n + 1, n + 1), np.int64)
    is_mine = np.zeros(whole.size, np.bool_)
    for a in range(n):
        for q in range(indptr[sites[a]], indptr[sites[a] + 1]):
            is_mine[indices[q]] = last[indices[q]] > j
        for b in range(a, n):
            for q in range(indptr[sites[b]], indptr[sites[b] + 1]):
                i = indices[q]
                if is_mine[i]:
                    paid[a, b] += price[i]
                    dead[a, b] += whole[i] - price[i]
            paid[b, a] = paid[a, b]
            dead[b, a] = dead[a, b]
        for q in range(indptr[sites[a]], indptr[sites[a] + 1]):
            is_mine[indices[q]] = False
    differ = np.empty((n + 1, n + 1), np.int64)
    for e in range(n + 1):
        for d in range(n + 1):
            differ[e, d] = paid[e, e] - paid[e, d] + dead[d, d] - dead[e, d]
    return differ


@jit
def _alike(one, other, sites, e, d, none):
    """Return whether two masks are equal but for site e of the one and d of the other."""
    bits = 64 * one.size
    for x in range(one.size):
        v, w = one[x], other[x]
        if e != none and (sites[e] % bits) >> 6 == x:
            v ^= np.uint64(1) << np.uint64(sites[e] & 63)
        if d != none and (sites[d] % bits) >> 6 == x:
            w ^= np.uint64(1) << np.uint64(sites[d] & 63)
        if v != w:
            return False
    return True


@jit
def drop_dominated(n, j, indptr, indices, whole, price, last, leave, mask, loss, spent):
    """Drop states that another one beats whatever comes after decision j; returns how many stay.

    Parameters
    ----------
    n, j : int
        States, and the last decision.
    indptr, indices, whole, price, last, leave
        As in `sweep.explore_sweep`.
    mask, loss, spent : (>= n, ...) arrays
        Of the states; those that stay move to the front.
    """
    words = mask.shape[1]
    bits = 64 * words
    seat = np.full(bits, -1, np.int32)
    sites = np.empty(bits, np.int32)
    width = 0
    for k in range(max(0, j - bits + 1), j + 1):
        if leave[k] > j:
            seat[k % bits] = width
            sites[width] = k
            width += 1
    differ = _differ(sites, width, j, indptr, indices, whole, price, last)
    key_of = np.empty(width + 1, np.uint64)
    for a in range(width):
        key_of[a] = _mix(np.uint64(sites[a]))
    # no site: taking it away changes nothing
    key_of[width] = np.uint64(0)
    size = 16
    while size < ENTRIES * n:
        size *= 2
    top = np.uint64(size - 1)
    head = np.full(size, -1, np.int32)
    key = np.empty(ENTRIES * n, np.uint64)
    after = np.empty(ENTRIES * n, np.int32)
    owner = np.empty(ENTRIES * n, np.int32)
    site = np.empty(ENTRIES * n, np.int32)
    entries = 0
    stays = np.zeros(n, np.bool_)
    mine = np.empty(bits + 1, np.int32)
    # cheapest first: whoever beats a state has been seen before it, and equal ones keep their order
    order = np.argsort(loss[:n], kind="mergesort")
    for s in order:
        many = 0
        full = _mix(~np.uint64(spent[s]))
        for a in range(width):
            k = sites[a] % bits
            if (mask[s, k >> 6] >> np.uint64(k & 63)) & np.uint64(1):
                mine[many] = a
                many += 1
                full ^= key_of[a]
        mine[many] = width
        many += 1
        beaten = False
        for x in range(many):
            without = full ^ key_of[mine[x]]
            looks = 0
            at = head[without & top]
            while at >= 0 and looks < LOOKS:
                if key[at] == without:
                    t = owner[at]
                    if (
                        loss[t] + differ[site[at], mine[x]] <= loss[s]
                        and spent[t] == spent[s]
                        and _alike(mask[t], mask[s], sites, site[at], mine[x], width)
                    ):
                        beaten = True
                        break
                    looks += 1
                at = after[at]
            if beaten:
                break
        if beaten:
            continue
        stays[s] = True
        for x in range(min(many, ENTRIES)):
            without = full ^ key_of[mine[x]]
            key[entries] = without
            owner[entries] = s
            site[entries] = mine[x]
            after[entries] = head[without & top]
            head[without & top] = entries
            entries += 1
    kept = 0
    for s in range(n):
        if stays[s]:
            mask[kept] = mask[s]
            loss[kept] = loss[s]
            spent[kept] = spent[s]
            kept += 1
    return kept
