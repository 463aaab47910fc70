"""Every decision tells alike how value and bound came together, and why the search ended."""

from __future__ import annotations

import json

import numpy as np
import pytest

from groundplan import location

rng = np.random.default_rng(0)
N, M = 900, 120
ROWS, SITES = rng.uniform(0, 60, (N, 2)), rng.uniform(0, 60, (M, 2))
WEIGHT, COST = rng.integers(1, 9, N), rng.integers(10, 30, M)


def coverage():
    return location.Coverage.from_radius(ROWS, WEIGHT, SITES, 7.0)


def costs():
    return location.AssignmentCost.from_points(ROWS[:400], WEIGHT[:400], SITES)


def capacities():
    row, site = np.divmod(np.arange(100 * 30), 30)
    far = np.hypot(*(ROWS[row] - SITES[site]).T)
    return location.CapacityProblem.from_pairs(
        row, site, far, WEIGHT[:100], np.full(30, 60), COST[:30] * 10
    )


CASES = {
    "maximal_covering": lambda **k: location.maximal_covering(coverage(), 12, gap=0.0, **k),
    "maximal_covering by cost": lambda **k: location.maximal_covering(
        coverage(), budget=250, cost=COST, gap=0.0, **k
    ),
    "maximal_covering_over": lambda **k: location.maximal_covering_over(
        ROWS, WEIGHT, SITES, 7.0, 12, **k
    ),
    "covering_with_floors": lambda **k: location.covering_with_floors(
        coverage(), 12, group=np.arange(N) % 2, floor=np.array([1000, 0]), gap=0.0, **k
    ),
    "set_covering": lambda **k: location.set_covering(
        coverage(), COST / 7.0, leave_unreachable=True, **k
    ),
    "partial_set_covering": lambda **k: location.partial_set_covering(
        coverage(), 0.7, COST / 7.0, **k
    ),
    "backup_covering": lambda **k: location.backup_covering(
        coverage(), np.stack([WEIGHT, WEIGHT]), 12, **k
    ),
    "p_median": lambda **k: location.p_median(costs(), 9, **k),
    "uncapacitated_facility": lambda **k: location.uncapacitated_facility(
        costs(), COST * 9.0, **k
    ),
    "p_center": lambda **k: location.p_center(costs(), 9, **k),
    "p_dispersion": lambda **k: location.p_dispersion(
        np.hypot(*(SITES[:40, None] - SITES[:40]).transpose(2, 0, 1)), 6, **k
    ),
    "capacitated_facility": lambda **k: location.capacitated_facility(capacities(), **k),
    "capacitated_p_median": lambda **k: location.capacitated_p_median(capacities(), 14, **k),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_bounds_are_told_in_the_units_of_the_decision(name):
    looks: list[tuple[float, float]] = []
    d = CASES[name](progress=lambda _stage, _done, _total, v, b: looks.append((v, b)))
    told = d.log["anytime"]
    assert told[-1] == ["end", d.value, d.bound]
    assert json.loads(json.dumps(told)) == told
    values = [v for _s, v, _b in told[:-1] if v is not None]
    bounds = [b for _s, _v, b in told[:-1] if b is not None]
    sign = 1 if d.sense == "max" else -1
    assert (np.diff(np.multiply(sign, values)) >= 0).all()
    assert (np.diff(np.multiply(sign, bounds)) <= 0).all()
    for value in values:
        # whole-number costs lie below those given by a part in 2 ** 20 at most
        assert sign * value <= sign * d.value + 1e-5 * abs(d.value)
        assert sign * d.value <= 0 or 0 <= value <= d.bound
        assert sign > 0 or value < 100 * d.value
    for bound in bounds:
        assert sign * bound >= sign * d.value - 1e-5 * abs(d.value)
    assert (
        d.log["ended"] == {"optimal": "optimal", "feasible": "gap", "stopped": "counts"}[d.status]
    )


def test_the_end_is_told_for_what_it_was():
    d = location.p_center(costs(), 9, gap=0.5)
    assert (d.status, d.log["ended"]) == ("feasible", "gap")
    d = location.p_median(costs(), 9, stop=lambda: True)
    assert (d.status, d.log["ended"]) == ("stopped", "stop")
    d = location.p_median(costs(), 9, time_limit_s=0.0)
    assert (d.status, d.log["ended"]) == ("stopped", "time")
    d = location.capacitated_p_median(capacities(), 14, steps=20, tries=20, nodes=1)
    assert (d.status, d.log["ended"]) == ("stopped", "counts")
    d = location.p_median(costs(), 9)
    assert d.log["ended"] == "optimal"


def test_the_same_seed_gives_the_same_log():
    one, two = (location.uncapacitated_facility(costs(), COST * 9.0, seed=3) for _ in range(2))
    assert one.log == two.log
