"""Stop and resume: the solver's state on disk, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from groundplan.errors import DataError, Finding, UsageError
from groundplan.plan.manifest import write_json

__all__ = ["Workbench"]


class Workbench:
    """A folder beside the plan folder that holds what a stopped run needs to go on.

    Parameters
    ----------
    plan_folder : Path
        The plan folder; the workbench is ``.<name>.work`` beside it.
    key : str
        Hash of study, grid and versions: a run goes on only from its own state.
    every_s : float
        Least time between two saves of a state.
    """

    def __init__(self, plan_folder: Path, key: str, every_s: float = 5.0) -> None:
        self.folder = plan_folder.with_name(f".{plan_folder.name}.work")
        self.key = key
        self.every_s = every_s
        self.saved_at = -np.inf

    def open(self, *, resume: bool) -> None:
        """Start afresh, or check that what lies here belongs to this run."""
        note = self.folder / "key.json"
        if resume:
            if not note.is_file():
                raise UsageError(f"nothing to resume: no {self.folder}; start without --resume")
            found = json.loads(note.read_bytes())["key"]
            if found != self.key:
                raise DataError(
                    Finding(
                        str(note),
                        0,
                        "key",
                        found[:16],
                        f"{self.key[:16]}: the same study, files, grid and version",
                        "the inputs changed since the run was stopped; start without --resume",
                    )
                )
            return
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        write_json(note, {"key": self.key})

    def load(self, name: str) -> dict[str, Any] | None:
        """Return the state saved under `name`, or None."""
        path = self.folder / f"{name}.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            state: dict[str, Any] = {k: arrays[k] for k in arrays.files if k != "__plain__"}
            state.update(json.loads(str(arrays["__plain__"])))
        return state

    def save(self, name: str, state: Mapping[str, Any]) -> None:
        """Write a state whole: aside first, then renamed."""
        arrays = {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
        plain = {k: v for k, v in state.items() if k not in arrays}
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{name}.{os.getpid()}.npz"
        content: dict[str, Any] = {**arrays, "__plain__": np.array(json.dumps(plain))}
        np.savez(aside, **content)
        aside.replace(self.folder / f"{name}.npz")
        self.saved_at = time.monotonic()

    def saver(self, name: str) -> Callable[[Mapping[str, Any]], None]:
        """Return a checkpoint function that saves at most every `every_s` seconds."""

        def checkpoint(state: Mapping[str, Any]) -> None:
            if time.monotonic() - self.saved_at >= self.every_s:
                self.save(name, state)

        return checkpoint

    def close(self) -> None:
        """Remove the folder: the plan is whole."""
        shutil.rmtree(self.folder, ignore_errors=False)
