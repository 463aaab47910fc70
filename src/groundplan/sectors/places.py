"""Where things may stand: seeded draws on the land, lattice spots, and distances between points.

Everything here works on whole arrays and costs a few passes over the cells, so that 16 million
cells take seconds. Draws are stratified (one in each of n equal slices of the summed weight), so
counts by place follow the weight closely and do not wander with the seed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.contract import Land

__all__ = [
    "DENSE_URBAN_PER_KM2",
    "ENVIRONMENTS",
    "URBAN_PER_KM2",
    "Spots",
    "cell_at",
    "cell_environment",
    "density_at",
    "draw_cells",
    "environment_of",
    "is_clear",
    "jitter",
    "join_spots",
    "lattice_spots",
    "settled_weight",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Classes of land in the order that `Sites.environment` counts them.
ENVIRONMENTS = ("dense_urban", "urban", "rural")
#: Residents per km2 of an urban centre: Degree of Urbanisation (UN Statistical Commission, 2020;
#: GHS-SMOD), without its rule on contiguous population.
DENSE_URBAN_PER_KM2 = 1500.0
#: Residents per km2 of other urban land. The 300 of the same definition needs its contiguity rule:
#: without it every village of a densely farmed plain is urban (90 % of Henan's people). At 1000
#: the modelled surface of Henan has 56 % of its people on urban land; the census has 55.4 %.
URBAN_PER_KM2 = 1000.0


class Spots(NamedTuple):
    """Candidate places: position, residents they stand for, environment."""

    x_m: FloatArray
    y_m: FloatArray
    people: FloatArray
    environment: NDArray[np.int8]

    def take(self, at: NDArray[np.int64] | NDArray[np.bool_]) -> Spots:
        """Return the spots at the positions or under the mask given."""
        return Spots(self.x_m[at], self.y_m[at], self.people[at], self.environment[at])


def join_spots(*parts: Spots) -> Spots:
    """Return the spots one after another."""
    return Spots(
        np.concatenate([part.x_m for part in parts]),
        np.concatenate([part.y_m for part in parts]),
        np.concatenate([part.people for part in parts]),
        np.concatenate([part.environment for part in parts]),
    )


def environment_of(density_per_km2: FloatArray) -> NDArray[np.int8]:
    """Return 0 (dense urban), 1 (urban) or 2 (rural) for each density."""
    is_dense = density_per_km2 >= DENSE_URBAN_PER_KM2
    is_urban = density_per_km2 >= URBAN_PER_KM2
    return (2 - is_urban.astype(np.int8) - is_dense.astype(np.int8)).astype(np.int8)


def cell_environment(land: Land) -> NDArray[np.int8]:
    """Return the class of each cell, as `environment_of` its density."""
    return environment_of(land.density_per_km2)


def settled_weight(land: Land, exponent: float, area_ratio: float) -> FloatArray:
    """Return how strongly each cell draws equipment.

    ``people * density**(exponent - 1)``, normed to 1, and an equal part for each cell that takes
    up `area_ratio` of the whole. Density is the mean over about 1 km, so the same places weigh
    the same at any cell size.

    Parameters
    ----------
    exponent : float
        1: equipment per resident is the same everywhere; less: more of it per resident where few
        live.
    area_ratio : float
        Share of the weight that follows area alone, in 0..1.

    Returns
    -------
    (n_cell,) float64
        Sums to 1; all 0 where nobody lives.
    """
    weight = np.maximum(land.density_per_km2, 1.0)
    np.power(weight, exponent - 1.0, out=weight)
    weight *= land.people
    total = float(weight.sum())
    if total <= 0.0:
        return np.zeros_like(weight)
    weight *= (1.0 - area_ratio) / total
    weight += area_ratio / weight.size
    return weight


def draw_cells(weight: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Return `n` cells, one from each of `n` equal slices of the summed weight.

    Cells without weight are never drawn; a heavy cell may be drawn more than once.
    """
    if n <= 0 or weight.size == 0:
        return np.zeros(0, np.int64)
    summed = np.cumsum(weight)
    if not summed[-1] > 0.0:
        return np.zeros(0, np.int64)
    position = (np.arange(n) + rng.random(n)) * (summed[-1] / n)
    # rounding may carry the last position to the very end of the sum
    last = int(np.searchsorted(summed, summed[-1], side="left"))
    cell: IntArray = np.minimum(np.searchsorted(summed, position, side="right"), last)
    return cell


def jitter(land: Land, cell: IntArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return a random point inside each of the cells."""
    x_m = land.x_m[cell] + (rng.random(cell.size) - 0.5) * land.cell_m
    y_m = land.y_m[cell] + (rng.random(cell.size) - 0.5) * land.cell_m
    return x_m, y_m


def cell_at(land: Land, x_m: FloatArray, y_m: FloatArray) -> IntArray:
    """Return the cell in which each point lies, -1 outside the land."""
    if land.x_m.size == 0 or x_m.size == 0:
        return np.full(x_m.shape, -1, np.int64)
    west, north = float(land.x_m.min()), float(land.y_m.max())
    width = int(np.rint((float(land.x_m.max()) - west) / land.cell_m)) + 1

    def key_of(x: FloatArray, y: FloatArray) -> IntArray:
        col = np.rint((x - west) / land.cell_m).astype(np.int64)
        row = np.rint((north - y) / land.cell_m).astype(np.int64)
        # a point west or east of every cell must not wrap into the next row
        return np.where((col >= 0) & (col < width), row * width + col, -1)

    key = key_of(land.x_m, land.y_m)
    order = None if bool((key[1:] >= key[:-1]).all()) else np.argsort(key, kind="stable")
    ordered = key if order is None else key[order]
    wanted = key_of(x_m, y_m)
    at = np.minimum(np.searchsorted(ordered, wanted), ordered.size - 1)
    hit = ordered[at] == wanted
    return np.where(hit, at if order is None else order[at], -1)


def density_at(land: Land, x_m: FloatArray, y_m: FloatArray) -> FloatArray:
    """Return the density at each point; 0 outside the land."""
    cell = cell_at(land, x_m, y_m)
    out = np.zeros(x_m.shape)
    out[cell >= 0] = land.density_per_km2[cell[cell >= 0]]
    return out


def lattice_spots(
    land: Land, spacing_m: FloatArray, people_min: float, shift_ratio: float = 0.0
) -> Spots:
    """Return the centres of gravity of the people of each square of a lattice.

    Each environment has its own lattice, over its own cells.

    Parameters
    ----------
    spacing_m : (n_environment,) float64
        Side of a square, > 0.
    people_min : float
        Squares with fewer residents give no spot.
    shift_ratio : float
        Moves the lattice by this share of its side.

    Returns
    -------
    Spots
        Most people first; equal ones in the lattice's order.
    """
    empty = np.zeros(0)
    if land.people.size == 0:
        return Spots(empty, empty, empty, np.zeros(0, np.int8))
    environment = cell_environment(land)
    west, north = float(land.x_m.min()), float(land.y_m.max())
    parts = []
    for number, side_m in enumerate(spacing_m):
        here = np.flatnonzero(environment == number)
        if not here.size:
            continue
        x, y, people = land.x_m[here], land.y_m[here], land.people[here]
        col = ((x - west) / side_m + shift_ratio).astype(np.int64)
        row = ((north - y) / side_m + shift_ratio).astype(np.int64)
        square = row * (int(col.max()) + 1) + col
        total = np.bincount(square, weights=people).astype(np.float64)
        kept = np.flatnonzero((total >= people_min) & (total > 0))
        gravity_x = np.bincount(square, weights=people * (x - west))[kept] / total[kept] + west
        gravity_y = north - np.bincount(square, weights=people * (north - y))[kept] / total[kept]
        parts.append(Spots(gravity_x, gravity_y, total[kept], np.full(kept.size, number, np.int8)))
    merged = join_spots(*parts)
    return merged.take(np.argsort(-merged.people, kind="stable"))


def is_clear(
    x_m: FloatArray,
    y_m: FloatArray,
    other_x_m: FloatArray,
    other_y_m: FloatArray,
    distance_m: float,
) -> NDArray[np.bool_]:
    """Return which points have none of the others within `distance_m`.

    Others are sorted into squares of that side; each point looks into the three rows of squares
    around it, so the work grows with the number of close pairs only.
    """
    clear = np.ones(x_m.size, np.bool_)
    if not x_m.size or not other_x_m.size:
        return clear
    west = min(float(x_m.min()), float(other_x_m.min()))
    south = min(float(y_m.min()), float(other_y_m.min()))
    # two spare columns keep the ends of neighbouring rows apart
    span = max(float(x_m.max()), float(other_x_m.max())) - west
    width = int(span / distance_m) + 3

    def key_of(x: FloatArray, y: FloatArray) -> IntArray:
        col = ((x - west) / distance_m).astype(np.int64) + 1
        row = ((y - south) / distance_m).astype(np.int64) + 1
        return row * width + col

    other_key = key_of(other_x_m, other_y_m)
    order = np.argsort(other_key, kind="stable")
    ordered = other_key[order]
    key = key_of(x_m, y_m)
    for row in (-1, 0, 1):
        middle = key + row * width
        first = np.searchsorted(ordered, middle - 1, side="left")
        count = np.searchsorted(ordered, middle + 1, side="right") - first
        point = np.repeat(np.arange(x_m.size), count)
        start = np.cumsum(count) - count
        other = order[np.arange(point.size) - np.repeat(start, count) + np.repeat(first, count)]
        near = np.hypot(x_m[point] - other_x_m[other], y_m[point] - other_y_m[other]) <= distance_m
        clear[point[near]] = False
    return clear
