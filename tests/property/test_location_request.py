"""Requests that make no sense are refused with a sentence, whatever the problem."""

from __future__ import annotations

import numpy as np
import pytest

from groundplan import location


def doors():
    """Return each solver, with its problem given, by name."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 100, (30, 2))
    cost = location.AssignmentCost.from_points(xy, None, xy[:9])
    cover = location.Coverage.from_radius(xy, np.ones(30, np.int64), xy[:9], 30.0)
    room = location.CapacityProblem.from_matrix(
        rng.uniform(1, 9, (30, 9)), np.ones(30), np.full(9, 30)
    )
    step = np.arange(4)
    paths = location.FlowPaths.from_network(
        5, step, step + 1, np.full(4, 2.0), [0], [4], [5], 3.0
    )  # fmt: skip
    yield "p_median", lambda p, **k: location.p_median(cost, p, **k)
    yield "maximal_covering", lambda p, **k: location.maximal_covering(cover, p, **k)
    yield "capacitated_facility", lambda p, **k: location.capacitated_facility(room, p, **k)
    yield "flow_refueling", lambda p, **k: location.flow_refueling(paths, p, **k)
    yield "set_covering", lambda p, **k: location.set_covering(cover, **k)


@pytest.mark.parametrize("name", [name for name, _ in doors()])
def test_senseless_requests_are_refused(name):
    solve = dict(doors())[name]
    if name != "set_covering":
        for p in (2.5, "3", float("nan")):
            with pytest.raises(ValueError, match="p must be a whole number"):
                solve(p)
        with pytest.raises(ValueError, match="p must be >= 0"):
            solve(-1)
    for gap in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="gap must be a number >= 0"):
            solve(2, gap=gap)
    for limit in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="time_limit_s must be >= 0"):
            solve(2, time_limit_s=limit)
