"""Every system keeps the contract, and a breach is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundplan.errors import DataError
from groundplan.plan import check_sector
from groundplan.quantity import unit_of
from groundplan.sectors import load_sectors

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


def test_demand_that_depends_on_order_is_found():
    good = SECTORS["charging"]

    def ordered(land, settings):
        return good.demand.build(land, settings) + np.arange(land.people.size)

    with pytest.raises(DataError, match="demand"):
        check_sector(replace(good, demand=replace(good.demand, build=ordered)))


def test_a_sector_without_evidence_is_found():
    with pytest.raises(DataError, match="evidence"):
        check_sector(replace(SECTORS["mobile"], evidence=()))


def test_an_unknown_kind_of_service_is_found():
    good = SECTORS["mobile"]
    with pytest.raises(DataError, match="link_budget"):
        check_sector(replace(good, service=replace(good.service, kind="magic")))
