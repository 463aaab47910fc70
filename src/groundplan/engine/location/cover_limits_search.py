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
    _has_changed,
    _next,
    _remove,
    _weigh,
    begin_at,
    draws,
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
    member, n_member, score, key_cost, stamp, barred, group, held, least, only, rare, rng, scan,
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
            rng = _next(rng)
            at = np.int64(rng % np.uint64(n_member))
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
    return best, rng


@jit
def _walk_within(
    lists, cost, key_cost, group, ptr, by_group, least, most, held, state, best, number, seed,
    moves, target, scan, sample,
):  # fmt: skip
    """Move `moves` times; ``number``: members, open rows, spent, best cost, clock, barred site."""
    row_indptr, row_indices, site_indptr, site_indices = lists
    _, score, chosen, _, _, changed, stamp, member, _, open_row, _ = state
    n_member, n_open = number[0], number[1]
    spent, best_cost, clock, barred = number[2], number[3], number[4], number[5]
    n_group = ptr.size - 1
    rng = seed[0]
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
            goes, rng = _least_needed(
                member, n_member, score, key_cost, stamp, -1, group, held, least, -1, False, rng,
                scan, sample,
            )  # fmt: skip
            if goes < 0:
                break
            n_open, n_member = _remove(goes, clock, lists, state, n_open, n_member)
            spent -= cost[goes]
            held[group[goes]] -= 1
        if best_cost <= target:
            break
        rng = _next(rng)
        rare = goes < 0 and rng % np.uint64(RARE) == np.uint64(0)
        j = np.int64(-1)
        # far below the cost to beat, what is open is a question of caps
        if spent >= NEAR * best_cost or rare:
            j, rng = _least_needed(
                member, n_member, score, key_cost, stamp, barred, group, held, least, -1,
                rare or (n_open == 0 and short == 0), rng, scan, sample,
            )  # fmt: skip
        if j >= 0:
            n_open, n_member = _remove(j, clock, lists, state, n_open, n_member)
            spent -= cost[j]
            held[group[j]] -= 1
        swaps = SWAPS
        misses = MISSES
        g = np.int64(0)
        while n_open > 0 or g < n_group:
            pick = np.int64(-1)
            high = -1.0
            full = np.int64(-1)
            full_high = -1.0
            if n_open > 0:
                rng = _next(rng)
                i = open_row[np.int64(rng % np.uint64(n_open))]
                for e in range(row_indptr[i], row_indptr[i + 1]):
                    k = row_indices[e]
                    key = score[k] / key_cost[k]
                    has_room = held[group[k]] < most[group[k]]
                    if has_room and (key < high or (key == high and stamp[k] >= stamp[pick])):
                        continue
                    if not has_room and (key <= full_high or most[group[k]] <= 0):
                        continue
                    moved = (
                        stamp[k] == 0
                        or clock - stamp[k] > TENURE
                        or _has_changed(k, site_indptr, site_indices, changed, stamp[k])
                    )
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
            n_open, n_member = _add(pick, clock, lists, state, n_open, n_member)
            spent += cost[pick]
            held[group[pick]] += 1
            if out >= 0:
                # its group is too full now: the one least needed beside it leaves
                out, rng = _least_needed(
                    member, n_member, score, key_cost, stamp, pick, group, held, least,
                    group[pick], True, rng, scan, sample,
                )  # fmt: skip
                n_open, n_member = _remove(out, clock, lists, state, n_open, n_member)
                spent -= cost[out]
                held[group[out]] -= 1
            barred = pick
        _weigh(n_open, lists, state)
    number[0], number[1], number[2], number[3] = n_member, n_open, spent, best_cost
    number[4], number[5] = clock, barred
    seed[0] = rng


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
        self.lists, self.cost, self.layout, self.group = lists, cost, layout, group
        self.best = start.copy()
        self.held = np.bincount(group[start], minlength=layout.least.size)
        # keys divide by costs: a site that costs nothing is as good as one far cheaper than all
        positive = cost[cost > 0]
        self.key_cost = np.maximum(cost, 1e-3 * float(positive.min(initial=1)))
        self.state, n_member, n_open = begin_at(lists, start, np.ones(lists.n_row, np.int64))
        spent = int(cost[start].sum())
        self.number = np.array([n_member, n_open, spent, value, 0, -1], np.int64)
        self.rng = draws(seed, 13)

    @property
    def value(self) -> int:
        """Cost of the best plan, or of the one to beat."""
        return int(self.number[3])

    def move(self, moves: int, target: int) -> None:
        """Make `moves` moves, or end at a plan of cost `target`."""
        layout = self.layout
        _walk_within(
            self.lists.arrays, self.cost, self.key_cost, self.group, layout.ptr, layout.site,
            layout.least, layout.most, self.held, self.state, self.best, self.number, self.rng,
            moves, target, SCAN, SAMPLE,
        )  # fmt: skip
