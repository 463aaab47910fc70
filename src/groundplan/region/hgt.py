"""SRTM tiles: a square of big-endian int16, named by its south-west corner, nothing else inside.

Samples stand on whole fractions of a degree, the first and last on the tile's edges, so that
neighbours share a row and a column. The name alone says where a tile lies.
"""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding
from groundplan.region.warp import Window

__all__ = ["HgtTile", "hgt_name", "hgt_tile", "is_hgt", "write_hgt"]

NAME = re.compile(r"([NS])(\d{2})([EW])(\d{3})[^/]*?\.hgt(\.gz|\.zip)?", re.IGNORECASE)
VOID = -32768
#: Samples in a row and a column -> pixels per degree of latitude and longitude.
SIDES = {(3601, 3601): (3600, 3600), (1201, 1201): (1200, 1200), (3601, 1801): (3600, 1800)}
SIZES = {2 * n * m: (n, m) for n, m in SIDES}
EXPECTED = "25,934,402 bytes (1 arc second) or 2,884,802 (3 arc seconds)"
#: Key under which synthetic heights say so beside an HGT tile and inside a GeoTIFF.
ORIGIN_TAG = "GROUNDPLAN_ORIGIN"


@dataclass(frozen=True)
class HgtTile:
    """One tile on the common pixels of a mosaic.

    Attributes
    ----------
    path : str
    row, col : int
        Place of its first pixel in the mosaic.
    n_row, n_col : int
    """

    path: str
    row: int
    col: int
    n_row: int
    n_col: int

    def load(self) -> NDArray[np.int16]:
        """Return the samples; a plain file is mapped, a packed one unpacked."""
        return _samples(Path(self.path))

    def cut(self, loaded: NDArray[np.int16], window: Window) -> NDArray[np.float32]:
        """Return the heights of a window, NaN in voids."""
        raw = loaded[window.row : window.row + window.n_row, window.col : window.col + window.n_col]
        values = raw.astype(np.float32)
        values[raw == VOID] = np.nan
        return values


def is_hgt(path: Path) -> bool:
    """Return whether a file's name ends as those of tiles do."""
    return path.name.lower().endswith((".hgt", ".hgt.gz", ".hgt.zip"))


def hgt_name(lat: int, lon: int) -> str:
    """Return the name of the tile with its south-west corner at whole degrees.

    Examples
    --------
    >>> hgt_name(34, 113), hgt_name(-1, -78)
    ('N34E113', 'S01W078')
    """
    return f"{'S' if lat < 0 else 'N'}{abs(lat):02d}{'W' if lon < 0 else 'E'}{abs(lon):03d}"


def hgt_tile(path: Path) -> tuple[int, int, tuple[int, int]]:
    """Return latitude and longitude of a tile's south-west corner and its size.

    Raises
    ------
    DataError
        A name without a corner, a corner off the globe, a size that no tile has.
    """
    match = NAME.fullmatch(path.name)
    if match is None:
        raise DataError(
            Finding(
                str(path), 0, "name", path.name, "the south-west corner, as in N34E113.hgt",
                "give the file back its name: an HGT file holds no position",
            )
        )  # fmt: skip
    lat = int(match[2]) * (-1 if match[1].upper() == "S" else 1)
    lon = int(match[4]) * (-1 if match[3].upper() == "W" else 1)
    if not (-90 <= lat < 90 and -180 <= lon < 180):
        raise DataError(
            Finding(
                str(path), 0, "name", path.name, "a corner from S90 to N89 and W180 to E179",
                "give the file back its name: an HGT file holds no position",
            )
        )  # fmt: skip
    if path.suffix.lower() == ".gz":
        size = _packed_size(path)
    elif path.suffix.lower() == ".zip":
        size = _member(path)[1]
    else:
        size = path.stat().st_size
    return lat, lon, _side(path, size)


def _side(path: Path, size: int) -> tuple[int, int]:
    if size not in SIZES:
        raise DataError(
            Finding(
                str(path), 0, "size", f"{size:,} bytes", EXPECTED,
                "the file is truncated or no HGT tile: download or copy it again",
            )
        )  # fmt: skip
    return SIZES[size]


def _packed_size(path: Path) -> int:
    """Return the size that a gzip file ends with; unpacked and counted where no tile has it."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4))
        size = int.from_bytes(stream.read(4), "little")
    return size if size in SIZES else int(_samples(path).nbytes)


def _member(path: Path) -> tuple[str, int]:
    """Return name and size of the only tile in an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = [i for i in archive.infolist() if i.filename.lower().endswith(".hgt")]
    except (zipfile.BadZipFile, OSError) as error:
        raise _unpackable(path) from error
    if len(held) != 1:
        raise DataError(
            Finding(
                str(path), 0, "archive", f"{len(held)} .hgt files", "one .hgt file",
                "unpack the archive and give the folder",
            )
        )  # fmt: skip
    return held[0].filename, held[0].file_size


def _unpackable(path: Path) -> DataError:
    return DataError(
        Finding(
            str(path), 0, "archive", "a damaged archive", "a whole .gz or .zip with one tile",
            "download or copy it again, compare the size",
        )
    )  # fmt: skip


def _samples(path: Path) -> NDArray[np.int16]:
    most = max(SIZES) + 1  # one byte more than the largest tile tells a file that is too long
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                raw = stream.read(most)
        elif path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(_member(path)[0]) as member:
                raw = member.read(most)
        else:
            side = _side(path, path.stat().st_size)
            return np.memmap(path, dtype=">i2", mode="r", shape=side)
    except (EOFError, OSError, zlib.error, zipfile.BadZipFile) as error:
        raise _unpackable(path) from error
    return np.frombuffer(raw, dtype=">i2").reshape(_side(path, len(raw)))


def is_marked_synthetic(path: Path) -> bool:
    """Return whether a file beside the tile says that its heights are synthetic."""
    note = path.with_name(path.name + ".aux.xml")
    if not note.is_file():
        return False
    try:
        root = ET.fromstring(note.read_bytes())  # noqa: S314  # no entity is expanded
    except ET.ParseError as error:
        raise DataError(
            Finding(
                str(note),
                0,
                "",
                "no readable XML",
                "the metadata that GDAL keeps beside a raster",
                "delete it, or write the tile again if its heights are synthetic",
            )
        ) from error
    items = root.iter("MDI")
    return any(i.get("key") == ORIGIN_TAG and i.text == "synthetic" for i in items)


def write_hgt(
    folder: str | Path, height_m: NDArray[Any], lat: int, lon: int, *, is_synthetic: bool
) -> Path:
    """Write a tile, and beside it, for synthetic heights, the note that says so.

    Parameters
    ----------
    folder : path
    height_m : (3601, 3601) or (1201, 1201) array
        Row 0 in the north; NaN becomes a void.
    lat, lon : int
        South-west corner, degrees.
    is_synthetic : bool
        Writes ``<name>.hgt.aux.xml``, which GDAL and QGIS show as metadata.

    Returns
    -------
    Path
    """
    if height_m.shape not in SIDES:
        raise ValueError(f"height_m must be one of {list(SIDES)}. Got {height_m.shape}.")
    whole = np.where(np.isnan(height_m), VOID, np.rint(height_m))
    if whole.min() < VOID or whole.max() > 32767:
        raise ValueError("height_m must fit 16 bits.")
    path = Path(folder) / f"{hgt_name(lat, lon)}.hgt"
    note = path.with_name(path.name + ".aux.xml")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.aside")
    if is_synthetic:
        root = ET.Element("PAMDataset")
        item = ET.SubElement(ET.SubElement(root, "Metadata"), "MDI", key=ORIGIN_TAG)
        item.text = "synthetic"
        note.write_bytes(ET.tostring(root))  # first: heights never stand without their mark
    else:
        note.unlink(missing_ok=True)
    whole.astype(">i2").tofile(aside)
    aside.replace(path)
    return path
