"""`plan.json`: what the plan answers, in numbers and in plain words.

Everything a reader sees elsewhere (report, tables, ``--json``) is taken from this one record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from groundplan.plan.system import DEMAND_SCALE, SystemPlan
from groundplan.sectors.contract import Action
from groundplan.sectors.places import (
    DENSE_URBAN_PER_KM2,
    ENVIRONMENTS,
    URBAN_PER_KM2,
)

__all__ = [
    "PLACES",
    "REGIMES",
    "answer_sentence",
    "layer_rows",
    "money_record",
    "sector_record",
    "target_records",
    "yuan",
]

#: What a gap of this size means and when it is to be expected, by status.
REGIMES = {
    "optimal": (
        "Proven optimal: no other choice under the same limit serves more.",
        "已证明最优：同样限制下不可能服务更多需求。",
    ),
    "feasible": (
        (
            "The asked gap is proven. On population-like demand with many sites the bound is "
            "usually within half a percent of the best plan; on even demand or near-total "
            "coverage it is weaker."
        ),
        (
            "已证明达到要求的差距。在人口分布型需求、站点众多时，上界通常与最优方案相差不到0.5%；"
            "需求均匀或接近全覆盖时上界较松。"
        ),
    ),
    "stopped": (
        (
            "The planned effort ended, or a stop was asked for, before the asked gap was proven; "
            "plan and bound are valid all the same."
        ),
        "计算在证明要求的差距之前结束；方案与上界仍然有效。",
    ),
}
#: The same where `Decision.bound_by` is ``"search"``.
REGIME_SEARCH = (
    (
        "Proven optimal by an exhaustive search: no other choice under the same limit serves "
        "more. groundplan verify recomputes the weaker bound of the prices alone."
    ),
    (
        "经穷举搜索证明最优：同样限制下不可能服务更多需求。"
        "groundplan verify 仅重新计算由价格得出的较宽上界。"
    ),
)
#: Kinds of place in the order of `ENVIRONMENTS`.
PLACES = (
    (
        ENVIRONMENTS[0],
        f"Dense urban ({DENSE_URBAN_PER_KM2:,.0f} people per km² or more)",
        f"密集城区（每平方公里{DENSE_URBAN_PER_KM2:,.0f}人以上）",
    ),
    (
        ENVIRONMENTS[1],
        f"Urban ({URBAN_PER_KM2:,.0f} to {DENSE_URBAN_PER_KM2:,.0f} people per km²)",
        f"城区（每平方公里{URBAN_PER_KM2:,.0f}至{DENSE_URBAN_PER_KM2:,.0f}人）",
    ),
    (
        ENVIRONMENTS[2],
        f"Rural (below {URBAN_PER_KM2:,.0f} people per km²)",
        f"乡村（每平方公里不足{URBAN_PER_KM2:,.0f}人）",
    ),
)
ACTION_NAMES = {a: a.name.lower() for a in Action}


def layer_rows(plan: SystemPlan) -> list[dict[str, Any]]:
    """Return counts by action and served share before and after, for each layer."""
    sites, system = plan.system.sites, plan.system
    rows = []
    for number, layer in enumerate(system.sector.layers):
        mine = plan.chosen & (sites.layer == number)
        demand = system.demand[number]
        total = max(1, int(demand.sum()))
        rows.append(
            {
                "key": layer.key,
                "title": layer.title,
                "title_zh": layer.title_zh,
                **{
                    f"n_{name}": int((mine & (sites.action == action)).sum())
                    for action, name in ACTION_NAMES.items()
                },
                "served_before_ratio": float(demand[plan.served_before[number]].sum() / total),
                "served_after_ratio": float(demand[plan.served_after[number]].sum() / total),
            }
        )
    return rows


def sector_record(
    plan: SystemPlan,
    counties: list[dict[str, Any]],
    places: list[dict[str, Any]],
    existing_label: tuple[str, str],
    opex_cny_per_year: int | None,
) -> dict[str, Any]:
    """Return the record of one system for ``plan.json``."""
    system, decision, sites = plan.system, plan.decision, plan.system.sites
    sector = system.sector
    planned = plan.chosen & ~system.existing
    by_action = {
        name: int((plan.chosen & (sites.action == action)).sum())
        for action, name in ACTION_NAMES.items()
    }
    cost_by_action = {
        name: int(plan.sized.capex_cny[planned & (sites.action == action)].sum())
        for action, name in ACTION_NAMES.items()
        if action != Action.KEEP
    }
    is_searched = decision.bound_by == "search"
    regime, regime_zh = REGIME_SEARCH if is_searched else REGIMES[decision.status]
    return {
        "title": sector.title,
        "title_zh": sector.title_zh,
        "layers": layer_rows(plan),
        "value": decision.value,
        "base_value": decision.base_value,
        "bound": decision.bound,
        "bound_by": decision.bound_by,
        "gap": decision.gap,
        "gain_gap": decision.gain_gap,
        "status": decision.status,
        "limited_by": "count" if "p" in decision.certificate.parameters else "budget",
        "demand_total": int(system.demand.sum()),
        "demand_unit": sector.demand.unit,
        "demand_scale": DEMAND_SCALE,
        "regime": regime,
        "regime_zh": regime_zh,
        "counts": {
            **by_action,
            "hosts_before": int(np.unique(sites.host[system.existing]).size),
            "hosts_after": int(np.unique(sites.host[plan.chosen]).size),
            "servers": int(plan.sized.servers[plan.chosen].sum()),
        },
        "cost_cny": int(plan.sized.capex_cny[planned].sum()),
        "cost_by_action": cost_by_action,
        "opex_cny_per_year": opex_cny_per_year,
        "reach_decided_by": sector.service.decided_by,
        "reach": [
            {
                "layer": layer.key,
                "layer_title": layer.title,
                "layer_title_zh": layer.title_zh,
                "environment": environment,
                "reach_m": float(system.reach_table_m[i, k]),
                "detail": system.reach_detail[i][k],
            }
            for i, layer in enumerate(sector.layers)
            for k, environment in enumerate(sector.environments)
        ],
        "sizing": {
            "overloaded_count": int(plan.sized.is_overloaded[plan.chosen].sum()),
            "servers_total": int(plan.sized.servers[plan.chosen].sum()),
            "servers_planned": int(plan.sized.servers[planned].sum()),
            "load_max": float(plan.sized.load[plan.chosen].max(initial=0.0)),
        },
        "counties": counties,
        "places": places,
        "existing": {
            "is_synthetic": bool(sites.is_synthetic),
            "label": existing_label[0],
            "label_zh": existing_label[1],
            "n": by_action["keep"],
        },
        "evidence": [
            {
                "protocol": rule.protocol,
                "observation": rule.observation,
                "max_age_s": rule.max_age_s,
                "doc": rule.doc,
                "doc_zh": rule.doc_zh,
            }
            for rule in sector.evidence
        ],
        "limits": list(sector.limits),
        "limits_zh": list(sector.limits_zh),
        "certificate": f"certificate/{sector.key}.json",
    }


def in_ten_thousands(number: float) -> str:
    """Return a number the way Chinese texts count: 万 and 亿 from a hundred thousand on.

    Examples
    --------
    >>> in_ten_thousands(99_365_519), in_ten_thousands(180_000), in_ten_thousands(27_001)
    ('9,936.55万', '18万', '27,001')
    """
    for size, name in ((1e8, "亿"), (1e4, "万")):
        if abs(number) >= max(size, 1e5):
            return f"{number / size:,.2f}".rstrip("0").rstrip(".") + name
    return f"{number:,.0f}"


def yuan(value: float) -> tuple[str, str]:
    """Return an amount of money in English and Chinese.

    Examples
    --------
    >>> yuan(7_156_129_000), yuan(39_712_000)
    (('7.16 bn CNY', '71.6亿元'), ('39.71 M CNY', '3,971万元'))
    """
    if value == 0:
        return "0 CNY", "0元"
    if abs(value) >= 1e8:
        return f"{value / 1e9:,.2f} bn CNY", f"{value / 1e8:,.1f}亿元"
    return f"{value / 1e6:,.2f} M CNY", f"{value / 1e4:,.0f}万元"


def cost_sentence(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the answer for a capacitated system: what meeting the demand costs at least."""
    counts, unit = record["counts"], record["servers_unit"]
    planned = counts["upgrade"] + counts["share"] + counts["new"]
    built = record["sizing"]["servers_planned"]
    value, bound, years = record["value"], record["bound"], record["horizon_year"]
    by_action = f"{counts['upgrade']:,} extended, {counts['share']:,} in existing buildings, "
    english = (
        f"{record['title']}: {built:,} {unit} at {planned:,} sites ({by_action}"
        f"{counts['new']:,} new) for {yuan(record['cost_cny'])[0]} meet the demand of "
        f"{record['servers_asked']:,} within every limit; over {years:g} years, running costs "
        f"included, the plan costs {yuan(value)[0]}. "
    )
    chinese = (
        f"{record['title_zh']}：在{planned:,}处（扩容{counts['upgrade']:,}、利用既有建筑"
        f"{counts['share']:,}、新建{counts['new']:,}）建设{in_ten_thousands(built)}架，投资"
        f"{yuan(record['cost_cny'])[1]}，在全部时延与容量限制内满足"
        f"{in_ten_thousands(record['servers_asked'])}架需求；{years:g}年期总费用（含运行）"
        f"{yuan(value)[1]}。"
    )
    if record["status"] == "optimal":
        return (
            english + "No plan that meets the demand costs less.",
            chinese + "满足需求的任何方案都不可能更便宜。",
        )
    less = (value - bound) / value
    return (
        english + f"No plan that meets the demand can cost less than {yuan(bound)[0]}: "
        f"at most {less:.2%} less.",
        chinese + f"满足需求的任何方案都不可能低于{yuan(bound)[1]}（至多再省{less:.2%}）。",
    )


def backup_sentence(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the answer for a system that is to hold when a site fails."""
    scale, total, unit = record["demand_scale"], record["demand_total"], record["demand_unit"]
    counts, backup = record["counts"], record["backup"]
    planned = counts["upgrade"] + counts["share"] + counts["new"]
    value, ratio = record["value"] / scale, record["value"] / total
    english = (
        f"{record['title']}: with {counts['upgrade']:,} sites upgraded, "
        f"{counts['share']:,} shared and {counts['new']:,} new for "
        f"{yuan(record['cost_cny'])[0]}, {value:,.0f} {unit} ({ratio:.2%}, before "
        f"{record['base_value'] / total:.2%}) have a site near enough or several around them, "
        f"{backup['firm_ratio']:.2%} also when any one site fails. "
    )
    chinese = (
        f"{record['title_zh']}：升级{counts['upgrade']:,}、共享{counts['share']:,}、"
        f"新建{counts['new']:,}处，投资{yuan(record['cost_cny'])[1]}；单站或网络解服务率由"
        f"{record['base_value'] / total:.2%}升至{ratio:.2%}，任一站失效时仍为"
        f"{backup['firm_ratio']:.2%}。"
    )
    if not planned:
        return english + "Nothing is added.", chinese + "不新增。"
    if backup["is_only_plan"]:
        return (
            english + "All that stands is upgraded: there is no other such plan.",
            chinese + "现有站全部升级，方案唯一。",
        )
    return (
        english + f"No plan with as many sites, those that stand upgraded first, can serve more "
        f"than {record['bound'] / total:.2%}, or more than {backup['firm_bound_ratio']:.2%} when "
        "one fails.",
        chinese + f"在优先升级现有站、站点数量相同的前提下，任何方案的服务率不超过"
        f"{record['bound'] / total:.2%}，单站失效时不超过{backup['firm_bound_ratio']:.2%}。",
    )


def answer_sentence(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the answer for one system in English and Chinese, bound included."""
    if record.get("decision") == "capacitated":
        return cost_sentence(record)
    if record.get("decision") == "backup":
        return backup_sentence(record)
    scale, total = record["demand_scale"], record["demand_total"]
    value, bound = record["value"] / scale, record["bound"] / scale
    counts = record["counts"]
    planned = counts["upgrade"] + counts["share"] + counts["new"]
    unit = record["demand_unit"]
    ratio, most = record["value"] / total, record["bound"] / total
    before = record["base_value"] / total
    if not planned and not record.get("is_asked", True):
        english = (
            f"{record['title']}: no target asks for sites, so none is added; those that stand "
            f"serve {value:,.0f} {unit} ({ratio:.2%})."
        )
        return (
            english,
            f"{record['title_zh']}：无目标要求新增站点，不新增；现有设施服务率为{ratio:.2%}。",
        )
    if not planned:
        english = (
            f"{record['title']}: the target is met by what stands; nothing is added. It serves "
            f"{value:,.0f} {unit} ({ratio:.2%})."
        )
        return (
            english,
            f"{record['title_zh']}：现有设施已满足目标，不新增；服务率为{ratio:.2%}。",
        )
    english = (
        f"{record['title']}: adding {planned:,} sites ({counts['upgrade']:,} upgraded, "
        f"{counts['share']:,} shared, {counts['new']:,} new) for "
        f"{yuan(record['cost_cny'])[0]}, this plan serves {value:,.0f} {unit} "
        f"({ratio:.2%}, before {before:.2%}). "
    )
    chinese = (
        f"{record['title_zh']}：新增{planned:,}处（升级{counts['upgrade']:,}、"
        f"共享{counts['share']:,}、新建{counts['new']:,}），投资"
        f"{yuan(record['cost_cny'])[1]}，服务率由{before:.2%}升至{ratio:.2%}。"
    )
    limit, limit_zh = (
        ("with this budget", "同一预算下")
        if record["limited_by"] == "budget"
        else ("with as many sites", "站点数量相同的情况下")
    )
    if record["status"] == "optimal":
        return (
            english + f"No plan {limit} serves more.",
            chinese + f"{limit_zh}，任何方案都不可能服务更多。",
        )
    more = (bound - value) / value
    return (
        english + f"No plan {limit} can serve more than {bound:,.0f} ({most:.2%}): at most "
        f"{more:.2%} more.",
        chinese + f"{limit_zh}，任何方案都不可能超过{most:.2%}（至多再多{more:.2%}）。",
    )


def target_records(
    targets: Sequence[Any],
    planned: Mapping[str, int],
    counts: Mapping[str, tuple[int, str]],
    supported: Collection[tuple[str, str]] = (),
) -> list[dict[str, Any]]:
    """Return the targets table: asked, baseline, to build, planned, after, gap, status.

    Parameters
    ----------
    targets : sequence of study.Target
    planned : mapping of str to int
        Target key -> units the plan adds.
    counts : mapping of str to (int, str)
        Measure -> units the plan adds and the sector, for the readings beside the working one.
    supported : collection of (str, str)
        Measure and sector of counts that a planned system supports and does not add to.
    """
    rows = []
    for target in targets:
        added = planned.get(target.key)
        sector = target.sector
        if added is None and target.measure in counts:
            added, sector = counts[target.measure]
        baseline = target.baseline
        after = gap = to_build = None
        status = "milestone" if target.kind == "milestone" else "not_planned_here"
        if (target.measure, target.sector) in supported:
            status = "supported"
        if target.value is not None and target.kind in ("stock", "increment"):
            to_build = target.to_build()
            if added is not None:
                # as if nothing stood: what the plan adds is the least that will stand
                start = baseline if target.kind == "stock" and not target.is_all_new else 0
                if start is not None:
                    after = start + added
                    gap = max(0, target.need() - after)
                    status = "reached" if gap == 0 else "missed"
        rows.append(
            {
                **target.record(),
                "to_build": to_build,
                "planned": added,
                "after": after,
                "gap": gap,
                "status": status,
                "sector": sector,
            }
        )
    return rows


def money_record(programme: Mapping[str, Any], planned_cny: Mapping[str, int]) -> dict[str, Any]:
    """Return the priced programme with what the plan itself spends on each line."""
    lines = [{**line, "planned_cny": planned_cny.get(line["key"])} for line in programme["lines"]]
    return {**programme, "lines": lines}
