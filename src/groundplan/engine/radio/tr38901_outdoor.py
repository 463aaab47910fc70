"""Loss of UMa, UMi and RMa with and without sight (3GPP TR 38.901 V17, Table 7.4.1-1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.radio.tr38901_sight import break_distance_m, environment_heights

__all__ = ["BUILDING_HEIGHT_M", "STREET_WIDTH_M", "rural", "urban"]

FloatArray = NDArray[np.float64]
#: Mean building height and street width of RMa, m (Table 7.4.1-1, defaults).
BUILDING_HEIGHT_M = 5.0
STREET_WIDTH_M = 20.0


def urban(
    d: FloatArray,
    f: FloatArray,
    hb: FloatArray,
    hu: FloatArray,
    *,
    is_micro: bool,
    is_optional: bool,
    environment_height_m: FloatArray | None,
) -> tuple[FloatArray, FloatArray]:
    """Return LOS and NLOS loss of UMa or UMi, dB.

    Parameters
    ----------
    d, f, hb, hu : array
        Ground distance in m, GHz, heights in m; of one shape.
    is_micro : bool
        UMi instead of UMa.
    is_optional : bool
        The optional loss without sight.
    environment_height_m : array or None
        None: UMa's mean over the heights that it may draw, for each branch.
    """
    d3 = np.sqrt(d**2 + (hb - hu) ** 2)
    lg_d, lg_f = np.log10(d3), np.log10(f)
    start_db, slope, bend = (32.4, 21.0, 9.5) if is_micro else (28.0, 22.0, 9.0)
    near = start_db + slope * lg_d + 20.0 * lg_f
    if is_optional:
        without = 32.4 + (31.9 if is_micro else 30.0) * lg_d + 20.0 * lg_f
    elif is_micro:
        without = 35.3 * lg_d + 22.4 + 21.3 * lg_f - 0.3 * (hu - 1.5)
    else:
        without = 13.54 + 39.08 * lg_d + 20.0 * lg_f - 0.6 * (hu - 1.5)

    def branches(he: float | FloatArray) -> tuple[FloatArray, FloatArray]:
        break_m = break_distance_m("UMi" if is_micro else "UMa", f, hb, hu, he)
        far = start_db + 40.0 * lg_d + 20.0 * lg_f - bend * np.log10(break_m**2 + (hb - hu) ** 2)
        los = np.where(d <= break_m, near, far)
        return los, without if is_optional else np.maximum(los, without)

    if environment_height_m is not None:
        return branches(environment_height_m)
    if is_micro or not (hu >= 13.5).any():
        return branches(1.0)
    los_sum, nlos_sum = np.zeros(d.shape), np.zeros(d.shape)
    for height_m, p in environment_heights(d, hb, hu):
        # where a height cannot be, its loss has no meaning and its probability is 0
        los, nlos = branches(np.where(p > 0.0, height_m, 1.0))
        los_sum += p * los
        nlos_sum += p * nlos
    return los_sum, nlos_sum


def rural(
    d: FloatArray,
    f: FloatArray,
    hb: FloatArray,
    hu: FloatArray,
    h: FloatArray,
    w: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return LOS loss, NLOS loss (dB) and break distance (m) of RMa.

    Parameters
    ----------
    d, f, hb, hu : array
        Ground distance in m, GHz, heights in m; of one shape.
    h, w : array
        Mean height of buildings and mean width of streets, m.
    """
    d3 = np.sqrt(d**2 + (hb - hu) ** 2)
    break_m = np.asarray(break_distance_m("RMa", f, hb, hu))
    lg_h = np.log10(h)

    def near(x: FloatArray) -> FloatArray:
        return np.asarray(
            20.0 * np.log10(40.0 * np.pi * x * f / 3.0)
            + np.minimum(0.03 * h**1.72, 10.0) * np.log10(x)
            - np.minimum(0.044 * h**1.72, 14.77)
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
