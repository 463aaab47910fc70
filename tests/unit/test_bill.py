"""The money of a system, price by price: sums, ranges and shares by confidence."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import DataError
from groundplan.plan import check_sector
from groundplan.plan.bill import bill_items, money_of_system, part_of_money, stated
from groundplan.plan.proof import money_differences
from groundplan.plan.system import build_coverage, decide, prepare, settle
from groundplan.plan.toy import toy_land
from groundplan.plan.whole_record import setting_rows
from groundplan.sectors import load_sectors
from groundplan.sectors.contract import Action

SECTORS = load_sectors()
#: Systems that are decided by covering, and prices whose halves are no whole yuan.
COVERING = {
    "mobile": {"base_station_cny": 229_001, "new_mast_cny": 300_001},
    "charging": {"transformer_kw": 40.0, "charger_cny": 39_999},
    "iot": {"carrier_cny": 4_999},
}


@cache
def plan_of(key, count=6, *, as_set=True):
    sector, land = SECTORS[key], toy_land()
    given = {**sector.defaults(), **(COVERING[key] if as_set else {})}
    system = prepare(sector, land, None, given, count=count, budget_cny=None, seed=5)
    decision = decide(system, build_coverage(system, land), seed=5)
    return settle(system, decision, land, servers_needed=40)


def money_of(plan):
    planned = plan.chosen & ~plan.system.existing
    spent = int(plan.sized.capex_cny[planned].sum())
    return spent, money_of_system(plan, spent, 1000 * int(planned.sum()))


@pytest.mark.parametrize("key", sorted(COVERING))
def test_shares_add_up_to_the_cost_of_the_plan(key):
    spent, told = money_of(plan_of(key))
    assert spent > 0
    assert math.fsum(told["capital"]["by_confidence_cny"].values()) == spent
    assert told["capital"]["total_cny"] == spent
    assert told["capital"]["untold_cny"] == 0
    running = told["running"]
    parts = math.fsum([*running["by_confidence_cny"].values(), running["untold_cny"]])
    assert parts == pytest.approx(running["total_cny"])
    names = [item["name"] for item in told["items"]]
    assert len(names) == len(set(names))
    assert all(item["quantity"] > 0 for item in told["items"])
    assert all(item["low_cny"] <= item["amount_cny"] <= item["high_cny"] for item in told["items"])


def test_a_mast_that_two_networks_share_is_one_mast():
    plan = plan_of("mobile")
    items = {item["name"]: item for item in bill_items(plan)}
    new = plan.chosen & (plan.system.sites.action == Action.NEW)
    masts = set(plan.system.sites.host[new].tolist())
    assert items.get("new_mast_cny", {"quantity": 0})["quantity"] == len(masts)


def test_a_price_of_the_study_is_unverified_and_has_no_range():
    own = {item["name"]: item for item in bill_items(plan_of("mobile"))}
    default = {item["name"]: item for item in bill_items(plan_of("mobile", as_set=False))}
    told = own["base_station_cny"]
    assert (told["confidence"], told["low"], told["source"]) == ("U", None, "set in study.toml")
    assert told["low_cny"] == told["amount_cny"] == told["high_cny"]
    told = default["base_station_cny"]
    assert (told["confidence"], told["low"], told["high"]) == ("M", 203_000, 262_000)
    assert told["low_cny"] == told["quantity"] * 203_000
    rows = {row["name"]: row for row in setting_rows({"mobile": plan_of("mobile")})}
    assert rows["base_station_cny"]["confidence"] == "U"
    assert rows["carrier_cny"]["confidence"] == "A"
    assert rows["carrier_cny"]["used_by"] == "mobile"


@pytest.mark.parametrize("key", sorted(SECTORS))
def test_every_price_tells_its_range_or_none(key):
    sector = SECTORS[key]
    for item in sector.cost.fields:
        told = stated(item, sector.defaults())
        assert (told["low"] is None) == (told["high"] is None)
        if told["low"] is not None:
            assert told["low"] <= told["value"] <= told["high"]
            assert told["low"] < told["high"]


def test_a_system_without_a_bill_tells_counts_alone():
    plan = plan_of("charging")
    sector = replace(plan.system.sector, cost=replace(plan.system.sector.cost, bill=None))
    spent, told = money_of(replace(plan, system=replace(plan.system, sector=sector)))
    assert told["items"] == []
    assert told["capital"]["by_confidence_cny"] == {}
    assert told["capital"]["untold_cny"] == told["capital"]["total_cny"] == spent
    assert (told["capital"]["low_cny"], told["capital"]["high_cny"]) == (spent, spent)
    n_value = len(sector.settings) + len(sector.cost.fields)
    assert sum(told["values_by_confidence"].values()) == n_value


def test_nothing_planned_costs_nothing():
    spent, told = money_of(plan_of("iot", 0))
    assert spent == 0
    assert told["items"] == []
    assert told["capital"]["total_cny"] == told["capital"]["high_cny"] == 0
    assert money_of_system(plan_of("iot", 0), 0, None)["running"] is None


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("HMLUA"), st.integers(0, 10**9), st.integers(1, 5), st.booleans()
        ),
        max_size=12,
    ),
    st.integers(0, 10**9),
)
def test_parts_and_the_rest_are_the_whole(rows, rest):
    items = [
        {
            "confidence": grade,
            "amount_cny": float(amount),
            "low_cny": amount / factor,
            "high_cny": float(amount * factor),
            "has_range": has_range,
        }
        for grade, amount, factor, has_range in rows
    ]
    total = float(sum(amount for _, amount, *_ in rows) + rest)
    told = part_of_money(items, total)
    assert math.fsum(told["by_confidence_cny"].values()) + told["untold_cny"] == total
    assert told["low_cny"] <= total <= told["high_cny"]
    for grade in "HMLUA":
        mine = sum(amount for key, amount, *_ in rows if key == grade)
        assert told["by_confidence_cny"].get(grade, 0.0) == mine


def with_bill(change):
    """The charging stations with a bill that is changed before it is given out."""
    sector = SECTORS["charging"]

    def bill(*args):
        return change(dict(sector.cost.bill(*args)))

    return replace(sector, cost=replace(sector.cost, bill=bill))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda b: {**b, "charger_cny": b["charger_cny"] + 1}, "the capital cost of the sizing"),
        (lambda b: {k: v for k, v in b.items() if k != "charger_cny"}, "leave out a price"),
        (lambda b: {**b, "land_cny": 1.0}, "cost.bill.land_cny: got no such price"),
        (lambda b: {**b, "transformer_cny": -1.0}, "cost.bill.transformer_cny: got -1"),
        (lambda b: {**b, "transformer_cny": math.nan}, "expected a finite quantity"),
        (lambda b: b["nothing"], "cost.bill: got KeyError"),
    ],
)
def test_a_bill_that_is_not_the_cost_is_told(change, told):
    with pytest.raises(DataError, match=told):
        check_sector(with_bill(change))


def told_money(plan, opex_cny_per_year):
    planned = plan.chosen & ~plan.system.existing
    spent = int(plan.sized.capex_cny[planned].sum())
    money = money_of_system(plan, spent, opex_cny_per_year)
    return {"cost_cny": spent, "opex_cny_per_year": opex_cny_per_year, "money": money}


def test_verify_adds_the_bill_up_anew():
    plan = plan_of("charging")
    n = int((plan.chosen & ~plan.system.existing).sum())
    part = told_money(plan, 60_000 * n)
    assert money_differences("charging", part) == []
    assert money_differences("charging", {**part, "money": None}) == []
    assert money_differences("charging", told_money(plan, None)) == []
    (told,) = money_differences("charging", {**part, "cost_cny": part["cost_cny"] + 1})
    assert "the bill makes" in told
    (told,) = money_differences("charging", {**part, "opex_cny_per_year": None})
    assert "running cost told once" in told
    shares = part["money"]["capital"]["by_confidence_cny"]
    shares["A"], shares["H"] = shares["A"] - 5000, 5000
    assert len(money_differences("charging", part)) == 2
