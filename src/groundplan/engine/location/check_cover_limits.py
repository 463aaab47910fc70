r"""Set covering within limits on groups of sites: what prices prove, in plain NumPy.

Every plan that covers all rows with at least ``l_g`` and at most ``u_g`` new sites of group g costs

.. math:: \sum_j f_j y_j \ge \sum_i \lambda_i - \max_y \sum_j (s_j - f_j) y_j, \qquad
          s_j = \sum_{i \in j} \lambda_i ,

with y over all choices within the limits, whether they cover or not. Groups form a partition, so
that the best choice is exact and needs no prices of its own: the ``l_g`` best sites of each group,
then all above 0 that the cap still allows. What the bound rises by when one site must be in, or
out, follows from the next best choice of its group alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_limits import Limits, check_site_groups, most_within, ranks
from groundplan.engine.location.points import hash_arrays
from groundplan.engine.problem import Decision
from groundplan.errors import VerificationError

__all__ = ["asked_limits", "exchanges", "fixed_within", "limits_hash", "priced_within"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
#: Stands for a loss without end; differences of two gains stay below it.
ENDLESS = 2**62


def limits_hash(limits: Limits) -> str:
    """Return the hash of limits, as certificates hold it."""
    return hash_arrays(*limits.arrays())


def asked_limits(
    decision: Decision,
    existing: BoolArray,
    candidate: BoolArray,
    asked: tuple[Any, Any, Any],
    found: list[str],
) -> Limits | None:
    """Return the limits asked, noting where the plan or the certificate does not keep them.

    `asked` are the groups of the sites, their least and their largest numbers.
    """
    told = decision.certificate.parameters.get("limits_hash")
    is_asked = any(part is not None for part in asked)
    if (told is not None) is not is_asked:
        raise VerificationError("limits on groups of sites are checked with those asked, or none")
    if not is_asked:
        return None
    limits = check_site_groups(*asked, existing, candidate)
    if told != limits_hash(limits):
        found.append("the limits are not what the certificate was made for")
    found += limits.faults(decision.sites)
    return limits


def priced_within(
    limits: Limits, gain: IntArray, candidate: BoolArray, p: int | None = None
) -> int:
    """Return the most that a choice of candidates within the limits gains.

    Parameters
    ----------
    gain : (n_candidate,) int64
        ``s_j - f_j`` times a denominator.
    p : int, optional
        Most sites in all.
    """
    most = most_within(limits, limits.group[candidate], gain, p)
    if most is None:
        raise VerificationError("no choice of sites keeps the limits")
    return int(most)


def exchanges(
    limits: Limits, group: IntArray, gain: NDArray[Any]
) -> tuple[BoolArray, NDArray[Any]]:
    """Return the best choice within the limits, and what changing each site loses at least.

    Parameters
    ----------
    limits : Limits
        Least numbers do not exceed the sites there are.
    group, gain : (n,) int64, (n,) int64 or float64

    Returns
    -------
    (taken, loss) : (n,) bool, (n,) int64
        ``loss`` of a site taken is for leaving it out, of another for taking it; `ENDLESS` or
        more where that breaks the limits.
    """
    n_group = limits.least.size
    order = np.lexsort((-gain, group))
    rank = np.empty(gain.size, np.int64)
    rank[order] = ranks(group[order])
    taken = (rank < limits.least[group]) | ((rank < limits.most[group]) & (gain > 0))
    held = np.bincount(group[taken], minlength=n_group)
    lowest, highest = (np.full(n_group, v, gain.dtype) for v in (ENDLESS, -ENDLESS))
    np.minimum.at(lowest, group[taken], gain[taken])
    np.maximum.at(highest, group[~taken], gain[~taken])
    is_full, is_due = held >= limits.most, held <= limits.least
    # one in: the worst goes where the group is full, or where only the least number held it
    goes = np.where(is_full, lowest, np.where(is_due, np.minimum(lowest, 0), 0))
    # one out: the next best comes where it must, or where it gains
    comes = np.where(is_due, highest, np.maximum(highest, 0))
    return taken, np.where(taken, gain - comes[group], goes[group] - gain)


def fixed_within(rest: Limits, gain: IntArray, room: int) -> tuple[BoolArray, BoolArray] | None:
    """Return which free sites a better plan must hold, and which it cannot.

    None where there is no better plan: no choice of the free sites keeps the limits, or none gains
    enough.

    Parameters
    ----------
    rest : Limits
        What the limits leave to the free sites, in their numbers.
    gain : (n_free,) int64
    room : int
        Choices that gain less than this, with its sign changed, belong to no better plan.
    """
    most = most_within(rest, rest.group, gain, None)
    if most is None or -int(most) > room:
        return None
    chosen, loss = exchanges(rest, rest.group, gain)
    settled = loss > room + int(most)
    return chosen & settled, ~chosen & settled


def step_within(
    limits: Limits, taken: BoolArray, refused: BoolArray
) -> tuple[Limits, BoolArray, bool]:
    """Return what the limits leave beside the sites taken, which sites are refused, if any plan.

    The sites of groups that may have no more are refused as well.
    """
    rest = limits.without(taken)
    refused = refused | (~taken & (rest.most[rest.group] <= 0))
    group = rest.group[~taken & ~refused]
    is_possible = most_within(rest, group, np.zeros(group.size, np.int64), None) is not None
    return rest, refused, is_possible
