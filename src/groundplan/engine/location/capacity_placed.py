"""Plans in which every row has one site: what they cost and list, and a program that polishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_dual import Pricing
from groundplan.engine.location.capacity_program import find_better
from groundplan.engine.location.capacity_sets import idle_needed

__all__ = ["PlacedPlans"]

BoolArray = NDArray[np.bool_]


class PlacedPlans:
    """The best plan in which every row has one site: `place`, -1 where it has none, and `value`."""

    def __init__(self, pricing: Pricing, seed: int) -> None:
        self.problem, self.candidate, self.old = pricing.problem, pricing.free, pricing.must
        self.at_most, self.fee, self.limits = pricing.at_most, pricing.fee, pricing.limits
        self.seed = seed
        self.place = np.full(self.problem.n_row, -1, np.int32)
        self.value = np.inf

    def sites_of(self, place: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the new sites of a plan, those that groups need beside its own among them."""
        sites = np.setdiff1d(np.unique(place), np.flatnonzero(self.old))
        if self.limits is not None:
            more = idle_needed(self.limits, sites, self.candidate, self.fee)
            sites = np.sort(np.concatenate([sites, more]))
        return sites.astype(np.int32)

    def cost_of(self, place: NDArray[np.int32]) -> float:
        """Return what a plan costs in all."""
        pair = self.problem.pair_number(np.arange(place.size), place)
        return float(self.problem.cost[pair].sum() + self.fee[self.sites_of(place)].sum())

    def polish(
        self,
        pair: NDArray[np.int64],
        closed: BoolArray,
        opened: BoolArray,
        halt: Callable[[], bool],
    ) -> None:
        """Look for a better plan by a mixed-integer program of some pairs, with sites fixed."""
        usable = (self.candidate | self.old) & ~closed
        place = find_better(
            self.problem, pair, (self.old | opened).astype(float), usable.astype(float),
            self.fee, self.candidate, self.at_most, halt=halt, limits=self.limits,
        )  # fmt: skip
        if place is None or self.sites_of(place).size > self.at_most:
            return
        value = self.cost_of(place)
        if value < self.value:
            self.place, self.value = place, value

    def listed(self) -> tuple[Any, Any, Any, Any]:
        """Return new sites, and rows, sites, amounts of the best plan."""
        rows = np.arange(self.problem.n_row, dtype=np.int32)
        return self.sites_of(self.place), rows, self.place.copy(), self.problem.demand.copy()
