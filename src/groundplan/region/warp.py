"""Sum-preserving transfer of pixels to cells: the arithmetic, without files.

Each pixel is cut into ``k x k`` equal parts and each part goes whole to the cell that holds its
middle, so that what a pixel holds is neither lost nor made, whatever the shape it takes in the
grid's system. ``k`` is the least with parts no longer than an eighth of a cell, and at least 3:
the share that a cell gets of a pixel is its overlap with it but for parts cut by the cell's edge.

Positions of parts come from a lattice of exactly transformed points, refined until bilinear
interpolation between them is right to 1e-4 of a cell: one transformed point then serves hundreds
of parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundplan.region.layer import Grid

__all__ = ["Sums", "Window", "cell_lookup", "parts_per_pixel", "pixel_area_km2", "place_parts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Pixel column, row -> x, y in the grid's system.
Move = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
#: Parts are no longer than this share of a cell.
PART_RATIO = 1 / 8
PARTS_MIN = 3
#: Interpolated positions are right to this share of a cell; corners for areas are finer, since an
#: area hangs on differences of neighbouring corners.
POSITION_RATIO = 1e-4
AREA_RATIO = 1e-6
#: Parts placed at once: keeps one block in some tens of megabytes.
PARTS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Window:
    """A block of pixels: first row and column, and size."""

    row: int
    col: int
    n_row: int
    n_col: int

    def blocks(self, side: int) -> list[Window]:
        """Return blocks of at most `side` x `side` pixels that tile the window."""
        return [
            Window(
                row,
                col,
                min(side, self.row + self.n_row - row),
                min(side, self.col + self.n_col - col),
            )
            for row in range(self.row, self.row + self.n_row, side)
            for col in range(self.col, self.col + self.n_col, side)
        ]


def cell_lookup(grid: Grid) -> NDArray[np.int32]:
    """Return the cell number of each place of the full raster, -1 outside the region."""
    lookup = np.full((grid.n_row, grid.n_col), -1, dtype=np.int32)
    lookup[grid.row, grid.col] = np.arange(len(grid), dtype=np.int32)
    return lookup


def _hat(n_node: int, t: FloatArray) -> FloatArray:
    """Return the weights (n_point, n_node) of linear interpolation at ``t`` in 0..1."""
    place = np.clip(t * (n_node - 1), 0, n_node - 1)
    left = np.minimum(place.astype(np.int64), n_node - 2)
    weight = np.zeros((t.size, n_node))
    row = np.arange(t.size)
    weight[row, left] = 1 - (place - left)
    weight[row, left + 1] = place - left
    return weight


def _nodes(window: Window, n_node: int, move: Move) -> tuple[FloatArray, FloatArray]:
    """Return exact positions of ``n_node x n_node`` points spread over a window."""
    col, row = np.meshgrid(
        window.col + np.linspace(0, window.n_col, n_node),
        window.row + np.linspace(0, window.n_row, n_node),
    )
    x, y = move(col.ravel(), row.ravel())
    return np.reshape(x, col.shape), np.reshape(y, col.shape)


def place_parts(
    window: Window, row_t: FloatArray, col_t: FloatArray, move: Move, tolerance: float
) -> tuple[FloatArray, FloatArray]:
    """Return the positions of a rectangular set of points inside a window.

    Parameters
    ----------
    window : Window
    row_t, col_t : (n,), (m,) float64
        Places as shares 0..1 of the window's height and width.
    move : callable
        Pixel column and row to x and y.
    tolerance : float
        Largest error of interpolation, in the unit that `move` gives.

    Returns
    -------
    x, y : (n, m) float64
    """
    n_node = 5
    x, y = _nodes(window, n_node, move)
    while True:
        finer = 2 * n_node - 1
        if finer > max(row_t.size, col_t.size):
            # so many nodes that each point may as well be transformed itself
            col, row = np.meshgrid(
                window.col + col_t * window.n_col, window.row + row_t * window.n_row
            )
            x, y = move(col.ravel(), row.ravel())
            return np.reshape(x, col.shape), np.reshape(y, col.shape)
        x_fine, y_fine = _nodes(window, finer, move)
        middle = _hat(n_node, np.linspace(0, 1, finer))
        with np.errstate(invalid="ignore"):
            # NaN, where a projection cannot place a node, never passes for a small error
            error = max(
                float(np.abs(middle @ x @ middle.T - x_fine).max()),
                float(np.abs(middle @ y @ middle.T - y_fine).max()),
            )
        n_node, x, y = finer, x_fine, y_fine
        # halving the step divides the error of a smooth map by four
        if error / 4 <= tolerance:
            rows, cols = _hat(n_node, row_t), _hat(n_node, col_t)
            # (n, m): hat functions along rows, then along columns
            return rows @ x @ cols.T, rows @ y @ cols.T


def parts_per_pixel(window: Window, move: Move, cell_m: float) -> tuple[int, float]:
    """Return `k` for a window, and the length of its longest pixel edge in metres.

    Measured on a lattice of 9 x 9 pixels over the window, in the grid's system.
    """
    col, row = np.meshgrid(
        window.col + np.linspace(0, max(window.n_col - 1, 0), 9),
        window.row + np.linspace(0, max(window.n_row - 1, 0), 9),
    )
    x, y = move(col.ravel(), row.ravel())
    edge_m = 0.0
    for right, down in ((1.0, 0.0), (0.0, 1.0)):
        x_next, y_next = move(col.ravel() + right, row.ravel() + down)
        edge_m = max(edge_m, float(np.nanmax(np.hypot(x_next - x, y_next - y))))
    return max(PARTS_MIN, math.ceil(edge_m / (PART_RATIO * cell_m) - 1e-9)), edge_m


def pixel_area_km2(window: Window, move: Move, cell_m: float) -> FloatArray:
    """Return the true area of each pixel, by its corners in the equal-area grid's system.

    Returns
    -------
    (n_row, n_col) float64
        km2.
    """
    row_t = np.linspace(0, 1, window.n_row + 1)
    col_t = np.linspace(0, 1, window.n_col + 1)
    x, y = place_parts(window, row_t, col_t, move, AREA_RATIO * cell_m)
    # half the cross product of the diagonals
    cross = (x[1:, 1:] - x[:-1, :-1]) * (y[1:, :-1] - y[:-1, 1:]) - (x[1:, :-1] - x[:-1, 1:]) * (
        y[1:, 1:] - y[:-1, :-1]
    )
    return np.abs(cross) / 2e6


@dataclass
class Sums:
    """What cells have received so far, for one or several quantities at once.

    Attributes
    ----------
    grid : Grid
    move : Move
        Pixel column and row to x and y of the grid.
    k : int
        Parts per pixel along each side.
    n_value : int
        Quantities.
    total : (n_value, n_cell) float64
        Received by each cell.
    outside : (n_value,) float64
        What fell outside the region.
    """

    grid: Grid
    move: Move
    k: int
    n_value: int = 1
    total: FloatArray = field(init=False)
    outside: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.total = np.zeros((self.n_value, len(self.grid)))
        self.outside = np.zeros(self.n_value)
        self._lookup = cell_lookup(self.grid)

    @property
    def side(self) -> int:
        """Pixels along the side of a block that is worked on at once."""
        return max(4, math.isqrt(PARTS_AT_ONCE) // self.k)

    def _to_cells(self, col: FloatArray, row: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return where pixel places lie in the full raster, in cells from its north-west corner."""
        x, y = self.move(col, row)
        return (x - self.grid.x0_m) / self.grid.cell_m, (self.grid.y1_m - y) / self.grid.cell_m

    def parts(self, window: Window) -> tuple[IntArray, tuple[slice, slice]]:
        """Return the place of each part in a local rectangle, its last place being outside.

        Returns
        -------
        place : (k * n_row, k * n_col) int64
        rectangle : pair of slices
            Rows and columns of the full raster that the rectangle covers.
        """
        grid, k = self.grid, self.k
        row_t = (np.arange(window.n_row * k) + 0.5) / (window.n_row * k)
        col_t = (np.arange(window.n_col * k) + 0.5) / (window.n_col * k)
        col, row = place_parts(window, row_t, col_t, self._to_cells, POSITION_RATIO)
        np.floor(col, out=col)
        np.floor(row, out=row)
        first_row, last_row, first_col, last_col = row.min(), row.max(), col.min(), col.max()
        if first_row >= 0 and last_row < grid.n_row and first_col >= 0 and last_col < grid.n_col:
            rows = slice(int(first_row), int(last_row) + 1)
            cols = slice(int(first_col), int(last_col) + 1)
            row -= first_row
            row *= cols.stop - cols.start
            row += col
            row -= first_col
            return row.astype(np.int64), (rows, cols)
        # NaN and infinity, where a projection cannot place a point, compare as outside
        inside = (row >= 0) & (row < grid.n_row) & (col >= 0) & (col < grid.n_col)
        if not inside.any():
            return np.zeros(col.shape, dtype=np.int64), (slice(0, 0), slice(0, 0))
        rows = slice(int(row[inside].min()), int(row[inside].max()) + 1)
        cols = slice(int(col[inside].min()), int(col[inside].max()) + 1)
        width = cols.stop - cols.start
        size = (rows.stop - rows.start) * width
        row[~inside], col[~inside] = rows.start, cols.start
        place = np.where(inside, (row - rows.start) * width + (col - cols.start), size)
        return place.astype(np.int64), (rows, cols)

    def add(self, window: Window, values: FloatArray) -> None:
        """Share out `values` (n_value, n_row, n_col): each part of a pixel gets 1 / k^2 of it."""
        place, rectangle = self.parts(window)
        cell = self._lookup[rectangle].ravel()
        size, k = cell.size, self.k
        got = np.zeros((self.n_value, size + 1))
        for a in range(k):
            for b in range(k):
                where = place[a::k, b::k].ravel()
                for i in range(self.n_value):
                    got[i] += np.bincount(where, values[i].ravel(), minlength=size + 1)
        got /= k * k
        known = cell >= 0
        self.total[:, cell[known]] += got[:, :-1][:, known]
        self.outside += got[:, -1] + got[:, :-1][:, ~known].sum(axis=1)

    def add_classes(self, window: Window, number: IntArray, weight: FloatArray) -> None:
        """Share out `weight` (n_row, n_col) to the quantity `number` (n_row, n_col) of each pixel.

        The same as `add` with one quantity for each class, in one count for all classes.
        """
        if number.max() >= self.n_value:
            more = int(number.max()) + 1 - self.n_value
            self.total = np.vstack([self.total, np.zeros((more, len(self.grid)))])
            self.outside = np.append(self.outside, np.zeros(more))
            self.n_value += more
        place, rectangle = self.parts(window)
        cell = self._lookup[rectangle].ravel()
        size, k = cell.size + 1, self.k
        got = np.zeros(self.n_value * size)
        for a in range(k):
            for b in range(k):
                where = (number * size + place[a::k, b::k]).ravel()
                got += np.bincount(where, weight.ravel(), minlength=got.size)
        shares = got.reshape(self.n_value, size) / (k * k)
        known = cell >= 0
        self.total[:, cell[known]] += shares[:, :-1][:, known]
        self.outside += shares[:, -1] + shares[:, :-1][:, ~known].sum(axis=1)
