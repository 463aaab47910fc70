"""Read ``study.toml``: every error at once, with line, key, value, expectation and hint."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from groundplan.errors import DataError, Findings, UsageError
from groundplan.study.model import Study, Target

__all__ = ["read_example", "read_study", "study_schema", "write_study_template"]

DATA = Path(__file__).parent / "data"
WORDS = {
    "missing": "a value for this key",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "date_type": "a date, YYYY-MM-DD",
    "date_from_datetime_parsing": "a date, YYYY-MM-DD",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "string_too_short": "text that is not empty",
}


def key_path(parts: Sequence[Any]) -> str:
    """Return ``targets[2].due_on`` for ("targets", 2, "due_on")."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def key_lines(text: str) -> dict[str, int]:
    """Return the line of every key and table header, by key path."""
    lines: dict[str, int] = {}
    seen: dict[str, int] = {}
    table = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if found := re.match(r"\[\[([\w.\-]+)\]\]", line):
            seen[found[1]] = seen.get(found[1], -1) + 1
            table = f"{found[1]}[{seen[found[1]]}]"
            lines[table] = number
        elif found := re.match(r"\[([\w.\-]+)\]", line):
            table = found[1]
            lines[table] = number
        elif found := re.match(r"([\w\-]+)\s*=", line):
            lines[f"{table}.{found[1]}" if table else found[1]] = number
    return lines


def line_of(lines: dict[str, int], path: str) -> int:
    """Return the line of a key, or of the nearest table that holds it; 0 where unknown."""
    while path:
        if path in lines:
            return lines[path]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return 0


def known_keys(parts: Sequence[Any]) -> list[str]:
    """Return the keys that the table at `parts` knows, for a suggestion."""
    fields: dict[str, Any] = dict(Study.model_fields)
    for part in parts:
        if isinstance(part, int):
            continue
        field = fields.get(str(part))
        if field is None:
            continue
        names = re.findall(r"\w+", str(field.annotation))
        found = [m for m in all_models() if m.__name__ in names]
        fields = dict(found[0].model_fields) if found else fields
    return list(fields)


def all_models() -> list[type[BaseModel]]:
    """Return the tables of the study."""
    from groundplan.study import model

    return [m for m in vars(model).values() if isinstance(m, type) and issubclass(m, BaseModel)]


def parse(text: str, file: str, base: Path) -> Study:
    """Return the study that `text` describes; every error at once."""
    found = Findings(file)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+), column (\d+)", str(error))
        found.add(
            int(at[1]) if at else 0, "TOML", str(error), "a TOML file",
            "mend the spelling of this line: text in quotes, lists in brackets, one key a line",
        )  # fmt: skip
        found.raise_if_any()
        raise
    if not data:
        found.add(0, "study", "nothing", "a study", "start from: groundplan new FOLDER")
        found.raise_if_any()
    lines = key_lines(text)
    try:
        study = Study.model_validate(data)
    except ValidationError as error:
        for fault in error.errors():
            add_fault(found, lines, dict(fault))
        found.raise_if_any()
        raise
    study = with_paths(study, base)
    study._path, study._text = Path(file), text  # noqa: SLF001 - the reader fills its own record
    check_whole(found, lines, study)
    found.raise_if_any()
    return study


def add_fault(found: Findings, lines: dict[str, int], fault: dict[str, Any]) -> None:
    """Note one fault of the schema in plain words."""
    parts = list(fault["loc"])
    # pydantic names the branch of a union last; that is no key of the user's
    while parts and isinstance(parts[-1], str) and parts[-1] in {"float", "int", "str", "bool"}:
        parts.pop()
    path, kind, hint = key_path(parts), fault["type"], ""
    got: Any = repr(fault["input"])[:60]
    expected = WORDS.get(kind, "")
    context = fault.get("ctx", {})
    if kind == "missing":
        got, hint = None, "add the key"
    elif kind == "extra_forbidden":
        near = difflib.get_close_matches(str(parts[-1]), known_keys(parts[:-1]), 1)
        expected = "a known key"
        hint = f"did you mean {near[0]!r}?" if near else "remove it"
    elif kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        sign = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
        expected = " and ".join(f"a number {sign[k]} {v}" for k, v in context.items() if k in sign)
    elif kind == "literal_error":
        expected = f"one of {context['expected']}"
    elif kind == "string_pattern_mismatch":
        expected = "small letters, digits and _, a letter first"
    elif kind == "value_error":
        expected, got = str(context["error"]), None
    found.add(line_of(lines, path), path, got, expected or fault["msg"], hint)


def with_paths(study: Study, base: Path) -> Study:
    """Return the study with file names resolved against its own folder."""
    region = study.region
    change: dict[str, Any] = {}
    for name in ("path", "polygons"):
        value = getattr(region, name)
        if value is not None:
            change[name] = base / value
    if region.population is not None:
        path = base / region.population.path
        change["population"] = region.population.model_copy(update={"path": path})
    sectors = {
        key: choice
        if choice.existing is None
        else choice.model_copy(
            update={
                "existing": choice.existing.model_copy(update={"path": base / choice.existing.path})
            }
        )
        for key, choice in study.sectors.items()
    }
    moved = region.model_copy(update=change)
    return study.model_copy(update={"region": moved, "sectors": sectors})


def check_whole(found: Findings, lines: dict[str, int], study: Study) -> None:
    """Note what only the whole study shows: references, years, sums, files."""

    def add(path: str, got: object, expected: str, hint: str = "") -> None:
        found.add(line_of(lines, path), path, got, expected, hint)

    first, last = study.years
    if first > last:
        add("years", list(study.years), "first year, last year", "swap them")
    keys: dict[str, int] = {}
    readings: dict[str, list[Target]] = {}
    for number, target in enumerate(study.targets):
        where = f"targets[{number}]"
        if target.key in keys:
            add(
                f"{where}.key",
                target.key,
                "a key of its own",
                f"targets[{keys[target.key]}] has it",
            )
        keys[target.key] = number
        readings.setdefault(target.reading_of or target.key, []).append(target)
        if not first <= target.due_on.year <= last:
            add(f"{where}.due_on", target.due_on, f"a date in {first}..{last}", "or widen years")
        if target.sector is not None and target.sector not in study.sectors:
            add(f"{where}.sector", target.sector, "a system under [sectors]", "or leave it out")
        if target.sector and target.is_working and target.to_build() is None:
            add(f"{where}.baseline", None, "a baseline: without it nothing can be planned")
    for name, group in readings.items():
        if sum(t.is_working for t in group) != 1:
            n = sum(t.is_working for t in group)
            add(f"targets[{keys[group[0].key]}].is_working", f"{n} working readings of {name}",
                "exactly one", "set is_working = false on the others")  # fmt: skip
    for number, line in enumerate(study.cost_lines):
        if line.target not in keys:
            near = difflib.get_close_matches(line.target, keys, 1)
            hint = f"did you mean {near[0]!r}?" if near else ""
            add(f"cost_lines[{number}].target", line.target, "the key of a target", hint)
    money = sum(s.budget_cny or 0 for s in study.sectors.values())
    if money > study.budget.total_cny:
        add("sectors", f"{money:,} CNY in all", f"at most the budget, {study.budget.total_cny:,}")
    priced = sum(round(line.quantity * line.unit_cost_cny) for line in study.cost_lines)
    if priced > study.budget.total_cny:
        expected = f"at least what the targets cost, {priced:,} CNY"
        total = f"{study.budget.total_cny:,}"
        add("budget.total_cny", total, expected, "raise it or lower a target")
    for path in study.files():
        if not path.is_file():
            add(
                str(path.name), str(path), "a file that exists", "paths start at the study's folder"
            )
    if study.region.path is not None and not (study.region.path / "region.json").is_file():
        add("region.path", str(study.region.path), "a folder with region.json and its tables")


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


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``study.toml``."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}


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
