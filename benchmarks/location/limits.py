"""How long after its time limit each location function returns, by size.

The problems are those of ``tests/contract/test_location_limits.py``, so many times as large. Each
runs in a process of its own: a small problem first, then the problem twice, of which the second
counts, since what a first run compiles counts against its limit. The clock of the limit is that of
the process alone. Every answer is verified.

Run: ``python benchmarks/location/limits.py``, with ``--times 1 5`` for the sizes, ``--limit-s``,
and ``--case NAME`` for single functions.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path

import fresh
import numpy as np

from groundplan import location

HERE = Path(__file__).resolve().parent
CASES = HERE.parents[1] / "tests" / "contract" / "test_location_limits.py"
#: Sizes without a table of all pairs go up to the last one.
TIMES = (1, 5, 25)
#: Functions of a table of all pairs, whose memory grows with the square of the size.
TABLES = ("capacitated_facility", "capacitated_p_median", "p_dispersion")


def cases():
    """Return the module that holds the problems."""
    spec = importlib.util.spec_from_file_location("limits_cases", CASES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def size(problem) -> str:
    """Return rows and sites of a problem in words."""
    if isinstance(problem, location.Coverage):
        return f"{problem.row_of.size:,} x {problem.n_site:,}"
    if isinstance(problem, location.FlowPaths):
        return f"{problem.indptr.size - 1:,} x {problem.n_site:,}"
    return f"{problem.n_row:,} x {problem.n_site:,}"


def work(spec: dict) -> dict:
    """Solve one case under a limit of CPU time; return what it took."""
    time.monotonic = time.process_time
    held = cases()
    name, limit = spec["name"], spec["limit_s"]
    small, asked, _ = held.make(name, 130 if "capacitated" in name else 20)
    held.solve(name, small, {**asked, "gap": 0.05, "time_limit_s": 20.0})
    problem, asked, options = held.make(name, held.NAMES[name] * spec["times"])
    for _ in range(2):
        clock = fresh.Clock()
        found = held.solve(name, problem, {**asked, "gap": 0.0, "time_limit_s": limit})
        took = clock.cpu_s()
    peak = fresh.peak_mib()
    held.holds(problem, found, options, found[0].sense)
    gap = float(np.max([d.gap for d in found]))
    status = found[-1].log.get("ended", found[-1].status)
    return {"size": size(problem), "took": took, "gap": gap, "ended": status, "peak_mib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", default=[], help="a function's name")
    parser.add_argument("--times", type=int, nargs="+", default=list(TIMES))
    parser.add_argument("--limit-s", type=float, default=1.0)
    parser.add_argument("--tables-to", type=int, default=5, help="largest size of whole tables")
    parser.add_argument("--kill-cpu-s", type=float, default=300.0, help="end a process by then")
    a = parser.parse_args()
    print("| function | rows x sites | limit s | CPU s until return | gap | ended | MiB |")
    print("|---|---|---|---|---|---|---|")
    for name in a.case or cases().NAMES:
        for times in a.times:
            if times > a.tables_to and name.startswith(TABLES):
                continue
            spec = {"name": name, "times": times, "limit_s": a.limit_s}
            told = fresh.run(Path(__file__), spec, threads=1, kill_cpu_s=a.kill_cpu_s)
            if "error" in told:
                print(f"| `{name}` | {times} times | {a.limit_s:g} | {told['error']} | | | |")
                continue
            print(
                f"| `{name}` | {told['size']} | {a.limit_s:g} | {told['took']:.2f} | "
                f"{told['gap']:.1%} | {told['ended']} | {told['peak_mib']:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    if fresh.is_child():
        fresh.serve(work)
    else:
        main()
