"""Backup covering: demand served once, twice, and more often.

Sites are added by gain, the prices of the rows give a bound (`backup_levels`), annealed swaps lead
to better plans, and where the problem is small an integer program closes what is left
(`backup_search`). Where every row must be covered once, set covering says with how many sites.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.backup_levels import Levels, flags, merge_levels, price_levels
from groundplan.engine.location.backup_search import (
    anneal_levels,
    fill_levels,
    finish_levels,
)
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_cover_limits import limits_hash
from groundplan.engine.location.check_limits import Limits, check_site_groups
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.location.request import check_kind, check_limits
from groundplan.engine.location.setcover import candidates_of, first_raw, nothing, set_covering
from groundplan.engine.location.setcover_lists import narrow
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["backup_covering", "backup_set_covering"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def solve_levels(
    problem: Levels, gap: float, ends_at: float | None, seed: int, steps: int, sweeps: int,
    progress: Callable[[str, int, int, float, float], None], stop: Callable[[], bool],
) -> float:  # fmt: skip
    """Fill plan and prices; returns a bound by search, infinity where there is none."""

    def halt() -> bool:
        return stop() or (ends_at is not None and time.monotonic() > ends_at)

    base = int(problem.level[0].sum()) if problem.is_cover else 0

    def look(stage: str, total: int) -> Callable[[int], None]:
        return lambda done: progress(
            stage, done, total, problem.value(problem.plan) - base, problem.bound
        )

    def is_done() -> bool:
        value, bound = problem.value(problem.plan) - base, np.floor(problem.bound + 1e-6)
        return bool(bound - value <= gap * abs(bound))

    fill_levels(problem.lists, problem.gains, problem.have, problem.p, problem.plan, problem.limits)
    price_levels(problem, steps, halt, look("bound", steps))
    if not is_done() and not halt():
        anneal_levels(
            problem.lists, problem.gains, problem.have, problem.plan, problem.limits, sweeps, seed,
            halt, look("improve", sweeps), keep_first=problem.is_cover,
        )  # fmt: skip
    if is_done() or halt():
        return float("inf")
    left = None if ends_at is None else ends_at - time.monotonic()
    plan, bound = finish_levels(
        problem.lists, problem.level, problem.have, problem.p, problem.plan, problem.limits, left,
        halt, keep_first=problem.is_cover,
    )  # fmt: skip
    if problem.value(plan) > problem.value(problem.plan):
        problem.plan = plan
    return bound - base


def certify_levels(
    coverage: Coverage, problem: Levels, form: str, raw: IntArray, existing: BoolArray | None,
    forbidden: BoolArray | None, p: int, searched: float, gap: float, log: dict[str, Any],
    limits: Limits | None = None,
) -> Decision:  # fmt: skip
    """Round the prices to whole numbers and return the decision with its certificate."""
    level = problem.level[1:2] if problem.is_cover else problem.level
    have = problem.have - 1 if problem.is_cover else problem.have
    total = int(problem.level.sum())
    if total >= 2**50:
        raise OverflowError("level weights must sum to less than 2**50; use a larger unit")
    denominator = int(2 ** max(0, min(20, 60 - max(1, total * (int(have.max(initial=1)) + 1))
                                      .bit_length())))  # fmt: skip
    lam = np.rint(problem.lam * denominator).astype(np.int64)
    paid = np.concatenate([np.zeros(1, np.int64), np.cumsum(lam[problem.lists.site_indices])])
    score = paid[problem.lists.site_indptr[1:]] - paid[problem.lists.site_indptr[:-1]]
    numerator = int(np.maximum(level * denominator - lam, 0).sum()) + int((lam * have).sum())
    numerator += int(score[problem.best(score)].sum())
    value = problem.value(problem.plan) - (int(problem.level[0].sum()) if problem.is_cover else 0)
    prices = np.zeros(coverage.row_of.size, np.int64)
    prices[first_raw(coverage, problem.row)] = lam
    sites = problem.site[problem.plan].astype(np.int32)
    old = flags(existing, coverage.n_site, "existing")
    parameters = {
        "p": int(p),
        "level_hash": hash_arrays(raw),
        "existing_hash": hash_arrays(old),
        "forbidden_hash": hash_arrays(None if forbidden is None else np.asarray(forbidden, bool)),
    }
    if limits is not None:
        parameters["limits_hash"] = limits_hash(limits)
    certificate = Certificate(
        form, parameters, coverage.input_hash, denominator, {"row": prices}, value, numerator
    )
    proven = numerator // denominator
    bound = int(min(proven, np.floor(searched + 1e-6)))
    distance = (bound - value) / bound if bound else 0.0
    status = "optimal" if bound == value else "feasible" if distance <= gap else "stopped"
    log["bound_by_prices"] = proven
    return Decision(
        sites, value, bound, float(distance), status, seal(certificate, sites),
        bound_by="search" if bound < proven else "prices", log=log,
    )  # fmt: skip


@keep_log
def backup_covering(
    coverage: Coverage,
    level_weight: IntArray,
    p: int,
    *,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 600,
    sweeps: int = 200,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose p sites so that the weight of first, second and later covers is largest.

    Parameters
    ----------
    coverage : Coverage
        Built without existing sites.
    level_weight : (n_level, n_raw) int64
        What a row earns when it is covered once, once more, ...; must not grow by level.
    p : int
        How many sites to add.
    existing, forbidden : (n_site,) bool, optional
        Sites that stand already (they fill the first levels); sites that may not be chosen.
    site_group, least, most : (n_site,) int, (n_group,) int, (n_group,) int, optional
        Group of each site, 0 .. n_group - 1 or -1 for none, and how many sites of each group a
        plan has at least and at most, existing ones included.
    gap, time_limit_s, seed, progress, stop
        As in `set_covering`.
    steps, sweeps : int
        Most steps of the bound, most sweeps of the annealing.

    Returns
    -------
    Decision
        Checked by `verify_backup`.

    Raises
    ------
    ValueError
        Where the request contradicts itself.
    InfeasibleError
        Where the limits on the groups do; with every conflict.

    Notes
    -----
    Left out: costs per site, weights that grow with the level (the bound needs them to fall).
    """
    check_kind(coverage, Coverage, "coverage")
    check_limits(gap, time_limit_s, seed)
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    problem = merge_levels(coverage, level_weight, existing, forbidden, p, is_cover=False)
    log: dict[str, Any] = {"seed": seed, "rows": problem.lists.n_row}
    limits = None
    if any(part is not None for part in (site_group, least, most)):
        old = flags(existing, coverage.n_site, "existing")
        candidate = candidates_of(coverage, forbidden) & ~old
        limits = check_site_groups(site_group, least, most, old, candidate, p=p)
        problem.limits = limits.of(problem.site)
        log["groups"] = limits.n_group
    searched = solve_levels(problem, gap, ends_at, seed, steps, sweeps, progress, stop)
    return certify_levels(
        coverage, problem, "backup_covering", np.asarray(level_weight), existing, forbidden, p,
        searched, gap, log, limits,
    )  # fmt: skip


@keep_log
def backup_set_covering(
    coverage: Coverage,
    *,
    p: int | None = None,
    weight: IntArray | None = None,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 600,
    sweeps: int = 200,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Cover every row with the fewest sites, then as many rows as possible a second time.

    The LSCP-B of Church and Murray (2018, doi 10.1007/978-3-319-99846-6), as spopt's ``LSCPB``:
    the number of sites is that of `set_covering` at equal costs, and ``value`` is the number (or
    weight) of raw rows covered at least twice.

    Parameters
    ----------
    coverage : Coverage
        Built without existing sites.
    p : int, optional
        How many sites to add; the least number that covers every row where left out.
    weight : (n_raw,) int64, optional
        Of a second cover; ones where left out, as spopt counts.
    existing, forbidden : (n_site,) bool, optional
        Existing sites cover and are not counted in p (spopt counts its predefined ones).
    gap, time_limit_s, seed, steps, sweeps, progress, stop
        As in `backup_covering`.

    Returns
    -------
    Decision
        Checked by `verify_backup`; ``log["covering_status"]`` says whether the number of sites is
        proven to be the least.

    Raises
    ------
    InfeasibleError
        Where rows have no site, or p is less than covering takes.
    """
    check_kind(coverage, Coverage, "coverage")
    check_limits(gap, time_limit_s, seed)
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    n = coverage.row_of.size
    second = np.ones(n, np.int64) if weight is None else np.asarray(weight)
    if second.shape != (n,):
        raise ValueError(f"weight must have shape ({n},). Got {second.shape}")
    raw = np.vstack([np.ones(n, np.int64), second])
    problem = merge_levels(coverage, raw, existing, forbidden, p or 0, is_cover=True)
    lost = coverage.row_of < 0
    bare = (problem.have == 0) & (np.diff(problem.lists.row_indptr) == 0)
    lost[coverage.row_of >= 0] = bare[coverage.row_of[coverage.row_of >= 0]]
    if lost.any():
        few = ", ".join(str(int(i)) for i in np.flatnonzero(lost)[:5])
        raise InfeasibleError(
            "no plan covers every row", [f"{int(lost.sum())} rows have no site: rows {few}"]
        )
    rest = coverage_of_rest(problem)
    limit = None if time_limit_s is None else 0.6 * time_limit_s
    first = set_covering(rest, time_limit_s=limit, seed=seed, stop=stop)
    if p is not None and first.value > p:
        raise InfeasibleError(
            "no plan covers every row",
            [f"{first.bound} sites at least are needed ({first.value} found), {p} are allowed"],
        )
    log: dict[str, Any] = {"seed": seed, "rows": problem.lists.n_row}
    log["covering_status"] = first.status
    problem.p = min(problem.site.size, int(first.value) if p is None else int(p))
    problem.plan[first.sites] = True
    # a first cover outweighs all second ones, so that no step of the search gives one up
    problem.level[0] = int(problem.level[1].sum()) + 1
    searched = solve_levels(problem, gap, ends_at, seed, steps, sweeps, progress, stop)
    return certify_levels(
        coverage, problem, "backup_set_covering", raw, existing, forbidden, problem.p, searched,
        gap, log,
    )  # fmt: skip


def coverage_of_rest(problem: Levels) -> Coverage:
    """Return the coverage of the rows that existing sites leave, on candidates alone."""
    rows = np.flatnonzero(problem.have == 0)
    lists = narrow(problem.lists, rows, np.arange(problem.lists.n_site))
    return Coverage.from_csr(
        lists.row_indptr, lists.row_indices, np.ones(rows.size, np.int64), lists.n_site
    )
