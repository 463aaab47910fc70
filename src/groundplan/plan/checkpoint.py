"""Stop and resume: the solver's state on disk, whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from groundplan.errors import DataError, Finding, UsageError
from groundplan.plan.manifest import write_json

__all__ = ["Workbench"]

LOCK = "lock"


class Workbench:
    """A folder beside the plan folder that holds what a stopped run needs to go on.

    Parameters
    ----------
    plan_folder : Path
        The plan folder; the workbench is ``.<name>.work`` beside it.
    facts : mapping
        What the key is made of, in plain words and numbers; told where two runs differ.
    key : str
        Hash of study, grid and versions: a run goes on only from its own state.
    every_s : float
        Least time between two saves of a state.
    """

    def __init__(
        self, plan_folder: Path, key: str, facts: Mapping[str, Any], every_s: float = 5.0
    ) -> None:
        self.folder = plan_folder.with_name(f".{plan_folder.name}.work")
        self.key = key
        self.facts = dict(facts)
        self.every_s = every_s
        self.saved_at = -np.inf
        self.lock: BinaryIO | None = None

    def open(self, *, resume: bool) -> None:
        """Start afresh, or check that what lies here belongs to this run.

        Raises
        ------
        UsageError
            Where there is nothing to resume, or another run plans into the same folder.
        DataError
            Where the state is of another study, grid, effort or version, or is not readable.
        """
        note = self.folder / "key.json"
        if resume and not note.is_file():
            raise UsageError(f"nothing to resume: no {self.folder}; start without --resume")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.take_lock()
        if resume:
            try:
                self.check_key(note)
            except DataError:
                self.release()
                raise
            return
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()
        write_json(note, {"key": self.key, "facts": self.facts})

    def take_lock(self) -> None:
        """Hold the folder for this process; the system lets go of it however the process ends."""
        self.lock = (self.folder / LOCK).open("ab")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.lock.close()
            self.lock = None
            raise UsageError(
                f"another run is planning into the same folder (it holds {self.folder}); "
                "wait for it or choose another folder with --out"
            ) from None

    def check_key(self, note: Path) -> None:
        """Raise where the saved state is not of this run, naming what differs."""
        again = "start without --resume"
        try:
            found = json.loads(note.read_bytes())
            key, facts = found["key"], found["facts"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                Finding(str(note), 0, "key", str(error), "the key of a stopped run", again)
            ) from error
        if key == self.key:
            return
        differ = [
            Finding(str(note), 0, name, str(facts.get(name)), f"{value}, as asked now", again)
            for name, value in self.facts.items()
            if facts.get(name) != value
        ]
        raise DataError(
            differ
            or Finding(
                str(note), 0, "key", key[:16], f"{self.key[:16]}: the same study and files",
                f"the inputs changed since the run was stopped; {again}",
            ),
            "the stopped run was another one" if differ else "",
        )  # fmt: skip

    def load(self, name: str) -> dict[str, Any] | None:
        """Return the state saved under `name`, or None."""
        path = self.folder / f"{name}.npz"
        if not path.is_file():
            return None
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                state: dict[str, Any] = {k: arrays[k] for k in arrays.files if k != "__plain__"}
                state.update(json.loads(str(arrays["__plain__"])))
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(
                Finding(
                    str(path), 0, "state", str(error), "the state of a stopped run",
                    "start without --resume",
                )
            ) from error  # fmt: skip
        return state

    def save(self, name: str, state: Mapping[str, Any]) -> None:
        """Write a state whole: aside first, then renamed."""
        arrays = {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
        plain = {k: v for k, v in state.items() if k not in arrays}
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{name}.{os.getpid()}.part"
        content: dict[str, Any] = {**arrays, "__plain__": np.array(json.dumps(plain))}
        try:
            with aside.open("wb") as stream:
                np.savez(stream, **content)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(self.folder / f"{name}.npz")
        except BaseException:
            # a full disk must not lose the last good state, nor keep half of a new one
            aside.unlink(missing_ok=True)
            raise
        self.saved_at = time.monotonic()

    def saver(self, name: str) -> Callable[[Mapping[str, Any]], None]:
        """Return a checkpoint function that saves at most every `every_s` seconds."""

        def checkpoint(state: Mapping[str, Any]) -> None:
            if time.monotonic() - self.saved_at >= self.every_s:
                self.save(name, state)

        return checkpoint

    def states(self, key: str) -> dict[str, Any]:
        """Return ``load(name)`` and ``save(name, state)`` for the several states of a system."""
        return {
            "load": lambda name: self.load(f"{key}-{name}"),
            "save": lambda name, state: self.saver(f"{key}-{name}")(state),
        }

    def close(self) -> None:
        """Remove the folder: the plan is whole, or there is nothing to go on from."""
        shutil.rmtree(self.folder)
        self.release()

    def release(self) -> None:
        """Let another run have the folder; what is saved stays."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None
