r"""One feeder over a day that repeats, for thousands of feeders at once, in fluid form.

Instead of single sessions there are classes g: energy :math:`e_g(k)` arrives at the beginning of
step k and may be taken within the next :math:`w_g` steps of length h, at most the share
:math:`r_g` of it in any one step. Of a cohort whose window overlaps an interval in o steps at
least the share :math:`\max(0,\ 1 - r_g (w_g - o))` falls inside. Summed over cohorts that is
:math:`N(s, L)` for the interval of the L steps from s on, and no limit may be below

.. math:: P^* = \max_{s,\,L} \frac{N(s, L) + z \sqrt{V(s, L)}}{h L}

With z = 0 and no r this is the largest intensity of any interval (Yao, Demers and Shenker 1995)
and the exact least limit of the cohorts; with r it is a bound from below, as the set of steps that
binds need not be an interval (`smart_charging_peak` looks at all sets, for one feeder). With z the
energy of a cohort is a Poisson number of sessions of :math:`q_g` each, V is the variance of N, and
the limit holds in any one interval with the probability that belongs to z. A window of one step
cannot be shifted. Intervals up to a day and the longest window are enough: a longer one is a mean
of a shorter one and the whole day.

Left out: feeders in series, phases, discharging.

References
----------
Yao, F., Demers, A. and Shenker, S. (1995), A scheduling model for reduced CPU energy, FOCS,
374-382.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.models.daily_queue import DAY_H
from groundplan.engine.models.queue import _number

__all__ = ["FeederDay", "feeder_day", "feeder_peak", "uncontrolled_load"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Feeders that are worked on together, so that memory does not grow with their number.
CHUNK = 4096


class FeederDay(NamedTuple):
    """A day under a limit, served in the order of departure.

    Attributes
    ----------
    load_kw : (..., n_step) float64
        Mean load of each step.
    undelivered_kwh : (..., n_class) float64
        Of the energy that arrives in one day, by class.
    """

    load_kw: FloatArray
    undelivered_kwh: FloatArray


def _classes(energy_kwh: ArrayLike, window_steps: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Return checked energies, (n, n_class, n_step), and windows."""
    energy = _number("energy_kwh", energy_kwh, least=0.0)
    if energy.ndim < 2:
        raise ValueError(f"energy_kwh must be (..., n_class, n_step); got {energy.shape}")
    window = np.atleast_1d(np.asarray(window_steps))
    n_class, n_step = energy.shape[-2:]
    if window.shape != (n_class,) or window.dtype.kind not in "iu":
        raise ValueError(f"window_steps must be {n_class} whole numbers; got {window.tolist()}")
    if ((window < 1) | (window > n_step)).any():
        raise ValueError(f"window_steps must be >= 1 and <= {n_step}; got {window.tolist()}")
    return energy.reshape(-1, n_class, n_step), window.astype(np.int64)


def feeder_peak(
    energy_kwh: ArrayLike,
    window_steps: ArrayLike,
    *,
    step_ratio: ArrayLike | None = None,
    spread_kwh: ArrayLike = 0.0,
    margin: float = 0.0,
) -> FloatArray:
    """Return the least limit under which every class gets its energy within its window.

    Parameters
    ----------
    energy_kwh : (..., n_class, n_step) array
        Energy that arrives at the beginning of each equal step of a day, >= 0.
    window_steps : (n_class,) array of int
        Steps within which it may be taken, 1 .. n_step.
    step_ratio : (n_class,) array, optional
        Largest share of its energy that a car takes in one step; without it there is no limit for
        each car.
    spread_kwh : float or (..., n_class) array
        Energy of one session, for the margin.
    margin : float
        Standard deviations above the mean, >= 0; 0 is the mean day.

    Returns
    -------
    (...) float64
        kW.

    Raises
    ------
    ValueError
        Where an argument is impossible, or a class cannot take its energy within its window; it
        names argument and value.

    Examples
    --------
    >>> day = np.zeros((1, 24))
    >>> day[0, 18] = 30.0
    >>> float(feeder_peak(day, [10])), float(feeder_peak(day, [1]))
    (3.0, 30.0)
    """
    shape = np.shape(energy_kwh)[:-2]
    energy, window = _classes(energy_kwh, window_steps)
    spread = _number("spread_kwh", spread_kwh, least=0.0)
    if not margin >= 0.0:
        raise ValueError(f"margin must be >= 0; got {margin}")
    n, n_class, _ = energy.shape
    ratio = np.ones(n_class)
    if step_ratio is not None:
        ratio = np.broadcast_to(_number("step_ratio", step_ratio, above=0.0), (n_class,))
        lacks = ratio * window < 1.0 - 1e-9
        if lacks.any():
            g = int(np.flatnonzero(lacks)[0])
            raise ValueError(
                f"step_ratio must be >= 1 over the window, {1.0 / window[g]:g}; got {ratio[g]:g}"
            )
    wide = np.broadcast_to(spread, (*shape, n_class)).reshape(n, n_class)
    parts = [
        _peak(
            energy[at : at + CHUNK], window, np.minimum(ratio, 1.0), wide[at : at + CHUNK], margin
        )
        for at in range(0, n, CHUNK)
    ]
    return np.asarray(np.concatenate(parts).reshape(shape)) if parts else np.zeros(shape)


def _peak(
    energy: FloatArray, window: IntArray, ratio: FloatArray, spread: FloatArray, margin: float
) -> FloatArray:
    """Return the largest intensity of each of a chunk of feeders."""
    n, n_class, n_step = energy.shape
    step_h = DAY_H / n_step
    longest = n_step + int(window.max(initial=1))
    # a day before, for cohorts that came earlier, and as many as the longest interval reaches
    days = 1 + -(-(n_step + longest) // n_step)
    came = np.zeros((n_class, n, days * n_step + 1))
    for g in range(n_class):
        np.cumsum(np.tile(energy[:, g], days), axis=-1, out=came[g, :, 1:])
    # an interval without end takes the day's mean
    best = energy.sum(axis=(1, 2)) / DAY_H
    for length in range(1, longest + 1):
        inside = np.zeros((n, n_step))
        varied = np.zeros((n, n_step))
        for g in range(n_class):
            for first, last, weight in _overlaps(length, int(window[g]), float(ratio[g])):
                at = n_step + first
                part = came[g, :, at + last - first : at + last - first + n_step]
                part = weight * (part - came[g, :, at : at + n_step])
                inside += part
                if margin > 0.0:
                    varied += (weight * spread[:, g, None]) * part
        if margin > 0.0:
            inside += margin * np.sqrt(np.maximum(varied, 0.0))
        np.maximum(best, inside.max(axis=1) / (step_h * length), out=best)
    return np.asarray(best)


def _overlaps(length: int, window: int, ratio: float) -> list[tuple[int, int, float]]:
    """Return runs of cohorts, by arrival before an interval's first step, and what must be inside.

    Each is (first, last, share): cohorts that arrive in steps first .. last - 1, counted from the
    beginning of the interval, take at least that share of their energy inside it.
    """
    runs: list[tuple[int, int, float]] = []
    for arrival in range(1 - window, length):
        overlap = min(arrival + window, length) - max(arrival, 0)
        share = 1.0 - ratio * (window - overlap)
        if share <= 0.0:
            continue
        if runs and runs[-1][1] == arrival and runs[-1][2] == share:
            runs[-1] = (runs[-1][0], arrival + 1, share)
        else:
            runs.append((arrival, arrival + 1, share))
    return runs


def uncontrolled_load(
    energy_kwh: ArrayLike, session_kwh: ArrayLike, car_kw: ArrayLike
) -> FloatArray:
    """Return the energy of each class in each step if every car charges at its power on arrival.

    Parameters
    ----------
    energy_kwh : (..., n_class, n_step) array
        As `feeder_peak`.
    session_kwh, car_kw : (n_class,) array
        Energy of one session and power of one car, > 0.

    Returns
    -------
    (..., n_class, n_step) float64
        kWh taken in each step.
    """
    n_step = np.shape(energy_kwh)[-1]
    window = np.ones(np.shape(energy_kwh)[-2], np.int64)
    energy, _ = _classes(energy_kwh, window)
    session, car = _cars(session_kwh, car_kw, energy.shape[1])
    load = np.zeros_like(energy)
    step_h = DAY_H / n_step
    for g in range(energy.shape[1]):
        share = min(1.0, float(car[g] * step_h / session[g]))
        left, later = 1.0, 0
        while left > 1e-12:
            load[:, g] += min(share, left) * np.roll(energy[:, g], later, axis=-1)
            left -= share
            later += 1
    return np.asarray(load.reshape(np.shape(energy_kwh)))


def _cars(session_kwh: ArrayLike, car_kw: ArrayLike, n_class: int) -> tuple[FloatArray, FloatArray]:
    """Return checked energy and power of one car of each class."""
    session = np.broadcast_to(_number("session_kwh", session_kwh, above=0.0), (n_class,))
    car = np.broadcast_to(_number("car_kw", car_kw, above=0.0), (n_class,))
    return session, car


def feeder_day(
    energy_kwh: ArrayLike,
    window_steps: ArrayLike,
    session_kwh: ArrayLike,
    car_kw: ArrayLike,
    limit_kw: ArrayLike,
) -> FeederDay:
    """Return load and what is not delivered under a limit, first to leave first served.

    Parameters
    ----------
    energy_kwh, window_steps
        As `feeder_peak`.
    session_kwh, car_kw : (n_class,) array
        Energy of one session and power of one car, > 0. A class whose window is one step takes
        its energy in that step whatever the power.
    limit_kw : float or (...) array
        Of each feeder, >= 0.

    Returns
    -------
    FeederDay
        Of a day in the middle of days that are all alike.

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> day = np.zeros((1, 24))
    >>> day[0, 18] = 30.0
    >>> float(feeder_day(day, [10], [30.0], [7.0], 2.0).undelivered_kwh[0])
    10.0
    """
    shape = np.shape(energy_kwh)[:-2]
    energy, window = _classes(energy_kwh, window_steps)
    n, n_class, n_step = energy.shape
    session, car = _cars(session_kwh, car_kw, n_class)
    limit = np.broadcast_to(_number("limit_kw", limit_kw, least=0.0), shape).reshape(n)
    step_h = DAY_H / n_step
    share = np.where(window == 1, 1.0, np.minimum(car * step_h / session, 1.0))
    load = np.zeros((n, n_step))
    undelivered = np.zeros((n, n_class))
    left: dict[tuple[int, int], FloatArray] = {}
    # the first day fills the feeder, the second is counted, the third is there to compete
    for t in range(3 * n_step):
        for g in range(n_class):
            left[g, t] = energy[:, g, t % n_step].copy()
        room = limit * step_h
        for g, k in sorted(left, key=lambda c: (c[1] + window[c[0]], c[0])):
            took = np.minimum(np.minimum(left[g, k], share[g] * energy[:, g, k % n_step]), room)
            left[g, k] -= took
            room = room - took
            if n_step <= t < 2 * n_step:
                load[:, t - n_step] += took / step_h
        for g in range(n_class):
            k = t + 1 - int(window[g])
            if k >= 0:
                rest = left.pop((g, k))
                if n_step <= k < 2 * n_step:
                    undelivered[:, g] += rest
    return FeederDay(load.reshape(*shape, n_step), undelivered.reshape(*shape, n_class))
