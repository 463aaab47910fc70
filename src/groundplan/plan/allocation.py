r"""A capacitated system from its sector file to a decision: sites, modules, who serves whom.

Demand rows are pairs (layer, county): the study's target is shared out over them in whole servers,
in proportion to what the sector asks. With whole modules :math:`n_j` the plan costs

.. math:: \sum_j (f_j [n_j > 0] + m_j n_j) + \sum_{ij} (u_j + v d_{ij}) x_{ij}, \quad
          \sum_j x_{ij} = q_i, \quad \sum_i x_{ij} \le k n_j, \quad n_j \le N_j,

f opening, m a module of k servers, u serving a server's worth over the horizon, v the same for
each metre of distance d, x allowed where the site keeps the layer's limits (`allowed_pairs`).
Modules that may be split cost less, so the engine's bound on ``m_j / k`` a server holds for every
plan of whole ones; what the rounding costs is part of the gap that is stated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location import CapacityProblem
from groundplan.engine.problem import Decision
from groundplan.errors import InfeasibleError
from groundplan.sectors.contract import Offer, Sites

if TYPE_CHECKING:
    from groundplan.engine.location.transport import Transport

__all__ = [
    "Flows",
    "Pairs",
    "Rows",
    "Squares",
    "allowed_pairs",
    "build_problem",
    "check_rows",
    "choose_modules",
    "demand_rows",
    "demand_squares",
    "grown",
    "least_distance_m",
    "plan_cost_cny",
    "service_cost_cny",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Side of the squares in which a county's demand is measured.
SQUARE_M = 2_000.0
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
class Squares:
    """The demand of each county by squares of about `SQUARE_M`, to measure limits within it.

    Attributes
    ----------
    county_ptr : (n_county + 1,) int64
        Where the squares of each county begin.
    x_m, y_m : (n_square,) float64
        Centre of gravity of the demand of all layers.
    demand : (n_layer, n_square) int64
    """

    county_ptr: IntArray
    x_m: FloatArray
    y_m: FloatArray
    demand: IntArray


@dataclass(frozen=True)
class Pairs:
    """Sites that may serve rows, sorted by site, then row, with their distance."""

    site: IntArray
    row: IntArray
    far_m: FloatArray


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


def grown(servers: IntArray, year: int, span: int) -> IntArray:
    """Return what rows ask at the end of a year, 1..span: equal steps, whole servers, rounded up.

    Examples
    --------
    >>> grown(np.array([1, 5, 9]), 1, 3).tolist(), grown(np.array([1, 5, 9]), 3, 3).tolist()
    ([1, 2, 3], [1, 5, 9])
    """
    return -(-servers * year // span)


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


def demand_squares(
    demand: IntArray, county: NDArray[np.int16], x_m: FloatArray, y_m: FloatArray
) -> Squares:
    """Return the demand of cells summed in squares, each within one county.

    Parameters are those of `demand_rows`.
    """
    n_county = int(county.max(initial=-1)) + 1
    east, north = (np.floor(at / SQUARE_M).astype(np.int64) for at in (x_m, y_m))
    east -= east.min(initial=0)
    north -= north.min(initial=0)
    width, height = int(east.max(initial=0)) + 1, int(north.max(initial=0)) + 1
    key = (county.astype(np.int64) * height + north) * width + east
    known, square = np.unique(key, return_inverse=True)
    n = known.size
    of_layer = np.stack([np.bincount(square, weights=d, minlength=n) for d in demand])
    whole = np.maximum(of_layer.sum(axis=0), 1.0)
    total = demand.sum(axis=0)
    middle = [np.bincount(square, weights=at * total, minlength=n) / whole for at in (x_m, y_m)]
    ptr = np.searchsorted(known, np.arange(n_county + 1) * (height * width))
    # sums of whole numbers below 2 ** 53 are exact
    return Squares(ptr.astype(np.int64), middle[0], middle[1], of_layer.astype(np.int64))


def least_distance_m(offer: Offer, reach_m: FloatArray) -> FloatArray:
    """Return how near a site may lie that serves each layer, (n_layer,).

    A copy keeps `apart_m` from the site of its original. The original stands within its layer's
    reach of the county's centre, so copies that lie that reach and `apart_m` from the centre are
    far enough wherever it stands.
    """
    copies = offer.copy_of >= 0
    return np.where(copies & (offer.apart_m > 0), reach_m[offer.copy_of] + offer.apart_m, 0.0)


def allowed_pairs(
    rows: Rows, squares: Squares, sites: Sites, offer: Offer, reach_m: FloatArray
) -> Pairs:
    """Return every pair that may serve.

    The site has room, lies between `least_distance_m` and the reach of the row's centre, and at
    least `Offer.keep_ratio` of the row's demand lies within reach of it.

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
    for i, (layer, county) in enumerate(zip(rows.layer, rows.county, strict=True)):
        part = slice(squares.county_ptr[county], squares.county_ptr[county + 1])
        x_m, y_m, weight = squares.x_m[part], squares.y_m[part], squares.demand[layer, part]
        wide_m = np.sqrt(((x_m - rows.x_m[i]) ** 2 + (y_m - rows.y_m[i]) ** 2).max(initial=0.0))
        doubt = np.flatnonzero(allowed[:, i] & (far_m[:, i] + wide_m > reach_m[layer]))
        d2 = (sites.x_m[doubt, None] - x_m) ** 2 + (sites.y_m[doubt, None] - y_m) ** 2
        kept = ((d2 <= reach_m[layer] ** 2) * weight).sum(axis=1)
        allowed[doubt, i] = kept >= offer.keep_ratio * int(weight.sum())
    site, row = np.nonzero(allowed)
    return Pairs(site, row, far_m[site, row])


def service_cost_cny(rows: Rows, offer: Offer, pairs: Pairs) -> FloatArray:
    """Return what serving all of a row from a site costs over the horizon, modules apart."""
    each = offer.server_cny[pairs.site] + offer.server_cny_per_m * pairs.far_m
    return np.asarray(rows.servers[pairs.row] * each)


def build_problem(rows: Rows, sites: Sites, offer: Offer, pairs: Pairs) -> CapacityProblem:
    """Return the engine's problem: modules may be split, so that its bound holds for whole ones."""
    split = offer.module_cny[pairs.site] / offer.module_servers
    return CapacityProblem.from_pairs(
        pairs.row,
        pairs.site,
        service_cost_cny(rows, offer, pairs) + rows.servers[pairs.row] * split,
        rows.servers,
        offer.modules_max * offer.module_servers,
        sites.capex_cny,
    )


def check_rows(
    title: str,
    rows: Rows,
    offer: Offer,
    pairs: Pairs,
    reach_m: FloatArray,
    layers: Sequence[str],
    counties: Sequence[str],
) -> None:
    """Raise where a row has no site that may serve it, or all sites together are too small."""
    alone = np.flatnonzero(np.bincount(pairs.row, minlength=rows.servers.size) == 0)
    if alone.size:
        near_m = least_distance_m(offer, reach_m)
        words = []
        for number, layer in enumerate(layers):
            mine = alone[rows.layer[alone] == number]
            if mine.size:
                named = [counties[i] for i in rows.county[mine[:NAMED_MAX]].tolist()]
                more = f" and {mine.size - NAMED_MAX} more" if mine.size > NAMED_MAX else ""
                words.append(
                    f"{layer}: {', '.join(named)}{more}: no site with room between "
                    f"{near_m[number] / 1000:,.0f} and {reach_m[number] / 1000:,.0f} km that keeps "
                    f"the limit for {offer.keep_ratio:.0%} of the demand"
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
    """Return flows and whole modules: modules that others can do without are given up.

    Starting from the decision's flows, the module is taken away whose loss makes the plan cheapest,
    service being exact for the modules that stay; what moves fills modules that stand half empty.
    Ends where no single module can go.

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
    split = offer.module_cny[problem.site_of_pair()] / module
    paid = replace(problem, cost=problem.cost - rows.servers[problem.row] * split)
    is_better = True
    while is_better and not halt():
        is_better = False
        if int(modules.sum()) * module - int(load.sum()) < module:
            break
        for j in np.flatnonzero(modules):
            fewer = whole_modules_of(load, module)
            fewer[j] -= 1
            found = serve(Transport(replace(paid, capacity=fewer * module)), fewer)
            if found is None:
                continue
            held = whole_modules_of(found.load(len(sites)), module)
            cost = plan_cost_cny(rows, sites, offer, found, held)
            if cost < best:
                flows, modules, best, is_better = found, held, cost, True
        load = flows.load(len(sites))
    return flows, modules


def serve(transport: Transport, modules: IntArray) -> Flows | None:
    """Return the cheapest flows from the modules that stand, None where there are none."""
    opened = modules > 0
    _, amount, _ = transport.solve(opened)
    if amount is None:
        return None
    row, at = np.nonzero(amount)
    return Flows(row, np.flatnonzero(opened)[at], amount[row, at])
