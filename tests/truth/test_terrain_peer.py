"""Terrain against GDAL: the same files read and warped by it, in the same formats."""

from __future__ import annotations

import gzip
import zipfile

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy
from rasterio.transform import Affine, from_origin
from rasterio.warp import Resampling, reproject

from groundplan.region.fractal import fractal_heights
from groundplan.region.frame import frame_of
from groundplan.region.hgt import write_hgt
from groundplan.region.terrain import read_terrain

AEA = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m"
UTM = "EPSG:32649"
EXTENT = (-8_000.0, 40_000.0, 8_000.0, 52_000.0)


def gdal_bilinear(path, frame):
    """Heights by GDAL's warper, in strips of 5 columns: up to 5 places in a row are exact in it.

    Over longer rows it interpolates places to an eighth of a pixel; XSCALE and YSCALE of 1 keep
    its kernel bilinear where cells are coarser than pixels.
    """
    out = np.full(frame.shape, np.nan, dtype=np.float32)
    with rasterio.open(path) as dataset:
        values, transform, crs = dataset.read(1).astype(np.float32), dataset.transform, dataset.crs
    for first in range(0, frame.n_col, 5):
        part = np.full((frame.n_row, min(5, frame.n_col - first)), np.nan, dtype=np.float32)
        corner = from_origin(frame.x0_m + first * frame.cell_m, frame.y0_m, *[frame.cell_m] * 2)
        reproject(
            values, part, src_transform=transform, src_crs=crs, dst_transform=corner,
            dst_crs=frame.crs, dst_nodata=np.nan, resampling=Resampling.bilinear, XSCALE=1,
            YSCALE=1,
        )  # fmt: skip
        out[:, first : first + 5] = part
    return out


@pytest.fixture(scope="module")
def tile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dem")
    return write_hgt(folder, fractal_heights(1201, 1201, seed=7), 34, 113, is_synthetic=True)


def write_float(path, tile, crs, transform=None, **options):
    with rasterio.open(tile) as dataset:
        values, found = dataset.read(1).astype(np.float32), dataset.transform
    rng = np.random.default_rng(3)
    values += rng.random(values.shape, dtype=np.float32)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
        dtype=np.float32, crs=crs, transform=transform or found, **options,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


@pytest.mark.parametrize("cell_m", [30.0, 100.0, 250.0])
@pytest.mark.parametrize("crs", [AEA, UTM])
def test_bilinear_equals_gdal(tile, tmp_path, cell_m, crs):
    extent = EXTENT if crs == AEA else (705_000.0, 3_808_000.0, 719_000.0, 3_820_000.0)
    path = write_float(tmp_path / "dem.tif", tile, "EPSG:4326")
    frame = frame_of(extent, crs, cell_m)
    got = read_terrain(path, frame)
    peer = gdal_bilinear(path, frame)
    difference = np.abs(got.height_m - peer)
    plain = np.zeros(frame.shape, dtype=np.float32)
    with rasterio.open(path) as dataset:
        reproject(
            rasterio.band(dataset, 1), plain, dst_transform=Affine(*frame.transform), dst_crs=crs,
            resampling=Resampling.bilinear,
        )  # fmt: skip
    print(
        f"\n{crs[:12]} {cell_m:g} m: max {difference.max():.1e} m, mean {difference.mean():.1e} m; "
        f"rasterio as called by default: max {np.abs(plain - peer).max():.2f} m"
    )
    assert got.void_count == got.beyond_count == 0
    assert difference.max() < 1e-3


def test_projected_source_equals_gdal(tile, tmp_path):
    transform = from_origin(720_000, 3_830_000, 30, 30)
    path = write_float(tmp_path / "utm.tif", tile, UTM, transform, tiled=True, compress="deflate")
    frame = frame_of((-4_000, 40_000, 4_000, 48_000), AEA, 25.0)
    difference = np.abs(read_terrain(path, frame).height_m - gdal_bilinear(path, frame))
    assert difference.max() < 1e-3


def test_hgt_in_every_wrapping_equals_gdal(tile, tmp_path):
    frame = frame_of(EXTENT, AEA, 100.0)
    peer = gdal_bilinear(tile, frame)
    packed = tmp_path / "N34E113.hgt.gz"
    packed.write_bytes(gzip.compress(tile.read_bytes(), 1))
    archive = tmp_path / "N34E113.SRTMGL3.hgt.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(tile, "N34E113.hgt")
    plain = read_terrain(tile, frame)
    assert np.abs(plain.height_m - peer).max() < 1e-3
    assert plain.is_synthetic, "the mark beside the tile must be seen"
    for path in (packed, archive):
        assert (read_terrain(path, frame).height_m == plain.height_m).all()


@pytest.mark.parametrize(("driver", "name"), [("AAIGrid", "d.asc"), ("EHdr", "d.bil"),
                                              ("EHdr", "d.flt"), ("COG", "d.tif")])  # fmt: skip
def test_formats_hold_the_same(tile, tmp_path, driver, name):
    frame = frame_of(EXTENT, AEA, 100.0)
    reference = write_float(tmp_path / "reference.tif", tile, "EPSG:4326")
    copy(reference, tmp_path / name, driver=driver)
    declared = {"source_crs": "EPSG:4326"}
    got = read_terrain(tmp_path / name, frame, **declared).height_m
    # text grids keep three decimals
    assert np.abs(got - read_terrain(reference, frame).height_m).max() < (
        2e-3 if ".asc" in name else 1e-6
    )


def test_vrt_with_scale_and_int16(tile, tmp_path):
    frame = frame_of(EXTENT, AEA, 100.0)
    with rasterio.open(tile) as dataset:
        values, transform = dataset.read(1), dataset.transform
    path = tmp_path / "dm.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=1201, width=1201, count=1, dtype=np.int16,
        crs="EPSG:4326", transform=transform, nodata=-32768,
    ) as file:  # fmt: skip
        file.write(values * 10, 1)
        file.scales, file.offsets = (0.1,), (5.0,)
    copy(path, tmp_path / "dm.vrt", driver="VRT")
    plain = read_terrain(tile, frame).height_m
    for name in ("dm.tif", "dm.vrt"):
        assert np.abs(read_terrain(tmp_path / name, frame).height_m - plain - 5).max() < 1e-3


def test_mean_lies_near_gdals_average(tile, tmp_path):
    path = write_float(tmp_path / "dem.tif", tile, "EPSG:4326")
    frame = frame_of(EXTENT, AEA, 250.0)
    out = np.zeros(frame.shape, dtype=np.float32)
    with rasterio.open(path) as dataset:
        reproject(
            rasterio.band(dataset, 1), out, dst_transform=Affine(*frame.transform), dst_crs=AEA,
            resampling=Resampling.average,
        )  # fmt: skip
    got = read_terrain(path, frame, resample="mean").height_m
    assert np.abs(got - out).mean() < 0.5
    assert np.abs(got - out).max() < 5
