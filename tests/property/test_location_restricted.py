"""The best plan made of some sites, and of what is near one, against all choices of them."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location.program import make_program
from groundplan.engine.location.restricted import fill, list_near, search_near, search_sites
from groundplan.engine.location.sweep_run import Effort

COMMON = settings(deadline=None, derandomize=True, max_examples=40)


def never() -> bool:
    return False


def program_of(seed: int, n_row: int, n_site: int, p: int):
    """Return a program of equal costs, and the rows of each site as sets."""
    rng = np.random.default_rng(seed)
    covers = rng.random((n_row, n_site)) < rng.uniform(0.1, 0.6)
    indptr = np.concatenate([[0], np.cumsum(covers.sum(axis=1))]).astype(np.int64)
    coverage = location.Coverage.from_csr(
        indptr, np.nonzero(covers)[1].astype(np.int32), rng.integers(0, 30, n_row), n_site
    )
    every = np.ones(n_site, bool)
    program = make_program(coverage, every, every.astype(np.int64), p)
    begin = program.site_indptr
    rows = [set(program.site_indices[a:b]) for a, b in pairwise(begin)]
    return program, rows


def worth(program, rows, plan) -> int:
    reached = set().union(*(rows[j] for j in plan))
    return sum(int(program.weight[i]) for i in reached)


def best_of(program, rows, sites, p: int) -> int:
    return max(worth(program, rows, pick) for pick in combinations(sites, min(p, len(sites))))


@COMMON
@given(
    st.integers(0, 10**6), st.integers(1, 40), st.integers(2, 10), st.integers(1, 4),
    st.integers(-5, 40),
)  # fmt: skip
def test_a_search_ends_with_the_best_plan_of_the_given_sites(seed, n_row, n_site, p, short):
    program, rows = program_of(seed, n_row, n_site, p)
    assume(program.n_site > 0)
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, program.n_site + 1))
    site = rng.choice(program.n_site, size, replace=False)
    best = best_of(program, rows, site.tolist(), p)
    found = search_sites(program, site, best - short, never)
    assert found.is_exact
    assert found.value == max(best, best - short)
    assert (found.plan is None) == (short <= 0)
    if found.plan is not None:
        assert len(found.plan) <= p
        assert set(found.plan) <= set(site)
        assert worth(program, rows, found.plan) == found.value


@COMMON
@given(st.integers(0, 10**6), st.integers(5, 60), st.integers(6, 12), st.integers(1, 3))
def test_a_search_that_may_keep_few_choices_never_says_too_much(seed, n_row, n_site, cap):
    program, rows = program_of(seed, n_row, n_site, 3)
    assume(program.n_site > 3)
    sites = np.arange(program.n_site)
    best = best_of(program, rows, sites.tolist(), 3)
    found = search_sites(program, sites, best // 2, never, Effort(cap, 10**6))
    if found.plan is not None:
        assert worth(program, rows, found.plan) == found.value > best // 2
    if found.is_exact:
        assert found.value == best


@COMMON
@given(st.integers(0, 10**6), st.integers(5, 60), st.integers(6, 14), st.integers(1, 4))
def test_near_a_plan_are_its_best_swaps(seed, n_row, n_site, many):
    program, rows = program_of(seed, n_row, n_site, 3)
    assume(program.n_site > 3)
    rng = np.random.default_rng(seed)
    plan = np.sort(rng.choice(program.n_site, 3, replace=False))
    near = set(list_near(program, plan, many).tolist())
    assert set(plan) <= near
    others = sorted(set(range(program.n_site)) - set(plan.tolist()))
    for j in plan:
        kept = [k for k in plan if k != j]
        swaps = sorted((worth(program, rows, [*kept, k]) for k in others), reverse=True)
        mine = sorted((worth(program, rows, [*kept, k]) for k in near - set(plan)), reverse=True)
        n = min(many, len(others))
        assert mine[:n] == swaps[:n]


@COMMON
@given(st.integers(0, 10**6), st.integers(20, 80), st.integers(8, 14))
def test_what_a_descent_ends_with_is_the_best_of_small_cases(seed, n_row, n_site):
    program, rows = program_of(seed, n_row, n_site, 3)
    assume(program.n_site > 3)
    rng = np.random.default_rng(seed)
    plan = np.sort(rng.choice(program.n_site, 3, replace=False))
    value = worth(program, rows, plan)
    end, found = search_near(program, plan, value, never)
    assert len(set(end)) == 3
    assert worth(program, rows, end) == found >= value
    # so few sites are all near: nothing is better anywhere
    assert found == best_of(program, rows, range(program.n_site), 3)


def test_places_left_are_filled_with_sites_that_were_not_chosen():
    program, _rows = program_of(3, 40, 9, 4)
    filled = fill(program, np.array([1, 5]), 4)
    assert filled.tolist() == [0, 1, 2, 5]
    assert fill(program, filled, 3) is filled


def test_a_search_that_is_told_to_stop_says_nothing():
    program, _rows = program_of(3, 40, 9, 4)
    end, value = search_near(program, np.arange(4), 0, lambda: True)
    assert end.tolist() == [0, 1, 2, 3]
    assert value == 0
