"""Ground heights and clutter on a metric grid, checked once and handed to every terrain model.

Row 0 is the northern edge, x grows east, y grows north. A value belongs to the centre of its cell;
between centres heights are bilinear, clutter is that of the nearest cell (its classes must not
be mixed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Terrain"]

#: What a whole-number raster writes where it has no height (SRTM and GDAL practice).
INTEGER_HOLE = -32768
#: The Dead Sea shore and the summit of Everest with room for error, m: beyond is a wrong unit.
HEIGHT_RANGE_M = (-500.0, 9000.0)
#: No tree or house is higher, m.
CLUTTER_RANGE_M = (0.0, 1000.0)


@dataclass(frozen=True, eq=False)
class Terrain:
    """Heights on a metric grid.

    Parameters
    ----------
    height_m : (n_row, n_col) float32 or int16
        Ground above sea level, m, row 0 the northern edge; other number types become float32.
    x0_m, y0_m : float
        Upper left corner of cell (0, 0) in the plan's metric coordinates.
    cell_m : float
        Side of a cell, m.
    clutter_m : (n_row, n_col) array, optional
        Representative height of what stands on the ground, m (ITU-R P.1812, 3.2).
    is_synthetic : bool
        True for generated terrain; results carry the mark on.

    Raises
    ------
    ValueError
        Wrong shape or cell; a hole (NaN, infinite, or -32768 in whole numbers) or a value that no
        ground has: the count and the first place are named. Holes are not filled here: what
        stands in them is the reader's decision, before the sweep.

    Examples
    --------
    >>> Terrain(np.zeros((4, 5), np.float32), 0.0, 400.0, 100.0).shape
    (4, 5)
    """

    height_m: NDArray[Any]
    x0_m: float
    y0_m: float
    cell_m: float
    clutter_m: NDArray[Any] | None = None
    is_synthetic: bool = False

    def __post_init__(self) -> None:
        for name in ("x0_m", "y0_m", "cell_m"):
            value = float(getattr(self, name))
            if not np.isfinite(value) or (name == "cell_m" and value <= 0):
                rule = "finite and > 0" if name == "cell_m" else "finite"
                raise ValueError(f"{name} must be {rule}; got {value}")
            object.__setattr__(self, name, value)
        height = _raster("height_m", self.height_m, HEIGHT_RANGE_M, keep=(np.int16, np.float32))
        if min(height.shape) < 2:
            raise ValueError(f"height_m must have at least 2 x 2 cells; got {height.shape}")
        object.__setattr__(self, "height_m", height)
        if self.clutter_m is not None:
            clutter = _raster("clutter_m", self.clutter_m, CLUTTER_RANGE_M, keep=None)
            if clutter.shape != height.shape:
                raise ValueError(
                    f"clutter_m must have the shape of height_m, {height.shape}; "
                    f"got {clutter.shape}"
                )
            object.__setattr__(self, "clutter_m", clutter)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n_row, n_col = self.height_m.shape
        return int(n_row), int(n_col)

    @property
    def bounds_m(self) -> tuple[float, float, float, float]:
        """West, south, east, north edges, m."""
        n_row, n_col = self.shape
        return (
            self.x0_m,
            self.y0_m - n_row * self.cell_m,
            self.x0_m + n_col * self.cell_m,
            self.y0_m,
        )

    def place(self, x_m: float, y_m: float, what: str = "mast") -> tuple[float, float]:
        """Return row and column of a point, counted from the centre of cell (0, 0).

        Raises
        ------
        ValueError
            Where the point lies outside the terrain; it names the point and the edges.
        """
        west, south, east, north = self.bounds_m
        if not (west <= x_m <= east and south <= y_m <= north):
            raise ValueError(
                f"{what} at x {x_m:g} m, y {y_m:g} m lies outside the terrain: expected x in "
                f"{west:g}..{east:g}, y in {south:g}..{north:g}; is it in another CRS?"
            )
        return (self.y0_m - y_m) / self.cell_m - 0.5, (x_m - self.x0_m) / self.cell_m - 0.5

    def ground_m(self, x_m: Any, y_m: Any) -> NDArray[np.float64]:
        """Return the height at points, bilinear between cell centres, m."""
        row = (self.y0_m - np.asarray(y_m, np.float64)) / self.cell_m - 0.5
        col = (np.asarray(x_m, np.float64) - self.x0_m) / self.cell_m - 0.5
        n_row, n_col = self.shape
        row, col = np.clip(row, 0.0, n_row - 1.0), np.clip(col, 0.0, n_col - 1.0)
        r = np.minimum(row.astype(np.int64), n_row - 2)
        c = np.minimum(col.astype(np.int64), n_col - 2)
        wr, wc = row - r, col - c
        h = self.height_m
        top = h[r, c] * (1.0 - wc) + h[r, c + 1] * wc
        low = h[r + 1, c] * (1.0 - wc) + h[r + 1, c + 1] * wc
        return np.asarray(top * (1.0 - wr) + low * wr, dtype=np.float64)


def _raster(
    name: str, value: Any, limits: tuple[float, float], keep: tuple[type, ...] | None
) -> NDArray[Any]:
    """Return a checked, contiguous 2-D array; raise with count and first place of bad cells."""
    raw = np.asarray(value)
    if raw.ndim != 2:
        raise ValueError(f"{name} must be a table of rows and columns; got shape {raw.shape}")
    if raw.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold numbers; got {raw.dtype}")
    with np.errstate(invalid="ignore"):
        hole = ~np.isfinite(raw) if raw.dtype.kind == "f" else raw == INTEGER_HOLE
        odd = ~hole & ((raw < limits[0]) | (raw > limits[1]))
    for bad, what in ((hole, "holes"), (odd, f"values outside {limits[0]:g}..{limits[1]:g} m")):
        if bad.any():
            row, col = np.unravel_index(int(np.argmax(bad)), bad.shape)
            raise ValueError(
                f"{name} has {int(bad.sum())} {what} among {raw.size} cells, the first at row "
                f"{row}, column {col}: got {raw[row, col]}; fill or cut them before the sweep"
            )
    kept = keep is not None and raw.dtype.type in keep
    return np.ascontiguousarray(raw if kept else raw.astype(np.float32))
