"""Units in names, and `Field`, the one description of a value that a user may give or will read.

A float that has a unit carries it as a suffix of its name. `UNITS` lists the suffixes; `unit_of`
reads one off a name; a test walks every `Field` and every exported table header against it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["CONFIDENCES", "UNITS", "Field", "unit_of"]

#: Name suffix -> unit as printed. Longest suffix wins.
UNITS: Mapping[str, str] = MappingProxyType(
    {
        "m": "m",
        "km": "km",
        "km2": "km2",
        "ha": "ha",
        "deg": "degree",
        "mhz": "MHz",
        "ghz": "GHz",
        "dbm": "dBm",
        "db": "dB",
        "dbi": "dBi",
        "kw": "kW",
        "mw": "MW",
        "kwh": "kWh",
        "kwh_per_day": "kWh/day",
        "kwh_per_km": "kWh/km",
        "mbps": "Mbit/s",
        "mbps_per_km2": "Mbit/s per km2",
        "gb_per_month": "GB/month",
        "cny": "CNY",
        "cny_per_year": "CNY/year",
        "bn_cny": "10^9 CNY",
        "cny_per_km": "CNY/km",
        "cny_per_kwh": "CNY/kWh",
        "per_km2": "per km2",
        "per_h": "per hour",
        "per_day": "per day",
        "ratio": "1",
        "count": "count",
        "people": "people",
        "year": "year",
        "h": "h",
        "min": "min",
        "s": "s",
        "ms": "ms",
        "us_per_km": "us/km",
        "degc": "degree C",
        "on": "date",
        "at": "UTC instant",
        "id": "",
        "name": "",
    }
)

#: How well a value is known: high, medium, low, unverified, or an assumption of ours.
CONFIDENCES: Mapping[str, str] = MappingProxyType(
    {"H": "high", "M": "medium", "L": "low", "U": "unverified", "A": "assumption"}
)


def unit_of(name: str) -> str | None:
    """Return the unit that the suffix of `name` declares, or None where it has none.

    Examples
    --------
    >>> unit_of("opex_cny_per_year"), unit_of("height_m"), unit_of("label")
    ('CNY/year', 'm', None)
    """
    parts = name.split("_")
    for first in range(len(parts)):
        suffix = "_".join(parts[first:])
        if suffix in UNITS:
            return UNITS[suffix]
    return None


@dataclass(frozen=True)
class Field:
    """A value that a user may set or will read: its name, type, unit, bounds and origin.

    Attributes
    ----------
    name : str
        Ends in its unit where it has one (`UNITS`).
    type : type
        ``float``, ``int``, ``str`` or ``bool``.
    unit : str
        As printed; empty for plain text and names.
    default : object
        None where the user must give it.
    ge, le : float or None
        Inclusive bounds.
    doc : str
        One sentence in plain words.
    source : str
        Who says so: publication, or "assumption" with the reason.
    year : int or None
        Year of the value (the price year for money).
    confidence : str
        Key of `CONFIDENCES`.
    choices : tuple of str
        Accepted words, for text.
    low, high : float or None
        Range in which the value is thought to lie; None where no range is known.
    """

    name: str
    type: type
    unit: str = ""
    default: object = None
    ge: float | None = None
    le: float | None = None
    doc: str = ""
    source: str = ""
    year: int | None = None
    confidence: str = "A"
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def fault(self, value: object) -> str | None:
        """Return what is expected where `value` does not fit, None where it fits."""
        accepts = (int, float) if self.type is float else (self.type,)
        if isinstance(value, bool) and self.type is not bool:
            return self.expected()
        if not isinstance(value, accepts):
            return self.expected()
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            # comparisons written so that NaN fails them
            if self.ge is not None and not value >= self.ge:
                return self.expected()
            if self.le is not None and not value <= self.le:
                return self.expected()
            if math.isnan(value):
                return self.expected()
        if self.choices and value not in self.choices:
            return self.expected()
        return None

    def expected(self) -> str:
        """Return in words what this field accepts."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        words = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
        text = words[self.type]
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in ((">=", self.ge), ("<=", self.le))
            if bound is not None
        ]
        if bounds:
            text += " " + " and ".join(bounds)
        if self.unit and self.unit != "1":
            text += f" {self.unit}"
        return text
