"""City plans improved round after round: flocks of plans bred from each other, then searched.

A flock begins with plans cooled from nothing and breeds until it gains no more; what its plans are
made of is searched (`restricted`), and it breeds on with the best of the flocks before. What a
round begins with is the two flocks: a saved state holds no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location import strip
from groundplan.engine.location.breed import Flock, find_landmarks, splice
from groundplan.engine.location.cooling import Heats, cool_plans, set_heats
from groundplan.engine.location.pairs import fits_pairs
from groundplan.engine.location.program import Program
from groundplan.engine.location.restricted import fill, search_near, search_sites

if TYPE_CHECKING:
    from groundplan.engine.location.run import Run
    from groundplan.engine.location.search import Search

__all__ = ["chosen_count", "improve_by_breeding"]

#: Moves of one child: so many a site and sweep, at most so many a sweep.
MOVES, MOVES_MAX = 2, 2_500
#: Plans of a flock, children cooled side by side, and times that they are in one round.
FLOCK, CHILDREN, TURNS = 12, 8, 8
#: The first plans of a flock begin so many times hotter than children, and make so many times their
#: moves.
FIRST_HEAT, FIRST_MOVES = 6.0, 2
#: Turns without gain after which a flock breeds no more; one that kept no child counts twice.
STALE = 20
#: What lies near the plan that a flock ends with is searched where its value lies at most so many
#: mild temperatures below the best one.
NEAR_BEST = 4.0
#: Flocks without gain after which the search ends.
IDLE = 12
#: Rounds without gain after which a sweep tries to prove the plan, where it may; up to so many
#: sites it ends sooner than rounds do.
PATIENCE_PROVABLE, PATIENCE_SMALL, SMALL = 9, 1, 1_000


def chosen_count(program: Program) -> int:
    """Return how many sites a plan of a flock holds, 0 where none serves the program."""
    if not program.n_site or program.cost.min() != program.cost.max():
        return 0
    size = min(program.n_site, program.budget // int(program.cost[0]))
    fits = 0 < size < program.n_site and fits_pairs(program.weight, program.n_site, size)
    return size if fits else 0


class Breeding:
    """The flock that breeds, the best of those before, and how long nothing was gained.

    Parameters
    ----------
    search : Search
        Its best plan is improved.
    moves : int
        Of a child.
    state : mapping, optional
        What `state` returned.
    """

    def __init__(self, search: Search, moves: int, state: Mapping[str, Any] | None) -> None:
        self.search, self.moves = search, moves
        self.size = chosen_count(search.program)
        self.flock, self.kept = (Flock(search.program.n_site, FLOCK) for _ in range(2))
        self.stale = self.idle = 0
        self.is_mixed = False
        #: Best value when the flock began.
        self.begun_at = search.best_value
        if state is not None:
            self.stale, self.idle = int(state["stale"]), int(state["idle"])
            self.is_mixed, self.begun_at = bool(state["is_mixed"]), int(state["begun_at"])
            for flock, name in ((self.flock, "flock"), (self.kept, "kept")):
                flock.plans = list(np.array(state[name], np.int64))
                flock.values = [int(v) for v in state[f"{name}_values"]]
        # the same for every flock and after a resumption
        self.landmarks = find_landmarks(search.program, np.random.Generator(np.random.Philox(0)))

    def state(self) -> dict[str, Any]:
        """Return what a later run goes on from."""
        empty = np.zeros((0, self.size), np.int64)
        return {
            "stale": self.stale,
            "idle": self.idle,
            "is_mixed": self.is_mixed,
            "begun_at": self.begun_at,
            "flock": np.array(self.flock.plans or empty),
            "flock_values": np.array(self.flock.values, np.int64),
            "kept": np.array(self.kept.plans or empty),
            "kept_values": np.array(self.kept.values, np.int64),
        }

    def go_round(self, rng: np.random.Generator, run: Run) -> None:
        """Begin a flock, or let it breed for some turns; a flock that gains no more is merged."""
        search = self.search
        total = int(search.program.weight.sum())
        heats = set_heats(search.best_value, total, self.size)
        if not self.flock.plans:
            self._begin(heats, rng, run)
        for _ in range(TURNS):
            if run.is_late():
                break
            if self.stale >= STALE or len(self.flock.plans) < 2:
                self._end(run.is_late)
                break
            self._turn(heats, rng, run)
        self._keep_best()

    def _begin(self, heats: Heats, rng: np.random.Generator, run: Run) -> None:
        """Fill the flock with plans cooled from nothing."""
        p = self.search.program
        plans = np.array([rng.choice(p.n_site, self.size, replace=False) for _ in range(FLOCK)])
        self.begun_at, self.stale, self.is_mixed = self.search.best_value, 0, False
        seeds = rng.integers(1, 2**63, FLOCK, dtype=np.uint64)
        plans, values = cool_plans(
            p, plans, FIRST_HEAT * heats.mild, heats.cold, FIRST_MOVES * self.moves, seeds,
            run.is_late,
        )  # fmt: skip
        for plan, value in zip(plans, values, strict=True):
            self.flock.put(np.sort(plan), int(value))
        if not self.kept.plans:
            # sites that add nothing fill the places that are left: they are free to move
            chosen, others = np.flatnonzero(self.search.best), np.flatnonzero(~self.search.best)
            known = np.sort(np.concatenate([chosen, others[: self.size - chosen.size]]))
            self.flock.put(known, self.search.best_value)

    def _turn(self, heats: Heats, rng: np.random.Generator, run: Run) -> None:
        """Breed children of drawn plans and keep those that are good enough."""
        flock = self.flock
        before = flock.best()
        children = np.empty((CHILDREN, self.size), np.int64)
        for k in range(CHILDREN):
            a, b = rng.choice(len(flock.plans), 2, replace=False)
            children[k] = splice(flock.plans[a], flock.plans[b], self.landmarks, rng)
        seeds = rng.integers(1, 2**63, CHILDREN, dtype=np.uint64)
        children, values = cool_plans(
            self.search.program, children, heats.mild, heats.cold, self.moves, seeds, run.is_late
        )
        kept = [flock.put(np.sort(c), int(v)) for c, v in zip(children, values, strict=True)]
        self.stale = self.stale + 1 + (not any(kept)) if flock.best() == before else 0

    def _end(self, halt: Callable[[], bool]) -> None:
        """Search what the flock is made of, then mix it with the best before or keep it."""
        search, flock = self.search, self.flock
        program = search.program
        self._keep_best()
        among = search_sites(program, _sites(flock.plans), flock.best(), halt)
        plan = flock.plans[flock.first(1)[0]] if among.plan is None else among.plan
        plan, value = fill(program, plan, self.size), among.value
        heat = set_heats(search.best_value, int(program.weight.sum()), self.size).mild
        if value > search.best_value - NEAR_BEST * heat:
            plan, value = search_near(program, plan, value, halt)
        flock.put(plan, value)
        self._keep_best()
        both = search_sites(program, _sites(flock.plans + self.kept.plans), search.best_value, halt)
        if both.plan is not None:
            flock.put(fill(program, both.plan, self.size), both.value)
            self._keep_best()
        if self.kept.plans and not self.is_mixed:
            mixed = Flock(flock.n_site, FLOCK)
            for one in (flock, self.kept):
                for k in one.first(FLOCK // 2):
                    mixed.put(one.plans[k], one.values[k])
            self.flock, self.stale, self.is_mixed = mixed, 0, True
            return
        self.kept, self.flock = flock, Flock(flock.n_site, FLOCK)
        self.idle = self.idle + 1 if search.best_value == self.begun_at else 0

    def _keep_best(self) -> None:
        """Tell the search of the best plan of the flock."""
        if self.flock.plans:
            self.search.repair(self._as_mask(self.flock.plans[self.flock.first(1)[0]]))

    def _as_mask(self, plan: NDArray[np.int64]) -> NDArray[np.bool_]:
        chosen = np.zeros(self.flock.n_site, bool)
        chosen[plan] = True
        return chosen


def _sites(plans: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the sites of several plans."""
    return np.unique(np.concatenate(plans))


def improve_by_breeding(
    run: Run, sweeps: int, rounds: int, resume: Mapping[str, Any] | None
) -> None:
    """Improve the best plan of a run; where the state is one of a flock it goes on from there.

    Parameters
    ----------
    run : Run
        Its program is one for which `chosen_count` is not 0.
    sweeps, rounds : int
        Length of a round, and how many; under a time limit they go on while flocks gain.
    resume : mapping, optional
        As the run saved it.
    """
    search = run.search
    p = search.program
    patience = rounds
    if run.searched is None and strip.fits_sweep(p):
        patience = PATIENCE_SMALL if p.n_site <= SMALL else PATIENCE_PROVABLE
    elif run.ends_at is not None:
        rounds = patience = 10_000
    first = unchanged = 0
    if resume is not None:
        run.swaps = resume
        first, unchanged = int(resume["round"]), int(resume["unchanged"])
    moves = max(1, min(MOVES * p.n_site, MOVES_MAX) * sweeps)
    breeding = Breeding(search, moves, resume)
    for turn in range(first, rounds):
        if unchanged >= patience or breeding.idle >= IDLE:
            break
        before = search.best_value
        breeding.go_round(np.random.Generator(np.random.Philox(key=[run.seed, turn])), run)
        unchanged = unchanged + 1 if search.best_value == before else 0
        run.log["rounds"] = turn + 1
        run.swaps = {"round": turn + 1, "unchanged": unchanged, **breeding.state()}
        if run.look("improve", "swaps", turn + 1, rounds, **run.swaps) or run.is_done():
            return
