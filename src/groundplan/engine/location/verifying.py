"""One door to every check: the form of a certificate names the check that recomputes it."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.check_statement import check_form, check_statement
from groundplan.engine.problem import Decision
from groundplan.errors import VerificationError

__all__ = ["verify"]

#: Problem object -> forms of its certificates.
FORMS = {
    "AssignmentCost": ("p_center", "p_dispersion", "p_median", "uncapacitated_facility"),
    "CapacityProblem": ("capacitated_facility", "capacitated_p_median"),
    "Coverage": (
        "backup_covering",
        "backup_set_covering",
        "covering_with_floors",
        "covering_with_limits",
        "maximal_covering",
        "partial_set_covering",
        "set_covering",
    ),
    "FlowPaths": ("flow_refueling",),
}
#: Form of a certificate -> module and function that check it, all in plain NumPy.
CHECKS = {
    "backup_covering": ("check_cover", "verify_backup"),
    "backup_set_covering": ("check_cover", "verify_backup"),
    "capacitated_facility": ("check_capacitated", "verify_capacitated"),
    "capacitated_p_median": ("check_capacitated", "verify_capacitated"),
    "covering_with_floors": ("check_floors", "verify_floors"),
    "covering_with_limits": ("check_limits", "verify_limited"),
    "flow_refueling": ("check_flow", "verify_flow"),
    "maximal_covering": ("certificate", "verify_maximal"),
    "p_center": ("check_center", "verify_center"),
    "p_dispersion": ("check_center", "verify_dispersion"),
    "p_median": ("check_median", "verify_median"),
    "partial_set_covering": ("check_cover", "verify_covering"),
    "set_covering": ("check_cover", "verify_covering"),
    "uncapacitated_facility": ("check_median", "verify_median"),
}
#: Forms whose checks take existing sites themselves: further levels count how often they serve.
KEEPS_EXISTING = ("backup_covering", "backup_set_covering")


def verify(problem: Any, decision: Decision, **asked: Any) -> dict[str, Any]:
    """Recompute value and bound of a decision; raise where they differ.

    Parameters
    ----------
    problem : Coverage, AssignmentCost or its matrix, CapacityProblem or FlowPaths
        What was given to the solver.
    decision : Decision
    **asked
        Whatever else was given to the solver and decides what is allowed or what it costs:
        ``forbidden``, ``existing``, ``cost``, ``opening_cost``, ``group`` and ``floor``,
        ``site_group`` with ``least`` and ``most``, ...

    Returns
    -------
    dict
        What was recomputed, at least ``value`` and ``bound``.

    Raises
    ------
    VerificationError
        With every difference found.

    Notes
    -----
    No check loads a solver or a compiler; each describes in its own module what it recomputes.
    """
    if isinstance(problem, np.ndarray):
        problem = AssignmentCost.of(problem)
    form, kind = decision.certificate.form, type(problem).__name__
    if form not in FORMS.get(kind, ()):
        raise VerificationError(f"form {form!r} is not one of a {kind}'s")
    if kind == "Coverage" and form not in KEEPS_EXISTING:
        problem = problem.with_existing(asked.pop("existing", None))
    home = CHECKS[form]
    check = getattr(importlib.import_module(f"groundplan.engine.location.{home[0]}"), home[1])
    try:
        inspect.signature(check).bind(problem, decision, **asked)
    except TypeError as error:
        raise VerificationError(f"form {form!r} does not fit what is asked: {error}") from error
    check_form(decision, problem.n_site)
    try:
        found: dict[str, Any] = check(problem, decision, **asked)
    except OverflowError as error:
        raise VerificationError(f"the certificate cannot be recomputed: {error}") from error
    check_statement(decision, found)
    return found
