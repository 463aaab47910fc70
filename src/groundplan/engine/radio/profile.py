"""Path loss over a terrain profile: one door to ITU-R P.1812, P.452 and ITM.

Each model is a module of its own with a function ``loss`` of the same first arguments; they are
found through one table and load when first asked for.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from groundplan.engine.radio.arguments import plain

__all__ = ["PROFILE_MODELS", "ProfileLoss", "profile_loss"]

#: Model name to the module of this package and its function.
PROFILE_MODELS: dict[str, tuple[str, str]] = {
    "ITU-R P.1812-8": ("p1812", "loss"),
    "ITU-R P.452-18": ("p452", "loss"),
    "ITM": ("itm", "itm_profile"),
}


#: Other spellings: without the body, without the edition; letters and digits only.
_SPELLINGS = {plain(name): name for name in PROFILE_MODELS} | {
    "p18128": "ITU-R P.1812-8",
    "iturp1812": "ITU-R P.1812-8",
    "p1812": "ITU-R P.1812-8",
    "p45218": "ITU-R P.452-18",
    "iturp452": "ITU-R P.452-18",
    "p452": "ITU-R P.452-18",
    "longleyrice": "ITM",
}


class ProfileLoss(NamedTuple):
    """Loss over profiles; plain numbers for one profile, arrays of (n_path,) for many.

    Attributes
    ----------
    loss_db : float or array
        Basic transmission loss not exceeded for the asked time and locations, dB.
    sigma_db : float or array
        Standard deviation over locations that the model states, dB; NaN where it states none.
    valid : bool or array of bool
        False outside the ranges that the model states; `why` names them.
    intermediates : dict of str to float or array, or None
        The model's own steps by name, where asked for.
    field_strength_dbuvm : float, array or None
        Field strength for 1 kW e.r.p., dB(uV/m), where the model states one.
    why : tuple of str
        One sentence for each range that some case leaves, and for what was assumed.
    """

    loss_db: Any
    sigma_db: Any
    valid: Any
    intermediates: dict[str, Any] | None = None
    field_strength_dbuvm: Any = None
    why: tuple[str, ...] = ()


@lru_cache(maxsize=len(PROFILE_MODELS))
def _load(model: str) -> tuple[Callable[..., Any], frozenset[str]]:
    """Import a model's function; return it with the names of its arguments."""
    module, name = PROFILE_MODELS[model]
    function = getattr(importlib.import_module(f"groundplan.engine.radio.{module}"), name)
    return function, frozenset(inspect.signature(function).parameters)


def profile_loss(
    model: str,
    distance_km: ArrayLike,
    height_m: ArrayLike,
    clutter_m: ArrayLike | None = None,
    *,
    frequency_ghz: ArrayLike,
    tx_height_m: ArrayLike,
    rx_height_m: ArrayLike,
    time_percent: ArrayLike | None = None,
    location_percent: ArrayLike | None = None,
    polarisation: ArrayLike | None = None,
    radio_zone: ArrayLike | None = None,
    delta_n: ArrayLike | None = None,
    n0: ArrayLike | None = None,
    latitude_deg: ArrayLike | None = None,
    tx_latitude_deg: ArrayLike | None = None,
    tx_longitude_deg: ArrayLike | None = None,
    rx_latitude_deg: ArrayLike | None = None,
    rx_longitude_deg: ArrayLike | None = None,
    dct_km: ArrayLike | None = None,
    dcr_km: ArrayLike | None = None,
    location_sigma_db: ArrayLike | None = None,
    resolution_m: ArrayLike | None = None,
    smooth_by_formula: bool | None = None,
    tx_gain_dbi: ArrayLike | None = None,
    rx_gain_dbi: ArrayLike | None = None,
    pressure_hpa: ArrayLike | None = None,
    temperature_c: ArrayLike | None = None,
    worst_month: bool | None = None,
    climate: ArrayLike | None = None,
    eps_r: ArrayLike | None = None,
    sigma_s_per_m: ArrayLike | None = None,
    mdvar: ArrayLike | None = None,
    situation_percent: ArrayLike | None = None,
    reliability_percent: ArrayLike | None = None,
    confidence_percent: ArrayLike | None = None,
    count: ArrayLike | None = None,
    intermediates: bool = False,
) -> ProfileLoss:
    """Path loss over one or many terrain profiles.

    Arguments that a model does not know are an error where they are given; one that is not given
    takes the model's default, which its own page and function state
    (`groundplan.engine.radio.p1812.loss`, `p452.loss`, `itm.itm_profile`).

    Parameters
    ----------
    model : str
        ``'ITU-R P.1812-8'``, ``'ITU-R P.452-18'`` or ``'ITM'``; ``'P.1812'``, ``'P.452'`` and
        ``'Longley-Rice'`` do as well.
    distance_km, height_m : (n_point,) or (n_path, n_point) array
        Distance from the transmitter, km, from 0 on, and ground height above the sea, m. Rows of
        different length are padded; see `count`.
    clutter_m : float, (n_point,) or (n_path, n_point) array, optional
        Height of the representative clutter above ground, m; one number stands for all points;
        default none. P.1812 and P.452 only.
    frequency_ghz : float or (n_path,) array
    tx_height_m, rx_height_m : float or (n_path,) array
        Antenna heights above ground, m.
    time_percent, location_percent : float or (n_path,) array
        Share of the time and of locations with at most this loss; default 50. P.452 knows no
        spread over locations and takes 50 alone.
    polarisation : {'vertical', 'horizontal'} or array of them
        Default vertical. Or ``'v'``, ``'h'``, or the numbers of the model's own data files: P.1812
        and P.452 1 horizontal, 2 vertical; ITM 0 horizontal, 1 vertical.
    radio_zone : str, int or array like `height_m`, optional
        ``'sea'``, ``'coastal'``, ``'inland'``, or the numbers of the Recommendation's own data
        files: P.1812 1 sea, 3 coastal, 4 inland; P.452 1 coastal, 2 inland, 3 sea. Default inland.
    delta_n : float or (n_path,) array
        Mean lapse of refractivity in the lowest kilometre, N-units/km; default 45.
    n0 : float or (n_path,) array
        Surface refractivity at sea level, N-units; default 325 (ITM: 301).
    latitude_deg : float or (n_path,) array
        Latitude of the path's centre; or else the four coordinates of the ends. Needed for time
        percentages other than 50; at 50 % the default 45 is taken and told in `why`.
    tx_latitude_deg, tx_longitude_deg, rx_latitude_deg, rx_longitude_deg : float or array
        Coordinates of the ends, degrees.
    dct_km, dcr_km : float or (n_path,) array
        Distance over land from either terminal to the coast along the path, km; default 500, and
        0 for a terminal at sea.
    location_sigma_db, resolution_m : float or (n_path,) array
        P.1812: standard deviation over locations, dB; by default that of clause 4.7 for squares of
        this width, m.
    smooth_by_formula : bool
        P.1812: the smooth earth's Bullington loss by the formula of attachment 4.
    tx_gain_dbi, rx_gain_dbi, pressure_hpa, temperature_c, worst_month
        P.452: antenna gains towards the horizon, dBi; air pressure, hPa; air temperature, degrees
        Celsius; `time_percent` is of the worst month, not of the year.
    climate, eps_r, sigma_s_per_m, mdvar
        ITM: radio climate, ground constants, mode of variability.
    situation_percent, reliability_percent, confidence_percent
        ITM: third share beside those of time and locations; or the two that stand for the three.
    count : int or (n_path,) array of int, optional
        Points of each profile in a padded table; by default those before the NaN that end its
        distances.
    intermediates : bool
        Return the model's steps too.

    Returns
    -------
    ProfileLoss

    Raises
    ------
    ValueError
        For an unknown model, an argument that the model does not have, and values that no model
        can take; all faults of the profiles together.

    Examples
    --------
    >>> import numpy as np
    >>> d = np.linspace(0.0, 10.0, 101)
    >>> told = profile_loss(
    ...     "ITU-R P.1812-8", d, 30.0 * np.sin(d), frequency_ghz=0.7, tx_height_m=30.0,
    ...     rx_height_m=1.5,
    ... )
    >>> bool(told.valid)
    True
    """
    options = {
        name: value
        for name, value in locals().items()
        if name not in {"model", "distance_km", "height_m", "intermediates"} and value is not None
    }
    if plain(model) not in _SPELLINGS:
        raise ValueError(f"model must be one of {', '.join(PROFILE_MODELS)}; got {model!r}")
    model = _SPELLINGS[plain(model)]
    missing = [name for name in ("frequency_ghz", "tx_height_m", "rx_height_m")
               if name not in options]  # fmt: skip
    if missing:
        raise ValueError(f"{', '.join(missing)} must be given; got None")
    function, known = _load(model)
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(f"{model} does not take {', '.join(unknown)}; it takes {sorted(known)}")
    told = function(distance_km, height_m, intermediates=intermediates, **options)
    # a model may tell more of its own after the common fields
    return ProfileLoss(*told[: len(ProfileLoss._fields)])
