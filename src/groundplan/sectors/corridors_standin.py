"""Service areas without a register, and the places where corridor stations could stand.

Pairs of service areas stand at even distances along the network; how many of them have piles is
the published share, which of them is drawn. No position is real.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.contract import Action, Land, Settings, Sites
from groundplan.sectors.corridors_roads import on_road, point_on, roads_of, service_spots, towns_of
from groundplan.sectors.places import density_at, environment_of, is_clear
from groundplan.sectors.sites import join_sites, pick_sites

__all__ = ["build_candidates", "road_sites", "stand_areas"]

FloatArray = NDArray[np.float64]
#: Both directions of a motorway have their own half of a service area; a town has one station.
SIDES = 2
#: No town place is looked at within this distance of a place that is there already.
NEAR_M = 1000.0


def road_sites(
    land: Land,
    x_m: FloatArray,
    y_m: FloatArray,
    action: NDArray[np.int8],
    columns: Mapping[str, NDArray[Any]],
    first_host: int = 0,
) -> Sites:
    """Return sites at points with what stands there."""
    n = x_m.size
    return Sites(
        x_m=x_m,
        y_m=y_m,
        layer=np.zeros(n, np.int8),
        environment=environment_of(density_at(land, x_m, y_m)),
        action=action.astype(np.int8),
        host=np.arange(first_host, first_host + n, dtype=np.int32),
        units=np.ones(n, np.int32),
        capex_cny=np.zeros(n, np.int64),
        attributes=dict(columns),
    )


def stand_areas(land: Land, settings: Settings, rng: np.random.Generator) -> Sites:
    """Return pairs of service areas along the network, the published share of them with piles."""
    roads = roads_of(land, settings)
    x_m, y_m = service_spots(roads, settings["service_spacing_km"])
    if not land.people.sum() > 0:
        x_m, y_m = x_m[:0], y_m[:0]
    n = x_m.size
    order = rng.permutation(n)
    equipped = np.zeros(n, np.bool_)
    equipped[order[: round(settings["equipped_ratio"] * n)]] = True
    meets = np.zeros(n, np.bool_)
    meets[order[: min(settings["fast_existing_count"], int(equipped.sum()))]] = True
    # piles vary by half about their mean
    piles = np.rint(settings["piles_per_area_ratio"] * rng.uniform(0.5, 1.5, n)).astype(np.int64)
    piles = np.where(equipped, piles, 0)
    fast = np.where(meets, piles, np.floor(settings["fast_ratio"] * piles).astype(np.int64))
    action = np.where(meets, Action.KEEP, np.where(piles > 0, Action.UPGRADE, Action.SHARE))
    columns = {
        "chargers_count": piles,
        "fast_chargers_count": fast,
        "sides_count": np.full(n, SIDES, np.int64),
    }
    rank = np.argsort(action != Action.KEEP, kind="stable")
    return replace(pick_sites(road_sites(land, x_m, y_m, action, columns), rank), is_synthetic=True)


def build_candidates(
    land: Land, existing: Sites, settings: Settings, rng: np.random.Generator
) -> Sites:
    """Return stations that stand, then service areas to upgrade or share, then town exits.

    Where a register names places of its own (action ``NEW``), no town is looked at beside them.
    """
    del rng  # nothing is drawn: towns are where they are
    stands = existing.action == Action.KEEP
    price = np.zeros(len(Action), np.int64)
    for action in (Action.UPGRADE, Action.SHARE, Action.NEW):
        price[action] = settings[f"station_{action.name.lower()}_cny"]
    order = np.argsort(~stands, kind="stable")
    own = pick_sites(existing, order)
    own = pick_sites(own, capex_cny=price[own.action])
    if (existing.action == Action.NEW).any() or not settings["looks_at_towns"]:
        return own
    towns, roads = towns_of(land, settings["town_apart_km"]), roads_of(land, settings)
    exits = on_road(roads, towns.x_m, towns.y_m)
    x_m, y_m = point_on(roads, exits.edge, exits.share)
    clear = exits.far_m <= 1000.0 * settings["town_access_km"]
    clear &= is_clear(x_m, y_m, own.x_m, own.y_m, NEAR_M)
    n = int(clear.sum())
    columns = {
        "chargers_count": np.zeros(n, np.int64),
        "fast_chargers_count": np.zeros(n, np.int64),
        "sides_count": np.ones(n, np.int64),
    }
    new = road_sites(
        land,
        x_m[clear],
        y_m[clear],
        np.full(n, Action.NEW),
        columns,
        first_host=int(existing.host.max(initial=-1)) + 1,
    )
    return join_sites(own, pick_sites(new, capex_cny=np.full(n, price[Action.NEW])))
