"""The last steps around a plan: check a study before, seal the folder after."""

from __future__ import annotations

import json
import platform
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundplan.errors import DataError, Finding, VerificationError
from groundplan.plan.manifest import (
    MANIFEST,
    REPORT,
    RUN,
    file_entry,
    seal_fault,
    write_manifest,
    write_sealed,
)
from groundplan.plan.pipeline import Plan, asked_count
from groundplan.plan.road_input import misplaced_files
from groundplan.plan.system import complete_settings

__all__ = ["check_study", "finish_folder", "reseal", "seal_folder", "unknown_system"]


def machine_note(stages: Mapping[str, float]) -> dict[str, Any]:
    """Return what ``run.json`` tells: machine, time, memory; differs from run to run."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "format": "groundplan-run/1",
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "stage_s": dict(stages),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_memory_mib": round(usage.ru_maxrss / 1024, 1),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
    }


def seal_folder(folder: Path, record: Mapping[str, Any], stages: Mapping[str, float]) -> None:
    """Write the manifest over everything in the folder, and the note on this run."""
    write_manifest(folder, record["inputs"])
    write_sealed(folder / RUN, machine_note(stages))


def finish_folder(folder: Path, plan: Plan) -> None:
    """Seal the folder of a plan anew, with everything that now lies in it."""
    seal_folder(folder, plan.record, plan.stages)


def reseal(folder: Path) -> None:
    """Enter a report that was written again into the manifest; every other entry stays.

    Raises
    ------
    VerificationError
        Where the manifest itself does not hold.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise VerificationError(f"{MANIFEST}: missing")
    if (fault := seal_fault(path)) is not None:
        raise VerificationError(fault)
    body = {k: v for k, v in json.loads(path.read_bytes()).items() if k != "seal"}
    body["files"] = {**body["files"], REPORT: file_entry(folder / REPORT)}
    write_sealed(path, body)


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
            findings.append(unknown_system(key, available, file))
            continue
        try:
            complete_settings(available[key], choice.settings, file)
        except DataError as error:
            findings += error.findings
        findings += misplaced_files(key, choice, available[key], file)
        sites, servers, target = asked_count(study, available[key])
        to_add = sites
        if available[key].asked_by == "servers":
            to_add, servers = servers, 0
        asked[key] = {"to_add": to_add, "servers": servers, "target": target}
        findings += unasked(study, available[key], file)
        if target and not to_add and available[key].asked_by == "servers":
            findings.append(
                Finding(
                    file, 0, f"sectors.{key}", f"nothing to add for {target}",
                    "a working target above its baseline: what is asked is met at least cost",
                    "the target is met already: leave the system out",
                )
            )  # fmt: skip
    if not study.sectors:
        findings.append(
            Finding(
                file, 0, "sectors", "none", "at least one system to plan",
                f"add a table, e.g. [sectors.{min(available)}]",
            )
        )  # fmt: skip
    if not findings and not any(a["to_add"] for a in asked.values()):
        findings.append(
            Finding(
                file, 0, "targets", "nothing to add in any system",
                "at least one target above its baseline",
                "every working target is met already: is a value or a baseline wrong?",
            )
        )  # fmt: skip
    if findings:
        raise DataError(findings)
    money = price_programme(study).record()
    return {
        "targets": len(study.targets),
        "systems": asked,
        "priced_bn_cny": round(money["sum_cny"] / 1e9, 2),
        "unallocated_bn_cny": round(money["unallocated_cny"] / 1e9, 2),
    }


def unknown_system(key: str, available: Mapping[str, Any], file: str) -> Finding:
    """Return the finding on a system that is not there."""
    known = ", ".join(sorted(available))
    return Finding(file, 0, f"sectors.{key}", key, f"one of {known}", "mend the name")


def unasked(study: Any, sector: Any, file: str) -> list[Finding]:
    """Return findings where no working target, or more than one, drives a system's plan."""
    counts = {m.key: m.counts for m in sector.measures}
    mine = [
        t for t in study.targets
        if t.is_working and t.sector == sector.key and counts.get(t.measure) == sector.asked_by
    ]  # fmt: skip
    supported = any(
        t.is_working and t.sector == sector.key and counts.get(t.measure) == "nothing"
        for t in study.targets
    )
    if len(mine) == 1 or (supported and not mine):
        return []
    where = f"sectors.{sector.key}"
    if mine:
        return [
            Finding(
                file, 0, where, f"{len(mine)} working targets: {', '.join(t.key for t in mine)}",
                "one", "make the others readings of it, or is_working = false",
            )
        ]  # fmt: skip
    measures = ", ".join(m.key for m in sector.measures if m.counts in {sector.asked_by, "nothing"})
    return [
        Finding(
            file, 0, where, "no working target asks for it",
            f"a working target with sector = {sector.key!r} and measure one of: {measures}",
            "add the target or leave the system out",
        )
    ]  # fmt: skip
