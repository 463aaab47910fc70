"""The warp against its naive twin, and what must hold for any raster: sums kept, order free."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from groundplan.region.layer import Grid, Ledger
from groundplan.region.raster import read_layer
from groundplan.region.warp import Sums, Window, parts_per_pixel, pixel_area_km2

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


def twin(values, transform, crs, grid, k):
    """Each part of each pixel to the cell of its middle, one by one."""
    move = Transformer.from_crs(crs, AEA, always_xy=True)
    cells = {(int(r), int(c)): i for i, (r, c) in enumerate(zip(grid.row, grid.col, strict=True))}
    got, outside = np.zeros(len(grid)), 0.0
    for r in range(values.shape[0]):
        for c in range(values.shape[1]):
            at = [(c + (b + 0.5) / k, r + (a + 0.5) / k) for a in range(k) for b in range(k)]
            for x, y in move.itransform([transform * part for part in at]):
                place = (
                    int(np.floor((grid.y1_m - y) / grid.cell_m)),
                    int(np.floor((x - grid.x0_m) / grid.cell_m)),
                )
                if place in cells:
                    got[cells[place]] += values[r, c] / k**2
                else:
                    outside += values[r, c] / k**2
    return got, outside


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
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(113.7, 34.4)
    step = 0.01 if crs == "EPSG:4326" else 1000.0
    transform = from_origin(x + data.draw(st.floats(-3, 3)) * step, y, step, step)
    keep = np.ones((9, 9), dtype=bool)
    keep[data.draw(st.integers(0, 8)), data.draw(st.integers(0, 8))] = False
    east, north = Transformer.from_crs(crs, AEA, always_xy=True).transform(
        x + step * n_col / 2, y - step * n_row / 2
    )
    grid = make_grid(cell_m, 9, 9, east - 4.5 * cell_m, north + 4.5 * cell_m, keep)
    path = write(
        tmp_path_factory.mktemp("twin") / "a.tif", values.astype(np.float64), crs, transform
    )
    ledger = Ledger()
    layer = read_layer(path, "people", "count", "people", **WORDS)
    got = layer.to_grid(grid, ledger)
    k = int(got.note.split(": ")[1].split(" x ")[0])
    want, outside = twin(values, transform, crs, grid, k)
    line = ledger.lines[-1]
    assert line.sum_out + line.outside == pytest.approx(line.sum_in, rel=1e-9, abs=1e-9)
    # a part within 1e-4 of a cell of a border may fall on its other side
    moved = np.abs(got.values - want).sum() / 2
    assert moved <= 2 * max(values.max(), 1) / k**2 * 0.02 * values.size + 1e-9
    # parts outside the window that covers the grid are not read at all
    assert line.outside <= outside + moved + 1e-9


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    n_row=st.integers(1, 30), n_col=st.integers(1, 30), k=st.integers(2, 5), seed=st.integers(0, 99)
)
def test_every_part_arrives_once(n_row, n_col, k, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 50, (1, n_row, n_col)).astype(float)
    grid = make_grid(700.0, 11, 8, 0.0, 0.0, rng.random((11, 8)) < 0.7)

    def move(col, row):
        # crooked numbers: no part lies on a border, where rounding would decide
        return 40.0137 + 300.0271 * col + 20.0193 * row, -60.0311 - 310.0417 * row + 15.0157 * col

    sums = Sums(grid, move, k)
    sums.add(Window(0, 0, n_row, n_col), values)
    assert sums.total.sum() + sums.outside.sum() == pytest.approx(values.sum(), rel=1e-12)
    # blocks are only a way of working: cut otherwise, the cells get the same
    cut = Sums(grid, move, k)
    for block in Window(0, 0, n_row, n_col).blocks(7):
        held = values[:, block.row : block.row + block.n_row, block.col : block.col + block.n_col]
        cut.add(block, held)
    assert np.allclose(cut.total, sums.total, rtol=0, atol=1e-6)


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
    to = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = to.transform(112.0, 35.0)
    step = 1 / 120 if crs == "EPSG:4326" else 1000.0
    on_grid = Transformer.from_crs(crs, AEA, always_xy=True)

    def move(col, row):
        return on_grid.transform(x + step * col, y - step * row)

    area_km2 = pixel_area_km2(Window(0, 0, 60, 70), move, 1000.0)
    back = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    for r, c in ((0, 0), (30, 35), (59, 69)):
        # geodesics between the corners leave the parallels by millimetres at this size
        corner = [(c, r), (c + 1, r), (c + 1, r + 1), (c, r + 1)]
        lon, lat = back.transform(
            [x + step * i for i, _ in corner], [y - step * j for _, j in corner]
        )
        want = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0]) / 1e6
        assert area_km2[r, c] == pytest.approx(want, rel=2e-5)


def test_parts_are_no_longer_than_an_eighth_of_a_cell():
    def move(col, row):
        return 93.0 * col, -93.0 * row

    for cell_m, want in ((1000.0, 3), (250.0, 3), (100.0, 8), (10.0, 75)):
        k, edge_m = parts_per_pixel(Window(0, 0, 50, 50), move, cell_m)
        assert (k, edge_m) == (want, pytest.approx(93.0))
        assert edge_m / k <= cell_m / 8 + 1e-9


@pytest.mark.parametrize(
    ("crs", "step", "n", "cell_m", "ratio"),
    [
        ("EPSG:4326", 1 / 1200, (150, 200), 1000.0, 8.0),
        ("EPSG:4326", 1 / 120, (20, 20), 250.0, 6.0),
        ("ESRI:54009", 1000.0, (40, 40), 1000.0, 4.0),
    ],
)
def test_beside_the_peer(crs, step, n, cell_m, ratio):
    """Mass and place of people beside rasterio's Resampling.sum on the same window.

    Both keep the sum; the peer weighs exact overlaps, ours whole parts, so that ours may put up to
    `ratio` times as many people into a neighbouring cell. White noise is the worst case for that.
    """
    rng = np.random.default_rng(41)
    values = rng.gamma(0.3, 4.0, n)
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(113.3, 34.3)
    on_grid = Transformer.from_crs(crs, AEA, always_xy=True)

    def move(col, row):
        return on_grid.transform(x + step * col, y - step * row)

    corner_x, corner_y = move(np.array([0, n[1], 0, n[1]]), np.array([0, 0, n[0], n[0]]))
    x0, y1 = corner_x.min() - 5 * cell_m, corner_y.max() + 5 * cell_m
    n_col = int(np.ptp(corner_x) / cell_m) + 10
    n_row = int(np.ptp(corner_y) / cell_m) + 10
    grid, window = make_grid(cell_m, n_row, n_col, x0, y1), Window(0, 0, *n)

    def spread(k):
        sums = Sums(grid, move, k)
        for part in window.blocks(sums.side):
            rows = slice(part.row, part.row + part.n_row)
            sums.add(part, values[None, rows, part.col : part.col + part.n_col])
        return sums.total[0]

    k, _ = parts_per_pixel(window, move, cell_m)
    ours, fine = spread(k), spread(6 * k)
    peer = np.zeros((n_row, n_col))
    reproject(
        values, peer, src_transform=from_origin(x, y, step, step), src_crs=crs, dst_crs=AEA,
        dst_transform=from_origin(x0, y1, cell_m, cell_m), resampling=Resampling.sum,
    )  # fmt: skip
    total = values.sum()
    assert ours.sum() == pytest.approx(total, rel=1e-9)
    assert peer.sum() == pytest.approx(total, rel=1e-6)  # the peer loses up to 1e-7 in Mollweide
    our_misplaced = np.abs(ours - fine).sum() / 2 / total
    peer_misplaced = np.abs(peer.ravel() - fine).sum() / 2 / total
    assert our_misplaced < 0.05
    assert our_misplaced < ratio * peer_misplaced
