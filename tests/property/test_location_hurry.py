"""What the location engine does in a hurry: weaker plans that serve all, and bounds that hold."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location import capacity_dual
from groundplan.engine.location.capacity_dual import cheapest_first
from groundplan.engine.location.transport import Transport

MANY = settings(max_examples=40, deadline=None)


def capacities(seed, n_row, n_site, share=1.0):
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, 30, (n_row, n_site)).astype(float)
    cost[:, 1:][rng.uniform(size=(n_row, n_site - 1)) > share] = np.inf
    demand = rng.integers(1, 9, n_row)
    room = np.rint(demand.sum() * rng.uniform(1.0, 2.0, n_site) / n_site).astype(np.int64) + 1
    room[0] = demand.sum()
    return location.CapacityProblem.from_matrix(cost, demand, room, rng.uniform(0, 50, n_site))


@MANY
@given(st.integers(0, 10**6), st.integers(2, 25), st.integers(2, 7), st.sampled_from([0.4, 1.0]))
def test_service_that_ends_early_serves_every_row_and_costs_no_less(seed, n_row, n_site, share):
    problem = capacities(seed, n_row, n_site, share)
    every = np.ones(n_site, bool)
    exact, quick = Transport(problem), Transport(problem, halt=lambda: True)
    least, _, _ = exact.solve(every)
    cost, amount, _ = quick.solve(every)
    assert amount is not None
    assert (amount >= 0).all()
    assert np.array_equal(amount.sum(axis=1), problem.demand)
    assert (amount.sum(axis=0) <= problem.capacity).all()
    allowed = problem.pair_number(*np.nonzero(amount))
    assert (allowed >= 0).all()
    assert cost >= least - 1e-9 * (1.0 + least)
    again, same, _ = quick.solve(every)
    assert again == cost
    assert np.array_equal(same, amount)


@MANY
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 5))
def test_pairs_stand_in_one_order_however_they_are_sorted(seed, n_row, n_site):
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, 6, (n_row, n_site)).astype(float)
    problem = location.CapacityProblem.from_matrix(
        cost, rng.integers(1, 4, n_row), np.full(n_site, 4 * n_row)
    )
    found = []
    for pairs in (0, 10**9):
        before, capacity_dual.PAIRS_A_SITE = capacity_dual.PAIRS_A_SITE, pairs
        try:
            found.append(cheapest_first(problem, with_cost=True))
        finally:
            capacity_dual.PAIRS_A_SITE = before
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


@MANY
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 7))
def test_pairs_are_found_and_those_not_allowed_are_not(seed, n_row, n_site):
    problem = capacities(seed, n_row, n_site + 1, 0.5)
    table = np.full((n_row, n_site + 1), -1)
    table[problem.row, problem.site_of_pair()] = np.arange(problem.row.size)
    rows, sites = np.divmod(np.arange(table.size), n_site + 1)
    assert np.array_equal(problem.pair_number(rows, sites), table.ravel())


@MANY
@given(
    st.integers(0, 10**6), st.integers(2, 14), st.integers(2, 7), st.integers(1, 3), st.booleans()
)
def test_rows_far_apart_bound_the_radius_of_every_plan(seed, n_row, n_site, p, stands):
    rng = np.random.default_rng(seed)
    cost = location.AssignmentCost.from_points(
        rng.uniform(0, 100, (n_row, 2)), None, rng.uniform(0, 100, (n_site, 2))
    )
    p = min(p, n_site - 1)
    old = np.zeros(n_site, bool)
    old[0] = stands
    d = location.p_center(cost, p, existing=old, stop=lambda: True)
    location.verify(cost, d, existing=old)
    table = cost.block(0, n_row)
    free = np.flatnonzero(~old)
    best = min(
        table[:, [*np.flatnonzero(old), *some]].min(axis=1).max()
        for some in itertools.combinations(free, p)
    )
    assert d.bound <= best <= d.value
    if n_row > p and not stands and len(np.unique(d.sites)) == p:
        assert d.bound > 0.0


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(10, 30), st.booleans(), st.booleans())
def test_many_rows_get_a_plan_when_stopped_at_once(seed, n_site, whole, stands):
    rng = np.random.default_rng(seed)
    n_row = 620
    demand = rng.integers(1, 9, n_row)
    room = np.rint(demand.sum() * rng.uniform(1.5, 3.0, n_site) / n_site).astype(np.int64)
    problem = location.CapacityProblem.from_points(
        rng.uniform(0, 100, (n_row, 2)), rng.uniform(0, 100, (n_site, 2)), demand, room,
        rng.uniform(0, 5000, n_site),
    )  # fmt: skip
    old, out = np.zeros(n_site, bool), np.zeros(n_site, bool)
    old[0], out[1] = stands, True
    masks = {"existing": old, "forbidden": out}
    d = location.capacitated_facility(
        problem, n_site - 2, single_source=whole, stop=lambda: True, **masks
    )
    location.verify(problem, d, **masks)
    assert d.log["ended"] in {"stop", "optimal"}
    assert 0.0 < d.bound <= d.value
