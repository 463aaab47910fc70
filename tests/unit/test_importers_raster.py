"""Rasters by kind, on files that the real library wrote."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.transform import Affine, from_origin

from groundplan.errors import CrsError, DataError, SourceError, UnitError
from groundplan.region.layer import Grid, Ledger
from groundplan.region.raster import CLASSIC_NODATA, read_layer

AEA = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m"
WORDS = {"vintage": 2020, "licence": "CC BY 4.0", "source": "made by this test"}


def make_grid(cell_m=1000.0, n_row=20, n_col=24, x0_m=-9_000.0, y1_m=12_000.0):
    row, col = (v.ravel() for v in np.indices((n_row, n_col)))
    unit = (col >= n_col // 2).astype(np.int16)
    return Grid(
        AEA, cell_m, x0_m, y1_m, n_row, n_col, row.astype(np.int32), col.astype(np.int32),
        unit, unit, "a rectangle", is_synthetic=True,
    )  # fmt: skip


def write(path, values, crs="EPSG:4326", transform=None, nodata=None, **options):
    values = np.atleast_3d(values.T).T if values.ndim == 2 else values
    transform = transform or from_origin(113.3, 34.2, 0.01, 0.01)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[1], width=values.shape[2],
        count=values.shape[0], dtype=values.dtype, crs=crs, transform=transform, nodata=nodata,
        **options,
    ) as file:  # fmt: skip
        file.write(values)
    return path


def people(rng, n_row=60, n_col=60):
    return rng.integers(0, 400, (n_row, n_col)).astype(np.float32)


def test_counts_come_whole_through_window_warp_and_rake(tmp_path):
    values = people(np.random.default_rng(41))
    ledger, grid = Ledger(), make_grid()
    raw = read_layer(write(tmp_path / "p.tif", values), "people", "count", "people", **WORDS)
    layer = raw.to_grid(grid, ledger)
    read, moved = ledger.lines
    assert moved.sum_in == read.sum_out
    assert moved.sum_in == moved.sum_out + moved.outside == pytest.approx(moved.sum_in, rel=1e-9)
    assert moved.sum_out == pytest.approx(layer.values.sum(), rel=1e-12)
    assert 0 < moved.outside < moved.sum_in
    totals = np.array([123_457, 98_765])
    raked = layer.rake(grid, totals, ledger)
    assert np.bincount(grid.unit, weights=raked.values) == pytest.approx(totals, rel=1e-9)
    assert (layer.kind, layer.unit, layer.is_modelled) == ("count", "people", False)
    assert "p.tif" in layer.note


def test_mollweide_tile_keeps_the_sum(tmp_path):
    x, y = Transformer.from_crs("EPSG:4326", "ESRI:54009", always_xy=True).transform(113.55, 34.03)
    values = people(np.random.default_rng(1), 8, 8).astype(np.float64)
    path = write(
        tmp_path / "ghs.tif", values, "ESRI:54009", from_origin(x - 4e3, y + 4e3, 1e3, 1e3)
    )
    ledger = Ledger()
    layer = read_layer(path, "people", "count", "people", **WORDS).to_grid(make_grid(), ledger)
    assert layer.values.sum() == pytest.approx(values.sum(), rel=1e-9)
    assert ledger.lines[-1].outside == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("code", CLASSIC_NODATA)
def test_classic_nodata_is_never_summed_whatever_the_file_says(tmp_path, code):
    values = np.full((40, 40), 3.0)
    values[15:19, 15:19] = code
    path = write(tmp_path / "p.tif", values.astype(np.int32 if code < -1e6 else np.float32))
    ledger = Ledger()
    layer = read_layer(path, "people", "count", "people", **WORDS).to_grid(make_grid(), ledger)
    assert (layer.values >= 0).all()
    assert ledger.lines[0].nodata_cells == 16
    assert ledger.lines[0].sum_in == pytest.approx(3.0 * (layer_window_pixels(ledger) - 16))


def layer_window_pixels(ledger):
    """Pixels of the window, from the words of the ledger's first line."""
    rows, cols = ledger.lines[0].note.split(" of ")[0].replace("rows ", "").split(", columns ")
    (a, b), (c, d) = (map(int, part.split("-")) for part in (rows, cols))
    return (b - a + 1) * (d - c + 1)


@pytest.mark.parametrize("how", ["nan", "file", "declared"])
def test_other_nodata_is_never_summed(tmp_path, how):
    values = np.full((40, 40), 3.0, dtype=np.float32)
    code = {"nan": np.nan, "file": -3.4028234663852886e38, "declared": 9999.0}[how]
    values[15:19, 15:19] = code
    path = write(tmp_path / "p.tif", values, nodata=code if how == "file" else None)
    ledger = Ledger()
    read_layer(
        path, "people", "count", "people", **WORDS, nodata=code if how == "declared" else None
    ).to_grid(make_grid(), ledger)
    assert ledger.lines[0].nodata_cells == 16
    assert ledger.lines[0].sum_in == pytest.approx(3.0 * (layer_window_pixels(ledger) - 16))


def test_a_density_becomes_counts_by_true_area(tmp_path):
    values = np.full((60, 60), 100.0, dtype=np.float32)
    path = write(tmp_path / "d.tif", values)
    layer = read_layer(path, "people", "density", "people per km2", **WORDS).to_grid(make_grid())
    # 100 per km2 on cells of 1 km2; parts of a pixel leave some per cent of scatter
    assert layer.values.mean() == pytest.approx(100.0, rel=2e-3)
    assert (layer.kind, layer.unit) == ("count", "people")


def test_fractions_are_averaged_by_area_and_nodata_left_out(tmp_path):
    values = np.full((60, 60), 0.25, dtype=np.float32)
    values[:, :30] = 0.75
    values[::3, ::4] = np.nan
    path = write(tmp_path / "f.tif", values)
    ledger = Ledger()
    layer = read_layer(path, "built-up", "fraction", "1", **WORDS).to_grid(make_grid(), ledger)
    assert np.nanmin(layer.values) >= 0.25 - 1e-12
    assert np.nanmax(layer.values) <= 0.75 + 1e-12
    assert layer.values[0] == pytest.approx(0.75)
    assert layer.values[23] == pytest.approx(0.25)
    assert ledger.lines[-1].residual == pytest.approx(0, abs=1e-6)


def test_classes_give_shares_and_the_largest(tmp_path):
    values = np.full((600, 600), 40, dtype=np.uint8)
    values[:, 300:] = 10
    values[:20, :20] = 0
    path = write(
        tmp_path / "c.tif", values, transform=from_origin(113.3, 34.2, 1e-3, 1e-3), nodata=0
    )
    raw = read_layer(path, "land cover", "class", "code", **WORDS)
    ledger, grid = Ledger(), make_grid()
    layer = raw.to_grid(grid, ledger)
    assert set(np.unique(layer.values[~np.isnan(layer.values)])) == {10.0, 40.0}
    shares = raw.class_shares(grid)
    assert sorted(shares) == [10, 40]
    total = shares[10].values + shares[40].values
    assert total[~np.isnan(total)] == pytest.approx(1.0)
    assert ((shares[10].values > 0.5) == (layer.values == 10)).all()


def test_heights_are_bilinear_on_finer_cells_and_means_on_coarser(tmp_path):
    row, col = np.indices((60, 60))
    # a plane in degrees: bilinear gives it back exactly
    values = (1000 + 5.0 * col - 3.0 * row).astype(np.float32)
    path = write(tmp_path / "h.tif", values)
    fine = make_grid(100.0, 30, 30, 0.0, 3000.0)
    layer = read_layer(path, "height", "height", "m", **WORDS).to_grid(fine)
    lon, lat = Transformer.from_crs(AEA, "EPSG:4326", always_xy=True).transform(fine.x_m, fine.y_m)
    want = 1000 + 5.0 * ((lon - 113.3) / 0.01 - 0.5) - 3.0 * ((34.2 - lat) / 0.01 - 0.5)
    assert layer.values == pytest.approx(want, abs=1e-3)
    assert "bilinear" in layer.note
    coarse = make_grid(4000.0, 4, 4, -8000.0, 8000.0)
    mean = read_layer(path, "height", "height", "m", **WORDS).to_grid(coarse)
    assert "mean" in mean.note
    assert np.isfinite(mean.values).all()


def test_voids_of_a_height_model_stay_voids(tmp_path):
    values = np.full((60, 60), 120, dtype=np.int16)
    values[10:12, 11:13] = -32768
    path = write(tmp_path / "h.tif", values)
    layer = read_layer(path, "height", "height", "m", **WORDS).to_grid(make_grid(200.0))
    assert layer.values[~np.isnan(layer.values)] == pytest.approx(120)
    assert f"{np.isnan(layer.values).sum()} cells without a value" in layer.note
    assert np.isnan(layer.values).any()


def test_a_rotated_raster_lands_where_it_should(tmp_path):
    values = np.zeros((20, 20))
    values[7, 11] = 42.0
    turn = Affine.translation(113.5, 34.0) * Affine.rotation(30) * Affine.scale(0.004, -0.004)
    path = write(tmp_path / "r.tif", values, transform=turn)
    grid = make_grid(1000.0, 40, 40, -20_000.0, 20_000.0)
    layer = read_layer(path, "people", "count", "people", **WORDS).to_grid(grid)
    lon, lat = turn * (11.5, 7.5)
    x, y = Transformer.from_crs("EPSG:4326", AEA, always_xy=True).transform(lon, lat)
    assert layer.values.sum() == pytest.approx(42.0)
    middle_x = (layer.values * grid.x_m).sum() / 42.0
    middle_y = (layer.values * grid.y_m).sum() / 42.0
    assert (middle_x, middle_y) == pytest.approx((x, y), abs=500)


def test_a_raster_in_gcj02_is_moved_back(tmp_path):
    from groundplan.region.datum import gcj02_from_wgs84

    lon, lat = gcj02_from_wgs84(113.5, 34.0)
    values = np.array([[5.0]])
    path = write(
        tmp_path / "g.tif", values, transform=from_origin(lon - 5e-4, lat + 5e-4, 1e-3, 1e-3)
    )
    grid = make_grid(100.0, 30, 30, -1500.0, 1500.0)
    plain = read_layer(path, "people", "count", "people", **WORDS).to_grid(grid)
    moved = read_layer(path, "people", "count", "people", **WORDS, crs="GCJ-02").to_grid(grid)
    for layer, far in ((plain, True), (moved, False)):
        x = (layer.values * grid.x_m).sum() / 5
        assert (abs(x) > 300) == far
        assert layer.values.sum() == pytest.approx(5.0)


def test_cells_beyond_the_raster_are_named(tmp_path):
    path = write(tmp_path / "p.tif", np.ones((20, 20)))
    layer = read_layer(path, "people", "count", "people", **WORDS).to_grid(make_grid())
    beyond = int(layer.note.split("; ")[1].split()[0])
    assert 0 < beyond < 480


def test_scale_and_offset_of_the_file_are_applied(tmp_path):
    path = write(tmp_path / "f.tif", np.full((40, 40), 50, dtype=np.uint8))
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.01,), (0.0,)
    layer = read_layer(path, "built-up", "fraction", "1", **WORDS).to_grid(make_grid())
    assert np.nanmin(layer.values) == pytest.approx(0.5)


def test_a_declaration_may_not_contradict_the_file(tmp_path):
    path = write(tmp_path / "p.tif", np.ones((10, 10)))
    with rasterio.open(path, "r+") as file:
        file.units = ("people/km2",)
    with pytest.raises(UnitError, match="the file says 'people/km2'"):
        read_layer(path, "people", "count", "people", **WORDS)
    with pytest.raises(CrsError, match="EPSG:4547 declared, but the file says WGS 84"):
        read_layer(path, "people", "density", "people per km2", **WORDS, crs="EPSG:4547")
    # CGCS2000 is the same to a planner
    read_layer(path, "people", "density", "people per km2", **WORDS, crs="EPSG:4490")


def test_no_licence_no_layer(tmp_path):
    path = write(tmp_path / "p.tif", np.ones((10, 10)))
    with pytest.raises(SourceError, match="2 problems"):
        read_layer(path, "people", "count", "people", 2020, " ", "")


def test_a_file_that_shrinks_after_opening_is_reported(tmp_path):
    path = write(tmp_path / "p.tif", people(np.random.default_rng(3), 400, 400), compress="lzw")
    raw = read_layer(path, "people", "count", "people", **WORDS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 50])
    with pytest.raises(DataError, match="truncated or damaged"):
        raw.to_grid(make_grid())
