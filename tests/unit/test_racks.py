"""The racks sector on a toy land of two towns: demand, limits, feeders, climate, modules by year."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundplan.errors import DataError, InfeasibleError
from groundplan.plan.capacitated import allocate, least_apart_m
from groundplan.plan.kinds import reach_of, whole_modules
from groundplan.plan.system import complete_settings, prepare
from groundplan.plan.toy_allocation import two_town_land
from groundplan.sectors.climate import (
    free_hours,
    free_ratio,
    normal_year,
    pue_of,
    wet_bulb_degc,
)
from groundplan.sectors.contract import Action
from groundplan.sectors.racks import RACKS, build_offer, present_value, racks_max
from groundplan.sectors.racks_standin import headroom_kw

SETTINGS = RACKS.defaults()
PEAK = 1.0 + 0.1 + 0.06 + 0.22


@pytest.fixture(scope="module")
def land():
    return two_town_land()


@pytest.fixture(scope="module")
def sites(land):
    existing = RACKS.standin(land, SETTINGS, np.random.default_rng(1))
    return RACKS.candidates(land, existing, SETTINGS, np.random.default_rng(2))


def plan_of(land, count=3000, existing=None, budget_cny=None, n_year=1, **changed):
    system = prepare(
        RACKS, land, existing, {**SETTINGS, **changed}, count=count, budget_cny=budget_cny, seed=3
    )
    return allocate(system, land, gap=0.0, seed=3, effort=3, n_year=n_year)


def test_demand_is_shared_by_class_and_rural_residents_weigh_less(land):
    demand = RACKS.demand.build(land, SETTINGS)
    assert demand.dtype == np.int64
    rural = 100 * 2500 * 0.0011089 * 0.5 * land.people
    for row, share in zip(demand, (0.1, 0.15, 0.25, 0.5, 0.05), strict=True):
        assert np.abs(row - share * rural).max() <= 0.5 + 1e-6
    town = replace(land, density_per_km2=land.density_per_km2 + 5000.0)
    assert np.abs(RACKS.demand.build(town, SETTINGS) - 2 * demand).max() <= 2


def test_the_default_asks_the_programme_of_henan():
    people, rural_ratio = 99_365_519, 0.446  # 55.4 % urban in the census
    total = 0.0011089 * people * (1 - 0.5 * rural_ratio) * 1.05
    assert total == pytest.approx(90_001, rel=0.01)


def test_reach_spends_the_round_trip_exactly():
    reach_m, detail = reach_of(RACKS.service, SETTINGS)
    route_km = reach_m[:, 0] / 1000 * 1.5
    round_trip_ms = 2 * route_km * 4.9e-3 + 2 * 4 * 0.02
    assert round_trip_ms == pytest.approx([1.0, 3.0, 5.0, 20.0, 5.0])
    assert detail[0][0]["route_km"] == pytest.approx(route_km[0])
    assert (reach_m == reach_m[:, :1]).all()
    deaf, _ = reach_of(RACKS.service, {**SETTINGS, "hops_count": 50})
    assert deaf[0, 0] == 0.0


def test_reservations_count_as_use_of_the_feeder():
    feeder = np.full(4, 10_000.0)
    racks = np.array([1000, 1000, 1000, 0])
    used = np.array([500, 500, 900, 0])
    reserved = np.array([0, 500, 500, 200])
    told = headroom_kw(feeder, racks, used, reserved, SETTINGS)
    claimed = np.array([1000, 1000, 1400, 200])
    assert told == pytest.approx(10_000 - claimed * 2.5 * PEAK)
    assert headroom_kw(np.array([10.0]), racks[:1], used[:1], reserved[:1], SETTINGS) == [0.0]


def test_feeder_land_and_hazard_bound_the_racks(land):
    risky = {**SETTINGS, "hazard_ratio": 0.5}
    existing = RACKS.standin(land, risky, np.random.default_rng(1))
    sites = RACKS.candidates(land, existing, risky, np.random.default_rng(2))
    able = racks_max(sites, SETTINGS)
    by_power = np.floor(
        sites.attributes["headroom_kw"] / (2.5 * sites.attributes["peak_pue_ratio"])
    )
    most = {Action.KEEP: 0, Action.UPGRADE: 6000, Action.SHARE: 1500, Action.NEW: 20_000}
    by_land = np.array([most[Action(int(a))] for a in sites.action])
    expected = np.where(sites.attributes["is_hazard"], 0, np.minimum(by_power, by_land))
    assert sites.attributes["is_hazard"].any()
    assert able.tolist() == expected.tolist()


def test_an_offer_prices_energy_care_links_and_modules(land, sites):
    offer = build_offer(land, sites, SETTINGS)
    worth = sum(1.06**-year for year in range(1, 11))
    assert present_value(SETTINGS) == pytest.approx(worth)
    assert present_value({**SETTINGS, "discount_ratio": 0.0}) == 10.0
    energy = 2.5 * 0.6 * 8760 * 0.62 * sites.attributes["pue_ratio"]
    assert offer.server_cny == pytest.approx(worth * (energy + 3000))
    assert offer.server_cny_per_m == pytest.approx(worth * 12 * 1.5 / 1000)
    assert (offer.module_cny == 10_084_700).all()
    assert offer.copy_of.tolist() == [-1, -1, -1, -1, 0]
    assert (offer.modules_max == racks_max(sites, SETTINGS) // 100).all()


def test_sizing_is_whole_modules_at_their_price(sites):
    chosen = np.ones(len(sites), np.bool_)
    load = np.full(len(sites), 101.0)
    told = RACKS.sizing.build(whole_modules, sites, chosen, load, SETTINGS, 0)
    planned = sites.action != Action.KEEP
    assert set(told.servers[planned].tolist()) == {200}
    assert told.servers[~planned].tolist() == sites.attributes["racks_count"][~planned].tolist()
    assert (told.capex_cny[planned] == sites.capex_cny[planned] + 200 * 100_847).all()
    assert not told.capex_cny[~planned].any()
    assert set(told.attributes["spare_racks_count"][planned].tolist()) == {99}
    assert not told.is_overloaded.any()
    heavy = RACKS.sizing.build(whole_modules, sites, chosen, 400 * load, SETTINGS, 0)
    assert heavy.is_overloaded[planned].all()


def test_standing_centres_are_kept_and_extended_first(sites):
    kept, extended = sites.action == Action.KEEP, sites.action == Action.UPGRADE
    assert sites.is_synthetic
    assert sites.host[kept].tolist() == sites.host[extended].tolist()
    prices = {int(a): set(sites.capex_cny[sites.action == a].tolist()) for a in Action}
    assert prices == {0: {0}, 1: {15_000_000}, 2: {6_000_000}, 3: {53_400_000}}


def register(**changed):
    columns = {
        "centre_id": np.array(["p1", "c1", "c2"]),
        "kind": np.array(["plot", "centre", "centre"]),
        "feeder_kw": np.array([50_000.0, 20_000.0, 9_000.0]),
        "racks_count": np.array([0, 2000, 1000]),
        "used_racks_count": np.array([0, 1500, 1000]),
        "reserved_racks_count": np.array([0, 600, 0]),
        "is_hazard": np.array([False, False, True]),
    }
    return {**columns, **{k: np.array(v) for k, v in changed.items()}}


def test_a_register_of_centres_and_plots_becomes_sites(land):
    at = np.array([105e3, 105e3, 305e3]), np.array([295e3, 290e3, 95e3])
    told = RACKS.from_register(register(), *at, land, SETTINGS)
    assert not told.is_synthetic
    assert list(told.outside_id) == ["c1", "c2", "p1"]
    assert told.action.tolist() == [Action.KEEP, Action.KEEP, Action.NEW]
    assert told.attributes["headroom_kw"][0] == pytest.approx(20_000 - 2100 * 2.5 * PEAK)
    whole = RACKS.candidates(land, told, SETTINGS, np.random.default_rng(1))
    # plots of one's own: no other place is looked at
    assert whole.action.tolist() == [0, 0, 1, 1, 3]
    assert racks_max(whole, SETTINGS)[3] == 0
    centres = register(kind=["centre"] * 3)
    told = RACKS.from_register(centres, *at, land, SETTINGS)
    whole = RACKS.candidates(land, told, SETTINGS, np.random.default_rng(1))
    others = ~np.isin(whole.action, (Action.KEEP, Action.UPGRADE))
    assert others.any()
    assert not whole.attributes["is_hazard"][others].any()


def test_every_fault_of_a_register_is_told_at_once(land):
    at = np.full(3, 105e3), np.full(3, 295e3)
    spoilt = register(
        centre_id=["", "c1", "c1"], racks_count=[5, 2000, 1000], used_racks_count=[0, 2100, 999],
        feeder_kw=[50.0, 20_000.0, 2.4],
    )  # fmt: skip
    with pytest.raises(DataError) as caught:
        RACKS.from_register(spoilt, *at, land, SETTINGS)
    assert [(f.row, f.column) for f in caught.value.findings] == [
        (2, "centre_id"), (2, "racks_count"), (3, "used_racks_count"), (4, "centre_id"),
        (4, "feeder_kw"),
    ]  # fmt: skip
    assert "is the column in MW?" in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"ms3_ratio": 0.7}, "ms5_ratio"),
        ({"hop_ms": 0.2}, "limit_ms1_ms"),
        ({"free_full_degc": 18.0}, "free_full_degc"),
    ],
)
def test_settings_that_do_not_fit_together_are_told(changed, name):
    with pytest.raises(DataError) as caught:
        complete_settings(RACKS, changed, "study.toml")
    assert caught.value.findings[0].column == f"sectors.racks.settings.{name}"


def test_a_plan_meets_every_class_within_its_limits(land):
    plan = plan_of(land)
    rows, flows, sites = plan.system.rows, plan.flows, plan.system.sites
    far_m = np.hypot(
        sites.x_m[flows.site] - rows.x_m[flows.row], sites.y_m[flows.site] - rows.y_m[flows.row]
    )
    reach_m = reach_of(RACKS.service, SETTINGS)[0][:, 0]
    assert (far_m <= reach_m[rows.layer[flows.row]]).all()
    given = np.bincount(flows.row, weights=flows.servers, minlength=rows.servers.size)
    assert given.tolist() == rows.servers.tolist()
    assert rows.servers.sum() == 3000
    load = flows.load(len(sites))
    assert (load <= plan.sized.servers)[load > 0].all()
    assert plan.decision.bound <= plan.decision.value
    assert plan.served_after[0][land.people > 0].mean() > 0.9


@pytest.mark.parametrize("backup_km", [0.0, 50.0, 200.0])
def test_copies_keep_their_distance(land, backup_km):
    plan = plan_of(land, backup_km=backup_km)
    assert least_apart_m(plan) >= 1000 * backup_km
    far = plan_of(land, backup_km=backup_km, copy_ratio=0.0)
    assert least_apart_m(far) is None


def test_copies_that_no_site_can_hold_are_told(land):
    with pytest.raises(InfeasibleError, match="copy: 0, 1: no site with room between 457 and 329"):
        plan_of(land, backup_km=400.0)


def test_more_racks_than_feeders_allow_are_told(land):
    with pytest.raises(InfeasibleError, match="feeders, land and hazards allow"):
        plan_of(land, count=10**6)


def test_a_budget_below_the_plan_names_what_it_needs(land):
    cost = int(plan_of(land).sized.capex_cny.sum())
    assert plan_of(land, budget_cny=cost).sized.capex_cny.sum() == cost
    with pytest.raises(InfeasibleError) as caught:
        plan_of(land, budget_cny=cost - 1)
    assert caught.value.least_budget_cny == cost


def test_a_stopped_search_still_gives_a_valid_plan(land):
    system = prepare(RACKS, land, None, SETTINGS, count=3000, budget_cny=None, seed=3)
    plan = allocate(system, land, gap=0.0, seed=3, stop=lambda: True)
    best = plan_of(land)
    assert plan.decision.bound <= best.decision.value <= plan.decision.value
    given = np.bincount(plan.flows.row, weights=plan.flows.servers)
    assert given.tolist() == plan.system.rows.servers.tolist()


def test_years_meet_what_has_grown_and_sites_open_late(land):
    plan = plan_of(land, count=4321, n_year=4)
    servers, years = plan.system.rows.servers, plan.expansion
    added, load = years.added(), plan.flows.load(len(plan.system.sites))
    assert added.shape == (load.size, 4)
    assert (added >= 0).all()
    for year, flows in enumerate(years.flows, start=1):
        told = np.bincount(flows.row, flows.servers, servers.size)
        assert (told == -(-servers * year // 4)).all()
        held = 100 * years.modules[:, year - 1]
        assert (flows.load(load.size) <= held).all()
    assert (100 * added.sum(axis=1) == np.where(load > 0, plan.sized.servers, 0)).all()
    # interest is what makes a site wait
    opened = (years.modules > 0).sum(axis=0)
    assert opened[0] < opened[-1] == (load > 0).sum()
    # a quarter of the racks need a quarter of the modules, and less than one a site more
    assert 100 * years.modules[:, 0].sum() < 4321 / 4 + servers.size + 100 * opened[0]


def test_wet_bulb_is_that_of_the_paper():
    """Stull (2011), section 3: 20 degree C at 50 % gives 13.7."""
    assert float(wet_bulb_degc(20.0, 0.5)) == pytest.approx(13.7, abs=0.05)
    # near saturation wet and dry bulb meet, within the fit's own error
    warm = np.arange(0.0, 41.0, 5.0)
    assert np.abs(wet_bulb_degc(warm, 0.99) - warm).max() < 0.7


def test_free_hours_equal_a_loop_over_hours():
    rng = np.random.default_rng(5)
    dry, humidity = rng.normal(14, 10, 8760), rng.uniform(0.3, 0.95, 8760)
    hours = 0.0
    for t, h in zip(dry, humidity, strict=True):
        wet = float(wet_bulb_degc(t, h))
        hours += 1.0 if wet <= 12 else 0.0 if wet > 18 else (18 - wet) / 6
    assert free_hours(wet_bulb_degc(dry, humidity), 12.0, 18.0) == pytest.approx(hours)
    # a dry cooler meets the dry bulb, which is never below the wet one
    assert free_hours(dry, 12.0, 18.0) < hours
    with pytest.raises(ValueError, match="one row of finite numbers"):
        free_hours([np.nan], 12.0, 18.0)


def test_the_modelled_year_keeps_its_normals():
    dry, humidity, hours = normal_year(SETTINGS)
    assert hours.sum() == 8760
    assert np.average(dry, weights=hours) == pytest.approx(14.4, abs=0.1)
    month = dry.reshape(12, -1).mean(axis=1)
    assert month[6] - month[0] == pytest.approx(27.1)
    assert dry.reshape(12, -1).std(axis=1) == pytest.approx(5.0, rel=0.02)
    assert humidity.min() == pytest.approx(0.57)
    wet = wet_bulb_degc(dry, humidity)
    share = free_ratio(wet, 12.0, 18.0)
    pue, peak, free = pue_of(np.zeros(1), SETTINGS, np.zeros(1))
    assert free[0] == pytest.approx((share * hours).sum())
    assert pue[0] == pytest.approx(1.16 + 0.22 * (1 - free[0] / 8760))
    assert peak[0] == pytest.approx(PEAK)


def test_pue_follows_the_climate_and_the_users_hours():
    north = np.array([-3e5, 0.0, 3e5])
    pue, _, free = pue_of(north, SETTINGS, np.zeros(3))
    assert (np.diff(pue) < 0).all()
    assert (np.diff(free) > 0).all()
    given, _, hours = pue_of(north, {**SETTINGS, "free_cooling_h": 4380.0}, np.zeros(3))
    assert hours.tolist() == [4380.0] * 3
    assert given == pytest.approx(np.full(3, 1.16 + 0.11))
    taken, _, none = pue_of(np.zeros(1), SETTINGS, np.array([0.08]))
    assert taken[0] == pytest.approx(PEAK + 0.08)
    assert none[0] == 0.0


def test_a_register_replaces_the_standin_in_a_plan(land):
    at = np.array([105e3, 105e3, 305e3]), np.array([295e3, 290e3, 95e3])
    columns = register(kind=["plot", "centre", "plot"], racks_count=[0, 2000, 0],
                       used_racks_count=[0, 1500, 0], is_hazard=[False] * 3)  # fmt: skip
    mine = RACKS.from_register(columns, *at, land, SETTINGS)
    plan = plan_of(land, existing=mine)
    sites = plan.system.sites
    assert not sites.is_synthetic
    used = [sites.outside_id[int(i)] for i in np.flatnonzero(plan.chosen)]
    assert {"c1", "c2"} <= set(used) <= {"c1", "c2", "p1"}
