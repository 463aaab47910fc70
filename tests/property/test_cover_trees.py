"""Trees of prices in which better plans turn up late: the check follows them by the final plan."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.engine.location.check_cover import Sums, walk_tree
from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.cover_limits_tree import LimitedGrower
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.setcover_lists import lists_of
from groundplan.engine.location.setcover_tree import Grower, Tree

SETTINGS = settings(deadline=None, derandomize=True, max_examples=250)


def any_prices(kind, rng):
    """Return a tree's grower whose prices are anything, so that plans turn up by taking alone."""

    class AnyPrices(kind):
        better = 0

        def climb(self, here, prices, steps, look):
            each = here.price / np.maximum(1, np.diff(here.lists.site_indptr))
            share = np.minimum.reduceat(each[here.lists.row_indices], here.lists.row_indptr[:-1])
            prices.best[:] = share * rng.uniform(0.0, rng.uniform(0.5, 3.0), share.size)

        def offer(self, plan):
            before = self.tree.value
            super().offer(plan)
            self.better += self.tree.value < before

    return AnyPrices


def better_plans(seed, is_limited):
    """Grow and check a tree from the dearest plan; returns how often a better one turned up."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(3, 13)), int(rng.integers(3, 9))
    near = rng.random((n, m)) < rng.uniform(0.15, 0.5)
    near[np.arange(n), rng.integers(0, m, n)] = True
    cost = rng.integers(1, rng.choice([3, 10, 60]), m) * int(rng.choice([1, 3]))
    grain, denominator = int(np.gcd.reduce(cost)), int(rng.choice([1, 4, 1024]))
    coverage = Coverage.from_csr(
        np.append(0, np.cumsum(near.sum(axis=1))), np.nonzero(near)[1].astype(np.int32),
        np.ones(n, np.int64), m,
    )  # fmt: skip
    plans = np.array(list(product([False, True], repeat=m)))
    plans = plans[(plans.astype(int) @ near.T.astype(int) > 0).all(axis=1)]
    limits = None
    if is_limited:
        n_group = int(rng.integers(1, 4))
        group = rng.integers(0, n_group + 1, m)
        size = np.bincount(group, minlength=n_group + 1)[:n_group]
        least = np.minimum(rng.integers(0, 3, n_group), size)
        most = np.minimum(least + rng.integers(0, 3, n_group), size)
        limits = Limits(group, np.append(least, 0), np.append(most, m))
        plans = plans[[limits.keeps(plan) for plan in plans]]
        if not len(plans):
            return 0
    spent = plans @ cost
    dear = plans[np.argmax(spent)]
    lists = lists_of(coverage.row_indptr, coverage.row_indices, m)
    tree = Tree(dear.copy(), int(spent.max()))
    kind = any_prices(LimitedGrower if is_limited else Grower, rng)
    grower = kind(
        lists, cost, denominator, grain, 10**6, lambda: False, tree, *([limits] * is_limited)
    )
    none = np.zeros(m, bool)
    grower.node(none, none.copy(), np.zeros(lists.n_row), 1)
    assert tree.value == spent.min()
    first = np.array([np.flatnonzero(coverage.row_of == i)[0] for i in range(lists.n_row)])
    prices = {
        "tree_site": np.array(tree.site), "tree_price": np.array(tree.price), "tree_row": first,
        "tree_prices": np.array(tree.prices, np.int64).reshape(-1, first.size),
    }  # fmt: skip
    every = np.ones(m, bool)
    terms = (coverage, prices, Sums(coverage, every), cost, every, denominator, grain)
    assert walk_tree(*terms, tree.value, limits) == []
    # the cheapest plan costs less than this
    assert walk_tree(*terms, tree.value + grain, limits) != []
    return grower.better


@SETTINGS
@given(st.integers(0, 10**6), st.booleans())
def test_the_check_follows_by_the_final_plan(seed, is_limited):
    better_plans(seed, is_limited)


@pytest.mark.parametrize("is_limited", [False, True])
def test_better_plans_do_turn_up_late(is_limited):
    assert sum(better_plans(seed, is_limited) > 1 for seed in range(60)) > 10
