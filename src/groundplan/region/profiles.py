"""Terrain profiles between pairs of points, many at once: what profile models take.

Points stand at equal distances along the straight line of the metric system, both ends included.
Heights are bilinear between cell centres; clutter is that of the cell in which a point lies, since
heights of classes must not be blended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings
from groundplan.region.sampling import Block, bilinear
from groundplan.region.warp import Window

if TYPE_CHECKING:
    from groundplan.region.clutter import ClutterRaster
    from groundplan.region.terrain import TerrainRaster

__all__ = ["ProfileSet", "profile_between"]

FloatArray = NDArray[np.float64]
#: Points worked on at once: some tens of megabytes.
POINTS_AT_ONCE = 1_000_000
#: Least number of points that profile models accept.
LEAST_COUNT = 3
#: Faulty pairs told one by one.
TOLD = 20


@dataclass(frozen=True)
class ProfileSet:
    """Profiles as padded arrays.

    Attributes
    ----------
    distance_km : (n_pair, n_point) float64
        From the first end; equally spaced. Beyond `count` the last distance is repeated.
    height_m : (n_pair, n_point) float64
        Beyond `count` the last height is repeated.
    count : (n_pair,) int64
        Points of each profile, 3 or more.
    clutter_m : (n_pair, n_point) float64 or None
        Representative clutter height at each point, ends included.
    is_synthetic : bool
        As the terrain.
    """

    distance_km: FloatArray
    height_m: FloatArray
    count: NDArray[np.int64]
    clutter_m: FloatArray | None = None
    is_synthetic: bool = False


def profile_between(
    terrain: TerrainRaster, x0_m: Any, y0_m: Any, x1_m: Any, y1_m: Any, step_m: float, *,
    clutter: ClutterRaster | None = None,
) -> ProfileSet:  # fmt: skip
    """Return the profiles between pairs of points.

    Parameters
    ----------
    terrain : TerrainRaster
    x0_m, y0_m, x1_m, y1_m : float or (n_pair,) float64
        Ends, in the terrain's system; broadcast against each other.
    step_m : float
        Largest distance between points; usually the cell.
    clutter : ClutterRaster, optional
        On the same cells.

    Returns
    -------
    ProfileSet

    Raises
    ------
    DataError
        Ends beyond the terrain, or profiles over cells without a height.
    ValueError
        A step that is not positive, pairs of one point, clutter on other cells.

    Notes
    -----
    Distances are those of the metric system: in an equal-area conic over a province they differ
    from the geodesic by up to about 0.1 %.
    """
    if not step_m > 0:
        raise ValueError(f"step_m must be above 0. Got {step_m}.")
    if clutter is not None and not clutter.frame.is_like(terrain.frame):
        raise ValueError("clutter must have the cells of the terrain: read it with terrain.frame.")
    ends = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (x0_m, y0_m, x1_m, y1_m)))
    x0, y0, x1, y1 = (np.atleast_1d(v).ravel() for v in ends)
    length = np.hypot(x1 - x0, y1 - y0)
    if not (length > 0).all():
        raise ValueError(
            f"the ends of a pair must differ. Pair {int(np.argmin(length > 0))} has length 0."
        )
    count = np.maximum(np.ceil(length / step_m - 1e-9).astype(np.int64) + 1, LEAST_COUNT)
    n_point = int(count.max(initial=LEAST_COUNT))
    distance, height = np.empty((2, x0.size, n_point))
    stands = None if clutter is None else np.empty(height.shape)
    beyond, lost = np.zeros(x0.size, dtype=bool), np.zeros(x0.size, dtype=bool)
    side = max(1, POINTS_AT_ONCE // n_point)
    for first in range(0, x0.size, side):
        now = slice(first, first + side)
        share = np.minimum(np.arange(n_point) / (count[now, None] - 1), 1.0)
        distance[now] = share * length[now, None] / 1000
        x = x0[now, None] + share * (x1 - x0)[now, None]
        y = y0[now, None] + share * (y1 - y0)[now, None]
        height[now], outside = _heights(terrain, x, y)
        beyond[now] = outside.any(axis=1)
        lost[now] = np.isnan(height[now]).any(axis=1)
        if stands is not None and clutter is not None:
            stands[now] = _cells(terrain, clutter.height_m, x, y)
    if beyond.any() or lost.any():
        _tell(terrain, beyond, lost)
    return ProfileSet(distance, height, count, stands, terrain.is_synthetic)


def _heights(
    terrain: TerrainRaster, x: FloatArray, y: FloatArray
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return heights between cell centres, NaN where a cell has none, and what lies beyond."""
    n_row, n_col = terrain.height_m.shape
    row, col = (terrain.y0_m - y) / terrain.cell_m, (x - terrain.x0_m) / terrain.cell_m
    inside = (row >= 0) & (row <= n_row) & (col >= 0) & (col <= n_col)
    block = Block(
        Window(0, 0, n_row, n_col), terrain.height_m, row, col, (0, 0), is_within=bool(inside.all())
    )
    return bilinear(block), ~inside


def _cells(
    terrain: TerrainRaster, held: NDArray[Any], x: FloatArray, y: FloatArray
) -> NDArray[Any]:
    row = np.clip((terrain.y0_m - y) / terrain.cell_m, 0, held.shape[0] - 1).astype(np.int64)
    col = np.clip((x - terrain.x0_m) / terrain.cell_m, 0, held.shape[1] - 1).astype(np.int64)
    return held[row, col]


def _tell(terrain: TerrainRaster, beyond: NDArray[np.bool_], lost: NDArray[np.bool_]) -> None:
    findings = Findings("profiles")
    east = terrain.x0_m + terrain.height_m.shape[1] * terrain.cell_m
    south = terrain.y0_m - terrain.height_m.shape[0] * terrain.cell_m
    for pair in np.flatnonzero(beyond | lost)[:TOLD]:
        if beyond[pair]:
            findings.add(
                0, f"pair {pair}", "a profile that leaves the terrain",
                f"x {terrain.x0_m:.0f} to {east:.0f} m, y {south:.0f} to {terrain.y0_m:.0f} m",
                "read terrain with a margin as wide as the reach",
            )  # fmt: skip
        else:
            findings.add(
                0, f"pair {pair}", "a profile over cells without a height", "heights all the way",
                "fill the holes of the terrain with fill = 'fill'",
            )  # fmt: skip
    n = int((beyond | lost).sum())
    if n > TOLD:
        findings.add(0, "pairs", f"{n - TOLD} more pairs", "terrain under every profile")
    findings.raise_if_any()
