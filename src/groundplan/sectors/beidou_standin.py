"""Reference stations without a register, and the places where further ones could stand.

Stations that stand are spread evenly: the land is cut into squares of equal area, as many as there
are stations, and each has one at a drawn cell. Further places are county seats and the middles of
squares of land that have no station near. No position of a station is real.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding
from groundplan.sectors.contract import Action, Land, Settings, Sites
from groundplan.sectors.places import density_at, environment_of, is_clear, jitter
from groundplan.sectors.sites import join_sites, pick_sites

__all__ = ["build_candidates", "reference_sites", "stand_stations"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def squares(land: Land, side_m: float) -> tuple[IntArray, IntArray, IntArray]:
    """Return cells ordered by the square they lie in, and first cell and size of each square."""
    empty = np.zeros(0, np.int64)
    if not land.x_m.size:
        return empty, empty, empty
    west, north = float(land.x_m.min()), float(land.y_m.max())
    col = ((land.x_m - west) / side_m).astype(np.int64)
    row = ((north - land.y_m) / side_m).astype(np.int64)
    key = row * (int(col.max()) + 1) + col
    order = np.argsort(key, kind="stable")
    _, first, size = np.unique(key[order], return_index=True, return_counts=True)
    return order, first, size


def reference_sites(
    x_m: FloatArray, y_m: FloatArray, land: Land, action: Action, first_host: int, capex_cny: int
) -> Sites:
    """Return a site for each position, each on a structure of its own."""
    n = x_m.size
    return Sites(
        x_m=x_m,
        y_m=y_m,
        layer=np.zeros(n, np.int8),
        environment=environment_of(density_at(land, x_m, y_m)),
        action=np.full(n, action, np.int8),
        host=np.arange(first_host, first_host + n, dtype=np.int32),
        units=np.ones(n, np.int32),
        capex_cny=np.full(n, capex_cny, np.int64),
    )


def stand_stations(land: Land, settings: Settings, rng: np.random.Generator) -> Sites:
    """Return stations that stand: upgraded ones (``KEEP``) first, the rest ``UPGRADE``.

    Raises
    ------
    DataError
        Where more stations are said to be upgraded than stand.
    """
    area_km2 = land.x_m.size * (land.cell_m / 1000.0) ** 2
    n = 0
    if float(land.people.sum()) > 0:
        n = settings["stations_existing_count"]
        n = n or max(1, round(settings["stations_per_km2"] * area_km2))
    upgraded = settings["upgraded_existing_count"] if n else 0
    if upgraded > n:
        raise DataError(
            Finding(
                "sector beidou",
                0,
                "upgraded_existing_count",
                str(upgraded),
                f"at most the {n} stations that stand",
            )
        )
    if not n:
        empty = np.zeros(0)
        none = reference_sites(empty, empty, land, Action.UPGRADE, 0, 0)
        return replace(none, is_synthetic=True)
    order, first, size = squares(land, 1000.0 * float(np.sqrt(area_km2 / n)))
    # whole squares first: slivers at the border come last; more stations than squares go round
    fullest = np.argsort(-size, kind="stable")
    square = fullest[np.arange(n) % fullest.size]
    cell = order[first[square] + (rng.random(n) * size[square]).astype(np.int64)]
    x_m, y_m = jitter(land, cell, rng)
    stands = reference_sites(x_m, y_m, land, Action.UPGRADE, 0, 0)
    action = np.where(np.arange(n) < upgraded, Action.KEEP, Action.UPGRADE).astype(np.int8)
    return replace(stands, action=action, is_synthetic=True)


def build_candidates(
    land: Land, existing: Sites, settings: Settings, rng: np.random.Generator
) -> Sites:
    """Return upgraded stations, then those to upgrade, county seats and open land far from them.

    Nothing here is drawn: `rng` is part of the contract and stays untouched.
    """
    del rng
    clear_m = 1000.0 * settings["host_spacing_km"]
    stands = existing.action == Action.KEEP
    ordinary = pick_sites(existing, ~stands)
    upgrade_cny = np.full(len(ordinary), settings["station_upgrade_cny"], np.int64)
    known = (pick_sites(existing, stands), pick_sites(ordinary, capex_cny=upgrade_cny))
    if not settings["looks_at_new_places"]:
        return join_sites(*known)
    seats = density_at(land, land.seat_x_m, land.seat_y_m) > 0
    seat_x, seat_y = land.seat_x_m[seats], land.seat_y_m[seats]
    free = is_clear(seat_x, seat_y, existing.x_m, existing.y_m, clear_m)
    seat_x, seat_y = seat_x[free], seat_y[free]
    order, first, size = squares(land, 1000.0 * settings["new_spacing_km"])
    if first.size:
        new_x = np.add.reduceat(land.x_m[order], first) / size
        new_y = np.add.reduceat(land.y_m[order], first) / size
    else:
        new_x = new_y = np.zeros(0)
    taken_x = np.concatenate([existing.x_m, seat_x])
    taken_y = np.concatenate([existing.y_m, seat_y])
    free = is_clear(new_x, new_y, taken_x, taken_y, clear_m)
    first_host = int(existing.host.max(initial=-1)) + 1
    shared = reference_sites(
        seat_x, seat_y, land, Action.SHARE, first_host, settings["station_share_cny"]
    )
    new = reference_sites(
        new_x[free],
        new_y[free],
        land,
        Action.NEW,
        first_host + len(shared),
        settings["station_new_cny"],
    )
    return join_sites(*known, shared, new)
