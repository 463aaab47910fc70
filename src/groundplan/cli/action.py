"""What each command does: returns (data for ``--json``, text for people, exit code)."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from groundplan.cli.progress import Progress
from groundplan.errors import DataError, UsageError
from groundplan.quantity import CONFIDENCES

__all__ = [
    "check",
    "demo",
    "new",
    "plan",
    "region_check",
    "report",
    "schema",
    "sectors",
    "verify",
    "version",
]

Result = tuple[Any, str, int]
#: How the search for a system's plan ended, by status.
ENDS = {
    "optimal": "proven optimal",
    "feasible": "the asked gap is proven",
    "stopped": "the planned effort ended first",
}
#: Numbers of a target that the summary tells.
TOLD_OF_TARGETS = ("value", "baseline", "planned", "gap")


@contextmanager
def stop_on_interrupt(progress: Progress) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a stop request; the second one ends the program."""
    asked: list[bool] = []

    def handle(_number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)
        progress.end_stage()
        progress.stream.write("stopping at the next check; the best plan so far is written\n")

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_plan(
    study: Any,
    folder: Path,
    *,
    cell_m: str | None,
    gap: float | None,
    resume: bool,
    quiet: bool,
    terrain: Path | None,
) -> Result:
    """Plan a study, write folder and report, and tell what came out."""
    from groundplan.plan import Options, make_plan
    from groundplan.study import with_terrain

    if terrain is not None:
        study = with_terrain(study, terrain)
    progress = Progress(quiet=quiet)
    options = Options() if gap is None else Options(gap=gap)
    with stop_on_interrupt(progress) as stop:
        plan = make_plan(
            study,
            folder,
            cell_m=None if cell_m is None else float(cell_m),
            options=options,
            resume=resume,
            progress=progress,
            stop=stop,
            report=report_inside,
        )
    progress.close()
    return plan_data(plan), plan_text(plan), 4 if plan.is_stopped else missed(plan.record)


def report_inside(aside: Path, name: str) -> None:
    """Write the report into a plan folder that is not in its place yet."""
    from groundplan.show import write_report

    write_report(aside, name=name)


def missed(record: dict[str, Any]) -> int:
    """Return 1 where a working target of a planned system is missed, else 0."""
    return int(any(t["is_working"] and t["status"] == "missed" for t in record["targets"]))


def plan_data(plan: Any) -> dict[str, Any]:
    """Return the summary of a plan as data."""
    record = plan.record
    names = ("value", "base_value", "bound", "gap", "gain_gap", "status", "cost_cny", "counts")
    return {
        "folder": str(plan.folder),
        "answer": record["answer"],
        "sectors": {
            k: {**{n: p[n] for n in names}, "targets": p["targets"], "money": p["money"]}
            for k, p in record["sectors"].items()
        },
        "targets": [
            {n: t[n] for n in ("key", "value", "planned", "after", "gap", "status")}
            for t in record["targets"]
            if t["is_working"]
        ],
        "modelled": record["modelled"],
        "stage_s": plan.stages,
    }


def plan_text(plan: Any) -> str:
    """Return the summary of a plan for people."""
    record = plan.record
    lines = [""]
    for answer in record["answer"]:
        lines += [answer["sentence"], ""]
    for key, part in record["sectors"].items():
        told = (
            f"{key}: proven gap {part['gap']:.3%} of what the plan costs"
            if part.get("decision") == "capacitated"
            else f"{key}: proven gap {part['gap']:.3%} of all that is served, "
            f"{part['gain_gap']:.2%} of what could still be gained"
        )
        lines.append(f"{told} ({ENDS[part['status']]})")
        lines += system_lines(record, key)
    money = record["money"]
    lines.append(
        f"money: all targets priced {money['sum_cny'] / 1e9:.1f} bn CNY "
        f"({money['sum_low_cny'] / 1e9:.0f}-{money['sum_high_cny'] / 1e9:.0f}) of "
        f"{money['budget_cny'] / 1e9:.0f} bn; unallocated {money['unallocated_cny'] / 1e9:.1f} bn"
    )
    lines += [f"note: {m['label']}" for m in record["modelled"]]
    lines.append(f"plan folder: {plan.folder}/ (open {plan.folder}/report.html)")
    if plan.is_stopped:
        lines.append("stopped early: this is the best plan so far; go on with --resume")
    lines.append(f"time: {plan.stages['total']:.1f} s")
    return "\n".join(lines)


def system_lines(record: dict[str, Any], key: str) -> list[str]:
    """Return what is asked of a system, what is missing, and what its cost rests on."""
    part = record["sectors"][key]
    targets = {t["key"]: t for t in record["targets"]}
    lines = []
    for target in (targets[name] for name in part["targets"] if targets[name]["is_working"]):
        if target["value"] is None:
            continue
        number = {n: "-" if target[n] is None else f"{target[n]:,.10g}" for n in TOLD_OF_TARGETS}
        lines.append(
            f"  {target['key']}: asked {target['comparator']} {number['value']}, baseline "
            f"{number['baseline']}, planned {number['planned']}, missing {number['gap']} "
            f"(confidence: {CONFIDENCES[target['confidence']]})"
        )
    for name, of in (("capital", part["money"]["capital"]), ("a year", part["money"]["running"])):
        if of is None or not of["total_cny"]:
            continue
        mix = [
            f"{CONFIDENCES[c]} {v / of['total_cny']:.0%}"
            for c, v in of["by_confidence_cny"].items()
        ]
        if of["untold_cny"]:
            mix.append(f"not broken down {of['untold_cny'] / of['total_cny']:.0%}")
        size, unit = (1e9, "bn") if of["total_cny"] >= 1e9 else (1e6, "M")
        told = f"{of['total_cny'] / size:,.2f} {unit} CNY"
        if of["has_range"]:
            told += f" ({of['low_cny'] / size:,.2f}-{of['high_cny'] / size:,.2f})"
        lines.append(f"  {name}: {told}, by confidence of its prices: " + ", ".join(mix))
    return lines


def demo(
    *, region: str, out: Path | None, cell_m: str | None, gap: float | None, resume: bool,
    quiet: bool, terrain: Path | None,
) -> Result:  # fmt: skip
    """Plan the worked example."""
    from groundplan.study import read_example

    return run_plan(
        read_example(region),
        out or Path(region),
        cell_m=cell_m,
        gap=gap,
        resume=resume,
        quiet=quiet,
        terrain=terrain,
    )


def plan(
    *, path: Path, out: Path | None, cell_m: str | None, gap: float | None, resume: bool,
    quiet: bool, terrain: Path | None,
) -> Result:  # fmt: skip
    """Plan a study of the user's own."""
    from groundplan.study import read_study

    study = read_study(study_file(path))
    folder = out or study_file(path).parent / "plan"
    return run_plan(
        study, folder, cell_m=cell_m, gap=gap, resume=resume, quiet=quiet, terrain=terrain
    )


def study_file(path: Path) -> Path:
    """Return the study file: the path itself, or study.toml in a folder."""
    return path / "study.toml" if path.is_dir() else path


def new(*, folder: Path, like: str) -> Result:
    """Write a study to fill in."""
    from groundplan.study import write_study_template

    written = write_study_template(folder, like)
    text = f"wrote {written}; fill it in, then: groundplan check {written}"
    return {"written": str(written)}, text, 0


def check(*, path: Path) -> Result:
    """Check a study, the files it names and the settings of its systems; all faults at once."""
    from groundplan.plan import check_systems, inspect_study
    from groundplan.study import read_study, sound_systems, with_lines

    file = study_file(path)
    study, findings = None, []
    try:
        study = read_study(file)
        facts = inspect_study(study)
    except DataError as error:
        findings = list(error.findings)
        if study is None:
            findings += check_systems(sound_systems(file), str(file))
    if findings:
        raise DataError(with_lines(findings, file))
    lines = [f"{file}: no errors", *fact_lines(facts)]
    return {"study": study.name if study else "", "findings": [], **facts}, "\n".join(lines), 0


def fact_lines(facts: dict[str, Any]) -> list[str]:
    """Return the facts of a sound study in words."""
    lines = [f"  {facts['targets']} targets"]
    for key, asked in facts["systems"].items():
        more = f" and {asked['servers']:,} {asked['servers_unit']}" if asked["servers"] else ""
        lines.append(f"  {key}: {asked['to_add']:,} to add{more} (target {asked['target']})")
    lines.append(
        f"  money: targets priced {facts['priced_bn_cny']:g} bn CNY, "
        f"unallocated {facts['unallocated_bn_cny']:g} bn CNY"
    )
    return lines


def report(*, folder: Path, out: Path | None) -> Result:
    """Write the report again; inside the plan folder its manifest follows."""
    from groundplan.plan import reseal
    from groundplan.show import write_report

    if not (folder / "plan.json").is_file():
        raise UsageError(f"{folder} is no plan folder: it has no plan.json")
    written = write_report(folder, out)
    if out is None:
        reseal(folder)
    return {"written": str(written)}, f"wrote {written}", 0


def verify(*, folder: Path) -> Result:
    """Verify a plan folder."""
    from groundplan.plan import verify_plan

    progress = Progress()
    found = verify_plan(folder, progress=progress)
    progress.close()
    lines = [f"{folder}: every byte, sum, value and bound holds"]
    for key, part in found.items():
        value, bound = part["value"], part["bound"]
        if part.get("sense") == "min":
            lines.append(
                f"  {key}: costs {value:,.2f} CNY, bound {bound:,.2f} CNY, "
                f"gap {(value - bound) / value:.3%}, {part['sites']:,} sites chosen"
            )
            continue
        lines.append(
            f"  {key}: value {value:,}, bound {bound:,}, "
            f"gap {(bound - value) / bound:.3%}, {part['sites']:,} sites chosen"
        )
        if part["bound_by"] == "search":
            lines.append(
                f"    the bound is that of an exhaustive search, which is not done again; the "
                f"prices alone prove {part['bound_by_prices']:,}"
            )
    return {"folder": str(folder), "verified": found}, "\n".join(lines), 0


def region_check(*, path: Path, key: str, sector: str | None, **options: Any) -> Result:
    """Look at one geographic file or region folder."""
    from dataclasses import asdict

    from groundplan.region.checking import check_path
    from groundplan.sectors import load_sectors

    known = load_sectors() if sector else {}
    if sector and sector not in known:
        raise UsageError(f"no system {sector!r}: known are {', '.join(sorted(known))}")
    fields = known[sector].existing_fields if sector else ()
    found = check_path(path, key, fields=fields, **options)
    lines = [f"{found.path}: {found.what}"]
    for name, value in found.facts.items():
        shown = value
        if isinstance(value, dict):
            shown = value.get("text") or ", ".join(f"{k} {v}" for k, v in value.items())
        elif isinstance(value, int | float) and not isinstance(value, bool):
            shown = f"{value:,}" if name != "census_year" else value
        lines.append(f"  {name}: {shown}")
    lines += [f"warning: {warning}" for warning in found.warnings]
    return asdict(found), "\n".join(lines), 0


def schema(*, markdown: bool) -> Result:
    """Return the keys of study.toml as JSON Schema, or as a page."""
    import json

    from groundplan.sectors import load_sectors
    from groundplan.study import reference_page, study_schema

    systems = {
        key: (sector.title, (*sector.settings, *sector.cost.fields))
        for key, sector in sorted(load_sectors().items())
    }
    if markdown:
        page = reference_page(systems)
        return {"markdown": page}, page.rstrip("\n"), 0
    data = study_schema(systems)
    return data, json.dumps(data, ensure_ascii=False, indent=2), 0


def sectors() -> Result:
    """List the systems and check each."""
    from groundplan.plan import check_sector
    from groundplan.sectors import load_sectors

    rows = []
    for key, sector in load_sectors().items():
        check_sector(sector)
        measures = [m.key for m in sector.measures]
        rows.append({"key": key, "title": sector.title, "measures": measures, "contract": "kept"})
    text = "\n".join(f"{r['key']:10} {r['title']} ({', '.join(r['measures'])})" for r in rows)
    return {"sectors": rows}, text, 0


def version() -> Result:
    """Return the versions."""
    from groundplan.plan.manifest import library_versions

    versions = library_versions()
    return versions, "\n".join(f"{k} {v}" for k, v in versions.items()), 0
