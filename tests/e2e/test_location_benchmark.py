"""The command that runs groundplan beside its peers, here alone on 1,000 cells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
FOLDER = HERE / "benchmarks" / "location"


def run(*arguments, folder):
    """Run compare.py in `folder`; the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(HERE / "src")}
    command = [sys.executable, str(FOLDER / "compare.py"), *arguments, "--out", str(folder)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=folder
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    done = run("--sizes", "1k", "--peers", "groundplan", "spopt", "highs-mip", folder=folder)
    assert done.returncode == 0, done.stderr
    lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    return folder, [json.loads(line) for line in lines]


def test_a_fresh_process_was_measured_and_its_plan_judged(ran):
    _folder, rows = ran
    own = next(r for r in rows if r["peer"] == "groundplan")
    assert "error" not in own
    assert own["value"] == own["verified_value"] == own["bound"] == own["verified_bound"] > 0
    for name in ("wall_s", "cpu_s", "process_wall_s", "process_cpu_s", "peak_mib", "load"):
        assert own[name] > 0, name
    # the interpreter and its imports are in the process, not in the work
    assert own["process_cpu_s"] > own["cpu_s"]
    assert own["peak_mib"] > 20
    times = [point[0] for point in own["curve"]]
    assert times == sorted(times)
    assert own["curve"][-1][1:] == [own["value"], own["bound"]]


def test_the_table_has_its_columns_and_names_who_did_not_run(ran):
    folder, _rows = ran
    lines = (folder / "table.md").read_text(encoding="utf-8").splitlines()
    begin = lines.index("### tight 1k")
    lines = [line for line in lines[begin:] if line[:1] == "|"]
    head, _rule, *body = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    assert head == [
        "who", "value", "bound", "bound by", "gap", "claims", "in truth", "wall s", "built s",
        "CPU s", "matched at s", "peak MiB", "process wall / CPU s", "others",
    ]  # fmt: skip
    assert all(len(row) == len(head) for row in body)
    found = {row[0]: row for row in body}
    assert found["groundplan"][6] == "optimal"
    for peer in ("spopt", "highs-mip", "highs-mip + merged rows"):
        assert found[peer][5] == "not run: no --peer-python"
    assert (folder / "anytime-tight-1k.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("claim", "value", "bound", "words"),
    [
        ("Optimal", 90, None, "**not optimal**; 10 (10.000%) off the best"),
        ("Optimal", 100, 100, "optimal"),
        ("Feasible", 100, 99, "optimal; **bound false by 1**"),
        ("Optimal (LP)", None, 99, "**bound false by 1**; no plan"),
    ],
)
def test_what_is_true_stands_beside_what_was_claimed(monkeypatch, claim, value, bound, words):
    monkeypatch.syspath_prepend(str(FOLDER))
    from report import best_of, truth

    own = {
        "maximize": True, "value": 100, "best_known": None, "verified_bound": 100,
        "kind": "covering", "relaxed": False,
    }  # fmt: skip
    row = {**own, "claim": claim, "value": value, "bound": bound, "relaxed": value is None}
    del row["verified_bound"]
    assert truth(row, *best_of([own, row])) == words


def test_a_failing_child_says_why(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    import fresh

    script = tmp_path / "child.py"
    script.write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {str(FOLDER)!r})\n"
        "import fresh\n"
        "def work(spec):\n"
        "    if spec['how'] == 'sleep':\n"
        "        time.sleep(60)\n"
        "    if spec['how'] == 'leave':\n"
        "        sys.exit('no reply')\n"
        "    raise ValueError('the word')\n"
        "fresh.serve(work)\n"
    )
    assert fresh.run(script, {"how": "raise"})["error"] == "ValueError: the word"
    assert fresh.run(script, {"how": "leave"})["error"] == "ended with 1: no reply"
    assert fresh.run(script, {"how": "sleep"}, kill_s=0.5)["error"] == "nothing by 0.5 s, killed"


def test_plans_are_judged_on_the_raw_rows(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import numpy as np
    import programs

    lists = {"row_indptr": np.array([0, 2, 3, 3]), "row_indices": np.array([0, 1, 1])}
    covering = {"kind": "covering", **lists, "weight": np.array([5, 7, 9]), "n_site": 2, "p": 1}
    assert programs.value_of(covering, [0]) == 5
    assert programs.value_of(covering, [1]) == 12
    with pytest.raises(ValueError, match="2 sites, allowed 1"):
        programs.value_of(covering, [0, 1])
    cost = np.array([[1.0, 9.0], [4.0, 2.0], [6.0, 3.0]])
    assign = {"kind": "assign", "cost": cost, "opening": np.array([10.0, 20.0]), "p": -1}
    assert programs.value_of(assign, [0, 1]) == 30 + 1 + 2 + 3
    # site 1 serves two of four units: the customer that gains least goes elsewhere in part
    limits = {"demand": np.array([1, 1, 2]), "capacity": np.array([4, 2])}
    assert programs.value_of({**assign, **limits}, [0, 1]) == pytest.approx(30 + 1 + 2 + 4.5)
    single = {**assign, **limits, "single": True}
    assert programs.value_of(single, [0, 1], [0, 0, 1]) == 30 + 1 + 4 + 3
    with pytest.raises(ValueError, match="more than it holds"):
        programs.value_of(single, [0, 1], [0, 1, 1])
