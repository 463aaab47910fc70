r"""The primal-dual steps of one strip.

The steps are those of `dual`, and together they are those of the whole: a strip takes the step of
its sites as far as it can without the price of the budget, tells what would be spent at a few
prices, and ends the step at the price that the driver finds from the answers of all. Sites of
other strips that share rows with this one, its *guests*, come as their home computed them before
the price, and end the step here as they do there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import spread
from groundplan.engine.location.dual import (
    advance_sites,
    finish_sites,
    fractional_value,
    moved_rows,
    pieces,
    price_rows,
    site_scores,
    spent_at,
)
from groundplan.engine.location.program import Program

__all__ = ["Standing", "StripDual"]

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


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


class StripDual:
    """State of the steps of one strip.

    Parameters
    ----------
    program : Program
        Of the strip, guests included.
    own, guest : int32
        Sites of the strip, and sites of other strips.
    is_owned : (n_row,) bool
        Rows that count in this strip; the others count in a neighbour.

    Attributes
    ----------
    scale : (n_site,) float64
        Weight that each site covers; that of guests comes from their homes.
    y, u : dict of str to float32
        Shares of sites and prices of rows: ``"last"``, the ``"mean"`` since the restart, at its
        ``"start"``, and those of the ``"best"`` bound.
    z : (n_site,) float64
        The step of the sites before the price of the budget.
    """

    def __init__(
        self,
        program: Program,
        own: NDArray[np.int32],
        guest: NDArray[np.int32],
        is_owned: BoolArray,
    ) -> None:
        self.program, self.own, self.guest = program, own, guest
        self.weight = program.weight.astype(np.float32)
        self.owned_weight = np.where(is_owned, self.weight, np.float32(0))
        self.cost = program.cost.astype(np.float64)
        n, m = program.n_site, program.n_row
        self.scale = np.empty(n)
        self.sites, self.rows = pieces(n), pieces(m)
        self.csr = (program.site_indptr, program.site_indices)
        self.csc = (program.row_indptr, program.row_indices)
        spread(site_scores, self.sites, *self.csr, self.weight, self.scale)
        names = ("last", "mean", "start", "best")
        self.y = {name: np.zeros(n, np.float32) for name in names}
        self.u = {name: np.ones(m, np.float32) for name in names}
        self.priced = self.weight.copy()
        self.z, self.tau, self.ybar = np.zeros(n), np.zeros(n), np.zeros(n, np.float32)

    def begin(self, share: float, guest_scale: FloatArray) -> None:
        """Set every site to the same share."""
        self.scale[self.guest] = guest_scale
        np.maximum(self.scale, 1e-12, out=self.scale)
        for y in (*self.y.values(), self.ybar):
            y[:] = share

    def restart(self, name: str) -> None:
        """Begin anew from a point."""
        for other in ("start", "last", "mean"):
            if other != name:
                self.y[other][:] = self.y[name]
                self.u[other][:] = self.u[name]
        self.priced = self.weight * self.u["last"]

    def keep(self, name: str) -> None:
        """Remember a point as that of the best bound."""
        self.y["best"][:] = self.y[name]
        self.u["best"][:] = self.u[name]

    def advance(self, omega: float) -> None:
        """Take the step of the sites as far as it needs no price of the budget."""
        self.tau = omega / self.scale
        spread(advance_sites, self.sites, *self.csr, self.priced, self.y["last"], self.tau, self.z)

    def spend(self, prices: FloatArray) -> FloatArray:
        """Return what the strip's sites spend if the step ends at each of some prices."""
        z, tau, cost = self.z[self.own], self.tau[self.own], self.cost[self.own]
        parts = [spread(spent_at, pieces(z.size), z, tau, cost, float(mu)) for mu in prices]
        return np.array([sum(spent for spent, _slope in part) for part in parts], np.float64)

    def finish(self, price: float, omega: float, share: float, guests: FloatArray) -> None:
        """End the step of the sites at a price of the budget, then step the prices of the rows.

        Parameters
        ----------
        share : float
            Weight of the new point in the mean.
        guests : (n_guest,) float64
            Their step before the price.
        """
        self.z[self.guest] = guests
        y, u = self.y, self.u
        spread(
            finish_sites, self.sites, self.z, self.tau, self.cost, price, y["last"], self.ybar,
            y["mean"], share,
        )  # fmt: skip
        spread(
            price_rows, self.rows, *self.csc, self.ybar, 1.0 / omega, self.weight, u["last"],
            self.priced, u["mean"], share,
        )  # fmt: skip

    def evaluate(self, name: str, price: float) -> Standing:
        """Return where a point stands at a price of the budget."""
        u, y, own = self.u[name], self.y[name], self.own
        kept = float(np.dot(self.owned_weight.astype(np.float64), 1.0 - u.astype(np.float64)))
        score = np.empty(self.scale.size)
        spread(site_scores, self.sites, *self.csr, self.weight * u, score)
        over = np.maximum(score - price * self.cost, 0.0)[own]
        served = spread(fractional_value, self.rows, *self.csc, y, self.owned_weight)
        spent = float(np.dot(self.cost[own], y[own].astype(np.float64)))
        step_y = np.square(y - self.y["start"])[own].astype(np.float64)
        step_u = spread(moved_rows, self.rows, self.csc[0], self.owned_weight, u, self.u["start"])
        return Standing(
            kept + float(over.sum()),
            float(sum(served)) - price * spent,
            float(np.dot(step_y, self.scale[own])),
            float(sum(step_u)),
        )
