"""Covering problems as integer programs of HiGHS, and the exact finish of small ones with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.setcover_dual import bound_of, reduced_costs
from groundplan.engine.location.setcover_lists import Lists, narrow, reduce
from groundplan.engine.location.solver import run_until, silent_solver

__all__ = ["End", "Finish", "finish", "program_of", "promising", "search_program"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class End:
    """How the search of a program ended.

    Attributes
    ----------
    plan : (n_site,) bool or None
        The best plan found.
    bound : float
        No plan costs less; infinite where there is none.
    status : highspy.HighsModelStatus
    """

    plan: BoolArray | None
    bound: float
    status: Any


@dataclass(frozen=True)
class Finish:
    """The cheaper of the plan given and the one that the exact search found.

    Attributes
    ----------
    plan : (n_site,) bool
    value : int
    bound : float
        No plan costs less; HiGHS's own bound where it did not end.
    is_proven : bool
    """

    plan: BoolArray
    value: int
    bound: float
    is_proven: bool


def program_of(
    lists: Lists, cost: NDArray[Any], limits: Limits | None = None, allowed: BoolArray | None = None
) -> Any:
    """Return the program in the solver's form: rows to cover, then one row for each group.

    Parameters
    ----------
    allowed : (n_site,) bool, optional
        Sites that a plan may hold.
    """
    import highspy

    n, m = lists.n_site, lists.n_row
    low, high = np.ones(m), np.full(m, highspy.kHighsInf)
    start, index = lists.row_indptr, lists.row_indices
    if limits is not None:
        site = np.argsort(limits.group, kind="stable").astype(np.int32)
        site = site[limits.group[site] < limits.n_group]
        size = np.bincount(limits.group[site], minlength=limits.n_group)[: limits.n_group]
        low = np.concatenate([low, limits.least[:-1].astype(np.float64)])
        high = np.concatenate([high, limits.most[:-1].astype(np.float64)])
        start = np.concatenate([start, start[-1] + np.cumsum(size)])
        index = np.concatenate([index, site])
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = n, low.size
    lp.col_cost_ = cost.astype(np.float64)
    lp.col_lower_ = np.zeros(n)
    lp.col_upper_ = np.ones(n) if allowed is None else allowed.astype(np.float64)
    lp.row_lower_, lp.row_upper_ = low, high
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = start.astype(np.int32)
    lp.a_matrix_.index_ = index.astype(np.int32)
    lp.a_matrix_.value_ = np.ones(index.size)
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n
    return model


def search_program(
    program: Any,
    begin: BoolArray | None,
    *,
    grain: int,
    nodes: int,
    time_limit_s: float | None,
    halt: Callable[[], bool] | None,
) -> End:
    """Let HiGHS search a program whose costs are in units of the grain.

    Parameters
    ----------
    begin : (n_site,) bool, optional
        A plan to begin with.
    grain : int
        Every plan costs a multiple of this.
    nodes : int
        Most nodes of the branch-and-bound.
    halt : callable, optional
        True ends it from within.
    """
    import highspy

    solver = silent_solver()
    solver.setOptionValue("mip_rel_gap", 0.0)
    # plans cost whole multiples of the grain
    solver.setOptionValue("mip_abs_gap", 0.99)
    solver.setOptionValue("mip_max_nodes", nodes)
    if time_limit_s is not None:
        solver.setOptionValue("time_limit", max(0.05, float(time_limit_s)))
    solver.passModel(program)
    if begin is not None:
        held = highspy.HighsSolution()
        held.col_value = begin.astype(np.float64).tolist()
        solver.setSolution(held)
    run_until(solver, halt)
    status = solver.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return End(None, float("inf"), status)
    info = solver.getInfo()
    values = np.asarray(solver.getSolution().col_value)
    # ended before its first relaxation it says minus infinity: costs are at least zero
    bound = grain * float(np.ceil(max(0.0, info.mip_dual_bound) - 1e-6))
    has_plan = info.primal_solution_status == highspy.kSolutionStatusFeasible
    plan = values > 0.5 if has_plan and values.size == program.lp_.num_col_ else None
    return End(plan, bound, status)


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
    value = int(cost[plan].sum())
    some = narrow(lists, np.arange(lists.n_row), sites)
    if not sites.size or np.diff(some.row_indptr).min(initial=1) == 0:
        # a row without a promising site: nothing better exists
        return Finish(plan, value, float(value), True)
    rest = reduce(some, cost[sites])
    base = int(cost[sites[rest.forced]].sum())
    here = rest.lists
    found = np.zeros(lists.n_site, np.bool_)
    found[sites[rest.forced]] = True
    if not here.n_row:
        return better(plan, value, found, base, float(base))
    held = plan[sites[rest.site]]
    row = np.repeat(np.arange(here.n_row), np.diff(here.row_indptr))
    covers = np.bincount(row[held[here.row_indices]], minlength=here.n_row).min() > 0
    end = search_program(
        program_of(here, cost[sites[rest.site]] / grain), held if covers else None, grain=grain,
        nodes=nodes, time_limit_s=time_limit_s, halt=halt,
    )  # fmt: skip
    if not end.bound < np.inf:
        raise RuntimeError(f"the exact finish ended with {end.status} on a problem that has a plan")
    if end.plan is None:
        found = plan
    else:
        found[sites[rest.site[end.plan]]] = True
    return better(plan, value, found, int(cost[found].sum()), base + end.bound)


def better(plan: BoolArray, value: int, found: BoolArray, cost: int, bound: float) -> Finish:
    """Return the cheaper of two plans; the bound of the promising sites is capped by the old one.

    Sites left out stand in no plan cheaper than `plan`, hence the least cost of all is the lesser
    of the program's and `value`.
    """
    if cost < value:
        plan, value = found, cost
    bound = min(bound, float(value))
    return Finish(plan, value, bound, bound >= value)
