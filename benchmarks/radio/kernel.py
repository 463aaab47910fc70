"""The table kernel alone: CPU seconds of its forms on 2,000 masts x 3 sectors, 160,000 cells.

Run: ``NUMBA_CACHE_DIR=$(mktemp -d) python benchmarks/radio/kernel.py``; with an empty cache the
first calls show what compiling costs. Rates are of one run of all tiles, the best of five.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np
import province

from groundplan.engine.radio.coverage_grid import coverage
from groundplan.engine.radio.coverage_source import MemoryStore, Source
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.load_coupled import load
from groundplan.engine.radio.network import Carrier, SectorTable, SiteTable
from groundplan.engine.radio.pattern import Panel


def measure(source: Source, k: int) -> tuple[float, int]:
    """Return the least CPU seconds of five runs, and the pairs worked."""
    part = MemoryStore().part("tiles", "", 0, source.layout(k))
    loads = np.full(source.network.name.size, 0.5, np.float32)
    best = np.inf
    for _ in range(5):
        start = time.process_time()
        source.run(k, loads, part, "kernel")
        best = min(best, time.process_time() - start)
    return best, source.worked


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    rng = np.random.default_rng(0)
    n = 2000
    grid = Grid(0.0, 40_000.0, 100.0, 400, 400)
    sites = SiteTable(rng.uniform(0, 40_000, n), rng.uniform(0, 40_000, n), 35.0, "RMa")
    azimuth = (rng.uniform(0.0, 120.0, n)[:, None] + [0.0, 120.0, 240.0]).ravel()
    sectors = SectorTable(np.repeat(np.arange(n), 3), azimuth, electrical_tilt_deg=2.0)
    band = Carrier("n28", 30, 64.0, 0.7, subcarrier_khz=15, reach_m=8000.0)
    start = time.process_time()
    found = coverage(sites, sectors, grid, [band], patterns=[Panel(65.0, 10.0)], load=0.5)
    found.sinr_db()
    load(found, np.full(grid.shape, 0.01), tdd="FDD", passes_max=2)
    found.matrix(-90.0)
    print(f"first calls of all kernels: {time.process_time() - start:.1f} CPU s")
    source = found.source
    net = source.network
    pairs = province.count_pairs(net.place, net.reach_m, np.diff(net.first), *grid.shape, 100.0)
    by_table = net.shapes.copy()
    by_table[:, 7] = 1.0
    read = dataclasses.replace(source, network=dataclasses.replace(net, shapes=by_table))
    for name, which, k in (
        ("sums only", source, 0), ("strongest and sums", source, 1), ("strongest 2", source, 2),
        ("strongest 3", source, 3), ("strongest 6", source, 6), ("patterns from tables", read, 1),
    ):  # fmt: skip
        cpu, worked = measure(which, k)
        print(f"{name}: {pairs:,} pairs, {cpu:.3f} CPU s, {pairs / cpu / 1e6:.0f} M pairs/core-s, "
              f"{worked / cpu / 1e6:.0f} M worked")  # fmt: skip


if __name__ == "__main__":
    main()
