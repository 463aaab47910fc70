r"""Which cells a hill hides from a mast that is near enough.

The statistical reach of a class of land holds for ground without hills: at distance d a share
``P(d)`` of the terminals is above the threshold, and at the reach R it is ``P(R)``. Terrain takes
a further loss X from the link. A cell still counts as served while

.. math:: P(d; X) \ge P(R; 0)

that is, while it is served no worse than the edge of the cell on even ground. The largest such X
is the *spare loss* of the distance. X is what the terrain adds: the loss over it less the loss over
even ground at the same distance. On even ground nothing changes, and no loss is counted twice:
buildings and trees are in the statistical model, hills in X.

Left out: places that see further over a slope than over even ground (the reach only shrinks);
that a hill shields from interference as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.radio.direct import direct_loss
from groundplan.engine.radio.link import Link, served_ratio
from groundplan.engine.radio.terrain import Terrain

__all__ = ["POINTS", "EvenGround", "hidden_cells", "spare_loss"]

FloatArray = NDArray[np.float64]
#: Points of the table over distance, the mast and the reach included.
POINTS = 129
#: Cells of the even ground, m.
CELL_M = 100.0
#: Largest spare loss that is looked for, dB; behind more than that no link of this kind holds.
MOST_DB = 80.0
#: Halvings of the search: MOST_DB / 2^20 is below 1e-4 dB.
HALVINGS = 20


def spare_loss(links: Sequence[Sequence[Link]], reach_m: FloatArray) -> FloatArray:
    """Return how much loss terrain may add before a cell is served worse than the edge.

    Parameters
    ----------
    links : (n_layer, n_environment) Link
    reach_m : (n_layer, n_environment) float64
        As `cell_reach` gave it.

    Returns
    -------
    (n_layer, n_environment, POINTS) float64
        dB at `POINTS` distances from 0 to the reach of the class, evenly spaced; 0 at the reach.
    """
    spare = np.zeros((*reach_m.shape, POINTS))
    for i, k in np.ndindex(*reach_m.shape):
        reach = float(reach_m[i, k])
        if reach <= 0:
            continue
        d = np.linspace(0.0, reach, POINTS)
        link = links[i][k]
        least = float(served_ratio(link, d[-1:])[0])
        low, high = np.zeros(POINTS), np.full(POINTS, MOST_DB)
        for _ in range(HALVINGS):
            mid = 0.5 * (low + high)
            good = served_ratio(link, d, mid) >= least
            low, high = np.where(good, mid, low), np.where(good, high, mid)
        spare[i, k] = low
        spare[i, k, -1] = 0.0
    return spare


class EvenGround:
    """Loss over even ground by distance, kept for each kind of mast.

    Parameters
    ----------
    terminal_height_m : float
    step_m : float
        Of a profile, the same as over the terrain: what is compared is alike but for the hills.
    """

    def __init__(self, terminal_height_m: float, step_m: float) -> None:
        self.terminal_height_m, self.step_m = terminal_height_m, step_m
        self.kept: dict[tuple[float, float, float], FloatArray] = {}

    def table(self, antenna_height_m: float, frequency_ghz: float, reach_m: float) -> FloatArray:
        """Return the loss at `POINTS` evenly spaced distances from 0 to the reach, dB.

        Nearer than two steps of the profile it is that of two steps.
        """
        key = (antenna_height_m, frequency_ghz, reach_m)
        if key not in self.kept:
            d = np.maximum(np.linspace(0.0, reach_m, POINTS), 2.0 * self.step_m)
            side = int(np.ceil(d.max() / CELL_M)) + 3
            flat = Terrain(np.zeros((2, side), np.float32), 0.0, 2.0 * CELL_M, CELL_M)
            start = 0.5 * CELL_M
            self.kept[key] = np.asarray(
                direct_loss(
                    flat, start, CELL_M, antenna_height_m, self.terminal_height_m, frequency_ghz,
                    start + d, np.full(POINTS, CELL_M), step_m=self.step_m,
                )
            )  # fmt: skip
        return self.kept[key]


@jit
def read_table(table, share):
    """Return a value between the points of a table over 0..1."""
    at = share * (table.size - 1)
    k = min(int(at), table.size - 2)
    return table[k] + (at - k) * (table[k + 1] - table[k])


@jit
def hidden_cells(
    loss_db, row0, col0, even_db, even_reach, cell_of, environment, x0, y1, cell_m, site_x, site_y,
    site_spare, site_reach, spare, reach, uses_site, out,
):  # fmt: skip
    """Write the cells within reach that terrain hides from one site.

    Parameters
    ----------
    loss_db : (n, m) float32
        Loss from the mast to each cell of a window of the grid; NaN where there is none.
    row0, col0 : int
        First row and column of the window; row 0 is in the north.
    even_db : (POINTS,) float64
        Loss over even ground over 0..`even_reach`.
    even_reach : float
    cell_of : (n_row, n_col) int32
        Number of each cell of the grid, -1 outside the region.
    environment : (n_cell,) int8
    x0, y1, cell_m : float
        Western and northern edge of the grid, side of a cell, m.
    site_x, site_y : float
    site_spare : (POINTS,) float64
        Spare loss of the site's own class over 0..`site_reach`, the largest distance looked at.
    site_reach : float
    spare, reach : (n_environment, POINTS) float64, (n_environment,) float64
        Of the classes of cells.
    uses_site : bool
        Whether the class of the site counts beside that of the cell.
    out : int32
        Output, at least as large as the window.

    Returns
    -------
    (hidden, near) : (int, int)
        How many were written, and how many cells lie within reach.
    """
    n, near = 0, 0
    for a in range(loss_db.shape[0]):
        dy = y1 - (row0 + a + 0.5) * cell_m - site_y
        for b in range(loss_db.shape[1]):
            c = cell_of[row0 + a, col0 + b]
            if c < 0:
                continue
            dx = x0 + (col0 + b + 0.5) * cell_m - site_x
            d = np.sqrt(dx * dx + dy * dy)
            e = environment[c]
            # beyond the reach nothing is served: a pair ruled out there changes nothing
            if d > reach[e] or d > site_reach:
                continue
            near += 1
            loss = loss_db[a, b]
            if np.isnan(loss):
                continue
            most = read_table(spare[e], d / reach[e])
            if uses_site:
                most = min(most, read_table(site_spare, d / site_reach))
            if loss - read_table(even_db, min(d / even_reach, 1.0)) > most:
                out[n] = c
                n += 1
    return n, near
