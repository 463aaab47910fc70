"""Maximal covering on city points and on the San Francisco stores against outside values.

New York: points and best plan of Maximo, Cordeau, Nascimento 2023 (doi 10.1111/itor.13387), proven
optimal for p = 50. San Francisco: the network distances that spopt (pysal/spopt @ 493a58a,
spopt/tests/test_locate/data) ships; its tests state no covering value on these files (their
regression values stand on simulated points), so every plan is enumerated here.
"""

from __future__ import annotations

import csv
from itertools import combinations

import numpy as np
import pytest

from groundplan import location

EARTH_RADIUS_M = 6_378_100.0  # as the city instances were read; see SOURCES.md beside them


def numbers(lines):
    """Rows of numbers among lines of text."""
    for line in lines:
        part = line.split()
        if part and part[0].lstrip("-").replace(".", "", 1).isdigit():
            yield [float(v) for v in part]


def test_new_york_equals_the_proven_optimum(shared):
    lines = (shared / "benchmarks/location/mclp_cities/NewYork.txt").read_text().splitlines()
    rows = list(numbers(lines))
    assert len(rows) == 2 * 2713
    lat, lon = np.radians(np.array(rows[:2713])).T
    weight = np.array([r[-1] for r in rows[2713:]]).astype(np.int64)
    cosine = np.sin(lat)[:, None] * np.sin(lat) + np.cos(lat)[:, None] * np.cos(lat) * np.cos(
        lon[:, None] - lon
    )
    distance_m = EARTH_RADIUS_M * np.arccos(np.clip(cosine, -1, 1))
    np.fill_diagonal(distance_m, 0.0)
    coverage = location.Coverage.from_cost_matrix(distance_m, weight, 400.0)
    d = location.maximal_covering(coverage, 50, gap=0.0, passes=3, effort=0)
    assert d.value == 1_153_640  # known_optima.csv, NewYork p=50 R=400 m
    assert d.bound >= d.value
    location.verify(coverage, d)


@pytest.mark.parametrize("radius_m", [2_000.0, 5_000.0])
@pytest.mark.parametrize("p", [1, 3, 4])
def test_san_francisco_equals_enumeration(shared, radius_m, p):
    folder = shared / "benchmarks/location/spopt_locate"
    name = "SF_network_distance_candidateStore_16_censusTract_205_new.csv"
    with (folder / name).open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    stores = sorted({r["name"] for r in rows})
    tracts = sorted({r["DestinationName"] for r in rows})
    assert (len(stores), len(tracts)) == (16, 205)
    distance_m, weight = np.full((205, 16), np.inf), np.zeros(205, np.int64)
    for r in rows:
        i = tracts.index(r["DestinationName"])
        distance_m[i, stores.index(r["name"])] = float(r["distance"])
        weight[i] = int(r["demand"])
    near = distance_m <= radius_m
    best = max(int(weight[near[:, plan].any(axis=1)].sum()) for plan in combinations(range(16), p))
    coverage = location.Coverage.from_cost_matrix(distance_m, weight, radius_m)
    d = location.maximal_covering(coverage, p)
    assert d.value == best
    assert d.status == "optimal"
