"""Where to build: coverage, choice with a bound, certificates.

The names load when they are first used: a check of a certificate needs no kernel.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.location.backup import (
        backup_covering,
        backup_set_covering,
        gradual_coverage,
    )
    from groundplan.engine.location.certificate import verify
    from groundplan.engine.location.check_cover import verify_backup, verify_covering
    from groundplan.engine.location.check_floors import verify_floors
    from groundplan.engine.location.check_radius import verify_radius
    from groundplan.engine.location.coverage import Coverage
    from groundplan.engine.location.curves import curve
    from groundplan.engine.location.floors import covering_with_floors
    from groundplan.engine.location.partial import partial_set_covering
    from groundplan.engine.location.reach import assign_nearest
    from groundplan.engine.location.setcover import set_covering
    from groundplan.engine.location.solve import maximal_covering
    from groundplan.engine.location.stream import CoverageStream

_HOMES = {
    "Coverage": "coverage",
    "CoverageStream": "stream",
    "assign_nearest": "reach",
    "backup_covering": "backup",
    "backup_set_covering": "backup",
    "covering_with_floors": "floors",
    "curve": "curves",
    "gradual_coverage": "backup",
    "maximal_covering": "solve",
    "partial_set_covering": "partial",
    "set_covering": "setcover",
    "verify": "certificate",
    "verify_backup": "check_cover",
    "verify_covering": "check_cover",
    "verify_floors": "check_floors",
    "verify_radius": "check_radius",
}
__all__ = [
    "Coverage",
    "CoverageStream",
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


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
