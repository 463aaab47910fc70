r"""Delta-Bullington diffraction, ITU-R P.1812-8 clause 4.3 and P.452-18 clause 4.2.

A path's loss is the Bullington loss over the actual profile, plus what a spherical earth loses more
than a Bullington construction over that same smooth earth:

    Ld = Lbull(actual) + max(Ldsph - Lbull(smooth), 0)

Distances are in km, heights in m above sea level, ``ce`` is the curvature 1 / effective earth
radius in 1/km, ``lam`` the wavelength in m. The equation numbers are those of P.1812-8.

The maxima over a smooth profile need no scan. The slope ``500 ce (D - x) - h/x`` has its maximum at
``x = sqrt(h / (500 ce))``, so the largest sample is one of its two neighbours. The knife edge
parameter has one maximum too: with ``y = D - x`` its derivative has the sign of
``500 ce x y (y - x) + hte y - hre x``, which changes once, so halving finds the largest sample.

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
    "edge",
    "first_term",
    "knife_edge",
    "smooth_bullington",
    "smooth_bullington_formula",
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
def edge(rise_t, rise_r, nu2):
    """Knife-edge parameter that stands for a profile (equations 15 to 20).

    Two horizon rays that rise ``rise_t`` and ``rise_r`` above the line between the antennas meet
    at ``x = D rise_r / (rise_t + rise_r)``, where the parameter of equation 20 comes down to
    ``sqrt(0.002 D rise_t rise_r / lam)``.

    Parameters
    ----------
    rise_t, rise_r : float
        Largest rise of the rays from the transmitter and from the receiver to a point over the
        line between the antennas, m/km.
    nu2 : float
        Largest ``e |e| / (x (D - x))`` of a point that stands ``e`` over the line.
        All three without the factor 0.002 D / lam.
    """
    if rise_t < 0.0:
        return math.copysign(math.sqrt(abs(nu2)), nu2)
    return math.sqrt(rise_t * max(rise_r, 0.0))


@jit
def actual_bullington(d, h, r, has_clutter, last, hts, hrs, ce, lam):
    """Bullington loss over the profile with its clutter, dB (clause 4.3.1).

    Parameters
    ----------
    d, h : (n_point,) float64
        Distance, km, and ground height, m.
    r : (n_point,) float64
        Clutter height, m; read with `has_clutter` only, and between the antennas only.
    last : int
        Index of the receiver.
    hts, hrs : float
        Antenna heights above the sea, m.
    """
    dtot = d[last]
    slope = (hrs - hts) / dtot
    bend = 500.0 * ce
    rise_t = -1.0e300
    rise_r = -1.0e300
    nu2 = -1.0e300
    for i in range(1, last):
        x = d[i]
        y = dtot - x
        e = h[i] - (hts + slope * x) + bend * x * y
        if has_clutter:
            e += r[i]
        per = e / (x * y)
        rise_t = max(rise_t, per * y)
        rise_r = max(rise_r, per * x)
        nu2 = max(nu2, per * abs(e))
    nu = edge(rise_t, rise_r, nu2) * math.sqrt(0.002 * dtot / lam)
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
def _smooth_nu2(x, dtot, hte, hre, bend):
    """Signed square of the knife-edge parameter over a smooth earth without its factor."""
    y = dtot - x
    e = bend * x * y - (hte * y + hre * x) / dtot
    return e * abs(e) / (x * y)


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
    bend = 500.0 * ce
    slope = (hre - hte) / dtot
    k = min(max(_last_below(d, last, math.sqrt(hte / bend)), 1), last - 1)
    j = min(k + 1, last - 1)
    rise_t = max(bend * (dtot - d[k]) - hte / d[k], bend * (dtot - d[j]) - hte / d[j]) - slope
    rise_r = 0.0
    nu2 = 0.0
    if rise_t < 0.0:
        # the largest sample lies on either side of where the parameter stops to rise
        lo = 1
        hi = last - 1
        while lo < hi:
            m = (lo + hi + 1) >> 1
            x = d[m]
            y = dtot - x
            if bend * x * y * (y - x) + hte * y - hre * x > 0.0:
                lo = m
            else:
                hi = m - 1
        nu2 = max(
            _smooth_nu2(d[lo], dtot, hte, hre, bend),
            _smooth_nu2(d[min(lo + 1, last - 1)], dtot, hte, hre, bend),
        )
    else:
        k = min(max(_last_below(d, last, dtot - math.sqrt(hre / bend)), 1), last - 1)
        j = min(k + 1, last - 1)
        rise_r = max(bend * d[k] - hre / (dtot - d[k]), bend * d[j] - hre / (dtot - d[j])) + slope
    nu = edge(rise_t, rise_r, nu2) * math.sqrt(0.002 * dtot / lam)
    return bullington(knife_edge(nu), dtot)


@jit
def smooth_bullington_formula(dtot, hte, hre, ce, lam):
    """Bullington loss over a smooth earth without samples, dB (attachment 4, equations 105 to 112).

    With line of sight the knife edge is the point of least clearance; else the two horizon rays
    touch the smooth earth where it is steepest. Parameters as in `smooth_bullington`.
    """
    ap = 1.0 / ce
    factor = math.sqrt(0.002 * dtot / lam)
    if dtot < math.sqrt(2.0 * ap) * (math.sqrt(0.001 * hte) + math.sqrt(0.001 * hre)):
        hse, d1, d2 = _least_clearance(dtot, hte, hre, ap)
        nu = -hse / math.sqrt(d1 * d2) * factor
    else:
        bend = 500.0 * ce
        slope = (hre - hte) / dtot
        rise_t = bend * dtot - 2.0 * math.sqrt(bend * hte) - slope
        rise_r = bend * dtot - 2.0 * math.sqrt(bend * hre) + slope
        nu = edge(max(rise_t, 0.0), rise_r, 0.0) * factor
    return bullington(knife_edge(nu), dtot)


@jit
def _least_clearance(dtot, hte, hre, ap):
    """Least height of the ray over a smooth earth, m, and its distances, km (equations 23, 24)."""
    c = (hte - hre) / (hte + hre)
    m = 250.0 * dtot * dtot / (ap * (hte + hre))
    cosine = 1.5 * c * math.sqrt(3.0 * m / (m + 1.0) ** 3)
    # the argument reaches 1 at m = 1/2 for very unlike heights: rounding may pass it
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    b = 2.0 * math.sqrt((m + 1.0) / (3.0 * m)) * math.cos(math.pi / 3.0 + angle / 3.0)
    d1 = dtot / 2.0 * (1.0 + b)
    d2 = dtot - d1
    hse = ((hte - 500.0 * d1 * d1 / ap) * d2 + (hre - 500.0 * d2 * d2 / ap) * d1) / dtot
    return hse, d1, d2


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
    hse, d1, d2 = _least_clearance(dtot, hte, hre, ap)
    hreq = 17.456 * math.sqrt(d1 * d2 * lam / dtot)
    if hse > hreq:
        return 0.0
    aem = 500.0 * (dtot / (math.sqrt(hte) + math.sqrt(hre))) ** 2
    first = _first_term_mixed(dtot, hte, hre, aem, f, is_vertical, omega)
    if first < 0.0:
        return 0.0
    return (1.0 - hse / hreq) * first
