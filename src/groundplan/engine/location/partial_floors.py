r"""Partial set covering with floors: a share of everything, and so much of every group.

.. math:: \min \sum_j f_j y_j, \quad z_i \le \sum_{j \in N(i)} y_j, \quad \sum_i w_i z_i \ge Q,
          \quad \sum_{i \in g} w_i z_i \ge Q_g

With prices ``lam >= 0`` of the rows, ``theta >= 0`` of the share and ``alpha_g >= 0`` of the floors

.. math:: \theta Q + \sum_g \alpha_g Q_g - \sum_j (s_j - f_j)^+
          - \sum_g \sum_{i \in g} ((\theta + \alpha_g) w_i - \lambda_i)^+

is no more than the cost of any plan. A row of several groups is one row in each. Given lam, the
best theta and alpha are known: rows of least price per weight fill every floor first, then the
cheapest of all that are left fill the share; so steps are taken in lam alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.anneal import anneal_stripe
from groundplan.engine.location.check_floors import covered_already
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.partial_search import PartialSearch
from groundplan.engine.location.setcover_lists import Lists, lists_of

__all__ = ["FloorRows", "FloorSearch", "anneal_floors", "split_rows"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Annealing: first and last temperature in mean costs.
HEAT_FIRST, HEAT_LAST = 0.5, 0.01
#: Weights of the annealing are prices in whole numbers: the mean cost is so many.
PRICE_UNITS = 1_000_000
#: A floor that falls short and has no price gets this share of the largest one.
FIRST_PRICE = 0.05


@dataclass(frozen=True)
class FloorRows:
    """Rows split by group.

    Attributes
    ----------
    lists : Lists
    weight : (n_row,) int64
    group : (n_row,) int32
    place : (n_row,) int64
        First raw row of each.
    need : (n_group,) int64
        What each floor asks beyond existing service.
    """

    lists: Lists
    weight: IntArray
    group: NDArray[np.int32]
    place: IntArray
    need: IntArray

    def left(self, gratis: IntArray) -> IntArray:
        """Return what each floor asks beyond the weight in `gratis` that is served at no cost."""
        served = np.zeros(self.need.size, np.int64)
        np.add.at(served, self.group, gratis)
        left: IntArray = np.maximum(0, self.need - served)
        return left

    def unreachable(self, floor: IntArray) -> list[str]:
        """Return the floors that all candidates together do not reach, in words."""
        most = np.zeros(floor.size, np.int64)
        np.add.at(most, self.group, self.weight)
        return [
            f"group {g}: floor {int(floor[g])}, at most {int(floor[g] - self.need[g] + most[g])} "
            "can be covered"
            for g in np.flatnonzero(most < self.need)
        ]


def split_rows(
    coverage: Coverage, lists: Lists, row: IntArray, group: IntArray, floor: IntArray
) -> FloorRows:
    """Split merged rows by group.

    Parameters
    ----------
    lists, row
        Lists of the rows that candidates reach, and their numbers in the coverage.
    group, floor : (n_raw,), (n_group,) int64
    """
    local = np.full(coverage.weight.size, -1, np.int64)
    local[row] = np.arange(row.size)
    raw = np.flatnonzero(coverage.row_of >= 0)
    mine = local[coverage.row_of[raw]]
    raw, mine = raw[mine >= 0], mine[mine >= 0]
    key = mine * floor.size + group[raw]
    # stable: the first raw row of each part comes first
    cell, first, part = np.unique(key, return_index=True, return_inverse=True)
    weight = np.zeros(cell.size, np.int64)
    np.add.at(weight, part, coverage.raw_weight[raw])
    parent = cell // max(1, floor.size)
    length = np.diff(lists.row_indptr)[parent]
    indptr = np.zeros(cell.size + 1, np.int64)
    np.cumsum(length, out=indptr[1:])
    at = np.arange(int(indptr[-1])) + np.repeat(lists.row_indptr[parent] - indptr[:-1], length)
    return FloorRows(
        lists_of(indptr, lists.row_indices[at], lists.n_site),
        weight,
        (cell % max(1, floor.size)).astype(np.int32),
        raw[first],
        np.maximum(0, floor - covered_already(coverage, group, floor.size)),
    )


@jit
def _useful(j, indptr, indices, weight, group, count, missing, short, gain):
    """Return how much of what is missing, of the share and of the floors, site j would serve."""
    total = np.int64(0)
    for q in range(indptr[j], indptr[j + 1]):
        i = indices[q]
        if count[i] == 0:
            total += weight[i]
            gain[group[i]] += weight[i]
    useful = min(max(missing, 0), total)
    for q in range(indptr[j], indptr[j + 1]):
        g = group[indices[q]]
        if gain[g] > 0:
            useful += min(max(short[g], 0), gain[g])
            gain[g] = 0
    return useful


@jit
def _spare(j, indptr, indices, weight, group, count, missing, short, loss):
    """Return what leaving site j out would lose, -1 where share or floors do not allow it."""
    total = np.int64(0)
    for q in range(indptr[j], indptr[j + 1]):
        i = indices[q]
        if count[i] == 1:
            total += weight[i]
            loss[group[i]] += weight[i]
    is_free = total <= -missing
    for q in range(indptr[j], indptr[j + 1]):
        g = group[indices[q]]
        if loss[g] > -short[g]:
            is_free = False
        loss[g] = 0
    return total if is_free else np.int64(-1)


@jit
def _move(j, indptr, indices, weight, group, count, step, short):
    """Add (1) or leave out (-1) a site; returns the weight that is served more or less by it."""
    total = np.int64(0)
    for q in range(indptr[j], indptr[j + 1]):
        i = indices[q]
        before = count[i]
        count[i] += step
        if min(before, count[i]) == 0:
            total += weight[i]
            short[group[i]] -= step * weight[i]
    return total


@jit
def meet_floors(indptr, indices, weight, group, cost, chosen, count, missing, short):
    """Add sites by useful gain per cost until nothing is missing, then shed what it allows.

    Gains only fall while sites are added and losses only grow while sites leave, so the best stale
    key is refreshed until it is the best fresh one.

    Parameters
    ----------
    missing : int
        Of the share; below 0 there is more than enough.
    short : (n_group,) int64
        The same of each floor, changed in place.

    Returns
    -------
    bool
        Whether nothing is missing.
    """
    n = cost.size
    key = np.full(n, np.inf)
    fresh = np.full(n, -1)
    scratch = np.zeros(short.size, np.int64)
    key[chosen] = 0.0
    turn = 0
    while missing > 0 or short.max() > 0:
        j = np.argmax(key)
        if key[j] <= 0.0:
            return False
        if fresh[j] == turn:
            missing -= _move(j, indptr, indices, weight, group, count, 1, short)
            chosen[j] = True
            key[j] = 0.0
            turn += 1
            continue
        key[j] = _useful(j, indptr, indices, weight, group, count, missing, short, scratch)
        key[j] /= cost[j]
        fresh[j] = turn
    key[:] = 0.0
    key[chosen] = np.inf
    fresh[:] = -1
    turn = 0
    while True:
        j = np.argmax(key)
        if key[j] <= 0.0:
            return True
        if fresh[j] == turn:
            missing += _move(j, indptr, indices, weight, group, count, -1, short)
            chosen[j] = False
            key[j] = 0.0
            turn += 1
            continue
        lost = _spare(j, indptr, indices, weight, group, count, missing, short, scratch)
        key[j] = cost[j] / (lost + 1.0) if lost >= 0 else 0.0
        fresh[j] = turn


@dataclass
class FloorSearch(PartialSearch):
    """State of one solve with floors, on rows split by group.

    Attributes
    ----------
    group : (n_row,) int32
    needs : (n_group,) int64
        What each floor asks beyond existing service and sites that cost nothing.
    alpha : (n_group,) float64
        Prices of the floors.
    """

    group: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    needs: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    alpha: FloatArray = field(default_factory=lambda: np.empty(0))

    def served(self, count: NDArray[np.int16]) -> IntArray:
        """Return the weight served in each group."""
        out = np.zeros(self.needs.size, np.int64)
        hit = count > 0
        np.add.at(out, self.group[hit], self.weight[hit])
        return out

    def is_open(self) -> bool:
        """Return whether anything is left to serve."""
        return self.need > 0 or bool(self.needs.any())

    def is_plan(self) -> bool:
        """Return whether the plan held serves the need and keeps the floors."""
        served = self.served(self.counts(self.plan))
        return int(served.sum()) >= self.need and bool((served >= self.needs).all())

    def repair(self, plan: BoolArray) -> int:
        """Serve the need and the floors, shed the rest; keep the plan where it is the cheapest."""
        count = self.counts(plan)
        served = self.served(count)
        is_plan = meet_floors(
            self.lists.site_indptr, self.lists.site_indices, self.weight, self.group, self.cost,
            plan, count, np.int64(self.need - int(served.sum())), self.needs - served,
        )  # fmt: skip
        value = int(self.cost[plan].sum())
        if is_plan and (value < self.value or not self.is_plan()):
            self.plan = plan.copy()
        return value

    def worth(self, lam: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Return what the best target prices earn, what each row is worth, and what is served."""
        theta, alpha, served = best_target_prices(
            lam, self.weight.astype(np.float64), self.group, self.need, self.needs
        )
        self.trial = (theta, alpha)
        income = theta * self.need + float(alpha @ self.needs)
        return income, (theta + alpha)[self.group] * self.weight, served

    def keep(self, bound: float, lam: FloatArray) -> None:
        """Keep prices and the bound they prove."""
        super().keep(bound, lam)
        self.alpha = self.trial[1]

    def least_served(self) -> tuple[Any, IntArray]:
        """Return weights by row, one line for the share and each floor, and how much of each."""
        from scipy import sparse

        share, need = super().least_served()
        kept = np.flatnonzero(self.needs > 0)
        of = sparse.csr_matrix(
            (self.weight.astype(float), (self.group, np.arange(self.weight.size))),
            (self.needs.size, self.weight.size),
        )
        return sparse.vstack([share, of[kept]]), np.concatenate([need, self.needs[kept]])

    def target_prices(
        self, weight: IntArray, denominator: int
    ) -> tuple[dict[str, IntArray], IntArray]:
        """Return the prices of share and floors as whole numbers, and what each row is worth."""
        theta = round(self.theta * denominator)
        alpha = np.rint(self.alpha * denominator).astype(np.int64)
        if (theta + int(alpha.max(initial=0))) * max(1, int(weight.sum())) >= 2**62:
            raise OverflowError("total weight times the price of the target does not fit 62 bits")
        prices = {"target": np.array([theta], np.int64), "floor": alpha}
        return prices, (theta + alpha)[self.group] * weight


def best_target_prices(
    lam: FloatArray, weight: FloatArray, group: NDArray[np.int32], need: int, needs: IntArray
) -> tuple[float, FloatArray, FloatArray]:
    """Return the best prices of share and floors for row prices, and the rows served in part."""
    safe = np.maximum(weight, 1.0)
    ratio = np.where(weight > 0, lam / safe, np.inf)
    order = np.argsort(ratio, kind="stable")
    inside = order[np.argsort(group[order], kind="stable")]
    heavy, mine, cheap = weight[inside], group[inside], ratio[inside]
    total = np.cumsum(heavy)
    first = np.searchsorted(mine, np.arange(needs.size))
    start = np.where(first > 0, total[np.maximum(first, 1) - 1], 0.0)
    before = total - heavy - start[mine]
    served = np.clip((needs[mine] - before) / np.maximum(heavy, 1.0), 0.0, 1.0)
    served[heavy == 0.0] = 0.0
    level = np.zeros(needs.size)
    used = served > 0.0
    np.maximum.at(level, mine[used], cheap[used])
    theta = 0.0
    part = np.zeros(lam.size)
    part[inside] = served
    left = need - float(needs.sum())
    if left > 0:
        rest = weight[order] * (1.0 - part[order])
        before = np.cumsum(rest) - rest
        more = np.clip((left - before) / np.where(rest > 0.0, rest, 1.0), 0.0, 1.0)
        more[rest <= 0.0] = 0.0
        taken = np.flatnonzero(more > 0.0)
        if taken.size:
            theta = float(ratio[order[taken[-1]]])
        part[order] += more * (1.0 - part[order])
    return theta, np.maximum(0.0, level - theta), part


def anneal_floors(
    search: FloorSearch, sweeps: int, seed: int, halt: Callable[[], bool],
    look: Callable[[int], None],
) -> None:  # fmt: skip
    """Anneal at the prices of share and floors, which follow what is served; repair as it cools."""
    lists = search.lists
    chosen = search.plan.copy()
    count = search.counts(chosen)
    mean = float(search.cost.mean())
    unit = PRICE_UNITS / mean
    typical = search.value / max(1, int(search.weight[count > 0].sum()))
    theta, alpha = search.theta, search.alpha.copy()
    if theta <= 0.0 and not alpha.any():
        theta = typical
    for sweep in range(sweeps):
        heat = PRICE_UNITS * HEAT_FIRST * (HEAT_LAST / HEAT_FIRST) ** (sweep / max(1, sweeps - 1))
        draw = np.random.Generator(np.random.Philox(key=[seed, sweep])).integers(
            1, 2**63, 1, dtype=np.uint64
        )[0]
        worth = np.minimum((theta + alpha)[search.group] * search.weight * unit, 2.0**40)
        anneal_stripe(
            0, lists.n_site, lists.site_indptr, lists.site_indices, lists.row_indptr,
            lists.row_indices, np.rint(worth).astype(np.int64), search.cost, unit, heat, draw,
            chosen, count,
        )  # fmt: skip
        served = search.served(count)
        least = FIRST_PRICE * max(theta, float(alpha.max(initial=0.0)), 1e-9 * typical)
        short = int(served.sum()) < search.need
        pull = 2.0 * (search.need - float(served.sum())) / max(1, search.need)
        theta = max(theta, least if short else 0.0) * (1.0 + min(0.05, max(-0.05, pull)))
        pulls = np.clip(2.0 * (search.needs - served) / np.maximum(1, search.needs), -0.05, 0.05)
        alpha = np.maximum(alpha, np.where(served < search.needs, least, 0.0)) * (1.0 + pulls)
        if sweep % 5 == 4 and sweep > sweeps // 3:
            search.repair(chosen.copy())
            look(sweep)
        if halt():
            break
    search.repair(chosen.copy())
