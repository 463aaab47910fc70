"""The answer: study, region, sectors and engine joined, written as a folder, and verified."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Options": "pipeline",
    "Plan": "pipeline",
    "check_sector": "checking",
    "check_study": "finish",
    "check_systems": "inspecting",
    "finish_folder": "finish",
    "inspect_study": "inspecting",
    "make_plan": "pipeline",
    "read_plan": "pipeline",
    "reseal": "finish",
    "verify_plan": "proof",
}
__all__ = [
    "Options",
    "Plan",
    "check_sector",
    "check_study",
    "check_systems",
    "finish_folder",
    "inspect_study",
    "make_plan",
    "read_plan",
    "reseal",
    "verify_plan",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"groundplan.plan.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
