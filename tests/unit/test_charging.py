"""The charging sector on a toy land, and how sectors are found."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from groundplan import sectors as room
from groundplan.errors import DataError
from groundplan.plan.kinds import sizing_model
from groundplan.plan.toy import square_land
from groundplan.sectors import load_sectors
from groundplan.sectors.charging import CHARGING
from groundplan.sectors.charging_segments import segment_shares
from groundplan.sectors.charging_sizing import raise_to, waits
from groundplan.sectors.contract import Action, Land
from groundplan.sectors.fields import read_fields

SIDE = 45
SETTINGS = {**CHARGING.defaults(), "stations_existing_count": 12}


@pytest.fixture(scope="module")
def land() -> Land:
    town = square_land(SIDE, 500.0, lambda d_m: np.round(2500 * np.exp(-d_m / 1500) + 40, 2))
    # a place far outside as well
    middle = float(town.seat_x_m[0])
    return replace(
        town,
        place_x_m=np.array([middle / 2, -9e5]),
        place_y_m=np.array([middle / 2, 0.0]),
    )


@pytest.fixture(scope="module")
def existing(land):
    return CHARGING.standin(land, SETTINGS, np.random.default_rng(1))


@pytest.fixture(scope="module")
def sites(land, existing):
    return CHARGING.candidates(land, existing, SETTINGS, np.random.default_rng(2))


def test_demand_is_residents_times_vehicles_times_energy(land):
    demand = CHARGING.demand.build(land, SETTINGS)
    per_person = 13.1e6 / 1411.75e6 * 11.744505494505495 * 0.54 * (1 - 0.0388)
    assert demand.shape == (1, SIDE * SIDE)
    assert demand.dtype == np.int64
    assert np.abs(demand[0] - 100 * per_person * land.people).max() <= 0.5
    order = np.random.default_rng(3).permutation(SIDE * SIDE)
    moved = CHARGING.demand.build(replace(land, people=land.people[order]), SETTINGS)
    assert np.array_equal(moved, demand[:, order])
    doubled = CHARGING.demand.build(replace(land, people=2 * land.people), SETTINGS)
    assert np.abs(doubled - 2 * demand).max() <= 1


def test_ordinary_stations_are_hosts_and_no_supply(existing):
    assert existing.is_synthetic
    assert (existing.action == Action.UPGRADE).all()
    assert len(existing) == 12
    chargers, dc = (existing.attributes[f"{k}chargers_count"] for k in ("", "dc_"))
    assert (chargers >= 1).all()
    assert (dc <= chargers).all()


def test_the_standin_has_the_published_size():
    counted = round(99_365_519 * CHARGING.defaults()["stations_per_person_ratio"])
    assert counted == round(6494 * 1.8 / 2.73)


def test_smart_stations_stand_if_the_study_says_so(land):
    told = CHARGING.standin(land, {**SETTINGS, "smart_existing_count": 3}, np.random.default_rng(1))
    assert int((told.action == Action.KEEP).sum()) == 3
    joined = CHARGING.candidates(land, told, SETTINGS, np.random.default_rng(2))
    assert (joined.action[:3] == Action.KEEP).all()
    with pytest.raises(DataError, match="smart_existing_count"):
        CHARGING.standin(land, {**SETTINGS, "smart_existing_count": 13}, np.random.default_rng(1))


def test_upgrade_is_cheaper_than_a_lot_and_that_than_new_land(sites):
    prices = [set(sites.capex_cny[sites.action == a]) for a in list(Action)[1:]]
    assert prices == [{660_000}, {1_160_000}, {1_660_000}]
    assert np.unique(sites.host).size == len(sites)


def test_named_places_outside_the_land_give_no_lot(land, sites):
    assert sites.x_m.min() > 0
    lots = np.flatnonzero(sites.action == Action.SHARE)
    assert (sites.x_m[lots[0]], sites.y_m[lots[0]]) == (land.seat_x_m[0], land.seat_y_m[0])


def test_new_places_keep_away_from_stations_and_lots(sites):
    new = sites.action == Action.NEW
    taken = ~new
    gap_m = np.hypot(
        sites.x_m[new, None] - sites.x_m[None, taken], sites.y_m[new, None] - sites.y_m[None, taken]
    ).min(axis=1)
    access_m = CHARGING.service.parameters(SETTINGS)["reach_m"][0]
    assert new.any()
    assert (gap_m > 0.5 * access_m[sites.environment[new]]).all()


def test_reach_follows_the_settings():
    told = CHARGING.service.parameters({**SETTINGS, "access_urban_km": 4.0})
    assert told["reach_m"].tolist() == [[2000.0, 4000.0, 5000.0]]


def sized(sites, chosen, demand, needed=0, **settings):
    """Size for demand whose parts are those of urban land."""
    parts = np.outer(demand, segment_shares(SETTINGS)[:, 1])
    models = sizing_model(CHARGING.sizing.kind)
    return CHARGING.sizing.build(models, sites, chosen, parts, SETTINGS | settings, needed)


def test_every_planned_station_keeps_the_waiting_promise(sites):
    chosen = np.zeros(len(sites), np.bool_)
    chosen[::3] = True
    demand = np.linspace(0.0, 9000.0, len(sites))
    told = sized(sites, chosen, demand)
    at = told.attributes
    assert (at["weekday_exceed_ratio"] <= 0.1).all()
    assert not at["weekday_broken_h"].any()
    # one fast charger less breaks it, wherever the least number does not bind
    energy = np.outer(demand, segment_shares(SETTINGS)[:, 1]) * [0.15, 0.3, 0.5, 0.4]
    fast, slow = (at[f"{k}_chargers_count"] for k in ("fast", "slow"))
    tight = chosen & (fast - sites.attributes["dc_chargers_count"] > SETTINGS["chargers_min_count"])
    lesser = (fast - 1, np.maximum(slow - 1, 0))
    models = sizing_model(CHARGING.sizing.kind)
    queues = waits(models, energy, SETTINGS, "weekday", servers=np.maximum(lesser, 0))
    assert tight.any()
    assert (queues[0].p_exceed[tight].max(axis=1) > 0.1).all()
    grown = chosen & (slow > sites.attributes["chargers_count"])
    assert grown.any()
    assert (queues[1].p_exceed[grown].max(axis=1) > 0.1).all()
    assert not told.servers[~chosen].any()
    assert not told.capex_cny[~chosen].any()
    assert (told.servers[chosen] >= 4).all()


def test_a_station_beyond_its_ceiling_is_flagged(sites):
    chosen = np.ones(len(sites), np.bool_)
    told = sized(sites, chosen, np.full(len(sites), 1e6))
    assert told.is_overloaded.all()
    most = SETTINGS["chargers_max_count"] + SETTINGS["slow_max_count"]
    assert (told.servers == most).all()
    assert (told.attributes["weekday_broken_h"] > 0).all()


def test_needed_chargers_are_reached_exactly(sites):
    chosen = np.zeros(len(sites), np.bool_)
    chosen[:10] = True
    demand = np.linspace(1000.0, 4000.0, len(sites))
    least = sized(sites, chosen, demand)
    told = sized(sites, chosen, demand, needed=int(least.servers.sum()) + 37)
    assert told.servers.sum() == least.servers.sum() + 37
    assert (told.servers >= least.servers).all()
    assert (told.capex_cny[chosen] >= least.capex_cny[chosen]).all()


def test_raising_equals_one_by_one():
    rng = np.random.default_rng(8)
    servers = rng.integers(0, 6, 20)
    most = servers + rng.integers(0, 9, 20)
    load = np.where(rng.random(20) < 0.3, 0.0, rng.random(20) * 5)
    for missing in (0, 1, 17, 50, 10_000):
        slow = servers.copy()
        for _ in range(missing):
            room_left = slow < most
            if not room_left.any():
                break
            priority = np.where(room_left, load / np.maximum(slow, 1), -1.0)
            # equal priorities: the fewest added so far, then the first station
            rank = np.lexsort((np.arange(20), slow - servers, -priority))
            slow[rank[0]] += 1
        assert raise_to(servers, load, most, missing).tolist() == slow.tolist()


def test_standing_smart_stations_are_neither_sized_nor_paid(land):
    told = CHARGING.standin(
        land, {**SETTINGS, "smart_existing_count": 12}, np.random.default_rng(1)
    )
    sites = CHARGING.candidates(land, told, SETTINGS, np.random.default_rng(2))
    chosen = sites.action == Action.KEEP
    result = sized(sites, chosen, np.full(len(sites), 500.0))
    assert result.capex_cny.sum() == 0
    assert np.array_equal(result.servers[chosen], told.attributes["chargers_count"])


def test_standing_smart_stations_with_too_few_chargers_are_flagged(land):
    told = CHARGING.standin(
        land, {**SETTINGS, "smart_existing_count": 12}, np.random.default_rng(1)
    )
    sites = CHARGING.candidates(land, told, SETTINGS, np.random.default_rng(2))
    chosen = sites.action == Action.KEEP
    light = sized(sites, chosen, np.full(len(sites), 100.0))
    heavy = sized(sites, chosen, np.full(len(sites), 50_000.0))
    assert not light.is_overloaded.any()
    assert np.array_equal(heavy.is_overloaded, chosen)
    assert np.array_equal(heavy.servers, light.servers)


def test_an_empty_land_gives_nothing(land):
    nobody = np.zeros_like(land.people)
    empty = replace(land, people=nobody, density_per_km2=nobody)
    told = CHARGING.standin(empty, SETTINGS, np.random.default_rng(1))
    assert len(told) == 0
    assert len(CHARGING.candidates(empty, told, SETTINGS, np.random.default_rng(1))) == 0
    assert not CHARGING.demand.build(empty, SETTINGS).any()


def test_a_register_becomes_sites(land):
    columns = {
        "station_id": np.array(["s1", "s2"]),
        "chargers_count": np.array([10, 4]),
        "dc_chargers_count": np.array([6, 0]),
        "feeder_kw": np.array([0.0, 400.0]),
        "is_smart": np.array([False, True]),
    }
    middle = np.array([land.seat_x_m[0], 300.0])
    told = CHARGING.from_register(columns, middle, middle, land, SETTINGS)
    assert told.action.tolist() == [Action.UPGRADE, Action.KEEP]
    assert told.environment.tolist() == [0, 2]
    assert list(told.outside_id) == ["s1", "s2"]
    joined = CHARGING.candidates(land, told, SETTINGS, np.random.default_rng(1))
    assert list(joined.outside_id[:2]) == ["s2", "s1"]
    assert joined.attributes["chargers_count"][:2].tolist() == [4, 10]


class FakePoint:
    """An entry point as importlib gives it, with an object at hand."""

    def __init__(self, name, loaded):
        self.name, self.value, self.loaded = name, f"elsewhere:{name}", loaded

    def load(self):
        return self.loaded


def with_points(monkeypatch, *points):
    monkeypatch.setattr(room, "entry_points", lambda group: points)


def test_built_in_sectors_are_found_without_entry_points(monkeypatch):
    with_points(monkeypatch)
    assert set(load_sectors()) == {"beidou", "charging", "corridor", "iot", "mobile", "racks"}


def test_sectors_of_other_packages_are_found(monkeypatch):
    with_points(monkeypatch, FakePoint("ferries", replace(CHARGING, key="ferries")))
    assert load_sectors()["ferries"].title == CHARGING.title


def test_what_cannot_be_a_sector_is_told_at_once(monkeypatch):
    with_points(
        monkeypatch,
        FakePoint("charging", CHARGING),
        FakePoint("ferries", object()),
        FakePoint("iot", replace(CHARGING, key="other")),
        EntryPoint("lost", "groundplan.nowhere:LOST", room.GROUP),
    )
    with pytest.raises(DataError) as caught:
        load_sectors()
    assert [f.column for f in caught.value.findings] == ["charging", "ferries", "iot", "lost"]


@pytest.mark.parametrize(
    "table",
    [
        "mobile_settings",
        "mobile_costs",
        "charging_settings",
        "charging_segments",
        "charging_costs",
        "racks_settings",
        "racks_costs",
    ],
)
def test_every_row_of_the_tables_says_where_it_comes_from(table):
    fields = read_fields(table)
    assert len({item.name for item in fields}) == len(fields)
    for item in fields:
        assert item.doc, item.name
        assert item.source, item.name
        is_ours = item.source.startswith("assumption")
        assert is_ours <= (item.confidence in ("A", "U")), item.name


def test_a_wrong_unit_in_a_table_is_told(monkeypatch, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    head = "name,type,unit,default,ge,le,doc,source,year,confidence,choices\n"
    (folder / "bad.csv").write_text(
        head + "height_m,float,km,5.0,0,,d,s,,A,\ncost_cny,int,CNY,-1,0,,d,s,,Q,\n",
        encoding="utf-8",
    )
    monkeypatch.setattr("groundplan.sectors.fields.files", lambda package: tmp_path)
    with pytest.raises(DataError) as caught:
        read_fields("bad")
    assert [(f.row, f.column) for f in caught.value.findings] == [
        (2, "height_m"), (3, "cost_cny"), (3, "cost_cny"),
    ]  # fmt: skip
