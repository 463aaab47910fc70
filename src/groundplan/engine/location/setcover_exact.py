"""Exact finish of small covering problems by HiGHS: reduced-cost fixing, start, cutoff."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.setcover_dual import bound_of, reduced_costs
from groundplan.engine.location.setcover_lists import Lists, narrow, reduce
from groundplan.engine.location.solver import run_until, silent_solver

__all__ = ["Finish", "finish", "promising"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Finish:
    """What the exact search found.

    Attributes
    ----------
    plan : (n_site,) bool
    value : int
    bound : float
        No plan costs less; HiGHS's own bound where it did not end, minus infinity where it has
        none yet.
    is_proven : bool
    """

    plan: BoolArray
    value: int
    bound: float
    is_proven: bool


def promising(lists: Lists, cost: IntArray, lam: FloatArray, upper: int, grain: int) -> IntArray:
    """Return the sites that a plan cheaper than `upper` may hold.

    A site whose reduced cost lifts the bound above ``upper - grain`` stands in no better plan.
    """
    reduced = reduced_costs(lists, cost, lam)
    room = upper - grain - bound_of(reduced, lam)
    return np.flatnonzero(reduced <= room + 1e-6)


def finish(
    lists: Lists,
    cost: IntArray,
    plan: BoolArray,
    sites: IntArray,
    *,
    grain: int,
    nodes: int,
    time_limit_s: float | None,
    halt: Callable[[], bool] | None = None,
) -> Finish:
    """Solve the problem on `sites` as an integer program.

    Parameters
    ----------
    plan : (n_site,) bool
        The best plan known.
    sites : (n,) int64
        Sites that a better plan may hold (see `promising`).
    nodes : int
        Most nodes of the branch-and-bound.
    halt : callable, optional
        True ends it from within.
    """
    import highspy

    value = int(cost[plan].sum())
    some = narrow(lists, np.arange(lists.n_row), sites)
    if not sites.size or np.diff(some.row_indptr).min(initial=1) == 0:
        # a row without a promising site: nothing better exists
        return Finish(plan, value, float(value), True)
    rest = reduce(some, cost[sites])
    base = int(cost[sites[rest.forced]].sum())
    program, price = rest.lists, cost[sites[rest.site]]
    if not program.n_row:
        found = np.zeros(lists.n_site, np.bool_)
        found[sites[rest.forced]] = True
        return better(plan, value, found, base, float(base))
    model = highspy.HighsModel()
    lp = model.lp_
    n, m = program.n_site, program.n_row
    lp.num_col_, lp.num_row_ = n, m
    lp.col_cost_ = price / grain
    lp.col_lower_, lp.col_upper_ = np.zeros(n), np.ones(n)
    lp.row_lower_, lp.row_upper_ = np.ones(m), np.full(m, highspy.kHighsInf)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = program.row_indptr.astype(np.int32)
    lp.a_matrix_.index_ = program.row_indices
    lp.a_matrix_.value_ = np.ones(program.row_indices.size)
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n
    solver = silent_solver()
    solver.setOptionValue("mip_rel_gap", 0.0)
    # plans cost whole multiples of the grain
    solver.setOptionValue("mip_abs_gap", 0.99)
    solver.setOptionValue("mip_max_nodes", nodes)
    if time_limit_s is not None:
        solver.setOptionValue("time_limit", max(0.05, float(time_limit_s)))
    solver.passModel(model)
    held = plan[sites[rest.site]]
    row = np.repeat(np.arange(m), np.diff(program.row_indptr))
    if np.bincount(row[held[program.row_indices]], minlength=m).min() > 0:
        begin = highspy.HighsSolution()
        begin.col_value = held.astype(np.float64).tolist()
        solver.setSolution(begin)
    run_until(solver, halt)
    info = solver.getInfo()
    status = solver.getModelStatus()
    # ended before its first relaxation it says minus infinity: costs are at least zero
    proven = max(0.0, info.mip_dual_bound)
    bound = base + grain * np.ceil(proven - 1e-6) if proven < np.inf else np.inf
    if status == highspy.HighsModelStatus.kInfeasible or not bound < np.inf:
        raise RuntimeError(f"the exact finish ended with {status} on a problem that has a plan")
    values = np.asarray(solver.getSolution().col_value)
    found = plan
    if info.primal_solution_status == highspy.kSolutionStatusFeasible and values.size == n:
        found = np.zeros(lists.n_site, np.bool_)
        found[sites[rest.forced]] = True
        found[sites[rest.site[values > 0.5]]] = True
    return better(plan, value, found, int(cost[found].sum()), bound)


def better(plan: BoolArray, value: int, found: BoolArray, cost: int, bound: float) -> Finish:
    """Return the cheaper of two plans; the bound of the promising sites is capped by the old one.

    Sites left out stand in no plan cheaper than `plan`, hence the least cost of all is the lesser
    of the program's and `value`.
    """
    if cost < value:
        plan, value = found, cost
    bound = min(bound, float(value))
    return Finish(plan, value, bound, bound >= value)
