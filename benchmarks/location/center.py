"""p-centre and p-dispersion on seeded uniform points; spopt on the same points where installed.

Run: ``python benchmarks/location/center.py``, with ``--peer PYTHON`` naming an interpreter that has
spopt (a fresh process each, ``--peer-limit-s`` long). spopt's time holds model building and HiGHS.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import time

import numpy as np

from groundplan import location

PEER = """
import sys, time, numpy as np, pulp
from spopt.locate import PCenter, PDispersion
kind, n, m, p, limit = sys.argv[1], *map(int, sys.argv[2:])
rng = np.random.default_rng(0)
rows, sites = rng.uniform(0, 1000, (n, 2)), rng.uniform(0, 1000, (m, 2))
rows = sites if kind == 'dispersion' else rows
far = np.sqrt(((rows[:, None] - sites[None]) ** 2).sum(axis=2))
wall, cpu = time.perf_counter(), time.process_time()
model = (PCenter if kind == 'center' else PDispersion).from_cost_matrix(far, p)
built = time.perf_counter() - wall
options = {'results': False} if kind == 'center' else {}
model.solve(pulp.HiGHS(msg=False, timeLimit=limit), **options)
print(f"value {model.problem.objective.value():.4f} {pulp.LpStatus[model.problem.status]}; "
      f"building {built:.1f} s, wall {time.perf_counter() - wall:.1f} s, "
      f"CPU {time.process_time() - cpu:.1f} s")
"""


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
        check = location.verify_center if kind == "center" else location.verify_dispersion
        wall, cpu = time.perf_counter(), time.process_time()
        d = solve(cost, p, time_limit_s=a.time_limit_s)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        check(cost, d)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{kind:10s} {n:6d} x {m:5d} p {p:3d} value {d.value:9.4f} bound {d.bound:9.4f} gap "
            f"{d.gap:7.3%} {d.status:8s} by {d.bound_by:6s} wall {wall:6.1f} CPU {cpu:6.1f} "
            f"peak {peak:5.0f} MiB",
            flush=True,
        )
        if a.peer:
            command = [a.peer, "-c", PEER, kind, *map(str, (n, m, p, a.peer_limit_s))]
            try:
                out = subprocess.run(
                    command, capture_output=True, text=True, check=True, timeout=300
                )
                print("           spopt:", out.stdout.strip().splitlines()[-1], flush=True)
            except subprocess.TimeoutExpired:
                print("           spopt: nothing after 300 s", flush=True)


main()
