"""Where to build: coverage, choice with a bound, certificates."""

from __future__ import annotations

from groundplan.engine.location.certificate import verify, verify_radius
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.reach import assign_nearest
from groundplan.engine.location.solve import maximal_covering

__all__ = ["Coverage", "assign_nearest", "maximal_covering", "verify", "verify_radius"]
