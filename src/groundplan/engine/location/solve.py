"""Maximal covering (Church and ReVelle 1974, doi 10.1007/BF01942293) with a bound on every answer.

Stages: greedy start, primal-dual bound, rounding, exact finish where small, improvement by windows
and the bound lifted below the linear program by tiles. Where sites overlap too widely for windows:
plans cooled by swaps, bred and searched for the best plan of their sites, a sweep over all sites to
prove it, then a general solver with that plan to beat.
Everything stops on counts or on a proven gap, never on the clock unless a time limit is given, so
that the same seed gives the same plan on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.coverage import Coverage
from groundplan.engine.location.exact import ROWS_MAX, SITES_MAX
from groundplan.engine.location.linear import PAIRS_MAX, take_exact_prices
from groundplan.engine.location.logbook import keep_log
from groundplan.engine.location.request import check_count, check_kind, check_limits
from groundplan.engine.location.run import LIFTS, Run, nothing
from groundplan.engine.location.search import SWAP_MAX
from groundplan.engine.location.strip import Effort, fits_sweep
from groundplan.engine.problem import Decision

__all__ = ["check_request", "finish_run", "improve_run", "maximal_covering"]

BoolArray = NDArray[np.bool_]
#: Above this many rows a good plan is sought before the exact finish.
ROWS_DIRECT = 1_000
#: The same for sites: so few need no good plan to start from.
SITES_DIRECT = 150
#: Below this many rows and sites a general solver is as fast as anything.
ROWS_SOLVER = 300
#: Nodes of the exact finish by effort.
NODES = (50, 500, 5_000, 50_000)
#: Partial choices that a sweep over all sites keeps, and those it works on, by effort.
STRIP_EFFORTS = (
    Effort(100_000, 200_000_000),
    Effort(1_000_000, 3_000_000_000),
    Effort(4_000_000, 15_000_000_000),
    Effort(8_000_000, 60_000_000_000),
)
#: Steps of the bound, and where it stands as they leave it: no tiles lift it, and no solver.
STEPS, STEPS_WHOLE = 600, 2_400
#: Most rounds of swaps.
ROUNDS_MAX = 24


def check_request(
    existing: BoolArray,
    p: int | None,
    budget: int | None,
    cost: NDArray[np.int64] | None,
    forbidden: BoolArray | None,
) -> tuple[BoolArray, NDArray[np.int64], int, dict[str, int]]:
    """Return candidates, costs, budget and parameters, or say what is wrong with the request."""
    if (p is None) == (budget is None):
        raise ValueError("give either p or budget (with cost)")
    candidate = ~existing
    if forbidden is not None:
        if np.shape(forbidden) != (existing.size,):
            raise ValueError(f"forbidden must have shape ({existing.size},)")
        candidate &= ~np.asarray(forbidden, bool)
    if p is not None:
        count = check_count(p, "p")
        return candidate, np.ones(existing.size, np.int64), count, {"p": count}
    if cost is None or np.shape(cost) != (existing.size,):
        raise ValueError(f"budget needs cost of shape ({existing.size},)")
    price = np.asarray(cost)
    if not np.issubdtype(price.dtype, np.integer) or price[candidate].min(initial=1) <= 0:
        raise ValueError("cost must be whole numbers > 0 for every candidate")
    money = check_count(budget, "budget")
    return candidate, price.astype(np.int64), money, {"budget": money}


@keep_log
def maximal_covering(
    coverage: Coverage,
    p: int | None = None,
    *,
    budget: int | None = None,
    cost: NDArray[np.int64] | None = None,
    existing: BoolArray | None = None,
    forbidden: BoolArray | None = None,
    site_group: NDArray[np.integer] | None = None,
    least: NDArray[np.integer] | None = None,
    most: NDArray[np.integer] | None = None,
    gap: float = 0.005,
    time_limit_s: float | None = None,
    seed: int = 0,
    steps: int | None = None,
    sweeps: int = 200,
    passes: int = 40,
    effort: int = 1,
    progress: Callable[[str, int, int, float, float], None] = nothing,
    stop: Callable[[], bool] = lambda: False,
    checkpoint: Callable[[Mapping[str, Any]], None] = nothing,
    resume: Mapping[str, Any] | None = None,
) -> Decision:
    """Choose sites so that as much weight as possible is covered.

    ``max sum w_i z_i, z_i <= sum_{j covers i} y_j, sum y_j <= p`` or ``sum f_j y_j <= budget``.

    Parameters
    ----------
    coverage : Coverage
        Existing sites serve already and are not chosen again.
    p : int, optional
        How many sites to add.
    budget, cost : int, (n_site,) int64, optional
        What may be spent and what each site costs, instead of `p`.
    existing : (n_site,) bool, optional
        Sites that serve already, beside those of the coverage: not chosen, not counted, free.
    forbidden : (n_site,) bool, optional
        Sites that may not be chosen.
    site_group : (n_site,) int, optional
        Group of each site, 0 .. n_group - 1, -1 for none.
    least, most : (n_group,) int, optional
        How many sites each group has at least and at most, existing ones included.
    gap : float
        Ends the search once proven.
    time_limit_s : float, optional
        Makes the answer depend on the machine; without it the answer depends on the seed alone.
    seed : int
    steps : int, optional
        Most steps of the bound; if left out 600, or 2,400 where a plan of much overlap is improved
        as a whole and its relaxation is too large to be solved to the end.
    sweeps : int
        Length of the annealing, where windows do not fit.
    passes : int
        Most passes of windows over all sites, or rounds of plans annealed and merged.
    effort : int
        0..3: how large windows, tiles and the exact finish may grow; each level costs several
        times the last.
    progress : callable
        ``progress(stage, done, total, value, bound)``.
    stop : callable
        Polled at every look; true returns the best plan so far with status ``stopped``.
    checkpoint : callable
        Takes the whole state at every look; `resume` goes on from it to the same answer.

    Returns
    -------
    Decision

    Raises
    ------
    ValueError
        Where the request contradicts itself.
    InfeasibleError
        Where the limits on the groups do; with every conflict.

    Notes
    -----
    Floors of groups of demand: `covering_with_floors`. Left out: several budgets, groups of sites
    that overlap.
    """
    check_kind(coverage, Coverage, "coverage")
    coverage = coverage.with_existing(existing)
    check_limits(gap, time_limit_s, seed)
    candidate, price, amount, parameters = check_request(
        coverage.existing, p, budget, cost, forbidden
    )
    if not 0 <= effort < len(LIFTS):
        raise ValueError(f"effort must be 0..{len(LIFTS) - 1}. Got {effort}")
    if site_group is not None or least is not None or most is not None:
        # loaded late: its kernels compile for those who ask
        from groundplan.engine.location.limited import cover_within_limits

        return cover_within_limits(
            coverage, candidate, price, amount, parameters, site_group, least, most,
            gap=gap, time_limit_s=time_limit_s, seed=seed, progress=progress, stop=stop,
            checkpoint=checkpoint, resume=resume, steps=STEPS if steps is None else steps,
            sweeps=sweeps, passes=passes, effort=effort, nodes=NODES[effort],
            rows_direct=ROWS_DIRECT, sites_direct=SITES_DIRECT,
        )  # fmt: skip
    run = Run(
        coverage, candidate, price, amount, parameters,
        gap=gap, time_limit_s=time_limit_s, seed=seed, progress=progress, stop=stop,
        checkpoint=checkpoint,
    )  # fmt: skip
    program = run.search.program
    if program.n_site == 0 or program.n_row == 0:
        return run.certify("optimal")
    phase = "dual"
    if resume:
        phase = run.restore(resume)
    else:
        run.log["greedy"] = run.base + run.search.repair(np.zeros(program.n_site, bool))
    if phase == "dual":
        run.find_prices(count_steps(run) if steps is None else steps)
    return finish_run(run, phase, resume, sweeps=sweeps, passes=passes, effort=effort)


def count_steps(run: Run) -> int:
    """Return how many steps of the bound a run takes where it is not told."""
    program = run.search.program
    is_whole = max(program.n_row, program.n_site) <= SWAP_MAX and not run.search.fits_windows()
    return STEPS_WHOLE if is_whole and program.site_indices.size > PAIRS_MAX else STEPS


def finish_run(
    run: Run,
    phase: str,
    resume: Mapping[str, Any] | None,
    *,
    sweeps: int,
    passes: int,
    effort: int,
) -> Decision:
    """Go from prices and a first plan to the decision."""
    if improve_run(run, phase, resume, sweeps=sweeps, passes=passes, effort=effort):
        return run.certify("optimal")
    return run.certify("feasible" if run.relative() <= run.gap else "stopped")


def improve_run(
    run: Run,
    phase: str,
    resume: Mapping[str, Any] | None,
    *,
    sweeps: int,
    passes: int,
    effort: int,
    is_solved: bool = True,
) -> bool:
    """Solve exactly where small, else improve; true where the plan was proven by a solver.

    Parameters
    ----------
    is_solved : bool
        What improvement leaves open is given to a general solver, where not too large.
    """
    program = run.search.program
    is_small = program.n_row <= ROWS_MAX and program.n_site <= SITES_MAX
    is_tiny = program.n_row <= ROWS_DIRECT or program.n_site <= SITES_DIRECT
    is_few = program.n_site <= SITES_DIRECT
    is_solver = max(program.n_row, program.n_site) <= ROWS_SOLVER
    # a sweep along a narrow frontier ends sooner than a general solver does
    is_swept = (
        is_small
        and is_tiny
        and not is_solver
        and fits_sweep(program)
        and (is_few or not run.search.fits_windows())
    )
    if is_swept:
        is_tiny = False
        # so small a case is solved to the end whatever gap is asked for
        run.gap = 0.0
    if is_small and is_tiny and not is_solver and not run.search.fits_windows():
        run.try_whole_cover()
    if is_small and is_tiny and run.finish_exactly(None):
        return True
    if not run.is_done():
        state = resume if phase in {"anneal", "windows", "swaps"} else None
        if not is_swept and run.search.fits_windows():
            run.improve_by_windows(passes, effort, state)
        elif max(program.n_row, program.n_site) <= SWAP_MAX:
            rounds = min(passes, ROUNDS_MAX)
            if state is None:
                run.try_whole_cover()
            if state is None and not is_few and not run.is_done():
                take_exact_prices(run)
            if not run.is_done():
                run.improve_by_swaps(sweeps, rounds, state)
            run.prove_by_strip(STRIP_EFFORTS[effort])
            if not run.is_done():
                run.improve_by_swaps(sweeps, rounds, run.swaps)
        else:
            run.improve_by_annealing(sweeps, state)
    is_large = program.n_row > ROWS_DIRECT and program.n_site > SITES_DIRECT
    nodes = NODES[effort] if is_large else None
    if not is_small or run.is_done() or (is_large and not is_solved):
        return False
    return run.finish_exactly(nodes)
