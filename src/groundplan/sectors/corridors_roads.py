"""The road network of the corridors: a stand-in where the study names none, sites set on it, trips.

The stand-in joins towns by a relative-neighbourhood graph (Toussaint 1980): two towns are joined
where no third is nearer to both. That keeps every town connected and gives few crossings, as trunk
roads do. Trips between towns follow a gravity law. Nothing here is drawn at random.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.contract import Land, Network, Roads, Settings, Sites
from groundplan.sectors.places import density_at

__all__ = [
    "build_network",
    "joined_towns",
    "on_road",
    "point_on",
    "roads_of",
    "service_spots",
    "towns_of",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Residents are taken together in squares of this side before they are given to the nearest town.
BLOCK_M = 5000.0
#: Pieces of road between two sites are no shorter than this: zero would be no road.
LEAST_M = 0.1
#: A site this near to a node of the network stands on the node.
NODE_M = 500.0
#: Pairs of a point and a piece of road at a time.
PAIRS = 2_000_000


class Towns(NamedTuple):
    """Towns, most residents around them first."""

    x_m: FloatArray
    y_m: FloatArray
    people: FloatArray


def people_around(land: Land, x_m: FloatArray, y_m: FloatArray) -> FloatArray:
    """Return how many residents have each point as their nearest one."""
    if not x_m.size or not land.people.size:
        return np.zeros(x_m.size)
    col = np.floor(land.x_m / BLOCK_M).astype(np.int64)
    row = np.floor(land.y_m / BLOCK_M).astype(np.int64)
    col -= col.min()
    row -= row.min()
    width = int(col.max()) + 1
    key = row * width + col
    total = np.bincount(key, weights=land.people)
    here = np.flatnonzero(total > 0)
    near = nearest(
        np.bincount(key, weights=land.people * land.x_m)[here] / total[here],
        np.bincount(key, weights=land.people * land.y_m)[here] / total[here],
        x_m,
        y_m,
    )
    return np.bincount(near, weights=total[here], minlength=x_m.size).astype(np.float64)


def nearest(x_m: FloatArray, y_m: FloatArray, to_x_m: FloatArray, to_y_m: FloatArray) -> IntArray:
    """Return the number of the nearest of the other points, the first of equal ones."""
    out = np.zeros(x_m.size, np.int64)
    step = max(1, PAIRS // max(1, to_x_m.size))
    for at in range(0, x_m.size, step):
        part = slice(at, at + step)
        d2 = (x_m[part, None] - to_x_m) ** 2 + (y_m[part, None] - to_y_m) ** 2
        out[part] = d2.argmin(axis=1)
    return out


def apart(x_m: FloatArray, y_m: FloatArray, distance_m: float) -> IntArray:
    """Return the points that a walk from first to last keeps, each blocking all within reach."""
    kept: list[int] = []
    for at in range(x_m.size):
        d2 = (x_m[kept] - x_m[at]) ** 2 + (y_m[kept] - y_m[at]) ** 2
        if not (d2 <= distance_m**2).any():
            kept.append(at)
    return np.array(kept, np.int64)


def towns_of(land: Land, apart_km: float) -> Towns:
    """Return the seats with people around them, those of one city taken together."""
    seat = np.flatnonzero(density_at(land, land.seat_x_m, land.seat_y_m) > 0)
    x_m, y_m = land.seat_x_m[seat], land.seat_y_m[seat]
    order = np.argsort(-people_around(land, x_m, y_m), kind="stable")
    kept = order[apart(x_m[order], y_m[order], 1000.0 * apart_km)]
    x_m, y_m = x_m[kept], y_m[kept]
    people = people_around(land, x_m, y_m)
    order = np.argsort(-people, kind="stable")
    return Towns(x_m[order], y_m[order], people[order])


def joined_towns(x_m: FloatArray, y_m: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the pairs that the relative-neighbourhood graph joins.

    Examples
    --------
    >>> joined_towns(np.array([0.0, 1.0, 2.0]), np.zeros(3))
    (array([0, 1]), array([1, 2]))
    """
    d2 = (x_m[:, None] - x_m) ** 2 + (y_m[:, None] - y_m) ** 2
    first, second = np.triu_indices(x_m.size, 1)
    keep = np.ones(first.size, np.bool_)
    step = max(1, PAIRS // max(1, x_m.size))
    for at in range(0, first.size, step):
        i, j = first[at : at + step], second[at : at + step]
        keep[at : at + step] = ~(np.maximum(d2[i], d2[j]) < d2[i, j][:, None]).any(axis=1)
    return first[keep], second[keep]


def roads_of(land: Land, settings: Settings) -> Roads:
    """Return the user's network, or the stand-in between towns."""
    if land.roads is not None:
        return land.roads
    towns = towns_of(land, settings["town_apart_km"])
    a, b = joined_towns(towns.x_m, towns.y_m)
    straight = np.hypot(towns.x_m[a] - towns.x_m[b], towns.y_m[a] - towns.y_m[b])
    none = np.zeros(0, np.int32)
    return Roads(
        x_m=towns.x_m,
        y_m=towns.y_m,
        edge_from=a.astype(np.int32),
        edge_to=b.astype(np.int32),
        length_m=settings["route_ratio"] * straight,
        name=np.full(a.size, "", dtype=np.str_),
        trip_from=none,
        trip_to=none,
        trip_per_day=np.zeros(0),
        is_synthetic=True,
    )


def service_spots(roads: Roads, spacing_km: float) -> tuple[FloatArray, FloatArray]:
    """Return places every so many kilometres along all roads, one road after another."""
    end = np.cumsum(roads.length_m)
    spacing_m = 1000.0 * spacing_km
    total = float(end[-1]) if end.size else 0.0
    along = (np.arange(int(total / spacing_m + 0.5)) + 0.5) * spacing_m
    along = along[along < total]
    edge = np.searchsorted(end, along, side="right")
    return point_on(roads, edge, 1.0 - (end[edge] - along) / roads.length_m[edge])


def point_on(roads: Roads, edge: IntArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the points at shares of the lengths of pieces of road."""
    if not roads.length_m.size:
        return np.zeros(edge.size), np.zeros(edge.size)
    a, b = roads.edge_from[edge], roads.edge_to[edge]
    return (
        roads.x_m[a] + share * (roads.x_m[b] - roads.x_m[a]),
        roads.y_m[a] + share * (roads.y_m[b] - roads.y_m[a]),
    )


class OnRoad(NamedTuple):
    """Where points lie on a network: piece of road, share of its length, distance from it."""

    edge: IntArray
    share: FloatArray
    far_m: FloatArray


def on_road(roads: Roads, x_m: FloatArray, y_m: FloatArray) -> OnRoad:
    """Return the nearest place on any road for each point; pieces of road are taken as straight."""
    n, m = x_m.size, roads.length_m.size
    edge, share, far = np.zeros(n, np.int64), np.zeros(n), np.full(n, np.inf)
    if not m:
        return OnRoad(edge, share, far)
    from_x, from_y = roads.x_m[roads.edge_from], roads.y_m[roads.edge_from]
    east, north = roads.x_m[roads.edge_to] - from_x, roads.y_m[roads.edge_to] - from_y
    square = np.maximum(east * east + north * north, 1e-9)
    step = max(1, PAIRS // m)
    for at in range(0, n, step):
        part = slice(at, at + step)
        dx, dy = x_m[part, None] - from_x, y_m[part, None] - from_y
        t = np.clip((dx * east + dy * north) / square, 0.0, 1.0)
        d2 = (dx - t * east) ** 2 + (dy - t * north) ** 2
        best = d2.argmin(axis=1)
        row = np.arange(best.size)
        edge[part], share[part], far[part] = best, t[row, best], np.sqrt(d2[row, best])
    return OnRoad(edge, share, far)


def build_network(land: Land, sites: Sites, settings: Settings, started: IntArray) -> Network:
    """Set the sites on the roads, cut these where they stand, and lay trips over them.

    Parameters
    ----------
    started : (1, n_cell) int64
        What residents set out on, hundredths of the demand's unit.
    """
    roads = roads_of(land, settings)
    n = len(sites)
    at = on_road(roads, sites.x_m, sites.y_m)
    is_on_road = at.far_m <= 1000.0 * settings["access_km"]
    along = at.share * (roads.length_m[at.edge] if roads.length_m.size else 0.0)
    node = np.full(roads.x_m.size, -1, np.int64)
    inside: dict[int, list[int]] = {}
    for site in np.flatnonzero(is_on_road).tolist():
        edge = int(at.edge[site])
        left_m = float(roads.length_m[edge] - along[site])
        end = int((roads.edge_from if along[site] <= left_m else roads.edge_to)[edge])
        if min(along[site], left_m) <= NODE_M and node[end] < 0:
            node[end] = site
        else:
            inside.setdefault(edge, []).append(site)
    free = np.flatnonzero(node < 0)
    node[free] = n + np.arange(free.size)
    a, b = node[roads.edge_from], node[roads.edge_to]
    whole = np.ones(roads.length_m.size, np.bool_)
    cut_from: list[int] = []
    cut_to: list[int] = []
    cut_m: list[float] = []
    cut_road: list[int] = []
    for edge, mine in sorted(inside.items()):
        whole[edge] = False
        mine.sort(key=lambda site: (along[site], site))
        stops = [int(a[edge]), *mine, int(b[edge])]
        places = [0.0, *(float(along[site]) for site in mine), float(roads.length_m[edge])]
        cut_from += stops[:-1]
        cut_to += stops[1:]
        cut_m += np.maximum(np.diff(places), LEAST_M).tolist()
        cut_road += [edge] * (len(stops) - 1)
    kept = np.flatnonzero(whole)
    trip_from, trip_to, trips = trips_of(land, roads, settings, started)
    return Network(
        x_m=np.concatenate([sites.x_m, roads.x_m[free]]),
        y_m=np.concatenate([sites.y_m, roads.y_m[free]]),
        edge_from=np.concatenate([a[kept], np.array(cut_from, np.int64)]).astype(np.int32),
        edge_to=np.concatenate([b[kept], np.array(cut_to, np.int64)]).astype(np.int32),
        length_m=np.concatenate([roads.length_m[kept], np.array(cut_m)]),
        road=np.concatenate([kept, np.array(cut_road, np.int64)]).astype(np.int32),
        trip_from=node[trip_from].astype(np.int32),
        trip_to=node[trip_to].astype(np.int32),
        trips=trips,
        trip_min_m=1000.0 * settings["trip_min_km"],
        range_m=1000.0 * settings["range_km"],
        start_range_m=1000.0 * settings["range_km"] * settings["start_ratio"],
        end_range_m=1000.0 * settings["range_km"] * settings["end_ratio"],
        roads=roads,
        is_on_road=is_on_road,
    )


def trips_of(
    land: Land, roads: Roads, settings: Settings, started: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Return ends and numbers of trips between nodes of `roads`: the user's, or by gravity.

    By gravity, every resident's trips begin at the nearest zone; between two zones they go as the
    product of what begins there over a power of the distance, and add up to all that begin. Zones
    farther from every road than zones are from each other have no part in them.
    """
    if roads.has_traffic:
        yearly = roads.trip_per_day * (365.0 * settings["electric_ratio"])
        return (
            roads.trip_from.astype(np.int64),
            roads.trip_to.astype(np.int64),
            np.rint(100.0 * yearly).astype(np.int64),
        )
    none = np.zeros(0, np.int64)
    towns = towns_of(land, settings["zone_apart_km"])
    if towns.x_m.size < 2 or not roads.x_m.size:
        return none, none, none
    node = nearest(towns.x_m, towns.y_m, roads.x_m, roads.y_m)
    reach_m = 1000.0 * settings["zone_apart_km"]
    near = np.hypot(roads.x_m[node] - towns.x_m, roads.y_m[node] - towns.y_m) <= reach_m
    towns, node = Towns(*(part[near] for part in towns)), node[near]
    first, second = np.triu_indices(towns.x_m.size, 1)
    straight = np.hypot(towns.x_m[first] - towns.x_m[second], towns.y_m[first] - towns.y_m[second])
    far_km = settings["route_ratio"] * straight / 1000.0
    keep = (far_km >= settings["trip_min_km"]) & (node[first] != node[second])
    first, second, far_km = first[keep], second[keep], far_km[keep]
    pull = towns.people[first] * towns.people[second] / far_km ** settings["gravity_exponent_ratio"]
    total = float(started.sum())
    if not pull.size or total <= 0 or not pull.sum() > 0:
        return none, none, none
    trips = np.rint(pull * (total / pull.sum())).astype(np.int64)
    some = trips > 0
    return node[first][some], node[second][some], trips[some]
