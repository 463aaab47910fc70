"""Best-first branching on sites whose every leaf keeps its prices, so that a check can repeat it.

The search knows no problem: one function prices a set of fixings, another returns the bound that
whole-number prices prove there. What comes out is a list of leaves that together hold every plan,
each with the prices that bound it. Bounds are whole numbers of a minimum; a maximum is negated.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLOSED", "FREE", "OPEN", "Tree", "branch"]

FREE, CLOSED, OPEN = -1, 0, 1
Fixing = NDArray[np.int8]
Prices = dict[str, NDArray[np.int64]]
#: Closer to 0 or 1 than this a share counts as whole.
WHOLE = 1e-6


@dataclass
class Tree:
    """Leaves of a search.

    Attributes
    ----------
    fixings : list of (n_site,) int8
        -1 free, 0 closed, 1 open; the leaves together hold every plan.
    prices : list of dict
        Prices of each leaf, shared objects where a leaf keeps those of its parent.
    bound : int
        Least bound over the leaves.
    nodes : int
        Sets of fixings that were priced.
    """

    fixings: list[Fixing]
    prices: list[Prices]
    bound: int
    nodes: int

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the leaves as arrays: ``leaf_site``, ``leaf_price`` and a row of each price."""
        distinct: dict[int, int] = {}
        kept: list[Prices] = []
        number = np.empty(len(self.prices), np.int32)
        for k, prices in enumerate(self.prices):
            if id(prices) not in distinct:
                distinct[id(prices)] = len(kept)
                kept.append(prices)
            number[k] = distinct[id(prices)]
        names = kept[0]
        return {
            "leaf_site": np.array(self.fixings, np.int8),
            "leaf_price": number,
            **{name: np.array([prices[name] for prices in kept]) for name in names},
        }


def branch(
    root: Fixing,
    first: Prices,
    price: Callable[[Fixing], tuple[Prices | None, NDArray[np.float64] | None]],
    score: Callable[[Fixing, Prices], int],
    target: Callable[[], int],
    *,
    nodes: int,
    halt: Callable[[], bool] = lambda: False,
    settled: list[tuple[Fixing, Prices, int]] | None = None,
) -> Tree:
    """Branch until every leaf reaches the target or `nodes` sets of fixings have been priced.

    Parameters
    ----------
    root : (n_site,) int8
        Fixings that hold everywhere.
    first : dict
        Prices known at the root.
    price : callable
        Returns prices for fixings and the share of each site in the relaxed plan; none of either
        where it has nothing better than the parent's prices.
    score : callable
        The bound that prices prove under fixings.
    target : callable
        The bound at which a leaf is done; asked anew at each node, since plans improve.
    nodes : int
    halt : callable
        Polled at each node.
    settled : list of (fixings, prices, bound), optional
        Leaves that hold everything outside the root.
    """
    done: list[tuple[Fixing, Prices, int]] = list(settled or [])
    waiting: list[tuple[int, int, Fixing, Prices]] = [(score(root, first), 0, root, first)]
    priced = 0
    while waiting and priced < nodes and not halt():
        bound, _, fixing, prices = heapq.heappop(waiting)
        if bound >= target():
            done.append((fixing, prices, bound))
            continue
        new, share = price(fixing)
        priced += 1
        if new is not None:
            mine = score(fixing, new)
            if mine > bound:
                bound, prices = mine, new
        free = fixing == FREE
        if bound >= target() or share is None or not free.any():
            done.append((fixing, prices, bound))
            continue
        distance = np.where(free, np.abs(share - 0.5), 1.0)
        site = int(distance.argmin())
        if distance[site] > 0.5 - WHOLE:
            done.append((fixing, prices, bound))
            continue
        for side in (OPEN, CLOSED):
            child = fixing.copy()
            child[site] = side
            # the parent's prices may already prove more once the site is fixed
            entry = (score(child, prices), 2 * priced + side, child, prices)
            heapq.heappush(waiting, entry)
    leaves = done + [(fixing, prices, bound) for bound, _, fixing, prices in waiting]
    return Tree(
        [leaf[0] for leaf in leaves],
        [leaf[1] for leaf in leaves],
        min(leaf[2] for leaf in leaves),
        priced,
    )
