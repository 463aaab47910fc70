"""The sweeps of the tile check against every choice of sites counted out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location import check_sweep
from groundplan.engine.location.check_sweep import lay_sweeps, least_survivors
from groundplan.errors import VerificationError


def least_loss(covers, degree, whole, price, reduced):
    """Return what the best of all choices loses."""
    least = None
    for choice in product((False, True), repeat=reduced.size):
        chosen = np.array(choice)
        lost = int(np.maximum(np.where(chosen, -reduced, reduced), 0).sum())
        count = covers[:, chosen].sum(1)
        lost += int((price * np.maximum(count - 1, 0)).sum())
        is_inner = covers.sum(1) == degree
        lost += int((whole - price)[(count == 0) & is_inner & (degree > 0)].sum())
        least = lost if least is None else min(least, lost)
    return least


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 9),
    share=st.floats(0.1, 0.7),
    unit=st.sampled_from([1, 1 << 50]),
)
def test_sweep_ends_with_a_choice_exactly_where_one_loses_less(seed, n, share, unit):
    rng = np.random.default_rng(seed)
    n_sweep, n_row = 3, 14
    covers = rng.random((n_sweep, n_row, n)) < share
    # small numbers and such as need 64 bits
    whole = rng.integers(0, 60, n_row) * unit
    price = rng.integers(0, 1 + whole)
    # some rows are reached from outside the sweeps as well
    degree = (covers.sum(2) + (rng.random((n_sweep, n_row)) < 0.3)).astype(np.int32)
    reduced = rng.integers(-25, 26, (n_sweep, n)) * unit
    least = np.array(
        [
            least_loss(covers[k], degree[k], whole, price, reduced[k])
            for k in range(n_sweep)
        ]
    )  # fmt: skip
    # each sweep has rows of its own
    sweep, row, step = np.nonzero(covers)
    plan = lay_sweeps(
        np.arange(n_sweep + 1) * n, sweep * n + step, sweep * n_row + row, degree.ravel(),
        np.tile(whole, n_sweep), np.tile(price, n_sweep), reduced.ravel(),
    )  # fmt: skip
    nothing = np.zeros(n_sweep * n, np.int64)
    survives, profile = least_survivors(plan, least, nothing)
    assert not survives.any()
    assert (profile.reshape(n_sweep, n)[:, -1] == least).all()
    survives, profile = least_survivors(plan, least + 1, nothing)
    assert survives.all()
    assert (profile.reshape(n_sweep, n)[:, -1] == least).all()


def test_masks_that_fall_on_one_place_of_the_table_are_all_kept(monkeypatch):
    # spread by 0, all masks of a sweep fall on one place
    monkeypatch.setattr(check_sweep, "SPREADER", np.uint64(0))
    mask, room = np.array([5, 9, 5, 3, 9, 3], np.uint64), np.array([4, 7, 2, 8, 1, 6])
    mask, room, count = check_sweep.unite(mask, room, np.array([6]))
    assert count.tolist() == [mask.size]
    assert set(mask.tolist()) == {3, 5, 9}
    for one, most in ((3, 8), (5, 4), (9, 7)):
        assert room[mask == one].max() == most


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_of_equal_masks_of_one_sweep_the_one_with_most_room_stays(seed):
    rng = np.random.default_rng(seed)
    count = rng.integers(0, 40, 5)
    mask = rng.integers(0, 1 << int(rng.integers(1, 64)), count.sum(), dtype=np.uint64)
    room, sweep = rng.integers(1, 99, mask.size), np.repeat(np.arange(5), count)
    most = {}
    for s, m, r in zip(sweep.tolist(), mask.tolist(), room.tolist(), strict=True):
        most[s, m] = max(r, most.get((s, m), 0))
    kept, left, count = check_sweep.unite(mask, room, count)
    sweep = np.repeat(np.arange(5), count)
    found = {}
    for s, m, r in zip(sweep.tolist(), kept.tolist(), left.tolist(), strict=True):
        found[s, m] = max(r, found.get((s, m), 0))
    assert found == most


def test_search_that_grows_beyond_reason_is_refused(monkeypatch):
    monkeypatch.setattr(check_sweep, "STATES_MAX", 8)
    n = 12
    # one row that all sites reach keeps every mask open
    plan = lay_sweeps(
        np.array([0, n]), np.arange(n), np.zeros(n, np.int64), np.full(1, n, np.int32),
        np.array([10]), np.array([1]), np.zeros(n, np.int64),
    )  # fmt: skip
    with pytest.raises(VerificationError, match="any honest search"):
        least_survivors(plan, np.array([1_000]), np.zeros(n, np.int64))
