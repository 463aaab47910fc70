"""The whole curve of how much can be covered with how many sites, each point with its bound.

Prices found for one count prove a bound for every other count as well: the value of the rows less
their prices, plus the p largest scores; and what tiles must lose at the price of a site bounds
every count along a straight line of that slope. The curve keeps, for each count, the best over all
prices met on the way, so that its bounds are nearly free. Each count starts from the plan and the
prices of the one before, and at the end takes the plans of its neighbours, a site dropped or added.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import BUDGET_DIGITS
from groundplan.engine.location.check_limits import check_site_groups
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.logbook import ended_by
from groundplan.engine.location.program import Program
from groundplan.engine.location.request import check_kind, check_limits
from groundplan.engine.location.run import Run, nothing
from groundplan.engine.location.search import SWAP_MAX, Prices
from groundplan.engine.location.solve import (
    NODES,
    ROWS_DIRECT,
    SITES_DIRECT,
    check_request,
    improve_run,
)
from groundplan.engine.problem import Decision

__all__ = ["curve"]

#: Rounds of exchanges at a point that stays open.
ROUNDS = 3

IntArray = NDArray[np.int64]


def curve(
    coverage: Coverage,
    p_values: Sequence[int] | None = None,
    *,
    budgets: Sequence[int] | None = None,
    cost: IntArray | None = None,
    existing: NDArray[np.bool_] | None = None,
    forbidden: NDArray[np.bool_] | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    gap: float = 0.005,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 200,
    sweeps: int = 100,
    passes: int = 8,
    effort: int = 0,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> list[Decision]:
    """Return maximal covering for several counts or budgets, smallest first.

    Parameters
    ----------
    coverage : Coverage
    p_values : sequence of int, optional
        Counts of sites to add; given once each.
    budgets, cost : sequence of int, (n_site,) int64, optional
        Amounts that may be spent, and what each site costs, instead of `p_values`.
    time_limit_s : float, optional
        For the whole curve; each point takes its part of what is left.
    steps : int
        Most steps of the bound at each point; the first takes twice as many.
    existing, forbidden, site_group, least, most, gap, seed, sweeps, passes, progress, stop
        As of `maximal_covering`.
    effort : int
        As of `maximal_covering`; below 1, larger problems are not given to a general solver, which
        would take nearly all of the time to close the last hundredths of a per cent.

    Returns
    -------
    list of Decision
        Each with its own certificate, which `verify` checks like any other, and with what ended it
        in ``log["ended"]``. Values never fall and bounds never fall along the list.

    Raises
    ------
    ValueError
        Where the request contradicts itself.
    InfeasibleError
        Where the limits on the groups do at one of the points; with every conflict.
    """
    check_kind(coverage, Coverage, "coverage")
    coverage = coverage.with_existing(existing)
    check_limits(gap, time_limit_s, seed)
    if (p_values is None) == (budgets is None):
        raise ValueError("give either p_values or budgets (with cost)")
    is_limited = any(part is not None for part in (site_group, least, most))
    amounts = sorted({int(v) for v in (p_values if p_values is not None else budgets or ())})
    if not amounts:
        raise ValueError("give at least one count or budget")
    runs: list[Run] = []
    spent: list[tuple[float, float | None, bool]] = []
    is_stopped = False

    def poll() -> bool:
        nonlocal is_stopped
        is_stopped = is_stopped or bool(stop())
        return is_stopped

    base: Program | None = None
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    for number, amount in enumerate(amounts):
        request: dict[str, Any] = {"p": amount} if p_values is not None else {"budget": amount}
        candidate, price, money, parameters = check_request(
            coverage.existing, request.get("p"), request.get("budget"), cost, forbidden
        )
        part, begun = None, time.monotonic()
        if ends_at is not None:
            part = max(0.0, ends_at - time.monotonic()) / (len(amounts) - number)
        options: dict[str, Any] = {
            "gap": gap, "time_limit_s": part, "seed": seed, "progress": progress, "stop": poll,
            "checkpoint": nothing,
        }  # fmt: skip
        run: Run
        if is_limited:
            # loaded late: its kernels compile for those who ask
            from groundplan.engine.location.limited import LimitedRun

            limits = check_site_groups(
                site_group, least, most, coverage.existing, candidate, cost=price, **parameters
            )
            run = LimitedRun(coverage, candidate, price, money, parameters, limits, **options)
        else:
            program = None if base is None else replace(base, budget=money)
            run = Run(coverage, candidate, price, money, parameters, program=program, **options)
        base = run.search.program
        if base.n_site and base.n_row:
            if number:
                run.start_from(runs[-1])
            else:
                run.search.repair(np.zeros(base.n_site, bool))
            run.find_prices(steps * (1 if number else 2))
            if improve_point(run, sweeps=sweeps, passes=passes, effort=effort):
                run.searched = run.search.best_value
            elif not is_limited and not run.is_done() and max(base.n_row, base.n_site) <= SWAP_MAX:
                # where windows came to rest, exchanges over the whole may still find something
                run.improve_by_swaps(sweeps, ROUNDS, None)
        runs.append(run)
        spent.append((time.monotonic() - begun, part, is_stopped))
    if base is not None and base.n_site and base.n_row:
        share_plans(runs)
        share_bounds(runs)
    out = []
    for run, (used_s, limit_s, was_stopped) in zip(runs, spent, strict=True):
        d = run.certify("feasible" if run.relative() <= run.gap else "stopped")
        ended = ended_by(d.status, used_s, limit_s, is_stopped=was_stopped)
        out.append(replace(d, log={**d.log, "ended": ended}))
    return out


def improve_point(run: Run, *, sweeps: int, passes: int, effort: int) -> bool:
    """Improve a point from its prices; true where the plan was proven by a solver."""
    asked = {"sweeps": sweeps, "passes": passes, "effort": effort}
    if run.choice is None:
        return improve_run(run, "dual", None, is_solved=effort > 0, **asked)
    from groundplan.engine.location.limited import LimitedRun, improve_within

    if not isinstance(run, LimitedRun):
        raise TypeError("only limits on groups of sites have a choice of their own")
    return improve_within(
        run, "dual", None, nodes=NODES[effort] if effort > 0 else 0, rows_direct=ROWS_DIRECT,
        sites_direct=SITES_DIRECT, **asked,
    )  # fmt: skip


def share_plans(runs: list[Run]) -> None:
    """Try the plan of each point on its neighbours, dropped to the budget or filled up to it."""
    for number in reversed(range(len(runs) - 1)):
        runs[number].search.repair(runs[number + 1].search.best.copy())
    for number in range(1, len(runs)):
        runs[number].search.repair(runs[number - 1].search.best.copy())


def share_bounds(runs: list[Run]) -> None:
    """Give each point the best bound that prices, tiles or a search of any point prove for it."""
    own = [run.prices for run in runs]
    for number, run in enumerate(runs):
        best = run.prices
        if best is None:
            continue
        for place, other in enumerate(own):
            if other is None or place == number:
                continue
            trials = [along(other, run)]
            if abs(place - number) == 1:
                # all scores are added up for it: for neighbours only
                trials.append(anew(other, run))
            best = min([best, *trials], key=lambda prices: prices.lifted)
        run.prices = best
    for number in reversed(range(len(runs) - 1)):
        run, more = runs[number], runs[number + 1]
        # with more to spend at least as much can be covered
        if more.searched is not None and more.searched < (run.searched or more.searched + 1):
            run.searched = more.searched


def along(other: Prices, run: Run) -> Prices:
    """Return prices of another budget with their tiles, at the same price of the budget."""
    if run.choice is not None:
        from groundplan.engine.location import limited_curve

        return limited_curve.along_within(other, run)
    budget, price = run.search.program.budget, other.budget_price
    moved = copy.copy(other)
    moved.bound += (-price * other.budget >> BUDGET_DIGITS) - (-price * budget >> BUDGET_DIGITS)
    moved.budget = budget
    return moved


def anew(other: Prices, run: Run) -> Prices:
    """Return prices of another budget without their tiles, the budget priced for this one."""
    if run.choice is not None:
        from groundplan.engine.location import limited_curve

        return limited_curve.anew_within(other, run)
    return Prices(run.search.program, other.share, run.dual.mu, is_count="p" in run.parameters)
