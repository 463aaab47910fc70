"""Charging stations from OCPI and Open Charge Map: feed columns to columns of the register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.sectors.contract import Feed, Settings

__all__ = ["CHARGING_FEEDS"]

Columns = Mapping[str, NDArray[Any]]


def from_ocpi(columns: Columns, settings: Settings) -> tuple[Columns, NDArray[np.bool_]]:
    """Return stations of OCPI locations; a charger is an EVSE that stands.

    A station is smart where each of its EVSEs says that it takes charging profiles. Locations
    whose EVSEs are all planned or removed are no stations.
    """
    del settings
    chargers = np.asarray(columns["evse_count"], dtype=np.int64)
    smart = np.asarray(columns["smart_evse_count"], dtype=np.int64)
    register = {
        "station_id": columns["outside_id"],
        "chargers_count": chargers,
        "dc_chargers_count": np.asarray(columns["dc_evse_count"], dtype=np.int64),
        "feeder_kw": np.zeros(chargers.size),
        "is_smart": (smart == chargers) & (chargers > 0),
    }
    return register, chargers > 0


def from_openchargemap(columns: Columns, settings: Settings) -> tuple[Columns, NDArray[np.bool_]]:
    """Return stations of Open Charge Map places; a charger is a point, else a connector.

    The base does not tell whether a station takes power limits: all are ordinary.
    """
    del settings
    points = np.asarray(columns["point_count"], dtype=np.int64)
    plugs = np.asarray(columns["connector_count"], dtype=np.int64)
    chargers = np.where(points > 0, points, plugs)
    register = {
        "station_id": columns["outside_id"],
        "chargers_count": chargers,
        # several connectors may share one point
        "dc_chargers_count": np.minimum(
            np.asarray(columns["dc_connector_count"], dtype=np.int64), chargers
        ),
        "feeder_kw": np.zeros(chargers.size),
        "is_smart": np.zeros(chargers.size, np.bool_),
    }
    return register, np.ones(chargers.size, np.bool_)


CHARGING_FEEDS = {
    "ocpi": Feed(
        from_ocpi,
        note="A charger is an EVSE that is neither planned nor removed; a station is smart where "
        "all of its EVSEs say that they take charging profiles, which is declared, not proven.",
        note_zh="充电设施按EVSE计（不含规划与拆除）；全部EVSE声明支持充电曲线的站点计为智能站，属声明而非核实。",
    ),
    "openchargemap": Feed(
        from_openchargemap,
        note="A charger is a charging point, or a connector where points are not stated; the base "
        "does not tell which stations are smart, so none is. It is kept by volunteers.",
        note_zh="充电设施按充电点计，未注明时按接口计；该数据不区分智能站，均按普通站计；由志愿者维护。",
    ),
}
