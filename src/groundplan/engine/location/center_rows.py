"""The rows that a p-centre search looks at, and the sites within a distance of each.

A plan that serves some rows too far away names the rows that were missing; prices that refuse some
rows refuse all. So the search holds few rows and adds those that a plan leaves out (Contardo, Iori
and Kramer 2019, doi 10.1016/j.cor.2018.11.006; Chen and Chen 2009, doi 10.1016/j.cor.2008.03.009).
Distances are computed when asked for: no table of all pairs stands in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.check_center import between, far_from
from groundplan.engine.location.setcover_lists import Lists, lists_of, narrow

__all__ = ["Near", "Rows", "nearest"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Distances held at once.
AT_ONCE = 2_000_000
#: Rows whose sites are sought together in one band of the plane.
BAND = 64
#: Share of the distance that the band reaches further, and how far nothing is overlooked.
WIDER, SURE = 1.05, 1.04


@dataclass(frozen=True)
class Near:
    """Rows and the sites within a distance of them; sites that reach the same rows are one.

    Attributes
    ----------
    row : (n,) int64
        Row numbers of the problem; rows that existing sites reach are left out.
    lists : Lists
        Of these rows and the distinct sites.
    site : (m,) int64
        One site of the problem for each distinct site.
    times : (m,) int64
        Sites of the problem that a distinct site stands for.
    of : (n_candidate,) int64
        Distinct site of each candidate, -1 where it reaches none of the rows.
    beyond : float
        No site lies further than the distance and nearer than this from any of the rows.
    """

    row: IntArray
    lists: Lists
    site: IntArray
    times: IntArray
    of: IntArray
    beyond: float


class Rows:
    """Rows looked at so far; `within` lists the candidates near them."""

    def __init__(self, cost: AssignmentCost, candidate: BoolArray, old: BoolArray) -> None:
        self.cost = cost
        self.number = np.flatnonzero(candidate)
        self.held = far_from(cost, np.flatnonzero(old))
        self.row = np.zeros(0, np.int64)
        self.across: IntArray | None = None
        #: What `within` listed for its last distance: sizes and sites of rows, and what lies next.
        self.memo: tuple[float, list[tuple[IntArray, NDArray[np.int32]]], float] | None = None
        if cost.site_xy is not None and self.number.size > 1_000:
            self.across = np.argsort(cost.site_xy[self.number, 0], kind="stable")
            self.x = cost.site_xy[self.number[self.across], 0]

    def add(self, rows: IntArray) -> int:
        """Look at more rows; returns how many were new."""
        new = np.setdiff1d(rows, self.row)
        self.row = np.concatenate([self.row, new])
        return int(new.size)

    def within(self, limit: float) -> Near:
        """Return the candidates within `limit` of the rows that no existing site reaches."""
        row = self.row[self.held[self.row] > limit]
        n, m = row.size, self.number.size
        if self.memo is None or self.memo[0] != limit:
            self.memo = (limit, [], np.inf)
        _, parts, beyond = self.memo
        done = sum(part[0].size for part in parts)
        if done < n:
            size, found, least = self.list_near(row[done:], limit)
            parts.append((size, found))
            self.memo = (limit, parts, min(beyond, least))
        indptr = np.zeros(n + 1, np.int64)
        if n:
            np.cumsum(np.concatenate([part[0] for part in parts]), out=indptr[1:])
        site = np.concatenate([np.zeros(0, np.int32), *(part[1] for part in parts)])
        every = lists_of(indptr, site, m)
        key = np.random.Generator(np.random.Philox(key=7)).integers(1, 2**63, n, dtype=np.uint64)
        mark = np.empty(m, np.uint64)
        _mark(every.site_indptr, every.site_indices, key, mark)
        _, first, of = np.unique(mark, return_index=True, return_inverse=True)
        if first.size and mark[first[0]] == 0:
            first, of = first[1:], of - 1
        # distinct sites in the order of the problem's numbers
        order = np.argsort(first, kind="stable")
        rank = np.empty(order.size + 1, np.int64)
        rank[order], rank[-1] = np.arange(order.size), -1
        of, first = rank[of], first[order]
        lists = narrow(every, np.arange(n), first)
        times = np.bincount(of[of >= 0], minlength=first.size)
        return Near(row, lists, self.number[first], times, of, self.memo[2])

    def list_near(self, row: IntArray, limit: float) -> tuple[IntArray, NDArray[np.int32], float]:
        """Return how many candidates lie within `limit` of each row, which, and what lies next."""
        m = self.number.size
        size, beyond = np.zeros(row.size, np.int64), float(self.held[row].min(initial=np.inf))
        order, reach, x = np.arange(row.size), np.inf, np.zeros(0)
        step = max(1, AT_ONCE // max(1, m))
        across = self.across if limit > 0.0 else None
        if across is not None and self.cost.row_xy is not None:
            # sites sorted across the plane: rows near each other look at one band of them
            order = np.argsort(self.cost.row_xy[row, 0], kind="stable")
            reach = WIDER * limit + float(self.cost.truncated)
            beyond, step, x = min(beyond, SURE * limit), BAND, self.x
        found: list[NDArray[np.int32]] = [np.zeros(0, np.int32)] * row.size
        for a in range(0, row.size, step):
            mine = order[a : a + step]
            band = np.arange(m)
            if across is not None and self.cost.row_xy is not None:
                here = self.cost.row_xy[row[mine], 0]
                lo, hi = np.searchsorted(x, [here[0] - reach, here[-1] + reach])
                band = np.sort(across[lo:hi])
            block = between(self.cost, row[mine], self.number[band])
            near = block <= limit
            further = block[~near]
            beyond = min(beyond, float(further.min()) if further.size else np.inf)
            size[mine] = near.sum(axis=1)
            _, j = np.nonzero(near)
            pieces = np.split(band[j].astype(np.int32), np.cumsum(size[mine])[:-1])
            for at, piece in zip(mine, pieces, strict=True):
                found[at] = piece
        return size, np.concatenate([np.zeros(0, np.int32), *found]), beyond


@jit
def _mark(indptr, indices, key, out):
    """Write the sum of the keys of each site's rows: equal for sites that reach the same rows."""
    for j in range(indptr.size - 1):
        total = np.uint64(0)
        for q in range(indptr[j], indptr[j + 1]):
            total += key[indices[q]]
        out[j] = total


def nearest(cost: AssignmentCost, sites: IntArray, held: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return each row's distance to the nearest of `sites` or of what `held` knows, and which."""
    n = cost.n_row
    far, which = held.astype(np.float64), np.full(n, -1)
    step = max(1, AT_ONCE // max(1, sites.size))
    for a in range(0, n if sites.size else 0, step):
        b = min(a + step, n)
        block = cost.block(a, b, sites)
        at = block.argmin(axis=1)
        least = block[np.arange(b - a), at]
        closer = least < far[a:b]
        far[a:b] = np.where(closer, least, far[a:b])
        which[a:b] = np.where(closer, sites[at], -1)
    return far, which
