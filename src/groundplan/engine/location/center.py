r"""p-centre: at most p sites so that the largest distance to the nearest site is least.

The radius is one of the distances, so the search halves an interval of distances and asks whether p
sites cover every row within one (Minieka 1970, doi 10.1137/1012016). "Yes" is a plan, found by a
walk over plans of exactly p sites whose uncovered rows gain weight (Gao, Weise and Li 2015, EJOR
246:750, for set covering). "No" is proven by prices of the rows: if they add up to more than any p
sites earn, no p sites cover. The prices come from primal-dual steps, and where the
relaxation cannot tell, from branching on sites with a linear program a node.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_center import leaf_excess, masks, radius
from groundplan.engine.location.coverage import transpose
from groundplan.engine.location.dual import start_dual, step_dual
from groundplan.engine.location.program import plain_program
from groundplan.engine.location.relaxation import Relaxation
from groundplan.engine.location.tree import CLOSED, FREE, OPEN, Tree, branch
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["p_center"]

BoolArray = NDArray[np.bool_]
#: Prices are whole multiples of 1 / this.
DENOMINATOR = 2**20
#: Up to this many pairs within the radius, linear programs are solved and branched on.
PAIRS_MAX = 150_000
#: Distances tried for the bound alone, once no better plan is found.
PROOFS = 6
#: Distances held at once.
AT_ONCE = 4_000_000


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


@jit
def _next(state):
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@jit
def walk(row_indptr, row_indices, site_indptr, site_indices, fixed, usable, chosen, moves, seed):
    """Exchange sites of a plan of fixed size until every row is covered; returns uncovered rows.

    The site whose loss weighs least leaves, one that covers a random uncovered row enters, and
    rows that stay uncovered gain weight, so that the walk does not circle.
    """
    n = row_indptr.size - 1
    m = site_indptr.size - 1
    weight = np.ones(n, np.int64)
    count = np.zeros(n, np.int32)
    score = np.zeros(m, np.int64)
    stamp = np.zeros(m, np.int64)
    open_row = np.empty(n, np.int64)
    where = np.full(n, -1, np.int64)
    opened = np.empty(m, np.int64)
    n_open = 0
    left = 0
    for j in range(m):
        if chosen[j] or fixed[j]:
            for q in range(site_indptr[j], site_indptr[j + 1]):
                count[site_indices[q]] += 1
        if chosen[j]:
            opened[n_open] = j
            n_open += 1
    for i in range(n):
        if count[i] == 0:
            open_row[left] = i
            where[i] = left
            left += 1
    # score: weight lost by closing an open site, gained by opening a closed one
    for i in range(n):
        if count[i] <= 1:
            for q in range(row_indptr[i], row_indptr[i + 1]):
                j = row_indices[q]
                if count[i] == 0 or chosen[j]:
                    score[j] += 1
    state = seed
    for move in range(1, moves + 1):
        if left == 0 or n_open == 0:
            break
        out = 0
        for e in range(1, n_open):
            a = opened[e]
            b = opened[out]
            if score[a] < score[b] or (score[a] == score[b] and stamp[a] < stamp[b]):
                out = e
        for turn in range(2):
            if turn == 0:
                j = opened[out]
                by = -1
            else:
                state = _next(state)
                i = open_row[np.int64(state % np.uint64(left))]
                j = -1
                for q in range(row_indptr[i], row_indptr[i + 1]):
                    k = row_indices[q]
                    if (
                        usable[k]
                        and not chosen[k]
                        and stamp[k] != move
                        and (
                            j < 0
                            or score[k] > score[j]
                            or (score[k] == score[j] and stamp[k] < stamp[j])
                        )
                    ):
                        j = k
                if j < 0:
                    j = opened[out]
                by = 1
            chosen[j] = by > 0
            stamp[j] = move
            if by > 0:
                opened[out] = j
            for q in range(site_indptr[j], site_indptr[j + 1]):
                i = site_indices[q]
                count[i] += by
                if by > 0 and count[i] == 1:
                    # covered now: others gain nothing here, j alone holds it
                    for t in range(row_indptr[i], row_indptr[i + 1]):
                        if row_indices[t] != j:
                            score[row_indices[t]] -= weight[i]
                    left -= 1
                    last = open_row[left]
                    open_row[where[i]] = last
                    where[last] = where[i]
                    where[i] = -1
                elif by > 0 and count[i] == 2:
                    for t in range(row_indptr[i], row_indptr[i + 1]):
                        k = row_indices[t]
                        if k != j and chosen[k]:
                            score[k] -= weight[i]
                    score[j] -= weight[i]
                elif by > 0:
                    score[j] -= weight[i]
                elif count[i] == 0:
                    for t in range(row_indptr[i], row_indptr[i + 1]):
                        if row_indices[t] != j:
                            score[row_indices[t]] += weight[i]
                    open_row[left] = i
                    where[i] = left
                    left += 1
                elif count[i] == 1:
                    for t in range(row_indptr[i], row_indptr[i + 1]):
                        k = row_indices[t]
                        if k != j and chosen[k]:
                            score[k] += weight[i]
            if by > 0:
                # recount what closing j would lose: only rows it alone covers
                total = 0
                for q in range(site_indptr[j], site_indptr[j + 1]):
                    if count[site_indices[q]] == 1:
                        total += weight[site_indices[q]]
                score[j] = total
            else:
                total = 0
                for q in range(site_indptr[j], site_indptr[j + 1]):
                    if count[site_indices[q]] == 0:
                        total += weight[site_indices[q]]
                score[j] = total
        for e in range(left):
            i = open_row[e]
            weight[i] += 1
            for q in range(row_indptr[i], row_indptr[i + 1]):
                score[row_indices[q]] += 1
    return left


class Question:
    """Do p sites cover every row within a distance? A plan, prices that say no, or neither."""

    def __init__(
        self, cost: AssignmentCost, candidate: BoolArray, old: BoolArray, p: int, limit: float
    ) -> None:
        self.candidate, self.old, self.p = candidate, old, p
        n, m = cost.n_row, cost.n_site
        usable = candidate | old
        parts, counts = [], []
        step = max(1, AT_ONCE // max(1, m))
        self.beyond = np.inf
        for a in range(0, n, step):
            block = cost.block(a, min(a + step, n))
            near = (block <= limit) & usable
            parts.append(np.nonzero(near)[1].astype(np.int32))
            counts.append(near.sum(axis=1))
            further = block[(block > limit) & usable]
            if further.size:
                self.beyond = min(self.beyond, float(further.min()))
        self.indices = np.concatenate(parts)
        self.indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
        self.site_indptr = np.zeros(m + 1, np.int64)
        np.cumsum(np.bincount(self.indices, minlength=m), out=self.site_indptr[1:])
        self.site_indices = np.empty(self.indices.size, np.int32)
        transpose(self.indptr, self.indices, self.site_indptr[:-1].copy(), self.site_indices)
        self.root = np.where(candidate, FREE, np.where(old, OPEN, CLOSED)).astype(np.int8)

    def plan(self, start: BoolArray, moves: int, seed: int) -> BoolArray | None:
        """Return p sites that cover every row, if the walk finds them."""
        chosen = start.copy()
        draw = np.random.Generator(np.random.Philox(key=[seed, 3]))
        left = walk(
            self.indptr, self.indices, self.site_indptr, self.site_indices, self.old,
            self.candidate, chosen, moves, draw.integers(1, 2**63, dtype=np.uint64),
        )  # fmt: skip
        return chosen if left == 0 else None

    def score(self, fix: NDArray[np.int8], prices: dict[str, NDArray[np.int64]]) -> int:
        """Return by how much prices exceed what any plan of a leaf earns, by the check's sum."""
        row = prices["row"]
        total = np.zeros(self.indices.size + 1, np.int64)
        np.cumsum(row[self.site_indices], out=total[1:])
        earned = total[self.site_indptr[1:]] - total[self.site_indptr[:-1]]
        return leaf_excess(int(row.sum()), earned, fix, self.candidate, self.old, self.p)

    def alone(self) -> dict[str, NDArray[np.int64]] | None:
        """Return the price that rows without any site need, if there is such a row."""
        empty = np.flatnonzero(np.diff(self.indptr) == 0)
        if not empty.size:
            return None
        row = np.zeros(self.indptr.size - 1, np.int64)
        row[empty[0]] = DENOMINATOR
        return {"row": row}

    def priced(self, steps: int) -> dict[str, NDArray[np.int64]]:
        """Return prices by primal-dual steps on the rows that no existing site covers."""
        n, m = self.indptr.size - 1, self.candidate.size
        row = np.repeat(np.arange(n), np.diff(self.indptr))
        held = np.zeros(n, bool)
        held[row[self.old[self.indices]]] = True
        keep = ~held[row] & self.candidate[self.indices]
        rows = np.flatnonzero(~held)
        local = np.full(n, -1)
        local[rows] = np.arange(rows.size)
        indptr = np.zeros(rows.size + 1, np.int64)
        np.cumsum(np.bincount(local[row[keep]], minlength=rows.size), out=indptr[1:])
        indices = self.indices[keep]
        ones = np.ones(rows.size, np.int64)
        program = plain_program(indptr, indices, ones, np.ones(m, np.int64), self.p)
        price = np.zeros(n, np.int64)
        if rows.size and self.p > 0:
            weight = np.ones(rows.size, np.float32)
            state = start_dual(program, weight)
            sure = rows.size * (1.0 - 1e-7)
            step_dual(
                program, weight, state, steps, 1e-6,
                lambda s: s.bound < sure - 1e-3 or s.fractional > sure,
            )  # fmt: skip
            price[rows] = np.rint(state.best_u.astype(np.float64) * DENOMINATOR).astype(np.int64)
        else:
            price[rows] = 1
        return {"row": price}

    def branched(
        self, first: dict[str, NDArray[np.int64]], nodes: int, halt: Callable[[], bool]
    ) -> tuple[Tree | None, BoolArray | None]:
        """Return leaves that say no, or a plan, or neither."""
        n, m = self.indptr.size - 1, self.candidate.size
        indptr = np.concatenate([self.indptr + np.arange(n + 1), [0]])
        indptr[-1] = indptr[-2] + m
        indices = np.empty(int(indptr[-1]), np.int64)
        values = np.ones(indices.size)
        at = np.ones(int(indptr[-2]), bool)
        at[indptr[1:-1] - 1] = False
        indices[: at.size][at] = self.indices
        indices[: at.size][~at] = m + np.arange(n)
        indices[at.size :] = np.arange(m)
        values[at.size :] = self.candidate
        program = Relaxation(
            np.concatenate([np.zeros(m), np.ones(n)]), np.zeros(m + n), np.ones(m + n),
            indptr, indices, values, np.concatenate([np.ones(n), [-np.inf]]),
            np.concatenate([np.full(n, np.inf), [float(self.p)]]),
        )  # fmt: skip
        plans: list[BoolArray] = []

        def price(fix: NDArray[np.int8]) -> tuple[Any, Any]:
            opened = self.old | (self.candidate & (fix == OPEN))
            maybe = opened | (self.candidate & (fix == FREE))
            program.fix(np.arange(m), opened.astype(float), maybe.astype(float))
            solved = program.solve()
            if solved is None:
                return None, None
            share = solved[0][:m]
            plan = (share > 0.5) & self.candidate
            covered = np.zeros(n, bool)
            row = np.repeat(np.arange(n), np.diff(self.indptr))
            covered[row[(plan | self.old)[self.indices]]] = True
            if covered.all() and int(plan.sum()) <= self.p:
                plans.append(plan)
            row_price = np.rint(np.maximum(solved[1][:n], 0.0) * DENOMINATOR).astype(np.int64)
            return {"row": row_price}, share

        tree = branch(
            self.root, first, price, self.score, lambda: 1, nodes=nodes,
            halt=lambda: bool(plans) or halt(),
        )  # fmt: skip
        if plans:
            return None, plans[-1]
        return (tree, None) if tree.bound >= 1 else (None, None)


def first_plan(
    cost: AssignmentCost, candidate: BoolArray, old: BoolArray, p: int
) -> NDArray[np.int64]:
    """Return sites found one by one: the usable site nearest to the row that is furthest."""
    n = cost.n_row
    rows = np.arange(n)
    far = np.full(n, np.inf)
    for j in np.flatnonzero(old):
        far = np.minimum(far, cost.pairs(rows, np.full(n, j)))
    number = np.flatnonzero(candidate)
    chosen: list[int] = []
    for _ in range(min(p, number.size)):
        worst = int(far.argmax())
        away = cost.pairs(np.full(number.size, worst), number).astype(np.float64)
        away[np.isin(number, chosen)] = np.inf
        chosen.append(int(number[away.argmin()]))
        far = np.minimum(far, cost.pairs(rows, np.full(n, chosen[-1])))
    return np.array(sorted(chosen), np.int64)


def p_center(
    cost: AssignmentCost,
    p: int,
    *,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    moves: int = 20_000,
    steps: int = 1_000,
    nodes: int = 500,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose at most p sites so that the largest distance to the nearest site is least.

    Parameters
    ----------
    cost : AssignmentCost
        Distances; the weights of the rows do not count.
    p : int
        How many sites to add.
    existing, forbidden : (n_site,) bool, optional
        Sites that stand already, and sites that may not be chosen.
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine; without it the answer depends on the seed alone.
    seed : int
    moves, steps, nodes : int
        Most exchanges of a walk, steps of the bound and branchings, for each distance tried.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled at each distance; true returns the best plan so far.

    Returns
    -------
    Decision
        `bound` is a distance: no plan reaches every row within less.

    Raises
    ------
    ValueError, InfeasibleError
    """
    candidate, old = masks(cost.n_site, existing, forbidden)
    if candidate.shape != (cost.n_site,) or p < 0:
        raise ValueError(f"p must be >= 0 and masks of shape ({cost.n_site},). Got p = {p}")
    if not old.any() and (p == 0 or not candidate.any()):
        raise InfeasibleError("no site may stand", [f"p = {p}", "no existing site"])
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s

    def halt() -> bool:
        return stop() or (ends_at is not None and time.monotonic() > ends_at)

    best = first_plan(cost, candidate, old, p)
    stand = np.flatnonzero(old)
    value, _ = radius(cost, np.union1d(best, stand))
    root = np.where(candidate, FREE, np.where(old, OPEN, CLOSED)).astype(np.int8)
    proof = Tree([root], [{"row": np.zeros(cost.n_row, np.int64)}], 0, 0)
    bound, asked = 0.0, 0
    # below `low` no plan is known; distances from `unknown` on were answered neither way
    low, unknown, more = 0.0, np.inf, PROOFS
    while value - bound > gap * value and not halt():
        if low < value:
            limit = 0.5 * (low + value)
        elif more > 0 and bound < unknown < np.inf:
            limit, more = 0.5 * (bound + unknown), more - 1
        else:
            break
        question = Question(cost, candidate, old, p, min(limit, float(np.nextafter(value, 0.0))))
        asked += 1
        start = np.zeros(cost.n_site, bool)
        start[best] = True
        prices = question.alone()
        plan = None if prices or low >= value else question.plan(start, moves, seed)
        tree: Tree | None = None
        if plan is None:
            prices = prices or question.priced(steps)
            if question.score(question.root, prices) >= 1:
                tree = Tree([question.root], [prices], 1, 0)
            elif question.indices.size <= PAIRS_MAX:
                tree, plan = question.branched(prices, nodes, halt)
        if plan is not None:
            best = np.flatnonzero(plan)
            value, _ = radius(cost, np.union1d(best, stand))
        elif tree is not None:
            bound, proof = min(question.beyond, value), tree
            low = max(low, bound)
            unknown = unknown if unknown > bound else np.inf
        else:
            unknown = min(unknown, limit)
            low = max(low, question.beyond)
        progress("halve", asked, 0, value, bound)
    return certify(cost, best, old, p, proof, bound, value, gap, {"seed": seed, "asked": asked})


def certify(
    cost: AssignmentCost,
    best: NDArray[np.int64],
    old: BoolArray,
    p: int,
    proof: Tree,
    bound: float,
    value: float,
    gap: float,
    log: dict[str, Any],
) -> Decision:
    """Return the decision with the prices that exclude every smaller radius."""
    _, assignment = radius(cost, np.union1d(best, np.flatnonzero(old)))
    sites = best.astype(np.int32)
    prices = proof.arrays() | {"distance": np.array([bound])}
    certificate = Certificate(
        "p_center", {"p": int(p)}, cost.input_hash, DENOMINATOR, prices, value, 0
    )
    relative = (value - bound) / value if value else 0.0
    status = "optimal" if bound == value else "feasible" if relative <= gap else "stopped"
    return Decision(
        sites, value, bound, relative, status, seal(certificate, sites, assignment),
        sense="min", assignment=assignment, log=log,
    )  # fmt: skip
