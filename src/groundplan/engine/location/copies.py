"""Plans whose costs differ, improved in rounds: annealed copies of one plan, merged exactly.

Where rounds gain no more, another plan is grown from nothing; what it comes to is merged with the
frozen ones before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location import strip

if TYPE_CHECKING:
    from groundplan.engine.location.run import Run

__all__ = ["improve_by_copies"]

BoolArray = NDArray[np.bool_]
#: Moves of one annealing by swaps: so many a sweep and site, and at most so many a sweep.
MOVES, MOVES_MAX = 4, 20_000
#: Rounds of swaps without gain after which another arrangement is grown, rounds without gain of
#: any after which a sweep tries to prove the plan, and frozen arrangements to merge with.
PATIENCE, PATIENCE_PROVABLE, ELITES = 3, 9, 5


def improve_by_copies(run: Run, sweeps: int, rounds: int, resume: Mapping[str, Any] | None) -> None:
    """Anneal copies of the best plan by swaps and merge them exactly, round after round."""
    search = run.search
    program = search.program
    plan, pool, elites = search.best.copy(), list[BoolArray](), list[BoolArray]()
    first = stale = age = 0
    is_new = False
    is_first = run.searched is None and strip.fits_sweep(program)
    patience = PATIENCE_PROVABLE if is_first else rounds
    if resume is not None:
        run.swaps = resume
        first, stale, age = (int(resume[k]) for k in ("round", "stale", "age"))
        is_new = bool(resume["is_new"])
        plan = np.array(resume["plan"], bool)
        pool, elites = list(np.array(resume["pool"], bool)), list(resume["elites"])
    moves = max(1, min(MOVES * program.n_site, MOVES_MAX) * sweeps)
    for turn in range(first, rounds):
        if stale >= patience:
            break
        before = search.best_value
        pool, found = search.merge_annealed(moves, [run.seed, turn], plan, pool, is_new=is_new)
        better = is_new or search.value(search.counts(found)) > search.value(search.counts(plan))
        plan, is_new, age = found, False, 0 if better else age + 1
        if better and elites:
            # rounds count below 2**32: these numbers are no round's
            search.merge([plan, *elites], [run.seed, turn + 2**32])
        if age >= PATIENCE:
            # the arrangement is frozen: another is grown, then merged with those before
            elites = [*elites, plan][-ELITES:]
            pool, age, is_new = [], 0, True
            is_known = any(np.array_equal(search.best, e) for e in elites)
            if not is_known:
                # what merging made of several is searched itself first
                plan, is_new = search.best.copy(), False
        stale = stale + 1 if search.best_value == before else 0
        run.log["rounds"] = turn + 1
        run.swaps = {
            "round": turn + 1, "stale": stale, "age": age, "is_new": is_new, "plan": plan,
            "pool": np.array(pool), "elites": np.array(elites),
        }  # fmt: skip
        if run.look("improve", "swaps", turn + 1, rounds, **run.swaps) or run.is_done():
            return
