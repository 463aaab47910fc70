r"""Maximal covering with floors: at least so much of every group of demand must be covered.

``max sum w_i z_i`` with ``sum_{i in g} w_i z_i >= Q_g`` for every group g. With a price
:math:`\alpha_g \ge 0` on each floor, a row of group g weighs :math:`(1 + \alpha_g) w_i`, and any
bound of maximal covering on these weights, less :math:`\sum_g \alpha_g Q_g`, bounds every plan that
keeps the floors. Prices rise on groups that fall short and fall where a floor is exceeded, until a
plan keeps all; then they are pressed down again.

A group whose floor cannot be met even when it alone counts makes the problem infeasible, and the
bound on that question proves it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import DENOMINATOR, seal
from groundplan.engine.location.check_floors import (
    PRICE_PARTS,
    check_groups,
    covered_already,
    covered_by_group,
    weighted,
)
from groundplan.engine.location.check_limits import check_site_groups
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.exact import ROWS_MAX, SITES_MAX, solve_exactly
from groundplan.engine.location.limited import with_needed
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.points import UNREACHED
from groundplan.engine.location.program import make_program
from groundplan.engine.location.request import check_kind, check_limits
from groundplan.engine.location.run import nothing
from groundplan.engine.location.solve import check_request, maximal_covering
from groundplan.engine.problem import Decision
from groundplan.errors import InfeasibleError

__all__ = ["covering_with_floors"]

IntArray = NDArray[np.int64]
#: Rounds of prices; each is one maximal covering.
ROUNDS = 14
#: Share of the time left that one round takes, and the least time that a round is begun with, as a
#: share of the limit.
ROUND_SHARE, LEAST_SHARE = 0.4, 0.03
#: Nodes of the exact finish, and rows up to which it goes to the end.
NODES, ROWS_TINY = 500, 1_000


@keep_log
def covering_with_floors(
    coverage: Coverage,
    p: int | None = None,
    *,
    group: NDArray[np.integer],
    floor: NDArray[np.integer],
    budget: int | None = None,
    cost: IntArray | None = None,
    existing: NDArray[np.bool_] | None = None,
    forbidden: NDArray[np.bool_] | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    gap: float = 0.005,
    time_limit_s: float | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
    **effort: int,
) -> Decision:
    """Choose sites so that most weight is covered and no group falls below its floor.

    Parameters
    ----------
    coverage : Coverage
    group : (n_raw,) int
        Group of each demand row, 0 .. n_group - 1.
    floor : (n_group,) int
        Least weight covered in each group, existing service included; 0 where there is none.
    p, budget, cost, existing, forbidden, site_group, least, most
        As of `maximal_covering`: limits on the sites of groups hold beside the floors.
    gap, time_limit_s, seed, progress, stop
        As of `maximal_covering`; the time limit is for all rounds of prices together.
    **effort
        ``steps``, ``sweeps``, ``passes``, ``effort`` of `maximal_covering`.

    Returns
    -------
    Decision
        Status ``stopped`` with ``log["shortfall"]`` where no plan that keeps all floors was found,
        though none was proven impossible; else as of `maximal_covering`.

    Raises
    ------
    ValueError
        Where the request contradicts itself.
    InfeasibleError
        Where a floor is proven out of reach, or the limits contradict each other; names the groups.
    """
    check_kind(coverage, Coverage, "coverage")
    coverage = coverage.with_existing(existing)
    check_limits(gap, time_limit_s, seed)
    groups, floors = check_groups(coverage, group, floor)

    def look(stage: str, done: int, total: int, _value: float, outer: float) -> None:
        # weights of this round hold the prices of the floors; told is what they prove, and have
        proven = outer / PRICE_PARTS - float((price * floors).sum()) / PRICE_PARTS
        least = math.inf if bound is None else bound[0] / PRICE_PARTS
        progress(stage, done, total, 0 if best is None else best.value, min(proven, least))

    request: dict[str, Any] = {
        "p": p, "budget": budget, "cost": cost, "forbidden": forbidden, "gap": gap,
        "time_limit_s": time_limit_s, "seed": seed, "progress": look, "stop": stop, **effort,
    }  # fmt: skip
    asked = {"site_group": site_group, "least": least, "most": most}
    request |= {name: array for name, array in asked.items() if array is not None}
    begun = time.monotonic()

    def left() -> float:
        return (time_limit_s or 0.0) - (time.monotonic() - begun)

    price = np.zeros(floors.size, np.int64)
    low, high = np.zeros(floors.size), np.full(floors.size, np.inf)
    best: Decision | None = None
    bound: tuple[float, Decision, IntArray] | None = None
    short = floors
    rounds = 0
    while rounds < ROUNDS:
        rounds += 1
        if time_limit_s is not None:
            request["time_limit_s"] = max(0.0, ROUND_SHARE * left())
        found = maximal_covering(weighted(coverage, groups, price), **request)
        proven = found.certificate.bound_numerator / DENOMINATOR - int((price * floors).sum())
        if bound is None or proven < bound[0]:
            bound = (proven, found, price.copy())
        reached = covered_by_group(coverage, groups, floors.size, found.sites)
        short = np.maximum(floors - reached, 0)
        value = int(reached.sum())
        if not short.any() and (best is None or value > best.value):
            best = replace(found, value=value)
        if not short.any() and not price.any():
            break
        # a floor that is short raises its lower end, one kept lowers its upper end
        low = np.where(short > 0, np.maximum(low, price), low)
        high = np.where((short == 0) & (price > 0), np.minimum(high, price), high)
        apart = np.where(np.isinf(high), 2.0 * np.maximum(low, 8.0), 0.5 * (low + high))
        new = np.where(short > 0, np.ceil(apart), np.where(price > 0, np.floor(apart), 0.0))
        new = np.minimum(new, 4096 * PRICE_PARTS).astype(np.int64)
        is_late = time_limit_s is not None and left() < LEAST_SHARE * time_limit_s
        if (new == price).all() or stop() or is_late:
            break
        price = new
    if best is None:
        if time_limit_s is not None:
            request["time_limit_s"] = max(0.0, left()) / max(1, int((short > 0).sum()))
        refuse_impossible(coverage, groups, floors, short, request)
    searched = None
    is_late = stop() or (time_limit_s is not None and left() <= 0.0)
    if bound is not None and not is_late and is_open(best, bound[0] / PRICE_PARTS, gap):
        seconds = None if time_limit_s is None else left()
        plan, searched = search_small(coverage, groups, floors, best, request, seconds)
        if plan is not None:
            value = int(covered_by_group(coverage, groups, floors.size, plan).sum())
            if best is None or value > best.value:
                best = replace(best or bound[1], sites=plan, value=value)
    return conclude(coverage, groups, floors, best, bound, short, gap, rounds, searched)


def is_open(best: Decision | None, most: float, gap: float) -> bool:
    """Return whether a better plan may be left and the asked gap is not proven."""
    return best is None or most - best.value > max(gap * most, 0.999)


def search_small(
    coverage: Coverage, group: IntArray, floor: IntArray, best: Decision | None,
    request: dict[str, Any], seconds: float | None,
) -> tuple[NDArray[np.int32] | None, int | None]:  # fmt: skip
    """Let a general solver search a small problem; returns a plan that keeps all, and a bound.

    Prices alone leave a gap between plan and bound where few sites decide a floor.

    Raises
    ------
    InfeasibleError
        Where it proves that no plan keeps all floors together.
    """
    amounts = (request["p"], request["budget"], request["cost"], request["forbidden"])
    candidate, price, amount, parameters = check_request(coverage.existing, *amounts)
    program, limits = make_program(coverage, candidate, price, amount), None
    if not 0 < program.n_row <= ROWS_MAX or not 0 < program.n_site <= SITES_MAX:
        return None, None
    if "site_group" in request:
        limits = check_site_groups(
            request["site_group"], request.get("least"), request.get("most"), coverage.existing,
            candidate, cost=price, **parameters,
        )  # fmt: skip
        program = with_needed(program, coverage, candidate, limits, price)
        limits = limits.of(program.site)
    local = np.full(coverage.weight.size, -1, np.int64)
    local[program.row] = np.arange(program.n_row)
    raw = np.flatnonzero(coverage.row_of >= 0)
    raw = raw[local[coverage.row_of[raw]] >= 0]
    own = np.zeros((floor.size, program.n_row))
    np.add.at(own, (group[raw], local[coverage.row_of[raw]]), coverage.raw_weight[raw])
    need = floor - covered_already(coverage, group, floor.size)
    start = np.zeros(program.n_site, bool)
    if best is not None:
        start = np.isin(program.site, best.sites)
    chosen, most, _proven = solve_exactly(
        program, start, seconds, nodes=None if program.n_row <= ROWS_TINY else NODES,
        halt=request["stop"], limits=limits,
        floors=[(float(need[g]), own[g]) for g in np.flatnonzero(need > 0)],
    )  # fmt: skip
    if most == -np.inf:
        raise InfeasibleError(
            "no plan keeps all of these floors together",
            [f"group {g}: floor {int(floor[g])}" for g in np.flatnonzero(need > 0)],
        )
    sites = np.sort(program.site[chosen]).astype(np.int32)
    kept = (covered_by_group(coverage, group, floor.size, sites) >= floor).all()
    is_allowed = int(price[sites].sum()) <= amount and (limits is None or limits.keeps(chosen))
    found = None
    if np.isfinite(most):
        # the solver works in doubles: what it states is rounded up by a millionth of itself
        found = coverage.base_value + int(np.floor(most + 1e-6 * max(1.0, most)))
    return (sites if kept and is_allowed else None), found


def refuse_impossible(
    coverage: Coverage, group: IntArray, floor: IntArray, short: IntArray, request: dict[str, Any]
) -> None:
    """Raise where a group cannot meet its floor even when nothing else counts."""
    conflicts = []
    for g in np.flatnonzero(short):
        alone = np.where(group == g, coverage.raw_weight, 0)
        merged = np.zeros(coverage.weight.size, np.int64)
        open_row = coverage.row_of >= 0
        np.add.at(merged, coverage.row_of[open_row], alone[open_row])
        served = int(alone[coverage.row_of < UNREACHED].sum())
        only = replace(coverage, weight=merged, raw_weight=alone, base_value=served)
        found = maximal_covering(only, **{**request, "gap": 0.0})
        if found.bound < floor[g]:
            conflicts.append(
                f"group {g}: floor {int(floor[g])}, at most {int(found.bound)} can be covered"
            )
    if conflicts:
        amount = request["p"] if request["p"] is not None else request["budget"]
        raise InfeasibleError(
            f"with {amount} {'sites' if request['p'] is not None else 'of budget'} no plan keeps "
            "these floors",
            conflicts,
        )


def conclude(
    coverage: Coverage,
    group: IntArray,
    floor: IntArray,
    best: Decision | None,
    bound: tuple[float, Decision, IntArray] | None,
    short: IntArray,
    gap: float,
    rounds: int,
    searched: int | None = None,
) -> Decision:
    """Return the best plan with the certificate of the best bound."""
    if bound is None:
        raise ValueError("no round of prices was run")
    _proven, proof, price = bound
    plan = best if best is not None else proof
    reached = covered_by_group(coverage, group, floor.size, plan.sites)
    value = int(reached.sum())
    numerator = proof.certificate.bound_numerator - int((price * floor).sum()) * DENOMINATOR
    most = numerator // (DENOMINATOR * PRICE_PARTS)
    parameters = {k: v for k, v in proof.certificate.parameters.items() if k != "bound_by_search"}
    bound_by = "prices"
    if searched is not None and searched < most:
        most, bound_by = max(searched, value), "search"
        parameters["bound_by_search"] = most
    certificate = replace(
        proof.certificate,
        form="covering_with_floors",
        parameters=parameters,
        prices={**proof.certificate.prices, "floor": price},
        value=value,
        bound_numerator=numerator,
    )
    relative = (most - value) / most if most else 0.0
    status = "optimal" if most == value else "feasible" if relative <= gap else "stopped"
    log: dict[str, Any] = {
        "rounds": rounds,
        "inner": {k: v for k, v in plan.log.items() if k != "anytime"},
    }
    if best is None:
        status, log["shortfall"] = "stopped", {int(g): int(short[g]) for g in np.flatnonzero(short)}
    return replace(
        plan,
        value=value,
        bound=most,
        gap=relative,
        gain_gap=(most - value) / max(1, most - coverage.base_value),
        status=status,
        certificate=seal(certificate, plan.sites),
        base_value=coverage.base_value,
        bound_by=bound_by,
        log=log,
    )
