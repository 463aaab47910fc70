"""Plans of capacitated problems: rounding the bound's shares, then improving what came out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_problem import CapacityProblem
from groundplan.engine.location.capacity_program import find_plan
from groundplan.engine.location.transport import Transport
from groundplan.engine.location.whole_service import dense_costs, search_whole

__all__ = ["SplitPlans", "WholePlans"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
#: Rows times open sites that all exact services of one improvement may add up to; a sample's are
#: quick, since little overflows in it.
WORK, WORK_SAMPLE = 40_000_000, 400_000_000
#: Problems of more rows are rounded and improved on a sample of `SAMPLE` of them first.
ROWS_WHOLE, SAMPLE = 5_000, 2_000
#: Sites that a disturbance around a row may open.
NEAR_SITES = 12
#: Disturbances between two looks at the clock.
PER_LOOK = 200


def sample(problem: CapacityProblem, seed: int) -> CapacityProblem:
    """Return the problem of `SAMPLE` rows that stand for all, to compare sets of sites quickly."""
    draw = np.random.Generator(np.random.Philox(key=[seed, 7]))
    rows = np.sort(draw.choice(problem.n_row, SAMPLE, replace=False))
    share = int(problem.demand.sum()) / int(problem.demand[rows].sum())
    demand = np.maximum(1, np.floor(problem.demand[rows] * share)).astype(np.int64)
    local = np.full(problem.n_row, -1)
    local[rows] = np.arange(SAMPLE)
    keep = local[problem.row] >= 0
    row = local[problem.row[keep]]
    cost = problem.cost[keep] * (demand[row] / problem.demand[problem.row[keep]])
    return CapacityProblem.from_pairs(
        row, problem.site_of_pair()[keep], cost, demand, problem.capacity, problem.opening_cost
    )


class SplitPlans:
    """The best set of open sites where demand may be split; service is exact for every set."""

    def __init__(
        self,
        problem: CapacityProblem,
        candidate: BoolArray,
        old: BoolArray,
        at_most: int,
        fee: FloatArray,
        seed: int,
    ) -> None:
        self.problem, self.candidate, self.old = problem, candidate, old
        self.at_most, self.fee, self.seed = at_most, fee, seed
        self.transport = Transport(problem)
        self.best: BoolArray = old.copy()
        self.value = np.inf
        self.is_sample = False
        self.small: SplitPlans | None = None
        if problem.n_row > ROWS_WHOLE:
            small = sample(problem, seed)
            self.small = SplitPlans(small, candidate, old, at_most, fee, seed)
            self.small.is_sample = True

    def offer(self, opened: BoolArray) -> float:
        """Return what a set of sites costs in all; keep it where it is the best."""
        value = self.transport.cost(opened) + float(self.fee[opened].sum())
        if value < self.value:
            self.value, self.best = value, opened.copy()
        return value

    def round(self, share: FloatArray) -> None:
        """Open the sites of the largest shares until they can serve every row."""
        if self.small is not None:
            self.small.round(share)
            self.offer(self.small.best)
            if np.isfinite(self.value):
                return
        score = np.where(self.candidate, share, -1.0)
        room = self.problem.capacity / max(1, int(self.problem.capacity.max()))
        order = np.lexsort((-room, -np.round(score, 6)))
        order = order[self.candidate[order]][: self.at_most]
        need = int(self.problem.demand.sum()) - int(self.problem.capacity[self.old].sum())
        enough = int(np.searchsorted(np.cumsum(self.problem.capacity[order]), need)) + 1
        sizes = {max(enough, int((share[order] > t).sum())) for t in (0.8, 0.5, 0.2)}
        last = 0
        for size in sorted(min(s, order.size) for s in sizes):
            opened = self.old.copy()
            opened[order[:size]] = True
            self.offer(opened)
            last = max(last, size)
        while not np.isfinite(self.value) and last < order.size:
            last = min(order.size, last + max(1, order.size // 8))
            opened = self.old.copy()
            opened[order[:last]] = True
            self.offer(opened)

    def improve(
        self, share: FloatArray, _price: FloatArray, tries: int, halt: Callable[[], bool]
    ) -> None:
        """Close, open and exchange sites whose shares are in doubt, while it helps."""
        if self.small is not None:
            self.small.offer(self.best)
            self.small.improve(share, _price, tries, halt)
            self.offer(self.small.best)
        size = self.problem.n_row * max(1, int(self.best.sum()))
        left = max(10, WORK_SAMPLE // size if self.is_sample else min(tries, WORK // size))
        better = np.isfinite(self.value)
        while better and left > 0 and not halt():
            better = False
            for opened in self.neighbours(share):
                before = self.value
                left -= 1
                if self.offer(opened) < before - 1e-9 * abs(before):
                    better = True
                    break
                if left <= 0 or halt():
                    return

    def neighbours(self, share: FloatArray) -> Any:
        """Yield sets one step away, the likeliest first."""
        inside = np.flatnonzero(self.best & self.candidate)
        outside = np.flatnonzero(~self.best & self.candidate)
        inside = inside[np.argsort(share[inside], kind="stable")]
        outside = outside[np.argsort(-share[outside], kind="stable")][:40]
        base = self.best.copy()
        for j in inside:
            opened = base.copy()
            opened[j] = False
            if int(self.problem.capacity[opened].sum()) >= int(self.problem.demand.sum()):
                yield opened
        if int(base[self.candidate].sum()) < self.at_most:
            for k in outside:
                opened = base.copy()
                opened[k] = True
                yield opened
        for total in range(inside.size + outside.size - 1):
            for a in range(min(total + 1, inside.size)):
                if total - a < outside.size:
                    opened = base.copy()
                    opened[inside[a]], opened[outside[total - a]] = False, True
                    yield opened

    def find_any(self) -> bool:
        """Look for a plan by a mixed-integer program; false where it is proven that none exists."""
        found = find_plan(self.problem, self.candidate, self.old, self.at_most, whole=False)
        if found is not None:
            self.offer(found[0] | self.old)
        return found is not None

    def listed(self) -> tuple[Any, Any, Any, Any]:
        """Return new sites, and rows, sites, amounts of the best plan."""
        _, amount = self.transport.solve(self.best)
        if amount is None:
            raise RuntimeError("the best plan cannot be served")
        number = np.flatnonzero(self.best)
        rows, at = np.nonzero(amount)
        sites = np.flatnonzero(self.best & ~self.old).astype(np.int32)
        return sites, rows.astype(np.int32), number[at].astype(np.int32), amount[rows, at]


class WholePlans:
    """The best plan in which every row has one site."""

    def __init__(
        self,
        problem: CapacityProblem,
        candidate: BoolArray,
        old: BoolArray,
        at_most: int,
        fee: FloatArray,
        seed: int,
    ) -> None:
        self.problem, self.candidate, self.old = problem, candidate, old
        self.at_most, self.fee, self.seed = at_most, fee, seed
        self.table, steep = dense_costs(problem)
        self.penalty = 2.0 * steep
        n = min(NEAR_SITES, problem.n_site)
        away = np.where(candidate, self.table + fee / max(1, problem.n_row), np.inf)
        self.near = np.argsort(away, axis=1, kind="stable")[:, :n].astype(np.int32)
        self.place = np.full(problem.n_row, -1, np.int32)
        self.value = np.inf
        self.turn = 0

    def run(self, start: BoolArray, tries: int) -> None:
        """Search from a set of open sites."""
        self.turn += 1
        draw = np.random.Generator(np.random.Philox(key=[self.seed, self.turn]))
        self.value = float(
            search_whole(
                self.table,
                self.fee,
                self.problem.demand,
                self.problem.capacity,
                self.penalty,
                self.old,
                self.candidate,
                self.at_most,
                self.near,
                start,
                tries,
                draw.integers(1, 2**63, dtype=np.uint64),
                self.place,
                self.value,
            )
        )
        if (self.place >= 0).all():
            pair = self.problem.pair_number(np.arange(self.problem.n_row), self.place)
            if (pair < 0).any():  # pairs priced out, not fitting after all
                self.place[:], self.value = -1, np.inf

    def round(self, share: FloatArray) -> None:
        """Begin from the sites of the largest shares and settle the rows."""
        order = np.argsort(-np.where(self.candidate, share, -1.0), kind="stable")
        order = order[self.candidate[order]]
        need = int(self.problem.demand.sum()) - int(self.problem.capacity[self.old].sum())
        enough = int(np.searchsorted(np.cumsum(self.problem.capacity[order]), need)) + 1
        size = max(enough, int((share[order] > 0.5).sum()))
        if not self.problem.opening_cost.any():
            size = self.at_most
        start = np.zeros(self.problem.n_site, bool)
        start[order[: min(size, self.at_most)]] = True
        self.run(start, 10)

    def improve(
        self, share: FloatArray, _price: FloatArray, tries: int, halt: Callable[[], bool]
    ) -> None:
        """Disturb the best plan and the rounded shares in turn."""
        for number in range(max(1, tries // PER_LOOK)):
            if not np.isfinite(self.value):
                self.penalty *= 4.0
            if number % 3 == 2 or not np.isfinite(self.value):
                self.round(share)
            start = np.zeros(self.problem.n_site, bool)
            if (self.place >= 0).all():
                start[self.place] = True
            else:
                start[np.argsort(-np.where(self.candidate, share, -1.0))[: self.at_most]] = True
            self.run(start & ~self.old, PER_LOOK)
            if halt():
                return

    def find_any(self) -> bool:
        """Look for a plan by a mixed-integer program; false where it is proven that none exists."""
        found = find_plan(self.problem, self.candidate, self.old, self.at_most, whole=True)
        if found is None:
            return False
        self.place = found[1]
        served = self.table[np.arange(self.place.size), self.place]
        self.value = float(served.sum() + self.fee[np.unique(self.place)].sum())
        return True

    def listed(self) -> tuple[Any, Any, Any, Any]:
        """Return new sites, and rows, sites, amounts of the best plan."""
        sites = np.setdiff1d(np.unique(self.place), np.flatnonzero(self.old)).astype(np.int32)
        rows = np.arange(self.problem.n_row, dtype=np.int32)
        return sites, rows, self.place.copy(), self.problem.demand.copy()
