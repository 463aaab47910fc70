"""Where the budget may reach every row: a plan that covers all is sought as a set covering."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.greedy import fill_greedily
from groundplan.engine.location.program import Program
from groundplan.engine.location.setcover import set_covering

__all__ = ["cover_all"]

#: A greedy cover that costs more than this share beyond the budget leaves no hope: where sites
#: overlap widely greedy covers cost up to half more than good ones.
SLACK = 0.5
#: Rounds of the set covering: it ends with the first cover that the budget pays.
ROUNDS = 2


def cover_all(program: Program, seed: int, halt: Callable[[], bool]) -> NDArray[np.bool_] | None:
    """Return sites within the budget that cover every row, or None where none were found.

    Parameters
    ----------
    program : Program
        Every row is reached by a site.
    halt : callable
        Asked now and then whether to give up.
    """
    n = program.n_site
    chosen, count = np.zeros(n, np.bool_), np.zeros(program.n_row, np.int16)
    even = np.ones(program.n_row, np.int64)
    csr = (program.site_indptr, program.site_indices)
    fill_greedily(*csr, even, program.cost, np.int64(2**62), chosen, count)
    spent = int(program.cost[chosen].sum())
    if spent <= program.budget:
        return chosen
    if spent > (1.0 + SLACK) * program.budget:
        return None
    least = [spent]

    def told(_stage: str, _done: int, _total: int, value: float, _bound: float) -> None:
        least[0] = min(least[0], int(value))

    coverage = Coverage.from_csr(program.row_indptr, program.row_indices, even, n)
    found = set_covering(
        coverage, program.cost, seed=seed, rounds=ROUNDS, progress=told,
        stop=lambda: halt() or least[0] <= program.budget,
    )  # fmt: skip
    plan = np.zeros(n, np.bool_)
    plan[found.sites] = True
    return plan if int(program.cost[plan].sum()) <= program.budget else None
