"""The record of a whole plan: answers, targets, money, assumptions, and what of it is modelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundplan.plan.answer import answer_sentence, money_record, target_records
from groundplan.plan.bill import stated
from groundplan.plan.manifest import library_versions
from groundplan.plan.system import SystemPlan

__all__ = ["plan_record", "spent_by_line"]


def plan_record(
    study: Any, ground: Any, plans: Mapping[str, SystemPlan], sectors: dict[str, Any]
) -> dict[str, Any]:
    """Return the record of ``plan.json``."""
    from groundplan.study.money import price_programme

    counts: dict[str, tuple[int, str]] = {}
    supported: set[tuple[str, str]] = set()
    planned: dict[str, int] = {}
    spent: dict[str, int] = {}
    for key, plan in plans.items():
        new = plan.chosen & ~plan.system.existing
        totals = {
            "sites": int(plan.system.sites.units[new].sum()),
            "servers": int(plan.sized.servers[new].sum()),
            **{
                name: int(column[new].sum())
                for name, column in plan.sized.attributes.items()
                if column.dtype.kind == "i"
            },
        }
        for measure in plan.system.sector.measures:
            if measure.counts in totals:
                counts[measure.key] = (totals[measure.counts], key)
            else:
                supported.add((measure.key, key))
        spent |= spent_by_line(study, plan, sectors[key]["cost_cny"])
    for target in study.targets:
        if target.is_working and target.sector in plans and target.measure in counts:
            planned[target.key] = counts[target.measure][0]
    targets = target_records(study.targets, planned, counts, supported)
    answers = []
    for key, part in sectors.items():
        part["targets"] = keys_of_system(targets, key, plans[key])
        sentence, sentence_zh = answer_sentence(part)
        answers.append({"sector": key, "sentence": sentence, "sentence_zh": sentence_zh})
    region, grid = ground.region, ground.grid
    return {
        "format": "groundplan-plan/1",
        "study": {
            "name": study.name,
            "title": study.title,
            "title_zh": study.title_zh,
            "region": region.key,
            "region_name": region.name_en,
            "region_name_zh": region.name_zh,
            "years": list(study.years),
            "seed": study.seed,
        },
        "grid": {
            "cell_m": grid.cell_m,
            "n_cell": len(grid),
            "crs": grid.crs,
            "geometry_label": grid.geometry_label,
            "geometry_label_zh": "合成几何" if grid.is_synthetic else grid.geometry_label,
            "is_synthetic": grid.is_synthetic,
        },
        "people": ground.people_note,
        "answer": answers,
        "targets": targets,
        "money": money_record(price_programme(study).record(), spent),
        "sectors": sectors,
        "assumptions": [*(a.record() for a in study.assumptions), *setting_rows(plans)],
        "sources": [*(dict(s) for s in region.sources), *(s.record() for s in study.sources)],
        "modelled": modelled_notes(ground, plans),
        "ledger": list(ground.ledger.rows()),
        "inputs": {},
        "versions": library_versions(),
    }


def keys_of_system(targets: list[dict[str, Any]], key: str, plan: SystemPlan) -> list[str]:
    """Return the keys of the targets that a system answers, each with its other readings after it.

    A milestone has no system of its own: it belongs where a report of milestones names its measure,
    or where it is called as the system is. Numbers come before milestones.
    """
    sector = plan.system.sector
    milestones = {
        measure
        for report in sector.reports
        if report.kind == "milestones"
        for measure in report.parameters(plan.system.settings)["measures"]
    }
    own = [
        t
        for t in targets
        if t["is_working"]
        and (
            t["sector"] == key
            or t["measure"] in milestones
            or (t["kind"] == "milestone" and t["key"] == key)
        )
    ]
    own.sort(key=lambda t: t["kind"] == "milestone")
    return [
        name
        for target in own
        for name in (
            target["key"],
            *(t["key"] for t in targets if t["reading_of"] == target["key"]),
        )
    ]


def spent_by_line(study: Any, plan: SystemPlan, total_cny: int) -> dict[str, int]:
    """Return what a system's plan spends on each of its lines in the programme.

    A line whose target counts units that have a cost of their own (`Measure.cost`) takes that; the
    first of the others takes the rest, or the first of all where there is no other.
    """
    sector = plan.system.sector
    new = plan.chosen & ~plan.system.existing
    own = {m.key: m.cost for m in sector.measures if m.cost}
    measure_of = {target.key: target.measure for target in study.targets}
    spent: dict[str, int] = {}
    others = []
    for line in study.cost_lines:
        if line.sector != sector.key:
            continue
        column = own.get(measure_of.get(line.target, ""))
        if column is None:
            others.append(line.key)
        else:
            spent[line.key] = int(plan.sized.attributes[column][new].sum())
    rest = others[0] if others else next(iter(spent), None)
    if rest is not None:
        spent[rest] = spent.get(rest, 0) + total_cny - sum(spent.values())
    return spent


def setting_rows(plans: Mapping[str, SystemPlan]) -> list[dict[str, Any]]:
    """Return every setting and price that the sectors used, as rows of the assumptions table."""
    return [
        {**stated(item, plan.system.settings), "used_by": key}
        for key, plan in plans.items()
        for item in (*plan.system.sector.settings, *plan.system.sector.cost.fields)
    ]


def modelled_notes(ground: Any, plans: Mapping[str, SystemPlan]) -> list[dict[str, str]]:
    """Return everything in the plan that is modelled or synthetic, in words."""
    notes = []
    if ground.people_note["is_modelled"]:
        notes.append(
            {
                "what": "people",
                "label": "Population surface: modelled; sums to the census by unit, synthetic "
                "below about 5 km. Planning exercise data.",
                "label_zh": "人口面为模拟数据：各普查单元合计与普查一致，"
                "约5公里以下为合成。仅供规划演练。",
            }
        )
    if ground.grid.is_synthetic:
        notes.append(
            {
                "what": "geometry",
                "label": f"County borders: {ground.grid.geometry_label}.",
                "label_zh": "县界为合成几何，非测绘边界。",
            }
        )
    if ground.relief is not None and ground.relief.record["is_synthetic"]:
        notes.append(
            {
                "what": "terrain",
                "label": "Terrain: synthetic heights, a test and no place.",
                "label_zh": "地形为合成高程，仅供测试，并非实地。",
            }
        )
    notes += [
        {
            "what": f"{key} existing assets",
            "label": f"{plan.system.sector.title}: existing assets are a seeded stand-in "
            "consistent with published counts, not a register.",
            "label_zh": f"{plan.system.sector.title_zh}：现有设施为与公布数量一致的"
            "随机替代数据，并非台账。",
        }
        for key, plan in plans.items()
        if plan.system.sites.is_synthetic
    ]
    notes += [
        {
            "what": f"{key} roads",
            "label": f"{plan.system.sector.title}: the road network is a seeded stand-in between "
            "towns, no map.",
            "label_zh": f"{plan.system.sector.title_zh}：路网为城镇间的替代网络，并非地图。",
        }
        for key, plan in plans.items()
        if plan.system.laid is not None and plan.system.laid.network.roads.is_synthetic
    ]
    notes += [
        {
            "what": f"{key} trips",
            "label": f"{plan.system.sector.title}: trips are modelled by gravity, not counted.",
            "label_zh": f"{plan.system.sector.title_zh}：出行量按引力模型推算，并非观测。",
        }
        for key, plan in plans.items()
        if plan.system.laid is not None and not plan.system.laid.network.roads.has_traffic
    ]
    notes += [
        {
            "what": f"{key} service",
            "label": f"{plan.system.sector.title}: service is modelled "
            f"({plan.system.sector.service.kind.replace('_', ' ')}), not measured.",
            "label_zh": f"{plan.system.sector.title_zh}：服务范围为模型计算，非实测。",
        }
        for key, plan in plans.items()
    ]
    return notes
