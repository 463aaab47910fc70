r"""From the geometry of a path to its loss: the end terms of P.1812-8 as vector arithmetic.

The same equations as `bullington`, but for many receivers at once, without branches, in single
precision, with polynomials for logarithm and power: less than 0.001 dB from the plain formulas. The
smooth profile of Bullington's method needs no scan: its slopes have their maximum at one of the two
samples round ``sqrt(h / a)``, and with sight the closest clearance lies at the root ``y`` of
``K (1 - 2 y) y (1 - y) + hte (1 - y) - hre y``, ``K = a d^2``, ``y = x / d``: one root between 0
and 1. The point of reflection (equation 24c) is ``2 sqrt(p) sin(asin(t) / 3)``, the same root of
the cubic written without the arc cosine; near the horizon ``t`` tends to 1, and ``1 - t^2`` is
``((2 m - 1)^2 (m + 4) + 27 (1 - c^2) m) / (4 (m + 1)^3)``.

References
----------
ITU-R P.1812-8, equations 8, 12, 21 to 27, 29 to 36, 39.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.radio.bullington import CONDUCTIVITY_S_PER_M, LIGHT_M_GHZ, PERMITTIVITY

__all__ = ["end_terms", "least_edge", "link_constants"]

F, I = np.float32, np.int32  # noqa: E741
#: 10 log10(x) = DB * log2(x).
DB = F(10.0 / math.log2(10.0))
HALF_ROOT = I(0x3F3504F3)  # bits of sqrt(1/2): mantissas fall in 0.707..1.414
ONE_THIRD = F(1.0 / 3.0)


@jit(error_model="numpy", inline="always")
def log2(x):
    """Binary logarithm of a float32 > 0, to 1e-6."""
    bits = F(x).view(np.int32)
    e = I(I(bits - HALF_ROOT) >> I(23))
    m = I(bits - I(e << I(23))).view(np.float32)
    s = (m - F(1.0)) / (m + F(1.0))
    z = s * s
    p = F(0.5770780163555854) + z * F(0.4121985831111324)
    return F(e) + s * (F(2.885390081777927) + z * (F(0.961796693925976) + z * p))


@jit(error_model="numpy", inline="always")
def exp2(x):
    """Two to a float32 in -126..126 (clipped), to 2e-7 of the value."""
    x = min(max(x, F(-126.0)), F(126.0))
    n = I(math.floor(x + F(0.5)))
    r = x - F(n)
    p = F(0.0013333558) + r * F(0.00015403530)
    p = F(0.24022651) + r * (F(0.05550411) + r * (F(0.009618129) + r * p))
    p = F(1.0) + r * (F(0.69314718) + r * p)
    return p * I(I(n + I(127)) << I(23)).view(np.float32)


@jit(error_model="numpy", inline="always")
def asin(x):
    """Arc sine of a float32 in 0..sqrt(1/2), to 1e-7 (least squares on Chebyshev points)."""
    z = x * x
    p = F(0.04930719) + z * (F(-0.05019199) + z * F(0.0860376))
    p = F(0.16666675) + z * (F(0.07498478) + z * (F(0.04510615) + z * (F(0.02518519) + z * p)))
    return x + x * z * p


@jit(error_model="numpy", inline="always")
def edge_loss(nu, d):
    """Knife edge and Bullington's end, dB (equations 12 and 21)."""
    z = max(nu, F(-0.78)) - F(0.1)
    luc = F(6.9) + F(2.0) * DB * log2(F(math.sqrt(z * z + F(1.0))) + z)
    luc = max(luc, F(0.0)) if nu > F(-0.78) else F(0.0)
    return luc + (F(1.0) - exp2(luc * F(-0.24044917))) * (F(10.0) + F(0.02) * d)


@jit(error_model="numpy", inline="always")
def height_gain(b, least):
    """Height gain of one end, dB (equations 34 to 35a)."""
    is_high = b > F(2.0)
    v = max(b - F(1.1), F(0.5)) if is_high else b + F(0.1) * b * b * b
    lg = DB * log2(v)
    g = F(17.6) * F(math.sqrt(v)) - F(0.5) * lg - F(8.0) if is_high else F(2.0) * lg
    return max(g, least)


@jit(error_model="numpy")
def end_terms(lo, hi, distance_m, geometry, step_km, k, out):
    """Loss of receivers ``lo .. hi - 1`` from their geometry.

    Parameters
    ----------
    lo, hi : int
        Range of receivers.
    distance_m : (n,) float32
        Along the ground; under 1 m counts as 1 m.
    geometry : (4, n) float32
        Knife edge (m per root km), effective heights of mast and terminal (m), rise (m).
    step_km : float32
        Spacing of the profiles; a path has the nearest whole number of steps.
    k : (12,) float32
        `link_constants`.
    out : (n,) float32
        Loss, dB.
    """
    free_db, nu_scale, a, horizon, wavelength = k[0], k[1], k[2], k[3], k[4]
    ap_third, k_scale, x_scale, b_scale, log_k = k[5], k[6], k[7], k[8], k[9]
    log_ap = k[10]
    one, half = F(1.0), F(0.5)
    # slices: an index known to be >= 0 lets the loop become vector instructions
    far, edges, loss = distance_m[lo:hi], geometry[0, lo:hi], out[lo:hi]
    mast, terminal, rises = geometry[1, lo:hi], geometry[2, lo:hi], geometry[3, lo:hi]
    for j in range(loss.size):
        d = max(far[j] * F(0.001), F(0.001))
        hte = max(mast[j], F(0.01))
        hre = max(terminal[j], F(0.01))
        rise = rises[j] * F(0.001)
        free = free_db + DB * log2(d * d + rise * rise)
        actual = edge_loss(edges[j] * nu_scale, d)
        # smooth earth: where the ray is reflected, and by how much it clears
        roots = F(math.sqrt(hte)) + F(math.sqrt(hre))
        is_beyond = d >= horizon * roots
        both = hte + hre
        curve = a * d * d
        m = half * curve / both
        m1 = m + one
        c = (hte - hre) / both
        turn = F(1.5) * abs(c) * F(math.sqrt(F(3.0) * m / m1)) / m1
        # 1 - turn^2 as a sum of positive terms: at the horizon it vanishes
        gap = F(4.0) * hte * hre / (both * both)
        bend = F(2.0) * m - one
        rest = bend * bend * (m + F(4.0)) + F(27.0) * gap * m
        is_steep = turn > F(0.70710678)
        arc = asin(min(F(math.sqrt(F(0.25) * rest / m1)) / m1 if is_steep else turn, F(0.7073)))
        angle = (F(1.5707963) - arc if is_steep else arc) * ONE_THIRD
        sq = angle * angle
        sine = F(-0.16666667) + sq * (F(0.008333333) + sq * (F(-0.00019841270) + sq * F(2.7557e-6)))
        b = F(2.0) * F(math.sqrt(m1 / (F(3.0) * m))) * angle * (one + sq * sine)
        b = min(b, one)
        low, high = min(hte, hre), max(hte, hre)
        split = F(0.25) * (one - b * b)
        clear = half * ((one - b) * high + (one + b) * low) - curve * split
        need = F(17.456) * F(math.sqrt(split * d * wavelength))
        lack = one - clear / max(need, F(1e-6))
        # first term of the residue series, on the true earth or on one that just touches
        log_third = log_ap if is_beyond else ONE_THIRD * log2(F(500.0) * (d * d) / (roots * roots))
        third = ap_third if is_beyond else exp2(log_third)
        inverse = one / third
        ks = k_scale * inverse
        k2 = ks * ks
        k4 = k2 * k2
        beta = (one + F(1.6) * k2 + F(0.67) * k4) / (one + F(4.5) * k2 + F(1.53) * k4)
        x = x_scale * beta * d * inverse * inverse
        lg = log2(x)
        if x >= F(1.6):
            fx = F(11.0) + DB * lg - F(17.6) * x
        else:
            fx = F(-2.0) * DB * lg - F(5.6488) * exp2(F(1.425) * lg)
        gain = b_scale * beta * beta * inverse
        least = F(2.0) + F(2.0) * DB * (log_k - log_third)
        sphere = -fx - height_gain(gain * hte, least) - height_gain(gain * hre, least)
        near = max(sphere, F(0.0)) * max(lack, F(0.0))
        sphere = sphere if is_beyond else near
        # Bullington on the smooth profile, at its own samples
        n = I(math.floor(d / step_km + half))
        last = F(max(n - I(1), I(1)))
        dd = d / (last + one)
        p1 = min(max(F(math.floor(F(math.sqrt(hte / a)) / dd)), one), last) * dd
        p2 = min(p1 + dd, last * dd)
        stim = max(a * (d - p1) - hte / p1, a * (d - p2) - hte / p2)
        p1 = min(max(F(math.floor(F(math.sqrt(hre / a)) / dd)), one), last) * dd
        p2 = min(p1 + dd, last * dd)
        srim = max(a * (d - p1) - hre / p1, a * (d - p2) - hre / p2)
        line = (hre - hte) / d
        hidden = F(math.sqrt(d * max(stim - line, F(0.0)) * max(srim + line, F(0.0))))
        y = high / both
        for _ in range(5):
            w = y * (one - y)
            value = curve * (one - F(2.0) * y) * w + high * (one - y) - low * y
            slope = min(curve * (one - F(6.0) * w) - both, F(-1e-3) * both)
            y = min(max(y - value / slope, half), one)
        y = y if hte >= hre else one - y
        p1 = min(max(F(math.floor(y * (last + one))), one), last) * dd
        p2 = min(p1 + dd, last * dd)
        s1 = p1 * (d - p1)
        s2 = p2 * (d - p2)
        e1 = (a * s1 - hte - line * p1) * F(math.sqrt(d / s1))
        e2 = (a * s2 - hte - line * p2) * F(math.sqrt(d / s2))
        seen = max(e1, e2)
        smooth = edge_loss((seen if stim < line else hidden) * nu_scale, d)
        loss[j] = free + actual + max(sphere - smooth, F(0.0))


def link_constants(
    frequency_ghz: float, effective_radius_km: float, polarisation: str
) -> NDArray[np.float32]:
    """Return what `end_terms` needs of frequency, earth and polarisation.

    Returns
    -------
    (12,) float32
        Free space at 1 km (dB); scale from knife edge in m per root km to nu; curvature (m per
        km squared); distance of the horizon (km per root m); wavelength (m); then the scales of
        the first term.
    """
    f, ap = frequency_ghz, effective_radius_km
    wavelength = LIGHT_M_GHZ / f
    turn = (18.0 * CONDUCTIVITY_S_PER_M / f) ** 2
    surface = 0.036 * f ** (-1.0 / 3.0) * ((PERMITTIVITY - 1.0) ** 2 + turn) ** -0.25
    if polarisation == "vertical":
        surface *= math.sqrt(PERMITTIVITY**2 + turn)
    third = ap ** (1.0 / 3.0)
    return np.array(
        [
            92.4 + 20.0 * math.log10(f),
            math.sqrt(0.002 / wavelength),
            500.0 / ap,
            math.sqrt(0.002 * ap),
            wavelength,
            third,
            surface,
            21.88 * f ** (1.0 / 3.0),
            0.9575 * f ** (2.0 / 3.0),
            math.log2(surface),
            math.log2(third),
            0.0,
        ],
        dtype=np.float32,
    )


def least_edge(frequency_ghz: float, step_km: float) -> float:
    """Return the clearance beyond which no frequency from this one up loses, m per root step.

    The knife edge loses nothing below -0.78; a little more, so that rounding cannot lift a value
    that was cut there above it.
    """
    return 0.79 * math.sqrt(step_km * LIGHT_M_GHZ / frequency_ghz / 0.002)
