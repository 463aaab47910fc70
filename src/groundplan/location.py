"""The location engine by its short name: ``from groundplan import location``."""

from __future__ import annotations

from groundplan.engine.location import (
    Coverage,
    DaskWorkers,
    ProcessWorkers,
    ThreadWorkers,
    assign_nearest,
    maximal_covering,
    maximal_covering_over,
    verify,
    verify_radius,
)
from groundplan.engine.problem import Certificate, Decision

__all__ = [
    "Certificate",
    "Coverage",
    "DaskWorkers",
    "Decision",
    "ProcessWorkers",
    "ThreadWorkers",
    "assign_nearest",
    "maximal_covering",
    "maximal_covering_over",
    "verify",
    "verify_radius",
]
