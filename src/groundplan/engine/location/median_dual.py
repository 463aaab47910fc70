r"""The bound of median and facility problems: primal-dual steps with the assignment eliminated.

For any prices ``lam_i`` every plan costs at least

.. math:: \sum_i w_i \lambda_i - \max_{y \in Y} \sum_j (\rho_j - f_j) y_j, \qquad
          \rho_j = \sum_i w_i (\lambda_i - c_{ij})^+ ,

with Y the plans ``0 <= y <= 1, sum y <= p`` (or no count at all). The saddle point over (y, lam)
is sought by alternating a projected step in y along extrapolated scores with the exact proximal
step in lam, which for each row walks its sites from the cheapest on (the price at which the
fractional sites within it make up one). Primal-dual methods for saddle functions that are not
bilinear: Hamedani and Aybat 2021, doi 10.1137/18M1213488; averaging, restarts and primal weight as
in PDLP (Applegate et al. 2021, arXiv 2106.04756).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit, spread
from groundplan.engine.location.dual import project
from groundplan.engine.location.near import Near

__all__ = ["MedianDual", "price_plan", "start_prices", "step_prices"]

FloatArray = NDArray[np.float64]
#: Steps between two evaluations of bound and restart.
CHECK = 20
#: Chunks of rows, each with scores of its own, so that sums do not depend on the threads.
PARTS = 8


@jit
def _price_rows(part, _end, edge, indptr, site, cost, weight, reach, y, pull, lam, lam_avg, share,
                rho):  # fmt: skip
    """Move the prices of one chunk of rows and add up the scores of the sites in ``rho[part]``.

    ``lam_i`` becomes the largest of ``l - sum_j (l - c_ij)+ y_j - pull_i (l - lam_i)^2 / 2``; a
    negative pull leaves prices as they are.
    """
    mine = rho[part]
    mine[:] = 0.0
    for i in range(edge[part], edge[part + 1]):
        q0, q1 = indptr[i], indptr[i + 1]
        if pull[i] >= 0.0:
            total = 0.0
            old = lam[i]
            new = reach[i]
            floor = 0.0
            for q in range(q0, q1 + 1):
                top = cost[q] if q < q1 else reach[i]
                root = old + (1.0 - total) / pull[i]
                if root <= top:
                    new = max(floor, root)
                    break
                if q < q1:
                    floor = top
                    total += y[site[q]]
            lam[i] = min(max(new, 0.0), reach[i])
            lam_avg[i] += share * (lam[i] - lam_avg[i])
        v = lam[i]
        w = weight[i]
        for q in range(q0, q1):
            d = v - cost[q]
            if d <= 0.0:
                break
            mine[site[q]] += w * d


@jit
def _measure(part, _end, edge, indptr, site, cost, weight, lam, degree, mass):
    """Count the sites below each row's price and the weight that each site could serve."""
    mine = mass[part]
    mine[:] = 0.0
    for i in range(edge[part], edge[part + 1]):
        n = 0
        for q in range(indptr[i], indptr[i + 1]):
            if cost[q] >= lam[i]:
                break
            n += 1
            mine[site[q]] += weight[i]
        degree[i] = max(1, n)


@jit
def _fill(part, _end, edge, indptr, site, cost, weight, reach, y, lam):
    """Return what fractional sites cost the rows; `lam` becomes the dearest share of each."""
    total = 0.0
    for i in range(edge[part], edge[part + 1]):
        left = 1.0
        lam[i] = reach[i]
        for q in range(indptr[i], indptr[i + 1]):
            share = min(left, y[site[q]])
            total += weight[i] * share * cost[q]
            left -= share
            if left <= 1e-12:
                lam[i] = cost[q]
                break
        if left > 1e-12:
            total += weight[i] * left * reach[i]
    return total


@dataclass
class MedianDual:
    """Prices, fractional plan and all that the steps carry on.

    `bound` is the best value of the dual function (in doubles), `fractional` the cheapest
    fractional plan seen; without list ends they enclose the value of the linear relaxation.
    """

    y: FloatArray
    lam: FloatArray
    rho: FloatArray
    best_lam: FloatArray
    best_rho: FloatArray
    best_y: FloatArray
    bound: float
    fractional: float
    omega: float
    step: int = 0


@dataclass(frozen=True)
class Choice:
    """What may be opened: at most p of the candidates, at costs f.

    Attributes
    ----------
    candidate : (n_site,) bool
    cost : (n_site,) float64
    p : int
        The number of candidates where nothing limits the count.
    """

    candidate: NDArray[np.bool_]
    cost: FloatArray
    p: int

    def most(self, rho: FloatArray) -> float:
        """Return the largest ``sum (rho_j - f_j) y_j``."""
        gain = (rho - self.cost)[self.candidate]
        if self.p <= 0:
            return 0.0
        if self.p < gain.size:
            gain = np.partition(gain, gain.size - self.p)[gain.size - self.p :]
        return float(gain[gain > 0].sum())

    @cached_property
    def is_counted(self) -> bool:
        """Whether p leaves anything out."""
        return self.p < int(self.candidate.sum())

    def project(self, z: FloatArray, tau: FloatArray, mu: float) -> float:
        """Bring `z` to what may be opened, in place; returns the price of the count."""
        if self.is_counted:
            closed = ~self.candidate
            mu = project(z, np.where(closed, 0.0, tau), np.ones(z.size), float(self.p), mu)
            z -= np.where(closed, 0.0, tau) * mu
        return mu

    def rounded(self, y: FloatArray, *, is_counted: bool) -> NDArray[np.int64]:
        """Return the places of the p largest shares, or of all above one half."""
        order = np.argsort(-y, kind="stable")
        return order[: self.p] if is_counted else order[y[order] > 0.5]

    def thresholds(self, gain: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what leaves when a site is opened, and what comes when one is closed."""
        ranked = np.sort(gain)[::-1]
        left = self.p
        inside = max(0.0, float(ranked[left - 1])) if 0 < left <= ranked.size else 0.0
        outside = max(0.0, float(ranked[left])) if left < ranked.size else 0.0
        return np.full(gain.size, inside), np.full(gain.size, outside)


def edges(n: int) -> NDArray[np.int64]:
    """Return the ends of the chunks of rows."""
    return np.linspace(0, n, PARTS + 1).astype(np.int64)


PART_RANGES = [(k, k + 1) for k in range(PARTS)]


def scores(near: Near, lam: FloatArray) -> FloatArray:
    """Return ``rho``."""
    rho = np.zeros((PARTS, near.n_site))
    still = np.full(near.n_row, -1.0)
    spread(
        _price_rows, PART_RANGES, edges(near.n_row), near.indptr, near.site, near.cost, near.weight,
        near.reach, np.empty(0), still, lam, np.empty(0), 0.0, rho,
    )  # fmt: skip
    return np.asarray(rho.sum(axis=0))


def price_plan(near: Near, y: FloatArray) -> tuple[float, FloatArray]:
    """Return what the fractional plan costs the rows, and the row's dearest shares."""
    lam = np.empty(near.n_row)
    parts = spread(
        _fill, PART_RANGES, edges(near.n_row), near.indptr, near.site, near.cost, near.weight,
        near.reach, y, lam,
    )  # fmt: skip
    return float(sum(parts)), lam


def start_prices(near: Near, choice: Choice, lam: FloatArray | None = None) -> MedianDual:
    """Return the first state: sites in even shares, prices that such shares make."""
    n = max(1, int(choice.candidate.sum()))
    y = np.where(choice.candidate, min(1.0, choice.p / n), 0.0)
    if choice.p >= n:
        y *= 0.1
    rows, level = price_plan(near, y)
    fractional = rows + float(choice.cost @ y)
    if lam is None:
        lam = level
    lam = np.minimum(lam, near.reach)
    rho = scores(near, lam)
    bound = float(near.weight @ lam) - choice.most(rho)
    spread_ = float(near.weight @ lam) / max(1e-300, float(near.weight.sum()))
    # rows without weight or cost must not make the first step endless
    spread_ = max(spread_, 1e-9 * (1.0 + float(near.reach.max(initial=0.0))))
    omega = (min(1.0, choice.p / n)) ** 0.75 / spread_
    return MedianDual(
        y, lam.copy(), rho, lam.copy(), rho.copy(), y.copy(), bound, fractional, omega
    )


def step_prices(
    near: Near,
    choice: Choice,
    state: MedianDual,
    steps: int,
    tolerance: float,
    check: Callable[[MedianDual], bool],
    halt: Callable[[], bool] = lambda: False,
) -> None:
    """Improve bound and fractional plan until `steps` more, `tolerance`, or `check` says stop.

    `halt` is polled at every step: once it says so, what stands is measured, and `check` decides.
    """
    edge = edges(near.n_row)
    lists = (edge, near.indptr, near.site, near.cost, near.weight)
    n = near.n_site
    buffer = np.zeros((PARTS, n))
    degree = np.ones(near.n_row)
    mu = 0.0
    closed = ~choice.candidate
    last_rho = state.rho.copy()
    y_avg, lam_avg = state.y.copy(), state.lam.copy()
    y_start, lam_start = state.y.copy(), state.lam.copy()
    distance, since, first = np.inf, 0, state.step
    fresh = True
    while state.step - first < steps:
        if fresh:
            spread(_measure, PART_RANGES, *lists, state.lam, degree, buffer)
            mass = np.maximum(buffer.sum(axis=0), 1e-9 * (1.0 + near.weight.max(initial=0.0)))
            fresh = False
        tau, pull = state.omega / mass, state.omega * degree
        for _ in range(CHECK):
            state.step += 1
            since += 1
            z = state.y + tau * (2.0 * state.rho - last_rho - choice.cost)
            z[closed] = 0.0
            mu = choice.project(z, tau, mu)
            state.y = np.clip(z, 0.0, 1.0)
            y_avg += (state.y - y_avg) / since
            last_rho = state.rho
            spread(_price_rows, PART_RANGES, *lists, near.reach, state.y, pull, state.lam, lam_avg,
                   1.0 / since, buffer)  # fmt: skip
            state.rho = buffer.sum(axis=0)
            if halt():
                break
        best, at = np.inf, (state.lam, state.y, state.rho)
        for lam, y, rho in (
            (state.lam, state.y, state.rho),
            (lam_avg, y_avg, scores(near, lam_avg)),
        ):
            bound = float(near.weight @ lam) - choice.most(rho)
            value = price_plan(near, y)[0] + float(choice.cost @ y)
            if bound > state.bound:
                state.bound = bound
                state.best_lam, state.best_rho = lam.copy(), rho.copy()
            if value < state.fractional:
                state.fractional = value
                state.best_y = y.copy()
            if value - bound < best:
                best, at = value - bound, (lam, y, rho)
        if best <= 0.4 * distance or since >= 0.4 * (state.step - first):
            lam, y, rho = (a.copy() for a in at)
            moved_y = float(np.sqrt((np.square(y - y_start) * mass).sum()))
            moved_lam = float(np.sqrt((np.square(lam - lam_start) * degree * near.weight).sum()))
            if moved_y > 0 and moved_lam > 0:
                state.omega = float(np.sqrt(state.omega * moved_y / moved_lam))
            state.y, state.lam, state.rho, last_rho = y, lam, rho, rho.copy()
            y_avg, lam_avg, y_start, lam_start = y.copy(), lam.copy(), y.copy(), lam.copy()
            since, distance, fresh = 0, best, True
        if state.fractional - state.bound <= tolerance * state.fractional or check(state):
            return
