"""Radio: path loss and link budgets on plain arrays."""

from groundplan.engine.radio.link import Link, cell_reach, served_ratio
from groundplan.engine.radio.pathloss import (
    BuildingLoss,
    PathLoss,
    building_entry_loss,
    path_loss,
)
from groundplan.engine.radio.profile import ProfileLoss, profile_loss
from groundplan.engine.radio.reliability import (
    area_reliability,
    disc_mean,
    largest_radius,
    shadow_margin_db,
)

__all__ = [
    "BuildingLoss",
    "Link",
    "PathLoss",
    "ProfileLoss",
    "area_reliability",
    "building_entry_loss",
    "cell_reach",
    "disc_mean",
    "largest_radius",
    "path_loss",
    "profile_loss",
    "served_ratio",
    "shadow_margin_db",
]
