"""One system from its sector file to a decision: the middle of the pipeline.

A sector says in arrays what is asked and where it could stand; this module joins that with the
engine: reach, coverage, choice with a bound, assignment, sizing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location import Coverage, assign_nearest, maximal_covering
from groundplan.engine.location.certificate import seal
from groundplan.engine.problem import Decision
from groundplan.errors import DataError, Finding, InfeasibleError
from groundplan.plan.allocation import Flows, Rows, demand_rows
from groundplan.plan.expansion import Expansion
from groundplan.plan.kinds import reach_of, site_reach, sizing_model
from groundplan.plan.trips import Laid, lay_trips
from groundplan.sectors.contract import Action, Land, Offer, Sector, Settings, Sites, Sized
from groundplan.study.faults import near

__all__ = ["System", "SystemPlan", "decide", "prepare", "settle", "without_rows"]

#: Demand is kept in hundredths of the sector's unit, so that all sums are whole numbers.
DEMAND_SCALE = 100


@dataclass(frozen=True)
class System:
    """A sector on this land, ready to be decided.

    Attributes
    ----------
    sector, settings : Sector, mapping
        What is planned, with every setting.
    sites : Sites
        Existing sites first, then candidates.
    reach_m : (n_site,) float64
        How far each site serves; a cell may set a lesser reach, see `row_reach_m`.
    reach_table_m : (n_layer, n_environment) float64
        Reach by class, with `reach_detail` telling how each came about.
    cell_environment : (n_cell,) int8
        Class of each cell.
    demand : (n_layer, n_cell) int64
        In hundredths of the sector's unit; (1, n_trip) in a system of passage.
    count : int
        How many units the target asks to add: sites, or servers of a capacitated system.
    budget_cny : int or None
        Ceiling of the study for this system, where it sets one.
    offer, rows : Offer and Rows, or None
        What sites hold and counties ask, in a capacitated system.
    ruled_out : (indptr, sites) or None
        Sites of each demand row that are near and yet do not serve it, since the ground stands
        between.
    laid : Laid or None
        Network and trips of a system of passage.
    terrain : mapping or None
        What the terrain took away, in numbers, where the system is planned on one.
    """

    sector: Sector
    settings: Settings
    sites: Sites
    reach_m: NDArray[np.float64]
    reach_table_m: NDArray[np.float64]
    reach_detail: list[list[Any]]
    cell_environment: NDArray[np.int8]
    demand: NDArray[np.int64]
    count: int
    budget_cny: int | None
    offer: Offer | None = None
    rows: Rows | None = None
    ruled_out: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None
    laid: Laid | None = None
    terrain: Mapping[str, Any] | None = None
    #: The user's file of demand, where the study names one.
    demand_file: Mapping[str, Any] | None = None
    #: The user's roads and traffic, where the study names them.
    road_files: Mapping[str, Any] | None = None
    #: What hazards rule out, where the system keeps out of them.
    hazards: Mapping[str, Any] | None = None

    @property
    def existing(self) -> NDArray[np.bool_]:
        """Sites that serve today."""
        return np.asarray(self.sites.action == Action.KEEP)

    @property
    def row_reach_m(self) -> NDArray[np.float64]:
        """Reach of each demand row's own class, (n_layer * n_cell,), layers one after another."""
        return np.asarray(self.reach_table_m[:, self.cell_environment].ravel())


@dataclass(frozen=True)
class SystemPlan:
    """A decided system: which sites, what they serve, how large and how dear they are."""

    system: System
    decision: Decision
    chosen: NDArray[np.bool_]
    assignment: NDArray[np.int32]
    served_before: NDArray[np.bool_]
    served_after: NDArray[np.bool_]
    sized: Sized
    #: How the existing assets came to be known, where the study names a file of them.
    register: Mapping[str, Any] | None = None
    #: Who serves whom, and the engine's decision with split modules, in a capacitated system.
    flows: Flows | None = None
    relaxed: Decision | None = None
    #: What was assigned to each site, as sizing took it, and the servers that targets ask to add.
    loads: NDArray[np.float64] | None = None
    servers_needed: int = 0
    #: What holds when a site fails, in a backup system.
    backed: Any = None
    #: What stands at the end of each year, in a capacitated system.
    expansion: Expansion | None = None
    #: Rasters of the planned network's signal.
    signals: tuple[Any, ...] = ()


def without_rows(plan: SystemPlan) -> SystemPlan:
    """Return the plan without what has an entry for each demand row, which is most of its memory.

    Sites, sizes and settings stay: what is told of the plan as a whole is made of them.
    """
    none = np.zeros((len(plan.system.demand), 0), np.int64)
    certificate = replace(plan.decision.certificate, prices={})
    return replace(
        plan,
        system=replace(
            plan.system,
            demand=none,
            cell_environment=np.zeros(0, np.int8),
            ruled_out=None,
        ),
        decision=replace(plan.decision, certificate=certificate),
        assignment=none.astype(np.int32),
        served_before=none.astype(np.bool_),
        served_after=none.astype(np.bool_),
        relaxed=None,
        backed=None,
        signals=(),
    )


def stream(seed: int, *names: str) -> np.random.Generator:
    """Return a generator of its own for each purpose, so that one does not move another."""
    digest = hashlib.sha256("/".join([str(seed), *names]).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def complete_settings(sector: Sector, given: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Return every setting of `sector`, those of the study checked against their fields.

    Raises
    ------
    DataError
        With a finding for each unknown or unfitting setting.
    """
    fields = {f.name: f for f in (*sector.settings, *sector.cost.fields)}
    findings = []
    for name, value in given.items():
        key = f"sectors.{sector.key}.settings.{name}"
        if name not in fields:
            hint = near(name, list(fields)) or "known settings: groundplan schema --markdown"
            findings.append(Finding(file, 0, key, repr(value), "a setting of this sector", hint))
        elif (expected := fields[name].fault(value)) is not None:
            findings.append(Finding(file, 0, key, repr(value), expected, fields[name].doc))
    whole = {**sector.defaults(), **given}
    if not findings and sector.rules is not None:
        for name, value, expected, hint in sector.rules(whole):
            key = f"sectors.{sector.key}.settings.{name}"
            findings.append(Finding(file, 0, key, repr(value), expected, hint))
    if findings:
        raise DataError(findings)
    return whole


def prepare(
    sector: Sector,
    land: Land,
    existing: Sites | None,
    settings: Settings,
    *,
    count: int,
    budget_cny: int | None,
    seed: int,
) -> System:
    """Build demand, existing sites, candidates and reach of one system.

    Parameters
    ----------
    existing : Sites or None
        From the user's register; None asks the sector for its seeded stand-in.
    count : int
        Units that the target asks to add, as in `System`.
    """
    if existing is None:
        existing = sector.standin(land, settings, stream(seed, sector.key, "standin"))
    sites = sector.candidates(land, existing, settings, stream(seed, sector.key, "candidates"))
    if count == 0:
        # where nothing is asked nothing may be added, and the bound says so
        sites = subset(sites, sites.action == Action.KEEP)
    laid = None
    if sector.passage is not None:
        laid = lay_trips(sector.passage.build(land, sites, settings))
        demand = laid.paths.volume[None, :]
    else:
        demand = np.ascontiguousarray(sector.demand.build(land, settings), dtype=np.int64)
    if demand.sum() <= 0:
        raise DataError(
            Finding(
                f"sector {sector.key}",
                0,
                "demand",
                "0 everywhere",
                f"some {sector.demand.unit}",
                "is the population layer empty, or a share set to 0?"
                if laid is None
                else "is every trip shorter than trip_min_km, or a share set to 0?",
            )
        )
    table_m, detail = reach_of(sector.service, settings)
    offer = rows = None
    if sector.allocation is not None:
        offer = sector.allocation.build(land, sites, settings)
        rows = demand_rows(demand, land.county, land.x_m, land.y_m, count)
    return System(
        sector=sector,
        settings=settings,
        sites=sites,
        reach_m=site_reach(sector.service, table_m, sites.layer, sites.environment),
        reach_table_m=table_m,
        reach_detail=detail,
        cell_environment=sector.service.classify(land),
        demand=demand,
        count=count,
        budget_cny=budget_cny,
        offer=offer,
        rows=rows,
        laid=laid,
    )


def check_feasible(system: System) -> None:
    """Raise where too few candidates or too little money stand against what is asked."""
    candidate = ~system.existing
    if int(system.sites.units[candidate].sum()) < system.count:
        raise InfeasibleError(
            f"{system.sector.title}: {system.count:,} to add, but only "
            f"{int(candidate.sum()):,} places where one could stand",
            [
                f"target: {system.count:,} to add",
                f"candidates: {int(candidate.sum()):,}",
            ],
        )
    if system.budget_cny is not None:
        price = np.sort(system.sites.capex_cny[candidate])
        least = int(price[: system.count].sum())
        if least > system.budget_cny:
            raise InfeasibleError(
                f"{system.sector.title}: the budget cannot pay for the target even with the "
                "cheapest sites",
                [
                    f"target: {system.count:,} to add",
                    f"budget of this system: {system.budget_cny:,} CNY",
                ],
                least_budget_cny=least,
            )


def demand_points(system: System, land: Land) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Return position and layer of every demand row: layers one after another."""
    n_layer = len(system.sector.layers)
    xy = np.column_stack([land.x_m, land.y_m])
    layer = np.repeat(np.arange(n_layer, dtype=np.int8), len(xy))
    return np.tile(xy, (n_layer, 1)) if n_layer > 1 else xy, layer


def build_coverage(system: System, land: Land) -> Coverage:
    """Return the engine's coverage of this system's demand rows by its sites."""
    xy, layer = demand_points(system, land)
    return Coverage.from_radius(
        xy,
        system.demand.ravel(),
        np.column_stack([system.sites.x_m, system.sites.y_m]),
        system.reach_m,
        existing=system.existing,
        demand_layer=layer,
        site_layer=system.sites.layer,
        demand_reach_m=system.row_reach_m,
        ruled_out=system.ruled_out,
    )


def decide(system: System, coverage: Coverage, **options: Any) -> Decision:
    """Choose the sites that add the target's count, with a bound on what any choice can serve."""
    check_feasible(system)
    decision = maximal_covering(coverage, p=system.count, **options)
    if decision.status == "infeasible":
        raise InfeasibleError(f"{system.sector.title}: no choice of sites meets the constraints")
    spent = int(system.sites.capex_cny[decision.sites].sum())
    if system.budget_cny is not None and spent > system.budget_cny:
        # the count alone overspends: let the money bind and say so by the count that is missing
        decision = maximal_covering(
            coverage, budget=system.budget_cny, cost=system.sites.capex_cny, **options
        )
    refuse_nothing(system, decision)
    return filled_up(system, decision)


def filled_up(system: System, decision: Decision) -> Decision:
    """Return the decision with as many sites as are asked, where the last ones serve nobody new.

    Proven optimal with fewer sites than asked means that no further site gains anything: the
    cheapest of them change neither value nor bound, and the target counts them.
    """
    missing = system.count - int(system.sites.units[decision.sites].sum())
    if missing <= 0 or decision.status != "optimal" or "p" not in decision.certificate.parameters:
        return decision
    is_open = ~system.existing
    is_open[decision.sites] = False
    rest = np.flatnonzero(is_open)
    rest = rest[np.argsort(system.sites.capex_cny[rest], kind="stable")][:missing]
    sites = np.sort(np.concatenate([decision.sites, rest])).astype(decision.sites.dtype)
    spent = int(system.sites.capex_cny[sites].sum())
    if system.budget_cny is not None and spent > system.budget_cny:
        return decision
    # the certificate states the sites: it is sealed anew, prices and bound untouched
    return replace(decision, sites=sites, certificate=seal(decision.certificate, sites))


def refuse_nothing(system: System, decision: Decision) -> None:
    """Raise where a plan builds nothing although something is asked, or serves nobody."""
    if decision.value <= 0:
        raise DataError(
            Finding(
                f"sector {system.sector.key}", 0, "reach", "no demand within reach of any site",
                f"some {system.sector.demand.unit} served",
                "is the register in another place than the people, or a reach set near 0?",
            )
        )  # fmt: skip
    if system.count and not decision.sites.size:
        money = "none set" if system.budget_cny is None else f"{system.budget_cny:,} CNY"
        raise InfeasibleError(
            f"{system.sector.title}: no candidate that can be paid serves anyone new",
            [f"target: {system.count:,} to add", f"budget of this system: {money}"],
        )


def settle(
    system: System,
    decision: Decision,
    land: Land,
    *,
    servers_needed: int,
    tick: Callable[[str], None] = lambda _stage: None,
) -> SystemPlan:
    """Assign every demand row to its nearest serving site and size the sites for it."""
    chosen = system.existing.copy()
    chosen[decision.sites] = True
    tick("assign")
    assignment = nearest_sites(system, land, chosen)
    tick("before")
    before = nearest_sites(system, land, system.existing) >= 0
    load = site_loads(system, assignment.ravel())
    tick("size")
    sized = system.sector.sizing.build(
        sizing_model(system.sector.sizing.kind),
        system.sites,
        chosen,
        load,
        system.settings,
        servers_needed,
    )
    return SystemPlan(
        system,
        decision,
        chosen,
        assignment,
        before,
        assignment >= 0,
        sized,
        loads=load,
        servers_needed=servers_needed,
    )


def nearest_sites(system: System, land: Land, serving: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the nearest serving site of each layer and cell, -1 where none reaches it.

    One layer after another: positions and reaches of all rows at once would be the largest arrays
    of a run.
    """
    xy = np.column_stack([land.x_m, land.y_m])
    site_xy = np.column_stack([system.sites.x_m, system.sites.y_m])
    out = np.empty(system.demand.shape, np.int32)
    n_cell = len(xy)
    for number in range(len(out)):
        ruled_out = system.ruled_out
        if ruled_out is not None:
            of_layer = slice(number * n_cell, (number + 1) * n_cell + 1)
            ruled_out = (ruled_out[0][of_layer], ruled_out[1])
        out[number] = assign_nearest(
            xy, np.full(n_cell, number, np.int8), site_xy, system.sites.layer, system.reach_m,
            serving, system.reach_table_m[number, system.cell_environment], ruled_out,
        )  # fmt: skip
    return out


def site_loads(system: System, assignment: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the demand assigned to each site in the sector's unit, by part where it has parts.

    Parameters
    ----------
    assignment : (n_layer * n_cell,) int32
        Site of each demand row, -1 where it has none.
    """
    served = assignment >= 0
    weight = system.demand.ravel()[served] / DEMAND_SCALE
    n = len(system.sites)
    if system.sector.demand.shares is None:
        return np.bincount(assignment[served], weights=weight, minlength=n).astype(np.float64)
    n_place = len(system.sector.environments)
    place = np.tile(system.cell_environment, len(system.sector.layers))[served]
    key = assignment[served].astype(np.int64) * n_place + place
    by_place = np.bincount(key, weights=weight, minlength=n * n_place).reshape(n, n_place)
    return np.asarray(by_place @ system.sector.demand.shares(system.settings).T)


def subset(sites: Sites, keep: NDArray[np.bool_]) -> Sites:
    """Return the sites where `keep` is true."""
    names = ("x_m", "y_m", "layer", "environment", "action", "host", "units", "capex_cny")
    outside = sites.outside_id
    return replace(
        sites,
        **{name: getattr(sites, name)[keep] for name in names},
        outside_id=None if outside is None else [outside[int(i)] for i in np.flatnonzero(keep)],
        attributes={k: v[keep] for k, v in sites.attributes.items()},
    )
