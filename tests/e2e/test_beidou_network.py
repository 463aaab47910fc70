"""Stations beyond those that stand, with terminals counted by the user; and a proof tampered with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from groundplan.errors import VerificationError
from groundplan.plan import make_plan, verify_plan
from groundplan.plan.proof import verify_system
from groundplan.show import write_report
from groundplan.study import read_study

STUDY = Path(__file__).parents[1] / "data" / "iot_beidou.toml"
TERMINALS = """lon,lat,service,terminals_count
113.65,34.76,emergency,40
113.02,35.10,emergency,60
114.05,32.13,emergency,100
114.05,32.13,environment,7
"""
FILE = """
[sectors.beidou.demand]
path = "terminals.csv"
crs = "EPSG:4326"
licence = "internal"
source = "the emergency office"
vintage = 2023
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Plan 390 stations: the 373 that stand, and 17 new ones."""
    folder = tmp_path_factory.mktemp("network")
    text = STUDY.read_text(encoding="utf-8")
    start = text.index("[sectors.iot]")
    text = text[:start] + text[text.index("[sectors.beidou]") :]
    start = text.index('[[targets]]\nkey = "iot_users"')
    text = text[:start] + text[text.index("[[targets]]", start + 1) :]
    text = text.replace("looks_at_new_places = false", "looks_at_new_places = true")
    text = text.replace("value = 373", "value = 390").replace(
        "[[targets]]", FILE + "\n[[targets]]", 1
    )
    (folder / "study.toml").write_text(text, encoding="utf-8")
    (folder / "terminals.csv").write_text(TERMINALS, encoding="utf-8")
    study = read_study(folder / "study.toml")
    make_plan(study, folder / "plan", cell_m=5000, report=lambda aside, _: write_report(aside))
    return folder / "plan"


@pytest.fixture(scope="module")
def part(plan):
    return json.loads((plan / "plan.json").read_bytes())["sectors"]["beidou"]


def test_new_ones_stand_beside_all_that_stood(plan, part):
    counts = part["counts"]
    assert counts["upgrade"] == 373
    assert counts["share"] + counts["new"] == 17
    assert [p["year"] for p in part["phases"]] == [2023, 2024, 2025]
    assert [p["sites"] for p in part["phases"]] == [130, 130, 130]
    assert sum(p["cost_cny"] for p in part["phases"]) == part["cost_cny"]
    told = verify_plan(plan)["beidou"]
    assert (told["value"], told["score"]) == (part["value"], part["backup"]["score"])
    assert told["score"] <= told["score_bound"]
    assert part["value"] < part["bound"] <= part["demand_total"]


def test_the_same_study_gives_the_same_plan(plan, tmp_path):
    again = tmp_path / "plan"
    make_plan(read_study(plan.parent / "study.toml"), again, cell_m=5000)
    for name in ("plan.json", "assets.parquet", "beidou-farm-blocks.csv", "certificate/beidou.npz"):
        assert (again / name).read_bytes() == (plan / name).read_bytes(), name


def test_counted_terminals_take_the_place_of_modelled_ones(plan, part):
    demand = {layer["key"]: layer["demand"] for layer in part["layers"]}
    assert demand["emergency"] == 200
    assert demand["environment"] == 7
    assert demand["farming"] == pytest.approx(42_166, abs=1)
    assert part["demand_file"]["layers"] == ["Environment monitoring", "Emergency management"]
    note = next(t["note"] for t in part["tables"] if t["kind"] == "corrections")
    assert "terminals.csv (the emergency office, 2023); others are modelled" in note
    record = json.loads((plan / "plan.json").read_bytes())
    assert "terminals.csv" in record["inputs"]


def test_the_answer_states_what_holds_and_both_bounds(plan, part):
    answer = json.loads((plan / "plan.json").read_bytes())["answer"][0]["sentence"]
    assert f"{part['backup']['firm_ratio']:.2%} also when any one site fails" in answer
    assert f"can serve more than {part['bound'] / part['demand_total']:.2%}" in answer
    page = (plan / "report.html").read_text(encoding="utf-8")
    assert "served whichever site fails" in page
    assert "beidou-farm-blocks.csv" in page


def test_cells_say_what_outlives_a_failure(plan, part):
    table = pq.read_table(plan / "cells.parquet")
    after, firm = (table[f"beidou_{name}"].to_numpy() for name in ("after", "firm"))
    assert not (firm & ~after).any()
    total = sum(
        int(table[f"beidou_demand_{layer['key']}"].to_numpy()[firm >> k & 1 == 1].sum())
        for k, layer in enumerate(part["layers"])
    )
    assert total / part["demand_total"] == pytest.approx(part["backup"]["firm_ratio"])


def spoil(folder, change):
    """Change arrays and record of the certificate in place."""
    place = folder / "certificate" / "beidou"
    with np.load(place.with_suffix(".npz")) as arrays:
        proof = {name: arrays[name].copy() for name in arrays.files}
    record = json.loads(place.with_suffix(".json").read_bytes())
    change(proof, record)
    np.savez_compressed(place.with_suffix(".npz"), **proof)
    place.with_suffix(".json").write_text(json.dumps(record), encoding="utf-8")


def other_site(proof, _record):
    unused = np.setdiff1d(np.flatnonzero(proof["action"] > 1), proof["chosen"])
    proof["chosen"] = np.sort(np.append(proof["chosen"][:-1], unused[0])).astype(np.int32)


def left_out(proof, _record):
    proof["chosen"] = proof["chosen"][1:]


def one_more(proof, _record):
    unused = np.setdiff1d(np.flatnonzero(proof["action"] > 1), proof["chosen"])
    proof["chosen"] = np.sort(np.append(proof["chosen"], unused[0])).astype(np.int32)


def no_such_site(proof, _record):
    proof["chosen"] = np.append(proof["chosen"], np.int32(99_999))


def moved_station(proof, _record):
    proof["x_m"][5] += 30_000.0


def other_prices(proof, _record):
    proof["price_main"] = proof["price_main"] + 2**24


def negative_price(proof, _record):
    proof["price_first"][0] = -1


def lower_bound(_proof, record):
    record["score_bound"] -= 100_000


def lower_level_bound(_proof, record):
    record["levels"]["main"]["bound"] -= 10_000_000


def higher_value(_proof, record):
    record["value"] += 1


def more_demand(proof, _record):
    proof["place_demand"][0, 10] += 1


def moved_place(proof, _record):
    proof["place_x_m"][10] += 5.0


def farther_reach(proof, _record):
    proof["single_m"] = proof["single_m"] * 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (other_site, "cells say otherwise"),
        (left_out, "leaves a site out"),
        (one_more, "more than 17 sites"),
        (no_such_site, "does not exist"),
        (moved_station, "cells say otherwise"),
        (other_prices, "main: prices prove"),
        (negative_price, "first: prices must be one for each row"),
        (lower_bound, "score_bound is"),
        (lower_level_bound, "main: prices prove"),
        (higher_value, "value is"),
        (more_demand, "what the cells add up to"),
        (moved_place, "5.000 m off"),
        (farther_reach, "cells say otherwise"),
    ],
)
def test_a_proof_tampered_with_is_found(plan, tmp_path, change, says):
    folder = tmp_path / "plan"
    shutil.copytree(plan, folder)
    note = json.loads(pq.read_schema(folder / "cells.parquet").metadata[b"groundplan"])
    spoil(folder, change)
    with pytest.raises(VerificationError) as caught:
        verify_system(folder, note, "beidou")
    assert says in str(caught.value)


def test_a_resealed_lie_about_failures_is_found(plan, tmp_path):
    from groundplan.plan.manifest import write_json, write_manifest

    folder = tmp_path / "plan"
    shutil.copytree(plan, folder)
    record = json.loads((folder / "plan.json").read_bytes())
    record["sectors"]["beidou"]["backup"]["firm_ratio"] += 0.01
    write_json(folder / "plan.json", record)
    write_manifest(folder, record["inputs"])
    with pytest.raises(VerificationError, match=r"beidou: backup\.firm_ratio is"):
        verify_plan(folder)
