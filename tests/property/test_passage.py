"""Sites set on roads, trips laid over them and what stations supply, each against a naive twin."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location.check_flow import requirement_spans, served_paths
from groundplan.plan.passage import decide_passage, settle_passage
from groundplan.plan.system import prepare
from groundplan.plan.toy_passage import best_passage, passes, road_land
from groundplan.plan.trips import pieces_of_steps, supplied_km
from groundplan.sectors.contract import Roads
from groundplan.sectors.corridors import CORRIDOR
from groundplan.sectors.corridors_roads import build_network, joined_towns
from groundplan.sectors.corridors_standin import road_sites

LAND = road_land()


@st.composite
def networks(draw):
    """A connected network of a few nodes with trips, and sites somewhere about its roads."""
    n = draw(st.integers(3, 7))
    at = st.integers(0, 400)
    place = draw(st.lists(st.tuples(at, at), min_size=n, max_size=n, unique=True))
    x_m, y_m = (1000.0 * np.array(part, float) for part in zip(*place, strict=True))
    edges = {(draw(st.integers(0, k - 1)), k) for k in range(1, n)}
    edges |= draw(st.sets(st.sampled_from(list(itertools.combinations(range(n), 2))), max_size=4))
    a, b = (np.array(part, np.int32) for part in zip(*sorted(edges), strict=True))
    bend = np.array([draw(st.floats(1.0, 1.5)) for _ in a])
    length = bend * np.hypot(x_m[a] - x_m[b], y_m[a] - y_m[b])
    pairs = draw(
        st.lists(st.sampled_from(list(itertools.combinations(range(n), 2))), min_size=1, max_size=5)
    )
    o, d = (np.array(part, np.int32) for part in zip(*pairs, strict=True))
    roads = Roads(
        x_m, y_m, a, b, length, np.full(a.size, "", np.str_), o, d,
        np.array([float(draw(st.integers(1, 50))) for _ in o]),
    )  # fmt: skip
    n_site = draw(st.integers(1, 6))
    edge = np.array([draw(st.integers(0, a.size - 1)) for _ in range(n_site)])
    share = np.array([draw(st.floats(0.0, 1.0)) for _ in range(n_site)])
    sx = x_m[a[edge]] + share * (x_m[b[edge]] - x_m[a[edge]])
    sy = y_m[a[edge]] + share * (y_m[b[edge]] - y_m[a[edge]])
    return roads, sx, sy


def network_of(roads, x_m, y_m, **change):
    land = replace(LAND, roads=roads)
    values = CORRIDOR.defaults() | {"trip_min_km": 0.0, "electric_ratio": 1.0} | change
    none = {k: np.zeros(x_m.size, np.int64) for k in ("chargers_count", "fast_chargers_count")}
    sides = {"sides_count": np.ones(x_m.size, np.int64)}
    sites = road_sites(land, x_m, y_m, np.full(x_m.size, 3, np.int8), {**none, **sides})
    return land, sites, values, build_network(land, sites, values, np.zeros((1, 1), np.int64))


def shortest(n, a, b, length):
    """All distances by relaxing every edge n times (Bellman and Ford)."""
    far = [[0.0 if i == j else math.inf for j in range(n)] for i in range(n)]
    for _ in range(n):
        for i, j, metres in zip(a.tolist(), b.tolist(), length.tolist(), strict=True):
            for s in range(n):
                far[s][j] = min(far[s][j], far[s][i] + metres)
                far[s][i] = min(far[s][i], far[s][j] + metres)
    return far


@settings(deadline=None, max_examples=40)
@given(networks())
def test_setting_sites_changes_no_distance(drawn):
    roads, x_m, y_m = drawn
    _, _, _, network = network_of(roads, x_m, y_m)
    assert (network.x_m[: x_m.size] == x_m).all()
    assert network.is_on_road.all()
    before = shortest(roads.x_m.size, roads.edge_from, roads.edge_to, roads.length_m)
    n = network.x_m.size
    after = shortest(n, network.edge_from, network.edge_to, network.length_m)
    for o, d, s, t in zip(
        roads.trip_from, roads.trip_to, network.trip_from, network.trip_to, strict=True
    ):
        assert abs(before[o][d] - after[s][t]) <= 1.0 + 0.11 * n


@settings(deadline=None, max_examples=12)
@given(networks(), st.integers(20, 500), st.integers(1, 3))
def test_the_plan_is_the_best_of_all(drawn, range_km, count):
    roads, x_m, y_m = drawn
    land, sites, values, _ = network_of(roads, x_m, y_m, range_km=float(range_km))
    sites = replace(sites, capex_cny=np.full(len(sites), 3_000_000, np.int64))
    count = min(count, len(sites))
    system = prepare(CORRIDOR, land, sites, values, count=count, budget_cny=None, seed=3)
    best = best_passage(system, count)
    if best == 0:
        return
    decision = decide_passage(system, gap=0.0, seed=3, effort=3)
    assert decision.value == best <= decision.bound
    plan = settle_passage(system, decision, servers_needed=0)
    laid = system.laid
    spans = requirement_spans(laid.paths)
    served = served_paths(laid.paths, spans, laid.padded(plan.chosen))
    opened = set(np.flatnonzero(plan.chosen).tolist())
    assert served.tolist() == [passes(laid, q, opened) for q in range(laid.paths.n_path)]
    # every kilometre of every served trip is supplied once
    given_km = supplied_km(laid, served, laid.padded(plan.chosen))
    driven = (laid.length_m * laid.paths.volume)[served].sum() / 1000.0
    assert abs(given_km.sum() - driven) <= 1e-9 * max(driven, 1.0)
    assert not given_km[~laid.padded(plan.chosen)].any()


@settings(deadline=None, max_examples=40)
@given(networks())
def test_pieces_of_a_path_add_up_to_its_length(drawn):
    roads, x_m, y_m = drawn
    land, sites, values, _ = network_of(roads, x_m, y_m)
    system = prepare(CORRIDOR, land, sites, values, count=1, budget_cny=None, seed=3)
    laid = system.laid
    path, piece = pieces_of_steps(laid)
    told = np.bincount(path, weights=laid.network.length_m[piece], minlength=laid.paths.n_path)
    assert np.allclose(told, laid.length_m, rtol=1e-12, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=9, unique=True)
)
def test_towns_are_joined_where_no_third_is_nearer_to_both(place):
    x, y = (np.array(part, float) for part in zip(*place, strict=True))

    def d2(i, j):
        return (x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2

    naive = [
        (i, j)
        for i, j in itertools.combinations(range(x.size), 2)
        if all(max(d2(i, k), d2(j, k)) >= d2(i, j) for k in range(x.size) if k not in {i, j})
    ]
    a, b = joined_towns(x, y)
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == naive
