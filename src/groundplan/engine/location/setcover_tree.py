r"""An exhaustive search whose proof can be checked: a tree of sites taken and sites refused.

Every node may carry whole-number prices. They close it when

.. math:: \sum_{j \in T} f_j + \sum_{i \notin T} \lambda_i - \sum_{j\ \mathrm{free}} (s_j - f_j)^+

reaches the cost of the plan (T: sites taken on the way down), and otherwise refuse, or take, every
free site whose reduced cost alone lifts that sum to the plan's cost. A node also closes when a row
has no site left. The check repeats exactly this, node by node, with code of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.setcover_dual import Prices, climb
from groundplan.engine.location.setcover_lists import Lists, narrow
from groundplan.engine.location.setcover_search import cover_greedily

__all__ = ["Tree", "grow"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Steps of the prices at the root and at every other node.
ROOT_STEPS, NODE_STEPS = 1_500, 150


@dataclass
class Tree:
    """The proof, nodes in the order of a walk that takes the site first.

    Attributes
    ----------
    site : list of int
        Site on which the node parts, -1 at a leaf.
    price : list of int
        Which prices the node carries, -1 for none.
    prices : list of (n_row,) int64
    plan : (n_site,) bool
        Best plan.
    value : int
        Its cost.
    is_whole : bool
        The tree was walked to its end: no plan costs less than `value`.
    """

    plan: BoolArray
    value: int
    site: list[int] = field(default_factory=list)
    price: list[int] = field(default_factory=list)
    prices: list[IntArray] = field(default_factory=list)
    is_whole: bool = False


class Stopped(Exception):  # noqa: N818
    """Nodes or time ran out."""


@dataclass
class Grower:
    """What all nodes share."""

    lists: Lists
    cost: IntArray
    denominator: int
    grain: int
    nodes: int
    halt: Callable[[], bool]
    tree: Tree

    def node(self, taken: BoolArray, refused: BoolArray, lam: FloatArray, steps: int) -> None:
        """Walk one node and everything below it."""
        tree, lists = self.tree, self.lists
        if len(tree.site) >= self.nodes or self.halt():
            raise Stopped
        at = len(tree.site)
        tree.site.append(-1)
        tree.price.append(-1)
        covered = np.zeros(lists.n_row, np.bool_)
        row = self.row_of_pair
        covered[row[taken[lists.row_indices]]] = True
        rows, sites = np.flatnonzero(~covered), np.flatnonzero(~(taken | refused))
        here = narrow(lists, rows, sites)
        spent = int(self.cost[taken].sum())
        if not rows.size:
            if spent < tree.value:
                tree.value, tree.plan = spent, taken.copy()
            # prices of nothing: the sum is the cost of what is taken
            tree.price[at] = len(tree.prices)
            tree.prices.append(np.zeros(lists.n_row, np.int64))
            return
        length = np.diff(here.row_indptr)
        if length.min() == 0:
            return
        if length.min() == 1:
            only = int(sites[here.row_indices[here.row_indptr[np.argmin(length)]]])
            self.part(at, only, taken, refused, lam, steps)
            return
        some = np.diff(here.site_indptr) > 0
        prices = Prices(lam[rows].copy(), lam[rows].copy(), -np.inf)
        price = self.cost[sites]
        goal = tree.value - self.grain - spent

        def good(p: Prices) -> bool:
            return p.bound > goal + 1e-6

        climb(here, price, prices, max(tree.value - spent, prices.bound), steps,
              tolerance=1e-5, look=good)  # fmt: skip
        plan = cover_greedily(here, price, prices.best)
        if spent + int(price[plan].sum()) < tree.value:
            tree.plan = taken.copy()
            tree.plan[sites[plan]] = True
            tree.value = spent + int(price[plan].sum())
        whole = np.zeros(lists.n_row, np.int64)
        whole[rows] = np.rint(prices.best * self.denominator)
        tree.price[at] = len(tree.prices)
        tree.prices.append(whole)
        score = np.zeros(sites.size, np.int64)
        np.add.at(score, here.row_indices, np.repeat(whole[rows], length))
        reduced = price * self.denominator - score
        bound = spent * self.denominator + int(whole.sum() + np.minimum(reduced, 0).sum())
        limit = (tree.value - self.grain) * self.denominator
        if bound > limit:
            return
        out = (reduced > 0) & (bound + reduced > limit)
        into = (reduced < 0) & (bound - reduced > limit)
        taken, refused = taken.copy(), refused.copy()
        taken[sites[into]] = True
        refused[sites[out]] = True
        lam = lam.copy()
        lam[rows] = prices.best
        pick = choose(here, reduced / self.denominator, price, some & ~out & ~into)
        if pick < 0:
            pick_site = int(sites[np.argmin(np.where(out | into, np.inf, np.abs(reduced)))])
        else:
            pick_site = int(sites[pick])
        if taken[pick_site] or refused[pick_site]:
            # everything is settled here: a child without a free site decides it
            pick_site = int(sites[0])
        self.part(at, pick_site, taken, refused, lam, NODE_STEPS)

    def part(
        self, at: int, site: int, taken: BoolArray, refused: BoolArray, lam: FloatArray, steps: int
    ) -> None:
        """Walk the two children of a node."""
        self.tree.site[at] = site
        with_site, without = taken.copy(), refused.copy()
        with_site[site] = True
        without[site] = True
        if refused[site]:
            self.leaf()
        else:
            self.node(with_site, refused, lam, steps)
        if taken[site]:
            self.leaf()
        else:
            self.node(taken, without, lam, steps)

    def leaf(self) -> None:
        """Note a child that contradicts its own parent."""
        self.tree.site.append(-1)
        self.tree.price.append(-1)

    @property
    def row_of_pair(self) -> IntArray:
        """Row of every entry of `row_indices`."""
        return np.repeat(np.arange(self.lists.n_row), np.diff(self.lists.row_indptr))


def choose(lists: Lists, reduced: FloatArray, price: IntArray, free: BoolArray) -> int:
    """Return the free site of small reduced cost that covers most, -1 where none is free."""
    mine = np.flatnonzero(free)
    if not mine.size:
        return -1
    near = np.abs(reduced[mine]) / price[mine]
    size = np.diff(lists.site_indptr)[mine] / price[mine]
    key = size / size.max() - 4.0 * near
    return int(mine[np.argmax(key)])


def grow(
    lists: Lists,
    cost: IntArray,
    lam: FloatArray,
    plan: BoolArray,
    *,
    denominator: int,
    grain: int,
    nodes: int,
    halt: Callable[[], bool],
) -> Tree:
    """Search exhaustively for a plan cheaper than `plan`.

    Parameters
    ----------
    lam : (n_row,) float64
        Prices to begin with.
    denominator : int
        Prices in the tree are whole multiples of 1 / denominator.
    grain : int
        Every plan costs a multiple of this.
    nodes : int
        Most nodes.
    halt : callable
        Polled at every node.
    """
    tree = Tree(plan.copy(), int(cost[plan].sum()))
    grower = Grower(lists, cost, denominator, grain, nodes, halt, tree)
    none = np.zeros(lists.n_site, np.bool_)
    try:
        grower.node(none, none.copy(), lam, ROOT_STEPS)
        tree.is_whole = True
    except Stopped:
        pass
    return tree
