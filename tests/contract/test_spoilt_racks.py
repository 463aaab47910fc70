"""Spoilt inputs of the racks, and spoilt proofs of their plan: each is refused with its reason."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from groundplan.cli.main import main
from groundplan.errors import DataError, InfeasibleError, VerificationError
from groundplan.plan import make_plan, read_plan, verify_plan
from groundplan.plan.manifest import write_json, write_manifest
from groundplan.study import read_study
from groundplan.study.reading import DATA

GOOD = (DATA / "henan.toml").read_text(encoding="utf-8")
for key in ("mobile", "charging", "iot", "beidou", "corridor"):
    TABLE = rf"(# [^\n]+\n)?\[sectors\.{key}(\.settings)?\]\n([^\n]+\n)*\n"
    GOOD, found = re.subn(TABLE, "", GOOD)
    assert found == 1, key
    GOOD = GOOD.replace(f'sector = "{key}"\n', "")
ALL_NEW = 'is_all_new = true\nsector = "racks"\n'
REGISTER = """
[sectors.racks.existing]
path = "centres.csv"
crs = "EPSG:4326"
licence = "internal"
source = "made by this test"
vintage = 2023
"""
HEAD = (
    "lon,lat,centre_id,kind,feeder_kw,racks_count,used_racks_count,reserved_racks_count,is_hazard\n"
)
ROW = "113.62,34.75,C1,centre,60000,2000,1500,100,false\n"


def swap(old: str, new: str) -> str:
    assert old in GOOD, old
    return GOOD.replace(old, new, 1)


def with_settings(*lines: str) -> str:
    return swap("[sectors.racks]\n", "[sectors.racks.settings]\n" + "\n".join(lines) + "\n")


WITH_REGISTER = swap("[sectors.racks]\n", REGISTER)
#: name, the study, the register or None, what `groundplan check` must print
CHECKED = [
    ("shares above one", with_settings("ms1_ratio = 0.6", "ms3_ratio = 0.3"), None,
     ["sectors.racks.settings.ms5_ratio", "at most 1 together", "they add up to 1.15"]),
    ("a limit the nodes take", with_settings("limit_ms1_ms = 0.1"), None,
     ["limit_ms1_ms", "more than the nodes take, 0.16 ms"]),
    ("free cooling upside down", with_settings("free_full_degc = 20"), None,
     ["free_full_degc", "below free_partial_degc, 18", "are the two exchanged?"]),
    ("a route shorter than the straight line", with_settings("route_ratio = 0.8"), None,
     ["route_ratio", "a number >= 1 and <= 5"]),
    ("a share in per cent", with_settings("copy_ratio = 50"), None, ["a number >= 0 and <= 1"]),
    ("a module of no rack", with_settings("module_racks_count = 0"), None,
     ["module_racks_count", "a whole number >= 1"]),
    ("racks of half a module", with_settings("module_racks_count = 12.5"), None,
     ["module_racks_count", "a whole number >= 1"]),
    ("a setting misspelt", with_settings("backup_m = 50"), None, ["did you mean 'backup_km'?"]),
    ("no baseline and not all new", swap(ALL_NEW, 'sector = "racks"\n'), None,
     ["without it nothing can be planned", "is_all_new = true"]),
    ("all new beside a baseline", swap(ALL_NEW, ALL_NEW + "baseline = 40000\n"), None,
     ["targets[3].is_all_new", "a baseline is given, 40000"]),
    ("a target that is met", swap(ALL_NEW, 'baseline = 95000\nsector = "racks"\n'), None,
     ["nothing to add for racks", "leave the system out"]),
    ("an increment all new", swap(ALL_NEW, ALL_NEW).replace(
        'kind = "increment"\ncomparator = ">"\nvalue = 90000\n',
        'kind = "increment"\nis_all_new = true\ncomparator = ">"\nvalue = 90000\n', 1), None,
     ["is_all_new", "only a stock can be planned as if nothing stood"]),
    ("a measure of sites", swap('measure = "rack"\nunit', 'measure = "racks"\nunit'), None,
     ["targets[3].measure", "did you mean 'rack'?"]),
    ("a feeder below nothing", WITH_REGISTER, HEAD + ROW.replace("60000", "-5"),
     ["centres.csv row 2 column feeder_kw", "got '-5'"]),
    ("a kind unknown", WITH_REGISTER, HEAD + ROW.replace("centre,", "tower,"),
     ["centres.csv row 2 column kind", "one of centre, plot"]),
    ("racks as text", WITH_REGISTER, HEAD + ROW.replace("2000", "many"),
     ["centres.csv row 2 column racks_count", "many"]),
    ("no feeder column", WITH_REGISTER, (HEAD + ROW).replace("feeder_kw", "feeder"),
     ["centres.csv", "feeder_kw"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "register", "says"), CHECKED, ids=[c[0] for c in CHECKED])
def test_check_tells_what_is_wrong(tmp_path, name, text, register, says):
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    if register is not None:
        (tmp_path / "centres.csv").write_text(register, encoding="utf-8")
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 3, done.output
    for part in says:
        assert part in done.output, done.output


#: name, the study, the register or None, the error, what it must say
PLANNED = [
    ("copies beyond the limit", with_settings("backup_km = 400"), None, InfeasibleError,
     ["no site with room between 457 and 329 km", "copy: "]),
    ("hazard everywhere", with_settings("hazard_ratio = 1.0"), None, InfeasibleError,
     ["hazards rule out all", "is hazard_ratio near 1"]),
    ("feeders too small", with_settings(
        "feeder_new_kw = 500", "feeder_share_kw = 500", "feeder_existing_kw = 500"), None,
     InfeasibleError, ["the sites together are too small", "target: 90,001 to add"]),
    ("a budget below the plan", swap("[sectors.racks]\n", "[sectors.racks]\nbudget_cny = 1_000_000\n"),
     None, InfeasibleError, ["budget of this system: 1,000,000 CNY", "smallest budget"]),
    ("more racks in use than stand", WITH_REGISTER, HEAD + ROW.replace("1500", "2500"), DataError,
     ["row 2 column used_racks_count: got 2500", "at most 2000"]),
    ("racks on a plot", WITH_REGISTER, HEAD + ROW.replace("centre,", "plot,"), DataError,
     ["row 2 column racks_count", "nothing stands there"]),
    ("two centres of one name", WITH_REGISTER, HEAD + ROW + ROW, DataError,
     ["row 3 column centre_id", "row 2 has it"]),
    ("a feeder in MW", WITH_REGISTER, HEAD + ROW.replace("60000", "60"), DataError,
     ["row 2 column feeder_kw", "is the column in MW?"]),
    ("one plot for the whole province", WITH_REGISTER,
     HEAD + ROW.replace("C1,centre,60000,2000,1500,100", "P1,plot,9000000,0,0,0"), InfeasibleError,
     ["ms1: ", "and 1", "that keeps the limit for 95% of the demand"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "register", "error", "says"), PLANNED, ids=[c[0] for c in PLANNED]
)
def test_a_plan_that_cannot_be_says_why(tmp_path, name, text, register, error, says):
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    if register is not None:
        (tmp_path / "centres.csv").write_text(register, encoding="utf-8")
    with pytest.raises(error) as caught:
        make_plan(read_study(tmp_path / "study.toml"), tmp_path / "plan", cell_m=5000)
    for part in says:
        assert part in str(caught.value), str(caught.value)
    assert not (tmp_path / "plan").exists()


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("racks")
    (folder / "study.toml").write_text(GOOD, encoding="utf-8")
    make_plan(read_study(folder / "study.toml"), folder / "plan", cell_m=5000)
    return folder / "plan"


@pytest.fixture
def copy(planned, tmp_path) -> Path:
    return Path(shutil.copytree(planned, tmp_path / "plan"))


def test_the_plan_is_verified_and_says_what_it_costs_at_least(planned):
    found = verify_plan(planned)["racks"]
    record = read_plan(planned)
    part = record["sectors"]["racks"]
    assert found["bound"] == part["bound"] <= part["value"] == found["value"]
    assert part["gap"] == pytest.approx((part["value"] - part["bound"]) / part["value"])
    assert part["gap"] <= 0.005
    sentence = record["answer"][0]["sentence"]
    assert "No plan that meets the demand can cost less than" in sentence
    assert sum(f["servers"] for f in part["flows"]) == part["servers_asked"] == 90_001
    assert part["sizing"]["servers_planned"] == 100 * sum(m["modules"] for m in part["modules"])
    assert part["cost_cny"] == sum(m["cost_cny"] for m in part["modules"])
    assert part["cost_cny"] == sum(p["cost_cny"] for p in part["phases"])
    assert part["cost_cny"] == sum(c["cost_cny"] for c in part["counties"])
    targets = {t["key"]: t for t in record["targets"]}
    assert targets["racks"]["status"] == targets["racks_increment"]["status"] == "reached"
    assert targets["racks"]["baseline"] is None
    line = next(x for x in record["money"]["lines"] if x["key"] == "racks")
    assert line["planned_cny"] == part["cost_cny"]


def test_a_target_due_later_is_built_year_by_year(tmp_path):
    import pyarrow.parquet as pq

    head, tail = GOOD.split(ALL_NEW, 1)
    text = head + ALL_NEW + tail.replace("due_on = 2023-12-31", "due_on = 2025-12-31", 1)
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    folder = tmp_path / "plan"
    make_plan(read_study(tmp_path / "study.toml"), folder, cell_m=5000)
    verify_plan(folder)
    part = read_plan(folder)["sectors"]["racks"]
    assert [p["year"] for p in part["phases"]] == [2023, 2024, 2025]
    assert sum(p["servers"] for p in part["phases"]) == part["sizing"]["servers_planned"]
    assert sum(p["cost_cny"] for p in part["phases"]) == part["cost_cny"]
    built = 0
    for number, phase in enumerate(part["phases"], start=1):
        built += phase["servers"]
        assert built >= part["servers_asked"] * number / 3
    table = pq.read_table(folder / "assets.parquet", columns=["action", "phase_year"])
    years = [
        y for a, y in zip(table["action"].to_pylist(), table["phase_year"].to_pylist(), strict=True)
        if a != "keep"
    ]  # fmt: skip
    # sites wait until they are needed
    assert set(years) == {2023, 2024, 2025}


def respoil(folder: Path, change) -> None:
    """Change the arrays of the proof and mend every hash, as a forger would."""
    path = folder / "certificate" / "racks.npz"
    with np.load(path) as arrays:
        proof = {name: arrays[name].copy() for name in arrays.files}
    change(proof)
    with path.open("wb") as stream:
        np.savez_compressed(stream, **proof)
    write_manifest(folder, read_plan(folder)["inputs"])


def one_module_less(proof):
    proof["modules"][np.argmax(proof["modules"])] -= 1


def one_module_more(proof):
    proof["modules"][np.argmax(proof["modules"])] += 1


def beyond_the_feeder(proof):
    at = np.argmax(proof["modules"])
    proof["offer_modules_max"][at] = proof["modules"][at] - 1


def a_row_unserved(proof):
    proof["flow_servers"][0] -= 1


def another_site(proof):
    strict = np.flatnonzero(proof["row_layer"][proof["flow_row"]] == 0)
    far = np.argmax(np.abs(proof["x_m"] - proof["row_x_m"][proof["flow_row"][strict[0]]]))
    proof["flow_site"][strict[0]] = far


def a_cheaper_site(proof):
    proof["capex_cny"] = proof["capex_cny"] // 2


def cheaper_energy(proof):
    proof["offer_server_cny"] = proof["offer_server_cny"] * 0.9


def a_longer_reach(proof):
    proof["reach_m"] = proof["reach_m"] * 1.5


def fewer_racks(proof):
    proof["row_servers"][0] -= 1
    proof["flow_servers"][0] -= 1


def higher_prices(proof):
    proof["price_row"] = proof["price_row"] + 1


def a_year_takes_away(proof):
    at = np.flatnonzero(proof["year_modules"][:, -1])[0]
    proof["year_modules"][at, 0] = proof["year_modules"][at, -1] + 1


def a_year_serves_less(proof):
    proof["year_flow_servers"][0] -= 1


def a_last_year_of_its_own(proof):
    proof["year_modules"][np.flatnonzero(proof["year_modules"][:, -1])[0], -1] += 1


@pytest.mark.parametrize(
    "change",
    [
        a_year_takes_away, a_year_serves_less, a_last_year_of_its_own, one_module_less, one_module_more, beyond_the_feeder, a_row_unserved, another_site,
        a_cheaper_site, cheaper_energy, a_longer_reach, fewer_racks, higher_prices,
    ],
)  # fmt: skip
def test_a_spoilt_proof_is_found(copy, change):
    respoil(copy, change)
    with pytest.raises(VerificationError, match="racks: "):
        verify_plan(copy)


def test_a_cheaper_cost_in_the_record_is_found(copy):
    record = read_plan(copy)
    record["sectors"]["racks"]["value"] *= 0.999
    write_json(copy / "plan.json", record)
    write_manifest(copy, record["inputs"])
    with pytest.raises(VerificationError, match="racks: value is"):
        verify_plan(copy)


def test_the_report_and_the_workbook_tell_the_plan(copy):
    import openpyxl

    from groundplan.show import write_report

    page = write_report(copy).read_text(encoding="utf-8")
    for told in (
        "No plan that meets the demand can cost less than",
        "满足需求的任何方案都不可能低于",
        "proven gap: no plan that meets the demand costs less than this share below ours",
        "The nearest copy lies",
        "Modules by site and year",
        "not established",
    ):
        assert told in page
    book = openpyxl.load_workbook(copy / "plan.xlsx", read_only=True)
    part = read_plan(copy)["sectors"]["racks"]
    flows = list(book["service racks"].iter_rows(min_row=3, values_only=True))
    assert len(flows) == len(part["flows"])
    assert sum(row[4] for row in flows) == 90_001
    certificate = json.loads((copy / "certificate" / "racks.json").read_bytes())
    assert certificate["format"] == "groundplan-allocation-certificate/1"
