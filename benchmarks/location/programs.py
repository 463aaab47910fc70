"""Cases as plain arrays, and the linear program of a case for the solvers that take one.

A case is a dict of arrays with a ``kind``:

``covering``
    ``row_indptr, row_indices`` (sites of each row), ``weight``, ``n_site``, ``p``: most weight.
``setcover``
    ``row_indptr, row_indices``, ``cost``, ``n_site``: every row covered at least cost.
``assign``
    ``cost`` (n_row, n_site) of serving the whole of a row, ``opening`` (n_site,), ``p`` (-1: any
    number); with ``demand`` and ``capacity`` a site serves no more than it holds, with ``single``
    each row by one site.

Only NumPy and SciPy are used, so that a peer's interpreter reads the same file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

Case = dict[str, Any]


@dataclass
class Program:
    """``min or max c x, lo <= A x <= hi, 0 <= x <= 1``; the first `n_site` columns are sites."""

    c: np.ndarray
    a: sparse.csr_matrix
    lo: np.ndarray
    hi: np.ndarray
    is_whole: np.ndarray
    n_site: int
    maximize: bool


def save(path: Path, case: Case) -> None:
    np.savez(path, **case)


def load(path: Path | str) -> Case:
    with np.load(path) as data:
        return {k: data[k].item() if data[k].ndim == 0 else data[k] for k in data.files}


def cover_matrix(case: Case) -> sparse.csr_matrix:
    """Return rows x sites, 1 where the site reaches the row."""
    indptr, indices = case["row_indptr"], case["row_indices"]
    shape = (indptr.size - 1, int(case["n_site"]))
    return sparse.csr_matrix((np.ones(indices.size), indices, indptr), shape)


def program_of(case: Case) -> Program:
    """Return the linear program of a case."""
    return {"covering": covering, "setcover": setcover, "assign": assign}[case["kind"]](case)


def covering(case: Case) -> Program:
    a = cover_matrix(case)
    n, m = a.shape
    rows = sparse.hstack([a, -sparse.identity(n, format="csr")], format="csr")
    count = sparse.csr_matrix(np.concatenate([np.ones(m), np.zeros(n)])[None])
    return Program(
        np.concatenate([np.zeros(m), case["weight"]]).astype(float),
        sparse.vstack([rows, count], format="csr"),
        np.concatenate([np.zeros(n), [-np.inf]]),
        np.concatenate([np.full(n, np.inf), [float(case["p"])]]),
        np.arange(m + n) < m,
        m,
        maximize=True,
    )


def setcover(case: Case) -> Program:
    a = cover_matrix(case)
    n, m = a.shape
    inf = np.full(n, np.inf)
    cost = np.asarray(case["cost"], float)
    return Program(cost, a, np.ones(n), inf, np.ones(m, bool), m, maximize=False)


def assign(case: Case) -> Program:
    cost, p = np.asarray(case["cost"], float), int(case["p"])
    n, m = cost.shape
    k = n * m
    row, site = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
    one, x = np.ones(k), np.arange(k)
    serve = sparse.csr_matrix((one, (row, m + x)), (n, m + k))
    opened = sparse.csr_matrix((one, (x, site)), (k, m + k))
    link = opened - sparse.csr_matrix((one, (x, m + x)), (k, m + k))
    count = sparse.csr_matrix(np.concatenate([np.ones(m), np.zeros(k)])[None])
    parts, lo = [serve, link, count], [np.ones(n), np.zeros(k), [-np.inf]]
    hi = [np.ones(n), np.full(k, np.inf), [float(p if p >= 0 else m)]]
    if "capacity" in case:
        used = sparse.csr_matrix((case["demand"][row], (site, m + x)), (m, m + k))
        room = sparse.csr_matrix((case["capacity"], (np.arange(m), np.arange(m))), (m, m + k))
        parts.append(room - used)
        lo.append(np.zeros(m))
        hi.append(np.full(m, np.inf))
    return Program(
        np.concatenate([case["opening"], cost.ravel()]).astype(float),
        sparse.vstack(parts, format="csr"),
        np.concatenate(lo),
        np.concatenate(hi),
        (np.arange(m + k) < m) | bool(case.get("single", False)),
        m,
        maximize=False,
    )


def value_of(case: Case, sites: list[int], assignment: list[int] | None = None) -> float:
    """Return what a plan is worth on the raw case; ``ValueError`` says what it breaks."""
    chosen = np.asarray(sites, np.int64)
    n_site = int(case["n_site"]) if "n_site" in case else case["cost"].shape[1]
    if np.unique(chosen).size != chosen.size or ((chosen < 0) | (chosen >= n_site)).any():
        raise ValueError("sites repeat or do not exist")
    if 0 <= case.get("p", -1) < chosen.size:
        raise ValueError(f"{chosen.size} sites, allowed {case['p']}")
    if case["kind"] == "assign":
        return assigned_value(case, chosen, assignment)
    is_open = np.zeros(n_site, np.int64)
    is_open[chosen] = 1
    ends = np.concatenate([[0], np.cumsum(is_open[case["row_indices"]])])[case["row_indptr"]]
    reached = np.diff(ends) > 0
    if case["kind"] == "covering":
        return int(case["weight"][reached].sum())
    if not reached.all():
        raise ValueError(f"{int((~reached).sum())} rows are not covered")
    return float(np.asarray(case["cost"])[chosen].sum())


def assigned_value(case: Case, chosen: np.ndarray, assignment: list[int] | None) -> float:
    cost, opening = np.asarray(case["cost"], float), np.asarray(case["opening"], float)
    if chosen.size == 0:
        raise ValueError("no site serves")
    fixed = float(opening[chosen].sum())
    if "capacity" not in case:
        return fixed + float(cost[:, chosen].min(axis=1).sum())
    n = len(cost)
    if case.get("single", False):
        site = np.asarray(assignment, np.int64)
        used = np.bincount(site, case["demand"], case["capacity"].size)
        if not np.isin(site, chosen).all() or (used > case["capacity"]).any():
            raise ValueError("a site is closed or serves more than it holds")
        return fixed + float(cost[np.arange(n), site].sum())
    return fixed + cheapest_transport(cost[:, chosen], case["demand"], case["capacity"][chosen])


def cheapest_transport(cost: np.ndarray, demand: np.ndarray, capacity: np.ndarray) -> float:
    """Return the least cost of serving all rows from open sites that hold so much."""
    from scipy.optimize import linprog

    n, m = cost.shape
    x, row, site = np.arange(n * m), np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
    serve = sparse.csr_matrix((np.ones(n * m), (row, x)))
    used = sparse.csr_matrix((demand[row].astype(float), (site, x)))
    found = linprog(cost.ravel(), used, capacity, serve, np.ones(n), (0, None), method="highs")
    if found.status != 0:
        raise ValueError(f"the open sites cannot serve all: {found.message}")
    return float(found.fun)
