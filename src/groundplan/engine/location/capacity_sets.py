"""Sets of open sites within limits on their groups: mending a set, and which moves keep them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_capacity_limits import best_within
from groundplan.engine.location.check_limits import Limits

__all__ = ["idle_needed", "keeping_moves", "mended"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def mended(
    limits: Limits, opened: BoolArray, candidate: BoolArray, score: NDArray[Any], at_most: int
) -> BoolArray:
    """Return the set of open sites, changed where limits or `at_most` ask for it.

    Sites that were open come before others, each by `score`; sites that are no candidates stay.
    """
    site = np.flatnonzero(candidate)
    place = np.empty(site.size, np.int64)
    place[np.lexsort((-score[site], ~opened[site]))] = np.arange(site.size)
    # open ones are worth more than nothing, others less: only least numbers bring them in
    worth = np.where(opened[site], 2.0 * site.size, 0.0) - place - 1.0
    taken = best_within(limits, limits.group[site], worth, at_most, 0)
    out = opened & ~candidate
    if taken is None:
        raise RuntimeError("no choice of sites keeps the limits")
    out[site[taken]] = True
    return out


def keeping_moves(limits: Limits, held: IntArray, closed: int, new: IntArray) -> BoolArray:
    """Return which moves keep the limits: closing one site (-1: none), opening one (-1: none).

    Parameters
    ----------
    held : (n_group + 1,) int64
        New sites of each group before the move.
    """
    arrives = np.where(new >= 0, limits.group[new], -1)
    leaves = -1 if closed < 0 else int(limits.group[closed])
    same = arrives == leaves
    fits = (arrives < 0) | same | (held[arrives] < limits.most[arrives])
    if leaves >= 0:
        fits &= same | bool(held[leaves] > limits.least[leaves])
    return np.asarray(fits, np.bool_)


def idle_needed(
    limits: Limits, sites: NDArray[Any], candidate: BoolArray, fee: NDArray[Any]
) -> IntArray:
    """Return the cheapest sites that a plan must open beside its own to reach least numbers."""
    rest = limits.without(sites)
    free = candidate.copy()
    free[sites] = False
    spare = np.flatnonzero(free)
    taken = best_within(rest, rest.group[spare], -1.0 - fee[spare], spare.size, 0)
    if taken is None:
        raise RuntimeError("no choice of sites keeps the limits")
    out: IntArray = spare[taken]
    return out
