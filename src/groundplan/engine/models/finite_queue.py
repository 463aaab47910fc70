r"""Queues whose waiting room is limited: who comes to a full place drives on.

M/M/c/K: arrivals :math:`\lambda`, service rate :math:`\mu` of one server, c servers, K places in
all, servers included. With :math:`a = \lambda/\mu`,

.. math::

    \pi_k \propto \frac{a^k}{k!}\ (k \le c),\qquad
    \pi_k \propto \pi_c\,(a/c)^{k-c}\ (c < k \le K)

:math:`\pi_K` is the share that is turned away, and by Little's law the others wait
:math:`L_q / (\lambda (1 - \pi_K))`. Who finds k customers, c or more, waits until k - c + 1 of them
have left, an Erlang time at rate :math:`c\mu`:

.. math::

    P(W > t) = \sum_{k=c}^{K-1} \frac{\pi_k}{1 - \pi_K}\,Q(k - c + 1, c \mu t)

with Q the regularised upper incomplete gamma function. Terms are summed relative to the largest, so
that nothing overflows.

Left out: impatience, groups, rates that change with time (`waiting_time` hour by hour).

References
----------
Gross, D., Shortle, J., Thompson, J. and Harris, C. (2008), Fundamentals of Queueing Theory, 2.5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.models.queue import _number

__all__ = ["FiniteWaiting", "finite_waiting"]

FloatArray = NDArray[np.float64]
PLACES_MAX = 100_000


class FiniteWaiting(NamedTuple):
    """What customers of a limited queue see.

    Attributes
    ----------
    p_block : float or array
        Share that finds every place taken and is lost.
    p_wait : float or array
        Share of those let in that must wait.
    wait_h : float or array
        Mean wait of those let in, hours.
    queue_length : float or array
        Mean number waiting.
    use_ratio : float or array
        Mean share of servers at work.
    p_exceed : float or array
        Share of those let in that wait longer than the limit.
    """

    p_block: Any
    p_wait: Any
    wait_h: Any
    queue_length: Any
    use_ratio: Any
    p_exceed: Any


def finite_waiting(
    servers: ArrayLike,
    places: ArrayLike,
    arrivals_per_h: ArrayLike,
    services_per_h: ArrayLike,
    limit_h: ArrayLike = 0.0,
) -> FiniteWaiting:
    """Return blocking and waiting of M/M/c/K.

    Parameters
    ----------
    servers : int or array
        >= 1.
    places : int or array
        Servers and waiting bays together, >= servers.
    arrivals_per_h, services_per_h : float or array
        >= 0, > 0; the queue is stable at any load.
    limit_h : float or array
        Wait that `p_exceed` is about, hours, >= 0.

    Returns
    -------
    FiniteWaiting

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> round(finite_waiting(2, 3, 3.0, 2.0).p_block, 6)
    0.188811
    """
    c, k = _number("servers", servers, least=1.0), _number("places", places)
    rate = _number("arrivals_per_h", arrivals_per_h, least=0.0)
    mu = _number("services_per_h", services_per_h, above=0.0)
    limit = _number("limit_h", limit_h, least=0.0)
    c, k, rate, mu, limit = np.broadcast_arrays(c, k, rate, mu, limit)
    for name, value in (("servers", c), ("places", k)):
        if not (value == np.floor(value)).all():
            raise ValueError(f"{name} must be whole; got {value[value != np.floor(value)][0]}")
    if not (k >= c).all():
        raise ValueError(f"places must be >= servers; got {k[k < c].ravel()[0]:g}")
    if k.size and k.max() > PLACES_MAX:
        raise ValueError(f"places must be <= {PLACES_MAX}; got {k.max():g}")
    shape = c.shape
    c, k, rate, mu, limit = (v.ravel() for v in (c, k, rate, mu, limit))
    a = rate / mu
    n = np.arange(int(k.max(initial=1)) + 1)[None, :]
    # log of the ratio of each state to the one before it
    with np.errstate(divide="ignore"):
        ratio = np.log(a)[:, None] - np.log(np.minimum(np.maximum(n, 1), c[:, None]))
    ratio[:, 0] = 0.0
    log = np.cumsum(ratio, axis=1)
    log[n > k[:, None]] = -np.inf
    share = np.exp(log - log.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    block = share[np.arange(k.size), k.astype(np.int64)]
    waiting = np.maximum(n - c[:, None], 0.0)
    length = (share * waiting).sum(axis=1)
    inside = rate * (1.0 - block)
    wait = np.divide(length, inside, out=np.zeros_like(length), where=inside > 0)
    from scipy.special import gammaincc

    finds = share * ((n >= c[:, None]) & (n < k[:, None]))
    held = finds.sum(axis=1)
    p_wait = np.divide(held, 1.0 - block, out=np.zeros_like(held), where=block < 1)
    late = gammaincc(np.maximum(n - c[:, None] + 1.0, 1.0), (c * mu * limit)[:, None])
    late = (finds * late).sum(axis=1)
    exceed = np.divide(late, 1.0 - block, out=np.zeros_like(late), where=block < 1)
    told = (block, p_wait, wait, length, inside / (c * mu), exceed)
    return FiniteWaiting(*(float(v[0]) if not shape else v.reshape(shape) for v in told))
