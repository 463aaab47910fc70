"""BeiDou services: reference stations for correction, terminals and messages of three services.

Three services ask for centimetres or for messages: smart farming (steered machines on flat
fields), environment monitoring (rivers, air, slopes) and emergency management (teams, townships
and villages at risk). Their terminals in each cell are the demand; a reference station serves
those near enough for the asked accuracy. Stations that stand are upgraded first. Each station
also holds a post for short messages, sized for an hour in which the cellular network is down.

Formulas: docs/sectors/beidou.md. Meaning and origin of every setting:
``sectors/data/beidou_settings.csv``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings
from groundplan.quantity import Field
from groundplan.sectors.beidou_standin import build_candidates, stand_stations
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
from groundplan.sectors.places import (
    ENVIRONMENTS,
    URBAN_PER_KM2,
    cell_environment,
    density_at,
    environment_of,
)

__all__ = ["BEIDOU", "SERVICES", "service_terminals"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: The three services, with their titles.
SERVICES = (
    ("farming", "Smart farming", "智慧农业"),
    ("environment", "Environment monitoring", "环境监测"),
    ("emergency", "Emergency management", "应急管理"),
)
#: Terminals and people are kept in hundredths.
SCALE = 100
#: Cropland shares are summed in these parts, so that the order of cells does not matter.
CROP_SCALE = 10_000
HA_PER_KM2 = 100.0


def terminals_per_person(settings: Settings) -> FloatArray:
    """Return the terminals of each service per resident of the region.

    Machines: farmland per resident, its flat share, machines on a km2 of it.
    """
    flat_km2 = settings["farm_ha_per_person_ratio"] * settings["flat_ratio"] / HA_PER_KM2
    return np.array(
        [
            flat_km2 * settings["machines_per_km2"],
            settings["monitors_per_person_ratio"],
            settings["teams_per_person_ratio"],
        ]
    )


def flat_cropland(land: Land, settings: Settings) -> IntArray:
    """Return the weight of each cell in the flat cropland, in parts of `CROP_SCALE`.

    Where the region carries no land cover every cell that is not urban weighs the same.
    """
    if not land.cropland_ratio.size:
        return (land.density_per_km2 < URBAN_PER_KM2).astype(np.int64)
    crop = np.rint(land.cropland_ratio * CROP_SCALE).astype(np.int64)
    return np.where(land.relief_m <= settings["relief_flat_m"], crop, 0)


def in_hills(land: Land, settings: Settings) -> NDArray[np.bool_]:
    """Return which cells lie in hills; none where the region carries no heights."""
    if not land.relief_m.size:
        return np.zeros(land.people.size, np.bool_)
    return np.asarray(land.relief_m > settings["relief_flat_m"])


def spread(total: float, weight: NDArray[Any], summed: float) -> FloatArray:
    """Return `total` shared out by weights whose sum is given; 0 everywhere where it is 0."""
    return np.asarray(weight * (total / summed)) if summed > 0 else np.zeros(weight.shape)


def service_terminals(land: Land, settings: Settings) -> FloatArray:
    """Return the terminals of each service in each cell, (3, n_cell).

    Machines follow flat cropland; monitoring terminals partly the hills and else the area;
    emergency terminals the residents, those in the hills with a larger weight.
    """
    people = np.rint(land.people * SCALE).astype(np.int64)
    residents = int(people.sum()) / SCALE
    machines, monitors, teams = terminals_per_person(settings) * residents
    crop = flat_cropland(land, settings)
    hills = in_hills(land, settings)
    n_hill = int(hills.sum())
    on_slopes = settings["monitors_hill_ratio"] if n_hill else 0.0
    factor = settings["teams_hill_factor_ratio"]
    at_risk = np.where(hills, factor, 1.0) * people
    # whole numbers add up to the same whatever the order of cells
    risk = float(int(people[~hills].sum())) + factor * float(int(people[hills].sum()))
    even = np.ones(people.size)
    return np.stack(
        [
            spread(machines, crop, float(int(crop.sum()))),
            spread(monitors * on_slopes, hills, float(n_hill))
            + spread(monitors * (1.0 - on_slopes), even, float(people.size)),
            spread(teams, at_risk, risk),
        ]
    )


def build_demand(land: Land, settings: Settings) -> IntArray:
    """Return the terminals that want corrections in each cell, hundredths, of all services."""
    told = service_terminals(land, settings).sum(axis=0)
    return np.asarray(np.rint(told * SCALE).astype(np.int64)[None, :])


def correction_reach_m(settings: Settings) -> float:
    """Return how far a user may be from a station for the asked accuracy, metres.

    ``(accuracy - fixed part) / growth``, at most what gives a fixed solution.

    Raises
    ------
    DataError
        Where the accuracy asked is finer than the fixed part of the error.
    """
    left_m = settings["accuracy_m"] - settings["rtk_base_m"]
    if not left_m > 0:
        found = Findings("sector beidou")
        found.add(
            0,
            "accuracy_m",
            settings["accuracy_m"],
            f"more than rtk_base_m, {settings['rtk_base_m']}",
            "no distance is short enough",
        )
        found.raise_if_any()
    by_error_m = left_m / (settings["rtk_growth_ppm_ratio"] * 1e-6)
    return round(float(min(by_error_m, 1000.0 * settings["single_base_max_km"])), 3)


def service_parameters(settings: Settings) -> dict[str, Any]:
    """Return the reach of a reference station, the same on every class of land."""
    return {"reach_m": np.full((1, len(ENVIRONMENTS)), correction_reach_m(settings))}


def message_settings(settings: Settings) -> tuple[FloatArray, FloatArray]:
    """Return messages an hour and segments of a message, of a terminal of each service."""
    rate = np.array([settings[f"{key}_messages_per_h"] for key, *_ in SERVICES])
    bits = [float(settings[f"{key}_message_bit"]) for key, *_ in SERVICES[1:]]
    segments = np.array([1.0, *(np.ceil(b / settings["segment_bit"]) for b in bits)])
    return rate, segments


def build_sizing(
    model: Callable[..., Any],
    sites: Sites,
    chosen: NDArray[np.bool_],
    demand: FloatArray,
    settings: Settings,
    needed: int,
) -> Sized:
    """Size the message post of each station: cards to answer its area with cellular down.

    The mix of services is that of the region. No target asks for cards, so `needed` changes
    nothing here; stations that stand are sized like the others and only flagged.
    """
    del needed
    stands = sites.action == Action.KEEP
    share = terminals_per_person(settings)
    rate, segments = message_settings(settings)
    total = float(share.sum())
    mean = float((share * rate * segments).sum()) / total if total > 0 else 0.0
    cards, use, over = model(
        np.where(chosen, demand, 0.0),
        mean,
        reply_ratio=settings["reply_ratio"],
        card_interval_s=settings["card_interval_s"],
        cards_max=settings["cards_max_count"],
    )
    planned = chosen & ~stands
    capex = sites.capex_cny + (cards - 1) * settings["card_cny"]
    return Sized(
        servers=np.where(chosen, cards, 0).astype(np.int64),
        load=np.where(chosen, demand, 0.0),
        is_overloaded=chosen & over,
        capex_cny=np.where(planned, capex, 0).astype(np.int64),
        attributes={
            "message_cards_count": np.where(chosen, cards, 0).astype(np.int64),
            "card_use_ratio": np.where(chosen, use, 0.0),
        },
    )


EXISTING_FIELDS = (
    Field(
        "station_id", str, doc="the owner's identifier of the station", source="the user's register"
    ),
    Field(
        "is_upgraded",
        bool,
        default=False,
        doc="true where the station gives BDS-3 corrections today",
        source="assumption: to be upgraded where the register does not say",
    ),
)


def sites_from_register(
    columns: Mapping[str, NDArray[Any]],
    x_m: FloatArray,
    y_m: FloatArray,
    land: Land,
    settings: Settings,
) -> Sites:
    """Return existing stations: upgraded ones ``KEEP``, the others ``UPGRADE``."""
    del settings
    names = np.asarray(columns["station_id"]).astype(str)
    n = names.size
    upgraded = np.asarray(columns["is_upgraded"]).astype(bool)
    return Sites(
        x_m=x_m,
        y_m=y_m,
        layer=np.zeros(n, np.int8),
        environment=environment_of(density_at(land, x_m, y_m)),
        action=np.where(upgraded, Action.KEEP, Action.UPGRADE).astype(np.int8),
        host=np.arange(n, dtype=np.int32),
        units=np.ones(n, np.int32),
        capex_cny=np.zeros(n, np.int64),
        outside_id=[str(name) for name in names],
    )


def service_parameters_of_report(settings: Settings) -> dict[str, Any]:
    """Return what the report of services and messages takes."""
    rate, _ = message_settings(settings)
    bits = [settings["segment_bit"], *(settings[f"{k}_message_bit"] for k, *_ in SERVICES[1:])]
    return {
        "titles": tuple((title, title_zh) for _, title, title_zh in SERVICES),
        "terminals": lambda land: service_terminals(land, settings),
        "messages_per_h": rate,
        "message_bit": np.array(bits, dtype=np.float64),
        "segment_bit": settings["segment_bit"],
        "card_interval_s": settings["card_interval_s"],
        "uplink_per_h": settings["uplink_per_h"] * settings["region_share_ratio"],
    }


def network_parameters(settings: Settings) -> dict[str, Any]:
    """Return what the report of redundancy takes."""
    return {
        "reach_m": 1000.0 * settings["network_max_km"],
        "single_m": correction_reach_m(settings),
        "least": settings["redundancy_count"],
    }


def sky_parameters(settings: Settings) -> dict[str, Any]:
    """Return what the report of satellites takes."""
    return {
        "mask_deg": settings["mask_deg"],
        "pdop_max": settings["pdop_max_ratio"],
        "places": settings["sky_places_count"],
    }


BEIDOU = Sector(
    key="beidou",
    title="BeiDou reference stations",
    title_zh="北斗基准站",
    doc="Reference stations for BeiDou corrections, stations that stand upgraded first.",
    layers=(Layer("correction", "Correction service", "差分增强服务"),),
    environments=ENVIRONMENTS,
    measures=(
        Measure(
            "reference_station",
            "stations",
            "station",
            "A reference station whose stream carries BDS-3 observations.",
        ),
    ),
    assets=(
        AssetType(
            "reference_station",
            "BeiDou reference station",
            "北斗基准站",
            (
                Field(
                    "message_cards_count",
                    int,
                    "count",
                    ge=0,
                    doc="cards of the message post, to answer its area with cellular down",
                    source="sizing of this plan",
                ),
                Field(
                    "card_use_ratio",
                    float,
                    "1",
                    ge=0,
                    doc="answers of that hour over what the cards may send; above 1 they wait",
                    source="sizing of this plan",
                ),
            ),
        ),
    ),
    settings=read_fields("beidou_settings"),
    demand=Demand("terminal", "terminals", build_demand),
    candidates=build_candidates,
    standin=stand_stations,
    existing_fields=EXISTING_FIELDS,
    from_register=sites_from_register,
    service=Catchment("distance", service_parameters, cell_environment),
    sizing=Sizing("short_messages", build_sizing),
    cost=Cost(read_fields("beidou_costs"), price_year=2023),
    evidence=(
        EvidenceRule(
            protocol="RTCM 3 over NTRIP",
            observation="BeiDou observations (message types 1121-1127) without gaps over a day",
            max_age_s=86400,
            doc="A station counts while its stream carries BeiDou observations without gaps.",
            doc_zh="基准站数据流持续包含北斗观测且无中断方可计数。",
        ),
        EvidenceRule(
            protocol="JT/T 808, NMEA 0183",
            observation="a valid fix with BeiDou satellites in use",
            max_age_s=86400,
            doc="A farming or emergency terminal counts with a valid fix that uses BeiDou.",
            doc_zh="农机或应急终端以使用北斗卫星的有效定位计数。",
        ),
        EvidenceRule(
            protocol="SL 651, HJ 212",
            observation="records that pass their checks, received within the day",
            max_age_s=86400,
            doc="A monitoring post counts while its records pass; in drills, by messages answered.",
            doc_zh="监测站以校验通过的报文计数；演练中以已应答短报文计数。",
        ),
    ),
    reports=(
        Report(
            "services",
            "Three services: terminals and messages with cellular down",
            "三类服务：终端与公网中断时短报文",
            service_parameters_of_report,
        ),
        Report("network", "Network solution and redundancy", "网络解与冗余", network_parameters),
        Report(
            "sky", "Satellites and dilution by county", "各县卫星可见与精度因子", sky_parameters
        ),
    ),
    limits=(
        (
            "How many machines, monitoring posts and teams there are is assumed; where farmland "
            "and hills are comes from land cover of 0.05 and heights of 1/12 degrees."
        ),
        (
            "One station near enough for the asked accuracy counts as served; the share with "
            "three or more, and inside a triangle of them, is reported and not planned for."
        ),
        "Without a register, reference stations are a seeded stand-in: no position is real.",
        (
            "The constellation is nominal and healthy; without a terrain in the study a plain "
            "mask stands for the horizon, so gorges look as good as plains."
        ),
        "The services without a number in the programme stay milestones: terminals are proven.",
    ),
    limits_zh=(
        "农机、监测站与应急队伍数量为假设；耕地与山区位置取自0.05度土地覆盖与1/12度高程。",
        "按精度要求单站可达即计为服务；三站以上及位于三角形内的比例仅报告、不作规划约束。",
        "无台账时，基准站为生成的替代数据，位置均非真实。",
        "星座为标称健康状态；研究未给地形时以统一截止高度角代替地平线，峡谷与平原无差别。",
        "计划未给数量的服务仍为里程碑，以终端实证为准。",
    ),
    toy_value=7_079,
)
