"""Rasters a planner brings, read by window and put on cells by the rule of their kind.

| kind | to the cells |
|---|---|
| count | shared out by overlap, the sum kept |
| density | to counts by the true area of each pixel, then as counts |
| fraction | mean weighted by area, nodata out of the mean |
| class | the class with the largest area; `class_shares` gives the share of each |
| height | bilinear; mean weighted by area where cells are coarser than pixels |
| level | the largest value of all pixels that a cell overlaps: of a hazard the worst counts |

Nodata is never summed: the file's value, the declared one, NaN, and for people the three values
that published grids use (GHS-POP -200, WorldPop -99999, LandScan -2147483647).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, Findings, SourceError, UnitError
from groundplan.region.crs import resolve_crs
from groundplan.region.layer import KINDS, Grid, Layer, Ledger
from groundplan.region.pixels import PixelPass

if TYPE_CHECKING:
    from groundplan.region.crs import Crs

__all__ = ["CLASSIC_NODATA", "RasterLayer", "read_layer"]

FloatArray = NDArray[np.float64]
#: What published population grids use for "no value": GHS-POP, WorldPop, LandScan.
CLASSIC_NODATA = (-200.0, -99999.0, -2147483647.0)
#: What published height models use: SRTM and GLO-30 voids, many GIS exports.
HEIGHT_NODATA = (-32768.0, -9999.0)
PER_AREA = ("per km2", "/km2", "per km²", "/km²", "km-2")
TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


@dataclass(frozen=True)
class RasterLayer:
    """A raster with its declaration; opened and read by window when cells ask for it.

    Attributes
    ----------
    path : str
    quantity, kind, unit : str
        As declared; see `read_layer`.
    vintage : int
    licence, source : str
    crs : Crs
        System of the pixels.
    band : int
        1-based.
    transform : tuple of 6 float
        Pixel column and row to x and y: ``x = a col + b row + c``, ``y = d col + e row + f``.
    n_row, n_col : int
        Size of the whole raster.
    nodata : tuple of float
        Values that are no values, besides NaN.
    scale : tuple of 2 float
        Factor and offset from stored numbers to the unit.
    """

    path: str
    quantity: str
    kind: str
    unit: str
    vintage: int
    licence: str
    source: str
    crs: Crs
    band: int
    transform: tuple[float, ...]
    n_row: int
    n_col: int
    nodata: tuple[float, ...]
    scale: tuple[float, float] = (1.0, 0.0)

    def to_grid(self, grid: Grid, ledger: Ledger | None = None) -> Layer:
        """Put the raster on the cells of `grid` by the rule of its kind.

        Parameters
        ----------
        grid : Grid
        ledger : Ledger, optional
            Takes one line for what was read and one for what reached the cells.

        Returns
        -------
        Layer
            A count where the raster is a count or a density; NaN in cells without any value for
            the other kinds.

        Raises
        ------
        CrsError
            The raster does not overlap the region.
        DataError
            Damaged file, nodata everywhere, negative counts, shares outside 0..1.
        """
        pass_ = PixelPass(self, grid)
        if self.kind == "height" and pass_.cut.edge_m > grid.cell_m:
            values, outside, note = pass_.sample(), 0.0, "bilinear at cell centres"
        elif self.kind == "class":
            shares, codes = pass_.class_shares()
            values = codes[np.argmax(shares, axis=0)].astype(np.float64)
            values[shares.sum(axis=0) == 0] = np.nan
            outside, note = pass_.outside, f"largest of {codes.size} classes by area"
        elif self.kind == "level":
            values, outside, note = pass_.extremes(), 0.0, "largest value in each cell"
        elif self.kind in {"count", "density"}:
            values, outside = pass_.sums(), pass_.outside
            note = f"by overlap, {pass_.cut.rows} x {pass_.cut.cols} parts per pixel"
        else:
            values, outside = pass_.mean(), pass_.outside
            note = "mean weighted by area"
        uncovered = pass_.uncovered_count()
        if uncovered:
            note += f"; {uncovered} cells of the region lie beyond the raster"
        if self.kind not in {"count", "density"}:
            note += f"; {int(np.isnan(values).sum())} cells without a value"
        if ledger is not None:
            self._book(ledger, pass_, values, outside, note)
        is_count = self.kind in {"count", "density"}
        return Layer(
            values=values,
            quantity=self.quantity,
            kind="count" if is_count else self.kind,
            unit=_without_area(self.unit) if self.kind == "density" else self.unit,
            vintage=self.vintage,
            licence=self.licence,
            source=self.source,
            is_modelled=False,
            note=f"{Path(self.path).name}: {note}",
        )

    def class_shares(self, grid: Grid, ledger: Ledger | None = None) -> dict[int, Layer]:
        """Return the share of each class in each cell's valued area, by class code."""
        if self.kind != "class":
            raise UnitError(
                Finding(self.path, 0, "kind", self.kind, "class", "declare the raster as classes")
            )
        pass_ = PixelPass(self, grid)
        shares, codes = pass_.class_shares()
        area = shares.sum(axis=0)
        if ledger is not None:
            self._book(ledger, pass_, area, pass_.outside, f"{codes.size} classes, km2")
        with np.errstate(invalid="ignore"):
            return {
                int(code): Layer(
                    share / area, f"{self.quantity} {int(code)}", "fraction", "1", self.vintage,
                    self.licence, self.source, is_modelled=False,
                )
                for code, share in zip(codes, shares, strict=True)
            }  # fmt: skip

    def _book(
        self, ledger: Ledger, pass_: PixelPass, values: FloatArray, outside: float, note: str
    ) -> None:
        """Write the two ledger lines: what the window held, and where it went."""
        name = Path(self.path).name
        window = pass_.window
        where = (
            f"rows {window.row}-{window.row + window.n_row - 1}, "
            f"columns {window.col}-{window.col + window.n_col - 1} of {self.n_row} x {self.n_col}"
        )
        total = pass_.sum_in
        ledger.add(f"read {name}", total, total, nodata_cells=pass_.nodata_count, note=where)
        if self.kind in {"count", "density"}:
            out = float(values.sum())
        elif self.kind in {"height", "level"} and not pass_.is_summed:
            out = total  # sampled, not summed: nothing to balance
        else:
            out = pass_.sum_out
        step = f"{self.quantity} to cells of {grid_words(pass_.grid)}"
        ledger.add(step, total, out, outside, note=note)


def grid_words(grid: Grid) -> str:
    """Return the cell size in words."""
    return f"{grid.cell_m:g} m"


def _without_area(unit: str) -> str:
    for tail in PER_AREA:
        unit = unit.removesuffix(tail)
    return unit.strip()


def read_layer(
    path: str | Path,
    quantity: str,
    kind: str,
    unit: str,
    vintage: int,
    licence: str,
    source: str,
    nodata: float | None = None,
    crs: str | None = None,
    *,
    band: int | None = None,
) -> RasterLayer:
    """Open a raster and check its declaration; values are read when cells ask for them.

    Parameters
    ----------
    path : path
        Anything rasterio opens: GeoTIFF, COG, VRT, HGT, ESRI ASCII ...
    quantity : str
        What is measured, e.g. ``"people"``.
    kind : str
        ``count`` per pixel, ``density`` per km2, ``fraction`` 0..1, ``class`` code, ``height`` m,
        ``level`` of a hazard.
    unit : str
        Of the pixels: ``"people"``, ``"people per km2"``, ``"1"``, ``"code"``, ``"m"``.
    vintage : int
        Year the values describe.
    licence, source : str
        Under which terms, from whom.
    nodata : float, optional
        Declared value for "no value", besides the file's own.
    crs : str, optional
        Declared system, where the file has none.
    band : int, optional
        1-based; must be given where the file has several.

    Returns
    -------
    RasterLayer

    Raises
    ------
    DataError
        No raster, damaged, several bands, no position, contradicting kind and unit, no licence.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

    findings = Findings(path)
    _check_words(findings, kind, unit)
    if findings.items:
        raise UnitError(findings.items)
    for name, text in (("licence", licence), ("source", source)):
        if not text.strip():
            findings.add(0, name, "nothing", f"the {name} of the data", "ask who gave the file")
    findings.raise_if_any(SourceError)
    if not Path(path).is_file():
        raise DataError(Finding(str(path), 0, "", "no such file", "a raster", "check the path"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # reported as a finding below
            dataset = rasterio.open(path)
    except RasterioIOError as error:
        raise _unreadable(Path(path)) from error
    with dataset:
        if band is None and dataset.count != 1:
            findings.add(
                0, "band", f"{dataset.count} bands", "one band, or its number", "declare the band"
            )
        elif band is not None and not 1 <= band <= dataset.count:
            findings.add(0, "band", band, f"1 to {dataset.count}", "correct the number of the band")
        if dataset.transform.is_identity:
            findings.add(
                0,
                "georeference",
                "none",
                "a raster with position and pixel size",
                "export it as GeoTIFF with its world file, or ask for the original",
            )
        findings.raise_if_any()
        number = band or 1
        _check_file_unit(findings, dataset, number, kind, unit)
        if findings.items:
            raise UnitError(findings.items)
        found = dataset.crs.to_wkt() if dataset.crs else None
        system = resolve_crs(crs, found, path, "the raster has no CRS: declare crs for it")
        known = [dataset.nodatavals[number - 1], nodata]
        known += CLASSIC_NODATA if kind in {"count", "density", "fraction"} else []
        known += HEIGHT_NODATA if kind == "height" else []
        values = tuple(sorted({float(v) for v in known if v is not None and not math.isnan(v)}))
        return RasterLayer(
            path=str(path),
            quantity=quantity,
            kind=kind,
            unit=unit,
            vintage=int(vintage),
            licence=licence,
            source=source,
            crs=system,
            band=number,
            transform=tuple(float(v) for v in dataset.transform[:6]),
            n_row=int(dataset.height),
            n_col=int(dataset.width),
            nodata=values,
            scale=(float(dataset.scales[number - 1]), float(dataset.offsets[number - 1])),
        )


def _check_words(findings: Findings, kind: str, unit: str) -> None:
    """Find kinds that do not exist and units that contradict their kind."""
    if kind not in KINDS:
        findings.add(0, "kind", repr(kind), "one of " + ", ".join(KINDS), "declare the kind")
        return
    per_area = unit.strip().endswith(PER_AREA)
    expected = {
        "count": ("a count per pixel, such as people", not per_area and unit not in {"", "%", "1"}),
        "density": ("a unit per km2, such as people per km2", per_area),
        "fraction": ("1, for shares 0..1", unit in {"1", "ratio"}),
        "class": ("code", unit in {"code", "class", ""}),
        "height": ("m", unit == "m"),
        "level": ("the unit of the values, such as m or year", not per_area and unit != ""),
    }
    words, fits = expected[kind]
    if not fits:
        hint = (
            "is the raster a density? declare kind density"
            if kind == "count" and per_area
            else "declare the kind and the unit that the file's documentation names"
        )
        findings.add(0, "unit", f"{unit!r} with kind {kind}", words, hint)


def _check_file_unit(findings: Findings, dataset: Any, band: int, kind: str, unit: str) -> None:
    """Find a unit written in the file that contradicts the declared kind."""
    written = dataset.units[band - 1]
    if not written:
        return
    per_area = written.strip().lower().endswith(PER_AREA)
    if (kind == "count" and per_area) or (kind == "density" and not per_area):
        findings.add(
            0,
            "unit",
            f"{unit!r} declared with kind {kind}, but the file says {written!r}",
            "the same in both",
            "a density must be declared as density, a count as count",
        )


def _unreadable(path: Path) -> DataError:
    """Return the error for a file that does not open: damaged, or another format."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic in TIFF_MAGIC:
        got, hint = "a damaged or truncated GeoTIFF", "download or copy it again, compare the size"
    else:
        got, hint = "no raster", "give a GeoTIFF or another format that rasterio opens"
    return DataError(Finding(str(path), 0, "", got, "a readable raster", hint))
