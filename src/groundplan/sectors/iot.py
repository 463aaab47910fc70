"""NB-IoT stations: which devices they reach, which carriers the message load needs.

A cellular IoT user is a subscription, and most subscriptions ride on networks that stand for
people's phones. NB-IoT is the part with stations of its own: meters, alarms, farms, often behind
walls and under ground. Demand is the NB-IoT devices of each cell; a station serves those within
the reach of its class of land at a coupling loss of 164 dB. Stations that are added extend the
coverage; they make no users. Users are counted, from what subscriptions send
(`iot_users.active_users`).

Formulas: docs/sectors/iot.md. Meaning and origin of every setting:
``sectors/data/iot_settings.csv``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    Report,
    Sector,
    Settings,
    Sites,
    Sized,
    Sizing,
)
from groundplan.sectors.fields import read_fields
from groundplan.sectors.iot_standin import build_candidates, stand_stations
from groundplan.sectors.iot_users import (
    nbiot_ratio,
    read_series,
    reports_per_h,
    stock_by_use,
    subscriptions,
)
from groundplan.sectors.places import ENVIRONMENTS, cell_environment, density_at, environment_of

__all__ = ["IOT"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Devices and people are kept in hundredths.
SCALE = 100
#: Coupling losses at which the coverage classes end, dB.
CLASS_ENDS_DB = (144.0, 154.0, 164.0)


def build_demand(land: Land, settings: Settings) -> IntArray:
    """Return the NB-IoT devices of each cell, hundredths.

    ``devices * ((1 - land share) * residents of the cell / residents + land share / cells)``: a
    part follows residents, a part the area.
    """
    # sums over whole hundredths do not depend on the order of cells
    people = np.rint(land.people * SCALE).astype(np.int64)
    total = int(people.sum())
    if total <= 0:
        return np.zeros((1, people.size), np.int64)
    devices = subscriptions(total / SCALE, settings) * nbiot_ratio(settings)
    follow_land = devices * settings["land_ratio"]
    by_people = (devices - follow_land) * SCALE / total
    by_cell = follow_land * SCALE / people.size
    return np.asarray(np.rint(people * by_people + by_cell).astype(np.int64)[None, :])


def by_environment(settings: Settings, name: str) -> NDArray[Any]:
    """Return a setting of the environments, (1, n_environment)."""
    return np.array([[settings[name.format(place)] for place in ENVIRONMENTS]])


def service_parameters(settings: Settings) -> dict[str, Any]:
    """Return what `engine.radio.cell_reach` takes, by (layer, environment).

    The threshold is the power of the carrier less the largest coupling loss; antenna gains and
    feeder turn the coupling loss between connectors into a path loss.
    """
    radiated = (
        settings["power_dbm"]
        + settings["gain_dbi"]
        - settings["feeder_db"]
        + settings["device_gain_dbi"]
    )
    return {
        "model": by_environment(settings, "model_{}"),
        "frequency_ghz": settings["frequency_ghz"],
        "eirp_dbm": radiated - by_environment(settings, "deep_{}_db"),
        "rsrp_min_dbm": settings["power_dbm"] - settings["coupling_loss_db"],
        "building": by_environment(settings, "building_{}"),
        "base_height_m": by_environment(settings, "antenna_{}_m"),
        "terminal_height_m": settings["terminal_m"],
        "indoor_ratio": by_environment(settings, "indoor_{}_ratio"),
        "reliability_ratio": settings["reliability_ratio"],
        "reliability_kind": settings["reliability_kind"],
        "body_loss_db": 0.0,
        "interference_margin_db": settings["interference_margin_db"],
    }


def build_sizing(
    model: Callable[..., Any],
    sites: Sites,
    chosen: NDArray[np.bool_],
    demand: FloatArray,
    settings: Settings,
    needed: int,
) -> Sized:
    """Size each station: carriers for the message load of its devices.

    Stations that stand keep their carriers; where these are too few the station is flagged and
    `needed_carriers_count` says how many it would take. No target asks for carriers, so `needed`
    changes nothing here.
    """
    del needed
    stands = sites.action == Action.KEEP
    present = np.maximum(sites.attributes["standing_carriers_count"], 1)
    sectors = settings["sectors_count"]
    told = model(
        np.where(chosen, demand, 0.0),
        sites.environment,
        service_parameters(settings),
        coupling_loss_db=settings["coupling_loss_db"],
        sectors=sectors,
        busiest_ratio=settings["busiest_sector_ratio"],
        carriers_max=np.where(stands, present, settings["carriers_max_count"]),
        reports_per_h=reports_per_h(settings) * settings["busy_hour_factor_ratio"],
        reconnect_ratio=settings["reconnect_ratio"],
        reconnect_window_s=settings["reconnect_window_s"],
    )
    carriers = np.where(stands, present, told.carriers)
    planned = chosen & ~stands
    extra = (carriers - 1) * sectors * settings["carrier_cny"]
    return Sized(
        servers=np.where(chosen, carriers * sectors, 0).astype(np.int64),
        load=np.where(chosen, demand, 0.0),
        is_overloaded=chosen & told.is_overloaded,
        capex_cny=np.where(planned, sites.capex_cny + extra, 0).astype(np.int64),
        attributes={
            "needed_carriers_count": np.where(chosen, told.needed * sectors, 0).astype(np.int64),
            "device_load_ratio": np.where(
                chosen, told.load_ratio * told.carriers / np.maximum(carriers, 1), 0.0
            ),
            "reconnect_success_ratio": np.where(chosen, told.reconnect_success_ratio, 0.0),
        },
    )


def quantities(
    sites: Sites, sized: Sized, planned: NDArray[np.bool_], settings: Settings
) -> dict[str, float]:
    """Return how much of each price the planned stations take: a carrier a sector is in theirs."""
    del sites
    n = float(planned.sum())
    carriers = float(sized.servers[planned].sum())
    return {
        "station_share_cny": n,
        "carrier_cny": carriers - n * settings["sectors_count"],
        "station_opex_cny_per_year": n,
    }


EXISTING_FIELDS = (
    Field(
        "station_id", str, doc="the owner's identifier of the station", source="the user's register"
    ),
    Field(
        "standing_carriers_count",
        int,
        "count",
        default=1,
        ge=1,
        le=20,
        doc="NB-IoT carriers on each sector",
        source="assumption: one where the register does not say",
    ),
)


def sites_from_register(
    columns: Mapping[str, NDArray[Any]],
    x_m: FloatArray,
    y_m: FloatArray,
    land: Land,
    settings: Settings,
) -> Sites:
    """Return stations that stand, ``KEEP``."""
    del settings
    names = np.asarray(columns["station_id"]).astype(str)
    n = names.size
    return Sites(
        x_m=x_m,
        y_m=y_m,
        layer=np.zeros(n, np.int8),
        environment=environment_of(density_at(land, x_m, y_m)),
        action=np.full(n, Action.KEEP, np.int8),
        host=np.arange(n, dtype=np.int32),
        units=np.ones(n, np.int32),
        capex_cny=np.zeros(n, np.int64),
        outside_id=[str(name) for name in names],
        attributes={
            "standing_carriers_count": np.asarray(columns["standing_carriers_count"]).astype(
                np.int64
            )
        },
    )


def growth_parameters(settings: Settings) -> dict[str, Any]:
    """Return what the report of growth takes: the country's series and the region's one count."""
    series = read_series()
    month, _ = series["henan"][-1]
    return {
        "series": series["china"],
        "month": month,
        "per_person": settings["subscriptions_per_person_ratio"],
        "unit": "subscriptions",
        # shares of one subscription: of all uses, and of these on NB-IoT
        "uses": stock_by_use(1.0, settings),
        "uses_note": (
            "Counts by use are published for one date only (end of 2022), so each keeps its share: "
            "no trend of a single use is known."
        ),
        "uses_note_zh": "分应用数量仅有2022年末一个时点，故各应用占比保持不变；单项应用趋势未知。",
        "note": (
            f"The region's count of {month} is taken to grow as the country's does. The interval "
            "is that of the country's series alone."
        ),
        "note_zh": f"以{month}本地区数量按与全国同步增长推算；区间仅反映全国序列的不确定性。",
    }


def class_parameters(settings: Settings) -> dict[str, Any]:
    """Return what the report of coverage classes takes: a budget for the end of each class."""
    ends = [loss for loss in CLASS_ENDS_DB if loss < settings["coupling_loss_db"]]
    ends.append(settings["coupling_loss_db"])
    return {
        "budgets": [
            (loss, service_parameters({**settings, "coupling_loss_db": loss})) for loss in ends
        ],
        "sectors": settings["sectors_count"],
        "reports_per_h": reports_per_h(settings) * settings["busy_hour_factor_ratio"],
        "reconnect_ratio": settings["reconnect_ratio"],
        "reconnect_window_s": settings["reconnect_window_s"],
    }


def load_parameters(settings: Settings) -> dict[str, Any]:
    """Return what the report of the message load takes."""
    return {
        "stock": lambda people: stock_by_use(subscriptions(people, settings), settings),
        "reports_per_h": reports_per_h(settings),
        "busy_factor": settings["busy_hour_factor_ratio"],
        "reconnect_ratio": settings["reconnect_ratio"],
        "reconnect_window_s": settings["reconnect_window_s"],
        **{k: v for k, v in settings.items() if k.startswith("platform_")},
    }


IOT = Sector(
    key="iot",
    title="NB-IoT stations",
    title_zh="窄带物联网基站",
    doc="NB-IoT stations: devices they reach, carriers they need; users are counted, not built.",
    layers=(Layer("nbiot", "NB-IoT", "窄带物联网"),),
    environments=ENVIRONMENTS,
    measures=(
        Measure(
            "nbiot_station",
            "stations",
            "operator and mast",
            "NB-IoT equipment of one operator on one mast; it is no user and adds none.",
        ),
        Measure(
            "iot_subscription",
            "subscriptions",
            "ICCID or IMSI, and operator",
            "A cellular IoT user; counted from authenticated uplinks and never from stations.",
            counts="nothing",
        ),
    ),
    assets=(
        AssetType(
            "nbiot_station",
            "NB-IoT station",
            "窄带物联网基站",
            (
                Field(
                    "standing_carriers_count",
                    int,
                    "count",
                    ge=0,
                    doc="NB-IoT carriers on each sector that stand here today",
                    source="the user's register, or the stand-in",
                ),
                Field(
                    "needed_carriers_count",
                    int,
                    "count",
                    ge=0,
                    doc="carriers over all sectors that the devices' reports need",
                    source="sizing of this plan",
                ),
                Field(
                    "device_load_ratio",
                    float,
                    "1",
                    ge=0,
                    doc="devices of the busiest sector over what its carriers carry",
                    source="sizing of this plan",
                ),
                Field(
                    "reconnect_success_ratio",
                    float,
                    "1",
                    ge=0,
                    le=1,
                    doc="share of a reconnecting fleet that gets in at once, busiest sector",
                    source="sizing of this plan",
                ),
            ),
        ),
    ),
    settings=read_fields("iot_settings"),
    demand=Demand("device", "devices", build_demand),
    candidates=build_candidates,
    standin=stand_stations,
    existing_fields=EXISTING_FIELDS,
    from_register=sites_from_register,
    service=Catchment("link_budget", service_parameters, cell_environment),
    sizing=Sizing("nbiot", build_sizing),
    cost=Cost(read_fields("iot_costs"), price_year=2023, bill=quantities),
    evidence=(
        EvidenceRule(
            protocol="LwM2M, MQTT, or the operator's session record",
            observation=(
                "an authenticated uplink under the subscription's ICCID or IMSI, distinct over "
                "identities and operators; a gateway with many sensors is one user"
            ),
            max_age_s=30 * 86400,
            doc=(
                "A subscription counts as an active user while it sent an authenticated uplink "
                "within the written window (30 days here); a station that is built counts for none."
            ),
            doc_zh=(
                "物联网用户在书面约定窗口（此处30天）内有经认证的上行数据方可计为活跃，按ICCID或IMSI"
                "跨运营商去重；建成基站本身不产生用户数。"
            ),
        ),
        EvidenceRule(
            protocol="3GPP TS 32.435 performance file",
            observation="random access or uplink counters of the NB-IoT cell above zero",
            max_age_s=86400,
            doc="A station counts while its performance file of the last day shows NB-IoT traffic.",
            doc_zh="基站在最近一天的性能文件中有NB-IoT业务量时方可计数。",
        ),
    ),
    reports=(
        Report("coverage_classes", "Coverage classes", "覆盖等级", class_parameters),
        Report(
            "growth", "Subscriptions without a programme", "无计划情形的用户数", growth_parameters
        ),
        Report(
            "growth_by_use",
            "Subscriptions without a programme, by use",
            "无计划情形的用户数（分应用）",
            growth_parameters,
        ),
        Report(
            "message_load", "Stock by use and message load", "分应用存量与消息负荷", load_parameters
        ),
        Report("platform", "What the platform must hold", "平台规模", load_parameters),
    ),
    limits=(
        (
            "Subscriptions are counted, not built: this plan tells whether devices are reached "
            "and their reports carried, and adds nothing to the number of users."
        ),
        (
            "Which part of each use is on NB-IoT, and which part follows the area and not the "
            "residents, is an assumption: no split was found."
        ),
        "Without a register, stations and hosts are seeded stand-ins: no position is real.",
        (
            "Reach comes from a statistical model by class of land; on rural land it ends where "
            "the model does, at 5 km. Losses are those at the full reach, so carriers needed are "
            "an upper figure."
        ),
        "Vehicles, retail and other devices on 4G and 5G load the networks of the 5G plan.",
    ),
    limits_zh=(
        "用户数靠统计而非建设：本方案只说明终端是否可达、上报能否承载，不增加用户数。",
        "各应用中NB-IoT占比及随面积（而非人口）分布的比例均为假设，未查到公开拆分。",
        "无台账时，基站与承载站址均为生成的替代数据，位置均非真实。",
        "覆盖半径按地类统计模型计算，乡村以模型上限5公里为止；损耗按整个半径取值，所需载波数偏高。",
        "车联网、零售等使用4G/5G的终端由5G网络承载，不在此规划。",
    ),
    toy_value=2_086_035,
)
