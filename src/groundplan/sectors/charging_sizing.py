"""How many chargers a smart station needs in each hour, and how much its feeder must give."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.charging_segments import (
    DAYS,
    HOURS,
    PARKED,
    SEGMENTS,
    arriving_kwh,
    captured_kwh,
    session_kwh,
    stays_h,
)
from groundplan.sectors.contract import Action, Settings, Sites, Sized
from groundplan.sectors.sites import count_openings

__all__ = ["Chargers", "Feeders", "build_sizing", "day_energy", "quantities", "raise_to", "waits"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Steps of an hour in the reckoning of feeders: about as long as a fast session.
PARTS = 2
#: Undelivered energy below this share of the day's is nothing.
NOTHING_RATIO = 1e-3


class Chargers(NamedTuple):
    """Fast and slow chargers of each station."""

    fast: IntArray
    slow: IntArray


class Feeders(NamedTuple):
    """Least feeder limits of each station, kW."""

    smart_kw: FloatArray
    uncontrolled_kw: FloatArray


def raise_to(servers: IntArray, load: FloatArray, most: IntArray, missing: int) -> IntArray:
    """Add `missing` chargers, each where the load per charger is then highest.

    The i-th charger added at a station with c of them has priority ``load / (c + i)``; these fall
    with i, so taking the highest of all is the same as adding one by one.

    Parameters
    ----------
    servers, most : (n,) int64
        Chargers now, and ceiling.
    load : (n,) float64
        Offered load, Erlang.

    Returns
    -------
    (n,) int64
        The new counts; fewer than asked where every ceiling is reached.
    """
    room = np.maximum(most - servers, 0)
    if missing <= 0 or not room.any():
        return servers
    station = np.repeat(np.arange(servers.size), room)
    step = np.arange(station.size) - np.repeat(np.cumsum(room) - room, room)
    priority = load[station] / np.maximum(servers[station] + step, 1)
    order = np.lexsort((station, step, -priority))[:missing]
    return servers + np.bincount(station[order], minlength=servers.size)


def day_energy(energy: FloatArray, settings: Settings, day: str) -> FloatArray:
    """Return the energy that arrives in each step of the reckoning of feeders, kWh."""
    return np.repeat(arriving_kwh(energy, settings, day), PARTS, axis=-1) / PARTS


def windows(settings: Settings) -> IntArray:
    """Return the steps within which a car of each segment takes its energy."""
    steps = np.floor(stays_h(settings) * PARTS + 1e-9).astype(np.int64)
    return np.where(PARKED, np.maximum(steps, 1), 1)


def car_kw(settings: Settings) -> FloatArray:
    """Return the mean power of a car of each segment."""
    fast_kw = settings["charger_kw"] * settings["charger_mean_ratio"]
    return np.asarray(np.where(PARKED, settings["slow_kw"], fast_kw))


def waits(
    models: Any, energy: FloatArray, settings: Settings, day: str, **options: Any
) -> tuple[Any, Any]:
    """Return the queues at fast and at slow chargers on a day; see `groundplan.models.day_queue`.

    `options` of each are given as pairs (fast, slow).
    """
    rate = arriving_kwh(energy, settings, day) / session_kwh(settings)[None, :, None]
    stay = stays_h(settings)
    told = [
        models.queue(
            rate[:, which],
            stay[which],
            settings["wait_limit_h"],
            settings["wait_exceed_ratio"],
            **{name: pair[number] for name, pair in options.items()},
        )
        for number, which in enumerate((~PARKED, PARKED))
    ]
    return told[0], told[1]


def step_ratio(settings: Settings) -> FloatArray:
    """Return the largest share of its energy that a car of each segment takes in a step."""
    ratio = car_kw(settings) / PARTS / session_kwh(settings)
    return np.asarray(np.where(PARKED, ratio, 1.0))


def feeders(
    models: Any, energy: FloatArray, chargers: Chargers, settings: Settings, day: str
) -> Feeders:
    """Return the least feeder limits with and without smart charging.

    Both are meant to hold on all but `feeder_exceed_ratio` of days: each step of the day takes an
    equal part of it. Neither is more than what the chargers can draw together.
    """
    margin = NormalDist().inv_cdf(1.0 - settings["feeder_exceed_ratio"] / (HOURS * PARTS))
    arriving, session = day_energy(energy, settings, day), session_kwh(settings)
    smart_kw = models.peak(
        arriving,
        windows(settings),
        step_ratio=step_ratio(settings),
        spread_kwh=session,
        margin=margin,
    )
    at_once = models.uncontrolled(arriving[:, PARKED], session[PARKED], car_kw(settings)[PARKED])
    drawn = arriving.copy()
    drawn[:, PARKED] = at_once
    # what one car draws within a step
    spread = np.where(PARKED, np.minimum(car_kw(settings) / PARTS, session), session)
    ones = np.ones(len(SEGMENTS), np.int64)
    uncontrolled_kw = models.peak(drawn, ones, spread_kwh=spread, margin=margin)
    nameplate_kw = chargers.fast * settings["charger_kw"] + chargers.slow * settings["slow_kw"]
    uncontrolled_kw = np.minimum(uncontrolled_kw, nameplate_kw)
    # charging at once is a schedule as well
    return Feeders(np.minimum(smart_kw, uncontrolled_kw), uncontrolled_kw)


def undelivered_kwh(
    models: Any, energy: FloatArray, limit_kw: FloatArray, settings: Settings, day: str
) -> FloatArray:
    """Return the energy of a mean day that a feeder limit leaves undelivered, (n_site,)."""
    told = models.day(
        day_energy(energy, settings, day),
        windows(settings),
        session_kwh(settings),
        car_kw(settings),
        limit_kw,
    )
    return np.asarray(told.undelivered_kwh.sum(axis=-1))


def standing(sites: Sites, at: IntArray) -> Chargers:
    """Return the chargers that stand at the sites: direct-current ones are fast.

    At a smart station whose register tells no direct-current ones all are taken to be fast.
    """
    total = sites.attributes["chargers_count"][at].astype(np.int64)
    direct = np.minimum(sites.attributes["dc_chargers_count"][at].astype(np.int64), total)
    untold = (sites.action[at] == Action.KEEP) & (direct == 0)
    fast = np.where(untold, total, direct)
    return Chargers(fast, total - fast)


def size_chargers(
    models: Any,
    energy: FloatArray,
    present: Chargers,
    planned: NDArray[np.bool_],
    settings: Settings,
    needed: int,
) -> tuple[Chargers, NDArray[np.bool_]]:
    """Return the chargers of each station, and where even the most break the promise.

    Planned stations take in what stands and add what the days they are sized for need; where that
    adds up to less than `needed`, fast ones follow one by one to the highest load per charger.
    """
    room = Chargers(
        np.where(planned, settings["chargers_max_count"], 0),
        np.where(planned, settings["slow_max_count"], 0),
    )
    most = Chargers(present.fast + room.fast, present.slow + room.slow)
    wanted = [np.zeros(planned.size, np.int64), np.zeros(planned.size, np.int64)]
    over = np.zeros(planned.size, np.bool_)
    load = np.zeros(planned.size)
    for day in DAYS[: 1 + DAYS.index(settings["sized_for"])]:
        ceiling = (np.maximum(most.fast, 1), np.maximum(most.slow, 1))
        told = waits(models, energy, settings, day, servers_max=ceiling)
        load = np.maximum(load, told[0].load.max(axis=-1, initial=0.0))
        for number, queue in enumerate(told):
            lacks = (queue.servers < 0) | (queue.servers > most[number])
            over |= lacks
            wanted[number] = np.maximum(
                wanted[number], np.where(lacks, most[number], queue.servers)
            )
    least = np.where(planned, settings["chargers_min_count"], 0)
    fast = np.where(planned, np.clip(wanted[0] - present.fast, least, room.fast), 0)
    slow = np.where(planned, np.clip(wanted[1] - present.slow, 0, room.slow), 0)
    missing = needed - int(fast.sum()) - int(slow.sum())
    total = raise_to(present.fast + fast, load, np.where(planned, most.fast, 0), missing)
    return Chargers(total, present.slow + slow), over


def build_sizing(
    models: Any,
    sites: Sites,
    chosen: NDArray[np.bool_],
    demand: FloatArray,
    settings: Settings,
    needed: int,
) -> Sized:
    """Size each smart station so that every hour keeps the waiting promise, and price it.

    `models` are ``queue``, ``peak``, ``day`` and ``uncontrolled`` of the plan's kind
    ``"station_day"``; `demand` is (n_site, n_segment), kWh a day. Stations that stand keep their
    chargers and are flagged where these are too few. `Sized.servers` are the chargers that the
    plan *adds*, fast and slow (all of them where a station stands already).
    """
    at = np.flatnonzero(chosen)
    planned = sites.action[at] != Action.KEEP
    present = standing(sites, at)
    energy = captured_kwh(demand[at], settings)
    # where no slow charger stands nor can be added nobody parks to charge
    without = ~planned & (present.slow == 0)
    energy[np.ix_(without, PARKED)] = 0.0
    chargers, over = size_chargers(models, energy, present, planned, settings, needed)
    added = Chargers(
        np.where(planned, chargers.fast - present.fast, 0),
        np.where(planned, chargers.slow - present.slow, 0),
    )
    worst = {}
    broken = {}
    for day in DAYS:
        told = waits(models, energy, settings, day, servers=(chargers.fast, chargers.slow))
        exceed = np.maximum(told[0].p_exceed, told[1].p_exceed)
        worst[day] = exceed.max(axis=-1, initial=0.0)
        broken[day] = (exceed > settings["wait_exceed_ratio"]).sum(axis=-1).astype(np.float64)
        if day == DAYS[0]:
            use = told[0].load.max(axis=-1, initial=0.0) / np.maximum(chargers.fast, 1)
    power = [
        feeders(models, energy, chargers, settings, day)
        for day in DAYS[: 1 + DAYS.index(settings["sized_for"])]
    ]
    smart_kw = np.max([p.smart_kw for p in power], axis=0)
    uncontrolled_kw = np.max([p.uncontrolled_kw for p in power], axis=0)
    known_kw = sites.attributes["feeder_kw"][at]
    limit_kw = np.where(known_kw > 0, known_kw, settings["feeder_limit_kw"])
    power_kw = np.where(limit_kw > 0, np.minimum(smart_kw, limit_kw), smart_kw)
    fed_kw = np.where(
        known_kw > 0,
        known_kw,
        settings["simultaneous_ratio"]
        * (present.fast * settings["charger_kw"] + present.slow * settings["slow_kw"]),
    )
    left = {day: undelivered_kwh(models, energy, power_kw, settings, day) for day in DAYS}
    # a feeder that starves its weekday is no better than chargers that do
    over |= left[DAYS[0]] > NOTHING_RATIO * energy.sum(axis=1)
    further = further_transformers(power_kw - fed_kw, settings)
    saved = further_transformers(uncontrolled_kw - fed_kw, settings) - further
    capex = np.where(
        planned,
        sites.capex_cny[at]
        + (added.fast - settings["chargers_min_count"]) * settings["charger_cny"]
        + added.slow * settings["slow_charger_cny"]
        + further * settings["transformer_cny"],
        0,
    )
    n_added = added.fast + added.slow
    fresh = planned & (sites.action[at] != Action.UPGRADE)
    connectors = np.rint(added.fast * settings["connectors_per_charger_ratio"]) + added.slow
    columns: dict[str, NDArray[Any]] = {
        "reused_chargers_count": np.where(planned, present.fast + present.slow, 0),
        "added_chargers_count": n_added,
        "added_fast_count": added.fast,
        "added_slow_count": added.slow,
        "added_transformers_count": np.where(planned, further, 0),
        "fast_chargers_count": chargers.fast,
        "slow_chargers_count": chargers.slow,
        "added_connectors_count": connectors.astype(np.int64),
        "new_station_count": fresh.astype(np.int64),
        **{f"{s.key}_kwh_per_day": energy[:, i] for i, s in enumerate(SEGMENTS)},
        "charger_use_ratio": use,
        "weekday_exceed_ratio": worst["weekday"],
        "holiday_exceed_ratio": worst["holiday"],
        "weekday_broken_h": broken["weekday"],
        "holiday_broken_h": broken["holiday"],
        "power_kw": power_kw,
        "smart_peak_kw": smart_kw,
        "uncontrolled_peak_kw": uncontrolled_kw,
        "undelivered_kwh_per_day": left["weekday"],
        "holiday_undelivered_kwh_per_day": left["holiday"],
        "added_chargers_cny": added.fast * settings["charger_cny"]
        + added.slow * settings["slow_charger_cny"],
        "transformer_saved_cny": np.where(planned, saved * settings["transformer_cny"], 0),
    }
    n = len(sites)
    return Sized(
        servers=spread(np.where(planned, n_added, chargers.fast + chargers.slow), at, n),
        load=np.where(chosen, demand.sum(axis=-1), 0.0),
        is_overloaded=spread(over, at, n),
        capex_cny=spread(capex.astype(np.int64), at, n),
        attributes={name: spread(column, at, n) for name, column in columns.items()},
    )


def further_transformers(power_kw: FloatArray, settings: Settings) -> IntArray:
    """Return the transformers beyond the one in the station's price."""
    count = np.ceil(np.maximum(power_kw, 0.0) / settings["transformer_kw"] - 1e-9)
    return np.asarray(np.maximum(count - 1, 0)).astype(np.int64)


def spread(values: NDArray[Any], at: IntArray, n: int) -> NDArray[Any]:
    """Return a column over all sites from that of the chosen ones, 0 elsewhere."""
    column = np.zeros(n, values.dtype)
    column[at] = values
    return column


def quantities(
    sites: Sites, sized: Sized, planned: NDArray[np.bool_], settings: Settings
) -> dict[str, float]:
    """Return how much of each price the planned stations take."""
    del settings

    def added(name: str) -> float:
        return float(sized.attributes[f"added_{name}_count"][planned].sum())

    return {
        **count_openings(sites, planned, "station"),
        "charger_cny": added("fast"),
        "slow_charger_cny": added("slow"),
        "transformer_cny": added("transformers"),
        "station_opex_cny_per_year": float(planned.sum()),
    }
