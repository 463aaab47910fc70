"""What a SINR is worth to the load coupling: bit/s/Hz as a table that its kernel reads.

The load coupling asks for one function, decibels in and bit/s/Hz out; two are here by name, any
other can be given in their place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.radio.throughput import spectral_efficiency

__all__ = ["EFFICIENCIES", "Curve", "cqi_efficiency", "sample_curve"]

FloatArray = NDArray[np.float64]
Curve = Callable[[FloatArray], FloatArray]
#: Of the resource, taken by control and reference signals, downlink FR1 (TS 38.306, 4.1.2), and
#: lost to repeats at the error rate at which the CQI is chosen (TS 38.214, 5.2.2.1).
CQI_OVERHEAD = 0.14
CQI_ERROR = 0.1
#: Spread of the SINR among the terminals of a cell over which a curve is averaged, dB. Steps of the
#: CQI would otherwise make loads jump, and a fixed point need not exist (assumption).
SPREAD_DB = {"38.214-cqi": 2.0}
#: Where curves are evaluated, dB.
CURVE_FROM_DB, CURVE_TO_DB, CURVE_STEP_DB = -31.0, 61.0, 0.01
#: Where the kernel reads them: least SINR (a power of two, -30 dB), octaves, values an octave.
CURVE_LEAST, CURVE_OCTAVES, CURVE_STEPS = 2.0**-10, 30, 128


def cqi_efficiency(sinr_db: ArrayLike) -> FloatArray:
    """Return the efficiency of the CQI that a SINR allows, control and repeats taken off, bit/s/Hz.

    Examples
    --------
    >>> cqi_efficiency([-7.0, 0.2, 30.0]).round(3).tolist()
    [0.0, 0.466, 4.299]
    """
    steps = np.asarray(spectral_efficiency(sinr_db, "38.214-cqi"))
    return steps * ((1.0 - CQI_OVERHEAD) * (1.0 - CQI_ERROR))


EFFICIENCIES: dict[str, Curve] = {
    "truncated-shannon": spectral_efficiency,
    "38.214-cqi": cqi_efficiency,
}


def sample_curve(se: str | Curve, spread_db: float | None = None) -> NDArray[np.float32]:
    """Return a curve at `CURVE_STEPS` values of the SINR in each octave, from `CURVE_LEAST` on.

    The kernel finds its place from the bits of a float32 SINR, without a logarithm.

    Parameters
    ----------
    se : str or callable
        A name of `EFFICIENCIES`, or a function of the SINR in dB to bit/s/Hz.
    spread_db : float, optional
        The curve is averaged over a normal spread of the SINR; that of `SPREAD_DB` by default.
        Below half of the curve's least value that is not 0 nothing is received.
    """
    if spread_db is None:
        spread_db = SPREAD_DB.get(se, 0.0) if isinstance(se, str) else 0.0
    if not 0.0 <= spread_db <= 10.0:
        raise ValueError(f"spread_db must be in 0..10; got {spread_db}")
    if isinstance(se, str):
        if se not in EFFICIENCIES:
            raise ValueError(
                f"se must be one of {', '.join(EFFICIENCIES)} or a function; got {se!r}"
            )
        se = EFFICIENCIES[se]
    count = round((CURVE_TO_DB - CURVE_FROM_DB) / CURVE_STEP_DB) + 1
    sinr_db = np.linspace(CURVE_FROM_DB, CURVE_TO_DB, count)
    value = np.asarray(se(sinr_db), np.float64)
    if value.shape != (count,) or not (np.isfinite(value) & (value >= 0)).all():
        raise ValueError("se must give one value >= 0, bit/s/Hz, for each SINR")
    if spread_db > 0.0 and (value > 0).any():
        reach = int(np.ceil(4.0 * spread_db / CURVE_STEP_DB))
        step = np.arange(-reach, reach + 1) * (CURVE_STEP_DB / spread_db)
        weight = np.exp(-0.5 * step**2)
        least = 0.5 * value[value > 0].min()
        value = np.convolve(np.pad(value, reach, mode="edge"), weight / weight.sum(), mode="valid")
        value = np.where(value >= least, value, 0.0)
    octave, part = np.divmod(np.arange(CURVE_OCTAVES * CURVE_STEPS + 1), CURVE_STEPS)
    at_db = 10.0 * np.log10(CURVE_LEAST * 2.0**octave * (1.0 + part / CURVE_STEPS))
    return np.interp(at_db, sinr_db, value).astype(np.float32)
