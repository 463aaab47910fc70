r"""Path loss of 3GPP TR 38.901 (release 17): urban macro, urban micro, rural macro, and buildings.

Symbols: ``d`` ground distance and ``d3`` distance in space, m; ``f`` frequency, GHz in the loss and
Hz in the break distance; ``hb`` base and ``hu`` terminal height, m. Tables 7.4.1-1 (loss and
shadow fading), 7.4.2-1 (LOS probability), 7.4.3-1 and 7.4.3-2 (building entry).

The sketchy part of any such model is the place: terrain and single buildings are not in it, they
are in its shadow fading. Clutter is in the NLOS branch, so a clutter loss must not be added again.

Left out: the random effective environment height of UMa for terminals above 13 m (1 m is used),
indoor hotspots and factories, blockage, oxygen and rain.

References
----------
3GPP TR 38.901 V17, clause 7.4. Accuracy against a GSM-1800 drive test in Recife, uncalibrated:
UMa NLOS has bias -0.1 dB and RMSE 12.8 dB.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MODELS", "BuildingLoss", "Model", "PathLoss", "building_entry_loss", "path_loss"]

FloatArray = NDArray[np.float64]
#: Speed of light as the report rounds it, m/s.
LIGHT_M_PER_S = 3.0e8
#: Effective height of the environment under UMa and UMi, m (Table 7.4.1-1, note 1).
ENVIRONMENT_HEIGHT_M = 1.0
#: Mean building height and street width of RMa, m (Table 7.4.1-1, defaults).
BUILDING_HEIGHT_M = 5.0
STREET_WIDTH_M = 20.0


class PathLoss(NamedTuple):
    """Loss and shadow fading, broadcast from the arguments.

    Attributes
    ----------
    loss_db : float or array
        Median loss of the branch, dB; for ``los="mean"`` both branches weighted in dB.
    sigma_db : float or array
        Shadow fading of the branch, dB; for ``los="mean"`` the root of the weighted variances.
        The spread between the branches is not in it: see `engine.radio.link.served_ratio`.
    valid : bool or array of bool
        False outside the ranges that the report states.
    """

    loss_db: Any
    sigma_db: Any
    valid: Any


class BuildingLoss(NamedTuple):
    """Loss on the way into a building.

    Attributes
    ----------
    entry_db : float or array
        Outer wall.
    indoor_db : float or array
        From the wall to the terminal.
    sigma_db : float or array
        Spread among buildings.
    """

    entry_db: Any
    indoor_db: Any
    sigma_db: Any


class Model(NamedTuple):
    """Ranges of a model, and what a link budget takes from its table.

    Attributes
    ----------
    distance_m, distance_nlos_max_m : (float, float), float
        Ground distance from, to (LOS), and to (NLOS and mean), m.
    frequency_ghz, base_height_m, terminal_height_m : (float, float)
        From, to.
    sigma_nlos_db : float
        Shadow fading without sight.
    indoor_m : float
        Largest depth inside a building; the depth is the lesser of two even draws.
    """

    distance_m: tuple[float, float]
    distance_nlos_max_m: float
    frequency_ghz: tuple[float, float]
    base_height_m: tuple[float, float]
    terminal_height_m: tuple[float, float]
    sigma_nlos_db: float
    indoor_m: float


MODELS: dict[str, Model] = {
    "3GPP TR 38.901 UMa": Model(
        (10.0, 5000.0), 5000.0, (0.5, 100.0), (25.0, 25.0), (1.5, 22.5), 6.0, 25.0
    ),
    "3GPP TR 38.901 UMi": Model(
        (10.0, 5000.0), 5000.0, (0.5, 100.0), (10.0, 10.0), (1.5, 22.5), 7.82, 25.0
    ),
    "3GPP TR 38.901 RMa": Model(
        (10.0, 10000.0), 5000.0, (0.5, 30.0), (10.0, 150.0), (1.0, 10.0), 8.0, 10.0
    ),
}


def model_name(model: str) -> str:
    """Return the full name of a model; ``"UMa"`` stands for ``"3GPP TR 38.901 UMa"``."""
    full = model if model in MODELS else f"3GPP TR 38.901 {model}"
    if full not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}; got {model!r}")
    return full


def los_probability(model: str, distance_2d_m: FloatArray, terminal_height_m: Any) -> Any:
    """Return the probability of sight between base and terminal (Table 7.4.2-1).

    Parameters
    ----------
    model : str
        Full name.
    distance_2d_m : array
        Ground distance, m.
    terminal_height_m : array
        Only UMa uses it, above 13 m.

    Returns
    -------
    array
        In 0..1.
    """
    d = np.asarray(distance_2d_m, dtype=np.float64)
    if model.endswith("RMa"):
        return np.where(d <= 10.0, 1.0, np.exp(-(d - 10.0) / 1000.0))
    far = np.maximum(d, 18.0)
    scale_m = 63.0 if model.endswith("UMa") else 36.0
    p = 18.0 / far + np.exp(-far / scale_m) * (1.0 - 18.0 / far)
    if model.endswith("UMa"):
        high = (np.clip(np.asarray(terminal_height_m, np.float64) - 13.0, 0.0, 10.0) / 10.0) ** 1.5
        p = p * (1.0 + high * 1.25 * (far / 100.0) ** 3 * np.exp(-far / 150.0))
    return np.where(d <= 18.0, 1.0, np.minimum(p, 1.0))


def break_distance_m(
    model: str, frequency_ghz: Any, base_height_m: Any, terminal_height_m: Any
) -> Any:
    """Return where the loss with sight bends, m (Table 7.4.1-1, notes 1 and 5)."""
    f_hz = np.asarray(frequency_ghz, dtype=np.float64) * 1e9
    if model.endswith("RMa"):
        return 2.0 * np.pi * base_height_m * terminal_height_m * f_hz / LIGHT_M_PER_S
    he = ENVIRONMENT_HEIGHT_M
    return 4.0 * (base_height_m - he) * (terminal_height_m - he) * f_hz / LIGHT_M_PER_S


def _urban(
    d: FloatArray, f: FloatArray, hb: FloatArray, hu: FloatArray, *, is_micro: bool
) -> tuple[FloatArray, FloatArray]:
    """Return LOS and NLOS loss of UMa or UMi."""
    d3 = np.sqrt(d**2 + (hb - hu) ** 2)
    lg_d, lg_f = np.log10(d3), np.log10(f)
    break_m = break_distance_m("UMi" if is_micro else "UMa", f, hb, hu)
    start_db, slope, bend = (32.4, 21.0, 9.5) if is_micro else (28.0, 22.0, 9.0)
    near = start_db + slope * lg_d + 20.0 * lg_f
    far = start_db + 40.0 * lg_d + 20.0 * lg_f - bend * np.log10(break_m**2 + (hb - hu) ** 2)
    los = np.where(d <= break_m, near, far)
    if is_micro:
        nlos = 35.3 * lg_d + 22.4 + 21.3 * lg_f - 0.3 * (hu - 1.5)
    else:
        nlos = 13.54 + 39.08 * lg_d + 20.0 * lg_f - 0.6 * (hu - 1.5)
    return los, np.maximum(los, nlos)


def _rural(
    d: FloatArray, f: FloatArray, hb: FloatArray, hu: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return LOS loss, NLOS loss and break distance of RMa."""
    h, w = BUILDING_HEIGHT_M, STREET_WIDTH_M
    d3 = np.sqrt(d**2 + (hb - hu) ** 2)
    break_m = break_distance_m("RMa", f, hb, hu)
    lg_h = np.log10(h)

    def near(x: FloatArray) -> FloatArray:
        return np.asarray(
            20.0 * np.log10(40.0 * np.pi * x * f / 3.0)
            + min(0.03 * h**1.72, 10.0) * np.log10(x)
            - min(0.044 * h**1.72, 14.77)
            + 0.002 * lg_h * x
        )

    los = np.where(d <= break_m, near(d3), near(break_m) + 40.0 * np.log10(d3 / break_m))
    nlos = (
        161.04
        - 7.1 * np.log10(w)
        + 7.5 * lg_h
        - (24.37 - 3.7 * (h / hb) ** 2) * np.log10(hb)
        + (43.42 - 3.1 * np.log10(hb)) * (np.log10(d3) - 3.0)
        + 20.0 * np.log10(f)
        - (3.2 * np.log10(11.75 * hu) ** 2 - 4.97)
    )
    return los, np.maximum(los, nlos), break_m


def path_loss(
    model: str,
    distance_2d_m: ArrayLike,
    frequency_ghz: ArrayLike,
    base_height_m: ArrayLike,
    terminal_height_m: ArrayLike,
    los: str | bool = "mean",
) -> PathLoss:
    """Return the median path loss between a base station and an outdoor terminal.

    Parameters
    ----------
    model : str
        ``"3GPP TR 38.901 UMa"``, ``"... UMi"`` or ``"... RMa"``; the short name does as well.
    distance_2d_m : float or array
        Ground distance, m, > 0.
    frequency_ghz : float or array
        Carrier, GHz, > 0.
    base_height_m, terminal_height_m : float or array
        Antenna heights above ground, m; above 1 m for UMa and UMi.
    los : "mean", True or False
        With sight, without, or both weighted in dB by the LOS probability.

    Returns
    -------
    PathLoss

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value. Values outside the model's
        ranges are computed all the same and flagged.

    Examples
    --------
    >>> round(path_loss("UMa", 1000, 5.0, 25, 1.5, los=True).loss_db, 2)
    109.73
    """
    name = model_name(model)
    rules = MODELS[name]
    if los not in ("mean", True, False):
        raise ValueError(f"los must be 'mean', True or False; got {los!r}")
    raw = {
        "distance_2d_m": distance_2d_m,
        "frequency_ghz": frequency_ghz,
        "base_height_m": base_height_m,
        "terminal_height_m": terminal_height_m,
    }
    given = {key: np.asarray(value, dtype=np.float64) for key, value in raw.items()}
    ground_m = 0.0 if name.endswith("RMa") else ENVIRONMENT_HEIGHT_M
    least = {"base_height_m": ground_m, "terminal_height_m": ground_m}
    for key, value in given.items():
        bad = ~(np.isfinite(value) & (value > least.get(key, 0.0)))
        if bad.any():
            raise ValueError(
                f"{key} must be > {least.get(key, 0.0):g}; got {value[bad].ravel()[0]}"
            )
    d, f, hb, hu = np.broadcast_arrays(*given.values())
    if name.endswith("RMa"):
        with_sight, without, break_m = _rural(d, f, hb, hu)
        sigma_sight = np.where(d <= break_m, 4.0, 6.0)
    else:
        with_sight, without = _urban(d, f, hb, hu, is_micro=name.endswith("UMi"))
        sigma_sight = np.full(d.shape, 4.0)
    sigma_without = np.full(d.shape, rules.sigma_nlos_db)
    if los == "mean":
        p = los_probability(name, d, hu)
        loss = p * with_sight + (1.0 - p) * without
        sigma = np.sqrt(p * sigma_sight**2 + (1.0 - p) * sigma_without**2)
    else:
        loss, sigma = (with_sight, sigma_sight) if los else (without, sigma_without)
    far_m = rules.distance_m[1] if los is True else rules.distance_nlos_max_m
    valid = (d >= rules.distance_m[0]) & (d <= far_m)
    for value, (low, high) in (
        (f, rules.frequency_ghz),
        (hb, rules.base_height_m),
        (hu, rules.terminal_height_m),
    ):
        valid = valid & (value >= low) & (value <= high)
    if d.ndim == 0:
        return PathLoss(float(loss), float(sigma), bool(valid))
    return PathLoss(loss, sigma, valid)


def building_entry_loss(
    building: str, frequency_ghz: ArrayLike, indoor_distance_m: ArrayLike
) -> BuildingLoss:
    """Return the loss into a building of the low-loss or high-loss class (Table 7.4.3-2).

    ``low``: 30 % glass, 70 % concrete; ``high``: 70 % coated glass, 30 % concrete; each in shares
    of power. ``outdoor`` is no loss at all. Inside, 0.5 dB per metre.

    Parameters
    ----------
    building : str
        ``"low"``, ``"high"`` or ``"outdoor"``.
    frequency_ghz : float or array
        GHz, > 0.
    indoor_distance_m : float or array
        From the wall to the terminal, m, >= 0.

    Returns
    -------
    BuildingLoss
        Mean values; sigma 4.4 dB (low), 6.5 dB (high).

    Examples
    --------
    >>> round(building_entry_loss("low", 3.5, 0.0).entry_db, 2)
    12.7
    """
    f = np.asarray(frequency_ghz, dtype=np.float64)
    inside = np.asarray(indoor_distance_m, dtype=np.float64)
    if not (f > 0).all():
        raise ValueError(f"frequency_ghz must be > 0; got {f.min()}")
    if not (inside >= 0).all():
        raise ValueError(f"indoor_distance_m must be >= 0; got {inside.min()}")
    f, inside = np.broadcast_arrays(f, inside)
    concrete = 10.0 ** (-(5.0 + 4.0 * f) / 10.0)
    if building == "low":
        glass = 10.0 ** (-(2.0 + 0.2 * f) / 10.0)
        entry, sigma = 5.0 - 10.0 * np.log10(0.3 * glass + 0.7 * concrete), 4.4
    elif building == "high":
        coated = 10.0 ** (-(23.0 + 0.3 * f) / 10.0)
        entry, sigma = 5.0 - 10.0 * np.log10(0.7 * coated + 0.3 * concrete), 6.5
    elif building == "outdoor":
        entry, sigma, inside = np.zeros(f.shape), 0.0, np.zeros(f.shape)
    else:
        raise ValueError(f"building must be 'low', 'high' or 'outdoor'; got {building!r}")
    indoor = 0.5 * inside
    if f.ndim == 0:
        return BuildingLoss(float(entry), float(indoor), sigma)
    return BuildingLoss(entry, indoor, np.full(f.shape, sigma))
