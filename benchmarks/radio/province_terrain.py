"""A province of masts on terrain: a seeded sample, extrapolated, and one mast moved.

Run: ``python benchmarks/radio/province_terrain.py [--masts 3000] [--threads 2] [--cell 100|30]``
Ground: the fractal tile of dem.py (synthetic); for cells of 100 m every third height, mirrored to
480 x 240 km, for cells of 30 m the tile as it is, 108 x 108 km. Masts: seeded, uniform; reach
1.5 / 3 / 8 km and 3.5 / 2.6 / 0.7 GHz (urban, town, rural) in shares 0.40 / 0.35 / 0.25. Every mast
is swept by itself: bands and networks that stand on one mast would share its sweep. The scale to
180,000 masts is linear in masts, since no mast depends on another.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

import dem
import numpy as np

WHOLE = 180_000
KINDS = (("urban n78", 1500.0, 3.5), ("town n41", 3000.0, 2.6), ("rural n28", 8000.0, 0.7))
SHARES = (0.40, 0.35, 0.25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--masts", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cell", type=int, choices=(100, 30), default=100)
    args = parser.parse_args()
    os.environ["GROUNDPLAN_THREADS"] = str(args.threads)
    from groundplan.engine.radio.sweep import mast_geometry, move_mast
    from groundplan.engine.radio.sweep_many import sweep_masts
    from groundplan.engine.radio.terrain import Terrain

    height = dem.make_heights()
    if args.cell == 100:
        tile = height[::3, ::3]
        four = np.block([[tile, tile[:, ::-1]], [tile[::-1], tile[::-1, ::-1]]])
        height = np.tile(four, (2, 1))
    cell = float(args.cell)
    n_row, n_col = height.shape
    terrain = Terrain(height, 0.0, n_row * cell, cell, is_synthetic=True)
    grid = (0.0, n_row * cell, cell, n_row, n_col)
    rng = np.random.default_rng(1)
    kind = rng.choice(3, args.masts, p=SHARES)
    x = rng.uniform(0.0, n_col * cell, args.masts)
    y = rng.uniform(0.0, n_row * cell, args.masts)

    def run(chosen) -> tuple[float, float, int]:
        reach = np.array([KINDS[k][1] for k in kind[chosen]])
        ghz = np.array([KINDS[k][2] for k in kind[chosen]])
        wall, cpu, cells = time.perf_counter(), time.process_time(), 0
        for _, found in sweep_masts(terrain, x[chosen], y[chosen], 30.0, 1.5, ghz, reach, grid):
            cells += int(np.isfinite(found.loss_db).sum())
        return time.process_time() - cpu, time.perf_counter() - wall, cells

    run(np.arange(10))  # compiles
    print(f"{args.threads} threads, load {os.getloadavg()[0]:.1f}")
    for k, (name, reach, _) in enumerate(KINDS):
        of_kind = np.nonzero(kind == k)[0]
        cpu, _, cells = run(of_kind)
        print(
            f"{name:10s} {reach / 1000:3.1f} km {of_kind.size:6d} masts "
            f"{1e3 * cpu / of_kind.size:7.3f} ms each {1e-6 * cells / cpu:6.2f} M cells/core-s"
        )
    cpu, wall, cells = run(np.arange(args.masts))
    scale = WHOLE / args.masts
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    print(f"sample: {cells:,} cells, {cpu:.2f} CPU s, {wall:.2f} s wall, {peak:.0f} MiB peak")
    print(
        f"province of {WHOLE:,}: {cells * scale:.3g} cells, {cpu * scale:.0f} CPU s, "
        f"{cpu * scale / 2:.0f} s on two free cores"
    )
    geometry = mast_geometry(terrain, x[0], y[0], 30.0, 1.5, 8000.0, grid)
    times = []
    for step in range(20):
        start = time.process_time()
        begin = time.perf_counter()
        moved = move_mast(geometry, terrain, 50_000.0 + 37.0 * step, 60_000.0)
        moved.loss_db(0.7)
        times.append((time.process_time() - start, time.perf_counter() - begin))
    cpu_ms, wall_ms = 1e3 * np.array(times).T
    print(
        f"moving one mast, 8 km at {args.cell} m ({moved.values[0].size:,} cells of window): "
        f"{cpu_ms.min():.1f} ms CPU at least, {np.median(cpu_ms):.1f} median; "
        f"{np.median(wall_ms):.1f} ms wall median"
    )


if __name__ == "__main__":
    main()
