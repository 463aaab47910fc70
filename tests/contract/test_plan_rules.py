"""Plans that must not be: nothing asked, nothing served, nowhere to write; and small ones that must."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groundplan.errors import DataError, InfeasibleError, UsageError
from groundplan.plan import check_sector, check_study, make_plan, read_plan, verify_plan
from groundplan.plan.checking import toy_land
from groundplan.plan.system import build_coverage, complete_settings, decide, prepare
from groundplan.sectors import load_sectors
from groundplan.sectors.contract import Demand
from groundplan.study import read_study
from groundplan.study.reading import DATA

BLANK = (DATA / "blank.toml").read_text(encoding="utf-8")


def study(folder: Path, *changes: tuple[str, str]):
    text = BLANK
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return read_study(folder / "study.toml")


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("cell_m", [0, -250, 10, 20_000, float("nan")])
def test_cells_out_of_range_are_refused(tmp_path, cell_m):
    with pytest.raises(UsageError, match="50 to 5000 m"):
        make_plan(study(tmp_path), tmp_path / "plan", cell_m=cell_m)
    assert names(tmp_path) == ["study.toml"]


def test_a_study_without_a_system_is_refused(tmp_path):
    asked = study(
        tmp_path, ("[sectors.mobile]\n", ""), ('sector = "mobile"\n\n[[cost', "\n[[cost"),
        ('sector = "mobile"\nquantity', "quantity"),
    )  # fmt: skip
    with pytest.raises(DataError, match="at least one system to plan"):
        make_plan(asked, tmp_path / "plan", cell_m=5000)
    assert names(tmp_path) == ["study.toml"]


def test_a_system_that_no_target_asks_for_is_refused(tmp_path):
    asked = study(tmp_path, ("[sectors.mobile]", "[sectors.charging]\n\n[sectors.mobile]"))
    with pytest.raises(DataError, match="no working target asks for it"):
        make_plan(asked, tmp_path / "plan", cell_m=5000)
    assert names(tmp_path) == ["study.toml"]


def test_two_working_targets_for_the_same_sites_are_refused(tmp_path):
    again = BLANK[BLANK.index("[[targets]]") : BLANK.index("[[cost_lines]]")]
    again = again.replace('key = "stations_5g"', 'key = "more_stations"')
    asked = study(tmp_path, ("[[cost_lines]]", again + "[[cost_lines]]"))
    with pytest.raises(DataError, match="2 working targets: stations_5g, more_stations"):
        check_study(asked)


def test_a_plan_that_adds_nothing_at_all_is_an_error(tmp_path):
    met = study(
        tmp_path,
        ('kind = "increment"', 'kind = "stock"\nbaseline = 1000'),
    )
    with pytest.raises(DataError, match="nothing to add in any system"):
        make_plan(met, tmp_path / "plan", cell_m=5000)
    assert names(tmp_path) == ["study.toml"]


def test_a_plan_that_serves_nobody_is_an_error():
    land, charging = toy_land(), load_sectors()["charging"]
    settings = complete_settings(charging, {}, "test")
    system = prepare(charging, land, None, settings, count=2, budget_cny=None, seed=5)
    away = replace(system, sites=replace(system.sites, x_m=system.sites.x_m + 1e6))
    with pytest.raises(DataError, match="no demand within reach"):
        decide(away, build_coverage(away, land), seed=5)


def beidou_of(count, budget_cny=None):
    """Eight stations on a land that any one of them serves whole, planned by covering alone."""
    land, whole = toy_land(), load_sectors()["beidou"]
    beidou = replace(
        whole,
        backup=None,
        layers=whole.layers[:1],
        demand=Demand("x", "terminals", lambda *a: whole.demand.build(*a).sum(axis=0)[None, :]),
        service=replace(whole.service, parameters=lambda _: {"reach_m": np.full((1, 3), 15e3)}),
        sizing=replace(whole.sizing, build=None),
    )
    given = {"stations_existing_count": 8, "looks_at_new_places": False}
    settings = complete_settings(beidou, given, "test")
    system = prepare(beidou, land, None, settings, count=count, budget_cny=budget_cny, seed=5)
    return system, decide(system, build_coverage(system, land), seed=5)


def test_sites_that_serve_nobody_new_fill_up_what_is_asked():
    _, one = beidou_of(1)
    _, five = beidou_of(5)
    assert (one.sites.size, five.sites.size) == (1, 5)
    assert five.value == one.value == five.bound
    assert five.sites.tolist() == sorted(set(five.sites.tolist()))


def test_a_budget_keeps_its_limit_where_sites_are_filled_up():
    system, told = beidou_of(5, budget_cny=5 * 80_000)
    assert int(system.sites.capex_cny[told.sites].sum()) == 400_000


def test_where_nothing_is_asked_the_bound_is_what_stands_serves():
    land, iot = toy_land(), load_sectors()["iot"]
    settings = complete_settings(iot, {"stations_existing_count": 2}, "test")
    system = prepare(iot, land, None, settings, count=0, budget_cny=None, seed=5)
    told = decide(system, build_coverage(system, land), seed=5)
    assert system.existing.all()
    assert told.value == told.base_value == told.bound > 0
    assert told.sites.size == 0


def test_a_budget_that_buys_nothing_is_infeasible(tmp_path):
    asked = study(tmp_path, ("# budget_cny = 1_000_000_000", "budget_cny = 1000"))
    with pytest.raises(InfeasibleError, match="smallest budget that would do"):
        make_plan(asked, tmp_path / "plan", cell_m=5000)
    assert names(tmp_path) == ["study.toml"]


def test_one_system_in_a_region_of_one_county(tmp_path):
    """The smallest region: one unit, one county, its seat."""
    tables = tmp_path / "tables"
    tables.mkdir()
    source = DATA.parents[1] / "region" / "data" / "henan"
    note = json.loads((source / "region.json").read_text(encoding="utf-8"))
    (tables / "region.json").write_text(json.dumps({**note, "key": "small"}), encoding="utf-8")
    with (source / "crosswalk.csv").open(encoding="utf-8") as stream:
        walk = list(csv.DictReader(stream))
    whole = [w for w in walk if float(w["weight_ratio"]) == 1]
    pair = next(w for w in whole if sum(v["county"] == w["county"] for v in walk) == 1)
    for file, column, code in (
        ("units.csv", "code", pair["unit"]), ("counties.csv", "code", pair["county"]),
        ("crosswalk.csv", "unit", pair["unit"]), ("places.csv", "", ""),
    ):  # fmt: skip
        with (source / file).open(encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows = [r for r in reader if not column or r[column] == code]
        with (tables / file).open("w", newline="", encoding="utf-8") as stream:
            out = csv.DictWriter(stream, reader.fieldnames)
            out.writeheader()
            out.writerows(rows)
    for other in source.iterdir():
        # borders.csv holds the weights of all counties; without it they are fitted
        if other.name != "borders.csv" and not (tables / other.name).exists():
            (tables / other.name).write_bytes(other.read_bytes())
    asked = study(
        tmp_path, ('key = "henan"', 'path = "tables"'), ("value = 1000", "value = 5"),
        ("quantity = 1000", "quantity = 5"),
    )  # fmt: skip
    from groundplan.show import write_report

    def report(folder: Path, name: str) -> None:
        write_report(folder, name=name)

    plan = make_plan(asked, tmp_path / "plan", cell_m=1000, report=report)
    verify_plan(tmp_path / "plan")
    record = read_plan(tmp_path / "plan")
    assert record == plan.record
    assert len(record["sectors"]["mobile"]["counties"]) == 1
    counts = record["sectors"]["mobile"]["counts"]
    assert counts["upgrade"] + counts["share"] + counts["new"] == 5
    assert names(tmp_path) == ["plan", "study.toml", "tables"]
    page = (tmp_path / "plan" / "report.html").read_text(encoding="utf-8")
    assert "groundplan verify plan" in page


def test_a_column_without_a_field_is_an_error():
    good = load_sectors()["mobile"]

    def build(*args):
        sized = good.sizing.build(*args)
        extra = {"antenna_height": np.zeros(sized.servers.size)}
        return replace(sized, attributes={**sized.attributes, **extra})

    with pytest.raises(DataError, match="antenna_height: got no Field"):
        check_sector(replace(good, sizing=replace(good.sizing, build=build)))


def test_a_column_out_of_its_bounds_is_an_error():
    good = load_sectors()["charging"]

    def build(*args):
        sized = good.sizing.build(*args)
        less = {"power_kw": sized.attributes["power_kw"] - 1e9}
        return replace(sized, attributes={**sized.attributes, **less})

    with pytest.raises(DataError, match="power_kw"):
        check_sector(replace(good, sizing=replace(good.sizing, build=build)))
