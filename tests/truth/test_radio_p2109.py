"""P.2109-2 against the table of crc-covlib.

`pytest -s` prints the table of deviations that docs/radio/p2109.md shows.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from groundplan.engine.radio.p2109 import BUILDINGS, entry_loss_p2109


@pytest.mark.parametrize(("number", "building"), list(enumerate(BUILDINGS, start=1)))
def test_table_of_covlib(shared, number, building):
    path = shared / "benchmarks" / "radio" / "p2109" / "validation_every4th.csv"
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    f, p, _, angle, expected = table[table[:, 2] == number].T
    assert len(f) > 3000
    told = entry_loss_p2109(building, f, probability_percent=p, elevation_deg=angle)
    worst = np.abs(told.loss_db - expected).max()
    print(f"\n{building}: {len(f)} rows, largest deviation {worst:.1e} dB")
    assert worst < 1e-6
    assert told.valid.all()


def test_median_by_hand():
    """Equations of section 3 in plain Python, 2.6 GHz, 20 degrees."""
    lg = math.log10(2.6)
    a = 12.64 + 3.72 * lg + 0.96 * lg**2 + 0.212 * 20.0
    b = 9.1 - 3.0 * lg
    expected = 10 * math.log10(10 ** (a / 10) + 10 ** (b / 10) + 10**-0.3)
    told = entry_loss_p2109("traditional", 2.6, elevation_deg=-20.0)
    assert told.loss_db == pytest.approx(expected, abs=1e-12)
    assert told.valid is True


def test_loss_grows_with_probability_elevation_and_insulation():
    p = np.linspace(0.1, 99.9, 200)
    both = [entry_loss_p2109(b, 3.5, probability_percent=p).loss_db for b in BUILDINGS]
    assert all((np.diff(loss) > 0).all() for loss in both)
    assert (both[1] > both[0])[p > 20].all()
    steep = entry_loss_p2109("traditional", 3.5, elevation_deg=[0.0, 45.0, -45.0, 90.0]).loss_db
    assert steep[0] < steep[1] == steep[2] < steep[3]


@pytest.mark.parametrize(
    ("f", "angle", "valid"),
    [(0.08, 0.0, True), (0.079, 0.0, False), (100.1, 0.0, False), (1.0, 90.5, False)],
)
def test_ranges_are_flagged(f, angle, valid):
    assert entry_loss_p2109("traditional", f, elevation_deg=angle).valid is valid


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"building": "tent"}, r"building must be one of .*; got 'tent'"),
        ({"frequency_ghz": 0.0}, "frequency_ghz must be > 0; got 0"),
        ({"probability_percent": 0.0}, "probability_percent must be > 0 and < 100; got 0"),
        ({"probability_percent": [50.0, 100.0]}, "probability_percent .*; got 100"),
        ({"elevation_deg": math.inf}, "elevation_deg must be finite"),
    ],
)
def test_impossible_input_is_named(change, match):
    call = {"building": "traditional", "frequency_ghz": 3.5}
    with pytest.raises(ValueError, match=match):
        entry_loss_p2109(**{**call, **change})
