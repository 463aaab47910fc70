"""Service by several sites, and what is left of it when one fails, against naive twins."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import InfeasibleError
from groundplan.plan.backup import (
    Reach,
    Ring,
    direction_rows,
    narrowed,
    near_ring,
    place_of_cells,
    places_of,
    served_places,
    tiers,
)
from groundplan.plan.backup_plan import backed_of, hold, score_of
from groundplan.plan.backup_search import refine
from groundplan.plan.system import complete_settings, prepare
from groundplan.plan.toy_backup import count_one_by_one, naive_score, wide_land
from groundplan.sectors.beidou import BEIDOU
from groundplan.sectors.contract import Action

NETWORK_M = 25_000.0
NEAR = Reach(np.array([1_000.0]), np.array([1_000.0]), NETWORK_M)


def in_some_triangle(point, stations):
    """Whether the point lies strictly inside a triangle of three of the stations."""
    for a, b, c in combinations(stations, 3):
        sides = [
            (q[0] - p[0]) * (point[1] - p[1]) - (q[1] - p[1]) * (point[0] - p[0])
            for p, q in ((a, b), (b, c), (c, a))
        ]
        if all(s > 0 for s in sides) or all(s < 0 for s in sides):
            return True
    return False


def is_served(point, stations, single_m, near_m):
    """Whether a station is near enough, or three around with one of them near."""
    d = np.hypot(*(stations - point).T) if len(stations) else np.zeros(0)
    several = bool((d <= near_m).any()) and in_some_triangle(point, stations[d <= NETWORK_M])
    return bool((d <= single_m).any()) or several


@given(st.integers(0, 10_000), st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_service_and_failures_are_those_counted_one_by_one(seed, n):
    rng = np.random.default_rng(seed)
    place, station = rng.uniform(0, 48_000, (25, 2)), rng.uniform(0, 48_000, (n, 2))
    reach = Reach(np.array([9_000.0, 4_000.0]), np.array([25_000.0, 12_000.0]), NETWORK_M)
    ring = near_ring(*place.T, *station.T, NETWORK_M)
    told = served_places(ring, reach)
    for layer, far in enumerate(zip(reach.single_m, reach.near_m, strict=True)):
        for i, point in enumerate(place):
            once = is_served(point, station, *far)
            assert told.served[layer, i] == once
            assert once == count_one_by_one(*point, station, *far, NETWORK_M)
            holds = once and all(
                is_served(point, np.delete(station, j, axis=0), *far) for j in range(n)
            )
            assert told.firm[layer, i] == holds
    assert not (told.firm & ~told.served).any()
    assert not (told.single & ~told.served).any()


@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_rows_bound_what_any_plan_serves(seed, directions, p):
    """The rows' value of a plan, over the directions, is never below what it serves in truth."""
    rng = np.random.default_rng(seed)
    n_place, n_site = 30, 9
    place, site = rng.uniform(0, 60_000, (n_place, 2)), rng.uniform(0, 60_000, (n_site, 2))
    demand = rng.integers(0, 50, (2, n_place))
    reach = Reach(np.array([12_000.0, 5_000.0]), np.array([25_000.0, 15_000.0]), NETWORK_M)
    standing = np.zeros(n_site, np.bool_)
    standing[: rng.integers(0, 4)] = True
    ring = near_ring(*place.T, *site.T, NETWORK_M)
    rows = direction_rows(ring, demand, reach, directions, standing)
    for extra in combinations(np.flatnonzero(~standing), p):
        chosen = standing.copy()
        chosen[list(extra)] = True
        told = served_places(narrowed(ring, chosen), reach)
        row = np.repeat(np.arange(rows.weight.size), np.diff(rows.ptr))
        times = np.bincount(row[chosen[rows.site]], minlength=rows.weight.size)
        for level, is_met in ((1, told.served), (2, told.firm)):
            value = rows.full + int(rows.weight[times >= level].sum())
            assert value >= 2 * directions * int(demand[is_met].sum())


def test_equal_rows_are_one_and_keep_their_weight():
    ring = near_ring(
        np.array([0.0, 10.0, 40_000.0]), np.zeros(3), np.array([100.0, -100.0, 40_000.0]),
        np.array([0.0, 0.0, 5.0]), NETWORK_M,
    )  # fmt: skip
    demand = np.array([[3, 4, 5]])
    rows = direction_rows(ring, demand, NEAR, 4, np.zeros(3, np.bool_))
    assert [rows.site[a:b].tolist() for a, b in zip(rows.ptr, rows.ptr[1:], strict=False)] in (
        [[0, 1], [2]],
        [[2], [0, 1]],
    )
    assert sorted(rows.weight.tolist()) == [8 * 5, 8 * (3 + 4)]
    assert rows.full == 0


def test_what_two_standing_sites_fill_is_no_row():
    ring = near_ring(np.zeros(1), np.zeros(1), np.array([1.0, -1.0]), np.zeros(2), NETWORK_M)
    rows = direction_rows(ring, np.array([[7]]), NEAR, 6, np.array([True, True]))
    assert (rows.weight.size, rows.full) == (0, 84)


def test_squares_keep_cells_and_demand():
    land = wide_land()
    square, n = place_of_cells(land.x_m, land.y_m, land.cell_m, 10_000.0)
    assert n == 64
    assert np.bincount(square).tolist() == [4] * 64
    # a hair of rounding moves no cell to another square
    moved = place_of_cells(land.x_m + 1e-7, land.y_m - 1e-7, land.cell_m, 10_000.0)[0]
    assert np.array_equal(moved, square)
    demand = np.random.default_rng(1).integers(0, 9, (3, square.size))
    places = places_of(demand, land.x_m, land.y_m, square, n)
    assert places.demand.sum(axis=1).tolist() == demand.sum(axis=1).tolist()
    weight = places.demand.sum(axis=0)
    assert (places.x_m * weight).sum() / weight.sum() == pytest.approx(
        np.average(land.x_m, weights=demand.sum(axis=0))
    )


def test_stations_that_stand_come_first():
    action = np.array([0, 1, 1, 2, 3])
    standing, free, p = tiers(action, 1)
    assert (standing.tolist(), free.tolist(), p) == (
        [True, False, False, False, False], [False, True, True, False, False], 1
    )  # fmt: skip
    standing, free, p = tiers(action, 3)
    assert (standing.sum(), free.tolist(), p) == (3, [False, False, False, True, True], 1)


def planned(count, budget_cny=None, **change):
    """Plan stations on a land of 80 km x 80 km where 14 stand."""
    land = wide_land()
    given_settings = complete_settings(BEIDOU, {"stations_existing_count": 14, **change}, "test")
    system = prepare(BEIDOU, land, None, given_settings, count=count, budget_cny=budget_cny, seed=5)
    return system, hold(system, land, seed=5)


def test_a_plan_of_few_against_every_choice():
    """Three of the 14: every choice is scored, none beats the bound, the plan is the best."""
    system, plan = planned(3)
    backed = backed_of(plan)
    question = backed.question
    assert plan.chosen.sum() == 3
    best = 0
    for extra in combinations(np.flatnonzero(question.free), 3):
        chosen = question.standing.copy()
        chosen[list(extra)] = True
        best = max(best, score_of(question, question.served(chosen)))
    assert backed.score <= best <= backed.score_bound
    assert backed.score >= 0.995 * best
    xy = np.column_stack([system.sites.x_m, system.sites.y_m])
    assert naive_score(question, xy, plan.chosen) == backed.score
    assert plan.decision.value <= plan.decision.bound


def test_new_ones_are_built_only_beside_all_that_stand():
    system, plan = planned(16)
    action = system.sites.action
    assert plan.chosen[action == Action.UPGRADE].all()
    assert int(plan.chosen.sum()) == 16
    before, after = planned(14)[1], plan
    assert backed_of(after).score >= backed_of(before).score
    assert before.decision.status == "optimal"
    assert backed_of(before).choice.engine is None


def test_a_budget_takes_fewer_sites():
    price = 80_000
    system, plan = planned(5, budget_cny=5 * price)
    assert int(plan.chosen.sum()) == 5
    with pytest.raises(InfeasibleError, match="cheapest"):
        planned(5, budget_cny=4 * price)
    # two cheap places pay for the count, the best ones do not: fewer are chosen
    free = np.flatnonzero(system.sites.action == Action.NEW)
    cny = system.sites.capex_cny.copy()
    cny[free], cny[free[:2]] = 350_000, 100_000
    budget_cny = 14 * price + 2 * 100_000
    system = replace(
        system, sites=replace(system.sites, capex_cny=cny), count=16, budget_cny=budget_cny
    )
    plan = hold(system, wide_land(), seed=5)
    assert int(cny[plan.chosen].sum()) <= budget_cny
    assert plan.chosen[system.sites.action == Action.UPGRADE].all()


def test_exchange_never_serves_less():
    _, plan = planned(4)
    question = backed_of(plan).question
    rng = np.random.default_rng(2)
    for _ in range(5):
        chosen = question.standing.copy()
        chosen[rng.choice(np.flatnonzero(question.free), 4, replace=False)] = True
        told = refine(
            question.ring, question.places.demand, question.reach, question.worth_percent,
            question.standing, question.free, chosen,
        )  # fmt: skip
        assert told.sum() == chosen.sum()
        before, after = (score_of(question, question.served(c)) for c in (chosen, told))
        assert after >= before


def test_the_worth_of_what_holds_moves_the_plan():
    score = {}
    for worth in (0.0, 1.0):
        _, plan = planned(5, backup_worth_ratio=worth)
        demand = backed_of(plan).question.places.demand
        score[worth] = [
            int(demand[part].sum())
            for part in (backed_of(plan).after.served, backed_of(plan).after.firm)
        ]
    assert score[0.0][0] >= score[1.0][0]
    assert score[1.0][1] >= score[0.0][1]


def test_nobody_around_nobody_served():
    ring = near_ring(np.zeros(3), np.arange(3.0), np.zeros(0), np.zeros(0), NETWORK_M)
    assert isinstance(ring, Ring)
    told = served_places(ring, NEAR)
    assert not told.served.any()
    assert not told.firm.any()


def test_loads_are_told_by_service_and_add_up():
    _, plan = planned(14)
    backed = backed_of(plan)
    demand = backed.question.places.demand
    assert plan.sized.load.sum() * 100 == pytest.approx(int(demand[backed.after.served].sum()))
    assert replace(plan).served_after.shape == plan.system.demand.shape


@pytest.mark.parametrize(("last", "least"), [("improve", 0), ("bound", 50)])
def test_a_plan_stopped_goes_on_to_the_unbroken_one(last, least):
    """Stopped in the choice or in the bounds, saved at every look, then resumed."""
    system, _ = planned(5)
    land, options = wide_land(), {"gap": 0.0, "seed": 5, "steps": 200}
    whole = hold(system, land, **options)
    assert backed_of(whole).score < backed_of(whole).score_bound
    saved: dict[str, dict] = {}
    asked_to = []

    def save(name, state):
        saved[name] = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in state.items()}

    def tell(stage, done, _total, _value, _bound):
        if stage == last and done >= least:
            asked_to.append(stage)

    broken = hold(system, land, **options, progress=tell, stop=lambda: bool(asked_to), save=save)
    assert asked_to, "the stop came to nothing"
    assert backed_of(broken).score <= backed_of(broken).score_bound
    again = hold(system, land, **options, load=saved.get, save=save)
    one, other = backed_of(whole), backed_of(again)
    assert np.array_equal(whole.chosen, again.chosen)
    assert (one.score, one.score_bound, one.firm_bound) == (
        other.score, other.score_bound, other.firm_bound
    )  # fmt: skip
    for name in ("main", "first"):
        assert np.array_equal(one.bounds.groups[name].price, other.bounds.groups[name].price)
    assert whole.decision.bound == again.decision.bound
