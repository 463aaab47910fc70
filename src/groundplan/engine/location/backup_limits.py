r"""Backup covering within limits on groups of sites: the best choice, and plans that keep it.

At given prices of the rows the best p sites within the limits are exact (`best_within`), so the
bound of `backup` holds with them in place of the p best. Plans begin with what the groups need, go
on by gain, and are annealed by swaps that no limit forbids: within a group, or from one that has
more than its least number to one below its cap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.backup_search import (
    _gain,
    _next,
    _step,
    counts_of,
    level_value,
)
from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.setcover_lists import Lists

__all__ = ["anneal_within", "fill_within"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: Sites drawn for one that may leave, before a move is given up.
DRAWS = 8


@jit
def _fill_within(indptr, indices, gains, count, chosen, group, least, most, held, due, left):
    """Add sites by gain, those that groups need first where they take all that is left."""
    n = chosen.size
    key = np.full(n, np.int64(2**62))
    while left > 0:
        best = -1
        high = np.int64(-1)
        for j in range(n):
            g = group[j]
            if chosen[j] or held[g] >= most[g] or (left <= due and held[g] >= least[g]):
                continue
            # gains only fall while sites are added: a stale key below the best needs no look
            if key[j] > high:
                key[j] = _gain(j, indptr, indices, gains, count, 0)
                if key[j] > high:
                    high = key[j]
                    best = j
        if best < 0:
            return
        g = group[best]
        if held[g] < least[g]:
            due -= 1
        held[g] += 1
        chosen[best] = True
        _step(best, indptr, indices, count, 1)
        left -= 1


@jit
def _anneal_within(
    site_indptr, site_indices, row_indptr, row_indices, gains, count, chosen, group, least, most,
    held, heat, seed, moves,
):  # fmt: skip
    """Try swaps that keep the limits; returns the change of value."""
    n = np.uint64(chosen.size)
    state = seed
    change = 0
    for _ in range(moves):
        state = _next(state)
        j = np.int64(state % n)
        if chosen[j] or site_indptr[j] == site_indptr[j + 1]:
            continue
        into = group[j]
        is_full = held[into] >= most[into]
        state = _next(state)
        out = np.int64(-1)
        if state % np.uint64(4) != np.uint64(0):
            state = _next(state)
            size = np.uint64(site_indptr[j + 1] - site_indptr[j])
            i = site_indices[site_indptr[j] + np.int64(state % size)]
            degree = row_indptr[i + 1] - row_indptr[i]
            state = _next(state)
            first = np.int64(state % np.uint64(degree))
            for e in range(degree):
                k = row_indices[row_indptr[i] + (first + e) % degree]
                g = group[k]
                if chosen[k] and (g == into or (not is_full and held[g] > least[g])):
                    out = k
                    break
        if out < 0:
            for _draw in range(DRAWS):
                state = _next(state)
                k = np.int64(state % n)
                g = group[k]
                if chosen[k] and (g == into or (not is_full and held[g] > least[g])):
                    out = k
                    break
        if out < 0:
            continue
        loss = _gain(out, site_indptr, site_indices, gains, count, 1)
        _step(out, site_indptr, site_indices, count, -1)
        gain = _gain(j, site_indptr, site_indices, gains, count, 0)
        state = _next(state)
        uniform = np.float64(state >> np.uint64(11)) * (1.0 / 9007199254740992.0)
        if gain - loss >= heat * np.log(uniform + 1e-300):
            chosen[j] = True
            chosen[out] = False
            held[into] += 1
            held[group[out]] -= 1
            _step(j, site_indptr, site_indices, count, 1)
            change += gain - loss
        else:
            _step(out, site_indptr, site_indices, count, 1)
    return change


def fill_within(
    lists: Lists, gains: IntArray, have: IntArray, p: int, plan: BoolArray, limits: Limits
) -> None:
    """Add sites by gain until there are p, or none may come; `plan` changes in place."""
    count, held = counts_of(lists, have, plan), limits.counts(plan)
    due = int(np.maximum(0, limits.least - held).sum())
    _fill_within(
        lists.site_indptr, lists.site_indices, gains, count, plan, limits.group, limits.least,
        limits.most, held, due, p - int(plan.sum()),
    )  # fmt: skip


def anneal_within(
    lists: Lists, gains: IntArray, have: IntArray, plan: BoolArray, limits: Limits, sweeps: int,
    seed: int, halt: Callable[[], bool], look: Callable[[int], None],
) -> None:  # fmt: skip
    """Improve a plan by annealed swaps that keep the limits; `plan` becomes the best found."""
    if not plan.any() or plan.all():
        return
    chosen = plan.copy()
    count, held = counts_of(lists, have, chosen), limits.counts(chosen)
    value = best = level_value(lists, gains, have, plan)
    scale = float(gains[0].sum()) / max(1, lists.n_site) + 1.0
    for sweep in range(sweeps):
        heat = scale * 0.3 * 0.01 ** (sweep / max(1, sweeps - 1))
        draw: Any = np.random.Generator(np.random.Philox(key=[seed, sweep])).integers(
            1, 2**63, 1, dtype=np.uint64
        )[0]
        value += int(_anneal_within(
            lists.site_indptr, lists.site_indices, lists.row_indptr, lists.row_indices, gains,
            count, chosen, limits.group, limits.least, limits.most, held, heat, draw,
            4 * lists.n_site,
        ))  # fmt: skip
        if value > best:
            best = value
            plan[:] = chosen
        if sweep % 10 == 9:
            look(sweep)
            if halt():
                return
