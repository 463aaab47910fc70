"""Limits on sites of a group in capacitated problems, against every plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location.check_capacity_limits import best_within
from groundplan.engine.location.check_limits import Limits
from groundplan.errors import InfeasibleError, VerificationError

COMMON = settings(deadline=None, derandomize=True, max_examples=40)
QUICK = {"steps": 200, "tries": 100}


def instance(seed, n_row, n_site):
    rng = np.random.default_rng(seed)
    cost = np.round(rng.uniform(0, 50, (n_row, n_site)), 2)
    cost[rng.random(cost.shape) < 0.1] = np.inf
    cost[:, 0] = np.where(np.isinf(cost).all(axis=1), 9.0, cost[:, 0])
    demand = rng.integers(1, 10, n_row)
    capacity = rng.integers(3, 4 + int(3 * demand.sum() / n_site), n_site)
    fee = np.round(rng.uniform(0, 60, n_site), 1)
    masks = {"existing": rng.random(n_site) < 0.15, "forbidden": rng.random(n_site) < 0.15}
    least = rng.integers(0, 2, 2)
    limits = {
        "site_group": rng.integers(-1, 2, n_site), "least": least,
        "most": least + rng.integers(0, 3, 2),
    }  # fmt: skip
    return (cost, demand, capacity, fee, masks), limits


@pytest.mark.parametrize("single_source", [False, True])
@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(1, 5))
def test_equals_enumeration(best_capacitated, single_source, seed, p):
    rng = np.random.default_rng(seed)
    n, m = (5, 4) if single_source else (int(rng.integers(2, 9)), int(rng.integers(2, 7)))
    case, limits = instance(seed, n, m)
    cost, demand, capacity, fee, masks = case
    if demand.sum() > capacity.sum():
        return
    problem = location.CapacityProblem.from_matrix(cost, demand, capacity, fee)
    best = best_capacitated(case, p, is_whole=single_source, limits=limits)
    asked = {"single_source": single_source, **masks, **limits, **QUICK}
    if not np.isfinite(best):
        with pytest.raises(InfeasibleError):
            location.capacitated_facility(problem, p, **asked)
        return
    d = location.capacitated_facility(problem, p, **asked)
    location.verify(problem, d, **masks, **limits)
    assert d.bound <= best + 1e-7
    assert d.value == pytest.approx(best, rel=1e-9, abs=1e-7)
    assert single_source or d.status == "optimal"


@COMMON
@given(st.integers(0, 10_000), st.integers(0, 7), st.integers(0, 7), st.integers(0, 5))
def test_the_best_choice_of_what_may_open_is_exact(seed, n, at_most, at_least):
    rng = np.random.default_rng(seed)
    group, gain = rng.integers(0, 3, n), rng.integers(-9, 30, n)
    least = np.append(rng.integers(0, 3, 2), 0)
    limits = Limits(group, least, least + np.append(rng.integers(0, 3, 2), n))
    plans = [
        list(plan)
        for k in range(at_least, min(at_most, n) + 1)
        for plan in combinations(range(n), k)
        if limits.keeps(np.array(plan, np.int64))
    ]
    taken = best_within(limits, group, gain, at_most, at_least)
    if not plans:
        assert taken is None
    else:
        assert limits.keeps(taken)
        assert at_least <= taken.sum() <= at_most
        assert gain[taken].sum() == max(gain[plan].sum() for plan in plans)


def country(n, m, seed=1, fee=400.0):
    rng = np.random.default_rng(seed)
    rows, sites = rng.uniform(0, 100, (n, 2)), rng.uniform(0, 100, (m, 2))
    demand = rng.integers(1, 9, n)
    capacity = rng.integers(20, 60, m) * demand.sum() // (8 * m)
    problem = location.CapacityProblem.from_points(rows, sites, demand, capacity, np.full(m, fee))
    return problem, np.minimum(3, sites[:, 0] // 25).astype(np.int64)


@pytest.mark.parametrize(
    ("n", "m", "single_source", "gap"),
    [(200, 40, False, 0.0), (200, 40, True, 0.01), (700, 40, True, 0.02), (4_000, 60, False, 0.02)],
)
def test_caps_and_least_numbers_bind_and_every_tampering_is_found(n, m, single_source, gap):
    problem, group = country(n, m, fee=1.5 * n)
    asked = {"single_source": single_source, "steps": 400, "tries": 100}
    free = location.capacitated_facility(problem, **asked)
    held = np.bincount(group[free.sites], minlength=4)
    terms = {
        "site_group": group, "least": np.array([0, 0, 0, held[3] + 1]),
        "most": np.array([held[0] - 1, m, m, m]),
    }  # fmt: skip
    d = location.capacitated_facility(problem, **asked, **terms)
    mine = np.bincount(group[d.sites], minlength=4)
    assert mine[0] < held[0]
    assert mine[3] > held[3]
    assert d.value > free.bound
    assert d.gap <= max(gap, 1e-9)
    location.verify(problem, d, **terms)
    c = d.certificate
    for wrong in (
        replace(d, value=d.value + 1),
        replace(d, sites=d.sites[1:]),
        replace(d, bound=d.value, gap=0.0, status="optimal", bound_by="prices"),
        replace(d, certificate=replace(c, bound_numerator=c.bound_numerator + 1)),
    ):
        if wrong.bound == d.bound or d.gap > 1e-9:
            with pytest.raises(VerificationError):
                location.verify(problem, wrong, **terms)
    with pytest.raises(VerificationError, match="limits on groups of sites"):
        location.verify(problem, d)
    with pytest.raises(VerificationError, match="limits on groups of sites"):
        location.verify(problem, free, **terms)
    with pytest.raises(VerificationError, match="0 to 0 are allowed"):
        location.verify(problem, d, **{**terms, "most": np.array([0, m, m, m])})


def test_a_median_within_limits():
    problem, group = country(150, 30, fee=0.0)
    free = location.capacitated_p_median(problem, 12, steps=200, tries=50)
    most = np.bincount(group[free.sites], minlength=4)
    most[1] -= 1
    most[2] += 1
    terms = {"site_group": group, "most": most}
    d = location.capacitated_p_median(problem, 12, steps=200, tries=50, **terms)
    assert (np.bincount(group[d.sites], minlength=4) <= most).all()
    assert free.bound <= d.value
    assert d.gap < 0.03
    location.verify(problem, d, **terms)


def test_groups_that_leave_too_little_are_named():
    problem, group = country(50, 20)
    with pytest.raises(InfeasibleError, match="most sites of each group"):
        location.capacitated_facility(problem, site_group=group, most=np.array([1, 0, 0, 0]))
    cost = np.where(np.arange(4)[:, None] == np.arange(4), 1.0, np.inf)
    apart = location.CapacityProblem.from_matrix(cost, np.ones(4, int), np.full(4, 9))
    with pytest.raises(InfeasibleError, match="groups that may have no more sites"):
        location.capacitated_facility(
            apart, site_group=np.array([0, 0, 1, 1]), most=np.array([2, 0])
        )
    with pytest.raises(InfeasibleError, match="limits on the groups of sites"):
        location.capacitated_facility(
            apart, site_group=np.array([0, 0, 1, 1]), most=np.array([2, 1])
        )


@pytest.mark.parametrize("solve", ["capacitated_facility", "capacitated_p_median"])
@pytest.mark.parametrize(
    ("terms", "word"),
    [
        ({"site_group": np.zeros(19, int), "most": np.array([1])}, "site_group must be whole"),
        ({"site_group": np.full(20, 1), "most": np.array([1])}, r"site_group must lie in -1\.\.0"),
        ({"site_group": np.zeros(20, int)}, "must be given together with least, most or both"),
        ({"site_group": np.zeros(20, int), "most": np.array([0.5])}, "most must be whole numbers"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(solve, terms, word):
    problem, _group = country(50, 20)
    with pytest.raises(ValueError, match=word):
        getattr(location, solve)(problem, p=9, **terms)
