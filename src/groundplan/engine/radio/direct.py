"""One terrain profile per receiver: the slow exact twin of the sweep.

Same arguments, same loss, O(n) per receiver: for tests, for comparisons, and for a few receivers
away from any grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine._jit import chunks, spread
from groundplan.engine.radio.bullington import check_link, direct_paths, effective_radius_km
from groundplan.engine.radio.mast import (
    Cells,
    GridLike,
    MastLoss,
    blend_near,
    find_window,
    read_cells,
)
from groundplan.engine.radio.terrain import Terrain

__all__ = ["direct_loss", "direct_mast"]


def direct_loss(
    terrain: Terrain,
    x_m: float,
    y_m: float,
    antenna_height_m: float,
    terminal_height_m: float,
    frequency_ghz: float,
    to_x_m: ArrayLike,
    to_y_m: ArrayLike,
    *,
    step_m: float | None = None,
    polarisation: str = "vertical",
    delta_n: float = 45.0,
) -> NDArray[np.float64]:
    """Return the loss from a mast to receivers, one profile each.

    Parameters
    ----------
    terrain : Terrain
        Ground and, where it has one, clutter.
    x_m, y_m : float
        Mast, m, inside the terrain.
    antenna_height_m, terminal_height_m : float
        Above ground, m, > 0.
    frequency_ghz : float
        0.03 to 6 GHz.
    to_x_m, to_y_m : array
        Receivers, m, inside the terrain.
    step_m : float, optional
        Spacing of the profile, m; the nearest whole number of steps is taken. Default: the cell of
        the terrain, at most 100 m.
    polarisation : str
        ``"vertical"`` or ``"horizontal"``.
    delta_n : float
        Median fall of refractivity, N-units/km (default 45: reference code of P.1812).

    Returns
    -------
    array
        Loss, dB, in the shape of the receivers; NaN nearer than two steps, where there is no
        profile.
    """
    check_link(antenna_height_m, terminal_height_m, frequency_ghz, polarisation)
    step = min(terrain.cell_m, 100.0) if step_m is None else float(step_m)
    if not (np.isfinite(step) and step > 0):
        raise ValueError(f"step_m must be > 0; got {step_m}")
    row, col = terrain.place(x_m, y_m)
    to_x, to_y = np.broadcast_arrays(np.asarray(to_x_m, float), np.asarray(to_y_m, float))
    west, south, east, north = terrain.bounds_m
    off = ~((to_x >= west) & (to_x <= east) & (to_y >= south) & (to_y <= north))
    if off.any():
        terrain.place(float(to_x[off].flat[0]), float(to_y[off].flat[0]), "receiver")
    rows = np.ascontiguousarray((terrain.y0_m - to_y.ravel()) / terrain.cell_m - 0.5)
    cols = np.ascontiguousarray((to_x.ravel() - terrain.x0_m) / terrain.cell_m - 0.5)
    steps = np.rint(np.hypot(to_x.ravel() - x_m, to_y.ravel() - y_m) / step).astype(np.int64)
    law: Any = np.array(
        [
            antenna_height_m,
            terminal_height_m,
            effective_radius_km(delta_n),
            frequency_ghz,
            float(polarisation == "vertical"),
        ]
    )
    out = np.full(rows.size, np.nan)
    height = terrain.height_m.astype(np.float32, copy=False)
    clutter = np.zeros((0, 0), np.float32) if terrain.clutter_m is None else terrain.clutter_m
    most = int(steps.max(initial=2))
    spread(
        direct_paths,
        chunks(rows.size, 64),
        height,
        clutter,
        row,
        col,
        terrain.cell_m,
        rows,
        cols,
        steps,
        most,
        law,
        out,
    )
    return out.reshape(to_x.shape)


def direct_mast(
    terrain: Terrain,
    x_m: float,
    y_m: float,
    antenna_height_m: float,
    terminal_height_m: float,
    frequency_ghz: float,
    reach_m: float,
    grid: GridLike | Cells,
    *,
    polarisation: str = "vertical",
    near_model: str | None = "UMa",
    step_m: float | None = None,
    delta_n: float = 45.0,
) -> MastLoss:
    """Return what `sweep_mast` does, from one profile per cell.

    Parameters
    ----------
    terrain, x_m, y_m, ...
        As in `sweep.sweep_mast`.

    Returns
    -------
    MastLoss
    """
    if not (np.isfinite(reach_m) and reach_m > 0):
        raise ValueError(f"reach_m must be > 0; got {reach_m}")
    terrain.place(x_m, y_m)
    window = find_window(terrain, x_m, y_m, reach_m, read_cells(grid))
    east, up = np.meshgrid(window.east_m(), window.up_m())
    far = np.hypot(east, up).astype(np.float32)
    is_in = far <= reach_m
    loss = np.full(far.shape, np.nan, np.float32)
    loss[is_in] = direct_loss(
        terrain,
        x_m,
        y_m,
        antenna_height_m,
        terminal_height_m,
        frequency_ghz,
        x_m + east[is_in],
        y_m + up[is_in],
        step_m=step_m,
        polarisation=polarisation,
        delta_n=delta_n,
    )
    if near_model is not None:
        heights_m = (antenna_height_m, terminal_height_m)
        blend_near(loss, far, reach_m, frequency_ghz, heights_m, near_model)
    return MastLoss(window.row0, window.col0, loss)
