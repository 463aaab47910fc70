"""Tables of a system that is to hold when a site fails: its services, farmland, further sites."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.plan.backup import (
    Ring,
    Served,
    narrowed,
    near_ring,
    place_of_cells,
    served_places,
)
from groundplan.plan.backup_choice import bounds_of, choose
from groundplan.plan.backup_plan import Backed, backed_of, filled, score_of
from groundplan.plan.report_form import Counties, Table, column, table
from groundplan.plan.system import DEMAND_SCALE, SystemPlan
from groundplan.sectors.contract import Action
from groundplan.sectors.sites import pick_sites

__all__ = ["corrections", "farms", "further", "milestones"]

FloatArray = NDArray[np.float64]
#: How land has its correction: word in the file, title.
CLASSES = (
    ("single_base", "one station near enough", "单站"),
    ("network", "several stations around", "网络解"),
    ("open_service", "open service alone (PPP-B2b)", "仅公开服务（PPP-B2b）"),
)
BLOCK_COLUMNS = (
    "block_id", "lon_deg", "lat_deg", "county_code", "county_name", "farmland_ha",
    "machines_count", "corrected_ratio", "firm_ratio", "accuracy_class", "error_m",
)  # fmt: skip


def corrections(
    _study: Any, _ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return what each service asks, and what share of its terminals has it."""
    backed, sector = backed_of(plan), plan.system.sector
    demand, after, reach = backed.question.places.demand, backed.after, backed.question.reach

    def shares(at: Any) -> list[float]:
        total = max(1, int(demand[at].sum()))
        return [float(demand[at][is_met[at]].sum() / total) for is_met in after]

    def told(number: Any, title: list[str], asked: list[float | None]) -> list[Any]:
        return [title, round(int(demand[number].sum()) / DEMAND_SCALE), *asked, *shares(number)]

    rows = [
        told(
            number,
            [layer.title, layer.title_zh],
            [
                round(100.0 * given["accuracy_m"][number], 6),
                float(reach.single_m[number] / 1000.0),
                float(reach.near_m[number] / 1000.0),
            ],
        )
        for number, layer in enumerate(sector.layers)
    ]
    rows.append(told(slice(None), ["All", "合计"], [None, None, None]))
    network_km = reach.network_m / 1000.0
    origin, origin_zh = origin_words(plan.system.demand_file)
    return table(
        [
            column("service", "服务", "text"),
            column("terminals", "终端数"),
            column("asked, cm", "精度要求（厘米）", "decimal"),
            column("one station, km", "单站（公里）", "decimal"),
            column("network, km", "网络解（公里）", "decimal"),
            column("one station", "单站可达", "percent"),
            column("or several", "单站或网络解", "percent"),
            column("if any one fails", "任一站失效仍可用", "percent"),
        ],
        rows,
        f"Several: inside a triangle of stations of this plan within {network_km:g} km, the "
        "nearest one within the reach of a network. " + origin,
        f"网络解：位于{network_km:g}公里内本方案三站三角形中，且最近站在网络解半径内。" + origin_zh,
    )


def milestones(
    study: Any, _ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return when each service is due, and when a terminal of it counts."""
    due = {t.measure: str(t.due_on) for t in study.targets if t.is_working and t.due_on}
    rows: list[list[Any]] = []
    for number, layer in enumerate(plan.system.sector.layers):
        rule = given["evidence"][number]
        on = due.get(given["measures"][number])
        rows.append(
            [
                [layer.title, layer.title_zh],
                [on or "not asked", on or "未要求"],
                [rule.doc, rule.doc_zh],
                [rule.protocol, rule.protocol],
            ]
        )
    return table(
        [
            column("service", "服务", "text"),
            column("due", "期限", "text"),
            column("counts when", "何时计数", "text"),
            column("by", "依据协议", "text"),
        ],
        rows,
        "No number is asked of the services: each is proven once terminals answer.",
        "各服务未给数量目标：终端应答即为实证。",
    )


def origin_words(file: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return where the terminals come from."""
    if file is None:
        return "Terminals are modelled.", "终端为模拟数量。"
    source = f"{file['path']} ({file['source']}, {file['vintage']})"
    return (
        f"Terminals of {', '.join(file['layers'])} from {source}; others are modelled.",
        f"{'、'.join(file['layers_zh'])}终端取自{source}，其余为模拟数量。",
    )


def nearest_m(ring: Ring) -> FloatArray:
    """Return the distance of the nearest site of each place, infinity where there is none."""
    out = np.full(ring.ptr.size - 1, np.inf)
    has = np.flatnonzero(np.diff(ring.ptr) > 0)
    if has.size:
        out[has] = np.minimum.reduceat(ring.distance_m, ring.ptr[:-1][has])
    return out


def error_of_places(backed: Backed, plan: SystemPlan, given: Mapping[str, Any]) -> FloatArray:
    """Return the horizontal error of each place: near a station it grows with the distance."""
    layer = given["layer"]
    near = nearest_m(narrowed(backed.question.ring, plan.chosen))
    near = np.where(np.isfinite(near), near, 0.0)
    single = given["base_m"] + given["growth"] * near
    several = given["base_m"] + given["network_growth"] * near
    several = np.where(backed.after.served[layer], several, given["open_error_m"])
    return np.asarray(np.where(backed.after.single[layer], single, several), np.float64)


def class_of_places(after: Served, layer: int) -> NDArray[np.int64]:
    """Return the number of each place's entry in `CLASSES`."""
    return np.where(after.single[layer], 0, np.where(after.served[layer], 1, 2))


def farms(
    _study: Any, ground: Any, plan: SystemPlan, counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return farmland, machines, share with correction and error by county, and a file by block."""
    land, backed = ground.land, backed_of(plan)
    layer, square = given["layer"], backed.question.square
    area = given["hectares"](land)
    machines = plan.system.demand[layer] / DEMAND_SCALE
    kind = class_of_places(backed.after, layer)
    of_place = (
        kind == 0, kind == 1, backed.after.firm[layer], error_of_places(backed, plan, given),
    )  # fmt: skip
    block, n_block = place_of_cells(land.x_m, land.y_m, land.cell_m, given["block_m"])

    def added(values: FloatArray) -> list[FloatArray]:
        return [
            np.bincount(group, weights=values, minlength=n).astype(np.float64)
            for group, n in ((land.county, len(counties)), (block, n_block))
        ]

    # one after another: each part is as long as the land has cells
    parts = [added(area), added(machines), *(added(area * told[square]) for told in of_place)]
    of_county, of_block = zip(*parts, strict=True)
    whole, count, single, several, holds, weighted = of_county
    rows = [
        [
            [county["name_en"] or county["name"], county["name"]],
            round(float(whole[i])),
            round(float(count[i])),
            round(float(single[i] / whole[i]), 4),
            round(float(several[i] / whole[i]), 4),
            round(float(holds[i] / whole[i]), 4),
            round(100.0 * float(weighted[i] / whole[i]), 2),
        ]
        for i, county in enumerate(counties)
        if whole[i] > 0
    ]
    text, n_row = block_file(ground, land, counties, block, n_block, of_block)
    total = max(float(area.sum()), 1e-9)
    corrected = float((area * (kind < 2)[square]).sum() / total)
    name = f"{plan.system.sector.key}-farm-blocks.csv"
    return {
        **table(
            [
                column("county", "县区", "text"),
                column("farmland below 2 degrees, ha", "坡度2度以下耕地（公顷）"),
                column("steered machines", "自动驾驶农机"),
                column("one station", "单站可达", "percent"),
                column("several", "网络解", "percent"),
                column("if any one fails", "任一站失效仍可用", "percent"),
                column("mean error, cm", "平均误差（厘米）", "decimal"),
            ],
            rows,
            f"{area.sum():,.0f} ha, {corrected:.2%} with correction; elsewhere the open service "
            f"gives {given['open_error_m']:g} m. {n_row:,} blocks of {given['block_m'] / 1000:g} "
            f"km: {name}.",
            f"共{area.sum():,.0f}公顷，{corrected:.2%}有差分服务；其余为公开服务"
            f"{given['open_error_m']:g}米。"
            f"{given['block_m'] / 1000:g}公里地块{n_row:,}个：{name}。",
        ),
        "file": {"name": name, "text": text},
    }


def block_file(
    ground: Any, land: Any, counties: Counties, block: NDArray[np.int64], n_block: int,
    sums: Sequence[FloatArray],
) -> tuple[str, int]:  # fmt: skip
    """Return the farm blocks as CSV, and how many there are: those that have farmland."""
    whole, machines, single, several, firm, weighted = sums
    cells = np.bincount(block, minlength=n_block)
    middle = [
        np.bincount(block, weights=v, minlength=n_block) / cells for v in (land.x_m, land.y_m)
    ]
    lon, lat = ground.region.unproject(*middle)
    # a block belongs to the county of most of its cells
    n = len(counties)
    inside = np.bincount(block * n + land.county, minlength=n_block * n).reshape(n_block, n)
    home = np.argmax(inside, axis=1)
    kind = np.argmax(np.stack([single, several, whole - single - several]), axis=0)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(BLOCK_COLUMNS)
    listed = np.flatnonzero(whole > 0)
    for i in listed.tolist():
        writer.writerow(
            [
                f"{i:06d}", f"{lon[i]:.5f}", f"{lat[i]:.5f}", counties[home[i]]["code"],
                counties[home[i]]["name"], f"{whole[i]:.1f}", f"{machines[i]:.2f}",
                f"{(single[i] + several[i]) / whole[i]:.4f}", f"{firm[i] / whole[i]:.4f}",
                CLASSES[kind[i]][0], f"{weighted[i] / whole[i]:.4f}",
            ]
        )  # fmt: skip
    return out.getvalue(), int(listed.size)


def further(
    _study: Any, ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return what sites beyond those of the plan would add, with a bound for each number."""
    backed, system = backed_of(plan), plan.system
    stands = pick_sites(system.sites, plan.chosen)
    stands = replace(stands, action=np.full(len(stands), Action.KEEP, np.int8))
    sites = given["candidates"](ground.land, stands)
    standing = np.asarray(sites.action == Action.KEEP)
    question = backed.question
    places = question.places
    total = max(1, int(places.demand.sum()))
    ring = near_ring(places.x_m, places.y_m, sites.x_m, sites.y_m, question.reach.network_m)
    question = replace(question, ring=ring, standing=standing, free=~standing)
    kind = system.sector.backup.kind if system.sector.backup is not None else ""
    n_free = int((~standing).sum())
    rows: list[list[Any]] = []
    for count in (0, *(c for c in given["counts"] if c < n_free), *([n_free] if n_free else [])):
        asked = replace(question, p=count)
        chosen, bound = standing, None
        if count:
            told = choose(asked, kind, steps=200, sweeps=60)
            chosen = filled(asked, told.sites, sites.capex_cny)
        has = served_places(narrowed(ring, chosen), question.reach)
        if count and told.engine is not None:
            reached = int(places.demand[has.served].sum())
            most = bounds_of(asked, told, score_of(asked, has), reached, steps=200)
            bound = most.served / total
        single, served, firm = (float(places.demand[part].sum() / total) for part in has)
        rows.append(
            [
                count,
                single,
                served,
                bound,
                firm,
                int(sites.capex_cny[chosen & ~standing].sum()),
            ]
        )
    return table(
        [
            column("stations", "新增站数"),
            column("one station", "单站可达", "percent"),
            column("or several", "单站或网络解", "percent"),
            column("its bound", "其上界", "percent"),
            column("if any one fails", "任一站失效仍可用", "percent"),
            column("cost, CNY", "投资（元）"),
        ],
        rows,
        "Beyond this plan, at county seats and on open land far from its stations. Each row is a "
        "choice of its own, the last one takes every such place. Bound: no as many serve a larger "
        "share. Cost before message cards.",
        "在本方案之外，候选为远离现有站的县城与空旷地；各行分别选址，末行为全部候选。"
        "上界：同样站数不可能达到更高份额。投资不含短报文卡。",
    )
