r"""What ITU-R P.1812-8 and P.452-18 read from a path profile before any loss is computed.

Horizons, the smooth earth fitted to the ground, terrain roughness (P.1812-8, attachment 1 to
annex 1; P.452-18, attachment 2), and the lengths over land and sea (clauses 3.3 to 3.6). All of it
looks at the bare ground; clutter enters the Bullington construction alone (`diffraction`).

Distances in km, heights in m above sea level, angles in mrad. Equation numbers of P.1812-8.

References
----------
Recommendation ITU-R P.1812-8 (2025), annex 1, clause 3 and attachment 1.
"""

from __future__ import annotations

import math

from groundplan.engine._jit import jit
from groundplan.engine.radio.diffraction import edge

__all__ = [
    "COAST_CODE",
    "INLAND_CODE",
    "SEA_CODE",
    "is_faulty",
    "path_lengths",
    "read_profile",
    "sea_share",
]

#: Radio-climatic zones inside the engine, the codes of P.1812's data files.
SEA_CODE = 1
COAST_CODE = 3
INLAND_CODE = 4


@jit
def is_faulty(lo, hi, d, h, r, zone, count, out):
    """Mark the cases `lo` .. `hi` - 1 whose profile no model can take.

    Sound are finite heights, clutter of 0 m or more, known zones, and distances that start at 0,
    never fall, and leave no point on a terminal. Arrays as in `clear_air.predict`.

    Parameters
    ----------
    out : (n_path,) bool
        Output.
    """
    for k in range(lo, hi):
        last = count[k if count.shape[0] > 1 else 0] - 1
        di = d[k if d.shape[0] > 1 else 0]
        hk = h[k if h.shape[0] > 1 else 0]
        sound = di[0] == 0.0 and di[1] > 0.0 and di[last] > di[last - 1]
        for i in range(last + 1):
            sound &= math.isfinite(di[i]) & math.isfinite(hk[i])
        for i in range(1, last + 1):
            sound &= di[i] >= di[i - 1]
        if r.shape[0] > 0:
            rk = r[k if r.shape[0] > 1 else 0]
            for i in range(last + 1):
                sound &= math.isfinite(rk[i]) & (rk[i] >= 0.0)
        if zone.shape[0] > 0:
            zk = zone[k if zone.shape[0] > 1 else 0]
            for i in range(last + 1):
                sound &= zk[i] != 0
        out[k] = not sound


@jit
def path_lengths(d, zone, last):
    """Measure the sections over sea, over land and inland.

    A run of points reaches half-way to the neighbour that ends it.

    Parameters
    ----------
    d : (n_point,) float64
        Distance, km.
    zone : (n_point,) int8
        Zone codes of this module.
    last : int
        Index of the receiver.

    Returns
    -------
    omega : float
        Share of the path over sea.
    dtm, dlm : float
        Longest continuous land (inland and coast) and longest continuous inland section, km.
    """
    dtot = d[last]
    sea = 0.0
    dtm = 0.0
    dlm = 0.0
    sea_start = -1
    land_start = -1
    inland_start = -1
    for i in range(last + 2):
        z = zone[i] if i <= last else 0
        # a run ends where its kind ends; its first and last gaps count by half
        if z == SEA_CODE:
            if sea_start < 0:
                sea_start = i
        elif sea_start >= 0:
            sea += _run_length(d, sea_start, i - 1, last)
            sea_start = -1
        if z in (COAST_CODE, INLAND_CODE):
            if land_start < 0:
                land_start = i
        elif land_start >= 0:
            dtm = max(dtm, _run_length(d, land_start, i - 1, last))
            land_start = -1
        if z == INLAND_CODE:
            if inland_start < 0:
                inland_start = i
        elif inland_start >= 0:
            dlm = max(dlm, _run_length(d, inland_start, i - 1, last))
            inland_start = -1
    return min(1.0, sea / dtot), dtm, dlm


@jit
def _run_length(d, start, stop, last):
    """Length of the run of points `start` .. `stop`, half gaps at its ends included, km."""
    half = 0.0
    if stop < last:
        half += (d[stop + 1] - d[stop]) / 2.0
    if start > 0:
        half += (d[start] - d[start - 1]) / 2.0
    return d[stop] - d[start] + half


@jit
def sea_share(lo, hi, d, zone, count, omega):
    """Write the share over sea of the cases `lo` .. `hi` - 1; arrays as in `clear_air.predict`."""
    for k in range(lo, hi):
        share, _, _ = path_lengths(
            d[k if d.shape[0] > 1 else 0],
            zone[k if zone.shape[0] > 1 else 0],
            count[k if count.shape[0] > 1 else 0] - 1,
        )
        omega[k] = share


@jit
def read_profile(d, h, last, htg, hrg, ae, lam):
    """Derive horizons, smooth earth and roughness of one profile (attachment 1, clauses 4 and 5).

    Parameters
    ----------
    d, h : (n_point,) float64
        Distance, km, and ground height, m.
    last : int
        Index of the receiver.
    htg, hrg : float
        Antenna heights above ground, m.
    ae : float
        Median effective earth radius, km.
    lam : float
        Wavelength, m.

    Returns
    -------
    tuple of float
        ``(hst_n, hsr_n, hstd, hsrd, hte, hre, hm, dlt, dlr, theta_t, theta_r, rise, nu)``:
        smooth-earth heights at the ends, the same for the diffraction model, antenna heights and
        roughness for the ducting model (m), horizon distances (km), horizon angles (mrad), by how
        much the steepest ray from the transmitter to the ground rises over the ray between the
        antennas (m/km; negative with line of sight), and the knife-edge parameter of the ground.
    """
    dtot = d[last]
    hts = h[0] + htg
    hrs = h[last] + hrg
    slope = (hrs - hts) / dtot
    bend = 500.0 / ae
    v1 = 0.0
    v2 = 0.0
    hobs = -1.0e300
    aobt = -1.0e300
    aobr = -1.0e300
    rise_t = -1.0e300
    rise_r = -1.0e300
    nu2 = -1.0e300
    lt = 1
    lr = 1
    lv = 1
    xp = 0.0
    hp = h[0]
    for i in range(1, last):
        x = d[i]
        y = dtot - x
        hi = h[i]
        step = x - xp
        v1 += step * (hi + hp)
        v2 += step * (hi * (2.0 * x + xp) + hp * (x + 2.0 * xp))
        xp = x
        hp = hi
        # over the line between the antennas: without the bulge of the earth, then with it
        above = hi - (hts + slope * x)
        per = above / (x * y)
        hobs = max(hobs, above)
        aobt = max(aobt, per * y)
        aobr = max(aobr, per * x)
        per += bend
        s = per * y
        if s > rise_t:
            rise_t = s
            lt = i
        s = per * x
        if s >= rise_r:
            rise_r = s
            lr = i
        s = per * abs(above + bend * x * y)
        if s >= nu2:
            nu2 = s
            lv = i
    hn = h[last]
    v1 += (dtot - xp) * (hn + hp)
    v2 += (dtot - xp) * (hn * (2.0 * dtot + xp) + hp * (dtot + 2.0 * xp))

    hst_n = (2.0 * v1 * dtot - v2) / (dtot * dtot)
    hsr_n = (v2 - v1 * dtot) / (dtot * dtot)
    hstd = hst_n
    hsrd = hsr_n
    if hobs > 0.0:
        hstd -= hobs * aobt / (aobt + aobr)
        hsrd -= hobs * aobr / (aobt + aobr)
    hstd = min(hstd, h[0])
    hsrd = min(hsrd, hn)

    # slopes of the rays over the local horizontals, m/km
    slope_t = slope - bend * dtot
    slope_r = -slope - bend * dtot
    if rise_t > 0.0:
        slope_t += rise_t
        slope_r += rise_r
    else:
        # line of sight: the point of the largest knife edge stands for both horizons
        lt = lv
        lr = lv
    theta_t = 1000.0 * math.atan(0.001 * slope_t)
    theta_r = 1000.0 * math.atan(0.001 * slope_r)

    hst = min(hst_n, h[0])
    hsr = min(hsr_n, hn)
    grade = (hsr - hst) / dtot
    hm = -1.0e300
    for i in range(min(lt, lr), max(lt, lr) + 1):
        hm = max(hm, h[i] - (hst + grade * d[i]))
    return (
        hst_n,
        hsr_n,
        hstd,
        hsrd,
        hts - hst,
        hrs - hsr,
        hm,
        d[lt],
        dtot - d[lr],
        theta_t,
        theta_r,
        rise_t,
        edge(rise_t, rise_r, nu2) * math.sqrt(0.002 * dtot / lam),
    )
