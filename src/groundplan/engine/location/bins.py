"""Points sorted into square bins, for searches outward from a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bins", "bin_points"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Bins:
    """Points by bin.

    Attributes
    ----------
    x, y : (n_point,) float64
        Coordinates in bin order.
    point : (n_point,) int32
        Original number of each point.
    start : (n_bin + 1,) int64
        First point of each bin, bins row by row.
    x0, y0, side : float
        Corner and side of the bins.
    n_across, n_down : int
        Number of bins.
    """

    x: FloatArray
    y: FloatArray
    point: NDArray[np.int32]
    start: NDArray[np.int64]
    x0: float
    y0: float
    side: float
    n_across: int
    n_down: int


def bin_points(xy: FloatArray, point: NDArray[np.int32], side: float) -> Bins:
    """Sort the points `point` of `xy` (n, 2) into bins; within a bin the order is kept."""
    x, y = xy[point, 0], xy[point, 1]
    x0, y0 = (float(x.min()), float(y.min())) if x.size else (0.0, 0.0)
    extent = max(float(np.ptp(x)), float(np.ptp(y))) if x.size else 0.0
    # no more than about four bins a point, however small the side asked for
    side = max(side, extent / max(16.0, 2.0 * np.sqrt(max(1, x.size))), 1e-9)
    col = ((x - x0) / side).astype(np.int64)
    row = ((y - y0) / side).astype(np.int64)
    n_across = int(col.max(initial=0)) + 1
    n_down = int(row.max(initial=0)) + 1
    number = row * n_across + col
    order = np.argsort(number, kind="stable")
    start = np.zeros(n_across * n_down + 1, np.int64)
    np.cumsum(np.bincount(number, minlength=n_across * n_down), out=start[1:])
    return Bins(x[order], y[order], point[order], start, x0, y0, side, n_across, n_down)
