"""What a search for a cover holds: the problem, the best plan, what is proven, the time left."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.setcover_lists import Lists
from groundplan.engine.location.setcover_tree import Tree

__all__ = ["CoverRun", "Progress"]

IntArray = NDArray[np.int64]
Progress = Callable[[str, int, int, float, float], None]


class CoverRun:
    """One solve on candidate sites; `run` of those that build on it fills it.

    Attributes
    ----------
    plan : (n_site,) bool
    prices : (n_row,) float64
    searched : float
        Bound that an integer program proved, 0 where none did.
    tree : Tree or None
        A checkable proof; its rows are `tree_rows`.
    grain : int
        Every plan costs a multiple of this.
    """

    def __init__(self, lists: Lists, cost: IntArray, seed: int) -> None:
        self.lists, self.cost, self.seed = lists, cost, seed
        self.grain = max(1, int(np.gcd.reduce(cost))) if cost.size else 1
        self.plan = np.zeros(lists.n_site, np.bool_)
        self.prices = np.zeros(lists.n_row)
        self.searched = 0.0
        self.tree: Tree | None = None
        self.tree_rows = np.zeros(0, np.int64)

    def begin_clock(self, ends_at: float | None, stop: Callable[[], bool]) -> float:
        """Note when to end; returns the time."""
        self.ends_at, self.stop, self.halted = ends_at, stop, False
        return time.monotonic()

    def halt(self) -> bool:
        """Return whether time or patience ended."""
        if not self.halted:
            late = self.ends_at is not None and time.monotonic() > self.ends_at
            self.halted = late or self.stop()
        return self.halted

    def left(self) -> float | None:
        """Return the seconds left, None without a limit."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())

    def halt_within(self, share: float) -> Callable[[], bool]:
        """Return whether to halt, or a share of the time that is left now is over."""
        left = self.left()
        until = None if left is None else time.monotonic() + share * left
        return lambda: self.halt() or (until is not None and time.monotonic() > until)

    def has_used(self, share: float, begun: float) -> bool:
        """Return whether more than a share of the time, where limited, is used."""
        if self.ends_at is None:
            return False
        return time.monotonic() - begun > share * (self.ends_at - begun)
