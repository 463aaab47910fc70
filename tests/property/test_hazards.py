"""Hazard maps on cells against a naive twin: the worst of all pixels that a cell overlaps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin

from groundplan.errors import CrsError, DataError
from groundplan.region.crs import transformer
from groundplan.region.datum import gcj02_from_wgs84
from groundplan.region.hazards import level_mask, read_zones, zone_mask
from groundplan.region.layer import Grid, Ledger
from groundplan.region.raster import read_layer

AEA = "+proj=aea +lat_0=34 +lon_0=113.5 +lat_1=32.5 +lat_2=35.5 +datum=WGS84 +units=m"
WORDS = {"vintage": 2020, "licence": "CC BY 4.0", "source": "made by this test"}


def make_grid(cell_m, n_row, n_col, x0_m, y1_m):
    row, col = np.nonzero(np.ones((n_row, n_col), dtype=bool))
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


def levels(path, **more):
    return read_layer(path, quantity="flood depth", kind="level", unit="m", **WORDS, **more)


def boxes(grid):
    west, north = grid.x_m - grid.cell_m / 2, grid.y_m + grid.cell_m / 2
    return shapely.box(west, north - grid.cell_m, west + grid.cell_m, north)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    data=st.data(),
    cell_m=st.sampled_from([250.0, 1000.0, 3000.0]),
    crs=st.sampled_from(["EPSG:4326", "EPSG:4547", AEA]),
    comparator=st.sampled_from([">=", "<="]),
)
def test_a_cell_is_as_bad_as_its_worst_pixel(tmp_path_factory, data, cell_m, crs, comparator):
    n_row, n_col = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    drawn = data.draw(
        st.lists(st.integers(-1, 6), min_size=n_row * n_col, max_size=n_row * n_col).filter(
            lambda v: max(v) >= 0
        )
    )
    values = np.array(drawn, dtype=np.float32).reshape(n_row, n_col)  # -1 is nodata
    x, y = transformer("EPSG:4326", crs).transform(113.7, 34.4)
    step = 0.01 if crs == "EPSG:4326" else 1000.0
    transform = from_origin(x, y, step, step)
    east, north = transformer(crs, AEA).transform(x + step * n_col / 2, y - step * n_row / 2)
    shift_m = data.draw(st.floats(-500, 500))
    grid = make_grid(cell_m, 7, 7, east - 3.5 * cell_m + shift_m, north + 3.5 * cell_m)
    path = write(
        tmp_path_factory.mktemp("level") / "flood.tif", values, crs, transform, nodata=-1.0
    )
    got = level_mask(levels(path), grid, 3.0, comparator, "safe")
    r, c = (v.ravel().astype(float) for v in np.indices(values.shape))
    corners = [
        transformer(crs, AEA).transform(x + (c + dc) * step, y - (r + dr) * step)
        for dc, dr in ((0, 0), (1, 0), (1, 1), (0, 1))
    ]
    pixels = shapely.polygons(np.stack([np.stack(p, -1) for p in corners], axis=1))
    bad = values.ravel() >= 3 if comparator == ">=" else values.ravel() <= 3
    bad &= values.ravel() >= 0
    shared = shapely.area(shapely.intersection(boxes(grid)[:, None], pixels[None, bad]))
    part = shared / np.minimum(cell_m**2, shapely.area(pixels)[None, bad])
    # a hundredth of a pixel or cell counts for certain; one a metre away never does
    surely = (part > 0.01).any(axis=1)
    near = shapely.buffer(pixels[bad], max(2.0, 0.01 * step))
    never = ~shapely.intersects(boxes(grid)[:, None], near[None, :]).any(axis=1)
    assert got.is_masked[surely].all()
    assert not got.is_masked[never].any()


def test_the_worst_counts_and_not_the_middle_nor_the_mean(tmp_path):
    values = np.zeros((10, 10), np.float32)
    values[0, 9] = 2.0  # one pixel of a hundred, in a corner
    grid = make_grid(1000.0, 1, 1, 0.0, 1000.0)
    path = write(tmp_path / "a.tif", values, AEA, from_origin(0.0, 1000.0, 100.0, 100.0))
    ledger = Ledger()
    layer = levels(path).to_grid(grid, ledger)
    assert layer.values.tolist() == [2.0]
    assert "largest value in each cell" in layer.note
    mask = level_mask(levels(path), grid, 0.5, ">=", "error")
    assert mask.is_masked.all()
    assert mask.worst == 2.0


def test_pixels_on_the_edge_of_a_cell_stay_in_theirs(tmp_path):
    values = np.array([[9.0, 0.0, 0.0]], np.float32)
    grid = make_grid(1000.0, 1, 3, 0.0, 1000.0)
    path = write(tmp_path / "a.tif", values, AEA, from_origin(0.0, 1000.0, 1000.0, 1000.0))
    assert level_mask(levels(path), grid, 1.0, ">=", "error").is_masked.tolist() == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(("unknown", "masked"), [("safe", [False, True]), ("masked", [True, True])])
def test_cells_without_a_value_are_what_the_study_says(tmp_path, unknown, masked):
    values = np.array([[-9999.0, 5.0]], np.float32)
    grid = make_grid(1000.0, 1, 2, 0.0, 1000.0)
    transform = from_origin(0.0, 1000.0, 1000.0, 1000.0)
    path = write(tmp_path / "a.tif", values, AEA, transform, nodata=-9999.0)
    got = level_mask(levels(path), grid, 1.0, ">=", unknown)
    assert got.is_masked.tolist() == masked
    assert got.unknown_count == 1
    assert got.beyond_count == 0
    with pytest.raises(DataError, match="1 of 2 cells without a value, 0 of them beyond"):
        level_mask(levels(path), grid, 1.0, ">=", "error")


def square(west, south, east, north):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def write_zones(path, *shapes):
    features = [{"type": "Feature", "properties": {}, "geometry": g} for g in shapes]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_zones_mask_every_cell_they_touch(tmp_path):
    grid = make_grid(1000.0, 20, 20, -10_000.0, 10_000.0)
    zone = square(113.46, 33.95, 113.53, 34.02)
    got = zone_mask(read_zones(write_zones(tmp_path / "z.geojson", zone), None), grid)
    lon, lat = np.array(zone["coordinates"][0]).T
    x, y = transformer("EPSG:4326", AEA).transform(lon, lat)
    shape = shapely.polygons(np.column_stack([x, y]))
    cells = boxes(grid)
    assert got.is_masked[shapely.intersects(cells, shapely.buffer(shape, -2.0))].all()
    assert not got.is_masked[~shapely.intersects(cells, shapely.buffer(shape, 2.0))].any()


def test_a_declared_chinese_datum_is_undone(tmp_path):
    grid = make_grid(100.0, 100, 100, -5_000.0, 5_000.0)
    corners = np.array([113.49, 113.51]), np.array([33.99, 34.01])
    lon, lat = gcj02_from_wgs84(*corners)
    moved = square(lon[0], lat[0], lon[1], lat[1])
    true = square(corners[0][0], corners[1][0], corners[0][1], corners[1][1])
    there = zone_mask(read_zones(write_zones(tmp_path / "m.geojson", moved), "GCJ-02"), grid)
    here = zone_mask(read_zones(write_zones(tmp_path / "t.geojson", true), None), grid)
    # a box of two corners is no exact box under the other datum: rims may differ by a cell
    assert (there.is_masked != here.is_masked).sum() < 0.1 * here.is_masked.sum()


def test_zones_elsewhere_and_lines_are_refused(tmp_path):
    grid = make_grid(1000.0, 20, 20, -10_000.0, 10_000.0)
    far = write_zones(tmp_path / "far.geojson", square(120, 30, 121, 31))
    with pytest.raises(CrsError, match="zones of which one touches the region"):
        zone_mask(read_zones(far, None), grid)
    line = {"type": "LineString", "coordinates": [[113, 34], [114, 34]]}
    with pytest.raises(
        DataError, match="row 1 column geometry: got LineString, expected a polygon"
    ):
        read_zones(write_zones(tmp_path / "line.geojson", line), None)
