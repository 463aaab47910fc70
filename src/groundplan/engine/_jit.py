"""The only place that chooses how kernels run.

``jit`` compiles with numba, or, with ``GROUNDPLAN_NOJIT=1``, leaves the body as plain Python, so
that coverage and debuggers see the same lines. Kernels release the interpreter lock and take a
range ``lo, hi``; `spread` runs them on a few threads over a *fixed* number of chunks, so that
results do not depend on how many threads there are, and no second, parallel copy of a kernel is
compiled.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from groundplan.engine._threads import thread_count

__all__ = ["NOJIT", "chunks", "jit", "spread", "thread_count"]

NOJIT = os.environ.get("GROUNDPLAN_NOJIT", "") == "1"
Function = Callable[..., Any]

if NOJIT:

    def jit(function: Function | None = None, **_options: Any) -> Any:
        """Return the function unchanged."""
        return function if function is not None else lambda body: body
else:
    import numba

    def jit(function: Function | None = None, **options: Any) -> Any:
        """Compile with numba, cached on disk, without the interpreter lock.

        Options of ``numba.njit`` may be given: ``error_model="numpy"`` drops the test before each
        division, which keeps loops from becoming vector instructions.
        """
        compile_it = numba.njit(cache=True, nogil=True, **options)
        return compile_it if function is None else compile_it(function)


def chunks(n: int, count: int) -> list[tuple[int, int]]:
    """Cut ``range(n)`` into at most `count` neighbouring ranges of nearly equal size."""
    edge = np.linspace(0, n, max(1, min(count, n)) + 1).astype(np.int64)
    return [(int(a), int(b)) for a, b in pairwise(edge) if b > a]


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


#: Set on the threads of the pool: work that spreads itself again would wait for its own thread.
_within = threading.local()


def spread(kernel: Callable[..., Any], ranges: list[tuple[int, int]], *args: Any) -> list[Any]:
    """Call ``kernel(lo, hi, *args)`` for every range, on threads; results in the ranges' order.

    Called from within a kernel that is itself spread, it runs on that kernel's thread.
    """
    threads = min(thread_count(), len(ranges))
    if threads <= 1 or getattr(_within, "pool", False):
        return [kernel(lo, hi, *args) for lo, hi in ranges]

    def work(part: tuple[int, int]) -> Any:
        _within.pool = True
        return kernel(part[0], part[1], *args)

    return list(_pool(thread_count()).map(work, ranges))
