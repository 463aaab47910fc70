"""The roads of a system of passage as lines with their traffic: a file, a map layer, a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from groundplan.plan.columns import county_of_points
from groundplan.plan.passage import laid_of, road_rows, road_traffic
from groundplan.plan.report_form import Counties
from groundplan.plan.system import DEMAND_SCALE, SystemPlan

__all__ = ["road_layer", "road_names", "worst_roads", "write_roads"]

#: Column -> what it means.
MEANING = {
    "road": "road, or the counties at its two ends",
    "road_zh": "the same in Chinese",
    "length_m": "along the road",
    "trips": "long-distance trips a year on it, both ways",
    "served_before_ratio": "share of them that gets through with the stations that stand",
    "served_after_ratio": "share of them that gets through with the plan",
    "x0_m": "east of one end, equal-area system of the region",
    "y0_m": "north of one end",
    "x1_m": "east of the other end",
    "y1_m": "north of the other end",
    "is_synthetic": "true where a stand-in takes the place of a road file",
}
GEOMETRY_NOTE = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["LineString"]}},
}
#: Roads named in the report.
ROADS_SHOWN = 24


def road_names(plan: SystemPlan, ground: Any, counties: Counties) -> list[tuple[str, str]]:
    """Return the name of each road: its own, or those of the counties at its ends."""
    roads = laid_of(plan.system).network.roads
    county = county_of_points(ground.grid, roads.x_m, roads.y_m)
    out = []
    for a, b, name in zip(roads.edge_from, roads.edge_to, roads.name.tolist(), strict=True):
        if name:
            out.append((name, name))
            continue
        ends = (counties[county[a]], counties[county[b]])
        english = [c["name_en"] or c["name"] for c in ends]
        out.append((" – ".join(english), "–".join(c["name"] for c in ends)))
    return out


def road_layer(plan: SystemPlan, ground: Any, counties: Counties) -> pa.Table:
    """Return the roads as straight lines between their ends, with traffic and shares."""
    roads = laid_of(plan.system).network.roads
    total, before, after = road_traffic(plan)
    names = road_names(plan, ground, counties)
    lon, lat = ground.region.unproject(roads.x_m, roads.y_m)
    a, b = roads.edge_from, roads.edge_to
    ends = np.stack([np.stack([lon[a], lat[a]], 1), np.stack([lon[b], lat[b]], 1)], 1)

    def share(part: Any) -> Any:
        return np.round(np.divide(part, total, out=np.zeros(total.size), where=total > 0), 6)

    columns = {
        "road": [english for english, _ in names],
        "road_zh": [chinese for _, chinese in names],
        "length_m": np.round(roads.length_m, 1),
        "trips": np.round(total / DEMAND_SCALE, 2),
        "served_before_ratio": share(before),
        "served_after_ratio": share(after),
        "x0_m": np.round(roads.x_m[a], 1),
        "y0_m": np.round(roads.y_m[a], 1),
        "x1_m": np.round(roads.x_m[b], 1),
        "y1_m": np.round(roads.y_m[b], 1),
        "is_synthetic": np.full(a.size, roads.is_synthetic),
    }
    fields = []
    arrays = []
    for name, meaning in MEANING.items():
        array = pa.array(columns[name])
        arrays.append(array)
        fields.append(pa.field(name, array.type, metadata={"description": meaning}))
    lines = shapely.to_wkb(shapely.linestrings(np.round(ends, 7)))
    return pa.table(
        [*arrays, pa.array(lines, pa.binary())],
        schema=pa.schema([*fields, pa.field("geometry", pa.binary())]),
    )


def write_roads(folder: Path, key: str, layer: pa.Table) -> str:
    """Write ``<key>-roads.parquet`` and return its name."""
    name = f"{key}-roads.parquet"
    meta = {b"geo": json.dumps(GEOMETRY_NOTE, sort_keys=True).encode()}
    pq.write_table(layer.replace_schema_metadata(meta), folder / name, compression="zstd")
    return name


def worst_roads(
    plan: SystemPlan, ground: Any, counties: Counties
) -> tuple[list[dict[str, Any]], int]:
    """Return the roads with most trips, and how many roads carry any."""
    rows = [r for r in road_rows(plan, road_names(plan, ground, counties)) if r["trips"] > 0]
    rows.sort(key=lambda r: (-r["trips"] * (1.0 - r["served_after_ratio"]), -r["trips"], r["name"]))
    return rows[:ROADS_SHOWN], len(rows)
