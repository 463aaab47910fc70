r"""Plans cooled side by side by swaps on a table of pairs (`pairs.py`).

How hot a plan begins says what it forgets: at several times `Heats.mild` everything, at
`Heats.mild` what halves of different plans do not agree on where they meet. The cold temperature
lies where what is left to gain is of the size of the weight that stays open, which near full
coverage is far below the value of a site.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import spread
from groundplan.engine.location.pairs import QUANTILES, fill_pairs, walk_pairs
from groundplan.engine.location.program import Program

__all__ = ["Heats", "cool_plans", "set_heats"]

#: Mild temperature in mean values of a chosen site; the second where next to nothing stays open, in
#: between by how much of a site's mean value does. Seen on few cases and seeds.
MILD, MILD_COVERED = 0.0068, 0.0045
#: Ratio of the mild temperature to the cold one, and the most it may become near full coverage.
SPAN, SPAN_MAX = 2.25, 16.0
#: The cold temperature is also at most this share of the weight that stays open.
OPEN_SHARE = 0.01
#: Moves that a plan is quenched for after it was cooled, as a share of those before, and the last
#: temperature then in that of the cold one.
QUENCH_SHARE, QUENCH_COLD = 4, 0.1
#: Allowed losses at temperature 1, each as often.
SLACK = -np.log((np.arange(QUANTILES) + 0.5) / QUANTILES)


class Heats(NamedTuple):
    """Temperatures in units of weight."""

    mild: float
    cold: float


def set_heats(value: int, total: int, size: int) -> Heats:
    """Return the temperatures for a program.

    Parameters
    ----------
    value, total : int
        Value of a good plan and all weight.
    size : int
        Chosen sites.
    """
    mean = max(1.0, value / size)
    mild = mean * (MILD_COVERED + (MILD - MILD_COVERED) * min(1.0, (total - value) / mean))
    return Heats(mild, max(min(mild / SPAN, OPEN_SHARE * (total - value)), mild / SPAN_MAX))


def cool_plans(
    program: Program,
    plans: NDArray[np.int64],
    first: float,
    last: float,
    moves: int,
    seeds: NDArray[np.uint64],
    halt: Callable[[], bool] = lambda: False,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cool plans from one temperature to another, quench them, and return the best each has been.

    Parameters
    ----------
    program : Program
        All sites cost the same.
    plans : (n_plan, size) int64
        Chosen sites; left as they are.
    first, last : float
        Temperatures.
    moves : int
        Of each plan, quenching aside.
    seeds : (n_plan,) uint64
        Not 0.
    halt : callable
        Asked before each plan whether to leave it as it is.

    Returns
    -------
    ((n_plan, size) int64, (n_plan,) int64)
        Plans and their values. They do not depend on how many threads there are.
    """
    p = program
    lists = (
        p.site_indptr, p.site_indices.view(np.uint32), p.row_indptr,
        p.row_indices.view(np.uint32), p.weight.astype(np.int32),
    )  # fmt: skip
    out, value = np.array(plans, np.int64), np.zeros(len(plans), np.int64)
    size = out.shape[1]

    def cool(k: int, _end: int) -> None:
        plan = out[k].copy()
        chosen = np.zeros(p.n_site, np.bool_)
        chosen[plan] = True
        count, owner = np.zeros(p.n_row, np.int32), np.zeros(p.n_row, np.int32)
        gain, shared = np.zeros(p.n_site, np.int32), np.zeros((size, p.n_site), np.int32)
        state = (plan, chosen, count, owner, gain, shared)
        now = fill_pairs(*lists, plan, *state[2:])
        best = now
        if not halt():
            now, best = walk_pairs(
                *lists, moves, first, last, seeds[k], SLACK, *state, now, best, out[k]
            )
            now, best = walk_pairs(
                *lists, max(1, moves // QUENCH_SHARE), last, last * QUENCH_COLD,
                seeds[k] ^ np.uint64(1 << 40) | np.uint64(1), SLACK, *state, now, best, out[k],
            )  # fmt: skip
        value[k] = best

    spread(cool, [(k, k + 1) for k in range(len(plans))])
    return out, value
