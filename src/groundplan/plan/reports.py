"""Tables beside the answer of a system: the kinds that sectors name in `Sector.reports`.

Each kind takes what the sector's `Report.parameters` gives and what the plan decided, and returns
head, rows and a note. Numbers stay numbers; `form` of a column says how to print them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from groundplan.plan.answer import PLACES
from groundplan.plan.backup_reports import corrections, farms, further, milestones
from groundplan.plan.day_reports import broken_stations, classes, day_hours, day_promise
from groundplan.plan.hazards import hazards
from groundplan.plan.report_form import Counties, Table, column, plain, table
from groundplan.plan.road_reports import roads, station_peaks
from groundplan.plan.sky import county_sky, relief_of
from groundplan.plan.system import DEMAND_SCALE, SystemPlan
from groundplan.sectors.contract import Report

__all__ = ["REPORT_KINDS", "report_tables"]

#: Largest value of a Beta(3, 4) density, at 0.4.
BURST_PEAK = 60.0 * 0.4**2 * 0.6**3
SECONDS_PER_H = 3600.0
MONTHS_PER_YEAR = 12.0
HOURS_PER_DAY = 24.0
DAYS_PER_YEAR = 365.0


def month_time(month: str) -> float:
    """Return a month such as ``2022-08`` as a year with its share, counted to the month's end."""
    year, number = month.split("-")
    return int(year) + int(number) / MONTHS_PER_YEAR


def growth(
    study: Any, ground: Any, _plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return where a count goes by itself until the end of each year of the study."""
    from groundplan.engine.models import forecast

    times = np.array([month_time(month) for month, _ in given["series"]])
    values = np.array([value for _, value in given["series"]])
    here = given["per_person"] * float(ground.land.people.sum())
    at = month_time(given["month"])
    # the curve where the region was counted, so that both grow from the same day
    years = np.arange(int(study.years[0]), int(study.years[1]) + 1)
    told = forecast(times, values, np.append(at, years + 1.0), seed=study.seed)
    scale = here / float(np.interp(at, times, values))
    asked = {t.due_on.year: t for t in study.targets if t.is_working and t.unit == given["unit"]}
    rows = [
        [
            int(year),
            *(round(float(part[i + 1]) * scale) for part in (told.low, told.central, told.high)),
            round(float(asked[int(year)].value)) if int(year) in asked else None,
        ]
        for i, year in enumerate(years)
    ]
    return table(
        [
            column("end of", "年末", "year"),
            column("low (10 %)", "低（10%）"),
            column("central", "中位"),
            column("high (90 %)", "高（90%）"),
            column("asked", "目标"),
        ],
        rows,
        given["note"],
        given["note_zh"],
    )


def growth_by_use(
    study: Any, ground: Any, plan: SystemPlan, counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return the same of each use, its share kept."""
    rows: list[list[Any]] = []
    for year, low, central, high, _ in growth(study, ground, plan, counties, given)["rows"]:
        for title, title_zh, share, own in given["uses"]:
            told = [round(part * share) for part in (low, central, high)]
            rows.append([year, [title, title_zh], *told, round(central * own)])
    return table(
        [
            column("end of", "年末", "year"),
            column("use", "应用", "text"),
            column("low (10 %)", "低（10%）"),
            column("central", "中位"),
            column("high (90 %)", "高（90%）"),
            column("of the central NB-IoT", "中位中的NB-IoT"),
        ],
        rows,
        given["uses_note"],
        given["uses_note_zh"],
    )


def coverage_classes(
    _study: Any, _ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return reach and share of devices of each coverage class, and what one carrier carries."""
    from groundplan.engine.radio import cell_reach
    from groundplan.engine.radio.iot_access import CLASS_LOSS_DB
    from groundplan.engine.radio.iot_sizing import budget_links, class_capacity
    from groundplan.plan.kinds import sizing_model

    names = plan.system.sector.environments
    reach = [(loss, cell_reach(**budget)[0][0]) for loss, budget in given["budgets"]]
    largest, budget = given["budgets"][-1]
    told = sizing_model("nbiot")(
        np.ones(len(names)),
        np.arange(len(names), dtype=np.int8),
        budget,
        coupling_loss_db=largest,
        sectors=given["sectors"],
        busiest_ratio=1.0,
        carriers_max=1,
        reports_per_h=given["reports_per_h"],
        reconnect_ratio=given["reconnect_ratio"],
        reconnect_window_s=given["reconnect_window_s"],
    )
    titles = {key: (title, title_zh) for key, title, title_zh in PLACES}
    rows: list[list[Any]] = []
    served = np.bincount(plan.system.sites.environment, plan.sized.load, len(names))
    links = budget_links(budget, len(names))
    ends = [loss for loss, _ in reach]
    for k, name in enumerate(names):
        capacity = told.capacity[k]
        alone = class_capacity(
            links[k], largest, float(reach[-1][1][k]), ends, reports_per_h=given["reports_per_h"]
        )
        for number, (loss, reach_m) in enumerate(reach):
            is_last = number + 1 == len(reach)
            is_class = loss in CLASS_LOSS_DB
            ratio = float(capacity.class_ratio[CLASS_LOSS_DB.index(loss)]) if is_class else None
            devices = None if ratio is None else ratio * float(served[k])
            is_known = devices is not None and bool(np.isfinite(alone[number]))
            rows.append(
                [
                    list(titles.get(name, (name, name))),
                    loss,
                    float(reach_m[k]),
                    ratio,
                    None if devices is None else round(devices),
                    round(float(alone[number])) if is_known else None,
                    devices / float(alone[number]) if devices is not None and is_known else None,
                    round(capacity.device_count) if is_last else None,
                ]
            )
    return table(
        [
            column("place", "地类", "text"),
            column("coupling loss up to, dB", "耦合损耗上限（dB）"),
            column("reach, m", "半径（米）"),
            column("share of devices", "终端占比", "percent"),
            column("devices served", "服务终端数"),
            column("a carrier carries of them alone", "单载波仅承载该等级时终端数"),
            column("carriers they fill", "占满载波数", "decimal"),
            column("a carrier carries of the mix", "单载波承载混合终端数"),
        ],
        rows,
        "Shares of devices spread evenly over the full reach, a carrier on one sector. Carriers "
        "that a class fills are those of its load alone, however many stations it takes to reach "
        "it. What binds a carrier of the mix: "
        + ", ".join(sorted({c.binding for c in told.capacity}))
        + ".",
        "终端在整个半径内均匀分布时的占比，按单扇区载波计；占满载波数仅按负荷计，与覆盖所需站数无关。"
        "混合承载受限于：" + "、".join(sorted({c.binding for c in told.capacity})) + "。",
    )


def message_load(
    _study: Any, ground: Any, _plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return subscriptions and reports of each use, and the peak of a fleet that reconnects."""
    stock = given["stock"](float(ground.land.people.sum()))
    per_s = given["reports_per_h"] / SECONDS_PER_H
    rows = [
        [[title, title_zh], round(n), round(own), n * per_s, own * per_s]
        for title, title_zh, n, own in stock
    ]
    total = sum(n for _, _, n, _ in stock)
    own = sum(part for *_, part in stock)
    rows.append([["All", "合计"], round(total), round(own), total * per_s, own * per_s])
    window = given["reconnect_window_s"]
    peak = total * given["reconnect_ratio"] * BURST_PEAK / window
    busy = total * per_s * given["busy_factor"]
    return table(
        [
            column("use", "应用", "text"),
            column("subscriptions", "用户数"),
            column("of these NB-IoT", "其中NB-IoT"),
            column("reports/s", "上报（次/秒）"),
            column("of these NB-IoT, reports/s", "其中NB-IoT（次/秒）"),
        ],
        rows,
        "No station is a user: what is asked here is counted from uplinks, and the plan tells what "
        f"it takes to carry it. {24 * given['reports_per_h']:.1f} reports of a device a day; "
        f"{busy:,.0f} a second in the busy hour. Where {given['reconnect_ratio']:.1%} of all "
        "devices reconnect within "
        f"{window:g} s, the platform meets {peak:,.0f} a second at the peak.",
        "基站不等于用户：用户数由上行统计得出，本方案只说明承载所需。"
        f"每终端每日{24 * given['reports_per_h']:.1f}次上报；忙时每秒{busy:,.0f}次。若"
        f"{given['reconnect_ratio']:.1%}的终端在{window:g}秒内重连，平台峰值为每秒{peak:,.0f}次。",
    )


def platform(
    _study: Any, ground: Any, _plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return queue partitions and storage that all reports of the region take."""
    total = sum(n for _, _, n, _ in given["stock"](float(ground.land.people.sum())))
    mean = total * given["reports_per_h"] / SECONDS_PER_H
    peak = total * given["reconnect_ratio"] * BURST_PEAK / given["reconnect_window_s"]
    per_day_tb = mean * HOURS_PER_DAY * SECONDS_PER_H * given["platform_record_bytes_count"] / 1e12
    days = given["platform_retention_year"] * DAYS_PER_YEAR
    kept_tb = per_day_tb * days * given["platform_copies_count"]
    partition_per_s = given["platform_partition_per_h"] / SECONDS_PER_H
    rows = [
        [[title, title_zh], per_s, math.ceil(per_s / partition_per_s)]
        for title, title_zh, per_s in (
            ("mean", "平均", mean),
            ("busy hour", "忙时", mean * given["busy_factor"]),
            ("a fleet reconnects", "批量重连", peak),
        )
    ]
    return table(
        [
            column("load", "负荷", "text"),
            column("reports/s", "上报（次/秒）"),
            column("partitions of the queue", "队列分区"),
        ],
        rows,
        f"{per_day_tb:.2f} TB of reports a day; {kept_tb:,.0f} TB kept: "
        f"{given['platform_retention_year']:g} years, {given['platform_copies_count']} copies. "
        f"A partition takes {partition_per_s:,.0f} reports a second; what comes "
        "above it waits in the devices' back-off.",
        f"每日上报{per_day_tb:.2f}TB；保存{given['platform_retention_year']:g}年、"
        f"{given['platform_copies_count']}副本共{kept_tb:,.0f}TB。单分区每秒接收"
        f"{partition_per_s:,.0f}次，超出部分由终端退避重试。",
    )


def messages(
    _study: Any, _ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return terminals and short messages of each service in an hour without cellular."""
    from groundplan.engine.models import message_budget

    layers = plan.system.sector.layers
    terminals = plan.system.demand.sum(axis=1) / DEMAND_SCALE
    told = message_budget(
        terminals,
        given["messages_per_h"],
        given["message_bit"],
        segment_bit=given["segment_bit"],
        card_interval_s=given["card_interval_s"],
        uplink_per_h=given["uplink_per_h"],
    )
    rows: list[list[Any]] = [
        [
            [layer.title, layer.title_zh],
            round(float(terminals[i])),
            float(given["messages_per_h"][i]),
            round(float(given["message_bit"][i])),
            round(float(told.segments_per_h[i])),
            float(told.card_ratio[i]),
            float(told.segments_per_h[i] / given["uplink_per_h"]),
        ]
        for i, layer in enumerate(layers)
    ]
    verdict, verdict_zh = (
        ("more than the part of the service taken here", "超出可用份额")
        if told.uplink_ratio > 1
        else ("within the part of the service taken here", "在可用份额之内")
    )
    return table(
        [
            column("service", "服务", "text"),
            column("terminals", "终端数"),
            column("messages of a terminal an hour", "每终端每小时短报文", "decimal"),
            column("bits of a message", "每条比特数"),
            column("messages an hour", "每小时短报文"),
            column("use of a terminal's card", "终端卡使用率", "percent"),
            column("share of what may be sent", "占可用份额", "percent"),
        ],
        rows,
        f"With cellular down everywhere the terminals send {told.segments_per_h.sum():,.0f} "
        f"messages an hour, {told.uplink_ratio:.1%} of {given['uplink_per_h']:,.0f}: {verdict}.",
        f"公网全部中断时每小时发送{told.segments_per_h.sum():,.0f}条，为{given['uplink_per_h']:,.0f}"
        f"条的{told.uplink_ratio:.1%}，{verdict_zh}。",
    )


def sky(
    _study: Any, ground: Any, _plan: SystemPlan, counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return satellites in view, dilution and availability of each county."""
    relief = relief_of(ground)
    told = county_sky(
        ground.region,
        ground.land,
        len(counties),
        places=given["places"],
        mask_deg=given["mask_deg"],
        pdop_max=given["pdop_max"],
        relief=relief,
    )
    rows = [
        [
            [county["name_en"] or county["name"], county["name"]],
            told.satellites_mean[i],
            told.pdop_mean[i],
            told.available_ratio[i],
            told.available_min_ratio[i],
        ]
        for i, county in enumerate(counties)
        if told.place_count[i]
    ]
    mask = f"{given['mask_deg']:g}"
    horizon, horizon_zh = (
        (
            f"a plain mask of {mask} degrees: the study names no terrain",
            f"统一截止高度角{mask}度：未给地形",
        )
        if relief is None
        else (f"the horizon of the terrain, at least {mask} degrees", f"地形地平线，至少{mask}度")
    )
    return table(
        [
            column("county", "县区", "text"),
            column("satellites in view", "可见卫星", "decimal"),
            column("mean PDOP", "平均PDOP", "decimal"),
            column("available", "可用率", "percent"),
            column("worst place", "最差地点", "percent"),
        ],
        [[round(v, 6) if isinstance(v, float) else v for v in row] for row in plain(rows)],
        f"Nominal BDS-3 over seven sidereal days, every 300 s, {int(told.place_count.sum()):,} "
        f"places, {horizon}. Available: PDOP up to {given['pdop_max']:g}.",
        f"标称BDS-3，七个恒星日、间隔300秒，{int(told.place_count.sum()):,}个地点，{horizon_zh}。"
        f"可用：PDOP不大于{given['pdop_max']:g}。",
    )


REPORT_KINDS: Mapping[str, Callable[[Any, Any, SystemPlan, Counties, Mapping[str, Any]], Table]] = {
    "broken_stations": broken_stations,
    "classes": classes,
    "corrections": corrections,
    "coverage_classes": coverage_classes,
    "day_hours": day_hours,
    "day_promise": day_promise,
    "farms": farms,
    "further": further,
    "growth": growth,
    "growth_by_use": growth_by_use,
    "hazards": hazards,
    "message_load": message_load,
    "messages": messages,
    "milestones": milestones,
    "platform": platform,
    "roads": roads,
    "station_peaks": station_peaks,
    "sky": sky,
}


def report_tables(
    study: Any, ground: Any, plan: SystemPlan, counties: Counties
) -> list[dict[str, Any]]:
    """Return the tables that the plan's sector names, in its order."""
    return [
        one_table(study, ground, plan, counties, report) for report in plan.system.sector.reports
    ]


def one_table(
    study: Any, ground: Any, plan: SystemPlan, counties: Counties, report: Report
) -> dict[str, Any]:
    """Return one table with its title."""
    given = report.parameters(plan.system.settings)
    body = REPORT_KINDS[report.kind](study, ground, plan, counties, given)
    return {"kind": report.kind, "title": report.title, "title_zh": report.title_zh, **body}
