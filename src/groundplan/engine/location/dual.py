r"""The bound: restarted averaged primal-dual steps with the coverage variables eliminated.

With prices ``lam_i = w_i u_i``, ``0 <= u <= 1``, every plan within the budget has value at most

.. math:: \sum_i w_i (1 - u_i) + \max_{0 \le y \le 1,\ f y \le B} \sum_j s_j y_j,
          \qquad s_j = \sum_{i \in j} w_i u_i .

The saddle point over (u, y) is sought by primal-dual hybrid gradient steps (Chambolle and Pock
2011, doi 10.1007/s10851-010-0251-1) with averaging, restarts and a primal weight (Applegate et al.
2021, PDLP, arXiv 2106.04756). The u-step does not see the weights, hence no scaling is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.location.program import Program

__all__ = ["Choice", "DualState", "bound_at", "start_dual", "step_dual"]

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
#: Steps between two evaluations of bound and restart.
CHECK = 40
#: Sites or rows that are worth a thread of their own.
GRAIN = 20_000


def pieces(n: int) -> list[tuple[int, int]]:
    """Cut a range for threads; how, depends on its size alone."""
    return chunks(n, max(1, min(16, n // GRAIN)))


@jit
def site_scores(lo, hi, indptr, indices, priced, out):
    for j in range(lo, hi):
        total = 0.0
        for q in range(indptr[j], indptr[j + 1]):
            total += priced[indices[q]]
        out[j] = total


@jit
def advance_sites(lo, hi, indptr, indices, priced, y, tau, z):
    for j in range(lo, hi):
        total = 0.0
        for q in range(indptr[j], indptr[j + 1]):
            total += priced[indices[q]]
        z[j] = y[j] + tau[j] * total


@jit
def spent_at(lo, hi, z, tau, cost, mu):
    """Return what ``clip(z - tau mu f, 0, 1)`` spends, and how fast that falls with mu."""
    spent = 0.0
    slope = 0.0
    for j in range(lo, hi):
        v = z[j] - tau[j] * cost[j] * mu
        if v >= 1.0:
            spent += cost[j]
        elif v > 0.0:
            spent += cost[j] * v
            slope += cost[j] * cost[j] * tau[j]
    return spent, slope


def project(z: FloatArray, tau: FloatArray, cost: FloatArray, budget: float, mu: float) -> float:
    """Return the price at which ``clip(z - tau mu f, 0, 1)`` spends the budget (Newton)."""
    ranges = pieces(z.size)
    lo, hi = 0.0, np.inf
    for turn in range(200):
        parts = spread(spent_at, ranges, z, tau, cost, mu)
        spent, slope = sum(p[0] for p in parts), sum(p[1] for p in parts)
        if (mu == 0.0 and spent <= budget) or abs(spent - budget) <= 1e-6 * budget:
            break
        if spent > budget:
            lo = mu
        else:
            hi = mu
        new = mu + (spent - budget) / slope if slope > 0.0 else -1.0
        if not lo < new < hi:
            new = 0.5 * (lo + hi) if hi < np.inf else max(2.0 * mu, 1e-9)
            if turn == 0 and spent < budget:
                new = 0.0
        mu = new
    return mu


@jit
def finish_sites(lo, hi, z, tau, cost, mu, y, ybar, yavg, share):
    for j in range(lo, hi):
        v = z[j] - tau[j] * cost[j] * mu
        v = min(max(v, 0.0), 1.0)
        ybar[j] = 2.0 * v - y[j]
        y[j] = v
        yavg[j] += share * (v - yavg[j])


@jit
def price_rows(lo, hi, indptr, indices, ybar, step, weight, u, priced, uavg, share):
    for i in range(lo, hi):
        begin, end = indptr[i], indptr[i + 1]
        total = 0.0
        for q in range(begin, end):
            total += ybar[indices[q]]
        v = u[i] + step / (end - begin) * (1.0 - total)
        v = min(max(v, 0.0), 1.0)
        u[i] = v
        priced[i] = weight[i] * v
        uavg[i] += share * (v - uavg[i])


@jit
def fractional_value(lo, hi, indptr, indices, y, weight):
    value = 0.0
    for i in range(lo, hi):
        total = 0.0
        for q in range(indptr[i], indptr[i + 1]):
            total += y[indices[q]]
        value += weight[i] * min(1.0, total)
    return value


@jit
def _price(lo, hi, weight, u, priced):
    """Write what the rows pay to sites; returns what they keep."""
    kept = 0.0
    for i in range(lo, hi):
        priced[i] = weight[i] * u[i]
        kept += weight[i] * (1.0 - np.float64(u[i]))
    return kept


@jit
def moved_rows(lo, hi, indptr, weight, u, start):
    """Return the squared distance of two prices, weighted by degree and weight."""
    total = 0.0
    for i in range(lo, hi):
        d = np.float64(u[i]) - start[i]
        total += d * d * weight[i] * (indptr[i + 1] - indptr[i])
    return total


def knapsack(score: FloatArray, cost: FloatArray, budget: float) -> tuple[float, float]:
    """Return the most that fractional sites within the budget score, and the budget's price."""
    ratio = score / cost
    order = np.argsort(-ratio, kind="stable")
    spent = np.cumsum(cost[order])
    n = int(np.searchsorted(spent, budget, side="right"))
    total = float(score[order[:n]].sum())
    if n >= order.size:
        return total, 0.0
    left = budget - (float(spent[n - 1]) if n else 0.0)
    mu = max(0.0, float(ratio[order[n]]))
    return total + mu * left, mu


class Choice(Protocol):
    """What may be chosen where it is more than a budget."""

    def dues(self, z: FloatArray, tau: FloatArray) -> FloatArray:
        """Return what each site pays, so that ``clip(z - tau dues, 0, 1)`` is allowed."""

    def most(self, score: FloatArray) -> tuple[float, float]:
        """Return a bound on what any choice scores, and the budget's price."""


@dataclass
class DualState:
    """Everything the primal-dual steps carry from one check to the next.

    Prices and shares are single precision: they are rounded to whole numbers before anything is
    proven with them.
    """

    y: SingleArray
    u: SingleArray
    yavg: SingleArray
    uavg: SingleArray
    ystart: SingleArray
    ustart: SingleArray
    best_u: SingleArray
    best_y: SingleArray
    bound: float
    fractional: float
    mu: float
    step_mu: float
    omega: float
    distance: float
    step: int
    since: int

    ARRAYS = ("y", "u", "yavg", "uavg", "ystart", "ustart", "best_u", "best_y")
    NUMBERS = ("bound", "fractional", "mu", "step_mu", "omega", "distance", "step", "since")

    def saved(self) -> dict[str, Any]:
        """Return the state as plain arrays and numbers."""
        state: dict[str, Any] = {f"dual_{n}": getattr(self, n).copy() for n in self.ARRAYS}
        return {**state, **{f"dual_{n}": getattr(self, n) for n in self.NUMBERS}}

    def settle(self) -> None:
        """Keep the best prices and shares alone: no further step is taken."""
        self.u = self.uavg = self.ustart = self.best_u
        self.y = self.yavg = self.ystart = self.best_y

    @classmethod
    def restored(cls, state: dict[str, Any]) -> DualState:
        """Return the state that `saved` gave."""
        fields: dict[str, Any] = {n: np.array(state[f"dual_{n}"], np.float32) for n in cls.ARRAYS}
        fields.update({n: state[f"dual_{n}"] for n in cls.NUMBERS})
        return cls(**fields)


def bound_at(
    program: Program,
    u: SingleArray,
    weight: SingleArray,
    priced: SingleArray,
    choice: Choice | None = None,
) -> tuple[float, float]:
    """Return the bound at prices `u` in doubles, and the price of the budget.

    Parameters
    ----------
    priced : (n_row,) float32
        Output: weight times price.
    choice : Choice, optional
        In place of the budget alone.
    """
    kept = float(sum(spread(_price, pieces(program.n_row), weight, u, priced)))
    score = np.empty(program.n_site)
    csr = (program.site_indptr, program.site_indices)
    spread(site_scores, pieces(program.n_site), *csr, priced, score)
    if choice is not None:
        most, mu = choice.most(score)
    else:
        most, mu = knapsack(score, program.cost.astype(np.float64), float(program.budget))
    return kept + most, mu


def start_dual(program: Program, weight: SingleArray) -> DualState:
    """Return the first state: full prices, sites in even shares."""
    n, m = program.n_site, program.n_row
    y = np.full(n, min(1.0, program.budget / max(1.0, float(program.cost.sum()))), np.float32)
    u = np.ones(m, np.float32)
    bound, mu = bound_at(program, u, weight, np.empty(m, np.float32))
    return DualState(
        y, u, y.copy(), u.copy(), y.copy(), u.copy(), u.copy(), y.copy(),
        bound, 0.0, mu, mu, 1.0, np.inf, 0, 0,
    )  # fmt: skip


def step_dual(
    program: Program,
    weight: SingleArray,
    state: DualState,
    steps: int,
    tolerance: float,
    check: Callable[[DualState], bool],
    choice: Choice | None = None,
) -> None:
    """Improve bound and fractional plan until `steps`, `tolerance`, or `check` says stop.

    Parameters
    ----------
    weight : (n_row,) float32
        Of the program.
    state : DualState
        Changed in place.
    tolerance : float
        Relative distance between bound and fractional plan at which to end.
    check : callable
        Called every `CHECK` steps; true ends the run.
    choice : Choice, optional
        In place of the budget alone.
    """
    n, m = program.n_site, program.n_row
    rows, sites = pieces(m), pieces(n)
    cost = program.cost.astype(np.float64)
    score = np.empty(n)
    csr = (program.site_indptr, program.site_indices)
    csc = (program.row_indptr, program.row_indices)
    spread(site_scores, sites, *csr, weight, score)
    score = np.maximum(score, 1e-12)
    z, ybar = np.empty(n), state.y.copy()
    priced = weight * state.u
    while state.step < steps:
        tau, step = state.omega / score, 1.0 / state.omega
        for _ in range(CHECK):
            state.step += 1
            state.since += 1
            share = 1.0 / state.since
            spread(advance_sites, sites, *csr, priced, state.y, tau, z)
            if choice is not None:
                dues, price = choice.dues(z, tau), 1.0
            else:
                state.step_mu = project(z, tau, cost, float(program.budget), state.step_mu)
                dues, price = cost, state.step_mu
            spread(finish_sites, sites, z, tau, dues, price, state.y, ybar, state.yavg, share)
            spread(price_rows, rows, *csc, ybar, step, weight, state.u, priced, state.uavg, share)
        best_distance, at = np.inf, (state.u, state.y)
        for u, y in ((state.uavg, state.yavg), (state.u, state.y)):
            bound, mu = bound_at(program, u, weight, priced, choice)
            value = float(sum(spread(fractional_value, rows, *csc, y, weight)))
            if bound < state.bound:
                state.bound, state.mu = bound, mu
                state.best_u[:] = u
            if value > state.fractional:
                state.fractional = value
                state.best_y[:] = y
            if bound - value <= best_distance:
                best_distance, at = bound - value, (u, y)
        if best_distance <= 0.4 * state.distance or state.since >= 0.4 * state.step:
            restart(program, state, at, best_distance, score, weight)
            priced = weight * state.u
            ybar[:] = state.y
        if state.bound - state.fractional <= tolerance * state.bound or check(state):
            return


def restart(
    program: Program,
    state: DualState,
    at: tuple[SingleArray, SingleArray],
    distance: float,
    site_scale: FloatArray,
    weight: SingleArray,
) -> None:
    """Begin anew at the better point, with the primal weight moved to the observed ratio."""
    u, y = at
    moved_y = np.sqrt(float((np.square(y - state.ystart) * site_scale).sum()))
    parts = spread(moved_rows, pieces(program.n_row), program.row_indptr, weight, u, state.ustart)
    moved_u = np.sqrt(float(sum(parts)))
    if moved_y > 0 and moved_u > 0:
        state.omega = float(np.exp(0.5 * np.log(moved_y / moved_u) + 0.5 * np.log(state.omega)))
    state.ystart[:] = y
    state.ustart[:] = u
    for name in ("y", "yavg"):
        getattr(state, name)[:] = state.ystart
    for name in ("u", "uavg"):
        getattr(state, name)[:] = state.ustart
    state.since = 0
    state.distance = distance
