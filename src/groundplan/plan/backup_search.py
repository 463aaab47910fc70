"""Exchange of chosen sites by what they serve in truth, after backup covering chose by directions.

Each round tells what every chosen site would lose and every other one would gain, each alone, then
tries exchanges between those that lose least and those that gain most; what improves stays.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groundplan.plan.backup import PERCENT, Reach, Ring, served_places

__all__ = ["refine"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: Rounds, and exchanges tried in each.
ROUNDS, TRIES = 8, 120
#: Sites that lose least, tried with each that gains.
LEAST = 3


def part_of(ring: Ring, places: IntArray) -> Ring:
    """Return the ring of some places, numbered anew."""
    length = np.diff(ring.ptr)[places]
    ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])
    at = np.repeat(ring.ptr[places] - ptr[:-1], length) + np.arange(int(ptr[-1]))
    return Ring(ptr, ring.site[at], ring.angle[at], ring.distance_m[at])


def places_of_sites(ring: Ring, n_site: int) -> tuple[IntArray, IntArray]:
    """Return the places near each site, one list after another."""
    order = np.argsort(ring.site, kind="stable")
    ptr = np.zeros(n_site + 1, np.int64)
    np.cumsum(np.bincount(ring.site, minlength=n_site), out=ptr[1:])
    return ptr, ring.place[order]


class Score:
    """What chosen sites serve, place by place; only places that can still change are held."""

    def __init__(
        self, ring: Ring, demand: IntArray, reach: Reach, worth_percent: int,
        standing: BoolArray, chosen: BoolArray,
    ) -> None:  # fmt: skip
        self.reach, self.worth = reach, worth_percent
        self.demand, self.ring = demand, ring
        full = (PERCENT + worth_percent) * demand.sum(axis=0)
        places = np.arange(full.size)
        # what standing sites serve whole no other site changes
        open_places = np.flatnonzero(self.value_of(places, standing) < full)
        self.ring, self.demand = part_of(ring, open_places), demand[:, open_places]
        self.chosen = chosen.copy()
        self.value = self.value_of(np.arange(open_places.size), chosen)
        self.near_ptr, self.near = places_of_sites(self.ring, standing.size)

    def value_of(self, places: IntArray, chosen: BoolArray) -> IntArray:
        """Return what each place earns with these sites."""
        ring = part_of(self.ring, places)
        kept = chosen[ring.site]
        ptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])[ring.ptr]
        ring = Ring(ptr, ring.site[kept], ring.angle[kept], ring.distance_m[kept])
        told = served_places(ring, self.reach)
        demand = self.demand[:, places]
        earned = PERCENT * (demand * told.served) + self.worth * (demand * told.firm)
        return np.asarray(earned.sum(axis=0))

    def change(self, *sites: int) -> tuple[int, IntArray, IntArray]:
        """Return what is won by turning sites over, the places it touches, and their new values."""
        parts = [self.near[self.near_ptr[j] : self.near_ptr[j + 1]] for j in sites]
        places = parts[0] if len(parts) == 1 else np.union1d(*parts)
        turned = self.chosen.copy()
        turned[list(sites)] ^= True
        value = self.value_of(places, turned)
        return int((value - self.value[places]).sum()), places, value

    def turn(self, sites: tuple[int, ...], places: IntArray, value: IntArray) -> None:
        """Turn sites over."""
        self.chosen[list(sites)] ^= True
        self.value[places] = value


def refine(
    ring: Ring, demand: IntArray, reach: Reach, worth_percent: int, standing: BoolArray,
    free: BoolArray, chosen: BoolArray, stop: Callable[[], bool] = lambda: False,
) -> BoolArray:  # fmt: skip
    """Return as many chosen sites that serve no less; see the module text.

    Parameters
    ----------
    ring : Ring
        Of every site.
    demand : (n_layer, n_place) int64
    reach : Reach
    worth_percent : int
    standing, free, chosen : (n_site,) bool
        Sites in every plan, those to choose from, and those of the plan.
    stop : callable
        Polled between rounds.
    """
    score = Score(ring, demand, reach, worth_percent, standing, chosen)
    for _ in range(ROUNDS):
        inside = np.flatnonzero(free & score.chosen)
        outside = np.flatnonzero(free & ~score.chosen)
        if not inside.size or not outside.size or stop():
            break
        loss = np.array([-score.change(int(j))[0] for j in inside])
        gain = np.array([score.change(int(j))[0] for j in outside])
        drop = inside[np.argsort(loss, kind="stable")].tolist()
        if not exchange(score, drop, outside[np.argsort(-gain, kind="stable")].tolist()):
            break
    return score.chosen


def exchange(score: Score, drop: list[int], add: list[int]) -> int:
    """Try exchanges in order; return how many were made."""
    made = tried = 0
    for new in add:
        for old in drop[:LEAST]:
            if tried >= TRIES:
                return made
            tried += 1
            won, places, value = score.change(old, new)
            if won > 0:
                score.turn((old, new), places, value)
                drop.remove(old)
                made += 1
                break
    return made
