r"""A queue over a day whose arrivals change: how many are present in each step, how long they wait.

Arrivals repeat every day at rates :math:`\lambda_g(t)`, constant within a step, of classes g that
stay :math:`S_g`. Without a limit on servers the mean number present is

.. math:: m(t) = \sum_g \int_{t-S_g}^{t} \lambda_g(u)\,du

which is piecewise linear; `day_load` gives its largest value in each step. Put in the place of the
offered load of a stationary queue (modified offered load),

.. math:: P(W > x) = C(c, m)\,e^{-(c - m)\,x/\bar S}

with Erlang's C and the mean stay :math:`\bar S`. Unlike a rate taken hour by hour this remembers
who came hours ago, so it holds for stays that are long beside a step.

Left out: those who leave unserved, and that a queue built up in one step is carried into the next
beyond what `m` remembers. Stays shorter in spread than exponential ones wait less than told.

References
----------
Jagerman, D. L. (1975), Nonstationary blocking in telephone traffic, Bell System Technical Journal
54, 625-661. Massey, W. A. and Whitt, W. (1994), An analysis of the modified offered-load
approximation for the nonstationary Erlang loss model, Annals of Applied Probability 4, 1145-1160.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.models.queue import _erlang_c, _number, size_servers

__all__ = ["DAY_H", "DayQueue", "day_load", "day_queue"]

FloatArray = NDArray[np.float64]
DAY_H = 24.0


class DayQueue(NamedTuple):
    """Servers of each queue and what is seen in each step of the day.

    Attributes
    ----------
    servers : (...) int64
        -1 where more than `servers_max` would be needed; 0 where nobody comes.
    load : (..., n_step) float64
        Most present at once in each step without waiting, Erlang.
    p_exceed : (..., n_step) float64
        Share that waits longer than the limit; NaN where `servers` is -1.
    """

    servers: NDArray[np.int64]
    load: FloatArray
    p_exceed: FloatArray


def day_load(arrivals_per_h: ArrayLike, stay_h: float) -> FloatArray:
    """Return the largest mean number present in each step of a day that repeats.

    Parameters
    ----------
    arrivals_per_h : (..., n_step) array
        Constant within each of the equal steps of 24 h, >= 0.
    stay_h : float
        0..24.

    Returns
    -------
    (..., n_step) float64

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> day_load([2.0, 0.0, 0.0, 0.0], 3.0)
    array([6., 6., 0., 0.])
    """
    rate = _number("arrivals_per_h", arrivals_per_h, least=0.0)
    if not 0.0 <= stay_h <= DAY_H:
        raise ValueError(f"stay_h must be >= 0 and <= {DAY_H:g}; got {stay_h}")
    n = rate.shape[-1]
    step_h = DAY_H / n
    # arrivals since a day before midnight, at every boundary up to the first of the next day
    came = np.zeros((*rate.shape[:-1], 2 * n + 2))
    twice = np.concatenate([rate, rate, rate[..., :1]], axis=-1) * step_h
    np.cumsum(twice, axis=-1, out=came[..., 1:])
    steps = stay_h / step_h
    whole = int(np.floor(steps + 1e-9))
    part = max(steps - whole, 0.0)
    at = np.arange(n, 2 * n + 1)
    before = (1.0 - part) * came[..., at - whole] + part * came[..., np.maximum(at - whole - 1, 0)]
    on_edge = came[..., at] - before
    # the other corners of the piecewise linear course: those who leave came at a boundary
    here = at[:-1]
    inside = (1.0 - part) * came[..., here] + part * came[..., here + 1] - came[..., here - whole]
    top = np.maximum(np.maximum(on_edge[..., :-1], on_edge[..., 1:]), inside)
    # differences of sums leave a trace where nobody is present
    return np.asarray(np.where(top > 1e-12 * came[..., -1:], top, 0.0))


def day_queue(
    arrivals_per_h: ArrayLike,
    stay_h: ArrayLike,
    limit_h: float,
    p_exceed_max: float,
    *,
    servers: ArrayLike | None = None,
    servers_max: ArrayLike | None = None,
) -> DayQueue:
    """Return the least servers that keep a waiting promise in every step, or what given ones do.

    Parameters
    ----------
    arrivals_per_h : (..., n_class, n_step) array
        Arrivals of each class in each equal step of a day, >= 0.
    stay_h : (n_class,) array
        How long one of a class holds a server, > 0 and <= 24.
    limit_h : float
        Wait that may be exceeded by few, >= 0.
    p_exceed_max : float
        How many may exceed it, > 0 and <= 1.
    servers : (...) array of int, optional
        Given servers, >= 0: nothing is sized then.
    servers_max : int or (...) array of int, optional
        Where more would be needed the result is -1 and NaN.

    Returns
    -------
    DayQueue

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> day_queue(np.full((1, 24), 6.0), [5 / 6], 1 / 6, 0.1).servers
    array(8)
    """
    rate = _number("arrivals_per_h", arrivals_per_h, least=0.0)
    stay = np.atleast_1d(_number("stay_h", stay_h, above=0.0))
    if rate.ndim < 2 or stay.shape != (rate.shape[-2],):
        raise ValueError(f"stay_h must have one value a class; got {stay.shape} for {rate.shape}")
    load = np.zeros((*rate.shape[:-2], rate.shape[-1]))
    for number, held_h in enumerate(stay):
        load += day_load(rate[..., number, :], float(held_h))
    total = rate.sum(axis=-1)
    summed = total.sum(axis=-1)
    mean_h = np.divide(total @ stay, summed, out=np.full(summed.shape, stay[0]), where=summed > 0)
    most = load.max(axis=-1)
    if servers is None:
        sized = size_servers(
            most / mean_h, 1.0 / mean_h, limit_h, p_exceed_max, servers_max=servers_max
        )
        count = np.where(most > 0, sized.servers, 0).astype(np.int64)
    else:
        given = _number("servers", servers, least=0.0)
        if (given != np.floor(given)).any():
            raise ValueError(f"servers must be whole; got {given[given != np.floor(given)][0]}")
        count = np.broadcast_to(given, most.shape).astype(np.int64)
    # one call for queues and steps alike; no server at all is one that is never free
    c = np.maximum(np.broadcast_to(count[..., None], load.shape), 1)
    spare = (c - load) * (limit_h / mean_h[..., None])
    exceed = np.where(load < c, _erlang_c(c, load) * np.exp(-np.maximum(spare, 0.0)), 1.0)
    none = (count == 0)[..., None]
    exceed = np.where(none, np.where(load > 0, 1.0, 0.0), exceed)
    exceed = np.where((count < 0)[..., None], np.nan, exceed)
    return DayQueue(count, load, exceed)
