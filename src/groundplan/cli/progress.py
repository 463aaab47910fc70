"""Progress on standard error: stage, rate, time left, bound and gap; quiet when nobody looks."""

from __future__ import annotations

import math
import sys
import time
from typing import Any, TextIO

__all__ = ["Progress"]


class Progress:
    """Prints one changing line on a terminal, one line per stage elsewhere.

    Parameters
    ----------
    quiet : bool
    stream : text stream
        Standard error by default.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self.stream = stream or sys.stderr
        self.is_terminal = self.stream.isatty()
        self.began = time.monotonic()
        self.stage = ""
        self.stage_began = self.began
        self.drawn_at = 0.0
        self.line = ""

    def __call__(self, stage: str, done: int = 0, total: int = 0, **facts: Any) -> None:
        """Take one report of progress."""
        if self.quiet:
            return
        now = time.monotonic()
        if stage != self.stage:
            self.end_stage()
            self.stage, self.stage_began = stage, now
        self.line = self.text(now, done, total, facts)
        if self.is_terminal and now - self.drawn_at > 0.1:
            self.stream.write(f"\r\x1b[2K{self.line}")
            self.stream.flush()
            self.drawn_at = now

    def text(self, now: float, done: int, total: int, facts: dict[str, Any]) -> str:
        """Return the line that tells where the run stands."""
        spent = now - self.stage_began
        text = f"[{now - self.began:6.1f} s] {self.stage}"
        if total and done:
            rate = done / spent if spent > 0 else 0.0
            text += f" {done:,}/{total:,}"
            if rate > 0:
                text += f", {rate:,.1f}/s, at most {(total - done) / rate:,.0f} s left"
        value, bound = facts.get("value"), facts.get("bound")
        if value is not None and bound and math.isfinite(bound) and math.isfinite(value):
            text += f", value {value:,.0f}, bound {bound:,.0f}"
            # a cost lies above its bound, what is served below
            text += f", gap {abs(bound - value) / max(bound, value):.3%}"
        return text

    def end_stage(self) -> None:
        """Leave the last line of a stage standing."""
        if self.stage and self.line:
            self.stream.write(f"\r\x1b[2K{self.line}\n" if self.is_terminal else self.line + "\n")
            self.stream.flush()
        self.line = ""

    def close(self) -> None:
        """End the last stage."""
        if not self.quiet:
            self.end_stage()
