"""The datum guard against 108 county centroids measured in both datums."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from pyproj import CRS, Transformer

from groundplan.errors import CrsError
from groundplan.region import load
from groundplan.region.crs import gauss_kruger_epsg
from groundplan.region.datum import (
    bd09_from_gcj02,
    check_datum,
    gcj02_from_bd09,
    gcj02_from_wgs84,
    guard_sites,
    wgs84_from_bd09,
    wgs84_from_gcj02,
)

# polygon centroids of WGS84 county outlines against the same counties from a package that labels
# GCJ-02 as EPSG:4326: data/henan_datum_pairs.csv, described in data/SOURCES.md of the shared truth
EAST_M, NORTH_M = 559.7, -146.6
M_PER_DEG = 111_320.0


@pytest.fixture(scope="module")
def pairs(shared):
    text = (shared / "data/henan_datum_pairs.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return {
        name: np.array([float(row[name]) for row in rows])
        for name in ("lon_wgs84", "lat_wgs84", "lon_gcj02", "lat_gcj02", "east_m", "north_m")
    }


@pytest.fixture(scope="module")
def places(shared):
    text = (shared / "data/henan_places_geonames.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return np.array([[float(r["lon"]), float(r["lat"])] for r in rows]).T


def test_flags_the_disguised_centroids(pairs):
    found = check_datum(
        pairs["lon_gcj02"], pairs["lat_gcj02"], pairs["lon_wgs84"], pairs["lat_wgs84"]
    )
    assert found.pairs == 108
    assert found.east_m == pytest.approx(EAST_M, abs=1)
    assert found.north_m == pytest.approx(NORTH_M, abs=1)
    assert found.verdict == "GCJ-02"
    assert found.is_systematic
    assert 'declare crs = "GCJ-02"' in found.text
    # the file's own columns come from the same pairs
    assert found.east_m == pytest.approx(np.median(pairs["east_m"]), abs=0.1)


def test_inverse_takes_the_shift_away(pairs):
    found = check_datum(
        pairs["lon_gcj02"], pairs["lat_gcj02"], pairs["lon_wgs84"], pairs["lat_wgs84"]
    )
    again = check_datum(*found.invert(), pairs["lon_wgs84"], pairs["lat_wgs84"])
    assert abs(again.east_m) < 10
    assert abs(again.north_m) < 10
    assert again.verdict == "agrees"
    assert (found.residual_east_m, found.residual_north_m) == (again.east_m, again.north_m)


def test_passes_the_true_side(pairs):
    lon, lat = pairs["lon_wgs84"], pairs["lat_wgs84"]
    rng = np.random.default_rng(41)
    # -13/-20 m between the two true polygon sets, outlines scattering by 150 m: no alarm
    found = check_datum(
        lon + (-13 + rng.normal(0, 150, lon.size)) / (M_PER_DEG * np.cos(np.radians(lat))),
        lat + (-20 + rng.normal(0, 150, lat.size)) / M_PER_DEG,
        lon,
        lat,
    )
    assert found.verdict == "agrees"
    assert not found.is_systematic
    assert found.invert()[0] is found.lon_deg


def test_names_bd09(pairs):
    lon, lat = bd09_from_gcj02(pairs["lon_gcj02"], pairs["lat_gcj02"])
    found = check_datum(lon, lat, pairs["lon_wgs84"], pairs["lat_wgs84"])
    assert found.verdict == "BD-09"
    assert abs(found.residual_east_m) < 10


def test_a_shift_of_another_kind_is_not_called_gcj02(pairs):
    lon = pairs["lon_wgs84"] - 600 / (M_PER_DEG * np.cos(np.radians(34)))
    found = check_datum(lon, pairs["lat_wgs84"], pairs["lon_wgs84"], pairs["lat_wgs84"])
    assert found.verdict == "shifted"
    assert np.array_equal(found.invert()[0], lon)


def test_one_pair_is_never_judged(pairs):
    one = [pairs[n][:1] for n in ("lon_gcj02", "lat_gcj02", "lon_wgs84", "lat_wgs84")]
    assert check_datum(*one).verdict == "undecided"
    with pytest.raises(CrsError, match="as many positions as reference points"):
        check_datum(one[0], one[1], pairs["lon_wgs84"], pairs["lat_wgs84"])


@pytest.mark.parametrize(
    ("forward", "inverse"),
    [(gcj02_from_wgs84, wgs84_from_gcj02), (bd09_from_gcj02, gcj02_from_bd09)],
)
def test_forward_of_inverse_is_the_identity(forward, inverse):
    # over China; the goal is 0.1 m in three rounds
    lon, lat = (v.ravel() for v in np.meshgrid(np.linspace(75, 134, 60), np.linspace(18, 53, 60)))
    lon_back, lat_back = forward(*inverse(lon, lat))
    east_m = (lon_back - lon) * M_PER_DEG * np.cos(np.radians(lat))
    north_m = (lat_back - lat) * M_PER_DEG
    assert np.hypot(east_m, north_m).max() < 0.1


def test_the_functions_equal_the_formula_written_out():
    # one point, term by term in plain Python, from the formula in the method page
    from math import cos, degrees, pi, radians, sin, sqrt

    lon, lat = 113.665, 34.758
    x, y = lon - 105, lat - 35
    dlat = -100 + 2 * x + 3 * y + 0.2 * y**2 + 0.1 * x * y + 0.2 * sqrt(abs(x))
    dlat += 2 / 3 * (20 * sin(6 * pi * x) + 20 * sin(2 * pi * x) + 20 * sin(pi * y))
    dlat += 2 / 3 * (40 * sin(pi * y / 3) + 160 * sin(pi * y / 12) + 320 * sin(pi * y / 30))
    dlon = 300 + x + 2 * y + 0.1 * x**2 + 0.1 * x * y + 0.1 * sqrt(abs(x))
    dlon += 2 / 3 * (20 * sin(6 * pi * x) + 20 * sin(2 * pi * x) + 20 * sin(pi * x))
    dlon += 2 / 3 * (40 * sin(pi * x / 3) + 150 * sin(pi * x / 12) + 300 * sin(pi * x / 30))
    m = 1 - 0.00669342162296594323 * sin(radians(lat)) ** 2
    want_lat = lat + degrees(dlat * m**1.5 / (6378245.0 * (1 - 0.00669342162296594323)))
    want_lon = lon + degrees(dlon * sqrt(m) / (6378245.0 * cos(radians(lat))))
    got_lon, got_lat = gcj02_from_wgs84(lon, lat)
    assert got_lon == pytest.approx(want_lon, abs=1e-12)
    assert got_lat == pytest.approx(want_lat, abs=1e-12)


def sites_near(places, n, spread_m, seed):
    rng = np.random.default_rng(seed)
    pick = rng.integers(0, places.shape[1], n)
    lon, lat = places[:, pick]
    return (
        lon + rng.normal(0, spread_m, n) / (M_PER_DEG * np.cos(np.radians(lat))),
        lat + rng.normal(0, spread_m, n) / M_PER_DEG,
    )


@pytest.mark.parametrize("datum", ["GCJ-02", "BD-09"])
def test_guard_refuses_displaced_sites(places, datum):
    lon, lat = gcj02_from_wgs84(*sites_near(places, 3000, 800, 41))
    if datum == "BD-09":
        lon, lat = bd09_from_gcj02(lon, lat)
    with pytest.raises(CrsError, match=f'masts.csv.*declare crs = "{datum}"'):
        guard_sites(lon, lat, *places, cell_m=250, path="masts.csv")
    accepted = guard_sites(lon, lat, *places, cell_m=250, path="masts.csv", is_accepted=True)
    assert accepted.verdict == datum
    assert guard_sites(lon, lat, *places, cell_m=2000).verdict == datum  # warned, not refused
    back = wgs84_from_gcj02(lon, lat) if datum == "GCJ-02" else wgs84_from_bd09(lon, lat)
    assert np.array_equal(accepted.invert()[0], back[0])


def test_guard_passes_true_sites(places):
    for seed in range(20):
        lon, lat = sites_near(places, 1500, 1000, seed)
        assert guard_sites(lon, lat, *places, cell_m=100).verdict == "agrees"


def test_guard_does_not_judge_what_it_cannot_see(places):
    rng = np.random.default_rng(41)
    anywhere = rng.uniform(110.5, 116.5, 500), rng.uniform(31.5, 36.3, 500)
    assert guard_sites(*anywhere, *places, cell_m=100).verdict == "undecided"


def test_seats_without_a_datum_are_no_reference():
    region = load("henan")
    lon, lat = region.reference_lonlat()
    # 118 seats of GeoNames and 382 places; 38 of cpca and one label point are left out
    assert lon.size == lat.size == 118 + 382
    c = region.counties
    unfit = np.array(["cpca" in s for s in c.seat_source])
    assert unfit.sum() == 38
    left_out = set(zip(c.seat_lon_deg[unfit], c.seat_lat_deg[unfit], strict=True))
    assert not left_out & set(zip(lon[:118], lat[:118], strict=True))
    # those points themselves scatter too much around true places to be judged, let alone to judge
    found = guard_sites(
        c.seat_lon_deg[unfit], c.seat_lat_deg[unfit], lon, lat, cell_m=5000, path="cpca"
    )
    assert found.status == "too scattered"


def test_the_status_says_what_to_do_with_a_verdict(places):
    near = sites_near(places, 1500, 1000, 3)
    assert guard_sites(*near, *places, cell_m=100).status == "ok"
    assert guard_sites(near[0][:5], near[1][:5], *places, cell_m=100).status == "not enough points"
    moved = gcj02_from_wgs84(*near)
    assert guard_sites(*moved, *places, cell_m=100, is_accepted=True).status == "warned"
    rng = np.random.default_rng(41)
    anywhere = rng.uniform(110.5, 116.5, 500), rng.uniform(31.5, 36.3, 500)
    assert guard_sites(*anywhere, *places, cell_m=100).status == "too scattered"


@pytest.mark.parametrize("zone", [*range(25, 46), *range(13, 24)])
@pytest.mark.parametrize("has_prefix", [True, False])
def test_gauss_kruger_codes_are_those_of_the_epsg_registry(zone, has_prefix):
    # the registry in PROJ: central meridian 3 or 6 degrees apart, zone number before the easting
    crs = CRS.from_user_input(gauss_kruger_epsg(zone, has_prefix=has_prefix))
    assert "CGCS2000" in crs.name
    meridian = 3 * zone if zone >= 25 else 6 * zone - 3
    east, _ = Transformer.from_crs("EPSG:4490", crs, always_xy=True).transform(meridian, 34)
    assert east == pytest.approx(500_000 + (zone * 1e6 if has_prefix else 0))
    assert gauss_kruger_epsg(12, has_prefix=has_prefix) is None
