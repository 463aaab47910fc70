"""p-median and uncapacitated facility location: value, bound, wall, CPU, memory; spopt beside it.

Run: ``python benchmarks/location/median.py pmed rl1304 cap points spopt``; every case runs in a
process of its own. Data files are looked for in ``shared/benchmarks/location`` beside the clone, or
in ``--data``. The peer runs where ``--spopt-python`` names an interpreter that has spopt and pulp.
The kernels are compiled on a tiny case before the clock starts.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "benchmarks" / "location"

SPOPT = """
import json, resource, sys, time
import numpy as np, pulp
from spopt.locate import PMedian
n, p = int(sys.argv[1]), int(sys.argv[2])
xy = np.random.default_rng(0).uniform(0, 1000, (n, 2))
d = np.sqrt(((xy[:, None] - xy[None]) ** 2).sum(axis=2))
wall, cpu = time.perf_counter(), time.process_time()
model = PMedian.from_cost_matrix(d, np.ones(n), p_facilities=p)
built = time.perf_counter() - wall
model = model.solve(pulp.HiGHS(msg=False))
print(json.dumps({"value": model.problem.objective.value(), "built": built,
    "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def read_pmed(path: Path):
    from groundplan.engine.location.assignment_cost import AssignmentCost

    numbers = np.array(path.read_text(encoding="ascii").split(), np.int64)
    n, edges, p = numbers[:3].tolist()
    edge = numbers[3 : 3 + 3 * edges].reshape(-1, 3)
    return AssignmentCost.from_graph(n, edge[:, 0] - 1, edge[:, 1] - 1, edge[:, 2]), p


def read_tsplib(path: Path):
    from groundplan.engine.location.assignment_cost import AssignmentCost

    lines = path.read_text(encoding="ascii").splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("NODE_COORD")) + 1
    body = [line.split()[1:3] for line in lines[first:] if len(line.split()) == 3]
    xy = np.array(body, np.float64)
    return AssignmentCost.from_points(xy, None, xy, truncated=True)


def read_cap(path: Path):
    from groundplan.engine.location.assignment_cost import AssignmentCost

    packed = path.suffix == ".gz"
    text = gzip.decompress(path.read_bytes()).decode() if packed else path.read_text("ascii")
    words = text.split()
    m, n = int(words[0]), int(words[1])
    opening = np.array(words[3 : 2 + 2 * m : 2], np.float64)
    rows = np.array(words[2 + 2 * m :], np.float64).reshape(n, m + 1)
    return AssignmentCost.from_matrix(rows[:, 1:]), opening


def uniform(n: int):
    from groundplan.engine.location.assignment_cost import AssignmentCost

    xy = np.random.default_rng(0).uniform(0, 1000, (n, 2))
    return AssignmentCost.from_points(xy, None, xy)


def solve(name: str, data: Path) -> dict[str, object]:
    """Solve and verify one case in this process."""
    from groundplan.engine.location.check_median import verify_median
    from groundplan.engine.location.median import p_median, uncapacitated_facility

    small = uniform(60)
    p_median(small, 3)
    kind, *rest = name.split(":")
    if kind == "pmed":
        costs, p = read_pmed(data / "orlib_pmed" / f"pmed{rest[0]}.txt")
    elif kind == "tsplib":
        costs, p = read_tsplib(data / "tsplib_pmedian" / f"{rest[0]}.tsp"), int(rest[1])
    elif kind == "cap":
        path = data / "orlib_cap" / f"{rest[0]}.txt"
        costs, opening = read_cap(path if path.exists() else path.with_suffix(".txt.gz"))
    else:
        costs, p = uniform(int(rest[0])), int(rest[1])
    wall, cpu = time.perf_counter(), time.process_time()
    options = {}
    if kind == "cap":
        d = uncapacitated_facility(costs, opening)
        options = {"opening_cost": opening}
    else:
        d = p_median(costs, p)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    began = time.process_time()
    verify_median(costs, d, **options)
    return {
        "size": f"{costs.n_row}x{costs.n_site}", "value": d.value, "bound": d.bound,
        "gap": d.gap, "status": d.status, "wall": wall, "cpu": cpu,
        "check": time.process_time() - began, "leaves": d.log["tree_leaves"],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }  # fmt: skip


def known_values(data: Path) -> dict[str, str]:
    known = {}
    with (data / "known_optima.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            p = re.match(r"p=(\d+)", row["parameters"])
            if row["problem"] == "p-median":
                name = row["instance"]
                key = f"tsplib:{name}:{p[1]}" if p else f"pmed:{name.removeprefix('pmed')}"
                known[key] = row["value"]
            elif row["problem"] == "UFLP":
                known[f"cap:{row['instance']}"] = row["value"]
    return known


def cases_of(group: str, data: Path, points: list[str]) -> list[str]:
    if group == "pmed":
        found = (data / "orlib_pmed").glob("pmed*.txt")
        return [f"pmed:{k}" for k in sorted(int(p.stem[4:]) for p in found)]
    if group == "cap":
        return [f"cap:{p.name.split('.')[0]}" for p in sorted((data / "orlib_cap").glob("cap*"))]
    if group == "points":
        return [f"points:{size}" for size in points]
    return [f"tsplib:{group}:{p}" for p in (5, 10, 20, 50, 100, 200, 300, 400, 500)]


def show(name: str, known: str, r: dict[str, object]) -> None:
    print(
        f"{name:18} {r['size']:>15} {r['value']:>18.10g} {known:>14} {r['bound']:>18.10g} "
        f"{r['gap']:9.4%} {r['status']:>8} {r['wall']:8.2f} {r['cpu']:8.2f} {r['check']:7.2f} "
        f"{r['leaves']:7} {r['peak']:7.0f}",
        flush=True,
    )


def beside_spopt(python: str, sizes: list[str], data: Path) -> None:
    for size in sizes:
        n, p = size.split(":")
        ran = subprocess.run(
            [python, "-c", SPOPT, n, p], capture_output=True, text=True, check=True
        )
        peer = json.loads(ran.stdout.splitlines()[-1])
        own = child(f"points:{size}", data)
        print(
            f"spopt {n} points p {p}: {peer['value']:.6f} in {peer['wall']:.1f} s wall "
            f"({peer['built']:.1f} s building), {peer['cpu']:.1f} CPU s, {peer['peak']:.0f} MiB; "
            f"here {own['value']:.6f} ({own['status']}) in {own['wall']:.2f} s, "
            f"{own['cpu']:.2f} CPU s: {peer['cpu'] / own['cpu']:.0f} times the CPU",
            flush=True,
        )


def child(name: str, data: Path) -> dict[str, object]:
    ran = subprocess.run(
        [sys.executable, __file__, "--data", str(data), "--case", name],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(ran.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", default=["pmed", "rl1304", "cap", "points", "spopt"])
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--points", nargs="*", default=["20000:200", "200000:2000"])
    parser.add_argument("--spopt-sizes", nargs="*", default=["300:3"])
    parser.add_argument("--spopt-python")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.case:
        print(json.dumps(solve(a.case, a.data)))
        return
    known = known_values(a.data) if (a.data / "known_optima.csv").exists() else {}
    print(
        f"{'case':18} {'rows x sites':>15} {'value':>18} {'known':>14} {'bound':>18} {'gap':>9} "
        f"{'status':>8} {'wall s':>8} {'CPU s':>8} {'check':>7} {'leaves':>7} {'MiB':>7}"
    )
    for group in a.groups:
        if group == "spopt":
            if a.spopt_python:
                beside_spopt(a.spopt_python, a.spopt_sizes, a.data)
            else:
                print("spopt: not run, --spopt-python names no interpreter that has it")
            continue
        total = 0.0
        for name in cases_of(group, a.data, a.points):
            result = child(name, a.data)
            total += float(result["cpu"])
            show(name, known.get(name, "-"), result)
        print(f"{group}: {total:.1f} CPU s in all")


if __name__ == "__main__":
    main()
