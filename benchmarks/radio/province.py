"""A province of base stations: best server, interference and loads that hold each other up.

Run: ``python benchmarks/radio/province.py`` (180,000 sites x 3 sectors, 16.7 M cells of 100 m);
``--scale 0.25`` for a quick look. Sites and demand are seeded and synthetic: cities, county towns,
countryside, with n78, n41 and n28 as three channels (``--co-channel``: all on one). Their coverage
figures mean nothing, only the cost does. ``--terrain sweep`` puts the masts on fractal hills.

Pairs are sector-cells within reach, counted apart from the kernel; `worked` is what the kernel
works, cells of its blocks outside a circle among them. The peer is the same sum written with NumPy,
on a window of the same run; both are counted in CPU seconds of one process.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from groundplan.engine._jit import jit, thread_count
from groundplan.engine.radio.coverage_grid import coverage
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.load_coupled import load
from groundplan.engine.radio.network import Carrier, SectorTable, SiteTable
from groundplan.engine.radio.pathloss import path_loss
from groundplan.engine.radio.pattern import Panel
from groundplan.engine.radio.terrain import Terrain
from groundplan.plan.radio_store import RadioStore
from groundplan.region.fractal import fractal_heights

CELL_M = 100.0
#: Sites by kind (city, town, countryside) at scale 1, with model, height and tilt.
COUNT = (90_000, 40_000, 50_000)
MODEL = ("UMa", "UMa", "RMa")
HEIGHT_M = (25.0, 30.0, 35.0)
TILT_DEG = (6.0, 4.0, 2.0)


class Clock:
    """Wall and CPU seconds since the last call."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def lap(self) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        out = wall - self.wall, cpu - self.cpu
        self.wall, self.cpu = wall, cpu
        return out


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def carriers(*, is_one_channel: bool) -> list[Carrier]:
    channel = "all" if is_one_channel else None
    return [
        Carrier("n78", 100.0, 77.0, 3.5, channel=channel, reach_m=1500.0),
        Carrier("n41", 100.0, 77.0, 2.6, channel=channel, reach_m=3000.0),
        Carrier("n28", 30.0, 64.0, 0.7, subcarrier_khz=15.0, channel=channel, reach_m=8000.0),
    ]


def province(scale: float, seed: int):
    """Return grid, sites, sectors and demand (Mbit/s a cell) of the family."""
    rng = np.random.default_rng(seed)
    grid = Grid(0.0, CELL_M * int(4078 * scale), CELL_M, int(4078 * scale), int(4096 * scale))
    wide, high = grid.n_col * CELL_M, grid.n_row * CELL_M
    n_city, n_town, n_land = (int(c * scale * scale) for c in COUNT)
    city = rng.uniform([0.08 * wide, 0.08 * high], [0.92 * wide, 0.92 * high], (18, 2))
    town = rng.uniform([0.02 * wide, 0.02 * high], [0.98 * wide, 0.98 * high], (120, 2))
    share = np.r_[0.18, 0.09, np.full(16, 0.73 / 16)]
    in_city = rng.choice(18, n_city, p=share)
    spread_m = scale * (3500.0 + 7000.0 * share / 0.18)
    xy = np.vstack([
        city[in_city] + rng.normal(0.0, 1.0, (n_city, 2)) * spread_m[in_city, None],
        town[rng.integers(120, size=n_town)] + rng.normal(0.0, 2500.0 * scale, (n_town, 2)),
        rng.uniform([0.0, 0.0], [wide, high], (n_land, 2)),
    ])  # fmt: skip
    xy = np.clip(xy, 0.0, [wide - 1.0, high - 1.0])
    kind = np.repeat([0, 1, 2], [n_city, n_town, n_land])
    sites = SiteTable(
        xy[:, 0], xy[:, 1], np.array(HEIGHT_M)[kind], np.array(MODEL, dtype=object)[kind]
    )
    azimuth = (rng.uniform(0.0, 120.0, len(xy))[:, None] + [0.0, 120.0, 240.0]).ravel()
    sectors = SectorTable(
        np.repeat(np.arange(len(xy)), 3), azimuth,
        electrical_tilt_deg=np.repeat(np.array(TILT_DEG)[kind], 3), carrier=np.repeat(kind, 3),
    )  # fmt: skip
    demand = np.full(grid.shape, 0.02, np.float32)
    for (x, y), part in zip(city, share, strict=True):
        row, col, r = int((high - y) / CELL_M), int(x / CELL_M), int(90 * scale)
        demand[max(0, row - r) : row + r, max(0, col - r) : col + r] += 6.0 * part / 0.18
    return grid, sites, sectors, demand


@jit
def count_pairs(place, reach_m, sectors, n_row, n_col, cell_m):
    """Count pairs of sector and cell whose centre lies within reach."""
    pairs = 0
    for m in range(place.shape[0]):
        r, x, y = reach_m[m] / cell_m, place[m, 0] / cell_m, place[m, 1] / cell_m
        for j in range(max(int(y - r), 0), min(int(y + r) + 2, n_row)):
            rest = r * r - (j + 0.5 - y) ** 2
            if rest >= 0.0:
                half = np.sqrt(rest)
                a = max(int(np.ceil(x - half - 0.5)), 0)
                b = min(int(np.floor(x + half - 0.5)), n_col - 1)
                pairs += max(b - a + 1, 0) * sectors[m]
    return pairs


def numpy_peer(sites, sectors, grid, all_carriers, panel, share, rows, cols):
    """Return best power, total (mW) and pairs of a window, sector by sector in plain NumPy."""
    x = grid.x0_m + (np.arange(cols.start, cols.stop) + 0.5) * grid.cell_m
    y = grid.y0_m - (np.arange(rows.start, rows.stop) + 0.5) * grid.cell_m
    best = np.zeros((y.size, x.size))
    total = np.zeros((y.size, x.size))
    pairs = 0
    for s in range(len(sectors)):
        host, carrier = sectors.site[s], all_carriers[sectors.carrier[s]]
        east, north = x - sites.x_m[host], (y - sites.y_m[host])[:, None]
        d = np.hypot(east, north)
        name = sites.models[sites.model[host]]
        loss = path_loss(
            name, np.maximum(d, 10.0), carrier.frequency_ghz, sites.antenna_height_m[host], 1.5
        ).loss_db
        phi = np.degrees(np.arctan2(east, north)) - sectors.azimuth_deg[s]
        theta = np.degrees(np.arctan2(sites.antenna_height_m[host] - 1.5, d))
        side = np.minimum(
            panel.horizontal_db((phi + 180.0) % 360.0 - 180.0)
            + panel.vertical_db(theta - sectors.electrical_tilt_deg[s]),
            panel.max_attenuation_db,
        )
        power = np.where(
            d <= carrier.reach_m, 10.0 ** ((carrier.element_dbm - loss - side) / 10.0), 0.0
        )
        best = np.maximum(best, power)
        total += power * share
        pairs += d.size
    return best, total, pairs


def compare(seed: int) -> float:
    """Print our rate and NumPy's on urban sites in a window; return the ratio."""
    rng = np.random.default_rng(seed)
    grid = Grid(0.0, 25_600.0, CELL_M, 256, 256)
    n = 600
    sites = SiteTable(rng.uniform(9000, 16_600, n), rng.uniform(9000, 16_600, n), 25.0, "UMa")
    azimuth = (rng.uniform(0.0, 120.0, n)[:, None] + [0.0, 120.0, 240.0]).ravel()
    sectors = SectorTable(np.repeat(np.arange(n), 3), azimuth, electrical_tilt_deg=6.0)
    panel = Panel(65.0, 10.0)
    band = [Carrier("n41", 100.0, 77.0, 2.6, reach_m=9000.0)]
    rows = cols = slice(96, 160)
    coverage(sites, sectors, grid, band, patterns=(panel,), load=0.5)
    clock = Clock()
    rounds = 3
    for _ in range(rounds):
        found = coverage(sites, sectors, grid, band, patterns=(panel,), load=0.5)
    _, cpu = clock.lap()
    net = found.source.network
    pairs = count_pairs(net.place, net.reach_m, np.diff(net.first), *grid.shape, CELL_M)
    ours = rounds * pairs / cpu
    few = SectorTable(sectors.site[:300], sectors.azimuth_deg[:300], electrical_tilt_deg=6.0)
    clock.lap()
    *_, done = numpy_peer(sites, few, grid, band, panel, 0.5, rows, cols)
    _, cpu = clock.lap()
    theirs = done / cpu
    best, total, _ = numpy_peer(sites, sectors, grid, band, panel, 0.5, rows, cols)
    print(
        f"NumPy peer: {theirs / 1e6:.2f} M pairs/core-s; ours, set-up of the call included: "
        f"{ours / 1e6:.0f} M; ratio {ours / theirs:.0f}"
    )
    for what, mine, his in (("server", found.power_mw, best), ("sum", found.total_mw, total)):
        off = np.abs(10.0 * np.log10(mine[0, rows, cols] / his))
        print(f"difference of the {what} from NumPy's float64, dB: median {np.median(off):.4f}, "
              f"99.9 % within {np.percentile(off, 99.9):.4f}, largest {off.max():.4f}")  # fmt: skip
    return ours / theirs


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--scale", type=float, default=1.0, help="of both sides of the province")
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--co-channel", action="store_true", help="all bands on one channel")
    parse.add_argument("--top-k", type=int, default=1)
    parse.add_argument("--tol", type=float, default=1e-3)
    parse.add_argument("--se", default="truncated-shannon", help="or 38.214-cqi")
    parse.add_argument("--spread-db", type=float, help="of the SINR within a cell")
    parse.add_argument("--exact", action="store_true", help="compare with loads found to 1e-5")
    parse.add_argument("--no-peer", action="store_true")
    parse.add_argument("--matrix-dbm", type=float, help="build the sparse matrix at this threshold")
    parse.add_argument("--terrain", choices=("sweep", "combined"), help="over fractal hills")
    args = parse.parse_args()
    panel = Panel(65.0, 10.0)
    bands = carriers(is_one_channel=args.co_channel)
    clock = Clock()
    grid, sites, sectors, demand = province(0.05, args.seed)
    with kept() as store:
        load(coverage(sites, sectors, grid, bands, **over(args.terrain, grid, store),
                      patterns=(panel,), load=0.5, top_k=args.top_k),
             demand, passes_max=2)  # fmt: skip
    wall, cpu = clock.lap()
    print(f"warm-up with compilation or its cache: {wall:.1f} s wall, {cpu:.1f} CPU s")
    grid, sites, sectors, demand = province(args.scale, args.seed)
    print(f"{len(sites):,} sites, {len(sectors):,} sectors, {demand.size:,} cells, "
          f"{thread_count()} threads; made in {clock.lap()[0]:.1f} s")  # fmt: skip
    with kept() as store:
        run(args, grid, sites, sectors, demand, bands, panel, over(args.terrain, grid, store))


def kept():
    """Return a folder for windows over terrain, which outgrow memory."""
    return tempfile.TemporaryDirectory(prefix="province-")


def over(engine: str | None, grid: Grid, folder: str) -> dict:
    """Return what `coverage` takes for an engine over terrain: nothing without one."""
    if engine is None:
        return {}
    heights = fractal_heights(grid.n_row, grid.n_col, seed=7, longest=min(600.0, grid.n_row / 2))
    terrain = Terrain(heights, grid.x0_m, grid.y0_m, CELL_M, is_synthetic=True)
    print(f"terrain: fractal, synthetic, {heights.min():.0f} to {heights.max():.0f} m")
    return {"terrain": terrain, "engine": engine, "store": RadioStore(Path(folder))}


def run(args, grid, sites, sectors, demand, bands, panel, engine) -> None:
    """Cover the province, couple its loads, and print what it took."""
    clock = Clock()
    start = time.perf_counter()
    found = coverage(
        sites, sectors, grid, bands, **engine, patterns=(panel,), load=0.5, top_k=args.top_k
    )
    wall, cpu = clock.lap()
    net, worked = found.source.network, found.source.worked
    per_group = np.diff(net.first)
    pairs = count_pairs(net.place, net.reach_m, per_group, *grid.shape, CELL_M)
    clock.lap()
    print(
        f"pass 1, ranked (top {args.top_k}), set-up included: {pairs:,} pairs, {worked:,} worked; "
        f"{wall:.1f} s wall, {cpu:.1f} CPU s; {pairs / cpu / 1e6:.0f} M pairs/core-s, "
        f"{worked / cpu / 1e6:.0f} M worked"
    )
    told = load(
        found, demand, tdd={"n78": "DDDSU", "n41": "DDDSU", "n28": "FDD"}, tol=args.tol,
        se=args.se, spread_db=args.spread_db,
    )  # fmt: skip
    wall, cpu = clock.lap()
    sums = told.passes - 1
    print(
        f"loads: {told.passes} passes, {sums} of them with new sums; {wall:.1f} s wall, "
        f"{cpu:.1f} CPU s; pairs worked {sum(told.worked):,} where sums of all would be "
        f"{worked * sums:,}: {sum(told.worked) / cpu / 1e6:.0f} M worked/core-s; by pass, M "
        + ", ".join(f"{w / 1e6:.0f}" for w in told.worked)
        + "; changes "
        + ", ".join(f"{c:.1e}" for c in told.changes)
        + f"; converged {told.converged}, damped {told.damped}"
    )
    print(
        f"mean load {told.load.mean():.3f}, overloaded sectors {(told.need_ratio > 1).sum():,}, "
        f"served {told.served_ratio:.3f} (synthetic)"
    )
    print(f"all: {time.perf_counter() - start:.1f} s wall, peak {peak_mib():.0f} MiB")
    if args.exact:
        slots = {"n78": "DDDSU", "n41": "DDDSU", "n28": "FDD"}
        fine = load(found, demand, tdd=slots, tol=1e-5, passes_max=200, se=args.se,
                    spread_db=args.spread_db)  # fmt: skip
        off = np.abs(told.load.astype(float) - fine.load)
        sinr = found.sinr_db(told.load) - found.sinr_db(fine.load)
        sinr = sinr[np.isfinite(sinr)]
        print(f"against loads found to 1e-5 ({fine.passes} passes, converged {fine.converged}): "
              f"load largest {off.max():.1e}, mean {off.mean():.1e}; SINR rms "
              f"{np.sqrt((sinr**2).mean()):.1e} dB, largest "
              f"{np.abs(sinr).max():.1e} dB")  # fmt: skip
    if args.matrix_dbm is not None:
        clock.lap()
        matrix = found.matrix(args.matrix_dbm)
        wall, cpu = clock.lap()
        print(f"matrix above {args.matrix_dbm:g} dBm: {matrix.indices.size:,} entries; "
              f"{wall:.1f} s wall, {cpu:.1f} CPU s, peak {peak_mib():.0f} MiB")  # fmt: skip
    if not args.no_peer:
        compare(args.seed)


if __name__ == "__main__":
    main()
