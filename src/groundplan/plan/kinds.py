"""The table from the kinds that sectors name to the engine functions that compute them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import UsageError
from groundplan.sectors.contract import Catchment, Settings

__all__ = [
    "ALLOCATION_KINDS",
    "BACKUP_KINDS",
    "DECIDED_BY",
    "PASSAGE_KINDS",
    "REACH_KINDS",
    "SIZING_KINDS",
    "allocation_model",
    "backup_model",
    "passage_model",
    "reach_of",
    "site_reach",
    "sizing_model",
]

#: Whose environment decides how far a cell may be from a site that serves it.
DECIDED_BY = ("site_and_cell", "cell")


def _distance(parameters: Mapping[str, Any]) -> tuple[NDArray[np.float64], list[list[Any]]]:
    reach_m = np.asarray(parameters["reach_m"], dtype=np.float64)
    detail = [[{"rule": "straight-line distance"} for _ in row] for row in reach_m]
    return reach_m, detail


def _link_budget(parameters: Mapping[str, Any]) -> tuple[NDArray[np.float64], list[list[Any]]]:
    from groundplan.engine.radio import cell_reach

    reach_m, detail = cell_reach(**parameters)
    return np.asarray(reach_m, dtype=np.float64), [list(row) for row in detail]


def _latency(parameters: Mapping[str, Any]) -> tuple[NDArray[np.float64], list[list[Any]]]:
    """Return how far a round trip may go: ``(T - equipment) / (2 fibre)`` of route, less detours.

    ``RTT = 2 route_km fibre_us_per_km / 1000 + equipment_ms`` and
    ``route_km = route_ratio * straight line``; 0 where the equipment alone takes the limit.
    """
    limit_ms = np.asarray(parameters["limit_ms"], dtype=np.float64)
    left_ms = np.maximum(limit_ms - parameters["equipment_ms"], 0.0)
    route_km = 1000.0 * left_ms / (2.0 * parameters["fibre_us_per_km"])
    straight_m = 1000.0 * route_km / parameters["route_ratio"]
    n = parameters["n_environment"]
    detail = [
        [
            {
                "rule": "round trip over fibre",
                "limit_ms": float(limit),
                "equipment_ms": float(parameters["equipment_ms"]),
                "fibre_us_per_km": float(parameters["fibre_us_per_km"]),
                "route_km": float(route),
                "route_ratio": float(parameters["route_ratio"]),
            }
        ]
        * n
        for limit, route in zip(limit_ms, route_km, strict=True)
    ]
    return np.repeat(straight_m[:, None], n, axis=1), detail


def _range(parameters: Mapping[str, Any]) -> tuple[NDArray[np.float64], list[list[Any]]]:
    """Return how far a vehicle drives between two stops, the same everywhere."""
    reach_m = np.full((1, parameters["n_environment"]), float(parameters["range_m"]))
    detail = {
        "rule": "range of a vehicle between two stops, along the road",
        "start_range_m": float(parameters["start_range_m"]),
        "end_range_m": float(parameters["end_range_m"]),
    }
    return reach_m, [[detail] * parameters["n_environment"]]


REACH_KINDS: Mapping[str, Callable[..., tuple[NDArray[np.float64], list[list[Any]]]]] = {
    "distance": _distance,
    "latency": _latency,
    "link_budget": _link_budget,
    "range": _range,
}


def _erlang_c() -> Callable[..., Any]:
    from groundplan.engine.models import size_servers

    return size_servers


def _traffic() -> Callable[..., Any]:
    from groundplan.engine.models import carriers_needed

    return carriers_needed


def _modules() -> Callable[..., Any]:
    return whole_modules


def whole_modules(load: NDArray[np.float64], module: int) -> NDArray[np.int64]:
    """Return the least number of whole modules that hold each load.

    Examples
    --------
    >>> whole_modules(np.array([0.0, 1.0, 100.0, 101.0]), 100).tolist()
    [0, 1, 1, 2]
    """
    return np.ceil(np.asarray(load) / module).astype(np.int64)


def _nbiot() -> Callable[..., Any]:
    from groundplan.engine.radio import cell_reach
    from groundplan.engine.radio.iot_sizing import nbiot_carriers

    def sized(devices: Any, environment: Any, budget: Mapping[str, Any], **options: Any) -> Any:
        reach_m, _ = cell_reach(**budget)
        return nbiot_carriers(devices, environment, reach_m[0], budget, **options)

    return sized


class StationDay(NamedTuple):
    """What sizing a station over the hours of a day takes; see `groundplan.models`."""

    queue: Callable[..., Any]
    peak: Callable[..., Any]
    day: Callable[..., Any]
    uncontrolled: Callable[..., Any]


def _station_day() -> StationDay:
    from groundplan.engine import models

    return StationDay(
        models.day_queue, models.feeder_peak, models.feeder_day, models.uncontrolled_load
    )


def _short_messages() -> Callable[..., Any]:
    from groundplan.engine.models import reply_cards

    return reply_cards


SIZING_KINDS: Mapping[str, Callable[[], Any]] = {
    "erlang_c": _erlang_c,
    "modules": _modules,
    "traffic": _traffic,
    "nbiot": _nbiot,
    "short_messages": _short_messages,
    "station_day": _station_day,
}


def _capacitated_facility() -> Callable[..., Any]:
    from groundplan.engine.location import capacitated_facility

    return capacitated_facility


#: How sites, modules and who serves whom are decided together.
ALLOCATION_KINDS: Mapping[str, Callable[[], Callable[..., Any]]] = {
    "capacitated_facility": _capacitated_facility,
}


def _flow_refueling() -> Callable[..., Any]:
    from groundplan.engine.location import flow_refueling

    return flow_refueling


#: How stations on roads are chosen so that the most trips get through.
PASSAGE_KINDS: Mapping[str, Callable[[], Callable[..., Any]]] = {
    "flow_refueling": _flow_refueling,
}


def _backup_covering() -> Callable[..., Any]:
    from groundplan.engine.location import backup_covering

    return backup_covering


#: How sites are chosen that are to serve when one of them fails.
BACKUP_KINDS: Mapping[str, Callable[[], Callable[..., Any]]] = {
    "backup_covering": _backup_covering,
}


def reach_of(service: Catchment, settings: Settings) -> tuple[NDArray[np.float64], list[list[Any]]]:
    """Return the reach of each (layer, environment), metres, and how it came about."""
    if service.kind not in REACH_KINDS:
        raise UsageError(
            f"no service of kind {service.kind!r}; known: {', '.join(sorted(REACH_KINDS))}"
        )
    return REACH_KINDS[service.kind](service.parameters(settings))


def site_reach(
    service: Catchment,
    table_m: NDArray[np.float64],
    layer: NDArray[np.int8],
    environment: NDArray[np.int8],
) -> NDArray[np.float64]:
    """Return how far each site serves whom it serves furthest, (n_site,) metres.

    Where the cell alone decides, that is the largest reach of the site's layer.
    """
    if service.decided_by == "cell":
        return np.asarray(table_m.max(axis=1)[layer])
    return np.asarray(table_m[layer, environment])


def sizing_model(kind: str) -> Any:
    """Return the engine function, or the tuple of them, behind a kind of sizing."""
    if kind not in SIZING_KINDS:
        raise UsageError(f"no sizing of kind {kind!r}; known: {', '.join(sorted(SIZING_KINDS))}")
    return SIZING_KINDS[kind]()


def allocation_model(kind: str) -> Callable[..., Any]:
    """Return the engine function behind a kind of allocation."""
    if kind not in ALLOCATION_KINDS:
        known = ", ".join(sorted(ALLOCATION_KINDS))
        raise UsageError(f"no allocation of kind {kind!r}; known: {known}")
    return ALLOCATION_KINDS[kind]()


def passage_model(kind: str) -> Callable[..., Any]:
    """Return the engine function behind a kind of passage."""
    if kind not in PASSAGE_KINDS:
        known = ", ".join(sorted(PASSAGE_KINDS))
        raise UsageError(f"no passage of kind {kind!r}; known: {known}")
    return PASSAGE_KINDS[kind]()


def backup_model(kind: str) -> Callable[..., Any]:
    """Return the engine function behind a kind of backup."""
    if kind not in BACKUP_KINDS:
        known = ", ".join(sorted(BACKUP_KINDS))
        raise UsageError(f"no backup of kind {kind!r}; known: {known}")
    return BACKUP_KINDS[kind]()
