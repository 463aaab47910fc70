"""Pairs that are near and yet do not count: the coverage without them is that of the lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.errors import VerificationError


def instance(seed: int, n: int = 300, m: int = 40):
    rng = np.random.default_rng(seed)
    demand, site = rng.uniform(0, 1000, (n, 2)), rng.uniform(0, 1000, (m, 2))
    weight = rng.integers(0, 9, n)
    radius, own = rng.uniform(50, 250, m), rng.uniform(80, 300, n)
    existing = rng.random(m) < 0.2
    layers = rng.integers(0, 2, n).astype(np.int8), rng.integers(0, 2, m).astype(np.int8)
    near = np.hypot(*(demand[:, None] - site[None]).transpose(2, 0, 1)) <= np.minimum(
        radius[None], own[:, None]
    )
    near &= layers[0][:, None] == layers[1][None]
    out = (rng.random((n, m)) < 0.3) & (rng.random(n) < 0.6)[:, None]
    indptr = np.concatenate([[0], np.cumsum(out.sum(1))])
    pairs = (indptr, np.nonzero(out)[1].astype(np.int32))
    geometry = {
        "demand_xy_m": demand, "weight": weight, "site_xy_m": site, "radius_m": radius,
        "existing": existing, "demand_layer": layers[0], "site_layer": layers[1],
        "demand_reach_m": own,
    }  # fmt: skip
    return geometry, pairs, near & ~out


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_ruled_out_pairs_serve_nobody(seed):
    geometry, pairs, serves = instance(seed)
    coverage = location.Coverage.from_radius(**geometry, ruled_out=pairs)
    existing, weight = geometry["existing"], geometry["weight"]
    kept = serves[:, ~existing]
    served = serves[:, existing].any(1)
    assert coverage.base_value == weight[served].sum()
    for row in range(len(weight)):
        group = coverage.row_of[row]
        if served[row]:
            assert group == -2
        elif not kept[row].any():
            assert group == -1
        else:
            a, b = coverage.row_indptr[group : group + 2]
            assert np.array_equal(
                coverage.row_indices[a:b], np.flatnonzero(serves[row] & ~existing)
            )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_the_nearest_site_is_one_that_serves(seed):
    geometry, pairs, serves = instance(seed)
    g = geometry
    chosen = np.random.default_rng(seed).random(len(g["radius_m"])) < 0.5
    told = location.assign_nearest(
        g["demand_xy_m"], g["demand_layer"], g["site_xy_m"], g["site_layer"], g["radius_m"],
        chosen, g["demand_reach_m"], pairs,
    )  # fmt: skip
    away = np.hypot(*(g["demand_xy_m"][:, None] - g["site_xy_m"][None]).transpose(2, 0, 1))
    away = np.where(serves & chosen[None], away, np.inf)
    want = np.where(np.isfinite(away.min(1)), away.argmin(1), -1)
    assert np.array_equal(told, want)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_the_check_from_raw_geometry_knows_them(seed, p):
    geometry, pairs, serves = instance(seed)
    coverage = location.Coverage.from_radius(**geometry, ruled_out=pairs)
    d = location.maximal_covering(coverage, p=p)
    chosen = geometry["existing"].copy()
    chosen[d.sites] = True
    assert d.value == geometry["weight"][serves[:, chosen].any(1)].sum()
    raw = {k: v for k, v in geometry.items() if k != "demand_reach_m"}
    given_to_check = {
        **raw, "sites": d.sites, "certificate": d.certificate,
        "demand_reach_m": geometry["demand_reach_m"],
    }  # fmt: skip
    told = location.verify_radius(**given_to_check, ruled_out=pairs)
    assert (told["value"], told["bound"]) == (d.value, d.bound)
    with pytest.raises(VerificationError, match="inputs hash"):
        location.verify_radius(**given_to_check)


def test_no_pairs_change_nothing():
    geometry, _, _ = instance(1)
    none = (np.zeros(len(geometry["weight"]) + 1, np.int64), np.zeros(0, np.int32))
    one = location.Coverage.from_radius(**geometry)
    other = location.Coverage.from_radius(**geometry, ruled_out=none)
    assert np.array_equal(one.row_indices, other.row_indices)
    assert one.input_hash != other.input_hash


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda p, s: (p[:-1], s), "pointers"),
        (lambda p, s: (p, s + 100), "site numbers"),
        (lambda p, s: (p, s[::-1].copy()), "ascending"),
        (lambda p, s: (p[::-1].copy(), s), "pointers"),
    ],
)
def test_spoilt_pairs_are_told(spoil, word):
    geometry, pairs, _ = instance(3)
    with pytest.raises(ValueError, match=word):
        location.Coverage.from_radius(**geometry, ruled_out=spoil(*pairs))
