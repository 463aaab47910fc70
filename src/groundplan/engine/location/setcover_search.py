r"""Plans for covering problems: greedy by priced cost, and local search that weighs rows.

The search keeps a set of sites cheaper than the best plan, which leaves some rows open. Each move
removes the site whose loss of weighted rows per cost is least, adds the best site of one open row
drawn at random, and then raises the weight of every row still open, so that rows that are hard to
cover pull harder (row weighting: Gao, Weise, Li 2015, doi 10.1016/j.ejor.2015.05.038, here with
costs). A site just removed comes back only after a neighbour changed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.setcover_lists import Lists

__all__ = ["Walk", "cover_counts", "cover_greedily", "drop_redundant", "start_walk", "walk"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Chosen sites above which the site to remove is sought in a sample of `SAMPLE`.
SCAN, SAMPLE = 2_500, 200


@jit
def _settle(key, item, size, c):
    while True:
        m = 2 * c + 1
        if m >= size:
            break
        # ties go to the lower site number, so that the result has one meaning
        if m + 1 < size and (
            key[m + 1] < key[m] or (key[m + 1] == key[m] and item[m + 1] < item[m])
        ):
            m += 1
        if key[m] > key[c] or (key[m] == key[c] and item[m] > item[c]):
            break
        key[m], key[c] = key[c], key[m]
        item[m], item[c] = item[c], item[m]
        c = m


@jit
def _key(gamma, fresh):
    return gamma / fresh if gamma > 0.0 else gamma * fresh


@jit
def _greedy(
    row_indptr, row_indices, site_indptr, site_indices, cost, lam, chosen, count, picks, heap, item
):
    n = cost.size
    gamma = np.empty(n)
    fresh = np.zeros(n, np.int64)
    left = 0
    for i in range(count.size):
        if count[i] == 0:
            left += 1
    size = 0
    for j in range(n):
        total = cost[j] * 1.0
        for q in range(site_indptr[j], site_indptr[j + 1]):
            if count[site_indices[q]] == 0:
                total -= lam[site_indices[q]]
                fresh[j] += 1
        gamma[j] = total
        if fresh[j] > 0:
            heap[size] = _key(total, fresh[j])
            item[size] = j
            size += 1
    for c in range(size // 2 - 1, -1, -1):
        _settle(heap, item, size, c)
    while left > 0 and picks > 0 and size > 0:
        best = item[0]
        # keys only rise while rows get covered, so a stale top is refreshed and sinks
        now = _key(gamma[best], fresh[best]) if fresh[best] > 0 else np.inf
        if now > heap[0]:
            if fresh[best] > 0:
                heap[0] = now
            else:
                size -= 1
                heap[0] = heap[size]
                item[0] = item[size]
            _settle(heap, item, size, 0)
            continue
        picks -= 1
        chosen[best] = True
        size -= 1
        heap[0] = heap[size]
        item[0] = item[size]
        _settle(heap, item, size, 0)
        for q in range(site_indptr[best], site_indptr[best + 1]):
            i = site_indices[q]
            if count[i] == 0:
                left -= 1
                for e in range(row_indptr[i], row_indptr[i + 1]):
                    k = row_indices[e]
                    gamma[k] += lam[i]
                    fresh[k] -= 1
            count[i] += 1


@jit
def _drop_redundant(order, site_indptr, site_indices, chosen, count):
    for t in range(order.size):
        j = order[t]
        needed = False
        for q in range(site_indptr[j], site_indptr[j + 1]):
            if count[site_indices[q]] <= 1:
                needed = True
                break
        if not needed:
            chosen[j] = False
            for q in range(site_indptr[j], site_indptr[j + 1]):
                count[site_indices[q]] -= 1


@jit
def _count(site_indptr, site_indices, sites, count):
    for t in range(sites.size):
        for q in range(site_indptr[sites[t]], site_indptr[sites[t] + 1]):
            count[site_indices[q]] += 1


def cover_counts(lists: Lists, chosen: BoolArray) -> NDArray[np.int32]:
    """Return how many chosen sites cover each row."""
    count = np.zeros(lists.n_row, np.int32)
    _count(lists.site_indptr, lists.site_indices, np.flatnonzero(chosen), count)
    return count


def drop_redundant(lists: Lists, cost: IntArray, chosen: BoolArray) -> None:
    """Drop sites, dearest first, whose rows others cover; `chosen` changes in place."""
    count = cover_counts(lists, chosen)
    mine = np.flatnonzero(chosen)
    order = mine[np.lexsort((mine, -cost[mine]))]
    _drop_redundant(order, lists.site_indptr, lists.site_indices, chosen, count)


def cover_greedily(
    lists: Lists, cost: IntArray, lam: FloatArray, *, start: BoolArray | None = None,
    picks: int = 2**62,
) -> BoolArray:  # fmt: skip
    """Return a plan: sites by priced cost per new row, then none that is redundant.

    The key of a site is ``g / n`` for ``g > 0`` and ``g n`` else, ``g`` its cost less the prices of
    the n rows it newly covers (Caprara, Fischetti, Toth 1999).

    Parameters
    ----------
    start : (n_site,) bool, optional
        Sites already taken.
    picks : int
        Most sites to add; a plan cut short is returned as it stands.
    """
    chosen = np.zeros(lists.n_site, np.bool_) if start is None else start.copy()
    count = cover_counts(lists, chosen)
    heap, item = np.empty(lists.n_site + 1), np.empty(lists.n_site + 1, np.int64)
    _greedy(
        lists.row_indptr, lists.row_indices, lists.site_indptr, lists.site_indices, cost, lam,
        chosen, count, picks, heap, item,
    )  # fmt: skip
    if picks == 2**62:
        drop_redundant(lists, cost, chosen)
    return chosen


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def _remove(j, clock, lists, state, n_open, n_member):
    """Take a member out; returns the numbers of open rows and of members."""
    row_indptr, row_indices, site_indptr, site_indices = lists
    weight, score, chosen, count, holder, changed, stamp, member, place, open_row, open_at = state
    chosen[j] = False
    score[j] = -score[j]
    for q in range(site_indptr[j], site_indptr[j + 1]):
        i = site_indices[q]
        count[i] -= 1
        holder[i] -= j
        changed[i] = clock
        if count[i] == 0:
            open_row[n_open] = i
            open_at[i] = n_open
            n_open += 1
            w = weight[i]
            for e in range(row_indptr[i], row_indptr[i + 1]):
                if row_indices[e] != j:
                    score[row_indices[e]] += w
        elif count[i] == 1:
            score[holder[i]] -= weight[i]
    stamp[j] = clock
    n_member -= 1
    last = member[n_member]
    member[place[j]] = last
    place[last] = place[j]
    return n_open, n_member


@jit
def _add(j, clock, lists, state, n_open, n_member):
    """Make a site a member; returns the numbers of open rows and of members."""
    row_indptr, row_indices, site_indptr, site_indices = lists
    weight, score, chosen, count, holder, changed, stamp, member, place, open_row, open_at = state
    chosen[j] = True
    score[j] = -score[j]
    for q in range(site_indptr[j], site_indptr[j + 1]):
        i = site_indices[q]
        changed[i] = clock
        if count[i] == 0:
            n_open -= 1
            last = open_row[n_open]
            open_row[open_at[i]] = last
            open_at[last] = open_at[i]
            w = weight[i]
            for e in range(row_indptr[i], row_indptr[i + 1]):
                if row_indices[e] != j:
                    score[row_indices[e]] -= w
        elif count[i] == 1:
            score[holder[i]] += weight[i]
        count[i] += 1
        holder[i] += j
    stamp[j] = clock
    member[n_member] = j
    place[j] = n_member
    return n_open, n_member + 1


@jit
def _has_changed(j, site_indptr, site_indices, changed, since):
    """Return whether around a site something changed after it moved itself."""
    found = False
    for q in range(site_indptr[j], site_indptr[j + 1]):
        if changed[site_indices[q]] > since:
            found = True
            break
    return found


@jit
def _weigh(n_open, lists, state):
    """Raise the weight of every open row."""
    row_indptr, row_indices = lists[0], lists[1]
    weight, score, open_row = state[0], state[1], state[9]
    for t in range(n_open):
        i = open_row[t]
        weight[i] += 1
        for e in range(row_indptr[i], row_indptr[i + 1]):
            score[row_indices[e]] += 1


@jit
def _least_loss(member, n_member, score, cost, stamp, barred, rng, scan, sample):
    best = np.int64(-1)
    least = np.inf
    tries = n_member if n_member <= scan else sample
    for t in range(tries):
        at = np.int64(t)
        if n_member > scan:
            rng = _next(rng)
            at = np.int64(rng % np.uint64(n_member))
        j = member[at]
        if j == barred:
            continue
        key = -score[j] / cost[j]
        if key < least or (key == least and stamp[j] < stamp[best]):
            least = key
            best = j
    return best, rng


@jit
def _walk(lists, cost, state, best, number, seed, moves, target, scan, sample):
    """Move `moves` times; ``number``: members, open rows, spent, best cost, clock, barred site."""
    row_indptr, row_indices, site_indptr, site_indices = lists
    _, score, chosen, _, _, changed, stamp, member, _, open_row, _ = state
    n_member, n_open = number[0], number[1]
    spent, best_cost, clock, barred = number[2], number[3], number[4], number[5]
    rng = seed[0]
    for _ in range(moves):
        clock += 1
        while n_open == 0:
            if spent < best_cost:
                best_cost = spent
                best[:] = chosen
                if best_cost <= target:
                    break
            j, rng = _least_loss(member, n_member, score, cost, stamp, -1, rng, scan, sample)
            if j < 0:
                break
            n_open, n_member = _remove(j, clock, lists, state, n_open, n_member)
            spent -= cost[j]
        if best_cost <= target or n_open == 0:
            break
        j, rng = _least_loss(member, n_member, score, cost, stamp, barred, rng, scan, sample)
        if j >= 0:
            n_open, n_member = _remove(j, clock, lists, state, n_open, n_member)
            spent -= cost[j]
        while n_open > 0:
            rng = _next(rng)
            i = open_row[np.int64(rng % np.uint64(n_open))]
            pick = -1
            most = -1.0
            for e in range(row_indptr[i], row_indptr[i + 1]):
                k = row_indices[e]
                key = score[k] / cost[k]
                if (key > most or (key == most and stamp[k] < stamp[pick])) and (
                    stamp[k] == 0 or _has_changed(k, site_indptr, site_indices, changed, stamp[k])
                ):
                    most = key
                    pick = k
            if pick < 0 or spent + cost[pick] >= best_cost:
                break
            n_open, n_member = _add(pick, clock, lists, state, n_open, n_member)
            spent += cost[pick]
            barred = pick
        _weigh(n_open, lists, state)
    number[0], number[1], number[2], number[3] = n_member, n_open, spent, best_cost
    number[4], number[5] = clock, barred
    seed[0] = rng


@dataclass
class Walk:
    """State of a search on `lists`; `best` is always a plan."""

    lists: Lists
    cost: IntArray
    best: BoolArray
    state: tuple[NDArray[np.generic], ...]
    number: IntArray
    rng: NDArray[np.uint64]

    @property
    def value(self) -> int:
        """Cost of the best plan."""
        return int(self.number[3])


def begin_at(
    lists: Lists, start: BoolArray, weight: IntArray
) -> tuple[tuple[NDArray[np.generic], ...], int, int]:
    """Return the arrays of a search that begins at some sites, and how many sites and open rows."""
    m, n = lists.n_row, lists.n_site
    row = np.repeat(np.arange(m), np.diff(lists.row_indptr))
    inside = start[lists.row_indices]
    count = cover_counts(lists, start)
    holder = np.zeros(m, np.int64)
    np.add.at(holder, row[inside], lists.row_indices[inside])
    score = np.zeros(n, np.int64)
    alone = count == 1
    np.subtract.at(score, holder[alone], weight[alone])
    uncovered = np.flatnonzero(count == 0)
    if uncovered.size:
        waits = count[row] == 0
        np.add.at(score, lists.row_indices[waits], weight[row[waits]])
    member, place = np.zeros(n, np.int32), np.zeros(n, np.int32)
    mine = np.flatnonzero(start)
    member[: mine.size] = mine
    place[mine] = np.arange(mine.size)
    open_row, open_at = np.zeros(m, np.int32), np.zeros(m, np.int32)
    open_row[: uncovered.size] = uncovered
    open_at[uncovered] = np.arange(uncovered.size)
    state = (
        weight, score, start.copy(), count, holder, np.zeros(m, np.int64),
        np.zeros(n, np.int64), member, place, open_row, open_at,
    )  # fmt: skip
    return state, mine.size, uncovered.size


def draws(seed: int, stream: int) -> NDArray[np.uint64]:
    """Return where the draws of a search begin."""
    return np.random.Generator(np.random.Philox(key=[seed, stream])).integers(
        1, 2**63, 1, dtype=np.uint64
    )


def start_walk(
    lists: Lists, cost: IntArray, plan: BoolArray, seed: int, weight: IntArray | None = None
) -> Walk:
    """Return the state that begins at a plan (every row covered), with row weights or with ones.

    `weight` is changed in place by the moves.
    """
    weight = np.ones(lists.n_row, np.int64) if weight is None else weight
    state, n_member, n_open = begin_at(lists, plan, weight)
    spent = int(cost[plan].sum())
    number = np.array([n_member, n_open, spent, spent, 0, -1], np.int64)
    return Walk(lists, cost, plan.copy(), state, number, draws(seed, 11))


def walk(search: Walk, moves: int, target: int) -> None:
    """Make `moves` moves, or end at a plan of cost `target`; costs must be > 0."""
    _walk(
        search.lists.arrays, search.cost, search.state, search.best, search.number, search.rng,
        moves, target, SCAN, SAMPLE,
    )  # fmt: skip
