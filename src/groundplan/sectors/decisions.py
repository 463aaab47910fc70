"""Kinds of decision beyond covering and capacities, as a sector declares them.

Part of the contract: sectors take these names from `sectors.contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Backup"]


@dataclass(frozen=True)
class Backup:
    """Service by one site near enough or by several around a user, to hold when a site fails.

    Within the reach of its `Catchment` (``"distance"``, the same on every class of land) a site
    serves alone. Farther away users are served inside a triangle of sites that are all within
    ``network_m``, where the nearest of them is within ``near_m``.

    ``parameters(settings)`` returns ``network_m``; ``near_m`` (n_layer,); ``worth_ratio``, what
    demand that is served whichever site fails is worth beside demand that is served, 0..1;
    ``square_m``, the side of the squares in which demand is taken together; and
    ``directions_count``, in how many directions the plan looks for sites, at least 3. `kind` is a
    key of the plan's table of engine functions (``"backup_covering"``).
    """

    kind: str
    parameters: Callable[[Mapping[str, Any]], Mapping[str, Any]]
