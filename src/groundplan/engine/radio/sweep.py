r"""Loss with terrain from a mast to every cell of a grid round it.

One walk over the radials of a mast position (`sweep_radial`, `polar`) gives its `MastGeometry`; the
loss of a band follows from that. It is the loss of `direct`: free space plus delta-Bullington,
ITU-R P.1812-8 for 50 % of time over land, read bilinearly between radials.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.radio.bullington import check_link, effective_radius_km
from groundplan.engine.radio.mast import (
    NEAR_M,
    Cells,
    GridLike,
    MastGeometry,
    MastLoss,
    Window,
    find_window,
    on_threads,
    read_cells,
)
from groundplan.engine.radio.polar import Rays, plan_rays, read_grid
from groundplan.engine.radio.sweep_end import least_edge
from groundplan.engine.radio.sweep_radial import WIDTH, walk_rays
from groundplan.engine.radio.terrain import Terrain

__all__ = ["MastGeometry", "MastLoss", "mast_geometry", "move_mast", "sweep_mast"]

#: Frequency down to which a geometry holds by default, GHz: clearances that lose nothing there are
#: not measured out. Below every band of 3GPP in use in China (n28 begins at 0.703 GHz).
LOWEST_GHZ = 0.4
#: Receivers stand at every step of a radial, unless that is more than PER_CELL to a cell; never
#: further apart than this, m, so that one stands where P.1812 begins.
PER_CELL, COARSEST_M = 4.0, 120.0
#: step_m, spacing_m, delta_n, lowest_frequency_ghz.
Settings = tuple[float, float, float, float]


def _cut(
    terrain: Terrain, row: float, col: float, far_m: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], float, float]:
    """Return height and clutter within `far_m` of a place, and the place in that piece."""
    n_row, n_col = terrain.shape
    reach = int(far_m / terrain.cell_m) + 3
    r0, c0 = max(0, int(row) - reach), max(0, int(col) - reach)
    r1, c1 = min(n_row, int(row) + reach + 2), min(n_col, int(col) + reach + 2)
    height = np.ascontiguousarray(terrain.height_m[r0:r1, c0:c1], dtype=np.float32)
    if terrain.clutter_m is None:
        clutter = np.zeros((0, 0), np.float32)
    else:
        clutter = np.ascontiguousarray(terrain.clutter_m[r0:r1, c0:c1], dtype=np.float32)
    return height, clutter, row - r0, col - c0


def _rays(window: Window, reach_m: float, step_m: float, stride: int, spacing_m: float) -> Rays:
    """Return the radials of a window; bounds are rounded outward so that masts share plans."""
    unit = 4.0 * step_m * stride

    def out(value: float) -> float:
        return math.copysign(min(math.ceil(abs(value) / unit) * unit, reach_m), value)

    south = window.north_m - (window.n_row - 1) * window.cell_m
    east = window.west_m + (window.n_col - 1) * window.cell_m
    west, north = window.west_m, window.north_m
    # a mast beside its window: only the far side may be rounded
    west = out(west) if west < 0 else 0.0
    south = out(south) if south < 0 else 0.0
    east = out(east) if east > 0 else 0.0
    north = out(north) if north > 0 else 0.0
    return plan_rays((west, south, east, north), reach_m, step_m, stride, spacing_m)


def build_geometry(
    terrain: Terrain,
    place: tuple[float, float],
    heights_m: tuple[float, float],
    reach_m: float,
    grid: Cells,
    settings: Settings,
    run: Callable[..., Any],
) -> MastGeometry:
    """Walk the radials and read the grid; the arguments are checked."""
    step_m, spacing_m, delta_n, lowest_ghz = settings
    x_m, y_m = place
    row, col = terrain.place(x_m, y_m)
    window = find_window(terrain, x_m, y_m, reach_m, grid)
    stride = max(1, int(min(window.cell_m / PER_CELL, COARSEST_M) / step_m + 1e-9))
    unit = step_m * stride
    values = np.empty((WIDTH, window.n_row, window.n_col), np.float32)
    if values.size:
        rays = _rays(window, reach_m, step_m, stride, spacing_m)
        height, clutter, row, col = _cut(terrain, row, col, float(rays.last.max()) * step_m)
        points = np.empty((rays.n_point, WIDTH), np.float32)
        step_km = step_m * 0.001
        law = np.array(
            [
                500.0 / effective_radius_km(delta_n) * step_km**2,
                heights_m[0],
                heights_m[1],
                least_edge(lowest_ghz, step_km),
                1.0 / math.sqrt(step_km),
            ]
        )
        run(
            walk_rays,
            rays.n_radial,
            values[0].size,
            height,
            clutter,
            np.array([row, col, step_m / terrain.cell_m]),
            rays.first,
            rays.last,
            rays.offset,
            stride,
            law,
            points,
        )
        run(
            read_grid,
            window.n_row,
            values[0].size,
            (window.east_m() / unit).astype(np.float32),
            (window.up_m() / unit).astype(np.float32),
            np.float32(reach_m / unit),
            rays.shift,
            rays.base,
            rays.end,
            rays.least,
            points,
            values,
        )
    return MastGeometry(
        x_m,
        y_m,
        heights_m[0],
        heights_m[1],
        window,
        reach_m,
        step_m,
        spacing_m,
        delta_n,
        stride,
        lowest_ghz,
        grid,
        values,
    )


def mast_geometry(
    terrain: Terrain,
    x_m: float,
    y_m: float,
    antenna_height_m: float,
    terminal_height_m: float,
    reach_m: float,
    grid: GridLike | Cells,
    *,
    step_m: float | None = None,
    spacing_m: float | None = None,
    delta_n: float = 45.0,
    lowest_frequency_ghz: float = LOWEST_GHZ,
) -> MastGeometry:
    """Sweep once round a mast and keep what every band of it needs.

    Parameters
    ----------
    terrain : Terrain
        Ground and, where it has one, clutter.
    x_m, y_m : float
        Mast, m, inside the terrain.
    antenna_height_m, terminal_height_m : float
        Above ground, m, > 0.
    reach_m : float
        Farthest cell, m, > 0.
    grid : object or tuple
        Anything with ``x0_m, y0_m`` (upper left corner), ``cell_m, n_row, n_col``; or these five.
        Row 0 is north.
    step_m : float, optional
        Spacing of the profile, m, at most 125. Default: the cell of the terrain, at most 100 m.
    spacing_m : float, optional
        Greatest distance between neighbouring radials, m. Default: the cell of the grid, at most
        100 m.
    delta_n : float
        Median fall of refractivity, N-units/km (default 45: reference code of P.1812).
    lowest_frequency_ghz : float
        Down to which the geometry must hold, GHz.

    Returns
    -------
    MastGeometry

    Raises
    ------
    ValueError
        A mast off the terrain, or an impossible number; it names argument, value, expected.
    """
    cells = read_cells(grid)
    settings = check_sweep(
        terrain,
        (antenna_height_m, terminal_height_m, lowest_frequency_ghz, reach_m, delta_n),
        cells,
        step_m,
        spacing_m,
    )
    return build_geometry(
        terrain,
        (float(x_m), float(y_m)),
        (float(antenna_height_m), float(terminal_height_m)),
        float(reach_m),
        cells,
        settings,
        on_threads,
    )


def check_sweep(
    terrain: Terrain,
    link: tuple[float, float, float, float, float],
    cells: Cells,
    step_m: float | None,
    spacing_m: float | None,
) -> Settings:
    """Return the settings of a sweep, checked and with defaults filled in."""
    antenna_m, terminal_m, lowest_ghz, reach_m, delta_n = link
    check_link(antenna_m, terminal_m, lowest_ghz, "vertical")
    effective_radius_km(delta_n)
    if not (np.isfinite(reach_m) and reach_m > 0):
        raise ValueError(f"reach_m must be > 0; got {reach_m}")
    step = min(terrain.cell_m, 100.0) if step_m is None else float(step_m)
    if not 0.0 < step <= NEAR_M / 2.0:
        raise ValueError(
            f"step_m must be in 0..{NEAR_M / 2.0:g}, above 0: the first receiver stands two steps "
            f"from the mast, and P.1812 begins at {NEAR_M:g} m; got {step_m}"
        )
    spacing = min(cells[2], 100.0) if spacing_m is None else float(spacing_m)
    if not (np.isfinite(spacing) and spacing > 0.0):
        raise ValueError(f"spacing_m must be > 0; got {spacing_m}")
    return step, spacing, float(delta_n), float(lowest_ghz)


def move_mast(
    geometry: MastGeometry,
    terrain: Terrain,
    x_m: float,
    y_m: float,
    antenna_height_m: float | None = None,
) -> MastGeometry:
    """Return the geometry of a mast that stands elsewhere, or higher, all else as it was.

    Parameters
    ----------
    geometry : MastGeometry
        Of the mast where it stood.
    terrain : Terrain
        The same as before.
    x_m, y_m : float
        New place, m.
    antenna_height_m : float, optional
        New height above ground, m.
    """
    antenna_m = geometry.antenna_height_m if antenna_height_m is None else float(antenna_height_m)
    g = geometry
    check_link(antenna_m, g.terminal_height_m, g.lowest_frequency_ghz, "vertical")
    return build_geometry(
        terrain,
        (float(x_m), float(y_m)),
        (antenna_m, g.terminal_height_m),
        g.reach_m,
        g.grid,
        (g.step_m, g.spacing_m, g.delta_n, g.lowest_frequency_ghz),
        on_threads,
    )


def sweep_mast(
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
    spacing_m: float | None = None,
    delta_n: float = 45.0,
) -> MastLoss:
    """Return the median loss from a mast to the cells within its reach.

    Parameters
    ----------
    frequency_ghz : float
        0.03 to 6 GHz.
    polarisation : str
        ``"vertical"`` or ``"horizontal"``.
    near_model : str, optional
        Model of 3GPP TR 38.901 under 0.25 km, mixed up to 0.5 km; None: P.1812 alone.
    terrain, x_m, y_m, ...
        As in `mast_geometry`.

    Returns
    -------
    MastLoss
        Upper left cell of the window, and the loss there.

    Examples
    --------
    >>> flat = Terrain(np.zeros((100, 100), np.float32), 0.0, 10_000.0, 100.0)
    >>> window = sweep_mast(flat, 5000, 5000, 30, 1.5, 0.7, 3000, (0, 10_000, 100, 100, 100))
    >>> window.row0, window.loss_db.shape
    (20, (60, 60))
    """
    check_link(antenna_height_m, terminal_height_m, frequency_ghz, polarisation)
    geometry = mast_geometry(
        terrain,
        x_m,
        y_m,
        antenna_height_m,
        terminal_height_m,
        reach_m,
        grid,
        step_m=step_m,
        spacing_m=spacing_m,
        delta_n=delta_n,
        lowest_frequency_ghz=min(LOWEST_GHZ, frequency_ghz),
    )
    loss = geometry.loss_db(frequency_ghz, polarisation=polarisation, near_model=near_model)
    return MastLoss(geometry.window.row0, geometry.window.col0, loss)
