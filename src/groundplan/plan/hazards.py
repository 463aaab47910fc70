"""The user's hazard maps: read, laid on cells, and what they rule out of a system's places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundplan.errors import DataError, Finding, InfeasibleError
from groundplan.plan.report_form import Counties, Table, column, table
from groundplan.plan.system import System, SystemPlan
from groundplan.region.hazards import HazardMask, level_mask, read_levels, read_zones, zone_mask
from groundplan.sectors.contract import Action, Land
from groundplan.sectors.places import cell_at

__all__ = ["Hazards", "hazards", "open_hazard", "read_hazards", "under_hazards", "with_hazards"]


@dataclass(frozen=True)
class Hazards:
    """Every hazard map of a system on the cells: name as written, `study.HazardFile`, mask."""

    parts: tuple[tuple[str, Any, HazardMask], ...]

    @property
    def is_masked(self) -> NDArray[np.bool_]:
        """Cells that any map rules out, (n_cell,)."""
        masks = [mask.is_masked for _, _, mask in self.parts]
        return np.asarray(np.logical_or.reduce(masks), np.bool_)


def open_hazard(given: Any) -> Any:
    """Read what a hazard file declares; levels themselves are read when cells ask for them.

    Raises
    ------
    DataError
        Everything wrong with the file as it stands.
    """
    return read_zones(given.path, given.crs) if given.is_zones else read_levels(given)


def read_hazards(study: Any, key: str, grid: Any) -> Hazards | None:
    """Return the hazard maps that a study names for a system, None where it names none.

    Raises
    ------
    DataError
        What is wrong in the files, all files at once.
    """
    given = study.sectors[key].hazards
    if not given:
        return None
    parts: list[tuple[str, Any, HazardMask]] = []
    findings: list[Finding] = []
    for one in given:
        try:
            opened = open_hazard(one)
            mask = (
                zone_mask(opened, grid)
                if one.is_zones
                else level_mask(opened, grid, one.threshold, one.comparator, one.unknown)
            )
            parts.append((study.name_of(one.path), one, mask))
        except DataError as error:
            findings += error.findings
    if findings:
        raise DataError(findings)
    return Hazards(tuple(parts))


def under_hazards(study: Any, key: str, ground: Any) -> tuple[Any, Hazards | None]:
    """Return the ground with the cells that hazard maps of a system rule out, and the maps."""
    found = read_hazards(study, key, ground.grid)
    if found is None:
        return ground, None
    return replace(ground, land=replace(ground.land, hazard=found.is_masked)), found


def rule_words(given: Any) -> tuple[str, str]:
    """Return what rules a place out, in words."""
    if given.is_zones:
        return "in a zone", "位于区内"
    rule = f"{given.comparator} {given.threshold:g} {given.unit}"
    return rule, rule


def with_hazards(system: System, hazards: Hazards | None, land: Land) -> System:
    """Return the system with the record of what hazards rule out, if it keeps out of any.

    Raises
    ------
    InfeasibleError
        Where hazards leave no place to add anything.
    """
    if not system.sector.avoids_hazards:
        return system
    sites = system.sites
    candidate = sites.action != Action.KEEP
    marked = np.asarray(sites.attributes["is_hazard"], np.bool_)
    cell = cell_at(land, sites.x_m, sites.y_m)
    mapped = np.zeros(len(sites), np.bool_)
    files = []
    for name, given, mask in () if hazards is None else hazards.parts:
        here = (cell >= 0) & mask.is_masked[cell]
        mapped |= here
        files.append(file_record(name, given, mask, candidate, here))
    beyond = 0
    if hazards is not None:
        mapped |= cell < 0
        beyond = int((candidate & (cell < 0)).sum())
    record = {
        "files": files,
        "candidates": int(candidate.sum()),
        "masked_candidates": int((candidate & marked).sum()),
        "masked_standing": int((~candidate & marked).sum()),
        "other_candidates": int((candidate & marked & ~mapped).sum()),
        "other_standing": int((~candidate & marked & ~mapped).sum()),
        "beyond_cells": beyond,
        "is_synthetic": bool(sites.is_synthetic) and hazards is None,
    }
    if candidate.any() and marked[candidate].all():
        raise InfeasibleError(
            f"{system.sector.title}: hazards rule out all {record['candidates']:,} places where "
            "something could be added",
            [
                *(
                    f"{one['path']}: {one['quantity']} {one['rule']} at "
                    f"{one['masked_candidates']:,} places"
                    for one in files
                ),
                "is a threshold in another unit than the levels, or its comparator turned round?"
                if files
                else "is hazard_ratio near 1, or is_hazard true throughout the register?",
            ],
        )
    return replace(system, hazards=record)


def file_record(
    name: str,
    given: Any,
    mask: HazardMask,
    candidate: NDArray[np.bool_],
    here: NDArray[np.bool_],
) -> dict[str, Any]:
    """Return what ``plan.json`` tells of one map."""
    words, words_zh = rule_words(given)
    return {
        "path": name,
        "quantity": given.quantity,
        "unit": given.unit,
        "threshold": given.threshold,
        "comparator": given.comparator,
        "rule": words,
        "rule_zh": words_zh,
        "unknown": None if given.is_zones else given.unknown,
        "crs": mask.crs,
        "licence": given.licence,
        "source": given.source,
        "vintage": given.vintage,
        "masked_cells": int(mask.is_masked.sum()),
        "masked_ratio": float(mask.is_masked.mean()),
        "unknown_cells": mask.unknown_count,
        "beyond_raster_cells": mask.beyond_count,
        "worst": mask.worst,
        "masked_candidates": int((candidate & here).sum()),
        "masked_standing": int((~candidate & here).sum()),
    }


def hazards(
    _study: Any, _ground: Any, plan: SystemPlan, _counties: Counties, given: Mapping[str, Any]
) -> Table:
    """Return which hazards rule out how many places, one row for each map."""
    found = plan.system.hazards
    if found is None:
        raise TypeError(f"{plan.system.sector.key} keeps out of no hazard")
    rows: list[list[Any]] = [
        [
            [f"{one['quantity']}, {one['vintage']}", f"{one['quantity']}，{one['vintage']}年"],
            [one["rule"], one["rule_zh"]],
            one["masked_ratio"],
            one["masked_candidates"],
            one["masked_standing"],
        ]
        for one in found["files"]
    ]
    other = ("column is_hazard of the register", "台账is_hazard列")
    if found["is_synthetic"]:
        other = (given["standin"], given["standin_zh"])
    if found["other_candidates"] or found["other_standing"] or not rows:
        counted = [found["other_candidates"], found["other_standing"]]
        rows.append([[*other], ["marked", "已标记"], None, *counted])
    left = found["candidates"] - found["masked_candidates"]
    note = (
        f"{found['masked_candidates']:,} of {found['candidates']:,} places are left out, {left:,} "
        "remain. "
    )
    note_zh = (
        f"{found['candidates']:,}个备选地点中剔除{found['masked_candidates']:,}个，余{left:,}个。"
    )
    if found["files"]:
        note += (
            "A cell is ruled out where any part of it reaches the threshold or lies in a zone; "
            "centres that stand there stay and are not extended."
        )
        note_zh += "网格内任一部分达到阈值或位于灾害区即整格剔除；区内既有中心保留但不扩建。"
        unknown = sum(one["unknown_cells"] for one in found["files"])
        if unknown:
            note += f" {unknown:,} cells have no value: see unknown in the study."
            note_zh += f"{unknown:,}个网格无数据，按研究所定规则处理。"
    else:
        note += (
            "The study names no hazard map ([[sectors.racks.hazards]]): floods and earthquakes are "
            "not looked at beyond this."
        )
        note_zh += "研究未提供灾害图件（[[sectors.racks.hazards]]），除此之外未考虑洪水与地震。"
    if found["beyond_cells"]:
        note += f" {found['beyond_cells']:,} of them lie beyond the cells, where no map is read."
        note_zh += f"{found['beyond_cells']:,}个位于网格之外，图件未覆盖，亦予剔除。"
    return table(
        [
            column("hazard", "灾害", "text"),
            column("rules out", "剔除条件", "text"),
            column("share of the region", "占区域面积", "percent"),
            column("places left out", "剔除备选地点"),
            column("standing centres in it", "区内既有中心"),
        ],
        rows,
        note,
        note_zh,
    )
