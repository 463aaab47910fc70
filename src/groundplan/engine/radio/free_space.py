r"""Free-space loss of Recommendation ITU-R P.525, between isotropic antennas.

.. math:: L_{bf} = 20 \lg \frac{4 \pi d}{\lambda}

with the exact speed of light; the Recommendation's rounded form, 32.4 + 20 lg f + 20 lg d (MHz,
km), is 0.048 dB less. The terrain models round in their own way, each as its reference does.

Left out: everything but distance.

References
----------
Recommendation ITU-R P.525-4 (2019), annex 1, equation 4; unchanged in P.525-5 (2024).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from groundplan.engine.radio.arguments import above, fit

__all__ = ["MODEL", "FreeSpaceLoss", "free_space_loss"]

MODEL = "ITU-R P.525"
#: Speed of light, m/s (exact by the definition of the metre).
LIGHT_M_PER_S = 299_792_458.0


class FreeSpaceLoss(NamedTuple):
    """Loss in free space.

    Attributes
    ----------
    loss_db : float or array
        dB.
    sigma_db : float or array
        0: nothing is left to chance.
    valid : bool or array of bool
        False nearer than a wavelength, where the far field has not formed.
    """

    loss_db: Any
    sigma_db: Any
    valid: Any


def free_space_loss(distance_km: ArrayLike, frequency_ghz: ArrayLike) -> FreeSpaceLoss:
    """Return the basic transmission loss in free space.

    Parameters
    ----------
    distance_km : float or array
        km, > 0.
    frequency_ghz : float or array
        GHz, > 0.

    Returns
    -------
    FreeSpaceLoss
        Broadcast from the arguments.

    Raises
    ------
    ValueError
        Where an argument is not positive; it names argument and value.

    Examples
    --------
    >>> round(free_space_loss(1.0, 1.0).loss_db, 3)
    92.448
    """
    d = above("distance_km", distance_km, 0.0)
    f = above("frequency_ghz", frequency_ghz, 0.0)
    fit(distance_km=d, frequency_ghz=f)
    waves = d * 1e3 * f * 1e9 / LIGHT_M_PER_S
    loss = 20.0 * np.log10(4.0 * np.pi * waves)
    if waves.ndim == 0:
        return FreeSpaceLoss(float(loss), 0.0, bool(waves >= 1.0))
    return FreeSpaceLoss(loss, np.zeros(waves.shape), waves >= 1.0)
