"""Where to build: coverage, choice with a bound, certificates.

The names load when they are first used: a check of a certificate needs no kernel.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.location.assignment_cost import AssignmentCost
    from groundplan.engine.location.certificate import verify, verify_radius
    from groundplan.engine.location.check_median import verify_median
    from groundplan.engine.location.coverage import Coverage
    from groundplan.engine.location.median import p_median, uncapacitated_facility
    from groundplan.engine.location.reach import assign_nearest
    from groundplan.engine.location.solve import maximal_covering

_HOMES = {
    "AssignmentCost": "assignment_cost",
    "Coverage": "coverage",
    "assign_nearest": "reach",
    "maximal_covering": "solve",
    "p_median": "median",
    "uncapacitated_facility": "median",
    "verify": "certificate",
    "verify_median": "check_median",
    "verify_radius": "certificate",
}
__all__ = [
    "AssignmentCost",
    "Coverage",
    "assign_nearest",
    "maximal_covering",
    "p_median",
    "uncapacitated_facility",
    "verify",
    "verify_median",
    "verify_radius",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
