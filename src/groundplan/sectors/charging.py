"""Smart public charging stations: which stations and lots to equip, and with how many chargers.

One layer. Demand is the energy that vehicles of residents charge in public, kWh a day. A cell is
served when a *smart* station (one that takes power limits and reports its meters) is within
reach. Ordinary stations do not give that service, so they are no supply of this layer: they are
the first hosts for it. Choosing among them, existing lots and new land, the plan brings the most
energy within reach of a smart station; sizing then gives each enough fast and slow chargers for
every hour of the day, and a feeder that smart charging keeps small.

Formulas: docs/sectors/charging.md, docs/method/queues.md. Meaning and origin of every setting:
``sectors/data/charging_settings.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Findings
from groundplan.quantity import Field
from groundplan.sectors.charging_feeds import CHARGING_FEEDS
from groundplan.sectors.charging_report import (
    class_parameters,
    hours_parameters,
    promise_parameters,
)
from groundplan.sectors.charging_segments import SEGMENTS, segment_shares, setting_rules
from groundplan.sectors.charging_sizing import build_sizing, quantities
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
    Report,
    Sector,
    Settings,
    Sites,
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

    ``residents * vehicles per resident * kWh per vehicle and day * public share``, without the
    part that is charged on motorways: that belongs to the corridors.
    """
    kwh_per_person = (
        settings["ev_per_person_ratio"]
        * settings["vehicle_kwh_per_day"]
        * settings["public_ratio"]
        * (1.0 - settings["motorway_ratio"])
    )
    energy = np.rint(land.people * (kwh_per_person * ENERGY_SCALE)).astype(np.int64)
    return np.asarray(energy[None, :])


def service_parameters(settings: Settings) -> dict[str, Any]:
    """Return how far residents of each class of land go, metres, (1, n_environment)."""
    return {"reach_m": np.array([[1000.0 * settings[f"access_{e}_km"] for e in ENVIRONMENTS]])}


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
        "feeder_kw",
        float,
        "kW",
        default=0.0,
        ge=0,
        doc="most that the grid gives the station; 0 where it is not known",
        source="assumption: not known where the register does not say",
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
    """Return existing stations: smart ones ``KEEP``, ordinary ones ``UPGRADE``.

    Raises
    ------
    DataError
        With a finding for each row that has no identifier, or one that another row has, more
        direct-current piles than piles, or a feeder below the power of one slow charger.
    """
    n = x_m.size
    check_register(columns, settings)
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
            "feeder_kw": np.asarray(columns["feeder_kw"]).astype(np.float64),
        },
    )


def check_register(columns: Mapping[str, NDArray[Any]], settings: Settings) -> None:
    """Raise with a finding for each row of a register that cannot be."""
    names = [str(name) for name in columns["station_id"]]
    piles, direct = (
        np.asarray(columns[f"{k}chargers_count"]).astype(np.int64) for k in ("", "dc_")
    )
    feeder_kw = np.asarray(columns["feeder_kw"]).astype(np.float64)
    found = Findings("register of charging stations")
    known: dict[str, int] = {}
    for row, name in enumerate(names, start=2):
        if not name:
            found.add(row, "station_id", "", "the identifier of a station")
        elif name in known:
            hint = f"row {known[name]} has it"
            found.add(row, "station_id", name, "an identifier of its own", hint)
        known.setdefault(name, row)
    for at in np.flatnonzero(direct > piles).tolist():
        found.add(at + 2, "dc_chargers_count", int(direct[at]), f"at most {piles[at]}, its piles")
    for at in np.flatnonzero((feeder_kw > 0) & (feeder_kw < settings["slow_kw"])).tolist():
        expected = f"0, or at least one slow charger, {settings['slow_kw']:g} kW"
        found.add(at + 2, "feeder_kw", feeder_kw[at], expected, "is the column in MW?")
    found.raise_if_any(DataError)


PLAN = "sizing of this plan"


def whole(name: str, doc: str, source: str = PLAN) -> Field:
    """Return a counted column of the asset table."""
    return Field(name, int, "count", ge=0, doc=doc, source=source)


def number(name: str, unit: str, doc: str, source: str = PLAN) -> Field:
    """Return a measured column of the asset table."""
    return Field(name, float, unit, ge=0, doc=doc, source=source)


def money(name: str, doc: str) -> Field:
    """Return a column of the asset table in yuan."""
    return Field(name, int, "CNY", ge=0, doc=doc, source=PLAN)


COLUMNS = (
    whole("chargers_count", "charging piles that stand here today", REGISTER),
    whole("dc_chargers_count", "of these, direct-current piles", REGISTER),
    number("feeder_kw", "kW", "most that the grid gives; 0 where it is not known", REGISTER),
    whole("reused_chargers_count", "existing chargers taken in, fast and slow"),
    whole("added_chargers_count", "new chargers, fast and slow"),
    whole("added_fast_count", "of these, fast chargers"),
    whole("added_slow_count", "of these, slow chargers for parked cars"),
    whole("added_transformers_count", "transformers beyond the first of a new station"),
    whole("fast_chargers_count", "fast chargers of the station, those taken in included"),
    whole("slow_chargers_count", "slow chargers of the station, those taken in included"),
    whole("added_connectors_count", "connectors of the new chargers"),
    whole("new_station_count", "1 where no public station stood before"),
    *(
        number(f"{s.key}_kwh_per_day", "kWh/day", f"energy of a weekday, segment {s.title}")
        for s in SEGMENTS
    ),
    number("charger_use_ratio", "1", "largest load of the fast chargers over their number"),
    number("weekday_exceed_ratio", "1", "drivers that wait too long in the worst hour"),
    number("holiday_exceed_ratio", "1", "the same on a day of the holiday peak"),
    number("weekday_broken_h", "h", "hours of a weekday in which more wait too long than may"),
    number("holiday_broken_h", "h", "the same on a day of the holiday peak"),
    number("power_kw", "kW", "feeder limit planned: the smart peak, or what the grid gives"),
    number("smart_peak_kw", "kW", "least feeder limit with smart charging"),
    number("uncontrolled_peak_kw", "kW", "the same if every car charges on arrival"),
    number("undelivered_kwh_per_day", "kWh/day", "energy that the limit leaves undelivered"),
    number("holiday_undelivered_kwh_per_day", "kWh/day", "the same on a day of the holiday peak"),
    money("added_chargers_cny", "price of the new chargers, part of the station's cost"),
    money("transformer_saved_cny", "price of the transformers that smart charging saves"),
)

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
            cost="added_chargers_cny",
        ),
        Measure(
            "public_connector",
            "connectors",
            "EVSE identity and connector number",
            "A connector of a public charger that the plan adds: another reading of a facility.",
            counts="added_connectors_count",
        ),
        Measure(
            "public_station",
            "stations",
            "station",
            "A public station where none stood: another reading of a smart station.",
            counts="new_station_count",
        ),
        Measure(
            "public_site",
            "sites",
            "station",
            "A public charging site where none stood: another reading of a facility.",
            counts="new_station_count",
        ),
    ),
    assets=(AssetType("smart_station", "Smart charging station", "智能充电站", COLUMNS),),
    settings=(*read_fields("charging_settings"), *read_fields("charging_segments")),
    demand=Demand("vehicle", "kWh/day", build_demand, segment_shares),
    candidates=build_candidates,
    standin=stand_stations,
    existing_fields=EXISTING_FIELDS,
    from_register=sites_from_register,
    service=Catchment("distance", service_parameters, cell_environment, decided_by="cell"),
    feeds=CHARGING_FEEDS,
    sizing=Sizing("station_day", build_sizing),
    cost=Cost(read_fields("charging_costs"), price_year=2023, bill=quantities),
    rules=setting_rules,
    reports=(
        Report("classes", "What the programme counts", "计划计数的两类", class_parameters),
        Report("day_promise", "Waiting promise and feeders", "等待承诺与馈线", promise_parameters),
        Report("day_hours", "Demand and load by hour", "分时需求与负荷", hours_parameters),
        Report(
            "broken_stations",
            "Where the promise breaks on the holiday",
            "节假日未达承诺的站点",
            promise_parameters,
        ),
    ),
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
        (
            "Access is a straight line; roads are not looked at, and motorway corridors are a "
            "system of their own."
        ),
        "Without a register, stations and lots are seeded stand-ins: no position is real.",
        (
            "How public energy splits into segments, when they come and how long they stay is "
            "assumed: no measured profile of the region is public."
        ),
        (
            "Feeders of the grid are known only where the register or a setting names them; cars "
            "are groups of one hour in them, not single sessions."
        ),
        (
            "How much of the energy within reach a smart station draws is an assumption; it moves "
            "the number of chargers, not the choice of sites."
        ),
    ),
    limits_zh=(
        "本地区电动汽车保有量未确立，按全国水平依人口折算；需求随人口而非收入或车位分布。",
        "可达距离为直线距离，未计道路；高速走廊为单独系统。",
        "无台账时，充电站与场地均为生成的替代数据，位置均非真实。",
        "公共充电量的用户群构成、到达时段与停留时间均为假设；本地区无公开实测曲线。",
        "仅当台账或设置给出时才知馈线限值；馈线计算以同一小时到达的车辆为一组，而非单次充电。",
        "智能站吸引的电量比例为假设；影响充电桩数量，不影响选址。",
    ),
    toy_value=429_443,
)
