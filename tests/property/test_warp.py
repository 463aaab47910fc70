"""The warp against its naive twin, and what must hold for any raster: sums kept, order free."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from groundplan.errors import DataError
from groundplan.region.crs import transformer
from groundplan.region.layer import Grid, Ledger
from groundplan.region.raster import read_layer
from groundplan.region.warp import MISPLACED, Sums, Window, cut_pixels, pixel_area_km2

AEA = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m"
WORDS = {"vintage": 2020, "licence": "CC BY 4.0", "source": "made by this test"}


def make_grid(cell_m, n_row, n_col, x0_m, y1_m, keep=None):
    inside = np.ones((n_row, n_col), dtype=bool) if keep is None else keep
    row, col = np.nonzero(inside)
    unit = np.zeros(row.size, dtype=np.int16)
    return Grid(
        AEA, cell_m, x0_m, y1_m, n_row, n_col, row.astype(np.int32), col.astype(np.int32),
        unit, unit, "a rectangle", is_synthetic=True,
    )  # fmt: skip


def write(path, values, crs, transform, nodata=None):
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
        dtype=values.dtype, crs=crs, transform=transform, nodata=nodata,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def twin(values, move, grid):
    """Each pixel as the quadrilateral of its corners, cut by each cell: the exact overlaps.

    Returns what each place of the full raster holds (n_row, n_col); edges are straight to 1e-5.
    """
    r, c = (v.ravel().astype(float) for v in np.indices(values.shape))
    corners = [move(c + dc, r + dr) for dc, dr in ((0, 0), (1, 0), (1, 1), (0, 1))]
    pixels = shapely.polygons(np.stack([np.stack(p, -1) for p in corners], axis=1))
    x_m = grid.x0_m + grid.cell_m * np.arange(grid.n_col)
    y_m = grid.y1_m - grid.cell_m * np.arange(grid.n_row)
    west, north = np.meshgrid(x_m, y_m)
    cells = shapely.box(west, north - grid.cell_m, west + grid.cell_m, north).ravel()
    pixel, cell = shapely.STRtree(cells).query(pixels)
    shared = shapely.area(shapely.intersection(pixels[pixel], cells[cell]))
    held = values.ravel()[pixel] * shared / shapely.area(pixels)[pixel]
    return np.bincount(cell, held, minlength=cells.size).reshape(west.shape)


def spread(values, move, grid, cut=None, side=None):
    """What `Sums` makes of a whole raster."""
    window = Window(0, 0, *values.shape)
    sums = Sums(grid, move, cut or cut_pixels(window, move, grid.cell_m))
    for part in window.blocks(side or sums.side):
        rows = slice(part.row, part.row + part.n_row)
        sums.add(part, values[None, rows, part.col : part.col + part.n_col])
    return sums


@settings(deadline=None, max_examples=10, derandomize=True)
@given(
    data=st.data(),
    cell_m=st.sampled_from([700.0, 1000.0, 3000.0]),
    crs=st.sampled_from(["EPSG:4326", "ESRI:54009", "EPSG:4547"]),
)
def test_equals_naive_twin_and_keeps_the_sum(tmp_path_factory, data, cell_m, crs):
    n_row, n_col = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    values = np.array(
        data.draw(st.lists(st.integers(0, 1000), min_size=n_row * n_col, max_size=n_row * n_col))
    ).reshape(n_row, n_col)
    x, y = transformer("EPSG:4326", crs).transform(113.7, 34.4)
    step = 0.01 if crs == "EPSG:4326" else 1000.0
    transform = from_origin(x + data.draw(st.floats(-3, 3)) * step, y, step, step)
    keep = np.ones((9, 9), dtype=bool)
    keep[data.draw(st.integers(0, 8)), data.draw(st.integers(0, 8))] = False
    east, north = transformer(crs, AEA).transform(x + step * n_col / 2, y - step * n_row / 2)
    grid = make_grid(cell_m, 9, 9, east - 4.5 * cell_m, north + 4.5 * cell_m, keep)
    path = write(
        tmp_path_factory.mktemp("twin") / "a.tif", values.astype(np.float64), crs, transform
    )
    ledger = Ledger()
    layer = read_layer(path, "people", "count", "people", **WORDS)
    got = layer.to_grid(grid, ledger)
    on_grid = transformer(crs, AEA)

    def move(col, row):
        return on_grid.transform(transform.c + step * col, transform.f - step * row)

    want = twin(values, move, grid)
    line = ledger.lines[-1]
    assert line.sum_out + line.outside == pytest.approx(line.sum_in, rel=1e-9, abs=1e-9)
    # pixels beyond the window that covers the grid are not read at all
    tolerance = 2 * MISPLACED * max(values.sum(), 1)
    assert line.outside <= values.sum() - want[grid.row, grid.col].sum() + tolerance
    moved = np.abs(got.values - want[grid.row, grid.col]).sum() / 2
    assert moved <= tolerance


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    turn_deg=st.floats(-180, 180), lean_deg=st.floats(-50, 50), is_mirrored=st.booleans(),
    pixel_m=st.sampled_from([90.0, 650.0, 1000.0, 2300.0]), seed=st.integers(0, 999),
)  # fmt: skip
def test_any_way_a_raster_lies_it_equals_the_twin(turn_deg, lean_deg, is_mirrored, pixel_m, seed):
    turn, lean = np.radians(turn_deg), np.tan(np.radians(lean_deg))
    values = np.random.default_rng(seed).gamma(0.3, 4.0, (12, 9)) + 1e-9

    def move(col, row):
        x, y = pixel_m * (col + lean * row), pixel_m * row * (1 if is_mirrored else -1)
        return (
            17.3 + x * np.cos(turn) - y * np.sin(turn), -41.9 + x * np.sin(turn) + y * np.cos(turn)
        )  # fmt: skip

    x, y = move(np.array([0, 9, 0, 9]), np.array([0, 0, 12, 12]))
    n_row, n_col = int(np.ptp(y) // 1000) + 6, int(np.ptp(x) // 1000) + 6
    grid = make_grid(1000.0, n_row, n_col, x.min() - 2000, y.max() + 2000)
    sums = spread(values, move, grid)
    assert sums.outside[0] == pytest.approx(0, abs=1e-12)
    assert sums.total.sum() == pytest.approx(values.sum(), rel=1e-12)
    assert sums.total.min() >= 0
    moved = np.abs(sums.total[0] - twin(values, move, grid).ravel()).sum() / 2 / values.sum()
    assert moved < 2 * MISPLACED


@settings(deadline=None, max_examples=40, derandomize=True)
@given(n_row=st.integers(1, 30), n_col=st.integers(1, 30), seed=st.integers(0, 99))
def test_every_share_arrives_once_whatever_the_blocks(n_row, n_col, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 50, (n_row, n_col)).astype(float)
    grid = make_grid(700.0, 11, 8, 0.0, 0.0, rng.random((11, 8)) < 0.7)

    def move(col, row):
        return 40.0137 + 300.0271 * col + 20.0193 * row, -60.0311 - 310.0417 * row + 15.0157 * col

    sums = spread(values, move, grid)
    assert sums.total.sum() + sums.outside.sum() == pytest.approx(values.sum(), rel=1e-12)
    # blocks are only a way of working: cut otherwise, the cells get the same
    cut = spread(values, move, grid, side=7)
    assert np.allclose(cut.total, sums.total, rtol=0, atol=1e-6)
    # so are classes: each pixel's share by its class, all at once
    number = rng.integers(0, 3, values.shape)
    window = Window(0, 0, n_row, n_col)
    by_class = Sums(grid, move, sums.cut, 1)
    by_class.add_classes(window, number, values)
    for k in range(number.max() + 1):
        one = Sums(grid, move, sums.cut)
        one.add(window, np.where(number == k, values, 0.0)[None])
        assert np.allclose(by_class.total[k], one.total[0], rtol=0, atol=1e-9)


def test_scaling_people_scales_cells(tmp_path):
    rng = np.random.default_rng(41)
    values = rng.integers(0, 100, (40, 50)).astype(np.float64)
    grid = make_grid(1000.0, 40, 40, -5e3, 45e3)
    transform = from_origin(113.45, 34.4, 0.01, 0.01)
    one = read_layer(
        write(tmp_path / "a.tif", values, "EPSG:4326", transform),
        "people", "count", "people", **WORDS,
    ).to_grid(grid)  # fmt: skip
    two = read_layer(
        write(tmp_path / "b.tif", values * 8, "EPSG:4326", transform),
        "people", "count", "people", **WORDS,
    ).to_grid(grid)  # fmt: skip
    assert np.array_equal(two.values, one.values * 8)


@pytest.mark.parametrize("crs", ["EPSG:4326", "ESRI:54009", "EPSG:3857"])
def test_pixel_area_is_the_geodesic_area(crs):
    to = transformer("EPSG:4326", crs)
    x, y = to.transform(112.0, 35.0)
    step = 1 / 120 if crs == "EPSG:4326" else 1000.0
    on_grid = transformer(crs, AEA)

    def move(col, row):
        return on_grid.transform(x + step * col, y - step * row)

    area_km2 = pixel_area_km2(Window(0, 0, 60, 70), move, 1000.0)
    back = transformer(crs, "EPSG:4326")
    for r, c in ((0, 0), (30, 35), (59, 69)):
        # geodesics between the corners leave the parallels by millimetres at this size
        corner = [(c, r), (c + 1, r), (c + 1, r + 1), (c, r + 1)]
        lon, lat = back.transform(
            [x + step * i for i, _ in corner], [y - step * j for _, j in corner]
        )
        want = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0]) / 1e6
        assert area_km2[r, c] == pytest.approx(want, rel=2e-5)


def test_the_cut_is_the_least_that_keeps_the_promise():
    def straight(col, row):
        return 93.0 * col, -93.0 * row

    window = Window(0, 0, 50, 50)
    for cell_m, want in ((1000.0, 1), (250.0, 1), (100.0, 1), (10.0, 10)):
        cut = cut_pixels(window, straight, cell_m)
        assert (cut.rows, cut.cols, cut.is_turned) == (want, want, False)
        assert cut.edge_m == pytest.approx(93.0)
    quarter = cut_pixels(window, lambda col, row: (93.0 * row, 93.0 * col), 1000.0)
    assert (quarter.rows, quarter.cols, quarter.is_turned) == (1, 1, True)
    sheared = cut_pixels(window, lambda col, row: (1000 * (col + row), -1000.0 * row), 1000.0)
    shear, width = 1 / sheared.rows, 1 / sheared.cols
    assert shear**2 / (12 * width) <= MISPLACED
    with pytest.raises(DataError, match=r"take a finer raster or larger cells"):
        cut_pixels(window, lambda col, row: (1e6 * col, -1e6 * row), 100.0)


@pytest.mark.parametrize("corner", [(113.3, 34.3), (110.6, 36.2)])
@pytest.mark.parametrize(
    ("crs", "step", "n", "cell_m"),
    [
        ("EPSG:4326", 1 / 1200, (150, 200), 1000.0),
        ("EPSG:4326", 1 / 1200, (150, 200), 250.0),
        ("EPSG:4326", 1 / 1200, (150, 200), 100.0),
        ("EPSG:4326", 1 / 120, (20, 20), 250.0),
        ("ESRI:54009", 1000.0, (40, 40), 1000.0),
        ("ESRI:54009", 100.0, (150, 150), 250.0),
    ],
)
def test_beside_the_peer(crs, step, n, cell_m, corner):
    """Mass and place of people beside rasterio's Resampling.sum, against exact overlaps.

    White noise is the worst case. The peer takes a cell for the upright box around it in the
    raster's system; what that displaces is five times ours or more.
    """
    values = np.random.default_rng(41).gamma(0.3, 4.0, n)
    x, y = transformer("EPSG:4326", crs).transform(*corner)
    on_grid = transformer(crs, AEA)

    def move(col, row):
        return on_grid.transform(x + step * col, y - step * row)

    corner_x, corner_y = move(np.array([0, n[1], 0, n[1]]), np.array([0, 0, n[0], n[0]]))
    x0, y1 = corner_x.min() - 5 * cell_m, corner_y.max() + 5 * cell_m
    n_col = int(np.ptp(corner_x) / cell_m) + 10
    n_row = int(np.ptp(corner_y) / cell_m) + 10
    grid = make_grid(cell_m, n_row, n_col, x0, y1)
    ours, truth = spread(values, move, grid).total[0], twin(values, move, grid).ravel()
    peer = np.zeros((n_row, n_col))
    reproject(
        values, peer, src_transform=from_origin(x, y, step, step), src_crs=crs, dst_crs=AEA,
        dst_transform=from_origin(x0, y1, cell_m, cell_m), resampling=Resampling.sum,
    )  # fmt: skip
    total = values.sum()
    assert ours.sum() == pytest.approx(total, rel=1e-12)
    assert truth.sum() == pytest.approx(total, rel=1e-9)
    ours, peer = (np.abs(v - truth).sum() / 2 / total for v in (ours, peer.ravel()))
    print(f"{crs} {step:.4g} to {cell_m:g} m: misplaced {ours:.1e}, peer {peer:.1e}")
    assert ours < 6e-4
    assert ours < peer / 5
