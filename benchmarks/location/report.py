"""The table of compare.py: medians, what was claimed beside what is true, and the docs page."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anytime

Row = dict[str, Any]
COLUMNS = (
    "who", "value", "bound", "gap", "claims", "in truth", "wall s", "built s", "CPU s",
    "matched at s", "peak MiB", "process wall / CPU s", "load", "others",
)  # fmt: skip
#: Cases whose figures the docs page shows where they were run.
DOCS_FIGURES = (
    "tight-10k", "tight-100k", "tight-1M", "tight-10M", "tight-18M", "dense-1M", "uniform-1M",
)  # fmt: skip
#: Relative distance within which a bound counts as that of a first-order solver.
BOUND_TOLERANCE = 1e-4
#: Cores that other processes may use before a row is marked as disturbed.
QUIET_CORES = 0.2
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def tolerance(kind: str, value: float) -> float:
    """Return how far two values of a case may lie apart and be the same."""
    return 0.006 + 1e-9 * abs(value) if kind == "assign" else 1e-6


def who(row: Row) -> str:
    return f"{row['peer']} + merged rows" if row["merged"] else row["peer"]


def claims_optimal(row: Row) -> bool:
    return not row["relaxed"] and str(row.get("claim", "")).lower().startswith("optimal")


def matched_s(row: Row, own: Row | None) -> float | None:
    """Return the wall second at which groundplan had what a row has: its value, or its bound."""
    if own is None or row["peer"] == own["peer"]:
        return None
    if row["value"] is None and not row["relaxed"]:
        return None
    sign = 1 if row["maximize"] else -1
    for time_s, value, bound in own.get("curve", []):
        if row["value"] is not None:
            found = value is not None and sign * (value - row["value"]) >= 0
        else:
            # the first-order solvers' value is only as good as their tolerance
            aim = row.get("bound")
            found = aim is not None and sign * (bound - aim) <= BOUND_TOLERANCE * abs(aim)
        if found:
            return time_s
    return None


def is_settled(rows: list[Row], name: str, *, merged: bool) -> bool:
    """Return whether a peer need not run again: it did not run, or ran into the limit."""
    row = next(r for r in rows if (r["peer"], r["merged"]) == (name, merged))
    if "verified_value" in row:
        return False
    return bool(row.get("error")) or row["wall_s"] >= 0.95 * row["limit_s"]


def middle(rows: list[Row]) -> list[Row]:
    """Return one row for each entrant: its run of median CPU, with medians of wall and CPU."""
    groups: dict[tuple[str, bool], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["peer"], row["merged"]), []).append(row)
    out = []
    for group in groups.values():
        group.sort(key=lambda r: r.get("cpu_s", r.get("process_cpu_s", 0.0)))
        row = dict(group[(len(group) - 1) // 2])
        for name in ("wall_s", "cpu_s", "built_s", "process_wall_s", "process_cpu_s"):
            found = [r[name] for r in group if name in r]
            if found:
                row[name] = statistics.median(found)
        for name in ("peak_mib", "load", "others"):
            row[name] = max((r[name] for r in group if name in r), default=None)
        row["repeats"] = len(group)
        out.append(row)
    return out


def best_of(rows: list[Row]) -> tuple[float | None, float | None]:
    """Return the best value met or known, and the best bound that groundplan verified."""
    if not rows:
        return None, None
    pick, tight = (max, min) if rows[0]["maximize"] else (min, max)
    values = [r["value"] for r in rows if r["value"] is not None]
    values += [r["best_known"] for r in rows if r["best_known"] is not None]
    bounds = [r["verified_bound"] for r in rows if r.get("verified_bound") is not None]
    return pick(values, default=None), tight(bounds, default=None)


def gap_of(row: Row) -> float | None:
    value, bound = row["value"], row.get("bound")
    if value is None or bound is None:
        return None
    top = bound if row["maximize"] else value
    return max(0.0, (bound - value) * (1 if row["maximize"] else -1) / top) if top else 0.0


def truth(row: Row, best: float | None, proven: float | None) -> str:
    """Return what is true of a row, whatever was claimed."""
    if best is None:
        return "-"
    sign = 1 if row["maximize"] else -1
    close = max(tolerance(row["kind"], best), 1e-6 * abs(best))
    bound, words = row.get("bound"), []
    if bound is not None and sign * (best - bound) > close:
        words.append(f"**bound false by {amount(sign * (best - bound))}**")
    if row["value"] is None:
        return "; ".join([*words, "no plan"])
    off = sign * (best - row["value"])
    if off > tolerance(row["kind"], best):
        words.insert(0, f"{amount(off)} ({off / abs(best):.3%}) off the best")
        if claims_optimal(row):
            words.insert(0, "**not optimal**")
    elif proven is not None and sign * (proven - row["value"]) <= close:
        words.insert(0, "optimal")
    else:
        words.insert(0, "best of all")
    return "; ".join(words)


def number(x: float | None, form: str) -> str:
    return "-" if x is None else format(x, form)


def amount(x: float | None) -> str:
    if x is None:
        return "-"
    return f"{x:,.0f}" if float(x).is_integer() else f"{x:,.2f}"


def cells(row: Row, best: float | None, proven: float | None, own: Row | None) -> list[str]:
    """Return the cells of a row."""
    if row.get("error") and row["value"] is None:
        ran = "process_wall_s" in row
        tail = [
            f"{row['process_wall_s']:.1f} / {row['process_cpu_s']:.1f}" if ran else "-",
            number(row.get("load"), ".1f"),
            number(row.get("others"), ".1f"),
        ]
        peak = f"{row['peak_mib']:,.0f}" if ran else "-"
        return [who(row), "-", "-", "-", row["error"], *["-"] * 5, peak, *tail]
    gap, cpu = gap_of(row), row.get("cpu_s")
    disturbed = "~" if row["others"] is not None and row["others"] > QUIET_CORES else ""
    by = " (search)" if row.get("bound_by") == "search" else ""
    return [
        who(row), amount(row["value"]), amount(row.get("bound")) + by,
        "-" if gap is None else f"{gap:.3%}",
        row.get("error") or str(row.get("claim", "-")), truth(row, best, proven),
        disturbed + number(row.get("wall_s"), ".2f"), number(row.get("built_s"), ".2f"),
        disturbed + number(cpu, ".2f"),
        number(matched_s(row, own), ".2f"),
        f"{row['peak_mib']:,.0f}",
        f"{row['process_wall_s']:.1f} / {row['process_cpu_s']:.1f}",
        number(row.get("load"), ".1f"), number(row.get("others"), ".1f"),
    ]  # fmt: skip


def short(row: Row) -> str:
    """Return one line for the terminal."""
    if row.get("error"):
        return f"{who(row):28} {row['error']}"
    gap = gap_of(row)
    return (
        f"{who(row):28} value {amount(row['value']):>14} bound {amount(row.get('bound')):>16} "
        f"gap {'-' if gap is None else format(gap, '.3%'):>8} {row.get('claim')!s:14} "
        f"wall {row['wall_s']:7.2f} CPU {row['cpu_s']:7.2f} peak {row['peak_mib']:6.0f} MiB "
        f"others {number(row.get('others'), '.1f')}"
    )


def table(rows: list[Row]) -> list[str]:
    """Return the Markdown table of one case."""
    best, proven = best_of(rows)
    main = middle(rows)
    own = next((r for r in main if r["peer"] == "groundplan"), None)
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    return lines + [f"| {' | '.join(cells(r, best, proven, own))} |" for r in main]


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    names = [x.partition(":")[2].strip() for x in text.splitlines() if x.startswith("model name")]
    return names[0] if names else platform.machine()


def write(path: Path, harness: Any) -> None:
    """Write all tables so far."""
    o, rows = harness.options, harness.rows
    loads = [r["load"] for r in rows if "load" in r]
    others = [r["others"] for r in rows if "others" in r]
    peers = ", ".join(f"{k} {v}" for k, v in harness.versions.items()) or "none at hand"
    lines = [
        (
            f"groundplan {version('groundplan')}, numpy {version('numpy')}, highspy "
            f"{version('highspy')}; Python {platform.python_version()}; {processor()}, "
            f"{os.cpu_count()} cores. Peers: {peers}. {o.threads} threads, wall limit "
            f"{o.limit_s:g} s, median of {o.repeat}, seed {o.seed}."
        ),
    ]
    if loads:
        lines.append(
            f"1-minute load {min(loads):.1f} to {max(loads):.1f} ({o.threads} of it our own); "
            f"other processes used {statistics.median(others):.1f} cores (median of the rows, at "
            f"most {max(others):.1f})."
        )
    for name, about in harness.heads.items():
        own = [r for r in rows if r["case"] == name]
        lines += ["", f"### {name}" if own or about else name]
        if own:
            lines += [f"{about}.", "", *table(own)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def curves(rows: list[Row]) -> dict[str, list[tuple[float, float]]]:
    """Return the gap over time of every entrant that told value and bound on the way."""
    out = {}
    for row in middle(rows):
        curve = [*row.get("curve", [])]
        if row["value"] is not None and row.get("bound") is not None:
            curve.append([row["wall_s"], row["value"], row["bound"]])
        steps = anytime.gap_steps(curve, row.get("wall_s", 0.0), maximize=row["maximize"])
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
