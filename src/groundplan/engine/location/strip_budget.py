"""The price of the budget, found by asking all strips what they would spend at a few prices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.strip_crew import Crew
from groundplan.engine.location.strip_worker import Strip

__all__ = ["BudgetPrice", "find_worth"]

FloatArray = NDArray[np.float64]
#: Prices of the budget at which a step's spending is asked for, as shifts in units of the last one.
SHIFTS = np.array([-4.0, -1.0, 0.0, 1.0, 4.0])
#: Least and largest relative shift.
SHIFT_MIN, SHIFT_MAX = 1e-5, 0.2
#: Prices asked for at a time when the budget's price is sought.
PRICES_A_ROUND = 32


def find_worth(
    crew: Crew, amount: int, most: int, *, is_priced: bool = False, is_whole: bool = False
) -> float:
    """Return the lowest price at which the sites that score more than they cost fit the budget.

    Parameters
    ----------
    crew : Crew
    amount : int
        The budget.
    most : int
        No site scores more.
    is_priced : bool
        Whether sites score the whole prices of their rows, in 1 / `DENOMINATOR`; their full
        weights otherwise.
    is_whole : bool
        Whether whole prices alone are asked for: exact where every site costs one.
    """
    grid = np.concatenate([[0.0], np.geomspace(most * 1e-12, most, PRICES_A_ROUND)])
    while True:
        ask = np.unique(np.rint(grid)) if is_whole else grid
        spent = sum(crew.all(Strip.spend_at, ask, is_priced))
        fits = int(np.argmax(spent <= amount))
        high = float(ask[fits])
        if fits == 0:
            return high
        low = float(ask[fits - 1])
        if high - low <= (1.0 if is_whole else 1e-9 * high):
            return high
        grid = np.linspace(low, high, PRICES_A_ROUND)


class BudgetPrice:
    """The price of the budget from step to step.

    Parameters
    ----------
    crew : Crew
    amount : int
        The budget.
    price : float
        First guess.
    """

    def __init__(self, crew: Crew, amount: int, price: float) -> None:
        self.crew, self.amount, self.price = crew, amount, price
        self.shift = SHIFT_MAX / 4
        self.prices = np.zeros(0)

    def ask(self) -> FloatArray:
        """Return the prices at which to tell the spending of the next step."""
        self.prices = self.price * (1.0 + self.shift * SHIFTS)
        return self.prices

    def find(self, spent: FloatArray) -> float:
        """Return the price at which the step spends the budget, given the spending asked for."""
        prices = self.prices
        while not spent[-1] <= self.amount <= spent[0]:
            if spent[-1] > self.amount:
                prices = max(prices[-1], 1e-9) * np.array([1.0, 1.1, 1.3, 2.0, 4.0])
            elif prices[0] <= 0.0:
                break
            else:
                low = prices[0] if prices[0] > 1e-9 else 0.0
                prices = low * np.array([0.0, 0.5, 0.75, 0.9, 1.0])
            spent = sum(self.crew.all(Strip.spend, prices))
        # prices grow and spending falls
        found = float(np.interp(-self.amount, -spent, prices))
        change = abs(found - self.price) / max(found, 1e-12)
        self.shift = min(max(0.5 * change, SHIFT_MIN), SHIFT_MAX)
        self.price = found
        return found
