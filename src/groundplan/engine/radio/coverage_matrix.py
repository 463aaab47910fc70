"""The sparse matrix of sites and cells: who is heard where, for the siting of new masts.

Row = site, columns = cells of the grid (row-major numbers), value = power of the site's strongest
sector. Every row is written by one piece of work into its own slice, so the arrays may be mapped
from files, and the bytes do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit, spread
from groundplan.engine.radio.coverage_source import Source
from groundplan.engine.radio.table_kernel import (
    BLOCK,
    ROW,
    TOP,
    ZERO,
    X,
    Y,
    distances,
    fill,
    keep_best,
    over_terrain,
    shape_power,
    table_power,
)
from groundplan.errors import StoppedError

__all__ = ["SiteMatrix", "site_matrix"]

Allocate = Callable[[str, tuple[int, ...], str], NDArray[Any]]
#: Pieces of work between two looks at `stop`, and sites of one piece.
BATCH = 16
PIECE = 64


@dataclass(frozen=True)
class SiteMatrix:
    """Cells that hear each site.

    Attributes
    ----------
    indptr : (n_site + 1,) int64
        The cells of site j are ``indices[indptr[j]:indptr[j + 1]]``.
    indices : (n_pair,) int32
        Cells, ascending; ``row * n_col + col``.
    rsrp_dbm : (n_pair,) float16
        Power of the site's strongest sector, dBm; a float16 is exact to 0.03 dB above -64 dBm,
        0.06 dB down to -128 and 0.13 dB below.
    n_cell : int
    threshold_dbm : float
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    rsrp_dbm: NDArray[np.float16]
    n_cell: int
    threshold_dbm: float

    def by_cell(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the sites of each cell, ascending, as `location.Coverage.from_csr` takes them."""
        indptr = np.zeros(self.n_cell + 1, np.int64)
        site = np.empty(self.indices.size, np.int32)
        turn(self.indptr, self.indices, indptr, site)
        return indptr, site


@jit
def turn(indptr, indices, cell_indptr, site):
    """Turn the lists of cells by site into lists of sites by cell."""
    for q in range(indices.size):
        cell_indptr[indices[q] + 1] += 1
    for c in range(cell_indptr.size - 1):
        cell_indptr[c + 1] += cell_indptr[c]
    here = cell_indptr[:-1].copy()
    for j in range(indptr.size - 1):
        for q in range(indptr[j], indptr[j + 1]):
            site[here[indices[q]]] = j
            here[indices[q]] += 1


@jit
def site_cells(
    lo, hi, groups, n_row, n_col, cell_m, inside, place, reach, entry, first, direction, power,
    undo, name, kind, table, shapes, directions, least2, window, box, loss, ratio, threshold,
    is_count, count, indptr, indices, rsrp,
):  # fmt: skip
    """Count, or list, the cells where each site of ``lo .. hi`` is above the threshold (mW).

    `groups` holds the groups of each site as pointers; the rest is as in `rank_tiles`.
    """
    w = np.zeros(TOP + 2 * ROW, np.float32)
    where = np.zeros(ROW, np.int32)
    read = np.zeros(ROW, np.uint64)
    part = np.zeros(ROW, np.float32)
    strip = np.zeros((BLOCK, n_col + BLOCK), np.float32)
    for j in range(BLOCK):
        for i in range(BLOCK):
            w[X + BLOCK * j + i] = np.float32((i + 0.5) * cell_m)
            w[Y + BLOCK * j + i] = np.float32(-(j + 0.5) * cell_m)
    for site in range(lo, hi):
        far = 0.0
        for m in range(groups[site], groups[site + 1]):
            far = max(far, np.sqrt(np.float64(reach[m])))
        if far == 0.0:
            if is_count:
                count[site] = 0
            continue
        m = groups[site]
        row0 = max(int(np.floor((place[m, 1] - far) / cell_m)), 0)
        row1 = min(int(np.floor((place[m, 1] + far) / cell_m)) + 1, n_row)
        col0 = max(int(np.floor((place[m, 0] - far) / cell_m)), 0)
        col1 = min(int(np.floor((place[m, 0] + far) / cell_m)) + 1, n_col)
        n = 0
        for row in range(row0, row1, BLOCK):
            rows = min(BLOCK, row1 - row)
            for col in range(col0, col1, BLOCK):
                fill(w, TOP, w.size, ZERO)
                for m in range(groups[site], groups[site + 1]):
                    x = np.float32(place[m, 0] - col * cell_m)
                    y = np.float32(row * cell_m - place[m, 1])
                    distances(BLOCK * rows, w, x, y, reach[m], least2, entry[m], table, where, read)
                    if window[m] >= 0:
                        over_terrain(
                            w, row, row + rows, col, col1 - col, window[m], box[m], loss, ratio
                        )
                    for s in range(first[m], first[m + 1]):
                        shape = shapes[kind[s]]
                        # without the factor of the rank: this is power, not preference
                        p = power[s] * undo[np.int64(name[s])]
                        if shape[7] > ZERO:
                            table_power(
                                BLOCK * rows, w, direction[s, 0], direction[s, 1], p,
                                directions[kind[s]], where, part,
                            )  # fmt: skip
                        else:
                            shape_power(BLOCK * rows, w, direction[s, 0], direction[s, 1], p, shape)
                        keep_best(BLOCK * rows, w, name[s])
                for j in range(rows):
                    for i in range(BLOCK):
                        strip[j, col - col0 + i] = w[TOP + BLOCK * j + i]
            for j in range(rows):
                for i in range(col1 - col0):
                    g = strip[j, i]
                    if g <= threshold or (inside.size > 0 and not inside[row + j, col0 + i]):
                        continue
                    if not is_count:
                        at = indptr[site] + n
                        indices[at] = (row + j) * n_col + col0 + i
                        rsrp[at] = np.float32(10.0 * np.log10(np.float64(g)))
                    n += 1
        if is_count:
            count[site] = n


def in_memory(name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:  # noqa: ARG001
    """Return an array in memory."""
    return np.empty(shape, dtype)


def site_matrix(
    source: Source, n_site: int, threshold_dbm: float, *, allocate: Allocate = in_memory
) -> SiteMatrix:
    """Return the cells where each site's strongest sector is above a threshold.

    Parameters
    ----------
    source : Source
        A coverage's source.
    n_site : int
        Rows of the site table; a site without sectors has an empty row.
    threshold_dbm : float
        Per resource element.
    allocate : callable, optional
        ``allocate(name, shape, dtype)`` gives the arrays, for example mapped from files.

    Returns
    -------
    SiteMatrix
    """
    net, grid = source.network, source.grid
    groups = np.searchsorted(net.group_site, np.arange(n_site + 1)).astype(np.int64)
    inside = np.zeros((0, 0), bool) if grid.inside is None else np.ascontiguousarray(grid.inside)
    windows = source.windows
    common = (
        groups, grid.n_row, grid.n_col, float(grid.cell_m), inside, net.place, net.reach,
        net.entry, net.first, net.direction, net.power, net.undo, net.name, net.kind, net.table,
        net.shapes, net.directions, np.float32(net.least2), windows.window, windows.box,
        windows.loss, source.ratio, np.float32(10.0 ** (threshold_dbm / 10.0)),
    )  # fmt: skip
    count = np.zeros(n_site, np.int64)
    indptr = np.zeros(n_site + 1, np.int64)
    indices, wide = np.empty(0, np.int32), np.empty(0, np.float32)
    pieces = [(a, min(a + PIECE, n_site)) for a in range(0, n_site, PIECE)]

    def stopped(done: int) -> None:
        source.progress("matrix", done, 2 * n_site)
        if source.stop():
            raise StoppedError(f"stopped in the matrix after {done} of {2 * n_site} steps")

    for at in range(0, len(pieces), BATCH):
        stopped(pieces[at][0])
        spread(site_cells, pieces[at : at + BATCH], *common, True, count, indptr, indices, wide)
    np.cumsum(count, out=indptr[1:])
    indices = allocate("indices", (int(indptr[-1]),), "<i4")
    rsrp = allocate("rsrp_dbm", (int(indptr[-1]),), "<f2")
    for at in range(0, len(pieces), BATCH):
        stopped(n_site + pieces[at][0])
        batch = pieces[at : at + BATCH]
        base = indptr[batch[0][0]]
        size = int(indptr[batch[-1][1]] - base)
        # numba has no float16 on processors: a batch at a time in float32
        wide, cell = np.empty(size, np.float32), np.empty(size, np.int32)
        spread(site_cells, batch, *common, False, count, indptr - base, cell, wide)
        indices[base : base + size] = cell
        rsrp[base : base + size] = wide.astype(np.float16)
    return SiteMatrix(indptr, indices, rsrp, grid.n_row * grid.n_col, threshold_dbm)
