r"""Check of median and facility decisions in plain NumPy, with no code of the solver.

The certificate holds whole-number prices ``lam`` in units of 1 / scale and a tree. Each inner node
of the tree splits the plans into those with a site open and those with it closed; each leaf names a
row of prices. With O the sites opened and Z those closed on the way to a leaf, every plan of the
leaf costs at least

.. math:: \frac{1}{scale} \Big( \sum_i w_i \lambda_i - \sum_{j \in O} (\rho_j - f_j)
          - \mathrm{top}_{p - |O|} (\rho_j - f_j)^+ \Big), \qquad
          \rho_j = \sum_i w_i (\lambda_i - c_{ij})^+,

with c and f scaled and rounded down, and existing sites open at no cost. The bound is the least
over the leaves; a tree of one leaf is the Lagrangian bound. Prices of any size >= 0 are valid.
With limits on the groups of sites, the best choice of the free ones that keeps them takes the place
of the top: the least number of each group, then the best that caps and p still allow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.certificate import record_hash
from groundplan.engine.location.check_center import radius
from groundplan.engine.location.check_limits import Limits, check_site_groups, most_within
from groundplan.engine.location.check_radius import Strips
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.problem import Decision
from groundplan.errors import VerificationError

__all__ = ["input_hash_of", "tree_bound", "verify_median"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FORMS = ("p_median", "uncapacitated_facility")
#: Entries of the cost table handled at once.
BLOCK = 2_000_000


def input_hash_of(
    costs: AssignmentCost,
    opening: NDArray[Any] | None,
    existing: BoolArray,
    forbidden: BoolArray,
    limits: Limits | None = None,
) -> str:
    """Return the hash over everything the problem is made of."""
    raw = (costs.weight, costs.matrix, costs.row_xy, costs.site_xy, np.array([costs.truncated]))
    groups = () if limits is None else limits.arrays()
    return hash_arrays(*raw, opening, existing, forbidden, *groups)


class Scores:
    """Site scores ``rho`` of each row of prices, for the sites asked so far."""

    def __init__(self, costs: AssignmentCost, prices: IntArray) -> None:
        self.costs, self.prices = costs, prices
        self.held: dict[int, tuple[BoolArray, IntArray]] = {}

    def of(self, k: int, needed: BoolArray) -> IntArray:
        """Return ``rho`` under prices k; right where `needed` holds."""
        known = self.held.get(k)
        if known is not None and not (needed & ~known[0]).any():
            return known[1]
        mask = needed if known is None else needed | known[0]
        rho = self.compute(self.prices[k], np.flatnonzero(mask))
        self.held = {k: (mask, rho), **{a: b for a, b in self.held.items() if a != k}}
        return rho

    def compute(self, lam: IntArray, sites: NDArray[np.int64]) -> IntArray:
        """Return ``sum_i w_i (lam_i - floor(scale d_ij))+`` for the sites named."""
        costs, n = self.costs, self.costs.n_row
        rho = np.zeros(costs.n_site, np.int64)
        if not sites.size or not n:
            return rho
        if costs.row_xy is not None and costs.site_xy is not None and n * sites.size > BLOCK:
            # distances below (lam + 1) / scale, with a little slack: floor decides below
            radius = (lam + 1) / costs.scale * (1 + 1e-9) + (1.0 if costs.truncated else 1e-9)
            rows = np.arange(n)
            height = float(np.median(radius)) / 2
            strips = Strips(costs.site_xy[sites], np.arange(sites.size), height, None)
            for at, row in strips.pairs(costs.row_xy, radius, rows):
                c = costs.scaled(costs.pairs(row, sites[at]))
                gain = costs.weight[row] * np.maximum(lam[row] - c, 0)
                # whole numbers, added by sorting: bincount would add in doubles
                order = np.argsort(at, kind="stable")
                first = np.flatnonzero(np.diff(at[order], prepend=-1))
                if first.size:
                    rho[sites[at[order][first]]] += np.add.reduceat(gain[order], first)
            return rho
        step = max(1, BLOCK // sites.size)
        for lo in range(0, n, step):
            hi = min(n, lo + step)
            over = lam[lo:hi, None] - costs.scaled(costs.block(lo, hi, sites))
            np.maximum(over, 0, out=over)
            rho[sites] += costs.weight[lo:hi] @ over
        return rho


def tree_bound(
    costs: AssignmentCost,
    opening: IntArray,
    existing: BoolArray,
    candidate: BoolArray,
    p: int | None,
    prices: IntArray,
    tree_site: NDArray[np.int32],
    tree_price: NDArray[np.int32],
    limits: Limits | None = None,
) -> int:
    """Return the least leaf bound times scale, or raise where the tree is none.

    Parameters
    ----------
    opening : (n_site,) int64
        Scaled opening costs, rounded down.
    prices : (n_price, n_row) int64
    tree_site : (n_node,) int32
        Nodes in preorder, the side with the site open first; -1 at leaves.
    tree_price : (n_node,) int32
        Row of `prices` at leaves, -1 elsewhere.
    limits : Limits, optional
        On the groups of sites.
    """
    check_magnitudes(costs, opening, prices)
    income = [sum((costs.weight * lam).tolist()) for lam in prices]
    scores = Scores(costs, prices)
    opened, closed = np.zeros(costs.n_site, bool), np.zeros(costs.n_site, bool)
    path: list[tuple[int, bool]] = []
    least: int | None = None
    done = False
    for site, k in zip(tree_site.tolist(), tree_price.tolist(), strict=True):
        if done:
            raise VerificationError("the tree has nodes after its last leaf")
        if site >= 0:
            if (
                site >= costs.n_site
                or k != -1
                or not candidate[site]
                or opened[site]
                or closed[site]
            ):
                raise VerificationError(f"the tree splits on site {site}, which it cannot")
            opened[site] = True
            path.append((site, True))
            continue
        if site != -1:
            raise VerificationError(f"the tree splits on site {site}, which it cannot")
        if not 0 <= k < len(prices):
            raise VerificationError(f"a leaf names prices {k} of {len(prices)}")
        bound = leaf_bound(
            scores, income, k, opening, existing, candidate, opened, closed, p, limits
        )
        if bound is not None:
            least = bound if least is None else min(least, bound)
        while path and not path[-1][1]:
            closed[path.pop()[0]] = False
        if path:
            turned = path.pop()[0]
            opened[turned], closed[turned] = False, True
            path.append((turned, False))
        else:
            done = True
    if not done or least is None:
        raise VerificationError("the tree does not cover all plans")
    return least


def leaf_bound(
    scores: Scores,
    income: list[int],
    k: int,
    opening: IntArray,
    existing: BoolArray,
    candidate: BoolArray,
    opened: BoolArray,
    closed: BoolArray,
    p: int | None,
    limits: Limits | None = None,
) -> int | None:
    """Return the bound of one leaf times scale; None where the leaf holds no plan."""
    free = candidate & ~opened & ~closed
    left = None if p is None else p - int(opened.sum())
    if left is not None and left < 0:
        return None
    if not (existing.any() or opened.any()) and (left == 0 or not free.any()):
        return None
    rho = scores.of(k, existing | opened | free)
    total: int = income[k] - sum(rho[existing].tolist()) - sum((rho - opening)[opened].tolist())
    gain = (rho - opening)[free]
    if limits is not None:
        most = most_within(limits.without(opened), limits.group[free], gain, left)
        return None if most is None else int(total - most)
    if left is not None and left < gain.size:
        gain = np.partition(gain, gain.size - left)[gain.size - left :] if left else gain[:0]
    return int(total - sum(gain[gain > 0].tolist()))


def check_magnitudes(costs: AssignmentCost, opening: IntArray, prices: IntArray) -> None:
    """Raise where sums could leave 63 bits, or prices are not prices."""
    if prices.ndim != 2 or prices.shape[1:] != (costs.n_row,) or prices.dtype != np.int64:
        raise VerificationError(f"prices of shape {prices.shape} for {costs.n_row} rows")
    if prices.size and int(prices.min()) < 0:
        raise VerificationError("a price is below 0")
    weight = sum(costs.weight.tolist())
    largest = max(int(prices.max(initial=0)), int(costs.cost_max) + 1)
    if weight * largest >= 2**62 or (opening.size and int(opening.max()) >= 2**62):
        raise VerificationError("prices or opening costs are too large to add up in 63 bits")


def verify_median(
    costs: AssignmentCost,
    decision: Decision,
    *,
    opening_cost: NDArray[Any] | None = None,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
) -> dict[str, Any]:
    """Recompute value and bound of a median or facility decision; raise where they differ.

    Parameters
    ----------
    costs : AssignmentCost
    decision : Decision
    opening_cost, existing, forbidden, site_group, least, most
        As given to the solver.

    Returns
    -------
    dict
        ``value``, ``base_value`` (what service from the existing sites alone costs, in whole
        numbers), ``bound``, ``bound_numerator``.

    Raises
    ------
    VerificationError
        With every difference found.
    """
    c = decision.certificate
    n, m = costs.n_row, costs.n_site
    old = np.zeros(m, bool) if existing is None else np.asarray(existing, bool)
    out = np.zeros(m, bool) if forbidden is None else np.asarray(forbidden, bool)
    candidate = ~old & ~out
    money = None if opening_cost is None else np.asarray(opening_cost)
    found: list[str] = []
    if c.form not in FORMS or c.denominator != costs.scale:
        found.append(f"form {c.form!r} with scale {c.denominator} is not the problem's")
    limits = None
    if site_group is not None or least is not None or most is not None:
        limits = check_site_groups(site_group, least, most, old, candidate)
    if c.input_hash != input_hash_of(costs, money, old, out, limits):
        found.append("the inputs are not those of the certificate")
    if record_hash(c, decision.sites, decision.assignment) != c.record_hash:
        found.append("the record does not match its own hash")
    p = c.parameters.get("p")
    sites, assignment = decision.sites, decision.assignment
    in_range = not sites.size or (int(sites.min()) >= 0 and int(sites.max()) < m)
    if not in_range or np.unique(sites).size != sites.size or not candidate[sites].all():
        raise VerificationError([*found, "the plan names a site twice, or one it may not open"])
    if p is not None and sites.size > p:
        found.append(f"the plan has {sites.size} sites, at most {p} are allowed")
    found += [] if limits is None else limits.faults(sites)
    usable = old.copy()
    usable[sites] = True
    if assignment is None or assignment.shape != (n,) or n == 0:
        raise VerificationError([*found, "the decision assigns no rows"])
    if int(assignment.min()) < 0 or int(assignment.max()) >= m or not usable[assignment].all():
        raise VerificationError([*found, "a row is assigned to a site that is not open"])
    value = costs.total(assignment)
    if money is not None:
        value += money[sites].sum().item()
    whole = costs.is_whole and (money is None or np.issubdtype(money.dtype, np.integer))
    scaled = np.zeros(m, np.int64)
    if money is not None:
        scaled = np.array([floor_scaled(v, costs.scale) for v in money.tolist()], np.int64)
    names = ("row", "tree_price", "tree_site")
    if (
        tuple(sorted(c.prices)) != names
        or c.prices["tree_site"].shape != c.prices["tree_price"].shape
    ):
        raise VerificationError([*found, f"the certificate must hold the arrays {names}"])
    numerator = tree_bound(
        costs, scaled, old, candidate, p, c.prices["row"], c.prices["tree_site"],
        c.prices["tree_price"], limits,
    )  # fmt: skip
    bound: int | float = -(-numerator // costs.scale) if whole else numerator / costs.scale
    bound = max(0, bound)
    for name, told, true in (
        ("value", decision.value, value),
        ("the certificate's value", c.value, value),
        ("the bound's numerator", c.bound_numerator, numerator),
    ):
        if told != true:
            found.append(f"{name} is {true}, told is {told}")
    if decision.bound_by == "prices" and decision.bound != bound:
        found.append(f"bound is {bound}, told is {decision.bound}")
    meets = decision.bound >= value if whole else value - decision.bound <= 1e-9 * value
    if (decision.status == "optimal") is not bool(meets):
        found.append(f"status {decision.status!r} with value {value}, bound {decision.bound}")
    if found:
        raise VerificationError(found)
    base = 0
    if old.any():
        base = int(costs.total(radius(costs, np.flatnonzero(old))[1]))
    return {"value": value, "base_value": base, "bound": bound, "bound_numerator": numerator}


def floor_scaled(cost: float, scale: int) -> int:
    """Return ``floor(cost * scale)`` exactly."""
    top, bottom = float(cost).as_integer_ratio() if isinstance(cost, float) else (int(cost), 1)
    return top * scale // bottom
