"""How fast rasters and feeds come in, and how whole: `python benchmarks/region/importers.py`.

Made data, seed 41; CPU seconds of one process, the peer in the same run on the same window. The
full size is a province of 3" pixels (45.6 million) and 1 million OpenCelliD rows; ``--smoke`` takes
a hundredth of both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from groundplan.region.feeds import read_opencellid
from groundplan.region.layer import Grid, Ledger
from groundplan.region.raster import read_layer

AEA = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m"
STEP_DEG = 1 / 1200


def full_grid(cell_m: float, half_width_m: float, half_height_m: float) -> Grid:
    """Return a rectangle of cells about 113.5 E, 34 N."""
    n_row, n_col = int(2 * half_height_m / cell_m), int(2 * half_width_m / cell_m)
    row, col = (v.ravel().astype(np.int32) for v in np.indices((n_row, n_col)))
    unit = np.zeros(row.size, dtype=np.int16)
    return Grid(
        AEA, cell_m, -half_width_m, half_height_m, n_row, n_col, row, col, unit, unit,
        "a rectangle", is_synthetic=True,
    )  # fmt: skip


def time_warp(folder: Path, n_row: int, n_col: int, cell_m: float) -> None:
    """Print CPU seconds and mass error of `read_layer(...).to_grid` and of the peer."""
    values = np.random.default_rng(41).gamma(0.3, 4.0, (n_row, n_col)).astype(np.float32)
    west, north = 113.5 - n_col * STEP_DEG / 2, 34.0 + n_row * STEP_DEG / 2
    transform = from_origin(west, north, STEP_DEG, STEP_DEG)
    path = folder / "people.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=n_row, width=n_col, count=1, dtype="float32",
        crs="EPSG:4326", transform=transform, compress="lzw",
    ) as file:  # fmt: skip
        file.write(values, 1)
    # wide enough that nothing falls outside: what is missing is lost
    reach = 1.1 * STEP_DEG * 111_320 / 2
    half_width_m, half_height_m = (n * reach // cell_m * cell_m for n in (n_col, n_row))
    grid = full_grid(cell_m, half_width_m, half_height_m)
    total = values.astype(np.float64).sum()
    began = time.process_time()
    layer = read_layer(
        path, "people", "count", "people", vintage=2020, licence="made", source="made"
    ).to_grid(grid, Ledger())
    print(
        f"groundplan    {n_row} x {n_col} px to {cell_m:g} m: "
        f"{time.process_time() - began:6.2f} CPU-s, "
        f"mass error {layer.values.sum() / total - 1:+.1e}"
    )
    out = np.zeros((grid.n_row, grid.n_col))
    began = time.process_time()
    with rasterio.open(path) as file:
        reproject(
            rasterio.band(file, 1), out, dst_crs=AEA, resampling=Resampling.sum,
            dst_transform=from_origin(grid.x0_m, grid.y1_m, cell_m, cell_m),
        )  # fmt: skip
    print(
        f"rasterio sum  {n_row} x {n_col} px to {cell_m:g} m: "
        f"{time.process_time() - began:6.2f} CPU-s, mass error {out.sum() / total - 1:+.1e}"
    )


def time_opencellid(folder: Path, n: int) -> None:
    """Print CPU seconds of reading and clustering `n` rows."""
    rng = np.random.default_rng(41)
    radio = rng.choice(["GSM", "UMTS", "LTE", "NR"], n, p=[0.2, 0.1, 0.5, 0.2])
    node = rng.integers(0, 60_000, n)
    lon = 110.5 + node * 7919 % 60_000 / 1e4 + rng.normal(0, 0.002, n)
    lat = 31.5 + node * 104_729 % 60_000 / 12_500 + rng.normal(0, 0.002, n)
    number = np.where(radio == "NR", node * 4096, node * 256) + rng.integers(0, 9, n)
    path = folder / "cells.csv"
    with path.open("w", newline="") as file:
        file.writelines(
            f"{r},460,{i % 3},{e % 500},{c},,{x:.6f},{y:.6f},1000,{1 + i % 20},1,1,1,\r\n"
            for i, (r, e, c, x, y) in enumerate(zip(radio, node, number, lon, lat, strict=True))
        )
    began = time.process_time()
    sites = read_opencellid(path)
    print(f"OpenCelliD {n} rows: {time.process_time() - began:6.2f} CPU-s, {sites.counts}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a hundredth of the size")
    part = 10 if parser.parse_args().smoke else 1
    with tempfile.TemporaryDirectory() as name:
        for side_m in (1000.0, 250.0):
            time_warp(Path(name), 6000 // part, 7600 // part, side_m)
        time_opencellid(Path(name), 1_000_000 // part**2)
