"""P.2108 against NTIA's test rows; rows that NTIA refuses must be flagged.

`pytest -s` prints the table of deviations that docs/radio/p2108.md shows.
"""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from groundplan.engine.radio.p2108 import CLUTTER_HEIGHT_M, clutter_loss

#: NTIA's numbers of clutter.
KINDS = tuple(CLUTTER_HEIGHT_M)
FILES = {
    "height gain": ("HeightGainTerminalCorrectionModelTestData.csv", "A_h__db"),
    "terrestrial": ("TerrestrialStatisticalModelTestData.csv", "L_ctt__db"),
    "aeronautical": ("AeronauticalStatisticalModelTestData.csv", "L_ces__db"),
}


def call(method, row):
    if method == "height gain":
        return clutter_loss(
            method,
            float(row["f__ghz"]),
            terminal_height_m=float(row["h__meter"]),
            street_width_m=float(row["w_s__meter"]),
            clutter_height_m=float(row["R__meter"]),
            clutter=KINDS[int(row["clutter_type"]) - 1],
        )
    where = {
        "terrestrial": ("distance_km", "d__km"),
        "aeronautical": ("elevation_deg", "theta_deg"),
    }
    name, column = where[method]
    return clutter_loss(
        method,
        float(row["f__ghz"]),
        location_percent=float(row["p"]),
        **{name: float(row[column])},
    )


@pytest.mark.parametrize("method", FILES)
def test_rows_of_ntia(shared, method):
    file, column = FILES[method]
    with (shared / "benchmarks" / "radio" / "p2108" / file).open(encoding="utf-8") as text:
        cases = list(csv.DictReader(text))
    worst, good, refused = 0.0, 0, 0
    for case in cases:
        if case["rtn"] == "0":
            told = call(method, case)
            assert told.valid, case
            worst = max(worst, abs(told.loss_db - float(case[column])))
            good += 1
            continue
        refused += 1
        try:
            told = call(method, case)
        except ValueError as error:
            # a share of locations that is no share at all
            assert "location_percent must be > 0 and < 100" in str(error)  # noqa: PT017
            assert float(case["p"]) in {0.0, 100.0}
        else:
            assert told.valid is False, case
    print(f"\n{method}: {good} rows, largest deviation {worst:.3f} dB; {refused} refused")
    assert good
    assert refused
    # the rows have one decimal
    assert worst <= 0.05 + 1e-9


def test_default_heights_are_those_of_table_3():
    for kind, height_m in CLUTTER_HEIGHT_M.items():
        own = clutter_loss("height gain", 1.5, terminal_height_m=2.0, clutter=kind)
        same = clutter_loss(
            "height gain", 1.5, terminal_height_m=2.0, clutter=kind, clutter_height_m=height_m
        )
        assert own == same
        assert own.valid
    kinds = np.array(KINDS)
    told = clutter_loss("height gain", 1.5, terminal_height_m=2.0, clutter=kinds)
    assert told.loss_db.shape == kinds.shape
    assert told.sigma_db is None
    assert (told.loss_db[:2] == told.loss_db[0]).all()


def test_the_knife_edge_and_the_slope_by_hand():
    """Equations 2a to 2g in plain Python."""
    f, h, street, height = 0.9, 1.5, 20.0, 15.0
    angle = math.degrees(math.atan((height - h) / street))
    nu = 0.342 * math.sqrt(f) * math.sqrt((height - h) * angle)
    j = 6.9 + 20 * math.log10(math.sqrt((nu - 0.1) ** 2 + 1) + nu - 0.1)
    lengths = {"terminal_height_m": h, "street_width_m": street, "clutter_height_m": height}
    told = clutter_loss("height gain", f, clutter="urban", **lengths)
    assert told.loss_db == pytest.approx(j - 6.03, abs=1e-12)
    told = clutter_loss("height gain", f, clutter="open", **lengths)
    slope = 21.8 + 6.2 * math.log10(f)
    assert told.loss_db == pytest.approx(-slope * math.log10(h / height), abs=1e-12)
    above = clutter_loss("height gain", f, terminal_height_m=15.0, clutter="urban")
    assert above.loss_db == 0.0
    assert above.valid


def test_terrestrial_loss_grows_to_two_kilometres_and_spreads():
    d = np.array([0.25, 0.5, 1.0, 2.0, 5.0, 50.0])
    told = clutter_loss("terrestrial", 2.6, distance_km=d)
    assert (np.diff(told.loss_db[:4]) > 0).all()
    assert (told.loss_db[3:] == told.loss_db[3]).all()
    assert ((told.sigma_db > 4.0) & (told.sigma_db < 6.0)).all()
    # a spread above the median by one sigma: Phi(1)
    raised = clutter_loss("terrestrial", 2.6, distance_km=0.5, location_percent=84.13447460685429)
    assert raised.loss_db - told.loss_db[1] == pytest.approx(told.sigma_db[1], abs=1e-9)
    assert raised.sigma_db == pytest.approx(told.sigma_db[1])


def test_aeronautical_loss_falls_with_elevation():
    told = clutter_loss("aeronautical", 30.0, elevation_deg=np.arange(0.0, 91.0, 10.0))
    assert (np.diff(told.loss_db) < 0).all()
    assert told.valid.all()
    assert told.loss_db[-1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("method", "change", "match"),
    [
        ("hata", {}, r"method must be one of .*; got 'hata'"),
        ("terrestrial", {}, "method 'terrestrial' needs distance_km"),
        ("height gain", {}, "method 'height gain' needs terminal_height_m and clutter"),
        ("aeronautical", {}, "method 'aeronautical' needs elevation_deg"),
        ("aeronautical", {"elevation_deg": math.nan}, "elevation_deg must be finite"),
        ("terrestrial", {"distance_km": 0.0}, "distance_km must be > 0; got 0"),
        ("terrestrial", {"distance_km": [1.0, -2.0]}, "distance_km must be > 0; got -2"),
        (
            "terrestrial",
            {"distance_km": 1.0, "location_percent": 100.0},
            "location_percent must be > 0 and < 100; got 100",
        ),
        (
            "height gain",
            {"terminal_height_m": -1.0, "clutter": "urban"},
            "terminal_height_m must be >= 0; got -1",
        ),
        (
            "height gain",
            {"terminal_height_m": 1.0, "clutter": "city"},
            r"clutter must be one of .*; got 'city'",
        ),
    ],
)
def test_impossible_input_is_named(method, change, match):
    with pytest.raises(ValueError, match=match):
        clutter_loss(method, 3.0, **change)
    with pytest.raises(ValueError, match="frequency_ghz must be > 0; got 0"):
        clutter_loss("terrestrial", 0.0, distance_km=1.0)
