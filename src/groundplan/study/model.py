"""`Study`: what is asked, as one frozen record read from ``study.toml``."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

__all__ = ["Assumption", "Budget", "CostLine", "RegionChoice", "SectorChoice", "Study", "Target"]

Confidence = Literal["H", "M", "L", "U", "A"]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, Field(min_length=1)]


class Record(BaseModel):
    """A frozen table of the study; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def record(self) -> dict[str, Any]:
        """Return the table as plain data."""
        return self.model_dump(mode="json")


class Budget(Record):
    """The money of the whole programme."""

    total_cny: int = Field(gt=0, description="all money of the programme, CNY")
    price_year: int = Field(ge=1990, le=2100, description="year whose prices the money is in")
    source: Text
    confidence: Confidence


class PopulationFile(Record):
    """A population raster of the user, rescaled to the census units."""

    path: Path
    quantity: Literal["people"] = "people"
    kind: Literal["count", "density"]
    unit: Text
    vintage: int
    licence: Text
    source: Text
    nodata: float | None = None
    crs: str | None = None


class RegionChoice(Record):
    """Which region, at which cell size."""

    key: str = Field("", description="a region that groundplan carries, e.g. henan")
    path: Path | None = Field(None, description="folder with the tables of your own region")
    cell_m: float = Field(250, ge=50, le=5000, description="side of a cell, m")
    polygons: Path | None = Field(None, description="unit polygons; else borders are synthetic")
    population: PopulationFile | None = None

    @model_validator(mode="after")
    def one_of_key_and_path(self) -> RegionChoice:
        """Refuse a region that is named twice or not at all."""
        if bool(self.key) == (self.path is not None):
            raise ValueError("give either key (a carried region) or path (your own tables)")
        return self


class ExistingFile(Record):
    """The user's register of existing assets of one system."""

    path: Path
    crs: str = Field(description="EPSG:4326, EPSG:4490, GCJ-02, BD-09 or a projected code")
    is_datum_accepted: bool = Field(
        default=False, description="true: the positions are right although they look displaced"
    )
    licence: Text
    source: Text
    vintage: int


class SectorChoice(Record):
    """A system to be planned."""

    settings: dict[str, float | int | str | bool] = Field(default_factory=dict)
    existing: ExistingFile | None = Field(None, description="register; else a seeded stand-in")
    budget_cny: int | None = Field(None, gt=0, description="ceiling of this system, CNY")


class Target(Record):
    """A number asked, with everything that makes it one number.

    A stock counts units in the state on the date, an increment those that newly reached it since
    `baseline_on`, a ratio divides two quantities, a milestone carries no number.
    """

    key: Key
    title: Text
    title_zh: Text
    words: str = Field("", description="the words of the source")
    measure: Key
    unit: Text
    kind: Literal["stock", "increment", "ratio", "milestone"]
    comparator: Literal[">", ">="] = ">="
    value: float | None = Field(None, ge=0)
    baseline: float | None = Field(None, ge=0, description="absent: not established")
    baseline_on: date | None = None
    is_net: bool = False
    due_on: date
    definition: Text
    vintage: Text
    source: Text
    confidence: Confidence
    least_state: Literal[
        "planned", "funded", "permitted", "built", "energised", "answering", "used"
    ] = "answering"
    floors: dict[str, float] = Field(default_factory=dict)
    reading_of: str = ""
    is_working: bool = True
    sector: str | None = None
    note: str = ""
    note_zh: str = ""

    @model_validator(mode="after")
    def fits_its_kind(self) -> Target:
        """Refuse a number without meaning and a meaning without number."""
        if (self.value is None) != (self.kind == "milestone"):
            raise ValueError("a milestone has no value, every other kind has one")
        if self.baseline_on is not None and self.baseline_on > self.due_on:
            raise ValueError("baseline_on must not be after due_on")
        return self

    def need(self) -> int:
        """Return the least count that meets the target; ``>`` asks for one more."""
        value = self.value or 0.0
        return math.floor(value) + 1 if self.comparator == ">" else math.ceil(value)

    def to_build(self) -> int | None:
        """Return how many units are still to come, None where the baseline is not established."""
        if self.kind == "increment":
            return self.need()
        if self.kind == "stock" and self.baseline is not None:
            return max(0, math.ceil(self.need() - self.baseline))
        return None


class Assumption(Record):
    """A value that the plan rests on."""

    name: Key
    value: float | str
    unit: str
    low: float | None = None
    high: float | None = None
    source: Text
    year: int | None = None
    confidence: Confidence
    used_by: str = ""
    note: str = ""

    @model_validator(mode="after")
    def ordered(self) -> Assumption:
        """Refuse bounds that do not hold the value."""
        if isinstance(self.value, float | int):
            if self.low is not None and self.low > self.value:
                raise ValueError("low must not be above value")
            if self.high is not None and self.high < self.value:
                raise ValueError("high must not be below value")
        return self


class CostLine(Record):
    """One priced line of the programme."""

    key: Key
    title: Text
    title_zh: Text
    target: str
    sector: str | None = None
    quantity: float = Field(gt=0)
    unit: Text
    unit_cost_cny: int = Field(gt=0)
    unit_cost_low_cny: int = Field(gt=0)
    unit_cost_high_cny: int = Field(gt=0)
    price_year: int = Field(ge=1990, le=2100)
    source: Text
    confidence: Confidence
    note: str = ""

    @model_validator(mode="after")
    def ordered(self) -> CostLine:
        """Refuse a range that does not hold the unit cost."""
        if not self.unit_cost_low_cny <= self.unit_cost_cny <= self.unit_cost_high_cny:
            raise ValueError("unit_cost_low_cny <= unit_cost_cny <= unit_cost_high_cny must hold")
        return self


class Source(Record):
    """Where something in the study comes from."""

    key: Key
    title: Text
    licence: str = ""
    vintage: str = ""
    url_or_isbn: str = ""
    use: str = ""


class Study(Record):
    """What is asked: region, years, budget, targets, systems, assumptions."""

    name: Key
    title: Text
    title_zh: Text
    years: tuple[int, int]
    seed: int = Field(41, ge=0, lt=2**31)
    region: RegionChoice
    budget: Budget
    targets: tuple[Target, ...] = Field(min_length=1)
    sectors: dict[str, SectorChoice] = Field(default_factory=dict)
    assumptions: tuple[Assumption, ...] = ()
    cost_lines: tuple[CostLine, ...] = ()
    sources: tuple[Source, ...] = ()
    _path: Path | None = PrivateAttr(default=None)
    _text: str = PrivateAttr(default="")

    @property
    def path(self) -> Path | None:
        """File the study was read from."""
        return self._path

    @property
    def source_text(self) -> str:
        """Return the study as it was written."""
        return self._text

    def content_hash(self) -> str:
        """Return the hash of everything that is asked and of the files it names."""
        body = {"study": self.record(), "files": self.file_hashes()}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

    def file_hashes(self) -> dict[str, str]:
        """Return file name -> SHA-256 of every file the study names."""
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in self.files()}

    def files(self) -> list[Path]:
        """Return every file the study names."""
        named = [self.region.polygons]
        if self.region.population is not None:
            named.append(self.region.population.path)
        named += [s.existing.path for s in self.sectors.values() if s.existing is not None]
        return [p for p in named if p is not None]
