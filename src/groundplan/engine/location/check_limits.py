r"""Limits on the sites of a group, and the check of maximal covering under them, in plain NumPy.

Every site lies in one group or in none; a plan has at least ``least_g`` and at most ``most_g``
sites of group g, existing ones included. With the prices ``q_i`` of `certificate`, a price mu of
the budget (or of a site, with p) and a price ``nu_g`` of each group, above 0 where it has too many
and below 0 where it has too few, no plan that keeps the limits serves more than

.. math:: \mathrm{base} + \frac{1}{D} \Big( \sum_i w_i (D - q_i) + \mu B
          + \sum_g (\nu_g^+ u_g - \nu_g^- l_g) + \sum_j (s_j - \mu f_j - \nu_{g(j)})^+ \Big)

with u and l what the limits leave beyond the existing sites. At the best prices of groups this is
what the best choice of sites that keeps the limits scores: sites of groups form a partition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import (
    BUDGET_DIGITS,
    CHUNK,
    DENOMINATOR,
    confirm,
    list_differences,
    recompute,
    reduced_scores,
    seal,
    tile_differences,
)
from groundplan.engine.location.check_tiles import tile_loss_of
from groundplan.engine.problem import Decision
from groundplan.errors import InfeasibleError, VerificationError

if TYPE_CHECKING:
    from groundplan.engine.location.coverage import Coverage

__all__ = ["Limits", "check_site_groups", "most_within", "verify_limited"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """How many sites a plan may have of each group, existing ones left out.

    Attributes
    ----------
    group : (n_site,) int64
        Group of each site; sites of no group are in the last one, which has no limits.
    least, most : (n_group + 1,) int64
    """

    group: IntArray
    least: IntArray
    most: IntArray

    @property
    def n_group(self) -> int:
        """Number of groups, the one without limits left out."""
        return int(self.least.size - 1)

    def counts(self, sites: NDArray[Any]) -> IntArray:
        """Return how many of some sites (numbers or flags) lie in each group."""
        out: IntArray = np.bincount(self.group[sites], minlength=self.least.size)
        return out

    def keeps(self, sites: NDArray[Any]) -> bool:
        """Return whether a plan keeps all limits."""
        counts = self.counts(sites)
        return bool((counts >= self.least).all() and (counts <= self.most).all())

    def faults(self, sites: NDArray[Any]) -> list[str]:
        """Return the limits that a plan does not keep, in words."""
        counts = self.counts(sites)
        found = []
        for g in range(self.n_group):
            n, low, high = (int(a[g]) for a in (counts, self.least, self.most))
            if not low <= n <= high:
                found.append(f"group {g}: the plan has {n} new sites, {low} to {high} are allowed")
        return found

    def of(self, sites: NDArray[Any]) -> Limits:
        """Return the same limits of some sites, numbered anew."""
        return Limits(self.group[sites], self.least, self.most)

    def without(self, opened: NDArray[Any]) -> Limits:
        """Return what the limits leave beside some sites that are in the plan already."""
        held = self.counts(opened)
        return Limits(self.group, np.maximum(0, self.least - held), self.most - held)

    def arrays(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return the arrays that a hash of the input holds."""
        return self.group, self.least, self.most

    def best(self, key: NDArray[Any], candidate: BoolArray) -> BoolArray:
        """Return the candidates of largest `key` that fill the least number of every group."""
        out = np.zeros(candidate.size, bool)
        out[cheapest(self, candidate, -key)] = True
        return out

    def income(self, price: IntArray) -> int:
        """Return what prices of the groups are worth: a cap's times its number, less a floor's."""
        up, down = np.maximum(price, 0), np.maximum(-price, 0)
        parts = zip(up.tolist(), down.tolist(), self.most, self.least, strict=True)
        return sum(a * int(u) - b * int(low) for a, b, u, low in parts)


def check_site_groups(
    site_group: Any,
    least: Any,
    most: Any,
    existing: BoolArray,
    candidate: BoolArray,
    *,
    p: int | None = None,
    budget: int | None = None,
    cost: IntArray | None = None,
) -> Limits:
    """Return the limits beyond existing sites, or say what is wrong with them.

    Parameters
    ----------
    site_group : (n_site,) int
        0 .. n_group - 1; -1 for sites of no group.
    least, most : (n_group,) int or None
        Of each group, existing sites included; at least one of the two.
    existing, candidate : (n_site,) bool
    p, budget, cost : optional
        What the plan may have in all.

    Raises
    ------
    ValueError
        Where an array is not what it must be.
    InfeasibleError
        With every conflict.
    """
    n = existing.size
    group = np.asarray(site_group)
    if site_group is None or (least is None and most is None):
        raise ValueError("site_group must be given together with least, most or both")
    if group.shape != (n,) or not np.issubdtype(group.dtype, np.integer):
        raise ValueError(f"site_group must be whole numbers of shape ({n},). Got {group.shape}")
    sizes = {np.shape(a) for a in (least, most) if a is not None}
    if len(sizes) > 1 or any(len(s) != 1 for s in sizes):
        raise ValueError(f"least and most must have one number for each group. Got {sizes}")
    n_group = sizes.pop()[0]
    if n and not (group.min() >= -1 and group.max() < n_group):
        raise ValueError(f"site_group must lie in -1..{n_group - 1}")
    low = np.zeros(n_group, np.int64) if least is None else np.asarray(least)
    high = np.full(n_group, n, np.int64) if most is None else np.asarray(most)
    for name, array in (("least", low), ("most", high)):
        if not np.issubdtype(array.dtype, np.integer) or (array < 0).any():
            raise ValueError(f"{name} must be whole numbers >= 0, one for each group")
    mine = np.where(group < 0, n_group, group).astype(np.int64)
    standing = np.bincount(mine[existing], minlength=n_group + 1)[:n_group]
    may = np.bincount(mine[candidate], minlength=n_group + 1)[:n_group]
    conflicts = []
    for g in range(n_group):
        if low[g] > high[g]:
            conflicts.append(f"group {g}: at least {low[g]}, at most {high[g]}")
        elif low[g] > standing[g] + may[g]:
            conflicts.append(
                f"group {g}: at least {low[g]}, but {standing[g]} sites stand and {may[g]} may be "
                "chosen"
            )
        if high[g] < standing[g]:
            conflicts.append(f"group {g}: at most {high[g]}, but {standing[g]} sites stand already")
    new = np.append(np.maximum(0, low - standing), 0).astype(np.int64)
    limits = Limits(mine, new, np.append(np.clip(high - standing, 0, may), n).astype(np.int64))
    if p is not None and int(new.sum()) > p:
        conflicts.append(f"the groups need at least {int(new.sum())} new sites together, p is {p}")
    if budget is not None and cost is not None and not conflicts:
        spent = int(cost[cheapest(limits, candidate, cost)].sum())
        if spent > budget:
            conflicts.append(
                f"the sites the groups need cost at least {spent}, the budget is {budget}"
            )
    if conflicts:
        raise InfeasibleError("no plan keeps the limits on the groups of sites", conflicts)
    return limits


def cheapest(limits: Limits, candidate: BoolArray, cost: NDArray[Any]) -> IntArray:
    """Return the cheapest candidates that fill the least number of every group."""
    site = np.flatnonzero(candidate)
    site = site[np.lexsort((site, cost[site], limits.group[site]))]
    return site[ranks(limits.group[site]) < limits.least[limits.group[site]]]


def most_within(
    limits: Limits, group: IntArray, gain: NDArray[Any], p: int | None
) -> int | float | None:
    """Return the most that a choice within the limits gains; None where they allow no choice.

    Parameters
    ----------
    group, gain : (n_free,)
        Of the sites that may be chosen.
    p : int or None
        Most sites in all.
    """
    if (np.bincount(group, minlength=limits.least.size) < limits.least).any():
        return None
    room = None if p is None else p - int(limits.least.sum())
    if (limits.most < limits.least).any() or (room is not None and room < 0):
        return None
    order = np.lexsort((-gain, group))
    mine, gain = group[order], gain[order]
    rank = ranks(mine)
    due = gain[rank < limits.least[mine]]
    free = gain[(rank >= limits.least[mine]) & (rank < limits.most[mine]) & (gain > 0)]
    if room is not None and room < free.size:
        free = np.partition(free, free.size - room)[free.size - room :] if room else free[:0]
    found: int | float = sum(due.tolist()) + sum(free.tolist())
    return found


def ranks(group: IntArray) -> IntArray:
    """Return the place of each entry within its group, where groups stand one after another."""
    first = np.flatnonzero(np.diff(group, prepend=-1))
    length = np.diff(np.append(first, group.size))
    out: IntArray = np.arange(group.size) - np.repeat(first, length)
    return out


def verify_limited(
    coverage: Coverage,
    decision: Decision,
    *,
    site_group: NDArray[np.integer],
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    forbidden: BoolArray | None = None,
    cost: IntArray | None = None,
) -> dict[str, int]:
    """Recompute value, limits and bound of a decision under limits; raise where they differ.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound``, ``bound_by_prices``.

    Raises
    ------
    VerificationError
    """
    c = decision.certificate
    if c.form != "covering_with_limits":
        raise VerificationError([f"form {c.form!r} is not one with limits"])
    candidate = ~coverage.existing
    if forbidden is not None:
        candidate &= ~np.asarray(forbidden, bool)
    limits = check_site_groups(site_group, least, most, coverage.existing, candidate)
    found = limits.faults(decision.sites)
    if seal(c, decision.sites).record_hash != c.record_hash:
        found.append("the record does not match its own hash")
    seen = recompute(coverage, decision)
    reduced, paid = reduced_by_group(limits, seen.score, cost, decision)
    numerator = coverage.base_value * DENOMINATOR + paid - tile_loss_of(c.prices)
    numerator += kept_weight(coverage.raw_weight, c.prices["row"], seen.is_open)
    numerator += int(np.maximum(reduced[candidate], 0).sum())
    plain = seal(replace(c, form="maximal_covering"), decision.sites)
    found += list_differences(
        plain, decision.sites, input_hash=coverage.input_hash, candidate=candidate, cost=cost,
        value=seen.value, numerator=numerator,
    )  # fmt: skip
    # the dear part last, and only where all that is cheap holds
    if "tile_loss" in c.prices and not found:
        found += tile_differences(coverage, c.prices, candidate, seen, reduced)
    return confirm(coverage, decision, seen.value, numerator, found)


def reduced_by_group(
    limits: Limits, score: IntArray, cost: IntArray | None, decision: Decision
) -> tuple[IntArray, int]:
    """Return the reduced scores of all sites, and what budget and limits are worth."""
    c = decision.certificate
    price, budget_price = np.asarray(c.prices["group"]), int(c.prices["budget"][0])
    if price.shape != (limits.n_group,) or budget_price < 0:
        raise VerificationError("the prices of the groups are not one whole number for each")
    if int(np.abs(price.astype(object)).max(initial=0)) >= 2**62:
        raise VerificationError("the prices of the groups are out of range")
    p = c.parameters.get("p")
    if p is None and cost is None:
        raise VerificationError("a budget is checked with its costs")
    amount = int(c.parameters["budget"]) if p is None else int(p)
    each = np.append(price.astype(np.int64), 0)
    reduced = reduced_scores(score, cost if p is None else None, c.prices) - each[limits.group]
    paid = -(-budget_price * amount >> BUDGET_DIGITS)
    return reduced, paid + limits.income(each)


def kept_weight(weight: IntArray, price: NDArray[np.uint16], is_open: BoolArray) -> int:
    """Return ``sum w_i (D - q_i)`` over the rows that candidates reach."""
    total = 0
    for a in range(0, weight.size, CHUNK):
        part = slice(a, a + CHUNK)
        kept = DENOMINATOR - price[part].astype(np.int64)
        total += int((weight[part] * kept)[is_open[part]].sum())
    return total
