"""Maximal covering (Church and ReVelle 1974, doi 10.1007/BF01942293) with a bound on every answer.

Stages: greedy start, primal-dual bound, rounding, exact finish where small, annealing at the
budget's price, repair. Everything stops on counts or on a proven gap, never on the clock unless a
time limit is given, so that the same seed gives the same plan on any number of threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine._jit import chunks, spread
from groundplan.engine.location.anneal import anneal_stripe, stripe_edges
from groundplan.engine.location.certificate import (
    BUDGET_DIGITS,
    DENOMINATOR,
    bound_numerator,
    earned,
    seal,
)
from groundplan.engine.location.coverage import Coverage, transpose
from groundplan.engine.location.dual import DualState, Program, start_dual, step_dual
from groundplan.engine.location.exact import ROWS_MAX, SITES_MAX, solve_exactly
from groundplan.engine.location.greedy import (
    cover_counts,
    covered_weight,
    drop_to_budget,
    fill_greedily,
)
from groundplan.engine.problem import Certificate, Decision

__all__ = ["maximal_covering"]

BoolArray = NDArray[np.bool_]
#: Temperatures of the annealing in budget prices; measured, see docs/location.
HEAT_FIRST, HEAT_LAST = 0.12, 0.003
#: Sweeps between two looks at value, gap, stop and checkpoint.
SWEEPS_PER_LOOK = 10
#: Relative distance of bound and fractional plan at which the bound is good enough.
DUAL_TOLERANCE = 1e-4


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


class Search:
    """The state of one solve: program on candidates from west to east, best plan, bound."""

    def __init__(
        self, coverage: Coverage, candidate: BoolArray, cost: NDArray[np.int64], budget: int
    ) -> None:
        self.coverage = coverage
        useful = candidate & (np.diff(coverage.site_indptr) > 0)
        number = np.flatnonzero(useful)
        xy = coverage.site_xy_m
        if xy is not None:
            number = number[np.argsort(xy[number, 0], kind="stable")]
        self.site = number.astype(np.int32)
        self.x_m = None if xy is None else xy[self.site, 0]
        local = np.full(coverage.n_site, -1, np.int32)
        local[self.site] = np.arange(self.site.size, dtype=np.int32)
        self.program = restrict(coverage, local, cost[self.site], budget)
        self.weight = self.program.weight.astype(np.float64)
        self.best = np.zeros(self.site.size, bool)
        self.best_value = 0

    def value(self, count: NDArray[np.int16]) -> int:
        """Return the weight covered, existing service left out."""
        ranges = chunks(self.program.n_row, 16)
        return int(sum(spread(covered_weight, ranges, count, self.program.weight)))

    def counts(self, chosen: BoolArray) -> NDArray[np.int16]:
        """Return the cover counts of a plan."""
        count = np.zeros(self.program.n_row, np.int16)
        cover_counts(self.program.site_indptr, self.program.site_indices, chosen, count)
        return count

    def repair(self, chosen: BoolArray) -> int:
        """Drop to the budget and fill it; keep the plan where it is the best so far."""
        p = self.program
        count = self.counts(chosen)
        csr = (p.site_indptr, p.site_indices, p.weight, p.cost)
        spent = int(p.cost[chosen].sum())
        if spent > p.budget:
            drop_to_budget(*csr, spent - p.budget, chosen, count)
            spent = int(p.cost[chosen].sum())
        fill_greedily(*csr, p.budget - spent, chosen, count)
        value = self.value(count)
        if value > self.best_value:
            self.best_value = value
            self.best = chosen.copy()
        return value


def restrict(
    coverage: Coverage, local: NDArray[np.int32], cost: NDArray[np.int64], budget: int
) -> Program:
    """Return the program with candidate sites renumbered by `local` (-1: left out)."""
    site = local[coverage.row_indices]
    keep = site >= 0
    row = np.repeat(np.arange(coverage.weight.size, dtype=np.int32), np.diff(coverage.row_indptr))
    indptr = np.zeros(coverage.weight.size + 1, np.int64)
    np.cumsum(np.bincount(row[keep], minlength=coverage.weight.size), out=indptr[1:])
    indices = site[keep]
    site_indptr = np.zeros(cost.size + 1, np.int64)
    np.cumsum(np.bincount(indices, minlength=cost.size), out=site_indptr[1:])
    site_indices = np.empty(indices.size, np.int32)
    transpose(indptr, indices, site_indptr[:-1].copy(), site_indices)
    return Program(indptr, indices, site_indptr, site_indices, coverage.weight, cost, budget)


def check_request(
    coverage: Coverage,
    p: int | None,
    budget: int | None,
    cost: NDArray[np.int64] | None,
    forbidden: BoolArray | None,
) -> tuple[BoolArray, NDArray[np.int64], int, dict[str, int]]:
    """Return candidates, costs, budget and parameters, or say what is wrong with the request."""
    if (p is None) == (budget is None):
        raise ValueError("give either p or budget (with cost)")
    candidate = ~coverage.existing
    if forbidden is not None:
        if np.shape(forbidden) != (coverage.n_site,):
            raise ValueError(f"forbidden must have shape ({coverage.n_site},)")
        candidate &= ~np.asarray(forbidden, bool)
    if p is not None:
        if p < 0:
            raise ValueError(f"p must be >= 0. Got {p}")
        return candidate, np.ones(coverage.n_site, np.int64), int(p), {"p": int(p)}
    if cost is None or np.shape(cost) != (coverage.n_site,):
        raise ValueError(f"budget needs cost of shape ({coverage.n_site},)")
    price = np.asarray(cost)
    if not np.issubdtype(price.dtype, np.integer) or price[candidate].min(initial=1) <= 0:
        raise ValueError("cost must be whole numbers > 0 for every candidate")
    if budget is None or budget < 0:
        raise ValueError(f"budget must be >= 0. Got {budget}")
    return candidate, price.astype(np.int64), int(budget), {"budget": int(budget)}


def maximal_covering(
    coverage: Coverage,
    p: int | None = None,
    *,
    budget: int | None = None,
    cost: NDArray[np.int64] | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.005,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 400,
    sweeps: int = 200,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
    checkpoint: Callable[[Mapping[str, Any]], None] = nothing,
    resume: Mapping[str, Any] | None = None,
) -> Decision:
    """Choose sites so that as much weight as possible is covered.

    ``max sum w_i z_i, z_i <= sum_{j covers i} y_j, sum y_j <= p`` or ``sum f_j y_j <= budget``.

    Parameters
    ----------
    coverage : Coverage
        Existing sites serve already and are not chosen again.
    p : int, optional
        How many sites to add.
    budget, cost : int, (n_site,) int64, optional
        What may be spent and what each site costs, instead of `p`.
    forbidden : (n_site,) bool, optional
        Sites that may not be chosen.
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine; without it the answer depends on the seed alone.
    seed : int
    steps, sweeps : int
        Most steps of the bound, most sweeps of the annealing.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled at every look; true returns the best plan so far with status ``stopped``.
    checkpoint : callable
        Takes the whole state at every look; `resume` goes on from it to the same answer.

    Returns
    -------
    Decision

    Raises
    ------
    ValueError
        Where the request contradicts itself.

    Notes
    -----
    Left out: groups, regional floors, several budgets, gradual and backup cover.
    """
    candidate, price, amount, parameters = check_request(coverage, p, budget, cost, forbidden)
    search = Search(coverage, candidate, price, amount)
    program = search.program
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    base = coverage.base_value
    log: dict[str, Any] = {"seed": seed, "rows": program.n_row, "sites": program.n_site}
    halted = [False]

    def halt() -> bool:
        if stop() or (ends_at is not None and time.monotonic() > ends_at):
            halted[0] = True
        return halted[0]

    phase = "dual"
    if resume:
        dual = DualState.restored(dict(resume))
        search.best = np.array(resume["best"], bool)
        search.best_value = int(resume["best_value"])
        phase = str(resume["phase"])
    else:
        greedy = np.zeros(program.n_site, bool)
        log["greedy"] = base + search.repair(greedy)
        dual = start_dual(program, search.weight)
    if program.n_site == 0 or program.n_row == 0:
        return certify(search, dual, price, candidate, parameters, "optimal", log)

    def look(state: DualState) -> bool:
        progress("bound", state.step, steps, base + search.best_value, base + state.bound)
        checkpoint({**state.saved(), "phase": "dual", "best": search.best.copy(),
                    "best_value": search.best_value})  # fmt: skip
        return halt()

    if phase == "dual":
        step_dual(program, search.weight, dual, steps, DUAL_TOLERANCE, look)
        log["bound_steps"] = dual.step
        if not halted[0]:
            log["rounded"] = base + search.repair(dual.best_y > 0.5)
    if not halted[0] and program.n_row <= ROWS_MAX and program.n_site <= SITES_MAX:
        chosen, _bound, proven = solve_exactly(program, search.best, time_limit_s)
        search.repair(chosen)
        log["highs_proven"] = proven
        if proven:
            return certify(search, dual, price, candidate, parameters, "optimal", log)
    if not halted[0] and relative(search, dual) > gap:
        anneal(search, dual, seed, sweeps, gap, resume if phase == "anneal" else None,
               progress, checkpoint, halt)  # fmt: skip
    status = "feasible" if relative(search, dual) <= gap else "stopped"
    return certify(search, dual, price, candidate, parameters, status, log)


def relative(search: Search, dual: DualState) -> float:
    """Return the gap on everything served, existing service included."""
    base = search.coverage.base_value
    bound = base + dual.bound
    return (bound - base - search.best_value) / bound if bound > 0 else 0.0


def anneal(
    search: Search,
    dual: DualState,
    seed: int,
    sweeps: int,
    gap: float,
    resume: Mapping[str, Any] | None,
    progress: Callable[[str, int, int, float, float], None],
    checkpoint: Callable[[Mapping[str, Any]], None],
    halt: Callable[[], bool],
) -> None:
    """Improve the best plan by annealing at the budget's price; the best is kept in `search`."""
    program = search.program
    chosen, mu, first = search.best.copy(), dual.mu, 0
    if resume is not None:
        chosen, mu = np.array(resume["chosen"], bool), float(resume["mu"])
        first = int(resume["sweep"])
    if mu <= 0.0:
        return
    count = search.counts(chosen)
    reach = search.coverage.reach_m
    edges = [stripe_edges(search.x_m, program.n_site, reach, shifted=s) for s in (False, True)]
    arrays = (
        program.site_indptr, program.site_indices, program.row_indptr, program.row_indices,
        program.weight, program.cost,
    )  # fmt: skip
    base = search.coverage.base_value
    for sweep in range(first, sweeps):
        heat = dual.mu * mean_cost(program) * HEAT_FIRST
        heat *= (HEAT_LAST / HEAT_FIRST) ** (sweep / max(1, sweeps - 1))
        edge = edges[sweep % 2]
        seeds = np.random.Generator(np.random.Philox(key=[seed, sweep])).integers(
            1, 2**63, len(edge), dtype=np.uint64
        )
        for colour in (0, 1):
            stripes = [(k, k + 1) for k in range(colour, len(edge) - 1, 2)]
            spread(work_stripe, stripes, edge, seeds, arrays, mu, heat, chosen, count)
        spent = int(program.cost[chosen].sum())
        pull = 2.0 * (spent - program.budget) / max(1, program.budget)
        mu *= 1.0 + min(0.05, max(-0.05, pull))
        if (sweep + 1) % SWEEPS_PER_LOOK and sweep + 1 < sweeps:
            continue
        if sweep + 1 >= sweeps or sweep + 1 > sweeps // 2:
            search.repair(chosen.copy())
        progress("improve", sweep + 1, sweeps, base + search.best_value, base + dual.bound)
        checkpoint({**dual.saved(), "phase": "anneal", "best": search.best.copy(),
                    "best_value": search.best_value, "chosen": chosen.copy(), "mu": mu,
                    "sweep": sweep + 1})  # fmt: skip
        if relative(search, dual) <= gap:
            return
        if halt():
            search.repair(chosen.copy())
            return


def work_stripe(
    number: int, _end: int, edge: list[int], seeds: NDArray[np.uint64], arrays: tuple[Any, ...],
    mu: float, heat: float, chosen: BoolArray, count: NDArray[np.int16],
) -> int:  # fmt: skip
    """Anneal one stripe; the form in which `spread` calls it."""
    lo, hi = edge[number], edge[number + 1]
    return int(anneal_stripe(lo, hi, *arrays, mu, heat, seeds[number], chosen, count))


def mean_cost(program: Program) -> float:
    """Return the mean cost of a site: 1 where a count binds."""
    return float(program.cost.mean())


def certify(
    search: Search,
    dual: DualState,
    cost: NDArray[np.int64],
    candidate: BoolArray,
    parameters: dict[str, int],
    status: str,
    log: dict[str, Any],
) -> Decision:
    """Round the prices to whole numbers and return the decision with its certificate."""
    coverage = search.coverage
    sites = np.sort(search.site[search.best]).astype(np.int32)
    share = np.rint(dual.best_u * DENOMINATOR).astype(np.uint16)
    row_price = np.full(coverage.row_of.size, DENOMINATOR, np.uint16)
    open_row = coverage.row_of >= 0
    row_price[open_row] = share[coverage.row_of[open_row]]
    merged = np.zeros(coverage.weight.size, np.int64)
    np.add.at(merged, coverage.row_of[open_row], earned(coverage.raw_weight, row_price)[open_row])
    score = np.zeros(coverage.n_site, np.int64)
    per_pair = np.repeat(merged, np.diff(coverage.row_indptr))
    np.add.at(score, coverage.row_indices, per_pair)
    budget_price = 0
    if "p" not in parameters:
        budget_price = round(dual.mu * DENOMINATOR * 2**BUDGET_DIGITS)
    numerator = coverage.base_value * DENOMINATOR + bound_numerator(
        coverage.raw_weight, row_price, open_row, score, candidate,
        None if "p" in parameters else cost, parameters, budget_price,
    )  # fmt: skip
    value = coverage.base_value + search.best_value
    bound = numerator // DENOMINATOR
    prices = {"row": row_price}
    if "p" not in parameters:
        prices["budget"] = np.array([budget_price], np.int64)
    certificate = Certificate(
        "maximal_covering", parameters, coverage.input_hash, DENOMINATOR, prices, value, numerator,
    )  # fmt: skip
    if bound == value:
        status = "optimal"
    room = bound - coverage.base_value
    return Decision(
        sites,
        value,
        bound,
        (bound - value) / bound if bound else 0.0,
        status,
        seal(certificate, sites),
        base_value=coverage.base_value,
        gain_gap=(bound - value) / room if room else 0.0,
        log=log,
    )
