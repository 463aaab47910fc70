"""Every system keeps the contract, and a breach is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groundplan.errors import DataError
from groundplan.plan import check_sector
from groundplan.plan.system import decide
from groundplan.plan.toy import toy_land
from groundplan.quantity import unit_of
from groundplan.sectors import load_sectors
from groundplan.sectors.page import sector_page

SECTORS = load_sectors()


@pytest.mark.parametrize("key", sorted(SECTORS))
def test_the_contract_is_kept(key):
    check_sector(SECTORS[key])


@pytest.mark.parametrize("key", sorted(SECTORS))
def test_every_field_names_its_unit_and_source(key):
    sector = SECTORS[key]
    for item in (*sector.settings, *sector.cost.fields):
        assert item.doc, item.name
        assert item.source, item.name
        if item.type is float:
            assert unit_of(item.name) is not None, item.name


@pytest.mark.parametrize("key", sorted(SECTORS))
def test_the_reference_page_is_the_sector(key):
    """Renew with ``python -m groundplan.sectors.page docs/sectors``."""
    page = Path(__file__).parents[2] / "docs" / "sectors" / f"{key}-fields.md"
    assert page.read_text(encoding="utf-8") == sector_page(SECTORS[key])


GOOD = SECTORS["charging"]


def with_setting(**change):
    """The sector with its first setting that has bounds described otherwise."""
    first = next(i for i, f in enumerate(GOOD.settings) if f.name == "session_kwh")
    fields = list(GOOD.settings)
    fields[first] = replace(fields[first], **change)
    return replace(GOOD, settings=tuple(fields))


def with_demand(build):
    return replace(GOOD, demand=replace(GOOD.demand, build=build))


def with_service(**change):
    return replace(GOOD, service=replace(GOOD.service, **change))


def with_sites(change):
    """The sector whose candidates are changed before they are given out."""

    def candidates(land, existing, settings, rng):
        return change(GOOD.candidates(land, existing, settings, rng), rng)

    return replace(GOOD, candidates=candidates)


def with_sized(change):
    def build(*args):
        return change(GOOD.sizing.build(*args))

    return replace(GOOD, sizing=replace(GOOD.sizing, build=build))


def of_people(function):
    """Demand that is the sector's own, changed by `function(demand, land)`."""
    return with_demand(lambda land, s: function(GOOD.demand.build(land, s), land))


def changing(land, settings):
    land.people[:1] += 1.0
    return GOOD.demand.build(land, settings)


CALLS = iter(range(10**6))
ASSET = GOOD.assets[0]
SPOILT = {
    "doc": (with_setting(doc=""), "session_kwh: got no doc, expected one sentence"),
    "source": (with_setting(source=""), "session_kwh: got no source"),
    "confidence": (with_setting(confidence="?"), "session_kwh: got ., expected one of H, M, L"),
    "unit": (with_setting(unit="MWh"), "session_kwh: got unit 'MWh', expected 'kWh'"),
    "suffix": (with_setting(name="session"), "session: got no unit suffix"),
    "bounds": (with_setting(ge=9.0, le=3.0), "session_kwh: got 9.0 > 3.0, expected ordered"),
    "default": (with_setting(le=3.0), "session_kwh: got 26.33, expected a number >= 1 and <= 3"),
    "name": (with_setting(name="dc_ratio", unit="1"), "dc_ratio: got 2 fields of this name"),
    "page": (with_setting(doc="two\nlines"), "session_kwh: got breaks the reference page"),
    "price year": (
        replace(GOOD, cost=replace(GOOD.cost, fields=(replace(GOOD.cost.fields[0], year=None),))),
        "station_new_cny: got no year",
    ),
    "asset field": (
        replace(GOOD, assets=(replace(ASSET, fields=(replace(ASSET.fields[0], source=""),)),)),
        "chargers_count: got no source",
    ),
    "service kind": (with_service(kind="magic"), "service.kind: got magic.*link_budget"),
    "decided by": (
        with_service(decided_by="wish"),
        "got wish, expected one of site_and_cell, cell",
    ),
    "reach": (
        with_service(parameters=lambda _s: {"reach_m": np.ones((2, 3))}),
        "service.parameters: got .2, 3., expected .1, 3.: layers by environments",
    ),
    "reach error": (with_service(parameters=lambda _s: {}), "parameters: got KeyError: 'reach_m'"),
    "classes": (
        with_service(classify=lambda land: np.full(land.people.size, 3, np.int8)),
        "service.classify: got classes 3..3, expected 0..2",
    ),
    "classes by order": (
        with_service(classify=lambda land: (np.arange(land.people.size) % 2).astype(np.int8)),
        "service.classify: got depends on the order of cells",
    ),
    "sizing kind": (
        replace(GOOD, sizing=replace(GOOD.sizing, kind="guess")),
        "sizing.kind: got guess, expected one of erlang_c, modules, traffic",
    ),
    "measures": (replace(GOOD, measures=()), "measures: got none"),
    "counts": (
        replace(GOOD, measures=(replace(GOOD.measures[0], counts="wishes"),)),
        "got wishes, expected one of sites, servers",
    ),
    "a cost that is none": (
        replace(GOOD, measures=(replace(GOOD.measures[0], cost="power_kw"),)),
        "measures.smart_station.cost: got power_kw, expected one of added_chargers_cny",
    ),
    "shares": (
        replace(GOOD, demand=replace(GOOD.demand, shares=lambda s: np.full((2, 3), 0.4))),
        "demand.shares: got sums .0.8, 0.8, 0.8., expected shares >= 0 that add up to 1",
    ),
    "shares of no class": (
        replace(GOOD, demand=replace(GOOD.demand, shares=lambda s: np.ones((1, 2)))),
        "demand.shares: got .1, 2., expected .n_part, n_environment.",
    ),
    "evidence": (replace(GOOD, evidence=()), "evidence: got none, expected a rule"),
    "limits": (replace(GOOD, limits_zh=()), "limits_zh: got 0, expected 6 sentences"),
    "shape": (of_people(lambda d, _l: d[0]), "demand: got .1600,., expected .n_layer, n_cell."),
    "whole": (of_people(lambda d, _l: d.astype(float)), "demand: got float64"),
    "order": (
        of_people(lambda d, _l: d + np.arange(d.size)),
        "demand: got depends on the order of cells",
    ),
    "pure": (with_demand(changing), "demand: got changes the land it is given"),
    "repeat": (of_people(lambda d, _l: d + next(CALLS)), "another result the second time"),
    "linear": (of_people(lambda d, _l: d * d), "demand: got not linear in people"),
    "nobody": (
        of_people(lambda d, land: d + (land.y_m > 0).astype(int)),
        "demand: got demand without people",
    ),
    "real stand-in": (
        replace(GOOD, standin=lambda *a: replace(GOOD.standin(*a), is_synthetic=False)),
        "standin: got is_synthetic = False",
    ),
    "seed": (
        with_sites(lambda s, _r: replace(s, x_m=s.x_m + next(CALLS))),
        "candidates: got another result for the same seed",
    ),
    "order of sites": (
        with_sites(lambda s, _r: replace(s, action=np.where(np.arange(len(s)) == 5, 0, 3))),
        "got existing sites after candidates",
    ),
    "free": (
        with_sites(lambda s, _r: replace(s, capex_cny=0 * s.capex_cny)),
        "capex_cny: got a candidate for nothing",
    ),
    "class of sites": (
        with_sites(lambda s, _r: replace(s, environment=s.environment + 7)),
        r"candidates.environment: got 7..9, expected 0..2",
    ),
    "no field": (
        with_sites(lambda s, _r: replace(s, attributes={"colour": np.zeros(len(s))})),
        "candidates.colour: got no Field",
    ),
    "field type": (
        with_sites(lambda s, _r: replace(s, attributes={"chargers_count": np.zeros(len(s))})),
        "candidates.chargers_count: got float64 of shape .*, expected int for each site",
    ),
    "field bounds": (
        with_sites(lambda s, _r: replace(s, attributes={"chargers_count": np.full(len(s), -1)})),
        "candidates.chargers_count: got -1, expected a whole number >= 0",
    ),
    "register": (
        replace(GOOD, from_register=lambda columns, *_a: columns["mast"]),
        "from_register: got KeyError: 'mast', expected the sites of two rows",
    ),
    "sized": (
        with_sized(lambda z: replace(z, servers=0 * z.servers)),
        "sizing: got a planned site without servers or cost",
    ),
    "sized field": (
        with_sized(lambda z: replace(z, attributes={"smell": z.load})),
        "sizing.smell: got no Field, expected a Field with unit in AssetType.fields",
    ),
    "optimum": (replace(GOOD, toy_value=1), "toy_value: got 1, expected 429443, the optimum"),
    "no optimum": (replace(GOOD, toy_value=None), "toy_value: got None, expected 429443"),
}


RACKS = SECTORS["racks"]


def with_offer(**change):
    """The racks with an offer that is changed before it is given out."""

    def build(land, sites, settings):
        offer = RACKS.allocation.build(land, sites, settings)
        return replace(offer, **{k: v(getattr(offer, k)) for k, v in change.items()})

    return replace(RACKS, allocation=replace(RACKS.allocation, build=build))


def with_racks_sized(change):
    def build(*args):
        return change(RACKS.sizing.build(*args))

    return replace(RACKS, sizing=replace(RACKS.sizing, build=build))


SPOILT |= {
    "allocation kind": (
        replace(RACKS, allocation=replace(RACKS.allocation, kind="wish")),
        "allocation.kind: got wish, expected one of capacitated_facility",
    ),
    "nothing asks": (
        replace(RACKS, measures=(replace(RACKS.measures[0], counts="sites"),)),
        "measures: got none that can ask for a plan, expected one that counts servers",
    ),
    "offer shape": (
        with_offer(module_cny=lambda a: a[:-1]),
        "offer.module_cny: got int64 of shape .5,., expected .6,. whole numbers",
    ),
    "offer type": (with_offer(modules_max=lambda a: a * 0.5), "offer.modules_max: got float64"),
    "offer sign": (with_offer(server_cny=lambda a: a - 1e6), "offer.server_cny: got -"),
    "offer where it stands": (
        with_offer(modules_max=lambda a: a + 1),
        "offer.modules_max: got room where something stands, expected 0 where KEEP",
    ),
    "copy of nothing": (with_offer(copy_of=lambda a: a + 9), "offer.copy_of: got 8..9"),
    "module of nothing": (with_offer(module_servers=lambda n: 0 * n), "offer.module_servers: got 0"),
    "interest below zero": (
        with_offer(discount_ratio=lambda r: -r),
        "offer.discount_ratio: got -0.06",
    ),
    "keep more than all": (with_offer(keep_ratio=lambda r: r + 1), "offer.keep_ratio: got 1.95"),
    "no room": (
        with_offer(modules_max=lambda a: 0 * a),
        "offer.modules_max: got 0 everywhere, expected room for a module",
    ),
    "no plan": (
        with_offer(apart_m=lambda a: a + 1e6),
        "toy plan: got Data-centre racks: some counties cannot be served",
    ),
    "another price": (
        with_racks_sized(lambda z: replace(z, capex_cny=z.capex_cny + (z.capex_cny > 0))),
        "sizing: got another price than the offer's, expected opening plus whole modules",
    ),
    "too little equipment": (
        with_racks_sized(lambda z: replace(z, servers=z.servers // 2)),
        "sizing: got a site that serves more than it holds",
    ),
    "another model": (
        with_offer(server_cny=lambda a: a * 1.1), "toy_value: got 1269229972, expected 13",
    ),
}  # fmt: skip


CORRIDOR = SECTORS["corridor"]


def with_network(**change):
    """The corridors with a network that is changed before it is given out."""

    def build(land, sites, settings):
        network = CORRIDOR.passage.build(land, sites, settings)
        return replace(network, **{k: v(getattr(network, k)) for k, v in change.items()})

    return replace(CORRIDOR, passage=replace(CORRIDOR.passage, build=build))


SPOILT |= {
    "passage kind": (
        replace(CORRIDOR, passage=replace(CORRIDOR.passage, kind="wish")),
        "passage.kind: got wish, expected one of flow_refueling",
    ),
    "two decisions": (
        replace(CORRIDOR, allocation=RACKS.allocation),
        "passage: got an allocation too, expected one kind of decision",
    ),
    "sites moved": (
        with_network(x_m=lambda a: a + 1.0),
        "passage: got .* nodes for .* sites, expected the sites are the first nodes",
    ),
    "roads shortened": (
        with_network(length_m=lambda a: a * 0.9),
        "passage.length_m: got .* m of pieces, expected .* m, the roads' length",
    ),
    "a piece without length": (
        with_network(length_m=lambda a: a * 0.0),
        "passage: got ValueError: edge 0 must be longer than 0",
    ),
    "a shorter range": (
        with_network(range_m=lambda r: 0.7 * r, start_range_m=lambda r: 0.7 * r),
        "toy_value: got 1583043, expected",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_sector_is_told(name):
    sector, sentence = SPOILT[name]
    with pytest.raises(DataError, match=sentence):
        check_sector(sector)


def test_an_empty_land_that_breaks_a_sector_is_told():
    def standin(land, settings, rng):
        if not land.people.any():
            raise ZeroDivisionError("no people to share by")
        return GOOD.standin(land, settings, rng)

    with pytest.raises(DataError) as caught:
        check_sector(replace(GOOD, standin=standin))
    assert [f.column for f in caught.value.findings] == [
        "a land without cells", "a land without people",
    ]  # fmt: skip


def test_a_solver_that_errs_is_told(monkeypatch):
    def worse(system, coverage, **options):
        decision = decide(system, coverage, **options)
        other = np.flatnonzero(~system.existing)[-1:].astype(np.int32)
        return replace(decision, sites=other, value=decision.value - 1, bound=decision.value - 1)

    monkeypatch.setattr("groundplan.plan.toy.decide", worse)
    with pytest.raises(DataError) as caught:
        check_sector(GOOD)
    told = str(caught.value)
    assert "found by trying every site" in told
    assert "bound 429442, expected at least 429443" in told
    assert "cells served" in told


def test_a_sector_may_be_tried_on_another_land():
    check_sector(replace(GOOD, toy_value=None), toy_land(24, 500.0, seed=3))
