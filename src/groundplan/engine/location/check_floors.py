"""The check of floors in maximal covering and in partial set covering, in plain NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import DENOMINATOR, seal, verify_maximal
from groundplan.engine.location.check_limits import verify_limited
from groundplan.engine.location.points import UNREACHED, hash_arrays
from groundplan.engine.problem import Decision
from groundplan.errors import VerificationError

if TYPE_CHECKING:
    from groundplan.engine.location.coverage import Coverage

__all__ = [
    "PRICE_PARTS",
    "check_groups",
    "covered_already",
    "covered_by_group",
    "priced_floors",
    "verify_floors",
    "weighted",
]

IntArray = NDArray[np.int64]
#: Floor prices are whole multiples of 1 / this.
PRICE_PARTS = 64


def weighted(coverage: Coverage, group: IntArray, price: IntArray) -> Coverage:
    """Return the coverage with rows of group g weighing ``(PRICE_PARTS + price_g) w_i``."""
    raw = coverage.raw_weight * (PRICE_PARTS + price[group])
    merged = np.zeros(coverage.weight.size, np.int64)
    open_row = coverage.row_of >= 0
    np.add.at(merged, coverage.row_of[open_row], raw[open_row])
    served = coverage.row_of < UNREACHED
    return replace(
        coverage,
        weight=merged,
        raw_weight=raw,
        base_value=int(raw[served].sum()),
        total_value=int(raw.sum()),
        input_hash=hash_arrays(np.frombuffer(coverage.input_hash.encode(), np.uint8), group, price),
    )


def covered_by_group(
    coverage: Coverage, group: IntArray, n_group: int, sites: NDArray[np.int32]
) -> IntArray:
    """Return the weight covered in each group, existing service included."""
    chosen = np.zeros(coverage.n_site, bool)
    chosen[sites] = True
    row = np.repeat(np.arange(coverage.weight.size), np.diff(coverage.row_indptr))
    covered = np.zeros(coverage.weight.size, bool)
    covered[row[chosen[coverage.row_indices]]] = True
    hit = coverage.row_of < UNREACHED
    open_row = coverage.row_of >= 0
    hit[open_row] = covered[coverage.row_of[open_row]]
    out = np.zeros(n_group, np.int64)
    np.add.at(out, group[hit], coverage.raw_weight[hit])
    return out


def covered_already(coverage: Coverage, group: IntArray, n_group: int) -> IntArray:
    """Return the weight that existing sites serve in each group."""
    return covered_by_group(coverage, group, n_group, np.empty(0, np.int32))


def check_groups(coverage: Coverage, group: Any, floor: Any) -> tuple[IntArray, IntArray]:
    """Return groups and floors as whole numbers, or say what is wrong with them."""
    if group is None or floor is None:
        raise ValueError("group and floor must be given together")
    groups, floors = np.asarray(group), np.asarray(floor)
    n = coverage.row_of.size
    if groups.shape != (n,) or not np.issubdtype(groups.dtype, np.integer):
        raise ValueError(f"group must be whole numbers of shape ({n},). Got {groups.shape}")
    if floors.ndim != 1 or not np.issubdtype(floors.dtype, np.integer) or (floors < 0).any():
        raise ValueError("floor must be whole numbers >= 0, one for each group")
    if n and not (groups.min() >= 0 and groups.max() < floors.size):
        raise ValueError(f"group must lie in 0..{floors.size - 1}")
    return groups.astype(np.int64), floors.astype(np.int64)


def priced_floors(
    coverage: Coverage,
    decision: Decision,
    group: Any,
    floor: Any,
    is_open: NDArray[np.bool_],
    found: list[str],
) -> int:
    """Return what the prices of share and floors earn in partial covering, times the denominator.

    ``sum_g alpha_g Q_g - sum_g sum_{i in g} ((theta + alpha_g) w_i - lam_i)+``, rows that the same
    sites reach taken together within each group; floors that the plan does not keep are noted.

    Parameters
    ----------
    is_open : (n_row,) bool
        Merged rows that a candidate reaches.
    """
    groups, floors = check_groups(coverage, group, floor)
    c = decision.certificate
    theta, alpha = int(c.prices["target"][0]), np.asarray(c.prices["floor"])
    if alpha.shape != floors.shape or (alpha < 0).any():
        raise VerificationError(["the floors' prices are not whole numbers >= 0, one for each"])
    if (theta + int(alpha.max(initial=0))) * max(1, coverage.total_value) >= 2**62:
        raise VerificationError(["the prices of the floors are out of range"])
    served = covered_by_group(coverage, groups, floors.size, decision.sites)
    found += [
        f"group {g}: {int(served[g])} covered, the floor is {int(floors[g])}"
        for g in np.flatnonzero(served < floors)
    ]
    raw = np.flatnonzero(coverage.row_of >= 0)
    raw = raw[is_open[coverage.row_of[raw]]]
    key = coverage.row_of[raw] * max(1, floors.size) + groups[raw]
    cell, part = np.unique(key, return_inverse=True)
    weight, price = np.zeros(cell.size, np.int64), np.zeros(cell.size, np.int64)
    np.add.at(weight, part, coverage.raw_weight[raw])
    np.add.at(price, part, c.prices["row"][raw].astype(np.int64))
    worth = (theta + alpha.astype(np.int64))[cell % max(1, floors.size)] * weight
    need = np.maximum(0, floors - covered_already(coverage, groups, floors.size))
    income = sum(int(a) * int(q) for a, q in zip(alpha, need, strict=True))
    return income - int(np.maximum(worth - price, 0).sum())


def verify_floors(
    coverage: Coverage,
    decision: Decision,
    *,
    group: NDArray[np.integer],
    floor: NDArray[np.integer],
    forbidden: NDArray[np.bool_] | None = None,
    cost: IntArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
) -> dict[str, int]:
    """Recompute value, floors and bound of a decision with floors; raise where they differ.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound``, ``bound_by_prices``.

    Raises
    ------
    VerificationError
    """
    groups, floors = check_groups(coverage, group, floor)
    certificate = decision.certificate
    found = []
    if certificate.form != "covering_with_floors":
        raise VerificationError([f"form {certificate.form!r} is not one with floors"])
    if seal(certificate, decision.sites).record_hash != certificate.record_hash:
        found.append("the record does not match its own hash")
    price = np.asarray(certificate.prices["floor"])
    if price.shape != floors.shape or (price < 0).any():
        raise VerificationError(["the floors' prices are not whole numbers >= 0, one for each"])
    asked = {"site_group": site_group, "least": least, "most": most}
    limits = {name: array for name, array in asked.items() if array is not None}
    if bool(limits) is not ("group" in certificate.prices):
        raise VerificationError(["limits on groups of sites are checked as they were asked"])
    heavy = weighted(coverage, groups, price.astype(np.int64))
    inner_numerator = certificate.bound_numerator + int((price * floors).sum()) * DENOMINATOR
    chosen_value = covered_by_group(coverage, groups, floors.size, decision.sites)
    weight_value = int((chosen_value * (PRICE_PARTS + price)).sum())
    inner = replace(
        certificate,
        form="covering_with_limits" if limits else "maximal_covering",
        parameters={k: v for k, v in certificate.parameters.items() if k != "bound_by_search"},
        prices={k: v for k, v in certificate.prices.items() if k != "floor"},
        value=weight_value,
        bound_numerator=inner_numerator,
    )
    check: Callable[..., Any] = verify_limited if limits else verify_maximal
    try:
        check(
            heavy,
            replace(
                decision,
                value=weight_value,
                base_value=heavy.base_value,
                bound=inner_numerator // DENOMINATOR,
                bound_by="prices",
                certificate=seal(inner, decision.sites),
            ),
            forbidden=forbidden,
            cost=cost,
            **limits,
        )
    except VerificationError as error:
        found += list(error.differences)
    value = int(chosen_value.sum())
    proven = certificate.bound_numerator // (DENOMINATOR * PRICE_PARTS)
    bound = int(certificate.parameters.get("bound_by_search", proven))
    for name, told, true in (
        ("value", decision.value, value),
        ("value of the certificate", certificate.value, value),
        ("bound", decision.bound, bound),
        ("base_value", decision.base_value, coverage.base_value),
    ):
        if told != true:
            found.append(f"{name} is {true}, the decision says {told}")
    if "shortfall" not in decision.log:
        found += [
            f"group {g}: {int(chosen_value[g])} covered, the floor is {int(floors[g])}"
            for g in np.flatnonzero(chosen_value < floors)
        ]
    if found:
        raise VerificationError(found)
    found_bounds = {"bound": bound, "bound_by_prices": proven}
    return {"value": value, "base_value": coverage.base_value, **found_bounds}
