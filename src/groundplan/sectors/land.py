"""The region as a sector sees it: plain arrays, no files, no projections."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.road_network import Roads

__all__ = ["Land"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Land:
    """The region as a sector sees it: arrays over cells, and named points.

    Attributes
    ----------
    cell_m : float
        Side of a cell.
    x_m, y_m : (n_cell,) float64
        Cell centres, equal-area coordinates of the region.
    people : (n_cell,) float64
        Residents of each cell.
    density_per_km2 : (n_cell,) float64
        Residents per km2, averaged over about 1 km so that a finer grid changes no class.
    unit, county : (n_cell,) int16
        Unit and county number of each cell.
    urban_ratio : (n_unit,) float64
        Urban share of each unit's residents.
    seat_x_m, seat_y_m : (n_seat,) float64
        County seats.
    place_x_m, place_y_m : (n_place,) float64
        Other named places.
    cropland_ratio, relief_m : (n_cell,) float32
        Share of each cell that is cropland, and spread of heights around it; both empty where the
        region carries no land cover.
    hazard : (n_cell,) bool
        Cells that the user's hazard files mask; empty where the study names none for the system.
    roads : Roads or None
        The user's road network, where the study names one.
    """

    cell_m: float
    x_m: FloatArray
    y_m: FloatArray
    people: FloatArray
    density_per_km2: FloatArray
    unit: NDArray[np.int16]
    county: NDArray[np.int16]
    urban_ratio: FloatArray
    seat_x_m: FloatArray
    seat_y_m: FloatArray
    place_x_m: FloatArray
    place_y_m: FloatArray
    cropland_ratio: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    relief_m: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    hazard: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    roads: Roads | None = None
