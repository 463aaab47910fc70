"""Coverage and assignment equal their naive twins on any small input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location.coverage import Coverage

SETTINGS = settings(deadline=None, derandomize=True, max_examples=80)


@st.composite
def points(draw):
    """Points on a coarse lattice, so that equal distances and distances equal to r occur."""
    n, m = draw(st.integers(1, 25)), draw(st.integers(1, 8))
    place = st.tuples(st.integers(0, 12), st.integers(0, 12))
    demand = draw(st.lists(place, min_size=n, max_size=n))
    site = draw(st.lists(place, min_size=m, max_size=m))
    radius = draw(st.lists(st.sampled_from([0, 1, 2, 5, 7.5]), min_size=m, max_size=m))
    weight = draw(st.lists(st.integers(0, 50), min_size=n, max_size=n))
    existing = draw(st.lists(st.booleans(), min_size=m, max_size=m))
    own = draw(st.none() | st.lists(st.sampled_from([0, 1, 3, 5, np.inf]), min_size=n, max_size=n))
    demand_layer = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    site_layer = draw(st.lists(st.integers(0, 2), min_size=m, max_size=m))
    return {
        "demand": np.array(demand, float),
        "weight": np.array(weight, np.int64),
        "site": np.array(site, float),
        "radius": np.array(radius, float),
        "existing": np.array(existing, bool),
        "own": None if own is None else np.array(own, float),
        "demand_layer": np.array(demand_layer, np.int8),
        "site_layer": np.array(site_layer, np.int8),
    }


def naive_lists(case):
    """Sites that reach each row, one comparison after another."""
    own = [np.inf] * len(case["demand"]) if case["own"] is None else case["own"]
    return [
        [
            j
            for j, (q, r, b) in enumerate(
                zip(case["site"], case["radius"], case["site_layer"], strict=True)
            )
            if a == b and (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 <= min(r, o) ** 2
        ]
        for p, a, o in zip(case["demand"], case["demand_layer"], own, strict=True)
    ]


def check_against(coverage: Coverage, lists, weight, existing):
    """Assert that a coverage is the exact merge of these lists."""
    served = [any(existing[j] for j in sites) for sites in lists]
    assert coverage.base_value == sum(w for w, s in zip(weight, served, strict=True) if s)
    assert coverage.total_value == sum(weight)
    merged: dict[tuple[int, ...], int] = {}
    order: dict[tuple[int, ...], int] = {}
    for i, (sites, s) in enumerate(zip(lists, served, strict=True)):
        if s:
            assert coverage.row_of[i] == -2
        elif not sites:
            assert coverage.row_of[i] == -1
        else:
            merged[tuple(sites)] = merged.get(tuple(sites), 0) + int(weight[i])
            order.setdefault(tuple(sites), len(order))
            assert coverage.row_of[i] == order[tuple(sites)]
    a, ind = coverage.row_indptr, coverage.row_indices
    found = [tuple(ind[a[g] : a[g + 1]].tolist()) for g in range(coverage.weight.size)]
    assert found == list(order)
    assert dict(zip(found, coverage.weight.tolist(), strict=True)) == merged
    b, rows = coverage.site_indptr, coverage.site_indices
    back = {(g, j) for j in range(coverage.n_site) for g in rows[b[j] : b[j + 1]].tolist()}
    assert back == {(g, j) for g, sites in enumerate(found) for j in sites}


@SETTINGS
@given(points())
def test_radius_equals_naive_twin(case):
    coverage = Coverage.from_radius(
        case["demand"], case["weight"], case["site"], case["radius"], existing=case["existing"],
        demand_layer=case["demand_layer"], site_layer=case["site_layer"],
        demand_reach_m=case["own"],
    )  # fmt: skip
    check_against(coverage, naive_lists(case), case["weight"], case["existing"])


@SETTINGS
@given(points())
def test_lists_and_matrix_equal_naive_twin(case):
    case["demand_layer"][:] = 0
    case["site_layer"][:] = 0
    lists = naive_lists(case)
    indptr = np.cumsum([0, *map(len, lists)])
    indices = np.array([j for sites in lists for j in reversed(sites)], np.int32)
    n_site = len(case["site"])
    csr = Coverage.from_csr(indptr, indices, case["weight"], n_site, existing=case["existing"])
    check_against(csr, lists, case["weight"], case["existing"])
    cost = np.full((len(lists), n_site), 9.0)
    for i, sites in enumerate(lists):
        cost[i, sites] = 4.0
    matrix = Coverage.from_cost_matrix(cost, case["weight"], 4.0, existing=case["existing"])
    check_against(matrix, lists, case["weight"], case["existing"])
    assert matrix.input_hash == csr.input_hash


@SETTINGS
@given(points())
def test_assignment_equals_naive_twin(case):
    chosen = case["existing"]
    found = location.assign_nearest(
        case["demand"], case["demand_layer"], case["site"], case["site_layer"], case["radius"],
        chosen, case["own"],
    )  # fmt: skip
    for i, sites in enumerate(naive_lists(case)):
        near = [(((case["demand"][i] - case["site"][j]) ** 2).sum(), j) for j in sites if chosen[j]]
        assert found[i] == (min(near)[1] if near else -1)


@SETTINGS
@given(points())
def test_rows_without_a_limit_are_rows_without_a_reach(case):
    given = case["demand"], case["weight"], case["site"], case["radius"]
    free = Coverage.from_radius(*given)
    same = Coverage.from_radius(*given, demand_reach_m=np.full(len(case["demand"]), np.inf))
    assert np.array_equal(free.row_of, same.row_of)
    assert np.array_equal(free.row_indices, same.row_indices)
    assert free.input_hash != same.input_hash


@SETTINGS
@given(points(), st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(case, random):
    shuffled = list(range(len(case["demand"])))
    random.shuffle(shuffled)
    first = Coverage.from_radius(case["demand"], case["weight"], case["site"], case["radius"])
    second = Coverage.from_radius(
        case["demand"][shuffled], case["weight"][shuffled], case["site"], case["radius"]
    )
    assert sorted(first.weight.tolist()) == sorted(second.weight.tolist())
    assert first.row_indices.size == second.row_indices.size
    assert first.total_value == second.total_value


@pytest.mark.parametrize(
    ("weight", "radius", "word"),
    [
        (np.array([1, -1]), 1.0, "weight must be >= 0"),
        (np.array([1.0, 2.0]), 1.0, "weight must be whole numbers"),
        (np.array([1]), 1.0, "weight must have shape"),
        (np.array([1, 1]), -1.0, "radius_m must be"),
        (np.array([1, 1]), np.inf, "radius_m must be finite"),
    ],
)
def test_wrong_inputs_are_named(weight, radius, word):
    xy = np.array([[0.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match=word):
        Coverage.from_radius(xy, weight, xy, radius)


@pytest.mark.parametrize(
    ("reach", "word"),
    [
        (np.array([1.0]), "demand_reach_m must have shape"),
        (np.array([1.0, -2.0]), "demand_reach_m must be >= 0"),
        (np.array([1.0, np.nan]), "demand_reach_m must be >= 0"),
    ],
)
def test_a_wrong_reach_of_rows_is_named(reach, word):
    xy = np.array([[0.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match=word):
        Coverage.from_radius(xy, np.array([1, 1]), xy, 1.0, demand_reach_m=reach)


def test_positions_that_are_not_numbers_are_refused():
    xy = np.array([[0.0, np.nan], [1.0, 0.0]])
    with pytest.raises(ValueError, match="demand_xy_m must be finite"):
        Coverage.from_radius(xy, np.array([1, 1]), xy[1:], 1.0)


def test_lists_that_name_a_site_twice_are_refused():
    one = np.ones(2, np.int64)
    with pytest.raises(ValueError, match="row 1 names site 2 twice"):
        Coverage.from_csr(np.array([0, 1, 4]), np.array([0, 2, 1, 2], np.int32), one, 3)
    with pytest.raises(ValueError, match="end at 3"):
        Coverage.from_csr(np.array([0, 1, 2]), np.array([0, 2, 1], np.int32), one, 3)
    with pytest.raises(ValueError, match="after row 1"):
        Coverage.from_csr(np.array([0, 3, 2, 3]), np.zeros(3, np.int32), np.ones(3, np.int64), 3)
