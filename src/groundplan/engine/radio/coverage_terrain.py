"""Losses over terrain for every mast: the seam between the coverage engine and the sweep.

A terrain engine is a generator over masts, each on one frequency,

``engine(terrain, masts, numbers, terminal_height_m, grid, stop)
-> (number, (row0, col0, loss_db)), ...``

with the loss between isotropic antennas on a window of the grid; NaN means no signal. One sweep
serves all sectors, tilts and powers of a mast on that frequency. Losses are kept in steps of
1/128 dB, so that other loads, powers and tilts need no new sweep.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.radio.coverage_source import (
    LOSS_STEP_DB,
    NO_SIGNAL,
    Progress,
    Store,
    Windows,
    hash_arrays,
)
from groundplan.engine.radio.grid import Grid
from groundplan.engine.radio.network import Carrier, SiteTable
from groundplan.engine.radio.table import Network
from groundplan.errors import Findings, StoppedError

__all__ = ["ENGINES", "Engine", "Masts", "check_terrain", "find_engine", "sweep_windows"]

Stop = Callable[[], bool]
Found = tuple[int, tuple[int, int, NDArray[np.float32]]]
Engine = Callable[..., Iterator[Found]]
#: Masts between two reports of progress.
BATCH = 32


class Masts(NamedTuple):
    """A mast on a frequency, as columns.

    Attributes
    ----------
    x_m, y_m, antenna_height_m, frequency_ghz, reach_m : (n_mast,) float64
    model : (n_mast,) array of str
        Path loss model of the surroundings, for the cells near the mast.
    """

    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    antenna_height_m: NDArray[np.float64]
    frequency_ghz: NDArray[np.float64]
    reach_m: NDArray[np.float64]
    model: NDArray[Any]


def swept(
    terrain: Any, masts: Masts, numbers: NDArray[np.int64], terminal_height_m: float, grid: Grid,
    stop: Stop,
) -> Iterator[Found]:  # fmt: skip
    """Yield losses along radials, on threads."""
    # loaded here: the table engine needs no terrain code
    many = importlib.import_module("groundplan.engine.radio.sweep_many")
    for model in np.unique(masts.model[numbers].astype(str)):
        of = numbers[masts.model[numbers] == model]
        found = many.sweep_masts(
            terrain, masts.x_m[of], masts.y_m[of], masts.antenna_height_m[of], terminal_height_m,
            masts.frequency_ghz[of], masts.reach_m[of], grid, near_model=str(model), stop=stop,
        )  # fmt: skip
        for k, window in found:
            yield int(of[k]), tuple(window)


def direct(
    terrain: Any, masts: Masts, numbers: NDArray[np.int64], terminal_height_m: float, grid: Grid,
    stop: Stop,
) -> Iterator[Found]:  # fmt: skip
    """Yield losses by one profile for each cell: the slow twin of the sweep."""
    direct_mast = importlib.import_module("groundplan.engine.radio.direct").direct_mast
    for m in numbers.tolist():
        if stop():
            return
        yield m, tuple(direct_mast(
            terrain, float(masts.x_m[m]), float(masts.y_m[m]), float(masts.antenna_height_m[m]),
            terminal_height_m, float(masts.frequency_ghz[m]), float(masts.reach_m[m]), grid,
            near_model=str(masts.model[m]),
        ))  # fmt: skip


def over_surroundings(*args: Any) -> Iterator[Found]:
    """Yield the statistical loss of the surroundings with what terrain adds to it."""
    yield from importlib.import_module("groundplan.engine.radio.combined").combined(*args)


#: Engines over terrain by name.
ENGINES: dict[str, Engine] = {"sweep": swept, "direct": direct, "combined": over_surroundings}


def find_engine(name: str) -> Engine:
    """Return a terrain engine."""
    return ENGINES[name]


def check_terrain(sites: SiteTable, terrain: Any, used: NDArray[np.int32]) -> None:
    """Raise with every mast that stands outside the terrain."""
    found = Findings("sites")
    n_row, n_col = np.shape(terrain.height_m)
    east = terrain.x0_m + n_col * terrain.cell_m
    south = terrain.y0_m - n_row * terrain.cell_m
    x, y = sites.x_m[used], sites.y_m[used]
    out = (x < terrain.x0_m) | (x > east) | (y > terrain.y0_m) | (y < south)
    for row in used[out].tolist():
        found.add(
            row + 2, "x_m, y_m", f"{sites.x_m[row]:.0f}, {sites.y_m[row]:.0f}",
            f"{terrain.x0_m:.0f}..{east:.0f}, {south:.0f}..{terrain.y0_m:.0f} m, the terrain",
            "bring a larger terrain or drop the site",
        )  # fmt: skip
    found.raise_if_any()


def mast_boxes(place: NDArray[np.float64], reach_m: NDArray[np.float64],
               grid: Grid) -> NDArray[np.int32]:  # fmt: skip
    """Return first row, first column, rows and columns of the cells around each mast."""
    low = np.floor((place[:, ::-1] - reach_m[:, None]) / grid.cell_m)
    high = np.floor((place[:, ::-1] + reach_m[:, None]) / grid.cell_m) + 1.0
    size = np.array(grid.shape, np.float64)
    low, high = np.clip(low, 0.0, size), np.clip(high, 0.0, size)
    return np.hstack([low, np.maximum(high - low, 0.0)]).astype(np.int32)


def encode(loss_db: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return losses in steps of `LOSS_STEP_DB`; below 0 dB there is no loss to store."""
    is_heard = np.isfinite(loss_db)
    step = np.where(is_heard, loss_db, 0.0) / LOSS_STEP_DB
    return np.where(is_heard, np.clip(np.rint(step), 0, NO_SIGNAL - 1), NO_SIGNAL).astype(np.uint16)


def sweep_windows(
    find: Engine, terrain: Any, sites: SiteTable, carriers: Sequence[Carrier],
    group_carrier: NDArray[np.int32], network: Network, grid: Grid, *, terminal_height_m: float,
    store: Store, engine: str, progress: Progress, stop: Callable[[], bool],
) -> Windows:  # fmt: skip
    """Return the losses around every mast on each of its frequencies.

    Parameters
    ----------
    find : callable
        A terrain engine.
    terrain : Terrain
    sites, carriers, network, grid
        As in `coverage`.
    group_carrier : (n_group,) int32
        A carrier of each group.
    terminal_height_m : float
    store : Store
        Keeps finished masts.
    engine : str
        Name of the engine, part of the key.
    progress, stop : callable

    Returns
    -------
    Windows
    """
    ghz = np.array([c.frequency_ghz for c in carriers])[group_carrier]
    pairs = np.stack([network.group_site.astype(np.float64), ghz], axis=1)
    pair, mast_of = np.unique(pairs, axis=0, return_inverse=True)
    mast_of = mast_of.reshape(-1)
    site = pair[:, 0].astype(np.int32)
    reach_m = np.zeros(len(pair))
    np.maximum.at(reach_m, mast_of, network.reach_m)
    place = np.stack([sites.x_m[site] - grid.x0_m, grid.y0_m - sites.y_m[site]], axis=1)
    box = mast_boxes(place, reach_m, grid)
    size = box[:, 2].astype(np.int64) * box[:, 3]
    start = np.concatenate([[0], np.cumsum(size)])
    key = hash_arrays(
        engine, sites.x_m[site], sites.y_m[site], sites.antenna_height_m[site],
        pair[:, 1], reach_m, sites.model[site], terminal_height_m, terrain.height_m,
        terrain.x0_m, terrain.y0_m, terrain.cell_m,
        np.zeros(0) if terrain.clutter_m is None else terrain.clutter_m,
        grid.x0_m, grid.y0_m, grid.cell_m, grid.n_row, grid.n_col,
    )  # fmt: skip
    # one step more: a window of one cell must not look like no window at all
    part = store.part("masts", key, len(pair), {"loss": ((int(start[-1]) + 2,), "<u2")})
    loss = part.arrays["loss"]

    masts = Masts(
        sites.x_m[site], sites.y_m[site], sites.antenna_height_m[site], pair[:, 1], reach_m,
        np.array(sites.models, dtype=object)[sites.model[site]],
    )  # fmt: skip
    todo = np.array([m for m in range(site.size) if not part.done(m)], np.int64)
    done = site.size - todo.size
    for m, (row0, col0, found) in find(terrain, masts, todo, terminal_height_m, grid, stop):
        target = loss[start[m] : start[m + 1]].reshape(box[m, 2], box[m, 3])
        target[:] = NO_SIGNAL
        a, b = max(row0, int(box[m, 0])), min(row0 + found.shape[0], int(box[m, :3:2].sum()))
        c, d = max(col0, int(box[m, 1])), min(col0 + found.shape[1], int(box[m, 1::2].sum()))
        if a < b and c < d:
            target[a - box[m, 0] : b - box[m, 0], c - box[m, 1] : d - box[m, 1]] = encode(
                found[a - row0 : b - row0, c - col0 : d - col0]
            )
        part.store(m, {"loss": loss[start[m] : start[m + 1]]})
        done += 1
        if done % BATCH == 0 or done == site.size:
            progress("terrain", done, site.size)
    if done < site.size:
        raise StoppedError(f"stopped after {done} of {site.size} masts")
    return Windows(start[mast_of].astype(np.int64), box[mast_of], loss)
