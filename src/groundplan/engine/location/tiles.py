r"""The bound below the linear program: what every tile of sites must lose against the prices.

Sites are cut into tiles. A row that sites of one tile alone reach keeps its whole weight there; a
row on a border is worth its price :math:`\lambda_i` to every tile that covers it (Lagrangian
relaxation of the coupling between tiles; Senne, Pereira and Lorena 2010 cut in this way). Then

.. math:: \sum_i (w_i - \lambda_i) + \sum_j (s_j - \mu f_j)^+ + \mu B - \sum_t P_t

bounds every plan, :math:`P_t` being the least loss of any choice in tile t (see `frontier`). Long
tiles are searched in two stages: short segments first, whose losses add up to what the rest of the
tile must still lose, and then the whole tile with that knowledge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit, spread
from groundplan.engine.location.check_tiles import SEGMENT
from groundplan.engine.location.frontier import WIDTH_MAX, explore, frontier_width, seat_sites
from groundplan.engine.location.program import Program

__all__ = ["Losses", "Tiles", "cut_tiles", "lift_bound"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
#: A strip that is a little wider than asked stays whole: halves would be far too narrow.
SLACK = 1.3


@dataclass(frozen=True)
class Tiles:
    """Sites cut into tiles, each in the order of its sweep.

    Attributes
    ----------
    start : (n_tile + 1,) int64
        First place of each tile in `site`.
    site : (n_site,) int32
    """

    start: IntArray
    site: NDArray[np.int32]

    def __len__(self) -> int:
        return self.start.size - 1


@dataclass(frozen=True)
class Losses:
    """What every choice in a tile loses at least.

    Attributes
    ----------
    tiles : Tiles
    loss : (n_tile,) int64
    part_start : (n_tile + 1,) int64
        First segment of each tile in `part_loss`.
    part_loss : (n_part,) int64
        The same of every segment alone.
    worked : int
        States that the searches worked on.
    """

    tiles: Tiles
    loss: IntArray
    part_start: IntArray
    part_loss: IntArray
    worked: int

    def total(self) -> int:
        """Return what all tiles lose together."""
        return int(self.loss.sum())

    def record(self, site: NDArray[np.int32]) -> dict[str, NDArray[np.integer]]:
        """Return the tiles that lose anything as a certificate keeps them; `site` names sites."""
        kept = np.flatnonzero(self.loss > 0)
        start, part = self.tiles.start, self.part_start
        sites = [self.tiles.site[start[t] : start[t + 1]] for t in kept]
        parts = [self.part_loss[part[t] : part[t + 1]] for t in kept]
        return {
            "tile_start": np.concatenate([[0], np.cumsum([s.size for s in sites])]),
            "tile_site": site[np.concatenate(sites)],
            "tile_part": np.concatenate(parts),
            "tile_loss": self.loss[kept],
        }


def cut_tiles(
    program: Program,
    x: FloatArray,
    y: FloatArray,
    *,
    sites_max: int,
    width_max: int,
    site: NDArray[np.int32] | None = None,
) -> Tiles:
    """Cut the sites into tiles that a sweep can search.

    A tile is swept along its longer side. Where its frontier is wider than `width_max` it is cut
    into strips along the sweep, where it has more than `sites_max` sites, across it.

    Parameters
    ----------
    x, y : (n_site,) float64
        Positions, or any numbers that put sites which share rows near each other.
    sites_max : int
    width_max : int
        At most `WIDTH_MAX`.
    site : (n,) int32, optional
        Only these sites.
    """
    last = np.empty(program.n_row, np.int32)
    width_max = min(width_max, WIDTH_MAX)
    done: list[NDArray[np.int32]] = []
    waiting = [np.arange(program.n_site, dtype=np.int32) if site is None else site]
    while waiting:
        site = waiting.pop()
        if site.size == 0:
            continue
        along, across = (x, y) if np.ptp(x[site]) >= np.ptp(y[site]) else (y, x)
        order = site[np.lexsort((site, along[site]))]
        # an eighth of a long sweep tells how wide it is
        size = max(2 * sites_max, order.size // 8)
        begin = max(0, (order.size - size) // 2)
        piece = order if order.size <= sites_max else order[begin : begin + size]
        width = int(frontier_width(piece, program.site_indptr, program.site_indices, last))
        if width > min(WIDTH_MAX, SLACK * width_max) and np.ptp(across[site]) > 0:
            order = site[np.lexsort((site, across[site]))]
            parts = -(-width // width_max)
        elif order.size > sites_max:
            parts = min(8, -(-order.size // sites_max))
        elif width > min(WIDTH_MAX, SLACK * width_max):
            parts = 2
        else:
            done.append(order)
            continue
        waiting += np.array_split(order, parts)[::-1]
    start = np.zeros(len(done) + 1, np.int64)
    np.cumsum([t.size for t in done], out=start[1:])
    return Tiles(start, np.concatenate(done) if done else np.empty(0, np.int32))


@jit
def load_tile(site, site_indptr, site_indices, local, indptr, rows):
    """Give the rows of a tile numbers from 0.

    Parameters
    ----------
    local : (n_row,) int32
        All -1; the caller sets it back by `rows`.
    indptr : (n + 1,) int64
        Output.
    rows : (n_pair,) int32
        Output: row of each local number.

    Returns
    -------
    (indices, n_row)
        Local rows of the sites one after another, and how many rows there are.
    """
    n = site.size
    total = 0
    for k in range(n):
        total += site_indptr[site[k] + 1] - site_indptr[site[k]]
    indices = np.empty(total, np.int32)
    m = 0
    at = 0
    indptr[0] = 0
    for k in range(n):
        j = site[k]
        for q in range(site_indptr[j], site_indptr[j + 1]):
            i = site_indices[q]
            if local[i] < 0:
                local[i] = m
                rows[m] = i
                m += 1
            indices[at] = local[i]
            at += 1
        indptr[k + 1] = at
    return indices, m


@jit
def tile_loss(
    site, site_indptr, site_indices, row_indptr, whole, price, reduced, rest, first, cap,
    local, profile,
):  # fmt: skip
    """Return a loss that no choice of the sites in `site` can go below, and the states worked on.

    Parameters
    ----------
    site : (n,) int32
        In the order of the sweep.
    rest : (n,) int64
        A loss that is certain after each decision.
    first : int
        First limit to try beyond what is certain already; doubled until the search ends.
    local : (n_row,) int32
        All -1.
    profile : (n,) int64
        Output of the last search.
    """
    n = site.size
    pairs = 0
    for k in range(n):
        pairs += site_indptr[site[k] + 1] - site_indptr[site[k]]
    indptr = np.empty(n + 1, np.int64)
    rows = np.empty(pairs, np.int32)
    indices, m = load_tile(site, site_indptr, site_indices, local, indptr, rows)
    degree = np.zeros(m, np.int64)
    for q in range(indices.size):
        degree[indices[q]] += 1
    w, lam = np.empty(m, np.int64), np.empty(m, np.int64)
    for i in range(m):
        r = rows[i]
        local[r] = -1
        lam[i] = price[r]
        # a row that others reach as well is worth its price here
        w[i] = whole[r] if degree[i] == row_indptr[r + 1] - row_indptr[r] else price[r]
    rc = np.empty(n, np.int64)
    for k in range(n):
        rc[k] = reduced[site[k]]
    last, clear = np.empty(m, np.int32), np.empty(n, np.uint64)
    if not seat_sites(n, indptr, indices, last, clear):
        profile[:n] = 0
        return np.int64(0), np.int64(0)
    base = rest[0] if n else 0
    none = np.empty(0, np.int32)
    flag = np.empty(0, np.bool_)
    proven = np.int64(base)
    worked = np.int64(0)
    step = max(np.int64(1), first)
    while True:
        limit = base + step
        _best, found, states = explore(
            n, indptr, indices, w, lam, rc, last, clear, rest, limit, cap, profile,
            none, flag,
        )  # fmt: skip
        proven = max(proven, found)
        worked += states
        if found < limit or step > np.int64(1) << np.int64(60):
            return proven, worked
        step *= 2


@jit
def _lift(
    lo, hi, start, order, site_indptr, site_indices, row_indptr, whole, price, reduced,
    first, cap, part_start, part_loss, loss, worked,
):  # fmt: skip
    local = np.full(whole.size, -1, np.int32)
    for t in range(lo, hi):
        site = order[start[t] : start[t + 1]]
        n = site.size
        parts = part_start[t + 1] - part_start[t]
        rest = np.zeros(n, np.int64)
        certain = np.zeros(parts + 1, np.int64)
        profile = np.zeros(n, np.int64)
        for part in range(parts - 1, -1, -1):
            a, b = n * part // parts, n * (part + 1) // parts
            # swept backwards, so that its profile tells what the rest of the segment must lose
            back = site[a:b][::-1].copy()
            nothing = np.zeros(b - a, np.int64)
            mine, states = tile_loss(
                back, site_indptr, site_indices, row_indptr, whole, price, reduced, nothing,
                first, cap, local, profile,
            )  # fmt: skip
            worked[t] += states
            certain[part] = certain[part + 1] + mine
            part_loss[part_start[t] + part] = mine
            for k in range(a, b):
                # after the decision on k the sites k + 1 .. b - 1 remain
                left = b - 2 - k
                rest[k] = certain[part + 1] + (profile[left] if left >= 0 else 0)
        if parts > 1:
            # no choice loses less than its segments together
            whole_rest = rest.copy()
            mine, states = tile_loss(
                site, site_indptr, site_indices, row_indptr, whole, price, reduced, whole_rest,
                first + certain[0] - rest[0], cap, local, profile,
            )  # fmt: skip
            loss[t] = max(certain[0], mine)
            worked[t] += states
        else:
            loss[t] = certain[0]


def lift_bound(
    program: Program,
    tiles: Tiles,
    whole: IntArray,
    price: IntArray,
    reduced: IntArray,
    *,
    first: int,
    cap: int,
    chunk: int = 16,
    tick: Callable[[int], bool] = lambda _done: False,
) -> Losses:
    """Return a loss for each tile that no choice of its sites can go below.

    Parameters
    ----------
    whole, price : (n_row,) int64
        Weight and price of each row in the same whole units.
    reduced : (n_site,) int64
        Reduced score of each site.
    first : int
        First limit of the searches; a fraction of the budget price is right.
    cap : int
        Most states of a search.
    chunk : int
        Tiles searched at a time by a thread.
    tick : callable
        Told how many tiles are done; true ends the work, the tiles left lose nothing.
    """
    # the same cut as in the check
    parts = np.maximum(1, (np.diff(tiles.start) + SEGMENT // 2) // SEGMENT)
    part_start = np.zeros(len(tiles) + 1, np.int64)
    np.cumsum(parts, out=part_start[1:])
    loss, part_loss = np.zeros(len(tiles), np.int64), np.zeros(int(part_start[-1]), np.int64)
    worked = np.zeros(len(tiles), np.int64)
    arrays = (
        tiles.start, tiles.site, program.site_indptr, program.site_indices, program.row_indptr,
        whole, price, reduced, first, cap, part_start, part_loss, loss, worked,
    )  # fmt: skip
    edges = list(range(0, len(tiles), chunk))
    group = 32
    for a in range(0, len(edges), group):
        ranges = [(e, min(e + chunk, len(tiles))) for e in edges[a : a + group]]
        spread(_lift, ranges, *arrays)
        if tick(ranges[-1][1]):
            break
    return Losses(tiles, loss, part_start, part_loss, int(worked.sum()))
