"""Near lists: for each demand row the sites worth looking at, cheapest first.

A site that costs row i more than the row's reach is left out. Every bound stays valid as long as
the row's price does not exceed its reach; a row's reach is at most what an existing site costs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.bins import Bins, bin_points

__all__ = ["Near", "fastest_cost", "near_sites", "restrict_near", "transpose_near", "typical_reach"]

FloatArray = NDArray[np.float64]
#: Entries of a matrix handled at once.
BLOCK = 4_000_000
#: Parts that the rows are listed in, and those between two looks at the clock.
CHUNKS, CHUNKS_A_LOOK = 64, 4


@dataclass(frozen=True)
class Near:
    """Sites of each row, cheapest first; equal costs in the order of the sites.

    Attributes
    ----------
    indptr : (n_row + 1,) int64
    site : (n_entry,) int32
    cost : (n_entry,) float64
        Per unit of demand.
    reach : (n_row,) float64
        Every candidate that costs the row less than this is in its list.
    weight : (n_row,) float64
    n_site : int
    """

    indptr: NDArray[np.int64]
    site: NDArray[np.int32]
    cost: FloatArray
    reach: FloatArray
    weight: FloatArray
    n_site: int

    @property
    def n_row(self) -> int:
        """Number of rows."""
        return int(self.weight.size)


@jit
def _sort_by_cost(cost, site, lo, hi):
    """Sort a run by (cost, site): Shell's method with the gaps of Ciura."""
    n = hi - lo
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        if gap >= n:
            continue
        for a in range(lo + gap, hi):
            c = cost[a]
            s = site[a]
            b = a
            while b - gap >= lo and (
                cost[b - gap] > c or (cost[b - gap] == c and site[b - gap] > s)
            ):
                cost[b] = cost[b - gap]
                site[b] = site[b - gap]
                b -= gap
            cost[b] = c
            site[b] = s


@jit
def _distance(ax, ay, bx, by, truncated):
    dx = ax - bx
    dy = ay - by
    d = np.sqrt(dx * dx + dy * dy)
    return np.floor(d) if truncated else d


@jit
def _near_of_points(lo, hi, row_xy, reach, x, y, point, start, frame, n_across, n_down, truncated,
                    indptr, site, cost):  # fmt: skip
    """Count the near sites of rows lo..hi-1 (site empty) or fill and sort their lists."""
    x0, y0, side = frame[0], frame[1], frame[2]
    counting = site.size == 0
    for i in range(lo, hi):
        px, py = row_xy[i, 0], row_xy[i, 1]
        r = reach[i] + 1.0 if truncated else reach[i]
        c0 = max(0, int(np.floor((px - r - x0) / side)))
        c1 = min(n_across - 1, int(np.floor((px + r - x0) / side)))
        r0 = max(0, int(np.floor((py - r - y0) / side)))
        r1 = min(n_down - 1, int(np.floor((py + r - y0) / side)))
        at = 0 if counting else indptr[i]
        first = at
        for b in range(r0, r1 + 1):
            if c1 < c0:
                break
            for q in range(start[b * n_across + c0], start[b * n_across + c1 + 1]):
                d = _distance(px, py, x[q], y[q], truncated)
                if d < reach[i]:
                    if not counting:
                        site[at] = point[q]
                        cost[at] = d
                    at += 1
        if counting:
            indptr[i + 1] = at
        else:
            _sort_by_cost(cost, site, first, at)


@jit
def _near_of_block(lo, hi, row0, table, number, reach, indptr, site, cost):
    """Count or fill the lists of rows lo..hi-1 from a block of the matrix that begins at row0."""
    counting = site.size == 0
    for i in range(lo, hi):
        at = 0 if counting else indptr[row0 + i]
        first = at
        for j in range(number.size):
            d = table[i, j]
            if d < reach[row0 + i]:
                if not counting:
                    site[at] = number[j]
                    cost[at] = d
                at += 1
        if counting:
            indptr[row0 + i + 1] = at
        else:
            _sort_by_cost(cost, site, first, at)


def near_sites(
    costs: AssignmentCost,
    candidate: NDArray[np.bool_],
    reach: FloatArray,
    halt: Callable[[], bool] | None = None,
) -> Near:
    """Return the candidates that cost each row less than its reach.

    Raises
    ------
    TimeoutError
        Where `halt`, polled between batches of rows, says so.
    """
    number = np.flatnonzero(candidate).astype(np.int32)
    n = costs.n_row
    indptr = np.zeros(n + 1, np.int64)
    nothing = (np.empty(0, np.int32), np.empty(0))
    bins = None
    if costs.matrix is None and costs.site_xy is not None and number.size:
        typical = float(np.median(reach)) if n else 1.0
        bins = bin_points(costs.site_xy, number, max(typical / 4, 1e-9))
    _visit(costs, bins, number, reach, indptr, *nothing, halt)
    np.cumsum(indptr, out=indptr)
    site, cost = np.empty(indptr[-1], np.int32), np.empty(indptr[-1])
    if site.size:
        _visit(costs, bins, number, reach, indptr, site, cost, halt)
    return Near(indptr, site, cost, reach, costs.weight.astype(np.float64), costs.n_site)


@jit
def _reach_in_bins(lo, hi, row_xy, start, frame, n_across, n_down, count, out):
    """Grow a square of bins around each row until it holds `count` points."""
    x0, y0, side = frame[0], frame[1], frame[2]
    for i in range(lo, hi):
        c = int(np.floor((row_xy[i, 0] - x0) / side))
        r = int(np.floor((row_xy[i, 1] - y0) / side))
        ring = 0
        while True:
            c0, c1 = max(0, c - ring), min(n_across - 1, c + ring)
            held = 0
            if c1 >= c0:
                for b in range(max(0, r - ring), min(n_down - 1, r + ring) + 1):
                    held += start[b * n_across + c1 + 1] - start[b * n_across + c0]
            if held >= count or (
                ring > c and ring > r and c + ring >= n_across and r + ring >= n_down
            ):
                break
            ring += 1
        # a disc of the area of the square
        out[i] = (2 * ring + 1) * side / np.sqrt(np.pi)


def typical_reach(costs: AssignmentCost, candidate: NDArray[np.bool_], count: int) -> FloatArray:
    """Return for each row a cost below which about `count` candidates lie, or a few more."""
    number = np.flatnonzero(candidate).astype(np.int32)
    n = costs.n_row
    out = np.full(n, float(costs.cost_max) + 1.0)
    if count >= number.size:
        return out
    if costs.matrix is None and costs.site_xy is not None:
        xy = costs.site_xy[number]
        extent = np.ptp(xy, axis=0)
        # a few points a bin: the square grows by small steps
        side = float(np.sqrt(max(extent[0], 1e-9) * max(extent[1], 1e-9) / number.size * 4))
        bins = bin_points(costs.site_xy, number, side)
        frame = np.array([bins.x0, bins.y0, bins.side])
        spread(_reach_in_bins, chunks(n, 64), costs.row_xy, bins.start, frame, bins.n_across,
               bins.n_down, count, out)  # fmt: skip
        return out
    step = max(1, BLOCK // number.size)
    for lo in range(0, n, step):
        hi = min(n, lo + step)
        table = costs.block(lo, hi, number).astype(np.float64)
        out[lo:hi] = np.nextafter(np.partition(table, count - 1, axis=1)[:, count - 1], np.inf)
    return out


def _visit(
    costs: AssignmentCost,
    bins: Bins | None,
    number: NDArray[np.int32],
    reach: FloatArray,
    indptr: NDArray[np.int64],
    site: NDArray[np.int32],
    cost: NDArray[np.float64],
    halt: Callable[[], bool] | None,
) -> None:
    """Count (site empty) or fill the lists of all rows."""
    if not number.size:
        return
    n = costs.n_row
    if bins is not None:
        frame = np.array([bins.x0, bins.y0, bins.side])
        ranges = chunks(n, CHUNKS)
        step = CHUNKS if halt is None else CHUNKS_A_LOOK
        for k in range(0, len(ranges), step):
            if halt is not None and halt():
                raise TimeoutError
            spread(
                _near_of_points, ranges[k : k + step], costs.row_xy, reach, bins.x, bins.y,
                bins.point, bins.start, frame, bins.n_across, bins.n_down, costs.truncated, indptr,
                site, cost,
            )  # fmt: skip
        return
    step = max(1, BLOCK // number.size)
    for lo in range(0, n, step):
        if halt is not None and halt():
            raise TimeoutError
        hi = min(n, lo + step)
        table = costs.block(lo, hi, number).astype(np.float64)
        spread(_near_of_block, chunks(hi - lo, 8), lo, table, number, reach, indptr, site, cost)


@jit
def _restrict(indptr, site, cost, local, cap, out_ptr, out_site, out_cost):
    """Count (out_site empty) or copy the entries of kept sites below the row's cap."""
    counting = out_site.size == 0
    for i in range(indptr.size - 1):
        at = 0 if counting else out_ptr[i]
        for q in range(indptr[i], indptr[i + 1]):
            if cost[q] >= cap[i]:
                break
            if local[site[q]] >= 0:
                if not counting:
                    out_site[at] = local[site[q]]
                    out_cost[at] = cost[q]
                at += 1
        if counting:
            out_ptr[i + 1] = at


def restrict_near(near: Near, sites: NDArray[np.int32], cap: FloatArray) -> Near:
    """Return the lists of the sites named alone, renumbered 0.., cut at a cap for each row."""
    local = np.full(near.n_site, -1, np.int32)
    local[sites] = np.arange(sites.size, dtype=np.int32)
    reach = np.minimum(near.reach, cap)
    indptr = np.zeros(near.n_row + 1, np.int64)
    lists = (near.indptr, near.site, near.cost, local, reach)
    _restrict(*lists, indptr, np.empty(0, np.int32), np.empty(0))
    np.cumsum(indptr, out=indptr)
    site, cost = np.empty(indptr[-1], np.int32), np.empty(indptr[-1])
    if site.size:
        _restrict(*lists, indptr, site, cost)
    return Near(indptr, site, cost, reach, near.weight, int(sites.size))


@jit
def _transpose(indptr, site, cost, at, row_of, cost_of):
    for i in range(indptr.size - 1):
        for q in range(indptr[i], indptr[i + 1]):
            j = site[q]
            row_of[at[j]] = i
            cost_of[at[j]] = cost[q]
            at[j] += 1


def transpose_near(near: Near) -> tuple[NDArray[np.int64], NDArray[np.int32], FloatArray]:
    """Return for each site its rows and their costs: (indptr, row, cost)."""
    indptr = np.zeros(near.n_site + 1, np.int64)
    np.cumsum(np.bincount(near.site, minlength=near.n_site), out=indptr[1:])
    row, cost = np.empty(near.site.size, np.int32), np.empty(near.site.size)
    _transpose(near.indptr, near.site, near.cost, indptr[:-1].copy(), row, cost)
    return indptr, row, cost


def fastest_cost(
    costs: AssignmentCost, sites: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.generic]]:
    """Return for each row the cheapest of the sites named (-1 where none) and its cost."""
    n = costs.n_row
    if not sites.size:
        return np.full(n, -1, np.int32), np.full(n, np.inf)
    if costs.matrix is None and sites.size > 64:
        return _nearest_points(costs, sites)
    step = max(1, BLOCK // sites.size)
    found = np.empty(n, np.int32)
    for lo in range(0, n, step):
        hi = min(n, lo + step)
        found[lo:hi] = sites[np.argmin(costs.block(lo, hi, sites), axis=1)]
    return found, costs.pairs(np.arange(n), found)


@jit
def _nearest_in_bins(lo, hi, row_xy, x, y, point, start, frame, n_across, n_down, truncated, out):
    """Search rings of bins outward until no nearer point can follow."""
    x0, y0, side = frame[0], frame[1], frame[2]
    for i in range(lo, hi):
        px, py = row_xy[i, 0], row_xy[i, 1]
        c = min(max(int(np.floor((px - x0) / side)), 0), n_across - 1)
        r = min(max(int(np.floor((py - y0) / side)), 0), n_down - 1)
        off = max(0.0, x0 - px, px - x0 - n_across * side, y0 - py, py - y0 - n_down * side)
        best = np.inf
        name = -1
        ring = 0
        while ring <= max(n_across, n_down):
            # no point of this ring is nearer than ring - 1 sides (and the way to the grid)
            if name >= 0 and max((ring - 1) * side, off) - 1.0 * truncated > best:
                break
            for b in range(max(0, r - ring), min(n_down - 1, r + ring) + 1):
                edge = b == r - ring or b == r + ring
                step = 1 if edge or ring == 0 else 2 * ring
                for a in range(c - ring, c + ring + 1, step):
                    if a < 0 or a >= n_across:
                        continue
                    for q in range(start[b * n_across + a], start[b * n_across + a + 1]):
                        d = _distance(px, py, x[q], y[q], truncated)
                        if d < best or (d == best and point[q] < name):
                            best = d
                            name = point[q]
            ring += 1
        out[i] = name


def _nearest_points(
    costs: AssignmentCost, sites: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.generic]]:
    xy = costs.site_xy
    if xy is None or costs.row_xy is None:
        raise ValueError("neither a matrix nor points")
    extent = np.ptp(xy[sites], axis=0)
    side = float(np.sqrt(max(extent[0], 1e-9) * max(extent[1], 1e-9) / sites.size))
    bins = bin_points(xy, np.sort(sites).astype(np.int32), side)
    found = np.empty(costs.n_row, np.int32)
    frame = np.array([bins.x0, bins.y0, bins.side])
    spread(
        _nearest_in_bins, chunks(costs.n_row, 64), costs.row_xy, bins.x, bins.y, bins.point,
        bins.start, frame, bins.n_across, bins.n_down, costs.truncated, found,
    )  # fmt: skip
    return found, costs.pairs(np.arange(costs.n_row), found)
