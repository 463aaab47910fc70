"""Charging corridors: which service areas and town exits get fast-charging stations.

A system of passage. Trips between towns are laid over the motorways; a trip gets through where
stations stand so that a vehicle of the given range drives it there and back. So many stations as
the target asks are chosen that most trips get through, then each is sized for the vehicles that
stop in the peak hour of a plain day and of a holiday. What stands comes first: service areas with
piles are upgraded, others are shared, and only at town exits something new is built.

Formulas: docs/sectors/corridors.md. Meaning and origin of every setting:
``sectors/data/corridor_settings.csv``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Findings
from groundplan.quantity import Field
from groundplan.sectors.contract import (
    Action,
    AssetType,
    Catchment,
    Cost,
    Demand,
    EvidenceRule,
    Land,
    Layer,
    Measure,
    Network,
    Passage,
    Report,
    Sector,
    Settings,
    Sites,
    Sized,
    Sizing,
)
from groundplan.sectors.corridors_roads import build_network
from groundplan.sectors.corridors_standin import build_candidates, road_sites, stand_areas
from groundplan.sectors.fields import read_fields
from groundplan.sectors.places import ENVIRONMENTS, cell_environment
from groundplan.sectors.sites import count_openings, pick_sites

__all__ = ["CORRIDOR"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Trips are kept in hundredths.
TRIP_SCALE = 100
DAYS = 365.0
REGISTER = "the user's register, or the stand-in"
SIZING = "sizing of this plan"


def build_demand(land: Land, settings: Settings) -> IntArray:
    """Return the long electric trips that residents set out on, hundredths a year, (1, n_cell)."""
    yearly = settings["ev_per_person_ratio"] * settings["trips_per_day"] * DAYS
    return np.asarray(np.rint(land.people * (yearly * TRIP_SCALE)).astype(np.int64)[None, :])


def build_passage(land: Land, sites: Sites, settings: Settings) -> Network:
    """Return roads with the sites on them, and the trips that are to get through."""
    return build_network(land, sites, settings, build_demand(land, settings))


def service_parameters(settings: Settings) -> dict[str, Any]:
    """Return how far a vehicle drives between stops, to the first and from the last."""
    range_m = 1000.0 * settings["range_km"]
    return {
        "range_m": range_m,
        "start_range_m": range_m * settings["start_ratio"],
        "end_range_m": range_m * settings["end_ratio"],
        "n_environment": len(ENVIRONMENTS),
    }


def setting_rules(settings: Settings) -> Iterator[tuple[str, object, str, str]]:
    """Yield every rule between settings that they break."""
    if settings["chargers_min_count"] > settings["chargers_max_count"]:
        expected = f"at most chargers_max_count, {settings['chargers_max_count']}"
        yield "chargers_min_count", settings["chargers_min_count"], expected, "exchanged?"
    if settings["start_ratio"] + settings["end_ratio"] <= 0:
        yield "start_ratio", 0, "above 0 together with end_ratio", "no vehicle reaches a station"
    if settings["zone_apart_km"] < settings["town_apart_km"]:
        expected = f"at least town_apart_km, {settings['town_apart_km']:g}"
        yield "zone_apart_km", settings["zone_apart_km"], expected, "zones are made of towns"


def stop_hours(settings: Settings) -> float:
    """Return how long a stop takes a charger up."""
    power_kw = settings["charger_kw"] * settings["charger_mean_ratio"]
    return float(settings["stop_kwh"] / power_kw + settings["overhead_h"])


def chargers_needed(
    model: Callable[..., Any],
    stops_per_day: FloatArray,
    sides: IntArray,
    most: IntArray,
    settings: Settings,
) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return the chargers that keep both promises of waiting, and where `most` do not.

    Each side of the motorway has its own queue and half of the stops.
    """
    per_side = np.maximum(most // sides, 1)
    needed = np.zeros(stops_per_day.size, np.int64)
    short = np.zeros(stops_per_day.size, np.bool_)
    for factor, limit_h, exceed in (
        (1.0, settings["wait_limit_h"], settings["wait_exceed_ratio"]),
        (
            settings["holiday_ratio"],
            settings["holiday_wait_limit_h"],
            settings["holiday_exceed_ratio"],
        ),
    ):
        arrivals = stops_per_day * (factor * settings["peak_hour_ratio"]) / sides
        sized = model(arrivals, 1.0 / stop_hours(settings), limit_h, exceed, servers_max=per_side)
        short |= sized.servers < 0
        needed = np.maximum(needed, np.where(sized.servers < 0, per_side, sized.servers))
    return needed * sides, short


def build_sizing(
    model: Callable[..., Any],
    sites: Sites,
    chosen: NDArray[np.bool_],
    demand: FloatArray,
    settings: Settings,
    needed: int,
) -> Sized:
    """Size each station for the vehicles that stop there, and price it.

    `demand` are the kilometres that trips drive on what a station gives, in trips a year. Fast
    piles of an upgraded service area count toward the chargers: `Sized.servers` are all fast
    chargers of a station, ``added_chargers_count`` those that the plan buys.
    """
    del needed  # chargers follow from traffic alone
    stands = sites.action == Action.KEEP
    planned = chosen & ~stands
    kwh_per_km = settings["consumption_kwh_per_km"] * settings["underway_ratio"]
    stops = np.where(chosen, demand, 0.0) * (kwh_per_km / settings["stop_kwh"])
    sides = np.maximum(sites.attributes["sides_count"], 1)
    present = sites.attributes["fast_chargers_count"]
    least, most = settings["chargers_min_count"], settings["chargers_max_count"]
    ceiling = np.where(stands, np.maximum(present, sides), np.maximum(most, sides))
    wanted, short = chargers_needed(model, stops / DAYS, sides, ceiling, settings)
    reused = np.where(planned, np.minimum(present, most), 0)
    total = np.where(planned, np.maximum(np.maximum(wanted, least), reused), 0)
    added = total - reused
    peak_kw = settings["charger_kw"] * settings["simultaneous_ratio"]
    power_kw = np.where(stands, present, total) * peak_kw
    further = further_transformers(added, settings)
    price = added * settings["charger_cny"] + further * settings["transformer_cny"]
    chargers = np.where(planned, total, np.where(chosen, present, 0))
    peak_per_h = stops / DAYS * settings["peak_hour_ratio"]
    erlang = peak_per_h * settings["holiday_ratio"] * stop_hours(settings)
    return Sized(
        servers=chargers,
        load=stops,
        is_overloaded=chosen & short,
        capex_cny=np.where(planned, sites.capex_cny + price, 0),
        attributes={
            "stops_per_day": stops / DAYS,
            "peak_stops_per_h": peak_per_h,
            "holiday_stops_per_h": peak_per_h * settings["holiday_ratio"],
            "reused_chargers_count": reused,
            "added_chargers_count": np.where(planned, added, 0),
            "power_kw": np.where(chosen, power_kw, 0.0),
            "charger_use_ratio": erlang / np.maximum(chargers, 1),
        },
    )


def further_transformers(added: IntArray, settings: Settings) -> IntArray:
    """Return the transformers beyond the one in the station's price.

    Chargers taken in are fed already: those that the plan adds need power.
    """
    peak_kw = settings["charger_kw"] * settings["simultaneous_ratio"]
    count = np.ceil(added * peak_kw / settings["transformer_kw"]) - 1
    return np.asarray(np.maximum(count, 0)).astype(np.int64)


def quantities(
    sites: Sites, sized: Sized, planned: NDArray[np.bool_], settings: Settings
) -> dict[str, float]:
    """Return how much of each price the planned stations take."""
    added = sized.attributes["added_chargers_count"][planned]
    return {
        **count_openings(sites, planned, "station"),
        "charger_cny": float(added.sum()),
        "transformer_cny": float(further_transformers(added, settings).sum()),
        "station_opex_cny_per_year": float(planned.sum()),
    }


EXISTING_FIELDS = (
    Field(
        "station_id", str, doc="the owner's identifier of the service area, station or place",
        source="the user's register",
    ),
    Field(
        "kind", str, default="service_area",
        doc="service_area on a motorway, or town: a place at an exit where nothing stands",
        source="assumption: a register of corridors lists service areas",
        choices=("service_area", "town"),
    ),
    Field(
        "chargers_count", int, "count", default=0, ge=0,
        doc="charging piles that stand, both sides together", source="the user's register",
    ),
    Field(
        "fast_chargers_count", int, "count", default=0, ge=0,
        doc="of these, direct-current chargers that a fast-charging station takes in",
        source="the user's register",
    ),
    Field(
        "sides_count", int, "count", default=2, ge=1, le=2,
        doc="2 where each direction has its own half, with a queue of its own; 1 where both meet",
        source="assumption: service areas stand in pairs",
    ),
    Field(
        "is_fast", bool, default=False,
        doc="true where the station holds the promise of waiting already",
        source="assumption: it does not where the register does not say",
    ),
)  # fmt: skip


def sites_from_register(
    columns: Mapping[str, NDArray[Any]],
    x_m: FloatArray,
    y_m: FloatArray,
    land: Land,
    settings: Settings,
) -> Sites:
    """Return stations that stand (``KEEP``), areas with piles, areas without, and town places.

    Raises
    ------
    DataError
        With a finding for each row without an identifier of its own, with more fast chargers than
        chargers, with piles at a place where nothing stands, or fast without a fast charger.
    """
    del settings
    names = np.asarray(columns["station_id"]).astype(str)
    is_town = np.asarray(columns["kind"]).astype(str) == "town"
    piles, fast, sides = (
        np.asarray(columns[k]).astype(np.int64)
        for k in ("chargers_count", "fast_chargers_count", "sides_count")
    )
    is_fast = np.asarray(columns["is_fast"]).astype(bool)
    found = Findings("register of corridor stations")
    known: dict[str, int] = {}
    for row, name in enumerate(names.tolist()):
        if not name:
            found.add(row + 2, "station_id", "", "the identifier of a service area or place")
        elif name in known:
            hint = f"row {known[name]} has it"
            found.add(row + 2, "station_id", name, "an identifier of its own", hint)
        known.setdefault(name, row + 2)
    for at in np.flatnonzero(fast > piles).tolist():
        expected = f"at most {piles[at]}, its chargers_count"
        found.add(at + 2, "fast_chargers_count", int(fast[at]), expected, "are the two exchanged?")
    for at in np.flatnonzero(is_town & (piles > 0)).tolist():
        expected = "0 at a town place: nothing stands there"
        found.add(at + 2, "chargers_count", int(piles[at]), expected, "or kind = service_area")
    for at in np.flatnonzero(is_fast & (fast == 0)).tolist():
        expected = "at least 1 where is_fast is true"
        found.add(at + 2, "fast_chargers_count", 0, expected, "fill it in, or is_fast = false")
    found.raise_if_any(DataError)
    action = np.where(
        is_fast,
        Action.KEEP,
        np.where(piles > 0, Action.UPGRADE, np.where(is_town, Action.NEW, Action.SHARE)),
    )
    sites = road_sites(
        land,
        x_m,
        y_m,
        action,
        {
            "chargers_count": piles,
            "fast_chargers_count": fast,
            "sides_count": np.where(is_town, 1, sides),
        },
    )
    order = np.argsort(action != Action.KEEP, kind="stable")
    return replace(pick_sites(sites, order), outside_id=[str(name) for name in names[order]])


def whole(name: str, doc: str, source: str = SIZING) -> Field:
    """Return a counted column of the asset table."""
    return Field(name, int, "count", ge=0, doc=doc, source=source)


def number(name: str, unit: str, doc: str) -> Field:
    """Return a measured column of the asset table."""
    return Field(name, float, unit, ge=0, doc=doc, source=SIZING)


COLUMNS = (
    whole("chargers_count", "charging piles that stand here today, both sides", REGISTER),
    whole("fast_chargers_count", "of these, such as a fast-charging station takes in", REGISTER),
    whole("sides_count", "halves with a queue of their own", REGISTER),
    number("stops_per_day", "per day", "vehicles that stop on a plain day, both ways"),
    number("peak_stops_per_h", "per hour", "of these, in the busiest hour"),
    number("holiday_stops_per_h", "per hour", "in the busiest hour of a holiday"),
    whole("reused_chargers_count", "existing fast chargers taken in"),
    whole("added_chargers_count", "new chargers"),
    number("power_kw", "kW", "peak power under load management"),
    number("charger_use_ratio", "1", "load of the holiday's peak hour over chargers"),
)


def peak_table(settings: Settings) -> dict[str, Any]:
    """Return which columns of the stations are added up, and what they rest on."""
    limits = [round(60.0 * settings[name]) for name in ("wait_limit_h", "holiday_wait_limit_h")]
    shares = [settings[name] for name in ("wait_exceed_ratio", "holiday_exceed_ratio")]
    stop_kwh, factor = settings["stop_kwh"], settings["holiday_ratio"]
    return {
        "columns": {
            "stops_per_day": ("stops a day", "日充电次数"),
            "holiday_stops_per_h": ("stops in the holiday's peak hour", "假日高峰小时充电次数"),
            "reused_chargers_count": ("chargers taken in", "利用现有桩"),
        },
        "note": (
            f"A stop takes {stop_kwh:g} kWh; a holiday has {factor:g} times the stops of a plain "
            f"day. Promise: at most {shares[0]:.0%} wait longer than {limits[0]} min in the peak "
            f"hour of a plain day, at most {shares[1]:.0%} longer than {limits[1]} min in that of "
            "a holiday."
        ),
        "note_zh": (
            f"每次充电{stop_kwh:g}千瓦时；假日充电次数为平日的{factor:g}倍。承诺：平日高峰小时等待超过"
            f"{limits[0]}分钟者不多于{shares[0]:.0%}，假日高峰小时超过{limits[1]}分钟者不多于"
            f"{shares[1]:.0%}。"
        ),
    }


def road_table(settings: Settings) -> dict[str, Any]:
    """Return what the shares of the roads rest on."""
    range_km = settings["range_km"]
    return {
        "note": f"A vehicle drives {range_km:g} km between two stops.",
        "note_zh": f"车辆两次充电之间行驶{range_km:g}公里。",
    }


CORRIDOR = Sector(
    key="corridor",
    title="Charging corridors",
    title_zh="高速走廊充电",
    doc="Fast-charging stations at service areas and town exits, so that long trips get through.",
    layers=(Layer("long", "Long-distance trips", "长途出行"),),
    environments=ENVIRONMENTS,
    measures=(
        Measure(
            "corridor_station",
            "stations",
            "service area or exit, both sides together",
            "A pair of service areas, or a town exit, with a fast-charging station that keeps the "
            "promise of waiting; counted apart from the smart stations of towns.",
        ),
        Measure(
            "corridor_charger",
            "chargers",
            "EVSE identity",
            "A fast charger of a corridor station, those taken in included; no public facility of "
            "the programme is counted here a second time.",
            counts="servers",
        ),
    ),
    assets=(AssetType("corridor_station", "Corridor station", "走廊充电站", COLUMNS),),
    settings=read_fields("corridor_settings"),
    demand=Demand("resident", "trips/year", build_demand),
    candidates=build_candidates,
    standin=stand_areas,
    existing_fields=EXISTING_FIELDS,
    from_register=sites_from_register,
    service=Catchment("range", service_parameters, cell_environment, decided_by="cell"),
    sizing=Sizing("erlang_c", build_sizing),
    cost=Cost(read_fields("corridor_costs"), price_year=2023, bill=quantities),
    passage=Passage("flow_refueling", build_passage),
    reports=(
        Report("station_peaks", "Stops and chargers", "充电次数与充电桩", peak_table),
        Report("roads", "Which roads let trips through", "各路段通过率", road_table),
    ),
    rules=setting_rules,
    evidence=(
        EvidenceRule(
            protocol="OCPP 1.6 / 2.0.1",
            observation=(
                "at least the planned number of connectors of the station neither Faulted nor "
                "Unavailable on each side, and a session of 60 kW or more within the window"
            ),
            max_age_s=86400,
            doc=(
                "A corridor station counts while its chargers on both sides answer; a pair of "
                "service areas is one station and is not counted among the smart stations."
            ),
            doc_zh="两侧充电桩均在线应答时计为一座走廊充电站；一对服务区计一座，不重复计入智能充电站。",
        ),
        EvidenceRule(
            protocol="OCPP 1.6 / 2.0.1 transactions of a holiday",
            observation="hourly sessions and arrivals that found no free charger, all days",
            max_age_s=31_536_000,
            doc="The promise of waiting counts as kept when a holiday's hours show it.",
            doc_zh="等待时间承诺须以节假日逐小时会话数据核验。",
        ),
    ),
    limits=(
        (
            "Where trips begin and end is a gravity law over residents unless the study names a "
            "table of traffic; through traffic of other provinces is then left out."
        ),
        "One range for all vehicles; they keep to the shortest road and make no detour to charge.",
        (
            "A station's room and feeder are not checked; where the most chargers allowed do not "
            "keep the promise the station is marked, and more stations are the remedy."
        ),
        (
            "Stops are shared among the open stations of a road by distance; drivers who all "
            "choose the same one would wait longer."
        ),
        "Without a road file and a register the network and the service areas are stand-ins.",
    ),
    limits_zh=(
        "未提供交通量表时，出行起讫按人口引力模型推算，不含外省过境交通。",
        "所有车辆按同一续航计算；车辆沿最短路径行驶，不绕行充电。",
        "未核查场地与馈线；达到允许上限仍不能兑现承诺的站会标出，需增设站点。",
        "停车充电量按距离在沿线各站间分摊；若集中于一站，等待会更长。",
        "未提供路网与台账时，路网与服务区均为替代数据。",
    ),
    toy_value=1_583_043,
)
