"""Radio: path loss and link budgets on plain arrays.

Names that need compiled kernels load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from groundplan.engine.radio.free_space import FreeSpaceLoss, free_space_loss
from groundplan.engine.radio.link import Link, cell_reach, served_ratio
from groundplan.engine.radio.p676 import GasLoss, gas_attenuation
from groundplan.engine.radio.p2108 import ClutterLoss, clutter_loss
from groundplan.engine.radio.p2109 import EntryLoss, entry_loss_p2109
from groundplan.engine.radio.pathloss import (
    BuildingLoss,
    PathLoss,
    building_entry_loss,
    path_loss,
)
from groundplan.engine.radio.reliability import (
    area_reliability,
    disc_mean,
    largest_radius,
    shadow_margin_db,
)

if TYPE_CHECKING:
    from groundplan.engine.radio.itm import ItmLoss, itm_area, itm_profile, itm_warnings

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

#: Where the names are that need kernels.
LAZY = {
    "ItmLoss": "itm",
    "itm_area": "itm",
    "itm_profile": "itm",
    "itm_warnings": "itm",
}


def __getattr__(name: str) -> Any:
    if name in LAZY:
        return getattr(importlib.import_module(f"groundplan.engine.radio.{LAZY[name]}"), name)
    raise AttributeError(f"module 'groundplan.engine.radio' has no attribute {name!r}")
