"""The user's register of what stands: a table or a published feed, read, guarded, handed over.

Region knows formats and datums, a sector knows its columns; here both meet. What was read, under
which terms, and what the datum guard found is kept beside the sites for ``plan.json``.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding
from groundplan.sectors.contract import Feed, Sector, Settings, Sites

__all__ = ["Register", "read_existing", "read_register", "strongest_within", "verdict_record"]

FloatArray = NDArray[np.float64]
#: Word in the study -> reader of region; positions of all three are WGS84 by their definition.
READERS = {
    "ocpi": "read_ocpi",
    "openchargemap": "read_openchargemap",
    "opencellid": "read_opencellid",
}
FEED_CRS = "EPSG:4326"


@dataclass(frozen=True)
class Existing:
    """What a file of existing assets holds, before it is laid on the land.

    Attributes
    ----------
    columns : mapping of str to (n,) array
        Columns of the sector's register.
    lon, lat : (n,) float64
        WGS84, degrees.
    weight : (n,) float64
        How well each record is known, to choose among records of one structure.
    rows : int
        Records in the file.
    counts : mapping of str to int
        What the reader counted on the way.
    crs : str
        System of the stored positions.
    feed : Feed or None
        How the format filled the columns; None for a table.
    """

    columns: Mapping[str, NDArray[Any]]
    lon: FloatArray
    lat: FloatArray
    weight: FloatArray
    rows: int
    counts: Mapping[str, int]
    crs: str
    feed: Feed | None


@dataclass(frozen=True)
class Register:
    """The existing assets of one system, and how they came to be known."""

    sites: Sites
    record: dict[str, Any]


def read_existing(choice: Any, sector: Sector, settings: Settings) -> Existing:
    """Read the file that a study names as a system's existing assets.

    Parameters
    ----------
    choice : groundplan.study.model.ExistingFile
    sector : Sector
    settings : mapping
        Every setting of the sector.

    Raises
    ------
    DataError
        A format that this system cannot take, or everything wrong in the file.
    """
    from groundplan.region.files import read_sites

    if choice.format == "table":
        table = read_sites(choice.path, sector.existing_fields, crs=choice.crs)
        n = len(table)
        return Existing(
            table.columns, table.lon, table.lat, np.ones(n), n, table.counts, table.crs, None
        )
    if choice.format not in sector.feeds:
        known = ", ".join(["table", *sorted(sector.feeds)])
        raise DataError(
            Finding(
                str(choice.path), 0, "format", choice.format, f"for {sector.key} one of {known}",
                "name a file of this system, or bring it into a table",
            )
        )  # fmt: skip
    return read_feed(choice, sector.feeds[choice.format], settings)


def read_feed(choice: Any, feed: Feed, settings: Settings) -> Existing:
    """Read a file in a published format and map it to the columns of the register."""
    from groundplan.region.crs import resolve_crs

    reader = getattr(importlib.import_module("groundplan.region.feeds"), READERS[choice.format])
    table = reader(choice.path)
    system = resolve_crs(choice.crs or FEED_CRS, FEED_CRS, choice.path)
    lon, lat = system.to_wgs84(table.x, table.y)
    columns, kept = feed.columns(table.columns, settings)
    if not kept.any():
        raise DataError(
            Finding(
                str(choice.path), 0, "records", f"{len(table)} records, no asset that stands",
                "at least one", "is this the feed of this system and of this country?",
            )
        )  # fmt: skip
    weight = table.columns.get(feed.weight_column, np.ones(len(table)))
    return Existing(
        {name: np.asarray(values)[kept] for name, values in columns.items()},
        lon[kept],
        lat[kept],
        np.asarray(weight, dtype=np.float64)[kept],
        len(table),
        {**table.counts, "not_of_this_system": int((~kept).sum())},
        system.name,
        feed,
    )


def strongest_within(
    x_m: FloatArray, y_m: FloatArray, weight: FloatArray, distance_m: float
) -> NDArray[np.int64]:
    """Return for each point the point that stands for it: itself, or a stronger one near.

    The points that stand for others are those that a walk from the strongest to the weakest
    keeps, each blocking all within `distance_m`; every other point belongs to the nearest of
    them. No chains form: what belongs together lies within `distance_m` of one point.

    Parameters
    ----------
    x_m, y_m : (n,) float64
    weight : (n,) float64
        Larger is stronger; of equal ones the first is.
    distance_m : float

    Returns
    -------
    (n,) int64
    """
    from scipy.spatial import cKDTree

    n = x_m.size
    points = np.column_stack([x_m, y_m])
    rank = np.empty(n, np.int64)
    rank[np.lexsort((np.arange(n), -weight))] = np.arange(n)
    pairs = cKDTree(points).query_pairs(distance_m, output_type="ndarray")
    is_open, stands = np.ones(n, np.bool_), np.zeros(n, np.bool_)
    while is_open.any():
        # a point stands where no open point near is stronger
        rival = np.full(n, n, np.int64)
        np.minimum.at(rival, pairs[:, 0], rank[pairs[:, 1]])
        np.minimum.at(rival, pairs[:, 1], rank[pairs[:, 0]])
        now = is_open & (rank < rival)
        stands |= now
        is_open &= ~now
        is_open[pairs[now[pairs[:, 0]], 1]] = False
        is_open[pairs[now[pairs[:, 1]], 0]] = False
        pairs = pairs[is_open[pairs].all(axis=1)]
    at = np.flatnonzero(stands)
    return np.asarray(at[cKDTree(points[at]).query(points)[1]], dtype=np.int64)


def is_inside(grid: Any, x_m: FloatArray, y_m: FloatArray) -> NDArray[np.bool_]:
    """Return whether each point lies in a cell of the region."""
    row = np.floor((grid.y1_m - y_m) / grid.cell_m).astype(np.int64)
    col = np.floor((x_m - grid.x0_m) / grid.cell_m).astype(np.int64)
    within = (row >= 0) & (row < grid.n_row) & (col >= 0) & (col < grid.n_col)
    raster = grid.raster(grid.county, outside=-1)
    inside = np.zeros(x_m.size, np.bool_)
    inside[within] = raster[row[within], col[within]] >= 0
    return inside


def guard(choice: Any, existing: Any, region: Any, cell_m: float) -> Any:
    """Judge the datum of what was read against the places of the region; refuse displaced files.

    Parameters
    ----------
    choice : groundplan.study.model.ExistingFile or RoadFile
    existing : Existing, SitesTable or RoadTable
        With ``lon`` and ``lat``, WGS84 as declared.

    Raises
    ------
    CrsError
        Where the file is displaced by more than a cell and the study does not accept that.
    """
    from groundplan.region.datum import guard_sites

    return guard_sites(
        existing.lon,
        existing.lat,
        *region.reference_lonlat(),
        cell_m=cell_m,
        path=choice.path,
        is_accepted=choice.is_datum_accepted,
    )


def verdict_record(verdict: Any, path: Any, name: str) -> dict[str, Any]:
    """Return what the datum guard found of a file, for ``plan.json``."""
    return {
        "status": verdict.status,
        "verdict": verdict.verdict,
        "verdict_text": verdict.text.replace(str(path), name),
        "east_m": round(verdict.east_m, 1),
        "north_m": round(verdict.north_m, 1),
        "scatter_m": round(verdict.scatter_m, 1) if math.isfinite(verdict.scatter_m) else None,
        "pairs": verdict.pairs,
    }


def read_register(study: Any, sector: Sector, ground: Any, settings: Settings) -> Register:
    """Read the user's file of existing assets, guard it and hand it to the sector.

    Records of a feed outside the region are left out and counted, since feeds cover countries; a
    table is the region's own and taken whole.

    Raises
    ------
    DataError
        Everything wrong in the file, a displaced file, or no asset inside the region.
    """
    choice = study.sectors[sector.key].existing
    existing = read_existing(choice, sector, settings)
    verdict = guard(choice, existing, ground.region, ground.grid.cell_m)
    x_m, y_m = ground.region.project(existing.lon, existing.lat)
    inside = is_inside(ground.grid, x_m, y_m)
    if not inside.any():
        raise DataError(
            Finding(
                str(choice.path), 0, "position", f"{x_m.size:,} assets, none inside the region",
                f"assets in {ground.region.name_en}",
                "is this the file of this region, and its crs the declared one?",
            )
        )  # fmt: skip
    columns: Mapping[str, NDArray[Any]] = existing.columns
    name = study.name_of(choice.path)
    record: dict[str, Any] = {
        "path": name,
        "format": choice.format,
        "rows": existing.rows,
        "crs": existing.crs,
        **verdict_record(verdict, choice.path, name),
        "is_datum_accepted": choice.is_datum_accepted,
        "licence": choice.licence,
        "source": choice.source,
        "vintage": choice.vintage,
        "outside_count": int((~inside).sum()),
        "counts": dict(existing.counts),
        "note": "",
        "note_zh": "",
    }
    if existing.feed is not None:
        columns = {key: values[inside] for key, values in columns.items()}
        x_m, y_m = x_m[inside], y_m[inside]
        record["note"], record["note_zh"] = existing.feed.note, existing.feed.note_zh
        if existing.feed.join_column:
            columns, x_m, y_m = join_records(
                existing.feed, columns, x_m, y_m, existing.weight[inside], settings
            )
            joined = np.unique(columns[existing.feed.join_column].astype(str)).size
            record["counts"]["structures"] = int(joined)
    sites = sector.from_register(columns, x_m, y_m, ground.land, settings)
    return Register(sites, record)


def join_records(
    feed: Feed,
    columns: Mapping[str, NDArray[Any]],
    x_m: FloatArray,
    y_m: FloatArray,
    weight: FloatArray,
    settings: Settings,
) -> tuple[dict[str, NDArray[Any]], FloatArray, FloatArray]:
    """Name the structure of each record, and put the record first that gives its position."""
    chief = strongest_within(x_m, y_m, weight, settings[feed.join_setting])
    order = np.argsort(chief != np.arange(chief.size), kind="stable")
    named = {**columns, feed.join_column: columns[feed.join_column][chief]}
    return {key: values[order] for key, values in named.items()}, x_m[order], y_m[order]
