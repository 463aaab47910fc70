"""The charging corridors: stand-in, sizing for plain days and holidays, prices."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from groundplan.engine.location.check_flow import verify_flow
from groundplan.models import size_servers, waiting_time
from groundplan.plan.passage import decide_passage
from groundplan.plan.system import prepare
from groundplan.plan.toy_passage import passes, road_land
from groundplan.sectors.contract import Action
from groundplan.sectors.corridors import CORRIDOR, build_demand, stop_hours
from groundplan.sectors.corridors_roads import roads_of, service_spots, towns_of
from groundplan.sectors.corridors_standin import stand_areas

LAND = road_land()
SETTINGS = CORRIDOR.defaults()


def sized(stops_per_day, **change):
    """Size one station for the stops of a plain day."""
    values = SETTINGS | change
    system = prepare(CORRIDOR, LAND, None, values, count=3, budget_cny=None, seed=5)
    upgrade = int(np.flatnonzero(system.sites.action == Action.UPGRADE)[0])
    chosen = np.zeros(len(system.sites), bool)
    chosen[upgrade] = True
    km = stops_per_day * 365 * values["stop_kwh"]
    km /= values["consumption_kwh_per_km"] * values["underway_ratio"]
    told = CORRIDOR.sizing.build(
        size_servers, system.sites, chosen, np.where(chosen, km, 0.0), values, 0
    )
    return system.sites, upgrade, told


def test_areas_stand_at_even_distances_and_are_equipped_as_published():
    roads = roads_of(LAND, SETTINGS)
    x_m, _ = service_spots(roads, 50.0)
    assert x_m.size == int(roads.length_m.sum() / 50_000.0 + 0.5)
    areas = stand_areas(LAND, SETTINGS, np.random.default_rng(1))
    assert areas.is_synthetic
    assert len(areas) == x_m.size
    equipped = areas.attributes["chargers_count"] > 0
    assert equipped.sum() == round(0.937 * len(areas))
    assert (areas.action[equipped] == Action.UPGRADE).all()
    assert (areas.action[~equipped] == Action.SHARE).all()
    fast = stand_areas(LAND, SETTINGS | {"fast_existing_count": 4}, np.random.default_rng(1))
    assert (fast.action[:4] == Action.KEEP).all()
    assert not (fast.action[4:] == Action.KEEP).any()


def test_towns_near_each_other_are_one():
    twin = replace(
        LAND,
        seat_x_m=np.append(LAND.seat_x_m, LAND.seat_x_m[0] + 5_000.0),
        seat_y_m=np.append(LAND.seat_y_m, LAND.seat_y_m[0]),
    )
    assert towns_of(twin, 15.0).x_m.size == towns_of(LAND, 15.0).x_m.size == 6
    assert towns_of(twin, 1.0).x_m.size == 7
    assert towns_of(twin, 1.0).people.sum() == pytest.approx(LAND.people.sum())


def test_trips_add_up_to_what_residents_set_out_on():
    system = prepare(CORRIDOR, LAND, None, dict(SETTINGS), count=3, budget_cny=None, seed=5)
    started = build_demand(LAND, SETTINGS).sum()
    left_out = sum(system.laid.left_out.values())
    assert system.demand.sum() + left_out == pytest.approx(started, abs=20)


@pytest.mark.parametrize(("stops", "factor"), [(100.0, 3.0), (900.0, 3.0), (400.0, 1.0)])
def test_each_side_keeps_both_promises_and_one_charger_less_does_not(stops, factor):
    sites, at, told = sized(stops, holiday_ratio=factor)
    values = SETTINGS | {"holiday_ratio": factor}
    sides = int(sites.attributes["sides_count"][at])
    assert sides == 2
    assert told.attributes["stops_per_day"][at] == pytest.approx(stops)
    assert told.load[at] == pytest.approx(365 * stops)
    per_side = int(told.servers[at]) // sides

    def kept(chargers):
        out = []
        for share, limit, exceed in (
            (1.0, "wait_limit_h", "wait_exceed_ratio"),
            (factor, "holiday_wait_limit_h", "holiday_exceed_ratio"),
        ):
            arrivals = stops * share * values["peak_hour_ratio"] / sides
            wait = waiting_time(chargers, arrivals, 1 / stop_hours(values), values[limit])
            out.append(float(wait.p_exceed) <= values[exceed])
        return all(out)

    assert kept(per_side)
    if per_side * sides > max(
        values["chargers_min_count"], sites.attributes["fast_chargers_count"][at]
    ):
        assert not kept(per_side - 1)


def test_a_station_is_priced_by_what_it_buys():
    sites, at, told = sized(600.0)
    added = int(told.attributes["added_chargers_count"][at])
    reused = int(told.attributes["reused_chargers_count"][at])
    assert added + reused == told.servers[at]
    assert reused == sites.attributes["fast_chargers_count"][at] > 0
    further = max(0, int(np.ceil(added * 120 * 0.7 / 560)) - 1)
    price = SETTINGS["station_upgrade_cny"] + added * 40_000 + further * 250_000
    assert told.capex_cny[at] == price
    assert told.capex_cny.sum() == price


def test_more_than_the_most_chargers_is_marked():
    _, at, told = sized(5_000.0, chargers_max_count=40)
    assert told.is_overloaded[at]
    assert told.servers[at] == 40
    assert told.attributes["charger_use_ratio"][at] > 1


def test_what_stands_already_is_kept_and_costs_nothing():
    values = SETTINGS | {"fast_existing_count": 5}
    system = prepare(CORRIDOR, LAND, None, values, count=0, budget_cny=None, seed=5)
    assert (system.sites.action == Action.KEEP).all()
    assert len(system.sites) == 5
    told = CORRIDOR.sizing.build(
        size_servers, system.sites, np.ones(5, bool), np.full(5, 1e6), values, 0
    )
    assert (told.servers == system.sites.attributes["fast_chargers_count"]).all()
    assert not told.capex_cny.any()


def test_a_budget_that_the_count_overspends_binds():
    free = prepare(CORRIDOR, LAND, None, dict(SETTINGS), count=5, budget_cny=None, seed=5)
    dear = decide_passage(free, gap=0.0, seed=5, effort=3)
    spent = int(free.sites.capex_cny[dear.sites].sum())
    assert spent > 6_000_000
    bound = prepare(CORRIDOR, LAND, None, dict(SETTINGS), count=5, budget_cny=6_000_000, seed=5)
    decision = decide_passage(bound, gap=0.0, seed=5, effort=3)
    assert decision.certificate.parameters == {"budget": 6_000_000}
    assert int(bound.sites.capex_cny[decision.sites].sum()) <= 6_000_000
    assert 0 < decision.value <= decision.bound
    laid = bound.laid
    cost = np.ones(laid.paths.n_site, np.int64)
    cost[: len(bound.sites)] = bound.sites.capex_cny
    places = ~laid.padded(np.ones(len(bound.sites), bool))
    verify_flow(laid.paths, decision, cost=cost, forbidden=places)
    best = max(
        sum(v for q, v in enumerate(laid.paths.volume.tolist()) if passes(laid, q, set(five)))
        for five in itertools.combinations(np.flatnonzero(bound.sites.action < 3)[:12].tolist(), 5)
        if int(bound.sites.capex_cny[list(five)].sum()) <= 6_000_000
    )
    assert decision.value >= best
