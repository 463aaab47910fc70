r"""p-centre: at most p sites so that the largest distance to the nearest site is least.

The radius is one of the distances, so the search halves an interval of distances and asks whether p
sites reach every row within one (Minieka 1970, doi 10.1137/1012016). It looks at few rows and adds
those that a plan leaves out (`center_rows`). "Yes" is a plan, found by a walk over plans of exactly
p sites whose rows left out gain weight (`center_walk`). "No" is proven by prices of the rows: if
they add up to more than any p sites earn, no p sites reach them. The prices come from a linear
program, from primal-dual steps where that is large, and from a search over pairs of rows where the
relaxation cannot tell (`center_tree`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.center_rows import Near, Rows, nearest
from groundplan.engine.location.center_tree import (
    DENOMINATOR,
    Leaf,
    Node,
    Pairs,
    Proof,
    relax,
    search_pairs,
)
from groundplan.engine.location.center_walk import walk
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_center import between, masks, radius
from groundplan.engine.location.dual import start_dual, step_dual
from groundplan.engine.location.program import plain_program
from groundplan.engine.location.request import check_limits
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["p_center"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Rows looked at first, for each site to be chosen, and at least.
PER_SITE, ROWS_MIN = 20, 200
#: Times that a plan may name rows which it leaves out, for each distance.
TURNS = 30
#: Share of the distance below which an interval of distances is not halved before trees are tried,
#: and before plans are sought.
FINE, COARSE = 0.002, 0.05
#: Nodes of the first trees; each round of trees may take `DEEPER` times as many.
FIRST_NODES, DEEPER = 120, 3
#: Up to this many pairs of rows and sites a linear program is solved, above steps are taken.
PAIRS_MAX = 60_000
#: Pairs of rows and sites that the programs of one tree hold together, for each node allowed.
WORK_A_NODE = 60_000
#: Relative distance between value and bound below which the tree is asked about the value itself.
LAST = 0.01
#: The walk tries this share below the best distance before a round of trees.
TRY = 0.004


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


class Search:
    """State of one solve: the best plan, the distance that is excluded, and its proof."""

    def __init__(
        self, cost: AssignmentCost, candidate: BoolArray, old: BoolArray, p: int, seed: int
    ) -> None:
        self.cost, self.p, self.seed = cost, p, seed
        self.rows = Rows(cost, candidate, old)
        self.best, first = self.start()
        self.rows.add(first)
        self.far, _ = nearest(cost, self.best, self.rows.held)
        self.value = float(self.far.max(initial=0.0))
        self.bound = 0.0
        none = np.zeros(0, np.int64)
        self.proof = Proof([Leaf({}, none, none, none, none)])
        self.walks = 0
        #: Distinct sites and their shares in the last fractional plan.
        self.share = (none, np.zeros(0))

    def start(self) -> tuple[IntArray, IntArray]:
        """Return a plan of sites found one by one, and the rows that were furthest each time.

        The site nearest to the row that is furthest is added (Gonzalez 1985,
        doi 10.1016/0304-3975(85)90224-5), beyond p for the sake of the rows.
        """
        cost, number = self.cost, self.rows.number
        every = np.arange(cost.n_row)
        far = self.rows.held.copy()
        taken, seen = np.zeros(number.size, np.bool_), np.zeros(cost.n_row, np.bool_)
        chosen: list[int] = []
        worst: list[int] = []
        most = min(number.size, max(ROWS_MIN, PER_SITE * self.p))
        for _ in range(most if far.size else 0):
            row = int(far.argmax())
            if len(chosen) >= self.p and far[row] <= 0.0:
                break
            worst.append(row)
            seen[row] = True
            away = between(cost, np.array([row]), number)[0].astype(np.float64)
            away[taken] = np.inf
            at = int(away.argmin())
            taken[at] = True
            chosen.append(int(number[at]))
            far = np.minimum(far, cost.pairs(every, np.full(every.size, chosen[-1])))
            far[seen] = 0.0
        return np.array(chosen[: self.p], np.int64), np.unique(np.array(worst, np.int64))

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

    def cover(self, limit: float, moves: int, halt: Callable[[], bool]) -> bool:
        """Look for p sites that reach every row within `limit`."""
        plan = self.best
        for _ in range(TURNS):
            near = self.rows.within(limit)
            node = Pairs(near, self.p).node({})
            if node.lost >= 0 or halt():
                return False
            chosen = self.mark(near, node, plan)
            self.walks += 1
            draw = np.random.Generator(np.random.Philox(key=[self.seed, self.walks]))
            lists = node.lists
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
        for _ in range(min(self.p, chosen.size) - int(chosen.sum())):
            gain = np.bincount(lists.row_indices[open_pair], minlength=chosen.size)
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen[best] = True
            mine = lists.site_indices[lists.site_indptr[best] : lists.site_indptr[best + 1]]
            open_pair &= ~np.isin(row, mine)
        return chosen

    def refuse(self, near: Near, steps: int) -> bool:
        """Look for prices that say no; keep them as the proof."""
        search, lists, p = Pairs(near, self.p), near.lists, self.p
        self.share = (near.site, np.zeros(near.site.size))
        if not near.row.size:
            return False
        node = search.node({})
        if node.lost >= 0 or p == 0:
            leaf = search.priced({}, np.array([max(0, node.lost)]), np.ones(1))
        elif node.lists.row_indices.size <= PAIRS_MAX:
            solved = relax(node.lists)
            if solved is None:
                return False
            leaf = search.priced({}, node.row, solved[2])
            self.share[1][node.site] = solved[1]
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
                lambda s: s.bound < sure - 1e-3 or s.fractional > sure,
            )  # fmt: skip
            leaf = search.priced({}, node.row, state.best_u.astype(np.float64))
            self.share[1][node.site] = state.best_y
        if search.excess(leaf) <= 0:
            return False
        self.prove(Proof([leaf]), near)
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
        self, limit: float, moves: int, steps: int, nodes: int, halt: Callable[[], bool]
    ) -> bool | None:
        """Return whether p sites reach every row within `limit`, none where it was not decided."""

        def accept(plan: IntArray) -> Near | None:
            return None if self.take(plan, limit) else self.rows.within(limit)

        if self.refuse(self.rows.within(limit), steps):
            return False
        if moves and self.cover(limit, moves, halt):
            return True
        added = self.more_rows(limit, 10 * self.p)
        if (moves or added) and self.refuse(self.rows.within(limit), steps):
            return False
        if not nodes:
            return None
        proof, found = search_pairs(
            self.rows.within(limit), self.p, accept, nodes=nodes, work=nodes * WORK_A_NODE,
            halt=halt,
        )  # fmt: skip
        if proof is None:
            return True if found else None
        # rows may have been added on the way
        self.prove(proof, self.rows.within(limit))
        return False


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
    nodes: int = 1_080,
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
        Most exchanges of a walk, steps of the bound and nodes of a tree, for each distance tried.
        Trees begin small and grow up to `nodes`.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled at each distance and node; true returns the best plan so far.

    Returns
    -------
    Decision
        `bound` is a distance: no plan reaches every row within less.

    Raises
    ------
    ValueError, InfeasibleError

    Notes
    -----
    Memory holds the pairs of the rows looked at and the sites near them, never all pairs.
    """
    check_limits(gap, time_limit_s, seed)
    candidate, old = masks(cost.n_site, existing, forbidden)
    if candidate.shape != (cost.n_site,) or p < 0:
        raise ValueError(f"p must be >= 0 and masks of shape ({cost.n_site},). Got p = {p}")
    if not old.any() and (p == 0 or not candidate.any()):
        raise InfeasibleError("no site may stand", [f"p = {p}", "no existing site"])
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s

    def halt() -> bool:
        return stop() or (ends_at is not None and time.monotonic() > ends_at)

    search = Search(cost, candidate, old, p, seed)
    asked = 0

    def is_done() -> bool:
        return search.value - search.bound <= gap * search.value or halt()

    def ask(stage: str, limit: float, moves: int, nodes: int) -> bool | None:
        nonlocal asked
        asked += 1
        answer = search.ask(limit, moves, steps, nodes, halt)
        progress(stage, asked, 0, search.value, search.bound)
        return answer

    # a bound first, then the plan, then the bound beside it; trees only where these end
    high = search.value
    while not is_done():
        limit = between_of(search, max(search.bound, 0.25 * high), high, COARSE)
        if limit is None:
            break
        if ask("bound", limit, 0, 0) is None:
            high = limit
    # no plan is known below `low`; distances from `unknown` on were answered neither way
    low, unknown = search.bound, np.inf
    while not is_done():
        limit = between_of(search, low, search.value, FINE)
        if limit is None:
            break
        answer = ask("halve", limit, moves, 0)
        if not answer:
            low = float(np.nextafter(limit, np.inf))
        if answer is None:
            unknown = min(unknown, limit)
    high = min(unknown, search.value)
    while not is_done():
        limit = between_of(search, search.bound, high, FINE)
        if limit is None:
            break
        if ask("bound", limit, 0, 0) is None:
            high = limit
        high = min(high, search.value)
    few = depth = min(FIRST_NODES, nodes)
    while not is_done() and depth:
        while not is_done() and search.value * (1.0 - TRY) > search.bound:
            if not ask("improve", search.value * (1.0 - TRY), moves * depth // few, 0):
                break
        high = search.value
        while not is_done():
            limit = between_of(search, search.bound, high, FINE if high < search.value else 0.0)
            if limit is None:
                break
            if high >= search.value and search.value - search.bound < LAST * search.value:
                limit = float(np.nextafter(search.value, 0.0))
            answer = ask("tree", limit, 0, depth)
            high = limit if answer is None else search.value
        depth = min(nodes, depth * DEEPER) if depth < nodes else 0
    return certify(cost, search, old, p, gap, {"seed": seed, "asked": asked})


def between_of(search: Search, low: float, high: float, fine: float) -> float | None:
    """Return the distance to ask about next in low..high, none where they are `fine` apart."""
    if high - low <= fine * high:
        return None
    if search.cost.is_whole:
        # distances below the bound are excluded, those from `high` on were asked
        first, last = max(np.ceil(low), search.bound), np.ceil(high) - 1.0
        return float((first + last) // 2) if first <= last else None
    middle = 0.5 * (low + high)
    return middle if low < middle < high else None


def certify(
    cost: AssignmentCost,
    search: Search,
    old: BoolArray,
    p: int,
    gap: float,
    log: dict[str, Any],
) -> Decision:
    """Return the decision with the prices that exclude every smaller radius."""
    value, assignment = radius(cost, np.union1d(search.best, np.flatnonzero(old)))
    bound = min(search.bound, value)
    sites = np.sort(search.best).astype(np.int32)
    prices = search.proof.arrays() | {"distance": np.array([bound])}
    log |= {"rows": int(search.rows.row.size), "leaves": len(search.proof.leaves)}
    certificate = Certificate(
        "p_center", {"p": int(p)}, cost.input_hash, DENOMINATOR, prices, value, 0
    )
    relative = (value - bound) / value if value else 0.0
    status = "optimal" if bound == value else "feasible" if relative <= gap else "stopped"
    return Decision(
        sites, value, bound, relative, status, seal(certificate, sites, assignment),
        sense="min", assignment=assignment, log=log,
    )  # fmt: skip
