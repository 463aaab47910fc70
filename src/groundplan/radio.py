"""Short public names of the radio engine; each loads when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.radio import (
        BuildingLoss,
        Link,
        MastGeometry,
        MastLoss,
        PathLoss,
        Terrain,
        area_reliability,
        building_entry_loss,
        cell_reach,
        direct_loss,
        disc_mean,
        largest_radius,
        mast_geometry,
        move_mast,
        path_loss,
        served_ratio,
        shadow_margin_db,
        sweep_mast,
        sweep_masts,
    )

__all__ = [
    "BuildingLoss",
    "Link",
    "MastGeometry",
    "MastLoss",
    "PathLoss",
    "Terrain",
    "area_reliability",
    "building_entry_loss",
    "cell_reach",
    "direct_loss",
    "disc_mean",
    "largest_radius",
    "mast_geometry",
    "move_mast",
    "path_loss",
    "served_ratio",
    "shadow_margin_db",
    "sweep_mast",
    "sweep_masts",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("groundplan.engine.radio"), name)
    raise AttributeError(f"module 'groundplan.radio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
