"""Partial set covering: small plans are the best there are, and every bound is proven."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location.check_cover import verify_covering
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.partial import partial_set_covering
from groundplan.errors import InfeasibleError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=60)


@st.composite
def problems(draw):
    n, m = draw(st.integers(1, 12)), draw(st.integers(1, 7))
    lists = draw(st.lists(st.sets(st.integers(0, m - 1)), min_size=n, max_size=n))
    weight = draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))
    cost = np.array(draw(st.lists(st.integers(0, 9), min_size=m, max_size=m)), np.int64)
    if draw(st.booleans()):
        cost = cost * 0.3
    existing = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m)))
    forbidden = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m)))
    share = Fraction(draw(st.integers(0, 20)), 20)
    return (
        lists,
        weight,
        cost,
        existing & draw(st.booleans()),
        forbidden & draw(st.booleans()),
        share,
    )


def coverage_of(lists, weight, n_site, existing=None):
    return Coverage.from_csr(
        np.cumsum([0, *map(len, lists)]),
        np.array([j for sites in lists for j in sorted(sites)], np.int32),
        np.array(weight, np.int64),
        n_site,
        existing=existing,
    )


@SETTINGS
@given(problems())
def test_equals_enumeration(problem):
    lists, weight, cost, existing, forbidden, share = problem
    coverage = coverage_of(lists, weight, cost.size, existing)
    old = set(np.flatnonzero(existing).tolist())
    new = np.flatnonzero(~existing & ~forbidden).tolist()
    target = -(-share.numerator * sum(weight) // share.denominator)
    best = min(
        (
            float(cost[list(plan)].sum())
            for k in range(len(new) + 1)
            for plan in combinations(new, k)
            if sum(w for c, w in zip(lists, weight, strict=True) if c & (old | set(plan))) >= target
        ),
        default=None,
    )
    if best is None:
        with pytest.raises(InfeasibleError, match="the target is"):
            partial_set_covering(coverage, share, cost, forbidden=forbidden)
        return
    d = partial_set_covering(coverage, share, cost, forbidden=forbidden, steps=100, sweeps=20)
    assert d.value == pytest.approx(best, rel=1e-12, abs=1e-12)
    assert d.status == "optimal"
    seen = verify_covering(coverage, d, cost=cost, forbidden=forbidden)
    assert seen["bound"] <= d.bound <= d.value
    with pytest.raises(VerificationError):
        verify_covering(coverage, replace(d, bound=d.bound + 1), cost=cost, forbidden=forbidden)


def test_share_is_read_as_the_decimal_it_prints():
    coverage = coverage_of([{0}] * 5 + [{1}] * 5, [1] * 10, 2)
    assert partial_set_covering(coverage, 0.5).value == 1
    assert partial_set_covering(coverage, "0.51").value == 2
    with pytest.raises(ValueError, match=r"share must lie in 0\.\.1. Got 1.5"):
        partial_set_covering(coverage, 1.5)


def test_the_bound_falls_when_the_share_falls_and_the_same_seed_repeats():
    rng = np.random.default_rng(1)
    xy, site = rng.uniform(0, 30, (400, 2)), rng.uniform(0, 30, (60, 2))
    coverage = Coverage.from_radius(xy, rng.integers(1, 100, 400), site, 5.75)
    cost = rng.integers(10, 101, 60)
    found = [partial_set_covering(coverage, s, cost) for s in (0.9, 0.8, 0.6)]
    assert [d.status for d in found] == ["optimal"] * 3
    assert found[0].value >= found[1].value >= found[2].value
    again = partial_set_covering(coverage, 0.8, cost)
    assert again.certificate.record_hash == found[1].certificate.record_hash


def test_rows_that_only_forbidden_sites_reach_do_not_weaken_the_bound():
    # ten rows of site 0, ten of site 1, a heavy one of site 2, which may not be chosen
    coverage = coverage_of([{0}] * 10 + [{1}] * 10 + [{2}], [1] * 20 + [10], 3)
    forbidden = np.array([False, False, True])
    d = partial_set_covering(coverage, "0.6", np.array([3, 4, 1]), forbidden=forbidden)
    assert (d.value, d.bound) == (7, 7)
    assert verify_covering(coverage, d, cost=np.array([3, 4, 1]), forbidden=forbidden) == {
        "value": 7, "base_value": 0, "bound": 7,
    }  # fmt: skip
