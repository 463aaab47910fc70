"""The state of one solve: program, best plan so far, and the bound with its whole prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.location.anneal import anneal_stripe
from groundplan.engine.location.certificate import BUDGET_DIGITS, DENOMINATOR, priced_costs
from groundplan.engine.location.exact import solve_exactly
from groundplan.engine.location.greedy import (
    cover_counts,
    covered_weight,
    drop_to_budget,
    fill_greedily,
)
from groundplan.engine.location.merge import merge_plans
from groundplan.engine.location.program import Program
from groundplan.engine.location.swap import anneal_swaps
from groundplan.engine.location.tiles import Losses, cut_tiles, lift_bound
from groundplan.engine.location.windows import improve_windows, lay_bands

__all__ = ["Prices", "Search", "Windows"]

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
#: Temperatures of the annealing in budget prices; measured, see docs/location.
HEAT_FIRST, HEAT_LAST = 0.12, 0.003
#: First temperature of each plan annealed by swaps for one merge, and the last of all of them, in
#: mean values of a chosen site: the hottest forgets where it began, the coolest stays near.
SWAP_HEATS, SWAP_COLD = (0.03, 0.022, 0.016, 0.012), 0.003
#: First temperature of plans that forget all they began with.
SWAP_NEW = 0.045
#: Above this many rows or sites a plan is not searched as a whole any more.
SWAP_MAX = 50_000
#: Chosen sites that a window holds at least.
LEAST_CHOSEN = 4.0


@jit
def whole_scores(lo, hi, indptr, indices, price, out):
    """Write the sum of the prices of each site's rows."""
    for j in range(lo, hi):
        total = np.int64(0)
        for q in range(indptr[j], indptr[j + 1]):
            total += price[indices[q]]
        out[j] = total


class Prices:
    """Prices in whole numbers, the bound they prove, and what the tiles must lose below it.

    Parameters
    ----------
    program : Program
    share : (n_row,) uint16
        Price of each row as a share of its weight, in 1 / `DENOMINATOR`.
    mu : float
        Price of the budget in units of weight; not used where a count binds.
    is_count : bool
        True where the budget is a count of sites.

    Attributes
    ----------
    share : (n_row,) uint16
        Price of each row as a share of its weight, in 1 / `DENOMINATOR`.
    whole, price : (n_row,) int64
        Weight and price in 1 / `DENOMINATOR`.
    score, reduced : (n_site,) int64
        Prices of each site's rows together, and the same less its cost at the budget's price.
    budget_price : int
        With `BUDGET_DIGITS` more binary digits.
    bound : int
        Times `DENOMINATOR`; base value left out.
    budget : int
        For which `bound` holds.
    """

    def __init__(
        self, program: Program, share: NDArray[np.uint16], mu: float, *, is_count: bool
    ) -> None:
        self.share = share
        self.whole = program.weight * DENOMINATOR
        self.price = program.weight * self.share.astype(np.int64)
        score = np.empty(program.n_site, np.int64)
        csr = (program.site_indptr, program.site_indices)
        spread(whole_scores, chunks(program.n_site, 16), *csr, self.price, score)
        if is_count:
            # with the p-th largest score as price, the form with a price equals that of the p best
            n = min(program.budget, program.n_site)
            worth = int(np.partition(score, program.n_site - n)[program.n_site - n]) if n else 0
            worth = worth if program.budget < program.n_site else 0
            self.budget_price = worth << BUDGET_DIGITS
        else:
            self.budget_price = max(0, round(mu * DENOMINATOR * 2**BUDGET_DIGITS))
        self.score = score
        self.reduced = score - priced_costs(self.budget_price, program.cost)
        self.bound = (
            int((self.whole - self.price).sum())
            + int(np.maximum(self.reduced, 0).sum())
            - (-self.budget_price * program.budget >> BUDGET_DIGITS)
        )
        self.losses: Losses | None = None
        self.budget = program.budget

    @property
    def worth(self) -> float:
        """Price of one unit of budget in 1 / `DENOMINATOR`."""
        return float(self.budget_price / 2**BUDGET_DIGITS)

    @property
    def lifted(self) -> int:
        """Bound less what the tiles must lose, times `DENOMINATOR`."""
        return self.bound - (0 if self.losses is None else self.losses.total())


class Windows:
    """Size of the windows and of their searches, growing where smaller ones gain no more.

    Attributes
    ----------
    LEVELS : (sites, width of the frontier, most states)
    """

    LEVELS = (
        (60, 16, 300),
        (100, 20, 500),
        (200, 24, 4_000),
        (300, 28, 20_000),
        (400, 32, 100_000),
    )


class Search:
    """Program, best plan and its value; existing service is left out of all values here."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.best = np.zeros(program.n_site, bool)
        self.best_value = 0

    def value(self, count: NDArray[np.int16]) -> int:
        """Return the weight covered."""
        ranges = chunks(self.program.n_row, 16)
        return int(sum(spread(covered_weight, ranges, count, self.program.weight)))

    def counts(self, chosen: BoolArray) -> NDArray[np.int16]:
        """Return the cover counts of a plan."""
        count = np.zeros(self.program.n_row, np.int16)
        cover_counts(self.program.site_indptr, self.program.site_indices, chosen, count)
        return count

    def spent(self, chosen: BoolArray) -> int:
        """Return what a plan costs."""
        return int(self.program.cost[chosen].sum())

    def repair(self, chosen: BoolArray) -> int:
        """Drop to the budget and fill it; keep the plan where it is the best so far."""
        p = self.program
        count = self.counts(chosen)
        csr = (p.site_indptr, p.site_indices, p.weight, p.cost)
        spent = self.spent(chosen)
        if spent > p.budget:
            drop_to_budget(*csr, spent - p.budget, chosen, count)
            spent = self.spent(chosen)
        fill_greedily(*csr, p.budget - spent, chosen, count)
        value = self.value(count)
        if value > self.best_value:
            self.best_value = value
            self.best = chosen.copy()
        return value

    def solve(self, left_s: float | None, **options: Any) -> tuple[BoolArray, float, bool]:
        """Search on by a general solver: its best plan, its bound, whether it proved the plan."""
        return solve_exactly(self.program, self.best, left_s, **options)

    def anneal(
        self, chosen: BoolArray, count: NDArray[np.int16], mu: float, heat: float, key: list[int]
    ) -> None:
        """Try one move a site at the budget's price `mu`; plan and counts change in place."""
        p = self.program
        edge = p.band
        seeds = np.random.Generator(np.random.Philox(key=key)).integers(
            1, 2**63, edge.size, dtype=np.uint64
        )
        arrays = (
            p.site_indptr, p.site_indices, p.row_indptr, p.row_indices, p.weight, p.cost,
            mu, heat,
        )  # fmt: skip
        for colour in (0, 1):
            stripes = [(k, k + 1) for k in range(colour, edge.size - 1, 2)]
            spread(_anneal_band, stripes, edge, seeds, arrays, chosen, count)

    def merge_annealed(
        self, moves: int, key: list[int], start: BoolArray, pool: list[BoolArray], *, is_new: bool
    ) -> tuple[list[BoolArray], BoolArray]:
        """Anneal copies of a plan by swaps and merge them exactly; the best plan is kept.

        Parameters
        ----------
        moves : int
            Of each copy.
        key : list of int
            Of the random numbers.
        start : (n_site,) bool
            A plan within the budget.
        pool : list of (n_site,) bool
            Plans of earlier calls to merge with.
        is_new : bool
            All copies begin so hot that they forget `start`, which is not merged with either.

        Returns
        -------
        (list of (n_site,) bool, (n_site,) bool)
            The pool of the next call, and the best plan of this one, `start` included unless new.
        """
        p = self.program
        count = self.counts(start)
        rng = np.random.Generator(np.random.Philox(key=key))
        seeds = rng.integers(1, 2**63, len(SWAP_HEATS), dtype=np.uint64)
        plans = [start.copy() for _ in SWAP_HEATS]
        even = bool(p.cost.size and p.cost.min() == p.cost.max())
        mean = max(1.0, self.value(count) / max(1, int(start.sum())))
        heats = (SWAP_NEW,) * len(SWAP_HEATS) if is_new else SWAP_HEATS
        ranges = [(k, k + 1) for k in range(len(plans))]
        arrays: tuple[Any, ...] = (
            p.site_indptr, p.site_indices, p.row_indptr, p.row_indices, p.weight, p.cost,
            p.budget, even, moves,
        )  # fmt: skip
        spread(_anneal_plan, ranges, arrays, mean, heats, seeds, plans)
        found = plans if is_new else [start, *plans]
        values = [self.repair(plan.copy()) for plan in found]
        best = found[int(np.argmax(values))]
        merged, _free = merge_plans(p, best, found + pool, float(rng.uniform()))
        return plans, merged if self.repair(merged.copy()) > max(values) else best

    def merge(self, plans: list[BoolArray], key: list[int]) -> None:
        """Merge the best plan with others exactly; the key is that of the random numbers."""
        begin = float(np.random.Generator(np.random.Philox(key=key)).uniform())
        self.repair(merge_plans(self.program, self.best, plans, begin)[0])

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
        """Choose every window anew, in bands of a random direction; returns gain and states."""
        p = self.program
        rng = np.random.Generator(np.random.Philox(key=key))
        turn, shift = rng.uniform(0.0, np.pi), rng.uniform()
        if p.reach <= 0.0:
            # without geometry the walk's order is all there is; windows begin elsewhere each time
            turn = 0.0
        x = p.x * np.cos(turn) - p.y * np.sin(turn)
        y = p.x * np.sin(turn) + p.y * np.cos(turn)
        sites_max, width_max, cap = Windows.LEVELS[level]
        if p.reach <= 0.0:
            sites_max = int(sites_max * (0.5 + 0.5 * shift))
        bands = lay_bands(p, x, y, p.reach, shift=shift, sites_max=sites_max, width_max=width_max)
        return improve_windows(
            p, bands, prices.whole, prices.price, worth, cap, chosen, count, halt
        )

    def fits_windows(self) -> bool:
        """Return whether sites can be cut into windows that hold more than a handful.

        A window with next to no chosen sites has nothing to exchange: then the plan must be
        searched as a whole, where that is not too large.
        """
        p = self.program
        sites_max, width_max, _cap = Windows.LEVELS[0]
        size = np.diff(cut_tiles(p, p.x, p.y, sites_max=sites_max, width_max=width_max).start)
        least = 24.0
        if max(p.n_row, p.n_site) <= SWAP_MAX and p.budget > 0:
            least = max(least, LEAST_CHOSEN * float(p.cost.sum()) / p.budget)
        # half of the sites in windows of a size worth the search
        return bool(size[size >= least].sum() * 2 >= p.n_site)

    def lift(
        self, prices: Prices, sites_max: int, width_max: int, cap: int, **options: Any
    ) -> Losses:
        """Search the tiles for what every plan must lose; the better losses are kept."""
        p = self.program
        tiles = cut_tiles(p, p.x, p.y, sites_max=sites_max, width_max=width_max)
        first = max(1, int(prices.worth) // 64)
        losses = lift_bound(
            p, tiles, prices.whole, prices.price, prices.reduced, first=first, cap=cap, **options
        )
        if prices.losses is None or losses.total() > prices.losses.total():
            prices.losses = losses
        return losses


def _anneal_plan(
    number: int, _end: int, arrays: tuple[Any, ...], mean: float, heats: tuple[float, ...],
    seeds: NDArray[np.uint64], plans: list[BoolArray],
) -> int:  # fmt: skip
    """Anneal one plan; the form in which `spread` calls it."""
    hot, cold = heats[number] * mean, SWAP_COLD * mean
    return int(anneal_swaps(*arrays, hot, cold, seeds[number], plans[number]))


def _anneal_band(
    number: int, _end: int, edge: IntArray, seeds: NDArray[np.uint64], arrays: tuple[Any, ...],
    chosen: BoolArray, count: NDArray[np.int16],
) -> int:  # fmt: skip
    """Anneal one band; the form in which `spread` calls it."""
    lo, hi = int(edge[number]), int(edge[number + 1])
    return int(anneal_stripe(lo, hi, *arrays, seeds[number], chosen, count))
