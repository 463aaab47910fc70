"""Which sites lie within reach of which rows: kernels on sites sorted into square bins.

A site reaches a row when both are of the same layer and ``dx*dx + dy*dy <= r*r`` in float64, no
tolerance, with r the site's radius or the row's own reach, whichever is smaller. Rows look their
sites up, a range of rows at a time, so that no list of all pairs ever stands in memory; sites are
binned by layer and by size of radius, so that a few far-reaching ones do not widen every search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.location.points import SERVED, UNREACHED

__all__ = ["RuledOut", "SiteBins", "assign_nearest", "bin_sites", "gather_rows", "no_pairs"]

FloatArray = NDArray[np.float64]
#: For each row the sites that are ruled out though near: pointers and ascending site numbers.
RuledOut = tuple[NDArray[np.int64], NDArray[np.int32]]


def no_pairs() -> RuledOut:
    """Return the lists of a coverage where nothing is ruled out."""
    return np.zeros(0, np.int64), np.zeros(0, np.int32)


@dataclass(frozen=True)
class SiteBins:
    """Sites in bins, class after class; a class has one layer and radii within a factor of two.

    Attributes
    ----------
    x, y, limit : (n,) float64
        Position and squared radius in bin order.
    number : (n,) int32
        What each site is called.
    start : int64
        First site of each bin, the bins of a class row by row, one number more for each class.
    place : (n_class, 4) float64
        Corner x and y, side of a bin, largest radius.
    shape : (n_class, 4) int64
        Bins across and down, first entry in `start`, layer.
    """

    x: FloatArray
    y: FloatArray
    limit: FloatArray
    number: NDArray[np.int32]
    start: NDArray[np.int64]
    place: FloatArray
    shape: NDArray[np.int64]

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """Return everything as the kernels take it."""
        return (self.x, self.y, self.limit, self.number, self.start, self.place, self.shape)


def bin_sites(
    site_xy_m: FloatArray,
    radius_m: FloatArray,
    site_layer: NDArray[np.int8] | None,
    member: NDArray[np.bool_],
) -> SiteBins:
    """Sort the sites where `member` is true into bins by layer and size of radius."""
    picked = np.flatnonzero(member)
    layer = np.zeros(len(radius_m), np.int64) if site_layer is None else site_layer.astype(np.int64)
    with np.errstate(divide="ignore"):
        size = np.where(radius_m > 0, np.floor(np.log2(radius_m)), -1e6).astype(np.int64)
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    place, shape = [], []
    at = 0
    kinds = np.unique(np.column_stack([layer[picked], size[picked]]), axis=0)
    for kind in kinds:
        mine = picked[(layer[picked] == kind[0]) & (size[picked] == kind[1])]
        x, y = site_xy_m[mine, 0], site_xy_m[mine, 1]
        x0, y0, reach = float(x.min()), float(y.min()), float(radius_m[mine].max())
        extent = max(float(np.ptp(x)), float(np.ptp(y)))
        # no more than about four bins a site, however small the reach
        side = max(reach / 2, extent / max(16.0, 2.0 * np.sqrt(mine.size)), 1e-9)
        across, down = int(np.ptp(x) / side) + 1, int(np.ptp(y) / side) + 1
        number = ((y - y0) / side).astype(np.int64) * across + ((x - x0) / side).astype(np.int64)
        order = mine[np.argsort(number, kind="stable")]
        start = np.zeros(across * down + 1, np.int64)
        np.cumsum(np.bincount(number, minlength=across * down), out=start[1:])
        parts.append((order, start + sum(p[0].size for p in parts)))
        place.append((x0, y0, side, reach))
        shape.append((across, down, at, int(kind[0])))
        at += start.size
    empty = np.zeros(0, np.int64)
    order = np.concatenate([p[0] for p in parts]) if parts else empty
    return SiteBins(
        site_xy_m[order, 0].copy(),
        site_xy_m[order, 1].copy(),
        np.square(radius_m[order]),
        order.astype(np.int32),
        np.concatenate([p[1] for p in parts]) if parts else empty,
        np.array(place, np.float64).reshape(-1, 4),
        np.array(shape, np.int64).reshape(-1, 4),
    )


@jit
def _window(center, radius, origin, side, n):
    """Return first and last bin within reach; the last is first - 1 where there is none.

    A millionth of a bin either side outweighs the rounding of the bins' own numbers. Both ends stay
    inside the array whatever the distance: a row beyond all sites reads nothing.
    """
    lo = min(max(np.floor((center - radius - origin) / side - 1e-6), 0.0), float(n))
    hi = max(min(np.floor((center + radius - origin) / side + 1e-6), n - 1.0), lo - 1.0)
    return int(lo), int(hi)


@jit
def _find(px, py, own, layer, x, y, limit, start, place, shape, near, only_one):
    """Write the sites that reach a point into `near`; returns how many, -1 where it is full.

    Sites are told by their places in the bins, ascending.
    """
    n = 0
    for c in range(place.shape[0]):
        if shape[c, 3] != layer:
            continue
        x0, y0, side, reach = place[c]
        reach = min(reach, np.sqrt(own) * (1 + 1e-12))
        across = shape[c, 0]
        c0, c1 = _window(px, reach, x0, side, across)
        r0, r1 = _window(py, reach, y0, side, shape[c, 1])
        for row in range(r0, r1 + 1):
            base = shape[c, 2] + row * across
            # bins of a row are neighbours in memory: one run of sites
            for q in range(start[base + c0], start[base + c1 + 1]):
                dx = px - x[q]
                dy = py - y[q]
                d = dx * dx + dy * dy
                if d <= limit[q] and d <= own:
                    if n == near.size:
                        return -1
                    near[n] = q
                    n += 1
                    if only_one:
                        return n
    return n


@jit
def _is_in(site, sites, lo, hi):
    """Return whether `site` stands in the ascending list ``sites[lo:hi]``."""
    while lo < hi:
        mid = (lo + hi) // 2
        if sites[mid] < site:
            lo = mid + 1
        elif sites[mid] > site:
            hi = mid
        else:
            return True
    return False


@jit
def _drop(near, n, number, sites, lo, hi):
    """Take the sites that stand in ``sites[lo:hi]`` out of `near`; returns how many remain."""
    kept = 0
    for a in range(n):
        if not _is_in(number[near[a]], sites, lo, hi):
            near[kept] = near[a]
            kept += 1
    return kept


@jit
def _double_int(array, size):
    out = np.empty(max(2 * array.size, size), array.dtype)
    out[: array.size] = array
    return out


@jit
def gather_rows(
    lo, hi, xy, cap, layer, weight, key,
    old_x, old_y, old_limit, old_number, old_start, old_place, old_shape,
    x, y, limit, number, start, place, shape, out_at, out_site, row_of,
):  # fmt: skip
    """List the sites of the rows ``lo..hi``, rows with equal lists merged.

    Parameters
    ----------
    xy : (n_row, 2) float64
    cap : (n_row,) float64
        Squared reach of each row's own; size 0 where rows have none.
    layer : (n_row,) int8
        Size 0 where there is one layer.
    weight : (n_row,) int64
    key : (n_site,) uint64
        Random numbers; their sums hint at equal lists, which are then compared.
    old_*, the same without : SiteBins
        Sites that serve already, and the others.
    out_at, out_site : (n_row + 1,) int64, int32
        Sites of each row that are ruled out though near, ascending; `out_at` of size 0 where none.
    row_of : (n_row,) int32
        Output: merged row, counted from 0 within this range; -1 unreached, -2 served already.

    Returns
    -------
    (indptr, indices, merged weight)
    """
    near, one = np.empty(64, np.int32), np.empty(1, np.int32)
    indptr, sums = np.zeros(1024, np.int64), np.zeros(1024, np.int64)
    digest = np.zeros(1024, np.uint64)
    indices = np.empty(4096, np.int32)
    table = np.full(4096, -1, np.int32)
    groups = 0
    place_key = np.empty(number.size, np.uint64)
    for q in range(number.size):
        place_key[q] = key[number[q]]
    for i in range(lo, hi):
        own = cap[i] if cap.size else np.inf
        kind = np.int64(layer[i]) if layer.size else np.int64(0)
        px, py = xy[i, 0], xy[i, 1]
        out_lo = out_at[i] if out_at.size else 0
        out_hi = out_at[i + 1] if out_at.size else 0
        if old_place.shape[0]:
            if out_lo == out_hi:
                n = _find(
                    px, py, own, kind, old_x, old_y, old_limit, old_start, old_place, old_shape,
                    one, True,
                )  # fmt: skip
            else:
                n = _find(
                    px, py, own, kind, old_x, old_y, old_limit, old_start, old_place, old_shape,
                    near, False,
                )  # fmt: skip
                while n < 0:
                    near = np.empty(2 * near.size, np.int32)
                    n = _find(
                        px, py, own, kind, old_x, old_y, old_limit, old_start, old_place,
                        old_shape, near, False,
                    )  # fmt: skip
                n = _drop(near, n, old_number, out_site, out_lo, out_hi)
            if n:
                row_of[i] = SERVED
                continue
        n = _find(px, py, own, kind, x, y, limit, start, place, shape, near, False)
        while n < 0:
            near = np.empty(2 * near.size, np.int32)
            n = _find(px, py, own, kind, x, y, limit, start, place, shape, near, False)
        if out_lo < out_hi:
            n = _drop(near, n, number, out_site, out_lo, out_hi)
        if n == 0:
            row_of[i] = UNREACHED
            continue
        total = np.uint64(0)
        for a in range(n):
            total += place_key[near[a]]
        top = np.uint64(table.size - 1)
        h = (total ^ (total >> np.uint64(31))) & top
        while True:
            g = table[h]
            if g < 0:
                break
            # equal sums are only a hint: the lists decide
            if digest[g] == total and indptr[g + 1] - indptr[g] == n:
                same = True
                for a in range(n):
                    if indices[indptr[g] + a] != near[a]:
                        same = False
                        break
                if same:
                    break
            h = (h + np.uint64(1)) & top
        if g < 0:
            g = groups
            groups += 1
            if groups + 1 > digest.size:
                indptr, sums = _double_int(indptr, 0), _double_int(sums, 0)
                digest = _double_int(digest, 0)
            if indptr[g] + n > indices.size:
                indices = _double_int(indices, indptr[g] + n)
            indices[indptr[g] : indptr[g] + n] = near[:n]
            indptr[g + 1] = indptr[g] + n
            digest[g] = total
            sums[g] = 0
            table[h] = g
            if 2 * groups > table.size:
                table = np.full(2 * table.size, -1, np.int32)
                top = np.uint64(table.size - 1)
                for k in range(groups):
                    h = (digest[k] ^ (digest[k] >> np.uint64(31))) & top
                    while table[h] >= 0:
                        h = (h + np.uint64(1)) & top
                    table[h] = k
        sums[g] += weight[i]
        row_of[i] = g
    # from places in the bins to site numbers, ascending
    for g in range(groups):
        for a in range(indptr[g], indptr[g + 1]):
            indices[a] = number[indices[a]]
        indices[indptr[g] : indptr[g + 1]].sort()
    return indptr[: groups + 1].copy(), indices[: indptr[groups]].copy(), sums[:groups].copy()


@jit
def _nearest(
    lo, hi, xy, cap, layer, x, y, limit, number, start, place, shape, out_at, out_site, site
):
    for i in range(lo, hi):
        out_lo = out_at[i] if out_at.size else 0
        out_hi = out_at[i + 1] if out_at.size else 0
        own = cap[i] if cap.size else np.inf
        kind = np.int64(layer[i]) if layer.size else np.int64(0)
        px, py = xy[i, 0], xy[i, 1]
        best = np.inf
        found = -1
        for c in range(place.shape[0]):
            if shape[c, 3] != kind:
                continue
            x0, y0, side, reach = place[c]
            reach = min(reach, np.sqrt(min(own, best)) * (1 + 1e-12))
            across = shape[c, 0]
            c0, c1 = _window(px, reach, x0, side, across)
            r0, r1 = _window(py, reach, y0, side, shape[c, 1])
            for row in range(r0, r1 + 1):
                base = shape[c, 2] + row * across
                for q in range(start[base + c0], start[base + c1 + 1]):
                    dx = px - x[q]
                    dy = py - y[q]
                    d = dx * dx + dy * dy
                    # of equally near sites the one with the lower number keeps the row
                    if (
                        d <= limit[q]
                        and d <= own
                        and (d < best or (d == best and number[q] < found))
                        and not _is_in(number[q], out_site, out_lo, out_hi)
                    ):
                        best = d
                        found = number[q]
        site[i] = found


def assign_nearest(
    demand_xy_m: FloatArray,
    demand_layer: NDArray[np.int8] | None,
    site_xy_m: FloatArray,
    site_layer: NDArray[np.int8] | None,
    radius_m: FloatArray,
    chosen: NDArray[np.bool_],
    demand_reach_m: FloatArray | None = None,
    ruled_out: RuledOut | None = None,
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
    ruled_out : (indptr, sites), optional
        As given to `Coverage.from_radius`.

    Returns
    -------
    (n_row,) int32
        Site number, the lowest among equally near ones; -1 where no chosen site reaches.
    """
    n = len(demand_xy_m)
    site = np.full(n, -1, np.int32)
    if (demand_layer is None) != (site_layer is None):
        raise ValueError("give layers to demand rows and to sites, or to neither")
    bins = bin_sites(site_xy_m, radius_m, site_layer, chosen)
    xy = np.ascontiguousarray(demand_xy_m, np.float64)
    cap = np.empty(0) if demand_reach_m is None else np.square(demand_reach_m)
    layer = np.empty(0, np.int8) if demand_layer is None else demand_layer
    out = no_pairs() if ruled_out is None else ruled_out
    spread(_nearest, chunks(n, 64), xy, cap, layer, *bins.arrays, *out, site)
    return site
