"""Short public names of the radio engine; each loads when it is first used."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.radio import (
        Antenna,
        BuildingLoss,
        Calibration,
        Carrier,
        Clutter,
        ClutterLoss,
        Cuts,
        EntryLoss,
        FreeSpaceLoss,
        GasLoss,
        Grid,
        IotCapacity,
        ItmLoss,
        Link,
        MastGeometry,
        MastLoss,
        Panel,
        PathLoss,
        Pattern,
        ProfileLoss,
        RadioCoverage,
        RadioLoad,
        SectorTable,
        SiteMatrix,
        SiteTable,
        Terrain,
        area_reliability,
        arfcn_ghz,
        building_entry_loss,
        busy_hour_mbps,
        calibrate,
        car_entry_loss,
        cell_reach,
        clutter_loss,
        coverage,
        coverage_class_ratio,
        direct_loss,
        disc_mean,
        draw_loss,
        entry_loss_p2109,
        free_space_loss,
        gas_attenuation,
        held_out,
        iot_capacity,
        itm_area,
        itm_profile,
        itm_warnings,
        largest_radius,
        load,
        mast_geometry,
        measured_loss_db,
        move_mast,
        net_throughput_mbps,
        parse_msi,
        path_loss,
        path_loss_ranges,
        peak_rate_mbps,
        prb_count,
        profile_loss,
        redcap_capacity,
        served_ratio,
        served_share,
        shadow_margin_db,
        spatial_blocks,
        spectral_efficiency,
        sweep_mast,
        sweep_masts,
        tdd_share,
    )

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
    "read_msi",
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


def read_msi(path: str | Path, *, combine: str = "sum") -> Antenna:
    """Read an MSI Planet antenna file.

    Parameters
    ----------
    path : path
    combine : str
        ``"sum"`` or ``"weighted"``: how the two planes are joined.

    Returns
    -------
    Antenna

    Raises
    ------
    DataError
        No such file, or every fault of it with line, value and what was expected.
    """
    from groundplan.engine.radio import parse_msi
    from groundplan.errors import DataError, Finding

    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        finding = Finding(str(path), 0, "", "no readable file", "an MSI file", "check the path")
        raise DataError(finding) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # numbers and header words are ASCII; names may be in any old code page
        text = raw.decode("latin-1")
    return parse_msi(text, str(path), combine=combine)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("groundplan.engine.radio"), name)
    raise AttributeError(f"module 'groundplan.radio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
