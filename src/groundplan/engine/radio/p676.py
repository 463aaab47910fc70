r"""Attenuation by atmospheric gases of Recommendation ITU-R P.676, line by line (annex 1).

With ``f`` GHz, ``p`` the pressure of dry air and ``e`` that of water vapour, hPa, ``T`` K,
:math:`\theta = 300/T` and :math:`e = \rho T / 216.7`, the specific attenuation is

.. math:: \gamma = 0.1820 f \Big(\sum_i S_i F_i + N''_D\Big)

over 44 lines of oxygen, the dry continuum :math:`N''_D`, and 35 lines of water vapour. Strength S,
shape F, width and interference are equations 3 to 9 of the Recommendation. The line tables stand in
``data/p676_oxygen_lines.csv`` and ``data/p676_water_lines.csv``; they and the method are the same
in editions 12 and 13, which differ in the slant path (annexes 1 and 2) only.

Left out: slant paths, the approximate equivalent heights, dispersion, and the maps of climate: the
air is given and is the same along the path.

References
----------
Recommendation ITU-R P.676-12 (2019) and P.676-13 (2022), annex 1, section 1, tables 1 and 2.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.radio.arguments import above, fit

__all__ = ["EDITIONS", "RANGES", "GasLoss", "gas_attenuation", "specific_attenuation"]

FloatArray = NDArray[np.float64]
EDITIONS = (12, 13)
#: Range of the line-by-line method; outside, ``valid`` is False.
RANGES = {"frequency_ghz": (1.0, 1000.0)}


class GasLoss(NamedTuple):
    """Attenuation by gases along a path through even air.

    Attributes
    ----------
    loss_db : float or array
        Along the path, dB.
    oxygen_db_per_km, water_db_per_km : float or array
        Specific attenuation of dry air and of water vapour, dB/km.
    valid : bool or array of bool
        False outside the Recommendation's range of frequency (`RANGES`).
    """

    loss_db: Any
    oxygen_db_per_km: Any
    water_db_per_km: Any
    valid: Any


@lru_cache(maxsize=4)
def lines(gas: str, edition: int) -> FloatArray:
    """Return the spectral lines of a gas: frequency in GHz and six coefficients.

    Parameters
    ----------
    gas : str
        ``"oxygen"`` or ``"water"``.
    edition : int
        Of the Recommendation.

    Returns
    -------
    (n_line, 7) float64
    """
    place = files("groundplan.engine.radio").joinpath("data", f"p676_{gas}_lines.csv")
    rows = csv.reader(place.read_text(encoding="utf-8").splitlines())
    header = next(rows)
    at = header.index("editions")
    table = np.array([[float(x) for x in row[:7]] for row in rows if str(edition) in row[at]])
    table.setflags(write=False)
    return table


def oxygen(f: FloatArray, p: FloatArray, e: FloatArray, theta: FloatArray, edition: int) -> Any:
    """Return the imaginary refractivity of dry air, N-units (equations 2 to 9).

    Parameters
    ----------
    f, p, e, theta : array
        GHz; dry pressure and vapour pressure, hPa; 300 / T.
    edition : int
        Of the Recommendation.
    """
    total = np.zeros(np.broadcast_shapes(f.shape, p.shape, e.shape, theta.shape))
    warm = theta**0.8
    for f0, a1, a2, a3, a4, a5, a6 in lines("oxygen", edition):
        strength = a1 * 1e-7 * p * theta**3 * np.exp(a2 * (1.0 - theta))
        width = a3 * 1e-4 * (p * theta ** (0.8 - a4) + 1.1 * e * theta)
        # Zeeman splitting
        width = np.sqrt(width**2 + 2.25e-6)
        mixing = (a5 + a6 * theta) * 1e-4 * (p + e) * warm
        below, above = f0 - f, f0 + f
        shape = (width - mixing * below) / (below**2 + width**2)
        shape += (width - mixing * above) / (above**2 + width**2)
        total += strength * shape * f / f0
    d = 5.6e-4 * (p + e) * warm
    debye = 6.14e-5 / (d * (1.0 + (f / d) ** 2))
    nitrogen = 1.4e-12 * p * theta**1.5 / (1.0 + 1.9e-5 * f**1.5)
    return total + f * p * theta**2 * (debye + nitrogen)


def water(f: FloatArray, p: FloatArray, e: FloatArray, theta: FloatArray, edition: int) -> Any:
    """Return the imaginary refractivity of water vapour, N-units; arguments as for `oxygen`."""
    total = np.zeros(np.broadcast_shapes(f.shape, p.shape, e.shape, theta.shape))
    for f0, b1, b2, b3, b4, b5, b6 in lines("water", edition):
        strength = b1 * 1e-1 * e * theta**3.5 * np.exp(b2 * (1.0 - theta))
        width = b3 * 1e-4 * (p * theta**b4 + b5 * e * theta**b6)
        # Doppler broadening
        width = 0.535 * width + np.sqrt(0.217 * width**2 + 2.1316e-12 * f0**2 / theta)
        below, above = f0 - f, f0 + f
        shape = width / (below**2 + width**2) + width / (above**2 + width**2)
        total += strength * shape * f / f0
    return total


def specific_attenuation(
    frequency_ghz: ArrayLike,
    *,
    dry_pressure_hpa: ArrayLike = 1013.25,
    temperature_k: ArrayLike = 288.15,
    water_vapour_g_per_m3: ArrayLike = 7.5,
    edition: int = 13,
) -> tuple[Any, Any]:
    """Return the specific attenuation of dry air and of water vapour, dB/km.

    Parameters
    ----------
    frequency_ghz, dry_pressure_hpa, temperature_k, water_vapour_g_per_m3, edition
        As for `gas_attenuation`.

    Returns
    -------
    oxygen_db_per_km, water_db_per_km : float or array
        Broadcast from the arguments.

    Examples
    --------
    >>> dry, wet = specific_attenuation(60.0)
    >>> round(dry, 3), round(wet, 4)
    (14.623, 0.1548)
    """
    if edition not in EDITIONS:
        raise ValueError(f"edition must be one of {EDITIONS}; got {edition!r}")
    f = above("frequency_ghz", frequency_ghz, 0.0)
    p = above("dry_pressure_hpa", dry_pressure_hpa, 0.0)
    t = above("temperature_k", temperature_k, 0.0)
    rho = above("water_vapour_g_per_m3", water_vapour_g_per_m3, 0.0, is_open=False)
    fit(frequency_ghz=f, dry_pressure_hpa=p, temperature_k=t, water_vapour_g_per_m3=rho)
    theta = 300.0 / t
    e = rho * t / 216.7
    dry = 0.1820 * f * oxygen(f, p, e, theta, edition)
    wet = 0.1820 * f * water(f, p, e, theta, edition)
    if np.ndim(dry) == 0:
        return float(dry), float(wet)
    return dry, wet


def gas_attenuation(
    distance_km: ArrayLike,
    frequency_ghz: ArrayLike,
    *,
    dry_pressure_hpa: ArrayLike = 1013.25,
    temperature_k: ArrayLike = 288.15,
    water_vapour_g_per_m3: ArrayLike = 7.5,
    edition: int = 13,
) -> GasLoss:
    """Return the attenuation by gases along a horizontal path through even air.

    Parameters
    ----------
    distance_km : float or array
        km, >= 0.
    frequency_ghz : float or array
        GHz, > 0; valid 1 to 1000.
    dry_pressure_hpa : float or array
        Of dry air, hPa, > 0: the barometer's reading less the vapour's, ``rho T / 216.7``. The
        default is that of the Recommendation's figure 1.
    temperature_k : float or array
        K, > 0; 15 degrees Celsius by default, as in figure 1.
    water_vapour_g_per_m3 : float or array
        Density, g/m3, >= 0; 7.5 by default, as in figure 1.
    edition : int
        Of the Recommendation, 12 or 13: the same numbers on this path.

    Returns
    -------
    GasLoss
        Broadcast from the arguments.

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> told = gas_attenuation(10.0, 3.5)
    >>> round(told.loss_db, 3), told.valid
    (0.078, True)
    """
    d = above("distance_km", distance_km, 0.0, is_open=False)
    dry, wet = specific_attenuation(
        frequency_ghz,
        dry_pressure_hpa=dry_pressure_hpa,
        temperature_k=temperature_k,
        water_vapour_g_per_m3=water_vapour_g_per_m3,
        edition=edition,
    )
    low, high = RANGES["frequency_ghz"]
    f = np.asarray(frequency_ghz, dtype=np.float64)
    inside = (f >= low) & (f <= high)
    fit(distance_km=d, frequency_ghz=f, air=dry)
    loss = np.asarray((dry + wet) * d)
    if loss.ndim == 0:
        return GasLoss(float(loss), dry, wet, bool(inside))
    full = [np.broadcast_to(x, loss.shape).copy() for x in (dry, wet, inside)]
    return GasLoss(loss, *full)
