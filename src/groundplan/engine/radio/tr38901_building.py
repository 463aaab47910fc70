"""Loss on the way into buildings and cars (3GPP TR 38.901 V17, clause 7.4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from groundplan.engine.radio.arguments import above, fit

__all__ = ["MATERIALS", "BuildingLoss", "car_entry_loss", "wall_and_room_loss", "wall_loss_db"]

#: Loss through a material, a + b f dB with f in GHz (Table 7.4.3-1).
MATERIALS: dict[str, tuple[float, float]] = {
    "glass": (2.0, 0.2),
    "coated glass": (23.0, 0.3),
    "concrete": (5.0, 4.0),
    "wood": (4.85, 0.12),
}
#: What oblique incidence adds to every wall, dB (Table 7.4.3-2).
OBLIQUE_DB = 5.0
#: Walls of the two classes as shares of power, and their spread (Table 7.4.3-2).
BUILDINGS: dict[str, tuple[dict[str, float], float]] = {
    "low": ({"glass": 0.3, "concrete": 0.7}, 4.4),
    "high": ({"coated glass": 0.7, "concrete": 0.3}, 6.5),
}
#: Range of the report; outside, ``valid`` is False.
FREQUENCY_GHZ = (0.5, 100.0)
#: Cars: plain and metallised windows, and the spread of both, dB (clause 7.4.3.2).
CAR_DB, CAR_METALLISED_DB, CAR_SIGMA_DB = 9.0, 20.0, 5.0
CAR_FREQUENCY_GHZ = (0.6, 60.0)


class BuildingLoss(NamedTuple):
    """Loss on the way into a building or a car.

    Attributes
    ----------
    entry_db : float or array
        Outer wall.
    indoor_db : float or array
        From the wall to the terminal.
    sigma_db : float or array
        Spread among buildings.
    valid : bool or array of bool
        False outside `FREQUENCY_GHZ`.
    """

    entry_db: Any
    indoor_db: Any
    sigma_db: Any
    valid: Any = True

    @property
    def loss_db(self) -> Any:
        """Outer wall and inside together, dB."""
        return self.entry_db + self.indoor_db


def wall_loss_db(material_ratio: Mapping[str, float], frequency_ghz: ArrayLike) -> Any:
    """Return the loss of a wall of several materials, each passing its share of power.

    Parameters
    ----------
    material_ratio : mapping
        Name in `MATERIALS` -> share of the wall, > 0; shares add up to 1.
    frequency_ghz : float or array
        GHz, > 0.

    Returns
    -------
    float or array
        dB, with the 5 dB of oblique incidence.

    Examples
    --------
    >>> round(float(wall_loss_db({"wood": 1.0}, 3.5)), 2)
    10.27
    """
    f = above("frequency_ghz", frequency_ghz, 0.0)
    unknown = [name for name in material_ratio if name not in MATERIALS]
    if unknown:
        raise ValueError(f"material must be one of {', '.join(MATERIALS)}; got {unknown[0]!r}")
    total = sum(material_ratio.values())
    if abs(total - 1.0) > 1e-9 or min(material_ratio.values()) < 0.0:
        raise ValueError(f"material_ratio must be shares >= 0 that add up to 1; got {total:g}")
    passed = np.zeros(f.shape)
    for name, share in material_ratio.items():
        start_db, slope = MATERIALS[name]
        passed = passed + share * 10.0 ** (-(start_db + slope * f) / 10.0)
    return OBLIQUE_DB - 10.0 * np.log10(passed)


def wall_and_room_loss(
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
    >>> round(wall_and_room_loss("low", 3.5, 0.0).entry_db, 2)
    12.7
    """
    f = above("frequency_ghz", frequency_ghz, 0.0)
    inside = above("indoor_distance_m", indoor_distance_m, 0.0, is_open=False)
    fit(frequency_ghz=f, indoor_distance_m=inside)
    f, inside = np.broadcast_arrays(f, inside)
    if building == "outdoor":
        entry, sigma, inside = np.zeros(f.shape), 0.0, np.zeros(f.shape)
    elif building in BUILDINGS:
        wall, sigma = BUILDINGS[building]
        entry = wall_loss_db(wall, f)
    else:
        raise ValueError(f"building must be 'low', 'high' or 'outdoor'; got {building!r}")
    indoor = 0.5 * inside
    valid = (f >= FREQUENCY_GHZ[0]) & (f <= FREQUENCY_GHZ[1])
    if f.ndim == 0:
        return BuildingLoss(float(entry), float(indoor), sigma, bool(valid))
    return BuildingLoss(entry, indoor, np.full(f.shape, sigma), valid)


def car_entry_loss(frequency_ghz: ArrayLike, *, is_metallised: bool = False) -> BuildingLoss:
    """Return the loss into a car: 9 dB, 20 dB behind metallised windows, spread 5 dB.

    Parameters
    ----------
    frequency_ghz : float or array
        0.6 to 60 GHz, where the report states the loss; elsewhere it is refused.
    is_metallised : bool

    Examples
    --------
    >>> car_entry_loss(3.5)
    BuildingLoss(entry_db=9.0, indoor_db=0.0, sigma_db=5.0, valid=True)
    """
    f = above("frequency_ghz", frequency_ghz, 0.0)
    low, high = CAR_FREQUENCY_GHZ
    bad = ~((f >= low) & (f <= high))
    if bad.any():
        raise ValueError(f"frequency_ghz must be {low:g} to {high:g}; got {f[bad].ravel()[0]}")
    entry = CAR_METALLISED_DB if is_metallised else CAR_DB
    if f.ndim == 0:
        return BuildingLoss(entry, 0.0, CAR_SIGMA_DB)
    return BuildingLoss(*(np.full(f.shape, v) for v in (entry, 0.0, CAR_SIGMA_DB, True)))
