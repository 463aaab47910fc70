"""Loss on the way into a building: TR 38.901 (mean and spread) and P.2109 (quantiles)."""

from __future__ import annotations

from numpy.typing import ArrayLike

from groundplan.engine.radio import p2109, tr38901_building
from groundplan.engine.radio.arguments import plain
from groundplan.engine.radio.tr38901_models import STANDARD

__all__ = ["MODELS", "building_entry_loss"]

#: Model name -> its classes of building.
MODELS = {
    STANDARD: (*tr38901_building.BUILDINGS, "outdoor"),
    p2109.MODEL: tuple(p2109.BUILDINGS),
}
_SPELLINGS = {
    "3gpptr38901": STANDARD,
    "tr38901": STANDARD,
    "38901": STANDARD,
    "iturp21092": p2109.MODEL,
    "iturp2109": p2109.MODEL,
    "p21092": p2109.MODEL,
    "p2109": p2109.MODEL,
}


def building_entry_loss(
    building: str,
    frequency_ghz: ArrayLike,
    indoor_distance_m: ArrayLike | None = None,
    *,
    model: str | None = None,
    probability_percent: ArrayLike | None = None,
    elevation_deg: ArrayLike | None = None,
) -> tr38901_building.BuildingLoss | p2109.EntryLoss:
    """Return the loss into a building.

    TR 38.901 (Table 7.4.3-2) gives a mean and a spread: ``low`` is a wall of 30 % glass and 70 %
    concrete, ``high`` of 70 % coated glass and 30 % concrete, in shares of power; inside, 0.5 dB
    per metre; ``outdoor`` is no loss at all. ITU-R P.2109-2 gives the loss not exceeded with a
    probability; its classes are ``traditional`` and ``thermally efficient``.

    Parameters
    ----------
    building : str
        A class of the model.
    frequency_ghz : float or array
        GHz, > 0; valid 0.5 to 100 (TR 38.901), 0.08 to 100 (P.2109).
    indoor_distance_m : float or array, optional
        TR 38.901: from the wall to the terminal, m, >= 0; default 0, the wall alone.
    model : str, optional
        ``"3GPP TR 38.901"`` or ``"ITU-R P.2109-2"``; by default the one that has this class.
    probability_percent, elevation_deg : float or array, optional
        P.2109: > 0 and < 100, default 50; of the path at the wall, degrees, default 0.

    Returns
    -------
    BuildingLoss or EntryLoss
        Of TR 38.901 or of P.2109; both have `loss_db` and `valid`.

    Raises
    ------
    ValueError
        Where an argument is impossible or another model's; it names argument and value.

    Examples
    --------
    >>> told = building_entry_loss("low", 3.5, 10.0)
    >>> round(told.loss_db, 2), told.sigma_db
    (17.7, 4.4)
    >>> told = building_entry_loss(
    ...     model="ITU-R P.2109-2", building="traditional", frequency_ghz=3.5,
    ...     probability_percent=90.0,
    ... )
    >>> round(told.loss_db, 2)
    28.74
    """
    classes = {plain(kind): kind for kinds in MODELS.values() for kind in kinds}
    kind = classes.get(plain(building), "")
    if model is None:
        name = p2109.MODEL if kind in p2109.BUILDINGS else STANDARD
    elif plain(model) in _SPELLINGS:
        name = _SPELLINGS[plain(model)]
    else:
        raise ValueError(f"model must be one of {', '.join(MODELS)}; got {model!r}")
    if kind not in MODELS[name]:
        known = classes.values() if model is None else MODELS[name]
        whose = "" if model is None else f" for {name}"
        raise ValueError(f"building must be one of {', '.join(known)}{whose}; got {building!r}")
    of_p2109 = {"probability_percent": probability_percent, "elevation_deg": elevation_deg}
    of_38901 = {"indoor_distance_m": indoor_distance_m}
    foreign = of_38901 if name == p2109.MODEL else of_p2109
    given = [key for key, value in foreign.items() if value is not None]
    if given:
        raise ValueError(f"{name} does not take {', '.join(given)}")
    if name == p2109.MODEL:
        own = {key: value for key, value in of_p2109.items() if value is not None}
        return p2109.entry_loss_p2109(kind, frequency_ghz, **own)
    inside = 0.0 if indoor_distance_m is None else indoor_distance_m
    return tr38901_building.wall_and_room_loss(kind, frequency_ghz, inside)
