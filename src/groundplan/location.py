"""The location engine by its short name: ``from groundplan import location``."""

from __future__ import annotations

from groundplan.engine.location import (
    AssignmentCost,
    CapacityProblem,
    Coverage,
    FlowPaths,
    assign_nearest,
    capacitated_facility,
    capacitated_p_median,
    flow_refueling,
    maximal_covering,
    p_center,
    p_dispersion,
    verify,
    verify_capacitated,
    verify_center,
    verify_dispersion,
    verify_flow,
    verify_radius,
)
from groundplan.engine.problem import Certificate, Decision

__all__ = [
    "AssignmentCost",
    "CapacityProblem",
    "Certificate",
    "Coverage",
    "Decision",
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
