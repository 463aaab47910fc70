"""Charging stations as operators and open databases publish them: OCPI and Open Charge Map.

Three counts are kept apart and never taken for each other: stations (places), EVSEs (what charges
one vehicle at a time) and connectors (plugs).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from groundplan.errors import DataError, Finding, Findings
from groundplan.region.files import SitesTable
from groundplan.region.opencellid import read_opencellid
from groundplan.region.sheets import MAX_FINDINGS

__all__ = ["read_ocpi", "read_opencellid", "read_openchargemap"]

DECIMAL = re.compile(r"-?\d{1,3}(\.\d+)?")
#: Phases that carry the current; `max_voltage` is line to neutral for three phases (OCPI 2.2.1,
#: section 8.4.5, Connector object).
PHASES = {"AC_1_PHASE": 1, "AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3, "DC": 1}
#: OCPI status of an EVSE that stands: all but these.
ABSENT = frozenset({"REMOVED", "PLANNED"})
STATUSES = (
    frozenset(
        {"AVAILABLE", "BLOCKED", "CHARGING", "INOPERATIVE", "OUTOFORDER", "RESERVED", "UNKNOWN"}
    )
    | ABSENT
)
#: Open Charge Map status ids: 150 planned, 200 and 210 removed (its core reference data).
OCM_PLANNED, OCM_REMOVED = frozenset({150}), frozenset({200, 210})
OCM_OPERATIONAL = frozenset({10, 20, 50, 75})
#: Open Charge Map current type of direct current (its core reference data).
OCM_DC = 30
#: OCPI capability of an EVSE that takes power limits (2.2.1, section 8.4.3, Capability enum).
OCPI_SMART = "CHARGING_PROFILE_CAPABLE"
#: Keys by which the records of a feed are known.
OCPI_KEYS, OCM_KEYS = frozenset({"coordinates", "evses"}), frozenset({"AddressInfo"})


class _Stations:
    """Rows of a table of stations while they are gathered."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.findings = Findings(path)
        self.values: dict[str, list[Any]] = {}
        self.row: list[int] = []
        self.seen: dict[str, int] = {}

    def fault(self, row: int, key: str, got: Any, expected: str, hint: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            shown = "nothing" if got is None else repr(got)[:60]
            self.findings.add(row, key, shown, expected, hint)

    def identify(self, row: int, key: str, outside_id: str) -> None:
        """Note an identifier; a second use of it is a fault."""
        if outside_id in self.seen:
            self.fault(
                row,
                key,
                outside_id,
                f"an identifier of its own, record {self.seen[outside_id]} has it already",
                "join pages of the feed without overlap",
            )
        self.seen.setdefault(outside_id, row)

    def position(
        self, row: int, place: Mapping[str, Any], key: str, lon: str, lat: str, hint: str
    ) -> tuple[float, float]:
        """Return a place's longitude and latitude; one that is no degrees is a fault and NaN."""
        out = []
        for name, limit in ((lon, 180), (lat, 90)):
            degrees = _degrees(place.get(name), limit)
            if degrees is None:
                # OCPI writes coordinates as text, and either may write numbers
                expected = f"decimal degrees -{limit}..{limit}"
                expected += " as text" if key == "coordinates" else ""
                self.fault(row, f"{key}.{name}", place.get(name), expected, hint)
            out.append(np.nan if degrees is None else degrees)
        return out[0], out[1]

    def add(self, row: int, **values: Any) -> None:
        self.row.append(row)
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def table(self, counts: dict[str, int]) -> SitesTable:
        """Raise what was found, or return the stations."""
        self.findings.raise_if_any()
        columns: dict[str, Any] = {}
        for name, values in self.values.items():
            is_text = any(isinstance(v, str) for v in values)
            columns[name] = np.array(values, dtype=object) if is_text else np.array(values)
        lon = np.asarray(columns.pop("lon"), dtype=np.float64)
        lat = np.asarray(columns.pop("lat"), dtype=np.float64)
        return SitesTable(
            lon, lat, lon, lat, columns, "EPSG:4326", self.path, np.array(self.row), counts
        )


def _records(source: Any, what: str) -> tuple[list[Any], str]:
    """Return the records of a feed and its name; a lone record becomes a list of one."""
    path = "feed"
    if isinstance(source, (str, Path)):
        path = str(source)
        if not Path(source).is_file():
            raise DataError(Finding(path, 0, "", "no such file", what, "check the path"))
        try:
            source = json.loads(Path(source).read_text(encoding="utf-8-sig"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            line = getattr(error, "lineno", 0)
            raise DataError(
                Finding(
                    path, line, "json" if line else "", str(error)[:80], "JSON in UTF-8",
                    "is the file complete?",
                )
            ) from error  # fmt: skip
    if isinstance(source, Mapping) and "data" in source:
        status = source.get("status_code", 1000)
        # OCPI 2.2.1, section 5: 1xxx is success
        if not (isinstance(status, int) and 1000 <= status < 2000):
            raise DataError(
                Finding(
                    path, 0, "status_code", str(status), "1000 to 1999",
                    "the answer is an error message: ask the feed again",
                )
            )  # fmt: skip
        source = source["data"]
    if isinstance(source, Mapping):
        source = [source]
    if not isinstance(source, Sequence) or isinstance(source, str):
        raise DataError(
            Finding(path, 0, "", type(source).__name__, what, "is this the right feed?")
        )
    if not source:
        raise DataError(Finding(path, 0, "records", "0", what, "is the feed empty, or filtered?"))
    return list(source), path


def _refuse_other(records: Sequence[Any], keys: frozenset[str], path: str, what: str) -> None:
    """Refuse, in one sentence, a list in which no record has a key of the feed."""
    objects = [record for record in records if isinstance(record, Mapping)]
    if any(keys & set(record) for record in objects):
        return
    is_other = any((OCPI_KEYS | OCM_KEYS) & set(record) for record in objects)
    seen = sorted({str(key) for record in objects[:10] for key in record})[:6]
    raise DataError(
        Finding(
            path,
            0,
            "records",
            f"{len(records)} records with " + (", ".join(seen) or "no keys"),
            f"{what}: records with " + " and ".join(sorted(keys)),
            ("this is the other feed: " if is_other else "is this the right feed? ")
            + ("openchargemap" if keys == OCPI_KEYS else "ocpi")
            + ("" if is_other else " is the other one"),
        )
    )


def _degrees(value: Any, limit: float) -> float | None:
    """Return a coordinate written as text (OCPI) or number, None where it is neither or beyond."""
    if isinstance(value, str) and DECIMAL.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -limit <= value <= limit else None


def _power_kw(connector: Mapping[str, Any]) -> float:
    """Return a connector's power in kW: as stated in W, else by voltage, current and phases."""
    stated = connector.get("max_electric_power")
    if isinstance(stated, (int, float)) and not isinstance(stated, bool):
        return float(stated) / 1000.0
    # 2.1.1 calls them voltage and amperage
    volt = connector.get("max_voltage", connector.get("voltage", 0))
    ampere = connector.get("max_amperage", connector.get("amperage", 0))
    if not isinstance(volt, (int, float)) or not isinstance(ampere, (int, float)):
        return 0.0
    return PHASES.get(str(connector.get("power_type")), 1) * float(volt) * float(ampere) / 1000.0


def read_ocpi(source: str | Path | Mapping[str, Any] | Sequence[Any]) -> SitesTable:
    """Read OCPI Location objects, versions 2.1.1, 2.2.1 and 2.3.0.

    Parameters
    ----------
    source : path, dict or list
        A list of locations, one location, or the answer of a feed (``{"data": [...]}``).

    Returns
    -------
    SitesTable
        Columns ``outside_id`` (country, party and id where the version has them), ``name``,
        ``operator_name``, ``evse_count``, ``dc_evse_count`` (with a direct-current connector),
        ``smart_evse_count`` (that say they take charging profiles), ``connector_count``,
        ``power_kw`` (sum over EVSEs of the strongest connector, since an EVSE serves one vehicle
        at a time), ``max_power_kw``, ``is_published``. `counts`: stations, evses,
        connectors, evses planned or removed (not in the columns), connectors whose power is not
        stated. `row` is the record, from 1.

    Raises
    ------
    DataError
        No feed, no coordinates, coordinates out of range, power below 0, an identifier twice.

    Notes
    -----
    Power is `max_electric_power` (W) where given; else voltage x current x phases, for direct
    current an upper bound. Coordinates are text in OCPI; numbers are taken too. Chinese operators
    may publish GCJ-02 under this name: run the datum guard. Leaves out: tariffs, opening hours,
    and whether an EVSE answers, which is evidence and not a plan.
    """
    records, path = _records(source, "OCPI locations")
    _refuse_other(records, OCPI_KEYS, path, "OCPI locations")
    stations = _Stations(path)
    counts = dict.fromkeys(
        ("stations", "evses", "connectors", "evses_planned", "evses_removed", "power_not_stated"), 0
    )
    for row, record in enumerate(records, start=1):
        if not isinstance(record, Mapping):
            stations.fault(row, "location", record, "an object", "is this a list of locations?")
            continue
        place = record.get("coordinates")
        place = place if isinstance(place, Mapping) else {}
        hint = "is this a full Location, and latitude where it belongs?"
        lon, lat = stations.position(row, place, "coordinates", "longitude", "latitude", hint)
        if record.get("id") is None:
            stations.fault(row, "id", None, "an identifier", "is this a full Location?")
        parts = (record.get("country_code"), record.get("party_id"), record.get("id"))
        outside_id = "*".join(str(part) for part in parts if part is not None)
        stations.identify(row, "id", outside_id)
        evses, powers, plugs, with_dc, smart = 0, [], 0, 0, 0
        for at, evse in enumerate(record.get("evses") or []):
            if not isinstance(evse, Mapping):
                stations.fault(row, f"evses[{at}]", evse, "an object", "is this a full Location?")
                continue
            status = evse.get("status")
            if status not in STATUSES:
                key = f"evses[{at}].status"
                stations.fault(row, key, status, "an OCPI status", "correct the status")
            if status in ABSENT:
                counts[f"evses_{str(status).lower()}"] += 1
                continue
            evses += 1
            smart += OCPI_SMART in (evse.get("capabilities") or [])
            strongest_kw, is_dc = 0.0, False
            for number, connector in enumerate(evse.get("connectors") or []):
                plugs += 1
                is_dc |= connector.get("power_type") == "DC"
                power_kw = _power_kw(connector)
                counts["power_not_stated"] += "max_electric_power" not in connector
                if power_kw < 0:
                    key = f"evses[{at}].connectors[{number}].max_electric_power"
                    stations.fault(row, key, power_kw * 1000, ">= 0 W", "correct the power")
                strongest_kw = max(strongest_kw, power_kw)
            with_dc += is_dc
            powers.append(strongest_kw)
        counts["stations"] += 1
        counts["evses"] += evses
        counts["connectors"] += plugs
        stations.add(
            row,
            lon=lon,
            lat=lat,
            outside_id=outside_id,
            name=str(record.get("name") or ""),
            operator_name=str((record.get("operator") or {}).get("name") or ""),
            evse_count=evses,
            dc_evse_count=with_dc,
            smart_evse_count=smart,
            connector_count=plugs,
            power_kw=float(sum(powers)),
            max_power_kw=float(max(powers, default=0.0)),
            is_published=bool(record.get("publish", True)),
        )
    return stations.table(counts)


def read_openchargemap(source: str | Path | Sequence[Any]) -> SitesTable:
    """Read Open Charge Map places (POI), verbose or compact.

    Parameters
    ----------
    source : path or list
        The JSON list that the service gives.

    Returns
    -------
    SitesTable
        Columns ``outside_id`` ("OCM-" and number), ``name``, ``point_count`` (`NumberOfPoints`,
        bays; 0 where not stated), ``connector_count`` (sum of `Quantity`, 1 where not stated),
        ``dc_connector_count`` (of these, direct current; 0 where the current is not stated),
        ``power_kw`` (sum of `PowerKW` x quantity), ``max_power_kw``, ``is_operational``. Planned
        and removed places are left out and counted. `counts`: stations, points, connectors,
        planned, removed, power_not_stated.

    Raises
    ------
    DataError
        No feed, no coordinates or out of range, power below 0, an identifier twice.

    Notes
    -----
    Here power is in kW, in OCPI in W. A connection row stands for `Quantity` plugs that may share
    one EVSE: the database has no EVSE, so none are counted. Each place names its data provider
    and licence; the base is CC BY 4.0 unless a provider says otherwise.
    """
    records, path = _records(source, "Open Charge Map places")
    _refuse_other(records, OCM_KEYS, path, "Open Charge Map places")
    stations = _Stations(path)
    counts = dict.fromkeys(
        ("stations", "points", "connectors", "planned", "removed", "power_not_stated"), 0
    )
    for row, record in enumerate(records, start=1):
        place = record.get("AddressInfo") if isinstance(record, Mapping) else None
        if not isinstance(place, Mapping):
            stations.fault(row, "AddressInfo", None, "an object", "is this a list of places?")
            continue
        status = record.get("StatusTypeID")
        about = record.get("StatusType")
        if status is None and isinstance(about, Mapping):
            status = about.get("ID")
        if status in OCM_PLANNED or status in OCM_REMOVED:
            counts["planned" if status in OCM_PLANNED else "removed"] += 1
            continue
        hint = "find the place or delete the record"
        lon, lat = stations.position(row, place, "AddressInfo", "Longitude", "Latitude", hint)
        outside_id = f"OCM-{record.get('ID')}"
        stations.identify(row, "ID", outside_id)
        plugs, dc_plugs, total_kw, strongest_kw = 0, 0, 0.0, 0.0
        for number, connection in enumerate(record.get("Connections") or []):
            quantity = connection.get("Quantity")
            quantity = quantity if isinstance(quantity, int) and quantity > 0 else 1
            power = connection.get("PowerKW")
            counts["power_not_stated"] += power is None
            is_number = isinstance(power, (int, float)) and not isinstance(power, bool)
            if power is not None and not is_number:
                key = f"Connections[{number}].PowerKW"
                stations.fault(row, key, power, "a number of kW", "correct the power")
            power_kw = float(power) if is_number else 0.0
            current = connection.get("CurrentTypeID")
            if current is None and isinstance(connection.get("CurrentType"), Mapping):
                current = connection["CurrentType"].get("ID")
            dc_plugs += quantity * (current == OCM_DC)
            if power_kw < 0:
                key = f"Connections[{number}].PowerKW"
                stations.fault(row, key, power_kw, ">= 0 kW", "correct the power")
            plugs += quantity
            total_kw += power_kw * quantity
            strongest_kw = max(strongest_kw, power_kw)
        points = record.get("NumberOfPoints") or 0
        counts["stations"] += 1
        counts["points"] += int(points)
        counts["connectors"] += plugs
        said = about.get("IsOperational") if isinstance(about, Mapping) else None
        stations.add(
            row,
            lon=lon,
            lat=lat,
            outside_id=outside_id,
            name=str(place.get("Title") or ""),
            point_count=int(points),
            connector_count=plugs,
            dc_connector_count=dc_plugs,
            power_kw=total_kw,
            max_power_kw=strongest_kw,
            is_operational=bool(said) if said is not None else status in OCM_OPERATIONAL,
        )
    if not stations.row:
        stations.findings.raise_if_any()
        raise DataError(
            Finding(
                path,
                0,
                "records",
                "planned or removed places only",
                "places that stand",
                "ask the service without a filter",
            )
        )
    return stations.table(counts)
