"""Many customers, few sites: proven by a sweep, and as cheaply as the sweep can."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from groundplan import location


def customers(seed: int, n_site: int, reach: float):
    rng = np.random.default_rng(seed)
    sites, xy = rng.uniform(0, 30, (n_site, 2)), rng.uniform(0, 30, (60_000, 2))
    return location.Coverage.from_radius(xy, rng.integers(1, 101, len(xy)), sites, reach)


@pytest.mark.parametrize(("seed", "reach", "p"), [(3, 4.0, 15), (5, 6.25, 10), (2, 5.75, 10)])
def test_a_hundred_sites_are_proven_without_the_general_solver(seed, reach, p):
    cov = customers(seed, 100, reach)
    d = location.maximal_covering(cov, p, gap=0.01)
    assert d.status == "optimal"
    assert d.gap == 0.0
    assert "highs_proven" not in d.log
    location.verify(cov, d)


def test_a_few_sites_equal_enumeration():
    cov = customers(8, 14, 6.0)
    d = location.maximal_covering(cov, 4)
    row = np.repeat(np.arange(cov.weight.size), np.diff(cov.row_indptr))
    best = 0
    for chosen in combinations(range(14), 4):
        covered = np.zeros(cov.weight.size, bool)
        covered[row[np.isin(cov.row_indices, chosen)]] = True
        best = max(best, int(cov.weight[covered].sum()))
    assert d.value == best == d.bound
