r"""p-dispersion: exactly p sites so that the least distance between two of them is largest.

Kuby 1987 (doi 10.1111/j.1538-4632.1987.tb00133.x). At a distance t, p sites are further than t
apart only if the graph of pairs at most t apart has p sites of which no two are joined. Groups of
sites that are pairwise joined, fewer than p of them and holding every site, prove that there are
none (`check_center`). Plans come from farthest-first picks and exchanges; small cases are closed by
a search over sites in the order of such groups (Tomita and Seki 2003, doi
10.1007/3-540-45066-1_22).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_center import least_apart, masks
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.request import check_limits
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["p_dispersion"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
#: Starts of the farthest-first picks.
STARTS = 20
#: Halves of the range of distances before they are put in order; rows of the table at once.
HALVES, ROWS_AT_ONCE = 10, 256
#: Pairs of sites that the search compares between two looks at the clock.
SLICE = 20_000_000
#: What a slice of the search ends with.
FOUND, NONE, GAVE_UP, PAUSED = 1, 0, -1, -2


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


@jit
def _pick(far, first, p, held, out):
    """Pick sites one by one, each the furthest from those picked; returns the least distance."""
    n = far.shape[0]
    near = np.full(n, np.inf)
    taken = held.copy()
    n_out = 0
    least = np.inf
    for j in range(n):
        if held[j]:
            out[n_out] = j
            n_out += 1
    if n_out == 0:
        out[0] = first
        taken[first] = True
        n_out = 1
    for e in range(n_out):
        for j in range(n):
            near[j] = min(near[j], far[out[e], j])
        for d in range(e):
            least = min(least, far[out[e], out[d]])
    while n_out < p:
        best = -1
        for j in range(n):
            if not taken[j] and (best < 0 or near[j] > near[best]):
                best = j
        least = min(least, near[best])
        taken[best] = True
        out[n_out] = best
        n_out += 1
        for j in range(n):
            near[j] = min(near[j], far[best, j])
    return least


@jit
def _exchange(far, held, out):
    """Replace one site of a closest pair so that the least distance grows; returns it, and if."""
    n = far.shape[0]
    p = out.size
    least = np.inf
    a = 0
    b = 0
    for e in range(p):
        for d in range(e):
            if far[out[e], out[d]] < least:
                least = far[out[e], out[d]]
                a = e
                b = d
    best = least
    spot = -1
    site = -1
    for e in (a, b):
        if p < 2 or held[out[e]]:
            continue
        rest = np.inf
        for c in range(p):
            for d in range(c):
                if e not in (c, d):
                    rest = min(rest, far[out[c], out[d]])
        if rest <= best:
            continue
        for j in range(n):
            mine = rest
            for c in range(p):
                if c != e:
                    mine = min(mine, -1.0 if out[c] == j else far[out[c], j])
                if mine <= best:
                    break
            if mine > best:
                best = mine
                spot = e
                site = j
    if spot >= 0:
        out[spot] = site
    return best, spot >= 0


@jit
def _groups(far, limit, order, group):
    """Put every site in the first group all of whose members lie within `limit`."""
    n = order.size
    size = np.zeros(n, np.int64)
    member = np.empty((n, n), np.int32)
    count = 0
    for e in range(n):
        j = order[e]
        at = -1
        for g in range(count):
            fits = True
            for t in range(size[g]):
                if far[j, member[g, t]] > limit:
                    fits = False
                    break
            if fits:
                at = g
                break
        if at < 0:
            at = count
            count += 1
        member[at, size[at]] = j
        size[at] += 1
        group[j] = at
    return count


@jit
def _start_search(far, limit, held, chosen, first):
    """Take the held sites and list those that keep away from them; returns both numbers.

    The number taken is -1 where held sites lie within `limit` of each other, or are too many.
    """
    n = far.shape[0]
    depth = 0
    for j in range(n):
        if held[j]:
            for e in range(depth):
                if far[chosen[e], j] <= limit:
                    return -1, 0
            if depth >= chosen.size - 1:
                return -1, 0
            chosen[depth] = j
            depth += 1
    m = 0
    for j in range(n):
        good = not held[j]
        for e in range(depth):
            good = good and far[chosen[e], j] > limit
        if good:
            first[m] = j
            m += 1
    return depth, m


@jit
def _search(far, limit, p, base, nodes, work, stack, colour, size, chosen, state):
    """Go on looking for p sites pairwise further than `limit` apart, until `work` is done.

    Depth, nodes visited and whether the sites at this depth are in order yet stand in `state`, so
    that a search in slices is the same as one in a piece.
    """
    n = far.shape[0]
    used = np.empty(n, np.bool_)
    ordered = np.empty(n, np.int32)
    depth = state[0]
    visited = state[1]
    fresh = state[2] == 1
    done = 0
    while True:
        if fresh:
            if done > work:
                state[0] = depth
                state[1] = visited
                state[2] = 1
                return PAUSED
            # sort the sites left into groups of pairwise joined ones; each gives one site at most
            visited += 1
            if visited > nodes:
                return GAVE_UP
            m = size[depth]
            for e in range(m):
                used[e] = False
            rank = 0
            filled = 0
            while filled < m:
                rank += 1
                begin = filled
                done += m
                for e in range(m):
                    if used[e]:
                        continue
                    j = stack[depth, e]
                    joined = True
                    for t in range(begin, filled):
                        done += 1
                        if far[ordered[t], j] > limit:
                            joined = False
                            break
                    if joined:
                        used[e] = True
                        ordered[filled] = j
                        colour[depth, filled] = rank
                        filled += 1
            for e in range(m):
                stack[depth, e] = ordered[e]
            fresh = False
        m = size[depth]
        if m == 0 or depth + colour[depth, m - 1] < p:
            if depth == base:
                return NONE
            depth -= 1
            continue
        j = stack[depth, m - 1]
        size[depth] = m - 1
        chosen[depth] = j
        if depth + 1 == p:
            return FOUND
        k = 0
        for e in range(m - 1):
            if far[j, stack[depth, e]] > limit:
                stack[depth + 1, k] = stack[depth, e]
                k += 1
        depth += 1
        size[depth] = k
        fresh = True


def look_for(
    far: FloatArray, limit: float, p: int, held: BoolArray, nodes: int, halt: Callable[[], bool]
) -> tuple[int, NDArray[np.int32]]:
    """Look for p sites pairwise further than `limit` apart; returns what it ends with, and them."""
    n = len(far)
    stack, colour = np.empty((p + 1, n), np.int32), np.empty((p + 1, n), np.int32)
    size, chosen = np.zeros(p + 1, np.int64), np.zeros(p + 1, np.int32)
    base, count = _start_search(far, limit, held, chosen, stack[0])
    if base < 0:
        return NONE, chosen[:p]
    stack[base, :count] = stack[0, :count]
    size[base] = count
    if base == p:
        return FOUND, chosen[:p]
    state = np.array([base, 0, 1])
    while True:
        answer = int(_search(far, limit, p, base, nodes, SLICE, stack, colour, size, chosen, state))
        if answer != PAUSED or halt():
            return answer, chosen[:p]


def improve(
    far: FloatArray, held: BoolArray, plan: NDArray[Any], halt: Callable[[], bool]
) -> float:
    """Exchange sites while the least distance grows; returns it."""
    while True:
        least, is_better = _exchange(far, held, plan)
        if not is_better or halt():
            return float(least)


def table(cost: AssignmentCost, number: NDArray[Any]) -> FloatArray:
    """Return the distances between some sites, or raise where they differ by direction."""
    if cost.matrix is not None and not np.array_equal(cost.matrix, cost.matrix.T):
        raise ValueError("distances must be the same both ways")
    n = number.size
    far = np.empty((n, n))
    for a in range(0, n, ROWS_AT_ONCE):
        far[a : a + ROWS_AT_ONCE] = cost.pairs(number[a : a + ROWS_AT_ONCE, None], number[None, :])
    np.fill_diagonal(far, 0.0)
    return far


def prove_apart(
    far: FloatArray, total: int, value: float, halt: Callable[[], bool]
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return groups that prove a distance, and the distances from `value` to the one proven."""
    order = np.argsort(-far.mean(axis=1), kind="stable")
    group = np.zeros(len(far), np.int64)

    def proves(limit: float) -> bool:
        nonlocal group
        trial = np.empty(len(far), np.int64)
        if int(_groups(far, limit, order, trial)) >= total:
            return False
        group = trial
        return True

    # all sites are one group within the largest distance; coarse halves first, so that only
    # distances near the answer are put in order. They are made whatever the clock says: they are
    # few and quick, and without them the bound says nothing
    lo, hi = value, float(far.max())
    for _ in range(HALVES):
        mid = 0.5 * (lo + hi)
        lo, hi = (lo, mid) if proves(mid) else (mid, hi)
    if halt():
        return group, np.unique([value, hi])
    parts = [row[k + 1 :] for k, row in enumerate(far)]
    distances = np.unique(np.concatenate([d[(d >= value) & (d <= hi)] for d in parts]))
    low, high = int(np.searchsorted(distances, lo)), distances.size - 1
    while low < high and not halt():
        middle = (low + high) // 2
        if proves(float(distances[middle])):
            high = middle
        else:
            low = middle + 1
    return group, distances[: high + 1]


@keep_log
def p_dispersion(
    cost: AssignmentCost | ArrayLike,
    p: int,
    *,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    nodes: int = 200_000,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose exactly p sites so that the least distance between two is largest.

    Parameters
    ----------
    cost : AssignmentCost or (n_row, n_site) array
        Distances from the sites to the same sites, the same both ways.
    p : int
        How many sites to add.
    existing, forbidden : (n_site,) bool, optional
        Sites that stand already and keep their distance too, and sites that may not be chosen.
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine.
    nodes : int
        Most steps of the exact search for each distance tried.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled within each stage; true returns the best plan so far.

    Returns
    -------
    Decision
        `bound` is proven by groups of near sites (``bound_by="prices"``), or by exhaustive search
        (``"search"``) where that says more. No seed: nothing here is drawn.

    Raises
    ------
    ValueError, InfeasibleError

    Notes
    -----
    Holds all distances: 8 bytes a pair of sites.
    """
    cost = AssignmentCost.of(cost)
    check_limits(gap, time_limit_s)
    n = cost.n_site
    if cost.n_row != n:
        raise ValueError(f"distances must run from sites to sites. Got {cost.n_row} x {n}")
    candidate, old = masks(n, existing, forbidden)
    total = p + int(old.sum())
    if p < 0 or int(candidate.sum()) < p or total < 2:
        raise InfeasibleError(
            "fewer than p sites, or no two sites to keep apart",
            [f"p = {p}", f"{int(candidate.sum())} candidates", f"{int(old.sum())} existing sites"],
        )
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s

    halted = False

    def halt() -> bool:
        nonlocal halted
        halted = halted or stop() or (ends_at is not None and time.monotonic() > ends_at)
        return halted

    number = np.flatnonzero(candidate | old)
    far = table(cost, number)
    held = old[number]
    starts = np.unique(np.linspace(0, number.size - 1, STARTS).astype(int))
    value, best = -1.0, np.empty(total, np.int32)
    group, distances = np.zeros(number.size, np.int64), np.empty(0)
    for first in starts if not held.any() else starts[:1]:
        if distances.size and halt():
            break
        out = np.empty(total, np.int32)
        _pick(far, int(first), total, held, out)
        found = improve(far, held, out, halt)
        if found > value:
            value, best = found, out
        if not distances.size:
            group, distances = prove_apart(far, total, value, halt)
    limit = float(distances[-1])
    bound, asked = limit, 0
    low, high = int(np.searchsorted(distances, value)), distances.size - 1
    while low < high and bound - value > gap * bound and not halt():
        mid = (low + high) // 2
        answer, out = look_for(far, float(distances[mid]), total, held, nodes, halt)
        asked += 1
        if answer == FOUND:
            value, best = improve(far, held, out, halt), out
            low = int(np.searchsorted(distances, value))
        elif answer == NONE:
            high, bound = mid, float(distances[mid])
        else:
            low = mid + 1
        progress("halve", asked, 0, value, bound)
    whole_group = np.full(n, -1, np.int32)
    whole_group[number] = group
    chosen = np.zeros(n, bool)
    chosen[number[best]] = True
    sites = np.flatnonzero(chosen & ~old).astype(np.int32)
    value = least_apart(cost, np.flatnonzero(chosen))
    prices = {"group": whole_group, "distance": np.array([limit])}
    certificate = Certificate("p_dispersion", {"p": int(p)}, cost.input_hash, 1, prices, value, 0)
    relative = (bound - value) / bound if bound else 0.0
    status = "optimal" if bound == value else "feasible" if relative <= gap else "stopped"
    return Decision(
        sites, value, bound, relative, status, seal(certificate, sites),
        bound_by="prices" if bound == limit else "search", log={"asked": asked},
    )  # fmt: skip
