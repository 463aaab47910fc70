r"""How many NB-IoT carriers each station needs, and how it takes in a fleet that reconnects.

Devices of a station stand evenly in the disc that its class of land reaches. The share of them
whose coupling loss is at most x is the share of the disc that a link budget with the allowed loss
of x serves (`served_ratio`: sight, no sight and buildings each with its spread); `iot_capacity`
turns these losses into the devices that one carrier of one sector carries, and

.. math:: c = \lceil k\,N / (s\,C) \rceil

carriers on each of s sectors carry the N devices of a station, k being the busiest sector over the
mean one.

After an outage a share of the fleet comes back within a window, as a Beta(3, 4) burst on the
preambles of the best coverage class (`random_access`).

Left out: neighbours nearer than the reach, which shorten the links of real devices (losses and
carriers come out too high, never too low); reconnection in the worse classes; what a fleet in
back-off does to reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.models.rach import RachConfig, random_access
from groundplan.engine.radio.iot_access import PREAMBLES, IotCapacity, iot_capacity
from groundplan.engine.radio.link import SURE_SIGHT_M, Link, served_ratio
from groundplan.engine.radio.pathloss import MODELS, break_distance_m, model_name
from groundplan.engine.radio.reliability import disc_mean

__all__ = [
    "NbiotSizing",
    "class_capacity",
    "coupling_losses",
    "nbiot_carriers",
    "reconnect_success",
]

FloatArray = NDArray[np.float64]
#: Width of a class of coupling loss, and how far below the largest the least lies, dB.
STEP_DB = 2.0
SPAN_DB = 80.0
#: Sizes of a fleet that are played; those between are read off.
BURSTS = 12
#: Devices of a burst beyond which nothing is played: the channel is lost long before.
BURST_MAX = 200_000


class NbiotSizing(NamedTuple):
    """Carriers of each station and how loaded they are.

    Attributes
    ----------
    carriers, needed : (n,) int64
        Carriers on each sector, as many as `carriers_max` allows, and as many as the load asks.
    load_ratio : (n,) float64
        Devices of the busiest sector over what its carriers carry.
    is_overloaded : (n,) bool
    reconnect_success_ratio : (n,) float64
        Share of a reconnecting fleet that gets in at once, busiest sector.
    capacity : tuple of IotCapacity
        Of one carrier of one sector, for each class of land.
    """

    carriers: NDArray[np.int64]
    needed: NDArray[np.int64]
    load_ratio: FloatArray
    is_overloaded: NDArray[np.bool_]
    reconnect_success_ratio: FloatArray
    capacity: tuple[IotCapacity, ...]


def coupling_losses(link: Link, largest_db: float, reach_m: float) -> tuple[FloatArray, FloatArray]:
    """Return the coupling losses of devices spread evenly over a disc.

    Parameters
    ----------
    link : Link
        Its `allowed_db` belongs to the coupling loss `largest_db`.
    largest_db : float
        Largest coupling loss that is served, dB.
    reach_m : float
        Radius of the disc, > 0.

    Returns
    -------
    loss_db, weight : (n,) float64
        Upper ends of classes of 2 dB and the share of devices in each; what is left to 1 lies
        beyond `largest_db`.
    """
    name = model_name(link.model)
    radio = (link.frequency_ghz, link.base_height_m, link.terminal_height_m)
    breaks_m = (SURE_SIGHT_M, break_distance_m(name, *radio))
    loss = largest_db - np.arange(SPAN_DB, -STEP_DB / 2, -STEP_DB)
    radius_m = max(reach_m, MODELS[name].distance_m[0])

    def below(limit_db: float) -> float:
        moved = link._replace(allowed_db=link.allowed_db - (largest_db - limit_db))
        return disc_mean(lambda d: served_ratio(moved, d), radius_m, breaks_m)

    summed = np.array([below(limit) for limit in loss])
    # what lies below the least class belongs to it
    return loss, np.maximum(np.diff(summed, prepend=0.0), 0.0)


def class_capacity(
    link: Link,
    largest_db: float,
    reach_m: float,
    ends_db: Sequence[float],
    *,
    reports_per_h: float,
) -> FloatArray:
    """Return how many devices one carrier carries if all were of one coverage class.

    Deep classes repeat every transmission, so a carrier carries fewer of them; devices of a class
    over this number are the carriers that the class fills by itself.

    Parameters
    ----------
    link, largest_db, reach_m
        As in `coupling_losses`.
    ends_db : (n,) sequence
        Largest coupling loss of each class, ascending.
    reports_per_h : float
        Of a device.

    Returns
    -------
    (n,) float64
        NaN where no device of the class lies within reach.
    """
    loss, weight = coupling_losses(link, largest_db, reach_m)
    told, least = [], -np.inf
    for end in ends_db:
        mine = np.where((loss > least) & (loss <= end), weight, 0.0)
        told.append(
            iot_capacity(loss, mine, reports_per_h=reports_per_h).device_count
            if mine.sum() > 0.0
            else np.nan
        )
        least = end
    return np.array(told)


def reconnect_success(devices: ArrayLike, window_s: float, config: RachConfig) -> FloatArray:
    """Return the share of each burst that gets in, read off a table of played bursts.

    Parameters
    ----------
    devices : (n,) array
        Devices of each burst, >= 0; less than one always gets in.
    window_s : float
        Length of the Beta(3, 4) burst.
    config : RachConfig
    """
    asked = np.minimum(np.asarray(devices, np.float64), BURST_MAX)
    most = float(asked.max(initial=0.0))
    if most < 1.0:
        return np.ones(asked.shape)
    sizes = np.unique(np.rint(np.geomspace(1.0, np.ceil(most) + 1.0, BURSTS)).astype(np.int64))
    share = [random_access(int(n), "beta34", window_s, config=config).success_ratio for n in sizes]
    return np.asarray(np.interp(np.log(np.maximum(asked, 1.0)), np.log(sizes), share))


def nbiot_carriers(
    devices: ArrayLike,
    environment: NDArray[np.int8],
    reach_m: ArrayLike,
    budget: Mapping[str, Any],
    *,
    coupling_loss_db: float,
    sectors: int,
    busiest_ratio: float,
    carriers_max: ArrayLike,
    reports_per_h: float,
    reconnect_ratio: float,
    reconnect_window_s: float,
    config: RachConfig | None = None,
) -> NbiotSizing:
    """Return the least carriers on each sector that carry a station's devices.

    Parameters
    ----------
    devices : (n,) array
        Devices of each station, >= 0.
    environment : (n,) int8
        Class of land of each.
    reach_m : (n_environment,) array
        Reach of each class of land, m.
    budget : mapping
        What `cell_reach` takes, with one layer; its threshold is that of `coupling_loss_db`.
    coupling_loss_db : float
        Largest coupling loss that is served.
    sectors : int
        >= 1.
    busiest_ratio : float
        Devices of the busiest sector over those of the mean one, >= 1.
    carriers_max : (n,) array of int
        Carriers that equipment or spectrum allows on a sector, >= 1.
    reports_per_h : float
        Of a device.
    reconnect_ratio, reconnect_window_s : float
        Share of the devices that reconnect together, and within how long.
    config : RachConfig, optional
        The channel on which they come back; default the preambles of the best class, one grant
        for each eighth of them.

    Returns
    -------
    NbiotSizing

    Raises
    ------
    ValueError
        Where an argument is impossible; it names argument and value.
    """
    load = np.asarray(devices, np.float64)
    most = np.broadcast_to(np.asarray(carriers_max, np.int64), load.shape)
    reach = np.atleast_1d(np.asarray(reach_m, np.float64))
    if not (np.isfinite(load).all() and (load >= 0).all()):
        raise ValueError(f"devices must be finite and >= 0; got {load.min()}")
    if sectors < 1:
        raise ValueError(f"sectors must be >= 1; got {sectors}")
    if not busiest_ratio >= 1:
        raise ValueError(f"busiest_ratio must be >= 1; got {busiest_ratio}")
    if not (most >= 1).all():
        raise ValueError(f"carriers_max must be >= 1; got {most.min()}")
    if not 0.0 <= reconnect_ratio <= 1.0:
        raise ValueError(f"reconnect_ratio must be in 0..1; got {reconnect_ratio}")
    links = budget_links(budget, reach.size)
    told = []
    for link, radius_m in zip(links, reach, strict=True):
        loss, weight = coupling_losses(link, coupling_loss_db, float(radius_m))
        if not weight.sum() > 0.0:
            # nobody is served on this land: what stands there is judged by the worst class
            weight[-1] = 1.0
        told.append(iot_capacity(loss, weight, reports_per_h=reports_per_h))
    each = np.array([c.device_count for c in told])[environment]
    busiest = load / sectors * busiest_ratio
    # a whole number of carriers that misses by rounding alone is met
    needed = np.maximum(np.ceil(busiest / each - 1e-9), 1).astype(np.int64)
    carriers = np.minimum(needed, most)
    best = PREAMBLES[0]
    channel = config or RachConfig(
        preambles=best.tone_count,
        opportunities_per_s=1000.0 / best.period_ms,
        grants=max(best.tone_count // 8, 1),
        response_ms=best.period_ms,
        backoff_ms=2048.0,
    )
    fleet = busiest * reconnect_ratio / carriers
    return NbiotSizing(
        carriers,
        needed,
        busiest / (carriers * each),
        np.asarray(needed > most),
        reconnect_success(fleet, reconnect_window_s, channel),
        tuple(told),
    )


def budget_links(budget: Mapping[str, Any], n_environment: int) -> list[Link]:
    """Return the link of each class of land of a budget with one layer."""
    row = {
        key: np.broadcast_to(np.atleast_2d(np.asarray(value, dtype=object)), (1, n_environment))[0]
        for key, value in budget.items()
    }
    return [
        Link(
            model=str(row["model"][k]),
            frequency_ghz=float(row["frequency_ghz"][k]),
            base_height_m=float(row["base_height_m"][k]),
            terminal_height_m=float(row["terminal_height_m"][k]),
            allowed_db=float(row["eirp_dbm"][k])
            - float(row["rsrp_min_dbm"][k])
            - float(row["body_loss_db"][k])
            - float(row["interference_margin_db"][k]),
            building=str(row["building"][k]),
            indoor_ratio=float(row["indoor_ratio"][k]),
        )
        for k in range(n_environment)
    ]
