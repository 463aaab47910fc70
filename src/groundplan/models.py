"""Short public names of the closed forms; each loads when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.models import (
        Carriers,
        ChargingPeak,
        ChargingSchedule,
        Constellation,
        DayQueue,
        Diffusion,
        Dop,
        FeederDay,
        FiniteWaiting,
        Forecast,
        MessageBudget,
        RachConfig,
        RandomAccess,
        Sizing,
        SkyView,
        Waiting,
        bass,
        carriers_needed,
        charging_schedule,
        day_load,
        day_queue,
        dop,
        erlang_c,
        feeder_day,
        feeder_peak,
        finite_waiting,
        forecast,
        logistic,
        message_budget,
        random_access,
        reply_cards,
        size_servers,
        sky_view,
        smart_charging_peak,
        terrain_horizon,
        uncontrolled_load,
        waiting_time,
        walker_constellation,
    )

__all__ = [
    "Carriers",
    "ChargingPeak",
    "ChargingSchedule",
    "Constellation",
    "DayQueue",
    "Diffusion",
    "Dop",
    "FeederDay",
    "FiniteWaiting",
    "Forecast",
    "MessageBudget",
    "RachConfig",
    "RandomAccess",
    "Sizing",
    "SkyView",
    "Waiting",
    "bass",
    "carriers_needed",
    "charging_schedule",
    "day_load",
    "day_queue",
    "dop",
    "erlang_c",
    "feeder_day",
    "feeder_peak",
    "finite_waiting",
    "forecast",
    "logistic",
    "message_budget",
    "random_access",
    "reply_cards",
    "size_servers",
    "sky_view",
    "smart_charging_peak",
    "terrain_horizon",
    "uncontrolled_load",
    "waiting_time",
    "walker_constellation",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("groundplan.engine.models"), name)
    raise AttributeError(f"module 'groundplan.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
