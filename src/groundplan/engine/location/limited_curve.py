"""Points of a curve within limits on groups of sites: how one begins at another, and their bounds.

Limits are the same at every point, so that prices of the rows prove a bound for every other amount
with the best prices of its own budget and groups; with their tiles they do so along a straight
line, at the same prices of budget and groups.
"""

from __future__ import annotations

import copy

from groundplan.engine.location.certificate import BUDGET_DIGITS
from groundplan.engine.location.limited import LimitedRun
from groundplan.engine.location.limited_search import LimitedPrices
from groundplan.engine.location.run import Run
from groundplan.engine.location.search import Prices

__all__ = ["along_within", "anew_within"]


def limited(prices: Prices, run: Run) -> tuple[LimitedPrices, LimitedRun]:
    """Return what was given: prices and run of a problem with limits."""
    if not isinstance(prices, LimitedPrices) or not isinstance(run, LimitedRun):
        raise TypeError("prices without groups prove nothing here")
    return prices, run


def along_within(other: Prices, run: Run) -> LimitedPrices:
    """Return prices of another amount with their tiles, at the same prices of budget and groups."""
    other, run = limited(other, run)
    budget, price = run.search.program.budget, other.budget_price
    moved = copy.copy(other)
    change = (-price * other.budget >> BUDGET_DIGITS) - (-price * budget >> BUDGET_DIGITS)
    moved.bound += change
    moved.income += change
    moved.budget = budget
    return moved


def anew_within(other: Prices, run: Run) -> LimitedPrices:
    """Return prices of another amount without their tiles, budget and groups priced for this."""
    other, run = limited(other, run)
    return LimitedPrices(run.search.program, other.share, run.groups)
