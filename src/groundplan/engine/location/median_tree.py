"""Closing the last gap: branch and bound on sites whose every leaf is proven by prices.

A node opens some sites and closes others. Opened sites become caps on what rows cost, closed ones
leave the lists, so that a node is a smaller problem of the same kind and its bound comes from the
same steps. Sites that cannot be opened (or closed) in any better plan under the node's prices are
fixed; in the tree each fixing is a split with one side proven at once. The tree and the prices are
the proof that `check_median` walks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.median_dual import (
    Choice,
    MedianDual,
    price_plan,
    start_prices,
    step_prices,
)
from groundplan.engine.location.median_limits import choose_within
from groundplan.engine.location.near import Near, restrict_near

__all__ = ["Proof", "TreeSearch"]

FloatArray = NDArray[np.float64]
SiteArray = NDArray[np.int32]
#: Most steps of the bound at a node.
NODE_STEPS = 1_000
#: A node is split once its linear relaxation is known to lie below the target this well.
SETTLED = 0.1
#: Shares nearer to 0 or 1 than this are taken for whole.
WHOLE = 1e-4


@dataclass
class Proof:
    """The tree in preorder and the prices its leaves name."""

    site: list[int] = field(default_factory=list)
    price: list[int] = field(default_factory=list)
    prices: list[NDArray[np.int64]] = field(default_factory=list)

    def leaf(self, k: int) -> None:
        """Add a leaf proven by prices k."""
        self.site.append(-1)
        self.price.append(k)

    def split(self, site: int) -> None:
        """Add an inner node; the side with the site open comes next."""
        self.site.append(site)
        self.price.append(-1)


@dataclass
class Node:
    """A part of the plans: sites opened, sites still free, and where its steps begin."""

    opened: list[int]
    free: SiteArray
    cap: FloatArray
    lam: FloatArray
    y: FloatArray
    omega: float
    parent: int


class TreeSearch:
    """Branch and bound from the root prices.

    Parameters
    ----------
    near : Near
        Lists of the whole problem.
    opening : (n_site,) float64
    p : int or None
    scale : int
        Prices are rounded down to whole multiples of 1 / scale.
    column : callable
        Cost of one site for every row.
    evaluate : callable
        Exact value of a plan (sites).
    mend : callable
        A good plan near to a rounded one.
    plan, value
        Best plan known.
    is_whole : bool
        Values are whole numbers: a bound above value - 1 proves a plan best.
    limits : Limits, optional
        On the groups of sites; `evaluate` is infinite where a plan does not keep them.
    """

    def __init__(
        self, near: Near, opening: FloatArray, p: int | None, scale: int,
        column: Callable[[int], FloatArray], evaluate: Callable[[SiteArray], int | float],
        mend: Callable[[SiteArray], SiteArray], plan: SiteArray, value: float, *, is_whole: bool,
        limits: Limits | None = None,
    ) -> None:  # fmt: skip
        self.near, self.opening, self.p, self.scale = near, opening, p, scale
        self.column, self.evaluate, self.mend = column, evaluate, mend
        self.plan, self.value, self.is_whole, self.limits = plan, value, is_whole, limits
        self.proof = Proof()
        self.nodes = 0
        self.is_complete = True

    @property
    def target(self) -> float:
        """A bound this high proves that nothing better is left."""
        if self.is_whole:
            return self.value - 0.999
        return self.value * (1.0 - 5e-10)

    def store(self, lam: FloatArray) -> int:
        """Keep prices, rounded down; returns their number."""
        self.proof.prices.append(np.floor(lam * self.scale).astype(np.int64))
        return len(self.proof.prices) - 1

    def run(
        self, root: MedianDual, free: SiteArray, nodes: int, halt: Callable[[int, int], bool]
    ) -> None:
        """Search until nothing is left, `nodes` are done, or `halt(done, waiting)` says stop."""
        first = Node([], free, self.near.reach, root.best_lam, root.best_y[free], root.omega, -1)
        tasks: list[Node | int] = [first]
        while tasks:
            task = tasks.pop()
            if isinstance(task, int):
                self.proof.leaf(task)
                continue
            if self.nodes and (self.nodes >= nodes or halt(self.nodes, len(tasks))):
                self.is_complete = False
                self.proof.leaf(task.parent)
                continue
            self.nodes += 1
            tasks += self.work(task, NODE_STEPS)

    def work(self, node: Node, steps: int) -> list[Node | int]:
        """Bound a node, fix what can be fixed, split the rest; returns tasks, the next one last."""
        left = node.free.size if self.p is None else self.p - len(node.opened)
        choice = self.choose(node, left)
        if choice is None:
            self.proof.leaf(node.parent)
            return []
        near = restrict_near(self.near, node.free, node.cap)
        fixed = float(self.opening[node.opened].sum())
        state = start_prices(near, choice, node.lam)
        state.y, state.omega = node.y.copy(), node.omega

        def settled(s: MedianDual) -> bool:
            self.try_plan(node, near, s.best_y, choice, fixed)
            missing = self.target - fixed - s.bound
            return missing <= 0.0 or s.fractional - s.bound <= SETTLED * missing

        if state.bound + fixed < self.target:
            step_prices(near, choice, state, steps, 1e-12, settled)
        bound = state.bound + fixed
        if bound >= self.target:
            self.proof.leaf(self.store(state.best_lam))
            return []
        take = node.free[choice.rounded(state.best_y, is_counted=self.p is not None)]
        self.offer(self.mend(np.concatenate([np.array(node.opened, np.int32), take])))
        return self.split(node, state, bound, choice)

    def choose(self, node: Node, left: int) -> Choice | None:
        """Return what may be opened at a node, None where the limits allow no plan."""
        cost = self.opening[node.free]
        if self.limits is not None:
            return choose_within(self.limits, node.free, node.opened, cost, left)
        return Choice(np.ones(node.free.size, bool), cost, left)

    def split(
        self, node: Node, state: MedianDual, bound: float, choice: Choice
    ) -> list[Node | int]:
        """Write the fixings of a node and return its two sides."""
        k = self.store(state.best_lam)
        gain = state.best_rho - self.opening[node.free]
        inside, outside = choice.thresholds(gain)
        room = self.target - bound
        # opening a site outside the best p, closing one inside: what it adds to the bound
        shut = (inside - gain >= room) if choice.p else np.ones(gain.size, bool)
        must = ~shut & (gain - outside >= room)
        for j in node.free[shut].tolist():
            self.proof.split(j)
            self.proof.leaf(k)
        opened, cap = list(node.opened), node.cap
        tasks: list[Node | int] = []
        for j in node.free[must].tolist():
            self.proof.split(j)
            tasks.append(k)
            opened.append(j)
            cap = np.minimum(cap, self.column(j))
        loose = ~shut & ~must
        free, y = node.free[loose], state.best_y[loose]
        if not free.size or (self.p is not None and len(opened) >= self.p):
            # one plan is left (or none): prices at its own costs prove its value
            self.offer(np.array(opened, np.int32))
            self.proof.leaf(self.store(np.minimum(cap, self.near.reach)))
            return tasks
        at = int(np.argmax(np.minimum(y, 1.0 - y) + 1e-9 * gain[loose] / (1.0 + abs(gain.max()))))
        j = int(free[at])
        others = np.delete(free, at)
        self.proof.split(j)
        lam, y_rest = state.best_lam, np.delete(y, at)
        down = Node(opened, others, cap, lam, y_rest, state.omega, k)
        up = Node(
            [*opened, j], others, np.minimum(cap, self.column(j)), lam, y_rest, state.omega, k
        )
        return [*tasks, down, up]

    def try_plan(self, node: Node, near: Near, y: FloatArray, choice: Choice, fixed: float) -> None:
        """Round the fractional plan of a node and keep it where it is better than the best."""
        take = choice.rounded(y, is_counted=self.p is not None)
        shares = np.zeros(y.size)
        shares[take] = 1.0
        rough = price_plan(near, shares)[0] + fixed + float(self.opening[node.free[take]].sum())
        if rough < self.value:
            self.offer(np.concatenate([np.array(node.opened, np.int32), node.free[take]]))

    def offer(self, plan: SiteArray) -> None:
        """Keep a plan where its exact value is better than the best."""
        value = self.evaluate(plan)
        if value < self.value:
            self.value, self.plan = value, np.sort(plan).astype(np.int32)
