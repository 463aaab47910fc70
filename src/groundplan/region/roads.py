"""Road networks and traffic of the user: edges as a table or lines, trips between their nodes.

A table gives each edge by its two ends; lines are cut where another line ends on them and thinned
to a few vertices, their length kept. Ends at one place (about a metre) or of one name are one node.
"""

from __future__ import annotations

import difflib
import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings
from groundplan.quantity import Field
from groundplan.region.crs import resolve_crs, suspect_system
from groundplan.region.fieldcheck import take_fields
from groundplan.region.files import positions_of
from groundplan.region.sheets import MAX_FINDINGS, Table, read_table
from groundplan.region.vectors import SUFFIXES, read_features

__all__ = ["RoadTable", "TrafficTable", "read_roads", "read_traffic"]

FloatArray = NDArray[np.float64]
#: Digits of a degree to which two ends are the same place: about a metre.
DIGITS = 5
#: Lines are thinned by this, degrees: bends up to some 150 m are left out, their length is kept.
THIN_DEG = 0.0015
EARTH_M = 6_371_008.8
#: A road is not shorter than the straight line, but for rounding; beyond so many times of it and
#: so many kilometres more its length is in another unit.
SHORT_RATIO, LONG_RATIO, LONG_KM = 0.98, 10.0, 5.0
#: Trips may begin this far from a node where they are given by position.
NEAR_M = 5000.0
END = "the position of an end of the edge"
EDGE_FIELDS = (
    Field("length_km", float, "km", default=math.nan, ge=0.001, doc="length along the road"),
    Field("name", str, default="", doc="road that the edge belongs to"),
)
NODE_FIELDS = tuple(
    Field(name, str, doc="the owner's name of the node") for name in ("from_node", "to_node")
)
POSITION_FIELDS = tuple(
    Field(name, float, doc=END) for name in ("from_lon", "from_lat", "to_lon", "to_lat")
)
TRAFFIC_FIELDS = (
    Field("vehicles_per_day", float, "per day", ge=0, doc="vehicles from one node to the other"),
)


@dataclass(frozen=True)
class RoadTable:
    """A road network in WGS84 degrees.

    Attributes
    ----------
    lon, lat : (n_node,) float64
    node : list of str
        The owner's name of each node; empty where the file names none.
    edge_from, edge_to : (n_edge,) int32
    length_m : (n_edge,) float64
        Along the road.
    is_straight : (n_edge,) bool
        True where the file gives no length and the straight line is all that is known.
    name : list of str
        Road of each edge.
    row : list of int
        Row of each edge in the file.
    path, crs : str
    """

    lon: FloatArray
    lat: FloatArray
    node: list[str]
    edge_from: NDArray[np.int32]
    edge_to: NDArray[np.int32]
    length_m: FloatArray
    is_straight: NDArray[np.bool_]
    name: list[str]
    row: list[int]
    path: str
    crs: str


@dataclass(frozen=True)
class TrafficTable:
    """Vehicles a day between nodes of a `RoadTable`; each row as it stands in the file."""

    trip_from: NDArray[np.int32]
    trip_to: NDArray[np.int32]
    per_day: FloatArray
    row: list[int]
    path: str


class Nodes:
    """Nodes while edges are read: one for each name, or for each place."""

    def __init__(self) -> None:
        self.number: dict[Any, int] = {}
        self.lon: list[float] = []
        self.lat: list[float] = []
        self.name: list[str] = []
        self.row: list[int] = []

    def of(self, lon: float, lat: float, name: str = "", row: int = 0) -> int:
        """Return the node of a name, or of a place."""
        key: Any = name or (round(lon, DIGITS), round(lat, DIGITS))
        if key not in self.number:
            self.number[key] = len(self.lon)
            self.lon.append(lon)
            self.lat.append(lat)
            self.name.append(name)
            self.row.append(row)
        return self.number[key]


def great_circle_m(
    lon0: FloatArray, lat0: FloatArray, lon1: FloatArray, lat1: FloatArray
) -> FloatArray:
    """Return distances on a sphere."""
    a, b = np.radians(lat0), np.radians(lat1)
    half = (
        np.sin((b - a) / 2) ** 2
        + np.cos(a) * np.cos(b) * np.sin(np.radians(np.asarray(lon1) - lon0) / 2) ** 2
    )
    return np.asarray(2 * EARTH_M * np.arcsin(np.sqrt(np.minimum(half, 1.0))))


def raise_found(findings: Findings, path: str | Path) -> None:
    """Raise what was found in a file, if anything."""
    summary = ""
    if len(findings) >= MAX_FINDINGS:
        summary = f"more than {MAX_FINDINGS} problems in {path}; the first {MAX_FINDINGS}"
    findings.raise_if_any(summary=summary)


def read_roads(path: str | Path, crs: str | None = None) -> RoadTable:
    """Read a road network.

    Parameters
    ----------
    path : path
        CSV or XLSX with ``from_lon, from_lat, to_lon, to_lat`` and, where wished, ``from_node,
        to_node, length_km, name``; or lines as GeoPackage, GeoJSON, shapefile or GeoParquet with
        ``length_km`` and ``name`` where wished.
    crs : str, optional
        Declared system; needed where the file says nothing.

    Raises
    ------
    CrsError
        No system, or positions that contradict it.
    DataError
        Everything else wrong in the file, all rows at once.
    """
    if Path(path).suffix.lower() in SUFFIXES:
        return read_lines(path, crs)
    return read_edges(path, crs)


def checked_lengths(
    table: Table, given_km: FloatArray, straight_m: FloatArray, findings: Findings
) -> None:
    """Note edges without length, and lengths that no road between these ends has."""
    for i in np.flatnonzero(straight_m <= 0)[:MAX_FINDINGS]:
        findings.add(table.rows[int(i)], "position", "one place", "two ends", "delete the row")
    straight_km = straight_m / 1000.0
    for i in np.flatnonzero(given_km < SHORT_RATIO * straight_km)[:MAX_FINDINGS]:
        expected = f"at least the straight line, {straight_km[i]:.2f} km"
        hint = "is the column in another unit, or an end misplaced?"
        findings.add(table.rows[int(i)], "length_km", f"{given_km[i]:g}", expected, hint)
    for i in np.flatnonzero(given_km > LONG_RATIO * straight_km + LONG_KM)[:MAX_FINDINGS]:
        expected = f"a road between ends {straight_km[i]:.2f} km apart"
        findings.add(
            table.rows[int(i)], "length_km", f"{given_km[i]:g}", expected, "is the column in m?"
        )


def read_edges(path: str | Path, crs: str | None) -> RoadTable:
    """Read a network from a table of edges; see `read_roads`."""
    table, findings = read_table(path), Findings(path)
    named = [table.find(field.name) is not None for field in NODE_FIELDS]
    fields = (*POSITION_FIELDS, *EDGE_FIELDS, *(NODE_FIELDS if any(named) else ()))
    taken = take_fields(table, fields, findings)
    if not {field.name for field in POSITION_FIELDS} <= set(taken):
        raise_found(findings, path)
    ends = []
    stored = [(taken[f"{end}_lon"], taken[f"{end}_lat"]) for end in ("from", "to")]
    if crs is None:
        resolve_crs(None, None, path, suspect_system(*stored[0]))
    system = resolve_crs(crs, None, path)
    for end, (x, y) in zip(("from", "to"), stored, strict=True):
        ends.append(positions_of(x, y, system, table, findings, f"{end}_lon, {end}_lat"))
    straight_m = great_circle_m(*ends[0], *ends[1])
    given_km = np.asarray(taken["length_km"], np.float64)
    checked_lengths(table, given_km, straight_m, findings)
    nodes = Nodes()
    names = [taken[f.name].tolist() if f.name in taken else None for f in NODE_FIELDS]
    number = np.zeros((2, len(table.rows)), np.int32)
    for i, row in enumerate(table.rows):
        for k, (lon, lat) in enumerate(ends):
            own = names[k]
            at = nodes.of(float(lon[i]), float(lat[i]), "" if own is None else str(own[i]), row)
            number[k, i] = at
            here = float(lon[i]), float(lat[i]), nodes.lon[at], nodes.lat[at]
            off_m = float(great_circle_m(*(np.asarray(v) for v in here)))
            if own is not None and off_m > 100.0 and len(findings) < MAX_FINDINGS:
                findings.add(
                    row, NODE_FIELDS[k].name, str(own[i]),
                    f"the place of row {nodes.row[at]}, {off_m / 1000:.1f} km from here",
                    "give the other node a name of its own",
                )  # fmt: skip
    raise_found(findings, path)
    is_straight = ~np.isfinite(given_km)
    return RoadTable(
        np.array(nodes.lon), np.array(nodes.lat), nodes.name, number[0], number[1],
        np.where(is_straight, straight_m, 1000.0 * given_km), is_straight,
        [str(v) for v in taken["name"]], list(table.rows), str(path), system.name,
    )  # fmt: skip


def read_lines(path: str | Path, crs: str | None) -> RoadTable:
    """Read a network from lines; see `read_roads`."""
    import shapely

    features = read_features(path)
    table, findings = features.table, Findings(path)
    taken = take_fields(table, EDGE_FIELDS, findings)
    system = resolve_crs(crs, features.crs, path)
    kinds = shapely.get_type_id(features.geometry)
    for i in np.flatnonzero(~np.isin(kinds, (1, 5)) | shapely.is_empty(features.geometry)):
        shape = features.geometry[i]
        got = "nothing" if shape is None else shape.geom_type
        findings.add(table.rows[int(i)], "geometry", got, "a line", "export roads as lines")
        if len(findings) >= MAX_FINDINGS:
            break
    raise_found(findings, path)
    parts, owner = shapely.get_parts(features.geometry, return_index=True)
    points, of_part = shapely.get_coordinates(parts, return_index=True)
    rows = Table(table.path, {}, [table.rows[int(owner[k])] for k in of_part])
    lon, lat = positions_of(points[:, 0], points[:, 1], system, rows, findings, "geometry")
    raise_found(findings, path)
    first = np.searchsorted(of_part, np.arange(len(parts) + 1))
    keys = list(zip(np.round(lon, DIGITS).tolist(), np.round(lat, DIGITS).tolist(), strict=True))
    ends = {keys[first[k]] for k in range(len(parts))}
    ends |= {keys[first[k + 1] - 1] for k in range(len(parts))}
    step_m = np.append(great_circle_m(lon[:-1], lat[:-1], lon[1:], lat[1:]), 0.0)
    step_m[first[1:] - 1] = 0.0
    length_m = np.bincount(owner[of_part], weights=step_m, minlength=len(table.rows)).astype(
        np.float64
    )
    given_km = np.asarray(taken["length_km"], np.float64)
    checked_lengths(table, given_km, length_m, findings)
    raise_found(findings, path)
    factor = np.where(np.isfinite(given_km), 1000.0 * given_km / length_m, 1.0)
    nodes = Nodes()
    edges: list[tuple[int, int, float, int]] = []
    for k in range(len(parts)):
        begin, end = int(first[k]), int(first[k + 1])
        kept = thinned(lon[begin:end], lat[begin:end])
        cuts = [i for i in range(begin + 1, end - 1) if keys[i] in ends]
        stops = sorted({begin, end - 1, *(begin + i for i in kept), *cuts})
        along = np.concatenate([[0.0], np.cumsum(step_m[begin : end - 1])])
        for a, b in itertools.pairwise(stops):
            metres = float(along[b - begin] - along[a - begin]) * float(factor[owner[k]])
            one = nodes.of(float(lon[a]), float(lat[a]))
            other = nodes.of(float(lon[b]), float(lat[b]))
            if one != other and metres > 0:
                edges.append((one, other, metres, int(owner[k])))
    return RoadTable(
        np.array(nodes.lon), np.array(nodes.lat), nodes.name,
        np.array([e[0] for e in edges], np.int32), np.array([e[1] for e in edges], np.int32),
        np.array([e[2] for e in edges]), np.zeros(len(edges), np.bool_),
        [str(taken["name"][e[3]]) for e in edges], [table.rows[e[3]] for e in edges],
        str(path), system.name,
    )  # fmt: skip


def thinned(lon: FloatArray, lat: FloatArray) -> list[int]:
    """Return which vertices of a line are kept: bends below `THIN_DEG` are left out."""
    import shapely

    line = np.column_stack([lon, lat])
    few = shapely.get_coordinates(shapely.simplify(shapely.linestrings(line), THIN_DEG))
    kept: list[int] = []
    at = 0
    for x, y in few.tolist():
        while line[at, 0] != x or line[at, 1] != y:
            at += 1
        kept.append(at)
        at += 1
    return kept


def read_traffic(path: str | Path, roads: RoadTable, crs: str | None = None) -> TrafficTable:
    """Read vehicles a day between nodes of a network.

    Parameters
    ----------
    path : path
        CSV or XLSX with ``vehicles_per_day`` and either ``from_node, to_node``, as the road file
        names them, or ``from_lon, from_lat, to_lon, to_lat``.
    roads : RoadTable
    crs : str, optional
        System of the positions; default that of the road file.

    Raises
    ------
    DataError
        Everything wrong in the file, all rows at once.
    """
    table, findings = read_table(path), Findings(path)
    by_name = any(table.find(field.name) is not None for field in NODE_FIELDS)
    taken = take_fields(
        table, (*(NODE_FIELDS if by_name else POSITION_FIELDS), *TRAFFIC_FIELDS), findings
    )
    if not {f.name for f in (NODE_FIELDS if by_name else POSITION_FIELDS)} <= set(taken):
        raise_found(findings, path)
    ends = []
    if by_name:
        number = {name: k for k, name in enumerate(roads.node) if name}
        ends += [
            named_nodes(table, field.name, taken[field.name], number, findings, roads)
            for field in NODE_FIELDS
        ]
    else:
        system = resolve_crs(crs or roads.crs, None, path)
        for end in ("from", "to"):
            column = f"{end}_lon, {end}_lat"
            lon, lat = positions_of(
                taken[f"{end}_lon"], taken[f"{end}_lat"], system, table, findings, column
            )
            ends.append(nearest_nodes(table, column, lon, lat, findings, roads))
    same = np.flatnonzero((ends[0] == ends[1]) & (ends[0] >= 0))
    for i in same[:MAX_FINDINGS]:
        expected = "two nodes"
        findings.add(table.rows[int(i)], "to_node", "where the trip begins", expected, "delete it")
    raise_found(findings, path)
    return TrafficTable(
        ends[0].astype(np.int32), ends[1].astype(np.int32),
        np.asarray(taken["vehicles_per_day"], np.float64), list(table.rows), str(path),
    )  # fmt: skip


def named_nodes(
    table: Table,
    column: str,
    names: NDArray[Any],
    number: dict[str, int],
    findings: Findings,
    roads: RoadTable,
) -> NDArray[np.int64]:
    """Return the node of each name, -1 and a finding where the road file has none of it."""
    out = np.full(len(table.rows), -1, np.int64)
    for i, name in enumerate(names.tolist()):
        if name in number:
            out[i] = number[name]
        elif name and len(findings) < MAX_FINDINGS:
            like = difflib.get_close_matches(str(name), list(number), 1)
            hint = f"did you mean {like[0]!r}?" if like else "the road file names no such node"
            if not number:
                hint = "the road file names no nodes: give from_lon, from_lat, to_lon, to_lat"
            expected = f"a node of {Path(roads.path).name}"
            findings.add(table.rows[i], column, str(name), expected, hint)
    return out


def nearest_nodes(
    table: Table,
    column: str,
    lon: FloatArray,
    lat: FloatArray,
    findings: Findings,
    roads: RoadTable,
) -> NDArray[np.int64]:
    """Return the node nearest to each position, -1 and a finding where none is near."""
    out = np.full(len(table.rows), -1, np.int64)
    for i in range(len(table.rows)):
        if not (np.isfinite(lon[i]) and np.isfinite(lat[i])):
            continue
        far = great_circle_m(
            np.full(roads.lon.size, lon[i]), np.full(roads.lon.size, lat[i]), roads.lon, roads.lat
        )
        at = int(far.argmin())
        if far[at] <= NEAR_M:
            out[i] = at
        elif len(findings) < MAX_FINDINGS:
            findings.add(
                table.rows[i], column, f"{lon[i]:g}, {lat[i]:g}",
                f"within {NEAR_M / 1000:g} km of an end or bend of a road",
                f"the nearest is {far[at] / 1000:.1f} km away",
            )  # fmt: skip
    return out
