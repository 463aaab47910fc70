"""Tables of settings and prices: one row of a CSV in `data/` becomes one `Field`.

A table has the columns ``name, type, unit, default, ge, le, doc, source, year, confidence,
choices``, prices also ``low, high``; empty cells take the `Field`'s own default, `choices` are
parted by ``|``.
"""

from __future__ import annotations

import csv
from importlib.resources import files

from groundplan.errors import Findings
from groundplan.quantity import CONFIDENCES, Field, unit_of

__all__ = ["read_fields"]

TYPES = {"float": float, "int": int, "str": str, "bool": bool}


def read_fields(table: str) -> tuple[Field, ...]:
    """Read ``data/<table>.csv`` of this package.

    Parameters
    ----------
    table : str
        File name without ending.

    Returns
    -------
    tuple of Field
        In the file's order.

    Raises
    ------
    DataError
        With a finding for each row whose unit does not fit its name, or whose default does not
        fit its own bounds.

    Examples
    --------
    >>> read_fields("charging_costs")[0].unit
    'CNY'
    """
    name = f"{table}.csv"
    text = files("groundplan.sectors").joinpath("data", name).read_text(encoding="utf-8")
    found = Findings(name)
    fields = []
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        kind = TYPES[row["type"]]
        default: object = row["default"]
        if kind is bool:
            default = row["default"] == "true"
        elif kind is not str:
            default = kind(row["default"])
        item = Field(
            name=row["name"],
            type=kind,
            unit=row["unit"],
            default=default,
            ge=float(row["ge"]) if row["ge"] else None,
            le=float(row["le"]) if row["le"] else None,
            doc=row["doc"],
            source=row["source"],
            year=int(row["year"]) if row["year"] else None,
            confidence=row["confidence"],
            choices=tuple(row["choices"].split("|")) if row["choices"] else (),
            low=float(row["low"]) if row.get("low") else None,
            high=float(row["high"]) if row.get("high") else None,
        )
        fault = item.fault(item.default)
        if fault is not None:
            found.add(number, item.name, item.default, fault, "the default must fit its bounds")
        if (unit_of(item.name) or "") != item.unit:
            found.add(number, item.name, item.unit, f"unit {unit_of(item.name)}, as the name says")
        if not lies_within(item):
            told = f"{item.low}..{item.high}"
            found.add(number, item.name, told, f"a range around {default}")
        if item.confidence not in CONFIDENCES:
            found.add(number, item.name, item.confidence, "one of " + ", ".join(CONFIDENCES))
        fields.append(item)
    found.raise_if_any()
    return tuple(fields)


def lies_within(item: Field) -> bool:
    """Return whether a value lies in its own range, where it has one."""
    value = item.default
    if item.low is None or item.high is None or not isinstance(value, (int, float)):
        return item.low is None and item.high is None
    return item.low <= value <= item.high
