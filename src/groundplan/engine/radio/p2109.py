r"""Building entry loss of Recommendation ITU-R P.2109-2, for two classes of building.

With the median at horizontal incidence :math:`L_h = r + s \lg f + t \lg^2 f` and the correction for
elevation :math:`L_e = 0.212 |\theta|`, the loss not exceeded with probability P is

.. math:: L = 10 \lg\big(10^{A/10} + 10^{B/10} + 10^{C/10}\big)

with :math:`A = F^{-1}(P)\,\sigma_1 + L_h + L_e`, :math:`B = F^{-1}(P)\,\sigma_2 + w + x \lg f`,
C = -3, :math:`\sigma_1 = u + v \lg f`, :math:`\sigma_2 = y + z \lg f`; f in GHz. The probability is
over places and buildings, so no spread comes on top of it.

Left out: the depth inside the building, other materials than the two classes, mixtures of them.

References
----------
Recommendation ITU-R P.2109-2 (2023), annex 1, section 3 and table 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from groundplan.engine.radio.arguments import above, between, finite, fit, plain

__all__ = ["BUILDINGS", "MODEL", "RANGES", "EntryLoss", "entry_loss_p2109"]

MODEL = "ITU-R P.2109-2"
#: Coefficients r, s, t, u, v, w, x, y, z of table 1.
BUILDINGS = {
    "traditional": (12.64, 3.72, 0.96, 9.6, 2.0, 9.1, -3.0, 4.5, -2.0),
    "thermally efficient": (28.19, -3.00, 8.48, 13.5, 3.8, 27.8, -2.9, 9.4, -2.1),
}
#: Term C, dB.
FLOOR_DB = -3.0
#: Growth with the elevation angle, dB per degree.
ELEVATION_DB_PER_DEG = 0.212
#: Ranges of the Recommendation; outside, ``valid`` is False.
RANGES = {"frequency_ghz": (0.08, 100.0), "elevation_deg": (-90.0, 90.0)}


class EntryLoss(NamedTuple):
    """Loss into a building.

    Attributes
    ----------
    loss_db : float or array
        Not exceeded with the asked probability, dB.
    valid : bool or array of bool
        False outside the ranges of the Recommendation (`RANGES`).
    """

    loss_db: Any
    valid: Any


def entry_loss_p2109(
    building: str,
    frequency_ghz: ArrayLike,
    *,
    probability_percent: ArrayLike = 50.0,
    elevation_deg: ArrayLike = 0.0,
) -> EntryLoss:
    """Return the building entry loss not exceeded with a probability.

    Parameters
    ----------
    building : str
        ``"traditional"`` or ``"thermally efficient"`` (metallised glass, foil-backed panels).
    frequency_ghz : float or array
        GHz, > 0; valid 0.08 to 100.
    probability_percent : float or array
        > 0 and < 100.
    elevation_deg : float or array
        Of the path at the wall, above the horizontal, degrees; valid -90 to 90.

    Returns
    -------
    EntryLoss
        Broadcast from the arguments.

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.

    Examples
    --------
    >>> round(entry_loss_p2109("traditional", 3.5).loss_db, 2)
    15.72
    >>> round(entry_loss_p2109("thermally efficient", 3.5, probability_percent=90).loss_db, 2)
    49.27
    """
    spelled = {plain(name): name for name in BUILDINGS}
    if plain(building) not in spelled:
        raise ValueError(f"building must be one of {', '.join(BUILDINGS)}; got {building!r}")
    f = above("frequency_ghz", frequency_ghz, 0.0)
    p = between("probability_percent", probability_percent, 0.0, 100.0)
    angle = finite("elevation_deg", elevation_deg)
    fit(frequency_ghz=f, probability_percent=p, elevation_deg=angle)
    r, s, t, u, v, w, x, y, z = BUILDINGS[spelled[plain(building)]]
    lg = np.log10(f)
    deviate = ndtri(p / 100.0)
    a = deviate * (u + v * lg) + r + s * lg + t * lg**2 + ELEVATION_DB_PER_DEG * np.abs(angle)
    b = deviate * (y + z * lg) + w + x * lg
    loss = 10.0 * np.log10(10.0 ** (a / 10.0) + 10.0 ** (b / 10.0) + 10.0 ** (FLOOR_DB / 10.0))
    valid = np.ones(np.shape(loss), dtype=bool)
    for name, value in (("frequency_ghz", f), ("elevation_deg", angle)):
        low, high = RANGES[name]
        valid &= (value >= low) & (value <= high)
    if np.ndim(loss) == 0:
        return EntryLoss(float(loss), bool(valid))
    return EntryLoss(loss, valid)
