"""Cropland and relief of each cell, from the coarse windows that a region carries.

Land cover has cells of 0.05 degrees and heights nodes of 1/12 degree: what comes out tells plains
from mountains and fields from forest over kilometres, never one field from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.region.layer import Grid
from groundplan.region.surface import IGBP, at_lattice

if TYPE_CHECKING:
    from groundplan.region.tables import Region

__all__ = ["cropland_and_relief"]

#: Side of the lattice between whose nodes values are bilinear, m; far below the windows' cells.
LATTICE_M = 1000.0
#: Nodes along a side of the window over which the spread of heights is taken.
WINDOW = 3


def cropland_and_relief(
    region: Region, grid: Grid
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the cropland share and the relief of each cell.

    Returns
    -------
    cropland_ratio : (n_cell,) float32
        Share of land cover classes 12 and 14 (cropland, mosaic) around the cell, 0..1.
    relief_m : (n_cell,) float32
        Standard deviation of the heights of 3 x 3 nodes around the cell, m.
        Both are empty where the region lacks either window.
    """
    from scipy.ndimage import map_coordinates, uniform_filter

    windows = [region.folder / name for name in ("landcover.npz", "relief.npz")]
    if not all(path.is_file() for path in windows):
        empty = np.zeros(0, np.float32)
        return empty, empty
    k = max(1, round(LATTICE_M / grid.cell_m))
    rows, cols = grid.n_row // k + 3, grid.n_col // k + 3
    x = grid.x0_m + grid.cell_m * k * np.arange(cols)
    y = grid.y1_m - grid.cell_m * k * np.arange(rows)
    lon, lat = region.unproject(*(a.ravel() for a in np.meshgrid(x, y)))

    def at_cells(image: NDArray[Any], west: float, north: float, step: float) -> Any:
        place = np.array([(north - lat) / step, (lon - west) / step])
        told = map_coordinates(image.astype(float), place, order=1, mode="nearest")
        lattice = told.reshape(rows, cols)
        return at_lattice(lattice, k, grid.row, grid.col).astype(np.float32)

    with np.load(windows[0], allow_pickle=False) as z:
        step = float(z["step_deg"])
        is_crop = np.isin(z["igbp"], IGBP["crop"])
        crop = at_cells(is_crop, float(z["west"]) + step / 2, float(z["north"]) - step / 2, step)
    with np.load(windows[1], allow_pickle=False) as z:
        height = z["height_m"].astype(float)
        mean, square = uniform_filter(height, WINDOW), uniform_filter(height**2, WINDOW)
        rough = np.sqrt(np.clip(square - mean * mean, 0, None))
        relief = at_cells(rough, float(z["west"]), float(z["north"]), float(z["step_deg"]))
    return np.clip(crop, 0.0, 1.0), relief
