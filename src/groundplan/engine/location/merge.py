"""Plans merged exactly: the best plan that uses only the sites of several good ones.

Annealed plans share most of their sites, and where they differ they differ in patches; the best
choice of every patch together is a small integer program (cf. construct, merge, solve and adapt:
Blum et al. 2016, doi 10.1016/j.cor.2015.10.014; tour merging: Cook and Seymour 2003,
doi 10.1287/ijoc.15.3.233.16078). Rows that all free sites cover alike are one row in it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.coverage import turn
from groundplan.engine.location.exact import solve_exactly
from groundplan.engine.location.program import Program

__all__ = ["merge_plans", "restrict"]

BoolArray = NDArray[np.bool_]
#: Free sites of one integer program, and nodes it may search; both end long searches by counts.
FREE_MAX, NODES = 200, 200


def restrict(program: Program, free: NDArray[np.int32], kept: BoolArray) -> Program:
    """Return the program of the sites `free` where the sites `kept` are chosen already.

    Rows that the kept sites cover leave; rows that the same free sites cover are merged. Two lists
    that hash alike by chance would be merged too: a plan found here is valued on the whole program.
    """
    row = np.repeat(np.arange(program.n_row, dtype=np.int32), np.diff(program.row_indptr))
    covered = np.zeros(program.n_row, bool)
    covered[row[kept[program.row_indices]]] = True
    local = np.full(program.n_site, -1, np.int32)
    local[free] = np.arange(free.size, dtype=np.int32)
    mine = local[program.row_indices]
    pair = np.flatnonzero((mine >= 0) & ~covered[row])
    row, mine = row[pair], mine[pair]
    key = np.random.Generator(np.random.Philox(key=1)).integers(
        0, 2**63, free.size, dtype=np.uint64
    )
    sums = np.zeros(program.n_row, np.uint64)
    np.add.at(sums, row, key[mine])
    number, length = np.unique(row, return_counts=True)
    _, first, group = np.unique(sums[number], return_index=True, return_inverse=True)
    weight = np.zeros(first.size, np.int64)
    np.add.at(weight, group, program.weight[number])
    begin = (np.cumsum(length) - length)[first]
    indptr = np.zeros(first.size + 1, np.int64)
    np.cumsum(length[first], out=indptr[1:])
    at = np.arange(int(indptr[-1])) + np.repeat(begin - indptr[:-1], length[first])
    indices = mine[at]
    site_indptr, site_indices = turn(indptr, indices, free.size)
    return replace(
        program,
        row_indptr=indptr,
        row_indices=indices,
        site_indptr=site_indptr,
        site_indices=site_indices,
        weight=weight,
        cost=program.cost[free],
        budget=program.budget - int(program.cost[kept].sum()),
        site=program.site[free],
        row=program.row[number[first]],
        x=program.x[free],
        y=program.y[free],
        band=np.array([0, free.size], np.int64),
    )


def merge_plans(
    program: Program, best: BoolArray, others: list[BoolArray], begin: float
) -> tuple[BoolArray, int]:
    """Return the best plan found among the sites of `best` and `others`, and its free sites.

    Parameters
    ----------
    program : Program
    best : (n_site,) bool
        A plan within the budget.
    others : list of (n_site,) bool
        Further plans.
    begin : float
        In 0..1: where too many sites are free at once, only a stretch of them in the order of the
        program is, and this tells where it begins.
    """
    pool = best.copy()
    for plan in others:
        pool |= plan
    free = np.flatnonzero(pool).astype(np.int32)
    if free.size > FREE_MAX:
        free = np.sort(np.roll(free, -int(begin * free.size))[:FREE_MAX])
    kept = best.copy()
    kept[free] = False
    small = restrict(program, free, kept)
    if small.n_row == 0:
        return best, free.size
    chosen, _bound, _proven = solve_exactly(small, best[free], None, nodes=NODES)
    plan = kept
    plan[free] = chosen
    return plan, free.size
