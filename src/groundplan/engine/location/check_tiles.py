r"""The check of what tiles must lose, in plain NumPy: all tiles of a batch decided in step.

A tile states that every choice of its sites loses at least :math:`P_t` against the prices (see
`frontier` for what a choice loses). The check tries to find a choice that loses less: it decides
the tiles' sites one by one, keeps every partial choice that has lost less than :math:`P_t` so far
(less what its remaining segments are shown to lose), and must end with none. Nothing is dropped
for any other reason than an equal future at a smaller loss, so ending with none is a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import VerificationError

__all__ = ["SEGMENT", "check_tiles", "tile_loss_of"]

IntArray = NDArray[np.int64]
#: Sites of a segment: a tile of n sites has max(1, round(n / SEGMENT)) of them.
SEGMENT = 50
#: Partial choices of a batch beyond which a certificate is refused: no honest one needs as many.
STATES_MAX = 40_000_000
#: Sites of a batch of tiles.
BATCH = 16_000
Pairs = Callable[[NDArray[np.int32]], tuple[NDArray[np.int64], NDArray[np.int64]]]


def tile_loss_of(prices: Mapping[str, NDArray[Any]]) -> int:
    """Return what the tiles of a certificate lose together."""
    loss = prices.get("tile_loss")
    return 0 if loss is None else sum(int(v) for v in loss)


@dataclass(frozen=True)
class Sweep:
    """Decisions of a batch of sweeps, laid out step by step.

    Attributes
    ----------
    length : (n_sweep,) int64
        Sites of each sweep.
    take, leave : (n_sweep, n_step) int64
        What choosing the site of a step loses whatever came before, and what leaving it out does.
    bit, keep : (n_sweep, n_step) uint64
        Mask of the site, and bits that stay open after the step.
    mask, multiple, dead : (n_group,) uint64, int64, int64
        Groups of rows by the earlier sites that cover them: lost by choosing where one of those
        is chosen, lost by leaving out where none is.
    begin : (n_sweep, n_step + 1) int64
        Groups of each step.
    """

    length: IntArray
    take: IntArray
    leave: IntArray
    bit: NDArray[np.uint64]
    keep: NDArray[np.uint64]
    mask: NDArray[np.uint64]
    multiple: IntArray
    dead: IntArray
    begin: IntArray


def lay_sweep(
    sweep: IntArray,
    step: IntArray,
    row: IntArray,
    length: IntArray,
    reduced: IntArray,
    is_inner: NDArray[np.bool_],
    whole: IntArray,
    price: IntArray,
) -> Sweep:
    """Lay the (sweep, step, row) triples out for `least_survivors`.

    Parameters
    ----------
    sweep, step, row : (n_pair,) int64
        That the site decided in a step of a sweep covers a row.
    length : (n_sweep,) int64
    reduced : (n_sweep, n_step) int64
        Reduced score of each site.
    is_inner : (n_pair,) bool
        True where no site outside the sweep covers the row.
    whole, price : (n_pair,) int64
        Of the row.
    """
    n_sweep, n_step = reduced.shape
    order = np.lexsort((step, row, sweep))
    sweep, step, row = sweep[order], step[order], row[order]
    is_inner, whole, price = is_inner[order], whole[order], price[order]
    new = np.ones(sweep.size, bool)
    new[1:] = (sweep[1:] != sweep[:-1]) | (row[1:] != row[:-1])
    head = np.flatnonzero(new)
    size = np.diff(np.append(head, sweep.size))
    final = np.repeat(step[np.append(head[1:], sweep.size) - 1], size) if sweep.size else step
    if sweep.size and int((final - step).max()) >= 64:
        raise VerificationError("a row of a tile is open for more than 63 decisions")
    # bits of one row's sites differ, so their sum is their union
    bits = np.uint64(1) << (step % 64).astype(np.uint64)
    running = np.cumsum(bits, dtype=np.uint64)
    before = running - bits
    before -= np.repeat(before[head], size)
    left = np.where(is_inner & (step == final), whole - price, 0)
    leave = np.maximum(reduced, 0)
    free = before == 0
    np.add.at(leave, (sweep[free], step[free]), left[free])
    # when a site's rows are all decided, its bit is free
    leaving = np.tile(np.arange(n_step), (n_sweep, 1))
    np.maximum.at(leaving, (sweep, step), final)
    keep = np.full((n_sweep, n_step), ~np.uint64(0))
    rows, cols = np.nonzero(leaving >= np.arange(n_step))
    clear = np.uint64(1) << (cols % 64).astype(np.uint64)
    np.bitwise_and.at(keep, (rows, leaving[rows, cols]), ~clear)
    bit = np.tile(np.uint64(1) << (np.arange(n_step) % 64).astype(np.uint64), (n_sweep, 1))
    shared = np.flatnonzero(~free)
    place = sweep[shared] * n_step + step[shared]
    order = np.lexsort((before[shared], place))
    place, mask = place[order], before[shared][order]
    price, left = price[shared][order], left[shared][order]
    new = np.ones(place.size, bool)
    new[1:] = (place[1:] != place[:-1]) | (mask[1:] != mask[:-1])
    head = np.flatnonzero(new)
    begin = np.searchsorted(place[head], np.arange(n_sweep * n_step + 1))
    pairs = np.arange(n_step + 1) + (np.arange(n_sweep) * n_step)[:, None]
    return Sweep(
        length, np.maximum(-reduced, 0), leave, bit, keep, mask[head],
        np.add.reduceat(price, head) if head.size else price,
        np.add.reduceat(left, head) if head.size else left,
        begin[pairs],
    )  # fmt: skip


def least_survivors(
    plan: Sweep, limit: IntArray, rest: IntArray
) -> tuple[NDArray[np.bool_], IntArray]:
    """Return which sweeps have a choice that loses less than `limit`, and the least loss by step.

    Parameters
    ----------
    limit : (n_sweep,) int64
    rest : (n_sweep, n_step) int64
        A loss that is certain after each decision.

    Returns
    -------
    survives : (n_sweep,) bool
    profile : (n_sweep, n_step) int64
        No choice that ends below `limit` has lost less than this with a decision.
    """
    n_sweep, n_step = plan.take.shape
    sweep = np.flatnonzero((plan.length > 0) & (limit > 0))
    mask = np.zeros(sweep.size, np.uint64)
    loss = np.zeros(sweep.size, np.int64)
    profile = np.tile(limit[:, None], (1, n_step))
    survives = np.zeros(n_sweep, bool)
    for k in range(n_step):
        ended = plan.length[sweep] <= k
        survives[sweep[ended]] = True
        if ended.any():
            sweep, mask, loss = sweep[~ended], mask[~ended], loss[~ended]
        if not sweep.size:
            break
        chosen = loss + plan.take[sweep, k]
        left = loss + plan.leave[sweep, k]
        first, count = plan.begin[sweep, k], plan.begin[sweep, k + 1] - plan.begin[sweep, k]
        for g in range(int(count.max())):
            at = np.flatnonzero(count > g)
            group = first[at] + g
            hit = (plan.mask[group] & mask[at]) != 0
            chosen[at] += np.where(hit, plan.multiple[group], 0)
            left[at] += np.where(hit, 0, plan.dead[group])
        most = limit[sweep] - rest[sweep, k]
        keep = plan.keep[sweep, k]
        a, b = np.flatnonzero(chosen < most), np.flatnonzero(left < most)
        bit = plan.bit[sweep, k]
        mask = np.concatenate([(mask[a] | bit[a]) & keep[a], mask[b] & keep[b]])
        loss = np.concatenate([chosen[a], left[b]])
        sweep = np.concatenate([sweep[a], sweep[b]])
        # equal masks have equal futures: the least loss stays
        if sweep.size > STATES_MAX:
            raise VerificationError("the tiles take more than any honest search to check")
        order = np.lexsort((loss, mask, sweep))
        sweep, mask, loss = sweep[order], mask[order], loss[order]
        new = np.ones(sweep.size, bool)
        new[1:] = (sweep[1:] != sweep[:-1]) | (mask[1:] != mask[:-1])
        sweep, mask, loss = sweep[new], mask[new], loss[new]
        np.minimum.at(profile[:, k], sweep, loss)
    survives[sweep[plan.length[sweep] >= n_step]] = True
    return survives, profile


def batches(start: IntArray) -> Iterator[tuple[int, int]]:
    """Yield ranges of tiles of about `BATCH` sites."""
    a = 0
    while a < start.size - 1:
        b = max(a + 1, int(np.searchsorted(start, start[a] + BATCH, side="right")) - 1)
        yield a, b
        a = b


def check_tiles(
    prices: Mapping[str, NDArray[Any]],
    candidate: NDArray[np.bool_],
    pairs_of: Pairs,
    degree: NDArray[np.int32],
    whole: IntArray,
    price: IntArray,
    reduced: IntArray,
) -> list[str]:
    """Return what is wrong with the tiles of a certificate.

    Parameters
    ----------
    prices : mapping
        ``tile_start``, ``tile_site``, ``tile_part`` (loss of every segment), ``tile_loss``.
    candidate : (n_site,) bool
    pairs_of : callable
        Rows and sites of all pairs of the sites given, served rows left out.
    degree : (n_row,) int32
        Candidates that reach each row.
    whole, price : (n_row,) int64
        Weight and price of each row.
    reduced : (n_site,) int64
        Reduced score of each site.
    """
    if "tile_loss" not in prices:
        return []
    start, site = prices["tile_start"].astype(np.int64), prices["tile_site"].astype(np.int64)
    loss, part = prices["tile_loss"].astype(np.int64), prices["tile_part"].astype(np.int64)
    parts = np.maximum(1, (np.diff(start) + SEGMENT // 2) // SEGMENT)
    if (
        start.size != loss.size + 1
        or (np.diff(start) < 1).any()
        or start[0] != 0
        or start[-1] != site.size
        or part.size != int(parts.sum())
    ):
        return ["the tiles are not well formed"]
    if site.size and (site.min() < 0 or site.max() >= candidate.size):
        return ["a tile names a site that does not exist"]
    if np.unique(site).size != site.size or not candidate[site].all():
        return ["a site lies in two tiles, or is no candidate"]
    first_part = np.concatenate([[0], np.cumsum(parts)])
    found = []
    for a, b in batches(start):
        mine = site[start[a] : start[b]]
        row, of = pairs_of(mine.astype(np.int32))
        wrong = check_batch(
            start[a : b + 1] - start[a], mine, loss[a:b], part[first_part[a] : first_part[b]],
            parts[a:b], row, of, degree, whole, price, reduced,
        )  # fmt: skip
        found += [f"tile {a + int(t)} does not lose what it says" for t in wrong]
    return found


def check_batch(
    start: IntArray,
    site: IntArray,
    loss: IntArray,
    part_loss: IntArray,
    parts: IntArray,
    row: IntArray,
    of: IntArray,
    degree: NDArray[np.int32],
    whole: IntArray,
    price: IntArray,
    reduced: IntArray,
) -> IntArray:
    """Return the tiles of a batch that do not lose what they say."""
    n_tile = loss.size
    n = np.diff(start)
    tile = np.repeat(np.arange(n_tile), n)
    place = np.arange(site.size) - start[tile]
    lookup = np.full(int(reduced.size), -1, np.int64)
    lookup[site] = np.arange(site.size)
    at = lookup[of]
    # segments: part k of a tile of n sites begins at site n k // parts
    base = np.concatenate([[0], np.cumsum(parts)])
    part_tile = np.repeat(np.arange(n_tile), parts)
    number = np.arange(part_tile.size) - base[part_tile]
    low = n[part_tile] * number // parts[part_tile]
    high = n[part_tile] * (number + 1) // parts[part_tile]
    part = np.repeat(np.arange(part_tile.size), high - low)
    # each segment is swept backwards, so that its profile tells what remains after a decision
    back = high[part] - 1 - place
    wide = np.full((part_tile.size, int((high - low).max())), 0, np.int64)
    wide[part, back] = reduced[site]
    sweep = lay_sweep(
        part[at], back[at], row, high - low, wide,
        inner(part[at], row, degree), whole[row], price[row],
    )  # fmt: skip
    survives, profile = least_survivors(sweep, part_loss, np.zeros_like(wide))
    wrong = np.zeros(n_tile, bool)
    wrong[part_tile[survives]] = True
    # what is certain after each decision: the rest of the segment and all later ones
    later = np.zeros(part_tile.size, np.int64)
    for t in np.flatnonzero(parts > 1):
        mine = part_loss[base[t] : base[t + 1]]
        later[base[t] : base[t + 1]] = np.concatenate([np.cumsum(mine[::-1])[::-1][1:], [0]])
    rest = np.zeros((n_tile, int(n.max())), np.int64)
    remaining = back - 1
    inside = np.where(remaining >= 0, profile[part, np.maximum(remaining, 0)], 0)
    rest[tile, place] = later[part] + inside
    full = np.zeros_like(rest)
    full[tile, place] = reduced[site]
    together = np.add.reduceat(part_loss, base[:-1])
    # what the segments lose together needs no further proof
    open_tile = np.where(loss > together, loss, 0)
    sweep = lay_sweep(
        tile[at], place[at], row, n, full,
        inner(tile[at], row, degree), whole[row], price[row],
    )  # fmt: skip
    survives, _profile = least_survivors(sweep, open_tile, rest)
    return np.flatnonzero(wrong | survives)


def inner(group: IntArray, row: IntArray, degree: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return for each pair whether all candidates of its row lie in its group."""
    order = np.lexsort((row, group))
    g, r = group[order], row[order]
    new = np.ones(g.size, bool)
    new[1:] = (g[1:] != g[:-1]) | (r[1:] != r[:-1])
    head = np.flatnonzero(new)
    size = np.diff(np.append(head, g.size))
    out = np.empty(g.size, bool)
    out[order] = np.repeat(size == degree[r[head]], size) if g.size else np.empty(0, bool)
    return out
