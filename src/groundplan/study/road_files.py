"""The files of a system whose sites stand on roads: the network, and the traffic on it."""

from __future__ import annotations

from pydantic import Field

from groundplan.study.record import FileName, Record, Text

__all__ = ["RoadFile", "TrafficFile"]


class RoadFile(Record):
    """The user's road network, for a system whose sites stand on roads."""

    path: FileName = Field(
        description="CSV or XLSX of edges (from_lon, from_lat, to_lon, to_lat; from_node, to_node, "
        "length_km and name where known), or lines as GeoPackage, GeoJSON, shapefile, GeoParquet"
    )
    crs: Text | None = Field(
        None,
        description="EPSG:4326, EPSG:4490, GCJ-02, BD-09 or a projected code; needed for a "
        "table, else what the file states",
    )
    is_datum_accepted: bool = Field(
        default=False, description="true: the positions are right although they look displaced"
    )
    licence: Text = Field(description="terms under which the file is used")
    source: Text = Field(description="who keeps the network")
    vintage: int = Field(ge=1900, le=2100, description="year the network describes")


class TrafficFile(Record):
    """Traffic between nodes of the user's road network."""

    path: FileName = Field(
        description="CSV or XLSX with vehicles_per_day and from_node, to_node as the road file "
        "names them, or from_lon, from_lat, to_lon, to_lat; each row counts, both ways add up"
    )
    crs: Text | None = Field(
        None, description="system of the positions; default that of the road file"
    )
    licence: Text = Field(description="terms under which the file is used")
    source: Text = Field(description="who counted the traffic")
    vintage: int = Field(ge=1900, le=2100, description="year of the counts")
