"""The check of maximal covering with floors, in plain NumPy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import DENOMINATOR, seal, verify
from groundplan.engine.location.points import UNREACHED, hash_arrays
from groundplan.engine.problem import Decision
from groundplan.errors import VerificationError

if TYPE_CHECKING:
    from groundplan.engine.location.coverage import Coverage

__all__ = ["PRICE_PARTS", "check_groups", "covered_by_group", "verify_floors", "weighted"]

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


def check_groups(coverage: Coverage, group: Any, floor: Any) -> tuple[IntArray, IntArray]:
    """Return groups and floors as whole numbers, or say what is wrong with them."""
    groups, floors = np.asarray(group), np.asarray(floor)
    n = coverage.row_of.size
    if groups.shape != (n,) or not np.issubdtype(groups.dtype, np.integer):
        raise ValueError(f"group must be whole numbers of shape ({n},). Got {groups.shape}")
    if floors.ndim != 1 or not np.issubdtype(floors.dtype, np.integer) or (floors < 0).any():
        raise ValueError("floor must be whole numbers >= 0, one for each group")
    if n and not (groups.min() >= 0 and groups.max() < floors.size):
        raise ValueError(f"group must lie in 0..{floors.size - 1}")
    return groups.astype(np.int64), floors.astype(np.int64)


def verify_floors(
    coverage: Coverage,
    decision: Decision,
    *,
    group: NDArray[np.integer],
    floor: NDArray[np.integer],
    forbidden: NDArray[np.bool_] | None = None,
    cost: IntArray | None = None,
) -> dict[str, int]:
    """Recompute value, floors and bound of a decision with floors; raise where they differ.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound``.

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
    heavy = weighted(coverage, groups, price.astype(np.int64))
    inner_numerator = certificate.bound_numerator + int((price * floors).sum()) * DENOMINATOR
    chosen_value = covered_by_group(coverage, groups, floors.size, decision.sites)
    weight_value = int((chosen_value * (PRICE_PARTS + price)).sum())
    inner = replace(
        certificate,
        form="maximal_covering",
        prices={k: v for k, v in certificate.prices.items() if k != "floor"},
        value=weight_value,
        bound_numerator=inner_numerator,
    )
    try:
        verify(
            heavy,
            replace(
                decision,
                value=weight_value,
                base_value=heavy.base_value,
                bound=inner_numerator // DENOMINATOR,
                certificate=seal(inner, decision.sites),
            ),
            forbidden=forbidden,
            cost=cost,
        )
    except VerificationError as error:
        found += list(error.differences)
    value = int(chosen_value.sum())
    bound = certificate.bound_numerator // (DENOMINATOR * PRICE_PARTS)
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
    return {"value": value, "base_value": coverage.base_value, "bound": bound}
