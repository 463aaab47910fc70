"""Requirements of paths as intervals of their candidate sites, and the search over plans.

What must hold on a path is always "an open site between here and there": an interval of the path's
nodes. Intervals that hold another one, or an existing site, are dropped; the rest begin and end in
the same order, so those around a node are neighbours in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.flow_paths import FlowPaths

__all__ = ["Windows", "build_windows", "climb", "fill", "reset"]


@jit
def _collect(
    indptr, nodes, x, candidate, existing, reach, first_reach, last_reach,
    node, node_ptr, lo, hi, slot, window_ptr, state,
):  # fmt: skip
    """Fill intervals path by path; state 0 served already, 1 open, 2 cannot be served."""
    n_node = 0
    n_window = 0
    for q in range(indptr.size - 1):
        a = indptr[q]
        b = indptr[q + 1]
        node_first = n_node
        window_first = n_window
        state[q] = 0
        for number in range(b - a + 1):
            if number == 0:
                left = a
                right = a
                while right < b and x[right] - x[a] <= first_reach:
                    right += 1
            elif number == b - a:
                right = b
                left = b - 1
                while left > a and x[b - 1] - x[left - 1] <= last_reach:
                    left -= 1
            else:
                right = a + number
                if x[right] - x[a] <= reach:
                    continue
                left = right
                while left > a and x[right] - x[left - 1] <= reach:
                    left -= 1
            held = False
            can = False
            for i in range(left, right):
                held = held or existing[nodes[i]]
                can = can or candidate[nodes[i]]
            if held:
                continue
            if not can:
                state[q] = 2
                break
            state[q] = 1
            # intervals end in order: an earlier one that begins later lies inside this one
            if n_window > window_first and lo[n_window - 1] >= left:
                continue
            while n_window > window_first and hi[n_window - 1] == right:
                n_window -= 1
            lo[n_window] = left
            hi[n_window] = right
            slot[n_window] = a + q + number
            n_window += 1
        if state[q] != 1:
            n_window = window_first
        else:
            # from the path's nodes to its candidates, dropping what now holds another interval
            kept = window_first
            for w in range(window_first, n_window):
                left = node_first
                for i in range(a, lo[w]):
                    left += candidate[nodes[i]]
                right = left
                for i in range(lo[w], hi[w]):
                    right += candidate[nodes[i]]
                if kept > window_first and lo[kept - 1] >= left:
                    continue
                while kept > window_first and hi[kept - 1] == right:
                    kept -= 1
                lo[kept] = left
                hi[kept] = right
                slot[kept] = slot[w]
                kept += 1
            n_window = kept
            for i in range(a, b):
                if candidate[nodes[i]]:
                    node[n_node] = nodes[i]
                    n_node += 1
        node_ptr[q + 1] = n_node
        window_ptr[q + 1] = n_window


@jit
def _around(node_ptr, window_ptr, lo, hi, first, last):
    for q in range(node_ptr.size - 1):
        a = window_ptr[q]
        b = window_ptr[q]
        for t in range(node_ptr[q], node_ptr[q + 1]):
            while a < window_ptr[q + 1] and hi[a] <= t:
                a += 1
            b = max(a, b)
            while b < window_ptr[q + 1] and lo[b] <= t:
                b += 1
            first[t] = a
            last[t] = b


@dataclass(frozen=True)
class Windows:
    """Intervals of the paths that can still be won.

    Attributes
    ----------
    node : (n_step,) int32
        Candidate sites along the paths.
    node_path : (n_step,) int32
        Path of each step.
    first, last : (n_step,) int32
        The windows around each step.
    lo, hi : (n_window,) int32
        Steps of each window.
    slot : (n_window,) int64
        Which requirement of the raw paths a window is.
    window_path : (n_window,) int32
    window_ptr : (n_path + 1,) int64
    volume : (n_path,) int64
    site_ptr, site_step
        The steps at which each site stands.
    base : int
        Volume of the paths that existing sites serve.
    lost : (n_path_raw,) bool
        Paths that no plan serves.
    """

    node: NDArray[np.int32]
    node_path: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    lo: NDArray[np.int32]
    hi: NDArray[np.int32]
    slot: NDArray[np.int64]
    window_path: NDArray[np.int32]
    window_ptr: NDArray[np.int64]
    volume: NDArray[np.int64]
    site_ptr: NDArray[np.int64]
    site_step: NDArray[np.int32]
    base: int
    lost: NDArray[np.bool_]

    @property
    def n_window(self) -> int:
        """Number of windows."""
        return int(self.lo.size)

    @property
    def n_site(self) -> int:
        """Number of sites."""
        return int(self.site_ptr.size - 1)


def build_windows(
    paths: FlowPaths, candidate: NDArray[np.bool_], existing: NDArray[np.bool_]
) -> Windows:
    """Return the windows of all paths that candidates can win."""
    n, n_slot = paths.n_path, paths.nodes.size + paths.n_path
    node = np.empty(paths.nodes.size, np.int32)
    lo, hi = np.empty(n_slot, np.int32), np.empty(n_slot, np.int32)
    slot = np.empty(n_slot, np.int64)
    node_ptr, window_ptr = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    state = np.empty(n, np.int8)
    _collect(
        paths.indptr, paths.nodes, paths.position_m, candidate, existing, paths.range_m,
        paths.start_range_m, paths.end_range_m, node, node_ptr, lo, hi, slot, window_ptr, state,
    )  # fmt: skip
    n_node, n_window = int(node_ptr[-1]), int(window_ptr[-1])
    node = node[:n_node].copy()
    lo, hi, slot = lo[:n_window].copy(), hi[:n_window].copy(), slot[:n_window].copy()
    first, last = np.empty(n_node, np.int32), np.empty(n_node, np.int32)
    _around(node_ptr, window_ptr, lo, hi, first, last)
    site_ptr = np.zeros(paths.n_site + 1, np.int64)
    np.cumsum(np.bincount(node, minlength=paths.n_site), out=site_ptr[1:])
    path = np.arange(n, dtype=np.int32)
    return Windows(
        node,
        np.repeat(path, np.diff(node_ptr)),
        first,
        last,
        lo,
        hi,
        slot,
        np.repeat(path, np.diff(window_ptr)),
        window_ptr,
        paths.volume,
        site_ptr,
        np.argsort(node, kind="stable").astype(np.int32),
        int(paths.volume[state == 0].sum()),
        state == 2,
    )


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def _worth(k, level, ptr, step, first, last, path, window_ptr, volume, count, unmet, part):
    """Value the windows around site k that hold `level` open sites.

    A served path is worth its volume; of a path not served, `part` times the share of its met
    windows. Level 0: what opening k gains. Level 1: what closing it loses.
    """
    total = 0.0
    for e in range(ptr[k], ptr[k + 1]):
        t = step[e]
        touched = 0
        for w in range(first[t], last[t]):
            touched += count[w] == level
        if touched == 0:
            continue
        q = path[t]
        size = window_ptr[q + 1] - window_ptr[q]
        whole = unmet[q] == touched if level == 0 else unmet[q] == 0
        total += volume[q] * (part * touched / size + ((1.0 - part) if whole else 0.0))
    return total


@jit
def _set(k, by, ptr, step, first, last, path, count, unmet):
    for e in range(ptr[k], ptr[k + 1]):
        t = step[e]
        for w in range(first[t], last[t]):
            if by > 0:
                unmet[path[t]] -= count[w] == 0
            count[w] += by
            if by < 0:
                unmet[path[t]] += count[w] == 0


@jit
def reset(chosen, ptr, step, first, last, path, window_ptr, count, unmet):
    """Count afresh how many open sites each window holds and what each path lacks."""
    for w in range(count.size):
        count[w] = 0
    for q in range(unmet.size):
        unmet[q] = window_ptr[q + 1] - window_ptr[q]
    for k in range(chosen.size):
        if chosen[k]:
            _set(k, 1, ptr, step, first, last, path, count, unmet)


@jit
def fill(
    ptr, step, first, last, path, window_ptr, volume, cost, budget, candidate, part,
    chosen, count, unmet,
):  # fmt: skip
    """Open the site of the best worth for its cost until nothing more fits; returns spending."""
    spent = 0
    for k in range(chosen.size):
        if chosen[k]:
            spent += cost[k]
    while True:
        best = -1
        most = 0.0
        for k in range(chosen.size):
            if chosen[k] or not candidate[k] or spent + cost[k] > budget:
                continue
            worth = _worth(
                k, 0, ptr, step, first, last, path, window_ptr, volume, count, unmet, part
            )
            if worth / max(cost[k], 1e-9) > most:
                most = worth / max(cost[k], 1e-9)
                best = k
        if best < 0:
            return spent
        chosen[best] = True
        spent += cost[best]
        _set(best, 1, ptr, step, first, last, path, count, unmet)


@jit
def climb(
    ptr, step, first, last, path, window_ptr, volume, cost, budget, pool, part, heat, moves, seed,
    chosen, count, unmet,
):  # fmt: skip
    """Try `moves` exchanges of an open site for one of the pool; worse ones pass by `heat`."""
    state = seed
    spent = 0
    n_open = 0
    opened = np.empty(chosen.size, np.int32)
    for k in range(chosen.size):
        if chosen[k]:
            spent += cost[k]
            opened[n_open] = k
            n_open += 1
    accepted = 0
    for _ in range(moves):
        state = _next(state)
        k = pool[np.int64(state % np.uint64(pool.size))]
        if chosen[k]:
            continue
        state = _next(state)
        slack = -np.log(np.float64(state >> np.uint64(11)) / 9007199254740992.0 + 1e-300) * heat
        if spent + cost[k] <= budget:
            _set(k, 1, ptr, step, first, last, path, count, unmet)
            chosen[k] = True
            opened[n_open] = k
            n_open += 1
            spent += cost[k]
            accepted += 1
            continue
        if n_open == 0:
            continue
        state = _next(state)
        at = np.int64(state % np.uint64(n_open))
        j = opened[at]
        if spent - cost[j] + cost[k] > budget:
            continue
        loss = _worth(j, 1, ptr, step, first, last, path, window_ptr, volume, count, unmet, part)
        _set(j, -1, ptr, step, first, last, path, count, unmet)
        gain = _worth(k, 0, ptr, step, first, last, path, window_ptr, volume, count, unmet, part)
        if gain - loss > -slack:
            _set(k, 1, ptr, step, first, last, path, count, unmet)
            chosen[j] = False
            chosen[k] = True
            opened[at] = k
            spent += cost[k] - cost[j]
            accepted += 1
        else:
            _set(j, 1, ptr, step, first, last, path, count, unmet)
    return accepted
