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
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Recomputed:
    """What a plan covers and what the prices of the rows earn, from a coverage's raw weights.

    Attributes
    ----------
    value : int
        Weight covered, existing service included.
    is_open : (n_raw,) bool
        Raw rows with a list.
    row : (n_open,) int32
        Merged row of each of them.
    merged, score : (n_row,), (n_site,) int64
        What each merged row earns, and each site with its rows.
    """

    value: int
    is_open: NDArray[np.bool_]
    row: NDArray[np.int32]
    merged: IntArray
    score: IntArray


def recompute(coverage: Coverage, decision: Decision) -> Recomputed:
    """Return value and earnings of a decision; raise where prices do not fit the rows."""
    price = decision.certificate.prices["row"]
    if price.shape != coverage.row_of.shape:
        raise VerificationError(f"{price.size} row prices for {coverage.row_of.size} rows")
    chosen = np.zeros(coverage.n_site, bool)
    chosen[decision.sites] = True
    covered = sum_lists(coverage.row_indptr, chosen[coverage.row_indices]) > 0
    is_open = coverage.row_of >= 0
    row = coverage.row_of[is_open]
    value = coverage.base_value + int(coverage.raw_weight[is_open][covered[row]].sum())
    merged = np.zeros(coverage.weight.size, np.int64)
    np.add.at(merged, row, earned(coverage.raw_weight, price)[is_open])
    score = sum_lists(coverage.site_indptr, merged[coverage.site_indices])
    return Recomputed(value, is_open, row, merged, score)


def tile_differences(
    coverage: Coverage,
    prices: Mapping[str, NDArray[Any]],
    candidate: NDArray[np.bool_],
    seen: Recomputed,
    reduced: IntArray,
) -> list[str]:
    """Return what the losses of tiles claim beyond what their rows and sites lose."""
    degree = sum_lists(coverage.row_indptr, candidate[coverage.row_indices]).astype(np.int32)
    whole = np.zeros(coverage.weight.size, np.int64)
    np.add.at(whole, seen.row, coverage.raw_weight[seen.is_open] * DENOMINATOR)

    def pairs_of(site: NDArray[np.int32]) -> tuple[IntArray, IntArray]:
        length = coverage.site_indptr[site + 1] - coverage.site_indptr[site]
        first = np.cumsum(length) - length
        at = np.arange(int(length.sum())) + np.repeat(coverage.site_indptr[site] - first, length)
        return coverage.site_indices[at].astype(np.int64), np.repeat(site, length)

    return check_tiles(prices, candidate, pairs_of, degree, whole, seen.merged, reduced)


def confirm(
    coverage: Coverage, decision: Decision, value: int, numerator: int, found: list[str]
) -> dict[str, int]:
    """Return what was recomputed, or raise with `found` and all that the decision says wrongly."""
    c = decision.certificate
    bounds = stated_bounds(c, numerator)
    # a bound that a search raised beyond the prices is stated, and only as good as the search
    by = "search" if "bound_by_search" in c.parameters else "prices"
    for name, told, true in (
        ("value", decision.value, value),
        ("base_value", decision.base_value, coverage.base_value),
        ("bound", decision.bound, bounds["bound"]),
        ("bound_by", decision.bound_by, by),
    ):
        if told != true:
            found.append(f"{name} is {true}, the decision says {told}")
    if found:
        raise VerificationError(found)
    return {"value": value, "base_value": coverage.base_value, **bounds}


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
    candidate = ~coverage.existing
    if forbidden is not None:
        candidate &= ~forbidden
    seen = recompute(coverage, decision)
    numerator = coverage.base_value * DENOMINATOR + bound_numerator(
        coverage.raw_weight, certificate.prices["row"], seen.is_open, seen.score, candidate, cost,
        certificate.parameters, certificate.prices,
    )  # fmt: skip
    found = list_differences(
        certificate, decision.sites, input_hash=coverage.input_hash, candidate=candidate,
        cost=cost, value=seen.value, numerator=numerator,
    )  # fmt: skip
    # the dear part last, and only where all that is cheap holds
    if "tile_loss" in certificate.prices and not found:
        reduced = reduced_scores(
            seen.score, cost if "budget" in certificate.parameters else None, certificate.prices
        )
        found = tile_differences(coverage, certificate.prices, candidate, seen, reduced)
    return confirm(coverage, decision, seen.value, numerator, found)
