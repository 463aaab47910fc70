"""Vector files: GeoPackage, GeoJSON, shapefile, FlatGeobuf by GDAL; GeoParquet by Arrow."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from groundplan.errors import CrsError, DataError, Finding
from groundplan.region.sheets import Table, detect_encoding

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SUFFIXES", "Features", "read_features"]

SUFFIXES = frozenset({".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet", ".geoparquet"})
#: `crs` members that RFC 7946 readers may meet and that mean what the standard fixes.
WGS84_NAMES = re.compile(r"CRS84$|EPSG:+(\d+(\.\d+)*)?:*4326$|EPSG:+:?4490$", re.IGNORECASE)
CRS_MEMBER = re.compile(
    rb'"crs"\s*:\s*\{\s*"type"\s*:\s*"name"\s*,\s*"properties"\s*:\s*\{\s*"name"\s*:\s*"([^"]*)"'
)
#: A GeoJSON `crs` member stands before the features, which may be long.
HEAD_BYTES = 65536


@dataclass(frozen=True)
class Features:
    """Geometries with their attributes.

    Attributes
    ----------
    table : Table
        Attributes; row i is feature i, counted from 1.
    geometry : (n,) object
        Shapely geometries, None where empty.
    crs : object
        What the file says of its system; None where it says nothing.
    """

    table: Table
    geometry: NDArray[Any]
    crs: Any


def read_features(path: str | Path, layer: str | None = None) -> Features:
    """Read a vector file whole.

    Parameters
    ----------
    path : path
    layer : str, optional
        Layer of a GeoPackage; must be given where it has several.

    Returns
    -------
    Features

    Raises
    ------
    DataError
        No such file, not readable, no or several layers, no features, no geometry.
    CrsError
        A GeoJSON file in another system than WGS84, against RFC 7946 section 4.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            Finding(str(path), 0, "", "no such file", "a vector file", "check the path")
        )
    if path.suffix.lower() in {".parquet", ".geoparquet"}:
        found = _read_geoparquet(path)
    else:
        found = _read_gdal(path, layer)
    if not found.table.rows:
        raise DataError(
            Finding(str(path), 0, "features", "0", "at least one feature", "is this the file?")
        )
    return found


def _refuse(path: Path, got: str, expected: str, hint: str, column: str = "") -> DataError:
    return DataError(Finding(str(path), 0, column, got, expected, hint))


def _table(path: Path, columns: dict[str, list[Any]], n: int) -> Table:
    return Table(str(path), columns, list(range(1, n + 1)))


def _plain(values: Any) -> list[Any]:
    """Return a column as plain Python values, None where missing."""
    array = np.asarray(values)
    if array.dtype.kind == "f":
        return [None if math.isnan(v) else v for v in array.tolist()]
    if array.dtype.kind == "M":
        return [None if v == "NaT" else v for v in array.astype(str).tolist()]
    return [_blank(v) for v in array.tolist()]


def _blank(value: Any) -> Any:
    """Return None for the ways in which a cell says nothing, else the value, text trimmed."""
    if isinstance(value, str):
        return value.strip() or None
    return None if isinstance(value, float) and math.isnan(value) else value


def _read_gdal(path: Path, layer: str | None) -> Features:
    import pyogrio
    import shapely
    from pyogrio.errors import DataLayerError, DataSourceError
    from pyogrio.raw import read

    is_geojson = path.suffix.lower() in {".geojson", ".json"}
    if is_geojson:
        _check_crs_member(path)
    encoding = None
    dbf = path.with_suffix(".dbf")
    if path.suffix.lower() == ".shp" and dbf.is_file() and not path.with_suffix(".cpg").is_file():
        raw = dbf.read_bytes()
        # bytes 8 and 9 hold the length of the binary header; records follow it
        encoding = detect_encoding(raw[int.from_bytes(raw[8:10], "little") :], dbf)
    try:
        names = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if layer is None and len(names) > 1:
            raise _refuse(
                path, f"{len(names)} layers", "one layer, or its name",
                "name one of " + ", ".join(names), "layer",
            )  # fmt: skip
        if layer is not None and layer not in names:
            raise _refuse(
                path, repr(layer), "one of " + ", ".join(names), "correct the name", "layer"
            )
        meta, _, geometry, fields = read(path, layer=layer, encoding=encoding)
    except (DataSourceError, DataLayerError) as error:
        raise _refuse(
            path,
            "no readable vector data",
            "GeoPackage, GeoJSON, shapefile, FlatGeobuf or GeoParquet",
            "is the file complete? open it in a GIS and export it again",
        ) from error
    if geometry is None:
        raise _refuse(path, "a table without geometry", "geometries", "export with geometry")
    crs = meta["crs"]
    shapes = shapely.from_wkb(geometry)
    if is_geojson and crs is not None:
        _check_geojson_crs(path, str(crs))
        crs = "EPSG:4326"
    columns = {
        str(name): _plain(values) for name, values in zip(meta["fields"], fields, strict=True)
    }
    return Features(_table(path, columns, len(shapes)), shapes, crs)


def _check_crs_member(path: Path) -> None:
    """Refuse a GeoJSON `crs` member that names another system, known to GDAL or not."""
    with path.open("rb") as file:
        member = CRS_MEMBER.search(file.read(HEAD_BYTES))
    if member is not None:
        _check_geojson_crs(path, member.group(1).decode("utf-8", "replace"))


def _check_geojson_crs(path: Path, name: str) -> None:
    if not WGS84_NAMES.search(name):
        raise CrsError(
            Finding(
                str(path),
                0,
                "crs",
                name[:60],
                "WGS84 longitude and latitude, as RFC 7946 section 4 fixes",
                "export as GeoJSON RFC 7946, or as GeoPackage in its own system",
            )
        )


def _read_geoparquet(path: Path) -> Features:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import shapely

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise _refuse(
            path, "no readable Parquet data", "a GeoParquet file", "is the file complete?"
        ) from error
    note = (table.schema.metadata or {}).get(b"geo")
    if note is None:
        raise _refuse(
            path,
            "no key geo in the metadata",
            "GeoParquet 1.x metadata",
            "write it with a GeoParquet writer",
            "metadata",
        )
    geo = json.loads(note)
    name = geo["primary_column"]
    column = geo["columns"][name]
    if column.get("encoding") != "WKB":
        raise _refuse(
            path, repr(column.get("encoding")), "encoding WKB", "write geometry as WKB", name
        )
    # GeoParquet 1.1: a missing crs means OGC:CRS84, null means that it is not known
    crs = json.dumps(column["crs"]) if column.get("crs") is not None else None
    if "crs" not in column:
        crs = "OGC:CRS84"
    shapes = shapely.from_wkb(np.asarray(table[name].to_pylist(), dtype=object))
    columns = {
        key: [_blank(v) for v in table[key].to_pylist()]
        for key in table.column_names
        if key != name
    }
    return Features(_table(path, columns, table.num_rows), shapes, crs)
