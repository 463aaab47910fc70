"""The curve within limits on sites of a group: every point verified, and as good as one alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.errors import InfeasibleError, VerificationError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=30)


def region(n_row, n_site, reach, seed):
    rng = np.random.default_rng(seed)
    side = np.sqrt(n_row)
    rows, sites = rng.uniform(0, side, (n_row, 2)), rng.uniform(0, side, (n_site, 2))
    weight = np.where(rows[:, 0] < side / 3, 9, 1) * rng.integers(1, 20, n_row)
    group = np.minimum(3, sites[:, 0] * 4 // side).astype(np.int64)
    old = rng.random(n_site) < 0.05
    return location.Coverage.from_radius(rows, weight, sites, reach, existing=old), group, old


def in_order(points):
    values, bounds = [d.value for d in points], [d.bound for d in points]
    assert values == sorted(values)
    assert bounds == sorted(bounds)


@SETTINGS
@given(st.integers(0, 10_000), st.booleans())
def test_small_points_equal_each_alone(seed, by_budget):
    rng = np.random.default_rng(seed)
    cover, group, old = region(40, 9, 2.0, seed)
    standing = np.bincount(group[old], minlength=4)
    least = standing + rng.integers(0, 2, 4)
    terms = {"site_group": group, "least": least, "most": least + rng.integers(0, 3, 4)}
    cost = rng.integers(1, 6, 9)
    amounts = [6, 9, 20] if by_budget else [2, 4, 9]
    priced = {"cost": cost} if by_budget else {}
    try:
        points = location.curve(
            cover, None if by_budget else amounts, budgets=amounts if by_budget else None,
            gap=0.0, **priced, **terms,
        )  # fmt: skip
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            location.maximal_covering(
                cover, gap=0.0, **{"budget" if by_budget else "p": amounts[0]}, **priced, **terms
            )
        return
    in_order(points)
    for amount, d in zip(amounts, points, strict=True):
        asked = {"budget" if by_budget else "p": amount, **priced}
        alone = location.maximal_covering(cover, gap=0.0, **asked, **terms)
        assert (d.value, d.bound, d.status) == (alone.value, alone.bound, "optimal")
        location.verify(cover, d, **priced, **terms)


@pytest.mark.parametrize("by_budget", [False, True])
def test_points_keep_the_limits_and_every_tampering_is_found(by_budget):
    cover, group, old = region(2_500, 220, 4.5, 1)
    standing = np.bincount(group[old], minlength=4)
    terms = {
        "site_group": group, "least": standing + np.array([0, 0, 0, 4]),
        "most": standing + np.array([3, 30, 30, 30]),
    }  # fmt: skip
    priced = {"cost": np.random.default_rng(0).integers(3, 20, 220)} if by_budget else {}
    amounts = [60, 150, 300] if by_budget else [8, 20, 21, 45]
    points = location.curve(
        cover, None if by_budget else amounts, budgets=amounts if by_budget else None, gap=0.002,
        passes=4, **priced, **terms,
    )  # fmt: skip
    in_order(points)
    for amount, d in zip(amounts, points, strict=True):
        held = np.bincount(group[d.sites], minlength=4)
        assert held[0] <= 3
        assert held[3] >= 4
        assert d.gap < 0.02
        assert d.log["ended"] in {"optimal", "gap", "counts"}
        location.verify(cover, d, **priced, **terms)
        asked = {"budget" if by_budget else "p": amount, **priced}
        alone = location.maximal_covering(cover, gap=0.01, passes=4, **asked, **terms)
        assert alone.value <= d.bound
        assert d.value <= alone.bound
    c = d.certificate
    price = c.prices["group"].copy()
    price[0] += 1
    for wrong in (
        replace(d, value=d.value + 1),
        replace(d, sites=d.sites[1:]),
        replace(d, certificate=replace(c, prices={**c.prices, "group": price})),
    ):
        with pytest.raises(VerificationError):
            location.verify(cover, wrong, **priced, **terms)
    less = {**terms, "most": standing + np.array([2, 30, 30, 30])}
    with pytest.raises(VerificationError, match="2 are allowed"):
        location.verify(cover, d, **priced, **less)


def test_requests_that_conflict_are_refused():
    cover, group, old = region(400, 60, 3.0, 0)
    standing = np.bincount(group[old], minlength=4)
    terms = {"site_group": group, "least": standing + 2}
    with pytest.raises(InfeasibleError, match="at least 8 new sites together, p is 5"):
        location.curve(cover, [5, 12], **terms)
    assert len(location.curve(cover, [8, 12], **terms)) == 2
    with pytest.raises(ValueError, match="site_group must be whole numbers"):
        location.curve(cover, [5, 12], site_group=group[1:], most=standing)
    with pytest.raises(ValueError, match="must be given together with"):
        location.curve(cover, [5, 12], most=standing)
