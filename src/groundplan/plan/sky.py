"""Satellites and dilution over a region: places of each county, with the horizon of the terrain."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.contract import Land

__all__ = ["CountySky", "Heights", "county_places", "county_sky", "grid_north_deg", "relief_of"]

FloatArray = NDArray[np.float64]
#: Directions in which the horizon is looked at.
AZIMUTHS = 36
#: How far terrain is looked at, m.
HORIZON_M = 20_000.0
#: Step by which the direction of north is measured, m.
NORTH_STEP_M = 1000.0


class Heights(NamedTuple):
    """Heights of the ground on a metric grid, row 0 in the north.

    Attributes
    ----------
    height_m : (n_row, n_col) float32
    x0_m, y1_m, cell_m : float
        Western and northern edge, side of a cell.
    """

    height_m: NDArray[np.float32]
    x0_m: float
    y1_m: float
    cell_m: float


class CountySky(NamedTuple):
    """What is seen of the sky in each county; NaN where no place of it was looked at.

    Attributes
    ----------
    place_count : (n_county,) int64
    satellites_mean, pdop_mean : (n_county,) float64
        Means over places and epochs.
    available_ratio, available_min_ratio : (n_county,) float64
        Share of epochs with service: mean over places, and at the worst of them.
    """

    place_count: NDArray[np.int64]
    satellites_mean: FloatArray
    pdop_mean: FloatArray
    available_ratio: FloatArray
    available_min_ratio: FloatArray


def relief_of(ground: Any) -> Heights | None:
    """Return the heights that the study names, None where it names none."""
    relief = getattr(ground, "relief", None)
    if relief is None:
        return None
    terrain = relief.terrain
    return Heights(
        np.asarray(terrain.height_m, np.float32), terrain.x0_m, terrain.y0_m, terrain.cell_m
    )


def county_places(county: NDArray[np.int16], n_county: int, places: int) -> NDArray[np.int64]:
    """Return about so many cells, spread evenly over the cells of each county, at least one."""
    order = np.argsort(county, kind="stable")
    size = np.bincount(county, minlength=n_county)
    first = np.cumsum(size) - size
    wanted = np.minimum(np.maximum(np.rint(places * size / max(1, county.size)), 1), size)
    picked = [
        order[f + ((np.arange(int(w)) + 0.5) * (s / w)).astype(np.int64)]
        for f, s, w in zip(first, size, wanted, strict=True)
        if s
    ]
    return np.concatenate(picked) if picked else np.zeros(0, np.int64)


def grid_north_deg(region: Any, x_m: FloatArray, y_m: FloatArray) -> FloatArray:
    """Return the grid azimuth of true north at places, degrees."""
    lon0, lat0 = region.unproject(x_m, y_m - NORTH_STEP_M / 2)
    lon1, lat1 = region.unproject(x_m, y_m + NORTH_STEP_M / 2)
    middle = np.radians(0.5 * (np.asarray(lat0) + np.asarray(lat1)))
    east = (np.asarray(lon1) - np.asarray(lon0)) * np.cos(middle)
    turn = np.arctan2(east, np.asarray(lat1) - np.asarray(lat0))
    return np.asarray(-np.degrees(turn), np.float64)


def ground_heights(relief: Heights, x_m: FloatArray, y_m: FloatArray) -> FloatArray:
    """Return the height of the cell of each place."""
    row = ((relief.y1_m - y_m) / relief.cell_m).astype(np.int64)
    col = ((x_m - relief.x0_m) / relief.cell_m).astype(np.int64)
    n_row, n_col = relief.height_m.shape
    told = relief.height_m[np.clip(row, 0, n_row - 1), np.clip(col, 0, n_col - 1)]
    return np.asarray(told, np.float64)


def county_sky(
    region: Any,
    land: Land,
    n_county: int,
    *,
    places: int,
    mask_deg: float,
    pdop_max: float,
    relief: Heights | None = None,
) -> CountySky:
    """Return satellites in view, dilution and availability of each county.

    Parameters
    ----------
    region : groundplan.region.Region
    land : Land
    n_county : int
    places : int
        About how many places in all, each a cell of the land.
    mask_deg : float
        Least elevation of a satellite.
    pdop_max : float
        Up to which position dilution counts as service.
    relief : Heights, optional
        Terrain, for its horizon and the height of places; without it `mask_deg` alone and height 0.

    Returns
    -------
    CountySky
    """
    from groundplan.engine.models import Constellation, sky_view, terrain_horizon

    cell = county_places(land.county, n_county, places)
    x_m, y_m = land.x_m[cell], land.y_m[cell]
    lon, lat = region.unproject(x_m, y_m)
    horizon, high_m = None, np.zeros(cell.size)
    if relief is not None:
        high_m = ground_heights(relief, x_m, y_m)
        horizon = terrain_horizon(
            relief.height_m, relief.x0_m, relief.y1_m, relief.cell_m, x_m, y_m,
            azimuths=AZIMUTHS, reach_m=HORIZON_M, turn_deg=grid_north_deg(region, x_m, y_m),
        )  # fmt: skip
    told = sky_view(
        Constellation.bds3(), lat, lon, high_m, mask_deg=mask_deg, horizon_deg=horizon,
        pdop_max=pdop_max,
    )  # fmt: skip
    of = land.county[cell]
    count = np.bincount(of, minlength=n_county)

    def mean(values: FloatArray) -> FloatArray:
        known = np.isfinite(values)
        n = np.bincount(of[known], minlength=n_county)
        total = np.bincount(of[known], weights=values[known], minlength=n_county)
        whole = np.full(n_county, np.nan)
        np.divide(total, n, out=whole, where=n > 0)
        return whole

    worst = np.full(n_county, np.inf)
    np.minimum.at(worst, of, told.available_ratio)
    return CountySky(
        count,
        mean(told.satellites_mean),
        mean(told.pdop_mean),
        mean(told.available_ratio),
        np.where(count > 0, worst, np.nan),
    )
