"""The covering problem on its candidates, numbered so that neighbours lie near in memory.

Sites go band by band and from west to east within a band; rows follow the first site that reaches
them. Every later kernel then walks through memory instead of jumping in it. Bands are wider than
two reaches, so sites of every second band share no row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.coverage import Coverage, count_sites, turn

__all__ = ["Program", "make_program", "plain_program"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
#: Height of a band in reaches: a little over two keeps every second band apart.
BAND_REACHES = 2.002


@dataclass(frozen=True)
class Program:
    """``max sum w_i z_i, z_i <= sum of y_j that cover i, sum f_j y_j <= budget``.

    Attributes
    ----------
    row_indptr, row_indices, site_indptr, site_indices
        Coverage both ways, in this program's numbers.
    weight : (n_row,) int64
    cost : (n_site,) int64
        > 0.
    budget : int
    site : (n_site,) int32
        Number of each site in the coverage.
    row : (n_row,) int32
        Number of each row in the coverage; rows that no candidate reaches are left out.
    x, y : (n_site,) float64
        Positions; without geometry, x is the rank in a breadth-first walk and y is 0.
    reach : float
        Largest reach, 0 without geometry.
    band : (n_band + 1,) int64
        First site of each band.
    """

    row_indptr: IntArray
    row_indices: NDArray[np.int32]
    site_indptr: IntArray
    site_indices: NDArray[np.int32]
    weight: IntArray
    cost: IntArray
    budget: int
    site: NDArray[np.int32]
    row: NDArray[np.int32]
    x: FloatArray
    y: FloatArray
    reach: float
    band: IntArray

    @property
    def n_row(self) -> int:
        """Number of merged rows."""
        return int(self.weight.size)

    @property
    def n_site(self) -> int:
        """Number of candidate sites."""
        return int(self.cost.size)


@jit
def walk_breadth_first(row_indptr, row_indices, site_indptr, site_indices, order):
    """Write the sites in the order of a breadth-first walk over shared rows, part after part.

    Each part is walked twice: the last site of the first walk lies at a rim and begins the second.
    """
    n = order.size
    seen_site = np.zeros(n, np.int8)
    seen_row = np.zeros(row_indptr.size - 1, np.int8)
    done = 0
    for root in range(n):
        if seen_site[root]:
            continue
        begin = root
        for walk in range(1, 3):
            head = done
            tail = done
            order[tail] = begin
            tail += 1
            seen_site[begin] = walk
            while head < tail:
                j = order[head]
                head += 1
                for q in range(site_indptr[j], site_indptr[j + 1]):
                    i = site_indices[q]
                    if seen_row[i] == walk:
                        continue
                    seen_row[i] = walk
                    for e in range(row_indptr[i], row_indptr[i + 1]):
                        k = row_indices[e]
                        if seen_site[k] != walk:
                            seen_site[k] = walk
                            order[tail] = k
                            tail += 1
            begin = order[tail - 1]
        done = tail


@jit
def _renumber(row_indptr, row_indices, local, new_row, out_indptr, out_indices):
    """Write the lists of the rows in their new order, sites by their local number."""
    for r in range(new_row.size):
        i = new_row[r]
        at = out_indptr[r]
        for q in range(row_indptr[i], row_indptr[i + 1]):
            if local[row_indices[q]] >= 0:
                out_indices[at] = local[row_indices[q]]
                at += 1


@jit
def _order_rows(row_indptr, row_indices, local, length, n_site):
    """Count the candidates of each row and sort the rows by their first one; rows without leave."""
    n = row_indptr.size - 1
    first = np.full(n, -1, np.int32)
    count = np.zeros(n_site + 1, np.int64)
    for i in range(n):
        for q in range(row_indptr[i], row_indptr[i + 1]):
            j = local[row_indices[q]]
            if j >= 0:
                length[i] += 1
                if first[i] < 0 or j < first[i]:
                    first[i] = j
        if first[i] >= 0:
            count[first[i] + 1] += 1
    for j in range(n_site):
        count[j + 1] += count[j]
    row = np.empty(count[n_site], np.int32)
    for i in range(n):
        if first[i] >= 0:
            row[count[first[i]]] = i
            count[first[i]] += 1
    return row


def lay_out(
    coverage: Coverage, number: NDArray[np.int64]
) -> tuple[NDArray[np.int64], FloatArray, FloatArray, IntArray]:
    """Return the sites in memory order with positions and the first site of each band."""
    if coverage.site_xy_m is None:
        order = np.empty(coverage.n_site, np.int32)
        walk_breadth_first(
            coverage.row_indptr, coverage.row_indices, coverage.site_indptr,
            coverage.site_indices, order,
        )  # fmt: skip
        rank = np.empty(coverage.n_site, np.int64)
        rank[order] = np.arange(coverage.n_site)
        number = number[np.argsort(rank[number], kind="stable")]
        edge = np.array([0, number.size], np.int64)
        return number, np.arange(number.size, dtype=np.float64), np.zeros(number.size), edge
    x, y = coverage.site_xy_m[number, 0], coverage.site_xy_m[number, 1]
    if coverage.site_layer is not None and y.size:
        # layers share no row: they lie apart, as if on sheets beside each other
        y = y + coverage.site_layer[number] * (float(np.ptp(y)) + 4.0 * coverage.reach_m + 1.0)
    high = BAND_REACHES * coverage.reach_m
    low = float(y.min()) if y.size else 0.0
    # bands of no height would be as many as there are sites
    high = max(high, float(np.ptp(y)) / 4096.0 if y.size else 0.0, 1e-9)
    band = np.floor((y - low) / high).astype(np.int64)
    west = np.lexsort((number, x, band))
    edge = np.searchsorted(band[west], np.arange(int(band.max(initial=0)) + 2)).astype(np.int64)
    return number[west], x[west].copy(), y[west].copy(), edge


def plain_program(
    row_indptr: IntArray, row_indices: NDArray[np.int32], weight: IntArray, cost: IntArray,
    budget: int,
) -> Program:  # fmt: skip
    """Return a program as numbered by the caller, without geometry.

    Parameters
    ----------
    row_indptr, row_indices : sites of each row, at least one
    weight : (n_row,) int64
    cost : (n_site,) int64
    budget : int
    """
    n = cost.size
    return Program(
        row_indptr, row_indices, *turn(row_indptr, row_indices, n), weight, cost, budget,
        np.arange(n, dtype=np.int32), np.arange(weight.size, dtype=np.int32),
        np.arange(n, dtype=np.float64), np.zeros(n), 0.0, np.array([0, n], np.int64),
    )  # fmt: skip


def make_program(
    coverage: Coverage, candidate: NDArray[np.bool_], cost: IntArray, budget: int
) -> Program:
    """Return the program of the candidates that reach anything, renumbered.

    Parameters
    ----------
    candidate : (n_site,) bool
    cost : (n_site,) int64
        In the coverage's numbers.
    budget : int
    """
    reached = np.zeros(coverage.n_site, np.int64)
    count_sites(coverage.row_indices, reached)
    useful = np.flatnonzero(candidate & (reached > 0))
    site, x, y, band = lay_out(coverage, useful)
    local = np.full(coverage.n_site, -1, np.int32)
    local[site] = np.arange(site.size, dtype=np.int32)
    length = np.zeros(coverage.weight.size, np.int64)
    row = _order_rows(coverage.row_indptr, coverage.row_indices, local, length, site.size)
    indptr = np.zeros(row.size + 1, np.int64)
    np.cumsum(length[row], out=indptr[1:])
    indices = np.empty(int(indptr[-1]), np.int32)
    _renumber(coverage.row_indptr, coverage.row_indices, local, row, indptr, indices)
    del length, local
    site_indptr, site_indices = turn(indptr, indices, site.size)
    return Program(
        indptr, indices, site_indptr, site_indices, coverage.weight[row], cost[site], budget,
        site.astype(np.int32), row, x, y, coverage.reach_m, band,
    )  # fmt: skip
