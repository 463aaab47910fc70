"""Models of IoT, BeiDou and charging against outside values; ``pytest -s`` prints the deviations."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from groundplan.models import (
    Constellation,
    bass,
    dop,
    random_access,
    sky_view,
    smart_charging_peak,
)

REPEAT_S = 7 * 86164.0905


@pytest.fixture(scope="module")
def sectors(shared):
    return shared / "benchmarks" / "sectors"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_bass(sectors):
    case = read(sectors / "diffusion_bass.json")
    told = bass(case["t"], case["p"], case["q"], case["M"])
    assert told.cumulative == pytest.approx(case["cumulative"], abs=1e-9)
    assert told.peak_time == pytest.approx([case["peak_time"]] * len(case["t"]), abs=1e-9)
    assert told.peak_rate == pytest.approx([case["peak_rate"]] * len(case["t"]), abs=1e-9)


def test_random_access(sectors):
    with (sectors / "rach_tr37868.csv").open(encoding="utf-8") as file:
        cases = list(csv.DictReader(file))
    assert len(cases) >= 3
    for case in cases:
        kind, window = case["traffic"].split("_")
        told = random_access(int(case["devices"]), kind, float(window.removesuffix("s")))
        tol = float(case["tol_rel"])
        print(case["traffic"], case["devices"], told)
        assert told.success_ratio == pytest.approx(float(case["success_prob"]), rel=tol)
        assert told.mean_attempts == pytest.approx(float(case["mean_preamble_tx"]), rel=tol)
        assert told.mean_delay_ms == pytest.approx(float(case["mean_delay_ms"]), rel=tol)
        assert told.collision_ratio == pytest.approx(
            float(case["collision_prob_per_preamble_slot"]), rel=tol, abs=1e-4
        )


def test_satellites(sectors):
    case = read(sectors / "bds_dop.json")
    bds = Constellation.bds3()
    start = bds.positions_km(0.0)[0]
    for name, number in (("MEO11", 0), ("MEO25", 12), ("IGSO1", 24), ("GEO110.5", 28)):
        assert start[number] == pytest.approx(case["positions_t0_km"][name], abs=1e-3)
    for epoch in case["single_epoch"]:
        azimuth, elevation = np.array(epoch["az_el_deg"], float).T
        told = dop(azimuth, elevation)._asdict()
        for name, value in told.items():
            assert value == pytest.approx(epoch[name], abs=1e-9)
    times = np.arange(0.0, REPEAT_S, 300.0)
    for site in case["sites"]:
        azimuth, elevation = bds.look_angles(site["lat"], site["lon"], site["h_m"], times)
        seen = elevation >= site["mask_deg"]
        told, n = dop(azimuth, elevation, seen), seen.sum(-1)
        assert n.mean() == pytest.approx(site["n_mean"], abs=1e-6)
        assert (n.min(), n.max()) == (site["n_min"], site["n_max"])
        for name in ("gdop", "pdop", "hdop", "vdop"):
            mean = np.nanmean(getattr(told, name))
            assert mean == pytest.approx(site[f"{name}_mean"], abs=1e-6)
        assert np.percentile(told.pdop, 95) == pytest.approx(site["pdop_p95"], abs=1e-6)
        sky = sky_view(bds, site["lat"], site["lon"], site["h_m"], mask_deg=site["mask_deg"])
        print(site["site"], site["mask_deg"], sky.pdop_mean[0] - site["pdop_mean"])
        assert sky.pdop_mean[0] == pytest.approx(site["pdop_mean"], abs=1e-6)
        assert sky.satellites_mean[0] == pytest.approx(site["n_mean"], abs=1e-6)
        assert sky.available_ratio[0] == site["avail_pdop_le_6"]


def test_smart_charging(sectors):
    cases = read(sectors / "smart_charging.json")["cases"]
    assert len(cases) >= 3
    for case in cases:
        arrive, depart, energy = np.array(case["sessions_arrive_h_depart_h_kWh"]).T
        told = smart_charging_peak(arrive, depart, energy, case["car_limit_kW"])
        assert told.peak_kw == pytest.approx(case["min_peak_kW_no_car_limit"], abs=1e-6)
        low, high = told.critical_start_h, told.critical_end_h
        within = energy[(arrive >= low) & (depart <= high)].sum()
        assert within / (high - low) == pytest.approx(told.peak_kw, abs=1e-6)
        assert told.is_feasible == case["feasible_with_car_limit"]
        for value, name in (
            (told.peak_limited_kw, "min_peak_kW_with_car_limit_dt0.25h"),
            (told.uncontrolled_kw, "uncontrolled_peak_kW"),
        ):
            if case[name] is None:
                assert np.isnan(value)
            else:
                assert value == pytest.approx(case[name], abs=1e-6)
