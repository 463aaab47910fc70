r"""Radials round a mast: where they run, and how a grid is read from them.

Radials would crowd at the mast if all began there. They stand in rings instead: each ring has twice
the radials of the one inside it, so that neighbours are never further apart than a given
spacing, nor (outside the innermost ring) nearer than half of it. A radial of an outer ring is
still walked from the mast, since its obstacles count; only its receivers begin at the ring.

A cell is read by bilinear interpolation in distance and angle between the four points around it.
What is interpolated is geometry (knife edge, effective heights), not dB: it is closer to linear.

Symbols: ``theta`` clockwise from north; ``u`` distance in receivers (every `stride`-th step);
radial ``k`` of ``n_radial`` points to ``2 pi k / n_radial``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.radio.sweep_radial import WIDTH

__all__ = ["Rays", "plan_rays", "read_grid"]

F = np.float32
#: Fewest radials of the innermost ring; a multiple of 4 keeps one due north, east, south and west.
FEWEST = 32


@dataclass(frozen=True, eq=False)
class Rays:
    """Where the radials of a mast run.

    Attributes
    ----------
    step_m : float
        Along a radial.
    stride : int
        Steps between receivers.
    n_radial : int
        In the outermost ring.
    shift : (n_receiver,) int32
        By distance in receivers: log2 of how many radials lie between neighbours of that ring.
    first, last : (n_radial,) int64
        First receiver and last point of each radial, steps; ``last < first``: not walked.
    offset : (n_radial,) int64
        First row of each radial in the table of points.
    n_point : int
        Rows of that table.
    base, end : (n_radial,) int64
        The row that receiver 0 of each radial would have, and its last receiver.
    least : int
        Nearest receiver: a profile needs a point between its ends.
    """

    step_m: float
    stride: int
    n_radial: int
    shift: NDArray[np.int32]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    offset: NDArray[np.int64]
    n_point: int
    base: NDArray[np.int64]
    end: NDArray[np.int64]
    least: int


@lru_cache(maxsize=64)
def plan_rays(
    window_m: tuple[float, float, float, float],
    reach_m: float,
    step_m: float,
    stride: int,
    spacing_m: float,
) -> Rays:
    """Lay radials over a window.

    Parameters
    ----------
    window_m : (float, float, float, float)
        West, south, east, north of the cell centres to be read, m from the mast, which lies
        within.
    reach_m : float
        Farthest receiver, m.
    step_m : float
        Along a radial, m.
    stride : int
        Steps between receivers.
    spacing_m : float
        Greatest distance between neighbours, m.
    """
    west, south, east, north = window_m
    corner = math.hypot(max(abs(west), abs(east)), max(abs(south), abs(north)))
    far = min(corner, reach_m)
    unit = step_m * stride
    rings = 0
    wanted = max(2.0 * math.pi * far / spacing_m, FEWEST)
    while wanted / 2.0 ** (rings + 1) >= FEWEST:
        rings += 1
    n_radial = math.ceil(wanted / 2 ** (rings + 2)) * 2 ** (rings + 2)
    n_receiver = int(far / unit) + 3
    # ring j = 0 .. rings ends where its neighbours stand `spacing_m` apart
    ends = [
        int(spacing_m * (n_radial >> (rings - j)) / (2.0 * math.pi) / unit) for j in range(rings)
    ]
    shift = np.zeros(n_receiver, dtype=np.int32)
    begin = np.zeros(rings + 1, dtype=np.int64)
    for j in range(rings):
        begin[j + 1] = max(ends[j], int(begin[j]))
        shift[begin[j] : begin[j + 1]] = rings - j
    least = -(-2 // stride)
    begin = np.maximum(begin, least)
    k = np.arange(n_radial)
    born = np.zeros(n_radial, dtype=np.int64)  # ring in which a radial first has receivers
    for j in range(rings, -1, -1):
        born[k % (1 << (rings - j)) == 0] = j
    first = begin[born] * stride
    theta = 2.0 * math.pi * k / n_radial
    margin = spacing_m + 2.0 * unit
    length = np.minimum(
        _border(np.sin(theta), west - margin, east + margin),
        _border(np.cos(theta), south - margin, north + margin),
    )
    length = np.minimum(length, far + 2.0 * unit)
    last = (length / unit).astype(np.int64) * stride
    last = np.minimum(last, (n_receiver - 1) * stride)
    count = np.maximum((last - first) // stride + 1, 0)
    offset = np.cumsum(count) - count
    return Rays(
        step_m,
        stride,
        n_radial,
        shift,
        first,
        last,
        offset,
        int(count.sum()),
        offset - first // stride,
        last // stride,
        least,
    )


def _border(direction: Any, low: float, high: float) -> Any:
    """Return how far rays from 0 run until they leave ``low .. high``, m; ``low <= 0 <= high``."""
    bound = np.where(direction > 0, high, low)
    is_across = np.abs(direction) > 1e-12
    return np.where(is_across, bound / np.where(is_across, direction, 1.0), 1e12)


@jit(error_model="numpy", inline="always")
def turn_of(east, north):
    """Angle of a vector clockwise from north, in turns 0..1, to 2e-8 (float32)."""
    x, y = abs(east), abs(north)
    is_flat = x > y
    z = (y if is_flat else x) / max(x if is_flat else y, F(1e-20))
    s = z * z
    p = F(-0.00944856752) + s * (F(0.0038461685) + s * F(-0.000743058346))
    p = F(0.0317820252) + s * (F(-0.0223080879) + s * (F(0.0157660429) + s * p))
    p = z * (F(0.159154927) + s * (F(-0.0530494615) + s * p))
    p = F(0.25) - p if is_flat else p
    p = F(0.5) - p if north < F(0.0) else p
    return F(1.0) - p if east < F(0.0) else p


@jit(error_model="numpy")
def read_grid(lo, hi, east, north, reach, shift, base, end, least, points, out):
    """Read rows ``lo .. hi - 1`` of a grid from the points of the radials.

    Parameters
    ----------
    lo, hi : int
        Range of rows.
    east, north : (n_col,), (n_row,) float32
        Of the cells' centres from the mast, in receivers.
    reach : float32
        Farthest receiver, in receivers.
    shift : (n_receiver,) int32
        Of `Rays`.
    base, end : (n_radial,) int64
        Of `Rays`.
    least : int
        Nearest receiver.
    points : (n_point, WIDTH) float32
        Geometry at the receivers of the radials.
    out : (WIDTH, n_row, n_col) float32
        Output: geometry; all 0 where there is no value: out of
        reach, or nearer than the first receiver.
    """
    n_radial = base.size
    n_col = east.size
    turn = np.empty(n_col, np.float32)
    far = np.empty(n_col, np.float32)
    size = F(n_radial)
    one = F(1.0)
    for row in range(lo, hi):
        y = north[row]
        for col in range(n_col):
            x = east[col]
            far[col] = F(math.sqrt(x * x + y * y))
            turn[col] = min(turn_of(x, y) * size, size - F(0.001))
        for col in range(n_col):
            u = far[col]
            i = int(u)
            if u > reach or i < least:
                for w in range(WIDTH):
                    out[w, row, col] = F(0.0)
                continue
            sh = shift[i]
            k0 = (int(turn[col]) >> sh) << sh
            side = (turn[col] - F(k0)) / F(1 << sh)
            k1 = k0 + (1 << sh)
            if k1 >= n_radial:
                k1 -= n_radial
            if i >= end[k0] or i >= end[k1]:
                for w in range(WIDTH):
                    out[w, row, col] = F(0.0)
                continue
            on = u - F(i)
            w11 = side * on
            w10 = side - w11
            w01 = on - w11
            w00 = one - side - w01
            p0, p1 = base[k0] + i, base[k1] + i
            for w in range(WIDTH):
                out[w, row, col] = (w00 * points[p0, w] + w01 * points[p0 + 1, w]) + (
                    w10 * points[p1, w] + w11 * points[p1 + 1, w]
                )
