"""Solvers with groups keep a time limit, and return a checked plan when stopped from the start."""

from __future__ import annotations

import time

import numpy as np
import pytest

from groundplan import location

LIMIT_S, LATE_S, RUNS = 1.0, 4.0, 4


def discs(n_row, n_site, reach, seed=0):
    rng = np.random.default_rng(seed)
    side = np.sqrt(n_row)
    rows, sites = rng.uniform(0, side, (n_row, 2)), rng.uniform(0, side, (n_site, 2))
    return location.Coverage.from_radius(rows, rng.integers(1, 50, n_row), sites, reach), sites


def make(name, n):
    """Return function, problem, arguments, and what the check takes beside them, at a size."""
    if name == "partial_set_covering":
        c, _sites = discs(40 * n, 4 * n, 6.0)
        group = (np.arange(c.row_of.size) % 5).astype(np.int64)
        floor = np.bincount(group, c.raw_weight, 5).astype(np.int64) * 7 // 10
        terms = {"group": group, "floor": floor}
        return location.partial_set_covering, c, {"share": 0.6, **terms}, terms
    if name == "maximal_covering":
        c, sites = discs(100 * n, 10 * n, 6.0)
        group = (sites[:, 0] * 4 // (np.ptp(sites[:, 0]) + 1)).astype(np.int64)
        terms = {"site_group": group, "most": np.full(4, n // 15)}
        return location.maximal_covering, c, {"p": n // 4, **terms}, terms
    if name == "backup_covering":
        c, sites = discs(40 * n, 4 * n, 6.0)
        group = (sites[:, 0] * 4 // (np.ptp(sites[:, 0]) + 1)).astype(np.int64)
        level = np.array([c.raw_weight, c.raw_weight // 2])
        terms = {"level_weight": level, "site_group": group, "most": np.full(4, n // 15)}
        return location.backup_covering, c, {"p": n // 4, **terms}, terms
    if name == "capacitated_facility":
        rng = np.random.default_rng(0)
        rows, sites = rng.uniform(0, 1e4, (10 * n, 2)), rng.uniform(0, 1e4, (n // 2, 2))
        demand = rng.integers(1, 50, 10 * n)
        room, fee = np.full(n // 2, 6 * demand.sum() // n), np.full(n // 2, 1e6)
        c = location.CapacityProblem.from_points(rows, sites, demand, room, fee)
        terms = {"site_group": (sites[:, 0] // 2_501).astype(np.int64), "most": np.full(4, n // 10)}
        return location.capacitated_facility, c, terms, terms
    if name == "set_covering":
        c, sites = discs(40 * n, 4 * n, 6.0)
        group = (sites[:, 0] * 4 // (np.ptp(sites[:, 0]) + 1)).astype(np.int64)
        terms = {"site_group": group, "most": np.array([n // 5, n, n, n])}
        return location.set_covering, c, {"leave_unreachable": True, **terms}, terms
    rng = np.random.default_rng(0)
    rows, sites = rng.uniform(0, 1e4, (20 * n, 2)), rng.uniform(0, 1e4, (4 * n, 2))
    costs = location.AssignmentCost.from_points(rows, rng.integers(1, 50, 20 * n), sites)
    terms = {"site_group": (sites[:, 0] // 2_501).astype(np.int64), "most": np.array([n // 8] * 4)}
    if name == "p_median":
        return location.p_median, costs, {"p": n // 2, **terms}, terms
    terms["opening_cost"] = np.full(4 * n, 200_000)
    return location.uncapacitated_facility, costs, terms, terms


NAMES = (
    "backup_covering", "capacitated_facility", "partial_set_covering", "maximal_covering",
    "p_median", "set_covering", "uncapacitated_facility",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_time_limit_is_kept(name, monkeypatch):
    # time of the process alone: other work on the machine changes nothing
    monkeypatch.setattr(time, "monotonic", time.process_time)
    solve, problem, asked, _terms = make(name, 20)
    solve(problem, **asked, gap=0.05, time_limit_s=3.0)
    solve, problem, asked, terms = make(name, 400)
    took = float("inf")
    for _ in range(RUNS):
        begun = time.process_time()
        d = solve(problem, **asked, gap=0.0, time_limit_s=LIMIT_S)
        took = min(took, time.process_time() - begun)
        location.verify(problem, d, **terms)
        if took < LIMIT_S + LATE_S:
            break
    assert took < LIMIT_S + LATE_S


@pytest.mark.parametrize("name", NAMES)
def test_a_stop_from_the_start_still_returns_a_plan_with_its_bound(name):
    solve, problem, asked, terms = make(name, 40)
    d = solve(problem, **asked, gap=0.0, stop=lambda: True)
    location.verify(problem, d, **terms)
