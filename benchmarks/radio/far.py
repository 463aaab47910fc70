"""What it would cost and gain to take interference from afar on a coarser grid.

Run: ``python benchmarks/radio/far.py`` (the countryside layer of the seeded province at a quarter
of its sides). Sectors within ``--near-m`` are taken on every cell, those further away at the middle
of cells of 400 m with straight lines between. Printed: pairs worked and CPU seconds of both ways,
and what the shortcut does to the SINR. The product does not take it: see docs/radio/load.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np
import province
from scipy.ndimage import map_coordinates

from groundplan.engine.radio.coverage_grid import coverage
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.network import SectorTable, SiteTable
from groundplan.engine.radio.pattern import Panel


def run(sites, sectors, grid, band, reach_m):
    """Return coverage, pairs worked and CPU seconds within a reach."""
    start = time.process_time()
    found = coverage(
        sites, sectors, grid, [dataclasses.replace(band, reach_m=reach_m)], load=0.5,
        patterns=(Panel(65.0, 10.0),),
    )  # fmt: skip
    return found, found.source.worked, time.process_time() - start


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("--near-m", type=float, nargs="+", default=[1500.0, 3000.0])
    parse.add_argument("--scale", type=float, default=0.25)
    args = parse.parse_args()
    grid, sites, sectors, _ = province.province(args.scale, 0)
    use = np.flatnonzero(sites.model == sites.models.index("3GPP TR 38.901 RMa"))
    land = SiteTable(sites.x_m[use], sites.y_m[use], sites.antenna_height_m[use], "RMa")
    own = np.isin(sectors.site, use)
    rays = SectorTable(
        np.searchsorted(use, sectors.site[own]), sectors.azimuth_deg[own],
        electrical_tilt_deg=sectors.electrical_tilt_deg[own],
    )  # fmt: skip
    band = province.carriers(is_one_channel=False)[2]
    far_m = band.reach_m
    rough = Grid(grid.x0_m, grid.y0_m, 400.0, -(-grid.n_row // 4), -(-grid.n_col // 4))
    run(land, rays, grid, band, far_m)
    exact, worked, cpu = run(land, rays, grid, band, far_m)
    print(f"exact: {worked:,} pairs worked, {cpu:.2f} CPU s")
    row, col = np.mgrid[: grid.n_row, : grid.n_col]
    at = np.stack([(row + 0.5) / 4.0 - 0.5, (col + 0.5) / 4.0 - 0.5])
    rough_far, w_far, c_far = run(land, rays, rough, band, far_m)
    for near_m in args.near_m:
        near, w_near, c_near = run(land, rays, grid, band, near_m)
        rough_near, w_rough, c_rough = run(land, rays, rough, band, near_m)
        far = np.maximum(rough_far.total_mw[0] - rough_near.total_mw[0], 0.0)
        total = near.total_mw[0] + map_coordinates(far, at, order=1, mode="nearest")
        total = np.maximum(total, exact.power_mw[0] * 0.5).astype(np.float32)
        short = dataclasses.replace(exact, total_mw=total[None])
        off = short.sinr_db() - exact.sinr_db()
        off = off[np.isfinite(off)]
        print(
            f"near {near_m:g} m: {w_near + w_far - w_rough:,} pairs worked, "
            f"{c_near + c_far - c_rough:.2f} CPU s; SINR mean {off.mean():+.3f} dB, "
            f"rms {np.sqrt((off**2).mean()):.3f}, 99 % within "
            f"{np.percentile(np.abs(off), 99):.2f}, largest {np.abs(off).max():.2f}"
        )


if __name__ == "__main__":
    main()
