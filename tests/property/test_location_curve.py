"""The whole curve: every point verified, in order, and as good as one solved alone."""

from __future__ import annotations

import time

import numpy as np
import pytest

from groundplan import location


def region(n_row, n_site, reach, seed):
    rng = np.random.default_rng(seed)
    side = np.sqrt(n_row)
    rows, sites = rng.uniform(0, side, (n_row, 2)), rng.uniform(0, side, (n_site, 2))
    weight = np.ceil(rng.lognormal(2.0, 1.0, n_row)).astype(np.int64)
    return location.Coverage.from_radius(rows, weight, sites, reach)


def in_order(points):
    values, bounds = [d.value for d in points], [d.bound for d in points]
    assert values == sorted(values)
    assert bounds == sorted(bounds)


@pytest.mark.parametrize(("seed", "gap"), [(0, 0.0), (1, 0.01), (2, 0.002)])
def test_counts_against_each_count_alone(seed, gap):
    cover = region(2500, 220, 4.5, seed)
    counts = [5, 12, 20, 21, 30, 45]
    points = location.curve(cover, counts, gap=gap, seed=seed)
    in_order(points)
    for p, d in zip(counts, points, strict=True):
        location.verify(cover, d)
        assert d.sites.size <= p
        assert (d.status == "stopped") == (d.gap > gap)
        # without a gap a general solver would take most of the time of this test
        alone = location.maximal_covering(cover, p, gap=max(gap, 0.001), effort=0, seed=seed)
        assert alone.value <= d.bound
        assert d.value <= alone.bound
        assert d.value >= (1.0 - max(gap, 0.001)) * alone.value


@pytest.mark.parametrize("seed", range(2))
def test_budgets_in_any_order_given(seed):
    cover = region(1200, 160, 4.0, seed)
    cost = np.random.default_rng(seed).integers(3, 20, 160)
    budgets = [90, 40, 300]
    points = location.curve(cover, budgets=budgets, cost=cost, gap=0.0)
    in_order(points)
    for budget, d in zip(sorted(budgets), points, strict=True):
        location.verify(cover, d, cost=cost)
        assert cost[d.sites].sum() <= budget
        alone = location.maximal_covering(cover, budget=budget, cost=cost, gap=0.002)
        assert alone.value <= d.bound
        assert d.value <= alone.bound


def test_small_problems_are_proven_to_the_end():
    cover = region(400, 40, 3.0, 0)
    points = location.curve(cover, range(1, 21), gap=0.0)
    in_order(points)
    assert {d.status for d in points} == {"optimal"}
    assert points[-1].value == location.maximal_covering(cover, 20, gap=0.0).value


def test_no_candidate_leaves_what_stands():
    rng = np.random.default_rng(0)
    rows, sites = rng.uniform(0, 9, (50, 2)), rng.uniform(0, 9, (6, 2))
    cover = location.Coverage.from_radius(
        rows, np.ones(50, int), sites, 3.0, existing=np.ones(6, bool)
    )
    points = location.curve(cover, [0, 3])
    assert [d.value for d in points] == [cover.base_value] * 2
    assert {d.status for d in points} == {"optimal"}
    for d in points:
        location.verify(cover, d)


def test_a_limit_is_for_the_whole_curve(monkeypatch):
    monkeypatch.setattr(time, "monotonic", time.process_time)
    cover = region(30_000, 3_000, 5.0, 0)
    location.curve(cover, [10, 20], time_limit_s=0.5)
    begun = time.process_time()
    points = location.curve(cover, [100, 150, 200, 300, 400, 500], gap=0.0, time_limit_s=2.0)
    assert time.process_time() - begun < 4.0
    in_order(points)
    for d in points:
        location.verify(cover, d)


def test_the_end_of_every_point_is_told():
    cover = region(400, 40, 3.0, 0)
    close = location.curve(cover, [3, 8], gap=0.5)
    assert {(d.status, d.log["ended"]) for d in close} <= {("feasible", "gap"), ("optimal",) * 2}
    for d in location.curve(cover, [3, 8, 40], gap=0.0):
        assert d.log["ended"] == ("optimal" if d.status == "optimal" else "counts")
    large = region(2_500, 220, 4.5, 0)
    for asked, word in (({"stop": lambda: True}, "stop"), ({"time_limit_s": 0.0}, "time")):
        points = location.curve(large, [12, 20], gap=0.0, **asked)
        assert [(d.status, d.log["ended"]) for d in points] == [("stopped", word)] * 2
