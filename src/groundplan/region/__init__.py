"""The land and its people: tables, cells, layers."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Grid": "layer",
    "Layer": "layer",
    "Ledger": "layer",
    "Region": "tables",
    "fractal_terrain": "fractal",
    "frame_of": "frame",
    "load": "tables",
    "model_population": "surface",
    "profile_between": "profiles",
    "read_clutter": "clutter",
    "read_terrain": "terrain",
    "write_raster": "rasterout",
}
__all__ = [
    "Grid",
    "Layer",
    "Ledger",
    "Region",
    "fractal_terrain",
    "frame_of",
    "load",
    "model_population",
    "profile_between",
    "read_clutter",
    "read_terrain",
    "write_raster",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"groundplan.region.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'groundplan.region' has no attribute {name!r}")
