"""The last steps around a plan: check a study before, seal the folder after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from groundplan.errors import DataError, Finding
from groundplan.plan.manifest import MANIFEST, RUN, write_manifest, write_sealed
from groundplan.plan.pipeline import Plan, asked_count, machine_note
from groundplan.plan.system import complete_settings

__all__ = ["check_study", "finish_folder", "reseal"]


def finish_folder(folder: Path, plan: Plan) -> None:
    """Write the manifest over everything in the folder, and the note on this run."""
    write_manifest(folder, plan.record["inputs"])
    write_sealed(folder / RUN, machine_note(plan.stages))


def reseal(folder: Path) -> None:
    """Write the manifest anew after the report was written again."""
    inputs = json.loads((folder / MANIFEST).read_bytes())["inputs"]
    write_manifest(folder, inputs)


def check_study(study: Any) -> dict[str, Any]:
    """Check what only the sectors know: that each exists, its settings fit, its target is asked.

    Returns
    -------
    dict
        A few facts for the reader: targets, systems, money.

    Raises
    ------
    DataError
        With every finding.
    """
    from groundplan.sectors import load_sectors
    from groundplan.study.money import price_programme

    file = str(study.path or "study.toml")
    available = load_sectors()
    findings: list[Finding] = []
    asked = {}
    for key, choice in study.sectors.items():
        if key not in available:
            known = ", ".join(sorted(available))
            findings.append(
                Finding(file, 0, f"sectors.{key}", key, f"one of {known}", "mend the name")
            )
            continue
        try:
            complete_settings(available[key], choice.settings, file)
        except DataError as error:
            findings += error.findings
        sites, servers, target = asked_count(study, available[key])
        asked[key] = {"to_add": sites, "servers": servers, "target": target}
        if not sites:
            measures = ", ".join(m.key for m in available[key].measures)
            findings.append(
                Finding(
                    file,
                    0,
                    f"sectors.{key}",
                    "no working target asks for it",
                    f"a working target with sector = {key!r} and measure one of: {measures}",
                    "add the target or leave the system out",
                )
            )
    if findings:
        raise DataError(findings)
    money = price_programme(study).record()
    return {
        "targets": len(study.targets),
        "systems": asked,
        "priced_bn_cny": round(money["sum_cny"] / 1e9, 2),
        "unallocated_bn_cny": round(money["unallocated_cny"] / 1e9, 2),
    }
