"""Improvement by windows: neighbouring sites are chosen anew, exactly, with all others fixed.

In a window only the rows count that no site outside covers. A few subgradient steps turn the prices
into prices of the window; their bound minus the value of the present choice is what a better choice
may lose, and `frontier.explore` looks for one that loses less. Windows lie in bands that are wider
than two reaches: bands of one colour share no row and are worked side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit, spread
from groundplan.engine.location.frontier import explore, seat_sites
from groundplan.engine.location.program import Program
from groundplan.engine.location.tiles import Tiles, cut_tiles

__all__ = ["Bands", "improve_windows", "lay_bands"]

FloatArray = NDArray[np.float64]
#: Subgradient steps for the prices of a window; more prune no better (docs/location).
STEPS = 40
#: Bands worked between two looks at whether to stop.
GROUP = 8


@jit
def _own_prices(n, indptr, indices, whole, worth, cost, lam, least):
    """Lower the bound of a window by Polyak steps towards `least`; prices in `lam`."""
    m = whole.size
    trial = lam.copy()
    cover = np.empty(m, np.int64)
    best = np.inf
    for step in range(STEPS + 1):
        bound = 0.0
        for i in range(m):
            bound += whole[i] - trial[i]
            cover[i] = -1
        for j in range(n):
            score = 0.0
            for q in range(indptr[j], indptr[j + 1]):
                score += trial[indices[q]]
            if score > worth * cost[j]:
                bound += score - worth * cost[j]
                for q in range(indptr[j], indptr[j + 1]):
                    cover[indices[q]] += 1
        if bound < best:
            best = bound
            lam[:] = trial
        if step == STEPS or bound <= least:
            break
        norm = 0.0
        for i in range(m):
            if (cover[i] > 0 and trial[i] > 0) or (cover[i] < 0 and trial[i] < whole[i]):
                norm += cover[i] * cover[i] * whole[i]
        if norm == 0.0:
            break
        length = (bound - least) / norm
        for i in range(m):
            v = trial[i] - length * cover[i] * whole[i]
            trial[i] = min(max(v, 0.0), whole[i])


@jit
def _shift(site, site_indptr, site_indices, chosen, count, step):
    for k in range(site.size):
        j = site[k]
        if chosen[j]:
            for q in range(site_indptr[j], site_indptr[j + 1]):
                count[site_indices[q]] += step


@jit
def _improve(
    band, _end, first, start, order, site_indptr, site_indices, whole, price, cost, worth,
    cap, chosen, count,
):  # fmt: skip
    local = np.full(whole.size, -1, np.int32)
    gained = np.int64(0)
    worked = np.int64(0)
    for t in range(first[band], first[band + 1]):
        site = order[start[t] : start[t + 1]]
        n = site.size
        _shift(site, site_indptr, site_indices, chosen, count, -1)
        pairs = 0
        for k in range(n):
            pairs += site_indptr[site[k] + 1] - site_indptr[site[k]]
        indptr, indices = np.zeros(n + 1, np.int64), np.empty(pairs, np.int32)
        rows = np.empty(pairs, np.int32)
        m = 0
        at = 0
        for k in range(n):
            j = site[k]
            for q in range(site_indptr[j], site_indptr[j + 1]):
                i = site_indices[q]
                if count[i]:
                    continue
                if local[i] < 0:
                    local[i] = m
                    rows[m] = i
                    m += 1
                indices[at] = local[i]
                at += 1
            indptr[k + 1] = at
        indices = indices[:at]
        w, lam = np.empty(m), np.empty(m)
        for i in range(m):
            local[rows[i]] = -1
            w[i] = whole[rows[i]]
            lam[i] = price[rows[i]]
        # value of the present choice at the price of the budget
        value = np.int64(0)
        seen = np.zeros(m, np.bool_)
        dues = np.empty(n, np.int64)
        for k in range(n):
            dues[k] = np.int64(worth * cost[site[k]])
            if chosen[site[k]]:
                value -= dues[k]
                for q in range(indptr[k], indptr[k + 1]):
                    if not seen[indices[q]]:
                        seen[indices[q]] = True
                        value += np.int64(w[indices[q]])
        _own_prices(n, indptr, indices, w, worth, cost[site], lam, np.float64(value))
        whole_w, whole_lam = np.empty(m, np.int64), np.empty(m, np.int64)
        bound = np.int64(0)
        for i in range(m):
            whole_w[i] = np.int64(w[i])
            whole_lam[i] = min(np.int64(lam[i]), whole_w[i])
            bound += whole_w[i] - whole_lam[i]
        reduced = np.empty(n, np.int64)
        for k in range(n):
            score = np.int64(0)
            for q in range(indptr[k], indptr[k + 1]):
                score += whole_lam[indices[q]]
            reduced[k] = score - dues[k]
            bound += max(np.int64(0), reduced[k])
        last, clear = np.empty(m, np.int32), np.empty(n, np.uint64)
        if bound > value and seat_sites(n, indptr, indices, last, clear):
            trace, profile = np.empty(n * cap, np.int32), np.empty(n, np.int64)
            choice = np.empty(n, np.bool_)
            rest = np.zeros(n, np.int64)
            least, _proven, states = explore(
                n, indptr, indices, whole_w, whole_lam, reduced, last, clear, rest,
                bound - value, cap, profile, trace, choice,
            )  # fmt: skip
            worked += states
            if least < bound - value:
                gained += bound - value - least
                for k in range(n):
                    chosen[site[k]] = choice[k]
        _shift(site, site_indptr, site_indices, chosen, count, 1)
    return gained, worked


class Bands:
    """Windows in bands.

    Attributes
    ----------
    tiles : Tiles
        The windows, band after band.
    first : (n_band + 1,) int64
        First window of each band.
    """

    def __init__(self, tiles: list[Tiles]) -> None:
        self.first = np.zeros(len(tiles) + 1, np.int64)
        np.cumsum([len(t) for t in tiles], out=self.first[1:])
        start, base = [np.zeros(1, np.int64)], 0
        for t in tiles:
            start.append(t.start[1:] + base)
            base += t.site.size
        self.tiles = Tiles(np.concatenate(start), np.concatenate([t.site for t in tiles]))


def lay_bands(
    program: Program,
    x: FloatArray,
    y: FloatArray,
    reach: float,
    *,
    shift: float,
    sites_max: int,
    width_max: int,
    site: NDArray[np.int32] | None = None,
) -> Bands:
    """Cut the sites into bands across `y`, and each band into windows.

    Parameters
    ----------
    x, y : (n_site,) float64
    reach : float
        Largest reach of a site; 0 where sites have no place: one band then.
    shift : float
        Where in 0..1 of a band the first border lies.
    sites_max, width_max : int
        Of a window, see `cut_tiles`.
    site : (n,) int32, optional
        Only these sites.
    """
    if reach <= 0.0:
        return Bands(
            [cut_tiles(program, x, y, sites_max=sites_max, width_max=width_max, site=site)]
        )
    mine = np.arange(program.n_site, dtype=np.int32) if site is None else site
    y_mine = y[mine]
    span = float(np.ptp(y_mine))
    # wide enough for a frontier of about `width_max`, never narrower than two reaches
    dense = mine.size * 2.0 * reach / max(float(np.ptp(x[mine])) * span, 1e-9)
    high = max(2.002 * reach, width_max / dense / 1.2 if dense > 0 else span)
    number = np.floor((y_mine - y_mine.min()) / high + shift).astype(np.int64)
    order = np.argsort(number, kind="stable")
    edge = np.searchsorted(number[order], np.arange(int(number.max(initial=0)) + 2))
    return Bands(
        [
            cut_tiles(
                program,
                x,
                y,
                sites_max=sites_max,
                width_max=width_max,
                site=np.sort(mine[order[a:b]]),
            )
            for a, b in pairwise(edge)
        ]
    )


def improve_windows(
    program: Program,
    bands: Bands,
    whole: NDArray[np.int64],
    price: NDArray[np.int64],
    worth: float,
    cap: int,
    chosen: NDArray[np.bool_],
    count: NDArray[np.int16],
    halt: Callable[[], bool] = lambda: False,
) -> tuple[int, int]:
    """Choose every window anew where that gains.

    Parameters
    ----------
    whole, price : (n_row,) int64
        Weight and price of each row in the same whole units.
    worth : float
        Price of one unit of budget, in these units.
    cap : int
        Most states of a search.
    chosen, count : (n_site,) bool, (n_row,)
        Plan and cover counts, changed in place.
    halt : callable
        Asked between groups of bands; true leaves the bands that remain as they are.

    Returns
    -------
    (gained, worked) : (int, int)
        Gain at the price of the budget, in these units; states that the searches worked on.
    """
    arrays = (
        bands.first, bands.tiles.start, bands.tiles.site, program.site_indptr,
        program.site_indices, whole, price, program.cost, worth, cap, chosen, count,
    )  # fmt: skip
    gained = worked = 0
    for colour in (0, 1):
        ranges = [(b, b + 1) for b in range(colour, bands.first.size - 1, 2)]
        for a in range(0, len(ranges), GROUP):
            for gain, states in spread(_improve, ranges[a : a + GROUP], *arrays):
                gained, worked = gained + int(gain), worked + int(states)
            if halt():
                return gained, worked
    return gained, worked
