r"""When the sites of a capacitated plan open and their modules come, year by year.

Demand grows in equal steps to what the target asks. What a year does not need yet is better built
later: a yuan spent a year later is worth :math:`1 - 1/(1 + r)` of it today. So each year before
the last is a plan of its own, the cheapest of

.. math:: \frac{r}{1+r} \sum_j (f_j [n_j > 0] + m_j n_j) + \text{service of that year}

with the demand of that year, within the limits, and with no more modules anywhere than the year
after it has: :math:`n^t \le n^{t+1}`. Years are decided backwards from the last. The same engine
decides them as decides the plan, so each year has a bound *given the year after it*; that the years
together could be better still is not ruled out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from groundplan.plan.allocation import (
    Flows,
    Pairs,
    Rows,
    build_problem,
    choose_modules,
    grown,
    plan_cost_cny,
)
from groundplan.plan.kinds import allocation_model
from groundplan.sectors.contract import Offer, Sites
from groundplan.sectors.sites import pick_sites

__all__ = ["Expansion", "annuity", "expand"]

IntArray = NDArray[np.int64]
#: Gap to which a year is decided.
GAP = 0.002


@dataclass(frozen=True)
class Expansion:
    """What stands and who serves whom at the end of each year.

    Attributes
    ----------
    modules : (n_site, n_year) int64
        Modules that the plan has added by the end of each year; never falling.
    flows : tuple of Flows
        Of each year; the last is the plan itself.
    """

    modules: IntArray
    flows: tuple[Flows, ...]

    def added(self) -> IntArray:
        """Return the modules that each site adds in each year."""
        return np.asarray(np.diff(self.modules, axis=1, prepend=0))


def annuity(offer: Offer) -> float:
    """Return the worth today of one yuan a year over the horizon."""
    rate, years = offer.discount_ratio, offer.horizon_year
    return float(years if rate == 0 else (1.0 - (1.0 + rate) ** -years) / rate)


def of_year(offer: Offer, most: IntArray) -> Offer:
    """Return the prices of one year: interest on capital, running costs of the year alone."""
    interest = offer.discount_ratio / (1.0 + offer.discount_ratio)
    return replace(
        offer,
        modules_max=most,
        module_cny=np.rint(interest * offer.module_cny).astype(np.int64),
        server_cny=offer.server_cny / annuity(offer),
        server_cny_per_m=offer.server_cny_per_m / annuity(offer),
    )


def at_sites(offer: Offer, sites: Sites, at: IntArray) -> tuple[Offer, Sites]:
    """Return offer and sites at some places alone, their capital at the interest of a year."""
    interest = offer.discount_ratio / (1.0 + offer.discount_ratio)
    part = replace(
        offer,
        modules_max=offer.modules_max[at],
        module_cny=offer.module_cny[at],
        server_cny=offer.server_cny[at],
    )
    price = np.rint(interest * sites.capex_cny[at]).astype(np.int64)
    return part, pick_sites(sites, at, capex_cny=price)


def carried(flows: Flows, asked: IntArray) -> Flows:
    """Return the flows of the year after, cut to what is asked: a plan of the year at hand."""
    left, servers = asked.copy(), np.zeros_like(flows.servers)
    for k, (row, most) in enumerate(zip(flows.row.tolist(), flows.servers.tolist(), strict=True)):
        servers[k] = min(most, int(left[row]))
        left[row] -= servers[k]
    some = servers > 0
    return Flows(flows.row[some], flows.site[some], servers[some])


def expand(
    kind: str,
    rows: Rows,
    sites: Sites,
    offer: Offer,
    pairs: Pairs,
    flows: Flows,
    modules: IntArray,
    span: int,
    *,
    seed: int,
    stop: Callable[[], bool] = lambda: False,
) -> Expansion:
    """Return the years of a plan, the last being the plan itself.

    Parameters
    ----------
    kind : str
        Engine function, as in `Allocation.kind`.
    pairs : Pairs
        Every pair that may serve.
    flows, modules : Flows, (n_site,) int64
        The plan.
    span : int
        Years, >= 1.
    """
    at = np.flatnonzero(modules)
    place = np.full(len(sites), -1, np.int64)
    place[at] = np.arange(at.size)
    inside = place[pairs.site] >= 0
    near = Pairs(place[pairs.site[inside]], pairs.row[inside], pairs.far_m[inside])
    part, few = at_sites(offer, sites, at)
    held = [modules[at]]
    served = [Flows(flows.row, place[flows.site], flows.servers)]
    for year in range(span - 1, 0, -1):
        asked = replace(rows, servers=grown(rows.servers, year, span))
        prices = of_year(part, held[0])
        problem = build_problem(asked, few, prices, near)
        decided = allocation_model(kind)(
            problem, gap=GAP, seed=seed, nodes=0, progress=lambda *_: None, stop=stop
        )
        found, needed = choose_modules(asked, few, prices, problem, decided, stop)
        # the year after, cut to this year's demand, is a plan as well
        cut = carried(served[0], asked.servers)
        cut_needed = -(-cut.load(at.size) // offer.module_servers)
        if plan_cost_cny(asked, few, prices, cut, cut_needed) < plan_cost_cny(
            asked, few, prices, found, needed
        ):
            found, needed = cut, cut_needed
        served.insert(0, found)
        held.insert(0, needed)
    whole = np.zeros((len(sites), span), np.int64)
    whole[at] = np.stack(held, axis=1)
    return Expansion(whole, tuple(replace(f, site=at[f.site]) for f in served))
