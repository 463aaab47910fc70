"""A median or facility problem in arrays, checked before any work begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.check_limits import Limits, check_site_groups
from groundplan.engine.location.check_median import floor_scaled
from groundplan.engine.location.near import fastest_cost
from groundplan.engine.location.request import check_count
from groundplan.errors import InfeasibleError

__all__ = ["Problem", "check_request", "in_space_order"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
SiteArray = NDArray[np.int32]


@dataclass
class Problem:
    """A median or facility problem in arrays, checked."""

    costs: AssignmentCost
    form: str
    opening: NDArray[Any] | None
    existing: BoolArray
    forbidden: BoolArray
    p: int | None
    limits: Limits | None = None

    def __post_init__(self) -> None:
        m = self.costs.n_site
        self.candidate = ~self.existing & ~self.forbidden
        self.price = np.zeros(m)
        self.scaled_opening = np.zeros(m, np.int64)
        if self.opening is not None:
            self.price = self.opening.astype(np.float64)
            scale = self.costs.scale
            self.scaled_opening = np.array(
                [floor_scaled(v, scale) for v in self.opening.tolist()], np.int64
            )
        self.old_sites = np.flatnonzero(self.existing).astype(np.int32)

    @property
    def is_whole(self) -> bool:
        """Whether every value is a whole number."""
        whole = self.opening is None or bool(np.issubdtype(self.opening.dtype, np.integer))
        return self.costs.is_whole and whole

    def assign(self, sites: SiteArray) -> SiteArray:
        """Return the cheapest open site of each row."""
        return fastest_cost(self.costs, np.concatenate([self.old_sites, sites]).astype(np.int32))[0]

    def value(self, sites: SiteArray, assignment: SiteArray) -> int | float:
        """Return the cost of a plan, opening included."""
        value = self.costs.total(assignment)
        if self.opening is not None:
            value += self.opening[sites].sum().item()
        return value

    def evaluate(self, sites: SiteArray) -> int | float:
        """Return the value of a plan, infinite where it serves no row."""
        if not sites.size and not self.old_sites.size:
            return float("inf")
        if self.limits is not None and not self.limits.keeps(sites):
            return float("inf")
        sites = np.sort(sites)
        return self.value(sites, self.assign(sites))

    def column(self, site: int) -> FloatArray:
        """Return what each row costs from one site."""
        table = self.costs.block(0, self.costs.n_row, np.array([site]))
        return np.ascontiguousarray(table[:, 0], np.float64)


def space_order(xy: FloatArray) -> NDArray[np.int64]:
    """Return an order in which neighbours in the plane mostly stay so: bins in serpentines."""
    side = max(1, int(np.sqrt(len(xy) / 8)))
    low = xy.min(axis=0)
    extent = np.maximum(np.ptp(xy, axis=0), 1e-300)
    column, row = np.minimum(((xy - low) / extent * side).astype(np.int64), side - 1).T
    return np.lexsort((np.where(row % 2, side - 1 - column, column), row))


def in_space_order(
    problem: Problem,
) -> tuple[Problem, NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Return the problem with points in space order, and the orders; a matrix stays as it is."""
    costs = problem.costs
    if costs.row_xy is None or costs.site_xy is None:
        return problem, None, None
    rows, sites = space_order(costs.row_xy), space_order(costs.site_xy)
    moved = replace(
        costs, weight=costs.weight[rows], row_xy=costs.row_xy[rows], site_xy=costs.site_xy[sites]
    )
    return (
        Problem(
            moved,
            problem.form,
            None if problem.opening is None else problem.opening[sites],
            problem.existing[sites],
            problem.forbidden[sites],
            problem.p,
            None if problem.limits is None else problem.limits.of(sites),
        ),
        rows,
        sites,
    )


def check_request(
    costs: AssignmentCost | ArrayLike,
    form: str,
    p: int | None,
    opening_cost: NDArray[Any] | None,
    existing: BoolArray | None,
    forbidden: BoolArray | None,
    asked: tuple[Any, Any, Any] = (None, None, None),
) -> Problem:
    """Return the problem, or say what is wrong with the request.

    `asked` are the groups of the sites, their least and their largest numbers.
    """
    costs = AssignmentCost.of(costs)
    m = costs.n_site
    masks = []
    for name, mask in (("existing", existing), ("forbidden", forbidden)):
        if mask is not None and np.shape(mask) != (m,):
            raise ValueError(f"{name} must have shape ({m},). Got {np.shape(mask)}")
        masks.append(np.zeros(m, bool) if mask is None else np.asarray(mask, bool))
    old, out = masks
    if costs.n_row == 0:
        raise ValueError("there are no demand rows to assign")
    opening = None
    if opening_cost is not None:
        opening = np.asarray(opening_cost)
        if opening.shape != (m,):
            raise ValueError(f"opening_cost must have shape ({m},). Got {opening.shape}")
        whole = np.issubdtype(opening.dtype, np.integer)
        opening = np.ascontiguousarray(opening, np.int64 if whole else np.float64)
        bad = ~(opening >= 0) | (opening * float(costs.scale) >= 2.0**61)
        if bad.any():
            j = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"opening_cost must be >= 0 and below 2**61 / scale. Got {opening[j]} at site {j}"
            )
    if p is not None:
        p = check_count(p, "p")
    if not old.any():
        if p == 0:
            raise InfeasibleError("no plan serves the demand", ["p is 0", "no site exists yet"])
        if not (~out).any():
            raise InfeasibleError(
                "no plan serves the demand", ["every site is forbidden", "no site exists yet"]
            )
    candidates = int((~old & ~out).sum())
    limits = None
    if any(part is not None for part in asked):
        limits = check_site_groups(*asked, old, ~old & ~out, p=p)
        if not old.any() and not limits.most[limits.group[~out]].any():
            raise InfeasibleError(
                "no plan serves the demand", ["no group may have a site", "no site exists yet"]
            )
    count = None if p is None else min(int(p), candidates)
    return Problem(costs, form, opening, old, out, count, limits)
