"""No plan beats the bound, small plans are the best there are, greedy equals its naive twin."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.greedy import fill_greedily

SETTINGS = settings(deadline=None, derandomize=True, max_examples=40)


@st.composite
def problems(draw):
    """A small problem as lists, with costs, existing and forbidden sites."""
    n, m = draw(st.integers(1, 14)), draw(st.integers(1, 7))
    lists = draw(st.lists(st.sets(st.integers(0, m - 1)), min_size=n, max_size=n))
    weight = draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))
    cost = draw(st.lists(st.integers(1, 9), min_size=m, max_size=m))
    existing = draw(st.lists(st.booleans(), min_size=m, max_size=m))
    forbidden = draw(st.lists(st.booleans(), min_size=m, max_size=m))
    coverage = Coverage.from_csr(
        np.cumsum([0, *map(len, lists)]),
        np.array([j for sites in lists for j in sorted(sites)], np.int32),
        np.array(weight, np.int64),
        m,
        existing=np.array(existing, bool),
    )
    return lists, weight, np.array(cost), np.array(existing), np.array(forbidden), coverage


def served(lists, weight, sites):
    return sum(w for cover, w in zip(lists, weight, strict=True) if cover & set(sites))


def best(lists, weight, cost, existing, forbidden, limit):
    """The largest value of all plans, by trying them."""
    old = np.flatnonzero(existing).tolist()
    new = np.flatnonzero(~existing & ~forbidden).tolist()
    plans = (list(c) for k in range(len(new) + 1) for c in combinations(new, k))
    return max(served(lists, weight, old + plan) for plan in plans if cost[plan].sum() <= limit)


@SETTINGS
@given(problems(), st.integers(0, 5))
def test_count_equals_enumeration(problem, p):
    lists, weight, cost, existing, forbidden, coverage = problem
    d = location.maximal_covering(coverage, p, forbidden=forbidden, gap=0.0, sweeps=20)
    optimum = best(lists, weight, np.ones_like(cost), existing, forbidden, p)
    assert d.value == optimum <= d.bound
    assert d.sites.size <= p
    assert not (existing | forbidden)[d.sites].any()
    plan = [*np.flatnonzero(existing).tolist(), *d.sites.tolist()]
    assert served(lists, weight, plan) == d.value
    assert d.base_value == served(lists, weight, np.flatnonzero(existing).tolist())
    location.verify(coverage, d, forbidden=forbidden)


@SETTINGS
@given(problems(), st.integers(0, 25))
def test_budget_equals_enumeration(problem, budget):
    lists, weight, cost, existing, forbidden, coverage = problem
    d = location.maximal_covering(
        coverage, budget=budget, cost=cost, forbidden=forbidden, gap=0.0, sweeps=20
    )
    assert d.value == best(lists, weight, cost, existing, forbidden, budget) <= d.bound
    assert cost[d.sites].sum() <= budget
    location.verify(coverage, d, forbidden=forbidden, cost=cost)


@SETTINGS
@given(problems(), st.integers(0, 5))
def test_scaling_the_weights_scales_the_plan(problem, p):
    lists, weight, _cost, existing, _forbidden, coverage = problem
    tenfold = Coverage.from_csr(
        np.cumsum([0, *map(len, lists)]),
        np.array([j for sites in lists for j in sorted(sites)], np.int32),
        10 * np.array(weight, np.int64),
        coverage.n_site,
        existing=existing,
    )
    assert location.maximal_covering(tenfold, p).value == (
        10 * location.maximal_covering(coverage, p).value
    )


@SETTINGS
@given(problems(), st.integers(0, 25))
def test_lazy_greedy_equals_naive_twin(problem, budget):
    _lists, _weight, cost, _existing, _forbidden, coverage = problem
    n = coverage.n_site
    chosen, count = np.zeros(n, bool), np.zeros(coverage.weight.size, np.int16)
    left = fill_greedily(
        coverage.site_indptr, coverage.site_indices, coverage.weight, cost, budget, chosen, count
    )
    plan: set[int] = set()
    covered: set[int] = set()
    rows = [
        set(coverage.site_indices[a:b].tolist())
        for a, b in zip(coverage.site_indptr[:-1], coverage.site_indptr[1:], strict=True)
    ]
    money = budget
    while True:
        gain = {
            j: sum(int(coverage.weight[i]) for i in rows[j] - covered)
            for j in range(n)
            if j not in plan and cost[j] <= money
        }
        ratio = {j: g / int(cost[j]) for j, g in gain.items() if g > 0}
        if not ratio:
            break
        j = min(ratio, key=lambda k: (-ratio[k], k))
        plan.add(j)
        covered |= rows[j]
        money -= int(cost[j])
    assert set(np.flatnonzero(chosen).tolist()) == plan
    assert left == money


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ({}, "either p or budget"),
        ({"p": 1, "budget": 1}, "either p or budget"),
        ({"p": -1}, "p must be >= 0"),
        ({"budget": 1}, "needs cost"),
        ({"budget": 1, "cost": np.array([0, 1])}, "cost must be whole numbers > 0"),
        ({"budget": 1, "cost": np.array([1.5, 1.0])}, "cost must be whole numbers > 0"),
        ({"p": 1, "forbidden": np.array([True])}, "forbidden must have shape"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(request_, word):
    coverage = Coverage.from_csr(np.array([0, 1]), np.array([0]), np.array([3]), 2)
    with pytest.raises(ValueError, match=word):
        location.maximal_covering(coverage, **request_)


def test_no_bound_exceeds_what_there_is_to_cover():
    rng = np.random.default_rng(2)
    xy, site = rng.uniform(0, 30, (3_000, 2)), rng.uniform(0, 30, (200, 2))
    coverage = Coverage.from_radius(xy, rng.integers(1, 9, 3_000), site, 5.0)
    reached = int(coverage.weight.sum())
    for p in (60, 120, 199):
        d = location.maximal_covering(coverage, p, gap=0.0, steps=40, passes=2)
        assert d.value <= d.bound <= reached
        assert location.verify(coverage, d)["bound"] == d.bound
