"""NB-IoT on a toy land: devices, message load, carriers, and who counts as a user."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.models import RachConfig, random_access
from groundplan.engine.radio import cell_reach, coverage_class_ratio
from groundplan.engine.radio.iot_sizing import (
    budget_links,
    coupling_losses,
    nbiot_carriers,
    reconnect_success,
)
from groundplan.errors import DataError
from groundplan.plan.kinds import sizing_model
from groundplan.plan.toy import square_land
from groundplan.sectors.contract import Action
from groundplan.sectors.iot import IOT, service_parameters
from groundplan.sectors.iot_users import (
    active_users,
    nbiot_ratio,
    reports_per_h,
    stock_by_use,
)

SIDE = 40
SETTINGS = {**IOT.defaults(), "stations_existing_count": 20}
MIX = {
    "coupling_loss_db": 164.0,
    "sectors": 3,
    "busiest_ratio": 1.5,
    "reports_per_h": 11.2 / 24,
    "reconnect_ratio": 0.01,
    "reconnect_window_s": 10.0,
}


@pytest.fixture(scope="module")
def land():
    return square_land(SIDE, 500.0, lambda d_m: np.round(2500 * np.exp(-d_m / 1500) + 40, 2))


@pytest.fixture(scope="module")
def sites(land):
    existing = IOT.standin(land, SETTINGS, np.random.default_rng(1))
    return IOT.candidates(land, existing, SETTINGS, np.random.default_rng(2))


def test_devices_add_up_to_the_part_on_nbiot(land):
    demand = IOT.demand.build(land, SETTINGS)
    expected = 79_289_000 / 99_365_519 * land.people.sum() * nbiot_ratio(SETTINGS)
    assert demand.shape == (1, SIDE * SIDE)
    assert demand.sum() / 100 == pytest.approx(expected, rel=1e-4)
    told = IOT.demand.build(land, {**SETTINGS, "subscriptions_count": 1_000_000})
    assert told.sum() / 100 == pytest.approx(1_000_000 * nbiot_ratio(SETTINGS), rel=1e-4)


def test_a_part_follows_the_area(land):
    even = IOT.demand.build(land, {**SETTINGS, "land_ratio": 1.0})[0]
    assert np.ptp(even) == 0
    with_people = IOT.demand.build(land, {**SETTINGS, "land_ratio": 0.0})[0]
    assert np.corrcoef(with_people, land.people)[0, 1] > 0.999999


def test_uses_add_up():
    told = stock_by_use(1000.0, SETTINGS)
    assert sum(n for _, _, n, _ in told) == pytest.approx(1000.0)
    assert sum(own for *_, own in told) == pytest.approx(1000.0 * nbiot_ratio(SETTINGS))
    assert told[1][3] == 0.0  # no vehicle is on NB-IoT


def test_the_standin_has_the_published_size():
    assert round(99_365_519 * IOT.defaults()["stations_per_person_ratio"]) == 35_000
    assert round(99_365_519 * IOT.defaults()["subscriptions_per_person_ratio"]) == 79_289_000


def test_stations_stand_and_hosts_are_shared(sites):
    assert sites.is_synthetic
    assert (sites.action[:20] == Action.KEEP).all()
    assert (sites.action[20:] == Action.SHARE).all()
    assert len(sites) > 20
    assert np.unique(sites.host).size == len(sites)


def test_the_threshold_is_the_coupling_loss():
    """A larger loss allowed means a longer reach, and gains count as if the loss were larger."""
    reach = {}
    for loss in (144.0, 154.0, 164.0):
        told, _ = cell_reach(**service_parameters({**SETTINGS, "coupling_loss_db": loss}))
        reach[loss] = told[0]
    assert (reach[144.0] < reach[154.0]).all()
    assert (reach[154.0] < reach[164.0]).all()
    moved, _ = cell_reach(
        **service_parameters({**SETTINGS, "coupling_loss_db": 154.0, "gain_dbi": 25.0})
    )
    assert moved[0] == pytest.approx(reach[164.0])


def test_losses_are_those_of_devices_in_the_disc():
    """Against devices thrown one by one: position, sight, building and spread."""
    from groundplan.engine.radio.pathloss import (
        building_entry_loss,
        los_probability,
        path_loss,
    )

    budget = {**service_parameters(SETTINGS)}
    link = budget_links(budget, 3)[0]
    reach_m = 700.0
    loss, weight = coupling_losses(link, 164.0, reach_m)
    rng = np.random.default_rng(3)
    n = 200_000
    d = np.maximum(reach_m * np.sqrt(rng.random(n)), 10.0)
    radio = (link.frequency_ghz, link.base_height_m, link.terminal_height_m)
    in_sight = rng.random(n) < los_probability(
        link.model, d, link.terminal_height_m, link.base_height_m
    )
    sight = path_loss(link.model, d, *radio, los=True)
    hidden = path_loss(link.model, d, *radio, los=False)
    median = np.where(in_sight, sight.loss_db, hidden.loss_db)
    sigma = np.where(in_sight, sight.sigma_db, hidden.sigma_db)
    inside = rng.random(n) < link.indoor_ratio
    depth = 25.0 * np.minimum(rng.random(n), rng.random(n))
    house = building_entry_loss(link.building, link.frequency_ghz, depth)
    entry = np.where(inside, house.entry_db + house.indoor_db, 0.0)
    spread = np.where(inside, np.hypot(sigma, house.sigma_db), sigma)
    total = median + entry + spread * rng.standard_normal(n)
    coupling = total - (link.allowed_db - 164.0)
    thrown = np.array([(coupling <= limit).mean() for limit in loss])
    assert np.abs(np.cumsum(weight) - thrown).max() < 0.01
    told = coverage_class_ratio(loss, weight)
    real = coverage_class_ratio(coupling[coupling <= 164.0])
    assert np.abs(told - real).max() < 0.02


def test_carriers_are_the_least_that_carry():
    budget = service_parameters(SETTINGS)
    reach, _ = cell_reach(**budget)
    devices = np.array([0.0, 1e3, 5e4, 3e5, 2e6])
    place = np.array([0, 1, 2, 2, 0], np.int8)
    told = nbiot_carriers(devices, place, reach[0], budget, carriers_max=4, **MIX)
    each = np.array([c.device_count for c in told.capacity])[place]
    busiest = devices / 3 * 1.5
    assert (told.needed * each >= busiest * (1 - 1e-9)).all()
    assert ((told.needed - 1) * each < busiest + 1e-9)[devices > 0].all()
    assert (told.carriers == np.minimum(told.needed, 4)).all()
    assert told.is_overloaded.tolist() == (told.needed > 4).tolist()
    assert told.is_overloaded[-1]
    again = nbiot_carriers(
        devices, place, reach[0], budget, carriers_max=4, **{**MIX, "reports_per_h": 4 * 11.2 / 24}
    )
    assert (again.needed >= told.needed).all()
    assert again.needed[3] > told.needed[3]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"devices": [-1.0]}, "devices"),
        ({"devices": [np.nan]}, "devices"),
        ({"sectors": 0}, "sectors"),
        ({"busiest_ratio": 0.5}, "busiest_ratio"),
        ({"carriers_max": 0}, "carriers_max"),
        ({"reconnect_ratio": 1.5}, "reconnect_ratio"),
        ({"reports_per_h": 0.0}, "reports_per_h"),
    ],
)
def test_impossible_arguments_are_named(change, names):
    budget = service_parameters(SETTINGS)
    case = {"devices": [10.0], "carriers_max": 1, **MIX, **change}
    devices = case.pop("devices")
    with pytest.raises(ValueError, match=names):
        nbiot_carriers(devices, np.zeros(1, np.int8), [800.0] * 3, budget, **case)


def test_land_that_no_device_is_served_on_is_judged_by_the_worst_class():
    budget = service_parameters({**SETTINGS, "deep_dense_urban_db": 40.0, "gain_dbi": 0.0})
    budget["eirp_dbm"] = budget["eirp_dbm"] - 400.0
    told = nbiot_carriers([10.0], np.zeros(1, np.int8), [0.0] * 3, budget, carriers_max=1, **MIX)
    assert told.capacity[0].class_ratio.tolist() == [0.0, 0.0, 1.0, 0.0]
    assert told.carriers.tolist() == [1]


def test_a_larger_fleet_gets_in_worse():
    config = RachConfig(36, 12.5, 4, 10, 80.0, 2048.0, 15.0)
    told = reconnect_success([0.0, 1.0, 50.0, 500.0, 5000.0], 10.0, config)
    assert told[0] == told[1] == 1.0
    assert (np.diff(told) <= 1e-9).all()
    played = random_access(5001, "beta34", 10.0, config=config).success_ratio
    assert told[-1] == pytest.approx(played, abs=0.02)


def test_stations_that_stand_keep_their_carriers(sites):
    chosen = np.ones(len(sites), np.bool_)
    demand = np.full(len(sites), 5e5)
    told = IOT.sizing.build(sizing_model("nbiot"), sites, chosen, demand, SETTINGS, 0)
    stands = sites.action == Action.KEEP
    assert (told.servers[stands] == 3).all()
    assert told.is_overloaded[stands].all()
    assert (told.capex_cny[stands] == 0).all()
    assert (told.attributes["needed_carriers_count"][stands] > 3).all()
    extra = told.servers[~stands] - 3
    assert (told.capex_cny[~stands] == 30_000 + extra * 5_000).all()


def test_a_user_counts_once_and_only_when_known_and_fresh():
    told = active_users(
        ["1", "1", "1", "2", "3", "4", "5"],
        ["m", "m", "u", "m", "m", "m", "m"],
        [100, 99, 90, 69, 71, 101, 95],
        [True, True, True, True, True, True, False],
        now_s=100,
        window_s=30,
    )
    # 1 at m and 1 at u; 2 is too old, 3 fresh, 4 in the future, 5 not authenticated
    assert told == 3


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 60)), max_size=40))
@settings(deadline=None, max_examples=60)
def test_active_users_are_the_set_of_the_fresh(rows):
    expected = {(o, i) for i, o, at in rows if 100 - 45 < at + 40 <= 100}
    told = active_users(
        [str(i) for i, *_ in rows], [str(o) for _, o, _ in rows], [at + 40 for *_, at in rows],
        [True] * len(rows), now_s=100, window_s=45,
    )  # fmt: skip
    assert told == len(expected)


def test_shares_beyond_the_whole_are_refused(land):
    with pytest.raises(DataError, match="at most 1"):
        IOT.demand.build(land, {**SETTINGS, "retail_ratio": 0.9})
    with pytest.raises(DataError, match="reporting mix"):
        reports_per_h({**SETTINGS, "report_day_ratio": 0.9})


def test_a_register_stands(land):
    columns = {
        "station_id": np.array(["A", "B", "C"]),
        "standing_carriers_count": np.array([1, 2, 1]),
    }
    told = IOT.from_register(columns, land.x_m[:3], land.y_m[:3], land, SETTINGS)
    assert (told.action == Action.KEEP).all()
    assert list(told.outside_id) == ["A", "B", "C"]
    assert told.attributes["standing_carriers_count"].tolist() == [1, 2, 1]
    assert not told.is_synthetic


def test_nobody_no_station_and_no_device(land):
    empty = replace(land, people=np.zeros_like(land.people))
    assert not IOT.demand.build(empty, SETTINGS).any()
    assert len(IOT.standin(empty, SETTINGS, np.random.default_rng(1))) == 0


def test_the_platform_holds_every_report_for_as_long_as_asked():
    """12,963 reports a second of 100 M devices: partitions and storage by hand."""
    import math
    from types import SimpleNamespace

    from groundplan.plan.reports import platform

    given = next(r for r in IOT.reports if r.kind == "platform").parameters(IOT.defaults())
    given = {**given, "stock": lambda _people: [("all", "全部", 100e6, 0.0)]}
    land = SimpleNamespace(people=np.ones(1))
    told = platform(None, SimpleNamespace(land=land), None, (), given)
    mean = 100e6 * given["reports_per_h"] / 3600.0
    assert mean == pytest.approx(12_963, abs=1)
    assert [row[1] for row in told["rows"]] == pytest.approx(
        [mean, mean * given["busy_factor"], 207_360], rel=1e-3
    )
    assert told["rows"][0][2] == math.ceil(mean / 5000) == 3
    assert told["rows"][2][2] == 42
    assert "0.34 TB of reports a day; 184 TB kept: 0.5 years, 3 copies" in told["note"]
