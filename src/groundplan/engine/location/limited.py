r"""Maximal covering with limits: so many sites of a group at least, so many at most.

``max sum w_i z_i, z_i <= sum_{j covers i} y_j, sum f_j y_j <= B, l_g <= sum_{j in g} y_j <= u_g``
for groups that part the sites (a cap for every county, a least number in each). The prices are
those of maximal covering with one more for each group: above 0 where the cap binds, below 0 where
the least number does. Choosing sites at given row prices is exact, since groups form a partition
(`limited_dual`), so the bound is that of the linear relaxation, lowered by tiles as without limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import DENOMINATOR
from groundplan.engine.location.check_limits import Limits, check_site_groups, kept_weight
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.exact import ROWS_MAX, SITES_MAX
from groundplan.engine.location.limited_dual import GroupChoice
from groundplan.engine.location.limited_search import LimitedPrices, LimitedSearch
from groundplan.engine.location.program import Program, make_program
from groundplan.engine.location.run import SWEEPS_PER_LOOK, Run
from groundplan.engine.location.search import HEAT_FIRST, HEAT_LAST, SWAP_MAX, Prices
from groundplan.engine.problem import Decision

__all__ = ["LimitedRun", "cover_within_limits", "improve_within", "with_needed"]

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
#: Plans annealed from different random numbers and merged exactly, where sites overlap widely.
ROUNDS_MAX, POOL = 12, 4


def with_idle(
    program: Program, coverage: Coverage, idle: NDArray[np.int64], cost: IntArray
) -> Program:
    """Return the program with candidates that reach nothing: groups may need their number."""
    if not idle.size:
        return program
    xy = np.zeros((idle.size, 2)) if coverage.site_xy_m is None else coverage.site_xy_m[idle]
    end = np.full(idle.size, program.site_indptr[-1], np.int64)
    band = program.band.copy()
    band[-1] += idle.size
    return replace(
        program,
        site_indptr=np.concatenate([program.site_indptr, end]),
        cost=np.concatenate([program.cost, cost[idle]]),
        site=np.concatenate([program.site, idle]).astype(np.int32),
        x=np.concatenate([program.x, xy[:, 0]]),
        y=np.concatenate([program.y, xy[:, 1]]),
        band=band,
    )


def with_needed(
    program: Program, coverage: Coverage, candidate: BoolArray, limits: Limits, cost: IntArray
) -> Program:
    """Return the program with the idle candidates of the groups that need a least number."""
    used = np.zeros(coverage.n_site, bool)
    used[program.site] = True
    needed = candidate & ~used & (limits.least[limits.group] > 0)
    return with_idle(program, coverage, np.flatnonzero(needed), cost)


class LimitedRun(Run):
    """One solve within limits, from stage to stage."""

    form = "covering_with_limits"

    def __init__(
        self, coverage: Coverage, candidate: BoolArray, price: IntArray, amount: int,
        parameters: dict[str, int], limits: Limits, **options: Any,
    ) -> None:  # fmt: skip
        program = make_program(coverage, candidate, price, amount)
        program = with_needed(program, coverage, candidate, limits, price)
        super().__init__(coverage, candidate, price, amount, parameters, program=program, **options)
        mine = limits.of(program.site)
        self.search: LimitedSearch = LimitedSearch(program, mine)
        self.groups = GroupChoice(mine, program.cost, amount)
        self.choice = self.groups
        self.log["groups"] = limits.n_group

    def take_prices(self, share: NDArray[np.uint16], worth: float | None = None) -> Prices:
        """Prove with these prices and the best ones of budget and groups."""
        del worth
        prices = LimitedPrices(self.search.program, share, self.groups)
        self.search.take_prices(prices)
        self.prices = prices
        return prices

    def look(self, stage: str, phase: str, done: int, total: int, **state: Any) -> bool:
        """Tell how it stands, save the state with the prices in work; true where to stop."""
        work = {
            "choice_mu": self.groups.mu, "choice_nu": self.groups.nu,
            "search_mu": self.search.mu, "search_nu": self.search.nu,
        }  # fmt: skip
        return super().look(stage, phase, done, total, **state, **work)

    def restore(self, saved: Mapping[str, Any]) -> str:
        """Go back to a saved state; returns its phase."""
        phase = super().restore(saved)
        self.groups.mu, self.groups.nu = float(saved["choice_mu"]), np.array(saved["choice_nu"])
        self.search.mu, self.search.nu = float(saved["search_mu"]), np.array(saved["search_nu"])
        return phase

    def improve_by_annealing(self, sweeps: int, resume: Mapping[str, Any] | None) -> None:
        """Anneal copies of the best plan at the prices, merge what they come to exactly."""
        search, first = self.search, 0
        prices = self.prices or self.set_prices()
        hot = prices.worth / DENOMINATOR * HEAT_FIRST
        pool: list[BoolArray] = []
        if resume is not None:
            first, pool = int(resume["round"]), list(np.array(resume["pool"], bool))
        if hot <= 0.0:
            return
        is_merged = max(search.program.n_row, search.program.n_site) <= SWAP_MAX
        rounds = ROUNDS_MAX if is_merged else 1
        for turn in range(first, rounds):
            chosen = search.best.copy()
            count = search.counts(chosen)
            for sweep in range(sweeps):
                heat = hot * (HEAT_LAST / HEAT_FIRST) ** (sweep / max(1, sweeps - 1))
                search.anneal_priced(chosen, count, heat, [self.seed, turn * sweeps + sweep])
                is_last = sweep + 1 == sweeps
                if is_last or ((sweep + 1) % SWEEPS_PER_LOOK == 0 and 2 * sweep > sweeps):
                    search.repair(chosen.copy())
                if sweep % SWEEPS_PER_LOOK == 0 and (self.halt() or self.is_done()):
                    break
            pool = [*pool, chosen][-POOL:]
            if is_merged and not self.halted:
                search.merge(pool, [self.seed, turn + 2**32])
            self.log["rounds"] = turn + 1
            state = {"round": turn + 1, "pool": np.array(pool)}
            if self.look("improve", "anneal", turn + 1, rounds, **state) or self.is_done():
                return

    def prove(
        self, prices: Prices, named: dict[str, NDArray[Any]], is_open: BoolArray, score: IntArray
    ) -> int:
        """Name the prices of budget and groups; returns the bound's numerator without the base."""
        del score
        if not isinstance(prices, LimitedPrices):
            raise TypeError("prices without groups prove nothing here")
        named["budget"] = np.array([prices.budget_price], np.int64)
        named["group"] = prices.group_price[:-1]
        lost = 0
        if prices.losses is not None and prices.losses.total() > 0:
            named |= prices.losses.record(self.search.program.site)
            lost = prices.losses.total()
        numerator = kept_weight(self.coverage.raw_weight, named["row"], is_open)
        return numerator + int(np.maximum(prices.reduced, 0).sum()) + prices.income - lost


def cover_within_limits(
    coverage: Coverage, candidate: BoolArray, price: IntArray, amount: int,
    parameters: dict[str, int], site_group: Any, least: Any, most: Any, *,
    resume: Mapping[str, Any] | None, steps: int, sweeps: int, passes: int, effort: int,
    nodes: int, rows_direct: int, sites_direct: int, **options: Any,
) -> Decision:  # fmt: skip
    """Solve maximal covering within limits; the request has been checked but for the limits."""
    limits = check_site_groups(
        site_group, least, most, coverage.existing, candidate, cost=price, **parameters
    )
    run = LimitedRun(coverage, candidate, price, amount, parameters, limits, **options)
    search, program = run.search, run.search.program
    if program.n_site == 0 or program.n_row == 0:
        return run.certify("optimal")
    phase = "dual"
    if resume:
        phase = run.restore(resume)
    else:
        run.log["greedy"] = run.base + search.repair(np.zeros(program.n_site, bool))
    if phase == "dual":
        run.find_prices(steps)
    if improve_within(
        run, phase, resume, sweeps=sweeps, passes=passes, effort=effort, nodes=nodes,
        rows_direct=rows_direct, sites_direct=sites_direct,
    ):  # fmt: skip
        return run.certify("optimal")
    return run.certify("feasible" if run.relative() <= run.gap else "stopped")


def improve_within(
    run: LimitedRun, phase: str, resume: Mapping[str, Any] | None, *, sweeps: int, passes: int,
    effort: int, nodes: int, rows_direct: int, sites_direct: int,
) -> bool:  # fmt: skip
    """Solve exactly where small, else improve; true where the plan was proven by a solver.

    With `nodes` of 0 what improvement leaves open is not given to a general solver.
    """
    search, program = run.search, run.search.program
    is_small = program.n_row <= ROWS_MAX and program.n_site <= SITES_MAX
    is_tiny = program.n_row <= rows_direct or program.n_site <= sites_direct
    if is_small and is_tiny and run.finish_exactly(None):
        return True
    if not run.is_done():
        state = resume if phase in {"anneal", "windows"} else None
        if search.fits_windows():
            run.log["improved_by"] = "windows"
            run.improve_by_windows(passes, effort, state)
        else:
            # swaps and the sweep over all sites know no limits
            run.log["improved_by"] = "annealing at prices of the groups"
            run.improve_by_annealing(sweeps, state)
    if not is_small or run.is_done() or not (is_tiny or nodes):
        return False
    return run.finish_exactly(None if is_tiny else nodes)
