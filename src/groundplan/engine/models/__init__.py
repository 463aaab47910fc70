"""Closed forms: arrays in, arrays out, each with its published source."""

from groundplan.engine.models.queue import Sizing, Waiting, erlang_c, size_servers, waiting_time
from groundplan.engine.models.traffic import Carriers, carriers_needed

__all__ = [
    "Carriers",
    "Sizing",
    "Waiting",
    "carriers_needed",
    "erlang_c",
    "size_servers",
    "waiting_time",
]
