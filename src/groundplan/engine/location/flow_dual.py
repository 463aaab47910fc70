r"""Prices of flow refuelling: restarted averaged primal-dual steps on paths, windows and sites.

The relaxation ``max sum v_q z_q, z_q <= sum_{k in a} y_k`` for every window a of q, within the
budget. Prices are shares of the volume, ``lam_a = v_q u_a``; steps and restarts as in `dual`
(Chambolle and Pock 2011, doi 10.1007/s10851-010-0251-1; Applegate et al. 2021, arXiv 2106.04756).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit
from groundplan.engine.location.dual import knapsack, project
from groundplan.engine.location.flow_windows import Windows

__all__ = ["price_flow"]

FloatArray = NDArray[np.float64]
CHECK = 40


@jit
def _score(first, last, node, price, out):
    """Add up for each site the prices of the windows around it."""
    out[:] = 0.0
    for t in range(node.size):
        total = 0.0
        for w in range(first[t], last[t]):
            total += price[w]
        out[node[t]] += total


@jit
def _paths(window_ptr, u, z, zbar, zavg, omega, share):
    for q in range(window_ptr.size - 1):
        size = window_ptr[q + 1] - window_ptr[q]
        if size == 0:
            continue
        total = 0.0
        for w in range(window_ptr[q], window_ptr[q + 1]):
            total += u[w]
        v = min(1.0, max(0.0, z[q] + omega / size * (1.0 - total)))
        zbar[q] = 2.0 * v - z[q]
        z[q] = v
        zavg[q] += share * (v - zavg[q])


@jit
def _windows(lo, hi, node, path, ybar, zbar, omega, share, u, uavg):
    for w in range(lo.size):
        total = zbar[path[w]]
        for t in range(lo[w], hi[w]):
            total -= ybar[node[t]]
        v = max(0.0, u[w] + total / (omega * (1.0 + hi[w] - lo[w])))
        u[w] = v
        uavg[w] += share * (v - uavg[w])


@jit
def _plan_value(lo, hi, node, window_ptr, volume, y):
    value = 0.0
    for q in range(window_ptr.size - 1):
        if window_ptr[q + 1] == window_ptr[q]:
            continue
        least = 1.0
        for w in range(window_ptr[q], window_ptr[q + 1]):
            total = 0.0
            for t in range(lo[w], hi[w]):
                total += y[node[t]]
            least = min(least, total)
        value += volume[q] * least
    return value


def price_flow(
    windows: Windows,
    candidate: NDArray[np.bool_],
    cost: NDArray[np.int64],
    budget: int,
    *,
    steps: int,
    tolerance: float,
    look: Callable[[int, float], bool],
) -> tuple[FloatArray, float, FloatArray, float]:
    """Return prices of the windows, the budget's price, shares of the sites, and the bound.

    Parameters
    ----------
    windows : Windows
    candidate : (n_site,) bool
    cost : (n_site,) int64
        > 0.
    budget : int
    steps : int
    tolerance : float
        Relative distance of bound and fractional plan at which to end.
    look : callable
        ``look(step, bound)`` every `CHECK` steps; true ends the steps.
    """
    volume = windows.volume.astype(np.float64)
    live = np.diff(windows.window_ptr) > 0
    f = np.where(candidate, cost, 1).astype(np.float64)
    weight = volume[windows.window_path]
    n, m = windows.n_site, windows.n_window
    around = (windows.first, windows.last, windows.node)
    inside = (windows.lo, windows.hi, windows.node)
    scale, score = np.empty(n), np.empty(n)
    _score(*around, weight, scale)
    usable = candidate & (scale > 0)
    scale = np.maximum(scale, 1e-12)
    spread = np.where(usable, min(1.0, budget / max(1.0, float(f[usable].sum()))), 0.0)
    u = 1.0 / np.diff(windows.window_ptr)[windows.window_path].astype(np.float64)
    size = 1.0 + (windows.hi - windows.lo)

    def evaluate(prices: FloatArray) -> tuple[float, float]:
        asked = np.bincount(windows.window_path, prices, volume.size)
        slack = float((volume * np.maximum(1.0 - asked, 0.0))[live].sum())
        _score(*around, weight * prices, score)
        most, mu = knapsack(score[usable], f[usable], float(budget))
        return slack + most, mu

    best, mu = evaluate(u)
    best_u, best_y, fractional = u.copy(), spread.copy(), 0.0
    y, z = spread.copy(), np.ones(volume.size)
    ybar, zbar = y.copy(), z.copy()
    averages = [u.copy(), y.copy(), z.copy()]
    start = [u.copy(), y.copy(), z.copy()]
    omega, distance, since, step_mu = 1.0, np.inf, 0, mu
    for step in range(1, steps + 1):
        since += 1
        share = 1.0 / since
        uavg, yavg, zavg = averages
        tau = omega / scale
        _score(*around, weight * u, score)
        moved = np.where(usable, y + tau * score, 0.0)
        step_mu = project(moved, tau, f, float(budget), step_mu)
        new = np.where(usable, np.clip(moved - tau * f * step_mu, 0.0, 1.0), 0.0)
        ybar = 2.0 * new - y
        y = new
        yavg += share * (y - yavg)
        _paths(windows.window_ptr, u, z, zbar, zavg, omega, share)
        _windows(*inside, windows.window_path, ybar, zbar, omega, share, u, uavg)
        if step % CHECK and step != steps:
            continue
        nearest, at = np.inf, (u, y, z)
        for prices, plan, won in ((u, y, z), (uavg, yavg, zavg)):
            bound, its_mu = evaluate(prices)
            value = float(_plan_value(*inside, windows.window_ptr, volume, plan))
            if bound < best:
                best, mu, best_u = bound, its_mu, prices.copy()
            if value > fractional:
                fractional, best_y = value, plan.copy()
            if bound - value < nearest:
                nearest, at = bound - value, (prices, plan, won)
        if nearest <= 0.4 * distance or since >= 0.4 * step:
            u, y, z = (a.copy() for a in at)
            moved_y = (
                np.square(y - start[1]) @ scale
                + np.square(z - start[2])[live] @ (volume * np.diff(windows.window_ptr))[live]
            )
            moved_u = np.square(u - start[0]) @ (size * weight)
            if moved_y > 0 and moved_u > 0:
                omega = float(np.exp(0.5 * np.log(np.sqrt(moved_y / moved_u) * omega)))
            averages = [u.copy(), y.copy(), z.copy()]
            start = [u.copy(), y.copy(), z.copy()]
            ybar, zbar = y.copy(), z.copy()
            since, distance = 0, nearest
        if best - fractional <= tolerance * best or look(step, best):
            break
    if m == 0:
        return best_u, 0.0, best_y, 0.0
    return best_u, mu, best_y, best
