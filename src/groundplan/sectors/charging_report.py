"""What smart stations see over the hours of a day: for the tables beside the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.charging_segments import (
    DAYS,
    HOURS,
    PARKED,
    SEGMENTS,
    arriving_kwh,
    session_kwh,
)
from groundplan.sectors.charging_sizing import (
    PARTS,
    car_kw,
    day_energy,
    step_ratio,
    waits,
    windows,
)
from groundplan.sectors.contract import Settings

__all__ = ["Hours", "class_parameters", "hours_of_day", "hours_parameters", "promise_parameters"]

FloatArray = NDArray[np.float64]


class Hours(NamedTuple):
    """A day at the stations of a plan, all together, by hour.

    Attributes
    ----------
    arriving_kwh : (n_segment, 24) float64
        Energy of the cars that arrive.
    sessions : (n_segment,) float64
        Of the day.
    exceed_ratio : (24,) float64
        Share of the arriving drivers that wait longer than the limit.
    broken_count : (24,) int64
        Stations where more wait than may.
    uncontrolled_kw, smart_kw : (24,) float64
        Load of a mean day if every car charges on arrival, and if each station keeps to the least
        limit of that day.
    undelivered_kwh : float
        Energy of the day that the planned limits leave undelivered.
    """

    arriving_kwh: FloatArray
    sessions: FloatArray
    exceed_ratio: FloatArray
    broken_count: NDArray[np.int64]
    uncontrolled_kw: FloatArray
    smart_kw: FloatArray
    undelivered_kwh: float


def hours_of_day(
    models: Any, columns: Mapping[str, NDArray[Any]], settings: Settings, day: str
) -> Hours:
    """Return a day at stations, from their columns in the asset table.

    Parameters
    ----------
    models : tuple
        As for sizing.
    columns : mapping of str to (n_site,) array
        What sizing gave for the stations of the plan.
    day : str
        ``"weekday"`` or ``"holiday"``.
    """
    energy = np.column_stack([columns[f"{s.key}_kwh_per_day"] for s in SEGMENTS])
    arriving, session = arriving_kwh(energy, settings, day), session_kwh(settings)
    sessions = arriving / session[None, :, None]
    chargers = (columns["fast_chargers_count"], columns["slow_chargers_count"])
    told = waits(models, energy, settings, day, servers=chargers)
    most = settings["wait_exceed_ratio"]
    late = sum(
        queue.p_exceed * sessions[:, which].sum(axis=1)
        for queue, which in zip(told, (~PARKED, PARKED), strict=True)
    )
    came = sessions.sum(axis=(0, 1))
    broken = np.maximum(told[0].p_exceed, told[1].p_exceed) > most
    steps = day_energy(energy, settings, day)
    at_once = steps.copy()
    at_once[:, PARKED] = models.uncontrolled(
        steps[:, PARKED], session[PARKED], car_kw(settings)[PARKED]
    )
    window, car = windows(settings), car_kw(settings)
    least_kw = models.peak(steps, window, step_ratio=step_ratio(settings))
    levelled = models.day(steps, window, session, car, least_kw)
    planned = models.day(steps, window, session, car, columns["power_kw"])
    return Hours(
        arriving.sum(axis=0),
        sessions.sum(axis=(0, 2)),
        np.divide(np.sum(late, axis=0), came, out=np.zeros(HOURS), where=came > 0),
        broken.sum(axis=0),
        at_once.sum(axis=(0, 1)).reshape(HOURS, PARTS).sum(axis=1),
        levelled.load_kw.sum(axis=0).reshape(HOURS, PARTS).mean(axis=1),
        float(planned.undelivered_kwh.sum()),
    )


def hours_parameters(settings: Settings) -> dict[str, Any]:
    """Return what the report by hour takes."""
    return {
        "titles": tuple((s.title, s.title_zh) for s in SEGMENTS),
        "days": DAYS,
        "hours": lambda models, columns, day: hours_of_day(models, columns, settings, day),
    }


def class_parameters(settings: Settings) -> dict[str, Any]:
    """Return what the report of the two classes takes: measure, parts and the price of a unit.

    A part is titles and the asset column that counts it.
    """
    return {
        "facility": "public_facility",
        "parts": (
            ("fast chargers", "快充桩", "added_fast_count", settings["charger_cny"]),
            ("slow chargers", "慢充桩", "added_slow_count", settings["slow_charger_cny"]),
        ),
    }


def promise_parameters(settings: Settings) -> dict[str, Any]:
    """Return what the report of the promise and of feeders takes."""
    return {
        **hours_parameters(settings),
        "session_kwh": settings["session_kwh"],
        "limit_min": 60.0 * settings["wait_limit_h"],
        "exceed_ratio": settings["wait_exceed_ratio"],
        "nameplate_kw": lambda columns: float(
            columns["fast_chargers_count"].sum() * settings["charger_kw"]
            + columns["slow_chargers_count"].sum() * settings["slow_kw"]
        ),
        "feeder_exceed_ratio": settings["feeder_exceed_ratio"],
        "is_sized_for_holiday": settings["sized_for"] == DAYS[1],
        "for_holiday": {**settings, "sized_for": DAYS[1]},
    }
