"""Annealing by swaps and the merge of plans against naive twins; resume of that stage."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location.breed import Flock, find_landmarks, splice
from groundplan.engine.location.cooling import cool_plans, set_heats
from groundplan.engine.location.merge import merge_plans
from groundplan.engine.location.pairs import fill_pairs, fits_pairs, swap_pair
from groundplan.engine.location.program import make_program
from groundplan.engine.location.swap import anneal_swaps

COMMON = settings(deadline=None, derandomize=True, max_examples=20)


def program_of(seed: int, n_row: int, n_site: int, *, is_even: bool, least: int = 0):
    """Return a program of `least` sites or more that cover random rows, and who covers what."""
    rng = np.random.default_rng(seed)
    covers = rng.random((n_row, n_site)) < rng.uniform(0.1, 0.6)
    indptr = np.concatenate([[0], np.cumsum(covers.sum(axis=1))]).astype(np.int64)
    coverage = location.Coverage.from_csr(
        indptr, np.nonzero(covers)[1].astype(np.int32), rng.integers(0, 30, n_row), n_site
    )
    cost = np.ones(n_site, np.int64) if is_even else rng.integers(1, 8, n_site)
    budget = int(rng.integers(0, cost.sum() + 1))
    program = make_program(coverage, np.ones(n_site, bool), cost, budget)
    n = program.n_site
    assume(n >= least)
    rows = [
        set(program.site_indices[program.site_indptr[j] : program.site_indptr[j + 1]].tolist())
        for j in range(n)
    ]
    return program, rows


def worth(program, rows, sites) -> int:
    reached = set().union(*(rows[j] for j in sites))
    return sum(int(program.weight[i]) for i in reached)


def best_worth(program, rows, sites) -> int:
    """Return what the best plan out of some sites serves within the budget."""
    return max(
        worth(program, rows, pick)
        for k in range(len(sites) + 1)
        for pick in combinations(sites, k)
        if program.cost[list(pick)].sum() <= program.budget
    )


def fill(program, rng):
    """Return a random plan within the budget."""
    chosen = np.zeros(program.n_site, bool)
    spent = 0
    for j in rng.permutation(program.n_site):
        if spent + program.cost[j] <= program.budget:
            chosen[j] = True
            spent += int(program.cost[j])
    return chosen


@COMMON
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(1, 9), st.booleans())
def test_swaps_keep_the_budget_and_find_the_enumerated_optimum(seed, n_row, n_site, is_even):
    program, rows = program_of(seed, n_row, n_site, is_even=is_even, least=1)
    best = best_worth(program, rows, range(program.n_site))
    chosen = fill(program, np.random.default_rng(seed))
    value = anneal_swaps(
        program.site_indptr, program.site_indices, program.row_indptr, program.row_indices,
        program.weight, program.cost, program.budget, is_even, 20_000, 8.0, 0.5,
        np.uint64(seed + 1), chosen,
    )  # fmt: skip
    assert program.cost[chosen].sum() <= program.budget
    assert value == worth(program, rows, np.flatnonzero(chosen)) == best


def lists_of(program):
    """Return the lists of a program as the kernels of pairs take them."""
    return (
        program.site_indptr, program.site_indices.view(np.uint32), program.row_indptr,
        program.row_indices.view(np.uint32), program.weight.astype(np.int32),
    )  # fmt: skip


@COMMON
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(2, 9))
def test_the_table_of_pairs_tells_what_every_swap_changes(seed, n_row, n_site):
    program, rows = program_of(seed, n_row, n_site, is_even=True, least=2)
    n = program.n_site
    rng = np.random.default_rng(seed)
    plan = rng.permutation(n)[: int(rng.integers(1, n))]
    count, owner = np.zeros(program.n_row, np.int32), np.zeros(program.n_row, np.int32)
    gain, shared = np.zeros(n, np.int32), np.zeros((plan.size, n), np.int32)
    state = (count, owner, gain, shared)
    value = fill_pairs(*lists_of(program), plan, *state)
    for _ in range(8):
        now = worth(program, rows, plan)
        assert value == now
        for s in range(plan.size):
            for j in set(range(n)) - set(plan.tolist()):
                other = [*np.delete(plan, s), j]
                change = int(gain[j]) + int(shared[s, j]) - int(shared[s, plan[s]])
                assert change == worth(program, rows, other) - now
        s = int(rng.integers(plan.size))
        j = int(rng.choice(np.setdiff1d(np.arange(n), plan)))
        value += int(gain[j]) + int(shared[s, j]) - int(shared[s, plan[s]])
        swap_pair(s, int(plan[s]), j, *lists_of(program), *state)
        plan[s] = j


@COMMON
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(2, 9))
def test_swaps_of_pairs_find_the_enumerated_optimum(seed, n_row, n_site):
    program, rows = program_of(seed, n_row, n_site, is_even=True, least=2)
    n = program.n_site
    size = max(1, min(n - 1, program.budget))
    assert fits_pairs(program.weight, n, size)
    best = max(worth(program, rows, pick) for pick in combinations(range(n), size))
    rng = np.random.default_rng(seed)
    plan = rng.permutation(n)[:size]
    plans = np.tile(plan, (3, 1))
    seeds = rng.integers(1, 2**63, 3, dtype=np.uint64)
    found, values = cool_plans(program, plans, 8.0, 0.5, 50_000, seeds)
    assert values.max() == best
    for mine, value in zip(found, values, strict=True):
        assert np.unique(mine).size == size
        assert value == worth(program, rows, mine)
    same, still = cool_plans(program, plans, 8.0, 0.5, 50_000, seeds, halt=lambda: True)
    assert np.array_equal(same, plans)
    assert set(still) == {worth(program, rows, plan)}


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 300))
@settings(deadline=None, derandomize=True)
def test_plans_cool_to_what_is_left_to_gain(value, left, size):
    heats = set_heats(value, value + left, size)
    assert 0.0 < heats.cold <= max(0.01 * left * 1.000001, heats.mild / 15.99)
    assert heats.cold < heats.mild
    assert 0.0044 <= heats.mild / max(1.0, value / size) <= 0.0069


@COMMON
@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(2, 40))
def test_hops_are_those_of_a_walk_over_shared_rows(seed, n_row, n_site):
    program, rows = program_of(seed, n_row, n_site, is_even=True, least=2)
    n = program.n_site
    hops = find_landmarks(program, np.random.default_rng(seed))
    assert hops.shape == (min(24, n), n)
    for line in hops:
        begin = int(np.flatnonzero(line == 0)[0])
        seen, front, k = {begin}, {begin}, 0
        while front:
            assert {int(line[j]) for j in front} == {k}
            front = {j for j in range(n) if j not in seen and any(rows[j] & rows[f] for f in front)}
            seen |= front
            k += 1
        assert {int(line[j]) for j in set(range(n)) - seen} <= {k}


@COMMON
@given(st.integers(0, 10**6), st.integers(2, 25), st.integers(3, 40))
def test_a_child_is_made_of_both_parents(seed, n_row, n_site):
    program, _rows = program_of(seed, n_row, n_site, is_even=True, least=2)
    n = program.n_site
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, n))
    one, other = (np.sort(rng.permutation(n)[:size]) for _ in range(2))
    landmarks = find_landmarks(program, rng)
    taken = []
    for _ in range(30):
        child = splice(one, other, landmarks, rng)
        assert np.unique(child).size == child.size == size
        # what both parts hold is drawn anew, at most as many as the parents share
        assert (~np.isin(child, np.union1d(one, other))).sum() <= np.intersect1d(one, other).size
        assert np.array_equal(splice(one, one, landmarks, rng), one) or size == n
        taken.append(np.isin(child, one).sum())
    if size >= 5 and not np.intersect1d(one, other).size:
        assert size // 5 <= min(taken)
        assert max(taken) <= size - size // 5


@COMMON
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_a_flock_keeps_its_best_and_no_two_alike(seed, most):
    rng = np.random.default_rng(seed)
    flock = Flock(30, most)
    best = -1
    for _ in range(60):
        value = int(rng.integers(0, 1_000))
        kept = flock.put(np.sort(rng.permutation(30)[:10]), value)
        best = max(best, value)
        assert kept or value < best
        assert flock.best() == best
        assert len(flock.plans) == len(flock.values) <= most
    order = flock.first(3)
    assert [flock.values[k] for k in order] == sorted(flock.values, reverse=True)[:3]
    again = flock.plans[order[0]].copy()
    again[0] = (set(range(30)) - set(again.tolist())).pop()
    # one site of ten differs: the same plan, kept only where it is better
    n = len(flock.plans)
    assert not flock.put(np.sort(again), best)
    assert flock.put(np.sort(again), best + 1)
    assert len(flock.plans) == n
    assert max(flock.values) == best + 1


@COMMON
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(2, 10), st.booleans())
def test_a_merged_plan_is_the_best_of_the_united_sites(seed, n_row, n_site, is_even):
    program, rows = program_of(seed, n_row, n_site, is_even=is_even)
    rng = np.random.default_rng(seed)
    plans = [fill(program, rng) for _ in range(2)]
    united = np.flatnonzero(plans[0] | plans[1])
    best = best_worth(program, rows, united.tolist())
    merged, free = merge_plans(program, plans[0], plans[1:], 0.0)
    assert free == united.size
    assert not merged[~(plans[0] | plans[1])].any()
    assert program.cost[merged].sum() <= program.budget
    assert worth(program, rows, np.flatnonzero(merged)) == best


@pytest.fixture(scope="module")
def wide():
    """Return a case whose sites overlap far too widely for windows."""
    rng = np.random.default_rng(8)
    xy = rng.uniform(0, 100, (6_000, 2))
    return location.Coverage.from_radius(xy, rng.integers(1, 90, 6_000), xy[:1_200], 9.0)


@pytest.fixture(scope="module")
def wider():
    """Return a case whose linear relaxation is too large to be solved to its end."""
    rng = np.random.default_rng(8)
    xy = rng.uniform(0, 100, (6_000, 2))
    return location.Coverage.from_radius(xy, rng.integers(1, 90, 6_000), xy[:1_200], 13.0)


@pytest.mark.parametrize(
    ("name", "p", "rounds", "stop_after"),
    [("wide", 30, 3, 1), ("wide", 30, 9, 5), ("wider", 15, 9, 5)],
)
def test_stopped_and_resumed_swaps_end_where_an_unbroken_run_ends(
    request, name, p, rounds, stop_after
):
    wide = request.getfixturevalue(name)
    asked = {"gap": 0.0, "sweeps": 2, "passes": rounds, "steps": 200, "seed": 2, "effort": 0}
    whole = location.maximal_covering(wide, p, **asked)
    assert whole.log["rounds"] == rounds
    assert ("linear" in whole.log) == (name == "wide")
    location.verify(wide, whole)
    saved = []
    stopped = location.maximal_covering(
        wide, p, **asked, checkpoint=saved.append,
        stop=lambda: bool(saved) and saved[-1].get("round") == stop_after,
    )  # fmt: skip
    assert saved[-1]["round"] == stop_after
    assert stopped.status == "stopped"
    again = location.maximal_covering(wide, p, **asked, resume=saved[-1])
    assert again.certificate.record_hash == whole.certificate.record_hash


def test_swaps_spend_a_budget_of_uneven_costs(wide):
    cost = np.random.default_rng(3).integers(50, 150, wide.n_site)
    d = location.maximal_covering(
        wide, budget=2_000, cost=cost, gap=0.0, sweeps=8, passes=2, steps=200, effort=0
    )
    assert d.log["rounds"] == 2
    assert cost[d.sites].sum() <= 2_000
    assert d.log["rounded"] < d.value <= d.bound
    location.verify(wide, d, cost=cost)
