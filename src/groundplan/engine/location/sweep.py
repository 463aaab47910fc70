r"""The search behind `strip`: partial choices along a sweep, as lists of their open sites.

A state is a partial choice: what it lost so far, which chosen sites still share a row with sites to
come, and, where asked, what it spent. Two with the same open sites have equal futures and the
dearer leaves (`_unite`); so does one that another beats whatever comes (`dominance`). However wide
the frontier, a state holds the few chosen sites on it alone.
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit
from groundplan.engine.location.dominance import drop_dominated

__all__ = ["advance_sweep"]

#: States worth a search for dominated ones, and by how much more of them there are each time.
LEAST, GROWTH = 1_024, 2.6
#: What a search for dominated states costs a state, in steps of one from site to site.
DEAR = 64
#: Rows of a site looked up at a time.
NIBBLE = 4


@jit
def _move(seat, size, key, loss, spent, link, s, t):
    """Write state s over state t."""
    if s == t:
        return
    for x in range(size[s]):
        seat[t, x] = seat[s, x]
    size[t], key[t], loss[t], spent[t], link[t] = size[s], key[s], loss[s], spent[s], link[s]


@jit
def _unite(n, seat, size, key, loss, spent, link):
    """Keep the cheapest of the states with equal sites and spending; returns how many stay."""
    room = 16
    while room < 2 * n:
        room *= 2
    table = np.full(room, -1, np.int32)
    top = np.uint64(room - 1)
    kept = 0
    for s in range(n):
        h = (key[s] ^ np.uint64(spent[s]) * np.uint64(0x9E3779B97F4A7C15)) & top
        while True:
            t = table[h]
            if t < 0:
                table[h] = kept
                _move(seat, size, key, loss, spent, link, s, kept)
                kept += 1
                break
            same = key[t] == key[s] and spent[t] == spent[s] and size[t] == size[s]
            if same:
                for x in range(size[s]):
                    if seat[t, x] != seat[s, x]:
                        same = False
                        break
            if same:
                if loss[s] < loss[t]:
                    loss[t], link[t] = loss[s], link[s]
                break
            h = (h + np.uint64(1)) & top
    return kept


@jit
def _drop_dearest(n, cap, seat, size, key, loss, spent, link):
    """Keep at most `cap` states; returns how many stay and the least loss of those that leave."""
    cut = np.partition(loss[:n], cap)[cap]
    kept = 0
    for s in range(n):
        if loss[s] < cut:
            _move(seat, size, key, loss, spent, link, s, kept)
            kept += 1
    return kept, cut


@jit
def _weigh(word, table, at):
    """Return the sum that a table of nibbles gives for the bits of a word from row `at` on."""
    total = np.int64(0)
    k = at
    while word:
        total += table[k, word & np.uint64(15)]
        word >>= np.uint64(4)
        k += 1
    return total


@jit
def _tabulate(n, value, table):
    """Fill a table with the sums of all choices of each `NIBBLE` values in turn."""
    for k in range((n + NIBBLE - 1) // NIBBLE):
        table[k, 0] = 0
        for v in range(1, 16):
            b, low = 0, v
            while low & 1 == 0:
                low >>= 1
                b += 1
            at = NIBBLE * k + b
            table[k, v] = table[k, v & (v - 1)] + (value[at] if at < n else 0)


@jit
def advance_sweep(
    begin, states, proven, after, logged, work,
    indptr, indices, row_indptr, row_indices, whole, price, reduced, last, leave, mixed,
    rest, most, cap, cost, budget, seat, size, key, loss, spent, link, log, profile,
):  # fmt: skip
    """Decide site after site until the end, until no state is left or until asked to look up.

    Parameters
    ----------
    begin, states : int
        First decision, and how many states there are.
    proven : int
        No choice that left before loses less.
    after : int
        States that the last search for dominated ones left.
    logged : int
        Entries of the log.
    work : int
        Toil after which to return: states worked on, each that is looked at for dominance counted
        as `DEAR` of them.
    indptr, indices : site -> rows, rows numbered from 0, ascending
        Sites in the order of the sweep.
    row_indptr, row_indices : row -> sites, ascending
    whole, price : (n_row,) int64
        Weight of each row and its price, ``0 <= price <= whole``.
    reduced : (n,) int64
        Reduced score of each site.
    last : (n_row,) int32
        Last site that covers each row.
    leave : (n,) int32
        Decision after which each site is no longer open.
    mixed : (n,) uint64
        Random bits of each site.
    rest, most : (n,) int64
        A loss that is certain after each decision; a choice of interest has lost less than `most`
        with it.
    cap : int
        Most states kept.
    cost, budget : (n,) int64, int
        No choice of interest spends more than `budget`.
    seat, size, key, loss, spent, link, log : arrays of `sweep_states.States`
    profile : (n,) int64
        Output: what is lost at least up to and with each decision.

    Returns
    -------
    (done, states, proven, after, logged, worked, toil) : int
        Decisions made; as above; states worked on; toil. Where `done` is less than n and states are
        left, the arrays may have to be larger: at least twice the states, one site more than any
        state holds, and as many more entries of the log as there are states.
    """
    n = leave.size
    room, width = seat.shape
    degree = 1
    for j in range(begin, n):
        degree = max(degree, indptr[j + 1] - indptr[j])
    words = (degree + 63) >> 6
    slot = np.full(n, -1, np.int32)
    near = np.empty(n, np.int32)
    bits = np.zeros((n, words), np.uint64)
    one_paid, one_saved = np.empty(n, np.int64), np.empty(n, np.int64)
    value = np.empty(degree, np.int64)
    paid_table = np.zeros((words * 16, 16), np.int64)
    saved_table = np.zeros((words * 16, 16), np.int64)
    rows = np.empty(degree, np.int32)
    word = np.zeros(words, np.uint64)
    new_seat, new_size = np.empty_like(seat), np.empty_like(size)
    new_key, new_loss, new_spent = np.empty_like(key), np.empty_like(loss), np.empty_like(spent)
    new_link = np.empty_like(link)
    worked, toil = 0, 0
    j = begin
    while j < n:
        if 2 * states > room or logged + states > len(log) or toil > work:
            break
        longest = 0
        for s in range(states):
            longest = max(longest, size[s])
        if longest + 1 > width:
            break
        worked += states
        toil += states
        # rows that end here come first: only they can end unserved
        many = 0
        for turn in range(2):
            for q in range(indptr[j], indptr[j + 1]):
                if (last[indices[q]] == j) == (turn == 0):
                    rows[many] = indices[q]
                    many += 1
            if turn == 0:
                ending = many
        free = np.int64(0)
        for b in range(ending):
            value[b] = whole[rows[b]] - price[rows[b]]
            free += value[b]
        _tabulate(ending, value, saved_table)
        for b in range(many):
            value[b] = price[rows[b]]
        _tabulate(many, value, paid_table)
        nears = 0
        for b in range(many):
            i = rows[b]
            for e in range(row_indptr[i], row_indptr[i + 1]):
                k = row_indices[e]
                if k >= j:
                    break
                t = slot[k]
                if t < 0:
                    t = nears
                    slot[k] = t
                    near[t] = k
                    bits[t] = np.uint64(0)
                    one_paid[t] = 0
                    one_saved[t] = 0
                    nears += 1
                bits[t, b >> 6] |= np.uint64(1) << np.uint64(b & 63)
                one_paid[t] += price[i]
                if b < ending:
                    one_saved[t] += whole[i] - price[i]
        ending_words = (ending + 63) >> 6
        take, stay = max(0, -reduced[j]), max(0, reduced[j]) + free
        stays = leave[j] > j
        is_closing = False
        for t in range(nears):
            if leave[near[t]] == j:
                is_closing = True
        limit, mine = most[j], cost[j]
        kept = 0
        added = 0
        for s in range(states):
            length = size[s]
            found = 0
            first = 0
            for x in range(length):
                t = slot[seat[s, x]]
                if t >= 0:
                    found += 1
                    if found == 1:
                        first = t
                    elif found == 2:
                        for w in range(words):
                            word[w] = bits[first, w] | bits[t, w]
                    else:
                        for w in range(words):
                            word[w] |= bits[t, w]
            a, b = loss[s] + take, loss[s] + stay
            if found == 1:
                a += one_paid[first]
                b -= one_saved[first]
            elif found > 1:
                if a < limit:
                    for w in range(words):
                        a += _weigh(word[w], paid_table, 16 * w)
                for w in range(ending_words):
                    part = word[w]
                    if w == ending_words - 1 and ending & 63:
                        part &= (np.uint64(1) << np.uint64(ending & 63)) - np.uint64(1)
                    b -= _weigh(part, saved_table, 16 * w)
            if a < limit and spent[s] + mine <= budget:
                at = 0
                code = key[s]
                for x in range(length):
                    k = seat[s, x]
                    if leave[k] > j:
                        new_seat[added, at] = k
                        at += 1
                    else:
                        code ^= mixed[k]
                if stays:
                    new_seat[added, at] = j
                    at += 1
                    code ^= mixed[j]
                new_size[added], new_key[added] = at, code
                new_loss[added], new_spent[added] = a, spent[s] + mine
                log[logged, 0], log[logged, 1] = link[s], j
                new_link[added] = logged
                logged += 1
                added += 1
            if b < limit:
                if is_closing and found > 0:
                    at = 0
                    code = key[s]
                    for x in range(length):
                        k = seat[s, x]
                        if leave[k] > j:
                            seat[kept, at] = k
                            at += 1
                        else:
                            code ^= mixed[k]
                    size[kept], key[kept], spent[kept], link[kept] = at, code, spent[s], link[s]
                else:
                    _move(seat, size, key, loss, spent, link, s, kept)
                loss[kept] = b
                kept += 1
        for s in range(added):
            for x in range(new_size[s]):
                seat[kept, x] = new_seat[s, x]
            size[kept], key[kept] = new_size[s], new_key[s]
            loss[kept], spent[kept], link[kept] = new_loss[s], new_spent[s], new_link[s]
            kept += 1
        for t in range(nears):
            slot[near[t]] = -1
        if kept >= LEAST and kept > GROWTH * after:
            kept = _unite(kept, seat, size, key, loss, spent, link)
            if kept > GROWTH * after:
                toil += DEAR * kept
                kept = drop_dominated(
                    kept, j, indptr, indices, whole, price, last, mixed,
                    seat, size, key, loss, spent, link,
                )  # fmt: skip
                after = kept
        elif is_closing and kept < LEAST:
            kept = _unite(kept, seat, size, key, loss, spent, link)
        if kept > cap:
            kept, cut = _drop_dearest(kept, cap, seat, size, key, loss, spent, link)
            proven = min(proven, cut + rest[j])
        states = kept
        after = min(after, kept)
        if states == 0:
            profile[j:n] = proven
            return n, states, proven, after, logged, worked, toil
        least = loss[0]
        for s in range(1, states):
            least = min(least, loss[s])
        profile[j] = min(least, proven)
        j += 1
    return j, states, proven, after, logged, worked, toil
