"""`Coverage`: which candidate sites serve which demand rows, merged exactly.

Rows that the same candidates reach are one row with the sum of their weights (`merging`). Rows
that an existing site reaches are a constant and never enter the lists. Points are worked band by
band and merged at once, so that unmerged lists of more than a few bands never stand in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit, spread
from groundplan.engine.location.merging import (
    SERVED,
    UNREACHED,
    Lists,
    join,
    merge_lists,
    site_keys,
    transpose,
)
from groundplan.engine.location.reach import (
    Bins,
    Reach,
    bin_points,
    bin_side,
    pair_lists,
    pair_up,
)
from groundplan.engine.location.record import hash_lists, hash_points

__all__ = ["Coverage"]

IntArray = NDArray[np.int64]
#: Rows of a cost matrix compared with the threshold at a time.
MATRIX_ROWS = 4_096


@dataclass(frozen=True)
class Coverage:
    """Sparse coverage both ways, with merged rows.

    Attributes
    ----------
    row_indptr, row_indices : (n_row + 1,) int64, (n_pair,) int32
        Sites of each merged row, ascending. Rows are in the order of their first raw row.
    site_indptr, site_indices : (n_site + 1,) int64, (n_pair,) int32
        Merged rows of each site, ascending.
    weight : (n_row,) int64
        Weight of each merged row.
    row_of : (n_raw,) int32
        Merged row of each raw row; -1: no site reaches it; -2: an existing site does.
    raw_weight : (n_raw,) int64
    base_value, total_value : int
        Weight that existing sites serve, and weight of everything.
    existing : (n_site,) bool
    site_xy_m : (n_site, 2) float64 or None
    reach_m : float
        Largest radius, 0 where there is no geometry.
    input_hash : str
        SHA-256 over the inputs.
    """

    row_indptr: IntArray
    row_indices: NDArray[np.int32]
    site_indptr: IntArray
    site_indices: NDArray[np.int32]
    weight: IntArray
    row_of: NDArray[np.int32]
    raw_weight: IntArray
    base_value: int
    total_value: int
    existing: NDArray[np.bool_]
    site_xy_m: NDArray[np.float64] | None
    reach_m: float
    input_hash: str

    @property
    def n_site(self) -> int:
        """Number of sites, existing ones included."""
        return int(self.existing.size)

    @classmethod
    def from_radius(
        cls,
        demand_xy_m: NDArray[np.float64] | Sequence[NDArray[np.float64]],
        weight: IntArray | Sequence[IntArray],
        site_xy_m: NDArray[np.float64],
        radius_m: float | NDArray[np.float64],
        *,
        existing: NDArray[np.bool_] | None = None,
        demand_layer: NDArray[np.int8] | None = None,
        site_layer: NDArray[np.int8] | None = None,
    ) -> Coverage:
        """Return the coverage of points by sites with a radius.

        A site serves a row of its own layer where ``dx*dx + dy*dy <= r*r`` in float64.

        Parameters
        ----------
        demand_xy_m : (n_raw, 2) float64, or one such array per layer
            Planar coordinates, metres. A list of arrays saves the stacked copy where layers share
            their points: layer k is ``demand_xy_m[k]``, raw rows follow one layer after another.
        weight : (n_raw,) int64, or one such array per layer
            Whole numbers >= 0.
        site_xy_m : (n_site, 2) float64
        radius_m : float or (n_site,) float64
        existing : (n_site,) bool, optional
            Sites that serve already.
        demand_layer, site_layer : int8, optional
            Layer numbers 0..126; none means one layer.

        Raises
        ------
        ValueError
            Where shapes disagree, weights are negative or not whole, or coordinates not finite.

        Examples
        --------
        >>> import numpy as np
        >>> xy = np.array([[0.0, 0.0], [10.0, 0.0], [11.0, 0.0]])
        >>> coverage = Coverage.from_radius(xy, np.array([5, 1, 2]), xy[:2], 2.0)
        >>> coverage.weight.tolist(), coverage.row_of.tolist()
        ([5, 3], [0, 1, 1])
        """
        site = check_points("site_xy_m", site_xy_m)
        radius = check_radius(radius_m, len(site))
        stands = check_marks("existing", existing, len(site))
        if isinstance(demand_xy_m, np.ndarray):
            demand: Any = check_points("demand_xy_m", demand_xy_m)
            raw_weight = check_weight(weight, len(demand))
        else:
            demand = [check_points("demand_xy_m", xy) for xy in demand_xy_m]
            shares = [check_weight(w, len(xy)) for xy, w in zip(demand, weight, strict=True)]
            raw_weight = np.concatenate(shares) if shares else np.empty(0, np.int64)
        key = site_keys(len(site))
        row_of = np.full(raw_weight.size, UNREACHED, np.int32)
        parts: list[Lists] = []
        base = 0
        for points, member in pair_up(demand, demand_layer, site_layer, len(site)):
            bins = bin_points(points, bin_side(radius[member]))
            old = Reach.of(bins, site, radius, member[stands[member]])
            new = Reach.of(bins, site, radius, member[~stands[member]])
            base += cover_layer(bins, old, new, raw_weight, key, row_of, parts)
        digest = hash_points(demand, raw_weight, demand_layer, site, site_layer, radius, stands)
        group, merged = merge_lists(join(parts), key)
        _renumber(row_of, group)
        reach = float(radius.max(initial=0.0))
        return finish(merged, row_of, raw_weight, base, stands, site, reach, digest)

    @classmethod
    def from_csr(
        cls,
        row_indptr: IntArray,
        row_indices: NDArray[np.int32],
        weight: IntArray,
        n_site: int,
        *,
        existing: NDArray[np.bool_] | None = None,
    ) -> Coverage:
        """Return the coverage given as the list of sites of each row.

        Parameters
        ----------
        row_indptr : (n_raw + 1,) int64
        row_indices : (n_pair,) int32
            Site numbers, 0 .. n_site - 1, each once in a row; order does not matter.
        weight : (n_raw,) int64
        n_site : int
        existing : (n_site,) bool, optional
        """
        indptr = np.ascontiguousarray(row_indptr, np.int64)
        n_raw = indptr.size - 1
        if n_raw < 0 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
            raise ValueError("row_indptr must start with 0 and never fall")
        if indptr[-1] != np.size(row_indices):
            raise ValueError(f"row_indices must have {indptr[-1]} entries")
        raw_weight = check_weight(weight, n_raw)
        stands = check_marks("existing", existing, n_site)
        row = np.repeat(np.arange(n_raw), np.diff(indptr))
        indices = np.asarray(row_indices)
        indices = indices[np.lexsort((indices, row))].astype(np.int32)
        if indices.size and not (indices.min() >= 0 and indices.max() < n_site):
            raise ValueError(f"row_indices must be site numbers 0..{n_site - 1}")
        if ((np.diff(indices) == 0) & (np.diff(row) == 0)).any():
            raise ValueError("row_indices must name a site once in a row")
        digest = hash_lists(indptr, indices, raw_weight, stands)
        served = np.zeros(n_raw, bool)
        served[row[stands[indices]]] = True
        keep = ~served[row]
        kept = np.zeros(n_raw + 1, np.int64)
        np.cumsum(np.bincount(row[keep], minlength=n_raw), out=kept[1:])
        lists = Lists(kept, indices[keep], raw_weight, np.arange(n_raw))
        row_of, merged = merge_lists(lists, site_keys(n_site))
        row_of[served] = SERVED
        base = int(raw_weight[served].sum())
        return finish(merged, row_of, raw_weight, base, stands, None, 0.0, digest)

    @classmethod
    def from_cost_matrix(
        cls,
        cost: NDArray[np.float64],
        weight: IntArray,
        threshold: float,
        *,
        existing: NDArray[np.bool_] | None = None,
    ) -> Coverage:
        """Return the coverage where ``cost[i, j] <= threshold`` (n_raw, n_site), as in spopt."""
        matrix = np.asarray(cost)
        if matrix.ndim != 2:
            raise ValueError(f"cost must have two axes. Got {matrix.ndim}")
        count, site = [np.zeros(1, np.int64)], [np.empty(0, np.int32)]
        for a in range(0, len(matrix), MATRIX_ROWS):
            near = matrix[a : a + MATRIX_ROWS] <= threshold
            count.append(near.sum(axis=1))
            site.append(np.nonzero(near)[1].astype(np.int32))
        indptr = np.cumsum(np.concatenate(count))
        return cls.from_csr(
            indptr, np.concatenate(site), weight, matrix.shape[1], existing=existing
        )


def cover_layer(
    bins: Bins,
    existing: Reach,
    candidate: Reach,
    weight: IntArray,
    key: NDArray[np.uint64],
    row_of: NDArray[np.int32],
    parts: list[Lists],
) -> int:
    """Merge the rows of one layer band by band; returns the weight that existing sites serve.

    Parameters
    ----------
    row_of : (n_raw,) int32
        Written for the rows of this layer: number of the row in the joined `parts`.
    parts : list of Lists
        One is added for each band.
    """

    def span(first: int, last: int) -> slice:
        return slice(int(bins.start[first * bins.n_across]), int(bins.start[last * bins.n_across]))

    def band(first: int, last: int) -> tuple[int, Lists]:
        reached, indptr, indices = pair_lists(bins, existing, candidate, first, last)
        point = bins.point[span(first, last)]
        raw = Lists(indptr, indices, weight[point], point.astype(np.int64))
        group, merged = merge_lists(raw, key)
        group[reached] = SERVED
        row_of[point] = group
        return int(raw.weight[reached].sum()), merged

    ranges = bins.bands()
    base = 0
    before = sum(p.weight.size for p in parts)
    for (first, last), (served, merged) in zip(ranges, spread(band, ranges), strict=True):
        _shift(bins.point[span(first, last)], before, row_of)
        before += merged.weight.size
        base += served
        parts.append(merged)
    return base


@jit
def _shift(point, offset, row_of):
    for k in range(point.size):
        if row_of[point[k]] >= 0:
            row_of[point[k]] += offset


@jit
def _renumber(row_of, group):
    for i in range(row_of.size):
        if row_of[i] >= 0:
            row_of[i] = group[row_of[i]]


def finish(
    merged: Lists,
    row_of: NDArray[np.int32],
    raw_weight: IntArray,
    base_value: int,
    existing: NDArray[np.bool_],
    site_xy_m: NDArray[np.float64] | None,
    reach_m: float,
    input_hash: str,
) -> Coverage:
    """Return the coverage with both directions of its lists."""
    n_site = existing.size
    site_indptr = np.zeros(n_site + 1, np.int64)
    np.cumsum(np.bincount(merged.indices, minlength=n_site), out=site_indptr[1:])
    site_indices = np.empty(merged.indices.size, np.int32)
    transpose(merged.indptr, merged.indices, site_indptr[:-1].copy(), site_indices)
    return Coverage(
        merged.indptr, merged.indices, site_indptr, site_indices, merged.weight, row_of,
        raw_weight, base_value, int(raw_weight.sum()), existing, site_xy_m, reach_m, input_hash,
    )  # fmt: skip


def check_weight(weight: Any, n: int) -> IntArray:
    """Return weights as int64, or say what is wrong with them."""
    out = np.ascontiguousarray(weight)
    if out.shape != (n,):
        raise ValueError(f"weight must have shape ({n},). Got {out.shape}")
    if not np.issubdtype(out.dtype, np.integer):
        raise ValueError(f"weight must be whole numbers. Got {out.dtype}")
    if out.size and out.min() < 0:
        raise ValueError(f"weight must be >= 0. Got {out.min()}")
    if out.size and int(out.max()) * out.size >= 2**63 and sum(map(int, out)) >= 2**63:
        raise ValueError("the sum of weight must be below 2**63")
    return out.astype(np.int64, copy=False)


def check_points(name: str, xy: Any) -> NDArray[np.float64]:
    """Return points as (n, 2) float64, or say what is wrong with them."""
    out = np.ascontiguousarray(xy, dtype=np.float64)
    if out.ndim != 2 or out.shape[1] != 2:
        raise ValueError(f"{name} must have shape (n, 2). Got {out.shape}")
    # a sum is finite only where every part is, and needs no mask as large as the points
    if not np.isfinite(out.sum()):
        raise ValueError(f"{name} must be finite")
    return out


def check_radius(radius_m: Any, n: int) -> NDArray[np.float64]:
    """Return radii as (n,) float64, or say what is wrong with them."""
    radius = np.asarray(radius_m, dtype=np.float64)
    if radius.shape not in {(), (n,)}:
        raise ValueError(f"radius_m must be one number or have shape ({n},). Got {radius.shape}")
    if not (np.isfinite(radius).all() and (radius >= 0).all()):
        raise ValueError("radius_m must be finite and >= 0")
    return np.broadcast_to(radius, (n,)).copy()


def check_marks(name: str, marks: NDArray[np.bool_] | None, n: int) -> NDArray[np.bool_]:
    """Return marks of sites as (n,) bool, none set where none are given."""
    if marks is None:
        return np.zeros(n, bool)
    if np.shape(marks) != (n,):
        raise ValueError(f"{name} must have shape ({n},). Got {np.shape(marks)}")
    return np.asarray(marks, bool)
