"""Spoilt inputs of the charging corridors, and spoilt proofs of their plan: each with its reason."""

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
for key in ("mobile", "charging", "racks", "iot", "beidou"):
    TABLE = rf"(# [^\n]+\n)?\[sectors\.{key}(\.settings)?\]\n([^\n]+\n)*\n"
    GOOD, found = re.subn(TABLE, "", GOOD)
    assert found == 1, key
    GOOD = GOOD.replace(f'sector = "{key}"\n', "").replace("is_all_new = true\n", "")
TERMS = 'licence = "internal"\nsource = "made by this test"\nvintage = 2023\n'
ROADS_TABLE = f'\n[sectors.corridor.roads]\npath = "roads.csv"\ncrs = "EPSG:4326"\n{TERMS}'
LINES_TABLE = f'\n[sectors.corridor.roads]\npath = "roads.geojson"\n{TERMS}'
TRAFFIC_TABLE = f'\n[sectors.corridor.traffic]\npath = "traffic.csv"\n{TERMS}'
REGISTER = f'\n[sectors.corridor.existing]\npath = "areas.csv"\ncrs = "EPSG:4326"\n{TERMS}'
HEADS = {
    "roads.csv": "from_node,to_node,from_lon,from_lat,to_lon,to_lat,length_km,name\n",
    "traffic.csv": "from_node,to_node,vehicles_per_day\n",
    "areas.csv": "lon,lat,station_id,kind,chargers_count,fast_chargers_count,is_fast\n",
}
#: Two motorways that cross at Zhengzhou, and one of three towns apart from them.
ROADS = """Anyang,Xinxiang,114.35,36.10,113.90,35.30,105,G4
Xinxiang,Zhengzhou,113.90,35.30,113.65,34.75,72,G4
Zhengzhou,Luohe,113.65,34.75,114.02,33.58,150,G4
Luohe,Xinyang,114.02,33.58,114.07,32.13,175,G4
Luoyang,Zhengzhou,112.45,34.62,113.65,34.75,125,G30
Zhengzhou,Kaifeng,113.65,34.75,114.31,34.80,68,G30
Kaifeng,Shangqiu,114.31,34.80,115.65,34.41,140,G30
Nanyang,Neixiang,112.53,33.00,111.85,33.05,75,G40
"""
TRAFFIC = """Anyang,Xinyang,9000
Xinyang,Anyang,8800
Luoyang,Shangqiu,12000
Anyang,Shangqiu,4000
"""
AREAS = """114.02,35.50,Hebi North,service_area,12,6,false
113.80,34.30,Changge,service_area,16,8,false
114.05,32.90,Zhumadian,service_area,8,0,false
114.90,34.60,Minquan,service_area,0,0,false
113.05,34.70,Gongyi,service_area,20,20,true
"""
FILES = {"roads.csv": ROADS, "traffic.csv": TRAFFIC, "areas.csv": AREAS}


def swap(old: str, new: str, text: str = GOOD) -> str:
    assert old in text, old
    return text.replace(old, new, 1)


def with_settings(*lines: str) -> str:
    return swap("[sectors.corridor]\n", "[sectors.corridor.settings]\n" + "\n".join(lines) + "\n")


def with_files(*tables: str, count: int = 3) -> str:
    return swap("value = 60\n", f"value = {count}\n", swap("[sectors.corridor]\n", "".join(tables)))


OWN = with_files(ROADS_TABLE, TRAFFIC_TABLE, REGISTER)


def write_study(folder: Path, text: str, files: dict[str, str | None] | None = None) -> Path:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    for name, rows in {**FILES, **(files or {})}.items():
        if rows is not None:
            whole = rows if rows.startswith(("{", "from_")) else HEADS[name] + rows
            (folder / name).write_text(whole, encoding="utf-8")
    return folder / "study.toml"


def lines_of(*coordinates, kind="LineString", **properties) -> str:
    return json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"name": f"G{k}", **properties},
                    "geometry": {"type": kind, "coordinates": line},
                }
                for k, line in enumerate(coordinates)
            ],
        }
    )


LINE = [[114.35, 36.10], [113.90, 35.30], [113.65, 34.75], [114.02, 33.58]]
#: name, the study, files that differ, what `groundplan check` must print
CHECKED = [
    ("a share in per cent", with_settings("equipped_ratio = 93.7"), {},
     ["equipped_ratio", "a number >= 0 and <= 1"]),
    ("a setting misspelt", with_settings("range_m = 200000"), {}, ["did you mean 'range_km'?"]),
    ("fewest above most", with_settings("chargers_min_count = 50", "chargers_max_count = 20"), {},
     ["chargers_min_count", "at most chargers_max_count, 20"]),
    ("no charge at either end", with_settings("start_ratio = 0", "end_ratio = 0"), {},
     ["start_ratio", "no vehicle reaches a station"]),
    ("zones below towns", with_settings("zone_apart_km = 5"), {},
     ["zone_apart_km", "at least town_apart_km, 15"]),
    ("traffic without roads", with_files(TRAFFIC_TABLE), {},
     ["sectors.corridor.traffic", "its nodes are those of the road file"]),
    ("roads of another system", GOOD + ROADS_TABLE.replace("corridor", "iot") + "\n[sectors.iot]\n",
     {}, ["sectors.iot.roads", "none: this system has no roads", "[sectors.corridor]"]),
    ("roads absent", with_files(ROADS_TABLE.replace("roads.csv", "ways.csv")), {},
     ["sectors.corridor.roads.path", "a file that exists"]),
    ("a road without longitude", OWN, {"roads.csv": ROADS.replace("113.90,35.30,105", ",35.30,105")},
     ["roads.csv row 2 column to_lon", "got nothing"]),
    ("no column of ends", OWN, {"roads.csv": (HEADS["roads.csv"] + ROADS).replace("to_lat", "lat2")},
     ["roads.csv", "to_lat", "no such column"]),
    ("a length in metres", OWN, {"roads.csv": ROADS.replace(",105,", ",105000,")},
     ["roads.csv row 2 column length_km: got 105000", "is the column in m?"]),
    ("a length below the straight line", OWN, {"roads.csv": ROADS.replace(",72,", ",7.2,")},
     ["roads.csv row 3 column length_km: got 7.2", "at least the straight line, 65.26 km"]),
    ("a road from a place to itself", OWN,
     {"roads.csv": ROADS.replace("113.90,35.30,105", "114.35,36.10,105")},
     ["roads.csv row 2", "one place", "two ends"]),
    ("one name at two places", OWN, {"roads.csv": ROADS.replace("Kaifeng,Shangqiu,114.31", "Kaifeng,Shangqiu,114.91")},
     ["roads.csv row 8 column from_node: got Kaifeng", "the place of row 7", "a name of its own"]),
    ("ends exchanged", OWN, {"roads.csv": ROADS.replace("114.35,36.10", "36.10,114.35")},
     ["roads.csv", "from_lon, from_lat"]),
    ("a node misspelt", OWN, {"traffic.csv": TRAFFIC.replace("Xinyang,9000", "Xinyan,9000")},
     ["traffic.csv row 2 column to_node: got Xinyan", "did you mean 'Xinyang'?"]),
    ("two faults of one file", OWN, {"traffic.csv": TRAFFIC.replace("12000", "many").replace("4000", "-4")},
     ["traffic.csv row 4 column vehicles_per_day: got 'many'", "row 5", "'-4'"]),
    ("a trip to where it begins", OWN, {"traffic.csv": "Anyang,Anyang,50\n"},
     ["traffic.csv row 2 column to_node", "two nodes"]),
    ("no road joins them", OWN, {"traffic.csv": TRAFFIC + "Nanyang,Luoyang,700\n"},
     ["traffic.csv row 6 column to_node: got Nanyang to Luoyang", "the network is in 2 parts"]),
    ("nodes of lines by name", with_files(LINES_TABLE, TRAFFIC_TABLE),
     {"roads.geojson": lines_of(LINE)},
     ["traffic.csv row 2", "the road file names no nodes: give from_lon"]),
    ("traffic far from roads", with_files(LINES_TABLE, TRAFFIC_TABLE),
     {"roads.geojson": lines_of(LINE),
      "traffic.csv": "from_lon,from_lat,to_lon,to_lat,vehicles_per_day\n114.35,36.1,112.5,33.0,10\n"},
     ["traffic.csv row 2 column to_lon, to_lat", "within 5 km of an end or bend of a road"]),
    ("points for lines", with_files(LINES_TABLE), {"roads.geojson": lines_of([114.0, 35.0], kind="Point")},
     ["roads.geojson row 1 column geometry: got Point", "a line"]),
    ("a register of unknown kind", OWN, {"areas.csv": AREAS.replace("service_area,12", "garage,12")},
     ["areas.csv row 2 column kind", "one of service_area, town"]),
    ("chargers below nothing", OWN, {"areas.csv": AREAS.replace(",12,", ",-12,")},
     ["areas.csv row 2 column chargers_count", "got '-12'"]),
    ("one area twice", OWN, {"areas.csv": AREAS.replace("Changge", "Minquan")},
     ["areas.csv row 5 column station_id", "row 3 has it already"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "files", "says"), CHECKED, ids=[c[0] for c in CHECKED])
def test_check_tells_what_is_wrong(tmp_path, name, text, files, says):
    write_study(tmp_path, text, files)
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 3, done.output
    for part in says:
        assert part in done.output, done.output


#: name, the study, files that differ, the error, what it must say
PLANNED = [
    ("more stations than places", swap("value = 60\n", "value = 5000\n"), {}, InfeasibleError,
     ["5,000 to add", "candidates: "]),
    ("a budget below the plan", swap("[sectors.corridor]\n", "[sectors.corridor]\nbudget_cny = 5_000_000\n"),
     {}, InfeasibleError, ["budget of this system: 5,000,000 CNY", "smallest budget"]),
    ("no vehicle is electric", with_settings("ev_per_person_ratio = 0"), {}, DataError,
     ["0 everywhere", "some trips/year"]),
    ("no trip is long", with_settings("trip_min_km = 1900"), {}, DataError,
     ["0 everywhere", "is every trip shorter than trip_min_km"]),
    ("a range that reaches nothing", with_settings("range_km = 20", "looks_at_towns = false"), {}, DataError,
     ["no demand within reach of any site"]),
    ("roads in another province", with_files(ROADS_TABLE),
     {"roads.csv": "a,b,121.4,31.2,121.4,31.9,90,G2\n"}, DataError,
     ["roads.csv", "2 nodes, none in the region"]),
    ("more fast chargers than chargers", OWN, {"areas.csv": AREAS.replace(",12,6,", ",12,16,")}, DataError,
     ["row 2 column fast_chargers_count: got 16", "at most 12"]),
    ("piles at a place where nothing stands", OWN, {"areas.csv": AREAS.replace("service_area,12", "town,12")},
     DataError, ["row 2 column chargers_count: got 12", "nothing stands there"]),
    ("fast without a fast charger", OWN, {"areas.csv": AREAS.replace(",20,20,true", ",20,0,true")}, DataError,
     ["row 6 column fast_chargers_count: got 0", "at least 1 where is_fast is true"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "files", "error", "says"), PLANNED, ids=[c[0] for c in PLANNED]
)
def test_a_plan_that_cannot_be_says_why(tmp_path, name, text, files, error, says):
    study = write_study(tmp_path, text, files)
    with pytest.raises(error) as caught:
        make_plan(read_study(study), tmp_path / "plan", cell_m=5000)
    for part in says:
        assert part in str(caught.value), str(caught.value)
    assert not (tmp_path / "plan").exists()


@pytest.fixture(scope="module")
def planned(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corridors")
    make_plan(read_study(write_study(folder, GOOD)), folder / "plan", cell_m=5000)
    return folder / "plan"


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    make_plan(read_study(write_study(folder, OWN)), folder / "plan", cell_m=5000)
    return folder / "plan"


@pytest.fixture
def copy(planned, tmp_path) -> Path:
    return Path(shutil.copytree(planned, tmp_path / "plan"))


def test_the_plan_is_verified_and_says_how_many_get_through(planned):
    found = verify_plan(planned)["corridor"]
    record = read_plan(planned)
    part = record["sectors"]["corridor"]
    assert part["decision"] == "passage"
    assert found["value"] == part["value"] <= part["bound"] == found["bound"]
    assert part["bound"] <= part["demand_total"]
    assert part["gap"] <= 0.01
    counts = part["counts"]
    assert counts["upgrade"] + counts["share"] + counts["new"] == 60
    assert part["cost_cny"] == sum(c["cost_cny"] for c in part["counties"])
    targets = {t["key"]: t for t in record["targets"]}
    assert targets["corridor_stations"]["status"] == "reached"
    assert targets["smart_stations"]["planned"] is None
    assert not part["places"]
    assert {m["what"] for m in record["modelled"]} >= {"corridor roads", "corridor trips"}


def test_a_planners_own_roads_traffic_and_areas(own):
    verify_plan(own)
    part = read_plan(own)["sectors"]["corridor"]
    network = part["network"]
    assert (network["is_synthetic"], network["has_traffic"], network["pairs"]) == (False, True, 4)
    assert network["length_m"] == pytest.approx(910_000)
    # 33,800 vehicles a day, 4.1 % of them electric
    assert part["demand_total"] / 100 == pytest.approx(33_800 * 0.041 * 365, rel=1e-6)
    assert part["existing"]["is_synthetic"] is False
    assert part["roads"]["source"] == "made by this test"
    assert read_plan(own)["inputs"].keys() >= {"roads.csv", "traffic.csv", "areas.csv"}
    rows = {row[0][0]: row for row in part["tables"][1]["rows"]}
    assert set(rows) == {"G4", "G30"}
    assert rows["G4"][1] == 502


def test_lines_are_cut_where_others_end(tmp_path):
    from pyproj import Geod

    from groundplan.region.roads import read_roads

    branch = [[113.65, 34.75], [112.45, 34.62]]
    path = tmp_path / "roads.geojson"
    path.write_text(lines_of(LINE, branch), encoding="utf-8")
    table = read_roads(path)
    node = {
        (round(x, 2), round(y, 2)): k
        for k, (x, y) in enumerate(zip(table.lon, table.lat, strict=True))
    }
    degree = np.bincount(np.concatenate([table.edge_from, table.edge_to]))
    assert degree[node[113.65, 34.75]] == 3
    told = sum(Geod(ellps="WGS84").line_length(*zip(*part, strict=True)) for part in (LINE, branch))
    assert table.length_m.sum() == pytest.approx(told, rel=0.005)
    assert not table.is_straight.any()


def respoil(folder: Path, change) -> None:
    """Change the arrays of the proof and mend every hash, as a forger would."""
    path = folder / "certificate" / "corridor.npz"
    with np.load(path) as arrays:
        proof = {name: arrays[name].copy() for name in arrays.files}
    change(proof)
    with path.open("wb") as stream:
        np.savez_compressed(stream, **proof)
    write_manifest(folder, read_plan(folder)["inputs"])


def one_station_less(proof):
    proof["chosen"] = proof["chosen"][1:]


def another_station(proof):
    rest = np.setdiff1d(np.arange(proof["existing"].size), proof["chosen"])
    proof["chosen"][0] = rest[0]
    proof["chosen"].sort()


def a_shorter_road(proof):
    proof["length_m"] = proof["length_m"] * 0.9


def a_shortcut(proof):
    proof["path_position_m"] = proof["path_position_m"] * 0.5


def a_new_road(proof):
    far = proof["path_nodes"][proof["path_indptr"][1] - 1]
    for name, value in (
        ("edge_from", proof["path_nodes"][0]),
        ("edge_to", far),
        ("length_m", 1000.0),
        ("road", 0),
    ):
        proof[name] = np.append(proof[name], value).astype(proof[name].dtype)


def more_trips(proof):
    proof["path_volume"][0] += 100


def trips_moved(proof):
    proof["path_volume"][0] += 100
    proof["path_volume"][1] -= 100


def a_path_off_the_road(proof):
    proof["path_nodes"][1] = proof["path_nodes"][-1]


def stands_already(proof):
    proof["existing"][0] = True


@pytest.mark.parametrize(
    "change",
    [
        one_station_less, another_station, a_shorter_road, a_shortcut, a_new_road, more_trips,
        trips_moved, a_path_off_the_road, stands_already,
    ],
)  # fmt: skip
def test_a_spoilt_proof_is_found(copy, change):
    respoil(copy, change)
    with pytest.raises(VerificationError, match="corridor: "):
        verify_plan(copy)


@pytest.mark.parametrize("name", ["value", "base_value", "bound", "demand_total"])
def test_another_number_in_the_record_is_found(copy, name):
    record = read_plan(copy)
    record["sectors"]["corridor"][name] += 1
    write_json(copy / "plan.json", record)
    write_manifest(copy, record["inputs"])
    with pytest.raises(VerificationError, match=f"corridor: {name} is"):
        verify_plan(copy)


def test_the_report_workbook_and_layers_tell_the_plan(copy, own):
    import openpyxl
    import pyarrow.parquet as pq
    import pyogrio

    from groundplan.show import write_report

    page = write_report(copy).read_text(encoding="utf-8")
    for told in (
        "Charging corridors",
        "高速走廊充电",
        "Which roads let trips through",
        "The road network is a stand-in between towns, no map.",
        "Trips are modelled by gravity between towns, not counted.",
        '"segments"',
    ):
        assert told in page
    mine = write_report(own).read_text(encoding="utf-8")
    assert "roads.csv: made by this test, 2023, internal" in mine
    book = openpyxl.load_workbook(copy / "plan.xlsx", read_only=True)
    assert len(list(book["planned corridor"].iter_rows(min_row=3, values_only=True))) == 60
    layers = {str(name) for name, _ in pyogrio.list_layers(copy / "assets.gpkg")}
    assert {"corridor", "corridor_roads"} <= layers
    roads = pq.read_table(copy / "corridor-roads.parquet")
    assert roads.num_rows == read_plan(copy)["sectors"]["corridor"]["network"]["roads"]
    assert (roads["served_after_ratio"].to_numpy() >= roads["served_before_ratio"].to_numpy()).all()
    names = pq.read_schema(copy / "cells.parquet").names
    assert not [name for name in names if name.startswith("corridor")]
