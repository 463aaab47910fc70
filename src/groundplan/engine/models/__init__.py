"""Closed forms: arrays in, arrays out, each with its published source; loaded when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from groundplan.engine.models.daily_feeder import (
        FeederDay,
        feeder_day,
        feeder_peak,
        uncontrolled_load,
    )
    from groundplan.engine.models.daily_queue import (
        DayQueue,
        day_load,
        day_queue,
    )
    from groundplan.engine.models.diffusion import (
        Diffusion,
        Forecast,
        bass,
        forecast,
        logistic,
    )
    from groundplan.engine.models.finite_queue import (
        FiniteWaiting,
        finite_waiting,
    )
    from groundplan.engine.models.horizon import (
        terrain_horizon,
    )
    from groundplan.engine.models.queue import (
        Sizing,
        Waiting,
        erlang_c,
        size_servers,
        waiting_time,
    )
    from groundplan.engine.models.rach import (
        RachConfig,
        RandomAccess,
        random_access,
    )
    from groundplan.engine.models.satellites import (
        Constellation,
        Dop,
        dop,
        walker_constellation,
    )
    from groundplan.engine.models.short_message import (
        MessageBudget,
        message_budget,
        reply_cards,
    )
    from groundplan.engine.models.sky import (
        SkyView,
        sky_view,
    )
    from groundplan.engine.models.smart_charging import (
        ChargingPeak,
        ChargingSchedule,
        charging_schedule,
        smart_charging_peak,
    )
    from groundplan.engine.models.traffic import (
        Carriers,
        carriers_needed,
    )

#: Name -> file of this folder.
_HOMES = {
    "Carriers": "traffic",
    "ChargingPeak": "smart_charging",
    "ChargingSchedule": "smart_charging",
    "Constellation": "satellites",
    "DayQueue": "daily_queue",
    "Diffusion": "diffusion",
    "Dop": "satellites",
    "FeederDay": "daily_feeder",
    "FiniteWaiting": "finite_queue",
    "Forecast": "diffusion",
    "MessageBudget": "short_message",
    "RachConfig": "rach",
    "RandomAccess": "rach",
    "Sizing": "queue",
    "SkyView": "sky",
    "Waiting": "queue",
    "bass": "diffusion",
    "carriers_needed": "traffic",
    "charging_schedule": "smart_charging",
    "day_load": "daily_queue",
    "day_queue": "daily_queue",
    "dop": "satellites",
    "erlang_c": "queue",
    "feeder_day": "daily_feeder",
    "feeder_peak": "daily_feeder",
    "finite_waiting": "finite_queue",
    "forecast": "diffusion",
    "logistic": "diffusion",
    "message_budget": "short_message",
    "random_access": "rach",
    "reply_cards": "short_message",
    "size_servers": "queue",
    "sky_view": "sky",
    "smart_charging_peak": "smart_charging",
    "terrain_horizon": "horizon",
    "uncontrolled_load": "daily_feeder",
    "waiting_time": "queue",
    "walker_constellation": "satellites",
}

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
    if name in _HOMES:
        module = importlib.import_module(f"groundplan.engine.models.{_HOMES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
