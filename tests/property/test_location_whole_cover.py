"""Where the budget may reach everybody: a cover of all is sought before anything else."""

from __future__ import annotations

import numpy as np
import pytest

from groundplan import location
from groundplan.engine.location.program import make_program
from groundplan.engine.location.whole_cover import cover_all


def spread_out(seed: int):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 100, (700, 2))
    return location.Coverage.from_radius(xy, rng.integers(1, 90, len(xy)), xy, 17.0)


def program_of(cov: location.Coverage, p: int):
    return make_program(cov, ~cov.existing, np.ones(cov.n_site, np.int64), p)


@pytest.mark.parametrize("seed", range(2))
def test_everybody_is_served_where_so_many_sites_can(seed):
    cov = spread_out(seed)
    least = location.set_covering(cov, rounds=2).value
    d = location.maximal_covering(cov, least + 2, gap=0.0)
    assert d.value == int(cov.weight.sum()) == d.bound
    assert (d.status, d.bound_by) == ("optimal", "prices")
    assert d.log["covers_all"]
    assert location.verify(cov, d)["value"] == d.value


@pytest.mark.parametrize("seed", range(2))
def test_a_cover_of_all_keeps_the_budget_or_is_none(seed):
    cov = spread_out(seed)
    least = location.set_covering(cov, rounds=2)
    for p in (int(least.bound) - 1, least.value, least.value + 3, 2 * least.value):
        program = program_of(cov, p)
        found = cover_all(program, 0, lambda: False)
        if found is None:
            assert p <= least.value
            continue
        row = np.repeat(np.arange(program.n_row), np.diff(program.row_indptr))
        assert found.sum() <= p
        assert np.unique(row[found[program.row_indices]]).size == program.n_row


def test_a_hopeless_budget_ends_at_once():
    cov = spread_out(1)
    least = int(location.set_covering(cov, rounds=2).bound)
    asked = []
    assert cover_all(program_of(cov, least // 2), 0, lambda: bool(asked.append(1))) is None
    assert not asked
