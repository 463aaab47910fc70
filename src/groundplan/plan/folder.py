"""The plan folder: every file of a plan, written aside and moved into place as one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from groundplan.plan.answer import (
    county_rows,
    place_rows,
    sector_record,
)
from groundplan.plan.backup_plan import backup_record
from groundplan.plan.bill import money_of_system
from groundplan.plan.capacitated import allocation_record, expansion_of
from groundplan.plan.columns import attribute_columns, column_record, county_of_points
from groundplan.plan.exports import asset_table, write_assets, write_cells
from groundplan.plan.manifest import file_hash, write_json
from groundplan.plan.passage import passage_counties, passage_record, road_samples
from groundplan.plan.placing import new_folder, put_in_place
from groundplan.plan.proof import write_proof
from groundplan.plan.reports import report_tables
from groundplan.plan.roads import road_layer, write_roads
from groundplan.plan.signal import write_signals
from groundplan.plan.system import SystemPlan
from groundplan.plan.whole_record import plan_record
from groundplan.plan.workbook import write_workbook
from groundplan.sectors.contract import Action, Sector

__all__ = ["due_year", "write_plan_folder"]

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
    layers = np.array([layer.key for layer in system.sector.layers])[sites.layer[at]]
    if plan.backed is not None:
        layers = np.full(at.size, ALL_LAYERS)
    environments = np.array(system.sector.environments)[sites.environment[at]]
    prefix = f"{system.sector.key}-"
    outside = sites.outside_id
    code = np.array([c["code"] for c in counties])
    name = np.array([c["name"] for c in counties])
    return {
        "asset_id": [f"{prefix}{number:07d}" for number in at],
        "sector": np.full(at.size, system.sector.key),
        "layer": layers,
        "action": np.array([a.name.lower() for a in Action])[action],
        "environment": environments,
        "host": sites.host[at],
        "x_m": np.round(sites.x_m[at], 2),
        "y_m": np.round(sites.y_m[at], 2),
        "lon_deg": np.round(lon, 7),
        "lat_deg": np.round(lat, 7),
        "county_code": code[county_of_site[at]],
        "county_name": name[county_of_site[at]],
        "units_count": sites.units[at].astype(np.int32),
        "servers_count": plan.sized.servers[at].astype(np.int64),
        "load": np.round(plan.sized.load[at], 6),
        "reach_m": np.round(system.reach_m[at], 2),
        "is_overloaded": plan.sized.is_overloaded[at],
        "capex_cny": np.where(kept, 0, plan.sized.capex_cny[at]),
        "phase_year": np.where(kept, 0, phase_years(plan, years)[at]).astype(np.int16),
        "state": np.where(kept, "built", "planned"),
        # upgraded and shared structures are the stand-in's as well
        "is_synthetic": np.full(at.size, sites.is_synthetic) & (action != Action.NEW),
        "outside_id": [None] * at.size
        if outside is None
        else [outside[int(i)] or None for i in at],
        **attribute_columns(plan, at),
    }


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


def write_plan_folder(
    study: Any,
    ground: Any,
    plans: Mapping[str, SystemPlan],
    folder: Path,
    seal: Callable[[Path, dict[str, Any]], None],
) -> dict[str, Any]:
    """Write every deterministic file of the plan and return the record of ``plan.json``.

    The files are written into a folder aside; an older plan is replaced in one rename.

    Parameters
    ----------
    seal : callable
        ``seal(aside, record)``: writes what comes last, manifest included, before the rename.
    """
    region = ground.region
    counties = [
        {"code": str(c), "name": str(n), "name_en": str(e)}
        for c, n, e in zip(
            region.counties.code, region.counties.name, region.counties.name_en, strict=True
        )
    ]
    aside = new_folder(folder)
    (aside / "certificate").mkdir()
    try:
        record = fill_folder(study, ground, plans, aside, counties)
        seal(aside, record)
        put_in_place(aside, folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return record


def fill_folder(
    study: Any,
    ground: Any,
    plans: Mapping[str, SystemPlan],
    aside: Path,
    counties: list[dict[str, str]],
) -> dict[str, Any]:
    """Write every file of the plan into `aside` and return the record of ``plan.json``."""
    grid, region = ground.grid, ground.region
    sectors: dict[str, Any] = {}
    tables: dict[str, pa.Table] = {}
    layers: dict[str, pa.Table] = {}
    for key, plan in plans.items():
        sites = plan.system.sites
        of_site = county_of_points(grid, sites.x_m, sites.y_m)
        places: list[dict[str, Any]] = []
        if plan.system.laid is None:
            rows = county_rows(plan, grid.county, of_site, ground.people, counties)
            places = place_rows(plan, ground.land.density_per_km2)
        else:
            _, x_m, y_m, _ = road_samples(plan)
            of_road = county_of_points(grid, x_m, y_m)
            rows = passage_counties(plan, of_site, of_road, ground, counties)
        label = (
            ("seeded stand-in consistent with published counts", "与公布数量一致的随机替代数据")
            if sites.is_synthetic
            else ("the user's register", "使用者台账")
        )
        sectors[key] = sector_record(
            plan,
            rows,
            places,
            label,
            opex_cny_per_year(plan),
        )
        sectors[key]["money"] = money_of_system(
            plan, sectors[key]["cost_cny"], sectors[key]["opex_cny_per_year"]
        )
        if plan.register is not None:
            sectors[key]["register"] = dict(plan.register)
        if plan.system.terrain is not None:
            sectors[key]["terrain"] = dict(plan.system.terrain)
        if plan.signals:
            sectors[key]["signals"] = write_signals(
                aside, plan, list(plan.signals), grid, ground.relief, ground.people
            )
        years = (study.years[0], due_year(study, key))
        sectors[key]["phases"] = phase_rows(plan, years)
        if plan.flows is not None:
            sectors[key] |= allocation_record(plan, counties, years)
        if plan.system.laid is not None:
            layers[key] = road_layer(plan, ground, counties)
            sectors[key] |= passage_record(plan) | dict(plan.system.road_files or {})
            sectors[key]["roads_file"] = write_roads(aside, key, layers[key])
        if plan.backed is not None:
            sectors[key] |= backup_record(plan)
        sectors[key]["columns"] = column_record(plan)
        sectors[key]["is_asked"] = is_asked(study, plan.system.sector)
        if plan.system.demand_file is not None:
            sectors[key]["demand_file"] = dict(plan.system.demand_file)
        if plan.system.hazards is not None:
            sectors[key]["hazards"] = dict(plan.system.hazards)
        sectors[key]["tables"] = report_tables(study, ground, plan, counties)
        write_table_files(aside, sectors[key]["tables"])
        meaning = {column["name"]: column["doc"] for column in sectors[key]["columns"]}
        tables[key] = asset_table(
            asset_columns(plan, region, of_site, counties, years),
            meaning,
            plan.system.sector.demand.unit,
        )
        write_proof(aside / "certificate", plan, sectors[key])
    record = plan_record(study, ground, plans, sectors)
    write_assets(aside, tables, county_polygons(grid, counties, region), layers)
    write_cells(aside, cell_columns(ground, plans), cell_note(ground, counties))
    write_workbook(aside / "plan.xlsx", record, tables)
    write_json(aside / "ledger.json", record["ledger"])
    (aside / "study.toml").write_bytes(study.source_text.encode())
    record["inputs"] = {"study.toml": file_hash(aside / "study.toml"), **study.file_hashes()}
    write_json(aside / "plan.json", record)
    return record


def write_table_files(folder: Path, tables: list[dict[str, Any]]) -> None:
    """Write the files that belong to tables; the record keeps their names alone."""
    for told in tables:
        if "file" in told:
            file = told["file"]
            (folder / file["name"]).write_text(file.pop("text"), encoding="utf-8")


def cell_columns(ground: Any, plans: Mapping[str, SystemPlan]) -> dict[str, NDArray[Any]]:
    """Return the columns of ``cells.parquet``."""
    grid = ground.grid
    columns: dict[str, NDArray[Any]] = {
        "row": grid.row,
        "col": grid.col,
        "unit": grid.unit,
        "county": grid.county,
        "people_hundredths": ground.people.astype(np.int32),
    }
    for key, plan in plans.items():
        if plan.system.laid is not None:
            continue  # its demand lies on roads
        for name, served in (("before", plan.served_before), ("after", plan.served_after)):
            bits = np.zeros(len(grid), np.uint8)
            for layer in range(served.shape[0]):
                bits |= served[layer].astype(np.uint8) << layer
            columns[f"{key}_{name}"] = bits
        if plan.backed is not None:
            bits = np.zeros(len(grid), np.uint8)
            for layer, firm in enumerate(plan.backed.firm_cells):
                bits |= firm.astype(np.uint8) << layer
            columns[f"{key}_firm"] = bits
        for number, offered in enumerate(plan.system.sector.layers):
            columns[f"{key}_demand_{offered.key}"] = plan.system.demand[number].astype(np.int32)
        columns[f"{key}_environment"] = plan.system.cell_environment
    return columns


def cell_note(ground: Any, counties: list[dict[str, str]]) -> dict[str, Any]:
    """Return the note that makes ``cells.parquet`` readable on its own."""
    grid, units = ground.grid, ground.region.units
    return {
        "cell_m": grid.cell_m,
        "x0_m": grid.x0_m,
        "y1_m": grid.y1_m,
        "n_row": grid.n_row,
        "n_col": grid.n_col,
        "crs": grid.crs,
        "counties": counties,
        "units": [
            {"code": str(c), "name": str(n), "population": int(p)}
            for c, n, p in zip(units.code, units.name, units.population, strict=True)
        ],
    }


def is_asked(study: Any, sector: Sector) -> bool:
    """Return whether a working target asks this system for something that it plans."""
    measures = {measure.key for measure in sector.measures if measure.counts != "nothing"}
    return any(
        t.is_working and t.sector == sector.key and t.measure in measures for t in study.targets
    )
