"""Every way in which a call of the radio engine can be spoilt, and the sentence for it.

A call that cannot be computed is one `ValueError` of one line, which names the argument, what was
got and what was expected. What can be computed outside a model's stated range is flagged instead:
`valid` is False and `why` names the range. Only a misspelt keyword is Python's own `TypeError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from groundplan import radio

P1812, P452, ITM = "ITU-R P.1812-8", "ITU-R P.452-18", "ITM"
D = np.linspace(0.0, 10.0, 101)
H = 100.0 + 20.0 * np.sin(D)
LINK = {"distance_km": D, "height_m": H, "frequency_ghz": 0.7, "tx_height_m": 30.0,
        "rx_height_m": 1.5}  # fmt: skip
CELL = {"model": "UMa", "distance_2d_m": 400.0, "frequency_ghz": 3.5, "base_height_m": 25.0,
        "terminal_height_m": 1.5}  # fmt: skip
EVEN = "distance_km must rise evenly from 0, as ITM counts steps: resample the profile; row 0"


@dataclass(frozen=True)
class Spoilt:
    """One spoilt call; `says` is the whole sentence."""

    call: Callable[..., Any]
    base: dict[str, Any]
    change: dict[str, Any]
    says: str
    name: str = field(default="")

    def __str__(self) -> str:
        """Return what tells the case from the others."""
        what = self.name or ",".join(f"{k}={v!r:.20}" for k, v in self.change.items())
        return f"{self.base.get('model', self.call.__name__)}:{what}"


def at(i: int, value: float, array: np.ndarray = H) -> np.ndarray:
    told = array.copy()
    told[i] = value
    return told


def profiles(models: tuple[str, ...], change: dict[str, Any], says: str, name: str = "") -> list:
    return [Spoilt(radio.profile_loss, LINK | {"model": m}, change, says, name) for m in models]


ALL, ITU = (P1812, P452, ITM), (P1812, P452)
SHAPES = "arguments must be one number each or arrays that broadcast; got shapes "
KNOWN_MODELS = "ITU-R P.1812-8, ITU-R P.452-18, ITM"
SCENARIOS = ", ".join(
    f"3GPP TR 38.901 {s}"
    for s in ("UMa", "UMi", "RMa", "InH mixed office", "InH open office", "InF-SL", "InF-DL",
              "InF-SH", "InF-DH", "InF-HH")
)  # fmt: skip

PROFILES = [
    *profiles(ALL, {"frequency_ghz": "700 MHz"}, "frequency_ghz must be numbers; got '700 MHz'"),
    *profiles(ALL, {"frequency_ghz": "0.7"}, "frequency_ghz must be numbers; got '0.7'"),
    *profiles(ALL, {"frequency_ghz": True}, "frequency_ghz must be numbers; got True"),
    *profiles(ALL, {"frequency_ghz": 0.7j}, "frequency_ghz must be numbers; got 0.7j"),
    *profiles(ALL, {"frequency_ghz": None}, "frequency_ghz must be given; got None"),
    *profiles(ALL, {"tx_height_m": [30.0, None]}, "tx_height_m must be numbers; got None"),
    *profiles((P1812,), {"frequency_ghz": -0.7}, "frequency_ghz must be more than 0 GHz; got -0.7"),
    *profiles((P452,), {"frequency_ghz": 2e3},
              "frequency_ghz must be more than 0 and at most 1000 GHz; got 2000"),
    *profiles((ITM,), {"frequency_ghz": -0.7}, "frequency_ghz must be > 0; got -0.7"),
    *profiles(ITU, {"frequency_ghz": np.nan}, "frequency_ghz must be finite; got nan"),
    *profiles(ITU, {"frequency_ghz": np.inf}, "frequency_ghz must be finite; got inf"),
    *profiles((ITM,), {"frequency_ghz": np.inf}, "frequency_ghz must be > 0 and finite; got inf"),
    *profiles(ITU, {"tx_height_m": -2.0}, "tx_height_m must be more than 0 m above ground; got -2"),
    *profiles(ITU, {"rx_height_m": 0.0}, "rx_height_m must be more than 0 m above ground; got 0"),
    *profiles((ITM,), {"rx_height_m": -2.0}, "rx_height_m must be > 0; got -2"),
    *profiles(ITU, {"time_percent": 0.0}, "time_percent must be more than 0 and at most 50 %; got 0"),
    *profiles(ITU, {"time_percent": 60.0},
              "time_percent must be more than 0 and at most 50 %; got 60"),
    *profiles((ITM,), {"time_percent": 0.0}, "time_percent must be > 0 and < 100; got 0"),
    *profiles(ITU, {"time_percent": 1.0},
              "latitude_deg or the ends' coordinates must be given for time percentages other than "
              "50 and for the worst month: the incidence of ducts depends on it"),
    *profiles((P1812,), {"location_percent": 100.0},
              "location_percent must be more than 0 and less than 100 %; got 100"),
    *profiles((P452,), {"location_percent": 90.0},
              "location_percent must be 50 %: P.452 knows no spread over locations; got 90"),
    *profiles(ALL, {"polarisation": "circular"},
              "polarisation must be 'horizontal' or 'vertical'; got 'circular'"),
    *profiles(ITU, {"polarisation": 3}, "polarisation must be 'horizontal' or 'vertical'; got 3"),
    *profiles(ITU, {"latitude_deg": 95.0}, "latitude_deg must be -90 .. 90 degrees; got 95"),
    *profiles(ITU, {"n0": -1.0}, "n0 must be more than 0 N-units; got -1"),
    *profiles(ITU, {"delta_n": 157.0}, "delta_n must be less than 157 N-units/km; got 157"),
    *profiles(ITU, {"dct_km": -1.0}, "dct_km must be 0 km or more; got -1"),
    *profiles((P1812,), {"location_sigma_db": -1.0}, "location_sigma_db must be 0 dB or more; got -1"),
    *profiles(ITU, {"distance_km": [], "height_m": []},
              "arguments must not be empty; got nothing in distance_km, height_m"),
    *profiles((ITM,), {"distance_km": [], "height_m": []}, "height_m must not be empty; got shape (0,)"),
    *profiles(ITU, {"distance_km": [0.0, 1.0], "height_m": [5.0, 5.0]},
              "distance_km path 0: got 2 points, expected 3 or more"),
    *profiles((ITM,), {"distance_km": [0.0, 1.0], "height_m": [5.0, 5.0]},
              "a profile needs 3 or more points, and no more than it has columns, 2; row 0 has 2"),
    *profiles(ITU, {"height_m": H[:-1]}, "profiles must have equally many points; got "
              "{'distance_km': (1, 101), 'height_m': (1, 100)}", "short"),
    *profiles((ITM,), {"height_m": H[:-1]}, "distance_km must have the points of height_m, 100, in "
              "one row or in as many rows; got shape (101,) for (1, 100)", "short"),
    *profiles(ALL, {"height_m": [[1.0, 2.0], [1.0]]},
              "height_m must be numbers in rows of one length; got uneven rows"),
    *profiles(ALL, {"height_m": 7.0},
              "height_m must be one profile (1-D) or one row per path (2-D); got shape ()"),
    *profiles(ALL, {"height_m": ["low"] * 101}, "height_m must be numbers; got 'low'", "text"),
    *profiles(ITU, {"height_m": at(7, np.nan)},
              "height_m path 0 point 7: got nan, expected a finite number", "hole"),
    *profiles((ITM,), {"height_m": at(7, np.nan)}, "height_m must be finite; row 0, point 7 is nan "
              "(1 of 1 profiles have such points): fill holes before", "hole"),
    *profiles(ITU, {"height_m": np.ma.masked_array(H, np.arange(101) == 7)},
              "height_m path 0 point 7: got nan, expected a finite number", "masked"),
    *profiles(ITU, {"distance_km": at(7, np.nan, D)},
              "distance_km path 0 point 7: got nan, expected a finite number", "gap"),
    *profiles((ITM,), {"distance_km": at(7, np.nan, D)},
              "distance_km must be finite; row 0, point 7 is nan", "gap"),
    *profiles(ITU, {"distance_km": at(7, 0.55, D)},
              "distance_km path 0 point 7: got 0.55, expected more than the point before", "falls"),
    *profiles((ITM,), {"distance_km": D[::-1]}, f"{EVEN} does not", "falls"),
    *profiles(ITU, {"distance_km": D + 1.0},
              "distance_km path 0 point 0: got 1.0, expected 0 at the transmitter", "late start"),
    *profiles((ITM,), {"distance_km": D + 1.0}, f"{EVEN} does not", "late start"),
    *profiles(ITU, {"clutter_m": at(7, -1.0, np.zeros(101))},
              "clutter_m path 0 point 7: got -1.0, expected 0 m or more", "negative"),
    *profiles(ITU, {"clutter_m": np.zeros(5)}, "profiles must have equally many points; got "
              "{'distance_km': (1, 101), 'height_m': (1, 101), 'clutter_m': (1, 5)}", "short clutter"),
    *profiles(ITU, {"radio_zone": np.where(np.arange(101) == 7, "lake", "inland")},
              "radio_zone path 0 point 7: got lake, expected one of sea, coastal, inland or the "
              "Recommendation's own code", "lake"),
    *profiles(ITU, {"count": 102},
              "count path 0: got 102, expected 3 .. 101 points with finite distances"),
    *profiles(ALL, {"count": 50.5}, "count must be one whole number or one per path; got 50.5"),
    *profiles(ITU, {"frequency_ghz": [0.7, 2.6, 3.5], "rx_height_m": [1.5, 3.0]},
              "arguments must be one or one per path; got {'frequency_ghz': 3, 'rx_height_m': 2}"),
    *profiles((ITM,), {"frequency_ghz": [0.7, 2.6, 3.5], "rx_height_m": [1.5, 3.0]},
              SHAPES + "frequency_ghz (3,), rx_height_m (2,)"),
    *profiles(ALL, {"model": "ITU-R P.1812-7"},
              f"model must be one of {KNOWN_MODELS}; got 'ITU-R P.1812-7'"),
    *profiles(ALL[:1], {"model": None}, f"model must be one of {KNOWN_MODELS}; got None"),
    *profiles((ITM,), {"climate": 8}, "climate must be one of 1 equatorial, 2 continental subtropical, "
              "3 maritime subtropical, 4 desert, 5 continental temperate, 6 maritime temperate over "
              "land, 7 maritime temperate over sea; got 8"),
    *profiles((ITM,), {"time_percent": 50.0, "reliability_percent": 90.0},
              "give either reliability_percent and confidence_percent, or time_percent, "
              "location_percent and situation_percent; got time_percent = 50.0 as well"),
]  # fmt: skip
CELLS = [
    Spoilt(radio.path_loss, CELL, change, says)
    for change, says in [
        ({"distance_2d_m": 0.0}, "distance_2d_m must be > 0; got 0"),
        ({"distance_2d_m": np.nan}, "distance_2d_m must be > 0; got nan"),
        ({"distance_2d_m": np.inf}, "distance_2d_m must be > 0 and finite; got inf"),
        ({"distance_2d_m": "far"}, "distance_2d_m must be numbers; got 'far'"),
        ({"frequency_ghz": -3.5}, "frequency_ghz must be > 0; got -3.5"),
        ({"base_height_m": 0.5}, "base_height_m must be > 1; got 0.5"),
        ({"terminal_height_m": -1.5}, "terminal_height_m must be > 1; got -1.5"),
        ({"model": "RMa", "terminal_height_m": -1.5}, "terminal_height_m must be > 0; got -1.5"),
        ({"los": "yes"}, "los must be 'mean', True or False; got 'yes'"),
        ({"los": [True, False]}, "los must be 'mean', True or False; got [True, False]"),
        ({"model": "Hata"}, f"model must be one of {SCENARIOS}; got 'Hata'"),
        ({"model": ["UMa"]}, f"model must be one of {SCENARIOS}; got ['UMa']"),
        ({"model": "InF-HH", "los": False},
         "los must be 'mean' or True for 3GPP TR 38.901 InF-HH, which always has sight; got False"),
        ({"distance_2d_m": [1.0, 2.0, 3.0], "frequency_ghz": [0.7, 3.5]},
         SHAPES + "distance_2d_m (3,), frequency_ghz (2,)"),
    ]
]  # fmt: skip
BUILDING = {"building": "low", "frequency_ghz": 3.5, "indoor_distance_m": 5.0}
P2109 = {"model": "ITU-R P.2109-2", "building": "traditional", "frequency_ghz": 3.5}
CLUTTER = {"method": "terrestrial", "frequency_ghz": 3.5, "distance_km": 1.0}
GAS = {"distance_km": 10.0, "frequency_ghz": 28.0}
AREA = {"distance_km": 10.0, "delta_h_m": 90.0, "frequency_ghz": 0.7, "tx_height_m": 30.0,
        "rx_height_m": 1.5}  # fmt: skip
OTHERS = [
    Spoilt(call, base, change, says)
    for call, base, change, says in [
        (radio.building_entry_loss, BUILDING, {"building": "brick"},
         "building must be one of low, high, outdoor, traditional, thermally efficient; got 'brick'"),
        (radio.building_entry_loss, BUILDING, {"building": ["low"]},
         "building must be one of low, high, outdoor, traditional, thermally efficient; got ['low']"),
        (radio.building_entry_loss, BUILDING, {"model": "ITU-R P.1238"},
         "model must be one of 3GPP TR 38.901, ITU-R P.2109-2; got 'ITU-R P.1238'"),
        (radio.building_entry_loss, BUILDING, {"frequency_ghz": np.inf},
         "frequency_ghz must be > 0 and finite; got inf"),
        (radio.building_entry_loss, BUILDING, {"indoor_distance_m": -5.0},
         "indoor_distance_m must be >= 0; got -5"),
        (radio.building_entry_loss, BUILDING, {"probability_percent": 90.0},
         "3GPP TR 38.901 does not take probability_percent"),
        (radio.building_entry_loss, P2109, {"building": "low"},
         "building must be one of traditional, thermally efficient for ITU-R P.2109-2; got 'low'"),
        (radio.building_entry_loss, P2109, {"indoor_distance_m": 5.0},
         "ITU-R P.2109-2 does not take indoor_distance_m"),
        (radio.building_entry_loss, P2109, {"probability_percent": 100.0},
         "probability_percent must be > 0 and < 100; got 100"),
        (radio.building_entry_loss, P2109, {"elevation_deg": np.nan},
         "elevation_deg must be finite; got nan"),
        (radio.clutter_loss, CLUTTER, {"method": "3.4"},
         "method must be one of height gain, terrestrial, aeronautical; got '3.4'"),
        (radio.clutter_loss, CLUTTER, {"distance_km": None}, "method 'terrestrial' needs distance_km"),
        (radio.clutter_loss, CLUTTER, {"elevation_deg": 5.0},
         "method 'terrestrial' does not take elevation_deg"),
        (radio.clutter_loss, CLUTTER, {"location_percent": 0.0},
         "location_percent must be > 0 and < 100; got 0"),
        (radio.clutter_loss, {"method": "height gain", "frequency_ghz": 0.7, "clutter": "forest",
                              "terminal_height_m": 1.5}, {},
         "clutter must be one of water, open, suburban, urban, trees, dense urban; got 'forest'"),
        (radio.gas_attenuation, GAS, {"edition": 11}, "edition must be one of (12, 13); got 11"),
        (radio.gas_attenuation, GAS, {"dry_pressure_hpa": 0.0}, "dry_pressure_hpa must be > 0; got 0"),
        (radio.gas_attenuation, GAS, {"distance_km": -1.0}, "distance_km must be >= 0; got -1"),
        (radio.free_space_loss, {"distance_km": 1.0, "frequency_ghz": 1.0}, {"distance_km": 0.0},
         "distance_km must be > 0; got 0"),
        (radio.itm_area, AREA, {"tx_siting": "careless"},
         "tx_siting must be one of random, careful, very careful; got 'careless'"),
        (radio.itm_area, AREA, {"delta_h_m": -1.0}, "delta_h_m must be >= 0; got -1"),
    ]
]  # fmt: skip
DRAW = {"model": "UMa", "x_m": 100.0, "y_m": 50.0, "site_x_m": 0.0, "site_y_m": 0.0,
        "frequency_ghz": 3.5, "base_height_m": 25.0, "terminal_height_m": 1.5, "seed": 1}  # fmt: skip
BANDS = "5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100"
PANEL = radio.Antenna.parametric()
AROUND = [
    Spoilt(call, base, change, says)
    for call, base, change, says in [
        (radio.spectral_efficiency, {}, {"sinr_db": "good"}, "sinr_db must be numbers; got 'good'"),
        (radio.spectral_efficiency, {}, {"sinr_db": np.nan}, "sinr_db must be numbers; got nan"),
        (radio.spectral_efficiency, {"sinr_db": 3.0}, {"method": "shannon"},
         "method must be one of truncated-shannon, 38.214-cqi; got 'shannon'"),
        (radio.prb_count, {}, {"bandwidth_mhz": 55.0},
         f"bandwidth_mhz must be one of {BANDS} at 30 kHz; got 55"),
        (radio.prb_count, {}, {"bandwidth_mhz": None}, "bandwidth_mhz must be numbers; got None"),
        (radio.prb_count, {}, {"bandwidth_mhz": [20.0, 40.0]},
         "bandwidth_mhz must be one number; got shape (2,)"),
        (radio.tdd_share, {}, {"pattern": "DDX"},
         "pattern must be letters D, U and S, or 'FDD'; got 'DDX'"),
        (radio.iot_capacity, {}, {"coupling_loss_db": [130.0, np.nan]},
         "coupling_loss_db must be finite numbers; got [nan]"),
        (radio.iot_capacity, {}, {"coupling_loss_db": []},
         "coupling_loss_db must be finite numbers; got no values"),
        (radio.redcap_capacity, {"busy_mbps_per_device": 0.05}, {"sinr_db": [np.nan]},
         "sinr_db must be finite numbers; got [nan]"),
        (radio.redcap_capacity, {"busy_mbps_per_device": 0.05, "sinr_db": [3.0, 9.0]},
         {"weight": [1.0]}, "weight must be >= 0, not all 0, one for each of 2 sinr_db"),
        (radio.calibrate, {"model_db": [90.0, 95.0]}, {"measured_db": ["a", "b"]},
         "measured_db must be numbers; got 'a'"),
        (radio.calibrate, {"measured_db": [90.0, 95.0]}, {"model_db": [90.0]},
         "model_db must have one value for each of 2 points; got 1"),
        (radio.measured_loss_db, {"eirp_per_element_dbm": [30.0, 30.0]}, {"rsrp_dbm": [-90.0] * 3},
         SHAPES + "eirp_per_element_dbm (2,), rsrp_dbm (3,)"),
        (radio.spatial_blocks, {"x_m": [0.0, 1.0], "size_m": 100.0}, {"y_m": [0.0]},
         "y_m must have one value for each of 2 points; got 1"),
        (radio.area_reliability, {"sigma_db": 8.0, "exponent": 3.5}, {"margin_db": np.nan},
         "margin_db must be finite; got nan"),
        (radio.shadow_margin_db, {"sigma_db": 8.0, "exponent": 3.5}, {"reliability_ratio": 1.0},
         "reliability_ratio must be > 0 and < 1; got 1"),
        (radio.shadow_margin_db, {"sigma_db": 8.0, "exponent": 3.5}, {"reliability_ratio": "high"},
         "reliability_ratio must be numbers; got 'high'"),
        (radio.Antenna.parametric, {}, {"gain_dbi": "high"}, "gain_dbi must be numbers; got 'high'"),
        (radio.Antenna.parametric, {}, {"vertical_width_deg": 0.0},
         "vertical_width_deg must be > 0; got 0.0"),
        (radio.Antenna.array, {}, {"n_row": np.inf}, "n_row must be finite; got inf"),
        (PANEL.gain_dbi, {"elevation_deg": 0.0}, {"azimuth_deg": np.inf},
         "azimuth_deg must be finite; got inf"),
        (PANEL.gain_dbi, {"azimuth_deg": 0.0}, {"elevation_deg": 100.0},
         "elevation_deg must be -90 to 90; got 100.0"),
        (radio.draw_loss, DRAW, {"x_m": np.nan}, "x_m must be finite; got nan"),
        (radio.draw_loss, DRAW, {"site_correlation_ratio": 2.0},
         "site_correlation_ratio must be in 0..1; got 2.0"),
        (radio.served_ratio, {"link": radio.Link("UMa", 3.5, 25.0, 1.5, 130.0)},
         {"distance_2d_m": [-1.0]}, "distance_2d_m must be >= 0; got -1"),
        (radio.served_ratio, {"distance_2d_m": [100.0]},
         {"link": radio.Link("UMa", "n78", 25.0, 1.5, 130.0)},
         "frequency_ghz must be numbers; got 'n78'"),
    ]
]  # fmt: skip


@pytest.mark.parametrize("spoilt", PROFILES + CELLS + OTHERS + AROUND, ids=str)
def test_a_spoilt_call_is_one_sentence(spoilt):
    with pytest.raises(ValueError) as refused:
        spoilt.call(**(spoilt.base | spoilt.change))
    assert str(refused.value) == spoilt.says


@pytest.mark.parametrize(
    ("call", "base"),
    [
        (radio.profile_loss, LINK | {"model": P1812}),
        (radio.path_loss, CELL),
        (radio.building_entry_loss, P2109),
        (radio.clutter_loss, CLUTTER),
        (radio.gas_attenuation, GAS),
    ],
)
def test_a_misspelt_keyword_is_pythons_own_error(call, base):
    with pytest.raises(TypeError, match="unexpected keyword argument 'frequency_mhz'"):
        call(**base, frequency_mhz=700)


@pytest.mark.parametrize(
    ("model", "foreign"),
    [(P1812, "tx_gain_dbi"), (P452, "location_sigma_db"), (ITM, "clutter_m"), (ITM, "delta_n")],
)
def test_an_argument_of_another_model_is_refused(model, foreign):
    with pytest.raises(ValueError, match=f"{model} does not take {foreign}; it takes"):
        radio.profile_loss(model, **LINK, **{foreign: 1.0})


@pytest.mark.parametrize(
    ("call", "base", "change"),
    [
        (radio.profile_loss, LINK | {"model": P1812}, {"frequency_ghz": 6.1}),
        (radio.profile_loss, LINK | {"model": P1812}, {"distance_km": D / 100.0}),
        (radio.profile_loss, LINK | {"model": P1812}, {"rx_height_m": 0.9}),
        (radio.profile_loss, LINK | {"model": P452}, {"frequency_ghz": 0.05}),
        (radio.profile_loss, LINK | {"model": ITM}, {"frequency_ghz": 21.0}),
        (radio.profile_loss, LINK | {"model": ITM}, {"n0": 200.0}),
        (radio.path_loss, CELL, {"distance_2d_m": 5001.0}),
        (radio.path_loss, CELL, {"frequency_ghz": 0.4}),
        (radio.path_loss, CELL, {"base_height_m": 40.0}),
        (radio.building_entry_loss, BUILDING, {"frequency_ghz": 0.4}),
        (radio.building_entry_loss, P2109, {"frequency_ghz": 101.0}),
        (radio.clutter_loss, CLUTTER, {"frequency_ghz": 0.4}),
        (radio.clutter_loss, CLUTTER, {"distance_km": 0.1}),
        (radio.gas_attenuation, GAS, {"frequency_ghz": 0.9}),
        (radio.free_space_loss, {"distance_km": 1.0, "frequency_ghz": 1.0}, {"distance_km": 1e-4}),
        (radio.itm_area, AREA, {"tx_height_m": 0.4}),
    ],
)
def test_outside_the_stated_range_is_a_flag_beside_the_number(call, base, change):
    assert call(**base).valid
    told = call(**(base | change))
    assert not told.valid
    assert np.isfinite(told.loss_db)
    if hasattr(told, "why"):
        assert any(next(iter(change)) in why for why in told.why)
