r"""The propagation mechanisms of ITU-R P.1812-8 and P.452-18, and how they are put together.

Both Recommendations predict the loss not exceeded for p % of the time as free space with focusing,
diffraction, ducting and layer reflection, and troposcatter, blended by the same rules. P.452 adds
gas attenuation, the coupling loss of the antennas, and other constants for troposcatter; these
arrive as arguments, so the two Recommendations share one kernel.

Frequencies in GHz, distances in km, heights in m, angles in mrad, losses in dB, percentages in
0..100. Equation numbers of P.1812-8.

References
----------
Recommendation ITU-R P.1812-8 (2025), annex 1, clauses 3 and 4 and attachment 2;
ITU-R P.452-18 (2023), annex 1, clauses 3 and 4 and attachment 3.
"""

from __future__ import annotations

import math

from groundplan.engine._jit import jit
from groundplan.engine.radio.diffraction import (
    actual_bullington,
    bullington,
    knife_edge,
    smooth_bullington,
    smooth_bullington_formula,
    spherical_earth,
)
from groundplan.engine.radio.profile_geometry import path_lengths, read_profile

__all__ = ["CASE", "DETAIL", "ducting", "incidence", "inverse_normal", "predict"]

#: Columns of the numbers of a case, in the order in which `predict` reads them.
CASE = (
    "frequency_ghz",
    "time_percent",
    "tx_height_m",
    "rx_height_m",
    "is_vertical",
    "latitude_deg",
    "delta_n",
    "n0",
    "dct_km",
    "dcr_km",
    "location_loss_db",
    "gas_db_per_km",
    "gas_scatter_db_per_km",
    "coupling_db",
)
#: Columns of the intermediates, in the order in which `predict` writes them.
DETAIL = (
    "d_km",
    "dlt_km",
    "dlr_km",
    "theta_t_mrad",
    "theta_r_mrad",
    "theta_mrad",
    "hts_m",
    "hrs_m",
    "htc_m",
    "hrc_m",
    "omega",
    "dtm_km",
    "dlm_km",
    "latitude_deg",
    "b0_percent",
    "ae_km",
    "hst_n_m",
    "hsr_n_m",
    "hst_m",
    "hsr_m",
    "hstd_m",
    "hsrd_m",
    "htcd_m",
    "hrcd_m",
    "hte_m",
    "hre_m",
    "hm_m",
    "fi",
    "fj",
    "fk",
    "lbfs_db",
    "lb0p_db",
    "lb0b_db",
    "lbulla50_db",
    "lbulls50_db",
    "ldsph50_db",
    "lbulla_db",
    "lbulls_db",
    "ldsph_db",
    "ld50_db",
    "ldb_db",
    "ldp_db",
    "lbd50_db",
    "lbd_db",
    "lminb0p_db",
    "lba_db",
    "lminbap_db",
    "lbda_db",
    "lbam_db",
    "lbs_db",
    "lbc_db",
    "lb_db",
)

#: Radius of the earth, km, and the factor on it exceeded for b0 of the time (clause 3.7).
EARTH_KM = 6371.0
K_BETA = 3.0
#: Speed of light, m/s over 1e9, as P.2001 rounds it; the reference implementations use it too.
LIGHT = 0.2998


@jit
def _tail(x):
    """Approximate the normal deviate that the share `x` <= 0.5 exceeds."""
    t = math.sqrt(-2.0 * math.log(x))
    top = (0.010328 * t + 0.802853) * t + 2.515516698
    return t - top / (((0.001308 * t + 0.189269) * t + 1.432788) * t + 1.0)


@jit
def inverse_normal(x):
    """Inverse complementary cumulative normal distribution by the Recommendation's approximation.

    Attachment 2 of P.1812-8; holds for 1e-6 <= `x` <= 1 - 1e-6 and is held there beyond.
    """
    x = min(max(x, 1.0e-6), 1.0 - 1.0e-6)
    if x <= 0.5:
        return _tail(x)
    return -_tail(1.0 - x)


@jit
def incidence(latitude_deg, dtm, dlm):
    """Share b0 of the time with a steep refractivity lapse near the ground, % (equation 5)."""
    tau = 1.0 - math.exp(-(4.12e-4 * dlm**2.41))
    mu1 = (10.0 ** (-dtm / (16.0 - 6.6 * tau)) + 10.0 ** (-5.0 * (0.496 + 0.354 * tau))) ** 0.2
    mu1 = min(mu1, 1.0)
    phi = abs(latitude_deg)
    if phi <= 70.0:
        return 10.0 ** (-0.015 * phi + 1.67) * mu1 * mu1 ** (-0.935 + 0.0176 * phi)
    return 4.17 * mu1 * mu1**0.3


@jit
def _shielding(theta, horizon_km, f):
    """Site-shielding loss of one terminal, dB (equation 48)."""
    over = theta - 0.1 * horizon_km
    if over <= 0.0:
        return 0.0
    return 20.0 * math.log10(1.0 + 0.361 * over * math.sqrt(f * horizon_km)) + 0.264 * over * f ** (
        1.0 / 3.0
    )


@jit
def _duct_coupling(coast_km, horizon_km, height_m, omega):
    """Gain of a terminal near the sea from surface ducts, dB <= 0 (equation 49)."""
    if omega >= 0.75 and coast_km <= horizon_km and coast_km <= 5.0:
        return (
            -3.0
            * math.exp(-0.25 * coast_km * coast_km)
            * (1.0 + math.tanh(0.07 * (50.0 - height_m)))
        )
    return 0.0


@jit
def ducting(
    dtot, dlt, dlr, dct, dcr, dlm, hts, hrs, hte, hre, hm, theta_t, theta_r, f, p, omega, ae, b0
):
    """Loss by ducting and layer reflection not exceeded for `p` % of the time (clause 4.5).

    Parameters
    ----------
    dtot, dlt, dlr, dct, dcr, dlm : float
        Path length, horizon distances, distances to the coast, longest inland section, km.
    hts, hrs, hte, hre, hm : float
        Antenna heights above the sea, above the smooth earth, and roughness, m.
    theta_t, theta_r : float
        Horizon angles, mrad.
    f, p, omega, ae, b0 : float
        Frequency, time percentage, share of sea, median effective radius, incidence b0.
    """
    fixed = 102.45 + 20.0 * math.log10(f) + 20.0 * math.log10(dlt + dlr)
    if f < 0.5:
        fixed += 45.375 - 137.0 * f + 92.5 * f * f
    fixed += _shielding(theta_t, dlt, f) + _shielding(theta_r, dlr, f)
    fixed += _duct_coupling(dct, dlt, hts, omega) + _duct_coupling(dcr, dlr, hrs, omega)

    theta = 1.0e3 * dtot / ae + min(theta_t, 0.1 * dlt) + min(theta_r, 0.1 * dlr)
    gamma_d = 5.0e-5 * ae * f ** (1.0 / 3.0)

    mu3 = 1.0
    if hm > 10.0:
        d_i = min(dtot - dlt - dlr, 40.0)
        mu3 = math.exp(-4.6e-5 * (hm - 10.0) * (43.0 + 6.0 * d_i))
    tau = 1.0 - math.exp(-(4.12e-4 * dlm**2.41))
    alpha = max(-0.6 - 3.5e-9 * dtot**3.1 * tau, -3.4)
    mu2 = (500.0 / ae * dtot * dtot / (math.sqrt(hte) + math.sqrt(hre)) ** 2) ** alpha
    # in logarithms, so that very rough ground cannot underflow
    lg_beta = math.log10(b0) + math.log10(min(mu2, 1.0)) + math.log10(mu3)
    gamma = (
        1.076
        / (2.0058 - lg_beta) ** 1.012
        * math.exp(-(9.51 - 4.8 * lg_beta + 0.198 * lg_beta * lg_beta) * 1.0e-6 * dtot**1.13)
    )
    lg_ratio = math.log10(p) - lg_beta
    spread = -12.0 + (1.2 + 3.7e-3 * dtot) * lg_ratio + 12.0 * 10.0 ** (lg_ratio * gamma)
    return fixed + gamma_d * theta + spread


@jit
def _soft_minimum(a, b):
    """Power sum of two losses on the scale of equation 63, dB; never overflows."""
    return min(a, b) - 5.0 * math.log10(1.0 + 10.0 ** (-0.2 * abs(a - b)))


@jit
def _soft_maximum(a, b):
    """Blend of equation 60: 2.5 ln(exp(a / 2.5) + exp(b / 2.5)), dB; never overflows."""
    return max(a, b) + 2.5 * math.log(1.0 + math.exp(-abs(a - b) / 2.5))


@jit
def _smooth(d, last, hte, hre, ce, lam, by_formula):
    """Bullington loss over the smooth earth, by samples or by formula, dB."""
    if by_formula:
        return smooth_bullington_formula(d[last], hte, hre, ce, lam)
    return smooth_bullington(d, last, hte, hre, ce, lam)


@jit
def predict(lo, hi, d, h, r, zone, count, case, is_p452, by_formula, loss, detail):
    """Predict the cases `lo` .. `hi` - 1.

    Parameters
    ----------
    lo, hi : int
        Range of cases.
    d, h : (n_path or 1, n_point) float64
        Distance, km, and ground height, m; row 0 serves all cases where there is one row only.
    r : (n_path or 1, n_point) or (0, 0) float64
        Clutter heights, m; none for an empty array.
    zone : (n_path or 1, n_point) or (0, 0) int8
        Zone codes of `profile_geometry`; all inland for an empty array.
    count : (n_path or 1,) int64
        Points of each profile.
    case : (n_path, 14) float64
        Numbers of each case, columns `CASE`.
    is_p452 : bool
        P.452-18 instead of P.1812-8.
    by_formula : bool
        Smooth-earth Bullington loss by formula (attachment 4) instead of over the samples.
    loss : (n_path,) float64
        Output: basic transmission loss, dB.
    detail : (n_path, 52) or (0, 52) float64
        Output: intermediates, columns `DETAIL`; none for an empty array.
    """
    has_clutter = r.shape[0] > 0
    wants_detail = detail.shape[0] > 0
    for k in range(lo, hi):
        kd = k if d.shape[0] > 1 else 0
        kh = k if h.shape[0] > 1 else 0
        last = count[k if count.shape[0] > 1 else 0] - 1
        di = d[kd]
        hi_m = h[kh]
        ri = r[k if r.shape[0] > 1 else 0] if has_clutter else hi_m
        f = case[k, 0]
        p = case[k, 1]
        htg = case[k, 2]
        hrg = case[k, 3]
        is_vertical = case[k, 4] > 0.5
        dct = case[k, 8]
        dcr = case[k, 9]
        dtot = di[last]
        hts = hi_m[0] + htg
        hrs = hi_m[last] + hrg
        lam = LIGHT / f

        omega = 0.0
        dtm = dtot
        dlm = dtot
        if zone.shape[0] > 0:
            zi = zone[k if zone.shape[0] > 1 else 0]
            omega, dtm, dlm = path_lengths(di, zi, last)
        b0 = incidence(case[k, 5], dtm, dlm)
        ae = EARTH_KM * 157.0 / (157.0 - case[k, 6])
        ab = EARTH_KM * K_BETA

        (
            hst_n, hsr_n, hstd, hsrd, hte, hre, hm, dlt, dlr, theta_t, theta_r, rise, nu,
        ) = read_profile(di, hi_m, last, htg, hrg, ae, lam)  # fmt: skip
        theta = 1.0e3 * dtot / ae + theta_t + theta_r

        # line of sight, clause 4.2; gases in P.452 only
        dfs2 = dtot * dtot + ((hts - hrs) / 1000.0) ** 2
        lbfs = 92.4 + 20.0 * math.log10(f) + 10.0 * math.log10(dfs2)
        lbfs += case[k, 11] * math.sqrt(dfs2)
        focus = 2.6 * (1.0 - math.exp(-0.1 * (dlt + dlr)))
        lb0p = lbfs + focus * math.log10(p / 50.0)
        lb0b = lbfs + focus * math.log10(b0 / 50.0)

        # diffraction, clauses 4.3.4 and 4.3.5; at 50 % the earth of b0 is not needed
        htcd = hts - hstd
        hrcd = hrs - hsrd
        if has_clutter:
            lbulla50 = actual_bullington(di, hi_m, ri, True, last, hts, hrs, 1.0 / ae, lam)
        else:
            lbulla50 = bullington(knife_edge(nu), dtot)
        lbulls50 = 0.0
        ldsph50 = spherical_earth(dtot, htcd, hrcd, ae, f, lam, is_vertical, omega)
        if ldsph50 > 0.0 or wants_detail:
            lbulls50 = _smooth(di, last, htcd, hrcd, 1.0 / ae, lam, by_formula)
        ld50 = lbulla50 + max(ldsph50 - lbulls50, 0.0)
        lbulla = 0.0
        lbulls = 0.0
        ldsph = 0.0
        ldb = ld50
        if p < 50.0 or wants_detail:
            lbulla = actual_bullington(di, hi_m, ri, has_clutter, last, hts, hrs, 1.0 / ab, lam)
            ldsph = spherical_earth(dtot, htcd, hrcd, ab, f, lam, is_vertical, omega)
            if ldsph > 0.0 or wants_detail:
                lbulls = _smooth(di, last, htcd, hrcd, 1.0 / ab, lam, by_formula)
            ldb = lbulla + max(ldsph - lbulls, 0.0)
        fi = 1.0
        if p > b0:
            fi = inverse_normal(p / 100.0) / inverse_normal(b0 / 100.0)
        ldp = ld50 if p >= 50.0 else ld50 + fi * (ldb - ld50)
        lbd50 = lbfs + ld50
        lbd = lb0p + ldp

        # troposcatter, clause 4.4
        lf = 25.0 * math.log10(f) - 2.5 * math.log10(f / 2.0) ** 2
        lbs = lf + 20.0 * math.log10(dtot) + 0.573 * theta - 0.15 * case[k, 7]
        rare = math.log10(50.0 / p) ** 0.7
        if is_p452:
            lbs += 190.0 + case[k, 13] + case[k, 12] * dtot - 10.1 * rare
        else:
            lbs += 190.1 - 10.125 * rare

        lba = ducting(
            dtot, dlt, dlr, dct, dcr, dlm, hts, hrs, hte, hre, hm, theta_t, theta_r,
            f, p, omega, ae, b0,
        )  # fmt: skip
        lba += case[k, 11] * dtot

        # combination, clause 4.6
        if p < b0:
            lminb0p = lb0p + (1.0 - omega) * ldp
        else:
            lminb0p = lbd50 + (lb0b + (1.0 - omega) * ldp - lbd50) * fi
        lminbap = _soft_maximum(lba, lb0p)
        fk = 1.0 - 0.5 * (1.0 + math.tanh(1.5 * (dtot - 20.0) / 20.0))
        lbda = lbd
        if lminbap <= lbd:
            lbda = lminbap + (lbd - lminbap) * fk
        # P.1812 weighs by the angular distance, P.452 by how far the ground rises into the ray
        over = rise if is_p452 else theta - 0.3
        fj = 1.0 - 0.5 * (1.0 + math.tanh(2.4 * over / 0.3))
        lbam = lbda + (lminb0p - lbda) * fj
        lbc = _soft_minimum(lbs, lbam)
        lb = lbc
        if not is_p452:
            lb = max(lb0p, lbc + case[k, 10])
        loss[k] = lb

        if wants_detail:
            numbers = (
                dtot, dlt, dlr, theta_t, theta_r, theta, hts, hrs, hts, hrs, omega, dtm, dlm,
                case[k, 5], b0, ae, hst_n, hsr_n, min(hst_n, hi_m[0]), min(hsr_n, hi_m[last]),
                hstd, hsrd, htcd, hrcd, hte, hre, hm, fi, fj, fk, lbfs, lb0p, lb0b,
                lbulla50, lbulls50, ldsph50, lbulla, lbulls, ldsph, ld50, ldb, ldp, lbd50, lbd,
                lminb0p, lba, lminbap, lbda, lbam, lbs, lbc, lb,
            )  # fmt: skip
            for j in range(len(numbers)):
                detail[k, j] = numbers[j]
