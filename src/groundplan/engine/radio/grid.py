"""The raster that a coverage is computed on: square cells of one metric system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings

__all__ = ["Grid"]

#: More cells than this cannot be numbered by int32, as the matrix of sites and cells does.
CELLS_MAX = 2**31 - 1


@dataclass(frozen=True)
class Grid:
    """Square cells in rows from north to south, columns from west to east.

    Attributes
    ----------
    x0_m, y0_m : float
        Upper left corner of cell (0, 0): least easting, greatest northing, m.
    cell_m : float
        Side of a cell, m, > 0.
    n_row, n_col : int
        >= 1.
    inside : (n_row, n_col) bool, optional
        Cells of the region; all where it is left out. Outside nothing is computed.

    Examples
    --------
    >>> grid = Grid(0.0, 300.0, 100.0, 3, 2)
    >>> grid.centre_m(0, 1)
    (150.0, 250.0)
    """

    x0_m: float
    y0_m: float
    cell_m: float
    n_row: int
    n_col: int
    inside: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        found = Findings("grid")
        for name in ("x0_m", "y0_m"):
            if not np.isfinite(getattr(self, name)):
                found.add(0, name, getattr(self, name), "a finite number of metres")
        if not (np.isfinite(self.cell_m) and self.cell_m > 0):
            found.add(0, "cell_m", self.cell_m, "> 0 m")
        for name in ("n_row", "n_col"):
            if int(getattr(self, name)) < 1:
                found.add(0, name, getattr(self, name), ">= 1 cell")
        found.raise_if_any()
        if self.n_row * self.n_col > CELLS_MAX:
            found.add(0, "n_row * n_col", self.n_row * self.n_col, f"<= {CELLS_MAX} cells",
                      "take larger cells or cut the region")  # fmt: skip
        if self.inside is not None and np.shape(self.inside) != (self.n_row, self.n_col):
            found.add(0, "inside", np.shape(self.inside), f"shape ({self.n_row}, {self.n_col})")
        found.raise_if_any()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n_row, self.n_col

    def centre_m(self, row: int, col: int) -> tuple[float, float]:
        """Return easting and northing of the middle of a cell."""
        return self.x0_m + (col + 0.5) * self.cell_m, self.y0_m - (row + 0.5) * self.cell_m
