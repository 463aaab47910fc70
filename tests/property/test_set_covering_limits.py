"""Set covering within limits on sites of a group, against every plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from groundplan.engine.location import cover_limits
from groundplan.engine.location.check_cover_limits import ENDLESS, exchanges
from groundplan.engine.location.check_limits import Limits, most_within
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.setcover import set_covering
from groundplan.engine.location.verifying import verify
from groundplan.errors import InfeasibleError, StoppedError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=60)


def coverage_of(lists, n_site, existing=None):
    return Coverage.from_csr(
        np.cumsum([0, *map(len, lists)]),
        np.array([j for sites in lists for j in sorted(sites)], np.int32),
        np.ones(len(lists), np.int64), n_site, existing=existing,
    )  # fmt: skip


@st.composite
def problems(draw):
    n, m, n_group = draw(st.integers(1, 12)), draw(st.integers(1, 8)), draw(st.integers(1, 3))
    lists = draw(st.lists(st.sets(st.integers(0, m - 1), min_size=1), min_size=n, max_size=n))
    if draw(st.booleans()):
        cost = np.array(draw(st.lists(st.floats(0.1, 9.0), min_size=m, max_size=m)))
    else:
        cost = np.array(draw(st.lists(st.integers(0, 9), min_size=m, max_size=m)), np.int64)
    group = np.array(draw(st.lists(st.integers(-1, n_group - 1), min_size=m, max_size=m)))
    old = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    out = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    least = np.array(draw(st.lists(st.integers(0, 2), min_size=n_group, max_size=n_group)))
    most = least + np.array(draw(st.lists(st.integers(0, 2), min_size=n_group, max_size=n_group)))
    return lists, cost, old, out, {"site_group": group, "least": least, "most": most}


def cheapest(lists, cost, old, out, limits):
    """Return the least cost of all plans, by trying them; None where no plan keeps the limits."""
    standing = set(np.flatnonzero(old).tolist())
    new = np.flatnonzero(~old & ~out).tolist()
    low, high, group = limits["least"], limits["most"], limits["site_group"]
    best = None
    for k in range(len(new) + 1):
        for plan in combinations(new, k):
            sites = standing | set(plan)
            held = np.array([sum(group[j] == g for j in sites) for g in range(low.size)])
            if (held < low).any() or (held > high).any() or not all(c & sites for c in lists):
                continue
            value = float(cost[list(plan)].sum())
            best = value if best is None else min(best, value)
    return best


@SETTINGS
@given(problems())
def test_equals_enumeration(problem):
    lists, cost, old, out, limits = problem
    coverage = coverage_of(lists, cost.size, old)
    best = cheapest(*problem)
    if best is None:
        with pytest.raises(InfeasibleError):
            set_covering(coverage, cost, forbidden=out, rounds=4, **limits)
        return
    d = set_covering(coverage, cost, forbidden=out, rounds=4, **limits)
    assert d.value == pytest.approx(best, rel=1e-12)
    assert d.status == "optimal"
    seen = verify(coverage, d, cost=cost, forbidden=out, **limits)
    assert seen["value"] == d.value
    assert seen["bound"] <= d.bound


@SETTINGS
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 3))
def test_a_change_of_one_site_loses_what_is_said(seed, n, n_group):
    rng = np.random.default_rng(seed)
    group, gain = rng.integers(0, n_group + 1, n), rng.integers(-9, 30, n)
    size = np.bincount(group, minlength=n_group + 1)
    least = np.append(np.minimum(rng.integers(0, 3, n_group), size[:-1]), 0)
    limits = Limits(group, least, least + np.append(rng.integers(0, 3, n_group), n))
    taken, loss = exchanges(limits, group, gain)
    best = most_within(limits, group, gain, None)
    assert gain[taken].sum() == best
    assert limits.keeps(taken)
    for j in range(n):
        others = [
            gain[list(plan)].sum()
            for k in range(n + 1)
            for plan in combinations(range(n), k)
            if limits.keeps(np.array(plan, np.int64)) and (j in plan) is not bool(taken[j])
        ]
        if others:
            assert best - max(others) == loss[j]
        else:
            assert loss[j] >= ENDLESS - 100


def country(n=900, m=160, seed=1, reach=22.0):
    rng = np.random.default_rng(seed)
    rows, sites = rng.uniform(0, 200, (n, 2)), rng.uniform(0, 200, (m, 2))
    coverage = Coverage.from_radius(rows, np.ones(n, np.int64), sites, reach)
    return coverage, np.minimum(3, sites[:, 0] // 50).astype(np.int64), rng.integers(5, 30, m)


def relaxed(coverage, cost, limits):
    """Return the least cost where sites may be taken in part."""
    known = np.diff(coverage.row_indptr) > 0
    shape = (known.size, cost.size)
    ones = np.ones(coverage.row_indices.size)
    reach = sparse.csr_matrix((ones, coverage.row_indices, coverage.row_indptr), shape)[known]
    group = limits["site_group"]
    of = sparse.csr_matrix((np.ones(group.size), (group, np.arange(group.size))))
    return linprog(
        cost, bounds=(0, 1), A_ub=sparse.vstack([-reach, of, -of]),
        b_ub=np.concatenate([-np.ones(reach.shape[0]), limits["most"], -limits["least"]]),
    ).fun  # fmt: skip


@pytest.mark.parametrize("seed", [1, 3, 6, 11])
def test_prices_come_near_the_linear_relaxation(seed):
    coverage, group, cost = country(2_000, 300, seed, reach=20.0)
    free = set_covering(coverage, cost, leave_unreachable=True, rounds=2)
    held = np.bincount(group[free.sites], minlength=4)
    terms = {
        "site_group": group, "least": np.array([0, 0, 0, held[3] + 2]),
        "most": np.array([held[0] - 1, 300, 300, 300]),
    }  # fmt: skip
    # one round: prices alone
    d = set_covering(coverage, cost, leave_unreachable=True, rounds=1, **terms)
    assert d.bound_by == "prices"
    assert d.bound >= 0.997 * relaxed(coverage, cost, terms)


def test_caps_and_least_numbers_bind_and_every_tampering_is_found():
    coverage, group, cost = country(2_000, 300, reach=20.0)
    asked = {"leave_unreachable": True, "rounds": 6}
    free = set_covering(coverage, cost, **asked)
    held = np.bincount(group[free.sites], minlength=4)
    terms = {
        "site_group": group, "least": np.array([0, 0, 0, held[3] + 2]),
        "most": np.array([held[0] - 1, 99, 99, 99]),
    }  # fmt: skip
    d = set_covering(coverage, cost, **asked, **terms)
    mine = np.bincount(group[d.sites], minlength=4)
    assert mine[0] <= held[0] - 1
    assert mine[3] >= held[3] + 2
    assert d.value > free.value
    assert d.status == "optimal"
    assert d.bound_by == "prices"
    assert "tree_site" in d.certificate.prices
    given = {"cost": cost, **terms}
    assert verify(coverage, d, **given)["bound"] == d.value
    c = d.certificate
    site = c.prices["tree_site"].copy()
    site[0] = -1
    price = c.prices["tree_prices"].copy()
    price[-1] //= 2
    for wrong in (
        replace(d, value=d.value + 1),
        replace(d, sites=d.sites[1:]),
        replace(d, certificate=replace(c, bound_numerator=c.bound_numerator - 1)),
        replace(d, certificate=replace(c, prices={**c.prices, "tree_site": site})),
        replace(d, certificate=replace(c, prices={**c.prices, "tree_prices": price})),
    ):
        with pytest.raises(VerificationError):
            verify(coverage, wrong, **given)
    with pytest.raises(VerificationError, match="limits on groups of sites"):
        verify(coverage, d, cost=cost)
    with pytest.raises(VerificationError, match="0 to 0 are allowed"):
        verify(coverage, d, **{**given, "most": np.array([0, 99, 99, 99])})
    with pytest.raises(VerificationError, match="limits on groups of sites"):
        verify(coverage, free, **given)


def test_every_conflict_is_named():
    lists = [{0}, {1}, {2, 3}, {4, 5}, {0, 4}]
    coverage = coverage_of(lists, 6)
    group = np.array([0, 0, 0, 0, 1, 1])
    with pytest.raises(InfeasibleError) as told:
        set_covering(coverage, site_group=group, most=np.array([2, 0]))
    words = str(told.value)
    assert "1 rows have sites in groups alone that may have no more: rows 3" in words
    assert "group 0: at most 2 new sites, but 3 rows that no two share a site of" in words
    assert "rows 0, 1, 2" in words
    with pytest.raises(InfeasibleError) as told:
        set_covering(coverage, site_group=group, least=np.array([5, 0]), most=np.array([4, 1]))
    assert "group 0: at least 5, at most 4" in str(told.value)
    old = np.zeros(6, bool)
    old[4:] = True
    with pytest.raises(InfeasibleError, match="group 1: at most 1, but 2 sites stand already"):
        set_covering(coverage, existing=old, site_group=group, most=np.array([9, 1]))


def test_caps_that_conflict_only_together_are_found_and_named():
    # five rows in a ring, each pair of neighbours has a site: three sites are needed in all
    lists = [{0, 4}, {0, 1}, {1, 2}, {2, 3}, {3, 4}, {5}]
    group = np.array([0, 1, 0, 1, 0, 2])
    with pytest.raises(InfeasibleError) as told:
        set_covering(coverage_of(lists, 6), site_group=group, most=np.array([1, 1, 1]))
    assert "group 0: at most 1 new sites" in str(told.value)
    assert "group 1: at most 1 new sites" in str(told.value)
    assert "group 2" not in str(told.value)


def test_a_search_that_found_nothing_says_so(monkeypatch):
    # as for problems too large for the integer program
    monkeypatch.setattr(cover_limits, "EXACT_SITES", 0)
    rng = np.random.default_rng(0)
    rows, sites = rng.uniform(0, 100, (2_000, 2)), rng.uniform(0, 100, (600, 2))
    coverage = Coverage.from_radius(rows, np.ones(2_000, np.int64), sites, 10.0)
    group = (sites[:, 0] > 50).astype(np.int64)
    with pytest.raises(StoppedError, match="it is not proven that there is none"):
        set_covering(coverage, site_group=group, most=np.array([20, 20]), stop=lambda: True)
