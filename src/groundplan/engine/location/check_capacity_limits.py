"""Limits on the sites of groups in capacitated problems: the best choice of what may open.

At given prices every site is worth its net gain, and a plan opens at most p of the free sites, at
least as many as hold the demand, and of each group within its limits. Groups form a partition, so
that the best choice is exact: the least number of each group, then the best of all that caps, p and
the number that must open still allow. Plain NumPy, no code of a solver.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_limits import Limits, ranks

__all__ = ["best_within", "largest_within"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def best_within(
    limits: Limits, group: IntArray, gain: NDArray[Any], at_most: int, at_least: int
) -> BoolArray | None:
    """Return the choice of largest gain, None where limits and numbers allow no choice.

    Parameters
    ----------
    group, gain : (n_free,)
        Of the sites that may be chosen.
    at_most, at_least : int
        Sites in all.
    """
    order = np.lexsort((-gain, group))
    rank = np.empty(gain.size, np.int64)
    rank[order] = ranks(group[order])
    taken = rank < limits.least[group]
    due = int(taken.sum())
    if due < int(limits.least.sum()) or (limits.most < limits.least).any() or due > at_most:
        return None
    free = np.flatnonzero(~taken & (rank < limits.most[group]))
    free = free[np.lexsort((rank[free], -gain[free]))][: at_most - due]
    count = max(at_least - due, int((gain[free] > 0).sum()))
    if count > free.size:
        return None
    taken[free[:count]] = True
    return taken


def largest_within(limits: Limits, group: IntArray, capacity: IntArray) -> IntArray:
    """Return the capacities, largest first, that the caps of the groups leave."""
    order = np.lexsort((-capacity, group))
    kept = ranks(group[order]) < limits.most[group[order]]
    out: IntArray = np.sort(capacity[order][kept])[::-1]
    return out
