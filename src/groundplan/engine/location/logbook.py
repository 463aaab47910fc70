"""What the log of every decision tells alike: how value and bound came together, and the end."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ParamSpec

from groundplan.engine.problem import Decision

__all__ = ["ended_by", "keep_log"]

Asked = ParamSpec("Asked")
#: Longest list of anytime values; beyond it every second entry is dropped.
ENTRIES = 512
#: A call that used this share of its limit was ended by it.
LIMIT_SHARE = 0.9


def keep_log(solve: Callable[Asked, Decision]) -> Callable[Asked, Decision]:
    """Return the solver with two more entries in the log of its decision.

    ``anytime``: lists of stage, best value, best bound, one for each look that changed either; they
    hold no times, so that the same seed gives the same log (a resumed solve begins anew).
    ``ended``: ``"optimal"``, ``"gap"`` (the one asked for is proven), ``"stop"`` (asked to),
    ``"time"`` or ``"counts"`` (the efforts asked for are spent).
    """

    @functools.wraps(solve)
    def told(*given: Asked.args, **asked: Asked.kwargs) -> Decision:
        begun = time.monotonic()
        looks: list[tuple[str, float, float]] = []
        is_stopped = False
        outer: Any = asked.get("progress")
        poll: Any = asked.get("stop")

        def look(stage: str, done: int, total: int, value: float, bound: float) -> None:
            if not looks or looks[-1][1:] != (value, bound):
                looks.append((stage, value, bound))
                if len(looks) > ENTRIES:
                    del looks[1::2]
            if outer is not None:
                outer(stage, done, total, value, bound)

        def stop() -> bool:
            nonlocal is_stopped
            is_stopped = is_stopped or bool(poll())
            return is_stopped

        asked["progress"] = look
        if poll is not None:
            asked["stop"] = stop
        found = solve(*given, **asked)
        limit: Any = asked.get("time_limit_s")
        ended = ended_by(found.status, time.monotonic() - begun, limit, is_stopped=is_stopped)
        log = {**found.log, "anytime": best_of(looks, found), "ended": ended}
        return replace(found, log=log)

    return told


def ended_by(status: str, used_s: float, limit_s: float | None, *, is_stopped: bool) -> str:
    """Return what ended a solve: ``optimal``, ``gap``, ``stop``, ``time`` or ``counts``."""
    if status != "stopped":
        return "gap" if status == "feasible" else status
    if is_stopped:
        return "stop"
    return "counts" if limit_s is None or used_s < LIMIT_SHARE * limit_s else "time"


def best_of(looks: list[tuple[str, float, float]], found: Decision) -> list[list[Any]]:
    """Return stage, best value and best bound so far; the last are those of the decision."""
    better, tighter = (max, min) if found.sense == "max" else (min, max)
    out: list[list[Any]] = []
    value: float | None = None
    bound: float | None = None
    for stage, new_value, new_bound in looks:
        if math.isfinite(new_value):
            value = new_value if value is None else better(value, new_value)
        if math.isfinite(new_bound):
            bound = new_bound if bound is None else tighter(bound, new_bound)
        if not out or out[-1][1:] != [value, bound]:
            out.append([stage, value, bound])
    last = ["end", found.value, found.bound]
    return [[stage, plain(v), plain(b)] for stage, v, b in [*out, last]]


def plain(number: Any) -> int | float | None:
    """Return a number as text files know it: whole where it is whole."""
    if number is None:
        return None
    return int(number) if number == int(number) else float(number)
