"""Prices of groups against every plan, the linear program, and a walk that was broken off."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from groundplan.engine.location.backup_groups import (
    GroupRows,
    group_numerator,
    price_groups,
)


def instance(seed: int, n_site=8, n_list=14, n_group=10, p=3) -> GroupRows:
    rng = np.random.default_rng(seed)
    lists = [np.sort(rng.choice(n_site, rng.integers(1, 5), replace=False)) for _ in range(n_list)]
    ptr = np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int64)
    size = rng.integers(1, 4, n_group)
    group_of = np.repeat(np.arange(n_group), size).astype(np.int32)
    list_of = rng.integers(0, n_list, group_of.size).astype(np.int32)
    first = rng.integers(1, 100, n_group)
    level = np.stack([first, rng.integers(0, 2, n_group) * (first // 2)]).astype(np.int64)
    standing = np.zeros(n_site, np.bool_)
    standing[: rng.integers(0, 3)] = True
    site = np.concatenate(lists).astype(np.int32)
    row = np.repeat(np.arange(n_list), np.diff(ptr))
    have = np.bincount(row[standing[site]], minlength=n_list)
    share = rng.integers(1, 9, group_of.size).astype(np.float64)
    return GroupRows(ptr, site, list_of, group_of, share, level, have, ~standing, p)


def value(rows: GroupRows, sites) -> int:
    """What a plan earns, counted group by group."""
    total = 0
    for group in range(rows.level.shape[1]):
        times = min(
            int(rows.have[k])
            + len(set(sites) & set(rows.site[rows.ptr[k] : rows.ptr[k + 1]].tolist()))
            for k in rows.list_of[rows.group_of == group].tolist()
        )
        total += int(rows.level[: min(times, len(rows.level)), group].sum())
    return total


def relaxed(rows: GroupRows) -> float:
    """The linear program of the module text."""
    n_site, (n_level, n_group) = rows.free.size, rows.level.shape
    n = n_site + n_level * n_group
    upper, right = [], []
    for k, group in zip(rows.list_of.tolist(), rows.group_of.tolist(), strict=True):
        line = np.zeros(n)
        for site in rows.site[rows.ptr[k] : rows.ptr[k + 1]].tolist():
            line[site] = -1.0 if rows.free[site] else 0.0
        line[n_site + group :: n_group] = 1.0
        upper.append(line)
        right.append(float(rows.have[k]))
    upper.append(np.concatenate([rows.free.astype(float), np.zeros(n - n_site)]))
    right.append(float(rows.p))
    cost = np.concatenate([np.zeros(n_site), -rows.level.ravel().astype(float)])
    found = linprog(cost, np.array(upper), np.array(right), bounds=(0, 1))
    assert found.status == 0
    return -float(found.fun)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(seed=st.integers(0, 10_000), p=st.integers(0, 4))
def test_no_plan_exceeds_the_bound_and_the_bound_nears_the_linear_program(seed, p):
    rows = instance(seed, p=p)
    free = np.flatnonzero(rows.free).tolist()
    best = max(value(rows, plan) for plan in combinations(free, p))
    told = price_groups(rows, best, steps=400)
    assert told.bound >= best
    assert told.numerator == group_numerator(rows, told.price, told.denominator)
    linear = relaxed(rows)
    assert told.numerator / told.denominator >= linear - 1e-6
    assert told.bound <= max(best, 1.03 * linear + 1.0)
    # any prices bound, also those of fixed shares of each group
    wild = np.random.default_rng(seed).integers(0, 50 * told.denominator, told.price.size)
    assert group_numerator(rows, wild, told.denominator) >= best * told.denominator


def test_a_walk_broken_off_goes_on_as_if_it_had_not():
    rows = instance(11, n_site=60, n_list=300, n_group=200, p=9)
    whole = price_groups(rows, 3000, steps=150)
    kept: dict[str, object] = {}
    looks = []

    def save(state):
        kept.clear()
        kept.update({k: v.copy() if isinstance(v, np.ndarray) else v for k, v in state.items()})

    def halt() -> bool:
        looks.append(1)
        return len(looks) == 3

    broken = price_groups(rows, 3000, steps=150, halt=halt, save=save)
    assert kept["step"] == 75
    assert broken.bound >= whole.bound
    again = price_groups(rows, 3000, steps=150, state=kept)
    assert np.array_equal(again.price, whole.price)
    assert again.numerator == whole.numerator
    # measured against another plan the state is of no use
    other = price_groups(rows, 2900, steps=150, state=kept)
    assert other.numerator == price_groups(rows, 2900, steps=150).numerator


@pytest.mark.parametrize("spoilt", [np.array([1]), None])
def test_prices_that_do_not_fit_are_refused(spoilt):
    rows = instance(5)
    price = -np.ones(rows.list_of.size, np.int64) if spoilt is None else spoilt
    with pytest.raises(ValueError, match="one for each row, >= 0"):
        group_numerator(rows, price, 1)
