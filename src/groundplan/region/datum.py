"""Chinese datums: GCJ-02 and BD-09 forward and back, and the guard that finds them unlabelled.

Maps published in China store positions displaced by some 500 m (GCJ-02) or 1,200 m (BD-09) and
often label them EPSG:4326. A site placed from such a file stands in the wrong street. The guard
measures the shift of the data against a reference and judges it by its medians; it never judges
by one pair, because two outlines of the same county differ by 100 to 300 m at any one point.

The GCJ-02 function is not an official publication; it is judged by measurement: on 108 county
centroids of Henan its inverse takes the median shift from +560/-147 m to +8/+8 m. The BD-09
function is the one that circulates publicly and has not been checked against measured positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.errors import CrsError, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "DatumVerdict",
    "bd09_from_gcj02",
    "check_datum",
    "gcj02_from_bd09",
    "gcj02_from_wgs84",
    "guard_sites",
    "wgs84_from_bd09",
    "wgs84_from_gcj02",
]

FloatArray = NDArray[np.float64]
Pair = tuple[FloatArray, FloatArray]

#: Krasovsky 1940 semi-major axis, m, and squared eccentricity, as the GCJ-02 function uses them.
GCJ_A_M = 6378245.0
GCJ_E2 = 0.00669342162296594323
#: Fixed-point rounds: the largest residual over Henan is 720, 2.8, 0.013 m at the evaluations.
GCJ_ROUNDS = 3
#: Each round of the BD-09 inverse shrinks the error about 50-fold: five leave less than 1 mm.
BD_ROUNDS = 5
#: Wave number of the BD-09 ripple, radian per degree, and its offsets in degrees.
BD_WAVE = np.pi * 3000.0 / 180.0
BD_LON_DEG, BD_LAT_DEG = 0.0065, 0.006

#: A median shift below this is no alarm: outlines of good sources differ by some 20 m, a planner's
#: finest cell is 100 m.
SHIFT_MIN_M = 100.0
#: BD-09 over China stays below this; a larger shift is another fault (wrong place, wrong zone).
SHIFT_MAX_M = 2000.0
#: Fewer pairs are never judged.
PAIRS_MIN = 8
#: The shift must exceed this many standard errors of the median to count as systematic.
SIGNIFICANCE = 4.0
#: A datum explains a shift when undoing it leaves less than this share of it.
EXPLAINED_RATIO = 0.5
#: Box that map services use for GCJ-02: west, east, south, north, degrees.
CHINA_DEG = (72.004, 137.8347, 0.8293, 55.8271)
#: Sites are paired with the nearest reference point within this distance.
PAIRING_MAX_M = 3000.0
#: Standard error of a median of n values: 1.2533 * sigma / sqrt(n), sigma = 1.4826 * MAD.
MEDIAN_ERROR = 1.2533 * 1.4826


def gcj02_from_wgs84(lon_deg: ArrayLike, lat_deg: ArrayLike) -> Pair:
    """Return GCJ-02 positions of WGS84 positions.

    With ``x = lon - 105``, ``y = lat - 35`` the shift is a polynomial plus sine waves in x and y,
    in metres, turned into degrees on the Krasovsky ellipsoid.

    Parameters
    ----------
    lon_deg, lat_deg : (n,) array_like
        WGS84, degrees.

    Returns
    -------
    lon_deg, lat_deg : (n,) float64

    Notes
    -----
    Meant for mainland China (about 72-138 E, 1-56 N). Leaves out: the identity that map services
    apply outside China, Hong Kong, Macao and Taiwan, and any change of the function since 2002.
    The function circulates as reverse-engineered code; there is no official text.
    """
    lon, lat = np.asarray(lon_deg, dtype=np.float64), np.asarray(lat_deg, dtype=np.float64)
    x, y = lon - 105.0, lat - 35.0
    wave = 20 * np.sin(6 * np.pi * x) + 20 * np.sin(2 * np.pi * x)
    north_m = (
        (-100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * np.sqrt(np.abs(x)))
        + (wave + 20 * np.sin(np.pi * y) + 40 * np.sin(np.pi * y / 3)) * 2 / 3
        + (160 * np.sin(np.pi * y / 12) + 320 * np.sin(np.pi * y / 30)) * 2 / 3
    )
    east_m = (
        (300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * np.sqrt(np.abs(x)))
        + (wave + 20 * np.sin(np.pi * x) + 40 * np.sin(np.pi * x / 3)) * 2 / 3
        + (150 * np.sin(np.pi * x / 12) + 300 * np.sin(np.pi * x / 30)) * 2 / 3
    )
    phi = np.radians(lat)
    m = 1 - GCJ_E2 * np.sin(phi) ** 2
    lat_out = lat + np.degrees(north_m * m * np.sqrt(m) / (GCJ_A_M * (1 - GCJ_E2)))
    lon_out = lon + np.degrees(east_m * np.sqrt(m) / (GCJ_A_M * np.cos(phi)))
    return lon_out, lat_out


def bd09_from_gcj02(lon_deg: ArrayLike, lat_deg: ArrayLike) -> Pair:
    """Return BD-09 positions of GCJ-02 positions; the public formula, not checked by measurement.

    In polar form of (lon, lat) taken as plane numbers: the radius gets ``2e-5 sin(w lat)``, the
    angle ``3e-6 cos(w lon)``, then 0.0065 and 0.006 degrees are added; w = 3000 pi / 180.

    Parameters
    ----------
    lon_deg, lat_deg : (n,) array_like
        GCJ-02, degrees.

    Returns
    -------
    lon_deg, lat_deg : (n,) float64
    """
    lon, lat = np.asarray(lon_deg, dtype=np.float64), np.asarray(lat_deg, dtype=np.float64)
    radius = np.hypot(lon, lat) + 2e-5 * np.sin(BD_WAVE * lat)
    angle = np.arctan2(lat, lon) + 3e-6 * np.cos(BD_WAVE * lon)
    return radius * np.cos(angle) + BD_LON_DEG, radius * np.sin(angle) + BD_LAT_DEG


def _invert(
    forward: Callable[[ArrayLike, ArrayLike], Pair],
    lon_deg: ArrayLike,
    lat_deg: ArrayLike,
    rounds: int,
) -> Pair:
    """Solve ``forward(p) = q`` by the fixed point ``p <- p + (q - forward(p))``."""
    lon_q, lat_q = np.asarray(lon_deg, dtype=np.float64), np.asarray(lat_deg, dtype=np.float64)
    lon, lat = lon_q.copy(), lat_q.copy()
    for _ in range(rounds):
        lon_f, lat_f = forward(lon, lat)
        lon, lat = lon + (lon_q - lon_f), lat + (lat_q - lat_f)
    return lon, lat


def wgs84_from_gcj02(lon_deg: ArrayLike, lat_deg: ArrayLike) -> Pair:
    """Return WGS84 positions of GCJ-02 positions, to better than 0.1 m of the forward function.

    Parameters
    ----------
    lon_deg, lat_deg : (n,) array_like
        GCJ-02, degrees.

    Returns
    -------
    lon_deg, lat_deg : (n,) float64
    """
    return _invert(gcj02_from_wgs84, lon_deg, lat_deg, GCJ_ROUNDS)


def gcj02_from_bd09(lon_deg: ArrayLike, lat_deg: ArrayLike) -> Pair:
    """Return GCJ-02 positions of BD-09 positions, by inverting `bd09_from_gcj02`."""
    return _invert(bd09_from_gcj02, lon_deg, lat_deg, BD_ROUNDS)


def wgs84_from_bd09(lon_deg: ArrayLike, lat_deg: ArrayLike) -> Pair:
    """Return WGS84 positions of BD-09 positions, by way of GCJ-02."""
    return wgs84_from_gcj02(*gcj02_from_bd09(lon_deg, lat_deg))


#: Datum that may hide under an EPSG:4326 label -> function back to WGS84.
INVERSES: dict[str, Callable[[ArrayLike, ArrayLike], Pair]] = {
    "GCJ-02": wgs84_from_gcj02,
    "BD-09": wgs84_from_bd09,
}


@dataclass(frozen=True)
class DatumVerdict:
    """What the guard found.

    Attributes
    ----------
    east_m, north_m : float
        Median geodesic shift of the data from the reference.
    scatter_m : float
        Standard error of that median (both axes together).
    pairs : int
        Pairs judged.
    verdict : str
        ``"agrees"``; ``"GCJ-02"`` or ``"BD-09"``: systematic and explained by that datum;
        ``"shifted"``: systematic, cause unknown; ``"undecided"``: too few pairs or too scattered
        to exclude a shift.
    text : str
        The same in one sentence.
    residual_east_m, residual_north_m : float
        Median shift left after undoing the datum named; equal to the shift where none is.
    lon_deg, lat_deg : (n,) float64
        The positions judged, all of them.
    """

    east_m: float
    north_m: float
    scatter_m: float
    pairs: int
    verdict: str
    text: str
    residual_east_m: float
    residual_north_m: float
    lon_deg: FloatArray = field(repr=False, compare=False)
    lat_deg: FloatArray = field(repr=False, compare=False)

    @property
    def shift_m(self) -> float:
        """Length of the median shift."""
        return float(np.hypot(self.east_m, self.north_m))

    @property
    def is_systematic(self) -> bool:
        """True where the data as a whole are displaced."""
        return self.verdict in {"GCJ-02", "BD-09", "shifted"}

    @property
    def status(self) -> str:
        """``"ok"``, ``"warned"``, ``"not enough points"`` or ``"too scattered"``."""
        if self.is_systematic:
            return "warned"
        if self.verdict == "agrees":
            return "ok"
        return "not enough points" if self.pairs < PAIRS_MIN else "too scattered"

    def invert(self) -> Pair:
        """Return the positions with the datum named undone, or as they were where none is named.

        Returns
        -------
        lon_deg, lat_deg : (n,) float64
            WGS84.
        """
        if self.verdict in INVERSES:
            return INVERSES[self.verdict](self.lon_deg, self.lat_deg)
        return self.lon_deg, self.lat_deg


def _shift_m(lon: FloatArray, lat: FloatArray, ref_lon: FloatArray, ref_lat: FloatArray) -> Pair:
    """Return the geodesic east and north of the data from the reference, pair by pair, in m."""
    from pyproj import Geod

    azimuth_deg, _, distance_m = Geod(ellps="WGS84").inv(ref_lon, ref_lat, lon, lat)
    azimuth = np.radians(azimuth_deg)
    return np.asarray(distance_m * np.sin(azimuth)), np.asarray(distance_m * np.cos(azimuth))


def _median_with_error(east_m: FloatArray, north_m: FloatArray) -> tuple[float, float, float]:
    """Return the two medians and the standard error of the pair of them."""
    east, north = float(np.median(east_m)), float(np.median(north_m))
    spread_m = np.hypot(np.median(np.abs(east_m - east)), np.median(np.abs(north_m - north)))
    return east, north, MEDIAN_ERROR * float(spread_m) / float(np.sqrt(east_m.size))


def _is_in_china(lon: FloatArray, lat: FloatArray) -> bool:
    """Return whether the middle of the data lies where GCJ-02 is in use."""
    west, east, south, north = CHINA_DEG
    return bool(west < np.median(lon) < east and south < np.median(lat) < north)


def _judge(
    lon: FloatArray,
    lat: FloatArray,
    measure: Callable[[FloatArray, FloatArray], Pair],
    what: str,
) -> DatumVerdict:
    """Judge positions by `measure`, which pairs them with the reference and returns shifts."""
    east, north = measure(lon, lat)
    n = int(east.size)
    if n < PAIRS_MIN:
        text = f"{what}: {n} pairs with the reference, too few to judge the datum"
        return DatumVerdict(0.0, 0.0, float("inf"), n, "undecided", text, 0.0, 0.0, lon, lat)
    east_m, north_m, error_m = _median_with_error(east, north)
    shift_m = float(np.hypot(east_m, north_m))
    undone = {}
    if _is_in_china(lon, lat):
        for name, inverse in INVERSES.items():
            again = measure(*inverse(lon, lat))
            if again[0].size >= PAIRS_MIN:
                undone[name] = _median_with_error(*again)
    verdict, left = "agrees", (east_m, north_m)
    if shift_m >= SHIFT_MIN_M and shift_m > SIGNIFICANCE * error_m:
        verdict = "shifted"
        best = EXPLAINED_RATIO * min(shift_m, SHIFT_MAX_M)
        for name, (rest_east_m, rest_north_m, _) in undone.items():
            rest_m = float(np.hypot(rest_east_m, rest_north_m))
            if rest_m < best:
                best, verdict, left = rest_m, name, (rest_east_m, rest_north_m)
    elif any(np.hypot(e, n) <= SIGNIFICANCE * error for e, n, error in undone.values()):
        verdict = "undecided"  # the scatter would hide a known datum
    where = f"median shift {east_m:+.0f} m east, {north_m:+.0f} m north over {n} pairs"
    texts = {
        "agrees": f"{what}: {where}, no systematic shift",
        "undecided": f"{what}: {where} +- {error_m:.0f} m, too scattered to judge the datum",
        "shifted": f"{what}: {where}, systematic and not explained by GCJ-02 or BD-09",
    }
    text = texts.get(
        verdict,
        f"{what}: {where}, what {verdict} would give; {left[0]:+.0f}/{left[1]:+.0f} m remain "
        f'after undoing it; declare crs = "{verdict}"',
    )
    return DatumVerdict(east_m, north_m, error_m, n, verdict, text, *left, lon, lat)


def check_datum(
    lon_deg: ArrayLike,
    lat_deg: ArrayLike,
    reference_lon_deg: ArrayLike,
    reference_lat_deg: ArrayLike,
    what: str = "positions",
) -> DatumVerdict:
    """Judge whether positions carry a hidden datum, pair by pair against a reference.

    Parameters
    ----------
    lon_deg, lat_deg : (n,) array_like
        Positions as declared WGS84, degrees; entry i shows the same thing as reference i.
    reference_lon_deg, reference_lat_deg : (n,) array_like
        Trusted WGS84 positions: polygon centroids, named places, seats.
    what : str
        How the text names the data.

    Returns
    -------
    DatumVerdict

    Notes
    -----
    Shifts are geodesic east and north at each pair; a difference in a country-wide projection
    would turn the vector by the convergence. The verdict rests on medians with their standard
    error: at least 8 pairs, a shift of 100 m or more and of 4 standard errors, and for a named
    datum less than half of it left after undoing that datum.
    """
    lon, lat = np.atleast_1d(np.asarray(lon_deg, float)), np.atleast_1d(np.asarray(lat_deg, float))
    ref_lon = np.atleast_1d(np.asarray(reference_lon_deg, float))
    ref_lat = np.atleast_1d(np.asarray(reference_lat_deg, float))
    if not lon.shape == lat.shape == ref_lon.shape == ref_lat.shape:
        raise CrsError(
            Finding(
                what,
                0,
                "pairs",
                f"{lon.size} positions and {ref_lon.size} reference points",
                "as many positions as reference points, in the same order",
                "join them by code or name first, or use guard_sites",
            )
        )
    return _judge(lon, lat, lambda a, b: _shift_m(a, b, ref_lon, ref_lat), what)


def _nearest_shift_m(
    lon: FloatArray, lat: FloatArray, ref_lon: FloatArray, ref_lat: FloatArray
) -> Pair:
    """Pair each position with its nearest reference point; one median shift per reference point.

    Many sites around one town are no independent witnesses, so each reference point speaks once.
    """
    from scipy.spatial import cKDTree

    def unit_vectors(lon_deg: FloatArray, lat_deg: FloatArray) -> FloatArray:
        lam, phi = np.radians(lon_deg), np.radians(lat_deg)
        return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)

    # chord on the sphere of mean radius 6,371,009 m (IUGG); pairing needs no better
    limit = PAIRING_MAX_M / 6371009.0
    distance, nearest = cKDTree(unit_vectors(ref_lon, ref_lat)).query(
        unit_vectors(lon, lat), distance_upper_bound=limit
    )
    near = np.flatnonzero(np.isfinite(distance))
    index = nearest[near]
    east, north = _shift_m(lon[near], lat[near], ref_lon[index], ref_lat[index])
    order = np.argsort(index, kind="stable")
    cuts = np.flatnonzero(np.diff(index[order])) + 1
    groups = [g for g in np.split(order, cuts) if g.size]
    return (
        np.array([float(np.median(east[g])) for g in groups], dtype=np.float64),
        np.array([float(np.median(north[g])) for g in groups], dtype=np.float64),
    )


def guard_sites(
    lon_deg: ArrayLike,
    lat_deg: ArrayLike,
    reference_lon_deg: ArrayLike,
    reference_lat_deg: ArrayLike,
    *,
    cell_m: float,
    path: object = "sites",
    is_accepted: bool = False,
) -> DatumVerdict:
    """Refuse a user's sites that are displaced by more than a cell, unless the user accepts it.

    Sites carry no identity in common with the reference, so each is paired with the nearest
    reference point within 3 km: towns gather sites around them, and a displaced file shows as a
    displaced cloud.

    Parameters
    ----------
    lon_deg, lat_deg : (n,) array_like
        Sites as declared WGS84, degrees.
    reference_lon_deg, reference_lat_deg : (m,) array_like
        Trusted places or seats, WGS84, degrees: `Region.reference_lonlat`.
    cell_m : float
        Side of the cells the plan will use.
    path : object
        The user's file, for the message.
    is_accepted : bool
        True where the study says that the positions are right as they are.

    Returns
    -------
    DatumVerdict
        Where `status` is ``"warned"`` (systematic, and smaller than a cell or accepted), show its
        text as a warning; where it is not ``"ok"``, say that the datum could not be judged.

    Raises
    ------
    CrsError
        A systematic shift larger than a cell.

    Notes
    -----
    Leaves out: sites that avoid towns (masts along a motorway) give an undecided verdict, and the
    nearest neighbour shortens a shift; the guard is a tripwire, not a measurement.
    """
    lon, lat = np.atleast_1d(np.asarray(lon_deg, float)), np.atleast_1d(np.asarray(lat_deg, float))
    ref_lon = np.atleast_1d(np.asarray(reference_lon_deg, float))
    ref_lat = np.atleast_1d(np.asarray(reference_lat_deg, float))
    found = _judge(lon, lat, lambda a, b: _nearest_shift_m(a, b, ref_lon, ref_lat), str(path))
    if found.is_systematic and cell_m < found.shift_m and not is_accepted:
        named = found.verdict in INVERSES
        raise CrsError(
            Finding(
                str(path),
                0,
                "position",
                f"a median shift of {found.east_m:+.0f} m east and {found.north_m:+.0f} m north "
                f"over {found.pairs} places",
                f"positions within a cell of {cell_m:g} m of the truth",
                f'declare crs = "{found.verdict}", or accept the positions as they are'
                if named
                else "check the declared crs with the owner of the file, or accept the positions",
            )
        )
    return found
