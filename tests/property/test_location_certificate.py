"""A certificate with any of its parts changed does not pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundplan import location
from groundplan.engine.location.certificate import record_hash
from groundplan.engine.location.coverage import hash_points
from groundplan.errors import VerificationError

N_DEMAND, N_SITE = 300, 30


@pytest.fixture(scope="module", params=["p", "budget"])
def case(request):
    rng = np.random.default_rng(4)
    demand, site = rng.uniform(0, 100, (N_DEMAND, 2)), rng.uniform(0, 100, (N_SITE, 2))
    weight = rng.integers(1, 100, N_DEMAND)
    radius = rng.uniform(6, 14, N_SITE)
    own = np.append(rng.choice([5.0, 8.0, 11.0, np.inf], N_DEMAND - 1), 7.0)
    existing = np.arange(N_SITE) < 4
    demand_layer = rng.integers(0, 2, N_DEMAND).astype(np.int8)
    site_layer = rng.integers(0, 2, N_SITE).astype(np.int8)
    cost = rng.integers(1, 9, N_SITE)
    forbidden = np.arange(N_SITE) == 7
    coverage = location.Coverage.from_radius(
        demand, weight, site, radius, existing=existing, demand_layer=demand_layer,
        site_layer=site_layer, demand_reach_m=own,
    )  # fmt: skip
    asked = {"p": 6} if request.param == "p" else {"budget": 20, "cost": cost}
    decision = location.maximal_covering(coverage, forbidden=forbidden, **asked)
    raw = {
        "demand_xy_m": demand, "weight": weight, "demand_layer": demand_layer,
        "site_xy_m": site, "site_layer": site_layer, "radius_m": radius, "existing": existing,
        "demand_reach_m": own,
    }  # fmt: skip
    return coverage, decision, raw, {"cost": asked.get("cost"), "forbidden": forbidden}


def check(raw, more, sites, certificate):
    return location.verify_radius(**raw, **more, sites=sites, certificate=certificate)


def test_untouched_certificate_passes(case):
    coverage, decision, raw, more = case
    found = check(raw, more, decision.sites, decision.certificate)
    assert found["value"] == decision.value
    assert found["base_value"] == decision.base_value
    assert found == location.verify(coverage, decision, **more)


def test_every_changed_field_is_found(case):
    _coverage, decision, raw, more = case
    c = decision.certificate
    key = next(iter(c.parameters))
    changed = {
        "form": "set_covering",
        "parameters": {key: c.parameters[key] + 1},
        "input_hash": "0" * 64,
        "denominator": c.denominator + 1,
        "prices": {**c.prices, "budget": c.prices.get("budget", np.zeros(1, np.int64)) + 1},
        "value": c.value + 1,
        "bound_numerator": c.bound_numerator - 1,
        "record_hash": "0" * 64,
    }
    for name, value in changed.items():
        with pytest.raises(VerificationError):
            check(raw, more, decision.sites, replace(c, **{name: value}))


def test_every_changed_bit_of_a_price_is_found(case):
    _coverage, decision, raw, more = case
    c = decision.certificate
    for row in range(0, N_DEMAND, 37):
        price = c.prices["row"].copy()
        price[row] ^= 1
        with pytest.raises(VerificationError):
            check(raw, more, decision.sites, replace(c, prices={**c.prices, "row": price}))


def test_every_changed_input_is_found(case):
    _coverage, decision, raw, more = case
    for name in raw:
        moved = raw[name].copy()
        moved[-1] = ~moved[-1] if moved.dtype == bool else moved[-1] + 1
        with pytest.raises(VerificationError):
            check({**raw, name: moved}, more, decision.sites, decision.certificate)


def test_a_tampered_reach_of_rows_is_found_by_its_sums(case):
    coverage, decision, raw, more = case
    grown = np.full(N_DEMAND, np.inf)
    assert not np.array_equal(raw["demand_reach_m"], grown)
    inputs = dict(raw)
    inputs["demand_reach_m"] = grown
    forged = replace(decision.certificate, input_hash=hash_points(**inputs))
    forged = replace(forged, record_hash=record_hash(forged, decision.sites))
    with pytest.raises(VerificationError, match="the plan serves"):
        check(inputs, more, decision.sites, forged)
    short = {**raw, "demand_reach_m": grown[1:]}
    with pytest.raises(VerificationError, match="299 reaches for 300 demand rows"):
        check(short, more, decision.sites, decision.certificate)
    assert coverage.input_hash == decision.certificate.input_hash == hash_points(**raw)


def test_another_plan_is_found(case):
    _coverage, decision, raw, more = case
    rest = np.setdiff1d(np.arange(N_SITE, dtype=np.int32), decision.sites)
    for sites in (
        decision.sites[1:],
        np.append(decision.sites[1:], rest[-1]),
        np.append(decision.sites, decision.sites[0]),
        np.append(decision.sites[1:], np.int32(0)),  # stands already
        np.append(decision.sites[1:], np.int32(7)),  # forbidden
        np.append(decision.sites[1:], np.int32(N_SITE)),  # does not exist
    ):
        with pytest.raises(VerificationError):
            check(raw, more, sites.astype(np.int32), decision.certificate)


@pytest.mark.parametrize("name", ["value", "bound", "base_value"])
def test_every_changed_number_of_a_decision_is_found(case, name):
    coverage, decision, _raw, more = case
    with pytest.raises(VerificationError, match=name):
        location.verify(coverage, replace(decision, **{name: getattr(decision, name) + 1}), **more)
