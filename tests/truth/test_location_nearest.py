"""The k-nearest p-median of spopt 0.7.0 (`KNearestPMedian`) is a p-median with or without room.

spopt writes each client's k nearest facilities into its program and adds a facility to the list of
clients that need one more, until none does: a way to the plan, not another problem. The values were
printed by spopt 0.7.0 with CBC on the draws below; its own test has two clients and three sites.
"""

from __future__ import annotations

import numpy as np
import pytest

from groundplan import location

#: Seed, value with capacities, value without.
SPOPT = [
    (0, 45883.83924356642, 45782.24891674611),
    (1, 47359.34188741187, 47168.395075118875),
    (2, 43545.1962374899, 42822.22717438089),
    (3, 44389.65520882133, 43400.872177820536),
]


def draw(seed):
    rng = np.random.default_rng(seed)
    clients = rng.integers(0, 1000, (40, 2)).astype(float)
    sites = rng.integers(0, 1000, (10, 2)).astype(float)
    return clients, sites, rng.integers(1, 10, 40), rng.integers(60, 90, 10)


@pytest.mark.parametrize(("seed", "with_room", "without"), SPOPT)
def test_values_equal_those_of_the_nearest_lists(seed, with_room, without):
    clients, sites, weight, capacity = draw(seed)
    problem = location.CapacityProblem.from_points(clients, sites, weight, capacity)
    d = location.capacitated_p_median(problem, 4)
    location.verify(problem, d)
    assert d.value == pytest.approx(with_room, rel=1e-12)
    assert d.bound == pytest.approx(with_room, rel=1e-6)
    costs = location.AssignmentCost.from_points(clients, weight, sites)
    d = location.p_median(costs, 4)
    location.verify(costs, d)
    assert d.value == pytest.approx(without, rel=1e-12)
    assert d.status == "optimal"


def test_the_case_of_its_own_test():
    problem = location.CapacityProblem.from_points(
        [(0.5, 1), (1.5, 1)], [(1, 1), (0, 2), (2, 0)], [1, 1], [1, 1, 1]
    )
    d = location.capacitated_p_median(problem, 2)
    # spopt: client 0 to facility 1, client 1 to facility 0
    assert d.assignment.tolist() == [1, 0]
    assert d.value == pytest.approx(1.618033988749895, rel=1e-15)
