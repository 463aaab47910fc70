"""All 32 vectors of ns-3, a vector of MathWorks, and the tables of TR 38.901 for halls and offices."""

from __future__ import annotations

import csv
import math
from statistics import NormalDist

import numpy as np
import pytest

from groundplan.engine.radio.link import Link, served_ratio
from groundplan.engine.radio.pathloss import (
    MODELS,
    Clutter,
    los_probability,
    model_name,
    path_loss,
    path_loss_ranges,
)
from groundplan.engine.radio.tr38901_building import car_entry_loss, wall_loss_db
from groundplan.engine.radio.tr38901_sight import (
    break_distance_m,
    draw_environment_height,
    environment_heights,
)

INF = "3GPP TR 38.901 InF-"


def test_every_vector_of_ns3(shared):
    path = shared / "benchmarks" / "radio" / "tr38901" / "ns3_pathloss_vectors.csv"
    with path.open(encoding="utf-8") as file:
        cases = list(csv.DictReader(file))
    assert len(cases) == 32
    worst: dict[tuple[str, str], list[float]] = {}
    for case in cases:
        told = path_loss(
            case["scenario"],
            float(case["d2d_m"]),
            float(case["f_ghz"]),
            float(case["h_bs_m"]),
            float(case["h_ut_m"]),
            los=case["los"] == "1",
        )
        key = (case["scenario"], "LOS" if case["los"] == "1" else "NLOS")
        worst.setdefault(key, []).append(abs(told.loss_db - float(case["pathloss_db"])))
        assert told.valid, case
    print("\nscenario branch vectors largest deviation dB")
    for (scenario, branch), error in worst.items():
        print(f"{scenario:8} {branch:6} {len(error):7} {max(error):.5f}")
        # the vectors have four decimals; the published tolerance is 0.05 dB
        assert max(error) < 2e-4, (scenario, branch)


def test_rural_surroundings_against_mathworks():
    """Page of nrPathLoss: h 7 m, W 25 m, 3.5 GHz, base 30 m at the origin, terminal at (1, 1) km."""
    told = path_loss(
        "RMa", 1000.0 * math.sqrt(2), 3.5, 30.0, 1.5, los=True,
        building_height_m=7.0, street_width_m=25.0,
    )  # fmt: skip
    print(f"\nRMa of MathWorks: {told.loss_db:.4f} dB against 110.1615 dB")
    assert told.loss_db == pytest.approx(110.1615, abs=1e-4)
    # with sight the streets do not matter, without they do: 7.1 lg(25/20)
    narrow, wide = (
        path_loss("RMa", 1414.0, 3.5, 30.0, 1.5, los=False, street_width_m=w).loss_db
        for w in (20.0, 25.0)
    )
    assert narrow - wide == pytest.approx(7.1 * math.log10(25 / 20))


@pytest.mark.parametrize(
    ("kind", "start_db", "slope", "sigma_db"),
    [("SL", 33, 25.5, 5.7), ("DL", 18.6, 35.7, 7.2), ("SH", 32.4, 23, 5.9), ("DH", 33.63, 21.9, 4)],
)
def test_factories_of_the_table(kind, start_db, slope, sigma_db):
    d, f, hb, hu = 120.0, 3.5, 8.0, 1.5
    d3 = math.hypot(d, hb - hu)
    los = 31.84 + 21.5 * math.log10(d3) + 19 * math.log10(f)
    nlos = start_db + slope * math.log10(d3) + 20 * math.log10(f)
    assert path_loss(f"InF-{kind}", d, f, hb, hu, los=True)[:2] == pytest.approx((los, 4.3))
    told = path_loss(f"InF-{kind}", d, f, hb, hu, los=False)
    assert told[:2] == pytest.approx((max(los, nlos), sigma_db))
    # close by the dense low scenario is that of sparse clutter, which loses more there
    near = path_loss("InF-DL", 5.0, f, 1.5, 1.5, los=False).loss_db
    assert near == pytest.approx(33 + 25.5 * math.log10(5) + 20 * math.log10(f))


def test_sight_in_factories_and_offices():
    c = Clutter(10.0, 0.4, 3.0)
    low = math.exp(-60 / (-10 / math.log(1 - 0.4)))
    assert los_probability(INF + "SL", 60.0, 1.5, clutter=c) == pytest.approx(low)
    high = math.exp(-60 / (-10 / math.log(1 - 0.4) * (8 - 1.5) / (3 - 1.5)))
    assert los_probability(INF + "SH", 60.0, 1.5, 8.0, c) == pytest.approx(high)
    assert los_probability(INF + "SH", 60.0, 4.0, 8.0, c) == 1.0  # above the clutter
    assert los_probability(INF + "HH", 60.0, 4.0, 8.0, c) == 1.0
    mixed, opened = (f"3GPP TR 38.901 InH {kind} office" for kind in ("mixed", "open"))
    d = np.array([1.0, 4.0, 6.5, 60.0])
    expected = [1, math.exp(-2.8 / 4.7), 0.32, 0.32 * math.exp(-53.5 / 32.6)]
    np.testing.assert_allclose(los_probability(mixed, d, 1.0), expected)
    d = np.array([5.0, 49.0, 60.0])
    expected = [1, math.exp(-44 / 70.8), 0.54 * math.exp(-11 / 211.7)]
    np.testing.assert_allclose(los_probability(opened, d, 1.0), expected)


def test_optional_losses():
    d3 = math.hypot(500, 23.5)
    assert path_loss("UMa", 500, 3.5, 25, 1.5, los=False, nlos="optional")[:2] == pytest.approx(
        (32.4 + 20 * math.log10(3.5) + 30 * math.log10(d3), 7.8)
    )
    d3 = math.hypot(500, 8.5)
    assert path_loss("UMi", 500, 3.5, 10, 1.5, los=False, nlos="optional")[:2] == pytest.approx(
        (32.4 + 20 * math.log10(3.5) + 31.9 * math.log10(d3), 8.2)
    )
    d3 = math.hypot(50, 1.5)
    assert path_loss("InH", 50, 3.5, 3, 1.5, los=False, nlos="optional")[:2] == pytest.approx(
        (32.4 + 20 * math.log10(3.5) + 31.9 * math.log10(d3), 8.29)
    )
    with pytest.raises(ValueError, match=r"nlos must be 'main' for .*RMa"):
        path_loss("RMa", 500, 3.5, 35, 1.5, nlos="optional")


def test_environment_of_tall_terminals():
    """Note 1 of Table 7.4.1-1 at 22.5 m: C = 0.95^1.5 g(d); then 12, 15, 18, 21 m, each as likely."""
    d = 1500.0
    c = ((22.5 - 13) / 10) ** 1.5 * 1.25 * (d / 100) ** 3 * math.exp(-d / 150)
    heights = {h: float(p) for h, p in environment_heights(d, 25.0, 22.5)}
    assert heights[1.0] == pytest.approx(1 / (1 + c))
    assert [heights[h] for h in (12.0, 15.0, 18.0, 21.0)] == pytest.approx([c / (1 + c) / 4] * 4)
    by_height = {
        h: path_loss("UMa", d, 3.5, 25, 22.5, los=True, environment_height_m=h).loss_db
        for h in heights
    }
    mean = sum(p * by_height[h] for h, p in heights.items())
    assert path_loss("UMa", d, 3.5, 25, 22.5, los=True).loss_db == pytest.approx(mean)
    drawn = draw_environment_height(np.full(40_000, d), 25.0, 22.5, seed=5)
    assert drawn.tobytes() == draw_environment_height(np.full(40_000, d), 25.0, 22.5, 5).tobytes()
    for h, p in heights.items():
        assert (drawn == h).mean() == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 40_000))
    loss = path_loss("UMa", d, 3.5, 25, 22.5, los=True, environment_height_m=drawn).loss_db
    assert loss.mean() == pytest.approx(mean, abs=0.05)
    # up to 13 m, and where no floor fits below the terminal, the height is certain
    for tall_m in (1.5, 13.0, 13.4):
        assert environment_heights(d, 25.0, tall_m)[0][1] == 1.0
    assert break_distance_m("UMa", 3.5, 25.0, 22.5, 21.0) == pytest.approx(
        4 * 4 * 1.5 * 3.5e9 / 3e8
    )


@pytest.mark.parametrize(
    ("call", "valid"),
    [
        (("InH", 150, 3.5, 1.5, 1.5), True),
        (("InH", 150, 3.5, 3.0, 1.0), False),  # in space it is more
        (("InF-SL", 100, 3.5, 1.8, 1.5), True),
        (("InF-SL", 100, 3.5, 8.0, 1.5), False),  # not within the clutter
        (("InF-DH", 100, 3.5, 8.0, 1.5), True),
        (("InF-DH", 100, 3.5, 5.0, 1.5), False),
        (("InF-SH", 100, 3.5, 8.0, 2.5), False),
        (("InF-HH", 100, 3.5, 8.0, 6.5), True),
        (("InF-SL", 601, 3.5, 1.8, 1.5), False),
    ],
)
def test_ranges_inside(call, valid):
    assert path_loss(*call).valid is valid


def test_surroundings_outside_the_range_are_flagged():
    told = path_loss("RMa", 900, 0.7, 35, 1.5, building_height_m=[4.9, 5.0, 50.0, 51.0])
    assert told.valid.tolist() == [False, True, True, False]
    told = path_loss("RMa", 900, 0.7, 35, 1.5, street_width_m=[4.9, 5.0, 50.0, 51.0])
    assert told.valid.tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("model", "change", "match"),
    [
        ("UMa", {"clutter": Clutter(1, 0.5, 2)}, "clutter must be left out but for InF"),
        ("InF-SL", {"clutter": Clutter(1, 1.0, 2)}, "clutter.density_ratio must be > 0 and < 1; "),
        ("InF-HH", {"los": False}, "always has sight"),
        ("UMa", {"environment_height_m": 1.5}, "environment_height_m must be .* below both"),
        ("UMa", {"environment_height_m": "drawn"}, "must be 'mean' or metres; got 'drawn'"),
        ("UMa", {"nlos": "second"}, "nlos must be one of main, optional; got 'second'"),
        ("RMa", {"street_width_m": 0.0}, "street_width_m must be > 0; got 0"),
    ],
)
def test_impossible_input_is_named(model, change, match):
    with pytest.raises(ValueError, match=match):
        path_loss(model, 100.0, 3.5, 25.0, 1.5, **change)


def test_every_scenario_names_its_ranges():
    for name in MODELS:
        told = path_loss_ranges(name)
        assert told["model"] == name
        assert told["frequency_ghz"][0] == 0.5


@pytest.mark.parametrize(
    ("model", "base_m"), [("InF-DH", 8.0), ("InF-HH", 8.0), ("InH open office", 3.0)]
)
def test_links_inside_are_budgeted_like_those_outside(model, base_m):
    """The share served is the mixture of both branches by hand."""
    terminal_m = 6.5 if model == "InF-HH" else 1.5
    link = Link(model, 3.5, base_m, terminal_m, 95.0)
    p = float(los_probability(model_name(model), 90.0, terminal_m, base_m))
    expected = 0.0
    for los, share in ((True, p), (False, 1.0 - p)):
        if share:
            told = path_loss(model, 90.0, 3.5, base_m, terminal_m, los=los)
            expected += share * NormalDist().cdf((95.0 - told.loss_db) / told.sigma_db)
    assert served_ratio(link, [90.0])[0] == pytest.approx(expected)


def test_walls_and_cars():
    """Table 7.4.3-1 at 3.5 GHz and clause 7.4.3.2."""
    assert wall_loss_db({"concrete": 1.0}, 3.5) == pytest.approx(5 + 5 + 14)
    half = 5 - 10 * math.log10(0.5 * 10**-0.27 + 0.5 * 10 ** -(0.485 + 0.012 * 3.5))
    assert wall_loss_db({"glass": 0.5, "wood": 0.5}, 3.5) == pytest.approx(half)
    assert car_entry_loss(3.5) == (9.0, 0.0, 5.0, True)
    assert car_entry_loss([3.5, 28.0], is_metallised=True).entry_db.tolist() == [20.0, 20.0]
    with pytest.raises(ValueError, match=r"frequency_ghz must be 0.6 to 60; got 0.5"):
        car_entry_loss([3.5, 0.5])
    with pytest.raises(ValueError, match=r"add up to 1; got 0\.9"):
        wall_loss_db({"glass": 0.9}, 3.5)
    with pytest.raises(ValueError, match=r"material must be one of .*; got 'straw'"):
        wall_loss_db({"straw": 1.0}, 3.5)
