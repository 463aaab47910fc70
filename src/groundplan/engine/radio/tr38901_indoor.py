"""Loss of offices (InH) and factories (InF) of 3GPP TR 38.901 V17, Table 7.4.1-1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["factory", "office"]

FloatArray = NDArray[np.float64]
#: Start and slope of the loss without sight in factories, dB.
FACTORY_NLOS = {"SL": (33.0, 25.5), "DL": (18.6, 35.7), "SH": (32.4, 23.0), "DH": (33.63, 21.9)}


def office(d3: FloatArray, f: FloatArray, *, is_optional: bool) -> tuple[FloatArray, FloatArray]:
    """Return LOS and NLOS loss of InH, dB; `d3` distance in space in m, `f` GHz."""
    lg_d, lg_f = np.log10(d3), np.log10(f)
    los = 32.4 + 17.3 * lg_d + 20.0 * lg_f
    if is_optional:
        return los, 32.4 + 20.0 * lg_f + 31.9 * lg_d
    return los, np.maximum(los, 38.3 * lg_d + 17.30 + 24.9 * lg_f)


def factory(kind: str, d3: FloatArray, f: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return LOS and NLOS loss of InF, dB; HH has sight everywhere, so both are the same."""
    lg_d, lg_f = np.log10(d3), np.log10(f)
    los = 31.84 + 21.50 * lg_d + 19.00 * lg_f
    if kind == "HH":
        return los, los
    nlos = los
    # dense clutter round a low base is never better than sparse clutter
    for each in ("SL", "DL") if kind == "DL" else (kind,):
        start_db, slope = FACTORY_NLOS[each]
        nlos = np.maximum(nlos, start_db + slope * lg_d + 20.0 * lg_f)
    return los, nlos
