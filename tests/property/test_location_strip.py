"""The sweep of a strip against enumeration: never above the least loss, and equal without a cap."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location import strip, sweep_run
from groundplan.engine.location.dominance import drop_dominated
from groundplan.engine.location.program import make_program
from groundplan.engine.location.sweep_states import States


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
    whole, lot = strip.SHORTEST, strip.LOT
    # in lots of one, the sweep that is done first goes on alone beside the other
    for shortest, toil in product((2, 3, whole), (1, lot)):
        strip.SHORTEST, strip.LOT = shortest, toil
        try:
            for limit in (true + 50, true, max(1, true // 2)):
                got, _choice = strip.sweep_strip(
                    program, prices, order, limit, strip.Effort(cap, 10**12)
                )
                assert got <= min(true, limit)
                if cap == 10**6:
                    assert got == min(true, limit)
        finally:
            strip.SHORTEST, strip.LOT = whole, lot


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(0, 9), st.sampled_from([3, 10**6]))
def test_a_choice_of_too_many_sites_does_not_stop_the_sweep(seed, n_site, most, cap):
    program, prices = case(seed, n_site)
    prices = replace(prices, cost=np.ones(n_site, np.int64), budget=most)
    true = least_loss(program, prices, most)
    assert true >= least_loss(program, prices)
    order = strip.sweep_order(program)
    for limit in (true + 50, true, max(1, true // 2)):
        got, choice = strip.sweep_strip(program, prices, order, limit, strip.Effort(cap, 10**12))
        assert got <= min(true, limit)
        if cap == 10**6:
            assert got == min(true, limit)
            assert (choice is None) == (true >= limit)
        if choice is not None:
            assert choice.size <= most


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
    at = States.alone(len(made), n_site)
    for s, c in enumerate(made):
        sites = [k for k in range(decided) if c[k] and is_open[k]]
        at.seat[s, : len(sites)], at.size[s] = sites, len(sites)
        at.key[s] = np.bitwise_xor.reduce(sweep.mixed[sites], initial=np.uint64(0))
    at.loss[:], at.spent[:] = loss, spent

    def told(n):
        """Return the states as open sites (bits), loss and spending."""
        return [
            (sum(1 << int(k) for k in at.seat[s, : at.size[s]]), int(at.loss[s]), int(at.spent[s]))
            for s in range(n)
        ]

    before = told(len(made))
    n = drop_dominated(
        len(made), decided - 1, sweep.indptr, sweep.indices, sweep.whole, sweep.price, sweep.last,
        sweep.mixed, at.seat, at.size, at.key, at.loss, at.spent, at.link,
    )  # fmt: skip
    after = told(n)
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


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_the_sites_of_the_best_end_lose_what_the_sweep_says(seed, n_site):
    program, prices = case(seed, n_site)
    order = strip.sweep_order(program)
    sweep = strip.Sweep(program, prices, order, np.diff(program.row_indptr))
    free, far = np.zeros(n_site, np.int64), 10**9
    lost, _ = sweep.lose(
        free, np.full(n_site, far), far, strip.Effort(10**6, 10**12), lambda: False
    )
    y = np.zeros(n_site, np.int64)
    y[order[sweep.choice]] = 1
    row = np.repeat(np.arange(program.n_row), np.diff(program.row_indptr))
    cover = np.bincount(row, weights=y[program.row_indices], minlength=program.n_row)
    again = np.where(cover > 0, prices.price * (cover - 1), prices.whole - prices.price).sum()
    again += np.where(y > 0, -prices.reduced, prices.reduced).clip(0).sum()
    assert lost == least_loss(program, prices) == again


def wide_case(n: int):
    """Return a program of sites in a square, with prices that leave much to lose, and a limit."""
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 30, (n, 2))
    coverage = location.Coverage.from_radius(xy, rng.integers(1, 30, n), xy, 4.0)
    program = make_program(coverage, np.ones(n, bool), np.ones(n, np.int64), 12)
    price = program.weight // 3
    score = np.zeros(n, np.int64)
    np.add.at(score, program.row_indices, np.repeat(price, np.diff(program.row_indptr)))
    worth = int(np.sort(score)[-12])
    prices = strip.SweepPrices(program.weight, price, score - worth, np.zeros(n, np.int64))
    return program, prices, int(program.weight.sum())


@pytest.fixture
def short_lots(monkeypatch):
    """Let sweeps return after a hundredth of a second."""
    for module, name in ((sweep_run, "WORK"), (strip, "LOT"), (strip, "LOT_MAX")):
        monkeypatch.setattr(module, name, 20_000)


@pytest.mark.usefixtures("short_lots")
def test_a_sweep_looks_up_within_a_stretch_and_keeps_what_it_proved():
    program, prices, limit = wide_case(160)
    order = strip.sweep_order(program)
    looks = 0

    def look():
        nonlocal looks
        looks += 1
        return looks >= 3

    # one stretch, one batch: nothing but a look within the sweep can end it
    lost, _choice = strip.sweep_strip(
        program, prices, order, limit, strip.Effort(3_000, 10**12), look=look
    )
    assert looks == 3
    looks = -(10**9)
    more, _choice = strip.sweep_strip(
        program, prices, order, limit, strip.Effort(3_000, 10**12), look=look
    )
    assert 0 <= lost <= more


def test_states_that_outgrow_their_arrays_change_nothing():
    program, prices = case(5, 14)
    order = strip.sweep_order(program)
    sweep = strip.Sweep(program, prices, order, np.diff(program.row_indptr))
    free, far = np.zeros(14, np.int64), 10**9
    asked = (free, np.full(14, far), far, strip.Effort(10**6, 10**12), lambda: False)
    alone = States.alone
    lost, profile = sweep.lose(*asked)
    choice = sweep.choice
    try:
        States.alone = lambda room=2, most=1, log=1: alone(room, most, log)
        small, again = sweep.lose(*asked)
    finally:
        States.alone = alone
    assert small == lost
    assert np.array_equal(again, profile)
    assert np.array_equal(sweep.choice, choice)


@pytest.mark.usefixtures("short_lots")
def test_a_sweep_that_may_not_work_longer_ends_with_what_it_proved():
    program, prices, limit = wide_case(160)
    order = strip.sweep_order(program)
    most, _choice = strip.sweep_strip(program, prices, order, limit, strip.Effort(3_000, 10**12))
    for allowed in (0, 10**5, 10**6):
        effort = strip.Effort(3_000, allowed)
        lost, _choice = strip.sweep_strip(program, prices, order, limit, effort)
        assert 0 <= lost <= most
        again, _choice = strip.sweep_strip(program, prices, order, limit, effort)
        assert again == lost


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 20), st.sampled_from([1, 2, 4, 16, 32]))
def test_cuts_nest_however_short_the_stretches(seed, n_site, parts):
    program, prices = case(seed, n_site)
    order = strip.sweep_order(program)
    edge = strip.Sweep(program, prices, order, np.diff(program.row_indptr)).cut(parts)
    assert len(edge) == parts + 1
    assert edge == sorted(edge)
    assert (edge[0], edge[-1]) == (0, order.size)
