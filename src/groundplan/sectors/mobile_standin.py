"""Masts and 5G base stations where the user has no register: seeded, in published numbers.

Masts follow people with a part spread over the area. Each mast carries the older generation of
each network with the chance that the published tenancy gives; 5G went to the masts with the
densest surroundings first, with noise of its own for each network, so that some masts have both
networks on 5G, some one, some none.

What comes out has the published counts and a plausible shape. No single position is true.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding
from groundplan.sectors.contract import Action, Land, Settings, Sites
from groundplan.sectors.places import draw_cells, environment_of, jitter, settled_weight

__all__ = ["existing_counts", "occupancy_chances", "stand_masts"]

#: Operators that rent space on masts: one in layer a, two in layer b.
OPERATOR_COUNT = 3
LAYER_B_OPERATOR_COUNT = 2


def existing_counts(people: float, settings: Settings) -> tuple[int, int, int]:
    """Return how many masts, and base stations of each layer, stand at the baseline.

    Counts of 0 in the settings are scaled from the ratios by the region's residents.

    Raises
    ------
    DataError
        Where a layer has more base stations than there are masts.
    """
    if people <= 0:
        return 0, 0, 0
    masts = settings["masts_existing_count"]
    masts = masts or round(settings["masts_per_person_ratio"] * people)
    stations = settings["stations_existing_count"]
    stations = stations or round(settings["stations_per_person_ratio"] * people)
    of_a = round(stations * settings["network_a_station_ratio"])
    of_b = stations - of_a
    if max(of_a, of_b) > masts:
        raise DataError(
            Finding(
                "sector mobile",
                0,
                "stations_existing_count",
                f"{max(of_a, of_b)} base stations of one network on {masts} masts",
                "at most one for each mast",
                "raise masts_existing_count, or give your own register",
            )
        )
    return masts, of_a, of_b


def occupancy_chances(tenants_per_mast: float) -> tuple[float, float]:
    """Return the chance that a mast carries layer a, and that it carries layer b.

    Operators are taken to be equally likely and independent: each is on a mast with a third of
    the mean tenancy; layer b is there if either of its two operators is.

    Examples
    --------
    >>> a, b = occupancy_chances(1.79)
    >>> round(a, 3), round(b, 3)
    (0.597, 0.837)
    """
    each = tenants_per_mast / OPERATOR_COUNT
    return each, 1.0 - (1.0 - each) ** LAYER_B_OPERATOR_COUNT


def first_places(
    density: NDArray[np.float64], n: int, noise: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return the `n` masts that got 5G first: densest surroundings, with noise."""
    score = np.log(np.maximum(density, 1.0)) + noise * rng.standard_normal(density.size)
    chosen = np.zeros(density.size, np.bool_)
    chosen[np.argsort(-score, kind="stable")[:n]] = True
    return chosen


def stand_masts(land: Land, settings: Settings, rng: np.random.Generator) -> Sites:
    """Return a stand-in for the register of masts and base stations.

    Parameters
    ----------
    land : Land
    settings : mapping
        Settings of the mobile sector.
    rng : numpy.random.Generator

    Returns
    -------
    Sites
        One entry for each mast and layer, layer a first: ``KEEP`` where the layer's 5G stands,
        ``UPGRADE`` where only its older generation does, ``SHARE`` where the layer has nothing
        there yet. `host` is the mast.
    """
    n_mast, of_a, of_b = existing_counts(float(land.people.sum()), settings)
    weight = settled_weight(land, settings["mast_exponent_ratio"], settings["mast_area_ratio"])
    cell = draw_cells(weight, n_mast, rng)
    n_mast = cell.size
    x_m, y_m = jitter(land, cell, rng)
    density = land.density_per_km2[cell]
    actions = []
    chances = occupancy_chances(settings["tenants_per_mast_ratio"])
    for count, chance in zip((of_a, of_b), chances, strict=True):
        has_5g = first_places(density, count, settings["rollout_noise_ratio"], rng)
        has_4g = rng.random(n_mast) < chance
        bare = np.where(has_4g, Action.UPGRADE, Action.SHARE)
        actions.append(np.where(has_5g, Action.KEEP, bare))
    return Sites(
        x_m=np.tile(x_m, 2),
        y_m=np.tile(y_m, 2),
        layer=np.repeat(np.array([0, 1], np.int8), n_mast),
        environment=np.tile(environment_of(density), 2),
        action=np.concatenate(actions).astype(np.int8),
        host=np.tile(np.arange(n_mast, dtype=np.int32), 2),
        units=np.ones(2 * n_mast, np.int32),
        capex_cny=np.zeros(2 * n_mast, np.int64),
        is_synthetic=True,
    )
