"""Limits on the sites of each group in median and facility problems: what may be opened.

For prices of the rows the best plan within the limits is exact (groups are a partition): the least
number of each group by gain, then the best of all that the caps and p still allow. The steps of the
bound project on these plans with a price of each group, a node of the tree has the limits that its
opened sites leave, and thresholds tell what opening or closing one site more would cost the bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_limits import Limits, most_within, ranks
from groundplan.engine.location.limited_dual import project_groups
from groundplan.engine.location.median_dual import Choice

__all__ = ["LimitedChoice", "choose_within"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class LimitedChoice(Choice):
    """What may be opened: at most p of the candidates, within the limits of their groups.

    Attributes
    ----------
    limits : Limits
        Of the sites that the choice is about, sites opened before left out.
    """

    limits: Limits

    @cached_property
    def layout(self) -> tuple[NDArray[np.int64], NDArray[Any], FloatArray]:
        """Candidates group by group, and the prices of the groups, where the next search begins."""
        site = np.flatnonzero(self.candidate)
        site = site[np.argsort(self.limits.group[site], kind="stable")].astype(np.int32)
        group = self.limits.group[site]
        ptr = np.searchsorted(group, np.arange(self.limits.least.size + 1)).astype(np.int64)
        return ptr, site, np.zeros(self.limits.least.size)

    def most(self, rho: FloatArray) -> float:
        """Return the largest ``sum (rho_j - f_j) y_j`` within the limits."""
        gain = (rho - self.cost)[self.candidate]
        found = most_within(self.limits, self.limits.group[self.candidate], gain, self.p)
        return -np.inf if found is None else float(found)

    def project(self, z: FloatArray, tau: FloatArray, mu: float) -> float:
        """Bring `z` to what may be opened, in place; returns the price of the count."""
        ptr, site, nu = self.layout
        limits = self.limits
        mu = float(
            project_groups(
                ptr, site, z, tau, np.ones(z.size), float(self.p), limits.least.astype(float),
                limits.most.astype(float), mu, nu,
            )
        )  # fmt: skip
        z -= np.where(self.candidate, tau * (mu + nu[limits.group]), 0.0)
        return mu

    def places(self, key: FloatArray, *, is_counted: bool, least: float) -> BoolArray:
        """Return the sites of the best plan within the limits by `key`, free ones above `least`."""
        limits, out = self.limits, np.zeros(key.size, bool)
        site = np.flatnonzero(self.candidate)
        site = site[np.lexsort((-key[site], limits.group[site]))]
        group = limits.group[site]
        rank = ranks(group)
        out[site[rank < limits.least[group]]] = True
        free = site[(rank >= limits.least[group]) & (rank < limits.most[group])]
        free = free[key[free] > least]
        room = self.p - int(out.sum()) if is_counted else free.size
        out[free[np.argsort(-key[free], kind="stable")][: max(0, room)]] = True
        return out

    def rounded(self, y: FloatArray, *, is_counted: bool) -> NDArray[np.int64]:
        """Return the places of a plan within the limits near to the shares."""
        least = -1.0 if is_counted else 0.5
        return np.flatnonzero(self.places(y, is_counted=is_counted, least=least))

    def thresholds(self, gain: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what leaves when each site is opened, and what comes when it is closed.

        The first less the gain of a site, and the gain less the second, are what the bound of a
        node rises by at least when the site is opened, or closed.
        """
        limits, n_group = self.limits, self.limits.least.size
        group = limits.group
        taken = self.places(gain, is_counted=True, least=0.0)
        held = limits.counts(taken)
        lowest, highest = np.full(n_group, np.inf), np.full(n_group, -np.inf)
        np.minimum.at(lowest, group[taken], gain[taken])
        idle = self.candidate & ~taken
        np.maximum.at(highest, group[idle], gain[idle])
        is_full, is_due = held >= limits.most, held <= limits.least
        inside = lowest.copy()
        if int(taken.sum()) >= self.p:
            others = lowest[~is_due].min(initial=np.inf)
            inside[~is_full] = np.minimum(lowest[~is_full], others)
        else:
            inside[~is_full] = 0.0
        others = max(0.0, float(highest[~is_full].max(initial=0.0)))
        outside = np.where(is_due, highest, np.maximum(highest, others))
        return inside[group], outside[group]


def choose_within(
    limits: Limits, free: NDArray[np.int32], opened: list[int], cost: FloatArray, p: int
) -> LimitedChoice | None:
    """Return what may be opened beside some opened sites, None where the limits allow no plan."""
    rest = limits.without(np.array(opened, np.int64)).of(free)
    choice = LimitedChoice(np.ones(free.size, bool), cost, p, rest)
    return None if most_within(rest, rest.group, np.zeros(free.size), p) is None else choice
