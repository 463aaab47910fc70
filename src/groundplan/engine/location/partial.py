r"""Partial set covering: the cheapest sites that serve a share of the demand, with a bound.

.. math:: \min \sum_j f_j y_j, \quad z_i \le \sum_{j \in N(i)} y_j, \quad \sum_i w_i z_i \ge Q

(Cordeau, Furini, Ljubic 2019, doi 10.1016/j.ejor.2018.12.021). For any prices ``lam, theta >= 0``

.. math:: \theta Q - \sum_j (s_j - f_j)^+ - \sum_i (\theta w_i - \lambda_i)^+

is no more than the cost of any plan. Given lam, the best theta is where rows of least price per
weight add up to Q; so steps are taken in lam alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_floors import check_groups
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.partial_search import (
    PartialSearch,
    anneal_partial,
    climb_partial,
    finish_partial,
)
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.location.request import check_kind, check_limits
from groundplan.engine.location.setcover import (
    FLOAT_DIGITS,
    candidates_of,
    denominator_of,
    first_raw,
    nothing,
    open_lists,
    plan_cost,
    whole_costs,
)
from groundplan.engine.location.setcover_lists import Lists
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["partial_set_covering"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Sizes up to which the integer program takes over.
ROWS_MAX, SITES_MAX = 12_000, 3_000


@keep_log
def partial_set_covering(
    coverage: Coverage,
    share: float | Fraction | str,
    cost: NDArray[Any] | None = None,
    *,
    existing: BoolArray | None = None,
    group: NDArray[np.integer] | None = None,
    floor: NDArray[np.integer] | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 600,
    sweeps: int = 300,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose the cheapest sites that serve at least a share of all demand.

    Parameters
    ----------
    coverage : Coverage
        What existing sites serve counts towards the share.
    share : float, Fraction or str
        Of the total weight, 0..1; the target is ``ceil(share * total)``. A float is read as the
        decimal it prints (0.8 is 4/5).
    cost : (n_site,) array, optional
        Costs >= 0; ones where left out.
    group, floor : (n_raw,) int, (n_group,) int, optional
        Group of each demand row, 0 .. n_group - 1, and the least weight that the plan serves in
        each group beside the share, existing service included; as in `covering_with_floors`.
    existing : (n_site,) bool, optional
        Sites that serve already, beside those of the coverage: not chosen, not counted, free.
    forbidden : (n_site,) bool, optional
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine.
    seed, steps, sweeps : int
        Seed; most steps of the bound and sweeps of the annealing.
    progress, stop : callable
        As in `set_covering`.

    Returns
    -------
    Decision
        Checked by `verify_covering`.

    Raises
    ------
    InfeasibleError
        Where all candidates together serve less than the target or a floor; names the groups.
    ValueError
        Where `share` or `cost` is not what it must be.

    Notes
    -----
    Left out: rows of negative weight.
    """
    check_kind(coverage, Coverage, "coverage")
    coverage = coverage.with_existing(existing)
    check_limits(gap, time_limit_s, seed)
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    part = Fraction(str(share)) if isinstance(share, float) else Fraction(share)
    if not 0 <= part <= 1:
        raise ValueError(f"share must lie in 0..1. Got {share}")
    target = -(-part.numerator * coverage.total_value // part.denominator)
    candidate = candidates_of(coverage, forbidden)
    whole, scale, given = whole_costs(cost, coverage.n_site)
    lists, row, site = open_lists(coverage, candidate)
    weight = coverage.weight[row]
    most, conflicts = coverage.base_value + int(weight.sum()), list[str]()
    if most < target:
        conflicts = [
            f"all sites together serve {most} of {coverage.total_value}, the target is {target}"
        ]
    rows = None
    place = first_raw(coverage, row)
    if group is not None or floor is not None:
        # loaded late: it builds on this module
        from groundplan.engine.location import partial_floors

        groups, floors = check_groups(coverage, group, floor)
        rows = partial_floors.split_rows(coverage, lists, row, groups, floors)
        lists, weight, place = rows.lists, rows.weight, rows.place
        conflicts += rows.unreachable(floors)
    if conflicts:
        is_share = most < target
        raise InfeasibleError(
            f"no plan {'serves the share asked' if is_share else 'keeps these floors'}", conflicts
        )

    def halt() -> bool:
        return stop() or (ends_at is not None and time.monotonic() > ends_at)

    free = whole[site] == 0
    count = np.bincount(
        np.repeat(np.arange(lists.n_row), np.diff(lists.row_indptr))[free[lists.row_indices]],
        minlength=lists.n_row,
    )
    # sites that cost nothing are taken; the rest of the search is for what they leave
    gratis = int(weight[count > 0].sum())
    need = max(0, target - coverage.base_value)
    log: dict[str, Any] = {"seed": seed, "rows": lists.n_row, "target": target}
    price = np.maximum(whole[site], 0)
    open_weight = np.where(count > 0, 0, weight)
    state = (np.maximum(price, 1), max(0, need - gratis), np.zeros(site.size, np.bool_))
    search = PartialSearch(lists, open_weight, *state, np.zeros(lists.n_row))
    anneal: Callable[..., None] = anneal_partial
    if rows is not None:
        needs = rows.left(weight - open_weight)
        log["floors"] = int((rows.need > 0).sum())
        search = partial_floors.FloorSearch(
            lists, open_weight, *state, np.zeros(lists.n_row), group=rows.group, needs=needs,
            alpha=np.zeros(needs.size),
        )  # fmt: skip
        need = max(need, int(rows.need.max(initial=0)))
        anneal = partial_floors.anneal_floors
    proven = 0.0
    if search.is_open():
        search.plan[:] = True
        search.repair(np.zeros(site.size, np.bool_))

        def look(stage: str, total: int) -> Callable[[int], None]:
            return lambda done: progress(
                stage, done, total, search.value / scale, search.bound / scale
            )

        climb_partial(search, steps, halt, look("bound", steps))
        grain = grain_of(whole[site])

        def apart() -> float:
            best = float(np.ceil(search.bound / grain - 1e-6)) * grain
            return (search.value - best) / search.value

        if not halt() and apart() > gap:
            anneal(search, sweeps, seed, halt, look("improve", sweeps))
        is_small = lists.n_row <= ROWS_MAX and site.size <= SITES_MAX
        if not halt() and apart() > gap and is_small:
            left = None if ends_at is None else ends_at - time.monotonic()
            proven = finish_partial(search, grain, left, halt)
    plan = search.plan & ~free if search.is_open() else np.zeros(site.size, np.bool_)
    taken = plan | (free & (np.diff(lists.site_indptr) > 0) & (need > 0))
    return certify_partial(
        coverage, search, place, weight, site, taken, given, whole, scale, part, target, forbidden,
        proven, log, gap, None if rows is None else rows.need,
    )  # fmt: skip


def certify_partial(
    coverage: Coverage, search: PartialSearch, place: IntArray, weight: IntArray, site: IntArray,
    taken: BoolArray, given: NDArray[Any], whole: IntArray, scale: int, part: Fraction, target: int,
    forbidden: BoolArray | None, searched: float, log: dict[str, Any], gap: float,
    floor_need: IntArray | None,
) -> Decision:  # fmt: skip
    """Round the prices to whole numbers and return the decision with its certificate."""
    sites = np.sort(site[taken]).astype(np.int32)
    value = plan_cost(given, sites)
    cost = whole[site]
    need = max(0, target - coverage.base_value)
    denominator = denominator_of(max(int(cost.sum()), 1))
    # free sites earn nothing, so rows that they cover must have the price 0
    lam = np.rint(np.where(search.weight > 0, search.lam, 0.0) * denominator).astype(np.int64)
    targets, worth = search.target_prices(weight, denominator)
    if int(targets["target"][0]) * max(1, coverage.total_value) >= 2**62:
        raise OverflowError("total weight times the price of the target does not fit 62 bits")
    reduced = scores(search.lists, lam) - cost * denominator
    numerator = int(targets["target"][0]) * need - int(np.maximum(worth - lam, 0).sum())
    numerator -= int(np.maximum(reduced, 0).sum())
    if floor_need is not None:
        numerator += sum(int(a) * int(q) for a, q in zip(targets["floor"], floor_need, strict=True))
    if numerator < 0:
        lam[:], numerator = 0, 0
        targets = {name: np.zeros_like(array) for name, array in targets.items()}
    raw = np.zeros(coverage.row_of.size, np.int64)
    raw[place] = lam
    is_exact = scale == 1 or not np.any(given * float(scale) % 1.0)
    grain = grain_of(cost)
    proven = grain * -(-numerator // (denominator * grain))
    best = max(proven, int(searched))
    bound: int | float = best if scale == 1 else best / scale
    parameters = {
        "scale": scale,
        "grain": grain,
        "target": target,
        "share_over": part.numerator,
        "share_under": part.denominator,
        "cost_hash": hash_arrays(given),
        "forbidden_hash": hash_arrays(None if forbidden is None else np.asarray(forbidden, bool)),
    }
    certificate = Certificate(
        "partial_set_covering", parameters, coverage.input_hash, denominator,
        {"row": raw, **targets}, value, numerator,
    )  # fmt: skip
    distance = float((value - bound) / value) if value else 0.0
    is_optimal = bound == value or (not is_exact and distance <= FLOAT_DIGITS)
    status = "optimal" if is_optimal else "feasible" if distance <= gap else "stopped"
    log["bound_by_prices"] = proven if scale == 1 else proven / scale
    return Decision(
        sites, value, bound, distance, status, seal(certificate, sites),
        base_value=coverage.base_value, sense="min",
        bound_by="search" if best > proven else "prices", log=log,
    )  # fmt: skip


def grain_of(cost: IntArray) -> int:
    """Return the largest number of which every cost is a multiple."""
    return max(1, int(np.gcd.reduce(cost))) if cost.size else 1


def scores(lists: Lists, price: IntArray) -> IntArray:
    """Return the sum of whole prices of the rows of each site."""
    paid = np.concatenate([np.zeros(1, np.int64), np.cumsum(price[lists.site_indices])])
    out: IntArray = paid[lists.site_indptr[1:]] - paid[lists.site_indptr[:-1]]
    return out
