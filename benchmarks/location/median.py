"""p-median and uncapacitated facility location: value, bound, wall, CPU, memory; spopt beside it.

Run: ``python benchmarks/location/median.py pmed rl1304 cap points spopt``; every case runs in a
process of its own. Data files are looked for in ``shared/benchmarks/location`` beside the clone, or
in ``--data``. The peer runs where ``--spopt-python`` names an interpreter that has spopt and pulp.
The kernels are compiled on a tiny case before the clock starts.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import fresh
import known
import numpy as np
import programs

from groundplan import location

HERE = Path(__file__).resolve().parent


def uniform(n: int):
    xy = np.random.default_rng(0).uniform(0, 1000, (n, 2))
    return location.AssignmentCost.from_points(xy, None, xy)


def solve(spec: dict) -> dict:
    """Solve and verify one case in this process."""
    name, data = spec["case"], Path(spec["data"])
    location.p_median(uniform(60), 3)  # keeps compilation out
    kind, *rest = name.split(":")
    if kind == "pmed":
        n, p, *edges = known.read_pmed(data / "orlib_pmed" / f"pmed{rest[0]}.txt")
        costs = location.AssignmentCost.from_graph(n, *edges)
    elif kind == "tsplib":
        xy = known.read_tsplib(data / "tsplib_pmedian" / f"{rest[0]}.tsp")
        costs, p = location.AssignmentCost.from_points(xy, None, xy, truncated=True), int(rest[1])
    elif kind == "cap":
        cost, _demand, _room, opening = known.read_cap(data / "orlib_cap", rest[0])
        costs = location.AssignmentCost.from_matrix(cost)
    else:
        costs, p = uniform(int(rest[0])), int(rest[1])
    clock, options = fresh.Clock(), {}
    if kind == "cap":
        d = location.uncapacitated_facility(costs, opening)
        options = {"opening_cost": opening}
    else:
        d = location.p_median(costs, p)
    wall, cpu, peak = clock.wall_s(), clock.cpu_s(), fresh.peak_mib()
    check = fresh.Clock()
    location.verify(costs, d, **options)
    return {
        "size": f"{costs.n_row}x{costs.n_site}", "value": d.value, "bound": d.bound,
        "gap": d.gap, "status": d.status, "wall": wall, "cpu": cpu,
        "check": check.cpu_s(), "leaves": d.log["tree_leaves"], "peak_mib": peak,
    }  # fmt: skip


def known_values(data: Path) -> dict[str, str]:
    values = {}
    for row in known.known_rows(data):
        p = re.match(r"p=(\d+)", row["parameters"])
        if row["problem"] == "p-median":
            name = row["instance"]
            key = f"tsplib:{name}:{p[1]}" if p else f"pmed:{name.removeprefix('pmed')}"
            values[key] = row["value"]
        elif row["problem"] == "UFLP":
            values[f"cap:{row['instance']}"] = row["value"]
    return values


def cases_of(group: str, data: Path, points: list[str]) -> list[str]:
    if group == "pmed":
        found = (data / "orlib_pmed").glob("pmed*.txt")
        return [f"pmed:{k}" for k in sorted(int(p.stem[4:]) for p in found)]
    if group == "cap":
        return [f"cap:{p.name.split('.')[0]}" for p in sorted((data / "orlib_cap").glob("cap*"))]
    if group == "points":
        return [f"points:{size}" for size in points]
    return [f"tsplib:{group}:{p}" for p in (5, 10, 20, 50, 100, 200, 300, 400, 500)]


def show(name: str, best: str, r: dict[str, object]) -> None:
    print(
        f"{name:18} {r['size']:>15} {r['value']:>18.10g} {best:>14} {r['bound']:>18.10g} "
        f"{r['gap']:9.4%} {r['status']:>8} {r['wall']:8.2f} {r['cpu']:8.2f} {r['check']:7.2f} "
        f"{r['leaves']:7} {r['peak_mib']:7.0f}",
        flush=True,
    )


def beside_spopt(python: str, sizes: list[str], data: Path, folder: Path) -> None:
    """Run spopt on the same points through peers.py, as compare.py does."""
    for size in sizes:
        n, p = map(int, size.split(":"))
        xy = np.random.default_rng(0).uniform(0, 1000, (n, 2))
        case = known.assigned(known.distances(xy, xy), p=p)
        programs.save(folder / "case.npz", case)
        spec = {"peer": "spopt", "case": str(folder / "case.npz"), "limit_s": 600.0, "threads": 2}
        peer = fresh.run(HERE / "peers.py", spec, python=python, kill_s=900.0)
        if "error" in peer:
            print(f"spopt {n} points p {p}: {peer['error']}", flush=True)
            continue
        own = child(f"points:{size}", data)
        print(
            f"spopt {n} points p {p}: {programs.value_of(case, peer['sites']):.6f} in "
            f"{peer['wall_s']:.1f} s wall ({peer['built_s']:.1f} s building), "
            f"{peer['cpu_s']:.1f} CPU s, {peer['peak_mib']:.0f} MiB; "
            f"here {own['value']:.6f} ({own['status']}) in {own['wall']:.2f} s, "
            f"{own['cpu']:.2f} CPU s: {peer['cpu_s'] / own['cpu']:.0f} times the CPU",
            flush=True,
        )


def child(name: str, data: Path) -> dict:
    """Solve a case in a fresh process."""
    told = fresh.run(__file__, {"case": name, "data": str(data)})
    if "error" in told:
        raise SystemExit(f"{name}: {told['error']}")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", default=["pmed", "rl1304", "cap", "points", "spopt"])
    parser.add_argument("--data", type=Path, default=known.SHARED)
    parser.add_argument("--points", nargs="*", default=["20000:200", "200000:2000"])
    parser.add_argument("--spopt-sizes", nargs="*", default=["300:3"])
    parser.add_argument("--spopt-python")
    a = parser.parse_args()
    values = known_values(a.data)
    print(
        f"{'case':18} {'rows x sites':>15} {'value':>18} {'known':>14} {'bound':>18} {'gap':>9} "
        f"{'status':>8} {'wall s':>8} {'CPU s':>8} {'check':>7} {'leaves':>7} {'MiB':>7}"
    )
    for group in a.groups:
        if group == "spopt":
            if a.spopt_python:
                with tempfile.TemporaryDirectory() as folder:
                    beside_spopt(a.spopt_python, a.spopt_sizes, a.data, Path(folder))
            else:
                print("spopt: not run, --spopt-python names no interpreter that has it")
            continue
        total = 0.0
        for name in cases_of(group, a.data, a.points):
            result = child(name, a.data)
            total += float(result["cpu"])
            show(name, values.get(name, "-"), result)
        print(f"{group}: {total:.1f} CPU s in all")


if __name__ == "__main__":
    if fresh.is_child():
        fresh.serve(solve)
    else:
        main()
