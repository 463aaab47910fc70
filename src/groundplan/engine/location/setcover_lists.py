r"""Cover lists both ways, and the exact reductions of a covering problem.

Rows i, sites j with cost ``f_j``; every row needs a site of its list. Nothing below changes the
least cost: a row whose list contains another row's list is covered whenever that one is; a site
whose rows another site of no greater cost also covers is never needed; the only site of a row is
taken (Beasley 1987, doi 10.1016/0377-2217(87)90141-X).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.coverage import transpose

__all__ = ["Lists", "Reduced", "lists_of", "narrow", "reduce"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: Comparisons above which a pass of domination is left out; what the others found stays exact.
WORK = 100_000_000
PASSES = 12


@dataclass(frozen=True)
class Lists:
    """Rows of sites and sites of rows; each list ascending.

    Attributes
    ----------
    row_indptr, row_indices : (n_row + 1,) int64, (n_pair,) int32
    site_indptr, site_indices : (n_site + 1,) int64, (n_pair,) int32
    """

    row_indptr: IntArray
    row_indices: NDArray[np.int32]
    site_indptr: IntArray
    site_indices: NDArray[np.int32]

    @property
    def arrays(self) -> tuple[IntArray, NDArray[np.int32], IntArray, NDArray[np.int32]]:
        """The four, as kernels take them."""
        return self.row_indptr, self.row_indices, self.site_indptr, self.site_indices

    @property
    def n_row(self) -> int:
        """Number of rows."""
        return int(self.row_indptr.size - 1)

    @property
    def n_site(self) -> int:
        """Number of sites."""
        return int(self.site_indptr.size - 1)


def lists_of(row_indptr: IntArray, row_indices: NDArray[np.int32], n_site: int) -> Lists:
    """Return the lists both ways of rows given by their sites."""
    site_indptr = np.zeros(n_site + 1, np.int64)
    np.cumsum(np.bincount(row_indices, minlength=n_site), out=site_indptr[1:])
    site_indices = np.empty(row_indices.size, np.int32)
    transpose(row_indptr, row_indices, site_indptr[:-1].copy(), site_indices)
    return Lists(row_indptr, row_indices, site_indptr, site_indices)


def narrow(lists: Lists, rows: NDArray[np.int64], sites: NDArray[np.int64]) -> Lists:
    """Return the lists of some rows and sites (ascending numbers), numbered anew."""
    local = np.full(lists.n_site, -1, np.int32)
    local[sites] = np.arange(sites.size, dtype=np.int32)
    if rows.size == lists.n_row:
        site, length = local[lists.row_indices], np.diff(lists.row_indptr)
    else:
        length = np.diff(lists.row_indptr)[rows]
        start = np.cumsum(length) - length
        at = np.arange(int(length.sum())) + np.repeat(lists.row_indptr[rows] - start, length)
        site = local[lists.row_indices[at]]
    keep = site >= 0
    indptr = np.zeros(rows.size + 1, np.int64)
    row = np.repeat(np.arange(rows.size), length)[keep]
    np.cumsum(np.bincount(row, minlength=rows.size), out=indptr[1:])
    return lists_of(indptr, site[keep], sites.size)


@jit
def _sign(indptr, indices, out):
    for i in range(indptr.size - 1):
        sign = np.uint64(0)
        for q in range(indptr[i], indptr[i + 1]):
            mixed = np.uint64(indices[q] + 1) * np.uint64(0x9E3779B97F4A7C15)
            sign |= np.uint64(1) << (mixed >> np.uint64(58))
        out[i] = sign


@jit
def _mark_contained(
    indptr, indices, back_indptr, back_indices, sign, cost, drop_larger, dropped, work
):
    """Mark lists that contain another one, or those that one of no greater cost contains."""
    for b in range(indptr.size - 1):
        size = indptr[b + 1] - indptr[b]
        if dropped[b] or size == 0:
            continue
        rare = -1
        least = np.int64(2**62)
        for q in range(indptr[b], indptr[b + 1]):
            e = indices[q]
            degree = back_indptr[e + 1] - back_indptr[e]
            if degree < least:
                least = degree
                rare = e
        work -= least
        if work < 0:
            return
        for q in range(back_indptr[rare], back_indptr[rare + 1]):
            a = back_indices[q]
            if a == b or dropped[a] or (sign[b] & ~sign[a]) != np.uint64(0):
                continue
            room = indptr[a + 1] - indptr[a] - size
            if room < 0 or (not drop_larger and cost[a] > cost[b]):
                continue
            if room == 0 and a > b and not drop_larger and cost[a] == cost[b]:
                continue
            if room == 0 and a < b and drop_larger:
                continue
            s = indptr[a]
            inside = True
            for t in range(indptr[b], indptr[b + 1]):
                while s < indptr[a + 1] and indices[s] < indices[t]:
                    s += 1
                if s == indptr[a + 1] or indices[s] != indices[t]:
                    inside = False
                    break
            work -= s - indptr[a]
            if inside and drop_larger:
                dropped[a] = True
            elif inside:
                dropped[b] = True
                break


@dataclass(frozen=True)
class Reduced:
    """What remains of a covering problem.

    Attributes
    ----------
    lists : Lists
        Of the rows and sites that remain.
    row, site : (n,) int64
        Their numbers in the problem given.
    forced : (n,) int64
        Sites that some best plan holds.
    forcing : (n,) int64
        The row that forced each of them.
    """

    lists: Lists
    row: IntArray
    site: IntArray
    forced: IntArray
    forcing: IntArray


def drop(lists: Lists, cost: IntArray, *, rows: bool) -> BoolArray:
    """Return which rows, or which sites, domination removes."""
    mine, other = (lists.row_indptr, lists.row_indices), (lists.site_indptr, lists.site_indices)
    if not rows:
        mine, other = other, mine
    n = mine[0].size - 1
    dropped = np.zeros(n, np.bool_)
    if not mine[1].size:
        return dropped
    filled = mine[0][:-1][np.diff(mine[0]) > 0]
    # every list is held against those that share its rarest element
    if np.minimum.reduceat(np.diff(other[0])[mine[1]], filled).sum() > WORK:
        return dropped
    sign = np.empty(n, np.uint64)
    _sign(*mine, sign)
    weighed = np.zeros(n, np.int64) if rows else cost
    _mark_contained(*mine, *other, sign, weighed, rows, dropped, WORK)
    return dropped


def reduce(lists: Lists, cost: IntArray) -> Reduced:
    """Reduce until nothing more falls; a row without a site is left as it is."""
    row, site = np.arange(lists.n_row), np.arange(lists.n_site)
    forced: list[IntArray] = []
    forcing: list[IntArray] = []
    for _ in range(PASSES):
        before = (row.size, site.size)
        keep = ~drop(lists, cost[site], rows=True)
        alone = keep & (np.diff(lists.row_indptr) == 1)
        if alone.any():
            taken, first = np.unique(
                lists.row_indices[lists.row_indptr[:-1][alone]], return_index=True
            )
            forced.append(site[taken])
            forcing.append(row[np.flatnonzero(alone)[first]])
            chosen = np.zeros(site.size, np.bool_)
            chosen[taken] = True
            of = np.repeat(np.arange(row.size), np.diff(lists.row_indptr))
            keep[of[chosen[lists.row_indices]]] = False
        lists = narrow(lists, np.flatnonzero(keep), np.arange(site.size))
        row = row[keep]
        stay = ~drop(lists, cost[site], rows=False) & (np.diff(lists.site_indptr) > 0)
        lists = narrow(lists, np.arange(row.size), np.flatnonzero(stay))
        site = site[stay]
        if (row.size, site.size) == before:
            break
    none = np.zeros(0, np.int64)
    return Reduced(
        lists, row, site,
        np.concatenate([none, *forced]), np.concatenate([none, *forcing]),
    )  # fmt: skip
