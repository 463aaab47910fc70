r"""From SINR to throughput: spectral efficiency, resource blocks, TDD share, overhead.

Two curves from SINR to bit/s/Hz:

- ``"truncated-shannon"`` (TR 36.942, Annex A): 0 below :math:`SINR_{min}`, then
  :math:`\alpha \log_2(1 + SINR)`, at most a cap. It is a throughput after retransmissions, so no
  block errors are taken off again.
- ``"38.214-cqi"``: the highest index of a CQI table whose switch point the SINR reaches. The
  points are for 10 % block errors, which are taken off.

Switch points are listed for the efficiencies of table 1. Other efficiencies (256QAM in table 2,
low rates in table 3) get theirs by the gap to Shannon, linear between the listed efficiencies and
held beyond them: an assumption, so that one efficiency has one SINR whatever the table.

Net throughput:

.. math:: R = \eta \cdot 12 N_{PRB} \Delta f \cdot v \cdot (1 - OH)(1 - BLER) \cdot s_{TDD}

with v layers at the same SINR, overhead OH of TS 38.306 and the share s of the frame.

Left out: scheduling and multi-user gains, the loss of SINR per layer as layers share power,
channel aging, and delays of feedback.

References
----------
3GPP TS 38.214 V17, clause 5.2.2.1; TS 38.104 V17, clause 5.3.2; TS 38.306 V17, clause 4.1.2;
TR 36.942 V17, Annex A.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.radio.arguments import one, real
from groundplan.engine.radio.constants import constant_rows

__all__ = [
    "METHODS",
    "TddShare",
    "cqi_steps",
    "net_throughput_mbps",
    "peak_rate_mbps",
    "prb_count",
    "spectral_efficiency",
    "tdd_share",
]

FloatArray = NDArray[np.float64]
METHODS = ("truncated-shannon", "38.214-cqi")
LINKS = ("downlink", "uplink")
#: alpha, SINR_min in dB, cap in bit/s/Hz (TR 36.942, Table A.1).
SHANNON: dict[str, tuple[float, float, float]] = {
    "downlink": (0.6, -10.0, 4.4),
    "uplink": (0.4, -10.0, 2.0),
}
#: Overhead of control and reference signals (TS 38.306, clause 4.1.2): FR1, FR2.
OVERHEAD_RATIO: dict[str, tuple[float, float]] = {"downlink": (0.14, 0.18), "uplink": (0.08, 0.10)}
#: Block errors at the switch points.
BLER_RATIO = 0.1
#: Largest code rate (TS 38.306).
TOP_RATE = 948 / 1024
SYMBOLS = 14
#: Spacings in kHz of the slots per millisecond 1, 2, 4, 8.
SPACINGS_KHZ = (15, 30, 60, 120)


class TddShare(NamedTuple):
    """Shares of the frame; what is left is guard.

    Attributes
    ----------
    downlink_ratio, uplink_ratio : float
    """

    downlink_ratio: float
    uplink_ratio: float


def tdd_share(pattern: str, special: str = "10:2:2") -> TddShare:
    """Return which share of the frame carries downlink and uplink.

    Parameters
    ----------
    pattern : str
        Slots as letters D, U, S, such as ``"DDDSU"``; ``"FDD"`` gives both links all the time.
    special : str
        Symbols of a special slot, ``downlink:guard:uplink``, 14 in all.

    Examples
    --------
    >>> tdd_share("DDDSU").downlink_ratio.__round__(4)
    0.7429
    """
    if pattern == "FDD":
        return TddShare(1.0, 1.0)
    letters = pattern.upper()
    if not letters or set(letters) - set("DUS"):
        raise ValueError(f"pattern must be letters D, U and S, or 'FDD'; got {pattern!r}")
    parts = special.split(":")
    if len(parts) != 3 or not all(p.isdigit() for p in parts) or sum(map(int, parts)) != SYMBOLS:
        raise ValueError(f"special must be three counts that add up to 14; got {special!r}")
    down, _, up = (int(p) for p in parts)
    total = SYMBOLS * len(letters)
    n_special = letters.count("S")
    return TddShare(
        (SYMBOLS * letters.count("D") + down * n_special) / total,
        (SYMBOLS * letters.count("U") + up * n_special) / total,
    )


@lru_cache(maxsize=1)
def _prb_table() -> dict[tuple[str, int, float], int]:
    return {
        (r["range"], int(r["spacing_khz"]), float(r["bandwidth_mhz"])): int(r["prb_count"])
        for r in constant_rows("prb")
    }


@lru_cache(maxsize=1)
def prb_table() -> dict[float, dict[float, int]]:
    """Return resource blocks by subcarrier spacing (kHz) and bandwidth (MHz), both ranges."""
    table: dict[float, dict[float, int]] = {}
    for (_range, spacing, bandwidth), count in _prb_table().items():
        table.setdefault(float(spacing), {}).setdefault(bandwidth, count)
    return table


def prb_count(bandwidth_mhz: float, spacing_khz: int = 30, frequency_range: str = "FR1") -> int:
    """Return the resource blocks of a carrier (TS 38.104, Tables 5.3.2-1 and -2).

    Examples
    --------
    >>> prb_count(100), prb_count(30, 15), prb_count(20)
    (273, 160, 51)
    """
    table = _prb_table()
    bandwidth_mhz = one("bandwidth_mhz", bandwidth_mhz)
    key = (frequency_range, int(spacing_khz), bandwidth_mhz)
    if key not in table:
        known = [f"{b:g}" for r, s, b in table if (r, s) == key[:2]]
        if not known:
            pairs = sorted({f"{r} {s}" for r, s, _ in table})
            raise ValueError(
                f"frequency_range and spacing_khz must be one of {', '.join(pairs)}; "
                f"got {frequency_range} {spacing_khz}"
            )
        raise ValueError(
            f"bandwidth_mhz must be one of {', '.join(known)} at {spacing_khz} kHz; "
            f"got {bandwidth_mhz:g}"
        )
    return table[key]


@lru_cache(maxsize=3)
def _steps(cqi_table: int) -> tuple[FloatArray, FloatArray]:
    rows = [r for r in constant_rows("cqi") if r["table"] == str(cqi_table)]
    if not rows:
        raise ValueError(f"cqi_table must be 1, 2 or 3; got {cqi_table}")
    efficiency = np.array([float(r["efficiency"]) for r in rows])
    listed = np.array(
        [[float(r[k]) for k in ("efficiency", "sinr_db")] for r in constant_rows("cqi_switch")]
    )
    gap_db = listed[:, 1] - _shannon_db(listed[:, 0])
    sinr_db = _shannon_db(efficiency) + np.interp(efficiency, listed[:, 0], gap_db)
    return sinr_db, efficiency


def _shannon_db(efficiency: FloatArray) -> FloatArray:
    """Return the SINR at which a Gaussian channel carries the efficiency, dB."""
    return np.asarray(10.0 * np.log10(2.0**efficiency - 1.0))


def cqi_steps(cqi_table: int = 1) -> tuple[FloatArray, FloatArray]:
    """Return switch points (dB) and efficiencies (bit/s/Hz) of a CQI table, rising.

    Parameters
    ----------
    cqi_table : int
        1: up to 64QAM (Table 5.2.2.1-2); 2: up to 256QAM (-3); 3: low rates (-4).

    Returns
    -------
    sinr_db, efficiency : (15,) float64
    """
    sinr_db, efficiency = _steps(cqi_table)
    return sinr_db.copy(), efficiency.copy()


def spectral_efficiency(
    sinr_db: ArrayLike,
    method: str = "truncated-shannon",
    *,
    link: str = "downlink",
    cqi_table: int = 1,
) -> Any:
    """Return what one layer carries at a SINR, bit/s/Hz, before overhead and block errors.

    Parameters
    ----------
    sinr_db : float or array
        Minus infinity is no signal.
    method : str
        ``"truncated-shannon"`` or ``"38.214-cqi"``.
    link : str
        ``"downlink"`` or ``"uplink"``: parameters of the first method.
    cqi_table : int
        Table of the second method: 1, 2 or 3.

    Returns
    -------
    float or array

    Examples
    --------
    >>> spectral_efficiency([-11.0, 0.0, 30.0]).tolist()
    [0.0, 0.6, 4.4]
    >>> spectral_efficiency(11.0, "38.214-cqi")
    2.4063
    """
    sinr = real("sinr_db", sinr_db)
    if np.isnan(sinr).any():
        raise ValueError("sinr_db must be numbers; got nan")
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    if link not in LINKS:
        raise ValueError(f"link must be one of {', '.join(LINKS)}; got {link!r}")
    if method == "truncated-shannon":
        alpha, least_db, cap = SHANNON[link]
        out = np.minimum(alpha * np.log2(1.0 + 10.0 ** (np.minimum(sinr, 200.0) / 10.0)), cap)
        out = np.where(sinr < least_db, 0.0, out)
    else:
        step, efficiency = _steps(cqi_table)
        # the listed points are rounded to a tenth: so are comparisons
        index = np.searchsorted(step, sinr + 1e-9, side="right")
        out = np.concatenate([[0.0], efficiency])[index]
    return float(out) if out.ndim == 0 else out


def _ratio(name: str, value: float) -> float:
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} must be >= 0 and < 1; got {value}")
    return value


def net_throughput_mbps(
    sinr_db: ArrayLike,
    bandwidth_mhz: float,
    spacing_khz: int = 30,
    *,
    method: str = "truncated-shannon",
    link: str = "downlink",
    cqi_table: int = 1,
    layer_count: int = 1,
    pattern: str = "FDD",
    special: str = "10:2:2",
    overhead_ratio: float | None = None,
    bler_ratio: float | None = None,
    frequency_range: str = "FR1",
) -> Any:
    """Return what a whole carrier carries at a SINR, Mbit/s.

    Parameters
    ----------
    sinr_db : float or array
    bandwidth_mhz, spacing_khz, frequency_range
        See `prb_count`.
    method, link, cqi_table
        See `spectral_efficiency`.
    layer_count : int
        Layers at this SINR, >= 1; the conservative default is one.
    pattern, special : str
        See `tdd_share`.
    overhead_ratio : float, optional
        In 0..1; else that of TS 38.306: 0.14 down, 0.08 up (FR1).
    bler_ratio : float, optional
        In 0..1; else 0.1 with CQI and 0 with truncated Shannon, which has them in it.

    Examples
    --------
    >>> round(net_throughput_mbps(20.0, 100, pattern="DDDSU"), 1)
    250.8
    """
    if layer_count < 1:
        raise ValueError(f"layer_count must be >= 1; got {layer_count}")
    efficiency = spectral_efficiency(sinr_db, method, link=link, cqi_table=cqi_table)
    band_mhz = prb_count(bandwidth_mhz, spacing_khz, frequency_range) * 12 * spacing_khz / 1000.0
    share = tdd_share(pattern, special)
    part = share.downlink_ratio if link == "downlink" else share.uplink_ratio
    if overhead_ratio is None:
        overhead_ratio = OVERHEAD_RATIO[link][frequency_range == "FR2"]
    if bler_ratio is None:
        bler_ratio = BLER_RATIO if method == "38.214-cqi" else 0.0
    kept = (1.0 - _ratio("overhead_ratio", overhead_ratio)) * (
        1.0 - _ratio("bler_ratio", bler_ratio)
    )
    return efficiency * band_mhz * layer_count * kept * part


def peak_rate_mbps(
    bandwidth_mhz: float,
    spacing_khz: int = 30,
    *,
    link: str = "downlink",
    layer_count: int = 1,
    bits_per_symbol: int = 8,
    scaling: float = 1.0,
    pattern: str = "FDD",
    special: str = "10:2:2",
    frequency_range: str = "FR1",
) -> float:
    """Return the largest data rate of one carrier (TS 38.306, clause 4.1.2), Mbit/s.

    Parameters
    ----------
    bits_per_symbol : int
        8 for 256QAM, 6 for 64QAM.
    scaling : float
        Factor f of the standard: 1, 0.8, 0.75 or 0.4.
    pattern, special : str
        Share of the frame, which the standard's own figure leaves out (``"FDD"``).

    Examples
    --------
    >>> round(peak_rate_mbps(100, layer_count=4))
    2337
    """
    if link not in LINKS:
        raise ValueError(f"link must be one of {', '.join(LINKS)}; got {link!r}")
    if spacing_khz not in SPACINGS_KHZ:
        raise ValueError(f"spacing_khz must be one of {SPACINGS_KHZ}; got {spacing_khz}")
    symbol_s = 1e-3 / (SYMBOLS * spacing_khz / 15.0)
    overhead = OVERHEAD_RATIO[link][frequency_range == "FR2"]
    share = tdd_share(pattern, special)
    part = share.downlink_ratio if link == "downlink" else share.uplink_ratio
    prb = prb_count(bandwidth_mhz, spacing_khz, frequency_range)
    bits = layer_count * bits_per_symbol * scaling * TOP_RATE * prb * 12 / symbol_s
    return float(1e-6 * bits * (1.0 - overhead) * part)
