"""Plans that get cheaper: annealed interchange on near lists, tile by tile.

State: open sites and, for each row, its cheapest and second cheapest open site. Trying to open a
site visits the rows it would serve as first or second choice and finds, for every open site that
those rows use, what closing it instead would cost (Whitaker 1983; Resende and Werneck 2007, doi
10.1007/s10479-006-0154-0); `loss` holds what closing each open site costs by itself. A tile changes
its own sites and the rows that were served by them when the round began, and reads the others as
they stood then: tiles run side by side and the outcome does not depend on the threads.
"""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["anneal_tile", "drop_cheapest", "open_best", "serve_rows"]


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def _rescan(i, row_ptr, row_site, is_open, first, second):
    """Find the two cheapest open sites of a row again; returns their places in the row's list."""
    a = -1
    b = -1
    for q in range(row_ptr[i], row_ptr[i + 1]):
        if is_open[row_site[q]]:
            if a < 0:
                a = q
            else:
                b = q
                break
    first[i] = row_site[a] if a >= 0 else -1
    second[i] = row_site[b] if b >= 0 else -1
    return a, b


@jit
def serve_rows(
    row_ptr, row_site, row_cost, far, weight, is_open, first, second, cost1, cost2, loss
):
    """Build the state from the open sites; returns what the rows cost."""
    total = 0.0
    loss[:] = 0.0
    for i in range(weight.size):
        a, b = _rescan(i, row_ptr, row_site, is_open, first, second)
        cost1[i] = row_cost[a] if a >= 0 else far[i]
        cost2[i] = row_cost[b] if b >= 0 else far[i]
        total += weight[i] * cost1[i]
        if a >= 0:
            loss[first[i]] += weight[i] * (cost2[i] - cost1[i])
    return total


@jit
def _open(s, tile, site_ptr, site_row, site_cost, weight, row_tile, is_open, first, second, cost1,
          cost2, loss):  # fmt: skip
    is_open[s] = True
    own = 0.0
    for q in range(site_ptr[s], site_ptr[s + 1]):
        i = site_row[q]
        c = site_cost[q]
        if row_tile[i] != tile or c >= cost2[i]:
            continue
        a = first[i]
        w = weight[i]
        if c < cost1[i]:
            if a >= 0:
                loss[a] -= w * (cost2[i] - cost1[i])
            own += w * (cost1[i] - c)
            second[i] = a
            cost2[i] = cost1[i]
            first[i] = s
            cost1[i] = c
        else:
            if a >= 0:
                loss[a] -= w * (cost2[i] - c)
            second[i] = s
            cost2[i] = c
    loss[s] = own


@jit
def _close(r, tile, site_ptr, site_row, row_ptr, row_site, row_cost, far, weight, row_tile, is_open,
           first, second, cost1, cost2, loss):  # fmt: skip
    is_open[r] = False
    for q in range(site_ptr[r], site_ptr[r + 1]):
        i = site_row[q]
        if row_tile[i] != tile or (first[i] != r and second[i] != r):
            continue
        w = weight[i]
        if first[i] >= 0:
            loss[first[i]] -= w * (cost2[i] - cost1[i])
        a, b = _rescan(i, row_ptr, row_site, is_open, first, second)
        cost1[i] = row_cost[a] if a >= 0 else far[i]
        cost2[i] = row_cost[b] if b >= 0 else far[i]
        if a >= 0:
            loss[first[i]] += w * (cost2[i] - cost1[i])
    loss[r] = 0.0


@jit
def _gain(s, tile, site_ptr, site_row, site_cost, weight, row_tile, cost1):
    gain = 0.0
    for q in range(site_ptr[s], site_ptr[s + 1]):
        i = site_row[q]
        if row_tile[i] == tile and site_cost[q] < cost1[i]:
            gain += weight[i] * (cost1[i] - site_cost[q])
    return gain


@jit
def anneal_tile(
    tile, _end, tile_ptr, tile_site, seeds, heats, flips, price, site_ptr, site_row, site_cost,
    row_ptr, row_site, row_cost, far, weight, row_tile, open_before, is_open, first, second, cost1,
    cost2, loss, saved, touched, limited, group, held, least, most,
):  # fmt: skip
    """Sweep over the sites of a tile once for every heat; returns the accepted moves.

    Parameters
    ----------
    tile_ptr, tile_site : (n_tile + 1,) int64, (n,) int32
        Sites of each tile.
    seeds : (n_tile,) uint64
    heats : (n_sweep,) float64
    flips : bool
        Whether the number of open sites may change, at `price`; else swaps alone.
    price : (n_site,) float64
        What opening a site costs.
    site_ptr, site_row, site_cost / row_ptr, row_site, row_cost
        Rows of each site; sites of each row, cheapest first.
    far : (n_row,) float64
        Cost of a row that no open site of its list serves.
    row_tile : (n_row,) int32
    open_before, is_open : (n_site,) bool
        Open sites when the round began; now. A thread writes the sites of its tile only.
    first, second, cost1, cost2 : (n_row,)
    loss : (n_tile, n_site) float64
    saved : (n_tile, n_site) float64
        Scratch, zero before and after.
    touched : (n_tile, n_site) int32
        Scratch.
    limited : bool
        Make no move that leaves a limit on a group; only with a single tile.
    group, held, least, most : (n_site,), (n_group,) int64
        Group of each site; open sites of each group (changed in place), and their limits.
    """
    begin, end = tile_ptr[tile], tile_ptr[tile + 1]
    n = np.uint64(end - begin)
    if n == np.uint64(0):
        return 0
    state = seeds[tile]
    mine, credit, names = loss[tile], saved[tile], touched[tile]
    seen = open_before.copy()
    standing = np.empty(end - begin, np.int32)
    n_open = 0
    for q in range(begin, end):
        if seen[tile_site[q]]:
            standing[n_open] = tile_site[q]
            n_open += 1
    accepted = 0
    for heat in heats:
        for _ in range(end - begin):
            state = _next(state)
            s = tile_site[begin + np.int64(state % n)]
            state = _next(state)
            uniform = np.float64(state >> np.uint64(11)) * (1.0 / 9007199254740992.0)
            slack = -np.log(uniform + 1e-300) * heat - 1e-12
            if seen[s]:
                is_kept = limited and held[group[s]] <= least[group[s]]
                if flips and not is_kept and mine[s] - price[s] < slack:
                    if limited:
                        held[group[s]] -= 1
                    _close(s, tile, site_ptr, site_row, row_ptr, row_site, row_cost, far, weight,
                           row_tile, seen, first, second, cost1, cost2, mine)  # fmt: skip
                    accepted += 1
                continue
            gain = 0.0
            count = 0
            for q in range(site_ptr[s], site_ptr[s + 1]):
                i = site_row[q]
                c = site_cost[q]
                if row_tile[i] != tile or c >= cost2[i] or weight[i] == 0.0:
                    continue
                a = first[i]
                if c < cost1[i]:
                    gain += weight[i] * (cost1[i] - c)
                if a >= 0:
                    if credit[a] == 0.0:
                        names[count] = a
                        count += 1
                    credit[a] += weight[i] * (cost2[i] - max(cost1[i], c))
            is_full = limited and held[group[s]] >= most[group[s]]
            best = price[s] - gain if flips and not is_full else np.inf
            place = -1
            # with flips, far sites close by themselves; without, every open site is tried
            for k in range(count if flips else n_open):
                a = names[k] if flips else standing[k]
                if (
                    limited
                    and group[a] != group[s]
                    and (is_full or held[group[a]] <= least[group[a]])
                ):
                    continue
                change = price[s] - price[a] + mine[a] - credit[a] - gain
                if change < best:
                    best = change
                    place = k
            r = -1
            if place >= 0:
                r = names[place] if flips else standing[place]
            for k in range(count):
                credit[names[k]] = 0.0
            if best < slack:
                if limited:
                    held[group[s]] += 1
                    if r >= 0:
                        held[group[r]] -= 1
                if r >= 0 and not flips:
                    standing[place] = s
                _open(s, tile, site_ptr, site_row, site_cost, weight, row_tile, seen, first, second,
                      cost1, cost2, mine)  # fmt: skip
                if r >= 0:
                    _close(r, tile, site_ptr, site_row, row_ptr, row_site, row_cost, far, weight,
                           row_tile, seen, first, second, cost1, cost2, mine)  # fmt: skip
                accepted += 1
    for q in range(begin, end):
        is_open[tile_site[q]] = seen[tile_site[q]]
    return accepted


@jit
def drop_cheapest(
    count, fixed, price, site_ptr, site_row, row_ptr, row_site, row_cost, far, weight, row_tile,
    is_open, first, second, cost1, cost2, loss, group, spare,
):  # fmt: skip
    """Close `count` open sites one by one, each time the one whose closing costs least.

    Group g may lose ``spare[g]`` sites; changed in place.
    """
    for _ in range(count):
        r = -1
        for j in range(is_open.size):
            is_free = is_open[j] and not fixed[j] and spare[group[j]] > 0
            if is_free and (r < 0 or loss[j] - price[j] < loss[r] - price[r]):
                r = j
        if r < 0:
            return
        spare[group[r]] -= 1
        _close(r, 0, site_ptr, site_row, row_ptr, row_site, row_cost, far, weight, row_tile,
               is_open, first, second, cost1, cost2, loss)  # fmt: skip


@jit
def open_best(
    count, always, gain, price, site_ptr, site_row, site_cost, weight, row_tile, is_open, first,
    second, cost1, cost2, loss, group, room,
):  # fmt: skip
    """Open up to `count` sites, each time the one that saves most; returns how many were opened.

    Unless `always`, stops where no site saves more than its price. Gains only fall: those of an
    earlier call, infinite at first and minus infinity for sites that may not open, are known to be
    no less than the true ones. `gain` and ``room``, the sites each group may take, are changed in
    place.
    """
    fresh = np.full(is_open.size, -1)
    for turn in range(count):
        while True:
            s = np.argmax(gain)
            if gain[s] == -np.inf or fresh[s] == turn:
                break
            if room[group[s]] <= 0:
                gain[s] = -np.inf
                continue
            gain[s] = _gain(s, 0, site_ptr, site_row, site_cost, weight, row_tile, cost1) - price[s]
            fresh[s] = turn
        if gain[s] == -np.inf or (not always and gain[s] <= 0.0):
            return turn
        gain[s] = -np.inf
        room[group[s]] -= 1
        _open(s, 0, site_ptr, site_row, site_cost, weight, row_tile, is_open, first, second, cost1,
              cost2, loss)  # fmt: skip
    return count
