"""The location engine by its short name: ``from groundplan import location``."""

from __future__ import annotations

from groundplan.engine.location import (
    Coverage,
    assign_nearest,
    maximal_covering,
    verify,
    verify_radius,
)
from groundplan.engine.problem import Certificate, Decision

__all__ = [
    "Certificate",
    "Coverage",
    "Decision",
    "assign_nearest",
    "maximal_covering",
    "verify",
    "verify_radius",
]
