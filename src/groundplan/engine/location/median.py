"""p-median and uncapacitated facility location: a plan, and prices that prove how good it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_median import floor_scaled, input_hash_of, tree_bound
from groundplan.engine.location.median_dual import Choice, MedianDual, start_prices, step_prices
from groundplan.engine.location.median_search import MedianSearch
from groundplan.engine.location.median_tree import Proof, TreeSearch
from groundplan.engine.location.near import (
    Near,
    fastest_cost,
    near_sites,
    restrict_near,
    typical_reach,
)
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["p_median", "uncapacitated_facility"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
SiteArray = NDArray[np.int32]
Progress = Callable[[str, int, int, float, float], None]
#: Below this many pairs every site stands in every row's list.
PAIRS_MAX = 25_000_000
#: Above it lists hold this many times the sites that share one open site.
NEAR_FACTOR = 2.5
#: Lists grow where more than this share of the rows runs into their ends.
CAPPED_MAX = 1e-4
#: Relative distance between bound and fractional plan at which the search for plans begins, in
#: problems with full lists and in larger ones; and the part of the gap at which the steps end.
FIRST_DISTANCE = (1e-5, 1e-3)
SETTLED = 0.02
#: Sites that the search may open, per open site.
PER_OPEN = 15
#: Annealing: sweeps of a round, first and last heat as shares of an open site's price.
ROUND_SWEEPS = 5
HEAT_FIRST, HEAT_LAST = 0.02, 0.0008
#: Open sites of a tile.
TILE_OPEN = 250
#: Counts below this are kept at every move.
FLIPS_FROM = 50
#: The tree is searched where the free sites times the rows are no more than this.
TREE_PAIRS = 8_000_000


def nothing(*_args: object) -> None:
    """Take a report and do nothing."""


@dataclass
class Problem:
    """A median or facility problem in arrays, checked."""

    costs: AssignmentCost
    form: str
    opening: NDArray[Any] | None
    existing: BoolArray
    forbidden: BoolArray
    p: int | None

    def __post_init__(self) -> None:
        m = self.costs.n_site
        self.candidate = ~self.existing & ~self.forbidden
        self.price = np.zeros(m)
        self.scaled_opening = np.zeros(m, np.int64)
        if self.opening is not None:
            self.price = self.opening.astype(np.float64)
            scale = self.costs.scale
            self.scaled_opening = np.array(
                [floor_scaled(v, scale) for v in self.opening.tolist()], np.int64
            )
        self.old_sites = np.flatnonzero(self.existing).astype(np.int32)

    @property
    def is_whole(self) -> bool:
        """Whether every value is a whole number."""
        whole = self.opening is None or bool(np.issubdtype(self.opening.dtype, np.integer))
        return self.costs.is_whole and whole

    def assign(self, sites: SiteArray) -> SiteArray:
        """Return the cheapest open site of each row."""
        return fastest_cost(self.costs, np.concatenate([self.old_sites, sites]).astype(np.int32))[0]

    def value(self, sites: SiteArray, assignment: SiteArray) -> int | float:
        """Return the cost of a plan, opening included."""
        value = self.costs.total(assignment)
        if self.opening is not None:
            value += self.opening[sites].sum().item()
        return value

    def evaluate(self, sites: SiteArray) -> int | float:
        """Return the value of a plan, infinite where it serves no row."""
        if not sites.size and not self.old_sites.size:
            return float("inf")
        sites = np.sort(sites)
        return self.value(sites, self.assign(sites))

    def column(self, site: int) -> FloatArray:
        """Return what each row costs from one site."""
        table = self.costs.block(0, self.costs.n_row, np.array([site]))
        return np.ascontiguousarray(table[:, 0], np.float64)


class Run:
    """One solve: lists, prices, best plan, and the reasons to stop."""

    def __init__(
        self, problem: Problem, gap: float, time_limit_s: float | None, seed: int,
        progress: Progress, stop: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.problem, self.gap, self.seed, self.progress = problem, gap, seed, progress
        self.stop = stop
        self.ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
        self.is_halted = False
        self.best: SiteArray = np.empty(0, np.int32)
        self.best_value: int | float = float("inf")
        self.log: dict[str, Any] = {"seed": seed}
        pairs = problem.costs.n_row * int(problem.candidate.sum())
        self.first_distance = FIRST_DISTANCE[pairs > PAIRS_MAX]
        self.cap = np.full(problem.costs.n_row, np.inf)
        if problem.old_sites.size:
            self.cap = fastest_cost(problem.costs, problem.old_sites)[1].astype(np.float64)
            self.offer(np.empty(0, np.int32))

    def halt(self) -> bool:
        """Return whether to stop, and remember it."""
        if self.stop() or (self.ends_at is not None and time.monotonic() > self.ends_at):
            self.is_halted = True
        return self.is_halted

    def offer(self, sites: SiteArray) -> int | float:
        """Keep a plan where it is the best; returns its exact value."""
        value = self.problem.evaluate(sites)
        if value < self.best_value:
            self.best, self.best_value = np.sort(sites).astype(np.int32), value
        return value

    def is_close(self, bound: float) -> bool:
        """Return whether the asked gap is proven, or the plan is best."""
        if self.best_value == float("inf"):
            return False
        if self.problem.is_whole and bound > self.best_value - 0.999:
            return True
        return self.best_value - bound <= max(self.gap, 5e-10) * self.best_value

    def reach(self) -> FloatArray:
        """Return up to which cost sites stand in the lists at first."""
        problem = self.problem
        costs, n = problem.costs, int(problem.candidate.sum())
        far = np.full(costs.n_row, float(costs.cost_max) + 1.0)
        if costs.n_row * n > PAIRS_MAX:
            share = n / max(1, problem.p) if problem.p is not None else np.sqrt(n)
            count = max(32, int(NEAR_FACTOR * share))
            far = typical_reach(costs, problem.candidate, count)
        return np.asarray(np.minimum(far, self.cap))

    def find_prices(self, near: Near, choice: Choice, state: MedianDual, steps: int) -> Near:
        """Go on with the steps of the bound; lists grow where rows run into their ends."""
        problem = self.problem
        limit = np.minimum(float(problem.costs.cost_max) + 1.0, self.cap)
        while state.step < steps and not self.is_settled(state):
            grow = [False]

            def look(s: MedianDual, near: Near = near, grow: list[bool] = grow) -> bool:
                self.progress("bound", s.step, steps, float(self.best_value), s.bound)
                short = (s.lam >= near.reach) & (near.reach < limit)
                grow[0] = s.step >= 40 and short.mean() > CAPPED_MAX
                return grow[0] or self.is_settled(s) or self.halt()

            step_prices(near, choice, state, steps - state.step, 1e-9, look)
            if not grow[0] or self.is_halted:
                break
            short = (state.lam >= near.reach) & (near.reach < limit)
            reach = np.where(short, np.minimum(1.6 * near.reach, limit), near.reach)
            near = near_sites(problem.costs, problem.candidate, reach)
        self.log["bound_steps"] = state.step
        self.log["list_entries"] = int(near.site.size)
        self.log["relaxation"] = [state.bound, state.fractional]
        return near

    def is_settled(self, state: MedianDual) -> bool:
        """Return whether more steps would not change what can be proven here."""
        open_part = state.fractional - state.bound
        if self.best_value == float("inf"):
            return open_part <= self.first_distance * state.fractional
        return self.is_close(state.bound) or open_part <= SETTLED * (self.best_value - state.bound)

    def improve(self, near: Near, choice: Choice, state: MedianDual, rounds: int) -> None:
        """Anneal on the sites that the prices leave in question; keeps the best plan."""
        problem = self.problem
        gain = np.where(problem.candidate, state.best_rho - problem.price, -np.inf)
        k = int(np.clip(round(float(state.best_y.sum())), 1, choice.p))
        keep = state.best_y > 0.02
        keep[np.argsort(-gain, kind="stable")[: max(300, PER_OPEN * k)]] = True
        sites = np.flatnonzero(keep & problem.candidate).astype(np.int32)
        local = restrict_near(near, sites, self.cap)
        far = np.where(near.reach < self.cap, np.minimum(1.5 * near.reach, self.cap), self.cap)
        search = MedianSearch(
            local, far, np.ones(sites.size, bool), problem.price[sites], problem.p
        )
        search.is_open[:] = state.best_y[sites] > 0.5
        search.serve()
        search.repair()
        self.offer(sites[search.is_open])
        self.log["rounded"] = self.best_value
        ranked = np.sort(gain)[::-1]
        mu = max(0.0, float(ranked[k - 1])) if problem.p is not None else 0.0
        typical = max(mu, float(problem.price[sites].mean()), 1e-3 * float(self.best_value) / k)
        xy = None if problem.costs.site_xy is None else problem.costs.site_xy[sites]
        flips = problem.p is None or problem.p >= FLIPS_FROM
        for turn in range(rounds):
            if self.is_close(state.bound) or self.halt():
                return
            heat = typical * HEAT_FIRST * (HEAT_LAST / HEAT_FIRST) ** (turn / max(1, rounds - 1))
            tile, n_tile = cut_tiles(xy, sites.size, k, turn)
            seeds = np.random.Generator(np.random.Philox(key=[self.seed, turn])).integers(
                1, 2**63, n_tile, dtype=np.uint64
            )
            search.anneal(tile, np.full(ROUND_SWEEPS, heat), search.price + mu, seeds, flips=flips)
            search.serve()
            if problem.p is not None and flips:
                pull = 2.0 * (int(search.is_open.sum()) - problem.p) / max(1, problem.p)
                mu *= 1.0 + min(0.05, max(-0.05, pull))
            if turn + 1 == rounds or (turn + 1) % max(5, rounds // 6) == 0:
                self.polish(search, sites, turn + 1 == rounds)
            self.progress("improve", turn + 1, rounds, float(self.best_value), state.bound)
        self.log["annealed"] = self.best_value

    def polish(self, search: MedianSearch, sites: SiteArray, is_last: bool) -> None:
        """Repair a copy of the plan to the count, descend by swaps, offer it."""
        kept = search.is_open.copy()
        search.repair()
        one = np.zeros(sites.size, np.int32)
        for turn in range(20 if is_last else 2):
            seeds = np.array([1 + turn], np.uint64)
            flips = self.problem.p is None
            if not search.anneal(one, np.zeros(2), search.price, seeds, flips=flips):
                break
            search.serve()
        self.offer(sites[search.is_open])
        if not is_last:
            search.is_open[:] = kept
            search.serve()


def cut_tiles(
    xy: FloatArray | None, n_site: int, k: int, turn: int
) -> tuple[NDArray[np.int32], int]:
    """Return the tile of each site: strips of equal numbers of sites, turned every round."""
    count = min(16, k // TILE_OPEN)
    if xy is None or count < 2:
        return np.zeros(n_site, np.int32), 1
    rank = np.empty(n_site)
    rank[np.argsort(xy[:, turn % 2], kind="stable")] = np.arange(n_site) / n_site
    shift = 0.5 if turn % 4 >= 2 else 0.0
    return np.floor(rank * count + shift).astype(np.int32), count + 1


@jit
def _whole_scores(lo, hi, indptr, site, cost, scale, weight, lam, rho):
    """Add up ``w_i (lam_i - floor(scale c_ij))+`` in whole numbers; one chunk after another."""
    for i in range(lo, hi):
        for q in range(indptr[i], indptr[i + 1]):
            d = lam[i] - np.int64(np.floor(cost[q] * scale))
            if d <= 0:
                break
            rho[site[q]] += weight[i] * d


def prove(problem: Problem, near: Near, proof: Proof) -> int:
    """Return what the proof's prices prove, times scale, in whole numbers."""
    costs = problem.costs
    if len(proof.site) > 1:
        return tree_bound(
            costs, problem.scaled_opening, problem.existing, problem.candidate, problem.p,
            np.array(proof.prices), np.array(proof.site, np.int32), np.array(proof.price, np.int32),
        )  # fmt: skip
    lam = proof.prices[0]
    rho = np.zeros(costs.n_site, np.int64)
    _whole_scores(
        0,
        costs.n_row,
        near.indptr,
        near.site,
        near.cost,
        float(costs.scale),
        costs.weight,
        lam,
        rho,
    )
    gain = (rho - problem.scaled_opening)[problem.candidate]
    if problem.p is not None and problem.p < gain.size:
        gain = np.partition(gain, gain.size - problem.p)[gain.size - problem.p :]
    return int(sum((costs.weight * lam).tolist()) - sum(gain[gain > 0].tolist()))


def conclude(run: Run, near: Near, proof: Proof, *, is_complete: bool) -> Decision:
    """Return the decision with its certificate."""
    problem = run.problem
    costs = problem.costs
    numerator = prove(problem, near, proof)
    sites = run.best
    assignment = problem.assign(sites)
    value = problem.value(sites, assignment)
    bound: int | float = numerator / costs.scale
    if problem.is_whole:
        bound = -(-numerator // costs.scale)
    bound = max(0, bound)
    meets = bound >= value if problem.is_whole else value - bound <= 1e-9 * value
    status = "feasible" if value - bound <= run.gap * value else "stopped"
    if meets:
        status = "optimal"
    run.log["tree_leaves"] = proof.site.count(-1)
    run.log["tree_is_complete"] = is_complete
    certificate = Certificate(
        problem.form,
        {} if problem.p is None else {"p": problem.p},
        input_hash_of(costs, problem.opening, problem.existing, problem.forbidden),
        costs.scale,
        {
            "row": np.array(proof.prices, np.int64),
            "tree_site": np.array(proof.site, np.int32),
            "tree_price": np.array(proof.price, np.int32),
        },
        value,
        numerator,
    )
    base = 0
    if problem.old_sites.size:
        base = int(problem.evaluate(np.empty(0, np.int32)))
    return Decision(
        sites, value, bound, (value - bound) / value if value else 0.0, status,
        seal(certificate, sites, assignment), base_value=base, sense="min", assignment=assignment,
        log=run.log,
    )  # fmt: skip


def solve(problem: Problem, run: Run, steps: int, rounds: int, nodes: int) -> Decision:
    """Find prices, a plan, and, where the gap stays open and the size allows, a tree of proofs."""
    candidate = problem.candidate
    most = int(candidate.sum())
    choice = Choice(candidate, problem.price, most if problem.p is None else problem.p)
    near = near_sites(problem.costs, candidate, run.reach())
    state = start_prices(near, choice)
    near = run.find_prices(near, choice, state, steps)
    run.improve(near, choice, state, rounds)
    if not run.is_halted:
        near = run.find_prices(near, choice, state, steps)
    free = np.flatnonzero(problem.candidate).astype(np.int32)
    proof = Proof()
    is_complete = True
    small = free.size * problem.costs.n_row <= PAIRS_MAX
    if not run.is_close(state.bound) and not run.is_halted and nodes > 0 and small:
        tree = TreeSearch(
            near, problem.price, problem.p, problem.costs.scale, problem.column, problem.evaluate,
            run.best, float(run.best_value), is_whole=problem.is_whole,
        )  # fmt: skip

        def halt(done: int, waiting: int) -> bool:
            run.progress("tree", done, done + waiting, float(tree.value), state.bound)
            return run.halt()

        tree.run(state, free, nodes, halt)
        proof, is_complete = tree.proof, tree.is_complete
        run.offer(tree.plan)
        run.log["tree_nodes"] = tree.nodes
    else:
        lam = np.floor(state.best_lam * problem.costs.scale).astype(np.int64)
        proof.prices.append(lam)
        proof.leaf(0)
    return conclude(run, near, proof, is_complete=is_complete)


def check_request(
    costs: AssignmentCost,
    form: str,
    p: int | None,
    opening_cost: NDArray[Any] | None,
    existing: BoolArray | None,
    forbidden: BoolArray | None,
) -> Problem:
    """Return the problem, or say what is wrong with the request."""
    m = costs.n_site
    masks = []
    for name, mask in (("existing", existing), ("forbidden", forbidden)):
        if mask is not None and np.shape(mask) != (m,):
            raise ValueError(f"{name} must have shape ({m},). Got {np.shape(mask)}")
        masks.append(np.zeros(m, bool) if mask is None else np.asarray(mask, bool))
    old, out = masks
    if costs.n_row == 0:
        raise ValueError("there are no demand rows to assign")
    opening = None
    if opening_cost is not None:
        opening = np.asarray(opening_cost)
        if opening.shape != (m,):
            raise ValueError(f"opening_cost must have shape ({m},). Got {opening.shape}")
        whole = np.issubdtype(opening.dtype, np.integer)
        opening = np.ascontiguousarray(opening, np.int64 if whole else np.float64)
        bad = ~(opening >= 0) | (opening * float(costs.scale) >= 2.0**61)
        if bad.any():
            j = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"opening_cost must be >= 0 and below 2**61 / scale. Got {opening[j]} at site {j}"
            )
    if p is not None and p < 0:
        raise ValueError(f"p must be >= 0. Got {p}")
    if not old.any():
        if p == 0:
            raise InfeasibleError("no plan serves the demand", ["p is 0", "no site exists yet"])
        if not (~out).any():
            raise InfeasibleError(
                "no plan serves the demand", ["every site is forbidden", "no site exists yet"]
            )
    candidates = int((~old & ~out).sum())
    return Problem(costs, form, opening, old, out, None if p is None else min(int(p), candidates))


def p_median(
    costs: AssignmentCost,
    p: int,
    *,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 2_000,
    rounds: int = 60,
    nodes: int = 2_000,
    progress: Progress = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    r"""Open p sites so that serving every row from its cheapest open site costs least.

    ``min sum w_i d_ij x_ij, sum_j x_ij = 1, x_ij <= y_j, sum y_j <= p`` (Hakimi 1964, doi
    10.1287/opre.12.3.450).

    Parameters
    ----------
    costs : AssignmentCost
    p : int
        Sites to open beside the existing ones.
    existing : (n_site,) bool, optional
        Sites that serve already.
    forbidden : (n_site,) bool, optional
        Sites that may not be opened.
    gap : float
        ``(value - bound) / value`` at which to end.
    time_limit_s : float, optional
        Makes the answer depend on the machine; without it the answer depends on the seed alone.
    seed : int
    steps, rounds, nodes : int
        Most steps of the bound, rounds of annealing (five sweeps each), nodes of the tree.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled throughout; true returns the best plan so far.

    Returns
    -------
    Decision
        `sites`, `assignment`, value and bound; `verify_median` recomputes both.

    Raises
    ------
    InfeasibleError
        Where no site could serve.
    ValueError
        Where the request contradicts itself.

    Notes
    -----
    Left out: capacities, several levels of service, costs that may be missing for a pair.
    """
    problem = check_request(costs, "p_median", p, None, existing, forbidden)
    run = Run(problem, gap, time_limit_s, seed, progress, stop)
    return solve(problem, run, steps, rounds, nodes)


def uncapacitated_facility(
    costs: AssignmentCost,
    opening_cost: NDArray[Any],
    *,
    p: int | None = None,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 2_000,
    rounds: int = 60,
    nodes: int = 2_000,
    progress: Progress = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Open sites so that opening them and serving every row costs least together.

    ``min sum f_j y_j + sum w_i d_ij x_ij, sum_j x_ij = 1, x_ij <= y_j`` (Erlenkotter 1978, doi
    10.1287/opre.26.6.992).

    Parameters
    ----------
    costs : AssignmentCost
    opening_cost : (n_site,) array of numbers
        Cost of opening each site, >= 0, in the money of the costs; existing sites cost nothing.
    p : int, optional
        Most sites to open.
    existing, forbidden, gap, time_limit_s, seed, steps, rounds, nodes, progress, stop
        As in `p_median`.

    Returns
    -------
    Decision

    Notes
    -----
    Left out: capacities, closing of existing sites.
    """
    problem = check_request(
        costs, "uncapacitated_facility", p, np.asarray(opening_cost), existing, forbidden
    )
    run = Run(problem, gap, time_limit_s, seed, progress, stop)
    return solve(problem, run, steps, rounds, nodes)
