r"""Capacitated location: which sites to open, and who serves whom within their capacities.

.. math:: \min \sum_j f_j y_j + \sum_{ij} c_{ij} x_{ij}, \quad \sum_j x_{ij} = 1, \quad
          \sum_i d_i x_{ij} \le \text{cap}_j y_j, \quad x_{ij} \le y_j, \quad \sum_j y_j \le p,

with x fractional (demand split) or 0/1 (single source). Bound: the rows' prices with a knapsack a
site (subgradient steps, volume algorithm; above 3,000 rows by way of groups of rows). Split
problems of up to 3,000 rows are then closed by branching on sites, with linear programs whose rows
``x_ij <= y_j`` come when they are violated (Leung and Magnanti 1989, Mathematical Programming
44:271). Every leaf is proven by the prices of its linear program.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.capacity_branching import ROWS_MAX, Branching, settle
from groundplan.engine.location.capacity_dual import (
    Pricing,
    first_prices,
    knapsack_grid,
    volume,
    walk,
)
from groundplan.engine.location.capacity_grading import GROUPS, grade
from groundplan.engine.location.capacity_groups import group_rows
from groundplan.engine.location.capacity_placed import PlacedPlans
from groundplan.engine.location.capacity_plan import SplitPlans, WholePlans
from groundplan.engine.location.capacity_problem import CapacityProblem
from groundplan.engine.location.capacity_rounding import RoundedPlans
from groundplan.engine.location.certificate import seal
from groundplan.engine.location.check_capacitated import ROUNDING
from groundplan.engine.location.check_capacity_limits import largest_within
from groundplan.engine.location.check_cover_limits import limits_hash
from groundplan.engine.location.check_limits import Limits, check_site_groups
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.request import check_count, check_kind, check_limits
from groundplan.engine.location.tree import CLOSED, FREE, OPEN, Tree, branch
from groundplan.engine.problem import Certificate, Decision
from groundplan.errors import InfeasibleError, StoppedError

__all__ = ["capacitated_facility", "capacitated_p_median"]

BoolArray = NDArray[np.bool_]
#: Relative distance of bound and best plan at which the volume algorithm ends.
DUAL_TOLERANCE = 1e-7
#: Above this many rows, or rows times sites, plans of single source come by way of split service.
ROWS_WHOLE, TABLE_MAX = 600, 200_000
#: Steps of 0/1 knapsacks from the prices of fractional ones, the first as a share of a full step,
#: and steps without a better bound after which they shorten.
WHOLE_STEPS, WHOLE_FIRST, WHOLE_PATIENCE = 240, 0.3, 6
#: Share of a limit of time after which no more is done for split service that whole rows follow.
SPLIT_SHARE = 0.5
#: Branchings where each row has one site, and pairs up to which a mixed-integer program follows.
WHOLE_NODES, PAIRS_WHOLE = 300, 6_000

Plans = SplitPlans | WholePlans | RoundedPlans
#: Groups of the sites, their least and their largest numbers.
Asked = tuple[Any, Any, Any]


def nothing(*_args: Any) -> None:
    """Take a report and do nothing."""


def check_sites(
    problem: CapacityProblem,
    p: int | None,
    existing: BoolArray | None,
    forbidden: BoolArray | None,
    single_source: bool,
    asked: Asked,
) -> tuple[BoolArray, BoolArray, int, Limits | None]:
    """Return candidates, existing sites, how many may open and limits, or say what conflicts."""
    n = problem.n_site
    for name, mask in (("existing", existing), ("forbidden", forbidden)):
        if mask is not None and np.shape(mask) != (n,):
            raise ValueError(f"{name} must have shape ({n},). Got {np.shape(mask)}")
    old = np.zeros(n, bool) if existing is None else np.asarray(existing, bool)
    candidate = ~old if forbidden is None else ~old & ~np.asarray(forbidden, bool)
    at_most = n if p is None else check_count(p, "p")
    need = int(problem.demand.sum())
    limits, best = None, np.sort(problem.capacity[candidate])[::-1]
    if any(part is not None for part in asked):
        limits = check_site_groups(*asked, old, candidate, p=None if p is None else at_most)
        best = largest_within(limits, limits.group[candidate], problem.capacity[candidate])
    best = best[:at_most]
    room = int(problem.capacity[old].sum()) + int(best.sum())
    if room < need:
        words = [f"demand {need}", f"largest capacity that may stand {room}"]
        words += [] if p is None else [f"at most {p} new sites"]
        words += [] if forbidden is None else [f"{int(np.sum(forbidden))} forbidden sites"]
        words += [] if limits is None else ["most sites of each group"]
        raise InfeasibleError("the sites that may open are too small", words)
    usable = candidate | old
    if limits is not None:
        usable = old | (candidate & (limits.most[limits.group] > 0))
    served = np.ones(problem.n_row, bool)
    if not usable.all():
        served = np.zeros(problem.n_row, bool)
        served[problem.row[usable[problem.site_of_pair()]]] = True
    if not served.all():
        raise InfeasibleError(
            "some rows have no site that may serve them",
            [
                f"row {int(served.argmin())} and {int((~served).sum()) - 1} more",
                "forbidden sites",
                *([] if limits is None else ["groups that may have no more sites"]),
            ],
        )
    if single_source and int(problem.demand.max()) > int(problem.capacity[usable].min()):
        site = problem.site_of_pair()
        most = np.zeros(problem.n_row, np.int64)
        allowed = usable[site]
        np.maximum.at(most, problem.row[allowed], problem.capacity[site[allowed]])
        large = np.flatnonzero(problem.demand > most)
        if large.size:
            i = int(large[0])
            raise InfeasibleError(
                "some rows are larger than any one site that may serve them",
                [
                    f"row {i} and {large.size - 1} more: demand {int(problem.demand[i])}",
                    f"the largest site that may serve row {i} holds {int(most[i])}",
                    "each row has one site",
                ],
            )
    return candidate, old, at_most, limits


def solve(
    problem: CapacityProblem,
    form: str,
    p: int | None,
    *,
    single_source: bool,
    existing: BoolArray | None,
    forbidden: BoolArray | None,
    asked: Asked,
    gap: float,
    time_limit_s: float | None,
    seed: int,
    steps: int,
    tries: int,
    nodes: int,
    progress: Callable[[str, int, int, float, float], None],
    stop: Callable[[], bool],
) -> Decision:
    """Price, round, improve and, where the size allows, branch."""
    check_limits(gap, time_limit_s, seed)
    candidate, old, at_most, limits = check_sites(
        problem, p, existing, forbidden, single_source, asked
    )
    ends_at = None if time_limit_s is None else time.monotonic() + time_limit_s
    halted = [False]

    def halt() -> bool:
        if stop() or (ends_at is not None and time.monotonic() > ends_at):
            halted[0] = True
        return halted[0]

    def past(share: float) -> bool:
        left = (1.0 - share) * (time_limit_s or 0.0)
        return ends_at is not None and time.monotonic() > ends_at - left

    pricing = Pricing(problem, candidate, old, at_most, single_source, limits=limits)
    # the search over whole service of small problems knows no limits
    rounded = single_source and (
        problem.n_row > ROWS_WHOLE
        or problem.n_row * problem.n_site > TABLE_MAX
        or limits is not None
    )
    large = problem.n_row > ROWS_MAX and (rounded or not single_source)
    group = group_rows(problem, GROUPS) if large else None
    plans: Plans
    if rounded:
        plans = RoundedPlans(pricing, seed, group, lambda: past(SPLIT_SHARE) or halt())
    elif single_source:
        plans = WholePlans(pricing, seed)
    else:
        plans = SplitPlans(pricing, seed, group, halt)
    # prices come from plans in which demand may be split, where those lead to whole ones
    guide = plans.split if isinstance(plans, RoundedPlans) else plans

    def aim(share: NDArray[np.float64], bound: float) -> float:
        guide.round(share)
        return guide.value if math.isfinite(guide.value) else 1.1 * abs(bound) + 1.0

    def look(step: int, bound: float) -> bool:
        progress("bound", step, steps, plans.value, bound)
        is_close = math.isfinite(plans.value) and plans.value - bound <= gap * plans.value
        return (not large and past(0.6)) or halt() or is_close

    def improve_early(share: NDArray[np.float64]) -> None:
        guide.improve(share, tries, lambda: past(0.4) or halt())
        progress("improve", tries, tries, plans.value, 0.0)

    def halt_split() -> bool:
        return (rounded and past(SPLIT_SHARE)) or halt()

    if isinstance(guide, SplitPlans) and guide.small is not None:
        price, share = grade(guide, steps=steps, look=look, halt=halt_split, improve=improve_early)
    else:
        price, share, _bound = volume(
            pricing if not isinstance(plans, RoundedPlans) else plans.split.pricing,
            first_prices(problem, pricing.fee, candidate | old), aim,
            steps=steps, tolerance=DUAL_TOLERANCE, look=look, halt=halt,
        )  # fmt: skip
        guide.round(share)
    if isinstance(plans, RoundedPlans):
        if not large:
            plans.improve(share, tries, lambda: past(0.7) or halt())
        plans.settle(lambda: past(0.85) or halt())
        progress("improve", tries, tries, plans.value, 0.0)
        found = plans.split

        def near(_share: NDArray[np.float64], bound: float) -> float:
            return found.value if math.isfinite(found.value) else 1.1 * abs(bound) + 1.0

        if not halt():
            price, _share, _bound, _aim = walk(
                pricing, price, near, steps=min(steps, WHOLE_STEPS),
                look=look, first=WHOLE_FIRST, patience=WHOLE_PATIENCE, halt=halt,
            )  # fmt: skip
    problem_tree = Branching(problem, pricing, plans, p, halt)
    first = problem_tree.prices(price)
    root = np.where(candidate, FREE, np.where(old, OPEN, CLOSED)).astype(np.int8)
    tree = Tree([root], [first], problem_tree.score(root, first), 0)

    def target() -> int:
        if not math.isfinite(plans.value):
            return 2**62
        return math.ceil(plans.value * (1.0 - max(gap, ROUNDING / 2)) * problem.scale)

    if not large and not rounded and tree.bound < target() and not halt():
        plans.improve(share, tries, halt)
        progress("improve", tries, tries, plans.value, tree.bound / problem.scale)
    if not math.isfinite(plans.value):
        find_first(plans, p, halt, limits)
    # branching on sites that cost nothing was seen to prove nothing where rows have one site
    may_branch = not rounded and (not single_source or bool(problem.opening_cost.any()))
    may_branch |= limits is not None and single_source and not large
    if not large and may_branch and tree.bound < target() and not halt():
        most = WHOLE_NODES if problem.opening_cost.any() else 1
        problem_tree.build(price, plans.value - tree.bound / problem.scale)
        fixed, leaves = settle(root, first, problem_tree.score, target())
        tree = branch(
            fixed, first, problem_tree.price, problem_tree.score, target,
            nodes=min(nodes, most) if single_source else nodes, halt=halt, settled=leaves,
        )  # fmt: skip
        progress("branch", tree.nodes, nodes, plans.value, tree.bound / problem.scale)
        is_small = problem_tree.pair.size <= PAIRS_WHOLE
        if isinstance(plans, PlacedPlans) and is_small and tree.bound < target() and not halt():
            plans.polish(problem_tree.pair, fixed == CLOSED, fixed == OPEN, halt)
            progress("polish", 1, 1, plans.value, tree.bound / problem.scale)
    parameters: dict[str, Any] = {"single_source": single_source}
    parameters |= {} if p is None else {"p": int(p)}
    parameters |= {"step": knapsack_grid(problem)} if single_source else {}
    parameters |= {} if limits is None else {"limits_hash": limits_hash(limits)}
    log = {"seed": seed, "nodes": tree.nodes, "leaves": len(tree.fixings), "ended_early": halted[0]}
    log |= {} if limits is None else {"groups": limits.n_group}
    return certify(problem, form, parameters, plans, tree, gap, log)


def find_first(
    plans: Plans, p: int | None, halt: Callable[[], bool], limits: Limits | None
) -> None:
    """Find some plan, or say that there is none, or that none was found."""
    words = ["capacities", "allowed pairs", *([] if p is None else [f"at most {p} new sites"])]
    words += [] if limits is None else ["limits on the groups of sites"]
    try:
        found = plans.find_any(halt)
    except TimeoutError:
        raise StoppedError(
            "no plan was found that serves every row within the capacities, and it is not proven "
            "that there is none; give more time, capacity, pairs or sites, or allow demand to be "
            "split"
        ) from None
    if not found:
        raise InfeasibleError("no plan serves every row within the capacities", words)


def certify(
    problem: CapacityProblem,
    form: str,
    parameters: dict[str, Any],
    plans: Plans,
    tree: Tree,
    gap: float,
    log: dict[str, Any],
) -> Decision:
    """Return the decision with the plan's amounts and the leaves that prove its bound."""
    sites, rows, places, amount = plans.listed()
    pair = problem.pair_number(rows, places)
    each = problem.cost[pair] * (amount / problem.demand[rows])
    value = math.fsum(each.tolist()) + math.fsum(problem.opening_cost[sites].tolist())
    bound = min(tree.bound / problem.scale, value)
    relative = (value - bound) / value if value else 0.0
    main = np.full(problem.n_row, -1, np.int32)
    order = np.lexsort((places, -amount, rows))
    main[rows[order][::-1]] = places[order][::-1]
    prices = tree.arrays() | {"plan_row": rows, "plan_site": places, "plan_amount": amount}
    certificate = Certificate(
        form, parameters, problem.input_hash, problem.scale, prices, value, tree.bound
    )
    status = "optimal" if relative <= ROUNDING else "feasible" if relative <= gap else "stopped"
    return Decision(
        sites,
        value,
        bound,
        relative,
        status,
        seal(certificate, sites, main),
        sense="min",
        assignment=main,
        log=log,
    )


@keep_log
def capacitated_facility(
    problem: CapacityProblem,
    p: int | None = None,
    *,
    single_source: bool = False,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 1_500,
    tries: int = 1_000,
    nodes: int = 5_000,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Open sites at their costs so that serving every row within the capacities is cheapest.

    Parameters
    ----------
    problem : CapacityProblem
    p : int, optional
        Most sites to open.
    single_source : bool
        Serve every row from one site; otherwise demand may be split.
    existing, forbidden : (n_site,) bool, optional
        Sites that stand already, at no cost, and sites that may not open.
    site_group, least, most : (n_site,) int, (n_group,) int, (n_group,) int, optional
        Group of each site, 0 .. n_group - 1 or -1 for none, and how many sites of each group stand
        at least and at most, existing ones included.
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine; without it the answer depends on the seed alone.
    seed : int
    steps, tries, nodes : int
        Most steps of the bound, disturbances of the plan, and branchings. Demand that may be split
        needs few: at most 10 disturbances up to 3,000 rows, 300 above, where there is no branching.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled within every stage; true returns the best plan so far.

    Returns
    -------
    Decision
        `assignment` is the site that serves most of each row; the amounts, in whole units of
        demand, stand in ``certificate.prices`` as ``plan_row``, ``plan_site``, ``plan_amount``.
        ``"optimal"`` means a gap of at most 1e-9, since costs are rounded down before proof.

    Raises
    ------
    ValueError
    InfeasibleError
        Where it is proven that no plan exists; the conflict is named.
    StoppedError
        Where no plan was found and none is excluded.

    Notes
    -----
    Left out: several capacities of one site (give one site each and at most one of them by hand),
    least loads, sites that must differ.
    """
    check_kind(problem, CapacityProblem, "problem")
    return solve(
        problem, "capacitated_facility", p, single_source=single_source, existing=existing,
        forbidden=forbidden, asked=(site_group, least, most), gap=gap,
        time_limit_s=time_limit_s, seed=seed, steps=steps, tries=tries, nodes=nodes,
        progress=progress, stop=stop,
    )  # fmt: skip


@keep_log
def capacitated_p_median(
    problem: CapacityProblem,
    p: int,
    *,
    single_source: bool = True,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int = 1_500,
    tries: int = 3_000,
    nodes: int = 5_000,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
) -> Decision:
    """Open at most p sites so that serving every row within the capacities is cheapest.

    Parameters are those of `capacitated_facility`; opening costs of the problem count where they
    are not zero. Each row has one site unless `single_source` is false.

    Returns
    -------
    Decision
    """
    check_kind(problem, CapacityProblem, "problem")
    return solve(
        problem, "capacitated_p_median", p, single_source=single_source, existing=existing,
        forbidden=forbidden, asked=(site_group, least, most), gap=gap,
        time_limit_s=time_limit_s, seed=seed, steps=steps, tries=tries, nodes=nodes,
        progress=progress, stop=stop,
    )  # fmt: skip
