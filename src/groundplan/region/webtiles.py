"""Heights in web map tiles: folders ``z/x/y.png`` in Web Mercator, heights in red, green, blue.

| encoding | height, m |
|---|---|
| ``terrarium`` | ``R 256 + G + B / 256 - 32768`` |
| ``terrain-rgb`` | ``-10000 + 0.1 (R 65536 + G 256 + B)`` |

Black, the lowest code of either, stands for no value; so does a transparent pixel.
"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding

if TYPE_CHECKING:
    from groundplan.region.warp import Window

__all__ = ["ENCODINGS", "WebTile", "decode_tile", "encode_tile", "find_tiles"]

ENCODINGS = ("terrarium", "terrain-rgb")
WEB_MERCATOR = "EPSG:3857"
#: Half the side of the world in Web Mercator, m.
HALF_M = math.pi * 6378137.0
SIZES = (256, 512)


@dataclass(frozen=True)
class WebTile:
    """One tile on the common pixels of a mosaic; see `HgtTile`."""

    path: str
    row: int
    col: int
    n_row: int
    n_col: int
    encoding: str

    def load(self) -> NDArray[np.float32]:
        """Return the heights of the whole tile, NaN where it has none."""
        values = decode_tile(_pixels(Path(self.path)), self.encoding)
        if values.shape != (self.n_row, self.n_col):
            raise DataError(
                Finding(
                    self.path, 0, "size", f"{values.shape[1]} x {values.shape[0]} pixels",
                    f"{self.n_col} x {self.n_row}, as its neighbours",
                    "take all tiles from one server in one size",
                )
            )  # fmt: skip
        return values

    def cut(self, loaded: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
        """Return the heights of a window."""
        rows = slice(window.row, window.row + window.n_row)
        return np.asarray(loaded[rows, window.col : window.col + window.n_col])


def decode_tile(rgb: NDArray[np.uint8], encoding: str) -> NDArray[np.float32]:
    """Return heights from pixels.

    Parameters
    ----------
    rgb : (3 or 4, n_row, n_col) uint8
        Red, green, blue, and alpha where there is one.
    encoding : str
        One of `ENCODINGS`.

    Returns
    -------
    (n_row, n_col) float32
        m; NaN where there is no value.
    """
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}. Got {encoding!r}.")
    code = (rgb[0].astype(np.int32) << 16) | (rgb[1].astype(np.int32) << 8) | rgb[2]
    step, lowest = (1 / 256, -32768.0) if encoding == "terrarium" else (0.1, -10000.0)
    values: NDArray[np.float32] = (lowest + step * code).astype(np.float32)
    is_void = code == 0
    if rgb.shape[0] == 4:
        is_void |= rgb[3] == 0
    values[is_void] = np.nan
    return values


def encode_tile(height_m: NDArray[Any], encoding: str) -> NDArray[np.uint8]:
    """Return the pixels (3, n_row, n_col) nearest to heights; NaN becomes black."""
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding must be one of {', '.join(ENCODINGS)}. Got {encoding!r}.")
    step, lowest = (1 / 256, -32768.0) if encoding == "terrarium" else (0.1, -10000.0)
    height = np.asarray(height_m, dtype=np.float64)
    code = np.where(np.isnan(height), 0, np.rint((height - lowest) / step)).astype(np.int64)
    if code.min() < 0 or code.max() >= 1 << 24:
        raise ValueError(f"height_m must fit the encoding {encoding}.")
    return np.stack([code >> 16, (code >> 8) & 255, code & 255]).astype(np.uint8)


def find_tiles(
    folder: Path, encoding: str, zoom: int | None
) -> tuple[list[WebTile], tuple[float, ...], int]:
    """Return the tiles under a folder on common pixels, the pixels' transform, the zoom.

    The deepest zoom is taken where none is named. Nothing but the first tile is opened.

    Raises
    ------
    DataError
        No tile, a zoom that is not there, a first tile that is no square of 256 or 512.
    """
    found: dict[int, list[tuple[int, int, Path]]] = {}
    for path in sorted(folder.glob("*/*/*.png")):
        parts = [re.fullmatch(r"\d+", v) for v in (path.parts[-3], path.parts[-2], path.stem)]
        if all(parts):
            z, x, y = (int(p[0]) for p in parts if p)
            found.setdefault(z, []).append((x, y, path))
    if not found or (zoom is not None and zoom not in found):
        raise DataError(
            Finding(
                str(folder), 0, "zoom", f"tiles of zoom {sorted(found)}" if found else "no tile",
                "tiles named z/x/y.png" if zoom is None else f"tiles of zoom {zoom}",
                "give the folder above the zoom levels",
            )
        )  # fmt: skip
    zoom = max(found) if zoom is None else zoom
    tiles = found[zoom]
    shape = _pixels(tiles[0][2]).shape[1:]
    if shape not in {(n, n) for n in SIZES}:
        raise DataError(
            Finding(
                str(tiles[0][2]), 0, "size", f"{shape[1]} x {shape[0]} pixels",
                "256 x 256 or 512 x 512", "give tiles as the server sent them",
            )
        )  # fmt: skip
    side = shape[0]
    first_x, first_y = min(t[0] for t in tiles), min(t[1] for t in tiles)
    pixel = 2 * HALF_M / (side << zoom)
    west, north = first_x * side * pixel - HALF_M, HALF_M - first_y * side * pixel
    placed = [
        WebTile(str(path), (y - first_y) * side, (x - first_x) * side, side, side, encoding)
        for x, y, path in tiles
    ]
    return placed, (pixel, 0.0, west, 0.0, -pixel, north), zoom


def _pixels(path: Path) -> NDArray[np.uint8]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # its name places a tile
            with rasterio.open(path) as dataset:
                if dataset.count in {3, 4} and dataset.dtypes[0] == "uint8":
                    pixels: NDArray[np.uint8] = dataset.read()
                    return pixels
                got = f"{dataset.count} bands of {dataset.dtypes[0]}"
    except RasterioIOError as error:
        raise DataError(
            Finding(
                str(path),
                0,
                "",
                "a damaged tile",
                "a readable PNG image",
                "fetch this tile again; the others can stay",
            )
        ) from error
    raise DataError(
        Finding(
            str(path), 0, "bands", got, "red, green and blue of 8 bits",
            "tiles must not be recoloured or turned to palettes",
        )
    )  # fmt: skip
