"""Centres without a register, and the places where halls for racks could stand.

Centres that stand follow people, more than in proportion where they live densely. Buildings of
operators and industrial parks are looked at in every county seat, open land once in each square of
a lattice. A seeded mask takes the place of a hazard map where the study names none: then no hazard
is real, and no position of a centre ever is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.climate import pue_of
from groundplan.sectors.contract import Action, Land, Settings, Sites
from groundplan.sectors.places import (
    ENVIRONMENTS,
    cell_at,
    density_at,
    draw_cells,
    environment_of,
    jitter,
    lattice_spots,
    settled_weight,
)
from groundplan.sectors.sites import join_sites, pick_sites

__all__ = ["build_candidates", "centre_sites", "hazard_at", "headroom_kw", "stand_centres"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def headroom_kw(
    feeder_kw: FloatArray, racks: IntArray, used: IntArray, reserved: IntArray, settings: Settings
) -> FloatArray:
    """Return what a feeder has left for racks to come.

    Racks that stand will be filled, so each of them claims its power; reservations beyond the free
    ones claim theirs too.
    """
    claimed = np.maximum(racks, used + reserved)
    peak = 1.0 + sum(settings[f"{n}_ratio"] for n in ("power_chain", "fans", "compressor"))
    return np.asarray(np.maximum(feeder_kw - claimed * settings["rack_kw"] * peak, 0.0))


def hazard_at(
    land: Land, x_m: FloatArray, y_m: FloatArray, drawn: FloatArray, ratio: float
) -> NDArray[np.bool_]:
    """Return which points hazards mask: the user's map decides, else draws below `ratio`.

    Under a map a point beyond the cells is masked: nothing is known of it.

    Parameters
    ----------
    drawn : (n_point,) float64
        Evenly in 0..1; drawn in either case, so that a map moves nothing else.
    """
    if not land.hazard.size:
        return np.asarray(drawn < ratio)
    cell = cell_at(land, x_m, y_m)
    return np.asarray((cell < 0) | land.hazard[cell])


def centre_sites(
    land: Land,
    x_m: FloatArray,
    y_m: FloatArray,
    action: NDArray[np.int8],
    *,
    columns: dict[str, NDArray[Any]],
    first_host: int = 0,
) -> Sites:
    """Return sites at points, with their columns of what stands there; others hold nothing."""
    n = x_m.size
    empty: dict[str, NDArray[Any]] = {
        "racks_count": np.zeros(n, np.int64),
        "used_racks_count": np.zeros(n, np.int64),
        "reserved_racks_count": np.zeros(n, np.int64),
        "headroom_kw": np.zeros(n),
        "is_hazard": np.zeros(n, np.bool_),
    }
    return Sites(
        x_m=x_m,
        y_m=y_m,
        layer=np.zeros(n, np.int8),
        environment=environment_of(density_at(land, x_m, y_m)),
        action=action.astype(np.int8),
        host=np.arange(first_host, first_host + n, dtype=np.int32),
        units=np.ones(n, np.int32),
        capex_cny=np.zeros(n, np.int64),
        attributes={**empty, **columns},
    )


def stand_centres(land: Land, settings: Settings, rng: np.random.Generator) -> Sites:
    """Return centres that stand (``KEEP``), in the settings' numbers, with racks and feeders.

    Racks and feeders vary evenly by half about their means.
    """
    people = float(land.people.sum())
    n = settings["centres_existing_count"]
    n = (n or max(1, round(settings["centres_per_person_ratio"] * people))) if people > 0 else 0
    cell = draw_cells(settled_weight(land, settings["centre_exponent_ratio"], 0.0), n, rng)
    x_m, y_m = jitter(land, cell, rng)
    racks = np.rint(settings["racks_per_centre_count"] * rng.uniform(0.5, 1.5, n)).astype(np.int64)
    used = np.floor(racks * settings["standing_use_ratio"]).astype(np.int64)
    reserved = np.minimum(
        np.floor(racks * settings["reserved_ratio"]).astype(np.int64), racks - used
    )
    feeder_kw = settings["feeder_existing_kw"] * rng.uniform(0.5, 1.5, n)
    columns = {
        "racks_count": racks,
        "used_racks_count": used,
        "reserved_racks_count": reserved,
        "headroom_kw": headroom_kw(feeder_kw, racks, used, reserved, settings),
        "is_hazard": hazard_at(land, x_m, y_m, rng.random(n), settings["hazard_ratio"]),
    }
    sites = centre_sites(land, x_m, y_m, np.full(n, Action.KEEP), columns=columns)
    return replace(sites, is_synthetic=True)


def build_candidates(
    land: Land, existing: Sites, settings: Settings, rng: np.random.Generator
) -> Sites:
    """Return centres that stand, then their extensions, buildings at seats and open land.

    Where a register names plots of its own (action ``NEW`` in `existing`), no other place is
    looked at beside its centres.
    """
    stands = existing.action == Action.KEEP
    kept = pick_sites(existing, stands)
    n = len(kept)
    extended = pick_sites(kept, capex_cny=np.full(n, settings["site_upgrade_cny"], np.int64))
    extended = changed_action(extended, Action.UPGRADE)
    plots = pick_sites(existing, ~stands)
    if len(plots):
        parts = [pick_sites(plots, capex_cny=np.full(len(plots), settings["site_new_cny"]))]
    else:
        # a real register beside invented hazards would pass for a real map
        hazard_ratio = settings["hazard_ratio"] if existing.is_synthetic else 0.0
        first = int(existing.host.max(initial=-1)) + 1
        parts = seats_and_land(land, settings, rng.random, hazard_ratio, first)
    return with_climate(land, join_sites(kept, extended, *parts), settings)


def seats_and_land(
    land: Land,
    settings: Settings,
    draw: Callable[[int], FloatArray],
    hazard_ratio: float,
    first_host: int,
) -> list[Sites]:
    """Return buildings at the seats that lie on the land, and one place in each rural square."""
    people = density_at(land, land.seat_x_m, land.seat_y_m)
    seat = np.flatnonzero(people > 0)
    side_m = np.full(len(ENVIRONMENTS), 1000.0 * settings["new_spacing_km"])
    spots = lattice_spots(land, side_m, 1.0)
    spots = spots.take(np.flatnonzero(spots.environment == len(ENVIRONMENTS) - 1))
    spots = spots.take(np.arange(min(spots.x_m.size, settings["new_places_max_count"])))
    parts = []
    for x_m, y_m, action, word in (
        (land.seat_x_m[seat], land.seat_y_m[seat], Action.SHARE, "share"),
        (spots.x_m, spots.y_m, Action.NEW, "new"),
    ):
        n = x_m.size
        columns = {
            "headroom_kw": np.full(n, float(settings[f"feeder_{word}_kw"])),
            "is_hazard": hazard_at(land, x_m, y_m, draw(n), hazard_ratio),
        }
        sites = centre_sites(
            land, x_m, y_m, np.full(n, action), columns=columns, first_host=first_host
        )
        price = np.full(n, settings[f"site_{word}_cny"], np.int64)
        parts.append(pick_sites(sites, capex_cny=price))
        first_host += n
    return parts


def changed_action(sites: Sites, action: Action) -> Sites:
    """Return the sites under another action."""
    return replace(sites, action=np.full(len(sites), action, np.int8))


def with_climate(land: Land, sites: Sites, settings: Settings) -> Sites:
    """Return the sites with PUE and hours of free cooling, by how far north they lie."""
    middle_m = float(land.seat_y_m.mean()) if land.seat_y_m.size else 0.0
    extra = np.where(sites.action == Action.SHARE, settings["share_pue_ratio"], 0.0)
    pue, peak, hours = pue_of(sites.y_m - middle_m, settings, extra)
    more = {"pue_ratio": pue, "peak_pue_ratio": peak, "free_cooling_h": hours}
    return replace(sites, attributes={**sites.attributes, **more})
