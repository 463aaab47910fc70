"""`Grid`, `Layer` and `Ledger`: cells, values on cells, and the book that keeps their sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding

__all__ = ["KINDS", "Grid", "Layer", "Ledger", "LedgerLine"]

#: How a layer behaves when cells change: see docs/region.
KINDS = ("count", "density", "fraction", "class", "height", "level")


@dataclass(frozen=True)
class Grid:
    """Square cells of one equal-area grid, only those inside the region, row-major from north-west.

    Attributes
    ----------
    crs : str
        PROJ string of the equal-area system, metres.
    cell_m : float
        Side of a cell.
    x0_m, y1_m : float
        West and north edge of the full raster.
    n_row, n_col : int
        Size of the full raster.
    row, col : (n_cell,) int32
        Place of each cell in the full raster.
    unit : (n_cell,) int16
        Census unit of each cell: index into `Region.units`.
    county : (n_cell,) int16
        County of each cell: index into `Region.counties`.
    geometry_label : str
        Where the borders come from, in words printed on every output.
    is_synthetic : bool
        True where the borders are not surveyed ones.
    """

    crs: str
    cell_m: float
    x0_m: float
    y1_m: float
    n_row: int
    n_col: int
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    unit: NDArray[np.int16]
    county: NDArray[np.int16]
    geometry_label: str
    is_synthetic: bool

    def __len__(self) -> int:
        return int(self.row.shape[0])

    @property
    def x_m(self) -> NDArray[np.float64]:
        """Cell centres, east."""
        return np.asarray(self.x0_m + self.cell_m * (self.col + 0.5), np.float64)

    @property
    def y_m(self) -> NDArray[np.float64]:
        """Cell centres, north."""
        return np.asarray(self.y1_m - self.cell_m * (self.row + 0.5), np.float64)

    def raster(self, values: NDArray[Any], outside: float = np.nan) -> NDArray[Any]:
        """Return `values` (n_cell,) laid out as the full raster, `outside` elsewhere."""
        full = np.full((self.n_row, self.n_col), outside, dtype=np.asarray(values).dtype)
        full[self.row, self.col] = values
        return full

    def cell_at(self, row: NDArray[Any], col: NDArray[Any]) -> NDArray[np.int64]:
        """Return the cell at each place of the full raster, -1 outside the region.

        Cells are in order, so a few places are found without laying out the raster.
        """
        row, col = (np.asarray(at).astype(np.int32) for at in (row, col))
        low = np.searchsorted(self.row, row, side="left")
        end = np.searchsorted(self.row, row, side="right")
        high = end.copy()
        while (is_open := low < high).any():
            middle = (low + high) // 2
            is_before = is_open & (self.col[np.minimum(middle, len(self) - 1)] < col)
            low, high = np.where(is_before, middle + 1, low), np.where(is_before, high, middle)
        found = np.minimum(low, len(self) - 1)
        return np.where((low < end) & (self.col[found] == col), low, -1)


@dataclass(frozen=True)
class Layer:
    """Values on cells, with everything a reader must know to use them.

    Attributes
    ----------
    values : (n_cell,) float64
        One value per cell of the grid.
    quantity : str
        What is measured, e.g. ``"people"``.
    kind : str
        One of `KINDS`.
    unit : str
        Unit as printed.
    vintage : int
        Year the values describe.
    licence, source : str
        Under which terms, from whom.
    is_modelled : bool
        True where the values come from a model and must say so wherever they are shown.
    note : str
        One sentence for outputs.
    factor : (n_unit,) float64 or None
        After `rake`: control total over raw total, per unit.
    """

    values: NDArray[np.float64]
    quantity: str
    kind: str
    unit: str
    vintage: int
    licence: str
    source: str
    is_modelled: bool
    note: str = ""
    factor: NDArray[np.float64] | None = None

    def rake(self, grid: Grid, totals: NDArray[np.int64], ledger: Ledger | None = None) -> Layer:
        """Scale the cells of each unit so that they add up to its control total.

        Parameters
        ----------
        grid : Grid
        totals : (n_unit,) int64
            Control totals; a unit with a total and no value anywhere is an error.
        ledger : Ledger, optional
            Takes a line with sums before and after.

        Returns
        -------
        Layer
            With `factor` set.
        """
        raw = np.bincount(grid.unit, weights=self.values, minlength=len(totals))
        empty = np.flatnonzero((raw <= 0) & (totals > 0))
        if empty.size:
            raise DataError(
                [
                    Finding(
                        self.source,
                        0,
                        self.quantity,
                        f"no {self.unit} in unit number {int(u)}",
                        f"some share of its control total {int(totals[u])}",
                        "does the layer cover the whole region, in the declared CRS?",
                    )
                    for u in empty
                ]
            )
        factor = np.divide(totals, raw, out=np.zeros(len(totals)), where=raw > 0)
        values = self.values * factor[grid.unit]
        if ledger is not None:
            ledger.add(
                f"rake {self.quantity} to control totals",
                float(totals.sum()),
                float(values.sum()),
                note=f"factor per unit {factor.min():.3f} to {factor.max():.3f}",
            )
        return replace(self, values=values, factor=factor)


@dataclass(frozen=True)
class LedgerLine:
    """What came in, what went out and what was lost in one step."""

    step: str
    sum_in: float
    sum_out: float
    outside: float = 0.0
    nodata_cells: int = 0
    clipped: float = 0.0
    note: str = ""

    @property
    def residual(self) -> float:
        """What is missing after everything named: must vanish to rounding."""
        return self.sum_in - self.sum_out - self.outside - self.clipped

    def __str__(self) -> str:
        return (
            f"{self.step}: in {self.sum_in:,.3f}, out {self.sum_out:,.3f}, "
            f"outside {self.outside:,.3f}, nodata cells {self.nodata_cells:,}, "
            f"clipped {self.clipped:,.3f}, residual {self.residual:.2e}"
            + (f" ({self.note})" if self.note else "")
        )


@dataclass
class Ledger:
    """The book of sums: a line for each step that moves people or other counts."""

    lines: list[LedgerLine] = field(default_factory=list)

    def add(
        self,
        step: str,
        sum_in: float,
        sum_out: float,
        outside: float = 0.0,
        nodata_cells: int = 0,
        clipped: float = 0.0,
        note: str = "",
    ) -> LedgerLine:
        """Add a line; raise where the sums do not balance to rounding."""
        line = LedgerLine(step, sum_in, sum_out, outside, nodata_cells, clipped, note)
        if not abs(line.residual) <= 1e-9 * max(1.0, abs(sum_in)):
            raise DataError(
                Finding(
                    step,
                    0,
                    "mass balance",
                    f"residual {line.residual:.6g} of {sum_in:.6g}",
                    "sum in = sum out + outside + clipped",
                    "a step lost or made counts; report this with the input",
                )
            )
        self.lines.append(line)
        return line

    def rows(self) -> Sequence[dict[str, Any]]:
        """Return the lines as plain data."""
        return [{**line.__dict__, "residual": line.residual} for line in self.lines]
