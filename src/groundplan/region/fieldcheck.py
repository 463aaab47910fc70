"""Columns of a user's file as the `Field`s that a sector declared: converted, checked, all at once.

Whole columns are converted and compared with their bounds at once; only where that fails are the
rows walked one by one, each judged by `Field.fault`, so that every bad row is told.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.region.sheets import MAX_FINDINGS, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from groundplan.errors import Findings
    from groundplan.quantity import Field

__all__ = ["column_of", "numbers_of", "take_fields"]

#: A code or number that a spreadsheet rounded on the way: 4.10102E+11.
SCIENTIFIC = re.compile(r"[-+]?\d(\.\d+)?[eE]\+\d+")
TRUE = frozenset({"true", "yes", "1", "是", "有"})
FALSE = frozenset({"false", "no", "0", "否", "无"})
#: Identifiers that no two rows may share.
IDENTITIES = frozenset({"outside_id", "site_id", "station_id", "asset_id", "code"})
#: Largest whole number that a float64 holds exactly.
EXACT = 2**53


def column_of(table: Table, name: str, renames: Mapping[str, str] | None) -> str | None:
    """Return the header in `table` that holds the field `name`, None where there is none."""
    for header, field in (renames or {}).items():
        if field == name and table.find(header) is not None:
            return table.find(header)
    return table.find(name)


def _hint(value: object, field: Field) -> str:
    """Return what to do about a value that does not fit."""
    if value is None:
        return "fill it in; a merged cell keeps its value in its first row only"
    if isinstance(value, str):
        if field.type is str and SCIENTIFIC.fullmatch(value):
            return "a spreadsheet rounded this code: format the column as text and export again"
        if any(mark in value for mark in "万亿"):
            return "write the number in full, without 万 or 亿"
        if field.type in {int, float}:
            return "write a plain number without unit and thousands separators"
    elif field.unit == "kW" and isinstance(value, (int, float)) and value > (field.le or math.inf):
        return "is the column in W?"
    return "correct the value or its unit"


def convert(value: Any, field: Field) -> Any:
    """Return `value` in the type of `field`, or unchanged where it cannot be.

    Text becomes a number where it is one; whole floats become whole numbers and, for text fields
    such as codes, their digits. Rounded codes (4.1E+11) stay as they are and fail the field.
    """
    if field.type is str:
        if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
            return str(int(value))
        if isinstance(value, (float, np.floating)) and float(value).is_integer():
            return str(int(value)) if abs(float(value)) < EXACT else value
        return value
    if field.type is bool:
        word = str(value).strip().casefold()
        return True if word in TRUE else False if word in FALSE else value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        if field.type is float:
            return number
        return int(number) if math.isfinite(number) and number.is_integer() else value
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    if field.type is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _fast(values: Sequence[Any], field: Field) -> NDArray[Any] | None:
    """Return the whole column converted where every value fits, None where one does not."""
    try:
        out = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    fits = np.isfinite(out)
    if field.ge is not None:
        fits &= out >= field.ge
    if field.le is not None:
        fits &= out <= field.le
    if field.type is int:
        fits &= (out == np.rint(out)) & (np.abs(out) < EXACT)
    if not fits.all():
        return None
    return out if field.type is float else out.astype(np.int64)


def numbers_of(
    table: Table, header: str, field: Field, findings: Findings
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return one column converted, and where it is sound; faults go to `findings`.

    Parameters
    ----------
    table : Table
    header : str
        Column as written in the file.
    field : Field
        A field with a default may have empty cells; they take the default.
    findings : Findings

    Returns
    -------
    values : (n_row,) float64, int64, bool or object (text)
    is_sound : (n_row,) bool
    """
    values = table.columns[header]
    n = len(values)
    if field.type in {int, float} and not any(isinstance(v, bool) for v in values):
        whole = _fast(values, field)
        if whole is not None:
            return whole, np.ones(n, dtype=bool)
    dtype: Any = {float: np.float64, int: np.int64, bool: np.bool_}.get(field.type, object)
    filler: Any = {float: np.nan, int: 0, bool: False}.get(field.type, "")
    out: list[Any] = []
    sound = np.ones(n, dtype=bool)
    for i, value in enumerate(values):
        if value is None and field.default is not None:
            out.append(field.default)
            continue
        got = convert(value, field)
        bad = got is None or field.fault(got) is not None
        bad = bad or (field.type is str and SCIENTIFIC.fullmatch(str(got)) is not None)
        if bad:
            sound[i] = False
            if len(findings) < MAX_FINDINGS:
                shown = "nothing" if value is None else repr(value)
                expected = field.expected() + (
                    ", all digits" if field.type is str and not field.choices else ""
                )
                findings.add(table.rows[i], header, shown, expected, _hint(got, field))
            got = filler
        out.append(got)
    column = np.empty(n, dtype=dtype)
    column[:] = out
    return column, sound


def _check_identities(table: Table, header: str, values: NDArray[Any], findings: Findings) -> None:
    """Report every value of an identity column that stands in more than one row."""
    first: dict[Any, int] = {}
    for i, value in enumerate(values):
        if value == "" or value is None:
            continue
        if value in first and len(findings) < MAX_FINDINGS:
            findings.add(
                table.rows[i],
                header,
                repr(value),
                f"an identifier of its own, row {first[value]} has it already",
                "delete the repeated row or give it its own identifier",
            )
        first.setdefault(value, table.rows[i])


def take_fields(
    table: Table,
    fields: Sequence[Field],
    findings: Findings,
    renames: Mapping[str, str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Return the columns that `fields` ask for, converted and checked.

    Parameters
    ----------
    table : Table
    fields : sequence of Field
        A field without default must have a column; one with a default may be left out.
    findings : Findings
        Takes missing columns, bad values with row and column, repeated identifiers.
    renames : mapping, optional
        Header in the file -> field name.

    Returns
    -------
    dict of str to (n_row,) array
    """
    out: dict[str, NDArray[Any]] = {}
    n = len(table.rows)
    for field in fields:
        header = column_of(table, field.name, renames)
        if header is None:
            if field.default is None:
                findings.add(
                    1,
                    field.name,
                    "no such column",
                    f"a column {field.name}: {field.expected()}",
                    "rename a column; the file has " + ", ".join(list(table.columns)[:12]),
                )
            else:
                dtype: Any = {float: np.float64, int: np.int64, bool: np.bool_}.get(
                    field.type, object
                )
                out[field.name] = np.full(n, field.default, dtype=dtype)
            continue
        values, _ = numbers_of(table, header, field, findings)
        if field.name in IDENTITIES:
            _check_identities(table, header, values, findings)
        out[field.name] = values
    return out
