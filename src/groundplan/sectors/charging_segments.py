"""Who charges in public, how much, when they come and how long they stay.

Four segments share the energy of each cell by its class of land; the last takes the rest, so that
they always add up to the demand. Two are parked and may be charged later than they arrive: they
stand at slow chargers. Two wait for their energy: they take fast chargers. A day is a weekday or
a day of the holiday peak.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.contract import Settings
from groundplan.sectors.places import ENVIRONMENTS

__all__ = [
    "DAYS",
    "HOURS",
    "PARKED",
    "SEGMENTS",
    "arriving_kwh",
    "captured_kwh",
    "segment_shares",
    "session_kwh",
    "setting_rules",
    "stays_h",
]

FloatArray = NDArray[np.float64]


class Segment(NamedTuple):
    """A way of charging: key of its settings, titles, whether the car is parked meanwhile."""

    key: str
    title: str
    title_zh: str
    is_parked: bool


SEGMENTS = (
    Segment("resident", "overnight", "居民夜间", True),
    Segment("destination", "destination", "单位与目的地", True),
    Segment("fleet", "taxi", "出租与网约车", False),
    Segment("passing", "passing", "途经车辆", False),
)
#: Which of them stand at slow chargers.
PARKED = np.array([s.is_parked for s in SEGMENTS])
DAYS = ("weekday", "holiday")
HOURS = 24


def segment_shares(settings: Settings) -> FloatArray:
    """Return the share of each segment in the energy of each class of land, columns add up to 1."""
    named = np.array(
        [[settings[f"{s.key}_{place}_ratio"] for place in ENVIRONMENTS] for s in SEGMENTS[:-1]]
    )
    return np.vstack([named, np.maximum(1.0 - named.sum(axis=0), 0.0)])


def session_kwh(settings: Settings) -> FloatArray:
    """Return the energy of one session of each segment, kWh."""
    ratio = np.array([settings[f"{s.key}_session_ratio"] for s in SEGMENTS])
    return np.asarray(settings["session_kwh"] * ratio)


def stays_h(settings: Settings) -> FloatArray:
    """Return how long a car of each segment holds its charger, hours."""
    fast_kw = settings["charger_kw"] * settings["charger_mean_ratio"]
    waits = session_kwh(settings) / fast_kw + settings["overhead_h"]
    dwell = np.array([settings.get(f"{s.key}_dwell_h", 0.0) for s in SEGMENTS])
    return np.asarray(np.where(PARKED, dwell, waits))


def weights_of(text: str) -> tuple[FloatArray | None, str]:
    """Return 24 weights that add up to 1, or None and what is wrong with the text."""
    words = text.replace(",", " ").split()
    try:
        told = np.array([float(word) for word in words])
    except ValueError:
        return None, "a word that is no number"
    if told.size != HOURS:
        return None, f"{told.size} numbers"
    if not np.isfinite(told).all() or (told < 0).any():
        return None, "a weight below 0 or not finite"
    if not told.sum() > 0:
        return None, "no weight above 0"
    return told / told.sum(), ""


def day_profile(settings: Settings, day: str) -> FloatArray:
    """Return the energy that arrives in each hour over the energy of a weekday, (n_segment, 24)."""
    rows = []
    for s in SEGMENTS:
        weights, fault = weights_of(settings[f"{s.key}_{day}_profile"])
        if weights is None:
            raise ValueError(f"{s.key}_{day}_profile: {fault}")
        rows.append(weights * (settings[f"{s.key}_holiday_ratio"] if day == "holiday" else 1.0))
    return np.array(rows)


def captured_kwh(demand: FloatArray, settings: Settings) -> FloatArray:
    """Return what smart stations draw of the energy within reach, (n_site, n_segment)."""
    ratio = np.array([settings[f"{s.key}_capture_ratio"] for s in SEGMENTS])
    return np.asarray(demand * ratio)


def arriving_kwh(energy: FloatArray, settings: Settings, day: str) -> FloatArray:
    """Return the energy that arrives in each hour, (n_site, n_segment, 24).

    Parameters
    ----------
    energy : (n_site, n_segment) float64
        Of a weekday, kWh.
    """
    return np.asarray(energy[:, :, None] * day_profile(settings, day)[None])


def setting_rules(settings: Settings) -> Iterator[tuple[str, object, str, str]]:
    """Yield every rule between settings that they break."""
    for place in ENVIRONMENTS:
        named = [f"{s.key}_{place}_ratio" for s in SEGMENTS[:-1]]
        total = sum(settings[name] for name in named)
        if total > 1.0 + 1e-9:
            expected = f"at most 1 together with {named[0]} and {named[1]}"
            yield named[2], settings[named[2]], expected, f"they add up to {total:g}"
    for s in SEGMENTS:
        for day in DAYS:
            name = f"{s.key}_{day}_profile"
            weights, fault = weights_of(settings[name])
            if weights is None:
                yield name, settings[name], "24 numbers >= 0, midnight first", f"it has {fault}"
    energy, stay = session_kwh(settings), stays_h(settings)
    for number in np.flatnonzero(PARKED).tolist():
        s, most = SEGMENTS[number], stay[number] * settings["slow_kw"]
        if energy[number] > most * (1.0 + 1e-9):
            expected = f"long enough for a session of {energy[number]:.1f} kWh"
            hint = f"at {settings['slow_kw']:g} kW only {most:.1f} kWh fit"
            yield f"{s.key}_dwell_h", settings[f"{s.key}_dwell_h"], expected, hint
    for number in np.flatnonzero(~PARKED).tolist():
        if stay[number] > HOURS:
            hint = f"a session of {SEGMENTS[number].key} would take {stay[number]:.1f} h"
            yield "charger_kw", settings["charger_kw"], "a session within a day", hint
    if settings["slow_kw"] >= settings["charger_kw"]:
        expected = f"below charger_kw, {settings['charger_kw']:g}"
        yield "slow_kw", settings["slow_kw"], expected, "are the two exchanged?"
