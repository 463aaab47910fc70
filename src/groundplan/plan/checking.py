"""`check_sector`: the contract that every system keeps, as a suite anybody can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields as columns_of
from dataclasses import replace
from typing import Any

import numpy as np

from groundplan.errors import DataError, Findings
from groundplan.plan.columns import check_attributes
from groundplan.plan.kinds import (
    ALLOCATION_KINDS,
    BACKUP_KINDS,
    DECIDED_BY,
    PASSAGE_KINDS,
    REACH_KINDS,
    SIZING_KINDS,
    reach_of,
)
from groundplan.plan.reports import REPORT_KINDS
from groundplan.plan.system import complete_settings
from groundplan.plan.toy import check_toy_plan, toy_land
from groundplan.plan.toy_allocation import check_toy_allocation, two_town_land
from groundplan.plan.toy_backup import check_toy_backup, wide_land
from groundplan.plan.toy_passage import check_toy_passage, road_land
from groundplan.quantity import CONFIDENCES, UNITS, Field, unit_of
from groundplan.sectors.contract import Action, Land, Sector, Sites
from groundplan.sectors.page import HEAD, field_row, sector_page

__all__ = ["check_sector", "toy_land"]

#: What a function of a sector may stumble over; told as a finding, with its own words.
FAULTS = (ArithmeticError, LookupError, TypeError, ValueError, DataError)
#: What `Measure.counts` may add up.
COUNTS = ("sites", "servers", "nothing")
#: Fields of `Land` that are no arrays.
ALONE = ("cell_m", "roads")


#: Land of the toy plan and its check, by kind of decision.
TOYS: Mapping[str, tuple[Callable[[], Land], Callable[..., None]]] = {
    "covering": (toy_land, check_toy_plan),
    "capacitated": (two_town_land, check_toy_allocation),
    "backup": (wide_land, check_toy_backup),
    "passage": (road_land, check_toy_passage),
}


def check_sector(sector: Sector, land: Land | None = None) -> None:
    """Check that a sector keeps the contract; raise with every breach found.

    Verified: every field has a known unit, ordered bounds, a source and a fitting default; kinds
    are in the plan's tables; the reference page renders; demand and classes of cells are pure,
    whole, linear and indifferent to the order of cells; an empty land works; existing and
    candidate sites are well formed, repeatable for a seed and marked synthetic where they are; a
    register is read; every column for the asset table has its field; a toy plan reaches the
    optimum found by trying everything, which the sector stores.

    Parameters
    ----------
    sector : Sector
    land : Land, optional
        Where to try it; default the land for which `Sector.toy_value` holds: `toy_land()`,
        `two_town_land()` for a capacitated system, `road_land()` for one of passage, `wide_land()`
        for a backup system.

    Raises
    ------
    DataError
    """
    found = Findings(f"sector {sector.key}")
    check_form(found, sector)
    found.raise_if_any()
    is_standard = land is None
    default_land, check_plan = TOYS[sector.decision]
    land = land or default_land()
    settings = complete_settings(sector, {}, f"sector {sector.key}")
    check_reach(found, sector, settings)
    check_demand(found, sector, land, settings)
    check_classes(found, sector, land)
    found.raise_if_any()
    check_backup(found, sector, settings)
    check_points(found, sector, land, settings)
    check_sites(found, sector, land, settings)
    check_empty(found, sector, land, settings)
    check_register(found, sector, land, settings)
    found.raise_if_any()
    check_plan(found, sector, land, settings, is_standard=is_standard)
    found.raise_if_any()


def all_fields(sector: Sector) -> list[tuple[str, Sequence[Field]]]:
    """Return every group of fields with what it is called."""
    return [
        ("settings", (*sector.settings, *sector.cost.fields)),
        ("existing_fields", sector.existing_fields),
        *((f"assets.{asset.key}", asset.fields) for asset in sector.assets),
    ]


def check_form(found: Findings, sector: Sector) -> None:
    """Note what is wrong or missing in the description itself."""
    for group, fields in all_fields(sector):
        for item in fields:
            check_field(found, item)
        for name, n in Counter(item.name for item in fields).items():
            if n > 1:
                found.add(0, f"{group}.{name}", f"{n} fields of this name", "one")
    for item in sector.cost.fields:
        if item.year is None:
            found.add(0, item.name, "no year", "the year of the price")
    service, sizing = sector.service, sector.sizing
    for where, word, known in (
        ("service.kind", service.kind, tuple(REACH_KINDS)),
        ("service.decided_by", service.decided_by, DECIDED_BY),
        ("sizing.kind", sizing.kind, tuple(SIZING_KINDS)),
        *((f"measures.{m.key}.counts", m.counts, counted(sector)) for m in sector.measures),
        *((f"measures.{m.key}.cost", m.cost, priced(sector)) for m in sector.measures if m.cost),
        *((f"reports.{r.title}", r.kind, tuple(REPORT_KINDS)) for r in sector.reports),
        *(
            ()
            if sector.allocation is None
            else (("allocation.kind", sector.allocation.kind, tuple(ALLOCATION_KINDS)),)
        ),
        *(
            ()
            if sector.passage is None
            else (("passage.kind", sector.passage.kind, tuple(PASSAGE_KINDS)),)
        ),
        *(
            ()
            if sector.backup is None
            else (("backup.kind", sector.backup.kind, tuple(BACKUP_KINDS)),)
        ),
    ):
        if word not in known:
            found.add(0, where, word, "one of " + ", ".join(known))
    for where, parts, expected in (
        ("measures", sector.measures, "at least one measure that a target can name"),
        ("layers", sector.layers, "at least one layer"),
        ("environments", sector.environments, "at least one class of land"),
        ("evidence", sector.evidence, "a rule by which an asset counts"),
        ("demand.unit", sector.demand.unit, "the unit that demand is counted in"),
    ):
        if not parts:
            found.add(0, where, "none", expected)
    if sector.measures and sector.asked_by not in {m.counts for m in sector.measures}:
        found.add(
            0, "measures", "none that can ask for a plan", f"one that counts {sector.asked_by}"
        )
    if sector.allocation is not None and sector.passage is not None:
        found.add(0, "passage", "an allocation too", "one kind of decision")
    if len(sector.limits) != len(sector.limits_zh):
        found.add(0, "limits_zh", len(sector.limits_zh), f"{len(sector.limits)} sentences")
    if not len(found):
        check_page(found, sector)


def counted(sector: Sector) -> tuple[str, ...]:
    """Return what a measure of the sector may count: `COUNTS`, or a counted asset column."""
    columns = (item.name for asset in sector.assets for item in asset.fields if item.type is int)
    return (*COUNTS, *columns)


def priced(sector: Sector) -> tuple[str, ...]:
    """Return the asset columns that hold money."""
    columns = (item for asset in sector.assets for item in asset.fields)
    return tuple(item.name for item in columns if item.unit == "CNY")


def check_field(found: Findings, item: Field) -> None:
    """Note what is missing in one field's description."""
    where = item.name
    if not item.doc:
        found.add(0, where, "no doc", "one sentence in plain words")
    if not item.source:
        found.add(0, where, "no source", "a publication, or 'assumption' with the reason")
    if item.confidence not in CONFIDENCES:
        found.add(0, where, item.confidence, "one of " + ", ".join(CONFIDENCES))
    named = unit_of(item.name)
    if item.type is float and named is None:
        hint = "known suffixes: " + ", ".join(f"_{suffix}" for suffix in UNITS)
        found.add(0, where, "no unit suffix", "a name that ends in its unit", hint)
    elif (named or "") != item.unit:
        found.add(0, where, f"unit {item.unit!r}", f"{named or ''!r}, as its name says")
    if item.ge is not None and item.le is not None and item.ge > item.le:
        found.add(0, where, f"{item.ge} > {item.le}", "ordered bounds")
    elif item.default is not None and (expected := item.fault(item.default)) is not None:
        found.add(0, where, item.default, expected, "the default must fit its own bounds")


def check_page(found: Findings, sector: Sector) -> None:
    """Note where the reference page does not render."""
    page = sector_page(sector)
    for _group, fields in all_fields(sector):
        for item in fields:
            row = "| " + " | ".join(str(v).replace("|", "\\|") for v in field_row(item)) + " |"
            if row not in page.splitlines() or row.replace("\\|", "").count("|") != len(HEAD) + 1:
                found.add(0, item.name, "breaks the reference page", "doc and source on one line")


def check_reach(found: Findings, sector: Sector, settings: dict[str, Any]) -> None:
    """Note where the service has no reach for each layer and environment."""
    try:
        reach_m, detail = reach_of(sector.service, settings)
    except FAULTS as error:
        found.add(
            0, "service.parameters", f"{type(error).__name__}: {error}", "what its kind takes"
        )
        return
    shape = (len(sector.layers), len(sector.environments))
    if reach_m.shape != shape or [len(row) for row in detail] != [shape[1]] * shape[0]:
        found.add(0, "service.parameters", reach_m.shape, f"{shape}: layers by environments")
    elif not (np.isfinite(reach_m) & (reach_m >= 0)).all():
        found.add(0, "service.parameters", reach_m.min(), "finite reach >= 0 m")


def permuted(land: Land, order: np.ndarray[Any, Any]) -> Land:
    """Return the same land with its cells in another order."""
    names = ["x_m", "y_m", "people", "density_per_km2", "unit", "county"]
    names += [name for name in ("cropland_ratio", "relief_m") if getattr(land, name).size]
    return replace(land, **{name: getattr(land, name)[order] for name in names})


def copied(land: Land) -> Land:
    """Return a land with arrays of its own."""
    arrays = {c.name: getattr(land, c.name) for c in columns_of(land) if c.name not in ALONE}
    return replace(land, **{name: array.copy() for name, array in arrays.items()})


def is_same(one: Land, other: Land) -> bool:
    """Return whether two lands hold the same numbers."""
    return all(
        np.array_equal(getattr(one, c.name), getattr(other, c.name))
        for c in columns_of(one)
        if c.name not in ALONE
    )


def check_demand(found: Findings, sector: Sector, land: Land, settings: dict[str, Any]) -> None:
    """Note where demand is not pure, whole, linear or indifferent to order."""
    build = sector.demand.build
    given = copied(land)
    demand = build(given, settings)
    if demand.shape != (len(sector.layers), land.people.size):
        found.add(0, "demand", demand.shape, "(n_layer, n_cell)")
        return
    if demand.dtype != np.int64 or (demand < 0).any():
        found.add(0, "demand", f"{demand.dtype}, least {demand.min()}", "int64, >= 0")
    if not is_same(given, land):
        found.add(0, "demand", "changes the land it is given", "a pure function")
    if not np.array_equal(demand, build(copied(land), settings)):
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
    if sector.demand.shares is not None:
        shares = np.asarray(sector.demand.shares(settings))
        if shares.ndim != 2 or shares.shape[1] != len(sector.environments):
            found.add(0, "demand.shares", shares.shape, "(n_part, n_environment)")
        elif (shares < 0).any() or np.abs(shares.sum(axis=0) - 1.0).max() > 1e-9:
            got = f"sums {shares.sum(axis=0).tolist()}"
            found.add(0, "demand.shares", got, "shares >= 0 that add up to 1 for each class")


def check_classes(found: Findings, sector: Sector, land: Land) -> None:
    """Note where cells have no class, or one that depends on their order."""
    classify, n = sector.service.classify, len(sector.environments)
    told = np.asarray(classify(land))
    if told.shape != land.people.shape or told.dtype != np.int8:
        found.add(0, "service.classify", f"{told.dtype} of shape {told.shape}", "(n_cell,) int8")
        return
    if told.min() < 0 or told.max() >= n:
        got = f"classes {told.min()}..{told.max()}"
        found.add(0, "service.classify", got, f"0..{n - 1}, a class of `environments`")
    order = np.random.default_rng(2).permutation(land.people.size)
    if not np.array_equal(told[order], classify(permuted(land, order))):
        found.add(0, "service.classify", "depends on the order of cells", "a function of cells")


def check_backup(found: Findings, sector: Sector, settings: dict[str, Any]) -> None:
    """Note where a backup system's parameters cannot be, or its reach depends on the land."""
    if sector.backup is None:
        return
    try:
        told = sector.backup.parameters(settings)
        if np.shape(told["near_m"]) != (len(sector.layers),):
            found.add(0, "backup.near_m", np.shape(told["near_m"]), f"({len(sector.layers)},)")
        for name, least, most in (
            ("network_m", 0, np.inf),
            ("worth_ratio", 0, 1),
            ("square_m", 1, np.inf),
            ("directions_count", 3, 360),
        ):
            if not least <= told[name] <= most or not np.isfinite(told[name]):
                found.add(0, f"backup.{name}", told[name], f"{least}..{most:g}")
    except FAULTS as error:
        found.add(0, "backup.parameters", f"{type(error).__name__}: {error}", "what its kind takes")
    if sector.service.kind != "distance" or sector.allocation is not None:
        found.add(0, "backup", sector.service.kind, "a covering system that serves by distance")
        return
    reach_m, _ = reach_of(sector.service, settings)
    if (reach_m != reach_m[:, :1]).any():
        found.add(0, "backup", "reach depends on the class of land", "one reach for each layer")


def check_points(found: Findings, sector: Sector, land: Land, settings: dict[str, Any]) -> None:
    """Note where a file of demand is declared in halves, or not taken as it says."""
    demand = sector.demand
    if bool(demand.fields) != (demand.from_points is not None):
        found.add(0, "demand", "fields or from_points alone", "both, or neither")
    if demand.from_points is None or not demand.fields:
        return
    columns = {
        item.name: np.array([item.choices[0] if item.choices else item.type(item.ge or 0)])
        for item in demand.fields
    }
    before = demand.build(land, settings)
    given = before.copy()
    try:
        told = demand.from_points(columns, np.zeros(1, np.int64), given, settings)
    except FAULTS as error:
        found.add(0, "demand.from_points", f"{type(error).__name__}: {error}", "a demand")
        return
    if told.shape != before.shape or told.dtype != np.int64 or (told < 0).any():
        found.add(0, "demand.from_points", f"{told.dtype} of shape {told.shape}", "as `build`")
    if not np.array_equal(given, before):
        found.add(0, "demand.from_points", "changes the demand it is given", "a pure function")


def draw_sites(sector: Sector, land: Land, settings: dict[str, Any]) -> tuple[Sites, Sites]:
    """Return the stand-in and all sites on it, for a fixed seed."""
    existing = sector.standin(land, settings, np.random.default_rng(3))
    return existing, sector.candidates(land, existing, settings, np.random.default_rng(4))


def check_sites(found: Findings, sector: Sector, land: Land, settings: dict[str, Any]) -> None:
    """Note where existing or candidate sites break the contract."""
    existing, sites = draw_sites(sector, land, settings)
    if not existing.is_synthetic:
        found.add(0, "standin", "is_synthetic = False", "True: a stand-in is no register")
    again = draw_sites(sector, land, settings)[1]
    if not all(np.array_equal(getattr(again, c), getattr(sites, c)) for c in ("x_m", "action")):
        found.add(0, "candidates", "another result for the same seed", "repeatable for a seed")
    check_columns(found, sector, "candidates", sites)
    keep = sites.action == Action.KEEP
    if keep.any() and keep[np.argmin(keep) :].any():
        found.add(0, "candidates", "existing sites after candidates", "existing sites first")
    if (sites.capex_cny[keep] != 0).any():
        found.add(0, "capex_cny", "existing sites cost money", "0 where KEEP")
    if (sites.capex_cny[~keep] <= 0).any():
        found.add(0, "capex_cny", "a candidate for nothing", "> 0 for every candidate")
    if keep.all():
        found.add(0, "candidates", "none", "at least one place to build")


def check_columns(found: Findings, sector: Sector, where: str, sites: Sites) -> None:
    """Note columns of sites that have the wrong length, or point to nothing."""
    n = len(sites)
    for name in ("y_m", "layer", "environment", "action", "host", "units", "capex_cny"):
        if getattr(sites, name).shape != (n,):
            found.add(0, f"{where}.{name}", getattr(sites, name).shape, f"({n},)")
            return
    for name, most in (("layer", len(sector.layers)), ("environment", len(sector.environments))):
        column = getattr(sites, name)
        if n and not (column.min() >= 0 and column.max() < most):
            got = f"{column.min()}..{column.max()}"
            found.add(0, f"{where}.{name}", got, f"0..{most - 1}")
    check_attributes(found, sector, where, sites.attributes, n)


def check_empty(found: Findings, sector: Sector, land: Land, settings: dict[str, Any]) -> None:
    """Note where a land without people, or without cells, is an error."""
    nobody = np.zeros_like(land.people)
    for word, empty in (
        ("a land without people", replace(land, people=nobody, density_per_km2=nobody)),
        ("a land without cells", toy_land(0)),
    ):
        try:
            existing, _sites = draw_sites(sector, empty, settings)
            sector.demand.build(empty, settings)
            sector.service.classify(empty)
        except FAULTS as error:
            found.add(0, word, f"{type(error).__name__}: {error}", "no sites and no error")
            continue
        if len(existing):
            found.add(0, word, f"{len(existing)} existing sites", "none in a stand-in")


def check_register(found: Findings, sector: Sector, land: Land, settings: dict[str, Any]) -> None:
    """Note where a register of two plain rows is not read."""
    columns: dict[str, Any] = {}
    for item in sector.existing_fields:
        value: Any = item.default
        if value is None and item.type is str:
            value = item.choices[0] if item.choices else ""
        elif value is None:
            value = item.type(item.ge or 0)
        named = item.type is str and not item.choices and item.default is None
        columns[item.name] = np.array(["one", "two"] if named else [value, value])
    at = np.array([0, land.people.size - 1])
    try:
        told = sector.from_register(columns, land.x_m[at], land.y_m[at], land, settings)
    except FAULTS as error:
        found.add(0, "from_register", f"{type(error).__name__}: {error}", "the sites of two rows")
        return
    if told.is_synthetic:
        found.add(0, "from_register", "is_synthetic = True", "False: a register is no stand-in")
    check_columns(found, sector, "from_register", told)
