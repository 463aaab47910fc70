"""`AssignmentCost`: demand rows, sites, and what serving each row from each site costs.

The cost of serving row i from site j is ``w_i d_ij``: a weight times a cost per unit, which is an
entry of a matrix, a distance between two points, or a shortest path. Bounds are proven in whole
numbers on ``floor(scale * d_ij)`` with `scale` a power of two, so that scaling is exact and the
rounded cost never lies above the true one. No kernel here: a check of a plan loads no compiler.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.location.points import hash_arrays

__all__ = ["AssignmentCost"]

#: Sums of weight times scaled cost stay below 2 ** TOTAL_DIGITS.
TOTAL_DIGITS = 60
#: Finer scales prove nothing more.
SCALE_DIGITS = 30
#: Rows shown in an error before "and n more".
SHOWN = 5
#: Path lengths from rows to all nodes of a graph that are held at once.
GRAPH_BLOCK = 1_000_000


@dataclass(frozen=True)
class AssignmentCost:
    """Weights and costs of a problem that assigns demand rows to sites.

    Build it with `from_matrix`, `from_points` or `from_graph`.

    Attributes
    ----------
    weight : (n_row,) int64
        Demand of each row, >= 0.
    matrix : (n_row, n_site) int64 or float64, optional
        Cost per unit of demand, >= 0; None where distances are computed when needed.
    row_xy, site_xy : (n, 2) float64, optional
        Plane coordinates in one length unit, where there is no matrix.
    truncated : bool
        Distances between points are cut to whole units (the reading of TSPLIB sets in the
        p-median literature).
    scale : int
        Power of two; bounds are proven on ``floor(scale * d_ij)``.
    cost_max : int or float
        No ``d_ij`` is larger.
    input_hash : str
        SHA-256 over the arrays and `truncated`.
    """

    weight: NDArray[np.int64]
    matrix: NDArray[Any] | None
    row_xy: NDArray[np.float64] | None
    site_xy: NDArray[np.float64] | None
    truncated: bool
    scale: int
    cost_max: int | float
    input_hash: str = field(repr=False)

    @classmethod
    def of(cls, costs: AssignmentCost | ArrayLike) -> AssignmentCost:
        """Return costs as they are, or those of a matrix of numbers, every row of demand one."""
        if isinstance(costs, cls):
            return costs
        table = np.asarray(costs)
        if table.ndim != 2 or not np.issubdtype(table.dtype, np.number):
            raise TypeError(
                "costs must be an AssignmentCost (made by from_matrix, from_points or from_graph) "
                f"or a matrix of rows by sites. Got {type(costs).__name__}"
            )
        return cls.from_matrix(table)

    @classmethod
    def from_matrix(
        cls, cost: ArrayLike, weight: ArrayLike | None = None, *, scale: int | None = None
    ) -> AssignmentCost:
        """Take the costs per unit of demand from a matrix.

        Parameters
        ----------
        cost : (n_row, n_site) array of numbers
            >= 0 and finite. Whole-number types stay whole, and so do value and bound.
        weight : (n_row,) array of whole numbers, optional
            Demand, >= 0; 1 where left out (costs that already hold the demand).
        scale : int, optional
            Power of two; by default the finest that fits 60 bits, at most 2 ** 30.

        Raises
        ------
        ValueError
            Naming the first rows, columns and values at fault.
        """
        table = np.asarray(cost)
        if table.ndim != 2:
            raise ValueError(f"cost must have shape (rows, sites). Got {table.shape}")
        if np.issubdtype(table.dtype, np.integer) or table.dtype == np.bool_:
            table = np.ascontiguousarray(table, np.int64)
            bad = table < 0
        else:
            table = np.ascontiguousarray(table, np.float64)
            bad = ~(table >= 0) | np.isinf(table)
        if bad.any():
            raise ValueError(describe_faults(table, bad))
        demand = check_weight(weight, table.shape[0])
        top: int | float = table.max().item() if table.size else 0
        return cls(
            demand, table, None, None, False, choose_scale(demand, top, scale), top,
            hash_arrays(demand, table),
        )  # fmt: skip

    @classmethod
    def from_points(
        cls,
        row_xy: ArrayLike,
        weight: ArrayLike | None,
        site_xy: ArrayLike,
        *,
        truncated: bool = False,
        scale: int | None = None,
    ) -> AssignmentCost:
        """Take Euclidean distances in the plane; the n x m table never stands in memory.

        Parameters
        ----------
        row_xy, site_xy : (n_row, 2), (n_site, 2) arrays of numbers
            Plane coordinates (projected, never degrees), one length unit for all.
        weight : (n_row,) array of whole numbers, optional
            Demand, >= 0; 1 where left out.
        truncated : bool
            Cut distances to whole units.
        scale : int, optional
            As in `from_matrix`.
        """
        rows, sites = check_xy(row_xy, "row_xy"), check_xy(site_xy, "site_xy")
        demand = check_weight(weight, len(rows))
        both = np.concatenate([rows, sites])
        reach = math.hypot(*(np.ptp(both, axis=0) if len(both) else (0.0, 0.0)))
        top: int | float = math.ceil(reach) if truncated else math.nextafter(reach, math.inf)
        return cls(
            demand, None, rows, sites, truncated, choose_scale(demand, top, scale), top,
            hash_arrays(demand, rows, sites, np.array([truncated], np.uint8)),
        )  # fmt: skip

    @classmethod
    def from_graph(
        cls,
        n_node: int,
        tail: ArrayLike,
        head: ArrayLike,
        length: ArrayLike,
        *,
        weight: ArrayLike | None = None,
        rows: ArrayLike | None = None,
        sites: ArrayLike | None = None,
        directed: bool = False,
        scale: int | None = None,
    ) -> AssignmentCost:
        """Take shortest paths in a graph; where an edge is repeated, the last length counts.

        Parameters
        ----------
        n_node : int
        tail, head : (n_edge,) arrays of node numbers, from 0
        length : (n_edge,) array of numbers
            >= 0; whole-number types give whole costs.
        weight : (n_row,) array of whole numbers, optional
        rows, sites : arrays of node numbers, optional
            Demand nodes and candidate nodes; all nodes where left out.
        directed : bool
        scale : int, optional

        Raises
        ------
        ValueError
            Where a node number is out of range or a row cannot reach a site.

        Notes
        -----
        Memory holds the table of rows by sites and paths to all nodes from a few rows at once.
        """
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import dijkstra

        a, b = np.asarray(tail, np.int64), np.asarray(head, np.int64)
        size = np.asarray(length)
        for name, node in (("tail", a), ("head", b)):
            if node.shape != size.shape or size.ndim != 1:
                raise ValueError(f"{name} and length must be of one length")
            if node.size and not (node.min() >= 0 and node.max() < n_node):
                raise ValueError(f"{name} must hold node numbers 0..{n_node - 1}")
        whole = np.issubdtype(size.dtype, np.integer)
        if size.size and not (size.min() >= 0 and np.isfinite(size).all()):
            raise ValueError("length must be finite and >= 0")
        ends = a * n_node + b if directed else np.minimum(a, b) * n_node + np.maximum(a, b)
        _, back = np.unique(ends[::-1], return_index=True)
        last = size.size - 1 - back
        keep = last[a[last] != b[last]]
        # csgraph takes a stored zero for an edge, which is what a length of zero means
        graph = csr_array((size[keep].astype(np.float64), (a[keep], b[keep])), (n_node, n_node))
        origin = np.arange(n_node) if rows is None else np.asarray(rows, np.int64)
        target = np.arange(n_node) if sites is None else np.asarray(sites, np.int64)
        path = np.empty((origin.size, target.size))
        step = max(1, GRAPH_BLOCK // max(1, n_node))
        for a_row in range(0, origin.size, step):
            part = origin[a_row : a_row + step]
            # from a few rows at once: all nodes by all rows never stand in memory
            far = dijkstra(graph, directed=directed, indices=part)
            path[a_row : a_row + step] = far[:, target]
        lost = np.argwhere(np.isinf(path))
        if lost.size:
            i, j = lost[0]
            raise ValueError(
                f"{len(lost)} pairs are not connected, the first is row node {origin[i]} and "
                f"site node {target[j]}; leave such nodes out or join the graph"
            )
        if whole and path.size and path.max() < 2**53:
            path = path.astype(np.int64)
        return cls.from_matrix(path, weight, scale=scale)

    @property
    def n_row(self) -> int:
        """Number of demand rows."""
        return int(self.weight.size)

    @property
    def n_site(self) -> int:
        """Number of sites."""
        if self.matrix is not None:
            return int(self.matrix.shape[1])
        return 0 if self.site_xy is None else len(self.site_xy)

    @property
    def is_whole(self) -> bool:
        """Whether every cost is a whole number."""
        return self.truncated or (self.matrix is not None and self.matrix.dtype == np.int64)

    def block(self, lo: int, hi: int, sites: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return ``d_ij`` of rows lo..hi-1, of all sites or of those named."""
        if self.matrix is not None:
            part: NDArray[Any] = self.matrix[lo:hi]
            return part if sites is None else part[:, sites]
        if self.row_xy is None or self.site_xy is None:
            raise ValueError("neither a matrix nor points")
        to = self.site_xy if sites is None else self.site_xy[sites]
        return self.distances(self.row_xy[lo:hi, None, :], to[None, :, :])

    def pairs(self, rows: NDArray[Any], sites: NDArray[Any]) -> NDArray[Any]:
        """Return ``d_ij`` of pairs."""
        if self.matrix is not None:
            found: NDArray[Any] = self.matrix[rows, sites]
            return found
        if self.row_xy is None or self.site_xy is None:
            raise ValueError("neither a matrix nor points")
        return self.distances(self.row_xy[rows], self.site_xy[sites])

    def distances(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[Any]:
        """Return distances by the one formula of this engine: no hypot, no fused steps."""
        dx, dy = a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]
        d = np.sqrt(dx * dx + dy * dy)
        return np.floor(d).astype(np.int64) if self.truncated else d

    def scaled(self, cost: NDArray[Any]) -> NDArray[np.int64]:
        """Return ``floor(scale * d)``; exact for whole costs."""
        if cost.dtype == np.int64:
            return np.asarray(cost * self.scale, np.int64)
        return np.floor(cost * float(self.scale)).astype(np.int64)

    def total(self, assignment: NDArray[Any]) -> int | float:
        """Return ``sum w_i d_i,a(i)``: a Python int for whole costs, else rounded once."""
        each = self.pairs(np.arange(self.n_row), assignment)
        if self.is_whole:
            return int((self.weight * each).sum())
        return math.fsum((self.weight * each).tolist())


def check_weight(weight: ArrayLike | None, n_row: int) -> NDArray[np.int64]:
    """Return the weights as int64 or say which row is at fault."""
    if weight is None:
        return np.ones(n_row, np.int64)
    given = np.asarray(weight)
    if given.shape != (n_row,):
        raise ValueError(f"weight must have shape ({n_row},). Got {given.shape}")
    whole = given.astype(np.int64)
    bad = (whole != given) | (whole < 0)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"weight must be whole numbers >= 0. Got {given[i]} in row {i} ({int(bad.sum())} rows "
            "at fault); put fractions into the cost instead"
        )
    return np.ascontiguousarray(whole)


def check_xy(xy: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return coordinates as (n, 2) float64 or say what is wrong."""
    points = np.ascontiguousarray(xy, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{name} must have shape (n, 2). Got {points.shape}")
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{name} must be finite. Got {points[i].tolist()} in row {i}")
    return points


def describe_faults(table: NDArray[Any], bad: NDArray[np.bool_]) -> str:
    """Return the sentence that names the first entries at fault."""
    at = np.argwhere(bad)
    shown = ", ".join(f"row {i} site {j}: {table[i, j]}" for i, j in at[:SHOWN])
    more = f" and {len(at) - SHOWN} more" if len(at) > SHOWN else ""
    return (
        f"cost must be finite and >= 0. Got {shown}{more}; give pairs that cannot serve a cost "
        "larger than any plan may use"
    )


def choose_scale(weight: NDArray[np.int64], top: float, asked: int | None) -> int:
    """Return the finest power of two with which every total stays below 2 ** 60."""
    largest = (sum(weight.tolist()) + 1) * (math.ceil(top) + 1)
    if asked is not None:
        if asked < 1 or asked & (asked - 1):
            raise ValueError(f"scale must be a power of two >= 1. Got {asked}")
        if largest * asked >= 2**TOTAL_DIGITS:
            raise ValueError(f"scale {asked} times the largest total {largest} leaves 60 bits")
        return asked
    digits = min(SCALE_DIGITS, TOTAL_DIGITS - largest.bit_length())
    if digits < 0:
        raise ValueError(
            f"total weight times largest cost, {largest}, does not fit 60 bits; use a coarser unit"
        )
    return int(2**digits)
