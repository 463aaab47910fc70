"""Branching on the sites of a split capacitated problem: linear programs, prices, leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_dual import Pricing, knapsack_grid
from groundplan.engine.location.capacity_plan import SplitPlans, WholePlans
from groundplan.engine.location.capacity_problem import CapacityProblem
from groundplan.engine.location.capacity_rounding import RoundedPlans
from groundplan.engine.location.check_capacitated import (
    UNIT_DIGITS,
    gains,
    leaf_bound,
)
from groundplan.engine.location.relaxation import Relaxation
from groundplan.engine.location.tree import CLOSED, FREE, OPEN

__all__ = ["Branching", "settle"]

FloatArray = NDArray[np.float64]
Prices = dict[str, NDArray[np.int64]]
Leaf = tuple[NDArray[np.int8], Prices, int]
#: Bound of a set of fixings that holds no plan.
NONE_LEFT = 2**62
#: Cheapest sites of each row that the linear programs keep in any case.
CHEAPEST = 4
ROUNDS = 60
#: Most pairs that one round adds.
PAIRS_AT_ONCE = 5_000
#: Pairs that a linear program begins with at most; others come when they would pay.
PAIRS_FIRST = 20_000
#: Scaled prices of capacity are cut here: any price >= 0 gives a bound.
MOST_UNIT = 2.0**61
#: Problems of more rows are not branched on.
ROWS_MAX = 3_000
#: A share of service above that of its site by this much breaks the row ``x_ij <= y_j``.
VIOLATION = 1e-6


class Branching:
    """The relaxation at a set of fixings, and the bound that its prices prove."""

    def __init__(
        self,
        problem: CapacityProblem,
        pricing: Pricing,
        plans: SplitPlans | WholePlans | RoundedPlans,
        p: int | None,
        halt: Callable[[], bool],
    ) -> None:
        self.problem, self.pricing, self.plans, self.p = problem, pricing, plans, p
        self.halt = halt
        self.fee = np.where(pricing.free, problem.scaled(problem.opening_cost), 0)
        self.step = knapsack_grid(problem)
        # knapsacks in coarse steps may say less than fractional ones
        self.is_even = not (problem.demand % self.step).any()
        self.known: dict[int, tuple[Prices, int, NDArray[np.int64]]] = {}

    def prices(self, price: FloatArray) -> Prices:
        """Return whole-number prices of the rows and of each site's capacity."""
        scale = self.problem.scale
        row = np.rint(price * scale).astype(np.int64)
        if self.pricing.single_source and self.is_even:
            return {"row": row}
        self.pricing.evaluate(row / scale)
        unit = np.rint(np.minimum(self.pricing.unit * (scale * 2**UNIT_DIGITS), MOST_UNIT))
        unit = unit.astype(np.int64)
        return {"row": row, "unit": unit}

    def score(self, fix: NDArray[np.int8], prices: Prices) -> int:
        """Return the bound of one leaf times scale, by the very sums of the check."""
        if id(prices) not in self.known:
            row = prices["row"]
            step = self.step if self.pricing.single_source else None
            gain = gains(self.problem, row, prices.get("unit"), step)
            self.known[id(prices)] = (prices, int(row.sum()), gain - self.fee)
        _, total, net = self.known[id(prices)]
        bound = leaf_bound(
            total, net, fix, self.problem.capacity, int(self.problem.demand.sum()),
            self.pricing.free, self.pricing.must, self.p, self.pricing.limits,
        )  # fmt: skip
        return NONE_LEFT if bound is None else bound

    def build(self, price: FloatArray, slack: float) -> None:
        """Lay out the linear program over pairs that a better plan may use.

        The choice of pairs only steers: the bound is always that of all pairs.
        """
        p = self.problem
        site = p.site_of_pair()
        self.pricing.evaluate(price)
        unit = self.pricing.unit[site] * p.demand[p.row]
        reduced = p.cost + unit - price[p.row]
        usable = (self.pricing.free | self.pricing.must)[site]
        order = np.lexsort((reduced, p.row))
        order = order[usable[order]]
        first = np.concatenate([[True], np.diff(p.row[order]) != 0])
        number = np.arange(order.size)
        rank = number - np.maximum.accumulate(np.where(first, number, 0))
        keep = np.zeros(p.row.size, bool)
        keep[order[rank < CHEAPEST]] = True
        likely = np.flatnonzero(usable & (reduced <= slack))
        likely = likely[np.argsort(reduced[likely], kind="stable")[:PAIRS_FIRST]]
        keep[likely] = True
        self.pair = np.flatnonzero(keep)
        n_site, n_row, n_pair = p.n_site, p.n_row, self.pair.size
        rows, sites = p.row[self.pair], site[self.pair]
        x = n_site + np.arange(n_pair)
        self.site, self.column, self.has_row = sites, x, np.zeros(n_pair, bool)
        self.site_of_pair = site
        spare = n_site + n_pair + np.arange(n_row)
        # rows: service, capacity, number of sites
        entry_row: list[NDArray[Any]] = [
            rows,
            np.arange(n_row),
            n_row + sites,
            n_row + np.arange(n_site),
        ]
        entry_col = [x, spare, x, np.arange(n_site)]
        entry_val = [
            np.ones(n_pair), np.ones(n_row), p.demand[rows].astype(float),
            -p.capacity.astype(float),
        ]  # fmt: skip
        low, high = [np.ones(n_row), np.full(n_site, -np.inf)], [np.ones(n_row), np.zeros(n_site)]
        if self.p is not None:
            entry_row.append(np.full(n_site, n_row + n_site))
            entry_col.append(np.arange(n_site))
            entry_val.append(self.pricing.free.astype(float))
            low.append(np.array([-np.inf]))
            high.append(np.array([float(self.p)]))
        entry_row.append(np.full(n_site, sum(part.size for part in low)))
        entry_col.append(np.arange(n_site))
        entry_val.append(self.pricing.free.astype(float))
        low.append(np.array([float(self.pricing.at_least)]))
        high.append(np.array([np.inf]))
        if self.pricing.limits is not None:
            limits = self.pricing.limits
            mine = np.flatnonzero(self.pricing.free & (limits.group < limits.n_group))
            entry_row.append(sum(part.size for part in low) + limits.group[mine])
            entry_col.append(mine)
            entry_val.append(np.ones(mine.size))
            low.append(limits.least[:-1].astype(float))
            high.append(limits.most[:-1].astype(float))
        r, c = np.concatenate(entry_row), np.concatenate(entry_col)
        v = np.concatenate(entry_val)
        order = np.lexsort((c, r))
        count = np.bincount(r, minlength=sum(part.size for part in low))
        dear = 2.0 * float(price.max()) + float(p.cost.max())
        cost = np.concatenate(
            [np.where(self.pricing.free, p.opening_cost, 0.0), p.cost[self.pair],
             np.full(n_row, dear)]
        )  # fmt: skip
        self.program = Relaxation(
            cost, np.zeros(cost.size), np.ones(cost.size),
            np.concatenate([[0], np.cumsum(count)]), c[order], v[order],
            np.concatenate(low), np.concatenate(high), self.halt,
        )  # fmt: skip

    def price(self, fix: NDArray[np.int8]) -> tuple[Prices | None, FloatArray | None]:
        """Solve the relaxation with sites fixed, adding broken rows; offer its plan."""
        p = self.problem
        free, must = self.pricing.free, self.pricing.must
        opened = must | (free & (fix == OPEN))
        maybe = opened | (free & (fix == FREE))
        self.program.fix(np.arange(p.n_site), opened.astype(float), maybe.astype(float))
        solved = None
        for _ in range(ROUNDS):
            solved = self.program.solve()
            if solved is None:
                return None, None
            if not self.add_broken_rows(solved[0]) and not self.add_missing_pairs(solved[1], maybe):
                break
        if solved is None:
            return None, None
        share = solved[0][: p.n_site]
        if not isinstance(self.plans, RoundedPlans):
            self.plans.round(share)
        return self.prices(solved[1][: p.n_row]), share

    def add_broken_rows(self, x: FloatArray) -> bool:
        """Add the rows ``x_ij <= y_j`` that a solution breaks; false where there is none."""
        over = x[self.column] > x[self.site] + VIOLATION
        broken = np.flatnonzero(over & ~self.has_row)
        if not broken.size:
            return False
        self.has_row[broken] = True
        indices = np.column_stack([self.site[broken], self.column[broken]]).ravel()
        self.program.add_rows(
            np.arange(0, 2 * broken.size + 1, 2), indices, np.tile([-1.0, 1.0], broken.size),
            np.zeros(broken.size),
        )  # fmt: skip
        return True

    def add_missing_pairs(self, duals: FloatArray, maybe: NDArray[np.bool_]) -> bool:
        """Add pairs that would pay at these prices; false where there is none."""
        p = self.problem
        price, unit = duals[: p.n_row], np.maximum(0.0, -duals[p.n_row : p.n_row + p.n_site])
        site = self.site_of_pair
        reduced = p.cost + unit[site] * p.demand[p.row] - price[p.row]
        reduced[self.pair] = np.inf
        reduced[~maybe[site]] = np.inf
        missing = np.flatnonzero(reduced < -1e-7 * float(np.abs(price).max()))
        if not missing.size:
            return False
        if missing.size > PAIRS_AT_ONCE:
            missing = missing[np.argsort(reduced[missing], kind="stable")[:PAIRS_AT_ONCE]]
        rows, sites = p.row[missing], site[missing]
        first = self.program.n_column
        indices = np.column_stack([rows, p.n_row + sites]).ravel()
        values = np.column_stack([np.ones(missing.size), p.demand[rows]]).ravel().astype(float)
        self.program.add_columns(
            p.cost[missing], np.arange(0, 2 * missing.size + 1, 2), indices, values
        )
        self.pair = np.concatenate([self.pair, missing])
        self.site = np.concatenate([self.site, sites])
        self.column = np.concatenate([self.column, first + np.arange(missing.size)])
        self.has_row = np.concatenate([self.has_row, np.zeros(missing.size, bool)])
        return True


def settle(
    root: NDArray[np.int8],
    prices: Prices,
    score: Callable[[NDArray[np.int8], Prices], int],
    target: int,
) -> tuple[NDArray[np.int8], list[Leaf]]:
    """Fix every site whose other side these prices already close; returns fixings and leaves."""
    fixed = root.copy()
    leaves: list[Leaf] = []
    for site in np.flatnonzero(root == FREE):
        for side, other in ((OPEN, CLOSED), (CLOSED, OPEN)):
            trial: Any = fixed.copy()
            trial[site] = side
            bound = score(trial, prices)
            if bound >= target:
                leaves.append((trial, prices, bound))
                fixed[site] = other
                break
    return fixed, leaves
