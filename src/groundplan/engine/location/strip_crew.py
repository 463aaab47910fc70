"""How a large problem is cut into strips, and how the driver speaks with them."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.points import hash_points
from groundplan.engine.location.strip_worker import (
    Mail,
    StripInput,
    call_strips,
    close_strips,
    open_strip,
)
from groundplan.engine.location.workers import Executor, carried_bytes
from groundplan.errors import WorkerLostError

__all__ = ["Crew", "Cut", "Geometry", "cut_strips"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: A strip is at least this many reaches wide, so that no row is reached from three.
STRIP_REACHES = 2.002


def cut_strips(place: FloatArray, reach_m: float, strip_sites: int) -> FloatArray:
    """Return the borders between strips of about `strip_sites` sites each.

    Parameters
    ----------
    place : (n_site,) float64
        Position of each candidate along the cut.
    reach_m : float
        Largest reach.
    strip_sites : int
    """
    count = -(-place.size // strip_sites)
    # an even number of strips shares out evenly among two workers
    count += count % 2 if count > 1 else 0
    if count < 2:
        return np.empty(0)
    borders: list[float] = []
    for border in np.quantile(place, np.arange(1, count) / count):
        if not borders or border - borders[-1] > STRIP_REACHES * reach_m:
            borders.append(float(border))
    return np.array(borders)


@dataclass(frozen=True)
class Geometry:
    """The input as the strips are cut from it; names as in `Coverage.from_radius`."""

    demand_xy_m: FloatArray
    weight: IntArray
    site_xy_m: FloatArray
    radius_m: FloatArray
    existing: BoolArray
    demand_layer: NDArray[np.int8] | None
    site_layer: NDArray[np.int8] | None
    demand_reach_m: FloatArray | None

    @property
    def reach_m(self) -> float:
        """Largest radius of a site."""
        return float(self.radius_m.max(initial=0.0))

    def input_hash(self) -> str:
        """Return the hash of the whole input."""
        return hash_points(
            self.demand_xy_m, self.weight, self.demand_layer, self.site_xy_m, self.site_layer,
            self.radius_m, self.existing, self.demand_reach_m,
        )  # fmt: skip


class Cut:
    """Sites and rows by strip.

    Parameters
    ----------
    geometry : Geometry
    candidate : (n_site,) bool
    cost : (n_site,) int64
    strip_sites : int
    """

    def __init__(
        self, geometry: Geometry, candidate: BoolArray, cost: IntArray, strip_sites: int
    ) -> None:
        self.geometry, self.candidate, self.cost = geometry, candidate, cost
        xy = geometry.site_xy_m[candidate]
        self.axis = int(np.ptp(xy[:, 1]) > np.ptp(xy[:, 0])) if len(xy) else 0
        self.borders = cut_strips(xy[:, self.axis], geometry.reach_m, strip_sites)
        self.strip_of_site = self.strips_at(geometry.site_xy_m)
        self.strip_of_row = self.strips_at(geometry.demand_xy_m)

    def strips_at(self, xy_m: FloatArray) -> NDArray[np.int16]:
        """Return the strip in which each point lies."""
        found = np.searchsorted(self.borders, xy_m[:, self.axis], side="right")
        return found.astype(np.int16)

    def __len__(self) -> int:
        return self.borders.size + 1

    def rows(self, number: int) -> IntArray:
        """Return the raw rows of a strip."""
        return np.flatnonzero(self.strip_of_row == number)

    def strip_input(self, number: int) -> StripInput:
        """Return what a strip is made from."""
        g = self.geometry
        row = self.rows(number)
        place = g.site_xy_m[:, self.axis]
        edge = np.concatenate([[-np.inf], self.borders, [np.inf]])
        slack = STRIP_REACHES * g.reach_m
        near = (place >= edge[number] - slack) & (place <= edge[number + 1] + slack)
        site = np.flatnonzero(near & (self.candidate | g.existing))
        return StripInput(
            number, g.demand_xy_m[row], g.weight[row],
            None if g.demand_layer is None else g.demand_layer[row],
            None if g.demand_reach_m is None else g.demand_reach_m[row],
            site.astype(np.int32), g.site_xy_m[site], g.radius_m[site],
            None if g.site_layer is None else g.site_layer[site],
            g.existing[site], self.cost[site], self.strip_of_site[site], g.reach_m,
        )  # fmt: skip


class Crew:
    """The strips on their workers: calls to all of them, and mail between them.

    Attributes
    ----------
    homes : list of list of int
        Strips of each worker.
    rounds : int
        Calls to all strips so far.
    largest : int
        Most bytes of arrays in one of them.
    """

    def __init__(self, executor: Executor, count: int) -> None:
        self.executor, self.count = executor, count
        # neighbours live together
        edge = np.arange(executor.workers + 1) * count // executor.workers
        self.homes = [list(range(int(a), int(b))) for a, b in pairwise(edge)]
        self.run = uuid.uuid4().hex
        self.rounds, self.largest = 0, 0

    def open(self, cut: Cut) -> list[tuple[int, Mail]]:
        """Open all strips, one at a time at each home: no second copy of all rows is made."""
        answers: list[Any] = [None] * self.count
        for turn in range(max(len(strips) for strips in self.homes)):
            waiting = {
                strips[turn]: self.executor.submit(
                    home, open_strip, self.run, cut.strip_input(strips[turn])
                )
                for home, strips in enumerate(self.homes)
                if turn < len(strips)
            }
            for k, w in waiting.items():
                answers[k] = w.result()
        return answers

    def each(
        self, method: Callable[..., Any], args: Sequence[tuple[Any, ...]], *, is_round: bool = True
    ) -> list[Any]:
        """Call a method of every strip with arguments of its own; answers in their order."""
        waiting = [
            self.executor.submit(
                home, call_strips, self.run, method, [(k, args[k]) for k in strips]
            )
            for home, strips in enumerate(self.homes)
            if strips
        ]
        # all end before an error is raised: nothing runs on behind the caller's back
        answers: list[Any] = []
        lost: list[Exception] = []
        for w in waiting:
            try:
                answers += w.result()
            except Exception as error:  # noqa: BLE001  raised below
                lost.append(error)
        if lost:
            raise lost[0]
        if is_round:
            self.rounds += 1
            self.largest = max(self.largest, carried_bytes(list(args)) + carried_bytes(answers))
        return answers

    def all(self, method: Callable[..., Any], *args: Any, is_round: bool = True) -> list[Any]:
        """Call a method of every strip with the same arguments."""
        return self.each(method, [args] * self.count, is_round=is_round)

    def sort_mail(self, mail: Sequence[Mail]) -> list[Mail]:
        """Return what each strip is sent, by sender."""
        boxes: list[Mail] = [{} for _ in range(self.count)]
        for sender, letters in enumerate(mail):
            for to, letter in letters.items():
                boxes[to][sender] = letter
        return boxes

    def close(self) -> None:
        """Forget all strips."""
        for home, strips in enumerate(self.homes):
            # a lost worker has forgotten its strips already
            with contextlib.suppress(WorkerLostError):
                self.executor.submit(home, close_strips, self.run, strips).result()
