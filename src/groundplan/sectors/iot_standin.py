"""NB-IoT stations without a register, and the masts that could take one in.

Stations follow people, less than in proportion where they live densely, with a part spread over
the area. Hosts are a stand-in too: the centres of gravity of settled squares that have no station
near; masts stand far denser than these squares (143,585 in the stand-in of the 5G plan), so each
is taken to have one. No position of either is real.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.contract import Action, Land, Settings, Sites
from groundplan.sectors.places import (
    ENVIRONMENTS,
    draw_cells,
    environment_of,
    is_clear,
    jitter,
    lattice_spots,
    settled_weight,
)
from groundplan.sectors.sites import join_sites, pick_sites

__all__ = ["build_candidates", "nbiot_sites", "stand_stations"]

FloatArray = NDArray[np.float64]


def nbiot_sites(
    x_m: FloatArray,
    y_m: FloatArray,
    environment: NDArray[np.int8],
    action: Action,
    first_host: int,
    capex_cny: int,
) -> Sites:
    """Return a site for each position, each on a structure of its own."""
    n = x_m.size
    return Sites(
        x_m=x_m,
        y_m=y_m,
        layer=np.zeros(n, np.int8),
        environment=environment,
        action=np.full(n, action, np.int8),
        host=np.arange(first_host, first_host + n, dtype=np.int32),
        units=np.ones(n, np.int32),
        capex_cny=np.full(n, capex_cny, np.int64),
    )


def stand_stations(land: Land, settings: Settings, rng: np.random.Generator) -> Sites:
    """Return NB-IoT stations that stand (``KEEP``) in the settings' number."""
    people = float(land.people.sum())
    n = settings["stations_existing_count"]
    n = (n or round(settings["stations_per_person_ratio"] * people)) if people > 0 else 0
    weight = settled_weight(
        land, settings["station_exponent_ratio"], settings["station_area_ratio"]
    )
    cell = draw_cells(weight, n, rng)
    x_m, y_m = jitter(land, cell, rng)
    stands = nbiot_sites(x_m, y_m, environment_of(land.density_per_km2[cell]), Action.KEEP, 0, 0)
    return replace(
        stands,
        attributes={"standing_carriers_count": np.ones(len(stands), np.int64)},
        is_synthetic=True,
    )


def build_candidates(
    land: Land, existing: Sites, settings: Settings, rng: np.random.Generator
) -> Sites:
    """Return stations that stand, then masts in settled squares without a station near.

    Nothing here is drawn: `rng` is part of the contract and stays untouched.
    """
    del rng
    spacing_m = 1000.0 * np.array([settings[f"spacing_{e}_km"] for e in ENVIRONMENTS])
    spots = lattice_spots(land, spacing_m, settings["spot_people"])
    clear = np.zeros(spots.x_m.size, np.bool_)
    for number, distance_m in enumerate(spacing_m):
        here = np.flatnonzero(spots.environment == number)
        x_m, y_m = spots.x_m[here], spots.y_m[here]
        clear[here] = is_clear(x_m, y_m, existing.x_m, existing.y_m, 0.5 * distance_m)
    open_spots = spots.take(np.flatnonzero(clear)[: settings["spots_max_count"]])
    hosts = nbiot_sites(
        open_spots.x_m,
        open_spots.y_m,
        open_spots.environment,
        Action.SHARE,
        int(existing.host.max(initial=-1)) + 1,
        settings["station_share_cny"],
    )
    return join_sites(pick_sites(existing), hosts)
