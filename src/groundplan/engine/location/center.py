r"""p-centre: at most p sites so that the largest distance to the nearest site is least.

The radius is one of the distances, so the search halves an interval of distances and asks whether p
sites reach every row within one (Minieka 1970, doi 10.1137/1012016). It looks at few rows and adds
those that a plan leaves out (`center_rows`). "Yes" is a plan, found by a walk over plans of exactly
p sites whose rows left out gain weight (`center_walk`). "No" is proven by prices of the rows: if
they add up to more than any p sites earn, no p sites reach them. The prices come from a linear
program, from primal-dual steps where that is large, from cuts of sets of rows (`center_halves`),
and from a search over pairs of rows where the relaxation cannot tell (`center_tree`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.center_search import STARTS, Search
from groundplan.engine.location.center_tree import (
    DENOMINATOR,
)
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_center import masks, radius
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.request import check_limits
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError

__all__ = ["p_center"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Share of the distance below which an interval of distances is not halved before trees are tried,
#: and before plans are sought.
FINE, COARSE = 0.002, 0.05
#: Nodes of the first trees; each round of trees may take `DEEPER` times as many.
FIRST_NODES, DEEPER = 120, 3
#: Relative distance between value and bound below which the tree is asked about the value itself.
LAST = 0.01
#: The walk tries this share below the best distance before a round of trees.
TRY = 0.004
#: Walks from there are so many times as long.
LONG = 3
#: Share by which the distance that cuts are tried at grows.
CUT_STEP = 0.003
#: From so many sites on cuts and walks from other plans come first: trees divide little there.
MANY = 30


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


@keep_log
def p_center(
    cost: AssignmentCost | ArrayLike,
    p: int,
    *,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    moves: int = 20_000,
    steps: int = 1_000,
    nodes: int = 1_080,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Choose at most p sites so that the largest distance to the nearest site is least.

    Parameters
    ----------
    cost : AssignmentCost or (n_row, n_site) array
        Distances; the weights of the rows do not count.
    p : int
        How many sites to add.
    existing, forbidden : (n_site,) bool, optional
        Sites that stand already, and sites that may not be chosen.
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine; without it the answer depends on the seed alone.
    seed : int
    moves, steps, nodes : int
        Most exchanges of a walk, steps of the bound and nodes of a tree, for each distance tried.
        Trees begin small and grow up to `nodes`.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled at each distance and node; true returns the best plan so far.

    Returns
    -------
    Decision
        `bound` is a distance: no plan reaches every row within less.

    Raises
    ------
    ValueError, InfeasibleError

    Notes
    -----
    Memory holds the pairs of the rows looked at and the sites near them, never all pairs.
    """
    cost = AssignmentCost.of(cost)
    check_limits(gap, time_limit_s, seed)
    candidate, old = masks(cost.n_site, existing, forbidden)
    if candidate.shape != (cost.n_site,) or p < 0:
        raise ValueError(f"p must be >= 0 and masks of shape ({cost.n_site},). Got p = {p}")
    if not old.any() and (p == 0 or not candidate.any()):
        raise InfeasibleError("no site may stand", [f"p = {p}", "no existing site"])
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s

    def halt() -> bool:
        return stop() or (ends_at is not None and time.monotonic() > ends_at)

    search = Search(cost, candidate, old, p, seed, halt)
    asked = 0

    def is_done() -> bool:
        return search.value - search.bound <= gap * search.value or halt()

    def is_far() -> bool:
        return p >= MANY and search.value - search.bound > LAST * search.value

    def ask(stage: str, limit: float, moves: int, nodes: int) -> bool | None:
        nonlocal asked
        asked += 1
        starts = STARTS if stage == "improve" and is_far() else 1
        answer = search.ask(limit, moves, steps, nodes, halt, starts=starts, cuts=stage == "cut")
        progress(stage, asked, 0, search.value, search.bound)
        return answer

    # a bound first, then the plan, then the bound beside it; trees only where these end
    high = search.value
    while not is_done():
        limit = between_of(search, max(search.bound, 0.25 * high), high, COARSE)
        if limit is None:
            break
        if ask("bound", limit, 0, 0) is None:
            high = limit
    # no plan is known below `low`; distances from `unknown` on were answered neither way
    low, unknown = search.bound, np.inf
    while not is_done():
        limit = between_of(search, low, search.value, FINE)
        if limit is None:
            break
        answer = ask("halve", limit, moves, 0)
        if not answer:
            low = float(np.nextafter(limit, np.inf))
        if answer is None:
            unknown = min(unknown, limit)
    high = min(unknown, search.value)
    while not is_done():
        limit = between_of(search, search.bound, high, FINE)
        if limit is None:
            break
        if ask("bound", limit, 0, 0) is None:
            high = limit
        high = min(high, search.value)

    def improve(most: int) -> None:
        while not is_done() and search.value * (1.0 - TRY) > search.bound:
            if not ask("improve", search.value * (1.0 - TRY), most, 0):
                break

    few = depth = min(FIRST_NODES, nodes)
    if is_far():
        improve(LONG * moves)
        step = CUT_STEP
        while not is_done() and is_far() and step > 0.5 * FINE:
            # cuts gain little: a step up at a time, and half of it where that was too much
            limit = search.bound * (1.0 + step)
            if limit >= search.value or ask("cut", limit, 0, 0) is None:
                step *= 0.5
    while not is_done() and depth:
        improve(moves * depth // few)
        high = search.value
        while not is_done():
            limit = between_of(search, search.bound, high, FINE if high < search.value else 0.0)
            if limit is None:
                break
            if high >= search.value and search.value - search.bound < LAST * search.value:
                limit = float(np.nextafter(search.value, 0.0))
            answer = ask("tree", limit, 0, depth)
            high = limit if answer is None else search.value
        depth = min(nodes, depth * DEEPER) if depth < nodes else 0
    if search.bound == 0.0 and halt():
        search.refuse_apart()
    return certify(cost, search, old, p, gap, {"seed": seed, "asked": asked})


def between_of(search: Search, low: float, high: float, fine: float) -> float | None:
    """Return the distance to ask about next in low..high, none where they are `fine` apart."""
    if high - low <= fine * high:
        return None
    if search.cost.is_whole:
        # distances below the bound are excluded, those from `high` on were asked
        first, last = max(np.ceil(low), search.bound), np.ceil(high) - 1.0
        return float((first + last) // 2) if first <= last else None
    middle = 0.5 * (low + high)
    return middle if low < middle < high else None


def certify(
    cost: AssignmentCost,
    search: Search,
    old: BoolArray,
    p: int,
    gap: float,
    log: dict[str, Any],
) -> Decision:
    """Return the decision with the prices that exclude every smaller radius."""
    value, assignment = radius(cost, np.union1d(search.best, np.flatnonzero(old)))
    bound = min(search.bound, value)
    sites = np.sort(search.best).astype(np.int32)
    prices = search.proof.arrays() | {"distance": np.array([bound])}
    log |= {"rows": int(search.rows.row.size), "leaves": len(search.proof.leaves)}
    certificate = Certificate(
        "p_center", {"p": int(p)}, cost.input_hash, DENOMINATOR, prices, value, 0
    )
    relative = (value - bound) / value if value else 0.0
    status = "optimal" if bound == value else "feasible" if relative <= gap else "stopped"
    return Decision(
        sites, value, bound, relative, status, seal(certificate, sites, assignment),
        sense="min", assignment=assignment, log=log,
    )  # fmt: skip
