"""Hashes of the engine's inputs; no kernel here, so that a check of a plan loads no compiler."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SERVED", "UNREACHED", "hash_arrays", "hash_points"]

#: Marks of a demand row without a list: no site reaches it; an existing site serves it.
UNREACHED, SERVED = -1, -2


def hash_arrays(*arrays: NDArray[Any] | None) -> str:
    """Return the SHA-256 over arrays: shape, type and little-endian bytes of each."""
    digest = hashlib.sha256()
    for array in arrays:
        if array is None:
            digest.update(b"none;")
            continue
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{little.shape};".encode())
        digest.update(little.reshape(-1).view(np.uint8).data if little.size else b"")
    return digest.hexdigest()


def hash_points(
    demand_xy_m: NDArray[np.float64],
    weight: NDArray[np.int64],
    demand_layer: NDArray[np.int8] | None,
    site_xy_m: NDArray[np.float64],
    site_layer: NDArray[np.int8] | None,
    radius_m: NDArray[np.float64],
    existing: NDArray[np.bool_],
    demand_reach_m: NDArray[np.float64] | None = None,
    ruled_out: tuple[NDArray[np.int64], NDArray[np.int32]] | None = None,
) -> str:
    """Return the hash of a geometric input; what it does not have adds nothing to it."""
    own = () if demand_reach_m is None else (demand_reach_m,)
    return hash_arrays(
        demand_xy_m, weight, demand_layer, site_xy_m, site_layer, radius_m, existing, *own,
        *(ruled_out or ()),
    )  # fmt: skip
