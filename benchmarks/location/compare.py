"""One command beside the peers: groundplan and others on the same cases, each in a fresh process.

Run: ``python benchmarks/location/compare.py --peer-python PEERS/bin/python --out FOLDER``, PEERS an
environment with ``requirements-peers.txt``. Without more it runs the tight province of 1,000 to
1,000,000 cells in about ten minutes on two quiet cores; ``--full`` runs every family and size.
docs/location/benchmarks.md says what each column means.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import fresh
import known
import page
import report
from contest import CORDEAU_SIZES, FAMILIES, REGIMES, SIZES, Contest, contests
from peers import PEERS, RELAXED

HERE = Path(__file__).resolve().parent
OURS = ("groundplan", "groundplan-plain")
DOCS = HERE.parents[1] / "docs" / "location"
#: Who is worth running on the files with known values unless others are named.
EXACT = ("highs-mip", "cp-sat", "scip")
SPECIALISTS = {
    "sjc": ("spopt", *EXACT),
    "cities": ("spopt", *EXACT),
    "pmed": ("pbp-pmedian", "spopt", *EXACT),
    "scp": ("pycft", *EXACT),
    "rail": ("pycft", *EXACT),
    "cap": EXACT,
    "cpmp": EXACT,
}
#: Pairs of row and site beyond which spopt, whose model is dense, runs only if named.
SPOPT_PAIRS = 5 * 10**6
#: Sites of a province beyond which CP-SAT finds no plan in time with all rows in its relaxation.
RELAXED_SITES = 1_000
#: Seconds beyond the limit after which a peer is stopped from outside.
GRACE_S = 60.0
#: Wall seconds for each CPU second after which a process limited by CPU is stopped all the same.
PATIENCE = 20.0
#: Share of the machine's memory a process may use.
MEMORY_SHARE = 0.6


def entrants(
    contest: Contest, asked: list[str] | None, *, full: bool, merged_only: bool = False
) -> list[tuple[str, bool]]:
    """Return who runs on a case, as (name, with merged rows)."""
    large = {"highs-mip", "ortools-pdlp", *(["highs-pdlp"] if full else [])}
    out: list[tuple[str, bool]] = []
    known_set = contest.best_known is not None
    others = PEERS if full else SPECIALISTS.get(contest.family, PEERS)
    for name in asked or [*OURS, *others]:
        if name in OURS:
            # known values: what is asked is the proof
            if asked or name == "groundplan" or not known_set:
                out.append((name, False))
            continue
        peer = PEERS[name]
        if contest.kind not in peer.kinds:
            continue
        is_large = contest.rows > 200_000 and contest.family != "cordeau"
        if not asked and (contest.rows > 2_000_000 or (is_large and name not in large)):
            continue
        if not asked and name == "spopt" and contest.rows * contest.n_site > SPOPT_PAIRS:
            continue
        merges = peer.merged and contest.kind != "assign" and contest.family not in {"scp", "rail"}
        merges = merges and bool(asked or full or merged_only or not known_set)
        only = contest.family == "cordeau" or (merged_only and merges)
        if not only and (asked or not is_large):
            out.append((name, False))
        if merges:
            out.append((name, True))
    return out


class Harness:
    """Runs cases with the options of the command and keeps the rows."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.limit_s, self.repeat = options.limit_s, options.repeat
        self.memory_mib = MEMORY_SHARE * fresh.memory_mib()
        self.versions: dict[str, str] = {}
        self.rows: list[dict] = []
        self.log = options.out / "rows.jsonl"
        self.kept: list[dict] = []
        if options.resume and self.log.exists():
            self.kept = page.read([options.out])[1]
        else:
            self.log.write_text("", encoding="utf-8")
        if options.peer_python:
            told = self.call("peers.py", {"ask": "versions"}, python=options.peer_python)
            if "versions" not in told:
                raise SystemExit(f"--peer-python {options.peer_python}: {told['error']}")
            self.versions = told["versions"]
        page.write_head(options.out, self.versions)

    def past(self, contest: Contest, name: str, turn: int, *, merged: bool) -> dict | None:
        """Return the row of an earlier sitting (``--resume``) that was asked the same."""
        o = self.options
        asked = {"case": contest.name, "peer": name, "merged": merged, "repeat": turn,
                 "seed": o.seed, "threads": o.threads, "clock": o.clock,
                 "limit_s": self.limit_of(contest), "about": contest.tell()}  # fmt: skip
        return next((r for r in self.kept if asked.items() <= r.items()), None)

    def limit_of(self, contest: Contest) -> float:
        # ten times the limit where the sums alone take a good part of it
        return self.limit_s * (10 if contest.rows >= 10_000_000 else 1)

    def call(self, script: str, spec: dict, **more) -> dict:
        return fresh.run(
            HERE / script, spec, threads=self.options.threads,
            **{"memory_mib": self.memory_mib, **more},
        )  # fmt: skip

    def missing(self, name: str) -> str | None:
        """Return why a peer cannot run, or None."""
        if not self.options.peer_python:
            return "not run: no --peer-python"
        if PEERS[name].package not in self.versions:
            return f"not run: {PEERS[name].package} is not installed (requirements-peers.txt)"
        return None

    def run(self, contest: Contest, name: str, folder: Path, *, merged: bool) -> dict:
        """Run one entrant once; return its row."""
        limit, o = self.limit_of(contest), self.options
        by_cpu = o.clock == "cpu"
        ours = name in OURS
        reason = None if ours else self.missing(name)
        if reason:
            told = {"error": reason}
        elif ours:
            spec = {**contest.spec, "limit_s": limit, "clock": o.clock}
            spec |= {"plain": name == "groundplan-plain", "effort": o.effort}
            if spec["family"] == "file":
                spec["case"] = str(contest.write(folder, merged=False))
            # an own search that overruns its limit shows in the table
            most = 3 * limit + 300
            told = self.call(
                "ours.py", spec, memory_mib=None, kill_s=most * (PATIENCE if by_cpu else 1)
            )
        else:
            spec = {"peer": name, "limit_s": limit, "threads": o.threads, "clock": o.clock}
            spec["case"] = str(contest.write(folder, merged=merged))
            # in CP-SAT's favour: few workers hold no search with all rows in the relaxation
            is_wide = contest.best_known is None and contest.n_site > RELAXED_SITES
            spec["linearization"] = 1 if is_wide else 2
            most = limit + GRACE_S
            kill = {"kill_cpu_s": most, "kill_s": most * PATIENCE} if by_cpu else {"kill_s": most}
            told = self.call("peers.py", spec, python=o.peer_python, **kill)
        return self.judge(contest, name, told, merged=merged, limit_s=limit)

    def judge(self, contest: Contest, name: str, told: dict, *, merged: bool, limit_s: float):
        """Return the row: the value is recomputed here on the raw rows, never what was claimed."""
        row = {
            "case": contest.name, "family": contest.family, "kind": contest.kind, "peer": name,
            "merged": merged, "seed": self.options.seed, "limit_s": limit_s,
            "threads": self.options.threads, "clock": self.options.clock, "about": contest.tell(),
            "maximize": contest.maximize, "best_known": contest.best_known, "relaxed":
            name in RELAXED, **told,
        }  # fmt: skip
        sites = row.pop("sites", None)
        assignment = row.pop("assignment", None)
        row["chosen"], row["value"] = None, None
        row.setdefault("bound_by", "its word" if row.get("bound") is not None else None)
        if sites:
            row["chosen"] = len(sites)
            try:
                row["value"] = contest.value(sites, assignment)
            except ValueError as error:
                row["error"] = f"plan breaks the case: {error}"
        if row["value"] is not None and "verified_value" in row:
            apart = abs(row["value"] - row["verified_value"])
            if apart > report.tolerance(row["kind"], row["value"]):
                row["error"] = "location.verify and the raw rows disagree"
        return row

    def compete(self, contest: Contest) -> None:
        """Run all entrants on a case, interleaved, and print its table."""
        options = self.options
        names = entrants(contest, options.peers, full=options.full, merged_only=options.merged_only)
        print(f"\n{contest.name}: {contest.tell()}", flush=True)
        own: list[dict] = []
        with tempfile.TemporaryDirectory() as folder:
            for turn in range(self.repeat):
                for name, merged in names:
                    if turn and report.is_settled(own, name, merged=merged):
                        continue
                    row = self.past(contest, name, turn, merged=merged)
                    if row is None:
                        row = self.run(contest, name, Path(folder), merged=merged)
                        row["repeat"] = turn
                        with self.log.open("a", encoding="utf-8") as stream:
                            stream.write(json.dumps(row, default=float) + "\n")
                    own.append(row)
                    print(f"  {report.short(row)}", flush=True)
        self.rows += own


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=FAMILIES)
    parser.add_argument("--sizes", nargs="+", choices=sorted({*SIZES, *CORDEAU_SIZES}))
    parser.add_argument("--only", nargs="+", help="cases whose names begin so")
    parser.add_argument("--peers", nargs="+", choices=[*OURS, *PEERS])
    parser.add_argument("--peer-python", help="interpreter that has requirements-peers.txt")
    parser.add_argument("--limit-s", type=float, help="limit of a run; 30, with --full 60")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="of the limit")
    parser.add_argument("--repeat", type=int, help="runs of which the median counts; 1, full 3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effort", type=int, default=1, help="of maximal_covering, 0..3")
    parser.add_argument("--data", type=Path, default=known.SHARED, help="known values")
    parser.add_argument("--out", type=Path, default=Path("location-benchmark"))
    parser.add_argument(
        "--per-set", type=int, help="files of a set: ends, middle, ...; 3, full: all"
    )
    parser.add_argument("--full", action="store_true", help="every family, size, file and peer")
    parser.add_argument("--merged-only", action="store_true", help="peers get merged rows only")
    parser.add_argument("--no-figures", action="store_true")
    parser.add_argument("--resume", action="store_true", help="keep the runs in --out, do the rest")
    parser.add_argument(
        "--tell", nargs="+", type=Path, metavar="OUT",
        help="run nothing: table and figures of the runs kept in these folders",
    )  # fmt: skip
    parser.add_argument("--docs", action="store_true", help="put table and figures into the docs")
    o = parser.parse_args(arguments)
    o.limit_s = o.limit_s or (60.0 if o.full else 30.0)
    o.repeat = o.repeat or (3 if o.full else 1)
    o.per_set = o.per_set or (None if o.full else 3)
    quick = [s for s in SIZES if SIZES[s] <= 10**6]
    given = o.sizes or (list(SIZES) if o.full else quick)
    o.cordeau_sizes = [s for s in o.sizes or CORDEAU_SIZES if s in CORDEAU_SIZES]
    if not o.sizes and not o.full:
        o.cordeau_sizes = ["1M"]
    o.sizes = [s for s in given if s in SIZES]
    o.families = o.families or (list(FAMILIES) if o.full else [REGIMES[0]])
    return o


def main() -> None:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict] = []
    if not options.tell:
        harness = Harness(options)
        rows = harness.rows
        o = options
        found = contests(o.families, o.sizes, o.cordeau_sizes, o.data, o.seed, o.per_set)
        for contest in found:
            if isinstance(contest, str):
                print(contest, flush=True)
                page.note(o.out, contest)
            elif not o.only or contest.name.startswith(tuple(o.only)):
                harness.compete(contest)
                page.write([o.out], o.out, figures=not o.no_figures)
    page.write(options.tell or [options.out], options.out, figures=not options.no_figures)
    if options.docs:
        page.into_docs(DOCS, options.out)
    print(f"\ntable: {options.out / 'table.md'}; every run: rows.jsonl beside it", flush=True)
    broken = [r for r in rows if r["peer"] in OURS and r.get("error")]
    if broken:
        sys.exit(f"{len(broken)} runs of groundplan failed")


if __name__ == "__main__":
    main()
