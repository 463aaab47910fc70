"""What every request may ask: a whole number of sites, a gap, a limit of time, a seed."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

__all__ = ["check_count", "check_kind", "check_limits"]

#: Seeds are the first half of a key of two 64-bit numbers, kept to those that have a sign.
SEED_END = 2**63


def check_count(value: Any, name: str) -> int:
    """Return a whole number >= 0, or say what is wrong with it."""
    try:
        count = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number. Got {value!r}") from None
    if count < 0:
        raise ValueError(f"{name} must be >= 0. Got {value}")
    return count


def check_limits(gap: Any, time_limit_s: Any, seed: Any = 0) -> None:
    """Raise where a gap, a limit of time or a seed is none."""
    if not is_number(gap) or not (math.isfinite(gap) and gap >= 0):
        raise ValueError(f"gap must be a number >= 0, as a share of the value. Got {gap!r}")
    if time_limit_s is not None and not (is_number(time_limit_s) and time_limit_s >= 0):
        raise ValueError(f"time_limit_s must be >= 0, or None for no limit. Got {time_limit_s!r}")
    if check_count(seed, "seed") >= SEED_END:
        raise ValueError(f"seed must be less than 2**63. Got {seed}")


def is_number(value: Any) -> bool:
    """Return whether a value is a real number, which words and arrays are not."""
    return isinstance(value, numbers.Real)


def check_kind(given: Any, kind: type, name: str) -> None:
    """Raise where a problem is of another kind than the solver takes; names how to make one."""
    if not isinstance(given, kind):
        makers = ", ".join(f"{kind.__name__}.{m}" for m in dir(kind) if m.startswith("from_"))
        raise TypeError(
            f"{name} must be a {kind.__name__}{f', made by one of {makers}' if makers else ''}. "
            f"Got {type(given).__name__}"
        )
