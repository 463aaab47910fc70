"""Maximal covering of cities and of Sao Jose dos Campos: value, bound, CPU, memory, peers.

Run: ``python benchmarks/location/cities.py FOLDER`` with the folder that holds ``mclp_cities``,
``lorena_sjc_mclp`` and ``known_optima.csv``. Every case is solved in a fresh process (`--only` says
how its name begins). `--peer` gives the same merged rows to HiGHS alone for as many CPU seconds.
`--ails` names the compiled classes of AILS-MCLP (``javac -encoding ISO-8859-1 -d CLASSES`` on its
sources), which set the best known values: it runs on one thread for as many seconds as ours took
CPU seconds, and its value is its word. "reached" is the CPU time at which the best known value was
first held. Compilation is kept out.
"""

from __future__ import annotations

import argparse
import csv
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from groundplan import location
from groundplan.engine.location.exact import solve_exactly
from groundplan.engine.location.program import make_program

EARTH_RADIUS_M = 6_378_100.0
HEAD = (
    f"{'case':<26}{'value':>10}{'- known':>9}{'bound':>10}{'gap':>9} {'status':<10}{'by':<8}"
    f"{'reached':>8}{'CPU s':>8}{'wall s':>8}{'MiB':>7}"
)


def numbers(path: Path) -> list[list[float]]:
    """Return the rows of numbers among the lines of a file."""
    rows = [line.split() for line in path.read_text().splitlines()]
    return [[float(v) for v in r] for r in rows if r and re.fullmatch(r"-?\d+(\.\d+)?", r[0])]


def city(path: Path, radius_m: float) -> location.Coverage:
    """Return the coverage of a city: latitude and longitude, then demand."""
    rows = numbers(path)
    n = len(rows) // 2
    lat, lon = np.radians(np.array(rows[:n])).T
    weight = np.array([r[-1] for r in rows[n:]]).astype(np.int64)
    cosine = np.sin(lat)[:, None] * np.sin(lat) + np.cos(lat)[:, None] * np.cos(lat) * np.cos(
        lon[:, None] - lon
    )
    distance_m = EARTH_RADIUS_M * np.arccos(np.clip(cosine, -1, 1))
    np.fill_diagonal(distance_m, 0.0)
    return location.Coverage.from_cost_matrix(distance_m, weight, radius_m)


def plane(folder: Path, instance: str, radius: float) -> location.Coverage:
    """Return the coverage of one of Lorena's cases."""
    xy = np.loadtxt(folder / f"{instance}.txt", skiprows=1)[:, :2]
    weight = np.loadtxt(folder / f"demand-{instance}.dat").ravel().astype(np.int64)[-len(xy) :]
    return location.Coverage.from_radius(xy, weight, xy, radius)


def cases(folder: Path):
    """Yield instance, p, radius and best known value."""
    with (folder / "known_optima.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            found = re.match(r"p=(\d+) R=(\d+)", row["parameters"])
            if row["problem"] == "MCLP" and found:
                yield row["instance"], int(found[1]), float(found[2]), int(row["value"])


def solve(a: argparse.Namespace, instance: str, p: int, radius: float, known: int) -> None:
    """Solve one case and print its line, then that of HiGHS alone."""
    tiny = location.Coverage.from_csr(np.array([0, 1]), np.array([0], np.int32), np.array([3]), 1)
    location.maximal_covering(tiny, 1)
    rng = np.random.default_rng(1)
    xy = rng.uniform(0, 100, (1_500, 2))
    warm = location.Coverage.from_radius(xy, rng.integers(1, 9, 1_500), xy, 12.0)
    location.maximal_covering(warm, 12, gap=0.0, steps=40, sweeps=1, passes=1, effort=0)
    wall, cpu = time.perf_counter(), time.process_time()
    path = a.folder / "mclp_cities" / f"{instance}.txt"
    if path.exists():
        coverage = city(path, radius)
    else:
        coverage = plane(a.folder / "lorena_sjc_mclp", instance, radius)
    reached = [np.inf]

    def told(_stage: str, _done: int, _total: int, value: float, _bound: float) -> None:
        if value >= known and reached[0] == np.inf:
            reached[0] = time.process_time() - cpu

    d = location.maximal_covering(
        coverage, p, gap=0.0, steps=a.steps, sweeps=a.sweeps, passes=a.passes, effort=a.effort,
        seed=a.seed, progress=told, time_limit_s=a.limit_s,
        stop=lambda: a.cpu_s is not None and time.process_time() - cpu > a.cpu_s,
    )  # fmt: skip
    took = time.process_time() - cpu
    if d.value >= known:
        reached[0] = min(reached[0], took)
    location.verify(coverage, d)
    name = f"{instance} p={p} R={radius:g}"
    spent = time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:<26}{d.value:>10}{d.value - known:>9}{d.bound:>10}{d.gap:>9.4%} {d.status:<10}"
        f"{d.bound_by:<8}{reached[0]:>8.1f}{took:>8.1f}{spent:>8.1f}{peak:>7.0f}",
        flush=True,
    )
    if a.ails and path.exists():
        asked = ("-file", path, "-p", p, "-r", int(radius), "-best", known, "-limit", int(took))
        out = subprocess.run(
            ["java", "-XX:+UseSerialGC", "-cp", a.ails, "SearchMethod.AILSPR", *map(str, asked)],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        value = int(float(re.findall(r"melhorF: ([\d.]+)", out.stdout)[-1]))
        print(
            f"{'  AILS-MCLP':<26}{value:>10}{value - known:>9}{'':>10}{'':>9} {'':<18}{'':>8}"
            f"{int(took):>8}",
            flush=True,
        )
    if a.peer:
        program = make_program(coverage, ~coverage.existing, np.ones(coverage.n_site, np.int64), p)
        cpu = time.process_time()
        nothing = np.zeros(program.n_site, bool)
        chosen, bound, proven = solve_exactly(program, nothing, max(1.0, took))
        row = np.repeat(np.arange(program.n_row), np.diff(program.row_indptr))
        covered = np.zeros(program.n_row, bool)
        covered[row[chosen[program.row_indices]]] = True
        value = int(program.weight[covered].sum())
        ended = "optimal" if proven else "stopped"
        print(
            f"{'  HiGHS alone':<26}{value:>10}{value - known:>9}{bound:>10.0f}"
            f"{(bound - value) / bound:>9.4%} {ended:<10}{'':<8}{'':>8}"
            f"{time.process_time() - cpu:>8.1f}",
            flush=True,
        )


def main() -> None:
    """Run the cases asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="cases whose name begins so, as in the table")
    parser.add_argument("--one", action="store_true", help="solve in this process")
    parser.add_argument("--peer", action="store_true", help="HiGHS alone, for as many seconds")
    parser.add_argument("--ails", type=Path, help="classes of AILS-MCLP, for as many CPU seconds")
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--passes", type=int, default=12)
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu-s", type=float, help="stop after so many CPU seconds")
    parser.add_argument("--limit-s", type=float, help="time limit of ours, wall seconds")
    a = parser.parse_args()
    if not a.one:
        print(HEAD, flush=True)
    for instance, p, radius, known in cases(a.folder):
        name = f"{instance} p={p} R={radius:g}"
        if not name.startswith(a.only):
            continue
        if a.one:
            if name == a.only:
                solve(a, instance, p, radius, known)
            continue
        asked = [sys.executable, __file__, *sys.argv[1:], "--one", "--only", name]
        subprocess.run(asked, check=True)


main()
