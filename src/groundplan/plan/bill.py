"""The money of one system, item by item, and how well the prices under it are known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from groundplan.errors import Findings
from groundplan.plan.system import SystemPlan
from groundplan.quantity import CONFIDENCES, Field
from groundplan.sectors.contract import Settings

__all__ = ["bill_items", "check_bill", "money_of_system", "stated"]

#: Unit of a price that is paid once; every other price is paid each year.
CAPITAL_UNIT = "CNY"
#: Where a value stands that the study gives in place of a default.
OF_STUDY = "set in study.toml"


def stated(item: Field, settings: Settings) -> dict[str, Any]:
    """Return a setting or price as it is used: value, range, year, source and confidence.

    A value of the study carries no source of its own: it counts as unverified, and the range of
    the default says nothing of it.
    """
    value = settings[item.name]
    is_default = value == item.default
    return {
        "name": item.name,
        "value": value,
        "unit": item.unit,
        "low": item.low if is_default else None,
        "high": item.high if is_default else None,
        "year": item.year,
        "source": item.source if is_default else OF_STUDY,
        "confidence": item.confidence if is_default else "U",
        "note": item.doc,
    }


def bill_items(plan: SystemPlan) -> list[dict[str, Any]]:
    """Return each price that the plan's sites take, with quantity, amount and range.

    Empty where the sector tells no quantities (`Cost.bill`) or the plan adds nothing.
    """
    system = plan.system
    cost = system.sector.cost
    planned = plan.chosen & ~system.existing
    if cost.bill is None or not planned.any():
        return []
    taken = cost.bill(system.sites, plan.sized, planned, system.settings)
    items = []
    for field in cost.fields:
        quantity = float(taken.get(field.name, 0.0))
        if not quantity:
            continue
        price = stated(field, system.settings)
        ends = sorted(
            quantity * float(price["value"] if price[end] is None else price[end])
            for end in ("low", "high")
        )
        items.append(
            {
                **price,
                "is_capital": field.unit == CAPITAL_UNIT,
                "quantity": quantity,
                "amount_cny": quantity * float(price["value"]),
                "low_cny": ends[0],
                "high_cny": ends[1],
                "has_range": price["low"] is not None,
            }
        )
    return items


def money_of_system(
    plan: SystemPlan, cost_cny: int, opex_cny_per_year: int | None
) -> dict[str, Any]:
    """Return capital and running cost of a system, each by the confidence of its prices.

    Parameters
    ----------
    cost_cny : int
        Capital cost of the planned sites.
    opex_cny_per_year : int or None
        Running cost of the planned sites; None where the sector prices none.

    Returns
    -------
    dict
        ``items``; ``capital`` and ``running``, see `part_of_money`; ``values_by_confidence``: how
        many settings and prices of the system rest on each confidence.
    """
    sector, settings = plan.system.sector, plan.system.settings
    items = bill_items(plan)
    values = Counter(
        stated(item, settings)["confidence"] for item in (*sector.settings, *sector.cost.fields)
    )
    return {
        "price_year": sector.cost.price_year,
        "items": items,
        "capital": part_of_money([i for i in items if i["is_capital"]], float(cost_cny)),
        "running": None
        if opex_cny_per_year is None
        else part_of_money([i for i in items if not i["is_capital"]], float(opex_cny_per_year)),
        "values_by_confidence": {key: values[key] for key in CONFIDENCES if values[key]},
    }


def part_of_money(items: list[dict[str, Any]], total_cny: float) -> dict[str, Any]:
    """Return a sum with its range and its shares by confidence of the prices.

    ``untold_cny`` is what the items do not explain: nearly nothing where the sector tells its
    quantities, all of it where it does not. Low and high ends add up item by item: no probability
    interval. `by_confidence_cny` and `untold_cny` add up to the sum.
    """
    by_confidence = {
        key: math.fsum(i["amount_cny"] for i in items if i["confidence"] == key)
        for key in CONFIDENCES
    }
    untold = total_cny - math.fsum(by_confidence.values())
    if abs(untold) < 1.0:
        # the yuan that whole numbers lose
        untold = 0.0
    return {
        "total_cny": total_cny,
        "low_cny": math.fsum(i["low_cny"] for i in items) + untold,
        "high_cny": math.fsum(i["high_cny"] for i in items) + untold,
        "has_range": any(i["has_range"] for i in items),
        "by_confidence_cny": {key: told for key, told in by_confidence.items() if told},
        "untold_cny": untold,
    }


def check_bill(found: Findings, plan: SystemPlan) -> None:
    """Note where the quantities of a sector do not make the cost that its sizing says."""
    sector, system = plan.system.sector, plan.system
    planned = plan.chosen & ~system.existing
    if sector.cost.bill is None:
        return
    prices = {item.name for item in sector.cost.fields}
    try:
        taken: Mapping[str, float] = sector.cost.bill(
            system.sites, plan.sized, planned, system.settings
        )
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        found.add(0, "cost.bill", f"{type(error).__name__}: {error}", "a quantity for each price")
        return
    for name in sorted(set(taken) - prices):
        found.add(0, f"cost.bill.{name}", "no such price", "names of `Cost.fields`")
    for name, quantity in taken.items():
        if not (math.isfinite(quantity) and quantity >= 0):
            found.add(0, f"cost.bill.{name}", quantity, "a finite quantity >= 0")
    told = math.fsum(i["amount_cny"] for i in bill_items(plan) if i["is_capital"])
    spent = int(plan.sized.capex_cny[planned].sum())
    if abs(told - spent) >= 1.0:
        found.add(
            0, "cost.bill", f"{told:,.0f} CNY", f"{spent:,} CNY, the capital cost of the sizing",
            "does the bill leave out a price, or count one twice?",
        )  # fmt: skip
