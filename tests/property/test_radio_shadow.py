"""Drawn sight and shadow: against a naive sum, the covariance asked for, tiles and threads."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.radio.link import Link, served_ratio
from groundplan.engine.radio.shadow import (
    correlation_m,
    draw_loss,
    field_at,
    field_on_grid,
    served_share,
    waves,
)

SETTINGS = settings(deadline=None, derandomize=True, max_examples=25)


@SETTINGS
@given(
    seed=st.integers(0, 2**63), site=st.integers(0, 10**6), x=st.floats(-1e6, 1e6),
    y=st.floats(-1e6, 1e6), n_wave=st.integers(1, 9),
)  # fmt: skip
def test_equals_the_naive_sum(seed, site, x, y, n_wave):
    w = waves(seed, 50.0, site=site, n_wave=n_wave)
    naive = 0.0
    for kx, ky, phase in zip(*(v.tolist() for v in w), strict=True):
        naive += math.cos(kx * x + ky * y + phase)
    naive *= math.sqrt(2.0 / n_wave)
    # phases of 1e6 m leave a rounding of about 1e-9
    assert field_at(w, x, y) == pytest.approx(naive, abs=1e-7)
    assert field_on_grid(w, [x], [y])[0, 0] == pytest.approx(naive, abs=1e-7)


@SETTINGS
@given(seed=st.integers(0, 1000), row=st.integers(0, 20), col=st.integers(0, 20))
def test_a_tile_has_the_bytes_of_the_whole(seed, row, col):
    w = waves(seed, 37.0)
    x, y = 500_000.0 + 20.0 * np.arange(40), 3_800_000.0 - 20.0 * np.arange(40)
    whole = field_on_grid(w, x, y)
    tile = field_on_grid(w, x[col : col + 13], y[row : row + 7])
    assert tile.tobytes() == whole[row : row + 7, col : col + 13].tobytes()
    assert field_at(w, x[None, :], y[:, None]).tobytes() == whole.tobytes()
    points = np.meshgrid(x, y)
    one_by_one = field_at(w, *points)
    assert one_by_one[row, col] == field_at(w, x[col], y[row])
    np.testing.assert_allclose(one_by_one, whole, atol=1e-7)


def test_threads_change_no_byte(monkeypatch):
    w = waves(3, 37.0)
    x, y = 20.0 * np.arange(50), 20.0 * np.arange(60)
    monkeypatch.setenv("GROUNDPLAN_THREADS", "1")
    alone = field_on_grid(w, x, y)
    monkeypatch.setenv("GROUNDPLAN_THREADS", "3")
    assert field_on_grid(w, x, y).tobytes() == alone.tobytes()


def test_covariance_over_seeds():
    """4,000 fields: the correlation with the value at the origin is exp(-r / r_c)."""
    n, r = 4000, np.array([0.0, 5.0, 25.0, 50.0, 120.0, 400.0])
    value = np.array([field_at(waves(seed, 50.0), r, 0.3 * r) for seed in range(n)])
    away = r * math.hypot(1.0, 0.3)
    told = (value * value[:, :1]).mean(axis=0)
    np.testing.assert_allclose(told, np.exp(-away / 50.0), atol=4.5 / math.sqrt(n))
    assert np.abs(value.mean(axis=0)).max() < 4.5 / math.sqrt(n)
    # near normal: the share beyond two and three sigma
    assert (np.abs(value) > 2).mean() == pytest.approx(0.0455, abs=0.006)
    assert (np.abs(value) > 3).mean() == pytest.approx(0.0027, abs=0.0015)


def test_one_field_in_space():
    """One seed over 4 km: variance and correlation at 100 m, what a single map shows."""
    w = waves(11, 50.0)
    axis = 20.0 * np.arange(200)
    field = field_on_grid(w, axis, axis)
    assert field.var() == pytest.approx(1.0, abs=0.15)
    assert (field[:, 5:] * field[:, :-5]).mean() == pytest.approx(math.exp(-2), abs=0.1)


@pytest.mark.parametrize("model", ["UMa", "RMa"])
def test_share_of_draws_is_the_closed_form(model):
    base_m, allowed_db = (25.0, 125.0) if model == "UMa" else (35.0, 125.0)
    d = np.array([60.0, 150.0, 400.0, 900.0])
    link = {
        "site_x_m": 1000.0, "site_y_m": 2000.0, "frequency_ghz": 2.6, "base_height_m": base_m,
        "terminal_height_m": 1.5, "seed": 4,
    }  # fmt: skip
    n = 1500
    told = served_share(
        model, 1000.0 + d, np.full(4, 2000.0), allowed_db=allowed_db, draw_count=n, **link
    )
    expected = served_ratio(Link(model, 2.6, base_m, 1.5, allowed_db, "outdoor", 0.0), d)
    bound = 4.5 * np.sqrt(np.maximum(expected * (1 - expected), 0.002) / n)
    assert (np.abs(told - expected) < bound).all(), (told, expected)


def test_sites_are_apart_unless_asked():
    x, y = 100.0 * np.arange(40), np.zeros(40)

    def shadow(site, ratio):
        rows = [
            draw_loss(
                "RMa", x, y + 5000.0, site_x_m=0.0, site_y_m=0.0, frequency_ghz=0.7,
                base_height_m=35.0, terminal_height_m=1.5, seed=9, site=site, draw=draw,
                site_correlation_ratio=ratio, n_wave=64,
            ).shadow_db
            for draw in range(60)
        ]  # fmt: skip
        return np.concatenate(rows)

    apart = np.corrcoef(shadow(1, 0.0), shadow(2, 0.0))[0, 1]
    joint = np.corrcoef(shadow(1, 0.5), shadow(2, 0.5))[0, 1]
    assert abs(apart) < 0.12
    assert joint == pytest.approx(0.5, abs=0.12)
    assert np.array_equal(shadow(1, 0.0), shadow(1, 0.0))


def test_what_cannot_be_is_named():
    with pytest.raises(ValueError, match="correlation_m must be > 0; got 0"):
        waves(1, 0.0)
    with pytest.raises(ValueError, match="n_wave must be >= 1; got 0"):
        waves(1, 10.0, n_wave=0)
    with pytest.raises(ValueError, match="draw_count must be >= 1"):
        served_share("UMa", [1.0], [1.0], allowed_db=1.0, draw_count=0)
    assert correlation_m("InF-SL")[2] == 5.0


def test_grids_are_cheaper_than_points():
    """Cost of one field in CPU seconds, both ways over the same 90,000 cells."""
    w = waves(1, 37.0)
    x, y = 100.0 * np.arange(300), 100.0 * np.arange(300)
    field_on_grid(w, x[:2], y[:2])
    points = np.meshgrid(x, y)
    field_at(w, points[0][:2, :2], points[1][:2, :2])
    cost = []
    for call in (lambda: field_on_grid(w, x, y), lambda: field_at(w, *points)):
        start = time.process_time()
        call()
        cost.append(time.process_time() - start)
    rate = [90_000 / max(c, 1e-9) / 1e6 for c in cost]
    print(f"\na field of 256 waves: {rate[0]:.2f} M cells, {rate[1]:.3f} M points per core second")
    assert cost[1] > 3 * cost[0]
