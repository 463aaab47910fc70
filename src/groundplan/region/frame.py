"""The rectangle of square metric cells that terrain and clutter are put on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import CrsError, Finding, UsageError
from groundplan.region.crs import parse_crs
from groundplan.region.layer import Grid

__all__ = ["Frame", "frame_of"]

FloatArray = NDArray[np.float64]
#: Cells of terrain are at least and at most this wide, m.
CELL_M_MIN, CELL_M_MAX = 5.0, 1000.0


@dataclass(frozen=True)
class Frame:
    """Square cells, row 0 in the north.

    Attributes
    ----------
    crs : str
        Projected system in metres.
    x0_m, y0_m : float
        West and north edge: the upper left corner of the first cell.
    cell_m : float
        Side of a cell.
    n_row, n_col : int
    inside : (n_row, n_col) bool or None
        The cells that must have a value; None where all must.
    """

    crs: str
    x0_m: float
    y0_m: float
    cell_m: float
    n_row: int
    n_col: int
    inside: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n_row, self.n_col

    @property
    def transform(self) -> tuple[float, ...]:
        """Column and row to x and y, as rasters state it."""
        return (self.cell_m, 0.0, self.x0_m, 0.0, -self.cell_m, self.y0_m)

    def xy_m(self, row: NDArray[Any], col: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        """Return the positions of rows and columns of cell edges, half numbers for centres."""
        x = self.x0_m + self.cell_m * np.asarray(col, dtype=np.float64)
        y = self.y0_m - self.cell_m * np.asarray(row, dtype=np.float64)
        return x, y

    def centres(self, flat: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
        """Return the centres of cells given by their number, row by row."""
        row, col = np.divmod(flat, self.n_col)
        return self.xy_m(row + 0.5, col + 0.5)

    def is_like(self, other: Frame) -> bool:
        """Return whether both have the same cells."""
        return (self.crs, self.x0_m, self.y0_m, self.cell_m, self.shape) == (
            other.crs, other.x0_m, other.y0_m, other.cell_m, other.shape,
        )  # fmt: skip


def frame_of(
    where: Any, crs: str | None = None,
    cell_m: float | None = None, *, margin_m: float = 0.0,
) -> Frame:  # fmt: skip
    """Return the frame of cells over a grid, an extent or a boundary.

    Edges lie on whole multiples of the cell, so that frames of the same cell fit each other; a
    `Grid` with the same cell gives its own edges.

    Parameters
    ----------
    where : Grid, Frame, 4 numbers or shapely geometry
        A region's grid; west, south, east, north; or a polygon. Numbers and polygons in `crs`.
    crs : str, optional
        Projected system in metres; taken from a grid or frame.
    cell_m : float, optional
        Side of a cell; taken from a grid or frame.
    margin_m : float
        How far the frame reaches beyond. Cells of the margin may lack a value: terrain around
        the region is wanted, not required.

    Returns
    -------
    Frame

    Raises
    ------
    UsageError, CrsError
    """
    if isinstance(where, Frame):
        if crs is None and cell_m in {None, where.cell_m} and not margin_m:
            return where
        edge = where.xy_m(np.array([where.n_row, 0]), np.array([0, where.n_col]))
        box = (edge[0][0], edge[1][0], edge[0][1], edge[1][1])
        return frame_of(box, crs or where.crs, cell_m or where.cell_m, margin_m=margin_m)
    if isinstance(where, Grid):
        if crs not in {None, where.crs}:
            raise UsageError(f"a region's grid has its own system. Got crs = {crs!r} beside it.")
        return _frame_of_grid(where, cell_m or where.cell_m, margin_m)
    if crs is None or cell_m is None:
        raise UsageError("an extent needs crs (projected, in metres) and cell_m")
    system = parse_crs(crs, "crs", "crs")
    if system.is_geographic or any(axis.unit_name != "metre" for axis in system.axis_info):
        raise CrsError(
            Finding(
                "crs", 0, "crs", crs, "a projected system in metres",
                "take the region's equal-area system, or a UTM or Gauss-Kruger zone",
            )
        )  # fmt: skip
    if not CELL_M_MIN <= cell_m <= CELL_M_MAX:
        raise UsageError(f"cell_m must be {CELL_M_MIN:g} to {CELL_M_MAX:g} m. Got {cell_m:g}.")
    polygon = where if hasattr(where, "geom_type") else None
    bounds = tuple(float(v) for v in (where if polygon is None else polygon.bounds))
    is_box = len(bounds) == 4 and all(map(math.isfinite, bounds))
    if not is_box or not (bounds[0] < bounds[2] and bounds[1] < bounds[3]):
        raise UsageError(
            f"an extent must be west, south, east, north in {crs}, each pair rising. Got {bounds}."
        )
    west, south = (math.floor((v - margin_m) / cell_m) for v in bounds[:2])
    east, north = (math.ceil((v + margin_m) / cell_m) for v in bounds[2:])
    frame = Frame(crs, west * cell_m, north * cell_m, cell_m, north - south, east - west)
    if polygon is not None:
        return Frame(*_fields(frame), _inside_polygon(frame, polygon))
    if margin_m:
        inside = np.zeros(frame.shape, dtype=bool)
        k = math.ceil(margin_m / cell_m)
        inside[k : frame.n_row - k, k : frame.n_col - k] = True
        return Frame(*_fields(frame), inside)
    return frame


def _fields(frame: Frame) -> tuple[str, float, float, float, int, int]:
    return frame.crs, frame.x0_m, frame.y0_m, frame.cell_m, frame.n_row, frame.n_col


def _inside_polygon(frame: Frame, polygon: Any) -> NDArray[np.bool_]:
    """Return the cells that a polygon touches."""
    from rasterio.features import rasterize
    from rasterio.transform import Affine

    burnt = rasterize(
        [(polygon, 1)], out_shape=frame.shape, transform=Affine(*frame.transform), fill=0,
        all_touched=True, dtype=np.uint8,
    )  # fmt: skip
    inside: NDArray[np.bool_] = burnt.astype(bool)
    return inside


def _frame_of_grid(grid: Grid, cell_m: float, margin_m: float) -> Frame:
    """Return the frame over a region's grid; its cells must have values."""
    east = grid.x0_m + grid.n_col * grid.cell_m
    south = grid.y1_m - grid.n_row * grid.cell_m
    if cell_m == grid.cell_m:
        k = math.ceil(margin_m / cell_m)
        frame = Frame(
            grid.crs, grid.x0_m - k * cell_m, grid.y1_m + k * cell_m, cell_m,
            grid.n_row + 2 * k, grid.n_col + 2 * k,
        )  # fmt: skip
        inside = np.zeros(frame.shape, dtype=bool)
        inside[grid.row + k, grid.col + k] = True
        return Frame(*_fields(frame), inside)
    frame = frame_of((grid.x0_m, south, east, grid.y1_m), grid.crs, cell_m, margin_m=margin_m)
    mask = grid.raster(np.ones(len(grid), dtype=bool), outside=False)
    x, _ = frame.xy_m(np.zeros(1), np.arange(frame.n_col) + 0.5)
    _, y = frame.xy_m(np.arange(frame.n_row) + 0.5, np.zeros(1))
    col = np.floor((x - grid.x0_m) / grid.cell_m).astype(np.int64)
    row = np.floor((grid.y1_m - y) / grid.cell_m).astype(np.int64)
    known_row, known_col = (row >= 0) & (row < grid.n_row), (col >= 0) & (col < grid.n_col)
    inside = np.zeros(frame.shape, dtype=bool)
    inside[np.ix_(known_row, known_col)] = mask[np.ix_(row[known_row], col[known_col])]
    return Frame(*_fields(frame), inside)
