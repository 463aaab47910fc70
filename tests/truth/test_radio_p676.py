"""P.676 against the table of crc-covlib (ITU-Rpy set to edition 12) and ITU-R's own rows for 13.

`pytest -s` prints the table of deviations that docs/radio/p676.md shows. Free space, which is a
line, is checked here too.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from groundplan.engine.radio.free_space import free_space_loss
from groundplan.engine.radio.p676 import EDITIONS, gas_attenuation, lines, specific_attenuation

#: GHz, dry air, water vapour, dB/km at 1013.25 hPa, 288.15 K, 7.5 g/m3: sheet SpAtt of the ITU-R
#: validation workbook CG-3M3J-13-ValEx-Rev8.3.0 for P.676-13, as tested by ITU-Rpy (6d7f35c, MIT).
SPECIFIC_13 = (
    (1.0, 0.00538865816790655, 5.09046173249644e-05),
    (22.0, 0.0131302229653917, 0.17420703333692),
    (60.0, 14.6234747964861, 0.154841840636247),
    (118.0, 1.13486620187051, 0.605921952594212),
    (183.0, 0.0127339088358709, 27.6650083141665),
    (350.0, 0.0368056270504571, 10.1226731395126),
)


@pytest.mark.parametrize("edition", EDITIONS)
def test_table_of_covlib(shared, edition):
    path = shared / "benchmarks" / "radio" / "p676" / "validation_every4th.csv"
    f, p, rho, t, dry, wet = np.loadtxt(path, delimiter=",", skiprows=1).T
    assert len(f) > 2000
    told = specific_attenuation(
        f, dry_pressure_hpa=p, temperature_k=t, water_vapour_g_per_m3=rho, edition=edition
    )
    worst = [np.abs(a - b).max() for a, b in zip(told, (dry, wet), strict=True)]
    part = [np.abs(a / b - 1.0).max() for a, b in zip(told, (dry, wet), strict=True)]
    print(
        f"\nedition {edition}, {len(f)} rows: dry air {worst[0]:.1e}, water {worst[1]:.1e} dB/km;"
    )
    print(f"as a share {max(part):.1e}")
    assert max(worst) < 1e-6
    assert max(part) < 1e-12


@pytest.mark.parametrize(("f", "dry", "wet"), SPECIFIC_13)
def test_rows_of_edition_13(f, dry, wet):
    assert specific_attenuation(f, edition=13) == pytest.approx((dry, wet), rel=1e-12)


def test_the_line_tables_are_whole():
    for edition in EDITIONS:
        oxygen, water = lines("oxygen", edition), lines("water", edition)
        assert oxygen.shape == (44, 7)
        assert water.shape == (35, 7)
        assert (np.diff(oxygen[:, 0]) > 0).all()
        assert (np.diff(water[:, 0]) > 0).all()


def test_a_path_is_its_length_times_the_air():
    d = np.array([0.0, 1.0, 20.0])
    told = gas_attenuation(d, 60.0)
    each = told.oxygen_db_per_km + told.water_db_per_km
    np.testing.assert_allclose(told.loss_db, each * d)
    assert told.loss_db.shape == told.oxygen_db_per_km.shape == told.valid.shape == (3,)
    assert gas_attenuation(20.0, 60.0).loss_db == pytest.approx(told.loss_db[2])
    assert gas_attenuation(20.0, 60.0, water_vapour_g_per_m3=0.0).water_db_per_km == 0.0


def test_gases_do_not_matter_below_six_gigahertz():
    assert gas_attenuation(10.0, [0.7, 2.6, 3.5, 4.9]).loss_db.max() < 0.1


@pytest.mark.parametrize(("f", "valid"), [(0.9, False), (1.0, True), (1000.0, True), (1001, False)])
def test_range_is_flagged(f, valid):
    assert gas_attenuation(1.0, f).valid is valid


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"distance_km": -1.0}, "distance_km must be >= 0; got -1"),
        ({"frequency_ghz": 0.0}, "frequency_ghz must be > 0; got 0"),
        ({"dry_pressure_hpa": -1013.0}, "dry_pressure_hpa must be > 0; got -1013"),
        ({"temperature_k": 0.0}, "temperature_k must be > 0; got 0"),
        ({"water_vapour_g_per_m3": -1.0}, "water_vapour_g_per_m3 must be >= 0; got -1"),
        ({"frequency_ghz": [1.0, math.nan]}, "frequency_ghz must be > 0; got nan"),
        ({"edition": 11}, r"edition must be one of \(12, 13\); got 11"),
    ],
)
def test_impossible_input_is_named(change, match):
    call = {"distance_km": 1.0, "frequency_ghz": 20.0}
    with pytest.raises(ValueError, match=match):
        gas_attenuation(**{**call, **change})


def test_free_space():
    """Friis: (4 pi d / lambda)^2 with lambda = c / f."""
    for km, ghz in ((0.01, 0.7), (1.0, 3.5), (100.0, 26.0)):
        wave_m = 299_792_458.0 / (ghz * 1e9)
        expected = 10 * math.log10((4 * math.pi * km * 1000 / wave_m) ** 2)
        assert free_space_loss(km, ghz).loss_db == pytest.approx(expected, abs=1e-10)
        rounded = 32.4 + 20 * math.log10(ghz * 1000) + 20 * math.log10(km)
        assert free_space_loss(km, ghz).loss_db == pytest.approx(rounded, abs=0.05)
    told = free_space_loss([0.0001, 1.0], 0.7)
    assert told.valid.tolist() == [False, True]
    assert told.sigma_db.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="distance_km must be > 0; got 0"):
        free_space_loss([1.0, 0.0], 1.0)
    with pytest.raises(ValueError, match="frequency_ghz must be > 0; got -1"):
        free_space_loss(1.0, -1.0)
