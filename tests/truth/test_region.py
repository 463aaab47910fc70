"""The region against the census, against held-out units and against surveyed polygons."""

from __future__ import annotations

import json

import numpy as np
import pytest
import shapely

from groundplan.errors import CrsError, DataError, UsageError
from groundplan.region import Ledger, load, model_population
from groundplan.region.geometry import fit_borders, power_cells
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
    print(f"cells in the right county: {same / len(surveyed):.3f}")
    assert same / len(surveyed) > 0.70


def test_power_diagram_gives_areas_on_a_small_case():
    rng = np.random.default_rng(3)
    label = rng.uniform(0, 60_000, (12, 2))
    area = rng.uniform(1e8, 4e8, 12)
    psi = fit_borders(label, area, cell_m=500, rounds=300)
    x, y = np.meshgrid(np.arange(-40_000, 100_000, 250.0), np.arange(-40_000, 100_000, 250.0))
    county = power_cells(x.ravel(), y.ravel(), label, psi)
    found = np.bincount(county[county >= 0], minlength=12) * 250.0**2
    assert np.abs(found / area - 1).max() < 0.03


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
