"""Plans that keep limits on the groups of sites: repair, windows, annealing, exact merges.

Windows and annealing work at prices and know no limits: a site pays its cost at the budget's price
and the price of its group, and both prices follow what the plan spends and holds. A repair then
brings the plan within all limits: it drops what is too much in a group, adds what is too little,
and drops and adds for the budget where the groups allow it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.certificate import BUDGET_DIGITS, DENOMINATOR, priced_costs
from groundplan.engine.location.check_limits import Limits, cheapest
from groundplan.engine.location.exact import solve_exactly
from groundplan.engine.location.greedy import marginal_score, sift
from groundplan.engine.location.limited_dual import (
    FIRST_PRICE,
    GroupChoice,
    count_price,
    follow_groups,
    group_prices,
    moved,
)
from groundplan.engine.location.merge import FREE_MAX, NODES, restrict
from groundplan.engine.location.program import Program
from groundplan.engine.location.search import Prices, Search, whole_scores

__all__ = ["LimitedPrices", "LimitedSearch"]

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
#: More than any plan costs.
ENDLESS = 2**62


@jit
def drop_within(site_indptr, site_indices, weight, cost, group, spare, excess, chosen, count):
    """Drop sites by least loss per cost in groups with sites to spare until `excess` is saved.

    Parameters
    ----------
    spare : (n_group,) int64
        How many sites each group may lose; changed in place.
    """
    n = cost.size
    key, item = np.empty(n, np.float64), np.empty(n, np.int32)
    size = 0
    for j in range(n):
        if chosen[j] and spare[group[j]] > 0:
            key[size] = -(marginal_score(j, site_indptr, site_indices, weight, count, 1) / cost[j])
            item[size] = j
            size += 1
    for c in range(size // 2 - 1, -1, -1):
        sift(key, item, size, c)
    while excess > 0 and size > 0:
        j = item[0]
        fresh = -(marginal_score(j, site_indptr, site_indices, weight, count, 1) / cost[j])
        if spare[group[j]] <= 0 or fresh == key[0]:
            if spare[group[j]] > 0:
                spare[group[j]] -= 1
                chosen[j] = False
                excess -= cost[j]
                for q in range(site_indptr[j], site_indptr[j + 1]):
                    count[site_indices[q]] -= 1
            size -= 1
            key[0] = key[size]
            item[0] = item[size]
        else:
            key[0] = fresh
        sift(key, item, size, 0)


@jit
def fill_within(
    site_indptr, site_indices, weight, cost, group, room, budget, is_due, chosen, count
):  # fmt: skip
    """Add sites by gain per cost in groups with room while the budget lasts; returns what is left.

    Parameters
    ----------
    room : (n_group,) int64
        How many sites each group may take; changed in place.
    is_due : bool
        Add sites that gain nothing as well: the groups need them.
    """
    n = cost.size
    key, item = np.empty(n, np.float64), np.empty(n, np.int32)
    size = 0
    for j in range(n):
        if not chosen[j] and room[group[j]] > 0 and cost[j] <= budget:
            gain = marginal_score(j, site_indptr, site_indices, weight, count, 0)
            if gain > 0 or is_due:
                key[size] = gain / cost[j]
                item[size] = j
                size += 1
    for c in range(size // 2 - 1, -1, -1):
        sift(key, item, size, c)
    while size > 0:
        j = item[0]
        gain = marginal_score(j, site_indptr, site_indices, weight, count, 0)
        fresh = gain / cost[j]
        is_out = room[group[j]] <= 0 or cost[j] > budget or (gain == 0 and not is_due)
        if is_out or fresh == key[0]:
            if not is_out:
                chosen[j] = True
                room[group[j]] -= 1
                budget -= cost[j]
                for q in range(site_indptr[j], site_indptr[j + 1]):
                    count[site_indices[q]] += 1
            size -= 1
            key[0] = key[size]
            item[0] = item[size]
        else:
            key[0] = fresh
        sift(key, item, size, 0)
    return budget


class LimitedPrices(Prices):
    """Prices in whole numbers with one of each group, and the bound they prove.

    Attributes
    ----------
    group_price : (n_group + 1,) int64
        In 1 / `DENOMINATOR`; above 0 where a group has too many sites, below 0 where too few.
    income : int
        What budget and limits are worth at their prices.
    """

    def __init__(self, program: Program, share: NDArray[np.uint16], choice: GroupChoice) -> None:
        self.share = share
        self.whole = program.weight * DENOMINATOR
        self.price = program.weight * self.share.astype(np.int64)
        self.score = np.empty(program.n_site, np.int64)
        whole_scores(
            0, program.n_site, program.site_indptr, program.site_indices, self.price, self.score
        )
        limits = choice.limits
        if choice.is_even:
            each = int(program.cost[0])
            worth = int(count_price(limits, self.score, program.budget // each))
            self.budget_price = (worth << BUDGET_DIGITS) // each
        else:
            mu = choice.most(self.score / DENOMINATOR)[1] if program.n_site else 0.0
            self.budget_price = max(0, round(mu * DENOMINATOR * 2**BUDGET_DIGITS))
        over = self.score - priced_costs(self.budget_price, program.cost)
        self.group_price = group_prices(limits, over)
        self.reduced = over - self.group_price[limits.group]
        self.dues = self.score - self.reduced
        self.income = limits.income(self.group_price) - (
            -self.budget_price * program.budget >> BUDGET_DIGITS
        )
        self.bound = (
            int((self.whole - self.price).sum())
            + int(np.maximum(self.reduced, 0).sum())
            + self.income
        )
        self.losses = None
        self.budget = program.budget

    @property
    def worth(self) -> float:
        """What a site pays on average in 1 / `DENOMINATOR`, for its cost and its group."""
        return float(np.maximum(self.dues, 0).mean()) if self.dues.size else 0.0


class LimitedSearch(Search):
    """Program, limits, best plan, and the prices at which windows and annealing work."""

    def __init__(self, program: Program, limits: Limits) -> None:
        super().__init__(program)
        self.limits = limits
        self.mu, self.nu = 0.0, np.zeros(limits.least.size)
        self.dearest = cheapest(limits, np.ones(program.n_site, bool), program.cost)
        self.best[self.dearest] = True
        self.best_value = self.value(self.counts(self.best))

    def repair(self, chosen: BoolArray) -> int:
        """Bring a plan within limits and budget, fill it, keep it where it is the best so far."""
        p, limits = self.program, self.limits
        count = self.counts(chosen)
        csr = (p.site_indptr, p.site_indices, p.weight, p.cost, limits.group)
        held = limits.counts(chosen)
        if (held > limits.most).any():
            drop_within(*csr, np.maximum(0, held - limits.most), ENDLESS, chosen, count)
        if (held < limits.least).any():
            short = np.maximum(0, limits.least - held)
            fill_within(*csr, short, np.int64(ENDLESS), True, chosen, count)
        spent = self.spent(chosen)
        if spent > p.budget:
            spare = limits.counts(chosen) - limits.least
            drop_within(*csr, spare, spent - p.budget, chosen, count)
            spent = self.spent(chosen)
        if spent > p.budget:
            # what the groups need was filled too dearly
            chosen[:] = False
            chosen[self.dearest] = True
            count = self.counts(chosen)
            spent = self.spent(chosen)
        room = limits.most - limits.counts(chosen)
        fill_within(*csr, room, np.int64(p.budget - spent), False, chosen, count)
        value = self.value(count)
        if value > self.best_value:
            self.best_value = value
            self.best = chosen.copy()
        return value

    def take_prices(self, prices: LimitedPrices) -> None:
        """Begin to work at these prices."""
        self.mu = prices.budget_price / 2**BUDGET_DIGITS
        self.nu = prices.group_price.astype(np.float64)

    def priced(self) -> Search:
        """Return a search without limits in which every site costs what it pays at the prices."""
        dues = np.floor(self.mu * self.program.cost + self.nu[self.limits.group])
        return Search(replace(self.program, cost=dues.astype(np.int64)))

    def follow(self, chosen: BoolArray) -> None:
        """Move the prices towards what the plan spends and holds."""
        limits, p = self.limits, self.program
        held = limits.counts(chosen)
        typical = max(1.0, abs(self.mu) * float(p.cost.mean()) + float(np.abs(self.nu).mean()))
        over = (self.spent(chosen) - p.budget) / max(1, p.budget)
        least = FIRST_PRICE * typical / float(p.cost.mean())
        self.mu = moved(self.mu, over, least)
        follow_groups(limits, held, self.nu, typical)

    def sweep_windows(
        self,
        prices: Prices,
        worth: float,
        level: int,
        key: list[int],
        chosen: BoolArray,
        count: NDArray[np.int16],
        halt: Callable[[], bool] = lambda: False,
    ) -> tuple[int, int]:
        """Choose every window anew at the prices of budget and groups; returns gain and states."""
        del worth  # budget and groups have prices of their own
        found = self.priced().sweep_windows(prices, 1.0, level, key, chosen, count, halt)
        self.follow(chosen)
        return found

    def anneal_priced(
        self, chosen: BoolArray, count: NDArray[np.int16], heat: float, key: list[int]
    ) -> None:
        """Try one move a site at the prices; plan and counts change in place."""
        self.priced().anneal(chosen, count, 1.0 / DENOMINATOR, heat, key)
        self.follow(chosen)

    def solve(self, left_s: float | None, **options: Any) -> tuple[BoolArray, float, bool]:
        """Search on by a general solver that knows the limits."""
        return solve_exactly(self.program, self.best, left_s, limits=self.limits, **options)

    def merge(self, plans: list[BoolArray], key: list[int]) -> None:
        """Merge the best plan with others exactly, within the limits."""
        begin = float(np.random.Generator(np.random.Philox(key=key)).uniform())
        pool = self.best.copy()
        for plan in plans:
            pool |= plan
        free = np.flatnonzero(pool).astype(np.int32)
        if free.size > FREE_MAX:
            free = np.sort(np.roll(free, -int(begin * free.size))[:FREE_MAX])
        kept = self.best.copy()
        kept[free] = False
        small = restrict(self.program, free, kept)
        if small.n_row == 0:
            return
        limits = self.limits
        rest = limits.without(kept).of(free)
        found = solve_exactly(small, self.best[free], None, nodes=NODES, limits=rest)[0]
        plan = kept
        plan[free] = found
        self.repair(plan)
