"""How many threads the engine may use; here apart, so that checks need not load the compiler."""

from __future__ import annotations

import os

__all__ = ["thread_count"]


def thread_count() -> int:
    """Return how many threads kernels may use: ``GROUNDPLAN_THREADS`` or the cores at hand."""
    asked = os.environ.get("GROUNDPLAN_THREADS", "")
    if asked:
        return max(1, int(asked))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
