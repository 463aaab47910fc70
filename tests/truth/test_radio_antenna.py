"""Patterns against Table 7.3-1, array theory, and a panel antenna measured in the drive test."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from groundplan.engine.radio.antenna import Antenna
from groundplan.engine.radio.msi import parse_msi


def test_points_of_table_7_3_1():
    element = Antenna.parametric()
    assert element.peak_gain_dbi == 8.0
    points = {
        (0, 0): 8.0,
        (32.5, 0): 5.0,  # half of 65 degrees is 3 dB
        (0, 32.5): 5.0,
        (32.5, -32.5): 2.0,
        (65, 0): 8 - 12.0,
        (180, 0): 8 - 30.0,
        (180, -90): 8 - 30.0,  # capped together, not each
        (-32.5, 0): 5.0,
        (360 - 32.5, 0): 5.0,
    }
    for (azimuth, elevation), gain in points.items():
        assert element.gain_dbi(azimuth, elevation) == pytest.approx(gain), (azimuth, elevation)


def half_power_deg(angle, gain):
    near = angle[gain >= gain.max() - 10 * math.log10(2)]
    return near.max() - near.min()


@pytest.mark.parametrize(("n_row", "spacing"), [(8, 0.5), (16, 0.5), (10, 0.8), (32, 0.7)])
def test_arrays_have_the_beam_width_of_theory(n_row, spacing):
    """Uniform broadside array: 0.886 / (n d) rad (Balanis, Antenna Theory, 6.3); elements round."""
    angle = np.linspace(-30, 30, 60_001)
    from groundplan.engine.radio.antenna import Element

    flat = Element(float("inf"), float("inf"))
    array = Antenna.array(n_row, row_wavelengths=spacing, element=flat)
    gain = array.gain_dbi(0.0, angle)
    assert gain.max() == pytest.approx(8 + 10 * math.log10(n_row))
    theory = math.degrees(0.886 / (n_row * spacing))
    told = half_power_deg(angle, gain)
    print(f"\n{n_row} rows at {spacing} wavelengths: {told:.2f} degrees, theory {theory:.2f}")
    assert told == pytest.approx(theory, rel=0.01)
    # the first side lobe of a uniform array lies 13.26 dB below the beam, for many elements
    beyond = np.abs(angle) > math.degrees(math.asin(1 / (n_row * spacing)))
    assert gain.max() - gain[beyond].max() == pytest.approx(13.26, abs=0.5)


def test_electrical_tilt_of_an_array_steers_it():
    array = Antenna.array(8, 4)
    angle = np.linspace(-30, 10, 40_001)
    assert angle[np.argmax(array.gain_dbi(0.0, angle, electrical_tilt_deg=10.0))] == pytest.approx(
        -9.6, abs=0.3
    )  # the element pulls the peak back towards the horizon a little
    sideways = array.gain_dbi(np.linspace(-60, 60, 1201), 0.0, scan_deg=20.0)
    assert np.linspace(-60, 60, 1201)[np.argmax(sideways)] == pytest.approx(18.0, abs=2.0)


@pytest.fixture(scope="module")
def panel(shared):
    """Direction and attenuation of DX-1710-2170-65-18i-M at the 4,654 measured points."""
    path = shared / "benchmarks" / "radio" / "drive_test" / "recife_gsm1800_bts01_02.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return np.array([float(r["horAngle"]) for r in rows]), np.array(
        [float(r["attHor"]) for r in rows]
    )


def test_parametric_against_a_measured_panel(panel):
    angle, measured = panel
    told = -Antenna.parametric(gain_dbi=0.0, vertical_width_deg=7.0).gain_dbi(angle, 0.0)
    away = np.abs((angle + 180) % 360 - 180)
    print("\n|azimuth| deg   points  mean of parametric - measured dB   rms dB")
    for low, high, most in ((0, 30, 1.0), (30, 60, 2.0), (60, 120, 8.0), (120, 180.1, 20.0)):
        here = (away >= low) & (away < high)
        error = told[here] - measured[here]
        rms = math.sqrt((error**2).mean())
        print(f"{low:4}..{high:5g} {here.sum():10} {error.mean():18.2f} {rms:22.2f}")
        assert rms < most


def test_a_file_made_of_the_measured_panel_gives_it_back(panel):
    """The points of each whole degree as an MSI file, read, and asked at all 4,654 points."""
    angle, measured = panel
    turn = angle % 360.0
    cut = [
        float(measured[np.argmin(np.abs((turn - a + 180) % 360 - 180))]) for a in range(0, 360, 2)
    ]
    rows = "\n".join(f"{2 * i} {v}" for i, v in enumerate(cut))
    flat = "\n".join(f"{a} 0" for a in range(0, 360, 10))
    text = f"NAME DX-65\nGAIN 18 dBi\nTILT 0\nHORIZONTAL 180\n{rows}\nVERTICAL 36\n{flat}\n"
    told = 18.0 - parse_msi(text).gain_dbi(angle, 0.0)
    rms = math.sqrt(((told - measured) ** 2).mean())
    print(f"\nmeasured panel through a file of 2 degrees: rms {rms:.2f} dB")
    assert rms < 1.5


def test_the_combinations_agree_in_both_planes():
    ring = [min(a, 360 - a) / 6 for a in range(360)]
    rows = "\n".join(f"{a} {v}" for a, v in enumerate(ring))
    text = f"NAME x\nGAIN 10 dBi\nTILT 0\nHORIZONTAL 360\n{rows}\nVERTICAL 360\n{rows}\n"
    summed = parse_msi(text)
    weighted = summed.combined("weighted")
    azimuth = np.linspace(-180, 180, 73)
    np.testing.assert_allclose(summed.gain_dbi(azimuth, 0.0), weighted.gain_dbi(azimuth, 0.0))
    elevation = np.linspace(-90, 90, 37)
    np.testing.assert_allclose(summed.gain_dbi(0.0, elevation), weighted.gain_dbi(0.0, elevation))
    # behind, the weighted form takes the back half of the vertical cut
    assert weighted.gain_dbi(180.0, -40.0) == pytest.approx(10 - 140 / 6)
    assert summed.gain_dbi(180.0, -40.0) == pytest.approx(10 - 30 - 40 / 6)
