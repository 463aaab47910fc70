r"""Service by one site near enough or by several around a user, and whether it outlives a failure.

A place is *served* where a site stands within the reach of a single one, or where it lies strictly
inside a triangle of sites that are all within the network distance, one of them within the reach
of a network. It is served *firmly* where that stays true whichever one site fails.

A place lies inside such a triangle exactly where every half-plane through it holds a site. So for
directions :math:`k = 1..K` let :math:`N_{ik}` hold every site within the single reach of place i,
and every site within the network distance on the side of direction k; and let :math:`N_{i0}` hold
the sites within the reach of a network. Served places have a site in each :math:`N_{ik}`, firmly
served ones have two. Every pair (i, k) is a row of its own with a share :math:`a_k` of the demand,
:math:`a_0 = 1/2` and else :math:`1 / 2K`, that earns :math:`a_k d_i` for its first and
:math:`w a_k d_i` for its second site. Backup covering of them gives a plan, and its bound is no
less than what any plan reaches in truth, as it is for any shares that add up to 1:

.. math:: S + w F \le \sum_{i,k} a_k d_i (z^1_{ik} + w z^2_{ik}) \le \text{bound}.

The rows of a place are a *group* as well: nothing is earned unless each of them is filled
(`engine.location.backup_groups`). Prices of single rows under that rule prove more than any shares.

What the plan itself reaches is then counted exactly, with all directions, not with K of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Places",
    "Reach",
    "Ring",
    "Rows",
    "Served",
    "direction_rows",
    "near_ring",
    "parts_of",
    "place_of_cells",
    "places_of",
    "served_places",
    "tiers",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: Pairs of a place and a site looked at together.
PAIRS = 4_000_000
#: A half-plane holds what lies on its edge, to this sine: rows may only be too large.
EDGE = 1e-9
#: Gaps between directions below half a turn by less than this count as half a turn, radians.
STRAIGHT = 1e-12
#: Of the keys by which equal lists are found; any number does.
KEY_SEED = 20_231
#: Weights of rows are in hundredths of the demand's own scale.
PERCENT = 100


class Places(NamedTuple):
    """Demand taken together in squares.

    Attributes
    ----------
    x_m, y_m : (n_place,) float64
        Centre of gravity of all demand of the square.
    demand : (n_layer, n_place) int64
    """

    x_m: FloatArray
    y_m: FloatArray
    demand: IntArray


class Ring(NamedTuple):
    """Sites within the network distance of each place, in order of their direction.

    Attributes
    ----------
    ptr : (n_place + 1,) int64
    site : (n_pair,) int32
    angle, distance_m : (n_pair,) float64
    """

    ptr: IntArray
    site: NDArray[np.int32]
    angle: FloatArray
    distance_m: FloatArray

    @property
    def place(self) -> IntArray:
        """Place of each pair."""
        return np.repeat(np.arange(self.ptr.size - 1), np.diff(self.ptr))


class Reach(NamedTuple):
    """How far sites serve.

    Attributes
    ----------
    single_m : (n_layer,) float64
        One site alone.
    near_m : (n_layer,) float64
        How far the nearest one of several may be; at least `single_m`.
    network_m : float
        How far each of several may be; at least `near_m`.
    """

    single_m: FloatArray
    near_m: FloatArray
    network_m: float


class Served(NamedTuple):
    """What places have, (n_layer, n_place) bool each; see the module text."""

    single: BoolArray
    served: BoolArray
    firm: BoolArray


class Rows(NamedTuple):
    """Rows of backup covering: a class of reach, a place and a direction each, equal ones as one.

    Attributes
    ----------
    ptr : (n_row + 1,) int64
    site : (n_pair,) int32
        Ascending within a row, at least one.
    weight : (n_row,) int64
        Demand of the row times its share, in parts of `parts_of`.
    full : int
        The same of the rows left out: those that two of the standing sites fill.
    list_of, group_of : (n_part,) int32
        Row and group of each direction of a place that can be served at all.
    share : (n_part,) int64
        Parts of the demand on each of these; see `parts_of`.
    group_demand : (2, n_group) int64
        Demand of a group, and again where it can be served firmly.
    group_full : int
        Demand of the groups of which two standing sites fill every row.
    """

    ptr: IntArray
    site: NDArray[np.int32]
    weight: IntArray
    full: int
    list_of: NDArray[np.int32]
    group_of: NDArray[np.int32]
    share: IntArray
    group_demand: IntArray
    group_full: int


def tiers(action: NDArray[np.int8], count: int) -> tuple[BoolArray, BoolArray, int]:
    """Return sites that serve in every plan, those to choose from, and how many to choose.

    Sites that stand are upgraded first: below their number they alone are chosen from, beyond it
    all of them are taken.

    Parameters
    ----------
    action : (n_site,) int8
        `sectors.contract.Action`: 0 keeps, 1 upgrades.
    count : int
        How many sites are to be added.
    """
    keep, upgrade = action == 0, action == 1
    n_upgrade = int(upgrade.sum())
    if count < n_upgrade:
        return keep, upgrade, count
    return keep | upgrade, ~(keep | upgrade), count - n_upgrade


def place_of_cells(
    x_m: FloatArray, y_m: FloatArray, cell_m: float, side_m: float
) -> tuple[IntArray, int]:
    """Return the square that each cell lies in, numbered from 0, and how many there are.

    Squares are whole cells wide, about `side_m`, so that rounding moves no cell to another one.
    """
    if not x_m.size:
        return np.zeros(0, np.int64), 0
    per = max(1, round(side_m / cell_m))
    col = np.rint((x_m - x_m.min()) / cell_m).astype(np.int64) // per
    row = np.rint((y_m.max() - y_m) / cell_m).astype(np.int64) // per
    width = int(col.max()) + 1
    key = row * width + col
    is_used = np.zeros(int(key.max()) + 1, np.bool_)
    is_used[key] = True
    number = np.cumsum(is_used) - 1
    return number[key], int(is_used.sum())


def places_of(
    demand: IntArray, x_m: FloatArray, y_m: FloatArray, square: IntArray, n_square: int
) -> Places:
    """Return centre and demand of each square; the middle of its cells where it has no demand."""
    weight = demand.sum(axis=0).astype(np.float64)
    total = np.bincount(square, weights=weight, minlength=n_square)
    cells = np.bincount(square, minlength=n_square)
    middle = []
    for along in (x_m, y_m):
        by_demand = np.bincount(square, weights=weight * along, minlength=n_square)
        by_cell = np.bincount(square, weights=along, minlength=n_square) / np.maximum(cells, 1)
        middle.append(np.divide(by_demand, total, out=by_cell, where=total > 0))
    told = np.zeros((len(demand), n_square), np.int64)
    for number, layer in enumerate(demand):
        # whole numbers below 2**53 add up exactly
        told[number] = np.bincount(square, weights=layer, minlength=n_square).astype(np.int64)
    return Places(middle[0], middle[1], told)


def chunks(n_place: int, n_site: int) -> Iterator[slice]:
    """Return slices of places so that each, against every site, keeps to `PAIRS`."""
    step = max(1, PAIRS // max(1, n_site))
    for start in range(0, n_place, step):
        yield slice(start, min(n_place, start + step))


def near_ring(
    x_m: FloatArray, y_m: FloatArray, site_x_m: FloatArray, site_y_m: FloatArray, reach_m: float
) -> Ring:
    """Return the sites within `reach_m` of each place, by direction."""
    count = np.zeros(x_m.size + 1, np.int64)
    sites: list[NDArray[np.int32]] = []
    angles: list[FloatArray] = []
    distances: list[FloatArray] = []
    for part in chunks(x_m.size, site_x_m.size):
        east = site_x_m[None, :] - x_m[part, None]
        north = site_y_m[None, :] - y_m[part, None]
        squared = east * east + north * north
        place, site = np.nonzero(squared <= reach_m * reach_m)
        angle = np.arctan2(north[place, site], east[place, site])
        order = np.lexsort((site, angle, place))
        count[part.start + 1 : part.stop + 1] = np.bincount(place, minlength=part.stop - part.start)
        sites.append(site[order].astype(np.int32))
        angles.append(angle[order])
        distances.append(np.sqrt(squared[place, site])[order])
    none = np.zeros(0)
    return Ring(
        np.cumsum(count),
        np.concatenate([np.zeros(0, np.int32), *sites]),
        np.concatenate([none, *angles]),
        np.concatenate([none, *distances]),
    )


def narrowed(ring: Ring, is_kept: BoolArray) -> Ring:
    """Return the ring of some sites alone; their numbers stay."""
    kept = is_kept[ring.site]
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])[ring.ptr]
    return Ring(ptr, ring.site[kept], ring.angle[kept], ring.distance_m[kept])


def turn_to(ring: Ring, step: int) -> FloatArray:
    """Return how far each pair's direction is from the one `step` further round its place.

    A whole turn where a place has no more than `step` directions.
    """
    count = np.diff(ring.ptr)[ring.place]
    first = ring.ptr[:-1][ring.place]
    at = np.arange(ring.site.size) - first + step
    is_round = at >= count
    enough = count > step
    other = first + np.where(enough, at - np.where(is_round, count, 0), 0)
    turn = ring.angle[other] - ring.angle + np.where(is_round, 2.0 * np.pi, 0.0)
    return np.where(enough, turn, 2.0 * np.pi)


def largest(ring: Ring, value: FloatArray) -> FloatArray:
    """Return the largest value of each place's pairs, a whole turn where it has none."""
    out = np.full(ring.ptr.size - 1, 2.0 * np.pi)
    has = np.flatnonzero(np.diff(ring.ptr) > 0)
    if has.size:
        out[has] = np.maximum.reduceat(value, ring.ptr[:-1][has])
    return out


def served_places(ring: Ring, reach: Reach) -> Served:
    """Return how the sites of a ring serve each place, for the reach of each layer.

    Parameters
    ----------
    ring : Ring
        Of the sites that serve, within the network distance.
    reach : Reach
    """
    n_place, place = ring.ptr.size - 1, ring.place
    count = np.diff(ring.ptr)
    half = np.pi - STRAIGHT
    gap = largest(ring, turn_to(ring, 1))
    over_next = turn_to(ring, 2)
    inside = (count >= 3) & (gap < half)
    # without one site the two gaps beside it become one
    inside_always = (count >= 4) & (largest(ring, over_next) < half)
    n_layer = reach.single_m.size
    out = [np.zeros((n_layer, n_place), np.bool_) for _ in range(3)]
    # the gap that opens where a pair's own site fails: from the one before it to the one after
    opened = np.empty(place.size)
    opened[next_pair(ring)] = over_next
    for number, (single_m, near_m) in enumerate(zip(reach.single_m, reach.near_m, strict=True)):
        close = ring.distance_m <= single_m
        alone = np.bincount(place[close], minlength=n_place)
        near = np.bincount(place[ring.distance_m <= near_m], minlength=n_place)
        only = close & (alone[place] == 1)
        holds = np.zeros(n_place, np.bool_)
        holds[place[only]] = opened[only] < half
        holds &= inside & (count >= 4)
        out[0][number] = alone >= 1
        out[1][number] = (alone >= 1) | (inside & (near >= 1))
        several = np.where(alone == 1, holds, inside_always) & (near >= 2)
        out[2][number] = (alone >= 2) | several
    return Served(*out)


def next_pair(ring: Ring) -> IntArray:
    """Return the pair that follows each one round its place."""
    place = ring.place
    at = np.arange(ring.site.size) + 1
    return np.where(at == ring.ptr[1:][place], ring.ptr[:-1][place], at)


def parts_of(directions: int) -> int:
    """Return in how many parts the demand of a place is shared out over its rows."""
    return 2 * directions


def direction_rows(
    ring: Ring,
    demand: IntArray,
    reach: Reach,
    directions: int,
    standing: BoolArray,
) -> Rows:
    """Return the rows of backup covering that two standing sites do not fill already.

    Parameters
    ----------
    ring : Ring
        Of every site that stands or may be chosen.
    demand : (n_layer, n_place) int64
    reach : Reach
    directions : int
        K of the module text.
    standing : (n_site,) bool
        Sites that serve in every plan.
    """
    n_place, place = ring.ptr.size - 1, ring.place
    length, site, weight, full = [np.zeros(0, np.int64)], [], [], 0
    group_of: list[IntArray] = [np.zeros(0, np.int64)]
    shares: list[IntArray] = [np.zeros(0, np.int64)]
    group_demand: list[IntArray] = [np.zeros((2, 0), np.int64)]
    n_group = group_full = 0
    side = [np.cos(ring.angle - 2.0 * np.pi * k / directions) >= -EDGE for k in range(directions)]
    stands = standing[ring.site]
    kinds = np.column_stack([reach.single_m, reach.near_m])
    for kind in np.unique(kinds, axis=0):
        asked = demand[(kinds == kind).all(axis=1)].sum(axis=0)
        close, near = ring.distance_m <= kind[0], ring.distance_m <= kind[1]
        # the nearest one counts as much as all directions together
        shared = ((directions, near), *((1, close | on) for on in side))
        counts = [
            (np.bincount(place[held], minlength=n_place),
             np.bincount(place[held & stands], minlength=n_place))
            for _, held in shared
        ]  # fmt: skip
        least = np.min([every for every, _ in counts], axis=0)
        is_full = np.min([have for _, have in counts], axis=0) >= 2
        group_full += int(asked[is_full].sum())
        is_group = ~is_full & (least >= 1) & (asked > 0)
        number = np.where(is_group, n_group + np.cumsum(is_group) - 1, -1)
        n_group += int(is_group.sum())
        group_demand.append(
            np.stack([asked[is_group], np.where(least[is_group] >= 2, asked[is_group], 0)])
        )
        for (share, held), (_, have) in zip(shared, counts, strict=True):
            filled = have >= 2
            full += share * int(asked[filled].sum())
            open_place = ~filled & (asked > 0)
            kept = held & open_place[place]
            count = np.bincount(place[kept], minlength=n_place)
            # where no site is near nothing can be earned
            open_place &= count > 0
            length.append(count[open_place])
            site.append(ring.site[kept])
            weight.append(share * asked[open_place])
            group_of.append(number[open_place])
            shares.append(np.full(group_of[-1].size, share, np.int64))
    grouped = np.concatenate(group_of)
    rows, row_of = merged(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(length))]),
        np.concatenate([np.zeros(0, np.int32), *site]),
        np.concatenate([np.zeros(0, np.int64), *weight]),
    )
    known = grouped >= 0
    return Rows(
        *rows, full, row_of[known].astype(np.int32), grouped[known].astype(np.int32),
        np.concatenate(shares)[known], np.concatenate(group_demand, axis=1), group_full,
    )  # fmt: skip


def merged(
    ptr: IntArray, site: NDArray[np.int32], weight: IntArray
) -> tuple[tuple[IntArray, NDArray[np.int32], IntArray], IntArray]:
    """Return rows of equal lists as one, in an order that depends on the lists alone.

    Pointers, sites and weights of the rows, then the row of each list given.
    """
    row = np.repeat(np.arange(weight.size), np.diff(ptr))
    site = site[np.lexsort((site, row))]
    n_site = int(site.max(initial=-1)) + 1
    key = np.random.default_rng(KEY_SEED).integers(0, 2**63, (2, n_site), dtype=np.uint64)
    mark = np.zeros(weight.size, [("one", np.uint64), ("two", np.uint64)])
    for name, values in zip(("one", "two"), key, strict=True):
        added = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values[site], dtype=np.uint64)])
        mark[name] = added[ptr[1:]] - added[ptr[:-1]]
    _, first, number = np.unique(mark, return_index=True, return_inverse=True)
    length = np.diff(ptr)
    start = (
        np.repeat(ptr[first][number], length) + np.arange(site.size) - np.repeat(ptr[:-1], length)
    )
    if (length != length[first][number]).any() or not np.array_equal(site[start], site):
        raise ArithmeticError("two lists of sites share their keys; report this as a bug")
    total = np.zeros(first.size, np.int64)
    np.add.at(total, number, weight)
    short = length[first]
    new_ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(short)])
    at = np.repeat(ptr[first] - new_ptr[:-1], short) + np.arange(int(short.sum()))
    return (new_ptr, site[at], total), number
