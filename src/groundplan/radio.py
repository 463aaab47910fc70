"""Short public names of the radio engine; each loads when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.radio import (
        BuildingLoss,
        ClutterLoss,
        EntryLoss,
        FreeSpaceLoss,
        GasLoss,
        ItmLoss,
        Link,
        PathLoss,
        area_reliability,
        building_entry_loss,
        cell_reach,
        clutter_loss,
        disc_mean,
        entry_loss_p2109,
        free_space_loss,
        gas_attenuation,
        itm_area,
        itm_profile,
        itm_warnings,
        largest_radius,
        path_loss,
        served_ratio,
        shadow_margin_db,
    )

__all__ = [
    "BuildingLoss",
    "ClutterLoss",
    "EntryLoss",
    "FreeSpaceLoss",
    "GasLoss",
    "ItmLoss",
    "Link",
    "PathLoss",
    "area_reliability",
    "building_entry_loss",
    "cell_reach",
    "clutter_loss",
    "disc_mean",
    "entry_loss_p2109",
    "free_space_loss",
    "gas_attenuation",
    "itm_area",
    "itm_profile",
    "itm_warnings",
    "largest_radius",
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
