"""Roads of the user are guarded for a hidden Chinese datum, and the plan says what was found."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial import cKDTree

from groundplan.cli.main import main
from groundplan.errors import CrsError
from groundplan.plan import make_plan, read_plan
from groundplan.region.datum import bd09_from_gcj02, gcj02_from_wgs84
from groundplan.region.tables import load
from groundplan.show import write_report
from groundplan.study import read_study
from groundplan.study.reading import DATA

GOOD = (DATA / "henan.toml").read_text(encoding="utf-8")
for key in ("mobile", "charging", "racks", "iot", "beidou"):
    TABLE = rf"(# [^\n]+\n)?\[sectors\.{key}(\.settings)?\]\n([^\n]+\n)*\n"
    GOOD, found = re.subn(TABLE, "", GOOD)
    assert found == 1, key
    GOOD = GOOD.replace(f'sector = "{key}"\n', "").replace("is_all_new = true\n", "")
ROADS = """
[sectors.corridor.roads]
path = "roads.csv"
crs = "EPSG:4326"
licence = "internal"
source = "made by this test"
vintage = 2023
"""


def moved(datum: str, lon, lat):
    if datum == "WGS84":
        return lon, lat
    lon, lat = gcj02_from_wgs84(lon, lat)
    return (lon, lat) if datum == "GCJ-02" else bd09_from_gcj02(lon, lat)


def write_study(folder: Path, datum: str, *more: str, declared: str = "EPSG:4326") -> Path:
    """A road from each seat of Henan to its three nearest ones, under some datum."""
    region = load("henan")
    seat = region.seat_xy_m()
    _, near = cKDTree(seat).query(seat, k=4)
    pairs = sorted({(min(i, j), max(i, j)) for i, row in enumerate(near) for j in row[1:]})
    # ends lie some hundred metres from the seats, as interchanges do
    off = np.random.default_rng(7).normal(0.0, 300.0, seat.shape)
    lon, lat = moved(datum, *region.unproject(*(seat + off).T))
    rows = [f"{lon[i]:.6f},{lat[i]:.6f},{lon[j]:.6f},{lat[j]:.6f}\n" for i, j in pairs]
    (folder / "roads.csv").write_text("from_lon,from_lat,to_lon,to_lat\n" + "".join(rows))
    table = ROADS.replace("EPSG:4326", declared) + "".join(f"{line}\n" for line in more)
    text = GOOD.replace("[sectors.corridor]\n", "[sectors.corridor]\n" + table, 1)
    (folder / "study.toml").write_text(
        text.replace("value = 60\n", "value = 5\n", 1), encoding="utf-8"
    )
    return folder / "study.toml"


@pytest.mark.parametrize("datum", ["GCJ-02", "BD-09"])
def test_displaced_roads_are_refused_and_the_datum_named(tmp_path, datum):
    path = write_study(tmp_path, datum)
    done = CliRunner().invoke(main, ["check", str(tmp_path)])
    assert done.exit_code == 3, done.output
    assert "roads.csv key position: got a median shift of" in done.output
    assert f'declare crs = "{datum}", or accept the positions as they are' in done.output
    with pytest.raises(CrsError, match=f'declare crs = "{datum}"'):
        make_plan(read_study(path), tmp_path / "plan", cell_m=250)
    assert not (tmp_path / "plan").exists()


def test_a_declared_datum_is_undone_and_the_plan_says_that_they_agree(tmp_path):
    path = write_study(tmp_path, "GCJ-02", declared="GCJ-02")
    make_plan(read_study(path), tmp_path / "plan", cell_m=5000)
    told = read_plan(tmp_path / "plan")["sectors"]["corridor"]["roads"]
    assert told["status"] == "ok"
    assert told["verdict"] == "agrees"
    assert told["crs"] == "GCJ-02"
    assert np.hypot(told["east_m"], told["north_m"]) < 100.0
    page = write_report(tmp_path / "plan").read_text(encoding="utf-8")
    assert "Positions of the roads" in page
    assert "agree with known places" in page


def test_accepted_positions_are_planned_with_a_warning(tmp_path):
    path = write_study(tmp_path, "GCJ-02", "is_datum_accepted = true")
    make_plan(read_study(path), tmp_path / "plan", cell_m=250)
    told = read_plan(tmp_path / "plan")["sectors"]["corridor"]["roads"]
    assert told["status"] == "warned"
    assert told["verdict"] == "GCJ-02"
    assert told["is_datum_accepted"] is True
    page = write_report(tmp_path / "plan").read_text(encoding="utf-8")
    assert "displaced as a whole, and planned all the same" in page


def test_a_few_roads_are_not_judged_and_the_plan_says_so(tmp_path):
    path = write_study(tmp_path, "WGS84")
    (tmp_path / "roads.csv").write_text(
        "from_lon,from_lat,to_lon,to_lat\n114.35,36.10,113.65,34.75\n113.65,34.75,114.07,32.13\n"
    )
    make_plan(read_study(path), tmp_path / "plan", cell_m=5000)
    told = read_plan(tmp_path / "plan")["sectors"]["corridor"]["roads"]
    assert told["status"] == "not enough points"
    page = write_report(tmp_path / "plan").read_text(encoding="utf-8")
    assert "not confirmed: too few of them lie near known places" in page
