"""Radio: path loss and link budgets on plain arrays."""

from groundplan.engine.radio.link import area_reliability, cell_reach, shadow_margin_db
from groundplan.engine.radio.pathloss import (
    BuildingLoss,
    PathLoss,
    building_entry_loss,
    path_loss,
)

__all__ = [
    "BuildingLoss",
    "PathLoss",
    "area_reliability",
    "building_entry_loss",
    "cell_reach",
    "path_loss",
    "shadow_margin_db",
]
