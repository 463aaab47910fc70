r"""Certificates: a bound in whole numbers, and its check in plain NumPy.

Every raw demand row i carries a price ``q_i`` in 0..D (D = 65535): the share of its weight that
must be earned by the sites. For any such prices no feasible plan serves more than

.. math:: \mathrm{base} + \frac{1}{D} \Big( \sum_i w_i (D - q_i) + T \Big), \qquad
          s_j = \sum_{i \in j} w_i q_i,

with T the sum of the p largest ``s_j``, or, under a budget B with price mu,
``mu B + sum_j max(0, s_j - mu f_j)``. Rows that existing sites serve count in `base`; rows that no
site reaches have price D and earn nothing. The check rebuilds who reaches whom from the raw
geometry by an algorithm of its own; it uses no number of the solver but the prices and the plan.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.points import hash_arrays, hash_points
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import VerificationError

if TYPE_CHECKING:
    from groundplan.engine.location.coverage import Coverage

__all__ = ["DENOMINATOR", "record_hash", "seal", "verify", "verify_radius"]

DENOMINATOR = 65_535
#: The budget price has 16 more binary digits.
BUDGET_DIGITS = 16
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def record_hash(
    certificate: Certificate,
    sites: NDArray[np.int32],
    assignment: NDArray[np.int32] | None = None,
) -> str:
    """Return the hash of everything the certificate states, the plan included."""
    plain = {
        "form": certificate.form,
        "parameters": dict(certificate.parameters),
        "input_hash": certificate.input_hash,
        "denominator": certificate.denominator,
        "value": certificate.value,
        "bound_numerator": certificate.bound_numerator,
        "prices": sorted(certificate.prices),
    }
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    prices = [certificate.prices[name] for name in sorted(certificate.prices)]
    digest.update(hash_arrays(np.asarray(sites, np.int32), assignment, *prices).encode())
    return digest.hexdigest()


def seal(
    certificate: Certificate,
    sites: NDArray[np.int32],
    assignment: NDArray[np.int32] | None = None,
) -> Certificate:
    """Return the certificate with its record hash."""
    return replace(certificate, record_hash=record_hash(certificate, sites, assignment))


def earned(weight: IntArray, price: NDArray[np.uint16]) -> IntArray:
    """Return ``w_i q_i``, refusing weights whose sums could leave int64."""
    if int(weight.sum()) > 2**62 // DENOMINATOR:
        raise OverflowError("total weight times denominator does not fit 63 bits")
    return weight * price.astype(np.int64)


def budget_price_of(certificate: Certificate) -> int:
    """Return the price of the budget, 0 where the certificate holds none."""
    price = certificate.prices.get("budget")
    return 0 if price is None else int(price[0])


def bound_numerator(
    weight: IntArray,
    price: NDArray[np.uint16],
    open_row: NDArray[np.bool_],
    score: IntArray,
    candidate: NDArray[np.bool_],
    cost: IntArray | None,
    parameters: dict[str, Any],
    budget_price: int,
) -> int:
    """Return the bound times `DENOMINATOR`, existing service left out.

    Parameters
    ----------
    weight, price : (n_raw,)
    open_row : (n_raw,) bool
        Rows that a candidate reaches and no existing site does.
    score : (n_site,) int64
        ``s_j``.
    candidate : (n_site,) bool
    cost : (n_site,) int64 or None
    parameters : dict
        ``p``, or ``budget``.
    budget_price : int
    """
    slack = weight * (DENOMINATOR - price.astype(np.int64))
    total = int(slack[open_row].sum())
    mine = score[candidate]
    p = parameters.get("p")
    if p is not None:
        n = min(int(p), mine.size)
        return total + (int(np.partition(mine, mine.size - n)[mine.size - n :].sum()) if n else 0)
    if cost is None:
        raise ValueError("a budget needs costs")
    budget = int(parameters["budget"])
    # rounding the priced cost down and the priced budget up only raises the bound
    priced = np.array([(budget_price * int(f)) >> BUDGET_DIGITS for f in cost[candidate]], object)
    over = mine.astype(object) - priced
    return total + sum(int(v) for v in over if v > 0) + -(-budget_price * budget >> BUDGET_DIGITS)


def list_differences(
    certificate: Certificate,
    sites: NDArray[np.int32],
    *,
    input_hash: str,
    candidate: NDArray[np.bool_],
    cost: IntArray | None,
    value: int,
    numerator: int,
) -> list[str]:
    """Return where a certificate and what was recomputed disagree."""
    found = []
    if certificate.form != "maximal_covering" or certificate.denominator != DENOMINATOR:
        found.append(f"form {certificate.form!r} / {certificate.denominator} is not known")
    if certificate.input_hash != input_hash:
        found.append(
            f"inputs hash to {input_hash[:16]}..., the certificate says "
            f"{certificate.input_hash[:16]}..."
        )
    if record_hash(certificate, sites) != certificate.record_hash:
        found.append("the record does not match its own hash")
    if np.unique(sites).size != sites.size or (sites.size and not candidate[sites].all()):
        found.append("the plan holds a site twice, an existing one or a forbidden one")
    p, budget = certificate.parameters.get("p"), certificate.parameters.get("budget")
    if p is not None and sites.size > p:
        found.append(f"the plan has {sites.size} sites, at most {p} are allowed")
    if p is None:
        spent = int(cost[sites].sum()) if cost is not None else 0
        if budget is None or spent > budget:
            found.append(f"the plan spends {spent}, the budget is {budget}")
    if value != certificate.value:
        found.append(f"the plan serves {value}, the certificate says {certificate.value}")
    if numerator != certificate.bound_numerator:
        found.append(
            f"the bound is {numerator} / {DENOMINATOR}, the certificate says "
            f"{certificate.bound_numerator}"
        )
    return found


def verify(
    coverage: Coverage,
    decision: Decision,
    *,
    forbidden: NDArray[np.bool_] | None = None,
    cost: IntArray | None = None,
) -> dict[str, int]:
    """Recompute value and bound of a decision on its coverage; raise where they differ.

    The merge of rows is taken from `coverage`; `verify_radius` starts from raw geometry.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound``.

    Raises
    ------
    VerificationError
    """
    certificate = decision.certificate
    n_site = coverage.n_site
    candidate = ~coverage.existing
    if forbidden is not None:
        candidate &= ~forbidden
    chosen = np.zeros(n_site, bool)
    chosen[decision.sites] = True
    row = np.repeat(np.arange(coverage.weight.size), np.diff(coverage.row_indptr))
    covered = np.zeros(coverage.weight.size, bool)
    covered[row[chosen[coverage.row_indices]]] = True
    open_row = coverage.row_of >= 0
    group = coverage.row_of[open_row]
    gain = int(coverage.raw_weight[open_row][covered[group]].sum())
    merged = np.zeros(coverage.weight.size, np.int64)
    np.add.at(merged, group, earned(coverage.raw_weight, certificate.prices["row"])[open_row])
    score = np.zeros(n_site, np.int64)
    np.add.at(score, coverage.row_indices, merged[row])
    numerator = bound_numerator(
        coverage.raw_weight, certificate.prices["row"], open_row, score, candidate, cost,
        dict(certificate.parameters), budget_price_of(certificate),
    )  # fmt: skip
    numerator += coverage.base_value * DENOMINATOR
    found = list_differences(
        certificate,
        decision.sites,
        input_hash=coverage.input_hash,
        candidate=candidate,
        cost=cost,
        value=coverage.base_value + gain,
        numerator=numerator,
    )
    for name, told, true in (
        ("value", decision.value, coverage.base_value + gain),
        ("base_value", decision.base_value, coverage.base_value),
        ("bound", decision.bound, numerator // DENOMINATOR),
    ):
        if told != true:
            found.append(f"{name} is {true}, the decision says {told}")
    if found:
        raise VerificationError(found)
    return {
        "value": coverage.base_value + gain,
        "base_value": coverage.base_value,
        "bound": numerator // DENOMINATOR,
    }


def reached_rows(
    xy_m: FloatArray,
    site_xy_m: FloatArray,
    radius_m: FloatArray,
    number: NDArray[np.int64],
    row_reach_m: FloatArray | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield (row, site) pairs in chunks: points sorted by strip and x, runs found by bisection.

    Parameters
    ----------
    xy_m : (n, 2) float64
    site_xy_m : (m, 2) float64
    radius_m : (m,) float64
    number : (m,) int64
        What to call each site.
    row_reach_m : (n,) float64, optional
        Largest distance at which each point can be reached.
    """
    if not len(xy_m) or not len(site_xy_m):
        return
    y0 = float(xy_m[:, 1].min())
    height = max(float(np.median(radius_m)) / 2, float(np.ptp(xy_m[:, 1])) / 20_000, 1e-9)
    strip = ((xy_m[:, 1] - y0) / height).astype(np.int64)
    width = float(np.ptp(xy_m[:, 0])) + 2 * float(radius_m.max()) + 1.0
    x0 = float(xy_m[:, 0].min())
    # one number that grows along a strip and from strip to strip
    place = strip * (2 * width) + (xy_m[:, 0] - x0)
    order = np.argsort(place, kind="stable")
    place, px, py = place[order], xy_m[order, 0], xy_m[order, 1]
    own = None if row_reach_m is None else row_reach_m[order]
    low = np.floor((site_xy_m[:, 1] - radius_m - y0) / height).astype(np.int64)
    high = np.floor((site_xy_m[:, 1] + radius_m - y0) / height).astype(np.int64)
    low, high = np.clip(low, 0, strip.max()), np.clip(high, 0, strip.max())
    step = 4_000
    for a in range(0, len(site_xy_m), step):
        part = slice(a, a + step)
        strips = high[part] - low[part] + 1
        site = np.repeat(np.arange(a, min(a + step, len(site_xy_m))), strips)
        first = np.cumsum(strips) - strips
        line = low[site] + np.arange(site.size) - np.repeat(first, strips)
        west = site_xy_m[site, 0] - radius_m[site] - x0
        # a metre of slack either side: the exact test below decides
        begin = np.searchsorted(place, line * (2 * width) + np.clip(west - 1, 0, width))
        east = west + 2 * radius_m[site] + 1
        end = np.searchsorted(place, line * (2 * width) + np.clip(east, -1, width), side="right")
        run = np.maximum(end - begin, 0)
        pair_site = np.repeat(site, run)
        offset = np.arange(int(run.sum())) - np.repeat(np.cumsum(run) - run, run)
        point = np.repeat(begin, run) + offset
        dx = px[point] - site_xy_m[pair_site, 0]
        dy = py[point] - site_xy_m[pair_site, 1]
        reach = radius_m[pair_site]
        if own is not None:
            reach = np.minimum(reach, own[point])
        near = dx * dx + dy * dy <= reach * reach
        yield order[point[near]], number[pair_site[near]]


def verify_radius(
    demand_xy_m: FloatArray,
    weight: IntArray,
    demand_layer: NDArray[np.int8] | None,
    site_xy_m: FloatArray,
    site_layer: NDArray[np.int8] | None,
    radius_m: FloatArray,
    existing: NDArray[np.bool_],
    *,
    sites: NDArray[np.int32],
    certificate: Certificate,
    cost: IntArray | None = None,
    forbidden: NDArray[np.bool_] | None = None,
    demand_reach_m: FloatArray | None = None,
) -> dict[str, int]:
    """Recompute value and bound from the raw geometry; raise where they differ.

    Parameters
    ----------
    demand_xy_m, weight, demand_layer, site_xy_m, site_layer, radius_m, existing
        As given to `Coverage.from_radius`.
    sites : (n_chosen,) int32
        The plan.
    certificate : Certificate
    cost : (n_site,) int64, optional
        Needed where the certificate is of a budget.
    forbidden : (n_site,) bool, optional
    demand_reach_m : (n_row,) float64, optional
        As given to `Coverage.from_radius`.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound``.

    Raises
    ------
    VerificationError
        With every difference found.
    """
    n = len(demand_xy_m)
    price = certificate.prices["row"]
    if price.shape != (n,):
        raise VerificationError(f"{price.size} row prices for {n} demand rows")
    if demand_reach_m is not None and demand_reach_m.shape != (n,):
        raise VerificationError(f"{demand_reach_m.size} reaches for {n} demand rows")
    if sites.size and not (sites.min() >= 0 and sites.max() < len(site_xy_m)):
        raise VerificationError("the plan names a site that does not exist")
    candidate = ~existing if forbidden is None else ~existing & ~forbidden
    chosen = np.zeros(len(site_xy_m), bool)
    chosen[sites] = True
    served = np.zeros(n, bool)
    gained = np.zeros(n, bool)
    reachable = np.zeros(n, bool)
    score = np.zeros(len(site_xy_m), np.int64)
    income = earned(weight, price)
    for layer in [None] if demand_layer is None else np.unique(demand_layer):
        rows = np.arange(n) if layer is None else np.flatnonzero(demand_layer == layer)
        mine = np.arange(len(site_xy_m))
        if layer is not None and site_layer is not None:
            mine = np.flatnonzero(site_layer == layer)
        xy = demand_xy_m[rows]
        own = None if demand_reach_m is None else demand_reach_m[rows]
        old, new = mine[existing[mine]], mine[~existing[mine]]
        for row, _site in reached_rows(xy, site_xy_m[old], radius_m[old], old, own):
            served[rows[row]] = True
        for row, site in reached_rows(xy, site_xy_m[new], radius_m[new], new, own):
            at = rows[row]
            free = ~served[at]
            at, site_free = at[free], site[free]
            reachable[at] = True
            gained[at[chosen[site_free]]] = True
            np.add.at(score, site_free, income[at])
    base = int(weight[served].sum())
    value = base + int(weight[gained].sum())
    numerator = base * DENOMINATOR + bound_numerator(
        weight, price, reachable, score, candidate, cost, dict(certificate.parameters),
        budget_price_of(certificate),
    )  # fmt: skip
    found = list_differences(
        certificate,
        sites,
        input_hash=hash_points(
            demand_xy_m,
            weight,
            demand_layer,
            site_xy_m,
            site_layer,
            radius_m,
            existing,
            demand_reach_m,
        ),
        candidate=candidate,
        cost=cost,
        value=value,
        numerator=numerator,
    )
    if found:
        raise VerificationError(found)
    return {"value": value, "base_value": base, "bound": numerator // DENOMINATOR}
