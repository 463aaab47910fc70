r"""Drawn sight and shadow that hold together in space, for Monte-Carlo reliability.

A field is a sum of N waves of equal power,

.. math:: z(x, y) = \sqrt{2/N} \sum_n \cos(k_n \cdot (x, y) + \varphi_n),

whose wave vectors are drawn from the spectrum of the covariance :math:`e^{-r/r_c}` in the plane:
:math:`P(|k| r_c < s) = 1 - (1 + s^2)^{-1/2}`, one wave in each of N equal shares of that, with even
directions and phases. Over seeds the covariance is exactly :math:`e^{-r/r_c}`, and a value depends
on seed and position alone: tiles, their order and the number of threads change no byte.

Sight is where the field's rank, :math:`\Phi(z)`, is below the probability of sight; shadow is the
field times the sigma of the branch. Fields of different sites are independent, those of the
sectors of one site are the same (step 4 of clause 7.5), unless `site_correlation_ratio` asks for a
part that all sites share.

Left out: the correlation of shadow with delay and angle spreads, different floors, and shadow
across the border of sight (each branch has a field of its own).

References
----------
3GPP TR 38.901 V17, Table 7.5-6 (shadow), Table 7.6.3.1-2 (sight). Gudmundson 1991 for the form of
the covariance. Matern covariance of order 1/2 for its spectrum.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.radio.arguments import finite, fit
from groundplan.engine.radio.pathloss import path_loss
from groundplan.engine.radio.tr38901_models import CLUTTER, MODELS, Clutter, model_name
from groundplan.engine.radio.tr38901_sight import los_probability

__all__ = [
    "CORRELATION_M",
    "DrawnLoss",
    "Waves",
    "correlation_m",
    "draw_loss",
    "field_at",
    "field_on_grid",
    "served_share",
    "waves",
]

FloatArray = NDArray[np.float64]
#: Distance at which the correlation has fallen to 1/e, m: shadow with sight, without, and sight.
CORRELATION_M: dict[str, tuple[float, float, float]] = {
    "UMa": (37.0, 50.0, 50.0),
    "UMi": (10.0, 13.0, 50.0),
    "RMa": (37.0, 120.0, 60.0),
    "InH": (10.0, 6.0, 10.0),
    # sight in factories: half the width of the clutter, see `correlation_m`
    "InF": (10.0, 10.0, 0.0),
}
#: Waves of a field: the shape of its covariance is exact for any number, its law near normal.
N_WAVE = 256
#: Fixed cut of the work, whatever the number of threads.
CHUNKS = 16
#: Numbers of the fields of a site, and of the one that all sites share.
SHADOW_LOS, SHADOW_NLOS, SIGHT = 0, 1, 2
COMMON = 2**63 - 1


class Waves(NamedTuple):
    """Wave vectors (radians per metre) and phases (radians), each (n_wave,) float64."""

    kx: FloatArray
    ky: FloatArray
    phase: FloatArray


class DrawnLoss(NamedTuple):
    """One draw of the loss to terminals; plain numbers for a single one.

    Attributes
    ----------
    loss_db : float or array
        Median of the branch plus shadow, dB.
    is_los : bool or array of bool
        Whether there is sight.
    shadow_db : float or array
        The drawn shadow.
    valid : bool or array of bool
        As `PathLoss.valid`.
    """

    loss_db: Any
    is_los: Any
    shadow_db: Any
    valid: Any


def correlation_m(model: str, clutter: Clutter | None = None) -> tuple[float, float, float]:
    """Return the correlation distances of a scenario: shadow with sight, without, and sight, m.

    Examples
    --------
    >>> correlation_m("RMa"), correlation_m("InF-DL")
    ((37.0, 120.0, 60.0), (10.0, 10.0, 1.0))
    """
    name = model_name(model)
    short = name.removeprefix("3GPP TR 38.901 ")[:3]
    los_m, nlos_m, sight_m = CORRELATION_M[short]
    if short == "InF":
        sight_m = (CLUTTER[name[-2:]] if clutter is None else clutter).size_m / 2.0
    return los_m, nlos_m, sight_m


def waves(
    seed: int, correlation_m: float, site: int = 0, kind: int = 0, draw: int = 0,
    n_wave: int = N_WAVE,
) -> Waves:  # fmt: skip
    """Return the waves of one field.

    Parameters
    ----------
    seed, draw : int
        >= 0; which draw of which experiment.
    correlation_m : float
        Distance at which the correlation is 1/e, m, > 0.
    site, kind : int
        >= 0; whose field, and which of its fields.
    n_wave : int
        > 0.
    """
    if not correlation_m > 0.0:
        raise ValueError(f"correlation_m must be > 0; got {correlation_m}")
    if n_wave < 1:
        raise ValueError(f"n_wave must be >= 1; got {n_wave}")
    bits = np.random.Philox(
        key=np.array([seed, draw], np.uint64), counter=np.array([0, 0, site, kind], np.uint64)
    )
    u, angle, phase = np.random.Generator(bits).random((3, n_wave))
    share = (np.arange(n_wave) + u) / n_wave
    k = np.sqrt(1.0 / (1.0 - share) ** 2 - 1.0) / correlation_m
    angle, phase = 2.0 * np.pi * angle, 2.0 * np.pi * phase
    return Waves(k * np.cos(angle), k * np.sin(angle), phase)


@jit
def sum_at_points(lo, hi, kx, ky, phase, x, y, out):
    """Write the sum of the waves at points `lo` to `hi` into `out`, (n,) float64."""
    for i in range(lo, hi):
        total = 0.0
        for n in range(kx.size):
            total += math.cos(kx[n] * x[i] + (ky[n] * y[i] + phase[n]))
        out[i] = total


@jit
def sum_on_rows(lo, hi, kx, ky, phase, x, y, out):
    """Write the sum of the waves on grid rows `lo` to `hi` into `out`, (n_row, n_col) float64.

    The cosine of a sum is split into row and column, so only their edges need a cosine; waves are
    added in one order for every cell, so a tile has the bytes of the whole.
    """
    n_col = x.size
    cx, sx = np.empty(n_col), np.empty(n_col)
    for i in range(lo, hi):
        for j in range(n_col):
            out[i, j] = 0.0
    for n in range(kx.size):
        for j in range(n_col):
            cx[j] = math.cos(kx[n] * x[j])
            sx[j] = math.sin(kx[n] * x[j])
        for i in range(lo, hi):
            a = ky[n] * y[i] + phase[n]
            ca, sa = math.cos(a), math.sin(a)
            for j in range(n_col):
                out[i, j] += ca * cx[j] - sa * sx[j]


def field_at(w: Waves, x_m: ArrayLike, y_m: ArrayLike) -> FloatArray:
    """Return the field at positions, mean 0 and variance 1.

    Parameters
    ----------
    w : Waves
    x_m, y_m : array
        Metres, broadcast. A row ``(1, n)`` and a column ``(m, 1)`` are a grid, for which the work
        is thirty times less; its values differ from those of points by rounding.
    """
    x, y = np.asarray(x_m, np.float64), np.asarray(y_m, np.float64)
    if x.ndim == y.ndim == 2 and x.shape[0] == 1 and y.shape[1] == 1:
        return field_on_grid(w, x[0], y[:, 0])
    x, y = np.broadcast_arrays(x, y)
    out = np.empty(x.size)
    args = (w.kx, w.ky, w.phase, x.ravel(), y.ravel(), out)
    spread(sum_at_points, chunks(x.size, CHUNKS), *args)
    out *= math.sqrt(2.0 / w.kx.size)
    return out.reshape(x.shape)


def field_on_grid(w: Waves, x_m: ArrayLike, y_m: ArrayLike) -> FloatArray:
    """Return the field on a grid, (n_row, n_col), from column `x_m` and row `y_m` positions, m."""
    x, y = np.asarray(x_m, np.float64), np.asarray(y_m, np.float64)
    out = np.empty((y.size, x.size))
    spread(sum_on_rows, chunks(y.size, CHUNKS), w.kx, w.ky, w.phase, x, y, out)
    out *= math.sqrt(2.0 / w.kx.size)
    return out


def draw_loss(
    model: str,
    x_m: ArrayLike,
    y_m: ArrayLike,
    *,
    site_x_m: float,
    site_y_m: float,
    frequency_ghz: float,
    base_height_m: float,
    terminal_height_m: ArrayLike,
    seed: int,
    site: int = 0,
    draw: int = 0,
    site_correlation_ratio: float = 0.0,
    clutter: Clutter | None = None,
    n_wave: int = N_WAVE,
) -> DrawnLoss:
    """Return one draw of sight, shadow and loss from a site to terminals.

    Parameters
    ----------
    model : str
        As for `path_loss`.
    x_m, y_m : array
        Terminals, metres in any metric system, broadcast; a row and a column are a grid.
    site_x_m, site_y_m : float
        The site in the same system. A terminal nearer than the model's least distance is taken
        as there.
    frequency_ghz, base_height_m, terminal_height_m : float; terminal heights may be an array
    seed, site, draw : int
        >= 0; the same three numbers give the same field wherever it is looked at.
    site_correlation_ratio : float
        Correlation of the shadow of different sites, 0..1; 0 is the report's.
    clutter : Clutter, optional
        Of a factory.
    n_wave : int
        Waves of each field.
    """
    if not 0.0 <= site_correlation_ratio <= 1.0:
        raise ValueError(f"site_correlation_ratio must be in 0..1; got {site_correlation_ratio}")
    name = model_name(model)
    x, y = finite("x_m", x_m), finite("y_m", y_m)
    is_single = fit(x_m=x, y_m=y) == ()
    if is_single:
        x, y = x.reshape(1), y.reshape(1)
    x_m, y_m = x, y
    x, y = np.broadcast_arrays(x, y)
    d = np.maximum(np.hypot(x - site_x_m, y - site_y_m), MODELS[name].distance_m[0])
    radio: dict[str, Any] = {"clutter": clutter} if clutter is not None else {}
    los_m, nlos_m, sight_m = correlation_m(name, clutter)

    def normal(kind: int, range_m: float, of_site: int) -> FloatArray:
        # as given: a row and a column stay a grid
        return field_at(waves(seed, range_m, of_site, kind, draw, n_wave), x_m, y_m)

    p = los_probability(name, d, terminal_height_m, base_height_m, clutter)
    is_los = ndtr(normal(SIGHT, sight_m, site)) < p
    loss, shadow, valid = np.empty(d.shape), np.empty(d.shape), np.empty(d.shape, bool)
    branches = [(True, SHADOW_LOS, los_m)]
    if not is_los.all():
        branches.append((False, SHADOW_NLOS, nlos_m))
    for of_los, kind, range_m in branches:
        told = path_loss(
            name, d, frequency_ghz, base_height_m, terminal_height_m, los=of_los, **radio
        )
        z = normal(kind, range_m, site)
        if site_correlation_ratio > 0.0:
            common = normal(kind, range_m, COMMON)
            z = math.sqrt(1.0 - site_correlation_ratio) * z
            z = z + math.sqrt(site_correlation_ratio) * common
        here = is_los == of_los
        shadow[here] = (told.sigma_db * z)[here]
        loss[here] = told.loss_db[here] + shadow[here]
        valid[here] = told.valid[here]
    if is_single:
        return DrawnLoss(float(loss[0]), bool(is_los[0]), float(shadow[0]), bool(valid[0]))
    return DrawnLoss(loss, is_los, shadow, valid)


def served_share(
    model: str, x_m: ArrayLike, y_m: ArrayLike, *, allowed_db: float, draw_count: int, **link: Any
) -> FloatArray:
    """Return the share of draws in which each terminal's loss is at most what is allowed.

    Parameters
    ----------
    model, x_m, y_m, **link
        As for `draw_loss`, but for `draw`.
    allowed_db : float
        Largest loss, dB.
    draw_count : int
        >= 1; the standard error of a share p is ``sqrt(p (1 - p) / draw_count)``.
    """
    if draw_count < 1:
        raise ValueError(f"draw_count must be >= 1; got {draw_count}")
    hits = np.zeros(np.broadcast(np.asarray(x_m), np.asarray(y_m)).shape)
    for draw in range(draw_count):
        hits += draw_loss(model, x_m, y_m, draw=draw, **link).loss_db <= allowed_db
    return np.asarray(hits / draw_count)
