"""Where to build: coverage, choice with a bound, certificates.

The names load when they are first used: a check of a certificate needs no kernel.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.location.assignment_cost import AssignmentCost
    from groundplan.engine.location.capacitated import capacitated_facility, capacitated_p_median
    from groundplan.engine.location.capacity_problem import CapacityProblem
    from groundplan.engine.location.center import p_center
    from groundplan.engine.location.certificate import verify, verify_radius
    from groundplan.engine.location.check_capacitated import verify_capacitated
    from groundplan.engine.location.check_center import verify_center, verify_dispersion
    from groundplan.engine.location.check_flow import verify_flow
    from groundplan.engine.location.coverage import Coverage
    from groundplan.engine.location.dispersion import p_dispersion
    from groundplan.engine.location.flow import flow_refueling
    from groundplan.engine.location.flow_paths import FlowPaths
    from groundplan.engine.location.reach import assign_nearest
    from groundplan.engine.location.solve import maximal_covering

_HOMES = {
    "AssignmentCost": "assignment_cost",
    "CapacityProblem": "capacity_problem",
    "Coverage": "coverage",
    "FlowPaths": "flow_paths",
    "assign_nearest": "reach",
    "capacitated_facility": "capacitated",
    "capacitated_p_median": "capacitated",
    "flow_refueling": "flow",
    "maximal_covering": "solve",
    "p_center": "center",
    "p_dispersion": "dispersion",
    "verify": "certificate",
    "verify_capacitated": "check_capacitated",
    "verify_center": "check_center",
    "verify_dispersion": "check_center",
    "verify_flow": "check_flow",
    "verify_radius": "certificate",
}
__all__ = [
    "AssignmentCost",
    "CapacityProblem",
    "Coverage",
    "FlowPaths",
    "assign_nearest",
    "capacitated_facility",
    "capacitated_p_median",
    "flow_refueling",
    "maximal_covering",
    "p_center",
    "p_dispersion",
    "verify",
    "verify_capacitated",
    "verify_center",
    "verify_dispersion",
    "verify_flow",
    "verify_radius",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
