"""Naive twins that more than one file measures a solver against."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy.optimize import linprog


def serve_split(cost, demand, capacity, sites) -> float:
    """Least cost of service with demand split, by a linear program."""
    sites = list(sites)
    n, m = cost.shape[0], len(sites)
    part = cost[:, sites]
    rows = np.kron(np.eye(n), np.ones(m))
    load = np.hstack([np.diag(np.full(m, float(d))) for d in demand])
    upper = np.where(np.isinf(part), 0.0, 1.0).ravel()
    price = np.where(np.isinf(part), 0.0, part).ravel()
    out = linprog(
        price, A_ub=load, b_ub=capacity[sites], A_eq=rows, b_eq=np.ones(n),
        bounds=[(0.0, u) for u in upper],
    )  # fmt: skip
    return float(out.fun) if out.status == 0 else np.inf


def serve_whole(cost, demand, capacity, sites) -> float:
    """Least cost where each row has one site, by trying everything."""
    best = np.inf
    for choice in product(sites, repeat=demand.size):
        load = np.bincount(choice, weights=demand, minlength=capacity.size)
        if (load <= capacity).all():
            best = min(best, float(cost[np.arange(demand.size), list(choice)].sum()))
    return best


def enumerate_capacitated(case, p, *, is_whole, limits=None) -> float:
    """Least cost of every plan of at most p new sites, infinity where none keeps the limits."""
    cost, demand, capacity, fee, masks = case
    service = serve_whole if is_whole else serve_split
    stand = np.flatnonzero(masks["existing"]).tolist()
    free = np.flatnonzero(~masks["existing"] & ~masks["forbidden"]).tolist()
    best = np.inf
    for k in range(min(p, len(free)) + 1):
        for plan in combinations(free, k):
            sites = stand + list(plan)
            if not sites or (limits is not None and not keeps_limits(sites, **limits)):
                continue
            value = service(cost, demand, capacity, sites) + float(fee[list(plan)].sum())
            best = min(best, value)
    return best


def keeps_limits(sites, site_group, least, most) -> bool:
    """Whether each group has at least and at most so many of the sites."""
    held = np.array([sum(site_group[j] == g for j in sites) for g in range(len(least))])
    return bool((held >= least).all() and (held <= most).all())


@pytest.fixture(scope="session")
def split_service():
    """Return the least cost of serving rows from given sites, demand split."""
    return serve_split


@pytest.fixture(scope="session")
def best_capacitated():
    """Return the least cost over all plans of a capacitated problem."""
    return enumerate_capacitated
