r"""Variability of ITM (Longley-Rice): by time, location and situation, for seven climates.

The loss exceeded in the asked shares is the reference attenuation less :math:`V_{med} + Y_R + Y_S`:
the climate's shift of the median, and the deviations that the mode of variability lets count. Each
climate gives three curves over the effective distance ``de``

.. math:: (c_1 + \frac{c_2}{1 + ((d_e - x_2)/x_3)^2}) \frac{(d_e/x_1)^2}{1 + (d_e/x_1)^2}

for the median and for the spread in time below and above it.

The coefficients stand in ``data/itm_climates.csv``.

References
----------
Hufford, G. A., Longley, A. G., Kissick, W. A. (1982), NTIA report 82-100; NBS technical note 101
(1967), section 10 and annex III. The interpretation follows the reference implementation of NTIA,
whose creation is acknowledged; written anew, 2026.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.radio.itm_attenuation import path_roughness

__all__ = ["climate_names", "climate_table", "location_sigma", "normal_deviate", "variability"]

#: Columns of the table that follow climate and name, in the order that `variability` reads.
COEFFICIENTS = 23
MEDIAN, BELOW, ABOVE, TAIL, BELOW_F, ABOVE_F = 0, 5, 10, 15, 17, 20


@lru_cache(maxsize=1)
def climate_rows() -> list[list[str]]:
    """Return the table of climates as text, without its header."""
    text = files("groundplan.engine.radio").joinpath("data", "itm_climates.csv")
    return list(csv.reader(text.read_text(encoding="utf-8").splitlines()))[1:]


def climate_names() -> tuple[str, ...]:
    """Return the names of climates 1 to 7.

    Examples
    --------
    >>> climate_names()[4]
    'continental temperate'
    """
    return tuple(row[1] for row in climate_rows())


@lru_cache(maxsize=1)
def climate_table() -> NDArray[np.float64]:
    """Return the coefficients of the climates, distances in m.

    Returns
    -------
    (7, 23) float64
        Three curves of five, share and limit of the tail, frequency factors below and above.
    """
    table = np.array([[float(x) for x in row[2 : 2 + COEFFICIENTS]] for row in climate_rows()])
    for curve in (MEDIAN, BELOW, ABOVE):
        table[:, curve + 2 : curve + 5] *= 1000.0
    table.setflags(write=False)
    return table


def normal_deviate(ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard normal deviate exceeded in the given share.

    The rational approximation 26.2.23 of Abramowitz and Stegun, within 4.5e-4, because the model
    is defined with it.

    Parameters
    ----------
    ratio : array
        In 0..1, ends excluded.

    Returns
    -------
    array
        Positive where the share is below one half.
    """
    tail = np.where(ratio > 0.5, 1.0 - ratio, ratio)
    t = np.sqrt(-2.0 * np.log(tail))
    top = (0.010328 * t + 0.802853) * t + 2.515516
    below = ((0.001308 * t + 0.189269) * t + 1.432788) * t + 1.0
    z = t - top / below
    return np.where(ratio > 0.5, -z, z)


@jit
def climate_curve(c, at, de):
    """Return one curve of a climate at the effective distance, dB.

    Parameters
    ----------
    c : (23,) float64
        Row of `climate_table`.
    at : int
        First of the curve's five coefficients.
    de : float
        m.
    """
    u = (de - c[at + 3]) / c[at + 4]
    v = de / c[at + 2]
    v *= v
    return (c[at] + c[at + 1] / (1.0 + u * u)) * v / (1.0 + v)


@jit
def frequency_factor(c, at, q):
    """Return the factor of the frequency on the spread in time.

    Parameters
    ----------
    c : (23,) float64
        Row of `climate_table`.
    at : int
        First of three coefficients.
    q : float
        ``ln(0.133 k)``.
    """
    u = c[at + 2] * q
    return c[at] + c[at + 1] / (u * u + 1.0)


@jit
def location_sigma(d, delta_h, k):
    """Return the spread among locations, dB.

    Parameters
    ----------
    d, delta_h : float
        Distance and terrain irregularity, m.
    k : float
        Wave number, 1/m.
    """
    rough = k * path_roughness(d, delta_h)
    return 10.0 * rough / (rough + 13.0)


@jit
def variability(reference, d, he_tx, he_rx, f, sigma_l, c, mdvar, z_time, z_place, z_case):
    """Return the attenuation exceeded with the asked shares, dB, and the largest deviate used.

    Parameters
    ----------
    reference : float
        Median attenuation relative to free space, dB.
    d, he_tx, he_rx : float
        Distance and effective heights, m.
    f : float
        MHz.
    sigma_l : float
        Spread among locations, dB.
    c : (23,) float64
        Row of `climate_table`.
    mdvar : int
        Mode 0 single message, 1 accidental, 2 mobile, 3 broadcast; + 10 without variability of
        location, + 20 without direct variability of situation.
    z_time, z_place, z_case : float
        Normal deviates of time, location and situation.

    Returns
    -------
    attenuation, deviate : float
    """
    k = f / 47.7
    spread = sqrt(2.0 * 9000e3 * he_tx) + sqrt(2.0 * 9000e3 * he_rx) + (575.7e12 / k) ** (1.0 / 3.0)
    de = 130e3 * d / spread if d < spread else 130e3 + d - spread
    mode = mdvar % 10
    sigma_s = 0.0 if mdvar >= 20 else 5.0 + 3.0 * exp(-de / 100e3)
    if (mdvar // 10) % 2 == 1:
        sigma_l = 0.0
    if mode == 0:
        z_time = z_case
        z_place = z_case
    elif mode == 1:
        z_place = z_case
    elif mode == 2:
        z_place = z_time
    deviate = max(abs(z_time), abs(z_place), abs(z_case))

    q = log(0.133 * k)
    if z_time < 0.0:
        sigma_t = climate_curve(c, BELOW, de) * frequency_factor(c, BELOW_F, q)
    else:
        sigma_t = climate_curve(c, ABOVE, de) * frequency_factor(c, ABOVE_F, q)
        if z_time > c[TAIL + 1]:
            tail = c[TAIL] * sigma_t
            sigma_t = tail + (sigma_t - tail) * c[TAIL + 1] / z_time
    y_time = sigma_t * z_time
    y_place = sigma_l * z_place
    z2 = z_case * z_case
    rest = sigma_s * sigma_s + y_time * y_time / (7.8 + z2) + y_place * y_place / (24.0 + z2)
    if mode == 0:
        shift = sqrt(sigma_t * sigma_t + sigma_l * sigma_l + rest) * z_case
    elif mode == 1:
        shift = y_time + sqrt(sigma_l * sigma_l + rest) * z_case
    elif mode == 2:
        shift = sqrt(sigma_t * sigma_t + sigma_l * sigma_l) * z_time + sqrt(rest) * z_case
    else:
        shift = y_time + y_place + sqrt(rest) * z_case
    loss = reference - climate_curve(c, MEDIAN, de) - shift
    if loss < 0.0:
        # gains over free space are kept small
        loss = loss * (29.0 - loss) / (29.0 - 10.0 * loss)
    return loss, deviate
