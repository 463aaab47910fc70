"""The location engine by its short name: ``from groundplan import location``."""

from __future__ import annotations

from groundplan.engine.location import (
    AssignmentCost,
    Coverage,
    assign_nearest,
    maximal_covering,
    p_median,
    uncapacitated_facility,
    verify,
    verify_median,
    verify_radius,
)
from groundplan.engine.problem import Certificate, Decision

__all__ = [
    "AssignmentCost",
    "Certificate",
    "Coverage",
    "Decision",
    "assign_nearest",
    "maximal_covering",
    "p_median",
    "uncapacitated_facility",
    "verify",
    "verify_median",
    "verify_radius",
]
