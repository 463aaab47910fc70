"""Every solver of the location engine refuses the same wrong gap, limit of time and seed."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from groundplan import location

RNG = np.random.default_rng(0)
ROWS, SITES = RNG.uniform(0, 10, (60, 2)), RNG.uniform(0, 10, (8, 2))
WEIGHT = RNG.integers(1, 9, 60)
COVER = location.Coverage.from_radius(ROWS, WEIGHT, SITES, 6.0)
COSTS = location.AssignmentCost.from_points(ROWS, WEIGHT, SITES)
APART = location.AssignmentCost.from_points(SITES, None, SITES)
ROOMS = location.CapacityProblem.from_points(
    ROWS, SITES, WEIGHT, np.full(8, int(WEIGHT.sum() // 4))
)
TRIPS = location.FlowPaths.from_arrays(
    np.array([0, 3, 6]), np.array([0, 3, 5, 1, 4, 7]), np.array([0.0, 60, 120] * 2),
    np.array([5, 7]), 8, 100.0,
)  # fmt: skip
SOLVERS = {
    "backup_covering": lambda **m: location.backup_covering(COVER, np.vstack([WEIGHT]), 2, **m),
    "backup_set_covering": lambda **m: location.backup_set_covering(COVER, **m),
    "capacitated_facility": lambda **m: location.capacitated_facility(ROOMS, **m),
    "capacitated_p_median": lambda **m: location.capacitated_p_median(ROOMS, 5, **m),
    "covering_with_floors": lambda **m: location.covering_with_floors(
        COVER, 2, group=np.zeros(60, int), floor=np.ones(1, int), **m
    ),
    "curve": lambda **m: location.curve(COVER, [1, 2], **m)[-1],
    "flow_refueling": lambda **m: location.flow_refueling(TRIPS, 2, **m),
    "maximal_covering": lambda **m: location.maximal_covering(COVER, 2, **m),
    "maximal_covering_over": lambda **m: location.maximal_covering_over(
        ROWS, WEIGHT, SITES, 6.0, 2, **m
    ),
    "p_center": lambda **m: location.p_center(COSTS, 2, **m),
    "p_dispersion": lambda **m: location.p_dispersion(APART, 2, **m),
    "p_median": lambda **m: location.p_median(COSTS, 2, **m),
    "partial_set_covering": lambda **m: location.partial_set_covering(COVER, 0.8, **m),
    "set_covering": lambda **m: location.set_covering(COVER, **m),
    "uncapacitated_facility": lambda **m: location.uncapacitated_facility(COSTS, np.ones(8), **m),
}
WRONG = [
    ("gap", -0.1),
    ("gap", float("nan")),
    ("gap", float("inf")),
    ("gap", "1 %"),
    ("gap", None),
    ("time_limit_s", -1.0),
    ("time_limit_s", float("nan")),
    ("time_limit_s", "60"),
    ("seed", -1),
    ("seed", 1.5),
    ("seed", None),
    ("seed", 2**63),
]


def takes(name):
    return set(inspect.signature(getattr(location, name)).parameters)


def test_every_solver_is_asked_here():
    # names in capitals are classes
    functions = [n for n in location.__all__ if n[0].islower()]
    assert {n for n in functions if {"gap", "time_limit_s"} & takes(n)} == set(SOLVERS)
    for name in SOLVERS:
        assert {"gap", "time_limit_s", "progress", "stop"} <= takes(name), name


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(("argument", "value"), WRONG)
def test_a_wrong_limit_is_refused_by_name(name, argument, value):
    if argument not in takes(name):
        # p-dispersion draws nothing
        assert (name, argument) == ("p_dispersion", "seed")
        return
    with pytest.raises(ValueError, match=f"^{argument} must be .*Got"):
        SOLVERS[name](**{argument: value})


@pytest.mark.parametrize("name", SOLVERS)
def test_the_least_and_the_largest_limits_are_fine(name):
    most = {} if name == "p_dispersion" else {"seed": 2**63 - 1}
    end = SOLVERS[name](gap=10.0, time_limit_s=float("inf"), **most)
    for found in (end, SOLVERS[name](gap=0, time_limit_s=np.float32(30), **most)):
        assert found.status in {"optimal", "feasible", "stopped"}
        assert found.gap >= 0.0
