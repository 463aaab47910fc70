"""What a planner brings as points and polygons: registers of sites, borders of units.

Every reader takes the declared reference system, gathers all faults of a file and raises them
together, and gives positions in WGS84 degrees whatever the file held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, Findings
from groundplan.quantity import Field
from groundplan.region.crs import check_positions, resolve_crs, suspect_system
from groundplan.region.fieldcheck import numbers_of, take_fields
from groundplan.region.sheets import MAX_FINDINGS, Table, read_table
from groundplan.region.vectors import SUFFIXES, read_features

if TYPE_CHECKING:
    from groundplan.region.crs import Crs

__all__ = ["LAT_NAMES", "LON_NAMES", "Boundary", "SitesTable", "read_boundary", "read_sites"]

FloatArray = NDArray[np.float64]
#: Headers taken for the position, compared after `sheets.normalise`; the first that matches wins.
LON_NAMES = ("lon", "lng", "long", "longitude", "lon_deg", "经度", "x", "x_m", "easting", "东坐标")
LAT_NAMES = ("lat", "latitude", "lat_deg", "纬度", "y", "y_m", "northing", "北坐标")
#: Shapely type numbers: polygon and multipolygon; geometry collection.
POLYGONAL, MIXED = (3, 6), 7
NUMBER = Field("position", float, doc="one coordinate of a position")


@dataclass(frozen=True)
class SitesTable:
    """Points with their columns, checked.

    Attributes
    ----------
    lon, lat : (n,) float64
        WGS84, degrees.
    x, y : (n,) float64
        As stored in the file, in `crs`.
    columns : dict of str to (n,) array
        One for each `Field` asked for.
    crs : str
        System of the stored positions, as declared or found.
    path : str
        The file.
    row : (n,) int64
        Row or record of each point in the file.
    counts : dict of str to int
        What a feed counted on the way: rows, stations, connectors ...
    """

    lon: FloatArray
    lat: FloatArray
    x: FloatArray
    y: FloatArray
    columns: dict[str, NDArray[Any]]
    crs: str
    path: str
    row: NDArray[np.int64]
    counts: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.lon.shape[0])


@dataclass(frozen=True)
class Boundary(Mapping[str, Any]):
    """Unit polygons by code, in WGS84 degrees.

    Attributes
    ----------
    geometry : dict of str to shapely geometry
        Valid polygons and multipolygons.
    names : dict of str to str
    crs : str
        System of the file.
    path : str
    repaired : tuple of str
        Codes whose polygon had to be made valid, or freed from lines and points beside it.
    """

    geometry: dict[str, Any]
    names: dict[str, str]
    crs: str
    path: str
    repaired: tuple[str, ...] = ()

    def __getitem__(self, code: str) -> Any:
        return self.geometry[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self.geometry)

    def __len__(self) -> int:
        return len(self.geometry)


def read_sites(
    path: str | Path,
    fields: Sequence[Field],
    crs: str | None = None,
    lon: str = "lon",
    lat: str = "lat",
    *,
    layer: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> SitesTable:
    """Read a register of points: GeoPackage, GeoJSON, shapefile, GeoParquet, CSV or XLSX.

    Parameters
    ----------
    path : path
    fields : sequence of Field
        Columns that the file must have (no default) or may have.
    crs : str, optional
        Declared system; needed for CSV and XLSX and wherever the file says nothing. ``GCJ-02`` or
        ``BD-09`` may be declared over a file that says EPSG:4326.
    lon, lat : str
        Headers of the position in CSV and XLSX (easting and northing for a projected system);
        left at their defaults, the aliases `LON_NAMES` and `LAT_NAMES` are tried.
    layer : str, optional
        Layer of a GeoPackage or sheet of a workbook.
    columns : mapping, optional
        Header in the file -> field name, where they differ.

    Returns
    -------
    SitesTable

    Raises
    ------
    CrsError
        No system declared, or positions that contradict it.
    DataError
        Everything else wrong in the file, all rows at once.
    """
    if Path(path).suffix.lower() in SUFFIXES:
        features = read_features(path, layer)
        table, found = features.table, features.crs
        findings = Findings(path)
        x, y = _points(features.geometry, findings, table)
        column = "geometry"
    else:
        table, found = read_table(path, layer), None
        findings = Findings(path)
        x, y, column = _position_columns(table, lon, lat, findings)
    taken = take_fields(table, fields, findings, columns)
    if crs is None and found is None:
        # the refusal names what the numbers look like, together with nothing else guessed
        resolve_crs(None, None, path, suspect_system(x, y))
    system = resolve_crs(crs, found, path)
    lon_deg, lat_deg = positions_of(x, y, system, table, findings, column)
    summary = ""
    if len(findings) >= MAX_FINDINGS:
        summary = f"more than {MAX_FINDINGS} problems in {path}; the first {MAX_FINDINGS}"
    findings.raise_if_any(summary=summary)
    return SitesTable(
        lon_deg, lat_deg, x, y, taken, system.name, str(path), np.array(table.rows, dtype=np.int64)
    )


def _points(
    geometry: NDArray[Any], findings: Findings, table: Table
) -> tuple[FloatArray, FloatArray]:
    """Return x and y of point geometries; anything else is a finding."""
    import shapely

    kind = shapely.get_type_id(geometry)
    is_point = (kind == 0) & ~shapely.is_empty(geometry)
    for i in np.flatnonzero(~is_point)[:MAX_FINDINGS]:
        got = "nothing" if geometry[i] is None else geometry[i].geom_type
        hint = "take points on the surface, or split multipoints, and export again"
        findings.add(table.rows[int(i)], "geometry", got, "a point", hint)
    points = np.where(is_point, geometry, shapely.Point(np.nan, np.nan))
    return shapely.get_x(points), shapely.get_y(points)


def _position_columns(
    table: Table, lon: str, lat: str, findings: Findings
) -> tuple[FloatArray, FloatArray, str]:
    """Return the two position columns of a table as stored, NaN where a cell is bad."""
    headers = []
    for asked, default, aliases in ((lon, "lon", LON_NAMES), (lat, "lat", LAT_NAMES)):
        header = table.find(*(aliases if asked == default else (asked,)))
        if header is None:
            findings.add(
                1,
                asked,
                "no such column",
                "a column with the " + ("longitude" if default == "lon" else "latitude")
                + ", one of " + ", ".join(aliases),
                "rename a column; the file has " + ", ".join(list(table.columns)[:12]),
            )  # fmt: skip
        headers.append(header)
    if headers[0] is None or headers[1] is None:
        findings.raise_if_any()
    x, y = (
        np.asarray(numbers_of(table, str(header), NUMBER, findings)[0], dtype=np.float64)
        for header in headers
    )
    return x, y, f"{headers[0]}, {headers[1]}"


def positions_of(
    x: FloatArray,
    y: FloatArray,
    system: Crs,
    table: Table,
    findings: Findings,
    column: str,
) -> tuple[FloatArray, FloatArray]:
    """Return WGS84 degrees; bad positions become findings, one for the file where all share one."""
    explained = check_positions(x, y, system, findings, column)
    known = np.isfinite(x) & np.isfinite(y) & ~explained
    lon, lat = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    lon[known], lat[known] = system.to_wgs84(x[known], y[known])
    inside = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    nowhere = known & (x == 0) & (y == 0)
    unit = "longitude -180..180 and latitude -90..90" if system.is_geographic else "on Earth"
    for i in np.flatnonzero(known & (~inside | nowhere))[:MAX_FINDINGS]:
        hint = (
            "0, 0 is how exports write a missing position: find it or delete the row"
            if nowhere[i]
            else "correct the position or the declared crs"
        )
        findings.add(table.rows[int(i)], column, f"{x[i]:g}, {y[i]:g}", unit, hint)
    return lon, lat


def read_boundary(
    path: str | Path,
    code_field: str,
    name_field: str,
    crs: str | None = None,
    layer: str | None = None,
) -> Boundary:
    """Read unit polygons and give them by code, valid, in WGS84 degrees.

    Parameters
    ----------
    path : path
        GeoPackage, GeoJSON, shapefile, FlatGeobuf or GeoParquet.
    code_field, name_field : str
        Columns with the unit's code (text; whole numbers are taken as their digits) and name.
    crs : str, optional
        Declared system; see `read_sites`.
    layer : str, optional
        Layer of a GeoPackage.

    Returns
    -------
    Boundary
        A mapping from code to geometry.

    Raises
    ------
    CrsError, DataError
        No system, a missing column, a code twice, a feature that is no polygon: all at once.
    """
    import shapely

    if Path(path).suffix.lower() not in SUFFIXES:
        raise DataError(
            Finding(
                str(path), 0, "", f"a {Path(path).suffix or 'nameless'} file",
                "one of " + " ".join(sorted(SUFFIXES)), "export the polygons as GeoPackage",
            )
        )  # fmt: skip
    features = read_features(path, layer)
    table, findings = features.table, Findings(path)
    header_of = {code_field: "code", name_field: "name"}
    wanted = (
        Field("code", str, doc="code of the unit"),
        Field("name", str, default="", doc="name of the unit"),
    )
    if table.find(code_field) is None:
        findings.add(
            0,
            code_field,
            "no such column",
            "a column with the code of each unit",
            "the file has " + ", ".join(list(table.columns)[:12]),
        )
        findings.raise_if_any()
    taken = take_fields(table, wanted, findings, header_of)
    system = resolve_crs(crs, features.crs, path)
    mixed = shapely.get_type_id(features.geometry) == MIXED
    shapes = np.array(
        [_polygons_only(g) if m else g for g, m in zip(features.geometry, mixed, strict=True)],
        dtype=object,
    )
    polygonal = np.isin(shapely.get_type_id(shapes), POLYGONAL) & ~shapely.is_empty(shapes)
    for i in np.flatnonzero(~polygonal)[:MAX_FINDINGS]:
        got = "nothing" if shapes[i] is None else shapes[i].geom_type
        findings.add(table.rows[int(i)], "geometry", got, "a polygon", "close or drop the feature")
    bounds = shapely.bounds(shapes[polygonal]).reshape(-1, 4)
    middle = (bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2
    check_positions(*middle, system, findings, "geometry")
    findings.raise_if_any()
    geometry: dict[str, Any] = {}
    repaired = []
    for code, shape, was_mixed in zip(taken["code"], shapes, mixed, strict=True):
        turned = shapely.transform(
            shape, lambda p: np.column_stack(system.to_wgs84(p[:, 0], p[:, 1]))
        )
        if was_mixed or not shapely.is_valid(turned):
            repaired.append(str(code))
            turned = _polygons_only(shapely.make_valid(turned))
        geometry[str(code)] = turned
    names = dict(zip(map(str, taken["code"]), map(str, taken["name"]), strict=True))
    return Boundary(geometry, names, system.name, str(path), tuple(repaired))


def _polygons_only(shape: Any) -> Any:
    """Return the polygons of a mixture, such as `make_valid` leaves where rings collapse."""
    import shapely

    parts = [p for p in shapely.get_parts(shape) if p.geom_type in {"Polygon", "MultiPolygon"}]
    return shapely.union_all(parts)
