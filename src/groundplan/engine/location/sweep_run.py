"""One sweep over sites in order: its arrays, and how it runs under a clock and a count of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.program import Program
from groundplan.engine.location.sweep import advance_sweep
from groundplan.engine.location.sweep_states import States

__all__ = [
    "PROFILE",
    "Effort",
    "LateError",
    "Look",
    "Sweep",
    "SweepPrices",
    "TooWideError",
]

IntArray = NDArray[np.int64]
Look = Callable[[], bool]
#: States worked on between two looks at whether to stop: some tenths of a second.
WORK = 8_000_000
#: How far from the middle of a stretch its halves may meet, as a share of it.
SLIDE = 0.15


@dataclass(frozen=True)
class Effort:
    """How far a search may go.

    Attributes
    ----------
    cap : int
        Most partial choices kept at a time.
    work : int
        Most partial choices worked on, each one at each site.
    """

    cap: int
    work: int


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


#: Where only what a stretch loses by decision is asked.
PROFILE = Effort(20_000, 2**62)


class LateError(Exception):
    """Raised within a sweep that has to stop; never leaves this module."""


class TooWideError(Exception):
    """Raised within a sweep that worked on more states than it may; never leaves this module."""


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
        by_row = np.lexsort((step, self.indices))
        self.row_indices = step[by_row]
        self.row_indptr = np.zeros(rows.size + 1, np.int64)
        np.cumsum(mine, out=self.row_indptr[1:])
        # rows of a site ascending
        self.indices = self.indices[np.lexsort((self.indices, step))]
        self.last = self.row_indices[self.row_indptr[1:] - 1]
        self.leave = np.arange(order.size, dtype=np.int32)
        np.maximum.at(self.leave, step, self.last[self.indices])
        #: of the last run: states worked on, the least loss of a whole choice, and that choice
        self.worked = 0
        self.found: int | None = None
        self.choice = np.empty(0, np.int32)
        self.mixed = np.random.Generator(np.random.Philox(key=[order.size, 0])).integers(
            1, 2**63, order.size, dtype=np.uint64
        )

    def cut(self, parts: int) -> list[int]:
        """Return where to cut into so many parts, a power of two, by halves of halves.

        A cut lies near the middle where the rows that both sides reach are worth least.
        """
        n = self.leave.size
        begun = np.bincount(self.row_indices[self.row_indptr[:-1]] + 1, self.price, n + 1)
        ended = np.bincount(self.last + 1, self.price, n + 1)
        shared = np.cumsum(begun - ended)
        edge = [0, n]
        while len(edge) <= parts:
            finer = [0]
            for a, b in pairwise(edge):
                lo, hi = a + round((b - a) * (0.5 - SLIDE)), a + round((b - a) * (0.5 + SLIDE))
                hi = max(lo, min(hi, b - 1))
                finer += [lo + int(shared[lo : hi + 1].argmin()), b]
            edge = finer
        return edge

    def lose(
        self, rest: IntArray, most: IntArray, limit: int, effort: Effort, look: Look, *,
        counts: bool = False,
    ) -> tuple[int, IntArray]:  # fmt: skip
        """Return a loss that no choice goes below, and what is lost at least by decision."""
        self.begin(rest, most, limit, effort, counts=counts)
        while not self.advance(self.toil + WORK):
            if look():
                raise LateError
            if self.worked > effort.work:
                raise TooWideError
        return self.proven, self.profile

    def begin(
        self, rest: IntArray, most: IntArray, limit: int, effort: Effort, *, counts: bool = False
    ) -> None:
        """Stand before the first decision of a run."""
        # what is spent is told apart only where the sweep holds all sites
        self._asked = (
            rest, most, effort.cap,
            self.cost if counts else np.zeros_like(self.cost), self.budget if counts else 0,
        )  # fmt: skip
        self._unit = self.unit if counts else 0
        self._states = States.alone()
        #: decisions, states, states after the last search for dominated ones, log entries
        self._at = (0, 1, 0, 0)
        self.proven, self.profile = limit, np.zeros(rest.size, np.int64)
        self.worked, self.toil, self.found = 0, 0, None

    def advance(self, toil: int) -> bool:
        """Decide on until the run has cost that much; returns whether it ended."""
        n = self.leave.size
        while self.toil < toil:
            if self._step(toil - self.toil) == n:
                self._end()
                return True
        return False

    def _step(self, toil: int) -> int:
        """Decide until that much more was spent or room is short; returns decisions made."""
        rest, most, cap, cost, budget = self._asked
        at, (done, count, after, logged) = self._states, self._at
        done, count, proven, after, logged, worked, spent = advance_sweep(
            done, count, self.proven, after, logged, toil, self.indptr, self.indices,
            self.row_indptr, self.row_indices, self.whole, self.price, self.reduced, self.last,
            self.leave, self.mixed, rest, most, cap, cost, budget, at.seat, at.size,
            at.key, at.loss, at.spent, at.link, at.log, self.profile,
        )  # fmt: skip
        self.worked += worked
        self.toil += spent
        self.proven = int(proven)
        if done < self.leave.size:
            room, most_open = at.seat.shape
            if 2 * count > room or int(at.size[:count].max()) + 1 > most_open:
                wide = max(most_open, int(at.size[:count].max()) + 5)
                at = at.widen(count, max(room, 4 * count), wide)
            if logged + count > len(at.log):
                logged = at.shorten_log(count, logged)
        self._states, self._at = at, (done, count, after, logged)
        return int(done)

    def _end(self) -> None:
        """Keep the choice that lost least, if any is left, and let the states go."""
        budget = self._asked[4]
        at, count = self._states, self._at[1]
        if count:
            ends = at.loss[:count] + self._unit * (budget - at.spent[:count])
            best = int(ends.argmin())
            self.found, self.choice = int(ends[best]), at.sites(best)
            self.proven = min(self.proven, self.found)
        self.rid()

    def rid(self) -> None:
        """Let the states of a run go."""
        self._states = States.alone(1, 1, 1)
