"""Turn the arguments of a profile model into the arrays its kernel reads, and check them.

Profiles come as one row (1-D) or as a padded table (2-D, one row per path); the other arguments as
one number or one per path. One profile with many numbers, or many profiles with one, both work.
All faults are gathered and raised together, each with its argument, place, value and what was
expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine._jit import chunks, spread
from groundplan.engine.radio.arguments import real, row_lengths, verticals
from groundplan.engine.radio.clear_air import CASE, DETAIL, predict
from groundplan.engine.radio.profile_geometry import (
    COAST_CODE,
    INLAND_CODE,
    SEA_CODE,
    is_faulty,
)

__all__ = ["Cases", "centre_latitude_deg", "out_of_range", "prepare", "run"]

FloatArray = NDArray[np.float64]
ZONES = {"sea": SEA_CODE, "coastal": COAST_CODE, "inland": INLAND_CODE}
#: As the data files of both Recommendations number them.
POLARISATIONS = {1: "horizontal", 2: "vertical"}
#: Pieces of a call that threads share; fixed, so that results do not depend on the threads.
N_CHUNK = 64
#: Faults listed of one kind before the rest is counted.
SHOWN = 3
EARTH_KM = 6371.0


class Cases(NamedTuple):
    """Checked arrays of a call.

    Attributes
    ----------
    distance_km, height_m : (n_path or 1, n_point) float64
    clutter_m : (n_path or 1, n_point) or (0, 0) float64
        Clutter between the terminals and at them; empty without clutter.
    zone : (n_path or 1, n_point) or (0, 0) int8
        Codes of `profile_geometry`; empty where all is inland.
    points : (n_path or 1,) int64
        Points of each profile.
    length_km : (n_path,) float64
        Length of each path.
    number : dict of str to (n_path,) float64
        The other arguments.
    is_single : bool
        One profile and single numbers: the results are plain numbers too.
    """

    distance_km: FloatArray
    height_m: FloatArray
    clutter_m: FloatArray
    zone: NDArray[np.int8]
    points: NDArray[np.int64]
    length_km: FloatArray
    number: dict[str, FloatArray]
    is_single: bool

    @property
    def n_path(self) -> int:
        """Number of cases."""
        return self.length_km.size

    def at_receiver(self, table: NDArray[Any]) -> FloatArray:
        """Return the last value of each profile of `table`, one per case."""
        row = np.arange(self.n_path) if table.shape[0] > 1 else np.zeros(self.n_path, np.int64)
        count = np.broadcast_to(self.points, self.n_path)
        return np.asarray(table[row, count - 1], dtype=np.float64)

    def at_transmitter(self, table: NDArray[Any]) -> FloatArray:
        """Return the first value of each profile of `table`, one per case."""
        return np.broadcast_to(np.asarray(table[:, 0], dtype=np.float64), self.n_path)


def _table(name: str, value: ArrayLike) -> FloatArray:
    table = real(name, value)
    if table.ndim not in {1, 2}:
        raise ValueError(
            f"{name} must be one profile (1-D) or one row per path (2-D); got shape {table.shape}"
        )
    return np.ascontiguousarray(np.atleast_2d(table))


def _zones(value: ArrayLike, codes: Mapping[int, int]) -> NDArray[np.int8]:
    """Translate zone names or a Recommendation's own codes to the engine's; 0 = unknown."""
    raw = np.atleast_2d(np.asarray(value))
    told = np.zeros(raw.shape, dtype=np.int8)
    if raw.dtype.kind in "UTO":
        for name, code in ZONES.items():
            told[raw == name] = code
    else:
        for theirs, code in codes.items():
            told[raw == theirs] = code
    return np.ascontiguousarray(told)


def _places(name: str, wrong: NDArray[np.bool_], value: NDArray[Any], expected: str) -> list[str]:
    """Describe the first wrong entries of a table by path and point, counted from 0."""
    where = np.argwhere(wrong)
    told = [
        f"{name} path {k} point {i}: got {value[k, i]}, expected {expected}"
        for k, i in where[:SHOWN]
    ]
    if len(where) > SHOWN:
        told.append(f"{name}: {len(where) - SHOWN} more of this kind")
    return told


def _numbers(
    arguments: Mapping[str, ArrayLike], polarisation: ArrayLike, faults: list[str]
) -> dict[str, FloatArray]:
    number = {}
    for name, value in arguments.items():
        try:
            array = real(name, value)
        except ValueError as fault:
            faults.append(str(fault))
            continue
        if array.ndim > 1:
            faults.append(f"{name} must be one number or one per path; got shape {array.shape}")
            continue
        if not np.isfinite(array).all():
            faults.append(f"{name} must be finite; got {array[~np.isfinite(array)].flat[0]}")
            continue
        number[name] = array
    try:
        number["is_vertical"] = verticals(polarisation, POLARISATIONS).astype(np.float64)
    except ValueError as fault:
        faults.append(str(fault))
    return number


def prepare(
    distance_km: ArrayLike,
    height_m: ArrayLike,
    clutter_m: ArrayLike | None,
    radio_zone: ArrayLike | None,
    count: ArrayLike | None,
    arguments: Mapping[str, ArrayLike],
    polarisation: ArrayLike,
    zone_codes: Mapping[int, int],
    bounds: Mapping[str, tuple[float, float, str]],
    faults: list[str],
) -> Cases:
    """Check and shape the arguments of a profile model.

    Parameters
    ----------
    distance_km, height_m, clutter_m, radio_zone, count
        As in `profile_loss`.
    arguments : mapping of str to number or (n_path,) array
        The other numbers by name.
    polarisation : str or (n_path,) array of str
    zone_codes : mapping of int to int
        The Recommendation's own zone codes to those of `profile_geometry`.
    bounds : mapping of str to (float, float, str)
        Below and above which (both included in what is possible) the model has no value, and the
        sentence that says so.
    faults : list of str
        What the caller found already.

    Returns
    -------
    Cases

    Raises
    ------
    ValueError
        All faults of the call, one per line.
    """
    number = _numbers(arguments, polarisation, faults)
    for name, (low, high, expected) in bounds.items():
        if name in number:
            wrong = (number[name] < low) | (number[name] > high)
            if wrong.any():
                faults.append(
                    f"{name} must be {expected}; got {float(number[name][wrong].flat[0]):g}"
                )
    tables = {"distance_km": _table("distance_km", distance_km)}
    tables["height_m"] = _table("height_m", height_m)
    n_point = tables["distance_km"].shape[1]
    if clutter_m is not None:
        # one value stands for all points
        everywhere = np.full(n_point, clutter_m) if np.ndim(clutter_m) == 0 else clutter_m
        tables["clutter_m"] = _table("clutter_m", everywhere)
    if radio_zone is not None and np.ndim(radio_zone) == 0:
        radio_zone = np.full(n_point, radio_zone)
    zone = np.zeros((0, 0), dtype=np.int8) if radio_zone is None else _zones(radio_zone, zone_codes)
    shapes = {name: table.shape for name, table in tables.items()}
    if radio_zone is not None:
        shapes["radio_zone"] = (zone.shape[0], zone.shape[1])
    if len({shape[1] for shape in shapes.values()}) > 1:
        faults.append(f"profiles must have equally many points; got {shapes}")
    sizes = {name: array.size for name, array in number.items() if array.ndim == 1}
    sizes |= {name: shape[0] for name, shape in shapes.items() if shape[0] > 1}
    if count is not None and np.size(count) > 1:
        sizes["count"] = np.size(count)
    empty = [name for name, shape in shapes.items() if 0 in shape]
    empty += [name for name, size in sizes.items() if size == 0]
    if empty:
        faults.append(f"arguments must not be empty; got nothing in {', '.join(empty)}")
    if len(set(sizes.values()) - {1}) > 1:
        faults.append(f"arguments must be one or one per path; got {sizes}")
    if faults:
        raise ValueError("\n".join(faults))

    n_path = max(sizes.values(), default=1)
    distance = tables["distance_km"]
    points = _count(count, distance)
    clutter = tables.get("clutter_m", np.zeros((0, 0)))
    arrays = (distance, tables["height_m"], clutter, zone, points)
    faulty = ((points < 3) | (points > distance.shape[1])).any()
    if not faulty:
        wrong = np.empty(n_path, dtype=bool)
        spread(is_faulty, chunks(n_path, N_CHUNK), *arrays, wrong)
        faulty = wrong.any()
    if faulty:
        raise ValueError("\n".join(_check_tables(tables, zone, radio_zone, points)))
    row = np.arange(n_path) if distance.shape[0] > 1 else np.zeros(n_path, dtype=np.int64)
    length = distance[row, np.broadcast_to(points, n_path) - 1]
    is_single = n_path == 1 and not sizes and np.ndim(distance_km) == 1
    return Cases(
        *arrays,
        length,
        {name: np.broadcast_to(array, n_path) for name, array in number.items()},
        bool(is_single),
    )


def _count(count: ArrayLike | None, distance: FloatArray) -> NDArray[np.int64]:
    """Points of each profile; without `count` those before the NaN that end its distances."""
    if count is None:
        return row_lengths(distance)
    given = np.atleast_1d(np.asarray(count))
    if given.dtype.kind not in "iu" or given.ndim > 1:
        raise ValueError(f"count must be one whole number or one per path; got {count!r}")
    return given.astype(np.int64)


def _check_tables(
    tables: Mapping[str, FloatArray],
    zone: NDArray[np.int8],
    radio_zone: ArrayLike | None,
    points: NDArray[np.int64],
) -> list[str]:
    """Describe what is wrong with faulty profiles; what lies beyond their count is padding."""
    n_point = tables["distance_km"].shape[1]
    wrong = (points < 3) | (points > n_point)
    if wrong.any():
        k = int(wrong.argmax())
        if n_point < 3 or (points[k] < 3 and points.size > 1):
            return [f"distance_km path {k}: got {points[k]} points, expected 3 or more"]
        return [
            f"count path {k}: got {points[k]}, expected 3 .. {n_point} points with finite distances"
        ]
    n_row = max(points.size, *(table.shape[0] for table in tables.values()))
    n_row = max(n_row, zone.shape[0])
    inside = np.broadcast_to(np.arange(n_point) < points[:, None], (n_row, n_point))
    spread_out = {name: np.broadcast_to(table, inside.shape) for name, table in tables.items()}
    faults = []
    for name, table in spread_out.items():
        faults += _places(name, ~np.isfinite(table) & inside, table, "a finite number")
    if "clutter_m" in tables:
        table = spread_out["clutter_m"]
        faults += _places("clutter_m", (table < 0.0) & inside, table, "0 m or more")
    if radio_zone is not None:
        expected = f"one of {', '.join(ZONES)} or the Recommendation's own code"
        told = np.broadcast_to(np.asarray(radio_zone), inside.shape)
        faults += _places("radio_zone", (zone == 0) & inside, told, expected)
    distance = spread_out["distance_km"]
    start = distance[:, :1] != 0.0
    faults += _places("distance_km", start, distance[:, :1], "0 at the transmitter")
    step = np.diff(distance, axis=1, prepend=-1.0)
    falls = (step < 0.0) & inside
    # a point on a terminal has no direction from it
    falls[:, 1] |= step[:, 1] <= 0.0
    row = np.arange(n_row)
    end = np.broadcast_to(points, n_row) - 1
    falls[row, end] |= step[row, end] <= 0.0
    return faults + _places("distance_km", falls, distance, "more than the point before")


def centre_latitude_deg(
    tx_latitude_deg: ArrayLike,
    tx_longitude_deg: ArrayLike,
    rx_latitude_deg: ArrayLike,
    rx_longitude_deg: ArrayLike,
    length_km: FloatArray,
) -> FloatArray:
    """Latitude half a path length from the transmitter along the great circle, degrees.

    Attachment H of P.2001, to which both Recommendations point. The length is the profile's, not
    the distance between the coordinates, as in the reference implementations.
    """
    lat1, lon1, lat2, lon2 = (
        np.radians(np.asarray(a, dtype=np.float64))
        for a in (tx_latitude_deg, tx_longitude_deg, rx_latitude_deg, rx_longitude_deg)
    )
    cosine = np.sin(lat1) * np.sin(lat2) + np.cos(lat1) * np.cos(lat2) * np.cos(lon2 - lon1)
    north = np.sin(lat2) - cosine * np.sin(lat1)
    east = np.cos(lat1) * np.cos(lat2) * np.sin(lon2 - lon1)
    # for one place or its antipode any bearing will do: the reference takes the longitude
    bearing = np.where(
        (np.abs(north) < 1e-9) & (np.abs(east) < 1e-9), lon2, np.arctan2(east, north)
    )
    half = 0.5 * length_km / EARTH_KM
    sine = np.sin(lat1) * np.cos(half) + np.cos(lat1) * np.sin(half) * np.cos(bearing)
    return np.asarray(np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))))


def out_of_range(
    cases: Cases, ranges: Mapping[str, tuple[float, float]]
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Find the cases outside a model's stated ranges.

    Returns
    -------
    valid : (n_path,) bool
    why : tuple of str
        One sentence per range that is left, with a value and how many cases leave it.
    """
    valid = np.ones(cases.n_path, dtype=bool)
    why = []
    for name, (low, high) in ranges.items():
        value = cases.length_km if name == "distance_km" else cases.number.get(name)
        if value is None:
            continue
        wrong = (value < low) | (value > high)
        if wrong.any():
            valid &= ~wrong
            why.append(
                f"{name} {float(value[wrong][0]):g} is outside {low:g} .. {high:g} "
                f"({int(wrong.sum())} of {cases.n_path} cases)"
            )
    return valid, tuple(why)


def run(
    cases: Cases, is_p452: bool, intermediates: bool, by_formula: bool = False
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Run the kernel over all cases; the flags are those of `clear_air.predict`.

    Returns
    -------
    loss_db : (n_path,) float64
    steps : dict of str to (n_path,) float64
        The columns of `clear_air.DETAIL`; empty unless asked for.
    """
    n = cases.n_path
    table = np.empty((n, len(CASE)))
    for column, name in enumerate(CASE):
        table[:, column] = cases.number[name]
    loss = np.empty(n)
    detail = np.empty((n if intermediates else 0, len(DETAIL)))
    spread(
        predict,
        chunks(n, N_CHUNK),
        cases.distance_km,
        cases.height_m,
        cases.clutter_m,
        cases.zone,
        cases.points,
        table,
        is_p452,
        by_formula,
        loss,
        detail,
    )
    steps = {name: detail[:, j].copy() for j, name in enumerate(DETAIL)} if intermediates else {}
    return loss, steps
