r"""The proof of a plan along a strip: all sites decided in one sweep, however wide the frontier.

As in `frontier`, a partial choice loses against the prices, and two with the same chosen sites on
the frontier have equal futures. Here the frontier is a mask of several words, and what keeps the
partial choices few is not its width but how little they may lose: the bound less the value of the
plan to beat. What the sites still to come must lose is known from searches of shorter stretches,
each level twice as long as the last and searched with the knowledge of the level below.

A stretch is two halves that lose A and B at least. A choice that loses less than A + B + S in all
loses less than A + S/2 in the first half or less than B + S/2 in the second; hence one sweep from
each end, held to half of what is left until the middle, finds every such choice among far fewer
partial ones than a single sweep would keep. A sweep of all sites that ends with no choice proves
the plan; a few chosen sites between two ends of a frontier, as in a long city, are where this
works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import spread
from groundplan.engine.location.program import Program
from groundplan.engine.location.sweep import WORDS, explore_sweep

__all__ = ["SweepPrices", "fits_mask", "sweep_order", "sweep_strip"]

IntArray = NDArray[np.int64]
#: Sites of the shortest stretches.
SHORTEST = 220
#: First step of what a stretch is asked to lose, as a share of its part of the whole, and by how
#: much the next are longer: a step too long costs many times what several short ones do.
FIRST_STEP, GROWTH = 1 / 16, 1.35
#: Stretches between two looks at whether to stop.
BATCH = 4


@dataclass(frozen=True)
class SweepPrices:
    """Whole prices of a sweep.

    Attributes
    ----------
    whole, price : (n_row,) int64
        Weight and price of each row.
    reduced : (n_site,) int64
        Reduced score of each site.
    cost : (n_site,) int64
        Of each site; all zero where what is spent shall not be told apart.
    budget, unit : int
        What may be spent, and the price of one unit of it, rounded down.
    """

    whole: IntArray
    price: IntArray
    reduced: IntArray
    cost: IntArray
    budget: int = 0
    unit: int = 0


class Sweep:
    """Sites decided one after another, with rows numbered from 0.

    Parameters
    ----------
    program : Program
    prices : SweepPrices
    order : (n,) int32
    degree : (n_row,) int64
        How many sites of interest reach each row.
    """

    def __init__(
        self, program: Program, prices: SweepPrices, order: NDArray[np.int32], degree: IntArray
    ) -> None:
        length = np.diff(program.site_indptr)[order]
        self.indptr = np.zeros(order.size + 1, np.int64)
        np.cumsum(length, out=self.indptr[1:])
        at = np.arange(int(self.indptr[-1])) + np.repeat(
            program.site_indptr[order] - self.indptr[:-1], length
        )
        rows, indices, mine = np.unique(
            program.site_indices[at], return_inverse=True, return_counts=True
        )
        self.indices = indices.astype(np.int32)
        self.price = prices.price[rows]
        # a row that others reach as well is worth its price here
        self.whole = np.where(mine == degree[rows], prices.whole[rows], self.price)
        self.reduced, self.cost = prices.reduced[order], prices.cost[order]
        self.budget, self.unit = prices.budget, prices.unit
        step = np.repeat(np.arange(order.size, dtype=np.int32), length)
        self.first = np.full(rows.size, order.size, np.int32)
        np.minimum.at(self.first, self.indices, step)
        self.last = np.zeros(rows.size, np.int32)
        np.maximum.at(self.last, self.indices, step)
        self.leave = np.arange(order.size, dtype=np.int32)
        np.maximum.at(self.leave, step, self.last[self.indices])

    def fits(self) -> bool:
        """Return whether no site is open for longer than the mask is wide."""
        open_for = self.leave - np.arange(self.leave.size)
        return bool(open_for.max(initial=0) < 64 * WORDS)

    def lose(
        self, rest: IntArray, most: IntArray, limit: int, cap: int, *, counts: bool = False
    ) -> tuple[int, IntArray]:
        """Return a loss that no choice goes below, and what is lost at least by decision."""
        profile = np.zeros(rest.size, np.int64)
        # what is spent is told apart only where the sweep holds all sites
        cost = self.cost if counts else np.zeros_like(self.cost)
        budget, unit = (self.budget, self.unit) if counts else (0, 0)
        found = explore_sweep(
            self.indptr, self.indices, self.whole, self.price, self.reduced, self.first, self.last,
            self.leave, rest, most, limit, cap, cost, budget, unit, profile,
        )  # fmt: skip
        return int(found), profile


@dataclass(frozen=True)
class Stretch:
    """What the sites from `begin` to `end` of the order must lose.

    Attributes
    ----------
    begin, end : int
    loss : int
    lead, tail : (end - begin,) int64
        What the sites up to and with each one must lose, and those from each one on.
    """

    begin: int
    end: int
    loss: int
    lead: IntArray
    tail: IntArray


def sweep_order(program: Program) -> NDArray[np.int32]:
    """Return the sites along the longer axis of their places."""
    xy = np.column_stack([program.x, program.y])
    xy -= xy.mean(axis=0)
    _, _, axis = np.linalg.svd(xy.T @ xy)
    return np.argsort(xy @ axis[0], kind="stable").astype(np.int32)


def fits_mask(program: Program) -> bool:
    """Return whether the frontier of a sweep over all sites is narrow enough for the mask."""
    rank = np.empty(program.n_site, np.int64)
    rank[sweep_order(program)] = np.arange(program.n_site)
    mine, begin = rank[program.row_indices], program.row_indptr[:-1]
    # the first site of a row stays open until its last one
    wide = np.maximum.reduceat(mine, begin) - np.minimum.reduceat(mine, begin)
    return bool(wide.max(initial=0) < 64 * WORDS)


class Halves:
    """A stretch as two sweeps, one from each end, with what its halves are known to lose."""

    def __init__(self, ahead: Sweep, back: Sweep, begin: int, below: list[Stretch]) -> None:
        n = ahead.leave.size
        self.ahead, self.back, self.size = ahead, back, n
        self.below = below
        self.certain = sum(s.loss for s in below)
        self.lead, self.tail = np.zeros(n, np.int64), np.zeros(n, np.int64)
        for s in below:
            a, b = s.begin - begin, s.end - begin
            self.lead[a:b] += s.lead
            self.lead[b:] += s.loss
            self.tail[a:b] += s.tail
            self.tail[:a] += s.loss
        self.middle = below[1].begin - begin if len(below) == 2 else n

    def from_end(self, number: int, _end: int, trial: int, cap: int, counts: bool) -> int:
        """Return the least loss found from the front (1) or from the back (0)."""
        sweep = self.ahead if number else self.back
        rest = np.append(self.tail[1:], 0) if number else np.append(self.lead[:-1][::-1], 0)
        most = trial - rest
        if self.below:
            near = self.below[0 if number else 1]
            inside = np.append(near.tail[1:], 0) if number else np.append(near.lead[:-1][::-1], 0)
            held = near.loss + (trial - self.certain + 1) // 2 - inside
            most[: held.size] = np.minimum(most[: held.size], held)
        return sweep.lose(rest, most, trial, cap, counts=counts)[0]

    def find(self, limit: int, step: int, cap: int, *, is_all: bool) -> int:
        """Return a loss that no choice goes below, at most `limit`, raised step by step."""
        trial = self.certain + max(1, step)
        while True:
            trial = min(trial, limit)
            ends = [(0, 1), (1, 2)] if self.below else [(0, 1)]
            if is_all:
                found = int(min(spread(self.from_end, ends, trial, cap, True)))
            else:
                found = trial
                for end in ends:
                    # the other end may find a choice that loses less
                    if found > self.certain:
                        found = min(found, self.from_end(*end, trial, cap, False))
            if found < trial or trial == limit:
                return max(found, self.certain)
            trial = self.certain + int((trial - self.certain) * GROWTH) + 1

    def sum_up(self, begin: int, loss: int, cap: int) -> Stretch:
        """Return the stretch with what leads up to each site and what follows from it."""
        # no foresight here: what it cuts off would be missing in the profile
        nothing, most = np.zeros(self.size, np.int64), np.full(self.size, loss + 1)
        _, lead = self.ahead.lose(nothing, most, loss + 1, cap)
        _, tail = self.back.lose(nothing, most, loss + 1, cap)
        lead = np.maximum(self.lead, np.minimum(lead, loss))
        tail = np.maximum(self.tail, np.minimum(tail, loss)[::-1])
        return Stretch(begin, begin + self.size, loss, lead, tail)


def _prove_stretch(
    a: int, b: int, sweeps: Callable[[int, int], tuple[Sweep, Sweep]], below: list[Stretch],
    limit: int, step: int, cap: int,
) -> Stretch:  # fmt: skip
    """Return what a stretch must lose; the form in which `spread` calls it."""
    mine = [s for s in below if a <= s.begin < b]
    halves = Halves(*sweeps(a, b), a, mine)
    loss = halves.find(limit, step, cap, is_all=False)
    return halves.sum_up(a, loss, cap)


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
    # a site that loses all there is to lose is in no choice of interest
    order = order[-prices.reduced[order] < limit]
    length = np.diff(program.site_indptr)
    is_of_interest = np.zeros(program.n_site, bool)
    is_of_interest[order] = True
    degree = np.bincount(
        program.site_indices[np.repeat(is_of_interest, length)], minlength=program.n_row
    )
    # nor is a row served that only such sites reach
    left = degree == 0
    dead = int((prices.whole[left] - prices.price[left]).sum())
    return min(limit, dead + _sweep_levels(program, prices, order, degree, limit - dead, cap, tick))


def _sweep_levels(
    program: Program,
    prices: SweepPrices,
    order: NDArray[np.int32],
    degree: IntArray,
    limit: int,
    cap: int,
    tick: Callable[[int], bool],
) -> int:
    """Go from short stretches to all sites; see `sweep_strip`."""
    if limit <= 0 or not order.size:
        return 0

    def sweeps(a: int, b: int) -> tuple[Sweep, Sweep]:
        part = order[a:b]
        return Sweep(program, prices, part, degree), Sweep(program, prices, part[::-1], degree)

    whole = sweeps(0, order.size)
    if not (whole[0].fits() and whole[1].fits()):
        return 0
    parts = 1
    while order.size / parts > SHORTEST:
        parts *= 2
    level: list[Stretch] = []
    proven = done_before = 0
    while parts > 1:
        edge = np.linspace(0, order.size, parts + 1).astype(np.int64).tolist()
        ranges = list(pairwise(edge))
        asked = (sweeps, level, limit, int(limit * FIRST_STEP / parts), cap)
        level = []
        for k in range(0, parts, BATCH):
            level += spread(_prove_stretch, ranges[k : k + BATCH], *asked)
            if tick(done_before + len(level)):
                return proven
        done_before += parts
        proven = max(proven, min(limit, sum(s.loss for s in level)))
        if proven >= limit:
            return proven
        parts //= 2
    top = Halves(*whole, 0, level)
    loss = top.find(limit, int(limit * FIRST_STEP), cap, is_all=True)
    tick(done_before + 1)
    return max(proven, loss)
