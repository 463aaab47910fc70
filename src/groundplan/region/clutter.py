"""What stands on the ground, as radio models want it: a representative height for each cell.

A land-cover raster gives classes; a table gives each class a height with its source; a raster of
building heights, where there is one, takes the place of the table on built-up land.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, Findings, UsageError
from groundplan.quantity import CONFIDENCES, Field
from groundplan.region.fieldcheck import take_fields
from groundplan.region.frame import Frame, frame_of
from groundplan.region.mosaic import open_mosaic
from groundplan.region.sampling import (
    Block,
    bilinear,
    check_overlap,
    nearest,
    pixels_per_cell,
    walk,
)
from groundplan.region.sheets import read_table

__all__ = [
    "MAPPINGS",
    "ClutterClass",
    "ClutterRaster",
    "read_building_heights",
    "read_clutter",
    "read_mapping",
    "with_buildings",
]

DATA = Path(__file__).parent / "data"
#: Tables that come with the package, by the name of the land-cover product.
MAPPINGS = {
    "worldcover": DATA / "clutter_worldcover.csv",
    "globeland30": DATA / "clutter_globeland30.csv",
}
FIELDS = (
    Field("code", int, doc="value of the class in the raster", ge=0, le=65534),
    Field("name", str, doc="class in words"),
    Field("height_m", float, "m", ge=0, le=100, doc="representative height above the ground"),
    Field("source", str, doc="who says so"),
    Field("year", int, "year", ge=1900, le=2100, doc="year of the value"),
    Field("confidence", str, doc="how well it is known", choices=tuple(CONFIDENCES)),
)
#: Class of cells where the raster has no value.
NO_CLASS = 65535
#: Buildings higher than this are faults: the Shanghai Tower is 632 m high, a cell's mean is not.
BUILDING_MAX_M = 300.0
#: More points along a cell than this tell nothing more of its classes.
PARTS_MAX = 32


@dataclass(frozen=True)
class ClutterClass:
    """A class of land cover with its representative height."""

    code: int
    name: str
    height_m: float
    source: str
    year: int
    confidence: str


@dataclass(frozen=True)
class ClutterRaster:
    """Representative heights on a frame of cells.

    Attributes
    ----------
    height_m : (n_row, n_col) float32
        R of ITU-R P.1812; row 0 in the north.
    code : (n_row, n_col) uint16
        Class with the largest share of the cell; 65535 where the raster has none.
    frame : Frame
    classes : dict of int to ClutterClass
    rule : str
        ``majority`` or ``mean``.
    is_synthetic : bool
    sources : tuple of str
    missing_count : int
        Cells without any class, which took `missing_height_m`.
    note : str
    """

    height_m: NDArray[np.float32]
    code: NDArray[np.uint16]
    frame: Frame
    classes: dict[int, ClutterClass]
    rule: str
    is_synthetic: bool
    sources: tuple[str, ...]
    missing_count: int = 0
    note: str = ""

    def share_by_class(self) -> dict[str, float]:
        """Return the share of the cells that each class holds, by name, the largest first."""
        count = np.bincount(self.code.ravel(), minlength=NO_CLASS + 1)
        names = {c.name: int(count[c.code]) / self.code.size for c in self.classes.values()}
        return dict(sorted(((k, v) for k, v in names.items() if v), key=lambda item: -item[1]))


def read_mapping(mapping: str | Path) -> dict[int, ClutterClass]:
    """Read a table of classes: one that comes with the package by name, or a file.

    Parameters
    ----------
    mapping : str or path
        ``worldcover``, ``globeland30``, or a CSV or XLSX with the columns ``code, name,
        height_m, source, year, confidence``.

    Returns
    -------
    dict of int to ClutterClass

    Raises
    ------
    DataError
        Every fault of the table at once.
    """
    path = MAPPINGS.get(str(mapping), Path(mapping))
    table = read_table(path)
    findings = Findings(mapping)
    columns = take_fields(table, FIELDS, findings)
    codes = columns.get("code", np.empty(0))
    findings.raise_if_any()
    return {
        int(codes[i]): ClutterClass(
            int(codes[i]), str(columns["name"][i]), float(columns["height_m"][i]),
            str(columns["source"][i]), int(columns["year"][i]), str(columns["confidence"][i]),
        )
        for i in range(codes.size)
    }  # fmt: skip


def read_clutter(
    path: str | Path, mapping: str | Path, where: Any, crs: str | None = None,
    cell_m: float | None = None, *, rule: str = "majority", missing_height_m: float | None = None,
    source_crs: str | None = None, nodata: float | None = None, band: int | None = None,
) -> ClutterRaster:  # fmt: skip
    """Read land cover onto metric cells and give each its representative clutter height.

    Parameters
    ----------
    path : path
        A raster of classes, or a folder of its tiles.
    mapping : str or path
        See `read_mapping`.
    where, crs, cell_m
        The cells wanted; see `frame_of`. Best the frame of the terrain.
    rule : str
        ``majority``: the height of the class with the largest share of the cell, the lowest code
        where two are equal. ``mean``: the mean height over the cell.
    missing_height_m : float, optional
        Height of cells without any class; an error where left out.
    source_crs, nodata, band
        As for `read_terrain`.

    Returns
    -------
    ClutterRaster

    Raises
    ------
    DataError
        Codes that the table lacks, all of them; cells without a class.

    Notes
    -----
    Shares are counted over points as dense as the pixels (at most 32 x 32 in a cell).
    """
    if rule not in {"majority", "mean"}:
        raise UsageError(f"rule must be one of majority, mean. Got {rule!r}.")
    classes = read_mapping(mapping)
    frame = frame_of(where, crs, cell_m)
    order = sorted(classes)
    heights = np.array([classes[c].height_m for c in order])
    index = np.full(NO_CLASS + 1, -1, dtype=np.int64)
    index[order] = np.arange(len(order))
    unknown: dict[int, int] = {}
    code = np.empty(frame.shape, dtype=np.uint16)
    height = np.empty(frame.shape, dtype=np.float32)
    with open_mosaic(path, "class", source_crs=source_crs, nodata=nodata, band=band) as mosaic:
        check_overlap(mosaic, frame)
        parts = min(PARTS_MAX, max(1, math.ceil(pixels_per_cell(mosaic, frame) - 0.01)))
        for block in walk(mosaic, frame, parts):
            count = _count(_numbers(block, index, len(order), unknown), parts, len(order))
            code[block.slices], height[block.slices] = _settle(count, heights, order, rule)
        is_synthetic, files = mosaic.is_synthetic, sorted(Path(p).name for p in mosaic.used)
    findings = Findings(path)
    missing = code == NO_CLASS
    if frame.inside is not None:
        missing &= frame.inside
    for value, n in sorted(unknown.items()):
        findings.add(
            0, f"class {value}", f"{n} points of a class that the mapping lacks",
            f"a row for each class in {Path(mapping).name}",
            f"add a row for code {value}, or declare nodata = {value} if it stands for none",
        )  # fmt: skip
    n_missing = int(missing.sum())
    if n_missing and missing_height_m is None:
        row, col = np.unravel_index(int(np.argmax(missing)), missing.shape)
        x, y = frame.xy_m(np.array([row + 0.5]), np.array([col + 0.5]))
        findings.add(
            0, "extent", f"{n_missing} cells without a class, such as x {x[0]:.0f} m, "
            f"y {y[0]:.0f} m",
            "land cover under the whole region",
            "add the missing tiles, or give such cells a height with missing_height_m",
        )  # fmt: skip
    findings.raise_if_any()
    height[code == NO_CLASS] = np.nan if missing_height_m is None else missing_height_m
    note = f"{rule} of {parts} x {parts} points on cells of {frame.cell_m:g} m"
    if n_missing:
        note += f"; {n_missing} cells without a class taken as {missing_height_m:g} m"
    return ClutterRaster(
        height, code, frame, classes, rule, is_synthetic, (*files, Path(mapping).name),
        n_missing, note,
    )  # fmt: skip


def _numbers(
    block: Block, index: NDArray[np.int64], n_class: int, unknown: dict[int, int]
) -> NDArray[np.uint16]:
    """Return the number of the class at each point, `n_class` where there is none.

    Codes without a class are counted in `unknown`.
    """
    values = block.values
    fits = (values >= 0) & (values < NO_CLASS) & (values == np.rint(values))
    number = index[np.where(fits, values, NO_CLASS).astype(np.int32)]
    number[number < 0] = n_class + 1
    number[np.isnan(values)] = n_class
    found: NDArray[np.uint16] = nearest(block, number.astype(np.uint16), n_class)
    lost = found > n_class
    if lost.any():
        codes, n = np.unique(nearest(block, values, np.nan)[lost], return_counts=True)
        for code, many in zip(codes.tolist(), n.tolist(), strict=True):
            unknown[int(code)] = unknown.get(int(code), 0) + many
        found[lost] = n_class
    return found


def _count(number: NDArray[np.uint16], parts: int, n_class: int) -> NDArray[np.int64]:
    """Return how many points of each cell each class holds (n_row, n_col, n_class)."""
    n_row, n_col = number.shape[0] // parts, number.shape[1] // parts
    out = np.empty((n_row, n_col, n_class), dtype=np.int64)
    column = np.arange(number.shape[1]) // parts * (n_class + 1)
    for row in range(n_row):
        # the last class takes points without one
        place = number[row * parts : (row + 1) * parts] + column
        count = np.bincount(place.ravel(), minlength=n_col * (n_class + 1))
        out[row] = count.reshape(n_col, n_class + 1)[:, :n_class]
    return out


def _settle(
    count: NDArray[np.int64], heights: NDArray[np.float64], order: list[int], rule: str
) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Return the class and the height of each cell."""
    total = count.sum(axis=2)
    largest = np.argmax(count, axis=2)
    code = np.where(total > 0, np.array(order)[largest], NO_CLASS).astype(np.uint16)
    if rule == "majority":
        return code, heights[largest]
    return code, (count @ heights) / np.maximum(total, 1)


def read_building_heights(
    path: str | Path, where: Any, crs: str | None = None, cell_m: float | None = None, *,
    source_crs: str | None = None, nodata: float | None = None, band: int | None = None,
) -> NDArray[np.float32]:  # fmt: skip
    """Read a raster of mean building heights (such as GHS-BUILT-H) onto metric cells.

    Parameters
    ----------
    path, where, crs, cell_m, source_crs, nodata, band
        As for `read_clutter`.

    Returns
    -------
    (n_row, n_col) float32
        m; 0 where the raster has no value: such rasters hold none where nothing is built.

    Raises
    ------
    DataError
        Heights below 0 or above 300 m.
    """
    frame = frame_of(where, crs, cell_m)
    out = np.empty(frame.shape, dtype=np.float32)
    with open_mosaic(path, "height", source_crs=source_crs, nodata=nodata, band=band) as mosaic:
        mosaic.limits = (0.0, BUILDING_MAX_M)
        check_overlap(mosaic, frame)
        parts = min(PARTS_MAX, max(1, math.ceil(pixels_per_cell(mosaic, frame) - 0.01)))
        for block in walk(mosaic, frame, parts):
            # coarser cells take the mean over all their points, the unbuilt as 0
            got = nearest(block, block.values, 0.0) if parts > 1 else bilinear(block)
            got = np.nan_to_num(got, nan=0.0)
            shape = (block.cells.n_row, parts, block.cells.n_col, parts)
            out[block.slices] = got.reshape(shape).mean(axis=(1, 3))
        findings = Findings(path)
        mosaic.judge_values(
            findings, "m", lambda _least, most: "is the scale factor or the nodata value missing? "
            f"if {most:g} stands for no value, declare it",
        )  # fmt: skip
        findings.raise_if_any()
    return out


def with_buildings(clutter: ClutterRaster, building_m: NDArray[np.float32]) -> ClutterRaster:
    """Return clutter whose heights are those of the buildings where there are any.

    Parameters
    ----------
    clutter : ClutterRaster
    building_m : (n_row, n_col) float32
        On the same cells; see `read_building_heights`.
    """
    if building_m.shape != clutter.height_m.shape:
        raise DataError(
            Finding(
                "building heights", 0, "cells", f"{building_m.shape[0]} x {building_m.shape[1]}",
                f"the cells of the clutter, {clutter.height_m.shape[0]} x "
                f"{clutter.height_m.shape[1]}",
                "read both with the same frame",
            )
        )  # fmt: skip
    height = np.where(building_m > 0, building_m, clutter.height_m)
    note = f"{clutter.note}; building heights on {int((building_m > 0).sum())} cells"
    return replace(clutter, height_m=height.astype(np.float32), note=note)
