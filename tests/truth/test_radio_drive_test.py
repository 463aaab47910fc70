"""A GSM-1800 drive test in Recife: errors before and after calibration, on the station not fitted.

The choice is made by the training station alone: of the candidates below the one is taken whose
error within that station, held out by blocks of 200 m in five folds, is least; it is fitted there
and predicts the other station. Both directions are reported.

The folder's vertical angles rise with distance and cannot be depressions; elevations are computed
from heights and distances instead, and the authors' vertical attenuation is not used.
"""

from __future__ import annotations

import csv
from typing import NamedTuple

import numpy as np
import pytest

from groundplan.engine.radio.antenna import Antenna
from groundplan.engine.radio.calibration import (
    Errors,
    calibrate,
    errors_db,
    held_out,
    spatial_blocks,
)
from groundplan.engine.radio.pathloss import path_loss

TERMINAL_M = 1.5
BLOCK_M = 200.0
FOLDS = 5
#: Named after its beam and gain: DX-1710-2170-65-18i-M; 7 degrees upright is an assumption.
PANEL = Antenna.parametric(
    gain_dbi=18.0, horizontal_width_deg=65.0, vertical_width_deg=7.0, side_lobe_db=20.0
)


class Drive(NamedTuple):
    station: np.ndarray
    measured_db: np.ndarray
    distance_m: np.ndarray
    block: np.ndarray
    hata_db: np.ndarray
    ecc33_db: np.ndarray
    candidate_db: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def drive(shared) -> Drive:
    folder = shared / "benchmarks" / "radio" / "drive_test"
    with (folder / "recife_bts.csv").open(encoding="utf-8-sig") as file:
        sites = {row["BTS_ID"]: row for row in csv.DictReader(file, delimiter=";")}
    with (folder / "recife_gsm1800_bts01_02.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    station = np.array([row["BTS_ID"] for row in rows])
    value = {k: np.array([float(r[k]) for r in rows]) for k in rows[0] if k != "BTS_ID"}
    d = value["dist"] * 1000.0
    height, tilt, channel = (
        np.array([float(sites[s][key]) for s in station]) for key in ("height", "tiltEle", "bcch")
    )
    f_ghz = (1805.2 + 0.2 * (channel - 512.0)) / 1000.0  # 3GPP TS 45.005, DCS 1800
    elevation = np.degrees(np.arctan2(TERMINAL_M - height, d))
    panel = PANEL.peak_gain_dbi - PANEL.gain_dbi(
        value["horAngle"], elevation, electrical_tilt_deg=tilt
    )
    across = PANEL.peak_gain_dbi - PANEL.gain_dbi(
        value["horAngle"], -tilt, electrical_tilt_deg=tilt
    )
    candidate = {}
    for word, los in (("NLOS", False), ("weighted", "mean"), ("LOS", True)):
        loss = path_loss("UMa", d, f_ghz, height, TERMINAL_M, los=los).loss_db
        for name, pattern in (
            ("", 0.0), (" + panel", panel), (" + panel across", across),
            (" + measured panel across", value["attHor"]),
        ):  # fmt: skip
            candidate[f"UMa {word}{name}"] = loss + pattern
    # a degree here is 110.3 km east and 110.6 km north: blocks need no more than that
    block = spatial_blocks(value["lon"] * 110_300.0, value["lat"] * 110_600.0, BLOCK_M)
    return Drive(station, value["PLreal"], d, block, value["PLhata"], value["PLecc33"], candidate)


def fold_of(block: np.ndarray) -> np.ndarray:
    """Five folds of whole blocks, drawn once."""
    order = np.random.Generator(np.random.Philox(200)).permutation(block.max() + 1)
    return order[block] % FOLDS


def chosen_on(drive: Drive, train: np.ndarray) -> tuple[str, bool, dict[tuple[str, bool], float]]:
    """Candidate and slope with the least error within the training station alone."""
    fold = fold_of(drive.block)
    error = {
        (name, has_slope): held_out(
            drive.measured_db[train], model[train], fold[train], None, drive.distance_m[train],
            block=drive.block[train], has_slope=has_slope,
        ).calibrated.rmse_db
        for name, model in drive.candidate_db.items()
        for has_slope in (False, True)
    }  # fmt: skip
    name, has_slope = min(error, key=error.get)
    return name, has_slope, error


def row(word: str, e: Errors) -> None:
    print(f"  {word:58} {e.bias_db:7.2f} {e.rmse_db:6.2f} {e.std_db:6.2f}")


def one_way(drive: Drive, fit_on: str, test_on: str) -> tuple[Errors, Errors]:
    """Return the errors on the station not fitted: calibrated, and the authors' Hata."""
    train, test = drive.station == fit_on, drive.station == test_on
    name, has_slope, error = chosen_on(drive, train)
    measured = drive.measured_db[test]
    print(
        f"\n{test_on}, {test.sum()} points      prediction - measurement, dB:   bias   rmse    std"
    )
    for word, model in (
        ("Hata, its authors' values", drive.hata_db),
        ("ECC-33, its authors' values", drive.ecc33_db),
    ):
        row(word, errors_db(model[test], measured))
    for word in ("UMa NLOS", "UMa weighted", "UMa LOS"):
        row(f"{word}, uncalibrated", errors_db(drive.candidate_db[word][test], measured))
    row(f"{name}, uncalibrated", errors_db(drive.candidate_db[name][test], measured))
    told = {}
    for label, pick, slope in (
        ("UMa NLOS", "UMa NLOS", False), ("UMa NLOS", "UMa NLOS", True), (name, name, has_slope)
    ):  # fmt: skip
        fit = calibrate(
            drive.measured_db[train], drive.candidate_db[pick][train], None,
            drive.distance_m[train], block=drive.block[train], has_slope=slope,
        )  # fmt: skip
        told[pick, slope] = errors_db(
            fit.correct(drive.candidate_db[pick][test], None, drive.distance_m[test]), measured
        )
        what = "offset and slope" if slope else "offset"
        row(f"{label}, {what} fitted on {fit_on}", told[pick, slope])
    fit = calibrate(drive.measured_db[train], drive.hata_db[train], None, block=drive.block[train])
    row(f"Hata, offset fitted on {fit_on}", errors_db(fit.correct(drive.hata_db[test]), measured))
    print(
        f"  chosen: {name}, slope {has_slope}; {error[name, has_slope]:.2f} dB held out by blocks"
        f" within {fit_on}, UMa NLOS there {error['UMa NLOS', False]:.2f}"
    )
    return told[name, has_slope], errors_db(drive.hata_db[test], measured)


def test_fitted_on_one_station_tested_on_the_other(drive):
    for fit_on, test_on in (("BTS_01", "BTS_02"), ("BTS_02", "BTS_01")):
        ours, hata = one_way(drive, fit_on, test_on)
        # the aim: better than the authors' Hata and than 12.8 dB, on points that were not fitted
        assert ours.rmse_db < hata.rmse_db
        assert ours.rmse_db < 12.8
        # honest: no model of this kind comes near 6 dB here
        assert ours.rmse_db > 6.0


def test_uncalibrated_errors_are_the_known_ones(drive):
    """Of the whole campaign: UMa NLOS -0.1 / 12.8, Hata -3.7 / 13.0; the folder's half is worse."""
    for model, rmse in ((drive.candidate_db["UMa NLOS"], 13.67), (drive.hata_db, 13.85)):
        assert errors_db(model, drive.measured_db).rmse_db == pytest.approx(rmse, abs=0.05)
