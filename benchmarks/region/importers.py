"""How fast rasters and feeds come in, and how whole: `python benchmarks/region/importers.py`.

Made data, seed 41. Each reader runs in a process of its own, which prints its CPU seconds and its
peak memory; the peer runs on the same file. The full size is a province as WorldPop gives it (3"
pixels, 45.6 million) and as GHS-POP does (100 m pixels in Mollweide, 54 million), and 1 million
OpenCelliD rows; ``--smoke`` takes a hundredth of each.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from groundplan.region.feeds import read_opencellid
from groundplan.region.layer import Grid, Ledger
from groundplan.region.raster import read_layer

AEA = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m"


def full_grid(cell_m: float, half_width_m: float, half_height_m: float) -> Grid:
    """Return a rectangle of cells about 113.5 E, 34 N."""
    n_row, n_col = int(2 * half_height_m / cell_m), int(2 * half_width_m / cell_m)
    row, col = (v.ravel().astype(np.int32) for v in np.indices((n_row, n_col)))
    unit = np.zeros(row.size, dtype=np.int16)
    return Grid(
        AEA, cell_m, -half_width_m, half_height_m, n_row, n_col, row, col, unit, unit,
        "a rectangle", is_synthetic=True,
    )  # fmt: skip


def write_people(path: Path, crs: str, n_row: int, n_col: int, step: float) -> float:
    """Write a made population raster about 113.5 E, 34 N and return its sum."""
    values = np.random.default_rng(41).gamma(0.3, 4.0, (n_row, n_col)).astype(np.float32)
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(113.5, 34.0)
    with rasterio.open(
        path, "w", driver="GTiff", height=n_row, width=n_col, count=1, dtype="float32", crs=crs,
        transform=from_origin(x - n_col * step / 2, y + n_row * step / 2, step, step),
        compress="lzw",
    ) as file:  # fmt: skip
        file.write(values, 1)
    return float(values.sum(dtype=np.float64))


def tell(what: str, cpu_s: float, mass: float) -> None:
    """Print a line with the peak memory of this process."""
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {cpu_s:6.2f} CPU-s, peak {peak_mb:5.0f} MB, mass error {mass:+.1e}", flush=True)


def run_ours(path: Path, grid_of: tuple[float, float, float], total: float, what: str) -> None:
    """Time `read_layer(...).to_grid`."""
    grid = full_grid(*grid_of)
    began = time.process_time()
    layer = read_layer(
        path, "people", "count", "people", vintage=2020, licence="made", source="made"
    ).to_grid(grid, Ledger())
    tell(f"groundplan   {what}", time.process_time() - began, layer.values.sum() / total - 1)


def run_peer(path: Path, grid_of: tuple[float, float, float], total: float, what: str) -> None:
    """Time rasterio's sum on the same file."""
    cell_m, half_width_m, half_height_m = grid_of
    out = np.zeros((int(2 * half_height_m / cell_m), int(2 * half_width_m / cell_m)))
    began = time.process_time()
    with rasterio.open(path) as file:
        reproject(
            rasterio.band(file, 1), out, dst_crs=AEA, resampling=Resampling.sum,
            dst_transform=from_origin(-half_width_m, half_height_m, cell_m, cell_m),
        )  # fmt: skip
    tell(f"rasterio sum {what}", time.process_time() - began, out.sum() / total - 1)


def time_warp(path: Path, crs: str, n_row: int, n_col: int, total: float, cell_m: float) -> None:
    """Run both in processes of their own, on a grid wide enough that nothing falls outside."""
    with rasterio.open(path) as file:
        x, y = np.meshgrid(
            np.linspace(file.bounds.left, file.bounds.right, 50),
            np.linspace(file.bounds.bottom, file.bounds.top, 50),
        )
    x, y = Transformer.from_crs(crs, AEA, always_xy=True).transform(x, y)
    half = (float(np.abs(v).max() // cell_m + 5) * cell_m for v in (x, y))
    arguments = (path, (cell_m, *half), total, f"{crs} {n_row} x {n_col} px to {cell_m:g} m")
    for target in (run_ours, run_peer):
        process = get_context("spawn").Process(target=target, args=arguments)
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


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
        for crs, rows, cols, step in (
            ("EPSG:4326", 6000, 7600, 1 / 1200),
            ("ESRI:54009", 6000, 9000, 100.0),
        ):
            n_row, n_col, file = rows // part, cols // part, Path(name) / "people.tif"
            total = write_people(file, crs, n_row, n_col, step)
            for side_m in (1000.0, 250.0):
                time_warp(file, crs, n_row, n_col, total, side_m)
        time_opencellid(Path(name), 1_000_000 // part**2)
