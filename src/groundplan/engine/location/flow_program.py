"""Flow refuelling as a linear or mixed-integer program over windows, for HiGHS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.flow_windows import Windows
from groundplan.engine.location.relaxation import Relaxation

__all__ = ["MIP_NODES", "solve_windows", "window_program"]

BoolArray = NDArray[np.bool_]
#: Branchings of the mixed-integer solver on a restricted problem: a count, so that it repeats.
MIP_NODES = 500


def window_program(
    windows: Windows,
    candidate: BoolArray,
    cost: NDArray[np.int64],
    budget: int,
    halt: Callable[[], bool] | None = None,
) -> Relaxation:
    """Return ``max sum v z, z_q <= sum of y in each window, f y <= B``: sites first, then paths."""
    w, n = windows, windows.n_site
    live = np.flatnonzero(np.diff(w.window_ptr) > 0)
    column = np.full(w.volume.size, -1)
    column[live] = n + np.arange(live.size)
    length = (w.hi - w.lo).astype(np.int64)
    end = np.cumsum(length + 1)
    indptr = np.concatenate([[0], end, [int(end[-1] if end.size else 0) + n]])
    in_window = np.ones(int(indptr[-2]), bool)
    in_window[end - 1] = False
    indices = np.empty(int(indptr[-1]), np.int64)
    values = np.full(indices.size, -1.0)
    step = np.arange(int(length.sum())) + np.repeat(w.lo - (np.cumsum(length) - length), length)
    indices[: in_window.size][in_window] = w.node[step]
    indices[: in_window.size][~in_window] = column[w.window_path]
    values[: in_window.size][~in_window] = 1.0
    indices[in_window.size :] = np.arange(n)
    values[in_window.size :] = cost
    upper = np.ones(n + live.size)
    upper[:n] = candidate
    return Relaxation(
        np.concatenate([np.zeros(n), -w.volume[live].astype(np.float64)]),
        np.zeros(upper.size), upper, indptr, indices, values,
        np.full(w.n_window + 1, -np.inf),
        np.concatenate([np.zeros(w.n_window), [float(budget)]]),
        halt,
    )  # fmt: skip


def solve_windows(
    windows: Windows,
    candidate: BoolArray,
    cost: NDArray[np.int64],
    budget: int,
    nodes: int = MIP_NODES,
    *,
    halt: Callable[[], bool] | None = None,
) -> BoolArray | None:
    """Return the best plan that the mixed-integer solver finds in so many branchings."""
    program = window_program(windows, candidate, cost, budget, halt)
    share = program.solve_whole(windows.n_site, nodes)
    return None if share is None else (share[: windows.n_site] > 0.5) & candidate
