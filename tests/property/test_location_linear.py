"""The linear relaxation and its prices against another statement of it, and the optimum."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from groundplan import location
from groundplan.engine.location.linear import solve_linear
from groundplan.engine.location.program import make_program

COMMON = settings(deadline=None, derandomize=True, max_examples=40)


def draw(seed, n_row, n_site, *, is_even):
    """Return a program and its matrix of who reaches whom."""
    rng = np.random.default_rng(seed)
    demand, site = rng.uniform(0, 10, (n_row, 2)), rng.uniform(0, 10, (n_site, 2))
    coverage = location.Coverage.from_radius(demand, rng.integers(1, 50, n_row), site, 4.0)
    cost = np.ones(n_site, np.int64) if is_even else rng.integers(1, 6, n_site)
    budget = int(max(1, cost.sum() // 3))
    program = make_program(coverage, np.ones(n_site, bool), cost, budget)
    reach = np.zeros((program.n_row, program.n_site))
    row = np.repeat(np.arange(program.n_row), np.diff(program.row_indptr))
    reach[row, program.row_indices] = 1.0
    return program, reach


@COMMON
@given(st.integers(0, 10**6), st.integers(4, 30), st.integers(2, 9), st.booleans())
def test_prices_bound_as_the_relaxation_does(seed, n_row, n_site, is_even):
    program, reach = draw(seed, n_row, n_site, is_even=is_even)
    if not program.n_row or not program.n_site:
        return
    found = solve_linear(program, lambda: False)
    assert found is not None
    price, unit = found
    assert (price >= 0).all()
    assert (price <= program.weight).all()
    assert unit >= 0
    # what rows keep, what sites earn beyond their cost, and the budget at its price
    earned = np.maximum(price @ reach - unit * program.cost, 0.0).sum()
    bound = (program.weight - price).sum() + earned + unit * program.budget
    m, n = reach.shape
    other = linprog(
        -np.concatenate([np.zeros(n), program.weight]),
        A_ub=np.block(
            [[-reach, np.eye(m)], [program.cost[None, :].astype(float), np.zeros((1, m))]]
        ),
        b_ub=np.concatenate([np.zeros(m), [float(program.budget)]]),
        bounds=(0.0, 1.0),
    )
    assert bound >= -other.fun - 1e-6 * program.weight.sum()
    assert bound <= -other.fun + 1e-5 * program.weight.sum()
    best = max(
        int(program.weight[reach[:, list(pick)].any(axis=1)].sum())
        for k in range(program.n_site + 1)
        for pick in combinations(range(program.n_site), k)
        if program.cost[list(pick)].sum() <= program.budget
    )
    assert bound >= best - 1e-6 * program.weight.sum()


def test_a_solve_that_has_to_stop_gives_no_prices():
    rng = np.random.default_rng(1)
    xy = rng.uniform(0, 100, (3_000, 2))
    coverage = location.Coverage.from_radius(xy, rng.integers(1, 90, 3_000), xy, 9.0)
    n = coverage.n_site
    program = make_program(coverage, np.ones(n, bool), np.ones(n, np.int64), 30)
    assert solve_linear(program, lambda: True) is None


@pytest.mark.parametrize("is_even", [True, False])
def test_exact_prices_bound_a_plan_with_rows_of_no_weight(is_even):
    rng = np.random.default_rng(8)
    xy = rng.uniform(0, 100, (3_000, 2))
    coverage = location.Coverage.from_radius(xy, rng.integers(0, 3, 3_000), xy[:600], 12.0)
    cost = None if is_even else rng.integers(50, 150, 600)
    asked = {"p": 12} if is_even else {"budget": 900, "cost": cost}
    d = location.maximal_covering(coverage, **asked, gap=0.0, sweeps=2, passes=2, effort=0)
    assert "linear" in d.log
    assert d.value <= d.bound <= d.log["linear"] + 1
    location.verify(coverage, d, cost=cost)
