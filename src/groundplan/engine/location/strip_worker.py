"""One strip of a large problem, as it lives at its home: coverage, program, steps, plan, proof.

A strip gathers the demand rows of its own band. Rows that sites of a neighbouring strip reach as
well are told to that strip; each of the two then knows the complete list of sites of every row
that its sites reach, and the sites of the other among them are its guests. Everything that passes
between strips after that is numbers of guests and prices of shared rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import DENOMINATOR
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.program import Program, make_program
from groundplan.engine.location.strip_dual import Standing, StripDual
from groundplan.engine.location.strip_plan import StripPlan
from groundplan.errors import WorkerLostError

__all__ = ["Strip", "StripInput", "call_strips", "close_strips", "open_strip"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
#: Rows told to a neighbour: length of each list, sites, weight of each row.
Lists = tuple[NDArray[np.int32], NDArray[np.int32], IntArray]
#: What strips tell each other, by the number of the strip it comes from or goes to.
Mail = dict[int, Any]


@dataclass(frozen=True)
class StripInput:
    """What a strip is made from; see `Coverage.from_radius` for the parts not told here.

    Attributes
    ----------
    number : int
        Of the strip.
    demand_xy_m, weight, demand_layer, demand_reach_m
        Rows of the strip's band.
    site : (n,) int32
        Numbers of the sites within two reaches of the band, ascending.
    site_xy_m, radius_m, site_layer, existing, cost
        Of these sites.
    strip_of : (n,) int16
        Strip to which each of them belongs.
    reach_m : float
        Largest radius of all sites.
    """

    number: int
    demand_xy_m: NDArray[np.float64]
    weight: IntArray
    demand_layer: NDArray[np.int8] | None
    demand_reach_m: NDArray[np.float64] | None
    site: NDArray[np.int32]
    site_xy_m: NDArray[np.float64]
    radius_m: NDArray[np.float64]
    site_layer: NDArray[np.int8] | None
    existing: BoolArray
    cost: IntArray
    strip_of: NDArray[np.int16]
    reach_m: float


def pick_lists(indptr: IntArray, indices: NDArray[np.int32], row: IntArray) -> NDArray[np.int32]:
    """Return the lists of some rows one after another."""
    length = indptr[row + 1] - indptr[row]
    at = np.arange(int(length.sum())) + np.repeat(indptr[row] - np.cumsum(length) + length, length)
    picked: NDArray[np.int32] = indices[at]
    return picked


class Strip:
    """A strip at its home.

    The driver calls `tell_rows`, `join`, `meet`, `tell_scale` and `begin`; then `step` as often as
    it likes, with an `evaluate` and an `advance` in its place now and then; then `keep_best`,
    `round_prices`, `take_prices`, `set_budget_price`, `round_plan` and `tidy`; then `sweep`,
    `stand`, `rank`, `make`, `keep_plan` and `lift`; and `finish` at the end.
    """

    def __init__(self, given: StripInput) -> None:
        self.number, self.site, self.strip_of = given.number, given.site, given.strip_of
        self.coverage = Coverage.from_radius(
            given.demand_xy_m, given.weight, given.site_xy_m, given.radius_m,
            existing=given.existing, demand_layer=given.demand_layer,
            site_layer=given.site_layer, demand_reach_m=given.demand_reach_m,
        )  # fmt: skip
        self.reach_m, self.cost = given.reach_m, given.cost
        self.n_owned = self.coverage.weight.size
        self.inside: dict[str, Any] = {}

    def tell_rows(self) -> tuple[int, Mail]:
        """Return the weight that existing sites serve, and the rows that concern other strips."""
        c = self.coverage
        row = np.repeat(np.arange(self.n_owned), np.diff(c.row_indptr))
        strip = self.strip_of[c.row_indices]
        mail: Mail = {}
        self.given: dict[int, IntArray] = {}
        for other in np.unique(strip):
            if other != self.number:
                mine = np.unique(row[strip == other])
                self.given[int(other)] = mine
                length = np.diff(c.row_indptr)[mine].astype(np.int32)
                lists = self.site[pick_lists(c.row_indptr, c.row_indices, mine)]
                mail[int(other)] = (length, lists, c.weight[mine])
        return c.base_value, mail

    def join(self, mail: dict[int, Lists]) -> tuple[dict[str, int], Mail]:
        """Take the rows of other strips; returns sizes, and which guests to ask them for."""
        c = self.coverage
        senders = sorted(mail)
        indptr, indices, weight = [np.diff(c.row_indptr)], [c.row_indices], [c.weight]
        for other in senders:
            length, lists, row_weight = mail[other]
            indptr.append(length.astype(np.int64))
            indices.append(np.searchsorted(self.site, lists).astype(np.int32))
            weight.append(row_weight)
        lengths = np.concatenate(indptr)
        whole = replace(
            c,
            row_indptr=np.concatenate([[0], np.cumsum(lengths)]),
            row_indices=np.concatenate(indices),
            weight=np.concatenate(weight),
            row_of=np.empty(0, np.int32),
            raw_weight=np.empty(0, np.int64),
            reach_m=self.reach_m,
        )
        program = make_program(whole, ~c.existing, self.cost, 0)
        self.program = program
        place = np.full(lengths.size, -1, np.int64)
        place[program.row] = np.arange(program.n_row)
        self.place = place[: self.n_owned]
        self.given = {other: place[rows] for other, rows in self.given.items()}
        self.taken, at = {}, self.n_owned
        for other in senders:
            n = mail[other][0].size
            self.taken[other] = place[at : at + n]
            at += n
        strip = self.strip_of[program.site]
        self.own = np.flatnonzero(strip == self.number).astype(np.int32)
        self.guests = {
            int(other): np.flatnonzero(strip == other)
            for other in np.unique(strip)
            if other != self.number
        }
        self.guest = np.concatenate(
            [np.empty(0, np.int64), *(self.guests[k] for k in sorted(self.guests))]
        ).astype(np.int32)
        is_owned = program.row < self.n_owned
        self.dual = StripDual(program, self.own, self.guest, is_owned)
        self.plan = StripPlan(program, self.own, self.guest, is_owned, self.find_border(program))
        # the lists live on in the program
        nothing = np.zeros(1, np.int64)
        self.coverage = replace(
            c, row_indptr=nothing, row_indices=np.empty(0, np.int32), raw_weight=nothing[:0]
        )
        sizes = {"rows": int(is_owned.sum()), "sites": self.own.size}
        ask = {k: self.site[program.site[places]] for k, places in self.guests.items()}
        return sizes, ask

    def find_border(self, program: Program) -> BoolArray:
        """Return which sites share a row with a guest."""
        is_guest = np.ones(program.n_site, bool)
        is_guest[self.own] = False
        row = np.repeat(np.arange(program.n_row), np.diff(program.row_indptr))
        is_shared = np.zeros(program.n_row, bool)
        is_shared[row[is_guest[program.row_indices]]] = True
        border = np.zeros(program.n_site, bool)
        border[program.row_indices[is_shared[row]]] = True
        return border & ~is_guest

    def meet(self, mail: dict[int, NDArray[np.int32]]) -> None:
        """Learn which sites other strips have as guests."""
        place = np.full(self.site.size, -1, np.int64)
        place[self.program.site] = np.arange(self.program.n_site)
        self.shown = {
            other: place[np.searchsorted(self.site, wanted)] for other, wanted in mail.items()
        }

    def show(self, array: NDArray[Any]) -> Mail:
        """Return the values of the sites that are guests elsewhere."""
        return {other: array[places] for other, places in self.shown.items()}

    def gather_guests(self, mail: dict[int, NDArray[Any]]) -> NDArray[Any]:
        """Return what came from other strips in the order of the guests."""
        parts = [mail[k] for k in sorted(self.guests)]
        return np.concatenate(parts) if parts else np.empty(0)

    def tell_scale(self) -> tuple[int, Mail]:
        """Return what all sites of the strip cost, and the weights that shown sites cover."""
        return int(self.program.cost[self.own].sum()), self.show(self.dual.scale)

    def begin(
        self, share: float, omega: float, prices: FloatArray, mail: dict[int, FloatArray]
    ) -> tuple[FloatArray, Mail]:
        """Set the first shares and go into the first step; returns as `advance` does."""
        self.dual.begin(share, self.gather_guests(mail))
        return self.advance("", "", omega, prices)

    def advance(
        self, keep: str, restart: str, omega: float, prices: FloatArray
    ) -> tuple[FloatArray, Mail]:
        """Go into a step up to the price of the budget.

        Parameters
        ----------
        keep, restart : str
            Which point to keep as the best one, and from which to begin anew; ``""`` for none.
        omega : float
            Primal weight.
        prices : (n_price,) float64

        Returns
        -------
        spent : (n_price,) float64
            What the strip spends if the step ends at each of the prices.
        mail
            The step of shown sites before the price.
        """
        if keep:
            self.dual.keep(keep)
        if restart:
            self.dual.restart(restart)
        self.omega = omega
        self.dual.advance(omega)
        return self.dual.spend(prices), self.show(self.dual.z)

    def spend(self, prices: FloatArray) -> FloatArray:
        """Return what the strip spends if the present step ends at each of the prices."""
        return self.dual.spend(prices)

    def step(
        self, price: float, share: float, prices: FloatArray, mail: dict[int, FloatArray]
    ) -> tuple[FloatArray, Mail]:
        """End the present step at a price, and go into the next; returns as `advance` does."""
        self.dual.finish(price, self.omega, share, self.gather_guests(mail))
        return self.advance("", "", self.omega, prices)

    def evaluate(
        self, price: float, share: float, mail: dict[int, FloatArray]
    ) -> dict[str, Standing]:
        """End the present step at a price, and tell where its points stand."""
        self.dual.finish(price, self.omega, share, self.gather_guests(mail))
        return {name: self.dual.evaluate(name, price) for name in ("mean", "last")}

    def spend_at(self, prices: FloatArray, is_priced: bool) -> FloatArray:
        """Return what the sites that score more than their cost at a price would spend."""
        score = (self.plan.score if is_priced else self.dual.scale)[self.own]
        cost = self.program.cost[self.own]
        ratio = score / cost
        order = np.argsort(-ratio, kind="stable")
        spent = np.concatenate([[0], np.cumsum(cost[order])])
        found: FloatArray = spent[np.searchsorted(-ratio[order], -prices, side="left")].astype(
            np.float64
        )
        return found

    def keep_best(self, name: str) -> None:
        """Keep a point of the last evaluation as the best one, and all that stays of the steps."""
        if name:
            self.dual.keep(name)

    def round_prices(self) -> Mail:
        """Round the best prices to whole shares; returns those of rows that others see."""
        best = self.dual.u["best"].astype(np.float64)
        self.share = np.rint(best * DENOMINATOR).astype(np.uint16)
        return {other: self.share[rows] for other, rows in self.given.items()}

    def take_prices(self, mail: dict[int, NDArray[np.uint16]]) -> None:
        """Take the prices of rows that belong to other strips, and price the sites."""
        for other, share in mail.items():
            self.share[self.taken[other]] = share
        self.plan.set_prices(self.share)

    def set_budget_price(self, budget_price: int) -> int:
        """Take the whole price of the budget; returns the part of the bound."""
        return self.plan.set_budget_price(budget_price)

    def round_plan(self) -> Mail:
        """Choose what the steps chose by more than half; ends the steps."""
        best = self.dual.y["best"]
        self.plan.chosen[self.own] = best[self.own] > 0.5
        del self.dual
        return self.show(self.plan.chosen)

    def tidy(self, worth: float, moves_border: bool, mail: dict[int, BoolArray]) -> Mail:
        """Drop and add sites at a price in units of weight; returns mail."""
        self.plan.seat(self.gather_guests(mail))
        self.plan.tidy(worth, moves_border=moves_border)
        return self.show(self.plan.chosen)

    def sweep(
        self, worth: float, level: int, key: list[int], moves_border: bool
    ) -> tuple[int, Mail]:
        """Choose every window anew; returns the gain, and mail."""
        gained = self.plan.sweep(worth, level, key, moves_border=moves_border)
        return gained, self.show(self.plan.chosen)

    def stand(self, mail: dict[int, BoolArray]) -> tuple[int, int]:
        """Hear what the neighbours chose; returns spending and weight covered."""
        self.plan.seat(self.gather_guests(mail))
        return self.plan.stand()

    def rank(
        self, is_drop: bool, least: float, room: int, moves_border: bool
    ) -> tuple[FloatArray, IntArray]:
        """Return keys and costs of the moves worth making, best first."""
        return self.plan.rank(is_drop=is_drop, least=least, room=room, moves_border=moves_border)

    def make(self, n: int) -> Mail:
        """Make the first moves of the last ranking; returns mail."""
        self.plan.make(n)
        return self.show(self.plan.chosen)

    def keep_plan(self) -> None:
        """Remember the present plan as the best one."""
        self.kept = self.plan.chosen[self.own].copy()

    def lift(self, worth: float, sites_max: int, width_max: int, cap: int) -> int:
        """Search the tiles; returns what they must lose together."""
        return self.plan.lift(worth, sites_max, width_max, cap)

    def finish(
        self,
    ) -> tuple[NDArray[np.int32], NDArray[np.uint16], dict[str, NDArray[np.integer]]]:
        """Return the chosen sites, the prices of the band's rows, and what the tiles prove."""
        number = self.site[self.program.site].astype(np.int32)
        sites = np.sort(number[self.own[self.kept]])
        merged = np.full(self.n_owned, DENOMINATOR, np.uint16)
        known = self.place >= 0
        merged[known] = self.share[self.place[known]]
        row_of = self.coverage.row_of
        price = np.full(row_of.size, DENOMINATOR, np.uint16)
        is_open = row_of >= 0
        price[is_open] = merged[row_of[is_open]]
        losses = self.plan.losses
        tiles = losses.record(number) if losses is not None and losses.total() > 0 else {}
        return sites, price, tiles


#: Strips that live in this process, by the run and their number.
_STRIPS: dict[tuple[str, int], Strip] = {}


def open_strip(run: str, given: StripInput) -> tuple[int, Mail]:
    """Make a strip that lives on in this process; returns what `Strip.tell_rows` does."""
    strip = _STRIPS[run, given.number] = Strip(given)
    return strip.tell_rows()


def call_strips(
    run: str, method: Callable[..., Any], calls: list[tuple[int, tuple[Any, ...]]]
) -> list[Any]:
    """Call a method of some strips that live in this process, each with arguments of its own."""
    for number, _args in calls:
        if (run, number) not in _STRIPS:
            raise WorkerLostError(
                f"strip {number} is not where it was opened: its worker has been started anew; "
                "start the whole run again"
            )
    return [method(_STRIPS[run, number], *args) for number, args in calls]


def close_strips(run: str, numbers: list[int]) -> None:
    """Forget some strips."""
    for number in numbers:
        _STRIPS.pop((run, number), None)
