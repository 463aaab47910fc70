"""Strips: never beaten by their bound, verified from raw geometry, the same bytes everywhere."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location.strip_crew import STRIP_REACHES, cut_strips

SETTINGS = settings(deadline=None, derandomize=True, max_examples=25)


def case(seed, n_row=400, n_site=60, width=100.0, height=20.0):
    """Random geometry with everything an input can have."""
    rng = np.random.default_rng(seed)
    demand = rng.uniform(0, (width, height), (n_row, 2))
    sites = rng.uniform(0, (width, height), (n_site, 2))
    return {
        "demand_xy_m": demand,
        "weight": rng.integers(0, 50, n_row),
        "site_xy_m": sites,
        "radius_m": rng.uniform(1.0, 4.0, n_site),
        "existing": rng.uniform(size=n_site) < 0.1,
        "demand_layer": rng.integers(0, 2, n_row).astype(np.int8),
        "site_layer": rng.integers(0, 2, n_site).astype(np.int8),
        "demand_reach_m": np.where(rng.uniform(size=n_row) < 0.5, np.inf, 2.5),
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


def test_nothing_to_cover():
    empty = location.maximal_covering_over(
        np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros((0, 2)), 1.0, 3
    )
    assert (empty.value, empty.bound, empty.status) == (0, 0, "optimal")
    far = location.maximal_covering_over(
        np.array([[0.0, 0.0]]), np.array([5]), np.array([[90.0, 0.0], [95.0, 0.0]]), 1.0, 2
    )
    assert (far.value, far.bound, far.status) == (0, 0, "optimal")
