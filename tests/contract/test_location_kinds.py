"""Solvers take the problem they name, and say how to make one where they get another."""

from __future__ import annotations

import numpy as np
import pytest

from groundplan import location

WRONG = (
    ("backup_covering", "Coverage", {"level_weight": np.ones((2, 3), int), "p": 1}),
    ("backup_set_covering", "Coverage", {}),
    ("covering_with_floors", "Coverage", {"p": 1, "group": [0, 0, 0], "floor": [1]}),
    ("curve", "Coverage", {"p_values": [1]}),
    ("maximal_covering", "Coverage", {"p": 1}),
    ("partial_set_covering", "Coverage", {"share": 0.5}),
    ("set_covering", "Coverage", {}),
    ("capacitated_facility", "CapacityProblem", {}),
    ("capacitated_p_median", "CapacityProblem", {"p": 1}),
    ("flow_refueling", "FlowPaths", {"p": 1}),
)


@pytest.mark.parametrize(("name", "kind", "asked"), WRONG)
def test_a_problem_of_another_kind_is_refused_with_the_way_to_make_one(name, kind, asked):
    with pytest.raises(TypeError, match=rf"must be a {kind}.*Got ndarray"):
        getattr(location, name)(np.ones((3, 2)), **asked)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("p_median", {"p": 2}),
        ("p_center", {"p": 2}),
        ("p_dispersion", {"p": 2}),
        ("uncapacitated_facility", {"opening_cost": np.array([3, 1, 2, 5])}),
    ],
)
def test_a_matrix_of_costs_is_taken_as_it_is(name, asked):
    xy = np.random.default_rng(1).uniform(0, 9, (4, 2))
    cost = np.hypot(*(xy[:, None] - xy).transpose(2, 0, 1))
    solve = getattr(location, name)
    d, twin = solve(cost, **asked), solve(location.AssignmentCost.from_matrix(cost), **asked)
    assert d.certificate.record_hash == twin.certificate.record_hash
    told = {k: v for k, v in asked.items() if k == "opening_cost"}
    location.verify(cost, d, **told)
    with pytest.raises(TypeError, match=r"costs must be an AssignmentCost .* Got list"):
        solve(["a"], **asked)
