"""Facts of a region as arrays: units with control totals, counties, crosswalk, places, windows."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings, UsageError
from groundplan.quantity import Field
from groundplan.region.layer import Grid

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
)
COUNTY_FIELDS = (
    Field("code", str, doc="six digits, text"),
    Field("name", str, doc="name"),
    Field("name_en", str, doc="name in Latin letters, may be empty"),
    Field("prefecture_code", str, doc="parent"),
    *(
        Field(f"{what}_{axis}_deg", float, "degree", ge=-180, le=180, doc="EPSG:4326")
        for what in ("seat", "label")
        for axis in ("lon", "lat")
    ),
)
#: Seats of these sources are no reference for a datum: cpca states none, and its points scatter by
#: more than a datum around the places near them; a label point is the middle of a county.
UNFIT_SEATS = ("cpca", "label")
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


def read_table(path: Path, fields: tuple[Field, ...]) -> dict[str, NDArray[Any]]:
    """Read a CSV by its fields; every fault of the file at once.

    Raises
    ------
    DataError
        With file, row, column, value and what was expected.
    UsageError
        Where the file is absent.
    """
    if not path.is_file():
        raise UsageError(f"no table {path}")
    found = Findings(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        found.add(0, "encoding", f"byte {error.start}", "UTF-8 text", "save the table as UTF-8")
        found.raise_if_any()
        raise
    reader = csv.DictReader(text.splitlines())
    names = reader.fieldnames or []
    for field in fields:
        if field.name not in names:
            found.add(1, field.name, None, "a column of this name", f"have: {', '.join(names)}")
    found.raise_if_any()
    columns: dict[str, list[Any]] = {name: [] for name in names}
    known = {f.name: f for f in fields}
    for number, row in enumerate(reader, start=2):
        for name in names:
            raw = (row[name] or "").strip()
            wanted = known.get(name)
            if wanted is None or wanted.type is str:
                columns[name].append(raw)
                continue
            try:
                value: float = wanted.type(raw)
            except ValueError:
                found.add(number, name, repr(raw), wanted.expected(), "is the cell empty or text?")
                continue
            if (expected := wanted.fault(value)) is not None:
                found.add(number, name, value, expected, "is the column in another unit?")
            columns[name].append(value)
    if not columns or not next(iter(columns.values())):
        found.add(0, "", "no rows", "at least one row below the header", "is the file complete?")
    found.raise_if_any()
    return {name: np.array(values) for name, values in columns.items()}


def optional_counts(columns: Mapping[str, NDArray[Any]], name: str, n: int) -> FloatArray:
    """Return a column of counts, NaN where a unit has none."""
    if name not in columns:
        return np.full(n, np.nan)
    return np.array([float(v) if str(v) else np.nan for v in columns[name]])


def load(region: str | Path) -> Region:
    """Load a region's tables: ``"henan"``, or a folder that holds the same tables.

    Raises
    ------
    UsageError
        Where there is no such region.
    DataError
        Where a table does not say what it must.
    """
    folder = DATA / str(region) if (DATA / str(region)).is_dir() else Path(region)
    if not (folder / "region.json").is_file():
        known = ", ".join(sorted(p.name for p in DATA.iterdir() if p.is_dir()))
        raise UsageError(
            f"no region {str(region)!r}: known are {known}, or a folder with region.json"
        )
    note = json.loads((folder / "region.json").read_text(encoding="utf-8"))
    unit = read_table(folder / "units.csv", UNIT_FIELDS)
    county = read_table(folder / "counties.csv", COUNTY_FIELDS)
    walk = read_table(folder / "crosswalk.csv", CROSSWALK_FIELDS)
    place = read_table(folder / "places.csv", PLACE_FIELDS)
    n_unit = len(unit["code"])
    units = Units(
        **{f.name: unit[f.name] for f in UNIT_FIELDS},
        townships_count=optional_counts(unit, "townships_count", n_unit),
        villages_count=optional_counts(unit, "villages_count", n_unit),
    )
    counties = Counties(
        **{f.name: county[f.name] for f in COUNTY_FIELDS},
        seat_source=county.get("seat_source", np.full(len(county["code"]), "")),
    )
    crosswalk = join(folder / "crosswalk.csv", walk, units.code, counties.code)
    return Region(
        note["key"],
        note["name_en"],
        note["name_zh"],
        note["crs"],
        units,
        counties,
        crosswalk,
        place["lon_deg"],
        place["lat_deg"],
        int(note["census_year"]),
        tuple(note["sources"]),
        folder,
    )


def join(
    path: Path, walk: Mapping[str, NDArray[Any]], units: TextArray, counties: TextArray
) -> FloatArray:
    """Return the crosswalk as a matrix; codes must be known and rows add up to 1."""
    found = Findings(path)
    at_unit = {code: i for i, code in enumerate(units)}
    at_county = {code: i for i, code in enumerate(counties)}
    matrix = np.zeros((len(units), len(counties)))
    rows = zip(walk["unit"], walk["county"], walk["weight_ratio"], strict=True)
    for number, (unit, county, weight) in enumerate(rows, start=2):
        if unit not in at_unit:
            found.add(number, "unit", unit, "a code of units.csv")
        elif county not in at_county:
            found.add(number, "county", county, "a code of counties.csv")
        else:
            matrix[at_unit[unit], at_county[county]] += weight
    for i in np.flatnonzero(np.abs(matrix.sum(axis=1) - 1) > 1e-6):
        found.add(0, f"unit {units[i]}", f"{matrix[i].sum():g}", "weights that add up to 1")
    found.raise_if_any()
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))
