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
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, spread
from groundplan.engine.location.capacity_knapsack import (
    fill_fractional,
    fill_whole,
    serve_fractional,
    serve_whole,
)
from groundplan.engine.location.capacity_problem import CapacityProblem
from groundplan.engine.location.check_capacity_limits import best_within, largest_within
from groundplan.engine.location.check_limits import Limits

__all__ = ["Pricing", "volume"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: A 0/1 knapsack is solved on at most this many steps of capacity (coarser: demand rounded down).
KNAPSACK_STEPS = 60_000
#: Fewer pairs than this are not worth a second thread.
PAIRS_ALONE = 200_000
#: Cost of a row against the mean at least, where it sets how far its price moves.
LEAST_COST = 0.01
#: Sites of more pairs than this are put in order one by one.
PAIRS_A_SITE = 500


def knapsack_grid(problem: CapacityProblem) -> int:
    """Return the step of capacity of 0/1 knapsacks: exact by a common divisor where it fits."""
    step = int(np.gcd.reduce(np.concatenate([problem.demand, problem.capacity])))
    return max(step, -(-int(problem.capacity.max()) // KNAPSACK_STEPS))


def cheapest_first(
    problem: CapacityProblem, *, with_cost: bool
) -> tuple[NDArray[np.int32], FloatArray, FloatArray]:
    """Return rows, costs per unit and, where asked for, costs: of each site the cheapest first.

    Pairs of equal cost per unit stay as they stand.
    """
    p = problem
    if p.row.size < PAIRS_A_SITE * p.n_site:
        each = p.cost / p.demand[p.row]
        order = np.lexsort((each, p.site_of_pair()))
        return p.row[order], each[order], p.cost[order] if with_cost else np.empty(0)
    demand = p.demand.astype(np.float64)
    row, each = np.empty_like(p.row), np.empty(p.row.size)
    cost = np.empty(p.row.size if with_cost else 0)
    for a, b in pairwise(p.site_ptr.tolist()):
        mine = p.cost[a:b] / demand[p.row[a:b]]
        order = np.argsort(mine)
        ranked = mine[order]
        if (ranked[1:] == ranked[:-1]).any():
            order = np.argsort(mine, kind="stable")
        row[a:b], each[a:b] = p.row[a:b][order], ranked
        if with_cost:
            cost[a:b] = p.cost[a:b][order]
    return row, each, cost


@dataclass
class Pricing:
    """The relaxed problem: which sites may open, which must, and at most how many.

    Where demand may be split, the order of pairs is taken over from a pricing `like` it.
    """

    problem: CapacityProblem
    free: BoolArray
    must: BoolArray
    at_most: int
    single_source: bool
    like: Pricing | None = None
    limits: Limits | None = None
    row: NDArray[np.int32] = field(init=False, repr=False)
    each: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Lay out what every evaluation needs."""
        p = self.problem
        self.fee = np.where(self.free, p.opening_cost, 0.0)
        if self.like is not None and not self.single_source:
            self.row, self.each = self.like.row, self.like.each
        else:
            self.row, self.each, self.cost = cheapest_first(p, with_cost=self.single_source)
        if self.single_source:
            step = knapsack_grid(p)
            self.size, self.room = p.demand // step, p.capacity // step
        lacking = int(p.demand.sum()) - int(p.capacity[self.must].sum())
        largest = np.sort(p.capacity[self.free])[::-1]
        if self.limits is not None:
            mine = self.limits.group[self.free]
            largest = largest_within(self.limits, mine, p.capacity[self.free])
        room = np.cumsum(largest)
        self.at_least = 0 if lacking <= 0 else int(np.searchsorted(room, lacking)) + 1
        self.gain, self.unit = np.empty(p.n_site), np.empty(p.n_site)
        self.weight = np.ones(p.n_row)
        if not self.single_source:
            # rows that cost more to serve move further: halfway between equal and proportional
            # steps; 0/1 knapsacks measured no gain from it
            count = np.maximum(1, np.bincount(p.row, minlength=p.n_row))
            dear = np.bincount(p.row, p.cost, p.n_row) / count
            self.weight = np.sqrt(np.maximum(dear, LEAST_COST * dear.mean() + 1e-300))
            self.weight /= self.weight.mean()
        self.ranges = chunks(p.n_site, 16 if p.row.size > PAIRS_ALONE else 1)

    def gains(self, worth: FloatArray) -> FloatArray:
        """Return the fractional knapsack of each site where a unit at row i is worth `worth`."""
        p = self.problem
        units = (p.site_ptr, self.row, self.each, worth, p.demand, p.capacity)
        spread(fill_fractional, self.ranges, *units, float(worth.max()), self.gain, self.unit)
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
            # limits may leave out the best sites: then each one is worth knowing
            if self.limits is not None:
                count = max(1, order.size)
            least = self.at_least if self.limits is None else count
            fill_whole(
                order, self.gain, self.fee, count, min(count, least), *pairs,
                self.size, self.room, gain,
            )  # fmt: skip
            fixed = np.flatnonzero(self.must)
            fill_whole(
                fixed, self.gain, self.fee, max(1, fixed.size), fixed.size,
                *pairs, self.size, self.room, gain,
            )  # fmt: skip
        net = gain - self.fee
        opened = self.must.copy()
        if self.limits is None:
            best = usable[np.argsort(-net[usable], kind="stable")[: self.at_most]]
            opened[best[: max(self.at_least, int((net[best] > 0.0).sum()))]] = True
        else:
            mine = self.limits.group[usable]
            taken = best_within(self.limits, mine, net[usable], self.at_most, self.at_least)
            if taken is None:
                raise RuntimeError("no choice of sites keeps the limits")
            opened[usable[taken]] = True
        served = np.zeros(p.n_row)
        sites = np.flatnonzero(opened)
        if self.single_source:
            serve_whole(sites, *pairs, self.size, self.room, served)
        else:
            serve_fractional(sites, *units, self.unit, served)
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
    for step in range(1, 1 if halt() else steps + 1):
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
