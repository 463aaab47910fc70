"""How good a surface is: units held out, settlement classes, both against outside truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from groundplan.region.layer import Grid
from groundplan.region.surface import covariates

if TYPE_CHECKING:
    from groundplan.region.tables import Region

__all__ = ["HeldOut", "class_shares", "held_out"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """Scores of units predicted from their parents' totals.

    Attributes
    ----------
    r2 : float
        1 - SSE / SST over the units.
    mean_error_ratio : float
        Mean absolute error over mean population.
    median_error_ratio : float
        Median of the relative absolute errors.
    n_unit : int
        Units scored; a parent of one unit is left out.
    """

    r2: float
    mean_error_ratio: float
    median_error_ratio: float
    n_unit: int


def held_out(region: Region, grid: Grid) -> HeldOut:
    """Predict every unit from its prefecture's total alone and score it.

    The weight is suitability times (urban fraction + 0.1), summed over the unit's cells: the part
    of the surface that knows no unit total.
    """
    suit, urban = covariates(region, grid.x_m, grid.y_m)
    weight = suit * (urban + 0.1)
    n = len(region.units.code)
    share = np.bincount(grid.unit, weights=weight, minlength=n)
    _, parent = np.unique(region.units.prefecture, return_inverse=True)
    total = np.bincount(parent, weights=region.units.population)
    weights = np.bincount(parent, weights=share)
    predicted = total[parent] * share / weights[parent]
    keep = np.bincount(parent)[parent] > 1
    observed = region.units.population[keep].astype(float)
    error = predicted[keep] - observed
    return HeldOut(
        float(1 - (error**2).sum() / ((observed - observed.mean()) ** 2).sum()),
        float(np.abs(error).mean() / observed.mean()),
        float(np.median(np.abs(error) / observed)),
        int(keep.sum()),
    )


def class_shares(people: FloatArray, density_per_km2: FloatArray) -> FloatArray:
    """Return the share of people at >= 1500, 300..1500 and < 300 per km2.

    These are the density limits of GHS-SMOD's urban centres and clusters; contiguity is ignored.
    """
    edges = [1500.0, 300.0]
    number = np.where(density_per_km2 >= edges[0], 0, np.where(density_per_km2 >= edges[1], 1, 2))
    share = np.bincount(number, weights=people, minlength=3)
    return np.asarray(share / share.sum())
