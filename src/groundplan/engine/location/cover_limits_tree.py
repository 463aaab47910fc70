"""The tree of `setcover_tree` within limits: nodes close, and fix sites, by what limits allow.

A node also closes where the sites taken leave a group too many or too few, and the sites of a full
group are refused. The plan that the tree is to prove must be the best met: the check fixes sites by
its cost, so that a tree in which a better one turned up is grown anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_cover_limits import fixed_within
from groundplan.engine.location.check_limits import Limits, cheapest, most_within
from groundplan.engine.location.cover_limits_dual import GroupLayout, climb_within
from groundplan.engine.location.setcover_dual import Prices
from groundplan.engine.location.setcover_lists import Lists, narrow
from groundplan.engine.location.setcover_tree import (
    NODE_STEPS,
    ROOT_STEPS,
    Grower,
    Stopped,
    Tree,
    choose,
)

__all__ = ["grow_within"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass
class LimitedGrower(Grower):
    """What all nodes share."""

    limits: Limits

    def node(self, taken: BoolArray, refused: BoolArray, lam: FloatArray, steps: int) -> None:
        """Walk one node and everything below it."""
        tree, lists = self.tree, self.lists
        if len(tree.site) >= self.nodes or self.halt():
            raise Stopped
        at = len(tree.site)
        tree.site.append(-1)
        tree.price.append(-1)
        rest = self.limits.without(taken)
        refused = refused | (~taken & (rest.most[rest.group] <= 0))
        sites = np.flatnonzero(~(taken | refused))
        mine = rest.of(sites)
        if most_within(mine, mine.group, np.zeros(sites.size), None) is None:
            return
        covered = np.zeros(lists.n_row, np.bool_)
        covered[self.row_of_pair[taken[lists.row_indices]]] = True
        rows = np.flatnonzero(~covered)
        here = narrow(lists, rows, sites)
        spent, price = int(self.cost[taken].sum()), self.cost[sites]
        if not rows.size:
            self.complete(at, taken, sites, mine)
            return
        length = np.diff(here.row_indptr)
        if length.min() == 0:
            return
        if length.min() == 1:
            only = int(sites[here.row_indices[here.row_indptr[np.argmin(length)]]])
            self.part(at, only, taken, refused, lam, steps)
            return
        prices = Prices(lam[rows].copy(), lam[rows].copy(), -np.inf)
        goal = tree.value - self.grain - spent

        def good(p: Prices) -> bool:
            return p.bound > goal + 1e-6

        climb_within(here, price, GroupLayout(mine), prices, float(tree.value - spent), steps,
                     tolerance=1e-5, look=good)  # fmt: skip
        whole = np.zeros(lists.n_row, np.int64)
        whole[rows] = np.rint(prices.best * self.denominator)
        tree.price[at] = len(tree.prices)
        tree.prices.append(whole)
        score = np.zeros(sites.size, np.int64)
        np.add.at(score, here.row_indices, np.repeat(whole[rows], length))
        gain = score - price * self.denominator
        limit = (tree.value - self.grain) * self.denominator
        total = spent * self.denominator + int(whole.sum())
        fixed = fixed_within(mine, gain, limit - total)
        if fixed is None:
            return
        into, out = fixed
        taken, refused, lam = taken.copy(), refused.copy(), lam.copy()
        taken[sites[into]] = True
        refused[sites[out]] = True
        lam[rows] = prices.best
        free = (np.diff(here.site_indptr) > 0) & ~out & ~into
        pick = choose(here, gain / self.denominator, np.maximum(price, 1), free)
        # where everything is settled, a child without a free site decides it
        self.part(at, int(sites[max(pick, 0)]), taken, refused, lam, NODE_STEPS)

    def complete(self, at: int, taken: BoolArray, sites: IntArray, rest: Limits) -> None:
        """Close a node whose rows are covered: the groups take the cheapest they still need."""
        tree = self.tree
        plan = taken.copy()
        plan[sites[cheapest(rest, np.ones(sites.size, bool), self.cost[sites])]] = True
        value = int(self.cost[plan].sum())
        if value < tree.value:
            tree.value, tree.plan = value, plan
        # prices of nothing: the sum is the cost of what is taken and needed
        tree.price[at] = len(tree.prices)
        tree.prices.append(np.zeros(self.lists.n_row, np.int64))


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
            tree.is_whole = tree.value == value
        except Stopped:
            pass
        if tree.value == value or halt():
            return tree
        plan = tree.plan
