"""Smart public charging stations: which stations and lots to equip, and with how many chargers.

One layer. Demand is the energy that vehicles of residents charge in public, kWh a day. A cell is
served when a *smart* station (one that takes power limits and reports its meters) is within
reach. Ordinary stations do not give that service, so they are no supply of this layer: they are
the first hosts for it. Choosing among them, existing lots and new land, the plan brings the most
energy within reach of a smart station; sizing then gives each enough chargers for its peak hour.

Formulas: docs/sectors/charging.md, docs/method/queues.md. Meaning and origin of every setting:
``sectors/data/charging_settings.csv``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.quantity import Field
from groundplan.sectors.charging_feeds import CHARGING_FEEDS
from groundplan.sectors.charging_standin import build_candidates, stand_stations
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
    Sector,
    Settings,
    Sites,
    Sized,
    Sizing,
)
from groundplan.sectors.fields import read_fields
from groundplan.sectors.places import ENVIRONMENTS, cell_environment, density_at, environment_of

__all__ = ["CHARGING"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Demand is kept in hundredths of a kWh a day.
ENERGY_SCALE = 100
#: Where a column tells what stands today.
REGISTER = "the user's register, or the stand-in"


def build_demand(land: Land, settings: Settings) -> IntArray:
    """Return the public charging energy of each cell, hundredths of kWh a day.

    ``residents * vehicles per resident * kWh per vehicle and day * public share``.
    """
    kwh_per_person = (
        settings["ev_per_person_ratio"] * settings["vehicle_kwh_per_day"] * settings["public_ratio"]
    )
    energy = np.rint(land.people * (kwh_per_person * ENERGY_SCALE)).astype(np.int64)
    return np.asarray(energy[None, :])


def service_parameters(settings: Settings) -> dict[str, Any]:
    """Return how far residents of each class of land go, metres, (1, n_environment)."""
    return {"reach_m": np.array([[1000.0 * settings[f"access_{e}_km"] for e in ENVIRONMENTS]])}


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


def build_sizing(
    model: Callable[..., Any],
    sites: Sites,
    chosen: NDArray[np.bool_],
    demand: FloatArray,
    settings: Settings,
    needed: int,
) -> Sized:
    """Size each smart station for its peak hour, and price it.

    Stations that stand keep their chargers and are flagged where these are too few. Arrivals are
    the captured energy of the peak hour over the energy of a session; the least
    chargers keep the share that waits too long under its limit. Existing direct-current piles of
    an upgraded station count toward them: `Sized.servers` are the chargers that the plan *adds*
    (all of them where nothing stood). Where they do not add up to `needed`, further chargers go
    one by one to the highest load per charger.
    """
    stands = sites.action == Action.KEEP
    planned = chosen & ~stands
    arrivals = (
        np.where(chosen, demand, 0.0)
        * settings["capture_ratio"]
        * settings["peak_hour_ratio"]
        / settings["session_kwh"]
    )
    session_h = (
        settings["session_kwh"] / (settings["charger_kw"] * settings["charger_mean_ratio"])
        + settings["overhead_h"]
    )
    reused = np.where(planned, sites.attributes["dc_chargers_count"], 0).astype(np.int64)
    least, most = settings["chargers_min_count"], settings["chargers_max_count"]
    present = sites.attributes["chargers_count"]
    ceiling = np.where(stands, np.maximum(present, 1), reused + most)
    sized = model(
        np.where(chosen, arrivals, 0.0),
        1.0 / session_h,
        settings["wait_limit_h"],
        settings["wait_exceed_ratio"],
        servers_max=ceiling,
    )
    is_overloaded = chosen & (sized.servers < 0)
    at = np.flatnonzero(planned)
    wanted = np.where(sized.servers < 0, ceiling, sized.servers)[at]
    added = np.clip(wanted - reused[at], least, most)
    load = arrivals[at] * session_h
    total = raise_to(reused[at] + added, load, reused[at] + most, needed - int(added.sum()))
    servers = np.zeros(len(sites), np.int64)
    servers[at] = total - reused[at]
    # stations that stand keep what they have
    kept = chosen & stands
    servers[kept] = present[kept]
    chargers = servers + reused
    peak_kw = settings["charger_kw"] * settings["simultaneous_ratio"]
    power_kw = chargers * peak_kw
    # chargers taken in are fed already; the station's price holds one transformer
    transformers = np.ceil(servers * peak_kw / settings["transformer_kw"]).astype(np.int64)
    further = np.maximum(transformers - 1, 0)
    capex = np.where(
        planned,
        sites.capex_cny
        + (servers - least) * settings["charger_cny"]
        + further * settings["transformer_cny"],
        0,
    )
    erlang = np.where(chosen, arrivals * session_h, 0.0)
    return Sized(
        servers=servers,
        load=np.where(chosen, demand, 0.0),
        is_overloaded=is_overloaded,
        capex_cny=capex.astype(np.int64),
        attributes={
            "reused_chargers_count": reused,
            "added_chargers_count": np.where(planned, servers, 0),
            "power_kw": np.where(chosen, power_kw, 0.0),
            "charger_use_ratio": erlang / np.maximum(chargers, 1),
        },
    )


EXISTING_FIELDS = (
    Field(
        "station_id", str, doc="the owner's identifier of the station", source="the user's register"
    ),
    Field(
        "chargers_count",
        int,
        "count",
        ge=0,
        doc="charging piles of the station",
        source="the user's register",
    ),
    Field(
        "dc_chargers_count",
        int,
        "count",
        default=0,
        ge=0,
        doc="of these, direct-current piles that a smart station could take in",
        source="assumption: none where the register does not say",
    ),
    Field(
        "is_smart",
        bool,
        default=False,
        doc="true where the station takes power limits and reports its meters",
        source="assumption: an ordinary station where the register does not say",
    ),
)


def sites_from_register(
    columns: Mapping[str, NDArray[Any]],
    x_m: FloatArray,
    y_m: FloatArray,
    land: Land,
    settings: Settings,
) -> Sites:
    """Return existing stations: smart ones ``KEEP``, ordinary ones ``UPGRADE``."""
    del settings
    n = x_m.size
    is_smart = np.asarray(columns["is_smart"]).astype(bool)
    return Sites(
        x_m=x_m,
        y_m=y_m,
        layer=np.zeros(n, np.int8),
        environment=environment_of(density_at(land, x_m, y_m)),
        action=np.where(is_smart, Action.KEEP, Action.UPGRADE).astype(np.int8),
        host=np.arange(n, dtype=np.int32),
        units=np.ones(n, np.int32),
        capex_cny=np.zeros(n, np.int64),
        outside_id=[str(name) for name in columns["station_id"]],
        attributes={
            "chargers_count": np.asarray(columns["chargers_count"]).astype(np.int64),
            "dc_chargers_count": np.asarray(columns["dc_chargers_count"]).astype(np.int64),
        },
    )


def whole(name: str, doc: str, source: str = "sizing of this plan") -> Field:
    """Return a counted column of the asset table."""
    return Field(name, int, "count", ge=0, doc=doc, source=source)


CHARGING = Sector(
    key="charging",
    title="Smart charging stations",
    title_zh="智能充电站",
    doc="Smart public charging stations, on existing stations and lots first.",
    layers=(Layer("public", "Public charging", "公共充电"),),
    environments=ENVIRONMENTS,
    measures=(
        Measure(
            "smart_station",
            "stations",
            "station",
            "A public station that takes power limits and reports its meters.",
        ),
        Measure(
            "public_facility",
            "chargers",
            "EVSE identity",
            "A public charger that the plan adds; taken-in existing ones do not count.",
            counts="servers",
        ),
    ),
    assets=(
        AssetType(
            "smart_station",
            "Smart charging station",
            "智能充电站",
            (
                whole("chargers_count", "charging piles that stand here today", REGISTER),
                whole("dc_chargers_count", "of these, direct-current piles", REGISTER),
                whole("reused_chargers_count", "existing direct-current chargers taken in"),
                whole("added_chargers_count", "new chargers"),
                Field(
                    "power_kw",
                    float,
                    "kW",
                    ge=0,
                    doc="peak power under load management",
                    source="sizing of this plan",
                ),
                Field(
                    "charger_use_ratio",
                    float,
                    "1",
                    ge=0,
                    doc="peak-hour load over chargers",
                    source="sizing of this plan",
                ),
            ),
        ),
    ),
    settings=read_fields("charging_settings"),
    demand=Demand("vehicle", "kWh/day", build_demand),
    candidates=build_candidates,
    standin=stand_stations,
    existing_fields=EXISTING_FIELDS,
    from_register=sites_from_register,
    service=Catchment("distance", service_parameters, cell_environment, decided_by="cell"),
    feeds=CHARGING_FEEDS,
    sizing=Sizing("erlang_c", build_sizing),
    cost=Cost(read_fields("charging_costs"), price_year=2023),
    evidence=(
        EvidenceRule(
            protocol="OCPP 1.6 / 2.0.1",
            observation=(
                "live session of the charging station, at least one connector neither Faulted nor "
                "Unavailable, and a power limit sent to it that shows in its meter values"
            ),
            max_age_s=86400,
            doc=(
                "A station counts as smart while it answers over OCPP and follows a power limit; "
                "a charger counts once for each EVSE identity."
            ),
            doc_zh="充电站通过OCPP在线应答并执行功率限值方可计为智能站；充电设施按EVSE标识各计一次。",
        ),
    ),
    limits=(
        (
            "The vehicle stock of the region is not established: it is scaled from the country by "
            "residents, so demand follows people, not incomes or garages."
        ),
        "Access is a straight line; roads, corridors and holiday peaks are not planned here.",
        "Without a register, stations and lots are seeded stand-ins: no position is real.",
        "The feeder at a site is not checked; transformers are priced by power only.",
        (
            "How much of the energy within reach a smart station draws is an assumption; it moves "
            "the number of chargers, not the choice of sites."
        ),
    ),
    limits_zh=(
        "本地区电动汽车保有量未确立，按全国水平依人口折算；需求随人口而非收入或车位分布。",
        "可达距离为直线距离；未规划道路走廊与节假日高峰。",
        "无台账时，充电站与场地均为生成的替代数据，位置均非真实。",
        "未核查现场馈线容量；变压器仅按功率计价。",
        "智能站吸引的电量比例为假设；影响充电桩数量，不影响选址。",
    ),
    toy_value=446_775,
)
