"""Which system positions are in: declared, found in the file, checked against each other.

The order is fixed: the file's own system, else the study's, else refuse. A study may name a
Chinese datum over a file that says EPSG:4326, because that label is the usual disguise; any other
contradiction is an error, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import CrsError, Finding
from groundplan.region.datum import (
    INVERSES,
    bd09_from_gcj02,
    gcj02_from_wgs84,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from groundplan.errors import Findings

__all__ = ["WGS84", "Crs", "check_positions", "gauss_kruger_epsg", "parse_crs", "resolve_crs"]

FloatArray = NDArray[np.float64]
WGS84 = "EPSG:4326"
ACCEPTED = "an EPSG code (EPSG:4326, EPSG:4490, EPSG:4547 ...), a PROJ text, GCJ-02 or BD-09"
#: Two systems are the same when a probe point differs by less than this (m, or degrees).
SAME_M, SAME_DEG = 1.0, 1e-5


@dataclass(frozen=True)
class Crs:
    """A reference system as declared, with what may hide under it.

    Attributes
    ----------
    name : str
        As declared or found, for messages.
    proj : pyproj.CRS
        System of the stored numbers; EPSG:4326 under a Chinese datum.
    datum : str
        ``""``, ``"GCJ-02"`` or ``"BD-09"``.
    """

    name: str
    proj: Any
    datum: str = ""

    @property
    def is_geographic(self) -> bool:
        """True where the numbers are degrees."""
        return bool(self.proj.is_geographic)

    def to_wgs84(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return lon and lat, WGS84 degrees, of positions (east first) in this system."""
        if self.datum:
            return INVERSES[self.datum](x, y)
        return _transform(self.proj, WGS84, x, y)

    def to(self, target: str, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return positions in the system `target` (east first)."""
        if self.datum:
            return _transform(WGS84, target, *self.to_wgs84(x, y))
        return _transform(self.proj, target, x, y)

    def from_system(
        self, source: str, x: FloatArray, y: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return positions of the system `source` in this one (east first)."""
        if not self.datum:
            return _transform(source, self.proj, x, y)
        lon, lat = gcj02_from_wgs84(*_transform(source, WGS84, x, y))
        return (lon, lat) if self.datum == "GCJ-02" else bd09_from_gcj02(lon, lat)


@lru_cache(maxsize=32)
def transformer(source: Any, target: Any) -> Any:
    """Return the way between two systems, east first; finding it takes PROJ up to 0.3 s."""
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def _transform(
    source: Any, target: Any, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    out = transformer(source, target).transform(x, y)
    return np.asarray(out[0], dtype=np.float64), np.asarray(out[1], dtype=np.float64)


def parse_crs(text: Any, path: object, column: str) -> Any:
    """Return a pyproj system, or raise a finding that names `text`."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(text)
    except CRSError as error:
        raise CrsError(
            Finding(
                str(path), 0, column, repr(str(text)[:60]), ACCEPTED, "correct the declared crs"
            )
        ) from error


def _datum_of(text: str) -> str:
    """Return the Chinese datum that a text names, ``""`` for none."""
    plain = text.strip().upper().replace("-", "").replace("_", "").replace(" ", "")
    return {"GCJ02": "GCJ-02", "BD09": "BD-09", "BD09LL": "BD-09"}.get(plain, "")


def _probe(crs: Any, other: Any) -> tuple[float, float]:
    """Return a lon, lat in the middle of where either system is meant to be used."""
    for area in (crs.area_of_use, other.area_of_use):
        if area is not None and area.east - area.west < 180:
            return (area.west + area.east) / 2, (area.south + area.north) / 2
    return 113.5, 34.0


def is_same(a: Any, b: Any) -> bool:
    """Return whether two pyproj systems give the same numbers, to a metre.

    WGS84 and CGCS2000 count as the same: they differ by centimetres to decimetres.
    """
    if a.is_geographic != b.is_geographic:
        return False
    lon, lat = _probe(a, b)
    points = [_transform(WGS84, c, np.array([lon]), np.array([lat])) for c in (a, b)]
    differ = max(
        abs(float(p - q)) for p, q in zip(*[np.ravel(np.stack(p)) for p in points], strict=True)
    )
    return differ < (SAME_DEG if a.is_geographic else SAME_M)


def resolve_crs(declared: str | None, found: Any, path: object, hint: str = "") -> Crs:
    """Settle the system of a file: its own, else the declared one, else refuse.

    Parameters
    ----------
    declared : str or None
        What the study says: an EPSG code, a PROJ text, ``GCJ-02`` or ``BD-09``.
    found : object
        What the file says (text, WKT, PROJJSON), None where it says nothing.
    path : object
        The file, for messages.
    hint : str
        What the reader suspects, for the refusal.

    Returns
    -------
    Crs

    Raises
    ------
    CrsError
        Nothing declared anywhere, an unreadable declaration, or file and study in contradiction.
    """
    datum = _datum_of(declared) if declared else ""
    stored = parse_crs(found, path, "crs") if found is not None else None
    if datum:
        if stored is not None and not stored.is_geographic:
            raise CrsError(
                Finding(
                    str(path),
                    0,
                    "crs",
                    f"{declared} declared over a file in {stored.name}",
                    f"degrees under {datum}",
                    "leave the declaration out, or export the file in degrees",
                )
            )
        return Crs(datum, parse_crs(WGS84, path, "crs"), datum)
    if declared is None and stored is None:
        raise CrsError(
            Finding(
                str(path),
                0,
                "crs",
                "none",
                f"a declared reference system: {ACCEPTED}",
                hint or "declare crs for this file; ask its owner whether it is GCJ-02",
            )
        )
    if declared is None:
        stored = parse_crs(found, path, "crs") if stored is None else stored
        return Crs(str(stored.to_string())[:80], stored)
    asked = parse_crs(declared, path, "crs")
    if stored is not None and not is_same(asked, stored):
        raise CrsError(
            Finding(
                str(path),
                0,
                "crs",
                f"{declared} declared, but the file says {stored.name}",
                "the same system in both",
                "correct the declaration, or the file if its label is wrong",
            )
        )
    return Crs(declared, asked)


def gauss_kruger_epsg(zone: int, *, has_prefix: bool) -> str | None:
    """Return the EPSG code of a CGCS2000 Gauss-Kruger zone, None where there is none.

    3-degree zones 25-45 (central meridian 3 x zone): EPSG 4513-4533 with the zone number in front
    of the easting, 4534-4554 without. 6-degree zones 13-23: 4491-4501 and 4502-4512.

    Parameters
    ----------
    zone : int
        The first two digits of an easting of eight digits.
    has_prefix : bool
        True where eastings carry the zone number.

    Examples
    --------
    >>> gauss_kruger_epsg(38, has_prefix=True), gauss_kruger_epsg(38, has_prefix=False)
    ('EPSG:4526', 'EPSG:4547')
    """
    if 25 <= zone <= 45:
        return f"EPSG:{(4513 if has_prefix else 4534) + zone - 25}"
    if 13 <= zone <= 23:
        return f"EPSG:{(4491 if has_prefix else 4502) + zone - 13}"
    return None


def suspect_system(x: FloatArray, y: FloatArray) -> str:
    """Return in words what plain numbers look like, ``""`` where nothing is known of them."""
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    if not x.size or not y.size:
        return ""
    east, north = float(np.median(x)), float(np.median(y))
    if abs(east) <= 180 and abs(north) <= 90:
        return "the numbers look like degrees: declare EPSG:4326, EPSG:4490, GCJ-02 or BD-09"
    code = gauss_kruger_epsg(int(east // 1e6), has_prefix=True) if east >= 1e7 else None
    if code:
        return f"eastings of 8 digits carry zone {int(east // 1e6)}: probably {code}"
    if 1e5 < east < 1e6 < north:
        return "the numbers look like Gauss-Kruger metres: declare EPSG:4546, 4547 or 4548 by zone"
    return "the numbers look like metres: declare the projected system"


def _false_easting_m(crs: Any) -> float | None:
    """Return the false easting of a transverse Mercator system, None for any other."""
    operation = crs.coordinate_operation
    if operation is None or "transverse mercator" not in operation.method_name.lower():
        return None
    for parameter in operation.params:
        if parameter.name.lower().startswith("false easting"):
            return float(parameter.value)
    return None


def check_positions(
    x: FloatArray, y: FloatArray, crs: Crs, findings: Findings, column: str = "position"
) -> NDArray[np.bool_]:
    """Look for positions that contradict their system as a whole.

    Finds degrees under a projected system and metres under degrees; longitude and latitude, or
    easting and northing, in each other's place; eastings with a zone number under a system
    without, and the other way round. One finding for the file, not one for each row.

    Parameters
    ----------
    x, y : (n,) float64
        East and north as stored; NaN where missing.
    crs : Crs
    findings : Findings
        Takes what is found.
    column : str
        Named in the findings.

    Returns
    -------
    (n,) bool
        True where a row is already explained by a finding.
    """
    known = np.isfinite(x) & np.isfinite(y)
    n = int(known.sum())
    explained = np.zeros(x.shape, dtype=bool)
    if n == 0:
        return explained
    swap = "exchange the two columns"

    def say(rows: NDArray[np.bool_], got: str, expected: str, hint: str) -> None:
        findings.add(0, column, f"{got} in {int(rows.sum())} of {n} rows", expected, hint)
        explained[rows] = True

    if crs.is_geographic:
        far = known & ((np.abs(x) > 360) | (np.abs(y) > 360))
        turned = known & ~far & (np.abs(y) > 90) & (np.abs(x) <= 90)
        if 2 * int(far.sum()) >= n:
            hint = suspect_system(x[far], y[far])
            say(far, "metres", f"degrees, as {crs.name} declares", hint)
        if 2 * int(turned.sum()) >= n:
            say(turned, "latitudes beyond 90", "longitude and latitude in this order", swap)
        return explained
    small = known & (np.abs(x) <= 180) & (np.abs(y) <= 90)
    if 2 * int(small.sum()) >= n:
        say(small, "degrees", f"metres, as {crs.name} declares", "declare EPSG:4326 or GCJ-02")
        return explained
    false_m = _false_easting_m(crs.proj)
    if false_m is None or "CGCS2000" not in crs.proj.name.upper().replace(" ", ""):
        return explained
    # in China 1.9e6 < northing < 6e6 m, easting within 500 km of the false easting
    fits = known & (np.abs(x - false_m) < 5e5)
    turned = known & ~fits & (np.abs(y - false_m) < 5e5) & (x > 1.8e6) & (x < 6.2e6)
    other = known & ~fits & ~turned
    if 2 * int(turned.sum()) >= n:
        say(turned, "northings as x", "easting as x and northing as y", swap)
    elif 2 * int(other.sum()) >= n:
        zone = int(float(np.median(x[other])) // 1e6)
        code = gauss_kruger_epsg(zone, has_prefix=True)
        if code is not None:
            say(
                other,
                f"eastings of zone {zone}",
                f"eastings near {false_m:.0f} m",
                f"declare {code}",
            )
        elif zone == 0 and false_m > 1e6:
            code = gauss_kruger_epsg(int(false_m // 1e6), has_prefix=False)
            hint = f"declare {code}" if code else "declare the system without zone number"
            say(other, "eastings without zone number", f"eastings near {false_m:.0f} m", hint)
    return explained


def transformer_to(crs: Crs, target: str) -> Callable[[FloatArray, FloatArray], Any]:
    """Return a function from this system to `target`, for many calls in a row."""
    if crs.datum:
        return lambda x, y: crs.to(target, x, y)
    move: Callable[[FloatArray, FloatArray], Any] = transformer(crs.proj, target).transform
    return move
