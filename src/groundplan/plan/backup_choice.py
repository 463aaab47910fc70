"""Which sites a plan that is to hold when one fails takes, and what no other choice exceeds.

Backup covering of single rows gives a plan, prices of groups the bounds; see `plan.backup`. What
was found so far is saved between the two and within the second, so that an ended run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.engine.location.backup_groups import GroupBound, GroupRows, price_groups
from groundplan.engine.problem import Decision
from groundplan.plan.backup import PERCENT, Rows, parts_of
from groundplan.plan.kinds import backup_model

if TYPE_CHECKING:
    from groundplan.plan.backup_plan import Question

__all__ = ["LEVELS", "Bounds", "Choice", "bounds_of", "choose", "group_rows", "levels_of"]

IntArray = NDArray[np.int64]
#: What is bounded: the score of both levels, and what is served once.
LEVELS = ("main", "first")
#: Steps of the engine's own prices, which groups outdo: enough to steer its search.
STEPS = 30
#: Most sweeps of the engine's annealing, and steps of the prices of groups.
SWEEPS, GROUP_STEPS = 60, 450


class Choice(NamedTuple):
    """Sites that the engine chose.

    Attributes
    ----------
    sites : (n,) int32
    engine : Decision or None
        Backup covering of the rows; None where nothing is left to choose.
    rows : Rows or None
    """

    sites: NDArray[np.int32]
    engine: Decision | None
    rows: Rows | None


class Bounds(NamedTuple):
    """What no plan exceeds.

    Attributes
    ----------
    score, served : int
        Of ``sum d (100 served + w firm)`` and of ``sum d served``.
    groups : mapping of str to GroupBound
        The prices behind them, by `LEVELS`; empty where nothing is left to choose.
    """

    score: int
    served: int
    groups: Mapping[str, GroupBound]


def levels_of(worth_percent: int, rows: Rows) -> IntArray:
    """Return what the first and the second site of each row earn, (2, n_row)."""
    return np.stack([PERCENT * rows.weight, worth_percent * rows.weight])


def group_rows(
    rows: Rows, name: str, worth_percent: int, standing: NDArray[np.bool_],
    free: NDArray[np.bool_], p: int,
) -> GroupRows:  # fmt: skip
    """Return the rows of the bound of a level, by its name in `LEVELS`."""
    n_list = rows.weight.size
    row = np.repeat(np.arange(n_list), np.diff(rows.ptr))
    have = np.bincount(row[standing[rows.site]], minlength=n_list)
    level = np.stack([PERCENT * rows.group_demand[0], worth_percent * rows.group_demand[1]])
    return GroupRows(
        rows.ptr, rows.site, rows.list_of, rows.group_of, rows.share.astype(np.float64),
        level if name == "main" else level[:1], have, free, p,
    )  # fmt: skip


def choose(question: Question, kind: str, **options: Any) -> Choice:
    """Return the sites that backup covering of single rows chooses.

    Parameters
    ----------
    question : Question
    kind : str
        Of `plan.kinds.BACKUP_KINDS`.
    options
        As in `engine.location.backup_covering`.
    """
    if not question.p or question.p >= int(question.free.sum()):
        free = np.flatnonzero(question.free) if question.p else np.zeros(0, np.int64)
        return Choice(free.astype(np.int32), None, None)
    from groundplan.engine.location import Coverage

    rows = question.rows
    coverage = Coverage.from_csr(rows.ptr, rows.site, rows.weight, question.free.size)
    asked = {
        **options,
        "steps": min(options["steps"], STEPS),
        "sweeps": min(options["sweeps"], SWEEPS),
    }
    engine = backup_model(kind)(
        coverage, levels_of(question.worth_percent, rows), question.p, existing=question.standing,
        forbidden=~(question.free | question.standing), **asked,
    )  # fmt: skip
    return Choice(engine.sites, engine, rows)


def bounds_of(
    question: Question, choice: Choice, score: int, served: int, *, steps: int,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[..., None] = lambda *_told: None,
    load: Callable[[str], Mapping[str, Any] | None] = lambda _name: None,
    save: Callable[[str, Mapping[str, Any]], None] = lambda _name, _state: None,
) -> Bounds:  # fmt: skip
    """Return what no plan exceeds.

    Parameters
    ----------
    question, choice : Question, Choice
    score, served : int
        What the plan reaches: steps are measured against it.
    steps : int
        Most steps of the prices.
    stop, progress : callable
        As in `engine.location.backup_covering`.
    load, save : callable
        State of an ended run by name, and where to put that of this one.
    """
    total, worth = int(question.places.demand.sum()), question.worth_percent
    engine, rows = choice.engine, choice.rows
    if engine is None or rows is None:
        return Bounds((PERCENT + worth) * total, total, {})
    steps = min(GROUP_STEPS, steps)
    reached = {
        "main": score - (PERCENT + worth) * rows.group_full,
        "first": PERCENT * (served - rows.group_full),
    }
    groups: dict[str, GroupBound] = {}
    for name in LEVELS:
        put, told = partial(save, name), partial(progress, "bound")
        groups[name] = price_groups(
            group_rows(rows, name, worth, question.standing, question.free, question.p),
            reached[name],
            steps=steps,
            halt=stop,
            state=load(name),
            save=put,
            look=partial(look_at, told, steps),
        )
    k = parts_of(question.directions)
    searched = (int(engine.bound) + (PERCENT + worth) * rows.full) // k
    priced = groups["main"].bound + (PERCENT + worth) * rows.group_full
    bound = groups["first"].bound // PERCENT + rows.group_full
    return Bounds(min((PERCENT + worth) * total, searched, priced), min(total, bound), groups)


def look_at(told: Callable[..., None], steps: int, step: int, bound: float) -> None:
    """Tell how far the prices have come."""
    told(step, steps, 0, bound)
