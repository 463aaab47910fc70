r"""Free space and delta-Bullington of a terrain profile, evaluated as printed.

For 50 % of time over land ITU-R P.1812-8 is this loss, except deep in shadow (beyond about 150 dB),
where troposcatter takes over. Every quantity is a plain loop over the profile, equation by
equation: the truth that the sweep is held to.

Symbols: distances in km, heights in m above sea level, ``g`` = ground plus clutter between the
terminals, ``Ce`` = 1 / effective earth radius ``ap``. The speed of light is rounded as in the
reference code of the Recommendation (wavelength 0.2998 / f).

Left out: time percentages other than 50, sea, location variability, terminal surroundings: see
`profile_loss`.

References
----------
ITU-R P.1812-8 (2024), 4.2 to 4.3.5 and 5.6.1 to 5.6.2. The profile is sampled at equal steps.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from groundplan.engine._jit import jit

__all__ = ["check_link", "direct_paths", "effective_radius_km", "profile_bullington"]

#: Wavelength in m times frequency in GHz, as the reference code rounds it.
LIGHT_M_GHZ = 0.2998
#: Earth radius of the Recommendation, km.
EARTH_RADIUS_KM = 6371.0
#: Relative permittivity and conductivity (S/m) of land (P.1812-8, 4.3.3).
PERMITTIVITY, CONDUCTIVITY_S_PER_M = 22.0, 0.003
POLARISATIONS = ("horizontal", "vertical")
#: Frequencies of P.1812-8, GHz.
FREQUENCY_RANGE_GHZ = (0.03, 6.0)


def effective_radius_km(delta_n: float) -> float:
    """Return the median effective earth radius, km (equations 6 and 7a).

    Parameters
    ----------
    delta_n : float
        Median fall of refractivity in the lowest km, N-units/km; below 157.
    """
    if not (np.isfinite(delta_n) and delta_n < 157.0):
        raise ValueError(f"delta_n must be below 157 N-units/km; got {delta_n}")
    return EARTH_RADIUS_KM * 157.0 / (157.0 - delta_n)


@jit
def knife_edge(nu):
    """Knife-edge loss, dB (equation 12)."""
    if nu <= -0.78:
        return 0.0
    return 6.9 + 20.0 * math.log10(math.sqrt((nu - 0.1) ** 2 + 1.0) + nu - 0.1)


@jit
def bullington(x, g, n, ts, rs, ap, wavelength):
    """Bullington loss of a profile, dB (equations 13 to 21).

    Parameters
    ----------
    x, g : (> n,) float64
        Distance (km) and height (m) of the points 0 .. n; only 1 .. n - 1 obstruct.
    n : int
        Receiver.
    ts, rs : float
        Antennas above sea level, m.
    ap, wavelength : float
        Effective earth radius, km; wavelength, m.
    """
    d = x[n]
    ce = 1.0 / ap
    stim = -1e18
    for i in range(1, n):
        stim = max(stim, (g[i] + 500.0 * ce * x[i] * (d - x[i]) - ts) / x[i])
    if stim < (rs - ts) / d:
        nu = -1e18
        for i in range(1, n):
            over = g[i] + 500.0 * ce * x[i] * (d - x[i]) - (ts * (d - x[i]) + rs * x[i]) / d
            nu = max(nu, over * math.sqrt(0.002 * d / (wavelength * x[i] * (d - x[i]))))
    else:
        srim = -1e18
        for i in range(1, n):
            srim = max(srim, (g[i] + 500.0 * ce * x[i] * (d - x[i]) - rs) / (d - x[i]))
        b = (rs - ts + srim * d) / (stim + srim)
        over = ts + stim * b - (ts * (d - b) + rs * b) / d
        nu = 0.0
        if b > 0.0 and b < d:  # at grazing sight both slopes are one line: no obstacle, no point
            nu = over * math.sqrt(0.002 * d / (wavelength * b * (d - b)))
    luc = knife_edge(nu)
    return luc + (1.0 - math.exp(-luc / 6.0)) * (10.0 + 0.02 * d)


@jit
def first_term(d, hte, hre, adft, f, is_vertical):
    """Spherical-earth loss by the first term of the residue series, dB (equations 29 to 36)."""
    turn = (18.0 * CONDUCTIVITY_S_PER_M / f) ** 2
    k = 0.036 * (adft * f) ** (-1.0 / 3.0) * ((PERMITTIVITY - 1.0) ** 2 + turn) ** -0.25
    if is_vertical:
        k *= math.sqrt(PERMITTIVITY**2 + turn)
    beta = (1.0 + 1.6 * k**2 + 0.67 * k**4) / (1.0 + 4.5 * k**2 + 1.53 * k**4)
    x = 21.88 * beta * (f / adft**2) ** (1.0 / 3.0) * d
    if x >= 1.6:
        fx = 11.0 + 10.0 * math.log10(x) - 17.6 * x
    else:
        fx = -20.0 * math.log10(x) - 5.6488 * x**1.425
    gain = 0.0
    for h in (hte, hre):
        b = beta * (0.9575 * beta * (f**2 / adft) ** (1.0 / 3.0) * h)
        if b > 2.0:
            g = 17.6 * math.sqrt(b - 1.1) - 5.0 * math.log10(b - 1.1) - 8.0
        else:
            g = 20.0 * math.log10(b + 0.1 * b**3)
        gain += max(g, 2.0 + 20.0 * math.log10(k))
    return -fx - gain


@jit
def spherical(d, hte, hre, ap, f, is_vertical):
    """Spherical-earth diffraction loss, dB (equations 22 to 27)."""
    wavelength = LIGHT_M_GHZ / f
    dlos = math.sqrt(2.0 * ap) * (math.sqrt(0.001 * hte) + math.sqrt(0.001 * hre))
    if d >= dlos:
        return first_term(d, hte, hre, ap, f, is_vertical)
    c = (hte - hre) / (hte + hre)
    m = 250.0 * d * d / (ap * (hte + hre))
    turn = 1.5 * c * math.sqrt(3.0 * m / (m + 1.0) ** 3)
    angle = math.pi / 3.0 + math.acos(min(1.0, max(-1.0, turn))) / 3.0
    b = 2.0 * math.sqrt((m + 1.0) / (3.0 * m)) * math.cos(angle)
    d1 = d / 2.0 * (1.0 + b)
    d2 = d - d1
    hse = ((hte - 500.0 * d1 * d1 / ap) * d2 + (hre - 500.0 * d2 * d2 / ap) * d1) / d
    hreq = 17.456 * math.sqrt(d1 * d2 * wavelength / d)
    if hse > hreq:
        return 0.0
    aem = 500.0 * (d / (math.sqrt(hte) + math.sqrt(hre))) ** 2
    loss = first_term(d, hte, hre, aem, f, is_vertical)
    return max(0.0, (1.0 - hse / hreq) * max(loss, 0.0))


@jit
def smooth_heights(x, h, n, ts, rs):
    """Heights of the smooth earth under both ends, m above sea level (equations 85 to 91)."""
    d = x[n]
    v1, v2 = 0.0, 0.0
    for i in range(1, n + 1):
        v1 += (x[i] - x[i - 1]) * (h[i] + h[i - 1])
        v2 += (x[i] - x[i - 1]) * (
            h[i] * (2.0 * x[i] + x[i - 1]) + h[i - 1] * (x[i] + 2.0 * x[i - 1])
        )
    hst = (2.0 * v1 * d - v2) / d**2
    hsr = (v2 - v1 * d) / d**2
    hobs, obt, obr = -1e18, -1e18, -1e18
    for i in range(1, n):
        over = h[i] - (ts * (d - x[i]) + rs * x[i]) / d
        hobs = max(hobs, over)
        obt = max(obt, over / x[i])
        obr = max(obr, over / (d - x[i]))
    if hobs > 0.0:
        hst -= hobs * obt / (obt + obr)
        hsr -= hobs * obr / (obt + obr)
    return min(hst, h[0]), min(hsr, h[n])


@jit
def delta_bullington(x, h, g, flat, n, htg, hrg, ap, f, is_vertical):
    """Free space and delta-Bullington of one profile, dB (equations 8, 37 to 39)."""
    ts, rs = h[0] + htg, h[n] + hrg
    d = x[n]
    wavelength = LIGHT_M_GHZ / f
    hst, hsr = smooth_heights(x, h, n, ts, rs)
    actual = bullington(x, g, n, ts, rs, ap, wavelength)
    smooth = bullington(x, flat, n, ts - hst, rs - hsr, ap, wavelength)
    sphere = spherical(d, ts - hst, rs - hsr, ap, f, is_vertical)
    free = 92.4 + 20.0 * math.log10(f) + 10.0 * math.log10(d**2 + ((ts - rs) / 1000.0) ** 2)
    return free + actual + max(sphere - smooth, 0.0)


@jit
def read_height(height, row, col):
    """Bilinear height between cell centres; past the outermost centres the edge's."""
    n_row, n_col = height.shape
    y = min(max(row, 0.0), n_row - 1.0)
    x = min(max(col, 0.0), n_col - 1.0)
    r = min(int(y), n_row - 2)
    c = min(int(x), n_col - 2)
    v = y - r
    u = x - c
    top = height[r, c] * (1.0 - u) + height[r, c + 1] * u
    low = height[r + 1, c] * (1.0 - u) + height[r + 1, c + 1] * u
    return top * (1.0 - v) + low * v


@jit
def direct_paths(lo, hi, height, clutter, row, col, cell_m, rows, cols, steps, most, law, out):
    """Evaluate receivers ``lo .. hi - 1``, each on its own profile.

    Parameters
    ----------
    lo, hi : int
        Range of receivers.
    height, clutter : (n_row, n_col) float32
        Terrain; `clutter` of size 0: none.
    row, col : float
        Mast, from the centre of cell (0, 0).
    cell_m : float
        Cell of the terrain, m.
    rows, cols : (n,) float64
        Receivers, likewise.
    steps : (n,) int64
        Steps of each profile, >= 2; smaller: the receiver is too near and is left alone.
    most : int
        The largest of `steps`.
    law : (5,) float64
        Antenna and terminal height (m), effective earth radius (km), frequency (GHz), 1.0 for
        vertical polarisation.
    out : (n,) float64
        Loss, dB.
    """
    x, h, g = np.zeros(most + 1), np.zeros(most + 1), np.zeros(most + 1)
    flat = np.zeros(most + 1)
    for j in range(lo, hi):
        n = steps[j]
        if n < 2:
            continue
        dy, dx = rows[j] - row, cols[j] - col
        d = math.sqrt(dy * dy + dx * dx) * cell_m * 0.001
        for i in range(n + 1):
            y, z = row + dy * i / n, col + dx * i / n
            x[i] = d * i / n
            h[i] = read_height(height, y, z)
            g[i] = h[i]
            if clutter.size > 0 and 0 < i < n:
                r = min(max(y, 0.0), height.shape[0] - 1.0)
                c = min(max(z, 0.0), height.shape[1] - 1.0)
                g[i] += clutter[int(r + 0.5), int(c + 0.5)]
        out[j] = delta_bullington(x, h, g, flat, n, law[0], law[1], law[2], law[3], law[4] > 0.5)


def check_link(
    antenna_height_m: float, terminal_height_m: float, frequency_ghz: float, polarisation: str
) -> None:
    """Raise where a link cannot be: heights, frequency and polarisation."""
    for name, value in (
        ("antenna_height_m", antenna_height_m),
        ("terminal_height_m", terminal_height_m),
    ):
        if not (np.isfinite(value) and 0.0 < value <= 3000.0):
            raise ValueError(f"{name} must be in 0..3000 m, above 0 (P.1812-8); got {value}")
    low, high = FREQUENCY_RANGE_GHZ
    if not (np.isfinite(frequency_ghz) and low <= frequency_ghz <= high):
        raise ValueError(
            f"frequency_ghz must be in {low:g}..{high:g} GHz (P.1812-8); got {frequency_ghz}; "
            "is it in MHz?"
        )
    if polarisation not in POLARISATIONS:
        raise ValueError(f"polarisation must be one of {POLARISATIONS}; got {polarisation!r}")


def profile_bullington(
    distance_km: ArrayLike,
    height_m: ArrayLike,
    clutter_m: ArrayLike | None = None,
    *,
    frequency_ghz: float,
    tx_height_m: float,
    rx_height_m: float,
    polarisation: str = "vertical",
    delta_n: float = 45.0,
) -> float:
    """Return free space plus delta-Bullington of one profile, dB.

    Parameters
    ----------
    distance_km, height_m : (n_point,) array
        Profile from transmitter to receiver, at least 3 points.
    clutter_m : (n_point,) array, optional
        Height of what stands on the ground; both ends are taken as bare.
    frequency_ghz, tx_height_m, rx_height_m, polarisation, delta_n
        As in `direct.direct_loss`.
    """
    check_link(tx_height_m, rx_height_m, frequency_ghz, polarisation)
    x, h = np.asarray(distance_km, np.float64), np.asarray(height_m, np.float64)
    if x.ndim != 1 or x.shape != h.shape or x.size < 3:
        raise ValueError(
            f"distance_km and height_m must be 1-D of equal length >= 3; got {x.shape}, {h.shape}"
        )
    g = h.copy()
    if clutter_m is not None:
        g[1:-1] += np.asarray(clutter_m, np.float64)[1:-1]
    ap = effective_radius_km(delta_n)
    loss: float = delta_bullington(
        x - x[0],
        h,
        g,
        np.zeros(x.size),
        x.size - 1,
        tx_height_m,
        rx_height_m,
        ap,
        frequency_ghz,
        polarisation == "vertical",
    )
    return loss
