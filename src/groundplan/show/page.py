"""`write_report`: the plan folder as one HTML file, in English and Chinese, without network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from groundplan.errors import UsageError
from groundplan.plan.answer import in_ten_thousands
from groundplan.plan.manifest import write_aside
from groundplan.quantity import CONFIDENCES
from groundplan.show.tiles import map_data

__all__ = ["write_report"]

TEMPLATES = Path(__file__).parent / "templates"
CONFIDENCES_ZH = {"H": "高", "M": "中", "L": "低", "U": "未核实", "A": "假设"}
STATUS = {
    "reached": ("reached by this plan", "本方案达到"),
    "missed": ("missed by this plan", "本方案未达到"),
    "not_planned_here": ("priced, not sited here", "已计价，未选址"),
    "milestone": ("milestone", "里程碑"),
}


def both(english: object, chinese: object) -> Markup:
    """Return a text in both languages; the page shows one of them."""
    frame = Markup('<span lang="en">{}</span><span lang="zh">{}</span>')
    return frame.format(english, chinese)


def number(value: float | None, digits: int = 0) -> Markup:
    """Return a number grouped for English and in 万 and 亿 for Chinese."""
    if value is None:
        return Markup("–")
    english = f"{value:,.{digits}f}"
    if abs(value) < 10_000:
        return Markup(escape(english))  # noqa: S704 - constant frame
    return both(english, in_ten_thousands(value))


def money(value: float | None) -> Markup:
    """Return an amount in bn or M CNY, 亿元 or 万元."""
    if value is None:
        return Markup("–")
    if abs(value) >= 1e8:
        return both(f"{value / 1e9:,.2f} bn CNY", f"{value / 1e8:,.1f}亿元")
    return both(f"{value / 1e6:,.2f} M CNY", f"{value / 1e4:,.0f}万元")


def percent(value: float | None, digits: int = 1) -> str:
    """Return a ratio as a percentage."""
    return "–" if value is None else f"{value:.{digits}%}"


def extreme_counties(part: dict[str, Any], n: int = 10) -> tuple[list[Any], list[Any]]:
    """Return the counties served worst and best after the plan."""
    ordered = sorted(part["counties"], key=lambda c: (c["served_after_ratio"], c["code"]))
    return ordered[:n], ordered[-n:][::-1]


def write_report(folder: Path, out: Path | None = None, *, name: str = "") -> Path:
    """Write ``report.html`` of a plan folder; the same plan gives the same bytes.

    Parameters
    ----------
    folder : Path
        Plan folder with ``plan.json``, ``cells.parquet`` and ``assets.parquet``.
    out : Path, optional
        Default ``report.html`` in the folder.
    name : str, optional
        What the folder is called in the report; default its own name.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    UsageError
        Where `folder` is no plan folder.
    """
    import jinja2

    folder = Path(folder)
    if not (folder / "plan.json").is_file():
        raise UsageError(f"{folder} is no plan folder: it has no plan.json")
    record = json.loads((folder / "plan.json").read_bytes())
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        both=both,
        number=number,
        money=money,
        percent=percent,
        extreme=extreme_counties,
        confidence=lambda c: both(CONFIDENCES[c], CONFIDENCES_ZH[c]),
        status=lambda s: both(*STATUS[s]),
    )
    data = {**map_data(folder, record), "sectors": record["sectors"], "study": record["study"]}
    # '</' inside a script element would end it
    embedded = json.dumps(data, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
    page = environment.get_template("report.html.j2").render(
        plan=record,
        folder=name or folder.resolve().name,
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        js=Markup((TEMPLATES / "map.js").read_text(encoding="utf-8")),  # noqa: S704 - ours
        data=Markup(embedded),  # noqa: S704 - escaped above
    )
    target = out or folder / "report.html"
    write_aside(target, page.encode())
    return target
