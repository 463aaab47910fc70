"""Limits on sites of a group in p-median and facility location, against every plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.check_limits import Limits, most_within
from groundplan.engine.location.median import p_median, uncapacitated_facility
from groundplan.engine.location.verifying import verify
from groundplan.errors import InfeasibleError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=60)


@st.composite
def problems(draw):
    n, m, n_group = draw(st.integers(1, 9)), draw(st.integers(1, 8)), draw(st.integers(1, 3))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    matrix, weight = rng.integers(0, 60, (n, m)), rng.integers(0, 9, n)
    group = np.array(draw(st.lists(st.integers(-1, n_group - 1), min_size=m, max_size=m)))
    old = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    out = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    least = np.array(draw(st.lists(st.integers(0, 2), min_size=n_group, max_size=n_group)))
    most = least + np.array(draw(st.lists(st.integers(0, 2), min_size=n_group, max_size=n_group)))
    opening = rng.integers(0, 90, m) if draw(st.booleans()) else None
    p = draw(st.integers(0, 5)) if opening is None or draw(st.booleans()) else None
    return matrix, weight, old, out, opening, p, group, least, most


def best_of(matrix, weight, old, out, opening, p, group, least, most):
    """Return the least cost over every plan, None where no plan keeps the limits and serves."""
    standing = np.flatnonzero(old).tolist()
    new = np.flatnonzero(~old & ~out).tolist()
    best = None
    for k in range(len(new) + 1 if p is None else min(p, len(new)) + 1):
        for plan in combinations(new, k):
            sites = [*standing, *plan]
            held = [sum(group[j] == g for j in sites) for g in range(least.size)]
            if not sites or any(
                not low <= h <= high for h, low, high in zip(held, least, most, strict=True)
            ):
                continue
            value = int((weight * matrix[:, sites].min(axis=1)).sum())
            value += 0 if opening is None else int(opening[list(plan)].sum())
            best = value if best is None else min(best, value)
    return best


@SETTINGS
@given(problems())
def test_equals_enumeration(problem):
    matrix, weight, old, out, opening, p, group, least, most = problem
    costs = AssignmentCost.from_matrix(matrix, weight)
    terms = {
        "existing": old, "forbidden": out, "site_group": group, "least": least, "most": most,
    }  # fmt: skip

    def solve():
        if opening is None:
            return p_median(costs, p, rounds=10, **terms)
        return uncapacitated_facility(costs, opening, p=p, rounds=10, **terms)

    best = best_of(*problem)
    if best is None:
        with pytest.raises(InfeasibleError):
            solve()
        return
    d = solve()
    assert d.value == best
    assert d.status == "optimal"
    asked = terms if opening is None else {**terms, "opening_cost": opening}
    assert verify(costs, d, **asked)["bound"] == best


def country(n, m, seed=1):
    rng = np.random.default_rng(seed)
    rows, sites = rng.uniform(0, 100, (n, 2)), rng.uniform(0, 100, (m, 2))
    weight = rng.integers(1, 9, n) * np.where(rows[:, 0] < 40, 9, 1)
    group = np.minimum(3, sites[:, 0] // 25).astype(np.int64)
    return AssignmentCost.from_points(rows, weight, sites), group


@pytest.mark.parametrize(("p", "cap", "low"), [(12, 3, 4), (60, 18, 17)])
def test_caps_and_least_numbers_bind_and_every_tampering_is_found(p, cap, low):
    costs, group = country(1_500, 300)
    least, most = np.array([0, 0, 0, low]), np.array([cap, p, p, p])
    terms = {"site_group": group, "least": least, "most": most}
    d = p_median(costs, p, rounds=40, nodes=60, **terms)
    held = np.bincount(group[d.sites], minlength=4)
    assert held[0] == cap
    assert held[3] >= low
    assert d.value > p_median(costs, p, rounds=40, nodes=60).bound
    assert d.gap < 0.004
    verify(costs, d, **terms)
    c = d.certificate
    with pytest.raises(VerificationError):
        verify(costs, d)
    for wrong in (
        replace(d, bound=d.bound + 1),
        replace(d, certificate=replace(c, bound_numerator=c.bound_numerator + 1)),
    ):
        with pytest.raises(VerificationError):
            verify(costs, wrong, **terms)
    with pytest.raises(VerificationError, match=f"group 0: the plan has {cap} new sites"):
        verify(costs, d, **{**terms, "most": np.array([cap - 1, p, p, p])})


def test_groups_that_may_have_no_site_are_named():
    costs, group = country(50, 40)
    with pytest.raises(InfeasibleError, match="no group may have a site"):
        p_median(costs, 3, site_group=group, most=np.zeros(4, np.int64))


@SETTINGS
@given(st.integers(0, 10_000), st.integers(0, 7), st.integers(1, 3))
def test_the_best_choice_within_limits_is_exact(seed, n, n_group):
    rng = np.random.default_rng(seed)
    group, gain = rng.integers(0, n_group + 1, n), rng.integers(-9, 30, n)
    least = np.append(rng.integers(0, 3, n_group), 0)
    limits = Limits(group, least, least + np.append(rng.integers(0, 3, n_group), n))
    p = int(rng.integers(0, 7)) if rng.random() < 0.8 else None
    best = None
    for k in range(n + 1 if p is None else min(p, n) + 1):
        for plan in combinations(range(n), k):
            if limits.keeps(np.array(plan, np.int64)):
                value = int(gain[list(plan)].sum())
                best = value if best is None else max(best, value)
    assert most_within(limits, group, gain, p) == best
