"""Capacitated systems against naive twins: sharing out, pairs, and plans of whole modules."""

from __future__ import annotations

from fractions import Fraction
from math import hypot

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from groundplan.engine.location import capacitated_facility
from groundplan.errors import InfeasibleError
from groundplan.plan.allocation import (
    Rows,
    allowed_pairs,
    build_problem,
    choose_modules,
    demand_rows,
    demand_squares,
    plan_cost_cny,
    service_cost_cny,
    shared_out,
)
from groundplan.sectors.contract import Action, Offer, Sites


@given(
    weight=st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any),
    count=st.integers(0, 10**6),
)
def test_sharing_out_is_whole_and_within_one_of_the_share(weight, count):
    told = shared_out(np.array(weight), count)
    assert told.sum() == count
    for w, n in zip(weight, told.tolist(), strict=True):
        assert abs(n - Fraction(w * count, sum(weight))) < 1
        assert w or not n


def instance(seed, n_cell=60, n_site=5, n_layer=2, count=40, keep_ratio=0.0):
    rng = np.random.default_rng(seed)
    x_m, y_m = rng.uniform(0, 50e3, (2, n_cell))
    county = rng.integers(0, 3, n_cell).astype(np.int16)
    demand = rng.integers(0, 500, (n_layer, n_cell)).astype(np.int64)
    sites = Sites(
        x_m=rng.uniform(0, 50e3, n_site),
        y_m=rng.uniform(0, 50e3, n_site),
        layer=np.zeros(n_site, np.int8),
        environment=np.zeros(n_site, np.int8),
        action=np.full(n_site, Action.NEW, np.int8),
        host=np.arange(n_site, dtype=np.int32),
        units=np.ones(n_site, np.int32),
        capex_cny=rng.integers(1, 60, n_site),
    )
    offer = Offer(
        modules_max=rng.integers(0, 5, n_site),
        module_servers=7,
        module_cny=rng.integers(5, 30, n_site),
        server_cny=rng.uniform(0, 3, n_site),
        server_cny_per_m=1e-4,
        copy_of=np.array([-1, 0], np.int8),
        apart_m=0.0 if seed % 2 else 2e3,
        keep_ratio=keep_ratio,
        horizon_year=10.0,
    )
    rows = demand_rows(demand, county, x_m, y_m, count)
    return rows, demand_squares(demand, county, x_m, y_m), sites, offer, (demand, county, x_m, y_m)


def test_squares_hold_all_demand_of_their_county():
    _, squares, _, _, (demand, county, x_m, y_m) = instance(4)
    for c in range(3):
        part = slice(squares.county_ptr[c], squares.county_ptr[c + 1])
        assert (
            squares.demand[:, part].sum(axis=1).tolist()
            == demand[:, county == c].sum(axis=1).tolist()
        )
        for x, y in zip(squares.x_m[part], squares.y_m[part], strict=True):
            near = np.hypot(x_m[county == c] - x, y_m[county == c] - y).min()
            assert near <= 2000 * np.sqrt(2)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), keep_ratio=st.sampled_from([0.0, 0.6, 0.95]))
def test_pairs_equal_a_loop_over_sites_rows_and_squares(seed, keep_ratio):
    rows, squares, sites, offer, _ = instance(seed, keep_ratio=keep_ratio)
    reach_m = np.array([30e3, 40e3])
    told = allowed_pairs(rows, squares, sites, offer, reach_m)
    expected = []
    for j in range(len(sites)):
        for i in range(rows.servers.size):
            layer, county = int(rows.layer[i]), int(rows.county[i])
            far = hypot(sites.x_m[j] - rows.x_m[i], sites.y_m[j] - rows.y_m[i])
            near = reach_m[0] + offer.apart_m if layer == 1 and offer.apart_m else 0.0
            kept = total = 0
            for k in range(squares.county_ptr[county], squares.county_ptr[county + 1]):
                total += int(squares.demand[layer, k])
                if (
                    hypot(sites.x_m[j] - squares.x_m[k], sites.y_m[j] - squares.y_m[k])
                    <= (reach_m[layer])
                ):
                    kept += int(squares.demand[layer, k])
            is_within = near <= far <= reach_m[layer] and kept >= keep_ratio * total
            if offer.modules_max[j] and is_within:
                expected.append((j, i))
    assert list(zip(told.site.tolist(), told.row.tolist(), strict=True)) == expected


def exact_cost(rows: Rows, sites, offer, pairs) -> float:
    """Return the least cost with whole modules, by one integer program of another library."""
    n_pair, n_site, n_row = pairs.site.size, len(sites), rows.servers.size
    each = service_cost_cny(rows, offer, pairs) / rows.servers[pairs.row]
    cost = np.concatenate([each, offer.module_cny, sites.capex_cny])
    serve = np.zeros((n_row, cost.size))
    serve[pairs.row, np.arange(n_pair)] = 1.0
    hold = np.zeros((n_site, cost.size))
    hold[pairs.site, np.arange(n_pair)] = 1.0
    hold[np.arange(n_site), n_pair + np.arange(n_site)] = -offer.module_servers
    fit = np.zeros((n_site, cost.size))
    fit[np.arange(n_site), n_pair + np.arange(n_site)] = 1.0
    fit[np.arange(n_site), n_pair + n_site + np.arange(n_site)] = -offer.modules_max
    told = milp(
        cost,
        integrality=np.r_[np.zeros(n_pair), np.ones(2 * n_site)],
        bounds=Bounds(0, np.r_[np.full(n_pair + n_site, np.inf), np.ones(n_site)]),
        constraints=[
            LinearConstraint(serve, rows.servers, rows.servers),
            LinearConstraint(hold, -np.inf, 0),
            LinearConstraint(fit, -np.inf, 0),
        ],
    )
    return float(told.fun) if told.status == 0 else np.inf


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_a_plan_lies_between_the_exact_optimum_and_its_bound_holds(seed):
    rows, squares, sites, offer, _ = instance(seed)
    pairs = allowed_pairs(rows, squares, sites, offer, np.array([40e3, 60e3]))
    best = exact_cost(rows, sites, offer, pairs)
    try:
        problem = build_problem(rows, sites, offer, pairs)
        relaxed = capacitated_facility(problem)
    except InfeasibleError:
        assert np.isinf(best)
        return
    flows, modules = choose_modules(rows, sites, offer, problem, relaxed)
    value = plan_cost_cny(rows, sites, offer, flows, modules)
    assert relaxed.bound <= best * (1 + 1e-9)
    assert value >= best * (1 - 1e-9)
    given_ = np.bincount(flows.row, weights=flows.servers, minlength=rows.servers.size)
    assert given_.tolist() == rows.servers.tolist()
    assert (flows.load(len(sites)) <= 7 * modules).all()
    assert (modules <= offer.modules_max).all()


def test_plans_of_whole_modules_are_mostly_near_the_exact_optimum(capsys):
    ratio = []
    for seed in range(60):
        rows, squares, sites, offer, _ = instance(seed, n_site=8, count=60)
        pairs = allowed_pairs(rows, squares, sites, offer, np.array([40e3, 60e3]))
        best = exact_cost(rows, sites, offer, pairs)
        if not np.isfinite(best):
            continue
        problem = build_problem(rows, sites, offer, pairs)
        relaxed = capacitated_facility(problem)
        flows, modules = choose_modules(rows, sites, offer, problem, relaxed)
        ratio.append(plan_cost_cny(rows, sites, offer, flows, modules) / best)
    assert len(ratio) > 20
    with capsys.disabled():
        print(f" {len(ratio)} plans: cost over exact optimum, median {np.median(ratio):.4f}, "
              f"worst {max(ratio):.4f}", end="")  # fmt: skip
    assert min(ratio) >= 1 - 1e-9
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
