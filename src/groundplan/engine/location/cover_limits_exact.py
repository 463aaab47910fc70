"""Set covering within limits as an integer program, and which caps leave no plan at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.check_limits import Limits
from groundplan.engine.location.setcover_exact import End, program_of, search_program
from groundplan.engine.location.setcover_lists import Lists

__all__ = ["conflict_of", "solve_within"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def solve_within(
    lists: Lists,
    cost: IntArray,
    limits: Limits,
    *,
    allowed: BoolArray,
    plan: BoolArray | None,
    grain: int,
    nodes: int,
    time_limit_s: float | None,
    halt: Callable[[], bool] | None,
) -> End:
    """Solve the problem on the sites allowed; `plan` to begin with, if it is one of them.

    Parameters are those of `search_program`.
    """
    import highspy

    begin = plan if plan is not None and not (plan & ~allowed).any() else None
    end = search_program(
        program_of(lists, cost / grain, limits, allowed), begin, grain=grain, nodes=nodes,
        time_limit_s=time_limit_s, halt=halt,
    )  # fmt: skip
    is_refused = end.status == highspy.HighsModelStatus.kInfeasible
    # a bound without end counts only where the solver says that there is no plan
    is_open = end.plan is None and not is_refused and not np.isfinite(end.bound)
    return replace(end, bound=0.0) if is_open else end


def conflict_of(lists: Lists, limits: Limits, *, nodes: int, halt: Callable[[], bool]) -> list[int]:
    """Return groups whose caps together leave no plan, none of which may be left out.

    The limits as a whole must be known to allow no plan; a question that is not answered within
    the nodes keeps its cap.
    """
    most = limits.most.copy()
    size = np.bincount(limits.group, minlength=most.size)
    blamed = []
    everything = np.ones(lists.n_site, bool)
    for g in range(limits.n_group):
        if most[g] >= size[g]:
            continue
        held = most[g]
        most[g] = size[g]
        if not halt():
            end = solve_within(
                lists, np.zeros(lists.n_site, np.int64), replace(limits, most=most),
                allowed=everything, plan=None, grain=1, nodes=nodes, time_limit_s=None, halt=halt,
            )  # fmt: skip
            if end.plan is None and end.bound == float("inf"):
                continue
        most[g] = held
        blamed.append(g)
    return blamed
