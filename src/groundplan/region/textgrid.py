"""ESRI ASCII grids, checked as text before GDAL reads them: it takes a word for the number 0."""

from __future__ import annotations

import re
from pathlib import Path

from groundplan.errors import Findings
from groundplan.region.sheets import MAX_FINDINGS

__all__ = ["check_text_grid"]

HEADER = re.compile(rb"\s*(ncols|nrows|xll\w+|yll\w+|cellsize|dx|dy|nodata_value)\s", re.IGNORECASE)
NUMERIC = b"0123456789+-.eE \t\r\n"
#: Line by line, of a long line so much at once.
LINE_BYTES = 1 << 26


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def check_text_grid(path: Path) -> None:
    """Look at every number of a text grid.

    Raises
    ------
    DataError
        Header lines that are missing, words that are no numbers, each with its line, and more or
        fewer numbers than the header says.
    """
    findings = Findings(path)
    header: dict[str, bytes] = {}
    count = 0
    with path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(LINE_BYTES), b""), start=1):
            if HEADER.match(line) and not count:
                key, *value = line.split()
                header[key.decode("ascii").lower()] = value[0] if value else b""
                continue
            words = line.split()
            count += len(words)
            if line.translate(None, NUMERIC):
                for word in words:
                    if not _is_number(word) and len(findings) < MAX_FINDINGS:
                        findings.add(
                            number, "band 1", repr(word[:20].decode("utf-8", "replace")),
                            "a number", "write a number, or the NODATA_value of the header",
                        )  # fmt: skip
    sizes = {}
    for name in ("ncols", "nrows"):
        text = header.get(name)
        if text is None or not text.isdigit():
            got = "nothing" if text is None else repr(text.decode("utf-8", "replace"))
            findings.add(
                0, name, got, "a whole number", "is this an ESRI ASCII grid with its header?"
            )
        else:
            sizes[name] = int(text)
    if len(sizes) == 2 and count != sizes["ncols"] * sizes["nrows"]:
        findings.add(
            0, "band 1", f"{count} numbers",
            f"{sizes['ncols'] * sizes['nrows']} numbers, {sizes['nrows']} rows of "
            f"{sizes['ncols']}", "is the file complete?",
        )  # fmt: skip
    findings.raise_if_any()
