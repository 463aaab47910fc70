"""BeiDou on a toy land: terminals, stations, messages, and what stands around a user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundplan.errors import DataError
from groundplan.models import message_budget, reply_cards
from groundplan.plan.sky import Heights, county_places, county_sky, grid_north_deg
from groundplan.plan.toy import square_land
from groundplan.sectors.beidou import BEIDOU, single_reach_m
from groundplan.sectors.beidou_services import (
    counted_demand,
    farm_hectares,
    flat_cropland,
    service_terminals,
    terminals_per_person,
    whole_in_all,
)
from groundplan.sectors.contract import Action

SIDE = 60
SETTINGS = {**BEIDOU.defaults(), "stations_existing_count": 12}


@pytest.fixture(scope="module")
def land():
    """60 km x 60 km: a town in the middle, crops in the south, hills in the north."""
    bare = square_land(SIDE, 1000.0, lambda d_m: np.round(9000 * np.exp(-d_m / 3000) + 200, 2))
    south = bare.y_m < 30_000
    return replace(
        bare,
        cropland_ratio=np.where(south, 0.8, 0.1).astype(np.float32),
        relief_m=np.where(south, 10.0, 200.0).astype(np.float32),
    )


@pytest.fixture(scope="module")
def sites(land):
    existing = BEIDOU.standin(land, SETTINGS, np.random.default_rng(1))
    return BEIDOU.candidates(land, existing, SETTINGS, np.random.default_rng(2))


def test_terminals_add_up_and_follow_their_own(land):
    told = service_terminals(land, SETTINGS)
    total = terminals_per_person(SETTINGS) * land.people.sum()
    assert told.sum(axis=1) == pytest.approx(total, rel=1e-6)
    hills = land.relief_m > SETTINGS["relief_flat_m"]
    assert not told[0][hills].any()
    assert told[1][hills].mean() > told[1][~hills].mean()
    per_person = told[2] / land.people
    assert per_person[hills].mean() / per_person[~hills].mean() == pytest.approx(3.0)


def test_the_whole_of_henan_has_the_published_farmland():
    machines = terminals_per_person(BEIDOU.defaults())[0] * 99_365_519
    assert machines == pytest.approx(7.5141e6 * 0.8417 / 100 * 0.6667, rel=1e-6)


def test_without_land_cover_every_field_is_rural_land(land):
    empty = np.zeros(0, np.float32)
    bare = replace(land, cropland_ratio=empty, relief_m=empty)
    assert (flat_cropland(bare, SETTINGS) == (bare.density_per_km2 < 1000)).all()
    told = service_terminals(bare, SETTINGS)
    assert told.sum(axis=1) == pytest.approx(terminals_per_person(SETTINGS) * bare.people.sum())


def test_demand_does_not_depend_on_the_order_of_cells(land):
    order = np.random.default_rng(5).permutation(SIDE * SIDE)
    names = ("x_m", "y_m", "people", "density_per_km2", "cropland_ratio", "relief_m")
    moved = replace(land, **{name: getattr(land, name)[order] for name in names})
    assert np.array_equal(
        BEIDOU.demand.build(moved, SETTINGS), BEIDOU.demand.build(land, SETTINGS)[:, order]
    )


@pytest.mark.parametrize(
    ("accuracy_m", "reach_m"), [(0.025, 15_000.0), (0.02, 10_000.0), (0.5, 30_000.0)]
)
def test_reach_is_what_the_accuracy_leaves(accuracy_m, reach_m):
    told = single_reach_m({**SETTINGS, "farming_accuracy_m": accuracy_m})
    assert told.tolist() == [reach_m, 10_000.0, 30_000.0]


def test_a_network_reaches_as_far_as_its_error_allows():
    told = BEIDOU.backup.parameters(SETTINGS)
    assert told["near_m"].tolist() == [30_000.0, 20_000.0, 70_000.0]
    assert (told["near_m"] >= single_reach_m(SETTINGS)).all()


def test_rounding_keeps_sums_of_small_shares(land):
    share = np.full(land.x_m.size, 0.12)
    told = whole_in_all(share, land)
    assert told.sum() == round(0.12 * share.size)
    assert set(told.tolist()) == {0, 1}
    south = land.y_m < 30_000
    assert told[south].sum() == pytest.approx(share[south].sum(), abs=1.0)


def test_a_file_of_terminals_replaces_its_services_alone(land):
    modelled = BEIDOU.demand.build(land, SETTINGS)
    columns = {
        "service": np.array(["emergency", "emergency", "emergency"]),
        "terminals_count": np.array([3, 4, 5]),
    }
    told = counted_demand(columns, np.array([7, 7, 9]), modelled, SETTINGS)
    assert np.array_equal(told[:2], modelled[:2])
    assert (told[2][[7, 9]].tolist(), int(told[2].sum())) == ([700, 500], 1200)


def test_hectares_of_cells_are_the_flat_farmland(land):
    hectares = farm_hectares(land, SETTINGS)
    asked = land.people.sum() * SETTINGS["farm_ha_per_person_ratio"] * SETTINGS["flat_ratio"]
    assert hectares.sum() == pytest.approx(asked)
    assert not hectares[land.relief_m > SETTINGS["relief_flat_m"]].any()


def test_stations_are_spread_and_further_places_keep_away(land, sites):
    upgrade = sites.action == Action.UPGRADE
    assert int(upgrade.sum()) == 12
    assert sites.is_synthetic
    others = np.flatnonzero(~upgrade)
    gap = np.hypot(
        sites.x_m[others, None] - sites.x_m[None, upgrade],
        sites.y_m[others, None] - sites.y_m[None, upgrade],
    )
    assert gap.size == 0 or gap.min() > 1000.0 * SETTINGS["host_spacing_km"]
    # 12 squares of equal area: no two stations in one
    side = np.sqrt(SIDE * SIDE / 12) * 1000
    key = ((land.y_m.max() - sites.y_m[upgrade]) // side) * 100 + (
        (sites.x_m[upgrade] - land.x_m.min()) // side
    )
    assert np.unique(key).size >= 11


def test_stations_that_stand_may_be_the_only_ones(land):
    told = {**SETTINGS, "looks_at_new_places": False, "upgraded_existing_count": 2}
    existing = BEIDOU.standin(land, told, np.random.default_rng(1))
    sites = BEIDOU.candidates(land, existing, told, np.random.default_rng(2))
    assert np.bincount(sites.action, minlength=4).tolist() == [2, 10, 0, 0]
    assert (sites.action[:2] == Action.KEEP).all()


def test_settings_that_cannot_be_are_refused(land):
    with pytest.raises(DataError, match="upgraded_existing_count"):
        BEIDOU.standin(land, {**SETTINGS, "upgraded_existing_count": 13}, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"farming_accuracy_m": 0.01}, "farming_accuracy_m"),
        ({"emergency_accuracy_m": 0.01}, "emergency_accuracy_m"),
        ({"network_max_km": 20.0}, "network_max_km"),
        ({"network_growth_ppm_ratio": 2.0}, "network_growth_ppm_ratio"),
        ({"upgraded_existing_count": 13}, "upgraded_existing_count"),
    ],
)
def test_settings_that_break_together_are_named(change, names):
    assert [name for name, *_ in BEIDOU.rules({**SETTINGS, **change})] == [names]
    assert not list(BEIDOU.rules(SETTINGS))


def test_cards_answer_an_hour_without_cellular(sites):
    chosen = np.ones(len(sites), np.bool_)
    n = np.linspace(0.0, 300.0, len(sites))
    demand = np.stack([n, 2 * n, 3 * n])
    told = BEIDOU.sizing.build(reply_cards, sites, chosen, demand, SETTINGS, 0)
    answers = 0.5 * (2 * n * 1.0 + 3 * n * 12.0)
    cards = np.minimum(np.maximum(np.ceil(answers / 60 - 1e-9), 1), 20)
    assert told.servers.tolist() == cards.tolist()
    assert told.is_overloaded.tolist() == (np.ceil(answers / 60 - 1e-9) > 20).tolist()
    assert (told.capex_cny == sites.capex_cny + (cards - 1) * 8000).all()
    assert told.load == pytest.approx(6 * n)


def test_messages_in_segments():
    told = message_budget([100.0, 10.0], [1.0, 12.0], [14_000.0, 14_001.0], uplink_per_h=1000.0)
    assert told.segments.tolist() == [1, 2]
    assert told.segments_per_h.tolist() == [100.0, 240.0]
    assert told.card_ratio == pytest.approx([1 / 60, 24 / 60])
    assert told.uplink_ratio == pytest.approx(0.34)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: message_budget([-1.0], [1.0], [100.0]), "terminals"),
        (lambda: message_budget([1.0], [np.nan], [100.0]), "messages_per_h"),
        (lambda: message_budget([1.0], [1.0], [0.0]), "message_bit"),
        (lambda: message_budget([1.0], [1.0], [1.0], segment_bit=0.0), "segment_bit"),
        (lambda: message_budget([1.0], [1.0], [1.0], uplink_per_h=0.0), "uplink_per_h"),
        (lambda: reply_cards([1.0], 1.0, reply_ratio=0.5, card_interval_s=0.0, cards_max=1),
         "card_interval_s"),
        (lambda: reply_cards([1.0], 1.0, reply_ratio=-0.5, card_interval_s=60.0, cards_max=1),
         "reply_ratio"),
        (lambda: reply_cards([1.0], 1.0, reply_ratio=0.5, card_interval_s=60.0, cards_max=0),
         "cards_max"),
    ],
)  # fmt: skip
def test_impossible_messages_are_named(call, names):
    with pytest.raises(ValueError, match=names):
        call()


class Flat:
    """A region around 113.5 E, 34 N whose plane is that of its degrees."""

    def unproject(self, x_m, y_m):
        lat = 34.0 + np.asarray(y_m) / 111_195.0
        return 113.5 + np.asarray(x_m) / (111_195.0 * np.cos(np.radians(34.0))), lat


class Turned(Flat):
    """The same, turned: grid north points 5 degrees east of true north."""

    def unproject(self, x_m, y_m):
        c, s = np.cos(np.radians(5.0)), np.sin(np.radians(5.0))
        x, y = np.asarray(x_m), np.asarray(y_m)
        return super().unproject(c * x + s * y, -s * x + c * y)


def test_places_are_even_over_counties():
    county = np.repeat(np.array([0, 1, 3], np.int16), [900, 90, 2])
    told = county_places(county, 4, 100)
    assert np.bincount(county[told], minlength=4).tolist() == [91, 9, 0, 1]
    assert np.unique(told).size == told.size


def test_true_north_is_west_of_a_grid_turned_east():
    x = y = np.zeros(1)
    assert grid_north_deg(Flat(), x, y) == pytest.approx([0.0], abs=1e-9)
    assert grid_north_deg(Turned(), x, y) == pytest.approx([-5.0], abs=1e-2)


def test_the_sky_of_a_plain_is_that_of_the_truth_table(land):
    """Zhengzhou's mean PDOP at a mask of 15 degrees, 2.114, changes little within 60 km."""
    told = county_sky(Flat(), land, 1, places=9, mask_deg=15.0, pdop_max=6.0)
    assert told.place_count.tolist() == [9]
    assert told.pdop_mean[0] == pytest.approx(2.114, abs=0.06)
    assert told.satellites_mean[0] == pytest.approx(11.23, abs=0.25)
    assert told.available_ratio[0] == told.available_min_ratio[0] == 1.0


def test_walls_of_a_gorge_hide_satellites(land):
    """A trench 2 km wide and 2,000 m deep through the land, against the open plain."""
    cells = np.zeros((120, 120), np.float32) + 2000.0
    cells[:, 58:62] = 0.0
    gorge = Heights(cells, 0.0, 60_000.0, 500.0)
    middle = np.abs(land.x_m - 30_000) < 800
    names = ("x_m", "y_m", "people", "density_per_km2", "unit", "county")
    strip = replace(land, **{name: getattr(land, name)[middle] for name in names})
    free = county_sky(Flat(), strip, 1, places=6, mask_deg=10.0, pdop_max=6.0)
    told = county_sky(Flat(), strip, 1, places=6, mask_deg=10.0, pdop_max=6.0, relief=gorge)
    assert told.satellites_mean[0] < free.satellites_mean[0] - 4
    assert told.pdop_mean[0] > 1.5 * free.pdop_mean[0]
    assert told.available_ratio[0] < 1.0 == free.available_ratio[0]
