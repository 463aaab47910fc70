r"""Shares of a disc: how much of a cell's area, or of its edge, is above a threshold.

A cell is a disc with the antenna in its middle. Where the share served falls with distance as
:math:`P(r)`, the share of the area of a disc of radius :math:`R` is

.. math:: F(R) = \frac{2}{R^2} \int_0^R P(r)\, r\, dr .

`disc_mean` integrates any :math:`P`; `largest_radius` inverts it. For one slope and one spread
there is a closed form (Jakes 1974): with the margin :math:`M` at the edge,
:math:`a = -M/(\sigma\sqrt 2)` and :math:`b = 10 n \lg e / (\sigma\sqrt 2)`,

.. math::

    F = \tfrac12\Big[1 - \operatorname{erf} a
        + e^{(1 - 2ab)/b^2}\Big(1 - \operatorname{erf}\frac{1 - ab}{b}\Big)\Big]

Left out: everything that depends on direction, and terminals that do not stand evenly.

References
----------
Jakes, W. C. (1974), Microwave Mobile Communications, section 2.5.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import erfc, erfcx

from groundplan.engine.radio.arguments import above, between, finite, fit, one

__all__ = ["KINDS", "area_reliability", "disc_mean", "largest_radius", "shadow_margin_db"]

FloatArray = NDArray[np.float64]
#: What a reliability is a share of.
KINDS = ("area", "edge")
#: Rings of the quadrature between the least and the largest radius, and points in each.
RING_COUNT = 128
RING_POINTS = 8
#: Halvings of a ring: its width over 2**50 is below the rounding of its radius.
BISECTION_STEPS = 50


def area_reliability(margin_db: ArrayLike, sigma_db: ArrayLike, exponent: ArrayLike) -> Any:
    """Return the share of a disc's area above the threshold for a margin at its edge.

    Parameters
    ----------
    margin_db : float or array
        Median level at the edge above the threshold, dB.
    sigma_db : float or array
        Spread of the level, dB, > 0.
    exponent : float or array
        Path loss exponent: ``10 * exponent`` dB a decade, > 0.

    Returns
    -------
    float or array
        In 0..1.

    Examples
    --------
    >>> round(float(area_reliability(0.0, 8.0, 3.5)), 3)
    0.755
    """
    margin = finite("margin_db", margin_db)
    sigma = above("sigma_db", sigma_db, 0.0)
    n = above("exponent", exponent, 0.0)
    fit(margin_db=margin, sigma_db=sigma, exponent=n)
    a = -margin / (sigma * np.sqrt(2.0))
    b = 10.0 * n * np.log10(np.e) / (sigma * np.sqrt(2.0))
    # exp((1 - 2ab)/b^2) erfc(z) with z = (1 - ab)/b, written so that nothing overflows
    z = (1.0 - a * b) / b
    tail = np.where(
        z > 0.0,
        erfcx(np.maximum(z, 0.0)) * np.exp(-(a**2)),
        np.exp(np.minimum((1.0 - 2.0 * a * b) / b**2, 0.0)) * erfc(np.minimum(z, 0.0)),
    )
    return 0.5 * (erfc(a) + tail)


def shadow_margin_db(reliability_ratio: float, sigma_db: float, exponent: float) -> float:
    """Return the margin at the edge with which the asked share of the area is served.

    Parameters
    ----------
    reliability_ratio : float
        Share of the area, > 0 and < 1.
    sigma_db : float
        Spread of the level, dB, >= 0; without spread the margin is 0.
    exponent : float
        Path loss exponent, > 0.

    Returns
    -------
    float
        dB; negative where less is asked than a bare edge gives.

    Examples
    --------
    >>> round(shadow_margin_db(0.95, 8.0, 3.5), 2)
    8.7
    """
    between("reliability_ratio", one("reliability_ratio", reliability_ratio), 0.0, 1.0)
    if sigma_db == 0.0:
        return 0.0
    span_db = 12.0 * sigma_db + 40.0
    return float(
        brentq(
            lambda m: float(area_reliability(m, sigma_db, exponent)) - reliability_ratio,
            -span_db,
            span_db,
            xtol=1e-10,
        )
    )


def ring_integral(
    ratio: Callable[[FloatArray], FloatArray], inner_m: FloatArray, outer_m: FloatArray
) -> FloatArray:
    """Return ``2 * integral of ratio(r) r dr`` over each ring, by Gauss-Legendre."""
    node, weight = np.polynomial.legendre.leggauss(RING_POINTS)
    half = 0.5 * (outer_m - inner_m)[:, None]
    r = inner_m[:, None] + half * (1.0 + node)
    share = ratio(r.ravel()).reshape(r.shape)
    return np.asarray(2.0 * (half * weight * share * r).sum(axis=1))


def ring_edges(low_m: float, high_m: float, breaks_m: Sequence[float]) -> FloatArray:
    """Return 0, then radii from `low_m` to `high_m` a few per cent apart, breaks among them."""
    inside = [b for b in breaks_m if low_m < b < high_m]
    return np.concatenate([[0.0], np.union1d(np.geomspace(low_m, high_m, RING_COUNT), inside)])


def disc_mean(
    ratio: Callable[[FloatArray], FloatArray], radius_m: float, breaks_m: Sequence[float] = ()
) -> float:
    """Return the mean of ``ratio(r)`` over the area of a disc.

    Parameters
    ----------
    ratio : callable
        Distances (n,) in m, > 0, to shares (n,).
    radius_m : float
        > 0.
    breaks_m : sequence of float
        Distances at which `ratio` jumps or bends.

    Examples
    --------
    >>> round(disc_mean(lambda r: r / 10.0, 10.0), 6)
    0.666667
    """
    edge = ring_edges(radius_m / 1000.0, radius_m, breaks_m)
    return float(ring_integral(ratio, edge[:-1], edge[1:]).sum()) / radius_m**2


def largest_radius(
    ratio: Callable[[FloatArray], FloatArray],
    asked_ratio: float,
    low_m: float,
    high_m: float,
    *,
    kind: str = "area",
    breaks_m: Sequence[float] = (),
) -> float:
    """Return the largest radius whose area, or whose edge, is served to the asked share.

    Rings are searched from outside, so that the outermost crossing is found even where `ratio`
    does not fall everywhere; the crossing is then halved down inside its ring.

    Parameters
    ----------
    ratio : callable
        Distances (n,) in m to the share served there (n,).
    asked_ratio : float
        > 0 and < 1.
    low_m, high_m : float
        Radii between which to look, 0 < low < high.
    kind : str
        ``"area"``: share of the disc; ``"edge"``: share of its rim.
    breaks_m : sequence of float
        Distances at which `ratio` jumps or bends.

    Returns
    -------
    float
        `high_m` where even that is served; 0 where not even `low_m` is.

    Examples
    --------
    >>> fall = lambda r: 1.0 - r / 100.0
    >>> round(largest_radius(fall, 0.8, 1.0, 100.0, kind="edge"), 6)
    20.0
    >>> round(largest_radius(fall, 0.8, 1.0, 100.0, kind="area"), 6)
    30.0
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    if not 0.0 < asked_ratio < 1.0:
        raise ValueError(f"asked_ratio must be > 0 and < 1; got {asked_ratio}")
    edge = ring_edges(low_m, high_m, breaks_m)
    summed = np.cumsum(ring_integral(ratio, edge[:-1], edge[1:]))
    edge = edge[1:]
    reached = (ratio(edge) if kind == "edge" else summed / edge**2) >= asked_ratio
    if reached[-1]:
        return high_m
    if not reached.any():
        return 0.0
    k = int(np.flatnonzero(reached)[-1])
    low, high = edge[k], edge[k + 1]
    for _ in range(BISECTION_STEPS):
        middle = 0.5 * (low + high)
        if kind == "edge":
            share = float(ratio(np.array([middle]))[0])
        else:
            ring = ring_integral(ratio, edge[k : k + 1], np.array([middle]))
            share = float(summed[k] + ring[0]) / middle**2
        low, high = (middle, high) if share >= asked_ratio else (low, middle)
    return float(low)
