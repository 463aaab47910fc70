"""What every certificate must hold, and what a decision says of itself, by the form of the problem.

The checks of the forms recompute plan, value and bound. Here stands what is common: that the
certificate has the numbers its form needs, and that sense, gap, status, base value and the word on
how the bound was proven follow from what was recomputed. Plain NumPy, no code of a solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import VerificationError

__all__ = ["check_form", "check_statement", "list_certificate_faults"]

#: An optimal value and its bound lie this close: costs in fractions are rounded for the bound.
ROUNDING = 1e-9
TILES = frozenset({"tile_start", "tile_site", "tile_part", "tile_loss"})
HASHES = frozenset({"cost_hash", "forbidden_hash", "level_hash", "existing_hash", "limits_hash"})


@dataclass(frozen=True)
class Form:
    """What a form of problem needs: names of arrays and of parameters, those it may have besides.

    Attributes
    ----------
    arrays, parameters : set of str
    more_arrays : tuple of set of str
        Each of these sets is there as a whole or not at all.
    more_parameters : set of str
    sense : str
    assigns : bool
        Whether each row has a site.
    """

    arrays: frozenset[str]
    parameters: frozenset[str] = frozenset()
    more_arrays: tuple[frozenset[str], ...] = ()
    more_parameters: frozenset[str] = frozenset()
    sense: str = "min"
    assigns: bool = False


def names(*words: str) -> frozenset[str]:
    """Return a set of names."""
    return frozenset(words)


_AMOUNT = names("p", "budget", "bound_by_search")
_MEDIAN = names("row", "tree_site", "tree_price")
_SERVICE = names("leaf_site", "leaf_price", "row", "plan_row", "plan_site", "plan_amount")
_COVER = names("scale", "grain", "cost_hash", "forbidden_hash")
_BACKUP = names("p", "level_hash", "existing_hash", "forbidden_hash")
FORMS: dict[str, Form] = {
    "backup_covering": Form(
        names("row"), _BACKUP, more_parameters=names("limits_hash"), sense="max"
    ),
    "backup_set_covering": Form(names("row"), _BACKUP, sense="max"),
    "capacitated_facility": Form(
        _SERVICE, names("single_source"), (names("unit"),), names("p", "step", "limits_hash"),
        assigns=True,
    ),
    "capacitated_p_median": Form(
        _SERVICE, names("single_source", "p"), (names("unit"),), names("step", "limits_hash"),
        assigns=True,
    ),
    "covering_with_floors": Form(
        names("row", "floor"), more_arrays=(names("budget"), names("group"), TILES),
        more_parameters=_AMOUNT, sense="max",
    ),
    "covering_with_limits": Form(
        names("row", "budget", "group"), more_arrays=(TILES,), more_parameters=_AMOUNT, sense="max"
    ),
    "flow_refueling": Form(
        names("requirement", "leaf_site", "leaf_price"), more_arrays=(names("budget"),),
        more_parameters=_AMOUNT, sense="max",
    ),
    "maximal_covering": Form(
        names("row"), more_arrays=(names("budget"), TILES), more_parameters=_AMOUNT, sense="max"
    ),
    "p_center": Form(
        names("row", "leaf_price", "distance"), names("p"),
        (
            names("leaf_site"), names("row_number", "ask_indptr", "ask_row", "ask", "leaf_ask"),
            names("half", "half_indptr", "half_row"),
        ),
        assigns=True,
    ),
    "p_dispersion": Form(names("group", "distance"), names("p"), sense="max"),
    "p_median": Form(_MEDIAN, names("p"), assigns=True),
    "partial_set_covering": Form(
        names("row", "target"), _COVER | names("target", "share_over", "share_under"),
        (names("floor"),),
    ),
    "set_covering": Form(
        names("row"), _COVER | names("unreachable"),
        (names("tree_site", "tree_price", "tree_row", "tree_prices"),),
        names("bound_by_search", "limits_hash"),
    ),
    "uncapacitated_facility": Form(_MEDIAN, more_parameters=names("p"), assigns=True),
}  # fmt: skip


def check_form(decision: Decision, n_site: int) -> None:
    """Raise where a certificate lacks what its form needs, or holds what no certificate may.

    Parameters
    ----------
    decision : Decision
        Its form must be known.
    n_site : int
        Sites of the problem.

    Raises
    ------
    VerificationError
        With every fault.
    """
    c, form = decision.certificate, FORMS[decision.certificate.form]
    found = list_certificate_faults(c)
    sites = decision.sites
    if not (isinstance(sites, np.ndarray) and sites.ndim == 1 and is_whole(sites)):
        found.append("the plan is no row of site numbers")
    elif sites.size and not (int(sites.min()) >= 0 and int(sites.max()) < n_site):
        found.append("the plan names a site that does not exist")
    elif (np.diff(sites.astype(np.int64)) <= 0).any():
        found.append("the sites of the plan do not ascend")
    if form.assigns is not (decision.assignment is not None):
        word = "must" if form.assigns else "does not"
        found.append(f"a decision of form {c.form!r} {word} assign rows")
    if found:
        raise VerificationError(found)


def list_certificate_faults(certificate: Certificate) -> list[str]:
    """Return what a certificate lacks of what its form needs, and what it may not hold."""
    form = FORMS.get(certificate.form)
    if form is None:
        return [f"form {certificate.form!r} is not known"]
    faults = list_array_faults(certificate.prices, form)
    return faults + list_parameter_faults(certificate, form)


def is_whole(array: np.ndarray[Any, Any]) -> bool:
    """Return whether an array holds whole numbers."""
    return bool(np.issubdtype(array.dtype, np.integer))


def list_array_faults(prices: Mapping[str, Any], form: Form) -> list[str]:
    """Return what is wrong with the names and types of the arrays."""
    found = []
    held = frozenset(prices)
    wanted = form.arrays.union(*(group for group in form.more_arrays if group & held))
    if wanted != held:
        found.append(f"the certificate must hold the arrays {sorted(wanted)}, not {sorted(held)}")
    for name, array in prices.items():
        is_number = isinstance(array, np.ndarray) and (is_whole(array) or name == "distance")
        if not is_number or not array.ndim:
            found.append(f"the array {name!r} of the certificate holds no whole numbers")
        elif name in {"budget", "target", "distance"} and (array.ndim != 1 or not array.size):
            found.append(f"the array {name!r} of the certificate is no row of numbers")
        # a price below 0 would pay for leaving sites unused
        elif name == "budget" and int(array.min()) < 0:
            found.append("the price of the budget lies below 0")
    return found


def list_parameter_faults(c: Certificate, form: Form) -> list[str]:
    """Return what is wrong with the names and types of the parameters and numbers."""
    found = []
    held = frozenset(c.parameters)
    missing, more = form.parameters - held, held - form.parameters - form.more_parameters
    if missing or more:
        found.append(f"parameters missing {sorted(missing)}, not known {sorted(more)}")
    for name, told in c.parameters.items():
        if name in HASHES:
            fine = isinstance(told, str)
        elif name == "single_source":
            fine = isinstance(told, bool)
        else:
            fine = isinstance(told, int) and not isinstance(told, bool) and told >= 0
        if not fine:
            found.append(f"parameter {name!r} is not what it must be: {told!r}")
    if "budget" in form.more_parameters and ("p" in held) is ("budget" in held):
        found.append("the certificate must name either p or a budget")
    if "budget" in held and "budget" not in c.prices:
        found.append("a budget needs its price")
    if not isinstance(c.denominator, int) or c.denominator < 1:
        found.append(f"the denominator must be a whole number >= 1, not {c.denominator!r}")
    if c.form in {"p_center", "p_dispersion"} and c.bound_numerator != 0:
        found.append("a distance is proven by itself: the bound's numerator must be 0")
    if not isinstance(c.bound_numerator, int):
        found.append(f"the bound's numerator must be a whole number, not {c.bound_numerator!r}")
    return found


def check_statement(decision: Decision, found: Mapping[str, Any]) -> None:
    """Raise where a decision says of itself what does not follow from what was recomputed.

    Parameters
    ----------
    decision : Decision
        Its check has passed.
    found : mapping
        What that check returned.

    Raises
    ------
    VerificationError
        With every difference.
    """
    form = FORMS[decision.certificate.form]
    value, bound, base = found["value"], decision.bound, found.get("base_value", 0)
    proven = found.get("bound_by_prices", found["bound"])
    low, high = (value, bound) if form.sense == "max" else (bound, value)
    gap = (high - low) / high if high else 0.0
    room = bound - base
    gain = (bound - value) / room if form.sense == "max" and room else 0.0
    is_measured = "base_value" in found and form.sense == "max"
    is_better = bound < proven if form.sense == "max" else bound > proven
    told: list[tuple[str, object, object]] = [
        ("sense", decision.sense, form.sense),
        ("value", decision.value, value),
        ("the certificate's value", decision.certificate.value, value),
        ("base_value", decision.base_value, base),
        ("gap", decision.gap, gap),
        ("gain_gap", decision.gain_gap, gain if is_measured else 0.0),
        ("bound_by", decision.bound_by, "search" if is_better else "prices"),
    ]
    faults = [f"{name} is {true}, the decision says {mine}" for name, mine, true in told
              if mine != true]  # fmt: skip
    if low > high:
        faults.append(f"the bound {bound} is worse than the value {value}")
    meets = high - low <= ROUNDING * abs(high)
    if decision.status not in {"optimal", "feasible", "stopped"}:
        faults.append(f"status {decision.status!r} is none")
    elif decision.status == "optimal" and not meets:
        faults.append(f"the plan is called optimal with a gap of {gap}")
    elif decision.status != "optimal" and low == high and "shortfall" not in decision.log:
        faults.append(f"status {decision.status!r}, although the bound meets the value")
    if faults:
        raise VerificationError(faults)
