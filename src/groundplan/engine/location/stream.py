"""Coverage of demand that never stands in memory as a whole: add part after part, then finish."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import spread
from groundplan.engine.location.coverage import (
    RANGE,
    Coverage,
    build,
    join_lists,
    merge_lists,
    site_keys,
)
from groundplan.engine.location.coverage_input import check_points, check_reach, check_weight
from groundplan.engine.location.points import SERVED, UNREACHED, hash_arrays
from groundplan.engine.location.reach import bin_sites, gather_rows, no_pairs

__all__ = ["CoverageStream"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
#: Lists that may wait before they are merged with those of earlier parts.
WAITING_MAX = 2_000_000


class CoverageStream:
    """Builds a `Coverage` from demand that comes in parts.

    Rows with equal lists are merged as they come, across parts too, so memory follows the number of
    different lists and not the number of rows. The rows of the finished coverage are the merged
    ones: a certificate on it holds a price for each of them, and its hash is taken over the merged
    lists and their weights. Where the raw rows must be provable, use `Coverage.from_radius`.

    Parameters
    ----------
    site_xy_m : (n_site, 2) float64
    radius_m : float or (n_site,) float64
    existing : (n_site,) bool, optional
        Sites that serve already.
    site_layer : (n_site,) int8, optional
        A site serves rows of its own layer only.

    Examples
    --------
    >>> import numpy as np
    >>> stream = CoverageStream(np.array([[0.0, 0.0], [3.0, 0.0]]), 2.0)
    >>> stream.add(np.array([[0.0, 1.0], [1.5, 0.0]]), np.array([10, 20]))
    >>> stream.add(np.array([[3.0, 1.0], [0.5, 0.0]]), np.array([5, 1]))
    >>> stream.finish().weight.tolist()
    [11, 20, 5]
    """

    def __init__(
        self,
        site_xy_m: FloatArray,
        radius_m: float | FloatArray,
        *,
        existing: NDArray[np.bool_] | None = None,
        site_layer: NDArray[np.int8] | None = None,
    ) -> None:
        self.site = np.ascontiguousarray(site_xy_m, np.float64)
        n = len(self.site)
        self.radius = np.broadcast_to(np.asarray(radius_m, np.float64), (n,)).copy()
        self.existing = np.zeros(n, bool) if existing is None else np.asarray(existing, bool)
        self.layer = None if site_layer is None else np.asarray(site_layer, np.int8)
        check_points(np.empty((0, 2)), self.site, self.radius)
        self.old = bin_sites(self.site, self.radius, self.layer, self.existing).arrays
        self.new = bin_sites(self.site, self.radius, self.layer, ~self.existing).arrays
        self.key = site_keys(n)
        self.merged = (np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))
        self.waiting: list[tuple[IntArray, NDArray[np.int32], IntArray]] = []
        self.served = self.unreached = self.rows = 0

    def add(
        self,
        demand_xy_m: FloatArray,
        weight: IntArray,
        *,
        demand_layer: NDArray[np.int8] | None = None,
        demand_reach_m: FloatArray | None = None,
    ) -> None:
        """Add rows; arguments as of `Coverage.from_radius`."""
        demand = np.ascontiguousarray(demand_xy_m, np.float64)
        n = len(demand)
        weight = check_weight(weight, n)
        check_points(demand, self.site[:0], self.radius[:0])
        if (demand_layer is None) != (self.layer is None):
            raise ValueError("give layers to demand rows and to sites, or to neither")
        own = check_reach(demand_reach_m, n)
        row_of = np.empty(n, np.int32)
        self.waiting += spread(
            gather_rows, [(a, min(a + RANGE, n)) for a in range(0, n, RANGE)], demand,
            np.empty(0) if own is None else np.square(own),
            np.empty(0, np.int8) if demand_layer is None else np.asarray(demand_layer, np.int8),
            weight, self.key, *self.old, *self.new, *no_pairs(), row_of,
        )  # fmt: skip
        self.rows += n
        self.served += int(weight[row_of == SERVED].sum())
        self.unreached += int(weight[row_of == UNREACHED].sum())
        if sum(part[2].size for part in self.waiting) > WAITING_MAX:
            self.merge()

    def merge(self) -> None:
        """Merge what waits with what came before."""
        if not self.waiting:
            return
        parts = [self.merged, *self.waiting]
        self.waiting = []
        indptr, indices, sums = join_lists(parts)
        row_of, row_indptr, row_indices = merge_lists(indptr, indices, self.key)
        total = np.zeros(row_indptr.size - 1, np.int64)
        np.add.at(total, row_of, sums)
        self.merged = (row_indptr, row_indices, total)

    def finish(self) -> Coverage:
        """Return the coverage of everything added, its merged rows as rows."""
        self.merge()
        indptr, indices, weight = self.merged
        # what no site reaches, and what existing ones serve, are one row each
        raw = np.concatenate([weight, [self.unreached, self.served]]).astype(np.int64)
        row_of = np.concatenate([np.arange(weight.size), [UNREACHED, SERVED]]).astype(np.int32)
        digest = hash_arrays(indptr, indices, raw, self.existing, self.site, self.radius)
        return build(
            indptr, indices, weight, row_of, raw, self.existing, self.site,
            float(self.radius.max(initial=0)), digest, self.layer,
        )  # fmt: skip
