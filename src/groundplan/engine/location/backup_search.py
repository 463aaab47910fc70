"""Plans for covering in levels: greedy, annealing by swaps, and an integer program where small.

``gains[c, i]`` is what row i earns when it is covered once more after c covers; the last line is
zero and stands for every higher count. Plans keep limits on groups of sites; where none are asked
for, all sites are in the one group that has none. They begin with what the groups need, go on by
gain, and are annealed by swaps that no limit forbids: within a group, or from one that has more
than its least number to one below its cap.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.setcover_lists import Lists
from groundplan.engine.location.solver import run_until, silent_solver

__all__ = ["anneal_levels", "fill_levels", "finish_levels", "level_value"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: Sizes up to which the integer program takes over.
ROWS_MAX, SITES_MAX = 12_000, 3_000
#: Sites drawn for one that may leave, before a move is given up.
DRAWS = 8


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def _gain(j, indptr, indices, gains, count, shift):
    """Return what site j adds (shift 0) or would take away (shift 1)."""
    top = gains.shape[0] - 1
    total = 0
    for q in range(indptr[j], indptr[j + 1]):
        i = indices[q]
        total += gains[min(count[i] - shift, top), i]
    return total


@jit
def _step(j, indptr, indices, count, by):
    for q in range(indptr[j], indptr[j + 1]):
        count[indices[q]] += by


@jit
def _fill(indptr, indices, gains, count, chosen, group, least, most, held, due, left):
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
def _anneal(
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


def counts_of(lists: Lists, have: IntArray, plan: BoolArray) -> IntArray:
    """Return how often each row is covered."""
    row = np.repeat(np.arange(lists.n_row), np.diff(lists.row_indptr))
    more = np.bincount(row[plan[lists.row_indices]], minlength=lists.n_row)
    return (have + more).astype(np.int64)


def level_value(lists: Lists, gains: IntArray, have: IntArray, plan: BoolArray) -> int:
    """Return the weight of all levels that a plan reaches, existing sites included."""
    count = counts_of(lists, have, plan)
    return int(sum(int(gains[k][count > k].sum()) for k in range(len(gains) - 1)))


def fill_levels(
    lists: Lists, gains: IntArray, have: IntArray, p: int, plan: BoolArray, limits: Limits
) -> None:
    """Add sites by gain until there are p, or none may come; `plan` changes in place."""
    count, held = counts_of(lists, have, plan), limits.counts(plan)
    due = int(np.maximum(0, limits.least - held).sum())
    _fill(
        lists.site_indptr, lists.site_indices, gains, count, plan, limits.group, limits.least,
        limits.most, held, due, p - int(plan.sum()),
    )  # fmt: skip


def anneal_levels(
    lists: Lists, gains: IntArray, have: IntArray, plan: BoolArray, limits: Limits, sweeps: int,
    seed: int, halt: Callable[[], bool], look: Callable[[int], None], *, keep_first: bool,
) -> None:  # fmt: skip
    """Improve a plan by annealed swaps that keep the limits; `plan` becomes the best found.

    Parameters
    ----------
    keep_first : bool
        The first level outweighs all others: heat is measured without it.
    """
    if not plan.any() or plan.all():
        return
    chosen = plan.copy()
    count, held = counts_of(lists, have, chosen), limits.counts(chosen)
    value = best = level_value(lists, gains, have, plan)
    first = gains[1] if keep_first else gains[0]
    scale = float(first.sum()) / max(1, lists.n_site) + 1.0
    for sweep in range(sweeps):
        heat = scale * 0.3 * 0.01 ** (sweep / max(1, sweeps - 1))
        draw = np.random.Generator(np.random.Philox(key=[seed, sweep])).integers(
            1, 2**63, 1, dtype=np.uint64
        )[0]
        value += int(_anneal(
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


def finish_levels(
    lists: Lists, level: IntArray, have: IntArray, p: int, plan: BoolArray, limits: Limits,
    time_limit_s: float | None, halt: Callable[[], bool], *, keep_first: bool,
) -> tuple[BoolArray, float]:  # fmt: skip
    """Solve as an integer program; returns its plan and bound, or the plan given and infinity."""
    import highspy

    n, m, deep = lists.n_site, lists.n_row, len(level)
    if m * deep > ROWS_MAX or n > SITES_MAX or not m:
        return plan, float("inf")
    length = np.diff(lists.row_indptr)
    # a first level that must be reached is a lower limit of the row, not a variable
    levels = level[1:] if keep_first else level
    k = len(levels)
    need = np.maximum(0, 1 - have) if keep_first else np.zeros(m, np.int64)
    width = length + k
    start = np.concatenate([[0], np.cumsum(width)])
    index = np.empty(int(start[-1]) + n, np.int32)
    value = np.ones(index.size)
    tail = (start[1:] - k)[:, None] + np.arange(k)[None, :]
    mask = np.ones(index.size, np.bool_)
    mask[tail.ravel()] = False
    mask[start[-1] :] = False
    index[mask] = lists.row_indices
    index[tail] = n + np.arange(m)[:, None] * k + np.arange(k)[None, :]
    value[tail] = -1.0
    index[start[-1] :] = np.arange(n)
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = n + m * k, m + 1
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_ = np.concatenate([np.zeros(n), levels.T.ravel().astype(np.float64)])
    lp.col_lower_, lp.col_upper_ = np.zeros(n + m * k), np.ones(n + m * k)
    low = (need - have + (have > 0)).astype(np.float64) if keep_first else -have.astype(float)
    lp.row_lower_ = np.concatenate([low, [-highspy.kHighsInf]])
    lp.row_upper_ = np.concatenate([np.full(m, highspy.kHighsInf), [float(p)]])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([start, [index.size]]).astype(np.int32)
    lp.a_matrix_.index_, lp.a_matrix_.value_ = index, value
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n + [highspy.HighsVarType.kContinuous] * (
        m * k
    )
    solver = silent_solver()
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", 0.5)
    solver.setOptionValue("mip_max_nodes", 20_000)
    if time_limit_s is not None:
        solver.setOptionValue("time_limit", max(0.05, time_limit_s))
    solver.passModel(model)
    for g in range(limits.n_group):
        mine = np.flatnonzero(limits.group == g).astype(np.int32)
        least, most = float(limits.least[g]), float(limits.most[g])
        solver.addRow(least, most, mine.size, mine, np.ones(mine.size))
    count = counts_of(lists, have, plan)
    shift = 1 if keep_first else 0
    reached = (count[:, None] > np.arange(k)[None, :] + shift).astype(np.float64)
    begin = highspy.HighsSolution()
    begin.col_value = np.concatenate([plan.astype(np.float64), reached.ravel()]).tolist()
    solver.setSolution(begin)
    run_until(solver, halt)
    info = solver.getInfo()
    found = np.asarray(solver.getSolution().col_value)
    if found.size == n + m * k and info.primal_solution_status == highspy.kSolutionStatusFeasible:
        plan = found[:n] > 0.5
    bound = float(info.mip_dual_bound) + (float(level[0].sum()) if keep_first else 0.0)
    return plan, bound if np.isfinite(bound) else float("inf")
