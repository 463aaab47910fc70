"""The search of partial set covering: prices by steps, plans by greed and annealing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.anneal import anneal_stripe
from groundplan.engine.location.setcover_dual import reduced_costs
from groundplan.engine.location.setcover_lists import Lists
from groundplan.engine.location.solver import run_until, silent_solver

__all__ = ["PartialSearch", "anneal_partial", "climb_partial", "finish_partial"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Annealing: first and last temperature in mean costs.
HEAT_FIRST, HEAT_LAST = 0.5, 0.01


@jit
def _marginal(j, indptr, indices, weight, count, level):
    total = 0
    for q in range(indptr[j], indptr[j + 1]):
        if count[indices[q]] == level:
            total += weight[indices[q]]
    return total


@jit
def _meet_target(indptr, indices, weight, cost, chosen, count, missing):
    """Add sites by useful gain per cost until `missing` is served, then shed what it allows."""
    n = cost.size
    # worth only falls while sites come in, or leave: a stale one below the best needs no look
    key = np.full(n, np.inf)
    while missing > 0:
        best = -1
        most = -1.0
        for j in range(n):
            if not chosen[j] and key[j] > most:
                gain = min(missing, _marginal(j, indptr, indices, weight, count, 0))
                key[j] = gain / cost[j] if gain > 0 else -1.0
                if key[j] > most:
                    most = key[j]
                    best = j
        if best < 0:
            return missing
        chosen[best] = True
        missing -= _marginal(best, indptr, indices, weight, count, 0)
        for q in range(indptr[best], indptr[best + 1]):
            count[indices[q]] += 1
    key[:] = np.inf
    while True:
        best = -1
        most = -1.0
        for j in range(n):
            if chosen[j] and key[j] > most:
                loss = _marginal(j, indptr, indices, weight, count, 1)
                key[j] = cost[j] / (loss + 1.0) if loss <= -missing else -1.0
                if key[j] > most:
                    most = key[j]
                    best = j
        if best < 0:
            return missing
        chosen[best] = False
        missing += _marginal(best, indptr, indices, weight, count, 1)
        for q in range(indptr[best], indptr[best + 1]):
            count[indices[q]] -= 1


@dataclass
class PartialSearch:
    """State of one solve on open rows and candidate sites of cost > 0."""

    lists: Lists
    weight: IntArray
    cost: IntArray
    need: int
    plan: BoolArray
    lam: FloatArray
    theta: float = 0.0
    bound: float = 0.0
    trial: tuple[float, FloatArray] = field(default_factory=lambda: (0.0, np.empty(0)))

    @property
    def value(self) -> int:
        """Cost of the best plan."""
        return int(self.cost[self.plan].sum())

    def counts(self, plan: BoolArray) -> NDArray[np.int16]:
        """Return how many sites of a plan cover each row."""
        row = np.repeat(np.arange(self.lists.n_row), np.diff(self.lists.row_indptr))
        times = np.bincount(row[plan[self.lists.row_indices]], minlength=self.lists.n_row)
        if times.size and times.max() > np.iinfo(np.int16).max:
            raise OverflowError("a row is covered by more than 32,767 chosen sites")
        return times.astype(np.int16)

    def repair(self, plan: BoolArray) -> int:
        """Serve the need, shed what is not needed; keep the plan where it is the cheapest."""
        count = self.counts(plan)
        missing = self.need - int(self.weight[count > 0].sum())
        left = _meet_target(
            self.lists.site_indptr, self.lists.site_indices, self.weight, self.cost, plan, count,
            missing,
        )  # fmt: skip
        value = int(self.cost[plan].sum())
        if left <= 0 and (value < self.value or not self.is_plan()):
            self.plan = plan.copy()
        return value

    def is_plan(self) -> bool:
        """Return whether the plan held serves the need."""
        return int(self.weight[self.counts(self.plan) > 0].sum()) >= self.need

    def is_open(self) -> bool:
        """Return whether anything is left to serve."""
        return self.need > 0

    def worth(self, lam: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Return what the best target price earns, what each row is worth, and what is served."""
        weight = self.weight.astype(np.float64)
        theta, served = best_theta(lam, weight, self.need)
        self.trial = (theta, np.empty(0))
        return theta * self.need, theta * weight, served

    def keep(self, bound: float, lam: FloatArray) -> None:
        """Keep prices and the bound they prove."""
        self.bound, self.theta, self.lam = bound, self.trial[0], lam.copy()

    def least_served(self) -> tuple[Any, IntArray]:
        """Return weights by row, one line for each thing to be served, and how much of each."""
        from scipy import sparse

        return sparse.csr_matrix(self.weight[None, :].astype(float)), np.array([self.need])

    def target_prices(
        self, weight: IntArray, denominator: int
    ) -> tuple[dict[str, IntArray], IntArray]:
        """Return the price of the target as whole numbers, and what each row is worth."""
        theta = round(self.theta * denominator)
        return {"target": np.array([theta], np.int64)}, theta * weight


def best_theta(lam: FloatArray, weight: FloatArray, need: int) -> tuple[float, FloatArray]:
    """Return the best price of the target for row prices, and the rows it serves in part."""
    ratio = np.where(weight > 0, lam / np.maximum(weight, 1.0), np.inf)
    order = np.argsort(ratio, kind="stable")
    total = np.cumsum(weight[order])
    k = min(int(np.searchsorted(total, need)), lam.size - 1)
    served = np.zeros(lam.size)
    served[order[:k]] = 1.0
    before = float(total[k - 1]) if k else 0.0
    last = order[k]
    if weight[last] > 0:
        served[last] = min(1.0, (need - before) / weight[last])
    theta = float(ratio[last])
    return (theta if np.isfinite(theta) else 0.0), served


def climb_partial(
    search: PartialSearch, steps: int, halt: Callable[[], bool], look: Callable[[int], None]
) -> None:
    """Raise the bound by subgradient steps with deflection."""
    lists, cost = search.lists, search.cost
    weight = search.weight.astype(np.float64)
    size = np.maximum(1, lists.site_indices.size)
    scale = np.zeros(lists.n_site)
    np.add.at(scale, np.repeat(np.arange(lists.n_site), np.diff(lists.site_indptr)),
              weight[lists.site_indices])  # fmt: skip
    share = cost / np.maximum(scale, 1.0)
    lam = search.lam
    if not lam.any() and size:
        lam = weight * np.minimum.reduceat(share[lists.row_indices], lists.row_indptr[:-1])
    row = np.repeat(np.arange(lists.n_row), np.diff(lists.row_indptr))
    direction = np.zeros(lists.n_row)
    pace, since = 1.0, 0
    for step in range(steps):
        income, worth, served = search.worth(lam)
        reduced = reduced_costs(lists, cost, lam)
        bound = income + float(np.minimum(reduced, 0.0).sum())
        bound -= float(np.maximum(worth - lam, 0.0).sum())
        since += 1
        if bound > search.bound:
            if bound > search.bound * (1.0 + 1e-4):
                since = 0
            search.keep(bound, lam)
        if since > 20:
            pace, since = pace * 0.6, 0
            lam = search.lam.copy()
            if pace < 1e-4:
                return
        times = np.bincount(row[(reduced < 0.0)[lists.row_indices]], minlength=lists.n_row)
        direction = served - times + 0.5 * direction
        direction[(lam == 0.0) & (direction < 0.0)] = 0.0
        norm = float(direction @ direction)
        if norm < 1e-12:
            return
        lam = np.maximum(0.0, lam + pace * max(search.value - bound, 1e-9) / norm * direction)
        if step % 20 == 0:
            look(step)
        if halt():
            return


def anneal_partial(
    search: PartialSearch, sweeps: int, seed: int, halt: Callable[[], bool],
    look: Callable[[int], None],
) -> None:  # fmt: skip
    """Anneal at the price of the target, which follows what is served; repair as it cools."""
    lists = search.lists
    chosen = search.plan.copy()
    count = search.counts(chosen)
    served = max(1, int(search.weight[count > 0].sum()))
    mu = 1.0 / search.theta if search.theta > 0 else served / max(1, search.value)
    first = mu * float(search.cost.mean()) * HEAT_FIRST
    for sweep in range(sweeps):
        heat = first * (HEAT_LAST / HEAT_FIRST) ** (sweep / max(1, sweeps - 1))
        draw = np.random.Generator(np.random.Philox(key=[seed, sweep])).integers(
            1, 2**63, 1, dtype=np.uint64
        )[0]
        anneal_stripe(
            0, lists.n_site, lists.site_indptr, lists.site_indices, lists.row_indptr,
            lists.row_indices, search.weight, search.cost, mu, heat, draw, chosen, count,
        )  # fmt: skip
        served = int(search.weight[count > 0].sum())
        pull = 2.0 * (served - search.need) / max(1, search.need)
        mu *= 1.0 + min(0.05, max(-0.05, pull))
        if sweep % 5 == 4 and sweep > sweeps // 3:
            search.repair(chosen.copy())
            look(sweep)
        if halt():
            break
    search.repair(chosen.copy())


def finish_partial(
    search: PartialSearch, grain: int, time_limit_s: float | None, halt: Callable[[], bool]
) -> float:
    """Solve as an integer program; keeps its plan and returns its bound."""
    import highspy
    from scipy import sparse

    lists, n, m = search.lists, search.lists.n_site, search.lists.n_row
    ones = np.ones(lists.row_indices.size)
    reach = sparse.csr_matrix((ones, lists.row_indices, lists.row_indptr), (m, n))
    served, least = search.least_served()
    table = sparse.bmat([[reach, -sparse.identity(m)], [None, served]], format="csr")
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = n + m, table.shape[0]
    lp.col_cost_ = np.concatenate([search.cost / grain, np.zeros(m)])
    lp.col_lower_, lp.col_upper_ = np.zeros(n + m), np.ones(n + m)
    lp.row_lower_ = np.concatenate([np.zeros(m), least])
    lp.row_upper_ = np.full(table.shape[0], highspy.kHighsInf)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = table.indptr.astype(np.int32)
    lp.a_matrix_.index_, lp.a_matrix_.value_ = table.indices.astype(np.int32), table.data
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n + [highspy.HighsVarType.kContinuous] * m
    solver = silent_solver()
    options: dict[str, Any] = {
        "mip_rel_gap": 0.0, "mip_abs_gap": 0.99, "mip_max_nodes": 20_000,
        # whole weights: a plan short by less than one unit is no plan
        "mip_feasibility_tolerance": 1e-9, "primal_feasibility_tolerance": 1e-9,
    }  # fmt: skip
    if time_limit_s is not None:
        options["time_limit"] = max(0.05, time_limit_s)
    for name, value in options.items():
        solver.setOptionValue(name, value)
    solver.passModel(model)
    begin = highspy.HighsSolution()
    covered = (search.counts(search.plan) > 0).astype(np.float64)
    begin.col_value = np.concatenate([search.plan.astype(np.float64), covered]).tolist()
    solver.setSolution(begin)
    run_until(solver, halt)
    info = solver.getInfo()
    values = np.asarray(solver.getSolution().col_value)
    if values.size == n + m and info.primal_solution_status == highspy.kSolutionStatusFeasible:
        search.repair(values[:n] > 0.5)
    bound = info.mip_dual_bound
    return float(grain * np.ceil(bound - 1e-6)) if np.isfinite(bound) else 0.0
