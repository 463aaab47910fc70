"""The reference page of a system, written from its `Sector`: what it plans and every value it uses.

``python -m groundplan.sectors.page docs/sectors`` writes ``<key>-fields.md`` for every built-in
system; a test keeps those pages equal to the sectors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from groundplan.quantity import CONFIDENCES, Field
from groundplan.sectors import load_sectors
from groundplan.sectors.contract import Sector

__all__ = ["sector_page"]

HEAD = ("name", "default", "unit", "accepts", "meaning", "source", "year", "confidence")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a Markdown table; a bar inside a cell is escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [str(cell).replace("|", "\\|") for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def field_row(item: Field) -> tuple[object, ...]:
    """Return a field as a row of `HEAD`."""
    default = "" if item.default is None else item.default
    if isinstance(default, float):
        default = f"{default:.6g}"
    return (
        f"`{item.name}`",
        default,
        item.unit,
        item.expected(),
        item.doc,
        item.source,
        item.year or "",
        CONFIDENCES[item.confidence],
    )


def sector_page(sector: Sector) -> str:
    """Return the reference page of a system in Markdown.

    Examples
    --------
    >>> from groundplan.sectors.charging import CHARGING
    >>> sector_page(CHARGING).splitlines()[0]
    '# Smart charging stations: every value'
    """
    lines = [f"# {sector.title}: every value", "", sector.doc, ""]
    lines += ["Written from the sector itself; do not edit.", "", "## What is counted", ""]
    lines += table(
        ("measure", "unit", "counted once by", "meaning"),
        ((f"`{m.key}`", m.unit, m.identity, m.doc) for m in sector.measures),
    )
    lines += ["## Layers", ""]
    lines += table(("layer", "title"), ((f"`{x.key}`", x.title) for x in sector.layers))
    parts: list[tuple[str, Sequence[Field]]] = [
        ("Settings", sector.settings),
        (f"Prices, {sector.cost.price_year}", sector.cost.fields),
        ("Columns of a register of one's own", sector.existing_fields),
    ]
    parts += [(f"Columns of the asset table: {a.title}", a.fields) for a in sector.assets]
    for title, fields in parts:
        lines += [f"## {title}", "", *table(HEAD, map(field_row, fields))]
    lines += ["## Counts when", ""]
    lines += table(
        ("protocol", "observation", "no older than, s"),
        ((e.protocol, e.observation, e.max_age_s) for e in sector.evidence),
    )
    lines += ["## What the plan cannot tell", "", *(f"- {text}" for text in sector.limits)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for known in load_sectors().values():
        page = Path(sys.argv[1]) / f"{known.key}-fields.md"
        page.write_text(sector_page(known), encoding="utf-8")
