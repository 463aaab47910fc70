r"""The check of what tiles must lose, in plain NumPy: all tiles of a batch decided in step.

A tile states that every choice of its sites loses at least :math:`P_t` against the prices (see
`frontier` for what a choice loses). The check tries to find a choice that loses less: it decides
the tiles' sites one by one, keeps every partial choice that has lost less than :math:`P_t` so far
(less what its remaining segments are shown to lose), and must end with none. Nothing is dropped
for any other reason than an equal future at a smaller loss, so ending with none is a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._threads import thread_count
from groundplan.engine.location.check_sweep import lay_sweeps, least_survivors

__all__ = ["SEGMENT", "check_tiles", "tile_loss_of"]

IntArray = NDArray[np.int64]
#: Sites of a segment: a tile of n sites has max(1, round(n / SEGMENT)) of them.
SEGMENT = 50
#: Sites of a batch of tiles.
BATCH = 12000
Pairs = Callable[[NDArray[np.int32]], tuple[NDArray[np.int64], NDArray[np.int64]]]


def tile_loss_of(prices: Mapping[str, NDArray[Any]]) -> int:
    """Return what the tiles of a certificate lose together."""
    loss = prices.get("tile_loss")
    return 0 if loss is None else sum(int(v) for v in loss)


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
    # sums of numbers below 0 could wrap round to a loss above it
    if min(part.min(initial=0), loss.min(initial=0)) < 0:
        return ["a tile or a segment loses less than nothing"]
    if site.size and (site.min() < 0 or site.max() >= candidate.size):
        return ["a tile names a site that does not exist"]
    if np.unique(site).size != site.size or not candidate[site].all():
        return ["a site lies in two tiles, or is no candidate"]
    first_part = np.concatenate([[0], np.cumsum(parts)])

    def check(ends: tuple[int, int]) -> list[str]:
        a, b = ends
        mine = site[start[a] : start[b]]
        row, of = pairs_of(mine.astype(np.int32))
        wrong = check_batch(
            start[a : b + 1] - start[a], mine, loss[a:b], part[first_part[a] : first_part[b]],
            parts[a:b], row, of, degree, whole, price, reduced,
        )  # fmt: skip
        return [f"tile {a + int(t)} does not lose what it says" for t in wrong]

    # large array operations leave the interpreter to other threads
    with ThreadPoolExecutor(thread_count()) as pool:
        return [text for found in pool.map(check, batches(start)) for text in found]


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
    n_tile, n = loss.size, np.diff(start)
    lookup = np.full(int(reduced.size), -1, np.int32)
    lookup[site] = np.arange(site.size)
    digits = int(site.size).bit_length()
    # sorted by row and place as one number
    pair = (row << digits) | lookup[of]
    pair.sort()
    at, row = pair & ((1 << digits) - 1), pair >> digits
    worth = reduced[site]
    # segments: part k of a tile of n sites begins at site n k // parts
    base = np.concatenate([[0], np.cumsum(parts)])
    part_tile = np.repeat(np.arange(n_tile), parts)
    number = np.arange(part_tile.size) - base[part_tile]
    low = start[part_tile] + n[part_tile] * number // parts[part_tile]
    edge = np.append(low, site.size)
    part = np.repeat(np.arange(part_tile.size), np.diff(edge))
    # all is swept backwards, so that the profile of a segment tells what remains after a decision
    sweeps = lay_sweeps(
        site.size - edge[::-1], site.size - 1 - at[::-1], row[::-1], degree, whole, price,
        worth[::-1],
    )  # fmt: skip
    survives, profile = least_survivors(sweeps, part_loss[::-1], np.zeros_like(worth))
    survives, profile = survives[::-1], profile[::-1]
    wrong = np.zeros(n_tile, bool)
    wrong[part_tile[survives]] = True
    # what is certain after each decision: the rest of the segment and all later ones
    total = np.cumsum(part_loss)
    later = (total[base[1:] - 1])[part_tile] - total
    rest = later[part]
    inside = np.flatnonzero(np.arange(1, site.size + 1) < edge[part + 1])
    rest[inside] += profile[inside + 1]
    together = np.add.reduceat(part_loss, base[:-1])
    # what the segments lose together needs no further proof
    open_tile = np.where(loss > together, loss, 0)
    sweeps = lay_sweeps(start, at, row, degree, whole, price, worth)
    survives, _profile = least_survivors(sweeps, open_tile, rest)
    return np.flatnonzero(wrong | survives)
