"""What profile_loss accepts, refuses and flags."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from groundplan.engine.radio import profile_cases
from groundplan.radio import profile_loss

D = np.linspace(0.0, 10.0, 101)
H = 50.0 + 40.0 * np.sin(2.0 * D)
LINK = {"frequency_ghz": 0.7, "tx_height_m": 30.0, "rx_height_m": 1.5}
P1812 = "ITU-R P.1812-8"
P452 = "ITU-R P.452-18"


def test_one_profile_gives_plain_numbers():
    told = profile_loss(P1812, D, H, **LINK, intermediates=True)
    assert isinstance(told.loss_db, float)
    assert isinstance(told.sigma_db, float)
    assert told.valid is True
    assert told.why == ("latitude_deg was not given: 45 degrees taken",)
    assert profile_loss(P1812, D, H, **LINK, latitude_deg=34.0).why == ()
    assert told.field_strength_dbuvm == pytest.approx(199.36 + 20 * np.log10(0.7) - told.loss_db)
    assert all(isinstance(value, float) for value in told.intermediates.values())
    assert profile_loss(P1812, D, H, **LINK).intermediates is None


def test_one_profile_with_many_numbers():
    percent = np.array([1.0, 10.0, 50.0])
    told = profile_loss(P1812, D, H, **LINK, time_percent=percent, latitude_deg=34.0)
    single = [
        profile_loss(P1812, D, H, **LINK, time_percent=p, latitude_deg=34.0).loss_db
        for p in percent
    ]
    assert told.loss_db.tolist() == single
    assert (np.diff(told.loss_db) > 0).all()


def test_one_height_profile_on_many_lengths():
    """A row of distances, many heights, and counts that cut them."""
    count = np.array([50, 101])
    told = profile_loss(P1812, D, np.stack([H, H]), count=count, **LINK)
    assert told.loss_db[0] == profile_loss(P1812, D[:50], H[:50], **LINK).loss_db
    assert told.loss_db[1] == profile_loss(P1812, D, H, **LINK).loss_db
    # the same by padding with NaN
    d = np.stack([np.where(np.arange(101) < 50, D, np.nan), D])
    assert (profile_loss(P1812, d, np.stack([H, H]), **LINK).loss_db == told.loss_db).all()


def test_location_percent_moves_by_the_stated_spread():
    median = profile_loss(P1812, D, H, **LINK)
    # clause 4.7 at 0.7 GHz over 100 m, receiver 1.5 m over open ground: u = 1 - 1.5 / 10
    sigma = (0.52 + 0.024 * 0.7) * 100**0.28 * 0.85
    assert median.sigma_db == pytest.approx(sigma)
    far = profile_loss(P1812, D, H, **LINK, location_percent=95.0)
    assert far.loss_db - median.loss_db == pytest.approx(1.6449 * sigma, abs=1e-3)
    assert profile_loss(P1812, D, H, np.full(101, 20.0), **LINK).sigma_db > sigma
    high = LINK | {"rx_height_m": 10.0}
    assert profile_loss(P1812, D, H, **high).sigma_db == 0.0
    told = profile_loss(P1812, D, H, **LINK, location_percent=1.0, location_sigma_db=60.0)
    steps = profile_loss(P1812, D, H, **LINK, intermediates=True).intermediates
    # the loss never falls below free space with focusing
    assert told.loss_db == steps["lb0p_db"]
    sea = np.full(101, "sea")
    assert profile_loss(P1812, D, 0 * H, **LINK, radio_zone=sea).sigma_db == 0.0


def test_clutter_near_the_terminals():
    d = np.linspace(0.0, 2.0, 201)
    near = np.where((d <= 0.04) | (d >= 1.96), 25.0, 0.0)
    flat = np.zeros(201)
    low = {"frequency_ghz": 2.0, "tx_height_m": 10.0, "rx_height_m": 2.0}
    bare = profile_loss(P452, d, flat, **low).loss_db
    assert profile_loss(P452, d, flat, near, **low).loss_db == bare
    assert profile_loss(P1812, d, flat, near, **low).loss_db > bare + 10
    # at the terminals themselves P.1812 takes none either
    ends = np.zeros(201)
    ends[[0, -1]] = 25.0
    fixed = low | {"location_sigma_db": 0.0}
    told = profile_loss(P1812, d, flat, ends, **fixed).loss_db
    assert told == profile_loss(P1812, d, flat, **fixed).loss_db


def test_zone_words_equal_the_codes_of_either_recommendation():
    words = np.array(["inland"] * 30 + ["coastal"] * 20 + ["sea"] * 51)
    for model, code in ((P1812, (4, 3, 1)), (P452, (2, 1, 3))):
        codes = np.repeat(code, (30, 20, 51))
        extra = {"time_percent": 1.0, "latitude_deg": 34.0} | LINK
        told = profile_loss(model, D, H, radio_zone=codes, **extra, intermediates=True)
        named = profile_loss(model, D, H, radio_zone=words, **extra, intermediates=True)
        assert told.intermediates == named.intermediates
        assert 0.4 < told.intermediates["omega"] < 0.6


def test_the_worst_month():
    extra = LINK | {"latitude_deg": 34.0}
    year = profile_loss(P452, D, H, **extra, time_percent=0.1).loss_db
    month = profile_loss(P452, D, H, **extra, time_percent=0.1, worst_month=True)
    # 0.1 % of the worst month is rarer in the year, so less loss belongs to it
    assert month.loss_db < year
    with pytest.raises(ValueError, match="time_percent 50 of the worst month is 5"):
        profile_loss(P452, D, H, **(LINK | {"latitude_deg": 0.0}), worst_month=True)
    with pytest.raises(ValueError, match="must be given for time percentages other than 50 and"):
        profile_loss(P452, D, H, **LINK, worst_month=True)


def test_the_path_centre_from_the_ends():
    ends = {
        "tx_latitude_deg": 30.0,
        "tx_longitude_deg": 113.0,
        "rx_latitude_deg": 31.0,
        "rx_longitude_deg": 113.0,
    }
    length = np.radians(1.0) * 6371.0
    d = np.linspace(0.0, length, 101)
    told = profile_loss(P1812, d, H, **LINK, **ends, time_percent=5.0, intermediates=True)
    assert told.intermediates["latitude_deg"] == pytest.approx(30.5)


def test_outside_the_stated_range_is_flagged():
    for changed in (
        {"frequency_ghz": 7.0},
        {"frequency_ghz": 0.02},
        {"tx_height_m": 0.5},
        {"rx_height_m": 4000.0},
        {"location_percent": 99.5},
        {"time_percent": 0.5, "latitude_deg": 34.0},
        {"latitude_deg": 85.0},
    ):
        told = profile_loss(P1812, D, H, **(LINK | changed))
        assert not told.valid
        assert any(told.why[0].startswith(name) for name in changed)
        assert np.isfinite(told.loss_db)
    assert not profile_loss(P1812, D / 50, H, **LINK).valid
    two = LINK | {"frequency_ghz": np.array([2.0, 60.0]), "latitude_deg": 34.0}
    told = profile_loss(P452, D, H, **two)
    assert told.valid.tolist() == [True, False]
    assert told.why == ("frequency_ghz 60 is outside 0.1 .. 50 (1 of 2 cases)",)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"frequency_ghz": -1.0}, "frequency_ghz must be more than 0 GHz; got -1"),
        ({"frequency_ghz": np.nan}, "frequency_ghz must be finite; got nan"),
        ({"time_percent": 60.0}, "time_percent must be more than 0 and at most 50 %; got 60"),
        ({"location_percent": 100.0}, "location_percent must be more than 0 and less than 100"),
        ({"time_percent": 10.0}, "latitude_deg or the ends' coordinates must be given"),
        ({"tx_latitude_deg": 3.0}, "the ends' coordinates lack rx_latitude_deg"),
        ({"polarisation": "circular"}, "polarisation must be 'horizontal' or 'vertical'"),
        ({"delta_n": 160.0}, "delta_n must be less than 157 N-units/km; got 160"),
        ({"tx_gain_dbi": 3.0}, "ITU-R P.1812-8 does not take tx_gain_dbi"),
        ({"rx_height_m": np.ones((2, 2))}, "rx_height_m must be one number or one per path"),
        ({"rx_height_m": np.ones(0)}, "arguments must not be empty; got nothing in rx_height_m"),
        ({"count": 2}, "count path 0: got 2, expected 3 .. 101 points"),
        ({"count": 2.5}, "count must be one whole number or one per path"),
        ({"radio_zone": np.full(101, 2)}, "radio_zone path 0 point 0: got 2, expected one of sea"),
        ({"clutter_m": np.full(101, -1.0)}, "clutter_m path 0 point 0: got -1.0, expected 0 m"),
        ({"clutter_m": np.zeros(100)}, "profiles must have equally many points"),
        ({"distance_km": D + 1.0}, "distance_km path 0 point 0: got 1.0, expected 0 at the tra"),
        ({"distance_km": D[::-1]}, "distance_km path 0 point 0: got 10.0, expected 0 at the tra"),
        ({"distance_km": np.r_[0.0, D[:-1]]}, "distance_km path 0 point 1: got 0.0, expected more"),
        ({"height_m": np.where(D == 5.0, np.nan, H)}, "height_m path 0 point 50: got nan"),
        ({"height_m": np.ones((2, 101)), "rx_height_m": [1.0, 2.0, 3.0]}, "one or one per path"),
    ],
)
def test_what_cannot_be_is_refused(changed, says):
    arguments = {"distance_km": D, "height_m": H} | LINK | changed
    with pytest.raises(ValueError) as refused:
        profile_loss(P1812, **arguments)
    assert says in str(refused.value)


def test_all_faults_come_together():
    h = H.copy()
    h[[3, 9]] = np.inf
    with pytest.raises(ValueError) as refused:
        profile_loss(P1812, D[::-1], h, np.full(101, -2.0), **LINK)
    text = str(refused.value)
    assert "height_m path 0 point 3" in text
    assert "height_m path 0 point 9" in text
    assert "clutter_m: 98 more of this kind" in text
    assert "0 at the transmitter" in text
    with pytest.raises(ValueError, match="model must be one of"):
        profile_loss("ITU-R P.1812-7", D, H, **LINK)


def test_three_points_and_a_point_on_the_ray():
    told = profile_loss(P1812, [0.0, 5.0, 10.0], [0.0, 0.0, 0.0], **LINK)
    assert np.isfinite(told.loss_db)
    # a ridge that just touches the ray over an all but flat earth leaves no clearance anywhere
    flat = LINK | {"tx_height_m": 10.0, "rx_height_m": 10.0, "delta_n": 0.0}
    bulge = 500.0 / 6371.0 * 5.0 * 5.0
    told = profile_loss(P1812, [0.0, 5.0, 10.0], [0.0, 10.0 - bulge, 0.0], **flat)
    steps = profile_loss(
        P1812, [0.0, 5.0, 10.0], [0.0, 10.0 - bulge, 0.0], **flat, intermediates=True
    ).intermediates
    assert steps["lbulla50_db"] == pytest.approx(6.03 + (1 - np.exp(-6.03 / 6)) * 10.2, abs=0.01)
    assert told.loss_db > steps["lbfs_db"]


def test_the_smooth_earth_by_formula_is_the_limit_of_fine_samples():
    # 60 km over flat ground: the spherical term rules, so the smooth Bullington loss shows
    d = np.linspace(0.0, 60.0, 60_001)
    flat = {"frequency_ghz": 0.7, "tx_height_m": 30.0, "rx_height_m": 10.0, "latitude_deg": 34.0}
    for length in (60_001, 20_001):
        fine = profile_loss(P1812, d[:length], 0 * d[:length], **flat, intermediates=True)
        told = profile_loss(
            P1812, d[:length], 0 * d[:length], **flat, smooth_by_formula=True, intermediates=True
        )
        for name in ("lbulls50_db", "lbulls_db"):
            sampled = fine.intermediates[name]
            assert sampled > 0
            assert told.intermediates[name] == pytest.approx(sampled, abs=1e-6)
    coarse = profile_loss(P1812, d[:20_001:4000], np.zeros(6), **flat, intermediates=True)
    assert abs(coarse.intermediates["lbulls50_db"] - fine.intermediates["lbulls50_db"]) > 1e-3


def test_bytes_do_not_depend_on_the_threads(monkeypatch):
    rng = np.random.default_rng(5)
    h = rng.uniform(0.0, 300.0, (500, 101))
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("GROUNDPLAN_THREADS", threads)
        found.append(profile_loss(P1812, D, h, **LINK).loss_db.tobytes())
    assert found[0] == found[1]
    assert profile_cases.N_CHUNK == 64


def test_the_same_without_compiling():
    program = (
        "import numpy as np\n"
        "from groundplan.radio import profile_loss\n"
        "d = np.linspace(0.0, 10.0, 101)\n"
        "told = profile_loss('ITU-R P.1812-8', d, 50.0 + 40.0 * np.sin(2.0 * d),\n"
        "    frequency_ghz=0.7, tx_height_m=30.0, rx_height_m=1.5)\n"
        "print(repr(told.loss_db))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"GROUNDPLAN_NOJIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(told.stdout) == pytest.approx(profile_loss(P1812, D, H, **LINK).loss_db, abs=1e-9)
