"""Demand rows, sites with capacities, and the pairs that may serve each other, as plain arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.location.points import hash_arrays
from groundplan.errors import InfeasibleError

__all__ = ["CapacityProblem"]

#: Scaled costs of a plan stay below 2 ** this, and all sites together earn less than the other.
TOTAL_DIGITS, MOST_DIGITS = 52, 60
SCALE_DIGITS = 30
#: Faults named in an error before "and n more".
SHOWN = 5
#: Rows worked on at once where pairs are made from points.
ROWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class CapacityProblem:
    """What is to be served, by whom, at which cost. Build it with a ``from_`` method.

    Attributes
    ----------
    site_ptr : (n_site + 1,) int64
        Where the pairs of each site begin.
    row : (n_pair,) int32
        Row of each pair, ascending within a site; a pair that is not listed is not allowed.
    cost : (n_pair,) float64
        Cost of serving ALL demand of the row from the site, >= 0.
    demand : (n_row,) int64
        > 0.
    capacity : (n_site,) int64
    opening_cost : (n_site,) float64
    scale : int
        Power of two; bounds are proven on ``floor(scale * cost)``.
    input_hash : str
    """

    site_ptr: NDArray[np.int64]
    row: NDArray[np.int32]
    cost: NDArray[np.float64]
    demand: NDArray[np.int64]
    capacity: NDArray[np.int64]
    opening_cost: NDArray[np.float64]
    scale: int
    input_hash: str = field(repr=False)

    @classmethod
    def from_pairs(
        cls,
        row: ArrayLike,
        site: ArrayLike,
        cost: ArrayLike,
        demand: ArrayLike,
        capacity: ArrayLike,
        opening_cost: ArrayLike | None = None,
    ) -> CapacityProblem:
        """Take allowed pairs with the cost of serving all demand of the row from the site.

        Raises
        ------
        ValueError
            Naming the first entry at fault.
        InfeasibleError
            Where rows have no site, or demand exceeds all capacity.
        """
        need, room = whole(demand, "demand", 1), whole(capacity, "capacity", 0)
        fee = np.zeros(room.size) if opening_cost is None else np.asarray(opening_cost, np.float64)
        if fee.shape != room.shape or not (np.isfinite(fee) & (fee >= 0)).all():
            raise ValueError(f"opening_cost must be {room.size} finite numbers >= 0")
        i, j = np.asarray(row, np.int64), np.asarray(site, np.int64)
        c = np.asarray(cost, np.float64)
        if not i.shape == j.shape == c.shape or i.ndim != 1:
            raise ValueError("row, site and cost must be of one length")
        if i.size and not (i.min() >= 0 and i.max() < need.size):
            raise ValueError(f"row must be within 0..{need.size - 1}")
        if j.size and not (j.min() >= 0 and j.max() < room.size):
            raise ValueError(f"site must be within 0..{room.size - 1}")
        bad = np.flatnonzero(~(np.isfinite(c) & (c >= 0)))
        if bad.size:
            raise ValueError(
                f"cost must be finite and >= 0. Got {c[bad[0]]} for row {i[bad[0]]} and site "
                f"{j[bad[0]]} ({bad.size} pairs at fault); leave out pairs that are not allowed"
            )
        order = np.lexsort((i, j))
        i, j, c = i[order], j[order], c[order]
        if ((np.diff(i) == 0) & (np.diff(j) == 0)).any():
            raise ValueError("a pair of row and site is given twice")
        ptr = np.zeros(room.size + 1, np.int64)
        np.cumsum(np.bincount(j, minlength=room.size), out=ptr[1:])
        alone = np.flatnonzero(np.bincount(i, minlength=need.size) == 0)
        if alone.size:
            shown = ", ".join(map(str, alone[:SHOWN].tolist()))
            more = f" and {alone.size - SHOWN} more" if alone.size > SHOWN else ""
            raise InfeasibleError(
                "some rows have no allowed site", [f"allowed pairs: rows {shown}{more} have none"]
            )
        if int(need.sum()) > int(room.sum()):
            raise InfeasibleError(
                "the sites together are too small",
                [f"demand {int(need.sum())}", f"capacity of all sites {int(room.sum())}"],
            )
        dearest = np.zeros(need.size)
        np.maximum.at(dearest, i, c)
        top = math.ceil(math.fsum(dearest.tolist()) + math.fsum(fee.tolist())) + 1
        most = min(TOTAL_DIGITS, MOST_DIGITS - room.size.bit_length())
        digits = min(SCALE_DIGITS, most - top.bit_length())
        if digits < 0 or int(need.sum()) >= 2**40 or int(room.max()) >= 2**40:
            raise ValueError("costs, demand or capacity are too large; use a coarser unit")
        at = i.astype(np.int32)
        return cls(
            ptr, at, c, need, room, fee, 2**digits, hash_arrays(ptr, at, c, need, room, fee)
        )  # fmt: skip

    @classmethod
    def from_matrix(
        cls,
        cost: ArrayLike,
        demand: ArrayLike,
        capacity: ArrayLike,
        opening_cost: ArrayLike | None = None,
    ) -> CapacityProblem:
        """Take costs as (n_row, n_site); infinity marks a pair that is not allowed."""
        table = np.asarray(cost, np.float64)
        if table.ndim != 2 or np.isnan(table).any():
            raise ValueError("cost must be a table (rows, sites) without NaN")
        if table.shape != (np.size(demand), np.size(capacity)):
            raise ValueError(
                f"cost has shape {table.shape}, demand and capacity ask for "
                f"({np.size(demand)}, {np.size(capacity)})"
            )
        site, row = np.nonzero(~np.isposinf(table.T))
        return cls.from_pairs(row, site, table[row, site], demand, capacity, opening_cost)

    @classmethod
    def from_points(
        cls,
        row_xy: ArrayLike,
        site_xy: ArrayLike,
        demand: ArrayLike,
        capacity: ArrayLike,
        opening_cost: ArrayLike | None = None,
        *,
        weight: ArrayLike | None = None,
        reach: float = math.inf,
    ) -> CapacityProblem:
        """Take plane distance times `weight` (the demand by default); pairs within `reach` only."""
        rows, sites = np.asarray(row_xy, np.float64), np.asarray(site_xy, np.float64)
        need = whole(demand, "demand", 1)
        per_row = need.astype(np.float64) if weight is None else np.asarray(weight, np.float64)
        if per_row.shape != (len(rows),):
            raise ValueError(f"weight must have shape ({len(rows)},). Got {per_row.shape}")
        parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
        for a in range(0, len(rows), ROWS_AT_ONCE):
            step = rows[a : a + ROWS_AT_ONCE, None, :] - sites[None]
            far = np.sqrt(step[..., 0] ** 2 + step[..., 1] ** 2)
            i, j = np.nonzero(far <= reach)
            parts.append((i + a, j, far[i, j] * per_row[i + a]))
        i, j, c = (np.concatenate([p[k] for p in parts]) for k in range(3))
        return cls.from_pairs(i, j, c, need, capacity, opening_cost)

    @property
    def n_row(self) -> int:
        """Number of demand rows."""
        return int(self.demand.size)

    @property
    def n_site(self) -> int:
        """Number of sites."""
        return int(self.capacity.size)

    def site_of_pair(self) -> NDArray[np.int32]:
        """Return the site of every pair."""
        return np.repeat(np.arange(self.n_site, dtype=np.int32), np.diff(self.site_ptr))

    def scaled(self, cost: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return ``floor(scale * cost)``; scaling by a power of two is exact."""
        return np.floor(cost * float(self.scale)).astype(np.int64)

    def pair_number(self, rows: NDArray[Any], sites: NDArray[Any]) -> NDArray[np.int64]:
        """Return where pairs stand, -1 for pairs that are not allowed."""
        wanted, place = np.asarray(rows, np.int64), np.asarray(sites, np.int64)
        low, end = self.site_ptr[place], self.site_ptr[place + 1]
        high, last = end.copy(), max(0, self.row.size - 1)
        # halving, all pairs at once: the rows of each site ascend
        while (low < high).any():
            middle = (low + high) >> 1
            is_open = low < high
            is_before = is_open & (self.row[np.minimum(middle, last)] < wanted)
            low = np.where(is_before, middle + 1, low)
            high = np.where(is_open & ~is_before, middle, high)
        at = np.minimum(low, last)
        return np.where((low < end) & (self.row[at] == wanted), at, -1)


def whole(given: ArrayLike, name: str, least: int) -> NDArray[np.int64]:
    """Return whole numbers as int64 or say which entry is at fault."""
    value = np.asarray(given)
    if value.ndim != 1:
        raise ValueError(f"{name} must be one row of numbers. Got shape {value.shape}")
    fine = np.isfinite(value) & (value >= least) & (np.floor(value) == value)
    if not fine.all():
        at = int(np.flatnonzero(~fine)[0])
        raise ValueError(
            f"{name} must be whole numbers >= {least}. Got {value[at]} at {at} "
            f"({int((~fine).sum())} at fault); choose a finer unit for fractions"
        )
    return value.astype(np.int64)
