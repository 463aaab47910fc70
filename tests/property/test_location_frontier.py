"""The frontier search, tiles and windows against naive twins that try every choice."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan import location
from groundplan.engine.location.check_tiles import check_tiles
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.frontier import explore, frontier_width, seat_sites
from groundplan.engine.location.program import make_program
from groundplan.engine.location.search import Prices, Search
from groundplan.engine.location.stream import CoverageStream
from groundplan.errors import VerificationError

SETTINGS = settings(deadline=None, max_examples=60)


def chain(rng, n, m, spread):
    """Site -> rows where rows lie near their site along a line, as in a sweep."""
    lists = [
        np.unique(np.clip(rng.integers(j - spread, j + spread + 1, 4), 0, m - 1)) for j in range(n)
    ]
    indptr = np.zeros(n + 1, np.int64)
    np.cumsum([x.size for x in lists], out=indptr[1:])
    return lists, indptr, np.concatenate(lists).astype(np.int32)


def loss_of(choice, lists, whole, price, reduced):
    """What a choice loses against the prices, one by one."""
    cover = np.zeros(whole.size, int)
    total = 0
    for j, chosen in enumerate(choice):
        if chosen:
            cover[lists[j]] += 1
            total += max(0, -int(reduced[j]))
        else:
            total += max(0, int(reduced[j]))
    for i, c in enumerate(cover):
        total += int(price[i]) * (c - 1) if c else int(whole[i] - price[i])
    return total


def run_explore(n, indptr, indices, whole, price, reduced, limit, cap):
    last, clear = np.empty(whole.size, np.int32), np.empty(n, np.uint64)
    assert seat_sites(n, indptr, indices, last, clear)
    profile, choice = np.zeros(n, np.int64), np.zeros(n, bool)
    trace = np.empty(n * cap, np.int32)
    best, proven, _worked = explore(
        n, indptr, indices, whole, price, reduced, last, clear, np.zeros(n, np.int64), limit,
        cap, profile, trace, choice,
    )  # fmt: skip
    return best, proven, profile, choice


@SETTINGS
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 4))
def test_least_loss_equals_trying_every_choice(seed, n, spread):
    rng = np.random.default_rng(seed)
    m = n + 2
    lists, indptr, indices = chain(rng, n, m, spread)
    used = np.unique(indices)
    whole = np.zeros(m, np.int64)
    whole[used] = rng.integers(1, 40, used.size)
    price = (whole * rng.random(m)).astype(np.int64)
    reduced = rng.integers(-30, 31, n)
    losses = [loss_of(c, lists, whole, price, reduced) for c in product((0, 1), repeat=n)]
    best, proven, _profile, choice = run_explore(
        n, indptr, indices, whole, price, reduced, 10**9, 4096
    )
    assert best == proven == min(losses)
    assert loss_of(choice, lists, whole, price, reduced) == best
    # nothing is found below a limit that is too low, and the limit is then proven
    best, proven, _profile, _choice = run_explore(
        n, indptr, indices, whole, price, reduced, min(losses), 4096
    )
    assert best == proven == min(losses)


@SETTINGS
@given(st.integers(0, 10**6), st.integers(4, 10), st.integers(1, 3))
def test_few_states_still_prove_something_true(seed, n, cap):
    rng = np.random.default_rng(seed)
    lists, indptr, indices = chain(rng, n, n + 2, 3)
    used = np.unique(indices)
    whole = np.zeros(n + 2, np.int64)
    whole[used] = rng.integers(1, 40, used.size)
    price = (whole * rng.random(n + 2)).astype(np.int64)
    reduced = rng.integers(-30, 31, n)
    least = min(loss_of(c, lists, whole, price, reduced) for c in product((0, 1), repeat=n))
    best, proven, _profile, _choice = run_explore(
        n, indptr, indices, whole, price, reduced, 10**9, cap
    )
    assert proven <= least <= best


def test_width_counts_sites_that_are_open_while_one_is_decided():
    indptr = np.array([0, 2, 4, 6, 8])
    indices = np.array([0, 1, 1, 2, 2, 3, 3, 0], np.int32)  # a ring of four
    order = np.arange(4, dtype=np.int32)
    assert frontier_width(order, indptr, indices, np.empty(4, np.int32)) == 3


def geometry(seed, n_row=4_000, n_site=160, uniform=False):
    rng = np.random.default_rng(seed)
    xy, site = rng.uniform(0, 60, (n_row, 2)), rng.uniform(0, 60, (n_site, 2))
    weight = np.ones(n_row, np.int64) if uniform else rng.integers(1, 30, n_row)
    return xy, weight, site


def lifted(seed, p=25, **options):
    xy, weight, site = geometry(seed, **options)
    coverage = Coverage.from_radius(xy, weight, site, 4.0)
    program = make_program(coverage, ~coverage.existing, np.ones(len(site), np.int64), p)
    share = np.full(program.n_row, 40_000, np.uint16)
    prices = Prices(program, share, 0.0, is_count=True)
    search = Search(program)
    search.lift(prices, 80, 24, 5_000)
    return xy, weight, site, coverage, program, prices


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lifted_bound_holds_for_random_plans(seed):
    xy, weight, site, coverage, _program, prices = lifted(seed)
    assert prices.losses.total() > 0
    rng = np.random.default_rng(seed)
    bound = prices.lifted // 65_535
    for _ in range(200):
        plan = rng.choice(len(site), 25, replace=False)
        near = ((xy[:, None] - site[plan]) ** 2).sum(2) <= 16.0
        assert int(weight[near.any(1)].sum()) <= bound
    best = location.maximal_covering(coverage, 25, gap=0.0, time_limit_s=5)
    assert best.value <= bound


def arguments(coverage, program, prices):
    """The tiles as a certificate keeps them, in merged rows."""
    record = prices.losses.record(program.site)
    n = coverage.n_site
    reduced = np.zeros(n, np.int64)
    reduced[program.site] = prices.reduced
    whole, price = (
        np.zeros(coverage.weight.size, np.int64),
        np.zeros(coverage.weight.size, np.int64),
    )
    whole[program.row], price[program.row] = prices.whole, prices.price
    degree = np.diff(coverage.row_indptr).astype(np.int32)

    def pairs_of(sites):
        rows = [
            coverage.site_indices[coverage.site_indptr[j] : coverage.site_indptr[j + 1]]
            for j in sites
        ]
        return np.concatenate(rows).astype(np.int64), np.repeat(sites, [r.size for r in rows])

    return record, np.ones(n, bool), pairs_of, degree, whole, price, reduced


def test_tiles_pass_their_check_and_every_raised_loss_is_found():
    _xy, _weight, _site, coverage, program, prices = lifted(3)
    record, *rest = arguments(coverage, program, prices)
    assert check_tiles(record, *rest) == []
    for name in ("tile_loss", "tile_part"):
        for t in range(record[name].size):
            more = record[name].copy()
            more[t] += 1
            exact = name == "tile_part" or record["tile_start"].size == 2
            found = check_tiles({**record, name: more}, *rest)
            # a loss above what its segments prove together is searched anew
            assert found or not exact or more[t] <= record["tile_part"].sum()
    swapped = record["tile_site"].copy()
    swapped[0] = swapped[-1]
    assert check_tiles({**record, "tile_site": swapped}, *rest) == [
        "a site lies in two tiles, or is no candidate"
    ]
    assert check_tiles({**record, "tile_start": record["tile_start"][1:]}, *rest) == [
        "the tiles are not well formed"
    ]


def test_certificate_with_tiles_is_checked_from_raw_geometry():
    xy, weight, site = geometry(5, 60_000, 5_000)
    coverage = Coverage.from_radius(xy, weight, site, 1.0)
    d = location.maximal_covering(coverage, 600, gap=0.0, passes=4, effort=0)
    assert "tile_loss" in d.certificate.prices
    raw = (xy, weight, None, site, None, np.full(len(site), 1.0), np.zeros(len(site), bool))
    found = location.verify_radius(*raw, sites=d.sites, certificate=d.certificate)
    assert (found["value"], found["bound"]) == (d.value, d.bound)
    c = d.certificate
    rng = np.random.default_rng(0)
    for name in ("tile_loss", "tile_part", "tile_site", "tile_start", "row", "budget"):
        array = c.prices[name].copy()
        array[rng.integers(array.size)] ^= 1
        spoilt = replace(c, prices={**c.prices, name: array})
        with pytest.raises(VerificationError):
            location.verify_radius(*raw, sites=d.sites, certificate=spoilt)


def test_windows_never_lose_and_counts_stay_true():
    xy, weight, site = geometry(7, 30_000, 3_000)
    coverage = Coverage.from_radius(xy, weight, site, 1.5)
    program = make_program(coverage, ~coverage.existing, np.ones(3_000, np.int64), 300)
    prices = Prices(program, np.full(program.n_row, 30_000, np.uint16), 0.0, is_count=True)
    search = Search(program)
    search.repair(np.zeros(program.n_site, bool))
    chosen = search.best.copy()
    count = search.counts(chosen)
    worth = prices.worth

    def lagrangian():
        return search.value(search.counts(chosen)) * 65_535 - worth * chosen.sum()

    for turn in range(3):
        before = lagrangian()
        gained, _worked = search.sweep_windows(prices, worth, 1, [0, turn], chosen, count)
        assert gained >= 0
        assert lagrangian() == pytest.approx(before + gained, rel=1e-9)
        assert (count == search.counts(chosen)).all()


def test_threads_do_not_change_the_answer(monkeypatch):
    xy, weight, site = geometry(9, 40_000, 3_000)
    coverage = Coverage.from_radius(xy, weight, site, 1.5)
    answers = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("GROUNDPLAN_THREADS", threads)
        d = location.maximal_covering(coverage, 300, gap=0.0, passes=4)
        answers.append(d.certificate.record_hash)
    assert len(set(answers)) == 1


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_streamed_parts_equal_the_whole(seed, parts):
    rng = np.random.default_rng(seed)
    xy, site = rng.uniform(0, 20, (600, 2)), rng.uniform(0, 20, (40, 2))
    weight, existing = rng.integers(0, 9, 600), rng.random(40) < 0.2
    radius = rng.uniform(0.5, 4.0, 40)
    whole = Coverage.from_radius(xy, weight, site, radius, existing=existing)
    stream = CoverageStream(site, radius, existing=existing)
    for part in np.array_split(np.arange(600), parts):
        stream.add(xy[part], weight[part])
    got = stream.finish()

    def lists(c):
        return sorted(
            (tuple(c.row_indices[a:b]), int(w))
            for a, b, w in zip(c.row_indptr[:-1], c.row_indptr[1:], c.weight, strict=True)
        )

    assert lists(got) == lists(whole)
    assert (got.base_value, got.total_value) == (whole.base_value, whole.total_value)
    d = location.maximal_covering(got, 3)
    assert location.verify(got, d)["value"] == d.value
