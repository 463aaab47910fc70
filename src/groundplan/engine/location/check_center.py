r"""The checks of p-centre and p-dispersion: plan, value and bound again, in plain NumPy.

**p-centre.** Some rows carry prices. A search asked, of sets of them, whether one chosen site
serves a whole set within less than R; a leaf holds answers, and all leaves together every plan. No
plan is better than R if for each leaf whole prices ``lam >= 0`` of rows and of sets answered *yes*
hold

.. math:: \sum \lambda > \sum_{j\ \text{existing}} s_j + \text{top}_p\, s, \qquad
          s_j = \sum_{i: d_{ij} < R} \lambda_i + \sum_{\text{sets within } R} \lambda_T ,

where sites that serve a set answered *no* are out: sites that serve every row within less than R
would earn every price. Sets Q of rows may carry prices as well: a site j that reaches
:math:`|N_j \cap Q|` of them counts for half of that, rounded up, and earns the price so many times;
the sites of a plan that reaches all of Q add up to at least half of them, rounded up.

**p-dispersion.** No plan is better than R if the sites fall into fewer groups than are to be
chosen, every two sites of a group lying no further apart than R: two chosen sites would share a
group.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.certificate import record_hash
from groundplan.engine.location.check_tree import list_leaf_faults
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import VerificationError

__all__ = [
    "between",
    "far_from",
    "leaf_excess",
    "masks",
    "radius",
    "verify_center",
    "verify_dispersion",
]

#: Distances held at once.
AT_ONCE = 4_000_000
#: Arrays of a p-centre certificate: priced rows, their prices, sets of rows asked about and the
#: prices of those, sets that need half as many sites and the prices of those, and for each leaf the
#: answers (1 yes, 0 no, -1 not asked) and its prices.
CENTER = {
    "distance", "row_number", "row", "ask_indptr", "ask_row", "ask", "half_indptr", "half_row",
    "half", "leaf_ask", "leaf_price",
}  # fmt: skip


def leaf_excess(
    total: int, score: NDArray[Any], usable: NDArray[np.bool_], existing: NDArray[np.bool_], p: int
) -> int:
    """Return by how much the prices exceed what any plan of a leaf can earn.

    Parameters
    ----------
    total : int
        Sum of the prices.
    score : (n_site,) whole numbers
        What each site earns.
    usable, existing : (n_site,) bool
        Sites that may be chosen in this leaf, and those that stand.
    """
    mine = score[usable]
    if mine.size > p:
        mine = np.partition(mine, mine.size - p)[mine.size - p :] if p else mine[:0]
    return total - int(score[existing].sum()) - int(mine.sum())


def between(cost: AssignmentCost, rows: NDArray[Any], sites: NDArray[Any]) -> NDArray[Any]:
    """Return the distances from some rows to some sites."""
    if cost.matrix is not None:
        found: NDArray[Any] = cost.matrix[rows[:, None], sites[None, :]]
        return found
    if cost.row_xy is None or cost.site_xy is None:
        raise ValueError("neither a matrix nor points")
    return cost.distances(cost.row_xy[rows][:, None, :], cost.site_xy[sites][None, :, :])


def far_from(cost: AssignmentCost, sites: NDArray[Any]) -> NDArray[np.float64]:
    """Return each row's distance to the nearest of some sites, infinite where there are none."""
    far = np.full(cost.n_row, np.inf)
    step = max(1, AT_ONCE // max(1, sites.size))
    for a in range(0, cost.n_row if sites.size else 0, step):
        b = min(a + step, cost.n_row)
        far[a:b] = cost.block(a, b, sites).min(axis=1)
    return far


def radius(cost: AssignmentCost, sites: NDArray[Any]) -> tuple[float, NDArray[np.int32]]:
    """Return the largest distance from a row to its nearest site, and each row's site."""
    step = max(1, AT_ONCE // max(1, sites.size))
    far: list[Any] = []
    near: list[Any] = []
    for a in range(0, cost.n_row, step):
        block = cost.block(a, min(a + step, cost.n_row), sites)
        at = block.argmin(axis=1)
        near.append(sites[at])
        far.append(block[np.arange(len(block)), at])
    assignment = np.concatenate(near).astype(np.int32) if near else np.empty(0, np.int32)
    return float(np.concatenate(far).max()) if far else 0.0, assignment


def earn(
    cost: AssignmentCost, rows: NDArray[Any], price: NDArray[Any], below: float
) -> NDArray[np.float64]:
    """Return what each site earns from the rows nearer than `below`, a row a set of prices.

    Whole numbers in doubles, exact below 2**53.
    """
    score = np.zeros((len(price), cost.n_site))
    sites = np.arange(cost.n_site)
    step = max(1, AT_ONCE // max(1, cost.n_site))
    for a in range(0, rows.size, step):
        near = between(cost, rows[a : a + step], sites) < below
        score += price[:, a : a + step].astype(np.float64) @ near.astype(np.float64)
    return score


def serving(
    cost: AssignmentCost, indptr: NDArray[Any], rows: NDArray[Any], below: float
) -> NDArray[np.bool_]:
    """Return for each set of rows the sites nearer than `below` to every row of it."""
    every = np.unique(rows)
    sites = np.arange(cost.n_site)
    near = np.empty((every.size, cost.n_site), bool)
    for k, row in enumerate(every):
        near[k] = between(cost, np.array([row]), sites)[0] < below
    at = np.searchsorted(every, rows)
    found = np.empty((indptr.size - 1, cost.n_site), bool)
    for q in range(indptr.size - 1):
        found[q] = near[at[indptr[q] : indptr[q + 1]]].all(axis=0)
    return found


def earn_halves(
    cost: AssignmentCost, indptr: NDArray[Any], rows: NDArray[Any], due: NDArray[Any], below: float
) -> NDArray[np.float64]:
    """Return what each site earns from sets that need half as many sites as they have rows."""
    score = np.zeros((len(due), cost.n_site))
    every = np.unique(rows)
    sites = np.arange(cost.n_site)
    near = np.empty((every.size, cost.n_site), np.bool_)
    for k, row in enumerate(every):
        near[k] = between(cost, np.array([row]), sites)[0] < below
    at = np.searchsorted(every, rows)
    for q in range(indptr.size - 1):
        count = near[at[indptr[q] : indptr[q + 1]]].sum(axis=0)
        score += due[:, q, None].astype(np.float64) * ((count + 1) // 2)
    return score


def list_form_faults(cost: AssignmentCost, c: Certificate, sites: NDArray[Any]) -> list[str]:
    """Return what is wrong with the arrays of a p-centre certificate before they are used."""
    q = c.prices
    row, price, paid, number = q["row_number"], q["row"], q["ask"], q["leaf_price"]
    indptr, rows, leaf = q["ask_indptr"], q["ask_row"], q["leaf_ask"]
    due, half_indptr, half_rows = q["half"], q["half_indptr"], q["half_row"]
    n_ask = indptr.size - 1
    whole = all(np.issubdtype(a.dtype, np.integer) for k, a in q.items() if k != "distance")
    good = whole and q["distance"].shape == (1,) and row.ndim == number.ndim == rows.ndim == 1
    good = good and indptr.ndim == 1 and n_ask >= 0 and paid.ndim == price.ndim == leaf.ndim == 2
    good = good and price.shape == (len(paid), row.size) and leaf.shape == (number.size, n_ask)
    good = good and half_indptr.ndim == half_rows.ndim == 1 and due.ndim == 2
    good = good and due.shape == (len(paid), half_indptr.size - 1)
    if not good or paid.shape[1] != n_ask:
        return ["prices, sets and leaves do not fit each other"]
    for name, some in (("priced rows", row), ("rows of sets", rows), ("rows of cuts", half_rows)):
        if some.size and not (some.min() >= 0 and some.max() < cost.n_row):
            return [f"{name} are not rows of the problem"]
    if indptr[0] != 0 or indptr[-1] != rows.size or (n_ask and np.diff(indptr).min() < 1):
        return ["the sets of rows have no common form"]
    length = np.diff(half_indptr)
    if (
        half_indptr[0] != 0
        or half_indptr[-1] != half_rows.size
        or (length.size and length.min() < 1)
    ):
        return ["the sets of rows of cuts have no common form"]
    found = []
    if np.unique(row).size != row.size:
        found.append("a row is priced twice")
    most = max(int(array.max(initial=0)) for array in (price, paid, due))
    least = min(int(array.min(initial=0)) for array in (price, paid, due))
    if least < 0 or most * max(1, row.size + n_ask + half_rows.size) >= 2**53:
        found.append("prices are negative or their sum does not fit 53 bits")
    if sites.size and not (sites.min() >= 0 and sites.max() < cost.n_site):
        found.append("the plan names a site that does not exist")
    return found + list_leaf_faults(leaf, number, len(price))


def masks(
    n_site: int, existing: NDArray[np.bool_] | None, forbidden: NDArray[np.bool_] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return candidates and existing sites."""
    old = np.zeros(n_site, bool) if existing is None else np.asarray(existing, bool)
    return (~old if forbidden is None else ~old & ~np.asarray(forbidden, bool)), old


def list_faults(
    decision: Decision,
    input_hash: str,
    candidate: NDArray[np.bool_],
    value: float,
    sense: str,
) -> list[str]:
    """Return what is wrong with hashes, sites, value, gap and status."""
    c, sites = decision.certificate, decision.sites
    found = []
    if np.unique(sites).size != sites.size or not candidate[sites].all():
        found.append("the plan holds a site twice, an existing one or a forbidden one")
    if c.input_hash != input_hash:
        found.append("the problem is not that of the certificate")
    if record_hash(c, sites, decision.assignment) != c.record_hash:
        found.append("the record does not match its own hash")
    better, worse = (decision.bound, value) if sense == "max" else (value, decision.bound)
    gap = (better - worse) / better if better else 0.0
    told = (decision.value, c.value, decision.gap, decision.sense)
    for name, mine, true in zip(
        ("value", "the certificate's value", "gap", "sense"), told, (value, value, gap, sense),
        strict=True,
    ):  # fmt: skip
        if mine != true:
            found.append(f"{name} is {true}, the decision says {mine}")
    if (decision.status == "optimal") != (decision.bound == value):
        found.append(f"status {decision.status!r} with value {value}, bound {decision.bound}")
    return found


def proven(certificate: Certificate) -> float:
    """Return the distance that a certificate claims to prove."""
    return float(certificate.prices["distance"][0])


def verify_center(
    cost: AssignmentCost,
    decision: Decision,
    *,
    existing: NDArray[np.bool_] | None = None,
    forbidden: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Recompute plan, value and bound of a p-centre decision; raise where they differ.

    Parameters
    ----------
    cost : AssignmentCost
    decision : Decision
    existing, forbidden
        As given to `p_center`.

    Returns
    -------
    dict
        ``value``, ``bound``.

    Raises
    ------
    VerificationError
    """
    c, sites = decision.certificate, decision.sites
    p = c.parameters.get("p")
    if c.form != "p_center" or set(c.prices) != CENTER or not isinstance(p, int) or p < 0:
        raise VerificationError(f"form {c.form!r} with {sorted(c.prices)} is not known")
    candidate, old = masks(cost.n_site, existing, forbidden)
    found = list_form_faults(cost, c, sites)
    if found:
        raise VerificationError(found)
    if sites.size > p:
        found.append(f"the plan has {sites.size} sites, at most {p} are allowed")
    value, assignment = radius(cost, np.union1d(sites, np.flatnonzero(old)))
    if decision.assignment is None or not np.array_equal(assignment, decision.assignment):
        found.append("the assignment is not to the nearest site")
    below, price = proven(c), c.prices["row"]
    if below > 0:
        score = earn(cost, c.prices["row_number"], price, below)
        cut, due = c.prices["half_indptr"], c.prices["half"]
        score += earn_halves(cost, cut, c.prices["half_row"], due, below)
        need = (np.diff(cut).astype(np.int64) + 1) // 2
        serves = serving(cost, c.prices["ask_indptr"], c.prices["ask_row"], below)
        for answer, number in zip(c.prices["leaf_ask"], c.prices["leaf_price"], strict=True):
            yes, paid = np.flatnonzero(answer == 1), c.prices["ask"][number].astype(np.float64)
            total = int(price[number].sum()) + int(paid[yes].sum())
            total += int((due[number].astype(np.int64) * need).sum())
            earned = score[number] + paid[yes] @ serves[yes]
            usable = candidate & ~serves[answer == 0].any(axis=0)
            if leaf_excess(total, earned, usable, old, p) <= 0:
                found.append(f"a leaf does not exclude a radius below {below}")
                break
    found += list_faults(decision, cost.input_hash, candidate, value, "min")
    if decision.bound != below or c.bound_numerator != 0:
        found.append(f"the prices prove {below}, the decision says {decision.bound}")
    if below > value:
        found.append(f"the bound {below} lies above the value {value}")
    if found:
        raise VerificationError(found)
    return {"value": value, "bound": below}


def least_apart(cost: AssignmentCost, sites: NDArray[Any]) -> float:
    """Return the least distance between two different sites, infinite below two sites."""
    best = np.inf
    step = max(1, AT_ONCE // max(1, sites.size))
    for a in range(0, sites.size, step):
        rows = sites[a : a + step]
        block = cost.pairs(
            np.repeat(rows, sites.size), np.tile(sites, rows.size)
        ).reshape(rows.size, -1)  # fmt: skip
        block = np.where(rows[:, None] == sites[None], np.inf, block)
        best = min(best, float(block.min()))
    return best


def verify_dispersion(
    cost: AssignmentCost,
    decision: Decision,
    *,
    existing: NDArray[np.bool_] | None = None,
    forbidden: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Recompute plan, value and bound of a p-dispersion decision; raise where they differ.

    Parameters
    ----------
    cost : AssignmentCost
        From sites to the same sites.
    decision : Decision
    existing, forbidden
        As given to `p_dispersion`.

    Returns
    -------
    dict
        ``value``, ``bound`` (what the groups prove).

    Raises
    ------
    VerificationError
    """
    c, sites = decision.certificate, decision.sites
    p = c.parameters.get("p")
    if c.form != "p_dispersion" or set(c.prices) != {"group", "distance"}:
        raise VerificationError(f"form {c.form!r} with {sorted(c.prices)} is not known")
    group = c.prices["group"]
    candidate, old = masks(cost.n_site, existing, forbidden)
    if group.shape != (cost.n_site,) or c.prices["distance"].shape != (1,):
        raise VerificationError("the groups do not fit the sites")
    if not isinstance(p, int) or sites.size != p:
        raise VerificationError(f"the plan has {sites.size} sites, {p} are to be chosen")
    if sites.size and not (sites.min() >= 0 and sites.max() < cost.n_site):
        raise VerificationError("the plan names a site that does not exist")
    usable = candidate | old
    found = []
    value = least_apart(cost, np.union1d(sites, np.flatnonzero(old)))
    limit = proven(c)
    count = np.unique(group[usable]).size
    if count >= p + int(old.sum()):
        found.append(f"{count} groups do not exclude {p + int(old.sum())} sites further apart")
    for name in np.unique(group[usable]):
        members = np.flatnonzero(usable & (group == name))
        first, second = np.triu_indices(members.size, 1)
        apart = cost.pairs(members[first], members[second])
        if apart.size and apart.max() > limit:
            found.append(f"two sites of a group lie {apart.max()} apart, {limit} are claimed")
            break
    found += list_faults(decision, cost.input_hash, candidate, value, "max")
    if not value <= decision.bound <= limit:
        found.append(f"the groups prove {limit}, the decision says {decision.bound}")
    if decision.bound_by == "prices" and decision.bound != limit:
        found.append(f"the groups prove {limit}, the decision says {decision.bound}")
    if found:
        raise VerificationError(found)
    return {"value": value, "bound": limit}
