r"""Queues with Poisson arrivals and several equal servers: Erlang C and what follows from it.

Symbols: arrival rate :math:`\lambda`, service rate of one server :math:`\mu`, servers :math:`c`,
offered load :math:`a = \lambda/\mu` (Erlang), use :math:`\rho = a/c`.

.. math::

    B_0 = 1,\quad B_k = \frac{a B_{k-1}}{k + a B_{k-1}},\qquad
    C = \frac{B_c}{1 - \rho\,(1 - B_c)}

The recursion has neither factorials nor powers, so it holds for any load. Waiting times follow as
:math:`W_q = C/(c\mu - \lambda)` and :math:`P(W > t) = C\,e^{-(c\mu - \lambda)t}`.

Left out: limited waiting room, impatience, rates that change with time, and priorities.

References
----------
Erlang, A. K. (1917), Solution of some problems in the theory of probabilities of significance in
automatic telephone exchanges. Cooper, R. B. (1981), Introduction to Queueing Theory, chapter 3.
Allen, A. O. (1990), Probability, Statistics, and Queueing Theory, section 5.3 (the
Allen-Cunneen approximation).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Sizing", "Waiting", "erlang_c", "size_servers", "waiting_time"]

FloatArray = NDArray[np.float64]


class Waiting(NamedTuple):
    """What customers of a queue see; arrays broadcast from the arguments, scalars for scalars.

    Attributes
    ----------
    p_wait : float or array
        Share of customers that must wait at all; that of Erlang C also where arrivals or services
        are not Poisson, a few per cent off with several servers.
    wait_h : float or array
        Mean wait before service, hours; inf where the queue has no steady state.
    queue_length : float or array
        Mean number waiting; inf where the queue has no steady state.
    p_exceed : float or array
        Share of customers that wait longer than the limit; NaN where arrivals or services are
        not Poisson, because no closed form holds there.
    """

    p_wait: Any
    wait_h: Any
    queue_length: Any
    p_exceed: Any


class Sizing(NamedTuple):
    """Least number of servers and the share of customers that then wait too long.

    Attributes
    ----------
    servers : int or array of int64
        -1 where more than `servers_max` would be needed.
    p_exceed : float or array
        Share that waits longer than the limit; NaN where `servers` is -1.
    """

    servers: Any
    p_exceed: Any


def _refuse(name: str, value: NDArray[Any], bad: NDArray[np.bool_], must: str) -> None:
    """Raise where any element is bad, naming the argument and the first bad value."""
    if bad.any():
        first = value[bad].ravel()[0]
        raise ValueError(f"{name} must be {must}; got {first}")


def _number(
    name: str, value: ArrayLike, *, above: float | None = None, least: float | None = None
) -> FloatArray:
    """Return `value` as float64 after checking that it is finite and inside its bound."""
    array = np.asarray(value, dtype=np.float64)
    _refuse(name, array, ~np.isfinite(array), "finite")
    if above is not None:
        _refuse(name, array, ~(array > above), f"> {above:g}")
    if least is not None:
        _refuse(name, array, ~(array >= least), f">= {least:g}")
    return array


def _servers(value: ArrayLike) -> NDArray[np.int64]:
    raw = np.asarray(value, dtype=np.float64)
    _refuse("servers", raw, ~np.isfinite(raw) | (raw != np.floor(raw)), "a whole number")
    _refuse("servers", raw, ~(raw >= 1), ">= 1")
    return raw.astype(np.int64)


def _plain(value: NDArray[Any]) -> Any:
    """Return a Python number for a scalar, the array otherwise."""
    return value.item() if np.ndim(value) == 0 else value


def _erlang_c(servers: NDArray[np.int64], load: FloatArray) -> FloatArray:
    """Return P(wait) for equal-shaped arrays; 1 where the load meets or exceeds the servers."""
    shape = servers.shape
    c, a = servers.ravel(), load.ravel()
    blocked = np.ones(a.shape)
    # rows in ascending order of servers: those that are done leave from the front
    order = np.argsort(c, kind="stable")
    c_sorted, a_sorted = c[order], a[order]
    b = np.ones(a.shape)
    first = 0
    for k in range(1, int(c_sorted[-1]) + 1 if c.size else 1):
        live = slice(first, None)
        carried = a_sorted[live] * b[live]
        b[live] = carried / (k + carried)
        first = int(np.searchsorted(c_sorted, k, side="right"))
    blocked[order] = b
    rho = a / c
    stable = rho < 1.0
    result = np.ones(a.shape)
    result[stable] = blocked[stable] / (1.0 - rho[stable] * (1.0 - blocked[stable]))
    return result.reshape(shape)


def erlang_c(servers: ArrayLike, offered_load: ArrayLike) -> Any:
    """Return the probability that a customer must wait (Erlang C).

    Parameters
    ----------
    servers : int or array of int
        Servers, >= 1.
    offered_load : float or array
        Arrival rate over the service rate of one server, Erlang, >= 0.

    Returns
    -------
    float or array
        1.0 where the load meets or exceeds the servers: the queue then grows without end.

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> round(erlang_c(5, 4.0), 12)
    0.554112554113
    """
    c = _servers(servers)
    a = _number("offered_load", offered_load, least=0.0)
    c, a = np.broadcast_arrays(c, a)
    return _plain(_erlang_c(c, a))


def waiting_time(
    servers: ArrayLike,
    arrivals_per_h: ArrayLike,
    services_per_h: ArrayLike,
    limit_h: ArrayLike = 0.0,
    *,
    scv_arrival: ArrayLike = 1.0,
    scv_service: ArrayLike = 1.0,
) -> Waiting:
    """Return waiting probability, mean wait, queue length and the share that waits too long.

    Parameters
    ----------
    servers : int or array of int
        Servers, >= 1.
    arrivals_per_h : float or array
        Arrivals per hour, >= 0.
    services_per_h : float or array
        What one server finishes per hour, > 0.
    limit_h : float or array
        Wait that `p_exceed` is about, hours, >= 0.
    scv_arrival, scv_service : float or array
        Squared coefficients of variation of the times between arrivals and of service; 1 is
        Poisson. Other values scale the mean wait by their mean (Allen-Cunneen), an approximation
        that is exact for M/M/c and M/G/1; `p_exceed` is then NaN.

    Returns
    -------
    Waiting

    Examples
    --------
    >>> w = waiting_time(2, 3, 2, 1 / 6)
    >>> round(w.wait_h, 6), round(w.p_exceed, 6)
    (0.642857, 0.544167)
    """
    c = _servers(servers)
    arrivals = _number("arrivals_per_h", arrivals_per_h, least=0.0)
    services = _number("services_per_h", services_per_h, above=0.0)
    limit = _number("limit_h", limit_h, least=0.0)
    scv_a = _number("scv_arrival", scv_arrival, least=0.0)
    scv_s = _number("scv_service", scv_service, least=0.0)
    c, arrivals, services, limit, scv_a, scv_s = np.broadcast_arrays(
        c, arrivals, services, limit, scv_a, scv_s
    )
    p_wait = _erlang_c(c, arrivals / services)
    spare = c * services - arrivals
    stable = spare > 0.0
    spare = np.where(stable, spare, 1.0)  # where unstable the value is replaced below
    wait_h = np.where(stable, p_wait / spare * (scv_a + scv_s) / 2.0, np.inf)
    queue = np.where(stable, arrivals * p_wait / spare * (scv_a + scv_s) / 2.0, np.inf)
    exceed = np.where(stable, p_wait * np.exp(-spare * limit), 1.0)
    exceed = np.where((scv_a == 1.0) & (scv_s == 1.0), exceed, np.nan)
    return Waiting(*(_plain(np.asarray(v)) for v in (p_wait, wait_h, queue, exceed)))


def size_servers(
    arrivals_per_h: ArrayLike,
    services_per_h: ArrayLike,
    limit_h: ArrayLike,
    p_exceed_max: ArrayLike,
    *,
    servers_max: ArrayLike | None = None,
) -> Sizing:
    """Return the least servers with which at most `p_exceed_max` wait longer than `limit_h`.

    Counts up from ``floor(a) + 1``, the least number with a steady state; all elements at once,
    so the work is that of the element that needs the most.

    Parameters
    ----------
    arrivals_per_h : float or array
        Arrivals per hour, >= 0.
    services_per_h : float or array
        What one server finishes per hour, > 0.
    limit_h : float or array
        Wait that may be exceeded by few, hours, >= 0.
    p_exceed_max : float or array
        How many may exceed it, as a share, > 0 and <= 1.
    servers_max : int or array of int, optional
        Where more would be needed the result is -1 and NaN.

    Returns
    -------
    Sizing

    Examples
    --------
    >>> size_servers(6, 6 / 5, 1 / 6, 0.1).servers
    8
    """
    arrivals = _number("arrivals_per_h", arrivals_per_h, least=0.0)
    services = _number("services_per_h", services_per_h, above=0.0)
    limit = _number("limit_h", limit_h, least=0.0)
    share = _number("p_exceed_max", p_exceed_max, above=0.0)
    _refuse("p_exceed_max", share, ~(share <= 1.0), "<= 1")
    most = _number("servers_max", np.iinfo(np.int64).max if servers_max is None else servers_max)
    _refuse("servers_max", most, ~(most >= 1), ">= 1")
    arrivals, services, limit, share, most = np.broadcast_arrays(
        arrivals, services, limit, share, most
    )
    shape = arrivals.shape
    lam, mu = arrivals.ravel(), services.ravel()
    t, alpha, cap = limit.ravel(), share.ravel(), most.ravel()
    a = lam / mu
    k = np.floor(a).astype(np.int64)
    # Erlang B at floor(a), by the common recursion; then every open element climbs by one
    b = np.ones(a.shape)
    for step in range(1, int(k.max(initial=0)) + 1):
        live = k >= step
        carried = a[live] * b[live]
        b[live] = carried / (step + carried)
    servers = np.full(a.shape, -1, np.int64)
    exceed = np.full(a.shape, np.nan)
    still = np.arange(a.size)
    while still.size:
        k[still] += 1
        within = k[still] <= cap[still]
        still = still[within]
        carried = a[still] * b[still]
        b[still] = carried / (k[still] + carried)
        p_wait = b[still] / (1.0 - a[still] / k[still] * (1.0 - b[still]))
        p = p_wait * np.exp(-(k[still] * mu[still] - lam[still]) * t[still])
        met = p <= alpha[still]
        servers[still[met]] = k[still[met]]
        exceed[still[met]] = p[met]
        still = still[~met]
    return Sizing(_plain(servers.reshape(shape)), _plain(exceed.reshape(shape)))
