r"""Covers within limits: row weighting in which groups may fill up and have least numbers.

The search is that of `setcover_search`, begun at any choice that keeps the limits. A row still open
is served by the best of its sites whose group has room; where none has, a site of a full group
enters and the least needed one of that group leaves. Sites of a group that holds no more than its
least number leave now and then only, and the best of their group comes instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.cover_limits_dual import GroupLayout
from groundplan.engine.location.setcover_lists import Lists
from groundplan.engine.location.setcover_search import (
    SAMPLE,
    SCAN,
    _add,
    _next,
    _remove,
    cover_counts,
)

__all__ = ["LimitedWalk"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: One move in so many may take from a group that has its least number alone.
RARE = 4
#: Below this share of the cost to beat only moves that are rare take a site out first.
NEAR = 0.8
#: Moves after which a site may come back though nothing around it changed.
TENURE = 10
#: Exchanges within full groups in a move, and rows drawn in vain before it ends.
SWAPS, MISSES = 2, 10


@jit
def _least_needed(
    member, n_member, score, key_cost, stamp, barred, group, held, least, only, rare, state, scan,
    sample,
):  # fmt: skip
    """Return the member whose loss per cost is least, of group `only` where that is no -1."""
    best = np.int64(-1)
    lowest = np.inf
    few = n_member > scan and only < 0
    tries = sample if few else n_member
    for t in range(tries):
        at = np.int64(t)
        if few:
            state = _next(state)
            at = np.int64(state % np.uint64(n_member))
        j = member[at]
        g = group[j]
        if j == barred or (only >= 0 and g != only):
            continue
        if only < 0 and not rare and held[g] <= least[g]:
            continue
        key = -score[j] / key_cost[j]
        if key < lowest or (key == lowest and stamp[j] < stamp[best]):
            lowest = key
            best = j
    return best, state


@jit
def _walk_within(
    row_indptr, row_indices, site_indptr, site_indices, cost, key_cost, group, ptr, by_group, least,
    most, held, weight, score, chosen, count, holder, changed, stamp, member, place, open_row,
    open_at, best, number, rng, moves, target, scan, sample,
):  # fmt: skip
    """Move `moves` times; ``number``: members, open rows, spent, best cost, clock, barred site."""
    n_member, n_open = number[0], number[1]
    spent, best_cost, clock, barred = number[2], number[3], number[4], number[5]
    n_group = ptr.size - 1
    state = rng[0]
    for _ in range(moves):
        clock += 1
        short = np.int64(0)
        for e in range(n_group):
            short += max(0, least[e] - held[e])
        goes = np.int64(-1)
        while n_open == 0 and short == 0:
            if spent < best_cost:
                best_cost = spent
                best[:] = chosen
                if best_cost <= target:
                    break
            goes, state = _least_needed(
                member, n_member, score, key_cost, stamp, -1, group, held, least, -1, False, state,
                scan, sample,
            )  # fmt: skip
            if goes < 0:
                break
            n_open = _remove(
                goes, row_indptr, row_indices, site_indptr, site_indices, weight, score, chosen,
                count, holder, changed, clock, open_row, open_at, n_open,
            )  # fmt: skip
            spent -= cost[goes]
            held[group[goes]] -= 1
            stamp[goes] = clock
            n_member -= 1
            last = member[n_member]
            member[place[goes]] = last
            place[last] = place[goes]
        if best_cost <= target:
            break
        state = _next(state)
        rare = goes < 0 and state % np.uint64(RARE) == np.uint64(0)
        j = np.int64(-1)
        # far below the cost to beat, what is open is a question of caps
        if spent >= NEAR * best_cost or rare:
            j, state = _least_needed(
                member, n_member, score, key_cost, stamp, barred, group, held, least, -1,
                rare or (n_open == 0 and short == 0), state, scan, sample,
            )  # fmt: skip
        if j >= 0:
            n_open = _remove(
                j, row_indptr, row_indices, site_indptr, site_indices, weight, score, chosen, count,
                holder, changed, clock, open_row, open_at, n_open,
            )  # fmt: skip
            spent -= cost[j]
            held[group[j]] -= 1
            stamp[j] = clock
            n_member -= 1
            last = member[n_member]
            member[place[j]] = last
            place[last] = place[j]
        swaps = SWAPS
        misses = MISSES
        g = np.int64(0)
        while n_open > 0 or g < n_group:
            pick = np.int64(-1)
            high = -1.0
            full = np.int64(-1)
            full_high = -1.0
            if n_open > 0:
                state = _next(state)
                i = open_row[np.int64(state % np.uint64(n_open))]
                for e in range(row_indptr[i], row_indptr[i + 1]):
                    k = row_indices[e]
                    key = score[k] / key_cost[k]
                    has_room = held[group[k]] < most[group[k]]
                    if has_room and (key < high or (key == high and stamp[k] >= stamp[pick])):
                        continue
                    if not has_room and (key <= full_high or most[group[k]] <= 0):
                        continue
                    moved = stamp[k] == 0 or clock - stamp[k] > TENURE
                    if not moved:
                        for q in range(site_indptr[k], site_indptr[k + 1]):
                            if changed[site_indices[q]] > stamp[k]:
                                moved = True
                                break
                    if moved and has_room:
                        high = key
                        pick = k
                    elif moved:
                        full_high = key
                        full = k
            else:
                # every row is covered: groups that fell short get their number back
                while g < n_group and held[g] >= least[g]:
                    g += 1
                if g == n_group:
                    break
                for q in range(ptr[g], ptr[g + 1]):
                    k = by_group[q]
                    if chosen[k] or k == j:
                        continue
                    key = (1.0 + score[k]) / key_cost[k]
                    if key > high:
                        high = key
                        pick = k
                if pick < 0:
                    pick = j
            if pick < 0 and n_open > 0 and (full < 0 or swaps <= 0) and misses > 0:
                # another row may have a site in a group with room
                misses -= 1
                continue
            out = np.int64(-1)
            if pick < 0 and full >= 0 and swaps > 0:
                swaps -= 1
                pick = full
                out = full
            if pick < 0 or spent + cost[pick] >= best_cost:
                break
            n_open = _add(
                pick, row_indptr, row_indices, site_indptr, site_indices, weight, score, chosen,
                count, holder, changed, clock, open_row, open_at, n_open,
            )  # fmt: skip
            spent += cost[pick]
            held[group[pick]] += 1
            stamp[pick] = clock
            member[n_member] = pick
            place[pick] = n_member
            n_member += 1
            if out >= 0:
                # its group is too full now: the one least needed beside it leaves
                out, state = _least_needed(
                    member, n_member, score, key_cost, stamp, pick, group, held, least,
                    group[pick], True, state, scan, sample,
                )  # fmt: skip
                n_open = _remove(
                    out, row_indptr, row_indices, site_indptr, site_indices, weight, score, chosen,
                    count, holder, changed, clock, open_row, open_at, n_open,
                )  # fmt: skip
                spent -= cost[out]
                held[group[out]] -= 1
                stamp[out] = clock
                n_member -= 1
                last = member[n_member]
                member[place[out]] = last
                place[last] = place[out]
            barred = pick
        for t in range(n_open):
            i = open_row[t]
            weight[i] += 1
            for e in range(row_indptr[i], row_indptr[i + 1]):
                score[row_indices[e]] += 1
    number[0], number[1], number[2], number[3] = n_member, n_open, spent, best_cost
    number[4], number[5] = clock, barred
    rng[0] = state


class LimitedWalk:
    """State of a search within limits.

    Parameters
    ----------
    lists : Lists
    cost : (n_site,) int64
    layout : GroupLayout
    group : (n_site,) int64
    start : (n_site,) bool
        A choice within the limits; it need not cover.
    value : int
        Only cheaper plans are sought.
    seed : int

    Attributes
    ----------
    best : (n_site,) bool
        The best plan found, where `value` is below the one given.
    """

    def __init__(
        self, lists: Lists, cost: IntArray, layout: GroupLayout, group: IntArray, start: BoolArray,
        value: int, seed: int,
    ) -> None:  # fmt: skip
        m, n = lists.n_row, lists.n_site
        self.lists, self.cost, self.layout, self.group = lists, cost, layout, group
        self.best = start.copy()
        mine = np.flatnonzero(start)
        count = cover_counts(lists, start)
        row = np.repeat(np.arange(m), np.diff(lists.row_indptr))
        inside = start[lists.row_indices]
        holder = np.zeros(m, np.int64)
        np.add.at(holder, row[inside], lists.row_indices[inside])
        score = np.zeros(n, np.int64)
        alone = count == 1
        np.subtract.at(score, holder[alone], 1)
        uncovered = np.flatnonzero(count == 0)
        np.add.at(score, lists.row_indices[(count == 0)[row]], 1)
        member, place = np.zeros(n, np.int32), np.zeros(n, np.int32)
        member[: mine.size] = mine
        place[mine] = np.arange(mine.size)
        open_row, open_at = np.zeros(m, np.int32), np.zeros(m, np.int32)
        open_row[: uncovered.size] = uncovered
        open_at[uncovered] = np.arange(uncovered.size)
        held = np.bincount(group[mine], minlength=layout.least.size)
        # keys divide by costs: a site that costs nothing is as good as one far cheaper than all
        positive = cost[cost > 0]
        key_cost = np.maximum(cost, 1e-3 * float(positive.min(initial=1)))
        self.key_cost, self.held = key_cost, held
        self.state = (
            np.ones(m, np.int64), score, start.copy(), count, holder, np.zeros(m, np.int64),
            np.zeros(n, np.int64), member, place, open_row, open_at,
        )  # fmt: skip
        spent = int(cost[mine].sum())
        self.number = np.array([mine.size, uncovered.size, spent, value, 0, -1], np.int64)
        self.rng = np.random.Generator(np.random.Philox(key=[seed, 13])).integers(
            1, 2**63, 1, dtype=np.uint64
        )

    @property
    def value(self) -> int:
        """Cost of the best plan, or of the one to beat."""
        return int(self.number[3])

    def move(self, moves: int, target: int) -> None:
        """Make `moves` moves, or end at a plan of cost `target`."""
        lists, layout = self.lists, self.layout
        _walk_within(
            lists.row_indptr, lists.row_indices, lists.site_indptr, lists.site_indices, self.cost,
            self.key_cost, self.group, layout.ptr, layout.site, layout.least, layout.most,
            self.held, *self.state, self.best, self.number, self.rng, moves, target, SCAN, SAMPLE,
        )  # fmt: skip
