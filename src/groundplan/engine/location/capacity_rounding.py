"""Plans with one site for each row, by way of plans that split demand: for many rows and sites.

At most one row fewer than there are open sites is split in a cheapest service, so that a set of
sites that serves split demand well serves whole rows nearly as well. Sets are sought on split
demand; the cheapest of them get every row one site: each begins at the site that serves most of
it, and shifts and exchanges repair what no longer fits at a rising price of what is held too much.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_dual import Pricing
from groundplan.engine.location.capacity_placed import PlacedPlans
from groundplan.engine.location.capacity_plan import SplitPlans
from groundplan.engine.location.capacity_program import find_plan
from groundplan.engine.location.transport import never, open_costs
from groundplan.engine.location.whole_rows import (
    SHIFTS_ONLY,
    anneal_rows,
    fit_rows,
    settle_rows,
)

__all__ = ["RoundedPlans"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
#: Sets of sites that rows are given whole sites on, cheapest first: in all, and where one takes
#: long (more rows times open sites than `LONG`).
SETS, SETS_LONG, LONG = 12, 3, 300_000
#: Rounds of shifts and exchanges of one set; where one takes long, exchanges are drawn instead.
ROUNDS = 50
#: Sets whose split service costs more than the best whole plan cannot do better; those tried after
#: the first must lie within this share of the cheapest.
NEAR_BEST = 0.02
#: Price of a unit held too much: first in mean costs of a unit, then so many times more each round.
PENALTY_FIRST, PENALTY_GROWTH, PENALTY_ROUNDS = 0.5, 2.0, 12
#: Sweeps of the annealing of the rows of one set, and their moves per row.
ANNEAL_SWEEPS, MOVES_PER_ROW = 40, 8
#: Cheapest open sites of each row that moves look at.
NEAR = 10
#: Heat of the moves in mean costs of serving a row: at first, and where only the fit is sought.
HEAT_FIRST, HEAT_LAST = 0.3, 0.02
#: Sites added to a set, as shares of it, until rows fit one by one.
MORE_SITES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
#: Branchings of the general solver where no set could be given whole rows.
NODES = 200


class RoundedPlans(PlacedPlans):
    """The best plan in which every row has one site, found from split service."""

    def __init__(
        self,
        pricing: Pricing,
        seed: int,
        group: NDArray[np.int64] | None,
        hurry: Callable[[], bool] = never,
    ) -> None:
        super().__init__(pricing, seed)
        split = Pricing(
            self.problem, self.candidate, self.old, self.at_most, False, pricing, self.limits
        )
        self.split = SplitPlans(split, seed, group, hurry)
        self.tried: set[bytes] = set()

    def round(self, share: FloatArray) -> None:
        """Open the sites of the largest shares until they can serve every row, demand split."""
        self.split.round(share)

    def improve(self, share: FloatArray, tries: int, halt: Callable[[], bool]) -> None:
        """Look for better sets on split demand."""
        self.split.improve(share, tries, halt)

    def settle(self, halt: Callable[[], bool]) -> None:
        """Give each row one site in the cheapest sets known."""
        for opened in self.best_sets():
            if halt():
                return
            key = np.packbits(opened).tobytes()
            if key in self.tried:
                continue
            self.tried.add(key)
            self.settle_in(opened, halt)

    def best_sets(self) -> list[BoolArray]:
        """Return the cheapest sets whose split service is known."""
        n = self.problem.n_site
        keys = list(self.split.transport.known)
        cost = np.array([self.split.transport.known[key] for key in keys])
        bits = np.array([np.frombuffer(key, np.uint8) for key in keys]).reshape(len(keys), -1)
        sets = np.unpackbits(bits, axis=1, count=n).astype(bool)
        total = cost + sets @ self.fee
        if self.limits is not None:
            total[[not self.split.keeps(opened) for opened in sets]] = np.inf
        order = np.argsort(total, kind="stable")[:SETS]
        if order.size and int(sets[order[0]].sum()) * self.problem.n_row > LONG:
            order = order[:SETS_LONG]
        least = total[order[0]] if order.size else np.inf
        keep = order[np.isfinite(total[order]) & (total[order] <= (1.0 + NEAR_BEST) * least)]
        return [sets[k] for k in keep if total[k] < self.value]

    def settle_in(
        self, opened: BoolArray, halt: Callable[[], bool], sweeps: int = ANNEAL_SWEEPS
    ) -> None:
        """Give each row one of the open sites; keep the plan where it is the best that fits."""
        p, sites = self.problem, np.flatnonzero(opened)
        _, amount, unit = self.split.transport.solve(opened)
        if amount is None:
            return
        table = open_costs(p, sites) * p.demand[:, None]
        place = amount.argmax(axis=1).astype(np.int64)
        room = p.capacity[sites]
        served = table[np.arange(p.n_row), place]
        each = float(served.sum()) / float(p.demand.sum())
        penalty = PENALTY_FIRST * (each + float(unit.max(initial=0.0))) + 1e-9
        fees = float(self.fee[opened].sum())
        draw = np.random.Generator(np.random.Philox(key=[self.seed, len(self.tried)]))
        is_long = table.size > LONG
        rounds = SHIFTS_ONLY if is_long else ROUNDS
        near = np.empty((p.n_row, min(sites.size, NEAR)), np.int64)
        best, kept = np.inf, place.copy()

        def move(heat: float, best: float) -> float:
            found = anneal_rows(
                table, p.demand, room, penalty, heat * each * float(p.demand.mean()), near, place,
                MOVES_PER_ROW * p.n_row, draw.integers(1, 2**63, dtype=np.uint64), kept, best,
            )  # fmt: skip
            return min(best, float(found))

        for _ in range(PENALTY_ROUNDS):
            if settle_rows(table, p.demand, room, penalty, near, place, rounds) == 0:
                mine = float(table[np.arange(p.n_row), place].sum())
                if mine < best:
                    best, kept[:] = mine, place
                break
            if halt():
                break
            penalty *= PENALTY_GROWTH
            if is_long:
                best = move(HEAT_LAST, best)
        for sweep in range(sweeps):
            if halt():
                break
            best = move(HEAT_FIRST * (1.0 - sweep / sweeps) ** 2 + 1e-9, best)
        if np.isfinite(best):
            over = settle_rows(table, p.demand, room, 1e3 * penalty, near, kept, rounds)
            value = float(table[np.arange(p.n_row), kept].sum()) + fees
            if over == 0 and value < self.value:
                self.value, self.place = value, sites[kept].astype(np.int32)

    def fit_any(self) -> bool:
        """Give each row the cheapest site with room for it, in sets of more and more sites."""
        known = self.best_sets()
        if not known:
            return False
        p, best = self.problem, known[0]
        room = np.where(self.candidate, p.capacity, -1)
        left = self.at_most - int((best & self.candidate).sum())
        outside = np.flatnonzero(self.candidate & ~best)
        each = self.fee[outside] / np.maximum(p.capacity[outside], 1)
        outside = outside[np.argsort(each, kind="stable")]
        trials = []
        for share in MORE_SITES:
            trial = best.copy()
            trial[outside[: min(left, math.ceil(share * int(best.sum())))]] = True
            trials.append(self.split.opened_of(np.flatnonzero(trial), -self.fee))
        largest = self.old.copy()
        most = min(self.at_most, int(self.candidate.sum()))
        largest[np.argsort(-room, kind="stable")[:most]] = True
        if self.limits is not None:
            largest = self.split.opened_of(np.flatnonzero(self.candidate), room.astype(float))
        return any(self.fit_in(opened) for opened in [*trials, largest])

    def fit_in(self, opened: BoolArray) -> bool:
        """Give rows the cheapest open site with room, large rows first; keep a plan that fits."""
        p, sites = self.problem, np.flatnonzero(opened)
        table = open_costs(p, sites) * p.demand[:, None]
        place, room = np.full(p.n_row, -1, np.int64), p.capacity[sites]
        if fit_rows(table, p.demand, room, np.argsort(-p.demand, kind="stable"), place):
            return False
        near = np.empty((p.n_row, min(sites.size, NEAR)), np.int64)
        # dearer than any service: what fits goes on to fit
        penalty = float(table[np.isfinite(table)].max(initial=1.0)) + 1.0
        kept = place.copy()
        if settle_rows(table, p.demand, room, penalty, near, place, SHIFTS_ONLY):
            place = kept
        self.place = sites[place].astype(np.int32)
        used = np.unique(self.place) if self.limits is None else self.sites_of(self.place)
        self.value = float(table[np.arange(p.n_row), place].sum()) + float(self.fee[used].sum())
        return True

    def find_any(self, halt: Callable[[], bool]) -> bool:
        """Look for a plan in any known set, then by a mixed-integer program; false: none exists."""
        if halt() and self.fit_any():
            return True
        for opened in self.best_sets():
            self.settle_in(opened, lambda: False, sweeps=0)
            if np.isfinite(self.value):
                return True
        if halt():
            raise TimeoutError
        found = find_plan(
            self.problem, self.candidate, self.old, self.at_most, whole=True, nodes=NODES,
            halt=halt, limits=self.limits,
        )  # fmt: skip
        if found is None:
            return False
        self.place = found[1]
        self.value = self.cost_of(self.place)
        return True
