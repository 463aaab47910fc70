"""HiGHS without a word: its constructor prints a banner before a caller can set an option."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["run_until", "silent_solver"]

#: Least time between two questions whether to stop.
ASK_EVERY_S = 0.05


def silent_solver() -> Any:
    """Return a HiGHS on one thread that prints nothing; loaded only where it is needed."""
    import highspy

    class Silent(highspy.Highs):
        """HiGHS whose output is off from the first step of its constructor."""

        def enableCallbacks(self) -> None:  # noqa: N802 - the solver's name
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()

    solver = Silent()
    solver.setOptionValue("threads", 1)
    return solver


def run_until(solver: Any, halt: Callable[[], bool] | None) -> None:
    """Run HiGHS and interrupt it from within once `halt` says so.

    What it has found by then stands as after any other end; a run that `halt` does not end is the
    same as without it.
    """
    if halt is None:
        solver.run()
        return
    asked = [time.perf_counter()]
    stopped = [False]

    def ask(event: Any) -> None:
        now = time.perf_counter()
        if not stopped[0] and now - asked[0] >= ASK_EVERY_S:
            asked[0] = now
            stopped[0] = halt()
        if stopped[0]:
            event.interrupt()

    points = (solver.cbSimplexInterrupt, solver.cbIpmInterrupt, solver.cbMipInterrupt)
    for point in points:
        point.subscribe(ask)
    try:
        solver.run()
    finally:
        for point in points:
            point.unsubscribe(ask)
