r"""The check of flow refuelling: value and bound again, from the raw paths, in plain NumPy.

A path of n nodes has n + 1 **requirements**: number 0, a station within the first reach; number m
(1..n-1), a station within the range before node m, for nodes beyond the range from the origin;
number n, a station within the last reach. It is served when each holds an open site. With a price
``lam >= 0`` on every requirement no plan serves more than

.. math:: \sum_q \Big(v_q - \sum_{a \in q} \lambda_{qa}\Big)^+ + \text{top}_p\, s,
          \qquad s_k = \sum \lambda_{qa} \text{ over the requirements that site } k \text{ meets};

existing and fixed sites count with their ``s_k`` in full, under a budget B with price mu the last
term is ``mu B + sum (s_k - mu f_k)^+``. The bound is the largest over the leaves of the search.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.certificate import BUDGET_DIGITS, record_hash
from groundplan.engine.location.check_tree import list_leaf_faults
from groundplan.engine.location.flow_paths import FlowPaths
from groundplan.engine.problem import Decision
from groundplan.errors import VerificationError

__all__ = ["verify_flow"]


def requirement_spans(
    paths: FlowPaths,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return path, first step and end (exclusive) of every requirement; all of a path where none.

    Requirements of a path stand together: number a of path q at ``indptr[q] + q + a``.
    """
    size = np.diff(paths.indptr)
    path = np.repeat(np.arange(paths.n_path), size + 1)
    begin = paths.indptr[:-1][path]
    end = paths.indptr[1:][path]
    number = np.arange(path.size) - (begin + path)
    x = paths.position_m
    lo, hi = begin.copy(), end.copy()
    is_first, is_last = number == 0, number == size[path]
    arc = ~is_first & ~is_last
    node = np.where(arc, begin + number, begin)
    arc &= x[node] - x[begin] > paths.range_m

    def first_within(target: NDArray[np.int64], at: NDArray[np.int64], reach: float) -> Any:
        """First step of the path that lies within `reach` before step `at`, by bisection."""
        a, b = begin[target].copy(), at.copy()
        while (a < b).any():
            mid = (a + b) // 2
            near = x[at] - x[mid] <= reach
            b = np.where(near, mid, b)
            a = np.where(near, a, np.minimum(mid + 1, b))
        return a

    which = np.flatnonzero(arc)
    lo[which] = first_within(which, node[which], paths.range_m)
    hi[which] = node[which]
    which = np.flatnonzero(is_last)
    lo[which] = first_within(which, end[which] - 1, paths.end_range_m)
    which = np.flatnonzero(is_first)
    near = np.zeros(x.size + 1, np.int64)
    origin = np.repeat(paths.indptr[:-1], size)
    np.cumsum(x - x[origin] <= paths.start_range_m, out=near[1:])
    hi[which] = begin[which] + near[end[which]] - near[begin[which]]
    return path, lo, hi


def served_paths(
    paths: FlowPaths, spans: tuple[NDArray[np.int64], ...], open_site: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which paths have an open site in every requirement."""
    path, lo, hi = spans
    many = np.zeros(paths.nodes.size + 1, np.int64)
    np.cumsum(open_site[paths.nodes], out=many[1:])
    short = np.bincount(path, weights=many[hi] <= many[lo], minlength=paths.n_path)
    return np.asarray(short == 0)


def leaf_bounds(
    paths: FlowPaths,
    spans: tuple[NDArray[np.int64], ...],
    decision: Decision,
    existing: NDArray[np.bool_],
    candidate: NDArray[np.bool_],
    cost: NDArray[np.int64] | None,
) -> list[int]:
    """Return the bound numerator of every leaf."""
    certificate = decision.certificate
    scale = certificate.denominator
    prices = certificate.prices
    path, lo, hi = spans
    p, budget = certificate.parameters.get("p"), certificate.parameters.get("budget")
    out: list[int] = []
    known: dict[int, tuple[int, NDArray[np.int64]]] = {}
    for fix, number in zip(prices["leaf_site"], prices["leaf_price"], strict=True):
        if int(number) not in known:
            price = prices["requirement"][number]
            asked = np.zeros(paths.n_path, np.int64)
            np.add.at(asked, path, price)
            slack = int(np.maximum(paths.volume * scale - asked, 0).sum())
            step = np.zeros(paths.nodes.size + 1, np.int64)
            np.add.at(step, lo, price)
            np.add.at(step, hi, -price)
            score = np.zeros(paths.n_site, np.int64)
            np.add.at(score, paths.nodes, np.cumsum(step)[:-1])
            known[int(number)] = (slack, score)
        slack, score = known[int(number)]
        opened = candidate & (fix == 1)
        total = slack + int(score[existing].sum()) + int(score[opened].sum())
        free = candidate & (fix == -1)
        if p is not None:
            left = int(p) - int(opened.sum())
            mine = np.sort(score[free])
            total = total + int(mine[max(0, mine.size - left) :].sum()) if left >= 0 else 0
        elif cost is not None and budget is not None:
            mu = int(prices["budget"][number])
            left = int(budget) - int(cost[opened].sum())
            over = [int(s) - (mu * int(f) >> BUDGET_DIGITS) for s, f in zip(
                score[free], cost[free], strict=True)]  # fmt: skip
            room = -(-mu * left >> BUDGET_DIGITS)
            total = total + sum(v for v in over if v > 0) + room if left >= 0 else 0
        out.append(total)
    return out


def verify_flow(
    paths: FlowPaths,
    decision: Decision,
    *,
    cost: NDArray[np.int64] | None = None,
    existing: NDArray[np.bool_] | None = None,
    forbidden: NDArray[np.bool_] | None = None,
) -> dict[str, int]:
    """Recompute value and bound of a flow refuelling decision; raise where they differ.

    Parameters
    ----------
    paths : FlowPaths
    decision : Decision
    cost, existing, forbidden
        As given to `flow_refueling`.

    Returns
    -------
    dict
        ``value``, ``base_value``, ``bound`` (what the prices prove).

    Raises
    ------
    VerificationError
        With every difference found.
    """
    certificate = decision.certificate
    prices = certificate.prices
    scale = certificate.denominator
    n_slot = paths.nodes.size + paths.n_path
    needed = {"requirement", "leaf_site", "leaf_price"}
    p, budget = certificate.parameters.get("p"), certificate.parameters.get("budget")
    if p is None:
        needed.add("budget")
    if certificate.form != "flow_refueling" or set(prices) != needed or scale < 1:
        raise VerificationError(f"form {certificate.form!r} with {sorted(prices)} is not known")
    if (p is None) == (budget is None) or (p is None and cost is None):
        raise VerificationError("the certificate must name p, or a budget whose costs are given")
    table = prices["requirement"]
    if table.ndim != 2 or table.shape[1] != n_slot:
        raise VerificationError(f"{table.shape} prices for {n_slot} requirements")
    if p is None and (prices["budget"].shape != (len(table),) or prices["budget"].min() < 0):
        raise VerificationError("the budget needs one price >= 0 a leaf")
    old = np.zeros(paths.n_site, bool) if existing is None else np.asarray(existing, bool)
    candidate = ~old if forbidden is None else ~old & ~np.asarray(forbidden, bool)
    if prices["leaf_site"].shape[1:] != (paths.n_site,):
        raise VerificationError("the leaves are of another number of sites")
    found = list_leaf_faults(prices["leaf_site"][:, candidate], prices["leaf_price"], len(table))
    if table.min(initial=0) < 0:
        found.append("a price is negative")
    if int(paths.volume.sum()) * scale >= 2**62 or int(table.max(initial=0)) * n_slot >= 2**62:
        found.append("volumes times the denominator do not fit 63 bits")
    sites = decision.sites
    if sites.size and not (sites.min() >= 0 and sites.max() < paths.n_site):
        found.append("the plan names a site that does not exist")
    if found:
        raise VerificationError(found)
    if np.unique(sites).size != sites.size or not candidate[sites].all():
        found.append("the plan holds a site twice, an existing one or a forbidden one")
    if p is not None and sites.size > p:
        found.append(f"the plan has {sites.size} sites, at most {p} are allowed")
    if budget is not None and cost is not None and int(cost[sites].sum()) > budget:
        found.append(f"the plan spends {int(cost[sites].sum())}, the budget is {budget}")
    spans = requirement_spans(paths)
    chosen = old.copy()
    base = int(paths.volume[served_paths(paths, spans, chosen)].sum())
    chosen[sites] = True
    value = int(paths.volume[served_paths(paths, spans, chosen)].sum())
    numerator = max(leaf_bounds(paths, spans, decision, old, candidate, cost))
    bound = numerator // scale
    if certificate.input_hash != paths.input_hash:
        found.append("the paths are not those of the certificate")
    if record_hash(certificate, sites) != certificate.record_hash:
        found.append("the record does not match its own hash")
    room = int(decision.bound) - base
    for name, told, true in (
        ("value", decision.value, value),
        ("the certificate's value", certificate.value, value),
        ("base_value", decision.base_value, base),
        ("the bound's numerator", certificate.bound_numerator, numerator),
        ("gap", decision.gap, (decision.bound - value) / decision.bound if decision.bound else 0.0),
        ("gain_gap", decision.gain_gap, (decision.bound - value) / room if room else 0.0),
    ):
        if told != true:
            found.append(f"{name} is {true}, the decision says {told}")
    if decision.bound < value or decision.bound > bound:
        found.append(f"the prices prove {bound}, the decision says {decision.bound}")
    if decision.bound_by == "prices" and decision.bound != bound:
        found.append(f"the bound is {bound} by its prices, the decision says {decision.bound}")
    if (decision.status == "optimal") != (decision.bound == value):
        found.append(f"status {decision.status!r} with value {value}, bound {decision.bound}")
    if found:
        raise VerificationError(found)
    return {"value": value, "base_value": base, "bound": bound}
