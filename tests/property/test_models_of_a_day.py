"""Queues and feeders over a day: fast forms against naive twins and against the exact kernel."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.models import (
    charging_schedule,
    day_load,
    day_queue,
    feeder_day,
    feeder_peak,
    size_servers,
    smart_charging_peak,
    uncontrolled_load,
    waiting_time,
)


def random_day(seed: int, n_step: int, n_class: int):
    rng = np.random.default_rng(seed)
    energy = rng.uniform(0, 40, (n_class, n_step)) * (rng.random((n_class, n_step)) < 0.5)
    return energy, rng.integers(1, n_step + 1, n_class)


def cohorts(energy, window, days: int):
    """Every cohort of so many days as one session."""
    n_step = energy.shape[1]
    step_h = 24 / n_step
    found = [
        (k * step_h, (k + w) * step_h, energy[g, k % n_step])
        for g, w in enumerate(window.tolist())
        for k in range(days * n_step)
        if energy[g, k % n_step] > 0
    ]
    return np.array(found).reshape(-1, 3).T


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from([4, 8, 12, 24]), st.integers(1, 3))
def test_the_least_limit_is_that_of_the_exact_kernel(seed, n_step, n_class):
    energy, window = random_day(seed, n_step, n_class)
    told = float(feeder_peak(energy, window))
    arrive, depart, kwh = cohorts(energy, window, 4)
    exact = smart_charging_peak(arrive, depart, kwh).peak_kw if arrive.size else 0.0
    # days without end: no schedule may fall behind the mean of the day either
    assert told == pytest.approx(max(exact, energy.sum() / 24), rel=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([8, 12, 24]), st.integers(1, 3))
def test_with_a_limit_for_each_car_no_limit_is_told_that_is_not_needed(seed, n_step, n_class):
    """Never above the exact limit of four days; by intervals one by one the same."""
    energy, window = random_day(seed, n_step, n_class)
    ratio = np.random.default_rng(seed).uniform(1.0, 3.0, n_class) / window
    told = float(feeder_peak(energy, window, step_ratio=ratio))
    assert told >= float(feeder_peak(energy, window)) * (1 - 1e-12)
    best, total = energy.sum() / 24, energy.sum(axis=1)
    for begin in range(n_step):
        for length in range(1, n_step + int(window.max()) + 1):
            inside = 0.0
            for g, w in enumerate(window.tolist()):
                for k in range(begin - w + 1, begin + length):
                    overlap = min(k + w, begin + length) - max(k, begin)
                    inside += energy[g, k % n_step] * max(0.0, 1 - min(ratio[g], 1) * (w - overlap))
            best = max(best, inside / (length * 24 / n_step))
    assert told == pytest.approx(best, rel=1e-9)
    if not total.sum():
        return
    days = 4
    arrive, depart, kwh = cohorts(energy, window, days)
    share = np.repeat(ratio, days * np.count_nonzero(energy, axis=1))
    power = kwh * np.minimum(share, 1.0) / (24 / n_step)
    exact = smart_charging_peak(
        arrive, depart, kwh * (1 - 1e-12), power * (1 + 1e-9), step_h=24 / n_step
    )
    assert exact.is_feasible
    assert told <= max(exact.peak_limited_kw, energy.sum() / 24) * (1 + 1e-6)


def test_stations_with_a_limit_for_each_car_have_the_exact_limit():
    """On courses of a day as stations have them the interval that binds is all there is."""
    rng = np.random.default_rng(0)
    hours = np.arange(48) / 2
    shape = np.stack([np.exp(-(((hours - at) / 3.0) ** 2)) for at in (20, 10, 13)])
    energy = rng.uniform(5, 60, (25, 3, 1)) * shape
    window, session, car = np.array([18, 8, 1]), np.array([30.0, 22, 30]), np.array([7.0, 7, 120])
    told = feeder_peak(energy, window, step_ratio=car / 2 / session)
    for i in range(25):
        group, when = (a.ravel() for a in np.indices((3, 3 * 48)))
        kwh = np.tile(energy[i], 3).ravel()
        exact = smart_charging_peak(
            when / 2, (when + window[group]) / 2, kwh, kwh * (car / session)[group], step_h=0.5
        )
        assert told[i] == pytest.approx(max(exact.peak_limited_kw, energy[i].sum() / 24), rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([8, 12, 24]), st.integers(1, 3))
def test_the_least_limit_delivers_all_and_less_does_not(seed, n_step, n_class):
    energy, window = random_day(seed, n_step, n_class)
    least = float(feeder_peak(energy, window))
    session, car = np.ones(n_class), np.full(n_class, 1e9)
    enough = feeder_day(energy, window, session, car, least * (1 + 1e-9))
    assert enough.undelivered_kwh.sum() == pytest.approx(0.0, abs=1e-6)
    assert enough.load_kw.max(initial=0.0) <= least * (1 + 1e-6)
    if least > energy.sum() / 24 * (1 + 1e-6):
        short = feeder_day(energy, window, session, car, least * 0.99)
        assert short.undelivered_kwh.sum() > 0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.3, 1.2))
def test_a_day_under_a_limit_is_that_of_the_session_kernel(seed, share):
    """Earliest departure first with a limit for each car, where no car stays past midnight."""
    rng = np.random.default_rng(seed)
    energy = np.zeros((2, 24))
    # arrivals at even hours leave at odd ones and the other way round: no two leave together
    energy[0, rng.choice(np.arange(0, 15, 2), 4, replace=False)] = rng.uniform(5, 30, 4)
    energy[1, rng.choice(np.arange(0, 15, 2), 4, replace=False)] = rng.uniform(5, 30, 4)
    window, session, car = np.array([9, 4]), np.array([30.0, 20.0]), np.array([7.0, 7.0])
    limit = share * float(feeder_peak(energy, window))
    told = feeder_day(energy, window, session, car, limit)
    arrive, depart, kwh = cohorts(energy, window, 1)
    power = kwh * np.where(depart - arrive == 9, 7 / 30, 7 / 20)
    edf = charging_schedule(arrive, depart, kwh, power, limit, rule="edf", step_h=1.0)
    assert told.undelivered_kwh.sum() == pytest.approx(kwh.sum() - edf.total_kwh, abs=1e-7)
    assert told.load_kw.max() == pytest.approx(edf.load_kw.max(), abs=1e-7)


def test_feeders_are_apart_from_each_other():
    energy = np.stack([random_day(seed, 24, 2)[0] for seed in range(5)])
    window = np.array([9, 3])
    spread = np.array([20.0, 30.0])
    told = feeder_peak(energy, window, spread_kwh=spread, margin=2.0)
    alone = [feeder_peak(e, window, spread_kwh=spread, margin=2.0) for e in energy]
    assert told.tolist() == [float(a) for a in alone]
    assert (told > feeder_peak(energy, window)).all()
    session, car = np.array([20.0, 30.0]), np.array([7.0, 30.0])
    day = feeder_day(energy, window, session, car, told * 0.5)
    for i, e in enumerate(energy):
        single = feeder_day(e, window, session, car, told[i] * 0.5)
        assert single.undelivered_kwh.tolist() == day.undelivered_kwh[i].tolist()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(1.0, 60.0), st.floats(3.0, 60.0))
def test_charging_on_arrival_takes_all_at_the_power_of_the_car(seed, session, car):
    energy, _ = random_day(seed, 24, 1)
    load = uncontrolled_load(energy, [session], [car])
    assert load.sum() == pytest.approx(energy.sum())
    one = np.zeros((1, 24))
    one[0, 3] = session
    alone = uncontrolled_load(one, [session], [car])[0]
    full = int(session // car)
    assert alone.max() <= car * (1 + 1e-9)
    assert alone[3 : 3 + min(full, 20)] == pytest.approx([car] * min(full, 20))


def by_integration(rate, stay_h, parts=240):
    """Number present on a fine grid, from the rates of two days."""
    n = rate.size
    fine = np.repeat(np.tile(rate, 3), parts) * (24 / n / parts)
    came = np.concatenate([[0.0], np.cumsum(fine)])
    back = round(stay_h * n / 24 * parts)
    at = np.arange(n * parts, 2 * n * parts + 1)
    present = came[at] - came[at - back]
    return np.array([present[i * parts : (i + 1) * parts + 1].max() for i in range(n)])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([6, 24]), st.integers(0, 96))
def test_the_load_of_a_day_is_that_of_a_fine_integration(seed, n_step, quarters):
    rate = np.random.default_rng(seed).uniform(0, 10, n_step)
    assert day_load(rate, quarters / 4) == pytest.approx(
        by_integration(rate, quarters / 4), abs=1e-6
    )


def test_constant_arrivals_are_a_stationary_queue():
    rate = np.array([0.5, 6.0, 20.0])[:, None, None] * np.ones((3, 1, 24))
    told = day_queue(rate, [5 / 6], 1 / 6, 0.1)
    stationary = size_servers(rate[:, 0, 0], 1.2, 1 / 6, 0.1)
    assert told.servers.tolist() == stationary.servers.tolist()
    assert told.p_exceed[:, 7] == pytest.approx(stationary.p_exceed, rel=1e-9)
    fewer = day_queue(rate, [5 / 6], 1 / 6, 0.1, servers=stationary.servers - 1)
    again = waiting_time(np.maximum(stationary.servers - 1, 1), rate[:, 0, 0], 1.2, 1 / 6)
    assert fewer.p_exceed[1:, 0] == pytest.approx(again.p_exceed[1:], rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.05, 12.0))
def test_the_least_servers_keep_every_step_and_one_less_does_not(seed, stay_h):
    rate = np.random.default_rng(seed).uniform(0, 6, (5, 2, 24))
    stay = np.array([stay_h, stay_h / 2])
    told = day_queue(rate, stay, 0.25, 0.1)
    assert (told.p_exceed <= 0.1).all()
    one_less = day_queue(rate, stay, 0.25, 0.1, servers=told.servers - 1)
    assert (one_less.p_exceed.max(axis=-1) > 0.1).all()


def simulated(rng, rate, stay_h, servers, days, limit_h, *, is_fixed):
    """Serve drawn days first come first served; return late and all arrivals of each hour."""
    at, held = [], []
    for g, stay in enumerate(stay_h):
        count = rng.poisson(np.tile(rate[g], days))
        at.append(np.repeat(np.arange(24 * days), count) + rng.random(count.sum()))
        held.append(np.full(at[-1].size, stay) if is_fixed else rng.exponential(stay, at[-1].size))
    order = np.argsort(np.concatenate(at))
    time, need = np.concatenate(at)[order], np.concatenate(held)[order]
    free = [0.0] * servers
    late = np.zeros(time.size, np.bool_)
    for i, (now, stay) in enumerate(zip(time.tolist(), need.tolist(), strict=True)):
        begin = max(heapq.heappop(free), now)
        late[i] = begin - now > limit_h
        heapq.heappush(free, begin + stay)
    hour = np.floor(time % 24).astype(int)
    return np.bincount(hour, weights=late, minlength=24), np.bincount(hour, minlength=24)


@pytest.mark.parametrize("is_fixed", [True, False])
@pytest.mark.parametrize(
    ("peak", "stay"), [(2.0, [0.6, 0.5]), (8.0, [0.6, 0.5]), (0.6, [9.0, 4.0]), (2.5, [9.0, 4.0])]
)
def test_a_simulated_queue_waits_no_longer_than_told(is_fixed, peak, stay):
    """Fast and long stays over a day with two peaks; the promise holds in each drawn hour."""
    hours = np.arange(24)
    rate = peak * np.stack(
        [np.exp(-(((hours - 12) / 3.0) ** 2)), np.exp(-(((hours - 19) / 2.0) ** 2))]
    )
    told = day_queue(rate, stay, 1 / 6, 0.1)
    rng = np.random.default_rng(11)
    late, came = simulated(rng, rate, stay, int(told.servers), 1500, 1 / 6, is_fixed=is_fixed)
    drawn = late / np.maximum(came, 1)
    # three standard errors of a share of 0.1
    slack = 3 * 0.3 / np.sqrt(np.maximum(came, 1))
    assert (drawn <= 0.1 + slack)[came > 30].all()
    share, expected = late.sum() / came.sum(), (told.p_exceed * came).sum() / came.sum()
    print(
        f"{int(told.servers)} servers: drawn {drawn[came > 300].max():.3f} in the worst hour, told "
        f"{told.p_exceed.max():.3f}; over the day {share:.4f} and {expected:.4f}"
    )
    assert share <= expected + 0.005


def test_empty_queues_and_ceilings():
    told = day_queue(np.zeros((2, 1, 24)), [1.0], 0.1, 0.1)
    assert told.servers.tolist() == [0, 0]
    assert not told.p_exceed.any()
    capped = day_queue(np.full((1, 1, 24), 9.0), [1.0], 0.1, 0.1, servers_max=5)
    assert capped.servers.tolist() == [-1]
    assert np.isnan(capped.p_exceed).all()
    none = day_queue(np.full((1, 1, 24), 9.0), [1.0], 0.1, 0.1, servers=0)
    assert (none.p_exceed == 1.0).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: day_load([-1.0], 1.0), "arrivals_per_h must be >= 0; got -1"),
        (lambda: day_load([1.0], 25.0), r"stay_h must be >= 0 and <= 24; got 25\.0"),
        (lambda: day_queue(np.ones((2, 24)), [1.0], 0.1, 0.1), "one value a class"),
        (lambda: day_queue(np.ones((1, 24)), [0.0], 0.1, 0.1), "stay_h must be > 0"),
        (lambda: day_queue(np.ones((1, 24)), [1.0], 0.1, 0.1, servers=1.5), "must be whole"),
        (lambda: feeder_peak(np.ones(24), [1]), "must be .*n_class, n_step"),
        (lambda: feeder_peak(np.ones((1, 24)), [25]), "window_steps must be >= 1 and <= 24"),
        (lambda: feeder_peak(np.ones((1, 24)), [1.5]), "window_steps must be 1 whole numbers"),
        (lambda: feeder_peak(np.ones((1, 24)), [1], margin=-1.0), "margin must be >= 0"),
        (
            lambda: feeder_peak(np.ones((1, 24)), [4], step_ratio=[0.1]),
            r"step_ratio must be >= 1 over the window, 0\.25; got 0\.1",
        ),
        (lambda: feeder_day(np.ones((1, 24)), [2], [0.0], [7.0], 5.0), "session_kwh must be > 0"),
        (lambda: feeder_day(np.ones((1, 24)), [2], [9.0], [7.0], -5.0), "limit_kw must be >= 0"),
    ],
)
def test_impossible_arguments_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
