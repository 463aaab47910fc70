r"""Clutter loss of Recommendation ITU-R P.2108-1: three methods for a terminal among buildings.

* ``"height gain"`` (section 3.1): a correction at a terminal below the clutter's height R, added to
  a loss computed **to that height**. Suburban, urban, trees, dense urban: a knife edge with
  :math:`\nu = 0.342 \sqrt{f}\,\sqrt{h_{dif}\,\theta}`, where :math:`h_{dif} = R - h` and
  :math:`\theta = \arctan(h_{dif}/w_s)` in degrees, :math:`A = J(\nu) - 6.03`. Water and open land:
  :math:`A = -(21.8 + 6.2 \lg f) \lg(h/R)`.
* ``"terrestrial"`` (section 3.2): a distribution over locations for urban and suburban paths whose
  terminal is well below the roofs. Two parts, one that grows with frequency and one that grows with
  distance (no further than 2 km), are joined in power together with their spreads.
* ``"aeronautical"`` (section 3.3): a distribution over locations where the other end is a
  satellite or an aircraft.

Use one of them, once, and never on top of a model that holds clutter already: 38.901 without
sight, Hata, or P.1812 with clutter heights in its profile.

Left out: foliage (P.833), vehicles, and the choice of clutter from a map.

References
----------
Recommendation ITU-R P.2108-1 (2021), annex 1, section 3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from groundplan.engine.radio.arguments import above, between, finite, fit, plain

__all__ = ["CLUTTER_HEIGHT_M", "METHODS", "MODEL", "RANGES", "ClutterLoss", "clutter_loss"]

FloatArray = NDArray[np.float64]
MODEL = "ITU-R P.2108-1"
METHODS = ("height gain", "terrestrial", "aeronautical")
#: Other spellings of them: the section, and the Recommendation's own titles.
_SPELLINGS = {
    "31": "height gain",
    "heightgain": "height gain",
    "terminalheightgain": "height gain",
    "32": "terrestrial",
    "terrestrial": "terrestrial",
    "terrestrialstatistical": "terrestrial",
    "33": "aeronautical",
    "aeronautical": "aeronautical",
    "aeronauticalstatistical": "aeronautical",
}
#: Arguments that one method alone reads.
_OWN = {
    "height gain": ("terminal_height_m", "clutter", "clutter_height_m"),
    "terrestrial": ("distance_km",),
    "aeronautical": ("elevation_deg",),
}
#: Default heights of table 3, m.
CLUTTER_HEIGHT_M = {
    "water": 10.0,
    "open": 10.0,
    "suburban": 10.0,
    "urban": 15.0,
    "trees": 15.0,
    "dense urban": 20.0,
}
#: Kinds of clutter whose edge a ray does not have to pass.
FLAT = ("water", "open")
#: Width of streets where nothing is known, m (section 3.1).
STREET_WIDTH_M = 27.0
#: Ranges of each method; outside, ``valid`` is False. Heights and widths of 0 are outside.
RANGES = {
    "height gain": {"frequency_ghz": (0.03, 3.0)},
    "terrestrial": {"frequency_ghz": (0.5, 67.0), "distance_km": (0.25, np.inf)},
    "aeronautical": {"frequency_ghz": (10.0, 100.0), "elevation_deg": (0.0, 90.0)},
}


class ClutterLoss(NamedTuple):
    """Loss by the clutter around one terminal.

    Attributes
    ----------
    loss_db : float or array
        dB, to add to the loss without clutter; NaN where the formula has no value.
    sigma_db : float or array, or None
        Spread over locations, dB, which the percentage of locations already takes in; None where
        the Recommendation states none.
    valid : bool or array of bool
        False outside the ranges of the method (`RANGES`).
    """

    loss_db: Any
    sigma_db: Any
    valid: Any


def check_given(method: str, given: dict[str, Any]) -> None:
    """Refuse a call that lacks what its method needs, or gives what only another one reads."""
    own = _OWN[method]
    missing = [n for n in own if given[n] is None and n != "clutter_height_m"]
    if missing:
        raise ValueError(f"method {method!r} needs {' and '.join(missing)}")
    foreign = [n for n, value in given.items() if value is not None and n not in own]
    if foreign:
        raise ValueError(f"method {method!r} does not take {' and '.join(foreign)}")


def height_gain(
    f: FloatArray, h: FloatArray, clutter: Any, height: FloatArray | None, street: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the correction of section 3.1, dB, and whether all lengths are above 0.

    Parameters
    ----------
    f, h, street : array
        GHz, m, m.
    clutter : str or array of str
        Keys of `CLUTTER_HEIGHT_M`.
    height : array or None
        Height of the clutter, m.
    """
    kind = np.asarray(clutter)
    known = np.isin(kind, tuple(CLUTTER_HEIGHT_M))
    if not known.all():
        wrong = str(kind[~known].flat[0])
        raise ValueError(f"clutter must be one of {', '.join(CLUTTER_HEIGHT_M)}; got {wrong!r}")
    if height is None:
        height = np.select([kind == k for k in CLUTTER_HEIGHT_M], list(CLUTTER_HEIGHT_M.values()))
    below = np.maximum(height - h, 0.0)
    theta = np.degrees(np.arctan2(below, street))
    nu = 0.342 * np.sqrt(f) * np.sqrt(below * theta)
    # nu is never negative here, so the knife edge needs no lower branch
    edge = 6.9 + 20.0 * np.log10(np.sqrt((nu - 0.1) ** 2 + 1.0) + nu - 0.1) - 6.03
    is_sunk = (h > 0.0) & (height > 0.0)
    share = np.divide(h, height, out=np.full(np.broadcast(h, height).shape, np.nan), where=is_sunk)
    slope = -(21.8 + 6.2 * np.log10(f)) * np.log10(share)
    loss = np.where(np.isin(kind, FLAT), slope, edge)
    is_whole = (h > 0.0) & (height > 0.0) & (street > 0.0)
    return np.where(h >= height, 0.0, loss), is_whole


def terrestrial(f: FloatArray, d: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return loss and spread of section 3.2, dB.

    Parameters
    ----------
    f, d : array
        GHz, km.
    q : array
        Normal deviate exceeded in the share of locations.
    """
    told = []
    for km in (d, np.asarray(2.0)):
        long = -2.0 * np.log10(10.0 ** (-5.0 * np.log10(f) - 12.5) + 10.0**-16.5)
        short = 32.98 + 23.9 * np.log10(km) + 3.0 * np.log10(f)
        p_long, p_short = 10.0 ** (-0.2 * long), 10.0 ** (-0.2 * short)
        sigma = np.sqrt((16.0 * p_long + 36.0 * p_short) / (p_long + p_short))
        told.append((-5.0 * np.log10(p_long + p_short) - sigma * q, sigma))
    (loss, sigma), (most, sigma_most) = told
    return np.minimum(loss, most), np.where(loss <= most, sigma, sigma_most)


def aeronautical(f: FloatArray, theta: FloatArray, ratio: FloatArray) -> FloatArray:
    """Return the loss of section 3.3, dB; NaN where the elevation is beyond the formula.

    Parameters
    ----------
    f, theta : array
        GHz, degrees.
    ratio : array
        Share of locations.
    """
    # below the horizon (to -2.9 degrees) and above the zenith the cotangent can turn negative
    slope = np.tan(0.05 * (1.0 - theta / 90.0) + np.radians(theta))
    base = -93.0 * f**0.175 * np.log1p(-ratio) / slope
    with np.errstate(invalid="ignore"):
        grown = base ** (0.5 * (90.0 - theta) / 90.0)
    return np.asarray(grown - 1.0 + 0.6 * ndtri(ratio))


def clutter_loss(
    method: str,
    frequency_ghz: ArrayLike,
    *,
    terminal_height_m: ArrayLike | None = None,
    clutter: ArrayLike | None = None,
    clutter_height_m: ArrayLike | None = None,
    street_width_m: ArrayLike = STREET_WIDTH_M,
    distance_km: ArrayLike | None = None,
    elevation_deg: ArrayLike | None = None,
    location_percent: ArrayLike = 50.0,
) -> ClutterLoss:
    """Return the loss by the clutter around one terminal.

    Parameters
    ----------
    method : str
        ``"height gain"`` (needs `terminal_height_m` and `clutter`), ``"terrestrial"`` (needs
        `distance_km`) or ``"aeronautical"`` (needs `elevation_deg`); or the section, ``"3.1"``,
        ``"3.2"``, ``"3.3"``.
    frequency_ghz : float or array
        GHz, > 0; valid 0.03 to 3, 0.5 to 67, 10 to 100.
    terminal_height_m : float or array, optional
        Antenna above ground, m, >= 0; valid > 0. At or above the clutter the loss is 0.
    clutter : str or array of str, optional
        ``"water"``, ``"open"``, ``"suburban"``, ``"urban"``, ``"trees"`` or ``"dense urban"``.
    clutter_height_m : float or array, optional
        m, >= 0; valid > 0. By default that of the kind of clutter (`CLUTTER_HEIGHT_M`).
    street_width_m : float or array
        m, >= 0; valid > 0. 27 by default.
    distance_km : float or array, optional
        Length of the path, km, > 0; valid from 0.25. Beyond 2 km the loss grows no more. Add the
        loss at both ends only from 1 km on.
    elevation_deg : float or array, optional
        Angle under which the terminal sees the other end, degrees; valid 0 to 90.
    location_percent : float or array
        Locations in which the loss is not exceeded, > 0 and < 100; not used by ``"height gain"``,
        which gives the median.

    Returns
    -------
    ClutterLoss
        Broadcast from the arguments.

    Raises
    ------
    ValueError
        Where an argument is impossible, missing or another method's; it names argument and value.

    Examples
    --------
    >>> told = clutter_loss("terrestrial", 3.5, distance_km=1.0)
    >>> round(told.loss_db, 2), round(told.sigma_db, 2), told.valid
    (30.11, 4.3, True)
    >>> round(clutter_loss("height gain", 0.7, terminal_height_m=1.5, clutter="urban").loss_db, 2)
    21.48
    """
    if plain(method) not in _SPELLINGS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    method = _SPELLINGS[plain(method)]
    check_given(
        method,
        {
            "terminal_height_m": terminal_height_m,
            "clutter": clutter,
            "clutter_height_m": clutter_height_m,
            "distance_km": distance_km,
            "elevation_deg": elevation_deg,
        },
    )
    f = above("frequency_ghz", frequency_ghz, 0.0)
    percent = between("location_percent", location_percent, 0.0, 100.0)
    sigma: Any = None
    ranged = {"frequency_ghz": f}
    inside: Any = np.True_
    if method == "height gain":
        height = None
        if clutter_height_m is not None:
            height = above("clutter_height_m", clutter_height_m, 0.0, is_open=False)
        h = above("terminal_height_m", terminal_height_m, 0.0, is_open=False)
        street = above("street_width_m", street_width_m, 0.0, is_open=False)
        fit(
            frequency_ghz=f,
            terminal_height_m=h,
            clutter=clutter,
            clutter_height_m=0.0 if height is None else height,
            street_width_m=street,
        )
        loss, inside = height_gain(f, h, clutter, height, street)
    elif method == "terrestrial":
        d = ranged["distance_km"] = above("distance_km", distance_km, 0.0)
        fit(frequency_ghz=f, distance_km=d, location_percent=percent)
        loss, sigma = terrestrial(f, d, -ndtri(percent / 100.0))
    else:
        theta = ranged["elevation_deg"] = finite("elevation_deg", elevation_deg)
        fit(frequency_ghz=f, elevation_deg=theta, location_percent=percent)
        loss = aeronautical(f, theta, percent / 100.0)
    for name, value in ranged.items():
        low, high = RANGES[method][name]
        inside = inside & (value >= low) & (value <= high)
    if np.ndim(loss) == 0:
        return ClutterLoss(
            float(loss), None if sigma is None else float(sigma), bool(inside & np.isfinite(loss))
        )
    if sigma is not None:
        sigma = np.broadcast_to(sigma, loss.shape).copy()
    return ClutterLoss(loss, sigma, np.broadcast_to(inside, loss.shape) & np.isfinite(loss))
