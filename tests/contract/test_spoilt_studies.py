"""Spoilt studies: each is refused with file, place, value, what was expected and what to do."""

from __future__ import annotations

import csv
import tomllib
from pathlib import Path

import pytest

from groundplan.errors import DataError, InfeasibleError, UsageError
from groundplan.plan import check_study
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
    ("unclosed text", 'name = "henan', ["TOML", "mend the spelling"]),
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


SETTINGS = [
    ("unknown setting", "reach_km = 3.0", "known settings"),
    ("setting of the wrong type", 'gb_per_month = "much"', "setting"),
]


@pytest.mark.parametrize(("name", "line", "says"), SETTINGS, ids=[s[0] for s in SETTINGS])
def test_a_setting_that_no_sector_knows_is_refused(tmp_path, name, line, says):
    file = tmp_path / "study.toml"
    text = swap("[sectors.mobile]", f"[sectors.mobile.settings]\n{line}\n\n[sectors.mobile]")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=says):
        check_study(read_study(file))


def test_a_system_that_does_not_exist_is_refused(tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(swap("[sectors.mobile]", "[sectors.teleport]\n\n[sectors.mobile]"))
    with pytest.raises(DataError, match="one of charging, mobile"):
        check_study(read_study(file))


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
    assert working["racks"].to_build() is None
    assert len(working) == 11


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
