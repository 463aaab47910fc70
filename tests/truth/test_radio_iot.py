"""NB-IoT and RedCap against TR 45.820 and IMT-2020, and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.radio.constants import constant_rows
from groundplan.engine.radio.iot_access import (
    PREAMBLES,
    Preambles,
    coverage_class_ratio,
    iot_capacity,
    mixed_reports_per_h,
    offered_devices,
    payload_points,
    redcap_capacity,
    report_ms,
    sector_area_km2,
)
from groundplan.engine.radio.iot_link import (
    constant,
    data_burst,
    preamble_repetitions,
    snr_db,
)
from groundplan.engine.radio.throughput import net_throughput_mbps, prb_count

SETTINGS = settings(deadline=None, derandomize=True, max_examples=60)


def losses_of_a_sector(inter_site_m: float, n: int = 20_000) -> np.ndarray:
    """Coupling losses of devices spread over a hexagon's third, by the TR's 900 MHz law.

    120.9 + 37.6 lg R (km), shadow 8 dB; antenna 18 dBi less 3 dB of cable, device antenna -4 dBi.
    Walls of 20 dB, and 20 dB more for one device in five, are an assumption: so are the classes.
    """
    rng = np.random.Generator(np.random.Philox(45820))
    radius = inter_site_m / math.sqrt(3.0)
    x, y = rng.uniform(-1, 1, (2, 4 * n)) * radius
    inside = np.abs(y) <= inter_site_m / 2
    inside &= np.abs(x) * math.sqrt(3) / 2 + np.abs(y) / 2 <= inter_site_m / 2
    d_km = np.maximum(np.hypot(x, y)[inside][:n], 35.0) / 1000
    shadow = rng.normal(0, 8, d_km.size)
    wall = np.where(rng.random(d_km.size) < 0.2, 40.0, 20.0)
    return 120.9 + 37.6 * np.log10(d_km) + shadow + wall - 18 + 3 + 4


def test_link_budget_of_45_820():
    """Uplink at 164 dB on one tone, and the least rate that the TR asks for: 160 bit/s."""
    assert snr_db(164.0, "uplink", 15_000.0) == pytest.approx(23 - 164 + 174 - 41.76 - 3, abs=0.01)
    assert snr_db(164.0, "downlink", 180_000.0) == pytest.approx(
        43 - 164 + 174 - 52.55 - 5, abs=0.01
    )
    print("\nloss dB  uplink bit/s (tones x repetitions)  downlink bit/s  preamble repetitions")
    for loss in (144.0, 154.0, 164.0):
        up, down = data_burst(1000, loss, "uplink"), data_burst(680, loss, "downlink")
        up_rate, down_rate = (1000 * b.block_bits / b.airtime_ms for b in (up, down))
        print(
            f"{loss:7.0f} {up_rate:13.0f} ({up.tone_count} x {up.repetitions:3}) "
            f"{down_rate:27.0f} {preamble_repetitions(loss):21}"
        )
        assert min(up_rate, down_rate) > 160
    assert data_burst(1000, 172.0, "uplink") is None


def test_the_published_devices_per_sector_are_an_offer():
    """52,547 is 1,517 households/km2 x 40 devices x one sector at 1,732 m: demand, not capacity."""
    assert offered_devices(1732.0) == pytest.approx(52_547, abs=1)
    assert mixed_reports_per_h() == pytest.approx(0.4 / 24 + 0.4 / 2 + 0.15 + 0.05 * 2)
    told = iot_capacity(losses_of_a_sector(1732.0))
    offered = offered_devices(1732.0)
    print(f"\noffered {offered:.0f} devices, {offered * told.reports_per_h / 3600:.2f} reports/s")
    print("classes " + ", ".join(f"{r:.3f}" for r in told.class_ratio))
    for name, count in told.limits.items():
        print(f"  {name:24} {count:12.0f} devices on one carrier of 180 kHz")
    print(f"  binding: {told.binding}")
    # the TR finds that one carrier carries its offer
    assert told.device_count > offered


def test_imt_2020_density():
    """M.2410: a million devices/km2, 32 bytes every two hours; sites 500 m and 1,732 m apart."""
    print(
        "\nsites  devices per sector  one carrier carries  binding                  carriers needed"
    )
    needed = {}
    for inter_site_m in (500.0, 1732.0):
        per_sector = 1e6 * sector_area_km2(inter_site_m)
        told = iot_capacity(losses_of_a_sector(inter_site_m), reports_per_h=0.5, payload_byte=32)
        needed[inter_site_m] = math.ceil(per_sector / told.device_count)
        print(
            f"{inter_site_m:5.0f} {per_sector:19.0f} {told.device_count:20.0f}  {told.binding:24}"
            f" {needed[inter_site_m]:15}"
        )
    assert needed[500.0] < needed[1732.0]
    assert needed[1732.0] * 0.18 < 20.0  # MHz: fits the narrowest wide band


def test_redcap():
    assert prb_count(20) == 51  # at 30 kHz
    one = redcap_capacity([10.0], busy_mbps_per_device=0.01)
    assert one == pytest.approx(0.7 * net_throughput_mbps(10.0, 20) / 0.01)
    # needs add: half the devices at a tenth of the rate cost the most
    mixed = redcap_capacity([10.0, -5.0], busy_mbps_per_device=0.01)
    rate = [net_throughput_mbps(s, 20) for s in (10.0, -5.0)]
    assert mixed == pytest.approx(0.7 / 0.01 / (0.5 / rate[0] + 0.5 / rate[1]))
    assert redcap_capacity([10.0, -20.0], busy_mbps_per_device=0.01) == 0.0
    assert redcap_capacity([10.0, -20.0], [1.0, 0.0], busy_mbps_per_device=0.01) == one


@SETTINGS
@given(
    bits=st.integers(1, 2500),
    loss=st.integers(110, 168),
    link=st.sampled_from(["uplink", "downlink"]),
)
def test_bursts_equal_brute_force(bits, loss, link):
    """Every block, unit and number of repetitions tried: none that passes costs less."""
    told = data_burst(bits, float(loss), link)
    table = [
        (int(r["unit_count"]), int(r["bits"]))
        for r in constant_rows("nbiot_tbs")
        if r["link"] == link
    ]
    biggest = max(size for _, size in table)
    count = math.ceil(bits / biggest)
    gap = 10 ** (constant("gap_db") / 10)
    shapes = (
        {1: (8, 96), 3: (4, 144), 6: (2, 144), 12: (1, 144)} if link == "uplink" else {12: (1, 152)}
    )
    least = math.inf
    for tones, (unit_ms, elements) in shapes.items():
        snr = 10 ** (snr_db(float(loss), link, tones * 15_000.0) / 10)
        for units, size in table:
            for k in range(8 if link == "uplink" else 12):
                room = units * elements * math.log2(1 + 2**k * snr / gap)
                if size * count >= bits and size + 24 <= room:
                    least = min(least, count * units * 2**k * unit_ms * tones / 12)
    if told is None:
        assert least == math.inf
    else:
        assert told.carrier_ms == pytest.approx(least)
        assert told.block_count * told.block_bits >= bits


@SETTINGS
@given(loss=st.integers(110, 163))
def test_more_loss_never_costs_less(loss):
    near, far = report_ms(float(loss), None), report_ms(loss + 1.0, None)
    assert near[0] <= far[0] + 1e-9
    assert near[1] <= far[1] + 1e-9


@SETTINGS
@given(
    loss=st.lists(st.floats(100, 175), min_size=1, max_size=40),
    factor=st.floats(0.1, 10),
    carriers=st.integers(1, 8),
)
def test_capacity_scales_and_does_not_depend_on_order(loss, factor, carriers):
    if min(loss) > 164:
        with pytest.raises(ValueError, match="coupling_loss_db must be <= 164 for some"):
            iot_capacity(loss)
        return
    told = iot_capacity(loss)
    assert told.class_ratio.sum() == pytest.approx(1.0)
    assert iot_capacity(loss[::-1]).device_count == pytest.approx(told.device_count)
    assert told.device_count == pytest.approx(min(told.limits.values()))
    often = iot_capacity(loss, reports_per_h=told.reports_per_h * factor)
    assert often.device_count * factor == pytest.approx(told.device_count)
    many = iot_capacity(loss, carrier_count=carriers)
    assert many.device_count == pytest.approx(told.device_count * carriers)
    # each loss counted twice is each loss with weight two
    assert iot_capacity(loss, np.full(len(loss), 2.0)).limits == pytest.approx(told.limits)


def test_payload_of_the_law():
    """Mean of the cut Pareto law: 20 x 2.5/1.5 less its tail beyond 200 bytes."""
    exact = 20 * 2.5 / 1.5 - 0.1**2.5 * 200 / 1.5
    assert payload_points().mean() == pytest.approx(exact, rel=0.03)


def test_classes_with_spread():
    told = coverage_class_ratio([144.0], spread_db=10.0)
    assert told == pytest.approx([0.5, 0.341345, 0.135905, 0.02275], abs=1e-5)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"coupling_loss_db": [math.nan]}, "coupling_loss_db must be finite"),
        ({"weight": [-1.0]}, "weight must be >= 0"),
        ({"reports_per_h": 0.0}, "reports_per_h must be > 0; got 0"),
        ({"payload_byte": 0.0}, "payload_byte must be > 0; got 0"),
        ({"carrier_count": 0}, "carrier_count must be > 0; got 0"),
        ({"preambles": PREAMBLES[:2]}, "preambles must be 3, one a class; got 2"),
        ({"preambles": (Preambles(40, 48), Preambles(40, 48), Preambles(640, 48))}, "must leave some"),
        ({"preambles": (*PREAMBLES[:2], Preambles(80, 12))}, r"preambles\[2\].period_ms must be > 204"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(change, match):
    with pytest.raises(ValueError, match=match):
        iot_capacity(**{"coupling_loss_db": [140.0], **change})
