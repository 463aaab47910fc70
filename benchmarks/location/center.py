"""p-centre and p-dispersion on seeded points and graphs; spopt on the same points where installed.

Run: ``python benchmarks/location/center.py``, with ``--peer PYTHON`` naming an interpreter that has
spopt (a fresh process each, ``--peer-limit-s`` long). spopt's time holds model building and HiGHS.

``--case uniform:10000:10000:10`` (any number of them) solves p-centre cases of one's own:
family:clients:sites:p, the families ``uniform``, ``clustered`` (30 normal clusters) and ``graph``
(five nearest neighbours, shortest paths); ``--cpu-limit-s`` ends each after so many CPU seconds.
``--pmed FOLDER`` runs the OR-Library graphs in a folder, ``--tsp FILE:p`` a TSPLIB set of points.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import fresh
import known
import numpy as np
import programs
from scipy.spatial import cKDTree

from groundplan import location

HERE = Path(__file__).resolve().parent


def points(n: int, m: int):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 1000, (n, 2)), rng.uniform(0, 1000, (m, 2))


def case(family: str, n: int, m: int):
    """Return the distances of a seeded case; sites are the clients where there are as many."""
    rng = np.random.default_rng(0)
    if family == "graph":
        xy = rng.uniform(0, 1000, (n, 2))
        _, near = cKDTree(xy).query(xy, 6)
        across = np.argsort(xy[:, 0])
        tail = np.concatenate([np.repeat(np.arange(n), 5), across[:-1]])
        head = np.concatenate([near[:, 1:].ravel(), across[1:]])
        length = np.ceil(10 * np.hypot(*(xy[tail] - xy[head]).T)).astype(np.int64)
        sites = None if m == n else np.sort(rng.choice(n, m, replace=False))
        return location.AssignmentCost.from_graph(n, tail, head, length, sites=sites)
    if family == "uniform":
        rows = rng.uniform(0, 1000, (n, 2))
        sites = rows if m == n else rng.uniform(0, 1000, (m, 2))
    else:
        middle, spread = rng.uniform(0, 1000, (30, 2)), rng.uniform(5, 60, 30)

        def draw(k: int):
            at = rng.integers(0, 30, k)
            return middle[at] + rng.normal(0, 1, (k, 2)) * spread[at, None]

        rows = draw(n)
        sites = rows if m == n else draw(m)
    return location.AssignmentCost.from_points(rows, None, sites)


def graph_of(path: Path):
    """Return the distances of an OR-Library graph and its p."""
    words = np.array(path.read_text(encoding="utf-8").split(), np.int64)
    n, edges, p = (int(v) for v in words[:3])
    tail, head, length = words[3 : 3 + 3 * edges].reshape(-1, 3).T
    return location.AssignmentCost.from_graph(n, tail - 1, head - 1, length), p


def points_of(path: Path):
    """Return the distances between the points of a TSPLIB file, not rounded."""
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    xy = np.array([f[1:] for f in lines if len(f) == 3 and f[0].isdigit()], float)
    return location.AssignmentCost.from_points(xy, None, xy)


def solve_center(name: str, cost, p: int, cpu_limit_s: float) -> float:
    """Solve, verify and print one p-centre case; returns its CPU seconds."""
    clock = fresh.Clock()
    d = location.p_center(cost, p, stop=lambda: clock.cpu_s() > cpu_limit_s)
    cpu, peak = clock.cpu_s(), fresh.peak_mib()
    clock = fresh.Clock()
    location.verify(cost, d)
    print(
        f"{name:26s} p {p:3d} value {d.value:10.4f} bound {d.bound:10.4f} gap {d.gap:7.3%} "
        f"{d.status:8s} rows {d.log['rows']:5d} leaves {d.log['leaves']:5d} CPU {cpu:6.1f} "
        f"verify {clock.cpu_s():5.1f} peak {peak:5.0f} MiB",
        flush=True,
    )
    return cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="interpreter that has spopt")
    parser.add_argument("--peer-limit-s", type=int, default=60)
    parser.add_argument("--time-limit-s", type=float, default=60.0)
    parser.add_argument(
        "--large", action="store_true", help="also 10,000 x 324 and 10,000 x 10,000"
    )
    parser.add_argument("--case", action="append", default=[], help="family:clients:sites:p")
    parser.add_argument("--pmed", type=Path, help="folder of OR-Library graphs")
    parser.add_argument("--tsp", action="append", default=[], help="file:p")
    parser.add_argument("--cpu-limit-s", type=float, default=60.0)
    a = parser.parse_args()
    rows, sites = points(40, 40)
    small = location.AssignmentCost.from_points(rows, None, sites)
    location.p_center(small, 3, moves=100)  # keeps compilation out
    location.p_dispersion(location.AssignmentCost.from_points(sites, None, sites), 3)
    for spec in a.case:
        family, *size = spec.split(":")
        n, m, p = (int(v) for v in size)
        solve_center(f"{family} {n} x {m}", case(family, n, m), p, a.cpu_limit_s)
    if a.pmed:
        graphs = sorted(a.pmed.glob("pmed*.txt"), key=lambda path: int(path.stem[4:]))
        spent = sum(solve_center(g.stem, *graph_of(g), a.cpu_limit_s) for g in graphs)
        print(f"{len(graphs)} graphs, {spent:.1f} CPU s together")
    for spec in a.tsp:
        path, p = spec.rsplit(":", 1)
        solve_center(Path(path).stem, points_of(Path(path)), int(p), a.cpu_limit_s)
    if a.case or a.pmed or a.tsp:
        return
    cases = [("center", 200, 50, 5), ("center", 500, 100, 10), ("center", 1000, 324, 20)]
    cases += [("dispersion", 50, 50, 5), ("dispersion", 200, 200, 6), ("dispersion", 500, 500, 8)]
    if a.large:
        cases += [("center", 10_000, 324, 20), ("center", 10_000, 10_000, 50)]
    for kind, n, m, p in cases:
        rows, sites = points(n, m)
        rows = sites if kind == "dispersion" else rows
        cost = location.AssignmentCost.from_points(rows, None, sites)
        solve = location.p_center if kind == "center" else location.p_dispersion
        clock = fresh.Clock()
        d = solve(cost, p, time_limit_s=a.time_limit_s)
        wall, cpu, peak = clock.wall_s(), clock.cpu_s(), fresh.peak_mib()
        location.verify(cost, d)
        print(
            f"{kind:10s} {n:6d} x {m:5d} p {p:3d} value {d.value:9.4f} bound {d.bound:9.4f} gap "
            f"{d.gap:7.3%} {d.status:8s} by {d.bound_by:6s} wall {wall:6.1f} CPU {cpu:6.1f} "
            f"peak {peak:5.0f} MiB",
            flush=True,
        )
        if a.peer:
            given = {"kind": kind, "cost": known.distances(rows, sites), "p": p}
            print(f"           spopt: {beside(a.peer, given, a.peer_limit_s)}", flush=True)


def beside(python: str, case: dict, limit_s: float) -> str:
    """Run spopt on the same distances; return what there is to say."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.npz"
        programs.save(path, case)
        spec = {"peer": "spopt", "case": str(path), "limit_s": limit_s, "threads": 2}
        told = fresh.run(HERE / "peers.py", spec, python=python, kill_s=limit_s + 240)
    if "error" in told:
        return told["error"]
    far, sites = case["cost"][:, told["sites"]], told["sites"]
    if case["kind"] == "center":
        value = far.min(axis=1).max()
    else:
        value = (far[sites] + np.diag(np.full(len(sites), np.inf))).min()
    return (
        f"value {value:.4f} called {told['claim']}; building {told['built_s']:.1f} s, wall "
        f"{told['wall_s']:.1f} s, CPU {told['cpu_s']:.1f} s, peak {told['peak_mib']:.0f} MiB"
    )


if __name__ == "__main__":
    main()
