"""Facts of a region as arrays: units with control totals, counties, crosswalk, places, windows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Findings, UsageError
from groundplan.quantity import Field
from groundplan.region.fieldcheck import take_fields
from groundplan.region.layer import Grid
from groundplan.region.sheets import read_table

__all__ = ["Counties", "Region", "Units", "load"]

DATA = Path(__file__).parent / "data"
FloatArray = NDArray[np.float64]
TextArray = NDArray[np.str_]


def ratio(name: str) -> Field:
    """Return the field of a share in 0..1."""
    return Field(name, float, "1", ge=0, le=1, doc="share")


UNIT_FIELDS = (
    Field("code", str, doc="six digits, text"),
    Field("name", str, doc="name"),
    Field("prefecture", str, doc="parent"),
    Field("kind", str, doc="county-level or functional zone"),
    Field("population", int, "people", ge=0, doc="control total"),
    Field("area_km2", float, "km2", ge=0.01, doc="land and water"),
    ratio("urban_ratio"),
    ratio("core_ratio"),
    ratio("middle_ratio"),
    *(
        Field(f"{what}_count", float, ge=0, default=float("nan"), doc="empty where not known")
        for what in ("townships", "villages")
    ),
)
COUNTY_FIELDS = (
    Field("code", str, doc="six digits, text"),
    Field("name", str, doc="name"),
    Field("name_en", str, default="", doc="name in Latin letters, may be empty"),
    Field("prefecture_code", str, doc="parent"),
    *(
        Field(f"{what}_{axis}_deg", float, "degree", ge=-180, le=180, doc="EPSG:4326")
        for what in ("seat", "label")
        for axis in ("lon", "lat")
    ),
    Field("seat_source", str, default="", doc="where the seat's position is from"),
)
#: Seats of these sources are no reference for a datum: cpca states none, and its points scatter by
#: more than a datum around the places near them; a label point is the middle of a county.
UNFIT_SEATS = ("cpca", "label")
#: What ``region.json`` may say of a source; all but the title may be left out.
SOURCE_WORDS = ("title", "licence", "vintage", "url_or_isbn", "use")
CROSSWALK_FIELDS = (
    Field("unit", str, doc="unit code"),
    Field("county", str, doc="county code"),
    ratio("weight_ratio"),
)
PLACE_FIELDS = (
    Field("name", str, doc="name"),
    Field("lon_deg", float, "degree", ge=-180, le=180, doc="EPSG:4326"),
    Field("lat_deg", float, "degree", ge=-90, le=90, doc="EPSG:4326"),
)


@dataclass(frozen=True)
class Units:
    """Census units: smallest areas with a trusted total. All arrays (n_unit,)."""

    code: TextArray
    name: TextArray
    prefecture: TextArray
    kind: TextArray
    population: NDArray[np.int64]
    area_km2: FloatArray
    urban_ratio: FloatArray
    core_ratio: FloatArray
    middle_ratio: FloatArray
    townships_count: FloatArray
    villages_count: FloatArray


@dataclass(frozen=True)
class Counties:
    """Counties of reporting. All arrays (n_county,); degrees EPSG:4326.

    `seat_source` says where each seat's position is from, empty where the table does not.
    """

    code: TextArray
    name: TextArray
    name_en: TextArray
    prefecture_code: TextArray
    seat_lon_deg: FloatArray
    seat_lat_deg: FloatArray
    label_lon_deg: FloatArray
    label_lat_deg: FloatArray
    seat_source: TextArray


@dataclass(frozen=True)
class Region:
    """A place as tables; `grid` lays cells on it.

    Attributes
    ----------
    key, name_en, name_zh : str
    crs : str
        Equal-area system of the grid, PROJ string.
    units, counties : Units, Counties
    crosswalk : (n_unit, n_county) float64
        Share of each unit's area in each county; rows add up to 1.
    place_lon_deg, place_lat_deg : (n_place,) float64
    census_year : int
    sources : tuple of mapping
        Title, licence, vintage and use of every table.
    folder : Path
        Where the tables stand.
    """

    key: str
    name_en: str
    name_zh: str
    crs: str
    units: Units
    counties: Counties
    crosswalk: FloatArray
    place_lon_deg: FloatArray
    place_lat_deg: FloatArray
    census_year: int
    sources: tuple[Mapping[str, Any], ...]
    folder: Path

    @cached_property
    def _to_grid(self) -> Any:
        from pyproj import Transformer

        return Transformer.from_crs("EPSG:4326", self.crs, always_xy=True)

    def project(self, lon_deg: FloatArray, lat_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return grid coordinates, metres, of points in EPSG:4326."""
        x, y = self._to_grid.transform(np.asarray(lon_deg), np.asarray(lat_deg))
        return np.asarray(x), np.asarray(y)

    def unproject(self, x_m: FloatArray, y_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return longitude and latitude, EPSG:4326, of grid coordinates."""
        lon, lat = self._to_grid.transform(x_m, y_m, direction="INVERSE")
        return np.asarray(lon), np.asarray(lat)

    def seat_xy_m(self) -> FloatArray:
        """Return the county seats (n_county, 2), grid coordinates."""
        c = self.counties
        return np.column_stack(self.project(c.seat_lon_deg, c.seat_lat_deg))

    def label_xy_m(self) -> FloatArray:
        """Return the counties' label points (n_county, 2), grid coordinates."""
        c = self.counties
        return np.column_stack(self.project(c.label_lon_deg, c.label_lat_deg))

    def place_xy_m(self) -> FloatArray:
        """Return other named places (n_place, 2), grid coordinates."""
        return np.column_stack(self.project(self.place_lon_deg, self.place_lat_deg))

    def reference_lonlat(self) -> tuple[FloatArray, FloatArray]:
        """Return longitude and latitude of seats and places fit to judge the datum of others.

        Left out are seats of a source that states no datum, or that are label points.
        """
        c = self.counties
        words = [source.casefold() for source in c.seat_source.tolist()]
        good = np.array([not any(w in text for w in UNFIT_SEATS) for text in words], bool)
        return (
            np.concatenate([c.seat_lon_deg[good], self.place_lon_deg]),
            np.concatenate([c.seat_lat_deg[good], self.place_lat_deg]),
        )

    def county_area_km2(self) -> FloatArray:
        """Return the area of each county from the units' areas."""
        return self.units.area_km2 @ self.crosswalk

    def grid(self, cell_m: float, polygons: Any = None) -> Grid:
        """Lay square cells on the region; see `geometry.make_grid`."""
        from groundplan.region.geometry import make_grid

        return make_grid(self, float(cell_m), polygons)


def read_columns(
    path: Path, fields: tuple[Field, ...], findings: Findings | None = None
) -> dict[str, NDArray[Any]]:
    """Read the columns that `fields` name; text as text arrays.

    Parameters
    ----------
    path : Path
    fields : tuple of Field
    findings : Findings, optional
        Takes every fault of the file, and an incomplete result is returned; without it they raise.

    Raises
    ------
    DataError
        With file, row, column, value and what was expected.
    """
    found = Findings(path)
    taken: dict[str, NDArray[Any]] = {}
    try:
        taken = take_fields(read_table(path), fields, found)
    except DataError as error:
        found.items += error.findings
    if findings is None:
        found.raise_if_any()
    else:
        findings.items += found.items
    return {k: v.astype(str) if v.dtype == object else v for k, v in taken.items()}


def read_note(path: Path, findings: Findings) -> dict[str, Any]:
    """Return ``region.json``; what it lacks is a finding."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        line = getattr(error, "lineno", 0)
        findings.add(line, "json", str(error)[:80], "JSON in UTF-8", "mend the file", str(path))
        return {}
    if not isinstance(note, dict):
        findings.add(
            0,
            "json",
            type(note).__name__,
            "an object with key, crs and sources",
            "copy one",
            str(path),
        )
        return {}
    kinds = {"key": str, "name_en": str, "name_zh": str, "census_year": int, "sources": list}
    for key, kind in kinds.items():
        if not isinstance(note.get(key), kind):
            expected = {str: "text", int: "a year", list: "a list of sources"}[kind]
            findings.add(0, key, note.get(key), expected, "add the key", str(path))
    check_grid_crs(note.get("crs"), path, findings)
    sources = note.get("sources")
    for i, source in enumerate(sources if isinstance(sources, list) else []):
        if not isinstance(source, dict) or not str(source.get("title") or "").strip():
            expected = "an object with title, and " + ", ".join(SOURCE_WORDS[1:]) + " where known"
            findings.add(0, f"sources[{i}]", source, expected, "say what it is", str(path))
    return note


def check_grid_crs(text: Any, path: Path, findings: Findings) -> None:
    """Note a system that is not equal-area in metres."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    expected = "an equal-area system in metres, such as +proj=aea or +proj=laea"
    hint = "take the Albers system with two parallels inside the region"
    try:
        crs = CRS.from_user_input(text)
    except CRSError:
        findings.add(0, "crs", repr(text)[:60], expected, hint, str(path))
        return
    operation = crs.coordinate_operation
    method = "" if operation is None else operation.method_name.lower()
    if crs.is_geographic or "equal area" not in method or crs.axis_info[0].unit_name != "metre":
        findings.add(0, "crs", repr(text)[:60], expected, hint, str(path))


def load(region: str | Path) -> Region:
    """Load a region's tables: ``"henan"``, or a folder that holds the same tables.

    Raises
    ------
    UsageError
        Where there is no such region.
    DataError
        Where a table does not say what it must: every fault of every table.
    """
    folder = DATA / str(region) if (DATA / str(region)).is_dir() else Path(region)
    if not (folder / "region.json").is_file():
        known = ", ".join(sorted(p.name for p in DATA.iterdir() if p.is_dir()))
        raise UsageError(
            f"no region {str(region)!r}: known are {known}, or a folder with region.json"
        )
    found = Findings(folder)
    note = read_note(folder / "region.json", found)
    unit = read_columns(folder / "units.csv", UNIT_FIELDS, found)
    county = read_columns(folder / "counties.csv", COUNTY_FIELDS, found)
    walk = read_columns(folder / "crosswalk.csv", CROSSWALK_FIELDS, found)
    place = read_columns(folder / "places.csv", PLACE_FIELDS, found)
    matrix = np.zeros((0, 0))
    if all("code" in columns for columns in (unit, county)) and len(walk) == len(CROSSWALK_FIELDS):
        matrix = join(folder / "crosswalk.csv", walk, unit["code"], county["code"], found)
    found.raise_if_any()
    return Region(
        note["key"],
        note["name_en"],
        note["name_zh"],
        note["crs"],
        Units(**unit),
        Counties(**county),
        np.asarray(matrix / matrix.sum(axis=1, keepdims=True)),
        place["lon_deg"],
        place["lat_deg"],
        int(note["census_year"]),
        tuple({**dict.fromkeys(SOURCE_WORDS, ""), **source} for source in note["sources"]),
        folder,
    )


def join(
    path: Path, walk: Mapping[str, NDArray[Any]], units: TextArray, counties: TextArray,
    found: Findings,
) -> FloatArray:  # fmt: skip
    """Return the crosswalk as a matrix; codes must be known and rows add up to 1."""
    at_unit = {code: i for i, code in enumerate(units)}
    at_county = {code: i for i, code in enumerate(counties)}
    matrix = np.zeros((len(units), len(counties)))
    rows = zip(walk["unit"], walk["county"], walk["weight_ratio"], strict=True)
    for number, (unit, county, weight) in enumerate(rows, start=2):
        if unit not in at_unit:
            found.add(number, "unit", unit, "a code of units.csv", file=str(path))
        elif county not in at_county:
            found.add(number, "county", county, "a code of counties.csv", file=str(path))
        else:
            matrix[at_unit[unit], at_county[county]] += weight
    for i in np.flatnonzero(np.abs(matrix.sum(axis=1) - 1) > 1e-6):
        got, expected = f"{matrix[i].sum():g}", "weights that add up to 1"
        found.add(0, f"unit {units[i]}", got, expected, file=str(path))
    return matrix
