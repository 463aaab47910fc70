"""The sets with known values in compare.py: every reader, every peer that is installed, the page.

The files are made here, a dozen rows each, in the formats of the sets; their known values come from
trying every plan.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import json
import os
import subprocess
import sys
import time
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parents[2]
FOLDER = HERE / "benchmarks" / "location"
SETS = ("sjc", "cities", "pmed", "scp", "rail", "cap", "cpmp")
PEERS = (
    "highs-mip", "highs-pdlp", "cp-sat", "ortools-pdlp", "scip", "spopt", "pycft", "pbp-pmedian",
)  # fmt: skip
N = 9


def lines(rows) -> str:
    return "\n".join(" ".join(str(v) for v in row) for row in rows) + "\n"


def write_points(folder: Path, rng) -> None:
    """Write the three sets of points, each point a site."""
    xy, weight = rng.integers(0, 1000, (N, 2)), rng.integers(1, 99, N)
    (folder / "lorena_sjc_mclp").mkdir()
    (folder / "lorena_sjc_mclp" / "SJC9.txt").write_text(lines([[N], *xy]))
    (folder / "lorena_sjc_mclp" / "demand-SJC9.dat").write_text(lines(weight[:, None]))
    (folder / "mclp_cities").mkdir()
    degrees = np.column_stack([40.6 + xy[:, 0] / 1e5, -73.9 - xy[:, 1] / 1e5])
    (folder / "mclp_cities" / "Town.txt").write_text(lines([*degrees, *weight[:, None]]))
    (folder / "lorena_sjc_cpmp").mkdir()
    room = np.full(N, int(weight.sum() * 0.6))
    rows = np.column_stack([xy, room, weight])
    (folder / "lorena_sjc_cpmp" / "SJC9.dat").write_text(lines([[N, 2], *rows]))


def write_graph(folder: Path, rng) -> None:
    ends = [(k, k % N + 1) for k in range(1, N + 1)] + [(1, 5), (2, 7)]
    edges = [(a, b, int(c)) for (a, b), c in zip(ends, rng.integers(1, 50, 11), strict=True)]
    (folder / "orlib_pmed").mkdir()
    (folder / "orlib_pmed" / "pmed9.txt").write_text(lines([[N, len(edges), 3], *edges]))


def write_covers(folder: Path, rng) -> None:
    """Write a cover by rows and, in the other format, one by columns."""
    covers = rng.random((N, 6)) < 0.4
    covers[:, 5] = True
    cost = [*rng.integers(2, 9, 5), 30]
    body = [[v for row in covers for v in (row.sum(), *(np.flatnonzero(row) + 1))]]
    (folder / "orlib_scp").mkdir()
    (folder / "orlib_scp" / "scp9.txt").write_text(lines([[N, 6], cost, *body]))
    columns = [
        [c, column.sum(), *(np.flatnonzero(column) + 1)]
        for c, column in zip(cost, covers.T, strict=True)
    ]
    (folder / "rail").mkdir()
    packed = gzip.compress(lines([[N, 6], *columns]).encode("ascii"))
    (folder / "rail" / "rail9.gz").write_bytes(packed)


def write_facilities(folder: Path, rng) -> None:
    demand, cost = rng.integers(1, 20, N), rng.integers(10, 90, (N, 3))
    sites = [[int(demand.sum() * 0.6), 40]] * 3
    body = [v for d, row in zip(demand, cost, strict=True) for v in ([d], row)]
    (folder / "orlib_cap").mkdir()
    (folder / "orlib_cap" / "cap9.txt").write_text(lines([[3, N], *sites, *body]))


def best_by_trying(case: dict) -> float:
    """Return the value of the best of all plans."""
    import programs

    n_site = int(case["n_site"]) if "n_site" in case else case["cost"].shape[1]
    p, single = case.get("p", -1), case.get("single", False)
    found = []
    for count in range(1, 1 + (p if p > 0 else n_site)):
        for sites in combinations(range(n_site), count):
            served = product(sites, repeat=len(case["cost"])) if single else [None]
            for assignment in served:
                try:
                    found.append(programs.value_of(case, list(sites), assignment))
                except ValueError:
                    continue
    return max(found) if case["kind"] == "covering" else min(found)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the folder of known values, and the path of the modules that read it."""
    folder = tmp_path_factory.mktemp("known")
    rng = np.random.default_rng(5)
    for write in (write_points, write_graph, write_covers, write_facilities):
        write(folder, rng)
    asked = [
        ("SJC9", "MCLP", "p=2 R=300"), ("Town", "MCLP", "p=2 R=300 m"),
        ("pmed9", "p-median", "p in file"), ("scp9", "SCP", ""), ("rail9", "SCP", ""),
        ("cap9", "UFLP", "capacity ignored"), ("cap9", "CFLP", "capacity as in file"),
        ("SJC9", "capacitated p-median", "p in file"),
    ]  # fmt: skip
    head = ["instance", "problem", "parameters", "value", "status", "source"]
    rows = [[*row, "0", "optimum (each plan tried)", "this test"] for row in asked]
    table = folder / "known_optima.csv"

    def save() -> None:
        with table.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([head, *rows])

    save()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        import known

        told = [(row, case) for family in SETS for _name, row, case in known.cases(family, folder)]
        for row, case in told:
            at = next(k for k, r in enumerate(rows) if r[:3] == list(row.values())[:3])
            rows[at][3] = repr(best_by_trying(case))
        save()
        yield folder


def contests_of(family: str, data: Path):
    from contest import contests

    return list(contests([family], [], [], data, 0))


@pytest.mark.filterwarnings("default")  # what peers are warned of is not ours
@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_meets_the_known_values_or_says_why_not(data, tmp_path, peer):
    import peers
    import programs

    about = peers.PEERS[peer]
    try:
        importlib.import_module(about.module)
    except ImportError:
        pytest.skip(f"{about.package} is not installed (requirements-peers.txt)")
    met = []
    for contest in (c for family in SETS for c in contests_of(family, data)):
        if contest.kind not in about.kinds:
            continue
        path = tmp_path / f"{contest.name}.npz"
        programs.save(path, contest.raw())
        told = peers.solve({
            "peer": peer, "case": str(path), "limit_s": 20.0, "threads": 1, "clock": "wall",
            "began": time.time(), "linearization": 2,
        })  # fmt: skip
        if "error" in told:
            assert told["error"].startswith("no model of this: ")
            continue
        met.append(contest.family)
        sign = 1 if contest.maximize else -1
        if "sites" in told:
            value = contest.value(told["sites"], told.get("assignment"))
            assert value == pytest.approx(contest.best_known)
        else:
            assert peer in peers.RELAXED
        if told["bound"] is not None:
            slack = 1e-3 * abs(contest.best_known) + 1e-6
            assert sign * (told["bound"] - contest.best_known) >= -slack
    # set covering of unequal costs and capacities are not what spopt is for
    few = {"spopt": {"sjc", "cities", "pmed"}, "pycft": {"scp", "rail"}, "pbp-pmedian": {"pmed"}}
    assert {*met} == few.get(peer, {*SETS})


@pytest.mark.parametrize("family", SETS)
def test_groundplan_meets_the_known_value_and_verifies_it(data, tmp_path, family):
    import ours
    import programs

    found = contests_of(family, data)
    assert len(found) == (2 if family == "cap" else 1)
    for contest in found:
        path = tmp_path / "case.npz"
        programs.save(path, contest.raw())
        told = ours.solve({
            **contest.spec, "case": str(path), "limit_s": 20.0, "plain": False, "effort": 1,
        })  # fmt: skip
        value = contest.value(told["sites"], told["assignment"])
        assert value == pytest.approx(contest.best_known)
        assert told["verified_value"] == pytest.approx(value)
        sign = 1 if contest.maximize else -1
        assert sign * (told["verified_bound"] - contest.best_known) >= -1e-6 * abs(value)
        if contest.kind != "assign" or "single" not in contest.raw():
            assert told["verified_bound"] == pytest.approx(value)


def run(folder: Path, data: Path, *more: str):
    """Run compare.py on two sets, peers from this interpreter, by CPU."""
    command = [
        sys.executable, str(FOLDER / "compare.py"), "--families", "sjc", "cap", "--data", str(data),
        "--out", str(folder), "--peer-python", sys.executable, "--clock", "cpu", "--threads", "1",
        "--limit-s", "10", "--peers", "groundplan", "highs-mip", "pycft", "scip", *more,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(HERE / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    rows = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    return (folder / "table.md").read_text(encoding="utf-8"), [json.loads(row) for row in rows]


def test_one_command_writes_the_sets_and_resumes(data, tmp_path):
    table, rows = run(tmp_path, data, "--per-set", "1")
    assert [r["case"] for r in rows if r["peer"] == "groundplan"] == [
        "SJC9 p=2 R=300", "cap9 uncapacitated",
    ]  # fmt: skip
    assert all(r["value"] == pytest.approx(r["best_known"]) for r in rows if "error" not in r)
    for part in ("### In short", "### sjc", "### cap", "(optimum; this test)", "its word"):
        assert part in table
    absent = [r for r in rows if r["peer"] == "scip"]
    if importlib.util.find_spec("pyscipopt") is None:
        said = "not run: PySCIPOpt is not installed (requirements-peers.txt)"
        assert {r["error"] for r in absent} == {said}
        assert said in table
    again, more = run(tmp_path, data, "--resume")
    # what ran stands as it was measured; only the second file of cap is new
    assert more[: len(rows)] == rows
    assert {r["case"] for r in more[len(rows) :]} == {"cap9"}
    assert set(again.splitlines()) >= {x for x in table.splitlines() if x.startswith("| SJC9")}
    # the page of several folders is that of their runs
    told = tmp_path / "told"
    command = [sys.executable, str(FOLDER / "compare.py"), "--tell", str(tmp_path), "--out"]
    environment = {**os.environ, "PYTHONPATH": str(HERE / "src")}
    subprocess.run([*command, str(told)], check=True, env=environment, capture_output=True)
    assert (told / "table.md").read_text(encoding="utf-8") == again
    assert (told / "anytime-cap9.svg").read_text(encoding="utf-8").count("CPU seconds") == 1


def test_places_in_a_set_are_nested(data):
    del data
    from known import spread

    assert [spread(9, k) for k in (1, 2, 3, 5, None)] == [
        [0], [0, 8], [0, 4, 8], [0, 2, 4, 6, 8], list(range(9)),
    ]  # fmt: skip
    assert spread(3, 7) == [0, 1, 2]
    for count in range(1, 30):
        for asked in range(1, count + 1):
            found = spread(count, asked)
            assert len(set(found)) == asked
            assert set(spread(count, max(1, asked - 1))) <= {*found}


def row_of(peer: str, value, bound, cpu_s: float, **more) -> dict:
    return {
        "case": "c", "family": "sjc", "peer": peer, "merged": False, "maximize": True,
        "kind": "covering", "relaxed": value is None, "best_known": None, "value": value,
        "bound": bound, "cpu_s": cpu_s, "wall_s": cpu_s, "clock": "cpu", "limit_s": 20.0, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("own", "peer", "words"),
    [
        ((90, 100), (95, 99, 2.0), "plan better by 5 (5.556%); bound tighter by 1.000%"),
        ((90, 100), (None, 99, 2.0), "bound tighter by 1.000%, a value of first order"),
        ((100, 100), (100, 100, 2.0), "proof in 2.00 for 9.00 CPU s"),
        ((100, 100), (100, 100, 8.99), "nothing"),
        # a bound below a plan that exists is no bound
        ((90, 100), (80, 85, 2.0), "nothing"),
        ((90, 100), (80, None, 2.0), "nothing"),
    ],
)
def test_where_a_peer_is_ahead_is_said(data, own, peer, words):
    del data
    import ahead

    rows = [row_of("groundplan", *own, 9.0, verified_bound=own[1]), row_of("scip", *peer)]
    told = ahead.section(rows)[-1].rpartition(" | ")[2]
    assert told == f"{'scip: ' if words != 'nothing' else ''}{words} |"


def test_a_bound_of_nothing_is_told_as_behind(data):
    del data
    import ahead

    least = {"maximize": False, "kind": "assign"}
    own = row_of("groundplan", 90.0, 80.0, 9.0, verified_bound=80.0, **least)
    rows = [own, row_of("highs-mip", 95.0, 0.0, 9.0, **least)]
    assert ahead.section(rows)[-1].endswith("| nothing |")


def test_a_child_over_its_cpu_limit_is_stopped(data, tmp_path):
    del data
    import fresh

    script = tmp_path / "child.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(FOLDER)!r})\nimport fresh\n"
        "def work(spec):\n    while True:\n        pass\n"
        "fresh.serve(work)\n"
    )
    told = fresh.run(script, {}, kill_cpu_s=1.0, kill_s=120.0)
    assert told["error"] == "nothing by 1 CPU s, killed"
    assert 1.0 <= told["process_cpu_s"] < 10.0
