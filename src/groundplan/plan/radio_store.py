"""Files behind a coverage run: arrays mapped from disk, and which pieces of them are finished."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding
from groundplan.plan.manifest import write_json

__all__ = ["RadioStore", "StoredPart"]

Layout = Mapping[str, tuple[tuple[int, ...], str]]
AGAIN = "start without resuming, or name another folder"


class StoredPart:
    """The arrays of one stage, with a list of finished pieces beside them.

    Pieces are named in the list only after the arrays were written through, so a run that was
    killed at any moment finds whole pieces or none.
    """

    def __init__(
        self, folder: Path, name: str, arrays: dict[str, NDArray[Any]], count: int, every_s: float
    ) -> None:
        self.arrays = arrays
        self.list: BinaryIO = (folder / f"{name}.done").open("r+b")
        raw = self.list.read()
        finished = np.frombuffer(raw[: len(raw) // 4 * 4], "<u4").astype(np.int64)
        self.finished = np.zeros(count, bool)
        self.finished[finished[finished < count]] = True
        self.list.seek(len(raw) // 4 * 4)
        self.waiting: list[int] = []
        self.every_s = every_s
        self.flushed_at = time.monotonic()

    def done(self, index: int) -> bool:
        """Return whether a piece is finished."""
        return bool(self.finished[index])

    def store(self, index: int, arrays: Mapping[str, NDArray[Any]]) -> None:  # noqa: ARG002
        """Note a finished piece; `arrays` are views of the mapped files, so the data is there."""
        self.waiting.append(index)
        if time.monotonic() - self.flushed_at >= self.every_s:
            self.flush()

    def flush(self) -> None:
        """Write the arrays through, then the list of finished pieces."""
        for array in self.arrays.values():
            if isinstance(array, np.memmap):
                array.flush()
        self.list.write(np.array(self.waiting, "<u4").tobytes())
        self.list.flush()
        self.finished[self.waiting] = True
        self.waiting = []
        self.flushed_at = time.monotonic()


class RadioStore:
    """A folder that keeps what a coverage run has finished.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    resume : bool
        Take the pieces of an earlier run of the same inputs; otherwise begin afresh.
    every_s : float
        Least time between two writes through.

    Examples
    --------
    Use it as a context, so that the last pieces are written through however the run ends::

        with RadioStore(Path("henan.radio"), resume=True) as store:
            found = coverage(sites, sectors, grid, carriers, store=store)
    """

    def __init__(self, folder: Path, *, resume: bool = False, every_s: float = 5.0) -> None:
        self.folder = folder
        self.resume = resume
        self.every_s = every_s
        self.parts: list[StoredPart] = []

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write everything through and close the lists; mapped arrays stay readable."""
        for part in self.parts:
            part.flush()
            part.list.close()
        self.parts = []

    def part(self, name: str, key: str, count: int, layout: Layout) -> StoredPart:
        """Return the mapped arrays of a stage; see `engine.radio.coverage_source.Store`.

        Raises
        ------
        DataError
            Where the folder holds a run of other inputs, or files that are not whole.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        note = self.folder / f"{name}.json"
        facts = {
            "key": key,
            "count": count,
            "layout": {k: [list(shape), dtype] for k, (shape, dtype) in layout.items()},
        }
        is_old = self.resume and note.is_file()
        if is_old:
            self.check(note, facts)
        else:
            note.unlink(missing_ok=True)
            (self.folder / f"{name}.done").write_bytes(b"")
        arrays = {
            k: self.map(self.folder / f"{name}.{k}.npy", shape, dtype, is_old=is_old)
            for k, (shape, dtype) in layout.items()
        }
        if not is_old:
            # last: a folder without its note holds nothing to go on from
            write_json(note, facts)
        part = StoredPart(self.folder, name, arrays, count, self.every_s)
        self.parts.append(part)
        return part

    def check(self, note: Path, facts: Mapping[str, Any]) -> None:
        """Raise where the note is not of these inputs."""
        try:
            found = json.loads(note.read_bytes())
            differ = {k: found[k] for k in facts if found[k] != facts[k]}
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                Finding(str(note), 0, "key", str(error), "the note of a coverage run", AGAIN)
            ) from error
        if differ:
            raise DataError([
                Finding(str(note), 0, k, str(v)[:60], f"{str(facts[k])[:60]}, as asked now", AGAIN)
                for k, v in differ.items()
            ])  # fmt: skip

    def map(self, path: Path, shape: tuple[int, ...], dtype: str, *, is_old: bool) -> NDArray[Any]:
        """Return an array mapped from a file, made where it is new."""
        if not is_old:
            return np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
        try:
            array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r+")
        except (OSError, ValueError) as error:
            raise DataError(
                Finding(str(path), 0, "", str(error), "the arrays of a coverage run", AGAIN)
            ) from error
        if array.shape != shape or array.dtype != np.dtype(dtype):
            raise DataError(
                Finding(str(path), 0, "", f"{array.dtype} {array.shape}",
                        f"{np.dtype(dtype)} {shape}", AGAIN)
            )  # fmt: skip
        return array

    def allocate(self, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Return a new mapped array, for `RadioCoverage.matrix`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if 0 in shape:
            return np.empty(shape, dtype)
        return self.map(self.folder / f"matrix.{name}.npy", shape, dtype, is_old=False)
