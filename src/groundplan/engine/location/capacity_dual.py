r"""Prices of the demand rows of a capacitated problem, by the volume algorithm.

Relaxing "every row is served once" leaves one knapsack a site,

.. math:: L(\lambda) = \sum_i \lambda_i - \sum_j (\rho_j - f_j)^+, \qquad \rho_j = \max \Big\{
          \sum_i (\lambda_i - c_{ij}) x_i : \sum_i d_i x_i \le \text{cap}_j \Big\},

fractional where demand may be split, 0/1 where each row has one site; at least as many sites open
as are needed to hold all demand. Prices move along an average
of the violations whose weights also give each site's share in a fractional plan (Barahona and
Anbil 2000, doi 10.1007/s101070050002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.location.capacity_problem import CapacityProblem

__all__ = ["Pricing", "volume"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: A 0/1 knapsack is solved on at most this many steps of capacity (coarser: demand rounded down).
KNAPSACK_STEPS = 60_000
#: Fewer pairs than this are not worth a second thread.
PAIRS_ALONE = 200_000
#: Cost of a row against the mean at least, where it sets how far its price moves.
LEAST_COST = 0.01


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
def _fractional(lo, hi, ptr, row, each, worth, demand, capacity, top, gain, unit):
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
def _serve_fractional(sites, ptr, row, each, worth, demand, capacity, unit, served):
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
def _whole(order, upper, fee, at_most, at_least, ptr, row, cost, price, size, room, gain):
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
def _serve_whole(sites, ptr, row, cost, price, size, room, served):
    for j in sites:
        _knapsack(j, ptr, row, cost, price, size, room[j], served, True)


def knapsack_grid(problem: CapacityProblem) -> int:
    """Return the step of capacity of 0/1 knapsacks: exact by a common divisor where it fits."""
    step = int(np.gcd.reduce(np.concatenate([problem.demand, problem.capacity])))
    return max(step, -(-int(problem.capacity.max()) // KNAPSACK_STEPS))


@dataclass
class Pricing:
    """The relaxed problem: which sites may open, which must, and at most how many."""

    problem: CapacityProblem
    free: BoolArray
    must: BoolArray
    at_most: int
    single_source: bool

    def __post_init__(self) -> None:
        """Lay out what every evaluation needs."""
        p = self.problem
        self.fee = np.where(self.free, p.opening_cost, 0.0)
        each = p.cost / p.demand[p.row]
        order = np.lexsort((each, p.site_of_pair()))
        self.row, self.each = p.row[order], each[order]
        if self.single_source:
            self.cost = p.cost[order]
            step = knapsack_grid(p)
            self.size, self.room = p.demand // step, p.capacity // step
        lacking = int(p.demand.sum()) - int(p.capacity[self.must].sum())
        room = np.cumsum(np.sort(p.capacity[self.free])[::-1])
        self.at_least = 0 if lacking <= 0 else int(np.searchsorted(room, lacking)) + 1
        self.gain, self.unit = np.empty(p.n_site), np.empty(p.n_site)
        # rows that cost more to serve move further: halfway between equal and proportional steps
        count = np.maximum(1, np.bincount(p.row, minlength=p.n_row))
        dear = np.bincount(p.row, p.cost, p.n_row) / count
        self.weight = np.sqrt(np.maximum(dear, LEAST_COST * dear.mean() + 1e-300))
        # 0/1 knapsacks measured no gain from it
        self.weight = np.ones(p.n_row) if self.single_source else self.weight / self.weight.mean()
        self.ranges = chunks(p.n_site, 16 if p.row.size > PAIRS_ALONE else 1)

    def gains(self, worth: FloatArray) -> FloatArray:
        """Return the fractional knapsack of each site where a unit at row i is worth `worth`."""
        p = self.problem
        units = (p.site_ptr, self.row, self.each, worth, p.demand, p.capacity)
        spread(_fractional, self.ranges, *units, float(worth.max()), self.gain, self.unit)
        return self.gain

    def evaluate(self, price: FloatArray) -> tuple[float, FloatArray, BoolArray]:
        """Return the bound at `price`, how often each row is served, and which sites open."""
        p = self.problem
        worth = price / p.demand
        units = (p.site_ptr, self.row, self.each, worth, p.demand, p.capacity)
        gain = self.gains(worth)
        usable = np.flatnonzero(self.free)
        if self.single_source:
            pairs = (p.site_ptr, self.row, self.cost, price)
            gain = np.empty(p.n_site)
            order = usable[np.argsort(-(self.gain - self.fee)[usable], kind="stable")]
            count = max(1, min(self.at_most, order.size))
            _whole(
                order, self.gain, self.fee, count, min(count, self.at_least), *pairs,
                self.size, self.room, gain,
            )  # fmt: skip
            fixed = np.flatnonzero(self.must)
            _whole(
                fixed, self.gain, self.fee, max(1, fixed.size), fixed.size,
                *pairs, self.size, self.room, gain,
            )  # fmt: skip
        net = gain - self.fee
        opened = self.must.copy()
        best = usable[np.argsort(-net[usable], kind="stable")[: self.at_most]]
        opened[best[: max(self.at_least, int((net[best] > 0.0).sum()))]] = True
        served = np.zeros(p.n_row)
        sites = np.flatnonzero(opened)
        if self.single_source:
            _serve_whole(sites, *pairs, self.size, self.room, served)
        else:
            _serve_fractional(sites, *units, self.unit, served)
        return float(price.sum()) - float(net[opened].sum()), served, opened


def first_prices(problem: CapacityProblem, fee: FloatArray, usable: BoolArray) -> FloatArray:
    """Return for each row its least cost, the capacity it takes paid for in proportion."""
    site = problem.site_of_pair()
    per_unit = fee / np.maximum(problem.capacity, 1)
    each = problem.cost + per_unit[site] * problem.demand[problem.row]
    price = np.full(problem.n_row, np.inf)
    keep = usable[site]
    np.minimum.at(price, problem.row[keep], each[keep])
    return np.where(np.isfinite(price), price, problem.cost.max(initial=0.0))


def walk(
    pricing: Pricing,
    price: FloatArray,
    aim: Callable[[FloatArray, float], float],
    *,
    steps: int,
    look: Callable[[int, float], bool],
    first: float = 1.0,
    patience: int = 15,
    halt: Callable[[], bool] = lambda: False,
) -> tuple[FloatArray, FloatArray, float, float]:
    """Return prices by deflected subgradient steps, which leave a poor start quickly.

    Camerini, Fratta and Maffioli 1975 (doi 10.1007/BFb0120697): the last direction is kept as far
    as it opposes the new one. Steps begin at the share `first` of a full one and shorten, from the
    best prices, after `patience` of them without a better bound.
    """
    weight = pricing.weight
    best, served, opened = pricing.evaluate(price)
    centre, now, bound = price.copy(), price.copy(), best
    share = opened.astype(np.float64)
    goal = aim(share, best)
    direction = 1.0 - served
    factor, worse = first, 0
    for step in range(1, steps + 1):
        length = float(direction @ (weight * direction))
        if length < 1e-18:
            break
        now = now + factor * max(goal - bound, 1e-6 * abs(goal)) / length * (weight * direction)
        bound, served, opened = pricing.evaluate(now)
        violation = 1.0 - served
        against = float(violation @ (weight * direction))
        keep = -1.5 * against / length if against < 0 else 0.0
        direction = violation + keep * direction
        share += 0.05 * (opened - share)
        if bound > best:
            best, centre, worse = bound, now.copy(), 0
        else:
            worse += 1
            if worse >= patience:
                factor, worse, now, bound = factor * 0.6, 0, centre.copy(), best
                direction = violation
        if step % 100 == 0:
            goal = min(goal, aim(share, best))
        if halt() or (step % 20 == 0 and look(step, best)):
            break
    return centre, share, best, goal


def volume(
    pricing: Pricing,
    price: FloatArray,
    aim: Callable[[FloatArray, float], float],
    *,
    steps: int,
    tolerance: float,
    look: Callable[[int, float], bool],
    halt: Callable[[], bool] = lambda: False,
) -> tuple[FloatArray, FloatArray, float]:
    """Return the best prices, the share of each site, and the bound.

    Parameters
    ----------
    pricing : Pricing
    price : (n_row,) float64
        Where to begin.
    aim : callable
        ``aim(share, bound)``, the best plan known, asked at the start and every 100 steps.
    steps : int
    tolerance : float
        Relative distance to the aim at which to end.
    look : callable
        ``look(step, bound)`` every 20 steps; true ends the steps.
    halt : callable
        Polled at every step.
    """
    centre, share, best, goal = walk(pricing, price, aim, steps=steps // 4, look=look, halt=halt)
    bound, served, opened = pricing.evaluate(centre)
    weight = pricing.weight
    mean = 1.0 - served
    factor, most, worse, last = 0.05, 0.1, 0, best
    for step in range(steps // 4 + 1, steps + 1):
        length = float(mean @ (weight * mean))
        if length < 1e-18 or goal - best <= tolerance * abs(goal):
            break
        trial = centre + factor * max(goal - best, 1e-9 * abs(goal)) / length * (weight * mean)
        bound, served, opened = pricing.evaluate(trial)
        violation = 1.0 - served
        apart = mean - violation
        square = float(apart @ (weight * apart))
        part = float(mean @ (weight * apart)) / square if square > 0 else most
        part = min(most, part) if part > 0 else most / 10.0
        agrees = float(violation @ (weight * mean)) > 0
        mean = part * violation + (1.0 - part) * mean
        share = part * opened + (1.0 - part) * share
        if bound > best:
            best, centre, worse = bound, trial, 0
            factor = min(2.0, factor * (1.1 if agrees else 1.0))
        else:
            worse += 1
            if worse >= 20:
                factor, worse = max(1e-4, factor * 0.66), 0
        if step % 100 == 0:
            if best - last < 1e-3 * abs(best):
                most = max(1e-3, most / 2.0)
            last = best
            goal = min(goal, aim(share, best))
        if halt() or (step % 20 == 0 and look(step, best)):
            break
    return centre, share, best
