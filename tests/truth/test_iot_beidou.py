"""The message load, the growth of IoT subscriptions and published counts; ``pytest -s`` prints."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from groundplan.models import forecast
from groundplan.plan.reports import BURST_PEAK, month_time
from groundplan.sectors.beidou import BEIDOU
from groundplan.sectors.iot import IOT
from groundplan.sectors.iot_users import read_series, reports_per_h


@pytest.fixture(scope="module")
def sectors(shared):
    return shared / "benchmarks" / "sectors"


@pytest.fixture(scope="module")
def rows(sectors):
    with (sectors / "adoption_series.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_message_load(sectors):
    case = json.loads((sectors / "iot_load.json").read_text(encoding="utf-8"))
    a_day = 24 * reports_per_h(IOT.defaults())
    mean = case["devices"] * a_day / 86_400
    print(f"{a_day:.6f} messages a device and day, {mean:.6f} a second")
    assert a_day == pytest.approx(case["msgs_per_device_day"], abs=1e-9)
    assert mean == pytest.approx(case["mean_msgs_per_s"], rel=1e-9)


def test_the_peak_of_a_burst_is_that_of_its_density():
    """A hundredth of 100 M devices in 10 s: near 207,000 a second."""
    share = np.random.default_rng(1).beta(3, 4, 2_000_000)
    drawn = np.histogram(share, 50, (0, 1))[0].max() / share.size * 50
    print(f"density {BURST_PEAK:.4f}, drawn {drawn:.4f}; {1e6 * BURST_PEAK / 10:,.0f} a second")
    assert pytest.approx(drawn, rel=0.01) == BURST_PEAK
    assert pytest.approx(207_360) == 1e6 * BURST_PEAK / 10


def test_the_series_of_the_product_is_the_published_one(rows):
    published = [(r["date"], float(r["value"])) for r in rows if r["series"] == "cn_cellular_iot"]
    assert list(read_series()["china"]) == published
    henan = next(r for r in rows if r["series"] == "henan_iot_terminals")
    month, value = read_series()["henan"][-1]
    assert henan["date"].startswith(month)
    assert (
        float(henan["value"])
        == value
        == round(99_365_519 * IOT.defaults()["subscriptions_per_person_ratio"])
    )
    stations = next(r for r in rows if r["series"] == "henan_nbiot_base_stations")
    assert float(stations["value"]) == round(
        99_365_519 * IOT.defaults()["stations_per_person_ratio"]
    )


def test_the_forecast_of_the_last_points():
    """The last one and two months of the country's series, told from those before them."""
    points = read_series()["china"]
    times = np.array([month_time(month) for month, _ in points])
    values = np.array([value for _, value in points])
    for left_out in (1, 2):
        told = forecast(times[:-left_out], values[:-left_out], times[-left_out:])
        error = told.central / values[-left_out:] - 1
        inside = (told.low <= values[-left_out:]) & (values[-left_out:] <= told.high)
        print(f"last {left_out}: error {error.round(4)}, inside 80 % {inside}")
        assert np.abs(error).max() < 0.05
        assert inside.all()


def test_stations_and_fields_are_those_published():
    defaults = BEIDOU.defaults()
    assert defaults["stations_per_km2"] * 167_000 == pytest.approx(373)
    assert defaults["farm_ha_per_person_ratio"] * 99_365_519 == pytest.approx(7.5141e6)
    # mean spacing of 373 stations in hexagons, km
    spacing = np.sqrt(2 / np.sqrt(3) / defaults["stations_per_km2"])
    print(f"mean hexagonal spacing {spacing:.1f} km")
    assert spacing == pytest.approx(22.7, abs=0.05)


def test_flat_cropland_is_the_published_share():
    """The relief beyond which cropland is not flat leaves 84.17 % of it, as was published."""
    from groundplan.region.landuse import cropland_and_relief
    from groundplan.region.tables import load

    region = load("henan")
    crop, relief = cropland_and_relief(region, region.grid(1000.0))
    flat = crop[relief <= BEIDOU.defaults()["relief_flat_m"]].sum(dtype=float)
    print(f"flat share of cropland {flat / crop.sum(dtype=float):.4f}")
    assert flat / crop.sum(dtype=float) == pytest.approx(0.8417, abs=0.002)
