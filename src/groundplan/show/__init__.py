"""The pictures: one self-contained report from a plan folder."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("groundplan.show.page"), name)
    raise AttributeError(f"module 'groundplan.show' has no attribute {name!r}")
