r"""How many NB-IoT and RedCap devices a sector carries, and what binds.

Coverage classes end at coupling losses of 144, 154 and 164 dB; devices beyond are not served. A
report goes over the control plane: preamble, response, request, set-up, report, perhaps an answer,
release, each with its grant. Three things can bind:

- **random access**: a class offers :math:`M/T` preambles a second; with Poisson arrivals at rate
  :math:`\lambda` a preamble collides with probability :math:`1 - e^{-\lambda T/M}`, which the
  allowed collisions turn into a largest rate;
- **uplink**: carrier time of requests, reports and acknowledgements in what the preambles leave;
- **downlink**: subframes of grants and answers in what synchronisation and broadcast leave.

Data adapts to each device's own loss in steps of 1 dB, preambles to the end of its class. Shared
channels may be used to the load ratio of ``data/iot.csv``; one block in ten is sent again.

Left out: paging, firmware downloads, mobility, delays (the classes' latency follows from
`iot_link.Burst.airtime_ms` alone), interference between sectors, early data transmission.

References
----------
3GPP TR 45.820 V13.1, Annex E (reporting mix, payload); TS 36.211 and 36.213 V13; TS 38.306 V17
(RedCap). ITU-R M.2410 (a million devices per km2, a report of 32 bytes every two hours).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from groundplan.engine.radio.arguments import real
from groundplan.engine.radio.iot_link import (
    PREAMBLE_HZ,
    PREAMBLE_MS,
    ack_burst,
    constant,
    control_burst,
    data_burst,
    preamble_repetitions,
)
from groundplan.engine.radio.throughput import net_throughput_mbps

__all__ = [
    "CLASS_LOSS_DB",
    "IotCapacity",
    "Preambles",
    "coverage_class_ratio",
    "iot_capacity",
    "mixed_reports_per_h",
    "offered_devices",
    "redcap_capacity",
    "sector_area_km2",
]

FloatArray = NDArray[np.float64]
#: Largest coupling loss of each class, dB.
CLASS_LOSS_DB = (144.0, 154.0, 164.0)
#: One block in ten is sent again.
RETRY = 1.0 / 0.9
CARRIER_HZ = 180_000.0
#: Equal shares of the payload law.
PAYLOAD_POINTS = 16


class Preambles(NamedTuple):
    """Random access of one class.

    Attributes
    ----------
    period_ms : float
        Between two occasions.
    tone_count : int
        12, 24, 36 or 48 tones of 3.75 kHz: preambles of an occasion.
    """

    period_ms: float
    tone_count: int


#: An assumption: 18 % of the uplink of one carrier.
PREAMBLES = (Preambles(80.0, 36), Preambles(320.0, 24), Preambles(640.0, 12))


class IotCapacity(NamedTuple):
    """What a sector carries.

    Attributes
    ----------
    device_count : float
        Devices within 164 dB that the sector carries: the least of `limits`.
    binding : str
        Its name.
    limits : dict of str to float
        Devices that each resource alone would carry.
    class_ratio : (4,) float64
        Share of all devices in each class, and beyond the last.
    uplink_ms, downlink_ms : float
        Carrier time of a report, mean over served devices.
    preamble_ratio : float
        Share of the uplink that preambles take.
    reports_per_h : float
        Of a device.
    """

    device_count: float
    binding: str
    limits: dict[str, float]
    class_ratio: FloatArray
    uplink_ms: float
    downlink_ms: float
    preamble_ratio: float
    reports_per_h: float


def mixed_reports_per_h() -> float:
    """Return the mean rate of the reporting mix of TR 45.820.

    Examples
    --------
    >>> round(mixed_reports_per_h(), 4)
    0.4667
    """
    per_h = {"day": 1 / 24, "2h": 0.5, "1h": 1.0, "30min": 2.0}
    return sum(constant(f"report_{name}_ratio") * rate for name, rate in per_h.items())


def sector_area_km2(inter_site_m: float, sector_count: int = 3) -> float:
    """Return the area of one sector of a hexagonal layout, km2."""
    if not inter_site_m > 0.0:
        raise ValueError(f"inter_site_m must be > 0; got {inter_site_m}")
    return math.sqrt(3.0) / 2.0 * (inter_site_m / 1000.0) ** 2 / sector_count


def offered_devices(inter_site_m: float) -> float:
    """Return the devices of a sector in the London scenario of TR 45.820.

    Examples
    --------
    >>> round(offered_devices(1732.0))
    52547
    """
    per_km2 = constant("households_per_km2") * constant("devices_per_household")
    return per_km2 * sector_area_km2(inter_site_m)


def _weights(
    name: str, value: ArrayLike, weight: ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """Return the values that weigh, and their shares of the whole."""
    told = real(name, value).ravel()
    share = np.ones(told.shape) if weight is None else real("weight", weight).ravel()
    if told.size == 0 or not np.isfinite(told).all():
        got = told[~np.isfinite(told)][:3] if told.size else "no values"
        raise ValueError(f"{name} must be finite numbers; got {got}")
    if share.shape != told.shape or not (share >= 0).all() or not share.sum() > 0:
        raise ValueError(f"weight must be >= 0, not all 0, one for each of {told.size} {name}")
    return told, share / share.sum()


def coverage_class_ratio(
    coupling_loss_db: ArrayLike, weight: ArrayLike | None = None, *, spread_db: float = 0.0
) -> FloatArray:
    """Return the share of devices in each coverage class.

    Parameters
    ----------
    coupling_loss_db : (n,) array
        Median losses, antenna gains and walls included, dB.
    weight : (n,) array, optional
        Devices at each loss.
    spread_db : float
        Normal spread about each, dB, >= 0.

    Returns
    -------
    (4,) float64
        Up to 144, 154, 164 dB, and beyond; adds up to 1.

    Examples
    --------
    >>> coverage_class_ratio([140.0, 150.0, 160.0, 170.0]).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    loss, share = _weights("coupling_loss_db", coupling_loss_db, weight)
    if not spread_db >= 0.0:
        raise ValueError(f"spread_db must be >= 0; got {spread_db}")
    margin = np.array(CLASS_LOSS_DB)[:, None] - loss
    below = ndtr(margin / spread_db) if spread_db > 0.0 else (margin >= 0.0).astype(np.float64)
    edges = np.concatenate([[0.0], np.minimum(below @ share, 1.0), [1.0]])
    return np.diff(edges)


def payload_points() -> FloatArray:
    """Return payloads of equal probability: middles of the shares of the cut Pareto law, bytes."""
    at = (np.arange(PAYLOAD_POINTS) + 0.5) / PAYLOAD_POINTS
    law = constant("payload_min_byte") * (1.0 - at) ** (-1.0 / constant("payload_alpha"))
    return np.minimum(law, constant("payload_max_byte"))


@lru_cache(maxsize=4096)
def report_ms(coupling_loss_db: float, payload_byte: float | None) -> tuple[float, float] | None:
    """Return the carrier time of one report at a loss, uplink and downlink ms; None out of reach.

    Parameters
    ----------
    coupling_loss_db : float
    payload_byte : float, optional
        Of every report; else the mean over the Pareto law.
    """
    header = constant("overhead_byte") + constant("lower_layer_byte")
    payloads = payload_points() if payload_byte is None else np.array([payload_byte])
    reports = [
        data_burst(math.ceil(8 * (p + header)), coupling_loss_db, "uplink") for p in payloads
    ]
    request = data_burst(int(constant("request_bit")), coupling_loss_db, "uplink")
    ack, grant = (
        ack_burst(coupling_loss_db),
        control_burst(int(constant("grant_bit")), coupling_loss_db),
    )
    downs = [
        data_burst(int(bits), coupling_loss_db, "downlink")
        for bits in (
            constant("response_bit"), constant("setup_bit"), constant("release_bit"), 8 * header
        )
    ]  # fmt: skip
    sent = [request, ack, grant, *reports, *downs]
    if any(burst is None for burst in sent):
        return None
    cost = [burst.carrier_ms for burst in sent if burst is not None]
    request_ms, ack_ms, grant_ms = cost[:3]
    report, (response, setup, release, answer) = cost[3:-4], cost[-4:]
    answered = constant("ack_ratio")
    # set-up, release and the answer are acknowledged
    up = RETRY * (request_ms + sum(report) / len(report)) + (2.0 + answered) * ack_ms
    # one grant for each of them, and one for the report
    down = RETRY * (response + setup + release + answered * answer) + (4.0 + answered) * grant_ms
    return up, down


def iot_capacity(
    coupling_loss_db: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reports_per_h: float | None = None,
    payload_byte: float | None = None,
    carrier_count: int = 1,
    preambles: tuple[Preambles, ...] = PREAMBLES,
) -> IotCapacity:
    """Return how many NB-IoT devices a sector carries with such losses.

    Parameters
    ----------
    coupling_loss_db : (n,) array
        A sample of devices, or the middles of a histogram, dB.
    weight : (n,) array, optional
        Devices at each.
    reports_per_h : float, optional
        Of a device; else the mix of TR 45.820.
    payload_byte : float, optional
        Of every report; else the Pareto law of TR 45.820.
    carrier_count : int
        Carriers of 180 kHz; all are taken like the first, preambles and broadcast included.
    preambles : tuple of Preambles
        Of the three classes.

    Returns
    -------
    IotCapacity

    Examples
    --------
    >>> iot_capacity([120.0, 130.0, 140.0]).binding
    'random access to 144 dB'
    """
    loss, share = _weights("coupling_loss_db", coupling_loss_db, weight)
    rate = mixed_reports_per_h() if reports_per_h is None else reports_per_h
    for name, value in (("reports_per_h", rate), ("carrier_count", carrier_count)):
        if not value > 0:
            raise ValueError(f"{name} must be > 0; got {value}")
    if payload_byte is not None and not payload_byte > 0:
        raise ValueError(f"payload_byte must be > 0; got {payload_byte}")
    if len(preambles) != len(CLASS_LOSS_DB):
        raise ValueError(
            f"preambles must be {len(CLASS_LOSS_DB)}, one a class; got {len(preambles)}"
        )
    ratio = coverage_class_ratio(loss, share)
    served = float(ratio[:-1].sum())
    if served <= 0.0:
        raise ValueError(
            f"coupling_loss_db must be <= {CLASS_LOSS_DB[-1]:g} for some; got from {loss.min():g}"
        )
    up_ms, down_ms = _mean_report_ms(loss, share, payload_byte)
    rate_s = rate / 3600.0
    spare = constant("collision_ratio")
    tries = 1.0 / (1.0 - spare)
    used = 0.0
    limits: dict[str, float] = {}
    for k, (edge_db, p) in enumerate(zip(CLASS_LOSS_DB, preambles, strict=True)):
        times = preamble_repetitions(edge_db)
        if times is None:
            raise ValueError(f"no preamble is found at {edge_db:g} dB, even 128 times")
        if p.period_ms <= times * PREAMBLE_MS:
            raise ValueError(
                f"preambles[{k}].period_ms must be > {times * PREAMBLE_MS:g}; got {p.period_ms:g}"
            )
        used += p.tone_count * PREAMBLE_HZ / CARRIER_HZ * PREAMBLE_MS * times / p.period_ms
        per_s = p.tone_count / (p.period_ms / 1000.0) * -math.log(1.0 - spare) * carrier_count
        part = ratio[k] / served
        if part > 0.0:
            limits[f"random access to {edge_db:g} dB"] = float(per_s / (rate_s * tries * part))
    if used >= 1.0:
        raise ValueError(f"preambles must leave some of the uplink; they take {used:.2f} of it")
    load = constant("load_ratio") * 1000.0 * carrier_count
    limits["uplink"] = load * (1.0 - used) / (rate_s * up_ms)
    limits["downlink"] = load * constant("downlink_free_ratio") / (rate_s * down_ms)
    binding = min(limits, key=lambda name: limits[name])
    return IotCapacity(limits[binding], binding, limits, ratio, up_ms, down_ms, used, rate)


def _mean_report_ms(
    loss: FloatArray, share: FloatArray, payload_byte: float | None
) -> tuple[float, float]:
    """Return the carrier time of a report over served devices, in steps of 1 dB, upwards."""
    step = np.ceil(np.minimum(loss, CLASS_LOSS_DB[-1] + 1.0)).astype(np.int64)
    low = int(step.min())
    weight = np.bincount(step - low, weights=share)
    total = np.zeros(2)
    for k in np.flatnonzero(weight > 0.0):
        at_db = float(k + low)
        if at_db > CLASS_LOSS_DB[-1]:
            continue
        took = report_ms(at_db, payload_byte)
        if took is None:
            raise ValueError(f"a report of {payload_byte} bytes does not pass at {at_db:g} dB")
        total += weight[k] * np.array(took)
    total /= share[loss <= CLASS_LOSS_DB[-1]].sum()
    return float(total[0]), float(total[1])


def redcap_capacity(
    sinr_db: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    busy_mbps_per_device: float,
    bandwidth_mhz: float = 20.0,
    spacing_khz: int = 30,
    load_ratio: float | None = None,
    **carrier: Any,
) -> float:
    """Return how many RedCap devices a sector carries in the busy hour, each with a mean rate.

    Devices share the resource blocks, so their needs add: the mean of ``1 / rate`` counts.

    Parameters
    ----------
    sinr_db : (n,) array
    weight : (n,) array, optional
        Devices at each.
    busy_mbps_per_device : float
        Mean rate of a device, > 0.
    bandwidth_mhz, spacing_khz
        RedCap in FR1 has at most 20 MHz: 51 resource blocks at 30 kHz.
    load_ratio : float, optional
        Of the blocks that may be used, else that of ``data/iot.csv``.
    **carrier
        `link`, `pattern`, `special`, `method` ... as for `net_throughput_mbps`; one layer.

    Returns
    -------
    float
        0 where a part of the devices has no throughput at all.

    Examples
    --------
    >>> round(redcap_capacity([20.0], busy_mbps_per_device=0.05, pattern="DDDSU", link="uplink"))
    108
    """
    sinr, share = _weights("sinr_db", sinr_db, weight)
    if not busy_mbps_per_device > 0.0:
        raise ValueError(f"busy_mbps_per_device must be > 0; got {busy_mbps_per_device}")
    if bandwidth_mhz > 20.0:
        raise ValueError(f"bandwidth_mhz must be <= 20 for RedCap in FR1; got {bandwidth_mhz:g}")
    load = constant("load_ratio") if load_ratio is None else load_ratio
    if not 0.0 < load <= 1.0:
        raise ValueError(f"load_ratio must be > 0 and <= 1; got {load}")
    rate = np.asarray(net_throughput_mbps(sinr, bandwidth_mhz, spacing_khz, **carrier))
    if (rate[share > 0.0] <= 0.0).any():
        return 0.0
    need = float((share[share > 0.0] / rate[share > 0.0]).sum()) * busy_mbps_per_device
    return load / need
