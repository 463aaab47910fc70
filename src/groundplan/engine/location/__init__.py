"""Where to build: coverage, choice with a bound, certificates.

The names load when they are first used: a check of a certificate needs no kernel.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.location.assignment_cost import AssignmentCost
    from groundplan.engine.location.backup import backup_covering, backup_set_covering
    from groundplan.engine.location.capacitated import capacitated_facility, capacitated_p_median
    from groundplan.engine.location.capacity_problem import CapacityProblem
    from groundplan.engine.location.center import p_center
    from groundplan.engine.location.check_radius import verify_radius
    from groundplan.engine.location.coverage import Coverage
    from groundplan.engine.location.curves import curve
    from groundplan.engine.location.dispersion import p_dispersion
    from groundplan.engine.location.floors import covering_with_floors
    from groundplan.engine.location.flow import flow_refueling
    from groundplan.engine.location.flow_paths import FlowPaths
    from groundplan.engine.location.gradual import gradual_coverage
    from groundplan.engine.location.median import p_median, uncapacitated_facility
    from groundplan.engine.location.partial import partial_set_covering
    from groundplan.engine.location.reach import assign_nearest
    from groundplan.engine.location.setcover import set_covering
    from groundplan.engine.location.solve import maximal_covering
    from groundplan.engine.location.stream import CoverageStream
    from groundplan.engine.location.strips import maximal_covering_over
    from groundplan.engine.location.verifying import verify
    from groundplan.engine.location.workers import DaskWorkers, ProcessWorkers, ThreadWorkers

_HOMES = {
    "AssignmentCost": "assignment_cost",
    "CapacityProblem": "capacity_problem",
    "Coverage": "coverage",
    "CoverageStream": "stream",
    "DaskWorkers": "workers",
    "FlowPaths": "flow_paths",
    "ProcessWorkers": "workers",
    "ThreadWorkers": "workers",
    "assign_nearest": "reach",
    "backup_covering": "backup",
    "backup_set_covering": "backup",
    "capacitated_facility": "capacitated",
    "capacitated_p_median": "capacitated",
    "covering_with_floors": "floors",
    "curve": "curves",
    "flow_refueling": "flow",
    "gradual_coverage": "gradual",
    "maximal_covering": "solve",
    "maximal_covering_over": "strips",
    "p_center": "center",
    "p_dispersion": "dispersion",
    "p_median": "median",
    "partial_set_covering": "partial",
    "set_covering": "setcover",
    "uncapacitated_facility": "median",
    "verify": "verifying",
    "verify_radius": "check_radius",
}
__all__ = [
    "AssignmentCost",
    "CapacityProblem",
    "Coverage",
    "CoverageStream",
    "DaskWorkers",
    "FlowPaths",
    "ProcessWorkers",
    "ThreadWorkers",
    "assign_nearest",
    "backup_covering",
    "backup_set_covering",
    "capacitated_facility",
    "capacitated_p_median",
    "covering_with_floors",
    "curve",
    "flow_refueling",
    "gradual_coverage",
    "maximal_covering",
    "maximal_covering_over",
    "p_center",
    "p_dispersion",
    "p_median",
    "partial_set_covering",
    "set_covering",
    "uncapacitated_facility",
    "verify",
    "verify_radius",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
