"""How fast terrain and land cover come onto cells, how whole, in how much memory.

`python benchmarks/region/terrain.py [--province] [--smoke]`. Made data. Each reader runs in a
process of its own and prints its CPU seconds and peak memory; the peer, rasterio's warp as it is
called by default, runs on the same file. ``--province`` adds a model of 1 arc second over a whole
province (7 x 6 degrees, 544 million pixels; some 500 MB on disk while it runs).
"""

from __future__ import annotations

import argparse
import gzip
import resource
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine, from_origin
from rasterio.warp import Resampling, reproject
from rasterio.windows import Window

from groundplan.region.clutter import read_clutter
from groundplan.region.fractal import fractal_heights, fractal_terrain
from groundplan.region.frame import Frame, frame_of
from groundplan.region.hgt import write_hgt
from groundplan.region.profiles import profile_between
from groundplan.region.rasterout import write_raster
from groundplan.region.terrain import read_terrain

AEA = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m"
TILE_BOX = (-44_000.0, 2_000.0, 44_000.0, 108_000.0)
PROVINCE_BOX = (-290_000.0, -270_000.0, 290_000.0, 250_000.0)


def tell(what: str, began: float, base_mb: float, frame: Frame, more: str = "") -> None:
    """Print a line: CPU seconds, peak memory of the process, and above what it began with."""
    cpu_s = time.process_time() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    n = frame.n_row * frame.n_col
    print(
        f"{what}: {n / 1e6:7.2f} M cells, {cpu_s:6.2f} CPU-s, {n / cpu_s / 1e6:5.1f} M cells/CPU-s,"
        f" peak {peak_mb:5.0f} MB ({peak_mb - base_mb:+.0f}) {more}", flush=True,
    )  # fmt: skip


def begin() -> tuple[float, float]:
    """Return the clock and the memory in use, after what both readers import is loaded."""
    import pyproj
    import scipy.sparse.csgraph

    assert pyproj
    assert scipy
    return time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(
    path: Path, box: tuple[float, ...], cell_m: float, what: str, more: dict[str, Any]
) -> None:
    frame = frame_of(box, AEA, cell_m)
    began, base = begin()
    got = read_terrain(path, frame, **more)
    tell(f"groundplan {what} to {cell_m:g} m", began, base, frame,
         f"heights {got.height_m.dtype}, {got.height_m.nbytes / 1e6:.0f} MB")  # fmt: skip


def peer(path: Path, box: tuple[float, ...], cell_m: float, what: str, rule: str) -> None:
    frame = frame_of(box, AEA, cell_m)
    began, base = begin()
    with rasterio.open(path) as file:
        is_class = rule == "mode"
        out = np.zeros(frame.shape, dtype=np.uint8 if is_class else np.float32)
        reproject(
            rasterio.band(file, 1), out, dst_transform=Affine(*frame.transform), dst_crs=AEA,
            resampling=Resampling[rule],
        )  # fmt: skip
    tell(f"rasterio   {what} to {cell_m:g} m", began, base, frame, rule)


def ours_clutter(path: Path, box: tuple[float, ...], cell_m: float, what: str) -> None:
    frame = frame_of(box, AEA, cell_m)
    began, base = begin()
    read_clutter(path, "worldcover", frame)
    tell(f"groundplan {what} to {cell_m:g} m", began, base, frame, "majority")


def ours_profiles(n_pair: int) -> None:
    terrain = fractal_terrain((0, 0, 60_000, 60_000), AEA, 30.0)
    rng = np.random.default_rng(5)
    x, y = rng.uniform(15_000, 45_000, (2, n_pair))
    turn, reach = rng.uniform(0, 2 * np.pi, n_pair), rng.uniform(600, 14_000, n_pair)
    began = time.process_time()
    found = profile_between(terrain, x, y, x + reach * np.cos(turn), y + reach * np.sin(turn), 30.0)
    cpu_s, n = time.process_time() - began, int(found.count.sum())
    print(f"groundplan profiles: {n_pair} pairs, {n / 1e6:.2f} M points, {cpu_s:.2f} CPU-s, "
          f"{n / cpu_s / 1e6:.1f} M points/CPU-s", flush=True)  # fmt: skip


def ours_write(folder: Path, side: int) -> None:
    frame = frame_of((0, 0, side * 100.0, side * 100.0), AEA, 100.0)
    values = fractal_heights(side, side) / 10 - 130
    began, base = begin()
    path = write_raster(folder / "out.tif", {"rsrp_dbm": values}, frame, origin="synthetic")
    tell("groundplan COG written", began, base, frame, f"{path.stat().st_size / 1e6:.0f} MB")


def apart(target: Any, *arguments: Any) -> None:
    """Run in a process of its own."""
    process = get_context("spawn").Process(target=target, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


def write_province(path: Path, tile: np.ndarray) -> None:
    """Write 7 x 6 degrees of 1 arc second: the tile mirrored, so that seams are smooth."""
    n = 3600
    with rasterio.open(
        path, "w", driver="GTiff", height=6 * n, width=7 * n, count=1, dtype="int16",
        crs="EPSG:4326", transform=from_origin(110, 37, 1 / n, 1 / n), nodata=-32768, tiled=True,
        compress="lzw", predictor=2, bigtiff="yes",
    ) as file:  # fmt: skip
        for i in range(6):
            for j in range(7):
                part = tile[:n, :n][:: -1 if i % 2 else 1, :: -1 if j % 2 else 1]
                file.write(part, 1, window=Window(j * n, i * n, n, n))


def write_land(path: Path, n: int) -> None:
    """Write classes of 10 m over n / 12000 degrees: levels of a fractal surface."""
    level = fractal_heights(n // 4, n // 4, seed=9, low_m=0.0, high_m=1.0, skew=1.0)
    codes = np.array([80, 40, 30, 10, 50, 60], np.uint8)[(level * 5.99).astype(int)]
    with rasterio.open(
        path, "w", driver="GTiff", height=n, width=n, count=1, dtype="uint8", crs="EPSG:4326",
        transform=from_origin(113, 35, 1 / 12_000, 1 / 12_000), nodata=0, tiled=True,
        compress="deflate", zlevel=1,
    ) as file:  # fmt: skip
        file.write(codes.repeat(4, 0).repeat(4, 1), 1)


def make_files(folder: Path, side: int, land_side: int, has_province: bool) -> None:
    """Write a tile plain and packed, classes, and a province where asked."""
    heights = np.rint(fractal_heights(side, side)).astype(np.int16)
    hgt = write_hgt(folder, heights, 34, 113, is_synthetic=True)
    (folder / "packed").mkdir()
    (folder / "packed" / f"{hgt.name}.gz").write_bytes(gzip.compress(hgt.read_bytes(), 6))
    write_land(folder / "land.tif", land_side)
    if has_province:
        write_province(folder / "province.tif", heights)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a hundredth of the size")
    parser.add_argument("--province", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, side = Path(name), 1201 if asked.smoke else 3601
        land, land_side = folder / "land.tif", 1200 if asked.smoke else 12_000
        hgt, packed = folder / "N34E113.hgt", folder / "packed" / "N34E113.hgt.gz"
        # made apart: a process starts its count of memory from that of its parent
        apart(make_files, folder, side, land_side, asked.province)
        for cell in (100.0, 30.0):
            apart(ours, hgt, TILE_BOX, cell, f"HGT {side} x {side}", {})
            apart(ours, packed, TILE_BOX, cell, f"HGT.gz {side} x {side}", {})
            apart(peer, hgt, TILE_BOX, cell, f"HGT {side} x {side}", "bilinear")
        width = 7.5 * land_side - 4000
        box = (-44_000.0, 106_000.0 - width, -44_000.0 + width, 106_000.0)
        apart(ours_clutter, land, box, 100.0, f"classes {land_side} x {land_side}")
        apart(peer, land, box, 100.0, f"classes {land_side} x {land_side}", "mode")
        apart(ours_profiles, 300 if asked.smoke else 20_000)
        apart(ours_write, folder, 600 if asked.smoke else 5_000)
        if asked.province:
            for cell, more in ((100.0, {}), (30.0, {"dtype": "int16"})):
                apart(ours, folder / "province.tif", PROVINCE_BOX, cell, "province", more)
            apart(peer, folder / "province.tif", PROVINCE_BOX, 100.0, "province", "bilinear")
            apart(peer, folder / "province.tif", PROVINCE_BOX, 30.0, "province", "bilinear")
