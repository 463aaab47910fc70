"""Three services on BeiDou and their terminals: modelled from the land, or counted by the user.

Smart farming steers machines on flat fields; environment monitoring watches rivers, air and slopes;
emergency management reaches teams, townships and villages at risk when cellular is down. A user's
file of terminals takes the place of the modelled ones, service by service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.quantity import Field
from groundplan.sectors.contract import Land, Settings
from groundplan.sectors.places import URBAN_PER_KM2

__all__ = [
    "SERVICES",
    "TERMINAL_FIELDS",
    "build_demand",
    "counted_demand",
    "farm_hectares",
    "flat_cropland",
    "service_terminals",
    "terminals_per_person",
    "whole_in_all",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: The three services, with their titles.
SERVICES = (
    ("farming", "Smart farming", "智慧农业"),
    ("environment", "Environment monitoring", "环境监测"),
    ("emergency", "Emergency management", "应急管理"),
)
#: Terminals and people are kept in hundredths.
SCALE = 100
#: Cropland shares are summed in these parts, so that the order of cells does not matter.
CROP_SCALE = 10_000
HA_PER_KM2 = 100.0

#: Columns of a user's file of terminals, beside the position.
TERMINAL_FIELDS = (
    Field(
        "service",
        str,
        choices=tuple(key for key, *_ in SERVICES),
        doc="the service whose terminals these are",
        source="the user's file",
    ),
    Field(
        "terminals_count",
        int,
        "count",
        ge=0,
        le=100_000,
        doc="terminals at this place",
        source="the user's file",
    ),
)


def terminals_per_person(settings: Settings) -> FloatArray:
    """Return the terminals of each service per resident of the region.

    Machines: farmland per resident, its flat share, machines on a km2 of it.
    """
    flat_km2 = settings["farm_ha_per_person_ratio"] * settings["flat_ratio"] / HA_PER_KM2
    return np.array(
        [
            flat_km2 * settings["machines_per_km2"],
            settings["monitors_per_person_ratio"],
            settings["teams_per_person_ratio"],
        ]
    )


def flat_cropland(land: Land, settings: Settings) -> IntArray:
    """Return the weight of each cell in the flat cropland, in parts of `CROP_SCALE`.

    Where the region carries no land cover every cell that is not urban weighs the same.
    """
    if not land.cropland_ratio.size:
        return (land.density_per_km2 < URBAN_PER_KM2).astype(np.int64)
    crop = np.rint(land.cropland_ratio * CROP_SCALE).astype(np.int64)
    return np.where(land.relief_m <= settings["relief_flat_m"], crop, 0)


def in_hills(land: Land, settings: Settings) -> NDArray[np.bool_]:
    """Return which cells lie in hills; none where the region carries no heights."""
    if not land.relief_m.size:
        return np.zeros(land.people.size, np.bool_)
    return np.asarray(land.relief_m > settings["relief_flat_m"])


def spread(total: float, weight: NDArray[Any], summed: float) -> FloatArray:
    """Return `total` shared out by weights whose sum is given; 0 everywhere where it is 0."""
    return np.asarray(weight * (total / summed)) if summed > 0 else np.zeros(weight.shape)


def residents_of(land: Land) -> float:
    """Return the residents of the region, the same whatever the order of cells."""
    return int(np.rint(land.people * SCALE).astype(np.int64).sum()) / SCALE


def farm_hectares(land: Land, settings: Settings) -> FloatArray:
    """Return the farmland below 2 degrees of slope in each cell, hectares."""
    total = residents_of(land) * settings["farm_ha_per_person_ratio"] * settings["flat_ratio"]
    crop = flat_cropland(land, settings)
    return spread(total, crop, float(int(crop.sum())))


def service_terminals(land: Land, settings: Settings) -> FloatArray:
    """Return the terminals of each service in each cell, (3, n_cell).

    Machines follow flat cropland; monitoring terminals partly the hills and else the area;
    emergency terminals the residents, those in the hills with a larger weight.
    """
    people = np.rint(land.people * SCALE).astype(np.int64)
    residents = residents_of(land)
    machines, monitors, teams = terminals_per_person(settings) * residents
    crop = flat_cropland(land, settings)
    hills = in_hills(land, settings)
    n_hill = int(hills.sum())
    on_slopes = settings["monitors_hill_ratio"] if n_hill else 0.0
    factor = settings["teams_hill_factor_ratio"]
    at_risk = np.where(hills, factor, 1.0) * people
    # whole numbers add up to the same whatever the order of cells
    risk = float(int(people[~hills].sum())) + factor * float(int(people[hills].sum()))
    even = np.ones(people.size)
    return np.stack(
        [
            spread(machines, crop, float(int(crop.sum()))),
            spread(monitors * on_slopes, hills, float(n_hill))
            + spread(monitors * (1.0 - on_slopes), even, float(people.size)),
            spread(teams, at_risk, risk),
        ]
    )


def whole_in_all(values: FloatArray, land: Land) -> IntArray:
    """Return whole numbers that follow values >= 0 of the cells and keep their sum.

    What rounding leaves goes on to the next cell, row by row from the north-west, so that small
    shares of a terminal are not all rounded away. Each cell is within 1 of its value.
    """
    x_m, y_m = land.x_m, land.y_m
    down, along = np.diff(y_m), np.diff(x_m)
    in_order = bool(((down < 0) | ((down == 0) & (along > 0))).all())
    order = slice(None) if in_order else np.lexsort((x_m, -y_m))
    told = np.zeros(values.size, np.int64)
    told[order] = np.diff(np.floor(np.cumsum(values[order]) + 0.5).astype(np.int64), prepend=0)
    return told


def build_demand(land: Land, settings: Settings) -> IntArray:
    """Return the terminals of each service in each cell, hundredths."""
    told = service_terminals(land, settings)
    return np.stack([whole_in_all(SCALE * service, land) for service in told])


def counted_demand(
    columns: Mapping[str, NDArray[Any]], cell: IntArray, demand: IntArray, settings: Settings
) -> IntArray:
    """Return the demand with the user's terminals for each service that the file speaks of."""
    del settings
    told = demand.copy()
    service = np.asarray(columns["service"]).astype(str)
    count = np.asarray(columns["terminals_count"]).astype(np.int64)
    for number, (key, *_) in enumerate(SERVICES):
        mine = service == key
        if mine.any():
            told[number] = 0
            np.add.at(told[number], cell[mine], SCALE * count[mine])
    return told
