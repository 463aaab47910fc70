"""The plan of one strip: rounded, chosen anew by windows, brought to the budget, and its bound.

Sites that share a row with a site of another strip are *border* sites. In each pass the border
sites of every second strip stand still, so that all strips can be worked at the same time and no
two of them change what covers the same row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, jit, spread
from groundplan.engine.location.certificate import DENOMINATOR, priced_costs
from groundplan.engine.location.greedy import cover_counts, covered_weight, marginal_score, sift
from groundplan.engine.location.program import Program
from groundplan.engine.location.search import Windows, whole_scores
from groundplan.engine.location.tiles import Losses, cut_tiles, lift_bound
from groundplan.engine.location.windows import improve_windows, lay_bands

__all__ = ["StripPlan"]

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@jit
def rank_moves(
    site, is_drop, least, room, site_indptr, site_indices, weight, cost, chosen, count, out, key_out
):
    """List the sites worth dropping, or adding, one after another; plan and counts follow.

    Parameters
    ----------
    site : (n,) int32
        Sites that may move.
    is_drop : bool
        Drop chosen sites by least loss per cost; else add others by most gain per cost.
    least : float
        End before a key below: the key is gain per cost, or loss per cost with its sign turned.
    room : int
        End once the moves' costs reach this.
    out, key_out : (n,) int32, (n,) float64
        Output: the moves and their keys, which never grow.

    Returns
    -------
    int
        How many there are.
    """
    at = 1 if is_drop else 0
    sign = -1.0 if is_drop else 1.0
    change = -1 if is_drop else 1
    key = np.empty(site.size, np.float64)
    item = np.empty(site.size, np.int32)
    size = 0
    for k in range(site.size):
        j = site[k]
        if chosen[j] == is_drop:
            key[size] = (
                sign * marginal_score(j, site_indptr, site_indices, weight, count, at) / cost[j]
            )
            item[size] = j
            if key[size] >= least:
                size += 1
    for c in range(size // 2 - 1, -1, -1):
        sift(key, item, size, c)
    n = 0
    spent = 0
    while size > 0 and spent < room and key[0] >= least:
        j = item[0]
        fresh = sign * marginal_score(j, site_indptr, site_indices, weight, count, at) / cost[j]
        if fresh == key[0]:
            chosen[j] = not is_drop
            spent += cost[j]
            for q in range(site_indptr[j], site_indptr[j + 1]):
                count[site_indices[q]] += change
            out[n] = j
            key_out[n] = fresh
            n += 1
            size -= 1
            key[0] = key[size]
            item[0] = item[size]
        else:
            key[0] = fresh
        sift(key, item, size, 0)
    return n


class StripPlan:
    """Plan and whole prices of one strip.

    Parameters
    ----------
    program : Program
        Of the strip, guests included.
    own, guest : int32
        Sites of the strip and of others.
    is_owned : (n_row,) bool
        Rows that count in this strip.
    is_border : (n_site,) bool
        Own sites that share a row with a guest.
    """

    def __init__(
        self,
        program: Program,
        own: NDArray[np.int32],
        guest: NDArray[np.int32],
        is_owned: BoolArray,
        is_border: BoolArray,
    ) -> None:
        self.program, self.own, self.guest, self.is_owned = program, own, guest, is_owned
        self.interior = own[~is_border[own]]
        self.owned_weight = np.where(is_owned, program.weight, 0)
        self.chosen = np.zeros(program.n_site, bool)
        self.count = np.zeros(program.n_row, np.int16)
        self.moves = np.empty(0, np.int32)
        self.losses: Losses | None = None

    def set_prices(self, share: NDArray[np.uint16]) -> None:
        """Take the whole prices of all rows of the strip."""
        p = self.program
        self.whole = p.weight * DENOMINATOR
        self.price = p.weight * share.astype(np.int64)
        self.score = np.empty(p.n_site, np.int64)
        csr = (p.site_indptr, p.site_indices)
        spread(whole_scores, chunks(p.n_site, 16), *csr, self.price, self.score)

    def set_budget_price(self, budget_price: int) -> int:
        """Take the price of the budget; returns the strip's part of the bound's numerator."""
        self.reduced = self.score - priced_costs(budget_price, self.program.cost)
        kept = int((self.whole - self.price)[self.is_owned].sum())
        return kept + int(np.maximum(self.reduced[self.own], 0).sum())

    def seat(self, guests: BoolArray) -> None:
        """Put the guests where their home strips say, and count anew."""
        self.chosen[self.guest] = guests
        csr = (self.program.site_indptr, self.program.site_indices)
        cover_counts(*csr, self.chosen, self.count)

    def stand(self) -> tuple[int, int]:
        """Return what the strip spends and the weight that it covers."""
        ranges = chunks(self.program.n_row, 16)
        served = spread(covered_weight, ranges, self.count, self.owned_weight)
        return int(self.program.cost[self.own][self.chosen[self.own]].sum()), int(sum(served))

    def rank(
        self, *, is_drop: bool, least: float, room: int, moves_border: bool
    ) -> tuple[FloatArray, IntArray]:
        """Return keys and costs of the moves worth making, best first; `make` makes them."""
        p = self.program
        site = self.own if moves_border else self.interior
        out, key = np.empty(site.size, np.int32), np.empty(site.size)
        n = rank_moves(
            site, is_drop, least, room, p.site_indptr, p.site_indices, p.weight, p.cost,
            self.chosen.copy(), self.count.copy(), out, key,
        )  # fmt: skip
        self.moves = out[:n]
        return key[:n], p.cost[self.moves]

    def make(self, n: int) -> None:
        """Make the first moves of the last ranking."""
        self.chosen[self.moves[:n]] ^= True
        csr = (self.program.site_indptr, self.program.site_indices)
        cover_counts(*csr, self.chosen, self.count)

    def tidy(self, worth: float, *, moves_border: bool) -> None:
        """Drop what loses less than its cost at a price, add what gains more."""
        room = int(self.program.cost.sum())
        for is_drop in (True, False):
            least = -worth if is_drop else worth
            self.rank(is_drop=is_drop, least=least, room=room, moves_border=moves_border)
            self.make(self.moves.size)

    def sweep(self, worth: float, level: int, key: list[int], *, moves_border: bool) -> int:
        """Choose every window anew at a budget price; returns the gain, times `DENOMINATOR`."""
        p = self.program
        site = np.sort(self.own if moves_border else self.interior)
        if not site.size:
            return 0
        rng = np.random.Generator(np.random.Philox(key=key))
        turn, shift = rng.uniform(0.0, np.pi), rng.uniform()
        x = p.x * np.cos(turn) - p.y * np.sin(turn)
        y = p.x * np.sin(turn) + p.y * np.cos(turn)
        sites_max, width_max, cap = Windows.LEVELS[level]
        bands = lay_bands(
            p, x, y, p.reach, shift=shift, sites_max=sites_max, width_max=width_max, site=site
        )
        gained, _worked = improve_windows(
            p, bands, self.whole, self.price, worth, cap, self.chosen, self.count
        )
        return gained

    def lift(self, budget_price: float, sites_max: int, width_max: int, cap: int) -> int:
        """Search the strip's tiles for what every plan must lose; returns the best sum so far."""
        p = self.program
        tiles = cut_tiles(
            p, p.x, p.y, sites_max=sites_max, width_max=width_max, site=np.sort(self.own)
        )
        first = max(1, int(budget_price) // 64)
        losses = lift_bound(p, tiles, self.whole, self.price, self.reduced, first=first, cap=cap)
        if self.losses is None or losses.total() > self.losses.total():
            self.losses = losses
        return self.losses.total()
