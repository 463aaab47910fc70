"""HiGHS without a word: its constructor prints a banner before a caller can set an option."""

from __future__ import annotations

from typing import Any

__all__ = ["silent_solver"]


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
