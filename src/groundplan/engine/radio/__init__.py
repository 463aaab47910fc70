"""Radio: propagation, antennas, terrain, coverage, load and calibration on plain arrays.

Names load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.radio.antenna import (
        Antenna,
    )
    from groundplan.engine.radio.calibration import (
        Calibration,
        calibrate,
        held_out,
        measured_loss_db,
        spatial_blocks,
    )
    from groundplan.engine.radio.coverage_grid import (
        RadioCoverage,
        coverage,
    )
    from groundplan.engine.radio.coverage_matrix import (
        SiteMatrix,
    )
    from groundplan.engine.radio.direct import (
        direct_loss,
    )
    from groundplan.engine.radio.free_space import (
        FreeSpaceLoss,
        free_space_loss,
    )
    from groundplan.engine.radio.grid import (
        Grid,
    )
    from groundplan.engine.radio.iot_access import (
        IotCapacity,
        coverage_class_ratio,
        iot_capacity,
        redcap_capacity,
    )
    from groundplan.engine.radio.itm import (
        ItmLoss,
        itm_area,
        itm_profile,
        itm_warnings,
    )
    from groundplan.engine.radio.link import (
        Link,
        cell_reach,
        served_ratio,
    )
    from groundplan.engine.radio.load_coupled import (
        RadioLoad,
        busy_hour_mbps,
        load,
    )
    from groundplan.engine.radio.mast import (
        MastGeometry,
    )
    from groundplan.engine.radio.msi import (
        parse_msi,
    )
    from groundplan.engine.radio.network import (
        Carrier,
        SectorTable,
        SiteTable,
        arfcn_ghz,
    )
    from groundplan.engine.radio.p676 import (
        GasLoss,
        gas_attenuation,
    )
    from groundplan.engine.radio.p2108 import (
        ClutterLoss,
        clutter_loss,
    )
    from groundplan.engine.radio.p2109 import (
        EntryLoss,
        entry_loss_p2109,
    )
    from groundplan.engine.radio.pathloss import (
        BuildingLoss,
        Clutter,
        PathLoss,
        building_entry_loss,
        path_loss,
        path_loss_ranges,
    )
    from groundplan.engine.radio.pattern import (
        Cuts,
        Panel,
        Pattern,
    )
    from groundplan.engine.radio.profile import (
        ProfileLoss,
        profile_loss,
    )
    from groundplan.engine.radio.reliability import (
        area_reliability,
        disc_mean,
        largest_radius,
        shadow_margin_db,
    )
    from groundplan.engine.radio.shadow import (
        draw_loss,
        served_share,
    )
    from groundplan.engine.radio.sweep import (
        MastLoss,
        mast_geometry,
        move_mast,
        sweep_mast,
    )
    from groundplan.engine.radio.sweep_many import (
        sweep_masts,
    )
    from groundplan.engine.radio.terrain import (
        Terrain,
    )
    from groundplan.engine.radio.throughput import (
        net_throughput_mbps,
        peak_rate_mbps,
        prb_count,
        spectral_efficiency,
        tdd_share,
    )
    from groundplan.engine.radio.tr38901_building import (
        car_entry_loss,
    )

#: Name -> file of this folder.
_HOMES = {
    "Antenna": "antenna",
    "BuildingLoss": "pathloss",
    "Calibration": "calibration",
    "Carrier": "network",
    "Clutter": "pathloss",
    "ClutterLoss": "p2108",
    "Cuts": "pattern",
    "EntryLoss": "p2109",
    "FreeSpaceLoss": "free_space",
    "GasLoss": "p676",
    "Grid": "grid",
    "IotCapacity": "iot_access",
    "ItmLoss": "itm",
    "Link": "link",
    "MastGeometry": "mast",
    "MastLoss": "sweep",
    "Panel": "pattern",
    "PathLoss": "pathloss",
    "Pattern": "pattern",
    "ProfileLoss": "profile",
    "RadioCoverage": "coverage_grid",
    "RadioLoad": "load_coupled",
    "SectorTable": "network",
    "SiteMatrix": "coverage_matrix",
    "SiteTable": "network",
    "Terrain": "terrain",
    "area_reliability": "reliability",
    "arfcn_ghz": "network",
    "building_entry_loss": "pathloss",
    "busy_hour_mbps": "load_coupled",
    "calibrate": "calibration",
    "car_entry_loss": "tr38901_building",
    "cell_reach": "link",
    "clutter_loss": "p2108",
    "coverage": "coverage_grid",
    "coverage_class_ratio": "iot_access",
    "direct_loss": "direct",
    "disc_mean": "reliability",
    "draw_loss": "shadow",
    "entry_loss_p2109": "p2109",
    "free_space_loss": "free_space",
    "gas_attenuation": "p676",
    "held_out": "calibration",
    "iot_capacity": "iot_access",
    "itm_area": "itm",
    "itm_profile": "itm",
    "itm_warnings": "itm",
    "largest_radius": "reliability",
    "load": "load_coupled",
    "mast_geometry": "sweep",
    "measured_loss_db": "calibration",
    "move_mast": "sweep",
    "net_throughput_mbps": "throughput",
    "parse_msi": "msi",
    "path_loss": "pathloss",
    "path_loss_ranges": "pathloss",
    "peak_rate_mbps": "throughput",
    "prb_count": "throughput",
    "profile_loss": "profile",
    "redcap_capacity": "iot_access",
    "served_ratio": "link",
    "served_share": "shadow",
    "shadow_margin_db": "reliability",
    "spatial_blocks": "calibration",
    "spectral_efficiency": "throughput",
    "sweep_mast": "sweep",
    "sweep_masts": "sweep_many",
    "tdd_share": "throughput",
}

__all__ = [
    "Antenna",
    "BuildingLoss",
    "Calibration",
    "Carrier",
    "Clutter",
    "ClutterLoss",
    "Cuts",
    "EntryLoss",
    "FreeSpaceLoss",
    "GasLoss",
    "Grid",
    "IotCapacity",
    "ItmLoss",
    "Link",
    "MastGeometry",
    "MastLoss",
    "Panel",
    "PathLoss",
    "Pattern",
    "ProfileLoss",
    "RadioCoverage",
    "RadioLoad",
    "SectorTable",
    "SiteMatrix",
    "SiteTable",
    "Terrain",
    "area_reliability",
    "arfcn_ghz",
    "building_entry_loss",
    "busy_hour_mbps",
    "calibrate",
    "car_entry_loss",
    "cell_reach",
    "clutter_loss",
    "coverage",
    "coverage_class_ratio",
    "direct_loss",
    "disc_mean",
    "draw_loss",
    "entry_loss_p2109",
    "free_space_loss",
    "gas_attenuation",
    "held_out",
    "iot_capacity",
    "itm_area",
    "itm_profile",
    "itm_warnings",
    "largest_radius",
    "load",
    "mast_geometry",
    "measured_loss_db",
    "move_mast",
    "net_throughput_mbps",
    "parse_msi",
    "path_loss",
    "path_loss_ranges",
    "peak_rate_mbps",
    "prb_count",
    "profile_loss",
    "redcap_capacity",
    "served_ratio",
    "served_share",
    "shadow_margin_db",
    "spatial_blocks",
    "spectral_efficiency",
    "sweep_mast",
    "sweep_masts",
    "tdd_share",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module = importlib.import_module(f"groundplan.engine.radio.{_HOMES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
