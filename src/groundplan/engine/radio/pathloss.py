"""Path loss of 3GPP TR 38.901 (release 17): UMa, UMi, RMa, offices (InH) and factories (InF).

Symbols: ``d`` ground distance and ``d3`` distance in space, m; ``f`` frequency, GHz in the loss and
Hz in the break distance; ``hb`` base and ``hu`` terminal height, m. Tables 7.4.1-1 (loss and
shadow fading) and 7.4.2-1 (LOS probability); formulas in `tr38901_outdoor`, `tr38901_indoor` and
`tr38901_sight`, buildings in `tr38901_building`, drawn fields in `shadow`.

The sketchy part of any such model is the place: terrain and single buildings are not in it, they
are in its shadow fading. Clutter is in the NLOS branch, so a clutter loss must not be added again.

Left out: blockage, oxygen, rain and foliage.

References
----------
3GPP TR 38.901 V17, clause 7.4. Accuracy against a GSM-1800 drive test: docs/radio/calibration.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.radio.arguments import above, finite, fit
from groundplan.engine.radio.building_entry import building_entry_loss
from groundplan.engine.radio.tr38901_building import BuildingLoss
from groundplan.engine.radio.tr38901_indoor import factory, office
from groundplan.engine.radio.tr38901_models import CLUTTER, MODELS, Clutter, Model, model_name
from groundplan.engine.radio.tr38901_outdoor import (
    BUILDING_HEIGHT_M,
    STREET_WIDTH_M,
    rural,
    urban,
)
from groundplan.engine.radio.tr38901_sight import (
    ENVIRONMENT_HEIGHT_M,
    break_distance_m,
    los_probability,
)

__all__ = [
    "MODELS",
    "BuildingLoss",
    "Clutter",
    "Model",
    "PathLoss",
    "break_distance_m",
    "building_entry_loss",
    "los_probability",
    "model_name",
    "path_loss",
    "path_loss_ranges",
]

FloatArray = NDArray[np.float64]
#: Ranges of RMa's mean building height and street width, m (Table 7.4.1-1).
SURROUNDINGS_M = (5.0, 50.0)
NLOS_KINDS = ("main", "optional")


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
        False outside the ranges that the report states, which `path_loss_ranges` returns.
    """

    loss_db: Any
    sigma_db: Any
    valid: Any


def path_loss_ranges(model: str) -> dict[str, Any]:
    """Return in words and numbers where a scenario is valid, as `PathLoss.valid` judges it.

    Examples
    --------
    >>> path_loss_ranges("UMa")["base_height_m"]
    (25.0, 25.0)
    """
    name = model_name(model)
    rules = MODELS[name]
    far = "distance_3d_m" if rules.is_in_space else "distance_2d_m"
    low_m, high_m = rules.distance_m
    out: dict[str, Any] = {
        "model": name,
        far: (low_m, high_m),
        f"{far} without sight": (low_m, rules.distance_nlos_max_m),
        "frequency_ghz": rules.frequency_ghz,
        "base_height_m": rules.base_height_m,
        "terminal_height_m": rules.terminal_height_m,
    }
    if name.endswith("RMa"):
        out |= {"building_height_m": SURROUNDINGS_M, "street_width_m": SURROUNDINGS_M}
    if name[-2:] in {"SL", "DL"}:
        out["base_height_m"] = "below the clutter"
    if name[-2:] in {"SH", "DH"}:
        out |= {"base_height_m": "above the clutter", "terminal_height_m": "below the clutter"}
    if name[-2:] == "HH":
        out["base_height_m"] = out["terminal_height_m"] = "above the clutter"
    return out


def _checked(given: dict[str, ArrayLike], ground_m: float) -> list[FloatArray]:
    """Return the arguments as broadcast arrays; impossible ones are named."""
    least = {"base_height_m": ground_m, "terminal_height_m": ground_m}
    arrays = {key: above(key, raw, least.get(key, 0.0)) for key, raw in given.items()}
    fit(**arrays)
    return list(np.broadcast_arrays(*arrays.values()))


def _checked_clutter(name: str, clutter: Clutter | None) -> Clutter | None:
    """Return the clutter of a factory, None elsewhere."""
    if "InF" not in name:
        if clutter is not None:
            raise ValueError(f"clutter must be left out but for InF; got it for {name}")
        return None
    c = CLUTTER[name[-2:]] if clutter is None else Clutter(*clutter)
    for key, ok in (
        ("size_m", c.size_m > 0.0),
        ("density_ratio", 0.0 < c.density_ratio < 1.0),
        ("height_m", c.height_m >= 0.0),
    ):
        if not ok:
            wanted = {"size_m": "> 0", "density_ratio": "> 0 and < 1", "height_m": ">= 0"}[key]
            raise ValueError(f"clutter.{key} must be {wanted}; got {getattr(c, key)}")
    return c


def _check_environment(he: FloatArray, hb: FloatArray, hu: FloatArray) -> None:
    """Refuse an environment as high as one of the antennas."""
    bad = ~((he >= 0.0) & (he < hu) & (he < hb))
    if bad.any():
        raise ValueError(
            "environment_height_m must be >= 0 and below both antennas; "
            f"got {he[bad].ravel()[0]} with a terminal at {hu[bad].ravel()[0]} m"
        )


def path_loss(
    model: str,
    distance_2d_m: ArrayLike,
    frequency_ghz: ArrayLike,
    base_height_m: ArrayLike,
    terminal_height_m: ArrayLike,
    los: str | bool = "mean",
    *,
    nlos: str = "main",
    building_height_m: ArrayLike = BUILDING_HEIGHT_M,
    street_width_m: ArrayLike = STREET_WIDTH_M,
    environment_height_m: str | ArrayLike = "mean",
    clutter: Clutter | None = None,
) -> PathLoss:
    """Return the median path loss between a base station and a terminal.

    Parameters
    ----------
    model : str
        A name of `MODELS`, such as ``"3GPP TR 38.901 UMa"``; the short name (``"InF-DL"``) does as
        well. ``"InH"`` is the mixed office: the offices differ in the probability of sight alone.
    distance_2d_m : float or array
        Ground distance, m, > 0.
    frequency_ghz : float or array
        Carrier, GHz, > 0.
    base_height_m, terminal_height_m : float or array
        Antenna heights above ground, m; above 1 m for UMa and UMi.
    los : "mean", True or False
        With sight, without, or both weighted in dB by the LOS probability.
    nlos : str
        ``"main"``, or ``"optional"`` for the report's second loss without sight (UMa, UMi, InH).
    building_height_m, street_width_m : float or array
        Mean surroundings of RMa, m; the other scenarios do not look at them.
    environment_height_m : "mean", float or array
        UMa: for terminals above 13 m the mean over the heights that the report draws, or heights
        such as `draw_environment_height` gives. UMi has 1 m whatever the terminal.
    clutter : Clutter, optional
        Of a factory; else the values of the report's calibration (`tr38901_models.CLUTTER`).

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
    if np.ndim(los) != 0 or los not in ("mean", True, False):
        raise ValueError(f"los must be 'mean', True or False; got {los!r}")
    if nlos not in NLOS_KINDS:
        raise ValueError(f"nlos must be one of {', '.join(NLOS_KINDS)}; got {nlos!r}")
    is_optional = nlos == "optional"
    if is_optional and not rules.sigma_optional_db:
        raise ValueError(f"nlos must be 'main' for {name}, which has no other; got {nlos!r}")
    if name.endswith("HH") and los is False:
        raise ValueError(
            f"los must be 'mean' or True for {name}, which always has sight; got False"
        )
    is_urban = name.endswith(("UMa", "UMi"))
    hall = _checked_clutter(name, clutter)
    d, f, hb, hu, h, w = _checked(
        {
            "distance_2d_m": distance_2d_m,
            "frequency_ghz": frequency_ghz,
            "base_height_m": base_height_m,
            "terminal_height_m": terminal_height_m,
            "building_height_m": building_height_m,
            "street_width_m": street_width_m,
        },
        ENVIRONMENT_HEIGHT_M if is_urban else 0.0,
    )
    he: FloatArray | None = None
    if not isinstance(environment_height_m, str):
        he = finite("environment_height_m", environment_height_m)
        fit(distance_2d_m=d, environment_height_m=he)
        d, f, hb, hu, h, w, he = np.broadcast_arrays(d, f, hb, hu, h, w, he)
        _check_environment(he, hb, hu)
    elif environment_height_m != "mean":
        raise ValueError(
            f"environment_height_m must be 'mean' or metres; got {environment_height_m!r}"
        )
    d3 = np.sqrt(d**2 + (hb - hu) ** 2)
    sigma_sight = np.full(d.shape, rules.sigma_los_db)
    if name.endswith("RMa"):
        with_sight, without, break_m = rural(d, f, hb, hu, h, w)
        sigma_sight = np.where(d <= break_m, rules.sigma_los_db, 6.0)
    elif is_urban:
        is_micro = name.endswith("UMi")
        with_sight, without = urban(
            d, f, hb, hu, is_micro=is_micro, is_optional=is_optional, environment_height_m=he
        )
    elif hall is None:
        with_sight, without = office(d3, f, is_optional=is_optional)
    else:
        with_sight, without = factory(name[-2:], d3, f)
    sigma_without = np.full(
        d.shape, rules.sigma_optional_db if is_optional else rules.sigma_nlos_db
    )
    if los == "mean":
        p = los_probability(name, d, hu, hb, hall)
        loss = p * with_sight + (1.0 - p) * without
        sigma = np.sqrt(p * sigma_sight**2 + (1.0 - p) * sigma_without**2)
    else:
        loss, sigma = (with_sight, sigma_sight) if los else (without, sigma_without)
    far_m = rules.distance_m[1] if los is True else rules.distance_nlos_max_m
    valid = _valid(name, rules, far_m, d3 if rules.is_in_space else d, f, hb, hu, hall)
    if name.endswith("RMa"):
        low_m, high_m = SURROUNDINGS_M
        valid = valid & (h >= low_m) & (h <= high_m) & (w >= low_m) & (w <= high_m)
    if d.ndim == 0:
        return PathLoss(float(loss), float(sigma), bool(valid))
    return PathLoss(loss, sigma, valid)


def _valid(
    name: str,
    rules: Model,
    far_m: float,
    distance_m: FloatArray,
    f: FloatArray,
    hb: FloatArray,
    hu: FloatArray,
    hall: Clutter | None,
) -> NDArray[np.bool_]:
    """Return where the report's ranges hold."""
    valid = (distance_m >= rules.distance_m[0]) & (distance_m <= far_m)
    for value, (low, high) in (
        (f, rules.frequency_ghz),
        (hb, rules.base_height_m),
        (hu, rules.terminal_height_m),
    ):
        valid = valid & (value >= low) & (value <= high)
    if hall is not None:
        kind = name[-2:]
        valid = valid & ((hb < hall.height_m) if kind.endswith("L") else (hb > hall.height_m))
        if kind in {"SH", "DH"}:
            valid = valid & (hu < hall.height_m)
        if kind == "HH":
            valid = valid & (hu > hall.height_m)
    return np.asarray(valid)
