"""ITM against what must hold for any input: naive twins, padding, order, threads."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.radio.itm import itm_area, itm_profile
from groundplan.engine.radio.itm_terrain import (
    MAX_SAMPLES,
    SLOTS,
    fit_line,
    horizons,
    roughness,
    select,
    tails,
)

RADIO = {"frequency_ghz": 0.7, "tx_height_m": 30.0, "rx_height_m": 1.5}
heights = st.lists(st.floats(0.0, 3000.0), min_size=3, max_size=60)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80), st.data())
def test_select_equals_sorting(values, data):
    k = data.draw(st.integers(0, len(values) - 1))
    x = np.array(values)
    assert select(x, 0, len(values) - 1, k) == sorted(values)[k]
    assert sorted(x) == sorted(values)
    assert (x[:k] <= x[k]).all()
    assert (x[k:] >= x[k]).all()


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.floats(-1e4, 1e4), st.integers(-2, 2)), min_size=1, max_size=200),
    st.floats(1e-9, 1e3),
    st.data(),
)
def test_tails_equal_sorting(values, scale, data):
    k = data.draw(st.integers(1, len(values)))
    x = np.array(values, dtype=np.float64) * scale
    n = len(x)
    slot = np.empty(SLOTS + n, dtype=np.int64)
    told = tails(x, n, k, x.min(), x.max(), np.empty(n), np.empty(n), slot)
    ordered = np.sort(x)
    assert told == (ordered[k - 1], ordered[n - k])


@settings(deadline=None)
@given(heights, st.floats(1.0, 1000.0), st.floats(0.5, 500.0), st.floats(0.5, 500.0))
def test_horizons_equal_the_naive_twin(values, step_m, tx_m, rx_m):
    h = np.array(values)
    n = len(h) - 1
    curvature = 1.2e-7
    inverse = np.append(0.0, 1.0 / np.arange(1, n + 1))
    angle_tx, angle_rx, d_tx, d_rx = horizons(h, n, step_m, inverse, curvature, tx_m, rx_m)
    for profile, antenna, other, angle, distance in (
        (values, tx_m, rx_m, angle_tx, d_tx),
        (values[::-1], rx_m, tx_m, angle_rx, d_rx),
    ):
        z = profile[0] + antenna
        top = [*profile[1:-1], profile[-1] + other]
        seen = [
            (y - z) / (i * step_m) - i * step_m * curvature / 2 for i, y in enumerate(top, start=1)
        ]
        assert np.isclose(angle, max(seen), rtol=1e-9, atol=1e-12)
        at = round(distance / step_m)
        assert np.isclose(seen[at - 1], max(seen), rtol=1e-9, atol=1e-12)


@settings(deadline=None)
@given(st.integers(2, 300), st.floats(-500.0, 500.0), st.floats(-5.0, 5.0))
def test_a_straight_line_is_its_own_fit(n, base, slope):
    h = base + slope * np.arange(n + 1.0)
    first, last = fit_line(h, n, 0.0, float(n))
    assert np.isclose(first, base, atol=1e-6)
    assert np.isclose(last, base + slope * n, atol=1e-6)


@settings(deadline=None)
@given(heights, st.floats(10.0, 1000.0))
def test_roughness_equals_the_naive_twin(values, step_m):
    """10 % to 90 % range of the samples about their line, by sorting."""
    h = np.array(values)
    n_step = len(h) - 1
    end_m = n_step * step_m
    work, slot = np.empty((3, MAX_SAMPLES)), np.empty(SLOTS + MAX_SAMPLES, dtype=np.int64)
    told = roughness(h, n_step, step_m, 0.0, end_m, work, slot)
    if n_step < 2:
        assert told == 0.0
        return
    tenth = min(max(int(0.1 * (n_step + 8.0)), 4), 25)
    n = 10 * tenth - 5
    at = np.arange(n) * (n_step / (n - 1))
    sample = np.interp(at, np.arange(n_step + 1), h)
    first, last = fit_line(sample, n - 1, 0.0, n - 1.0)
    left = np.sort(sample - np.linspace(first, last, n))
    span = left[n - tenth] - left[tenth - 1]
    assert np.isclose(told, span / (1 - 0.8 * np.exp(-end_m / 50e3)), rtol=1e-9, atol=1e-6)
    assert told >= 0.0


@settings(deadline=None, max_examples=30)
@given(st.lists(heights, min_size=1, max_size=8), st.floats(0.01, 2.0), st.randoms())
def test_rows_neither_see_each_other_nor_the_padding(profiles, step_km, random):
    count = np.array([len(p) for p in profiles])
    width = count.max() + 3
    h = np.full((len(profiles), width), np.nan)
    for row, profile in enumerate(profiles):
        h[row, : len(profile)] = profile
    km = np.arange(width) * step_km
    together = itm_profile(km, h, count=count, **RADIO)
    ended = np.where(np.arange(width) < count[:, None], km, np.nan)
    assert np.array_equal(itm_profile(ended, h, **RADIO).loss_db, together.loss_db, equal_nan=True)
    for row, profile in enumerate(profiles):
        alone = itm_profile(km[: len(profile)], profile, **RADIO)
        assert np.array_equal(alone.loss_db, together.loss_db[row], equal_nan=True)
        assert alone.flags == together.flags[row]
    order = list(range(len(profiles)))
    random.shuffle(order)
    shuffled = itm_profile(km, h[order], count=count[order], **RADIO)
    assert np.array_equal(shuffled.loss_db, together.loss_db[order], equal_nan=True)


@settings(deadline=None)
@given(
    st.floats(0.1, 1000.0), st.floats(0.0, 500.0), st.floats(0.02, 20.0), st.floats(0.5, 3000.0),
    st.floats(0.5, 100.0), st.floats(5.0, 94.0),
)  # fmt: skip
def test_more_certainty_costs_more_loss(d, delta_h, f, tx, rx, p):
    call = {"frequency_ghz": f, "tx_height_m": tx, "rx_height_m": rx, "mdvar": 3}
    for name in ("time_percent", "location_percent", "situation_percent"):
        less, more = itm_area(d, delta_h, **call, **{name: [p, p + 5.0]}).loss_db
        assert more >= less or np.isnan(more)


def test_bytes_do_not_depend_on_threads(monkeypatch):
    rng = np.random.default_rng(4)
    h = np.cumsum(rng.normal(0, 5, (500, 80)), axis=1) + 500
    km = np.arange(80) * 0.05
    told = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("GROUNDPLAN_THREADS", threads)
        told.append(itm_profile(km, h, **RADIO).loss_db.tobytes())
    assert told[0] == told[1] == told[2]
