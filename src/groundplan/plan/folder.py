"""The plan folder: every file of a plan, written aside and moved into place as one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundplan.plan.answer import (
    PLACES,
    sector_record,
)
from groundplan.plan.backup_plan import backup_record
from groundplan.plan.bill import money_of_system
from groundplan.plan.capacitated import allocation_record, expansion_of
from groundplan.plan.cells import CellTable, cell_note
from groundplan.plan.columns import attribute_columns, column_record, county_of_points
from groundplan.plan.exports import asset_table, write_assets
from groundplan.plan.manifest import file_hash, write_json
from groundplan.plan.passage import passage_counties, passage_record, road_samples
from groundplan.plan.placing import new_folder, put_in_place
from groundplan.plan.proof import write_proof
from groundplan.plan.reports import report_tables
from groundplan.plan.roads import road_layer, write_roads
from groundplan.plan.served import county_rows, place_rows, served_sums
from groundplan.plan.signal import write_signals
from groundplan.plan.system import DEMAND_SCALE, SystemPlan, without_rows
from groundplan.plan.whole_record import plan_record
from groundplan.plan.workbook import write_workbook
from groundplan.sectors.contract import Action, Sector
from groundplan.sectors.places import environment_of

__all__ = ["PlanFolder", "due_year"]

#: Layer of an asset that serves every one of its system.
ALL_LAYERS = "all"


def asset_columns(
    plan: SystemPlan,
    region: Any,
    county_of_site: NDArray[np.int16],
    counties: list[dict[str, str]],
    years: tuple[int, int],
) -> dict[str, Any]:
    """Return the asset table's columns for every serving site of one system."""
    system, sites = plan.system, plan.system.sites
    at = np.flatnonzero(plan.chosen)
    lon, lat = region.unproject(sites.x_m[at], sites.y_m[at])
    action = sites.action[at]
    kept = action == Action.KEEP
    layers = [layer.key for layer in system.sector.layers]
    layer = sites.layer[at]
    if plan.backed is not None:
        layers, layer = [ALL_LAYERS], np.zeros(at.size, np.int8)
    prefix = f"{system.sector.key}-"
    outside = sites.outside_id
    county = county_of_site[at]
    return {
        "asset_id": [f"{prefix}{number:07d}" for number in at],
        "sector": worded([system.sector.key], np.zeros(at.size, np.int8)),
        "layer": worded(layers, layer),
        "action": worded([a.name.lower() for a in Action], action),
        "environment": worded(system.sector.environments, sites.environment[at]),
        "host": sites.host[at],
        "x_m": np.round(sites.x_m[at], 2),
        "y_m": np.round(sites.y_m[at], 2),
        "lon_deg": np.round(lon, 7),
        "lat_deg": np.round(lat, 7),
        "county_code": worded([c["code"] for c in counties], county),
        "county_name": worded([c["name"] for c in counties], county),
        "units_count": sites.units[at].astype(np.int32),
        "servers_count": plan.sized.servers[at].astype(np.int64),
        "load": np.round(plan.sized.load[at], 6),
        "reach_m": np.round(system.reach_m[at], 2),
        "is_overloaded": plan.sized.is_overloaded[at],
        "capex_cny": np.where(kept, 0, plan.sized.capex_cny[at]),
        "phase_year": np.where(kept, 0, phase_years(plan, years)[at]).astype(np.int16),
        "state": worded(["planned", "built"], kept.astype(np.int8)),
        # upgraded and shared structures are the stand-in's as well
        "is_synthetic": np.full(at.size, sites.is_synthetic) & (action != Action.NEW),
        "outside_id": pa.nulls(at.size, pa.string())
        if outside is None
        else [outside[int(i)] or None for i in at],
        **attribute_columns(plan, at),
    }


def worded(words: Sequence[str], number: NDArray[Any]) -> pa.Array:
    """Return a column of words by their numbers, without a Python object for each."""
    return pa.array(words, pa.string()).take(pa.array(number))


def phase_years(plan: SystemPlan, years: tuple[int, int]) -> NDArray[np.int64]:
    """Return the building year of each planned site: the most served per yuan come first.

    Equal numbers of sites a year from the first year of the study to the year the target is due.
    A capacitated site opens with its first module, see `expansion`.
    """
    if plan.flows is not None:
        return np.asarray(years[0] + np.argmax(expansion_of(plan).added() > 0, axis=1))
    sites = plan.system.sites
    planned = np.flatnonzero(plan.chosen & ~plan.system.existing)
    gain = np.asarray(plan.sized.load, dtype=np.float64)[planned]
    cost = np.maximum(1, plan.sized.capex_cny[planned])
    order = planned[np.lexsort((planned, -gain / cost))]
    span = years[1] - years[0] + 1
    year = np.zeros(len(sites), np.int64)
    year[order] = years[0] + (np.arange(order.size) * span) // max(1, order.size)
    return year


def phase_rows(plan: SystemPlan, years: tuple[int, int]) -> list[dict[str, int]]:
    """Return sites and money of each year, for a system whose sites open one by one."""
    planned = plan.chosen & ~plan.system.existing
    year = phase_years(plan, years)
    return [
        {
            "year": at,
            "sites": int((planned & (year == at)).sum()),
            "cost_cny": int(plan.sized.capex_cny[planned & (year == at)].sum()),
        }
        for at in range(years[0], years[1] + 1)
    ]


def county_polygons(grid: Any, counties: list[dict[str, str]], region: Any) -> dict[str, Any]:
    """Return the counties as polygons traced on the grid at about 1 km, EPSG:4326."""
    import shapely
    from rasterio.features import shapes
    from rasterio.transform import from_origin

    step = max(1, round(1000 / grid.cell_m))
    raster = np.ascontiguousarray(grid.raster(grid.county, outside=-1)[::step, ::step])
    transform = from_origin(grid.x0_m, grid.y1_m, grid.cell_m * step, grid.cell_m * step)
    parts: dict[int, list[Any]] = {}
    for shape, value in shapes(raster, mask=raster >= 0, transform=transform):
        rings = [np.asarray(ring) for ring in shape["coordinates"]]
        turned = [np.column_stack(region.unproject(r[:, 0], r[:, 1])) for r in rings]
        parts.setdefault(int(value), []).append(shapely.Polygon(turned[0], turned[1:]))
    order = sorted(parts)
    shapes_wkb = [
        shapely.to_wkb(shapely.set_precision(shapely.MultiPolygon(parts[i]), 1e-6)) for i in order
    ]
    return {
        "wkb": shapes_wkb,
        "code": [counties[i]["code"] for i in order],
        "name": [counties[i]["name"] for i in order],
        "geometry_label": [grid.geometry_label] * len(order),
    }


def opex_cny_per_year(plan: SystemPlan) -> int | None:
    """Return the running cost of the planned sites, None where the sector prices none."""
    if "opex_cny_per_year" in plan.sized.attributes:
        return int(plan.sized.attributes["opex_cny_per_year"].sum())
    price = plan.system.settings.get("station_opex_cny_per_year")
    return None if price is None else int(price * plan.decision.sites.size)


def due_year(study: Any, sector_key: str) -> int:
    """Return the year the sector's working target is due, at the latest the study's last year."""
    due: list[int] = [
        t.due_on.year
        for t in study.targets
        if t.is_working and t.sector == sector_key and t.due_on is not None
    ]
    return min([*due, int(study.years[1])])


class PlanFolder:
    """The files of a plan, written aside: those of each system as it is decided, then the rest.

    A system's arrays over cells are let go once its files are written: no two systems hold theirs
    at once. Use it as a context: where an error ends it, nothing is left behind.

    Parameters
    ----------
    study : groundplan.study.Study
    ground : Ground
    folder : Path
        An older plan there is replaced in one rename.
    """

    def __init__(self, study: Any, ground: Any, folder: Path) -> None:
        self.study, self.ground, self.folder = study, ground, folder
        counties = ground.region.counties
        self.counties = [
            {"code": str(c), "name": str(n), "name_en": str(e)}
            for c, n, e in zip(counties.code, counties.name, counties.name_en, strict=True)
        ]
        self.plans: dict[str, SystemPlan] = {}
        self.sectors: dict[str, Any] = {}
        self.tables: dict[str, pa.Table] = {}
        self.roads: dict[str, pa.Table] = {}
        self.cells = CellTable(ground)
        self.aside = new_folder(folder)
        (self.aside / "certificate").mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            shutil.rmtree(self.aside, ignore_errors=True)

    def add(self, plan: SystemPlan) -> None:
        """Write the files of one system, and keep of it what the plan as a whole still tells."""
        key, sites = plan.system.sector.key, plan.system.sites
        study, ground, counties = self.study, self.ground, self.counties
        of_site = county_of_points(ground.grid, sites.x_m, sites.y_m)
        record = self.sectors[key] = system_record(plan, ground, counties, of_site)
        years = (study.years[0], due_year(study, key))
        if plan.signals:
            record["signals"] = write_signals(
                self.aside, plan, list(plan.signals), ground.grid, ground.relief, ground.people
            )
        record["phases"] = phase_rows(plan, years)
        if plan.flows is not None:
            record |= allocation_record(plan, counties, years)
        if plan.system.laid is not None:
            self.roads[key] = road_layer(plan, ground, counties)
            record |= passage_record(plan) | dict(plan.system.road_files or {})
            record["roads_file"] = write_roads(self.aside, key, self.roads[key])
        if plan.backed is not None:
            record |= backup_record(plan)
        record["columns"] = column_record(plan)
        record["is_asked"] = is_asked(study, plan.system.sector)
        if plan.system.demand_file is not None:
            record["demand_file"] = dict(plan.system.demand_file)
        if plan.system.hazards is not None:
            record["hazards"] = dict(plan.system.hazards)
        record["tables"] = report_tables(study, ground, plan, counties)
        write_table_files(self.aside, record["tables"])
        meaning = {column["name"]: column["doc"] for column in record["columns"]}
        self.tables[key] = asset_table(
            asset_columns(plan, ground.region, of_site, counties, years),
            meaning,
            plan.system.sector.demand.unit,
        )
        write_proof(self.aside / "certificate", plan, record)
        self.cells.add(plan)
        self.plans[key] = without_rows(plan)

    def finish(self, seal: Callable[[Path, dict[str, Any]], None]) -> dict[str, Any]:
        """Write what joins the systems, seal the folder and put it in its place.

        Parameters
        ----------
        seal : callable
            ``seal(aside, record)``: writes what comes last, manifest included, before the rename.

        Returns
        -------
        dict
            The record of ``plan.json``.
        """
        study, ground, aside = self.study, self.ground, self.aside
        record = plan_record(study, ground, self.plans, self.sectors)
        borders = county_polygons(ground.grid, self.counties, ground.region)
        write_assets(aside, self.tables, borders, self.roads)
        self.cells.write(aside / "cells.parquet", cell_note(ground, self.counties))
        write_workbook(aside / "plan.xlsx", record, self.tables)
        write_json(aside / "ledger.json", record["ledger"])
        (aside / "study.toml").write_bytes(study.source_text.encode())
        record["inputs"] = {"study.toml": file_hash(aside / "study.toml"), **study.file_hashes()}
        write_json(aside / "plan.json", record)
        seal(aside, record)
        put_in_place(aside, self.folder)
        return record


def system_record(
    plan: SystemPlan,
    ground: Any,
    counties: list[dict[str, str]],
    county_of_site: NDArray[np.int16],
) -> dict[str, Any]:
    """Return what ``plan.json`` tells of any system: who is served where, and what it costs."""
    places: list[dict[str, Any]] = []
    if plan.system.laid is None:
        kind, n_place = environment_of(ground.land.density_per_km2), len(PLACES)
        group = ground.grid.county * np.int16(n_place) + kind
        sums = served_sums(plan, group, len(counties) * n_place).reshape(3, -1, n_place)
        people = np.bincount(ground.grid.county, weights=ground.people, minlength=len(counties))
        rows = county_rows(plan, sums.sum(axis=2), county_of_site, people / DEMAND_SCALE, counties)
        places = place_rows(sums.sum(axis=1))
    else:
        _, x_m, y_m, _ = road_samples(plan)
        of_road = county_of_points(ground.grid, x_m, y_m)
        rows = passage_counties(plan, county_of_site, of_road, ground, counties)
    label = (
        ("seeded stand-in consistent with published counts", "与公布数量一致的随机替代数据")
        if plan.system.sites.is_synthetic
        else ("the user's register", "使用者台账")
    )
    record = sector_record(plan, rows, places, label, opex_cny_per_year(plan))
    record["money"] = money_of_system(plan, record["cost_cny"], record["opex_cny_per_year"])
    if plan.register is not None:
        record["register"] = dict(plan.register)
    if plan.system.terrain is not None:
        record["terrain"] = dict(plan.system.terrain)
    return record


def write_table_files(folder: Path, tables: list[dict[str, Any]]) -> None:
    """Write the files that belong to tables; the record keeps their names alone."""
    for told in tables:
        if "file" in told:
            file = told["file"]
            (folder / file["name"]).write_text(file.pop("text"), encoding="utf-8")


def is_asked(study: Any, sector: Sector) -> bool:
    """Return whether a working target asks this system for something that it plans."""
    measures = {measure.key for measure in sector.measures if measure.counts != "nothing"}
    return any(
        t.is_working and t.sector == sector.key and t.measure in measures for t in study.targets
    )
