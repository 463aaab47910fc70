r"""The search behind `strip`: partial choices along a sweep, as masks of their open sites.

A state is a partial choice: what it lost so far, which chosen sites still share a row with sites to
come (its mask), and, where asked, what it spent. Two with the same mask have equal futures and the
dearer leaves (`_unite`); so does one that another beats whatever comes (`dominance`).
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit
from groundplan.engine.location.dominance import drop_dominated

__all__ = ["WORDS", "explore_sweep"]

#: Words of the mask: a site may be open for 64 decisions a word. A power of two.
WORDS = 8
#: Decisions between two searches for dominated states, and how many states are worth one.
EVERY, LEAST = 4, 1_024


@jit
def _unite(n, mask, loss, spent, table):
    """Keep the cheapest of the states with equal masks and spending; returns how many stay."""
    size = 16
    while size < 2 * n:
        size *= 2
    table[:size] = -1
    top = np.uint64(size - 1)
    words = mask.shape[1]
    kept = 0
    for s in range(n):
        h = np.uint64(0x243F6A8885A308D3) ^ np.uint64(spent[s])
        for x in range(words):
            h = (h ^ mask[s, x]) * np.uint64(0x9E3779B97F4A7C15)
            h ^= h >> np.uint64(29)
        h &= top
        while True:
            t = table[h]
            if t < 0:
                table[h] = kept
                mask[kept] = mask[s]
                loss[kept] = loss[s]
                spent[kept] = spent[s]
                kept += 1
                break
            same = spent[t] == spent[s]
            for x in range(words):
                if mask[t, x] != mask[s, x]:
                    same = False
                    break
            if same:
                loss[t] = min(loss[t], loss[s])
                break
            h = (h + np.uint64(1)) & top
    return kept


@jit
def _drop_dearest(n, cap, mask, loss, spent):
    """Keep at most `cap` states; returns how many stay and the least loss of those that leave."""
    cut = np.partition(loss[:n], cap)[cap]
    kept = 0
    for s in range(n):
        if loss[s] < cut:
            mask[kept] = mask[s]
            loss[kept] = loss[s]
            spent[kept] = spent[s]
            kept += 1
    return kept, cut


@jit
def explore_sweep(
    indptr, indices, whole, price, reduced, first, last, leave, rest, most, limit, cap,
    cost, budget, unit, profile,
):  # fmt: skip
    """Return a loss that no choice of interest goes below, at most `limit`.

    Parameters
    ----------
    indptr, indices : site -> rows, rows numbered from 0
        Sites in the order of the sweep.
    whole, price : (n_row,) int64
        Weight of each row and its price, ``0 <= price <= whole``.
    reduced : (n,) int64
        Reduced score of each site.
    first, last : (n_row,) int32
        First and last site that covers each row.
    leave : (n,) int32
        Decision after which each site is no longer open.
    rest, most : (n,) int64
        A loss that is certain after each decision; a choice of interest has lost less than `most`
        with it.
    limit, cap : int
        Only choices that lose less than `limit` are of interest; most states kept.
    cost, budget, unit : (n,) int64, int, int
        No choice of interest spends more than `budget`, and it loses `unit` more for each unit
        left over.
    profile : (n,) int64
        Output: what is lost at least up to and with each decision.
    """
    n = leave.size
    bits = 64 * WORDS
    row_mask = np.zeros((whole.size, WORDS), np.uint64)
    room = 4096
    mask, new_mask = np.zeros((room, WORDS), np.uint64), np.zeros((room, WORDS), np.uint64)
    loss, new_loss = np.zeros(room, np.int64), np.zeros(room, np.int64)
    spent, new_spent = np.zeros(room, np.int64), np.zeros(room, np.int64)
    table = np.empty(4 * room, np.int32)
    states = 1
    dropped = limit
    since = 0
    for j in range(n):
        if 2 * states > room:
            while 2 * states > room:
                room *= 2
            wider, longer = np.zeros((room, WORDS), np.uint64), np.zeros(room, np.int64)
            paid = np.zeros(room, np.int64)
            wider[:states], longer[:states] = mask[:states], loss[:states]
            paid[:states] = spent[:states]
            mask, loss, spent = wider, longer, paid
            new_mask, new_loss = np.zeros((room, WORDS), np.uint64), np.zeros(room, np.int64)
            new_spent = np.zeros(room, np.int64)
            table = np.empty(4 * room, np.int32)
        take, stay = max(0, -reduced[j]), max(0, reduced[j])
        word, bit = (j % bits) >> 6, np.uint64(1) << np.uint64(j & 63)
        count = 0
        for s in range(states):
            a, b = loss[s] + take, loss[s] + stay
            fits = spent[s] + cost[j] <= budget
            for q in range(indptr[j], indptr[j + 1]):
                i = indices[q]
                if a >= most[j] and last[i] != j:
                    continue
                hit = False
                for d in range(first[i] >> 6, (j >> 6) + 1):
                    if mask[s, d % WORDS] & row_mask[i, d % WORDS]:
                        hit = True
                        break
                if hit:
                    a += price[i]
                elif last[i] == j:
                    b += whole[i] - price[i]
            if b < most[j]:
                new_mask[count] = mask[s]
                new_loss[count] = b
                new_spent[count] = spent[s]
                count += 1
            if fits and a < most[j]:
                new_mask[count] = mask[s]
                new_mask[count, word] |= bit
                new_loss[count] = a
                new_spent[count] = spent[s] + cost[j]
                count += 1
        closed = 0
        for k in range(max(0, j - bits + 1), j + 1):
            if leave[k] == j:
                closed += 1
                free = ~(np.uint64(1) << np.uint64(k & 63))
                for s in range(count):
                    new_mask[s, (k % bits) >> 6] &= free
        if closed:
            count = _unite(count, new_mask, new_loss, new_spent, table)
        since += 1
        if since >= EVERY and count >= LEAST:
            since = 0
            count = drop_dominated(
                count, j, indptr, indices, whole, price, last, leave, new_mask, new_loss, new_spent
            )
        if count > cap:
            count, cut = _drop_dearest(count, cap, new_mask, new_loss, new_spent)
            dropped = min(dropped, cut + rest[j])
        if count == 0:
            profile[j:n] = dropped
            return dropped
        least = new_loss[0]
        for s in range(1, count):
            least = min(least, new_loss[s])
        profile[j] = min(least, dropped)
        mask, new_mask = new_mask, mask
        loss, new_loss = new_loss, loss
        spent, new_spent = new_spent, spent
        states = count
        for q in range(indptr[j], indptr[j + 1]):
            row_mask[indices[q], word] |= bit
    for s in range(states):
        dropped = min(dropped, loss[s] + unit * (budget - spent[s]))
    return dropped
