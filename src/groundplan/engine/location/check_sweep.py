r"""Sweeps over sites in plain NumPy, all of a batch in step: can a choice lose less than a limit.

A sweep decides its sites one after another (see `frontier` for what a choice loses). A partial
choice is a mask of the chosen sites whose rows are still open, and what it has lost; two of one
sweep with equal masks have equal futures, and the one that has lost less stands for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import VerificationError

__all__ = ["STATES_MAX", "Sweeps", "lay_sweeps", "least_survivors"]

IntArray = NDArray[np.int64]
MaskArray = NDArray[np.uint64]
#: Partial choices of a batch beyond which a certificate is refused: no honest one needs as many.
STATES_MAX = 40_000_000
#: Odd numbers that spread masks over a table.
SPREADERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


@dataclass(frozen=True)
class Groups:
    """Rows of each decision that the same earlier sites cover.

    Attributes
    ----------
    begin : (n_decision + 1,) int64
        Groups of each decision.
    mask : (n_group,) uint64
        Earlier sites that cover them.
    amount : (n_group,) int64
    """

    begin: IntArray
    mask: MaskArray
    amount: IntArray

    def total(self, decision: IntArray, mask: MaskArray, *, is_hit: bool) -> IntArray:
        """Return for each state the amounts of the groups that its mask hits, or does not hit."""
        first = self.begin[decision]
        count = self.begin[decision + 1] - first
        end = np.cumsum(count)
        n = int(end[-1]) if end.size else 0
        if n == 0:
            return np.zeros(decision.size, np.int64)
        group = np.arange(n) + np.repeat(first - end + count, count)
        hit = (self.mask[group] & np.repeat(mask, count)) != 0
        running = np.zeros(n + 1, np.int64)
        np.cumsum(self.amount[group] * (hit if is_hit else ~hit), out=running[1:])
        found: IntArray = running[end] - running[end - count]
        return found


@dataclass(frozen=True)
class Sweeps:
    """Decisions of a batch of sweeps, one sweep after another.

    Attributes
    ----------
    first : (n_sweep + 1,) int64
        First decision of each sweep.
    take, leave : (n_decision,) int64
        What choosing the site loses whatever came before, and what leaving it out does.
    bit, keep : (n_decision,) uint64
        Mask of the site, and bits that stay open after the decision.
    multiple, dead : Groups
        Lost by choosing where an earlier site is chosen, lost by leaving out where none is.
    """

    first: IntArray
    take: IntArray
    leave: IntArray
    bit: MaskArray
    keep: MaskArray
    multiple: Groups
    dead: Groups


def group_rows(n_decision: int, decision: IntArray, mask: MaskArray, amount: IntArray) -> Groups:
    """Gather rows by decision and mask."""
    if not decision.size:
        return Groups(np.zeros(n_decision + 1, np.int64), mask, amount)
    # one number to sort by, instead of three arrays: decision, some bits of the mask, place; masks
    # that share these bits only make a group fall into several
    digits = int(decision.size).bit_length()
    spare = 63 - digits - int(n_decision).bit_length()
    spread = (mask * SPREADERS[0]) >> np.uint64(64 - min(spare, 30))
    key = (decision << min(spare, 30)) | spread.astype(np.int64)
    key = (key << digits) | np.arange(decision.size)
    key.sort()
    order = key & ((1 << digits) - 1)
    decision, mask, amount = decision[order], mask[order], amount[order]
    new = np.ones(decision.size, bool)
    new[1:] = (decision[1:] != decision[:-1]) | (mask[1:] != mask[:-1])
    head = np.flatnonzero(new)
    begin = np.searchsorted(decision[head], np.arange(n_decision + 1))
    return Groups(begin, mask[head], np.add.reduceat(amount, head))


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
    if not decision.size:
        none = group_rows(n, decision, np.empty(0, np.uint64), np.empty(0, np.int64))
        return Sweeps(first, take, leave, bit, ~bit, none, none)
    sweep = np.repeat(np.arange(length.size), length)[decision]
    new = np.ones(sweep.size, bool)
    new[1:] = (sweep[1:] != sweep[:-1]) | (row[1:] != row[:-1])
    head = np.flatnonzero(new)
    size = np.diff(np.append(head, sweep.size))
    tail = head + size - 1
    final = np.repeat(decision[tail], size)
    if int((final - decision).max()) >= 64:
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
    is_shared = ~new
    lost = price[row[is_shared]]
    multiple = group_rows(n, decision[is_shared], before[is_shared], lost)
    is_open = (left > 0) & ~alone
    dead = group_rows(n, decision[tail[is_open]], before[tail[is_open]], left[is_open])
    return Sweeps(first, take, leave, bit, ~clear, multiple, dead)


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
    first = plan.first
    length = np.diff(first)
    survives = np.zeros(length.size, bool)
    profile = np.repeat(limit, length)
    most = profile - rest
    owner = np.repeat(np.arange(length.size), length)
    unites = (~plan.keep & ~plan.bit) != 0
    ends = np.zeros(owner.size, bool)
    ends[first[1:][length > 0] - 1] = True
    at = first[:-1][(length > 0) & (limit > 0)]
    mask, loss = np.zeros(at.size, np.uint64), np.zeros(at.size, np.int64)
    while at.size:
        if 2 * at.size > STATES_MAX:
            raise VerificationError("the tiles take more than any honest search to check")
        room = most[at]
        chosen, left = loss + plan.take[at], loss + plan.leave[at]
        # rows are looked at only where the choice is open still
        a, b = np.flatnonzero(chosen < room), np.flatnonzero(left < room)
        place_a, mask_a, place_b, mask_b = at[a], mask[a], at[b], mask[b]
        loss_a = chosen[a] + plan.multiple.total(place_a, mask_a, is_hit=True)
        loss_b = left[b] + plan.dead.total(place_b, mask_b, is_hit=False)
        a, b = np.flatnonzero(loss_a < room[a]), np.flatnonzero(loss_b < room[b])
        at = np.concatenate([place_a[a], place_b[b]])
        mask = np.concatenate([mask_a[a] | plan.bit[place_a[a]], mask_b[b]]) & plan.keep[at]
        loss = np.concatenate([loss_a[a], loss_b[b]])
        if unites[at].any():
            at, mask, loss = unite(at, mask, loss)
        np.minimum.at(profile, at, loss)
        over = ends[at]
        if over.any():
            survives[owner[at[over]]] = True
            at, mask, loss = at[~over], mask[~over], loss[~over]
        at = at + 1
    return survives, profile


def unite(at: IntArray, mask: MaskArray, loss: IntArray) -> tuple[IntArray, MaskArray, IntArray]:
    """Drop states that another one of the same decision with an equal mask stands for.

    Whatever falls on one place of a table is compared with the last that fell there. A pair that
    never meets stays: that costs work and proves no less.
    """
    for spreader in SPREADERS:
        if at.size < 2:
            break
        digits = int(at.size).bit_length() + 1
        place = ((mask ^ (at.astype(np.uint64) * SPREADERS[1])) * spreader) >> np.uint64(
            64 - digits
        )
        place = place.astype(np.int64)
        table = np.empty(1 << digits, np.int64)
        table[place] = np.arange(at.size)
        other = table[place]
        same = (mask[other] == mask) & (at[other] == at)
        same &= other != np.arange(at.size)
        twin = np.flatnonzero(same)
        if not twin.size:
            continue
        np.minimum.at(loss, other[twin], loss[twin])
        kept = np.flatnonzero(~same)
        at, mask, loss = at[kept], mask[kept], loss[kept]
    return at, mask, loss
