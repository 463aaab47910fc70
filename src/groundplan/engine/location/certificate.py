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
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_tiles import check_tiles, tile_loss_of
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import VerificationError

if TYPE_CHECKING:
    from groundplan.engine.location.coverage import Coverage

__all__ = ["DENOMINATOR", "record_hash", "seal", "verify_maximal"]

DENOMINATOR = 65_535
#: The budget price has 16 more binary digits.
BUDGET_DIGITS = 16
#: Rows taken at a time, so that no second copy of a large array stands in memory.
CHUNK = 1 << 20
IntArray = NDArray[np.int64]


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


def check_magnitude(weight: IntArray) -> None:
    """Refuse weights whose sums could leave int64."""
    # a sum of whole numbers could wrap round before it is compared
    if float(weight.sum(dtype=np.float64)) > 2**62 // DENOMINATOR:
        raise OverflowError("total weight times denominator does not fit 63 bits")


def earned(weight: IntArray, price: NDArray[np.uint16]) -> IntArray:
    """Return ``w_i q_i``."""
    check_magnitude(weight)
    return weight * price.astype(np.int64)


def priced_costs(budget_price: int, cost: IntArray) -> IntArray:
    """Return the sites' costs at the budget's price, rounded down: that only raises a bound."""
    kinds, kind = np.unique(cost, return_inverse=True)
    return np.array([(budget_price * int(f)) >> BUDGET_DIGITS for f in kinds], np.int64)[kind]


def reduced_scores(
    score: IntArray, cost: IntArray | None, prices: Mapping[str, NDArray[Any]]
) -> IntArray:
    """Return the scores less the sites' costs at the budget's price; no `cost`: one each."""
    budget_price = int(prices["budget"][0])
    if cost is None:
        return score - (budget_price >> BUDGET_DIGITS)
    return score - priced_costs(budget_price, cost)


def bound_numerator(
    weight: IntArray,
    price: NDArray[np.uint16],
    open_row: NDArray[np.bool_],
    score: IntArray,
    candidate: NDArray[np.bool_],
    cost: IntArray | None,
    parameters: Mapping[str, Any],
    prices: Mapping[str, NDArray[Any]],
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
    parameters : mapping
        ``p``, or ``budget``.
    prices : mapping
        ``budget`` and the tiles, where the certificate has them.
    """
    total = 0
    for a in range(0, weight.size, CHUNK):
        part = slice(a, a + CHUNK)
        kept = DENOMINATOR - price[part].astype(np.int64)
        total += int((weight[part] * kept)[open_row[part]].sum())
    mine = score[candidate]
    p = parameters.get("p")
    if p is not None and "budget" not in prices:
        n = min(int(p), mine.size)
        return total + (int(np.partition(mine, mine.size - n)[mine.size - n :].sum()) if n else 0)
    if p is None and cost is None:
        raise ValueError("a budget needs costs")
    amount = int(parameters["budget"]) if p is None else int(p)
    over = reduced_scores(mine, None if p is not None else cost[candidate], prices)  # type: ignore[index]
    paid = -(-int(prices["budget"][0]) * amount >> BUDGET_DIGITS)
    return total + int(np.maximum(over, 0).sum()) + paid - tile_loss_of(prices)


def sum_lists(indptr: IntArray, values: NDArray[Any]) -> IntArray:
    """Return the sum of each list of values; the lists stand one after another."""
    running = np.zeros(values.size + 1, np.int64)
    np.cumsum(values, out=running[1:])
    found: IntArray = running[indptr[1:]] - running[indptr[:-1]]
    return found


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


def stated_bounds(certificate: Certificate, numerator: int) -> dict[str, int]:
    """Return the bound that is stated, and the one that the prices prove.

    They differ where an exhaustive search proved more (``bound_by_search``): that part is as good
    as the search and is not recomputed.
    """
    proven = numerator // DENOMINATOR
    return {
        "bound": int(certificate.parameters.get("bound_by_search", proven)),
        "bound_by_prices": proven,
    }


def verify_maximal(
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
        ``value``, ``base_value``, ``bound``, ``bound_by_prices``.

    Raises
    ------
    VerificationError
    """
    certificate = decision.certificate
    n_site = coverage.n_site
    candidate = ~coverage.existing
    if forbidden is not None:
        candidate &= ~forbidden
    if certificate.prices["row"].shape != coverage.row_of.shape:
        raise VerificationError(
            f"{certificate.prices['row'].size} row prices for {coverage.row_of.size} rows"
        )
    chosen = np.zeros(n_site, bool)
    chosen[decision.sites] = True
    covered = sum_lists(coverage.row_indptr, chosen[coverage.row_indices]) > 0
    open_row = coverage.row_of >= 0
    group = coverage.row_of[open_row]
    gain = int(coverage.raw_weight[open_row][covered[group]].sum())
    merged = np.zeros(coverage.weight.size, np.int64)
    np.add.at(merged, group, earned(coverage.raw_weight, certificate.prices["row"])[open_row])
    score = sum_lists(coverage.site_indptr, merged[coverage.site_indices])
    numerator = coverage.base_value * DENOMINATOR + bound_numerator(
        coverage.raw_weight, certificate.prices["row"], open_row, score, candidate, cost,
        certificate.parameters, certificate.prices,
    )  # fmt: skip
    found = list_differences(
        certificate,
        decision.sites,
        input_hash=coverage.input_hash,
        candidate=candidate,
        cost=cost,
        value=coverage.base_value + gain,
        numerator=numerator,
    )
    # the dear part last, and only where all that is cheap holds
    if "tile_loss" in certificate.prices and not found:
        degree = sum_lists(coverage.row_indptr, candidate[coverage.row_indices]).astype(np.int32)
        whole = np.zeros(coverage.weight.size, np.int64)
        np.add.at(whole, group, coverage.raw_weight[open_row] * DENOMINATOR)
        reduced = reduced_scores(
            score, cost if "budget" in certificate.parameters else None, certificate.prices
        )

        def pairs_of(site: NDArray[np.int32]) -> tuple[IntArray, IntArray]:
            length = coverage.site_indptr[site + 1] - coverage.site_indptr[site]
            first = np.cumsum(length) - length
            at = np.arange(int(length.sum())) + np.repeat(
                coverage.site_indptr[site] - first, length
            )
            return coverage.site_indices[at].astype(np.int64), np.repeat(site, length)

        found = check_tiles(certificate.prices, candidate, pairs_of, degree, whole, merged, reduced)
    stated: list[tuple[str, object, object]] = [
        ("value", decision.value, coverage.base_value + gain),
        ("base_value", decision.base_value, coverage.base_value),
    ]
    # a bound that a search raised beyond the prices is stated, and only as good as the search
    stated.append(("bound", decision.bound, stated_bounds(certificate, numerator)["bound"]))
    by = "search" if "bound_by_search" in certificate.parameters else "prices"
    stated.append(("bound_by", decision.bound_by, by))
    for name, told, true in stated:
        if told != true:
            found.append(f"{name} is {true}, the decision says {told}")
    if found:
        raise VerificationError(found)
    return {
        "value": coverage.base_value + gain,
        "base_value": coverage.base_value,
        **stated_bounds(certificate, numerator),
    }
