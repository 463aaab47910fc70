"""A thousand random changes to plan, proof and inputs: each must be found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundplan import location
from groundplan.engine.location import certificate, solve
from groundplan.engine.location.certificate import DENOMINATOR, seal
from groundplan.errors import VerificationError

SITES = 300


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(13)
    raw = {
        "demand_xy_m": rng.uniform(0, 36, (1_200, 2)),
        "weight": rng.integers(1, 3, 1_200),
        "demand_layer": rng.integers(0, 2, 1_200).astype(np.int8),
        "site_xy_m": rng.uniform(0, 36, (SITES, 2)),
        "site_layer": rng.integers(0, 2, SITES).astype(np.int8),
        "radius_m": rng.uniform(3.0, 3.5, SITES),
        "existing": rng.random(SITES) < 0.1,
    }
    reach = rng.uniform(3.0, 5.0, 1_200)
    coverage = location.Coverage.from_radius(**raw, demand_reach_m=reach)
    with pytest.MonkeyPatch.context() as patch:
        # small as it is, this case is to be proven by prices and tiles and not by a solver
        patch.setattr(solve, "ROWS_MAX", 0)
        decision = location.maximal_covering(coverage, 70, gap=0.0, passes=4)
    assert decision.certificate.prices["tile_loss"].size
    return raw, reach, decision


def check(raw, reach, sites, certificate):
    return location.verify_radius(**raw, demand_reach_m=reach, sites=sites, certificate=certificate)


def spoil(rng, raw, reach, sites, certificate):
    """Return the four with one thing changed, and what it was."""
    c = certificate
    kind = rng.integers(0, 12)
    if kind == 0:
        c = replace(c, value=c.value + int(rng.choice([-1, 1])))
    elif kind == 1:
        c = replace(c, bound_numerator=c.bound_numerator + int(rng.choice([-1, 1])))
    elif kind == 2:
        c = replace(c, parameters={"p": c.parameters["p"] + int(rng.choice([-1, 1]))})
    elif kind == 3:
        at = rng.integers(64)
        text = list(c.input_hash)
        text[at] = "0" if text[at] != "0" else "1"
        c = replace(c, input_hash="".join(text))
    elif kind == 4:
        c = replace(c, record_hash=c.record_hash[::-1])
    elif kind in {5, 6, 7}:
        name = str(rng.choice(sorted(c.prices)))
        array = c.prices[name].copy()
        at = rng.integers(array.size)
        array[at] ^= array.dtype.type(1 << int(rng.integers(0, 8 * array.itemsize - 1)))
        c = replace(c, prices={**c.prices, name: array})
    elif kind == 8:
        other = np.setdiff1d(np.arange(SITES, dtype=np.int32), sites)
        sites = sites.copy()
        sites[rng.integers(sites.size)] = rng.choice(other)
        sites = np.sort(sites)
    elif kind == 9:
        sites = np.delete(sites, rng.integers(sites.size))
    elif kind == 10:
        name = str(rng.choice(sorted(raw)))
        array = raw[name].copy()
        flat = array.reshape(-1)
        at = rng.integers(flat.size)
        flat[at] = ~flat[at] if array.dtype == bool else flat[at] + 1
        raw = {**raw, name: array}
    else:
        reach = reach.copy()
        reach[rng.integers(reach.size)] *= 1.0 + 1e-12
    return raw, reach, sites, c, int(kind)


def test_every_one_of_a_thousand_changes_is_found(case):
    raw, reach, decision = case
    assert check(raw, reach, decision.sites, decision.certificate)["value"] == decision.value
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(1_000):
        *spoilt, kind = spoil(rng, raw, reach, decision.sites, decision.certificate)
        seen.add(kind)
        with pytest.raises(VerificationError):
            check(*spoilt)
    assert len(seen) == 12


def test_a_certificate_without_what_its_form_needs_is_refused(case):
    raw, reach, decision = case
    c = decision.certificate
    rest = {k: v for k, v in c.prices.items() if k != "row"}
    for change in (
        {"prices": rest},
        {"prices": {**c.prices, "more": c.prices["row"]}},
        {"prices": {**c.prices, "budget": c.prices["budget"][:0]}},
        {"prices": {**c.prices, "row": c.prices["row"].astype(float)}},
        {"parameters": {}},
        {"parameters": {"p": -1}},
        {"parameters": {"p": 70, "budget": 70}},
        {"denominator": 0},
        {"form": "covering"},
    ):
        with pytest.raises(VerificationError):
            check(raw, reach, decision.sites, replace(c, **change))


def test_a_record_sealed_anew_does_not_hide_a_better_bound(case):
    raw, reach, decision = case
    c = decision.certificate
    rng = np.random.default_rng(1)
    for _ in range(60):
        t = rng.integers(c.prices["tile_loss"].size)
        more = c.prices["tile_loss"].copy()
        more[t] += 65_535
        forged = replace(
            c, prices={**c.prices, "tile_loss": more}, bound_numerator=c.bound_numerator - 65_535
        )
        with pytest.raises(VerificationError, match="does not lose what it says"):
            check(raw, reach, decision.sites, seal(forged, decision.sites))


def test_segments_that_lose_less_than_nothing_prove_no_tile(case):
    raw, reach, decision = case
    c = decision.certificate
    part, loss = c.prices["tile_part"].copy(), c.prices["tile_loss"].copy()
    # three of them wrap round to 2**62
    part[:3] = -(1 << 62)
    loss[0] += DENOMINATOR
    forged = replace(
        c, prices={**c.prices, "tile_part": part, "tile_loss": loss},
        bound_numerator=c.bound_numerator - DENOMINATOR,
    )  # fmt: skip
    with pytest.raises(VerificationError, match="less than nothing"):
        check(raw, reach, decision.sites, seal(forged, decision.sites))


def test_a_price_below_nothing_makes_no_poor_plan_optimal():
    rng = np.random.default_rng(0)
    coverage = location.Coverage.from_radius(
        rng.uniform(0, 10, (200, 2)), rng.integers(1, 9, 200), rng.uniform(0, 10, (6, 2)), 3.0
    )
    decision = location.maximal_covering(coverage, 9)
    c, sites = decision.certificate, decision.sites[1:]
    seen = certificate.recompute(coverage, replace(decision, sites=sites))
    assert seen.value < decision.value
    # more sites allowed than there are, paid back at a price below 0: any bound can be had
    for price in range(1, 60_000):
        prices = {"row": c.prices["row"], "budget": np.array([-price << 16])}
        numerator = certificate.bound_numerator(
            coverage.raw_weight, prices["row"], seen.is_open, seen.score, ~coverage.existing, None,
            c.parameters, prices,
        )  # fmt: skip
        if numerator // DENOMINATOR == seen.value:
            break
    assert numerator // DENOMINATOR == seen.value
    forged = replace(c, prices=prices, value=seen.value, bound_numerator=numerator)
    forged = replace(
        decision, sites=sites, value=seen.value, bound=seen.value, gap=0.0, gain_gap=0.0,
        certificate=seal(forged, sites),
    )  # fmt: skip
    with pytest.raises(VerificationError, match="below 0"):
        location.verify(coverage, forged)
