"""The page of compare.py: heads, tables and figures of the runs kept in folders, and the docs."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
from importlib.metadata import version
from pathlib import Path

import ahead
import anytime
import known
from contest import FAMILIES
from peers import PEERS
from report import Row, middle, spent_s, table, who

#: Cases whose figures the docs page shows where they were run.
DOCS_FIGURES = (
    "tight-10k", "tight-100k", "tight-1M", "tight-10M", "tight-18M", "sparse-10k", "sparse-100k",
    "sparse-1M", "dense-1M", "uniform-1M",
)  # fmt: skip
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    names = [x.partition(":")[2].strip() for x in text.splitlines() if x.startswith("model name")]
    return names[0] if names else platform.machine()


def write_head(out: Path, versions: dict[str, str]) -> None:
    """Keep what ran in a folder, beside its runs."""
    peers = ", ".join(f"{k} {v}" for k, v in versions.items()) or "none at hand"
    text = (
        f"groundplan {version('groundplan')}, numpy {version('numpy')}, highspy "
        f"{version('highspy')}; Python {platform.python_version()}; {processor()}, "
        f"{os.cpu_count()} cores. Peers: {peers}."
    )
    head = {"text": text, "notes": []}
    (out / "head.json").write_text(json.dumps(head, indent=1), encoding="utf-8")


def note(out: Path, word: str) -> None:
    """Keep a word on a family that could not be run."""
    path = out / "head.json"
    head = json.loads(path.read_text(encoding="utf-8"))
    head["notes"].append(word)
    path.write_text(json.dumps(head, indent=1), encoding="utf-8")


def read(outs: list[Path]) -> tuple[list[str], list[Row]]:
    """Return heads and rows kept in folders; of a run done twice the last counts."""
    heads: dict[str, list[str]] = {}
    rows = {}
    for out in outs:
        own = []
        for line in (out / "rows.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            own.append(row)
            rows[row["case"], row["peer"], row["merged"], row["repeat"]] = row
        if not (out / "head.json").exists():
            continue
        head = json.loads((out / "head.json").read_text(encoding="utf-8"))
        heads.setdefault(head["text"], []).extend([quiet(own), *head["notes"]])
    return [" ".join([k, *v]).strip() for k, v in heads.items()], list(rows.values())


def quiet(rows: list[Row]) -> str:
    """Return how quiet the machine was."""
    ran = [r for r in rows if "load" in r]
    if not ran:
        return ""
    loads, others = [r["load"] for r in ran], [r["others"] for r in ran]
    families = ", ".join(dict.fromkeys(r["family"] for r in rows))
    return (
        f"During {families}: 1-minute load {min(loads):.1f} to {max(loads):.1f}; other processes "
        f"used {statistics.median(others):.1f} cores (median of the rows, at most "
        f"{max(others):.1f})."
    )


def settings(rows: list[Row]) -> str:
    """Return what was asked of all runs of a case, and who did not run."""
    asked: dict[tuple, set[str]] = {}
    for r in rows:
        asked.setdefault((r["threads"], r["limit_s"], r["clock"]), set()).add(r["case"])
    words = []
    for (threads, limit, clock), cases in asked.items():
        told = f"{threads} thread{'s' if threads > 1 else ''}, limit {limit:g} "
        told += "CPU s" if clock == "cpu" else "wall s"
        words.append(told if len(asked) == 1 else f"{', '.join(sorted(cases))}: {told}")
    absent = {
        case: {
            name
            for name, peer in PEERS.items()
            if kinds <= {*peer.kinds} and not any(r["peer"] == name for r in own)
        }
        for case, own, kinds in (
            (c, [r for r in rows if r["case"] == c], {r["kind"] for r in rows if r["case"] == c})
            for c in dict.fromkeys(r["case"] for r in rows)
        )
    }
    nowhere = set.intersection(*absent.values())
    left = [f"not run: {', '.join(sorted(nowhere))}"] if nowhere else []
    for case, names in absent.items():
        if names - nowhere:
            left.append(f"nor on {case}: {', '.join(sorted(names - nowhere))}")
    repeats = max(r["repeat"] for r in rows) + 1
    if repeats > 1:
        words.append(f"median of {repeats}")
    return "; ".join([*words, *left])


def write(outs: list[Path], out: Path, *, figures: bool) -> None:
    """Write the tables of all runs in `outs`, and their anytime curves, to `out`."""
    heads, rows = read(outs)
    rows.sort(key=lambda r: FAMILIES.index(r["family"]))
    lines = [*heads, "", *ahead.section(rows)]
    for case in dict.fromkeys(r["case"] for r in rows if r["family"] not in known.FAMILIES):
        own = [r for r in rows if r["case"] == case]
        lines += ["", f"### {case}", f"{own[0]['about']}. {settings(own)}.", ""]
        lines += table(own)
    for family in (f for f in known.FAMILIES if any(r["family"] == f for r in rows)):
        own = [r for r in rows if r["family"] == family]
        lines += ["", f"### {family}", f"{settings(own)}.", ""]
        lines += [f"- {c}: {a}" for c, a in dict.fromkeys((r["case"], r["about"]) for r in own)]
        lines += ["", *table(own, named=True)]
    (out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for case in dict.fromkeys(r["case"] for r in rows if figures):
        own = [r for r in rows if r["case"] == case]
        found = curves(own)
        if found:
            title = f"{case}: {own[0]['about']}".partition(";")[0].partition(", seed")[0]
            slug = f"anytime-{case}".replace(" ", "-").replace("=", "")
            anytime.write_figure(out / f"{slug}.svg", title, found, own[0]["clock"])


def curves(rows: list[Row]) -> dict[str, list[tuple[float, float]]]:
    """Return the gap over time of every entrant that told value and bound on the way."""
    out = {}
    for row in middle(rows):
        curve = [*row.get("curve", [])]
        if row["value"] is not None and row.get("bound") is not None:
            curve.append([spent_s(row), row["value"], row["bound"]])
        steps = anytime.gap_steps(curve, spent_s(row), maximize=row["maximize"])
        if steps:
            out[who(row)] = steps
    return out


def into_docs(docs: Path, out: Path) -> None:
    """Put the table between the marks of the docs page, and the figures beside it."""
    page = docs / "benchmarks.md"
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{page}: no line {BEGIN!r} or {END!r} to put the table between")
    head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
    body = (out / "table.md").read_text(encoding="utf-8")
    for figure in (out / f"anytime-{case}.svg" for case in DOCS_FIGURES):
        if not figure.exists():
            continue
        shutil.copy(figure, docs / figure.name)
        body += f"\n![Gap over time, {figure.stem.removeprefix('anytime-')}]({figure.name})\n"
    page.write_text(f"{head}{BEGIN}\n{body}{END}{tail}", encoding="utf-8")
