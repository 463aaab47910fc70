r"""Delta-Bullington diffraction, ITU-R P.1812-8 clause 4.3 and P.452-18 clause 4.2.

A path's loss is the Bullington loss over the actual profile, plus what a spherical earth loses more
than a Bullington construction over that same smooth earth:

    Ld = Lbull(actual) + max(Ldsph - Lbull(smooth), 0)

Distances are in km, heights in m above sea level, ``ce`` is the curvature 1 / effective earth
radius in 1/km, ``lam`` the wavelength in m. The equation numbers are those of P.1812-8.

The maxima over a smooth profile need no scan. The slope ``500 ce (D - x) - h/x`` has its maximum at
``x = sqrt(h / (500 ce))``, so the largest sample is one of its two neighbours. The knife edge
parameter has one maximum too: with ``t = sqrt(x / (D - x))`` its derivative in ``t`` changes its
sign once, so halving finds the largest sample.

References
----------
Recommendation ITU-R P.1812-8 (2025), Annex 1, clause 4.3; ITU-R P.452-18 (2023), clause 4.2.
"""

from __future__ import annotations

import math

from groundplan.engine._jit import jit

__all__ = [
    "actual_bullington",
    "bullington",
    "first_term",
    "knife_edge",
    "line_of_sight_edge",
    "smooth_bullington",
    "spherical_earth",
]

#: Relative permittivity and conductivity (S/m) of land and of sea, clause 4.3.3.
LAND = (22.0, 0.003)
SEA = (80.0, 5.0)


@jit
def knife_edge(nu):
    """Loss J(nu) of a knife edge, dB (equation 12)."""
    if nu <= -0.78:
        return 0.0
    a = nu - 0.1
    return 6.9 + 20.0 * math.log10(math.sqrt(a * a + 1.0) + a)


@jit
def bullington(luc_db, dtot):
    """Bullington loss of a path of `dtot` km from its knife-edge loss, dB (equation 21)."""
    return luc_db + (1.0 - math.exp(-luc_db / 6.0)) * (10.0 + 0.02 * dtot)


@jit
def bullington_point(stim, srim, dtot, hts, hrs, lam):
    """Knife-edge parameter where the two horizon rays meet (equations 18 and 20).

    A point exactly on the line between the antennas leaves the meeting point open; it has no
    clearance wherever it is, so the parameter is 0.
    """
    total = stim + srim
    if total <= 0.0:
        return 0.0
    x = (hrs - hts + srim * dtot) / total
    y = dtot - x
    if x <= 0.0 or y <= 0.0:
        return 0.0
    return (hts + stim * x - (hts * y + hrs * x) / dtot) * math.sqrt(0.002 * dtot / (lam * x * y))


@jit
def line_of_sight_edge(d, h, r, has_clutter, last, hts, hrs, ce, lam):
    """Largest knife-edge parameter of the points between the antennas (equation 15).

    Parameters
    ----------
    d, h : (n_point,) float64
        Distance, km, and ground height, m.
    r : (n_point,) float64
        Clutter height, m; read only with `has_clutter`.
    last : int
        Index of the receiver.

    Returns
    -------
    nu : float
    index : int
        Point with that parameter; the one nearest to the receiver of equal ones.
    """
    dtot = d[last]
    best = -1.0e300
    index = 1
    for i in range(1, last):
        x = d[i]
        y = dtot - x
        g = h[i] + r[i] if has_clutter else h[i]
        nu = (g + 500.0 * ce * x * y - (hts * y + hrs * x) / dtot) * math.sqrt(
            0.002 * dtot / (lam * x * y)
        )
        if nu >= best:
            best = nu
            index = i
    return best, index


@jit
def actual_bullington(d, h, r, has_clutter, last, hts, hrs, ce, lam):
    """Bullington loss over the profile with its clutter, dB (clause 4.3.1).

    Clutter counts at the points between the antennas only. Parameters as in
    `line_of_sight_edge`.
    """
    dtot = d[last]
    stim = -1.0e300
    srim = -1.0e300
    for i in range(1, last):
        x = d[i]
        y = dtot - x
        g = h[i] + r[i] if has_clutter else h[i]
        g += 500.0 * ce * x * y
        stim = max(stim, (g - hts) / x)
        srim = max(srim, (g - hrs) / y)
    if stim < (hrs - hts) / dtot:
        nu, _ = line_of_sight_edge(d, h, r, has_clutter, last, hts, hrs, ce, lam)
    else:
        nu = bullington_point(stim, srim, dtot, hts, hrs, lam)
    return bullington(knife_edge(nu), dtot)


@jit
def _last_below(d, last, x):
    """Return the largest index of 0 .. `last` whose distance is at most `x`."""
    lo = 0
    hi = last
    while lo < hi:
        m = (lo + hi + 1) >> 1
        if d[m] <= x:
            lo = m
        else:
            hi = m - 1
    return lo


@jit
def _smooth_nu(x, dtot, hte, hre, ce):
    """Knife-edge parameter over a smooth earth without its constant factor."""
    y = dtot - x
    return (500.0 * ce * x * y - (hte * y + hre * x) / dtot) / math.sqrt(x * y)


@jit
def smooth_bullington(d, last, hte, hre, ce, lam):
    """Bullington loss over the same samples with all heights 0, dB (equation 37).

    Parameters
    ----------
    d : (n_point,) float64
        Distances, km.
    hte, hre : float
        Antenna heights above the smooth earth, m, > 0.
    """
    dtot = d[last]
    a = 500.0 * ce
    k = min(max(_last_below(d, last, math.sqrt(hte / a)), 1), last - 1)
    j = min(k + 1, last - 1)
    stim = max(a * (dtot - d[k]) - hte / d[k], a * (dtot - d[j]) - hte / d[j])
    if stim < (hre - hte) / dtot:
        lo = 1
        hi = last - 1
        while hi - lo > 2:
            m = (lo + hi) >> 1
            if _smooth_nu(d[m], dtot, hte, hre, ce) < _smooth_nu(d[m + 1], dtot, hte, hre, ce):
                lo = m + 1
            else:
                hi = m
        nu = -1.0e300
        for m in range(lo, hi + 1):
            nu = max(nu, _smooth_nu(d[m], dtot, hte, hre, ce))
        nu *= math.sqrt(0.002 * dtot / lam)
    else:
        k = min(max(_last_below(d, last, dtot - math.sqrt(hre / a)), 1), last - 1)
        j = min(k + 1, last - 1)
        srim = max(a * d[k] - hre / (dtot - d[k]), a * d[j] - hre / (dtot - d[j]))
        nu = bullington_point(stim, srim, dtot, hte, hre, lam)
    return bullington(knife_edge(nu), dtot)


@jit
def _height_gain(y, beta, floor_db):
    """Height gain G of a normalised antenna height, dB (equations 34 and 35)."""
    b = beta * y
    if b > 2.0:
        g = 17.6 * math.sqrt(b - 1.1) - 5.0 * math.log10(b - 1.1) - 8.0
    else:
        g = 20.0 * math.log10(b + 0.1 * b * b * b)
    return max(g, floor_db)


@jit
def first_term(dtot, hte, hre, adft, f, is_vertical, eps_r, sigma_s_per_m):
    """First term of the spherical-earth residue series over one kind of ground, dB (clause 4.3.3).

    Parameters
    ----------
    dtot : float
        Path length, km.
    hte, hre : float
        Antenna heights above the smooth earth, m, > 0.
    adft : float
        Effective earth radius, km.
    f : float
        Frequency, GHz.
    is_vertical : bool
    eps_r, sigma_s_per_m : float
        Relative permittivity and conductivity of the ground.
    """
    loss = 18.0 * sigma_s_per_m / f
    k = 0.036 * (adft * f) ** (-1.0 / 3.0) * ((eps_r - 1.0) ** 2 + loss * loss) ** -0.25
    if is_vertical:
        k *= math.sqrt(eps_r * eps_r + loss * loss)
    k2 = k * k
    k4 = k2 * k2
    beta = (1.0 + 1.6 * k2 + 0.67 * k4) / (1.0 + 4.5 * k2 + 1.53 * k4)
    x = 21.88 * beta * (f / (adft * adft)) ** (1.0 / 3.0) * dtot
    if x >= 1.6:
        fx = 11.0 + 10.0 * math.log10(x) - 17.6 * x
    else:
        fx = -20.0 * math.log10(x) - 5.6488 * x**1.425
    y = 0.9575 * beta * (f * f / adft) ** (1.0 / 3.0)
    floor_db = 2.0 + 20.0 * math.log10(k)
    return -fx - _height_gain(y * hte, beta, floor_db) - _height_gain(y * hre, beta, floor_db)


@jit
def _first_term_mixed(dtot, hte, hre, adft, f, is_vertical, omega):
    """First term over a path of which the share `omega` is sea, dB (equation 28)."""
    land = 0.0
    sea = 0.0
    if omega < 1.0:
        land = first_term(dtot, hte, hre, adft, f, is_vertical, LAND[0], LAND[1])
    if omega > 0.0:
        sea = first_term(dtot, hte, hre, adft, f, is_vertical, SEA[0], SEA[1])
    return omega * sea + (1.0 - omega) * land


@jit
def spherical_earth(dtot, hte, hre, ap, f, lam, is_vertical, omega):
    """Diffraction loss of a smooth earth of effective radius `ap` km, dB (clause 4.3.2).

    Parameters as in `first_term`; `omega` is the share of the path over sea.
    """
    dlos = math.sqrt(2.0 * ap) * (math.sqrt(0.001 * hte) + math.sqrt(0.001 * hre))
    if dtot >= dlos:
        return _first_term_mixed(dtot, hte, hre, ap, f, is_vertical, omega)
    c = (hte - hre) / (hte + hre)
    m = 250.0 * dtot * dtot / (ap * (hte + hre))
    cosine = 1.5 * c * math.sqrt(3.0 * m / (m + 1.0) ** 3)
    # the argument reaches 1 at m = 1/2 for very unlike heights: rounding may pass it
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    b = 2.0 * math.sqrt((m + 1.0) / (3.0 * m)) * math.cos(math.pi / 3.0 + angle / 3.0)
    d1 = dtot / 2.0 * (1.0 + b)
    d2 = dtot - d1
    hse = ((hte - 500.0 * d1 * d1 / ap) * d2 + (hre - 500.0 * d2 * d2 / ap) * d1) / dtot
    hreq = 17.456 * math.sqrt(d1 * d2 * lam / dtot)
    if hse > hreq:
        return 0.0
    aem = 500.0 * (dtot / (math.sqrt(hte) + math.sqrt(hre))) ** 2
    first = _first_term_mixed(dtot, hte, hre, aem, f, is_vertical, omega)
    if first < 0.0:
        return 0.0
    return (1.0 - hse / hreq) * first
