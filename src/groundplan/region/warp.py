"""Sum-preserving transfer of pixels to cells: the arithmetic, without files.

A cell gets of a pixel the share of its overlap with it. A pixel becomes a parallelogram in the
grid's system; it is cut into ``rows x cols`` parts so slender that each is as good as a box along
the grid's axes, no wider than a cell, and a box is shared out among the two, three or four cells
it lies in by its exact overlap. Neighbouring boxes share their edges, so what a pixel holds is
neither lost nor made.

A box in place of a part with width w and shear s (in cells) puts at most ``s^2 / (12 w)`` of the
part into a neighbouring cell, in the mean over where the cell's edge falls: the cut is the least
that keeps this below `MISPLACED` along each axis. Pixels in degrees need one part, since the
meridians of a province lean by two degrees at most; the sheared pixels of a world map projection
need several.

Positions come from a lattice of exactly transformed points, refined until bilinear interpolation
between them is right to 1e-4 of a cell: one transformed point then serves hundreds of parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding
from groundplan.region.layer import Grid

__all__ = [
    "MISPLACED",
    "Cut",
    "Sums",
    "Window",
    "cell_lookup",
    "cut_pixels",
    "pixel_area_km2",
    "pixels_at",
    "place_parts",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Pixel column, row -> x, y in the grid's system.
Move = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
#: Share of a pixel that boxes in place of its parts may put into neighbouring cells, per axis.
MISPLACED = 1e-3
#: More parts along one side of a pixel than this are refused: the pixel is far wider than a cell,
#: or the raster is sheared beyond use.
PARTS_MAX = 512
#: Interpolated positions are right to this share of a cell; corners for areas are finer, since an
#: area hangs on differences of neighbouring corners.
POSITION_RATIO = 1e-4
AREA_RATIO = 1e-6
#: Parts placed at once: keeps one block in some tens of megabytes.
PARTS_AT_ONCE = 1_000_000
#: A share of some pixels for some cells: which pixels, which places of a rectangle, how much.
Share = tuple[IntArray, IntArray, FloatArray]


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


def pixels_at(
    transform: tuple[float, ...], u: FloatArray, v: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return pixel column and row of positions in a raster's own system."""
    a, b, c, d, e, f = transform
    u, v = u - c, v - f
    det = a * e - b * d
    return (e * u - b * v) / det, (a * v - d * u) / det


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


@dataclass(frozen=True)
class Cut:
    """How the pixels of a window are cut.

    Attributes
    ----------
    rows, cols : int
        Parts of a pixel along its column and along its row.
    is_turned : bool
        True where the raster's rows run along the grid's columns.
    edge_m : float
        Longest edge of a pixel in the grid's system.
    """

    rows: int
    cols: int
    is_turned: bool
    edge_m: float


def cut_pixels(window: Window, move: Move, cell_m: float) -> Cut:
    """Return the least cut that keeps `MISPLACED`, measured on a lattice of 9 x 9 pixels.

    Raises
    ------
    DataError
        Pixels that would need more than `PARTS_MAX` parts along a side.
    """
    col, row = np.meshgrid(
        window.col + np.linspace(0, max(window.n_col - 1, 0), 9),
        window.row + np.linspace(0, max(window.n_row - 1, 0), 9),
    )
    at = np.stack(move(col.ravel(), row.ravel()))
    along, down = (
        np.abs(np.stack(move(col.ravel() + right, row.ravel() + below)) - at) / cell_m
        for right, below in ((1.0, 0.0), (0.0, 1.0))
    )
    known = np.isfinite(along).all(axis=0) & np.isfinite(down).all(axis=0)
    if not known.any():
        return Cut(1, 1, is_turned=False, edge_m=0.0)
    along, down = along[:, known], down[:, known]
    edge_m = cell_m * float(max(np.hypot(*along).max(), np.hypot(*down).max()))
    is_turned = bool(along[0].mean() * down[1].mean() < along[1].mean() * down[0].mean())
    across = 1 if is_turned else 0
    # widths and shears of a whole pixel, in cells; parts must stay below a cell where widths vary
    width, height = along[across], down[1 - across]
    shear_of_width, shear_of_height = down[across].max(), along[1 - across].max()
    least = max(float(min(width.min(), height.min())), 1e-12)
    cols, rows = (math.ceil(1.001 * float(side.max())) for side in (width, height))
    for _ in range(20):
        # a finer cut one way narrows the parts that the shear the other way is measured against
        rows_now = shear_of_width / math.sqrt(12 * MISPLACED * least / cols)
        cols_now = shear_of_height / math.sqrt(12 * MISPLACED * least / rows)
        again = max(rows, math.ceil(rows_now)), max(cols, math.ceil(cols_now))
        if again == (rows, cols) or max(again) > PARTS_MAX:
            rows, cols = again
            break
        rows, cols = again
    if max(rows, cols) > PARTS_MAX:
        raise DataError(
            Finding(
                "raster", 0, "transform",
                f"pixels of {edge_m:,.0f} m on cells of {cell_m:g} m, {rows} x {cols} parts each",
                f"pixels of at most some {PARTS_MAX} cells, not much sheared",
                "take a finer raster or larger cells",
            )
        )  # fmt: skip
    return Cut(rows, cols, is_turned, edge_m)


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


def split(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the cells that hold the ends of spans below a cell, and the share of the first.

    Parameters
    ----------
    low, high : (n, m) float64
        Ends in either order, in cells.
    """
    low, high = np.minimum(low, high), np.maximum(low, high)
    first, last = np.floor(low), np.floor(high)
    share = np.ones(low.shape)
    is_cut = last > first
    share[is_cut] = (last[is_cut] - low[is_cut]) / (high[is_cut] - low[is_cut])
    return first, last, share


def corner_share(
    side_by_side: tuple[FloatArray, ...], stacked: tuple[FloatArray, ...], share_x: FloatArray,
    share_y: FloatArray, both: NDArray[np.bool_],
) -> FloatArray:  # fmt: skip
    """Return what parts cut both ways hold in their first cell beyond the product of shares.

    With width w, height h, shears s and t of a part and its shares f and g of the first column and
    row, that is ``(s/w g (1 - g) + t/h f (1 - f)) / 2`` to first order: a sheared part lies
    farther to one side where it is cut. Rows and columns keep their sums; no share is below 0.
    """
    width, lean = (np.diff(v, axis=1)[both] for v in side_by_side)
    shear, height = (np.diff(v, axis=0)[both] for v in stacked)
    f, g = share_x[both], share_y[both]
    # signs count from the first cell, whichever way the raster's rows and columns run
    slant = shear * np.sign(height) / np.abs(width) * g * (1 - g)
    slope = lean * np.sign(width) / np.abs(height) * f * (1 - f)
    most = np.minimum((1 - f) * g, f * (1 - g))
    least = -np.minimum(f * g, (1 - f) * (1 - g))
    corner: FloatArray = np.clip((slant + slope) / 2, least, most)
    return corner


@dataclass
class Sums:
    """What cells have received so far, for one or several quantities at once.

    Attributes
    ----------
    grid : Grid
    move : Move
        Pixel column and row to x and y of the grid.
    cut : Cut
        How pixels are cut.
    n_value : int
        Quantities.
    total : (n_value, n_cell) float64
        Received by each cell.
    outside : (n_value,) float64
        What fell outside the region.
    """

    grid: Grid
    move: Move
    cut: Cut
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
        return max(1, math.isqrt(PARTS_AT_ONCE // (self.cut.rows * self.cut.cols)))

    def _to_cells(self, col: FloatArray, row: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return where pixel places lie in the full raster, in cells from its north-west corner."""
        x, y = self.move(col, row)
        return (x - self.grid.x0_m) / self.grid.cell_m, (self.grid.y1_m - y) / self.grid.cell_m

    def edges(self, window: Window) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]:
        """Return where the sides of parts lie: those between neighbours in a row, in a column.

        Returns
        -------
        side_by_side : pair of (rows * n_row, cols * n_col + 1) float64
            Middles of the sides between neighbours in a row of parts, in cells: first the
            coordinate along which they follow each other, then the other one.
        stacked : pair of (rows * n_row + 1, cols * n_col) float64
            The same for the sides between neighbours in a column, coordinates in the same order.
        """
        n, m = window.n_row * self.cut.rows, window.n_col * self.cut.cols
        row_edge, col_edge = np.arange(n + 1) / n, np.arange(m + 1) / m
        row_middle, col_middle = (np.arange(n) + 0.5) / n, (np.arange(m) + 0.5) / m
        order = -1 if self.cut.is_turned else 1
        return (
            place_parts(window, row_middle, col_edge, self._to_cells, POSITION_RATIO)[::order],
            place_parts(window, row_edge, col_middle, self._to_cells, POSITION_RATIO)[::order],
        )

    def shares(self, window: Window) -> tuple[Iterator[Share], tuple[slice, slice]]:
        """Return the shares of a window's pixels, and the rectangle of cells they count places in.

        Returns
        -------
        shares : iterator of (pixel, place, share)
            Numbers of pixels in the window, row by row; the place of each in the rectangle, row by
            row, its last place being outside; how much of the pixel goes there. The shares of one
            pixel add up to 1.
        rectangle : pair of slices
            Rows and columns of the full raster.
        """
        side_by_side, stacked = self.edges(window)
        over = (side_by_side[0], stacked[1])[:: -1 if self.cut.is_turned else 1]
        cols, rows = (
            span(edge, limit)
            for edge, limit in zip(over, (self.grid.n_col, self.grid.n_row), strict=True)
        )
        return self._shares(side_by_side, stacked, rows, cols), (rows, cols)

    def _shares(
        self, side_by_side: tuple[FloatArray, ...], stacked: tuple[FloatArray, ...], rows: slice,
        cols: slice,
    ) -> Iterator[Share]:  # fmt: skip
        cut, width = self.cut, cols.stop - cols.start
        outside = (rows.stop - rows.start) * width
        across = split(side_by_side[0][:, :-1], side_by_side[0][:, 1:])
        down = split(stacked[1][:-1], stacked[1][1:])
        is_across, is_down = across[1] > across[0], down[1] > down[0]
        corner = np.zeros(is_across.shape)
        both = is_across & is_down
        corner[both] = corner_share(side_by_side, stacked, across[2], down[2], both)
        n, m = both.shape
        one = 1.0 / (cut.rows * cut.cols)
        pixel = (np.arange(n) // cut.rows)[:, None] * (m // cut.cols) + np.arange(m) // cut.cols
        # where a part ends in the cell it begins in, there is no second cell
        held: tuple[Any, ...] = (..., is_down, is_across, both)
        for (i, j), parts in zip(((0, 0), (0, 1), (1, 0), (1, 1)), held, strict=True):
            x, y = across[i][parts].ravel(), down[j][parts].ravel()
            share_x, share_y = across[2][parts].ravel(), down[2][parts].ravel()
            share = (1 - share_x if i else share_x) * (1 - share_y if j else share_y)
            share += corner[parts].ravel() * (1 if i == j else -1)
            col, row = (y, x) if cut.is_turned else (x, y)
            place = (row - rows.start) * width + (col - cols.start)
            # NaN, where a projection cannot place a point, compares as outside
            inside = (row >= rows.start) & (row < rows.stop)
            inside &= (col >= cols.start) & (col < cols.stop)
            if not inside.all():
                place = np.where(inside, place, outside)
            yield pixel[parts].ravel(), place.astype(np.int64), share * one

    def add(self, window: Window, values: FloatArray) -> None:
        """Share out `values` (n_value, n_row, n_col) to the cells that pixels overlap."""
        shares, rectangle = self.shares(window)
        size = self._lookup[rectangle].size + 1
        flat = values.reshape(self.n_value, -1)
        got = np.zeros((self.n_value, size))
        for pixel, place, share in shares:
            for i in range(self.n_value):
                got[i] += np.bincount(place, flat[i, pixel] * share, minlength=size)
        self._receive(rectangle, got)

    def add_classes(self, window: Window, number: IntArray, weight: FloatArray) -> None:
        """Share out `weight` (n_row, n_col) to the quantity `number` (n_row, n_col) of each pixel.

        The same as `add` with one quantity for each class, in one count for all classes.
        """
        if number.max() >= self.n_value:
            more = int(number.max()) + 1 - self.n_value
            self.total = np.vstack([self.total, np.zeros((more, len(self.grid)))])
            self.outside = np.append(self.outside, np.zeros(more))
            self.n_value += more
        shares, rectangle = self.shares(window)
        size = self._lookup[rectangle].size + 1
        kind, flat = number.ravel(), weight.ravel()
        got = np.zeros(self.n_value * size)
        for pixel, place, share in shares:
            where = kind[pixel] * size + place
            got += np.bincount(where, flat[pixel] * share, minlength=got.size)
        self._receive(rectangle, got.reshape(self.n_value, size))

    def _receive(self, rectangle: tuple[slice, slice], got: FloatArray) -> None:
        """Add what the places of a rectangle got, the last of them being outside."""
        cell = self._lookup[rectangle].ravel()
        known = cell >= 0
        self.total[:, cell[known]] += got[:, :-1][:, known]
        self.outside += got[:, -1] + got[:, :-1][:, ~known].sum(axis=1)


def span(edge: FloatArray, n: int) -> slice:
    """Return the cells 0..n that edges reach; empty where none is known."""
    known = edge[np.isfinite(edge)]
    if not known.size:
        return slice(0, 0)
    first, last = math.floor(float(known.min())), math.floor(float(known.max())) + 1
    start = min(max(first, 0), n)
    return slice(start, max(start, min(last, n)))
