"""One run over the pixels that cover a grid: read by bands, told from nodata, put on cells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import CrsError, DataError, Finding, Findings
from groundplan.region.crs import transformer_to
from groundplan.region.warp import (
    MISPLACED,
    Sums,
    Window,
    cell_lookup,
    cut_pixels,
    pixel_area_km2,
    pixels_at,
)

if TYPE_CHECKING:
    from groundplan.region.layer import Grid
    from groundplan.region.raster import RasterLayer
    from groundplan.region.warp import Move

__all__ = ["PixelPass", "read_window"]

FloatArray = NDArray[np.float64]
#: Rows are read in bands of about this many pixels: 64 MB of float64.
BAND_PIXELS = 8_000_000


class PixelPass:
    """One run over the window of a raster that covers a grid, with what it met on the way."""

    def __init__(self, layer: RasterLayer, grid: Grid) -> None:
        self.layer, self.grid = layer, grid
        self.findings = Findings(layer.path)
        self.sum_in = self.sum_out = self.outside = 0.0
        self.nodata_count = self.valued_count = self.bad_count = 0
        self.first_bad: tuple[int, int, float] | None = None
        self.is_summed = False
        move = transformer_to(layer.crs, grid.crs)
        a, b, c, d, e, f = layer.transform

        def place(col: FloatArray, row: FloatArray) -> tuple[FloatArray, FloatArray]:
            x, y = move(a * col + b * row + c, d * col + e * row + f)
            return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)

        self.move: Move = place
        self.window = self._window()
        self.cut = cut_pixels(self.window, self.move, grid.cell_m)

    def _pixels(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return pixel column and row of positions in the grid's system."""
        return pixels_at(self.layer.transform, *self.layer.crs.from_system(self.grid.crs, x, y))

    def _window(self) -> Window:
        """Return the pixels that cover the grid, one cell and two pixels wider; refuse if none."""
        grid, layer = self.grid, self.layer
        t = np.linspace(0.0, 1.0, 65)
        west, north = grid.x0_m - grid.cell_m, grid.y1_m + grid.cell_m
        width, height = (grid.n_col + 2) * grid.cell_m, (grid.n_row + 2) * grid.cell_m
        x = np.concatenate([west + width * t, west + width * t, 0 * t + west, 0 * t + west + width])
        y = np.concatenate(
            [0 * t + north, 0 * t + north - height, north - height * t, north - height * t]
        )
        col, row = self._pixels(x, y)
        known = np.isfinite(col) & np.isfinite(row)
        if known.any():
            first_row = max(0, math.floor(row[known].min()) - 2)
            first_col = max(0, math.floor(col[known].min()) - 2)
            n_row = min(layer.n_row, math.ceil(row[known].max()) + 2) - first_row
            n_col = min(layer.n_col, math.ceil(col[known].max()) + 2) - first_col
            if n_row > 0 and n_col > 0:
                return Window(first_row, first_col, n_row, n_col)
        corner_col = np.array([0.0, layer.n_col, 0.0, layer.n_col])
        corner_row = np.array([0.0, 0.0, layer.n_row, layer.n_row])
        a, b, c, d, e, f = layer.transform
        u, v = a * corner_col + b * corner_row + c, d * corner_col + e * corner_row + f
        raise CrsError(
            Finding(
                layer.path,
                0,
                "extent",
                f"x {u.min():g} to {u.max():g}, y {v.min():g} to {v.max():g} in {layer.crs.name}",
                "an extent that overlaps the region",
                "is this the tile of the region, and is its crs right?",
            )
        )

    def read(self) -> Iterator[tuple[Window, FloatArray, NDArray[np.bool_]]]:
        """Yield bands of rows: window, values in the declared unit, and where they are values."""
        import rasterio

        window, layer = self.window, self.layer
        height = max(1, BAND_PIXELS // window.n_col)
        with rasterio.open(layer.path) as dataset:
            for row in range(window.row, window.row + window.n_row, height):
                part = Window(
                    row, window.col, min(height, window.row + window.n_row - row), window.n_col
                )
                yield part, *self._checked(part, *read_window(dataset, layer, part))

    def _checked(
        self, part: Window, values: FloatArray, is_value: NDArray[np.bool_]
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Note nodata and what must not be among the values of a band."""
        self.nodata_count += int(is_value.size - is_value.sum())
        self.valued_count += int(is_value.sum())
        kind = self.layer.kind
        if kind in {"count", "density"}:
            bad = is_value & ~((values >= 0) & np.isfinite(values))
        elif kind == "fraction":
            bad = is_value & ~((values >= 0) & (values <= 1))
        else:
            bad = is_value & ~np.isfinite(values)
        if bad.any():
            if self.first_bad is None:
                row, col = np.unravel_index(int(np.argmax(bad)), bad.shape)
                self.first_bad = (part.row + int(row), part.col + int(col), float(values[row, col]))
            self.bad_count += int(bad.sum())
            is_value &= ~bad
        values[~is_value] = 0.0
        return values, is_value

    def check(self) -> None:
        """Raise what was found in the values."""
        layer = self.layer
        if self.valued_count == 0:
            self.findings.add(
                0,
                f"band {layer.band}",
                f"nodata in all {self.nodata_count} pixels over the region",
                f"values of {layer.quantity}",
                "is this the tile of the region? is the declared nodata right?",
            )
        if self.first_bad is not None:
            row, col, value = self.first_bad
            expected = {"fraction": "shares 0..1", "height": "finite heights in m"}.get(
                layer.kind, f"{layer.unit}, zero or more"
            )
            hint = (
                "divide percentages by 100 or declare another kind"
                if layer.kind == "fraction" and value > 1
                else f"if {value:g} stands for no value, declare nodata = {value:g}"
            )
            self.findings.add(
                0,
                f"band {layer.band}",
                f"{self.bad_count} pixels such as {value:g} at pixel row {row} column {col} "
                "(from 0)",
                expected,
                hint,
            )
        self.findings.raise_if_any()

    def sums(self) -> FloatArray:
        """Return counts per cell; densities become counts by the area of each pixel."""
        sums = Sums(self.grid, self.move, self.cut)
        parts = []
        for part, values, _ in self.read():
            for block in part.blocks(sums.side):
                held = _cut(part, block, values)
                if not held.any():
                    continue
                if self.layer.kind == "density":
                    held = held * pixel_area_km2(block, self.move, self.grid.cell_m)
                parts.append(float(held.sum()))
                sums.add(block, held[None])
        self.sum_in, self.outside = math.fsum(parts), float(sums.outside[0])
        self.check()
        total: FloatArray = sums.total[0]
        return total

    def mean(self) -> FloatArray:
        """Return the mean of the values in each cell, weighted by area; NaN without any."""
        sums = Sums(self.grid, self.move, self.cut, 2)
        parts = []
        for part, values, is_value in self.read():
            for block in part.blocks(sums.side):
                area = pixel_area_km2(block, self.move, self.grid.cell_m)
                area = area * _cut(part, block, is_value)
                held = _cut(part, block, values) * area
                parts.append(float(held.sum()))
                sums.add(block, np.stack([held, area]))
        self.sum_in, self.outside = math.fsum(parts), float(sums.outside[0])
        self.sum_out, self.is_summed = float(sums.total[0].sum()), True
        self.check()
        held, area = sums.total
        mean: FloatArray = np.divide(held, area, out=np.full(held.shape, np.nan), where=area > 0)
        return mean

    def class_shares(self) -> tuple[FloatArray, NDArray[np.int64]]:
        """Return the area in km2 of each class in each cell (n_class, n_cell), and the codes."""
        sums = Sums(self.grid, self.move, self.cut, 1)
        codes: list[int] = []
        parts = []
        for part, values, is_value in self.read():
            for block in part.blocks(sums.side):
                code = _cut(part, block, values).astype(np.int64)
                valued = _cut(part, block, is_value)
                area = pixel_area_km2(block, self.move, self.grid.cell_m) * valued
                found, number = np.unique(code, return_inverse=True)
                codes += [int(v) for v in found if int(v) not in codes and valued[code == v].any()]
                # a code that only nodata pixels hold gets number 0 with weight 0
                index = np.array([codes.index(int(v)) if int(v) in codes else 0 for v in found])
                parts.append(float(area.sum()))
                sums.add_classes(block, index[number].reshape(code.shape), area)
        self.sum_in, self.outside = math.fsum(parts), float(sums.outside.sum())
        self.sum_out, self.is_summed = float(sums.total.sum()), True
        self.check()
        known = np.asarray(codes, dtype=np.int64)
        order = np.argsort(known)
        return sums.total[order], known[order]

    def extremes(self, *, is_least: bool = False) -> FloatArray:
        """Return the largest value of the pixels that each cell overlaps, NaN without any.

        A pixel counts for a cell where more than a thousandth of one of its parts lies in it: what
        placing may put there by itself counts for nothing.

        Parameters
        ----------
        is_least : bool
            The smallest value in place of the largest.
        """
        sums, lookup = Sums(self.grid, self.move, self.cut), cell_lookup(self.grid)
        sign = -1.0 if is_least else 1.0
        worst = np.full(len(self.grid), -np.inf)
        least_share = MISPLACED / (self.cut.rows * self.cut.cols)
        for part, values, is_value in self.read():
            for block in part.blocks(sums.side):
                valued = _cut(part, block, is_value)
                if not valued.any():
                    continue
                level = np.where(valued, sign * _cut(part, block, values), -np.inf).ravel()
                shares, rectangle = sums.shares(block)
                cells = lookup[rectangle].ravel()
                got = np.full(cells.size + 1, -np.inf)
                for pixel, place, share in shares:
                    real = share > least_share
                    np.maximum.at(got, place[real], level[pixel[real]])
                known = cells >= 0
                worst[cells[known]] = np.maximum(worst[cells[known]], got[:-1][known])
        self.check()
        worst[np.isneginf(worst)] = np.nan
        return sign * worst

    def sample(self) -> FloatArray:
        """Return values at cell centres, bilinear between pixel centres; NaN beside voids."""
        window = self.window
        values = np.zeros((window.n_row, window.n_col))
        is_value = np.zeros(values.shape, dtype=bool)
        for part, got, valued in self.read():
            rows = slice(part.row - window.row, part.row - window.row + part.n_row)
            values[rows], is_value[rows] = got, valued
        self.check()
        col, row = self._pixels(self.grid.x_m, self.grid.y_m)
        col, row = col - window.col - 0.5, row - window.row - 0.5
        beyond = (col < -0.5) | (row < -0.5)
        beyond |= (col > window.n_col - 0.5) | (row > window.n_row - 0.5)
        col = np.clip(np.nan_to_num(col), 0, max(window.n_col - 1, 0))
        row = np.clip(np.nan_to_num(row), 0, max(window.n_row - 1, 0))
        left = np.minimum(col.astype(np.int64), max(window.n_col - 2, 0))
        top = np.minimum(row.astype(np.int64), max(window.n_row - 2, 0))
        out = np.zeros(len(self.grid))
        for down in (0, 1):
            for right in (0, 1):
                r = np.minimum(top + down, window.n_row - 1)
                c = np.minimum(left + right, window.n_col - 1)
                weight = np.abs(1 - down - (row - top)) * np.abs(1 - right - (col - left))
                out += np.where(is_value[r, c] | (weight == 0), values[r, c] * weight, np.nan)
        out[beyond] = np.nan
        return out

    def uncovered_count(self) -> int:
        """Return how many cells have their centre beyond the raster."""
        grid, layer = self.grid, self.layer
        t = np.linspace(0.0, 1.0, 65)
        x, y = np.meshgrid(
            grid.x0_m + t * grid.n_col * grid.cell_m, grid.y1_m - t * grid.n_row * grid.cell_m
        )
        for u, v in ((x.ravel(), y.ravel()), (grid.x_m, grid.y_m)):
            col, row = self._pixels(u, v)
            beyond = ~((col >= 0) & (row >= 0) & (col <= layer.n_col) & (row <= layer.n_row))
            if not beyond.any():
                return 0  # the whole box lies inside: no need to look at each cell
        return int(beyond.sum())


def read_window(
    dataset: Any, layer: RasterLayer, part: Window, dtype: Any = np.float64
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the values of a window in the declared unit, and where they are values.

    Parameters
    ----------
    dataset : rasterio dataset
        Open on the file of `layer`.
    layer : RasterLayer
    part : Window
        Inside the raster.
    dtype : dtype
        Of the values returned.

    Raises
    ------
    DataError
        Pixels that cannot be read.
    """
    from rasterio.errors import RasterioIOError
    from rasterio.windows import Window as FileWindow

    where = FileWindow(part.col, part.row, part.n_col, part.n_row)
    try:
        raw = dataset.read(layer.band, window=where)
        mask = dataset.read_masks(layer.band, window=where)
    except RasterioIOError as error:
        raise DataError(
            Finding(
                layer.path,
                0,
                "band " + str(layer.band),
                f"unreadable pixels in rows {part.row} to {part.row + part.n_row - 1}",
                "a whole raster",
                "the file is truncated or damaged: download or copy it again",
            )
        ) from error
    is_value = mask != 0
    for code in layer.nodata:
        # compared in the file's own type: -3.4e38 in float32 is not -3.4e38 in float64
        with np.errstate(over="ignore", invalid="ignore"):
            same = np.asarray(code).astype(raw.dtype)
        if raw.dtype.kind == "f" or float(same) == code:
            is_value &= raw != same
    values = raw.astype(dtype)
    is_value &= ~np.isnan(values)
    scale, offset = layer.scale
    if (scale, offset) != (1.0, 0.0):
        values = values * scale + offset
    return values, is_value


def _cut(part: Window, block: Window, values: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels of `block` out of the band `part`."""
    row, col = block.row - part.row, block.col - part.col
    return values[row : row + block.n_row, col : col + block.n_col]
