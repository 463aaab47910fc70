"""A land of towns along roads, and a plan of passage on it that can be solved by trying all."""

from __future__ import annotations

import itertools

import numpy as np

from groundplan.errors import Findings, InfeasibleError
from groundplan.plan.passage import decide_passage, laid_of, settle_passage
from groundplan.plan.system import System, prepare
from groundplan.plan.toy import check_sized
from groundplan.plan.trips import Laid
from groundplan.sectors.contract import Action, Land, Sector, Settings

__all__ = ["best_passage", "check_toy_passage", "road_land"]

#: Stations that the toy plan adds: every set of so many is tried.
TOY_COUNT = 3
#: Towns of the toy land, as shares of its side; no two distances between them are equal.
TOWNS = ((0.08, 0.11), (0.47, 0.05), (0.90, 0.14), (0.14, 0.55), (0.56, 0.48), (0.87, 0.86))


def road_land(n_side: int = 40, cell_m: float = 10_000.0, seed: int = 7) -> Land:
    """Return a square land of six towns, 400 km wide, so that ranges of hundreds of km bind.

    Examples
    --------
    >>> land = road_land()
    >>> land.people.shape, land.seat_x_m.size
    ((1600,), 6)
    """
    row, col = np.divmod(np.arange(n_side * n_side), max(n_side, 1))
    x_m, y_m = cell_m * (col + 0.5), cell_m * (n_side - row - 0.5)
    side_m = cell_m * n_side
    seat_x, seat_y = (side_m * np.array(part) for part in zip(*TOWNS, strict=True))
    more = np.random.default_rng(seed).gamma(2.0, 10_000.0, row.size)
    near = np.zeros(row.size, np.bool_)
    for east, north in zip(seat_x.tolist(), seat_y.tolist(), strict=True):
        near |= np.maximum(np.abs(x_m - east), np.abs(y_m - north)) <= cell_m
    people = np.where(near, np.round(50_000.0 + more, 2), 0.0)
    return Land(
        cell_m=cell_m,
        x_m=x_m,
        y_m=y_m,
        people=people,
        density_per_km2=people / (cell_m / 1000) ** 2,
        unit=np.zeros(row.size, np.int16),
        county=np.zeros(row.size, np.int16),
        urban_ratio=np.array([0.5]),
        seat_x_m=seat_x,
        seat_y_m=seat_y,
        place_x_m=seat_x + cell_m,
        place_y_m=seat_y,
    )


def passes(laid: Laid, path: int, open_node: set[int]) -> bool:
    """Return whether one trip gets through, by walking along it.

    Nothing of the solver is used: from the origin to the first open station, from each to the
    next, from the last to the destination.
    """
    paths = laid.paths
    steps = range(int(paths.indptr[path]), int(paths.indptr[path + 1]))
    end_m = float(paths.position_m[steps[-1]])
    stops = [float(paths.position_m[t]) for t in steps if int(paths.nodes[t]) in open_node]
    if not stops:
        return False
    gaps = [later - earlier for earlier, later in itertools.pairwise(stops)]
    return (
        stops[0] <= paths.start_range_m
        and end_m - stops[-1] <= paths.end_range_m
        and all(gap <= paths.range_m for gap in gaps)
    )


def best_passage(system: System, count: int) -> int:
    """Return the most that any `count` added stations let through, by trying every set of them."""
    laid = laid_of(system)
    stands = set(np.flatnonzero(system.existing).tolist())
    free = np.flatnonzero(~system.existing).tolist()
    volume = laid.paths.volume.tolist()
    best = 0
    for added in itertools.combinations(free, min(count, len(free))):
        opened = stands.union(added)
        best = max(best, sum(v for q, v in enumerate(volume) if passes(laid, q, opened)))
    return best


def check_network(found: Findings, system: System) -> None:
    """Note where a network does not fit its sites, or holds what cannot be driven."""
    network = laid_of(system).network
    n, n_site = network.x_m.size, len(system.sites)
    if n < n_site or not (
        np.array_equal(network.x_m[:n_site], system.sites.x_m)
        and np.array_equal(network.y_m[:n_site], system.sites.y_m)
    ):
        found.add(0, "passage", f"{n} nodes for {n_site} sites", "the sites are the first nodes")
    if network.is_on_road.shape != (n_site,):
        found.add(0, "passage.is_on_road", network.is_on_road.shape, f"({n_site},)")
    if (np.bincount(network.road, minlength=1) == 0).any():
        found.add(0, "passage.road", "a road without a piece", "every road of `roads` once or more")
    whole = float(network.roads.length_m.sum())
    if not abs(float(network.length_m.sum()) - whole) <= 1e-3 * whole:
        got = f"{float(network.length_m.sum()):.0f} m of pieces"
        found.add(0, "passage.length_m", got, f"{whole:.0f} m, the roads' length")


def check_toy_passage(
    found: Findings, sector: Sector, land: Land, settings: Settings, *, is_standard: bool
) -> None:
    """Solve a toy plan of three stations; note where optimum, bound or sizing do not hold."""
    try:
        system = prepare(
            sector, land, None, dict(settings), count=TOY_COUNT, budget_cny=None, seed=5
        )
    except ValueError as error:
        found.add(0, "passage", f"{type(error).__name__}: {error}", "a network with its trips")
        return
    check_network(found, system)
    if len(found):
        return
    try:
        decision = decide_passage(system, gap=0.0, seed=5, effort=3)
    except InfeasibleError as error:
        found.add(0, "toy plan", str(error), "a plan of three stations")
        return
    plan = settle_passage(system, decision, servers_needed=0)
    best = best_passage(system, TOY_COUNT)
    if decision.value != best:
        found.add(0, "toy plan", f"value {decision.value}", f"{best}, found by trying every set")
    if is_standard and sector.toy_value != best:
        found.add(
            0, "toy_value", repr(sector.toy_value), f"{best}, the optimum of the toy plan",
            "store it in the sector; a change of it is a change of the model",
        )  # fmt: skip
    if decision.bound < best:
        found.add(0, "toy plan", f"bound {decision.bound}", f"at least {best}")
    served = int(system.demand[plan.served_after].sum())
    if served != decision.value:
        found.add(0, "toy plan", f"trips served {served}", f"the plan's value {decision.value}")
    check_sized(found, plan)
    planned = plan.chosen & (system.sites.action != Action.KEEP)
    if (plan.sized.capex_cny[planned] < system.sites.capex_cny[planned]).any():
        found.add(0, "sizing", "a station below its opening price", "opening plus chargers")
