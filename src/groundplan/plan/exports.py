"""Assets as files that other programs open: GeoParquet, GeoPackage, CSV."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import shapely

from groundplan.plan.columns import ASSET_COLUMNS
from groundplan.quantity import unit_of

__all__ = ["asset_table", "join_tables", "write_assets"]

GEOMETRY_NOTE = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}},
}
#: Colours that stay apart for colour-blind readers (Okabe and Ito 2008), one per action.
ACTION_COLOURS = {
    "keep": "153,153,153",
    "upgrade": "0,114,178",
    "share": "0,158,115",
    "new": "213,94,0",
}
#: Share of a road's trips that gets through, from and to, with colour (red, green, blue) and label.
ROAD_CLASSES = (
    (0.0, 0.5, "213,94,0", "below half"),
    (0.5, 0.9, "230,159,0", "half to 90 %"),
    (0.9, 1.0, "0,114,178", "90 % and more"),
)
#: Geometry column in the GeoPackage: QGIS finds a style only under its name.
GEOMETRY = "geom"
#: Words of the legend in QGIS.
LABELS = {
    "keep": "existing / 现有",
    "upgrade": "upgraded / 升级",
    "share": "shared / 共享",
    "new": "new / 新建",
}


def asset_table(columns: Mapping[str, Any], meaning: Mapping[str, str], load_unit: str) -> pa.Table:
    """Return one system's asset table with its geometry column.

    Parameters
    ----------
    columns : mapping
        Those of `ASSET_COLUMNS` and those of the sector.
    meaning : mapping of str to str
        What each of the sector's own columns means.
    load_unit : str
        Unit of ``load``: that of the sector's demand.
    """
    said = {**ASSET_COLUMNS, **meaning}
    units = {"load": load_unit}
    # a column without any value has no type of its own
    types = {"outside_id": pa.string()}
    arrays = [
        values
        if isinstance(values := columns[name], pa.Array)
        else pa.array(values, types.get(name))
        for name in said
    ]
    points = shapely.to_wkb(shapely.points(columns["lon_deg"], columns["lat_deg"]))
    fields = [
        pa.field(
            name, array.type, metadata=described(said[name], units.get(name) or unit_of(name) or "")
        )
        for name, array in zip(said, arrays, strict=True)
    ]
    fields.append(pa.field("geometry", pa.binary()))
    return pa.table([*arrays, pa.array(points, pa.binary())], schema=pa.schema(fields))


def described(meaning: str, unit: str) -> dict[str, str]:
    """Return a column's meaning and unit as GeoParquet readers and GDAL find them."""
    note = f"{meaning} [{unit}]" if unit not in {"", "1"} else meaning
    return {"description": meaning, "unit": unit, "GDAL:OGR:comment": note}


def join_tables(tables: Mapping[str, pa.Table]) -> pa.Table:
    """Return the systems' tables as one; a column that a system lacks is null there."""
    whole = pa.concat_tables(tables.values(), promote_options="default")
    others = [name for name in whole.column_names if name != "geometry"]
    return whole.select([*others, "geometry"])


def write_assets(
    folder: Path,
    tables: Mapping[str, pa.Table],
    counties: Mapping[str, Any] | None,
    roads: Mapping[str, pa.Table] | None = None,
) -> None:
    """Write ``assets.parquet``, ``assets.gpkg`` with styles, and ``assets.csv`` (planned only).

    Parameters
    ----------
    folder : Path
    tables : mapping of str to pyarrow.Table
        Sector key -> `asset_table`.
    counties : mapping, optional
        ``wkb`` (n,) bytes, ``code``, ``name``, and per-county figures, for a map layer.
    roads : mapping of str to pyarrow.Table, optional
        Sector key -> roads as lines, for a map layer ``<key>_roads``.
    """
    assets = join_tables(tables)
    geo = {**GEOMETRY_NOTE, "columns": {"geometry": {**GEOMETRY_NOTE["columns"]["geometry"]}}}  # type: ignore[index]
    meta = {b"geo": json.dumps(geo, sort_keys=True).encode()}
    pq.write_table(
        assets.replace_schema_metadata(meta), folder / "assets.parquet", compression="zstd"
    )
    planned = assets.filter(pc.not_equal(assets["action"], "keep"))
    pa_csv.write_csv(planned.drop_columns(["geometry"]), folder / "assets.csv")
    write_geopackage(folder / "assets.gpkg", tables, counties, roads or {})


def write_geopackage(
    path: Path,
    tables: Mapping[str, pa.Table],
    counties: Mapping[str, Any] | None,
    roads: Mapping[str, pa.Table],
) -> None:
    """Write one layer per sector with its own columns, the counties, and the styles QGIS reads.

    Dates are fixed, so that the file's bytes depend on the plan alone.
    """
    import pyogrio

    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2023-01-01T00:00:00Z"})
    try:
        for sector, table in tables.items():
            write_layer(path, sector, table, "Point")
        for sector, table in roads.items():
            write_layer(path, f"{sector}_roads", table, "LineString")
        if counties is not None:
            columns = {k: pa.array(v) for k, v in counties.items() if k != "wkb"}
            table = pa.table({**columns, "geometry": pa.array(counties["wkb"], pa.binary())})
            write_layer(path, "counties", table, "MultiPolygon")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
    write_styles(path, list(tables), list(roads), has_counties=counties is not None)


def write_layer(path: Path, layer: str, table: pa.Table, geometry_type: str) -> None:
    """Append one layer to a GeoPackage."""
    import pyogrio

    field = pa.field("geometry", pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    at = table.schema.get_field_index("geometry")
    pyogrio.write_arrow(
        table.set_column(at, field, table["geometry"]),
        path,
        layer=layer,
        driver="GPKG",
        geometry_name="geometry",
        geometry_type=geometry_type,
        crs="EPSG:4326",
        layer_options={"GEOMETRY_NAME": GEOMETRY},
        append=path.exists(),
    )


def write_styles(
    path: Path, sectors: Sequence[str], on_roads: Sequence[str], *, has_counties: bool
) -> None:
    """Write the table ``layer_styles`` from which QGIS takes its default style."""
    styles = [(sector, point_style()) for sector in sectors]
    styles += [(f"{sector}_roads", road_style()) for sector in on_roads]
    if has_counties:
        styles.append(("counties", county_style()))
    base = sqlite3.connect(path)
    try:
        with base:
            base.execute(
                "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                "f_table_catalog TEXT, f_table_schema TEXT, f_table_name TEXT, "
                "f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT, "
                "useAsDefault BOOLEAN, description TEXT, owner TEXT, ui TEXT, "
                "update_time DATETIME)"
            )
            base.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier, last_change) "
                "VALUES ('layer_styles', 'attributes', 'layer_styles', '2023-01-01T00:00:00Z')"
            )
            base.executemany(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
                "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, "
                "owner, ui, update_time) VALUES ('', '', ?, ?, ?, ?, '', 1, "
                "'groundplan', '', NULL, '2023-01-01T00:00:00Z')",
                [(name, GEOMETRY, name, qml) for name, qml in styles],
            )
    finally:
        base.close()


def point_style() -> str:
    """Return a QML style: one symbol per action, told apart by shape, size and colour."""
    shapes = {"keep": "circle", "upgrade": "triangle", "share": "square", "new": "diamond"}
    categories, symbols = [], []
    for number, (action, colour) in enumerate(ACTION_COLOURS.items()):
        categories.append(
            f'<category value="{action}" symbol="{number}" label="{LABELS[action]}" render="true"/>'
        )
        size = 1 if action == "keep" else 2
        symbols.append(
            f'<symbol name="{number}" type="marker" alpha="1"><layer class="SimpleMarker" '
            f'pass="{number}">'
            f'<Option type="Map"><Option type="QString" name="name" value="{shapes[action]}"/>'
            f'<Option type="QString" name="color" value="{colour},255"/>'
            f'<Option type="QString" name="outline_style" value="no"/>'
            f'<Option type="QString" name="size" value="{size}"/></Option></layer></symbol>'
        )
    return (
        '<!DOCTYPE qgis><qgis version="3.22"><renderer-v2 type="categorizedSymbol" attr="action" '
        'symbollevels="1">'
        f"<categories>{''.join(categories)}</categories><symbols>{''.join(symbols)}</symbols>"
        "</renderer-v2></qgis>"
    )


def road_style() -> str:
    """Return a QML style: roads by the share of their trips that gets through with the plan."""
    ranges, symbols = [], []
    for number, (low, high, colour, label) in enumerate(ROAD_CLASSES):
        ranges.append(
            f'<range lower="{low}" upper="{high}" symbol="{number}" label="{label}" render="true"/>'
        )
        symbols.append(
            f'<symbol name="{number}" type="line" alpha="1"><layer class="SimpleLine">'
            f'<Option type="Map"><Option type="QString" name="line_color" value="{colour},255"/>'
            f'<Option type="QString" name="line_width" value="0.6"/></Option></layer></symbol>'
        )
    return (
        '<!DOCTYPE qgis><qgis version="3.22"><renderer-v2 type="graduatedSymbol" '
        'attr="served_after_ratio" graduatedMethod="GraduatedColor" symbollevels="0">'
        f"<ranges>{''.join(ranges)}</ranges><symbols>{''.join(symbols)}</symbols>"
        "</renderer-v2></qgis>"
    )


def county_style() -> str:
    """Return a QML style: thin borders, no fill."""
    return (
        '<!DOCTYPE qgis><qgis version="3.22"><renderer-v2 type="singleSymbol"><symbols>'
        '<symbol name="0" type="fill"><layer class="SimpleFill"><Option type="Map">'
        '<Option type="QString" name="style" value="no"/>'
        '<Option type="QString" name="outline_color" value="80,80,80,255"/>'
        '<Option type="QString" name="outline_width" value="0.3"/></Option></layer></symbol>'
        "</symbols></renderer-v2></qgis>"
    )
