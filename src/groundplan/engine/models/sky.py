"""What of a constellation many places see through their own horizons, over many epochs.

The kernel goes satellite by satellite over blocks of places, so that its inner loop runs over
places and vectorises. Of the normal matrix of a place ten sums are kept; the clock is eliminated
first, and the rest is a symmetric 3 x 3 matrix with a closed inverse.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.models.queue import _number
from groundplan.engine.models.satellites import (
    AXIS_KM,
    REPEAT_S,
    Constellation,
    ecef_km,
    local_frame,
)

__all__ = ["SkyView", "sky_view"]

FloatArray = NDArray[np.float64]
#: Places of a block: ten sums and twelve coordinates of each stay in the nearest cache.
BLOCK = 128
#: Least radius of the Earth that verticals turn on, km.
CURVATURE_KM = 6300.0
#: Places are not higher than this, km; satellites are well above.
HIGH_KM = 10.0
#: Largest dilution that counts as service by default (position dilution).
PDOP_MAX = 6.0


class SkyView(NamedTuple):
    """Satellites in view and dilution at each place over the epochs.

    Attributes
    ----------
    satellites_mean : (n_place,) float64
    satellites_min : (n_place,) int64
    pdop_mean, hdop_mean, vdop_mean : (n_place,) float64
        Over the epochs with a position; NaN where there is none.
    pdop_max : (n_place,) float64
        inf where at some epoch there is no position.
    available_ratio : (n_place,) float64
        Share of the epochs with at least four satellites and PDOP up to the limit.
    """

    satellites_mean: FloatArray
    satellites_min: NDArray[np.int64]
    pdop_mean: FloatArray
    hdop_mean: FloatArray
    vdop_mean: FloatArray
    pdop_max: FloatArray
    available_ratio: FloatArray


@jit
def _azimuth_bin(east, north, bins):
    """Return the bin of an azimuth; bin 0 begins half a bin west of north."""
    ax, ay = abs(east), abs(north)
    small, large = min(ax, ay), max(ax, ay, 1e-300)
    q = small / large
    s = q * q
    # arctangent on 0..1 within 2e-6 rad
    a = q * (0.99997726 + s * (-0.33262347 + s * (0.19354346 + s * (
        -0.11643287 + s * (0.05265332 - s * 0.01172120)))))  # fmt: skip
    a = a if ax <= ay else 1.5707963267948966 - a
    a = a if north >= 0.0 else 3.141592653589793 - a
    a = a if east >= 0.0 else 6.283185307179586 - a
    k = np.int32(a * (bins / 6.283185307179586) + 0.5)
    return k if k < bins else np.int32(0)


@jit
def _view(lo, hi, places, satellites, slack, horizon, pdop_max, out):
    """Fill `out` for the blocks ``lo..hi``; see `sky_view`.

    Parameters
    ----------
    places : (n_place, 13) float64
        East, north and up axes, their products with the position, sine of the least elevation.
    satellites : (n_t, n_sat, 3) float64
    slack : (n_block,) float64
        How much the sine of an elevation differs at most within a block.
    horizon : (n_bin, n_place) float32
        Sine of the horizon; no bins where the mask is all.
    out : (8, n_place) float64
    """
    n_place = places.shape[0]
    bins = horizon.shape[0]
    sums = np.empty((10, BLOCK))
    axes = np.empty((13, BLOCK))
    weight = np.empty(BLOCK)
    sector = np.empty(BLOCK, np.int32)
    east, north, up = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for block in range(lo, hi):
        first = block * BLOCK
        n = min(BLOCK, n_place - first)
        for k in range(13):
            for i in range(n):
                axes[k, i] = places[first + i, k]
        for i in range(n):
            out[1, first + i] = 1e9
        for t in range(satellites.shape[0]):
            sums[:] = 0.0
            for s in range(satellites.shape[1]):
                x, y, z = satellites[t, s]
                # far below the horizon of the block's first place: below that of all of them
                e = x * axes[0, 0] + y * axes[1, 0] + z * axes[2, 0] - axes[9, 0]
                m = x * axes[3, 0] + y * axes[4, 0] + z * axes[5, 0] - axes[10, 0]
                u = x * axes[6, 0] + y * axes[7, 0] + z * axes[8, 0] - axes[11, 0]
                if u / np.sqrt(e * e + m * m + u * u) < axes[12, 0] - slack[block]:
                    continue
                for i in range(n):
                    e = x * axes[0, i] + y * axes[1, i] + z * axes[2, i] - axes[9, i]
                    m = x * axes[3, i] + y * axes[4, i] + z * axes[5, i] - axes[10, i]
                    u = x * axes[6, i] + y * axes[7, i] + z * axes[8, i] - axes[11, i]
                    r = 1.0 / np.sqrt(e * e + m * m + u * u)
                    east[i] = e * r
                    north[i] = m * r
                    up[i] = u * r
                    weight[i] = 1.0 if u * r >= axes[12, i] else 0.0
                if bins > 0:
                    for i in range(n):
                        sector[i] = _azimuth_bin(east[i], north[i], bins)
                    for i in range(n):
                        if up[i] < horizon[sector[i], first + i]:
                            weight[i] = 0.0
                for i in range(n):
                    w = weight[i]
                    e, m, u = east[i] * w, north[i] * w, up[i] * w
                    sums[0, i] += e * e
                    sums[1, i] += e * m
                    sums[2, i] += e * u
                    sums[3, i] += m * m
                    sums[4, i] += m * u
                    sums[5, i] += u * u
                    sums[6, i] += e
                    sums[7, i] += m
                    sums[8, i] += u
                    sums[9, i] += w
            for i in range(n):
                c = sums[9, i]
                p = first + i
                out[0, p] += c
                out[1, p] = min(out[1, p], c)
                share = 1.0 / max(c, 1.0)
                xx = sums[0, i] - sums[6, i] * sums[6, i] * share
                xy = sums[1, i] - sums[6, i] * sums[7, i] * share
                xz = sums[2, i] - sums[6, i] * sums[8, i] * share
                yy = sums[3, i] - sums[7, i] * sums[7, i] * share
                yz = sums[4, i] - sums[7, i] * sums[8, i] * share
                zz = sums[5, i] - sums[8, i] * sums[8, i] * share
                a, b, d = yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy
                det = xx * a - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)
                # det of the 4 x 4 matrix is c times this one
                good = c >= 4.0 and det * c > 1e-10
                safe = 1.0 / det if good else 0.0
                pdop = np.sqrt(max((a + b + d) * safe, 0.0))
                out[2, p] += pdop
                out[3, p] += np.sqrt(max((a + b) * safe, 0.0))
                out[4, p] += np.sqrt(max(d * safe, 0.0))
                out[5, p] = max(out[5, p], pdop if good else 1e9)
                out[6, p] += 1.0 if good and pdop <= pdop_max else 0.0
                out[7, p] += 1.0 if good else 0.0


def sky_view(
    constellation: Constellation,
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    height_m: ArrayLike,
    *,
    t_s: ArrayLike | None = None,
    mask_deg: float = 10.0,
    horizon_deg: ArrayLike | None = None,
    pdop_max: float = PDOP_MAX,
) -> SkyView:
    """Return satellites in view and dilution at many places.

    Parameters
    ----------
    constellation : Constellation
    lat_deg, lon_deg, height_m : (n_place,) array
    t_s : (n_t,) array, optional
        Epochs; default every 300 s over seven sidereal days.
    mask_deg : float
        Least elevation anywhere.
    horizon_deg : (n_place, n_azimuth) array, optional
        Elevation of the terrain in evenly spaced directions from north eastwards; each stands for
        the sector half a step to either side.
    pdop_max : float
        Up to which dilution a place counts as served.

    Returns
    -------
    SkyView

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.
    """
    lat, lon, high = np.broadcast_arrays(
        np.atleast_1d(_number("lat_deg", lat_deg)),
        np.atleast_1d(_number("lon_deg", lon_deg)),
        np.atleast_1d(_number("height_m", height_m)),
    )
    if lat.size and np.abs(lat).max() > 90.0:
        raise ValueError(f"lat_deg must be -90..90; got {lat[np.abs(lat) > 90][0]}")
    if not -90.0 <= mask_deg < 90.0:
        raise ValueError(f"mask_deg must be >= -90 and < 90; got {mask_deg}")
    if high.size and high.max() > 1e3 * HIGH_KM:
        raise ValueError(f"height_m must be <= {1e3 * HIGH_KM:g}; got {high.max():g}")
    if not constellation.axis_km.min() > AXIS_KM + 10 * HIGH_KM:
        raise ValueError(f"axis_km must be > {AXIS_KM + 10 * HIGH_KM:g}")
    times = np.arange(0.0, REPEAT_S, 300.0) if t_s is None else np.atleast_1d(_number("t_s", t_s))
    at = constellation.positions_km(times)
    n = lat.size
    # bins before places: neighbours in a block stay neighbours in memory
    horizon = np.zeros((0, n), np.float32)
    if horizon_deg is not None:
        given = _number("horizon_deg", horizon_deg)
        if given.ndim != 2 or given.shape[0] != n or given.shape[1] < 1:
            raise ValueError(f"horizon_deg must have shape ({n}, n_azimuth); got {given.shape}")
        horizon = np.ascontiguousarray(np.sin(np.radians(given)).T.astype(np.float32))
    frame, place = local_frame(lat, lon), ecef_km(lat, lon, high)
    places = np.empty((n, 13))
    places[:, :9] = frame.reshape(n, 9)
    places[:, 9:12] = np.einsum("pij,pj->pi", frame, place)
    places[:, 12] = np.sin(np.radians(mask_deg))
    starts = np.arange(0, n, BLOCK)
    away = np.linalg.norm(place - np.repeat(place[starts], BLOCK, axis=0)[:n], axis=1)
    # both the vertical and the direction of the satellite turn from place to place
    turn_per_km = 1.0 / CURVATURE_KM + 1.0 / (constellation.axis_km.min() - AXIS_KM - HIGH_KM)
    slack = np.maximum.reduceat(away, starts) * turn_per_km if n else np.zeros(0)
    out = np.zeros((8, n))
    spread(_view, chunks(starts.size, 256), places, at, slack, horizon, float(pdop_max), out)
    epochs = times.size
    told = np.divide(out[2:5], out[7], out=np.full((3, n), np.nan), where=out[7] > 0)
    return SkyView(
        out[0] / epochs,
        out[1].astype(np.int64),
        told[0],
        told[1],
        told[2],
        np.where(out[7] < epochs, np.inf, out[5]),
        out[6] / epochs,
    )
