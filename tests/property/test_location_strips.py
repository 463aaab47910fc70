"""Strips: never beaten by their bound, verified from raw geometry, the same bytes everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location.strip_crew import STRIP_REACHES, cut_strips
from groundplan.engine.location.strip_plan import rank_moves

SETTINGS = settings(deadline=None, derandomize=True, max_examples=25)


def case(seed, n_row=400, n_site=60, width=80.0, height=8.0):
    """Random geometry with everything an input can have."""
    rng = np.random.default_rng(seed)
    demand = rng.uniform(0, (width, height), (n_row, 2))
    sites = rng.uniform(0, (width, height), (n_site, 2))
    return {
        "demand_xy_m": demand,
        "weight": rng.integers(0, 50, n_row),
        "site_xy_m": sites,
        "radius_m": rng.uniform(2.0, 5.0, n_site),
        "existing": rng.uniform(size=n_site) < 0.1,
        "demand_layer": rng.integers(0, 2, n_row).astype(np.int8),
        "site_layer": rng.integers(0, 2, n_site).astype(np.int8),
        "demand_reach_m": np.where(rng.uniform(size=n_row) < 0.5, np.inf, 4.0),
    }


def verify(given_case, decision, **options):
    names = ("demand_xy_m", "weight", "demand_layer", "site_xy_m", "site_layer")
    return location.verify_radius(
        *(given_case.get(name) for name in names),
        np.broadcast_to(given_case["radius_m"], (len(given_case["site_xy_m"]),)).astype(float),
        given_case["existing"],
        sites=decision.sites,
        certificate=decision.certificate,
        demand_reach_m=given_case.get("demand_reach_m"),
        **options,
    )


@SETTINGS
@given(
    seed=st.integers(0, 10_000),
    p=st.integers(0, 60),
    strip_sites=st.sampled_from([4, 9, 25, 1000]),
)
def test_plan_and_bound_are_those_of_the_raw_geometry(seed, p, strip_sites):
    problem = case(seed)
    d = location.maximal_covering_over(
        **problem, p=p, strip_sites=strip_sites, gap=0.0, steps=80, passes=2
    )
    found = verify(problem, d)
    assert (found["value"], found["bound"], found["base_value"]) == (d.value, d.bound, d.base_value)
    coverage = location.Coverage.from_radius(**problem)
    best = location.maximal_covering(coverage, p, gap=0.0)
    # the whole is solved exactly at this size
    assert best.status == "optimal"
    assert d.value <= best.value <= d.bound


@SETTINGS
@given(
    seed=st.integers(0, 10_000),
    budget=st.integers(0, 200),
    strip_sites=st.sampled_from([4, 25]),
)
def test_budgets_costs_and_forbidden_sites(seed, budget, strip_sites):
    problem = case(seed)
    rng = np.random.default_rng(seed + 1)
    cost, forbidden = rng.integers(1, 9, 60), rng.uniform(size=60) < 0.2
    d = location.maximal_covering_over(
        **problem, budget=budget, cost=cost, forbidden=forbidden, strip_sites=strip_sites,
        gap=0.0, steps=80, passes=2,
    )  # fmt: skip
    found = verify(problem, d, cost=cost, forbidden=forbidden)
    assert (found["value"], found["bound"]) == (d.value, d.bound)
    assert cost[d.sites].sum() <= budget
    assert not forbidden[d.sites].any()
    best = location.maximal_covering(
        location.Coverage.from_radius(**problem), budget=budget, cost=cost, forbidden=forbidden,
        gap=0.0,
    )  # fmt: skip
    assert d.value <= best.value <= d.bound


@SETTINGS
@given(
    place=st.lists(st.floats(-1e6, 1e6), max_size=200),
    reach=st.floats(0, 1e5),
    strip_sites=st.integers(1, 50),
)
def test_strips_are_wider_than_two_reaches(place, reach, strip_sites):
    borders = cut_strips(np.array(place), reach, strip_sites)
    assert (np.diff(borders) > STRIP_REACHES * reach).all()


@SETTINGS
@given(seed=st.integers(0, 10_000), is_drop=st.booleans(), room=st.integers(1, 30))
def test_ranking_equals_its_naive_twin(seed, is_drop, room):
    rng = np.random.default_rng(seed)
    n_row, n_site = 12, 9
    lists = [np.flatnonzero(rng.uniform(size=n_row) < 0.3) for _ in range(n_site)]
    indptr = np.cumsum([0, *(len(rows) for rows in lists)])
    indices = np.concatenate(lists).astype(np.int32)
    weight, cost = rng.integers(0, 9, n_row), rng.integers(1, 4, n_site)
    chosen = rng.uniform(size=n_site) < 0.5
    movable = np.flatnonzero(rng.uniform(size=n_site) < 0.8).astype(np.int32)
    least = -3.0 if is_drop else 2.0
    count = np.zeros(n_row, np.int16)
    for j in np.flatnonzero(chosen):
        count[lists[j]] += 1

    plan, cover, expected, spent = chosen.copy(), count.copy(), [], 0
    while spent < room:
        open_sites = [int(j) for j in movable if plan[j] == is_drop]
        worth = {j: weight[lists[j]][cover[lists[j]] == is_drop].sum() for j in open_sites}
        key = {j: (-v if is_drop else v) / cost[j] for j, v in worth.items()}
        best = max(key, key=lambda j: (key[j], -j), default=None)
        if best is None or key[best] < least:
            break
        plan[best] = not is_drop
        cover[lists[best]] += -1 if is_drop else 1
        spent += cost[best]
        expected.append((best, key[best]))

    out, key_out = np.empty(n_site, np.int32), np.empty(n_site)
    n = rank_moves(
        movable, is_drop, least, room, indptr, indices, weight, cost, chosen, count, out, key_out
    )
    assert list(zip(out[:n].tolist(), key_out[:n].tolist(), strict=True)) == expected
    assert np.array_equal(chosen, plan)
    assert np.array_equal(count, cover)


def test_strips_cost_little_gap():
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:250, 0:250].reshape(2, -1)
    demand = np.column_stack([x, y]).astype(float)
    weight = np.rint(1 + rng.lognormal(2.0, 1.0, x.size)).astype(np.int64)
    sites = rng.uniform(0, 250, (2_000, 2))
    strips = location.maximal_covering_over(
        demand, weight, sites, 6.0, 500, strip_sites=500, gap=0.0
    )
    coverage = location.Coverage.from_radius(demand, weight, sites, 6.0)
    whole = location.maximal_covering(coverage, 500, gap=0.0)
    assert strips.log["strips"] == 4
    assert strips.gap < whole.gap + 0.002
    assert location.verify(coverage, strips)["bound"] == strips.bound


def test_nothing_to_cover():
    empty = location.maximal_covering_over(
        np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros((0, 2)), 1.0, 3
    )
    assert (empty.value, empty.bound, empty.status) == (0, 0, "optimal")
    far = location.maximal_covering_over(
        np.array([[0.0, 0.0]]), np.array([5]), np.array([[90.0, 0.0], [95.0, 0.0]]), 1.0, 2
    )
    assert (far.value, far.bound, far.status) == (0, 0, "optimal")


@pytest.mark.parametrize("ending", ["stop", "time"])
def test_a_run_that_is_stopped_is_valid(ending):
    problem = case(3, n_row=3_000, n_site=300)
    options = {"stop": lambda: True} if ending == "stop" else {"time_limit_s": 0.0}
    d = location.maximal_covering_over(**problem, p=40, strip_sites=40, gap=0.0, **options)
    assert verify(problem, d)["bound"] == d.bound
    assert d.status == "stopped"
    assert d.sites.size == 40
    assert d.log["bound_steps"] == 40


def test_it_ends_once_the_gap_is_proven():
    problem = case(3, n_row=3_000, n_site=300)
    d = location.maximal_covering_over(**problem, p=40, strip_sites=40, gap=0.9)
    assert d.status == "feasible"
    assert d.log["passes"] == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"p": -1}, "p must be >= 0"),
        ({"budget": 4}, "either p or budget"),
        ({"strip_sites": 0}, "strip_sites must be >= 1"),
        ({"effort": 9}, "effort must be"),
        ({"existing": np.zeros(3, bool)}, r"existing must have shape \(60,\)"),
        ({"demand_layer": np.zeros(3, np.int8)}, r"demand_layer must have shape \(400,\)"),
        ({"site_layer": None}, "layers to demand rows and to sites"),
        ({"weight": np.full(400, 2**60)}, "does not fit"),
        ({"radius_m": np.inf}, "radius_m must be finite"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(wrong, message):
    with pytest.raises((ValueError, OverflowError), match=message):
        location.maximal_covering_over(**{**case(0), "p": 5, **wrong})
