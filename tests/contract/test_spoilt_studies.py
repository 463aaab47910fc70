"""Spoilt studies: each is refused with file, place, value, what was expected and what to do."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from groundplan.cli.main import main
from groundplan.errors import DataError, InfeasibleError, UsageError
from groundplan.study import (
    price_programme,
    read_example,
    read_study,
    study_schema,
    write_study_template,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "henan" / "study.toml"
GOOD = EXAMPLE.read_text(encoding="utf-8")


def swap(old: str, new: str):
    assert old in GOOD, old
    return GOOD.replace(old, new, 1)


#: name, the spoilt text, what the message must say
SPOILT = [
    ("empty file", "", ["nothing", "groundplan new"]),
    ("not TOML", "name = henan", ["line 1", "TOML"]),
    ("unclosed text", 'name = "henan', ["a line of TOML", "close the quotes"]),
    ("unknown key", swap("price_year = 2023", "prize_year = 2023"), ["did you mean 'price_year'"]),
    ("missing budget", swap("total_cny = 50_000_000_000\n", ""), ["budget.total_cny", "add the key"]),
    ("negative budget", swap("50_000_000_000", "-5"), ["got -5", "> 0"]),
    ("budget as text", swap("50_000_000_000", '"50 bn"'), ["50 bn", "a whole number"]),
    ("year out of range", swap("price_year = 2023", "price_year = 23"), ["got 23", ">= 1990"]),
    ("unknown confidence", swap('confidence = "M"', 'confidence = "sure"'), ["sure", "'H'"]),
    ("years swapped", swap("[2023, 2025]", "[2025, 2023]"), ["swap them"]),
    ("three years", swap("[2023, 2025]", "[2023, 2024, 2025]"), ["years"]),
    ("cells too small", swap("cell_m = 250.0", "cell_m = 1.0"), ["got 1.0", ">= 50"]),
    ("kind misspelt", swap('kind = "stock"', 'kind = "stok"'), ["stok", "'increment'"]),
    ("due date no date", swap("due_on = 2023-12-31", 'due_on = "soon"'), ["targets[0].due_on"]),
    ("due after the study", swap("due_on = 2023-12-31", "due_on = 2031-12-31"), ["2023..2025"]),
    ("definition missing", swap('definition = "base', 'definitions = "base'), ["definition"]),
    ("baseline after due", swap("baseline_on = 2022-12-31", "baseline_on = 2024-12-31"),
     ["targets[0].baseline_on", "a date not after due_on, 2023-12-31"]),
    ("baseline absent", swap("baseline = 153000\n", ""), ["without it nothing can be planned"]),
    ("two of one key", swap('key = "racks"', 'key = "stations_5g"'), ["a key of its own"]),
    ("two working readings", swap("is_working = false\n", ""), ["exactly one"]),
    ("milestone with a value", swap('kind = "milestone"', 'kind = "milestone"\nvalue = 3'),
     ["a milestone has no value"]),
    ("value missing", swap('comparator = ">"\nvalue = 180000\n', ""), ["targets[0].value", "a stock has one"]),
    ("unknown system", swap('sector = "mobile"', 'sector = "mobil"'), ["a system under [sectors]"]),
    ("cost line without target", swap('target = "racks"', 'target = "rack"'), ["'racks'"]),
    ("cost range upside down", swap("unit_cost_low_cny = 203269", "unit_cost_low_cny = 300000"),
     ["unit_cost_low_cny <= unit_cost_cny"]),
    ("targets dearer than the budget", swap("50_000_000_000", "20_000_000_000"),
     ["at least what the targets cost"]),
    ("register absent", swap("[sectors.mobile]", '[sectors.mobile.existing]\npath = "no.csv"\n'
     'crs = "EPSG:4326"\nlicence = "x"\nsource = "x"\nvintage = 2023'), ["a file that exists"]),
    ("region named twice", swap('key = "henan"\n', 'key = "henan"\npath = "t"\n'), ["either key (a region groundplan carries) or path"]),
    ("seed negative", swap("seed = 41", "seed = -1"), ["got -1"]),
    ("true for a number", swap("seed = 41", "seed = true"), ["got true", "a whole number"]),
    ("number in quotes", swap("50_000_000_000", '"50,000,000,000"'),
     ["a whole number", "write it without quotes: 50000000000"]),
    ("point in a whole number", swap("price_year = 2023", "price_year = 2023.0"),
     ["got 2023.0", "write it without a point: 2023"]),
    ("date in quotes", swap("due_on = 2023-12-31", 'due_on = "2023-12-31"'),
     ["write it without quotes: 2023-12-31"]),
    ("date with a time", swap("due_on = 2023-12-31", "due_on = 2023-12-31T08:00:00"),
     ["leave the time out: 2023-12-31"]),
    ("number for text", swap('vintage = "plan of 2023"', "vintage = 2023"),
     ["got 2023", 'write it in quotes: "2023"']),
    ("truth in quotes", swap("is_working = false", 'is_working = "false"'),
     ["true or false", "write it without quotes: false"]),
    ("truth for a value", swap("value = 153000\n", "value = true\n"), ["assumptions[2].value", "got true"]),
    ("not a number", swap("value = 153000\n", "value = nan\n"), ["got nan", "a number or text"]),
    ("half a range", swap("low = 140000\n", ""),
     ["assumptions[2].low", "both ends of the range or neither", "add low"]),
    ("a range beside its value", swap("high = 165000", "high = 150000"), ["at least the value, 153000"]),
    ("a range of text", swap('name = "racks_before_2023"', 'name = "racks_before_2023"\nlow = 1\nhigh = 2'),
     ["a number where there is a range"]),
    ("two assumptions of one name", swap('name = "usd_cny"', 'name = "people_2020"'),
     ["assumptions[1].name", "a name of its own"]),
    ("two cost lines of one key", swap('key = "racks"\ntitle = "Data-centre racks, all new"',
     'key = "stations_5g"\ntitle = "x"'), ["cost_lines[1].key", "a key of its own"]),
    ("reading of nothing", swap('reading_of = "racks"', 'reading_of = "rack"'), ["did you mean 'racks'?"]),
    ("no working reading", swap('unit = "factories and workshops"\nkind = "increment"',
     'unit = "factories and workshops"\nis_working = false\nkind = "increment"'),
     ["0 working readings of smart_factories", "exactly one"]),
    ("a ratio planned", swap('measure = "core_share"', 'measure = "core_share"\nsector = "mobile"'),
     ["a stock or an increment: a system plans counts"]),
    ("cost line of no system", swap('sector = "mobile"\nquantity', 'sector = "mobil"\nquantity'),
     ["cost_lines[0].sector", "did you mean 'mobile'?"]),
    ("one bracket for targets", swap("[[targets]]", "[targets]").replace("[[targets]]", "[[other]]"),
     ["write [[targets]] with two brackets"]),
    ("two brackets for the budget", swap("[budget]", "[[budget]]"), ["write [budget] with one bracket"]),
    ("one year", swap("[2023, 2025]", "[2023]"), ["got [2023]", "a list of 2 values"]),
    ("years in quotes", swap("[2023, 2025]", '["2023", 2025]'), ["years[0]", "without quotes: 2023"]),
    ("digits parted by commas", swap("50_000_000_000", "50,000,000,000"), ["part digits by _"]),
    ("curly quotes", swap('title = "Henan digital', "title = “Henan digital"), ["use straight quotes"]),
    ("per cent", swap("value = 0.1\n", "value = 10 %\n"), ["a number in 0..1"]),
    ("True in capitals", swap("is_working = false", "is_working = False"), ["in small letters"]),
    ("a key twice", swap("seed = 41", "seed = 41\nseed = 42"), ["line 8", "each key once"]),
    ("format misspelt", swap("[sectors.mobile]", '[sectors.mobile.existing]\npath = "study.toml"\n'
     'format = "opencellID"\nlicence = "x"\nsource = "x"\nvintage = 2023'), ["did you mean 'opencellid'?"]),
    ("table without crs", swap("[sectors.mobile]", '[sectors.mobile.existing]\npath = "study.toml"\n'
     'licence = "x"\nsource = "x"\nvintage = 2023'), ["sectors.mobile.existing.crs", "GCJ-02"]),
    ("a folder for a file", swap("[sectors.mobile]", '[sectors.mobile.existing]\npath = "."\n'
     'crs = "EPSG:4326"\nlicence = "x"\nsource = "x"\nvintage = 2023'), ["a folder", "a file that exists"]),
    ("polygons by number", swap('key = "henan"\n', 'key = "henan"\npolygons = 3\n'),
     ["the name of a file in quotes"]),
    ("no region", swap('key = "henan"\n', ""), ["neither key nor path"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "says"), SPOILT, ids=[s[0] for s in SPOILT])
def test_a_spoilt_study_is_refused_with_a_sentence(tmp_path, name, text, says):
    file = tmp_path / "study.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_study(file)
    message = str(caught.value)
    assert str(file) in message
    for part in says:
        assert part in message, message
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == [file]


REGISTER = """
[sectors.{0}.existing]
path = "{1}"
{2}
licence = "x"
source = "x"
vintage = 2023
"""
MASTS = "lon,lat,mast_id,network\n113.6,34.7,M1,a\n113.6,34.7,M2,c\n"


def with_register(system, file, more):
    return swap(f"[sectors.{system}]\n", REGISTER.format(system, file, more))


#: name, the spoilt text, further files, what `groundplan check` must print
CHECKED = [
    ("unknown setting", swap("[sectors.mobile]", "[sectors.mobile.settings]\nterminal = 2\n\n[sectors.mobile]"),
     {}, ["line 20 key sectors.mobile.settings.terminal", "did you mean 'terminal_m'?"]),
    ("setting of no like", swap("[sectors.mobile]", "[sectors.mobile.settings]\nfoo = 2\n\n[sectors.mobile]"),
     {}, ["known settings: groundplan schema --markdown"]),
    ("setting of the wrong type", swap("[sectors.mobile]",
     '[sectors.mobile.settings]\nterminal_m = "high"\n\n[sectors.mobile]'), {}, ["a number >= 1 and <= 22.5 m"]),
    ("unknown system", swap("[sectors.mobile]", "[sectors.teleport]\n\n[sectors.mobile]"), {},
     ["sectors.teleport", "one of beidou, charging, corridor, iot, mobile"]),
    ("system in quotes", swap("[sectors.mobile]", '[sectors."移动"]\n\n[sectors.mobile]'), {},
     ["line 19 key sectors.移动"]),
    ("unknown region", swap('key = "henan"', 'key = "hunan"'), {}, ["line 10 key region.key", "known are henan"]),
    ("measure misspelt", swap('measure = "base_station"', 'measure = "base_stations"'), {},
     ["targets[0].measure", "did you mean 'base_station'?"]),
    ("format of another system", with_register("mobile", "f.json", 'format = "ocpi"'), {"f.json": "[]"},
     ["sectors.mobile.existing.format", "one of table, opencellid"]),
    ("feed without station", with_register("charging", "f.json", 'format = "ocpi"'), {"f.json": "[]"},
     ["f.json", "is the feed empty"]),
    ("feed of another format", with_register("charging", "f.json", 'format = "openchargemap"'),
     {"f.json": '[{"coordinates": {}}]'}, ["1 records with coordinates", "AddressInfo"]),
    ("table as OpenCelliD", with_register("mobile", "m.csv", 'format = "opencellid"'), {"m.csv": MASTS},
     ["none of 14 cells", "is this an OpenCelliD export?"]),
    ("register with a bad row", with_register("mobile", "m.csv", 'crs = "EPSG:4326"'), {"m.csv": MASTS},
     ["m.csv row 3 column network: got 'c'"]),
    ("raster that is none", swap("cell_m = 250.0", '[region.population]\npath = "p.tif"\nkind = "count"\n'
     'unit = "people"\nvintage = 2020\nlicence = "x"\nsource = "x"'), {"p.tif": "no raster"}, ["p.tif"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "files", "says"), CHECKED, ids=[s[0] for s in CHECKED])
def test_check_tells_what_systems_and_files_show(tmp_path, name, text, files, says):
    for file, content in {"study.toml": text, **files}.items():
        (tmp_path / file).write_text(content, encoding="utf-8")
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 3, done.output
    for part in says:
        assert part in done.output, done.output
    assert {p.name for p in tmp_path.iterdir()} == {"study.toml", *files}


def test_check_tells_faults_of_every_kind_at_once(tmp_path):
    """A wrong type, a broken rule, a lost reference, a setting and a row of the register."""
    text = with_register("mobile", "m.csv", 'crs = "EPSG:4326"')
    text = text.replace("[sectors.charging]", "[sectors.charging.settings]\ncharger_kw = 1")
    text = text.replace("seed = 41", 'seed = "41"').replace("[2023, 2025]", "[2025, 2023]")
    text = text.replace('target = "racks"', 'target = "rack"')
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    (tmp_path / "m.csv").write_text(MASTS)
    done = CliRunner().invoke(main, ["check", str(tmp_path), "--json"])
    found = {(Path(f["file"]).name, f["column"]) for f in json.loads(done.output)["findings"]}
    assert found == {
        ("study.toml", "seed"),
        ("study.toml", "years"),
        ("study.toml", "cost_lines[1].target"),
        ("study.toml", "sectors.charging.settings.charger_kw"),
        ("m.csv", "network"),
    }
    assert all(f["row"] for f in json.loads(done.output)["findings"])


def test_a_fault_hides_no_fault_that_needs_other_keys(tmp_path):
    """And a rule that needs the key at fault says nothing more."""
    file = tmp_path / "study.toml"
    text = swap("value = 180000", 'value = "180000"')
    text = text.replace("baseline_on = 2022-12-31", "baseline_on = 2024-12-31", 1)
    text = text.replace('kind = "milestone"', 'kind = "mile"', 1)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_study(file)
    assert [f.column for f in caught.value.findings] == [
        "targets[0].value", "targets[0].baseline_on", "targets[20].kind",
    ]  # fmt: skip


def test_a_budget_that_cannot_pay_names_the_smallest_that_would(tmp_path):
    from groundplan.plan import make_plan

    file = tmp_path / "study.toml"
    text = swap("[sectors.mobile]", "[sectors.mobile]\nbudget_cny = 1_000_000")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InfeasibleError) as caught:
        make_plan(read_study(file), tmp_path / "plan", cell_m=5000)
    assert caught.value.least_budget_cny is not None
    assert "smallest budget that would do" in str(caught.value)
    assert caught.value.exit_code == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["study.toml"]


def test_all_errors_are_told_at_once(tmp_path):
    file = tmp_path / "study.toml"
    text = swap("price_year = 2023", "prize_year = 2023")
    text = text.replace("seed = 41", "seed = -1").replace('kind = "stock"', 'kind = "stok"', 1)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_study(file)
    assert len(caught.value.findings) == 4
    assert [f.row for f in caught.value.findings] == sorted(f.row for f in caught.value.findings)


def test_an_absent_study_and_a_wrong_encoding_are_told(tmp_path):
    with pytest.raises(UsageError, match="groundplan new"):
        read_study(tmp_path / "none.toml")
    file = tmp_path / "study.toml"
    file.write_bytes('title = "河南"'.encode("gb18030"))
    with pytest.raises(DataError, match="UTF-8"):
        read_study(file)


def test_the_example_is_the_packaged_one_and_prices_the_programme():
    study = read_example("henan")
    assert study.source_text == GOOD
    money = price_programme(study).record()
    assert money["sum_cny"] / 1e9 == pytest.approx(25.8, abs=0.1)
    assert money["sum_low_cny"] / 1e9 == pytest.approx(24, abs=0.3)
    assert money["sum_high_cny"] / 1e9 == pytest.approx(36, abs=0.3)
    assert money["unallocated_cny"] == 50_000_000_000 - money["sum_cny"]
    assert sum(money["confidence_mix"].values()) == pytest.approx(1)
    working = {t.key: t for t in study.targets if t.is_working}
    assert working["stations_5g"].to_build() == 27_001
    assert working["smart_stations"].to_build() == 1_001
    assert working["racks"].baseline is None
    assert working["racks"].to_build() == 90_001
    assert len(working) == 13


def test_unit_costs_follow_their_published_derivations(shared):
    path = shared / "benchmarks/sectors/unit_costs.csv"
    with path.open(encoding="utf-8") as stream:
        values = [row["value"] for row in csv.DictReader(stream)]
    published = [float(v) for v in values if ".." not in v]
    lines = {line.key: line for line in read_example("henan").cost_lines}
    for key in ("stations_5g", "racks", "smart_factories", "platforms"):
        assert min(abs(v - lines[key].unit_cost_cny) for v in published) < 1, key


def test_templates_are_written_once_and_read_back(tmp_path):
    for like in ("blank", "henan"):
        file = write_study_template(tmp_path / like, like)
        assert read_study(file).targets
        with pytest.raises(UsageError, match="exists"):
            write_study_template(tmp_path / like, like)
        assert [p.name for p in file.parent.iterdir()] == ["study.toml"]


def test_the_schema_knows_every_table():
    schema = study_schema()
    assert {"Target", "Budget", "CostLine", "Assumption"} <= set(schema["$defs"])
    assert set(tomllib.loads(GOOD)) <= set(schema["properties"])
