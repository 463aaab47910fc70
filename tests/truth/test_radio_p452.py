"""P.452-18 against the validation profiles of ITU-R working party 3M, every column.

``pytest -s`` prints the largest deviation of each quantity.
"""

from __future__ import annotations

import csv

import numpy as np

from groundplan.engine.radio.p452 import annual_percent
from groundplan.engine.radio.profile import profile_loss

COLUMN = {
    "ae": "ae_km",
    "dtot": "d_km",
    "hts": "hts_m",
    "hrs": "hrs_m",
    "theta_t": "theta_t_mrad",
    "theta_r": "theta_r_mrad",
    "theta": "theta_mrad",
    "hm": "hm_m",
    "hte": "hte_m",
    "hre": "hre_m",
    "hstd": "hstd_m",
    "hsrd": "hsrd_m",
    "dlt": "dlt_km",
    "dlr": "dlr_km",
    "dtm": "dtm_km",
    "dlm": "dlm_km",
    "b0": "b0_percent",
    "omega": "omega",
    "Lb": "lb_db",
    "Lbfsg": "lbfs_db",
    "Lb0p": "lb0p_db",
    "Lb0b": "lb0b_db",
    "Ldsph": "ldsph50_db",
    "Ld50": "ld50_db",
    "Ldp": "ldp_db",
    "Lbs": "lbs_db",
    "Lba": "lba_db",
}


def test_every_column_of_the_results(shared):
    folder = shared / "benchmarks" / "radio" / "p452"
    worst = dict.fromkeys(COLUMN, 0.0)
    n_case = 0
    for path in sorted((folder / "profiles").glob("*.csv")):
        with path.open(encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        d, h, clutter, zone = (np.array([float(row[j]) for row in rows]) for j in (0, 1, 2, 4))
        result = folder / "results" / path.name.replace("profile", "result")
        with result.open(encoding="utf-8") as file:
            cases = list(csv.DictReader(file))

        def column(name, cases=cases):
            return np.array([float(case[name]) for case in cases])

        told = profile_loss(
            "ITU-R P.452-18",
            d,
            h,
            clutter,
            radio_zone=zone.astype(int),
            frequency_ghz=column("f (GHz)"),
            tx_height_m=column("htg (m)"),
            rx_height_m=column("hrg (m)"),
            time_percent=column("p (%)"),
            polarisation=np.where(column("pol (1-h/2-v)") == 1, "horizontal", "vertical"),
            tx_latitude_deg=column("phit_n (deg)"),
            tx_longitude_deg=column("phit_e (deg)"),
            rx_latitude_deg=column("phir_n (deg)"),
            rx_longitude_deg=column("phir_e (deg)"),
            dct_km=column("dct (km)"),
            dcr_km=column("dcr (km)"),
            tx_gain_dbi=column("Gt (dBi)"),
            rx_gain_dbi=column("Gr (dBi)"),
            pressure_hpa=column("press (hPa)"),
            temperature_c=column("temp (deg C)"),
            delta_n=column("DN"),
            n0=column("N0"),
            intermediates=True,
        )
        assert np.isnan(told.sigma_db).all()
        assert told.valid.all(), told.why
        n_case += len(cases)
        for theirs, ours in COLUMN.items():
            deviation = np.abs(told.intermediates[ours] - column(theirs)).max()
            worst[theirs] = max(worst[theirs], deviation)
        sight = np.array([case["path"] == "Line of Sight" for case in cases])
        steps = told.intermediates
        assert (np.isclose(steps["dlt_km"] + steps["dlr_km"], steps["d_km"]) >= sight).all()
    assert n_case == 17 * 35
    print(f"\nP.452-18, {n_case} cases, largest deviation (six to eight decimals):")
    for theirs, deviation in worst.items():
        print(f"  {theirs:8s} {deviation:.1e}")
    # their DN has six decimals: ae then has four
    assert worst.pop("ae") < 1e-4
    assert max(worst.values()) < 1e-5


def test_worst_month_of_a_sea_path_on_the_equator():
    # clause 3.2.1, step 2 by hand: GL = sqrt(2.1), omega = 1, pw = 1 %
    expected = 10 ** ((np.log10(2.1) / 2 - 0.186 - 0.444) / (0.816 + 0.078))
    assert annual_percent(1.0, 0.0, 1.0) == expected
    # and the ratio of month to year stops at 12
    assert annual_percent(0.001, 45.0, 0.0) >= 0.001 / 12
