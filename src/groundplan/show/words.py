"""Numbers, money and words of the report, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from groundplan.plan.answer import in_ten_thousands, yuan
from groundplan.quantity import CONFIDENCES, unit_of

__all__ = [
    "both",
    "column_label",
    "confidence",
    "mix",
    "money",
    "money_range",
    "number",
    "percent",
    "plain",
    "price_zh",
    "register_verdict",
    "shade",
    "sign",
    "status",
    "word",
]

CONFIDENCES_ZH = {"H": "高", "M": "中", "L": "低", "U": "未核实", "A": "假设"}
STATUS = {
    "reached": ("reached by this plan", "本方案达到"),
    "missed": ("missed by this plan", "本方案未达到"),
    "not_planned_here": ("not sited here", "未选址"),
    "milestone": ("milestone", "里程碑"),
    "supported": (
        "counted, not sited: the network is sized for it",
        "按统计计数，不选址；网络按此配置",
    ),
}
#: What the datum guard says of a register, by `DatumVerdict.status`.
VERDICTS = {
    "ok": ("agree with known places", "与已知地点一致"),
    "warned": ("displaced as a whole, and planned all the same", "整体偏移，仍按原坐标规划"),
    "not enough points": (
        "not confirmed: too few of them lie near known places",
        "未能确认：附近的已知地点过少",
    ),
    "too scattered": ("not confirmed: too scattered to judge", "未能确认：位置过于分散"),
}
#: Words of a plan's record that a reader meets.
WORDS = {
    "stock": ("in all, by the date", "截止日存量"),
    "increment": ("newly added", "期间新增"),
    "ratio": ("share", "比率"),
    "milestone": ("milestone", "里程碑"),
    "optimal": ("proven optimal", "已证明最优"),
    "feasible": ("the asked gap is proven", "已证明达到要求的差距"),
    "stopped": ("ended before the asked gap was proven", "在证明要求的差距之前结束"),
    "residents": ("residents", "人"),
    "kWh/day": ("kWh/day", "千瓦时/日"),
    "trips/year": ("trips a year", "次/年"),
    "devices": ("devices", "终端"),
    "terminals": ("terminals", "终端"),
    "dense_urban": ("dense urban", "密集城区"),
    "urban": ("urban", "城区"),
    "rural": ("rural", "乡村"),
    "W": ("W of IT load", "瓦（IT负荷）"),
    "racks of 2.5 kW": ("racks of 2.5 kW", "架（2.5千瓦）"),
    "upgrade": ("extended", "扩容"),
    "share": ("existing building", "既有建筑"),
    "new": ("new", "新建"),
}
#: Colour of each confidence in bars; told in words beside them.
SHADES = {"H": "#009e73", "M": "#56b4e9", "L": "#e69f00", "U": "#cc79a7", "A": "#8a8a8a"}
#: Chinese for the prices of the systems of this package; others are told in their own words.
PRICES_ZH = {
    "beidou.station_upgrade_cny": "现有基准站升级北斗三号：接收机、天线与一张短报文卡",
    "beidou.station_share_cny": "县城既有场地建站：观测墩、接收机、天线、电源与链路",
    "beidou.station_new_cny": "空地新建基准站",
    "beidou.card_cny": "短报文站每增加一张卡",
    "beidou.station_opex_cny_per_year": "单站电费、链路与维护",
    "charging.station_new_cny": "新用地建站：首台变压器与土建，不含充电桩",
    "charging.station_share_cny": "既有场地建站：首台变压器与土建，不含充电桩",
    "charging.station_upgrade_cny": "普通站智能化：控制、计量与并网，不含充电桩",
    "charging.charger_cny": "120千瓦直流桩（仅设备）",
    "charging.slow_charger_cny": "7千瓦交流桩（设备与安装）",
    "charging.transformer_cny": "每增加一台变压器",
    "charging.station_opex_cny_per_year": "单站维护、租金与接入，不含电费",
    "corridor.station_new_cny": "城镇出口新建站：用地、首台变压器与土建，不含充电桩",
    "corridor.station_share_cny": "无桩服务区一对（双侧）建站",
    "corridor.station_upgrade_cny": "有桩服务区一对达到承诺：馈线、控制与计量，不含充电桩",
    "corridor.charger_cny": "120千瓦直流桩（仅设备）",
    "corridor.transformer_cny": "每增加一台变压器",
    "corridor.station_opex_cny_per_year": "单站（双侧）维护、租金与接入，不含电费",
    "iot.station_share_cny": "既有铁塔上的NB-IoT站：射频、天线分摊与软件，每扇区一载波",
    "iot.carrier_cny": "单扇区每增加一载波",
    "iot.station_opex_cny_per_year": "单站租金、能耗与维护",
    "mobile.base_station_cny": "既有铁塔上的5G基站（全部费用）",
    "mobile.new_mast_cny": "新建铁塔：塔体、土建与供电，两网共用",
    "mobile.carrier_cny": "基站单扇区每增加一载波",
    "mobile.station_opex_cny_per_year": "单基站能耗、租金与维护",
    "racks.rack_cny": "2.5千瓦机架及其机房、供电与制冷分摊，不含场地工程",
    "racks.site_new_cny": "新建中心首架之前：用地、110千伏接入与双路光缆",
    "racks.site_upgrade_cny": "现有中心扩容：馈线间隔与装修，不含用地",
    "racks.site_share_cny": "运营商或园区既有建筑改造，沿用其馈线",
    "racks.power_cny_per_kwh": "电价",
    "racks.rack_opex_cny_per_year": "单架维护，不含电费",
    "racks.link_cny_per_km": "单架每公里线路年连接费",
}
#: Chinese for the columns that the systems of this package add; others show their name.
COLUMNS_ZH = {
    "carriers_count": "载波数",
    "sector_load_ratio": "最忙扇区负荷",
    "chargers_count": "现有充电桩",
    "dc_chargers_count": "其中可接入的直流桩",
    "feeder_kw": "现有馈线容量",
    "reused_chargers_count": "接入的现有桩",
    "added_chargers_count": "新增桩",
    "added_fast_count": "其中快充",
    "added_slow_count": "其中慢充",
    "added_transformers_count": "新增变压器（首台之外）",
    "fast_chargers_count": "快充桩",
    "slow_chargers_count": "慢充桩合计",
    "added_connectors_count": "新增接口",
    "new_station_count": "新设公共站",
    "resident_kwh_per_day": "居民夜间电量",
    "destination_kwh_per_day": "单位与目的地电量",
    "fleet_kwh_per_day": "出租与网约车电量",
    "passing_kwh_per_day": "途经车辆电量",
    "weekday_exceed_ratio": "工作日最差超限比例",
    "holiday_exceed_ratio": "节假日最差超限比例",
    "weekday_broken_h": "工作日未达承诺时数",
    "holiday_broken_h": "节假日未达承诺时数",
    "power_kw": "峰值功率",
    "smart_peak_kw": "有序充电最小限值",
    "uncontrolled_peak_kw": "到即充最小限值",
    "undelivered_kwh_per_day": "未送达电量",
    "holiday_undelivered_kwh_per_day": "节假日未送达电量",
    "added_chargers_cny": "新增桩投资",
    "transformer_saved_cny": "节省变压器投资",
    "charger_use_ratio": "高峰利用率",
    "sides_count": "独立排队侧数",
    "stops_per_day": "日充电次数",
    "peak_stops_per_h": "平日高峰小时次数",
    "holiday_stops_per_h": "假日高峰小时次数",
    "racks_count": "现有机架",
    "used_racks_count": "其中在用",
    "reserved_racks_count": "已预留机架",
    "headroom_kw": "馈线余量",
    "is_hazard": "灾害区",
    "pue_ratio": "年均PUE",
    "peak_pue_ratio": "最热时PUE",
    "free_cooling_h": "自然冷却小时",
    "modules_count": "新增模块",
    "added_racks_count": "新增机架",
    "spare_racks_count": "其中富余",
    "it_load_kw": "机架功率",
    "opex_cny_per_year": "年运行费用",
    "standing_carriers_count": "现有载波数",
    "needed_carriers_count": "所需载波数",
    "device_load_ratio": "终端负荷",
    "reconnect_success_ratio": "重连成功率",
    "message_cards_count": "短报文卡数",
    "card_use_ratio": "短报文卡利用率",
}


def both(english: object, chinese: object) -> Markup:
    """Return a text in both languages; the page shows one of them."""
    frame = Markup('<span lang="en">{}</span><span lang="zh">{}</span>')
    return frame.format(english, chinese)


def number(value: float | None, digits: int = 0) -> Markup:
    """Return a number grouped for English and in 万 and 亿 for Chinese."""
    if value is None:
        return Markup("–")
    english, chinese = f"{value:,.{digits}f}", in_ten_thousands(value)
    return Markup(escape(english)) if english == chinese else both(english, chinese)  # noqa: S704


def money(value: float | None) -> Markup:
    """Return an amount in bn or M CNY, 亿元 or 万元."""
    if value is None:
        return Markup("–")
    return both(*yuan(value))


def money_range(low: float, high: float, of: float | None = None) -> Markup:
    """Return two amounts in one unit: that of `of`, where it is given."""
    if abs(high if of is None else of) >= 1e8:
        return both(
            f"{low / 1e9:,.2f} to {high / 1e9:,.2f} bn CNY",
            f"{low / 1e8:,.1f}至{high / 1e8:,.1f}亿元",
        )
    return both(
        f"{low / 1e6:,.2f} to {high / 1e6:,.2f} M CNY", f"{low / 1e4:,.0f}至{high / 1e4:,.0f}万元"
    )


def percent(value: float | None, digits: int = 1) -> str:
    """Return a ratio as a percentage."""
    return "–" if value is None else f"{value:.{digits}%}"


def plain(value: object) -> str:
    """Return a setting as it would be written by hand."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,.10g}" if abs(value) >= 10_000 else f"{value:g}"


def mix(parts: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return what rests on each confidence, best first, without what rests on none."""
    return [(key, parts[key]) for key in CONFIDENCES if parts.get(key)]


def sign(comparator: str) -> str:
    """Return a comparator as printed."""
    return {">=": "≥", "<=": "≤"}.get(comparator, comparator)


def confidence(key: str) -> Markup:
    """Return how well a value is known."""
    return both(CONFIDENCES[key], CONFIDENCES_ZH[key])


def shade(key: str) -> str:
    """Return the colour of a confidence."""
    return SHADES[key]


def price_zh(sector: str, name: str) -> str:
    """Return what a price pays for in Chinese, empty where it is not known."""
    return PRICES_ZH.get(f"{sector}.{name}", "")


def register_verdict(register: Mapping[str, Any]) -> Markup:
    """Return what the guard found about the positions of a register."""
    found = VERDICTS[register["status"]]
    if register["status"] == "not enough points":
        return both(*found)
    return both(
        f"{found[0]} (median shift {register['east_m']:+,.0f} m east, "
        f"{register['north_m']:+,.0f} m north of {register['pairs']:,} known places)",
        f"{found[1]}（与{register['pairs']:,}个已知地点相比，中位偏移：东{register['east_m']:+,.0f}米，"
        f"北{register['north_m']:+,.0f}米）",
    )


def status(key: str) -> Markup:
    """Return what became of a target."""
    return both(*STATUS[key])


def word(key: str) -> Markup:
    """Return a word of the record in both languages, itself where there is no translation."""
    return both(*WORDS.get(key, (key.replace("_", " "), key)))


def column_label(name: str) -> dict[str, str]:
    """Return a column's name without its unit suffix, and in Chinese where it is known."""
    stem = name
    for suffix in ("_count", "_ratio", "_kw", "_kwh", "_m", "_km", "_cny"):
        if unit_of(name) is not None and name.endswith(suffix):
            stem = name.removesuffix(suffix)
            break
    english = stem.replace("_", " ")
    return {"en": english, "zh": COLUMNS_ZH.get(name, english)}
