"""Spoilt inputs of charging, each refused with its reason; a plan and what it tells by hour."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from groundplan.cli.main import main
from groundplan.errors import DataError, InfeasibleError
from groundplan.plan import make_plan, read_plan, verify_plan
from groundplan.study import read_study
from groundplan.study.reading import DATA

GOOD = (DATA / "henan.toml").read_text(encoding="utf-8")
for key in ("mobile", "racks", "iot", "beidou", "corridor"):
    TABLE = rf"(# [^\n]+\n)?\[sectors\.{key}(\.settings)?\]\n([^\n]+\n)*\n"
    GOOD, found = re.subn(TABLE, "", GOOD)
    assert found == 1, key
    GOOD = GOOD.replace(f'sector = "{key}"\n', "")
REGISTER = """[sectors.charging]

[sectors.charging.existing]
path = "stations.csv"
crs = "EPSG:4326"
licence = "internal"
source = "made by this test"
vintage = 2023
"""
HEAD = "lon,lat,station_id,chargers_count,dc_chargers_count,feeder_kw,is_smart\n"
ROW = "113.62,34.75,S1,20,8,630,false\n"
HOUR = "1 " * 23


def swap(old: str, new: str) -> str:
    assert old in GOOD, old
    return GOOD.replace(old, new, 1)


def with_settings(*lines: str) -> str:
    return swap("[sectors.charging]\n", "[sectors.charging.settings]\n" + "\n".join(lines) + "\n")


WITH_REGISTER = swap("[sectors.charging]\n", REGISTER)
#: name, the study, the register or None, what `groundplan check` must print
CHECKED = [
    ("segments above one", with_settings("resident_urban_ratio = 0.6", "fleet_urban_ratio = 0.5"),
     None, ["sectors.charging.settings.fleet_urban_ratio", "at most 1 together",
            "they add up to 1.25"]),
    ("a profile of 23 hours", with_settings(f'fleet_weekday_profile = "{HOUR}"'), None,
     ["fleet_weekday_profile", "24 numbers >= 0, midnight first", "it has 23 numbers"]),
    ("a word in a profile", with_settings(f'passing_holiday_profile = "{HOUR}noon"'), None,
     ["passing_holiday_profile", "a word that is no number"]),
    ("a profile below zero", with_settings(f'resident_weekday_profile = "{HOUR}-1"'), None,
     ["resident_weekday_profile", "a weight below 0"]),
    ("a profile of nothing", with_settings(f'resident_holiday_profile = "{"0 " * 24}"'), None,
     ["resident_holiday_profile", "no weight above 0"]),
    ("a profile as a list", with_settings("fleet_weekday_profile = [1, 2, 3]"), None,
     ["fleet_weekday_profile"]),
    ("a stay too short for its energy", with_settings("destination_dwell_h = 2.0"), None,
     ["destination_dwell_h", "long enough for a session of 22.4 kWh", "only 14.0 kWh fit"]),
    ("slow above fast", with_settings("slow_kw = 50", "charger_kw = 30"), None,
     ["slow_kw", "below charger_kw, 30", "are the two exchanged?"]),
    ("a session that takes days", with_settings("session_kwh = 500", "charger_kw = 20",
     "resident_dwell_h = 24", "slow_kw = 15"), None,
     ["charger_kw", "a session within a day"]),
    ("a day unknown", with_settings('sized_for = "sunday"'), None,
     ["sized_for", "weekday, holiday"]),
    ("a promise to nobody", with_settings("wait_exceed_ratio = 0"), None,
     ["wait_exceed_ratio", "a number >= 0.001 and <= 1"]),
    ("a promise in minutes", with_settings("wait_limit_h = 10"), None,
     ["wait_limit_h", "a number >= 0 and <= 5"]),
    ("a holiday in per cent", with_settings("passing_holiday_ratio = 150"), None,
     ["passing_holiday_ratio", "a number >= 0 and <= 20"]),
    ("a setting of yesterday", with_settings("peak_hour_ratio = 0.1"), None,
     ["sectors.charging.settings.peak_hour_ratio", "a setting of this sector"]),
    ("half a slow charger", with_settings("slow_max_count = 1.5"), None,
     ["slow_max_count", "a whole number >= 0"]),
    ("a feeder limit below nothing", with_settings("feeder_limit_kw = -630"), None,
     ["feeder_limit_kw", "a number >= 0"]),
    ("a measure misspelt", swap('measure = "public_facility"', 'measure = "public_facilities"'),
     None, ["public_facilities", "did you mean 'public_facility'?"]),
    ("a feeder in words", WITH_REGISTER, HEAD + ROW.replace("630", "big"),
     ["stations.csv row 2 column feeder_kw", "big"]),
    ("a feeder below nothing in the register", WITH_REGISTER, HEAD + ROW.replace("630", "-1"),
     ["stations.csv row 2 column feeder_kw", "got '-1'"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "register", "says"), CHECKED, ids=[c[0] for c in CHECKED])
def test_check_tells_what_is_wrong(tmp_path, name, text, register, says):
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    if register is not None:
        (tmp_path / "stations.csv").write_text(register, encoding="utf-8")
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 3, done.output
    for part in says:
        assert part in done.output, done.output


#: name, the study, the register or None, the error, what it must say
PLANNED = [
    ("more direct-current piles than piles", WITH_REGISTER, HEAD + ROW.replace("20,8", "8,20"),
     DataError, ["row 2 column dc_chargers_count: got 20", "at most 8, its piles"]),
    ("two stations of one name", WITH_REGISTER, HEAD + ROW + ROW, DataError,
     ["row 3 column station_id", "row 2 has it"]),
    ("a station without a name", WITH_REGISTER, HEAD + ROW.replace("S1", ""), DataError,
     ["station_id"]),
    ("a feeder in MW", WITH_REGISTER, HEAD + ROW.replace("630", "0.63"), DataError,
     ["row 2 column feeder_kw: got 0.63", "at least one slow charger, 7 kW",
      "is the column in MW?"]),
    ("a budget below the cheapest stations",
     swap("[sectors.charging]\n", "[sectors.charging]\nbudget_cny = 1_000_000\n"), None,
     InfeasibleError, ["budget of this system: 1,000,000 CNY"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "register", "error", "says"), PLANNED, ids=[c[0] for c in PLANNED]
)
def test_a_plan_that_cannot_be_says_why(tmp_path, name, text, register, error, says):
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    if register is not None:
        (tmp_path / "stations.csv").write_text(register, encoding="utf-8")
    with pytest.raises(error) as caught:
        make_plan(read_study(tmp_path / "study.toml"), tmp_path / "plan", cell_m=5000)
    for part in says:
        assert part in str(caught.value), str(caught.value)
    assert not (tmp_path / "plan").exists()


def planned(tmp_path: Path, text: str) -> Path:
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    make_plan(read_study(tmp_path / "study.toml"), tmp_path / "plan", cell_m=5000)
    return tmp_path / "plan"


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Path:
    return planned(tmp_path_factory.mktemp("charging"), GOOD)


def tables_of(folder: Path):
    part = read_plan(folder)["sectors"]["charging"]
    return part, {table["kind"]: table for table in part["tables"]}


def test_the_two_classes_are_planned_and_priced(plan):
    verify_plan(plan)
    record = read_plan(plan)
    part, tables = tables_of(plan)
    targets = {t["key"]: t for t in record["targets"]}
    stations, facilities = targets["smart_stations"], targets["public_facilities"]
    assert (stations["to_build"], stations["planned"], stations["gap"]) == (1001, 1001, 0)
    assert facilities["to_build"] == 8001
    assert facilities["planned"] == part["sizing"]["servers_planned"] >= 8001
    # the other readings are told beside it
    fresh = part["counts"]["share"] + part["counts"]["new"]
    assert targets["smart_stations_any"]["planned"] == fresh
    assert targets["public_facilities_sites"]["planned"] == fresh
    assert targets["public_facilities_connectors"]["planned"] > facilities["planned"]
    # both classes are paid for, and add up to the cost of the system
    lines = {line["key"]: line["planned_cny"] for line in record["money"]["lines"]}
    spent = [lines["smart_stations"], lines["public_facilities"]]
    assert min(spent) > 0
    assert sum(spent) == part["cost_cny"]
    whole = [row for row in tables["classes"]["rows"] if row[1] is not None]
    assert [row[2] for row in whole] == [1001, facilities["planned"]]
    assert [row[3] for row in whole] == pytest.approx([cny / 1e6 for cny in spent])
    parts = [row for row in tables["classes"]["rows"] if row[1] is None]
    assert sum(row[2] for row in parts) == 1001 + facilities["planned"]
    assert sum(row[3] for row in parts) == pytest.approx(sum(spent) / 1e6)


def test_every_hour_is_told(plan):
    import pyarrow.parquet as pq

    part, tables = tables_of(plan)
    rows = tables["day_hours"]["rows"]
    assert [row[0][0] for row in rows] == [f"{h:02d}–{h + 1:02d}" for h in range(24)]
    names = [f"{s}_kwh_per_day" for s in ("resident", "destination", "fleet", "passing")]
    broken = ["weekday_broken_h", "holiday_broken_h"]
    assets = pq.read_table(plan / "assets.parquet", columns=[*names, *broken, "load"]).to_pydict()
    for number, name in enumerate(names, start=1):
        told = sum(row[number] for row in rows)
        assert told == pytest.approx(sum(assets[name]) / 1000, rel=1e-6)
    # what smart stations draw is part of what is in reach
    assert sum(assets["load"]) == pytest.approx(part["value"] / 100, rel=1e-9)
    assert sum(sum(assets[name]) for name in names) < sum(assets["load"])
    # loads of a mean day carry the same energy, and smart charging flattens them
    at_once, smart = (sum(row[i] for row in rows) for i in (6, 7))
    assert at_once == pytest.approx(sum(sum(row[1:5]) for row in rows), rel=1e-6)
    assert smart == pytest.approx(at_once, rel=0.02)
    assert max(row[7] for row in rows) < max(row[6] for row in rows)
    # the promise holds on weekdays; where it breaks on the holiday is told in the asset table
    assert not any(row[8] for row in rows)
    assert not any(assets["weekday_broken_h"])
    assert sum(row[9] for row in rows) == sum(assets["holiday_broken_h"]) > 0
    named = tables["broken_stations"]["rows"]
    assert [row[3] for row in named] == sorted((row[3] for row in named), reverse=True)
    assert named[0][3] == max(assets["holiday_broken_h"])


def test_the_report_tells_promise_and_feeders(plan):
    from groundplan.show import write_report

    page = write_report(plan).read_text(encoding="utf-8")
    for told in (
        "in every hour at most 10% of drivers wait longer than 10 minutes",
        "每个时段等待超过10分钟者不超过10%",
        "Keeping it on the holiday as well, feeders included, would take",
        "MW with smart charging",
        "分时需求与负荷",
        "<polyline",
    ):
        assert told in page


def test_a_plan_for_the_holiday_keeps_every_hour_and_costs_what_was_told(plan, tmp_path):
    cost = read_plan(plan)["sectors"]["charging"]["cost_cny"]
    _, tables = tables_of(plan)
    told = re.search(
        r"would take ([\d,]+) more chargers and ([\d,.]+) M", tables["day_promise"]["note"]
    )
    folder = planned(tmp_path, with_settings('sized_for = "holiday"'))
    part, kept = tables_of(folder)
    assert not any(row[9] for row in kept["day_hours"]["rows"])
    assert not kept["broken_stations"]["rows"]
    more = (
        part["sizing"]["servers_planned"]
        - read_plan(plan)["sectors"]["charging"]["sizing"]["servers_planned"]
    )
    assert more == int(told[1].replace(",", ""))
    assert (part["cost_cny"] - cost) / 1e6 == pytest.approx(
        float(told[2].replace(",", "")), abs=0.06
    )


def test_a_feeder_that_binds_leaves_energy_undelivered(tmp_path):
    folder = planned(tmp_path, with_settings("feeder_limit_kw = 60"))
    part, tables = tables_of(folder)
    weekday, holiday = (row[-1] for row in tables["day_promise"]["rows"])
    assert holiday > weekday > 0
    assert "planned; all chargers" in tables["day_promise"]["note"]
    assert part["columns"]
