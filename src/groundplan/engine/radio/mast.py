r"""What one sweep keeps of a mast, and how any frequency's loss follows from it.

Per cell four numbers that know no frequency: the knife edge of Bullington's point, the effective
heights of mast and terminal over the smooth earth, and the rise from antenna to terminal. A band,
a power or a tilt at that mast is then a matter of end terms.

P.1812 begins at 0.25 km. Nearer cells take 3GPP TR 38.901, averaged over its LOS probability, and
between 0.25 and 0.5 km the two are mixed: ``w = (d - 0.25) / 0.25``, loss ``= w L(P.1812) +
(1 - w) L(38.901)`` in dB. ``near_model=None`` switches this off, for comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, spread
from groundplan.engine.radio.bullington import check_link, effective_radius_km
from groundplan.engine.radio.pathloss import path_loss
from groundplan.engine.radio.sweep_end import end_terms, link_constants
from groundplan.engine.radio.sweep_radial import WIDTH
from groundplan.engine.radio.terrain import Terrain

__all__ = [
    "Cells",
    "GridLike",
    "MastGeometry",
    "MastLoss",
    "Window",
    "blend_near",
    "find_window",
    "link_loss",
    "near_table",
    "on_one_thread",
    "on_threads",
    "read_cells",
]

#: The blend of P.1812 and 38.901 begins where P.1812 does, and ends at twice that, m.
NEAR_M, FAR_M = 250.0, 500.0
#: Where 38.901 begins, m.
LEAST_M = 10.0
#: Parts of one mast's work at most, and the cells below which another part does not pay.
PARTS, PART_CELLS = 32, 8192
#: x0_m, y0_m, cell_m, n_row, n_col.
Cells = tuple[float, float, float, int, int]


class MastLoss(NamedTuple):
    """Loss on a window of the grid.

    Attributes
    ----------
    row0, col0 : int
        Upper left cell of the window in the grid.
    loss_db : (n_row, n_col) float32
        Median loss, dB; NaN where there is none: out of reach, off the terrain or, without a near
        model, closer than two steps.
    """

    row0: int
    col0: int
    loss_db: NDArray[np.float32]


class Window(NamedTuple):
    """Cells of a grid within reach of a mast.

    Attributes
    ----------
    row0, col0, n_row, n_col : int
        Of the window in the grid.
    west_m, north_m : float
        Centre of its upper left cell, m from the mast.
    cell_m : float
        Side of a cell, m.
    """

    row0: int
    col0: int
    n_row: int
    n_col: int
    west_m: float
    north_m: float
    cell_m: float

    def east_m(self) -> NDArray[np.float64]:
        """Return the columns' centres, m east of the mast."""
        return np.asarray(self.west_m + self.cell_m * np.arange(self.n_col, dtype=np.float64))

    def up_m(self) -> NDArray[np.float64]:
        """Return the rows' centres, m north of the mast."""
        return np.asarray(self.north_m - self.cell_m * np.arange(self.n_row, dtype=np.float64))


class GridLike(Protocol):
    """A metric grid, row 0 the northern edge: corner, cell and size."""

    @property
    def x0_m(self) -> float: ...  # noqa: D102
    @property
    def y0_m(self) -> float: ...  # noqa: D102
    @property
    def cell_m(self) -> float: ...  # noqa: D102
    @property
    def n_row(self) -> int: ...  # noqa: D102
    @property
    def n_col(self) -> int: ...  # noqa: D102


def read_cells(grid: GridLike | Cells) -> Cells:
    """Return the numbers of a grid, checked.

    Parameters
    ----------
    grid : object or tuple
        Anything with ``x0_m, y0_m`` (upper left corner), ``cell_m, n_row, n_col``; or these five.
    """
    if isinstance(grid, tuple):
        x0_m, y0_m, cell_m, n_row, n_col = grid
    else:
        x0_m, y0_m, cell_m = grid.x0_m, grid.y0_m, grid.cell_m
        n_row, n_col = grid.n_row, grid.n_col
    for name, value in (("x0_m", x0_m), ("y0_m", y0_m)):
        if not np.isfinite(value):
            raise ValueError(f"{name} must be finite; got {value}")
    if not (np.isfinite(cell_m) and cell_m > 0):
        raise ValueError(f"cell_m must be > 0; got {cell_m}")
    for name, count in (("n_row", n_row), ("n_col", n_col)):
        if int(count) != count or count < 1:
            raise ValueError(f"{name} must be a whole number >= 1; got {count}")
    return float(x0_m), float(y0_m), float(cell_m), int(n_row), int(n_col)


def find_window(
    terrain: Terrain,
    x_m: float,
    y_m: float,
    reach_m: float,
    grid: Cells,
) -> Window:
    """Return the cells of the grid within reach whose centres lie on the terrain."""
    x0, y0, cell, n_row, n_col = grid
    west, south, east, north = terrain.bounds_m
    left = max(west, x_m - reach_m)
    right = min(east, x_m + reach_m)
    low = max(south, y_m - reach_m)
    top = min(north, y_m + reach_m)
    col0 = max(0, math.ceil((left - x0) / cell - 0.5))
    col1 = min(n_col, math.floor((right - x0) / cell - 0.5) + 1)
    row0 = max(0, math.ceil((y0 - top) / cell - 0.5))
    row1 = min(n_row, math.floor((y0 - low) / cell - 0.5) + 1)
    return Window(
        row0,
        col0,
        max(0, row1 - row0),
        max(0, col1 - col0),
        x0 + (col0 + 0.5) * cell - x_m,
        y0 - (row0 + 0.5) * cell - y_m,
        cell,
    )


@dataclass(frozen=True, eq=False)
class MastGeometry:
    """What gives the loss at a mast for any frequency, power and tilt.

    Attributes
    ----------
    x_m, y_m, antenna_height_m, terminal_height_m : float
        The mast; heights above ground.
    window : Window
        Cells of the grid that it covers.
    reach_m, step_m, spacing_m, delta_n : float
        Settings of the sweep.
    stride : int
        Steps between receivers.
    lowest_frequency_ghz : float
        Down to which the geometry holds.
    grid : (float, float, float, int, int)
        The whole grid: x0_m, y0_m, cell_m, n_row, n_col.
    values : (4, n_row, n_col) float32 or float16
        Knife edge (m per root km), effective heights of mast and terminal (m), rise from antenna to
        terminal (m); 16 or, after `compact`, 8 bytes per cell. Where a cell has no value the second
        is 0, which no mast has.
    """

    x_m: float
    y_m: float
    antenna_height_m: float
    terminal_height_m: float
    window: Window
    reach_m: float
    step_m: float
    spacing_m: float
    delta_n: float
    stride: int
    lowest_frequency_ghz: float
    grid: Cells
    values: NDArray[Any]

    @property
    def bytes_per_cell(self) -> int:
        """Bytes kept per cell."""
        return WIDTH * self.values.dtype.itemsize

    def compact(self) -> MastGeometry:
        """Return a copy in half precision: 8 bytes per cell, loss within 0.03 dB."""
        most = float(np.finfo(np.float16).max)
        return replace(self, values=np.clip(self.values, -most, most).astype(np.float16))

    def distance_m(self) -> NDArray[np.float32]:
        """Return the ground distance of each cell, m."""
        up, east = self.window.up_m() ** 2, self.window.east_m() ** 2
        square = up.astype(np.float32)[:, None] + east.astype(np.float32)[None, :]
        return np.asarray(np.sqrt(square), dtype=np.float32)

    def depression_deg(self) -> NDArray[np.float32]:
        """Return the angle under the horizon at which the antenna sees each terminal, degrees."""
        far = np.maximum(self.distance_m(), LEAST_M)
        fall = far / (2000.0 * effective_radius_km(self.delta_n))
        angle = np.degrees(np.arctan(fall - self.values[3].astype(np.float32) / far))
        return np.asarray(angle, dtype=np.float32)

    def loss_db(
        self,
        frequency_ghz: float,
        *,
        polarisation: str = "vertical",
        near_model: str | None = "UMa",
    ) -> NDArray[np.float32]:
        """Return the median loss on the window, dB; NaN where there is none.

        Parameters
        ----------
        frequency_ghz : float
            From `lowest_frequency_ghz` to 6 GHz.
        polarisation : str
            ``"vertical"`` or ``"horizontal"``.
        near_model : str, optional
            Model of 3GPP TR 38.901 under 0.25 km, mixed up to 0.5 km; None: P.1812 alone.
        """
        check_link(self.antenna_height_m, self.terminal_height_m, frequency_ghz, polarisation)
        if frequency_ghz < self.lowest_frequency_ghz:
            raise ValueError(
                f"frequency_ghz must be >= {self.lowest_frequency_ghz:g}, for which this geometry "
                f"was made; got {frequency_ghz}; give mast_geometry a lowest_frequency_ghz"
            )
        return link_loss(self, frequency_ghz, polarisation, near_model, on_threads)


def on_threads(kernel: Callable[..., Any], n: int, cells: int, *args: Any) -> None:
    """Run ``kernel(lo, hi, *args)`` over ``range(n)``, in parts on threads where `cells` are many.

    The parts write different places, so their number changes nothing.
    """
    parts = min(PARTS, 1 + cells // PART_CELLS)
    spread(kernel, chunks(n, parts) if parts > 1 else [(0, n)], *args)


def on_one_thread(kernel: Callable[..., Any], n: int, _cells: int, *args: Any) -> None:
    """Run ``kernel(0, n, *args)`` here; stands in for `on_threads` where masts are the parts."""
    kernel(0, n, *args)


def link_loss(
    geometry: MastGeometry,
    frequency_ghz: float,
    polarisation: str,
    near_model: str | None,
    run: Callable[..., Any],
) -> NDArray[np.float32]:
    """Return `MastGeometry.loss_db`, unchecked, its kernel run by `on_threads` or alike."""
    far = geometry.distance_m()
    out = np.empty(far.size, np.float32)
    k = link_constants(frequency_ghz, effective_radius_km(geometry.delta_n), polarisation)
    run(
        end_terms,
        far.size,
        far.size,
        far.ravel(),
        geometry.values.astype(np.float32, copy=False).reshape(WIDTH, -1),
        np.float32(geometry.step_m * 0.001),
        k,
        out,
    )
    loss = out.reshape(far.shape)
    loss[geometry.values[1] == 0] = np.nan
    if near_model is not None:
        heights_m = (geometry.antenna_height_m, geometry.terminal_height_m)
        blend_near(loss, far, geometry.reach_m, frequency_ghz, heights_m, near_model)
    return loss


def blend_near(
    loss: NDArray[np.float32],
    far: NDArray[np.float32],
    reach_m: float,
    frequency_ghz: float,
    heights_m: tuple[float, float],
    near_model: str,
) -> None:
    """Mix 38.901 into a window of losses below 0.5 km, in place.

    Parameters
    ----------
    loss, far : (n_row, n_col) float32
        Loss (dB) and distance (m) of the cells.
    reach_m : float
        Cells beyond stay as they are.
    frequency_ghz : float
        Carrier.
    heights_m : (float, float)
        Of antenna and terminal above ground.
    near_model : str
        Model of 38.901.
    """
    rows, cols = np.nonzero(far < min(FAR_M, reach_m))
    d = far[rows, cols].astype(np.float64)
    table = near_table(near_model, frequency_ghz, *heights_m)
    near = np.interp(d, np.arange(table.size), table)
    weight = np.clip((d - NEAR_M) / (FAR_M - NEAR_M), 0.0, 1.0)
    terrain = np.where(weight > 0.0, loss[rows, cols], 0.0)
    loss[rows, cols] = weight * terrain + (1.0 - weight) * near


@lru_cache(maxsize=256)
def near_table(
    model: str, frequency_ghz: float, antenna_height_m: float, terminal_height_m: float
) -> NDArray[np.float64]:
    """Return 38.901, mean over sight, at every metre up to the end of the blend, dB."""
    d = np.maximum(np.arange(int(FAR_M) + 2.0), LEAST_M)
    loss = path_loss(model, d, frequency_ghz, antenna_height_m, terminal_height_m).loss_db
    return np.asarray(loss, dtype=np.float64)
