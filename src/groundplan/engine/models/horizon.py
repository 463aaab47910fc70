r"""The horizon of the terrain around many places: how high each direction is blocked.

From a place at height h0 the ground at distance d and height h is seen under

.. math:: \epsilon = \arctan\frac{h - h_0 - d^2 / (2 R)}{d}

with R the radius of the Earth (no refraction: rays to satellites are barely bent). The horizon of a
direction is the largest of them along it. Steps grow with distance, by `GROWTH` of it and at least
one cell, and heights between cells are bilinear, so that near hills are met closely and far ones in
few steps.

Left out: buildings and trees, refraction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread

__all__ = ["terrain_horizon"]

FloatArray = NDArray[np.float64]
EARTH_RADIUS_M = 6_371_008.8
#: Step in units of the distance reached.
GROWTH = 0.02


@jit
def _march(lo, hi, height, x0, y1, cell_m, x, y, mast_m, turn, reach_m, out):
    n_row, n_col = height.shape
    bins = out.shape[1]
    for i in range(lo, hi):
        col, row = (x[i] - x0) / cell_m - 0.5, (y1 - y[i]) / cell_m - 0.5
        c = min(max(int(np.floor(col)), 0), n_col - 2)
        r = min(max(int(np.floor(row)), 0), n_row - 2)
        u, v = min(max(col - c, 0.0), 1.0), min(max(row - r, 0.0), 1.0)
        ground = (1.0 - v) * ((1.0 - u) * height[r, c] + u * height[r, c + 1]) + v * (
            (1.0 - u) * height[r + 1, c] + u * height[r + 1, c + 1]
        )
        eye = ground + mast_m
        for k in range(bins):
            angle = turn[i] + 2.0 * np.pi * k / bins
            east, north = np.sin(angle), np.cos(angle)
            best = -1.0
            d = cell_m
            while d <= reach_m:
                a = col + d * east / cell_m
                b = row - d * north / cell_m
                # the map ends: what lies beyond is not known and taken as open
                if a < 0.0 or b < 0.0 or a > n_col - 1.0 or b > n_row - 1.0:
                    break
                c = min(int(a), n_col - 2)
                r = min(int(b), n_row - 2)
                u, v = a - c, b - r
                h = (1.0 - v) * ((1.0 - u) * height[r, c] + u * height[r, c + 1]) + v * (
                    (1.0 - u) * height[r + 1, c] + u * height[r + 1, c + 1]
                )
                slope = (h - eye - d * d / (2.0 * EARTH_RADIUS_M)) / d
                best = max(best, slope)
                d += max(cell_m, GROWTH * d)
            out[i, k] = np.degrees(np.arctan(best))


def terrain_horizon(
    height_m: NDArray[np.float32],
    x0_m: float,
    y1_m: float,
    cell_m: float,
    x_m: FloatArray,
    y_m: FloatArray,
    *,
    eye_m: float = 2.0,
    azimuths: int = 36,
    reach_m: float = 20_000.0,
    turn_deg: FloatArray | float = 0.0,
) -> NDArray[np.float32]:
    """Return the elevation of the terrain around places, degrees.

    Parameters
    ----------
    height_m : (n_row, n_col) float32
        Heights at cell centres, row 0 in the north, without holes.
    x0_m, y1_m, cell_m : float
        Western and northern edge, side of a cell.
    x_m, y_m : (n,) float64
        Places, in the same plane.
    eye_m : float
        Height of the antenna above ground.
    azimuths : int
        Directions, evenly spaced from north eastwards.
    reach_m : float
        How far to look.
    turn_deg : float or (n,) array
        Grid azimuth of true north at each place.

    Returns
    -------
    (n, azimuths) float32
        -45 or more; below 0 where the ground falls away. Beyond the edge of the map nothing blocks.

    Raises
    ------
    ValueError
        Where an argument is impossible or a place lies outside the map.
    """
    height = np.ascontiguousarray(height_m, np.float32)
    if height.ndim != 2 or min(height.shape) < 2:
        raise ValueError(f"height_m must have 2 rows and columns at least; got {height.shape}")
    if not np.isfinite(height).all():
        raise ValueError(f"height_m must have no holes; got {int((~np.isfinite(height)).sum())}")
    for name, value in (("cell_m", cell_m), ("reach_m", reach_m), ("azimuths", azimuths)):
        if not value > 0:
            raise ValueError(f"{name} must be > 0; got {value}")
    x, y = np.atleast_1d(np.asarray(x_m, np.float64)), np.atleast_1d(np.asarray(y_m, np.float64))
    inside = (x >= x0_m) & (x <= x0_m + cell_m * height.shape[1])
    inside &= (y <= y1_m) & (y >= y1_m - cell_m * height.shape[0])
    if not inside.all():
        k = int(np.flatnonzero(~inside)[0])
        raise ValueError(
            f"{int((~inside).sum())} places lie outside the terrain; the first at "
            f"({x[k]:.0f}, {y[k]:.0f})"
        )
    turn = np.broadcast_to(np.radians(np.asarray(turn_deg, np.float64)), x.shape).copy()
    out = np.empty((x.size, int(azimuths)), np.float32)
    spread(
        _march, chunks(x.size, 256), height, float(x0_m), float(y1_m), float(cell_m), x, y,
        float(eye_m), turn, float(reach_m), out,
    )  # fmt: skip
    return out
