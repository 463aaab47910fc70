"""A site beyond all demand reaches nothing and reads nothing outside the arrays."""

from __future__ import annotations

import numpy as np
import pytest

from groundplan import location


@pytest.mark.parametrize("away_m", [1e3, 1e7, 1e15])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_site_far_from_all_demand(away_m, axis, sign):
    demand, site = np.zeros((3, 2)), np.zeros((1, 2))
    site[0, axis] = sign * away_m
    coverage = location.Coverage.from_radius(demand, np.ones(3, np.int64), site, 0.5)
    assert coverage.row_of.tolist() == [-1, -1, -1]
    found = location.assign_nearest(demand, None, site, None, np.array([0.5]), np.array([True]))
    assert found.tolist() == [-1, -1, -1]


def test_layers_on_one_side_only_are_refused():
    xy, one = np.zeros((2, 2)), np.ones(2, np.int64)
    with pytest.raises(ValueError, match="layers to demand rows and to sites"):
        location.Coverage.from_radius(xy, one, xy, 1.0, site_layer=np.array([0, 1], np.int8))


def test_a_state_kept_without_copying_still_resumes_the_same():
    rng = np.random.default_rng(0)
    xy, site = rng.uniform(0, 300, (60_000, 2)), rng.uniform(0, 300, (2_600, 2))
    coverage = location.Coverage.from_radius(xy, rng.integers(1, 99, 60_000), site, 6.0)
    asked = {"p": 500, "gap": 0.0, "steps": 80, "sweeps": 40}
    states = []
    straight = location.maximal_covering(coverage, **asked, checkpoint=states.append)
    assert str(states[2]["phase"]) == "windows"
    again = location.maximal_covering(coverage, **asked, resume=states[2])
    assert again.certificate.record_hash == straight.certificate.record_hash
