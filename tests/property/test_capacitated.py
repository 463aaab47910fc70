"""Capacitated location against enumeration, its transport against a linear program, its check."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location import capacitated, capacity_grading
from groundplan.engine.location.capacity_program import find_better
from groundplan.errors import InfeasibleError, VerificationError

COMMON = settings(deadline=None, derandomize=True, max_examples=25)
QUICK = {"steps": 200, "tries": 200}


def instance(seed: int, n_row: int | None = None, n_site: int | None = None):
    rng = np.random.default_rng(seed)
    n = n_row or int(rng.integers(2, 12))
    m = n_site or int(rng.integers(1, 6))
    cost = np.round(rng.uniform(0, 50, (n, m)), 2)
    cost[rng.random((n, m)) < 0.15] = np.inf
    cost[:, 0] = np.where(np.isinf(cost).all(axis=1), 9.0, cost[:, 0])
    demand = rng.integers(1, 10, n)
    capacity = rng.integers(1, 2 + int(2.5 * demand.sum() / m), m)
    fee = np.round(rng.uniform(0, 60, m), 1)
    masks = {"existing": rng.random(m) < 0.15, "forbidden": rng.random(m) < 0.15}
    return cost, demand, capacity, fee, masks


@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(1, 6))
def test_split_equals_enumeration(best_capacitated, seed, p):
    case = instance(seed)
    cost, demand, capacity, fee, masks = case
    best = best_capacitated(case, p, is_whole=False)
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity, fee)
    if not np.isfinite(best):
        with pytest.raises(InfeasibleError):
            location.capacitated_facility(problem, p, **masks, **QUICK)
        return
    d = location.capacitated_facility(problem, p, **masks, **QUICK)
    assert d.value == pytest.approx(best, rel=1e-9, abs=1e-7)
    assert d.bound <= d.value
    location.verify(problem, d, **masks)
    assert d.status == "optimal"


@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(1, 3))
def test_a_better_plan_by_a_program_equals_enumeration(best_capacitated, seed, p):
    case = instance(seed, n_row=5, n_site=3)
    cost, demand, capacity, fee, masks = case
    best = best_capacitated(case, p, is_whole=True)
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity, fee)
    old, new = masks["existing"], ~masks["existing"] & ~masks["forbidden"]
    place = find_better(
        problem, np.arange(problem.row.size), old.astype(float), (old | new).astype(float),
        np.where(new, fee, 0.0), new, p,
    )  # fmt: skip
    if place is None:
        assert not np.isfinite(best)
        return
    opened = np.unique(place[~old[place]])
    value = cost[np.arange(5), place].sum() + fee[opened].sum()
    assert opened.size <= p
    assert value == pytest.approx(best, rel=1e-6)


def test_single_source_branches_on_sites_and_is_checked():
    rng = np.random.default_rng(3)
    rows, sites = rng.uniform(0, 100, (60, 2)), rng.uniform(0, 100, (12, 2))
    problem = location.CapacityProblem.from_points(
        rows, sites, rng.integers(5, 30, 60), rng.integers(150, 400, 12),
        rng.integers(3_000, 9_000, 12).astype(float),
    )  # fmt: skip
    alone = location.capacitated_facility(problem, single_source=True, nodes=0)
    d = location.capacitated_facility(problem, single_source=True)
    assert d.log["leaves"] > 1
    assert alone.bound < d.bound <= d.value <= alone.value
    location.verify(problem, d)


@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(1, 3))
def test_single_source_bound_and_plan_hold(best_capacitated, seed, p):
    case = instance(seed, n_row=5, n_site=3)
    cost, demand, capacity, fee, masks = case
    best = best_capacitated(case, p, is_whole=True)
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity, fee)
    try:
        d = location.capacitated_p_median(problem, p, **masks, **QUICK)
    except InfeasibleError:
        assert not np.isfinite(best)
        return
    assert d.value == pytest.approx(best, rel=1e-9)
    assert d.bound <= best + 1e-9
    location.verify(problem, d, **masks)


@COMMON
@given(seed=st.integers(0, 10_000))
def test_transport_equals_a_linear_program(split_service, seed):
    from groundplan.engine.location.transport import Transport

    cost, demand, capacity, _fee, _masks = instance(seed, n_row=14, n_site=5)
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity)
    value, amount, unit = Transport(problem).solve(np.ones(5, bool))
    truth = split_service(cost, demand, capacity, range(5))
    assert value == pytest.approx(truth, rel=1e-9) or (np.isinf(value) and np.isinf(truth))
    if amount is not None:
        assert (amount.sum(axis=1) == demand).all()
        load = amount.sum(axis=0)
        assert (load <= capacity).all()
        # complementary slackness: the prices prove that no service is cheaper
        assert unit[load < capacity] == pytest.approx(0.0, abs=1e-9)
        priced = (cost / demand[:, None] + unit).min(axis=1)
        assert demand @ priced - capacity @ unit == pytest.approx(truth, rel=1e-9)


@COMMON
@given(seed=st.integers(0, 10_000))
def test_no_move_changes_the_cost_by_less_than_its_bound(seed):
    from groundplan.engine.location.capacity_dual import Pricing
    from groundplan.engine.location.capacity_moves import list_moves, move
    from groundplan.engine.location.transport import Transport

    cost, demand, capacity, fee, _masks = instance(seed, n_row=12, n_site=6)
    opened = np.random.default_rng(seed).random(6) < 0.6
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity, fee)
    pricing = Pricing(problem, np.ones(6, bool), np.zeros(6, bool), 6, False)
    transport = Transport(problem)
    now = transport.cost(opened)
    if not np.isfinite(now):
        return
    listed = list(zip(*list_moves(pricing, transport, opened, 1_000), strict=True))
    possible = 0
    for j in (-1, *np.flatnonzero(opened)):
        for k in (-1, *np.flatnonzero(~opened)):
            trial = move(opened, int(j), int(k))
            possible += (j, k) != (-1, -1) and capacity[trial].sum() >= demand.sum()
    assert len(listed) == possible
    for j, k, least in listed:
        trial = move(opened, int(j), int(k))
        change = transport.cost(trial) + fee[trial].sum() - now - fee[opened].sum()
        assert change >= least - 1e-7


@COMMON
@given(seed=st.integers(0, 10_000), count=st.integers(1, 12))
def test_groups_hold_all_rows(seed, count):
    from groundplan.engine.location.capacity_groups import group_problem, group_rows

    cost, demand, capacity, fee, _masks = instance(seed, n_row=12, n_site=4)
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity, fee)
    group = group_rows(problem, count)
    groups = group_problem(problem, group)
    assert groups.n_row == np.unique(group).size <= count
    assert (groups.demand == np.bincount(group, demand)).all()
    site = groups.site_of_pair()
    for pair in range(groups.row.size):
        part = cost[group == groups.row[pair], site[pair]]
        if np.isfinite(part).all():
            assert groups.cost[pair] == pytest.approx(part.sum())
        else:  # what may be served stands for what may not
            assert groups.cost[pair] >= part[np.isfinite(part)].sum() - 1e-9


@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(1, 6))
def test_plans_by_groups_hold(best_capacitated, seed, p):
    """The way of large problems on small ones, against enumeration."""
    case = instance(seed)
    cost, demand, capacity, fee, masks = case
    best = best_capacitated(case, p, is_whole=False)
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity, fee)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capacitated, "ROWS_MAX", 0)
        patch.setattr(capacitated, "GROUPS", 3)
        patch.setattr(capacity_grading, "FINER", 4)
        if not np.isfinite(best):
            with pytest.raises(InfeasibleError):
                location.capacitated_facility(problem, p, **masks)
            return
        d = location.capacitated_facility(problem, p, **masks)
    assert d.bound <= best + 1e-7 <= d.value + 2e-7
    location.verify(problem, d, **masks)


def test_large_problem_with_reach_and_masks(monkeypatch):
    rng = np.random.default_rng(4)
    rows, sites = rng.uniform(0, 100, (3_200, 2)), rng.uniform(0, 100, (80, 2))
    demand = rng.integers(1, 20, 3_200)
    capacity = rng.integers(1_500, 4_000, 80)
    problem = location.CapacityProblem.from_points(
        rows, sites, demand, capacity, np.full(80, 9_000.0), reach=90.0
    )
    masks = {"existing": np.arange(80) < 2, "forbidden": np.arange(80) > 75}
    d = location.capacitated_facility(problem, 40, **masks, tries=10)
    assert d.gap < 0.03
    location.verify(problem, d, **masks)
    monkeypatch.setenv("GROUNDPLAN_THREADS", "1")
    alone = location.capacitated_facility(problem, 40, **masks, tries=10)
    assert alone.certificate.record_hash == d.certificate.record_hash


@COMMON
@given(seed=st.integers(0, 10_000), single=st.booleans())
def test_any_prices_bound_every_plan(best_capacitated, seed, single):
    """Weak duality: the formula of the check holds for prices nobody optimised."""
    from groundplan.engine.location.check_capacitated import prove

    case = instance(seed, n_row=5, n_site=3)
    cost, demand, capacity, fee, masks = case
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity, fee)
    rng = np.random.default_rng(seed)
    prices = {
        "row": (rng.uniform(-10, 80, (1, 5)) * problem.scale).astype(np.int64),
        "unit": (rng.uniform(0, 5, (1, 3)) * problem.scale * 65_536).astype(np.int64),
        "leaf_site": np.full((1, 3), -1, np.int8),
        "leaf_price": np.zeros(1, np.int32),
    }
    parameters = {"p": 2, "single_source": single, "step": 1 + seed % 3}
    shell = location.Certificate("capacitated_facility", parameters, "", 1, prices, 0, 0)
    candidate = ~masks["existing"] & ~masks["forbidden"]
    best = best_capacitated(case, 2, is_whole=single)
    if np.isfinite(best):
        bound = prove(problem, shell, candidate, masks["existing"]) / problem.scale
        assert bound <= best + 1e-7


def made(single: bool):
    cost, demand, capacity, fee, masks = instance(23, n_row=11, n_site=5)
    masks = {"existing": np.zeros(5, bool), "forbidden": np.arange(5) == 4}
    capacity = np.full(5, int(demand.sum() / 2))
    problem = location.CapacityProblem.from_matrix(
        np.where(np.isinf(cost), 70.0, cost), demand, capacity, fee
    )
    solve = location.capacitated_p_median if single else location.capacitated_facility
    return problem, solve(problem, 3, **masks, **QUICK), masks


@pytest.mark.parametrize("single", [False, True])
def test_every_tampering_is_found(single):
    problem, d, masks = made(single)
    location.verify(problem, d, **masks)
    c = d.certificate
    amount = c.prices["plan_amount"].copy()
    amount[0] += 1
    moved = c.prices["plan_site"].copy()
    moved[0] = 4
    spoilt = [
        replace(d, value=d.value * 0.99),
        replace(d, bound=d.value * 1.01),
        replace(d, gap=0.7),
        replace(d, status="stopped" if d.status == "optimal" else "optimal"),
        replace(d, sites=d.sites[:-1]),
        replace(d, sites=np.array([77], np.int32)),
        replace(d, assignment=np.roll(d.assignment, 1)),
        *(
            replace(d, certificate=replace(c, **change))
            for change in (
                {"value": c.value - 1},
                {"bound_numerator": c.bound_numerator + 1},
                {"denominator": 2 * c.denominator},
                {"parameters": {**c.parameters, "p": 1}},
                {"parameters": {**c.parameters, "single_source": not single}},
                {"prices": {**c.prices, "row": c.prices["row"] // 2}},
                {"prices": {**c.prices, "row": c.prices["row"][:, :-1]}},
                {"prices": {**c.prices, "plan_amount": amount}},
                {"prices": {**c.prices, "plan_site": moved}},
                {"prices": {}},
                {"form": "p_median"},
                {"input_hash": "0" * 64},
                {"record_hash": "0" * 64},
            )
        ),
    ]
    for bad in spoilt:
        with pytest.raises(VerificationError):
            location.verify(problem, bad, **masks)
    other = replace(problem, cost=problem.cost + 1, input_hash="1" * 64)
    with pytest.raises(VerificationError, match="not that of"):
        location.verify(other, d, **masks)


def test_dear_pairs_do_not_blur_the_proof():
    rng = np.random.default_rng(5)
    cost = rng.uniform(1_000, 3_000, (300, 12)) * np.where(rng.random((300, 12)) < 0.4, 1.0, 500.0)
    demand = rng.integers(1, 50, 300)
    problem = location.CapacityProblem.from_matrix(
        cost, demand, np.full(12, demand.sum()), rng.uniform(5_000, 9_000, 12)
    )
    d = location.capacitated_facility(problem)
    location.verify(problem, d)
    assert d.status == "optimal"
    assert d.gap < 1e-10


def test_same_seed_same_plan():
    for single in (False, True):
        a, b = (made(single)[1].certificate.record_hash for _ in range(2))
        assert a == b


def test_conflicts_are_named():
    make = location.CapacityProblem.from_matrix
    with pytest.raises(InfeasibleError, match="rows 1 have none"):
        make([[1.0, 2.0], [np.inf, np.inf]], [1, 1], [5, 5])
    with pytest.raises(InfeasibleError, match="demand 12"):
        make([[1.0, 2.0], [1.0, 1.0]], [6, 6], [5, 5])
    problem = make([[1.0, 2.0], [1.0, 1.0]], [4, 4], [5, 5])
    with pytest.raises(InfeasibleError, match="at most 1 new sites"):
        location.capacitated_facility(problem, 1)
    with pytest.raises(ValueError, match="whole numbers >= 1"):
        make([[1.0], [2.0]], [1.5, 1], [5])
    with pytest.raises(ValueError, match="without NaN"):
        make([[np.nan], [2.0]], [1, 1], [5])
    with pytest.raises(ValueError, match="row 0 and site 1"):
        location.CapacityProblem.from_pairs([0, 0], [0, 1], [1.0, -2.0], [1], [5, 5])


def test_the_check_loads_no_solver():
    code = (
        "import sys; from groundplan.engine.location import check_capacitated;"
        "print([m for m in ('numba', 'highspy', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@settings(deadline=None, derandomize=True, max_examples=200)
@given(seed=st.integers(0, 100_000), room=st.integers(0, 60), n=st.integers(1, 25))
def test_knapsacks_of_solver_and_check_equal_the_full_table(seed, room, n):
    from groundplan.engine.location import capacity_knapsack as solver
    from groundplan.engine.location.check_capacitated import knapsack

    rng = np.random.default_rng(seed)
    # few different items, so that ratios tie; needs of 0 come from rounding down
    value, need = rng.integers(1, 12, n), rng.integers(0, 9, n)
    best = np.zeros(room + 1, np.int64)
    for v, d in zip(value, need, strict=True):
        if d <= room:
            best[d:] = np.maximum(best[d:], best[: best.size - d] + v)
    fits = need <= room
    if int(need[fits].sum()) > room:
        assert knapsack(value[fits], need[fits], room) == best[-1]
    served = np.zeros(n)
    ptr, row, cost = np.array([0, n]), np.arange(n, dtype=np.int32), np.zeros(n)
    found = solver._knapsack(0, ptr, row, cost, value.astype(float), need, room, served, True)
    assert found == pytest.approx(best[-1], abs=1e-9)
    assert served @ need <= room
    assert served @ value == pytest.approx(best[-1], abs=1e-9)


@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(1, 4))
def test_whole_rows_by_way_of_split_service_hold(best_capacitated, seed, p):
    case = instance(seed, n_row=6, n_site=4)
    cost, demand, capacity, fee, masks = case
    best = best_capacitated(case, p, is_whole=True)
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity, fee)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capacitated, "ROWS_WHOLE", 0)
        try:
            d = location.capacitated_facility(problem, p, single_source=True, **masks, **QUICK)
        except InfeasibleError:
            assert not np.isfinite(best)
            return
    assert d.bound <= best + 1e-9
    assert d.value >= best - 1e-9
    location.verify(problem, d, **masks)


def test_many_whole_rows_end_by_counts():
    rng = np.random.default_rng(1)
    rows, sites = rng.uniform(0, 100, (700, 2)), rng.uniform(0, 100, (40, 2))
    demand = rng.integers(1, 100, 700)
    room = np.rint(demand.sum() * rng.uniform(1.5, 4.5, 40) / 40).astype(np.int64)
    fee = np.rint(rng.uniform(0.5, 1.5, 40) * 40.0 * demand.sum() / 40)
    problem = location.CapacityProblem.from_points(rows, sites, demand, room, fee)
    d = location.capacitated_facility(problem, single_source=True, gap=0.005)
    location.verify(problem, d)
    assert d.gap < 0.015
    again = location.capacitated_facility(problem, single_source=True, gap=0.005)
    assert again.certificate.record_hash == d.certificate.record_hash


def test_coarse_knapsacks_keep_the_bound_of_fractional_ones(monkeypatch):
    from groundplan.engine.location import capacity_dual

    monkeypatch.setattr(capacity_dual, "KNAPSACK_STEPS", 10)
    cost, demand, capacity, fee, _masks = instance(4, n_row=12, n_site=4)
    problem = location.CapacityProblem.from_matrix(cost, demand * 97 + 1, capacity * 211, fee)
    d = location.capacitated_facility(problem, single_source=True, **QUICK)
    assert "unit" in d.certificate.prices
    location.verify(problem, d)
    assert d.gap < 0.1


def test_a_row_larger_than_any_site_is_named():
    demand = np.array([3, 3, 9])
    problem = location.CapacityProblem.from_matrix(np.ones((3, 3)), demand, np.array([8, 8, 8]))
    with pytest.raises(InfeasibleError, match=r"row 2 and 0 more: demand 9"):
        location.capacitated_facility(problem, single_source=True)
    assert location.capacitated_facility(problem).value == pytest.approx(3.0)


def test_highs_is_interrupted_from_within():
    from groundplan.engine.location.capacity_program import find_plan

    rng = np.random.default_rng(0)
    demand = rng.integers(40, 60, 90)
    problem = location.CapacityProblem.from_matrix(
        rng.uniform(1, 9, (90, 30)), demand, np.full(30, int(demand.sum() / 30 * 1.02))
    )
    asked = []

    def halt():
        asked.append(1)
        return True

    everything = np.ones(30, bool)
    with pytest.raises(TimeoutError):
        find_plan(problem, everything, ~everything, 30, whole=True, halt=halt)
    assert asked == [1]
