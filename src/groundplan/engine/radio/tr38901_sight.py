r"""Probability of sight, break distance and environment height of 3GPP TR 38.901.

Factories (InF): :math:`p = \exp(-d / k)` with :math:`k = -d_{clutter} / \ln(1 - r)`, times
:math:`(h_b - h_u) / (h_c - h_u)` where the base stands above the clutter (SH, DH): only that part
of the way lies in clutter.

References
----------
3GPP TR 38.901 V17, Table 7.4.2-1; Table 7.4.1-1, notes 1 and 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.radio.tr38901_models import CLUTTER, Clutter

__all__ = [
    "ENVIRONMENT_HEIGHT_M",
    "TALL_M",
    "break_distance_m",
    "draw_environment_height",
    "environment_heights",
    "los_probability",
]

FloatArray = NDArray[np.float64]
#: Speed of light as the report rounds it, m/s.
LIGHT_M_PER_S = 3.0e8
#: Effective height of the environment under UMa and UMi, m; certain for terminals up to 13 m.
ENVIRONMENT_HEIGHT_M = 1.0
#: The heights that UMa may draw above 13 m: floors of 3 m, up to 1.5 m below the terminal.
TALL_M = (12.0, 15.0, 18.0, 21.0)


def _tall_term(distance_2d_m: Any, terminal_height_m: Any) -> Any:
    """Return C(d, h) of UMa: how much more sight a terminal above 13 m has."""
    d = np.asarray(distance_2d_m, np.float64)
    high = (np.clip(np.asarray(terminal_height_m, np.float64) - 13.0, 0.0, 10.0) / 10.0) ** 1.5
    return np.where(d <= 18.0, 0.0, high * 1.25 * (d / 100.0) ** 3 * np.exp(-d / 150.0))


def los_probability(
    model: str,
    distance_2d_m: ArrayLike,
    terminal_height_m: Any,
    base_height_m: Any = None,
    clutter: Clutter | None = None,
) -> Any:
    """Return the probability of sight between base and terminal (Table 7.4.2-1).

    Parameters
    ----------
    model : str
        Full name.
    distance_2d_m : array
        Ground distance, m.
    terminal_height_m : array
        Used by UMa above 13 m, and by InF-SH and InF-DH.
    base_height_m : array, optional
        Used by InF-SH and InF-DH, which need it.
    clutter : Clutter, optional
        Of a factory; the report's own calibration values where left out.

    Returns
    -------
    array
        In 0..1.
    """
    d = np.asarray(distance_2d_m, dtype=np.float64)
    if model.endswith("RMa"):
        return np.where(d <= 10.0, 1.0, np.exp(-(d - 10.0) / 1000.0))
    if "InF" in model:
        return _factory_sight(model[-2:], d, terminal_height_m, base_height_m, clutter)
    if "InH" in model:
        near_m, middle_m, scale_m, far_scale_m, share = (
            (1.2, 6.5, 4.7, 32.6, 0.32) if "mixed" in model else (5.0, 49.0, 70.8, 211.7, 0.54)
        )
        middle = np.exp(-np.maximum(d - near_m, 0.0) / scale_m)
        # the report closes the middle range at 49 m in open and leaves it open at 6.5 m in mixed
        is_middle = d < middle_m if "mixed" in model else d <= middle_m
        return np.where(is_middle, middle, np.exp(-(d - middle_m) / far_scale_m) * share)
    far = np.maximum(d, 18.0)
    scale_m = 63.0 if model.endswith("UMa") else 36.0
    p = 18.0 / far + np.exp(-far / scale_m) * (1.0 - 18.0 / far)
    if model.endswith("UMa"):
        p = p * (1.0 + _tall_term(far, terminal_height_m))
    return np.where(d <= 18.0, 1.0, np.minimum(p, 1.0))


def _factory_sight(
    kind: str, d: FloatArray, terminal_height_m: Any, base_height_m: Any, clutter: Clutter | None
) -> Any:
    """Return the probability of sight in a factory hall."""
    if kind == "HH":
        return np.ones(np.broadcast(d, terminal_height_m).shape)
    c = CLUTTER[kind] if clutter is None else clutter
    scale_m: Any = -c.size_m / np.log(1.0 - c.density_ratio)
    if kind.endswith("H"):
        if base_height_m is None:
            raise ValueError(f"base_height_m must be given for InF-{kind}; got None")
        hu = np.asarray(terminal_height_m, np.float64)
        above = np.asarray(base_height_m, np.float64) - hu
        # where the base stands in the clutter the whole way lies in it: the term is 1
        within = np.maximum(c.height_m - hu, 0.0)
        ratio = np.maximum(above / np.where(within > 0.0, within, 1.0), 1.0)
        # a terminal above the clutter sees every base above it
        return np.where(within > 0.0, np.exp(-d / (scale_m * ratio)), 1.0)
    return np.exp(-d / scale_m)


def break_distance_m(
    model: str,
    frequency_ghz: Any,
    base_height_m: Any,
    terminal_height_m: Any,
    environment_height_m: Any = ENVIRONMENT_HEIGHT_M,
) -> Any:
    """Return where the loss with sight bends, m; infinity indoors, where it does not."""
    f_hz = np.asarray(frequency_ghz, dtype=np.float64) * 1e9
    if "In" in model:
        return np.full(f_hz.shape, np.inf)
    if model.endswith("RMa"):
        return 2.0 * np.pi * base_height_m * terminal_height_m * f_hz / LIGHT_M_PER_S
    he = environment_height_m
    return 4.0 * (base_height_m - he) * (terminal_height_m - he) * f_hz / LIGHT_M_PER_S


def environment_heights(
    distance_2d_m: ArrayLike, base_height_m: ArrayLike, terminal_height_m: ArrayLike
) -> list[tuple[float, FloatArray]]:
    """Return the heights that UMa's environment may have, each with its probability.

    1 m with probability ``1 / (1 + C)``; else one of 12, 15 ... up to 1.5 m below the terminal,
    each as likely (Table 7.4.1-1, note 1). Heights that reach the base are left out.

    Parameters
    ----------
    distance_2d_m, base_height_m, terminal_height_m : array
        Broadcast, m.

    Returns
    -------
    list of (float, array)
        Height in m, and its probability for every link; the probabilities add up to 1.
    """
    d, hb, hu = np.broadcast_arrays(
        *(np.asarray(v, np.float64) for v in (distance_2d_m, base_height_m, terminal_height_m))
    )
    may = [(h <= hu - 1.5) & (h < hb) for h in TALL_M]
    count = np.sum(may, axis=0)
    tall = np.where(count > 0, 1.0 - 1.0 / (1.0 + _tall_term(d, hu)), 0.0)
    each = tall / np.maximum(count, 1)
    heights = [(ENVIRONMENT_HEIGHT_M, np.asarray(1.0 - tall))]
    heights += [(h, np.where(ok, each, 0.0)) for h, ok in zip(TALL_M, may, strict=True) if ok.any()]
    return heights


def draw_environment_height(
    distance_2d_m: ArrayLike, base_height_m: ArrayLike, terminal_height_m: ArrayLike, seed: int
) -> FloatArray:
    """Return one drawn environment height of UMa for every link, m.

    Parameters
    ----------
    distance_2d_m, base_height_m, terminal_height_m : array
        Broadcast, m.
    seed : int
        The same seed gives the same heights.

    Returns
    -------
    array
        1, 12, 15, 18 or 21 m, to be passed to `path_loss` as `environment_height_m`.
    """
    heights = environment_heights(distance_2d_m, base_height_m, terminal_height_m)
    shape = heights[0][1].shape
    drawn = np.random.Generator(np.random.Philox(seed)).random(shape)
    upper = np.cumsum([p for _, p in heights], axis=0)
    # the first height whose summed probability exceeds the draw
    index = np.minimum((drawn >= upper).sum(axis=0), len(heights) - 1)
    return np.asarray(np.array([h for h, _ in heights])[index])
