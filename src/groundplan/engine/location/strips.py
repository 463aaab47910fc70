r"""Maximal covering in strips that live on several workers, with one certificate for the whole.

The sites are cut into a number of strips that depends on their count alone, never on the workers,
and no strip's arithmetic depends on where it lives: one worker and ten give the same bytes. The
driver holds the raw input and a few numbers a strip. In every round it tells the strips a price of
the budget and the numbers of their guests (see `strip_worker`), and adds up what they answer: the
bound

.. math:: \sum_i (w_i - \lambda_i) + \sum_j (s_j - \mu f_j)^+ + \mu B - \sum_t P_t

is a sum over rows, sites and tiles, each of which belongs to one strip.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import BUDGET_DIGITS, DENOMINATOR, check_magnitude, seal
from groundplan.engine.location.coverage_input import check_points, check_reach, check_weight
from groundplan.engine.location.dual import CHECK
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.request import check_limits
from groundplan.engine.location.run import (
    DUAL_TOLERANCE,
    LEAST_GAIN,
    LIFTS,
    PASSES_BEFORE_LIFT,
    nothing,
)
from groundplan.engine.location.search import Windows
from groundplan.engine.location.solve import check_request
from groundplan.engine.location.strip_budget import BudgetPrice, find_worth
from groundplan.engine.location.strip_crew import Crew, Cut, Geometry
from groundplan.engine.location.strip_dual import Standing
from groundplan.engine.location.strip_worker import Mail, Strip
from groundplan.engine.location.workers import Executor, ThreadWorkers, check_executor
from groundplan.engine.problem import Certificate, Decision

__all__ = ["maximal_covering_over"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@keep_log
def maximal_covering_over(
    demand_xy_m: FloatArray,
    weight: IntArray,
    site_xy_m: FloatArray,
    radius_m: float | FloatArray,
    p: int | None = None,
    *,
    executor: Executor | None = None,
    budget: int | None = None,
    cost: IntArray | None = None,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    demand_layer: NDArray[np.int8] | None = None,
    site_layer: NDArray[np.int8] | None = None,
    demand_reach_m: FloatArray | None = None,
    strip_sites: int = 30_000,
    gap: float = 0.005,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 400,
    passes: int = 12,
    effort: int = 1,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose sites so that as much weight as possible is covered, worked strip by strip.

    The problem is that of `maximal_covering`, the input that of `Coverage.from_radius`. Nobody
    holds the coverage of the whole: each strip builds its own at its home.

    Parameters
    ----------
    demand_xy_m, weight, site_xy_m, radius_m, existing, demand_layer, site_layer, demand_reach_m
        As in `Coverage.from_radius`.
    p, budget, cost, forbidden, gap, time_limit_s, seed, steps, passes, effort, progress, stop
        As in `maximal_covering`.
    executor : Executor, optional
        Where the strips live: `ThreadWorkers`, `ProcessWorkers`, `DaskWorkers` or anything with
        their two members. Threads where left out. The answer does not depend on it.
    strip_sites : int
        Candidates of a strip, about. The answer depends on it, slightly.

    Returns
    -------
    Decision
        `verify_radius` checks it like any other.

    Raises
    ------
    ValueError
        Where the request contradicts itself.
    WorkerLostError
        Where a worker ends before the work does.

    Notes
    -----
    Left out against `maximal_covering`: the exact finish of small problems, annealing where sites
    overlap too widely for windows, checkpoints. A strip is never narrower than two reaches: one
    site that reaches across the whole region leaves one strip, and one worker busy. `stop` and
    the time limit are looked at between rounds; a search of all tiles is one round.
    """
    check_limits(gap, time_limit_s, seed)
    geometry = check_geometry(
        demand_xy_m, weight, site_xy_m, radius_m, existing, demand_layer, site_layer,
        demand_reach_m,
    )  # fmt: skip
    candidate, price, amount, parameters = check_request(
        geometry.existing, p, budget, cost, forbidden
    )
    if not 0 <= effort < len(LIFTS):
        raise ValueError(f"effort must be 0..{len(LIFTS) - 1}. Got {effort}")
    if strip_sites < 1:
        raise ValueError(f"strip_sites must be >= 1. Got {strip_sites}")
    cut = Cut(geometry, candidate, price, strip_sites)
    with ExitStack() as closing:
        if executor is None:
            executor = closing.enter_context(ThreadWorkers())
        crew = Crew(check_executor(executor), len(cut))
        closing.callback(crew.close)
        run = Run(
            crew, cut, amount, parameters,
            gap=gap, time_limit_s=time_limit_s, seed=seed, progress=progress, stop=stop,
        )  # fmt: skip
        run.open()
        run.find_prices(steps)
        run.improve(passes, effort)
        return run.certify()


def check_geometry(
    demand_xy_m: FloatArray,
    weight: IntArray,
    site_xy_m: FloatArray,
    radius_m: float | FloatArray,
    existing: BoolArray | None,
    demand_layer: NDArray[np.int8] | None,
    site_layer: NDArray[np.int8] | None,
    demand_reach_m: FloatArray | None,
) -> Geometry:
    """Return the input in the types that strips are cut from, or say what is wrong with it."""
    demand = np.ascontiguousarray(demand_xy_m, np.float64)
    site = np.ascontiguousarray(site_xy_m, np.float64)
    whole = check_weight(weight, len(demand))
    check_magnitude(whole)
    radius = np.broadcast_to(np.asarray(radius_m, np.float64), (len(site),)).copy()
    check_points(demand, site, radius)
    if (demand_layer is None) != (site_layer is None):
        raise ValueError("give layers to demand rows and to sites, or to neither")
    stands = np.zeros(len(site), bool) if existing is None else np.asarray(existing, bool)
    for name, array, n in (
        ("existing", stands, len(site)),
        ("demand_layer", demand_layer, len(demand)),
        ("site_layer", site_layer, len(site)),
    ):
        if array is not None and np.shape(array) != (n,):
            raise ValueError(f"{name} must have shape ({n},). Got {np.shape(array)}")
    return Geometry(
        demand, whole, site, radius, stands,
        None if demand_layer is None else np.asarray(demand_layer, np.int8),
        None if site_layer is None else np.asarray(site_layer, np.int8),
        check_reach(demand_reach_m, len(demand)),
    )  # fmt: skip


class Run:
    """One solve over strips: what is asked, what is known, when to stop."""

    def __init__(
        self,
        crew: Crew,
        cut: Cut,
        amount: int,
        parameters: dict[str, int],
        *,
        gap: float,
        time_limit_s: float | None,
        seed: int,
        progress: Callable[[str, int, int, float, float], None],
        stop: Callable[[], bool],
    ) -> None:
        self.crew, self.cut, self.amount, self.parameters = crew, cut, amount, parameters
        self.gap, self.seed, self.progress, self.stop = gap, seed, progress, stop
        self.ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
        self.halted = False
        self.base = 0
        #: bound without existing service, in units of weight; best plan's value likewise
        self.bound, self.value = np.inf, -1
        self.numerator, self.lifted, self.budget_price = 0, 0, 0
        self.log: dict[str, Any] = {"seed": seed, "strips": len(cut)}

    def halt(self) -> bool:
        """Return whether to stop: asked to, or out of time."""
        if self.stop() or (self.ends_at is not None and time.monotonic() > self.ends_at):
            self.halted = True
        return self.halted

    def relative(self, value: float) -> float:
        """Return the gap of a value, existing service left out of it and counted in."""
        whole = self.base + self.bound
        return (self.bound - value) / whole if whole > 0 else 0.0

    def look(self, stage: str, done: int, total: int, value: float) -> bool:
        """Tell how it stands; true where to stop."""
        self.progress(stage, done, total, self.base + value, self.base + self.bound)
        return self.halt()

    def open(self) -> None:
        """Make the strips and let them learn of each other."""
        crew = self.crew
        answers = crew.open(self.cut)
        self.base = sum(base for base, _mail in answers)
        mail = crew.sort_mail([mail for _base, mail in answers])
        joined = crew.each(Strip.join, [(box,) for box in mail], is_round=False)
        for name in ("rows", "sites"):
            self.log[name] = sum(sizes[name] for sizes, _ask in joined)
        asked = crew.sort_mail([ask for _sizes, ask in joined])
        crew.each(Strip.meet, [(box,) for box in asked], is_round=False)

    def find_prices(self, steps: int) -> None:
        """Take the steps of the bound, then price rows, sites and budget in whole numbers."""
        crew, amount = self.crew, self.amount
        told = crew.all(Strip.tell_scale)
        total = sum(cost for cost, _mail in told)
        mail = crew.sort_mail([letters for _cost, letters in told])
        most = int(self.cut.geometry.weight.sum()) + 1
        budget = BudgetPrice(crew, amount, find_worth(crew, amount, most))
        step, since, omega, distance = 0, 0, 1.0, np.inf
        keep, restart = "", ""
        share = min(1.0, amount / max(1, total))
        answers = crew.each(Strip.begin, [(share, omega, budget.ask(), box) for box in mail])
        while step < steps:
            mail = crew.sort_mail([letters for _spent, letters in answers])
            price = budget.find(sum(spent for spent, _mail in answers))
            step, since = step + 1, since + 1
            if step % CHECK and step < steps:
                ask = budget.ask()
                answers = crew.each(Strip.step, [(price, 1.0 / since, ask, box) for box in mail])
                continue
            standings = crew.each(Strip.evaluate, [(price, 1.0 / since, box) for box in mail])
            found = {n: add_standings([at[n] for at in standings]) for n in ("mean", "last")}
            keep = ""
            for name, at in found.items():
                if at.bound + price * amount < self.bound:
                    self.bound, keep = at.bound + price * amount, name
            near = min(found, key=lambda n: found[n].bound - found[n].value)
            open_gap = found[near].bound - found[near].value
            restart = ""
            if open_gap <= 0.4 * distance or since >= 0.4 * step:
                restart, since, distance = near, 0, open_gap
                moved_y, moved_u = found[near].moved_y, found[near].moved_u
                if moved_y > 0 and moved_u > 0:
                    omega = float(np.sqrt(omega * np.sqrt(moved_y / moved_u)))
            is_near = open_gap <= DUAL_TOLERANCE * self.bound
            if self.look("bound", step, steps, 0) or is_near or step == steps:
                break
            answers = crew.all(Strip.advance, keep, restart, omega, budget.ask())
        self.log["bound_steps"] = step
        crew.all(Strip.keep_best, keep)
        mail = crew.sort_mail(crew.all(Strip.round_prices))
        crew.each(Strip.take_prices, [(box,) for box in mail])
        worth = find_worth(
            crew, amount, most * DENOMINATOR, is_priced=True, is_whole="p" in self.parameters
        )
        self.budget_price = round(worth * 2**BUDGET_DIGITS)
        self.numerator = sum(crew.all(Strip.set_budget_price, self.budget_price))
        self.numerator -= -self.budget_price * self.amount >> BUDGET_DIGITS
        self.bound = self.numerator / DENOMINATOR

    def improve(self, passes: int, effort: int) -> None:
        """Round the plan, choose window after window anew, lift the bound, fit the budget."""
        crew, worth = self.crew, self.budget_price / 2**BUDGET_DIGITS
        mail = crew.sort_mail(crew.all(Strip.round_plan))
        for turn in (0, 1):
            boxes = [(worth / DENOMINATOR, (k + turn) % 2 == 0, box) for k, box in enumerate(mail)]
            mail = crew.sort_mail(crew.each(Strip.tidy, boxes))
        self.fit(*self.stand(mail))
        self.log["rounded"] = self.base + self.value
        level, lifted, turn = 0, -1, 0
        widest = min(effort + 1, len(Windows.LEVELS) - 1)
        if self.ends_at is not None:
            passes = 10_000
        price = worth
        while turn < passes and worth > 0 and not self.is_done():
            args = [
                (price, level, [self.seed, turn * len(self.cut) + k], (k + turn) % 2 == 0)
                for k in range(len(self.cut))
            ]
            answers = crew.each(Strip.sweep, args)
            turn += 1
            gained = sum(gain for gain, _mail in answers)
            spent, value = self.stand(crew.sort_mail([mail for _gain, mail in answers]))
            over = (spent - self.amount) / max(1, self.amount)
            price *= 1.0 + min(0.05, max(-0.05, 2.0 * over))
            # what the plan is worth once it fits the budget, nearly
            fair = value - worth / DENOMINATOR * (spent - self.amount)
            if turn == PASSES_BEFORE_LIFT and lifted < 0 and self.relative(fair) > self.gap:
                lifted = 0
                self.lift(0, fair)
            if gained < LEAST_GAIN * (self.bound - fair) * DENOMINATOR:
                if level == widest and lifted >= effort and (gained == 0 or self.ends_at is None):
                    passes = turn
                elif level < widest:
                    level += 1
                elif lifted < effort:
                    lifted += 1
                    self.lift(lifted, fair)
            stopped = self.look("improve", turn, passes, fair)
            if stopped or turn >= passes or self.relative(fair) <= self.gap:
                self.fit(spent, value)
            if stopped:
                break
        self.log["passes"] = turn
        while lifted < effort and not self.is_done() and not self.halt():
            lifted += 1
            self.lift(lifted, self.value)

    def is_done(self) -> bool:
        """Return whether the gap is proven or the run has to stop."""
        return self.halted or self.relative(self.value) <= self.gap

    def stand(self, mail: list[Mail]) -> tuple[int, int]:
        """Let the strips hear of their neighbours' choices; returns spending and value."""
        answers = self.crew.each(Strip.stand, [(box,) for box in mail])
        return sum(a[0] for a in answers), sum(a[1] for a in answers)

    def fit(self, spent: int, value: int) -> None:
        """Bring the plan within the budget and fill it; keep it where it is the best so far."""
        for is_drop in (True, False):
            # border sites of even strips first, then those of odd ones, so that keys are true
            for parity in (0, 1):
                if spent != self.amount and (spent > self.amount) == is_drop:
                    spent, value = self.move(spent, parity, is_drop=is_drop)
        if value > self.value:
            self.value = value
            self.crew.all(Strip.keep_plan)

    def move(self, spent: int, parity: int, *, is_drop: bool) -> tuple[int, int]:
        """Drop the least sites of all strips down to the budget, or add the best ones up to it.

        Border sites move in the strips of one parity only.
        """
        room = abs(self.amount - spent)
        least = -np.inf if is_drop else np.nextafter(0.0, 1.0)
        ranks = self.crew.each(
            Strip.rank,
            [(is_drop, float(least), room, k % 2 == parity) for k in range(len(self.cut))],
        )
        strip = np.concatenate([np.full(key.size, k) for k, (key, _cost) in enumerate(ranks)])
        key = np.concatenate([key for key, _cost in ranks])
        cost = np.concatenate([cost for _key, cost in ranks])
        taken, ended = [0] * len(ranks), set()
        for at in np.argsort(-key, kind="stable"):
            k = int(strip[at])
            if room <= 0:
                break
            if k in ended or (not is_drop and cost[at] > room):
                # the next ones of this strip were ranked as if this one had been made
                ended.add(k)
                continue
            taken[k] += 1
            room -= int(cost[at])
        mail = self.crew.sort_mail(self.crew.each(Strip.make, [(n,) for n in taken]))
        return self.stand(mail)

    def lift(self, level: int, value: float) -> None:
        """Lower the bound by what the tiles of a level must lose."""
        worth = self.budget_price / 2**BUDGET_DIGITS
        self.lifted = sum(self.crew.all(Strip.lift, worth, *LIFTS[level]))
        self.log[f"lift_{level}"] = self.lifted / DENOMINATOR
        self.bound = (self.numerator - self.lifted) / DENOMINATOR
        self.look("tiles", level + 1, len(LIFTS), value)

    def certify(self) -> Decision:
        """Return the decision with its certificate in whole numbers."""
        geometry, cut = self.cut.geometry, self.cut
        answers = self.crew.all(Strip.finish, is_round=False)
        sites = np.sort(np.concatenate([a[0] for a in answers])).astype(np.int32)
        row_price = np.empty(len(geometry.weight), np.uint16)
        for k, (_sites, price, _tiles) in enumerate(answers):
            row_price[cut.rows(k)] = price
        named: dict[str, NDArray[Any]] = {
            "row": row_price,
            "budget": np.array([self.budget_price], np.int64),
        }
        tiles = [a[2] for a in answers if a[2]]
        if tiles:
            length = np.concatenate([np.diff(t["tile_start"]) for t in tiles])
            named["tile_start"] = np.concatenate([[0], np.cumsum(length)])
            for name in ("tile_site", "tile_part", "tile_loss"):
                named[name] = np.concatenate([t[name] for t in tiles])
        numerator = self.base * DENOMINATOR + self.numerator - self.lifted
        value, bound = self.base + self.value, numerator // DENOMINATOR
        room = bound - self.base
        relative = (bound - value) / bound if bound else 0.0
        status = "feasible" if relative <= self.gap else "stopped"
        certificate = Certificate(
            "maximal_covering", self.parameters, geometry.input_hash(), DENOMINATOR, named, value,
            numerator,
        )  # fmt: skip
        self.log |= {"rounds": self.crew.rounds, "bytes_a_round": self.crew.largest}
        return Decision(
            sites, value, bound, relative, "optimal" if bound == value else status,
            seal(certificate, sites),
            base_value=self.base,
            gain_gap=(bound - value) / room if room else 0.0,
            log=self.log,
        )  # fmt: skip


def add_standings(parts: list[Standing]) -> Standing:
    """Return where the whole stands."""
    return Standing(
        sum(s.bound for s in parts),
        sum(s.value for s in parts),
        sum(s.moved_y for s in parts),
        sum(s.moved_u for s in parts),
    )
