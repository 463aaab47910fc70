"""The tables of compare.py: medians, what was claimed beside what is true, and the docs page."""

from __future__ import annotations

import statistics
from typing import Any

Row = dict[str, Any]
COLUMNS = (
    "who", "value", "bound", "bound by", "gap", "claims", "in truth", "wall s", "built s",
    "CPU s", "matched at s", "peak MiB", "process wall / CPU s", "others",
)  # fmt: skip
#: Relative distance within which a bound counts as that of a first-order solver.
BOUND_TOLERANCE = 1e-4
#: Cores that other processes may use before a row is marked as disturbed.
QUIET_CORES = 0.2


def tolerance(kind: str, value: float) -> float:
    """Return how far two values of a case may lie apart and be the same."""
    return 0.006 + 1e-9 * abs(value) if kind == "assign" else 1e-6


def who(row: Row) -> str:
    return f"{row['peer']} + merged rows" if row["merged"] else row["peer"]


def claims_optimal(row: Row) -> bool:
    return not row["relaxed"] and str(row.get("claim", "")).lower().startswith("optimal")


def spent_s(row: Row) -> float:
    """Return what counted towards the limit of a row, 0 where it gave nothing."""
    return row.get("cpu_s" if row["clock"] == "cpu" else "wall_s", 0.0)


def matched_s(row: Row, own: Row | None) -> float | None:
    """Return the second at which groundplan had what a row has: its value, or its bound."""
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
    return bool(row.get("error")) or spent_s(row) >= 0.95 * row["limit_s"]


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
            number(row.get("others"), ".1f"),
        ]
        peak = f"{row['peak_mib']:,.0f}" if ran else "-"
        return [who(row), *["-"] * 4, row["error"], *["-"] * 5, peak, *tail]
    gap, cpu = gap_of(row), row.get("cpu_s")
    disturbed = "~" if row["others"] is not None and row["others"] > QUIET_CORES else ""
    return [
        who(row), amount(row["value"]), amount(row.get("bound")), source(row),
        "-" if gap is None else f"{gap:.3%}",
        row.get("error") or str(row.get("claim", "-")), truth(row, best, proven),
        disturbed + number(row.get("wall_s"), ".2f"), number(row.get("built_s"), ".2f"),
        disturbed + number(cpu, ".2f"),
        number(matched_s(row, own), ".2f"),
        f"{row['peak_mib']:,.0f}",
        f"{row['process_wall_s']:.1f} / {row['process_cpu_s']:.1f}",
        number(row.get("others"), ".1f"),
    ]  # fmt: skip


def source(row: Row) -> str:
    """Return what stands behind a bound."""
    if row.get("bound") is None:
        return "-"
    by = row.get("bound_by", "its word")
    if by == "prices":
        return "certificate"
    proven = row.get("certificate_bound")
    if by != "search" or proven is None or proven == row["bound"]:
        return by
    return f"search; certificate {amount(proven)}"


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


def table(rows: list[Row], *, named: bool = False) -> list[str]:
    """Return the Markdown table of a case, or of several with their names in front."""
    columns = ("case", *COLUMNS) if named else COLUMNS
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for case in dict.fromkeys(r["case"] for r in rows):
        group = [r for r in rows if r["case"] == case]
        best, proven = best_of(group)
        main = middle(group)
        own = next((r for r in main if r["peer"] == "groundplan"), None)
        for row in main:
            told = cells(row, best, proven, own)
            lines.append(f"| {' | '.join([case, *told] if named else told)} |")
    return lines
