"""The files that say where nothing should be built: hazards as a raster of levels, or as zones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from groundplan.study.record import FileName, Record, Rule, Text, has

__all__ = ["ZONE_SUFFIXES", "HazardFile"]

#: Vector formats, whose polygons mark the zones themselves; every other file is a raster.
ZONE_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet", ".geoparquet")
LEVEL_KEYS = ("threshold", "comparator", "unit", "nodata", "band")


class HazardFile(Record):
    """A hazard that rules places out, e.g. flood depth, flood return period, seismic intensity."""

    path: FileName = Field(
        description="a raster of levels (GeoTIFF and all else that rasterio opens), or zones as "
        "polygons (GeoPackage, GeoJSON, shapefile, FlatGeobuf, GeoParquet)"
    )
    quantity: Text = Field(description="what the file shows, e.g. flood depth, 100 years")
    unit: Text | None = Field(None, description="unit of the levels, e.g. m; needed for a raster")
    threshold: float | None = Field(
        None, description="level at which a place is ruled out, in that unit; needed for a raster"
    )
    comparator: Literal[">=", "<="] | None = Field(
        None,
        description=">=: levels at or above the threshold rule out (depth, intensity); <=: at or "
        "below (return period); needed for a raster",
    )
    nodata: float | None = Field(
        None, description="value that means no value; default: what the file states"
    )
    band: int | None = Field(None, ge=1, description="band of the raster; needed where several")
    unknown: Literal["error", "safe", "masked"] = Field(
        "error",
        description="cells without any value, within the raster or beyond it: error ends the run, "
        "safe lets places stand, masked rules them out; zones know no such cells",
    )
    crs: Text | None = Field(
        None,
        description="EPSG:4326, EPSG:4490, GCJ-02, BD-09 or a projected code; default: what the "
        "file states, and an error where it states nothing",
    )
    licence: Text = Field(description="terms under which the file is used")
    source: Text = Field(description="who made the file, which release")
    vintage: int = Field(ge=1900, le=2100, description="year the hazard map describes")

    @property
    def is_zones(self) -> bool:
        """True where the file holds polygons."""
        return self.path.suffix.lower() in ZONE_SUFFIXES

    @classmethod
    def rules(cls, values: Mapping[str, Any]) -> Iterator[Rule]:
        """Refuse levels without a threshold, and a threshold over zones that have no levels."""
        if not has(values, "path"):
            return
        name = str(values["path"])
        if name.lower().endswith(ZONE_SUFFIXES):
            for key in LEVEL_KEYS:
                if values.get(key) is not None:
                    expected = "none with zones: each polygon rules out what it covers"
                    yield key, values[key], expected, "keep in the file what rules out, and no more"
            return
        hints = {
            "threshold": "the level at which a place is ruled out, e.g. 0.5",
            "comparator": '">=" for depth or intensity, "<=" for a return period',
            "unit": 'the unit of the levels, e.g. "m"',
        }
        for key, hint in hints.items():
            if key in values and values[key] is None:
                yield key, None, f"a value: {name} is a raster of levels", hint
