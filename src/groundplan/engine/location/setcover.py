r"""Set covering: the cheapest sites that reach every row, with a bound on every answer.

.. math:: \min \sum_j f_j y_j, \qquad \sum_{j \in N(i)} y_j \ge 1 \ \text{for every row } i .

Location set covering (Toregas et al. 1971, doi 10.1287/opre.19.6.1363) where all costs are one.
Stages: exact reductions, prices by subgradient on a core, greedy plans and dives from the prices
(Caprara, Fischetti, Toth 1999, doi 10.1287/opre.47.5.730), local search that weighs rows, and an
exact finish of what the reduced costs leave.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_cover_limits import limits_hash, priced_within
from groundplan.engine.location.check_limits import Limits, check_site_groups
from groundplan.engine.location.cover_limits import LimitedCover, crowded_groups
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.location.request import check_kind, check_limits
from groundplan.engine.location.setcover_lists import Lists, narrow
from groundplan.engine.location.setcover_rounds import CoverSearch
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["set_covering", "whole_costs"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: Whole-number costs made from fractions sum to less than two to this power.
COST_DIGITS = 40
#: Relative distance at which costs that are no binary fractions count as equal.
FLOAT_DIGITS = 1e-9
#: Largest denominator of the prices.
PRICE_DIGITS = 20


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


def whole_costs(cost: Any, n_site: int) -> tuple[IntArray, int, NDArray[Any]]:
    """Return costs in whole numbers rounded down, their scale, and the costs as given.

    Whole costs keep scale 1; fractions are multiplied by a power of two and rounded down, so that
    a bound on the whole costs divided by the scale is a bound on the costs given.
    """
    given = np.ones(n_site, np.int64) if cost is None else np.asarray(cost)
    if given.shape != (n_site,):
        raise ValueError(f"cost must have shape ({n_site},). Got {given.shape}")
    if not np.issubdtype(given.dtype, np.number) or not np.isfinite(given).all():
        raise ValueError(f"cost must be finite numbers. Got {given.dtype}")
    if given.size and given.min() < 0:
        j = int(np.argmin(given))
        raise ValueError(f"cost must be >= 0. Got {given[j]} for site {j}")
    if np.issubdtype(given.dtype, np.integer):
        if float(given.sum(dtype=np.float64)) >= 2.0**COST_DIGITS:
            raise OverflowError(f"costs must sum to less than 2**{COST_DIGITS}; use a larger unit")
        return given.astype(np.int64), 1, given.astype(np.int64)
    total = float(given.sum())
    most = COST_DIGITS - 1 - max(-20, math.ceil(math.log2(total))) if total > 0 else 0
    if most < 0:
        raise OverflowError(f"costs must sum to less than 2**{COST_DIGITS}; use a larger unit")
    # halves and quarters are exact with few digits
    exact = (d for d in range(min(most, 16)) if not np.any(given * 2.0**d % 1.0))
    scale = 2 ** next(exact, most)
    return np.floor(given * float(scale)).astype(np.int64), scale, given.astype(np.float64)


def plan_cost(cost: NDArray[Any], sites: NDArray[Any]) -> int | float:
    """Return the cost of a plan as given: whole, or a float summed without rounding order."""
    if np.issubdtype(cost.dtype, np.integer):
        return int(cost[sites].sum())
    return math.fsum(float(v) for v in cost[sites])


def candidates_of(coverage: Coverage, forbidden: BoolArray | None) -> BoolArray:
    """Return which sites may be chosen."""
    out = ~coverage.existing
    if forbidden is not None:
        if np.shape(forbidden) != (coverage.n_site,):
            raise ValueError(f"forbidden must have shape ({coverage.n_site},)")
        out &= ~np.asarray(forbidden, bool)
    return np.asarray(out, np.bool_)


def first_rows(coverage: Coverage, lost: BoolArray) -> str:
    """Return how many raw rows nobody can cover, and the first few, in words."""
    rows = np.flatnonzero(lost)
    few = ", ".join(str(int(i)) for i in rows[:5]) + (", ..." if rows.size > 5 else "")
    total = coverage.row_of.size
    return f"{rows.size} of {total} rows have no site that may cover them: rows {few}"


def unreachable_rows(coverage: Coverage, candidate: BoolArray) -> BoolArray:
    """Return the raw rows that neither an existing site nor a candidate reaches."""
    merged = np.zeros(coverage.weight.size, np.bool_)
    row = np.repeat(np.arange(merged.size), np.diff(coverage.row_indptr))
    merged[row[candidate[coverage.row_indices]]] = True
    lost: BoolArray = coverage.row_of == -1
    known = coverage.row_of >= 0
    lost[known] = ~merged[coverage.row_of[known]]
    return lost


@keep_log
def set_covering(
    coverage: Coverage,
    cost: NDArray[Any] | None = None,
    *,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    leave_unreachable: bool = False,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    rounds: int = 24,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose the cheapest sites that cover every row.

    ``min sum f_j y_j`` with ``sum_{j covers i} y_j >= 1`` for every row; rows that existing sites
    serve are covered, and existing sites cost nothing.

    Parameters
    ----------
    coverage : Coverage
        Weights play no part: a row of weight 0 wants covering too.
    cost : (n_site,) array, optional
        Costs >= 0, whole or not; ones where left out. Whole costs sum to less than 2**40.
    existing : (n_site,) bool, optional
        Sites that serve already, beside those of the coverage: not chosen, not counted, free.
    forbidden : (n_site,) bool, optional
        Sites that may not be chosen.
    site_group, least, most : (n_site,) int, (n_group,) int, (n_group,) int, optional
        Group of each site, 0 .. n_group - 1 or -1 for none, and how many sites of each group a
        plan has at least and at most, existing ones included.
    leave_unreachable : bool
        Leave out the rows that no site may cover instead of raising; `log` counts them.
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Seconds in all. With it the search goes on until the plan is proven or the time is up, and
        the answer depends on the machine; without it, on the seed alone.
    seed : int
    rounds : int
        Most rounds of search where there is no time limit.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled at every look; true returns the best plan so far with status ``stopped``.

    Returns
    -------
    Decision
        ``bound_by`` is ``"prices"`` where `verify_covering` proves the bound from prices alone or
        from a tree of them, ``"search"`` where an integer program raised it.

    Raises
    ------
    InfeasibleError
        Where rows have no site that may cover them, or no plan keeps the limits on groups; the
        conflict is named.
    StoppedError
        Where no plan within limits was found and none is excluded.
    ValueError, OverflowError
        Where costs, `forbidden` or the groups are not what they must be.

    Notes
    -----
    Left out: capacities.

    References
    ----------
    Caprara, Fischetti, Toth 1999, doi 10.1287/opre.47.5.730. Gao, Weise, Li 2015,
    doi 10.1016/j.ejor.2015.05.038. Beasley 1987, doi 10.1016/0377-2217(87)90141-X.

    Examples
    --------
    >>> import numpy as np
    >>> from groundplan.engine.location.coverage import Coverage
    >>> cover = Coverage.from_csr(np.array([0, 2, 4, 6]), np.array([0, 1, 1, 2, 0, 2]),
    ...                           np.ones(3, np.int64), 3)
    >>> d = set_covering(cover, np.array([3, 4, 5]))
    >>> d.sites.tolist(), d.value, d.status
    ([0, 1], 7, 'optimal')
    """
    check_kind(coverage, Coverage, "coverage")
    coverage = coverage.with_existing(existing)
    check_limits(gap, time_limit_s, seed)
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    candidate = candidates_of(coverage, forbidden)
    whole, scale, given = whole_costs(cost, coverage.n_site)
    lost = unreachable_rows(coverage, candidate)
    if lost.any() and not leave_unreachable:
        raise InfeasibleError("no plan covers every row", [first_rows(coverage, lost)])
    lists, row, site = open_lists(coverage, candidate)
    price = whole[site]
    search: CoverSearch | LimitedCover
    limits = None
    if any(part is not None for part in (site_group, least, most)):
        limits = check_site_groups(site_group, least, most, coverage.existing, candidate)
        mine, raw_row = limits.of(site), first_raw(coverage, row)
        if crowded := crowded_groups(lists, mine, raw_row):
            raise InfeasibleError("no plan covers every row within the limits", crowded)
        search = LimitedCover(lists, price, mine, seed)
    else:
        free = np.flatnonzero((price == 0) & (np.diff(lists.site_indptr) > 0))
        search = CoverSearch(lists, price, site_xy(coverage, site), coverage.reach_m, seed, free)
    log: dict[str, Any] = {"seed": seed, "rows": lists.n_row, "unreachable": int(lost.sum())}

    def look(stage: str, done: int, total: int, value: float, bound: float) -> None:
        progress(stage, done, total, value / scale, bound / scale)

    search.run(gap, ends_at, rounds, progress if scale == 1 else look, stop, log)
    return certify(coverage, search, row, site, given, scale, lost, forbidden, log, gap, limits)


def open_lists(coverage: Coverage, candidate: BoolArray) -> tuple[Lists, IntArray, IntArray]:
    """Return the lists of the rows that candidates reach, with row and site numbers."""
    site = np.flatnonzero(candidate)
    every = Lists(
        coverage.row_indptr, coverage.row_indices, coverage.site_indptr, coverage.site_indices
    )
    lists = every
    if site.size < coverage.n_site:
        lists = narrow(every, np.arange(every.n_row), site)
    row = np.flatnonzero(np.diff(lists.row_indptr) > 0)
    if row.size < lists.n_row:
        lists = narrow(lists, row, np.arange(lists.n_site))
    return lists, row, site


def site_xy(coverage: Coverage, site: IntArray) -> NDArray[np.float64] | None:
    """Return the positions of some sites, None where there is no geometry."""
    return None if coverage.site_xy_m is None else coverage.site_xy_m[site]


def denominator_of(total: int) -> int:
    """Return a denominator that keeps every sum of prices inside 63 bits."""
    return int(2 ** max(0, min(PRICE_DIGITS, 60 - max(1, int(total)).bit_length())))


def exact_bound(
    lists: Lists, cost: IntArray, price: IntArray, denominator: int, limits: Limits | None
) -> int:
    """Return the bound times `denominator` at whole prices of the rows."""
    paid = np.concatenate([np.zeros(1, np.int64), np.cumsum(price[lists.site_indices])])
    score = paid[lists.site_indptr[1:]] - paid[lists.site_indptr[:-1]]
    gain = score - cost * denominator
    if limits is not None:
        return int(price.sum()) - priced_within(limits, gain, np.ones(gain.size, bool))
    return int(price.sum()) - int(np.maximum(gain, 0).sum())


def certify(
    coverage: Coverage,
    search: CoverSearch | LimitedCover,
    row: IntArray,
    site: IntArray,
    given: NDArray[Any],
    scale: int,
    lost: BoolArray,
    forbidden: BoolArray | None,
    log: dict[str, Any],
    gap: float,
    limits: Limits | None,
) -> Decision:
    """Round the prices to whole numbers and return the decision with its certificate."""
    sites = np.sort(site[search.plan]).astype(np.int32)
    value = plan_cost(given, sites)
    denominator = denominator_of(search.cost.sum())
    merged = np.rint(search.prices * denominator).astype(np.int64)
    first = first_raw(coverage, row)
    mine = None if limits is None else limits.of(site)
    numerator = exact_bound(search.lists, search.cost, merged, denominator, mine)
    if numerator < 0:
        merged[:] = 0
        numerator = exact_bound(search.lists, search.cost, merged, denominator, mine)
    raw = np.zeros(coverage.row_of.size, np.int64)
    raw[first] = merged
    prices: dict[str, NDArray[Any]] = {"row": raw}
    is_exact = scale == 1 or not np.any(given * float(scale) % 1.0)
    grain = search.grain
    unit = denominator * grain
    proven = grain * -(-numerator // unit)
    tree = search.tree
    if tree is not None and tree.is_whole and tree.value == search.value and proven < tree.value:
        prices["tree_site"] = np.array([site[j] if j >= 0 else -1 for j in tree.site], np.int32)
        prices["tree_price"] = np.array(tree.price, np.int32)
        prices["tree_row"] = first[search.tree_rows]
        prices["tree_prices"] = np.array(tree.prices, np.int64).reshape(-1, search.tree_rows.size)
        proven = tree.value
        numerator = proven * denominator
    best = max(proven, math.ceil(search.searched)) if search.searched > 0 else proven
    parameters = {
        "scale": scale,
        "grain": grain,
        "unreachable": int(lost.sum()),
        "cost_hash": hash_arrays(given),
        "forbidden_hash": hash_arrays(None if forbidden is None else np.asarray(forbidden, bool)),
    }
    if limits is not None:
        parameters["limits_hash"] = limits_hash(limits)
    if best > proven:
        parameters["bound_by_search"] = best
    bound: int | float = best if scale == 1 else best / scale
    certificate = Certificate(
        "set_covering", parameters, coverage.input_hash, denominator, prices, value, numerator
    )
    distance = (value - bound) / value if value else 0.0
    # costs that binary fractions cannot hold are rounded down: equal to nine digits is equal
    is_optimal = bound == value or (not is_exact and distance <= FLOAT_DIGITS)
    status = "optimal" if is_optimal else "feasible" if distance <= gap else "stopped"
    log["bound_by_prices"] = proven / scale if scale > 1 else proven
    return Decision(
        sites, value, bound, float(distance), status, seal(certificate, sites), sense="min",
        bound_by="search" if best > proven else "prices", log=log,
    )  # fmt: skip


def first_raw(coverage: Coverage, row: IntArray) -> IntArray:
    """Return the first raw row of each of some merged rows."""
    first = np.full(coverage.weight.size, coverage.row_of.size, np.int64)
    known = np.flatnonzero(coverage.row_of >= 0)
    np.minimum.at(first, coverage.row_of[known], known)
    return first[row]
