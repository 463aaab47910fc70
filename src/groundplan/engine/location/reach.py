"""Which rows lie within reach of which sites: kernels on points sorted into square bins.

A site reaches a row when both are of the same layer and ``dx*dx + dy*dy <= r*r`` in float64, no
tolerance, with r the site's radius or the row's own reach, whichever is smaller. Sites drive the
search, so that the work follows the number of pairs found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit

__all__ = ["Bins", "assign_nearest", "bin_points", "count_pairs", "fill_pairs", "mark_reached"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Bins:
    """Points sorted by square bin.

    Attributes
    ----------
    x, y : (n_point,) float64
        Coordinates in bin order.
    point : (n_point,) int32
        Original number of each point.
    cap : (n_point,) float64
        Square of the point's own largest reach, in bin order; empty where points have none.
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
    cap: FloatArray
    start: NDArray[np.int64]
    x0: float
    y0: float
    side: float
    n_across: int
    n_down: int


def bin_points(
    xy: FloatArray, point: NDArray[np.int32], side: float, point_reach: FloatArray | None = None
) -> Bins:
    """Sort the points `point` of `xy` (n, 2) into bins; within a bin the order is kept.

    `point_reach` (n,) is the largest distance at which each point of `xy` lets itself be reached.
    """
    x, y = xy[point, 0], xy[point, 1]
    x0, y0 = (float(x.min()), float(y.min())) if x.size else (0.0, 0.0)
    extent = max(float(np.ptp(x)), float(np.ptp(y))) if x.size else 0.0
    # no more than about four bins a point, however small the reach
    side = max(side, extent / max(16.0, 2.0 * np.sqrt(max(1, x.size))), 1e-9)
    col = ((x - x0) / side).astype(np.int64)
    row = ((y - y0) / side).astype(np.int64)
    n_across = int(col.max(initial=0)) + 1
    n_down = int(row.max(initial=0)) + 1
    number = row * n_across + col
    order = np.argsort(number, kind="stable")
    start = np.zeros(n_across * n_down + 1, np.int64)
    np.cumsum(np.bincount(number, minlength=n_across * n_down), out=start[1:])
    kept = point[order]
    cap = np.empty(0) if point_reach is None else np.square(point_reach[kept])
    return Bins(x[order], y[order], kept, cap, start, x0, y0, side, n_across, n_down)


@jit
def _window(center, radius, origin, side, n):
    """Return first and last bin within reach; the last is first - 1 where there is none.

    A millionth of a bin either side outweighs the rounding of the bins' own numbers. Both ends stay
    inside the array whatever the distance: a site beyond all points reads nothing.
    """
    lo = min(max(np.floor((center - radius - origin) / side - 1e-6), 0.0), float(n))
    hi = max(min(np.floor((center + radius - origin) / side + 1e-6), n - 1.0), lo - 1.0)
    return int(lo), int(hi)


@jit
def mark_reached(sx, sy, r, x, y, point, cap, start, x0, y0, side, across, down, reached):
    """Set ``reached[point]`` for every point within reach of any of the sites."""
    for j in range(sx.size):
        c0, c1 = _window(sx[j], r[j], x0, side, across)
        r0, r1 = _window(sy[j], r[j], y0, side, down)
        limit = r[j] * r[j]
        for row in range(r0, r1 + 1):
            # bins of a row are neighbours in memory: one run of points
            for q in range(start[row * across + c0], start[row * across + c1 + 1]):
                dx = x[q] - sx[j]
                dy = y[q] - sy[j]
                d = dx * dx + dy * dy
                if d <= limit and (cap.size == 0 or d <= cap[q]):
                    reached[point[q]] = True


@jit
def count_pairs(sx, sy, r, x, y, point, cap, start, x0, y0, side, across, down, reached, count):
    """Add to ``count[point]`` the number of sites that reach it; reached points are left out."""
    for j in range(sx.size):
        c0, c1 = _window(sx[j], r[j], x0, side, across)
        r0, r1 = _window(sy[j], r[j], y0, side, down)
        limit = r[j] * r[j]
        for row in range(r0, r1 + 1):
            for q in range(start[row * across + c0], start[row * across + c1 + 1]):
                dx = x[q] - sx[j]
                dy = y[q] - sy[j]
                d = dx * dx + dy * dy
                if d <= limit and (cap.size == 0 or d <= cap[q]) and not reached[point[q]]:
                    count[point[q]] += 1


@jit
def fill_pairs(
    sx, sy, r, number, x, y, point, cap, start, x0, y0, side, across, down, reached, at, indices
):
    """Write site numbers into the rows' lists; sites come in the order given."""
    for j in range(sx.size):
        c0, c1 = _window(sx[j], r[j], x0, side, across)
        r0, r1 = _window(sy[j], r[j], y0, side, down)
        limit = r[j] * r[j]
        for row in range(r0, r1 + 1):
            for q in range(start[row * across + c0], start[row * across + c1 + 1]):
                dx = x[q] - sx[j]
                dy = y[q] - sy[j]
                d = dx * dx + dy * dy
                if d <= limit and (cap.size == 0 or d <= cap[q]) and not reached[point[q]]:
                    i = point[q]
                    indices[at[i]] = number[j]
                    at[i] += 1


@jit
def _nearest(sx, sy, r, number, x, y, point, cap, start, x0, y0, side, across, down, best, site):
    for j in range(sx.size):
        c0, c1 = _window(sx[j], r[j], x0, side, across)
        r0, r1 = _window(sy[j], r[j], y0, side, down)
        limit = r[j] * r[j]
        for row in range(r0, r1 + 1):
            for q in range(start[row * across + c0], start[row * across + c1 + 1]):
                dx = x[q] - sx[j]
                dy = y[q] - sy[j]
                d = dx * dx + dy * dy
                # strict: of equally near sites the one with the lower number keeps the row
                if d < best[point[q]] and d <= limit and (cap.size == 0 or d <= cap[q]):
                    best[point[q]] = d
                    site[point[q]] = number[j]


def layers_of(layer: NDArray[np.int8] | None, n: int) -> list[NDArray[np.int32]]:
    """Return the members of each layer, in order."""
    if layer is None:
        return [np.arange(n, dtype=np.int32)]
    top = int(layer.max(initial=0))
    return [np.flatnonzero(layer == k).astype(np.int32) for k in range(top + 1)]


def bin_side(radius_m: FloatArray) -> float:
    """Return a bin side that suits these radii: small against most of them."""
    return float(np.median(radius_m)) / 3 if radius_m.size else 1.0


def bin_arguments(bins: Bins) -> tuple[object, ...]:
    """Return the bins as the kernels take them."""
    return (
        bins.x, bins.y, bins.point, bins.cap, bins.start,
        bins.x0, bins.y0, bins.side, bins.n_across, bins.n_down,
    )  # fmt: skip


def assign_nearest(
    demand_xy_m: FloatArray,
    demand_layer: NDArray[np.int8] | None,
    site_xy_m: FloatArray,
    site_layer: NDArray[np.int8] | None,
    radius_m: FloatArray,
    chosen: NDArray[np.bool_],
    demand_reach_m: FloatArray | None = None,
) -> NDArray[np.int32]:
    """Return the nearest chosen site of each demand row among those that reach it.

    Parameters
    ----------
    demand_xy_m : (n_row, 2) float64
    demand_layer : (n_row,) int8 or None
    site_xy_m : (n_site, 2) float64
    site_layer : (n_site,) int8 or None
    radius_m : (n_site,) float64
    chosen : (n_site,) bool
    demand_reach_m : (n_row,) float64, optional
        As given to `Coverage.from_radius`.

    Returns
    -------
    (n_row,) int32
        Site number, the lowest among equally near ones; -1 where no chosen site reaches.
    """
    n = len(demand_xy_m)
    site = np.full(n, -1, np.int32)
    best = np.full(n, np.inf)
    if (demand_layer is None) != (site_layer is None):
        raise ValueError("give layers to demand rows and to sites, or to neither")
    rows = layers_of(demand_layer, n)
    sites = layers_of(site_layer, len(site_xy_m))
    for row, member in zip(rows, sites, strict=False):
        mine = member[chosen[member]]
        if not mine.size or not row.size:
            continue
        bins = bin_points(demand_xy_m, row, bin_side(radius_m[mine]), demand_reach_m)
        x, y = np.ascontiguousarray(site_xy_m[mine].T)
        _nearest(x, y, radius_m[mine], mine, *bin_arguments(bins), best, site)
    return site
