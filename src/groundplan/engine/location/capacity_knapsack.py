"""Knapsacks of single sites: fractional where demand may be split, 0/1 where rows are whole."""

from __future__ import annotations

import numpy as np

from groundplan.engine._jit import jit

__all__ = ["fill_fractional", "fill_whole", "serve_fractional", "serve_whole"]


@jit
def _threshold(ratio, size, n, room, out):
    """Put the worth of the first `room` units, dearest first, and the worth of the last, in `out`.

    Weighted selection without sorting: of each cut only the side that holds the last unit is kept.
    """
    a, b = 0, n
    left = room
    total = 0.0
    while True:
        x, y, z = ratio[a], ratio[(a + b) // 2], ratio[b - 1]
        pivot = max(min(x, y), min(max(x, y), z))
        above, equal, worth = 0.0, 0.0, 0.0
        first, at, last = a, a, b
        while at < last:
            r, d = ratio[at], size[at]
            if r > pivot:
                above += d
                worth += r * d
                ratio[at], size[at] = ratio[first], size[first]
                ratio[first], size[first] = r, d
                first += 1
                at += 1
            elif r < pivot:
                last -= 1
                ratio[at], size[at] = ratio[last], size[last]
                ratio[last], size[last] = r, d
            else:
                equal += d
                at += 1
        if above >= left:
            b = first
        elif above + equal >= left or last >= b:
            out[0] = total + worth + (left - above) * pivot
            out[1] = pivot
            return
        else:
            left -= above + equal
            total += worth + equal * pivot
            a = last


@jit
def fill_fractional(lo, hi, ptr, row, each, worth, demand, capacity, top, gain, unit):
    """Fractional knapsack of each site; `unit` is the price of its capacity.

    Pairs stand in order of cost per unit, `each`: beyond `top`, the highest worth of a unit, none
    pays.
    """
    most = 0
    for j in range(lo, hi):
        most = max(most, ptr[j + 1] - ptr[j])
    ratio = np.empty(most)
    size = np.empty(most)
    out = np.empty(2)
    for j in range(lo, hi):
        n = 0
        total = 0.0
        load = 0.0
        for q in range(ptr[j], ptr[j + 1]):
            if each[q] >= top:
                break
            i = row[q]
            v = worth[i] - each[q]
            if v > 0.0:
                ratio[n] = v
                size[n] = demand[i]
                n += 1
                total += v * demand[i]
                load += demand[i]
        unit[j] = 0.0
        gain[j] = total
        if load > capacity[j]:
            if capacity[j] <= 0:
                out[0], out[1] = 0.0, top
            else:
                _threshold(ratio, size, n, float(capacity[j]), out)
            gain[j] = out[0]
            unit[j] = out[1]


@jit
def serve_fractional(sites, ptr, row, each, worth, demand, capacity, unit, served):
    """Add to `served` what the fractional knapsacks of some sites hold of each row."""
    for j in sites:
        left = capacity[j]
        for q in range(ptr[j], ptr[j + 1]):
            v = worth[row[q]] - each[q]
            if v > 0.0 and v > unit[j]:
                served[row[q]] += 1.0
                left -= demand[row[q]]
        if unit[j] == 0.0:
            continue
        for q in range(ptr[j], ptr[j + 1]):
            if left <= 0:
                break
            if worth[row[q]] - each[q] == unit[j]:
                part = min(left, demand[row[q]])
                served[row[q]] += part / demand[row[q]]
                left -= part


@jit
def _core(value, need, n, room, inside):
    """Split items into sure ones (`inside` 1), excluded ones (0) and those in doubt (2).

    An item whose reduced worth at the break price exceeds the distance of the fractional bound from
    a plan stands in every best plan, or in none. Returns the worth and the need of the sure ones.
    """
    ratio = np.empty(n)
    weight = np.empty(n)
    for e in range(n):
        ratio[e] = value[e] / need[e]
        weight[e] = need[e]
    out = np.empty(2)
    _threshold(ratio, weight, n, float(room), out)
    unit = out[1]
    least = 0.0
    left = room
    best = 0.0
    for e in range(n):
        if value[e] / need[e] > unit:
            least += value[e]
            left -= need[e]
    for e in range(n):
        if value[e] / need[e] <= unit and need[e] <= left and value[e] > best:
            best = value[e]
    slack = 1e-9 * out[0]
    for turn in range(2):
        apart = out[0] - least - best + slack
        doubt = 0
        sure = 0.0
        filled = 0
        for e in range(n):
            reduced = value[e] - unit * need[e]
            if reduced > apart:
                inside[e] = 1
                sure += value[e]
                filled += need[e]
            elif reduced < -apart:
                inside[e] = 0
            else:
                inside[e] = 2
                doubt += 1
        if turn == 0 and doubt > 8:
            # a plan filled in order of worth brings the two closer
            who = np.empty(doubt, np.int64)
            key = np.empty(doubt)
            k = 0
            for e in range(n):
                if inside[e] == 2:
                    who[k] = e
                    key[k] = -value[e] / need[e]
                    k += 1
            left = room - filled
            found = sure
            for at in np.argsort(key):
                e = who[at]
                if need[e] <= left:
                    left -= need[e]
                    found += value[e]
            if found <= least + best:
                break
            least = found
            best = 0.0
        else:
            break
    return sure, filled


@jit
def _knapsack(j, ptr, row, cost, price, size, room, served, keep):
    """Solve the 0/1 knapsack of site j over `room` steps; with `keep` add its rows to `served`."""
    n = 0
    load = 0
    total = 0.0
    for q in range(ptr[j], ptr[j + 1]):
        v = price[row[q]] - cost[q]
        if v > 0.0 and size[row[q]] <= room:
            n += 1
            load += size[row[q]]
            total += v
    if load <= room:
        if keep:
            for q in range(ptr[j], ptr[j + 1]):
                if price[row[q]] - cost[q] > 0.0 and size[row[q]] <= room:
                    served[row[q]] += 1.0
        return total
    value = np.empty(n)
    need = np.empty(n, np.int64)
    who = np.empty(n, np.int64)
    n = 0
    free = 0.0
    for q in range(ptr[j], ptr[j + 1]):
        i = row[q]
        v = price[i] - cost[q]
        if v <= 0.0 or size[i] > room:
            continue
        if size[i] == 0:
            # rounded down to nothing
            free += v
            if keep:
                served[i] += 1.0
            continue
        value[n] = v
        need[n] = size[i]
        who[n] = i
        n += 1
    inside = np.empty(n, np.int8)
    sure, filled = _core(value, need, n, room, inside)
    left = room - filled
    doubt = 0
    for e in range(n):
        doubt += inside[e] == 2
    best = np.zeros(left + 1)
    took = np.zeros((doubt if keep else 1, left + 1), np.bool_)
    k = 0
    for e in range(n):
        if inside[e] != 2:
            continue
        for r in range(left, need[e] - 1, -1):
            w = best[r - need[e]] + value[e]
            if w > best[r]:
                best[r] = w
                if keep:
                    took[k, r] = True
        k += 1
    if keep:
        r = left
        for e in range(n - 1, -1, -1):
            if inside[e] == 1:
                served[who[e]] += 1.0
            elif inside[e] == 2:
                k -= 1
                if took[k, r]:
                    served[who[e]] += 1.0
                    r -= need[e]
    return free + sure + best[left]


@jit
def fill_whole(order, upper, fee, at_most, at_least, ptr, row, cost, price, size, room, gain):
    """0/1 knapsacks in falling order of their fractional gain, as long as one can still matter."""
    served = np.empty(0)
    kept = np.full(at_most, 0.0)
    kept[:at_least] = -np.inf
    for j in order:
        if upper[j] - fee[j] <= kept[0]:
            gain[j] = upper[j]
            continue
        # rounded down, demand may fit that even fractions of it would not
        gain[j] = min(upper[j], _knapsack(j, ptr, row, cost, price, size, room[j], served, False))
        net = gain[j] - fee[j]
        if net > kept[0]:
            # the least of the best stands first
            kept[0] = net
            e = 0
            while e + 1 < at_most and kept[e] > kept[e + 1]:
                kept[e], kept[e + 1] = kept[e + 1], kept[e]
                e += 1


@jit
def serve_whole(sites, ptr, row, cost, price, size, room, served):
    """Add to `served` the rows in the 0/1 knapsacks of some sites."""
    for j in sites:
        _knapsack(j, ptr, row, cost, price, size, room[j], served, True)
