"""The user's roads and traffic, laid on the region and handed to a system of passage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, Findings
from groundplan.region.roads import RoadTable, TrafficTable, read_roads, read_traffic
from groundplan.sectors.contract import Roads, Sector, Settings

__all__ = ["misplaced_files", "on_roads", "read_network", "read_road_files"]


def misplaced_files(key: str, choice: Any, sector: Sector, file: str) -> list[Finding]:
    """Return findings where files are named for a system that has no use for them."""
    found = []
    for name in ("roads", "traffic"):
        if getattr(choice, name) is not None and sector.passage is None:
            where = f"sectors.{key}.{name}"
            hint = "only systems on roads read it: move it to [sectors.corridor]"
            found.append(Finding(file, 0, where, "a file", "none: this system has no roads", hint))
    if choice.hazards and not sector.avoids_hazards:
        hint = "move them to [[sectors.racks.hazards]], or leave them out"
        expected = "none: this system keeps out of no hazard"
        found.append(Finding(file, 0, f"sectors.{key}.hazards", "files", expected, hint))
    return found


def read_road_files(choice: Any) -> tuple[RoadTable, TrafficTable | None]:
    """Read the files that a study names for a system on roads.

    Raises
    ------
    DataError
        Everything wrong in the road file, or else in the traffic file, and trips that no road
        joins.
    """
    table = read_roads(choice.roads.path, choice.roads.crs)
    if choice.traffic is None:
        return table, None
    traffic = read_traffic(choice.traffic.path, table, choice.traffic.crs)
    check_joined(table, traffic)
    return table, traffic


def check_joined(table: RoadTable, traffic: TrafficTable) -> None:
    """Raise where no road joins the ends of a trip."""
    part = parts_of(table)
    found = Findings(traffic.path)
    for i in np.flatnonzero(part[traffic.trip_from] != part[traffic.trip_to]).tolist():
        a, b = int(traffic.trip_from[i]), int(traffic.trip_to[i])
        names = [table.node[k] or f"{table.lon[k]:.4f}, {table.lat[k]:.4f}" for k in (a, b)]
        found.add(
            traffic.row[i], "to_node", f"{names[0]} to {names[1]}", "two nodes that roads join",
            f"the network is in {int(part.max()) + 1} parts: ends meet where they have one name "
            "or one position",
        )  # fmt: skip
    found.raise_if_any(DataError)


def parts_of(table: RoadTable) -> NDArray[np.int32]:
    """Return the connected part of the network that each node lies in."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = table.lon.size
    ones = np.ones(table.edge_from.size)
    graph = coo_matrix((ones, (table.edge_from, table.edge_to)), (n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int32)


def on_roads(
    study: Any, sector: Sector, ground: Any, settings: Settings
) -> tuple[Any, dict[str, Any] | None]:
    """Return the ground with the roads that a study names for a system, and what was read."""
    if sector.passage is None or study.sectors[sector.key].roads is None:
        return ground, None
    roads, record = read_network(study, sector.key, ground, settings)
    return replace(ground, land=replace(ground.land, roads=roads)), record


def read_network(
    study: Any, key: str, ground: Any, settings: Settings
) -> tuple[Roads, dict[str, Any]]:
    """Return the roads that a study names for a system, on the region's plane, and their record.

    Ends, crossings and bends are guarded for a hidden Chinese datum as sites are. Roads keep away
    from many towns, so that the guard tells less of them than of sites: it may say that it cannot
    judge.

    Raises
    ------
    DataError
        What is wrong in the files, a displaced network, or one outside the region.
    """
    from groundplan.plan.register import guard, is_inside, verdict_record

    choice = study.sectors[key]
    table, traffic = read_road_files(choice)
    verdict = guard(choice.roads, table, ground.region, ground.grid.cell_m)
    x_m, y_m = ground.region.project(table.lon, table.lat)
    if not is_inside(ground.grid, x_m, y_m).any():
        raise DataError(
            Finding(
                str(choice.roads.path), 0, "position", f"{x_m.size:,} nodes, none in the region",
                f"roads in {ground.region.name_en}",
                "is this the file of this region, and its crs the declared one?",
            )
        )  # fmt: skip
    ratio = np.where(table.is_straight, settings["route_ratio"], 1.0)
    none = np.zeros(0, np.int32)
    roads = Roads(
        x_m=x_m,
        y_m=y_m,
        edge_from=table.edge_from,
        edge_to=table.edge_to,
        length_m=table.length_m * ratio,
        name=np.array(table.name, dtype=np.str_),
        trip_from=none if traffic is None else traffic.trip_from,
        trip_to=none if traffic is None else traffic.trip_to,
        trip_per_day=np.zeros(0) if traffic is None else traffic.per_day,
    )
    name = study.name_of(choice.roads.path)
    record = terms_of(study, choice)
    record["roads"] |= {
        "crs": table.crs,
        "nodes": int(x_m.size),
        "is_datum_accepted": choice.roads.is_datum_accepted,
        **verdict_record(verdict, choice.roads.path, name),
    }
    return roads, record


def terms_of(study: Any, choice: Any) -> dict[str, Any]:
    """Return under which terms the roads and the traffic were used, for ``plan.json``."""
    out: dict[str, Any] = {}
    for name in ("roads", "traffic"):
        given = getattr(choice, name)
        if given is not None:
            out[name] = {
                "path": study.name_of(given.path),
                "licence": given.licence,
                "source": given.source,
                "vintage": given.vintage,
            }
    return out
