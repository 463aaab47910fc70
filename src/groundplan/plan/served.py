"""Who is served where: sums over the cells of a plan, by county and by kind of place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.plan.answer import PLACES
from groundplan.plan.system import DEMAND_SCALE, SystemPlan

__all__ = ["county_rows", "place_rows", "served_sums"]

#: Cells that are looked at together.
CELLS = 1 << 20


def served_sums(plan: SystemPlan, group: NDArray[Any], n: int) -> NDArray[np.float64]:
    """Return the demand of all layers in each of `n` groups of cells, and what of it is served.

    Parameters
    ----------
    plan : SystemPlan
    group : (n_cell,) int

    Returns
    -------
    (3, n) float64
        All demand, that served before, and that served after; whole numbers, exact in any order.
    """
    found = np.zeros(4 * n)
    for start in range(0, group.size, CELLS):
        at = slice(start, start + CELLS)
        of_group = 4 * group[at].astype(np.int64)
        for number, demand in enumerate(plan.system.demand):
            kind = 2 * plan.served_before[number, at] + plan.served_after[number, at]
            found += np.bincount(of_group + kind, weights=demand[at], minlength=found.size)
    by_kind = found.reshape(n, 2, 2)
    return np.stack(
        [by_kind.sum(axis=(1, 2)), by_kind[:, 1].sum(axis=1), by_kind[..., 1].sum(axis=1)]
    )


def ratios(part: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return part over total, 0 where there is none."""
    return np.divide(part, total, out=np.zeros(total.size), where=total > 0)


def county_rows(
    plan: SystemPlan,
    sums: NDArray[np.float64],
    county_of_site: NDArray[np.int16],
    people: NDArray[np.float64],
    counties: Sequence[Mapping[str, str]],
) -> list[dict[str, Any]]:
    """Return people, served shares, planned assets and their cost for each county.

    Parameters
    ----------
    sums : (3, n_county) float64
        Of `served_sums`.
    people : (n_county,) float64
    """
    n = len(counties)
    before, after = ratios(sums[1], sums[0]), ratios(sums[2], sums[0])
    planned = plan.chosen & ~plan.system.existing
    count = np.bincount(county_of_site[planned], minlength=n)
    cost = np.zeros(n, np.int64)
    np.add.at(cost, county_of_site[planned], plan.sized.capex_cny[planned])
    return [
        {
            **county,
            "people": round(float(people[i])),
            "served_before_ratio": float(before[i]),
            "served_after_ratio": float(after[i]),
            "planned_count": int(count[i]),
            "cost_cny": int(cost[i]),
        }
        for i, county in enumerate(counties)
    ]


def place_rows(sums: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return who is served and who is not, by kind of place.

    Parameters
    ----------
    sums : (3, n_place) float64
        Of `served_sums`, in the order of `PLACES`.
    """
    total, _, served = sums
    before, after = ratios(sums[1], total), ratios(served, total)
    left = total - served
    return [
        {
            "key": key,
            "title": title,
            "title_zh": title_zh,
            "demand_ratio": float(total[i] / total.sum()),
            "served_before_ratio": float(before[i]),
            "served_after_ratio": float(after[i]),
            "unserved": round(float(left[i]) / DEMAND_SCALE),
        }
        for i, (key, title, title_zh) in enumerate(PLACES)
    ]
