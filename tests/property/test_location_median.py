"""Median and facility plans equal enumeration, bounds hold, every spoilt certificate is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location import median_run
from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_median import verify_median
from groundplan.engine.location.median import p_median, uncapacitated_facility
from groundplan.engine.location.near import fastest_cost, near_sites
from groundplan.errors import InfeasibleError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=30)


@st.composite
def problems(draw):
    """A small problem: whole or fractional costs, or points; existing and forbidden sites."""
    n, m = draw(st.integers(1, 10)), draw(st.integers(1, 7))
    weight = np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    kind = draw(st.sampled_from(["whole", "fractional", "points", "truncated"]))
    if kind == "whole":
        costs = AssignmentCost.from_matrix(rng.integers(0, 20, (n, m)), weight)
    elif kind == "fractional":
        costs = AssignmentCost.from_matrix(rng.uniform(0, 20, (n, m)), weight)
    else:
        rows, sites = rng.uniform(0, 30, (n, 2)), rng.uniform(0, 30, (m, 2))
        costs = AssignmentCost.from_points(rows, weight, sites, truncated=kind == "truncated")
    masks = st.lists(st.sampled_from([False, False, False, True]), min_size=m, max_size=m)
    return costs, np.array(draw(masks)), np.array(draw(masks)), rng.integers(0, 60, m)


def cheapest(costs, opening, existing, forbidden, p):
    """The least cost of all plans, by trying them; None where no plan serves."""
    table = costs.weight[:, None] * costs.block(0, costs.n_row)
    old = np.flatnonzero(existing).tolist()
    new = np.flatnonzero(~existing & ~forbidden).tolist()
    best = None
    for k in range(min(p, len(new)) + 1):
        for plan in combinations(new, k):
            if old or plan:
                value = table[:, old + list(plan)].min(axis=1).sum() + opening[list(plan)].sum()
                best = value if best is None else min(best, value)
    return best


@SETTINGS
@given(problems(), st.integers(1, 4))
def test_median_equals_enumeration(problem, p):
    costs, existing, forbidden, _ = problem
    best = cheapest(costs, np.zeros(costs.n_site), existing, forbidden, p)
    options = {"existing": existing, "forbidden": forbidden}
    if best is None:
        with pytest.raises(InfeasibleError):
            p_median(costs, p, **options)
        return
    d = p_median(costs, p, rounds=10, **options)
    assert d.value == pytest.approx(best, rel=1e-12, abs=1e-12)
    assert d.bound <= d.value
    assert d.status == "optimal"
    assert d.sites.size <= p
    assert verify_median(costs, d, **options)["value"] == d.value


@SETTINGS
@given(problems(), st.booleans())
def test_facility_equals_enumeration(problem, is_whole):
    costs, existing, forbidden, opening = problem
    opening = opening if is_whole else opening / 7
    best = cheapest(costs, opening, existing, forbidden, costs.n_site)
    options = {"existing": existing, "forbidden": forbidden}
    if best is None:
        with pytest.raises(InfeasibleError):
            uncapacitated_facility(costs, opening, **options)
        return
    d = uncapacitated_facility(costs, opening, rounds=10, **options)
    assert d.value == pytest.approx(best, rel=1e-12, abs=1e-12)
    assert d.status == "optimal"
    verify_median(costs, d, opening_cost=opening, **options)


@SETTINGS
@given(problems(), st.integers(1, 4), st.data())
def test_any_prices_bound_every_plan(problem, p, data):
    costs, existing, forbidden, _ = problem
    best = cheapest(costs, np.zeros(costs.n_site), existing, forbidden, p)
    if best is None:
        return
    d = p_median(costs, p, rounds=5, existing=existing, forbidden=forbidden)
    top = int(costs.scaled(np.array([costs.cost_max]))[0]) + 5
    price = data.draw(st.lists(st.integers(0, top), min_size=costs.n_row, max_size=costs.n_row))
    prices = {
        "row": np.array([price], np.int64),
        "tree_site": np.array([-1], np.int32),
        "tree_price": np.array([0], np.int32),
    }
    changed = replace(d.certificate, prices=prices, bound_numerator=-(10**18))
    changed = seal(changed, d.sites, d.assignment)
    with pytest.raises(VerificationError) as refused:
        verify_median(
            costs, replace(d, certificate=changed, bound_by="search"),
            existing=existing, forbidden=forbidden,
        )  # fmt: skip
    (line,) = [s for s in refused.value.differences if "numerator" in s]
    assert int(line.split(" is ")[1].split(",")[0]) / costs.scale <= best * (1 + 1e-12)


@SETTINGS
@given(st.integers(0, 10**6), st.booleans())
def test_lists_and_nearest_equal_naive_twins(seed, is_truncated):
    rng = np.random.default_rng(seed)
    rows, sites = rng.uniform(0, 40, (25, 2)), rng.uniform(-5, 45, (90, 2))
    costs = AssignmentCost.from_points(rows, None, sites, truncated=is_truncated)
    table = costs.block(0, 25).astype(float)
    candidate, reach = rng.uniform(size=90) < 0.7, rng.uniform(0, 30, 25)
    near = near_sites(costs, candidate, reach)
    for i in range(25):
        mine = [j for j in range(90) if candidate[j] and table[i, j] < reach[i]]
        mine.sort(key=lambda j: (table[i, j], j))
        assert near.site[near.indptr[i] : near.indptr[i + 1]].tolist() == mine
    some = rng.permutation(90)[:70].astype(np.int32)
    found, cost = fastest_cost(costs, some)
    assert (np.asarray(cost, float) == table[:, some].min(axis=1)).all()
    assert np.isin(found, some).all()


@pytest.fixture(scope="module")
def solved():
    rng = np.random.default_rng(1)
    xy = rng.uniform(0, 100, (60, 2))
    costs = AssignmentCost.from_points(xy, rng.integers(1, 9, 60), xy)
    return costs, p_median(costs, 4)


def spoilt(d):
    """The decision with one thing changed, one after another; sealed again, as a forger would."""
    c = d.certificate
    row = c.prices["row"].copy()
    row[0, 3] += 10**9
    tree = c.prices["tree_site"].copy()
    tree[0] = 7 if tree[0] != 7 else 8
    other = d.sites.copy()
    other[0] = next(j for j in range(60) if j not in d.sites)
    worse = d.assignment.copy()
    worse[0] = next(j for j in d.sites if j != worse[0])
    yield replace(d, certificate=replace(c, prices={**c.prices, "row": row}))
    yield replace(d, certificate=replace(c, prices={**c.prices, "tree_site": tree}))
    yield replace(d, certificate=replace(c, bound_numerator=c.bound_numerator + 1))
    yield replace(d, certificate=replace(c, value=c.value - 1))
    yield replace(d, certificate=replace(c, parameters={"p": 3}))
    yield replace(d, certificate=replace(c, input_hash="0" * 64))
    yield replace(d, certificate=replace(c, form="p_center"))
    yield replace(d, value=d.value - 1)
    yield replace(d, bound=d.bound + 1)
    yield replace(d, sites=other)
    yield replace(d, assignment=worse)


def test_every_change_is_found(solved):
    costs, d = solved
    verify_median(costs, d)
    count = 0
    for changed in spoilt(d):
        forged = seal(changed.certificate, changed.sites, changed.assignment)
        with pytest.raises(VerificationError):
            verify_median(costs, replace(changed, certificate=forged))
        count += 1
    assert count == 11
    with pytest.raises(VerificationError, match="record"):
        verify_median(costs, replace(d, certificate=replace(d.certificate, record_hash="")))


def test_a_tree_that_leaves_plans_out_is_refused(solved):
    costs, d = solved
    site = np.array([3, -1], np.int32)
    cut = {**d.certificate.prices, "tree_site": site, "tree_price": np.array([-1, 0], np.int32)}
    forged = seal(replace(d.certificate, prices=cut), d.sites, d.assignment)
    with pytest.raises(VerificationError, match="does not cover all plans"):
        verify_median(costs, replace(d, certificate=forged))


def test_same_answer_on_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(median_run, "PAIRS_MAX", 10_000)
    monkeypatch.setattr(median_run, "TILE_OPEN", 20)
    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 1000, (1200, 2))
    costs = AssignmentCost.from_points(xy, rng.integers(1, 50, 1200), xy)
    hashes = []
    for threads in ("1", "3"):
        monkeypatch.setenv("GROUNDPLAN_THREADS", threads)
        d = p_median(costs, 120, steps=60, rounds=8, nodes=0)
        verify_median(costs, d)
        hashes.append(d.certificate.record_hash)
    assert hashes[0] == hashes[1]
    assert d.gap < 0.03


def test_short_lists_grow_and_the_bound_stays_true(monkeypatch):
    monkeypatch.setattr(median_run, "PAIRS_MAX", 10_000)
    rng = np.random.default_rng(5)
    # a dense town and an empty plain: equal counts of near sites are not enough here
    xy = np.concatenate([rng.normal(50, 1, (500, 2)), rng.uniform(0, 100, (100, 2))])
    weight = np.ones(600, np.int64)
    weight[500:] = 300
    costs = AssignmentCost.from_points(xy, weight, xy)
    d = p_median(costs, 20, steps=400, rounds=20, nodes=0)
    verify_median(costs, d)
    assert d.gap < 0.02


def test_stop_keeps_a_valid_plan():
    rng = np.random.default_rng(7)
    costs = AssignmentCost.from_matrix(rng.integers(1, 1000, (200, 200)))
    d = p_median(costs, 10, stop=lambda: True)
    assert d.status == "stopped"
    assert d.sites.size == 10
    verify_median(costs, d)


def test_the_check_loads_no_kernel():
    code = (
        "import sys, groundplan.engine.location.check_median;"
        "print(*(m for m in ('numba', 'scipy', 'highspy') if m in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not ran.stdout.strip()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda c: p_median(c, -1), ValueError, "p must be >= 0"),
        (lambda c: p_median(c, 0), InfeasibleError, "no site exists yet"),
        (lambda c: p_median(c, 1, forbidden=np.ones(2, bool)), InfeasibleError, "every site"),
        (lambda c: p_median(c, 1, forbidden=np.ones(3, bool)), ValueError, "forbidden must have"),
        (lambda c: p_median(c, 1, existing=np.ones(3, bool)), ValueError, "existing must have"),
        (lambda c: uncapacitated_facility(c, np.array([1])), ValueError, "opening_cost must have"),
        (lambda c: uncapacitated_facility(c, np.array([1, -1])), ValueError, "at site 1"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(AssignmentCost.from_matrix([[1, 2], [3, 4]]))
