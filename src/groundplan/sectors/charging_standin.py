"""Ordinary stations without a register, and the places where a smart station could stand.

Stations follow people, more than in proportion where they live densely. Piles at a station are
drawn from a geometric distribution around the published mean. Lots (parking, service areas,
township towns) are a stand-in as well: seats, named places and the centres of gravity of settled
squares. No position of either is real.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding
from groundplan.sectors.contract import Action, Land, Settings, Sites
from groundplan.sectors.places import (
    ENVIRONMENTS,
    Spots,
    density_at,
    draw_cells,
    environment_of,
    is_clear,
    jitter,
    join_spots,
    lattice_spots,
    settled_weight,
)
from groundplan.sectors.sites import join_sites, pick_sites

__all__ = ["build_candidates", "stand_stations"]

FloatArray = NDArray[np.float64]


def stand_stations(land: Land, settings: Settings, rng: np.random.Generator) -> Sites:
    """Return ordinary stations (``UPGRADE``) and smart ones (``KEEP``) in the settings' numbers.

    Attributes ``chargers_count`` and ``dc_chargers_count`` tell the piles of each; no feeder is
    known, so ``feeder_kw`` is 0.

    Raises
    ------
    DataError
        Where more smart stations are asked than stations stand.
    """
    people = float(land.people.sum())
    n = settings["stations_existing_count"]
    n = (n or round(settings["stations_per_person_ratio"] * people)) if people > 0 else 0
    cell = draw_cells(settled_weight(land, settings["station_exponent_ratio"], 0.0), n, rng)
    x_m, y_m = jitter(land, cell, rng)
    density = land.density_per_km2[cell]
    smart = settings["smart_existing_count"] if n else 0
    if smart > n:
        raise DataError(
            Finding(
                "sector charging",
                0,
                "smart_existing_count",
                str(smart),
                f"at most the {n} stations that stand",
            )
        )
    is_smart = np.zeros(n, np.bool_)
    is_smart[np.argsort(-density, kind="stable")[:smart]] = True
    chargers = rng.geometric(1.0 / settings["chargers_per_station_ratio"], n).astype(np.int64)
    return Sites(
        x_m=x_m,
        y_m=y_m,
        layer=np.zeros(n, np.int8),
        environment=environment_of(density),
        action=np.where(is_smart, Action.KEEP, Action.UPGRADE).astype(np.int8),
        host=np.arange(n, dtype=np.int32),
        units=np.ones(n, np.int32),
        capex_cny=np.zeros(n, np.int64),
        attributes={
            "chargers_count": chargers,
            "dc_chargers_count": rng.binomial(chargers, settings["dc_ratio"]).astype(np.int64),
            "feeder_kw": np.zeros(n),
        },
        is_synthetic=True,
    )


def clear_spots(
    spots: Spots, x_m: FloatArray, y_m: FloatArray, spacing_m: FloatArray, most: int
) -> Spots:
    """Return the first `most` spots that have no point within their environment's spacing."""
    clear = np.zeros(spots.x_m.size, np.bool_)
    for number, distance_m in enumerate(spacing_m):
        here = np.flatnonzero(spots.environment == number)
        clear[here] = is_clear(spots.x_m[here], spots.y_m[here], x_m, y_m, float(distance_m))
    return spots.take(np.flatnonzero(clear)[:most])


def named_spots(land: Land) -> Spots:
    """Return seats and other named places that lie on the land."""
    x_m = np.concatenate([land.seat_x_m, land.place_x_m])
    y_m = np.concatenate([land.seat_y_m, land.place_y_m])
    density = density_at(land, x_m, y_m)
    # the people of one km2 around stand for the place
    spots = Spots(x_m, y_m, density, environment_of(density))
    return spots.take(np.flatnonzero(density > 0))


def at_spots(
    spots: Spots, action: Action, first_host: int, capex_cny: int, example: Sites
) -> Sites:
    """Return a candidate at each spot."""
    n = spots.x_m.size
    return Sites(
        x_m=spots.x_m,
        y_m=spots.y_m,
        layer=np.zeros(n, np.int8),
        environment=spots.environment,
        action=np.full(n, action, np.int8),
        host=np.arange(first_host, first_host + n, dtype=np.int32),
        units=np.ones(n, np.int32),
        capex_cny=np.full(n, capex_cny, np.int64),
        attributes={key: np.zeros(n, column.dtype) for key, column in example.attributes.items()},
    )


def build_candidates(
    land: Land, existing: Sites, settings: Settings, rng: np.random.Generator
) -> Sites:
    """Return smart stations that stand, then ordinary stations, lots and new places.

    Lots are looked at on squares as wide as the access distance; new places on squares moved by
    half of that, where neither station nor lot stands within half the distance. Nothing here is
    drawn: `rng` is part of the contract and stays untouched.
    """
    del rng
    access_m = 1000.0 * np.array([settings[f"access_{e}_km"] for e in ENVIRONMENTS])
    towns = lattice_spots(land, access_m, settings["lot_people"])
    named = named_spots(land)
    # a square's centre beside a named place is the same town
    towns = clear_spots(
        towns, named.x_m, named.y_m, 0.5 * access_m, max(settings["lots_max_count"], 0)
    )
    lots = join_spots(named, towns)
    lots = lots.take(np.arange(min(lots.x_m.size, settings["lots_max_count"])))
    empty = lattice_spots(land, access_m, settings["lot_people"] / 2.0, shift_ratio=0.5)
    taken_x = np.concatenate([existing.x_m, lots.x_m])
    taken_y = np.concatenate([existing.y_m, lots.y_m])
    free = clear_spots(empty, taken_x, taken_y, 0.5 * access_m, settings["new_spots_max_count"])
    stands = existing.action == Action.KEEP
    ordinary = pick_sites(existing, ~stands)
    # the fewest chargers belong to the price before sizing
    chargers_cny = settings["chargers_min_count"] * settings["charger_cny"]
    upgrade_cny = np.full(len(ordinary), settings["station_upgrade_cny"] + chargers_cny, np.int64)
    first_lot = int(existing.host.max(initial=-1)) + 1
    share_cny = settings["station_share_cny"] + chargers_cny
    new_cny = settings["station_new_cny"] + chargers_cny
    return join_sites(
        pick_sites(existing, stands),
        pick_sites(ordinary, capex_cny=upgrade_cny),
        at_spots(lots, Action.SHARE, first_lot, share_cny, existing),
        at_spots(free, Action.NEW, first_lot + lots.x_m.size, new_cny, existing),
    )
