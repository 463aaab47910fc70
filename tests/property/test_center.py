"""p-centre and p-dispersion against enumeration, and their certificates against tampering."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location import center_search
from groundplan.engine.location.center_halves import count_halves, relax, relax_with_halves
from groundplan.engine.location.center_rows import Rows
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.setcover_lists import lists_of
from groundplan.errors import InfeasibleError, VerificationError

COMMON = settings(deadline=None, derandomize=True, max_examples=30)


def masks_of(rng, m):
    return {"existing": rng.random(m) < 0.2, "forbidden": rng.random(m) < 0.2}


def plans(masks, sizes):
    stand = list(np.flatnonzero(masks["existing"]))
    free = np.flatnonzero(~masks["existing"] & ~masks["forbidden"])
    for k in sizes:
        yield from (list(s) + stand for s in combinations(free, k))


@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(0, 4))
def test_center_equals_enumeration(seed, p):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 25)), int(rng.integers(1, 9))
    rows, sites = (np.round(rng.uniform(0, 20, (k, 2))) for k in (n, m))
    cost, masks = location.AssignmentCost.from_points(rows, None, sites), masks_of(rng, m)
    far = cost.block(0, n)
    found = [far[:, s].min(axis=1).max() for s in plans(masks, range(p + 1)) if s]
    if not found:
        with pytest.raises(InfeasibleError):
            location.p_center(cost, p, **masks)
        return
    d = location.p_center(cost, p, moves=500, **masks)
    assert (d.value, d.status, d.bound_by) == (min(found), "optimal", "prices")
    location.verify(cost, d, **masks)


@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(1, 3), whole=st.booleans())
def test_center_by_rows_added_late_equals_enumeration(seed, p, whole):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(3, 12))
    rows, sites = rng.uniform(0, 20, (70, 2)), rng.uniform(0, 20, (m, 2))
    cost = location.AssignmentCost.from_points(rows, None, sites, truncated=whole)
    far = cost.block(0, 70)
    masks = masks_of(rng, m)
    found = [far[:, s].min(axis=1).max() for s in plans(masks, range(p + 1)) if s]
    if not found:
        return
    with mock.patch.multiple(center_search, ROWS_MIN=3, PER_SITE=1):
        d = location.p_center(cost, p, moves=50, **masks)
    assert (d.value, d.status) == (min(found), "optimal")
    assert d.log["rows"] < 70
    location.verify(cost, d, **masks)


def test_bands_list_what_all_pairs_list():
    rng = np.random.default_rng(2)
    rows, sites = rng.normal(0, 20, (300, 2)), rng.normal(0, 20, (1500, 2))
    for truncated in (False, True):
        cost = location.AssignmentCost.from_points(rows, None, sites, truncated=truncated)
        looked = Rows(cost, np.ones(1500, bool), np.zeros(1500, bool))
        assert looked.across is not None
        looked.add(np.arange(0, 300, 7))
        for limit in (0.0, 1.0, 6.5):
            first = looked.within(limit)
            far = cost.block(0, 300)[first.row]
            for k, near in enumerate(far <= limit):
                begin, end = first.lists.row_indptr[k : k + 2]
                mine = first.lists.row_indices[begin:end]
                assert np.array_equal(np.flatnonzero(np.isin(first.of, mine)), np.flatnonzero(near))
            beyond = far[far > limit].min()
            assert limit < first.beyond <= beyond
        looked.add(np.arange(300))
        grown = looked.within(6.5)
        assert grown.lists.row_indices.size >= first.lists.row_indices.size
        assert np.array_equal(np.sort(grown.row), np.arange(300))


def test_a_tree_of_pairs_is_checked_leaf_by_leaf():
    points = np.random.default_rng(1).uniform(0, 100, (300, 2))
    cost = location.AssignmentCost.from_points(points, None, points)
    d = location.p_center(cost, 12)
    c = d.certificate
    assert d.status == "optimal"
    assert d.log["leaves"] > 2
    location.verify(cost, d)
    q = c.prices
    spoilt = (
        {"leaf_ask": q["leaf_ask"][1:], "leaf_price": q["leaf_price"][1:]},
        {"leaf_ask": np.where(q["leaf_ask"] < 0, 0, q["leaf_ask"]).astype(np.int8)},
        {"ask_row": q["ask_row"][::-1].copy()},
        {"ask_row": q["ask_row"] * 0 - 1},
        {"ask": q["ask"] * 0, "row": q["row"] // 2},
        {"row_number": q["row_number"] * 0},
        {"leaf_price": q["leaf_price"] + 1_000},
        {"row": q["row"].astype(float)},
    )
    for change in spoilt:
        false = seal(replace(c, prices={**q, **change}, record_hash=""), d.sites, d.assignment)
        with pytest.raises(VerificationError):
            location.verify(cost, replace(d, certificate=false))


def test_cuts_of_sets_prove_more_and_are_checked():
    rng = np.random.default_rng(0)
    rows, sites = rng.uniform(0, 100, (600, 2)), rng.uniform(0, 100, (200, 2))
    cost = location.AssignmentCost.from_points(rows, None, sites)
    d = location.p_center(cost, 30, nodes=0)
    q = d.certificate.prices
    assert q["half"].any()
    location.verify(cost, d)
    # the tree proves the optimum; the cuts alone stay below it
    assert d.bound <= location.p_center(cost, 30).value
    shorter = q["half_indptr"].copy()
    shorter[-1] -= 1
    spoilt = (
        {"half": q["half"] * 0},
        {"half": q["half"] * 2},
        {"half": -q["half"]},
        {"half": q["half"][:, 1:]},
        {"half_row": q["half_row"] * 0},
        {"half_row": q["half_row"] - 1_000},
        {"half_row": q["half_row"][:-1], "half_indptr": shorter},
        {"half_indptr": q["half_indptr"][::-1].copy()},
        {"distance": q["distance"] * 1.01},
    )
    for change in spoilt:
        false = seal(
            replace(d.certificate, prices={**q, **change}, record_hash=""), d.sites, d.assignment
        )
        with pytest.raises(VerificationError):
            location.verify(cost, replace(d, certificate=false))


@COMMON
@given(st.integers(0, 10_000))
def test_cuts_hold_for_every_plan(seed):
    rng = np.random.default_rng(seed)
    near = rng.random((9, 7)) < 0.4
    near[np.arange(9), rng.integers(0, 7, 9)] = True
    indptr = np.concatenate([[0], np.cumsum(near.sum(axis=1))])
    lists = lists_of(indptr.astype(np.int64), np.nonzero(near)[1].astype(np.int32), 7)
    least = min(
        k for k in range(8) for s in combinations(range(7), k) if near[:, list(s)].any(axis=1).all()
    )
    total, share, price, sets, due = relax_with_halves(lists, [], 9, lambda: False)
    assert total <= least + 1e-6
    assert total >= relax(lists)[0] - 1e-6
    # the prices prove the total: no site earns more than one
    earned = price @ near + due @ count_halves(lists, sets).toarray()
    assert earned.max() <= 1.0 + 1e-6
    assert price.sum() + sum(d * ((s.size + 1) // 2) for d, s in zip(due, sets, strict=True)) >= (
        total - 1e-5
    )
    assert (share >= -1e-9).all()


@COMMON
@given(seed=st.integers(0, 10_000), p=st.integers(0, 4))
def test_dispersion_equals_enumeration(seed, p):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(2, 11))
    sites = np.round(rng.uniform(0, 20, (m, 2)))
    cost, masks = location.AssignmentCost.from_points(sites, None, sites), masks_of(rng, m)
    far = np.where(np.eye(m) > 0, np.inf, cost.block(0, m))
    found = [far[np.ix_(s, s)].min() for s in plans(masks, [p]) if len(s) > 1]
    if not found:
        with pytest.raises(InfeasibleError):
            location.p_dispersion(cost, p, **masks)
        return
    d = location.p_dispersion(cost, p, **masks)
    assert (d.value, d.status) == (max(found), "optimal")
    location.verify(cost, d, **masks)


def test_every_tampering_is_found():
    rng = np.random.default_rng(4)
    rows, sites = rng.uniform(0, 20, (30, 2)), rng.uniform(0, 20, (9, 2))
    cost = location.AssignmentCost.from_points(rows, None, sites)
    square = location.AssignmentCost.from_points(sites, None, sites)
    for check, problem, d in (
        (location.verify, cost, location.p_center(cost, 3)),
        (location.verify, square, location.p_dispersion(square, 4)),
    ):
        check(problem, d)
        c = d.certificate
        others = np.setdiff1d(np.arange(9), d.sites)[: d.sites.size].astype(np.int32)
        name = "row" if "row" in c.prices else "group"
        spoilt = [
            replace(d, value=d.value + 0.1),
            replace(d, bound=d.bound + 0.1),
            replace(d, bound=d.bound - 0.1),
            replace(d, gap=0.5),
            replace(d, status="stopped"),
            replace(d, sites=others),
            replace(d, sites=d.sites + 90),
            *(
                replace(d, certificate=replace(c, **change))
                for change in (
                    {"value": c.value + 1},
                    {"parameters": {"p": 2}},
                    {"parameters": {}},
                    {"prices": {**c.prices, name: c.prices[name] * 0}},
                    {"prices": {**c.prices, "distance": c.prices["distance"] + 1}},
                    {"prices": {}},
                    {"form": "p_median"},
                    {"input_hash": "0" * 64},
                    {"record_hash": "0" * 64},
                )
            ),
        ]
        for bad in spoilt:
            with pytest.raises(VerificationError):
                check(problem, bad)


def test_same_seed_same_plan():
    rng = np.random.default_rng(6)
    points = rng.uniform(0, 20, (60, 2))
    cost = location.AssignmentCost.from_points(points, None, points)
    a, b = (location.p_center(cost, 6, seed=2).certificate.record_hash for _ in range(2))
    assert a == b


def test_the_check_loads_no_solver():
    code = (
        "import sys; from groundplan.engine.location import check_center;"
        "print([m for m in ('numba', 'highspy', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
