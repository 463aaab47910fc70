"""The mobile sector on a toy land: demand, stand-in, candidates, reach, sizing, register."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundplan.engine.models import carriers_needed
from groundplan.engine.radio import cell_reach
from groundplan.errors import DataError
from groundplan.plan.toy import square_land
from groundplan.sectors.contract import Action, Land
from groundplan.sectors.mobile import (
    MOBILE,
    busy_hour_mbps_per_person,
    carrier_mbps,
    service_parameters,
)
from groundplan.sectors.mobile_standin import existing_counts, occupancy_chances
from groundplan.sectors.places import density_at, draw_cells, environment_of, is_clear

SIDE = 45
SETTINGS = {**MOBILE.defaults(), "masts_existing_count": 400, "stations_existing_count": 450}


def toy_land(cell_m: float = 500.0, scale: float = 1.0) -> Land:
    """A town in the middle of farmland, 2,025 cells."""
    return square_land(
        SIDE, cell_m, lambda d_m: scale * np.round(2500 * np.exp(-d_m / 1500) + 40, 2)
    )


@pytest.fixture(scope="module")
def land() -> Land:
    return toy_land()


@pytest.fixture(scope="module")
def existing(land):
    return MOBILE.standin(land, SETTINGS, np.random.default_rng(1))


@pytest.fixture(scope="module")
def sites(land, existing):
    return MOBILE.candidates(land, existing, SETTINGS, np.random.default_rng(2))


def test_layers_add_up_to_the_residents(land):
    demand = MOBILE.demand.build(land, SETTINGS)
    assert demand.dtype == np.int64
    assert np.array_equal(demand.sum(axis=0), np.rint(100 * land.people).astype(np.int64))
    share = demand[0].sum() / demand.sum()
    assert share == pytest.approx(SETTINGS["network_a_subscriber_ratio"], abs=1e-4)


def test_demand_is_pure_and_moves_with_the_cells(land):
    order = np.random.default_rng(3).permutation(land.people.size)
    before = land.people.copy()
    demand = MOBILE.demand.build(land, SETTINGS)
    moved = MOBILE.demand.build(replace(land, people=land.people[order]), SETTINGS)
    assert np.array_equal(moved, demand[:, order])
    assert np.array_equal(land.people, before)
    doubled = MOBILE.demand.build(replace(land, people=2 * land.people), SETTINGS)
    assert np.abs(doubled - 2 * demand).max() <= 1


def test_the_standin_has_the_counts_asked(land, existing):
    assert existing.is_synthetic
    assert np.unique(existing.host).size == 400
    keep = existing.action == Action.KEEP
    assert [int((keep & (existing.layer == k)).sum()) for k in (0, 1)] == [252, 198]
    assert (np.abs(existing.x_m - land.x_m.mean()) <= SIDE * land.cell_m / 2).all()


def test_masts_crowd_where_people_are(land, existing):
    middle = land.cell_m * SIDE / 2
    near = np.hypot(existing.x_m - middle, existing.y_m - middle) < 4000
    inside = np.hypot(land.x_m - middle, land.y_m - middle) < 4000
    share = near.mean()
    assert share > 2 * inside.mean()
    assert share < land.people[inside].sum() / land.people.sum()


def test_tenancy_of_the_standin_is_the_published_one():
    each, layer_b = occupancy_chances(1.79)
    assert 3 * each == pytest.approx(1.79)
    assert layer_b == pytest.approx(1 - (1 - each) ** 2)


def test_the_standin_repeats_for_a_seed(land, existing):
    again = MOBILE.standin(land, SETTINGS, np.random.default_rng(1))
    other = MOBILE.standin(land, SETTINGS, np.random.default_rng(9))
    assert np.array_equal(again.x_m, existing.x_m)
    assert np.array_equal(again.action, existing.action)
    assert not np.array_equal(other.x_m, existing.x_m)


def test_counts_scale_with_the_region():
    assert existing_counts(99_365_519, MOBILE.defaults()) == (143_585, 85_680, 67_320)
    assert existing_counts(993_655, MOBILE.defaults())[0] == 1436
    assert existing_counts(0, MOBILE.defaults()) == (0, 0, 0)


def test_more_stations_than_masts_are_refused(land):
    with pytest.raises(DataError, match="at most one for each mast"):
        MOBILE.standin(land, {**SETTINGS, "stations_existing_count": 900}, np.random.default_rng(1))


def test_candidates_stand_in_order_and_cost_what_they_should(existing, sites):
    assert (np.diff((sites.action != Action.KEEP).astype(int)) >= 0).all()
    price = {action: sites.capex_cny[sites.action == action] for action in Action}
    assert (price[Action.KEEP] == 0).all()
    assert set(price[Action.UPGRADE]) == set(price[Action.SHARE]) == {229_000}
    assert set(price[Action.NEW]) == {529_000}
    assert len(existing) == 800
    assert int((sites.action != Action.NEW).sum()) == 800


def test_new_masts_stand_only_where_none_is_near(land, existing, sites):
    new = sites.action == Action.NEW
    gap_m = np.hypot(
        sites.x_m[new, None] - existing.x_m[None, :], sites.y_m[new, None] - existing.y_m[None, :]
    ).min(axis=1)
    spacing_m = np.array([500.0, 600.0, 2000.0])[sites.environment[new]]
    assert new.any()
    assert (gap_m > spacing_m).all()
    assert sites.host[new].min() > existing.host.max()
    density = density_at(land, sites.x_m[new], sites.y_m[new])
    assert (environment_of(density) == sites.environment[new]).mean() > 0.9


def test_an_empty_land_gives_nothing_and_no_error():
    empty = toy_land(scale=0.0)
    assert not MOBILE.demand.build(empty, SETTINGS).any()
    existing = MOBILE.standin(empty, MOBILE.defaults(), np.random.default_rng(1))
    assert len(existing) == 0
    assert len(MOBILE.candidates(empty, existing, SETTINGS, np.random.default_rng(1))) == 0


def test_reach_comes_out_of_the_parameters():
    reach_m, detail = cell_reach(**service_parameters(SETTINGS))
    assert reach_m.shape == (2, 3)
    # low band in the country reaches furthest, 3.5 GHz least
    assert reach_m[0, 2] > reach_m[1, 2] > reach_m[0, 1] > reach_m[1, 1]
    assert detail[0][2]["frequency_ghz"] == 0.715
    # 53 dBm + 24 dBi over 12 * 273 subcarriers
    assert detail[0][0]["eirp_per_element_dbm"] == pytest.approx(
        77 - 10 * np.log10(12 * 273), abs=1e-3
    )


def test_busy_hour_traffic_is_the_written_formula():
    # 20 GB, 6 %, 30 days: 0.089 Mbit/s for each user
    users = SETTINGS["users_5g_per_person_ratio"]
    assert busy_hour_mbps_per_person(SETTINGS) / users == pytest.approx(0.0889, abs=1e-4)
    # 0.6 lg2(1 + 10) bit/s/Hz on 100 MHz, 74.3 % down, 14 % overhead, 10 % repeated
    assert carrier_mbps(SETTINGS)[0, 0] == pytest.approx(
        0.6 * np.log2(11) * 100 * 0.743 * 0.86 * 0.9
    )


def sized(sites, chosen, demand):
    return MOBILE.sizing.build(carriers_needed, sites, chosen, demand, SETTINGS, 0)


def test_sizing_adds_carriers_and_flags_what_cannot_carry(sites):
    chosen = np.ones(len(sites), np.bool_)
    light = sized(sites, chosen, np.full(len(sites), 100.0))
    heavy = sized(sites, chosen, np.full(len(sites), 1e5))
    assert (light.servers == 3).all()
    assert not light.is_overloaded.any()
    assert heavy.is_overloaded.all()
    planned = sites.action != Action.KEEP
    assert (heavy.servers[planned] >= light.servers[planned]).all()
    assert (heavy.servers[~planned] == 3).all()
    assert (heavy.capex_cny[~planned] == 0).all()
    assert (heavy.capex_cny[planned] >= light.capex_cny[planned]).all()


def test_two_networks_share_the_price_of_a_new_mast(sites):
    new = np.flatnonzero(sites.action == Action.NEW)
    host = sites.host[new[0]]
    pair = new[sites.host[new] == host]
    chosen = np.zeros(len(sites), np.bool_)
    chosen[pair] = True
    both = sized(sites, chosen, np.full(len(sites), 10.0))
    chosen[pair[1]] = False
    alone = sized(sites, chosen, np.full(len(sites), 10.0))
    assert pair.size == 2
    assert both.capex_cny.sum() == 2 * 229_000 + 300_000
    assert alone.capex_cny.sum() == 229_000 + 300_000
    assert both.capex_cny[pair].tolist() == [379_000, 379_000]


def test_a_register_becomes_sites(land):
    columns = {
        "mast_id": np.array(["m1", "m1", "m2", "m3"]),
        "network": np.array(["a", "b", "b", "none"]),
        "generation": np.array(["5g", "4g", "5g", "4g"]),
    }
    x_m = np.array([100.0, 100.0, 11_000.0, -9e5])
    told = MOBILE.from_register(columns, x_m, x_m, land, SETTINGS)
    k, u, s = Action.KEEP, Action.UPGRADE, Action.SHARE
    assert told.action.tolist() == [k, s, s, u, k, s]
    assert told.host.tolist() == [0, 1, 2, 0, 1, 2]
    assert told.environment.tolist() == [2, 0, 2, 2, 0, 2]
    assert list(told.outside_id) == ["m1", "m2", "m3"] * 2
    assert not told.is_synthetic
    joined = MOBILE.candidates(land, told, SETTINGS, np.random.default_rng(1))
    assert list(joined.outside_id[:6]) == ["m1", "m2", "m2", "m3", "m1", "m3"]
    assert set(joined.outside_id[6:]) <= {""}


def test_faults_of_a_register_come_together(land):
    columns = {
        "mast_id": np.array(["m1", ""]),
        "network": np.array(["c", "a"]),
        "generation": np.array(["5g", "6g"]),
    }
    with pytest.raises(DataError) as caught:
        MOBILE.from_register(columns, np.zeros(2), np.zeros(2), land, SETTINGS)
    assert [(f.row, f.column) for f in caught.value.findings] == [
        (2, "network"), (3, "generation"), (3, "mast_id"),
    ]  # fmt: skip


def test_draws_follow_the_weight_within_one():
    weight = np.array([0.0, 3.0, 1.0, 0.0, 6.0])
    drawn = np.bincount(draw_cells(weight, 1000, np.random.default_rng(1)), minlength=5)
    assert np.abs(drawn - 100 * weight).max() <= 1
    assert draw_cells(weight, 0, np.random.default_rng(1)).size == 0
    assert draw_cells(np.zeros(3), 5, np.random.default_rng(1)).size == 0


def test_clearance_equals_all_distances():
    rng = np.random.default_rng(5)
    x, y = rng.uniform(-3000, 3000, (2, 300))
    other_x, other_y = rng.uniform(-2000, 4000, (2, 200))
    gap = np.hypot(x[:, None] - other_x, y[:, None] - other_y).min(axis=1)
    for distance_m in (50.0, 300.0, 2500.0, 9000.0):
        assert np.array_equal(is_clear(x, y, other_x, other_y, distance_m), gap > distance_m)


def test_density_is_found_in_any_order_of_cells(land):
    order = np.random.default_rng(6).permutation(land.people.size)
    names = ("x_m", "y_m", "people", "density_per_km2")
    shuffled = replace(land, **{name: getattr(land, name)[order] for name in names})
    x_m, y_m = land.x_m + 100.0, land.y_m - 100.0
    assert np.array_equal(density_at(shuffled, x_m, y_m), land.density_per_km2)
    outside = density_at(land, np.array([-600.0, 1e6]), np.array([250.0, 250.0]))
    assert outside.tolist() == [0.0, 0.0]
