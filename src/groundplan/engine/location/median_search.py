"""The primal side of median and facility problems: start, annealing rounds, repair to the count."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import spread
from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.interchange import (
    anneal_tile,
    drop_cheapest,
    open_best,
    serve_rows,
)
from groundplan.engine.location.near import Near, transpose_near

__all__ = ["OPENED_A_LOOK", "MedianSearch"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Sites opened between two looks at the clock.
OPENED_A_LOOK = 2_000


class MedianSearch:
    """Near lists, the rows of each site, and the state of the plan in work.

    Parameters
    ----------
    near : Near
        Lists of the candidates that the search may open.
    far : (n_row,) float64
        Cost of a row that no site of its list serves (an existing site, or a penalty).
    candidate : (n_site,) bool
    price : (n_site,) float64
        Cost of opening.
    p : int or None
        Most sites to open.
    limits : Limits, optional
        On the groups of these sites.
    """

    def __init__(
        self, near: Near, far: FloatArray, candidate: BoolArray, price: FloatArray, p: int | None,
        limits: Limits | None = None,
    ) -> None:  # fmt: skip
        self.near, self.far, self.candidate, self.price, self.p = near, far, candidate, price, p
        self.rows_of = transpose_near(near)
        n, m = near.n_row, near.n_site
        self.is_open = np.zeros(m, bool)
        self.first, self.second = np.empty(n, np.int32), np.empty(n, np.int32)
        self.cost1, self.cost2 = np.empty(n), np.empty(n)
        self.loss = np.zeros(m)
        self.one_tile = np.zeros(n, np.int32)
        self.is_limited = limits is not None
        self.limits = limits or Limits(np.zeros(m, np.int64), np.array([0]), np.array([m + 1]))
        self.serve()

    @property
    def lists(self) -> tuple[NDArray[np.int64], NDArray[np.int32], FloatArray, FloatArray]:
        """Sites of each row and the row's cost without them."""
        return self.near.indptr, self.near.site, self.near.cost, self.far

    @property
    def state(self) -> tuple[NDArray[np.int32], NDArray[np.int32], FloatArray, FloatArray]:
        """First and second choice of each row and their costs."""
        return self.first, self.second, self.cost1, self.cost2

    def serve(self) -> float:
        """Rebuild the state from the open sites; returns the cost, opening included."""
        rows = serve_rows(*self.lists, self.near.weight, self.is_open, *self.state, self.loss)
        return float(rows) + float(self.price[self.is_open].sum())

    def repair(self, halt: Callable[[], bool] = lambda: False) -> float:
        """Open or close sites until the count is kept and nothing is saved by one more.

        Once `halt` says so, no more sites are opened than a plan must have.
        """
        if self.is_limited:
            held = self.limits.counts(self.is_open)
            over = np.maximum(0, held - self.limits.most)
            short = np.maximum(0, self.limits.least - held)
            if over.any():
                self.close(int(over.sum()), over)
            if short.any():
                self.open(int(short.sum()), short, always=True)
        if self.p is None:
            self.open(self.is_open.size, self.room(), always=False, halt=halt)
            return self.serve()
        k = int(self.is_open.sum())
        if k > self.p:
            self.close(k - self.p, self.limits.counts(self.is_open) - self.limits.least)
        elif k < self.p:
            self.open(self.p - k, self.room(), always=True, halt=halt)
        return self.serve()

    def room(self) -> NDArray[np.int64]:
        """Return how many sites each group may still take."""
        room: NDArray[np.int64] = self.limits.most - self.limits.counts(self.is_open)
        return room

    def close(self, count: int, spare: NDArray[np.int64]) -> None:
        """Close `count` sites, of each group no more than it can spare."""
        drop_cheapest(
            count, ~self.candidate, self.price, *self.rows_of[:2], *self.lists, self.near.weight,
            self.one_tile, self.is_open, *self.state, self.loss, self.limits.group, spare,
        )  # fmt: skip

    def open(
        self,
        count: int,
        room: NDArray[np.int64],
        *,
        always: bool,
        halt: Callable[[], bool] = lambda: False,
    ) -> None:
        """Open up to `count` sites, in each group no more than it has room for."""
        gain = np.where(self.candidate & ~self.is_open, np.inf, -np.inf)
        while count > 0:
            few = min(count, OPENED_A_LOOK)
            opened = open_best(
                few, always, gain, self.price, *self.rows_of, self.near.weight, self.one_tile,
                self.is_open, *self.state, self.loss, self.limits.group, room,
            )  # fmt: skip
            count -= few
            if opened < few or halt():
                return

    def anneal(
        self,
        tile_of_site: NDArray[np.int32],
        heats: FloatArray,
        price: FloatArray,
        seeds: NDArray[np.uint64],
        *,
        flips: bool,
        is_kept: bool = False,
    ) -> int:
        """Sweep all tiles side by side, once for each heat; returns the accepted moves.

        With `is_kept`, and one tile, no move leaves a limit that the plan keeps.
        """
        n_tile = seeds.size
        movable = np.flatnonzero(self.candidate)
        order = np.argsort(tile_of_site[movable], kind="stable")
        tile_site = movable[order].astype(np.int32)
        tile_ptr = np.searchsorted(tile_of_site[movable][order], np.arange(n_tile + 1))
        row_tile = np.where(self.first >= 0, tile_of_site[self.first], -1).astype(np.int32)
        lost = np.flatnonzero(self.first < 0)
        if lost.size:
            has = self.near.indptr[lost + 1] > self.near.indptr[lost]
            lost = lost[has]
            row_tile[lost] = tile_of_site[self.near.site[self.near.indptr[lost]]]
        m = self.is_open.size
        loss = np.repeat(self.loss[None, :], n_tile, axis=0)
        moves = spread(
            anneal_tile, [(k, k + 1) for k in range(n_tile)], tile_ptr, tile_site, seeds, heats,
            flips, price, *self.rows_of, *self.lists, self.near.weight, row_tile,
            self.is_open.copy(), self.is_open, *self.state, loss, np.zeros((n_tile, m)),
            np.zeros((n_tile, m), np.int32), is_kept and n_tile == 1, self.limits.group,
            self.limits.counts(self.is_open), self.limits.least, self.limits.most,
        )  # fmt: skip
        return int(sum(moves))
