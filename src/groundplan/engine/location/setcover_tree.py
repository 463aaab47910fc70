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
class Node:
    """What is settled where a node is entered, and the problem that is left.

    Attributes
    ----------
    taken, refused : (n_site,) bool
    rows, sites : (n,) int64
        Rows not covered and sites still free.
    lists : Lists
        Of those rows and sites.
    price : (n_free,) int64
        Costs of the free sites.
    spent : int
        Cost of the sites taken.
    """

    taken: BoolArray
    refused: BoolArray
    rows: IntArray
    sites: IntArray
    lists: Lists
    price: IntArray
    spent: int


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
        tree = self.tree
        if len(tree.site) >= self.nodes or self.halt():
            raise Stopped
        at = len(tree.site)
        self.leaf()
        here = self.enter(taken, refused)
        if here is None:
            return
        if not here.rows.size:
            self.offer(self.completed(here))
            # prices of nothing: the sum is the cost of what is taken and needed
            self.note(at, np.zeros(self.lists.n_row, np.int64))
            return
        length = np.diff(here.lists.row_indptr)
        if length.min() == 0:
            return
        if length.min() == 1:
            first = here.lists.row_indptr[np.argmin(length)]
            only = int(here.sites[here.lists.row_indices[first]])
            self.part(at, only, taken, here.refused, lam, steps)
            return
        prices = Prices(lam[here.rows].copy(), lam[here.rows].copy(), -np.inf)
        goal = tree.value - self.grain - here.spent
        self.climb(here, prices, steps, lambda p: p.bound > goal + 1e-6)
        whole = np.zeros(self.lists.n_row, np.int64)
        whole[here.rows] = np.rint(prices.best * self.denominator)
        self.note(at, whole)
        score = np.zeros(here.sites.size, np.int64)
        np.add.at(score, here.lists.row_indices, np.repeat(whole[here.rows], length))
        gain = score - here.price * self.denominator
        fixed = self.fixed(here, gain, int(whole.sum()))
        if fixed is None:
            return
        into, out = fixed
        taken, refused, lam = taken.copy(), here.refused.copy(), lam.copy()
        taken[here.sites[into]] = True
        refused[here.sites[out]] = True
        lam[here.rows] = prices.best
        free = (np.diff(here.lists.site_indptr) > 0) & ~out & ~into
        pick = choose(here.lists, gain / self.denominator, np.maximum(here.price, 1), free)
        if pick < 0:
            pick = self.settle(gain, into | out)
        self.part(at, int(here.sites[pick]), taken, refused, lam, NODE_STEPS)

    def enter(self, taken: BoolArray, refused: BoolArray) -> Node | None:
        """Return what is left at a node, None where no plan is."""
        lists = self.lists
        covered = np.zeros(lists.n_row, np.bool_)
        covered[self.row_of_pair[taken[lists.row_indices]]] = True
        rows, sites = np.flatnonzero(~covered), np.flatnonzero(~(taken | refused))
        here = narrow(lists, rows, sites)
        spent = int(self.cost[taken].sum())
        return Node(taken, refused, rows, sites, here, self.cost[sites], spent)

    def completed(self, here: Node) -> BoolArray:
        """Return the cheapest plan of a node whose rows are covered."""
        return here.taken

    def climb(self, here: Node, prices: Prices, steps: int, look: Callable[[Prices], bool]) -> None:
        """Raise the prices of a node and round them to a plan."""
        climb(here.lists, here.price, prices, self.tree.value - here.spent, steps,
              tolerance=1e-5, look=look)  # fmt: skip
        plan = here.taken.copy()
        plan[here.sites[cover_greedily(here.lists, here.price, prices.best)]] = True
        self.offer(plan)

    def room(self, here: Node, paid: int) -> int:
        """Return what the free sites may cost in a better plan, beyond the prices they earn."""
        return (self.tree.value - self.grain - here.spent) * self.denominator - paid

    def fixed(self, here: Node, gain: IntArray, paid: int) -> tuple[BoolArray, BoolArray] | None:
        """Return which free sites a better plan must hold, and which it cannot.

        None where there is no better plan. `paid` is the sum of the prices of all rows, `gain` what
        each free site earns of them beyond its cost.
        """
        # The value of the moment decides, though the check knows the final one, which may be lower.
        # It still closes every leaf: by induction the sites it has taken and refused at a node hold
        # those of the walk, or the node is closed there. The bound never falls as more sites are
        # settled, so what closes a node here closes it there. A site is fixed here because the
        # other way lifts the bound over the limit: there it is fixed as well; or it is settled the
        # other way, or the best choice has it so, and then the node's own bound is over the limit.
        room = self.room(here, paid) + int(np.maximum(gain, 0).sum())
        return None if room < 0 else (gain > room, -gain > room)

    def settle(self, gain: IntArray, settled: BoolArray) -> int:
        """Return the free site to part on where none that is open covers a row."""
        loose = np.flatnonzero(~settled)
        # everything is settled here: a child without a free site decides it
        return int(loose[np.argmin(np.abs(gain[loose]))]) if loose.size else 0

    def offer(self, plan: BoolArray) -> None:
        """Take a plan where it is cheaper than the best."""
        value = int(self.cost[plan].sum())
        if value < self.tree.value:
            self.tree.value, self.tree.plan = value, plan.copy()

    def note(self, at: int, price: IntArray) -> None:
        """Note the prices of a node."""
        self.tree.price[at] = len(self.tree.prices)
        self.tree.prices.append(price)

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
        """Note a node that parts on nothing, as do children that contradict their own parent."""
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
