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
import csv
import gzip
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve()


def read_file(path):
    """Return row pointers, sites of rows and costs of an OR-Library or rail file."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    numbers = np.array(raw.split(), np.int64)
    m, n = int(numbers[0]), int(numbers[1])
    by_site = path.name.startswith("rail")
    cost, at, group, member = np.zeros(n, np.int64), 2, [], []
    if not by_site:
        cost, at = numbers[2 : 2 + n], 2 + n
    for k in range(n if by_site else m):
        if by_site:
            cost[k] = numbers[at]
            at += 1
        size = int(numbers[at])
        member.append(numbers[at + 1 : at + 1 + size] - 1)
        group.append(np.full(size, k))
        at += 1 + size
    row, site = np.concatenate(group), np.concatenate(member)
    return rows_first(*((site, row) if by_site else (row, site)), m), cost


def rows_first(row, site, m):
    """Return row pointers and the sites of each row, ascending."""
    order = np.lexsort((site, row))
    indptr = np.zeros(m + 1, np.int64)
    np.cumsum(np.bincount(row, minlength=m), out=indptr[1:])
    return indptr, site[order].astype(np.int32)


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
    return rows_first(row, owner, m), rng.integers(1, 3, n)


def province_rows(cells):
    """Return the coverage of the family `province`, rows that no site reaches left out."""
    source = (HERE.parent / "province.py").read_text(encoding="utf-8").replace("\nmain()\n", "\n")
    space = {"__name__": "province"}
    exec(compile(source, "province.py", "exec"), space)
    demand, weight, sites = space["province"](cells, 0)
    return demand, weight, sites.astype(float)


def case_of(kind, argument):
    """Return row pointers, sites of rows, costs of a case."""
    if kind == "file":
        return read_file(Path(argument))
    if kind == "rail":
        m, n = map(int, argument.split("x"))
        return crew(m, n)
    from groundplan import location

    cover = location.Coverage.from_radius(*province_rows(int(argument)), 6.0)
    return (cover.row_indptr, cover.row_indices), np.ones(cover.n_site, np.int64)


def run_ours(kind, argument, limit, cpu):
    """Solve a case with groundplan and print one line of JSON."""
    from groundplan.engine.location.check_cover import verify_covering
    from groundplan.engine.location.coverage import Coverage
    from groundplan.engine.location.setcover import set_covering

    (indptr, indices), cost = crew(150, 900, 1)
    set_covering(Coverage.from_csr(indptr, indices, np.ones(150, np.int64), 900), cost, rounds=4)
    (indptr, indices), cost = case_of(kind, argument)
    wall, start = time.time(), time.process_time()
    cover = Coverage.from_csr(indptr, indices, np.ones(indptr.size - 1, np.int64), cost.size)
    if cpu:
        time.monotonic = time.process_time  # the limit counts CPU seconds
    d = set_covering(cover, cost, time_limit_s=limit)
    used, wall = time.process_time() - start, time.time() - wall
    verify_covering(cover, d, cost=cost)
    return {"value": d.value, "bound": d.bound, "prices": d.log["bound_by_prices"], "cpu": used,
            "wall": wall, "status": d.status, "by": d.bound_by,
            "reduced": d.log["reduced"][:2]}  # fmt: skip


def run_pycft(path, limit):
    """Solve a case with pycft."""
    from pycft import SetCoverSolver

    data = np.load(path)
    solver = SetCoverSolver()
    indptr, rows = data["indptr"].tolist(), data["rows"].tolist()
    for j, price in enumerate(data["cost"].tolist()):
        solver.add_set(rows[indptr[j] : indptr[j + 1]], float(price))
    wall, start = time.time(), time.process_time()
    solver.solve(time_limit=limit, verbose=0)
    return {"value": solver.get_cost(), "bound": solver.get_lower_bound(),
            "cpu": time.process_time() - start, "wall": time.time() - wall}  # fmt: skip


def child(python, *arguments):
    """Run this file in a fresh process; return its line, or why there is none."""
    done = subprocess.run(
        [python, str(HERE), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"error": (done.stderr.splitlines() or ["?"])[-1]}


def compare(kind, argument, name, known, options):
    """Run both on a case and print one line of the table."""
    import tempfile

    theirs = {"error": "no --peer-python"}
    if options.peer_python:
        (indptr, indices), cost = case_of(kind, argument)
        row = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
        order = np.argsort(indices, kind="stable")
        start = np.zeros(cost.size + 1, np.int64)
        np.cumsum(np.bincount(indices, minlength=cost.size), out=start[1:])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "case.npz"
            np.savez(path, indptr=start, rows=row[order], cost=cost)
            theirs = child(options.peer_python, "pycft", path, "--limit", options.limit)
    equal = None if options.full else theirs.get("cpu")
    limit = options.limit if equal is None else max(0.2, equal)
    ours = child(sys.executable, "ours", kind, argument, "--limit", limit,
                 *(["--cpu"] if options.cpu or equal is not None else []))  # fmt: skip
    if "error" in ours:
        print(f"{name:10} ours failed: {ours['error']}")
        return
    peer = theirs.get("error") or (
        f"{theirs['value']:8g} {theirs['bound']:9.1f} {theirs['cpu']:7.2f} {theirs['mib']:6.0f}"
    )
    worse = "  WORSE" if "value" in theirs and ours["value"] > theirs["value"] else ""
    gap = 1.0 - ours["bound"] / ours["value"]
    print(
        f"{name:10} {ours['reduced'][0]:6}x{ours['reduced'][1]:<7} {known or '-':>6} "
        f"{ours['value']:7} {ours['bound']:7} {gap:7.2%} {ours['prices']:7} {ours['status']:8} "
        f"{ours['by']:6} {ours['cpu']:7.2f} {ours['wall']:7.2f} {ours['mib']:6.0f} | {peer}{worse} "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def partial(folder, share, limit):
    """Solve the partial covering family: n facilities, n customers drawn by the law."""
    from groundplan.engine.location.check_cover import verify_covering
    from groundplan.engine.location.coverage import Coverage
    from groundplan.engine.location.partial import partial_set_covering

    print(f"case  customers  share  value  bound  gap  prices  by  CPU s (limit {limit} s)")
    for path in sorted(folder.glob("cfl_facilities/*.dat")):
        n = int(path.read_text().split()[0])
        site = np.array([
            [float(v) for v in line.split()[1:3]]
            for line in path.read_text().splitlines()[1 : n + 1]
        ])  # fmt: skip
        rng = np.random.default_rng(n)
        cost, demand = rng.integers(10, 101, n), rng.uniform(0, 30, (20 * n, 2))
        cover = Coverage.from_radius(demand, rng.integers(1, 101, 20 * n), site, 5.75)
        begin = time.process_time()
        d = partial_set_covering(cover, share, cost, time_limit_s=limit)
        verify_covering(cover, d, cost=cost)
        print(f"{path.stem:9} {20 * n:7} {share:5} {d.value:6} {d.bound:6} {d.gap:7.2%} "
              f"{d.log['bound_by_prices']:6} {d.bound_by:6} {time.process_time() - begin:7.2f}",
              flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["files", "lscp", "rail", "partial", "ours", "pycft"])
    parser.add_argument("arguments", nargs="*")
    parser.add_argument("--limit", type=float, default=5.0)
    parser.add_argument("--peer-python", default="")
    parser.add_argument("--share", type=float, default=0.8)
    parser.add_argument("--cpu", action="store_true", help="count CPU seconds, not wall")
    parser.add_argument("--full", action="store_true", help="give ours the limit, not pycft's CPU")
    o = parser.parse_args()
    if o.what in {"ours", "pycft"}:
        ours = o.what == "ours"
        found = run_ours(*o.arguments, o.limit, o.cpu) if ours else run_pycft(*o.arguments, o.limit)
        found["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found, default=float))
        return
    if o.what == "partial":
        partial(Path(o.arguments[0]), o.share, o.limit)
        return
    print("case       reduced         known   value   bound     gap  prices status   by     CPU s "
          "  wall s    MiB | pycft value, bound, CPU s, MiB")  # fmt: skip
    if o.what == "files":
        folder = Path(o.arguments[0])
        with (folder / "known_optima.csv").open(encoding="utf-8") as stream:
            known = {r["instance"]: r["value"] for r in csv.DictReader(stream)}
        paths = [*sorted(folder.glob("orlib_scp/*.txt")), *sorted(folder.glob("rail/*.gz"))]
        only = o.arguments[1:]
        for path in paths:
            if not only or path.stem in only:
                compare("file", path, path.stem, known.get(path.stem), o)
    elif o.what == "rail":
        compare("rail", "x".join(o.arguments), "crew", "", o)
    else:
        compare("lscp", o.arguments[0], f"lscp{o.arguments[0]}", "", o)


main()
