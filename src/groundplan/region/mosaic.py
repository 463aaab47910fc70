"""One raster out of one file or many: pieces on common pixels, read by window.

Pieces are opened when a window needs them, and only so many stay open. Where pieces overlap, the
first by name that has a value gives it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, Findings, UnitError, UsageError
from groundplan.region.crs import is_same, resolve_crs
from groundplan.region.hgt import ORIGIN_TAG, hgt_name, hgt_tile, is_hgt, is_marked_synthetic
from groundplan.region.hgt import HgtTile as HgtPiece
from groundplan.region.pixels import read_window
from groundplan.region.raster import RasterLayer, read_layer
from groundplan.region.textgrid import check_text_grid
from groundplan.region.warp import Window, pixels_at
from groundplan.region.webtiles import ENCODINGS, WEB_MERCATOR, find_tiles

if TYPE_CHECKING:
    from groundplan.region.crs import Crs

__all__ = ["FEET", "Mosaic", "open_mosaic"]

FloatArray = NDArray[np.float64]
#: Unit words that files carry -> metres.
FEET = {"ft": 0.3048, "us-ft": 1200 / 3937}
UNIT_WORDS = {
    "m": "m", "metre": "m", "metres": "m", "meter": "m", "meters": "m", "ft": "ft", "foot": "ft",
    "feet": "ft", "us survey foot": "us-ft", "us-ft": "us-ft", "us survey feet": "us-ft",
    "ftus": "us-ft",
}  # fmt: skip
#: Files of a folder that are taken for rasters.
RASTER_SUFFIXES = (".tif", ".tiff", ".asc", ".bil", ".flt", ".vrt", ".img", ".dem")
#: Most bytes of packed tiles, and most files, that stay open.
OPEN_COUNT = {"hgt": 16, "raster": 16, "tiles": 256}


class Piece(Protocol):
    """A rectangle of a mosaic's pixels that comes from one file."""

    @property
    def path(self) -> str: ...
    @property
    def row(self) -> int: ...
    @property
    def col(self) -> int: ...
    @property
    def n_row(self) -> int: ...
    @property
    def n_col(self) -> int: ...
    def load(self) -> Any: ...
    def cut(self, loaded: Any, window: Window) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class RasterPiece:
    """A file that rasterio opens."""

    path: str
    row: int
    col: int
    n_row: int
    n_col: int
    layer: RasterLayer

    def load(self) -> Any:
        """Return the open dataset."""
        import rasterio

        return rasterio.open(self.path)

    def cut(self, loaded: Any, window: Window) -> NDArray[np.float32]:
        """Return the values of a window, NaN where there is none."""
        values, is_value = read_window(loaded, self.layer, window, np.float32)
        values[~is_value] = np.nan
        return values


@dataclass
class Mosaic:
    """Pieces on common pixels.

    Attributes
    ----------
    path : str
        File or folder as the user named it.
    crs : Crs
    transform : tuple of 6 float
        Pixel column and row to x and y.
    n_row, n_col : int
        The rectangle that holds all pieces.
    pieces : list of Piece
    factor : float
        From stored heights to metres.
    limits : pair of float
        Values beyond are faults.
    vertical : str
        What heights are measured from, in words.
    is_synthetic : bool
    note : str
    tile_name : callable or None
        Pixel row and column to the name of the tile that belongs there.
    """

    path: str
    crs: Crs
    transform: tuple[float, ...]
    n_row: int
    n_col: int
    pieces: list[Any]
    open_count: int
    factor: float = 1.0
    limits: tuple[float, float] = (-math.inf, math.inf)
    vertical: str = "not stated"
    is_synthetic: bool = False
    note: str = ""
    tile_name: Callable[[int, int], str] | None = None
    used: set[str] = field(default_factory=set)
    _open: OrderedDict[int, Any] = field(default_factory=OrderedDict)
    _bad: dict[str, list[Any]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            _close(self._open.popitem()[1])

    def _loaded(self, number: int) -> Any:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        while len(self._open) >= self.open_count:
            _close(self._open.popitem(last=False)[1])
        self._open[number] = self.pieces[number].load()
        self.used.add(self.pieces[number].path)
        return self._open[number]

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return the values of a window in metres or codes, NaN where there is none."""
        out = np.full((window.n_row, window.n_col), np.nan, dtype=np.float32)
        for number, piece in enumerate(self.pieces):
            top, left = max(window.row, piece.row), max(window.col, piece.col)
            bottom = min(window.row + window.n_row, piece.row + piece.n_row)
            right = min(window.col + window.n_col, piece.col + piece.n_col)
            if top >= bottom or left >= right:
                continue
            part = Window(top - piece.row, left - piece.col, bottom - top, right - left)
            got = piece.cut(self._loaded(number), part)
            if self.factor != 1.0:
                got = got * np.float32(self.factor)
            self._judge(piece, part, got)
            place = out[
                top - window.row : bottom - window.row, left - window.col : right - window.col
            ]
            np.copyto(place, got, where=np.isnan(place))
        return out

    def _judge(self, piece: Piece, part: Window, got: NDArray[np.float32]) -> None:
        """Note values out of range: where the first stands, how many, least and largest."""
        low, high = self.limits
        bad = (got < low) | (got > high)
        if not bad.any():
            return
        row, col = np.unravel_index(int(np.argmax(bad)), bad.shape)
        first = (part.row + int(row), part.col + int(col), float(got[row, col]))
        known = self._bad.setdefault(piece.path, [first, 0, math.inf, -math.inf])
        known[1] += int(bad.sum())
        known[2] = min(known[2], float(got[bad].min()))
        known[3] = max(known[3], float(got[bad].max()))
        # the run ends in an error: until then infinite values must not spread
        np.clip(got, low, high, out=got)

    def judge_values(
        self, findings: Findings, unit: str, hint: Callable[[float, float], str]
    ) -> None:
        """Add a finding for each file with values out of range."""
        low, high = self.limits
        for path, (first, n, least, most) in sorted(self._bad.items()):
            row, col, value = first
            findings.add(
                0, "values",
                f"{n} pixels from {least:g} to {most:g}, such as {value:g} at pixel row {row} "
                f"column {col} (from 0)",
                f"{low:g} to {high:g} {unit}", hint(least, most), file=path,
            )  # fmt: skip

    def covers(self, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which pixels belong to a piece."""
        inside = np.zeros(row.shape, dtype=bool)
        for piece in self.pieces:
            inside |= (
                (row >= piece.row) & (row < piece.row + piece.n_row)
                & (col >= piece.col) & (col < piece.col + piece.n_col)
            )  # fmt: skip
        return inside


def _close(loaded: Any) -> None:
    close = getattr(loaded, "close", None)
    if close is not None:
        close()


def open_mosaic(
    path: str | Path, kind: str, *, source_crs: str | None = None, nodata: float | None = None,
    band: int | None = None, encoding: str | None = None, zoom: int | None = None,
    height_unit: str | None = None, licence: str = "not stated", source: str = "not stated",
) -> Mosaic:  # fmt: skip
    """Open a raster, an HGT tile, a folder of either, or a folder of web tiles.

    Parameters
    ----------
    path : path
    kind : str
        ``height`` or ``class``; see `raster.read_layer`.
    source_crs : str, optional
        Declared system, where files have none.
    nodata, band : optional
        As for `raster.read_layer`.
    encoding : str, optional
        Of web tiles: ``terrarium`` or ``terrain-rgb``. Nothing in a tile tells which.
    zoom : int, optional
        Of web tiles; the deepest where left out.
    height_unit : str, optional
        ``m``, ``ft`` or ``us-ft``; what the files say, else m.
    licence, source : str

    Returns
    -------
    Mosaic
        To be used in a ``with`` block.

    Raises
    ------
    DataError
        No file of a known kind, several kinds, files that do not share pixels; and what the
        readers of the kinds raise.
    """
    path = Path(path)
    if height_unit not in {None, "m", *FEET}:
        raise UsageError(f"height_unit must be one of m, {', '.join(FEET)}. Got {height_unit!r}.")
    if encoding not in {None, *ENCODINGS}:
        raise UsageError(f"encoding must be one of {', '.join(ENCODINGS)}. Got {encoding!r}.")
    if not path.exists():
        raise DataError(
            Finding(str(path), 0, "", "no such file or folder", "a raster", "check the path")
        )
    factor = FEET.get(height_unit or "m", 1.0)
    if path.is_dir():
        hgts = sorted(p for p in path.iterdir() if is_hgt(p))
        rasters = sorted(p for p in path.iterdir() if p.name.lower().endswith(RASTER_SUFFIXES))
        has_tiles = any(path.glob("*/*/*.png"))
        held = {"HGT tiles": hgts, "rasters": rasters, "web tiles": has_tiles}
        kinds = [name for name, there in held.items() if there]
        if len(kinds) != 1:
            raise DataError(
                Finding(
                    str(path), 0, "folder", " and ".join(kinds) or "nothing to read",
                    "HGT tiles, or rasters such as GeoTIFF, or web tiles z/x/y.png",
                    "part them into a folder of each kind" if kinds else "is this the folder?",
                )
            )  # fmt: skip
    else:
        hgts, rasters, has_tiles = ([path], [], False) if is_hgt(path) else ([], [path], False)
    if has_tiles:
        return _of_web_tiles(path, encoding, zoom, factor)
    if hgts:
        return _of_hgt(path, hgts, factor, source_crs)
    for file in rasters:
        if file.suffix.lower() == ".asc" and file.is_file():
            check_text_grid(file)
    layers = [
        read_layer(p, kind, kind, {"height": "m", "class": "code"}[kind], 0, licence, source,
                   nodata, source_crs, band=band)
        for p in rasters
    ]  # fmt: skip
    return _of_rasters(path, layers, kind, height_unit)


def _of_web_tiles(path: Path, encoding: str | None, zoom: int | None, factor: float) -> Mosaic:
    if encoding is None:
        raise DataError(
            Finding(
                str(path), 0, "encoding", "nothing", "terrarium or terrain-rgb",
                "name the encoding that the server of the tiles documents",
            )
        )  # fmt: skip
    pieces, transform, level = find_tiles(path, encoding, zoom)
    side = pieces[0].n_row
    x0 = min(int(Path(p.path).parent.name) for p in pieces)
    y0 = min(int(Path(p.path).stem) for p in pieces)
    return Mosaic(
        str(path), resolve_crs(WEB_MERCATOR, None, path), transform,
        max(p.row for p in pieces) + side, max(p.col for p in pieces) + side, list(pieces),
        OPEN_COUNT["tiles"], factor, note=f"{encoding}, zoom {level}",
        tile_name=lambda row, col: f"{level}/{x0 + col // side}/{y0 + row // side}.png",
    )  # fmt: skip


def _of_hgt(path: Path, files: list[Path], factor: float, source_crs: str | None) -> Mosaic:
    findings = Findings(path)
    placed = []
    for file in files:
        try:
            placed.append((file, *hgt_tile(file)))
        except DataError as error:
            findings.items += error.findings
    sides = sorted({side for *_, side in placed})
    if len(sides) > 1:
        findings.add(
            0, "size", f"tiles of {' and '.join(f'{n} x {m}' for n, m in sides)} samples",
            "tiles of one size", "part 1 and 3 arc seconds into a folder of each",
        )  # fmt: skip
    findings.raise_if_any()
    n, m = sides[0]
    down, across = n - 1, m - 1
    top = max(lat for _, lat, _, _ in placed) + 1
    left = min(lon for _, _, lon, _ in placed)
    pieces = [
        HgtPiece(str(f), (top - lat - 1) * down, (lon - left) * across, n, m)
        for f, lat, lon, _ in placed
    ]
    high, wide = 1 / down, 1 / across

    def tile_name(row: int, col: int) -> str:
        return hgt_name(top - 1 - row // down, left + col // across) + ".hgt"

    return Mosaic(
        str(path), resolve_crs(source_crs, "EPSG:4326", path),
        (wide, 0.0, left - wide / 2, 0.0, -high, top + high / 2),
        max(p.row for p in pieces) + n, max(p.col for p in pieces) + m, pieces,
        OPEN_COUNT["hgt"], factor, vertical="EGM96 (as SRTM is published)",
        is_synthetic=any(is_marked_synthetic(f) for f in files), tile_name=tile_name,
    )  # fmt: skip


def _of_rasters(
    path: Path, layers: list[RasterLayer], kind: str, height_unit: str | None
) -> Mosaic:
    import rasterio

    first = layers[0]
    a, b, c, d, e, f = first.transform
    findings = Findings(path)
    places: list[tuple[int, int]] = []
    for layer in layers:
        if layer is not first and not (
            layer.crs.datum == first.crs.datum and is_same(layer.crs.proj, first.crs.proj)
        ):
            findings.add(
                0, "crs", layer.crs.name, f"{first.crs.name}, as {Path(first.path).name}",
                "warp the files to one system", file=layer.path,
            )  # fmt: skip
            continue
        (col,), (row,) = _offset(first, layer)
        near = abs(col - round(col)) < 0.01 and abs(row - round(row)) < 0.01
        pixel = np.array(layer.transform)[[0, 1, 3, 4]], np.array([a, b, d, e])
        largest = max(layer.n_row, layer.n_col)
        if not near or np.abs(pixel[0] - pixel[1]).max() * largest > 0.01 * np.abs(pixel[1]).max():
            findings.add(
                0, "pixels", f"pixels of {layer.transform[0]:g} x {-layer.transform[4]:g}",
                f"the pixels of {Path(first.path).name}, {a:g} x {-e:g}, continued",
                "build one raster with gdalwarp, or give a folder for each size", file=layer.path,
            )  # fmt: skip
        places.append((round(row), round(col)))
    findings.raise_if_any()
    top, left = min(r for r, _ in places), min(c_ for _, c_ in places)
    pieces = [
        RasterPiece(layer.path, row - top, col - left, layer.n_row, layer.n_col, layer)
        for layer, (row, col) in zip(layers, places, strict=True)
    ]
    vertical, synthetic = "not stated", False
    units: dict[str, str] = {}
    for layer in layers:
        with rasterio.open(layer.path) as dataset:
            unit, words = _unit_and_vertical(dataset, layer.band)
            vertical = words or vertical
            synthetic |= dataset.tags().get(ORIGIN_TAG) == "synthetic"
            if dataset.dtypes[layer.band - 1].startswith("complex"):
                findings.add(
                    0, f"band {layer.band}", "complex numbers", "real numbers",
                    "is this a radar product in place of a model?", file=layer.path,
                )  # fmt: skip
        if unit:
            units[layer.path] = unit
    findings.raise_if_any()
    factor = 1.0
    if kind == "height":
        asked = height_unit or "m"
        for file, unit in units.items():
            if unit != asked:
                said = "height_unit left out" if height_unit is None else f"{asked} declared"
                findings.add(
                    0, "unit", f"heights in {unit} ({said})", f"heights in {asked}",
                    f"declare height_unit = {unit!r}" if unit in {"m", *FEET}
                    else "convert the heights to metres", file=file,
                )  # fmt: skip
        findings.raise_if_any(UnitError)
        factor = FEET.get(asked, 1.0)
    return Mosaic(
        str(path), first.crs, (a, b, c + a * left + b * top, d, e, f + d * left + e * top),
        max(p.row + p.n_row for p in pieces), max(p.col + p.n_col for p in pieces), list(pieces),
        OPEN_COUNT["raster"], factor, vertical=vertical, is_synthetic=synthetic,
    )  # fmt: skip


def _offset(first: RasterLayer, layer: RasterLayer) -> tuple[FloatArray, FloatArray]:
    """Return the pixel column and row of `first` where the corner of `layer` lies."""
    return pixels_at(
        first.transform, np.array([layer.transform[2]]), np.array([layer.transform[5]])
    )


def _unit_and_vertical(dataset: Any, band: int) -> tuple[str, str]:
    """Return the unit of heights as a file states it, and its vertical datum in words."""
    written = (dataset.units[band - 1] or "").strip().lower()
    unit = UNIT_WORDS.get(written, written)
    if dataset.crs is None:
        return unit, ""
    from pyproj import CRS

    system = CRS.from_user_input(dataset.crs)
    for part in system.sub_crs_list:
        if part.is_vertical:
            axis = part.axis_info[0].unit_name.lower()
            return unit or UNIT_WORDS.get(axis, axis), part.name
    if len(system.axis_info) == 3:
        return unit, "the ellipsoid, not the sea: heights differ from those of maps by the geoid"
    return unit, ""
