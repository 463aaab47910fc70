"""What a SINR is worth: bit/s/Hz, and the share of a carrier that goes to users.

The load coupling asks for one function, decibels in and bit/s/Hz out; two are here by name, any
other can be given in their place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["EFFICIENCIES", "Curve", "cqi_efficiency", "downlink_ratio", "sample_curve",
           "shannon_efficiency"]  # fmt: skip

FloatArray = NDArray[np.float64]
Curve = Callable[[FloatArray], FloatArray]
#: Truncated Shannon bound, downlink: attenuation, least SINR (dB), cap (bit/s/Hz).
#: TR 36.942 V17, Annex A.
SHANNON = (0.6, -10.0, 4.4)
#: Efficiency of CQI 1..15, bit/s/Hz: TS 38.214 V17, Table 5.2.2.1-2 (up to 64QAM).
CQI_EFFICIENCY = (
    0.1523, 0.2344, 0.3770, 0.6016, 0.8770, 1.1758, 1.4766, 1.9141, 2.4063, 2.7305, 3.3223, 3.9023,
    4.5234, 5.1152, 5.5547,
)  # fmt: skip
#: SINR from which each CQI is reported, dB: simulated, as published with pysim5g (confidence M).
CQI_FROM_DB = (
    -6.7, -4.7, -2.3, 0.2, 2.4, 4.3, 5.9, 8.1, 10.3, 11.7, 14.1, 16.3, 18.7, 21.0, 22.7,
)  # fmt: skip
#: Of the resource, taken by control and reference signals, downlink FR1 (TS 38.306, 4.1.2), and
#: lost to repeats at the error rate at which the CQI is chosen (TS 38.214, 5.2.2.1).
CQI_OVERHEAD = 0.14
CQI_ERROR = 0.1
#: Spread of the SINR among the terminals of a cell over which a curve is averaged, dB. Steps of the
#: CQI would otherwise make loads jump, and a fixed point need not exist (assumption).
SPREAD_DB = {"38.214-cqi": 2.0}
#: Symbols of a slot; those of a special slot that go down (10:2:2, confidence U).
SLOT_SYMBOLS = 14
SPECIAL_DOWN = 10
#: Where curves are evaluated, dB.
CURVE_FROM_DB, CURVE_TO_DB, CURVE_STEP_DB = -31.0, 61.0, 0.01
#: Where the kernel reads them: least SINR (a power of two, -30 dB), octaves, values an octave.
CURVE_LEAST, CURVE_OCTAVES, CURVE_STEPS = 2.0**-10, 30, 128


def shannon_efficiency(sinr_db: ArrayLike) -> FloatArray:
    """Return the truncated Shannon bound, bit/s/Hz.

    Examples
    --------
    >>> shannon_efficiency([-11.0, 0.0, 40.0]).tolist()
    [0.0, 0.6, 4.4]
    """
    sinr = np.asarray(sinr_db, np.float64)
    factor, least, cap = SHANNON
    value = np.minimum(factor * np.log2(1.0 + 10.0 ** (sinr / 10.0)), cap)
    return np.where(sinr < least, 0.0, value)


def cqi_efficiency(sinr_db: ArrayLike) -> FloatArray:
    """Return the efficiency of the CQI that a SINR allows, control and repeats taken off, bit/s/Hz.

    Examples
    --------
    >>> cqi_efficiency([-7.0, 0.2, 30.0]).round(3).tolist()
    [0.0, 0.466, 4.299]
    """
    place = np.searchsorted(CQI_FROM_DB, np.asarray(sinr_db, np.float64), side="right")
    steps = np.concatenate([[0.0], CQI_EFFICIENCY])
    return np.asarray(steps[place] * ((1.0 - CQI_OVERHEAD) * (1.0 - CQI_ERROR)))


EFFICIENCIES: dict[str, Curve] = {
    "truncated-shannon": shannon_efficiency,
    "38.214-cqi": cqi_efficiency,
}


def downlink_ratio(pattern: str) -> float:
    """Return the share of time that goes down under a pattern of slots; ``"FDD"`` is all of it.

    Examples
    --------
    >>> round(downlink_ratio("DDDSU"), 3)
    0.743
    """
    if pattern == "FDD":
        return 1.0
    if not pattern or set(pattern) - set("DSU"):
        raise ValueError(f"tdd must be slots D, S, U such as 'DDDSU', or 'FDD'; got {pattern!r}")
    down = pattern.count("D") + pattern.count("S") * SPECIAL_DOWN / SLOT_SYMBOLS
    return down / len(pattern)


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
