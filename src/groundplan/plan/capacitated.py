"""A capacitated system decided and settled, and what its record tells beside that of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.problem import Decision
from groundplan.errors import InfeasibleError
from groundplan.plan.allocation import (
    Flows,
    Rows,
    allowed_pairs,
    build_problem,
    check_rows,
    choose_modules,
    demand_squares,
    plan_cost_cny,
)
from groundplan.plan.expansion import Expansion, expand
from groundplan.plan.kinds import allocation_model, sizing_model
from groundplan.plan.system import System, SystemPlan
from groundplan.sectors.contract import Action, Land, Offer

__all__ = [
    "allocate",
    "allocation_record",
    "decided_of",
    "expansion_of",
    "layer_reach_m",
    "offer_of",
]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
#: Share of the asked gap left to the engine; the rest is for modules that are not full.
ENGINE_SHARE = 0.75
#: Branchings by effort: closing the last tenth of a per cent costs five times all the rest.
NODES = (0, 0, 200, 5_000)
#: A plan this close to its bound is optimal: costs are rounded down before proof.
ROUNDING = 1e-9
REGIMES = {
    "optimal": (
        "Proven optimal: no other plan that meets the demand costs less.",
        "已证明最优：满足需求的任何其他方案都不会更便宜。",
    ),
    "feasible": (
        (
            "The asked gap is proven. The bound lets modules be split; what whole modules cost "
            "beyond that is part of the gap."
        ),
        "已证明达到要求的差距。下界允许模块拆分，整模块多出的费用计入差距。",
    ),
    "stopped": (
        (
            "The planned effort ended, or a stop was asked for, before the asked gap was proven; "
            "plan and bound are valid all the same."
        ),
        "计算在证明要求的差距之前结束；方案与下界仍然有效。",
    ),
}


def offer_of(system: System) -> tuple[Offer, Rows]:
    """Return what makes a system capacitated."""
    if system.offer is None or system.rows is None:
        raise TypeError(f"{system.sector.key} is no capacitated system")
    return system.offer, system.rows


def decided_of(plan: SystemPlan) -> tuple[Flows, Decision]:
    """Return who serves whom and the engine's own decision of a capacitated plan."""
    if plan.flows is None or plan.relaxed is None:
        raise TypeError(f"{plan.system.sector.key} is no capacitated system")
    return plan.flows, plan.relaxed


def layer_reach_m(system: System) -> FloatArray:
    """Return the reach of each layer, (n_layer,): the least over the classes of land."""
    return np.asarray(system.reach_table_m.min(axis=1))


def allocate(
    system: System,
    land: Land,
    *,
    gap: float,
    seed: int,
    effort: int = 1,
    progress: Callable[..., None] = lambda *_a, **_k: None,
    stop: Callable[[], bool] = lambda: False,
    tick: Callable[[str], None] = lambda _stage: None,
    counties: Sequence[str] | None = None,
    n_year: int = 1,
) -> SystemPlan:
    """Decide sites, modules and service of a capacitated system, and size it.

    Parameters
    ----------
    gap : float
        Ends the search once this gap to the cheapest plan is proven.
    effort : int
        0..3: how long sites are branched on.
    counties : sequence of str, optional
        Names of the counties, for messages.
    n_year : int
        Years in which the demand grows to what is asked.

    Raises
    ------
    InfeasibleError
        Where counties or the target cannot be served, or the budget does not pay for the plan.
    """
    offer, rows = offer_of(system)
    sector, sites, reach_m = system.sector, system.sites, layer_reach_m(system)
    kind = sector.allocation.kind if sector.allocation is not None else ""
    squares = demand_squares(system.demand, land.county, land.x_m, land.y_m)
    pairs = allowed_pairs(rows, squares, sites, offer, reach_m)
    names = counties or [str(i) for i in range(squares.county_ptr.size - 1)]
    check_rows(sector.title, rows, offer, pairs, reach_m, [x.key for x in sector.layers], names)
    problem = build_problem(rows, sites, offer, pairs)
    relaxed = allocation_model(kind)(
        problem,
        gap=ENGINE_SHARE * gap,
        seed=seed,
        nodes=NODES[effort],
        progress=progress,
        stop=stop,
    )
    tick("modules")
    flows, modules = choose_modules(rows, sites, offer, problem, relaxed, stop)
    value = plan_cost_cny(rows, sites, offer, flows, modules)
    bound = min(relaxed.bound, value)
    relative = (value - bound) / value if value else 0.0
    status = "optimal" if relative <= ROUNDING else "feasible" if relative <= gap else "stopped"
    decision = replace(
        relaxed,
        sites=np.flatnonzero(modules).astype(np.int32),
        value=value,
        bound=bound,
        gap=relative,
        gain_gap=relative,
        status=status,
    )
    if n_year > 1:
        tick("years")
    expansion = expand(
        kind, rows, sites, offer, pairs, flows, modules, n_year, seed=seed, stop=stop
    )
    tick("size")
    plan = settle_flows(system, land, decision, relaxed, flows)
    return replace(plan, expansion=expansion)


def settle_flows(
    system: System, land: Land, decision: Decision, relaxed: Decision, flows: Flows
) -> SystemPlan:
    """Size the sites for what they serve, and tell which cells keep their layer's reach."""
    _, rows = offer_of(system)
    load = flows.load(len(system.sites))
    planned = load > 0
    layer = strictest_layer(system, rows, flows)
    system = replace(system, sites=replace(system.sites, layer=layer))
    chosen = system.existing | planned
    sized = system.sector.sizing.build(
        sizing_model(system.sector.sizing.kind),
        system.sites,
        chosen,
        load.astype(np.float64),
        system.settings,
        system.count,
    )
    spent = int(sized.capex_cny[planned].sum())
    if system.budget_cny is not None and spent > system.budget_cny:
        raise InfeasibleError(
            f"{system.sector.title}: the cheapest plan found over the horizon costs more to build "
            "than the budget of this system",
            [
                f"target: {system.count:,} to add",
                f"budget of this system: {system.budget_cny:,} CNY, capital of the plan {spent:,}",
            ],
            least_budget_cny=spent,
        )
    assignment = main_site(system, rows, flows)[:, land.county]
    after = reached(system, land, assignment)
    return SystemPlan(
        system,
        decision,
        chosen,
        assignment,
        np.zeros_like(after),
        after,
        sized,
        relaxed=relaxed,
        flows=flows,
    )


def strictest_layer(system: System, rows: Rows, flows: Flows) -> NDArray[np.int8]:
    """Return the layer of least reach that each site serves; sites that serve none: the widest."""
    reach_m = layer_reach_m(system)
    order = np.argsort(-reach_m, kind="stable").astype(np.int8)
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    best = np.zeros(len(system.sites), np.int64)
    np.maximum.at(best, flows.site, rank[rows.layer[flows.row]])
    return np.asarray(order[best])


def main_site(system: System, rows: Rows, flows: Flows) -> NDArray[np.int32]:
    """Return the site that serves most of each layer and county, -1 where nothing is asked."""
    n_layer = len(system.sector.layers)
    n_county = int(rows.county.max()) + 1
    main = np.full((n_layer, n_county), -1, np.int32)
    # the last one written stays: most servers last, the first site of equal ones
    order = np.lexsort((-flows.site, flows.servers))
    row = flows.row[order]
    main[rows.layer[row], rows.county[row]] = flows.site[order]
    return main


def reached(system: System, land: Land, assignment: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return whether each cell itself lies within its layer's reach of the site that serves it."""
    out = np.zeros(assignment.shape, np.bool_)
    for number, reach_m in enumerate(layer_reach_m(system)):
        at = assignment[number]
        east = land.x_m - system.sites.x_m[at]
        north = land.y_m - system.sites.y_m[at]
        out[number] = (at >= 0) & (east * east + north * north <= reach_m * reach_m)
    return out


def expansion_of(plan: SystemPlan) -> Expansion:
    """Return what stands at the end of each year in a capacitated plan."""
    if plan.expansion is None:
        raise TypeError(f"{plan.system.sector.key} is no capacitated system")
    return plan.expansion


def least_apart_m(plan: SystemPlan) -> float | None:
    """Return the least distance between a site and one with copies of what it serves."""
    offer, rows = offer_of(plan.system)
    sites, (flows, _) = plan.system.sites, decided_of(plan)
    layer, county = rows.layer[flows.row], rows.county[flows.row]
    least = np.inf
    for number in np.flatnonzero(offer.copy_of >= 0):
        for copy in np.flatnonzero(layer == number):
            own = (layer == offer.copy_of[number]) & (county == county[copy])
            east = sites.x_m[flows.site[own]] - sites.x_m[flows.site[copy]]
            north = sites.y_m[flows.site[own]] - sites.y_m[flows.site[copy]]
            least = min(least, float(np.sqrt(east * east + north * north).min(initial=np.inf)))
    return None if np.isinf(least) else least


def allocation_record(
    plan: SystemPlan, counties: Sequence[Mapping[str, str]], years: tuple[int, int]
) -> dict[str, Any]:
    """Return what ``plan.json`` tells of a capacitated system, over the words of the others."""
    offer, rows = offer_of(plan.system)
    flows, _ = decided_of(plan)
    system, sites, decision = plan.system, plan.system.sites, plan.decision
    regime, regime_zh = REGIMES[decision.status]
    planned = plan.chosen & ~system.existing
    capital = int(plan.sized.capex_cny[planned].sum())
    key = system.sector.key
    east = sites.x_m[flows.site] - rows.x_m[flows.row]
    north = sites.y_m[flows.site] - rows.y_m[flows.row]
    far_m = np.sqrt(east * east + north * north)
    layers = system.sector.layers
    added = expansion_of(plan).added()
    price = offer.module_cny[:, None] * added
    opens = np.argmax(added > 0, axis=1)
    price[planned, opens[planned]] += sites.capex_cny[planned]
    span = range(years[0], years[1] + 1)
    return {
        "decision": "capacitated",
        "sense": "min",
        "limited_by": "demand",
        "regime": regime,
        "regime_zh": regime_zh,
        "servers_asked": system.count,
        "servers_unit": next(m.unit for m in system.sector.measures if m.counts == "servers"),
        "horizon_year": offer.horizon_year,
        "service_cny": decision.value - capital,
        "module_servers": offer.module_servers,
        "apart_m": offer.apart_m,
        "least_apart_m": least_apart_m(plan),
        "asked_by_layer": [
            int(rows.servers[rows.layer == number].sum()) for number in range(len(layers))
        ],
        "phases": [
            {
                "year": year,
                "sites": int((opens[planned] == i).sum()),
                "modules": int(added[:, i].sum()),
                "servers": int(added[:, i].sum()) * offer.module_servers,
                "cost_cny": int(price[:, i].sum()),
            }
            for i, year in enumerate(span)
        ],
        "modules": [
            {
                "asset_id": f"{key}-{site:07d}",
                "action": Action(int(sites.action[site])).name.lower(),
                "year": span[i],
                "modules": int(added[site, i]),
                "servers": int(added[site, i]) * offer.module_servers,
                "cost_cny": int(price[site, i]),
            }
            for site, i in zip(*(at.tolist() for at in np.nonzero(added)), strict=True)
        ],
        "flows": [
            {
                "layer": layers[rows.layer[r]].key,
                "county_code": counties[rows.county[r]]["code"],
                "county_name": counties[rows.county[r]]["name"],
                "asset_id": f"{key}-{s:07d}",
                "servers": n,
                "distance_m": round(m, 1),
            }
            for r, s, n, m in zip(
                flows.row.tolist(), flows.site.tolist(), flows.servers.tolist(), far_m.tolist(),
                strict=True,
            )
        ],
    }  # fmt: skip
