"""Large capacitated problems: plan and prices from groups of rows, then prices of the rows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_dual import Pricing, first_prices, walk
from groundplan.engine.location.capacity_groups import group_problem, group_rows
from groundplan.engine.location.capacity_plan import SplitPlans

__all__ = ["GROUPS", "grade"]

FloatArray = NDArray[np.float64]
#: Groups that sets of sites are compared on, and through which prices come to the rows.
GROUPS, FINER = 600, 5_000
#: Steps of the prices of groups; those of the rows are given by the caller, at most `STEPS_ROWS`.
STEPS_GROUPS, STEPS_FINER, STEPS_ROWS = 300, 160, 250
#: Steps of the prices of groups that are taken in any case: they cost little beside the rest.
STEPS_LEAST = 40
#: Steps without a better bound after which they shorten.
PATIENCE = 6
#: First steps from prices of coarser groups, as a share of a full step.
FIRST_STEP = 0.3
#: A group's price is too high for its rows, which choose among sites one by one.
FACTORS = (1.0, 0.995, 0.99, 0.985, 0.98, 0.975, 0.97, 0.96)


def lift(pricing: Pricing, worth: FloatArray, halt: Callable[[], bool]) -> FloatArray:
    """Return row prices that begin where those of coarser groups ended."""
    base = worth * pricing.problem.demand
    bounds: list[float] = []
    for factor in FACTORS:
        bounds.append(pricing.evaluate(base * factor)[0])
        # concave in the factor: nothing better follows once the bound falls
        if halt() and bounds[-1] < max(bounds):
            break
    return base * FACTORS[int(np.argmax(bounds))]


def grade(
    plans: SplitPlans,
    *,
    steps: int,
    look: Callable[[int, float], bool],
    halt: Callable[[], bool],
    improve: Callable[[FloatArray], None],
) -> tuple[FloatArray, FloatArray]:
    """Return prices of all rows and shares of the sites; the plan is improved on the way.

    Parameters
    ----------
    plans : SplitPlans
        With groups.
    steps : int
        Most steps of the prices of the rows.
    look : callable
        ``look(step, bound)`` every 20 steps of the rows' prices; true ends them.
    halt : callable
    improve : callable
        ``improve(share)``: better plans by the groups' shares.
    """
    small, rows = plans.small, plans.pricing
    if small is None:
        raise ValueError("plans of large problems need groups")
    p = rows.problem

    def aim(found: SplitPlans) -> Callable[[FloatArray, float], float]:
        def value(share: FloatArray, bound: float) -> float:
            if not math.isfinite(found.value):
                found.round(share)
            return found.value if math.isfinite(found.value) else 1.1 * abs(bound) + 1.0

        return value

    groups = small.problem
    start = first_prices(groups, small.fee, small.candidate | small.old)
    asked = iter(range(STEPS_LEAST))

    def halt_groups() -> bool:
        return next(asked, None) is None and halt()

    price, share, _, _ = walk(
        small.pricing,
        start,
        aim(small),
        steps=STEPS_GROUPS,
        look=lambda *_: halt_groups(),
        patience=PATIENCE,
        halt=halt_groups,
    )
    plans.round(share)
    improve(share)
    worth = (price / groups.demand)[plans.group]
    if p.n_row >= 2 * FINER and not halt():
        group = group_rows(p, FINER)
        finer = group_problem(p, group)
        pricing = Pricing(finer, rows.free, rows.must, rows.at_most, False, limits=rows.limits)
        mean = np.bincount(group, worth * p.demand) / finer.demand
        price, share, _, _ = walk(
            pricing,
            lift(pricing, mean, halt),
            aim(plans),
            steps=STEPS_FINER,
            look=lambda *_: halt(),
            patience=PATIENCE,
            halt=halt,
        )
        worth = (price / finer.demand)[group]
    lifted = lift(rows, worth, halt)
    if halt():
        return lifted, share
    price, share, _, _ = walk(
        rows, lifted, aim(plans), steps=min(steps, STEPS_ROWS), look=look,
        first=FIRST_STEP, patience=PATIENCE, halt=halt,
    )  # fmt: skip
    return price, share
