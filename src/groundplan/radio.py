"""Short public names of the radio engine; each loads when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.radio import (
        BuildingLoss,
        Carrier,
        Grid,
        Link,
        Panel,
        PathLoss,
        RadioCoverage,
        RadioLoad,
        SectorTable,
        SiteMatrix,
        SiteTable,
        area_reliability,
        arfcn_ghz,
        building_entry_loss,
        busy_hour_mbps,
        cell_reach,
        coverage,
        disc_mean,
        largest_radius,
        load,
        path_loss,
        served_ratio,
        shadow_margin_db,
    )

__all__ = [
    "BuildingLoss",
    "Carrier",
    "Grid",
    "Link",
    "Panel",
    "PathLoss",
    "RadioCoverage",
    "RadioLoad",
    "SectorTable",
    "SiteMatrix",
    "SiteTable",
    "area_reliability",
    "arfcn_ghz",
    "building_entry_loss",
    "busy_hour_mbps",
    "cell_reach",
    "coverage",
    "disc_mean",
    "largest_radius",
    "load",
    "path_loss",
    "served_ratio",
    "shadow_margin_db",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("groundplan.engine.radio"), name)
    raise AttributeError(f"module 'groundplan.radio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
