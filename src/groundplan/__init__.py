"""Plan, fund, deliver and prove a region's digital infrastructure, with a bound on every plan.

The public names below load what they need when they are first used; importing groundplan alone
loads neither numba nor pyarrow.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Plan": "groundplan.plan",
    "Region": "groundplan.region",
    "Study": "groundplan.study",
    "check_sector": "groundplan.plan",
    "load_region": "groundplan.region",
    "load_sectors": "groundplan.sectors",
    "make_plan": "groundplan.plan",
    "read_example": "groundplan.study",
    "read_study": "groundplan.study",
    "verify_plan": "groundplan.plan",
    "write_report": "groundplan.show",
}
_NAMES = {"load_region": "load"}
_ROOMS = (
    "errors",
    "location",
    "models",
    "plan",
    "quantity",
    "radio",
    "region",
    "sectors",
    "show",
    "study",
)
__all__ = [
    "Plan",
    "Region",
    "Study",
    "check_sector",
    "load_region",
    "load_sectors",
    "make_plan",
    "read_example",
    "read_study",
    "verify_plan",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), _NAMES.get(name, name))
    if name in _ROOMS:
        return importlib.import_module(f"groundplan.{name}")
    raise AttributeError(f"module 'groundplan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])
