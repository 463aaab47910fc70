"""The location engine by its short name: ``from groundplan import location``."""

from __future__ import annotations

from groundplan.engine.location import (
    Coverage,
    FlowPaths,
    assign_nearest,
    flow_refueling,
    maximal_covering,
    verify,
    verify_flow,
    verify_radius,
)
from groundplan.engine.problem import Certificate, Decision

__all__ = [
    "Certificate",
    "Coverage",
    "Decision",
    "FlowPaths",
    "assign_nearest",
    "flow_refueling",
    "maximal_covering",
    "verify",
    "verify_flow",
    "verify_radius",
]
