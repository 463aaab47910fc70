"""Calibration: recovers what was put in, bears outliers, leans where classes are thin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.radio.calibration import (
    calibrate,
    errors_db,
    held_out,
    measured_loss_db,
    spatial_blocks,
)

SETTINGS = settings(deadline=None, derandomize=True, max_examples=50)


def drawn(seed: int, n: int, n_class: int, sigma_db: float = 6.0):
    rng = np.random.Generator(np.random.Philox(seed))
    kind = rng.integers(0, n_class, n)
    d = 10 ** rng.uniform(1.5, 3.5, n)
    offset = rng.normal(5.0, 4.0, n_class)
    model = 60.0 + 35.0 * np.log10(d)
    measured = model + offset[kind] + 3.0 * np.log10(d / 300.0) + rng.normal(0, sigma_db, n)
    return kind, d, offset, model, measured


@SETTINGS
@given(seed=st.integers(0, 10_000))
def test_recovers_offsets_and_slope(seed):
    kind, d, offset, model, measured = drawn(seed, 4000, 3)
    told = calibrate(measured, model, kind, d, has_slope=True)
    at_ref = offset + 3.0 * math.log10(told.distance_ref_m / 300.0)
    np.testing.assert_allclose(told.offset_db, at_ref, atol=0.9)
    np.testing.assert_allclose(told.slope_db, 3.0, atol=1.6)
    np.testing.assert_allclose(told.sigma_db, 6.0, atol=0.9)
    assert errors_db(told.correct(model, kind, d), measured).rmse_db < 6.4


@SETTINGS
@given(seed=st.integers(0, 10_000), shift=st.floats(-40, 40), has_slope=st.booleans())
def test_order_shift_and_sign(seed, shift, has_slope):
    kind, d, _, model, measured = drawn(seed, 300, 4)
    told = calibrate(measured, model, kind, d, has_slope=has_slope)
    order = np.random.default_rng(seed).permutation(300)
    again = calibrate(measured[order], model[order], kind[order], d[order], has_slope=has_slope)
    np.testing.assert_allclose(again.offset_db, told.offset_db, atol=1e-6)
    # what is added to the model is taken off the correction
    moved = calibrate(measured, model + shift, kind, d, has_slope=has_slope)
    np.testing.assert_allclose(moved.offset_db, told.offset_db - shift, atol=1e-6)
    # received power instead of loss: the same corrections with the other sign
    power = calibrate(30.0 - measured, 30.0 - model, kind, d, has_slope=has_slope)
    np.testing.assert_allclose(power.offset_db, -told.offset_db, atol=1e-6)
    np.testing.assert_allclose(power.slope_db, -told.slope_db, atol=1e-6)


@SETTINGS
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), n_class=st.integers(1, 6))
def test_shrinkage_lies_between_own_and_common(seed, n, n_class):
    kind, d, _, model, measured = drawn(seed, n, n_class)
    told = calibrate(measured, model, kind, d, block=kind * 7 + (d > 300))
    low = np.minimum(told.raw_offset_db, told.common_offset_db) - 1e-9
    high = np.maximum(told.raw_offset_db, told.common_offset_db) + 1e-9
    assert ((told.offset_db >= low) & (told.offset_db <= high)).all()
    assert told.point_count.sum() == n
    # classes that were not measured take the common offset
    assert told.correct([100.0], [99]).tolist() == [100.0 + told.common_offset_db]
    assert told.correct([100.0]).tolist() == [100.0 + told.common_offset_db]


def test_the_formulas_by_hand():
    """Two classes of equal spread: DerSimonian and Laird on paper."""
    a, b = np.array([3.0, 5.0, 4.0, 4.0, 5.0, 3.0]), np.array([13.0, 15.0])
    measured, kind = np.concatenate([a, b]), np.repeat([0, 1], [6, 2])
    told = calibrate(measured, np.zeros(8), kind)
    assert told.raw_offset_db == pytest.approx([4.0, 14.0])
    # both scales: classes of few points take that of all where it is larger
    _, scale = None, np.median(np.abs(measured - np.median(measured)))
    assert scale > 0
    v = told_variance(measured, kind)
    w = 1 / v
    mean = (w @ told.raw_offset_db) / w.sum()
    between = max((w @ (told.raw_offset_db - mean) ** 2 - 1) / (w.sum() - (w @ w) / w.sum()), 0)
    w = 1 / (v + between)
    mean = (w @ told.raw_offset_db) / w.sum()
    expected = mean + between / (between + v) * (told.raw_offset_db - mean)
    assert told.offset_db == pytest.approx(expected)
    assert told.between_db == pytest.approx(math.sqrt(between))


def told_variance(measured, kind):
    """Spread of each class of fewer than ten points, not below that about Huber's mean of all."""
    from groundplan.engine.radio.calibration import _line

    floor = _line(measured, None)[2]
    return np.array(
        [max(_line(measured[kind == c], None)[2], floor) ** 2 / (kind == c).sum() for c in (0, 1)]
    )


def test_thin_classes_lean_more_and_blocks_count_not_points():
    rng = np.random.Generator(np.random.Philox(3))
    size = [500, 500, 500, 4]
    kind = np.repeat(np.arange(4), size)
    measured = np.array([0.0, 4.0, -4.0, 12.0])[kind] + rng.normal(0, 6, kind.size)
    alone = calibrate(measured, np.zeros(kind.size), kind)
    pull = np.abs(alone.offset_db - alone.raw_offset_db)
    assert pull[3] > 10 * pull[:3].max()
    # the same points in few blocks are worth less: all classes lean
    block = np.where(kind == 3, 0, np.arange(kind.size) // 100)
    few = calibrate(measured, np.zeros(kind.size), kind, block=block)
    assert (np.abs(few.offset_db - few.raw_offset_db) >= pull - 1e-9).all()
    assert few.block_count.tolist() == [5, 5, 5, 1]


def test_outliers_move_little():
    rng = np.random.Generator(np.random.Philox(8))
    measured = rng.normal(7.0, 5.0, 1000)
    measured[:80] += 60.0  # 8 % behind a hill
    told = calibrate(measured, np.zeros(1000))
    assert told.offset_db[0] == pytest.approx(7.0, abs=1.0)
    assert measured.mean() > 11.0


def test_slopes_are_held_outside_what_was_seen():
    d = np.geomspace(100, 1000, 50)
    told = calibrate(2.0 + 5.0 * np.log10(d / 100), np.zeros(50), None, d, has_slope=True)
    assert told.correct([0.0, 0.0], None, [10.0, 100.0]) == pytest.approx([2.0, 2.0], abs=1e-6)
    assert told.correct([0.0, 0.0], None, [1000.0, 9000.0]) == pytest.approx([7.0, 7.0], abs=1e-6)


@SETTINGS
@given(seed=st.integers(0, 10_000), n_group=st.integers(2, 5))
def test_held_out_is_the_naive_loop(seed, n_group):
    kind, d, _, model, measured = drawn(seed, 120, 2)
    group = np.arange(120) % n_group
    told = held_out(measured, model, group, kind, d, has_slope=True)
    pieces = np.empty(120)
    for g in range(n_group):
        fit = calibrate(measured[group != g], model[group != g], kind[group != g], d[group != g],
                        has_slope=True)  # fmt: skip
        pieces[group == g] = fit.correct(model[group == g], kind[group == g], d[group == g])
    assert told.calibrated == errors_db(pieces, measured)
    assert told.uncalibrated == errors_db(model, measured)
    assert sum(after.point_count for _, _, after in told.by_group) == 120


def test_noise_alone_is_not_calibrated_away():
    """A held-out error does not fall below the noise: nothing leaks from the points tested."""
    rng = np.random.Generator(np.random.Philox(2))
    measured = rng.normal(0, 8, 2000)
    told = held_out(measured, np.zeros(2000), np.arange(2000) % 10)
    assert told.calibrated.rmse_db >= told.uncalibrated.rmse_db - 0.02


def test_loss_behind_a_received_power():
    """43 dBm on 12 x 51 elements, 17 dBi: 32.1 dBm per element towards the beam."""
    per_element = 43 + 17 - 10 * math.log10(12 * 51)
    assert measured_loss_db(-100.0, per_element, 6.0) == pytest.approx(per_element - 6 + 100)
    assert measured_loss_db([-100.0, -90.0], 30.0).tolist() == [130.0, 120.0]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: calibrate([], []), "measured_db must be finite numbers; got no points"),
        (lambda: calibrate([1.0, math.nan], [1.0, 2.0]), "got nan at point 1"),
        (lambda: calibrate([1.0, 2.0], [1.0]), "model_db must have one value for each of 2 points"),
        (lambda: calibrate([1.0], [1.0], [0, 1]), "class_ must have one value for each of 1"),
        (lambda: calibrate([1.0], [1.0], None, [0.0]), "distance_m must be > 0; got 0"),
        (
            lambda: calibrate([1.0], [1.0], has_slope=True),
            "distance_m must be given with has_slope",
        ),
        (lambda: held_out([1.0], [1.0], [5]), "group must hold at least two groups; got 1"),
        (lambda: spatial_blocks([1.0], [1.0], 0.0), "size_m must be > 0; got 0"),
        (
            lambda: (
                calibrate([1.0, 2.0, 4.0], [0.0] * 3, None, [1.0, 10.0, 100.0], has_slope=True)
                ._replace(slope_db=np.array([1.0]), common_slope_db=1.0)
                .correct([1.0])
            ),
            "distance_m must be given: slopes were fitted",
        ),
    ],
)
def test_what_cannot_be_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()
