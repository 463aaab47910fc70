r"""Bound of backup covering where a group of rows earns only when each of its rows is covered.

``max sum_l w_gl z_gl`` with ``sum_l z_gl <= h_r + sum_{j in N(r)} y_j`` for **every** row r of
group g, ``0 <= z <= 1``, ``sum y_j <= p``. For any prices :math:`\lambda_{gr} \ge 0`

.. math:: \sum_g \sum_l \Big(w_{gl} - \sum_{r \in g} \lambda_{gr}\Big)^+
          + \sum_{g,r} \lambda_{gr} h_r + \mathrm{top}_p\, s, \qquad
          s_j = \sum_{(g,r): j \in N(r)} \lambda_{gr}

is no less than the value of any plan. Rows that a group shares out over fixed parts of its weight
(`backup_covering` of the parts) are the case ``lambda_gr = a_r lambda_g``, and never prove more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GroupBound", "GroupRows", "group_numerator", "price_groups"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Prices are whole multiples of 1 / this, or less where sums would overflow.
DENOMINATOR = 2**20
#: Steps without a better bound before the pace falls, and by how much it falls.
PATIENCE, SLOWER = 15, 0.6
#: Steps between two looks at the stop and the state.
LOOK = 25


@dataclass(frozen=True)
class GroupRows:
    """Rows as groups use them.

    Attributes
    ----------
    ptr, site : (n_list + 1,) int64, (n_pair,) int32
        Sites of each list; rows of several groups may share one.
    list_of, group_of : (n_row,) int32
        List and group of each row.
    share : (n_row,) float64
        How a group's first price is laid on its rows, in any unit.
    level : (n_level, n_group) int64
        What a group earns once each of its rows is covered once, once more ...; not growing.
    have : (n_list,) int64
        Standing sites of each list.
    free : (n_site,) bool
        Sites of which `p` are chosen.
    p : int
    """

    ptr: IntArray
    site: NDArray[np.int32]
    list_of: NDArray[np.int32]
    group_of: NDArray[np.int32]
    share: FloatArray
    level: IntArray
    have: IntArray
    free: BoolArray
    p: int


@dataclass(frozen=True)
class GroupBound:
    """Prices and what they prove: ``numerator / denominator`` is no less than any plan's value."""

    price: IntArray
    denominator: int
    numerator: int

    @property
    def bound(self) -> int:
        """Whole number that no plan exceeds."""
        return self.numerator // self.denominator


def group_numerator(rows: GroupRows, price: IntArray, denominator: int) -> int:
    """Return what whole prices prove, in whole numbers alone.

    Raises
    ------
    ValueError
        Prices of another shape, or below 0.
    """
    if price.shape != rows.list_of.shape or (price < 0).any():
        raise ValueError("prices must be one for each row, >= 0")
    whole = np.zeros(rows.level.shape[1], np.int64)
    np.add.at(whole, rows.group_of, price)
    of_list = np.zeros(rows.ptr.size - 1, np.int64)
    np.add.at(of_list, rows.list_of, price)
    paid = np.zeros(rows.free.size, np.int64)
    np.add.at(paid, rows.site, np.repeat(of_list, np.diff(rows.ptr)))
    score = np.sort(paid[rows.free])[::-1][: rows.p]
    slack = int(np.maximum(rows.level * denominator - whole, 0).sum())
    return slack + int((of_list * rows.have).sum()) + int(score.sum())


def price_groups(
    rows: GroupRows,
    target: int,
    *,
    steps: int = 600,
    halt: Callable[[], bool] = lambda: False,
    state: Mapping[str, Any] | None = None,
    save: Callable[[Mapping[str, Any]], None] = lambda _state: None,
    look: Callable[[int, float], None] = lambda _step, _bound: None,
) -> GroupBound:
    """Lower the bound by subgradient steps on the prices of all rows.

    Parameters
    ----------
    rows : GroupRows
    target : int
        Value of a plan that is known; steps are measured against it.
    steps : int
    halt : callable
        Polled every 25 steps; the best prices so far are returned.
    state : mapping, optional
        What `save` was given by a run that ended: the steps go on as if it had not.
    save : callable
        Takes the state, every 25 steps.
    look : callable
        ``look(step, bound)``.

    Returns
    -------
    GroupBound
    """
    walk = Walk(rows, float(target))
    if state is not None and float(state["target"]) == float(target):
        # steps measured against another plan would lead elsewhere
        walk.restore(state)
    while walk.step < steps and not walk.is_done:
        if walk.step % LOOK == 0 and walk.step:
            save(walk.state())
            look(walk.step, walk.best)
            if halt():
                break
        walk.take()
    return rounded(rows, walk.best_price)


class Walk:
    """One walk over prices, step by step."""

    def __init__(self, rows: GroupRows, target: float) -> None:
        from scipy.sparse import csr_matrix

        self.rows, self.target = rows, target
        n_list, n_row, n_group = rows.ptr.size - 1, rows.list_of.size, rows.level.shape[1]
        ones = np.ones(rows.site.size)
        self.sites = csr_matrix((ones, rows.site, rows.ptr), (n_list, rows.free.size))
        self.lists = self.sites.T.tocsr()
        every, ones = np.arange(n_row), np.ones(n_row)
        self.of_list = csr_matrix((ones, (rows.list_of, every)), (n_list, n_row))
        self.of_group = csr_matrix((ones, (rows.group_of, every)), (n_group, n_row))
        self.level = rows.level.astype(np.float64)
        self.free = np.flatnonzero(rows.free)
        whole = np.bincount(rows.group_of, rows.share, minlength=n_group)
        # half of what a group earns
        self.price = 0.5 * rows.share * (self.level[0] / np.maximum(whole, 1e-300))[rows.group_of]
        self.direction = np.zeros(n_row)
        self.best, self.best_price = np.inf, self.price
        self.pace, self.since, self.step = 1.0, 0, 0
        self.is_done = not n_row

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on."""
        return {
            "price": self.price, "direction": self.direction, "best_price": self.best_price,
            "target": self.target, "best": float(self.best), "pace": self.pace,
            "since": self.since, "step": self.step,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        for name in ("price", "direction", "best_price"):
            setattr(self, name, np.asarray(state[name], np.float64))
        self.best, self.pace = float(state["best"]), float(state["pace"])
        self.since, self.step = int(state["since"]), int(state["step"])

    def take(self) -> None:
        """Take one step."""
        rows = self.rows
        of_list = self.of_list @ self.price
        score = (self.lists @ of_list)[self.free]
        n = min(rows.p, self.free.size)
        top = np.argpartition(-score, n - 1)[:n] if n else np.zeros(0, np.int64)
        whole = self.of_group @ self.price
        bound = float(
            np.maximum(self.level - whole, 0.0).sum() + score[top].sum() + of_list @ rows.have
        )
        self.step += 1
        self.since += 1
        if bound < self.best:
            if bound < self.best * (1.0 - 1e-4):
                self.since = 0
            self.best, self.best_price = bound, self.price
        if self.since > PATIENCE:
            self.pace, self.since, self.price = SLOWER * self.pace, 0, self.best_price
        if self.pace < 1e-4 or self.best - self.target < 1e-6:
            self.is_done = True
            return
        chosen = np.zeros(rows.free.size)
        chosen[self.free[top]] = 1.0
        times = self.sites @ chosen + rows.have
        slope = times[rows.list_of] - (self.level > whole).sum(axis=0)[rows.group_of]
        direction = slope + 0.5 * self.direction
        direction[(self.price == 0.0) & (direction > 0.0)] = 0.0
        norm = float(direction @ direction)
        if norm < 1e-12:
            self.is_done = True
            return
        self.direction = direction
        length = self.pace * max(bound - self.target, 1e-9) / norm
        self.price = np.maximum(0.0, self.price - length * direction)


def rounded(rows: GroupRows, price: FloatArray) -> GroupBound:
    """Return prices in whole numbers with what they prove."""
    most = int(rows.level.sum()) * (int(rows.have.max(initial=1)) + 2) + 1
    denominator = int(min(DENOMINATOR, 2 ** max(0, 61 - most.bit_length())))
    whole = np.rint(price * denominator).astype(np.int64)
    return GroupBound(whole, denominator, group_numerator(rows, whole, denominator))
