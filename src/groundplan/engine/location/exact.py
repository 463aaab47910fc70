"""Exact finish of small covering problems by HiGHS, fed with arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.program import Program
from groundplan.engine.location.solver import run_until, silent_solver

__all__ = ["ROWS_MAX", "SITES_MAX", "solve_exactly"]

#: Above this the branch-and-bound of a general solver no longer pays (docs/location).
ROWS_MAX, SITES_MAX = 5_000, 3_000


def solve_exactly(
    program: Program,
    start: NDArray[np.bool_],
    time_limit_s: float | None,
    *,
    nodes: int | None = None,
    halt: Callable[[], bool] | None = None,
    limits: Limits | None = None,
    floors: Sequence[tuple[float, NDArray[np.float64]]] = (),
) -> tuple[NDArray[np.bool_], float, bool]:
    """Solve ``max w z, z_i <= sum y, f y <= B`` as a mixed-integer program.

    Parameters
    ----------
    program : Program
    start : (n_site,) bool
        A feasible plan to begin with.
    time_limit_s : float or None
    nodes : int, optional
        Most nodes of the branch and bound.
    halt : callable, optional
        True ends it from within.
    limits : Limits, optional
        On the groups of sites.
    floors : sequence of (least, (n_row,) float64)
        Least sums of the rows covered, and what each row adds.

    Returns
    -------
    (chosen, bound, is_proven)
        The solver's best plan, its own bound, and whether it proved the plan best; `start` with the
        bound -inf where limits and floors are proven to allow no plan.
    """
    import highspy

    n, m = program.n_site, program.n_row
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = n + m, m + 1
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.col_cost_ = np.concatenate([np.zeros(n), program.weight.astype(np.float64)])
    lp.col_lower_, lp.col_upper_ = np.zeros(n + m), np.ones(n + m)
    # rows: sum y - z >= 0 for every demand row, then the budget
    lp.row_lower_ = np.concatenate([np.zeros(m), [-highspy.kHighsInf]])
    lp.row_upper_ = np.concatenate([np.full(m, highspy.kHighsInf), [float(program.budget)]])
    length = np.diff(program.row_indptr)
    index = np.empty(program.row_indices.size + m + n, np.int32)
    value = np.ones(index.size)
    at = program.row_indptr[:-1] + np.arange(m)
    last = at + length
    mask = np.ones(program.row_indices.size + m, bool)
    mask[last] = False
    index[: mask.size][mask] = program.row_indices
    index[last] = n + np.arange(m)
    value[last] = -1.0
    index[mask.size :] = np.arange(n)
    value[mask.size :] = program.cost
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([at, [mask.size, index.size]]).astype(np.int32)
    lp.a_matrix_.index_, lp.a_matrix_.value_ = index, value
    lp.integrality_ = [highspy.HighsVarType.kInteger] * n + [highspy.HighsVarType.kContinuous] * m
    solver = silent_solver()
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", 0.5)
    if time_limit_s is not None:
        solver.setOptionValue("time_limit", float(time_limit_s))
    if nodes is not None:
        solver.setOptionValue("mip_max_nodes", nodes)
    solver.passModel(model)
    if limits is not None:
        for g in range(limits.n_group):
            mine = np.flatnonzero(limits.group == g).astype(np.int32)
            low, high = float(limits.least[g]), float(limits.most[g])
            solver.addRow(low, high, mine.size, mine, np.ones(mine.size))
    for least, own in floors:
        row = np.flatnonzero(own)
        solver.addRow(least, highspy.kHighsInf, row.size, (n + row).astype(np.int32), own[row])
    begin = highspy.HighsSolution()
    covered = np.zeros(m)
    row = np.repeat(np.arange(m), length)
    covered[row[start[program.row_indices]]] = 1.0
    begin.col_value = np.concatenate([start.astype(np.float64), covered]).tolist()
    solver.setSolution(begin)
    run_until(solver, halt)
    info = solver.getInfo()
    if solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return start, float("-inf"), True
    found = np.asarray(solver.getSolution().col_value)
    if found.size != n + m or info.primal_solution_status != highspy.kSolutionStatusFeasible:
        return start, float("inf"), False
    chosen = found[:n] > 0.5
    served = np.zeros(m, bool)
    served[row[chosen[program.row_indices]]] = True
    worth = int(program.weight[served].sum())
    # a release took the plan it began with to be better than it is, and called a worse one optimal
    is_true = abs(info.objective_function_value - worth) < 0.5
    is_optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return chosen, float(info.mip_dual_bound), is_optimal and is_true
