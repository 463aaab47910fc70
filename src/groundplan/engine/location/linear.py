r"""The linear relaxation of maximal covering solved to its end by HiGHS, and the prices it gives.

Steps of the bound (`dual`) come near the relaxation at any size. Where candidates overlap widely,
what they leave, a thousandth of the bound, may be a seventh of all that a proof has to rule out,
and the work of a sweep grows exponentially with that. An interior point method without a corner
ends within a second at the size of New York, with prices in the middle of the optimal ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.dual import bound_at
from groundplan.engine.location.program import Program
from groundplan.engine.location.relaxation import Relaxation

if TYPE_CHECKING:
    from groundplan.engine.location.run import Run

__all__ = ["PAIRS_MAX", "solve_linear", "take_exact_prices"]

FloatArray = NDArray[np.float64]
#: Pairs of row and site up to which the relaxation is solved to its end: half a second at 80,000,
#: where 800,000 take 10 to 25 and 2,400 steps of the bound come within 0.05 % in 4.
PAIRS_MAX = 200_000


def solve_linear(program: Program, halt: Callable[[], bool]) -> tuple[FloatArray, float] | None:
    """Return the prices of the rows and of the budget; none where no optimum was found.

    Parameters
    ----------
    program : Program
    halt : callable
        Asked now and then whether to give up.

    Returns
    -------
    (price, unit)
        Of the rows, (n_row,) float64 in units of weight within 0 and the weight; of one unit of the
        budget, >= 0.
    """
    n, m = program.n_site, program.n_row
    length = np.diff(program.row_indptr)
    # min w u, sum of y over the sites of a row + u >= 1, f y <= budget
    at = program.row_indptr[:-1] + np.arange(m)
    is_site = np.ones(program.row_indices.size + m, bool)
    is_site[at + length] = False
    index = np.empty(is_site.size + n, np.int32)
    index[: is_site.size][is_site] = program.row_indices
    index[at + length] = n + np.arange(m)
    index[is_site.size :] = np.arange(n)
    entry = np.ones(index.size)
    entry[is_site.size :] = -program.cost
    relaxation = Relaxation(
        np.concatenate([np.zeros(n), program.weight]), np.zeros(n + m), np.ones(n + m),
        np.concatenate([at, [is_site.size, index.size]]), index, entry,
        np.concatenate([np.ones(m), [-float(program.budget)]]), np.full(m + 1, np.inf), halt,
    )  # fmt: skip
    # no corner of the optimal face is asked for
    relaxation.solver.setOptionValue("solver", "ipm")
    relaxation.solver.setOptionValue("run_crossover", "off")
    solved = relaxation.solve()
    if solved is None and not halt():
        # without a corner the method now and then ends short of its tolerance
        relaxation.solver.setOptionValue("solver", "simplex")
        solved = relaxation.solve()
    if solved is None:
        return None
    return np.clip(solved[1][:m], 0.0, program.weight), max(0.0, float(solved[1][m]))


def take_exact_prices(run: Run) -> None:
    """Prove with the prices of the relaxation, where it is small and they bound tighter.

    Parameters
    ----------
    run : Run
        One that may choose within a budget alone.
    """
    program, dual = run.search.program, run.dual
    if program.site_indices.size > PAIRS_MAX or run.choice is not None:
        return
    found = solve_linear(program, run.halt)
    if found is None:
        return
    # rows without weight pay nothing
    u = (found[0] / np.maximum(program.weight, 1)).astype(np.float32)
    bound, mu = bound_at(program, u, run.weight, np.empty_like(u))
    run.log["linear"] = run.base + bound
    if bound < dual.bound:
        dual.best_u, dual.bound, dual.mu = u, bound, mu
        dual.settle()
        run.set_prices()
