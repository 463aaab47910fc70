"""Backup and gradual cover: small plans are the best there are, and every bound is proven."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location.backup import backup_covering, backup_set_covering
from groundplan.engine.location.certificate import verify_maximal as verify
from groundplan.engine.location.check_cover import verify_backup
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.gradual import gradual_coverage
from groundplan.engine.location.solve import maximal_covering
from groundplan.errors import InfeasibleError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=50)


def coverage_of(lists, n_site):
    return Coverage.from_csr(
        np.cumsum([0, *map(len, lists)]),
        np.array([j for sites in lists for j in sorted(sites)], np.int32),
        np.ones(len(lists), np.int64),
        n_site,
    )


@st.composite
def problems(draw, least=0):
    n, m = draw(st.integers(1, 10)), draw(st.integers(1, 7))
    lists = draw(st.lists(st.sets(st.integers(0, m - 1), min_size=least), min_size=n, max_size=n))
    deep = draw(st.integers(1, 3))
    level = np.array(
        [draw(st.lists(st.integers(0, 20), min_size=n, max_size=n)) for _ in range(deep)]
    )
    existing = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    forbidden = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(
        st.booleans()
    )
    return lists, -np.sort(-level, axis=0), existing, forbidden


def plans(existing, forbidden, p):
    new = np.flatnonzero(~existing & ~forbidden).tolist()
    for k in range(min(p, len(new)) + 1):
        yield from combinations(new, k)


@SETTINGS
@given(problems(), st.integers(0, 4))
def test_backup_equals_enumeration(problem, p):
    lists, level, existing, forbidden = problem
    old = set(np.flatnonzero(existing).tolist())
    coverage = coverage_of(lists, existing.size)
    d = backup_covering(
        coverage, level, p, existing=existing, forbidden=forbidden, steps=100, sweeps=20
    )
    best = max(
        sum(int(level[: len(cover & (old | set(plan))), i].sum()) for i, cover in enumerate(lists))
        for plan in plans(existing, forbidden, p)
    )
    assert d.value == best
    assert d.status == "optimal"
    options = {"level_weight": level, "existing": existing, "forbidden": forbidden}
    assert verify_backup(coverage, d, **options)["bound"] >= d.bound >= d.value
    with pytest.raises(VerificationError):
        verify_backup(coverage, replace(d, value=d.value + 1), **options)
    row = d.certificate.prices["row"].copy()
    row[0] += 1
    forged = replace(d, certificate=replace(d.certificate, prices={"row": row}))
    with pytest.raises(VerificationError):
        verify_backup(coverage, forged, **options)


@SETTINGS
@given(problems(least=1))
def test_backup_set_covering_equals_enumeration(problem):
    lists, _level, existing, forbidden = problem
    old = set(np.flatnonzero(existing).tolist())
    coverage = coverage_of(lists, existing.size)
    found: dict[int, int] = {}
    for plan in plans(existing, forbidden, existing.size):
        mine = old | set(plan)
        if all(cover & mine for cover in lists):
            twice = sum(len(cover & mine) >= 2 for cover in lists)
            found[len(plan)] = max(found.get(len(plan), 0), twice)
    if not found:
        with pytest.raises(InfeasibleError, match="rows have no site"):
            backup_set_covering(coverage, existing=existing, forbidden=forbidden)
        return
    d = backup_set_covering(coverage, existing=existing, forbidden=forbidden, steps=100, sweeps=20)
    assert (d.sites.size, d.value) == (min(found), found[min(found)])
    assert d.status == "optimal"
    assert d.log["covering_status"] == "optimal"
    verify_backup(coverage, d, existing=existing, forbidden=forbidden)


def test_requests_that_contradict_themselves_are_refused():
    coverage = coverage_of([{0}, {1}], 2)
    with pytest.raises(ValueError, match="they do in row 1"):
        backup_covering(coverage, np.array([[1, 1], [1, 2]]), 1)
    with pytest.raises(InfeasibleError, match="2 sites at least are needed"):
        backup_set_covering(coverage, p=1)
    stands = Coverage.from_csr(
        np.array([0, 1]), np.array([0]), np.ones(1, np.int64), 1, existing=np.array([True])
    )
    with pytest.raises(ValueError, match="give existing= here"):
        backup_covering(stands, np.ones((1, 1), np.int64), 1)


@pytest.mark.parametrize("seed", range(8))
def test_gradual_cover_equals_enumeration(seed):
    rng = np.random.default_rng(seed)
    demand, site = rng.uniform(0, 10, (30, 2)), rng.uniform(0, 10, (7, 2))
    weight = rng.integers(1, 50, 30)
    reach, worth = np.array([1.0, 2.0, 3.5]), np.array([100, 60, 20])
    existing = np.arange(7) == 2
    coverage = gradual_coverage(demand, weight, site, reach, worth, existing=existing)
    d = maximal_covering(coverage, 2, gap=0.0)
    distance = np.hypot(*(demand[:, None] - site[None]).transpose(2, 0, 1))
    best = max(
        int(
            (
                weight * np.append(worth, 0)[np.searchsorted(reach, distance[:, [2, *plan]].min(1))]
            ).sum()
        )
        for plan in combinations([0, 1, 3, 4, 5, 6], 2)
    )
    assert d.value == best
    assert verify(coverage, d)["value"] == best
    with pytest.raises(ValueError, match="worth must fall"):
        gradual_coverage(demand, weight, site, reach, worth[::-1])
