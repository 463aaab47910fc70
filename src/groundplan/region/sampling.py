"""A mosaic on a frame, block by block: where each cell lies among the pixels, what is there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import CrsError, DataError, Finding
from groundplan.region.crs import suspect_system
from groundplan.region.warp import Window, pixels_at, place_parts

if TYPE_CHECKING:
    from groundplan.region.frame import Frame
    from groundplan.region.mosaic import Mosaic
    from groundplan.region.warp import Move

__all__ = ["Block", "bilinear", "check_overlap", "nearest", "pixels_per_cell", "walk"]

FloatArray = NDArray[np.float64]
#: Positions are right to this share of a pixel: 3 mm of height on 30 m pixels at 45 degrees.
POSITION_PIXELS = 1e-4
#: Stands for "no height" where heights are whole metres in 16 bits.
VOID = -32768
#: Exactly placed points along a side of a block, through which a polynomial runs.
NODES = 9
#: Most points placed at once, and most pixels read at once.
POINTS_AT_ONCE, PIXELS_AT_ONCE = 1_000_000, 4_000_000


@dataclass(frozen=True)
class Block:
    """Some cells of a frame with the pixels under them.

    Attributes
    ----------
    cells : Window
        Of the frame.
    values : (n, m) float32 or int16
        Pixels read, NaN where there is none.
    row, col : (n_row * parts, n_col * parts) float64
        Where the points of the cells lie in `values`: 0.5 is the centre of the first pixel.
    origin : pair of int
        Row and column of the first pixel read, in the mosaic.
    is_within : bool
        True where every point lies on the pixels read.
    """

    cells: Window
    values: NDArray[Any]
    row: FloatArray
    col: FloatArray
    origin: tuple[int, int]
    is_within: bool = False

    @property
    def slices(self) -> tuple[slice, slice]:
        """The cells' rows and columns in the frame."""
        c = self.cells
        return slice(c.row, c.row + c.n_row), slice(c.col, c.col + c.n_col)


def _move(mosaic: Mosaic, frame: Frame) -> Any:
    def move(col: FloatArray, row: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Cells' column and row to pixels' column and row."""
        x, y = frame.xy_m(row, col)
        return pixels_at(mosaic.transform, *mosaic.crs.from_system(frame.crs, x, y))

    return move


def _lattice(frame: Frame) -> tuple[FloatArray, FloatArray]:
    """Return columns and rows of 33 x 33 points spread over a frame's needed cells."""
    top, bottom, left, right = 0, frame.n_row, 0, frame.n_col
    if frame.inside is not None and frame.inside.any():
        rows, cols = np.flatnonzero(frame.inside.any(axis=1)), np.flatnonzero(frame.inside.any(0))
        top, bottom, left, right = rows[0], rows[-1] + 1, cols[0], cols[-1] + 1
    col, row = np.meshgrid(np.linspace(left, right, 33), np.linspace(top, bottom, 33))
    return col.ravel(), row.ravel()


def pixels_per_cell(mosaic: Mosaic, frame: Frame) -> float:
    """Return the largest number of pixels along a side of a cell."""
    move, (col, row) = _move(mosaic, frame), _lattice(frame)
    at = np.stack(move(col, row))
    steps = [np.stack(move(col + 1, row)) - at, np.stack(move(col, row + 1)) - at]
    known = np.isfinite(steps[0]).all(axis=0) & np.isfinite(steps[1]).all(axis=0)
    return float(max(np.abs(s[:, known]).max(initial=0.0) for s in steps))


def check_overlap(mosaic: Mosaic, frame: Frame) -> None:
    """Refuse a raster that lies elsewhere, saying what may be wrong with it.

    Raises
    ------
    CrsError
    """
    frame_col, frame_row = _lattice(frame)
    x, y = frame.xy_m(frame_row, frame_col)
    u, v = mosaic.crs.from_system(frame.crs, x, y)

    def overlaps(u: FloatArray, v: FloatArray) -> bool:
        col, row = pixels_at(mosaic.transform, u, v)
        known = np.isfinite(col) & np.isfinite(row)
        return bool(
            known.any()
            and col[known].max() > 0 and col[known].min() < mosaic.n_col
            and row[known].max() > 0 and row[known].min() < mosaic.n_row
        )  # fmt: skip

    if overlaps(u, v):
        return
    a, b, c, d, e, f = mosaic.transform
    corner_col = np.array([0.0, mosaic.n_col, 0.0, mosaic.n_col])
    corner_row = np.array([0.0, 0.0, mosaic.n_row, mosaic.n_row])
    p, q = a * corner_col + b * corner_row + c, d * corner_col + e * corner_row + f
    hint = "is this the tile of the region, and is its crs right?"
    if overlaps(v, u):
        hint = "its axes are exchanged: write it again with x (east) before y (north)"
    elif mosaic.crs.is_geographic != bool(np.abs(p).max() <= 360 and np.abs(q).max() <= 90):
        hint = suspect_system(p, q)
    known = np.isfinite(u) & np.isfinite(v)
    want = (
        f"x {u[known].min():.6g} to {u[known].max():.6g}, y {v[known].min():.6g} to "
        f"{v[known].max():.6g}, over the region" if known.any() else "an extent over the region"
    )  # fmt: skip
    raise CrsError(
        Finding(
            mosaic.path, 0, "extent",
            f"x {p.min():.6g} to {p.max():.6g}, y {q.min():.6g} to {q.max():.6g} "
            f"in {mosaic.crs.name}",
            want, hint,
        )
    )  # fmt: skip


def walk(mosaic: Mosaic, frame: Frame, parts: int = 1) -> Iterator[Block]:
    """Yield the blocks of a frame, row by row, with `parts` x `parts` points in each cell."""
    import rasterio

    move = _move(mosaic, frame)
    step = pixels_per_cell(mosaic, frame)
    side = math.isqrt(POINTS_AT_ONCE) // parts
    side = max(1, min(side, int(math.isqrt(PIXELS_AT_ONCE) / (1.5 * max(step, 1e-3)))))
    if 1.5 * step > math.isqrt(PIXELS_AT_ONCE):
        raise DataError(
            Finding(
                mosaic.path, 0, "pixels", f"{step:,.0f} pixels along a cell",
                "at most some hundreds", "take a coarser raster or smaller cells",
            )
        )  # fmt: skip
    # blocks of a row of blocks read the same strips of a file: keep them, and no more
    with rasterio.Env(GDAL_CACHEMAX=128):
        for cells in Window(0, 0, frame.n_row, frame.n_col).blocks(side):
            n, m = cells.n_row * parts, cells.n_col * parts
            col, row = place_points(cells, (np.arange(n) + 0.5) / n, (np.arange(m) + 0.5) / m, move)
            spans = _reach(row, mosaic.n_row), _reach(col, mosaic.n_col)
            (top, bottom, fits_row), (left, right, fits_col) = spans
            window = Window(top, left, bottom - top, right - left)
            row -= top
            col -= left
            yield Block(
                cells, mosaic.read(window), row, col, (top, left), is_within=fits_row and fits_col
            )


def place_points(
    window: Window, row_t: FloatArray, col_t: FloatArray, move: Move
) -> tuple[FloatArray, FloatArray]:
    """Return the positions of a rectangular set of points: as `place_parts`, by a polynomial.

    A map projection is so smooth that a polynomial through 9 x 9 exact points is right to far
    below `POSITION_PIXELS` over a block; where it is not, as under a Chinese datum, `place_parts`
    refines its lattice.
    """
    from numpy.polynomial.chebyshev import chebvander

    node = (1 - np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)) / 2
    inverse = np.linalg.inv(chebvander(2 * node - 1, NODES - 1))

    def exact(row_t: FloatArray, col_t: FloatArray) -> FloatArray:
        col, row = np.meshgrid(window.col + col_t * window.n_col, window.row + row_t * window.n_row)
        return np.stack([np.reshape(v, col.shape) for v in move(col.ravel(), row.ravel())])

    through = exact(node, node)

    def smooth(row_t: FloatArray, col_t: FloatArray) -> FloatArray:
        rows, cols = (chebvander(2 * t - 1, NODES - 1) @ inverse for t in (row_t, col_t))
        # not by matrix products: these wake all threads for a few milliseconds of work
        part = np.einsum("ikl,ml->ikm", through, cols)
        out = np.empty((2, rows.shape[0], cols.shape[0]))
        for one, place in zip(part, out, strict=True):
            np.einsum("nk,km->nm", rows, one, out=place)
        return out

    probe = np.linspace(0, 1, 7)
    with np.errstate(invalid="ignore"):
        # NaN, where a projection cannot place a point, never passes for a small error
        if np.abs(smooth(probe, probe) - exact(probe, probe)).max() <= POSITION_PIXELS / 4:
            x, y = smooth(row_t, col_t)
            return x, y
    return place_parts(window, row_t, col_t, move, POSITION_PIXELS)


def _reach(at: FloatArray, n: int) -> tuple[int, int, bool]:
    """Return the pixels 0..n that points reach, one wider, and whether all points lie on them."""
    low, high = float(at.min()), float(at.max())
    if math.isnan(low):
        known = at[np.isfinite(at)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
        is_within = False
    else:
        is_within = low >= 0 and high <= n
    first = int(min(max(math.floor(low) - 1, 0), n - 1))
    last = int(min(max(math.floor(high) + 2, first + 1), n))
    return first, last, is_within


def _beyond(block: Block) -> NDArray[np.bool_] | None:
    """Return the points outside the pixels read, which end where the mosaic does; None if none."""
    if block.is_within:
        return None
    n, m = block.values.shape
    inside = (block.row >= 0) & (block.row <= n) & (block.col >= 0) & (block.col <= m)
    # NaN, where a projection cannot place a point, is outside
    return None if inside.all() else np.asarray(~inside)


def nearest(block: Block, values: NDArray[Any], outside: Any) -> NDArray[Any]:
    """Return the value of the pixel in which each point lies, `outside` beyond.

    Parameters
    ----------
    block : Block
    values : (n, m) array
        In place of the block's own.
    outside : number
    """
    n, m = values.shape
    beyond = _beyond(block)
    row, col = block.row, block.col
    if beyond is not None:
        row, col = np.where(beyond, 0, row), np.where(beyond, 0, col)
    place = np.minimum(row.astype(np.int32), n - 1)
    place *= m
    place += np.minimum(col.astype(np.int32), m - 1)
    out: NDArray[Any] = values.ravel()[place]
    if beyond is not None:
        out[beyond] = outside
    return out


def bilinear(block: Block) -> NDArray[np.float32]:
    """Return values between pixel centres; NaN beyond, and where a pixel with weight has none.

    Within half a pixel of the raster's edge the outermost pixels hold. Whole numbers of 16 bits
    are heights in metres, -32768 none.
    """
    n, m = block.values.shape
    beyond = _beyond(block)
    row, col = block.row, block.col
    if beyond is not None:
        row, col = np.where(beyond, 0, row), np.where(beyond, 0, col)
    row, col = np.clip(row - 0.5, 0, n - 1), np.clip(col - 0.5, 0, m - 1)
    whole = np.int32 if block.values.size < 2**31 else np.int64
    top = np.minimum(row.astype(whole), max(n - 2, 0))
    left = np.minimum(col.astype(whole), max(m - 2, 0))
    down, right = (row - top).astype(np.float32), (col - left).astype(np.float32)
    flat = block.values.ravel()
    at = top * whole(m) + left
    below, beside = (m if n > 1 else 0), (1 if m > 1 else 0)

    def take(place: NDArray[Any]) -> NDArray[np.float32]:
        got = flat[place]
        if got.dtype == np.float32:
            return np.asarray(got)
        out: NDArray[np.float32] = got.astype(np.float32)
        out[got == VOID] = np.nan
        return out

    upper, lower = take(at), take(at + below)
    upper += right * (take(at + beside) - upper)
    lower += right * (take(at + (below + beside)) - lower)
    out = upper + down * (lower - upper)
    lost = np.isnan(out)
    if beyond is not None:
        lost &= ~beyond
    if lost.any():  # a void takes nothing from a point that gives it no weight
        y, x, base = down[lost], right[lost], at[lost]
        again = np.zeros(y.shape, dtype=np.float32)
        for step, weight in (
            (0, (1 - y) * (1 - x)), (beside, (1 - y) * x), (below, y * (1 - x)),
            (below + beside, y * x),
        ):  # fmt: skip
            again += np.where(weight == 0, 0, take(base + step) * weight)
        out[lost] = again
    if beyond is not None:
        out[beyond] = np.nan
    return np.asarray(out, dtype=np.float32)
