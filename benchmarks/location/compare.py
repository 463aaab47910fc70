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

import anytime
import fresh
import known
import report
from contest import CORDEAU_SIZES, FAMILIES, REGIMES, SIZES, Contest, contests
from peers import PEERS, RELAXED

HERE = Path(__file__).resolve().parent
OURS = ("groundplan", "groundplan-plain")
DOCS = HERE.parents[1] / "docs" / "location"
#: Who is worth running on the files with known values unless others are named.
SPECIALISTS = {
    "sjc": ("highs-mip", "scip"),
    "cities": ("highs-mip", "scip"),
    "pmed": ("pbp-pmedian", "highs-mip"),
    "scp": ("pycft", "highs-mip"),
    "rail": ("pycft", "highs-mip"),
    "cap": ("highs-mip", "scip"),
    "cpmp": ("highs-mip", "scip"),
}
#: Wall seconds beyond the limit after which a peer is stopped from outside.
GRACE_S = 30.0
#: Share of the machine's memory a process may use.
MEMORY_SHARE = 0.6


def entrants(contest: Contest, asked: list[str] | None, *, full: bool) -> list[tuple[str, bool]]:
    """Return who runs on a case, as (name, with merged rows)."""
    large = {"highs-mip", "ortools-pdlp", *(["highs-pdlp"] if full else [])}
    out: list[tuple[str, bool]] = []
    for name in asked or [*OURS, *SPECIALISTS.get(contest.family, PEERS)]:
        if name in OURS:
            # known values: what is asked is the proof
            if asked or name == "groundplan" or contest.best_known is None:
                out.append((name, False))
            continue
        peer = PEERS[name]
        if contest.kind not in peer.kinds:
            continue
        is_large = contest.rows > 200_000 and contest.family != "cordeau"
        if not asked and (contest.rows > 2_000_000 or (is_large and name not in large)):
            continue
        streamed = contest.family == "cordeau"
        if not streamed and (asked or not is_large):
            out.append((name, False))
        if peer.merged and contest.kind != "assign" and contest.family not in {"scp", "rail"}:
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
        self.heads: dict[str, str] = {}
        self.log = options.out / "rows.jsonl"
        self.log.write_text("", encoding="utf-8")
        if options.peer_python:
            told = self.call("peers.py", {"ask": "versions"}, python=options.peer_python)
            if "versions" not in told:
                raise SystemExit(f"--peer-python {options.peer_python}: {told['error']}")
            self.versions = told["versions"]

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
        # ten times the limit where the sums alone take a good part of it
        limit = self.limit_s * (10 if contest.rows >= 10_000_000 else 1)
        ours = name in OURS
        reason = None if ours else self.missing(name)
        if reason:
            told = {"error": reason}
        elif ours:
            spec = {**contest.spec, "limit_s": limit}
            spec |= {"plain": name == "groundplan-plain", "effort": self.options.effort}
            if spec["family"] == "file":
                spec["case"] = str(contest.write(folder, merged=False))
            # an own search that overruns its limit shows in the table
            told = self.call("ours.py", spec, memory_mib=None, kill_s=3 * limit + 300)
        else:
            spec = {"peer": name, "limit_s": limit, "threads": self.options.threads}
            spec["case"] = str(contest.write(folder, merged=merged))
            told = self.call(
                "peers.py", spec, python=self.options.peer_python, kill_s=limit + GRACE_S
            )
        return self.judge(contest, name, told, merged=merged, limit_s=limit)

    def judge(self, contest: Contest, name: str, told: dict, *, merged: bool, limit_s: float):
        """Return the row: the value is recomputed here on the raw rows, never what was claimed."""
        row = {
            "case": contest.name, "family": contest.family, "kind": contest.kind, "peer": name,
            "merged": merged, "seed": self.options.seed, "limit_s": limit_s,
            "maximize": contest.maximize, "best_known": contest.best_known, "relaxed":
            name in RELAXED, **told,
        }  # fmt: skip
        sites = row.pop("sites", None)
        assignment = row.pop("assignment", None)
        row["chosen"], row["value"] = None, None
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
        names = entrants(contest, options.peers, full=options.full)
        takers = {k for k, peer in PEERS.items() if contest.kind in peer.kinds}
        left_out = sorted(takers - {name for name, _ in names})
        about = contest.tell()
        if left_out and not options.peers:
            about += f". Not run unless named by --peers: {', '.join(left_out)}"
        self.heads[contest.name] = about
        print(f"\n{contest.name}: {about}", flush=True)
        own: list[dict] = []
        with tempfile.TemporaryDirectory() as folder:
            for turn in range(self.repeat):
                for name, merged in names:
                    if turn and report.is_settled(own, name, merged=merged):
                        continue
                    row = {**self.run(contest, name, Path(folder), merged=merged), "repeat": turn}
                    own.append(row)
                    with self.log.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps(row, default=float) + "\n")
                    print(f"  {report.short(row)}", flush=True)
        self.rows += own
        lines = report.curves(own)
        if len(lines) > 0 and not options.no_figures:
            slug = f"anytime-{contest.name}".replace(" ", "-").replace("=", "")
            title = f"{contest.name}: {contest.tell()}".partition(";")[0].partition(", seed")[0]
            anytime.write_figure(options.out / f"{slug}.svg", title, lines)
        report.write(options.out / "table.md", self)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=FAMILIES)
    parser.add_argument("--sizes", nargs="+", choices=sorted({*SIZES, *CORDEAU_SIZES}))
    parser.add_argument("--only", nargs="+", help="cases whose names begin so")
    parser.add_argument("--peers", nargs="+", choices=[*OURS, *PEERS])
    parser.add_argument("--peer-python", help="interpreter that has requirements-peers.txt")
    parser.add_argument("--limit-s", type=float, help="wall limit of a run; 30, with --full 60")
    parser.add_argument("--repeat", type=int, help="runs of which the median counts; 1, full 3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--effort", type=int, default=1, help="of maximal_covering, 0..3")
    parser.add_argument("--data", type=Path, default=known.SHARED, help="known values")
    parser.add_argument("--out", type=Path, default=Path("location-benchmark"))
    parser.add_argument("--full", action="store_true", help="every family and size")
    parser.add_argument("--no-figures", action="store_true")
    parser.add_argument("--docs", action="store_true", help="put table and figures into the docs")
    o = parser.parse_args(arguments)
    o.limit_s = o.limit_s or (60.0 if o.full else 30.0)
    o.repeat = o.repeat or (3 if o.full else 1)
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
    harness = Harness(options)
    found = contests(
        options.families, options.sizes, options.cordeau_sizes, options.data, options.seed
    )
    for contest in found:
        if isinstance(contest, str):
            print(contest, flush=True)
            harness.heads[contest] = ""
            continue
        if options.only and not contest.name.startswith(tuple(options.only)):
            continue
        harness.compete(contest)
    report.write(options.out / "table.md", harness)
    if options.docs:
        report.into_docs(DOCS, options.out)
    print(f"\ntable: {options.out / 'table.md'}; every run: {harness.log}", flush=True)
    broken = [r for r in harness.rows if r["peer"] in OURS and r.get("error")]
    if broken:
        sys.exit(f"{len(broken)} runs of groundplan failed")


if __name__ == "__main__":
    main()
