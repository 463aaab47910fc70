"""Every price the product uses against the published unit costs; ``pytest -s`` prints the table.

A price without a published row must say that it is an assumption and, where it gives a range, lie
inside it.
"""

from __future__ import annotations

import csv
import re
from typing import NamedTuple

import pytest

from groundplan.sectors import load_sectors
from groundplan.study import read_example

#: Yuan to the dollar of the programme, and MW to a rack of 2.5 kW.
CNY_PER_USD = next(a.value for a in read_example("henan").assumptions if a.name == "usd_cny")
RACK_MW = 0.0025
#: Racks over which the works of a new site are spread; racks_costs.csv says so.
RACKS_A_SITE = 3000


class Price(NamedTuple):
    name: str
    value: float
    low: float
    high: float


def spread(text: str) -> tuple[float, float]:
    """Return the ends of a value that is a number or a range as text, ``low..high``.

    Examples
    --------
    >>> spread("7e6..12e6"), spread("23400")
    ((7000000.0, 12000000.0), (23400.0, 23400.0))
    """
    ends = [float(part) for part in text.split("..")]
    return min(ends), max(ends)


@pytest.fixture(scope="module")
def published(shared):
    path = shared / "benchmarks" / "sectors" / "unit_costs.csv"
    with path.open(encoding="utf-8") as file:
        return {
            row["item"] + " " + row["year"]: spread(row["value"]) for row in csv.DictReader(file)
        }


def item(published, words):
    """Return the ends over all rows whose item begins with the words."""
    found = [ends for name, ends in published.items() if name.startswith(words)]
    assert found, f"no row of unit_costs.csv begins with {words!r}"
    return min(low for low, _ in found), max(high for _, high in found)


def costs(key):
    return {f.name: f for f in load_sectors()[key].cost.fields}


def setting(key, name):
    return load_sectors()[key].defaults()[name]


def line(key):
    return next(c for c in read_example("henan").cost_lines if c.key == key)


def prices(published):
    """Yield every price of a published item: default and cost line, each with its row's ends."""
    station = item(published, "5G base station")
    yield Price("mobile base_station_cny", costs("mobile")["base_station_cny"].default, *station)
    asked = line("stations_5g")
    henan = item(published, "5G base station, Henan cumulative")
    yield Price("cost line stations_5g", asked.unit_cost_cny, *henan)
    yield Price("  its low end", asked.unit_cost_low_cny, station[0], station[0])
    yield Price("  its high end", asked.unit_cost_high_cny, station[1], station[1])
    rack = item(published, "standard rack 2.5 kW")
    world = tuple(RACK_MW * CNY_PER_USD * v for v in item(published, "data centre, world"))
    racks = costs("racks")
    share = racks["rack_cny"].default + racks["site_new_cny"].default / RACKS_A_SITE
    yield Price("racks rack_cny and its share of a new site", share, *rack)
    yield Price("  the same, world rule of thumb", share, *world)
    asked = line("racks")
    yield Price("cost line racks", asked.unit_cost_cny, *rack)
    yield Price("  its low end", asked.unit_cost_low_cny, *rack)
    yield Price("  its high end, world rule of thumb", asked.unit_cost_high_cny, world[1], world[1])
    pile = item(published, "DC charger 120 kW")
    yield Price("charging charger_cny", costs("charging")["charger_cny"].default, *pile)
    yield Price("corridor charger_cny", costs("corridor")["charger_cny"].default, *pile)
    asked = line("public_facilities")
    yield Price("cost line public_facilities", asked.unit_cost_cny, *pile)
    yield Price("  its low end", asked.unit_cost_low_cny, pile[0], pile[0])
    yield Price("  its high end", asked.unit_cost_high_cny, pile[1], pile[1])
    factory = item(published, "intelligent-transformation project, Zhoukou")
    yield Price("cost line smart_factories", line("smart_factories").unit_cost_cny, *factory)
    platform = item(published, "provincial industrial internet platform, Hunan")
    yield Price("cost line platforms", line("platforms").unit_cost_cny, *platform)
    energy = item(published, "energy per NEV")
    yield Price("charging vehicle_kwh_per_day", setting("charging", "vehicle_kwh_per_day"), *energy)


def test_prices_lie_within_their_published_rows(published):
    told = list(prices(published))
    print("\n| price | used | published, from | to | beyond |\n|---|---|---|---|---|")
    beyond = []
    for p in told:
        # ends are rounded to whole yuan, or to thousands where the study says so
        over = max(p.low / p.value, p.value / p.high) - 1
        beyond.append(max(over, 0.0))
        print(f"| {p.name} | {p.value:,.8g} | {p.low:,.8g} | {p.high:,.8g} | {beyond[-1]:.2%} |")
    assert max(beyond) <= 0.001


def test_other_prices_say_that_they_are_assumptions():
    """Every price of a sector has a published row, or is marked and keeps its own range."""
    published_items = {("mobile", "base_station_cny"), ("racks", "rack_cny")}
    published_items |= {("charging", "charger_cny"), ("corridor", "charger_cny")}
    count = 0
    print("\n| system | price | used | range it gives |\n|---|---|---|---|")
    for key, sector in sorted(load_sectors().items()):
        for field in sector.cost.fields:
            if (key, field.name) in published_items or not field.unit.startswith("CNY"):
                continue
            count += 1
            assert field.confidence == "A", (key, field.name)
            assert "assumption" in field.source, (key, field.name)
            ends = re.search(r"range ([\d,.]+)-([\d,.]+)( M)?", field.source)
            print(f"| {key} | {field.name} | {field.default:,.8g} | {ends[0] if ends else '-'} |")
            if ends:
                scale = 1e6 if ends[3] else 1.0
                low, high = (
                    scale * float(e.replace(",", "").rstrip(".")) for e in ends.groups()[:2]
                )
                assert low <= field.default <= high, (key, field.name)
    assert count


@pytest.mark.parametrize(
    ("text", "ends"), [("7e6..12e6", (7e6, 12e6)), ("23400", (23400.0, 23400.0))]
)
def test_ranges_as_text(text, ends):
    assert spread(text) == ends
