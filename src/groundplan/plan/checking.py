"""`check_sector`: the contract that every system keeps, as a suite anybody can run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from groundplan.errors import DataError, Finding, Findings
from groundplan.plan.columns import check_attributes
from groundplan.plan.kinds import REACH_KINDS, SIZING_KINDS
from groundplan.plan.system import (
    build_coverage,
    complete_settings,
    decide,
    prepare,
    settle,
)
from groundplan.quantity import CONFIDENCES, Field, unit_of
from groundplan.sectors.contract import Action, Land, Sector, Sites

__all__ = ["check_sector", "toy_land"]


def toy_land(n_side: int = 40, cell_m: float = 250.0, seed: int = 7) -> Land:
    """Return a small square land with a town in its middle, for checks and examples.

    Examples
    --------
    >>> land = toy_land(10)
    >>> land.people.shape, bool(land.people.sum() > 0)
    ((100,), True)
    """
    rng = np.random.default_rng(seed)
    row, col = np.divmod(np.arange(n_side * n_side), n_side)
    x_m, y_m = cell_m * (col + 0.5), cell_m * (n_side - row - 0.5)
    middle = cell_m * n_side / 2
    distance_m = np.hypot(x_m - middle, y_m - middle)
    people = np.round(400 * np.exp(-distance_m / 1500) + rng.gamma(0.5, 20, row.size), 2)
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


def permuted(land: Land, order: np.ndarray[Any, Any]) -> Land:
    """Return the same land with its cells in another order."""
    names = ("x_m", "y_m", "people", "density_per_km2", "unit", "county")
    return replace(land, **{name: getattr(land, name)[order] for name in names})


def check_field(found: Findings, item: Field) -> None:
    """Note what is missing in one field's description."""
    where = item.name
    if not item.doc:
        found.add(0, where, "no doc", "one sentence in plain words")
    if item.default is not None:
        if not item.source:
            found.add(0, where, "no source", "a publication, or 'assumption' with the reason")
        if (expected := item.fault(item.default)) is not None:
            found.add(0, where, item.default, expected, "the default must fit its own bounds")
    if item.confidence not in CONFIDENCES:
        found.add(0, where, item.confidence, "one of " + ", ".join(CONFIDENCES))
    if item.type is float and unit_of(item.name) is None:
        found.add(0, where, "no unit suffix", "a name that ends in its unit")
    if item.ge is not None and item.le is not None and item.ge > item.le:
        found.add(0, where, f"{item.ge} > {item.le}", "ordered bounds")


def check_sector(sector: Sector, land: Land | None = None) -> None:
    """Check that a sector keeps the contract; raise with every breach found.

    Verified: every field has unit, source and fitting default; kinds are in the plan's tables;
    demand is pure, linear and indifferent to the order of cells; an empty land works; existing
    and candidate sites are well formed, repeatable for a seed, and marked synthetic where they
    are; a toy plan is solved, its bound holds, and sizing returns what the contract says, each
    column of its own under a field.

    Raises
    ------
    DataError
    """
    land = land or toy_land()
    found = Findings(f"sector {sector.key}")
    for item in (
        *sector.settings,
        *sector.cost.fields,
        *(f for asset in sector.assets for f in asset.fields),
    ):
        check_field(found, item)
    if sector.service.kind not in REACH_KINDS:
        found.add(0, "service.kind", sector.service.kind, "one of " + ", ".join(REACH_KINDS))
    if sector.sizing.kind not in SIZING_KINDS:
        found.add(0, "sizing.kind", sector.sizing.kind, "one of " + ", ".join(SIZING_KINDS))
    if not sector.measures:
        found.add(0, "measures", "none", "at least one measure that a target can name")
    if not sector.evidence:
        found.add(0, "evidence", "none", "a rule by which an asset counts")
    if len(sector.limits) != len(sector.limits_zh):
        found.add(0, "limits_zh", len(sector.limits_zh), f"{len(sector.limits)} sentences")
    found.raise_if_any()
    settings = complete_settings(sector, {}, f"sector {sector.key}")
    check_demand(found, sector, land, settings)
    check_sites(found, sector, land, settings)
    found.raise_if_any()
    check_toy_plan(sector, land, settings)


def check_demand(found: Findings, sector: Sector, land: Land, settings: dict[str, Any]) -> None:
    """Note where demand is not pure, whole, linear or indifferent to order."""
    build = sector.demand.build
    demand = build(land, settings)
    if demand.shape != (len(sector.layers), land.people.size):
        found.add(0, "demand", demand.shape, "(n_layer, n_cell)")
        return
    if demand.dtype != np.int64 or (demand < 0).any():
        found.add(0, "demand", demand.dtype, "int64, >= 0")
    if not np.array_equal(demand, build(land, settings)):
        found.add(0, "demand", "another result the second time", "a pure function")
    order = np.random.default_rng(1).permutation(land.people.size)
    if not np.array_equal(demand[:, order], build(permuted(land, order), settings)):
        found.add(0, "demand", "depends on the order of cells", "a vectorised function of cells")
    doubled = build(replace(land, people=2 * land.people), settings)
    if np.abs(doubled - 2 * demand).max() > 4:
        found.add(0, "demand", "not linear in people", "twice the people, twice the demand")
    nobody = build(replace(land, people=np.zeros_like(land.people)), settings)
    if nobody.any():
        found.add(0, "demand", "demand without people", "0 where nobody lives")


def check_sites(found: Findings, sector: Sector, land: Land, settings: dict[str, Any]) -> None:
    """Note where existing or candidate sites break the contract."""

    def draw() -> tuple[Sites, Sites]:
        existing = sector.standin(land, settings, np.random.default_rng(3))
        return existing, sector.candidates(land, existing, settings, np.random.default_rng(4))

    existing, sites = draw()
    if not existing.is_synthetic:
        found.add(0, "standin", "is_synthetic = False", "True: a stand-in is no register")
    if not np.array_equal(draw()[1].x_m, sites.x_m):
        found.add(0, "candidates", "another result for the same seed", "repeatable for a seed")
    keep = sites.action == Action.KEEP
    if keep.any() and keep[np.argmin(keep) :].any():
        found.add(0, "candidates", "existing sites after candidates", "existing sites first")
    if (sites.capex_cny[keep] != 0).any():
        found.add(0, "capex_cny", "existing sites cost money", "0 where KEEP")
    if (sites.capex_cny[~keep] <= 0).any():
        found.add(0, "capex_cny", "a candidate for nothing", "> 0 for every candidate")
    if keep.all():
        found.add(0, "candidates", "none", "at least one place to build")


def check_toy_plan(sector: Sector, land: Land, settings: dict[str, Any]) -> None:
    """Solve a toy plan; raise where its bound or its sizing does not hold."""
    system = prepare(sector, land, None, settings, count=1, budget_cny=None, seed=5)
    coverage = build_coverage(system, land)
    decision = decide(system, coverage, seed=5)
    plan = settle(system, decision, land, servers_needed=0)
    served = int(system.demand[plan.served_after].sum())
    wrong = []
    if served != decision.value:
        wrong.append(("value", f"{decision.value}, cells say {served}"))
    if decision.bound < decision.value:
        wrong.append(("bound", f"{decision.bound} < value {decision.value}"))
    planned = plan.chosen & ~system.existing
    if (plan.sized.capex_cny[planned] <= 0).any() or (plan.sized.servers[planned] < 1).any():
        wrong.append(("sizing", "a planned site without servers or cost"))
    findings = [
        Finding(f"sector {sector.key}", 0, k, v, "what the contract says") for k, v in wrong
    ]
    findings += check_attributes(sector, system.sites, plan.sized)
    if findings:
        raise DataError(findings)
