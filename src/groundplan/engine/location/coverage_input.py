"""What a coverage may be made of: every array checked, and frames turned into arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.reach import RuledOut

__all__ = [
    "check_lists",
    "check_pairs",
    "check_pointers",
    "check_points",
    "check_reach",
    "check_weight",
    "frame_points",
]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def frame_points(frame: Any, name: str) -> FloatArray:
    """Return the points of a geodataframe in metres, or say what is wrong with them."""
    crs = frame.crs
    if crs is None or not crs.is_projected:
        raise ValueError(f"{name} must be in a projected coordinate system. Got {crs}")
    units = {axis.unit_name for axis in crs.axis_info}
    if units != {"metre"}:
        raise ValueError(f"{name} must be in metres. Got {', '.join(sorted(units))}")
    kinds = set(frame.geometry.geom_type)
    if kinds - {"Point"}:
        raise ValueError(f"{name} must be points. Got {', '.join(sorted(kinds))}")
    return np.column_stack([frame.geometry.x.to_numpy(), frame.geometry.y.to_numpy()])


def check_weight(weight: Any, n: int) -> IntArray:
    """Return weights as int64, or say what is wrong with them."""
    out = np.ascontiguousarray(weight)
    if out.shape != (n,):
        raise ValueError(f"weight must have shape ({n},). Got {out.shape}")
    if not np.issubdtype(out.dtype, np.integer):
        raise ValueError(f"weight must be whole numbers. Got {out.dtype}")
    if out.size and out.min() < 0:
        raise ValueError(f"weight must be >= 0. Got {out.min()}")
    return out.astype(np.int64)


def check_pointers(indptr: IntArray, n_pair: int) -> None:
    """Raise where pointers do not lay out all pairs, row after row."""
    if indptr.ndim != 1 or not indptr.size or indptr[0] != 0 or indptr[-1] != n_pair:
        raise ValueError(f"row_indptr must begin at 0 and end at {n_pair}, the number of pairs")
    if (np.diff(indptr) < 0).any():
        at = int(np.flatnonzero(np.diff(indptr) < 0)[0])
        raise ValueError(f"row_indptr must not fall. It does after row {at}")


def check_lists(row: IntArray, site: NDArray[np.int32]) -> None:
    """Raise where a sorted list names a site twice: cover would be counted twice."""
    twice = np.flatnonzero((row[1:] == row[:-1]) & (site[1:] == site[:-1]))
    if twice.size:
        raise ValueError(
            f"row {int(row[twice[0]])} names site {int(site[twice[0]])} twice "
            f"({np.unique(row[twice]).size} rows at fault)"
        )


def check_points(
    demand: NDArray[np.float64], site: NDArray[np.float64], radius: NDArray[np.float64]
) -> None:
    """Raise where a coordinate or a radius is not a finite number."""
    for name, array in (("demand_xy_m", demand), ("site_xy_m", site), ("radius_m", radius)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite")
    if radius.size and radius.min() < 0:
        raise ValueError(f"radius_m must be >= 0. Got {radius.min()}")


def check_reach(demand_reach_m: Any, n: int) -> NDArray[np.float64] | None:
    """Return the rows' own reach as float64, or say what is wrong with it."""
    if demand_reach_m is None:
        return None
    own = np.ascontiguousarray(demand_reach_m, dtype=np.float64)
    if own.shape != (n,):
        raise ValueError(f"demand_reach_m must have shape ({n},). Got {own.shape}")
    if not (own >= 0).all():
        raise ValueError(f"demand_reach_m must be >= 0. Got {own.min()}")
    return own


def check_pairs(ruled_out: RuledOut, n_row: int, n_site: int) -> RuledOut:
    """Return the pairs that do not count, or say what is wrong with them."""
    indptr = np.ascontiguousarray(ruled_out[0], np.int64)
    sites = np.ascontiguousarray(ruled_out[1], np.int32)
    if indptr.shape != (n_row + 1,) or indptr[0] != 0 or indptr[-1] != sites.size:
        raise ValueError(f"ruled_out must have {n_row + 1} pointers from 0 to the number of sites")
    if (np.diff(indptr) < 0).any():
        raise ValueError("ruled_out must have ascending pointers")
    if sites.size and not (sites.min() >= 0 and sites.max() < n_site):
        raise ValueError(f"ruled_out must hold site numbers 0..{n_site - 1}")
    first = np.zeros(sites.size, bool)
    first[indptr[:-1][np.diff(indptr) > 0]] = True
    if not (first[1:] | (sites[1:] > sites[:-1])).all():
        raise ValueError("ruled_out must list the sites of each row ascending, none twice")
    return indptr, sites
