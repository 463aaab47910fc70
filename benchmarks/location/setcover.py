"""Set covering beside pycft: value, bound, gap, CPU seconds, peak memory, in fresh processes.

Run: ``python benchmarks/location/setcover.py files ../shared/benchmarks/location --limit 5`` for
the OR-Library and rail files (names after the folder choose some), ``lscp 100000 --limit 60`` for
the fewest sites that reach every cell of the family `province` that any site reaches, ``rail 4284
1000000`` for crew-like columns, ``partial ../shared/benchmarks/location`` for a share of the demand
at least cost. ``--peer-python`` names an interpreter in which pycft is installed.

pycft runs first under the wall limit; ours may then use as many CPU seconds as pycft used (the
limit itself where pycft is missing), so that the load of the machine favours neither.
``--full --cpu`` gives ours `limit` CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import fresh
import known
import numpy as np
import programs
import province

from groundplan import location

HERE = Path(__file__).resolve().parent


def crew(m, n, seed=0):
    """Return columns of 2-12 rows, each later than the last, of cost 1 or 2 (a fixed law)."""
    rng = np.random.default_rng(seed)
    size, first = rng.integers(2, 13, n), rng.integers(0, m, n)
    owner = np.repeat(np.arange(n), size)
    jump = rng.geometric(0.08, owner.size)
    begin = np.cumsum(size) - size
    jump[begin] = 0
    total = np.cumsum(jump)
    row = (total - np.repeat(total[begin] - first, size)) % m
    owner, row = np.divmod(np.unique(owner * m + row), m)
    return known.rows_first(row, owner, m), rng.integers(1, 3, n)


def case_of(kind, argument):
    """Return row pointers, sites of rows, costs of a case."""
    if kind == "file":
        return known.read_cover(Path(argument))
    if kind == "rail":
        m, n = map(int, argument.split("x"))
        return crew(m, n)
    demand, weight, sites = province.province(int(argument), 0)
    cover = location.Coverage.from_radius(demand, weight, sites.astype(float), 6.0)
    return (cover.row_indptr, cover.row_indices), np.ones(cover.n_site, np.int64)


def warm_up():
    """Solve a small case, so that loading compiled code is not measured."""
    (indptr, indices), cost = crew(150, 900, 1)
    rows = np.ones(150, np.int64)
    location.set_covering(location.Coverage.from_csr(indptr, indices, rows, 900), cost, rounds=4)


def solve(spec):
    """Solve a case with groundplan in this process."""
    warm_up()
    (indptr, indices), cost = case_of(spec["kind"], spec["argument"])
    clock = fresh.Clock()
    rows = np.ones(indptr.size - 1, np.int64)
    cover = location.Coverage.from_csr(indptr, indices, rows, cost.size)
    if spec["cpu"]:
        time.monotonic = time.process_time  # the limit counts CPU seconds
    d = location.set_covering(cover, cost, time_limit_s=spec["limit"])
    used, wall, peak = clock.cpu_s(), clock.wall_s(), fresh.peak_mib()
    location.verify(cover, d, cost=cost)
    return {"value": d.value, "bound": d.bound, "prices": d.log["bound_by_prices"], "cpu": used,
            "wall": wall, "status": d.status, "by": d.bound_by, "peak_mib": peak,
            "reduced": d.log["reduced"][:2]}  # fmt: skip


def compare(kind, argument, name, best, options):
    """Run both on a case and print one line of the table."""
    theirs = {"error": "no --peer-python"}
    if options.peer_python:
        (indptr, indices), cost = case_of(kind, argument)
        case = {"kind": "setcover", "row_indptr": indptr, "row_indices": indices, "cost": cost,
                "n_site": cost.size}  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            programs.save(Path(folder) / "case.npz", case)
            spec = {"peer": "pycft", "case": f"{folder}/case.npz", "limit_s": options.limit,
                    "threads": 1}  # fmt: skip
            theirs = fresh.run(HERE / "peers.py", spec, python=options.peer_python)
        if "sites" in theirs:
            theirs["value"] = programs.value_of(case, theirs["sites"])
    equal = None if options.full else theirs.get("cpu_s")
    limit = options.limit if equal is None else max(0.2, equal)
    by_cpu = options.cpu or equal is not None
    spec = {"kind": kind, "argument": str(argument), "limit": limit, "cpu": by_cpu}
    ours = fresh.run(__file__, spec)
    if "error" in ours:
        print(f"{name:10} ours failed: {ours['error']}")
        return
    peer = theirs.get("error") or (
        f"{theirs['value']:8g} {theirs['bound']:9.1f} {theirs['cpu_s']:7.2f} "
        f"{theirs['peak_mib']:6.0f}"
    )
    worse = "  WORSE" if "value" in theirs and ours["value"] > theirs["value"] else ""
    gap = 1.0 - ours["bound"] / ours["value"]
    print(
        f"{name:10} {ours['reduced'][0]:6}x{ours['reduced'][1]:<7} {best or '-':>6} "
        f"{ours['value']:7} {ours['bound']:7} {gap:7.2%} {ours['prices']:7} {ours['status']:8} "
        f"{ours['by']:6} {ours['cpu']:7.2f} {ours['wall']:7.2f} {ours['peak_mib']:6.0f} | "
        f"{peer}{worse} load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def partial(folder, share, limit):
    """Solve the partial covering family: n facilities, n customers drawn by the law."""
    print(f"case  customers  share  value  bound  gap  prices  by  CPU s (limit {limit} s)")
    for path in sorted(folder.glob("cfl_facilities/*.dat")):
        n = int(path.read_text().split()[0])
        site = np.array([
            [float(v) for v in line.split()[1:3]]
            for line in path.read_text().splitlines()[1 : n + 1]
        ])  # fmt: skip
        rng = np.random.default_rng(n)
        cost, demand = rng.integers(10, 101, n), rng.uniform(0, 30, (20 * n, 2))
        cover = location.Coverage.from_radius(demand, rng.integers(1, 101, 20 * n), site, 5.75)
        clock = fresh.Clock()
        d = location.partial_set_covering(cover, share, cost, time_limit_s=limit)
        location.verify(cover, d, cost=cost)
        print(f"{path.stem:9} {20 * n:7} {share:5} {d.value:6} {d.bound:6} {d.gap:7.2%} "
              f"{d.log['bound_by_prices']:6} {d.bound_by:6} {clock.cpu_s():7.2f}",
              flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["files", "lscp", "rail", "partial"])
    parser.add_argument("arguments", nargs="*")
    parser.add_argument("--limit", type=float, default=5.0)
    parser.add_argument("--peer-python", default="")
    parser.add_argument("--share", type=float, default=0.8)
    parser.add_argument("--cpu", action="store_true", help="count CPU seconds, not wall")
    parser.add_argument("--full", action="store_true", help="give ours the limit, not pycft's CPU")
    o = parser.parse_args()
    if o.what == "partial":
        partial(Path(o.arguments[0]), o.share, o.limit)
        return
    print("case       reduced         known   value   bound     gap  prices status   by     CPU s "
          "  wall s    MiB | pycft value, bound, CPU s, MiB")  # fmt: skip
    if o.what == "files":
        folder = Path(o.arguments[0])
        best = {r["instance"]: r["value"] for r in known.known_rows(folder)}
        paths = [*sorted(folder.glob("orlib_scp/*.txt")), *sorted(folder.glob("rail/*.gz"))]
        only = o.arguments[1:]
        for path in paths:
            if not only or path.stem in only:
                compare("file", path, path.stem, best.get(path.stem), o)
    elif o.what == "rail":
        compare("rail", "x".join(o.arguments), "crew", "", o)
    else:
        compare("lscp", o.arguments[0], f"lscp{o.arguments[0]}", "", o)


if __name__ == "__main__":
    if fresh.is_child():
        fresh.serve(solve)
    else:
        main()
