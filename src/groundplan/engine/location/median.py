"""p-median and uncapacitated facility location: a plan, and prices that prove how good it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundplan.engine.location.assignment_cost import AssignmentCost
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.median_problem import check_request
from groundplan.engine.location.median_run import Progress, solve
from groundplan.engine.problem import Decision

__all__ = ["p_median", "uncapacitated_facility"]

BoolArray = NDArray[np.bool_]


def nothing(*_args: object) -> None:
    """Take a report and do nothing."""


@keep_log
def p_median(
    costs: AssignmentCost | ArrayLike,
    p: int,
    *,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 2_000,
    rounds: int = 150,
    nodes: int = 2_000,
    progress: Progress = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    r"""Open p sites so that serving every row from its cheapest open site costs least.

    ``min sum w_i d_ij x_ij, sum_j x_ij = 1, x_ij <= y_j, sum y_j <= p`` (Hakimi 1964, doi
    10.1287/opre.12.3.450).

    Parameters
    ----------
    costs : AssignmentCost or (n_row, n_site) array
    p : int
        Sites to open beside the existing ones.
    existing : (n_site,) bool, optional
        Sites that serve already.
    forbidden : (n_site,) bool, optional
        Sites that may not be opened.
    site_group : (n_site,) int, optional
        Group of each site, 0 .. n_group - 1, -1 for none.
    least, most : (n_group,) int, optional
        How many sites each group has at least and at most, existing ones included.
    gap : float
        ``(value - bound) / value`` at which to end.
    time_limit_s : float, optional
        Makes the answer depend on the machine; without it the answer depends on the seed alone.
    seed : int
    steps, rounds, nodes : int
        Most steps of the bound, rounds of annealing (five sweeps each), nodes of the tree.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled throughout; true returns the best plan so far.

    Returns
    -------
    Decision
        `sites`, `assignment`, value and bound; `verify_median` recomputes both.

    Raises
    ------
    InfeasibleError
        Where no site could serve, or the limits on the groups contradict each other, p or what
        stands.
    ValueError
        Where the request contradicts itself.

    Notes
    -----
    Left out: capacities, several levels of service, costs that may be missing for a pair.
    """
    asked = (site_group, least, most)
    problem = check_request(costs, "p_median", p, None, existing, forbidden, asked)
    return solve(problem, gap, time_limit_s, seed, progress, stop, steps, rounds, nodes)


@keep_log
def uncapacitated_facility(
    costs: AssignmentCost | ArrayLike,
    opening_cost: NDArray[Any],
    *,
    p: int | None = None,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 2_000,
    rounds: int = 150,
    nodes: int = 2_000,
    progress: Progress = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Open sites so that opening them and serving every row costs least together.

    ``min sum f_j y_j + sum w_i d_ij x_ij, sum_j x_ij = 1, x_ij <= y_j`` (Erlenkotter 1978, doi
    10.1287/opre.26.6.992).

    Parameters
    ----------
    costs : AssignmentCost or (n_row, n_site) array
    opening_cost : (n_site,) array of numbers
        Cost of opening each site, >= 0, in the money of the costs; existing sites cost nothing.
    p : int, optional
        Most sites to open.
    existing, forbidden, site_group, least, most
        As in `p_median`.
    gap, time_limit_s, seed, steps, rounds, nodes, progress, stop
        As in `p_median`.

    Returns
    -------
    Decision

    Notes
    -----
    Left out: capacities, closing of existing sites.
    """
    problem = check_request(
        costs, "uncapacitated_facility", p, np.asarray(opening_cost), existing, forbidden,
        (site_group, least, most),
    )  # fmt: skip
    return solve(problem, gap, time_limit_s, seed, progress, stop, steps, rounds, nodes)
