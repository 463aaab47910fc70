"""Capacitated location against OR-Library optima, best known SJC values, and the data-centre case.

OR-Library: the cost is for serving the whole demand of a customer, which may be split (Beasley,
capopt). SJC: single source, plane distances not weighted by demand (Lorena).
"""

from __future__ import annotations

import csv
import gzip
import json

import numpy as np
import pytest

from groundplan import location

EARTH_RADIUS_KM = 6371.0088  # as the shared case was read; see SOURCES.md beside it


def orlib(folder, name, capacity=None):
    plain = folder / f"{name}.txt"
    text = (
        plain.read_text(encoding="utf-8")
        if plain.exists()
        else gzip.decompress((folder / f"{name}.txt.gz").read_bytes()).decode()
    )
    token = text.replace("capacity", str(capacity)).split()
    m, n = int(token[0]), int(token[1])
    number = np.array(token[2:], float)
    site, row = number[: 2 * m].reshape(m, 2), number[2 * m :].reshape(n, m + 1)
    room = site[:, 0] if capacity is None else np.full(m, capacity)
    return location.CapacityProblem.from_matrix(row[:, 1:], row[:, 0], room, site[:, 1])


@pytest.mark.parametrize(
    ("name", "capacity", "optimum"),
    [
        ("cap41", None, 1_040_444.375),
        ("cap61", None, 932_615.75),
        ("cap63", None, 1_014_062.05),
        ("cap124", None, 946_051.325),
        ("capa", 14_000, 17_160_439.012),
    ],
)
def test_orlib_is_proven_optimal(shared, name, capacity, optimum):
    problem = orlib(shared / "benchmarks/location/orlib_cap", name, capacity)
    d = location.capacitated_facility(problem)
    assert d.value == pytest.approx(optimum, abs=1.1e-3)  # capa is printed to three decimals
    assert (d.status, d.bound_by) == ("optimal", "prices")
    location.verify_capacitated(problem, d)


@pytest.mark.parametrize(("name", "best_known"), [("SJC1", 17_288.99), ("SJC3a", 45_335.16)])
def test_sjc_within_half_a_percent(shared, name, best_known):
    file = shared / f"benchmarks/location/lorena_sjc_cpmp/{name}.dat"
    number = np.array(file.read_text(encoding="utf-8").split(), float)
    n, p = int(number[0]), int(number[1])
    row = number[2:].reshape(n, 4)
    problem = location.CapacityProblem.from_points(
        row[:, :2], row[:, :2], row[:, 3], row[:, 2], weight=np.ones(n)
    )
    d = location.capacitated_p_median(problem, p, tries=1_000, nodes=0)
    assert d.value <= best_known * 1.005
    assert d.bound <= best_known + 0.01
    assert d.gap < 0.005
    location.verify_capacitated(problem, d)


def test_data_centres_equal_the_mixed_integer_program(shared):
    folder = shared / "benchmarks/sectors"
    case = json.loads((folder / "datacentre_cflp.json").read_text(encoding="utf-8"))
    with (folder / "henan_prefectures.csv").open(encoding="utf-8") as stream:
        rows = {r["name_en"]: r for r in csv.DictReader(stream)}
    lon, lat = (
        np.radians([float(rows[n][key]) for n in case["nodes"]]) for key in ("seat_lon", "seat_lat")
    )
    half = np.sin((lat[:, None] - lat) / 2) ** 2
    half = half + np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    far_km = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(half))
    unit = case["unit"] * np.array(case["price_index"]) + 0.01 * np.round(far_km, 3)
    cost = np.where(
        far_km <= case["latency_km"], np.array(case["demand_racks"])[:, None] * unit, np.inf
    )
    problem = location.CapacityProblem.from_matrix(
        cost, case["demand_racks"], case["cap_racks"], case["fixed_10k_yuan"]
    )
    d = location.capacitated_facility(problem)
    assert d.value == pytest.approx(case["optimal_cost"], abs=1e-3)
    assert d.status == "optimal"
    assert [case["nodes"][j] for j in d.sites] == case["open"]
    location.verify_capacitated(problem, d)
