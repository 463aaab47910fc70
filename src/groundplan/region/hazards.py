"""Where hazards rule places out: levels of a raster against a threshold, or polygons of zones.

A cell is judged by its worst part. Of a raster the largest level of all pixels that the cell
overlaps counts (the smallest where low levels are the bad ones), never the pixel at its middle
and never a mean: a narrow river that floods one corner of a cell floods the cell. Of zones a cell
is masked where one covers or touches any part of it.

Positions of zones are not guarded for a hidden Chinese datum, as sites are: zones do not gather
around towns, so that there is nothing to pair them with. A declared GCJ-02 or BD-09 is undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import CrsError, DataError, Finding, Findings
from groundplan.region.crs import check_positions, resolve_crs
from groundplan.region.pixels import PixelPass
from groundplan.region.raster import RasterLayer, read_layer
from groundplan.region.vectors import read_features

if TYPE_CHECKING:
    from pathlib import Path

    from groundplan.region.layer import Grid

__all__ = ["HazardMask", "Zones", "level_mask", "read_levels", "read_zones", "zone_mask"]

#: Polygons' types in shapely.
POLYGONAL = (3, 6)
#: Long edges are cut to this before they are turned into another system, degrees or metres.
EDGE_DEG, EDGE_M = 0.01, 1000.0
#: Cells that a finding on unknown ones names.
TOLD = 3


@dataclass(frozen=True)
class HazardMask:
    """Which cells a hazard rules out.

    Attributes
    ----------
    is_masked : (n_cell,) bool
    unknown_count : int
        Cells without any value.
    beyond_count : int
        Of these, cells whose middle lies beyond the raster.
    worst : float or None
        Worst level of any cell; None for zones.
    crs : str
    """

    is_masked: NDArray[np.bool_]
    unknown_count: int
    beyond_count: int
    worst: float | None
    crs: str


@dataclass(frozen=True)
class Zones:
    """Polygons of a hazard as read, with the system they are in."""

    shapes: NDArray[Any]
    crs: Any
    path: str


def read_levels(given: Any) -> RasterLayer:
    """Open the raster of a `study.HazardFile`, its declaration checked."""
    return read_layer(
        given.path, given.quantity, "level", given.unit, given.vintage, given.licence, given.source,
        given.nodata, given.crs, band=given.band,
    )  # fmt: skip


def level_mask(
    layer: RasterLayer, grid: Grid, threshold: float, comparator: str, unknown: str
) -> HazardMask:
    """Return the cells in which any pixel reaches the threshold.

    Parameters
    ----------
    layer : RasterLayer
        Of kind ``level``.
    threshold : float
    comparator : str
        ``">="``: levels at or above rule out; ``"<="``: levels at or below.
    unknown : str
        What cells without any value are: ``"error"``, ``"safe"`` or ``"masked"``.

    Raises
    ------
    CrsError
        A raster elsewhere.
    DataError
        No value anywhere, or cells without one where they are errors.
    """
    pass_ = PixelPass(layer, grid)
    is_least = comparator == "<="
    level = pass_.extremes(is_least=is_least)
    is_unknown = np.isnan(level)
    beyond = min(pass_.uncovered_count(), int(is_unknown.sum()))
    if is_unknown.any() and unknown == "error":
        where = ", ".join(
            f"x {grid.x_m[i]:.0f} m y {grid.y_m[i]:.0f} m"
            for i in np.flatnonzero(is_unknown)[:TOLD].tolist()
        )
        raise DataError(
            Finding(
                layer.path, 0, "extent",
                f"{int(is_unknown.sum()):,} of {len(grid):,} cells without a value, {beyond:,} of "
                f"them beyond the raster, such as {where}",
                f"{layer.quantity} over the whole region",
                'add what is missing, or write unknown = "safe" or "masked" for such cells',
            )
        )  # fmt: skip
    with np.errstate(invalid="ignore"):
        hit = level <= threshold if is_least else level >= threshold
    if unknown == "masked":
        hit |= is_unknown
    worst = float(np.nanmin(level) if is_least else np.nanmax(level))
    return HazardMask(hit, int(is_unknown.sum()), beyond, worst, layer.crs.name)


def read_zones(path: str | Path, crs: str | None) -> Zones:
    """Read polygons of a hazard.

    Raises
    ------
    CrsError
        No system, or positions that contradict it.
    DataError
        No polygon, or something else than polygons, all rows at once.
    """
    import shapely

    features = read_features(path)
    system = resolve_crs(crs, features.crs, path)
    findings = Findings(path)
    shapes = features.geometry
    is_empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    for i in np.flatnonzero(is_empty | ~np.isin(shapely.get_type_id(shapes), POLYGONAL)).tolist():
        got = "nothing" if is_empty[i] else shapes[i].geom_type
        findings.add(
            features.table.rows[i], "geometry", got, "a polygon", "close or drop the feature"
        )
    findings.raise_if_any()
    bounds = shapely.bounds(shapes)
    middle = (bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2
    check_positions(*middle, system, findings, "geometry")
    findings.raise_if_any()
    return Zones(shapes, system, str(path))


def zone_mask(zones: Zones, grid: Grid) -> HazardMask:
    """Return the cells that a zone covers or touches.

    Raises
    ------
    CrsError
        Where no zone touches the region.
    """
    import shapely
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    fine = shapely.segmentize(zones.shapes, EDGE_DEG if zones.crs.is_geographic else EDGE_M)
    turned = shapely.transform(
        fine, lambda p: np.column_stack(zones.crs.to(grid.crs, p[:, 0], p[:, 1]))
    )
    turned = np.array([shapely.make_valid(shape) for shape in turned], dtype=object)
    full = rasterize(
        turned.tolist(),
        out_shape=(grid.n_row, grid.n_col),
        transform=from_origin(grid.x0_m, grid.y1_m, grid.cell_m, grid.cell_m),
        all_touched=True,
        dtype="uint8",
    )
    hit = np.asarray(full[grid.row, grid.col] > 0)
    if not hit.any():
        west, south, east, north = shapely.total_bounds(zones.shapes)
        raise CrsError(
            Finding(
                zones.path, 0, "extent",
                f"x {west:g} to {east:g}, y {south:g} to {north:g} in {zones.crs.name}",
                "zones of which one touches the region",
                "is this the map of the region, and is its crs right?",
            )
        )  # fmt: skip
    return HazardMask(hit, 0, 0, None, zones.crs.name)
