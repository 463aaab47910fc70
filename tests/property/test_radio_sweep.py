"""The terrain sweep against its slow twin: one profile per receiver, equations as printed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from groundplan.engine._jit import spread
from groundplan.engine.radio import bullington as plain
from groundplan.engine.radio.direct import direct_loss, direct_mast
from groundplan.engine.radio.pathloss import path_loss
from groundplan.engine.radio.sweep import mast_geometry, move_mast, sweep_mast
from groundplan.engine.radio.sweep_end import end_terms, least_edge, link_constants
from groundplan.engine.radio.sweep_many import sweep_masts
from groundplan.engine.radio.sweep_radial import sweep_radial
from groundplan.engine.radio.terrain import Terrain

SHAPES = ("hills", "cliffs", "sea", "plain", "ramp")


def ground(shape: str, size, rng) -> np.ndarray:
    """Heights of a kind of land, m."""
    if shape == "sea":
        return np.zeros(size)
    if shape == "plain":
        return np.round(rng.normal(60.0, 0.4, size), 1)
    if shape == "cliffs":
        return rng.choice([0.0, 5.0, 300.0, 301.0], size)
    if shape == "ramp":
        return np.broadcast_to(np.linspace(900.0, 0.0, size[-1]), size).copy()
    h = rng.normal(0.0, 25.0, size)
    for axis in range(h.ndim):
        h = np.cumsum(h, axis)
    return h - h.min() if h.ndim == 1 else 100.0 + 400.0 * (h - h.min()) / np.ptp(h)


def plain_end(nu, hte, hre, rise, d, n, f, ap, *, is_vertical):
    """Loss from the geometry of a path, with the plain formulas of the twin."""
    wavelength = plain.LIGHT_M_GHZ / f
    luc = plain.knife_edge(nu * math.sqrt(0.002 / wavelength))
    actual = luc + (1.0 - math.exp(-luc / 6.0)) * (10.0 + 0.02 * d)
    x = np.arange(n + 1) * (d / n)
    smooth = plain.bullington(x, np.zeros(n + 1), n, hte, hre, ap, wavelength)
    sphere = plain.spherical(d, hte, hre, ap, f, is_vertical)
    free = 92.4 + 20.0 * math.log10(f) + 10.0 * math.log10(d**2 + (rise / 1000.0) ** 2)
    return free + actual + max(sphere - smooth, 0.0)


@settings(deadline=None, max_examples=60)
@given(
    shape=st.sampled_from(SHAPES),
    seed=st.integers(0, 10**6),
    n=st.integers(2, 150),
    step_m=st.sampled_from([10.0, 30.0, 100.0, 400.0]),
    antenna_m=st.floats(1.0, 150.0),
    terminal_m=st.floats(1.0, 30.0),
    f=st.floats(0.03, 6.0),
    delta_n=st.floats(20.0, 90.0),
    has_clutter=st.booleans(),
)
def test_every_receiver_of_a_radial_equals_its_own_profile(
    shape, seed, n, step_m, antenna_m, terminal_m, f, delta_n, has_clutter
):
    rng = np.random.default_rng(seed)
    h = ground(shape, (n + 1,), rng)
    clutter = rng.choice([0.0, 10.0, 15.0, 20.0], n + 1) if has_clutter else np.zeros(n + 1)
    ap, dd = plain.effective_radius_km(delta_n), step_m / 1000.0
    inverse = np.concatenate(([0.0], 1.0 / np.arange(1.0, n + 1)))
    out = np.zeros((n - 1, 4))
    least = least_edge(f, dd)
    sweep_radial(
        h,
        clutter,
        has_clutter,
        n,
        2,
        1,
        500.0 / ap * dd**2,
        antenna_m,
        terminal_m,
        least,
        1.0 / math.sqrt(dd),
        inverse,
        np.zeros((8, n + 1)),
        out,
        0,
    )
    for j in range(2, n + 1):
        ours = plain_end(*out[j - 2], j * dd, j, f, ap, is_vertical=True)
        twin = plain.profile_bullington(
            np.arange(j + 1) * dd,
            h[: j + 1],
            clutter[: j + 1],
            frequency_ghz=f,
            tx_height_m=antenna_m,
            rx_height_m=terminal_m,
            delta_n=delta_n,
        )
        assert ours == pytest.approx(twin, abs=1e-7), f"receiver {j}"


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    f=st.floats(0.03, 6.0),
    is_vertical=st.booleans(),
    step_km=st.sampled_from([0.03, 0.1]),
)
@example(seed=599, f=1.2737413101593429, is_vertical=True, step_km=0.1)
def test_vector_end_terms_equal_the_plain_ones(seed, f, is_vertical, step_km):
    rng = np.random.default_rng(seed)
    size, ap = 200, plain.effective_radius_km(45.0)
    steps = rng.integers(2, max(3, int(30.0 / step_km)), size)
    d = ((steps + rng.uniform(-0.45, 0.45, size)) * step_km).astype(np.float32)
    geometry = np.stack(
        [
            rng.normal(0.0, 60.0, size),
            np.exp(rng.uniform(0.0, 6.0, size)),
            np.exp(rng.uniform(0.0, 6.0, size)),
            rng.normal(0.0, 200.0, size),
        ]
    ).astype(np.float32)
    out = np.zeros(size, np.float32)
    name = "vertical" if is_vertical else "horizontal"
    metres = (d * np.float32(1000.0)).astype(np.float32)
    end_terms(0, size, metres, geometry, np.float32(step_km), link_constants(f, ap, name), out)
    # the formulas themselves jump by some hundredths of a dB (at X = 1.6 and B = 2): where the
    # distance is within its rounding of a jump, either side is right
    twins = np.array(
        [
            [
                plain_end(
                    *map(float, geometry[:, j]),
                    float(metres[j]) / 1000.0 * nudge,
                    int(steps[j]),
                    f,
                    ap,
                    is_vertical=is_vertical,
                )
                for j in range(size)
            ]
            for nudge in (1.0, 1.0 - 2e-6, 1.0 + 2e-6)
        ]
    )
    assert np.abs(out - twins).min(axis=0).max() <= 1e-3


def land(shape: str, seed: int, size: int, cell_m: float, *, has_clutter: bool) -> Terrain:
    rng = np.random.default_rng(seed)
    clutter = rng.choice([0.0, 10.0, 20.0], (size, size)) if has_clutter else None
    height = ground(shape, (size, size), rng).astype(np.float32)
    return Terrain(height, 0.0, size * cell_m, cell_m, clutter, is_synthetic=True)


@settings(deadline=None, max_examples=25)
@given(
    shape=st.sampled_from(SHAPES),
    seed=st.integers(0, 10**6),
    row=st.integers(0, 60),
    col=st.integers(0, 60),
    antenna_m=st.floats(5.0, 80.0),
    f=st.floats(0.4, 6.0),
    has_clutter=st.booleans(),
)
def test_cells_along_the_axes_equal_their_own_profiles(
    shape, seed, row, col, antenna_m, f, has_clutter
):
    # due north, east, south and west of the mast, cells are receivers of a radial
    terrain = land(shape, seed, 61, 90.0, has_clutter=has_clutter)
    x, y = (col + 0.5) * 90.0, (60.5 - row) * 90.0
    found = sweep_mast(
        terrain, x, y, antenna_m, 1.5, f, 9000.0, (0.0, 5490.0, 90.0, 61, 61), near_model=None
    )
    assert (found.row0, found.col0, found.loss_db.shape) == (0, 0, (61, 61))
    rows = np.concatenate((np.arange(61), np.full(61, row)))
    cols = np.concatenate((np.full(61, col), np.arange(61)))
    twin = direct_loss(terrain, x, y, antenna_m, 1.5, f, (cols + 0.5) * 90.0, (60.5 - rows) * 90.0)
    has_twin = np.isfinite(twin)
    assert (np.isfinite(found.loss_db[rows, cols]) == has_twin).all()
    assert np.abs(found.loss_db[rows, cols] - twin)[has_twin].max(initial=0.0) <= 1e-3
    # the twin of a whole window sees the same cells
    whole = direct_mast(
        terrain, x, y, antenna_m, 1.5, f, 9000.0, (0.0, 5490.0, 90.0, 61, 61), near_model=None
    )
    assert whole[:2] == found[:2]
    np.testing.assert_allclose(whole.loss_db[rows, cols], twin, atol=1e-4)
    assert (np.isfinite(whole.loss_db) == np.isfinite(found.loss_db)).mean() > 0.995


places = st.tuples(st.floats(0.0, 8000.0), st.floats(0.0, 8000.0))


@settings(deadline=None, max_examples=40)
@given(
    place=places,
    corner=places,
    reach_m=st.floats(60.0, 9000.0),
    cell_m=st.sampled_from([25.0, 60.0, 100.0, 500.0]),
    spacing_m=st.sampled_from([None, 20.0, 80.0, 400.0]),
    step_m=st.sampled_from([None, 30.0, 125.0]),
)
def test_every_cell_within_reach_has_a_value(place, corner, reach_m, cell_m, spacing_m, step_m):
    terrain = land("hills", 5, 100, 80.0, has_clutter=False)
    n = int(3000.0 / cell_m)
    geometry = mast_geometry(
        terrain,
        *place,
        30.0,
        1.5,
        reach_m,
        (*corner, cell_m, n, n),
        spacing_m=spacing_m,
        step_m=step_m,
    )
    loss = geometry.loss_db(2.6, near_model=None)
    far = geometry.distance_m()
    least = -(-2 // geometry.stride) * geometry.stride * geometry.step_m * 1.0001
    inside = (far < reach_m * 0.9999) & (far > least)
    assert np.isfinite(loss[inside]).all()
    assert np.isnan(loss[far > reach_m * 1.0001]).all()
    whole = geometry.loss_db(2.6)
    assert np.isfinite(whole[far < reach_m * 0.9999]).all()
    # the window holds every cell of the grid whose centre is within reach and on the terrain
    cx = corner[0] + (np.arange(n) + 0.5) * cell_m
    cy = corner[1] - (np.arange(n) + 0.5) * cell_m
    near = np.hypot(cx[None, :] - place[0], cy[:, None] - place[1]) < reach_m * 0.9999
    near &= ((cx > 0) & (cx < 8000))[None, :] & ((cy > 0) & (cy < 8000))[:, None]
    assert near.sum() == (far < reach_m * 0.9999).sum()


CASE = (30.0, 1.5, 4000.0, (0.0, 9000.0, 50.0, 180, 180))


def test_one_thread_equals_two(monkeypatch):
    terrain = land("hills", 1, 100, 90.0, has_clutter=True)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("GROUNDPLAN_THREADS", threads)
        geometry = mast_geometry(terrain, 4321.0, 4567.0, *CASE)
        many = sweep_masts(
            terrain, [4321.0, 900.0], [4567.0, 50.0], 30.0, 1.5, 0.7, [4000.0, 800.0], *CASE[3:]
        )
        losses = [geometry.loss_db(0.7), *(loss.loss_db for _, loss in many)]
        found.append([geometry.values.tobytes(), *(loss.tobytes() for loss in losses)])
    assert found[0] == found[1] == found[2]
    assert found[0][1] == found[0][2]


def test_masts_swept_within_spread_work_do_not_wait_for_themselves(monkeypatch):
    monkeypatch.setenv("GROUNDPLAN_THREADS", "2")
    terrain = land("hills", 1, 100, 90.0, has_clutter=False)

    def one(lo, hi):
        return [sweep_mast(terrain, 900.0 * k, 4000.0, 30.0, 1.5, 0.7, *CASE[2:]) for k in (lo, hi)]

    both = spread(one, [(k, k + 1) for k in range(1, 7)])
    alone = sweep_mast(terrain, 900.0, 4000.0, 30.0, 1.5, 0.7, *CASE[2:])
    np.testing.assert_array_equal(both[0][0].loss_db, alone.loss_db)


class PlanGrid:
    x0_m, y0_m, cell_m, n_row, n_col = 0.0, 9000.0, 50.0, 180, 180


def test_a_grid_object_stands_for_its_numbers():
    terrain = land("hills", 1, 100, 90.0, has_clutter=False)
    args = (terrain, 900.0, 4000.0, 30.0, 1.5, 0.7, 1500.0)
    np.testing.assert_array_equal(
        sweep_mast(*args, PlanGrid()).loss_db, sweep_mast(*args, CASE[3]).loss_db
    )
    near = direct_mast(*args, PlanGrid()).loss_db
    gap = near - sweep_mast(*args, PlanGrid()).loss_db
    assert np.isfinite(gap[25:35, 12:24]).all()
    assert np.sqrt(np.nanmean(gap**2)) < 3.0  # rough ground: the radials fall between its cells


@settings(deadline=None, max_examples=15)
@given(
    before=places,
    after=places,
    height=st.floats(5.0, 90.0),
    f=st.floats(0.4, 6.0),
    first_f=st.floats(0.4, 6.0),
)
def test_moving_and_reusing_equal_a_fresh_sweep(before, after, height, f, first_f):
    terrain = land("hills", 2, 100, 90.0, has_clutter=False)
    start = mast_geometry(terrain, *before, *CASE)
    start.loss_db(first_f)
    moved = move_mast(start, terrain, *after, antenna_height_m=height)
    fresh = sweep_mast(terrain, *after, height, 1.5, f, *CASE[2:])
    assert (moved.window.row0, moved.window.col0) == (fresh.row0, fresh.col0)
    np.testing.assert_array_equal(moved.loss_db(f), fresh.loss_db)
    small = moved.compact()
    assert (moved.bytes_per_cell, small.bytes_per_cell) == (16, 8)
    np.testing.assert_allclose(small.loss_db(f), fresh.loss_db, rtol=0.0, atol=0.03)


def test_near_cells_are_mixed_by_the_written_rule():
    terrain = land("hills", 3, 60, 30.0, has_clutter=False)
    args = (terrain, 915.0, 885.0, 30.0, 1.5, 2.6, 800.0, (0.0, 1800.0, 30.0, 60, 60))
    mixed = sweep_mast(*args).loss_db
    alone = sweep_mast(*args, near_model=None).loss_db
    far = mast_geometry(terrain, 915.0, 885.0, 30.0, 1.5, 800.0, *args[7:]).distance_m()
    urban = path_loss("UMa", np.maximum(far, 10.0), 2.6, 30.0, 1.5).loss_db
    is_near, is_far = far <= 250.0, (far >= 500.0) & (far < 799.0)
    assert is_near.sum() > 100
    np.testing.assert_allclose(mixed[is_near], urban[is_near], atol=0.02)
    np.testing.assert_array_equal(mixed[is_far], alone[is_far])
    between = (far > 250.0) & (far < 500.0)
    w = (far[between] - 250.0) / 250.0
    np.testing.assert_allclose(
        mixed[between], w * alone[between] + (1 - w) * urban[between], atol=0.02
    )


def test_many_masts_share_stop_and_report():
    terrain = land("plain", 4, 80, 100.0, has_clutter=False)
    x, f = np.repeat(np.linspace(500.0, 7500.0, 150), 2), np.tile([0.7, 3.5], 150)
    rest = ((0.0, 8000.0, 100.0, 80, 80),)
    seen = []
    found = list(
        sweep_masts(
            terrain, x, 4000.0, 25.0, 1.5, f, 900.0, *rest, progress=lambda *a: seen.append(a)
        )
    )
    assert [j for j, _ in found] == list(range(300))
    assert seen[-1] == (300, 300)
    assert len(seen) == 5
    for j in (0, 1, 171):
        one = sweep_mast(terrain, x[j], 4000.0, 25.0, 1.5, f[j], 900.0, *rest)
        assert found[j][1][:2] == one[:2]
        np.testing.assert_array_equal(found[j][1].loss_db, one.loss_db)
    stopped = list(
        sweep_masts(terrain, x, 4000.0, 25.0, 1.5, f, 900.0, *rest, stop=lambda: len(seen) > 0)
    )
    assert stopped == []
    with pytest.raises(ValueError, match=r"2 of 3 links") as caught:
        sweep_masts(terrain, [1.0, -5.0, 9.0], 10.0, 25.0, 1.5, [0.7, 0.7, 700.0], 900.0, *rest)
    assert "link 1: mast at x -5 m" in str(caught.value)
    assert "link 2: frequency_ghz must be in 0.03..6 GHz" in str(caught.value)


def test_depression_is_the_angle_to_the_terminal():
    terrain = Terrain(np.zeros((100, 100), np.float32), 0.0, 9000.0, 90.0)
    geometry = mast_geometry(terrain, 4500.0, 4500.0, *CASE)
    far, seen = geometry.distance_m(), geometry.depression_deg()
    ok = (far > 500.0) & (far < 3900.0)
    drop = far[ok] / (2000.0 * plain.effective_radius_km(45.0)) + 28.5 / far[ok]
    np.testing.assert_allclose(seen[ok], np.degrees(np.arctan(drop)), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"height_m": np.array([[1.0, np.nan], [np.nan, 2.0]])}, r"2 holes .* row 0, column 1"),
        ({"height_m": np.array([[1, 2], [-32768, 2]], np.int16)}, r"1 holes .* row 1, column 0"),
        ({"height_m": np.array([[1.0, 2.0], [3.0, 30000.0]])}, r"outside -500..9000 m"),
        ({"height_m": np.zeros(5)}, "table of rows and columns"),
        ({"height_m": np.zeros((1, 5))}, "at least 2 x 2"),
        ({"cell_m": 0.0}, "cell_m must be finite and > 0"),
        ({"x0_m": np.nan}, "x0_m must be finite"),
        ({"clutter_m": np.zeros((3, 3))}, "shape of height_m"),
        ({"clutter_m": np.full((2, 2), -1.0)}, "outside 0..1000 m"),
    ],
)
def test_spoilt_terrain_is_refused(change, text):
    good = {"height_m": np.zeros((2, 2)), "x0_m": 0.0, "y0_m": 0.0, "cell_m": 30.0}
    with pytest.raises(ValueError, match=text):
        Terrain(**(good | change))


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        (0, -1.0, "lies outside the terrain"),
        (2, 0.0, "antenna_height_m must be in"),
        (3, np.nan, "terminal_height_m must be in"),
        (4, 700.0, r"frequency_ghz must be in 0.03..6 GHz .* is it in MHz"),
        (5, 0.0, "reach_m must be > 0"),
        (6, (0.0, 2000.0, -3.0, 20, 20), "cell_m must be > 0"),
        (6, (0.0, 2000.0, 100.0, 0, 20), "n_row must be a whole number"),
    ],
)
def test_impossible_links_are_refused(place, value, text):
    terrain = Terrain(np.zeros((20, 20), np.float32), 0.0, 2000.0, 100.0)
    grid = (0.0, 2000.0, 100.0, 20, 20)
    args = [500.0, 500.0, 30.0, 1.5, 0.7, 900.0, grid]
    sweep_mast(terrain, *args)
    args[place] = value
    with pytest.raises(ValueError, match=text):
        sweep_mast(terrain, *args)
    with pytest.raises(ValueError, match="lowest_frequency_ghz"):
        mast_geometry(terrain, 500.0, 500.0, 30.0, 1.5, 900.0, grid).loss_db(0.1)
