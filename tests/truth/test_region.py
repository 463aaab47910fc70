"""The region against the census, against held-out units and against surveyed polygons."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import shapely
from scipy import ndimage

from groundplan.errors import CrsError, DataError, UsageError
from groundplan.region import Ledger, load, model_population
from groundplan.region.borders import (
    fit_borders,
    inside_points,
    power_cells,
    read_borders,
    write_borders,
)
from groundplan.region.surface import density_per_km2, integerise
from groundplan.region.validate import class_shares, held_out

CENSUS = 99_365_519  # 7th census, 1 Nov 2020, province


@pytest.fixture(scope="module")
def henan():
    return load("henan")


@pytest.fixture(scope="module")
def grid(henan):
    return henan.grid(1000)


@pytest.fixture(scope="module")
def polygons(shared):
    text = (shared / "data/henan_units182.geojson").read_text(encoding="utf-8")
    features = json.loads(text)["features"]
    return {f["properties"]["code"]: shapely.from_geojson(json.dumps(f)) for f in features}


def test_tables_are_the_census(henan):
    assert len(henan.units.code) == 182
    assert henan.units.population.sum() == CENSUS
    zone = henan.units.kind == "functional zone"
    assert (zone.sum(), henan.units.population[zone].sum()) == (24, 4_430_700)
    urban = (henan.units.urban_ratio * henan.units.population).sum() / CENSUS
    assert urban == pytest.approx(0.5543, abs=1e-4)
    assert np.allclose(henan.crosswalk.sum(axis=1), 1, atol=1e-9)
    assert (henan.crosswalk > 0).sum() == 200


def test_every_unit_adds_up_to_the_census_exactly(henan, grid):
    ledger = Ledger()
    people = model_population(henan, grid, seed=41, ledger=ledger)
    assert people.is_modelled
    raw = np.bincount(grid.unit, weights=people.values)
    assert np.abs(raw - henan.units.population).max() < 1e-6
    whole = integerise(people.values, grid.unit, henan.units.population)
    sums = np.bincount(grid.unit, weights=whole).astype(np.int64)
    assert sums.tolist() == (100 * henan.units.population).tolist()
    assert ledger.lines[0].residual == pytest.approx(0, abs=0.05)


def test_units_draw_from_streams_of_their_own(henan, grid):
    one = model_population(henan, grid, seed=41).values
    assert np.array_equal(one, model_population(henan, grid, seed=41).values)
    assert not np.array_equal(one, model_population(henan, grid, seed=42).values)


def test_settlement_classes_are_within_three_points_of_ghs_smod(henan, grid):
    people = model_population(henan, grid, seed=41).values
    share = class_shares(people, density_per_km2(people, grid))
    assert np.abs(share - [0.484, 0.437, 0.079]).max() < 0.03


def test_held_out_units_are_predicted_from_18_totals(henan, polygons):
    score = held_out(henan, henan.grid(1000, polygons))
    print(score)
    assert score.n_unit == 181
    assert score.r2 >= 0.70


@pytest.mark.parametrize(("cell_m", "n_cell"), [(1000, 165_647), (250, 2_650_355)])
def test_polygons_give_the_known_number_of_cells(henan, polygons, cell_m, n_cell):
    grid = henan.grid(cell_m, polygons)
    assert len(grid) == pytest.approx(n_cell, rel=1e-3)
    assert np.bincount(grid.unit, minlength=182).min() > 0
    assert not grid.is_synthetic


def test_synthetic_borders_keep_areas(henan):
    grid = henan.grid(250)
    assert grid.is_synthetic
    assert "synthetic" in grid.geometry_label
    target = henan.county_area_km2()
    area = np.bincount(grid.county, minlength=157) * 0.25**2
    assert area.sum() == pytest.approx(target.sum(), rel=1e-3)
    assert np.median(np.abs(area / target - 1)) < 0.002
    assert np.abs(area / target - 1).max() < 0.02
    assert np.bincount(grid.unit, minlength=182).min() > 0


def test_synthetic_borders_lie_near_the_surveyed_ones(henan, polygons):
    synthetic, surveyed = henan.grid(1000), henan.grid(1000, polygons)
    xy = {
        (round(x), round(y)): c
        for x, y, c in zip(surveyed.x_m, surveyed.y_m, surveyed.county, strict=True)
    }
    same = sum(
        xy.get((round(x), round(y))) == c
        for x, y, c in zip(synthetic.x_m, synthetic.y_m, synthetic.county, strict=True)
    )
    inside = sum(
        (round(x), round(y)) in xy for x, y in zip(synthetic.x_m, synthetic.y_m, strict=True)
    )
    print(
        f"cells in the right county: {same / len(surveyed):.3f}, inside: {inside / len(surveyed):.3f}"
    )
    # 0.814 is what the same diagram reaches inside the surveyed outline
    assert same / len(surveyed) > 0.78
    assert inside / len(surveyed) > 0.96


@pytest.mark.parametrize("cell_m", [1000, 250])
def test_the_synthetic_region_is_one_piece_without_holes(henan, cell_m):
    grid = henan.grid(cell_m)
    inside = grid.raster(np.ones(len(grid), bool), outside=False)
    assert ndimage.label(inside)[1] == 1
    assert np.array_equal(ndimage.binary_fill_holes(inside), inside)
    # a county cut by the outline keeps all but crumbs in one piece
    county = grid.raster(grid.county, outside=-1)
    crumbs = 0
    for j, box in enumerate(ndimage.find_objects(county.astype(np.int32) + 1)):
        pieces = ndimage.label(county[box] == j, np.ones((3, 3)))[0]
        crumbs += np.sort(np.bincount(pieces.ravel())[1:])[:-1].sum()
    assert crumbs * (cell_m / 1000) ** 2 < 20


def test_the_outline_has_the_area_of_the_units_and_holds_the_places(henan):
    outline = read_borders(henan).outline
    assert outline.is_valid
    assert outline.area / 1e6 == pytest.approx(henan.units.area_km2.sum(), rel=1e-4)
    inside = np.vstack([henan.label_xy_m(), henan.seat_xy_m(), henan.place_xy_m()])
    held = shapely.contains_xy(outline, *inside.T)
    assert held[: len(henan.counties.code)].all()
    assert held.mean() > 0.99
    # no spikes: nowhere far from the outline rounded by 3 km
    rounded = outline.buffer(-3000).buffer(6000).buffer(-3000)
    assert outline.symmetric_difference(rounded).area / outline.area < 0.005


def test_borders_of_any_points_meet_their_areas(tmp_path):
    rng = np.random.default_rng(3)
    label = rng.uniform(0, 60_000, (12, 2))
    area = rng.uniform(1e8, 4e8, 12)
    borders = fit_borders(label, area)
    assert borders.outline.geom_type == "Polygon"
    assert not borders.outline.interiors
    assert borders.outline.area == pytest.approx(area.sum(), rel=1e-6)
    points = inside_points(borders.outline, 100.0)
    county = power_cells(*points.T, label, borders.psi_m2)
    assert np.abs(np.bincount(county, minlength=12) * 100.0**2 / area - 1).max() < 0.01
    again = fit_borders(label, area)
    assert np.array_equal(again.psi_m2, borders.psi_m2)
    assert again.outline.equals_exact(borders.outline, 0)


def test_a_far_county_is_joined_by_a_way_not_left_as_an_island():
    label = np.array([[0.0, 0], [20_000, 0], [0, 20_000], [20_000, 20_000], [75_000, 10_000]])
    area = np.full(5, 4e8)
    borders = fit_borders(label, area)
    assert borders.outline.geom_type == "Polygon"
    assert shapely.contains_xy(borders.outline, *label.T).all()
    points = inside_points(borders.outline, 100.0)
    county = power_cells(*points.T, label, borders.psi_m2)
    assert np.abs(np.bincount(county, minlength=5) * 100.0**2 / area - 1).max() < 0.01


def test_kept_borders_are_those_a_fit_gives(tmp_path):
    region = replace(load("henan"), folder=tmp_path)
    some = np.arange(8)
    units = region.units
    few = replace(
        region,
        units=replace(units, **{f.name: getattr(units, f.name)[some] for f in fields(units)}),
        counties=replace(
            region.counties,
            **{f.name: getattr(region.counties, f.name)[some] for f in fields(region.counties)},
        ),
        crosswalk=np.eye(8),
        place_lon_deg=region.counties.seat_lon_deg[some],
        place_lat_deg=region.counties.seat_lat_deg[some],
    )
    fitted = few.grid(500)
    write_borders(few, tmp_path)
    kept = few.grid(500)
    assert len(kept) == pytest.approx(len(fitted), rel=2e-3)
    # the kept outline is rounded to metres
    assert np.abs(np.bincount(kept.county) - np.bincount(fitted.county)).max() < 20


def test_unknown_region_and_bad_cells_are_refused(henan, polygons):
    with pytest.raises(UsageError, match="no region 'atlantis'"):
        load("atlantis")
    with pytest.raises(DataError, match=r"50\.\.5000 m"):
        henan.grid(1)
    with pytest.raises(DataError, match="one polygon for each unit code"):
        henan.grid(1000, {})
    moved = {k: shapely.transform(v, lambda c: c * 1e5) for k, v in polygons.items()}
    with pytest.raises(CrsError, match="degrees"):
        henan.grid(1000, moved)


def test_every_county_has_a_name_in_both_scripts(henan):
    chinese, latin = henan.counties.name, henan.counties.name_en
    assert len(set(latin.tolist())) == len(henan.counties.code) == 157
    kinds = {"区": "District", "县": "County", "市": "City"}
    for own, told in zip(chinese.tolist(), latin.tolist(), strict=True):
        assert told.isascii()
        # two counties of one name carry their prefecture after the kind
        assert told.split(" (")[0].split()[-1] == kinds[own[-1]], (own, told)
        assert told[0].isupper()
