"""Many masts over one terrain: on threads, in order, with a way to watch and to stop.

Masts are worked on in batches, one thread each; the loss of a mast does not depend on its
neighbours, so any number of threads gives the same bytes. Bands of one mast (same place, heights
and reach) share its sweep.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from groundplan.engine._jit import chunks, thread_count
from groundplan.engine.radio.bullington import check_link
from groundplan.engine.radio.mast import (
    Cells,
    GridLike,
    MastLoss,
    link_loss,
    near_table,
    on_one_thread,
    read_cells,
)
from groundplan.engine.radio.sweep import (
    LOWEST_GHZ,
    Settings,
    build_geometry,
    check_sweep,
)
from groundplan.engine.radio.terrain import Terrain

__all__ = ["sweep_masts"]

#: Links and cells per batch: enough to hide the hand-over, few enough to stop at once and to keep
#: what waits for the reader small.
BATCH, BATCH_CELLS = 64, 2_000_000
#: Batches ahead of the reader, per thread: bounds the memory.
AHEAD = 3


def sweep_masts(
    terrain: Terrain,
    x_m: ArrayLike,
    y_m: ArrayLike,
    antenna_height_m: ArrayLike,
    terminal_height_m: float,
    frequency_ghz: ArrayLike,
    reach_m: ArrayLike,
    grid: GridLike | Cells,
    *,
    polarisation: str = "vertical",
    near_model: str | None = "UMa",
    step_m: float | None = None,
    spacing_m: float | None = None,
    delta_n: float = 45.0,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[tuple[int, MastLoss]]:
    """Yield the loss of many links, in their order.

    Parameters
    ----------
    terrain : Terrain
        Ground and, where it has one, clutter.
    x_m, y_m, antenna_height_m, frequency_ghz, reach_m : (n_link,) array or float
        A link is one band of one mast. Links of one mast that follow each other share its sweep.
    terminal_height_m, grid, polarisation, near_model, step_m, spacing_m, delta_n
        As in `sweep_mast`.
    progress : callable, optional
        Called with links done and links in all, after each batch.
    stop : callable, optional
        Asked before each batch; True ends the run there: what was yielded stays valid.

    Yields
    ------
    int, MastLoss
        Number of the link, and its loss.

    Raises
    ------
    ValueError
        All impossible links at once, before the first sweep: number, argument, value, expected.
    """
    x, y, antenna, frequency, reach = (
        np.array(a, dtype=np.float64)
        for a in np.broadcast_arrays(
            np.atleast_1d(x_m), y_m, antenna_height_m, frequency_ghz, reach_m
        )
    )
    lowest = min(LOWEST_GHZ, float(frequency.min(initial=LOWEST_GHZ)))
    cells = read_cells(grid)
    settings = _check_all(
        terrain,
        (x, y, antenna, frequency, reach),
        (terminal_height_m, lowest, delta_n),
        cells,
        (step_m, spacing_m),
        polarisation,
    )
    if near_model is not None and x.size:  # an unknown name fails here, not in the middle
        near_table(near_model, float(frequency[0]), float(antenna[0]), float(terminal_height_m))

    def batch(lo: int, hi: int) -> list[MastLoss]:
        found: list[MastLoss] = []
        last: tuple[float, ...] = ()
        geometry = None
        for j in range(lo, hi):
            key = (x[j], y[j], antenna[j], reach[j])
            if geometry is None or key != last:
                geometry = build_geometry(
                    terrain,
                    (float(x[j]), float(y[j])),
                    (float(antenna[j]), float(terminal_height_m)),
                    float(reach[j]),
                    cells,
                    settings,
                    on_one_thread,
                )
                last = key
            loss = link_loss(geometry, float(frequency[j]), polarisation, near_model, on_one_thread)
            found.append(MastLoss(geometry.window.row0, geometry.window.col0, loss))
        return found

    window = min(float(cells[3] * cells[4]), (2.0 * float(reach.max(initial=0.0)) / cells[2]) ** 2)
    size = max(1, min(BATCH, int(BATCH_CELLS / max(window, 1.0))))
    ranges = chunks(x.size, -(-x.size // size)) if x.size else []
    return _in_order(batch, ranges, x.size, progress, stop)


def _in_order(
    batch: Callable[[int, int], list[MastLoss]],
    ranges: list[tuple[int, int]],
    total: int,
    progress: Callable[[int, int], None] | None,
    stop: Callable[[], bool] | None,
) -> Iterator[tuple[int, MastLoss]]:
    """Run batches on threads, a few ahead of the reader, and yield their links in order."""
    threads = thread_count()
    waiting: deque[tuple[int, int, Future[list[MastLoss]]]] = deque()
    queue = iter(ranges)
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                while len(waiting) < threads * AHEAD:
                    following = None if stop is not None and stop() else next(queue, None)
                    if following is None:
                        queue = iter(())
                        break
                    waiting.append((*following, pool.submit(batch, *following)))
                if not waiting:
                    return
                lo, hi, future = waiting.popleft()
                yield from zip(range(lo, hi), future.result(), strict=True)
                if progress is not None:
                    progress(hi, total)
        finally:
            for _, _, future in waiting:
                future.cancel()


def _check_all(
    terrain: Terrain,
    links: tuple[Any, Any, Any, Any, Any],
    common: tuple[float, float, float],
    cells: Cells,
    spacing: tuple[float | None, float | None],
    polarisation: str,
) -> Settings:
    """Check every link and report all that cannot be; return the settings."""
    terminal_m, lowest, delta_n = common
    wrong: list[str] = []
    step, space, delta_n, _ = check_sweep(
        terrain, (30.0, terminal_m, LOWEST_GHZ, 1.0, delta_n), cells, *spacing
    )
    for j, (x, y, antenna, frequency, reach) in enumerate(zip(*links, strict=True)):
        try:
            terrain.place(x, y)
            check_link(antenna, terminal_m, frequency, polarisation)
            if not (np.isfinite(reach) and reach > 0):
                raise ValueError(f"reach_m must be > 0; got {reach}")  # noqa: TRY301
        except ValueError as error:
            wrong.append(f"link {j}: {error}")
    if wrong:
        shown = "\n".join(f"  * {line}" for line in wrong[:20])
        more = f"\n  * and {len(wrong) - 20} more" if len(wrong) > 20 else ""
        raise ValueError(f"{len(wrong)} of {links[0].size} links cannot be:\n{shown}{more}")
    return step, space, delta_n, lowest
