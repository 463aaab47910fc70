"""A linear program kept in HiGHS between solves, for bounds that change and rows that come late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.solver import run_until, silent_solver

__all__ = ["Relaxation"]

FloatArray = NDArray[np.float64]


class Relaxation:
    """``min c x, low <= A x <= high, lower <= x <= upper`` with rows given as CSR arrays.

    `halt` ends a solve from within; it then counts as one that found no optimum.
    """

    def __init__(
        self,
        cost: FloatArray,
        lower: FloatArray,
        upper: FloatArray,
        indptr: NDArray[Any],
        indices: NDArray[Any],
        values: FloatArray,
        low: FloatArray,
        high: FloatArray,
        halt: Callable[[], bool] | None = None,
    ) -> None:
        import highspy

        self._highspy = highspy
        model = highspy.HighsModel()
        lp = model.lp_
        lp.num_col_, lp.num_row_ = cost.size, low.size
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
        lp.row_lower_, lp.row_upper_ = low, high
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.asarray(indptr, np.int32)
        lp.a_matrix_.index_ = np.asarray(indices, np.int32)
        lp.a_matrix_.value_ = values
        self.solver = silent_solver()
        self.solver.passModel(model)
        self.n_column = int(cost.size)
        self.halt = halt

    def fix(self, columns: NDArray[Any], lower: FloatArray, upper: FloatArray) -> None:
        """Set the bounds of columns."""
        index = np.asarray(columns, np.int32)
        self.solver.changeColsBounds(index.size, index, lower, upper)

    def add_rows(
        self, indptr: NDArray[Any], indices: NDArray[Any], values: FloatArray, high: FloatArray
    ) -> None:
        """Add rows ``A x <= high``."""
        low = np.full(high.size, -self._highspy.kHighsInf)
        self.solver.addRows(
            high.size, low, high, values.size, np.asarray(indptr[:-1], np.int32),
            np.asarray(indices, np.int32), values,
        )  # fmt: skip

    def add_columns(
        self, cost: FloatArray, indptr: NDArray[Any], indices: NDArray[Any], values: FloatArray
    ) -> None:
        """Add columns within 0 and 1."""
        n = cost.size
        self.solver.addCols(
            n, cost, np.zeros(n), np.ones(n), values.size, np.asarray(indptr[:-1], np.int32),
            np.asarray(indices, np.int32), values,
        )  # fmt: skip
        self.n_column += n

    def solve(self) -> tuple[FloatArray, FloatArray] | None:
        """Return the columns and the rows' duals; none where no optimum was found."""
        run_until(self.solver, self.halt)
        if self.solver.getModelStatus() != self._highspy.HighsModelStatus.kOptimal:
            return None
        solution = self.solver.getSolution()
        return np.array(solution.col_value), np.array(solution.row_dual)

    def solve_whole(self, n_whole: int, nodes: int) -> FloatArray | None:
        """Return the best columns found with the first `n_whole` of them whole numbers."""
        highspy = self._highspy
        columns = np.arange(n_whole, dtype=np.int32)
        kind = np.full(n_whole, int(highspy.HighsVarType.kInteger), np.uint8)
        self.solver.changeColsIntegrality(n_whole, columns, kind)
        self.solver.setOptionValue("mip_max_nodes", nodes)
        run_until(self.solver, self.halt)
        status = self.solver.getInfo().primal_solution_status
        if status != highspy.kSolutionStatusFeasible:
            return None
        return np.array(self.solver.getSolution().col_value)

    def is_infeasible(self) -> bool:
        """Return whether the last solve proved that nothing meets the rows."""
        return bool(self.solver.getModelStatus() == self._highspy.HighsModelStatus.kInfeasible)
