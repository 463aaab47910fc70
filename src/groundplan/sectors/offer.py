"""What the sites of a capacitated system hold, and at which price: plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Offer"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Offer:
    """What each site can hold and at which price, where sites have capacities.

    Equipment comes in modules. Opening a site costs `Sites.capex_cny`, each module `module_cny`;
    serving a unit of demand (a server) costs ``server_cny + server_cny_per_m * distance`` over the
    horizon, distance being the straight line from the demand's centre.

    Attributes
    ----------
    modules_max : (n_site,) int64
        Modules that fit at most; 0 where nothing can be added (it stands, hazard, no feeder).
    module_servers : int
        Servers in one module, >= 1.
    module_cny : (n_site,) int64
        One module, >= 0.
    server_cny : (n_site,) float64
        Serving one server's worth over the horizon, whatever the distance (energy, care), >= 0.
    server_cny_per_m : float
        The same for each metre, >= 0.
    copy_of : (n_layer,) int8
        Layer whose copies a layer holds, -1 for a layer of its own.
    apart_m : float
        Least distance between a site and every site that holds copies of what it serves.
    keep_ratio : float
        Share of a county's demand that must lie within reach of each site that serves it, 0..1.
    horizon_year : float
        Years over which running costs are added up.
    discount_ratio : float
        Yearly interest by which later money is worth less, >= 0; tells what building later saves.
    """

    modules_max: IntArray
    module_servers: int
    module_cny: IntArray
    server_cny: FloatArray
    server_cny_per_m: float
    copy_of: NDArray[np.int8]
    apart_m: float
    keep_ratio: float
    horizon_year: float
    discount_ratio: float = 0.0
