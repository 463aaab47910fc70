"""The location engine against naive twins: coverage, optimum, certificate, threads, resume."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.errors import VerificationError

COMMON = settings(deadline=None, derandomize=True, max_examples=30)


def instance(seed: int, n_row: int, n_site: int, n_layer: int = 2):
    rng = np.random.default_rng(seed)
    return {
        "demand_xy_m": np.round(rng.uniform(0, 20, (n_row, 2))),
        "weight": rng.integers(0, 50, n_row),
        "site_xy_m": np.round(rng.uniform(0, 20, (n_site, 2))),
        "radius_m": rng.choice([2.0, 3.0, 5.0], n_site),
        "existing": rng.random(n_site) < 0.2,
        "demand_layer": rng.integers(0, n_layer, n_row).astype(np.int8),
        "site_layer": rng.integers(0, n_layer, n_site).astype(np.int8),
    }


def build(case):
    rest = {k: v for k, v in case.items() if k not in {"demand_xy_m", "weight"}}
    site, radius = rest.pop("site_xy_m"), rest.pop("radius_m")
    return location.Coverage.from_radius(case["demand_xy_m"], case["weight"], site, radius, **rest)


def naive_sets(case) -> list[set[int]]:
    out = []
    for j, (sx, sy) in enumerate(case["site_xy_m"]):
        r2 = case["radius_m"][j] ** 2
        out.append(
            {
                i
                for i, (x, y) in enumerate(case["demand_xy_m"])
                if case["demand_layer"][i] == case["site_layer"][j]
                and (x - sx) ** 2 + (y - sy) ** 2 <= r2
            }
        )
    return out


def served(case, sets, sites) -> int:
    reached = set().union(*(sets[j] for j in sites)) if len(sites) else set()
    return sum(int(case["weight"][i]) for i in reached)


@COMMON
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 12))
def test_coverage_equals_its_naive_twin(seed, n_row, n_site):
    case = instance(seed, n_row, n_site)
    cov, sets = build(case), naive_sets(case)
    old = set(np.flatnonzero(case["existing"]).tolist())
    constant = set().union(*(sets[j] for j in old)) if old else set()
    assert cov.base_value == sum(int(case["weight"][i]) for i in constant)
    for i in range(n_row):
        mine = {j for j in range(n_site) if i in sets[j]} - old
        if i in constant:
            assert cov.row_of[i] == -2
        elif not mine:
            assert cov.row_of[i] == -1
        else:
            g = cov.row_of[i]
            listed = cov.row_indices[cov.row_indptr[g] : cov.row_indptr[g + 1]]
            assert listed.tolist() == sorted(mine)
    for j in range(n_site):
        rows = cov.site_indices[cov.site_indptr[j] : cov.site_indptr[j + 1]]
        back = [g for g in range(cov.weight.size)
                if j in cov.row_indices[cov.row_indptr[g] : cov.row_indptr[g + 1]]]  # fmt: skip
        assert rows.tolist() == back
    assert cov.weight.sum() == case["weight"][cov.row_of >= 0].sum()


@COMMON
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(2, 9), st.integers(0, 4))
def test_count_meets_the_enumerated_optimum_and_bound_holds(seed, n_row, n_site, p):
    case = instance(seed, n_row, n_site)
    cov, sets = build(case), naive_sets(case)
    old = np.flatnonzero(case["existing"]).tolist()
    new = [j for j in range(n_site) if j not in old]
    best = max(
        served(case, sets, [*old, *pick])
        for k in range(min(p, len(new)) + 1)
        for pick in combinations(new, k)
    )
    d = location.maximal_covering(cov, p, seed=1)
    assert d.value == best == served(case, sets, [*old, *d.sites.tolist()])
    assert d.bound >= best
    assert len(d.sites) <= p
    assert not set(d.sites.tolist()) & set(old)
    location.verify(cov, d)
    location.verify_radius(
        case["demand_xy_m"], case["weight"], case["demand_layer"], case["site_xy_m"],
        case["site_layer"], case["radius_m"], case["existing"], sites=d.sites,
        certificate=d.certificate,
    )  # fmt: skip


@COMMON
@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(2, 8), st.integers(0, 25))
def test_budget_meets_the_enumerated_optimum_and_bound_holds(seed, n_row, n_site, budget):
    case = instance(seed, n_row, n_site)
    cov, sets = build(case), naive_sets(case)
    cost = np.random.default_rng(seed + 1).integers(1, 10, n_site)
    forbidden = np.random.default_rng(seed + 2).random(n_site) < 0.2
    old = np.flatnonzero(case["existing"]).tolist()
    new = [j for j in range(n_site) if j not in old and not forbidden[j]]
    best = max(
        served(case, sets, [*old, *pick])
        for k in range(len(new) + 1)
        for pick in combinations(new, k)
        if cost[list(pick)].sum() <= budget
    )
    d = location.maximal_covering(cov, budget=budget, cost=cost, forbidden=forbidden, seed=1)
    assert d.value == best
    assert d.bound >= best
    assert cost[d.sites].sum() <= budget
    location.verify(cov, d, cost=cost, forbidden=forbidden)


@pytest.fixture(scope="module")
def decided():
    rng = np.random.default_rng(5)
    case = {
        "demand_xy_m": rng.uniform(0, 4000, (20_000, 2)),
        "weight": rng.integers(1, 90, 20_000),
        "site_xy_m": rng.uniform(0, 4000, (3_000, 2)),
        "radius_m": rng.choice([40.0, 70.0], 3_000),
        "existing": rng.random(3_000) < 0.1,
        "demand_layer": np.zeros(20_000, np.int8),
        "site_layer": np.zeros(3_000, np.int8),
    }
    cov = build(case)
    return case, cov, location.maximal_covering(cov, 200, gap=0.0, sweeps=40, seed=3)


def check(case, decision):
    location.verify_radius(
        case["demand_xy_m"], case["weight"], case["demand_layer"], case["site_xy_m"],
        case["site_layer"], case["radius_m"], case["existing"], sites=decision.sites,
        certificate=decision.certificate,
    )  # fmt: skip


def test_every_tampering_is_found(decided):
    case, cov, d = decided
    check(case, d)
    c = d.certificate
    price = c.prices["row"].copy()
    price[int(np.flatnonzero(cov.row_of >= 0)[7])] ^= 1
    other = d.sites.copy()
    other[0] = next(j for j in range(3000) if j not in set(d.sites) and not case["existing"][j])
    spoilt = [
        replace(d, certificate=replace(c, value=c.value + 1)),
        replace(d, certificate=replace(c, bound_numerator=c.bound_numerator - 1)),
        replace(d, certificate=replace(c, parameters={"p": 199})),
        replace(d, certificate=replace(c, prices={**c.prices, "row": price})),
        replace(d, certificate=replace(c, input_hash="0" * 64)),
        replace(d, certificate=replace(c, record_hash="0" * 64)),
        replace(d, certificate=replace(c, prices={**c.prices, "budget": np.array([1])})),
        replace(d, certificate=replace(c, denominator=1024)),
        replace(d, certificate=replace(c, form="p_median")),
        replace(d, sites=other),
        replace(d, sites=d.sites[1:]),
    ]
    for wrong in spoilt:
        with pytest.raises(VerificationError):
            check(case, wrong)
    moved = {**case, "radius_m": case["radius_m"] + 1e-9}
    with pytest.raises(VerificationError, match="inputs hash"):
        check(moved, d)
    heavier = {**case, "weight": case["weight"] + 1}
    with pytest.raises(VerificationError):
        check(heavier, d)


def test_resume_ends_where_an_unbroken_run_ends(decided):
    _case, cov, whole = decided
    saved = []

    def keep(state):
        saved.append({k: v.copy() if hasattr(v, "copy") else v for k, v in state.items()})

    for cut in (1, 3, 12):
        saved.clear()
        stopped = location.maximal_covering(
            cov,
            200,
            gap=0.0,
            sweeps=40,
            seed=3,
            checkpoint=keep,
            stop=lambda n=cut: len(saved) >= n,
        )
        assert stopped.bound >= stopped.value
        location.verify(cov, stopped)
        again = location.maximal_covering(cov, 200, gap=0.0, sweeps=40, seed=3, resume=saved[-1])
        assert again.value == whole.value
        assert np.array_equal(again.sites, whole.sites)
        assert again.certificate.record_hash == whole.certificate.record_hash


def test_windows_go_on_as_they_would_have():
    rng = np.random.default_rng(1)
    demand, site = rng.uniform(0, 1000, (6000, 2)), rng.uniform(0, 1000, (5000, 2))
    cov = location.Coverage.from_radius(demand, rng.integers(1, 30, 6000), site, 9.0)
    asked = {"gap": 0.0, "effort": 0, "steps": 200, "passes": 12, "seed": 1}
    states = []
    location.maximal_covering(cov, 900, **asked, checkpoint=states.append)
    passes = [k for k, state in enumerate(states) if state["phase"] == "windows"]
    # what a run learnt on its way, and a state must carry: that wider windows are worth their time
    assert states[-1]["widest"] > states[0].get("widest", 1)
    for k in (passes[1], passes[-3]):
        again = []
        location.maximal_covering(cov, 900, **asked, checkpoint=again.append, resume=states[k])
        for told, expected in zip(again, states[k + 1 :], strict=True):
            for key in ("pass", "level", "lifted", "widest", "passes", "best_value"):
                assert int(told[key]) == int(expected[key]), key
            assert np.array_equal(told["chosen"], expected["chosen"])


def test_a_lift_cut_short_is_done_anew():
    rng = np.random.default_rng(1)
    demand, site = rng.uniform(0, 1000, (20_000, 2)), rng.uniform(0, 1000, (5000, 2))
    cov = location.Coverage.from_radius(demand, rng.integers(1, 30, 20_000), site, 13.0)
    asked = {"gap": 0.0, "effort": 0, "steps": 200, "passes": 6, "seed": 1}
    seen, saved = [], []

    def tell(stage, *_rest):
        seen.append(stage)

    whole = location.maximal_covering(cov, 700, **asked)
    # told to stop at the first report of a lift that would have gone on
    location.maximal_covering(
        cov, 700, **asked, progress=tell, checkpoint=saved.append,
        stop=lambda: "tiles" in seen,
    )  # fmt: skip
    assert seen.count("tiles") == 1
    again = location.maximal_covering(cov, 700, **asked, resume=saved[-1])
    assert again.certificate.record_hash == whole.certificate.record_hash


def test_threads_change_nothing():
    code = (
        "import numpy as np; from groundplan import location; r = np.random.default_rng(2);"
        "c = location.Coverage.from_radius(r.uniform(0, 9000, (40000, 2)),"
        " r.integers(1, 9, 40000), r.uniform(0, 9000, (6000, 2)), 90.0);"
        "d = location.maximal_covering(c, 300, gap=0.0, sweeps=30, steps=80, seed=4);"
        "print(d.certificate.record_hash)"
    )
    out = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "GROUNDPLAN_THREADS": n},
        ).stdout
        for n in ("1", "2", "3")
    }  # fmt: skip
    assert len(out) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.array([1.5, 2.0])}, "whole numbers"),
        ({"weight": np.array([1, -2])}, ">= 0"),
        ({"weight": np.array([1])}, "shape"),
        ({"demand_xy_m": np.array([[0.0, np.nan], [1, 1]])}, "finite"),
        ({"radius_m": np.array([-1.0])}, "radius_m must be >= 0"),
    ],
)
def test_impossible_inputs_are_named(change, message):
    good = {
        "demand_xy_m": np.zeros((2, 2)), "weight": np.array([1, 2]),
        "site_xy_m": np.zeros((1, 2)), "radius_m": np.array([1.0]),
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        location.Coverage.from_radius(**{**good, **change})


def test_a_request_that_contradicts_itself_is_named():
    cov = location.Coverage.from_csr(np.array([0, 1]), np.array([0], np.int32), np.array([3]), 1)
    for request, message in (
        ({}, "either p or budget"),
        ({"p": 1, "budget": 2}, "either p or budget"),
        ({"p": -1}, "p must be >= 0"),
        ({"budget": 3}, "needs cost"),
        ({"budget": 3, "cost": np.array([0])}, "> 0"),
    ):
        with pytest.raises(ValueError, match=message):
            location.maximal_covering(cov, **request)


def test_a_cost_matrix_gives_what_its_csr_gives():
    cost = np.array([[1.0, 9.0], [2.0, 2.0], [9.0, 9.0]])
    cov = location.Coverage.from_cost_matrix(cost, np.array([5, 6, 7]), 2.0)
    d = location.maximal_covering(cov, 1)
    assert (d.value, d.sites.tolist(), cov.row_of.tolist()) == (11, [0], [0, 1, -1])
