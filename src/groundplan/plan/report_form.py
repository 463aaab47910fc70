"""The form of a table beside the answer of a system: head, rows and a note as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Counties", "Table", "column", "plain", "table"]

Table = dict[str, Any]
#: Counties by number, with their names.
Counties = Sequence[Mapping[str, str]]


def column(title: str, title_zh: str, form: str = "number") -> dict[str, str]:
    """Return the head of a column: ``text``, ``number``, ``percent``, ``decimal`` or ``year``."""
    return {"title": title, "title_zh": title_zh, "form": form}


def table(head: list[dict[str, str]], rows: list[list[Any]], note: str, note_zh: str) -> Table:
    """Return a table as plain data."""
    return {"head": head, "rows": rows, "note": note, "note_zh": note_zh}


def plain(rows: list[list[Any]]) -> list[list[Any]]:
    """Return rows with Python numbers, None where there is none."""
    out: list[list[Any]] = []
    for row in rows:
        cells: list[Any] = []
        for cell in row:
            if isinstance(cell, np.generic):
                value: Any = cell.item()
                cells.append(None if isinstance(value, float) and not np.isfinite(value) else value)
            else:
                cells.append(cell)
        out.append(cells)
    return out
