"""Where a plan may be written: never over a user's files, and whole after any kind of end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from groundplan.errors import DataError, UsageError
from groundplan.plan.checkpoint import Workbench
from groundplan.plan.manifest import write_json, write_manifest
from groundplan.plan.placing import make_room, new_folder, put_in_place

#: No process has it: above the largest number Linux gives.
DEAD = 2**22 + 1


def plan_folder(folder: Path, text: str = "old") -> Path:
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(text, encoding="utf-8")
    write_manifest(folder, {})
    return folder


def test_a_free_place_an_empty_folder_and_an_old_plan_are_taken(tmp_path):
    make_room(tmp_path / "new")
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    make_room(tmp_path / "empty")
    make_room(plan_folder(tmp_path / "old"))


def test_a_users_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "mine" / "deep" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="is no plan folder"):
        make_room(tmp_path / "mine")
    assert (tmp_path / "mine" / "deep" / "thesis.txt").read_text(
        encoding="utf-8"
    ) == "years of work"


def test_a_file_is_refused(tmp_path):
    (tmp_path / "plan").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"):
        make_room(tmp_path / "plan")


@pytest.mark.parametrize("manifest", ["{", "[]", '{"format": "other"}'])
def test_a_manifest_of_something_else_opens_no_door(tmp_path, manifest):
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "manifest.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(UsageError, match="is no plan folder"):
        make_room(tmp_path / "plan")


def test_a_users_file_in_a_plan_folder_is_named(tmp_path):
    folder = plan_folder(tmp_path / "plan")
    (folder / "notes.docx").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"notes\.docx"):
        make_room(folder)
    with pytest.raises(UsageError, match=r"notes\.docx"):
        put_in_place(new_folder(folder), folder)
    assert (folder / "notes.docx").is_file()


def test_what_qgis_leaves_beside_a_layer_is_no_users_file(tmp_path):
    folder = tmp_path / "plan"
    folder.mkdir()
    (folder / "assets.gpkg").write_bytes(b"")
    write_manifest(folder, {})
    for name in ("assets.gpkg-wal", "assets.gpkg-shm", "assets.gpkg.aux.xml"):
        (folder / name).write_bytes(b"")
    make_room(folder)


def test_a_new_plan_takes_the_place_of_an_old_one(tmp_path):
    folder = plan_folder(tmp_path / "plan")
    aside = new_folder(folder)
    (aside / "plan.json").write_text("new", encoding="utf-8")
    put_in_place(aside, folder)
    assert (folder / "plan.json").read_text(encoding="utf-8") == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["plan"]


def test_a_run_killed_between_the_renames_loses_no_plan(tmp_path):
    plan_folder(tmp_path / f".plan.old.{DEAD}")
    (tmp_path / f".plan.new.{DEAD}").mkdir()
    make_room(tmp_path / "plan")
    assert [p.name for p in tmp_path.iterdir()] == ["plan"]
    assert (tmp_path / "plan" / "plan.json").read_text(encoding="utf-8") == "old"


def test_the_folder_of_a_living_run_is_left_alone(tmp_path):
    living = tmp_path / f".plan.new.{os.getppid()}"
    living.mkdir()
    make_room(tmp_path / "plan")
    assert living.is_dir()


FACTS = {"study": "s", "cell_m": 1000.0}


def bench(folder: Path, key: str = "k", **facts: object) -> Workbench:
    return Workbench(folder / "plan", key, {**FACTS, **facts})


def test_a_state_comes_back_as_it_was_saved(tmp_path):
    first = bench(tmp_path)
    first.open(resume=False)
    first.save("mobile", {"step": 3, "price": np.arange(4)})
    first.release()
    again = bench(tmp_path)
    again.open(resume=True)
    state = again.load("mobile")
    assert state is not None
    assert state["step"] == 3
    assert state["price"].tolist() == [0, 1, 2, 3]
    again.close()
    assert list(tmp_path.iterdir()) == []


def test_another_cell_size_cannot_resume_and_is_named(tmp_path):
    first = bench(tmp_path)
    first.open(resume=False)
    first.release()
    with pytest.raises(DataError, match=r"cell_m: got 1000\.0, expected 250\.0") as caught:
        bench(tmp_path, "other", cell_m=250.0).open(resume=True)
    assert "start without --resume" in str(caught.value)


def test_changed_inputs_cannot_resume(tmp_path):
    first = bench(tmp_path)
    first.open(resume=False)
    first.release()
    with pytest.raises(DataError, match="inputs changed"):
        bench(tmp_path, "other").open(resume=True)


def test_a_broken_key_or_state_is_named(tmp_path):
    first = bench(tmp_path)
    first.open(resume=False)
    first.save("mobile", {"price": np.arange(1000)})
    path = first.folder / "mobile.npz"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"mobile\.npz"):
        first.load("mobile")
    (first.folder / "key.json").write_text("{", encoding="utf-8")
    first.release()
    with pytest.raises(DataError, match=r"key\.json"):
        bench(tmp_path).open(resume=True)


def test_a_full_disk_keeps_the_last_good_state(tmp_path, monkeypatch):
    first = bench(tmp_path)
    first.open(resume=False)
    first.save("mobile", {"step": 1})

    def full(stream, **_content):
        stream.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        first.save("mobile", {"step": 2})
    state = first.load("mobile")
    assert state is not None
    assert state["step"] == 1
    assert sorted(p.name for p in first.folder.iterdir()) == ["key.json", "lock", "mobile.npz"]
    first.close()


def test_two_runs_cannot_share_a_folder(tmp_path):
    code = (
        "import sys; from pathlib import Path; from groundplan.plan.checkpoint import Workbench\n"
        "w = Workbench(Path(sys.argv[1]), 'k', {}); w.open(resume=False); print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "plan")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another run"):
            bench(tmp_path).open(resume=False)
        other.kill()
        other.wait()
    # the system lets go of a killed run's lock
    mine = bench(tmp_path)
    mine.open(resume=False)
    mine.close()


def test_a_report_written_again_hides_no_other_change(tmp_path):
    from groundplan.plan import reseal
    from groundplan.plan.manifest import RUN, manifest_differences, write_sealed

    folder = plan_folder(tmp_path / "plan")
    write_sealed(folder / RUN, {})
    write_json(folder / "plan.json", {"changed": True})
    (folder / "report.html").write_text("new", encoding="utf-8")
    reseal(folder)
    assert [text.split(":")[0] for text in manifest_differences(folder)] == ["plan.json"]
