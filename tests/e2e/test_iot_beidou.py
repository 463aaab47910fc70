"""NB-IoT and BeiDou planned on Henan, written, reported and verified."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from groundplan.plan import make_plan, verify_plan
from groundplan.show import write_report
from groundplan.study import read_study

STUDY = Path(__file__).parents[1] / "data" / "iot_beidou.toml"


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iot") / "plan"
    make_plan(read_study(STUDY), folder, cell_m=2000, report=lambda aside, _: write_report(aside))
    return folder


@pytest.fixture(scope="module")
def record(plan):
    return json.loads((plan / "plan.json").read_bytes())


#: Accuracy asked, cm; how far one station and a network reach, km: (accuracy - 1 cm) / growth.
NEAR = [[2.5, 15.0, 30.0], [2.0, 10.0, 20.0], [50.0, 30.0, 70.0]]


def tables(record, key):
    return {t["kind"]: t for t in record["sectors"][key]["tables"]}


def test_it_verifies(plan):
    told = verify_plan(plan)
    assert told["beidou"]["sites"] == 373
    assert told["iot"]["sites"] == 0
    assert told["iot"]["bound"] == told["iot"]["value"]


def test_users_are_supported_and_never_added(record):
    target = {t["key"]: t for t in record["targets"]}["iot_users"]
    assert (target["status"], target["planned"], target["after"]) == ("supported", None, None)
    sentence = next(a["sentence"] for a in record["answer"] if a["sector"] == "iot")
    assert "no target asks for sites" in sentence
    assert record["sectors"]["iot"]["counts"]["keep"] == 35_000


def test_every_station_that_stands_is_upgraded(record):
    counts = record["sectors"]["beidou"]["counts"]
    assert (counts["upgrade"], counts["share"], counts["new"]) == (373, 0, 0)
    target = {t["key"]: t for t in record["targets"]}["reference_stations"]
    assert (target["status"], target["planned"]) == ("reached", 373)


def test_the_tables_of_iot(record):
    told = tables(record, "iot")
    classes = told["coverage_classes"]["rows"]
    assert [row[1] for row in classes[:3]] == [144.0, 154.0, 164.0]
    reach = {row["environment"]: row["reach_m"] for row in record["sectors"]["iot"]["reach"]}
    assert classes[2][2] == pytest.approx(reach["dense_urban"])
    assert classes[8][2] == pytest.approx(reach["rural"])
    for first in (0, 3, 6):
        assert sum(row[3] for row in classes[first : first + 3]) == pytest.approx(1.0)
        assert classes[first][2] < classes[first + 1][2] < classes[first + 2][2]
    served = record["sectors"]["iot"]["value"] / record["sectors"]["iot"]["demand_scale"]
    assert sum(row[4] for row in classes) == pytest.approx(served, rel=1e-3)
    for first in (0, 3, 6):
        near, middle, deep = classes[first : first + 3]
        # what is deep repeats, so a carrier carries fewer; the mix lies between
        assert near[5] > middle[5] > deep[5]
        assert deep[5] < deep[7]
        assert all(row[6] == pytest.approx(row[4] / row[5], rel=1e-3) for row in (near, deep))
    growth = told["growth"]["rows"]
    assert [row[0] for row in growth] == [2023, 2024, 2025]
    assert all(low < middle < high for _, low, middle, high, _ in growth)
    assert growth[0][4] == 100_000_000
    assert growth[0][2] > 79_289_000
    by_use = told["growth_by_use"]["rows"]
    assert len(by_use) == 15
    for year, *whole, _ in growth:
        mine = [row for row in by_use if row[0] == year]
        for k in range(3):
            assert sum(row[2 + k] for row in mine) == pytest.approx(whole[k], abs=3)
    *uses, total = told["message_load"]["rows"]
    for row, use in zip(by_use[:5], uses, strict=True):
        assert row[1] == use[0]
        assert row[3] / growth[0][2] == pytest.approx(use[1] / total[1], rel=1e-6)
        assert row[5] / row[3] == pytest.approx(use[2] / use[1], abs=1e-6)
    assert total[1] == 100_000_000
    assert total[3] == pytest.approx(12_962.962962962964)
    assert sum(row[1] for row in uses) == pytest.approx(total[1], abs=3)
    assert "207,360 a second" in told["message_load"]["note"]


def test_the_tables_of_beidou(record):
    part, told = record["sectors"]["beidou"], tables(record, "beidou")
    *services, whole = told["corrections"]["rows"]
    served = part["value"] / part["demand_total"]
    assert [row[0][0] for row in services] == [layer["title"] for layer in part["layers"]]
    assert whole[6] == pytest.approx(served)
    assert whole[7] == pytest.approx(part["backup"]["firm_ratio"])
    assert sum(row[1] for row in services) == pytest.approx(whole[1], abs=2)
    assert [row[2:5] for row in services] == NEAR
    for row in services:
        assert 0 <= row[5] <= row[6] <= 1
        assert row[7] <= row[6]
    assert services[1][5] < services[0][5] < services[2][5]
    milestones = told["milestones"]["rows"]
    assert [row[0] for row in milestones] == [row[0] for row in services]
    for row in milestones:
        assert row[1] == ["2023-12-31", "2023-12-31"]
        assert "counts" in row[2][0]
    messages = told["messages"]["rows"]
    assert [row[2] for row in messages] == [0.0, 1.0, 12.0]
    assert [row[1] for row in messages] == [row[1] for row in services]
    sky = told["sky"]["rows"]
    assert len(sky) == len(part["counties"])
    assert all(1.4 < row[2] < 2.4 and row[3] == 1.0 for row in sky)
    assert "plain mask of 10 degrees" in told["sky"]["note"]


def test_further_stations_only_add(record):
    rows = tables(record, "beidou")["further"]["rows"]
    served = [row[2] for row in rows]
    assert rows[0][0] == 0
    assert rows[0][5] == 0
    assert served[0] == pytest.approx(
        record["sectors"]["beidou"]["value"] / record["sectors"]["beidou"]["demand_total"]
    )
    assert served == sorted(served)
    assert all(row[2] <= row[3] <= 1 for row in rows[1:-1])
    assert rows[-1][3] is None
    # what outlives a failure grows much more than what is served at all
    assert rows[-1][4] - rows[0][4] > 0.01


def test_farm_blocks_are_the_farmland_of_the_counties(plan, record):
    told = tables(record, "beidou")["farms"]
    with (plan / told["file"]["name"]).open(encoding="utf-8") as file:
        blocks = list(csv.DictReader(file))
    assert "text" not in told["file"]
    hectares = np.array([float(b["farmland_ha"]) for b in blocks])
    assert hectares.sum() == pytest.approx(7.5141e6 * 0.8417, rel=1e-3)
    assert hectares.sum() == pytest.approx(sum(row[1] for row in told["rows"]), rel=1e-3)
    error = np.array([float(b["error_m"]) for b in blocks])
    assert error.min() >= 0.01
    assert error.max() <= 0.15
    kinds = np.array([b["accuracy_class"] for b in blocks])
    assert set(kinds) == {"single_base", "network", "open_service"}
    corrected = np.array([float(b["corrected_ratio"]) for b in blocks])
    assert (corrected[kinds == "open_service"] <= 0.5).all()
    machines = sum(float(b["machines_count"]) for b in blocks)
    assert machines == pytest.approx(
        tables(record, "beidou")["corrections"]["rows"][0][1], rel=1e-3
    )


def test_three_services_are_milestones_with_their_rules(record):
    told = {t["key"]: t for t in record["targets"]}
    for key in ("emergency", "environment", "farming"):
        target = told[f"beidou_{key}"]
        assert (target["status"], target["planned"]) == ("milestone", None)
        assert target["definition"].startswith("counts when")


def test_assets_carry_what_was_sized(plan):
    table = pq.read_table(plan / "assets.parquet").to_pydict()
    of = np.array(table["sector"]) == "beidou"
    cards = [c for c, mine in zip(table["message_cards_count"], of, strict=True) if mine]
    assert min(cards) >= 1
    assert np.array(table["is_synthetic"])[of].all()


def test_the_report_shows_the_tables_in_both_languages(plan, record):
    page = (plan / "report.html").read_text(encoding="utf-8")
    for key in ("iot", "beidou"):
        for one in record["sectors"][key]["tables"]:
            assert one["title"] in page
            assert one["title_zh"] in page
    assert "counted, not sited" in page
