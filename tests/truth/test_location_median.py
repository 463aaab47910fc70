"""Median and facility problems against published optima; spopt's regression value."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.check_median import verify_median
from groundplan.engine.location.median import p_median, uncapacitated_facility


def known(shared, instance, start):
    path = shared / "benchmarks/location/known_optima.csv"
    with path.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["instance"] == instance and row["parameters"].startswith(start):
                return float(row["value"])
    raise KeyError((instance, start))


def read_pmed(path):
    numbers = np.array(path.read_text(encoding="ascii").split(), np.int64)
    n, edges, p = numbers[:3].tolist()
    edge = numbers[3 : 3 + 3 * edges].reshape(-1, 3)
    return AssignmentCost.from_graph(n, edge[:, 0] - 1, edge[:, 1] - 1, edge[:, 2]), p


@pytest.mark.parametrize("number", [1, 3, 5, 11, 15, 17, 21, 25, 31])
def test_pmed_optimum_is_met_and_proven(shared, number):
    costs, p = read_pmed(shared / f"benchmarks/location/orlib_pmed/pmed{number}.txt")
    d = p_median(costs, p)
    assert d.value == d.bound == known(shared, f"pmed{number}", "p in file")
    assert d.status == "optimal"
    assert d.bound_by == "prices"
    verify_median(costs, d)


@pytest.mark.parametrize("p", [50])
def test_rl1304_optimum_is_met_and_proven(shared, p):
    lines = (shared / "benchmarks/location/tsplib_pmedian/rl1304.tsp").read_text().splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("NODE_COORD")) + 1
    xy = np.array([line.split()[1:3] for line in lines[first : first + 1304]], float)
    costs = AssignmentCost.from_points(xy, None, xy, truncated=True)
    d = p_median(costs, p)
    assert d.value == d.bound == known(shared, "rl1304", f"p={p},")
    verify_median(costs, d)


def test_capa_uncapacitated_optimum_is_met_and_proven(shared):
    packed = (shared / "benchmarks/location/orlib_cap/capa.txt.gz").read_bytes()
    words = gzip.decompress(packed).decode("ascii").split()
    m, n = int(words[0]), int(words[1])
    opening = np.array(words[3 : 2 + 2 * m : 2], float)
    rows = np.array(words[2 + 2 * m :], float).reshape(n, m + 1)
    costs = AssignmentCost.from_matrix(rows[:, 1:])
    d = uncapacitated_facility(costs, opening)
    assert d.value == pytest.approx(known(shared, "capa", "capacity ignored"), abs=5e-4)
    assert d.status == "optimal"
    verify_median(costs, d, opening_cost=opening)


def points_by_streets(count, seed):
    """The law of spopt's simulated points: uniform, kept within 0.2 of a street of the lattice with
    lines at 0, 1, ..., 10, then moved to the nearest street (spopt, BSD-3-Clause,
    spopt/tests/conftest.py, read at release 0.7.0; this is a re-statement, not its code)."""
    rng = np.random.RandomState(seed)
    points = []
    while len(points) < count:
        x, y = rng.uniform(-0.2, 10.2), rng.uniform(-0.2, 10.2)
        if min(abs(x - round(x)), abs(y - round(y))) <= 0.2:
            points.append((x, y))
    at = np.array(points)
    inside, line = np.clip(at, 0, 10), np.clip(np.rint(at), 0, 10)
    upright = np.column_stack([line[:, 0], inside[:, 1]])
    level = np.column_stack([inside[:, 0], line[:, 1]])
    nearer = np.square(at - upright).sum(axis=1) < np.square(at - level).sum(axis=1)
    return np.where(nearer[:, None], upright, level), rng


def test_spopt_regression_value():
    rows, _ = points_by_streets(100, 5)
    sites, rng = points_by_streets(5, 6)
    weight = rng.randint(1, 12, 100)
    costs = AssignmentCost.from_points(rows, weight, sites)
    existing = np.array([False, False, False, True, True])
    d = p_median(costs, 1, existing=existing)
    # spopt/tests/test_locate/test_p_median.py: sites 1, 3, 4 of which 3 and 4 are set beforehand
    assert d.value == pytest.approx(1872.5093264630818, rel=1e-15)
    assert d.sites.tolist() == [1]
    assert d.value / weight.sum() == pytest.approx(3.0299503664451164)
    assert d.status == "optimal"
    verify_median(costs, d, existing=existing)
