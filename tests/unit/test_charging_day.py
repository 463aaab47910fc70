"""Segments, hours and feeders of charging stations on a toy land."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from groundplan.plan.kinds import sizing_model
from groundplan.plan.system import build_coverage, decide, prepare, settle
from groundplan.plan.toy import toy_land
from groundplan.plan.whole_record import spent_by_line
from groundplan.sectors.charging import CHARGING
from groundplan.sectors.charging_report import hours_of_day
from groundplan.sectors.charging_segments import (
    DAYS,
    SEGMENTS,
    arriving_kwh,
    captured_kwh,
    segment_shares,
    session_kwh,
    setting_rules,
    stays_h,
)
from groundplan.sectors.contract import Action

SETTINGS = {**CHARGING.defaults(), "stations_existing_count": 8}
MODELS = sizing_model("station_day")


@pytest.fixture(scope="module")
def land():
    return toy_land()


@pytest.fixture(scope="module")
def sites(land):
    told = CHARGING.standin(land, SETTINGS, np.random.default_rng(1))
    return CHARGING.candidates(land, told, SETTINGS, np.random.default_rng(2))


def size(sites, demand, chosen=None, needed=0, **settings):
    chosen = np.ones(len(sites), np.bool_) if chosen is None else chosen
    return CHARGING.sizing.build(MODELS, sites, chosen, demand, SETTINGS | settings, needed)


def evenly(sites, kwh):
    return np.tile(kwh * segment_shares(SETTINGS)[:, 0], (len(sites), 1))


def test_segments_add_up_to_the_demand():
    shares = segment_shares(SETTINGS)
    assert shares.shape == (len(SEGMENTS), 3)
    assert shares.sum(axis=0) == pytest.approx([1, 1, 1], abs=1e-12)
    assert not list(setting_rules(SETTINGS))
    energy = np.array([[10.0, 20.0, 30.0, 40.0], [0.0, 0.0, 0.0, 5.0]])
    weekday, holiday = (arriving_kwh(energy, SETTINGS, day) for day in DAYS)
    assert weekday.shape == (2, 4, 24)
    assert weekday.sum(axis=-1) == pytest.approx(energy)
    factor = [SETTINGS[f"{s.key}_holiday_ratio"] for s in SEGMENTS]
    assert holiday.sum(axis=-1) == pytest.approx(energy * factor)


def test_a_fast_stay_is_charging_and_parking_a_slow_one_the_dwell():
    stay, session = stays_h(SETTINGS), session_kwh(SETTINGS)
    assert stay[:2].tolist() == [9.0, 4.0]
    assert stay[2:] == pytest.approx(session[2:] / 60 + 0.1)


def test_the_load_of_a_site_by_part_is_that_of_its_cells(land):
    """The sum over parts is what was assigned; a part follows the class of each cell."""
    system = prepare(CHARGING, land, None, SETTINGS, count=2, budget_cny=None, seed=5)
    plan = settle(
        system, decide(system, build_coverage(system, land), seed=5), land, servers_needed=0
    )
    shares = segment_shares(SETTINGS)
    expected = np.zeros((len(system.sites), len(SEGMENTS)))
    for cell, site in enumerate(plan.assignment[0]):
        if site >= 0:
            kwh = system.demand[0, cell] / 100
            expected[site] += kwh * shares[:, system.cell_environment[cell]]
    assert plan.loads == pytest.approx(expected, rel=1e-9)
    assert plan.loads.sum() == pytest.approx(plan.decision.value / 100)
    assert plan.sized.load == pytest.approx(plan.loads.sum(axis=1))


def test_sizing_does_not_depend_on_the_order_of_sites(sites):
    demand = evenly(sites, 1.0) * np.linspace(100, 9000, len(sites))[:, None]
    order = np.random.default_rng(3).permutation(len(sites))
    moved = replace(
        sites,
        **{c: getattr(sites, c)[order] for c in ("x_m", "y_m", "action", "capex_cny", "layer")},
        attributes={k: v[order] for k, v in sites.attributes.items()},
    )
    one, other = size(sites, demand), size(moved, demand[order])
    assert np.array_equal(one.servers[order], other.servers)
    assert np.array_equal(one.capex_cny[order], other.capex_cny)
    for name, column in one.attributes.items():
        assert np.array_equal(column[order], other.attributes[name]), name


def test_parked_cars_take_slow_chargers_and_the_others_fast_ones(sites):
    parked, waiting = evenly(sites, 6000.0), evenly(sites, 6000.0)
    parked[:, 2:] = 0.0
    waiting[:, :2] = 0.0
    new = sites.action == Action.NEW
    one, other = (size(sites, d).attributes for d in (parked, waiting))
    assert (one["added_slow_count"][new] > 0).all()
    assert (one["added_fast_count"][new] == SETTINGS["chargers_min_count"]).all()
    assert not other["slow_chargers_count"][new].any()
    assert (other["added_fast_count"][new] > SETTINGS["chargers_min_count"]).all()


def test_the_price_is_site_chargers_and_further_transformers(sites):
    told = size(sites, evenly(sites, 20_000.0), transformer_kw=100.0)
    at = told.attributes
    fed = 0.6 * (
        120 * sites.attributes["dc_chargers_count"]
        + 7 * (sites.attributes["chargers_count"] - sites.attributes["dc_chargers_count"])
    )
    further = np.maximum(np.ceil((at["power_kw"] - fed) / 100) - 1, 0)
    fast, slow = at["added_fast_count"], at["added_slow_count"]
    expected = sites.capex_cny + 40_000 * (fast - 4) + 4_000 * slow + 250_000 * further
    assert np.array_equal(told.capex_cny, expected)
    assert np.array_equal(at["added_chargers_cny"], 40_000 * fast + 4_000 * slow)
    freely = np.maximum(np.ceil((at["uncontrolled_peak_kw"] - fed) / 100) - 1, 0)
    assert np.array_equal(at["transformer_saved_cny"], 250_000 * (freely - further))
    assert at["transformer_saved_cny"].sum() > 0


def test_smart_charging_never_needs_more_and_parked_cars_save_most(sites):
    demand = evenly(sites, 4000.0)
    at = size(sites, demand).attributes
    assert (at["smart_peak_kw"] <= at["uncontrolled_peak_kw"]).all()
    nameplate = 120 * at["fast_chargers_count"] + 7 * at["slow_chargers_count"]
    assert (at["uncontrolled_peak_kw"] <= nameplate).all()
    demand[:, 2:] = 0.0
    parked = size(sites, demand).attributes
    saved = [1 - a["smart_peak_kw"].sum() / a["uncontrolled_peak_kw"].sum() for a in (at, parked)]
    assert saved[1] > 0.25 > saved[0] > 0


def test_a_known_feeder_bounds_the_station_and_leaves_energy(sites):
    demand = evenly(sites, 9000.0)
    free = size(sites, demand).attributes
    half = {**sites.attributes, "feeder_kw": np.round(0.3 * free["smart_peak_kw"], 1)}
    told = size(replace(sites, attributes=half), demand)
    at = told.attributes
    assert np.array_equal(at["power_kw"], half["feeder_kw"])
    assert (at["undelivered_kwh_per_day"] > 0).all()
    assert told.is_overloaded.all()
    assert (at["holiday_undelivered_kwh_per_day"] > at["undelivered_kwh_per_day"]).all()
    assert not free["undelivered_kwh_per_day"].any()
    # what is not delivered cannot be more than the mean day asks beyond the feeder
    total = sum(at[f"{s.key}_kwh_per_day"] for s in SEGMENTS)
    assert (at["undelivered_kwh_per_day"] >= total - 24 * half["feeder_kw"] - 1e-6).all()


def test_the_holiday_breaks_what_is_sized_for_weekdays_only(sites):
    demand = evenly(sites, 9000.0)
    weekday, holiday = (size(sites, demand, sized_for=day) for day in DAYS)
    assert weekday.attributes["holiday_broken_h"].any()
    assert not holiday.attributes["holiday_broken_h"].any()
    assert not holiday.attributes["weekday_broken_h"].any()
    assert (holiday.servers >= weekday.servers).all()
    assert (holiday.attributes["power_kw"] >= weekday.attributes["power_kw"]).all()
    assert holiday.capex_cny.sum() > weekday.capex_cny.sum()


def test_a_standing_station_without_slow_chargers_takes_no_parked_cars(sites):
    stands = replace(
        sites,
        action=np.full(len(sites), Action.KEEP, np.int8),
        capex_cny=np.zeros(len(sites), np.int64),
        attributes={
            **sites.attributes,
            "chargers_count": np.full(len(sites), 12),
            "dc_chargers_count": np.where(np.arange(len(sites)) % 2, 8, 0),
        },
    )
    told = size(stands, evenly(stands, 3000.0))
    at = told.attributes
    assert np.array_equal(at["fast_chargers_count"], np.where(np.arange(len(sites)) % 2, 8, 12))
    assert not at["resident_kwh_per_day"][::2].any()
    assert at["resident_kwh_per_day"][1::2].all()
    assert not told.capex_cny.any()
    assert (told.servers == 12).all()


def test_hours_of_a_day_add_up(sites):
    demand = evenly(sites, 6000.0)
    at = size(sites, demand).attributes
    told = hours_of_day(MODELS, at, SETTINGS, "weekday")
    energy = captured_kwh(demand, SETTINGS).sum(axis=0)
    assert told.arriving_kwh.sum(axis=1) == pytest.approx(energy)
    assert told.sessions == pytest.approx(energy / session_kwh(SETTINGS))
    assert told.uncontrolled_kw.sum() == pytest.approx(energy.sum())
    assert told.smart_kw.sum() == pytest.approx(energy.sum(), rel=0.02)
    assert told.smart_kw.max() < told.uncontrolled_kw.max()
    assert not told.broken_count.any()
    assert told.exceed_ratio.max() <= 0.1
    assert told.undelivered_kwh == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("lines", "spent"),
    [
        (("smart_station", "public_facility"), {"smart_station": 93, "public_facility": 7}),
        (("public_facility", "smart_station"), {"smart_station": 93, "public_facility": 7}),
        (("smart_station",), {"smart_station": 100}),
        (("public_facility",), {"public_facility": 100}),
        ((), {}),
    ],
)
def test_all_that_is_spent_stands_on_some_line(lines, spent):
    """Chargers on the line of facilities, the rest on that of stations; nothing is lost."""
    plan = SimpleNamespace(
        system=SimpleNamespace(sector=CHARGING, existing=np.array([True, False, False])),
        chosen=np.array([True, True, True]),
        sized=SimpleNamespace(attributes={"added_chargers_cny": np.array([50, 3, 4])}),
    )
    study = SimpleNamespace(
        targets=[SimpleNamespace(key=m, measure=m) for m in lines],
        cost_lines=[SimpleNamespace(key=m, target=m, sector="charging") for m in lines]
        + [SimpleNamespace(key="other", target="", sector="mobile")],
    )
    assert spent_by_line(study, plan, 100) == spent
