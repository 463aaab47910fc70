"""Radio: path loss, antennas, link budgets, throughput and calibration on plain arrays."""

from groundplan.engine.radio.antenna import Antenna
from groundplan.engine.radio.calibrate import (
    Calibration,
    calibrate,
    held_out,
    measured_loss_db,
    spatial_blocks,
)
from groundplan.engine.radio.iot_access import (
    IotCapacity,
    coverage_class_ratio,
    iot_capacity,
    redcap_capacity,
)
from groundplan.engine.radio.link import Link, cell_reach, served_ratio
from groundplan.engine.radio.msi import parse_msi
from groundplan.engine.radio.pathloss import (
    BuildingLoss,
    Clutter,
    PathLoss,
    building_entry_loss,
    path_loss,
    path_loss_ranges,
)
from groundplan.engine.radio.reliability import (
    area_reliability,
    disc_mean,
    largest_radius,
    shadow_margin_db,
)
from groundplan.engine.radio.shadow import draw_loss, served_share
from groundplan.engine.radio.throughput import (
    net_throughput_mbps,
    peak_rate_mbps,
    prb_count,
    spectral_efficiency,
    tdd_share,
)
from groundplan.engine.radio.tr38901_building import car_entry_loss

__all__ = [
    "Antenna",
    "BuildingLoss",
    "Calibration",
    "Clutter",
    "IotCapacity",
    "Link",
    "PathLoss",
    "area_reliability",
    "building_entry_loss",
    "calibrate",
    "car_entry_loss",
    "cell_reach",
    "coverage_class_ratio",
    "disc_mean",
    "draw_loss",
    "held_out",
    "iot_capacity",
    "largest_radius",
    "measured_loss_db",
    "net_throughput_mbps",
    "parse_msi",
    "path_loss",
    "path_loss_ranges",
    "peak_rate_mbps",
    "prb_count",
    "redcap_capacity",
    "served_ratio",
    "served_share",
    "shadow_margin_db",
    "spatial_blocks",
    "spectral_efficiency",
    "tdd_share",
]
