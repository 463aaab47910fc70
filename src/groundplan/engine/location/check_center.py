r"""The checks of p-centre and p-dispersion: plan, value and bound again, in plain NumPy.

**p-centre.** No plan is better than R if for each leaf of the search whole prices ``lam_i >= 0``
hold

.. math:: \sum_i \lambda_i > \sum_{j\ \text{open}} s_j + \text{top}\, s, \qquad
          s_j = \sum_{i: d_{ij} < R} \lambda_i :

sites that serve every row within less than R would earn every price. **p-dispersion.** No plan is
better than R if the sites fall into fewer groups than are to be chosen, every two sites of a group
lying no further apart than R: two chosen sites would share a group.
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

__all__ = ["verify_center", "verify_dispersion"]

#: Distances held at once.
AT_ONCE = 4_000_000


def leaf_excess(
    total: int,
    score: NDArray[np.int64],
    fix: NDArray[np.int8],
    candidate: NDArray[np.bool_],
    existing: NDArray[np.bool_],
    p: int,
) -> int:
    """Return by how much the prices exceed what any plan of a leaf can earn; 1 where it has none.

    Parameters
    ----------
    total : int
        Sum of the prices.
    score : (n_site,) int64
        What each site earns.
    """
    opened = candidate & (fix == 1)
    left = p - int(opened.sum())
    if left < 0:
        return 1
    mine = np.sort(score[candidate & (fix == -1)])
    earned = int(score[existing | opened].sum()) + int(mine[max(0, mine.size - left) :].sum())
    return total - earned


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


def earn(cost: AssignmentCost, price: NDArray[np.int64], below: float) -> NDArray[np.int64]:
    """Return what each site earns from the rows nearer than `below`; one column a set of prices."""
    score = np.zeros((cost.n_site, len(price)), np.int64)
    step = max(1, AT_ONCE // max(1, cost.n_site))
    for a in range(0, cost.n_row, step):
        b = min(a + step, cost.n_row)
        if price[:, a:b].any():
            score += (cost.block(a, b) < below).T.astype(np.int64) @ price[:, a:b].T
    return score


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
    needed = {"row", "leaf_site", "leaf_price", "distance"}
    if c.form != "p_center" or set(c.prices) != needed or not isinstance(p, int) or p < 0:
        raise VerificationError(f"form {c.form!r} with {sorted(c.prices)} is not known")
    candidate, old = masks(cost.n_site, existing, forbidden)
    price, leaf = c.prices["row"], c.prices["leaf_site"]
    if price.ndim != 2 or price.shape[1] != cost.n_row or leaf.shape[1:] != (cost.n_site,):
        raise VerificationError("prices or leaves do not fit rows and sites")
    if c.prices["distance"].shape != (1,):
        raise VerificationError("the certificate must name one distance")
    found = list_leaf_faults(leaf[:, candidate], c.prices["leaf_price"], len(price))
    if price.min(initial=0) < 0 or int(price.max(initial=0)) * cost.n_row * cost.n_site >= 2**62:
        found.append("prices are negative or do not fit 63 bits")
    if sites.size and not (sites.min() >= 0 and sites.max() < cost.n_site):
        found.append("the plan names a site that does not exist")
    if found:
        raise VerificationError(found)
    if sites.size > p:
        found.append(f"the plan has {sites.size} sites, at most {p} are allowed")
    value, assignment = radius(cost, np.union1d(sites, np.flatnonzero(old)))
    if decision.assignment is None or not np.array_equal(assignment, decision.assignment):
        found.append("the assignment is not to the nearest site")
    below = proven(c)
    score = earn(cost, price, below)
    for fix, number in zip(leaf, c.prices["leaf_price"], strict=True):
        total = int(price[number].sum())
        if below > 0 and leaf_excess(total, score[:, number], fix, candidate, old, p) <= 0:
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
