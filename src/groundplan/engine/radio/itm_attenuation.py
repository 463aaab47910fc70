r"""Reference attenuation of ITM (Longley-Rice): line of sight, diffraction, troposcatter.

Symbols: ``d`` distance, ``dh`` horizon distance, ``he`` effective and ``hg`` antenna height,
``delta_h`` terrain irregularity, ``a`` radius of the effective earth, all m; ``f`` frequency, MHz;
``k = f / 47.7`` wave number, 1/m; ``Z`` transfer impedance of the ground; ``theta`` angles, rad.
The attenuation is relative to free space, dB.

* Diffraction is a straight line :math:`A = A_{d0} + m_d d` through two distances well beyond the
  horizon, where it is the mean, weighted with the roughness, of two knife edges (the horizons) and
  a smooth earth of three radii (Vogler), plus a clutter term.
* Line of sight is :math:`A = A_o + k_1 d + k_2 \ln d` through the two-ray attenuation at one or two
  near distances and the diffraction line at the smooth horizon.
* Troposcatter is a straight line through two distances 200 and 400 km beyond the horizon; the
  path takes diffraction up to where the lines meet.

References
----------
Hufford, G. A. (1995), The ITS irregular terrain model, version 1.2.2: the algorithm. Longley, A.
G., Rice, P. L. (1968), ESSA technical report ERL 79-ITS 67. Vogler, L. E. (1964), NBS. The
interpretation follows the reference implementation of NTIA, whose creation is acknowledged;
written anew, 2026.
"""

from __future__ import annotations

from math import cos, exp, log, log10, nan, pi, sin, sqrt

from groundplan.engine._jit import jit

__all__ = [
    "DIFFRACTION",
    "LINE_OF_SIGHT",
    "NO_MECHANISM",
    "TROPOSCATTER",
    "path_roughness",
    "reference_attenuation",
]

NO_MECHANISM, LINE_OF_SIGHT, DIFFRACTION, TROPOSCATTER = 0, 1, 2, 3
#: Where troposcatter is not defined; larger than any attenuation it returns.
NO_SCATTER_DB = 1001.0


@jit
def path_roughness(d, delta_h):
    """Return the terrain irregularity of a path of length `d`, m (TR ERL 79-ITS 67, eq. 3)."""
    return delta_h * (1.0 - 0.8 * exp(-d / 50e3))


@jit
def knife_edge(v2):
    """Return the loss over a knife edge, dB, from the square of its parameter (TN 101, III.24)."""
    if v2 < 5.76:
        return 6.02 + 9.11 * sqrt(v2) - 1.27 * v2
    return 12.953 + 10.0 * log10(v2)


@jit
def height_gain(x, k):
    """Return the gain of an antenna's height over a smooth earth, dB (Vogler).

    Parameters
    ----------
    x : float
        Normalised distance to the horizon.
    k : float
        Ground parameter.
    """
    if x < 200.0:
        w = -log(k)
        if k < 1e-5 or x * w * w * w > 5495.0:
            return 17.372 * log(x) - 117.0 if x > 1.0 else -117.0
        return 2.5e-5 * x * x / k - 8.686 * w - 15.0
    result = 0.05751 * x - 4.343 * log(x)
    if x < 2000.0:
        w = 0.0134 * x * exp(-0.005 * x)
        result = (1.0 - w) * result + w * (17.372 * log(x) - 117.0)
    return result


@jit
def smooth_scale(radius, f_third, z_abs):
    """Return ground parameter and distance factor of Vogler's method for one earth radius.

    Parameters
    ----------
    radius : float
        m.
    f_third : float
        Third root of the frequency in MHz.
    z_abs : float
        Magnitude of the transfer impedance.

    Returns
    -------
    k, per_m : float
        Ground parameter; normalised distance of one metre.
    """
    c0 = (4.0 / 3.0 * 6370e3 / radius) ** (1.0 / 3.0)
    k = 0.017778 * c0 / (f_third * z_abs)
    return k, (1.607 - k) * c0 * c0 * f_third * 1e-3


@jit
def two_ray(d, he_tx, he_rx, z_re, z_im, delta_h, slope, intercept, smooth_los, f):
    """Return the attenuation in sight, dB: two rays and the diffraction line, weighted.

    Parameters
    ----------
    d, he_tx, he_rx : float
        Distance and effective heights, m.
    z_re, z_im : float
        Transfer impedance of the ground.
    delta_h : float
        Terrain irregularity, m.
    slope, intercept : float
        Diffraction line, dB/m and dB.
    smooth_los : float
        Sum of the smooth horizon distances, m.
    f : float
        MHz.
    """
    k = f / 47.7
    rough = path_roughness(d, delta_h)
    sigma = 0.78 * rough * exp(-0.5 * sqrt(sqrt(rough)))
    rise = he_tx + he_rx
    sine = rise / sqrt(d * d + rise * rise)
    # reflection (sine - Z) / (sine + Z), less what the roughness scatters away
    keep = exp(-min(10.0, k * sigma * sine)) / ((sine + z_re) * (sine + z_re) + z_im * z_im)
    r_re = (sine * sine - z_re * z_re - z_im * z_im) * keep
    r_im = -2.0 * sine * z_im * keep
    q = r_re * r_re + r_im * r_im
    if q < 0.25 or q < sine:
        grow = sqrt(sine / q)
        r_re *= grow
        r_im *= grow
    phase = 2.0 * k * he_tx * he_rx / d
    if phase > 0.5 * pi:
        phase = pi - 0.25 * pi * pi / phase
    s_re = cos(phase) + r_re
    s_im = r_im - sin(phase)
    rays = -10.0 * log10(s_re * s_re + s_im * s_im)
    w = 1.0 / (1.0 + f * delta_h / max(10e3, smooth_los))
    return w * rays + (1.0 - w) * (slope * d + intercept)


@jit
def scatter_curve(j, r):
    """Return curve `j` of the frequency gain of troposcatter, dB (the algorithm, 6.13)."""
    a = (25.0, 80.0, 177.0, 395.0, 705.0)
    b = (24.0, 45.0, 68.0, 80.0, 105.0)
    s = 1.0 / (r * r)
    return 10.0 * log10(1.0 + a[j] * s * s + b[j] * s)


@jit
def frequency_gain(r, eta):
    """Return the frequency gain of troposcatter at one end, dB, between the curves of `eta`."""
    eta = min(max(eta, 1.0), 5.0)
    i = int(eta)
    part = eta - i
    gain = scatter_curve(i - 1, r)
    if part != 0.0:
        gain = (1.0 - part) * gain + part * scatter_curve(i, r)
    return gain


@jit
def troposcatter(d, angles, dh_tx, dh_rx, he_tx, he_rx, curvature, ns, f, theta_los, gain):
    """Return the attenuation by troposcatter, dB, and the frequency gain it was made with.

    Parameters
    ----------
    d : float
        Distance, m.
    angles : float
        Sum of the elevation angles to the horizons, rad.
    dh_tx, dh_rx, he_tx, he_rx : float
        Horizon distances and effective heights, m.
    curvature : float
        Of the effective earth, 1/m.
    ns : float
        Surface refractivity, N-units.
    f : float
        MHz.
    theta_los : float
        Angle of the part in sight, rad.
    gain : float
        Frequency gain at a farther distance, dB, taken where the own one exceeds 15 dB; < 0 where
        there is none.

    Returns
    -------
    attenuation, gain : float
        dB; `NO_SCATTER_DB` where both antennas are too low for the method.
    """
    k = f / 47.7
    if gain <= 15.0:
        apart = dh_tx - dh_rx
        ratio = he_rx / he_tx
        if apart < 0.0:
            apart = -apart
            ratio = 1.0 / ratio
        theta = angles + d * curvature
        r1 = 2.0 * k * theta * he_tx
        r2 = 2.0 * k * theta * he_rx
        if r1 < 0.2 and r2 < 0.2:
            return NO_SCATTER_DB, gain
        s = (d - apart) / (d + apart)
        q = min(max(0.1, ratio / s), 10.0)
        s = max(0.1, s)
        cross = (d - apart) * (d + apart) * theta * 0.25 / d
        fall = min(1.7, cross / 8.0e3) ** 6
        eta = (cross / 1.7556e3) * (1.0 + (0.031 - ns * 2.32e-3 + ns * ns * 5.67e-6) * exp(-fall))
        mean = 0.5 * (frequency_gain(r1, eta) + frequency_gain(r2, eta))
        uneven = min(mean, 6.0 * (0.6 - log10(max(eta, 1.0))) * log10(s) * log10(q))
        own = max(mean + uneven, 0.0)
        if eta < 1.0:
            root = sqrt(2.0)
            bent = (1.0 + root / r1) * (1.0 + root / r2)
            low = 10.0 * log10(bent * bent * (r1 + r2) / (r1 + r2 + 2.0 * root))
            own = eta * own + (1.0 - eta) * low
        if own <= 15.0 or gain < 0.0:
            gain = own
    th = d * curvature - theta_los
    td = th * d
    if td <= 10e3:
        curve = 133.4 + 0.332e-3 * td - 10.0 * log10(td)
    elif td <= 70e3:
        curve = 104.6 + 0.212e-3 * td - 2.5 * log10(td)
    else:
        curve = 71.8 + 0.157e-3 * td + 5.0 * log10(td)
    wave = 10.0 * log10(k * 47.7 * th * th * th * th)
    return curve + wave - 0.1 * (ns - 301.0) * exp(-td / 40e3) + gain, gain


@jit
def sight_attenuation(d, dh, he_tx, he_rx, z_re, z_im, delta_h, slope, intercept, smooth_los, f):
    """Return the attenuation at a distance nearer than the smooth horizons, dB.

    Parameters
    ----------
    d : float
        Distance, m.
    dh : float
        Sum of the horizon distances, m.
    he_tx, he_rx, z_re, z_im, delta_h, slope, intercept, smooth_los, f
        As for `two_ray`.
    """
    at_horizon = smooth_los * slope + intercept
    d0 = 0.04 * f * he_tx * he_rx
    if intercept >= 0.0:
        d0 = min(d0, 0.5 * dh)
        d1 = d0 + 0.25 * (dh - d0)
    else:
        d1 = max(-intercept / slope, 0.25 * dh)
    a1 = two_ray(d1, he_tx, he_rx, z_re, z_im, delta_h, slope, intercept, smooth_los, f)
    k1 = k2 = 0.0
    has_curve = False
    if d0 < d1:
        a0 = two_ray(d0, he_tx, he_rx, z_re, z_im, delta_h, slope, intercept, smooth_los, f)
        q = log(smooth_los / d0)
        bend = (smooth_los - d0) * (a1 - a0) - (d1 - d0) * (at_horizon - a0)
        k2 = max(0.0, bend / ((smooth_los - d0) * log(d1 / d0) - (d1 - d0) * q))
        has_curve = intercept > 0.0 or k2 > 0.0
        if has_curve:
            k1 = (at_horizon - a0 - k2 * q) / (smooth_los - d0)
            if k1 < 0.0:
                k1 = 0.0
                k2 = max(at_horizon - a0, 0.0) / q
                if k2 == 0.0:
                    k1 = slope
    if not has_curve:
        k2 = 0.0
        k1 = max(at_horizon - a1, 0.0) / (smooth_los - d1)
        if k1 == 0.0:
            k1 = slope
    return at_horizon + k1 * (d - smooth_los) + k2 * log(d / smooth_los)


@jit
def reference_attenuation(
    d,
    angle_tx,
    angle_rx,
    dh_tx,
    dh_rx,
    he_tx,
    he_rx,
    hg_tx,
    hg_rx,
    delta_h,
    curvature,
    ns,
    f,
    z_re,
    z_im,
    extra,
):
    """Return the median attenuation relative to free space, dB, >= 0, and its mechanism.

    Parameters
    ----------
    d : float
        Distance, m.
    angle_tx, angle_rx : float
        Elevation angles to the horizons, rad.
    dh_tx, dh_rx, he_tx, he_rx, hg_tx, hg_rx : float
        Horizon distances, effective and antenna heights, m.
    delta_h : float
        Terrain irregularity, m.
    curvature : float
        Of the effective earth, 1/m.
    ns : float
        Surface refractivity, N-units.
    f : float
        MHz.
    z_re, z_im : float
        Transfer impedance of the ground.
    extra : float
        Added to the product of the antenna heights in the weight of diffraction, m2: 10 for a
        known profile, 0 for area mode.

    Returns
    -------
    attenuation : float
        dB; NaN where diffraction is not defined.
    mechanism : int
        `LINE_OF_SIGHT`, `DIFFRACTION` or `TROPOSCATTER`; `NO_MECHANISM` with NaN.
    """
    k = f / 47.7
    smooth_los = sqrt(2.0 * he_tx / curvature) + sqrt(2.0 * he_rx / curvature)
    dh = dh_tx + dh_rx
    theta_los = -max(angle_tx + angle_rx, -dh * curvature)
    f_third = f ** (1.0 / 3.0)
    z_abs = sqrt(z_re * z_re + z_im * z_im)
    # a^2 / f to the third: the scale of the diffraction region
    reach = (1.0 / (curvature * curvature)) ** (1.0 / 3.0) / f_third

    # what diffraction at both distances shares: the earths of the two horizons, and clutter
    k_tx, per_tx = smooth_scale(0.5 * dh_tx * dh_tx / he_tx, f_third, z_abs)
    k_rx, per_rx = smooth_scale(0.5 * dh_rx * dh_rx / he_rx, f_third, z_abs)
    x_tx = per_tx * dh_tx
    x_rx = per_rx * dh_rx
    gains = height_gain(x_tx, k_tx) + height_gain(x_rx, k_rx)
    rough = path_roughness(smooth_los, delta_h)
    sigma = 0.78 * rough * exp(-0.5 * sqrt(sqrt(rough)))
    clutter = min(15.0, 5.0 * log10(1.0 + 1e-5 * hg_tx * hg_rx * f * sigma))
    heights = hg_tx * hg_rx
    lift = sqrt(1.0 + (he_tx * he_rx - heights) / (heights + extra))

    far = max(smooth_los, dh + 5.0 * reach)
    first = second = 0.0
    for i in range(2):
        x = far + 10.0 * reach * i
        beyond = x - dh
        theta = x * curvature - theta_los
        v2 = 0.0795775 * k * theta * theta * beyond
        edges = knife_edge(v2 * dh_tx / (beyond + dh_tx)) + knife_edge(
            v2 * dh_rx / (beyond + dh_rx)
        )
        _, per = smooth_scale(beyond / theta, f_third, z_abs)
        x0 = per * beyond + x_tx + x_rx
        if x0 <= 0.0:
            # Vogler's ground parameter is out of its range: no diffraction line, no answer
            return nan, NO_MECHANISM
        smooth = 0.05751 * x0 - 10.0 * log10(x0) - gains - 20.0
        q = (lift + (dh - theta_los / curvature) / x) * min(path_roughness(x, delta_h) * k, 6283.2)
        w = 25.1 / (25.1 + sqrt(q))
        second = w * smooth + (1.0 - w) * edges + clutter
        if i == 0:
            first = second
    slope = (second - first) / (10.0 * reach)
    intercept = first - slope * far

    if d < smooth_los:
        loss = sight_attenuation(
            d, dh, he_tx, he_rx, z_re, z_im, delta_h, slope, intercept, smooth_los, f
        )
        return max(loss, 0.0), LINE_OF_SIGHT

    angles = angle_tx + angle_rx
    a6, gain = troposcatter(
        dh + 400e3, angles, dh_tx, dh_rx, he_tx, he_rx, curvature, ns, f, theta_los, -1.0
    )
    a5, _ = troposcatter(
        dh + 200e3, angles, dh_tx, dh_rx, he_tx, he_rx, curvature, ns, f, theta_los, gain
    )
    if a5 < 1000.0:
        scatter = (a6 - a5) / 200e3
        meet = (a5 - intercept - scatter * (dh + 200e3)) / (slope - scatter)
        change = max(smooth_los, dh + 1.088 * reach * log(f), meet)
        if d > change:
            loss = scatter * d + (slope - scatter) * change + intercept
            return max(loss, 0.0), TROPOSCATTER
    elif d > 10e6:
        return max(slope * d + intercept, 0.0), TROPOSCATTER
    return max(slope * d + intercept, 0.0), DIFFRACTION
