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
#: Groups of a decision that are looked at first, of those that choosing loses and leaving out.
MULTIPLE_TOP, DEAD_TOP = 4, 2
#: Odd numbers that spread masks over a table.
SPREADERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


@dataclass(frozen=True)
class Groups:
    """Rows of each decision that the same earlier sites cover, those of the largest amount first.

    Attributes
    ----------
    begin : (n_decision + 1,) int64
        Groups of each decision.
    mask : (n_group,) uint64
        Earlier sites that cover them.
    amount : (n_group,) int64
    top_mask, top_amount : (n_top, n_decision) uint64, int64
        The first groups of each decision once more; 0 where there are fewer.
    """

    begin: IntArray
    mask: MaskArray
    amount: IntArray
    top_mask: MaskArray
    top_amount: IntArray

    def add(
        self, at: IntArray, mask: MaskArray, loss: IntArray, room: IntArray, *, is_hit: bool
    ) -> tuple[IntArray, MaskArray, IntArray]:
        """Add to losses what the groups that a mask hits, or does not hit, amount to.

        Parameters
        ----------
        at, mask, loss
            Decision, mask and loss of each state.
        room : int64
            States that lose as much or more leave.
        is_hit : bool
            Whether the groups count that the mask hits.
        """
        # most of the states that leave do so at the largest amounts
        for top_mask, top_amount in zip(self.top_mask, self.top_amount, strict=True):
            hit = (top_mask[at] & mask) != 0
            loss = loss + top_amount[at] * (hit if is_hit else ~hit)
        kept = np.flatnonzero(loss < room)
        at, mask, loss, room = at[kept], mask[kept], loss[kept], room[kept]
        first = self.begin[at] + len(self.top_mask)
        count = np.maximum(self.begin[at + 1] - first, 0)
        end = np.cumsum(count)
        n = int(end[-1]) if end.size else 0
        if n:
            group = np.repeat(first - end + count, count)
            group += np.arange(n)
            hit = (self.mask[group] & np.repeat(mask, count)) != 0
            running = np.zeros(n + 1, np.int64)
            np.cumsum(self.amount[group] * (hit if is_hit else ~hit), out=running[1:])
            loss = loss + running[end] - running[end - count]
            kept = np.flatnonzero(loss < room)
            at, mask, loss = at[kept], mask[kept], loss[kept]
        return at, mask, loss


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


def group_rows(
    n_decision: int, decision: IntArray, mask: MaskArray, amount: IntArray, n_top: int
) -> Groups:
    """Gather rows by decision and mask; the first `n_top` groups of a decision are laid apart."""
    # one number to sort by, instead of three arrays: decision, some bits of the mask, place; masks
    # that share these bits only make a group fall into several
    digits = int(decision.size).bit_length()
    spare = min(30, 63 - digits - int(n_decision).bit_length())
    spread = (mask * SPREADERS[0]) >> np.uint64(64 - spare)
    key = (((decision << spare) | spread.astype(np.int64)) << digits) | np.arange(decision.size)
    key.sort()
    order = key & ((1 << digits) - 1)
    decision, mask, amount = decision[order], mask[order], amount[order]
    new = np.ones(decision.size, bool)
    new[1:] = (decision[1:] != decision[:-1]) | (mask[1:] != mask[:-1])
    head = np.flatnonzero(new)
    decision, mask = decision[head], mask[head]
    amount = np.add.reduceat(amount, head) if head.size else amount
    # amounts nearly in order do as well: the order costs or saves work alone
    small = np.minimum(amount >> max(0, int(amount.max(initial=0)).bit_length() - 30), 1 << 30)
    order = np.argsort((decision << 31) - small, kind="stable")
    mask, amount = mask[order], amount[order]
    begin = np.searchsorted(decision, np.arange(n_decision + 1))
    top_mask = np.zeros((n_top, n_decision), np.uint64)
    top_amount = np.zeros((n_top, n_decision), np.int64)
    for k in range(n_top):
        has = np.flatnonzero(np.diff(begin) > k)
        top_mask[k, has], top_amount[k, has] = mask[begin[has] + k], amount[begin[has] + k]
    return Groups(begin, mask, amount, top_mask, top_amount)


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
        none = group_rows(n, decision, np.empty(0, np.uint64), decision, 0)
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
    multiple = group_rows(n, decision[is_shared], before[is_shared], lost, MULTIPLE_TOP)
    is_open = (left > 0) & ~alone
    last = tail[is_open]
    dead = group_rows(n, decision[last], before[last], left[is_open], DEAD_TOP)
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
        at_a, mask_a, loss_a = plan.multiple.add(at, mask, chosen, room, is_hit=True)
        at_b, mask_b, loss_b = plan.dead.add(at, mask, left, room, is_hit=False)
        at = np.concatenate([at_a, at_b])
        mask = np.concatenate([mask_a | plan.bit[at_a], mask_b]) & plan.keep[at]
        loss = np.concatenate([loss_a, loss_b])
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
    never meets stays: that costs work and proves no less. A second table, spread otherwise, finds
    few more and costs a tenth of the check.
    """
    if at.size < 2:
        return at, mask, loss
    digits = int(at.size).bit_length() + 1
    place = ((mask ^ (at.astype(np.uint64) * SPREADERS[1])) * SPREADERS[0]) >> np.uint64(
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
        return at, mask, loss
    np.minimum.at(loss, other[twin], loss[twin])
    kept = np.flatnonzero(~same)
    return at[kept], mask[kept], loss[kept]
