"""A capacitated toy plan that can be solved by trying every set of sites."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings, InfeasibleError
from groundplan.plan.allocation import (
    Pairs,
    allowed_pairs,
    demand_rows,
    demand_squares,
    service_cost_cny,
)
from groundplan.plan.bill import check_bill
from groundplan.plan.capacitated import allocate, decided_of, layer_reach_m, offer_of
from groundplan.plan.columns import check_attributes
from groundplan.plan.system import System, prepare, subset
from groundplan.sectors.contract import Land, Sector, Settings

__all__ = ["best_cost_cny", "check_offer", "check_toy_allocation", "thinned", "two_town_land"]

#: Places among which every set is tried.
TRIED = 8
#: Nearest places taken for each row before others fill up.
NEAREST = 2
#: Share of what the tried places hold that the toy plan asks.
ASKED = 0.25
#: Two sums of the same money.
RELATIVE = 1e-9


def two_town_land(n_side: int = 40, cell_m: float = 10_000.0, seed: int = 7) -> Land:
    """Return a square land of two counties, each with a town of nine cells, 280 km apart.

    Its width lets limits of tens and hundreds of kilometres bind.

    Examples
    --------
    >>> land = two_town_land()
    >>> int((land.people > 0).sum()), land.seat_x_m.tolist()
    (18, [105000.0, 305000.0])
    """
    row, col = np.divmod(np.arange(n_side * n_side), n_side)
    first, second = n_side // 4, 3 * n_side // 4
    is_town = np.zeros(row.size, np.bool_)
    for at in (first, second):
        is_town |= (np.abs(row - at) <= 1) & (np.abs(col - at) <= 1)
    more = np.random.default_rng(seed).gamma(2.0, 10_000.0, row.size)
    people = np.where(is_town, np.round(20_000.0 + more, 2), 0.0)
    middle = cell_m * (np.array([first, second]) + 0.5)
    return Land(
        cell_m=cell_m,
        x_m=cell_m * (col + 0.5),
        y_m=cell_m * (n_side - row - 0.5),
        people=people,
        density_per_km2=people / (cell_m / 1000) ** 2,
        unit=np.zeros(row.size, np.int16),
        county=(col >= n_side // 2).astype(np.int16),
        urban_ratio=np.array([0.5]),
        seat_x_m=middle,
        seat_y_m=cell_m * n_side - middle,
        place_x_m=middle + cell_m,
        place_y_m=cell_m * n_side - middle,
    )


def pairs_of(system: System, land: Land) -> Pairs:
    """Return the pairs of a system that may serve each other."""
    offer, rows = offer_of(system)
    squares = demand_squares(system.demand, land.county, land.x_m, land.y_m)
    return allowed_pairs(rows, squares, system.sites, offer, layer_reach_m(system))


def thinned(system: System, land: Land) -> System:
    """Return the system with its `TRIED` places at most: the nearest of each row, then others."""
    offer, rows = offer_of(system)
    pairs = pairs_of(system, land)
    site, row, far_m = pairs.site, pairs.row, pairs.far_m
    kept: list[int] = []
    for i in range(rows.servers.size):
        mine = np.flatnonzero(row == i)
        kept += site[mine[np.argsort(far_m[mine], kind="stable")[:NEAREST]]].tolist()
    able = np.flatnonzero(offer.modules_max > 0)
    kept += able[np.linspace(0, able.size - 1, TRIED).astype(np.int64)].tolist()
    chosen = np.zeros(len(system.sites), np.bool_)
    chosen[list(dict.fromkeys(kept))[:TRIED]] = True
    keep = chosen | system.existing
    names = ("modules_max", "module_cny", "server_cny")
    offer = replace(offer, **{name: getattr(offer, name)[keep] for name in names})
    count = int(ASKED * int(offer.modules_max.sum()) * offer.module_servers)
    return replace(
        system,
        sites=subset(system.sites, keep),
        reach_m=system.reach_m[keep],
        offer=offer,
        rows=demand_rows(system.demand, land.county, land.x_m, land.y_m, count),
        count=count,
    )


def best_cost_cny(system: System, land: Land) -> float:
    """Return the least cost of any plan whose modules may be split, by trying every set of sites.

    Nothing of the engine is used: a linear program for each set, by another library's solver.
    """
    from scipy.optimize import linprog

    offer, rows = offer_of(system)
    pairs = pairs_of(system, land)
    site, row = pairs.site, pairs.row
    each = service_cost_cny(rows, offer, pairs) / rows.servers[row]
    each += offer.module_cny[site] / offer.module_servers
    room = (offer.modules_max * offer.module_servers).astype(np.float64)
    n_row = rows.servers.size
    able = np.flatnonzero(offer.modules_max > 0)
    best = np.inf
    for n in range(1, able.size + 1):
        for opened in itertools.combinations(able.tolist(), n):
            use = np.flatnonzero(np.isin(site, opened))
            served: NDArray[np.bool_] = np.isin(np.arange(n_row), row[use])
            if not served.all() or room[list(opened)].sum() < rows.servers.sum():
                continue
            told = linprog(
                each[use],
                A_ub=(site[use] == np.array(opened)[:, None]).astype(float),
                b_ub=room[list(opened)],
                A_eq=(row[use] == np.arange(n_row)[:, None]).astype(float),
                b_eq=rows.servers.astype(float),
                method="highs",
            )
            if told.status == 0:
                fee = int(system.sites.capex_cny[list(opened)].sum())
                best = min(best, float(told.fun) + fee)
    return best


def check_offer(found: Findings, system: System) -> None:
    """Note where an offer does not fit sites and layers, or gives room where something stands."""
    offer, _ = offer_of(system)
    n_site, n_layer = len(system.sites), len(system.sector.layers)
    for name, kind, n in (
        ("modules_max", np.integer, n_site),
        ("module_cny", np.integer, n_site),
        ("server_cny", np.floating, n_site),
        ("copy_of", np.integer, n_layer),
    ):
        column = getattr(offer, name)
        if column.shape != (n,) or not np.issubdtype(column.dtype, kind):
            word = "whole numbers" if kind is np.integer else "numbers"
            found.add(
                0, f"offer.{name}", f"{column.dtype} of shape {column.shape}", f"({n},) {word}"
            )
        elif name != "copy_of" and not (np.isfinite(column) & (column >= 0)).all():
            found.add(0, f"offer.{name}", column.min(), ">= 0")
    if len(found):
        return
    if not offer.modules_max.any():
        found.add(0, "offer.modules_max", "0 everywhere", "room for a module at some site")
    if offer.modules_max[system.existing].any():
        found.add(0, "offer.modules_max", "room where something stands", "0 where KEEP")
    if not ((offer.copy_of >= -1) & (offer.copy_of < n_layer)).all():
        got = f"{offer.copy_of.min()}..{offer.copy_of.max()}"
        found.add(0, "offer.copy_of", got, f"-1, or a layer 0..{n_layer - 1}")
    for name, least, most in (
        ("module_servers", 1, np.inf),
        ("server_cny_per_m", 0, np.inf),
        ("apart_m", 0, np.inf),
        ("keep_ratio", 0, 1),
        ("horizon_year", 1, np.inf),
        ("discount_ratio", 0, np.inf),
    ):
        value = getattr(offer, name)
        if not (least <= value <= most and np.isfinite(value)):
            found.add(0, f"offer.{name}", value, f"{least}..{most:g}")


def check_toy_allocation(
    found: Findings, sector: Sector, land: Land, settings: Settings, *, is_standard: bool
) -> None:
    """Solve a toy plan of few places; note where optimum, bound, modules or money do not hold."""
    whole = prepare(sector, land, None, dict(settings), count=1000, budget_cny=None, seed=5)
    check_offer(found, whole)
    if len(found):
        return
    system = thinned(whole, land)
    try:
        plan = allocate(system, land, gap=0.0, seed=5, effort=3)
    except InfeasibleError as error:
        found.add(0, "toy plan", str(error), "a plan that meets a small demand")
        return
    flows, relaxed = decided_of(plan)
    best = best_cost_cny(system, land)
    offer, _ = offer_of(system)
    if not abs(relaxed.value - best) <= RELATIVE * best:
        found.add(
            0,
            "toy plan",
            f"cost {relaxed.value:.2f}",
            f"{best:.2f}, found by trying every set",
        )
    if is_standard and sector.toy_value != round(best):
        found.add(
            0, "toy_value", repr(sector.toy_value), f"{round(best)}, the optimum of the toy plan",
            "store it in the sector; a change of it is a change of the model",
        )  # fmt: skip
    if plan.decision.bound > best * (1.0 + RELATIVE):
        found.add(0, "toy plan", f"bound {plan.decision.bound:.2f}", f"at most {best:.2f}")
    load = flows.load(len(plan.system.sites))
    planned = load > 0
    nothing = ~planned & ~plan.system.existing
    sized = plan.sized
    if (sized.servers < load).any() or sized.is_overloaded.any():
        found.add(0, "sizing", "a site that serves more than it holds", "modules for its load")
    if sized.servers[nothing].any() or sized.capex_cny[~planned].any():
        found.add(0, "sizing", "equipment or cost where nothing is planned", "0")
    check_bill(found, plan)
    modules = -(-load // offer.module_servers)
    price = np.where(planned, plan.system.sites.capex_cny, 0) + offer.module_cny * modules
    if not np.array_equal(sized.capex_cny, price):
        found.add(0, "sizing", "another price than the offer's", "opening plus whole modules")
    check_attributes(found, sector, "sizing", sized.attributes, len(plan.system.sites))
