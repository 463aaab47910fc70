"""SINR to throughput against the tables and formulas of 38.214, 36.942, 38.104 and 38.306."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.radio.constants import constant_rows
from groundplan.engine.radio.throughput import (
    METHODS,
    cqi_steps,
    net_throughput_mbps,
    peak_rate_mbps,
    prb_count,
    spectral_efficiency,
    tdd_share,
)
from groundplan.quantity import CONFIDENCES


def test_every_efficiency_is_bits_times_code_rate():
    """One mistyped rate (973 for 873) stands in a public copy of table 1: the product shows it."""
    rows = constant_rows("cqi")
    assert len(rows) == 45
    worst = 0.0
    for row in rows:
        told = int(row["bits_per_symbol"]) * int(row["code_rate_per_1024"]) / 1024
        worst = max(worst, abs(told - float(row["efficiency"])))
    print(f"\n45 rows of three CQI tables: largest |bits * rate - efficiency| {worst:.6f}")
    assert worst <= 0.5e-4 + 1e-9  # four decimals
    for table, ends in ((1, (0.1523, 5.5547)), (2, (0.1523, 7.4063)), (3, (0.0586, 4.5234))):
        sinr, efficiency = cqi_steps(table)
        assert (efficiency[0], efficiency[-1]) == ends
        assert (np.diff(sinr) > 0).all()
        assert (np.diff(efficiency) > 0).all()


def test_switch_points_are_those_listed():
    sinr, _ = cqi_steps(1)
    listed = [-6.7, -4.7, -2.3, 0.2, 2.4, 4.3, 5.9, 8.1, 10.3, 11.7, 14.1, 16.3, 18.7, 21, 22.7]
    np.testing.assert_allclose(sinr, listed)
    # an efficiency that two tables share has one SINR
    for table in (2, 3):
        other, efficiency = cqi_steps(table)
        for point, value in zip(other, efficiency, strict=True):
            same = np.flatnonzero(cqi_steps(1)[1] == value)
            if same.size:
                assert point == pytest.approx(sinr[same[0]])
    # all lie above Shannon
    for table in (1, 2, 3):
        point, efficiency = cqi_steps(table)
        assert (efficiency < np.log2(1 + 10 ** (point / 10))).all()


def test_truncated_shannon_of_36_942():
    """Annex A: alpha 0.6 and cap 4.4 down, 0.4 and 2.0 up, from -10 dB."""
    assert spectral_efficiency(-10.01) == 0.0
    assert spectral_efficiency(-10.0) == pytest.approx(0.6 * math.log2(1.1))
    assert spectral_efficiency(10.0, link="uplink") == pytest.approx(0.4 * math.log2(11))
    # where the caps bind: 10 lg(2^(4.4/0.6) - 1) and 10 lg(2^(2/0.4) - 1)
    for link, cap, bend_db in (("downlink", 4.4, 22.05), ("uplink", 2.0, 14.91)):
        assert spectral_efficiency(bend_db + 0.01, link=link) == cap
        assert spectral_efficiency(bend_db - 0.05, link=link) < cap
    assert spectral_efficiency(-math.inf) == 0.0
    assert spectral_efficiency(math.inf) == 4.4


def test_resource_blocks_of_38_104():
    points = {(100, 30): 273, (20, 30): 51, (30, 15): 160, (20, 15): 106, (50, 60): 65}
    for (band, spacing), count in points.items():
        assert prb_count(band, spacing) == count
    assert prb_count(400, 120, "FR2") == 264
    for row in constant_rows("prb"):
        used = int(row["prb_count"]) * 12 * int(row["spacing_khz"]) / 1000
        assert 0.75 * float(row["bandwidth_mhz"]) < used < float(row["bandwidth_mhz"])
    with pytest.raises(
        ValueError, match=r"bandwidth_mhz must be one of 5, 10, .* at 30 kHz; got 7"
    ):
        prb_count(7)
    with pytest.raises(ValueError, match=r"spacing_khz must be one of FR1 15, .*; got FR1 120"):
        prb_count(50, 120)


def test_peak_rates_of_38_306():
    """The known figures of a 100 MHz carrier, from the formula by hand."""
    print("\ncarrier                       Mbit/s")
    for name, call, expected in (
        ("100 MHz, 4 layers, 256QAM down", {"bandwidth_mhz": 100, "layer_count": 4}, 2337.0),
        ("100 MHz, 2 layers, 256QAM up",
         {"bandwidth_mhz": 100, "layer_count": 2, "link": "uplink"}, 1250.1),
        ("RedCap 20 MHz, 1 layer, 64QAM down", {"bandwidth_mhz": 20, "bits_per_symbol": 6}, 81.9),
    ):  # fmt: skip
        told = peak_rate_mbps(**call)
        print(f"{name:36} {told:8.1f}")
        assert told == pytest.approx(expected, abs=0.5)
    by_hand = 1e-6 * 4 * 8 * 948 / 1024 * 273 * 12 / (1e-3 / 28) * 0.86
    assert peak_rate_mbps(100, layer_count=4) == pytest.approx(by_hand)


def test_shares_of_the_frame():
    assert tdd_share("DDDSU") == pytest.approx(((3 * 14 + 10) / 70, (14 + 2) / 70))
    assert tdd_share("FDD") == (1.0, 1.0)
    for row in constant_rows("tdd"):
        share = tdd_share(row["pattern"], row["special"])
        assert 0.6 < share.downlink_ratio < 0.8
        assert 0.2 < share.uplink_ratio < 0.35
    for pattern, special in (("DDX", "10:2:2"), ("", "10:2:2"), ("DSU", "10:2"), ("DSU", "9:2:2")):
        with pytest.raises(ValueError, match=r"pattern must be|special must be"):
            tdd_share(pattern, special)


def test_a_carrier_net():
    told = net_throughput_mbps(
        30.0, 100, method="38.214-cqi", cqi_table=2, layer_count=2, pattern="DDDSU"
    )
    assert told == pytest.approx(7.4063 * 273 * 0.36 * 2 * 0.86 * 0.9 * 52 / 70)
    shannon = net_throughput_mbps(30.0, 20, 15, link="uplink")
    assert shannon == pytest.approx(2.0 * 106 * 0.18 * 0.92)
    # a real cell never beats the peak of the standard
    peak = peak_rate_mbps(100, layer_count=2, pattern="DDDSU")
    assert told < peak


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    low=st.floats(-40, 60),
    step=st.floats(0, 20),
    method=st.sampled_from(METHODS),
    link=st.sampled_from(["downlink", "uplink"]),
    table=st.sampled_from([1, 2, 3]),
)
def test_more_signal_never_carries_less(low, step, method, link, table):
    told = [spectral_efficiency(s, method, link=link, cqi_table=table) for s in (low, low + step)]
    assert 0.0 <= told[0] <= told[1] <= 7.4063
    # the naive twin of the steps
    if method == "38.214-cqi":
        naive = 0.0
        for point, efficiency in zip(*cqi_steps(table), strict=True):
            if low + 1e-9 >= point:
                naive = efficiency
        assert told[0] == naive
    assert told[0] <= math.log2(1 + 10 ** (low / 10)) + 1e-12


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"method": "shannon"}, "method must be one of truncated-shannon, 38.214-cqi; got 'sh"),
        ({"link": "down"}, "link must be one of downlink, uplink; got 'down'"),
        ({"method": "38.214-cqi", "cqi_table": 4}, "cqi_table must be 1, 2 or 3; got 4"),
        ({"sinr_db": math.nan}, "sinr_db must be numbers; got nan"),
        ({"layer_count": 0}, "layer_count must be >= 1; got 0"),
        ({"overhead_ratio": 1.0}, "overhead_ratio must be >= 0 and < 1"),
        ({"bler_ratio": -0.1}, "bler_ratio must be >= 0 and < 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(change, match):
    with pytest.raises(ValueError, match=match):
        net_throughput_mbps(**{"sinr_db": 10.0, "bandwidth_mhz": 100, **change})


@pytest.mark.parametrize("name", ["cqi", "cqi_switch", "prb", "tdd", "iot"])
def test_every_constant_has_a_source(name):
    rows = constant_rows(name)
    assert rows
    for row in rows:
        assert len(row["source"]) > 10
        assert row["confidence"] in CONFIDENCES
        assert None not in row.values()
        assert None not in row
