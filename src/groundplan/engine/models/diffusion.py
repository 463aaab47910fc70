r"""Growth of a stock towards a ceiling: Bass and logistic curves, their fit and their forecast.

Bass: a share p of those who have not adopted does so by itself, a share q times the share of
adopters by imitation.

.. math::

    F(t) = \frac{1 - e^{-(p+q)t}}{1 + (q/p)\,e^{-(p+q)t}},\qquad
    N(t) = M\,F(t),\qquad t^* = \frac{\ln(q/p)}{p+q},\qquad N'(t^*) = \frac{M(p+q)^2}{4q}

Logistic: :math:`N(t) = L + (M - L)/(1 + e^{-k(t - t_m)})`.

A fit of a few published counts does not know the ceiling: many curves pass near the points. The
forecast therefore keeps all of them. A grid of curves is weighed by how well each explains the
points, and quantiles of the weighed curves, with the way counts stray from them, are the interval.

Counts do not scatter about a curve, they wander from it: a year above is followed by another. The
logarithm of count over curve is therefore taken as a random walk, its steps normal with a variance
in proportion to time and of unknown size (integrated out). A forecast starts at the last count and
its error grows with the time from there.

Left out: several generations that replace each other, price, seasons, revisions of the statistic.

References
----------
Bass, F. M. (1969), A new product growth for model consumer durables, Management Science 15,
215-227. Gelman et al. (2013), Bayesian Data Analysis, section 3.2 (error of unknown size).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.models.queue import _number

__all__ = ["Diffusion", "Forecast", "bass", "forecast", "logistic"]

FloatArray = NDArray[np.float64]
#: Points of the grid over ceiling and over speed.
CEILINGS, SPEEDS = 60, 60
#: Largest ceiling looked at, in units of the last count.
CEILING_MAX = 12.0
#: Error of a count that statistics of this kind have at least (rounding, changes of definition).
ERROR_MIN_RATIO = 0.01
#: Draws from the weighed curves.
DRAWS = 4000


class Diffusion(NamedTuple):
    """A growth curve at the times asked.

    Attributes
    ----------
    cumulative : float or array
        Stock at each time.
    rate : float or array
        Its growth per unit of time.
    peak_time, peak_rate : float or array
        When growth is largest, and how large it is then.
    """

    cumulative: Any
    rate: Any
    peak_time: Any
    peak_rate: Any


class Forecast(NamedTuple):
    """What a series of counts says about later ones.

    Attributes
    ----------
    central : (n,) float64
        Median.
    low, high : (n,) float64
        Ends of the interval that a further count falls into with the asked probability.
    level : float
    ceiling_central, ceiling_low, ceiling_high : float
        The same of the ceiling; a wide range says that the points do not know it.
    """

    central: FloatArray
    low: FloatArray
    high: FloatArray
    level: float
    ceiling_central: float
    ceiling_low: float
    ceiling_high: float


def _plain(*values: FloatArray) -> tuple[Any, ...]:
    """Return arrays of no dimension as floats."""
    return tuple(float(v) if np.ndim(v) == 0 else v for v in values)


def bass(t: ArrayLike, p: ArrayLike, q: ArrayLike, market: ArrayLike) -> Diffusion:
    """Return Bass diffusion.

    Parameters
    ----------
    t : float or array
        Time since launch, >= 0, in the unit of 1/p and 1/q.
    p, q : float or array
        Coefficients of innovation, > 0, and imitation, >= 0.
    market : float or array
        Ceiling, > 0.

    Returns
    -------
    Diffusion
        Where q <= p growth is largest at the launch.

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> round(bass(5, 0.03, 0.38, 1000).cumulative, 3)
    331.199
    """
    t = _number("t", t, least=0.0)
    p = _number("p", p, above=0.0)
    q = _number("q", q, least=0.0)
    market = _number("market", market, above=0.0)
    t, p, q, market = np.broadcast_arrays(t, p, q, market)
    fall = np.exp(-(p + q) * t)
    ratio = (1.0 - fall) / (1.0 + q / p * fall)
    rate = market * (p + q) ** 2 / p * fall / (1.0 + q / p * fall) ** 2
    late = q > p
    safe = np.where(late, q, 2.0 * p)
    peak_time = np.where(late, np.log(safe / p) / (p + safe), 0.0)
    peak_rate = np.where(late, market * (p + safe) ** 2 / (4.0 * safe), p * market)
    return Diffusion(*_plain(market * ratio, rate, peak_time, peak_rate))


def logistic(
    t: ArrayLike,
    market: ArrayLike,
    growth_rate: ArrayLike,
    midpoint: ArrayLike,
    *,
    floor: ArrayLike = 0.0,
) -> Diffusion:
    """Return logistic growth.

    Parameters
    ----------
    t : float or array
    market : float or array
        Ceiling, above `floor`.
    growth_rate : float or array
        Per unit of t, > 0.
    midpoint : float or array
        When half the way from floor to ceiling is made.
    floor : float or array

    Returns
    -------
    Diffusion

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.
    """
    t, midpoint = _number("t", t), _number("midpoint", midpoint)
    growth_rate = _number("growth_rate", growth_rate, above=0.0)
    floor, market = _number("floor", floor), _number("market", market)
    t, market, growth_rate, midpoint, floor = np.broadcast_arrays(
        t, market, growth_rate, midpoint, floor
    )
    if not (market > floor).all():
        bad = ~(market > floor)
        raise ValueError(f"market must be > floor; got {market[bad].ravel()[0]}")
    # the tangent form does not overflow
    share = 0.5 * (1.0 + np.tanh(0.5 * growth_rate * (t - midpoint)))
    rise = market - floor
    rate = rise * growth_rate * share * (1.0 - share)
    return Diffusion(*_plain(floor + rise * share, rate, midpoint.copy(), rise * growth_rate / 4.0))


def _tied(t: FloatArray, error: FloatArray, asked: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance (in units of time) of a random walk known at the times t.

    Beyond the ends it goes on from the last known value; between two it is a bridge.
    """
    right = np.clip(np.searchsorted(t, asked), 1, t.size - 1)
    before, after = t[right - 1], t[right]
    part = np.clip((asked - before) / (after - before), 0.0, 1.0)
    mean = error[:, right - 1] * (1.0 - part) + error[:, right] * part
    inside = part * (1.0 - part) * (after - before)
    outside = np.maximum(asked - t[-1], 0.0) + np.maximum(t[0] - asked, 0.0)
    return mean, inside + outside


def forecast(
    t: ArrayLike,
    value: ArrayLike,
    t_new: ArrayLike,
    *,
    level: float = 0.8,
    ceiling_max: float | None = None,
    seed: int = 0,
) -> Forecast:
    """Return where later counts of a growing stock lie, by logistic curves near the points.

    Curves have two numbers that the points must tell: ceiling and speed; for each pair the
    midpoint is fitted. Prior: ceiling even on a log scale from the last count to `ceiling_max`,
    speed even on a log scale over doubling times of 1/20 to 20 spans of the data. Counts wander
    from their curve by a random walk; between known counts it is tied at both ends.

    Parameters
    ----------
    t, value : (m,) array
        Times and counts > 0, at least 3, at two or more times; of several counts of one time the
        geometric mean is taken.
    t_new : (n,) array
        Times asked.
    level : float
        Probability of the interval, > 0 and < 1.
    ceiling_max : float, optional
        Largest ceiling thought possible (people, vehicles ...); default 12 times the last count.
    seed : int
        Of the draws.

    Returns
    -------
    Forecast

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.
    """
    t, value, t_new = _number("t", t), _number("value", value, above=0.0), _number("t_new", t_new)
    if t.ndim != 1 or t.shape != value.shape or t.size < 3 or np.ptp(t) <= 0:
        raise ValueError(f"t and value must be 3 or more points at several times; got {t.shape}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be > 0 and < 1; got {level}")
    t, inverse = np.unique(t, return_inverse=True)
    log = np.bincount(inverse, weights=np.log(value)) / np.bincount(inverse)
    value = np.exp(log)
    top = float(value.max())
    most = CEILING_MAX * top if ceiling_max is None else float(ceiling_max)
    if not most > top:
        raise ValueError(f"ceiling_max must be above the largest count, {top:g}; got {most:g}")
    span = float(np.ptp(t))
    # the largest count itself may lie above the ceiling by its error
    ceiling = np.geomspace(top * (1.0 + ERROR_MIN_RATIO), most, CEILINGS)
    speed = np.geomspace(0.05, 20.0, SPEEDS) * np.log(2.0) / span
    m, k = (a.ravel() for a in np.meshgrid(ceiling, speed, indexing="ij"))
    # midpoint from the log-odds of the points, weighed by how sharp each is
    odds = np.log(value[None, :] / (m[:, None] - value[None, :]))
    weight = np.square(1.0 - value[None, :] / m[:, None])
    mid = ((t[None, :] - odds / k[:, None]) * weight).sum(1) / weight.sum(1)
    curve = logistic(t[None, :], m[:, None], k[:, None], mid[:, None]).cumulative
    error = log[None, :] - np.log(np.maximum(curve, 1e-300))
    freedom = t.size - 1
    step = span / freedom
    spread = np.square(np.diff(error, axis=1)) @ (step / np.diff(t)) + freedom * ERROR_MIN_RATIO**2
    chance = -0.5 * freedom * np.log(spread / spread.min())
    share = np.exp(chance)
    share /= share.sum()
    rng = np.random.Generator(np.random.Philox(key=seed))
    drawn = rng.choice(m.size, DRAWS, p=share)
    sigma = np.sqrt(spread[drawn] / rng.chisquare(freedom, DRAWS))
    asked = t_new.ravel()
    told = logistic(asked[None, :], m[drawn, None], k[drawn, None], mid[drawn, None]).cumulative
    strayed, away = _tied(t, error[drawn], asked)
    stray = sigma[:, None] * np.sqrt(away / step) * rng.standard_normal(told.shape)
    stray += ERROR_MIN_RATIO * rng.standard_normal(told.shape)
    told = told * np.exp(strayed + stray)
    tail = 0.5 * (1.0 - level)
    low, central, high = np.quantile(told, [tail, 0.5, 1.0 - tail], axis=0)
    ceilings = np.quantile(m[drawn], [tail, 0.5, 1.0 - tail])
    return Forecast(
        central.reshape(t_new.shape),
        low.reshape(t_new.shape),
        high.reshape(t_new.shape),
        float(level),
        float(ceilings[1]),
        float(ceilings[0]),
        float(ceilings[2]),
    )
