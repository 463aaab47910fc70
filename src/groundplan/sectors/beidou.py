"""BeiDou services: reference stations for correction, terminals and messages of three services.

Three services ask for centimetres, decimetres or messages: smart farming, environment monitoring
and emergency management (`beidou_services`). Their terminals in each cell are the demand, a layer
each. A reference station serves those near enough for the accuracy they ask; farther away, users
inside a triangle of stations have a network solution. The stations are to serve also when one of
them fails, and those that stand are upgraded first. Each station also holds a post for short
messages, sized for an hour in which the cellular network is down.

Formulas: docs/sectors/beidou.md. Meaning and origin of every setting:
``sectors/data/beidou_settings.csv``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.quantity import Field
from groundplan.sectors.beidou_services import (
    SERVICES,
    TERMINAL_FIELDS,
    build_demand,
    counted_demand,
    farm_hectares,
)
from groundplan.sectors.beidou_standin import build_candidates, stand_stations
from groundplan.sectors.contract import (
    Action,
    AssetType,
    Backup,
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
    cell_environment,
    density_at,
    environment_of,
)
from groundplan.sectors.sites import count_openings

__all__ = ["BEIDOU", "correction_reach_m", "single_reach_m"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def correction_reach_m(settings: Settings, growth_ppm: float, most_km: float) -> FloatArray:
    """Return how far a station may be from users of each service, metres.

    ``(accuracy - fixed part) / growth``, at most `most_km`.
    """
    left_m = np.array([settings[f"{key}_accuracy_m"] for key, *_ in SERVICES])
    left_m = np.maximum(left_m - settings["rtk_base_m"], 0.0)
    reach_m = np.minimum(left_m / (growth_ppm * 1e-6), 1000.0 * most_km)
    return np.asarray(np.round(reach_m, 3), np.float64)


def single_reach_m(settings: Settings) -> FloatArray:
    """Return how far users of each service may be from a single station, metres."""
    return correction_reach_m(
        settings, settings["rtk_growth_ppm_ratio"], settings["single_base_max_km"]
    )


def rules(settings: Settings) -> Iterable[tuple[str, object, str, str]]:
    """Tell what settings that fit one by one break together."""
    base_m = settings["rtk_base_m"]
    for key, *_ in SERVICES:
        name = f"{key}_accuracy_m"
        if settings[name] <= base_m:
            yield (
                name,
                settings[name],
                f"more than rtk_base_m, {base_m}",
                "no distance is short enough",
            )
    if settings["network_max_km"] < settings["single_base_max_km"]:
        yield (
            "network_max_km",
            settings["network_max_km"],
            f"at least single_base_max_km, {settings['single_base_max_km']:g}",
            "several stations together reach at least as far as one",
        )
    if settings["network_growth_ppm_ratio"] > settings["rtk_growth_ppm_ratio"]:
        yield (
            "network_growth_ppm_ratio",
            settings["network_growth_ppm_ratio"],
            f"at most rtk_growth_ppm_ratio, {settings['rtk_growth_ppm_ratio']:g}",
            "several stations together are no worse than one",
        )
    stand, done = settings["stations_existing_count"], settings["upgraded_existing_count"]
    if stand and done > stand:
        yield (
            "upgraded_existing_count",
            done,
            f"at most the {stand} stations that stand",
            "stations that give BDS-3 corrections today are among those that stand",
        )


def service_parameters(settings: Settings) -> dict[str, Any]:
    """Return the reach of a station for each service, the same on every class of land."""
    return {"reach_m": np.repeat(single_reach_m(settings)[:, None], len(ENVIRONMENTS), axis=1)}


def backup_parameters(settings: Settings) -> dict[str, Any]:
    """Return what service by several stations, and through the failure of one, takes."""
    return {
        "network_m": 1000.0 * settings["network_max_km"],
        "near_m": correction_reach_m(
            settings, settings["network_growth_ppm_ratio"], settings["network_max_km"]
        ),
        "worth_ratio": settings["backup_worth_ratio"],
        "square_m": 1000.0 * settings["square_km"],
        "directions_count": settings["directions_count"],
    }


def message_settings(settings: Settings) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return messages an hour, bits and segments of a message, of a terminal of each service."""
    rate = np.array([settings[f"{key}_messages_per_h"] for key, *_ in SERVICES])
    bits = np.array([float(settings[f"{key}_message_bit"]) for key, *_ in SERVICES])
    return rate, bits, np.ceil(bits / settings["segment_bit"])


def build_sizing(
    model: Callable[..., Any],
    sites: Sites,
    chosen: NDArray[np.bool_],
    demand: FloatArray,
    settings: Settings,
    needed: int,
) -> Sized:
    """Size the message post of each station: cards to answer its area with cellular down.

    Each service sends at its own rate. No target asks for cards, so `needed` changes nothing
    here; stations that stand are sized like the others and only flagged.
    """
    del needed
    stands = sites.action == Action.KEEP
    rate, _, segments = message_settings(settings)
    cards, use, over = model(
        np.where(chosen, (rate * segments) @ demand, 0.0),
        1.0,
        reply_ratio=settings["reply_ratio"],
        card_interval_s=settings["card_interval_s"],
        cards_max=settings["cards_max_count"],
    )
    planned = chosen & ~stands
    capex = sites.capex_cny + (cards - 1) * settings["card_cny"]
    return Sized(
        servers=np.where(chosen, cards, 0).astype(np.int64),
        load=np.where(chosen, demand.sum(axis=0), 0.0),
        is_overloaded=chosen & over,
        capex_cny=np.where(planned, capex, 0).astype(np.int64),
        attributes={
            "message_cards_count": np.where(chosen, cards, 0).astype(np.int64),
            "card_use_ratio": np.where(chosen, use, 0.0),
        },
    )


def quantities(
    sites: Sites, sized: Sized, planned: NDArray[np.bool_], settings: Settings
) -> dict[str, float]:
    """Return how much of each price the planned stations take: the first card is in theirs."""
    del settings
    n = float(planned.sum())
    cards = sized.attributes["message_cards_count"][planned]
    return {
        **count_openings(sites, planned, "station"),
        "card_cny": float(cards.sum()) - n,
        "station_opex_cny_per_year": n,
    }


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


def corrections_of_report(settings: Settings) -> dict[str, Any]:
    """Return what the report of corrections takes."""
    return {"accuracy_m": tuple(settings[f"{key}_accuracy_m"] for key, *_ in SERVICES)}


def milestones_of_report(settings: Settings) -> dict[str, Any]:
    """Return what the report of milestones takes."""
    del settings
    return {
        "measures": tuple(f"{key}_service" for key, *_ in SERVICES),
        "evidence": EVIDENCE_OF_SERVICE,
    }


def messages_of_report(settings: Settings) -> dict[str, Any]:
    """Return what the report of messages takes."""
    rate, bits, _ = message_settings(settings)
    return {
        "messages_per_h": rate,
        "message_bit": bits,
        "segment_bit": settings["segment_bit"],
        "card_interval_s": settings["card_interval_s"],
        "uplink_per_h": settings["uplink_per_h"] * settings["region_share_ratio"],
    }


def farms_of_report(settings: Settings) -> dict[str, Any]:
    """Return what the report of farm blocks takes."""
    return {
        "layer": 0,
        "hectares": lambda land: farm_hectares(land, settings),
        "block_m": 1000.0 * settings["farm_block_km"],
        "base_m": settings["rtk_base_m"],
        "growth": settings["rtk_growth_ppm_ratio"] * 1e-6,
        "network_growth": settings["network_growth_ppm_ratio"] * 1e-6,
        "open_error_m": settings["ppp_error_m"],
    }


def further_of_report(settings: Settings) -> dict[str, Any]:
    """Return what the report of further stations takes."""
    return {
        "counts": (5, 10, 20, 40),
        "candidates": lambda land, stands: build_candidates(
            land, stands, {**settings, "looks_at_new_places": True}, np.random.default_rng(0)
        ),
    }


def sky_parameters(settings: Settings) -> dict[str, Any]:
    """Return what the report of satellites takes."""
    return {
        "mask_deg": settings["mask_deg"],
        "pdop_max": settings["pdop_max_ratio"],
        "places": settings["sky_places_count"],
    }


#: When a terminal of each service counts: protocol, what must be seen, and how it is said.
EVIDENCE_OF_SERVICE = (
    EvidenceRule(
        protocol="JT/T 808, NMEA 0183",
        observation="a valid fix with BeiDou satellites in use, fixed by corrections",
        max_age_s=86400,
        doc="A steered machine counts with a corrected fix that uses BeiDou.",
        doc_zh="农机以使用北斗卫星的差分固定解计数。",
    ),
    EvidenceRule(
        protocol="SL 651, HJ 212",
        observation="records that pass their checks, received within the day",
        max_age_s=86400,
        doc="A monitoring post counts while its records pass their checks.",
        doc_zh="监测站以校验通过的报文计数。",
    ),
    EvidenceRule(
        protocol="JT/T 808, BeiDou short messages",
        observation="a valid fix that uses BeiDou, and in drills a short message answered",
        max_age_s=86400,
        doc="An emergency terminal counts with a valid fix, and in drills by messages answered.",
        doc_zh="应急终端以有效定位计数；演练中以已应答短报文计数。",
    ),
)

BEIDOU = Sector(
    key="beidou",
    title="BeiDou reference stations",
    title_zh="北斗基准站",
    doc=(
        "Reference stations for BeiDou corrections to three services, stations that stand "
        "upgraded first, to hold when one fails."
    ),
    layers=tuple(Layer(key, title, title_zh) for key, title, title_zh in SERVICES),
    environments=ENVIRONMENTS,
    measures=(
        Measure(
            "reference_station",
            "stations",
            "station",
            "A reference station whose stream carries BDS-3 observations.",
        ),
        *(
            Measure(
                f"{key}_service",
                "terminals",
                "terminal",
                f"{title}: terminals that answer by their rule.",
                counts="nothing",
            )
            for key, title, _ in SERVICES
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
    demand=Demand(
        "terminal",
        "terminals",
        build_demand,
        fields=TERMINAL_FIELDS,
        from_points=counted_demand,
    ),
    candidates=build_candidates,
    standin=stand_stations,
    existing_fields=EXISTING_FIELDS,
    from_register=sites_from_register,
    service=Catchment("distance", service_parameters, cell_environment),
    backup=Backup("backup_covering", backup_parameters),
    sizing=Sizing("short_messages", build_sizing),
    cost=Cost(read_fields("beidou_costs"), price_year=2023, bill=quantities),
    rules=rules,
    evidence=(
        EvidenceRule(
            protocol="RTCM 3 over NTRIP",
            observation="BeiDou observations (message types 1121-1127) without gaps over a day",
            max_age_s=86400,
            doc="A station counts while its stream carries BeiDou observations without gaps.",
            doc_zh="基准站数据流持续包含北斗观测且无中断方可计数。",
        ),
        *EVIDENCE_OF_SERVICE,
    ),
    reports=(
        Report("corrections", "Three services", "三类服务", corrections_of_report),
        Report("milestones", "When a service is proven", "服务实证", milestones_of_report),
        Report(
            "messages", "Short messages with cellular down", "公网中断时短报文", messages_of_report
        ),
        Report("farms", "Correction of farmland by county", "各县农田差分服务", farms_of_report),
        Report("further", "Further stations", "新增基准站", further_of_report),
        Report(
            "sky", "Satellites and dilution by county", "各县卫星可见与精度因子", sky_parameters
        ),
    ),
    limits=(
        (
            "How many machines, monitoring posts and teams there are is assumed until a file of "
            "terminals says so; where farmland and hills are comes from land cover of 0.05 and "
            "heights of 1/12 degrees."
        ),
        (
            "Terminals are taken together in squares; a network solution is taken as good wherever "
            "a triangle of stations lies around them, whatever the ionosphere does."
        ),
        "Without a register, reference stations are a seeded stand-in: no position is real.",
        (
            "The constellation is nominal and healthy; without a terrain in the study a plain "
            "mask stands for the horizon, so gorges look as good as plains."
        ),
        "One station at a time fails; links, power and the processing centre do not.",
    ),
    limits_zh=(
        "农机、监测站与应急队伍数量为假设（可由终端文件替换）；耕地与山区位置取自0.05度土地覆盖与1/12度高程。",
        "终端按方格汇总；只要周围有三站三角形即视为网络解可用，不计电离层影响。",
        "无台账时，基准站为生成的替代数据，位置均非真实。",
        "星座为标称健康状态；研究未给地形时以统一截止高度角代替地平线，峡谷与平原无差别。",
        "仅考虑单站失效；链路、供电与处理中心不计。",
    ),
    toy_value=40_407_150,
)
