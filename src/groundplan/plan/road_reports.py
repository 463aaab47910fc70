"""Tables of a system of passage: the roads worst off, and what its stations do in their peaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundplan.plan.report_form import Counties, Table, column, table
from groundplan.plan.roads import worst_roads
from groundplan.plan.system import SystemPlan
from groundplan.sectors.contract import Action

__all__ = ["roads", "station_peaks"]


def roads(
    _study: Any, ground: Any, plan: SystemPlan, counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return the roads with most trips that do not get through, then those with most trips."""
    rows, known = worst_roads(plan, ground, counties)
    shown = [
        [
            [row["name"], row["name_zh"]],
            round(row["length_m"] / 1000.0),
            round(row["trips"]),
            row["served_before_ratio"],
            row["served_after_ratio"],
        ]
        for row in rows
    ]
    return table(
        [
            column("road", "路段", "text"),
            column("km", "公里"),
            column("trips a year", "年出行量"),
            column("get through before", "此前通过率", "percent"),
            column("get through after", "方案后通过率", "percent"),
        ],
        shown,
        f"{len(shown)} of {known:,} roads with long trips, those first on which most are left; all "
        f"of them in the plan folder. {given['note']}",
        f"共{known:,}条路段有长途出行，此处列出未通过量最大的{len(shown)}条，其余见方案文件夹。"
        f"{given['note_zh']}",
    )


def station_peaks(
    _study: Any, _ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return stops and chargers of the stations, by what is done there."""
    sites, sized = plan.system.sites, plan.sized
    rows: list[list[Any]] = []
    for action, title, title_zh in (
        (Action.KEEP, "stand already", "已有"),
        (Action.UPGRADE, "service areas upgraded", "服务区升级"),
        (Action.SHARE, "service areas equipped", "服务区新装"),
        (Action.NEW, "town exits built", "城镇出口新建"),
    ):
        mine = plan.chosen & (sites.action == action)
        if not mine.any():
            continue
        column_of = {name: sized.attributes[name][mine] for name in given["columns"]}
        rows.append(
            [
                [title, title_zh],
                int(mine.sum()),
                *(float(values.sum()) for values in column_of.values()),
                int(sized.servers[mine].sum()),
                int(sized.is_overloaded[mine].sum()),
            ]
        )
    return table(
        [
            column("stations", "站点", "text"),
            column("count", "数量"),
            *(column(*titles) for titles in given["columns"].values()),
            column("chargers", "充电桩"),
            column("below the promise", "未达承诺"),
        ],
        rows,
        given["note"],
        given["note_zh"],
    )
