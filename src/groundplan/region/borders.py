"""Synthetic county borders: a power diagram inside a synthetic outline.

Cell x inside the outline goes to the county j with the least ``|x - label_j|^2 - psi_j``; the
weights psi give every county its true area (Aurenhammer, Hoffmann, Aronov 1998, doi
10.1007/PL00009187). The outline is drawn by `groundplan.region.outline`. Both are fitted once and
kept with the region's tables; a region without them has them fitted when a grid is laid.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.quantity import Field

if TYPE_CHECKING:
    from groundplan.region.tables import Region

__all__ = [
    "Borders",
    "county_raster",
    "fit_borders",
    "power_cells",
    "read_borders",
    "write_borders",
]

FloatArray = NDArray[np.float64]
BORDERS_FILE, OUTLINE_FILE = "borders.csv", "outline.csv"
BORDER_FIELDS = (
    Field("code", str, doc="county code"),
    Field("psi_km2", float, "km2", doc="weight of the county's power cell"),
)
OUTLINE_FIELDS = (
    Field("x_m", float, "m", doc="east, system of the grid"),
    Field("y_m", float, "m", doc="north, system of the grid"),
)
#: Areas are met on cells of this share of the mean county radius: 250 m for Henan.
FINE_RATIO = 1 / 72
COARSE_STEPS, FINE_STEPS = 300, 400
#: While the fine fit moves psi by less than this share of a county's area, a cell farther than
#: that from changing hands stays where it is.
BAND_RATIO = 0.05
#: Points assigned at once.
POINTS_AT_ONCE = 200_000


@dataclass(frozen=True)
class Borders:
    """An outline and the weights of the power cells inside it.

    Attributes
    ----------
    outline : shapely Polygon
        Grid coordinates, metres.
    psi_m2 : (n_county,) float64
    """

    outline: Any
    psi_m2: FloatArray


def power_cells(
    x_m: FloatArray, y_m: FloatArray, label_xy_m: FloatArray, psi_m2: FloatArray
) -> NDArray[np.int16]:
    """Return the county of each point.

    The nearest of points lifted to height ``sqrt(max psi - psi)`` is the power cell.
    """
    from scipy.spatial import cKDTree

    lifted = np.column_stack([label_xy_m, np.sqrt(psi_m2.max() - psi_m2)])
    points = np.column_stack([x_m, y_m, np.zeros(x_m.size)])
    county: NDArray[np.int16] = np.asarray(cKDTree(lifted).query(points, workers=-1)[1], np.int16)
    return county


def inside_points(outline: Any, cell_m: float) -> FloatArray:
    """Return the centres (n, 2) of cells inside an outline."""
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    west, south, east, north = outline.bounds
    n_row, n_col = (int(np.ceil(v / cell_m)) + 1 for v in (north - south, east - west))
    inside = rasterize(
        [(outline, 1)], out_shape=(n_row, n_col), dtype="uint8",
        transform=from_origin(west, north, cell_m, cell_m),
    )  # fmt: skip
    row, col = np.nonzero(inside)
    return np.column_stack([west + cell_m * (col + 0.5), north - cell_m * (row + 0.5)])


def fit_borders(
    label_xy_m: FloatArray, area_m2: FloatArray, inside_xy_m: FloatArray | None = None
) -> Borders:
    """Draw an outline and fit the weights that give every county its area inside it.

    Parameters
    ----------
    label_xy_m : (n, 2) float64
        A point in the middle of each county, grid coordinates.
    area_m2 : (n,) float64
    inside_xy_m : (m, 2) float64, optional
        Places that lie inside; default the label points.

    Returns
    -------
    Borders
    """
    from scipy.spatial import cKDTree

    from groundplan.region.outline import CELLS_PER_R, NEAREST, draw_outline, fit_psi

    inside = label_xy_m if inside_xy_m is None else inside_xy_m
    outline, psi = draw_outline(label_xy_m, area_m2, inside)
    radius_m = float(np.sqrt(area_m2.mean() / np.pi))
    tree, k = cKDTree(label_xy_m), min(NEAREST, len(label_xy_m))
    for cell_m in (radius_m / CELLS_PER_R, radius_m * FINE_RATIO):
        points = inside_points(outline, cell_m)
        # what the raster of the outline is short of, each county is short of by its share
        asked = area_m2 * (points.shape[0] * cell_m**2 / area_m2.sum())
        is_fine = cell_m == radius_m * FINE_RATIO
        listed, squares = [], []
        fixed = np.zeros(area_m2.size)
        band = BAND_RATIO * float(area_m2.mean())
        for part in np.array_split(points, max(1, points.shape[0] // POINTS_AT_ONCE)):
            distance, nearest = (np.reshape(v, (-1, k)) for v in tree.query(part, k=k))
            square = distance**2
            if is_fine:
                score = square - psi[nearest]
                order = np.argsort(score, axis=1)[:, :4]
                ranked = np.take_along_axis(score, order, axis=1)
                nearest = np.take_along_axis(nearest, order, axis=1)
                square = np.take_along_axis(square, order, axis=1)
                open_ = ranked[:, 1] - ranked[:, 0] < band if k > 1 else np.zeros(len(part), bool)
                settled = nearest[~open_, 0]
                fixed += np.bincount(settled, minlength=psi.size) * cell_m**2
                nearest, square = nearest[open_], square[open_]
            listed.append(nearest.astype(np.int64))
            squares.append(square)
        number, square = np.concatenate(listed), np.concatenate(squares)
        steps = FINE_STEPS if is_fine else COARSE_STEPS
        for step in (0.5, 0.2):
            psi, _ = fit_psi(psi, asked, square, number, cell_m**2, steps // 2, step, fixed=fixed)
    return Borders(outline, psi - psi.min())


def region_borders(region: Region) -> Borders:
    """Fit the borders of a region from its label points, areas, seats and places."""
    inside = np.vstack([region.label_xy_m(), region.seat_xy_m(), region.place_xy_m()])
    return fit_borders(region.label_xy_m(), region.county_area_km2() * 1e6, inside)


def read_borders(region: Region) -> Borders:
    """Return the borders kept with a region's tables, or fit them where there are none."""
    import shapely

    from groundplan.region.tables import read_columns

    if not (region.folder / BORDERS_FILE).is_file():
        return region_borders(region)
    psi = read_columns(region.folder / BORDERS_FILE, BORDER_FIELDS)["psi_km2"] * 1e6
    line = read_columns(region.folder / OUTLINE_FILE, OUTLINE_FIELDS)
    return Borders(shapely.Polygon(np.column_stack([line["x_m"], line["y_m"]])), psi)


def write_borders(region: Region, folder: Path) -> Borders:
    """Fit a region's borders and keep them as tables in `folder`, so that grids need no fit."""
    import shapely

    borders = region_borders(region)
    rows = zip(region.counties.code, borders.psi_m2 / 1e6, strict=True)
    write_rows(folder / BORDERS_FILE, BORDER_FIELDS, [(c, f"{v:.6f}") for c, v in rows])
    line = shapely.get_coordinates(borders.outline)[:-1]
    write_rows(folder / OUTLINE_FILE, OUTLINE_FIELDS, [(f"{x:.0f}", f"{y:.0f}") for x, y in line])
    return borders


def write_rows(path: Path, fields: tuple[Field, ...], rows: list[tuple[str, str]]) -> None:
    """Write a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow([field.name for field in fields])
        out.writerows(rows)


def county_raster(
    region: Region, borders: Borders, x0_m: float, y1_m: float, n_row: int, n_col: int,
    cell_m: float,
) -> NDArray[np.int16]:  # fmt: skip
    """Return the county of each cell of a raster, -1 outside the outline."""
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    label, psi = region.label_xy_m(), borders.psi_m2
    inside = rasterize(
        [(borders.outline, 1)], out_shape=(n_row, n_col), dtype="uint8",
        transform=from_origin(x0_m, y1_m, cell_m, cell_m),
    ).astype(bool)  # fmt: skip
    k = max(1, round(1000 / cell_m))
    rows, cols = -(-n_row // k) + 2, -(-n_col // k) + 2
    # centres of blocks of k x k cells, one block of margin all around
    col_x = x0_m + cell_m * k * (np.arange(cols) - 0.5)
    row_y = y1_m - cell_m * k * (np.arange(rows) - 0.5)
    bx, by = np.meshgrid(col_x, row_y)
    coarse = power_cells(bx.ravel(), by.ravel(), label, psi).reshape(rows, cols)
    fine = np.repeat(np.repeat(coarse[1:-1, 1:-1], k, axis=0), k, axis=1)[:n_row, :n_col]
    fine = np.where(inside, fine, np.int16(-1))
    if k == 1:
        return fine
    # a block whose neighbours all lie in one (convex) power cell lies in it whole
    inner = np.ones((rows - 2, cols - 2), bool)
    for dr in (0, 1, 2):
        for dc in (0, 1, 2):
            inner &= coarse[dr : rows - 2 + dr, dc : cols - 2 + dc] == coarse[1:-1, 1:-1]
    edge = np.repeat(np.repeat(~inner, k, axis=0), k, axis=1)[:n_row, :n_col]
    row, col = np.nonzero(edge & inside)
    for part in np.array_split(np.arange(row.size), max(1, row.size // POINTS_AT_ONCE)):
        x = np.asarray(x0_m + cell_m * (col[part] + 0.5), np.float64)
        y = np.asarray(y1_m - cell_m * (row[part] + 0.5), np.float64)
        fine[row[part], col[part]] = power_cells(x, y, label, psi)
    return fine
