"""The sweep of a strip against enumeration: never above the least loss, and equal without a cap."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location import strip
from groundplan.engine.location.program import make_program


def case(seed: int, n_site: int):
    """Return a program on a line of sites, with random prices."""
    rng = np.random.default_rng(seed)
    xy = np.column_stack([rng.uniform(0, 60, 40), rng.uniform(0, 6, 40)])
    coverage = location.Coverage.from_radius(xy, rng.integers(1, 30, 40), xy[:n_site], 9.0)
    program = make_program(
        coverage, np.ones(n_site, bool), np.ones(n_site, np.int64), max(1, n_site // 3)
    )
    price = (program.weight * rng.uniform(0, 1, program.n_row)).astype(np.int64)
    score = np.zeros(n_site, np.int64)
    np.add.at(score, program.row_indices, np.repeat(price, np.diff(program.row_indptr)))
    worth = int(np.median(score))
    return program, strip.SweepPrices(program.weight, price, score - worth)


def least_loss(program, prices) -> int:
    """Return what the best of all choices loses."""
    row = np.repeat(np.arange(program.n_row), np.diff(program.row_indptr))
    least = None
    for choice in product((0, 1), repeat=program.n_site):
        y = np.array(choice)
        cover = np.bincount(row, weights=y[program.row_indices], minlength=program.n_row)
        lost = np.where(cover > 0, prices.price * (cover - 1), prices.whole - prices.price).sum()
        lost += np.where(y > 0, -prices.reduced, prices.reduced).clip(0).sum()
        least = lost if least is None else min(least, lost)
    return int(least)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 9), st.sampled_from([2, 5, 10**6]))
def test_no_choice_loses_less_than_the_sweep_says(seed, n_site, cap):
    program, prices = case(seed, n_site)
    true = least_loss(program, prices)
    order = strip.sweep_order(program)
    whole = strip.SHORTEST
    for shortest in (2, 3, whole):
        strip.SHORTEST = shortest
        try:
            for limit in (true + 50, true, max(1, true // 2)):
                got = strip.sweep_strip(program, prices, order, limit, cap)
                assert got <= min(true, limit)
                if cap == 10**6:
                    assert got == min(true, limit)
        finally:
            strip.SHORTEST = whole
