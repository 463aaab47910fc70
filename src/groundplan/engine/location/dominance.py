r"""Which partial choices of a sweep another one beats whatever comes.

Two states that differ in one open site, e in one and d in the other, differ in what any future
loses by at most

.. math:: D(e, d) = \sum_{i \in e \setminus d} \lambda_i
                  + \sum_{i \in d \setminus e} (w_i - \lambda_i)

over the rows that sites to come still reach: a row that e covers alone may be covered once more,
one that d covers alone may end uncovered. Where the state with e has lost less by D(e, d) or more,
the one with d leaves. In place of d or e there may be no site. Near the end of a site's time few of
its rows are open and D is small: then the many states that differ by a slight shift of one site
become one long before their open sites are equal.
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["drop_dominated"]

#: States looked at that differ from one in a given site.
LOOKS = 32
#: Losses told apart when states are put in order.
LEVELS = 4_096


@jit
def _differ(e, d, j, indptr, indices, whole, price, last):
    """Return D for two sites, of which either may be none (-1)."""
    total = np.int64(0)
    a, a_end = (indptr[e], indptr[e + 1]) if e >= 0 else (0, 0)
    b, b_end = (indptr[d], indptr[d + 1]) if d >= 0 else (0, 0)
    while a < a_end or b < b_end:
        if b >= b_end or (a < a_end and indices[a] < indices[b]):
            if last[indices[a]] > j:
                total += price[indices[a]]
            a += 1
        elif a >= a_end or indices[b] < indices[a]:
            if last[indices[b]] > j:
                total += whole[indices[b]] - price[indices[b]]
            b += 1
        else:
            a += 1
            b += 1
    return total


@jit
def _alike(seat, t, m, e, s, k, d):
    """Return whether state t without site e has the sites of state s without d."""
    x, y = 0, 0
    while True:
        if x < m and seat[t, x] == e:
            x += 1
        if y < k and seat[s, y] == d:
            y += 1
        if x >= m or y >= k:
            return x >= m and y >= k
        if seat[t, x] != seat[s, y]:
            return False
        x += 1
        y += 1


@jit
def _cheapest_first(n, loss):
    """Return the states in bins of rising loss, in their order within a bin."""
    low, high = loss[0], loss[0]
    for s in range(n):
        low, high = min(low, loss[s]), max(high, loss[s])
    step = (high - low) // LEVELS + 1
    begin = np.zeros(LEVELS + 1, np.int64)
    for s in range(n):
        begin[(loss[s] - low) // step + 1] += 1
    for k in range(LEVELS):
        begin[k + 1] += begin[k]
    order = np.empty(n, np.int32)
    for s in range(n):
        k = (loss[s] - low) // step
        order[begin[k]] = s
        begin[k] += 1
    return order


@jit
def drop_dominated(
    n, j, indptr, indices, whole, price, last, mixed, seat, size, key, loss, spent,
    link,
):  # fmt: skip
    """Drop states that another one beats whatever comes after decision j; returns how many stay.

    Parameters
    ----------
    n, j : int
        States, and the last decision.
    indptr, indices, whole, price, last, mixed
        As in `sweep.advance_sweep`.
    seat, size, key, loss, spent, link : arrays of `sweep_states.States`
        Those that stay move to the front.
    """
    # whoever is open gets a number, for a table of D that fills as it is asked
    number = np.full(j + 2, -1, np.int32)
    width = 1
    entries = n
    for s in range(n):
        entries += size[s]
        for x in range(size[s]):
            k = seat[s, x]
            if number[k] < 0:
                number[k] = width
                width += 1
    differ = np.full((width, width), -1, np.int64)
    room = 16
    while room < entries:
        room *= 2
    top = np.uint64(room - 1)
    head = np.full(room, -1, np.int32)
    code = np.empty(entries, np.uint64)
    after = np.empty(entries, np.int32)
    owner = np.empty(entries, np.int32)
    site = np.empty(entries, np.int32)
    made = 0
    stays = np.zeros(n, np.bool_)
    # cheapest first: whoever beats a state has been seen before it, nearly always
    for s in _cheapest_first(n, loss):
        length = size[s]
        full = key[s] ^ np.uint64(spent[s]) * np.uint64(0xD6E8FEB86659FD93)
        beaten = False
        for x in range(length + 1):
            d = np.int64(seat[s, x]) if x < length else np.int64(-1)
            without = full ^ mixed[d] if d >= 0 else full
            looks = 0
            at = head[(without ^ without >> np.uint64(32)) & top]
            while at >= 0 and looks < LOOKS:
                if code[at] == without:
                    t = owner[at]
                    e = site[at]
                    if loss[t] <= loss[s] and spent[t] == spent[s]:
                        a = number[e] if e >= 0 else 0
                        b = number[d] if d >= 0 else 0
                        if differ[a, b] < 0:
                            differ[a, b] = _differ(e, d, j, indptr, indices, whole, price, last)
                        if loss[t] + differ[a, b] <= loss[s] and _alike(
                            seat, t, size[t], e, s, length, d
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
        for x in range(length + 1):
            d = np.int64(seat[s, x]) if x < length else np.int64(-1)
            without = full ^ mixed[d] if d >= 0 else full
            h = (without ^ without >> np.uint64(32)) & top
            code[made] = without
            owner[made] = s
            site[made] = d
            after[made] = head[h]
            head[h] = made
            made += 1
    kept = 0
    for s in range(n):
        if stays[s]:
            if s != kept:
                for x in range(size[s]):
                    seat[kept, x] = seat[s, x]
                size[kept], key[kept] = size[s], key[s]
                loss[kept], spent[kept], link[kept] = loss[s], spent[s], link[s]
            kept += 1
    return kept
