"""Partial set covering with floors: equals enumeration, every bound proven, conflicts named."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.partial import partial_set_covering
from groundplan.engine.location.verifying import verify
from groundplan.errors import InfeasibleError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=60)


@st.composite
def problems(draw):
    n, m = draw(st.integers(1, 14)), draw(st.integers(1, 7))
    n_group = draw(st.integers(1, 3))
    lists = draw(st.lists(st.sets(st.integers(0, m - 1)), min_size=n, max_size=n))
    weight = np.array(draw(st.lists(st.integers(0, 30), min_size=n, max_size=n)), np.int64)
    group = np.array(draw(st.lists(st.integers(0, n_group - 1), min_size=n, max_size=n)))
    cost = np.array(draw(st.lists(st.integers(0, 9), min_size=m, max_size=m)), np.int64)
    if draw(st.booleans()):
        cost = cost * 0.3
    old = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    out = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    share = Fraction(draw(st.integers(0, 16)), 20)
    parts = [draw(st.integers(0, 16)) for _ in range(n_group)]
    floor = np.array([int(weight[group == g].sum()) * k // 20 for g, k in enumerate(parts)])
    return lists, weight, group, cost, old, out, share, floor


@SETTINGS
@given(problems())
def test_equals_enumeration(problem):
    lists, weight, group, cost, old, out, share, floor = problem
    coverage = Coverage.from_csr(
        np.cumsum([0, *map(len, lists)]),
        np.array([j for sites in lists for j in sorted(sites)], np.int32),
        weight, cost.size, existing=old,
    )  # fmt: skip
    standing = set(np.flatnonzero(old).tolist())
    new = np.flatnonzero(~old & ~out).tolist()
    target = -(-share.numerator * int(weight.sum()) // share.denominator)
    best = None
    for k in range(len(new) + 1):
        for plan in combinations(new, k):
            hit = np.array([bool(c & (standing | set(plan))) for c in lists])
            kept = np.bincount(group[hit], weight[hit], floor.size)
            price = float(cost[list(plan)].sum())
            good = weight[hit].sum() >= target and (kept >= floor).all()
            if good and (best is None or price < best):
                best = price
    asked = {"cost": cost, "forbidden": out, "group": group, "floor": floor}
    if best is None:
        with pytest.raises(InfeasibleError):
            partial_set_covering(coverage, share, **asked)
        return
    d = partial_set_covering(coverage, share, steps=100, sweeps=20, **asked)
    assert d.value == pytest.approx(best, rel=1e-12, abs=1e-12)
    assert d.status == "optimal"
    assert verify(coverage, d, **asked)["bound"] <= d.bound
    with pytest.raises(VerificationError):
        verify(coverage, replace(d, bound=d.bound + 1), **asked)


def town(seed=4, n=2_500, m=150):
    rng = np.random.default_rng(seed)
    xy, site = rng.uniform(0, 60, (n, 2)), rng.uniform(0, 60, (m, 2))
    group = (xy[:, 0] // 20).astype(np.int64)
    weight = np.where(group == 2, 1, 12) * rng.integers(1, 9, n)
    return Coverage.from_radius(xy, weight, site, 6.0), weight, group, rng.integers(5, 30, m)


def test_a_floor_moves_the_plan_and_every_tampering_is_found():
    coverage, weight, group, cost = town()
    total = np.bincount(group, weight).astype(np.int64)
    floor = np.array([0, 0, int(0.7 * total[2])])
    asked = {"cost": cost, "group": group, "floor": floor}
    plain = partial_set_covering(coverage, 0.6, cost, gap=0.1)
    d = partial_set_covering(coverage, 0.6, steps=300, sweeps=100, gap=0.1, **asked)
    assert d.value > plain.bound
    assert d.certificate.prices["floor"][2] > 0
    found = verify(coverage, d, **asked)
    assert found["value"] == d.value
    again = partial_set_covering(coverage, 0.6, steps=300, sweeps=100, gap=0.1, **asked)
    assert again.certificate.record_hash == d.certificate.record_hash
    c = d.certificate
    for wrong in (
        replace(d, value=d.value - 1),
        replace(d, sites=d.sites[1:]),
        replace(d, certificate=replace(c, bound_numerator=c.bound_numerator + 1)),
        replace(d, certificate=replace(c, prices={**c.prices, "floor": c.prices["floor"] + 1})),
        replace(d, certificate=replace(c, prices={**c.prices, "floor": c.prices["floor"][1:]})),
    ):
        with pytest.raises(VerificationError):
            verify(coverage, wrong, **asked)
    with pytest.raises(VerificationError, match=r"group 2: .* the floor is"):
        verify(coverage, d, **{**asked, "floor": np.array([0, 0, int(total[2])])})
    with pytest.raises(VerificationError, match="floors are checked with"):
        verify(coverage, d, cost=cost)
    with pytest.raises(VerificationError, match="floors are checked with"):
        verify(coverage, plain, **asked)


def test_floors_alone_are_a_request_and_zero_floors_change_no_value():
    coverage, weight, group, cost = town()
    total = np.bincount(group, weight).astype(np.int64)
    only = partial_set_covering(coverage, 0, cost, group=group, floor=total // 4, gap=0.3)
    verify(coverage, only, cost=cost, group=group, floor=total // 4)
    assert only.log["floors"] == 3
    none = np.zeros(3, np.int64)
    free = partial_set_covering(coverage, 0.3, cost, group=group, floor=none)
    assert free.value == partial_set_covering(coverage, 0.3, cost).value
    assert free.status == "optimal"


def test_floors_out_of_reach_are_all_named():
    coverage, weight, group, cost = town(m=40)
    total = np.bincount(group, weight).astype(np.int64)
    barred = np.ones(cost.size, bool)
    barred[:3] = False
    with pytest.raises(InfeasibleError) as told:
        partial_set_covering(coverage, 0.9, cost, group=group, floor=total, forbidden=barred)
    words = str(told.value)
    assert "the target is" in words
    for g in range(3):
        assert f"group {g}: floor {total[g]}, at most" in words


def test_group_and_floor_come_together():
    coverage, _weight, group, cost = town(m=20)
    with pytest.raises(ValueError, match="group and floor must be given together"):
        partial_set_covering(coverage, 0.1, cost, group=group)
