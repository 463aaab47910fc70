"""Set covering: small plans are the best there are, and every certificate proves what it says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location.check_cover import verify_covering
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.setcover import set_covering
from groundplan.engine.location.setcover_exact import finish
from groundplan.engine.location.setcover_lists import lists_of, reduce
from groundplan.errors import InfeasibleError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=60)


def coverage_of(lists, n_site, existing=None):
    return Coverage.from_csr(
        np.cumsum([0, *map(len, lists)]),
        np.array([j for sites in lists for j in sorted(sites)], np.int32),
        np.ones(len(lists), np.int64),
        n_site,
        existing=existing,
    )


@st.composite
def problems(draw):
    n, m = draw(st.integers(1, 12)), draw(st.integers(1, 8))
    lists = draw(st.lists(st.sets(st.integers(0, m - 1), min_size=1), min_size=n, max_size=n))
    kind = draw(st.sampled_from(["ones", "whole", "even", "fractions"]))
    if kind == "fractions":
        cost = np.array(draw(st.lists(st.floats(0.1, 9.0), min_size=m, max_size=m)))
    else:
        cost = np.array(draw(st.lists(st.integers(0, 9), min_size=m, max_size=m)), np.int64)
        cost = {"ones": np.ones(m, np.int64), "whole": cost, "even": 2 * cost}[kind]
    existing = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m)))
    forbidden = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m)))
    return lists, cost, existing & draw(st.booleans()), forbidden & draw(st.booleans())


def cheapest(lists, cost, existing, forbidden):
    """The least cost of all plans, by trying them; None where none covers."""
    old = set(np.flatnonzero(existing).tolist())
    new = np.flatnonzero(~existing & ~forbidden).tolist()
    plans = (set(c) for k in range(len(new) + 1) for c in combinations(new, k))
    costs = [
        float(cost[sorted(plan)].sum())
        for plan in plans
        if all(cover & (plan | old) for cover in lists)
    ]
    return min(costs, default=None)


@SETTINGS
@given(problems())
def test_equals_enumeration(problem):
    lists, cost, existing, forbidden = problem
    coverage = coverage_of(lists, cost.size, existing)
    best = cheapest(lists, cost, existing, forbidden)
    if best is None:
        with pytest.raises(InfeasibleError, match=r"rows? "):
            set_covering(coverage, cost, forbidden=forbidden)
        return
    d = set_covering(coverage, cost, forbidden=forbidden, rounds=4)
    assert d.value == pytest.approx(best, rel=1e-12)
    assert d.status == "optimal"
    assert d.bound <= d.value
    seen = verify_covering(coverage, d, cost=cost, forbidden=forbidden)
    assert seen["value"] == d.value
    assert seen["bound"] <= d.bound


@SETTINGS
@given(problems())
def test_reductions_keep_the_least_cost(problem):
    lists, cost, _existing, _forbidden = problem
    cost = np.maximum(1, cost.astype(np.int64))
    none = np.zeros(cost.size, bool)
    indptr = np.cumsum([0, *map(len, lists)])
    indices = np.array([j for sites in lists for j in sorted(sites)], np.int32)
    rest = reduce(lists_of(indptr, indices, cost.size), cost)
    left = [
        set(rest.lists.row_indices[a:b].tolist())
        for a, b in zip(rest.lists.row_indptr[:-1], rest.lists.row_indptr[1:], strict=True)
    ]
    n = rest.site.size
    remaining = cheapest(left, cost[rest.site], np.zeros(n, bool), np.zeros(n, bool))
    assert cost[rest.forced].sum() + remaining == cheapest(lists, cost, none, none)


def random_case(seed, n=80, m=60, density=0.08):
    rng = np.random.default_rng(seed)
    lists = [
        set(np.flatnonzero(rng.random(m) < density).tolist()) | {int(rng.integers(m))}
        for _ in range(n)
    ]
    return lists, rng.integers(1, 60, m)


def test_a_tree_of_prices_proves_what_prices_alone_do_not():
    trees = 0
    for seed in range(6):
        lists, cost = random_case(seed)
        coverage = coverage_of(lists, cost.size)
        d = set_covering(coverage, cost)
        assert d.status == "optimal"
        assert verify_covering(coverage, d, cost=cost)["value"] == d.value
        trees += "tree_site" in d.certificate.prices
        if "tree_site" in d.certificate.prices:
            assert d.bound_by == "prices"
            c = d.certificate
            cut = {**c.prices, "tree_prices": c.prices["tree_prices"] // 2}
            forged = replace(d, certificate=replace(c, prices=cut))
            with pytest.raises(VerificationError, match="not closed"):
                verify_covering(coverage, forged, cost=cost)
    assert trees > 0


def test_every_changed_field_is_found():
    lists, cost = random_case(3)
    coverage = coverage_of(lists, cost.size)
    d = set_covering(coverage, cost)
    c = d.certificate
    row = c.prices["row"].copy()
    row[np.argmax(row)] ^= 1
    for name, value in {
        "form": "partial_set_covering",
        "parameters": {**c.parameters, "unreachable": 1},
        "input_hash": "0" * 64,
        "denominator": c.denominator * 2,
        "value": c.value + 1,
        "bound_numerator": c.bound_numerator - 1,
        "record_hash": "0" * 64,
        "prices": {**c.prices, "row": row},
    }.items():
        with pytest.raises((VerificationError, KeyError)):
            verify_covering(
                coverage, replace(d, certificate=replace(c, **{name: value})), cost=cost
            )
    for change in ({"sites": d.sites[1:]}, {"bound": d.bound + 1}, {"value": d.value - 1}):
        with pytest.raises(VerificationError):
            verify_covering(coverage, replace(d, **change), cost=cost)
    dearer = cost.copy()
    dearer[0] += 1
    with pytest.raises(VerificationError, match="cost is not what"):
        verify_covering(coverage, d, cost=dearer)


def test_same_seed_same_answer_whatever_the_threads(monkeypatch):
    rng = np.random.default_rng(5)
    demand, site = rng.uniform(0, 4000, (6000, 2)), rng.uniform(0, 4000, (1800, 2))
    coverage = Coverage.from_radius(demand, np.ones(6000, np.int64), site, 120.0)
    plans = []
    for threads in ("1", "2"):
        monkeypatch.setenv("GROUNDPLAN_THREADS", threads)
        d = set_covering(coverage, leave_unreachable=True, rounds=3)
        plans.append((d.sites.tobytes(), d.bound, d.certificate.record_hash))
    assert plans[0] == plans[1]


def test_rows_without_a_site_are_named():
    coverage = coverage_of([{0}, {1}, {1}, {0, 1}], 2)
    with pytest.raises(InfeasibleError, match=r"2 of 4 rows have no site.*rows 1, 2"):
        set_covering(coverage, forbidden=np.array([False, True]))
    d = set_covering(coverage, forbidden=np.array([False, True]), leave_unreachable=True)
    assert (d.sites.tolist(), d.value, d.log["unreachable"]) == ([0], 1, 2)
    verify_covering(coverage, d, forbidden=np.array([False, True]))


def test_faulty_costs_are_refused():
    coverage = coverage_of([{0, 1}], 2)
    with pytest.raises(ValueError, match=r"cost must be >= 0\. Got -1 for site 1"):
        set_covering(coverage, np.array([1, -1]))
    with pytest.raises(ValueError, match="finite"):
        set_covering(coverage, np.array([1.0, np.nan]))
    with pytest.raises(OverflowError, match="larger unit"):
        set_covering(coverage, np.array([2**40, 1]))


def test_the_check_loads_no_kernel_and_no_solver():
    code = (
        "import sys; import groundplan.engine.location.check_cover; "
        "print([m for m in ('numba', 'highspy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_stopped_search_returns_a_plan_with_a_valid_bound():
    lists, cost = random_case(2, 300, 200, 0.05)
    coverage = coverage_of(lists, cost.size)
    d = set_covering(coverage, cost, stop=lambda: True)
    assert d.status in {"stopped", "optimal"}
    assert verify_covering(coverage, d, cost=cost)["value"] == d.value


def test_prices_of_many_rows_under_one_fractional_cost_are_taken():
    n = 11
    coverage = Coverage.from_csr(np.arange(n + 1), np.zeros(n, np.int32), np.ones(n, np.int64), 1)
    cost = np.array([1.5414844])
    d = set_covering(coverage, cost=cost)
    assert verify_covering(coverage, d, cost=cost)["value"] == pytest.approx(1.5414844)


def wide(n_row, n_site, per_site, seed):
    """Lists of rows that many sites cover, every row by some."""
    rng = np.random.default_rng(seed)
    row = np.concatenate([rng.integers(0, n_row, n_site * per_site), np.arange(n_row)])
    site = np.concatenate([np.repeat(np.arange(n_site), per_site), np.arange(n_row) % n_site])
    key = np.unique(row * n_site + site)
    indptr = np.zeros(n_row + 1, np.int64)
    np.cumsum(np.bincount(key // n_site, minlength=n_row), out=indptr[1:])
    return Coverage.from_csr(
        indptr, (key % n_site).astype(np.int32), np.ones(n_row, np.int64), n_site
    )


def test_an_exact_search_stopped_before_any_bound_keeps_the_plan():
    cover = wide(400, 6_000, 12, 3)
    lists = lists_of(cover.row_indptr, cover.row_indices, 6_000)
    cost = np.random.default_rng(4).integers(1, 100, 6_000)
    every = np.ones(6_000, bool)
    end = finish(lists, cost, every, np.arange(6_000), grain=1, nodes=10, time_limit_s=0.0)
    assert end.value <= cost.sum()
    assert end.bound <= end.value
    assert not end.is_proven


def test_first_prices_leave_time_for_the_search(monkeypatch):
    seconds = iter(range(10**6))
    # every look at the clock costs a second: prices may take their share and no more
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    for module in ("setcover", "setcover_rounds", "setcover_run"):
        monkeypatch.setattr(f"groundplan.engine.location.{module}.time", clock)
    told = []
    set_covering(
        wide(120, 90, 6, 5), time_limit_s=16.0,
        progress=lambda stage, done, *_: told.append((stage, done)),
    )  # fmt: skip
    assert ("search", 1) in told
