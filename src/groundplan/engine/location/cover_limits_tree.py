"""The tree of `setcover_tree` within limits: nodes close, and fix sites, by what limits allow.

A node also closes where the sites taken leave a group too many or too few, and the sites of a full
group are refused. The bound is the best of all choices within the limits; it never falls as more
sites are settled, so that here, too, the check may fix sites by the cost of a plan met later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_cover_limits import fixed_within, step_within
from groundplan.engine.location.check_limits import Limits, cheapest
from groundplan.engine.location.cover_limits_dual import GroupLayout, climb_within
from groundplan.engine.location.setcover_dual import Prices
from groundplan.engine.location.setcover_lists import Lists
from groundplan.engine.location.setcover_tree import ROOT_STEPS, Grower, Node, Stopped, Tree

__all__ = ["grow_within"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass
class LimitedGrower(Grower):
    """What all nodes share."""

    limits: Limits

    def enter(self, taken: BoolArray, refused: BoolArray) -> Node | None:
        """Return what is left at a node, None where the limits leave no plan."""
        _, refused, is_possible = step_within(self.limits, taken, refused)
        return super().enter(taken, refused) if is_possible else None

    def rest(self, here: Node) -> Limits:
        """Return what the limits leave to the free sites of a node, in their numbers."""
        return self.limits.without(here.taken).of(here.sites)

    def completed(self, here: Node) -> BoolArray:
        """Return the sites taken with the cheapest that the groups still need."""
        plan = here.taken.copy()
        every = np.ones(here.sites.size, bool)
        plan[here.sites[cheapest(self.rest(here), every, here.price)]] = True
        return plan

    def climb(self, here: Node, prices: Prices, steps: int, look: Callable[[Prices], bool]) -> None:
        """Raise the prices of a node."""
        climb_within(
            here.lists, here.price, GroupLayout(self.rest(here)), prices,
            float(self.tree.value - here.spent), steps, tolerance=1e-5, look=look,
        )  # fmt: skip

    def fixed(self, here: Node, gain: IntArray, paid: int) -> tuple[BoolArray, BoolArray] | None:
        """Return which free sites a better plan must hold, and which it cannot."""
        return fixed_within(self.rest(here), gain, self.room(here, paid))

    def settle(self, _gain: IntArray, _settled: BoolArray) -> int:
        """Return the first free site: a child without a free one decides what is settled."""
        return 0


def grow_within(
    lists: Lists,
    cost: IntArray,
    limits: Limits,
    lam: FloatArray,
    plan: BoolArray,
    *,
    denominator: int,
    grain: int,
    nodes: int,
    halt: Callable[[], bool],
) -> Tree:
    """Search exhaustively for a plan within the limits that is cheaper than `plan`.

    Parameters are those of `setcover_tree.grow`.
    """
    none = np.zeros(lists.n_site, np.bool_)
    while True:
        value = int(cost[plan].sum())
        tree = Tree(plan.copy(), value)
        grower = LimitedGrower(lists, cost, denominator, grain, nodes, halt, tree, limits)
        try:
            grower.node(none, none.copy(), lam, ROOT_STEPS)
            tree.is_whole = True
        except Stopped:
            pass
        # nodes that ran out may do for a better plan
        if tree.is_whole or tree.value == value or halt():
            return tree
        plan = tree.plan
