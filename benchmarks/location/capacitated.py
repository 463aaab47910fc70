"""Capacitated location: OR-Library, SJC, and 20,000 rows x 500 sites with a reach.

Run: ``python benchmarks/location/capacitated.py --data FOLDER`` with the folder that holds
``orlib_cap`` and ``lorena_sjc_cpmp``; without it only the seeded family runs. ``--peer`` adds HiGHS
on the same problem as one mixed-integer program with all rows ``x_ij <= y_j`` (60 s each).
``--whole FOLDER`` runs single source files ``p1``, ``p2``, ... of a folder (sites, rows,
capacities, opening costs, demands, then the costs of each row); best known values stand in its
file ``os``.
The family is synthetic: uniform points in a 600 x 500 km province, demand U{1..20}, 500 sites
of 2 to 6 % of all demand each, opening cost with economies of scale, pairs within
250 km.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import fresh
import known
import numpy as np

from groundplan import location


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


def show(name, problem, best, solve, peer):
    """Solve, verify and print one line; return the decision."""
    clock = fresh.Clock()
    d = solve(problem)
    wall, cpu, peak = clock.wall_s(), clock.cpu_s(), fresh.peak_mib()
    location.verify(problem, d)
    off = f"{d.value / best - 1:+9.5%}" if best else "        -"
    print(
        f"{name:22s} {problem.n_row:6d} {problem.n_site:4d} {d.value:16,.3f} {off} "
        f"{d.bound:16,.3f} {d.gap:9.5%} {d.status:8s} {wall:7.1f} {cpu:7.1f} "
        f"{peak:7.0f}",
        flush=True,
    )
    if peer:
        clock = fresh.Clock()
        value, bound = peer(problem)
        gap = (value - bound) / value if np.isfinite(value) and value else 1.0
        print(
            f"{'  HiGHS MIP':34s} {value:16,.3f} {'':9s} {bound:16,.3f} {gap:9.5%} {'':8s} "
            f"{clock.wall_s():7.1f} {clock.cpu_s():7.1f}",
            flush=True,
        )
    return d


def show_whole(folder: Path) -> None:
    """Solve every single source file of a folder and print how all of them went."""
    best = [float(v) for v in (folder / "os").read_text(encoding="utf-8").split()]
    off, gaps, clock = [], [], fresh.Clock()
    for number, known_value in enumerate(best, 1):
        words = np.array((folder / f"p{number}").read_text(encoding="utf-8").split(), float)
        m, n = int(words[0]), int(words[1])
        every = words[2 : 2 + 2 * m + n + n * m]
        room, fee, demand, cost = np.split(every, [m, 2 * m, 2 * m + n])
        room, demand = np.rint(room).astype(np.int64), np.rint(demand).astype(np.int64)
        problem = location.CapacityProblem.from_matrix(cost.reshape(n, m), demand, room, fee)
        d = show(
            f"{folder.name} p{number}", problem, known_value,
            lambda q: location.capacitated_facility(q, single_source=True), None,
        )  # fmt: skip
        off.append(d.value / known_value - 1.0)
        gaps.append(d.gap)
    print(
        f"{len(best)} files, {int((np.array(off) < 1e-6).sum())} at the best known value, at most "
        f"{max(off):.3%} above it; gap {np.mean(gaps):.3%} on average, {max(gaps):.3%} at most; "
        f"{clock.cpu_s():.0f} CPU s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--whole", type=Path, help="folder of single source files")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--sites", type=int, default=500)
    parser.add_argument("--reach-km", type=float, default=250.0)
    parser.add_argument("--time-limit-s", type=float, help="none by default: same seed, same plan")
    parser.add_argument("--single-source", action="store_true", help="one site for each row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer", action="store_true")
    a = parser.parse_args()
    for rows, single in ((60, False), (60, True), (650, True)):  # keeps compilation out
        location.capacitated_facility(
            province(rows, 12, 400.0, 1), single_source=single, steps=100, tries=10
        )
    print("case                     rows site            value best known            bound"
          "       gap status      wall     CPU peak MiB")  # fmt: skip
    if a.data:
        rows = known.known_rows(a.data)
        for r in rows:
            if r["problem"] == "CFLP":
                word = r["parameters"].partition("capacity=")[2]
                show(
                    f"{r['instance']} {word}", location.CapacityProblem.from_matrix(
                        *known.read_cap(a.data / "orlib_cap", r["instance"], word)
                    ),
                    float(r["value"]), location.capacitated_facility,
                    (lambda q: highs(q, 60.0)) if a.peer else None,
                )  # fmt: skip
        for r in rows:
            if r["problem"] == "capacitated p-median":
                xy, room, demand, p = known.read_cpmp(
                    a.data / "lorena_sjc_cpmp" / f"{r['instance']}.dat"
                )
                problem = location.CapacityProblem.from_points(
                    xy, xy, demand, room, weight=np.ones(len(xy))
                )
                show(
                    f"{r['instance']} p={p}", problem, float(r["value"]),
                    lambda q, p=p: location.capacitated_p_median(q, p),
                    (lambda q, p=p: highs(q, 60.0, p, whole=True)) if a.peer else None,
                )  # fmt: skip
    if a.whole:
        show_whole(a.whole)
    if a.rows:
        clock = fresh.Clock()
        problem = province(a.rows, a.sites, a.reach_km, a.seed)
        print(f"{problem.row.size:,} pairs within {a.reach_km:g} km, made in "
              f"{clock.wall_s():.1f} s")  # fmt: skip
        show(
            "province", problem, None,
            lambda q: location.capacitated_facility(
                q, single_source=a.single_source, gap=0.002, time_limit_s=a.time_limit_s
            ),
            None,
        )  # fmt: skip


if __name__ == "__main__":
    main()
