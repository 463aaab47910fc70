"""Tables as people keep them: CSV in UTF-8 or GB 18030, and XLSX.

A table is read as it stands, text as text, so that codes keep their digits; what a value must be
is decided by the `Field` it fills, not by the look of the column.
"""

from __future__ import annotations

import csv
import io
import unicodedata
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundplan.errors import DataError, Finding, Findings

__all__ = ["MAX_FINDINGS", "Table", "detect_encoding", "normalise", "read_table"]

#: Beyond this many findings of one file the rest is told as a count.
MAX_FINDINGS = 1000
DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Table:
    """Columns of a table with the place of each row in its file.

    Attributes
    ----------
    path : str
        As the user named it.
    columns : dict of str to list
        Header as written -> values: text, number, bool or None where empty.
    rows : list of int
        Row of each record in the file, the header being row 1.
    encoding : str
        How text was decoded; empty for XLSX.
    """

    path: str
    columns: dict[str, list[Any]]
    rows: list[int]
    encoding: str = ""

    def find(self, *names: str) -> str | None:
        """Return the header that equals one of `names` after normalising, the first that does."""
        headers = {normalise(h): h for h in reversed(self.columns)}
        for name in names:
            if normalise(name) in headers:
                return headers[normalise(name)]
        return None


def normalise(header: str) -> str:
    """Return a header as compared: full-width forms folded, trimmed, lower case, `_` for blanks.

    Examples
    --------
    >>> normalise(" Power KW "), normalise("ＬＯＮ")
    ('power_kw', 'lon')
    """
    return "_".join(unicodedata.normalize("NFKC", header).casefold().split())


def detect_encoding(raw: bytes, path: object) -> str:
    """Return the encoding of a text file: a byte-order mark, else UTF-8, else GB 18030.

    GB 18030 covers GBK and GB 2312. Text that is neither is refused.

    Parameters
    ----------
    raw : bytes
        The whole file: one wrong byte far down is found too.
    path : object
        For the message.

    Returns
    -------
    str
        ``"utf-8-sig"``, ``"utf-16"``, ``"utf-8"`` or ``"gb18030"``.
    """
    if raw.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in ("utf-8", "gb18030"):
        try:
            raw.decode(encoding)
        except UnicodeDecodeError as error:
            where = error.start
            continue
        return encoding
    raise DataError(
        Finding(
            str(path),
            1 + raw[:where].count(b"\n"),
            "encoding",
            f"byte 0x{raw[where]:02x} at offset {where}",
            "text in UTF-8 or GB 18030",
            "save the file as UTF-8",
        )
    )


def read_table(path: str | Path, sheet: str | None = None) -> Table:
    """Read a CSV or XLSX file.

    Parameters
    ----------
    path : path
        ``.csv``, ``.txt``, ``.tsv`` or ``.xlsx``.
    sheet : str, optional
        Sheet of a workbook; the first where left out.

    Returns
    -------
    Table

    Raises
    ------
    DataError
        Not readable, no header, a header cell empty or twice, rows of the wrong length, no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(Finding(str(path), 0, "", "no such file", "a table", "check the path"))
    if path.suffix.lower() in {".xlsx", ".xlsm"}:
        records, encoding = _read_xlsx(path, sheet), ""
    elif path.suffix.lower() == ".xls":
        raise DataError(
            Finding(
                str(path), 0, "", "an .xls file", "CSV or XLSX", "save it as .xlsx or UTF-8 CSV"
            )
        )
    else:
        records, encoding = _read_csv(path)
    return _as_table(str(path), records, encoding)


def _read_csv(path: Path) -> tuple[list[list[Any]], str]:
    raw = path.read_bytes()
    if b"\x00" in raw[:1024] and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            Finding(
                str(path),
                1,
                "encoding",
                "binary data",
                "text in UTF-8 or GB 18030",
                "is this a CSV file?",
            )
        )
    encoding = detect_encoding(raw, path)
    text = raw.decode(encoding)
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: list[list[Any]] = []
    try:
        records.extend([cell.strip() or None for cell in record] for record in reader)
    except csv.Error as error:
        raise DataError(
            Finding(
                str(path),
                len(records) + 1,
                "row",
                str(error),
                "cells parted by commas, quotes closed",
                "look for an unclosed quotation mark",
            )
        ) from error
    return records, encoding


def _read_xlsx(path: Path, sheet: str | None) -> list[list[Any]]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError) as error:
        raise DataError(
            Finding(
                str(path),
                0,
                "",
                "no readable workbook",
                "an XLSX workbook",
                "open it in a spreadsheet program and save it again",
            )
        ) from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise DataError(
                Finding(
                    str(path),
                    0,
                    "sheet",
                    repr(sheet),
                    "one of " + ", ".join(book.sheetnames),
                    "correct the name of the sheet",
                )
            )
        page = book[sheet] if sheet is not None else book.worksheets[0]
        page.reset_dimensions()  # some exporters write a wrong extent
        return [
            [v.strip() or None if isinstance(v, str) else v for v in record]
            for record in page.iter_rows(values_only=True)
        ]
    finally:
        book.close()


def _as_table(path: str, records: list[list[Any]], encoding: str) -> Table:
    """Check the header and the shape of records, and turn them into columns."""
    if not records or not any(cell is not None for cell in records[0]):
        raise DataError(
            Finding(path, 1, "header", "nothing", "a header row with column names", "add a header")
        )
    width = max((i + 1 for record in records for i, c in enumerate(record) if c is not None))
    head: list[Any] = [*records[0], *[None] * width][: max(width, 1)]
    findings = Findings(path)
    gaps = [i for i, cell in enumerate(head) if cell is None]
    if gaps:
        findings.add(
            1,
            ", ".join(_letter(i) for i in gaps),
            "an empty header cell",
            "one name above each column, in the first row",
            "unmerge cells and delete title rows above the header",
        )
    names = [str(cell) for cell in head if cell is not None]
    seen: dict[str, str] = {}
    for name in names:
        if normalise(name) in seen:
            findings.add(1, name, "the name twice", "each column name once", "rename one of them")
        seen[normalise(name)] = name
    findings.raise_if_any()
    rows: list[int] = []
    body: list[list[Any]] = []
    for number, record in enumerate(records[1:], start=2):
        if not any(cell is not None for cell in record):
            continue  # blank lines at the end are no records
        if encoding and len(record) != len(head) and len(findings) < MAX_FINDINGS:
            findings.add(
                number,
                "row",
                f"{len(record)} cells",
                f"{len(head)} cells, as in the header",
                "quote cells that hold the separator",
            )
        rows.append(number)
        body.append([*record, *[None] * (len(head) - len(record))])
    if not rows:
        findings.add(0, "rows", "0", "at least one record under the header", "is this the file?")
    findings.raise_if_any()
    columns = {name: [record[i] for record in body] for i, name in enumerate(names)}
    return Table(path, columns, rows, encoding)


def _letter(index: int) -> str:
    """Return the spreadsheet letter of a column, 0 -> A."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(65 + rest) + text
    return text
