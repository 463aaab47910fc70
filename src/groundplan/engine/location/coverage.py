"""`Coverage`: which candidate sites serve which demand rows, merged exactly.

Rows that the same candidates reach are one row with the sum of their weights (isomorphic
aggregation, exact: lists that hash alike are compared). Rows that an existing site reaches are a
constant and never enter the lists.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.location.coverage_input import (
    check_lists,
    check_pairs,
    check_pointers,
    check_points,
    check_reach,
    check_weight,
    frame_points,
)
from groundplan.engine.location.points import SERVED, UNREACHED, hash_arrays, hash_points
from groundplan.engine.location.reach import RuledOut, bin_sites, gather_rows, no_pairs

__all__ = ["Coverage"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
#: Rows looked up and merged at a time; their lists are all that stands in memory unmerged.
RANGE = 1 << 18


@dataclass(frozen=True)
class Coverage:
    """Sparse coverage both ways, with merged rows.

    Attributes
    ----------
    row_indptr, row_indices : (n_row + 1,) int64, (n_pair,) int32
        Sites of each merged row, ascending. Rows are in the order of their first raw row.
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
    site_layer : (n_site,) int8 or None
        Sites of different layers share no row.
    """

    row_indptr: IntArray
    row_indices: NDArray[np.int32]
    weight: IntArray
    row_of: NDArray[np.int32]
    raw_weight: IntArray
    base_value: int
    total_value: int
    existing: NDArray[np.bool_]
    site_xy_m: NDArray[np.float64] | None
    reach_m: float
    input_hash: str
    site_layer: NDArray[np.int8] | None = None

    @property
    def n_site(self) -> int:
        """Number of sites, existing ones included."""
        return int(self.existing.size)

    @cached_property
    def by_site(self) -> tuple[IntArray, NDArray[np.int32]]:
        """Merged rows of each site, ascending, as pointers and rows; made when first asked for."""
        return turn(self.row_indptr, self.row_indices, self.n_site)

    @property
    def site_indptr(self) -> IntArray:
        """First entry of each site in `site_indices`."""
        return self.by_site[0]

    @property
    def site_indices(self) -> NDArray[np.int32]:
        """Merged rows of each site, one site after another."""
        return self.by_site[1]

    def with_existing(self, existing: NDArray[np.bool_] | None) -> Coverage:
        """Return the coverage where these sites serve as well, beside those that did before.

        Parameters
        ----------
        existing : (n_site,) bool, optional
            None, or no site, returns this coverage itself.

        Notes
        -----
        Plain NumPy: a check of a plan calls it too. The hash of the inputs is made of the former
        one and of `existing`, so that it differs from that of a coverage built with them.
        """
        if existing is None:
            return self
        if np.shape(existing) != (self.n_site,):
            raise ValueError(f"existing must have shape ({self.n_site},)")
        more = np.asarray(existing, bool)
        if not more.any():
            return self
        listed = more[self.row_indices].view(np.uint8)
        # every merged row has a site, so that no stretch is empty
        served = np.maximum.reduceat(listed, self.row_indptr[:-1]).astype(bool)
        size = np.diff(self.row_indptr)
        new = np.where(served, SERVED, np.cumsum(~served) - 1).astype(np.int32)
        row_of = self.row_of.copy()
        row_of[row_of >= 0] = new[row_of[row_of >= 0]]
        return replace(
            self,
            row_indptr=np.concatenate([[0], np.cumsum(size[~served])]),
            row_indices=self.row_indices[np.repeat(~served, size)],
            weight=self.weight[~served],
            row_of=row_of,
            base_value=self.base_value + int(self.weight[served].sum()),
            existing=self.existing | more,
            input_hash=hash_arrays(np.frombuffer(self.input_hash.encode(), np.uint8), more),
        )

    @classmethod
    def from_radius(
        cls,
        demand_xy_m: NDArray[np.float64],
        weight: IntArray,
        site_xy_m: NDArray[np.float64],
        radius_m: float | NDArray[np.float64],
        *,
        existing: NDArray[np.bool_] | None = None,
        demand_layer: NDArray[np.int8] | None = None,
        site_layer: NDArray[np.int8] | None = None,
        demand_reach_m: NDArray[np.float64] | None = None,
        ruled_out: RuledOut | None = None,
    ) -> Coverage:
        """Return the coverage of points by sites with a radius.

        Parameters
        ----------
        demand_xy_m : (n_raw, 2) float64
            Planar coordinates, metres.
        weight : (n_raw,) int64
            Whole numbers >= 0.
        site_xy_m : (n_site, 2) float64
        radius_m : float or (n_site,) float64
        existing : (n_site,) bool, optional
            Sites that serve already.
        demand_layer, site_layer : int8, optional
            A site serves rows of its own layer only.
        demand_reach_m : (n_raw,) float64, optional
            Largest distance at which a row lets itself be served, inf where only the site's
            radius counts: a pair counts when ``d <= min(radius_m, demand_reach_m)``.

        Raises
        ------
        ValueError
            Where shapes disagree, weights are negative or coordinates are not finite.
        """
        demand = np.ascontiguousarray(demand_xy_m, dtype=np.float64)
        site = np.ascontiguousarray(site_xy_m, dtype=np.float64)
        weight = check_weight(weight, len(demand))
        radius = np.broadcast_to(np.asarray(radius_m, dtype=np.float64), (len(site),)).copy()
        stands = np.zeros(len(site), bool) if existing is None else np.asarray(existing, bool)
        check_points(demand, site, radius)
        if (demand_layer is None) != (site_layer is None):
            raise ValueError("give layers to demand rows and to sites, or to neither")
        own = check_reach(demand_reach_m, len(demand))
        out = None if ruled_out is None else check_pairs(ruled_out, len(demand), len(site))
        row_of = np.empty(len(demand), np.int32)
        key = site_keys(len(site))
        ranges = [(a, min(a + RANGE, len(demand))) for a in range(0, len(demand), RANGE)]
        parts = spread(
            gather_rows, ranges, demand,
            np.empty(0) if own is None else np.square(own),
            np.empty(0, np.int8) if demand_layer is None else np.asarray(demand_layer, np.int8),
            weight, key,
            *bin_sites(site, radius, site_layer, stands).arrays,
            *bin_sites(site, radius, site_layer, ~stands).arrays,
            *(no_pairs() if out is None else out),
            row_of,
        )  # fmt: skip
        digest = hash_points(
            demand, weight, demand_layer, site, site_layer, radius, stands, own, out
        )
        sizes = [part[2].size for part in parts]
        indptr, indices, sums = join_lists(parts)
        merged, row_indptr, row_indices = merge_lists(indptr, indices, key)
        at = 0
        for (lo, hi), size in zip(ranges, sizes, strict=True):
            shift_rows(row_of[lo:hi], merged[at : at + size])
            at += size
        del indptr, indices
        total = np.zeros(row_indptr.size - 1, np.int64)
        np.add.at(total, merged, sums)
        return build(
            row_indptr, row_indices, total, row_of, weight, stands, site,
            float(radius.max(initial=0)), digest,
            None if site_layer is None else np.asarray(site_layer, np.int8),
        )  # fmt: skip

    @classmethod
    def from_geodataframes(
        cls,
        demand: Any,
        sites: Any,
        radius_m: float | NDArray[np.float64],
        *,
        weight: str = "weight",
        existing: str | None = None,
    ) -> Coverage:
        """Return the coverage of points in geodataframes by sites with a radius.

        Parameters
        ----------
        demand, sites : geopandas.GeoDataFrame
            Points in one projected coordinate system in metres; rows keep their order.
        radius_m : float or (n_site,) float64
        weight : str
            Column of `demand` with whole numbers >= 0; whole floats are taken.
        existing : str, optional
            Column of `sites` that is true where a site serves already.

        Raises
        ------
        ValueError
            Where systems differ or are no metres, geometries are no points, weights are no whole
            numbers.
        """
        if demand.crs != sites.crs:
            raise ValueError(f"demand is in {demand.crs}, sites are in {sites.crs}")
        given = np.asarray(demand[weight])
        whole = given
        if np.issubdtype(given.dtype, np.floating):
            whole = np.rint(given)
            if not np.array_equal(whole, given):
                raise ValueError(
                    f"{weight} must be whole numbers: scale and round it first, e.g. to hundredths"
                )
            whole = whole.astype(np.int64)
        stands = None if existing is None else np.asarray(sites[existing], bool)
        return cls.from_radius(
            frame_points(demand, "demand"), whole, frame_points(sites, "sites"), radius_m,
            existing=stands,
        )  # fmt: skip

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
            Site numbers, 0 .. n_site - 1; order within a row does not matter.
        weight : (n_raw,) int64
        n_site : int
        existing : (n_site,) bool, optional
        """
        indptr = np.ascontiguousarray(row_indptr, np.int64)
        check_pointers(indptr, np.size(row_indices))
        indices = sort_lists(indptr, np.ascontiguousarray(row_indices, np.int32))
        weight = check_weight(weight, indptr.size - 1)
        if indices.size and not (indices.min() >= 0 and indices.max() < n_site):
            raise ValueError(f"row_indices must be site numbers 0..{n_site - 1}")
        stands = np.zeros(n_site, bool) if existing is None else np.asarray(existing, bool)
        row = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
        check_lists(row, indices)
        reached = np.zeros(indptr.size - 1, bool)
        reached[row[stands[indices]]] = True
        digest = hash_arrays(indptr, indices, weight, stands)
        keep = ~reached[row]
        kept = np.zeros(indptr.size, np.int64)
        np.cumsum(np.bincount(row[keep], minlength=indptr.size - 1), out=kept[1:])
        listed = np.flatnonzero(np.diff(kept) > 0)
        lists = np.concatenate([kept[listed], kept[-1:]])
        merged, row_indptr, row_indices = merge_lists(lists, indices[keep], site_keys(n_site))
        row_of = np.full(indptr.size - 1, UNREACHED, np.int32)
        row_of[listed] = merged
        row_of[reached] = SERVED
        total = np.zeros(row_indptr.size - 1, np.int64)
        np.add.at(total, merged, weight[listed])
        return build(row_indptr, row_indices, total, row_of, weight, stands, None, 0.0, digest)

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
        row, site = np.nonzero(np.asarray(cost) <= threshold)
        indptr = np.zeros(len(cost) + 1, np.int64)
        np.cumsum(np.bincount(row, minlength=len(cost)), out=indptr[1:])
        n_site = int(np.shape(cost)[1])
        return cls.from_csr(indptr, site.astype(np.int32), weight, n_site, existing=existing)


def sort_lists(indptr: IntArray, indices: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the lists of a CSR each in ascending order."""
    row = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    order = np.lexsort((indices, row))
    out: NDArray[np.int32] = indices[order]
    return out


@jit
def _hash_rows(lo, hi, indptr, indices, key, out):
    for i in range(lo, hi):
        total = np.uint64(0)
        for q in range(indptr[i], indptr[i + 1]):
            total += key[indices[q]]
        out[i] = total


@jit
def _group(order, digest, indptr, indices, row_of, first):
    n_group = 0
    for k in range(order.size):
        i = order[k]
        n = indptr[i + 1] - indptr[i]
        same = False
        if n_group > 0:
            f = first[n_group - 1]
            # equal sums of keys are only a hint: the lists decide
            if digest[f] == digest[i] and indptr[f + 1] - indptr[f] == n:
                same = True
                for t in range(n):
                    if indices[indptr[f] + t] != indices[indptr[i] + t]:
                        same = False
                        break
        if not same:
            first[n_group] = i
            n_group += 1
        row_of[i] = n_group - 1
    return n_group


@jit
def _copy_lists(first, indptr, indices, out_indptr, out):
    for g in range(first.size):
        a = indptr[first[g]]
        b = out_indptr[g]
        for t in range(out_indptr[g + 1] - b):
            out[b + t] = indices[a + t]


@jit
def transpose(indptr, indices, at, out):
    """Write the rows of every site: ``out[at[j]:]``; `at` starts as the sites' pointers."""
    for i in range(indptr.size - 1):
        for q in range(indptr[i], indptr[i + 1]):
            j = indices[q]
            out[at[j]] = i
            at[j] += 1


@jit
def count_sites(indices, out):
    """Add to `out` how many rows each site reaches."""
    for q in range(indices.size):
        out[indices[q]] += 1


def turn(
    row_indptr: IntArray, row_indices: NDArray[np.int32], n_site: int
) -> tuple[IntArray, NDArray[np.int32]]:
    """Return the rows of every site, ascending."""
    site_indptr = np.zeros(n_site + 1, np.int64)
    count_sites(row_indices, site_indptr[1:])
    np.cumsum(site_indptr, out=site_indptr)
    site_indices = np.empty(row_indices.size, np.int32)
    transpose(row_indptr, row_indices, site_indptr[:-1].copy(), site_indices)
    return site_indptr, site_indices


def site_keys(n_site: int) -> NDArray[np.uint64]:
    """Return a random number for each site; their sums hint at equal lists."""
    return np.random.Generator(np.random.Philox(key=7)).integers(
        1, 2**63, max(1, n_site), dtype=np.uint64
    )


def join_lists(
    parts: list[tuple[IntArray, NDArray[np.int32], IntArray]],
) -> tuple[IntArray, NDArray[np.int32], IntArray]:
    """Return the lists and weights of several ranges one after another; empties `parts`."""
    n_list, n_pair = sum(p[2].size for p in parts), sum(p[1].size for p in parts)
    indptr, sums = np.zeros(n_list + 1, np.int64), np.empty(n_list, np.int64)
    indices = np.empty(n_pair, np.int32)
    at, pair = 0, 0
    parts.reverse()
    while parts:
        own, sites, weight = parts.pop()
        indptr[at + 1 : at + own.size] = own[1:] + pair
        sums[at : at + weight.size] = weight
        indices[pair : pair + sites.size] = sites
        at, pair = at + weight.size, pair + sites.size
    return indptr, indices, sums


@jit
def shift_rows(row_of, merged):
    """Turn the rows of a range into rows of the whole, in place."""
    for i in range(row_of.size):
        if row_of[i] >= 0:
            row_of[i] = merged[row_of[i]]


def merge_lists(
    indptr: IntArray, indices: NDArray[np.int32], key: NDArray[np.uint64]
) -> tuple[NDArray[np.int32], IntArray, NDArray[np.int32]]:
    """Merge equal lists.

    Returns
    -------
    row_of : (n_list,) int32
        Merged row of each list; rows are in the order of their first list.
    row_indptr, row_indices
        The merged lists.
    """
    n = indptr.size - 1
    digest = np.zeros(n, np.uint64)
    spread(_hash_rows, chunks(n, 16), indptr, indices, key, digest)
    order = np.argsort(digest, kind="stable")
    row_of = np.empty(n, np.int32)
    first = np.empty(n, np.int64)
    n_row = int(_group(order, digest, indptr, indices, row_of, first))
    del digest, order
    # merged rows in the order of their first list: keeps neighbours near in memory
    rank = np.empty(n_row, np.int32)
    by_first = np.argsort(first[:n_row], kind="stable")
    rank[by_first] = np.arange(n_row, dtype=np.int32)
    first = first[:n_row][by_first]
    row_indptr = np.zeros(n_row + 1, np.int64)
    np.cumsum(indptr[first + 1] - indptr[first], out=row_indptr[1:])
    row_indices = np.empty(int(row_indptr[-1]), np.int32)
    _copy_lists(first, indptr, indices, row_indptr, row_indices)
    return rank[row_of], row_indptr, row_indices


def build(
    row_indptr: IntArray,
    row_indices: NDArray[np.int32],
    merged_weight: IntArray,
    row_of: NDArray[np.int32],
    weight: IntArray,
    existing: NDArray[np.bool_],
    site_xy_m: NDArray[np.float64] | None,
    reach_m: float,
    input_hash: str,
    site_layer: NDArray[np.int8] | None = None,
) -> Coverage:
    """Return the coverage of merged lists."""
    return Coverage(
        row_indptr,
        row_indices,
        merged_weight,
        row_of,
        weight,
        int(weight[row_of == SERVED].sum()),
        int(weight.sum()),
        existing,
        site_xy_m,
        reach_m,
        input_hash,
        site_layer,
    )
