"""The location engine by its short name: ``from groundplan import location``."""

from __future__ import annotations

from groundplan.engine.location import (
    Coverage,
    CoverageStream,
    assign_nearest,
    backup_covering,
    backup_set_covering,
    covering_with_floors,
    curve,
    gradual_coverage,
    maximal_covering,
    partial_set_covering,
    set_covering,
    verify,
    verify_backup,
    verify_covering,
    verify_floors,
    verify_radius,
)
from groundplan.engine.problem import Certificate, Decision

__all__ = [
    "Certificate",
    "Coverage",
    "CoverageStream",
    "Decision",
    "assign_nearest",
    "backup_covering",
    "backup_set_covering",
    "covering_with_floors",
    "curve",
    "gradual_coverage",
    "maximal_covering",
    "partial_set_covering",
    "set_covering",
    "verify",
    "verify_backup",
    "verify_covering",
    "verify_floors",
    "verify_radius",
]
