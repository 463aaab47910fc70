"""A system of passage decided and settled, and what its record tells beside that of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_flow import requirement_spans, served_paths
from groundplan.engine.problem import Decision
from groundplan.plan.kinds import passage_model, sizing_model
from groundplan.plan.system import (
    DEMAND_SCALE,
    System,
    SystemPlan,
    check_feasible,
    refuse_nothing,
)
from groundplan.plan.trips import Laid, pieces_of_steps, supplied_km
from groundplan.sectors.contract import Action

__all__ = [
    "county_shares",
    "decide_passage",
    "laid_of",
    "passage_counties",
    "passage_record",
    "road_rows",
    "road_samples",
    "road_traffic",
    "settle_passage",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: By effort: linear programs that are branched on, and branchings of the mixed-integer solver.
NODES = (0, 20, 200, 2_000)
#: Roads are looked at every so many metres to tell in which county they run.
SAMPLE_M = 5000.0
#: A station is exchanged for a cheaper one within this distance, in a straight line.
EXCHANGE_M = 60_000.0
REGIMES = {
    "optimal": (
        "Proven optimal: no other choice under the same limit lets more trips through.",
        "已证明最优：同样限制下没有其他方案能让更多出行通过。",
    ),
    "feasible": (
        (
            "The asked gap is proven. Where nearly all trips get through the bound is usually "
            "within a per cent of the best plan; in the middle of the curve it is weaker."
        ),
        "已证明达到要求的差距。接近全部通过时上界通常在1%以内；通过率居中时上界较松。",
    ),
    "stopped": (
        (
            "The planned effort ended, or a stop was asked for, before the asked gap was proven; "
            "plan and bound are valid all the same. In the middle of the curve bounds of this "
            "problem are weak: a higher --effort branches."
        ),
        "计算在证明要求的差距之前结束；方案与上界仍然有效。通过率居中时上界较松，可提高计算强度。",
    ),
}


def laid_of(system: System) -> Laid:
    """Return the trips of a system of passage."""
    if system.laid is None:
        raise TypeError(f"{system.sector.key} is no system of passage")
    return system.laid


def decide_passage(
    system: System,
    *,
    gap: float,
    seed: int,
    effort: int = 1,
    progress: Callable[..., None] = lambda *_a, **_k: None,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose the stations that add the target's count, with a bound on what any choice lets pass.

    Parameters
    ----------
    gap : float
        Ends the search once proven.
    effort : int
        0..3: how long sites are branched on.

    Raises
    ------
    InfeasibleError
        Where too few places or too little money stand against what is asked.
    """
    check_feasible(system)
    laid, sites = laid_of(system), system.sites
    kind = system.sector.passage.kind if system.sector.passage is not None else ""
    solve = passage_model(kind)
    existing = laid.padded(system.existing)
    options: dict[str, Any] = {
        "existing": existing,
        "forbidden": ~laid.padded(np.ones(len(sites), np.bool_)),
        "gap": gap,
        "seed": seed,
        "nodes": NODES[effort],
        "progress": progress,
        "stop": stop,
    }
    decision = refined(system, solve(laid.paths, system.count, **options), gap)
    spent = int(sites.capex_cny[decision.sites].sum())
    if system.budget_cny is not None and spent > system.budget_cny:
        dear = solve(laid.paths, budget=system.budget_cny, cost=node_costs(system), **options)
        decision = refined(system, dear, gap)
    refuse_nothing(system, decision)
    return decision


def refined(system: System, decision: Decision, gap: float) -> Decision:
    """Return the decision with the stations still missing, and with cheaper ones for dear ones.

    Stations that nobody new needs go where most trips pass, cheapest kind first. Then each station
    is exchanged for a cheaper one near it where no trip is lost by that: what stands is upgraded
    before something is built. Prices and bound are untouched, so the certificate is sealed anew.
    """
    laid, sites = laid_of(system), system.sites
    spans = requirement_spans(laid.paths)
    volume = laid.paths.volume

    def value_of(chosen: BoolArray) -> int:
        return int(volume[served_paths(laid.paths, spans, laid.padded(chosen))].sum())

    chosen = system.existing.copy()
    chosen[decision.sites] = True
    cost = sites.capex_cny
    if "p" in decision.certificate.parameters:
        path = np.repeat(volume, np.diff(laid.paths.indptr))
        passing = np.bincount(laid.paths.nodes, weights=path, minlength=laid.paths.n_site)
        rest = np.flatnonzero(~chosen)
        order = rest[np.lexsort((rest, -passing[rest], cost[rest]))]
        missing = system.count - int(sites.units[chosen & ~system.existing].sum())
        chosen[order[: max(0, missing)]] = True
    least = value_of(chosen)
    dear = np.flatnonzero(chosen & ~system.existing)
    for site in dear[np.lexsort((dear, -cost[dear]))].tolist():
        d2 = (sites.x_m - sites.x_m[site]) ** 2 + (sites.y_m - sites.y_m[site]) ** 2
        near = np.flatnonzero(~chosen & (cost < cost[site]) & (d2 <= EXCHANGE_M**2))
        for other in near[np.lexsort((d2[near], cost[near]))].tolist():
            chosen[site], chosen[other] = False, True
            if value_of(chosen) >= least:
                break
            chosen[site], chosen[other] = True, False
    value = value_of(chosen)
    bound, base = decision.bound, decision.base_value
    relative = (bound - value) / bound if bound else 0.0
    final = np.flatnonzero(chosen & ~system.existing).astype(np.int32)
    certificate = replace(decision.certificate, value=value)
    return replace(
        decision,
        sites=final,
        value=value,
        gap=relative,
        gain_gap=(bound - value) / (bound - base) if bound > base else 0.0,
        status="optimal" if bound == value else "feasible" if relative <= gap else "stopped",
        certificate=seal(certificate, final),
    )


def node_costs(system: System) -> NDArray[np.int64]:
    """Return what a station at each node costs, 1 where none may stand."""
    cost = np.ones(laid_of(system).paths.n_site, np.int64)
    cost[: len(system.sites)] = np.maximum(system.sites.capex_cny, 1)
    return cost


def settle_passage(
    system: System,
    decision: Decision,
    *,
    servers_needed: int,
    tick: Callable[[str], None] = lambda _stage: None,
) -> SystemPlan:
    """Tell which trips get through before and after, and size the stations for them."""
    laid = laid_of(system)
    chosen = system.existing.copy()
    chosen[decision.sites] = True
    spans = requirement_spans(laid.paths)
    before = served_paths(laid.paths, spans, laid.padded(system.existing))
    after = served_paths(laid.paths, spans, laid.padded(chosen))
    tick("size")
    given = supplied_km(laid, after, laid.padded(chosen))[: len(system.sites)] / DEMAND_SCALE
    sized = system.sector.sizing.build(
        sizing_model(system.sector.sizing.kind),
        system.sites,
        chosen,
        given,
        system.settings,
        servers_needed,
    )
    return SystemPlan(
        system,
        decision,
        chosen,
        np.zeros((1, 0), np.int32),
        before[None, :],
        after[None, :],
        sized,
    )


def road_traffic(plan: SystemPlan) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the trips on each road of the network, and those that get through before and after.

    A road that was cut by sites counts the mean over its length. Shape (n_road,) each, in
    hundredths.
    """
    laid = laid_of(plan.system)
    network, roads = laid.network, laid.network.roads
    path, piece = pieces_of_steps(laid)
    whole = np.bincount(network.road, weights=network.length_m, minlength=roads.length_m.size)
    weight = laid.paths.volume[path] * network.length_m[piece] / whole[network.road[piece]]
    out = [
        np.bincount(
            network.road[piece], weights=weight * mask[path], minlength=roads.length_m.size
        ).astype(np.float64)
        for mask in (
            np.ones(laid.paths.n_path),
            plan.served_before[0],
            plan.served_after[0],
        )
    ]
    return out[0], out[1], out[2]


def road_samples(plan: SystemPlan) -> tuple[NDArray[np.int64], FloatArray, FloatArray, FloatArray]:
    """Return points along all roads: number of the road, position, metres that each stands for."""
    roads = laid_of(plan.system).network.roads
    n = np.maximum(1, np.rint(roads.length_m / SAMPLE_M).astype(np.int64))
    road = np.repeat(np.arange(n.size), n)
    share = (np.arange(road.size) - np.repeat(np.cumsum(n) - n, n) + 0.5) / n[road]
    a, b = roads.edge_from[road], roads.edge_to[road]
    x_m = roads.x_m[a] + share * (roads.x_m[b] - roads.x_m[a])
    y_m = roads.y_m[a] + share * (roads.y_m[b] - roads.y_m[a])
    return road, x_m, y_m, roads.length_m[road] / n[road]


def county_shares(
    plan: SystemPlan,
    county_of_sample: NDArray[np.int16],
    land: Any,
    n_county: int,
) -> tuple[FloatArray, FloatArray]:
    """Return the share of the traffic on each county's roads that gets through, before and after.

    A county without a road has that of the road nearest to its middle.
    """
    road, x_m, y_m, length_m = road_samples(plan)
    total, before, after = road_traffic(plan)
    if not road.size:
        return np.zeros(n_county), np.zeros(n_county)
    here = total > 0
    shares = []
    weight = total[road] * length_m
    known = np.bincount(county_of_sample, weights=weight, minlength=n_county)
    count = np.maximum(np.bincount(land.county, minlength=n_county), 1)
    middle = [np.bincount(land.county, weights=at, minlength=n_county) / count
              for at in (land.x_m, land.y_m)]  # fmt: skip
    used = np.flatnonzero(here[road])
    for passed in (before, after):
        ratio = np.divide(passed, total, out=np.zeros(total.size), where=here)
        part = np.bincount(county_of_sample, weights=weight * ratio[road], minlength=n_county)
        share = np.divide(part, known, out=np.zeros(n_county), where=known > 0)
        for county in np.flatnonzero(known <= 0).tolist() if used.size else ():
            d2 = (x_m[used] - middle[0][county]) ** 2 + (y_m[used] - middle[1][county]) ** 2
            share[county] = ratio[road[used[int(d2.argmin())]]]
        shares.append(share)
    return shares[0], shares[1]


def passage_counties(
    plan: SystemPlan,
    county_of_site: NDArray[np.int16],
    county_of_sample: NDArray[np.int16],
    ground: Any,
    counties: Sequence[Mapping[str, str]],
) -> list[dict[str, Any]]:
    """Return people, shares that get through, planned stations and their cost for each county."""
    n = len(counties)
    before, after = county_shares(plan, county_of_sample, ground.land, n)
    planned = plan.chosen & ~plan.system.existing
    count = np.bincount(county_of_site[planned], minlength=n)
    cost = np.zeros(n, np.int64)
    np.add.at(cost, county_of_site[planned], plan.sized.capex_cny[planned])
    head = np.bincount(ground.land.county, weights=ground.people, minlength=n) / DEMAND_SCALE
    return [
        {
            **county,
            "people": round(float(head[i])),
            "served_before_ratio": float(before[i]),
            "served_after_ratio": float(after[i]),
            "planned_count": int(count[i]),
            "cost_cny": int(cost[i]),
        }
        for i, county in enumerate(counties)
    ]


def road_rows(plan: SystemPlan, names: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return traffic and shares of each road, the pieces of one name taken together.

    Parameters
    ----------
    names : sequence of (str, str)
        English and Chinese name of each road of the network.
    """
    roads = laid_of(plan.system).network.roads
    total, before, after = road_traffic(plan)
    rows: dict[tuple[str, str], list[float]] = {}
    for i, name in enumerate(names):
        row = rows.setdefault(name, [0.0, 0.0, 0.0, 0.0])
        metres = float(roads.length_m[i])
        row[0] += metres
        for k, part in enumerate((total, before, after), start=1):
            row[k] += float(part[i]) * metres
    return [
        {
            "name": english,
            "name_zh": chinese,
            "length_m": round(metres, 1),
            "trips": round(driven / metres / DEMAND_SCALE, 2),
            "served_before_ratio": was / driven if driven else 0.0,
            "served_after_ratio": now / driven if driven else 0.0,
        }
        for (english, chinese), (metres, driven, was, now) in rows.items()
    ]


def passage_record(plan: SystemPlan) -> dict[str, Any]:
    """Return what ``plan.json`` tells of a system of passage, over the words of the others."""
    system, decision = plan.system, plan.decision
    laid = laid_of(system)
    network = laid.network
    regime, regime_zh = REGIMES[decision.status]
    length_km = laid.length_m / 1000.0
    volume = laid.paths.volume / DEMAND_SCALE
    driven = float((length_km * volume).sum())
    on_road = network.is_on_road
    return {
        "decision": "passage",
        "regime": regime,
        "regime_zh": regime_zh,
        "network": {
            "length_m": round(float(network.roads.length_m.sum()), 1),
            "roads": int(network.roads.length_m.size),
            "is_synthetic": network.roads.is_synthetic,
            "has_traffic": network.roads.has_traffic,
            "pairs": laid.paths.n_path,
            "trip_mean_m": round(1000.0 * driven / float(volume.sum()), 1),
            "range_m": network.range_m,
            "start_range_m": network.start_range_m,
            "end_range_m": network.end_range_m,
            "trip_min_m": network.trip_min_m,
            "short": laid.left_out["short"] / DEMAND_SCALE,
            "unconnected": laid.left_out["unconnected"] / DEMAND_SCALE,
            "off_road": int((~on_road & (system.sites.action == Action.KEEP)).sum()),
        },
        "served_km_ratio": float((length_km * volume * plan.served_after[0]).sum()) / driven,
    }
