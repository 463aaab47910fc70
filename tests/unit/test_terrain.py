"""Terrain, clutter, profiles, fractal heights, rasters out: what each promises on small input."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

from groundplan.errors import CrsError, DataError, UsageError
from groundplan.region.clutter import (
    MAPPINGS,
    read_building_heights,
    read_clutter,
    read_mapping,
    with_buildings,
)
from groundplan.region.fractal import fractal_heights, fractal_terrain
from groundplan.region.frame import frame_of
from groundplan.region.hgt import write_hgt
from groundplan.region.layer import Grid
from groundplan.region.profiles import profile_between
from groundplan.region.rasterout import write_raster
from groundplan.region.tables import load
from groundplan.region.terrain import TerrainRaster, check_sites, read_terrain
from groundplan.region.webtiles import HALF_M, encode_tile

AEA = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m"
UTM = "EPSG:32649"
BOX = (500_000.0, 3_760_000.0, 503_000.0, 3_762_000.0)


def write(path, values, crs=UTM, transform=None, **options):
    transform = transform or from_origin(499_000, 3_763_000, 20, 20)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
        dtype=values.dtype, crs=crs, transform=transform, **options,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def write_png(path, rgb):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="PNG", width=rgb.shape[2], height=rgb.shape[1], count=rgb.shape[0],
            dtype="uint8",
        ) as file:  # fmt: skip
            file.write(rgb)


def plane(n=250, a=0.5, b=-0.25, c=300.0):
    """Heights of a plane at pixel centres: exact under bilinear sampling and under filling."""
    row, col = np.indices((n, n)) + 0.5
    return (c + a * col + b * row).astype(np.float32)


def plane_at(frame, a=0.5, b=-0.25, c=300.0):
    row, col = np.indices(frame.shape)
    x, y = frame.xy_m(row + 0.5, col + 0.5)
    return c + a * (x - 499_000) / 20 + b * (3_763_000 - y) / 20


def test_a_plane_comes_through_exactly(tmp_path):
    got = read_terrain(write(tmp_path / "d.tif", plane()), BOX, UTM, 50.0, source="survey")
    assert (got.x0_m, got.y0_m, got.cell_m, got.height_m.shape) == (
        500_000,
        3_762_000,
        50,
        (40, 60),
    )
    assert got.height_m.dtype == np.float32
    assert np.abs(got.height_m - plane_at(got.frame)).max() < 1e-3
    assert got.sources == ("d.tif", "survey")
    assert not got.is_synthetic
    whole = read_terrain(tmp_path / "d.tif", BOX, UTM, 50.0, dtype="int16").height_m
    assert whole.dtype == np.int16
    assert (whole == np.rint(got.height_m)).all()


def test_frames_of_one_cell_fit_each_other():
    small, large = (
        frame_of((13, 27, 410, 590), UTM, 50.0),
        frame_of((-95, -70, 990, 1200), UTM, 50.0),
    )
    for frame in (small, large):
        assert frame.x0_m % 50 == frame.y0_m % 50 == 0
    assert (small.x0_m, small.y0_m, small.shape) == (0, 600, (12, 9))


def test_frame_over_a_grid_and_a_polygon():
    row, col = np.nonzero(np.array([[1, 0], [1, 1]]))
    zero = np.zeros(row.size, np.int16)
    grid = Grid(AEA, 100.0, 50.0, 250.0, 2, 2, row.astype(np.int32), col.astype(np.int32), zero,
                zero, "a corner", is_synthetic=True)  # fmt: skip
    own = frame_of(grid, margin_m=100.0)
    assert (own.x0_m, own.y0_m, own.shape) == (-50.0, 350.0, (4, 4))
    assert own.inside is not None
    assert own.inside.sum() == 3
    fine = frame_of(grid, cell_m=50.0)
    assert fine.inside is not None
    assert fine.inside.sum() == 12
    around = frame_of(shapely.Point(1000, 1000).buffer(400), UTM, 100.0)
    assert around.inside is not None
    assert not around.inside[0, 0]
    assert around.inside[4, 4]


@pytest.mark.parametrize(
    ("where", "crs", "cell_m", "error"),
    [
        (BOX, "EPSG:4326", 50.0, CrsError), (BOX, None, 50.0, UsageError),
        (BOX, UTM, 0.5, UsageError), ((3, 2, 1, 4), UTM, 50.0, UsageError),
        ((0, 0, np.nan, 4), UTM, 50.0, UsageError),
    ],
)  # fmt: skip
def test_frames_that_cannot_be(where, crs, cell_m, error):
    with pytest.raises(error):
        frame_of(where, crs, cell_m)


def test_small_holes_are_filled_on_request_and_marked(tmp_path):
    values = plane()
    values[80:90, 100:112] = -32768
    path = write(tmp_path / "d.tif", values)
    with pytest.raises(DataError, match=r"a hole of 20 cells, .* long, at lon .*fill = 'fill'"):
        read_terrain(path, BOX, UTM, 50.0)
    got = read_terrain(path, BOX, UTM, 50.0, fill="fill")
    assert got.void_count == got.filled.size == 20
    assert "1 holes filled" in got.note
    assert np.abs(got.height_m - plane_at(got.frame)).max() < 1e-2
    with pytest.raises(DataError, match="holes of at most 100 m"):
        read_terrain(path, BOX, UTM, 50.0, fill="fill", fill_max_m=100.0)


def test_cells_beyond_the_files(tmp_path):
    path = write(tmp_path / "d.tif", plane(100))
    with pytest.raises(DataError, match=r"of 2400 cells .*without terrain.*beyond = 'allow'"):
        read_terrain(path, BOX, UTM, 50.0)
    got = read_terrain(path, BOX, UTM, 50.0, beyond="allow")
    assert got.beyond_count == np.isnan(got.height_m).sum() > 0
    assert got.void_count == 0
    sites = np.array([500_400.0, 502_900.0, 600_000.0]), np.array([3_761_900.0] * 3)
    assert got.holds(*sites).tolist() == [True, False, False]
    with pytest.raises(DataError) as caught:
        check_sites(got, *sites, "masts.csv", np.array([2, 3, 4]))
    assert [f.row for f in caught.value.findings] == [3, 4]
    assert "without height" in caught.value.findings[0].got
    # a margin may be missing: only the cells asked for must be there
    inner = (499_200.0, 3_761_200.0, 500_800.0, 3_762_800.0)
    assert read_terrain(path, inner, UTM, 50.0, margin_m=1000.0).beyond_count > 0


def test_blocks_join_without_a_seam(tmp_path, monkeypatch):
    path = write(tmp_path / "d.tif", np.random.default_rng(1).random((250, 250), np.float32) * 100)
    whole = read_terrain(path, BOX, UTM, 15.0).height_m
    monkeypatch.setattr("groundplan.region.sampling.POINTS_AT_ONCE", 37**2)
    assert np.abs(read_terrain(path, BOX, UTM, 15.0).height_m - whole).max() < 1e-3


def test_neighbouring_tiles_are_one_raster(tmp_path):
    heights = fractal_heights(1201, 2401, seed=3)
    west = write_hgt(tmp_path / "hgt", heights[:, :1201], 34, 112, is_synthetic=False)
    write_hgt(tmp_path / "hgt", heights[:, 1200:], 34, 113, is_synthetic=True)
    single = write(tmp_path / "one.tif", np.rint(heights).astype(np.int16), "EPSG:4326",
                   from_origin(112 - 1 / 2400, 35 + 1 / 2400, 1 / 1200, 1 / 1200))  # fmt: skip
    box = (-60_000.0, 30_000.0, -30_000.0, 50_000.0)
    joined = read_terrain(tmp_path / "hgt", box, AEA, 100.0)
    assert (joined.height_m == read_terrain(single, box, AEA, 100.0).height_m).all()
    assert joined.is_synthetic, "one synthetic tile makes the whole synthetic"
    assert joined.sources == ("N34E112.hgt", "N34E113.hgt")
    west.unlink()
    with pytest.raises(DataError, match=r"add the missing tiles N34E112\.hgt"):
        read_terrain(tmp_path / "hgt", box, AEA, 100.0)


def test_geotiff_tiles_of_a_folder(tmp_path):
    values = plane()
    (tmp_path / "t").mkdir()
    for i in (0, 1):
        for j in (0, 1):
            rows, cols = slice(125 * i, 125 * i + 125), slice(125 * j, 125 * j + 125)
            write(tmp_path / "t" / f"{i}{j}.tif", values[rows, cols],
                  transform=from_origin(499_000 + 2500 * j, 3_763_000 - 2500 * i, 20, 20))  # fmt: skip
    got = read_terrain(tmp_path / "t", BOX, UTM, 50.0)
    assert np.abs(got.height_m - plane_at(got.frame)).max() < 1e-3
    assert len(got.sources) == 4


@pytest.mark.parametrize("encoding", ["terrarium", "terrain-rgb"])
def test_web_tiles(tmp_path, encoding):
    zoom, side = 11, 256
    pixel = 2 * HALF_M / (side << zoom)
    x0, y0 = 1669, 820
    row, col = np.indices((2 * side, 2 * side))
    heights = 400 + 0.4 * col - 0.2 * row
    for i in (0, 1):
        for j in (0, 1):
            folder = tmp_path / str(zoom) / str(x0 + j)
            folder.mkdir(parents=True, exist_ok=True)
            part = heights[side * i : side * (i + 1), side * j : side * (j + 1)]
            write_png(folder / f"{y0 + i}.png", encode_tile(part, encoding))
    west, north = x0 * side * pixel - HALF_M, HALF_M - y0 * side * pixel
    single = write(tmp_path / "one.tif", heights.astype(np.float32), "EPSG:3857",
                   from_origin(west, north, pixel, pixel))  # fmt: skip
    from pyproj import Transformer

    move = Transformer.from_crs("EPSG:3857", UTM, always_xy=True)
    (xa, ya), (xb, yb) = (move.transform(west + k * pixel, north - k * pixel) for k in (100, 400))
    box = (xa, yb, xb, ya)
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    (tmp_path / str(zoom)).rename(tiles / str(zoom))
    got = read_terrain(tiles, box, UTM, 40.0, encoding=encoding)
    step = 1 / 256 if encoding == "terrarium" else 0.1
    assert np.abs(got.height_m - read_terrain(single, box, UTM, 40.0).height_m).max() <= step
    assert f"{encoding}, zoom 11" in got.note
    (tiles / "11" / "1669" / "820.png").unlink()
    with pytest.raises(DataError, match=r"missing tiles 11/1669/820\.png"):
        read_terrain(tiles, box, UTM, 40.0, encoding=encoding)


def test_feet_become_metres_when_declared(tmp_path):
    path = write(tmp_path / "ft.tif", (plane() / 0.3048).astype(np.float32))
    got = read_terrain(path, BOX, UTM, 50.0, height_unit="ft")
    assert np.abs(got.height_m - plane_at(got.frame)).max() < 1e-2


def test_vertical_datum_is_told(tmp_path):
    path = write(tmp_path / "v.tif", plane(), "EPSG:32649+3855")
    assert read_terrain(path, BOX, UTM, 50.0).vertical_datum == "EGM2008 height"
    assert "EGM96" in read_terrain(
        write_hgt(tmp_path, fractal_heights(1201, 1201), 34, 113, is_synthetic=True),
        (-9000, 30_000, 9000, 40_000), AEA, 250.0,
    ).vertical_datum  # fmt: skip


# --- clutter ---------------------------------------------------------------------------------


def land(n=500):
    values = np.full((n, n), 40, np.uint8)
    values[:, 200:260] = 80
    values[100:300, 300:] = 10
    values[240:, 300:420] = 50
    return values


def test_majority_and_mean_clutter(tmp_path):
    path = write(tmp_path / "c.tif", land(), transform=from_origin(499_000, 3_763_000, 10, 10))
    got = read_clutter(path, "worldcover", BOX, UTM, 100.0)
    assert set(np.unique(got.code)) == {10, 40, 50, 80}
    assert got.height_m[got.code == 10].tolist() == [15.0] * int((got.code == 10).sum())
    # the raster's columns 200..259 are water: x 501,000 to 501,600
    assert (got.code[:, 10:16] == 80).all()
    assert got.share_by_class()["permanent water bodies"] == pytest.approx(0.2)
    half = read_clutter(path, "worldcover", (502_050 - 100, 3_760_500, 502_250, 3_761_700), UTM,
                        100.0, rule="mean")  # fmt: skip
    row, col = np.indices(half.frame.shape) + 0.5
    x, y = half.frame.xy_m(row, col)
    first = (x > 502_000) & (y < 3_762_000) & (y > 3_760_100)
    assert (half.height_m[first & (half.code == 10)] == 15).all()
    shifted = read_clutter(path, "worldcover", frame_of(BOX, UTM, 40.0), rule="mean").height_m
    naive = np.where(land() == 10, 15, np.where(land() == 50, 15, 0))
    cells = naive[100:300, 100:400].reshape(50, 4, 75, 4).mean(axis=(1, 3))
    assert np.abs(shifted - cells).max() < 1e-5


def test_ties_go_to_the_lowest_code(tmp_path):
    values = np.where(np.indices((500, 500))[1] % 2 == 0, 40, 30).astype(np.uint8)
    path = write(tmp_path / "c.tif", values, transform=from_origin(499_000, 3_763_000, 10, 10))
    assert (read_clutter(path, "worldcover", BOX, UTM, 100.0).code == 30).all()


def test_cells_without_class_need_a_word(tmp_path):
    values = land()
    values[200:230, 150:170] = 0
    path = write(tmp_path / "c.tif", values, transform=from_origin(499_000, 3_763_000, 10, 10),
                 nodata=0)  # fmt: skip
    with pytest.raises(DataError, match="6 cells without a class"):
        read_clutter(path, "worldcover", BOX, UTM, 100.0)
    got = read_clutter(path, "worldcover", BOX, UTM, 100.0, missing_height_m=10.0)
    assert got.missing_count == 6
    assert (got.height_m[got.code == 65535] == 10).all()


def test_buildings_take_the_place_of_classes(tmp_path):
    path = write(tmp_path / "c.tif", land(), transform=from_origin(499_000, 3_763_000, 10, 10))
    height = np.full((50, 50), np.nan, np.float32)
    height[22:28, 30:42] = 24.0
    high = write(tmp_path / "b.tif", height, transform=from_origin(499_000, 3_763_000, 100, 100))
    clutter = read_clutter(path, "worldcover", BOX, UTM, 100.0)
    built = read_building_heights(high, clutter.frame)
    assert set(np.unique(built)) == {0.0, 24.0}
    both = with_buildings(clutter, built)
    assert (both.height_m[built > 0] == 24).all()
    assert (both.height_m[built == 0] == clutter.height_m[built == 0]).all()
    assert "building heights on" in both.note


@pytest.mark.parametrize("name", MAPPINGS)
def test_shipped_mappings_stand_in_the_ranges_of_p1812(name):
    classes = read_mapping(name)
    assert len(classes) >= 10
    assert {c.height_m for c in classes.values()} <= {0.0, 10.0, 15.0, 20.0}
    assert all(c.source and c.year for c in classes.values())


# --- profiles --------------------------------------------------------------------------------


def test_profiles_of_a_plane_are_straight():
    frame = frame_of((0, 0, 4000, 3000), UTM, 50.0)
    row, col = np.indices(frame.shape) + 0.5
    x, y = frame.xy_m(row, col)
    terrain = TerrainRaster((0.1 * x + 0.05 * y).astype(np.float32), frame.x0_m, frame.y0_m, 50.0,
                            UTM, is_synthetic=True, sources=("a plane",))  # fmt: skip
    found = profile_between(
        terrain, 100.0, 200.0, [3900.0, 130.0, 100.0], [2900.0, 200.0, 1700.0], 50.0
    )
    assert found.count.tolist() == [95, 3, 31]
    assert found.is_synthetic
    assert found.clutter_m is None
    length = np.hypot([3800, 30, 0], [2700, 0, 1500])
    for i, n in enumerate(found.count):
        d = found.distance_km[i, :n]
        assert d[0] == 0
        assert d[-1] == pytest.approx(length[i] / 1000)
        assert np.ptp(np.diff(d)) < 1e-12
        assert np.diff(d).max() <= 0.05 + 1e-12
        straight = np.linspace(found.height_m[i, 0], found.height_m[i, n - 1], n)
        assert np.abs(found.height_m[i, :n] - straight).max() < 1e-4
        assert (found.height_m[i, n:] == found.height_m[i, n - 1]).all()


def test_profiles_that_leave_the_terrain_are_refused():
    terrain = fractal_terrain((0, 0, 3000, 3000), UTM, 100.0, seed=5)
    with pytest.raises(DataError, match=r"pair 1: got a profile that leaves the terrain"):
        profile_between(terrain, 100, 100, [200, 3200], [200, 200], 100)
    holed = TerrainRaster(
        terrain.height_m.copy(), 0, 3000, 100.0, UTM, is_synthetic=True, sources=()
    )
    holed.height_m[15, 15] = np.nan
    whole = replace(holed, height_m=np.nan_to_num(holed.height_m, nan=-32768).astype(np.int16))
    for one in (holed, whole):
        with pytest.raises(DataError, match="over cells without a height"):
            profile_between(one, 1000, 1450, 2000, 1450, 100)
    with pytest.raises(ValueError, match="length 0"):
        profile_between(terrain, 1, 1, 1, 1, 100)


def test_profiles_carry_clutter(tmp_path):
    path = write(tmp_path / "c.tif", land(), transform=from_origin(499_000, 3_763_000, 10, 10))
    terrain = fractal_terrain(BOX, UTM, 100.0)
    clutter = read_clutter(path, "worldcover", terrain.frame)
    found = profile_between(terrain, 500_050, 3_761_550, 502_950, 3_761_550, 100, clutter=clutter)
    assert found.clutter_m is not None
    assert found.clutter_m[0].tolist() == clutter.height_m[4].tolist()
    with pytest.raises(ValueError, match="cells of the terrain"):
        profile_between(fractal_terrain(BOX, UTM, 50.0), 500_050, 3_761_550, 502_950, 3_761_550,
                        100, clutter=clutter)  # fmt: skip


# --- fractal ---------------------------------------------------------------------------------


def test_fractal_terrain_is_seeded_and_marked(tmp_path):
    one, same, other = (fractal_terrain(BOX, UTM, 50.0, seed=s) for s in (7, 7, 8))
    assert (one.height_m == same.height_m).all()
    assert (one.height_m != other.height_m).any()
    assert one.height_m.min() == pytest.approx(100)
    assert one.height_m.max() == pytest.approx(1000)
    assert one.is_synthetic
    assert "synthetic" in one.sources[0]
    assert "synthetic" in one.note
    path = write_hgt(tmp_path, fractal_heights(1201, 1201), 34, 113, is_synthetic=True)
    with rasterio.open(path) as dataset:
        assert dataset.tags()["GROUNDPLAN_ORIGIN"] == "synthetic"
    path = write_hgt(tmp_path, fractal_heights(1201, 1201), 34, 113, is_synthetic=False)
    assert not read_terrain(path, (-9000, 30_000, 9000, 40_000), AEA, 250.0).is_synthetic


# --- rasters out -----------------------------------------------------------------------------


@pytest.mark.parametrize("is_cog", [True, False])
def test_rasters_out_open_again(tmp_path, is_cog):
    frame = frame_of((0, 0, 120_000, 90_000), AEA, 100.0)
    rng = np.random.default_rng(2)
    bands = {"rsrp_dbm": rng.normal(-95, 9, frame.shape).astype(np.float32),
             "sinr_db": rng.normal(9, 5, frame.shape).astype(np.float32)}  # fmt: skip
    bands["rsrp_dbm"][:5] = np.nan
    path = write_raster(tmp_path / "cover.tif", bands, frame, origin="modelled",
                        tags={"MODEL": "3GPP TR 38.901 UMa"}, is_cog=is_cog)  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["cover.tif"]
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("rsrp_dbm", "sinr_db")
        assert dataset.units == ("dBm", "dB")
        assert dataset.tags()["MODEL"] == "3GPP TR 38.901 UMa"
        assert dataset.tags()["GROUNDPLAN_ORIGIN"] == "modelled"
        assert dataset.transform[:6] == frame.transform
        assert dataset.crs.to_dict()["lat_1"] == 32.5
        assert np.isnan(dataset.nodata)
        assert dataset.block_shapes[0] == (512, 512)
        assert (dataset.overviews(1) != []) == is_cog
        assert (dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG") == is_cog
        for i, values in enumerate(bands.values(), start=1):
            np.testing.assert_array_equal(dataset.read(i), values)
    first = path.read_bytes()
    write_raster(path, bands, frame, origin="modelled", tags={"MODEL": "3GPP TR 38.901 UMa"},
                 is_cog=is_cog)  # fmt: skip
    assert path.read_bytes() == first, "equal input, equal bytes"


def test_whole_numbers_and_synthetic_terrain_go_round(tmp_path):
    terrain = fractal_terrain(BOX, UTM, 50.0)
    path = write_raster(tmp_path / "t.tif", {"height_m": terrain.height_m}, terrain.frame,
                        origin="synthetic")  # fmt: skip
    again = read_terrain(path, terrain.frame)
    assert (again.height_m == terrain.height_m).all()
    assert again.is_synthetic
    server = np.arange(terrain.height_m.size, dtype=np.int32).reshape(terrain.height_m.shape)
    path = write_raster(
        tmp_path / "s.tif", {"best_server": server}, terrain.frame, origin="modelled"
    )
    with rasterio.open(path) as dataset:
        assert (dataset.read(1) == server).all()
        assert dataset.nodata == -(2**31)


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    frame = frame_of(BOX, UTM, 50.0)
    good = np.zeros(frame.shape, np.float32)
    for bands, more in (
        ({"a_m": good, "b": good.astype(np.int32)}, {}), ({}, {}), ({"a_m": good[1:]}, {}),
        ({"a_m": good}, {"origin": "guessed"}), ({"a_m": good > 0}, {}),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            write_raster(tmp_path / "x.tif", bands, frame, **{"origin": "modelled", **more})
    with pytest.raises(UsageError):
        write_raster(tmp_path / "x.png", {"a_m": good}, frame, origin="modelled")
    assert list(tmp_path.iterdir()) == []


def test_terrain_of_a_whole_region_goes_out_and_comes_back(tmp_path):
    grid = load("henan").grid(5000.0)
    made = fractal_terrain(grid, cell_m=1000.0, seed=11)
    path = write_raster(tmp_path / "henan.tif", {"height_m": made.height_m}, made.frame,
                        origin="synthetic")  # fmt: skip
    got = read_terrain(path, grid, margin_m=20_000.0)
    assert got.height_m.shape == (grid.n_row + 8, grid.n_col + 8)
    assert got.is_synthetic
    assert got.holds(grid.x_m, grid.y_m).all()
    assert got.beyond_count > 0, "the margin reaches beyond the file, and may"
    at = grid.raster(np.arange(len(grid), dtype=np.float32))
    assert np.isnan(got.height_m[4:-4, 4:-4][np.isfinite(at)]).sum() == 0
    with pytest.raises(UsageError, match="its own system"):
        frame_of(grid, UTM)
