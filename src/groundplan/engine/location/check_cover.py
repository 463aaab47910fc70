r"""The check of covering decisions in plain NumPy: nothing of the solver, no kernel, no solver.

Prices ``lam_i >= 0`` of the rows, in multiples of 1 / D, bound each form (``s_j`` is the sum of
the prices of the rows of site j, ``(a)+ = max(a, 0)``):

* set covering: ``sum lam - sum (s_j - f_j)+``, rounded up to what plans can cost, or less the most
  that sites gain within limits (`check_cover_limits`); or a tree of sites taken and refused, every
  leaf closed by prices of its own;
* partial set covering: ``theta Q - sum (s_j - f_j)+ - sum (theta w_i - lam_i)+``, with floors
  (`check_floors`) a price more for each group;
* backup covering: ``sum_l (w_il - lam_i)+ + top_p s``, the best p within limits where there are;
* backup set covering: ``sum (w_i - lam_i)+ - sum lam_i + top_p s``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import record_hash
from groundplan.engine.location.check_cover_limits import (
    asked_limits,
    fixed_within,
    priced_within,
    step_within,
)
from groundplan.engine.location.check_floors import priced_floors
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.problem import Decision
from groundplan.errors import VerificationError

if TYPE_CHECKING:
    from groundplan.engine.location.check_limits import Limits
    from groundplan.engine.location.coverage import Coverage

__all__ = ["verify_backup", "verify_covering"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: Every sum of whole numbers must stay under this.
MOST = 2**62
#: Costs that binary fractions cannot hold are rounded down: equal to nine digits is equal.
FLOAT_DIGITS = 1e-9


class Sums:
    """Who reaches whom, as pairs of merged row and candidate site, and sums over them."""

    def __init__(self, coverage: Coverage, candidate: BoolArray) -> None:
        row = np.repeat(np.arange(coverage.weight.size), np.diff(coverage.row_indptr))
        mine = candidate[coverage.row_indices]
        self.row = row[mine]
        self.site = coverage.row_indices[mine].astype(np.int64)
        self.n_row, self.n_site = coverage.weight.size, coverage.n_site

    def counts(self, sites: BoolArray) -> IntArray:
        """Return how many of some sites cover each row."""
        out: IntArray = np.bincount(self.row[sites[self.site]], minlength=self.n_row)
        return out

    def scores(self, price: IntArray) -> IntArray:
        """Return the sum of prices of the rows of each site."""
        if float(np.abs(price.astype(np.float64)).sum()) >= MOST:
            raise VerificationError("prices are too large for whole-number sums")
        out = np.zeros(self.n_site, np.int64)
        np.add.at(out, self.site, price[self.row])
        return out


def merged_prices(coverage: Coverage, raw: NDArray[Any], found: list[str]) -> IntArray:
    """Return the prices of merged rows from those of raw rows."""
    if raw.shape != coverage.row_of.shape or not np.issubdtype(raw.dtype, np.integer):
        raise VerificationError(f"{raw.size} row prices for {coverage.row_of.size} rows")
    if raw.size and (raw.min() < 0 or float(raw.sum(dtype=np.float64)) >= MOST):
        raise VerificationError("row prices must be >= 0 and their sum must fit 62 bits")
    out = np.zeros(coverage.weight.size, np.int64)
    known = coverage.row_of >= 0
    if raw[~known].any():
        found.append("a row that nobody may cover, or that is served already, carries a price")
    np.add.at(out, coverage.row_of[known], raw[known].astype(np.int64))
    return out


def top(score: IntArray, p: int) -> int:
    """Return the sum of the p largest numbers, in whole numbers of any size."""
    n = min(p, score.size)
    return sum(int(v) for v in np.partition(score, score.size - n)[score.size - n :]) if n else 0


def plan_of(
    coverage: Coverage, decision: Decision, forbidden: BoolArray | None, found: list[str]
) -> tuple[BoolArray, BoolArray]:
    """Return candidates and plan as flags, noting sites that may not be there."""
    candidate = ~coverage.existing
    if forbidden is not None:
        candidate &= ~forbidden
    sites = np.asarray(decision.sites)
    if sites.size and not (sites.min() >= 0 and sites.max() < coverage.n_site):
        raise VerificationError("the plan names a site that does not exist")
    if np.unique(sites).size != sites.size or (sites.size and not candidate[sites].all()):
        found.append("the plan holds a site twice, an existing one or a forbidden one")
    chosen = np.zeros(coverage.n_site, np.bool_)
    chosen[sites] = True
    return candidate, chosen


def check_hashes(
    coverage: Coverage, decision: Decision, forbidden: BoolArray | None, given: Mapping[str, Any],
    found: list[str],
) -> None:  # fmt: skip
    """Note hashes that do not fit the inputs or the record."""
    certificate = decision.certificate
    if certificate.input_hash != coverage.input_hash:
        found.append("the inputs hash to something else than the certificate says")
    told = certificate.parameters
    flags = None if forbidden is None else np.asarray(forbidden, bool)
    for name, array in {**given, "forbidden_hash": flags}.items():
        if told.get(name) != hash_arrays(array):
            found.append(f"{name.removesuffix('_hash')} is not what the certificate was made for")
    if record_hash(certificate, decision.sites, decision.assignment) != certificate.record_hash:
        found.append("the record does not match its own hash")


def whole_of(
    cost: Any, candidate: BoolArray, scale: int, grain: int, found: list[str]
) -> tuple[IntArray, NDArray[Any]]:
    """Return costs rounded down to whole numbers of 1 / scale, and the costs as given."""
    given = np.ones(candidate.size, np.int64) if cost is None else np.asarray(cost)
    if scale < 1 or scale & (scale - 1):
        raise VerificationError(f"the scale of the costs is no power of two: {scale}")
    if np.issubdtype(given.dtype, np.integer):
        whole = given.astype(np.int64) * scale
    else:
        whole = np.floor(given.astype(np.float64) * float(scale)).astype(np.int64)
    if grain < 1 or (whole[candidate] % grain).any():
        found.append(f"plans do not cost multiples of {grain}")
    return whole, given


def cost_of(given: NDArray[Any], sites: NDArray[Any]) -> int | float:
    """Return what a plan costs."""
    if np.issubdtype(given.dtype, np.integer):
        return int(given[sites].sum())
    return math.fsum(float(v) for v in given[sites])


def verify_covering(
    coverage: Coverage,
    decision: Decision,
    *,
    cost: NDArray[Any] | None = None,
    forbidden: BoolArray | None = None,
    group: NDArray[np.integer] | None = None,
    floor: NDArray[np.integer] | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
) -> dict[str, int | float]:
    """Recompute value and bound of a set covering or partial set covering decision.

    Parameters
    ----------
    coverage, cost, forbidden, group, floor, site_group, least, most
        As given to `set_covering` or `partial_set_covering`. The merge of rows is taken from
        `coverage`.

    Returns
    -------
    dict
        ``value``, and ``bound`` as the prices prove it; a bound by search may be higher.
        With a share of the demand also ``base_value``, what is served already.

    Raises
    ------
    VerificationError
        With every difference found.
    """
    found: list[str] = []
    certificate = decision.certificate
    told = certificate.parameters
    candidate, chosen = plan_of(coverage, decision, forbidden, found)
    scale, grain = int(told.get("scale", 0)), int(told.get("grain", 0))
    whole, given = whole_of(cost, candidate, scale, grain, found)
    check_hashes(coverage, decision, forbidden, {"cost_hash": given}, found)
    asked = (site_group, least, most)
    limits = asked_limits(decision, coverage.existing, candidate, asked, found)
    sums = Sums(coverage, candidate)
    d = int(certificate.denominator)
    if d < 1 or whole.min(initial=0) < 0 or float(whole.sum(dtype=np.float64)) * d >= MOST:
        raise VerificationError("costs times denominator do not fit 62 bits")
    price = merged_prices(coverage, certificate.prices["row"], found)
    served = sums.counts(chosen) > 0
    if certificate.form == "set_covering":
        open_rows = sums.counts(candidate) > 0
        if (open_rows & ~served).any():
            found.append(f"{int((open_rows & ~served).sum())} merged rows are not covered")
        lost = coverage.row_of == -1
        known = coverage.row_of >= 0
        lost[known] = ~open_rows[coverage.row_of[known]]
        if int(lost.sum()) != told.get("unreachable"):
            found.append(f"{int(lost.sum())} rows have no site, the certificate says otherwise")
        if price[~open_rows].any():
            found.append("a row without a site carries a price")
        numerator = priced_sum(sums, whole, price, candidate, d, limits)
    elif certificate.form == "partial_set_covering":
        target, theta = int(told["target"]), int(certificate.prices["target"][0])
        reached = coverage.base_value + int(coverage.weight[served].sum())
        if reached < target or target != -(-int(told["share_over"]) * coverage.total_value
                                           // int(told["share_under"])):  # fmt: skip
            found.append(f"the plan serves {reached}, the target is {target}")
        if theta < 0 or theta * max(1, coverage.total_value) >= MOST:
            raise VerificationError("the price of the target is out of range")
        numerator = theta * max(0, target - coverage.base_value)
        if ("floor" in certificate.prices) is not (group is not None and floor is not None):
            raise VerificationError("floors are checked with the groups and floors asked, or none")
        # rows that forbidden sites alone reach are served by no plan
        is_open = sums.counts(candidate) > 0
        if "floor" in certificate.prices:
            numerator += priced_floors(coverage, decision, group, floor, is_open, found)
        else:
            over = np.maximum(theta * coverage.weight - price, 0)
            numerator -= int(over[is_open].sum())
        numerator += priced_sum(sums, whole, price, candidate, d, limits) - int(price.sum())
    else:
        raise VerificationError(f"form {certificate.form!r} is not checked here")
    proven = grain * -(-numerator // (d * grain)) if grain else 0
    if "tree_site" in certificate.prices:
        limit = int(whole[decision.sites].sum())
        found += walk_tree(
            coverage, certificate.prices, sums, whole, candidate, d, grain, limit, limits
        )  # fmt: skip
        proven, numerator = limit, limit * d
    value = cost_of(given, decision.sites)
    bound = proven if scale == 1 and np.issubdtype(given.dtype, np.integer) else proven / scale
    if value not in (decision.value, certificate.value) or decision.value != certificate.value:
        found.append(f"the plan costs {value}, the record says {decision.value}")
    compare_bound(decision, numerator, bound, value, found)
    is_exact = scale == 1 or not np.any(given * float(scale) % 1.0)
    if not is_exact and decision.status != "optimal" and decision.gap <= FLOAT_DIGITS:
        found.append(f"status {decision.status!r}, although the bound meets the value")
    if "bound_by_search" in told and decision.bound != int(told["bound_by_search"]) / scale:
        found.append(f"a search proved {told['bound_by_search']} / {scale} by the certificate")
    if found:
        raise VerificationError(found)
    if certificate.form == "set_covering":
        return {"value": value, "bound": bound}
    return {"value": value, "base_value": coverage.base_value, "bound": bound}


def compare_bound(
    decision: Decision, numerator: int, bound: float, value: float, found: list[str]
) -> None:
    """Note where the bound told differs from the one recomputed."""
    if numerator != decision.certificate.bound_numerator:
        found.append(
            f"the bound is {numerator} / {decision.certificate.denominator}, the certificate says "
            f"{decision.certificate.bound_numerator}"
        )
    worse = decision.bound < bound if decision.sense == "min" else decision.bound > bound
    beyond = decision.bound > value if decision.sense == "min" else decision.bound < value
    if decision.bound_by == "prices" and decision.bound != bound:
        found.append(f"the bound is {bound}, the decision says {decision.bound}")
    elif decision.bound_by not in {"prices", "search"} or worse or beyond:
        found.append(f"the bound {decision.bound} does not lie between {bound} and {value}")
    if decision.status == "optimal" and abs(decision.bound - value) > FLOAT_DIGITS * abs(value):
        found.append("the plan is called optimal and its bound does not meet it")


def priced_sum(
    sums: Sums, whole: IntArray, price: IntArray, candidate: BoolArray, d: int,
    limits: Limits | None,
) -> int:  # fmt: skip
    """Return ``sum lam`` less the most that sites gain, times the denominator."""
    gain = sums.scores(price) - whole * d
    if limits is not None:
        return int(price.sum()) - priced_within(limits, gain[candidate], candidate)
    over = np.maximum(gain, 0)[candidate]
    return int(price.sum()) - sum(int(v) for v in over[over > 0])


def walk_tree(
    coverage: Coverage,
    prices: Mapping[str, NDArray[Any]],
    sums: Sums,
    whole: IntArray,
    candidate: BoolArray,
    d: int,
    grain: int,
    value: int,
    limits: Limits | None,
) -> list[str]:
    """Return what keeps a tree from proving that no plan costs less than `value`."""
    site, which = prices["tree_site"], prices["tree_price"]
    table, rows = prices["tree_prices"], prices["tree_row"]
    if site.shape != which.shape or table.shape[1:] != rows.shape:
        return ["the arrays of the tree do not fit each other"]
    if rows.size and not (rows.min() >= 0 and rows.max() < coverage.row_of.size):
        return ["the tree prices a row that does not exist"]
    merged = coverage.row_of[rows]
    if np.unique(merged).size != merged.size or (merged < 0).any():
        return ["the tree prices a row twice, or one that needs no cover"]
    if table.size and (table.min() < 0 or int(table.max()) * max(1, rows.size) >= MOST):
        return ["prices of the tree are out of range"]
    place = np.full(coverage.weight.size, -1)
    place[merged] = np.arange(rows.size)
    here = place[sums.row] >= 0
    row, mine = place[sums.row[here]], sums.site[here]
    limit = (value - grain) * d
    # a stack of (taken, refused, alive); the walk takes the site first
    stack: list[tuple[BoolArray, BoolArray, bool]] = [
        (np.zeros(whole.size, np.bool_), ~candidate, True)
    ]
    for node in range(site.size):
        if not stack:
            return ["the tree has more nodes than branches"]
        taken, refused, alive = stack.pop()
        alive = alive and not (taken & refused).any()
        if alive and limits is not None:
            rest, refused, alive = step_within(limits, taken, refused)
        if alive:
            covered = np.zeros(rows.size, np.bool_)
            covered[row[taken[mine]]] = True
            free = ~taken & ~refused
            usable = np.zeros(rows.size, np.bool_)
            usable[row[free[mine]]] = True
            alive = bool((covered | usable).all())
        if alive and which[node] != -1:
            if not 0 <= which[node] < len(table):
                return ["the tree names prices that it does not hold"]
            price = np.where(covered, 0, table[which[node]])
            score = np.zeros(whole.size, np.int64)
            np.add.at(score, mine, price[row])
            reduced = np.where(free, whole * d - score, 0)
            spent = int(whole[taken].sum()) * d
            if limits is not None:
                room = limit - spent - int(price.sum())
                fixed = fixed_within(rest.of(free), -reduced[free], room)
                alive = fixed is not None
                if fixed is not None:
                    taken, refused = taken.copy(), refused.copy()
                    taken[free], refused[free] = fixed
            else:
                bound = spent + int(price.sum()) + int(np.minimum(reduced, 0).sum())
                alive = bound <= limit
                if alive:
                    refused = refused | (free & (reduced > 0) & (bound + reduced > limit))
                    taken = taken | (free & (reduced < 0) & (bound - reduced > limit))
        if site[node] == -1:
            if alive:
                return [f"leaf {node} of the tree is not closed"]
            continue
        if not 0 <= site[node] < whole.size:
            return ["the tree parts on a site that does not exist"]
        one, other = taken.copy(), refused.copy()
        one[site[node]] = True
        other[site[node]] = True
        stack.append((taken, other, alive))
        stack.append((one, refused, alive))
    return ["the tree ends before all its branches do"] if stack else []


def verify_backup(
    coverage: Coverage,
    decision: Decision,
    *,
    level_weight: NDArray[Any] | None = None,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
) -> dict[str, int]:
    """Recompute value and bound of a backup covering or backup set covering decision.

    Parameters
    ----------
    coverage, level_weight, existing, forbidden, site_group, least, most
        As given to the solver.

    Returns
    -------
    dict
        ``value``, and ``bound`` as the prices prove it.

    Raises
    ------
    VerificationError
        With every difference found.
    """
    found: list[str] = []
    certificate = decision.certificate
    told = certificate.parameters
    old = np.zeros(coverage.n_site, np.bool_) if existing is None else np.asarray(existing, bool)
    barred = old if forbidden is None else old | np.asarray(forbidden, bool)
    candidate, chosen = plan_of(coverage, decision, barred, found)
    limits = asked_limits(decision, old, candidate, (site_group, least, most), found)
    both = Sums(coverage, candidate | old)
    sums = Sums(coverage, candidate)
    d, p = int(certificate.denominator), int(told["p"])
    is_cover = certificate.form == "backup_set_covering"
    if not is_cover and certificate.form != "backup_covering":
        raise VerificationError(f"form {certificate.form!r} is not checked here")
    if level_weight is None:
        if not is_cover:
            raise VerificationError("backup covering is checked with its level weights")
        level_weight = np.ones((2, coverage.row_of.size), np.int64)
    raw = np.asarray(level_weight)
    given = {"level_hash": raw, "existing_hash": old}
    check_hashes(coverage, decision, forbidden, given, found)
    if decision.sites.size > p:
        found.append(f"the plan has {decision.sites.size} sites, at most {p} are allowed")
    known = coverage.row_of >= 0
    level = np.zeros((len(raw), coverage.weight.size), np.int64)
    for k in range(len(raw)):
        np.add.at(level[k], coverage.row_of[known], raw[k][known].astype(np.int64))
    if (np.diff(level, axis=0) > 0).any() and not is_cover:
        found.append("weights grow from one level to the next")
    times = both.counts(chosen | old)
    have = both.counts(old)
    price = merged_prices(coverage, certificate.prices["row"], found)
    score = sums.scores(price)[candidate]
    best = top(score, p) if limits is None else priced_within(limits, score, candidate, p)
    if int(level.sum()) * d >= MOST:
        raise VerificationError("weights times denominator do not fit 62 bits")
    if is_cover:
        reachable = both.counts(candidate | old) > 0
        if ((times == 0) & reachable).any() or (~reachable).any() or (coverage.row_of < 0).any():
            found.append("the plan leaves rows without cover")
        value = int(level[1][times >= 2].sum())
        slack = np.maximum(level[1] * d - price, 0)
        numerator = int(slack.sum()) + int((price * (have - 1)).sum()) + best
    else:
        value = sum(int(level[k][times > k].sum()) for k in range(len(level)))
        slack = sum(np.maximum(level[k] * d - price, 0) for k in range(len(level)))
        numerator = int(np.sum(slack)) + int((price * have).sum()) + best
    if value != decision.value or value != certificate.value:
        found.append(f"the plan serves {value}, the record says {decision.value}")
    compare_bound(decision, numerator, numerator // d, value, found)
    if found:
        raise VerificationError(found)
    return {"value": value, "bound": numerator // d}
