"""Trips laid over a road network: shortest paths, what they pass, and what stations supply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.flow_paths import FlowPaths
from groundplan.sectors.contract import Network

__all__ = ["Laid", "lay_trips", "pieces_of_steps", "supplied_km"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Laid:
    """A network with the trips that need charging under way.

    Attributes
    ----------
    network : Network
    paths : FlowPaths
        Their shortest paths; sites of the engine are the nodes of the network.
    left_out : mapping of str to int
        Trips of the network that are not planned for, in its unit: ``short``, ``unconnected``.
    """

    network: Network
    paths: FlowPaths
    left_out: Mapping[str, int]

    @property
    def length_m(self) -> FloatArray:
        """Length of each path, (n_path,)."""
        return np.asarray(self.paths.position_m[self.paths.indptr[1:] - 1])

    def padded(self, of_site: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask over sites as one over nodes, false where no site is."""
        out = np.zeros(self.paths.n_site, np.bool_)
        out[: of_site.size] = of_site
        return out


def distances_m(network: Network) -> FloatArray:
    """Return the length of the shortest path of each trip, infinite where there is none."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    n = network.x_m.size
    far = np.full(network.trips.size, np.inf)
    if not far.size:
        return far
    low = np.minimum(network.edge_from, network.edge_to).astype(np.int64)
    high = np.maximum(network.edge_from, network.edge_to).astype(np.int64)
    # of parallel roads the shortest counts; a matrix would add them up
    order = np.lexsort((network.length_m, high, low))
    low, high, length = low[order], high[order], network.length_m[order]
    first = np.ones(low.size, np.bool_)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    graph = coo_matrix((length[first], (low[first], high[first])), (n, n)).tocsr()
    origins, at = np.unique(network.trip_from, return_inverse=True)
    table = dijkstra(graph, directed=False, indices=origins)
    return np.asarray(table[at, network.trip_to])


def lay_trips(network: Network) -> Laid:
    """Lay the trips that are long enough and have a road over their shortest paths."""
    far = distances_m(network)
    connected = np.isfinite(far)
    kept = connected & (far >= network.trip_min_m) & (far > 0) & (network.trips > 0)
    paths = FlowPaths.from_network(
        network.x_m.size,
        network.edge_from,
        network.edge_to,
        network.length_m,
        network.trip_from[kept],
        network.trip_to[kept],
        network.trips[kept],
        network.range_m,
        start_range_m=network.start_range_m,
        end_range_m=network.end_range_m,
    )
    left_out = {
        "short": int(network.trips[connected & ~kept].sum()),
        "unconnected": int(network.trips[~connected].sum()),
    }
    return Laid(network, paths, left_out)


def pieces_of_steps(laid: Laid) -> tuple[IntArray, IntArray]:
    """Return path and piece of road of every step from one node of a path to the next.

    Of parallel pieces the shortest is the one driven.
    """
    network, paths = laid.network, laid.paths
    path = np.repeat(np.arange(paths.n_path), np.diff(paths.indptr))
    step = np.flatnonzero(path[1:] == path[:-1])
    n = network.x_m.size
    a, b = network.edge_from.astype(np.int64), network.edge_to.astype(np.int64)
    key = np.minimum(a, b) * n + np.maximum(a, b)
    order = np.lexsort((network.length_m, key))
    here, there = paths.nodes[step].astype(np.int64), paths.nodes[step + 1].astype(np.int64)
    wanted = np.minimum(here, there) * n + np.maximum(here, there)
    return path[step], order[np.searchsorted(key[order], wanted)]


def supplied_km(laid: Laid, served: NDArray[np.bool_], open_node: NDArray[np.bool_]) -> FloatArray:
    """Return the kilometres of trips that are driven on what each node gives, (n_node,).

    Each served trip is shared among the open stations on its path: every kilometre belongs to the
    station nearest to it along the path. The sum is that of all served trips times their lengths.

    Parameters
    ----------
    served : (n_path,) bool
    open_node : (n_node,) bool
    """
    paths = laid.paths
    path = np.repeat(np.arange(paths.n_path), np.diff(paths.indptr))
    at = np.flatnonzero(open_node[paths.nodes] & served[path])
    if not at.size:
        return np.zeros(paths.n_site)
    mine, place = path[at], paths.position_m[at]
    middle = (place[1:] + place[:-1]) / 2.0
    follows = mine[1:] == mine[:-1]
    begin, end = np.zeros(at.size), laid.length_m[mine]
    begin[1:][follows] = middle[follows]
    end[:-1][follows] = middle[follows]
    weight = (end - begin) / 1000.0 * paths.volume[mine]
    return np.bincount(paths.nodes[at], weights=weight, minlength=paths.n_site).astype(np.float64)
