"""Which rows lie within reach of which sites: kernels on points sorted into square bins.

A site reaches a row when both are of the same layer and ``dx*dx + dy*dy <= r*r`` in float64, no
tolerance. Sites drive the search, so that the work follows the number of pairs found, and the bins
of a line are neighbours in memory, so that a site meets one run of points in each line of bins.
Work is cut into bands of lines that share no point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread

__all__ = [
    "Bins", "PointLayer", "assign_nearest", "bin_points", "covered_by", "lines_of",
    "pair_lists", "point_layers", "site_layers",
]  # fmt: skip

FloatArray = NDArray[np.float64]
#: Points of a band: small enough for its lists to stay in the cache of a core, for the most part.
BAND_POINTS = 200_000


@dataclass(frozen=True)
class PointLayer:
    """The points of one layer: `xy[member]`, raw row number `member + offset`."""

    xy: FloatArray
    member: NDArray[np.int32]
    offset: int


@dataclass(frozen=True)
class Bins:
    """Points sorted by square bin.

    Attributes
    ----------
    x, y : (n_point,) float64
        Coordinates in bin order.
    point : (n_point,) int32
        Raw row number of each point.
    start : (n_bin + 1,) int64
        First point of each bin, bins line by line from the south.
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

    def bands(self) -> list[tuple[int, int]]:
        """Return ranges of lines with about `BAND_POINTS` points each."""
        line = self.start[:: self.n_across]
        count = max(1, int(self.start[-1]) // BAND_POINTS)
        edge = np.searchsorted(line, np.linspace(0, int(self.start[-1]), count + 1)[1:-1])
        cut = np.unique([0, *edge.tolist(), self.n_down])
        return [(int(a), int(b)) for a, b in zip(cut[:-1], cut[1:], strict=True)]


@jit
def _bin_numbers(lo, hi, xy, member, x0, y0, side, across, number):
    for k in range(lo, hi):
        i = member[k]
        col = int((xy[i, 0] - x0) / side)
        row = int((xy[i, 1] - y0) / side)
        number[k] = row * across + col


@jit
def _place(xy, member, offset, number, at, x, y, point):
    for k in range(member.size):
        q = at[number[k]]
        at[number[k]] = q + 1
        i = member[k]
        x[q] = xy[i, 0]
        y[q] = xy[i, 1]
        point[q] = i + offset


def bin_points(layer: PointLayer, side: float) -> Bins:
    """Sort the points of a layer into bins; within a bin the order of rows is kept."""
    xy, member = layer.xy, layer.member
    n = member.size
    low = np.array([xy[member, axis].min() for axis in (0, 1)])
    extent = np.array([xy[member, axis].max() for axis in (0, 1)]) - low
    # no more than about four bins a point, however small the reach
    side = max(side, float(extent.max()) / max(16.0, 2.0 * np.sqrt(n)), 1e-9)
    across, down = (int(e / side) + 1 for e in extent)
    number = np.empty(n, np.int32)
    spread(_bin_numbers, chunks(n, 16), xy, member, low[0], low[1], side, across, number)
    start = np.zeros(across * down + 1, np.int64)
    np.cumsum(np.bincount(number, minlength=across * down), out=start[1:])
    x, y, point = np.empty(n), np.empty(n), np.empty(n, np.int32)
    _place(xy, member, layer.offset, number, start[:-1].copy(), x, y, point)
    return Bins(x, y, point, start, float(low[0]), float(low[1]), side, across, down)


def bin_side(radius_m: FloatArray) -> float:
    """Return a bin side that suits these radii: small against most of them."""
    return float(np.median(radius_m)) / 4 if radius_m.size else 1.0


def lines_of(center: FloatArray, radius: FloatArray, origin: float, side: float, n: int):
    """Return first and last line of bins within reach, one more either side against rounding."""
    low = np.floor((center - radius - origin) / side).astype(np.int64) - 1
    high = np.floor((center + radius - origin) / side).astype(np.int64) + 1
    return np.maximum(low, 0).astype(np.int32), np.minimum(high, n - 1).astype(np.int32)


@jit
def _run(cx, r, x0, side, across, line, start):
    """Return the points of one line of bins that may lie within reach, as a range."""
    lo = max(int(np.floor((cx - r - x0) / side)) - 1, 0)
    hi = min(int(np.floor((cx + r - x0) / side)) + 1, across - 1)
    if lo > hi:
        return 0, 0
    return start[line * across + lo], start[line * across + hi + 1]


@jit
def _mark(sx, sy, r, low, high, first, last, x, y, start, x0, side, across, base, reached):
    for j in range(sx.size):
        limit = r[j] * r[j]
        for line in range(max(low[j], first), min(high[j], last - 1) + 1):
            a, b = _run(sx[j], r[j], x0, side, across, line, start)
            for q in range(a, b):
                dx = x[q] - sx[j]
                dy = y[q] - sy[j]
                if dx * dx + dy * dy <= limit:
                    reached[q - base] = True


@jit
def _pairs(
    sx, sy, r, low, high, first, last, x, y, start, x0, side, across, base, reached,
    number, at, indices,
):  # fmt: skip
    """Count pairs into `at` where `indices` is empty, else write them; served rows have none."""
    counting = indices.size == 0
    for j in range(sx.size):
        limit = r[j] * r[j]
        for line in range(max(low[j], first), min(high[j], last - 1) + 1):
            a, b = _run(sx[j], r[j], x0, side, across, line, start)
            for q in range(a, b):
                dx = x[q] - sx[j]
                dy = y[q] - sy[j]
                if dx * dx + dy * dy <= limit and not reached[q - base]:
                    if not counting:
                        indices[at[q - base]] = number[j]
                    at[q - base] += 1


@dataclass(frozen=True)
class Reach:
    """Sites of one layer with the lines of bins they reach."""

    x: FloatArray
    y: FloatArray
    radius_m: FloatArray
    low: NDArray[np.int32]
    high: NDArray[np.int32]
    number: NDArray[np.int32]

    @classmethod
    def of(
        cls, bins: Bins, xy: FloatArray, radius_m: FloatArray, number: NDArray[np.int32]
    ) -> Reach:
        """Return the sites `number`, ascending, as the bands look for them."""
        y, radius = np.ascontiguousarray(xy[number, 1]), radius_m[number]
        low, high = lines_of(y, radius, bins.y0, bins.side, bins.n_down)
        return cls(np.ascontiguousarray(xy[number, 0]), y, radius, low, high, number)

    def within(self, first: int, last: int) -> Reach:
        """Return the sites that may reach the lines ``first .. last - 1``."""
        mine = (self.low < last) & (self.high >= first)
        names = ("x", "y", "radius_m", "low", "high", "number")
        return Reach(*(getattr(self, name)[mine] for name in names))


def pair_lists(
    bins: Bins, existing: Reach, candidate: Reach, first: int, last: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int32]]:
    """Return for the points of a band whether an existing site reaches them, and their lists.

    Returns
    -------
    (reached, indptr, indices)
        `reached` (n,) bool; lists of candidate sites, ascending, empty where reached.
    """
    base = int(bins.start[first * bins.n_across])
    n = int(bins.start[last * bins.n_across]) - base
    where = (first, last, bins.x, bins.y, bins.start, bins.x0, bins.side, bins.n_across, base)
    reached = np.zeros(n, np.bool_)
    old, new = existing.within(first, last), candidate.within(first, last)
    _mark(old.x, old.y, old.radius_m, old.low, old.high, *where, reached)
    count = np.zeros(n, np.int64)
    sites = (new.x, new.y, new.radius_m, new.low, new.high)
    _pairs(*sites, *where, reached, new.number, count, np.empty(0, np.int32))
    indptr = np.zeros(n + 1, np.int64)
    np.cumsum(count, out=indptr[1:])
    indices = np.empty(int(indptr[-1]), np.int32)
    if indices.size:
        _pairs(*sites, *where, reached, new.number, indptr[:-1].copy(), indices)
    return reached, indptr, indices


@jit
def _nearest(
    sx, sy, r, low, high, first, last, x, y, start, x0, side, across, base, number, best, site
):
    for j in range(sx.size):
        limit = r[j] * r[j]
        for line in range(max(low[j], first), min(high[j], last - 1) + 1):
            a, b = _run(sx[j], r[j], x0, side, across, line, start)
            for q in range(a, b):
                dx = x[q] - sx[j]
                dy = y[q] - sy[j]
                d = dx * dx + dy * dy
                # strict: of equally near sites the one with the lower number keeps the row
                if d <= limit and d < best[q - base]:
                    best[q - base] = d
                    site[q - base] = number[j]


def point_layers(
    demand_xy_m: FloatArray | Sequence[FloatArray], layer: NDArray[np.int8] | None
) -> list[PointLayer]:
    """Return the points of each layer; a list of arrays is one layer each, in raw-row order."""
    if not isinstance(demand_xy_m, np.ndarray):
        out, offset = [], 0
        for points in demand_xy_m:
            xy = np.ascontiguousarray(points, dtype=np.float64)
            out.append(PointLayer(xy, np.arange(len(xy), dtype=np.int32), offset))
            offset += len(xy)
        return out
    xy = np.ascontiguousarray(demand_xy_m, dtype=np.float64)
    return [PointLayer(xy, member, 0) for member in site_layers(layer, len(xy))]


def site_layers(layer: NDArray[np.int8] | None, n: int) -> list[NDArray[np.int32]]:
    """Return the members of each layer, in order."""
    if layer is None:
        return [np.arange(n, dtype=np.int32)]
    if np.shape(layer) != (n,):
        raise ValueError(f"layers must have shape ({n},). Got {np.shape(layer)}")
    if n and (layer.min() < 0 or layer.max() > 126):
        raise ValueError("layers must be numbered 0..126")
    top = int(layer.max(initial=0))
    return [np.flatnonzero(layer == k).astype(np.int32) for k in range(top + 1)]


def pair_up(
    demand_xy_m: FloatArray | Sequence[FloatArray],
    demand_layer: NDArray[np.int8] | None,
    site_layer: NDArray[np.int8] | None,
    n_site: int,
) -> list[tuple[PointLayer, NDArray[np.int32]]]:
    """Return points and sites of every layer that has points."""
    listed = not isinstance(demand_xy_m, np.ndarray)
    if listed and demand_layer is not None:
        raise ValueError("demand_layer must be left out where demand_xy_m is a list of layers")
    if (listed or demand_layer is not None) != (site_layer is not None):
        raise ValueError("give layers to demand rows and to sites, or to neither")
    points = point_layers(demand_xy_m, demand_layer)
    sites = site_layers(site_layer, n_site)
    none = np.empty(0, np.int32)
    sites += [none] * (len(points) - len(sites))
    return [(p, s) for p, s in zip(points, sites, strict=False) if p.member.size]


def assign_nearest(
    demand_xy_m: FloatArray | Sequence[FloatArray],
    demand_layer: NDArray[np.int8] | None,
    site_xy_m: FloatArray,
    site_layer: NDArray[np.int8] | None,
    radius_m: FloatArray,
    chosen: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Return the nearest chosen site of each demand row among those that reach it.

    Parameters
    ----------
    demand_xy_m : (n_row, 2) float64, or one such array per layer
    demand_layer : (n_row,) int8 or None
    site_xy_m : (n_site, 2) float64
    site_layer : (n_site,) int8 or None
    radius_m : (n_site,) float64
    chosen : (n_site,) bool

    Returns
    -------
    (n_row,) int32
        Site number, the lowest among equally near ones; -1 where no chosen site reaches.
    """
    xy = np.ascontiguousarray(site_xy_m, dtype=np.float64)
    radius = np.ascontiguousarray(radius_m, dtype=np.float64)
    work = pair_up(demand_xy_m, demand_layer, site_layer, len(xy))
    out = np.full(sum(p.member.size for p, _s in work), -1, np.int32)
    for points, member in work:
        mine = member[np.asarray(chosen, bool)[member]]
        bins = bin_points(points, bin_side(radius[mine]))
        reach = Reach.of(bins, xy, radius, mine)

        def band(first: int, last: int, bins: Bins = bins, reach: Reach = reach) -> None:
            base = int(bins.start[first * bins.n_across])
            point = bins.point[base : int(bins.start[last * bins.n_across])]
            best, site = np.full(point.size, np.inf), np.full(point.size, -1, np.int32)
            s = reach.within(first, last)
            _nearest(
                s.x, s.y, s.radius_m, s.low, s.high, first, last, bins.x, bins.y, bins.start,
                bins.x0, bins.side, bins.n_across, base, s.number, best, site,
            )  # fmt: skip
            out[point] = site

        spread(band, bins.bands())
    return out


def covered_by(
    demand_xy_m: FloatArray | Sequence[FloatArray],
    demand_layer: NDArray[np.int8] | None,
    site_xy_m: FloatArray,
    site_layer: NDArray[np.int8] | None,
    radius_m: FloatArray,
    chosen: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which demand rows a chosen site reaches; parameters as of `assign_nearest`."""
    return np.asarray(
        assign_nearest(demand_xy_m, demand_layer, site_xy_m, site_layer, radius_m, chosen) >= 0
    )
