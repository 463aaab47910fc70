"""IoT subscriptions: how many of which use, how often they report, and who is an active user.

A user is a subscription. What stands is a published count, what is asked another; both are split
by the uses that are published, and each use by the part that is on NB-IoT.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike

from groundplan.errors import Findings
from groundplan.sectors.contract import Settings

__all__ = [
    "USES",
    "active_users",
    "nbiot_ratio",
    "read_series",
    "reports_per_h",
    "stock_by_use",
    "subscriptions",
]

#: Uses that are published apart, with their titles; what they leave is the last.
USES = (
    ("public_services", "Public services", "公共服务"),
    ("vehicles", "Vehicles", "车联网"),
    ("retail", "Retail", "智慧零售"),
    ("home", "Home", "智慧家居"),
    ("other", "Other", "其他"),
)
#: Reports an hour of the classes of the mix; what they leave reports every half hour.
RATES_PER_H = (("day", 1.0 / 24.0), ("2h", 0.5), ("1h", 1.0))
HALF_HOURLY_PER_H = 2.0


def shares(settings: Settings, names: tuple[str, ...], what: str) -> list[float]:
    """Return shares and, last, what they leave of 1.

    Raises
    ------
    DataError
        Where they add up to more than 1.
    """
    told = [float(settings[name]) for name in names]
    left = 1.0 - sum(told)
    if left < -1e-9:
        found = Findings("sector iot")
        found.add(0, " + ".join(names), f"{sum(told):.4g}", f"{what} that add up to at most 1")
        found.raise_if_any()
    return [*told, max(left, 0.0)]


def use_shares(settings: Settings) -> list[float]:
    """Return the share of subscriptions in each of `USES`."""
    return shares(settings, tuple(f"{key}_ratio" for key, *_ in USES[:-1]), "shares of uses")


def nbiot_ratio(settings: Settings) -> float:
    """Return the share of all subscriptions that is on NB-IoT."""
    part = [settings[f"{key}_nbiot_ratio"] for key, *_ in USES]
    return float(np.dot(use_shares(settings), part))


def reports_per_h(settings: Settings) -> float:
    """Return the mean reports of a device in an hour, by the reporting mix.

    Examples
    --------
    >>> mix = {"report_day_ratio": 0.4, "report_2h_ratio": 0.4, "report_1h_ratio": 0.15}
    >>> round(24 * reports_per_h(mix), 6)
    11.2
    """
    names = tuple(f"report_{name}_ratio" for name, _ in RATES_PER_H)
    told = shares(settings, names, "shares of the reporting mix")
    rates = [*(rate for _, rate in RATES_PER_H), HALF_HOURLY_PER_H]
    return float(np.dot(told, rates))


def subscriptions(people: float, settings: Settings) -> float:
    """Return the subscriptions that the network is to carry, of every use."""
    if people <= 0:
        return 0.0
    given = settings["subscriptions_count"]
    return float(given or settings["subscriptions_per_person_ratio"] * people)


def stock_by_use(total: float, settings: Settings) -> list[tuple[str, str, float, float]]:
    """Return title, title in Chinese, subscriptions, and those on NB-IoT, for each use."""
    return [
        (title, title_zh, total * share, total * share * settings[f"{key}_nbiot_ratio"])
        for (key, title, title_zh), share in zip(USES, use_shares(settings), strict=True)
    ]


def active_users(
    identity: ArrayLike,
    operator: ArrayLike,
    uplink_s: ArrayLike,
    is_authenticated: ArrayLike,
    *,
    now_s: float,
    window_s: float,
) -> int:
    """Return how many subscriptions were active: the rule by which an IoT user counts.

    A subscription is active where one of its authenticated uplinks is not older than the window.
    It counts once, however many uplinks, gateways' sensors or devices it has; the same number at
    two operators is two subscriptions.

    Parameters
    ----------
    identity : (n,) array of str
        Of each uplink: ICCID or IMSI, one kind throughout. An IMEI names a device, not a
        subscription.
    operator : (n,) array of str
    uplink_s : (n,) array
        Time of each uplink, seconds since an epoch.
    is_authenticated : (n,) array of bool
        The network, or the server by its keys, knew the sender.
    now_s, window_s : float
        End of the window, and its length.

    Examples
    --------
    >>> active_users(["1", "1", "2"], ["a", "b", "a"], [90, 95, 5], [True] * 3,
    ...              now_s=100, window_s=30)
    2
    """
    names = np.char.add(
        np.char.add(np.asarray(operator, dtype=np.str_), "\x1f"), np.asarray(identity, np.str_)
    )
    at = np.asarray(uplink_s, dtype=np.float64)
    # what claims to be sent later than now is no evidence of today
    fresh = (at > now_s - window_s) & (at <= now_s) & np.asarray(is_authenticated, dtype=bool)
    return int(np.unique(names[fresh]).size)


@cache
def read_series() -> Mapping[str, tuple[tuple[str, float], ...]]:
    """Return the published counts: series -> (month, subscriptions)."""
    text = files("groundplan.sectors").joinpath("data", "iot_series.csv").read_text("utf-8")
    series: dict[str, list[tuple[str, float]]] = {}
    for row in csv.DictReader(text.splitlines()):
        series.setdefault(row["series"], []).append((row["date"], float(row["value"])))
    return {name: tuple(points) for name, points in series.items()}
