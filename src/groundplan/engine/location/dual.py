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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread

__all__ = ["DualState", "price", "start_dual", "step_dual"]

FloatArray = NDArray[np.float64]
#: Steps between two evaluations of bound and restart.
CHECK = 40


@jit
def _site_scores(lo, hi, indptr, indices, priced, out):
    for j in range(lo, hi):
        total = 0.0
        for q in range(indptr[j], indptr[j + 1]):
            total += priced[indices[q]]
        out[j] = total


@jit
def _advance(lo, hi, indptr, indices, priced, y, tau, z):
    for j in range(lo, hi):
        total = 0.0
        for q in range(indptr[j], indptr[j + 1]):
            total += priced[indices[q]]
        z[j] = y[j] + tau[j] * total


@jit
def project(z, tau, cost, budget, mu):
    """Return the price at which ``clip(z - tau mu f, 0, 1)`` spends the budget (Newton)."""
    lo = 0.0
    hi = np.inf
    for it in range(200):
        spent = 0.0
        slope = 0.0
        for j in range(z.size):
            v = z[j] - tau[j] * cost[j] * mu
            if v >= 1.0:
                spent += cost[j]
            elif v > 0.0:
                spent += cost[j] * v
                slope += cost[j] * cost[j] * tau[j]
        if mu == 0.0 and spent <= budget:
            return 0.0
        if abs(spent - budget) <= 1e-7 * budget:
            break
        if spent > budget:
            lo = mu
        else:
            hi = mu
        new = mu + (spent - budget) / slope if slope > 0.0 else -1.0
        if not (lo < new < hi):
            new = 0.5 * (lo + hi) if hi < np.inf else max(2.0 * mu, 1e-9)
        if it == 0 and spent < budget and new <= 0.0:
            new = 0.0
        mu = new
    return mu


@jit
def _finish(lo, hi, z, tau, cost, mu, y, ybar, yavg, share):
    for j in range(lo, hi):
        v = z[j] - tau[j] * cost[j] * mu
        v = min(max(v, 0.0), 1.0)
        ybar[j] = 2.0 * v - y[j]
        y[j] = v
        yavg[j] += share * (v - yavg[j])


@jit
def _price_rows(lo, hi, indptr, indices, ybar, sigma, weight, u, priced, uavg, share):
    for i in range(lo, hi):
        total = 0.0
        for q in range(indptr[i], indptr[i + 1]):
            total += ybar[indices[q]]
        v = u[i] + sigma[i] * (1.0 - total)
        v = min(max(v, 0.0), 1.0)
        u[i] = v
        priced[i] = weight[i] * v
        uavg[i] += share * (v - uavg[i])


@jit
def _fractional_value(lo, hi, indptr, indices, y, weight):
    value = 0.0
    for i in range(lo, hi):
        total = 0.0
        for q in range(indptr[i], indptr[i + 1]):
            total += y[indices[q]]
        value += weight[i] * min(1.0, total)
    return value


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


@dataclass
class DualState:
    """Everything the primal-dual steps carry from one check to the next."""

    y: FloatArray
    u: FloatArray
    yavg: FloatArray
    uavg: FloatArray
    ystart: FloatArray
    ustart: FloatArray
    best_u: FloatArray
    best_y: FloatArray
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

    @classmethod
    def restored(cls, state: dict[str, Any]) -> DualState:
        """Return the state that `saved` gave."""
        fields: dict[str, Any] = {n: np.array(state[f"dual_{n}"], np.float64) for n in cls.ARRAYS}
        fields.update({n: state[f"dual_{n}"] for n in cls.NUMBERS})
        return cls(**fields)


@dataclass(frozen=True)
class Program:
    """The covering problem on candidate sites alone; costs and budget as floats for the steps."""

    row_indptr: NDArray[np.int64]
    row_indices: NDArray[np.int32]
    site_indptr: NDArray[np.int64]
    site_indices: NDArray[np.int32]
    weight: NDArray[np.int64]
    cost: NDArray[np.int64]
    budget: int

    @property
    def n_row(self) -> int:
        """Number of merged rows."""
        return int(self.weight.size)

    @property
    def n_site(self) -> int:
        """Number of candidate sites."""
        return int(self.cost.size)


def price(program: Program, u: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Return the bound at prices `u` in doubles, and the price of the budget."""
    score = np.empty(program.n_site)
    ranges = chunks(program.n_site, 16)
    spread(_site_scores, ranges, program.site_indptr, program.site_indices, weight * u, score)
    most, mu = knapsack(score, program.cost.astype(np.float64), float(program.budget))
    return float((weight * (1.0 - u)).sum()) + most, mu


def start_dual(program: Program, weight: FloatArray) -> DualState:
    """Return the first state: full prices, sites in even shares."""
    n, m = program.n_site, program.n_row
    cost = program.cost.astype(np.float64)
    y = np.full(n, min(1.0, program.budget / max(1.0, cost.sum())))
    u = np.ones(m)
    bound, mu = price(program, u, weight)
    return DualState(
        y, u, y.copy(), u.copy(), y.copy(), u.copy(), u.copy(), y.copy(),
        bound, 0.0, mu, mu, 1.0, np.inf, 0, 0,
    )  # fmt: skip


def step_dual(
    program: Program,
    weight: FloatArray,
    state: DualState,
    steps: int,
    tolerance: float,
    check: Callable[[DualState], bool],
) -> None:
    """Improve bound and fractional plan until `steps`, `tolerance`, or `check` says stop.

    Parameters
    ----------
    weight : (n_row,) float64
        Of the program.
    state : DualState
        Changed in place.
    tolerance : float
        Relative distance between bound and fractional plan at which to end.
    check : callable
        Called every `CHECK` steps; true ends the run.
    """
    n, m = program.n_site, program.n_row
    rows, sites = chunks(m, 16), chunks(n, 16)
    cost = program.cost.astype(np.float64)
    score = np.empty(n)
    csr = (program.site_indptr, program.site_indices)
    csc = (program.row_indptr, program.row_indices)
    spread(_site_scores, sites, *csr, weight, score)
    score = np.maximum(score, 1e-12)
    degree = np.maximum(np.diff(program.row_indptr), 1).astype(np.float64)
    z, ybar = np.empty(n), state.y.copy()
    priced = weight * state.u
    while state.step < steps:
        tau, sigma = state.omega / score, 1.0 / (state.omega * degree)
        for _ in range(CHECK):
            state.step += 1
            state.since += 1
            share = 1.0 / state.since
            spread(_advance, sites, *csr, priced, state.y, tau, z)
            state.step_mu = project(z, tau, cost, float(program.budget), state.step_mu)
            _finish(0, n, z, tau, cost, state.step_mu, state.y, ybar, state.yavg, share)
            spread(_price_rows, rows, *csc, ybar, sigma, weight, state.u, priced, state.uavg, share)
        best_distance, at = np.inf, (state.u, state.y)
        for u, y in ((state.u, state.y), (state.uavg, state.yavg)):
            bound, mu = price(program, u, weight)
            value = float(sum(spread(_fractional_value, rows, *csc, y, weight)))
            if bound < state.bound:
                state.bound, state.mu = bound, mu
                state.best_u[:] = u
            if value > state.fractional:
                state.fractional = value
                state.best_y[:] = y
            if bound - value < best_distance:
                best_distance, at = bound - value, (u, y)
        if best_distance <= 0.4 * state.distance or state.since >= 0.4 * state.step:
            restart(state, at, best_distance, score, degree * weight)
            priced = weight * state.u
            ybar[:] = state.y
        if state.bound - state.fractional <= tolerance * state.bound or check(state):
            return


def restart(
    state: DualState,
    at: tuple[FloatArray, FloatArray],
    distance: float,
    site_scale: FloatArray,
    row_scale: FloatArray,
) -> None:
    """Begin anew at the better point, with the primal weight moved to the observed ratio."""
    u, y = at[0].copy(), at[1].copy()
    moved_y = float(np.sqrt((np.square(y - state.ystart) * site_scale).sum()))
    moved_u = float(np.sqrt((np.square(u - state.ustart) * row_scale).sum()))
    if moved_y > 0 and moved_u > 0:
        state.omega = float(np.exp(0.5 * np.log(moved_y / moved_u) + 0.5 * np.log(state.omega)))
    for name, value in (("y", y), ("yavg", y), ("ystart", y), ("u", u), ("uavg", u), ("ustart", u)):
        getattr(state, name)[:] = value
    state.since = 0
    state.distance = distance
