"""The modelled population surface: census totals spread over cells, exact in every unit.

Dasymetric: each unit's total is split by settlement class (GHS-SMOD shares), and each class over
the unit's cells by a weight: decay from the seat for the core, towns and villages for the middle,
suitability for the rest. Positions of most towns and of all villages are drawn, so nothing below
about 5 km is observed: the result is good for load, totals and class mix and is never evidence.
Constants: region note of the method page docs/region/surface.md; set by hand, confidence low.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding
from groundplan.region.layer import Grid, Layer, Ledger

if TYPE_CHECKING:
    from groundplan.region.tables import Region

__all__ = ["PEOPLE_SCALE", "covariates", "density_per_km2", "integerise", "model_population"]

FloatArray = NDArray[np.float64]
#: People are kept in whole hundredths.
PEOPLE_SCALE = 100
#: IGBP classes by group (MCD12C1 v006, land cover type 1).
IGBP = {
    "urban": (13,),
    "crop": (12, 14),
    "forest": (1, 2, 3, 4, 5, 8, 9),
    "grass": (6, 7, 10),
    "water": (0, 11),
}
NOTE = "modelled; sums to the census by unit, synthetic below about 5 km; planning exercise data"


def covariates(region: Region, x_m: FloatArray, y_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return suitability for settlement and urban fraction at points.

    Parameters
    ----------
    x_m, y_m : (n,) float64

    Returns
    -------
    (suitability, urban) : (n,) float64 each
        Where the region carries no land cover, suitability 1 and urban 0.
    """
    from scipy.ndimage import map_coordinates, uniform_filter

    if not (region.folder / "landcover.npz").is_file():
        return np.ones(x_m.size), np.zeros(x_m.size)
    lon, lat = region.unproject(x_m, y_m)

    def sample(image: NDArray[Any], west: float, north: float, step: float) -> FloatArray:
        at = np.array([(north - lat) / step, (lon - west) / step])
        return np.asarray(map_coordinates(image.astype(float), at, order=1, mode="nearest"))

    with np.load(region.folder / "landcover.npz") as z:
        step = float(z["step_deg"])
        west, north = float(z["west"]) + step / 2, float(z["north"]) - step / 2
        part = {k: sample(np.isin(z["igbp"], v), west, north, step) for k, v in IGBP.items()}
    with np.load(region.folder / "relief.npz") as z:
        height = z["height_m"].astype(float)
        mean, square = uniform_filter(height, 3), uniform_filter(height**2, 3)
        rough = np.sqrt(np.clip(square - mean * mean, 0, None))
        relief_m = sample(rough, float(z["west"]), float(z["north"]), float(z["step_deg"]))
    suit = 0.25 + part["crop"] + 1.2 * part["urban"] + 0.35 * part["grass"]
    suit = suit * np.exp(-relief_m / 300.0) * (1 - 0.85 * part["forest"])
    return np.clip(suit, 0.02, None) * (1 - np.clip(part["water"], 0, 1)), part["urban"]


def covariate_rasters(region: Region, grid: Grid) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Return both covariates on a lattice of about 1 km over the full raster, and its factor."""
    k = max(1, round(1000 / grid.cell_m))
    rows, cols = grid.n_row // k + 3, grid.n_col // k + 3
    x = grid.x0_m + grid.cell_m * k * np.arange(cols)
    y = grid.y1_m - grid.cell_m * k * np.arange(rows)
    xx, yy = np.meshgrid(x, y)
    suit, urban = covariates(region, xx.ravel(), yy.ravel())
    return suit.reshape(rows, cols), urban.reshape(rows, cols), k


def at_lattice(lattice: NDArray[Any], k: int, row: Any, col: Any) -> FloatArray:
    """Return the bilinear value of a lattice (nodes at cell corners) at cell centres."""
    r, c = (row + 0.5) / k, (col + 0.5) / k
    i, j = r.astype(np.int64), c.astype(np.int64)
    fr, fc = r - i, c - j
    top = lattice[i, j] * (1 - fc) + lattice[i, j + 1] * fc
    low = lattice[i + 1, j] * (1 - fc) + lattice[i + 1, j + 1] * fc
    return np.asarray(top * (1 - fr) + low * fr)


def model_population(
    region: Region, grid: Grid, seed: int = 41, ledger: Ledger | None = None
) -> Layer:
    """Return the modelled people of each cell; every unit adds up to its census total.

    Parameters
    ----------
    region : Region
    grid : Grid
    seed : int
        Each unit draws from a stream of its own (seed, unit code): one unit's change moves no
        other, and units are worked side by side.
    ledger : Ledger, optional

    Returns
    -------
    Layer
        Counts of people, `is_modelled`.
    """
    suit, urban, k = covariate_rasters(region, grid)
    order = np.argsort(grid.unit, kind="stable")
    start = np.searchsorted(grid.unit[order], np.arange(len(region.units.code) + 1))
    seats = seats_by_unit(region)
    places = region.place_xy_m()
    values = np.zeros(len(grid))

    def fill(u: int) -> None:
        cells = order[start[u] : start[u + 1]]
        values[cells] = unit_people(region, grid, u, cells, seats[u], places, suit, urban, k, seed)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, range(len(region.units.code))))
    total = region.units.population
    if ledger is not None:
        ledger.add(
            "census totals to modelled cells",
            float(total.sum()),
            float(values.sum()),
            note=f"{len(total)} units, {len(grid):,} cells of {grid.cell_m:g} m",
        )
    return Layer(
        values,
        "people",
        "count",
        "people",
        region.census_year,
        "facts; cite NBS and the sources of the covariates",
        "census tabulation by county, spread by land cover, relief, seats and settlement classes",
        is_modelled=True,
        note=NOTE,
    )


def seats_by_unit(region: Region) -> list[FloatArray]:
    """Return the seats (n, 2) of each unit: by code through the crosswalk, never by position."""
    xy = region.seat_xy_m()
    body = np.argmax(region.units.area_km2[:, None] * region.crosswalk, axis=0)
    by_code = {code: i for i, code in enumerate(region.units.code)}
    owner = [by_code.get(code, int(body[j])) for j, code in enumerate(region.counties.code)]
    return [xy[[j for j, o in enumerate(owner) if o == u]] for u in range(len(region.units.code))]


def unit_people(
    region: Region, grid: Grid, u: int, cells: NDArray[np.int64], seats: FloatArray,
    places: FloatArray, suit: NDArray[Any], urban: NDArray[Any], k: int, seed: int,
) -> FloatArray:  # fmt: skip
    """Return the people of the cells of one unit."""
    from scipy.ndimage import gaussian_filter

    units = region.units
    people = int(units.population[u])
    if not cells.size:
        raise DataError(
            Finding("grid", 0, f"unit {units.code[u]}", "no cell", "at least one", "finer cells")
        )
    digits = int("".join(c for c in str(units.code[u]) if c.isdigit()) or u)
    rng = np.random.Generator(np.random.Philox(key=[seed, digits]))
    row, col = grid.row[cells], grid.col[cells]
    x = grid.x0_m + grid.cell_m * (col + 0.5)
    y = grid.y1_m - grid.cell_m * (row + 0.5)
    s, w_urban = at_lattice(suit, k, row, col), at_lattice(urban, k, row, col)
    km = 1000.0 / grid.cell_m
    top, left = row.min(), col.min()
    shape = (int(row.max() - top) + 1, int(col.max() - left) + 1)
    flat = (row - top).astype(np.int64) * shape[1] + (col - left)
    density = people / units.area_km2[u]

    # core: exponential decay (Clark 1951) from the seats, or from the most urban cell
    core = min(max(float(units.core_ratio[u]), 0.15 * float(units.urban_ratio[u])), 0.98)
    if not len(seats):
        at = int(np.argmax(w_urban))
        seats = np.array([[x[at], y[at]]])
    peak_per_km2 = 14_000.0 if density > 1500 else 9_000.0
    decay_m = 1150.0 * np.sqrt(people * core / len(seats) / (2 * np.pi * peak_per_km2))
    distance_m = np.min([np.hypot(x - sx, y - sy) for sx, sy in seats], axis=0)
    # a seat may lie across a synthetic border: measure from the unit's cell nearest to it
    distance_m -= distance_m.min()
    if density > 1500:
        w_core = np.exp(-distance_m / (2.5 * decay_m)) * (0.25 + w_urban)
    else:
        w_core = np.exp(-distance_m / decay_m) * (0.30 + w_urban)

    # middle: towns (real places first) and villages, as many as there are
    area = cells.size / km**2
    n_town = count_or(units.townships_count[u], max(4.0, area // 70))
    n_village = min(count_or(units.villages_count[u], max(30.0, area // 4)), cells.size)
    real = cells_of_points(grid, places, flat, shape, int(top), int(left))
    drawn = draw(s, max(n_town - real.size, 0), rng)
    town = np.zeros(shape[0] * shape[1], np.float32)
    np.add.at(town, flat[real], rng.lognormal(0, 0.6, real.size).astype(np.float32))
    np.add.at(town, flat[drawn], rng.lognormal(0, 0.6, drawn.size).astype(np.float32))
    w_town = gaussian_filter(town.reshape(shape), 1.1 * km).ravel()[flat] + 1e-6
    drawn = draw(s, n_village, rng)
    village = np.zeros(shape[0] * shape[1], np.float32)
    village[flat[drawn]] = rng.lognormal(0, 0.5, drawn.size)
    w_village = gaussian_filter(village.reshape(shape), 0.7 * km).ravel()[flat].astype(float)
    w_village = w_village * s + 0.15 * s * w_village.mean() + 1e-9
    middle = min(float(units.middle_ratio[u]), 1 - core)
    sparse = max(1 - core - middle, 0.0)
    w_middle = 0.30 * w_town / w_town.sum() + 0.70 * w_village / w_village.sum()
    weight = core * w_core / w_core.sum() + middle * w_middle + sparse * s / s.sum()
    return np.asarray(people * weight / weight.sum())


def count_or(value: float, fallback: float) -> int:
    """Return a published count, or the fallback where there is none."""
    return int(fallback if np.isnan(value) else value)


def draw(suit: FloatArray, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `n` different cells drawn by suitability (Gumbel top-n)."""
    key = np.log(suit + 1e-9) + rng.gumbel(size=suit.size)
    n = min(n, suit.size)
    if n == 0:
        return np.zeros(0, np.int64)
    return np.sort(np.argpartition(-key, n - 1)[:n])


def cells_of_points(
    grid: Grid, xy_m: FloatArray, flat: NDArray[np.int64], shape: tuple[int, int], top: int,
    left: int,
) -> NDArray[np.int64]:  # fmt: skip
    """Return the unit's cells that hold one of the points."""
    row = np.floor((grid.y1_m - xy_m[:, 1]) / grid.cell_m).astype(np.int64) - top
    col = np.floor((xy_m[:, 0] - grid.x0_m) / grid.cell_m).astype(np.int64) - left
    ok = (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
    wanted = np.unique(row[ok] * shape[1] + col[ok])
    at = np.searchsorted(flat, wanted)
    at = at[at < flat.size]
    return at[np.isin(flat[at], wanted)]


def integerise(
    values: FloatArray, unit: NDArray[np.int16], totals: NDArray[np.int64],
    scale: int = PEOPLE_SCALE,
) -> NDArray[np.int64]:  # fmt: skip
    """Return whole `scale`-ths whose sums per unit are exact (largest remainder).

    Parameters
    ----------
    values : (n_cell,) float64
        Adding up to `totals` within rounding.
    unit : (n_cell,) int16
    totals : (n_unit,) int64
    scale : int
    """
    exact = values * scale
    whole = np.floor(exact).astype(np.int64)
    missing = totals * scale - np.bincount(unit, weights=whole, minlength=len(totals)).astype(
        np.int64
    )
    order = np.argsort(unit, kind="stable")
    start = np.searchsorted(unit[order], np.arange(len(totals) + 1))
    for u, n in enumerate(missing):
        cells = order[start[u] : start[u + 1]]
        if not 0 <= n <= cells.size:
            raise DataError(
                Finding(
                    "cells", 0, f"unit {u}", f"{whole[cells].sum() / scale:.2f} people",
                    f"{totals[u]} within rounding", "rake the layer to the control totals first",
                )
            )  # fmt: skip
        if n:
            rest = whole[cells] - exact[cells]
            whole[cells[np.argpartition(rest, n - 1)[:n]]] += 1
    return whole


def density_per_km2(people: FloatArray, grid: Grid, window_m: float = 1000.0) -> FloatArray:
    """Return people per km2 averaged over a square of about `window_m`, cells outside left out."""
    from scipy.ndimage import uniform_filter

    k = max(1, round(window_m / grid.cell_m))
    size = k if k % 2 else k + 1
    if size == 1:
        return np.asarray(people / (grid.cell_m / 1000) ** 2)
    full = grid.raster(people.astype(np.float32), outside=0.0)
    inside = grid.raster(np.ones(len(grid), np.float32), outside=0.0)
    mean = uniform_filter(full, size, mode="constant")[grid.row, grid.col]
    share = uniform_filter(inside, size, mode="constant")[grid.row, grid.col]
    return np.asarray(mean / np.maximum(share, 1e-6) / (grid.cell_m / 1000) ** 2, dtype=np.float64)
