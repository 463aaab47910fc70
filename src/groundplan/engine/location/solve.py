"""Maximal covering (Church and ReVelle 1974, doi 10.1007/BF01942293) with a bound on every answer.

Stages: greedy start, primal-dual bound, rounding, exact finish where small, improvement by windows
and the bound lifted below the linear program by tiles. Where sites overlap too widely for windows:
plans annealed by swaps and merged exactly, then a general solver with that plan to beat.
Everything stops on counts or on a proven gap, never on the clock unless a time limit is given, so
that the same seed gives the same plan on any number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import (
    CHUNK,
    DENOMINATOR,
    bound_numerator,
    check_magnitude,
    seal,
)
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.dual import DualState, start_dual, step_dual
from groundplan.engine.location.exact import ROWS_MAX, SITES_MAX, solve_exactly
from groundplan.engine.location.program import make_program
from groundplan.engine.location.search import (
    HEAT_FIRST,
    HEAT_LAST,
    SWAP_MAX,
    Prices,
    Search,
    Windows,
)
from groundplan.engine.problem import Certificate, Decision

__all__ = ["maximal_covering"]

BoolArray = NDArray[np.bool_]
#: Sweeps between two looks at value, gap, stop and checkpoint.
SWEEPS_PER_LOOK = 10
#: Relative distance of bound and fractional plan at which the bound is good enough.
DUAL_TOLERANCE = 1e-4
#: Tiles of the lifted bound by effort: sites, width of the frontier, most states.
LIFTS = ((400, 20, 1_500), (400, 24, 5_000), (400, 28, 30_000), (600, 32, 200_000))
#: Passes of windows before the bound is lifted for the first time.
PASSES_BEFORE_LIFT = 3
#: A pass that gains less of the open gap than this makes the windows grow.
LEAST_GAIN = 0.02
#: Above this many rows a good plan is sought before the exact finish.
ROWS_DIRECT = 1_000
#: Nodes of the exact finish by effort.
NODES = (50, 500, 5_000, 50_000)
#: Partial choices that a sweep of the whole strip keeps, by effort.
STRIP_CAPS = (20_000, 100_000, 400_000, 2_000_000)
#: Moves of one annealing by swaps: so many a sweep and site, and at most so many a sweep.
MOVES, MOVES_MAX = 4, 20_000


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


def check_request(
    coverage: Coverage,
    p: int | None,
    budget: int | None,
    cost: NDArray[np.int64] | None,
    forbidden: BoolArray | None,
) -> tuple[BoolArray, NDArray[np.int64], int, dict[str, int]]:
    """Return candidates, costs, budget and parameters, or say what is wrong with the request."""
    if (p is None) == (budget is None):
        raise ValueError("give either p or budget (with cost)")
    candidate = ~coverage.existing
    if forbidden is not None:
        if np.shape(forbidden) != (coverage.n_site,):
            raise ValueError(f"forbidden must have shape ({coverage.n_site},)")
        candidate &= ~np.asarray(forbidden, bool)
    if p is not None:
        if p < 0:
            raise ValueError(f"p must be >= 0. Got {p}")
        return candidate, np.ones(coverage.n_site, np.int64), int(p), {"p": int(p)}
    if cost is None or np.shape(cost) != (coverage.n_site,):
        raise ValueError(f"budget needs cost of shape ({coverage.n_site},)")
    price = np.asarray(cost)
    if not np.issubdtype(price.dtype, np.integer) or price[candidate].min(initial=1) <= 0:
        raise ValueError("cost must be whole numbers > 0 for every candidate")
    if budget is None or budget < 0:
        raise ValueError(f"budget must be >= 0. Got {budget}")
    return candidate, price.astype(np.int64), int(budget), {"budget": int(budget)}


def maximal_covering(
    coverage: Coverage,
    p: int | None = None,
    *,
    budget: int | None = None,
    cost: NDArray[np.int64] | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.005,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 400,
    sweeps: int = 200,
    passes: int = 12,
    effort: int = 1,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
    checkpoint: Callable[[Mapping[str, Any]], None] = nothing,
    resume: Mapping[str, Any] | None = None,
) -> Decision:
    """Choose sites so that as much weight as possible is covered.

    ``max sum w_i z_i, z_i <= sum_{j covers i} y_j, sum y_j <= p`` or ``sum f_j y_j <= budget``.

    Parameters
    ----------
    coverage : Coverage
        Existing sites serve already and are not chosen again.
    p : int, optional
        How many sites to add.
    budget, cost : int, (n_site,) int64, optional
        What may be spent and what each site costs, instead of `p`.
    forbidden : (n_site,) bool, optional
        Sites that may not be chosen.
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine; without it the answer depends on the seed alone.
    seed : int
    steps : int
        Most steps of the bound.
    sweeps : int
        Length of the annealing, where windows do not fit.
    passes : int
        Most passes of windows over all sites, or rounds of plans annealed and merged.
    effort : int
        0..3: how large windows, tiles and the exact finish may grow; each level costs several
        times the last.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled at every look; true returns the best plan so far with status ``stopped``.
    checkpoint : callable
        Takes the whole state at every look; `resume` goes on from it to the same answer.

    Returns
    -------
    Decision

    Raises
    ------
    ValueError
        Where the request contradicts itself.

    Notes
    -----
    Left out: groups, regional floors, several budgets, gradual and backup cover.
    """
    candidate, price, amount, parameters = check_request(coverage, p, budget, cost, forbidden)
    if not 0 <= effort < len(LIFTS):
        raise ValueError(f"effort must be 0..{len(LIFTS) - 1}. Got {effort}")
    run = Run(
        coverage, candidate, price, amount, parameters,
        gap=gap, time_limit_s=time_limit_s, seed=seed, progress=progress, stop=stop,
        checkpoint=checkpoint,
    )  # fmt: skip
    program = run.search.program
    if program.n_site == 0 or program.n_row == 0:
        return run.certify("optimal")
    phase = "dual"
    if resume:
        phase = run.restore(resume)
    else:
        run.log["greedy"] = run.base + run.search.repair(np.zeros(program.n_site, bool))
    if phase == "dual":
        run.find_prices(steps)
    is_small = program.n_row <= ROWS_MAX and program.n_site <= SITES_MAX
    if is_small and program.n_row <= ROWS_DIRECT and run.finish_exactly(None):
        return run.certify("optimal")
    if not run.is_done():
        state = resume if phase in {"anneal", "windows", "swaps"} else None
        if run.search.fits_windows():
            run.improve_by_windows(passes, effort, state)
        elif max(program.n_row, program.n_site) <= SWAP_MAX:
            run.improve_by_swaps(sweeps, passes, state)
            run.prove_by_strip(STRIP_CAPS[effort])
        else:
            run.improve_by_annealing(sweeps, state)
    if is_small and not run.is_done() and run.finish_exactly(NODES[effort]):
        return run.certify("optimal")
    return run.certify("feasible" if run.relative() <= gap else "stopped")


class Run:
    """One solve from stage to stage: what is asked, what is known, when to stop."""

    def __init__(
        self,
        coverage: Coverage,
        candidate: BoolArray,
        price: NDArray[np.int64],
        amount: int,
        parameters: dict[str, int],
        *,
        gap: float,
        time_limit_s: float | None,
        seed: int,
        progress: Callable[[str, int, int, float, float], None],
        stop: Callable[[], bool],
        checkpoint: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.coverage, self.candidate, self.price = coverage, candidate, price
        self.parameters, self.gap, self.seed = parameters, gap, seed
        self.progress, self.stop, self.save = progress, stop, checkpoint
        self.ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
        self.search = Search(make_program(coverage, candidate, price, amount))
        program = self.search.program
        self.weight = program.weight.astype(np.float32)
        self.dual: DualState = start_dual(program, self.weight)
        self.prices: Prices | None = None
        self.base = coverage.base_value
        self.halted = False
        self.searched: int | None = None
        self.log: dict[str, Any] = {"seed": seed, "rows": program.n_row, "sites": program.n_site}

    def halt(self) -> bool:
        """Return whether to stop: asked to, or out of time."""
        if self.stop() or (self.ends_at is not None and time.monotonic() > self.ends_at):
            self.halted = True
        return self.halted

    def bound(self) -> float:
        """Return the best bound so far, existing service included."""
        found = self.dual.bound
        if self.prices is not None:
            found = min(found, self.prices.lifted / DENOMINATOR)
        if self.searched is not None:
            found = min(found, float(self.searched))
        return self.base + found

    def relative(self) -> float:
        """Return the gap on everything served, existing service included."""
        bound = self.bound()
        return (bound - self.base - self.search.best_value) / bound if bound > 0 else 0.0

    def is_done(self) -> bool:
        """Return whether the gap is proven or the run has to stop."""
        return self.halted or self.relative() <= self.gap

    def look(self, stage: str, phase: str, done: int, total: int, **state: Any) -> bool:
        """Tell how it stands, save the state; true where to stop."""
        value = self.base + self.search.best_value
        self.progress(stage, done, total, value, self.bound())
        if self.save is not nothing:
            # a saved state is a copy: what takes it may keep it
            state = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in state.items()}
            saved = {**self.dual.saved(), "phase": phase, "best": self.search.best.copy()}
            self.save({**saved, "best_value": self.search.best_value, **state})
        return self.halt()

    def restore(self, saved: Mapping[str, Any]) -> str:
        """Go back to a saved state; returns its phase."""
        self.dual = DualState.restored(dict(saved))
        self.search.best = np.array(saved["best"], bool)
        self.search.best_value = int(saved["best_value"])
        phase = str(saved["phase"])
        if phase != "dual":
            self.set_prices()
        return phase

    def set_prices(self) -> Prices:
        """Round the prices of the rows to whole numbers."""
        self.prices = Prices(self.search.program, self.dual, is_count="p" in self.parameters)
        return self.prices

    def find_prices(self, steps: int) -> None:
        """Take the steps of the bound, then round the fractional plan."""

        def check(state: DualState) -> bool:
            return self.look("bound", "dual", state.step, steps)

        program = self.search.program
        step_dual(program, self.weight, self.dual, steps, DUAL_TOLERANCE, check)
        self.log["bound_steps"] = self.dual.step
        self.dual.settle()
        self.set_prices()
        if not self.halted:
            self.log["rounded"] = self.base + self.search.repair(self.dual.best_y > 0.5)

    def finish_exactly(self, nodes: int | None) -> bool:
        """Let a general solver search with the best plan as start; true where it proved its plan.

        Its own bound, where lower, is kept as one that no prices prove.
        """
        if self.halt():
            return False
        left = None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())
        search = self.search
        chosen, bound, proven = solve_exactly(search.program, search.best, left, nodes=nodes)
        search.repair(chosen)
        self.log["highs_proven"] = proven
        if np.isfinite(bound):
            # the solver works in doubles: what it states is rounded up by a millionth of itself
            found = max(search.best_value, int(np.floor(bound + 1e-6 * max(1.0, bound))))
            self.searched = found if self.searched is None else min(self.searched, found)
            self.log["highs_bound"] = self.base + found
        return proven

    def improve_by_windows(
        self, passes: int, effort: int, resume: Mapping[str, Any] | None
    ) -> None:
        """Choose window after window anew until the gap, the passes or the gains end."""
        search, prices = self.search, self.prices or self.set_prices()
        program = search.program
        chosen, worth, first, level, lifted = search.best.copy(), prices.worth, 0, 0, -1
        if resume is not None:
            chosen, worth = np.array(resume["chosen"], bool), float(resume["worth"])
            first, level, lifted = (int(resume[k]) for k in ("pass", "level", "lifted"))
            for k in range(lifted + 1):
                self.lift(k)
        if prices.worth <= 0.0:
            return
        count = search.counts(chosen)
        most = effort
        widest = min(effort + 1, len(Windows.LEVELS) - 1)
        if self.ends_at is not None:
            passes = 10_000
        turn = first
        while turn < passes:
            gained = search.sweep_windows(prices, worth, level, [self.seed, turn], chosen, count)
            turn += 1
            over = (search.spent(chosen) - program.budget) / max(1, program.budget)
            worth *= 1.0 + min(0.05, max(-0.05, 2.0 * over))
            search.repair(chosen.copy())
            if turn == PASSES_BEFORE_LIFT and lifted < 0 and not self.is_done():
                lifted = 0
                self.lift(0)
            open_gap = (self.bound() - self.base - search.best_value) * DENOMINATOR
            if gained < LEAST_GAIN * open_gap:
                if level == widest and lifted >= most and (gained == 0 or self.ends_at is None):
                    passes = turn
                elif level < widest:
                    level += 1
                elif lifted < most:
                    lifted += 1
                    self.lift(lifted)
            stopped = self.look(
                "improve", "windows", turn, passes,
                chosen=chosen, worth=worth, level=level, lifted=lifted, **{"pass": turn},
            )  # fmt: skip
            if stopped or self.relative() <= self.gap:
                break
        self.log["passes"] = turn
        while lifted < most and not self.is_done() and not self.halt():
            lifted += 1
            self.lift(lifted)

    def lift(self, level: int) -> None:
        """Lower the bound by what the tiles of a level must lose."""
        if self.prices is None:
            return
        sites_max, width_max, cap = LIFTS[level]
        total = self.search.program.n_site

        def tick(done: int) -> bool:
            value = self.base + self.search.best_value
            self.progress("tiles", done, max(done, total // sites_max), value, self.bound())
            return self.halt()

        got = self.search.lift(self.prices, sites_max, width_max, cap, tick=tick)
        self.log[f"lift_{level}"] = got / DENOMINATOR

    def improve_by_swaps(self, sweeps: int, rounds: int, resume: Mapping[str, Any] | None) -> None:
        """Anneal copies of the best plan by swaps and merge them exactly, round after round."""
        search = self.search
        program = search.program
        if not search.best.any() or search.best.all():
            return
        pool: list[BoolArray] = []
        first = 0
        if resume is not None:
            first = int(resume["round"])
            pool = list(np.array(resume["pool"], bool))
        if self.ends_at is not None:
            rounds = 10_000
        moves = max(1, min(MOVES * program.n_site, MOVES_MAX) * sweeps)
        for turn in range(first, rounds):
            pool = search.merge_annealed(moves, [self.seed, turn], pool)
            self.log["rounds"] = turn + 1
            stopped = self.look(
                "improve", "swaps", turn + 1, rounds, round=turn + 1, pool=np.array(pool)
            )
            if stopped or self.relative() <= self.gap:
                return

    def prove_by_strip(self, cap: int) -> None:
        """Lower the bound by a sweep over all sites; what it proves is kept as a search's bound."""
        if self.is_done():
            return
        value = self.base + self.search.best_value

        def tick(done: int) -> bool:
            self.progress("strip", done, done, value, self.bound())
            return self.halt()

        found, lost = self.search.sweep_strip(self.prices or self.set_prices(), cap, tick)
        self.log["strip"] = lost / DENOMINATOR
        self.searched = found if self.searched is None else min(self.searched, found)

    def improve_by_annealing(self, sweeps: int, resume: Mapping[str, Any] | None) -> None:
        """Improve the best plan by annealing at the budget's price."""
        search, dual = self.search, self.dual
        program = search.program
        chosen, mu, first = search.best.copy(), dual.mu, 0
        if resume is not None:
            chosen, mu = np.array(resume["chosen"], bool), float(resume["mu"])
            first = int(resume["sweep"])
        if mu <= 0.0:
            return
        count = search.counts(chosen)
        for sweep in range(first, sweeps):
            heat = dual.mu * float(program.cost.mean()) * HEAT_FIRST
            heat *= (HEAT_LAST / HEAT_FIRST) ** (sweep / max(1, sweeps - 1))
            search.anneal(chosen, count, mu, heat, [self.seed, sweep])
            pull = 2.0 * (search.spent(chosen) - program.budget) / max(1, program.budget)
            mu *= 1.0 + min(0.05, max(-0.05, pull))
            if (sweep + 1) % SWEEPS_PER_LOOK and sweep + 1 < sweeps:
                continue
            if sweep + 1 > sweeps // 2 or self.halted:
                search.repair(chosen.copy())
            stopped = self.look(
                "improve", "anneal", sweep + 1, sweeps,
                chosen=chosen, mu=mu, sweep=sweep + 1,
            )  # fmt: skip
            if self.relative() <= self.gap:
                return
            if stopped:
                search.repair(chosen.copy())
                return

    def certify(self, status: str) -> Decision:
        """Return the decision with its certificate in whole numbers."""
        coverage, search = self.coverage, self.search
        program = search.program
        check_magnitude(coverage.raw_weight)
        prices = self.prices or self.set_prices()
        sites = np.sort(program.site[search.best]).astype(np.int32)
        share = np.full(coverage.weight.size, DENOMINATOR, np.uint16)
        share[program.row] = prices.share
        open_row = coverage.row_of >= 0
        row_price = np.full(coverage.row_of.size, DENOMINATOR, np.uint16)
        for a in range(0, row_price.size, CHUNK):
            part = slice(a, a + CHUNK)
            here = open_row[part]
            row_price[part][here] = share[coverage.row_of[part][here]]
        score = np.zeros(coverage.n_site, np.int64)
        score[program.site] = prices.score
        named: dict[str, NDArray[Any]] = {"row": row_price}
        if "budget" in self.parameters:
            named["budget"] = np.array([prices.budget_price], np.int64)
        if prices.losses is not None and prices.losses.total() > 0:
            named["budget"] = np.array([prices.budget_price], np.int64)
            named |= prices.losses.record(program.site)
        numerator = self.base * DENOMINATOR + bound_numerator(
            coverage.raw_weight, row_price, open_row, score, self.candidate,
            None if "p" in self.parameters else self.price, self.parameters, named,
        )  # fmt: skip
        value = self.base + search.best_value
        bound = numerator // DENOMINATOR
        bound_by = "prices"
        if status == "optimal":
            self.searched = search.best_value
        if self.searched is not None and self.base + self.searched < bound:
            # the exhaustive search proved more than the prices do
            bound, bound_by = self.base + self.searched, "search"
            self.parameters = {**self.parameters, "bound_by_search": bound}
        if bound == value:
            status = "optimal"
        certificate = Certificate(
            "maximal_covering", self.parameters, coverage.input_hash, DENOMINATOR, named, value,
            numerator,
        )  # fmt: skip
        room = bound - self.base
        return Decision(
            sites,
            value,
            bound,
            (bound - value) / bound if bound else 0.0,
            status,
            seal(certificate, sites),
            base_value=self.base,
            gain_gap=(bound - value) / room if room else 0.0,
            bound_by=bound_by,
            log=self.log,
        )
