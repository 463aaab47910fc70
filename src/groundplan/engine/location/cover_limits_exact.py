"""Set covering within limits as an integer program, and which caps leave no plan at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.setcover_lists import Lists
from groundplan.engine.location.solver import run_until, silent_solver

__all__ = ["End", "conflict_of", "solve_within"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class End:
    """What the program found.

    Attributes
    ----------
    plan : (n_site,) bool or None
    bound : float
        No plan of the sites given costs less; infinite where there is none.
    """

    plan: BoolArray | None
    bound: float


def program_of(lists: Lists, cost: NDArray[Any], limits: Limits, allowed: BoolArray) -> Any:
    """Return the program in the solver's form: rows to cover, then one row for each group."""
    import highspy

    n, m = lists.n_site, lists.n_row
    site = np.argsort(limits.group, kind="stable").astype(np.int32)
    site = site[limits.group[site] < limits.n_group]
    size = np.bincount(limits.group[site], minlength=limits.n_group)[: limits.n_group]
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = n, m + limits.n_group
    lp.col_cost_ = cost.astype(np.float64)
    lp.col_lower_, lp.col_upper_ = np.zeros(n), allowed.astype(np.float64)
    lp.row_lower_ = np.concatenate([np.ones(m), limits.least[:-1].astype(np.float64)])
    lp.row_upper_ = np.concatenate(
        [np.full(m, highspy.kHighsInf), limits.most[:-1].astype(np.float64)]
    )
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    start = np.concatenate([lists.row_indptr, lists.row_indptr[-1] + np.cumsum(size)])
    lp.a_matrix_.start_ = start.astype(np.int32)
    lp.a_matrix_.index_ = np.concatenate([lists.row_indices, site]).astype(np.int32)
    lp.a_matrix_.value_ = np.ones(int(start[-1]))
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n
    return model


def solve_within(
    lists: Lists,
    cost: IntArray,
    limits: Limits,
    *,
    allowed: BoolArray,
    plan: BoolArray | None,
    grain: int,
    nodes: int,
    time_limit_s: float | None,
    halt: Callable[[], bool] | None,
) -> End:
    """Solve the problem on the sites allowed.

    Parameters
    ----------
    plan : (n_site,) bool, optional
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
    solver.setOptionValue("mip_abs_gap", 0.99)
    solver.setOptionValue("mip_max_nodes", nodes)
    if time_limit_s is not None:
        solver.setOptionValue("time_limit", max(0.05, float(time_limit_s)))
    solver.passModel(program_of(lists, cost / grain, limits, allowed))
    if plan is not None and not (plan & ~allowed).any():
        begin = highspy.HighsSolution()
        begin.col_value = plan.astype(np.float64).tolist()
        solver.setSolution(begin)
    run_until(solver, halt)
    if solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return End(None, float("inf"))
    info = solver.getInfo()
    values = np.asarray(solver.getSolution().col_value)
    # ended before its first relaxation it says minus infinity: costs are at least zero
    bound = grain * float(np.ceil(max(0.0, info.mip_dual_bound) - 1e-6))
    feasible = info.primal_solution_status == highspy.kSolutionStatusFeasible
    if not feasible or values.size != lists.n_site:
        return End(None, bound if np.isfinite(bound) else 0.0)
    return End(values > 0.5, bound)


def conflict_of(lists: Lists, limits: Limits, *, nodes: int, halt: Callable[[], bool]) -> list[int]:
    """Return groups whose caps together leave no plan, none of which may be left out.

    The limits as a whole must be known to allow no plan; a question that is not answered within
    the nodes keeps its cap.
    """
    most = limits.most.copy()
    size = np.bincount(limits.group, minlength=most.size)
    blamed = []
    everything = np.ones(lists.n_site, bool)
    for g in range(limits.n_group):
        if most[g] >= size[g]:
            continue
        held = most[g]
        most[g] = size[g]
        if not halt():
            end = solve_within(
                lists, np.zeros(lists.n_site, np.int64), replace(limits, most=most),
                allowed=everything, plan=None, grain=1, nodes=nodes, time_limit_s=None, halt=halt,
            )  # fmt: skip
            if end.plan is None and end.bound == float("inf"):
                continue
        most[g] = held
        blamed.append(g)
    return blamed
