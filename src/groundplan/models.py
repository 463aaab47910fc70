"""Short public names of the closed forms; each loads when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.models import (
        Carriers,
        Sizing,
        Waiting,
        carriers_needed,
        erlang_c,
        size_servers,
        waiting_time,
    )

__all__ = [
    "Carriers",
    "Sizing",
    "Waiting",
    "carriers_needed",
    "erlang_c",
    "size_servers",
    "waiting_time",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("groundplan.engine.models"), name)
    raise AttributeError(f"module 'groundplan.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
