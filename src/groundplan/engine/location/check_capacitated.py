r"""The check of capacitated problems: plan, value and bound again, in plain NumPy.

Costs are ``C = floor(scale * c)``, fees likewise. With whole prices ``lam_i`` of the rows and
``u_j >= 0`` of a unit of capacity (16 more binary digits), no plan costs less than

.. math:: \frac{1}{\text{scale}} \Big( \sum_i \lambda_i - \sum_j (\rho_j - F_j)^+ \Big), \qquad
          \rho_j = u_j \text{cap}_j + \sum_i (\lambda_i - C_{ij} - u_j d_i)^+,

and where every row has one site, ``rho_j`` is the best 0/1 knapsack over ``floor(d / step)`` within
``floor(cap / step)``. With at most p sites the p largest terms count;
sites that must stand count in full; and since so many sites are needed that their capacities hold
all demand, at least as many of the largest terms count, negative ones included. The bound is the
least over the leaves of the search.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_problem import CapacityProblem
from groundplan.engine.location.certificate import record_hash
from groundplan.engine.location.check_capacity_limits import best_within, largest_within
from groundplan.engine.location.check_cover_limits import asked_limits
from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.check_tree import list_leaf_faults
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import VerificationError

__all__ = ["verify_capacitated"]

UNIT_DIGITS = 16
#: A value this close to its bound is called optimal: costs are rounded down before they are added.
ROUNDING = 1e-9
#: Items tried after the first that does not fit, to have a plan to compare with.
FILLED = 200
#: Pairs whose worth is held at once.
PAIRS_AT_ONCE = 500_000
#: Most steps of capacity in a knapsack.
STEPS_MAX = 2**16
FORMS = ("capacitated_facility", "capacitated_p_median")


def site_gains(
    problem: CapacityProblem, price: NDArray[np.int64], unit: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return ``rho_j`` where demand may be split; rounding only raises it."""
    # unit = high * 2 ** UNIT_DIGITS + low: the product of the whole might not fit 63 bits
    high, low = unit >> UNIT_DIGITS, unit & ((1 << UNIT_DIGITS) - 1)
    gain = high * problem.capacity - ((-low * problem.capacity) >> UNIT_DIGITS)
    ptr = problem.site_ptr
    first = 0
    while first < problem.n_site:
        # as many sites as `PAIRS_AT_ONCE` pairs hold, at least one
        last = int(np.searchsorted(ptr, ptr[first] + PAIRS_AT_ONCE, side="right")) - 1
        last = min(problem.n_site, max(first + 1, last))
        pairs = slice(ptr[first], ptr[last])
        site = np.repeat(np.arange(first, last), np.diff(ptr[first : last + 1]))
        row = problem.row[pairs]
        need = problem.demand[row]
        left = price[row] - problem.scaled(problem.cost[pairs])
        left -= high[site] * need + ((low[site] * need) >> UNIT_DIGITS)
        total = np.zeros(left.size + 1, np.int64)
        np.cumsum(np.maximum(left, 0), out=total[1:])
        here = ptr[first : last + 1] - ptr[first]
        gain[first:last] += total[here[1:]] - total[here[:-1]]
        first = last
    return np.asarray(gain)


def whole_gains(problem: CapacityProblem, price: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """Return ``rho_j`` where every row has one site: 0/1 knapsacks over steps of capacity."""
    size, room = problem.demand // step, problem.capacity // step
    out = np.zeros(problem.n_site, np.int64)
    for j in range(problem.n_site):
        part = slice(problem.site_ptr[j], problem.site_ptr[j + 1])
        row = problem.row[part]
        value, need = price[row] - problem.scaled(problem.cost[part]), size[row]
        good = (value > 0) & (need <= room[j])
        value, need = value[good], need[good]
        out[j] = value.sum() if int(need.sum()) <= room[j] else knapsack(value, need, int(room[j]))
    return out


def gains(
    problem: CapacityProblem,
    price: NDArray[np.int64],
    unit: NDArray[np.int64] | None,
    step: int | None,
) -> NDArray[np.int64]:
    """Return ``rho_j``, the least of what the prices given prove.

    Parameters
    ----------
    unit : (n_site,) int64, optional
        Prices of capacity; they bound whole service as well as split.
    step : int, optional
        Of the knapsacks, where every row has one site.
    """
    if unit is None:
        return whole_gains(problem, price, step or 1)
    split = site_gains(problem, price, unit)
    return split if step is None else np.minimum(split, whole_gains(problem, price, step))


def knapsack(value: NDArray[np.int64], need: NDArray[np.int64], room: int) -> int:
    """Return the most worth that fits; items that one plan already decides stay out of the table.

    With b the first item by ``value / need`` that no longer fits, the reduced worth of an item is
    ``r = value * need_b - value_b * need``. No plan is worth more than the sum of ``r+`` and
    ``value_b * room`` (times ``need_b``); an item whose ``|r|`` exceeds that less the worth of some
    plan stands in every best plan (r > 0) or in none.
    """
    free = need == 0
    sure = int(value[free].sum())
    value, need = value[~free], need[~free]
    order = np.argsort(-(value / need), kind="stable")
    value, need = value[order], need[order]
    fits = int(np.searchsorted(np.cumsum(need), room, side="right"))
    if fits == value.size:
        return sure + int(value.sum())
    unit, size = int(value[fits]), int(need[fits])
    reduced = value * size - unit * need
    left, worth = room - int(need[:fits].sum()), int(value[:fits].sum())
    for at in range(fits + 1, min(value.size, fits + FILLED)):
        if need[at] <= left:
            left, worth = left - int(need[at]), worth + int(value[at])
    apart = sum(reduced[reduced > 0].tolist()) + unit * room - worth * size
    inside = reduced > apart
    doubt = np.flatnonzero(np.abs(reduced) <= apart)
    best = np.zeros(room - int(need[inside].sum()) + 1, np.int64)
    for v, d in zip(value[doubt].tolist(), need[doubt].tolist(), strict=True):
        if d < best.size:
            best[d:] = np.maximum(best[d:], best[: best.size - d] + v)
    return sure + int(value[inside].sum()) + int(best[-1])


def leaf_bound(
    total: int,
    net: NDArray[np.int64],
    fix: NDArray[np.int8],
    capacity: NDArray[np.int64],
    need: int,
    candidate: NDArray[np.bool_],
    existing: NDArray[np.bool_],
    p: int | None,
    limits: Limits | None = None,
) -> int | None:
    """Return the bound of one leaf times scale; none where it holds no plan at all.

    Parameters
    ----------
    total : int
        Sum of the row prices.
    net : (n_site,) int64
        ``rho_j - F_j``, for existing sites ``rho_j``.
    capacity, need : (n_site,) int64, int
        Fixings under which all demand cannot fit hold no plan.
    limits : Limits, optional
        On the groups of sites.
    """
    opened = candidate & (fix == 1)
    free = candidate & (fix == -1)
    left = candidate.size if p is None else p - int(opened.sum())
    if left < 0:
        return None
    lacking = need - int(capacity[existing | opened].sum())
    rest = None if limits is None else limits.without(opened)
    if rest is None:
        largest = np.sort(capacity[free])[::-1]
    else:
        largest = largest_within(rest, rest.group[free], capacity[free])
    room = np.cumsum(largest[:left])
    least = 0 if lacking <= 0 else int(np.searchsorted(room, lacking)) + 1
    if least > room.size:
        return None
    total -= int(net[existing | opened].sum())
    if rest is not None:
        taken = best_within(rest, rest.group[free], net[free], left, least)
        return None if taken is None else total - int(net[free][taken].sum())
    mine = np.sort(net[free])[::-1][:left]
    return total - int(mine[: max(least, int((mine > 0).sum()))].sum())


def list_plan_faults(
    problem: CapacityProblem, decision: Decision, usable: NDArray[np.bool_]
) -> tuple[list[str], float]:
    """Return what is wrong with the plan, and what it costs."""
    prices, sites = decision.certificate.prices, decision.sites
    rows, places = prices["plan_row"], prices["plan_site"]
    amount = prices["plan_amount"]
    if not rows.shape == places.shape == amount.shape or rows.ndim != 1:
        return ["the plan's rows, sites and amounts are not of one length"], math.nan
    n_row, n_site = problem.n_row, problem.n_site
    if rows.size and not (
        rows.min() >= 0 and rows.max() < n_row and places.min() >= 0 and places.max() < n_site
    ):
        return ["the plan names a row or a site that does not exist"], math.nan
    found = []
    if amount.min(initial=1) < 1 or amount.max(initial=1) > int(problem.demand.max()):
        return ["the plan holds an amount below 1 or above any demand"], math.nan
    pair = problem.pair_number(rows, places)
    if (pair < 0).any():
        return ["the plan serves a row from a site that is not allowed to"], math.nan
    if np.unique(pair).size != pair.size:
        found.append("the plan holds a pair twice")
    given = np.zeros(n_row, np.int64)
    np.add.at(given, rows, amount)
    load = np.zeros(n_site, np.int64)
    np.add.at(load, places, amount)
    if (given != problem.demand).any():
        found.append(f"{int((given != problem.demand).sum())} rows do not get their demand")
    if (load > problem.capacity).any():
        found.append(f"{int((load > problem.capacity).sum())} sites hold more than they can")
    if not usable[places].all():
        found.append("the plan serves rows from a closed site")
    if decision.certificate.parameters.get("single_source") and rows.size != n_row:
        found.append("a row is served by several sites")
    main = np.full(n_row, -1, np.int32)
    order = np.lexsort((places, -amount, rows))
    main[rows[order][::-1]] = places[order][::-1]
    if decision.assignment is None or not np.array_equal(decision.assignment, main):
        found.append("the assignment is not the site that serves most of each row")
    each = problem.cost[pair] * (amount / problem.demand[rows])
    return found, math.fsum(each.tolist()) + math.fsum(problem.opening_cost[sites].tolist())


def prove(
    problem: CapacityProblem,
    certificate: Certificate,
    candidate: NDArray[np.bool_],
    existing: NDArray[np.bool_],
    limits: Limits | None = None,
) -> int:
    """Return the bound that the prices prove, times scale."""
    prices = certificate.prices
    fee = np.where(candidate, problem.scaled(problem.opening_cost), 0)
    known: dict[int, tuple[int, NDArray[np.int64]]] = {}
    bounds = []
    for fix, number in zip(prices["leaf_site"], prices["leaf_price"], strict=True):
        at = int(number)
        if at not in known:
            price = prices["row"][at].astype(np.int64)
            step = certificate.parameters.get("step")
            unit = prices["unit"][at].astype(np.int64) if "unit" in prices else None
            gain = gains(problem, price, unit, step)
            known[at] = (int(price.sum()), gain - fee)
        bound = leaf_bound(
            *known[at],
            fix,
            problem.capacity,
            int(problem.demand.sum()),
            candidate,
            existing,
            certificate.parameters.get("p"),
            limits,
        )
        if bound is not None:
            bounds.append(bound)
    return min(bounds, default=0)


def list_price_faults(
    problem: CapacityProblem, certificate: Certificate, candidate: NDArray[np.bool_]
) -> list[str]:
    """Return what is wrong with the form of the prices, magnitudes included."""
    prices, parameters = certificate.prices, certificate.parameters
    single = parameters.get("single_source")
    needed = {"row", "leaf_site", "leaf_price", "plan_row", "plan_site", "plan_amount"}
    needed |= {"unit"} if not single or "unit" in prices else set()
    if certificate.form not in FORMS or set(prices) != needed or not isinstance(single, bool):
        return [f"form {certificate.form!r} with {sorted(prices)} is not known"]
    if single and not (isinstance(parameters.get("step"), int) and parameters["step"] >= 1):
        return ["the knapsacks need a step >= 1"]
    p = parameters.get("p")
    if (certificate.form == "capacitated_p_median" or p is not None) and not (
        isinstance(p, int) and p >= 0
    ):
        return [f"p must be a whole number >= 0, the certificate says {p!r}"]
    row, leaf = prices["row"], prices["leaf_site"]
    if (
        row.ndim != 2
        or not len(row)
        or row.shape[1] != problem.n_row
        or leaf.shape[1:] != (problem.n_site,)
    ):
        return ["prices or leaves do not fit rows and sites"]
    found = list_leaf_faults(leaf[:, candidate], prices["leaf_price"], len(row))
    # every sum below stays within 63 bits: prices against costs that stay below 2 ** 52
    most_row = float(np.abs(row.astype(np.float64)).sum(axis=1).max())
    if most_row * max(1, problem.n_site) >= 2**61:
        found.append("row prices do not fit 63 bits")
    if single:
        steps = int(problem.capacity.max(initial=0)) // int(parameters["step"])
        if steps > STEPS_MAX or int(np.abs(row).max(initial=0)) * (steps + 1) >= 2**62:
            return [*found, f"knapsacks of {steps} steps of capacity do not fit 63 bits"]
    if "unit" in prices:
        unit = prices["unit"]
        if unit.shape != (len(row), problem.n_site) or unit.min(initial=0) < 0:
            return [*found, "every site needs one price >= 0 of its capacity"]
        room = (unit * problem.capacity.astype(np.float64)).sum(axis=1) / 2**UNIT_DIGITS
        need = (int(unit.max(initial=0)) >> UNIT_DIGITS) * int(problem.demand.max())
        if float(room.max()) >= 2**61 or need >= 2**61:
            found.append("capacity prices do not fit 63 bits")
    return found


def verify_capacitated(
    problem: CapacityProblem,
    decision: Decision,
    *,
    existing: NDArray[np.bool_] | None = None,
    forbidden: NDArray[np.bool_] | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
) -> dict[str, Any]:
    """Recompute plan, value and bound of a capacitated decision; raise where they differ.

    Parameters
    ----------
    problem : CapacityProblem
    decision : Decision
    existing, forbidden, site_group, least, most
        As given to the solver.

    Returns
    -------
    dict
        ``value``, ``bound`` (what the prices prove).

    Raises
    ------
    VerificationError
        With every difference found.
    """
    certificate, sites = decision.certificate, decision.sites
    n_site = problem.n_site
    old = np.zeros(n_site, bool) if existing is None else np.asarray(existing, bool)
    candidate = ~old if forbidden is None else ~old & ~np.asarray(forbidden, bool)
    found = list_price_faults(problem, certificate, candidate)
    if sites.size and not (sites.min() >= 0 and sites.max() < n_site):
        found.append("the plan names a site that does not exist")
    if found:
        raise VerificationError(found)
    if np.unique(sites).size != sites.size or not candidate[sites].all():
        found.append("the plan holds a site twice, an existing one or a forbidden one")
    limits = asked_limits(decision, old, candidate, (site_group, least, most), found)
    p = certificate.parameters.get("p")
    if p is not None and sites.size > p:
        found.append(f"the plan has {sites.size} sites, at most {p} are allowed")
    usable = old.copy()
    usable[sites] = True
    faults, value = list_plan_faults(problem, decision, usable)
    found += faults
    numerator = prove(problem, certificate, candidate, old, limits)
    bound = numerator / problem.scale
    if certificate.input_hash != problem.input_hash:
        found.append("the problem is not that of the certificate")
    if record_hash(certificate, sites, decision.assignment) != certificate.record_hash:
        found.append("the record does not match its own hash")
    gap = (decision.value - decision.bound) / decision.value if decision.value else 0.0
    for name, told, true in (
        ("value", decision.value, value),
        ("the certificate's value", certificate.value, value),
        ("the bound's numerator", certificate.bound_numerator, numerator),
        ("the denominator", certificate.denominator, problem.scale),
        ("gap", decision.gap, gap),
    ):
        if told != true:
            found.append(f"{name} is {true}, the decision says {told}")
    if decision.bound_by == "prices" and decision.bound != min(bound, value):
        found.append(f"the bound is {bound} by its prices, the decision says {decision.bound}")
    if not min(bound, value) <= decision.bound <= value:
        found.append(f"the prices prove {bound}, the decision says {decision.bound}")
    if (decision.status == "optimal") != (gap <= ROUNDING):
        found.append(f"status {decision.status!r} with a gap of {gap}")
    if found:
        raise VerificationError(found)
    return {"value": value, "bound": bound}
