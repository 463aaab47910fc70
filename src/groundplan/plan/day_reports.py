"""Tables of stations over the hours of a day: demand by hour, the waiting promise, the feeders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.plan.columns import county_of_points
from groundplan.plan.kinds import sizing_model
from groundplan.plan.report_form import Counties, Table, column, plain, table
from groundplan.plan.system import SystemPlan
from groundplan.sectors.contract import Action, Sized

__all__ = ["broken_stations", "classes", "day_hours", "day_promise"]

KW_PER_MW = 1000.0
#: Stations that the table of broken promises names.
NAMED_MAX = 20
#: The two classes: what stands at stations, and the stations.
CLASSES = (
    ("public facilities (chargers)", "公共充电设施（桩）"),
    ("smart stations, site and grid", "智能站（场地与接网）"),
)
Columns = dict[str, NDArray[Any]]


def columns_at(plan: SystemPlan, sized: Sized) -> Columns:
    """Return what sizing gave for the stations of the plan."""
    return {name: values[plan.chosen] for name, values in sized.attributes.items()}


def both_days(plan: SystemPlan, given: Mapping[str, Any]) -> list[Any]:
    """Return a weekday and a day of the holiday peak at the plan's stations."""
    models = sizing_model(plan.system.sector.sizing.kind)
    columns = columns_at(plan, plan.sized)
    return [given["hours"](models, columns, day) for day in given["days"]]


DAY_TITLES = {"weekday": ("weekday", "工作日"), "holiday": ("holiday peak", "节假日高峰")}
#: What a plan does at a site, in words.
ACTIONS = (
    (Action.UPGRADE, "upgraded", "升级"),
    (Action.SHARE, "on existing lots", "利用既有场地"),
    (Action.NEW, "on new land", "新建"),
)


def classes(
    study: Any, _ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return stations and what stands at them: asked, planned, by part, and their cost."""
    system, sized = plan.system, plan.sized
    new = plan.chosen & ~system.existing
    own = sized.attributes[
        next(m.cost for m in system.sector.measures if m.key == given["facility"])
    ]
    site_cny = sized.capex_cny - own
    asked = {
        t.measure: (t.to_build(), t.due_on.year)
        for t in study.targets
        if t.is_working and t.sector == system.sector.key
    }
    rows: list[list[Any]] = []
    for measure in system.sector.measures:
        if measure.key not in asked:
            continue
        is_site = measure.counts == "sites"
        count = system.sites.units[new].sum() if is_site else sized.servers[new].sum()
        cny = site_cny[new].sum() if is_site else own[new].sum()
        title = CLASSES[is_site]
        rows.append([list(title), asked[measure.key][0], count, cny / 1e6, asked[measure.key][1]])
        if is_site:
            for action, name, name_zh in ACTIONS:
                at = new & (system.sites.action == action)
                rows.append(
                    [[f"– {name}", f"– {name_zh}"], None, at.sum(), site_cny[at].sum() / 1e6, None]
                )
        else:
            for name, name_zh, counted, each_cny in given["parts"]:
                part = int(sized.attributes[counted][new].sum())
                rows.append(
                    [[f"– {name}", f"– {name_zh}"], None, part, part * each_cny / 1e6, None]
                )
    return table(
        [
            column("class", "类别", "text"),
            column("asked", "目标"),
            column("planned", "规划"),
            column("cost, M CNY", "投资（百万元）", "decimal"),
            column("due", "期限", "year"),
        ],
        plain(rows),
        "Every new facility stands at a smart station: site, control and transformer are paid "
        "once there, and a pile elsewhere would follow no limit.",
        "新增设施均设于智能站内：场地、控制与变压器在站内只投资一次，站外单桩无法执行功率限值。",
    )


def day_hours(
    _study: Any, _ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return energy, load and broken promises of each hour."""
    weekday, holiday = both_days(plan, given)
    rows = [
        [
            [f"{hour:02d}–{hour + 1:02d}"] * 2,
            *(float(kwh) / KW_PER_MW for kwh in weekday.arriving_kwh[:, hour]),
            float(holiday.arriving_kwh[:, hour].sum()) / KW_PER_MW,
            float(weekday.uncontrolled_kw[hour]) / KW_PER_MW,
            float(weekday.smart_kw[hour]) / KW_PER_MW,
            int(weekday.broken_count[hour]),
            int(holiday.broken_count[hour]),
        ]
        for hour in range(weekday.broken_count.size)
    ]
    return table(
        [
            column("hour", "时段", "text"),
            *(column(title, title_zh, "decimal") for title, title_zh in given["titles"]),
            column("holiday", "节假日", "decimal"),
            column("load", "到即充负荷", "decimal"),
            column("load, smart", "有序充电负荷", "decimal"),
            column("short", "未达承诺站"),
            column("short, holiday", "节假日未达"),
        ],
        plain(rows),
        "MWh of the cars that arrive in the hour at the plan's stations: by segment on a weekday, "
        "all together on a day of the holiday peak. Load of a mean weekday, MW: every car on "
        "arrival, and with smart charging, when each station keeps to its least limit of that "
        "day. Short: stations where more drivers wait too long than may.",
        "各时段到达车辆在本方案各站的充电量（兆瓦时）：工作日按用户群，节假日高峰为合计。负荷为平均"
        "工作日（兆瓦）：到即充，以及各站不超过当日最小限值的有序充电。未达承诺站：等待超限者多于允许"
        "比例的站数。",
    ) | {
        "chart": {
            "label": 0,
            "bars": [1 + number for number in range(len(given["titles"]))],
            "lines": [len(given["titles"]) + 1, len(given["titles"]) + 3],
            "unit": "MWh in the hour, MW",
            "unit_zh": "时段兆瓦时，兆瓦",
        }
    }


def day_promise(
    _study: Any, _ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return the waiting promise, feeders and undelivered energy, and what the holiday costs."""
    days = both_days(plan, given)
    at = columns_at(plan, plan.sized)
    rows = [
        [
            list(DAY_TITLES[day]),
            told.arriving_kwh.sum() / KW_PER_MW,
            told.sessions.sum(),
            told.arriving_kwh.sum() / told.sessions.sum() if told.sessions.sum() else None,
            int((at[f"{day}_broken_h"] > 0).sum()),
            int(at[f"{day}_broken_h"].sum()),
            told.exceed_ratio.max(),
            told.undelivered_kwh,
        ]
        for day, told in zip(given["days"], days, strict=True)
    ]
    note, note_zh = promise_note(plan, given)
    return table(
        [
            column("day", "日类型", "text"),
            column("MWh", "兆瓦时"),
            column("sessions", "充电次数"),
            column("kWh a session", "单次电量（千瓦时）", "decimal"),
            column("stations short", "未达承诺站"),
            column("hours short", "未达站时"),
            column("wait too long, worst hour", "最差时段超限比例", "percent"),
            column("undelivered, kWh", "未送达（千瓦时）"),
        ],
        plain(rows),
        note + feeder_note(at, given),
        note_zh + feeder_note_zh(at, given),
    )


def promise_note(plan: SystemPlan, given: Mapping[str, Any]) -> tuple[str, str]:
    """Return what the promise asks for, and what keeping it on the holiday too would cost."""
    new = plan.chosen & ~plan.system.existing
    sized, asked = plan.sized, plan.servers_needed
    alone = int(resized(plan, plan.system.settings, 0).servers[new].sum())
    limit, share = given["limit_min"], given["exceed_ratio"]
    session = given["session_kwh"]
    english = (
        f"Promise: in every hour at most {share:.0%} of drivers wait longer than {limit:g} minutes "
        f"for a charger. It alone asks for {alone:,} new chargers; the targets ask for {asked:,}. "
        f"A session of all public charging takes {session:.2f} kWh (setting). "
    )
    chinese = (
        f"承诺：每个时段等待超过{limit:g}分钟者不超过{share:.0%}。仅承诺即需新增{alone:,}个充电桩，"
        f"目标要求{asked:,}个。全部公共充电单次电量：{session:.2f}千瓦时（设置值）。"
    )
    if given["is_sized_for_holiday"]:
        return (
            english + "The plan is sized for the holiday peak too. ",
            chinese + "本方案已按节假日高峰配置。",
        )
    other = resized(plan, given["for_holiday"], asked)
    count = int(other.servers[new].sum() - sized.servers[new].sum())
    cny = int(other.capex_cny[new].sum() - sized.capex_cny[new].sum())
    return (
        english + "Keeping it on the holiday as well, feeders included, would take "
        f"{count:,} more chargers and {cny / 1e6:,.1f} M CNY more. ",
        chinese + f"节假日也兑现承诺（含馈线）需再增{count:,}个充电桩、投资{cny / 1e4:,.0f}万元。",
    )


def feeder_sums(at: Columns) -> tuple[float, float, float, float, int]:
    """Return limits together, MW: at once, smart, planned; what is saved; transformers saved."""
    smart, freely, planned = (
        float(at[name].sum()) / KW_PER_MW
        for name in ("smart_peak_kw", "uncontrolled_peak_kw", "power_kw")
    )
    less = 1.0 - smart / freely if freely > 0 else 0.0
    return freely, smart, planned, less, int(at["transformer_saved_cny"].sum())


def feeder_note(at: Columns, given: Mapping[str, Any]) -> str:
    """Return what feeders must give with and without smart charging."""
    freely, smart, planned, less, saved = feeder_sums(at)
    return (
        f"Feeders together (means over a quarter of an hour, kept on about "
        f"{1 - given['feeder_exceed_ratio']:.0%} of days): {freely:,.1f} MW if every car charges "
        f"on arrival, {smart:,.1f} MW with smart charging ({less:.1%} less), {planned:,.1f} MW "
        f"planned; all chargers at full power would draw {given['nameplate_kw'](at) / 1e3:,.1f} "
        f"MW. Transformers saved: {saved / 1e6:,.2f} M CNY."
    )


def feeder_note_zh(at: Columns, given: Mapping[str, Any]) -> str:
    """Return the same in Chinese."""
    freely, smart, planned, less, saved = feeder_sums(at)
    return (
        f"馈线容量合计（15分钟均值，约{1 - given['feeder_exceed_ratio']:.0%}的日子内成立）："
        f"到即充{freely:,.1f}兆瓦，有序充电{smart:,.1f}兆瓦（减少{less:.1%}），规划{planned:,.1f}兆瓦；"
        f"全部桩满功率为{given['nameplate_kw'](at) / 1e3:,.1f}兆瓦。节省变压器投资"
        f"{saved / 1e4:,.0f}万元。"
    )


def broken_stations(
    _study: Any, ground: Any, plan: SystemPlan, counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return the stations that break the promise longest on the holiday, and what each lacks."""
    sized, sites = plan.sized, plan.system.sites
    hours = sized.attributes["holiday_broken_h"]
    worst = sized.attributes["holiday_exceed_ratio"]
    at = np.flatnonzero(plan.chosen & (hours > 0))
    order = np.lexsort((at, -worst[at], -hours[at]))
    named = at[order[:NAMED_MAX]]
    county = county_of_points(ground.grid, sites.x_m[named], sites.y_m[named])
    lon, lat = ground.region.unproject(sites.x_m[named], sites.y_m[named])
    lacking = resized(plan, given["for_holiday"], 0)
    total = lacking.attributes["fast_chargers_count"] + lacking.attributes["slow_chargers_count"]
    has = sized.attributes["fast_chargers_count"] + sized.attributes["slow_chargers_count"]
    rows = [
        [
            [counties[c]["name_en"] or counties[c]["name"], counties[c]["name"]],
            float(lon[i]),
            float(lat[i]),
            int(hours[j]),
            worst[j],
            has[j],
            max(int(total[j] - has[j]), 0),
        ]
        for i, (j, c) in enumerate(zip(named.tolist(), county.tolist(), strict=True))
    ]
    return table(
        [
            column("county", "县区", "text"),
            column("longitude", "经度", "decimal"),
            column("latitude", "纬度", "decimal"),
            column("hours broken", "未达时数"),
            column("wait too long in the worst hour", "最差时段超限比例", "percent"),
            column("chargers", "充电桩"),
            column("more needed", "尚缺"),
        ],
        plain(rows),
        f"{at.size:,} stations break the promise in some hour of the holiday peak; named are the "
        f"{len(named)} that break it longest, all of them in the asset table (holiday_broken_h).",
        f"节假日高峰有{at.size:,}座站在某时段未达承诺；列出时间最长的{len(named)}座，全部见资产表"
        "（holiday_broken_h）。",
    )


def resized(plan: SystemPlan, settings: Mapping[str, Any], needed: int) -> Sized:
    """Return the plan's stations sized anew under other settings."""
    system = plan.system
    return system.sector.sizing.build(
        sizing_model(system.sector.sizing.kind),
        system.sites,
        plan.chosen,
        plan.loads,  # type: ignore[arg-type]  # a settled plan has them
        settings,
        needed,
    )
