r"""What any choice of sites in a tile must lose against the prices: a search along a frontier.

With row prices :math:`\lambda_i` and a budget price :math:`\mu`, the bound of a tile exceeds the
value of a choice exactly by the sum of what the choice *loses*:

- a chosen site with reduced score :math:`s_j - \mu f_j < 0` loses :math:`\mu f_j - s_j`, a site
  left out with a positive one loses that;
- a row covered c > 1 times loses :math:`\lambda_i (c - 1)`; a row left uncovered loses
  :math:`w_i - \lambda_i`.

The least loss over all choices, subtracted from the bound, makes it the exact optimum of the tile
at these prices; the search finds it by deciding site after site along a sweep. Two partial choices
that chose the same sites among those whose rows are still open (the frontier, a 64-bit mask) have
equal futures, so only the cheaper one stays; one that has lost `limit` already is dropped. Where
more than `cap` states stay, the dearest leave and the least loss among them limits what is proven.
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["WIDTH_MAX", "explore", "frontier_width", "seat_sites"]

#: Sites on a frontier: bits of the mask.
WIDTH_MAX = 64


@jit
def frontier_width(order, site_indptr, site_indices, last):
    """Return the most sites that are open at once when decided in `order`.

    A site is open from its decision until the last site that shares a row with it is decided. More
    than 63 decisions between the two, and the width is told as more than `WIDTH_MAX`.

    Parameters
    ----------
    order : (n,) int32
        Sites in the order of the sweep.
    last : (n_row,) int32
        Scratch; its content does not matter.
    """
    n = order.size
    for k in range(n):
        j = order[k]
        for q in range(site_indptr[j], site_indptr[j + 1]):
            last[site_indices[q]] = k
    leaving = np.zeros(n, np.int32)
    width = 0
    most = 0
    for k in range(n):
        j = order[k]
        leave = k
        for q in range(site_indptr[j], site_indptr[j + 1]):
            leave = max(leave, last[site_indices[q]])
        if leave - k >= 64:
            most = max(most, leave - k)
        if leave > k:
            width += 1
            leaving[leave] += 1
        most = max(most, width)
        width -= leaving[k]
    return most


@jit
def seat_sites(n, indptr, indices, last, clear):
    """Find when the bit of each site becomes free; bit ``k % 64`` belongs to site k of a sweep.

    Parameters
    ----------
    n : int
        Sites, in the order of the sweep.
    indptr, indices : site -> rows, rows numbered from 0
    last : (n_row,) int32
        Output: last site that covers each row.
    clear : (n,) uint64
        Output: bits that become free after each decision.

    Returns
    -------
    bool
        False where a site is open for more than 63 decisions.
    """
    for j in range(n):
        clear[j] = np.uint64(0)
        for q in range(indptr[j], indptr[j + 1]):
            last[indices[q]] = j
    for j in range(n):
        leave = j
        for q in range(indptr[j], indptr[j + 1]):
            leave = max(leave, last[indices[q]])
        if leave - j >= 64:
            return False
        clear[leave] |= np.uint64(1) << np.uint64(j & 63)
    return True


@jit
def _group(j, indptr, indices, whole, price, last, row_mask, mask, multiple, dead):
    """Gather the rows of site j by the frontier sites that cover them; returns groups, free loss.

    ``multiple[g]`` is lost by choosing j where a site of ``mask[g]`` is chosen, ``dead[g]`` by
    leaving j out where none is; the free loss is that of rows which only j covers.
    """
    n = 0
    free = 0
    for q in range(indptr[j], indptr[j + 1]):
        i = indices[q]
        left = whole[i] - price[i] if last[i] == j else 0
        if row_mask[i] == np.uint64(0):
            free += left
            continue
        g = 0
        while g < n and mask[g] != row_mask[i]:
            g += 1
        if g == n:
            mask[g] = row_mask[i]
            multiple[g] = 0
            dead[g] = 0
            n += 1
        multiple[g] += price[i]
        dead[g] += left
    return n, free


@jit
def _unite(n, mask, loss, origin, table):
    """Keep the cheapest of the states with equal masks; returns how many stay."""
    size = 16
    while size < 2 * n:
        size *= 2
    table[:size] = -1
    top = np.uint64(size - 1)
    kept = 0
    for s in range(n):
        h = mask[s] * np.uint64(0x9E3779B97F4A7C15)
        h = (h ^ (h >> np.uint64(29))) & top
        while True:
            t = table[h]
            if t < 0:
                table[h] = kept
                mask[kept] = mask[s]
                loss[kept] = loss[s]
                origin[kept] = origin[s]
                kept += 1
                break
            if mask[t] == mask[s]:
                if loss[s] < loss[t]:
                    loss[t] = loss[s]
                    origin[t] = origin[s]
                break
            h = (h + np.uint64(1)) & top
    return kept


@jit
def explore(
    n, indptr, indices, whole, price, reduced, last, clear, rest, limit, cap,
    profile, trace, choice,
):  # fmt: skip
    """Return the least loss of a tile below `limit`, and the loss proven for every choice.

    Parameters
    ----------
    n : int
        Sites, in the order of the sweep.
    indptr, indices : site -> rows, rows numbered from 0
    whole, price : (n_row,) int64
        Weight of each row and its price, ``0 <= price <= whole``.
    reduced : (n,) int64
        Reduced score of each site.
    last, clear
        From `seat_sites`.
    rest : (n,) int64
        A loss that is certain after each decision.
    limit : int
        Only choices that lose less are of interest.
    cap : int
        Most states kept.
    profile : (n,) int64
        Output: what is lost at least up to and with each decision.
    trace : (n * cap,) int32
        Scratch for the way back; of size 0 where the choice is not asked for.
    choice : (n,) bool
        Output: the choice of least loss, where one below `limit` was found and `trace` given.

    Returns
    -------
    (best, proven, worked) : (int, int, int)
        Loss of the best choice found, `limit` where none was; no choice loses less than `proven`;
        how many states were worked on.
    """
    n_row = whole.size
    row_mask = np.zeros(n_row, np.uint64)
    degree = 1
    for j in range(n):
        degree = max(degree, indptr[j + 1] - indptr[j])
    group_mask = np.empty(degree, np.uint64)
    multiple = np.empty(degree, np.int64)
    dead = np.empty(degree, np.int64)
    room = 2 * cap + 2
    mask, new_mask = np.empty(room, np.uint64), np.empty(room, np.uint64)
    loss, new_loss = np.empty(room, np.int64), np.empty(room, np.int64)
    origin = np.empty(room, np.int32)
    table = np.empty(8 * (cap + 8), np.int32)
    begin = np.zeros(n + 1, np.int64)
    mask[0] = np.uint64(0)
    loss[0] = 0
    states = 1
    worked = 0
    dropped = limit
    for j in range(n):
        groups, free = _group(
            j, indptr, indices, whole, price, last, row_mask, group_mask, multiple, dead
        )
        take = max(0, -reduced[j])
        leave = max(0, reduced[j]) + free
        bit = np.uint64(1) << np.uint64(j & 63)
        keep = ~clear[j]
        most = limit - rest[j]
        count = 0
        worked += states
        for s in range(states):
            state = mask[s]
            a = loss[s] + take
            b = loss[s] + leave
            for g in range(groups):
                if group_mask[g] & state:
                    a += multiple[g]
                else:
                    b += dead[g]
            if b < most:
                new_mask[count] = state & keep
                new_loss[count] = b
                origin[count] = 2 * s
                count += 1
            if a < most:
                new_mask[count] = (state | bit) & keep
                new_loss[count] = a
                origin[count] = 2 * s + 1
                count += 1
        # a bit that no state has set makes no two states alike
        if clear[j] & ~bit != np.uint64(0):
            count = _unite(count, new_mask, new_loss, origin, table)
        if count > cap:
            cut = np.partition(new_loss[:count], cap)[cap]
            dropped = min(dropped, cut + rest[j])
            kept = 0
            for s in range(count):
                if new_loss[s] < cut:
                    new_mask[kept] = new_mask[s]
                    new_loss[kept] = new_loss[s]
                    origin[kept] = origin[s]
                    kept += 1
            count = kept
        if count == 0:
            profile[j:n] = dropped
            return limit, dropped, worked
        least = new_loss[0]
        for s in range(1, count):
            least = min(least, new_loss[s])
        profile[j] = min(least, dropped)
        if trace.size:
            begin[j + 1] = begin[j] + count
            trace[begin[j] : begin[j + 1]] = origin[:count]
        mask, new_mask = new_mask, mask
        loss, new_loss = new_loss, loss
        states = count
        for q in range(indptr[j], indptr[j + 1]):
            row_mask[indices[q]] |= bit
    s = 0
    for t in range(1, states):
        if loss[t] < loss[s]:
            s = t
    best = loss[s]
    if trace.size:
        for j in range(n - 1, -1, -1):
            step = trace[begin[j] + s]
            choice[j] = step & 1 == 1
            s = step >> 1
    return best, min(best, dropped), worked
