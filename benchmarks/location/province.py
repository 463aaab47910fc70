"""Maximal covering on a seeded, population-like province: wall, CPU, memory, gap.

Run: ``python benchmarks/location/province.py 1000000`` (cells; p = cells / 100, radius 6 cells, one
candidate in 5.5 x 5.5 cells). The family follows a fixed law and is synthetic: cities of Zipf sizes
with exponential fall-off, villages, lognormal noise. A tiny case first keeps compilation out.
Four regimes (`REGIMES`): tight, sparse (fewer sites), dense (a wider radius), uniform (every cell
weighs the same).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import fresh
import numpy as np

from groundplan import location


@dataclass(frozen=True)
class Regime:
    """One site may be chosen per `divide` cells; sites reach `radius` cells."""

    divide: int = 100
    radius: float = 6.0
    uniform: bool = False


REGIMES = {
    "tight": Regime(),
    "sparse": Regime(divide=300),
    "dense": Regime(divide=250, radius=10.0),
    "uniform": Regime(uniform=True),
}


def province(n_cell: int, seed: int, step: float = 5.5, *, uniform: bool = False):
    """Return demand (n, 2), weight (n,), sites (m, 2) of the family."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(n_cell)))
    density = np.ones((side, side), np.float32)
    n_city = max(3, n_cell // 15_000)
    size = 1.0 / np.arange(1, n_city + 1) ** 0.9
    scale = np.clip(0.10 * side / np.sqrt(n_city) * (size / size.mean()) ** 0.35, 2, None)
    peak = 300.0 * (size / size[0]) ** 0.25
    for cx, cy, s, height in zip(
        rng.uniform(0, side, n_city), rng.uniform(0, side, n_city), scale, peak, strict=True
    ):
        r = int(6 * s) + 1
        y0, y1 = max(0, int(cy) - r), min(side, int(cy) + r + 1)
        x0, x1 = max(0, int(cx) - r), min(side, int(cx) + r + 1)
        y, x = np.mgrid[y0:y1, x0:x1]
        density[y0:y1, x0:x1] += height * np.exp(-np.hypot(x - cx, y - cy) / s)
    n_village = n_cell // 150
    vx, vy = rng.integers(1, side - 1, (2, n_village))
    people = rng.lognormal(3.0, 0.7, n_village)
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            np.add.at(density, (vy + dy, vx + dx), people * (1.0 if dx == dy == 0 else 0.4))
    density *= rng.lognormal(0, 0.5, density.shape)
    weight = np.ones(density.size, np.int64) if uniform else np.maximum(1, rng.poisson(density))
    n = int(side / step)
    gy, gx = np.mgrid[0:n, 0:n]
    px = np.clip(((gx + rng.uniform(0, 1, gx.shape)) * step).astype(int), 0, side - 1)
    py = np.clip(((gy + rng.uniform(0, 1, gy.shape)) * step).astype(int), 0, side - 1)
    demand = np.empty((side, side, 2))
    demand[:, :, 0] = np.arange(side)
    demand[:, :, 1] = np.arange(side)[:, None]
    weight = weight.ravel().astype(np.int64, copy=False)
    return demand.reshape(-1, 2), weight, np.column_stack([px.ravel(), py.ravel()])


def offsets(radius: float):
    """Return the steps in x and y from a site to the cells it reaches."""
    r = int(radius)
    dy, dx = np.mgrid[-r : r + 1, -r : r + 1]
    near = dx * dx + dy * dy <= radius * radius
    return dx[near], dy[near]


def cells_reached(side: int, sites: np.ndarray, radius: float):
    """Yield for every offset which sites have a cell there, and which cell."""
    for dx, dy in zip(*offsets(radius), strict=True):
        x, y = sites[:, 0] + dx, sites[:, 1] + dy
        inside = np.flatnonzero((x >= 0) & (x < side) & (y >= 0) & (y < side))
        yield inside, y[inside] * side + x[inside]


def value_on_cells(weight: np.ndarray, sites: np.ndarray, radius: float) -> int:
    """Return the weight of the cells that these sites reach, cell by cell."""
    reached = np.zeros(weight.size, bool)
    for _inside, cell in cells_reached(int(np.sqrt(weight.size)), sites, radius):
        reached[cell] = True
    return int(weight[reached].sum())


def raw_lists(n_cell: int, sites: np.ndarray, radius: float):
    """Return pointers and sites of every raw cell, ascending."""
    side, cells, owners = int(np.sqrt(n_cell)), [], []
    for inside, cell in cells_reached(side, sites, radius):
        cells.append(cell)
        owners.append(inside.astype(np.int32))
    cell, owner = np.concatenate(cells), np.concatenate(owners)
    indptr = np.zeros(n_cell + 1, np.int64)
    np.cumsum(np.bincount(cell, minlength=n_cell), out=indptr[1:])
    return indptr, owner[np.argsort(cell * len(sites) + owner)]


def warm_up(n_cell: int, radius: float = 6.0) -> None:
    """Run a small case of the kind, so that loading compiled code is not measured."""
    demand, weight, sites = province(n_cell, 1)
    small = location.Coverage.from_radius(demand, weight, sites.astype(float), radius)
    d = location.maximal_covering(small, n_cell // 100, gap=0.0, steps=40, sweeps=2, passes=4)
    location.verify(small, d)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cells", type=int)
    parser.add_argument("--divide", type=int, default=100, help="p = cells / this")
    parser.add_argument("--radius", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--sweeps", type=int, default=300)
    parser.add_argument("--uniform", action="store_true")
    parser.add_argument("--gap", type=float, default=0.0)
    a = parser.parse_args()
    warm_up(40_000)

    clock = fresh.Clock()
    demand, weight, sites = province(a.cells, a.seed, uniform=a.uniform)
    print(f"generated {clock.wall_s():.1f} s", flush=True)
    coverage = location.Coverage.from_radius(demand, weight, sites.astype(float), a.radius)
    print(
        f"covered {clock.wall_s():.1f} s: {len(demand):,} rows -> "
        f"{coverage.weight.size:,} merged, {coverage.row_indices.size:,} entries",
        flush=True,
    )

    def told(stage, done, total, value, bound):
        if done % (200 if stage == "bound" else 100) == 0:
            gap = (bound - value) / bound
            print(f"  {clock.wall_s():6.1f} s {stage} {done}/{total} gap {gap:.4%}")

    d = location.maximal_covering(
        coverage, a.cells // a.divide, gap=a.gap, steps=a.steps, sweeps=a.sweeps, progress=told
    )
    print(
        f"value {d.value:,} of {coverage.total_value:,} ({d.value / coverage.total_value:.2%}), "
        f"bound {d.bound:,}, gap {d.gap:.4%}, {d.status}; wall {clock.wall_s():.1f} s, "
        f"CPU {clock.cpu_s():.1f} s, peak {fresh.peak_mib() / 1024:.2f} GiB"
    )
    started = time.perf_counter()
    location.verify(coverage, d)
    print(f"verified in {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
