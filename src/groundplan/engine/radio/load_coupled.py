r"""Loads that hold each other up: sectors, their users and the interference between them.

Sector s needs of its carrier the share

.. math:: n_s = \sum_{i: b(i) = s} \frac{d_i}{B_s \, \eta(SINR_i(\rho))}, \qquad
          \rho_s = \rho_0 + (1 - \rho_0) \min(n_s, 1)

with d the demand of a cell in the busy hour, B the bandwidth that goes down, :math:`\eta` the
efficiency and :math:`\rho_0` the share that is on the air without users. Loads enter the
interference in the SINR, so they are the fixed point of that map. It is a standard interference
function (Yates 1995; positive, growing, and concave for the Shannon curve): one fixed point, and
plain iteration reaches it from anywhere. A load that changes by less than a tenth of the tolerance
stays as it is, and only powers of sectors whose load did change are added up anew; the sums are at
all times those of the loads as they stand.

References
----------
R. D. Yates, A framework for uplink power control in cellular radio systems, IEEE JSAC 13(7), 1995.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.radio.coverage_grid import RadioCoverage
from groundplan.engine.radio.rate import (
    CURVE_LEAST,
    CURVE_OCTAVES,
    CURVE_STEPS,
    Curve,
    sample_curve,
)
from groundplan.engine.radio.throughput import tdd_share
from groundplan.errors import Findings, StoppedError

__all__ = ["IDLE_RATIO", "TARGET_RATIO", "RadioLoad", "busy_hour_mbps", "load"]

FloatArray = NDArray[np.float64]
#: Share of a carrier on the air without users: synchronisation and control (assumption, 2024).
IDLE_RATIO = 0.1
#: Load in the busy hour up to which a carrier is planned (assumption: operators' 70 %, not read).
TARGET_RATIO = 0.7
#: How the bits of a float32 SINR tell its place on the curve.
CURVE_SHIFT = np.uint32(23 - int(np.log2(CURVE_STEPS)))
CURVE_REST = np.uint32((1 << int(CURVE_SHIFT)) - 1)
CURVE_PART = 1.0 / (1 << int(CURVE_SHIFT))
CURVE_LOW = np.float32(CURVE_LEAST)
CURVE_HIGH = np.float32(CURVE_LEAST * 2.0**CURVE_OCTAVES * (1.0 - 1e-6))
CURVE_START = int(CURVE_LOW.view(np.uint32) >> CURVE_SHIFT)
#: Row strips with sums of their own: fixed, whatever the number of threads.
STRIPS = 8
#: A change below this share of the tolerance is not followed.
HOLD_RATIO = 0.1
#: Where more sectors than this move, all powers are added up anew: it costs no more.
WHOLE_RATIO = 0.5
#: A pass whose change is not below this share of the change before does not contract.
CONTRACTION = 0.95


def busy_hour_mbps(gb_per_month: float, busy_hour_ratio: float = 0.06, days: float = 30.0) -> float:
    """Return the mean rate of a subscriber in the busy hour, Mbit/s.

    Examples
    --------
    >>> round(busy_hour_mbps(20.0), 3)
    0.089
    """
    return gb_per_month * 8000.0 * busy_hour_ratio / (days * 3600.0)


@jit
def efficiency_of(power, others, noise, curve, least):
    """Return the curve at a SINR, straight lines between its samples.

    The interference is a difference of sums and may fall below 0 by rounding.
    """
    sinr = np.float32(power / (max(others, 0.0) + noise))
    bits = np.float32(min(max(sinr, CURVE_LOW), CURVE_HIGH)).view(np.uint32)
    k = np.int64(bits >> CURVE_SHIFT) - CURVE_START
    part = np.float64(bits & CURVE_REST) * CURVE_PART
    value = curve[k] + (curve[k + 1] - curve[k]) * part
    # between nothing and the least rate there is nothing: a needle of rate would ask for the world
    return value if value >= least else 0.0


@jit
def need_rows(
    lo,
    hi,
    edges,
    power,
    sector,
    total,
    load,
    channel,
    noise,
    width_mhz,
    demand,
    curve,
    least,
    need,
    lost,
):
    """Add up what the cells of row strips ``lo .. hi`` need of their sectors.

    `need[strip]` takes the share of the carrier by sector, `lost[strip]` demand without service.
    """
    for strip in range(lo, hi):
        for s in range(need.shape[1]):
            need[strip, s] = 0.0
        lost[strip] = 0.0
        for j in range(edges[strip], edges[strip + 1]):
            for i in range(power.shape[1]):
                d = np.float64(demand[j, i])
                if d <= 0.0:
                    continue
                s = sector[j, i]
                se = 0.0
                if s >= 0:
                    p = np.float64(power[j, i])
                    others = np.float64(total[channel[s], j, i]) - p * load[s]
                    se = efficiency_of(p, others, np.float64(noise[s]), curve, least)
                if se > 0.0:
                    need[strip, s] += d / (width_mhz[s] * se)
                else:
                    lost[strip] += d


@jit
def rate_rows(lo, hi, power, sector, total, load, channel, noise, width_mhz, curve, least, out):
    """Fill rows ``lo .. hi`` with the rate of a terminal that has the whole carrier, Mbit/s."""
    for j in range(lo, hi):
        for i in range(power.shape[1]):
            s = sector[j, i]
            out[j, i] = 0.0
            if s >= 0:
                p = np.float64(power[j, i])
                others = np.float64(total[channel[s], j, i]) - p * load[s]
                se = efficiency_of(p, others, np.float64(noise[s]), curve, least)
                out[j, i] = width_mhz[s] * se


@dataclass(frozen=True)
class RadioLoad:
    """Loads at the fixed point, and what follows from them.

    Attributes
    ----------
    need_ratio : (n_sector,) float64
        Share of its carrier that a sector needs in the busy hour; above 1 it is overloaded.
    load : (n_sector,) float32
        Share in which it is on the air; what its neighbours hear.
    carriers_needed : (n_sector,) int32
        Carriers at which the need stays below the target, up to the spectrum.
    is_short : (n_sector,) bool
        The spectrum does not suffice.
    throughput_mbps : (n_row, n_col) float32
        Rate of a terminal alone on the carrier.
    served_mbps : (n_row, n_col) float32
        Demand served in the busy hour with the carriers that stand.
    served_ratio, served_full_ratio : float
        Share of all demand served with the carriers that stand, and with those needed.
    unserved_mbps : float
        Demand where no sector is heard well enough.
    passes : int
    changes : tuple of float
        Largest change of a load in each pass.
    worked : tuple of int
        Pairs of sector and cell worked for each new sum.
    converged, damped : bool
        The last change is below the tolerance; steps had to be halved.
    """

    need_ratio: FloatArray
    load: NDArray[np.float32]
    carriers_needed: NDArray[np.int32]
    is_short: NDArray[np.bool_]
    throughput_mbps: NDArray[np.float32]
    served_mbps: NDArray[np.float32]
    served_ratio: float
    served_full_ratio: float
    unserved_mbps: float
    passes: int
    changes: tuple[float, ...]
    worked: tuple[int, ...]
    converged: bool
    damped: bool


def check_arguments(
    coverage: RadioCoverage, demand_mbps: ArrayLike, ratios: Mapping[str, float]
) -> NDArray[np.float32]:
    """Return the demand as float32; raises with every bad cell and argument."""
    found = Findings("load")
    for name, value in ratios.items():
        if not 0.0 <= value <= 1.0:
            found.add(0, name, value, "in 0..1")
    demand = np.asarray(demand_mbps)
    shape = coverage.sector.shape[1:]
    if demand.shape != shape:
        found.add(0, "demand_mbps", f"shape {demand.shape}", f"the grid's shape {shape}")
    else:
        bad = np.argwhere(~((demand >= 0) & (demand < np.inf)))
        for row, col in bad[:100].tolist():
            found.add(0, f"demand_mbps[{row}, {col}]", demand[row, col], ">= 0 Mbit/s")
        if len(bad) > 100:
            found.add(
                0, "demand_mbps", f"{len(bad)} cells", ">= 0 Mbit/s", "the first 100 stand here"
            )
    found.raise_if_any()
    if not demand.any():
        found.add(0, "demand_mbps", "0 on every cell", "some demand")
    found.raise_if_any()
    return np.ascontiguousarray(demand, np.float32)


def widths_mhz(coverage: RadioCoverage, tdd: str | Mapping[str, str], layers: float) -> FloatArray:
    """Return the bandwidth that goes down, times the streams, by row of the sector table."""
    found = Findings("load")
    width = []
    for carrier in coverage.carriers:
        slots = tdd if isinstance(tdd, str) else tdd.get(carrier.name, "")
        try:
            share = tdd_share(slots).downlink_ratio
        except ValueError as error:
            found.add(0, f"tdd[{carrier.name}]", slots, "slots D, S, U such as DDDSU, or FDD",
                      str(error) if isinstance(tdd, str) else "name every carrier")  # fmt: skip
            share = 0.0
        width.append(carrier.n_prb * 12 * carrier.subcarrier_khz / 1000.0 * share * layers)
    found.raise_if_any()
    return np.array(width)[coverage.source.network.carrier_of]


def load(
    coverage: RadioCoverage,
    demand_mbps: ArrayLike,
    *,
    tdd: str | Mapping[str, str] = "DDDSU",
    se: str | Curve = "truncated-shannon",
    spread_db: float | None = None,
    layers: float = 1.0,
    tol: float = 1e-3,
    passes_max: int = 60,
    idle_ratio: float = IDLE_RATIO,
    target_ratio: float = TARGET_RATIO,
    carriers_max: int | Mapping[str, int] = 1,
) -> RadioLoad:
    """Return the loads of all sectors, coupled through their interference.

    Parameters
    ----------
    coverage : RadioCoverage
        Its loads are the first guess.
    demand_mbps : (n_row, n_col) array
        Demand of each cell in the busy hour, Mbit/s.
    tdd : str or mapping
        Slots, ``"FDD"``, or one of them for each carrier's name.
    se : str or callable
        ``"truncated-shannon"``, ``"38.214-cqi"``, or a function of the SINR in dB to bit/s/Hz.
    spread_db : float, optional
        Spread of the SINR within a cell over which the efficiency is averaged; 0 for the Shannon
        curve and 2 dB for the CQI by default.
    layers : float
        Streams at a time, > 0; 1 is the cautious choice.
    tol : float
        Largest change of a load in the last pass.
    passes_max : int
        More passes are not made; then `converged` is false.
    idle_ratio, target_ratio : float
        Share on the air without users; need up to which a carrier is planned.
    carriers_max : int or mapping
        Carriers that the spectrum allows a sector, or one number for each carrier's name.

    Returns
    -------
    RadioLoad

    Raises
    ------
    DataError
        With every bad cell of the demand and every bad argument.
    ValueError
        Where an argument is impossible.
    StoppedError
        Where the coverage's `stop` says so.
    """
    if not tol > 0 or passes_max < 1 or not layers > 0:
        raise ValueError(
            f"tol, passes_max and layers must be > 0; got {tol}, {passes_max}, {layers}"
        )
    demand = check_arguments(
        coverage, demand_mbps, {"idle_ratio": idle_ratio, "target_ratio": target_ratio}
    )
    if target_ratio == 0.0:
        raise ValueError("target_ratio must be > 0")
    curve = sample_curve(se, spread_db)
    if not curve.any():
        raise ValueError("se must be above 0 for some SINR")
    least = float(curve[curve > 0].min())
    net = coverage.source.network
    width = widths_mhz(coverage, tdd, layers)
    n_row = demand.shape[0]
    edges = np.linspace(0, n_row, min(STRIPS, n_row) + 1).astype(np.int64)
    need_parts = np.zeros((edges.size - 1, coverage.load.size))
    lost = np.zeros(edges.size - 1)
    now, total = coverage.load, coverage.total_mw
    own: NDArray[np.float32] | None = None
    changes: list[float] = []
    worked: list[int] = []
    step, damped = 1.0, False
    while True:
        spread(
            need_rows, [(k, k + 1) for k in range(edges.size - 1)], edges, coverage.power_mw[0],
            coverage.sector[0], total, now, net.channel_of, net.noise_mw, width, demand, curve,
            least,            need_parts, lost,
        )  # fmt: skip
        need = need_parts.sum(axis=0)
        asked = idle_ratio + (1.0 - idle_ratio) * np.minimum(need, 1.0)
        change = asked - now
        changes.append(float(np.abs(change).max()))
        coverage.source.progress("load", len(changes), passes_max)
        if changes[-1] < tol or len(changes) == passes_max:
            break
        if coverage.source.stop():
            raise StoppedError(f"stopped after {len(changes)} passes of the load")
        if len(changes) > 2 and changes[-1] > CONTRACTION * changes[-2]:
            step, damped = max(0.5 * step, 1.0 / 16.0), True
        moved = np.abs(change) > HOLD_RATIO * tol
        before, now = now, np.where(moved, now + step * change, now).astype(np.float32)
        if own is None:
            own = np.array(coverage.total_mw)
        total = own
        if moved.mean() > WHOLE_RATIO:
            coverage.source.sums(now, total)
        else:
            coverage.source.sums(now - before, total, moved)
        worked.append(coverage.source.worked)
    carriers = carriers_by_sector(coverage, carriers_max)
    wanted = np.maximum(np.ceil(need / target_ratio - 1e-9), 1.0)
    rate = np.zeros(demand.shape, np.float32)
    spread(
        rate_rows, chunks(n_row, STRIPS), coverage.power_mw[0], coverage.sector[0], total, now,
        net.channel_of, net.noise_mw, width, curve, least, rate,
    )  # fmt: skip
    unserved = float(lost.sum())
    given, all_given = served(need, np.ones(need.size)), served(need, np.minimum(wanted, carriers))
    heard = rate > 0
    server = np.maximum(coverage.sector[0], 0)
    served_mbps = np.where(heard, given[server] * demand, 0.0)
    whole = float(demand.sum(dtype=np.float64))
    served_ratio = float(served_mbps.sum()) / whole
    served_full_ratio = float((all_given[server] * demand).sum(where=heard)) / whole
    return RadioLoad(
        need_ratio=need, load=now,
        carriers_needed=np.minimum(wanted, carriers).astype(np.int32),
        is_short=wanted > carriers, throughput_mbps=rate,
        served_mbps=served_mbps.astype(np.float32),
        served_ratio=served_ratio, served_full_ratio=served_full_ratio,
        unserved_mbps=unserved, passes=len(changes), changes=tuple(changes), worked=tuple(worked),
        converged=changes[-1] < tol, damped=damped,
    )  # fmt: skip


def served(need: FloatArray, carriers: FloatArray) -> FloatArray:
    """Return the share of its demand that each sector serves with some carriers."""
    return np.minimum(1.0, carriers / np.maximum(need, 1e-12))


def carriers_by_sector(coverage: RadioCoverage, most: int | Mapping[str, int]) -> Any:
    """Return how many carriers the spectrum allows each sector."""
    found = Findings("load")
    counts = []
    for carrier in coverage.carriers:
        count = most if isinstance(most, int) else most.get(carrier.name, 0)
        if count < 1:
            found.add(0, f"carriers_max[{carrier.name}]", count, ">= 1 carrier")
        counts.append(count)
    found.raise_if_any()
    return np.array(counts, np.float64)[coverage.source.network.carrier_of]
