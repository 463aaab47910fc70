"""Data-centre racks: where halls should stand and grow, how large, and whom each serves.

A capacitated system. The study's target says how many racks of 2.5 kW are asked in all; they are
shared out over counties by residents and over classes of latency. Every class is served whole,
within its round trip over fibre and within what feeder, land and hazard allow, at the least cost
of sites, modules, energy and links. Centres that stand are extended first where that is cheaper,
then halls go into buildings at the seats, then onto open land.

Formulas: docs/sectors/racks.md. Meaning and origin of every setting:
``sectors/data/racks_settings.csv``.
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
    Allocation,
    AssetType,
    Catchment,
    Cost,
    Demand,
    EvidenceRule,
    Land,
    Layer,
    Measure,
    Offer,
    Report,
    Sector,
    Settings,
    Sites,
    Sized,
    Sizing,
)
from groundplan.sectors.fields import read_fields
from groundplan.sectors.places import ENVIRONMENTS, cell_environment
from groundplan.sectors.racks_standin import (
    build_candidates,
    centre_sites,
    hazard_at,
    headroom_kw,
    stand_centres,
)
from groundplan.sectors.sites import count_openings

__all__ = ["RACKS"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Demand is kept in hundredths of a watt: a hundredth of a rack is too coarse for a small cell.
WATT_SCALE = 100
HOURS = 8760.0
LAYERS = (
    Layer("ms1", "Within 1 ms (prefecture)", "1毫秒（市域）"),
    Layer("ms3", "Within 3 ms (neighbouring prefectures)", "3毫秒（都市圈）"),
    Layer("ms5", "Within 5 ms (province)", "5毫秒（省域）"),
    Layer("ms20", "Within 20 ms (nation)", "20毫秒（全国）"),
    Layer("copy", "Copies at a distance", "异地副本"),
)
CLASSES = tuple(layer.key for layer in LAYERS)
REGISTER = "the user's register, or the stand-in"


def class_shares(settings: Settings) -> FloatArray:
    """Return the share of each class, (n_layer,); copies come on top of the others, which sum to 1.

    Raises
    ------
    DataError
        Where the first three classes take more than all.
    """
    found = Findings("sector racks")
    for name, value, expected, hint in setting_rules(settings):
        found.add(0, name, value, expected, hint)
    found.raise_if_any(DataError)
    ms1, ms3, ms5 = (settings[f"{c}_ratio"] for c in ("ms1", "ms3", "ms5"))
    return np.array([ms1, ms3, ms5, 1.0 - ms1 - ms3 - ms5, ms1 * settings["copy_ratio"]])


def setting_rules(settings: Settings) -> Iterator[tuple[str, object, str, str]]:
    """Yield every rule between settings that they break."""
    total = sum(settings[f"{c}_ratio"] for c in ("ms1", "ms3", "ms5"))
    if total > 1.0 + 1e-9:
        expected = "at most 1 together with ms1_ratio and ms3_ratio"
        yield "ms5_ratio", settings["ms5_ratio"], expected, f"they add up to {total:g}"
    spent_ms = equipment_ms(settings)
    for c in CLASSES:
        if settings[f"limit_{c}_ms"] <= spent_ms:
            expected = f"more than the nodes take, {spent_ms:g} ms"
            hint = "lower hops_count or hop_ms, or widen the limit"
            yield f"limit_{c}_ms", settings[f"limit_{c}_ms"], expected, hint
    if settings["free_full_degc"] >= settings["free_partial_degc"]:
        expected = f"below free_partial_degc, {settings['free_partial_degc']:g}"
        yield "free_full_degc", settings["free_full_degc"], expected, "are the two exchanged?"


def build_demand(land: Land, settings: Settings) -> IntArray:
    """Return the power of the racks that each cell asks of each class, hundredths of a watt.

    Residents of rural land weigh less than others. Shape (n_layer, n_cell).
    """
    rural = cell_environment(land) == len(ENVIRONMENTS) - 1
    weight = land.people * np.where(rural, settings["rural_weight_ratio"], 1.0)
    watts = weight * (settings["racks_per_person_ratio"] * rack_w(settings) * WATT_SCALE)
    return np.asarray(np.rint(class_shares(settings)[:, None] * watts), np.int64)


def rack_w(settings: Settings) -> float:
    """Return the power of a rack in watts."""
    return float(1000.0 * settings["rack_kw"])


def equipment_ms(settings: Settings) -> float:
    """Return what the nodes add to a round trip."""
    return float(2 * settings["hops_count"] * settings["hop_ms"])


def service_parameters(settings: Settings) -> dict[str, Any]:
    """Return the round trip of each class and what it is spent on."""
    return {
        "limit_ms": np.array([settings[f"limit_{c}_ms"] for c in CLASSES]),
        "n_environment": len(ENVIRONMENTS),
        "fibre_us_per_km": settings["fibre_us_per_km"],
        "route_ratio": settings["route_ratio"],
        "equipment_ms": equipment_ms(settings),
    }


def present_value(settings: Settings) -> float:
    """Return the worth today of one yuan a year over the horizon."""
    rate, years = settings["discount_ratio"], settings["horizon_year"]
    return float(years if rate == 0 else (1.0 - (1.0 + rate) ** -years) / rate)


def energy_kwh_per_year(pue: FloatArray, settings: Settings) -> FloatArray:
    """Return the electricity of one rack in a year at each PUE."""
    return np.asarray(settings["rack_kw"] * settings["use_ratio"] * pue * HOURS)


def energy_cny_per_year(pue: FloatArray, settings: Settings) -> FloatArray:
    """Return what the electricity of one rack costs a year at each PUE."""
    return energy_kwh_per_year(pue, settings) * float(settings["power_cny_per_kwh"])


def racks_max(sites: Sites, settings: Settings) -> IntArray:
    """Return how many racks each site can take in addition: feeder, land and hazard.

    0 for what stands: it is extended under a candidate of its own.
    """
    peak_kw = settings["rack_kw"] * sites.attributes["peak_pue_ratio"]
    by_power = np.floor(sites.attributes["headroom_kw"] / peak_kw + 1e-9)
    by_land = np.zeros(len(sites))
    for action in (Action.UPGRADE, Action.SHARE, Action.NEW):
        most = settings[f"{action.name.lower()}_racks_max_count"]
        by_land[sites.action == action] = most
    allowed = np.where(sites.attributes["is_hazard"], 0.0, np.minimum(by_power, by_land))
    return allowed.astype(np.int64)


def hazard_words(settings: Settings) -> dict[str, Any]:
    """Return what masks sites where the study names no hazard file."""
    ratio = settings["hazard_ratio"]
    return {
        "standin": f"seeded stand-in, {100 * ratio:g} % of places at random",
        "standin_zh": f"随机替代数据，{100 * ratio:g}%的地点",
    }


def build_offer(land: Land, sites: Sites, settings: Settings) -> Offer:
    """Return modules, prices and running costs of each site."""
    del land
    value = present_value(settings)
    energy = energy_cny_per_year(sites.attributes["pue_ratio"], settings)
    copy_of = np.full(len(LAYERS), -1, np.int8)
    copy_of[CLASSES.index("copy")] = CLASSES.index("ms1")
    module = settings["module_racks_count"]
    return Offer(
        modules_max=racks_max(sites, settings) // module,
        module_servers=module,
        module_cny=np.full(len(sites), module * settings["rack_cny"], np.int64),
        server_cny=value * (energy + settings["rack_opex_cny_per_year"]),
        server_cny_per_m=value * settings["link_cny_per_km"] * settings["route_ratio"] / 1000.0,
        copy_of=copy_of,
        apart_m=1000.0 * settings["backup_km"],
        keep_ratio=settings["keep_ratio"],
        horizon_year=settings["horizon_year"],
        discount_ratio=settings["discount_ratio"],
    )


def build_sizing(
    model: Callable[..., Any],
    sites: Sites,
    chosen: NDArray[np.bool_],
    demand: FloatArray,
    settings: Settings,
    needed: int,
) -> Sized:
    """Size each site in whole modules for the racks assigned to it, and price it.

    `Sized.servers` are the racks that the plan adds, and those that stand where it adds none. The
    running cost counts the racks that are asked for, at their mean power.
    """
    del needed  # the decision has met it already
    planned = chosen & (sites.action != Action.KEEP)
    module = settings["module_racks_count"]
    load = np.where(planned, demand, 0.0)
    modules = np.where(planned, model(load, module), 0)
    racks = modules * module
    pue = sites.attributes["pue_ratio"]
    running = load * (energy_cny_per_year(pue, settings) + settings["rack_opex_cny_per_year"])
    standing = np.where(chosen & ~planned, sites.attributes["racks_count"], 0)
    return Sized(
        servers=racks + standing,
        load=load * rack_w(settings),
        is_overloaded=planned & (racks > racks_max(sites, settings)),
        capex_cny=np.where(planned, sites.capex_cny + racks * settings["rack_cny"], 0),
        attributes={
            "modules_count": modules,
            "added_racks_count": racks,
            "spare_racks_count": racks - np.rint(load).astype(np.int64),
            "it_load_kw": racks * settings["rack_kw"],
            "power_kw": racks * settings["rack_kw"] * sites.attributes["peak_pue_ratio"],
            "opex_cny_per_year": running,
        },
    )


def quantities(
    sites: Sites, sized: Sized, planned: NDArray[np.bool_], settings: Settings
) -> dict[str, float]:
    """Return how much of each price the planned sites take; the racks asked for draw power."""
    asked = sized.load[planned] / rack_w(settings)
    kwh_per_year = energy_kwh_per_year(sites.attributes["pue_ratio"][planned], settings)
    return {
        **count_openings(sites, planned, "site"),
        "rack_cny": float(sized.attributes["added_racks_count"][planned].sum()),
        "power_cny_per_kwh": float(asked @ kwh_per_year),
        "rack_opex_cny_per_year": float(asked.sum()),
    }


EXISTING_FIELDS = (
    Field(
        "centre_id", str, doc="the owner's identifier of the centre or plot",
        source="the user's register",
    ),
    Field(
        "kind", str, default="centre",
        doc="centre where a hall stands, plot where one could",
        source="assumption: a register of centres lists centres",
        choices=("centre", "plot"),
    ),
    Field(
        "feeder_kw", float, "kW", ge=0,
        doc="power that the connection can draw, all racks and cooling included",
        source="the user's register",
    ),
    Field(
        "racks_count", int, "count", default=0, ge=0,
        doc="racks of 2.5 kW that stand", source="the user's register",
    ),
    Field(
        "used_racks_count", int, "count", default=0, ge=0,
        doc="of these, racks in use", source="the user's register",
    ),
    Field(
        "reserved_racks_count", int, "count", default=0, ge=0,
        doc="racks reserved and not yet in use; beyond the free ones they claim feeder to come",
        source="the user's register",
    ),
    Field(
        "is_hazard", bool, default=False,
        doc="true in a flood or earthquake zone: nothing is added there",
        source="assumption: safe where the register does not say",
    ),
)  # fmt: skip


def sites_from_register(
    columns: Mapping[str, NDArray[Any]],
    x_m: FloatArray,
    y_m: FloatArray,
    land: Land,
    settings: Settings,
) -> Sites:
    """Return centres (``KEEP``) and plots (``NEW``) from the user's rows, centres first.

    Raises
    ------
    DataError
        With a finding for each row that has no identifier, or one that another row has, uses more
        racks than stand, holds racks on a plot, or lets its racks draw more than the feeder gives.
    """
    names = np.asarray(columns["centre_id"]).astype(str)
    kind = np.asarray(columns["kind"]).astype(str)
    racks, used, reserved = (
        np.asarray(columns[f"{k}racks_count"]).astype(np.int64) for k in ("", "used_", "reserved_")
    )
    feeder_kw = np.asarray(columns["feeder_kw"]).astype(np.float64)
    found = Findings("register of data centres")
    known: dict[str, int] = {}
    for row, name in enumerate(names.tolist()):
        if not name:
            found.add(row + 2, "centre_id", "", "the identifier of a centre or plot")
        elif name in known:
            hint = f"row {known[name]} has it"
            found.add(row + 2, "centre_id", name, "an identifier of its own", hint)
        known.setdefault(name, row + 2)
    for at in np.flatnonzero(used > racks).tolist():
        found.add(at + 2, "used_racks_count", int(used[at]), f"at most {racks[at]}, its racks")
    for at in np.flatnonzero((kind == "plot") & (racks + reserved > 0)).tolist():
        expected = "0 on a plot: nothing stands there"
        found.add(at + 2, "racks_count", int(racks[at]), expected, "or kind = centre")
    draws_kw = used * settings["rack_kw"]
    for at in np.flatnonzero(draws_kw > feeder_kw).tolist():
        got = f"{feeder_kw[at]:g} kW under {used[at]} racks in use"
        expected = f"at least {draws_kw[at]:g} kW"
        found.add(at + 2, "feeder_kw", got, expected, "is the column in MW?")
    found.raise_if_any(DataError)
    mapped = hazard_at(land, x_m, y_m, np.ones(x_m.size), 0.0)
    order = np.argsort(kind == "plot", kind="stable")
    columns_of = {
        "racks_count": racks[order],
        "used_racks_count": used[order],
        "reserved_racks_count": reserved[order],
        "headroom_kw": headroom_kw(feeder_kw, racks, used, reserved, settings)[order],
        "is_hazard": (np.asarray(columns["is_hazard"]).astype(bool) | mapped)[order],
    }
    action = np.where(kind[order] == "plot", Action.NEW, Action.KEEP)
    sites = centre_sites(land, x_m[order], y_m[order], action, columns=columns_of)
    return replace(sites, outside_id=[str(name) for name in names[order]])


def column(name: str, kind: type, unit: str, doc: str, source: str) -> Field:
    """Return a column of the asset table, >= 0."""
    return Field(name, kind, unit, ge=0, doc=doc, source=source)


PLAN = "decision of this plan"
CLIMATE = "modelled year of monthly normals, or the user's hours; see climate"
COLUMNS = (
    column("racks_count", int, "count", "racks that stand here today", REGISTER),
    column("used_racks_count", int, "count", "of these, racks in use", REGISTER),
    column("reserved_racks_count", int, "count", "racks reserved and not yet in use", REGISTER),
    column("headroom_kw", float, "kW", "what the feeder has left for racks to come", REGISTER),
    Field(
        "is_hazard",
        bool,
        doc="true in a flood or earthquake zone: nothing is added",
        source=f"the study's hazard files, {REGISTER}",
    ),
    column("pue_ratio", float, "1", "mean PUE of racks added here", CLIMATE),
    column("peak_pue_ratio", float, "1", "PUE in the hottest hours, for the feeder", CLIMATE),
    column("free_cooling_h", float, "h", "hours a year free of compressors", CLIMATE),
    column("modules_count", int, "count", "modules that the plan adds", PLAN),
    column("added_racks_count", int, "count", "racks that the plan adds", PLAN),
    column("spare_racks_count", int, "count", "of these, racks beyond what is asked", PLAN),
    column("it_load_kw", float, "kW", "power of the added racks", PLAN),
    column("power_kw", float, "kW", "what they draw in the hottest hours, cooling included", PLAN),
    column(
        "opex_cny_per_year", float, "CNY/year", "electricity and care of the racks asked for", PLAN
    ),
)

RACKS = Sector(
    key="racks",
    title="Data-centre racks",
    title_zh="数据中心机架",
    doc="Racks of 2.5 kW in centres, by class of latency, on standing centres first.",
    layers=LAYERS,
    environments=ENVIRONMENTS,
    measures=(
        Measure(
            "rack",
            "racks of 2.5 kW",
            "serial number of the PDU or enclosure",
            "A standard rack of 2.5 kW that the plan adds.",
            counts="servers",
        ),
    ),
    assets=(AssetType("hall", "Halls for racks", "机房", COLUMNS),),
    settings=read_fields("racks_settings"),
    demand=Demand("resident", "W", build_demand),
    candidates=build_candidates,
    standin=stand_centres,
    existing_fields=EXISTING_FIELDS,
    from_register=sites_from_register,
    service=Catchment("latency", service_parameters, cell_environment, decided_by="cell"),
    sizing=Sizing("modules", build_sizing),
    cost=Cost(read_fields("racks_costs"), price_year=2023, bill=quantities),
    allocation=Allocation("capacitated_facility", build_offer),
    avoids_hazards=True,
    rules=setting_rules,
    reports=(
        Report("hazards", "Hazards and the sites they rule out", "灾害与剔除的站点", hazard_words),
    ),
    evidence=(
        EvidenceRule(
            protocol="Redfish (DSP0266), SNMP (RFC 3418) or a Modbus / BACnet meter",
            observation=(
                "power of the rack's PDU or enclosure above 50 W, under a serial number that no "
                "other rack of the region reports"
            ),
            max_age_s=86400,
            doc="A rack counts while its PDU or enclosure shows power, once a serial number.",
            doc_zh="机架的配电单元或机柜显示功率时方可计数，按序列号各计一次。",
        ),
        EvidenceRule(
            protocol="energy meters of the centre (ISO/IEC 30134-2)",
            observation=(
                "12 months of energy of the centre and of its IT, with the metering category: "
                "1 at the UPS, 2 at the PDU, 3 at the inlet of the IT"
            ),
            max_age_s=31_536_000,
            doc="PUE counts as met when it is recomputed from 12 months of metered energy.",
            doc_zh="PUE须以连续12个月的计量电量复算，并注明计量类别（UPS、PDU或IT入口）。",
        ),
    ),
    limits=(
        (
            "How many racks stood before is not established, and neither is a split by latency: "
            "racks follow residents and assumed shares."
        ),
        (
            "Latency is fibre over a straight line times a detour factor; a few per cent of a "
            "county's demand may lie beyond the limit, and the share that keeps it is printed."
        ),
        (
            "Without a register, centres, feeders and, where the study names no hazard file, the "
            "hazard mask are seeded stand-ins: none of them is real. With a register nothing is "
            "masked but what it and the hazard files mark."
        ),
        (
            "Copies keep their distance for the first class only, by a rule that is stricter than "
            "needed; other classes have none."
        ),
        (
            "Demand grows everywhere alike from year to year; the years in which sites open are "
            "decided backwards from the last, each given the one after it. Water, land prices and "
            "the price of power by place are not established."
        ),
        "PUE comes from monthly normals of one place unless the study gives hours of its own.",
    ),
    limits_zh=(
        "既有机架数量与按时延的需求结构均未确立：机架随人口与假设比例分布。",
        "时延按直线距离乘绕行系数的光纤往返计算；各县允许少量需求超限，并列出逐格网核算的达标比例。",
        (
            "无台账时，现有中心、馈线以及（未提供灾害图件时的）灾害区均为生成的替代数据，均非真实；"
            "有台账时仅剔除台账与灾害图件所标灾害点。"
        ),
        "仅第一类需求的副本保证异地距离，且规则偏严；其他类别未设副本。",
        "各地需求逐年同比例增长；站点开放年份自末年逐年倒推确定；用水、地价与分地电价未确立。",
        "除非研究给出自己的小时数，PUE由单一地点的月均气候推算。",
    ),
    toy_value=1_269_229_972,
)
