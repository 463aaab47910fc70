"""The table from the kinds that sectors name to the engine functions that compute them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import UsageError
from groundplan.sectors.contract import Catchment, Settings

__all__ = ["DECIDED_BY", "REACH_KINDS", "SIZING_KINDS", "reach_of", "site_reach", "sizing_model"]

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


REACH_KINDS: Mapping[str, Callable[..., tuple[NDArray[np.float64], list[list[Any]]]]] = {
    "distance": _distance,
    "link_budget": _link_budget,
}


def _erlang_c() -> Callable[..., Any]:
    from groundplan.engine.models import size_servers

    return size_servers


def _traffic() -> Callable[..., Any]:
    from groundplan.engine.models import carriers_needed

    return carriers_needed


def _nbiot() -> Callable[..., Any]:
    from groundplan.engine.radio import cell_reach
    from groundplan.engine.radio.iot_sizing import nbiot_carriers

    def sized(devices: Any, environment: Any, budget: Mapping[str, Any], **options: Any) -> Any:
        reach_m, _ = cell_reach(**budget)
        return nbiot_carriers(devices, environment, reach_m[0], budget, **options)

    return sized


def _short_messages() -> Callable[..., Any]:
    from groundplan.engine.models import reply_cards

    return reply_cards


SIZING_KINDS: Mapping[str, Callable[[], Callable[..., Any]]] = {
    "erlang_c": _erlang_c,
    "traffic": _traffic,
    "nbiot": _nbiot,
    "short_messages": _short_messages,
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


def sizing_model(kind: str) -> Callable[..., Any]:
    """Return the engine function behind a kind of sizing."""
    if kind not in SIZING_KINDS:
        raise UsageError(f"no sizing of kind {kind!r}; known: {', '.join(sorted(SIZING_KINDS))}")
    return SIZING_KINDS[kind]()
