"""City plans improved round after round: a ladder of temperatures, quenched plans, exact merging.

A round walks the ladder on, cools copies of its colder plans until nothing moves, and merges what
they come to with the best plan and with elite plans of earlier rounds that differ from each other.
What a round begins with is the plans on the rungs, the best plan and the elite: a saved state
holds no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location import strip
from groundplan.engine.location.ladder import Ladder, place_rungs
from groundplan.engine.location.merge import merge_plans
from groundplan.engine.location.pairs import fits_pairs
from groundplan.engine.location.program import Program

if TYPE_CHECKING:
    from groundplan.engine.location.run import Run
    from groundplan.engine.location.search import Search

__all__ = ["chosen_count", "improve_on_ladder"]

BoolArray = NDArray[np.bool_]
#: Moves of a rung in one round: so many a sweep and site, and at most so many a sweep.
MOVES, MOVES_MAX = 20, 20_000
#: The first round begins so much hotter than the hottest rung, for half of its moves.
BEGIN = 1.5
#: Colder rungs whose plans are quenched, the share of the moves that takes, and the last
#: temperature in that of the coldest rung.
QUENCHED, QUENCH_SHARE, QUENCH_COLD = 4, 2, 0.1
#: Most elite plans, and in what share of the sites two of them differ at least.
ELITE, ELITE_APART = 10, 0.2
#: Rounds without gain after which a sweep tries to prove the plan, where it may; up to so many
#: sites it ends sooner than rounds do.
PATIENCE_PROVABLE, PATIENCE_SMALL, SMALL = 9, 1, 1_000


def chosen_count(program: Program) -> int:
    """Return how many sites a plan on the ladder holds, 0 where it does not serve the program."""
    if not program.n_site or program.cost.min() != program.cost.max():
        return 0
    size = min(program.n_site, program.budget // int(program.cost[0]))
    fits = 0 < size < program.n_site and fits_pairs(program.weight, program.n_site, size)
    return size if fits else 0


def improve_on_ladder(run: Run, sweeps: int, rounds: int, resume: Mapping[str, Any] | None) -> None:
    """Improve the best plan of a run; where the state is one of a ladder it goes on from there.

    Parameters
    ----------
    run : Run
        Its program is one for which `chosen_count` is not 0.
    sweeps, rounds : int
        Length of a round, and how many.
    resume : mapping, optional
        ``round``, ``stale``, ``plans`` and ``elites``, as the run saved them.
    """
    search = run.search
    p = search.program
    size = chosen_count(p)
    moves = max(1, min(MOVES * p.n_site, MOVES_MAX) * sweeps)
    total = int(p.weight.sum())
    plans, elites = np.zeros((0, size), np.int64), np.zeros((0, p.n_site), bool)
    first = stale = 0
    patience = rounds
    if run.searched is None and strip.fits_sweep(p):
        patience = PATIENCE_SMALL if p.n_site <= SMALL else PATIENCE_PROVABLE
    if resume is not None:
        run.swaps = resume
        first, stale = int(resume["round"]), int(resume["stale"])
        plans, elites = np.array(resume["plans"], np.int64), np.array(resume["elites"], bool)
    for turn in range(first, rounds):
        if stale >= patience:
            break
        before = search.best_value
        rng = np.random.Generator(np.random.Philox(key=[run.seed, turn]))
        heat = place_rungs(before, total, size, p.n_site)
        if len(plans):
            # what is left to gain shrinks, and with it the coldest rung: the plans spread over more
            ladder = Ladder(
                p, plans[np.arange(heat.size) * len(plans) // heat.size], heat, run.is_late
            )
        else:
            chosen = np.flatnonzero(search.best)
            # sites that add nothing fill the places that are left: they are free to move
            chosen = np.concatenate([chosen, np.flatnonzero(~search.best)[: size - chosen.size]])
            ladder = Ladder(p, np.tile(chosen, (heat.size, 1)), heat, run.is_late)
            ladder.anneal(moves // 2, np.full(heat.size, BEGIN * heat[-1]), heat, rng)
        ladder.forget()
        ladder.exchange(moves, rng)
        plans = ladder.plans()
        elites = _merge_round(search, ladder, moves, elites, rng)
        stale = stale + 1 if search.best_value == before else 0
        run.log["rounds"] = turn + 1
        run.swaps = {"round": turn + 1, "stale": stale, "plans": plans, "elites": elites}
        if run.look("improve", "swaps", turn + 1, rounds, **run.swaps) or run.is_done():
            return


def _merge_round(
    search: Search, ladder: Ladder, moves: int, elites: BoolArray, rng: np.random.Generator
) -> BoolArray:
    """Quench the colder plans of a ladder and merge all that is known; returns the elite."""
    p = search.program
    n = min(QUENCHED, ladder.heat.size)
    heat = ladder.heat[:n]
    quench = Ladder(p, ladder.plans()[:n], heat)
    quench.anneal(max(1, moves // QUENCH_SHARE), heat, np.full(n, QUENCH_COLD * heat[0]), rng)
    found = np.zeros((2 * n, p.n_site), bool)
    for k in range(n):
        found[k, quench.best_plan[k]] = True
        found[n + k, ladder.best_plan[k]] = True
    pool = np.concatenate([found, elites])
    value = np.array([search.repair(plan.copy()) for plan in pool])
    order = np.argsort(-value, kind="stable")
    apart = max(1, int(ELITE_APART * int(pool[0].sum())))
    kept: list[int] = []
    for k in order:
        if len(kept) < ELITE and all((pool[k] & ~pool[j]).sum() >= apart for j in kept):
            kept.append(int(k))
    others = [*found[np.argsort(-value[: 2 * n], kind="stable")[:n]], *pool[kept]]
    search.repair(merge_plans(p, search.best, others, float(rng.uniform()))[0])
    return pool[kept]
