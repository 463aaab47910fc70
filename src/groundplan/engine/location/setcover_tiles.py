"""Row weighting side by side in square tiles of a plane, for problems of thousands of sites.

Only sites at least one reach inside their tile may change, so sites of two tiles share no row and
the tiles are searched at the same time without seeing each other; the grid moves every round. The
outcome of a tile depends on seed, round and tile alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import spread
from groundplan.engine.location.setcover_lists import Lists, narrow
from groundplan.engine.location.setcover_search import cover_counts, start_walk, walk

__all__ = ["search_tiles", "tiles_of"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def tiles_of(
    xy_m: FloatArray, reach_m: float, per_tile: int, seed: int, number: int
) -> list[NDArray[np.int64]]:
    """Return the sites that may change, by tile, for one place of the grid."""
    span = np.ptp(xy_m, axis=0)
    area = max(float(span[0] * span[1]), 1e-9)
    side = max(np.sqrt(area * per_tile / len(xy_m)), 6.0 * reach_m, 1e-9)
    shift = np.random.Generator(np.random.Philox(key=[seed, number])).uniform(0.0, side, 2)
    place = (xy_m - xy_m.min(axis=0) + shift) / side
    cell = np.floor(place).astype(np.int64)
    # a hair more than one reach, so that rounding cannot let two tiles meet
    edge = 1.000001 * reach_m / side
    inside = ((place - cell > edge) & (place - cell < 1.0 - edge)).all(axis=1)
    key = cell[:, 0] * (int(cell[:, 1].max(initial=0)) + 1) + cell[:, 1]
    sites = np.flatnonzero(inside)
    order = sites[np.argsort(key[sites], kind="stable")]
    if not order.size:
        return []
    return np.split(order, np.flatnonzero(np.diff(key[order])) + 1)


def search_tiles(
    lists: Lists,
    cost: IntArray,
    plan: BoolArray,
    weight: IntArray,
    tiles: list[NDArray[np.int64]],
    moves: int,
    seed: int,
) -> None:
    """Search every tile for `moves` moves per chosen site; `plan` and `weight` change in place."""
    count = cover_counts(lists, plan)

    def work(number: int, _end: int) -> None:
        sites = np.sort(tiles[number])
        mine = sites[plan[sites]]
        if mine.size < 2:
            return
        rows, times = np.unique(
            np.concatenate([
                lists.site_indices[lists.site_indptr[j] : lists.site_indptr[j + 1]] for j in mine
            ]),
            return_counts=True,
        )  # fmt: skip
        rows = rows[count[rows] == times].astype(np.int64)
        here = narrow(lists, rows, sites)
        local = weight[rows]
        search = start_walk(here, cost[sites], plan[sites], seed + number, local)
        walk(search, moves * mine.size, 0)
        weight[rows] = local
        plan[sites] = search.best

    spread(work, [(k, k + 1) for k in range(len(tiles))])
