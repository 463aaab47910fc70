"""Floors against enumeration of every plan, and what must hold for any request."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location.check_floors import verify_floors
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.floors import covering_with_floors
from groundplan.errors import InfeasibleError, VerificationError


def problem(seed, n_row, n_site, n_group):
    rng = np.random.default_rng(seed)
    lists = [np.flatnonzero(rng.random(n_site) < 0.35) for _ in range(n_row)]
    indptr = np.zeros(n_row + 1, np.int64)
    np.cumsum([x.size for x in lists], out=indptr[1:])
    weight = rng.integers(1, 50, n_row)
    group = rng.integers(0, n_group, n_row)
    return Coverage.from_csr(indptr, np.concatenate(lists), weight, n_site), lists, weight, group


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(6, 30), st.integers(4, 9), st.integers(1, 3))
def test_bound_holds_and_plans_keep_their_floors(seed, n_row, n_site, n_group):
    coverage, lists, weight, group = problem(seed, n_row, n_site, n_group)
    p = 3
    total = np.bincount(group, weight, n_group)
    floor = (0.5 * total).astype(np.int64)
    best = -1
    for plan in combinations(range(n_site), p):
        hit = np.array([np.isin(x, plan).any() for x in lists])
        kept = np.bincount(group[hit], weight[hit], n_group)
        if (kept >= floor).all():
            best = max(best, int(weight[hit].sum()))
    try:
        d = covering_with_floors(coverage, p, group=group, floor=floor, gap=0.0)
    except InfeasibleError:
        assert best < 0
        return
    verify_floors(coverage, d, group=group, floor=floor)
    assert d.bound >= best
    assert d.value == best
    assert d.status == "optimal"


def test_a_floor_moves_the_plan_and_every_tampering_is_found():
    rng = np.random.default_rng(3)
    xy, site = rng.uniform(0, 100, (2_000, 2)), rng.uniform(0, 100, (120, 2))
    weight = np.where(xy[:, 0] < 50, 20, 1) * rng.integers(1, 9, 2_000)
    group = (xy[:, 0] >= 50).astype(np.int64)
    coverage = Coverage.from_radius(xy, weight, site, 5.0)
    far = int(weight[group == 1].sum())
    floor = np.array([0, far // 6])
    d = covering_with_floors(coverage, 20, group=group, floor=floor)
    assert d.status == "optimal"
    assert d.certificate.prices["floor"][1] > 0
    found = verify_floors(coverage, d, group=group, floor=floor)
    assert found["value"] == d.value
    c = d.certificate
    more = c.prices["floor"] + np.array([0, 1])
    for wrong in (
        replace(d, value=d.value + 1),
        replace(d, bound=d.bound - 1),
        replace(d, sites=d.sites[1:]),
        replace(d, certificate=replace(c, prices={**c.prices, "floor": more})),
        replace(d, certificate=replace(c, bound_numerator=c.bound_numerator - 1)),
    ):
        with pytest.raises(VerificationError):
            verify_floors(coverage, wrong, group=group, floor=floor)
    with pytest.raises(VerificationError, match="the floor is"):
        verify_floors(coverage, d, group=group, floor=np.array([0, far]))


def test_a_floor_out_of_reach_is_proven_so_and_named():
    rng = np.random.default_rng(3)
    xy, site = rng.uniform(0, 100, (2_000, 2)), rng.uniform(0, 100, (100, 2))
    group = (xy[:, 0] >= 50).astype(np.int64)
    coverage = Coverage.from_radius(xy, np.ones(2_000, np.int64), site, 5.0)
    floor = np.array([0, int(group.sum())])
    with pytest.raises(InfeasibleError, match="group 1: floor"):
        covering_with_floors(coverage, 3, group=group, floor=floor)


@pytest.mark.parametrize(
    ("group", "floor", "word"),
    [
        (np.zeros(2, np.int64), np.array([1]), "group must be whole numbers of shape"),
        (np.array([0, 1, 2]), np.array([1, 1]), "group must lie in"),
        (np.zeros(3, np.int64), np.array([-1]), "floor must be whole numbers"),
        (np.zeros(3, np.int64), np.array([0.5]), "floor must be whole numbers"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(group, floor, word):
    coverage = Coverage.from_csr(np.array([0, 1, 2, 3]), np.array([0, 1, 0]), np.ones(3, int), 2)
    with pytest.raises(ValueError, match=word):
        covering_with_floors(coverage, 1, group=group, floor=floor)


def test_floors_hold_on_gradual_cover():
    from groundplan.engine.location.gradual import gradual_coverage

    rng = np.random.default_rng(5)
    xy, site = rng.uniform(0, 20, (80, 2)), rng.uniform(0, 20, (8, 2))
    weight, group = rng.integers(1, 9, 80), (xy[:, 0] > 10).astype(np.int64)
    coverage = gradual_coverage(xy, weight, site, [3.0, 7.0], [100, 40])
    # one row for each step: the groups repeat step by step, floors count worth times weight
    groups = np.tile(group, 2)
    far = np.hypot(*(xy[:, None] - site).transpose(2, 0, 1))
    earned = np.where(far <= 3.0, 100, np.where(far <= 7.0, 40, 0))
    floor = np.array([0, int(0.45 * 100 * weight[group == 1].sum())])
    best = -1
    for plan in combinations(range(8), 3):
        got = weight * earned[:, plan].max(axis=1)
        if int(got[group == 1].sum()) >= floor[1]:
            best = max(best, int(got.sum()))
    d = covering_with_floors(coverage, 3, group=groups, floor=floor, gap=0.0)
    verify_floors(coverage, d, group=groups, floor=floor)
    assert best <= d.bound
    assert "shortfall" not in d.log
    assert 0.97 * best <= d.value <= best


def test_one_time_limit_holds_for_all_rounds_of_prices(monkeypatch):
    import time

    from groundplan.engine.location import floors

    asked = []
    inner = floors.maximal_covering

    def spy(coverage, **request):
        asked.append(request["time_limit_s"])
        return inner(coverage, **request)

    monkeypatch.setattr(floors, "maximal_covering", spy)
    monkeypatch.setattr(time, "monotonic", lambda: 10.0 * len(asked))
    rng = np.random.default_rng(3)
    xy, site = rng.uniform(0, 100, (500, 2)), rng.uniform(0, 100, (40, 2))
    group = (xy[:, 0] >= 50).astype(np.int64)
    coverage = Coverage.from_radius(xy, np.where(group == 1, 1, 20), site, 8.0)
    floor = np.array([0, int((group == 1).sum()) // 4])
    floors.covering_with_floors(coverage, 8, group=group, floor=floor, time_limit_s=25.0)
    assert 1 <= len(asked) <= 4
    assert sum(asked) <= 25.0
