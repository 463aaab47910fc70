"""ITM (Longley-Rice) over many paths: from profile or area to loss, flags and intermediates.

Each kernel takes a range ``lo, hi`` of paths and writes rows of `out`, so that `spread` can run it
over chunks on threads. The columns of `given` and `out` are named below.
"""

from __future__ import annotations

from math import exp, isfinite, log10, nan, pi, sin, sqrt

import numpy as np

from groundplan.engine._jit import jit
from groundplan.engine.radio.itm_attenuation import NO_MECHANISM, reference_attenuation
from groundplan.engine.radio.itm_terrain import (
    MAX_SAMPLES,
    SLOTS,
    profile_geometry,
    smooth_angle,
    smooth_horizon,
)
from groundplan.engine.radio.itm_variability import location_sigma, variability

__all__ = ["GIVEN", "HOLE", "OUT", "area_paths", "profile_paths", "uneven_steps"]

#: Columns of `given`: what every path is asked for.
GIVEN = (
    "frequency_mhz", "tx_height_m", "rx_height_m", "n0", "z_re", "z_im", "z_time", "z_place",
    "z_case", "climate", "mdvar",
)  # fmt: skip
F, TX, RX, N0, Z_RE, Z_IM, Z_TIME, Z_PLACE, Z_CASE, CLIMATE, MDVAR = range(11)
#: Columns of `out`.
OUT = (
    "loss_db", "sigma_db", "flags", "mechanism", "reference_db", "free_space_db", "delta_h_m",
    "surface_refractivity", "tx_horizon_rad", "rx_horizon_rad", "tx_horizon_m", "rx_horizon_m",
    "tx_effective_m", "rx_effective_m",
)  # fmt: skip
LOSS, SIGMA, FLAGS, MECHANISM, REFERENCE, FREE_SPACE, DELTA_H, NS = range(8)

#: In place of the flags: the profile has a height that is not a number.
HOLE = -1

#: Curvature of the earth, 1/m.
EARTH_PER_M = 157e-9


@jit
def effective_curvature(ns):
    """Return the curvature of the effective earth, 1/m (TN 101, 4.4).

    Parameters
    ----------
    ns : float
        Surface refractivity, N-units.
    """
    return EARTH_PER_M * (1.0 - 0.04665 * exp(ns / 179.3))


@jit
def flags_of(d, angle_tx, angle_rx, dh_tx, dh_rx, he_tx, he_rx, curvature, ns, z_re, z_im):
    """Return the warnings (bits 5 to 12, 14) and failed ranges (bits 20 to 24) of a path.

    Parameters
    ----------
    d : float
        Distance, m.
    angle_tx, angle_rx : float
        Elevation angles to the horizons, rad.
    dh_tx, dh_rx, he_tx, he_rx : float
        Horizon distances and effective heights, m.
    curvature : float
        Of the effective earth, 1/m.
    ns : float
        Surface refractivity, N-units.
    z_re, z_im : float
        Transfer impedance of the ground.

    Returns
    -------
    int
        Sum of bits, see `engine.radio.itm.FLAGS`.
    """
    smooth_tx = sqrt(2.0 * he_tx / curvature)
    smooth_rx = sqrt(2.0 * he_rx / curvature)
    flags = 0
    if d > 1000e3:
        flags |= 0x8
    if d > 2000e3:
        flags |= 0x10
    if d < abs(he_tx - he_rx) / 200e-3:
        flags |= 0x20
    if d < 1e3:
        flags |= 0x40
    if abs(angle_tx) > 200e-3:
        flags |= 0x80
    if abs(angle_rx) > 200e-3:
        flags |= 0x100
    if dh_tx < 0.1 * smooth_tx:
        flags |= 0x200
    if dh_rx < 0.1 * smooth_rx:
        flags |= 0x400
    if dh_tx > 3.0 * smooth_tx:
        flags |= 0x800
    if dh_rx > 3.0 * smooth_rx:
        flags |= 0x1000
    if ns < 150.0:
        flags |= 0x100000
    elif ns < 250.0:
        flags |= 0x4000
    elif ns > 400.0:
        flags |= 0x200000
    if curvature > 1.0 / 4000000.0 or curvature < 1.0 / 13333333.0:
        flags |= 0x400000
    if z_re <= abs(z_im):
        flags |= 0x800000
    return flags


@jit
def finish(
    d,
    angle_tx,
    angle_rx,
    dh_tx,
    dh_rx,
    he_tx,
    he_rx,
    delta_h,
    curvature,
    ns,
    extra,
    given,
    table,
    out,
):
    """Write one row of `out` for a path whose geometry is known.

    Parameters
    ----------
    d, angle_tx, angle_rx, dh_tx, dh_rx, he_tx, he_rx, delta_h, curvature, ns, extra
        As for `reference_attenuation`.
    given : (n_given,) float64
        Row, columns `GIVEN`.
    table : (7, 23) float64
        `climate_table`.
    out : (n_out,) float64
        Row, columns `OUT`.
    """
    f = given[F]
    attenuation, mechanism = reference_attenuation(
        d, angle_tx, angle_rx, dh_tx, dh_rx, he_tx, he_rx, given[TX], given[RX], delta_h,
        curvature, ns, f, given[Z_RE], given[Z_IM], extra,
    )  # fmt: skip
    sigma = location_sigma(d, delta_h, f / 47.7)
    varied, deviate = variability(
        attenuation, d, he_tx, he_rx, f, sigma, table[int(given[CLIMATE]) - 1], int(given[MDVAR]),
        given[Z_TIME], given[Z_PLACE], given[Z_CASE],
    )  # fmt: skip
    flags = flags_of(
        d, angle_tx, angle_rx, dh_tx, dh_rx, he_tx, he_rx, curvature, ns, given[Z_RE], given[Z_IM]
    )
    if deviate > 3.10:
        flags |= 0x2000
    if mechanism == NO_MECHANISM:
        flags |= 0x1000000
    free_space = 32.45 + 20.0 * log10(f * d * 1e-3)
    out[LOSS] = varied + free_space
    out[SIGMA] = sigma
    out[FLAGS] = flags
    out[MECHANISM] = mechanism
    out[REFERENCE] = attenuation
    out[FREE_SPACE] = free_space
    out[DELTA_H] = delta_h
    out[NS] = ns
    out[NS + 1] = angle_tx
    out[NS + 2] = angle_rx
    out[NS + 3] = dh_tx
    out[NS + 4] = dh_rx
    out[NS + 5] = he_tx
    out[NS + 6] = he_rx


@jit
def no_earth(ns, out):
    """Write a row of `out` for refractivity so great that rays follow the earth: no answer."""
    out[:] = nan
    out[FLAGS] = 0x600000
    out[MECHANISM] = 0
    out[NS] = ns


@jit
def uneven_steps(lo, hi, distance_km, count, step_m, tolerance):
    """Return the first row of ``lo .. hi`` whose distances are not evenly spaced from 0, or -1.

    Parameters
    ----------
    distance_km : (n_row, n_point) float64
        km.
    count : (n_row,) int64
        Points of each row.
    step_m : (n_row,) float64
        Output: the step, m.
    tolerance : float
        Largest deviation of a point, as a share of the step.

    Returns
    -------
    int
        Row, or -1 where all are even.
    """
    for row in range(lo, hi):
        n_step = count[row] - 1
        step = distance_km[row, n_step] / n_step
        step_m[row] = step * 1000.0
        limit = tolerance * step
        if not step > 0.0:
            return row
        for i in range(n_step + 1):
            # negated so that a missing distance counts as uneven
            if not abs(distance_km[row, i] - step * i) <= limit:
                return row
    return -1


@jit
def profile_paths(lo, hi, height_m, count, step_m, given, table, inverse, out):
    """Compute point-to-point paths ``lo .. hi``.

    Parameters
    ----------
    height_m : (n_path, n_point) float64
        Ground above sea level, m, evenly spaced; what follows the count is not read.
    count : (n_path,) int64
        Points of each profile, >= 3.
    step_m : (n_path,) float64
        Spacing, m.
    given : (n_path, n_given) float64
        Columns `GIVEN`.
    table : (7, 23) float64
        `climate_table`.
    inverse : (n_point,) float64
        ``1 / i``; the first is not read.
    out : (n_path, n_out) float64
        Output, columns `OUT`; only the flags, as `HOLE`, where a height is not finite.
    """
    work = np.empty((3, MAX_SAMPLES))
    slot = np.empty(SLOTS + MAX_SAMPLES, dtype=np.int64)
    for path in range(lo, hi):
        h = height_m[path]
        n_step = count[path] - 1
        skip = int(0.1 * n_step)
        total = 0.0
        for i in range(skip, n_step - skip + 1):
            total += h[i]
        ends = 0.0
        for i in range(skip):
            ends += h[i] + h[n_step - i]
        if not isfinite(total + ends):
            out[path, FLAGS] = HOLE
            continue
        mean = total / (n_step - 2 * skip + 1)
        ns = given[path, N0] * exp(-mean / 9460.0)
        curvature = effective_curvature(ns)
        if not curvature > 0.0:
            no_earth(ns, out[path])
            continue
        step = step_m[path]
        angle_tx, angle_rx, dh_tx, dh_rx, he_tx, he_rx, delta_h = profile_geometry(
            h, n_step, step, inverse, curvature, given[path, TX], given[path, RX], work, slot
        )
        finish(
            n_step * step, angle_tx, angle_rx, dh_tx, dh_rx, he_tx, he_rx, delta_h, curvature, ns,
            10.0, given[path], table, out[path],
        )  # fmt: skip


@jit
def sited_height(height_m, siting, delta_h):
    """Return the effective height of an antenna in area mode, m (the algorithm, 3.2).

    Parameters
    ----------
    height_m : float
        Above ground, m.
    siting : int
        0 at random, 1 with care, 2 with great care.
    delta_h : float
        Terrain irregularity, m.
    """
    if siting == 0:
        return height_m
    gain = 4.0 if siting == 1 else 9.0
    if height_m < 5.0:
        gain *= sin(0.1 * pi * height_m)
    return height_m + (1.0 + gain) * exp(-min(20.0, 2.0 * height_m / max(1e-3, delta_h)))


@jit
def area_paths(lo, hi, place, given, table, out):
    """Compute area-mode paths ``lo .. hi``.

    Parameters
    ----------
    place : (n_path, 4) float64
        Distance, m; terrain irregularity, m; siting of transmitter and receiver.
    given, table, out
        As for `profile_paths`.
    """
    for path in range(lo, hi):
        d = place[path, 0]
        delta_h = place[path, 1]
        ns = given[path, N0]
        curvature = effective_curvature(ns)
        if not curvature > 0.0:
            no_earth(ns, out[path])
            continue
        he_tx = sited_height(given[path, TX], int(place[path, 2]), delta_h)
        he_rx = sited_height(given[path, RX], int(place[path, 3]), delta_h)
        dh_tx = smooth_horizon(he_tx, curvature, delta_h)
        dh_rx = smooth_horizon(he_rx, curvature, delta_h)
        angle_tx = smooth_angle(he_tx, curvature, delta_h, dh_tx)
        angle_rx = smooth_angle(he_rx, curvature, delta_h, dh_rx)
        finish(
            d, angle_tx, angle_rx, dh_tx, dh_rx, he_tx, he_rx, delta_h, curvature, ns, 0.0,
            given[path], table, out[path],
        )  # fmt: skip
