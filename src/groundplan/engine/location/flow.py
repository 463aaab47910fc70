r"""Flow refuelling: stations on a network so that as many trips as possible can be driven.

Kuby and Lim 2005 (doi 10.1016/j.seps.2004.03.001) in the arc-cover path-cover form of Capar, Kuby,
Leon and Tsai 2013 (doi 10.1016/j.ejor.2012.11.033):

.. math:: \max \sum_q v_q z_q, \quad z_q \le \sum_{k \in K_{qa}} y_k \ \forall a \in q, \quad
          \sum_k y_k \le p \ \text{ or } \ \sum_k f_k y_k \le B,

with K_qa the sites from which arc a of path q can be driven. Only the sets that hold no other are
kept; on a path they are intervals, so a path of any length costs a few rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import BUDGET_DIGITS, seal
from groundplan.engine.location.check_flow import leaf_bounds, requirement_spans
from groundplan.engine.location.flow_dual import price_flow
from groundplan.engine.location.flow_paths import FlowPaths
from groundplan.engine.location.flow_program import MIP_NODES, solve_windows, window_program
from groundplan.engine.location.flow_windows import Windows, build_windows, climb, fill, reset
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.request import check_count, check_kind, check_limits
from groundplan.engine.location.tree import CLOSED, FREE, OPEN, Tree, branch
from groundplan.engine.problem import Certificate, Decision

__all__ = ["flow_refueling"]

BoolArray = NDArray[np.bool_]
#: Prices are whole multiples of 1 / this.
DENOMINATOR = 2**20
#: Up to this many windows and candidates linear programs are solved exactly and branched on.
WINDOWS_MAX, SITES_MAX = 20_000, 1_000
#: Up to this many windows a problem restricted to likely sites goes to the mixed-integer solver.
RESTRICTED_MAX = 10_000
DUAL_TOLERANCE = 1e-4
#: Share of the goal that lies in windows met on paths not yet served, first round to last.
PART_FIRST, PART_LAST = 0.2, 0.02
#: First temperature of the exchanges, in mean volume served by a station; measured.
HEAT = 0.1
ROUNDS = 12
#: Sites whose share in the relaxation is below this are left out of the restricted problem.
LIKELY = 0.01


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


@dataclass
class Search:
    """One solve: windows, costs, the best plan."""

    windows: Windows
    candidate: BoolArray
    cost: NDArray[np.int64]
    budget: int
    best: BoolArray
    value: int = 0
    log: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Lay out the arrays that every kernel takes."""
        w = self.windows
        self.shape = (w.site_ptr, w.site_step, w.first, w.last, w.node_path)
        self.count = np.zeros(w.n_window, np.int32)
        self.unmet = np.zeros(w.volume.size, np.int32)

    def load(self, chosen: BoolArray) -> None:
        """Make counts those of a plan."""
        reset(chosen, *self.shape, self.windows.window_ptr, self.count, self.unmet)

    def fill(self, chosen: BoolArray, part: float) -> None:
        """Fill a plan within the budget; counts follow."""
        fill(
            *self.shape, self.windows.window_ptr, self.windows.volume, self.cost, self.budget,
            self.candidate, part, chosen, self.count, self.unmet,
        )  # fmt: skip

    def keep(self, chosen: BoolArray) -> None:
        """Keep a plan whose counts are loaded where it is the best so far."""
        live = np.diff(self.windows.window_ptr) > 0
        value = int(self.windows.volume[live & (self.unmet == 0)].sum())
        if value > self.value:
            self.value, self.best = value, chosen.copy()

    def offer(self, chosen: BoolArray, part: float = PART_LAST) -> None:
        """Take sites in the given plan, fill it, keep it."""
        self.load(chosen)
        self.fill(chosen, part)
        self.fill(chosen, 1.0)
        self.keep(chosen)

    def improve(self, share: NDArray[np.float64], seed: int, moves: int, halt: Any) -> None:
        """Exchange sites, at first for half-won paths too, worse ones passing ever more rarely."""
        pool = np.flatnonzero(self.candidate & (np.diff(self.windows.site_ptr) > 0))
        likely = np.flatnonzero(self.candidate & (share > 0.01))
        pool = np.concatenate([pool, np.tile(likely, max(1, pool.size // max(1, likely.size)))])
        chosen = self.best.copy()
        size = max(1, int(chosen.sum()))
        seeds = np.random.Generator(np.random.Philox(key=[seed, 0])).integers(
            1, 2**63, ROUNDS, dtype=np.uint64
        )
        for number in range(ROUNDS):
            along = number / (ROUNDS - 1)
            part = PART_FIRST * (PART_LAST / PART_FIRST) ** along
            heat = HEAT * max(self.value, 1) / size * (1.0 - along)
            self.load(chosen)
            climb(
                *self.shape, self.windows.window_ptr, self.windows.volume, self.cost, self.budget,
                pool.astype(np.int32), part, heat, moves // ROUNDS, seeds[number],
                chosen, self.count, self.unmet,
            )  # fmt: skip
            self.keep(chosen)
            self.offer(chosen.copy())
            if halt():
                return


def check_request(
    paths: FlowPaths,
    p: int | None,
    budget: int | None,
    cost: NDArray[np.int64] | None,
    existing: BoolArray | None,
    forbidden: BoolArray | None,
) -> tuple[BoolArray, BoolArray, NDArray[np.int64], int, dict[str, int]]:
    """Return candidates, existing sites, costs, budget and parameters, or say what is wrong."""
    if (p is None) == (budget is None):
        raise ValueError("give either p or budget (with cost)")
    n = paths.n_site
    for name, mask in (("existing", existing), ("forbidden", forbidden)):
        if mask is not None and np.shape(mask) != (n,):
            raise ValueError(f"{name} must have shape ({n},). Got {np.shape(mask)}")
    old = np.zeros(n, bool) if existing is None else np.asarray(existing, bool)
    candidate = ~old if forbidden is None else ~old & ~np.asarray(forbidden, bool)
    if p is not None:
        count = check_count(p, "p")
        return candidate, old, np.ones(n, np.int64), count, {"p": count}
    if cost is None or np.shape(cost) != (n,):
        raise ValueError(f"budget needs cost of shape ({n},)")
    price = np.asarray(cost)
    if not np.issubdtype(price.dtype, np.integer) or price[candidate].min(initial=1) <= 0:
        raise ValueError("cost must be whole numbers > 0 for every candidate")
    if budget is None or budget < 0:
        raise ValueError(f"budget must be >= 0. Got {budget}")
    return candidate, old, price.astype(np.int64), int(budget), {"budget": int(budget)}


def finish_restricted(
    paths: FlowPaths,
    search: Search,
    old: BoolArray,
    share: NDArray[np.float64],
    nodes: int,
    halt: Callable[[], bool],
) -> None:
    """Offer the best plan among the sites that relaxation or best plan use; sure ones stay open."""
    if not nodes:
        return
    likely = search.candidate & ((share > LIKELY) | search.best)
    sure = likely & search.best & (share > 1.0 - LIKELY)
    windows = build_windows(paths, likely & ~sure, old | sure)
    if not 0 < windows.n_window <= RESTRICTED_MAX:
        return
    left = search.budget - int(search.cost[sure].sum())
    plan = solve_windows(
        windows, likely & ~sure, search.cost, left, min(nodes, MIP_NODES), halt=halt
    )
    if plan is not None:
        search.offer(plan | sure)


class Branching:
    """Linear programs over windows with sites fixed, and the bound that their prices prove."""

    def __init__(
        self,
        paths: FlowPaths,
        search: Search,
        old: BoolArray,
        use_p: bool,
        halt: Callable[[], bool],
    ) -> None:
        self.paths, self.search, self.old, self.use_p = paths, search, old, use_p
        self.spans = requirement_spans(paths)
        self.program = window_program(
            search.windows, search.candidate, search.cost, search.budget, halt
        )

    def prices(self, window: NDArray[np.float64], mu: float) -> dict[str, NDArray[np.int64]]:
        """Return whole-number prices of the raw requirements."""
        w = self.search.windows
        raw = np.zeros(self.paths.nodes.size + self.paths.n_path, np.int64)
        raw[w.slot] = np.rint(np.maximum(window, 0.0) * DENOMINATOR).astype(np.int64)
        # a path that nobody can win costs nothing once its price is its volume
        can = np.zeros(self.paths.nodes.size + 1, np.int64)
        np.cumsum((self.search.candidate | self.old)[self.paths.nodes], out=can[1:])
        empty = can[self.spans[2]] == can[self.spans[1]]
        first = np.flatnonzero(empty)
        lost, at = np.unique(self.spans[0][first], return_index=True)
        raw[first[at]] = self.paths.volume[lost] * DENOMINATOR
        table = {"requirement": raw}
        if not self.use_p:
            table["budget"] = np.array(round(mu * DENOMINATOR * 2**BUDGET_DIGITS), np.int64)
        return table

    def price(self, fix: NDArray[np.int8]) -> tuple[Any, Any]:
        """Solve the relaxation with sites fixed; its plan is offered to the search."""
        free = (fix == FREE) & self.search.candidate
        self.program.fix(
            np.arange(fix.size),
            ((fix == OPEN) & self.search.candidate).astype(float),
            (free | ((fix == OPEN) & self.search.candidate)).astype(float),
        )
        solved = self.program.solve()
        if solved is None:
            return None, None
        share = solved[0][: fix.size]
        plan = share > 0.5
        if int(self.search.cost[plan].sum()) <= self.search.budget:
            self.search.offer(plan)
        duals = -solved[1]
        return self.prices(duals[:-1], max(0.0, float(duals[-1]))), share

    def score(self, fix: NDArray[np.int8], prices: dict[str, NDArray[np.int64]]) -> int:
        """Return minus the bound numerator at one leaf, by the very sum of the check."""
        leaf: dict[str, NDArray[Any]] = {k: v[None] for k, v in prices.items()}
        leaf |= {"leaf_site": fix[None], "leaf_price": np.zeros(1, np.int32)}
        amount = {"p" if self.use_p else "budget": self.search.budget}
        shell = Certificate("flow_refueling", amount, "", DENOMINATOR, leaf, 0, 0)
        plan = Decision(np.empty(0, np.int32), 0, 0, 0.0, "", shell)
        return -leaf_bounds(
            self.paths, self.spans, plan, self.old, self.search.candidate, self.search.cost
        )[0]


@keep_log
def flow_refueling(
    paths: FlowPaths,
    p: int | None = None,
    *,
    budget: int | None = None,
    cost: NDArray[np.int64] | None = None,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 2_000,
    moves: int = 300_000,
    nodes: int = 2_000,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose stations so that the volume of trips that can be driven is largest.

    Parameters
    ----------
    paths : FlowPaths
    p : int, optional
        How many stations to add.
    budget, cost : int, (n_site,) int64, optional
        What may be spent and what each station costs, instead of `p`.
    existing, forbidden : (n_site,) bool, optional
        Stations that stand already, and sites that may not be chosen.
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine; without it the answer depends on the seed alone.
    seed : int
    steps, moves, nodes : int
        Most steps of the bound, exchanges tried, and branchings of a small problem; of the
        problem restricted to likely sites no more than these, and none where `nodes` is 0.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled between stages; true returns the best plan so far with status ``stopped``.

    Returns
    -------
    Decision
        `value` counts the paths that existing stations serve.

    Raises
    ------
    ValueError
        Where the request contradicts itself.

    Notes
    -----
    Stations stand at nodes and are never full; drivers keep to the given path (no detours), and
    start with the tank that `FlowPaths` states. Left out: capacity, several vehicle ranges, sites
    inside an edge (split the edge).
    """
    check_kind(paths, FlowPaths, "paths")
    check_limits(gap, time_limit_s, seed)
    candidate, old, price, amount, parameters = check_request(
        paths, p, budget, cost, existing, forbidden
    )
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    windows = build_windows(paths, candidate, old)
    search = Search(windows, candidate, price, amount, np.zeros(paths.n_site, bool))
    search.log |= {"seed": seed, "windows": windows.n_window, "paths": paths.n_path}
    if int(paths.volume.sum()) * DENOMINATOR >= 2**61:
        raise OverflowError("total volume times the denominator of prices does not fit 63 bits")
    halted = [False]

    def halt() -> bool:
        if stop() or (ends_at is not None and time.monotonic() > ends_at):
            halted[0] = True
        return halted[0]

    def look(step: int, bound: float) -> bool:
        progress("bound", step, steps, windows.base + search.value, windows.base + bound)
        return halt()

    search.offer(np.zeros(paths.n_site, bool), PART_FIRST)
    u, mu, share, _ = price_flow(
        windows, candidate, price, amount, steps=steps, tolerance=DUAL_TOLERANCE, look=look
    )
    problem = Branching(paths, search, old, p is not None, halt)
    window_price = u * windows.volume[windows.window_path]
    root = np.where(candidate, FREE, np.where(old, OPEN, CLOSED)).astype(np.int8)
    first = problem.prices(window_price, mu)
    # rounded prices may prove a little more than all there is, which no price at all proves
    free = {name: np.zeros_like(table) for name, table in first.items()}
    if problem.score(root, free) > problem.score(root, first):
        first = free
    tree = Tree([root], [first], problem.score(root, first), 0)
    total = float(-tree.bound // DENOMINATOR)
    order = np.lexsort((np.arange(share.size), -share))
    fits = np.cumsum(price[order]) <= amount
    plan = np.zeros(paths.n_site, bool)
    plan[order[fits & (share[order] > 0) & candidate[order]]] = True
    search.offer(plan)
    progress("round", 1, 1, windows.base + search.value, total)

    def target() -> int:
        aim = windows.base + search.value
        return -max(aim * DENOMINATOR + DENOMINATOR - 1, int(aim / (1.0 - gap) * DENOMINATOR))

    if tree.bound < target() and not halt():
        search.improve(share, seed, moves, halt)
        progress("improve", 1, 1, windows.base + search.value, total)
    if tree.bound < target() and not halt():
        finish_restricted(paths, search, old, share, nodes, halt)
        progress("restricted", 1, 1, windows.base + search.value, total)
    small = windows.n_window <= WINDOWS_MAX and int(candidate.sum()) <= SITES_MAX
    if tree.bound < target() and small and not halt():
        tree = branch(root, first, problem.price, problem.score, target, nodes=nodes, halt=halt)
        search.log["nodes"] = tree.nodes
        progress("branch", tree.nodes, nodes, windows.base + search.value, total)
    return certify(paths, search, tree, parameters, gap)


def certify(
    paths: FlowPaths, search: Search, tree: Tree, parameters: dict[str, int], gap: float
) -> Decision:
    """Return the decision with the leaves and prices that prove its bound."""
    base = search.windows.base
    value, bound = base + search.value, -tree.bound // DENOMINATOR
    sites = np.flatnonzero(search.best).astype(np.int32)
    certificate = Certificate(
        "flow_refueling", parameters, paths.input_hash, DENOMINATOR, tree.arrays(), value,
        -tree.bound,
    )  # fmt: skip
    relative = (bound - value) / bound if bound else 0.0
    status = "optimal" if bound == value else "feasible" if relative <= gap else "stopped"
    room = bound - base
    return Decision(
        sites,
        value,
        bound,
        relative,
        status,
        seal(certificate, sites),
        base_value=base,
        gain_gap=(bound - value) / room if room else 0.0,
        log=search.log,
    )
