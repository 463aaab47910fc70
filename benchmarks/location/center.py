"""p-centre and p-dispersion on seeded uniform points; spopt on the same points where installed.

Run: ``python benchmarks/location/center.py``, with ``--peer PYTHON`` naming an interpreter that has
spopt (a fresh process each, ``--peer-limit-s`` long). spopt's time holds model building and HiGHS.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import fresh
import known
import numpy as np
import programs

from groundplan import location

HERE = Path(__file__).resolve().parent


def points(n: int, m: int):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 1000, (n, 2)), rng.uniform(0, 1000, (m, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="interpreter that has spopt")
    parser.add_argument("--peer-limit-s", type=int, default=60)
    parser.add_argument("--time-limit-s", type=float, default=60.0)
    parser.add_argument(
        "--large", action="store_true", help="also 10,000 x 324 and 10,000 x 10,000"
    )
    a = parser.parse_args()
    rows, sites = points(40, 40)
    small = location.AssignmentCost.from_points(rows, None, sites)
    location.p_center(small, 3, moves=100)  # keeps compilation out
    location.p_dispersion(location.AssignmentCost.from_points(sites, None, sites), 3)
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
            case = {"kind": kind, "cost": known.distances(rows, sites), "p": p}
            print(f"           spopt: {beside(a.peer, case, a.peer_limit_s)}", flush=True)


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
