"""Read ``study.toml``: every error at once, with line, key, value, expectation and hint."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from groundplan.errors import DataError, Finding, Findings, UsageError
from groundplan.study.faults import add_fault, key_lines, line_of, place_of, toml_hint
from groundplan.study.model import SectorChoice, Study, TerrainFile
from groundplan.study.whole import check_whole, view_of

__all__ = [
    "read_example",
    "read_study",
    "sound_systems",
    "with_lines",
    "with_terrain",
    "write_study_template",
]

DATA = Path(__file__).parent / "data"


def parse(text: str, file: str, base: Path) -> Study:
    """Return the study that `text` describes; every error at once."""
    found = Findings(file)
    data = parse_toml(text, found)
    lines = key_lines(text)
    faults: list[Any] = []
    study = None
    try:
        study = Study.model_validate(data)
    except ValidationError as error:
        # rules between keys are checked below, also in tables that have other faults
        faults = [fault for fault in error.errors() if fault["type"] != "rule"]
    for fault in faults:
        add_fault(found, lines, data, fault)
    view = view_of(Study, data, [place_of(fault, data) for fault in faults])
    check_whole(found, lines, view, base)
    found.raise_if_any()
    if study is None:
        raise AssertionError("the schema refuses what the rules accept")
    return placed(study, base, file, text)


def parse_toml(text: str, found: Findings) -> dict[str, Any]:
    """Return the tables of a TOML text; raise where it is none or empty."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+), column (\d+)", str(error))
        line = int(at[1]) if at else len(text.splitlines())
        shown = text.splitlines()[line - 1].strip()[:60] if text.strip() and line else ""
        why = str(error).split(" (at")[0]
        found.add(line, "TOML", f"{shown!r} ({why})", "a line of TOML", toml_hint(shown))
        found.raise_if_any()
        raise
    if not data:
        found.add(0, "study", "nothing", "a study", "start from: groundplan new FOLDER")
        found.raise_if_any()
    return data


def beside(choice: SectorChoice, base: Path) -> SectorChoice:
    """Return a system with the files that it names resolved against a folder."""
    files = {"existing": choice.existing, "demand": choice.demand}
    return choice.model_copy(
        update={
            name: file.model_copy(update={"path": base / file.path})
            for name, file in files.items()
            if file is not None
        }
    )


def placed(study: Study, base: Path, file: str, text: str) -> Study:
    """Return the study with file names resolved against its own folder.

    What was asked, with names as written, stays beside it for hashes.
    """
    region = study.region
    change: dict[str, Any] = {}
    for name in ("path", "polygons"):
        value = getattr(region, name)
        if isinstance(value, Path):
            change[name] = base / value
    for name in ("population", "terrain"):
        part = getattr(region, name)
        if part is not None:
            change[name] = part.model_copy(update={"path": base / part.path})
    sectors = {key: beside(choice, base) for key, choice in study.sectors.items()}
    moved = region.model_copy(update=change)
    there = study.model_copy(update={"region": moved, "sectors": sectors})
    there._path, there._text = Path(file), text  # noqa: SLF001 - the reader fills its own record
    there._asked = study.record()  # noqa: SLF001
    there._named = {p.as_posix(): base / p for p in study.declared()}  # noqa: SLF001
    return there


def with_terrain(study: Study, path: Path) -> Study:
    """Return the study on another terrain: that of a file named beside it.

    Everything that the study says of its own terrain is replaced, since it told of another file.
    """
    if not path.exists():
        raise UsageError(f"no terrain {path}")
    terrain = TerrainFile.model_validate(
        {
            "path": path,
            "licence": "not stated: named on the command line",
            "source": f"{path.name}, named on the command line",
        }
    )
    there = study.model_copy(
        update={"region": study.region.model_copy(update={"terrain": terrain})}
    )
    asked = study.record() if study._asked is None else study._asked  # noqa: SLF001
    told = {**terrain.record(), "path": path.name}
    there._path, there._text = study._path, study._text  # noqa: SLF001
    there._asked = {**asked, "region": {**asked["region"], "terrain": told}}  # noqa: SLF001
    own = study.region.terrain
    named = {
        name: place
        for name, place in (study._named or {}).items()  # noqa: SLF001
        if own is None or place != own.path
    }
    there._named = {**named, path.name: path}  # noqa: SLF001
    return there


def sound_systems(path: str | Path) -> dict[str, SectorChoice]:
    """Return the systems of a study file that are sound by themselves, the rest of it aside.

    For a check that goes on after `read_study` found faults; file names are resolved.
    """
    file = Path(path)
    try:
        data = tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
    sound: dict[str, SectorChoice] = {}
    systems = data.get("sectors")
    for key, table in systems.items() if isinstance(systems, dict) else ():
        try:
            choice = SectorChoice.model_validate(table)
        except ValidationError:
            continue
        sound[key] = beside(choice, file.parent)
    return sound


def with_lines(findings: Iterable[Finding], file: str | Path) -> list[Finding]:
    """Return findings with the line of their key where they tell of the study and have none."""
    lines = key_lines(Path(file).read_text(encoding="utf-8-sig", errors="replace"))
    return [
        replace(f, row=line_of(lines, f.column)) if f.file == str(file) and not f.row else f
        for f in findings
    ]


def read_study(path: str | Path) -> Study:
    """Read a study from a TOML file.

    Raises
    ------
    UsageError
        Where the file is absent.
    DataError
        With every error of the file.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"no study {file}; write one with: groundplan new FOLDER")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = Findings(file)
        found.add(0, "encoding", f"byte {error.start}", "UTF-8 text", "save the file as UTF-8")
        raise DataError(found.items) from error
    return parse(text, str(file), file.parent)


def read_example(name: str) -> Study:
    """Return a study that comes with groundplan: ``"henan"``."""
    file = DATA / f"{name}.toml"
    if not file.is_file():
        raise UsageError(f"no example {name!r}")
    return parse(file.read_text(encoding="utf-8"), "study.toml", Path())


def write_study_template(folder: Path, like: str = "blank") -> Path:
    """Write ``study.toml`` into a new or empty place; an existing study is never overwritten."""
    target = folder / "study.toml"
    if target.exists():
        raise UsageError(f"{target} exists; choose another folder")
    text = (DATA / f"{like}.toml").read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(".study.toml.new")
    aside.write_text(text, encoding="utf-8")
    aside.replace(target)
    return target
