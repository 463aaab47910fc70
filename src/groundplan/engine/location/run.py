"""One solve of maximal covering from stage to stage: what is known and when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location import strip
from groundplan.engine.location.certificate import (
    BUDGET_DIGITS,
    CHUNK,
    DENOMINATOR,
    bound_numerator,
    check_magnitude,
    seal,
)
from groundplan.engine.location.climb import chosen_count, improve_by_breeding
from groundplan.engine.location.copies import improve_by_copies
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.dual import Choice, DualState, bound_at, start_dual, step_dual
from groundplan.engine.location.program import Program, make_program
from groundplan.engine.location.search import (
    HEAT_FIRST,
    HEAT_LAST,
    Prices,
    Search,
    Windows,
)
from groundplan.engine.location.whole_cover import cover_all
from groundplan.engine.problem import Certificate, Decision

__all__ = ["LIFTS", "Run", "nothing"]

BoolArray = NDArray[np.bool_]
#: Sweeps between two looks at value, gap, stop and checkpoint.
SWEEPS_PER_LOOK = 10
#: Relative distance of bound and fractional plan at which the bound is good enough.
DUAL_TOLERANCE = 1e-4
#: Tiles of the lifted bound by effort: sites, width of the frontier, most states.
LIFTS = (
    (400, 20, 1_500),
    (400, 24, 6_000),
    (300, 32, 30_000),
    (300, 44, 100_000),
    (400, 56, 300_000),
)
#: Where the searches worked on fewer states a site than this, wider ones are tried at once.
CHEAP = 150
#: Passes of windows before the bound is lifted for the first time.
PASSES_BEFORE_LIFT = 3
#: A pass that gains less of the open gap than this makes the windows grow.
LEAST_GAIN = 0.02
#: Of the time that is left, what a sweep may take: where it cannot end, plans are bred in the rest.
SWEEP_SHARE = 0.75


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


class Run:
    """One solve from stage to stage: what is asked, what is known, when to stop.

    Attributes
    ----------
    form : str
        Of the certificate.
    choice : Choice or None
        What may be chosen, where it is more than a budget.
    """

    form = "maximal_covering"
    choice: Choice | None = None

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
        program: Program | None = None,
    ) -> None:
        self.coverage, self.candidate, self.price = coverage, candidate, price
        self.parameters, self.gap, self.seed = parameters, gap, seed
        self.progress, self.stop, self.save = progress, stop, checkpoint
        self.ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
        program = program or make_program(coverage, candidate, price, amount)
        self.search = Search(program)
        self.weight = program.weight.astype(np.float32)
        self.dual: DualState = start_dual(program, self.weight)
        self.prices: Prices | None = None
        self.base = coverage.base_value
        self.total = int(program.weight.sum())
        self.halted = False
        self.searched: int | None = None
        self.swaps: Mapping[str, Any] | None = None
        self.log: dict[str, Any] = {"seed": seed, "rows": program.n_row, "sites": program.n_site}

    def is_late(self) -> bool:
        """Return whether the time is up; a stop that may be resumed waits for the next look."""
        return self.ends_at is not None and time.monotonic() > self.ends_at

    def halt(self) -> bool:
        """Return whether to stop: asked to, or out of time."""
        if self.stop() or self.is_late():
            self.halted = True
        return self.halted

    def bound(self) -> float:
        """Return the best bound so far, existing service included."""
        found = self.dual.bound
        if self.prices is not None:
            found = min(found, self.prices.lifted / DENOMINATOR)
        if self.searched is not None:
            found = min(found, float(self.searched))
        # no plan covers more than there is
        return self.base + min(found, float(self.total))

    def relative(self) -> float:
        """Return the gap on everything served, existing service included."""
        bound = self.bound()
        return (bound - self.base - self.search.best_value) / bound if bound > 0 else 0.0

    def is_done(self) -> bool:
        """Return whether the gap is proven, no plan is better, or the run has to stop."""
        if self.prices is not None and self.prices.lifted // DENOMINATOR <= self.search.best_value:
            return True
        return self.halted or self.relative() <= self.gap

    def look(self, stage: str, phase: str, done: int, total: int, **state: Any) -> bool:
        """Tell how it stands, save the state; true where to stop."""
        value = self.base + self.search.best_value
        self.progress(stage, done, total, value, self.bound())
        if self.save is not nothing:
            # a saved state is a copy: what takes it may keep it
            state = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in state.items()}
            saved = {**self.dual.saved(), "phase": phase, "best": self.search.best.copy()}
            saved["searched"] = -1 if self.searched is None else self.searched
            self.save({**saved, "best_value": self.search.best_value, **state})
        return self.halt()

    def restore(self, saved: Mapping[str, Any]) -> str:
        """Go back to a saved state; returns its phase."""
        self.dual = DualState.restored(dict(saved))
        self.search.best = np.array(saved["best"], bool)
        self.search.best_value = int(saved["best_value"])
        self.searched = None if int(saved["searched"]) < 0 else int(saved["searched"])
        phase = str(saved["phase"])
        if phase != "dual":
            self.set_prices()
        return phase

    def set_prices(self) -> Prices:
        """Round the prices of the rows to whole numbers."""
        share = np.rint(self.dual.best_u.astype(np.float64) * DENOMINATOR).astype(np.uint16)
        return self.take_prices(share)

    def take_prices(self, share: NDArray[np.uint16], worth: float | None = None) -> Prices:
        """Prove with these prices, the budget's price from the steps unless given."""
        mu = self.dual.mu if worth is None else worth
        self.prices = Prices(self.search.program, share, mu, is_count="p" in self.parameters)
        return self.prices

    def start_from(self, other: Run) -> None:
        """Begin at the prices and the plan of a run on the same program with another budget."""
        old, new = other.dual, self.dual
        y = old.best_y * (self.search.program.budget / max(1, other.search.program.budget))
        for name in ("u", "uavg", "ustart", "best_u"):
            getattr(new, name)[:] = old.best_u
        for name in ("y", "yavg", "ystart", "best_y"):
            getattr(new, name)[:] = np.minimum(y, 1.0)
        new.omega, new.fractional = old.omega, 0.0
        priced = np.empty_like(new.u)
        new.bound, new.mu = bound_at(self.search.program, new.best_u, self.weight, priced)
        new.step_mu = new.mu
        self.search.repair(other.search.best.copy())

    def find_prices(self, steps: int) -> None:
        """Take the steps of the bound, then round the fractional plan."""

        def check(state: DualState) -> bool:
            return self.look("bound", "dual", state.step, steps)

        program = self.search.program
        step_dual(program, self.weight, self.dual, steps, DUAL_TOLERANCE, check, self.choice)
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
        chosen, bound, proven = search.solve(left, nodes=nodes, halt=self.halt)
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
        most = effort
        widest = min(effort + 1, len(Windows.LEVELS) - 1)
        if self.ends_at is not None:
            passes = 10_000
        if resume is not None:
            chosen, worth = np.array(resume["chosen"], bool), float(resume["worth"])
            first, level, lifted = (int(resume[k]) for k in ("pass", "level", "lifted"))
            widest, passes = int(resume["widest"]), min(passes, int(resume["passes"]))
            k = 0
            while k <= lifted:
                k = self.lift(k) + 1
        if prices.worth <= 0.0:
            return
        count = search.counts(chosen)
        turn = first
        while turn < passes:
            gained, worked = search.sweep_windows(
                prices, worth, level, [self.seed, turn], chosen, count, self.is_late
            )
            if level == widest < len(Windows.LEVELS) - 1 and worked < CHEAP * program.n_site:
                widest += 1
            turn += 1
            over = (search.spent(chosen) - program.budget) / max(1, program.budget)
            worth *= 1.0 + min(0.05, max(-0.05, 2.0 * over))
            search.repair(chosen.copy())
            if turn == PASSES_BEFORE_LIFT and lifted < 0 and not self.is_done():
                lifted = self.lift(0)
            open_gap = (self.bound() - self.base - search.best_value) * DENOMINATOR
            if gained < LEAST_GAIN * open_gap:
                if level == widest and lifted >= most and (gained == 0 or self.ends_at is None):
                    passes = turn
                elif level < widest:
                    level += 1
                elif lifted < most:
                    lifted = self.lift(lifted + 1)
            if self.halted:
                # a lift that was cut short told less than it would have: the pass is done anew
                break
            stopped = self.look(
                "improve", "windows", turn, passes, chosen=chosen, worth=worth, level=level,
                lifted=lifted, widest=widest, passes=passes, **{"pass": turn},
            )  # fmt: skip
            if stopped or self.relative() <= self.gap:
                break
        self.log["passes"] = turn
        while lifted < most and not self.is_done() and not self.halt():
            lifted = self.lift(lifted + 1)

    def lift(self, level: int) -> int:
        """Lower the bound by what the tiles of a level must lose; returns the level reached."""
        if self.prices is None:
            return level
        sites_max, width_max, cap = LIFTS[level]
        total = self.search.program.n_site

        def tick(done: int) -> bool:
            value = self.base + self.search.best_value
            self.progress("tiles", done, max(done, total // sites_max), value, self.bound())
            return self.halt()

        losses = self.search.lift(self.prices, sites_max, width_max, cap, tick=tick)
        self.log[f"lift_{level}"] = losses.total() / DENOMINATOR
        cheap = losses.worked < CHEAP * total
        self.log[f"states_{level}"] = round(losses.worked / max(1, total), 1)
        if cheap and level + 1 < len(LIFTS) and not self.is_done():
            return self.lift(level + 1)
        return level

    def try_whole_cover(self) -> None:
        """Where the prices cannot tell that a row must stay open, look for a plan that has none."""
        if self.is_done() or self.bound() < self.base + self.total:
            return
        found = cover_all(self.search.program, self.seed, self.halt)
        self.log["covers_all"] = found is not None
        if found is not None:
            self.search.repair(found)

    def improve_by_swaps(self, sweeps: int, rounds: int, resume: Mapping[str, Any] | None) -> None:
        """Improve the best plan as a whole by swaps and exact merging, round after round.

        Where a sweep may prove the plan, the rounds end after some without gain; once it has told
        what is possible they go on from `swaps`.
        """
        best = self.search.best
        if best.any() and not best.all():
            is_even = chosen_count(self.search.program) > 0
            improve = improve_by_breeding if is_even else improve_by_copies
            improve(self, sweeps, rounds, resume)

    def prove_by_strip(self, effort: strip.Effort) -> None:
        """Lower the bound by a sweep over all sites; what it proves is kept as a search's bound."""
        prices = self.prices or self.set_prices()
        search = self.search
        program = search.program
        if self.is_done() or self.searched is not None or not strip.fits_sweep(program):
            return
        # a plan of one unit more is the least that has to be ruled out
        limit = prices.bound - (search.best_value + 1) * DENOMINATOR + 1
        if limit <= 0:
            return
        value = self.base + search.best_value

        now = time.monotonic()
        until = np.inf if self.ends_at is None else now + SWEEP_SHARE * (self.ends_at - now)

        def look() -> bool:
            return self.halt() or time.monotonic() > until

        def tick(done: int) -> bool:
            self.progress("strip", done, done, value, self.bound())
            return look()

        # spending is told apart where few sums of costs can arise
        is_even = bool(program.cost.min() == program.cost.max())
        lost, choice = strip.sweep_strip(
            program,
            strip.SweepPrices(
                prices.whole,
                prices.price,
                prices.reduced,
                program.cost if is_even else np.zeros_like(program.cost),
                program.budget,
                (prices.budget_price >> BUDGET_DIGITS) if is_even else 0,
            ),
            strip.sweep_order(program),
            limit,
            effort,
            tick,
            look,
        )
        self.log["strip"] = lost / DENOMINATOR
        if choice is not None:
            better = np.zeros(program.n_site, bool)
            better[choice] = True
            search.repair(better)
        found = max(search.best_value, (prices.bound - lost) // DENOMINATOR)
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

    def prove(
        self, prices: Prices, named: dict[str, NDArray[Any]], is_open: BoolArray,
        score: NDArray[np.int64],
    ) -> int:  # fmt: skip
        """Name the prices beside those of the rows; returns the bound's numerator without the base.

        Parameters
        ----------
        named : dict
            Holds ``row``, the prices of the raw rows; the others are added.
        is_open : (n_raw,) bool
        score : (n_site,) int64
        """
        if "budget" in self.parameters:
            named["budget"] = np.array([prices.budget_price], np.int64)
        if prices.losses is not None and prices.losses.total() > 0:
            named["budget"] = np.array([prices.budget_price], np.int64)
            named |= prices.losses.record(self.search.program.site)
        return bound_numerator(
            self.coverage.raw_weight, named["row"], is_open, score, self.candidate,
            None if "p" in self.parameters else self.price, self.parameters, named,
        )  # fmt: skip

    def certify(self, status: str) -> Decision:
        """Return the decision with its certificate in whole numbers."""
        coverage, search = self.coverage, self.search
        program = search.program
        check_magnitude(coverage.raw_weight)
        prices = self.prices or self.set_prices()
        if prices.lifted > self.total * DENOMINATOR:
            # without prices the bound is all the weight that candidates reach
            prices = self.take_prices(np.zeros(program.n_row, np.uint16), worth=0.0)
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
        numerator = self.base * DENOMINATOR + self.prove(prices, named, open_row, score)
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
            self.form, self.parameters, coverage.input_hash, DENOMINATOR, named, value, numerator
        )
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
