"""Existing sites given with the request, beside coverages that were built with them."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.errors import VerificationError

SOLVERS = (
    "backup_covering", "backup_set_covering", "capacitated_facility", "capacitated_p_median",
    "covering_with_floors", "curve", "flow_refueling", "maximal_covering", "maximal_covering_over",
    "p_center", "p_dispersion", "p_median", "partial_set_covering", "set_covering",
    "uncapacitated_facility",
)  # fmt: skip


def lists_of(rng, n_row=40, n_site=12):
    """Return lists of 1 to 4 sites for each row."""
    sizes = rng.integers(1, 5, n_row)
    indices = np.concatenate([rng.choice(n_site, k, replace=False) for k in sizes])
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    return indptr, indices.astype(np.int32), rng.integers(0, 9, n_row)


def built(lists, existing=None, n_site=12):
    indptr, indices, weight = lists
    return location.Coverage.from_csr(indptr, indices, weight, n_site, existing=existing)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_takes_existing_and_forbidden_sites(name):
    names = inspect.signature(getattr(location, name)).parameters
    assert {"existing", "forbidden"} <= set(names)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), n_old=st.integers(0, 12), n_before=st.integers(0, 3))
def test_a_coverage_with_more_sites_is_the_one_built_with_them(seed, n_old, n_before):
    rng = np.random.default_rng(seed)
    lists = lists_of(rng)
    before, more = np.zeros(12, bool), np.zeros(12, bool)
    before[rng.choice(12, n_before, replace=False)] = True
    more[rng.choice(12, n_old, replace=False)] = True
    one, two = built(lists, before).with_existing(more), built(lists, before | more)
    for name in ("row_indptr", "row_indices", "weight", "row_of", "raw_weight", "existing"):
        mine, theirs = getattr(one, name), getattr(two, name)
        assert mine.dtype == theirs.dtype, name
        np.testing.assert_array_equal(mine, theirs, err_msg=name)
    assert (one.base_value, one.total_value) == (two.base_value, two.total_value)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_plans_are_those_of_the_coverage_built_with_the_sites(seed):
    rng = np.random.default_rng(seed)
    lists = lists_of(rng)
    old, banned = np.zeros(12, bool), np.zeros(12, bool)
    old[rng.choice(12, 3, replace=False)] = True
    banned[rng.choice(12, 2, replace=False)] = True
    whole = built(lists)
    with_old = built(lists, old)
    group, floor = np.arange(40) % 2, np.array([5, 0])
    calls = (
        ("maximal_covering", {"p": 3, "gap": 0.0}),
        ("covering_with_floors", {"p": 3, "group": group, "floor": floor, "gap": 0.0}),
        ("partial_set_covering", {"share": 0.6}),
        ("set_covering", {"leave_unreachable": True}),
    )
    for name, asked in calls:
        solve = getattr(location, name)
        d = solve(whole, existing=old, forbidden=banned, **asked)
        twin = solve(with_old, forbidden=banned, **asked)
        assert (d.value, d.bound, d.base_value) == (twin.value, twin.bound, twin.base_value), name
        np.testing.assert_array_equal(d.sites, twin.sites, err_msg=name)
        assert not old[d.sites].any()
        told = {"group": group, "floor": floor} if "group" in asked else {}
        location.verify(whole, d, existing=old, forbidden=banned, **told)
        with pytest.raises(VerificationError):
            location.verify(whole, d, forbidden=banned, **told)
        other = np.roll(old, 1)
        with pytest.raises(VerificationError):
            location.verify(whole, d, existing=other, forbidden=banned, **told)


def test_the_curve_takes_them_too():
    lists = lists_of(np.random.default_rng(3))
    old = np.arange(12) < 2
    for d, twin in zip(
        location.curve(built(lists), [1, 2, 4], existing=old),
        location.curve(built(lists, old), [1, 2, 4]),
        strict=True,
    ):
        assert (d.value, d.bound) == (twin.value, twin.bound)
        location.verify(built(lists), d, existing=old)


def test_a_mask_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"existing must have shape \(12,\)"):
        location.maximal_covering(
            built(lists_of(np.random.default_rng(0))), 2, existing=np.ones(3, bool)
        )
