"""Terrain on a plan's metric cells, out of whatever heights a planner has.

Heights are sampled bilinearly at cell centres, or averaged over cells; holes are an error that
names them, unless filling is asked for; what is not stated is not guessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import Findings, UsageError
from groundplan.region.crs import transformer
from groundplan.region.frame import Frame, frame_of
from groundplan.region.holes import fill_hole, find_holes, has_shore
from groundplan.region.mosaic import FEET, Mosaic, open_mosaic
from groundplan.region.sampling import (
    VOID,
    Block,
    bilinear,
    check_overlap,
    pixels_per_cell,
    walk,
)
from groundplan.region.warp import pixels_at

if TYPE_CHECKING:
    from groundplan.region.holes import Hole

__all__ = ["HEIGHT_LIMITS_M", "TerrainRaster", "check_sites", "read_terrain"]

FloatArray = NDArray[np.float64]
#: Heights beyond are faults: the shore of the Dead Sea is at -430 m, Everest at 8,849 m.
HEIGHT_LIMITS_M = (-500.0, 9000.0)
#: A hole filled by default has at most this side, m.
FILL_MAX_M = 1000.0
#: Most cells of one hole that are filled: a linear system of so many unknowns.
FILL_CELLS_MAX = 250_000
#: More void cells than this are told as a count: telling holes apart would take gigabytes.
VOID_CELLS_MAX = 2_000_000
#: Holes told one by one; missing tiles named.
TOLD = 5


@dataclass(frozen=True)
class TerrainRaster:
    """Heights on a frame of cells.

    Attributes
    ----------
    height_m : (n_row, n_col) float32 or int16
        Row 0 in the north; NaN (-32768 in whole metres) where there is none.
    x0_m, y0_m : float
        Upper left corner of the first cell.
    cell_m : float
    crs : str
        Projected, metres.
    is_synthetic : bool
        True where a file says so, or where the heights were made: outputs must say it.
    sources : tuple of str
        Files that were read, by name, and the declared source.
    void_count : int
        Cells whose height the files do not hold; those filled among them.
    filled : (n,) int64
        Numbers (row by row) of the cells that were filled.
    beyond_count : int
        Cells that lie beyond the files.
    vertical_datum : str
        What heights are measured from, as far as stated.
    note : str
        How the heights came about, one sentence for outputs.
    """

    height_m: NDArray[Any]
    x0_m: float
    y0_m: float
    cell_m: float
    crs: str
    is_synthetic: bool
    sources: tuple[str, ...]
    void_count: int = 0
    filled: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    beyond_count: int = 0
    vertical_datum: str = "not stated"
    note: str = ""

    @property
    def frame(self) -> Frame:
        """The cells."""
        n_row, n_col = self.height_m.shape
        return Frame(self.crs, self.x0_m, self.y0_m, self.cell_m, n_row, n_col)

    def holds(self, x_m: FloatArray, y_m: FloatArray) -> NDArray[np.bool_]:
        """Return which positions lie on cells with a height."""
        n_row, n_col = self.height_m.shape
        row = np.floor((self.y0_m - np.asarray(y_m)) / self.cell_m)
        col = np.floor((np.asarray(x_m) - self.x0_m) / self.cell_m)
        held = (row >= 0) & (row < n_row) & (col >= 0) & (col < n_col)
        there = self.height_m[row[held].astype(np.int64), col[held].astype(np.int64)]
        held[held] = there != VOID if self.height_m.dtype.kind == "i" else ~np.isnan(there)
        return np.asarray(held)


def check_sites(
    terrain: TerrainRaster, x_m: FloatArray, y_m: FloatArray, path: object = "sites",
    rows: NDArray[np.int64] | None = None,
) -> None:  # fmt: skip
    """Refuse sites that stand where the terrain has no height.

    Parameters
    ----------
    terrain : TerrainRaster
    x_m, y_m : (n,) float64
        In the terrain's system.
    path : object
        File of the sites, for the message.
    rows : (n,) int, optional
        Their rows in the file.

    Raises
    ------
    DataError
        One finding for each site.
    """
    findings = Findings(path)
    west, north = terrain.x0_m, terrain.y0_m
    south = north - terrain.height_m.shape[0] * terrain.cell_m
    east = west + terrain.height_m.shape[1] * terrain.cell_m
    for i in np.flatnonzero(~terrain.holds(x_m, y_m)):
        x, y = float(x_m[i]), float(y_m[i])
        is_in = west <= x < east and south < y <= north
        findings.add(
            0 if rows is None else int(rows[i]), "position",
            f"a site at x {x:.0f} m, y {y:.0f} m" + (", a cell without height" if is_in else ""),
            f"terrain under every site: x {west:.0f} to {east:.0f} m, y {south:.0f} to "
            f"{north:.0f} m",
            "fill the holes of the terrain" if is_in
            else "read terrain that reaches beyond the site, or take the site out",
        )  # fmt: skip
    findings.raise_if_any()


def read_terrain(
    path: str | Path, where: Any, crs: str | None = None, cell_m: float | None = None, *,
    margin_m: float = 0.0, resample: str = "bilinear", fill: str = "error",
    fill_max_m: float = FILL_MAX_M, beyond: str = "error", dtype: str = "float32",
    source_crs: str | None = None, nodata: float | None = None, band: int | None = None,
    encoding: str | None = None, zoom: int | None = None, height_unit: str | None = None,
    source: str = "",
) -> TerrainRaster:  # fmt: skip
    """Read heights onto metric cells.

    Parameters
    ----------
    path : path
        GeoTIFF, COG, VRT, ESRI ASCII, BIL, FLT or what else rasterio opens; HGT (``.hgt``,
        ``.hgt.gz``, ``.hgt.zip``); a folder of one of these; a folder of web tiles ``z/x/y.png``.
    where : Grid, Frame, 4 numbers or shapely geometry
        The cells wanted; see `frame_of`.
    crs : str, optional
        Projected system in metres, for an extent or a polygon.
    cell_m : float, optional
        Side of a cell.
    margin_m : float
        Terrain wanted around; it may be missing.
    resample : str
        ``bilinear`` at cell centres, or ``mean`` of points as dense as the pixels.
    fill : str
        ``error`` on holes, or ``fill`` those of at most `fill_max_m`.
    fill_max_m : float
        Longest side of a hole that is filled.
    beyond : str
        ``error`` where files do not cover the cells, or ``allow``.
    dtype : str
        ``float32``, or ``int16`` for whole metres in half the memory.
    source_crs : str, optional
        System of files that state none.
    nodata, band, encoding, zoom, height_unit
        See `open_mosaic`.
    source : str
        Who publishes the heights, for the result.

    Returns
    -------
    TerrainRaster

    Raises
    ------
    DataError, CrsError, UnitError
        Everything found in the files at once: heights out of range, holes, cells not covered.

    Notes
    -----
    Bilinear samples at cells coarser than pixels keep single ridges and miss others; means lower
    ridges. A surface model (GLO-30, AW3D) contains trees and roofs: no clutter may be added on top.
    """
    for name, value, known in (
        ("resample", resample, ("bilinear", "mean")), ("fill", fill, ("error", "fill")),
        ("beyond", beyond, ("error", "allow")), ("dtype", dtype, ("float32", "int16")),
    ):  # fmt: skip
        if value not in known:
            raise UsageError(f"{name} must be one of {', '.join(known)}. Got {value!r}.")
    frame = frame_of(where, crs, cell_m, margin_m=margin_m)
    with open_mosaic(
        path, "height", source_crs=source_crs, nodata=nodata, band=band, encoding=encoding,
        zoom=zoom, height_unit=height_unit,
    ) as mosaic:  # fmt: skip
        mosaic.limits = HEIGHT_LIMITS_M
        check_overlap(mosaic, frame)
        parts = 1
        if resample == "mean":
            parts = max(1, math.ceil(pixels_per_cell(mosaic, frame) - 0.01))
        height = np.empty(frame.shape, dtype=dtype)
        void, outside = _put(mosaic, frame, parts, height)
        findings = Findings(path)
        mosaic.judge_values(findings, "m", _range_hint)
        if outside.needed_count and beyond == "error":
            _tell_beyond(findings, frame, outside)
        needed = void if frame.inside is None else void[frame.inside.ravel()[void]]
        if needed.size > VOID_CELLS_MAX:
            findings.add(
                0, "heights", f"{needed.size:,} cells without a height", "a height in every cell",
                "is the declared nodata right? take a model without voids",
            )  # fmt: skip
            findings.raise_if_any()
        holes = find_holes(void, frame.shape) if needed.size else []
        small, large = _judge_holes(holes, height, frame, fill, fill_max_m)
        if large:
            _tell_holes(findings, frame, large, fill, fill_max_m)
        findings.raise_if_any()
        for hole in small:
            found = fill_hole(height, hole, VOID)
            height.ravel()[hole.flat] = np.rint(found) if dtype == "int16" else found
        filled = [hole.flat for hole in small]
        note = f"{resample} on cells of {frame.cell_m:g} m"
        note += f", {mosaic.note}" if mosaic.note else ""
        note += (
            f", {sum(f.size for f in filled)} cells of {len(filled)} holes filled" if filled else ""
        )
        return TerrainRaster(
            height, frame.x0_m, frame.y0_m, frame.cell_m, frame.crs, mosaic.is_synthetic,
            (*sorted({_name(p, path) for p in mosaic.used}), *([source] if source else [])),
            int(void.size), np.sort(np.concatenate(filled)) if filled else np.empty(0, np.int64),
            outside.count, mosaic.vertical, note,
        )  # fmt: skip


def _name(piece: str, path: str | Path) -> str:
    """Return a piece's name, below the folder that was given."""
    given = Path(path)
    return Path(piece).relative_to(given).as_posix() if given.is_dir() else Path(piece).name


@dataclass
class Outside:
    """What lies beyond the files: counts, where the needed cells are, which tiles would hold them.

    `box` is first row, last row, first column, last column.
    """

    count: int = 0
    needed_count: int = 0
    box: tuple[int, int, int, int] | None = None
    missing: set[str] = field(default_factory=set)

    def add(self, mosaic: Mosaic, frame: Frame, cells: NDArray[np.int64]) -> None:
        """Take cells by number."""
        self.count += cells.size
        needed = cells if frame.inside is None else cells[frame.inside.ravel()[cells]]
        self.needed_count += needed.size
        if not needed.size:
            return
        row, col = np.divmod(needed, frame.n_col)
        now = (int(row.min()), int(row.max()), int(col.min()), int(col.max()))
        old = self.box or now
        self.box = (min(old[0], now[0]), max(old[1], now[1]), min(old[2], now[2]),
                    max(old[3], now[3]))  # fmt: skip
        if mosaic.tile_name is not None:
            self.missing |= _missing(mosaic, frame, needed)


def _put(
    mosaic: Mosaic, frame: Frame, parts: int, height: NDArray[Any]
) -> tuple[NDArray[np.int64], Outside]:
    """Fill `height`; return the void cells, and what lies beyond the files."""
    void, outside = [], Outside()
    for block in walk(mosaic, frame, parts):
        got = bilinear(block)
        if parts > 1:
            shape = (block.cells.n_row, parts, block.cells.n_col, parts)
            got = got.reshape(shape).mean(axis=(1, 3), dtype=np.float64).astype(np.float32)
        lost = np.isnan(got)
        if lost.any():
            flat = _flat(block, frame, lost)
            reached = _reached(mosaic, block, lost, parts)
            void.append(flat[reached])
            outside.add(mosaic, frame, flat[~reached])
        if height.dtype.kind == "i":
            got = np.where(lost, VOID, np.rint(got))
        height[block.slices] = got
    return np.sort(np.concatenate(void)) if void else np.empty(0, np.int64), outside


def _flat(block: Block, frame: Frame, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    row, col = np.nonzero(mask)
    flat: NDArray[np.int64] = (row + block.cells.row) * frame.n_col + (col + block.cells.col)
    return flat


def _reached(
    mosaic: Mosaic, block: Block, lost: NDArray[np.bool_], parts: int
) -> NDArray[np.bool_]:
    """Return which of the lost cells have a file under all their points: they are voids."""
    row, col = np.nonzero(lost)
    reached = np.ones(row.size, dtype=bool)
    ends = (0, parts - 1) if parts > 1 else (0,)
    for down in ends:
        for right in ends:
            y = block.row[row * parts + down, col * parts + right] + block.origin[0]
            x = block.col[row * parts + down, col * parts + right] + block.origin[1]
            known = np.isfinite(x) & np.isfinite(y)
            known &= (y >= 0) & (y <= mosaic.n_row) & (x >= 0) & (x <= mosaic.n_col)
            reached &= known
            for i in (-0.5, 0.5):
                for j in (-0.5, 0.5):
                    # the four pixels that a bilinear sample stands on
                    r = np.clip(np.floor(np.where(known, y, 0) + i), 0, mosaic.n_row - 1)
                    c = np.clip(np.floor(np.where(known, x, 0) + j), 0, mosaic.n_col - 1)
                    reached &= mosaic.covers(r.astype(np.int64), c.astype(np.int64))
    return reached


def _missing(mosaic: Mosaic, frame: Frame, cells: NDArray[np.int64]) -> set[str]:
    """Return the names of tiles that would hold cells."""
    x, y = frame.centres(cells[:: max(1, cells.size // 200)])
    col, row = pixels_at(mosaic.transform, *mosaic.crs.from_system(frame.crs, x, y))
    known = np.isfinite(row) & np.isfinite(col)
    at = zip(np.floor(row[known]).astype(int), np.floor(col[known]).astype(int), strict=True)
    name = mosaic.tile_name
    return {name(int(r), int(c)) for r, c in at} if name else set()


def _range_hint(least: float, most: float) -> str:
    """Return what heights out of range may come from."""
    if least <= -9999:
        return f"if {least:g} stands for no value, declare nodata = {least:g}"
    if most <= HEIGHT_LIMITS_M[1] / FEET["ft"]:
        return "are the heights in feet? declare height_unit = 'ft'; in decimetres? give scale 0.1"
    return "is this a terrain model in m? is its scale factor or nodata value missing?"


def _tell_beyond(findings: Findings, frame: Frame, outside: Outside) -> None:
    """Add the finding for cells that no file covers: how many, where, which tiles."""
    total = int(frame.inside.sum()) if frame.inside is not None else frame.n_row * frame.n_col
    top, bottom, left, right = outside.box or (0, 0, 0, 0)
    x, y = frame.xy_m(np.array([bottom + 1, top]), np.array([left, right + 1]))
    hint = "read terrain that covers the region with a margin, or allow it with beyond = 'allow'"
    if outside.missing:
        names = sorted(outside.missing)
        more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
        hint = f"add the missing tiles {', '.join(names[:TOLD])}{more}"
    findings.add(
        0, "extent",
        f"{outside.needed_count} of {total} cells ({100 * outside.needed_count / total:.1f} %) "
        f"without terrain, x {x[0]:.0f} to {x[1]:.0f} m, y {y[0]:.0f} to {y[1]:.0f} m",
        "terrain under the whole region", hint,
    )  # fmt: skip


def _judge_holes(
    holes: list[Hole], height: NDArray[Any], frame: Frame, fill: str, fill_max_m: float
) -> tuple[list[Hole], list[Hole]]:
    """Return the holes to fill and those to refuse; holes off the needed cells stay."""
    small: list[Hole] = []
    large: list[Hole] = []
    for hole in holes:
        if frame.inside is not None and not frame.inside.ravel()[hole.flat].any():
            continue
        fits = hole.side * frame.cell_m <= fill_max_m and hole.flat.size <= FILL_CELLS_MAX
        fits = fits and has_shore(height, hole, VOID)
        (small if fill == "fill" and fits else large).append(hole)
    return small, large


def _tell_holes(
    findings: Findings, frame: Frame, holes: list[Hole], fill: str, fill_max_m: float
) -> None:
    """Add a finding for each of the largest holes, and one that counts the others."""
    order = sorted(holes, key=lambda hole: (-hole.flat.size, int(hole.flat[0])))
    hint = (
        f"fill holes of up to {FILL_MAX_M:g} m with fill = 'fill', or take a model without voids"
        if fill == "error"
        else f"raise fill_max_m above {fill_max_m:g} m if you accept it, or mend the model"
    )
    for hole in order[:TOLD]:
        x, y = (float(v[0]) for v in frame.centres(hole.flat[hole.flat.size // 2][None]))
        lon, lat = transformer(frame.crs, "EPSG:4326").transform(x, y)
        findings.add(
            0, "heights",
            f"a hole of {hole.flat.size} cells, {hole.side * frame.cell_m:g} m long, at "
            f"lon {lon:.4f} lat {lat:.4f} (x {x:.0f} m, y {y:.0f} m)",
            "a height in every cell" if fill == "error" else f"holes of at most {fill_max_m:g} m",
            hint,
        )  # fmt: skip
    if len(order) > TOLD:
        rest = order[TOLD:]
        findings.add(
            0, "heights", f"{len(rest)} more holes, {sum(h.flat.size for h in rest)} cells",
            "a height in every cell", hint,
        )  # fmt: skip
