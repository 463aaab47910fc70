"""Do the leaves of a search hold every plan? Plain NumPy, no code of the search."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["list_leaf_faults"]


def list_leaf_faults(leaf_site: NDArray[Any], leaf_price: NDArray[Any], n_price: int) -> list[str]:
    """Return what is wrong with the leaves: their form, a missing price, a plan in none of them.

    Parameters
    ----------
    leaf_site : (n_leaf, n_site) int8
        -1 free, 0 closed, 1 open.
    leaf_price : (n_leaf,) int
        Row of the price table that each leaf uses.
    n_price : int
        Rows of that table.
    """
    if leaf_site.ndim != 2 or leaf_price.shape != (len(leaf_site),) or not len(leaf_site):
        return ["the leaves of the search have no common form"]
    if not np.isin(leaf_site, (-1, 0, 1)).all():
        return ["a leaf fixes a site to something else than open or closed"]
    if leaf_price.min() < 0 or leaf_price.max() >= n_price:
        return ["a leaf names prices that the certificate does not hold"]
    waiting = [(np.arange(len(leaf_site)), np.zeros(leaf_site.shape[1], bool))]
    while waiting:
        leaves, decided = waiting.pop()
        open_question = leaf_site[leaves] != -1
        open_question[:, decided] = False
        if not open_question.any(axis=1).all():
            continue  # one leaf holds all that is left
        # in a tree of single sites the site first decided here is fixed in every leaf below
        shared = np.flatnonzero(open_question.all(axis=0))
        sides = [
            (site, leaves[leaf_site[leaves, site] == 0], leaves[leaf_site[leaves, site] == 1])
            for site in shared
        ]
        good = next((s for s in sides if s[1].size and s[2].size), None)
        if good is None:
            return ["some plans are in no leaf of the search"]
        below = decided.copy()
        below[good[0]] = True
        waiting += [(good[1], below), (good[2], below)]
    return []
