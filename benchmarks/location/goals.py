"""What the location engine is to reach, line by line, and what it reaches on this machine.

Run: ``python benchmarks/location/goals.py --peer-python PEERS/bin/python --out FOLDER``, PEERS an
environment with ``requirements-peers.txt``; about 40 minutes on two quiet cores, ``--only`` picks
lines by their key. Every case is solved, verified and judged on its raw rows as in ``compare.py``.
What the goals are for is told in docs/location/goals.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import fresh
import known
import numpy as np
import page
import programs
from contest import Cordeau, Province, contests

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "location" / "goals.md"
BEGIN, END = "<!-- goals: begin -->", "<!-- goals: end -->"
#: Seconds that pycft gets on each set covering file.
PYCFT_S = 5.0
#: A best known value that was published with a few decimals is met within this.
CLOSE = 1e-6


class Points:
    """The p-median of points in a square, each point a client and a site; no peer runs at it."""

    kind, best_known, maximize = "points", None, False

    def __init__(self, n: int, p: int) -> None:
        self.name, self.spec = f"{n:,} points, p {p:,}", {"family": "points", "n": n, "p": p}

    def value(self, _sites: list[int], _assignment: list[int]) -> None:
        """Return nothing: the check recomputes the value from the points."""


@dataclass(frozen=True)
class Goal:
    """One line: the cases, how each is asked, and when it is met.

    Attributes
    ----------
    key, title, goal : str
    cases : callable
        ``cases(data) -> contests``.
    asked : dict
        For ours.py: ``gap``, ``limit_s``, ``options``.
    met : callable
        ``met(rows) -> bool`` over the rows of all cases.
    """

    key: str
    title: str
    goal: str
    cases: Callable[[Path], Iterator]
    met: Callable[[list[dict]], bool]
    asked: dict = field(default_factory=dict)
    beside: str = ""


def one(contest_of: Callable[[], object]) -> Callable[[Path], Iterator]:
    return lambda _data: iter([contest_of()])


def files(*families: str) -> Callable[[Path], Iterator]:
    return lambda data: contests(list(families), [], [], data, 0)


def within(gap: float, wall_s: float, gib: float = np.inf, verify_s: float = np.inf):
    """Return a test of one case: gap, wall, memory, seconds of the check."""
    return lambda rows: all(
        r["gap"] <= gap and r["wall_s"] <= wall_s and r["peak_mib"] <= gib * 1024
        and r["verify_s"] <= verify_s
        for r in rows
    )  # fmt: skip


def proven(wall_s: float, gib: float = np.inf):
    return lambda rows: within(0.0, wall_s, gib)(rows) and all(is_proven(r) for r in rows)


def is_proven(row: dict) -> bool:
    return row["claim"] == "optimal"


def is_known(row: dict) -> bool:
    """Return whether the value is as good as the best known one."""
    best, sign = row["best_known"], 1 if row["maximize"] else -1
    return best is None or sign * (row["value"] - best) >= -max(CLOSE * abs(best), 0.006)


def cities(rows: list[dict]) -> bool:
    return all(is_known(r) and r["wall_s"] <= 60 for r in rows) and sum(map(is_proven, rows)) >= 10


def province(key: str, size: int, gap: float, wall_s: float, gib: float, regime: str = "tight"):
    n = {"1M": 10**6, "10M": 10**7, "18M": 18 * 10**6, "300k": 300_000}[key.rsplit(maxsplit=1)[-1]]
    memory = f", at most {gib:g} GiB" if np.isfinite(gib) else ""
    return Goal(
        f"{key} {gap:.2%}", f"{regime} province, {n:,} cells, p = {n // 100:,}",
        f"gap at most {gap:.2%} in {wall_s:g} s{memory}",
        one(lambda: Province(regime, key.rsplit(maxsplit=1)[-1], size, 0)),
        within(gap, wall_s, gib, 20.0 if size > 10**7 else np.inf), {"gap": gap},
    )  # fmt: skip


GOALS = (
    province("1M", 10**6, 0.0030, 10, np.inf),
    province("1M", 10**6, 0.0015, 300, np.inf),
    province("10M", 10**7, 0.0045, 60, 1.0),
    province("10M", 10**7, 0.0030, 600, np.inf),
    province("18M", 18 * 10**6, 0.0050, 120, 1.6),
    province("18M", 18 * 10**6, 0.0035, 300, np.inf),
    province("18M", 18 * 10**6, 0.0025, 600, np.inf),
    province("uniform 300k", 300_000, 0.0100, 300, np.inf, "uniform"),
    Goal("cordeau 20M", "law of Cordeau and others, 20 M x 100", "proven optimal in 6 s",
         one(lambda: Cordeau("20M", 2 * 10**7, 0)), proven(6), {"gap": 0.0}),
    Goal("cordeau 100M", "the same, 100 M streamed", "proven optimal in 30 s, under 1 GiB",
         one(lambda: Cordeau("100M", 10**8, 0)), proven(30, 1.0), {"gap": 0.0}),
    Goal("cities", "New York and Kings, p = 50 to 100",
         "every best known value in 60 s each, 10 of 12 proven", files("cities"), cities,
         {"gap": 0.0, "limit_s": 60.0}),
    Goal("sjc", "covering, Sao Jose dos Campos", "all proven optimal, 5 s each", files("sjc"),
         lambda rows: proven(5)(rows) and all(map(is_known, rows)), {"gap": 0.0}),
    Goal("pmed", "p-median, OR-Library graphs", "all proven optimal, 5 min together",
         files("pmed"), lambda rows: all(is_proven(r) and is_known(r) for r in rows)
         and sum(r["wall_s"] for r in rows) <= 300, {"gap": 0.0}),
    Goal("cap", "facilities, OR-Library", "proven optimal", files("cap"),
         lambda rows: all(is_proven(r) and is_known(r) for r in rows), {"gap": 0.0}),
    Goal("cpmp", "capacitated p-median", "within 0.5 % of the best known, bound stated",
         files("cpmp"), lambda rows: all(r["value"] <= 1.005 * r["best_known"] for r in rows)),
    Goal("scp", "set covering, OR-Library and rail", "never worse than pycft at equal time",
         files("scp", "rail"), lambda rows: all(r["value"] <= r["theirs"] for r in rows),
         {"gap": 0.0}, beside="pycft"),
    Goal("points", "p-median, points in a square", "gap at most 0.50 % in 10 min",
         one(lambda: Points(200_000, 2000)), within(0.005, 600), {"gap": 0.005}),
    Goal("spopt", "tight province of 10,000 cells", "80 times faster than spopt in the same run",
         one(lambda: Province("tight", "10k", 10**4, 0)),
         lambda rows: all(r["times"] >= 80 for r in rows), {"gap": 0.005}, beside="spopt"),
)  # fmt: skip


def ours(contest, goal: Goal, folder: Path, limit_s: float | None = None) -> dict:
    """Solve a case in a fresh process and judge it."""
    spec = {**contest.spec, "plain": False, "effort": 1, "limit_s": limit_s, **goal.asked}
    if spec["family"] == "file":
        spec["case"] = str(contest.write(folder, merged=False))
    told = fresh.run(HERE / "ours.py", spec, kill_s=3600.0)
    if "error" in told:
        raise SystemExit(f"{contest.name}: {told['error']}")
    found = contest.value(told["sites"], told["assignment"])
    value = told["verified_value"] if found is None else found
    top = told["bound"] if contest.maximize else value
    gap = abs(told["bound"] - value) / abs(top) if top else 0.0
    # drawing the province counts
    told["wall_s"] += told["made_s"]
    return {**told, "name": contest.name, "value": value, "gap": 0.0 if gap < 1e-12 else gap,
            "maximize": contest.maximize, "best_known": contest.best_known}  # fmt: skip


def peer(contest, name: str, folder: Path, python: str, limit_s: float) -> dict:
    """Run a peer on a case in a fresh process and judge it."""
    case = str(contest.write(folder, merged=False))
    spec = {"peer": name, "case": case, "limit_s": limit_s, "threads": 1}
    told = fresh.run(HERE / "peers.py", spec, python=python, kill_s=limit_s + 60)
    if "error" in told:
        raise SystemExit(f"{name} on {contest.name}: {told['error']}")
    return {**told, "value": programs.value_of(contest.raw(), told["sites"], None)}


def run(goal: Goal, data: Path, python: str) -> list[dict]:
    """Run all cases of a line, print a line for each."""
    rows = []
    for contest in goal.cases(data):
        if isinstance(contest, str):
            print(f"  {contest}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            theirs, limit_s = None, None
            if goal.beside:
                limit_s = PYCFT_S if goal.beside == "pycft" else 60.0
                theirs = peer(contest, goal.beside, Path(folder), python, limit_s)
                # as long as the peer took, building of its model left out
                limit_s = max(0.2, theirs["wall_s"] - theirs["built_s"])
            row = ours(contest, goal, Path(folder), limit_s if goal.beside == "pycft" else None)
        if theirs is not None:
            row |= {"theirs": theirs["value"], "times": theirs["wall_s"] / row["wall_s"],
                    "their_s": theirs["wall_s"]}  # fmt: skip
        rows.append(row)
        print(f"  {told(row)}", flush=True)
    return rows


def told(row: dict) -> str:
    """Return one line about a case."""
    away = "" if row["best_known"] is None else f", best known {row['best_known']:,.10g}"
    beside = f", peer {row['theirs']:,.10g} in {row['their_s']:.1f} s" if "theirs" in row else ""
    return (
        f"{row['name']:28} {row['value']:,.10g}{away}{beside}, bound {row['bound']:,.10g} "
        f"({row['bound_by']}), gap {row['gap']:.4%}, {row['claim']}; {row['wall_s']:.2f} s, "
        f"{row['cpu_s']:.2f} CPU s, {row['peak_mib']:.0f} MiB, verified in {row['verify_s']:.1f} s"
    )


def measured(goal: Goal, rows: list[dict]) -> str:
    """Return what stands in the table."""
    walls = [r["wall_s"] for r in rows]
    cpu = sum(r["cpu_s"] for r in rows)
    if len(rows) == 1:
        r = rows[0]
        shown = "proven optimal" if is_proven(r) else f"gap {r['gap']:.3%}"
        beside = f", {r['times']:.0f} times as fast" if goal.beside == "spopt" else ""
        return (
            f"{shown}{beside}; {r['wall_s']:.2f} s, {cpu:.2f} CPU s, "
            f"{r['peak_mib'] / 1024:.2f} GiB, verified in {r['verify_s']:.1f} s"
        )
    parts = [f"{sum(map(is_proven, rows))} of {len(rows)} proven"]
    if goal.beside:
        better = sum(r["value"] < r["theirs"] for r in rows)
        worse = sum(r["value"] > r["theirs"] for r in rows)
        parts.append(f"better than {goal.beside} in {better}, worse in {worse}")
    else:
        parts.append(f"best known value in {sum(map(is_known, rows))}")
        parts.append(f"largest gap {max(r['gap'] for r in rows):.3%}")
    return f"{'; '.join(parts)}; at most {max(walls):.1f} s, {cpu:.1f} CPU s together"


def command(key: str, title: str, goal: str, arguments: list[str], found: str) -> list[str]:
    """Run another program of this folder or the tests; return its line of the table."""
    print(f"{title}: {goal}", flush=True)
    out = subprocess.run([sys.executable, *arguments], cwd=HERE.parents[1], capture_output=True,
                         text=True, check=False)  # fmt: skip
    print(out.stdout, flush=True)
    match = re.search(found, out.stdout)
    del key
    return [title, goal, match[0] if match else "failed", "yes" if match else "no"]


COMMANDS = (
    ("processes", "two processes, 10 M cells", "certificate identical, at least 1.6 times",
     ["benchmarks/location/processes.py", "10000000", "--workers", "1", "2"],
     r"(1\.[6-9]|[2-9]\.)\d times as fast by the wall.*identical"),
    ("regression", "spopt's regression values, flow refuelling, tampering", "equal; all found",
     ["-m", "pytest", "-q", "-n", "0", "tests/truth/test_center.py",
      "tests/truth/test_location_median.py", "tests/truth/test_refuelling.py",
      "tests/property", "-k", "spopt or refuel or enumeration or tamper"],
     r"\d+ passed(?!.*(?:failed|error)).*"),
)  # fmt: skip


def machine(rows: list[dict]) -> str:
    """Return a line on the machine and on what else ran there."""
    others = [r["others"] for r in rows if r.get("others") is not None]
    busy = f"; other processes used {np.median(others):.1f} cores, at most {max(others):.1f}"
    cores = f"{page.processor()}, {len(os.sched_getaffinity(0))} cores"
    return f"groundplan {version('groundplan')}, {cores}{busy if others else ''}.\n\n"


def table(rows: list[list[str]]) -> str:
    head = ["case", "to reach", "measured", "reached"]
    lines = [head, ["---"] * 4, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", help="keys of lines, or how they begin")
    parser.add_argument("--peer-python", help="interpreter that has requirements-peers.txt")
    parser.add_argument("--data", type=Path, default=known.SHARED)
    parser.add_argument("--out", type=Path, default=Path("location-goals"))
    parser.add_argument("--docs", action="store_true", help="put the table into the docs")
    o = parser.parse_args()
    o.out.mkdir(parents=True, exist_ok=True)
    lines, log = [], []

    def is_asked(key: str) -> bool:
        return not o.only or any(key.startswith(word) for word in o.only)

    for goal in GOALS:
        if not is_asked(goal.key):
            continue
        if goal.beside and not o.peer_python:
            lines.append([goal.title, goal.goal, "not run: no --peer-python", "-"])
            continue
        print(f"{goal.key}: {goal.title}: {goal.goal}", flush=True)
        rows = run(goal, o.data, o.peer_python)
        if not rows:
            lines.append([goal.title, goal.goal, "not run: no files with known values", "-"])
            continue
        lines.append(
            [goal.title, goal.goal, measured(goal, rows), "yes" if goal.met(rows) else "**no**"]
        )
        log += [{"goal": goal.key, **{k: v for k, v in r.items() if k not in DROPPED}}
                for r in rows]  # fmt: skip
        (o.out / "rows.json").write_text(json.dumps(log, indent=1, default=float), "utf-8")
    lines += [command(*line) for line in COMMANDS if is_asked(line[0])]
    text = machine(log) + table(lines)
    print(text)
    (o.out / "table.md").write_text(text, "utf-8")
    if o.docs:
        page = PAGE.read_text("utf-8")
        head, rest = page.split(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n{text}{END}{rest.split(END)[1]}", "utf-8")


#: What a row of the record does without.
DROPPED = {"sites", "assignment", "curve"}

if __name__ == "__main__":
    main()
