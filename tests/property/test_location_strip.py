"""The sweep of a strip against enumeration: never above the least loss, and equal without a cap."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location import strip
from groundplan.engine.location.dominance import drop_dominated
from groundplan.engine.location.program import make_program
from groundplan.engine.location.sweep import WORDS


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
    free = np.zeros(n_site, np.int64)
    return program, strip.SweepPrices(program.weight, price, score - worth, free, 0, worth)


def least_loss(program, prices, most: int | None = None) -> int:
    """Return what the best of all choices loses, or the best that takes at most so many sites."""
    row = np.repeat(np.arange(program.n_row), np.diff(program.row_indptr))
    least = None
    for choice in product((0, 1), repeat=program.n_site):
        y = np.array(choice)
        if most is not None and y.sum() > most:
            continue
        cover = np.bincount(row, weights=y[program.row_indices], minlength=program.n_row)
        lost = np.where(cover > 0, prices.price * (cover - 1), prices.whole - prices.price).sum()
        lost += np.where(y > 0, -prices.reduced, prices.reduced).clip(0).sum()
        if most is not None:
            lost += prices.unit * (most - y.sum())
        least = lost if least is None else min(least, lost)
    return int(least)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 9), st.sampled_from([2, 5, 10**6]))
def test_no_choice_loses_less_than_the_sweep_says(seed, n_site, cap):
    program, prices = case(seed, n_site)
    true = least_loss(program, prices)
    order = strip.sweep_order(program)
    prices = replace(prices, unit=0)
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


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(0, 9), st.sampled_from([3, 10**6]))
def test_a_choice_of_too_many_sites_does_not_stop_the_sweep(seed, n_site, most, cap):
    program, prices = case(seed, n_site)
    prices = replace(prices, cost=np.ones(n_site, np.int64), budget=most)
    true = least_loss(program, prices, most)
    assert true >= least_loss(program, prices)
    order = strip.sweep_order(program)
    for limit in (true + 50, true, max(1, true // 2)):
        got = strip.sweep_strip(program, prices, order, limit, cap)
        assert got <= min(true, limit)
        if cap == 10**6:
            assert got == min(true, limit)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(0, 10**6), st.integers(3, 12), st.integers(1, 11), st.booleans())
def test_whoever_leaves_is_beaten_whatever_comes(seed, n_site, decided, counts):
    """Every choice of the first sites is a state; none that leaves may end better than one that stays."""
    decided = min(decided, n_site - 1)
    program, prices = case(seed, n_site)
    order = strip.sweep_order(program)
    degree = np.diff(program.row_indptr)
    sweep = strip.Sweep(program, prices, order, degree)
    made = list(product((0, 1), repeat=decided))
    is_open = sweep.leave[:decided] > decided - 1
    rng = np.random.default_rng(seed)
    loss = rng.integers(0, 60, len(made))
    spent = np.array([sum(c) for c in made]) if counts else np.zeros(len(made), np.int64)
    mask = np.zeros((len(made), WORDS), np.uint64)
    for s, c in enumerate(made):
        mask[s, 0] = sum(1 << k for k in range(decided) if c[k] and is_open[k])
    before = [(int(m[0]), int(v), int(k)) for m, v, k in zip(mask, loss, spent, strict=True)]
    n = drop_dominated(
        len(made), decided - 1, sweep.indptr, sweep.indices, sweep.whole, sweep.price, sweep.last,
        sweep.leave, mask, loss, spent,
    )  # fmt: skip
    after = [(int(mask[s, 0]), int(loss[s]), int(spent[s])) for s in range(n)]
    assert set(after) <= set(before)
    # what open rows lose under every future, as the sweep counts it
    site = [sweep.indices[sweep.indptr[k] : sweep.indptr[k + 1]] for k in range(n_site)]
    rows = np.flatnonzero(sweep.last > decided - 1)

    def ends(state, future):
        cover = np.zeros(sweep.last.size, np.int64)
        for k in range(decided):
            cover[site[k]] += state[0] >> k & 1
        later = np.zeros_like(cover)
        for k, taken in enumerate(future, start=decided):
            later[site[k]] += taken
        c, f = cover[rows], later[rows]
        more = np.where(c > 0, f, np.maximum(f - 1, 0)) * sweep.price[rows]
        dead = np.where((c == 0) & (f == 0), sweep.whole[rows] - sweep.price[rows], 0)
        return state[1] + int((more + dead).sum())

    for future in product((0, 1), repeat=min(n_site - decided, 4)):
        for state in set(before) - set(after):
            stays = [t for t in after if t[2] == state[2]]
            assert min(ends(t, future) for t in stays) <= ends(state, future)
