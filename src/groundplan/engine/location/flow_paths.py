"""Travelled paths and the reach of a vehicle: the input of flow refuelling, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.location.points import hash_arrays

__all__ = ["FlowPaths"]


@dataclass(frozen=True)
class FlowPaths:
    """Paths through sites, their volumes, and how far a vehicle drives.

    Attributes
    ----------
    indptr : (n_path + 1,) int64
        Where each path begins in `nodes`.
    nodes : (n_step,) int32
        Sites along the paths, each at most once on a path.
    position_m : (n_step,) float64
        Distance from the origin of the path, not falling.
    volume : (n_path,) int64
        Trips, or whatever is to be served, whole numbers >= 0.
    n_site : int
    range_m : float
        Largest distance between two stations.
    start_range_m, end_range_m : float
        Largest distance from the origin to the first station, and from the last station to the
        destination. Half the range each makes a round trip that can be repeated.
    """

    indptr: NDArray[np.int64]
    nodes: NDArray[np.int32]
    position_m: NDArray[np.float64]
    volume: NDArray[np.int64]
    n_site: int
    range_m: float
    start_range_m: float
    end_range_m: float

    @classmethod
    def from_arrays(
        cls,
        indptr: ArrayLike,
        nodes: ArrayLike,
        position_m: ArrayLike,
        volume: ArrayLike,
        n_site: int,
        range_m: float,
        *,
        start_range_m: float | None = None,
        end_range_m: float | None = None,
    ) -> FlowPaths:
        """Check paths given as arrays; without further reaches the trips are round trips.

        Raises
        ------
        ValueError
            Naming the first path at fault.
        """
        at = np.asarray(indptr, np.int64)
        node = np.asarray(nodes, np.int32)
        position = np.asarray(position_m, np.float64)
        amount = np.asarray(volume)
        if at.ndim != 1 or at.size < 1 or at[0] != 0 or at[-1] != node.size:
            raise ValueError("indptr must begin with 0 and end with the length of nodes")
        if (np.diff(at) < 1).any():
            raise ValueError(f"path {int((np.diff(at) < 1).argmax())} has no node")
        if position.shape != node.shape:
            raise ValueError(f"position_m must have shape {node.shape}. Got {position.shape}")
        if amount.shape != (at.size - 1,) or not np.issubdtype(amount.dtype, np.integer):
            raise ValueError(f"volume must be whole numbers of shape ({at.size - 1},)")
        if amount.size and amount.min() < 0:
            raise ValueError(f"volume must be >= 0. Path {int(amount.argmin())}: {amount.min()}")
        path = np.repeat(np.arange(at.size - 1), np.diff(at))
        if node.size and not (node.min() >= 0 and node.max() < n_site):
            bad = int(np.flatnonzero((node < 0) | (node >= n_site))[0])
            raise ValueError(f"path {path[bad]} names site {node[bad]}, expected 0..{n_site - 1}")
        if not np.isfinite(position).all():
            raise ValueError(f"path {path[int(np.argmin(np.isfinite(position)))]} has no position")
        falls = (np.diff(position) < 0) & (path[1:] == path[:-1])
        if falls.any():
            raise ValueError(f"position_m falls along path {path[1:][falls][0]}")
        key = np.sort(path.astype(np.int64) * n_site + node)
        twice = np.flatnonzero(np.diff(key) == 0)
        if twice.size:
            raise ValueError(
                f"path {key[twice[0]] // n_site} visits site {key[twice[0]] % n_site} twice; "
                "split it where it closes"
            )
        start = range_m / 2 if start_range_m is None else start_range_m
        end = range_m / 2 if end_range_m is None else end_range_m
        if not (range_m > 0 and 0 <= start <= range_m and 0 <= end <= range_m):
            raise ValueError(
                f"range_m must be > 0 and start and end within it. Got {range_m}, {start}, {end}"
            )
        return cls(
            at, node, position, amount.astype(np.int64), int(n_site),
            float(range_m), float(start), float(end),
        )  # fmt: skip

    @classmethod
    def from_network(
        cls,
        n_site: int,
        edge_from: ArrayLike,
        edge_to: ArrayLike,
        edge_length_m: ArrayLike,
        origin: ArrayLike,
        destination: ArrayLike,
        volume: ArrayLike,
        range_m: float,
        **reach: float | None,
    ) -> FlowPaths:
        """Take shortest paths through an undirected network; of parallel edges the shortest counts.

        Raises
        ------
        ValueError
            Where no path joins an origin with its destination.
        """
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import dijkstra

        a, b = np.asarray(edge_from, np.int64), np.asarray(edge_to, np.int64)
        length = np.asarray(edge_length_m, np.float64)
        if not (length > 0).all():
            raise ValueError(f"edge {int(np.argmin(length > 0))} must be longer than 0")
        low, high = np.minimum(a, b), np.maximum(a, b)
        order = np.lexsort((length, high, low))
        low, high, length = low[order], high[order], length[order]
        first = np.ones(low.size, bool)
        first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
        graph = coo_matrix((length[first], (low[first], high[first])), (n_site, n_site)).tocsr()
        start, goal = np.asarray(origin, np.int64), np.asarray(destination, np.int64)
        parts: list[NDArray[np.int32]] = [np.empty(0, np.int32)] * start.size
        places: list[NDArray[np.float64]] = [np.empty(0)] * start.size
        for o in np.unique(start):
            far, before = dijkstra(graph, directed=False, indices=int(o), return_predecessors=True)
            for q in np.flatnonzero(start == o):
                if not np.isfinite(far[goal[q]]):
                    raise ValueError(f"flow {q}: no path from site {o} to site {goal[q]}")
                walk = [int(goal[q])]
                while walk[-1] != o:
                    walk.append(int(before[walk[-1]]))
                parts[q] = np.array(walk[::-1], np.int32)
                places[q] = far[parts[q]]
        indptr = np.concatenate([[0], np.cumsum([p.size for p in parts])])
        nodes = np.concatenate([np.empty(0, np.int32), *parts])
        position = np.concatenate([np.empty(0), *places])
        return cls.from_arrays(indptr, nodes, position, volume, n_site, range_m, **reach)

    @property
    def n_path(self) -> int:
        """Number of paths."""
        return int(self.volume.size)

    @property
    def input_hash(self) -> str:
        """SHA-256 over the arrays and the reaches."""
        reach: NDArray[Any] = np.array([self.range_m, self.start_range_m, self.end_range_m])
        size = np.array([self.n_site], np.int64)
        return hash_arrays(self.indptr, self.nodes, self.position_m, self.volume, size, reach)
