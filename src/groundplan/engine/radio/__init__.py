"""Radio: path loss and link budgets on plain arrays."""

from groundplan.engine.radio.direct import direct_loss
from groundplan.engine.radio.link import Link, cell_reach, served_ratio
from groundplan.engine.radio.mast import MastGeometry
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
from groundplan.engine.radio.sweep import MastLoss, mast_geometry, move_mast, sweep_mast
from groundplan.engine.radio.sweep_many import sweep_masts
from groundplan.engine.radio.terrain import Terrain

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
