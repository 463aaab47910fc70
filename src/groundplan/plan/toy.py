"""A small land and a plan on it that can be solved by trying everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings
from groundplan.plan.bill import check_bill
from groundplan.plan.columns import check_attributes
from groundplan.plan.system import (
    System,
    SystemPlan,
    build_coverage,
    decide,
    demand_points,
    prepare,
    settle,
)
from groundplan.sectors.contract import Land, Sector

__all__ = ["best_single_value", "check_toy_plan", "square_land", "toy_land"]


def toy_land(n_side: int = 40, cell_m: float = 250.0, seed: int = 7) -> Land:
    """Return a small square land with a town in its middle, for checks and examples.

    Examples
    --------
    >>> land = toy_land(10)
    >>> land.people.shape, bool(land.people.sum() > 0)
    ((100,), True)
    """
    more = np.random.default_rng(seed).gamma(0.5, 20, n_side * n_side)
    return square_land(n_side, cell_m, lambda d_m: np.round(400 * np.exp(-d_m / 1500) + more, 2))


def square_land(
    n_side: int, cell_m: float, people_at: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Land:
    """Return a square land of one unit and one county, its seat in the middle.

    Parameters
    ----------
    n_side : int
        Cells along a side.
    cell_m : float
    people_at : callable
        Residents of each cell, from its distance to the middle in metres.
    """
    row, col = np.divmod(np.arange(n_side * n_side), max(n_side, 1))
    x_m, y_m = cell_m * (col + 0.5), cell_m * (n_side - row - 0.5)
    middle = cell_m * n_side / 2
    people = people_at(np.hypot(x_m - middle, y_m - middle))
    return Land(
        cell_m=cell_m,
        x_m=x_m,
        y_m=y_m,
        people=people,
        density_per_km2=people / (cell_m / 1000) ** 2,
        unit=np.zeros(row.size, np.int16),
        county=np.zeros(row.size, np.int16),
        urban_ratio=np.array([0.5]),
        seat_x_m=np.array([middle]),
        seat_y_m=np.array([middle]),
        place_x_m=np.array([middle / 2]),
        place_y_m=np.array([middle / 2]),
    )


def best_single_value(system: System, land: Land) -> int:
    """Return the most that any plan with one added site serves, by trying each candidate.

    Nothing of the solver is used: distances of every site to every row, one site at a time.
    """
    xy, layer = demand_points(system, land)
    weight, own_m = system.demand.ravel(), system.row_reach_m
    sites = system.sites

    def reached(j: int) -> NDArray[np.bool_]:
        d2 = (xy[:, 0] - sites.x_m[j]) ** 2 + (xy[:, 1] - sites.y_m[j]) ** 2
        return np.asarray(
            (layer == sites.layer[j]) & (d2 <= np.minimum(system.reach_m[j], own_m) ** 2)
        )

    served = np.zeros(weight.size, np.bool_)
    for j in np.flatnonzero(system.existing):
        served |= reached(int(j))
    gains = [int(weight[reached(int(j)) & ~served].sum()) for j in np.flatnonzero(~system.existing)]
    return int(weight[served].sum()) + max(gains)


def check_toy_plan(
    found: Findings, sector: Sector, land: Land, settings: dict[str, Any], *, is_standard: bool
) -> None:
    """Solve a toy plan of one site; note where optimum, bound or sizing do not hold.

    `is_standard` says that the land is that of `toy_land`, for which `Sector.toy_value` is stored.
    """
    system = prepare(sector, land, None, settings, count=1, budget_cny=None, seed=5)
    decision = decide(system, build_coverage(system, land), seed=5)
    plan = settle(system, decision, land, servers_needed=0)
    best = best_single_value(system, land)
    if decision.value != best:
        found.add(0, "toy plan", f"value {decision.value}", f"{best}, found by trying every site")
    if is_standard and sector.toy_value != best:
        found.add(
            0, "toy_value", repr(sector.toy_value), f"{best}, the optimum of the toy plan",
            "store it in the sector; a change of it is a change of the model",
        )  # fmt: skip
    if decision.bound < best:
        found.add(0, "toy plan", f"bound {decision.bound}", f"at least {best}")
    served = int(system.demand[plan.served_after].sum())
    if served != decision.value:
        found.add(0, "toy plan", f"cells served {served}", f"the plan's value {decision.value}")
    check_sized(found, plan)


def check_sized(found: Findings, plan: SystemPlan) -> None:
    """Note where sizing does not return what the contract says."""
    sized, system = plan.sized, plan.system
    planned = plan.chosen & ~system.existing
    if (sized.servers[planned] < 1).any() or (sized.capex_cny[planned] <= 0).any():
        found.add(0, "sizing", "a planned site without servers or cost", ">= 1 and > 0")
    if sized.servers[~plan.chosen].any() or sized.capex_cny[~planned].any():
        found.add(0, "sizing", "equipment or cost where nothing is planned", "0")
    check_bill(found, plan)
    check_attributes(found, system.sector, "sizing", sized.attributes, len(system.sites))
