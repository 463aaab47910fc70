"""ITM against NTIA's own test rows, and against 400 paths computed by NTIA's reference code.

`pytest -s` prints the table of deviations that docs/radio/itm.md shows.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from groundplan.engine.radio.itm import FLAGS, itm_area, itm_profile, itm_warnings
from groundplan.radio import profile_loss

POLES = ("horizontal", "vertical")
SITINGS = ("random", "careful", "very careful")
COMPUTED = Path(__file__).parents[1] / "data" / "itm_reference.csv"


def rows(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def arguments(row):
    return {
        "frequency_ghz": float(row["f__mhz"]) / 1000.0,
        "tx_height_m": float(row["h_tx__meter"]),
        "rx_height_m": float(row["h_rx__meter"]),
        "eps_r": float(row["epsilon"]),
        "sigma_s_per_m": float(row["sigma"]),
        "n0": float(row["N_0"]),
        "polarisation": POLES[int(row["pol"])],
        "climate": int(row["climate"]),
        "mdvar": int(row["mdvar"]),
        "time_percent": float(row["time"]),
        "location_percent": float(row["location"]),
        "situation_percent": float(row["situation"]),
    }


def told(title, worst_db, count):
    print(f"\n{title}: {count} rows, largest deviation {worst_db:.2e} dB")


def test_point_to_point_rows_of_ntia(shared):
    folder = shared / "benchmarks" / "radio" / "itm"
    cases = rows(folder / "p2p.csv")
    profiles = [
        [float(x) for x in line.strip().rstrip(",").split(",")]
        for line in (folder / "pfls.csv").read_text(encoding="utf-8").splitlines()
    ]
    assert len(cases) == len(profiles) >= 5
    worst = 0.0
    for case, (n_step, step_m, *height_m) in zip(cases, profiles, strict=True):
        assert len(height_m) == n_step + 1
        distance_km = np.arange(len(height_m)) * step_m / 1000.0
        answer = itm_profile(distance_km, height_m, **arguments(case))
        assert answer.valid, itm_warnings(answer.flags)
        worst = max(worst, abs(answer.loss_db - float(case["A__db"])))
    # the rows have two decimals
    told("p2p.csv", worst, len(cases))
    assert worst <= 0.005 + 1e-9


def test_one_door_for_all_profile_models(shared):
    case = rows(shared / "benchmarks" / "radio" / "itm" / "p2p.csv")[0]
    text = (shared / "benchmarks" / "radio" / "itm" / "pfls.csv").read_text(encoding="utf-8")
    n_step, step_m, *height_m = [
        float(x) for x in text.splitlines()[0].strip().rstrip(",").split(",")
    ]
    distance_km = np.arange(int(n_step) + 1) * step_m / 1000.0
    answer = profile_loss("ITM", distance_km, height_m, **arguments(case))
    assert answer.loss_db == itm_profile(distance_km, height_m, **arguments(case)).loss_db


def test_area_rows_of_ntia(shared):
    cases = rows(shared / "benchmarks" / "radio" / "itm" / "area.csv")
    assert len(cases) >= 5
    worst = 0.0
    for case in cases:
        answer = itm_area(
            float(case["d__km"]),
            float(case["delta_h__meter"]),
            tx_siting=SITINGS[int(case["tx_siting_criteria"])],
            rx_siting=SITINGS[int(case["rx_siting_criteria"])],
            **arguments(case),
        )
        assert answer.valid
        worst = max(worst, abs(answer.loss_db - float(case["A__db"])))
    # the rows have one decimal
    told("area.csv", worst, len(cases))
    assert worst <= 0.05 + 1e-9


def ground(seed, n_step):
    """Return the profile that the row of a seed was computed over."""
    r = [((seed * 7919 + k * 104729) % 1000) / 1000 for k in range(6)]
    return [
        max(
            0.0,
            400 * r[0]
            + 300 * r[1] ** 3 * math.sin(6 * r[2] * i / n_step * 3 + r[3] * 9)
            + 60 * r[4] ** 2 * math.sin((20 + 30 * r[5]) * i / n_step * 3)
            + 8 * r[3] * math.sin(i * 1.7 + seed),
        )
        for i in range(n_step + 1)
    ]


def computed(mode):
    cases = [case for case in rows(COMPUTED) if case["mode"] == mode]

    def column(name, kind=float):
        return np.array([kind(case[name]) for case in cases])

    common = {
        "frequency_ghz": column("frequency_mhz") / 1000.0,
        "tx_height_m": column("tx_height_m"),
        "rx_height_m": column("rx_height_m"),
        "eps_r": column("eps_r"),
        "sigma_s_per_m": column("sigma_s_per_m"),
        "n0": column("n0"),
        "polarisation": np.array(POLES)[column("polarisation", int)],
        "climate": column("climate", int),
        "mdvar": column("mdvar", int),
        "time_percent": column("time"),
        "location_percent": column("location"),
        "situation_percent": column("situation"),
        "intermediates": True,
    }
    return column, common


def check(answer, column, title):
    inner = answer.intermediates
    assert answer.valid.all()
    assert (answer.flags == column("warnings", int)).all()
    assert (inner["mechanism"] == column("mechanism", int)).all()
    assert set(inner["mechanism"]) == {1, 2, 3}
    assert set(column("mdvar", int)) >= {0, 1, 2, 3, 10, 11, 12, 13, 20, 33}
    assert set(column("climate", int)) == set(range(1, 8))
    worst = np.abs(answer.loss_db - column("loss_db")).max()
    told(title, worst, len(answer.loss_db))
    # the table has six decimals
    assert worst < 1e-6
    assert np.abs(inner["reference_db"] - column("reference_db")).max() < 1e-6


def test_profiles_computed_by_the_reference_code():
    """All variability modes, climates, mechanisms and nearly all warnings, in one padded call."""
    column, common = computed("profile")
    n_step, step_m, seed = column("n_step", int), column("step_m"), column("seed", int)
    height_m = np.full((len(seed), n_step.max() + 1), np.nan)
    for row, (s, n) in enumerate(zip(seed, n_step, strict=True)):
        height_m[row, : n + 1] = ground(s, n)
    distance_km = np.arange(height_m.shape[1]) * step_m[:, None] / 1000.0
    answer = itm_profile(distance_km, height_m, count=n_step + 1, **common)
    check(answer, column, "reference code, profiles")


def test_areas_computed_by_the_reference_code():
    column, common = computed("area")
    answer = itm_area(
        column("distance_km"),
        column("delta_h_m"),
        tx_siting=np.array(SITINGS)[column("tx_siting", int)],
        rx_siting=np.array(SITINGS)[column("rx_siting", int)],
        **common,
    )
    check(answer, column, "reference code, areas")


FLAT = {"frequency_ghz": 0.7, "tx_height_m": 30.0, "rx_height_m": 1.5}
KM = np.arange(101) * 0.1
SEA = np.zeros(101)


def test_confidence_and_reliability_are_situation_and_time():
    asked = itm_profile(KM, SEA, **FLAT, reliability_percent=90.0, confidence_percent=70.0)
    same = itm_profile(
        KM, SEA, **FLAT, time_percent=90.0, location_percent=50.0, situation_percent=70.0
    )
    assert asked == same
    assert asked.loss_db > itm_profile(KM, SEA, **FLAT).loss_db
    with pytest.raises(ValueError, match="give either reliability_percent and confidence_percent"):
        itm_area(5.0, 90.0, **FLAT, reliability_percent=90.0, location_percent=40.0)


@pytest.mark.parametrize(
    ("change", "bit"),
    [
        ({"frequency_ghz": 0.019}, 0x10000),
        ({"frequency_ghz": 21.0}, 0x10000),
        ({"tx_height_m": 0.4}, 0x20000),
        ({"rx_height_m": 3001.0}, 0x40000),
        ({"n0": 249.0}, 0x80000),
        ({"n0": 401.0}, 0x80000),
        ({"n0": 401.0}, 0x200000),
        ({"n0": 560.0}, 0x400000),
        ({"sigma_s_per_m": 5.0, "frequency_ghz": 0.03, "polarisation": "horizontal"}, None),
        ({"eps_r": 1.0, "polarisation": "horizontal", "frequency_ghz": 0.05}, 0x800000),
    ],
)
def test_what_the_model_does_not_cover_is_flagged(change, bit):
    answer = itm_profile(KM, SEA, **{**FLAT, **change})
    area = itm_area(10.0, 30.0, **{**FLAT, **change})
    if bit is None:
        assert answer.valid
        assert area.valid
        return
    assert answer.valid is False
    assert area.valid is False
    assert answer.flags & bit
    assert area.flags & bit
    assert FLAGS[bit] in itm_warnings(answer.flags)
    assert FLAGS[bit] in answer.why


def test_no_loss_is_invented_where_there_is_none():
    """Rays that follow the earth, and a ground that Vogler's method does not know."""
    assert math.isnan(itm_profile(KM, SEA, **{**FLAT, "n0": 560.0}).loss_db)
    wall = np.zeros(101)
    wall[1] = 530.0
    near = itm_profile(
        np.arange(101) * 0.005, wall, frequency_ghz=0.02, tx_height_m=500.0, rx_height_m=2.0
    )
    assert near.flags & 0x1000000
    assert near.valid is False
    assert math.isnan(near.loss_db)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"frequency_ghz": -1.0}, r"frequency_ghz must be > 0; got -1"),
        ({"frequency_ghz": math.nan}, r"frequency_ghz must be > 0; got nan"),
        ({"tx_height_m": 0.0}, r"tx_height_m must be > 0; got 0"),
        ({"rx_height_m": math.inf}, r"rx_height_m must be > 0 and finite; got inf"),
        ({"time_percent": 100.0}, r"time_percent must be > 0 and < 100; got 100"),
        ({"confidence_percent": 0.0}, r"confidence_percent must be > 0 and < 100; got 0"),
        ({"climate": 8}, r"climate must be one of 1 equatorial, .*; got 8"),
        ({"mdvar": 4}, r"mdvar must be 0\.\.3, 10\.\.13, 20\.\.23 or 30\.\.33; got 4"),
        ({"polarisation": "circular"}, r"polarisation must be 'horizontal' or 'vertical'; got"),
        ({"eps_r": 0.5}, r"eps_r must be >= 1; got 0.5"),
        ({"sigma_s_per_m": 0.0}, r"sigma_s_per_m must be > 0; got 0"),
        ({"n0": -5.0}, r"n0 must be > 0; got -5"),
    ],
)
def test_impossible_arguments_are_named(change, match):
    for call in (lambda **k: itm_profile(KM, SEA, **k), lambda **k: itm_area(10.0, 30.0, **k)):
        with pytest.raises(ValueError, match=match):
            call(**{**FLAT, **change})


def test_impossible_areas_are_named():
    with pytest.raises(ValueError, match="distance_km must be > 0; got 0"):
        itm_area([1.0, 0.0], 30.0, **FLAT)
    with pytest.raises(ValueError, match="delta_h_m must be >= 0; got -1"):
        itm_area(1.0, -1.0, **FLAT)
    with pytest.raises(ValueError, match=r"tx_siting must be one of .*; got 'good'"):
        itm_area(1.0, 30.0, tx_siting="good", **FLAT)


def test_spoilt_profiles_are_named():
    two = np.zeros((2, 101))
    with pytest.raises(ValueError, match=r"3 or more points.*row 1 has 2"):
        itm_profile(KM, two, count=[101, 2], **FLAT)
    with pytest.raises(ValueError, match=r"3 or more points.*row 0 has 102"):
        itm_profile(KM, two, count=[102, 5], **FLAT)
    with pytest.raises(ValueError, match=r"distance_km must have the points of height_m, 101"):
        itm_profile(KM[:-1], two, **FLAT)
    with pytest.raises(ValueError, match=r"height_m must be one profile .*; got shape \(\)"):
        itm_profile(KM, 3.0, **FLAT)
    with pytest.raises(ValueError, match=r"frequency_ghz has shape \(3,\)"):
        itm_profile(KM, two, **{**FLAT, "frequency_ghz": [0.7, 0.8, 0.9]})
    for column in (0, 50, 100):
        holed = two.copy()
        holed[1, column] = np.nan
        with pytest.raises(ValueError, match=f"row 1, point {column} is nan"):
            itm_profile(KM, holed, **FLAT)
    for wrong in (KM**1.01, KM[::-1], KM * 0.0, KM + 0.1):
        with pytest.raises(ValueError, match=r"distance_km must rise evenly from 0.*row 0"):
            itm_profile(wrong, SEA, **FLAT)
    for hole in (np.inf, np.nan):
        with pytest.raises(
            ValueError, match=f"distance_km must be finite; row 0, point 50 is {hole}"
        ):
            itm_profile(np.where(KM == 5.0, hole, KM), SEA, **FLAT)
    with pytest.raises(ValueError, match=r"rise evenly from 0.*row 1"):
        itm_profile(np.stack([KM, KM**1.01]), two, **FLAT)
