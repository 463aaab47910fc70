"""Plans of capacitated problems: rounding the bound's shares, then improving what came out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_dual import Pricing
from groundplan.engine.location.capacity_groups import group_problem
from groundplan.engine.location.capacity_moves import descend
from groundplan.engine.location.capacity_placed import PlacedPlans
from groundplan.engine.location.capacity_program import find_plan
from groundplan.engine.location.capacity_sets import mended
from groundplan.engine.location.transport import Transport, never
from groundplan.engine.location.whole_service import dense_costs, search_whole

__all__ = ["SplitPlans", "WholePlans"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
#: Moves tried from one set of sites, and after which the best that pays is taken: in a descent,
#: after a disturbance, and where every service is that of all rows of a large problem.
DESCENT, SHAKEN, LARGE = (60, 10), (40, 6), (16, 4)
#: New sites that a disturbance closes at least and at most, and from among how many around a row.
CLOSED, AROUND = (2, 4), 6
#: Walks over sets of sites by groups, disturbances of each, and those where branching follows.
WALKS, SHAKES, SHAKES_SMALL = 2, 150, 10
#: Sites of a smaller share do not come in by a disturbance.
DOUBT = 0.03
#: Sites that a disturbance around a row may open.
NEAR_SITES = 12
#: Disturbances between two looks at the clock.
PER_LOOK = 200


class SplitPlans:
    """The best set of open sites where demand may be split; service is exact for every set.

    With `group`, the group of each row, sets are compared on the groups first. `hurry` says when
    service may cost more than it need.
    """

    def __init__(
        self,
        pricing: Pricing,
        seed: int,
        group: NDArray[np.int64] | None = None,
        hurry: Callable[[], bool] = never,
    ) -> None:
        self.pricing, self.seed, self.group = pricing, seed, group
        self.problem, self.candidate, self.old = pricing.problem, pricing.free, pricing.must
        self.at_most, self.fee, self.limits = pricing.at_most, pricing.fee, pricing.limits
        self.transport = Transport(self.problem, self.fee, hurry)
        self.best: BoolArray = self.old.copy()
        self.value = np.inf
        self.small: SplitPlans | None = None
        if group is not None:
            rows = group_problem(self.problem, group)
            grouped = Pricing(
                rows, self.candidate, self.old, self.at_most, False, limits=self.limits
            )
            self.small = SplitPlans(grouped, seed, hurry=hurry)

    def offer(self, opened: BoolArray) -> float:
        """Return what a set of sites costs in all; keep it where it is the best."""
        if not self.keeps(opened):
            return float("inf")
        value = self.transport.cost(opened) + float(self.fee[opened].sum())
        if value < self.value:
            self.value, self.best = value, opened.copy()
        return value

    def keeps(self, opened: BoolArray) -> bool:
        """Return whether a set of sites keeps the limits on their groups."""
        return self.limits is None or self.limits.keeps(opened & self.candidate)

    def opened_of(self, sites: NDArray[Any], score: FloatArray) -> BoolArray:
        """Return a set of new sites beside the old ones, mended to keep the limits."""
        opened = self.old.copy()
        opened[sites] = True
        if self.limits is None:
            return opened
        return mended(self.limits, opened, self.candidate, score, self.at_most)

    def round(self, share: FloatArray) -> None:
        """Open the sites of the largest shares until they can serve every row."""
        if self.small is not None:
            self.small.round(share)
            if np.isfinite(self.small.value):
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
            self.offer(self.opened_of(order[:size], score))
            last = max(last, size)
        while not np.isfinite(self.value) and last < order.size:
            last = min(order.size, last + max(1, order.size // 8))
            self.offer(self.opened_of(order[:last], score))
        if self.limits is not None and not np.isfinite(self.value):
            # the largest sites first: caps may have cut off what small ones leave unserved
            self.offer(self.opened_of(order, room))

    def improve(self, share: FloatArray, tries: int, halt: Callable[[], bool]) -> None:
        """Look for better sets, on the groups first where there are any."""
        if self.small is not None:
            start = self.small.best
            for walk in range(WALKS):
                # what serves the groups best need not serve the rows best: each walk ends elsewhere
                self.small.best, self.small.value = start, np.inf
                count = min(tries // WALKS, SHAKES)
                draws = range(walk * count, (walk + 1) * count)
                self.small.shake(share, draws, self.follower(halt))
                self.follower(halt)()
            self.descend(self.best, *LARGE, halt)
        else:
            self.shake(share, range(min(tries, SHAKES_SMALL)), halt)

    def shake(self, share: FloatArray, draws: range, halt: Callable[[], bool]) -> None:
        """Descend from the best set and from disturbances of it."""
        self.descend(self.best, *DESCENT, halt)
        for number in draws:
            if halt():
                return
            opened = self.disturb(share, number)
            if opened is not None:
                self.descend(opened, *SHAKEN, halt)

    def follower(self, halt: Callable[[], bool]) -> Callable[[], bool]:
        """Return a halt that serves all rows from the set that is best for the groups, too."""

        def follow() -> bool:
            if self.small is not None and np.isfinite(self.small.value):
                self.offer(self.small.best)
            return halt()

        return follow

    def descend(self, opened: BoolArray, most: int, enough: int, halt: Callable[[], bool]) -> None:
        """Keep the best set that moves from `opened` lead to."""
        if np.isfinite(self.transport.cost(opened)):
            self.offer(
                descend(self.pricing, self.transport, opened, most=most, enough=enough, halt=halt)
            )

    def disturb(self, share: FloatArray, number: int) -> BoolArray | None:
        """Close a few new sites of the best set at random and open others until all are served."""
        draw = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        pairs = np.flatnonzero(self.problem.row == draw.integers(self.problem.n_row))
        site = np.searchsorted(self.problem.site_ptr, pairs, side="right") - 1
        site = site[np.argsort(self.problem.cost[pairs], kind="stable")]
        site = site[self.candidate[site]]
        inside = site[self.best[site]][:AROUND]
        if not inside.size:
            return None
        count = min(inside.size, int(draw.integers(CLOSED[0], CLOSED[1] + 1)))
        opened = self.best.copy()
        opened[draw.choice(inside, count, replace=False)] = False
        pool = site[(share[site] > DOUBT) & ~opened[site]][: 4 * AROUND]
        left = self.at_most - int((opened & self.candidate).sum())
        for new in draw.permutation(pool)[:left]:
            opened[new] = True
            if self.keeps(opened) and np.isfinite(self.transport.cost(opened)):
                return opened
        return None

    def find_any(self, halt: Callable[[], bool]) -> bool:
        """Look for a plan by a mixed-integer program; false where it is proven that none exists."""
        if halt():
            raise TimeoutError
        found = find_plan(
            self.problem, self.candidate, self.old, self.at_most, whole=False, halt=halt,
            limits=self.limits,
        )  # fmt: skip
        if found is not None:
            self.offer(found[0] | self.old)
        return found is not None

    def listed(self) -> tuple[Any, Any, Any, Any]:
        """Return new sites, and rows, sites, amounts of the best plan."""
        _, amount, _ = self.transport.solve(self.best)
        if amount is None:
            raise RuntimeError("the best plan cannot be served")
        number = np.flatnonzero(self.best)
        rows, at = np.nonzero(amount)
        sites = np.flatnonzero(self.best & ~self.old).astype(np.int32)
        return sites, rows.astype(np.int32), number[at].astype(np.int32), amount[rows, at]


class WholePlans(PlacedPlans):
    """The best plan in which every row has one site, sought among such plans alone."""

    def __init__(self, pricing: Pricing, seed: int) -> None:
        super().__init__(pricing, seed)
        problem = self.problem
        self.table, steep = dense_costs(problem)
        self.penalty = 2.0 * steep
        n = min(NEAR_SITES, problem.n_site)
        away = np.where(self.candidate, self.table + self.fee / max(1, problem.n_row), np.inf)
        self.near = np.argsort(away, axis=1, kind="stable")[:, :n].astype(np.int32)
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

    def improve(self, share: FloatArray, tries: int, halt: Callable[[], bool]) -> None:
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

    def find_any(self, halt: Callable[[], bool]) -> bool:
        """Look for a plan by a mixed-integer program; false where it is proven that none exists."""
        if halt():
            raise TimeoutError
        found = find_plan(
            self.problem, self.candidate, self.old, self.at_most, whole=True, halt=halt
        )
        if found is None:
            return False
        self.place = found[1]
        self.value = self.cost_of(self.place)
        return True
