r"""The primal-dual steps of one strip, at a price of the budget that is given from outside.

With the budget priced at :math:`\mu` nothing but shared rows joins the strips: the step on the
sites is ``clip(z - tau mu f, 0, 1)`` (see `dual`), without a projection. Sites of other strips
that share rows with this one, its *guests*, stand as their home strips tell them; where they are
told anew at every step, the steps of all strips together are those of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit, spread
from groundplan.engine.location.dual import (
    fractional_value,
    moved_rows,
    pieces,
    price_rows,
    site_scores,
)
from groundplan.engine.location.program import Program

__all__ = ["Orders", "Standing", "StripDual"]

BoolArray = NDArray[np.bool_]
SingleArray = NDArray[np.float32]


@dataclass(frozen=True)
class Orders:
    """What the driver asks of every strip for one round.

    Attributes
    ----------
    price : float
        Of the budget.
    steps : int
    since : int
        Steps since the last restart, before this round.
    omega : float
        Primal weight.
    keep, restart : str
        Which point of the last evaluation to keep as the best one, and from which to begin anew:
        ``"mean"``, ``"last"`` or ``""`` for neither.
    evaluate : bool
        Whether to say after the steps where both points stand.
    """

    price: float
    steps: int
    since: int
    omega: float
    keep: str = ""
    restart: str = ""
    evaluate: bool = False


@dataclass(frozen=True)
class Standing:
    """Where a point stands; the parts of all strips add up.

    Attributes
    ----------
    bound, value : float
        At the price of the budget, the budget itself left out.
    moved_y, moved_u : float
        Squared distances from the last restart.
    """

    bound: float
    value: float
    moved_y: float
    moved_u: float


@jit
def move_sites(lo, hi, own, indptr, indices, priced, tau, cost, mu, y, ybar, yavg, share):
    """Move the sites ``own[lo:hi]``; returns what they spend, how that moved, and its slope."""
    spent = 0.0
    moved = 0.0
    slope = 0.0
    for k in range(lo, hi):
        j = own[k]
        total = 0.0
        for q in range(indptr[j], indptr[j + 1]):
            total += priced[indices[q]]
        v = y[j] + tau[j] * (total - mu * cost[j])
        if 0.0 < v < 1.0:
            slope += cost[j] * cost[j] * tau[j]
        v = min(max(v, 0.0), 1.0)
        change = v - y[j]
        spent += cost[j] * v
        moved += cost[j] * change
        ybar[j] = v + change
        y[j] = v
        yavg[j] += share * (v - yavg[j])
    return spent, moved, slope


class StripDual:
    """State of the steps of one strip.

    Parameters
    ----------
    program : Program
        Of the strip, guests included.
    own : (n_own,) int32
        Sites of the strip.
    guest : (n_guest,) int32
        Sites of other strips.
    is_owned : (n_row,) bool
        Rows that count in this strip; the others count in a neighbour.
    """

    def __init__(
        self, program: Program, own: NDArray[np.int32], guest: NDArray[np.int32], is_owned: BoolArray
    ) -> None:
        self.program, self.own, self.guest = program, own, guest
        self.weight = program.weight.astype(np.float32)
        self.owned_weight = np.where(is_owned, self.weight, np.float32(0))
        self.cost = program.cost.astype(np.float64)
        n, m = program.n_site, program.n_row
        self.scale = np.empty(n)
        csr = (program.site_indptr, program.site_indices)
        spread(site_scores, pieces(n), *csr, self.weight, self.scale)
        self.y = {name: np.zeros(n, np.float32) for name in ("last", "mean", "start", "best")}
        self.u = {name: np.ones(m, np.float32) for name in ("last", "mean", "start", "best")}
        self.priced = self.weight.copy()
        self.ybar = np.zeros(n, np.float32)

    def begin(self, share: float) -> None:
        """Set every site to the same share."""
        for y in (*self.y.values(), self.ybar):
            y[:] = share

    def seat(self, guests: SingleArray, steps: int) -> None:
        """Put the guests where their home strips say; `steps` lie between two tellings."""
        before = self.y["last"][self.guest]
        self.y["last"][self.guest] = guests
        self.ybar[self.guest] = guests + (guests - before) / steps

    def follow(self, orders: Orders, guests: dict[str, SingleArray]) -> tuple[float, float, float]:
        """Keep, restart and step as ordered; returns spent, last move of it, and slope.

        Parameters
        ----------
        orders : Orders
        guests : mapping
            Values of the guests: ``"last"``, and ``"mean"`` after an evaluation.
        """
        if orders.keep:
            self.y["best"][:] = self.y[orders.keep]
            self.u["best"][:] = self.u[orders.keep]
        if orders.restart:
            at = orders.restart
            self.y[at][self.guest] = guests[at]
            for name in ("start", "last", "mean"):
                if name != at:
                    self.y[name][:] = self.y[at]
                    self.u[name][:] = self.u[at]
            self.priced = self.weight * self.u["last"]
            self.ybar[:] = self.y["last"]
        else:
            self.seat(guests["last"], max(1, orders.steps))
        p = self.program
        tau, step = orders.omega / np.maximum(self.scale, 1e-12), 1.0 / orders.omega
        rows, sites = pieces(p.n_row), pieces(self.own.size)
        told = guests[orders.restart or "last"]
        total = (0.0, 0.0, 0.0)
        for k in range(orders.steps):
            share = 1.0 / (orders.since + k + 1)
            spread(
                price_rows, rows, p.row_indptr, p.row_indices, self.ybar, step, self.weight,
                self.u["last"], self.priced, self.u["mean"], share,
            )  # fmt: skip
            parts = spread(
                move_sites, sites, self.own, p.site_indptr, p.site_indices, self.priced, tau,
                self.cost, orders.price, self.y["last"], self.ybar, self.y["mean"], share,
            )  # fmt: skip
            total = tuple(float(sum(part[i] for part in parts)) for i in range(3))  # type: ignore[assignment]
            mean = self.y["mean"]
            mean[self.guest] += np.float32(share) * (told - mean[self.guest])
            self.ybar[self.guest] = told
        return total

    def evaluate(self, name: str, price: float) -> Standing:
        """Return where a point stands at a price of the budget."""
        p, u, y = self.program, self.u[name], self.y[name]
        kept = float(np.dot(self.owned_weight.astype(np.float64), 1.0 - u.astype(np.float64)))
        score = np.empty(p.n_site)
        spread(
            site_scores, pieces(p.n_site), p.site_indptr, p.site_indices, self.weight * u, score
        )
        over = np.maximum(score - price * self.cost, 0.0)[self.own]
        served = spread(
            fractional_value, pieces(p.n_row), p.row_indptr, p.row_indices, y, self.owned_weight
        )
        step_y = np.square(y - self.y["start"])[self.own].astype(np.float64)
        step_u = spread(
            moved_rows, pieces(p.n_row), p.row_indptr, self.owned_weight, u, self.u["start"]
        )
        spent = float(np.dot(self.cost[self.own], y[self.own].astype(np.float64)))
        return Standing(
            kept + float(over.sum()),
            float(sum(served)) - price * spent,
            float(np.dot(step_y, self.scale[self.own])),
            float(sum(step_u)),
        )
