"""Tilts against a rotation matrix, tables against the pattern, files written and read again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.radio.antenna import Antenna, turned
from groundplan.engine.radio.msi import parse_msi
from groundplan.errors import DataError

SETTINGS = settings(deadline=None, derandomize=True, max_examples=80)
ANGLES = {"azimuth": st.floats(-360, 360), "elevation": st.floats(-90, 90)}


@SETTINGS
@given(tilt=st.floats(-30, 30), **ANGLES)
def test_mechanical_tilt_is_a_rotation(azimuth, elevation, tilt):
    """The frame of the antenna: its axes turned by a matrix, and projections onto them."""
    b = math.radians(tilt)
    axes = np.array(
        [[math.cos(b), 0, -math.sin(b)], [0, 1, 0], [math.sin(b), 0, math.cos(b)]]
    )  # ahead, left, up
    a, e = math.radians(azimuth), math.radians(elevation)
    ray = np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
    x, y, z = axes @ ray
    told_a, told_e = turned(azimuth, elevation, tilt)
    back = np.array(
        [
            math.cos(math.radians(told_e)) * math.cos(math.radians(told_a)),
            math.cos(math.radians(told_e)) * math.sin(math.radians(told_a)),
            math.sin(math.radians(told_e)),
        ]
    )
    np.testing.assert_allclose(back, [x, y, z], atol=1e-9)


@SETTINGS
@given(tilt=st.floats(0, 15), azimuth=st.floats(-180, 180))
def test_mechanical_lifts_the_back_and_electrical_lowers_all(tilt, azimuth):
    antenna = Antenna.parametric(
        gain_dbi=17.0, horizontal_width_deg=float("inf"), vertical_width_deg=7.0
    )
    # the ring of largest gain: electrical everywhere at -tilt, mechanical at -tilt cos(azimuth)
    assert antenna.gain_dbi(azimuth, -tilt, electrical_tilt_deg=tilt) == pytest.approx(17.0)
    ring = -math.degrees(math.atan(math.tan(math.radians(tilt)) * math.cos(math.radians(azimuth))))
    assert antenna.gain_dbi(azimuth, ring, mechanical_tilt_deg=tilt) == pytest.approx(17.0)


@SETTINGS
@given(width=st.floats(30, 120), **ANGLES)
def test_gain_is_even_bounded_and_periodic(width, azimuth, elevation):
    antenna = Antenna.parametric(gain_dbi=17.0, horizontal_width_deg=width, vertical_width_deg=7.0)
    told = antenna.gain_dbi(azimuth, elevation)
    assert 17.0 - 30.0 <= told <= 17.0
    assert antenna.gain_dbi(-azimuth, elevation) == pytest.approx(told, abs=1e-6)
    assert antenna.gain_dbi(azimuth + 360.0, elevation) == pytest.approx(told, abs=1e-6)


@SETTINGS
@given(azimuth=st.floats(-180, 180), distance=st.floats(20, 5000))
def test_the_tables_are_the_pattern(azimuth, distance):
    antenna = Antenna.parametric(gain_dbi=17.0, vertical_width_deg=10.0, front_back_db=60.0)
    count = 4097
    table = antenna.cosine_table(count)
    at = (math.cos(math.radians(azimuth)) + 1.0) / 2.0 * (count - 1)
    across = np.interp(at, np.arange(count), table)
    ahead = antenna.distance_table([distance], 30.0, 1.5, electrical_tilt_deg=4.0)[0]
    elevation = math.degrees(math.atan2(1.5 - 30.0, distance))
    told = 10 ** (antenna.gain_dbi(azimuth, elevation, electrical_tilt_deg=4.0) / 10)
    # a floor of 1e-5 of the peak: nobody hears the difference
    assert across * ahead == pytest.approx(told, rel=0.01, abs=1e-5 * 10**1.7)


@SETTINGS
@given(
    tilt=st.integers(0, 12),
    unit=st.sampled_from(["", " dBd", " dBi"]),
    step=st.sampled_from([1, 2, 5]),
    upwards=st.booleans(),
)
def test_files_written_and_read_again(tilt, unit, step, upwards):
    source = Antenna.parametric(gain_dbi=17.0, vertical_width_deg=9.0, front_back_db=25.0)
    sign = 1 if upwards else -1
    angles = range(0, 360, step)
    across = [(a, 17.0 - source.gain_dbi(a, 0.0)) for a in angles]
    down = [
        (a, min(25.0, 12 * (((sign * -a - tilt + 180) % 360 - 180) / 9.0) ** 2)) for a in angles
    ]
    lines = ["NAME made here", "FREQUENCY 2600", f"GAIN {17.0}{unit}", f"ELECTRICAL_TILT {tilt}"]
    for word, cut in (("HORIZONTAL", across), ("VERTICAL", down)):
        lines += [f"{word} {len(cut)}", *(f"{a:.1f}\t{v:.2f}" for a, v in cut)]
    told = parse_msi("\r\n".join(lines))
    assert told.peak_gain_dbi == pytest.approx(17.0 if unit == " dBi" else 19.15)
    assert told.name == "made here"
    if tilt % step == 0:
        # either count of the vertical cut ends as the same antenna, where a tilt tells which it is
        if tilt >= 1 or not upwards:
            assert told.gain_dbi(0.0, -tilt) == pytest.approx(told.peak_gain_dbi, abs=0.01)
        assert told.own_tilt_deg == tilt
        # two degrees more in all, wherever the file's own beam lies
        more = told.gain_dbi(0.0, -tilt - 2 * step, electrical_tilt_deg=tilt + 2 * step)
        assert more == pytest.approx(told.gain_dbi(0.0, -tilt), abs=0.01)


RING = "\n".join(f"{a} {min(a, 360 - a) / 6}" for a in range(360))
GOOD = f"NAME x\nGAIN 15 dBi\nTILT 0\nHORIZONTAL 360\n{RING}\nVERTICAL 360\n{RING}\n"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("GAIN 15 dBi\n", "", "key GAIN: got no such line, expected GAIN with a number"),
        ("GAIN 15 dBi", "GAIN 15 dBm", "row 2 column GAIN: got 15 dBm, expected a number and dBd"),
        ("GAIN 15 dBi", "GAIN high", "row 2 column GAIN: got high"),
        ("HORIZONTAL 360", "HORIZON 360", "key HORIZONTAL: got no such cut"),
        ("VERTICAL 360", "VERTICAL 361", "column VERTICAL: got 360 rows, expected 361 rows"),
        ("VERTICAL 360", "VERTICAL", "column VERTICAL: got nothing, expected the number of rows"),
        ("\n17 ", "\n17 x", "row 22 column HORIZONTAL: got 17 x2.8"),
        ("\n17 ", "\n17 -", "got 17 -2.8333333333333335, expected an attenuation >= 0 dB"),
        ("\n17 ", "\n-17 ", "got -17 2.8333333333333335, expected an angle of 0 to 360"),
        ("\n17 ", "\n16 ", "got 16 twice, expected each angle once"),
        ("TILT 0", "ELECTRICAL_TILT six", "column ELECTRICAL_TILT: got six, expected degrees"),
        ("NAME x", "NAME x\nFREQUENCY wide", "column FREQUENCY: got wide, expected MHz"),
    ],
)
def test_spoilt_files_are_told_by_line(old, new, expected):
    parse_msi(GOOD)
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    with pytest.raises(DataError) as caught:
        parse_msi(text, "panel.msi")
    assert expected in str(caught.value)
    assert "panel.msi" in str(caught.value)


def test_all_faults_at_once():
    text = GOOD.replace("\n17 ", "\n17 x").replace("GAIN 15", "GAIN high")
    with pytest.raises(DataError) as caught:
        parse_msi(text, "panel.msi")
    assert len(caught.value.findings) == 3


def test_gaps_and_empty_files():
    wide = "\n".join(f"{a} 0" for a in range(0, 360, 20))
    text = f"GAIN 1 dBi\nHORIZONTAL 18\n{wide}\nVERTICAL 360\n{RING}"
    with pytest.raises(DataError, match=r"a gap of 20 degrees after 0"):
        parse_msi(text)
    with pytest.raises(DataError, match="3 problems"):
        parse_msi("")


def test_what_a_file_left_open_is_noted():
    told = parse_msi(GOOD.replace("GAIN 15 dBi", "GAIN 15").replace("TILT 0\n", ""))
    assert told.notes == (
        "gain without unit: dBd, as the format has it",
        "no electrical tilt stated: 0 degrees, where the vertical cut peaks",
    )


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Antenna.parametric(vertical_width_deg=0.0), "vertical_width_deg must be > 0"),
        (lambda: Antenna.parametric(gain_dbi=math.nan), "gain_dbi must be finite"),
        (lambda: Antenna.array(0), "n_row must be > 0; got 0"),
        (lambda: Antenna.parametric().gain_dbi(0.0, 91.0), r"elevation_deg must be -90 to 90; got 91"),
        (lambda: Antenna.parametric().gain_dbi(0.0, 0.0, scan_deg=5.0), "scan_deg must be 0"),
        (lambda: Antenna.parametric().cosine_table(1), "count must be >= 2"),
        (lambda: parse_msi(GOOD).combined("both"), "combine must be one of sum, weighted"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_omni_is_round():
    assert Antenna.omni(2.0).gain_dbi([0.0, 90.0, 180.0], [-90.0, 0.0, 45.0]).tolist() == [2.0] * 3


def test_files_are_opened_at_the_door(tmp_path):
    from groundplan.radio import read_msi

    path = tmp_path / "panel.msi"
    path.write_bytes(GOOD.replace("NAME x", "NAME Stra\u00dfe").encode("latin-1"))
    assert read_msi(path).name == "Stra\u00dfe"
    with pytest.raises(DataError, match="no readable file"):
        read_msi(tmp_path / "nowhere.msi")
