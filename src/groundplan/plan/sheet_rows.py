"""Rows of large sheets of a workbook, put into the finished file as its format has them.

A cell written by the library costs a few microseconds, and sheets of assets have a million of them.
Here columns become the XML of ECMA-376 at once, in the form that the library writes itself: strings
inside their cells, numbers to 16 digits, nothing where there is no value.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from groundplan.errors import DataError, Finding

__all__ = ["put_rows"]

#: What XML or the format reserves: markup, control characters, and what reads like an escaped one.
RESERVED = re.compile(r"[&<>\x00-\x08\x0b-\x1f]|_x[0-9a-fA-F]{4}_")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")
ESCAPED = re.compile(r"(_x[0-9a-fA-F]{4}_)")
#: Characters that a cell holds, in UTF-16.
TEXT_MAX = 32_767
#: Rows made at once.
ROWS = 4096
EXTENT = re.compile(r'<dimension ref="A1:([A-Z]+)\d+"/>')
END = "</sheetData>"


def put_rows(source: BinaryIO, path: Path, sheets: Mapping[int, tuple[int, pa.Table]]) -> None:
    """Copy a workbook, with rows added at the end of some of its sheets.

    Parameters
    ----------
    source : binary file
        The workbook as the library wrote it, with strings inside cells.
    path : Path
        The whole workbook.
    sheets : mapping of int to (int, pyarrow.Table)
        Number of the sheet, from 1 -> first new row, from 1, and the columns from A on.

    Raises
    ------
    DataError
        Where a number is not finite: a sheet has no form for it.
    """
    names = {f"xl/worksheets/sheet{number}.xml": given for number, given in sheets.items()}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            body = old.read(entry)
            if entry.filename not in names:
                new.writestr(entry, body)
                continue
            first, table = names[entry.filename]
            last = first + table.num_rows - 1
            head, tail = body.decode().split(END)
            if table.num_rows:
                head = EXTENT.sub(rf'<dimension ref="A1:\g<1>{last}"/>', head, count=1)
            fresh = zipfile.ZipInfo(entry.filename, entry.date_time)
            fresh.compress_type, fresh.external_attr = entry.compress_type, entry.external_attr
            with new.open(fresh, "w") as stream:
                stream.write(head.encode())
                for text in row_texts(table, first):
                    stream.write(text.encode())
                stream.write((END + tail).encode())


def row_texts(table: pa.Table, first: int) -> Iterator[str]:
    """Return rows as the sheet holds them, some thousand at a time."""
    for batch in table.to_batches(max_chunksize=ROWS):
        numbers = range(first, first + batch.num_rows)
        columns = [
            cell_texts(column_letters(at), numbers, name, column)
            for at, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True))
        ]
        yield "".join(
            [
                f'<row r="{number}">{"".join(cells)}</row>'
                for number, cells in zip(numbers, zip(*columns, strict=True), strict=True)
            ]
        )
        first += batch.num_rows


def column_letters(at: int) -> str:
    """Return the name of a column, counted from 0.

    Examples
    --------
    >>> [column_letters(at) for at in (0, 25, 26, 701, 702)]
    ['A', 'Z', 'AA', 'ZZ', 'AAA']
    """
    letters = ""
    at += 1
    while at:
        at, digit = divmod(at - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def cell_texts(letters: str, numbers: range, name: str, column: pa.Array) -> list[str]:
    """Return the cells of a column, empty where there is no value."""
    if pa.types.is_null(column.type):
        return [""] * len(numbers)
    start = f'<c r="{letters}'
    if pa.types.is_boolean(column.type):
        ends = ['" t="b"><v>0</v></c>', '" t="b"><v>1</v></c>']
        return [
            "" if value is None else f"{start}{number}{ends[value]}"
            for number, value in zip(numbers, column.to_pylist(), strict=True)
        ]
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        if pa.types.is_floating(column.type) and pc.any(pc.invert(pc.is_finite(column))).as_py():
            raise DataError(
                Finding("plan.xlsx", numbers[0], name, "not finite", "numbers", "report this")
            )
        return [
            "" if value is None else f'{start}{number}"><v>{value:.16G}</v></c>'
            for number, value in zip(numbers, column.to_pylist(), strict=True)
        ]
    # most strings occur many times
    coded = column.dictionary_encode()
    ends = [string_end(text) for text in coded.dictionary.cast(pa.string()).to_pylist()]
    return [
        "" if index is None else f"{start}{number}{ends[index]}"
        for number, index in zip(numbers, coded.indices.to_pylist(), strict=True)
    ]


def string_end(text: str) -> str:
    """Return a cell with a string, from behind its name on."""
    if len(text) > TEXT_MAX // 2:
        text = text.encode("utf-16-le")[: 2 * TEXT_MAX].decode("utf-16-le", "ignore")
    if RESERVED.search(text):
        text = ESCAPED.sub(r"_x005F\1", text)
        text = CONTROL.sub(lambda match: f"_x{ord(match[0]):04X}_", text)
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    keep = ' xml:space="preserve"' if text != text.strip() else ""
    return f'" t="inlineStr"><is><t{keep}>{text}</t></is></c>'
