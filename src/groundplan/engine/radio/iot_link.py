r"""Airtime of NB-IoT: transport blocks, resource units and repetitions at a coupling loss.

Noise-limited SNR on B hertz at coupling loss L: :math:`P - L + 174 - 10 \lg B - NF`. A block of b
bits with its 24 bits of checksum passes in U units of m resource elements, sent R times, where

.. math:: b + 24 \le U m \log_2(1 + R \cdot SNR / \Gamma),

R a power of two and :math:`\Gamma` the gap of code, channel estimation and fading at 10 % block
errors. Of all sizes, units, repetitions and numbers of tones that pass, the one is taken that
costs the least of the carrier, then the least time.

Left out: interference (the SNR is that of noise), 3.75 kHz data tones, early data transmission,
guard periods between uplink and downlink of a half-duplex device, and retransmissions beyond the
expected number.

References
----------
3GPP TS 36.211 V13, clause 10 (units, elements, preamble); TS 36.213 V13, clause 16 (blocks,
repetitions); TR 45.820 V13.1 (link budget).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

from groundplan.engine.radio.constants import constant_rows

__all__ = [
    "LINKS",
    "Burst",
    "ack_burst",
    "constant",
    "control_burst",
    "data_burst",
    "preamble_repetitions",
    "snr_db",
]

LINKS = ("downlink", "uplink")
CHECKSUM_BIT = 24
CONTROL_CHECKSUM_BIT = 16
#: Tones of an uplink unit -> its length in ms and its data elements.
UPLINK_UNITS: dict[int, tuple[float, int]] = {
    1: (8.0, 96),
    3: (4.0, 144),
    6: (2.0, 144),
    12: (1.0, 144),
}
#: Data elements of a downlink subframe, stand-alone, two antenna ports.
SUBFRAME_ELEMENTS = 152
TONE_HZ = 15_000.0
CARRIER_HZ = 180_000.0
UPLINK_REPETITIONS: tuple[int, ...] = tuple(2**k for k in range(8))
DOWNLINK_REPETITIONS: tuple[int, ...] = tuple(2**k for k in range(12))
#: Preamble of format 1: 4 groups of 1.6 ms on a tone of 3.75 kHz.
PREAMBLE_MS = 6.4
PREAMBLE_HZ = 3_750.0
PREAMBLE_REPETITIONS = UPLINK_REPETITIONS
#: Energy over noise that finds a preamble, dB: an assumption, 32 repetitions at 164 dB as networks
#: are commonly set up.
PREAMBLE_NEED_DB = 23.0


class Burst(NamedTuple):
    """How a number of bits is sent.

    Attributes
    ----------
    block_count, block_bits : int
        Transport blocks, and bits of each.
    unit_count, repetitions, tone_count : int
        Units of each block, times sent, and tones (uplink; the downlink has the whole carrier).
    airtime_ms : float
        Of all blocks.
    carrier_ms : float
        Share of the carrier used times airtime: what it takes from the capacity.
    """

    block_count: int
    block_bits: int
    unit_count: int
    repetitions: int
    tone_count: int
    airtime_ms: float
    carrier_ms: float


@lru_cache(maxsize=1)
def _constants() -> dict[str, float]:
    return {r["name"]: float(r["value"]) for r in constant_rows("iot")}


def constant(name: str) -> float:
    """Return a constant of ``data/iot.csv``.

    Examples
    --------
    >>> constant("device_power_dbm")
    23.0
    """
    return _constants()[name]


@lru_cache(maxsize=2)
def _blocks(link: str) -> tuple[tuple[int, int], ...]:
    """Return every block of a link as units and bits."""
    return tuple(
        (int(r["unit_count"]), int(r["bits"]))
        for r in constant_rows("nbiot_tbs")
        if r["link"] == link
    )


def snr_db(coupling_loss_db: float, link: str, band_hz: float) -> float:
    """Return the noise-limited signal to noise ratio on a band, dB.

    Examples
    --------
    >>> round(snr_db(164.0, "uplink", 15_000.0), 2)
    -11.76
    """
    if link not in LINKS:
        raise ValueError(f"link must be one of {', '.join(LINKS)}; got {link!r}")
    side = ("device", "base") if link == "uplink" else ("base", "device")
    noise_dbm = -174.0 + 10.0 * math.log10(band_hz) + constant(f"{side[1]}_noise_figure_db")
    return constant(f"{side[0]}_power_dbm") - coupling_loss_db - noise_dbm


def _fits(bits: int, elements: int, snr: float, repetitions: int) -> bool:
    gap = 10.0 ** (constant("gap_db") / 10.0)
    return bits + CHECKSUM_BIT <= elements * math.log2(1.0 + repetitions * snr / gap)


def data_burst(bits: int, coupling_loss_db: float, link: str) -> Burst | None:
    """Return the cheapest way to send bits at a coupling loss; None where none passes.

    Parameters
    ----------
    bits : int
        > 0; cut into equal blocks where no block holds them.
    coupling_loss_db : float
        Between the antenna connectors, dB.
    link : str
        ``"uplink"`` or ``"downlink"``.

    Examples
    --------
    >>> data_burst(400, 144.0, "uplink").repetitions
    1
    """
    if bits <= 0:
        raise ValueError(f"bits must be > 0; got {bits}")
    blocks = _blocks(link) if link in LINKS else ()
    if not blocks:
        raise ValueError(f"link must be one of {', '.join(LINKS)}; got {link!r}")
    count = -(-bits // max(b for _, b in blocks))
    need = -(-bits // count)
    options = []
    tones = UPLINK_UNITS if link == "uplink" else {12: (1.0, SUBFRAME_ELEMENTS)}
    for tone_count, (unit_ms, elements) in tones.items():
        snr = 10.0 ** (snr_db(coupling_loss_db, link, tone_count * TONE_HZ) / 10.0)
        for units, size in blocks:
            if size < need:
                continue
            for times in UPLINK_REPETITIONS if link == "uplink" else DOWNLINK_REPETITIONS:
                if _fits(size, units * elements, snr, times):
                    airtime = count * units * times * unit_ms
                    cost = airtime * tone_count / 12.0
                    options.append(Burst(count, size, units, times, tone_count, airtime, cost))
                    break
    return min(options, key=lambda b: (b.carrier_ms, b.airtime_ms, b.block_bits), default=None)


def control_burst(bits: int, coupling_loss_db: float) -> Burst | None:
    """Return how a grant (NPDCCH, one subframe) is sent; None where it does not pass."""
    snr = 10.0 ** (snr_db(coupling_loss_db, "downlink", CARRIER_HZ) / 10.0)
    gap = 10.0 ** (constant("gap_db") / 10.0)
    for times in DOWNLINK_REPETITIONS:
        if bits + CONTROL_CHECKSUM_BIT <= SUBFRAME_ELEMENTS * math.log2(1.0 + times * snr / gap):
            return Burst(1, bits, 1, times, 12, float(times), float(times))
    return None


def preamble_repetitions(coupling_loss_db: float) -> int | None:
    """Return how often a preamble is sent so that its energy is found; None beyond 128 times.

    Examples
    --------
    >>> [preamble_repetitions(loss) for loss in (144.0, 154.0, 164.0)]
    [1, 4, 32]
    """
    once_db = snr_db(coupling_loss_db, "uplink", PREAMBLE_HZ)
    once_db += 10.0 * math.log10(PREAMBLE_MS * 1e-3 * PREAMBLE_HZ)
    for times in PREAMBLE_REPETITIONS:
        if once_db + 10.0 * math.log10(times) >= PREAMBLE_NEED_DB:
            return times
    return None


def ack_burst(coupling_loss_db: float) -> Burst | None:
    """Return how an acknowledgement (NPUSCH format 2, one tone for 2 ms) is sent."""
    snr = 10.0 ** (snr_db(coupling_loss_db, "uplink", TONE_HZ) / 10.0)
    gap = 10.0 ** (constant("gap_db") / 10.0)
    for times in UPLINK_REPETITIONS:
        # one bit in 16 data elements
        if 16.0 * math.log2(1.0 + times * snr / gap) >= 1.0:
            return Burst(1, 1, 1, times, 1, 2.0 * times, 2.0 * times / 12.0)
    return None
