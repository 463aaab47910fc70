"""Radio: path loss and link budgets on plain arrays."""

from groundplan.engine.radio.coverage_grid import RadioCoverage, coverage
from groundplan.engine.radio.coverage_matrix import SiteMatrix
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.link import Link, cell_reach, served_ratio
from groundplan.engine.radio.load_coupled import RadioLoad, busy_hour_mbps, load
from groundplan.engine.radio.network import Carrier, SectorTable, SiteTable, arfcn_ghz
from groundplan.engine.radio.pathloss import (
    BuildingLoss,
    PathLoss,
    building_entry_loss,
    path_loss,
)
from groundplan.engine.radio.pattern import Panel
from groundplan.engine.radio.reliability import (
    area_reliability,
    disc_mean,
    largest_radius,
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
