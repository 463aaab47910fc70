r"""Closing, opening and exchanging sites, each move bounded by prices before it is tried.

At least-cost service from the open sites S, with prices u of their capacities, a unit at row i is
worth ``v_i = min_S e_ij + u_j``. By weak duality, closing j and opening k changes the cost by at
least

.. math:: u_j \, \text{cap}_j + \sum_i d_i (v'_i - v_i) - f_j - \rho_k(v') + f_k,

with v' the worths without j and ``rho_k`` the fractional knapsack of k at those worths. So a move
whose bound says that it cannot pay needs no service of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_dual import Pricing
from groundplan.engine.location.capacity_sets import keeping_moves
from groundplan.engine.location.transport import Transport, open_costs

__all__ = ["Moves", "descend", "list_moves"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: A gain below this share of the cost is taken for rounding.
ROUNDING = 1e-9
#: Moves, closed and opened site (-1: none) and the least change of cost.
Moves = tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]


def list_moves(pricing: Pricing, transport: Transport, opened: BoolArray, most: int) -> Moves:
    """Return the `most` likeliest moves away from a set of open sites, by their least change."""
    p = pricing.problem
    sites = np.flatnonzero(opened)
    _, _, unit = transport.solve(opened)
    each = open_costs(p, sites) + unit
    number = np.arange(p.n_row)
    best = each.argmin(axis=1)
    worth = each[number, best]
    each[number, best] = np.inf
    second = each.min(axis=1)
    # a row that nobody else may serve is worth more than any service costs
    dear = 2.0 * float((p.cost / p.demand[p.row]).max(initial=0.0) + unit.max(initial=0.0)) + 1.0
    second[~np.isfinite(second)] = dear
    need, room = int(p.demand.sum()), int(p.capacity[opened].sum())
    outside = np.flatnonzero(pricing.free & ~opened)
    may_add = int((opened & pricing.free).sum()) < pricing.at_most
    limits = pricing.limits
    held = None if limits is None else limits.counts(opened & pricing.free)
    closed: list[NDArray[np.int64]] = []
    new: list[NDArray[np.int64]] = []
    change: list[FloatArray] = []

    def keep(site: int, ks: NDArray[np.int64], changes: FloatArray) -> None:
        if limits is not None and held is not None:
            kept = keeping_moves(limits, held, site, ks)
            ks, changes = ks[kept], changes[kept]
        order = np.argsort(changes, kind="stable")[:most]
        closed.append(np.full(order.size, site))
        new.append(ks[order])
        change.append(changes[order])

    if may_add:
        keep(-1, outside, (pricing.fee - pricing.gains(worth))[outside])
    for e in np.flatnonzero(pricing.free[sites]):
        site = int(sites[e])
        mine = best == e
        left = np.where(mine, second, worth)
        loss = float(unit[e]) * int(p.capacity[site]) - float(pricing.fee[site])
        loss += float(((second - worth) * p.demand)[mine].sum())
        rest = room - int(p.capacity[site])
        if rest >= need:
            keep(site, np.array([-1]), np.array([loss]))
        fits = outside[rest + p.capacity[outside] >= need]
        if fits.size:
            keep(site, fits, loss + (pricing.fee - pricing.gains(left))[fits])
    j, k = np.concatenate([*closed, []]), np.concatenate([*new, []])
    gain = np.concatenate([*change, []])
    order = np.argsort(gain, kind="stable")[:most]
    return j[order].astype(np.int64), k[order].astype(np.int64), gain[order]


def move(opened: BoolArray, closed: int, new: int) -> BoolArray:
    """Return the set of open sites after a move."""
    out = opened.copy()
    if closed >= 0:
        out[closed] = False
    if new >= 0:
        out[new] = True
    return out


def descend(
    pricing: Pricing,
    transport: Transport,
    opened: BoolArray,
    *,
    most: int,
    enough: int,
    halt: Callable[[], bool],
) -> BoolArray:
    """Take the best of the likeliest moves while one of them pays.

    Parameters
    ----------
    pricing : Pricing
    transport : Transport
    opened : (n_site,) bool
        Sites that can serve every row.
    most : int
        Moves tried from one set at most.
    enough : int
        Moves tried after which the best that pays is taken.
    halt : callable
    """

    def total(sites: BoolArray) -> float:
        return transport.cost(sites) + float(pricing.fee[sites].sum())

    value = total(opened)
    while np.isfinite(value) and not halt():
        best, found = value, None
        tried = zip(*list_moves(pricing, transport, opened, most), strict=True)
        for number, (j, k, least) in enumerate(tried):
            if value + least >= best - ROUNDING * abs(best) or (
                found is not None and number >= enough
            ):
                break
            trial = move(opened, int(j), int(k))
            cost = total(trial)
            if cost < best - ROUNDING * abs(best):
                best, found = cost, trial
            if halt():
                break
        if found is None:
            break
        opened, value = found, best
    return opened
