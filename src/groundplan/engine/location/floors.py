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
    covered_by_group,
    weighted,
)
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.points import UNREACHED
from groundplan.engine.location.request import check_limits
from groundplan.engine.location.run import nothing
from groundplan.engine.location.solve import maximal_covering
from groundplan.engine.problem import Decision
from groundplan.errors import InfeasibleError

__all__ = ["covering_with_floors"]

IntArray = NDArray[np.int64]
#: Rounds of prices; each is one maximal covering.
ROUNDS = 14
#: Share of the time left that one round takes, and the least time that a round is begun with, as a
#: share of the limit.
ROUND_SHARE, LEAST_SHARE = 0.4, 0.03


def covering_with_floors(
    coverage: Coverage,
    p: int | None = None,
    *,
    group: NDArray[np.integer],
    floor: NDArray[np.integer],
    budget: int | None = None,
    cost: IntArray | None = None,
    forbidden: NDArray[np.bool_] | None = None,
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
    p, budget, cost, forbidden, gap, time_limit_s, seed, progress, stop
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
        Where a floor is proven out of reach; names the groups.
    """
    check_limits(gap, time_limit_s, seed)
    groups, floors = check_groups(coverage, group, floor)
    request: dict[str, Any] = {
        "p": p, "budget": budget, "cost": cost, "forbidden": forbidden, "gap": gap,
        "time_limit_s": time_limit_s, "seed": seed, "progress": progress, "stop": stop, **effort,
    }  # fmt: skip
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
    return conclude(coverage, groups, floors, best, bound, short, gap, rounds)


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
    log: dict[str, Any] = {"rounds": rounds, "inner": dict(plan.log)}
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
        bound_by="prices",
        log=log,
    )
