"""Whole service within limits on the groups of sites: split plans lead, a program polishes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_program import find_better
from groundplan.engine.location.capacity_rounding import RoundedPlans

__all__ = ["LimitedWholePlans"]

BoolArray = NDArray[np.bool_]


class LimitedWholePlans(RoundedPlans):
    """The best plan within limits in which every row has one site."""

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
            self.fee, self.candidate, self.at_most, limits=self.limits, halt=halt,
        )  # fmt: skip
        if place is None:
            return
        number = self.problem.pair_number(np.arange(place.size), place)
        value = float(self.problem.cost[number].sum() + self.fee[self.sites_of(place)].sum())
        if value < self.value:
            self.place, self.value = place, value
