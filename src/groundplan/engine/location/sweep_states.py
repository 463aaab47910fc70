"""The partial choices of a sweep in arrays that grow, and the log of what they took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import jit

__all__ = ["SITES_MAX", "States"]

IntArray = NDArray[np.int64]
#: Most sites of a sweep: places are kept in 16 bits.
SITES_MAX = 65_535


@dataclass
class States:
    """The states of a sweep, in arrays that grow.

    Attributes
    ----------
    seat : (room, most) uint16
        Open chosen sites of each state by place in the sweep, ascending.
    size : (room,) uint8
        How many they are.
    key : (room,) uint64
        Bits of the open sites, mixed.
    loss, spent : (room,) int64
    link : (room,) int32
        Last entry in the log of taken sites, -1 for none.
    log : (n, 2) int32
        Taken sites: the entry before and the site.
    """

    seat: NDArray[np.uint16]
    size: NDArray[np.uint8]
    key: NDArray[np.uint64]
    loss: IntArray
    spent: IntArray
    link: NDArray[np.int32]
    log: NDArray[np.int32]

    @classmethod
    def alone(cls, room: int = 4_096, most: int = 12, log: int = 65_536) -> States:
        """Return room for states whose first has chosen nothing."""
        return cls(
            np.zeros((room, most), np.uint16),
            np.zeros(room, np.uint8),
            np.zeros(room, np.uint64),
            np.zeros(room, np.int64),
            np.zeros(room, np.int64),
            np.full(room, -1, np.int32),
            np.empty((log, 2), np.int32),
        )

    def widen(self, count: int, room: int, most: int) -> States:
        """Return the first `count` states in arrays of another size."""
        wider = States.alone(room, most, 0)
        wider.seat[:count, : self.seat.shape[1]] = self.seat[:count]
        for name in ("size", "key", "loss", "spent", "link"):
            getattr(wider, name)[:count] = getattr(self, name)[:count]
        wider.log = self.log
        return wider

    def shorten_log(self, count: int, logged: int) -> int:
        """Keep the entries that the first `count` states lead to; returns how many they are."""
        kept = int(keep_entries(self.link[:count], self.log[:logged]))
        if 2 * (kept + 2 * self.link.size) > len(self.log):
            longer = np.empty((2 * len(self.log) + 4 * self.link.size, 2), np.int32)
            longer[:kept] = self.log[:kept]
            self.log = longer
        return kept

    def sites(self, state: int) -> NDArray[np.int32]:
        """Return the sites that a state took, last one first."""
        found = []
        at = int(self.link[state])
        while at >= 0:
            found.append(self.log[at, 1])
            at = int(self.log[at, 0])
        return np.array(found, np.int32)


@jit
def keep_entries(link, log):
    """Move the entries that links lead to to the front; returns how many they are."""
    place = np.full(len(log), -1, np.int32)
    for s in range(link.size):
        at = link[s]
        while at >= 0 and place[at] < 0:
            place[at] = 0
            at = log[at, 0]
    kept = 0
    for at in range(len(log)):
        if place[at] == 0:
            place[at] = kept
            before = log[at, 0]
            log[kept, 0] = place[before] if before >= 0 else -1
            log[kept, 1] = log[at, 1]
            kept += 1
    for s in range(link.size):
        if link[s] >= 0:
            link[s] = place[link[s]]
    return kept
