"""p-centre and p-dispersion against spopt's regression values and the eighteen seats of Henan.

spopt: tests/test_locate/test_p_center.py and test_p_dispersion.py, two sites predefined, the last
three digits are theirs; points in tests/data (SOURCES.md).
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from groundplan import location

POINTS = Path(__file__).parents[1] / "data" / "spopt_simulated_points.csv"
EARTH_RADIUS_KM = 6371.0088  # as the shared case was read; see SOURCES.md beside it
#: Radius of the vertex p-centre on OR-Library's pmed graphs: Pullan 2008, "A memetic genetic
#: algorithm for the vertex p-center problem", doi 10.1162/evco.2008.16.3.417, as copied in
#: github.com/timothy-ch-cheung/k-center (src/server/dataset/ORLIB/kcenteropt.txt).
PMED = {1: 127, 3: 93, 5: 48, 7: 64, 9: 37, 11: 59, 13: 36, 15: 18, 17: 39, 19: 18}
PMED |= {21: 40, 23: 22, 25: 11, 27: 32, 29: 13, 31: 30, 33: 15, 35: 30, 37: 15, 39: 23}
STAND = np.array([False, False, False, True, True])


def simulated():
    with POINTS.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return (
        np.array([[float(r["x"]), float(r["y"])] for r in rows if r["kind"] == kind])
        for kind in ("client", "facility")
    )


def test_p_center_equals_spopt():
    clients, facilities = simulated()
    cost = location.AssignmentCost.from_points(clients, None, facilities)
    d = location.p_center(cost, 1, existing=STAND)
    assert d.value == pytest.approx(6.2520432, abs=1e-7)
    assert (d.status, d.sites.tolist()) == ("optimal", [2])
    location.verify(cost, d, existing=STAND)


def test_p_dispersion_equals_spopt():
    _clients, facilities = simulated()
    cost = location.AssignmentCost.from_points(facilities, None, facilities)
    d = location.p_dispersion(cost, 1, existing=STAND)
    assert d.value == pytest.approx(4.213464, abs=1e-6)
    assert d.status == "optimal"
    location.verify(cost, d, existing=STAND)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_seats_equal_enumeration(shared, p):
    folder = shared / "benchmarks/sectors"
    known = json.loads((folder / "henan18_location.json").read_text(encoding="utf-8"))
    with (folder / "henan_prefectures.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    lon, lat = (np.radians([float(r[k]) for r in rows]) for k in ("seat_lon", "seat_lat"))
    half = np.sin((lat[:, None] - lat) / 2) ** 2
    half = half + np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    far_km = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(half))
    cost = location.AssignmentCost.from_matrix(far_km)
    d = location.p_center(cost, p)
    assert d.value == pytest.approx(known["pcenter"][p - 1]["radius_km"], abs=1e-5)
    assert d.status == "optimal"
    location.verify(cost, d)


def pmed(path):
    """Return the distances of an OR-Library graph and its p."""
    words = np.array(path.read_text(encoding="utf-8").split(), np.int64)
    n, edges, p = (int(v) for v in words[:3])
    tail, head, length = words[3 : 3 + 3 * edges].reshape(-1, 3).T
    return location.AssignmentCost.from_graph(n, tail - 1, head - 1, length), p


@pytest.mark.parametrize("number", sorted(PMED))
def test_graphs_of_or_library_are_proven_at_the_published_radius(shared, number):
    cost, p = pmed(shared / f"benchmarks/location/orlib_pmed/pmed{number}.txt")
    d = location.p_center(cost, p)
    assert (d.value, d.status, d.bound_by) == (PMED[number], "optimal", "prices")
    location.verify(cost, d)
