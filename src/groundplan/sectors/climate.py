"""Free cooling and PUE from the climate: hours in which the weather does the compressors' work.

A cooling tower brings water near the *wet bulb*. At or below `full_degc` the compressors stand
still, above `partial_degc` they do all of the work, between the two they share it in proportion.
A dry cooler follows the dry bulb in the same way. The same functions take an hourly series of one's
own and the model of monthly normals that stands in for it.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.sectors.contract import Settings

__all__ = ["free_hours", "free_ratio", "normal_year", "pue_of", "wet_bulb_degc"]

FloatArray = NDArray[np.float64]

#: Days of each month; a leap day is left out.
DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
#: Equally likely hours by which a month's spread is represented.
PER_MONTH = 48


def wet_bulb_degc(dry_bulb_degc: ArrayLike, humidity_ratio: ArrayLike) -> FloatArray:
    """Return the wet-bulb temperature at sea-level pressure.

    Parameters
    ----------
    dry_bulb_degc : array_like
        -20..50 degree C.
    humidity_ratio : array_like
        Relative humidity, 0.05..0.99.

    Notes
    -----
    Fit of Stull (2011): within -1.0 to +0.65 K, mean absolute error 0.3 K, at 1013.25 hPa; cold
    and dry corners of the range are worst. Height is left out.

    References
    ----------
    Stull, R. (2011). Wet-bulb temperature from relative humidity and air temperature. Journal of
    Applied Meteorology and Climatology 50, 2267-2269. doi:10.1175/JAMC-D-11-0143.1

    Examples
    --------
    >>> round(float(wet_bulb_degc(20.0, 0.5)), 1)
    13.7
    """
    t = np.asarray(dry_bulb_degc, np.float64)
    percent = 100.0 * np.asarray(humidity_ratio, np.float64)
    return np.asarray(
        t * np.arctan(0.151977 * np.sqrt(percent + 8.313659))
        + np.arctan(t + percent)
        - np.arctan(percent - 1.676331)
        + 0.00391838 * percent**1.5 * np.arctan(0.023101 * percent)
        - 4.686035
    )


def free_ratio(wet_bulb: ArrayLike, full_degc: float, partial_degc: float) -> FloatArray:
    """Return which share of the compressors' work the weather does at each wet bulb, 0..1.

    Examples
    --------
    >>> free_ratio([5.0, 12.0, 15.0, 20.0], 12.0, 18.0).tolist()
    [1.0, 1.0, 0.5, 0.0]
    """
    above = partial_degc - np.asarray(wet_bulb, np.float64)
    return np.asarray(np.clip(above / max(partial_degc - full_degc, 1e-9), 0.0, 1.0))


def free_hours(outdoor_degc: ArrayLike, full_degc: float, partial_degc: float) -> float:
    """Return the hours a year free of compressors, from an hourly series of one year or more.

    Hours of partial free cooling count by their share. The result is what the setting
    ``free_cooling_h`` of the racks takes.

    Parameters
    ----------
    outdoor_degc : (n_hour,) array_like
        What the cooler meets: the wet bulb of a tower (`wet_bulb_degc` of dry bulb and humidity),
        the dry bulb of a dry cooler.
    full_degc, partial_degc : float
        As in `free_ratio`.

    Raises
    ------
    ValueError
        Where the series is not one row of finite numbers.

    Examples
    --------
    >>> free_hours(wet_bulb_degc(np.full(8760, 5.0), 0.6), 12.0, 18.0)
    8760.0
    """
    met = np.asarray(outdoor_degc, np.float64)
    if met.ndim != 1 or not met.size or not np.isfinite(met).all():
        raise ValueError("the series must be one row of finite numbers, an hour each")
    return float(8760.0 * free_ratio(met, full_degc, partial_degc).mean())


def normal_year(settings: Settings) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a modelled year: dry bulb, relative humidity, and the hours each pair stands for.

    Monthly means swing as a cosine about the yearly mean, July warmest; within a month the hours
    are spread normally. Humidity is the month's mean in every hour.

    Returns
    -------
    dry_bulb_degc, humidity_ratio, hours : (12 * PER_MONTH,) float64
        Hours add up to 8,760.
    """
    season = np.cos(2 * np.pi * (np.arange(12) - 6) / 12)
    mean = settings["dry_bulb_mean_degc"] + 0.5 * settings["dry_bulb_swing_degc"] * season
    summer, winter = settings["humidity_summer_ratio"], settings["humidity_winter_ratio"]
    humidity = 0.5 * (summer + winter) + 0.5 * (summer - winter) * season
    normal = NormalDist()
    spread = np.array([normal.inv_cdf((k + 0.5) / PER_MONTH) for k in range(PER_MONTH)])
    dry = (mean[:, None] + settings["dry_bulb_spread_degc"] * spread).ravel()
    hours = np.repeat(24.0 * DAYS / PER_MONTH, PER_MONTH)
    return dry, np.repeat(humidity, PER_MONTH), hours


def pue_of(
    north_m: FloatArray, settings: Settings, extra_ratio: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean PUE, PUE of the hottest hours, and hours of free cooling at each site.

    ``PUE = 1 + power chain + fans and pumps + compressors * (1 - free share) + extra``.

    Parameters
    ----------
    north_m : (n,) float64
        How far north of the region's middle each site lies.
    settings : mapping
        Those of the racks; ``free_cooling_h`` > 0 takes the place of the modelled year.
    extra_ratio : (n,) float64
        What a hall adds that has no tower of its own; it cools freely none of the time.

    Returns
    -------
    pue, peak_pue, free_cooling_h : (n,) float64
    """
    if settings["free_cooling_h"] > 0:
        free = np.full(north_m.shape, settings["free_cooling_h"] / 8760.0)
    else:
        dry, humidity, hours = normal_year(settings)
        shift = settings["dry_bulb_north_degc"] * north_m / 1e5
        wet = wet_bulb_degc(dry + shift[:, None], humidity)
        share = free_ratio(wet, settings["free_full_degc"], settings["free_partial_degc"])
        free = (share * hours).sum(axis=1) / hours.sum()
    free = np.where(extra_ratio > 0, 0.0, free)
    base = 1.0 + settings["power_chain_ratio"] + settings["fans_ratio"] + extra_ratio
    peak = base + settings["compressor_ratio"]
    return base + settings["compressor_ratio"] * (1.0 - free), peak, 8760.0 * free
