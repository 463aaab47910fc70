"""Statistical loss of the surroundings with what terrain adds to it, mast by mast.

TR 38.901 holds for ground without hills, P.1812 on bare heights for hills without houses. Here the
loss is the first, averaged over the probability of sight, plus what the path over the terrain loses
beyond the same path over even ground, never less than the first alone. A terrain engine of
`coverage`: ``engine="combined"``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.radio.obstruction import POINTS, EvenGround
from groundplan.engine.radio.pathloss import path_loss

__all__ = ["combined"]

FloatArray = NDArray[np.float64]
Found = tuple[int, tuple[int, int, NDArray[np.float32]]]
#: Where the models of TR 38.901 begin, m.
NEAR_M = 10.0
#: Steps of a profile are the cells of the terrain, at most this long, m.
STEP_MAX_M = 100.0


class Surroundings:
    """Mean loss of TR 38.901 by distance, kept for each kind of mast."""

    def __init__(self, terminal_height_m: float) -> None:
        self.terminal_height_m = terminal_height_m
        self.kept: dict[tuple[str, float, float, float], FloatArray] = {}

    def table(self, model: str, high_m: float, f_ghz: float, reach_m: float) -> FloatArray:
        """Return the loss at `POINTS` distances from `NEAR_M` to the reach, even on a log scale."""
        key = (model, high_m, f_ghz, reach_m)
        if key not in self.kept:
            d = np.geomspace(NEAR_M, max(reach_m, 2.0 * NEAR_M), POINTS)
            found = path_loss(model, d, f_ghz, high_m, self.terminal_height_m)
            self.kept[key] = np.asarray(found.loss_db)
        return self.kept[key]


def combined(
    terrain: Any, masts: Any, numbers: NDArray[np.int64], terminal_height_m: float, grid: Any,
    stop: Callable[[], bool],
) -> Iterator[Found]:  # fmt: skip
    """Yield the loss of every mast on its window of the grid; see `coverage_terrain`."""
    from groundplan.engine.radio.sweep_many import sweep_masts

    step_m = min(STEP_MAX_M, float(terrain.cell_m))
    even = EvenGround(terminal_height_m, step_m)
    surroundings = Surroundings(terminal_height_m)
    x, y = masts.x_m[numbers], masts.y_m[numbers]
    swept = sweep_masts(
        terrain, x, y, masts.antenna_height_m[numbers], terminal_height_m,
        masts.frequency_ghz[numbers], masts.reach_m[numbers], grid, near_model=None,
        step_m=step_m, stop=stop,
    )  # fmt: skip
    for k, window in swept:
        m = int(numbers[k])
        high, f, reach = (
            float(column[m])
            for column in (masts.antenna_height_m, masts.frequency_ghz, masts.reach_m)
        )
        n_row, n_col = window.loss_db.shape
        north = grid.y0_m - (window.row0 + np.arange(n_row) + 0.5) * grid.cell_m - y[k]
        east = grid.x0_m + (window.col0 + np.arange(n_col) + 0.5) * grid.cell_m - x[k]
        d = np.hypot(north[:, None], east[None, :])
        share = np.linspace(0.0, reach, POINTS)
        added = window.loss_db - np.interp(d, share, even.table(high, f, reach))
        # nearer than two steps there is no profile, and no hill
        added = np.where(np.isfinite(added), np.maximum(added, 0.0), 0.0)
        places = np.linspace(np.log(NEAR_M), np.log(max(reach, 2.0 * NEAR_M)), POINTS)
        table = surroundings.table(str(masts.model[m]), high, f, reach)
        loss = np.interp(np.log(np.maximum(d, NEAR_M)), places, table) + added
        loss[d > reach] = np.nan
        yield m, (window.row0, window.col0, loss.astype(np.float32))
