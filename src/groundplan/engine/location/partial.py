r"""Partial set covering: the cheapest sites that serve a share of the demand, with a bound.

.. math:: \min \sum_j f_j y_j, \quad z_i \le \sum_{j \in N(i)} y_j, \quad \sum_i w_i z_i \ge Q

(Cordeau, Furini, Ljubic 2019, doi 10.1016/j.ejor.2018.12.021). For any prices ``lam, theta >= 0``

.. math:: \theta Q - \sum_j (s_j - f_j)^+ - \sum_i (\theta w_i - \lambda_i)^+

is no more than the cost of any plan. Given lam, the best theta is where rows of least price per
weight add up to Q; so steps are taken in lam alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.anneal import anneal_stripe
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.location.request import check_limits
from groundplan.engine.location.setcover import (
    FLOAT_DIGITS,
    candidates_of,
    denominator_of,
    first_raw,
    nothing,
    open_lists,
    plan_cost,
    whole_costs,
)
from groundplan.engine.location.setcover_dual import reduced_costs
from groundplan.engine.location.setcover_lists import Lists
from groundplan.engine.location.solver import run_until, silent_solver
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["partial_set_covering"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Sizes up to which the integer program takes over.
ROWS_MAX, SITES_MAX = 12_000, 3_000
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
        theta, served = best_theta(lam, weight, search.need)
        reduced = reduced_costs(lists, cost, lam)
        bound = theta * search.need + float(np.minimum(reduced, 0.0).sum())
        bound -= float(np.maximum(theta * weight - lam, 0.0).sum())
        since += 1
        if bound > search.bound:
            if bound > search.bound * (1.0 + 1e-4):
                since = 0
            search.bound, search.theta, search.lam = bound, theta, lam.copy()
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


def partial_set_covering(
    coverage: Coverage,
    share: float | Fraction | str,
    cost: NDArray[Any] | None = None,
    *,
    forbidden: BoolArray | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 600,
    sweeps: int = 300,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose the cheapest sites that serve at least a share of all demand.

    Parameters
    ----------
    coverage : Coverage
        What existing sites serve counts towards the share.
    share : float, Fraction or str
        Of the total weight, 0..1; the target is ``ceil(share * total)``. A float is read as the
        decimal it prints (0.8 is 4/5).
    cost : (n_site,) array, optional
        Costs >= 0; ones where left out.
    forbidden : (n_site,) bool, optional
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine.
    seed, steps, sweeps : int
        Seed; most steps of the bound and sweeps of the annealing.
    progress, stop : callable
        As in `set_covering`.

    Returns
    -------
    Decision
        Checked by `verify_covering`.

    Raises
    ------
    InfeasibleError
        Where all candidates together serve less than the target.
    ValueError
        Where `share` or `cost` is not what it must be.

    Notes
    -----
    Left out: rows of negative weight, several targets.
    """
    check_limits(gap, time_limit_s, seed)
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    part = Fraction(str(share)) if isinstance(share, float) else Fraction(share)
    if not 0 <= part <= 1:
        raise ValueError(f"share must lie in 0..1. Got {share}")
    target = -(-part.numerator * coverage.total_value // part.denominator)
    candidate = candidates_of(coverage, forbidden)
    whole, scale, given = whole_costs(cost, coverage.n_site)
    lists, row, site = open_lists(coverage, candidate)
    weight = coverage.weight[row]
    most = coverage.base_value + int(weight.sum())
    if most < target:
        total = coverage.total_value
        raise InfeasibleError(
            "no plan serves the share asked",
            [f"all sites together serve {most} of {total}, the target is {target}"],
        )

    def halt() -> bool:
        return stop() or (ends_at is not None and time.monotonic() > ends_at)

    free = whole[site] == 0
    count = np.bincount(
        np.repeat(np.arange(lists.n_row), np.diff(lists.row_indptr))[free[lists.row_indices]],
        minlength=lists.n_row,
    )
    # sites that cost nothing are taken; the rest of the search is for what they leave
    gratis = int(weight[count > 0].sum())
    need = max(0, target - coverage.base_value)
    log: dict[str, Any] = {"seed": seed, "rows": lists.n_row, "target": target}
    price = np.maximum(whole[site], 0)
    search = PartialSearch(
        lists, np.where(count > 0, 0, weight), np.maximum(price, 1), max(0, need - gratis),
        np.zeros(site.size, np.bool_), np.zeros(lists.n_row),
    )  # fmt: skip
    proven = 0.0
    if search.need > 0:
        search.plan[:] = True
        search.repair(np.zeros(site.size, np.bool_))

        def look(stage: str, total: int) -> Callable[[int], None]:
            return lambda done: progress(stage, done, total, search.value, search.bound)

        climb_partial(search, steps, halt, look("bound", steps))
        grain = grain_of(whole[site])

        def apart() -> float:
            best = float(np.ceil(search.bound / grain - 1e-6)) * grain
            return (search.value - best) / search.value

        if not halt() and apart() > gap:
            anneal_partial(search, sweeps, seed, halt, look("improve", sweeps))
        if not halt() and apart() > gap and lists.n_row <= ROWS_MAX and site.size <= SITES_MAX:
            left = None if ends_at is None else ends_at - time.monotonic()
            proven = finish_partial(search, grain, left, halt)
    plan = search.plan & ~free if search.need > 0 else np.zeros(site.size, np.bool_)
    taken = plan | (free & (np.diff(lists.site_indptr) > 0) & (need > 0))
    return certify_partial(
        coverage, search, row, site, taken, given, whole, scale, part, target, forbidden, proven,
        log, gap,
    )  # fmt: skip


def finish_partial(
    search: PartialSearch, grain: int, time_limit_s: float | None, halt: Callable[[], bool]
) -> float:
    """Solve as an integer program; keeps its plan and returns its bound."""
    import highspy

    lists, n, m = search.lists, search.lists.n_site, search.lists.n_row
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = n + m, m + 1
    lp.col_cost_ = np.concatenate([search.cost / grain, np.zeros(m)])
    lp.col_lower_, lp.col_upper_ = np.zeros(n + m), np.ones(n + m)
    lp.row_lower_ = np.concatenate([np.zeros(m), [float(search.need)]])
    lp.row_upper_ = np.full(m + 1, highspy.kHighsInf)
    length = np.diff(lists.row_indptr)
    at = lists.row_indptr + np.arange(m + 1)
    index = np.empty(lists.row_indices.size + 2 * m, np.int32)
    value = np.ones(index.size)
    last = at[1:] - 1
    mask = np.ones(index.size, np.bool_)
    mask[last] = False
    mask[at[-1] :] = False
    index[mask] = lists.row_indices
    index[last], value[last] = n + np.arange(m), -1.0
    index[at[-1] :], value[at[-1] :] = n + np.arange(m), search.weight
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([at, [index.size]]).astype(np.int32)
    lp.a_matrix_.index_, lp.a_matrix_.value_ = index, value
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n + [highspy.HighsVarType.kContinuous] * m
    solver = silent_solver()
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", 0.99)
    solver.setOptionValue("mip_max_nodes", 20_000)
    # whole weights: a plan short by less than one unit is no plan
    solver.setOptionValue("mip_feasibility_tolerance", 1e-9)
    solver.setOptionValue("primal_feasibility_tolerance", 1e-9)
    if time_limit_s is not None:
        solver.setOptionValue("time_limit", max(0.05, time_limit_s))
    solver.passModel(model)
    begin = highspy.HighsSolution()
    covered = np.zeros(m)
    covered[np.repeat(np.arange(m), length)[search.plan[lists.row_indices]]] = 1.0
    begin.col_value = np.concatenate([search.plan.astype(np.float64), covered]).tolist()
    solver.setSolution(begin)
    run_until(solver, halt)
    info = solver.getInfo()
    values = np.asarray(solver.getSolution().col_value)
    if values.size == n + m and info.primal_solution_status == highspy.kSolutionStatusFeasible:
        search.repair(values[:n] > 0.5)
    bound = info.mip_dual_bound
    return float(grain * np.ceil(bound - 1e-6)) if np.isfinite(bound) else 0.0


def certify_partial(
    coverage: Coverage, search: PartialSearch, row: IntArray, site: IntArray, taken: BoolArray,
    given: NDArray[Any], whole: IntArray, scale: int, part: Fraction, target: int,
    forbidden: BoolArray | None, searched: float, log: dict[str, Any], gap: float,
) -> Decision:  # fmt: skip
    """Round the prices to whole numbers and return the decision with its certificate."""
    sites = np.sort(site[taken]).astype(np.int32)
    value = plan_cost(given, sites)
    cost = whole[site]
    need = max(0, target - coverage.base_value)
    denominator = denominator_of(max(int(cost.sum()), 1))
    weight = coverage.weight[row]
    # free sites earn nothing, so rows that they cover must have the price 0
    lam = np.rint(np.where(search.weight > 0, search.lam, 0.0) * denominator).astype(np.int64)
    theta = round(search.theta * denominator)
    reduced = scores(search.lists, lam) - cost * denominator

    def total(theta: int) -> int:
        short = np.maximum(theta * weight - lam, 0)
        return theta * need - int(short.sum()) - int(np.maximum(reduced, 0).sum())

    if theta * max(1, coverage.total_value) >= 2**62:
        raise OverflowError("total weight times the price of the target does not fit 62 bits")
    numerator = total(theta)
    if numerator < 0:
        lam[:], theta, numerator = 0, 0, 0
    raw = np.zeros(coverage.row_of.size, np.int64)
    raw[first_raw(coverage, row)] = lam
    is_exact = scale == 1 or not np.any(given * float(scale) % 1.0)
    grain = grain_of(cost)
    proven = grain * -(-numerator // (denominator * grain))
    best = max(proven, int(searched))
    bound: int | float = best if scale == 1 else best / scale
    parameters = {
        "scale": scale,
        "grain": grain,
        "target": target,
        "share_over": part.numerator,
        "share_under": part.denominator,
        "cost_hash": hash_arrays(given),
        "forbidden_hash": hash_arrays(None if forbidden is None else np.asarray(forbidden, bool)),
    }
    certificate = Certificate(
        "partial_set_covering", parameters, coverage.input_hash, denominator,
        {"row": raw, "target": np.array([theta], np.int64)}, value, numerator,
    )  # fmt: skip
    distance = float((value - bound) / value) if value else 0.0
    is_optimal = bound == value or (not is_exact and distance <= FLOAT_DIGITS)
    status = "optimal" if is_optimal else "feasible" if distance <= gap else "stopped"
    log["bound_by_prices"] = proven if scale == 1 else proven / scale
    return Decision(
        sites, value, bound, distance, status, seal(certificate, sites),
        base_value=coverage.base_value, sense="min",
        bound_by="search" if best > proven else "prices", log=log,
    )  # fmt: skip


def grain_of(cost: IntArray) -> int:
    """Return the largest number of which every cost is a multiple."""
    return max(1, int(np.gcd.reduce(cost))) if cost.size else 1


def scores(lists: Lists, price: IntArray) -> IntArray:
    """Return the sum of whole prices of the rows of each site."""
    paid = np.concatenate([np.zeros(1, np.int64), np.cumsum(price[lists.site_indices])])
    out: IntArray = paid[lists.site_indptr[1:]] - paid[lists.site_indptr[:-1]]
    return out
