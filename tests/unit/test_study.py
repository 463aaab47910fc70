"""The study: what its hash holds, what stands in the example, what the reference page says."""

from __future__ import annotations

import json
import math
import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from groundplan.cli.main import main
from groundplan.plan import Options
from groundplan.plan.pipeline import run_key
from groundplan.region.tables import DATA as REGIONS
from groundplan.sectors import load_sectors
from groundplan.study import Assumption, read_example, read_study, reference_page, study_schema
from groundplan.study.faults import tables_of
from groundplan.study.model import FEED_FORMATS, ExistingFile, Study

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "henan" / "study.toml"
PACKAGED = ROOT / "src" / "groundplan" / "study" / "data" / "henan.toml"
EXISTING = """
[sectors.{0}.existing]
path = "{1}"
crs = "EPSG:4326"
licence = "x"
source = "x"
vintage = 2023
"""


@pytest.fixture
def folder(tmp_path):
    """A study with a region folder of its own and two files of one name."""
    home = tmp_path / "here"
    shutil.copytree(REGIONS / "henan", home / "tables")
    text = EXAMPLE.read_text("utf-8").replace('key = "henan"\n', 'path = "tables"\n', 1)
    for system in ("mobile", "charging"):
        (home / system).mkdir()
        (home / system / "sites.csv").write_text(f"of {system}\n")
        named = EXISTING.format(system, f"{system}/sites.csv")
        text = text.replace(f"[sectors.{system}]\n", named, 1)
    (home / "study.toml").write_text(text, encoding="utf-8")
    return home


def test_a_moved_folder_keeps_its_hash(folder, monkeypatch):
    before = read_study(folder / "study.toml").content_hash()
    there = folder.parent / "elsewhere" / "deep"
    shutil.copytree(folder, there)
    assert read_study(there / "study.toml").content_hash() == before
    monkeypatch.chdir(there)
    moved = read_study("study.toml")
    assert moved.content_hash() == before
    # and so does the key that tells whether a stopped run may go on
    keys = {run_key(s, 250.0, Options()) for s in (moved, read_study(folder / "study.toml"))}
    assert len(keys) == 1


def test_a_changed_byte_of_any_named_file_changes_the_hash(folder):
    before = read_study(folder / "study.toml").content_hash()
    for name in ("tables/places.csv", "tables/region.json", "mobile/sites.csv"):
        file = folder / name
        kept = file.read_bytes()
        file.write_bytes(kept + b"\n")
        assert read_study(folder / "study.toml").content_hash() != before, name
        file.write_bytes(kept)
    assert read_study(folder / "study.toml").content_hash() == before


def test_files_of_one_name_are_both_kept(folder):
    hashes = read_study(folder / "study.toml").file_hashes()
    assert {"mobile/sites.csv", "charging/sites.csv"} <= set(hashes)
    assert hashes["mobile/sites.csv"] != hashes["charging/sites.csv"]
    tables = {f"tables/{p.name}" for p in (folder / "tables").iterdir()}
    assert set(hashes) == tables | {"mobile/sites.csv", "charging/sites.csv"}


def test_a_plan_folder_or_a_comment_changes_no_hash(folder):
    text = (folder / "study.toml").read_text("utf-8").replace('path = "tables"', 'path = "."', 1)
    for file in (folder / "tables").iterdir():
        file.rename(folder / file.name)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    before = read_study(folder / "study.toml").content_hash()
    (folder / "plan").mkdir()
    (folder / "plan" / "plan.json").write_text("{}")
    (folder / "study.toml").write_text("# a comment\n" + text, encoding="utf-8")
    after = read_study(folder / "study.toml")
    assert after.content_hash() == before
    assert "./units.csv" in after.file_hashes()


def test_what_is_asked_changes_the_hash(folder):
    before = read_study(folder / "study.toml").content_hash()
    text = (folder / "study.toml").read_text("utf-8").replace("seed = 41", "seed = 42")
    (folder / "study.toml").write_text(text, encoding="utf-8")
    assert read_study(folder / "study.toml").content_hash() != before


def test_the_example_is_the_packaged_study_to_the_byte():
    assert EXAMPLE.read_bytes() == PACKAGED.read_bytes()


def test_the_example_holds_the_ten_numbers_with_their_readings():
    study = read_example("henan")
    readings = {}
    for target in study.targets:
        readings.setdefault(target.reading_of or target.key, []).append(target.key)
    assert {name: len(keys) for name, keys in readings.items()} == {
        "stations_5g": 3, "racks": 3, "iot_users": 2, "smart_stations": 3, "public_facilities": 4,
        "smart_factories": 2, "platforms": 2, "core_industries": 2,
        "satellite_fund": 1, "beidou": 1, "beidou_stations": 1, "corridor_stations": 2, "data_gaps": 1,
        "beidou_emergency": 1, "beidou_environment": 1, "beidou_farming": 1,
    }  # fmt: skip
    for target in study.targets:
        assert target.note or target.kind == "milestone" or target.key in {"platforms", "racks_increment",
            "public_facilities_sites"}, target.key  # fmt: skip
        assert target.definition, target.key
        assert target.vintage, target.key
        assert target.source, target.key
        # what counts as new needs a day from which it counts
        assert target.kind != "increment" or target.baseline_on, target.key
    assert len(study.assumptions) == 36
    assert all(a.year for a in study.assumptions)
    assert all(a.used_by for a in study.assumptions)


def test_the_other_baseline_is_the_straight_line():
    """From mid-August 2022 to the end of March 2024, as the reading's note says."""
    targets = {t.key: t for t in read_example("henan").targets}
    known = {a.name: a.value for a in read_example("henan").assumptions}
    start, end = date(2022, 8, 16), date(2024, 3, 31)
    share = (date(2022, 12, 31) - start) / (end - start)
    low, high = known["stations_aug_2022"], known["stations_mar_2024"]
    straight = low + (high - low) * share
    assert round(straight, -3) == targets["stations_5g_interpolated"].baseline == 142_000
    assert targets["stations_5g_interpolated"].to_build() == 38_001
    assert targets["stations_5g"].to_build() == 27_001


def test_the_reference_page_is_what_the_code_says():
    done = CliRunner().invoke(main, ["schema", "--markdown"])
    assert done.exit_code == 0
    page = (ROOT / "docs" / "study" / "reference.md").read_text(encoding="utf-8")
    assert done.output == page, (
        "write it anew: groundplan schema --markdown > docs/study/reference.md"
    )


def every_table(model=Study):
    yield model
    for field in model.model_fields.values():
        for inner in tables_of(field.annotation):
            yield from every_table(inner)


@pytest.mark.parametrize("table", sorted(set(every_table()), key=lambda t: t.__name__))
def test_every_key_says_what_it_means(table):
    for name, field in table.model_fields.items():
        assert field.description, name


def test_the_schema_serves_an_editor():
    done = CliRunner().invoke(main, ["schema"])
    schema = json.loads(done.output)
    tables = [schema, *schema["$defs"].values()]
    assert all(t["additionalProperties"] is False for t in tables)
    assert set(schema["properties"]["sectors"]["properties"]) == set(load_sectors())
    assert schema["$defs"]["Target"]["properties"]["kind"]["enum"] == [
        "stock", "increment", "ratio", "milestone",
    ]  # fmt: skip
    assert "definition" in schema["$defs"]["Target"]["required"]
    settings = schema["$defs"]["SectorChoice_charging"]["properties"]["settings"]
    assert settings["additionalProperties"] is False
    assert settings["properties"]["charger_kw"]["minimum"] == 3
    for table in tables:
        for name, key in table["properties"].items():
            assert "description" in key or "$ref" in key, name
    assert "SectorChoice" in study_schema()["$defs"]


def test_formats_of_the_study_are_those_that_some_system_reads():
    known = {form for sector in load_sectors().values() for form in sector.feeds}
    assert known == set(FEED_FORMATS)
    assert ExistingFile.model_json_schema()["properties"]["format"]["enum"] == [
        "table",
        *FEED_FORMATS,
    ]


def test_a_table_made_in_python_keeps_its_rules():
    with pytest.raises(ValidationError, match="both ends of the range"):
        Assumption(name="a", value=1, unit="m", low=0, source="s", confidence="A")
    with pytest.raises(ValidationError):
        Assumption(name="a", value=math.inf, unit="m", source="s", confidence="A")
    made = Assumption(name="a", value=1, unit="m", low=0, high=2, source="s", confidence="A")
    assert (made.low, made.high) == (0, 2)


def test_the_page_needs_no_sector():
    assert "[sectors.charging.settings]" not in reference_page({})
