"""One solve of a median or facility problem: prices, plan, tree, certificate."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_limits import most_within
from groundplan.engine.location.check_median import input_hash_of, tree_bound
from groundplan.engine.location.limited_dual import count_price, follow_groups, group_prices
from groundplan.engine.location.median_dual import Choice, MedianDual, start_prices, step_prices
from groundplan.engine.location.median_limits import LimitedChoice
from groundplan.engine.location.median_problem import Problem, in_space_order
from groundplan.engine.location.median_search import OPENED_A_LOOK, MedianSearch
from groundplan.engine.location.median_tree import Proof, TreeSearch
from groundplan.engine.location.near import (
    Near,
    fastest_cost,
    near_sites,
    restrict_near,
    typical_reach,
)
from groundplan.engine.location.request import check_limits
from groundplan.engine.problem import Certificate, Decision

__all__ = ["Progress", "Run", "solve"]

FloatArray = NDArray[np.float64]
SiteArray = NDArray[np.int32]
Progress = Callable[[str, int, int, float, float], None]
#: Below this many pairs every site stands in every row's list.
PAIRS_MAX = 25_000_000
#: Above it lists hold this many times the sites that share one open site.
NEAR_FACTOR = 2.5
#: Fewest sites of a list.
NEAR_LEAST = 32
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
HEAT_FIRST, HEAT_LAST = 0.04, 0.001
#: Open sites of a tile.
TILE_OPEN = 250
#: Counts below this are kept at every move.
FLIPS_FROM = 50


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
        self.search: MedianSearch
        self.search_sites: SiteArray
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

    def lists(self) -> Near:
        """Return the first lists; short ones where a limit of time ends longer ones."""
        problem = self.problem
        if problem.costs.n_row * self.per_row() <= PAIRS_MAX:
            return near_sites(problem.costs, problem.candidate, self.reach())
        try:
            return near_sites(problem.costs, problem.candidate, self.reach(), self.halt)
        except TimeoutError:
            few = typical_reach(problem.costs, problem.candidate, NEAR_LEAST)
            return near_sites(problem.costs, problem.candidate, np.minimum(few, self.cap))

    def per_row(self) -> int:
        """Return how many sites the list of a row begins with, more or less."""
        problem, n = self.problem, int(self.problem.candidate.sum())
        if problem.costs.n_row * n <= PAIRS_MAX:
            return n
        share = n / max(1, problem.p) if problem.p is not None else np.sqrt(n)
        return max(NEAR_LEAST, int(NEAR_FACTOR * share))

    def reach(self) -> FloatArray:
        """Return up to which cost sites stand in the lists at first."""
        problem = self.problem
        costs, count = problem.costs, self.per_row()
        far = np.full(costs.n_row, float(costs.cost_max) + 1.0)
        if costs.n_row * int(problem.candidate.sum()) > PAIRS_MAX:
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

            step_prices(near, choice, state, steps - state.step, 1e-9, look, self.halt)
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
        limits = problem.limits
        if limits is not None:
            # the least number of every group must be there to open
            keep |= limits.best(gain, problem.candidate)
        sites = np.flatnonzero(keep & problem.candidate).astype(np.int32)
        local = restrict_near(near, sites, self.cap)
        far = np.where(near.reach < self.cap, np.minimum(1.5 * near.reach, self.cap), self.cap)
        search = MedianSearch(
            local, far, np.ones(sites.size, bool), problem.price[sites], problem.p,
            None if limits is None else limits.of(sites),
        )  # fmt: skip
        search.is_open[:] = state.best_y[sites] > 0.5
        many = problem.p is not None and problem.p > OPENED_A_LOOK
        if problem.p is not None and many and limits is None and self.halt():
            search.is_open[:] = drawn(state.best_y[sites], problem.p)
        search.serve()
        search.repair(self.halt)
        self.offer(sites[search.is_open])
        self.log["rounded"] = self.best_value
        ranked = np.sort(gain)[::-1]
        mu = max(0.0, float(ranked[k - 1])) if problem.p is not None else 0.0
        nu = np.zeros(1)
        if limits is not None:
            mine = search.limits
            mu = 0.0
            if problem.p is not None:
                mu = float(count_price(mine, gain[sites], problem.p))
            nu = group_prices(mine, gain[sites] - mu)
        typical = max(
            mu + float(np.maximum(nu, 0.0).mean()),
            float(problem.price[sites].mean()),
            1e-3 * float(self.best_value) / k,
        )
        xy = None if problem.costs.site_xy is None else problem.costs.site_xy[sites]
        flips = problem.p is None or problem.p >= FLIPS_FROM
        heats = typical * cooling(rounds, is_small=self.first_distance == FIRST_DISTANCE[0])
        self.search, self.search_sites = search, sites
        for turn, heat in enumerate(heats.tolist()):
            if self.is_close(state.bound) or self.halt():
                return
            tile, n_tile = cut_tiles(xy, sites.size, k, turn)
            seeds = np.random.Generator(np.random.Philox(key=[self.seed, turn])).integers(
                1, 2**63, n_tile, dtype=np.uint64
            )
            dues = search.price + mu
            if limits is not None:
                dues += nu[search.limits.group]
            search.anneal(
                tile, np.full(ROUND_SWEEPS, heat), dues, seeds, flips=flips,
                is_kept=search.is_limited and not flips,
            )  # fmt: skip
            search.serve()
            if limits is not None:
                held = search.limits.counts(search.is_open)
                follow_groups(search.limits, held, nu, float(dues.mean()))
            if problem.p is not None and flips:
                pull = 2.0 * (int(search.is_open.sum()) - problem.p) / max(1, problem.p)
                mu *= 1.0 + min(0.05, max(-0.05, pull))
            if turn + 1 == heats.size or (turn + 1) % max(5, rounds // 6) == 0:
                self.polish(turn + 1 == heats.size)
            self.progress("improve", turn + 1, heats.size, float(self.best_value), state.bound)
        self.log["annealed"] = self.best_value

    def polish(self, is_last: bool) -> None:
        """Repair a copy of the plan in work, descend by swaps, offer it."""
        search = self.search
        kept = search.is_open.copy()
        search.repair()
        self.descend(20 if is_last else 2)
        self.offer(self.search_sites[search.is_open])
        if not is_last:
            search.is_open[:] = kept
            search.serve()

    def descend(self, sweeps: int) -> None:
        """Take moves that save, for at most so many sweeps."""
        search = self.search
        one = np.zeros(self.search_sites.size, np.int32)
        flips = self.problem.p is None
        for turn in range(sweeps):
            seeds = np.array([1 + turn], np.uint64)
            if not search.anneal(
                one, np.zeros(2), search.price, seeds, flips=flips, is_kept=search.is_limited
            ):
                return
            search.serve()

    def mend(self, plan: SiteArray) -> SiteArray:
        """Return a plan near to the one given, repaired and improved by swaps."""
        search = self.search
        search.is_open[:] = np.isin(self.search_sites, plan)
        search.serve()
        search.repair()
        self.descend(4)
        return self.search_sites[search.is_open]


def drawn(share: FloatArray, count: int) -> NDArray[np.bool_]:
    """Return at most `count` sites spread as their shares are along the order of the sites.

    Where there is no time to weigh sites one by one: neighbours in the plane stand together.
    """
    total = np.cumsum(share)
    out = np.zeros(share.size, np.bool_)
    at = np.searchsorted(total, (np.arange(count) + 0.5) * (total[-1] / max(1, count)))
    out[np.minimum(at, share.size - 1)] = True
    return out


def cooling(rounds: int, *, is_small: bool) -> FloatArray:
    """Return the heat of each round: slowly over the middle, fast at the end; cold first if small.

    Where lists are full the rounded plan is often nearly best and a hot start would lose it.
    """
    if rounds < 1:
        return np.empty(0)
    tail = rounds // 5
    parts = [
        np.geomspace(HEAT_FIRST, HEAT_LAST, rounds - tail),
        np.geomspace(HEAT_LAST, 1e-4, tail),
    ]
    if is_small:
        parts.insert(0, np.geomspace(0.005, 1e-4, max(1, rounds // 4)))
    return np.concatenate(parts)


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
            problem.limits,
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
    income = sum((costs.weight * lam).tolist())
    if problem.limits is not None:
        group = problem.limits.group[problem.candidate]
        most = most_within(problem.limits, group, gain, problem.p)
        return int(income - (most or 0))
    if problem.p is not None and problem.p < gain.size:
        gain = np.partition(gain, gain.size - problem.p)[gain.size - problem.p :]
    return int(income - sum(gain[gain > 0].tolist()))


def conclude(
    problem: Problem, sites: SiteArray, proof: Proof, numerator: int, gap: float,
    log: dict[str, Any],
) -> Decision:  # fmt: skip
    """Return the decision with its certificate."""
    costs = problem.costs
    assignment = problem.assign(sites)
    value = problem.value(sites, assignment)
    bound: int | float = numerator / costs.scale
    if problem.is_whole:
        bound = -(-numerator // costs.scale)
    bound = max(0, bound)
    meets = bound >= value if problem.is_whole else value - bound <= 1e-9 * value
    status = "feasible" if value - bound <= gap * value else "stopped"
    if meets:
        status = "optimal"
    log["tree_leaves"] = proof.site.count(-1)
    certificate = Certificate(
        problem.form,
        {} if problem.p is None else {"p": problem.p},
        input_hash_of(costs, problem.opening, problem.existing, problem.forbidden, problem.limits),
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
        none = np.empty(0, np.int32)
        base = int(problem.value(none, problem.assign(none)))
    return Decision(
        sites, value, bound, (value - bound) / value if value else 0.0, status,
        seal(certificate, sites, assignment), base_value=base, sense="min", assignment=assignment,
        log=log,
    )  # fmt: skip


def solve(
    asked: Problem, gap: float, time_limit_s: float | None, seed: int, progress: Progress,
    stop: Callable[[], bool], steps: int, rounds: int, nodes: int,
) -> Decision:  # fmt: skip
    """Find prices, a plan, and, where the gap stays open and the size allows, a tree of proofs."""
    check_limits(gap, time_limit_s, seed)
    problem, rows, sites = in_space_order(asked)
    run = Run(problem, gap, time_limit_s, seed, progress, stop)
    candidate = problem.candidate
    most = int(candidate.sum())
    count = most if problem.p is None else problem.p
    choice = Choice(candidate, problem.price, count)
    if problem.limits is not None:
        choice = LimitedChoice(candidate, problem.price, count, problem.limits)
        run.log["groups"] = problem.limits.n_group
    near = run.lists()
    state = start_prices(near, choice)
    near = run.find_prices(near, choice, state, steps)
    if choice.p > 0:
        run.improve(near, choice, state, rounds)
    if not run.is_halted:
        near = run.find_prices(near, choice, state, steps)
    free = np.flatnonzero(problem.candidate).astype(np.int32)
    proof = Proof()
    is_complete = True
    small = choice.p > 0 and free.size * problem.costs.n_row <= PAIRS_MAX
    if not run.is_close(state.bound) and not run.is_halted and nodes > 0 and small:
        tree = TreeSearch(
            near, problem.price, problem.p, problem.costs.scale, problem.column, problem.evaluate,
            run.mend, run.best, float(run.best_value), is_whole=problem.is_whole,
            limits=problem.limits,
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
    run.log["tree_is_complete"] = is_complete
    numerator = prove(problem, near, proof)
    plan = run.best
    if rows is not None and sites is not None:
        back = np.argsort(rows)
        proof.prices = [lam[back] for lam in proof.prices]
        proof.site = [int(sites[j]) if j >= 0 else -1 for j in proof.site]
        plan = np.sort(sites[plan]).astype(np.int32)
    return conclude(asked, plan, proof, numerator, gap, run.log)
