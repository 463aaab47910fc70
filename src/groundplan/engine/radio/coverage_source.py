"""Where powers come from: tables of a statistical model, or losses over terrain, tile by tile.

Tiles are finished in batches. A store keeps finished tiles, so that a run that was killed goes on
where it stopped; the engine opens no files itself (`plan.radio_store` has the store with files).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import spread
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.table import Network, bucket, tile_count
from groundplan.engine.radio.table_kernel import TILE, rank_tiles
from groundplan.errors import StoppedError

__all__ = ["LOSS_STEP_DB", "MemoryStore", "Part", "Source", "Store", "Windows", "hash_arrays"]

FloatArray = NDArray[np.float64]
Layout = Mapping[str, tuple[tuple[int, ...], str]]
Progress = Callable[[str, int, int], None]
#: Tiles between two looks at `stop`, and tiles of one piece of work: fixed, so that the bytes do
#: not depend on the number of threads.
BATCH = 64
PIECE = 2
#: Step of the losses over terrain, dB; 65535 stands for no signal.
LOSS_STEP_DB = 1.0 / 128.0
NO_SIGNAL = 65535


class Part(Protocol):
    """Arrays that fill up piece by piece."""

    arrays: dict[str, NDArray[Any]]

    def done(self, index: int) -> bool:
        """Return whether a piece is finished and stands in the arrays."""

    def store(self, index: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Note that a piece is finished; `arrays` are its views of the arrays."""


class Store(Protocol):
    """Gives the arrays of a stage, with the pieces that an earlier run has finished."""

    def part(self, name: str, key: str, count: int, layout: Layout) -> Part:
        """Return the arrays of a stage.

        Parameters
        ----------
        name : str
        key : str
            Hash of all inputs; pieces kept under another key must not be taken.
        count : int
            Pieces.
        layout : mapping
            Shape and dtype of each array.
        """


class _Held:
    def __init__(self, layout: Layout) -> None:
        self.arrays = {name: np.zeros(shape, dtype) for name, (shape, dtype) in layout.items()}

    def done(self, index: int) -> bool:  # noqa: ARG002
        return False

    def store(self, index: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        pass


class MemoryStore:
    """Arrays in memory; nothing is kept."""

    def part(self, name: str, key: str, count: int, layout: Layout) -> Part:  # noqa: ARG002
        """Return arrays of zeros."""
        return _Held(layout)


def hash_arrays(*values: Any) -> str:
    """Return the SHA-256 of arrays and plain values, with their types and shapes."""
    digest = hashlib.sha256()
    for value in values:
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype.str}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Windows:
    """Losses over terrain around each mast; empty for the table engine.

    Attributes
    ----------
    window : (n_group,) int64
        First loss of the group's mast in `loss`; -1 without terrain.
    box : (n_group, 4) int32
        First row, first column, rows, columns.
    loss : (n,) uint16
        In steps of `LOSS_STEP_DB`; 65535: no signal.
    """

    window: NDArray[np.int64]
    box: NDArray[np.int32]
    loss: NDArray[np.uint16]

    @classmethod
    def none(cls, n_group: int) -> Windows:
        """Return the windows of a network without terrain."""
        return cls(
            np.full(n_group, -1, np.int64), np.zeros((n_group, 4), np.int32), np.zeros(1, np.uint16)
        )


def power_ratio() -> NDArray[np.float32]:
    """Return the ratio of power for each step of loss; 0 for no signal."""
    ratio = 10.0 ** (-np.arange(65536) * LOSS_STEP_DB / 10.0)
    ratio[NO_SIGNAL] = 0.0
    return ratio.astype(np.float32)


@dataclass
class Source:
    """A network over a grid, ready to be ranked and added up.

    Attributes
    ----------
    network : Network
    grid : Grid
    windows : Windows
    progress : callable
        ``progress(stage, done, total)``.
    stop : callable
        Returns True to end early.
    worked : int
        Pairs of sector and cell worked in the last run.
    """

    network: Network
    grid: Grid
    windows: Windows
    progress: Progress
    stop: Callable[[], bool]
    worked: int = 0
    indptr: NDArray[np.int64] = field(init=False)
    mast: NDArray[np.int32] = field(init=False)
    ratio: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.indptr, self.mast = bucket(self.network, self.grid)
        self.ratio = power_ratio() if self.windows.loss.size > 1 else np.zeros(1, np.float32)

    def key(self, k: int, load: NDArray[np.float32]) -> str:
        """Return the hash of everything that the result follows from."""
        n, g = self.network, self.grid
        return hash_arrays(
            n.place, n.reach, n.entry, n.channel, n.first, n.direction, n.power, n.kind, n.name,
            n.factor, n.table, n.shapes, n.directions, n.least2, load, k,
            g.n_row, g.n_col, g.cell_m, np.zeros(0) if g.inside is None else g.inside,
            self.windows.window, self.windows.box, self.windows.loss,
        )  # fmt: skip

    def layout(self, k: int) -> Layout:
        """Return shapes and types of the arrays that `run` fills."""
        n_row, n_col = self.grid.shape
        return {
            "power": ((k, n_row, n_col), "<f4"),
            "sector": ((k, n_row, n_col), "<i4"),
            "total": ((self.network.n_channel, n_row, n_col), "<f4"),
        }

    def views(self, part: Part, tile: int) -> dict[str, NDArray[Any]]:
        """Return what of the arrays belongs to a tile."""
        across = tile_count(self.grid)[1]
        row, col = (tile // across) * TILE, (tile % across) * TILE
        return {k: v[:, row : row + TILE, col : col + TILE] for k, v in part.arrays.items()}

    def run(
        self, k: int, load: NDArray[np.float32], part: Part, stage: str,
        moved: NDArray[np.bool_] | None = None,
    ) -> None:  # fmt: skip
        """Fill the arrays of `part`, tile by tile.

        Parameters
        ----------
        k : int
            Strongest sectors to keep; 0 to add powers up only.
        load : (n_sector,) float32
            By row of the sector table.
        part : Part
        stage : str
            Name for `progress`.
        moved : (n_sector,) bool, optional
            Add the powers of the groups of these sectors to the sums that stand; `load` then holds
            differences.

        Raises
        ------
        StoppedError
            Where `stop` says so; tiles handed to the part are valid.
        """
        n, g = self.network, self.grid
        down, across = tile_count(g)
        indptr, mast = self.indptr, self.mast
        if moved is not None:
            indptr, mast = self.groups_of(moved)
        todo = np.array([t for t in range(down * across) if not part.done(t)], np.int64)
        inside = np.zeros((0, 0), bool) if g.inside is None else np.ascontiguousarray(g.inside)
        weight = n.weights(load).astype(np.float32)
        worked = np.zeros(todo.size, np.int64)
        done = down * across - todo.size
        for start in range(0, todo.size, BATCH):
            if self.stop():
                raise StoppedError(f"stopped after {done} of {down * across} tiles")
            end = min(start + BATCH, todo.size)
            pieces = [(a, min(a + PIECE, end)) for a in range(start, end, PIECE)]
            spread(
                rank_tiles, pieces, todo, g.n_row, g.n_col, float(g.cell_m), inside, indptr,
                mast, n.place, n.reach, n.entry, n.channel, n.first, n.direction, n.power,
                weight, n.name, n.undo, n.kind, n.table, n.shapes, n.directions,
                np.float32(n.least2), self.windows.window, self.windows.box, self.windows.loss,
                self.ratio, k, n.n_channel, moved is not None, part.arrays["power"],
                part.arrays["sector"], part.arrays["total"], worked,
            )  # fmt: skip
            for t in todo[start:end].tolist():
                part.store(t, self.views(part, t))
            done += end - start
            self.progress(stage, done, down * across)
        self.worked = int(worked.sum())

    def groups_of(self, moved: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the groups of each tile that have one of some sectors."""
        net = self.network
        counts = np.add.reduceat(moved[net.name.astype(np.int64)].astype(np.int64), net.first[:-1])
        use = counts[self.mast] > 0
        before = np.concatenate([[0], np.cumsum(use)])
        return before[self.indptr], self.mast[use]

    def sums(
        self, load: NDArray[np.float32], total: NDArray[np.float32],
        moved: NDArray[np.bool_] | None = None,
    ) -> None:  # fmt: skip
        """Fill `total` with the powers by channel at other loads, or add differences to it."""
        part = _Held({})
        n_row, n_col = self.grid.shape
        part.arrays = {
            "power": np.zeros((0, n_row, n_col), np.float32),
            "sector": np.zeros((0, n_row, n_col), np.int32),
            "total": total,
        }
        self.run(0, load, part, "interference", moved)
