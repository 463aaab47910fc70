"""Terrain against naive twins: sampling, holes, profiles, tile codes, clutter counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.region.clutter import _count, _numbers, _settle
from groundplan.region.holes import fill_hole, find_holes, has_shore
from groundplan.region.profiles import profile_between
from groundplan.region.sampling import (
    POSITION_PIXELS,
    Block,
    bilinear,
    nearest,
    place_points,
)
from groundplan.region.terrain import TerrainRaster
from groundplan.region.warp import Window
from groundplan.region.webtiles import decode_tile, encode_tile

UTM = "EPSG:32649"


def naive_bilinear(values, row, col):
    n, m = values.shape
    if not (0 <= row <= n and 0 <= col <= m):
        return np.nan
    r, c = min(max(row - 0.5, 0), n - 1), min(max(col - 0.5, 0), m - 1)
    total = 0.0
    for i in range(n):
        for j in range(m):
            weight = max(0.0, 1 - abs(r - i)) * max(0.0, 1 - abs(c - j))
            if weight:
                total += weight * float(values[i, j])
    return total


@settings(deadline=None)
@given(data=st.data(), n=st.integers(1, 5), m=st.integers(1, 5))
def test_sampling_equals_naive_twin(data, n, m):
    value = st.one_of(st.integers(-400, 8000), st.just(np.nan))
    values = np.array(data.draw(st.lists(value, min_size=n * m, max_size=n * m)), np.float32)
    values = values.reshape(n, m)
    # eighths are exact, so that a weight of zero is zero for both
    place = st.lists(st.integers(-8, 48).map(lambda k: k / 8), min_size=6, max_size=6)
    row, col = (np.array(data.draw(place)).reshape(2, 3) for _ in range(2))
    block = Block(Window(0, 0, 2, 3), values, row, col, (0, 0))
    want = [[naive_bilinear(values, r, c) for r, c in zip(*rc, strict=True)]
            for rc in zip(row, col, strict=True)]  # fmt: skip
    np.testing.assert_allclose(bilinear(block), want, rtol=1e-5, atol=2e-3)
    near = nearest(block, values, np.nan)
    for i, j in np.ndindex(2, 3):
        r, c = row[i, j], col[i, j]
        if 0 <= r <= n and 0 <= c <= m:
            assert np.array_equal(near[i, j], values[min(int(r), n - 1), min(int(c), m - 1)],
                                  equal_nan=True)  # fmt: skip
        else:
            assert np.isnan(near[i, j])


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=42, max_size=42))
def test_holes_equal_a_flood(cells):
    mask = np.array(cells).reshape(6, 7)
    left = {(int(r), int(c)) for r, c in zip(*np.nonzero(mask), strict=True)}
    groups = set()
    while left:
        front = [left.pop()]
        group = set(front)
        while front:
            r, c = front.pop()
            for at in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                if at in left:
                    left.remove(at)
                    group.add(at)
                    front.append(at)
        groups.add(frozenset(group))
    found = find_holes(np.flatnonzero(mask.ravel()), mask.shape)
    assert {frozenset(divmod(int(i), 7) for i in hole.flat) for hole in found} == groups
    for hole in found:
        row, col = np.divmod(hole.flat, 7)
        assert hole.side == max(np.ptp(row), np.ptp(col)) + 1


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=42, max_size=42), st.integers(0, 2**31))
def test_filled_heights_are_means_of_their_neighbours(cells, seed):
    mask = np.array(cells).reshape(6, 7)
    height = np.random.default_rng(seed).uniform(0, 500, mask.shape)
    height[mask] = np.nan
    known = height[~mask]
    for hole in find_holes(np.flatnonzero(mask.ravel()), mask.shape):
        if not has_shore(height, hole, -32768):
            assert mask.all()
            return
        got = fill_hole(height, hole, -32768)
        assert known.min() - 1e-9 <= got.min() <= got.max() <= known.max() + 1e-9
        height.ravel()[hole.flat] = got
    for r, c in zip(*np.nonzero(mask), strict=True):
        beside = [height[i, j] for i, j in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1))
                  if 0 <= i < 6 and 0 <= j < 7]  # fmt: skip
        assert height[r, c] == pytest.approx(np.mean(beside), abs=1e-6)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.floats(20, 400))
def test_profiles_equal_naive_twin(seed, n_pair, step_m):
    rng = np.random.default_rng(seed)
    heights = rng.uniform(0, 300, (9, 12)).astype(np.float32)
    if seed % 2:
        heights = np.rint(heights).astype(np.int16)
    terrain = TerrainRaster(heights, 1000.0, 5000.0, 100.0, UTM, is_synthetic=True, sources=())
    x0, x1 = rng.uniform(1000, 2200, (2, n_pair))
    y0, y1 = rng.uniform(4100, 5000, (2, n_pair))
    found = profile_between(terrain, x0, y0, x1, y1, step_m)
    for i in range(n_pair):
        length = np.hypot(x1[i] - x0[i], y1[i] - y0[i])
        n = int(found.count[i])
        assert n >= 3
        assert length / (n - 1) <= step_m * (1 + 1e-6)
        assert n == 3 or length / (n - 2) > step_m * (1 - 1e-6)
        for k in range(n):
            share = k / (n - 1)
            x, y = x0[i] + share * (x1[i] - x0[i]), y0[i] + share * (y1[i] - y0[i])
            want = naive_bilinear(heights, (5000 - y) / 100, (x - 1000) / 100)
            assert found.height_m[i, k] == pytest.approx(want, abs=1e-4)
            assert found.distance_km[i, k] == pytest.approx(share * length / 1000, abs=1e-9)


@given(
    st.lists(st.integers(1, 2**24 - 1), min_size=4, max_size=4),
    st.sampled_from(["terrarium", "terrain-rgb"]),
)
def test_every_code_goes_round(codes, encoding):
    code = np.array(codes).reshape(2, 2)
    if encoding == "terrain-rgb":
        code %= 200_000  # up to 10 km: float32 holds a tenth of a metre there
        code += 1
    rgb = np.stack([code >> 16, (code >> 8) & 255, code & 255]).astype(np.uint8)
    heights = decode_tile(rgb, encoding)
    want = (rgb[0] * 256.0 + rgb[1] + rgb[2] / 256 - 32768 if encoding == "terrarium"
            else -10000 + 0.1 * (rgb[0] * 65536.0 + rgb[1] * 256.0 + rgb[2]))  # fmt: skip
    assert np.abs(heights - want).max() < 1e-3
    assert (encode_tile(heights, encoding) == rgb).all()


def test_black_and_transparent_pixels_hold_no_height():
    rgb = np.array([[[0, 128]], [[0, 10]], [[0, 0]]], np.uint8)
    assert np.isnan(decode_tile(rgb, "terrarium")).tolist() == [[True, False]]
    alpha = np.concatenate([rgb, np.array([[[255, 0]]], np.uint8)])
    assert np.isnan(decode_tile(alpha, "terrarium")).all()


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.sampled_from(["majority", "mean"]))
def test_clutter_counts_equal_naive_twin(seed, parts, rule):
    rng = np.random.default_rng(seed)
    order, heights = [10, 40, 80], np.array([15.0, 0.0, 3.0])
    values = rng.choice(np.array([10, 40, 80, 20, np.nan], np.float32), (3 * parts, 2 * parts))
    index = np.full(65536, -1, np.int64)
    index[order] = np.arange(3)
    row, col = (v + 0.5 for v in np.indices(values.shape))
    unknown = {}
    number = _numbers(Block(Window(0, 0, 3, 2), values, row, col, (0, 0)), index, 3, unknown)
    assert unknown == ({20: int((values == 20).sum())} if (values == 20).any() else {})
    values[values == 20] = np.nan
    code, height = _settle(_count(number, parts, 3), heights, order, rule)
    for r, c in np.ndindex(3, 2):
        held = values[r * parts : (r + 1) * parts, c * parts : (c + 1) * parts].ravel()
        held = held[~np.isnan(held)].astype(int).tolist()
        if not held:
            assert code[r, c] == 65535
            continue
        winner = max(sorted(set(held)), key=held.count)
        assert code[r, c] == winner
        by_code = dict(zip(order, heights, strict=True))
        want = by_code[winner] if rule == "majority" else np.mean([by_code[h] for h in held])
        assert height[r, c] == pytest.approx(want)


@pytest.mark.parametrize("wave", [0.0, 3.0])
def test_points_are_placed_by_polynomial_or_lattice(wave):
    """Where a map waves, as a Chinese datum does, the lattice takes over; both stay exact."""

    def move(col, row):
        return col * 1.1 + row**2 / 5e4 + wave * np.sin(col / 9), row * 0.9 + wave * np.cos(row / 7)

    t = (np.arange(300) + 0.5) / 300
    window = Window(40, 70, 300, 300)
    x, y = place_points(window, t, t, move)
    col, row = np.meshgrid(70 + 300 * t, 40 + 300 * t)
    want = move(col, row)
    assert np.abs(x - want[0]).max() <= POSITION_PIXELS
    assert np.abs(y - want[1]).max() <= POSITION_PIXELS
