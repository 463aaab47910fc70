"""A system's files are written and its arrays let go before the next; how such a run ends."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest

from groundplan.plan import make_plan, pipeline, verify_plan
from groundplan.plan.folder import PlanFolder
from groundplan.study import read_example


@pytest.fixture(scope="module")
def study():
    """Return the worked example with two of its systems."""
    whole = read_example("henan")
    chosen = {key: whole.sectors[key] for key in ("mobile", "iot")}
    return whole.model_copy(update={"sectors": chosen})


def owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def test_no_two_systems_hold_their_arrays_at_once(study, tmp_path, monkeypatch):
    held: list[weakref.ref] = []
    keys: list[str] = []
    solve, write = pipeline.solve_system, PlanFolder.add

    def solve_system(*args, **options):
        assert [ref for ref in held if ref() is not None] == [], "the system before is held"
        return solve(*args, **options)

    def add(self, plan):
        write(self, plan)
        keys.append(plan.system.sector.key)
        arrays = [
            plan.system.demand, plan.system.cell_environment, plan.assignment,
            plan.served_before, plan.served_after, *(s.values for s in plan.signals),
        ]  # fmt: skip
        assert all(array.size > 1000 for array in arrays)
        held.extend(weakref.ref(owner(array)) for array in arrays)

    monkeypatch.setattr(pipeline, "solve_system", solve_system)
    monkeypatch.setattr(PlanFolder, "add", add)
    told = make_plan(study, tmp_path / "plan", cell_m=5000)
    assert keys == ["mobile", "iot"]
    assert [ref for ref in held if ref() is not None] == []
    assert {"mobile: files", "iot: files", "files"} <= set(told.stages)
    verify_plan(tmp_path / "plan")


def test_a_run_stopped_behind_a_system_goes_on(study, tmp_path):
    seen: list[str] = []
    stopped = make_plan(
        study, tmp_path / "plan", cell_m=5000, stop=lambda: "mobile: files" in seen,
        progress=lambda stage, *_told, **_facts: seen.append(stage),
    )  # fmt: skip
    assert stopped.is_stopped
    verify_plan(tmp_path / "plan")
    make_plan(study, tmp_path / "plan", cell_m=5000, resume=True)
    make_plan(study, tmp_path / "whole", cell_m=5000)
    ours, whole = (tmp_path / name / "plan.json" for name in ("plan", "whole"))
    assert ours.read_bytes() == whole.read_bytes()


def test_an_error_behind_the_first_system_leaves_nothing(study, tmp_path, monkeypatch):
    write = PlanFolder.add

    def add(self, plan):
        write(self, plan)
        assert [p.name for p in tmp_path.iterdir() if ".new." in p.name] == [self.aside.name]
        raise ValueError("no more")

    monkeypatch.setattr(PlanFolder, "add", add)
    with pytest.raises(ValueError, match="no more"):
        make_plan(study, tmp_path / "plan", cell_m=5000)
    assert list(Path(tmp_path).iterdir()) == []
