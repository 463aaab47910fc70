r"""The proof of a plan along a strip: all sites decided in one sweep, however wide the frontier.

As in `frontier`, a partial choice loses against the prices, and two with the same chosen sites on
the frontier have equal futures. Here a partial choice lists its open sites, and what keeps them
few is not the width of the frontier but how little they may lose: the bound less the value of the
plan to beat. What the sites still to come must lose is known from searches of shorter stretches,
each level twice as long as the last and searched with the knowledge of the level below.

A stretch is two halves that lose A and B at least. A choice that loses less than A + B + S in all
loses less than A + a in the first half or less than B + b in the second, for any a + b = S; hence
one sweep from each end, held to that until the middle, finds every such choice among far fewer
partial ones than a single sweep would keep. How S is divided follows what the sweeps cost. A sweep
of all sites that ends with no choice proves the plan; one that ends with some has found a better
plan. A few chosen sites between two ends of a frontier, as in a long city, are where this works.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import spread
from groundplan.engine.location.program import Program
from groundplan.engine.location.sweep_run import (
    PROFILE,
    Effort,
    LateError,
    Look,
    Sweep,
    SweepPrices,
    TooWideError,
)
from groundplan.engine.location.sweep_states import SITES_MAX

__all__ = ["Effort", "SweepPrices", "fits_sweep", "of_interest", "sweep_order", "sweep_strip"]

IntArray = NDArray[np.int64]
#: Sites of the shortest stretches.
SHORTEST = 220
#: First step of what a stretch is asked to lose, as a share of its part of the whole, and by how
#: much the next are longer: a step too long costs many times what several short ones do.
FIRST_STEP, GROWTH = 1 / 16, 1.35
#: Chosen sites that are open at once, on average, where a sweep is tried; and the logarithm of the
#: ways to place them, each in one of as many sites as there are for one that is chosen. New York's
#: cases have 8 to 13; the easiest of Kings', with 23, is far from ending.
OPEN_MAX, WAYS_MAX = 12.0, 16.0
#: Up to so many sites the last sweep costs so little that it is never given up beforehand.
LONG = 1_000
#: Toil of a sweep before the one from the other end goes on; doubled each time.
LOT, LOT_MAX = 500_000, 16_000_000
#: Of what is open, what is held against a half at least.
LEAST_SHARE = 0.05
#: Where the next step would lead so near to all that is asked, all is asked at once.
LEAP = 2.0
#: A sweep of a stretch may do one part in so many of its level's work.
SHARES = 16
#: Stretches between two looks at whether to stop.
BATCH = 4


@dataclass(frozen=True)
class Stretch:
    """What the sites from `begin` to `end` of the order must lose.

    Attributes
    ----------
    begin, end : int
    loss : int
    lead, tail : (end - begin,) int64
        What the sites up to and with each one must lose, and those from each one on.
    worked : int
        States that its searches worked on.
    """

    begin: int
    end: int
    loss: int
    lead: IntArray
    tail: IntArray
    worked: int


def sweep_order(program: Program) -> NDArray[np.int32]:
    """Return the sites along the longer axis of their places."""
    xy = np.column_stack([program.x, program.y])
    xy -= xy.mean(axis=0)
    _, _, axis = np.linalg.svd(xy.T @ xy)
    return np.argsort(xy @ axis[0], kind="stable").astype(np.int32)


def fits_sweep(program: Program) -> bool:
    """Return whether few enough chosen sites are open at once for a sweep over all sites."""
    n = program.n_site
    if n > SITES_MAX:
        return False
    rank = np.empty(n, np.int64)
    rank[sweep_order(program)] = np.arange(n)
    mine, begin = rank[program.row_indices], program.row_indptr[:-1]
    # a site stays open until the last one of its rows
    ends = np.repeat(np.maximum.reduceat(mine, begin), np.diff(program.row_indptr))
    leave = np.arange(n)
    np.maximum.at(leave, mine, ends)
    share = min(1.0, program.budget / max(1, int(program.cost.sum())))
    chosen = share * float((leave - np.arange(n)).mean())
    ways = -chosen * float(np.log(max(share, 1e-300)))
    return chosen <= OPEN_MAX and ways <= WAYS_MAX


class Halves:
    """A stretch as two sweeps, one from each end, with what its halves are known to lose."""

    def __init__(
        self, ahead: Sweep, back: Sweep, begin: int, below: list[Stretch], look: Look
    ) -> None:
        n = ahead.leave.size
        self.look = look
        self.ahead, self.back, self.size = ahead, back, n
        self.below = below
        self.certain = sum(s.loss for s in below)
        #: a loss that no choice of this stretch goes below
        self.proven = self.certain
        #: how much of what is open is held against the first half
        self.share = 0.5
        self.worked = 0
        if len(below) == 2:
            self.shift(below[0].worked, below[1].worked)
        #: the choice of least loss found in the last trial, by place from the front
        self.choice: NDArray[np.int32] | None = None
        self.least = 0
        self.lead, self.tail = np.zeros(n, np.int64), np.zeros(n, np.int64)
        for s in below:
            a, b = s.begin - begin, s.end - begin
            self.lead[a:b] += s.lead
            self.lead[b:] += s.loss
            self.tail[a:b] += s.tail
            self.tail[:a] += s.loss

    def start(
        self, number: int, trial: int, effort: Effort, *, is_held: bool, counts: bool
    ) -> None:
        """Let a sweep begin, from the front (0) or from the back (1)."""
        sweep = (self.ahead, self.back)[number]
        rest = np.append(self.lead[:-1][::-1] if number else self.tail[1:], 0)
        most = trial - rest
        if is_held:
            near = self.below[number]
            inside = np.append(near.lead[:-1][::-1] if number else near.tail[1:], 0)
            ahead = int((trial - self.certain) * self.share) + 1
            part = trial - self.certain - ahead + 1 if number else ahead
            held = near.loss + part - inside
            most[: held.size] = np.minimum(most[: held.size], held)
        sweep.begin(rest, most, trial, effort, counts=counts)

    def try_loss(self, trial: int, effort: Effort, *, is_all: bool) -> int:
        """Return a loss that no choice goes below, at most `trial`.

        The sweep that is done first goes on to do it alone, without being held against its half,
        beside the other one: whichever then is done first tells the same.
        """
        sweeps = (self.ahead, self.back)
        is_held = len(self.below) == 2
        for number in (0, 1):
            self.start(number, trial, effort, is_held=is_held, counts=is_all)
        # states worked on within halves, toil of both and before each run, the first one's number
        halves, toil, begun, first, before = [0, 0], LOT, [0, 0], -1, 0
        while True:
            ended = [False, False]
            if is_all:
                ended = spread(self.advance, [(0, 1), (1, 2)], toil, begun)
            else:
                for number in (0, 1):
                    ended[number] = self.advance(number, 0, toil, begun)
                    if ended[number] and (first >= 0 or not is_held):
                        break
            for number in (0, 1):
                if ended[number]:
                    trial = min(trial, sweeps[number].proven)
                    self.keep_choice(sweeps[number], number)
                if number != first:
                    halves[number] = sweeps[number].worked
            worked = before + sum(s.worked for s in sweeps)
            if all(ended) or (any(ended) and (first >= 0 or not is_held)):
                break
            if self.look():
                raise LateError
            if worked > effort.work:
                self.worked += worked
                raise TooWideError
            if any(ended):
                first = ended.index(True)
                before, begun[first] = sweeps[first].worked, toil
                self.start(first, trial, effort, is_held=False, counts=is_all)
            toil += min(toil, LOT_MAX)
        if is_held:
            self.shift(*halves)
        self.worked += worked
        for sweep in sweeps:
            sweep.rid()
        return trial

    def advance(self, number: int, _end: int, toil: int, begun: list[int]) -> bool:
        """Advance one of the two sweeps; the form in which `spread` calls it."""
        return (self.ahead, self.back)[number].advance(toil - begun[number])

    def find(self, limit: int, step: int, effort: Effort, *, is_all: bool) -> int:
        """Return a loss that no choice goes below, at most `limit`, raised step by step."""
        trial, self.least = self.certain + max(1, step), limit
        while True:
            if limit - self.certain < LEAP * (trial - self.certain):
                trial = limit
            try:
                found = self.try_loss(trial, effort, is_all=is_all)
            except TooWideError:
                return self.proven
            self.proven = max(self.proven, found)
            if found < trial or trial == limit:
                return self.proven
            trial = self.certain + int((trial - self.certain) * GROWTH) + 1

    def keep_choice(self, sweep: Sweep, number: int) -> None:
        """Take over the choice that a sweep ended with, where it loses least."""
        if sweep.found is not None and sweep.found < self.least:
            self.least = sweep.found
            self.choice = self.size - 1 - sweep.choice if number else sweep.choice

    def shift(self, ahead: int, back: int) -> None:
        """Hold less against the half in which a sweep worked harder."""
        a, b = np.sqrt(1.0 + ahead), np.sqrt(1.0 + back)
        self.share = self.share * b / (self.share * b + (1.0 - self.share) * a)
        self.share = min(1.0 - LEAST_SHARE, max(LEAST_SHARE, self.share))

    def sum_up(self, begin: int, loss: int) -> Stretch:
        """Return the stretch with what leads up to each site and what follows from it."""
        # no foresight here: what it cuts off would be missing in the profile
        nothing, most = np.zeros(self.size, np.int64), np.full(self.size, loss + 1)
        _, lead = self.ahead.lose(nothing, most, loss + 1, PROFILE, self.look)
        _, tail = self.back.lose(nothing, most, loss + 1, PROFILE, self.look)
        self.worked += self.ahead.worked + self.back.worked
        lead = np.maximum(self.lead, np.minimum(lead, loss))
        tail = np.maximum(self.tail, np.minimum(tail, loss)[::-1])
        return Stretch(begin, begin + self.size, loss, lead, tail, self.worked)


def _prove_stretch(
    a: int, b: int, sweeps: Callable[[int, int], tuple[Sweep, Sweep]], below: list[Stretch],
    limit: int, step: int, effort: Effort, look: Look,
) -> Stretch:  # fmt: skip
    """Return what a stretch must lose; the form in which `spread` calls it."""
    mine = [s for s in below if a <= s.begin < b]
    halves = Halves(*sweeps(a, b), a, mine, look)
    loss = halves.find(limit, step, effort, is_all=False)
    return halves.sum_up(a, loss)


def of_interest(
    program: Program, prices: SweepPrices, order: NDArray[np.int32], limit: int
) -> tuple[NDArray[np.int32], IntArray, int]:
    """Return the sites that choices losing less than `limit` may hold, and what the others mean.

    Returns
    -------
    (order, degree, dead)
        Those sites in their order, how many of them reach each row, and what every choice loses by
        the rows that none of them reaches.
    """
    # a site that loses all there is to lose is in no choice of interest
    order = order[-prices.reduced[order] < limit]
    is_of_interest = np.zeros(program.n_site, bool)
    is_of_interest[order] = True
    length = np.diff(program.site_indptr)
    degree = np.bincount(
        program.site_indices[np.repeat(is_of_interest, length)], minlength=program.n_row
    )
    left = degree == 0
    dead = int((prices.whole[left] - prices.price[left]).sum())
    return order, degree, dead


def sweep_strip(
    program: Program,
    prices: SweepPrices,
    order: NDArray[np.int32],
    limit: int,
    effort: Effort,
    tick: Callable[[int], bool] = lambda _done: False,
    look: Look = lambda: False,
) -> tuple[int, NDArray[np.int32] | None]:
    """Return a loss that no choice of sites goes below, at most `limit`, and a choice below that.

    Parameters
    ----------
    order : (n_site,) int32
        All sites in the order of the sweep.
    limit : int
        Only choices that lose less are of interest.
    effort : Effort
        Of the whole.
    tick : callable
        Told how many stretches are done; true ends the work with what is proven.
    look : callable
        Asked within sweeps, on any thread, some times a second; true ends the work likewise.

    Returns
    -------
    (loss, choice)
        Where the last sweeps met choices that lose less than `limit`, the best of them.
    """
    order, degree, dead = of_interest(program, prices, order, limit)
    lost, choice = _sweep_levels(program, prices, order, degree, limit - dead, effort, tick, look)
    return min(limit, dead + lost), choice


def is_hopeless(parts: int, proven: int, limit: int) -> bool:
    """Return whether so many stretches lose too little for what is to come.

    What a level loses is some times what the level below it did; a plan that is proven lost at
    least this much in eight stretches, four or two.
    """
    return parts <= 8 and 2 * parts * proven < limit


def _sweep_levels(
    program: Program,
    prices: SweepPrices,
    order: NDArray[np.int32],
    degree: IntArray,
    limit: int,
    effort: Effort,
    tick: Callable[[int], bool],
    look: Look,
) -> tuple[int, NDArray[np.int32] | None]:
    """Go from short stretches to all sites; see `sweep_strip`."""
    if limit <= 0 or not order.size:
        return 0, None

    def sweeps(a: int, b: int) -> tuple[Sweep, Sweep]:
        part = order[a:b]
        return Sweep(program, prices, part, degree), Sweep(program, prices, part[::-1], degree)

    whole = sweeps(0, order.size)
    parts = 1
    while order.size / parts > SHORTEST:
        parts *= 2
    level: list[Stretch] = []
    edges = whole[0].cut(parts)
    while min(b - a for a, b in pairwise(edges)) < 1:
        # stretches of next to no sites are not cut further
        parts, edges = parts // 2, edges[::2]
    proven = done_before = worked = 0
    while parts > 1:
        ranges = list(pairwise(edges[:: (len(edges) - 1) // parts]))
        mine = Effort(effort.cap, effort.work // (SHARES * parts))
        asked = (sweeps, level, limit, int(limit * FIRST_STEP / parts), mine, look)
        level = []
        for k in range(0, parts, BATCH):
            try:
                level += spread(_prove_stretch, ranges[k : k + BATCH], *asked)
            except LateError:
                return proven, None
            worked += sum(s.worked for s in level[k:])
            if tick(done_before + len(level)) or parts * worked > effort.work:
                return proven, None
        done_before += parts
        proven = max(proven, min(limit, sum(s.loss for s in level)))
        is_long = order.size > LONG and is_hopeless(parts, proven, limit)
        if proven >= limit or is_long:
            return proven, None
        parts //= 2
    top = Halves(*whole, 0, level, look)
    # where the time is up, what the sweeps before the last one proved stands
    with suppress(LateError):
        top.find(limit, int(limit * FIRST_STEP), Effort(effort.cap, effort.work // 2), is_all=True)
    tick(done_before + 1)
    return max(proven, top.proven), None if top.choice is None else order[top.choice]
