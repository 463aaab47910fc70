"""`groundplan.radio` as the design note spells it: names, keywords, shapes, flags.

Written from the text of the note, not from the code, so that a caller who read the one can use the
other.
"""

from __future__ import annotations

import inspect
import os
import runpy
from pathlib import Path

import numpy as np
import pytest

from groundplan import radio

P1812, ITM, P452 = "ITU-R P.1812-8", "ITM", "ITU-R P.452-18"
DISTANCE_KM = np.linspace(0.0, 12.0, 121)
HEIGHT_M = 150.0 + 40.0 * np.sin(DISTANCE_KM)
LINK = {"frequency_ghz": 0.7, "tx_height_m": 30.0, "rx_height_m": 1.5}
CELL = {
    "distance_2d_m": 400.0,
    "frequency_ghz": 3.5,
    "base_height_m": 25.0,
    "terminal_height_m": 1.5,
}
SCENARIOS = ["UMa", "UMi", "RMa", "InH", "InF-SL", "InF-DL", "InF-SH", "InF-DH", "InF-HH"]


# --- path_loss -------------------------------------------------------------------------------


@pytest.mark.parametrize("short", SCENARIOS)
def test_scenarios_go_by_their_full_and_their_short_name(short):
    full = radio.path_loss(model=f"3GPP TR 38.901 {short}", **CELL)
    assert full == radio.path_loss(model=short, **CELL)
    assert full == radio.path_loss(short.lower().replace("-", " "), *CELL.values())


def test_the_standards_own_long_names():
    assert radio.path_loss("UMi - Street Canyon", **CELL) == radio.path_loss("UMi", **CELL)
    assert radio.path_loss("TR 38.901 InH - Office", **CELL) == radio.path_loss("InH", **CELL)


def test_scalars_give_plain_numbers():
    told = radio.path_loss(model="UMa", **CELL)
    assert [type(x) for x in (told.loss_db, told.sigma_db, told.valid)] == [float, float, bool]


def test_arrays_broadcast():
    cell = CELL | {"distance_2d_m": np.array([[50.0], [400.0], [6000.0]])}
    told = radio.path_loss(model="UMa", **(cell | {"frequency_ghz": [0.7, 3.5]}))
    for field in (told.loss_db, told.sigma_db, told.valid):
        assert field.shape == (3, 2)
    assert told.valid.tolist() == [[True, True], [True, True], [False, False]]
    one = radio.path_loss(model="UMa", **CELL)
    assert told.loss_db[1, 1] == pytest.approx(one.loss_db, abs=1e-12)
    assert radio.path_loss(model="UMa", **(CELL | {"distance_2d_m": []})).loss_db.shape == (0,)


def test_the_mean_weights_both_branches_in_db():
    mean = radio.path_loss(model="UMa", **CELL, los="mean")
    assert mean == radio.path_loss(model="UMa", **CELL)
    sight = radio.path_loss(model="UMa", **CELL, los=True)
    none = radio.path_loss(model="UMa", **CELL, los=False)
    # Table 7.4.2-1, terminal below 13 m
    share = 18.0 / 400.0 + np.exp(-400.0 / 63.0) * (1.0 - 18.0 / 400.0)
    assert mean.loss_db == pytest.approx(share * sight.loss_db + (1 - share) * none.loss_db)
    assert (sight.sigma_db, none.sigma_db) == (4.0, 6.0)
    assert sight.loss_db < mean.loss_db < none.loss_db


# --- profile_loss ----------------------------------------------------------------------------


@pytest.mark.parametrize("model", [P1812, ITM, P452])
def test_the_call_of_the_note_works_for_every_model(model):
    told = radio.profile_loss(
        model=model,
        distance_km=DISTANCE_KM,
        height_m=HEIGHT_M,
        clutter_m=None,
        **LINK,
        time_percent=50,
        location_percent=50,
    )
    assert type(told.loss_db) is float
    assert type(told.sigma_db) is float
    assert told.valid is True
    assert told.intermediates is None
    assert 100.0 < told.loss_db < 200.0
    assert told.loss_db == radio.profile_loss(model, DISTANCE_KM, HEIGHT_M, **LINK).loss_db


@pytest.mark.parametrize(
    ("short", "full"), [("P.1812", P1812), ("p1812-8", P1812), ("P.452", P452), ("itm", ITM),
                        ("Longley-Rice", ITM)],
)  # fmt: skip
def test_profile_models_go_by_short_names(short, full):
    told = radio.profile_loss(short, DISTANCE_KM, HEIGHT_M, **LINK)
    assert told.loss_db == radio.profile_loss(full, DISTANCE_KM, HEIGHT_M, **LINK).loss_db


@pytest.mark.parametrize("model", [P1812, ITM, P452])
def test_many_profiles_in_a_padded_table(model):
    lengths = [121, 61, 3]
    table = np.full((2, 3, 121), np.nan)
    for k, n in enumerate(lengths):
        table[:, k, :n] = DISTANCE_KM[:n], HEIGHT_M[:n]
    told = radio.profile_loss(model, *table, **LINK)
    counted = radio.profile_loss(model, *np.nan_to_num(table), count=lengths, **LINK)
    for k, n in enumerate(lengths):
        one = radio.profile_loss(model, DISTANCE_KM[:n], HEIGHT_M[:n], **LINK)
        assert told.loss_db[k] == counted.loss_db[k] == one.loss_db
        assert told.valid[k] == one.valid
    assert told.sigma_db.shape == (3,)


@pytest.mark.parametrize("model", [P1812, ITM, P452])
def test_many_numbers_on_one_profile(model):
    several = LINK | {"frequency_ghz": np.array([0.45, 0.7, 2.6])}
    told = radio.profile_loss(model, DISTANCE_KM, HEIGHT_M, **several)
    assert told.loss_db.shape == told.sigma_db.shape == told.valid.shape == (3,)
    one = radio.profile_loss(model, DISTANCE_KM, HEIGHT_M, **LINK)
    assert told.loss_db[1] == one.loss_db


@pytest.mark.parametrize("model", [P1812, ITM, P452])
def test_a_range_that_is_left_is_flagged_in_its_place(model):
    several = LINK | {"frequency_ghz": [0.7, 70.0]}
    told = radio.profile_loss(model, DISTANCE_KM, HEIGHT_M, **several)
    assert told.valid.tolist() == [True, False]
    assert any("frequency_ghz" in why for why in told.why)


def test_what_the_reference_cases_set_goes_by_keyword():
    common = {"polarisation": "horizontal", "delta_n": 53.0, "n0": 328.0, "latitude_deg": 34.7,
              "time_percent": 1.0, "radio_zone": np.repeat(["inland", "sea"], [100, 21]),
              "dct_km": 10.0, "dcr_km": 0.0}  # fmt: skip
    told = radio.profile_loss(
        P1812, DISTANCE_KM, HEIGHT_M, np.full(121, 10.0), **LINK, **common, location_percent=90.0,
        location_sigma_db=5.5, intermediates=True,
    )  # fmt: skip
    assert told.valid
    assert told.sigma_db == 0.0  # the receiver is at sea
    assert {"lbfs_db", "lb0p_db", "ldp_db", "lba_db", "lbs_db", "b0_percent"} <= set(
        told.intermediates
    )
    told = radio.profile_loss(
        P452, DISTANCE_KM, HEIGHT_M, **LINK, **common, tx_gain_dbi=20.0, rx_gain_dbi=5.0,
        pressure_hpa=1000.0, temperature_c=10.0, intermediates=True,
    )  # fmt: skip
    assert told.valid
    assert "lbs_db" in told.intermediates
    told = radio.profile_loss(
        ITM, DISTANCE_KM, HEIGHT_M, **LINK, polarisation="horizontal", n0=320.0, climate=2,
        eps_r=15.0, sigma_s_per_m=0.005, mdvar=1, reliability_percent=90.0,
        confidence_percent=50.0, intermediates=True,
    )  # fmt: skip
    assert told.valid
    assert "delta_h_m" in told.intermediates


def test_the_numbers_of_the_data_files_stand_for_words():
    def loss(model, **k):
        told = radio.profile_loss(model, DISTANCE_KM, HEIGHT_M, **LINK, latitude_deg=34.0,
                                  time_percent=1.0, **k)  # fmt: skip
        return told.loss_db

    sea, coastal = np.full(121, "sea"), np.full(121, "coastal")
    for model, codes in ((P1812, (1, 3)), (P452, (3, 1))):
        assert loss(model, radio_zone="sea") == loss(model, radio_zone=sea)
        assert loss(model, radio_zone=codes[0]) == loss(model, radio_zone=sea)
        assert loss(model, radio_zone=codes[1]) == loss(model, radio_zone=coastal)
        words = [loss(model, polarisation=word) for word in ("horizontal", "vertical")]
        assert words == [loss(model, polarisation=code) for code in (1, 2)]
        assert words == [loss(model, polarisation=letter) for letter in ("H", "v")]
        assert loss(model, clutter_m=15.0) == loss(model, clutter_m=np.full(121, 15.0))
    words = [
        radio.profile_loss(ITM, DISTANCE_KM, HEIGHT_M, **LINK, polarisation=p).loss_db
        for p in ("horizontal", "vertical", 0, 1)
    ]
    assert words[:2] == words[2:]


def test_the_defaults_are_those_of_the_note():
    told = radio.profile_loss(P1812, DISTANCE_KM, HEIGHT_M, **LINK, latitude_deg=34.0)
    said = radio.profile_loss(
        P1812, DISTANCE_KM, HEIGHT_M, **LINK, latitude_deg=34.0, delta_n=45.0, n0=325.0,
        time_percent=50.0, location_percent=50.0, polarisation="vertical", radio_zone="inland",
    )  # fmt: skip
    assert told.loss_db == said.loss_db


# --- buildings, clutter, gases ---------------------------------------------------------------


def test_building_entry_of_p2109():
    told = radio.building_entry_loss(
        model="ITU-R P.2109-2", building="thermally efficient", frequency_ghz=[1.0, 3.5],
        probability_percent=[[10.0], [90.0]], elevation_deg=20.0,
    )  # fmt: skip
    assert told.loss_db.shape == told.valid.shape == (2, 2)
    same = radio.entry_loss_p2109(
        "thermally efficient", 3.5, probability_percent=90.0, elevation_deg=20.0
    )
    assert told.loss_db[1, 1] == pytest.approx(same.loss_db, abs=1e-12)
    # median at 1 GHz and 0 degrees: 10 lg(10^1.264 + 10^0.91 + 10^-0.3), by hand
    one = radio.building_entry_loss(building="traditional", frequency_ghz=1.0)
    assert one.loss_db == pytest.approx(10 * np.log10(10**1.264 + 10**0.91 + 10**-0.3))
    assert type(one.loss_db) is float
    assert not radio.building_entry_loss("traditional", 0.05).valid


def test_building_entry_of_38901():
    told = radio.building_entry_loss(
        model="3GPP TR 38.901", building="low", frequency_ghz=3.5, indoor_distance_m=10.0
    )
    assert told == radio.building_entry_loss("low", 3.5, 10.0)
    glass, concrete = 10 ** -(0.2 + 0.02 * 3.5), 10 ** -(0.5 + 0.4 * 3.5)
    wall = 5 - 10 * np.log10(0.3 * glass + 0.7 * concrete)
    assert told.loss_db == pytest.approx(wall + 5.0)
    assert (told.sigma_db, told.valid) == (4.4, True)
    many = radio.building_entry_loss("high", [0.1, 3.5, 28.0], 0.0)
    assert many.loss_db.shape == (3,)
    assert many.valid.tolist() == [False, True, True]
    # the wall alone where nothing is said about the room
    assert radio.building_entry_loss("low", 3.5) == radio.building_entry_loss("low", 3.5, 0.0)


@pytest.mark.parametrize(
    ("section", "method", "call"),
    [
        ("3.1", "height gain", {"terminal_height_m": [1.5, 30.0], "clutter": "urban"}),
        ("3.2", "terrestrial", {"distance_km": [1.0, 0.1], "location_percent": 90.0}),
        ("3.3", "aeronautical", {"elevation_deg": [30.0, -20.0], "location_percent": 90.0}),
    ],
)
def test_clutter_loss_of_each_section_of_p2108(section, method, call):
    f = 30.0 if section == "3.3" else 2.0
    told = radio.clutter_loss(method=method, frequency_ghz=f, **call)
    assert told.loss_db.shape == told.valid.shape == (2,)
    assert told.valid.tolist() == [True, section == "3.1"]
    by_number = radio.clutter_loss(section, f, **call)
    assert np.array_equal(by_number.loss_db, told.loss_db, equal_nan=True)
    single = {k: v[0] if isinstance(v, list) else v for k, v in call.items()}
    one = radio.clutter_loss(method, f, **single)
    assert type(one.loss_db) is float
    assert one.loss_db == pytest.approx(told.loss_db[0], abs=1e-12)


def test_gases_by_edition():
    told = radio.gas_attenuation(distance_km=10.0, frequency_ghz=[3.5, 28.0, 60.0], edition=13)
    assert told.loss_db.shape == told.valid.shape == (3,)
    assert (
        told.loss_db == radio.gas_attenuation(10.0, [3.5, 28.0, 60.0], edition=12).loss_db
    ).all()
    assert told.loss_db[0] < 0.1 < told.loss_db[1] < told.loss_db[2]


def test_a_single_drawn_terminal_gives_plain_numbers():
    place = {"site_x_m": 0.0, "site_y_m": 0.0, "frequency_ghz": 3.5, "base_height_m": 25.0,
             "terminal_height_m": 1.5, "seed": 1}  # fmt: skip
    told = radio.draw_loss("UMa", 100.0, 50.0, **place)
    assert [type(x) for x in told] == [float, bool, float, bool]
    many = radio.draw_loss("UMa", [100.0, 300.0], [50.0, 50.0], **place)
    assert told == tuple(field[0] for field in many)


# --- for all ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in radio.__all__ if n[0].islower()])
def test_every_function_states_units_and_an_example_or_its_faults(name):
    text = inspect.getdoc(getattr(radio, name)) or ""
    assert "Parameters" in text or "Examples" in text, name


def test_the_caller_keeps_its_arrays():
    d, h, r = DISTANCE_KM.copy(), HEIGHT_M.copy(), np.full(121, 12.0)
    for model in (P1812, P452):
        radio.profile_loss(model, d, h, r, **LINK)
    radio.profile_loss(ITM, d, h, **LINK)
    assert (d == DISTANCE_KM).all()
    assert (h == HEIGHT_M).all()
    assert (r == 12.0).all()


def test_lists_integers_and_small_floats_will_do():
    d, h = list(range(121)), [100] * 121
    told = radio.profile_loss(P1812, d, h, **LINK)
    small = radio.profile_loss(P1812, np.array(d, np.int16), np.array(h, np.float32), **LINK)
    assert told.loss_db == small.loss_db


def test_the_speed_table_runs_for_every_model(capsys):
    script = Path(__file__).parents[2] / "benchmarks" / "radio" / "models.py"
    # the script asks for one thread; the tests after this one decide for themselves
    before = os.environ.get("GROUNDPLAN_THREADS")
    runpy.run_path(str(script))["main"](["--values", "200", "--profiles", "3"])
    if before is None:
        os.environ.pop("GROUNDPLAN_THREADS", None)
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) == 16
    assert [row for row in rows if int(row[32:42]) not in (200, 10, 3)] == []
    assert all(np.isfinite(float(row[42:])) for row in rows)
    told = {row[:32].split(",")[0].strip() for row in rows}
    assert {"3GPP TR 38.901 UMa", P1812, P452, ITM, "ITU-R P.2109-2", "ITU-R P.525"} <= told
