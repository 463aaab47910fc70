"""Capacitated location: OR-Library, SJC, and 20,000 rows x 500 sites with a reach.

Run: ``python benchmarks/location/capacitated.py --data FOLDER`` with the folder that holds
``orlib_cap`` and ``lorena_sjc_cpmp``; without it only the seeded family runs. ``--peer`` adds HiGHS
on the same problem as one mixed-integer program with all rows ``x_ij <= y_j`` (60 s each).
The family is synthetic: uniform points in a 600 x 500 km province, demand U{1..20}, 500 sites
of 2 to 6 % of all demand each, opening cost with economies of scale, pairs within
250 km.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import resource
import time
from pathlib import Path

import numpy as np

from groundplan import location


def orlib(folder: Path, name: str, capacity: str):
    """Return one OR-Library case; the cost is for the whole demand of a customer."""
    plain = folder / f"{name}.txt"
    raw = plain.read_bytes() if plain.exists() else gzip.decompress(
        (folder / f"{name}.txt.gz").read_bytes()
    )  # fmt: skip
    token = raw.decode().replace("capacity", capacity or "0").split()
    m, n = int(token[0]), int(token[1])
    number = np.array(token[2:], float)
    site, row = number[: 2 * m].reshape(m, 2), number[2 * m :].reshape(n, m + 1)
    room = np.full(m, int(capacity)) if capacity else site[:, 0]
    return location.CapacityProblem.from_matrix(row[:, 1:], row[:, 0], room, site[:, 1])


def sjc(folder: Path, name: str):
    """Return one SJC case and its p."""
    number = np.array((folder / f"{name}.dat").read_text(encoding="utf-8").split(), float)
    n, p = int(number[0]), int(number[1])
    row = number[2:].reshape(n, 4)
    problem = location.CapacityProblem.from_points(
        row[:, :2], row[:, :2], row[:, 3], row[:, 2], weight=np.ones(n)
    )
    return problem, p


def province(n_row: int, n_site: int, reach_km: float, seed: int):
    """Return the seeded family."""
    rng = np.random.default_rng(seed)
    size = np.array([600.0, 500.0])
    rows, sites = rng.uniform(0, 1, (n_row, 2)) * size, rng.uniform(0, 1, (n_site, 2)) * size
    demand = rng.integers(1, 21, n_row)
    room = np.rint(demand.sum() * rng.uniform(10.0, 30.0, n_site) / n_site).astype(np.int64)
    fee = np.rint(2_000.0 * room**0.6 * rng.uniform(0.8, 1.2, n_site))
    return location.CapacityProblem.from_points(rows, sites, demand, room, fee, reach=reach_km)


def highs(problem, limit_s: float, p: int | None = None, *, whole: bool = False):
    """Return value and bound of HiGHS on the strong formulation."""
    import highspy

    from groundplan.engine.location.relaxation import Relaxation

    site = problem.site_of_pair()
    n, m, k = problem.n_row, problem.n_site, problem.row.size
    x, y = m + np.arange(k), np.arange(m)
    r = [problem.row, n + site, n + y, np.full(m, n + m)]
    c, v = [x, x, y, y], [np.ones(k), problem.demand[problem.row], -problem.capacity, np.ones(m)]
    r += [n + m + 1 + np.arange(k)] * 2
    c, v = [*c, x, site], [*v, np.ones(k), -np.ones(k)]
    r, c, v = np.concatenate(r), np.concatenate(c), np.concatenate(v).astype(float)
    order = np.lexsort((c, r))
    program = Relaxation(
        np.concatenate([problem.opening_cost, problem.cost]), np.zeros(m + k), np.ones(m + k),
        np.concatenate([[0], np.cumsum(np.bincount(r))]), c[order], v[order],
        np.concatenate([np.ones(n), np.full(m + 1 + k, -np.inf)]),
        np.concatenate([np.ones(n), np.zeros(m), [float(p or m)], np.zeros(k)]),
    )  # fmt: skip
    for column in range(m + k if whole else m):
        program.solver.changeColIntegrality(column, highspy.HighsVarType.kInteger)
    program.solver.setOptionValue("time_limit", limit_s)
    program.solver.run()
    info = program.solver.getInfo()
    return info.objective_function_value, info.mip_dual_bound


def show(name, problem, known, solve, peer) -> None:
    """Solve, verify and print one line."""
    wall, cpu = time.perf_counter(), time.process_time()
    d = solve(problem)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    location.verify_capacitated(problem, d)
    off = f"{d.value / known - 1:+9.5%}" if known else "        -"
    print(
        f"{name:22s} {problem.n_row:6d} {problem.n_site:4d} {d.value:16,.3f} {off} "
        f"{d.bound:16,.3f} {d.gap:9.5%} {d.status:8s} {wall:7.1f} {cpu:7.1f} "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:7.0f}",
        flush=True,
    )
    if peer:
        wall, cpu = time.perf_counter(), time.process_time()
        value, bound = peer(problem)
        gap = (value - bound) / value if np.isfinite(value) and value else 1.0
        print(
            f"{'  HiGHS MIP':34s} {value:16,.3f} {'':9s} {bound:16,.3f} {gap:9.5%} {'':8s} "
            f"{time.perf_counter() - wall:7.1f} {time.process_time() - cpu:7.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--sites", type=int, default=500)
    parser.add_argument("--reach-km", type=float, default=250.0)
    parser.add_argument("--time-limit-s", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer", action="store_true")
    a = parser.parse_args()
    for single in (False, True):  # keeps compilation out
        location.capacitated_facility(
            province(60, 12, 400.0, 1), single_source=single, steps=100, tries=10
        )
    print("case                     rows site            value best known            bound"
          "       gap status      wall     CPU peak MiB")  # fmt: skip
    if a.data:
        with (a.data / "known_optima.csv").open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        for r in rows:
            if r["problem"] == "CFLP":
                word = r["parameters"].partition("capacity=")[2]
                show(
                    f"{r['instance']} {word}", orlib(a.data / "orlib_cap", r["instance"], word),
                    float(r["value"]), location.capacitated_facility,
                    (lambda q: highs(q, 60.0)) if a.peer else None,
                )  # fmt: skip
        for r in rows:
            if r["problem"] == "capacitated p-median":
                problem, p = sjc(a.data / "lorena_sjc_cpmp", r["instance"])
                show(
                    f"{r['instance']} p={p}", problem, float(r["value"]),
                    lambda q, p=p: location.capacitated_p_median(q, p),
                    (lambda q, p=p: highs(q, 60.0, p, whole=True)) if a.peer else None,
                )  # fmt: skip
    if a.rows:
        wall = time.perf_counter()
        problem = province(a.rows, a.sites, a.reach_km, a.seed)
        print(f"{problem.row.size:,} pairs within {a.reach_km:g} km, made in "
              f"{time.perf_counter() - wall:.1f} s")  # fmt: skip
        show(
            "province", problem, None,
            lambda q: location.capacitated_facility(q, gap=0.005, time_limit_s=a.time_limit_s),
            None,
        )  # fmt: skip


main()
