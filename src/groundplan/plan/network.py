"""Several reference stations around a user: how much demand has them, and lies between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.contract import Land

__all__ = ["NetworkShares", "blocks", "network_shares"]

FloatArray = NDArray[np.float64]
#: Demand is taken together in squares of this side, m; far below the distance of stations.
BLOCK_M = 2000.0
#: Pairs of a block and a station at a time.
PAIRS = 2_000_000


class NetworkShares(NamedTuple):
    """Shares of the demand, 0..1.

    Attributes
    ----------
    single_ratio, single_several_ratio : float
        With one, and with `least` stations within the distance of a single-base solution.
    several_ratio : float
        With `least` stations within the distance of a network solution.
    triangle_ratio : float
        Inside a triangle of stations that all lie within that distance.
    """

    single_ratio: float
    single_several_ratio: float
    several_ratio: float
    triangle_ratio: float


def blocks(land: Land, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return centre of gravity (n, 2) and demand of each square that has some."""
    here = np.flatnonzero(weight > 0)
    if not here.size:
        return np.zeros((0, 2)), np.zeros(0)
    x, y, w = land.x_m[here], land.y_m[here], weight[here]
    col = ((x - x.min()) / BLOCK_M).astype(np.int64)
    row = ((y - y.min()) / BLOCK_M).astype(np.int64)
    _, block = np.unique(row * (int(col.max()) + 1) + col, return_inverse=True)
    total = np.bincount(block, weights=w).astype(np.float64)
    middle = np.column_stack(
        [np.bincount(block, weights=w * x) / total, np.bincount(block, weights=w * y) / total]
    )
    return middle, total


def network_shares(
    land: Land,
    weight: FloatArray,
    station_xy_m: FloatArray,
    *,
    reach_m: float,
    single_m: float,
    least: int,
) -> NetworkShares:
    """Return how much demand has stations around it.

    A place lies inside a triangle of stations exactly where no half-plane through it is free of
    stations: where the largest gap between their directions is below 180 degrees.

    Parameters
    ----------
    weight : (n_cell,) float64
        Demand of each cell.
    station_xy_m : (n_station, 2) float64
    reach_m, single_m : float
        Distances of a network and of a single-base solution.
    least : int
        Stations that a user should have.
    """
    place, demand = blocks(land, weight)
    total = float(demand.sum())
    if total <= 0 or not len(station_xy_m):
        return NetworkShares(0.0, 0.0, 0.0, 0.0)
    step = max(1, PAIRS // len(station_xy_m))
    got = np.zeros(4)
    for start in range(0, len(place), step):
        here, w = place[start : start + step], demand[start : start + step]
        dx = station_xy_m[None, :, 0] - here[:, None, 0]
        dy = station_xy_m[None, :, 1] - here[:, None, 1]
        distance = np.hypot(dx, dy)
        close = (distance <= single_m).sum(axis=1)
        near = distance <= reach_m
        inside = surrounded(np.where(near, np.arctan2(dy, dx), np.nan))
        for k, is_met in enumerate((close >= 1, close >= least, near.sum(axis=1) >= least, inside)):
            got[k] += float(w[is_met].sum())
    return NetworkShares(*(float(min(v / total, 1.0)) for v in got))


def surrounded(angle: FloatArray) -> NDArray[np.bool_]:
    """Return which rows have directions (NaN: none) with no gap of 180 degrees or more."""
    ordered = np.sort(angle, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    gap = np.where(np.isfinite(ordered[:, 1:]), np.diff(ordered, axis=1), 0.0)
    widest = gap.max(axis=1, initial=0.0)
    last = ordered[np.arange(len(ordered)), np.maximum(count - 1, 0)]
    # NaN where there is no direction; compares as not surrounded
    around = 2.0 * np.pi - (last - ordered[:, 0])
    return np.asarray((count >= 3) & (np.maximum(widest, around) < np.pi - 1e-12))
