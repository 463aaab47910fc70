"""What is known while a p-centre is sought: rows, plans, distances refused and the proofs."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.center_halves import relax_with_halves
from groundplan.engine.location.center_rows import Near, Rows, nearest
from groundplan.engine.location.center_tree import (
    Leaf,
    Node,
    Pairs,
    Proof,
    search_pairs,
)
from groundplan.engine.location.center_walk import walk
from groundplan.engine.location.check_center import between
from groundplan.engine.location.dual import start_dual, step_dual
from groundplan.engine.location.program import plain_program

__all__ = ["Search"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Rows looked at first, for each site to be chosen, and at least.
PER_SITE, ROWS_MIN = 20, 200
#: Times that a plan may name rows which it leaves out, for each distance.
TURNS = 30
#: Up to this many pairs of rows and sites a linear program is solved, above steps are taken.
PAIRS_MAX = 60_000
#: Pairs of rows and sites that the programs of one tree hold together, for each node allowed.
WORK_A_NODE = 60_000
#: Plans that walks begin from where the best one leads nowhere, and the pairs of rows and sites
#: above which there are fewer.
STARTS, STARTS_PAIRS = 12, 200_000
#: Cuts are sought where the relaxation falls short of p by less than this share.
SHORT = 0.08
#: Distances held at once, and sites marked between two looks at the clock.
AT_ONCE, MARKS_A_LOOK = 4_000_000, 20


class Search:
    """State of one solve: the best plan, the distance that is excluded, and its proof."""

    def __init__(
        self,
        cost: AssignmentCost,
        candidate: BoolArray,
        old: BoolArray,
        p: int,
        seed: int,
        halt: Callable[[], bool],
    ) -> None:
        self.cost, self.p, self.seed, self.halt = cost, p, seed, halt
        self.rows = Rows(cost, candidate, old)
        self.best, self.worst = self.start()
        self.rows.add(self.worst)
        self.far, _ = nearest(cost, self.best, self.rows.held)
        self.value = float(self.far.max(initial=0.0))
        self.bound = 0.0
        none = np.zeros(0, np.int64)
        self.proof = Proof([Leaf({}, none, none, none, none, none, none)])
        #: Walks so far, and pairs of rows and sites of the last one.
        self.walks, self.pairs = 0, 0
        #: Sets of rows whose cuts had a price at the last distance.
        self.halves: list[tuple[int, ...]] = []
        #: Distinct sites and their shares in the last fractional plan.
        self.share = (none, np.zeros(0))

    def start(self) -> tuple[IntArray, IntArray]:
        """Return a plan of sites found one by one, and the rows that were furthest each time.

        The site nearest to the row that is furthest is added (Gonzalez 1985,
        doi 10.1016/0304-3975(85)90224-5), beyond p for the sake of the rows. Rows come in the order
        in which they were found; where time is over few are enough.
        """
        cost, number = self.cost, self.rows.number
        far = self.rows.held.copy()
        taken, seen = np.zeros(number.size, np.bool_), np.zeros(cost.n_row, np.bool_)
        chosen: list[int] = []
        worst: list[int] = []
        most = min(number.size, max(ROWS_MIN, PER_SITE * self.p))
        for _ in range(most if far.size else 0):
            row = int(far.argmax())
            if len(chosen) >= self.p and far[row] <= 0.0:
                break
            if len(chosen) >= ROWS_MIN and self.halt():
                break
            worst.append(row)
            seen[row] = True
            away = between(cost, np.array([row]), number)[0].astype(np.float64)
            away[taken] = np.inf
            at = int(away.argmin())
            taken[at] = True
            chosen.append(int(number[at]))
            far = np.minimum(far, cost.block(0, cost.n_row, number[at : at + 1])[:, 0])
            far[seen] = 0.0
        return np.array(chosen[: self.p], np.int64), np.array(worst, np.int64)

    def take(self, plan: IntArray, limit: float) -> bool:
        """Keep a plan where it is the best; add rows it leaves out; return if there are none."""
        far, which = nearest(self.cost, plan, self.rows.held)
        value = float(far.max(initial=0.0))
        if value < self.value:
            self.value, self.best, self.far = value, plan, far
        out = np.flatnonzero(far > limit)
        if not out.size:
            return True
        # of each site the row it serves furthest away
        order = out[np.lexsort((out, -far[out]))]
        _, first = np.unique(which[order], return_index=True)
        self.rows.add(order[first])
        return False

    def cover(self, limit: float, moves: int, halt: Callable[[], bool], starts: int = 1) -> bool:
        """Look for p sites that reach every row within `limit`, from the best plan and others.

        Whether a walk arrives hangs more on where it begins than on how long it is.
        """
        plan = self.best
        for start in range(starts):
            if start:
                draw = np.random.Generator(np.random.Philox(key=[self.seed, 2**32 + self.walks]))
                few = min(self.p, self.rows.number.size)
                plan = np.sort(draw.choice(self.rows.number, few, replace=False))
                if start % 2:
                    # half of the best plan stays
                    plan[: few // 2] = draw.choice(self.best, min(few // 2, self.best.size), False)
                    plan = np.unique(plan)
            if self.cover_from(plan, limit, moves, halt):
                return True
            most = STARTS * STARTS_PAIRS // max(1, self.pairs)
            if halt() or start >= most:
                return False
        return False

    def cover_from(
        self, plan: IntArray, limit: float, moves: int, halt: Callable[[], bool]
    ) -> bool:
        """Look for p sites that reach every row within `limit`, beginning with a plan."""
        for _ in range(TURNS):
            near = self.rows.within(limit)
            node = Pairs(near, self.p).node({})
            if node.lost >= 0 or halt():
                return False
            chosen = self.mark(near, node, plan)
            self.walks += 1
            draw = np.random.Generator(np.random.Philox(key=[self.seed, self.walks]))
            lists = node.lists
            self.pairs = lists.row_indices.size
            left = walk(
                lists.row_indptr, lists.row_indices, lists.site_indptr, lists.site_indices,
                chosen, moves, draw.integers(1, 2**63, dtype=np.uint64),
            )  # fmt: skip
            if left:
                return False
            plan = near.site[node.site[chosen]]
            if self.take(plan, limit):
                return True
        return False

    def mark(self, near: Near, node: Node, plan: IntArray) -> BoolArray:
        """Return a plan on the sites of a node: those of `plan` left there, and greedy ones."""
        lists = node.lists
        place = np.full(near.site.size + 1, -1, np.int64)
        place[node.site] = np.arange(node.site.size)
        at = place[near.of[np.searchsorted(self.rows.number, plan)]]
        chosen = np.zeros(node.site.size, np.bool_)
        chosen[at[at >= 0]] = True
        row = np.repeat(np.arange(lists.n_row), np.diff(lists.row_indptr))
        open_pair = ~np.isin(row, row[chosen[lists.row_indices]])
        for turn in range(min(self.p, chosen.size) - int(chosen.sum())):
            if turn % MARKS_A_LOOK == 0 and self.halt():
                break
            gain = np.bincount(lists.row_indices[open_pair], minlength=chosen.size)
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen[best] = True
            mine = lists.site_indices[lists.site_indptr[best] : lists.site_indptr[best + 1]]
            open_pair &= ~np.isin(row, mine)
        return chosen

    def refuse(self, near: Near, steps: int, halt: Callable[[], bool] | None = None) -> bool:
        """Look for prices that say no, with cuts where `halt` is given; keep them as the proof."""
        search, lists, p = Pairs(near, self.p), near.lists, self.p
        self.share = (near.site, np.zeros(near.site.size))
        if not near.row.size:
            return False
        node = search.node({})
        if node.lost >= 0 or p == 0:
            leaf = search.priced({}, np.array([max(0, node.lost)]), np.ones(1))
        elif node.lists.row_indices.size <= PAIRS_MAX:
            solved = search.relax(node)
            if solved is None:
                return False
            leaf = search.priced({}, node.row, solved[2])
            self.share[1][node.site] = solved[1]
            if halt is not None and p * (1.0 - SHORT) < solved[0] <= p:
                return self.cut(near, halt)
        else:
            lists, n = node.lists, node.lists.n_row
            program = plain_program(
                lists.row_indptr, lists.row_indices, np.ones(n, np.int64),
                np.ones(lists.n_site, np.int64), p,
            )  # fmt: skip
            weight = np.ones(n, np.float32)
            state = start_dual(program, weight)
            sure = n * (1.0 - 1e-7)
            step_dual(
                program, weight, state, steps, 1e-6,
                lambda s: s.bound < sure - 1e-3 or s.fractional > sure or self.halt(),
            )  # fmt: skip
            leaf = search.priced({}, node.row, state.best_u.astype(np.float64))
            self.share[1][node.site] = state.best_y
        if search.excess(leaf) <= 0:
            return False
        self.prove(Proof([leaf]), near)
        return True

    def refuse_apart(self) -> bool:
        """Refuse the largest distance within which no site reaches two of p + 1 rows far apart."""
        row = self.worst[: self.p + 1]
        if row.size <= self.p:
            return False
        number = self.rows.number
        two = np.full((2, number.size), np.inf)
        step = max(1, AT_ONCE // max(1, number.size))
        for a in range(0, row.size, step):
            found = np.concatenate([two, between(self.cost, row[a : a + step], number)])
            two = np.partition(found, 1, axis=0)[:2]
        least = min(float(two[1].min(initial=np.inf)), float(self.rows.held[row].min()))
        limit = float(np.nextafter(least, 0.0))
        few = copy(self.rows)
        few.row, few.memo = np.sort(row), None
        near = few.within(limit)
        search = Pairs(near, self.p)
        leaf = search.priced({}, np.arange(near.row.size), np.ones(near.row.size))
        if search.excess(leaf) <= 0:
            return False
        self.prove(Proof([leaf]), near)
        return True

    def cut(self, near: Near, halt: Callable[[], bool]) -> bool:
        """Look for prices of rows and of cuts that say no; keep them as the proof."""
        search = Pairs(near, self.p, self.halves)
        node = search.node({})
        place = np.full(near.row.size + 1, -1, np.int64)
        place[node.row] = np.arange(node.row.size)
        known = [place[search.local(rows)] for rows in search.halves]
        solved = relax_with_halves(node.lists, known, self.p, halt)
        if solved is None:
            return False
        total, self.share[1][node.site], price, sets, due = solved
        self.halves = [tuple(sorted(int(i) for i in near.row[node.row[s]])) for s in sets]
        if total <= self.p:
            return False
        search = Pairs(near, self.p, self.halves)
        leaf = search.priced({}, node.row, price, due)
        if search.excess(leaf) <= 0:
            return False
        self.prove(Proof([leaf], halves=search.halves), near)
        return True

    def prove(self, proof: Proof, near: Near) -> None:
        """Keep a proof and the distance that it excludes everything below of."""
        found = min(near.beyond, self.value)
        if found > self.bound:
            self.bound, self.proof = found, proof

    def more_rows(self, limit: float, count: int) -> int:
        """Add rows that the last fractional plan leaves out; returns how many were added."""
        sites, share = self.share
        used = share > 1e-3
        sites, share = sites[used], share[used]
        step = max(1, 2_000_000 // max(1, sites.size))
        n = self.cost.n_row
        served = np.ones(n)
        for a in range(0, n, step):
            b = min(a + step, n)
            served[a:b] = np.round((self.cost.block(a, b, sites) <= limit) @ share, 6)
        served[self.rows.held <= limit] = 1.0
        served[self.rows.row] = 1.0
        worst = np.argsort(served, kind="stable")[:count]
        return self.rows.add(worst[served[worst] < 0.95])

    def ask(
        self,
        limit: float,
        moves: int,
        steps: int,
        nodes: int,
        halt: Callable[[], bool],
        *,
        starts: int = 1,
        cuts: bool = False,
    ) -> bool | None:
        """Return whether p sites reach every row within `limit`, none where it was not decided."""
        cutting = halt if cuts else None

        def accept(plan: IntArray) -> Near | None:
            return None if self.take(plan, limit) else self.rows.within(limit)

        if self.refuse(self.rows.within(limit), steps, cutting):
            return False
        if moves and self.cover(limit, moves, halt, starts):
            return True
        if halt():
            return None
        added = self.more_rows(limit, 10 * self.p)
        if (moves or added) and self.refuse(self.rows.within(limit), steps, cutting):
            return False
        if not nodes:
            return None
        proof, found = search_pairs(
            self.rows.within(limit), self.p, accept, halves=self.halves, nodes=nodes,
            work=nodes * WORK_A_NODE, halt=halt,
        )  # fmt: skip
        if proof is None:
            return True if found else None
        # rows may have been added on the way
        self.prove(proof, self.rows.within(limit))
        return False
