"""5G base stations of the two shared networks: where to add them, on which masts, how large.

A base station is the equipment of one network on one mast. China's four operators run two shared
5G networks, and a subscriber of one is not served by the other, so each is a layer of its own:
a cell's residents are split between them and every base station serves its own part. Masts are
shared: what stands is used first, a new mast is looked at only where none stands near.

Formulas: docs/method/link-budget.md. Meaning and origin of every setting:
``sectors/data/mobile_settings.csv``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings
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
    Sector,
    Settings,
    Sites,
    Sized,
    Sizing,
)
from groundplan.sectors.fields import read_fields
from groundplan.sectors.mobile_feeds import MOBILE_FEEDS
from groundplan.sectors.mobile_standin import stand_masts
from groundplan.sectors.places import (
    ENVIRONMENTS,
    Spots,
    cell_environment,
    density_at,
    environment_of,
    is_clear,
    lattice_spots,
)
from groundplan.sectors.sites import join_sites, pick_sites

__all__ = ["MOBILE"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LAYERS = (
    Layer("a", "China Mobile and China Broadnet", "中国移动与中国广电"),
    Layer("b", "China Telecom and China Unicom", "中国电信与中国联通"),
)
#: Demand is kept in hundredths of a resident.
PEOPLE_SCALE = 100
SUBCARRIERS_PER_BLOCK = 12
#: Truncated Shannon fit of 3GPP TR 36.942, Annex A: downlink share, ceiling and floor.
SHANNON_RATIO = 0.6
EFFICIENCY_MAX_BIT_PER_S_HZ = 4.4
SINR_MIN_DB = -10.0
#: GB a month to Mbit in the busy hour: 8000 Mbit in a GB, 30 days, 3600 s.
MBIT_PER_GB = 8000.0
DAYS_PER_MONTH = 30.0
SECONDS_PER_H = 3600.0


def build_demand(land: Land, settings: Settings) -> IntArray:
    """Return residents of each layer and cell, hundredths; layers add up to the residents."""
    people = np.rint(land.people * PEOPLE_SCALE).astype(np.int64)
    demand = np.empty((len(LAYERS), people.size), np.int64)
    demand[0] = np.rint(people * settings["network_a_subscriber_ratio"])
    demand[1] = people - demand[0]
    return demand


def by_class(settings: Settings, name: str) -> NDArray[Any]:
    """Return a setting of the environments' carriers, (n_layer, n_environment)."""
    return np.array(
        [
            [settings[f"{settings[f'band_{layer.key}_{place}']}_{name}"] for place in ENVIRONMENTS]
            for layer in LAYERS
        ]
    )


def by_environment(settings: Settings, name: str) -> NDArray[Any]:
    """Return a setting of the environments, the same for both layers."""
    row = [settings[name.format(place)] for place in ENVIRONMENTS]
    return np.array([row] * len(LAYERS))


def service_parameters(settings: Settings) -> dict[str, Any]:
    """Return what `engine.radio.cell_reach` takes, by (layer, environment)."""
    subcarriers = SUBCARRIERS_PER_BLOCK * by_class(settings, "block_count")
    power_dbm = by_class(settings, "power_dbm") + by_class(settings, "gain_dbi")
    return {
        "model": by_environment(settings, "model_{}"),
        "frequency_ghz": by_class(settings, "frequency_ghz"),
        "eirp_dbm": power_dbm - 10.0 * np.log10(subcarriers),
        "rsrp_min_dbm": by_environment(settings, "rsrp_min_{}_dbm"),
        "building": by_environment(settings, "building_{}"),
        "base_height_m": by_environment(settings, "antenna_{}_m"),
        "terminal_height_m": settings["terminal_m"],
        "indoor_ratio": by_environment(settings, "indoor_{}_ratio"),
        "reliability_ratio": settings["reliability_ratio"],
        "reliability_kind": settings["reliability_kind"],
        "body_loss_db": settings["body_loss_db"],
        "interference_margin_db": settings["interference_margin_db"],
    }


def antennas(settings: Settings) -> dict[str, Any]:
    """Return what the signal maps take of sectors and carriers, by (layer, environment)."""
    names = (
        "sectors_count", "downtilt_deg", "horizontal_beamwidth_deg", "vertical_beamwidth_deg"
    )  # fmt: skip
    return {
        "bandwidth_mhz": by_class(settings, "carrier_mhz"),
        "block_count": by_class(settings, "block_count"),
        **{name: settings[name] for name in names},
    }


def new_spots(land: Land, existing: Sites, settings: Settings) -> Spots:
    """Return places for a new mast: people live there and no mast stands near."""
    spacing_m = 1000.0 * np.array([settings[f"new_spacing_{e}_km"] for e in ENVIRONMENTS])
    spots = lattice_spots(land, spacing_m, settings["new_spot_people"])
    # a mast has an entry for each layer; one position of it is enough
    _, first = np.unique(existing.host, return_index=True)
    mast_x, mast_y = existing.x_m[first], existing.y_m[first]
    clear = np.zeros(spots.x_m.size, np.bool_)
    for number, distance_m in enumerate(spacing_m):
        here = np.flatnonzero(spots.environment == number)
        clear[here] = is_clear(spots.x_m[here], spots.y_m[here], mast_x, mast_y, distance_m)
    return spots.take(np.flatnonzero(clear)[: settings["new_spots_max_count"]])


def build_candidates(
    land: Land, existing: Sites, settings: Settings, rng: np.random.Generator
) -> Sites:
    """Return base stations that stand, then those that existing and new masts could take in.

    Nothing here is drawn: `rng` is part of the contract and stays untouched.
    """
    del rng
    stands = existing.action == Action.KEEP
    open_masts = pick_sites(existing, ~stands)
    spots = new_spots(land, existing, settings)
    n_spot = spots.x_m.size
    first_host = int(existing.host.max(initial=-1)) + 1
    station_cny = settings["base_station_cny"]
    new = Sites(
        x_m=np.tile(spots.x_m, len(LAYERS)),
        y_m=np.tile(spots.y_m, len(LAYERS)),
        layer=np.repeat(np.arange(len(LAYERS), dtype=np.int8), n_spot),
        environment=np.tile(spots.environment, len(LAYERS)),
        action=np.full(len(LAYERS) * n_spot, Action.NEW, np.int8),
        host=np.tile(np.arange(first_host, first_host + n_spot, dtype=np.int32), len(LAYERS)),
        units=np.ones(len(LAYERS) * n_spot, np.int32),
        capex_cny=np.full(
            len(LAYERS) * n_spot, station_cny + settings["new_mast_cny"], dtype=np.int64
        ),
        is_synthetic=existing.is_synthetic,
    )
    priced = np.full(len(open_masts), station_cny, np.int64)
    return join_sites(pick_sites(existing, stands), pick_sites(open_masts, capex_cny=priced), new)


def carrier_mbps(settings: Settings) -> FloatArray:
    """Return what one carrier of one sector carries in the busy hour, (n_layer, n_environment).

    Truncated Shannon at the mean SINR, times width, streams and the share of time sent down, less
    overhead and repeated blocks.
    """
    sinr_db = settings["sinr_db"]
    shannon = SHANNON_RATIO * np.log2(1.0 + 10.0 ** (sinr_db / 10.0))
    efficiency = min(shannon, EFFICIENCY_MAX_BIT_PER_S_HZ) if sinr_db >= SINR_MIN_DB else 0.0
    net = (1.0 - settings["overhead_ratio"]) * (1.0 - settings["block_error_ratio"])
    width_mhz = by_class(settings, "carrier_mhz") * by_class(settings, "downlink_ratio")
    return np.asarray(width_mhz * efficiency * settings["mimo_count"] * net, dtype=np.float64)


def busy_hour_mbps_per_person(settings: Settings) -> float:
    """Return the busy-hour traffic of one resident, 5G users among residents counted.

    ``GB/month * 8000 * busy-hour share / (days * 3600) * users per resident``.
    """
    mean_mbps = settings["traffic_gb_per_month"] * MBIT_PER_GB * settings["busy_hour_ratio"]
    return float(
        mean_mbps / (DAYS_PER_MONTH * SECONDS_PER_H) * settings["users_5g_per_person_ratio"]
    )


def build_sizing(
    model: Callable[..., Any],
    sites: Sites,
    chosen: NDArray[np.bool_],
    demand: FloatArray,
    settings: Settings,
    needed: int,
) -> Sized:
    """Size each serving base station: carriers for the busy hour of its residents.

    Stations that stand keep their one carrier on each sector: where that is too little they are
    flagged, not rebuilt. A new mast that both networks use is paid by each with half. No target
    asks for carriers, so `needed` changes nothing here.
    """
    del needed
    stands = sites.action == Action.KEEP
    per_carrier = carrier_mbps(settings)[sites.layer, sites.environment]
    spectrum = by_class(settings, "carriers_count")[sites.layer, sites.environment]
    sized = model(
        np.where(chosen, demand, 0.0) * busy_hour_mbps_per_person(settings),
        per_carrier,
        sectors=settings["sectors_count"],
        load_max_ratio=settings["load_max_ratio"],
        busiest_ratio=settings["busiest_sector_ratio"],
        carriers_max=np.where(stands, 1, spectrum),
    )
    planned = chosen & ~stands
    extra = (sized.carriers - 1) * settings["sectors_count"] * settings["carrier_cny"]
    capex = np.where(planned, sites.capex_cny + extra, 0).astype(np.int64)
    shared = np.flatnonzero(planned & (sites.action == Action.NEW))
    hosts, inverse, users = np.unique(sites.host[shared], return_inverse=True, return_counts=True)
    if hosts.size:
        # the second network pays the smaller half where the price is odd
        mast_cny = settings["new_mast_cny"]
        both = users[inverse] == len(LAYERS)
        second = sites.layer[shared] > 0
        refund = np.where(second, mast_cny - mast_cny // 2, mast_cny // 2)
        capex[shared] -= np.where(both, refund, 0)
    carriers = np.where(chosen, sized.carriers * settings["sectors_count"], 0)
    return Sized(
        servers=carriers.astype(np.int64),
        load=np.where(chosen, demand, 0.0),
        is_overloaded=chosen & sized.is_overloaded,
        capex_cny=capex,
        attributes={
            "carriers_count": carriers.astype(np.int64),
            "sector_load_ratio": np.where(chosen, sized.load_ratio, 0.0),
        },
    )


def quantities(
    sites: Sites, sized: Sized, planned: NDArray[np.bool_], settings: Settings
) -> dict[str, float]:
    """Return how much of each price the planned stations take; a shared mast is one."""
    n = float(planned.sum())
    carriers = float(sized.attributes["carriers_count"][planned].sum())
    masts = np.unique(sites.host[planned & (sites.action == Action.NEW)])
    return {
        "base_station_cny": n,
        "new_mast_cny": float(masts.size),
        "carrier_cny": carriers - n * settings["sectors_count"],
        "station_opex_cny_per_year": n,
    }


EXISTING_FIELDS = (
    Field(
        "mast_id",
        str,
        doc="the owner's identifier of the mast; rows of one mast share it",
        source="the user's register",
    ),
    Field(
        "network",
        str,
        doc="network of the equipment; none for a mast with nothing on it yet",
        source="the user's register",
        choices=("a", "b", "none"),
    ),
    Field(
        "generation",
        str,
        default="5g",
        doc="5g where the network's 5G stands on the mast, 4g where only older equipment does",
        source="assumption: a register of base stations lists 5G ones",
        choices=("5g", "4g"),
    ),
)


def sites_from_register(
    columns: Mapping[str, NDArray[Any]],
    x_m: FloatArray,
    y_m: FloatArray,
    land: Land,
    settings: Settings,
) -> Sites:
    """Return one entry for each mast and layer from rows of (mast, network, generation).

    The first row of a mast gives its position. A network's 5G on the mast is ``KEEP``, its older
    equipment alone ``UPGRADE``, nothing of it ``SHARE``.

    Raises
    ------
    DataError
        With a finding for each row without mast or network.
    """
    del settings
    mast_id = np.asarray(columns["mast_id"]).astype(str)
    network = np.asarray(columns["network"]).astype(str)
    generation = np.asarray(columns["generation"]).astype(str)
    found = Findings("existing masts")
    for row in np.flatnonzero(np.char.str_len(mast_id) == 0):
        found.add(int(row) + 2, "mast_id", "", "the identifier of a mast")
    for row in np.flatnonzero(~np.isin(network, ("a", "b", "none"))):
        found.add(int(row) + 2, "network", network[row], "a, b or none")
    for row in np.flatnonzero(~np.isin(generation, ("5g", "4g"))):
        found.add(int(row) + 2, "generation", generation[row], "5g or 4g")
    found.raise_if_any()
    names, first, mast = np.unique(mast_id, return_index=True, return_inverse=True)
    action = np.full((len(LAYERS), names.size), Action.SHARE, np.int8)
    for number, layer in enumerate(LAYERS):
        for word, what in (("4g", Action.UPGRADE), ("5g", Action.KEEP)):
            action[number, mast[(network == layer.key) & (generation == word)]] = what
    mast_x, mast_y = x_m[first], y_m[first]
    n = names.size * len(LAYERS)
    return Sites(
        x_m=np.tile(mast_x, len(LAYERS)),
        y_m=np.tile(mast_y, len(LAYERS)),
        layer=np.repeat(np.arange(len(LAYERS), dtype=np.int8), names.size),
        environment=np.tile(environment_of(density_at(land, mast_x, mast_y)), len(LAYERS)),
        action=action.ravel(),
        host=np.tile(np.arange(names.size, dtype=np.int32), len(LAYERS)),
        units=np.ones(n, np.int32),
        capex_cny=np.zeros(n, np.int64),
        outside_id=[str(name) for name in names] * len(LAYERS),
    )


MOBILE = Sector(
    key="mobile",
    title="5G base stations",
    title_zh="5G基站",
    doc="Base stations of the two shared 5G networks, on existing masts first.",
    layers=LAYERS,
    environments=ENVIRONMENTS,
    measures=(
        Measure(
            "base_station",
            "stations",
            "network and mast",
            "5G equipment of one network on one mast, counted once however many bands it has.",
        ),
    ),
    assets=(
        AssetType(
            "base_station",
            "5G base station",
            "5G基站",
            (
                Field(
                    "carriers_count",
                    int,
                    "count",
                    ge=0,
                    doc="carriers over all sectors",
                    source="sizing of this plan",
                ),
                Field(
                    "sector_load_ratio",
                    float,
                    "1",
                    ge=0,
                    doc="busy-hour load of the busiest sector; above 1 it cannot be carried",
                    source="sizing of this plan",
                ),
            ),
        ),
    ),
    settings=read_fields("mobile_settings"),
    demand=Demand("resident", "residents", build_demand),
    candidates=build_candidates,
    standin=stand_masts,
    existing_fields=EXISTING_FIELDS,
    from_register=sites_from_register,
    service=Catchment("link_budget", service_parameters, cell_environment, antennas=antennas),
    feeds=MOBILE_FEEDS,
    sizing=Sizing("traffic", build_sizing),
    cost=Cost(read_fields("mobile_costs"), price_year=2023, bill=quantities),
    evidence=(
        EvidenceRule(
            protocol="3GPP TS 32.435 performance file",
            observation=(
                "traffic counters of the cell above zero, not marked suspect, under a global "
                "cell identity that no other station reports"
            ),
            max_age_s=86400,
            doc="A base station counts while its performance file of the last day shows traffic.",
            doc_zh="基站在最近一天的性能文件中有业务量时方可计数。",
        ),
    ),
    limits=(
        (
            "Reach comes from a statistical model and classes of land: no terrain, no single "
            "building, no antenna tilt. It tells how many and roughly where, not which roof."
        ),
        (
            "Served means indoors, by one's own network, for 95 % of a cell's area: stricter than "
            "the coverage that operators publish. Only the downlink reference signal is "
            "budgeted; at cell edges the uplink may be weaker."
        ),
        (
            "Where people are modelled, cells are right in their sums by census unit and synthetic "
            "below about 5 km."
        ),
        (
            "Without a register the masts are a seeded stand-in in published numbers: none of "
            "its positions is real."
        ),
        "Backhaul, power, land and permits are not checked.",
    ),
    limits_zh=(
        (
            "覆盖半径来自统计模型与地类划分，不含地形、单体建筑与天线下倾；"
            "可回答数量与大致位置，不能指定屋顶。"
        ),
        (
            "“已服务”指本网在室内、小区95%面积上达到门限，严于运营商公布的覆盖率；"
            "仅计算下行参考信号，小区边缘上行可能更弱。"
        ),
        "人口为模型时，各普查单元合计准确，约5公里以下为合成。",
        "无台账时，铁塔为按公布数量生成的替代数据，位置均非真实。",
        "未核查传输、供电、用地与许可。",
    ),
    toy_value=4_113_471,
)
