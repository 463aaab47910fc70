"""Limits on sites of a group in backup covering, against every plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location import backup_search
from groundplan.errors import InfeasibleError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=60)


def coverage_of(lists, n_site):
    return location.Coverage.from_csr(
        np.cumsum([0, *map(len, lists)]),
        np.array([j for sites in lists for j in sorted(sites)], np.int32),
        np.ones(len(lists), np.int64), n_site,
    )  # fmt: skip


@st.composite
def problems(draw):
    n, m, n_group = draw(st.integers(1, 10)), draw(st.integers(1, 7)), draw(st.integers(1, 3))
    lists = draw(st.lists(st.sets(st.integers(0, m - 1)), min_size=n, max_size=n))
    deep = draw(st.integers(1, 3))
    level = np.array(
        [draw(st.lists(st.integers(0, 20), min_size=n, max_size=n)) for _ in range(deep)]
    )
    old = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    out = np.array(draw(st.lists(st.booleans(), min_size=m, max_size=m))) & draw(st.booleans())
    group = np.array(draw(st.lists(st.integers(-1, n_group - 1), min_size=m, max_size=m)))
    least = np.array(draw(st.lists(st.integers(0, 2), min_size=n_group, max_size=n_group)))
    most = least + np.array(draw(st.lists(st.integers(0, 2), min_size=n_group, max_size=n_group)))
    limits = {"site_group": group, "least": least, "most": most}
    return lists, -np.sort(-level, axis=0), old, out, limits


def best_of(lists, level, old, out, limits, p):
    """Return the largest value of every plan, None where no plan keeps the limits."""
    standing = np.flatnonzero(old).tolist()
    new = np.flatnonzero(~old & ~out).tolist()
    best = None
    for k in range(min(p, len(new)) + 1):
        for plan in combinations(new, k):
            sites = {*standing, *plan}
            held = np.array(
                [
                    sum(limits["site_group"][j] == g for j in sites)
                    for g in range(len(limits["most"]))
                ]
            )
            if (held < limits["least"]).any() or (held > limits["most"]).any():
                continue
            value = sum(int(level[: len(c & sites), i].sum()) for i, c in enumerate(lists))
            best = value if best is None else max(best, value)
    return best


@SETTINGS
@given(problems(), st.integers(0, 5))
def test_equals_enumeration(problem, p):
    lists, level, old, out, limits = problem
    coverage = coverage_of(lists, old.size)
    best = best_of(*problem, p)
    asked = {"existing": old, "forbidden": out, **limits}
    if best is None:
        with pytest.raises(InfeasibleError):
            location.backup_covering(coverage, level, p, **asked)
        return
    d = location.backup_covering(coverage, level, p, steps=100, sweeps=20, **asked)
    assert d.value == best
    assert d.status == "optimal"
    assert location.verify(coverage, d, level_weight=level, **asked)["bound"] >= best


def country(n=3_000, m=240, seed=1):
    rng = np.random.default_rng(seed)
    rows, sites = rng.uniform(0, 200, (n, 2)), rng.uniform(0, 200, (m, 2))
    weight = np.where(rows[:, 0] < 60, 9, 1) * rng.integers(1, 9, n)
    coverage = location.Coverage.from_radius(rows, np.ones(n, np.int64), sites, 15.0)
    return coverage, np.array([weight, weight // 2]), np.minimum(3, sites[:, 0] // 50).astype(int)


@pytest.mark.parametrize("is_solved", [True, False])
def test_caps_and_least_numbers_bind_and_every_tampering_is_found(monkeypatch, is_solved):
    if not is_solved:
        monkeypatch.setattr(backup_search, "ROWS_MAX", 0)
    coverage, level, group = country()
    terms = {
        "site_group": group,
        "least": np.array([0, 0, 0, 9]),
        "most": np.array([9, 40, 40, 40]),
    }
    free = location.backup_covering(coverage, level, 40, gap=0.01)
    d = location.backup_covering(coverage, level, 40, gap=0.001, **terms)
    held = np.bincount(group[d.sites], minlength=4)
    assert held[0] == 9
    assert held[3] >= 9
    assert d.value < free.value
    assert d.gap < 0.02
    given = {"level_weight": level, **terms}
    location.verify(coverage, d, **given)
    c = d.certificate
    row = c.prices["row"].copy()
    row[np.argmax(row)] += 1
    for wrong in (
        replace(d, value=d.value + 1),
        replace(d, sites=d.sites[1:]),
        replace(d, certificate=replace(c, prices={"row": row})),
        replace(d, certificate=replace(c, bound_numerator=c.bound_numerator - 1)),
    ):
        with pytest.raises(VerificationError):
            location.verify(coverage, wrong, **given)
    with pytest.raises(VerificationError, match="limits on groups of sites"):
        location.verify(coverage, d, level_weight=level)
    with pytest.raises(VerificationError, match="limits on groups of sites"):
        location.verify(coverage, free, **given)
    with pytest.raises(VerificationError, match="0 to 8 are allowed"):
        location.verify(coverage, d, **{**given, "most": np.array([8, 40, 40, 40])})


@pytest.mark.parametrize(
    ("terms", "word"),
    [
        ({"site_group": np.zeros(39, int), "most": np.array([1])}, "site_group must be whole"),
        ({"site_group": np.full(40, 1), "most": np.array([1])}, r"site_group must lie in -1\.\.0"),
        ({"site_group": np.zeros(40, int)}, "must be given together with least, most or both"),
        ({"site_group": np.zeros(40, int), "most": np.array([0.5])}, "most must be whole numbers"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(terms, word):
    coverage, level, _group = country(200, 40)
    with pytest.raises(ValueError, match=word):
        location.backup_covering(coverage, level, 9, **terms)
