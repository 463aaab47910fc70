"""Fast models against naive twins: charging, satellites, horizons, queues, diffusion."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from groundplan.models import (
    Constellation,
    RachConfig,
    charging_schedule,
    dop,
    erlang_c,
    finite_waiting,
    forecast,
    logistic,
    random_access,
    sky_view,
    smart_charging_peak,
    terrain_horizon,
    waiting_time,
    walker_constellation,
)

STEP_H = 0.25


def sessions(seed: int, n: int):
    rng = np.random.default_rng(seed)
    arrive = np.round(rng.uniform(0, 20, n) * 4) / 4
    depart = arrive + np.round(rng.uniform(0.5, 6, n) * 4) / 4
    limit = rng.choice([7.0, 11.0, 22.0, 60.0], n)
    energy = np.minimum(rng.uniform(3, 60, n), limit * (depart - arrive) * rng.uniform(0.3, 1, n))
    return arrive, depart, energy, limit


def by_linear_program(arrive, depart, energy, limit) -> float:
    n, steps = len(arrive), int(depart.max() / STEP_H)
    pairs = [(k, t) for k in range(n) for t in range(int(arrive[k] * 4), int(depart[k] * 4))]
    k, t = np.array(pairs).T
    m, ones = len(pairs), np.ones(len(pairs))
    takes = sp.hstack([sp.csr_matrix((ones, (k, np.arange(m))), (n, m)), sp.csr_matrix((n, 1))])
    load = sp.hstack(
        [sp.csr_matrix((ones, (t, np.arange(m))), (steps, m)), -STEP_H * np.ones((steps, 1))]
    )
    bounds = [(0, limit[i] * STEP_H) for i in k] + [(0, None)]
    cost = np.append(np.zeros(m), 1.0)
    return linprog(cost, load.tocsr(), np.zeros(steps), takes.tocsr(), energy, bounds).fun


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_the_least_limit_is_that_of_the_linear_program(seed, n):
    case = sessions(seed, n)
    told = smart_charging_peak(*case)
    assert told.peak_limited_kw == pytest.approx(by_linear_program(*case), rel=1e-7)
    assert told.peak_limited_kw >= told.peak_kw * (1 - 1e-9)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_schedules_keep_the_feeder_and_the_optimum_delivers_most(seed, n):
    arrive, depart, energy, limit = sessions(seed, n)
    peak = smart_charging_peak(arrive, depart, energy, limit).peak_limited_kw
    for share in (0.6, 1.0):
        told = {
            rule: charging_schedule(arrive, depart, energy, limit, share * peak, rule=rule)
            for rule in ("edf", "llf", "round_robin", "optimal")
        }
        for s in told.values():
            assert s.load_kw.max() <= share * peak * (1 + 1e-9) + 1e-9
            assert (s.delivered_kwh <= energy + 1e-9).all()
            assert s.load_kw.sum() * s.step_h == pytest.approx(s.total_kwh)
            assert s.total_kwh <= told["optimal"].total_kwh + 1e-6
    assert told["optimal"].total_kwh == pytest.approx(energy.sum())


def test_ten_thousand_sessions():
    case = sessions(1, 10_000)
    told = smart_charging_peak(*case)
    below = charging_schedule(*case, told.peak_limited_kw * 0.999)
    assert below.total_kwh < below.demanded_kwh * (1 - 1e-7)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.booleans())
def test_the_sky_of_many_places_is_that_of_each(seed, is_blocked):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4 if is_blocked else 300))
    lat, lon = rng.uniform(-60, 60, n), rng.uniform(-180, 180, n)
    if seed % 2:
        lat, lon = 34 + rng.uniform(0, 0.5, n), 113 + rng.uniform(0, 0.5, n)
    high, times = rng.uniform(0, 2000, n), np.arange(0, 86_000, 7200.0)
    bds = Constellation.bds3()
    horizon = rng.uniform(-5, 30, (n, 24)) if is_blocked else None
    told = sky_view(bds, lat, lon, high, t_s=times, mask_deg=7, horizon_deg=horizon, pdop_max=4)
    azimuth, elevation = bds.look_angles(lat, lon, high, times)
    seen = elevation >= 7
    # directions within a hundredth of a degree of a sector's edge may fall to either side
    edge_deg = np.abs((azimuth / 15 + 0.5) % 1 - 0.5)
    assume(horizon is None or edge_deg.max() < 0.5 - 0.01 / 15)
    if horizon is not None:
        sector = np.floor(azimuth / 15 + 0.5).astype(int) % 24
        edge = np.sin(np.radians(horizon)).astype(np.float32)
        seen &= np.sin(np.radians(elevation)) >= edge[np.arange(n)[:, None, None], sector]
    q = dop(azimuth, elevation, seen)
    assert told.satellites_mean == pytest.approx(seen.sum(-1).mean(1))
    assert np.array_equal(told.satellites_min, seen.sum(-1).min(1))
    assert told.available_ratio == pytest.approx((q.pdop <= 4).mean(1))
    has = ~np.isnan(q.pdop).all(1)
    for name in ("pdop", "hdop", "vdop"):
        mean = np.nanmean(getattr(q, name)[has], axis=1)
        assert getattr(told, f"{name}_mean")[has] == pytest.approx(mean, rel=1e-6)
    assert np.isnan(told.pdop_mean[~has]).all()


def test_few_satellites_give_no_position():
    q = dop([0, 90, 180], [30, 40, 50])
    assert all(np.isnan(v) for v in q)
    assert np.isnan(dop([0, 90, 180, 270], [30, 30, 30, 30]).pdop)


def test_a_walker_constellation_is_even():
    walker = walker_constellation(24, 3, 1, 27906.1, 55.0)
    at = walker.positions_km([0.0, 5000.0])
    assert np.linalg.norm(at, axis=-1) == pytest.approx(np.full((2, 24), 27906.1))
    assert np.abs(at.sum(1)).max() < 1e-6 * 27906.1


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_the_horizon_is_the_steepest_ground(seed):
    rng = np.random.default_rng(seed)
    height = rng.uniform(0, 300, (40, 50)).astype(np.float32)
    x, y = rng.uniform(500, 4500, 5), rng.uniform(500, 3500, 5)
    told = terrain_horizon(height, 0.0, 4000.0, 100.0, x, y, azimuths=8, reach_m=1500.0)

    def ground(px, py):
        a, b = px / 100 - 0.5, (4000 - py) / 100 - 0.5
        c, r = min(int(a), 48), min(int(b), 38)
        u, v = a - c, b - r
        h = height[r : r + 2, c : c + 2].astype(float)
        return (1 - v) * ((1 - u) * h[0, 0] + u * h[0, 1]) + v * ((1 - u) * h[1, 0] + u * h[1, 1])

    for i in range(5):
        eye = ground(x[i], y[i]) + 2.0
        for k in range(8):
            e, n = np.sin(np.pi * k / 4), np.cos(np.pi * k / 4)
            best, d = -1.0, 100.0
            while d <= 1500:
                px, py = x[i] + d * e, y[i] + d * n
                if not (50 <= px <= 4950 and 50 <= py <= 3950):
                    break
                best = max(best, (ground(px, py) - eye - d * d / 2 / 6_371_008.8) / d)
                d += max(100.0, 0.02 * d)
            assert told[i, k] == pytest.approx(np.degrees(np.arctan(best)), abs=1e-4)


def test_a_large_waiting_room_is_an_endless_one():
    limited, endless = finite_waiting(5, 600, 4.0, 1.0, 0.5), waiting_time(5, 4.0, 1.0, 0.5)
    assert limited.p_exceed == pytest.approx(endless.p_exceed)
    assert limited.wait_h == pytest.approx(endless.wait_h)
    assert limited.p_wait == pytest.approx(erlang_c(5, 4.0))
    assert finite_waiting(1, 1, 3.0, 1.0).p_block == pytest.approx(0.75)
    busy = finite_waiting([3, 3], [3, 9], 30.0, 1.0)
    assert (busy.use_ratio <= 1).all()
    assert busy.p_block[0] > busy.p_block[1]
    assert finite_waiting(3, 5, 0.0, 1.0).p_exceed == 0.0
    # one bay behind one server: who waits, waits one exponential service
    one = finite_waiting(1, 2, 1.5, 2.0, 0.25)
    assert one.p_exceed == pytest.approx(one.p_wait * np.exp(-2.0 * 0.25))
    limits = np.linspace(0.0, 3.0, 3001)
    tail = finite_waiting(3, 9, 4.0, 1.0, limits)
    assert tail.p_exceed[0] == pytest.approx(tail.p_wait[0])
    long = finite_waiting(3, 9, 4.0, 1.0, np.linspace(0.0, 20.0, 20_001)).p_exceed
    assert np.trapezoid(long, dx=1e-3) == pytest.approx(tail.wait_h[0], rel=1e-5)


def test_random_access_does_not_depend_on_what_ran_before():
    one = random_access(3000, "beta34", 10.0, seed=4)
    random_access(100, "uniform", 1.0)
    assert random_access(3000, "beta34", 10.0, seed=4) == one
    assert random_access(3000, "beta34", 10.0, seed=5) != one
    few = random_access(3000, "beta34", 10.0, config=RachConfig(grants=1))
    assert few.mean_delay_ms > one.mean_delay_ms


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_forecast_intervals_hold_on_noisy_growth(seed):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 6, 8))
    true = logistic(np.append(t, 8.0), 100.0, 0.8, 5.0).cumulative
    told = forecast(t, true[:-1] * np.exp(0.02 * rng.standard_normal(8)), [8.0], level=0.98)
    assert told.low[0] <= true[-1] * 1.08
    assert told.high[0] >= true[-1] * 0.92


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: smart_charging_peak([1], [1], [5]), "depart_h"),
        (lambda: smart_charging_peak([1], [2], [-5]), "energy_kwh"),
        (lambda: charging_schedule([1], [2], [5], 7, 0.0), "feeder_kw"),
        (lambda: charging_schedule([1], [2], [5], 7, 5, rule="fifo"), "rule"),
        (lambda: walker_constellation(10, 3, 1, 27906.1, 55.0), "multiple"),
        (lambda: sky_view(Constellation.bds3(), 95, 0, 0), "lat_deg"),
        (lambda: sky_view(Constellation.bds3(), 0, 0, 0, horizon_deg=[[1], [2]]), "shape"),
        (lambda: terrain_horizon(np.zeros((3, 3)), 0, 3, 1, [9.0], [1.0]), "outside"),
        (lambda: terrain_horizon(np.full((3, 3), np.nan), 0, 3, 1, [1.0], [1.0]), "holes"),
        (lambda: random_access(0, "uniform", 1.0), "devices"),
        (lambda: random_access(10, "poisson", 1.0), "arrivals"),
        (lambda: finite_waiting(3, 2, 1.0, 1.0), "places"),
        (lambda: forecast([1, 2], [1, 2], [3]), "3 or more"),
        (lambda: forecast([1, 2, 3], [1, 2, -3], [3]), "value"),
        (lambda: logistic(1, 5, 1, 0, floor=6), "floor"),
    ],
)
def test_what_cannot_be_is_refused(call, word):
    with pytest.raises(ValueError, match=word):
        call()
