"""The form of the tables beside an answer, which every kind of report fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Counties", "Table", "column", "table"]

Counties = Sequence[Mapping[str, str]]
Table = dict[str, Any]


def column(title: str, title_zh: str, form: str = "number") -> dict[str, str]:
    """Return the head of a column: ``text``, ``number``, ``percent``, ``decimal`` or ``year``."""
    return {"title": title, "title_zh": title_zh, "form": form}


def table(head: list[dict[str, str]], rows: list[list[Any]], note: str, note_zh: str) -> Table:
    """Return a table as plain data."""
    return {"head": head, "rows": rows, "note": note, "note_zh": note_zh}
