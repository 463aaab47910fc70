"""Roads as a sector sees them, and sites and trips set on them: plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Network", "Roads"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Roads:
    """A road network, and the traffic between its nodes where it is known.

    Attributes
    ----------
    x_m, y_m : (n_node,) float64
        Ends, crossings and bends, equal-area coordinates of the region.
    edge_from, edge_to : (n_edge,) int32
        Nodes that each piece of road joins, both ways.
    length_m : (n_edge,) float64
        Along the road, > 0.
    name : (n_edge,) str
        Road that the piece belongs to; empty where it has no name.
    trip_from, trip_to : (n_trip,) int32
        Nodes where trips begin and end; both empty where traffic is not known.
    trip_per_day : (n_trip,) float64
        Vehicles of every drive a day, both ways together.
    is_synthetic : bool
        True where the network is a stand-in and no file of the user.
    """

    x_m: FloatArray
    y_m: FloatArray
    edge_from: NDArray[np.int32]
    edge_to: NDArray[np.int32]
    length_m: FloatArray
    name: NDArray[np.str_]
    trip_from: NDArray[np.int32]
    trip_to: NDArray[np.int32]
    trip_per_day: FloatArray
    is_synthetic: bool = False

    @property
    def has_traffic(self) -> bool:
        """Whether traffic between nodes is given."""
        return bool(self.trip_from.size)


@dataclass(frozen=True)
class Network:
    """Sites on a road network, and the trips that are to get through.

    Attributes
    ----------
    x_m, y_m : (n_node,) float64
        Nodes; the first ones are the sites, in their order.
    edge_from, edge_to : (n_edge,) int32
        Nodes that each piece of road joins, both ways.
    length_m : (n_edge,) float64
        > 0.
    road : (n_edge,) int32
        Edge of `roads` that the piece is a part of.
    trip_from, trip_to : (n_trip,) int32
        Nodes where trips begin and end.
    trips : (n_trip,) int64
        Both ways together, hundredths of the demand's unit.
    trip_min_m : float
        Shorter ones need no charging under way and are left out.
    range_m : float
        Largest distance between two stations that a vehicle drives.
    start_range_m, end_range_m : float
        Largest distance to the first station and from the last, at most `range_m`.
    roads : Roads
        The network before sites were set on it.
    is_on_road : (n_site,) bool
        False where a site is too far from every road to serve anybody on it.
    """

    x_m: FloatArray
    y_m: FloatArray
    edge_from: NDArray[np.int32]
    edge_to: NDArray[np.int32]
    length_m: FloatArray
    road: NDArray[np.int32]
    trip_from: NDArray[np.int32]
    trip_to: NDArray[np.int32]
    trips: IntArray
    trip_min_m: float
    range_m: float
    start_range_m: float
    end_range_m: float
    roads: Roads
    is_on_road: NDArray[np.bool_]
