"""A toy plan that is to hold when a site fails, against every choice of one more site."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings
from groundplan.plan.backup_plan import Question, backed_of, hold
from groundplan.plan.system import prepare
from groundplan.plan.toy import check_sized, square_land
from groundplan.sectors.contract import Action, Land, Sector

__all__ = ["best_score", "check_toy_backup", "count_one_by_one", "wide_land"]

BoolArray = NDArray[np.bool_]


def wide_land() -> Land:
    """Return a land of 80 km x 80 km with a town in its middle, where one site serves a part."""
    return square_land(16, 5000.0, lambda d_m: np.round(90_000 * np.exp(-d_m / 15_000) + 2_000, 2))


def count_one_by_one(
    x_m: float, y_m: float, site_xy_m: NDArray[np.float64], single_m: float, near_m: float,
    network_m: float,
) -> bool:  # fmt: skip
    """Return whether sites serve a point, by crossing every two of their directions.

    The point lies inside a triangle of them where each has another one on its left.
    """
    away = site_xy_m - np.array([x_m, y_m])
    squared = (away * away).sum(axis=1)
    if (squared <= single_m * single_m).any():
        return True
    if not (squared <= near_m * near_m).any():
        return False
    near = away[squared <= network_m * network_m]
    cross = near[:, None, 0] * near[None, :, 1] - near[:, None, 1] * near[None, :, 0]
    return len(near) >= 3 and bool((cross > 0).any(axis=1).all())


def naive_score(question: Question, site_xy_m: NDArray[np.float64], chosen: BoolArray) -> int:
    """Return ``sum d (100 served + w firm)``, one place and one failure at a time."""
    at = site_xy_m[chosen]
    score = 0
    places, network_m = question.places, question.reach.network_m
    for x, y, asked in zip(places.x_m, places.y_m, places.demand.T, strict=True):
        for single_m, near_m, demand in zip(*question.reach[:2], asked.tolist(), strict=True):
            if not demand or not count_one_by_one(x, y, at, single_m, near_m, network_m):
                continue
            score += 100 * demand
            # a failure that matters is one of a site near
            near = np.flatnonzero(np.hypot(at[:, 0] - x, at[:, 1] - y) <= network_m)
            if all(
                count_one_by_one(x, y, np.delete(at, i, axis=0), single_m, near_m, network_m)
                for i in near
            ):
                score += question.worth_percent * demand
    return score


def best_score(question: Question, site_xy_m: NDArray[np.float64]) -> int:
    """Return the best score of a plan with one of the free sites, by trying each."""
    best = 0
    for j in np.flatnonzero(question.free):
        chosen = question.standing.copy()
        chosen[j] = True
        best = max(best, naive_score(question, site_xy_m, chosen))
    return best


def check_toy_backup(
    found: Findings, sector: Sector, land: Land, settings: dict[str, Any], *, is_standard: bool
) -> None:
    """Solve a toy plan of one site beyond those that stand; note where something does not hold."""
    whole = prepare(sector, land, None, settings, count=1, budget_cny=None, seed=5)
    upgrades = int((whole.sites.action == Action.UPGRADE).sum())
    system = prepare(sector, land, None, settings, count=upgrades + 1, budget_cny=None, seed=5)
    plan = hold(system, land, seed=5)
    backed = backed_of(plan)
    question = backed.question
    site_xy_m = np.column_stack([system.sites.x_m, system.sites.y_m])
    mine = naive_score(question, site_xy_m, plan.chosen)
    if backed.score != mine:
        found.add(0, "toy plan", f"score {backed.score}", f"{mine}, counted one by one")
    best = best_score(question, site_xy_m)
    if backed.score != best:
        found.add(0, "toy plan", f"score {backed.score}", f"{best}, found by trying every site")
    if backed.score_bound < best:
        found.add(0, "toy plan", f"bound {backed.score_bound}", f"at least {best}")
    if is_standard and sector.toy_value != best:
        found.add(
            0, "toy_value", repr(sector.toy_value), f"{best}, the optimum of the toy plan",
            "store it in the sector; a change of it is a change of the model",
        )  # fmt: skip
    served = int(system.demand[plan.served_after].sum())
    if served != plan.decision.value:
        found.add(
            0, "toy plan", f"cells served {served}", f"the plan's value {plan.decision.value}"
        )
    check_sized(found, plan)
