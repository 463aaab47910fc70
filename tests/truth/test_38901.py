"""Path loss against ns-3's vectors and the tables of TR 38.901; the margin against its integral."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from groundplan.engine.radio.pathloss import MODELS, los_probability
from groundplan.radio import (
    area_reliability,
    building_entry_loss,
    cell_reach,
    path_loss,
    shadow_margin_db,
)

BUDGET = {
    "model": [["UMa", "RMa"]],
    "frequency_ghz": [[2.595, 0.715]],
    "eirp_dbm": [[41.85, 33.2]],
    "rsrp_min_dbm": [[-110.0, -110.0]],
    "building": [["low", "low"]],
    "base_height_m": [[25.0, 35.0]],
    "terminal_height_m": 1.5,
    "indoor_ratio": 1.0,
    "reliability_ratio": 0.95,
    "reliability_kind": "area",
    "body_loss_db": 3.0,
    "interference_margin_db": 3.0,
}


def test_outdoor_vectors(shared):
    path = shared / "benchmarks" / "radio" / "tr38901" / "ns3_pathloss_vectors.csv"
    with path.open(encoding="utf-8") as file:
        cases = [row for row in csv.DictReader(file) if row["scenario"] in ("UMa", "UMi", "RMa")]
    assert len(cases) >= 24
    for case in cases:
        told = path_loss(
            f"3GPP TR 38.901 {case['scenario']}",
            float(case["d2d_m"]),
            float(case["f_ghz"]),
            float(case["h_bs_m"]),
            float(case["h_ut_m"]),
            los=case["los"] == "1",
        )
        # the vectors have four decimals; the published tolerance is 0.05 dB
        assert told.loss_db == pytest.approx(float(case["pathloss_db"]), abs=2e-4), case
        assert told.valid


def test_shadow_fading_of_the_table():
    def sigma(model, d, height_m, los):
        return path_loss(model, d, 2.0, height_m, 1.5, los=los).sigma_db

    assert [sigma("UMa", 500, 25, los) for los in (True, False)] == [4.0, 6.0]
    assert [sigma("UMi", 500, 10, los) for los in (True, False)] == [4.0, 7.82]
    assert [sigma("RMa", d, 35, True) for d in (100, 9000)] == [4.0, 6.0]
    assert sigma("RMa", 500, 35, False) == 8.0


def test_the_mean_lies_between_the_branches():
    d = np.geomspace(10, 5000, 400)
    for model, height_m in (("UMa", 25.0), ("UMi", 10.0), ("RMa", 35.0)):
        near, far, mean = (
            path_loss(model, d, 3.5, height_m, 1.5, los=los) for los in (True, False, "mean")
        )
        p = los_probability(f"3GPP TR 38.901 {model}", d, 1.5)
        np.testing.assert_allclose(mean.loss_db, p * near.loss_db + (1 - p) * far.loss_db)
        assert (np.diff(mean.loss_db) > 0).all()
        assert (near.loss_db <= far.loss_db).all()
        assert mean.valid.all()


def test_sight_probability_of_the_table():
    uma, umi, rma = list(MODELS)[:3]
    assert los_probability(uma, np.array([10.0, 18.0]), 1.5).tolist() == [1.0, 1.0]
    d = 200.0
    assert los_probability(uma, d, 1.5) == pytest.approx(18 / d + math.exp(-d / 63) * (1 - 18 / d))
    assert los_probability(umi, d, 1.5) == pytest.approx(18 / d + math.exp(-d / 36) * (1 - 18 / d))
    assert los_probability(rma, d, 1.5) == pytest.approx(math.exp(-(d - 10) / 1000))
    # the extra term of UMa for terminals above 13 m (Table 7.4.2-1)
    extra = 1 + ((20 - 13) / 10) ** 1.5 * 1.25 * (d / 100) ** 3 * math.exp(-d / 150)
    assert los_probability(uma, d, 20.0) == pytest.approx(los_probability(uma, d, 1.5) * extra)


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"distance_2d_m": 9.9}, False),
        ({"distance_2d_m": 5000.1}, False),
        ({"frequency_ghz": 0.4}, False),
        ({"base_height_m": 30.0}, False),
        ({"terminal_height_m": 23.0}, False),
    ],
)
def test_what_the_report_does_not_cover_is_flagged(change, valid):
    call = {
        "distance_2d_m": 300.0,
        "frequency_ghz": 3.5,
        "base_height_m": 25.0,
        "terminal_height_m": 1.5,
    }
    assert path_loss("UMa", **{**call, **change}).valid is valid


def test_rural_sight_reaches_further_than_no_sight():
    told = [path_loss("RMa", 8000, 0.7, 35, 1.5, los=los).valid for los in (True, False, "mean")]
    assert told == [True, False, False]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"model": "Hata"}, "model must be one of .*; got 'Hata'"),
        ({"los": "no"}, "los must be 'mean', True or False; got 'no'"),
        ({"distance_2d_m": 0.0}, "distance_2d_m must be > 0; got 0"),
        ({"frequency_ghz": math.nan}, "frequency_ghz must be > 0; got nan"),
        ({"terminal_height_m": 1.0}, "terminal_height_m must be > 1; got 1"),
    ],
)
def test_impossible_input_is_named(change, match):
    call = {
        "model": "UMa",
        "distance_2d_m": 300.0,
        "frequency_ghz": 3.5,
        "base_height_m": 25.0,
        "terminal_height_m": 1.5,
    }
    with pytest.raises(ValueError, match=match):
        path_loss(**{**call, **change})


def test_buildings_of_the_table():
    """Table 7.4.3-1 at 3.5 GHz: glass 2.7, coated glass 24.05, concrete 19 dB."""
    low = 5 - 10 * math.log10(0.3 * 10**-0.27 + 0.7 * 10**-1.9)
    high = 5 - 10 * math.log10(0.7 * 10**-2.405 + 0.3 * 10**-1.9)
    assert building_entry_loss("low", 3.5, 10.0) == pytest.approx((low, 5.0, 4.4, True))
    assert building_entry_loss("high", [3.5], 0.0).entry_db[0] == pytest.approx(high)
    assert building_entry_loss("outdoor", 3.5, 10.0) == (0.0, 0.0, 0.0, True)
    with pytest.raises(ValueError, match="building must be"):
        building_entry_loss("wood", 3.5, 1.0)
    with pytest.raises(ValueError, match="indoor_distance_m"):
        building_entry_loss("low", 3.5, -1.0)


@pytest.mark.parametrize("margin_db", [-6.0, 0.0, 3.0, 8.7, 25.0])
@pytest.mark.parametrize(("sigma_db", "exponent"), [(8.0, 3.5), (4.0, 2.0), (12.0, 4.5)])
def test_area_reliability_is_its_integral(margin_db, sigma_db, exponent):
    """The closed form against the integral it stands for, over a disc of radius 1."""

    def ring(r):
        level_db = margin_db - 10 * exponent * math.log10(r)
        return 2 * r * norm.cdf(level_db / sigma_db)

    expected, _ = quad(ring, 1e-9, 1.0)
    told = area_reliability(margin_db, sigma_db, exponent)
    assert told == pytest.approx(expected, abs=1e-7)


def test_margin_of_the_common_example():
    """95 % of the area, sigma 8 dB, exponent 3.5: 8 to 9 dB at the edge."""
    margin_db = shadow_margin_db(0.95, 8.0, 3.5)
    assert 8.0 < margin_db < 9.0
    assert area_reliability(margin_db, 8.0, 3.5) == pytest.approx(0.95, abs=1e-9)
    assert shadow_margin_db(0.95, 0.0, 3.5) == 0.0
    with pytest.raises(ValueError, match="reliability_ratio"):
        shadow_margin_db(1.0, 8.0, 3.5)


def test_the_budget_closes_at_the_reach():
    reach_m, detail = cell_reach(**BUDGET)
    for k, row in enumerate(detail[0]):
        assert row["eirp_per_element_dbm"] - row["rsrp_min_dbm"] - row["body_loss_db"] - row[
            "interference_margin_db"
        ] == pytest.approx(row["allowed_loss_db"], abs=0.005)
        at_reach = path_loss(
            row["model"], reach_m[0, k], row["frequency_ghz"], row["base_height_m"], 1.5, los=False
        )
        # most of the edge is without sight, and 85 % of it is served all the same
        left_db = row["allowed_loss_db"] - row["building_entry_db"] - row["indoor_mean_db"]
        assert 0.0 < left_db - at_reach.loss_db < 15.0
        assert row["is_valid"] is True
        assert row["area_reliability_ratio"] == pytest.approx(0.95, abs=1e-4)
        assert 0.8 < row["edge_reliability_ratio"] < 0.9


@pytest.mark.parametrize(
    ("change", "is_further"),
    [
        ({"eirp_dbm": [[45.0, 36.0]]}, True),
        ({"rsrp_min_dbm": [[-115.0, -115.0]]}, True),
        ({"building": [["outdoor", "outdoor"]]}, True),
        ({"building": [["high", "high"]]}, False),
        ({"frequency_ghz": [[3.5, 2.1]]}, False),
        ({"reliability_ratio": 0.98}, False),
        ({"reliability_kind": "edge"}, False),
        ({"indoor_ratio": 0.5}, True),
        ({"body_loss_db": 8.0}, False),
    ],
)
def test_each_term_moves_the_reach_the_right_way(change, is_further):
    reach_m, _ = cell_reach(**BUDGET)
    changed_m, _ = cell_reach(**{**BUDGET, **change})
    assert (changed_m > reach_m).all() if is_further else (changed_m < reach_m).all()


def test_ends_of_the_range_are_told():
    reach_m, detail = cell_reach(**{**BUDGET, "eirp_dbm": [[120.0, -80.0]]})
    assert reach_m.tolist() == [[5000.0, 0.0]]
    assert detail[0][0]["range_note"] == "cut at the end of the model's range"
    assert detail[0][1]["range_note"] == "below the model's range"
