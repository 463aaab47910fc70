"""No p sites reach every row: a search whose leaves all keep prices that say so.

Sites close to each other reach nearly the same rows, so that closing one of them changes nothing.
The search asks instead of two rows whether one site serves both (the branching of Ryan and Foster
1981 on pairs): *no* closes every site that reaches both, *yes* makes the pair a row of its own,
which few sites reach. At each node domination is applied anew, and the duals of a linear program
with the cuts of `center_halves` are the prices (Elloumi, Labbe and Pochet 2004,
doi 10.1287/ijoc.1030.0028, for the program of one radius).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.center_halves import count_halves, relax
from groundplan.engine.location.center_rows import Near
from groundplan.engine.location.check_center import leaf_excess
from groundplan.engine.location.setcover_lists import Lists, drop, lists_of, narrow

__all__ = ["DENOMINATOR", "Leaf", "Node", "Pairs", "Proof", "search_pairs"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Prices are whole multiples of 1 / this.
DENOMINATOR = 2**20
#: Passes of domination at a node.
PASSES = 4
#: A tree is given up where half of its nodes settled less than this share.
LITTLE = 0.02
#: Closer to 0 or 1 than this a share counts as whole.
WHOLE = 1e-6


@dataclass(frozen=True)
class Leaf:
    """Answers (number of the set asked about -> yes), and the prices under them.

    Attributes
    ----------
    answer : dict of int to bool
    row, price : priced rows of the problem and their whole prices
    ask, paid : sets answered yes and their whole prices
    half, due : sets of `Proof.halves` and the whole prices of their cuts
    """

    answer: dict[int, bool]
    row: IntArray
    price: IntArray
    ask: IntArray
    paid: IntArray
    half: IntArray
    due: IntArray


@dataclass
class Proof:
    """Leaves that hold every plan, the sets of rows asked about, and those of cuts."""

    leaves: list[Leaf]
    asks: list[tuple[int, ...]] = field(default_factory=list)
    halves: list[tuple[int, ...]] = field(default_factory=list)
    nodes: int = 0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the proof as the arrays of a certificate."""
        number = np.unique(np.concatenate([leaf.row for leaf in self.leaves]))
        n, m = len(self.leaves), len(self.asks)
        price, paid = np.zeros((n, number.size), np.int32), np.zeros((n, m), np.int32)
        answer = np.full((n, m), -1, np.int8)
        for k, leaf in enumerate(self.leaves):
            price[k, np.searchsorted(number, leaf.row)] = leaf.price
            paid[k, leaf.ask] = leaf.paid
            for q, yes in leaf.answer.items():
                answer[k, q] = yes
        used = np.unique(np.concatenate([leaf.half for leaf in self.leaves]))
        due = np.zeros((n, used.size), np.int32)
        for k, leaf in enumerate(self.leaves):
            due[k, np.searchsorted(used, leaf.half)] = leaf.due
        ask_indptr, ask_row = flat(self.asks)
        half_indptr, half_row = flat([self.halves[h] for h in used])
        return {
            "row_number": number,
            "row": price,
            "ask": paid,
            "ask_indptr": ask_indptr,
            "ask_row": ask_row,
            "half": due,
            "half_indptr": half_indptr,
            "half_row": half_row,
            "leaf_ask": answer,
            "leaf_price": np.arange(n, dtype=np.int32),
        }


def flat(sets: list[tuple[int, ...]]) -> tuple[IntArray, IntArray]:
    """Return sets of rows as one list and where each begins."""
    length = np.array([len(rows) for rows in sets], np.int64)
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])
    return indptr, np.array([i for rows in sets for i in rows], np.int64)


@dataclass
class Node:
    """What is left of the rows and sites under some answers.

    Attributes
    ----------
    lists : Lists
        After domination.
    row : (n,) int64
        Rows of `Near`, or its number of rows plus the number of a set answered yes.
    site : (m,) int64
        Distinct sites of `Near`.
    lost : int
        A row that no site reaches any more, -1 where there is none.
    """

    lists: Lists
    row: IntArray
    site: IntArray
    lost: int


class Pairs:
    """The search on one set of rows; `near` may be replaced when rows are added."""

    def __init__(self, near: Near, p: int, halves: Iterable[tuple[int, ...]] = ()) -> None:
        self.p = p
        self.asks: list[tuple[int, ...]] = []
        known = {int(i) for i in near.row}
        #: Rows that an existing site reaches do not count in cuts.
        self.halves = [rows for rows in halves if known.issuperset(rows)]
        self.look(near)

    def look(self, near: Near) -> None:
        """Take rows and sites; sets asked about keep their row numbers."""
        self.near = near
        self.place = {int(i): k for k, i in enumerate(near.row)}
        self.inside = [self.serving(rows) for rows in self.asks]
        self.reach = count_halves(near.lists, [self.local(rows) for rows in self.halves])
        self.need = np.array([(len(rows) + 1) // 2 for rows in self.halves], np.int64)
        self.cut = np.array(sorted({self.place[i] for rows in self.halves for i in rows}), np.int64)

    def local(self, rows: tuple[int, ...]) -> IntArray:
        """Return where the rows of a set stand in `Near`."""
        return np.array([self.place[i] for i in rows], np.int64)

    def relax(self, node: Node) -> tuple[float, FloatArray, FloatArray, FloatArray] | None:
        """Return what `relax` finds for a node with the cuts known."""
        if not node.lists.n_row:
            return 0.0, np.zeros(0), np.zeros(0), np.zeros(len(self.halves))
        return relax(node.lists, self.reach[:, node.site], self.need)

    def serving(self, rows: tuple[int, ...]) -> BoolArray:
        """Return the distinct sites that reach every row of a set."""
        lists = self.near.lists
        count = np.zeros(lists.n_site, np.int64)
        for i in rows:
            k = self.place[i]
            count[lists.row_indices[lists.row_indptr[k] : lists.row_indptr[k + 1]]] += 1
        return np.asarray(count == len(rows), np.bool_)

    def node(self, answer: dict[int, bool]) -> Node:
        """Return what answers leave, reduced by domination."""
        full = self.near.lists
        closed = np.zeros(full.n_site, np.bool_)
        for q, yes in answer.items():
            if not yes:
                closed |= self.inside[q]
        site = np.flatnonzero(~closed)
        lists = narrow(full, np.arange(full.n_row), site)
        sets = np.array([q for q, yes in answer.items() if yes], np.int64)
        row = np.concatenate([np.arange(full.n_row), full.n_row + sets])
        if sets.size:
            own = [np.flatnonzero(self.inside[q][site]).astype(np.int32) for q in sets]
            indptr = np.concatenate([lists.row_indptr[:-1], lists.row_indptr[-1] + np.cumsum(
                [0, *(o.size for o in own)]
            )])  # fmt: skip
            lists = lists_of(indptr, np.concatenate([lists.row_indices, *own]), site.size)
        empty = np.flatnonzero(np.diff(lists.row_indptr) == 0)
        if empty.size:
            return Node(lists, row, site, int(row[empty[0]]))
        for _ in range(PASSES):
            before = (row.size, site.size)
            # a site must not count as no better than another which serves fewer rows of a cut
            keep = ~drop(lists, np.ones(site.size, np.int64), rows=True) | np.isin(row, self.cut)
            lists, row = narrow(lists, np.flatnonzero(keep), np.arange(site.size)), row[keep]
            stay = ~drop(lists, np.ones(site.size, np.int64), rows=False)
            stay &= np.diff(lists.site_indptr) > 0
            lists, site = narrow(lists, np.arange(row.size), np.flatnonzero(stay)), site[stay]
            if (row.size, site.size) == before:
                break
        return Node(lists, row, site, -1)

    def priced(
        self,
        answer: dict[int, bool],
        row: IntArray,
        price: FloatArray,
        due: FloatArray | None = None,
    ) -> Leaf:
        """Return a leaf with whole prices; `row` as in `Node`, `due` of the cuts."""
        cut = np.zeros(0) if due is None else due
        cut_price = np.rint(np.maximum(cut, 0.0) * DENOMINATOR).astype(np.int64)
        half = np.flatnonzero(cut_price)
        whole = np.rint(np.maximum(price, 0.0) * DENOMINATOR).astype(np.int64)
        row, whole = row[whole > 0], whole[whole > 0]
        own = row < self.near.row.size
        order = np.argsort(self.near.row[row[own]])
        return Leaf(
            answer, self.near.row[row[own]][order], whole[own][order],
            row[~own] - self.near.row.size, whole[~own], half, cut_price[half],
        )  # fmt: skip

    def excess(self, leaf: Leaf) -> int:
        """Return by how much the prices of a leaf exceed what any plan earns."""
        lists = self.near.lists
        full = np.zeros(lists.n_row, np.int64)
        full[[self.place[int(i)] for i in leaf.row]] = leaf.price
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(full[lists.site_indices])])
        score = total[lists.site_indptr[1:]] - total[lists.site_indptr[:-1]]
        usable = np.ones(score.size, np.bool_)
        for q, paid in zip(leaf.ask, leaf.paid, strict=True):
            score[self.inside[q]] += paid
        for q, yes in leaf.answer.items():
            if not yes:
                usable &= ~self.inside[q]
        score += leaf.due @ self.reach[leaf.half]
        sum_of = int(leaf.price.sum()) + int(leaf.paid.sum())
        sum_of += int((leaf.due * self.need[leaf.half]).sum())
        # the check knows every site that a distinct one stands for
        every = np.repeat(score[usable], np.minimum(self.near.times[usable], self.p + 1))
        free = np.ones(every.size, np.bool_)
        return leaf_excess(sum_of, every, free, ~free, self.p)

    def members(self, row: int) -> tuple[int, ...]:
        """Return the rows of the problem that a row of a node stands for."""
        n = self.near.row.size
        return (int(self.near.row[row]),) if row < n else self.asks[row - n]

    def choose(self, node: Node, share: FloatArray) -> int | None:
        """Return the number of the pair to ask about: as near to half served together as can be."""
        used = np.flatnonzero(share > WHOLE)
        lists = node.lists
        hit = np.zeros((lists.n_row, used.size))
        for k, j in enumerate(used):
            hit[lists.site_indices[lists.site_indptr[j] : lists.site_indptr[j + 1]], k] = 1.0
        # rounded, so that no choice hangs on the order in which a product was summed
        together = np.round((hit * share[used]) @ hit.T, 6)
        away = np.abs(together - 0.5)
        away[np.tril_indices(len(away))] = 1.0
        if not away.size or away.min() > 0.5 - WHOLE:
            return None
        # of the pairs that are served together by half, the one that fewest sites could serve
        a, b = np.nonzero(away < away.min() + 0.0500005)
        length = np.diff(lists.row_indptr)
        best = int(np.lexsort((b, a, length[a] + length[b]))[0])
        rows = {*self.members(int(node.row[a[best]])), *self.members(int(node.row[b[best]]))}
        self.asks.append(tuple(sorted(rows)))
        self.inside.append(self.serving(self.asks[-1]))
        return len(self.asks) - 1


def search_pairs(
    near: Near,
    p: int,
    accept: Callable[[IntArray], Near | None],
    *,
    halves: Iterable[tuple[int, ...]] = (),
    nodes: int,
    work: int,
    halt: Callable[[], bool],
) -> tuple[Proof | None, bool]:
    """Return a proof that p sites do not reach all rows, or whether a plan was accepted.

    Parameters
    ----------
    near : Near
    p : int
    accept : callable
        Takes the sites of a plan that reaches all rows of `near`; returns none where the plan is
        good for all rows of the problem, else the lists of more rows.
    halves : sets of rows
        Cuts for every node.
    nodes, work : int
        Most nodes, and most pairs of rows and sites that all linear programs together hold.
    halt : callable
        Polled at each node.
    """
    search = Pairs(near, p, halves)
    done: list[Leaf] = []
    waiting: list[dict[int, bool]] = [{}]
    seen = 0
    while waiting:
        # what is done so far tells how much is left, as if all halves of the tree were alike
        hopeless = seen > nodes // 2 and sum(0.5 ** len(leaf.answer) for leaf in done) < LITTLE
        if seen >= nodes or work < 0 or hopeless or halt():
            return None, False
        answer = waiting.pop()
        while True:
            node = search.node(answer)
            if node.lost >= 0:
                done.append(search.priced(answer, np.array([node.lost]), np.ones(1)))
                break
            work -= node.lists.row_indices.size
            solved = search.relax(node)
            if solved is None:
                return None, False
            if solved[0] > p + WHOLE:
                leaf = search.priced(answer, node.row, solved[2], solved[3])
                if search.excess(leaf) <= 0:
                    return None, False
                done.append(leaf)
                break
            plan = node.site[solved[1] > 0.5]
            hit = np.zeros(search.near.lists.n_row, np.bool_)
            some = np.zeros(search.near.lists.n_site, np.bool_)
            some[plan] = True
            rows = np.repeat(np.arange(hit.size), np.diff(search.near.lists.row_indptr))
            hit[rows[some[search.near.lists.row_indices]]] = True
            if hit.all() and plan.size <= p:
                more = accept(search.near.site[plan])
                if more is None:
                    return None, True
                search.look(more)
                continue
            ask = search.choose(node, solved[1])
            if ask is None:
                return None, False
            # the last one in is the next one out: look at sites that serve both first
            waiting += [{**answer, ask: False}, {**answer, ask: True}]
            break
        seen += 1
    return Proof(done, search.asks, search.halves, seen), False
