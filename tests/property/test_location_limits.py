"""Limits on sites of a group against enumeration of every plan, and what must hold for any request."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.floors import covering_with_floors
from groundplan.engine.location.setcover import set_covering
from groundplan.engine.location.solve import maximal_covering
from groundplan.engine.location.verifying import verify
from groundplan.errors import InfeasibleError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=60)


@st.composite
def problems(draw):
    n, m, n_group = draw(st.integers(1, 16)), draw(st.integers(1, 8)), draw(st.integers(1, 3))
    lists = draw(st.lists(st.sets(st.integers(0, m - 1)), min_size=n, max_size=n))
    weight = np.array(draw(st.lists(st.integers(0, 30), min_size=n, max_size=n)), np.int64)
    group = np.array(draw(st.lists(st.integers(-1, n_group - 1), min_size=m, max_size=m)))
    old = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    out = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    least = np.array(draw(st.lists(st.integers(0, 2), min_size=n_group, max_size=n_group)))
    most = least + np.array(draw(st.lists(st.integers(0, 2), min_size=n_group, max_size=n_group)))
    cost = np.array(draw(st.lists(st.integers(1, 9), min_size=m, max_size=m)), np.int64)
    if draw(st.booleans()):
        asked = {"p": draw(st.integers(0, 5))}
    else:
        asked = {"budget": draw(st.integers(0, 25)), "cost": cost}
    return lists, weight, old, out, {"site_group": group, "least": least, "most": most, **asked}


def best_of(lists, weight, old, out, site_group, least, most, p=None, budget=None, cost=None):
    """Return the best value over every plan, None where no plan keeps the limits."""
    standing = set(np.flatnonzero(old).tolist())
    new = np.flatnonzero(~old & ~out).tolist()
    best = None
    for k in range(len(new) + 1 if p is None else min(p, len(new)) + 1):
        for plan in combinations(new, k):
            all_sites = standing | set(plan)
            held = [sum(site_group[j] == g for j in all_sites) for g in range(least.size)]
            if any(not low <= h <= high for h, low, high in zip(held, least, most, strict=True)):
                continue
            if budget is not None and cost[list(plan)].sum() > budget:
                continue
            value = sum(w for c, w in zip(lists, weight.tolist(), strict=True) if c & all_sites)
            best = value if best is None else max(best, value)
    return best


def coverage_of(lists, weight, n_site, old):
    return Coverage.from_csr(
        np.cumsum([0, *map(len, lists)]),
        np.array([j for sites in lists for j in sorted(sites)], np.int32),
        weight, n_site, existing=old,
    )  # fmt: skip


@SETTINGS
@given(problems())
def test_equals_enumeration(problem):
    lists, weight, old, out, asked = problem
    coverage = coverage_of(lists, weight, old.size, old)
    best = best_of(lists, weight, old, out, **asked)
    if best is None:
        with pytest.raises(InfeasibleError):
            maximal_covering(coverage, forbidden=out, gap=0.0, **asked)
        return
    d = maximal_covering(coverage, forbidden=out, gap=0.0, **asked)
    assert d.value == best
    assert d.status == "optimal"
    terms = {k: v for k, v in asked.items() if k not in {"p", "budget"}}
    assert verify(coverage, d, forbidden=out, **terms)["bound_by_prices"] >= best


def plain(n=4_000, m=400, seed=2):
    rng = np.random.default_rng(seed)
    xy, site = rng.uniform(0, 200, (n, 2)), rng.uniform(0, 200, (m, 2))
    weight = np.where(xy[:, 0] < 80, 20, 2) * rng.integers(1, 9, n)
    group = np.minimum(3, site[:, 0] // 50).astype(np.int64)
    return Coverage.from_radius(xy, weight, site, 8.0), group, rng.integers(3, 9, m)


@pytest.mark.parametrize("by", ["p", "budget"])
def test_caps_and_least_numbers_bind_and_every_tampering_is_found(by):
    coverage, group, cost = plain()
    least, most = np.array([0, 0, 0, 50]), np.array([20, 15, 100, 100])
    amount = {"p": 110} if by == "p" else {"budget": 360, "cost": cost}
    terms = {"site_group": group, "least": least, "most": most}
    if by == "budget":
        terms["cost"] = cost
    d = maximal_covering(coverage, gap=0.0, passes=6, **{**amount, **terms})
    held = np.bincount(group[d.sites], minlength=4)
    assert (held >= least).all()
    assert (held <= most).all()
    free = maximal_covering(coverage, gap=0.001, passes=6, **amount)
    assert d.value < free.value
    assert d.gap < 0.01
    found = verify(coverage, d, **terms)
    assert found["value"] == d.value
    price = d.certificate.prices["group"]
    assert price[0] > 0 >= price[3]
    assert price[3] < 0 or by == "budget"
    c = d.certificate
    more = price + np.array([0, 1, 0, 0])
    for wrong in (
        replace(d, value=d.value + 1),
        replace(d, bound=d.bound - 1),
        replace(d, sites=d.sites[1:]),
        replace(d, certificate=replace(c, prices={**c.prices, "group": more})),
        replace(d, certificate=replace(c, prices={**c.prices, "group": price[1:]})),
        replace(d, certificate=replace(c, bound_numerator=c.bound_numerator - 1)),
        replace(d, certificate=replace(c, form="maximal_covering")),
    ):
        with pytest.raises(VerificationError):
            verify(coverage, wrong, **terms)
    with pytest.raises(VerificationError, match="0 to 19 are allowed"):
        verify(coverage, d, **{**terms, "most": np.array([19, 15, 100, 100])})


def test_windows_keep_the_limits_where_nothing_is_solved_to_the_end():
    rng = np.random.default_rng(0)
    xy, site = rng.uniform(0, 400, (30_000, 2)), rng.uniform(0, 400, (4_000, 2))
    coverage = Coverage.from_radius(xy, rng.integers(1, 9, 30_000), site, 7.0)
    group = (site[:, 0] // 100 * 4 + site[:, 1] // 100).astype(np.int64)
    most, least = np.full(16, 22), np.zeros(16, np.int64)
    most[:4], least[4:6] = 10, 22
    terms = {"site_group": group, "least": least, "most": most}
    d = maximal_covering(coverage, 300, gap=0.0, passes=4, effort=0, **terms)
    assert d.log["improved_by"] == "windows"
    verify(coverage, d, **terms)
    assert d.gap < 0.03
    states = []
    maximal_covering(coverage, 300, gap=0.0, passes=4, effort=0, checkpoint=states.append, **terms)
    for state in (states[2], states[-2]):
        again = maximal_covering(coverage, 300, gap=0.0, passes=4, effort=0, resume=state, **terms)
        assert again.certificate.record_hash == d.certificate.record_hash


def test_where_no_window_fits_plans_are_annealed_at_the_prices_of_the_groups():
    rng = np.random.default_rng(0)
    xy, site = rng.uniform(0, 100, (6_000, 2)), rng.uniform(0, 100, (700, 2))
    coverage = Coverage.from_radius(xy, rng.integers(1, 9, 6_000), site, 18.0)
    group = (site[:, 0] >= 50).astype(np.int64)
    terms = {"site_group": group, "most": np.array([3, 20])}
    d = maximal_covering(coverage, 12, gap=0.0, sweeps=60, **terms)
    assert d.log["improved_by"] == "annealing at prices of the groups"
    assert (group[d.sites] == 0).sum() <= 3
    verify(coverage, d, **terms)
    assert d.gap < 0.05


def test_limits_hold_beside_floors_of_demand():
    rng = np.random.default_rng(3)
    xy, site = rng.uniform(0, 100, (2_000, 2)), rng.uniform(0, 100, (120, 2))
    weight = np.where(xy[:, 0] < 50, 20, 1) * rng.integers(1, 9, 2_000)
    group = (xy[:, 0] >= 50).astype(np.int64)
    coverage = Coverage.from_radius(xy, weight, site, 5.0)
    floor = np.array([0, int(weight[group == 1].sum()) // 6])
    limits = {"site_group": (site[:, 1] >= 50).astype(np.int64), "most": np.array([7, 20])}
    asked = {"group": group, "floor": floor, **limits}
    d = covering_with_floors(coverage, 20, **asked)
    assert "shortfall" not in d.log
    assert (limits["site_group"][d.sites] == 0).sum() <= 7
    assert d.value < covering_with_floors(coverage, 20, group=group, floor=floor).value
    assert d.gap < 0.05
    verify(coverage, d, **asked)
    with pytest.raises(VerificationError, match="limits on groups of sites"):
        verify(coverage, d, group=group, floor=floor)
    with pytest.raises(VerificationError, match="6 are allowed"):
        verify(coverage, d, **{**asked, "most": np.array([6, 20])})


def test_every_conflict_is_named():
    coverage, group, cost = plain(m=60)
    old = np.zeros(60, bool)
    old[np.flatnonzero(group == 2)[:3]] = True
    standing = Coverage.from_csr(
        coverage.row_indptr, coverage.row_indices, coverage.weight, 60, existing=old
    )
    n3 = int((group == 3).sum())
    with pytest.raises(InfeasibleError) as told:
        maximal_covering(
            standing, 4, site_group=group, least=np.array([5, 2, 0, n3 + 1]),
            most=np.array([9, 1, 2, 99]),
        )  # fmt: skip
    words = str(told.value)
    assert "group 1: at least 2, at most 1" in words
    assert "group 2: at most 2, but 3 sites stand already" in words
    assert f"group 3: at least {n3 + 1}, but 0 sites stand and {n3} may be chosen" in words
    assert "new sites together, p is 4" in words
    with pytest.raises(InfeasibleError, match="cost at least"):
        maximal_covering(
            coverage, budget=5, cost=cost, site_group=group, least=np.array([2, 2, 2, 2])
        )


@pytest.mark.parametrize(
    ("terms", "word"),
    [
        ({"site_group": np.zeros(59, int), "most": np.array([1])}, "site_group must be whole"),
        ({"site_group": np.full(60, 1), "most": np.array([1])}, r"site_group must lie in -1\.\.0"),
        ({"site_group": np.zeros(60, int)}, "must be given together with least, most or both"),
        ({"most": np.array([1])}, "must be given together with"),
        ({"site_group": np.zeros(60, int), "most": np.array([0.5])}, "most must be whole numbers"),
        ({"site_group": np.zeros(60, int), "least": np.array([-1])}, "least must be whole"),
        (
            {"site_group": np.zeros(60, int), "least": np.array([1]), "most": np.array([1, 2])},
            "one number for each group",
        ),
    ],
)
def test_requests_that_contradict_themselves_are_refused(terms, word):
    coverage, _group, _cost = plain(m=60)
    with pytest.raises(ValueError, match=word):
        maximal_covering(coverage, 3, **terms)
    with pytest.raises(ValueError, match=word):
        set_covering(coverage, leave_unreachable=True, **terms)
