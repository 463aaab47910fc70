"""`write_report`: the plan folder as one HTML file, in English and Chinese, without network."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from markupsafe import Markup

from groundplan.errors import UsageError
from groundplan.plan.manifest import write_aside
from groundplan.quantity import CONFIDENCES
from groundplan.show import words
from groundplan.show.tiles import map_data

__all__ = ["write_report"]

TEMPLATES = Path(__file__).parent / "templates"
#: Licences that bind what a reader may do with a plan made from such data.
BINDING = re.compile(
    r"odbl|share.?alike|by-sa|non.?commercial|by-nc|internal|confidential", re.IGNORECASE
)
#: What the map takes of a system as it stands in the record.
MAP_PART = ("title", "title_zh", "layers", "counts", "reach", "reach_decided_by", "existing")
#: Words of plans written before the record had them.
ABSENT: dict[str, Any] = {
    "register": None,
    "roads": None,
    "places": [],
    "columns": [],
    "reach_decided_by": "site_and_cell",
    "decision": "covering",
    "signals": [],
    "terrain": None,
    "money": None,
    "targets": None,
}


def systems_of(record: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the systems in the order of the answer, with every word the page asks for."""
    told = []
    for answer in record["answer"]:
        key = answer["sector"]
        part = {**ABSENT, **record["sectors"][key]}
        told.append((key, {**part, "own_targets": targets_of(record, key, part["targets"])}))
    return told


def targets_of(record: dict[str, Any], key: str, names: list[str] | None) -> list[dict[str, Any]]:
    """Return the targets of a system; by its name in a plan that does not list them."""
    targets = {t["key"]: t for t in record["targets"]}
    if names is None:
        return [t for t in targets.values() if t["sector"] == key]
    return [targets[name] for name in names]


def extreme_counties(part: dict[str, Any], n: int = 10) -> tuple[list[Any], list[Any]]:
    """Return the counties served worst and best after the plan; none of them twice."""
    ordered = sorted(part["counties"], key=lambda c: (c["served_after_ratio"], c["code"]))
    n = min(n, -(-len(ordered) // 2))
    return ordered[:n], ordered[max(n, len(ordered) - n) :][::-1]


def unserved_sentence(part: dict[str, Any]) -> Markup | None:
    """Return who is left out, and where most of them are; None for a plan without places."""
    places = part.get("places") or []
    left = sum(p["unserved"] for p in places)
    if left <= 0:
        return None
    most = max(places, key=lambda p: p["unserved"])
    ratio, share = left / (part["demand_total"] / part["demand_scale"]), most["unserved"] / left
    if part.get("decision") == "capacitated":
        return words.both(
            f"Served, but beyond its limit when measured from every cell: {ratio:.2%} of the "
            f"demand; the largest part of this, {share:.0%}, is "
            f"{most['title'][:1].lower()}{most['title'][1:]}.",
            f"已服务但逐格网量算超出限值：{ratio:.2%}，其中最大部分（{share:.0%}）位于{most['title_zh']}。",
        )
    return words.both(
        f"Not served: {left:,.0f} {part['demand_unit']} ({ratio:.1%}); the largest part of this, "
        f"{share:.0%}, is {most['title'][:1].lower()}{most['title'][1:]}.",
        f"未服务：{ratio:.1%}，其中最大部分（{share:.0%}）位于{most['title_zh']}。",
    )


def licences_of(record: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the licences of every input, and those among them that bind the reader."""
    registers = [p.get("register") or {} for p in record["sectors"].values()]
    named = {s.get("licence", "") for s in record["sources"]}
    parts = [p.get(k) or {} for p in record["sectors"].values() for k in ("roads", "traffic")]
    named |= {given.get("licence", "") for given in parts}
    hazards = [p.get("hazards") or {} for p in record["sectors"].values()]
    named |= {one["licence"] for given in hazards for one in given.get("files", [])}
    demands = [p.get("demand_file") or {} for p in record["sectors"].values()]
    named |= {given.get("licence", "") for given in demands}
    named |= {record["people"].get("licence", "")} | {r.get("licence", "") for r in registers}
    found = sorted(n for n in named if n)
    return found, [n for n in found if BINDING.search(n)]


def confidence_counts(record: dict[str, Any]) -> list[tuple[str, int]]:
    """Return how many values rest on each confidence, best first."""
    count = Counter(a["confidence"] for a in record["assumptions"])
    return [(key, count[key]) for key in CONFIDENCES if count[key]]


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
    environment.globals.update({name: getattr(words, name) for name in words.__all__})
    environment.globals.update(
        extreme=extreme_counties,
        unserved=unserved_sentence,
        licences=licences_of,
        confidence_counts=confidence_counts,
    )
    systems = systems_of(record)
    data = {
        **map_data(folder, record),
        "order": [key for key, _ in systems],
        "signals": [signal for _, part in systems for signal in part["signals"]],
        "sectors": {key: map_part(part) for key, part in systems},
        "words": {key: {"en": en, "zh": zh} for key, (en, zh) in words.WORDS.items()},
        "people_is_modelled": record["people"]["is_modelled"],
    }
    # '</' inside a script element would end it
    embedded = json.dumps(data, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
    scripts = [(TEMPLATES / n).read_text(encoding="utf-8") for n in ("inflate.js", "map.js")]
    page = environment.get_template("report.html.j2").render(
        plan=record,
        systems=systems,
        folder=name or folder.resolve().name,
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        js=Markup("".join(scripts)),  # noqa: S704 - ours
        data=Markup(embedded),  # noqa: S704 - escaped above
    )
    target = out or folder / "report.html"
    write_aside(target, page.encode())
    return target


def map_part(part: dict[str, Any]) -> dict[str, Any]:
    """Return what the map tells of a system."""
    county = ("people", "served_before_ratio", "served_after_ratio", "planned_count", "cost_cny")
    return {
        **{k: part[k] for k in MAP_PART},
        "counties": [{k: c[k] for k in county} for c in part["counties"]],
        "columns": [{**c, **words.column_label(c["name"])} for c in part["columns"]],
    }
