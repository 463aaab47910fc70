r"""Set covering within limits: so many sites of a group at least, so many at most.

``min sum f_j y_j`` with ``sum_{j covers i} y_j >= 1`` for every row and
``l_g <= sum_{j in g} y_j <= u_g`` for groups that part the sites. Prices of the rows by subgradient
steps over the choices that the limits allow, plans by row weighting that knows groups, a proof by a
tree of prices or an integer program. Whether any plan keeps the caps is a hard question of its own:
what is plain to see is named at once, the rest by the integer program.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_cover_limits import exchanges
from groundplan.engine.location.check_limits import Limits, cheapest
from groundplan.engine.location.cover_limits_dual import GroupLayout, climb_within
from groundplan.engine.location.cover_limits_exact import conflict_of, solve_within
from groundplan.engine.location.cover_limits_search import LimitedWalk
from groundplan.engine.location.cover_limits_tree import grow_within
from groundplan.engine.location.setcover_dual import reduced_costs, start_prices
from groundplan.engine.location.setcover_lists import Lists, drop, narrow
from groundplan.engine.location.setcover_rounds import tree_denominator
from groundplan.engine.location.setcover_run import CoverRun, Progress
from groundplan.engine.location.setcover_search import cover_counts
from groundplan.errors import InfeasibleError, StoppedError

__all__ = ["LimitedCover", "crowded_groups"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Steps of the prices before the first round of search, and at most after it, where they end by
#: themselves once they gain little.
FIRST_STEPS, STEPS = 1_000, 16_000
#: Pace of the prices where they start over after the first round. The first climb aims at a guess
#: and wears its pace down so far that steps towards a nearer aim stall below the linear relaxation.
#: It keeps its small pace itself: with a wild one the first plans come out dear.
PACE = 1.0
#: Moves of the search in a round at least, for each row, and between two looks at the clock.
MOVES, MOVES_ROW, SLICE = 20_000, 2, 2_000
#: Sites and pairs above which the integer program is not asked; its nodes.
EXACT_SITES, EXACT_PAIRS, EXACT_NODES = 8_000, 400_000, 200
#: Rows, pairs and gap above which no tree is grown; its nodes.
TREE_ROWS, TREE_PAIRS, TREE_GAP, TREE_NODES = 600, 60_000, 0.12, 1_000
#: Noise on the gains of sites, in mean ones, where a search begins anew.
SHAKEN = 0.05
#: Named rows of a conflict.
NAMED = 5


def crowded_groups(lists: Lists, limits: Limits, row: IntArray) -> list[str]:
    """Return caps that are plainly too small for the rows that need their group, in words.

    Parameters
    ----------
    row : (n_row,) int64
        Number of each row as the user knows it.
    """
    pair_row = np.repeat(np.arange(lists.n_row), np.diff(lists.row_indptr))
    room = limits.most[limits.group] > 0
    served = np.bincount(pair_row[room[lists.row_indices]], minlength=lists.n_row) > 0
    found = []
    if not served.all():
        lost = np.flatnonzero(~served)
        found.append(
            f"{lost.size} rows have sites in groups alone that may have no more: rows "
            f"{listed(row[lost])}"
        )
    pair_group = limits.group[lists.row_indices]
    low, high = (np.full(lists.n_row, v, np.int64) for v in (limits.least.size, -1))
    np.minimum.at(low, pair_row, pair_group)
    np.maximum.at(high, pair_row, pair_group)
    own = np.flatnonzero((low == high) & (low < limits.n_group) & served)
    length = np.diff(lists.row_indptr)
    for g in np.unique(low[own]).tolist():
        apart = rows_apart(lists, own[low[own] == g], length)
        if apart.size > limits.most[g]:
            found.append(
                f"group {g}: at most {limits.most[g]} new sites, but {apart.size} rows that no two "
                f"share a site of need one of it each: rows {listed(np.sort(row[apart]))}"
            )
    return found


def rows_apart(lists: Lists, rows: IntArray, length: IntArray) -> IntArray:
    """Return some of the rows, as many as are met, of which no site serves two."""
    taken = np.zeros(lists.n_site, bool)
    out = []
    for i in rows[np.argsort(length[rows], kind="stable")].tolist():
        mine = lists.row_indices[lists.row_indptr[i] : lists.row_indptr[i + 1]]
        if not taken[mine].any():
            taken[mine] = True
            out.append(i)
    return np.array(out, np.int64)


def listed(rows: IntArray) -> str:
    """Return the first few row numbers in words."""
    return ", ".join(str(int(i)) for i in rows[:NAMED]) + (", ..." if rows.size > NAMED else "")


class LimitedCover(CoverRun):
    """One solve within limits on candidate sites.

    Parameters
    ----------
    lists : Lists
    cost : (n_site,) int64
    limits : Limits
        In the numbers of the sites.
    seed : int
    """

    def __init__(self, lists: Lists, cost: IntArray, limits: Limits, seed: int) -> None:
        super().__init__(lists, cost, seed)
        self.limits = limits
        self.value: float = math.inf
        # no choice at all costs less than the sites the groups need
        self.price_bound = float(cost[cheapest(limits, np.ones(cost.size, bool), cost)].sum())

    def run(
        self,
        gap: float,
        ends_at: float | None,
        rounds: int,
        progress: Progress,
        stop: Callable[[], bool],
        log: dict[str, Any],
    ) -> None:
        """Search until proven, until the gap asked, or until rounds or time run out.

        Raises
        ------
        InfeasibleError
            Where no plan keeps the limits; names the caps that conflict.
        StoppedError
            Where no plan was found and none is excluded.
        """
        self.gap = gap
        begun = self.begin_clock(ends_at, stop)
        log["groups"] = self.limits.n_group
        keep = np.flatnonzero(~drop(self.lists, self.cost, rows=True))
        self.kept, self.here = keep, narrow(self.lists, keep, np.arange(self.lists.n_site))
        log["reduced"] = [int(keep.size), self.lists.n_site]
        self.layout = GroupLayout(self.limits)
        if not keep.size:
            self.take(self.choice(-self.cost.astype(np.float64)))
            return
        self.duals = start_prices(self.here, self.cost)
        self.duals.bound = -np.inf
        self.climb(FIRST_STEPS, begun)
        self.search = self.begin(0)
        done = 0
        while not self.is_done() and not (done and self.halt()):
            if ends_at is None and done >= rounds:
                break
            self.improve(done)
            done += 1
            progress("search", done, rounds, self.value, self.bound())
            if done == 1 and not self.is_done():
                self.duals.pace = PACE
                self.climb(STEPS, begun)
            early = self.has_used(0.2, begun)
            if not self.is_done() and (done == 3 or early) and "exact" not in log:
                log["exact"] = True
                self.prove()
        log["rounds"] = done
        if math.isinf(self.value):
            self.find_any()
        progress("search", done, rounds, self.value, self.bound())

    def bound(self) -> float:
        """Return what is proven, rounded up to what plans can cost."""
        prices = self.grain * math.ceil(self.price_bound / self.grain - 1e-6)
        tree = float(self.tree.value) if self.tree and self.tree.is_whole else 0.0
        return float(min(max(prices, self.searched, tree), self.value))

    def is_done(self) -> bool:
        """Return whether the gap asked is proven."""
        return math.isfinite(self.value) and self.value - self.bound() <= self.gap * self.value

    def climb(self, steps: int, begun: float) -> None:
        """Raise the prices, within two fifths of the time."""
        upper = self.value if math.isfinite(self.value) else -math.inf

        def look(_prices: Any) -> bool:
            late = self.has_used(0.4, begun)
            self.price_bound = max(self.price_bound, self.duals.bound)
            return late or self.halt() or self.is_done()

        climb_within(self.here, self.cost, self.layout, self.duals, upper, steps, look=look)
        self.prices[self.kept] = self.duals.best

    def choice(self, gain: FloatArray) -> BoolArray:
        """Return the best choice within the limits."""
        return exchanges(self.limits, self.limits.group, gain)[0]

    def begin(self, number: int) -> LimitedWalk:
        """Return a search from the best choice at prices, shaken but for the first."""
        gain = -reduced_costs(self.here, self.cost, self.duals.best)
        if number:
            rng = np.random.Generator(np.random.Philox(key=[self.seed, number]))
            gain += rng.normal(0.0, SHAKEN * max(1.0, float(np.abs(gain).mean())), gain.size)
        most = int(self.cost.sum()) + 1
        start = self.choice(gain)
        seed = self.seed + 1_000 * number
        return LimitedWalk(
            self.here, self.cost, self.layout, self.limits.group, start, most, seed
        )  # fmt: skip

    def improve(self, number: int) -> None:
        """One round of moves; every other round begins anew."""
        if number and number % 4 == 0 and self.search.value >= self.value:
            self.search = self.begin(number)
        target = int(self.bound()) if math.isfinite(self.value) else 0
        for _ in range(0, MOVES + MOVES_ROW * self.here.n_row, SLICE):
            self.search.move(SLICE, target)
            if self.search.value <= target or self.halt():
                break
        if self.search.value < self.value and self.search.value <= int(self.cost.sum()):
            self.take(self.search.best.copy())

    def take(self, plan: BoolArray) -> None:
        """Take a plan where it is cheaper than the best."""
        if not self.limits.keeps(plan) or (cover_counts(self.lists, plan) == 0).any():
            raise RuntimeError("a plan does not cover every row within the limits")
        value = int(self.cost[plan].sum())
        if value < self.value:
            self.plan, self.value = plan, value

    def promising(self) -> BoolArray:
        """Return the sites that a plan cheaper than the best may hold."""
        if math.isinf(self.value):
            return np.ones(self.lists.n_site, bool)
        gain = -reduced_costs(self.here, self.cost, self.duals.best)
        taken, loss = exchanges(self.limits, self.limits.group, gain)
        room = self.value - self.grain - self.duals.bound
        return taken | (loss <= room + 1e-6)

    def prove_by_tree(self) -> None:
        """Grow a tree of prices where the problem is small and the gap is, too."""
        small = self.here.n_row <= TREE_ROWS and self.here.row_indices.size <= TREE_PAIRS
        is_near = self.value - self.bound() <= TREE_GAP * self.value
        if not small or math.isinf(self.value) or not is_near:
            return
        tree = grow_within(
            self.here, self.cost, self.limits, self.duals.best, self.plan,
            denominator=tree_denominator(self.cost), grain=self.grain, nodes=TREE_NODES,
            halt=self.halt_within(0.3),
        )  # fmt: skip
        self.take(tree.plan)
        if tree.is_whole:
            self.tree, self.tree_rows = tree, self.kept

    def prove(self) -> None:
        """Prove the plan by a tree, else ask the integer program, where small enough."""
        self.prove_by_tree()
        if self.is_done():
            return
        # asked at any gap, unlike without limits: under tight caps it is what finds a good plan
        allowed = self.promising()
        pairs = int(np.diff(self.here.site_indptr)[allowed].sum())
        if allowed.sum() > EXACT_SITES or pairs > EXACT_PAIRS:
            return
        left = self.left()
        plan = self.plan if math.isfinite(self.value) else None
        end = solve_within(
            self.here, self.cost, self.limits, allowed=allowed, plan=plan, grain=self.grain,
            nodes=EXACT_NODES, time_limit_s=None if left is None else 0.6 * left, halt=self.halt,
        )  # fmt: skip
        if math.isinf(end.bound) and math.isinf(self.value):
            self.refuse()
        if end.plan is not None:
            self.take(end.plan)
        # sites left out stand in no plan cheaper than the best
        self.searched = max(self.searched, min(end.bound, self.value))

    def find_any(self) -> None:
        """Find some plan by the integer program, or say that there is none, or none was found."""
        if self.lists.n_site <= EXACT_SITES and self.here.row_indices.size <= EXACT_PAIRS:
            end = solve_within(
                self.here, np.zeros(self.lists.n_site, np.int64), self.limits,
                allowed=np.ones(self.lists.n_site, bool), plan=None, grain=1,
                nodes=10 * EXACT_NODES, time_limit_s=self.left(), halt=self.halt,
            )  # fmt: skip
            if end.plan is not None:
                self.take(end.plan)
                return
            if math.isinf(end.bound):
                self.refuse()
        raise StoppedError(
            "no plan was found that covers every row within the limits on the groups of sites, and "
            "it is not proven that there is none; give more time or larger caps"
        )

    def refuse(self) -> None:
        """Raise for caps that leave no plan, naming those that conflict."""
        groups = conflict_of(self.here, self.limits, nodes=EXACT_NODES, halt=self.halt)
        raise InfeasibleError(
            "no plan covers every row within the limits on the groups of sites",
            [f"group {g}: at most {self.limits.most[g]} new sites" for g in groups]
            + ["all rows are to be covered"],
        )  # fmt: skip
