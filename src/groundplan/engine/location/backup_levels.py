r"""Rows with a weight for each time they are covered, and the prices that bound every plan.

``max sum_l w_il z_il`` with ``sum_l z_il <= sum_{j in N(i)} y_j``, ``sum y_j <= p`` and
``w_i1 >= w_i2 >= ...`` (Hogan and ReVelle 1986, doi 10.1287/mnsc.32.11.1434). For any prices

.. math:: \sum_i \sum_l (w_{il} - \lambda_i)^+ + \mathrm{top}_p\, s, \qquad
          s_j = \sum_{i \in j} \lambda_i

is no less than the value of any plan. Where every row must be covered once and only the second
time counts (LSCP-B), it is ``sum (w_i - lam_i)+ - sum lam_i + top_p s``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.backup_search import level_value
from groundplan.engine.location.check_capacity_limits import best_within
from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.setcover import candidates_of
from groundplan.engine.location.setcover_lists import Lists, narrow

__all__ = ["Levels", "flags", "merge_levels", "price_levels"]

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
