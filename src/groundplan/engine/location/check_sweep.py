r"""Sweeps over sites in plain NumPy, all of a batch in step: can a choice lose less than a limit.

A sweep decides its sites one after another (see `frontier` for what a choice loses). A partial
choice is a mask of the chosen sites whose rows are still open, and what it may still lose; two of
one sweep with equal masks have equal futures, and the one that may lose more stands for both.

What a decision loses depends on the few chosen sites that share rows with it. Most partial choices
agree on those with many others, so it is added up once for all that agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import VerificationError

__all__ = ["STATES_MAX", "Sweeps", "lay_sweeps", "least_survivors"]

IntArray = NDArray[np.int64]
MaskArray = NDArray[np.uint64]
RoomArray = NDArray[np.signedinteger[Any]]
#: Partial choices of a batch beyond which a certificate is refused: no honest one needs as many.
STATES_MAX = 40_000_000
#: Groups looked at in one go.
CHUNK = 1 << 19
#: An odd number that spreads masks over a table.
SPREADER = np.uint64(0x9E3779B97F4A7C15)
#: Losses below this are worked on as 32-bit numbers.
NARROW = 1 << 30
#: More than any limit: whoever loses this much leaves.
EVERYTHING = 1 << 62


@dataclass(frozen=True)
class Sweeps:
    """Decisions of a batch of sweeps, one sweep after another.

    Attributes
    ----------
    first : (n_sweep + 1,) int64
        First decision of each sweep.
    take, leave : (n_decision,) int64
        What choosing the site loses whatever came before, and what leaving it out does.
    keep, near : (n_decision,) uint64
        Bits that stay open after the decision, and bits of the earlier sites that share rows with
        its own. Step k of a sweep has bit ``k % 64``.
    frees : (n_decision,) bool
        Whether a bit of an earlier site is free after the decision.
    begin : (n_decision + 1,) int64
        Groups of each decision: its rows that the same earlier sites cover.
    mask : (n_group,) uint64
        These earlier sites.
    multiple, dead : (n_group,) int64
        Lost by choosing where one of them is chosen, lost by leaving out where none is.
    """

    first: IntArray
    take: IntArray
    leave: IntArray
    keep: MaskArray
    near: MaskArray
    frees: NDArray[np.bool_]
    begin: IntArray
    mask: MaskArray
    multiple: IntArray
    dead: IntArray

    def losses(self, at: IntArray, mask: MaskArray) -> tuple[IntArray, IntArray]:
        """Return what leaving out and what choosing lose, for decisions and masks before them."""
        take, leave = self.take[at], self.leave[at]
        first = self.begin[at]
        count = self.begin[at + 1] - first
        end = np.cumsum(count)
        a = 0
        while a < at.size:
            done = int(end[a - 1]) if a else 0
            b = max(a + 1, int(np.searchsorted(end, done + CHUNK, side="right")))
            size, last = count[a:b], end[a:b] - done
            group = np.repeat(first[a:b] - last + size, size)
            group += np.arange(group.size)
            hit = (self.mask[group] & np.repeat(mask[a:b], size)) != 0
            running = np.zeros(group.size + 1, np.int64)
            np.cumsum(self.multiple[group] * hit, out=running[1:])
            take[a:b] += running[last] - running[last - size]
            np.cumsum(self.dead[group] * ~hit, out=running[1:])
            leave[a:b] += running[last] - running[last - size]
            a = b
        return leave, take


def lay_sweeps(
    first: IntArray,
    decision: IntArray,
    row: IntArray,
    degree: NDArray[np.int32],
    whole: IntArray,
    price: IntArray,
    reduced: IntArray,
) -> Sweeps:
    """Lay sweeps out for `least_survivors`.

    Parameters
    ----------
    first : (n_sweep + 1,) int64
    decision, row : (n_pair,) int64
        That the site of a decision covers a row; the pairs of one row in one sweep stand together,
        with growing decisions.
    degree : (n_row,) int32
        Candidates that reach each row: where a sweep has fewer, leaving it uncovered loses nothing.
    whole, price : (n_row,) int64
    reduced : (n_decision,) int64
        Reduced score of each site.
    """
    n = reduced.size
    length = np.diff(first)
    step = np.arange(n) - np.repeat(first[:-1], length)
    bit = np.uint64(1) << (step % 64).astype(np.uint64)
    take, leave = np.maximum(-reduced, 0), np.maximum(reduced, 0)
    sweep = np.repeat(np.arange(length.size), length)[decision]
    new = np.ones(sweep.size, bool)
    new[1:] = (sweep[1:] != sweep[:-1]) | (row[1:] != row[:-1])
    head = np.flatnonzero(new)
    size = np.diff(np.append(head, sweep.size))
    tail = head + size - 1
    final = np.repeat(decision[tail], size)
    if int((final - decision).max(initial=0)) >= 64:
        raise VerificationError("a row of a tile is open for more than 63 decisions")
    # bits of one row's sites differ, so their sum is their union
    bits = bit[decision]
    before = np.cumsum(bits, dtype=np.uint64) - bits
    before -= np.repeat(before[head], size)
    mine = row[head]
    left = np.where(size == degree[mine], whole[mine] - price[mine], 0)
    alone = size == 1
    np.add.at(leave, decision[tail[alone]], left[alone])
    # when a site's rows are all decided, its bit is free
    leaving = np.arange(n)
    np.maximum.at(leaving, decision, final)
    clear = np.zeros(n, np.uint64)
    np.bitwise_or.at(clear, leaving, bit)
    dead = np.zeros(sweep.size, np.int64)
    dead[tail] = left
    shared = np.flatnonzero(~new)
    begin, mask, multiple, dead = group_rows(
        n, decision[shared], before[shared], price[row[shared]], dead[shared]
    )
    near = np.zeros(n, np.uint64)
    some = np.flatnonzero(np.diff(begin))
    if some.size:
        near[some] = np.bitwise_or.reduceat(mask, begin[some])
    frees = (clear & ~bit) != 0
    return Sweeps(first, take, leave, ~clear, near, frees, begin, mask, multiple, dead)


def group_rows(
    n_decision: int, decision: IntArray, mask: MaskArray, multiple: IntArray, dead: IntArray
) -> tuple[IntArray, MaskArray, IntArray, IntArray]:
    """Gather rows by decision and mask; return where each decision begins, and the groups."""
    # one number to sort by, instead of three arrays: decision, some bits of the mask, place; masks
    # that share these bits only make a group fall into several
    digits = int(decision.size).bit_length()
    spare = min(30, 63 - digits - int(n_decision).bit_length())
    spread = (mask * SPREADER) >> np.uint64(64 - spare)
    key = (((decision << spare) | spread.astype(np.int64)) << digits) | np.arange(decision.size)
    key.sort()
    order = key & ((1 << digits) - 1)
    decision, mask = decision[order], mask[order]
    new = np.ones(decision.size, bool)
    new[1:] = (decision[1:] != decision[:-1]) | (mask[1:] != mask[:-1])
    head = np.flatnonzero(new)
    begin = np.searchsorted(decision[head], np.arange(n_decision + 1))
    if head.size:
        multiple = np.add.reduceat(multiple[order], head)
        dead = np.add.reduceat(dead[order], head)
    return begin, mask[head], multiple, dead


def least_survivors(
    plan: Sweeps, limit: IntArray, rest: IntArray
) -> tuple[NDArray[np.bool_], IntArray]:
    """Return which sweeps have a choice that loses less than `limit`, and the least loss by step.

    Parameters
    ----------
    limit : (n_sweep,) int64
    rest : (n_decision,) int64
        A loss that is certain after each decision.

    Returns
    -------
    survives : (n_sweep,) bool
    profile : (n_decision,) int64
        No choice that ends below `limit` has lost less than this with a decision.
    """
    length = np.diff(plan.first)
    survives = np.zeros(length.size, bool)
    profile = np.repeat(limit, length)
    most = profile - rest
    highest = max(int(most.max(initial=0)), int(limit.max(initial=0)))
    kind: type[np.signedinteger[Any]] = np.int32 if highest < NARROW else np.int64
    # the states of a sweep stand together: how many they are, and what each may lose from here on
    # beyond what is certain
    sweep = np.flatnonzero((length > 0) & (limit > 0))
    count, room_before = np.ones(sweep.size, np.int64), limit[sweep]
    mask, room = np.zeros(sweep.size, np.uint64), room_before.astype(kind)
    step = 0
    while sweep.size:
        if 2 * mask.size > STATES_MAX:
            raise VerificationError("the tiles take more than any honest search to check")
        at = plan.first[sweep] + step
        mask, room, count = decide(plan, at, mask, room, count, most[at] - room_before, step)
        if plan.frees[at].any():
            mask, room, count = unite(mask, room, count)
        some = np.flatnonzero(count)
        sweep, at, count = sweep[some], at[some], count[some]
        if sweep.size:
            best = np.maximum.reduceat(room, np.cumsum(count) - count)
            profile[at] = np.minimum(profile[at], most[at] - best)
        goes_on = step + 1 < length[sweep]
        if not goes_on.all():
            survives[sweep[~goes_on]] = True
            stays = np.repeat(goes_on, count)
            mask, room = mask[stays], room[stays]
            sweep, at, count = sweep[goes_on], at[goes_on], count[goes_on]
        room_before = most[at]
        step += 1
    return survives, profile


def decide(
    plan: Sweeps, at: IntArray, mask: MaskArray, room: RoomArray, count: IntArray, gained: IntArray,
    step: int,
) -> tuple[MaskArray, RoomArray, IntArray]:  # fmt: skip
    """Return the states after a decision of each sweep; those without room have left.

    Parameters
    ----------
    at, count, gained : (n_sweep,) int64
        Decision, number of states, and room that all states gain since less is certain.
    mask, room : (n_state,)
    """
    near_bits = plan.near[at]
    near = mask & np.repeat(near_bits, count)
    # what a decision loses depends on the near sites alone: one state speaks for all alike
    alike = find_alike(near, count)
    head = np.flatnonzero(alike == np.arange(alike.size))
    start = np.concatenate([[0], np.cumsum(count)])
    of = np.searchsorted(start, head, side="right") - 1
    after = np.empty((mask.size, 2), room.dtype)
    top = NARROW if room.dtype == np.int32 else EVERYTHING
    for k, lost in enumerate(plan.losses(at[of], near[head])):
        spent = np.empty(mask.size, room.dtype)
        spent[head] = np.minimum(lost - gained[of], top)
        np.subtract(room, spent[alike], out=after[:, k])
    room = after.ravel()
    kept = np.flatnonzero(room > 0)
    room, mask = room[kept], mask[kept >> 1]
    mask |= (kept & 1).astype(np.uint64) << np.uint64(step % 64)
    count = np.diff(np.searchsorted(kept, 2 * start))
    mask &= np.repeat(plan.keep[at], count)
    return mask, room, count


def unite(
    mask: MaskArray, room: RoomArray, count: IntArray
) -> tuple[MaskArray, RoomArray, IntArray]:
    """Drop states that another one of the same sweep with an equal mask stands for."""
    alike = find_alike(mask, count)
    is_twin = alike != np.arange(alike.size)
    twin = np.flatnonzero(is_twin)
    if not twin.size:
        return mask, room, count
    np.maximum.at(room, alike[twin], room[twin])
    kept = np.flatnonzero(~is_twin)
    count = np.diff(np.searchsorted(kept, np.concatenate([[0], np.cumsum(count)])))
    return mask[kept], room[kept], count


def find_alike(mask: MaskArray, count: IntArray) -> IntArray:
    """Return for each mask the place of an equal one of the same sweep, most often one for all.

    Whatever falls on one place of a table is compared with the last that fell there; one that
    differs from it stands for itself, as if it had no equal: that costs work and proves no less.
    """
    digits = np.frexp(count.astype(np.float64))[1].astype(np.int64) + 1
    size = np.int64(1) << digits
    place = mask * SPREADER
    place >>= np.repeat((64 - digits).astype(np.uint64), count)
    spot = place.view(np.int64)
    spot += np.repeat(np.cumsum(size) - size, count)
    own = np.arange(mask.size)
    table = np.empty(int(size.sum()), np.int64)
    table[spot] = own
    alike: IntArray = table[spot]
    np.copyto(alike, own, where=mask[alike] != mask)
    return alike
