r"""Sets of rows that need half as many sites as they have rows: cuts for p-centre.

For a set Q of rows, the sum of their inequalities divided by two and rounded up holds for every
whole plan that reaches them,

.. math:: \sum_j \lceil |N(j) \cap Q| / 2 \rceil y_j \ge \lceil |Q| / 2 \rceil ,

and cuts off fractions where Q is odd and few sites reach an odd number of its rows (the cuts of
Gomory and Chvatal with multipliers 0 and one half: Caprara and Fischetti 1996,
doi 10.1007/BF02592196). Three rows of which sites reach any two, and none all three, are the
smallest case. A set says the same at every distance, so the sets found at one are kept for the
next.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from groundplan.engine._jit import jit
from groundplan.engine.location.relaxation import Relaxation
from groundplan.engine.location.setcover_lists import Lists, narrow

__all__ = ["count_halves", "relax", "relax_with_halves"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Halves = list[tuple[int, ...]]
#: Rows of a set, at most, and sets taken in one round, at most.
ROWS_MAX, TAKE = 17, 150
#: Sets of one round that may share a row.
SHARED = 6
#: A set is taken where its cut is missed by more than this, divided by the root of its size.
MISSED = 0.004
#: Rounds of cuts; they end where as many rounds as `LOOK` more would not do at the last pace.
ROUNDS, LOOK = 30, 15
#: Closer to 0 or 1 than this a share counts as whole.
WHOLE = 1e-6


@jit
def _grow(row_indptr, row_indices, site_indptr, site_indices, share, out, size, missed):
    """Grow a set of rows around each row, two rows at a time; keep the one missed by most.

    With all rows tight a cut is missed by half of what the sites that reach an odd number of its
    rows lack to one; so rows are added that make those sites few.
    """
    n = row_indptr.size - 1
    odd = np.zeros(share.size, np.bool_)
    inside = np.zeros(n, np.bool_)
    seen = np.zeros(n, np.bool_)
    near = np.empty(n, np.int64)
    rows = np.empty(out.shape[1], np.int64)
    for first in range(n):
        held = 0
        loss = 0.0
        best = first
        missed[first] = 0.0
        size[first] = 0
        while best >= 0 and held < rows.size:
            rows[held] = best
            inside[best] = True
            held += 1
            for e in range(row_indptr[best], row_indptr[best + 1]):
                j = row_indices[e]
                loss += -share[j] if odd[j] else share[j]
                odd[j] = not odd[j]
            if held % 2 == 1 and held > 1:
                by = 0.5 * (1.0 - loss) / np.sqrt(1.0 + 0.5 * held)
                if by > missed[first] + 1e-9:
                    missed[first] = by
                    size[first] = held
            count = 0
            for a in range(held):
                for e in range(row_indptr[rows[a]], row_indptr[rows[a] + 1]):
                    j = row_indices[e]
                    if odd[j]:
                        for f in range(site_indptr[j], site_indptr[j + 1]):
                            i = site_indices[f]
                            if not seen[i] and not inside[i]:
                                seen[i] = True
                                near[count] = i
                                count += 1
            best = -1
            least = np.inf
            for c in range(count):
                i = near[c]
                seen[i] = False
                change = 0.0
                for e in range(row_indptr[i], row_indptr[i + 1]):
                    j = row_indices[e]
                    change += -share[j] if odd[j] else share[j]
                if change < least - 1e-9:
                    least = change
                    best = i
        for a in range(held):
            i = rows[a]
            inside[i] = False
            out[first, a] = i
            for e in range(row_indptr[i], row_indptr[i + 1]):
                odd[row_indices[e]] = False


def count_halves(lists: Lists, sets: list[IntArray]) -> sparse.csr_matrix:
    """Return for each set and site half of how many of its rows the site reaches, rounded up."""
    length = np.array([s.size for s in sets], np.int64)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])
    rows = np.concatenate([np.zeros(0, np.int64), *sets])
    pick = sparse.csr_matrix((np.ones(rows.size, np.int64), rows, indptr), (len(sets), lists.n_row))
    reach = sparse.csr_matrix(
        (np.ones(lists.row_indices.size, np.int64), lists.row_indices, lists.row_indptr),
        (lists.n_row, lists.n_site),
    )
    found = sparse.csr_matrix(pick @ reach)
    found.sort_indices()
    found.data = (found.data + 1) // 2
    return found


def missed_sets(lists: Lists, share: FloatArray) -> list[IntArray]:
    """Return sets of rows of `lists` whose cuts a fractional plan misses, by most first."""
    row = np.repeat(np.arange(lists.n_row), np.diff(lists.row_indptr))
    served = np.bincount(row, weights=share[lists.row_indices], minlength=lists.n_row)
    tight, used = np.flatnonzero(served < 1.0 + WHOLE), np.flatnonzero(share > WHOLE)
    few = narrow(lists, tight, used)
    out = np.zeros((tight.size, ROWS_MAX), np.int64)
    size, missed = np.zeros(tight.size, np.int64), np.zeros(tight.size)
    # rounded, so that ties do not hang on the last digits of a linear program
    _grow(
        few.row_indptr, few.row_indices, few.site_indptr, few.site_indices,
        np.round(share[used], 9), out, size, missed,
    )  # fmt: skip
    taken: list[IntArray] = []
    known: set[bytes] = set()
    times = np.zeros(lists.n_row, np.int64)
    for k in np.argsort(-np.round(missed, 7), kind="stable"):
        if missed[k] < MISSED or len(taken) >= TAKE:
            break
        rows = np.sort(tight[out[k, : size[k]]])
        if times[rows].max() >= SHARED or rows.tobytes() in known:
            continue
        known.add(rows.tobytes())
        times[rows] += 1
        taken.append(rows)
    return taken


def relax(
    lists: Lists, halves: sparse.csr_matrix | None = None, need: IntArray | None = None
) -> tuple[float, FloatArray, FloatArray, FloatArray] | None:
    """Return the least sum of shares that covers every row, shares, prices of rows and of cuts."""
    program = covering(lists, halves, need)
    solved = program.solve()
    if solved is None:
        return None
    m = lists.n_row
    return float(solved[0].sum()), solved[0], solved[1][:m], np.maximum(-solved[1][m:], 0.0)


def covering(lists: Lists, halves: sparse.csr_matrix | None, need: IntArray | None) -> Relaxation:
    """Return the linear program of a covering problem and of cuts of it."""
    m, n = lists.n_row, lists.n_site
    program = Relaxation(
        np.ones(n), np.zeros(n), np.full(n, np.inf), lists.row_indptr, lists.row_indices,
        np.ones(lists.row_indices.size), np.ones(m), np.full(m, np.inf),
    )  # fmt: skip
    if halves is not None and need is not None and need.size:
        add_halves(program, halves, need)
    return program


def add_halves(program: Relaxation, halves: sparse.csr_matrix, need: IntArray) -> None:
    """Add cuts to a program."""
    program.add_rows(
        halves.indptr, halves.indices, -halves.data.astype(np.float64), -need.astype(np.float64)
    )


def relax_with_halves(
    lists: Lists, sets: list[IntArray], p: int, halt: Callable[[], bool]
) -> tuple[float, FloatArray, FloatArray, list[IntArray], FloatArray] | None:
    """Add cuts to the relaxation while they may lift it above p.

    Parameters
    ----------
    lists : Lists
    sets : list of arrays
        Sets of rows to begin with.
    p : int
    halt : callable
        Polled at each round.

    Returns
    -------
    tuple or None
        Sum of shares, shares, prices of rows, sets with a price, and their prices.
    """
    need = np.array([(s.size + 1) // 2 for s in sets], np.int64)
    program = covering(lists, count_halves(lists, sets), need)
    sets, reached = list(sets), []
    m = lists.n_row
    while True:
        solved = program.solve()
        if solved is None:
            return None
        share, total = solved[0], float(solved[0].sum())
        reached.append(total)
        pace = (total - reached[-4]) / 3.0 if len(reached) > 3 else np.inf
        if total > p + WHOLE or total + LOOK * pace < p or len(reached) > ROUNDS or halt():
            break
        new = missed_sets(lists, share)
        if not new:
            break
        need = np.array([(s.size + 1) // 2 for s in new], np.int64)
        add_halves(program, count_halves(lists, new), need)
        sets += new
    price = np.maximum(-solved[1][m:], 0.0)
    used = np.flatnonzero(price > WHOLE)
    return total, share, solved[1][:m], [sets[k] for k in used], price[used]
