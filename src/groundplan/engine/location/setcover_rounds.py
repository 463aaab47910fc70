"""The search for a cover: reductions, connected parts, rounds of search, proof of each part."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.setcover_dive import dive, refine
from groundplan.engine.location.setcover_dual import (
    Prices,
    bound_of,
    climb,
    core_sites,
    reduced_costs,
    start_prices,
)
from groundplan.engine.location.setcover_exact import finish, promising
from groundplan.engine.location.setcover_lists import Lists, Reduced, drop, narrow, reduce
from groundplan.engine.location.setcover_run import CoverRun, Progress
from groundplan.engine.location.setcover_search import (
    Walk,
    cover_greedily,
    drop_redundant,
    start_walk,
    walk,
)
from groundplan.engine.location.setcover_tiles import search_tiles, tiles_of
from groundplan.engine.location.setcover_tree import grow

__all__ = ["CoverSearch"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Sites per row that the rounds look at in turn where there are many more sites than rows.
PER_ROW = (20, 10, 6)
#: Shares of the rows that a refining dive keeps covered as they are.
SHARES = (0.1, 0.8)
#: Moves of the row weighting in one slice, between two looks at the clock.
SLICE = 20_000
#: Sites of a tile, and moves per chosen site and round in it.
TILE_SITES, TILE_MOVES = 500, 200
#: Chosen sites above which a part with geometry is searched in tiles.
TILED = 600
#: A part is not handed to the integer program above these sizes or this gap.
EXACT_SITES, EXACT_PAIRS, EXACT_GAP = 8_000, 400_000, 0.12
#: Nodes of the proof tree and of the integer program.
TREE_NODES, EXACT_NODES = 20_000, 200
#: Parts smaller than this are put together.
TOGETHER = 150
#: Share of the time that the first prices may take, and of what is left that a round adds to them.
PRICING, PRICING_ON = 0.4, 0.15
#: Steps of the prices of a part at most, and the relative gain at which they end.
STEPS, STEPS_END = 6_000, 1e-4


@dataclass
class Part:
    """A connected part of the reduced problem and the best that is known of it."""

    lists: Lists
    cost: IntArray
    site: IntArray
    row: IntArray
    prices: Prices
    plan: BoolArray
    bound: float
    xy_m: FloatArray | None
    core: IntArray
    weight: IntArray
    is_wide: bool
    is_priced: bool = False
    is_proven: bool = False
    walker: Walk | None = None
    here: Lists | None = None

    @property
    def lam(self) -> FloatArray:
        """Best prices of its rows."""
        return self.prices.best

    @property
    def value(self) -> int:
        """Cost of the best plan."""
        return int(self.cost[self.plan].sum())


class CoverSearch(CoverRun):
    """One solve without limits; sites `free` cost nothing and are in every plan."""

    def __init__(
        self, lists: Lists, cost: IntArray, xy_m: FloatArray | None, reach_m: float, seed: int,
        free: IntArray,
    ) -> None:  # fmt: skip
        super().__init__(lists, cost, seed)
        self.xy_m, self.reach_m = xy_m, reach_m
        self.free = free
        self.plan[free] = True
        self.parts: list[Part] = []
        self.carried: list[float] | None = None
        self.price_bound = -np.inf
        self.base = 0

    @property
    def value(self) -> int:
        """Cost of the best plan."""
        return int(self.cost[self.plan].sum())

    def run(
        self,
        gap: float,
        ends_at: float | None,
        rounds: int,
        progress: Progress,
        stop: Callable[[], bool],
        log: dict[str, Any],
    ) -> None:
        """Search until proven, until the gap asked, or until rounds or time run out."""
        started = self.begin_clock(ends_at, stop)
        rest = self.reduced()
        log["reduced"] = [rest.lists.n_row, rest.lists.n_site, int(rest.forced.size)]
        self.rest = rest
        self.split(rest)
        log["parts"] = len(self.parts)
        self.gather()
        self.price_all()
        done = 0
        while not self.halt() and not self.is_done(gap):
            if ends_at is None and done >= rounds:
                break
            for part in self.parts:
                if not part.is_proven and not self.halt():
                    self.improve(part, done)
            self.gather()
            done += 1
            progress("search", done, rounds, self.value, self.bound())
            early = self.has_used(0.2, started)
            if not self.is_done(gap) and (done == 3 or early) and "exact" not in log:
                log["exact"] = True
                self.price_all()
                self.prove(progress)
                self.gather()
        log["rounds"] = done
        self.price_all()
        self.finish_bound()
        progress("search", done, rounds, self.value, self.bound())

    def bound(self) -> float:
        """Return the bound of all parts together, each rounded up to the grain."""
        return self.base + sum(part.bound for part in self.parts)

    def is_done(self, gap: float) -> bool:
        """Return whether the gap asked is proven."""
        value = self.value
        best = max(self.bound(), float(self.tree.value) if self.tree else 0.0)
        return value - best <= gap * value

    def reduced(self) -> Reduced:
        """Return what domination leaves, rows of free sites taken out first."""
        rows = np.arange(self.lists.n_row)
        lists, sites = self.lists, np.arange(self.lists.n_site)
        if self.free.size:
            row = np.repeat(rows, np.diff(lists.row_indptr))
            served = np.zeros(lists.n_row, np.bool_)
            served[row[self.plan[lists.row_indices]]] = True
            rows, sites = np.flatnonzero(~served), np.flatnonzero(self.cost > 0)
            lists = narrow(lists, rows, sites)
        rest = reduce(lists, self.cost[sites])
        return Reduced(
            rest.lists, rows[rest.row], sites[rest.site], sites[rest.forced], rows[rest.forcing]
        )

    def split(self, rest: Reduced) -> None:
        """Make the connected parts, each with first prices and a first plan."""
        self.forced = rest.forced
        self.base = int(self.cost[rest.forced].sum())
        lists = rest.lists
        if not lists.n_row:
            return
        waiting = lists.n_row
        label, site_label = components(lists)
        order = np.argsort(label, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
            sites = np.flatnonzero(site_label == label[rows[0]])
            part = narrow(lists, rows, sites) if rows.size < lists.n_row else lists
            share = PRICING * rows.size / waiting
            waiting -= rows.size
            self.parts.append(self.begin(part, rest.row[rows], rest.site[sites], share))

    def begin(self, lists: Lists, row: IntArray, site: IntArray, share: float) -> Part:
        """Return a part with prices, a greedy plan and the sites worth searching."""
        cost = self.cost[site]
        plan = cover_greedily(lists, cost, np.zeros(lists.n_row))
        part = Part(
            lists, cost, site, row, start_prices(lists, cost), plan, 0.0,
            None if self.xy_m is None else self.xy_m[site],
            np.arange(lists.n_site), np.ones(lists.n_row, np.int64),
            lists.n_site > 6 * lists.n_row and lists.n_site > 5_000,
        )  # fmt: skip
        self.price(part, share)
        return part

    def price(self, part: Part, share: float) -> None:
        """Raise the prices of a part within a share of the time left, and round to a plan."""
        halt = self.halt_within(share)
        part.is_priced = climb(
            part.lists, part.cost, part.prices, part.value, STEPS, tolerance=STEPS_END,
            look=lambda _: halt(),
        )  # fmt: skip
        priced = cover_greedily(part.lists, part.cost, part.lam)
        if int(part.cost[priced].sum()) < part.value:
            part.plan, part.walker = priced, None
            part.core, part.here = np.union1d(part.core, np.flatnonzero(priced)), None
        bound = float(self.grain * np.ceil(part.prices.bound / self.grain - 1e-6))
        part.bound = max(part.bound, bound)
        part.is_proven = part.bound >= part.value

    def improve(self, part: Part, number: int) -> None:
        """One round on a part: row weighting, whole or in tiles, then a refining dive."""
        if not part.is_priced and number:
            self.price(part, PRICING_ON)
            if part.is_proven:
                return
        if part.xy_m is not None and int(part.plan.sum()) > TILED:
            tiles = tiles_of(part.xy_m, self.reach_m, TILE_SITES, self.seed, number)
            search_tiles(
                part.lists, part.cost, part.plan, part.weight, tiles, TILE_MOVES,
                self.seed + 1_000 * number,
            )  # fmt: skip
            part.is_proven = part.bound >= part.value
            return
        rng = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        if part.is_wide:
            self.choose_core(part, number, rng)
        if part.here is None:
            part.here = narrow(part.lists, np.arange(part.lists.n_row), part.core)
        here, cost = part.here, part.cost[part.core]
        if part.walker is None:
            part.walker = start_walk(here, cost, part.plan[part.core], self.seed + number)
        goal = int(part.bound)
        # big parts get more moves: a dive costs more there as well
        for _ in range(max(2, min(40, here.row_indices.size // 10_000))):
            walk(part.walker, SLICE, goal)
            if part.walker.value <= goal or self.halt():
                break
        self.keep(part, part.walker.best.copy())
        before = part.value
        # prices far below the plan say little about which sites to fix
        blind = before - part.bound > EXACT_GAP * before and number % 8 != 7
        if part.is_proven or blind or self.halt():
            return
        if number == 0:
            found, value = dive(here, cost, part.lam, before, self.seed, self.halt)
        else:
            share = float(rng.uniform(*SHARES))
            found, value = refine(
                here, cost, part.lam, part.plan[part.core], share, self.seed + number, self.halt
            )
        if found is not None and value < before:
            self.keep(part, found)
            part.walker = None

    def choose_core(self, part: Part, number: int, rng: np.random.Generator) -> None:
        """Choose the sites to search in this round: the best of every row at shaken prices."""
        lam = part.lam * rng.uniform(0.95, 1.05, part.lam.size) if number else part.lam
        reduced = reduced_costs(part.lists, part.cost, lam)
        core = core_sites(part.lists, reduced, PER_ROW[number % len(PER_ROW)], 0.0)
        part.core = np.union1d(core, np.flatnonzero(part.plan))
        part.here = part.walker = None

    def keep(self, part: Part, local: BoolArray) -> None:
        """Take a plan on the core as the part's where it is cheaper."""
        if int(part.cost[part.core[local]].sum()) < part.value:
            part.plan = np.zeros(part.lists.n_site, np.bool_)
            part.plan[part.core[local]] = True
        part.is_proven = part.bound >= part.value

    def prove(self, progress: Progress) -> None:
        """Try to prove the plan: a checkable tree where small, else an integer program a part."""
        begun = time.monotonic()
        if self.prove_by_tree():
            return
        left = self.left()
        budget = None if left is None else 0.6 * left
        open_parts = sorted((p for p in self.parts if not p.is_proven), key=lambda p: p.site.size)
        for number, part in enumerate(open_parts):
            if self.halt():
                return
            sites = promising(part.lists, part.cost, part.lam, part.value, self.grain)
            apart = (part.value - part.bound) / part.value
            pairs = int(np.diff(part.lists.site_indptr)[sites].sum())
            widest = EXACT_GAP if self.ends_at is not None else 0.5 * EXACT_GAP
            # with no limit of time, only parts that end soon are tried against a wide gap
            if sites.size > (80 if self.ends_at is None else 600) and (
                sites.size > EXACT_SITES or pairs > EXACT_PAIRS or apart > widest
            ):
                continue
            limit = None
            if budget is not None:
                spent = time.monotonic() - begun
                limit = (budget - spent) / max(1, len(open_parts) - number) * 2.0
                limit = min(limit, budget - spent)
                if limit <= 0.05:
                    return
            end = finish(
                part.lists, part.cost, part.plan, sites, grain=self.grain, nodes=EXACT_NODES,
                time_limit_s=limit, halt=self.halt,
            )  # fmt: skip
            part.plan = end.plan
            drop_redundant(part.lists, part.cost, part.plan)
            part.walker = None
            part.core = np.union1d(part.core, np.flatnonzero(part.plan))
            part.here = None
            part.bound = max(part.bound, float(end.bound))
            part.is_proven = part.bound >= part.value
            self.gather()
            progress("exact", number + 1, len(open_parts), self.value, self.bound())

    def prove_by_tree(self) -> bool:
        """Grow a proof tree on the whole problem where it is small enough."""
        lists = self.lists
        value = self.value
        small = lists.n_site <= 4_000 and lists.row_indices.size <= 60_000 and not self.free.size
        if not small or value - self.bound() > EXACT_GAP * value:
            return False
        keep = np.flatnonzero(~drop(lists, self.cost, rows=True))
        if keep.size > 600:
            return False
        here = narrow(lists, keep, np.arange(lists.n_site))
        tree = grow(
            here, self.cost, self.prices[keep], self.plan,
            denominator=tree_denominator(self.cost), grain=self.grain, nodes=TREE_NODES,
            halt=self.halt_within(0.3),
        )  # fmt: skip
        if tree.value < value:
            self.adopt(tree.plan)
        if tree.is_whole:
            self.tree, self.tree_rows = tree, keep
        return tree.is_whole

    def adopt(self, plan: BoolArray) -> None:
        """Take a plan of the whole problem apart into the parts."""
        if len(self.parts) == 1 and not self.forced.size:
            part = self.parts[0]
            mine = plan[part.site]
            # a tree may hold dominated sites: such a plan is kept beside the parts
            if int(part.cost[mine].sum()) == int(self.cost[plan].sum()):
                part.plan, part.walker = mine, None
        self.plan = plan

    def gather(self) -> None:
        """Put the parts' plans together; keep the cheaper of that and what is held."""
        plan = np.zeros(self.lists.n_site, np.bool_)
        plan[self.free] = True
        plan[self.forced] = True
        for part in self.parts:
            plan[part.site[part.plan]] = True
        if not hasattr(self, "held") or int(self.cost[plan].sum()) < self.value:
            self.plan = plan
        self.held = True

    def price_all(self) -> None:
        """Carry the parts' prices to all rows, unless those held prove more."""
        bounds = [part.prices.bound for part in self.parts]
        if bounds == self.carried:
            return
        self.carried = bounds
        held, best = self.prices, self.price_bound
        self.carry_prices(self.rest)
        if self.price_bound < best:
            self.prices, self.price_bound = held, best

    def carry_prices(self, rest: Reduced) -> None:
        """Carry the parts' prices to all rows and mend them where dropped sites are overpaid."""
        lam = np.zeros(self.lists.n_row)
        for part in self.parts:
            lam[part.row] = part.lam
        lam[rest.forcing] = self.cost[rest.forced]
        self.prices = lam
        self.price_bound = bound_of(reduced_costs(self.lists, self.cost, lam), lam)
        goal = self.base + float(
            sum(
                (
                    part.lam.sum()
                    + np.minimum(reduced_costs(part.lists, part.cost, part.lam), 0.0).sum()
                )
                for part in self.parts
            )
        )
        if self.price_bound >= goal * (1.0 - 1e-4) or self.halt():
            return
        rows = np.sort(np.concatenate([rest.forcing, *[part.row for part in self.parts]]))
        wide = narrow(self.lists, rows, np.arange(self.lists.n_site))
        prices = Prices(lam[rows].copy(), lam[rows].copy(), self.price_bound, pace=0.02)
        climb(wide, self.cost, prices, goal * 1.005, 600, tolerance=1e-5,
              look=lambda p: p.bound > goal * (1.0 - 2e-5) or self.halt())  # fmt: skip
        self.prices[rows] = prices.best
        self.price_bound = prices.bound

    def finish_bound(self) -> None:
        """Note the bound that parts and integer programs prove."""
        self.searched = self.bound()
        if self.free.size:
            drop_redundant(self.lists, self.cost, self.plan)


def tree_denominator(cost: IntArray) -> int:
    """Return the denominator of a tree's prices: 2**20, less where costs are huge."""
    return int(2 ** max(0, min(20, 60 - max(1, int(cost.sum())).bit_length())))


def components(lists: Lists) -> tuple[IntArray, IntArray]:
    """Return the connected part of each row and site, small parts put together."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    m, n = lists.n_row, lists.n_site
    # rows and sites are the nodes of one graph; the upper right block is enough
    indptr = np.concatenate([lists.row_indptr, np.full(n, lists.row_indptr[-1])])
    graph = csr_matrix(
        (np.ones(lists.row_indices.size, np.int8), lists.row_indices.astype(np.int64) + m, indptr),
        shape=(m + n, m + n),
    )
    _, label = connected_components(graph, directed=False)
    size = np.bincount(label[m:], minlength=int(label.max()) + 1)
    # neighbours in number are packed until they hold TOGETHER sites
    packed = np.where(size < TOGETHER, -1, np.arange(size.size))
    small = np.flatnonzero(packed < 0)
    packed[small] = size.size + np.cumsum(size[small]) // TOGETHER
    label = packed[label].astype(np.int64)
    return label[:m], label[m:]
