r"""Backup covering: demand served once, twice, and more often; and gradual cover as rows by step.

``max sum_l w_il z_il`` with ``sum_l z_il <= sum_{j in N(i)} y_j``, ``sum y_j <= p`` and
``w_i1 >= w_i2 >= ...`` (Hogan and ReVelle 1986, doi 10.1287/mnsc.32.11.1434). For any prices

.. math:: \sum_i \sum_l (w_{il} - \lambda_i)^+ + \mathrm{top}_p\, s, \qquad
          s_j = \sum_{i \in j} \lambda_i

is no less than the value of any plan. Where every row must be covered once and only the second
time counts (LSCP-B), it is ``sum (w_i - lam_i)+ - sum lam_i + top_p s``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.backup_search import (
    anneal_levels,
    fill_levels,
    finish_levels,
    level_value,
)
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_capacity_limits import best_within
from groundplan.engine.location.check_cover_limits import limits_hash
from groundplan.engine.location.check_limits import Limits, check_site_groups
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.location.request import check_kind, check_limits
from groundplan.engine.location.setcover import candidates_of, first_raw, nothing, set_covering
from groundplan.engine.location.setcover_lists import Lists, narrow
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["backup_covering", "backup_set_covering", "gradual_coverage"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass
class Levels:
    """Merged rows with the weight of each time they are covered, candidates renumbered."""

    lists: Lists
    level: IntArray
    have: IntArray
    p: int
    site: IntArray
    row: IntArray
    is_cover: bool
    plan: BoolArray
    lam: FloatArray
    bound: float
    limits: Limits

    @property
    def gains(self) -> IntArray:
        """What a row earns by its next cover, by the covers it has now (last level: nothing)."""
        return np.vstack([self.level, np.zeros((1, self.lists.n_row), np.int64)])

    def best(self, score: NDArray[Any]) -> NDArray[np.int64]:
        """Return the best sites at their scores, p of them or what the limits allow."""
        if self.limits.n_group:
            taken = best_within(self.limits, self.limits.group, score, self.p, 0)
            if taken is None:
                raise RuntimeError("no choice of sites keeps the limits")
            return np.flatnonzero(taken)
        best = np.argpartition(-score, self.p - 1)[: self.p] if self.p else score[:0]
        return best.astype(np.int64)

    def value(self, plan: BoolArray) -> int:
        """Return the weight of all levels that a plan reaches."""
        return level_value(self.lists, self.gains, self.have, plan)


def merge_levels(
    coverage: Coverage, level_weight: Any, existing: BoolArray | None, forbidden: BoolArray | None,
    p: int, *, is_cover: bool,
) -> Levels:  # fmt: skip
    """Check the request and add the weights of raw rows up by merged row."""
    if coverage.existing.any():
        raise ValueError(
            "a coverage with existing sites has forgotten their rows; build it without and give "
            "existing= here"
        )
    raw = np.asarray(level_weight)
    if raw.ndim != 2 or raw.shape[1] != coverage.row_of.size or not raw.shape[0]:
        raise ValueError(
            f"level_weight must have shape (levels, {coverage.row_of.size}). Got {raw.shape}"
        )
    if not np.issubdtype(raw.dtype, np.integer) or (raw.size and raw.min() < 0):
        raise ValueError("level_weight must be whole numbers >= 0")
    grows = np.flatnonzero((np.diff(raw, axis=0) > 0).any(axis=0))
    if grows.size and not is_cover:
        raise ValueError(
            f"weights must not grow from one level to the next; they do in row {grows[0]}"
        )
    if p < 0:
        raise ValueError(f"p must be >= 0. Got {p}")
    old = flags(existing, coverage.n_site, "existing")
    candidate = candidates_of(coverage, forbidden) & ~old
    site = np.flatnonzero(candidate)
    every = Lists(
        coverage.row_indptr, coverage.row_indices, coverage.site_indptr, coverage.site_indices
    )
    lists = narrow(every, np.arange(every.n_row), site)
    row = np.repeat(np.arange(every.n_row), np.diff(every.row_indptr))
    have = np.bincount(row[old[every.row_indices]], minlength=every.n_row)
    known = coverage.row_of >= 0
    level = np.zeros((len(raw), every.n_row), np.int64)
    for k in range(len(raw)):
        np.add.at(level[k], coverage.row_of[known], raw[k][known].astype(np.int64))
    return Levels(
        lists, level, have, min(int(p), site.size), site, np.arange(every.n_row), is_cover,
        np.zeros(site.size, np.bool_), np.zeros(every.n_row), float("inf"),
        # one group, which has no limits
        Limits(np.zeros(site.size, np.int64), np.zeros(1, np.int64), np.full(1, site.size)),
    )  # fmt: skip


def flags(given: BoolArray | None, n: int, name: str) -> BoolArray:
    """Return flags, none set where nothing is given."""
    if given is None:
        return np.zeros(n, np.bool_)
    if np.shape(given) != (n,):
        raise ValueError(f"{name} must have shape ({n},)")
    return np.asarray(given, bool)


def price_levels(
    problem: Levels, steps: int, halt: Callable[[], bool], look: Callable[[int], None]
) -> None:
    """Lower the bound by subgradient steps on the prices of the rows."""
    lists, level = problem.lists, problem.level.astype(np.float64)
    if problem.is_cover:
        level = level[1:2]
    have = problem.have - 1 if problem.is_cover else problem.have
    row = np.repeat(np.arange(lists.n_row), np.diff(lists.row_indptr))
    owner = np.repeat(np.arange(lists.n_site), np.diff(lists.site_indptr))
    # levels that existing sites fill already leave the next one as the first price
    start = np.take_along_axis(
        np.vstack([level, np.zeros((1, lists.n_row))]),
        np.clip(have, 0, len(level))[None, :], axis=0,
    )[0]  # fmt: skip
    lam = start.astype(np.float64)
    direction = np.zeros(lists.n_row)
    pace, since = 1.0, 0
    target = problem.value(problem.plan)
    if problem.is_cover:
        target -= int(problem.level[0].sum())
    for step in range(steps):
        score = np.bincount(owner, lam[lists.site_indices], minlength=lists.n_site)
        chosen = np.zeros(lists.n_site, np.bool_)
        chosen[problem.best(score)] = True
        bound = float(np.maximum(level - lam, 0.0).sum() + (lam * have).sum())
        bound += float(score[chosen].sum())
        since += 1
        if bound < problem.bound:
            if bound < problem.bound - 1e-4 * max(1.0, abs(bound)):
                since = 0
            problem.bound, problem.lam = bound, lam.copy()
        if since > 20:
            pace, since, lam = pace * 0.6, 0, problem.lam.copy()
        if pace < 1e-4 or bound - target < 1e-6:
            return
        times = have + np.bincount(row[chosen[lists.row_indices]], minlength=lists.n_row)
        # lowering lam_i earns what is served beyond the levels that still pay
        slope = times - (level > lam).sum(axis=0)
        direction = slope + 0.5 * direction
        direction[(lam == 0.0) & (direction > 0.0)] = 0.0
        norm = float(direction @ direction)
        if norm < 1e-12:
            return
        lam = np.maximum(0.0, lam - pace * max(bound - target, 1e-9) / norm * direction)
        if step % 20 == 0:
            look(step)
            if halt():
                return


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


def gradual_coverage(
    demand_xy_m: FloatArray,
    weight: IntArray,
    site_xy_m: FloatArray,
    reach_m: NDArray[np.float64] | list[float],
    worth: NDArray[np.int64] | list[int],
    *,
    existing: BoolArray | None = None,
) -> Coverage:
    """Return a coverage in which demand served from farther away is worth less.

    A row within ``reach_m[k]`` of its nearest chosen site earns ``weight * worth[k]`` (gradual
    covering: Berman, Krass, Drezner 2003, EJOR 151, 474-480). Each step becomes a
    row of its own with the weight ``weight * (worth[k] - worth[k + 1])``, so that
    `maximal_covering` and its certificate serve as they are.

    Parameters
    ----------
    demand_xy_m : (n, 2) float64
    weight : (n,) int64
    site_xy_m : (m, 2) float64
    reach_m : (n_step,) float64
        Growing.
    worth : (n_step,) int64
        Falling whole numbers > 0, e.g. per cent: (100, 60, 20).
    existing : (m,) bool, optional

    Returns
    -------
    Coverage
        With ``n_step * n`` raw rows, step by step.
    """
    reach, earn = np.asarray(reach_m, np.float64), np.asarray(worth)
    if reach.ndim != 1 or reach.shape != earn.shape or not reach.size:
        raise ValueError("reach_m and worth must be lists of one length")
    if not np.issubdtype(earn.dtype, np.integer) or earn.min() <= 0:
        raise ValueError("worth must be whole numbers > 0")
    if (np.diff(reach) <= 0).any() or (np.diff(earn) >= 0).any():
        raise ValueError("reach_m must grow and worth must fall from step to step")
    step = (earn - np.append(earn[1:], 0)).astype(np.int64)
    n = len(demand_xy_m)
    return Coverage.from_radius(
        np.tile(demand_xy_m, (reach.size, 1)),
        np.repeat(step, n) * np.tile(np.asarray(weight), reach.size),
        site_xy_m,
        float(reach.max()),
        existing=existing,
        demand_reach_m=np.repeat(reach, n),
    )
