"""Constants of the radio engine: CSV tables that travel with it, each row with its source.

Confidence letters: H high, M medium, L low, U unverified, A assumption.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

__all__ = ["constant_rows"]


@cache
def constant_rows(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of ``data/<name>.csv`` as text, in the order of the file.

    Examples
    --------
    >>> constant_rows("prb")[0]["prb_count"]
    '25'
    """
    path = resources.files("groundplan.engine.radio") / "data" / f"{name}.csv"
    with path.open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))
