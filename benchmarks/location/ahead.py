"""In one table: groundplan, the best peer, and in what any peer is ahead, on every case."""

from __future__ import annotations

from typing import Any

import report

Row = dict[str, Any]
COLUMNS = ("case", "groundplan", "best plan of a peer", "a peer is ahead in")
#: Seconds and share by which a proof or a plan must be sooner to count.
SOONER_S, SOONER = 0.05, 0.9
#: Relative distance by which a bound must be tighter to count.
TIGHTER = 1e-6


def is_proven(row: Row) -> bool:
    """Return whether a row holds plan and bound that meet."""
    gap = report.gap_of(row)
    return gap is not None and gap <= TIGHTER


def brief(row: Row) -> str:
    """Return value, gap and CPU of a row."""
    if row["value"] is None:
        return row.get("error") or "no plan"
    gap = report.gap_of(row)
    told = "no bound" if gap is None else f"gap {gap:.3%}"
    return f"{report.amount(row['value'])}, {told}, {row['cpu_s']:.2f} CPU s"


def is_false(row: Row, best: float | None) -> bool:
    return "bound false" in report.truth(row, best, None)


def is_sooner(first_s: float, then_s: float) -> bool:
    return then_s - first_s > SOONER_S and first_s < SOONER * then_s


def points(row: Row, own: Row, best: float | None) -> list[str]:
    """Return in what a row of a peer is ahead of ours."""
    sign, name = 1 if row["maximize"] else -1, report.who(row)
    if own["value"] is None:
        return [f"{name}: has a plan"] if row["value"] is not None else []
    found = []
    if row["value"] is not None:
        more = sign * (row["value"] - own["value"])
        if more > report.tolerance(row["kind"], own["value"]):
            found.append(f"plan better by {report.amount(more)} ({more / abs(own['value']):.3%})")
    bound = row.get("bound")
    tight = report.BOUND_TOLERANCE if row["relaxed"] else TIGHTER
    if bound is not None and not is_proven(own) and not is_false(row, best):
        closer = sign * (own["bound"] - bound) / max(abs(bound), abs(own["bound"]), 1e-9)
        if closer > tight:
            unsafe = ", a value of first order" if row["relaxed"] else ""
            found.append(f"bound tighter by {closer:.3%}{unsafe}")
    if is_proven(row) and is_proven(own):
        if is_sooner(row["cpu_s"], own["cpu_s"]):
            found.append(f"proof in {row['cpu_s']:.2f} for {own['cpu_s']:.2f} CPU s")
    elif row["value"] is not None and not found:
        # the peer ended before groundplan held as good a plan
        held, ended = report.matched_s(row, own), report.spent_s(row)
        if held is not None and is_sooner(ended, held):
            found.append(
                f"as good a plan as {report.amount(row['value'])} by {ended:.2f} for {held:.2f} s"
            )
    return [f"{name}: {'; '.join(found)}"] if found else []


def best_plan(rows: list[Row]) -> Row | None:
    """Return the row of the best plan; of equal ones the least CPU."""
    rows = [r for r in rows if r["value"] is not None]
    sign = -1 if rows and rows[0]["maximize"] else 1
    return min(rows, key=lambda r: (sign * r["value"], r["cpu_s"]), default=None)


def section(rows: list[Row]) -> list[str]:
    """Return the lines of the table, none where groundplan did not run."""
    lines = []
    for case in dict.fromkeys(r["case"] for r in rows):
        main = report.middle([r for r in rows if r["case"] == case])
        own = next((r for r in main if r["peer"] == "groundplan"), None)
        peers = [r for r in main if not r["peer"].startswith("groundplan")]
        if own is None:
            continue
        best, _proven = report.best_of(main)
        top = best_plan(peers)
        told = [word for row in peers for word in points(row, own, best)]
        of_peer = "none" if top is None else f"{report.who(top)}: {brief(top)}"
        cells = (case, brief(own), of_peer, "; ".join(told) or "nothing")
        lines.append(f"| {' | '.join(cells)} |")
    if not lines:
        return []
    head = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    return ["### In short", "", *head, *lines]
