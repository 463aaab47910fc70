"""Years of a capacitated plan: each serves its demand, none takes away, and what they cost.

``pytest -s`` prints costs beside exact integer programs over all years at once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from groundplan.engine.location import capacitated_facility
from groundplan.errors import InfeasibleError
from groundplan.plan.allocation import (
    Flows,
    allowed_pairs,
    build_problem,
    choose_modules,
    demand_rows,
    demand_squares,
    grown,
)
from groundplan.plan.expansion import Expansion, annuity, expand
from groundplan.sectors.contract import Action, Offer, Sites

REACH_M = np.array([40e3, 60e3])
RATE = 0.06


def decided(seed, rate=RATE, n_site=6, count=40):
    """Return a random small problem and its plan, None where it cannot be served."""
    rng = np.random.default_rng(seed)
    n_cell = 50
    x_m, y_m = rng.uniform(0, 50e3, (2, n_cell))
    county = rng.integers(0, 3, n_cell).astype(np.int16)
    demand = rng.integers(0, 500, (2, n_cell)).astype(np.int64)
    sites = Sites(
        x_m=rng.uniform(0, 50e3, n_site),
        y_m=rng.uniform(0, 50e3, n_site),
        layer=np.zeros(n_site, np.int8),
        environment=np.zeros(n_site, np.int8),
        action=np.full(n_site, Action.NEW, np.int8),
        host=np.arange(n_site, dtype=np.int32),
        units=np.ones(n_site, np.int32),
        capex_cny=rng.integers(100, 6_000, n_site),
    )
    offer = Offer(
        modules_max=rng.integers(1, 5, n_site),
        module_servers=7,
        module_cny=rng.integers(500, 3_000, n_site),
        server_cny=rng.uniform(0, 30, n_site),
        server_cny_per_m=1e-2,
        copy_of=np.array([-1, -1], np.int8),
        apart_m=0.0,
        keep_ratio=0.0,
        horizon_year=10.0,
        discount_ratio=rate,
    )
    rows = demand_rows(demand, county, x_m, y_m, count)
    squares = demand_squares(demand, county, x_m, y_m)
    pairs = allowed_pairs(rows, squares, sites, offer, REACH_M)
    try:
        problem = build_problem(rows, sites, offer, pairs)
        told = capacitated_facility(problem)
    except InfeasibleError:
        return None
    return rows, sites, offer, pairs, *choose_modules(rows, sites, offer, problem, told)


def years_of(case, span) -> Expansion:
    return expand("capacitated_facility", *case, span, seed=1)


def cost(case, years: list[Flows], modules) -> float:
    """Return what years cost at the worth of the first: capital as built, service of each year.

    Capital that is built anyway in the last year is in it too.
    """
    rows, sites, offer, *_ = case
    total = 0.0
    added = np.diff(modules, axis=1, prepend=0)
    opens = np.argmax(added > 0, axis=1)
    for number, flows in enumerate(years):
        east = sites.x_m[flows.site] - rows.x_m[flows.row]
        north = sites.y_m[flows.site] - rows.y_m[flows.row]
        each = offer.server_cny[flows.site] + offer.server_cny_per_m * np.hypot(east, north)
        capital = (offer.module_cny * added[:, number]).sum()
        capital += sites.capex_cny[(opens == number) & (modules[:, -1] > 0)].sum()
        service = (flows.servers * each).sum() / annuity(offer)
        total += (capital + service) / (1.0 + offer.discount_ratio) ** number
    return float(total)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), span=st.integers(1, 5), rate=st.sampled_from([0.0, 0.03, 0.1]))
def test_every_year_is_a_plan_and_none_takes_away(seed, span, rate):
    case = decided(seed, rate)
    if case is None:
        return
    rows, sites, offer, pairs, flows, modules = case
    told = years_of(case, span)
    assert told.modules.shape == (len(sites), span)
    assert (told.modules[:, -1] == modules).all()
    assert (told.added() >= 0).all()
    allowed = set(zip(pairs.site.tolist(), pairs.row.tolist(), strict=True))
    for year, part in enumerate(told.flows, start=1):
        served = np.bincount(part.row, part.servers, rows.servers.size)
        assert (served == grown(rows.servers, year, span)).all()
        assert (part.load(len(sites)) <= offer.module_servers * told.modules[:, year - 1]).all()
        assert set(zip(part.site.tolist(), part.row.tolist(), strict=True)) <= allowed
    last = told.flows[-1]
    assert (last.site == flows.site).all()
    assert (last.servers == flows.servers).all()


def at_once(case, span) -> float:
    """Return the least cost of all years that end in the plan's modules, by an integer program."""
    rows, sites, offer, pairs, _, modules = case
    n_pair, n_site, n_row = pairs.site.size, len(sites), rows.servers.size
    one = n_pair + 2 * n_site  # of a year: flows, modules, open or not
    each = offer.server_cny[pairs.site] + offer.server_cny_per_m * pairs.far_m
    each = each / annuity(offer)
    worth = (1.0 + offer.discount_ratio) ** -np.arange(span + 1.0)
    objective, parts = [], []
    for year in range(span):
        later = worth[year] - (worth[year + 1] if year + 1 < span else 0.0)
        # what stands at the end of a year costs what is not put off to the next
        objective += [each * worth[year], offer.module_cny * later, sites.capex_cny * later]
        at = year * one
        serve = np.zeros((n_row, span * one))
        serve[pairs.row, at + np.arange(n_pair)] = 1.0
        asked = grown(rows.servers, year + 1, span)
        parts.append(LinearConstraint(serve, asked, asked))
        own = np.arange(n_site)
        hold = np.zeros((n_site, span * one))
        hold[pairs.site, at + np.arange(n_pair)] = 1.0
        hold[own, at + n_pair + own] = -offer.module_servers
        fit = np.zeros((n_site, span * one))
        fit[own, at + n_pair + own] = 1.0
        fit[own, at + n_pair + n_site + own] = -offer.modules_max
        parts += [LinearConstraint(hold, -np.inf, 0), LinearConstraint(fit, -np.inf, 0)]
        if year:
            grow = np.zeros((2 * n_site, span * one))
            grow[np.arange(2 * n_site), at + n_pair + np.arange(2 * n_site)] = 1.0
            grow[np.arange(2 * n_site), at - one + n_pair + np.arange(2 * n_site)] = -1.0
            parts.append(LinearConstraint(grow, 0, np.inf))
    low = np.zeros(span * one)
    high = np.full(span * one, np.inf)
    high[np.arange(span)[:, None] * one + n_pair + n_site + np.arange(n_site)] = 1.0
    last = (span - 1) * one + n_pair
    low[last : last + n_site] = high[last : last + n_site] = modules
    whole = np.tile(np.r_[np.zeros(n_pair), np.ones(2 * n_site)], span)
    told = milp(np.concatenate(objective), integrality=whole, bounds=Bounds(low, high),
                constraints=parts, options={"mip_rel_gap": 0.0})  # fmt: skip
    assert told.status == 0
    return float(told.fun)


def test_years_beside_all_years_at_once():
    ratio, first = [], []
    for seed in range(40):
        case = decided(seed)
        if case is None:
            continue
        told = years_of(case, 4)
        best = at_once(case, 4)
        mine = cost(case, list(told.flows), told.modules)
        ratio.append(mine / best)
        # everything in the first year
        early = np.repeat(told.modules[:, -1:], 4, axis=1)
        first.append(cost(case, list(told.flows), early) / best)
    print(f"\n{len(ratio)} problems of 4 years, cost over the exact optimum of all years at once: "
          f"median {np.median(ratio):.4f}, largest {max(ratio):.4f}; all built in the first year "
          f"{np.median(first):.4f}, {max(first):.4f}")  # fmt: skip
    assert len(ratio) >= 20
    assert min(ratio) >= 1.0 - 1e-6
    assert np.median(ratio) <= 1.005
    assert max(ratio) <= 1.03


def test_nothing_is_put_off_where_later_money_is_worth_the_same():
    case = decided(3, 0.0)
    assert case is not None
    assert annuity(case[2]) == 10.0
    assert annuity(replace(case[2], discount_ratio=0.06)) == pytest.approx(7.360087, abs=1e-6)
