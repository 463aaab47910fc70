"""Voids in terrain: found, measured, told, and, where asked, spanned by the smoothest surface.

A hole is a set of void cells that share edges. It is filled with the surface that is at every void
cell the mean of its neighbours and takes the heights around it: planes are restored exactly, and no
height comes out above or below those around the hole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hole", "fill_hole", "find_holes", "has_shore"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Hole:
    """Void cells that share edges.

    Attributes
    ----------
    flat : (n,) int64
        Their numbers, row by row, rising.
    side : int
        Cells along the longer side of the rectangle around them.
    """

    flat: IntArray
    side: int


def find_holes(flat: IntArray, shape: tuple[int, int]) -> list[Hole]:
    """Return the holes that void cells form, the first by its first cell.

    Parameters
    ----------
    flat : (n,) int64
        Numbers of void cells, row by row, rising.
    shape : pair of int
        Rows and columns of the raster.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not flat.size:
        return []
    links = []
    for step, may in ((1, flat % shape[1] < shape[1] - 1), (shape[1], np.ones(flat.size, bool))):
        at = np.searchsorted(flat, flat + step)
        there = may & (at < flat.size)
        there[there] = flat[at[there]] == flat[there] + step
        links.append(np.stack([np.flatnonzero(there), at[there]]))
    pair = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(pair.shape[1], bool), (pair[0], pair[1])), (flat.size, flat.size))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    cuts = np.flatnonzero(np.diff(label[order])) + 1
    groups = sorted(np.split(flat[order], cuts), key=lambda group: int(group[0]))
    holes = []
    for group in groups:
        row, col = np.divmod(group, shape[1])
        holes.append(Hole(group, int(max(np.ptp(row), np.ptp(col))) + 1))
    return holes


def _shore(
    height_m: NDArray[Any], hole: Hole, void: float
) -> list[tuple[NDArray[np.bool_], IntArray, NDArray[np.bool_], NDArray[np.float64]]]:
    """Return, for each of four neighbours: which is of the hole, its place there; which is known.

    The last item holds the heights of the known ones, 0 for the others.
    """
    n_row, n_col = height_m.shape
    row, col = np.divmod(hole.flat, n_col)
    sides = []
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        r, c = row + down, col + right
        there = (r >= 0) & (r < n_row) & (c >= 0) & (c < n_col)
        at = np.searchsorted(hole.flat, r * n_col + c)
        own = there & (at < hole.flat.size)
        own[own] = hole.flat[at[own]] == (r * n_col + c)[own]
        known = there & ~own
        value = np.zeros(row.size)
        value[known] = height_m[r[known], c[known]]
        # a neighbour beyond the files has no height either
        known &= ~np.isnan(value) & (value != void)
        value[~known] = 0.0
        sides.append((own, at, known, value))
    return sides


def has_shore(height_m: NDArray[Any], hole: Hole, void: float) -> bool:
    """Return whether any cell beside a hole has a height."""
    return any(bool(known.any()) for _, _, known, _ in _shore(height_m, hole, void))


def fill_hole(height_m: NDArray[Any], hole: Hole, void: float) -> NDArray[np.float64]:
    """Return heights for the cells of a hole, from those around it.

    Parameters
    ----------
    height_m : (n_row, n_col) array
        Some cell beside the hole has a height.
    hole : Hole
    void : float
        Stands for no height, besides NaN.

    Returns
    -------
    (n,) float64
    """
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import spsolve

    n = hole.flat.size
    degree, around = np.zeros(n), np.zeros(n)
    links = [np.stack([np.arange(n)] * 2)]
    for own, at, known, value in _shore(height_m, hole, void):
        degree += own | known
        around += value
        links.append(np.stack([np.flatnonzero(own), at[own]]))
    pair = np.concatenate(links, axis=1)
    weight = np.concatenate([degree, -np.ones(pair.shape[1] - n)])
    matrix = csc_array((weight, (pair[0], pair[1])), shape=(n, n))
    return np.atleast_1d(np.asarray(spsolve(matrix, around), dtype=np.float64))
