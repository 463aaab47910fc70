"""The keys of ``study.toml`` as a JSON Schema for editors and as a page for readers.

Both are made from the tables of the study; the settings of each system are handed in, since the
study knows no system by itself.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.fields import FieldInfo

from groundplan.quantity import CONFIDENCES, Field
from groundplan.study.faults import SIGNS, tables_of
from groundplan.study.model import Record, Study

__all__ = ["reference_page", "study_schema"]

#: System key -> (title, settings and prices).
Systems = Mapping[str, tuple[str, Sequence[Field]]]
INTRODUCTION = (
    "Made by `groundplan schema --markdown`; the same as JSON Schema for an editor: `groundplan",
    "schema`. Nothing is converted: text is no number, true is not 1, 3.0 is no whole number, a",
    "date stands without quotes. A whole number may stand where a number is asked.",
)
JSON_TYPES = {float: "number", int: "integer", str: "string", bool: "boolean"}
TYPE_WORDS = {
    "int": "whole number", "float": "number", "str": "text", "bool": "true or false",
    "date": "date", "Path": "file or folder",
}  # fmt: skip


def study_schema(systems: Systems | None = None) -> dict[str, Any]:
    """Return the JSON Schema of ``study.toml``.

    Parameters
    ----------
    systems : mapping, optional
        With them, ``sectors`` names each system and its settings, and nothing else.
    """
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Study.model_json_schema(),
    }
    if systems is None:
        return schema
    choice = schema["$defs"].pop("SectorChoice")
    of_system: dict[str, Any] = {}
    for key, (title, fields) in systems.items():
        name = f"SectorChoice_{key}"
        settings = {
            "type": "object",
            "description": choice["properties"]["settings"].get("description", ""),
            "additionalProperties": False,
            "properties": {field.name: field_schema(field) for field in fields},
        }
        properties = {**choice["properties"], "settings": settings}
        schema["$defs"][name] = {**choice, "title": title, "properties": properties}
        of_system[key] = {"$ref": f"#/$defs/{name}"}
    sectors = schema["properties"]["sectors"]
    sectors["properties"], sectors["additionalProperties"] = of_system, False
    return schema


def field_schema(field: Field) -> dict[str, Any]:
    """Return the JSON Schema of one setting."""
    unit = f" ({field.unit})" if field.unit and field.unit != "1" else ""
    out: dict[str, Any] = {
        "type": JSON_TYPES[field.type],
        "description": f"{field.doc}{unit}. Source: {field.source}",
        "default": field.default,
    }
    bounds = {"minimum": field.ge, "maximum": field.le}
    out |= {name: value for name, value in bounds.items() if value is not None}
    if field.choices:
        out["enum"] = list(field.choices)
    return out


def cell(text: object) -> str:
    """Return text that fits a cell of a Markdown table."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def row(cells: Sequence[object]) -> str:
    """Return one row of a Markdown table."""
    return "| " + " | ".join(cell(c) for c in cells) + " |"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [row(head), "|" + "---|" * len(head), *(row(r) for r in rows)]


def type_words(annotation: Any) -> str:
    """Return in words what a key holds."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if tables_of(annotation):
        if origin is tuple:
            return "list of tables"
        return "tables by key" if origin is dict else "table"
    if origin is typing.Literal:
        return ", ".join(f"`{word}`" for word in inner)
    if origin is typing.Annotated:
        return type_words(inner[0])
    if origin is dict:
        return "table of " + type_words(inner[1])
    if origin is tuple:
        return f"list of {len(inner)}: {type_words(inner[0])}"
    if inner:
        return " or ".join(type_words(part) for part in inner if part is not type(None))
    return TYPE_WORDS[annotation.__name__]


def plain(number: float) -> str:
    """Return a bound without exponent or needless point."""
    return str(int(number)) if float(number).is_integer() else repr(number)


def metadata_of(annotation: Any) -> list[Any]:
    """Return the constraints inside an annotation, as pydantic keeps them."""
    found: list[Any] = []
    for part in getattr(annotation, "__metadata__", ()):
        found += getattr(part, "metadata", [part])
    return found


def bounds_of(field: FieldInfo) -> str:
    """Return the bounds of a key, from its metadata."""
    found = []
    inner = () if tables_of(field.annotation) else typing.get_args(field.annotation)[:1]
    parts = [m for part in inner for m in metadata_of(part)]
    for part in (*field.metadata, *parts):
        found += [f"{SIGNS[n]} {plain(getattr(part, n))}" for n in SIGNS if hasattr(part, n)]
        if getattr(part, "min_length", None):
            found.append("not empty")
        if getattr(part, "pattern", None):
            found.append("small letters, digits, _")
    return ", ".join(dict.fromkeys(found))


def default_of(field: FieldInfo) -> str:
    """Return the default of a key as TOML writes it; empty where there is none."""
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if value is None or value in ({}, ()):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`"


def unit_in(name: str) -> str:
    """Return the unit that the name of a key of the study declares."""
    from groundplan.quantity import unit_of

    unit = unit_of(name) or ""
    return "" if unit in {"date", "1"} or name in {"price_year", "year"} else unit


def model_rows(model: type[Record]) -> list[list[str]]:
    """Return one row for each key of a table."""
    return [
        [
            f"`{name}`",
            type_words(field.annotation),
            unit_in(name),
            "yes" if field.is_required() else "",
            default_of(field),
            bounds_of(field),
            field.description or "",
        ]
        for name, field in model.model_fields.items()
    ]


def sections(model: type[Record], path: str = "") -> list[tuple[str, str, type[Record]]]:
    """Return (TOML header, path, table) of a table and of every table in it."""
    header = path or "top of the file"
    out = [(header, path, model)]
    for name, field in model.model_fields.items():
        for inner in tables_of(field.annotation):
            at = f"{path.strip('[]')}.{name}" if path else name
            origin = typing.get_origin(field.annotation)
            if origin is dict:
                at += ".<key>"
            out += sections(inner, f"[[{at}]]" if origin is tuple else f"[{at}]")
    return out


def value_words(value: object) -> str:
    """Return a setting's default as TOML writes it, numbers as short as they stay exact."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value)


def setting_rows(fields: Sequence[Field]) -> list[list[str]]:
    """Return one row for each setting of a system."""
    rows = []
    for field in fields:
        ends = ((">=", field.ge), ("<=", field.le))
        bounds = ", ".join(f"{sign} {plain(end)}" for sign, end in ends if end is not None)
        year = "" if field.year is None else str(field.year)
        rows.append(
            [
                f"`{field.name}`",
                field.unit,
                f"`{value_words(field.default)}`",
                ", ".join(f"`{c}`" for c in field.choices) or bounds,
                field.doc,
                field.source,
                year,
                f"{field.confidence} {CONFIDENCES[field.confidence]}",
            ]
        )
    return rows


def reference_page(systems: Systems) -> str:
    """Return the page with every key of ``study.toml`` and every setting of each system."""
    lines = ["# Every key", "", *INTRODUCTION, ""]
    head = ("key", "type", "unit", "required", "default", "bounds", "meaning")
    for header, _, model in sections(Study):
        about = " ".join((model.__doc__ or "").split("\n\n")[0].split())
        lines += [f"## `{header}`" if header.startswith("[") else f"## {header}", "", about, ""]
        lines += [*table(head, model_rows(model)), ""]
    names = ("setting", "unit", "default", "bounds", "meaning", "source", "year", "confidence")
    for key, (title, fields) in systems.items():
        lines += [f"## `[sectors.{key}.settings]`", "", f"{title}: settings and prices.", ""]
        lines += [*table(names, setting_rows(fields)), ""]
    return "\n".join(lines).rstrip() + "\n"
