"""What the command line promises: one line for a wrong call, data for a program, codes, no waiting."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from groundplan.cli.main import main

CLI = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def run(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "groundplan.cli", *args],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip


WRONG = [
    ("demo",),
    ("demo", "henna"),
    ("demo", "henan", "--cell", "300"),
    ("demo", "henan", "--cell", "-1"),
    ("demo", "henan", "--gap", "3"),
    ("plan", "a", "b"),
    ("plan", "absent.toml"),
    ("check", "absent.toml"),
    ("verify", "absent"),
    ("report", "absent"),
    ("region", "check", "absent"),
    ("region", "nonsense"),
    ("nonsense",),
    ("version", "--nonsense"),
]


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
def test_a_wrong_call_gives_one_line_and_2(args, tmp_path):
    out = run(*args, cwd=tmp_path)
    assert out.returncode == 2
    assert out.stdout == ""
    assert out.stderr.startswith("error: ")
    assert out.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
def test_a_wrong_call_is_data_where_data_is_asked_for(args, tmp_path):
    out = run(*args, "--json", cwd=tmp_path)
    told = json.loads(out.stdout)
    assert out.returncode == told["exit_code"] == 2
    assert told["format"] == "groundplan-cli/1"
    assert told["error"] == "UsageError"
    assert told["message"]
    assert out.stderr == ""


def test_data_of_the_light_commands(tmp_path):
    told = json.loads(run("version", "--json", cwd=tmp_path).stdout)
    assert told["format"] == "groundplan-cli/1"
    assert told["command"] == "version"
    assert told["groundplan"]
    assert "$schema" in json.loads(run("schema", "--json", cwd=tmp_path).stdout)
    told = json.loads(run("new", "mine", "--json", cwd=tmp_path).stdout)
    assert told["written"] == "mine/study.toml"
    told = json.loads(run("check", "mine", "--json", cwd=tmp_path).stdout)
    assert told["findings"] == []
    assert told["systems"]["mobile"]["to_add"] == 1000
    (tmp_path / "mine" / "study.toml").write_text("seed = -1", encoding="utf-8")
    out = run("check", "mine", "--json", cwd=tmp_path)
    told = json.loads(out.stdout)
    assert out.returncode == told["exit_code"] == 3
    assert len(told["findings"]) > 3
    assert {"file", "row", "column", "got", "expected", "hint"} <= set(told["findings"][0])


def test_help_is_light():
    code = (
        "import sys, time\nfrom groundplan.cli.main import main\n"
        "try:\n    main(['plan', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(time.process_time(), *sorted({m.split('.')[0] for m in sys.modules}))"
    )
    spent, loaded = [], set()
    for _ in range(3):
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        last = out.stdout.strip().splitlines()[-1].split()
        spent.append(float(last[0]))
        loaded = set(last[1:])
    assert min(spent) < 0.3
    assert not {"numpy", "numba", "pyarrow", "pydantic", "pandas", "scipy"} & loaded


def test_the_reference_names_every_command_option_and_code():
    text = CLI.read_text(encoding="utf-8")
    commands = dict(main.commands)
    for name, group in main.commands.items():
        if isinstance(group, click.Group):
            del commands[name]
            commands |= {f"{name} {part}": command for part, command in group.commands.items()}
    for name, command in commands.items():
        assert f"groundplan {name}" in text
        for option in command.params:
            if isinstance(option, click.Option):
                assert f"`{max(option.opts, key=len)}" in text, (name, option.opts)
    for code in (0, 1, 2, 3, 4, 5, 70, 130):
        assert f"| {code} |" in text


def test_a_fault_of_the_program_is_not_taken_for_an_answer(monkeypatch, capsys):
    from groundplan.cli import action

    def fail() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(action, "version", fail)
    with pytest.raises(SystemExit) as caught:
        main(["version"])
    assert caught.value.code == 70
    told = capsys.readouterr().err
    assert "boom" in told
    assert "please report" in told


def test_progress_tells_rate_rest_bound_and_gap(monkeypatch):
    import io

    from groundplan.cli.progress import Progress

    now = [0.0]
    monkeypatch.setattr("groundplan.cli.progress.time.monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(stream=stream)
    progress("mobile: bound", 0, 600)
    now[0] = 2.0
    progress("mobile: bound", 200, 600, value=990.0, bound=1000.0)
    assert stream.getvalue() == ""  # no terminal: a line at the end of a stage only
    progress.close()
    assert stream.getvalue() == (
        "[   2.0 s] mobile: bound 200/600, 100.0/s, at most 4 s left, "
        "value 990, bound 1,000, gap 1.000%\n"
    )
    quiet = io.StringIO()
    Progress(quiet=True, stream=quiet)("mobile: bound", 1, 2)
    assert quiet.getvalue() == ""
