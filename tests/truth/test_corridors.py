"""The corridors' own path builder on the shared grid, and the stand-in beside published counts."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from groundplan.plan.passage import decide_passage, settle_passage
from groundplan.plan.system import prepare
from groundplan.plan.toy_passage import best_passage, road_land
from groundplan.sectors.contract import Roads
from groundplan.sectors.corridors import CORRIDOR

#: Trips a day whose hundredths a year are the file's volumes.
PER_DAY = 1.0 / 36_500.0


def grid_system(given, range_km: float, count: int):
    """The grid as a user's road network and traffic, a town place at every crossing."""
    n = given["nodes"]
    side = round(n**0.5)
    row, col = np.divmod(np.arange(n), side)
    # pieces of road are as long as their straight lines or longer: one km apart, bends make the rest
    x_m, y_m = 4_000.0 * col, 4_000.0 * (side - row)
    edge = np.array([e[:2] for e in given["edges"]], np.int32)
    trip = np.array([(f["o"], f["d"]) for f in given["flows"]], np.int32)
    volume = np.array([f["volume"] for f in given["flows"]])
    land = replace(
        road_land(),
        roads=Roads(
            x_m=x_m,
            y_m=y_m,
            edge_from=edge[:, 0],
            edge_to=edge[:, 1],
            length_m=np.array([1000.0 * e[2] for e in given["edges"]]),
            name=np.full(len(edge), "", np.str_),
            trip_from=trip[:, 0],
            trip_to=trip[:, 1],
            trip_per_day=volume * PER_DAY,
        ),
    )
    settings = CORRIDOR.defaults() | {
        "range_km": range_km, "electric_ratio": 1.0, "trip_min_km": 0.0, "access_km": 0.1,
    }  # fmt: skip
    columns = {
        "station_id": np.array([str(k) for k in range(n)]),
        "kind": np.full(n, "town"),
        "chargers_count": np.zeros(n, np.int64),
        "fast_chargers_count": np.zeros(n, np.int64),
        "sides_count": np.ones(n, np.int64),
        "is_fast": np.zeros(n, bool),
    }
    existing = CORRIDOR.from_register(columns, x_m, y_m, land, settings)
    return prepare(CORRIDOR, land, existing, settings, count=count, budget_cny=None, seed=1)


@pytest.mark.parametrize("case", range(6))
def test_grid_through_the_path_builder(shared, case):
    file = shared / "benchmarks/sectors/frlm_grid5.json"
    given = json.loads(file.read_text(encoding="utf-8"))
    known = given["optima"][case]
    system = grid_system(given, float(known["range"]), known["p"])
    laid = system.laid
    assert laid.paths.n_site == given["nodes"]
    told = [p.tolist() for p in np.split(laid.paths.nodes, laid.paths.indptr[1:-1])]
    assert told == given["paths"]
    decision = decide_passage(system, gap=0.0, seed=1, effort=3)
    print(
        f"range {known['range']}, p {known['p']}: {decision.value}, {known['covered_volume']} known"
    )
    assert decision.value == known["covered_volume"] == best_passage(system, known["p"])
    assert decision.status == "optimal"
    plan = settle_passage(system, decision, servers_needed=0)
    assert system.demand[plan.served_after].sum() == decision.value


def test_the_stand_in_beside_published_counts(henan_corridor):
    """Sizes that the press and the operators published; sources in corridor_settings.csv."""
    system, plan = henan_corridor
    areas = system.sites.attributes["sides_count"] == 2
    piles = system.sites.attributes["chargers_count"]
    equipped = (piles[areas] > 0).mean()
    stops = plan.sized.attributes["stops_per_day"].sum()
    kwh = stops * system.settings["stop_kwh"]
    print(
        f"pairs of service areas {areas.sum()} (205 in 2026), equipped {equipped:.1%} (93.7 %), "
        f"piles {piles.sum()} (1,440 of the State Grid in 2024, 3,304 of all), "
        f"{kwh:,.0f} kWh a plain day (201,000 of the State Grid in October 2024)"
    )
    assert equipped == pytest.approx(0.937, abs=0.005)
    assert 1_200 <= piles.sum() <= 3_304
    assert 100_000 <= kwh <= 400_000
    # charging in towns leaves this energy to the corridors: neither counts it twice
    from groundplan.sectors.charging import CHARGING

    town = CHARGING.defaults()
    public_kwh = (99_365_519 * town["ev_per_person_ratio"] * town["vehicle_kwh_per_day"]) * town[
        "public_ratio"
    ]
    assert kwh / public_kwh == pytest.approx(town["motorway_ratio"], rel=0.03)


@pytest.fixture(scope="module")
def henan_corridor():
    from groundplan.plan.pipeline import lay_ground
    from groundplan.study import read_example

    ground = lay_ground(read_example("henan"), 2000.0, lambda *_a, **_k: None)
    system = prepare(
        CORRIDOR, ground.land, None, CORRIDOR.defaults(), count=60, budget_cny=None, seed=41
    )
    decision = decide_passage(system, gap=0.002, seed=41)
    return system, settle_passage(system, decision, servers_needed=0)
