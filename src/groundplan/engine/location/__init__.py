"""Where to build: coverage, choice with a bound, certificates.

The names load when they are first used: a check of a certificate needs no kernel.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.location.certificate import verify
    from groundplan.engine.location.check_radius import verify_radius
    from groundplan.engine.location.coverage import Coverage
    from groundplan.engine.location.reach import assign_nearest
    from groundplan.engine.location.solve import maximal_covering
    from groundplan.engine.location.strips import maximal_covering_over
    from groundplan.engine.location.workers import DaskWorkers, ProcessWorkers, ThreadWorkers

_HOMES = {
    "Coverage": "coverage",
    "DaskWorkers": "workers",
    "ProcessWorkers": "workers",
    "ThreadWorkers": "workers",
    "assign_nearest": "reach",
    "maximal_covering": "solve",
    "maximal_covering_over": "strips",
    "verify": "certificate",
    "verify_radius": "check_radius",
}
__all__ = [
    "Coverage",
    "DaskWorkers",
    "ProcessWorkers",
    "ThreadWorkers",
    "assign_nearest",
    "maximal_covering",
    "maximal_covering_over",
    "verify",
    "verify_radius",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
