"""The land and its people: tables, cells, layers."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Grid": "layer",
    "Layer": "layer",
    "Ledger": "layer",
    "Region": "tables",
    "load": "tables",
    "model_population": "surface",
}
__all__ = ["Grid", "Layer", "Ledger", "Region", "load", "model_population"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"groundplan.region.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'groundplan.region' has no attribute {name!r}")
