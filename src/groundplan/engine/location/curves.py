"""The whole curve of how much can be covered with how many sites, each point with its bound.

Prices found for one count prove a bound for every other count as well: the value of the rows less
their prices, plus the p largest scores. The curve keeps, for each count, the best over all prices
met on the way, so that its bounds are nearly free; each count starts from the plan and the prices
of the one before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.program import Program
from groundplan.engine.location.request import check_limits
from groundplan.engine.location.run import Run, nothing
from groundplan.engine.location.search import Prices
from groundplan.engine.location.solve import check_request, finish_run
from groundplan.engine.problem import Decision

__all__ = ["curve"]

IntArray = NDArray[np.int64]


def curve(
    coverage: Coverage,
    p_values: Sequence[int] | None = None,
    *,
    budgets: Sequence[int] | None = None,
    cost: IntArray | None = None,
    forbidden: NDArray[np.bool_] | None = None,
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
    forbidden, gap, seed, sweeps, passes, effort, progress, stop
        As of `maximal_covering`.

    Returns
    -------
    list of Decision
        Each with its own certificate, which `verify` checks like any other. Values never fall and
        bounds never fall along the list.

    Raises
    ------
    ValueError
        Where the request contradicts itself.
    """
    check_limits(gap, time_limit_s, seed)
    if (p_values is None) == (budgets is None):
        raise ValueError("give either p_values or budgets (with cost)")
    amounts = sorted({int(v) for v in (p_values if p_values is not None else budgets or ())})
    if not amounts:
        raise ValueError("give at least one count or budget")
    runs: list[Run] = []
    statuses: list[Decision] = []
    base: Program | None = None
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    for number, amount in enumerate(amounts):
        request: dict[str, Any] = {"p": amount} if p_values is not None else {"budget": amount}
        candidate, price, money, parameters = check_request(
            coverage.existing, request.get("p"), request.get("budget"), cost, forbidden
        )
        part = None
        if ends_at is not None:
            part = max(0.0, ends_at - time.monotonic()) / (len(amounts) - number)
        run = Run(
            coverage, candidate, price, money, parameters,
            gap=gap, time_limit_s=part, seed=seed, progress=progress, stop=stop,
            checkpoint=nothing, program=None if base is None else replace(base, budget=money),
        )  # fmt: skip
        base = run.search.program
        if base.n_site == 0 or base.n_row == 0:
            statuses.append(run.certify("optimal"))
            runs.append(run)
            continue
        if number:
            run.start_from(runs[-1])
        else:
            run.search.repair(np.zeros(base.n_site, bool))
        run.find_prices(steps * (1 if number else 2))
        statuses.append(
            finish_run(
                run,
                "dual",
                None,
                sweeps=sweeps,
                passes=passes,
                effort=effort,
            )
        )
        runs.append(run)
    return [share_prices(runs, k, statuses[k]) for k in range(len(runs))]


def share_prices(runs: list[Run], number: int, found: Decision) -> Decision:
    """Return a point with the best bound that the prices of any point prove for it."""
    run = runs[number]
    own = run.prices
    if own is None or found.bound_by == "search" or found.status == "optimal":
        return found
    best = own
    for other in runs:
        if other is run or other.prices is None:
            continue
        trial = Prices(
            run.search.program, other.prices.share, other.dual.mu,
            is_count="p" in run.parameters,
        )  # fmt: skip
        if trial.bound < best.lifted:
            best = trial
    if best is own:
        return found
    run.prices = best
    return run.certify("feasible" if run.relative() <= run.gap else "stopped")
