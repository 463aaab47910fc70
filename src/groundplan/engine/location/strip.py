r"""The proof of a plan along a strip: all sites decided in one sweep, however wide the frontier.

As in `frontier`, a partial choice loses against the prices, and two with the same chosen sites on
the frontier have equal futures. Here the frontier is a mask of `WORDS` words, and what keeps the
partial choices few is not its width but how little they may lose: the bound less the value of the
plan to beat. What the sites still to come must lose is known from searches of shorter stretches,
each level twice as long as the last and searched with the knowledge of the level below. A sweep of
all sites that ends with no choice proves the plan; a few chosen sites between two ends of a
frontier, as in a long city, are where this works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.program import Program

__all__ = ["WORDS", "SweepPrices", "sweep_order", "sweep_strip"]

IntArray = NDArray[np.int64]
#: Words of the mask: a site may be open for 64 decisions a word.
WORDS = 8
#: Sites of the shortest stretches.
SHORTEST = 220


@dataclass(frozen=True)
class SweepPrices:
    """Whole prices of a sweep: weight and price of each row, reduced score of each site."""

    whole: IntArray
    price: IntArray
    reduced: IntArray


@jit
def _unite(n, mask, loss, table):
    """Keep the cheapest of the states with equal masks; returns how many stay."""
    size = 16
    while size < 2 * n:
        size *= 2
    table[:size] = -1
    top = np.uint64(size - 1)
    words = mask.shape[1]
    kept = 0
    for s in range(n):
        h = np.uint64(0x243F6A8885A308D3)
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
                kept += 1
                break
            same = True
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
def _explore(n, indptr, indices, whole, price, reduced, last, leave, rest, limit, cap, profile):
    """Return a loss that no choice goes below, at most `limit`; see `frontier.explore`.

    Parameters
    ----------
    last : (n_row,) int32
        Last site that covers each row.
    leave : (n,) int32
        Decision after which each site is no longer open.
    profile : (n,) int64
        Output: what is lost at least up to and with each decision.
    """
    words = WORDS
    bits = 64 * words
    row_mask = np.zeros((whole.size, words), np.uint64)
    room = 4096
    mask, new_mask = np.zeros((room, words), np.uint64), np.zeros((room, words), np.uint64)
    loss, new_loss = np.zeros(room, np.int64), np.zeros(room, np.int64)
    table = np.empty(4 * room, np.int32)
    states = 1
    dropped = limit
    for j in range(n):
        if 2 * states > room:
            while 2 * states > room:
                room *= 2
            wider, longer = np.zeros((room, words), np.uint64), np.zeros(room, np.int64)
            wider[:states], longer[:states] = mask[:states], loss[:states]
            mask, loss = wider, longer
            new_mask, new_loss = np.zeros((room, words), np.uint64), np.zeros(room, np.int64)
            table = np.empty(4 * room, np.int32)
        take, stay = max(0, -reduced[j]), max(0, reduced[j])
        most = limit - rest[j]
        word, bit = (j % bits) >> 6, np.uint64(1) << np.uint64(j & 63)
        count = 0
        for s in range(states):
            a, b = loss[s] + take, loss[s] + stay
            for q in range(indptr[j], indptr[j + 1]):
                i = indices[q]
                if a >= most and last[i] != j:
                    continue
                hit = False
                for x in range(words):
                    if mask[s, x] & row_mask[i, x]:
                        hit = True
                        break
                if hit:
                    a += price[i]
                elif last[i] == j:
                    b += whole[i] - price[i]
            if b < most:
                new_mask[count] = mask[s]
                new_loss[count] = b
                count += 1
            if a < most:
                new_mask[count] = mask[s]
                new_mask[count, word] |= bit
                new_loss[count] = a
                count += 1
        closed = 0
        for k in range(max(0, j - bits + 1), j + 1):
            if leave[k] == j:
                closed += 1
                free = ~(np.uint64(1) << np.uint64(k & 63))
                for s in range(count):
                    new_mask[s, (k % bits) >> 6] &= free
        if closed:
            count = _unite(count, new_mask, new_loss, table)
        if count > cap:
            cut = np.partition(new_loss[:count], cap)[cap]
            dropped = min(dropped, cut + rest[j])
            kept = 0
            for s in range(count):
                if new_loss[s] < cut:
                    new_mask[kept] = new_mask[s]
                    new_loss[kept] = new_loss[s]
                    kept += 1
            count = kept
        if count == 0:
            profile[j:n] = dropped
            return dropped
        least = new_loss[0]
        for s in range(1, count):
            least = min(least, new_loss[s])
        profile[j] = min(least, dropped)
        mask, new_mask = new_mask, mask
        loss, new_loss = new_loss, loss
        states = count
        for q in range(indptr[j], indptr[j + 1]):
            row_mask[indices[q], word] |= bit
    least = loss[0]
    for s in range(1, states):
        least = min(least, loss[s])
    return min(least, dropped)


class Stretch:
    """Sites decided one after another, with rows numbered from 0."""

    def __init__(self, program: Program, prices: SweepPrices, order: NDArray[np.int32]) -> None:
        length = np.diff(program.site_indptr)[order]
        self.indptr = np.zeros(order.size + 1, np.int64)
        np.cumsum(length, out=self.indptr[1:])
        at = np.arange(int(self.indptr[-1])) + np.repeat(
            program.site_indptr[order] - self.indptr[:-1], length
        )
        rows, indices, degree = np.unique(
            program.site_indices[at], return_inverse=True, return_counts=True
        )
        self.indices = indices.astype(np.int32)
        self.price = prices.price[rows]
        # a row that others reach as well is worth its price here
        inner = degree == np.diff(program.row_indptr)[rows]
        self.whole = np.where(inner, prices.whole[rows], self.price)
        self.reduced = prices.reduced[order]
        step = np.repeat(np.arange(order.size, dtype=np.int32), length)
        self.last = np.zeros(rows.size, np.int32)
        np.maximum.at(self.last, self.indices, step)
        self.leave = np.arange(order.size, dtype=np.int32)
        np.maximum.at(self.leave, step, self.last[self.indices])

    def fits(self) -> bool:
        """Return whether no site is open for longer than the mask is wide."""
        open_for = self.leave - np.arange(self.leave.size)
        return bool(open_for.max(initial=0) < 64 * WORDS)

    def lose(self, rest: IntArray, limit: int, cap: int) -> tuple[int, IntArray]:
        """Return a loss that no choice goes below, and what is lost at least by decision."""
        profile = np.zeros(rest.size, np.int64)
        found = _explore(
            rest.size, self.indptr, self.indices, self.whole, self.price, self.reduced, self.last,
            self.leave, rest, limit, cap, profile,
        )  # fmt: skip
        return int(found), profile


def sweep_order(program: Program) -> NDArray[np.int32]:
    """Return the sites along the longer axis of their places."""
    xy = np.column_stack([program.x, program.y])
    xy -= xy.mean(axis=0)
    _, _, axis = np.linalg.svd(xy.T @ xy)
    return np.argsort(xy @ axis[0], kind="stable").astype(np.int32)


def sweep_strip(
    program: Program,
    prices: SweepPrices,
    order: NDArray[np.int32],
    limit: int,
    cap: int,
    tick: Callable[[int], bool] = lambda _done: False,
) -> int:
    """Return a loss that no choice of sites goes below, at most `limit`.

    Parameters
    ----------
    order : (n_site,) int32
        All sites in the order of the sweep.
    limit : int
        Only choices that lose less are of interest.
    cap : int
        Most partial choices kept at a time.
    tick : callable
        Told how many stretches are done; true ends the work with what is proven.
    """
    n = order.size
    parts = 1
    while n / parts > SHORTEST:
        parts *= 2
    # of each stretch of the level below: first and last site, loss, loss of what leads up to a site
    below: list[tuple[int, int, int, IntArray]] = []
    proven = done = 0
    while True:
        edge = np.linspace(0, n, parts + 1).astype(np.int64)
        level = []
        for a, b in zip(edge[:-1].tolist(), edge[1:].tolist(), strict=True):
            back = Stretch(program, prices, order[a:b][::-1])
            if not back.fits():
                return proven
            mine = [s for s in below if a <= s[0] < b]
            certain = sum(s[2] for s in mine)
            # at least this is lost by the sites up to and with each one
            lead = np.zeros(b - a, np.int64)
            for first, end, loss, profile in mine:
                lead[first - a : end - a] += profile
                lead[end - a :] += loss
            # swept backwards: after a decision the sites before it remain
            rest = np.append(lead[:-1][::-1], 0)
            trial = certain + max(1, limit // (8 * parts))
            while True:
                trial = min(trial, limit)
                loss, _profile = back.lose(rest, trial, cap)
                if loss < trial or trial == limit:
                    break
                trial *= 2
            loss = max(loss, certain)
            if parts > 1:
                # no foresight here: what it cuts off would be missing in the profile
                nothing = np.zeros(b - a, np.int64)
                ahead = Stretch(program, prices, order[a:b])
                _, profile = ahead.lose(nothing, loss + 1, cap)
                lead = np.maximum(lead, np.minimum(profile, loss))
            level.append((a, b, loss, lead))
            done += 1
            if tick(done):
                return proven
        proven = max(proven, min(limit, sum(s[2] for s in level)))
        if parts == 1 or proven >= limit:
            return proven
        below = level
        parts //= 2
