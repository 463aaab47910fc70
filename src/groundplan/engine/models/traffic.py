"""How many equal carriers carry a stream of traffic: the least whole number under a load ceiling.

``carriers = ceil(traffic / (carrier_mbps * load_max_ratio))`` on each sector, at least one because
a sector without a carrier covers nothing.

Left out: uneven load inside a sector's area beyond the factor given, time within the busy hour,
and interference that falls as carriers are added.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Carriers", "carriers_needed"]


class Carriers(NamedTuple):
    """Carriers of each site and how loaded they are.

    Attributes
    ----------
    carriers : (n,) int64
        Carriers on each sector.
    load_ratio : (n,) float64
        Traffic of the busiest sector over what its carriers can carry.
    is_overloaded : (n,) bool
        True where `carriers_max` does not hold the load under its ceiling.
    """

    carriers: NDArray[np.int64]
    load_ratio: NDArray[np.float64]
    is_overloaded: NDArray[np.bool_]


def carriers_needed(
    traffic_mbps: ArrayLike,
    carrier_mbps: ArrayLike,
    *,
    sectors: int,
    load_max_ratio: float,
    busiest_ratio: float = 1.0,
    carriers_max: ArrayLike = 1,
) -> Carriers:
    """Return the least carriers on each sector that keep the load under its ceiling.

    Parameters
    ----------
    traffic_mbps : (n,) array
        Busy-hour traffic of each site, Mbit/s, >= 0.
    carrier_mbps : (n,) array
        What one carrier of one sector carries, Mbit/s, > 0.
    sectors : int
        Sectors that share a site's traffic, >= 1.
    load_max_ratio : float
        Ceiling of the load, in 0..1.
    busiest_ratio : float
        Traffic of the busiest sector over that of the mean one, >= 1.
    carriers_max : (n,) array of int
        Carriers that spectrum or equipment allows on a sector, >= 1.

    Returns
    -------
    Carriers

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> carriers_needed([90.0, 2000.0], 300.0, sectors=3, load_max_ratio=0.7, carriers_max=2)
    Carriers(carriers=array([1, 2]), load_ratio=array([0.1       , 1.11111111]), \
is_overloaded=array([False,  True]))
    """
    traffic = np.asarray(traffic_mbps, dtype=np.float64)
    carrier = np.asarray(carrier_mbps, dtype=np.float64)
    most = np.asarray(carriers_max, dtype=np.int64)
    if not (np.isfinite(traffic).all() and (traffic >= 0).all()):
        raise ValueError(f"traffic_mbps must be finite and >= 0; got {traffic.min()}")
    if not (carrier > 0).all():
        raise ValueError(f"carrier_mbps must be > 0; got {carrier.min()}")
    if sectors < 1:
        raise ValueError(f"sectors must be >= 1; got {sectors}")
    if not 0 < load_max_ratio <= 1:
        raise ValueError(f"load_max_ratio must be > 0 and <= 1; got {load_max_ratio}")
    if not busiest_ratio >= 1:
        raise ValueError(f"busiest_ratio must be >= 1; got {busiest_ratio}")
    if not (most >= 1).all():
        raise ValueError(f"carriers_max must be >= 1; got {most.min()}")
    busiest = traffic / sectors * busiest_ratio
    need = np.ceil(busiest / (carrier * load_max_ratio)).astype(np.int64)
    carriers = np.clip(need, 1, most)
    return Carriers(carriers, busiest / (carriers * carrier), np.asarray(need > most))
