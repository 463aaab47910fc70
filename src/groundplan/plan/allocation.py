r"""A capacitated system from its sector file to a decision: sites, modules, who serves whom.

Demand rows are pairs (layer, county): the study's target is shared out over them in whole servers,
in proportion to what the sector asks. With whole modules :math:`n_j` the plan costs

.. math:: \sum_j (f_j [n_j > 0] + m_j n_j) + \sum_{ij} (u_j + v d_{ij}) x_{ij}, \quad
          \sum_j x_{ij} = q_i, \quad \sum_i x_{ij} \le k n_j, \quad n_j \le N_j,

f opening, m a module of k servers, u serving a server's worth over the horizon, v the same for
each metre of distance d, x allowed where ``least <= d <= reach`` of the layer. Modules that may be
split cost less, so the engine's bound on ``m_j / k`` a server holds for every plan of whole ones;
what the rounding costs is part of the gap that is stated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location import CapacityProblem
from groundplan.engine.problem import Decision
from groundplan.errors import InfeasibleError
from groundplan.sectors.contract import Offer, Sites

__all__ = [
    "Flows",
    "Rows",
    "allowed_pairs",
    "build_problem",
    "choose_modules",
    "demand_rows",
    "least_distance_m",
    "plan_cost_cny",
    "service_cost_cny",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Modules that are taken away on trial before the search for full ones ends.
TRIALS = 400
#: Counties named in an error; more are counted.
NAMED_MAX = 5


@dataclass(frozen=True)
class Rows:
    """What is to be served: one entry for each layer and county that asks for something.

    Attributes
    ----------
    layer : (n_row,) int8
    county : (n_row,) int16
    servers : (n_row,) int64
        >= 1; their sum is what the target asks.
    x_m, y_m : (n_row,) float64
        Centre of gravity of the row's demand.
    """

    layer: NDArray[np.int8]
    county: NDArray[np.int16]
    servers: IntArray
    x_m: FloatArray
    y_m: FloatArray


@dataclass(frozen=True)
class Flows:
    """Who serves whom: `servers` of row `row` stand at site `site`, sorted by row, then site."""

    row: IntArray
    site: IntArray
    servers: IntArray

    def load(self, n_site: int) -> IntArray:
        """Return the servers at each site."""
        total = np.zeros(n_site, np.int64)
        np.add.at(total, self.site, self.servers)
        return total


def shared_out(weight: IntArray, count: int) -> IntArray:
    """Return whole numbers that add up to `count`, in proportion to the weights.

    Largest remainders, the first of equal ones; exact in whole numbers.

    Examples
    --------
    >>> shared_out(np.array([1, 1, 1]), 10).tolist()
    [4, 3, 3]
    """
    total = int(weight.sum())
    parts = [divmod(int(w) * count, total) for w in weight.tolist()]
    share = np.array([whole for whole, _ in parts], np.int64)
    rest = np.array([-left for _, left in parts], dtype=object)
    order = sorted(range(weight.size), key=lambda i: (rest[i], i))
    share[order[: count - int(share.sum())]] += 1
    return share


def demand_rows(
    demand: IntArray, county: NDArray[np.int16], x_m: FloatArray, y_m: FloatArray, count: int
) -> Rows:
    """Return the rows of a system: `count` servers shared out over layers and counties.

    Parameters
    ----------
    demand : (n_layer, n_cell) int64
        What cells ask, in any one unit.
    county : (n_cell,) int16
    x_m, y_m : (n_cell,) float64
    count : int
        Servers asked in all.
    """
    n_layer, n = demand.shape[0], int(county.max(initial=-1)) + 1
    layer = np.repeat(np.arange(n_layer, dtype=np.int8), n)
    key = np.tile(np.arange(n, dtype=np.int16), n_layer)
    weight = np.zeros((n_layer, n), np.int64)
    centre = np.zeros((2, n_layer, n))
    for number in range(n_layer):
        np.add.at(weight[number], county, demand[number])
        for axis, at in enumerate((x_m, y_m)):
            moment = np.bincount(county, weights=at * demand[number], minlength=n)
            centre[axis, number] = moment / np.maximum(weight[number], 1)
    servers = shared_out(weight.ravel(), count)
    asks = np.flatnonzero(servers)
    return Rows(
        layer[asks], key[asks], servers[asks], centre[0].ravel()[asks], centre[1].ravel()[asks]
    )


def least_distance_m(offer: Offer, reach_m: FloatArray) -> FloatArray:
    """Return how near a site may lie that serves each layer, (n_layer,).

    A copy keeps `apart_m` from the site of its original. The original stands within its layer's
    reach of the county, so copies that lie that reach and `apart_m` from the county are far enough
    wherever it stands.
    """
    copies = offer.copy_of >= 0
    return np.where(copies & (offer.apart_m > 0), reach_m[offer.copy_of] + offer.apart_m, 0.0)


def allowed_pairs(
    rows: Rows, sites: Sites, offer: Offer, reach_m: FloatArray
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return site, row and distance of every pair that may serve, sorted by site, then row.

    Parameters
    ----------
    reach_m : (n_layer,) float64
    """
    east = sites.x_m[:, None] - rows.x_m[None]
    north = sites.y_m[:, None] - rows.y_m[None]
    # a root of a sum of squares is rounded alike on every machine, a hypotenuse is not
    far_m = np.sqrt(east * east + north * north)
    near_m = least_distance_m(offer, reach_m)[rows.layer]
    allowed = (far_m <= reach_m[rows.layer]) & (far_m >= near_m)
    allowed &= (offer.modules_max > 0)[:, None]
    site, row = np.nonzero(allowed)
    return site, row, far_m[site, row]


def service_cost_cny(
    rows: Rows, offer: Offer, site: IntArray, row: IntArray, far_m: FloatArray
) -> FloatArray:
    """Return what serving all of a row from a site costs over the horizon, modules apart."""
    each = offer.server_cny[site] + offer.server_cny_per_m * far_m
    return np.asarray(rows.servers[row] * each)


def build_problem(rows: Rows, sites: Sites, offer: Offer, reach_m: FloatArray) -> CapacityProblem:
    """Return the engine's problem: modules may be split, so that its bound holds for whole ones."""
    site, row, far_m = allowed_pairs(rows, sites, offer, reach_m)
    cost = service_cost_cny(rows, offer, site, row, far_m)
    split = offer.module_cny[site] / offer.module_servers
    return CapacityProblem.from_pairs(
        row,
        site,
        cost + rows.servers[row] * split,
        rows.servers,
        offer.modules_max * offer.module_servers,
        sites.capex_cny,
    )


def check_rows(
    title: str,
    rows: Rows,
    sites: Sites,
    offer: Offer,
    reach_m: FloatArray,
    layers: tuple[str, ...],
) -> None:
    """Raise where a row has no site that may serve it, or all sites together are too small."""
    _, row, _ = allowed_pairs(rows, sites, offer, reach_m)
    alone = np.flatnonzero(np.bincount(row, minlength=rows.servers.size) == 0)
    if alone.size:
        near_m = least_distance_m(offer, reach_m)
        words = []
        for number, layer in enumerate(layers):
            mine = alone[rows.layer[alone] == number]
            if mine.size:
                shown = ", ".join(map(str, rows.county[mine[:NAMED_MAX]].tolist()))
                more = f" and {mine.size - NAMED_MAX} more" if mine.size > NAMED_MAX else ""
                words.append(
                    f"{layer}: counties {shown}{more} have no site with room between "
                    f"{near_m[number] / 1000:,.0f} and {reach_m[number] / 1000:,.0f} km"
                )
        raise InfeasibleError(
            f"{title}: some counties cannot be served within their limits",
            [*words, "widen a limit, offer sites there, or lower the distance of copies"],
        )
    need, room = int(rows.servers.sum()), int(offer.modules_max.sum()) * offer.module_servers
    if need > room:
        raise InfeasibleError(
            f"{title}: the sites together are too small",
            [f"target: {need:,} to add", f"feeders, land and hazards allow {room:,}"],
        )


def plan_cost_cny(rows: Rows, sites: Sites, offer: Offer, flows: Flows, modules: IntArray) -> float:
    """Return what a plan of whole modules costs over the horizon, summed without error."""
    east = sites.x_m[flows.site] - rows.x_m[flows.row]
    north = sites.y_m[flows.site] - rows.y_m[flows.row]
    far_m = np.sqrt(east * east + north * north)
    each = offer.server_cny[flows.site] + offer.server_cny_per_m * far_m
    capital = int(sites.capex_cny[modules > 0].sum()) + int((offer.module_cny * modules).sum())
    return math.fsum([float(capital), *(flows.servers * each).tolist()])


def whole_modules_of(load: IntArray, module: int) -> IntArray:
    """Return the modules that hold each load."""
    return -(-load // module)


def flows_of(decision: Decision) -> Flows:
    """Return the flows of an engine's decision."""
    prices = decision.certificate.prices
    row, site = prices["plan_row"].astype(np.int64), prices["plan_site"].astype(np.int64)
    order = np.lexsort((site, row))
    return Flows(row[order], site[order], prices["plan_amount"].astype(np.int64)[order])


def choose_modules(
    rows: Rows,
    sites: Sites,
    offer: Offer,
    problem: CapacityProblem,
    decision: Decision,
    halt: Callable[[], bool] = lambda: False,
) -> tuple[Flows, IntArray]:
    """Return flows and whole modules: the last modules that are hardly used are given up.

    Starting from the decision's flows, a site's last module is taken away where all rows can still
    be served from what stays and the plan gets cheaper by it; service is then exact for the
    modules that stand. Ends where no single module can go.

    Returns
    -------
    Flows, (n_site,) int64
    """
    from groundplan.engine.location.transport import Transport

    module = offer.module_servers
    flows = flows_of(decision)
    load = flows.load(len(sites))
    modules = whole_modules_of(load, module)
    best = plan_cost_cny(rows, sites, offer, flows, modules)
    # modules that stand are paid: what is left to choose by is service alone
    paid = replace(
        problem,
        cost=problem.cost
        - rows.servers[problem.row] * (offer.module_cny[problem.site_of_pair()] / module),
    )
    trials = 0
    is_better = True
    while is_better and trials < TRIALS and not halt():
        is_better = False
        spare = modules * module - load
        if int(spare.sum()) < module:
            break
        for j in np.lexsort((np.arange(load.size), -spare)):
            if spare[j] <= 0 or trials >= TRIALS:
                break
            trials += 1
            fewer = modules.copy()
            fewer[j] -= 1
            found = serve(Transport(replace(paid, capacity=fewer * module)), fewer)
            if found is None:
                continue
            held = whole_modules_of(found.load(len(sites)), module)
            cost = plan_cost_cny(rows, sites, offer, found, held)
            if cost < best:
                flows, modules, best, is_better = found, held, cost, True
                load = flows.load(len(sites))
                break
    return flows, modules


def serve(transport: Any, modules: IntArray) -> Flows | None:
    """Return the cheapest flows from the modules that stand, None where there are none."""
    opened = modules > 0
    _, amount = transport.solve(opened)
    if amount is None:
        return None
    row, at = np.nonzero(amount)
    return Flows(row, np.flatnonzero(opened)[at], amount[row, at])
