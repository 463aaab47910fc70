"""What the problem of rows, sites and costs accepts, refuses and computes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from groundplan.engine.location import assignment_cost
from groundplan.engine.location.assignment_cost import AssignmentCost


def test_points_and_their_matrix_agree():
    rng = np.random.default_rng(3)
    rows, sites = rng.uniform(0, 50, (30, 2)), rng.uniform(0, 50, (7, 2))
    weight = rng.integers(0, 9, 30)
    for truncated in (False, True):
        near = AssignmentCost.from_points(rows, weight, sites, truncated=truncated)
        table = AssignmentCost.from_matrix(near.block(0, 30), weight)
        assert near.is_whole == table.is_whole == truncated
        plan = rng.integers(0, 7, 30)
        assert near.total(plan) == table.total(plan)
        assert near.cost_max >= table.cost_max
        assert (near.block(4, 9, np.array([2, 5])) == table.block(4, 9)[:, [2, 5]]).all()


def test_scaling_never_rounds_up():
    rng = np.random.default_rng(4)
    cost = AssignmentCost.from_matrix(rng.uniform(0, 1e4, (20, 20)), rng.integers(1, 1000, 20))
    assert (cost.scaled(cost.block(0, 20)) / cost.scale <= cost.block(0, 20)).all()
    whole = AssignmentCost.from_matrix(rng.integers(0, 99, (5, 5)))
    assert (whole.scaled(whole.block(0, 5)) == whole.block(0, 5) * whole.scale).all()
    assert int(cost.weight.sum()) * int(cost.cost_max + 1) * cost.scale < 2**60


def test_graph_counts_the_last_of_repeated_edges():
    cost = AssignmentCost.from_graph(3, [0, 1, 1], [1, 0, 2], [9, 4, 5])
    assert cost.matrix is not None
    assert cost.matrix.tolist() == [[0, 4, 9], [4, 0, 5], [9, 5, 0]]
    assert cost.is_whole
    some = AssignmentCost.from_graph(3, [0, 1], [1, 2], [0.0, 2.5], rows=[0, 2], sites=[1])
    assert some.matrix is not None
    assert some.matrix.tolist() == [[0.0], [2.5]]


def test_equal_inputs_hash_alike_and_others_do_not():
    a = AssignmentCost.from_matrix([[1, 2], [3, 4]])
    assert a.input_hash == AssignmentCost.from_matrix([[1, 2], [3, 4]]).input_hash
    assert a.input_hash != AssignmentCost.from_matrix([[1.0, 2.0], [3.0, 4.0]]).input_hash
    assert a.input_hash != AssignmentCost.from_matrix([[1, 2], [3, 4]], [1, 2]).input_hash


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AssignmentCost.from_matrix([1, 2]), "shape"),
        (lambda: AssignmentCost.from_matrix([[1.0, np.nan]]), "row 0 site 1: nan"),
        (lambda: AssignmentCost.from_matrix([[1, -2]]), "row 0 site 1: -2"),
        (lambda: AssignmentCost.from_matrix([[np.inf]]), "inf"),
        (lambda: AssignmentCost.from_matrix([[1]], [0.5]), "put fractions into the cost"),
        (lambda: AssignmentCost.from_matrix([[1]], [1, 2]), "weight must have shape"),
        (lambda: AssignmentCost.from_matrix([[1]], scale=3), "power of two"),
        (lambda: AssignmentCost.from_matrix([[2**40]], [2**40]), "does not fit 60 bits"),
        (lambda: AssignmentCost.from_points([[0, 1, 2]], None, [[0, 1]]), "row_xy must have"),
        (lambda: AssignmentCost.from_points([[0, 1]], None, [[0, np.inf]]), "site_xy must be"),
        (lambda: AssignmentCost.from_graph(2, [0], [2], [1]), "node numbers 0..1"),
        (lambda: AssignmentCost.from_graph(3, [0], [1], [1]), "not connected"),
        (lambda: AssignmentCost.from_graph(2, [0], [1], [-1]), "finite and >= 0"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def grid(side, seed=0):
    node = np.arange(side * side).reshape(side, side)
    tail = np.concatenate([node[:, :-1].ravel(), node[:-1].ravel()])
    head = np.concatenate([node[:, 1:].ravel(), node[1:].ravel()])
    return tail, head, np.random.default_rng(seed).integers(1, 100, tail.size)


def test_paths_in_parts_are_those_of_the_whole(monkeypatch):
    edges = grid(30)
    rows, sites = np.arange(0, 900, 7), np.arange(3, 900, 50)
    whole = AssignmentCost.from_graph(900, *edges, rows=rows, sites=sites)
    monkeypatch.setattr(assignment_cost, "GRAPH_BLOCK", 2_000)
    parts = AssignmentCost.from_graph(900, *edges, rows=rows, sites=sites)
    assert np.array_equal(whole.matrix, parts.matrix)
    assert whole.input_hash == parts.input_hash


def test_a_large_graph_takes_the_memory_of_its_table():
    side = 317
    rng = np.random.default_rng(0)
    rows, sites = rng.choice(side * side, 80, replace=False), rng.choice(side * side, 20)
    edges = grid(side)
    tracemalloc.start()
    try:
        cost = AssignmentCost.from_graph(side * side, *edges, rows=rows, sites=sites)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cost.matrix.shape == (80, 20)
    # all nodes by all rows would take 64 MB
    assert peak < 40e6
